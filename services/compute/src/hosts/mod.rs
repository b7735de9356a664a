//! Hosts: the machines that carry servers, as records, as documents, and as they report.
//!
//! ```text
//!   records ──> want ──> HostWant ──> Hosts::compose ──> (the wire) ──> host
//!                                          │                             │
//!   plans <── Seen <── Hosts::report <─────┴──────────── HostSeen <──────┘
//! ```
//! The record ([`Host`]) holds what scheduling needs and what an assessor asks; whether a host is
//! connected is no record: it is known from the connection, and a host tells everything again.

mod live;
mod metadata;
mod want;

pub use live::Hosts;
pub use metadata::{Guest, pages};
pub use want::{placed, waiting, want};

use crate::list::bookmark;
use crate::server::Server;
use jinyun_base::{Fault, Id, Kind, Refusal, check_name};
use jinyun_engine::{Command, Ctx, Failure, Have, Place, Query, Resource, View};
use jinyun_policy::{Actor, PROVIDER};
use jinyun_rest::{Call, Reply, Route};
use jinyun_volume::Volume;
use jinyun_wire::HostFacts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind. A host's id is its name.
pub struct Host;

/// What a host is, as it said when it connected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Unique in the instance.
    pub name: String,
    /// Logical processors.
    pub cpus: i64,
    /// Memory in MiB.
    pub memory_mib: i64,
    /// Hardware virtualisation works; otherwise guests are emulated.
    pub kvm: bool,
    /// Nothing behind it is real.
    #[serde(default)]
    pub simulated: bool,
    /// The kernel's release.
    #[serde(default)]
    pub kernel: String,
    /// QEMU's version.
    #[serde(default)]
    pub qemu: String,
}

impl Resource for Host {
    const SERVICE: &'static str = "compute";
    const KIND: Kind = Kind("host");
    type Spec = HostSpec;
    type Status = ();

    fn name(spec: &HostSpec) -> &str {
        &spec.name
    }

    fn check(new: &HostSpec, _: Option<&HostSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("name", &new.name)?;
        if new.name.is_empty() {
            return Err(Refusal::invalid("name", "is empty").into());
        }
        Ok(())
    }

    fn keep(have: &Have<Host>, view: &mut View<'_>) -> Result<(), Failure> {
        let on = Query::field("host", &have.spec.name);
        let (servers, volumes) =
            (view.list::<Server>(&on)?.len(), view.list::<Volume>(&on)?.len());
        if servers + volumes > 0 {
            return Err(Refusal::conflict(format!(
                "Host {} carries {servers} server(s) and {volumes} volume(s): delete them first.",
                have.id
            )).into());
        }
        Ok(())
    }
}

/// The command that records a host when it connects.
pub fn registration(name: &str, facts: &HostFacts) -> Command {
    let command =
        Command::new("compute:host:register", Actor::system("hosts"), format!("host-{name}"));
    command.with(json!({
        "name": name,
        "cpus": facts.cpus,
        "memory_mib": facts.memory_mib,
        "kvm": facts.kvm,
        "simulated": facts.simulated,
        "kernel": facts.kernel,
        "qemu": facts.qemu,
    }))
}

/// Records a host, or that it has changed.
pub(crate) fn register(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec: HostSpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("host", format!("cannot be read: {e}")))?;
    let id = Id::new(&spec.name);
    if ctx.view().get::<Host>(&id)?.is_some() {
        ctx.change::<Host>(&id, None, |there| {
            *there = spec;
            Ok(())
        })?;
    } else {
        let at = Place { domain: PROVIDER.into(), project: "".into(), id: id.clone() };
        ctx.create_at::<Host>(at, spec)?;
    }
    Ok(json!({ "id": id }))
}

/// What servers take of a host: how many they are, their processors and their memory.
pub(crate) fn load(view: &mut View<'_>, host: &str) -> Result<(i64, i64, i64), Fault> {
    let servers = view.list::<Server>(&Query::field("host", host))?;
    Ok(servers.iter().fold((0, 0, 0), |(count, vcpus, memory), server| {
        let flavor = &server.spec.flavor;
        (count + 1, vcpus + flavor.vcpus, memory + flavor.memory_mib)
    }))
}

/// Nova numbers its hypervisors before 2.53; the number is the place in the list.
fn hypervisors(call: &Call<'_>, detail: bool) -> Result<Reply, Failure> {
    let mut shown = Vec::new();
    for (n, have) in call.list::<Host>(&Query::default())?.iter().enumerate() {
        let spec = &have.spec;
        let mut one = json!({
            "id": n + 1,
            "hypervisor_hostname": spec.name,
            // The record does not say whether it is connected: that is asked of metrics.
            "state": "up",
            "status": "enabled",
        });
        if detail {
            let (running, vcpus, memory) = call.view(|view| load(view, &spec.name))?;
            let more = json!({
                "hypervisor_type": if spec.kvm { "KVM" } else { "QEMU" },
                "hypervisor_version": 0,
                "host_ip": "",
                "cpu_info": "",
                "vcpus": spec.cpus,
                "vcpus_used": vcpus,
                "memory_mb": spec.memory_mib,
                "memory_mb_used": memory,
                "free_ram_mb": spec.memory_mib - memory,
                "local_gb": 0,
                "local_gb_used": 0,
                "free_disk_gb": 0,
                "disk_available_least": null,
                "running_vms": running,
                "current_workload": 0,
                "service": { "id": n + 1, "host": spec.name, "disabled_reason": null },
                "links": [bookmark(call, "os-hypervisors", &have.id)],
            });
            if let (Some(one), Value::Object(more)) = (one.as_object_mut(), more) {
                one.extend(more);
            }
        }
        shown.push(one);
    }
    Ok(Reply::ok(json!({ "hypervisors": shown })))
}

/// The operations: for the system administrator, and for the auditor to read.
pub(crate) fn routes() -> Vec<Route> {
    let list = "compute:host:list";
    vec![
        Route::new("GET", "/v2.1/os-hypervisors", list, |call| hypervisors(call, false)),
        Route::new("GET", "/v2.1/os-hypervisors/detail", list, |call| hypervisors(call, true)),
    ]
}
