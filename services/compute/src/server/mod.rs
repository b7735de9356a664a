//! Servers: what is asked, what follows from it, and how far it is.
//!
//! ```text
//!             place            the guest runs          os-stop / it ended by itself
//!   BUILD ──────────> BUILD ──────────────────> ACTIVE ────────────────────> SHUTOFF
//!     │   (no host has room)                       ^                            │
//!     └────────> ERROR <── a disk or the guest     └──────── os-start ──────────┘
//!                           cannot be made
//!   any ── DELETE ──> deleting: the host lets go ──> release ──> parts finish ──> gone
//! ```
//! A server is made with its parts in one command: its root disk and the ports that it makes for
//! itself hang on it (they go with it), the ports and volumes that a user brought are only tied to
//! it while it lives. The flavor and the public key are copied: later changes of those rows do not
//! reach a server. User data is a secret of the row, since it often holds passwords. So is the
//! password of the guest, sealed, until the guest has taken it ([`password`]).

pub mod acts;
pub mod ask;
pub mod create;
mod openstack;
pub mod password;
pub mod plan;
pub mod show;

pub use openstack::Console;
pub(crate) use openstack::routes;

use jinyun_base::{Fault, Id, Kind, Refusal, check_name};
use jinyun_engine::{Cost, Failure, Have, Link, OnDelete, Place, Plan, Resource, Seen, View};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kind.
pub struct Server;

/// The only availability zone.
pub const ZONE: &str = "nova";
/// Nova's owner word of ports that servers use.
pub const OWNER: &str = "compute:nova";

/// The flavor as it was when the server was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// The flavor's id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Virtual processors.
    pub vcpus: i64,
    /// Memory in MiB.
    pub memory_mib: i64,
    /// Root disk in GiB.
    pub disk_gib: i64,
}

/// A volume that a user attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The volume.
    pub id: Id,
    /// `/dev/vdb`, ...
    pub device: String,
}

/// What a server is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerSpec {
    /// Name; several may have the same.
    pub name: String,
    /// Name of the machine, made from the name.
    pub hostname: String,
    /// Its size.
    pub flavor: Size,
    /// What it was made from.
    pub image: Id,
    /// Name of the key pair; empty if there is none.
    #[serde(default)]
    pub key_name: String,
    /// The public key, copied.
    #[serde(default)]
    pub public_key: String,
    /// Who made it.
    pub user: Id,
    /// All its ports, in order.
    #[serde(default)]
    pub ports: Vec<Id>,
    /// Those that were made with it and go with it.
    #[serde(default)]
    pub own_ports: Vec<Id>,
    /// Its root disk, which goes with it.
    pub root: Id,
    /// Volumes that are attached, in order.
    #[serde(default)]
    pub volumes: Vec<Attached>,
    /// The user's labels.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// It is to run.
    pub running: bool,
    /// Grows with each start: a guest of an earlier one is not the wanted one.
    pub incarnation: i64,
    /// Where it is; empty before it is placed.
    #[serde(default)]
    pub host: String,
    /// There is user data, kept as the secret `user_data`.
    #[serde(default)]
    pub has_user_data: bool,
    /// There is a password that the guest has not taken, kept as the secret [`password::PASSWORD`].
    #[serde(default)]
    pub has_password: bool,
}

/// What is known of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// When it ran first (microseconds); 0 before.
    #[serde(default)]
    pub launched: i64,
}

impl ServerSpec {
    /// Ports that a user brought.
    pub fn lent_ports(&self) -> impl Iterator<Item = &Id> {
        self.ports.iter().filter(move |id| !self.own_ports.contains(id))
    }
}

/// The most labels of a server (Nova's `metadata_items`).
pub const LABELS: usize = 128;

impl Resource for Server {
    const SERVICE: &'static str = "compute";
    const KIND: Kind = Kind("server");
    const LIVE: bool = true;
    type Spec = ServerSpec;
    type Status = ServerStatus;

    fn name(spec: &ServerSpec) -> &str {
        &spec.name
    }

    fn check(new: &ServerSpec, _: Option<&ServerSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("name", &new.name)?;
        if new.name.trim().is_empty() {
            return Err(Refusal::invalid("name", "is empty").into());
        }
        if new.metadata.len() > LABELS {
            let say = format!("has more than {LABELS} items");
            return Err(Refusal::invalid("metadata", say).into());
        }
        for (name, value) in &new.metadata {
            let long = |text: &str| text.chars().count() > 255;
            if name.is_empty() || long(name) || long(value) {
                let say = "must have names of 1 to 255 and values of at most 255 characters";
                return Err(Refusal::invalid("metadata", say).into());
            }
        }
        Ok(())
    }

    fn links(spec: &ServerSpec) -> Vec<Link> {
        let uses = |role, id: &Id| {
            Link { role, kind: role, id: id.clone(), on_delete: OnDelete::Refuse }
        };
        let ports = spec.lent_ports().map(|id| uses("port", id));
        let volumes = spec.volumes.iter().map(|volume| uses("volume", &volume.id));
        ports.chain(volumes).collect()
    }

    fn cost(spec: &ServerSpec) -> Vec<Cost> {
        vec![
            Cost { item: "instances", amount: 1 },
            Cost { item: "cores", amount: spec.flavor.vcpus },
            Cost { item: "ram", amount: spec.flavor.memory_mib },
        ]
    }

    fn fields(spec: &ServerSpec) -> Vec<(&'static str, String)> {
        let mut fields = vec![("host", spec.host.clone())];
        if spec.has_password {
            fields.push(("password", password::KEPT.into()));
        }
        fields
    }

    fn plan(want: &Have<Server>, world: &mut View<'_>, seen: &dyn Seen)
        -> Result<Plan<ServerStatus>, Fault> {
        let facts = plan::facts(want, world, seen)?;
        Ok(plan::decide(want, &facts))
    }
}

/// A machine's name from a server's, as Nova makes it: letters, digits and dashes.
pub fn hostname(name: &str, id: &Id) -> String {
    let word: String = name.to_lowercase().chars()
        .filter_map(|c| match c {
            ' ' | '_' | '.' => Some('-'),
            c if c.is_ascii_alphanumeric() || c == '-' => Some(c),
            _ => None,
        })
        .take(63)
        .collect();
    match word.trim_matches('-') {
        "" => format!("server-{id}"),
        word => word.into(),
    }
}
