//! Ports: where something enters a network, with addresses, a MAC and security groups.
//!
//! ```text
//!   DOWN --bound to a host--> BUILD --the host has it--> ACTIVE
//!    |                          \------------ deletion: until no host has it ------> gone
//!    '-- deletion: gone at the next look
//! ```
//! A port is bound by whoever puts something behind it: compute for a server, the port's own plan
//! for a probe (`jinyun:probe`, a namespace on the host through which the network is entered as a
//! guest would). Addresses and MAC are claims, so two ports cannot have the same, whatever order
//! their commands come in; what the port uses (network, subnets, groups) are links, so those stay.

mod openstack;

pub use openstack::routes;

use crate::address;
use crate::common;
use crate::network::{Network, yes};
use crate::security_group::{SecurityGroup, ensure_default_group};
use crate::subnet::Subnet;
use jinyun_base::{Entropy, Fault, Id, Kind, Refusal, Refused, check_name};
use jinyun_engine::{
    Claim, Command, Cost, Ctx, Failure, Have, Link, OnDelete, Place, Plan, Query, Resource, Row,
    Seen, Step, View,
};
use jinyun_policy::{Actor, ActorKind};
use jinyun_wire::Thing;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The kind.
pub struct Port;

/// The owner of a port that is realised as a namespace on a host.
pub const PROBE: &str = "jinyun:probe";

/// Most of those in one project that its people made. Nobody but the host's root can enter one, so they
/// are of little use to a tenant; but each is a namespace with links and rules on a host, and no quota of
/// servers is asked for it.
const MAX_PROBES: usize = 8;

/// Most addresses of one port, as in Neutron.
const MAX_ADDRESSES: usize = 5;

/// What a port is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PortSpec {
    /// Need not be unique.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Its network, for ever.
    pub network: Id,
    /// `fa:16:3e:..`; drawn if empty.
    #[serde(default)]
    pub mac: String,
    /// Its addresses; one is drawn if there is none and the network has a subnet.
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    /// Its security groups.
    #[serde(default)]
    pub security_groups: Vec<Id>,
    /// Off: nothing passes.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// What is behind it.
    #[serde(default)]
    pub device_id: String,
    /// What sort of thing that is.
    #[serde(default)]
    pub device_owner: String,
    /// Anti-spoofing and security groups apply.
    #[serde(default = "yes")]
    pub port_security: bool,
    /// The host that it is bound to; empty for none.
    #[serde(default)]
    pub host: String,
    /// The server that made it and takes it along.
    #[serde(default)]
    pub part_of: Option<Id>,
}

impl PortSpec {
    /// A port on a network with everything else left open.
    pub fn on(network: Id) -> PortSpec {
        PortSpec {
            name: String::new(),
            description: String::new(),
            network,
            mac: String::new(),
            fixed_ips: Vec::new(),
            security_groups: Vec::new(),
            admin_state_up: true,
            device_id: String::new(),
            device_owner: String::new(),
            port_security: true,
            host: String::new(),
            part_of: None,
        }
    }
}

/// An address and its subnet. In a new port either may be left open: an empty subnet is the one
/// that holds the address, `0.0.0.0` is any free address of the subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    /// Subnet.
    #[serde(default = "no_subnet")]
    pub subnet: Id,
    /// Address.
    #[serde(default = "any_address")]
    pub ip: Ipv4Addr,
}

fn no_subnet() -> Id {
    Id::new("")
}

fn any_address() -> Ipv4Addr {
    Ipv4Addr::UNSPECIFIED
}

impl Resource for Port {
    const SERVICE: &'static str = "network";
    const KIND: Kind = Kind("port");
    const LIVE: bool = true;
    type Spec = PortSpec;
    type Status = ();

    fn name(spec: &PortSpec) -> &str {
        &spec.name
    }

    fn fill(new: &mut PortSpec, at: &Place, view: &mut View<'_>, dice: &mut dyn Entropy)
        -> Result<(), Failure> {
        common::own::<Network>(view, &new.network, &at.project)?;
        let draw = dice.below(u64::MAX);
        if new.fixed_ips.is_empty() {
            new.fixed_ips = address::any(&new.network, draw, view)?;
        } else {
            address::resolve(&new.network, &mut new.fixed_ips, &[], draw, view)?;
        }
        if new.mac.is_empty() {
            new.mac = address::fresh_mac(&new.network, view, dice)?;
        }
        Ok(())
    }

    fn check(new: &PortSpec, old: Option<&PortSpec>, at: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("name", &new.name)?;
        check_name("description", &new.description)?;
        check_name("device_id", &new.device_id)?;
        check_name("device_owner", &new.device_owner)?;
        address::check_mac(&new.mac)?;
        if old.is_some_and(|o| o.network != new.network) {
            return Err(Refusal::invalid("network_id", "cannot be changed").into());
        }
        if old.is_none_or(|o| o.fixed_ips != new.fixed_ips) {
            check_addresses(new, view)?;
        }
        if old.is_none_or(|o| o.security_groups != new.security_groups) {
            for group in &new.security_groups {
                common::own::<SecurityGroup>(view, group, &at.project)?;
            }
        }
        if !new.port_security && !new.security_groups.is_empty() {
            let say = "Port security must be enabled in order to use security groups: send \
                       `security_groups` as an empty list to switch it off.";
            return Err(Refusal::conflict(say).into());
        }
        Ok(())
    }

    fn claims(spec: &PortSpec, _: &Place) -> Vec<Claim> {
        let mut claims: Vec<Claim> = spec.fixed_ips.iter().map(|f| Claim {
            space: address::SPACE.into(),
            word: address::word(&f.subnet, f.ip),
            taken: format!("IP address {} already allocated in subnet {}", f.ip, f.subnet),
        }).collect();
        claims.push(Claim {
            space: address::MACS.into(),
            word: format!("{}/{}", spec.network, spec.mac),
            taken: format!("The mac address {} is in use on network {}.", spec.mac, spec.network),
        });
        claims
    }

    fn links(spec: &PortSpec) -> Vec<Link> {
        let link = |role, id: &Id, on_delete| Link { role, kind: role, id: id.clone(), on_delete };
        let mut links = vec![link("network", &spec.network, OnDelete::Refuse)];
        let subnets: BTreeSet<&Id> = spec.fixed_ips.iter().map(|f| &f.subnet).collect();
        links.extend(subnets.into_iter().map(|id| link("subnet", id, OnDelete::Refuse)));
        let groups = spec.security_groups.iter();
        links.extend(groups.map(|id| link("security_group", id, OnDelete::Refuse)));
        links.extend(spec.part_of.iter().map(|id| link("server", id, OnDelete::Cascade)));
        links
    }

    fn cost(_: &PortSpec) -> Vec<Cost> {
        vec![Cost { item: "port", amount: 1 }]
    }

    fn fields(spec: &PortSpec) -> Vec<(&'static str, String)> {
        let mut fields = vec![("network", spec.network.to_string())];
        fields.extend(spec.fixed_ips.iter().map(|f| ("subnet", f.subnet.to_string())));
        fields.extend(spec.security_groups.iter().map(|g| ("security_group", g.to_string())));
        let words = [("device_id", &spec.device_id), ("host", &spec.host)];
        let words = words.into_iter().filter(|(_, word)| !word.is_empty());
        fields.extend(words.map(|(name, word)| (name, word.clone())));
        fields
    }

    fn plan(want: &Have<Port>, _: &mut View<'_>, seen: &dyn Seen) -> Result<Plan<()>, Fault> {
        let report = seen.seen("port", &want.id);
        if want.deleting {
            return Ok(match report {
                None => Plan::finish(()),
                Some(_) => Plan::going("DOWN", (), Vec::new()),
            });
        }
        if want.spec.host.is_empty() {
            if want.spec.device_owner != PROBE {
                return Ok(Plan::done("DOWN", ()));
            }
            let steps = living_host(seen).map(|host| bind_step(&want.id, &host));
            return Ok(Plan::going("DOWN", (), steps.into_iter().collect()));
        }
        // Whatever is no report about this port ("pending") says: not yet.
        let thing = report.and_then(|r| serde_json::from_value::<Thing>(r).ok());
        Ok(match thing {
            Some(Thing { ready: true, .. }) => Plan::done("ACTIVE", ()),
            Some(Thing { error: Some(error), .. }) if error.fatal => {
                Plan::failed("ERROR", (), error.why)
            }
            Some(Thing { error: Some(error), .. }) => {
                Plan { error: error.why, ..Plan::going("BUILD", (), Vec::new()) }
            }
            _ => Plan::going("BUILD", (), Vec::new()),
        })
    }
}

/// The first host that is connected.
fn living_host(seen: &dyn Seen) -> Option<String> {
    let hosts = seen.seen("hosts", &Id::new(""))?;
    hosts.get("alive")?.as_array()?.first()?.as_str().map(String::from)
}

fn bind_step(port: &Id, host: &str) -> Step {
    let (actor, request) = (Actor::system("network"), format!("port-{port}"));
    let command = Command::new("network:port:bind", actor, request)
        .on(port.clone()).with(json!({ "host": host }));
    Step::Run(Box::new(command))
}

fn check_addresses(new: &PortSpec, view: &mut View<'_>) -> Result<(), Failure> {
    if new.fixed_ips.len() > MAX_ADDRESSES {
        let say = format!("has more than {MAX_ADDRESSES} entries");
        return Err(Refusal::invalid("fixed_ips", say).into());
    }
    for (i, fixed) in new.fixed_ips.iter().enumerate() {
        let subnet = view.get::<Subnet>(&fixed.subnet)?.filter(|s| s.spec.network == new.network);
        let say = format!("holds subnet {}, which is not one of the network", fixed.subnet);
        let subnet = subnet.ok_or_else(|| Refusal::invalid("fixed_ips", say))?;
        if !address::Pool::hosts(&subnet.spec.cidr).contains(fixed.ip) {
            return Err(Refusal::invalid("fixed_ips", format!(
                "holds {}, which is not a host's address of {}", fixed.ip, subnet.spec.cidr
            )).into());
        }
        if new.fixed_ips.iter().take(i).any(|f| f == fixed) {
            let say = format!("holds {} twice", fixed.ip);
            return Err(Refusal::invalid("fixed_ips", say).into());
        }
    }
    Ok(())
}

/// What a new port leaves to the project's and the network's defaults where it is `None`.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Security groups; `None`: the project's default group, none without port security.
    pub security_groups: Option<Vec<Id>>,
    /// Port security; `None`: as the network has it.
    pub port_security: Option<bool>,
}

/// Makes a port in a domain and project. The two members of [`Choice`] in the spec are replaced.
pub fn create_port(ctx: &mut Ctx<'_>, domain: &Id, project: &Id, mut spec: PortSpec,
    choice: Choice) -> Result<Row, Failure> {
    let default = ensure_default_group(ctx, domain, project)?;
    let network = common::own::<Network>(&mut ctx.view(), &spec.network, project)?;
    spec.port_security = choice.port_security.unwrap_or(network.spec.port_security);
    spec.security_groups = match choice.security_groups {
        Some(groups) => groups,
        None if spec.port_security => vec![default],
        None => Vec::new(),
    };
    ctx.create::<Port>(domain, project, spec)
}

/// Members that only the platform sets, and owners that only it may name.
fn check_asker(command: &Command) -> Result<(), Failure> {
    if command.actor.kind == ActorKind::System {
        return Ok(());
    }
    let owner = command.args.get("device_owner").and_then(Value::as_str).unwrap_or_default();
    let inner = ["host", "part_of"].into_iter().find(|m| command.args.get(*m).is_some());
    let field = if owner.starts_with("network:") { Some("device_owner") } else { inner };
    match field {
        None => Ok(()),
        Some(field) => {
            let say = format!("{field} with this value is set by the platform only: leave it out");
            Err(Refusal::new(Refused::Forbidden, say).into())
        }
    }
}

/// Room for one more probe, unless the platform itself asks: one that goes counts until no host has it.
fn check_probes(ctx: &mut Ctx<'_>, command: &Command, project: &Id) -> Result<(), Failure> {
    if command.actor.kind == ActorKind::System {
        return Ok(());
    }
    let ports = ctx.list::<Port>(&Query::project(project))?;
    let probes = ports.iter().filter(|port| port.spec.device_owner == PROBE).count();
    if probes < MAX_PROBES {
        return Ok(());
    }
    let say = format!(
        "The project has {probes} ports with device_owner {PROBE}, and may have {MAX_PROBES}: delete one."
    );
    Err(Refusal::conflict(say).into())
}

pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let (domain, project) = common::place(command)?;
    check_asker(command)?;
    let spec = common::spec::<Port>(command.args.clone())?;
    if spec.device_owner == PROBE {
        check_probes(ctx, command, &project)?;
    }
    let given = |name: &str| command.args.get(name).is_some_and(|v| !v.is_null());
    let choice = Choice {
        security_groups: given("security_groups").then(|| spec.security_groups.clone()),
        port_security: given("port_security").then_some(spec.port_security),
    };
    let row = create_port(ctx, &domain, &project, spec, choice)?;
    Ok(json!({ "id": row.id }))
}

/// Changes a port. Not a plain update: addresses that are asked for in part have to be found.
pub(crate) fn update(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = common::target(command)?;
    check_asker(command)?;
    let have = ctx.get::<Port>(&id)?;
    let mut spec = common::merged::<Port>(&have.spec, &command.args)?;
    if spec.fixed_ips != have.spec.fixed_ips {
        let draw = ctx.dice().below(u64::MAX);
        let (network, held) = (spec.network.clone(), &have.spec.fixed_ips);
        address::resolve(&network, &mut spec.fixed_ips, held, draw, &mut ctx.view())?;
    }
    let behind = |s: &PortSpec| (s.mac.clone(), s.device_id.clone(), s.device_owner.clone());
    let lent = !ctx.view().used_by("port", &id)?.is_empty();
    let tied = lent || !have.spec.host.is_empty() || have.spec.part_of.is_some();
    if tied && command.actor.kind != ActorKind::System && behind(&spec) != behind(&have.spec) {
        return Err(Refusal::conflict(format!(
            "Port {id} is in use by {}: detach it before you change mac_address, device_id or \
             device_owner.", have.spec.device_id
        )).into());
    }
    if spec.device_owner == PROBE && have.spec.device_owner != PROBE {
        check_probes(ctx, command, &have.project)?;
    }
    ctx.change::<Port>(&id, command.if_generation, |old| {
        *old = spec;
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}

/// Deletes a port. A server's own port goes with the server or by detaching it, so that compute
/// knows of it; one that somebody made and lent to a server is kept by the server's link.
pub(crate) fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = common::target(command)?;
    let have = ctx.get::<Port>(&id)?;
    if let Some(server) = &have.spec.part_of
        && command.actor.kind != ActorKind::System
    {
        return Err(Refusal::conflict(format!(
            "Port {id} is in use by server {server}: detach the interface or delete the server."
        )).into());
    }
    ctx.delete::<Port>(&id)?;
    Ok(Value::Null)
}

/// Binds a port to a host, or to none.
pub(crate) fn bind(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = common::target(command)?;
    let host = command.args.get("host").and_then(Value::as_str)
        .ok_or_else(|| Refusal::invalid("host", "is missing"))?;
    ctx.change::<Port>(&id, None, |spec| {
        spec.host = host.into();
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}
