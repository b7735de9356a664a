//! Networks: a project's own address spaces, apart from all others.
//!
//! Only a record: a host carries a network as soon as one of its ports is there.

use crate::common::{self, put};
use crate::security_group::ensure_default_group;
use crate::subnet::Subnet;
use jinyun_base::{Fault, Kind, Refusal, check_name};
use jinyun_engine::{Command, Cost, Ctx, Failure, Have, Place, Query, Resource, View};
use jinyun_rest::{Call, Shape, Words};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct Network;

/// The smallest packet that every IPv4 host must take, and the largest that is offered.
const MTU: (i64, i64) = (576, 9000);

/// What a network is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Need not be unique.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Off: nothing passes at any of its ports.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// Largest packet.
    #[serde(default = "usual_mtu")]
    pub mtu: u32,
    /// What new ports begin with.
    #[serde(default = "yes")]
    pub port_security: bool,
    /// Domain name of its guests; empty for none.
    #[serde(default)]
    pub dns_domain: String,
}

pub(crate) fn yes() -> bool {
    true
}

/// 1500 less what VXLAN over IPv4 takes.
fn usual_mtu() -> u32 {
    1450
}

impl Resource for Network {
    const SERVICE: &'static str = "network";
    const KIND: Kind = Kind("network");
    type Spec = NetworkSpec;
    type Status = ();

    fn name(spec: &NetworkSpec) -> &str {
        &spec.name
    }

    fn check(new: &NetworkSpec, _: Option<&NetworkSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("name", &new.name)?;
        check_name("description", &new.description)?;
        if !(MTU.0..=MTU.1).contains(&i64::from(new.mtu)) {
            return Err(Refusal::invalid("mtu", format!("must be {} to {}", MTU.0, MTU.1)).into());
        }
        check_domain(&new.dns_domain)?;
        Ok(())
    }

    fn cost(_: &NetworkSpec) -> Vec<Cost> {
        vec![Cost { item: "network", amount: 1 }]
    }
}

fn check_domain(domain: &str) -> Result<(), Refusal> {
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && !l.starts_with('-') && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let bare = domain.strip_suffix('.').unwrap_or(domain);
    if domain.is_empty() || (bare.len() <= 253 && bare.split('.').all(label)) {
        return Ok(());
    }
    Err(Refusal::invalid("dns_domain", "must be a domain name like corp.example."))
}

/// Makes a network, and the project's default security group with its first one.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let (domain, project) = common::place(command)?;
    ensure_default_group(ctx, &domain, &project)?;
    let spec = common::spec::<Network>(command.args.clone())?;
    let row = ctx.create::<Network>(&domain, &project, spec)?;
    Ok(json!({ "id": row.id }))
}

const MEMBERS: &[&str] = &["name", "description", "admin_state_up", "mtu",
    "port_security_enabled", "dns_domain", "shared", "router:external", "is_default",
    "availability_zone_hints", "qos_policy_id", "vlan_transparent", "provider:network_type",
    "provider:physical_network", "provider:segmentation_id", "segments", "project_id",
    "tenant_id"];
/// Known, and not offered.
const UNUSED: &[&str] = &["shared", "router:external", "is_default", "availability_zone_hints",
    "qos_policy_id", "vlan_transparent", "provider:network_type", "provider:physical_network",
    "provider:segmentation_id", "segments"];

fn args(words: &Words<'_>, but: &[&str]) -> Result<common::Args, Failure> {
    let known: Vec<&str> = MEMBERS.iter().copied().filter(|m| !but.contains(m)).collect();
    words.only(&known)?;
    common::unused(words, UNUSED)?;
    let mut args = common::plain(words)?;
    put(&mut args, "mtu", words.int("mtu", MTU.0, MTU.1)?);
    put(&mut args, "port_security", words.flag("port_security_enabled")?);
    put(&mut args, "dns_domain", words.text("dns_domain")?);
    Ok(args)
}

impl Shape for Network {
    const ONE: &'static str = "network";
    const MANY: &'static str = "networks";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("network")?;
        common::creation(call, &words, Self::action("create"), args(&words, &[])?)
    }

    fn update(call: &Call<'_>, _: &Have<Network>) -> Result<Command, Failure> {
        let words = call.words("network")?;
        common::change(call, Self::action("update"), args(&words, &["project_id", "tenant_id"])?)
    }

    fn show(have: &Have<Network>, call: &Call<'_>) -> Result<Value, Fault> {
        let subnets = call.view(|v| v.list::<Subnet>(&Query::field("network", &have.id)))?;
        let subnets: Vec<&str> = subnets.iter().map(|s| s.id.as_str()).collect();
        Ok(common::shown(have, json!({
            "name": have.spec.name, "description": have.spec.description, "status": "ACTIVE",
            "admin_state_up": have.spec.admin_state_up, "mtu": have.spec.mtu,
            "port_security_enabled": have.spec.port_security, "dns_domain": have.spec.dns_domain,
            "subnets": subnets, "shared": false, "router:external": false,
            "availability_zones": [], "availability_zone_hints": [],
            "ipv4_address_scope": null, "ipv6_address_scope": null,
        })))
    }

    fn query(call: &Call<'_>) -> Query {
        common::query(call, &[])
    }
}
