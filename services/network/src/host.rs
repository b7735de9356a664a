//! What a host must have of the networks: its part of the want-document, read from the records.
//!
//! Problem: a host needs everything that touches its ports and nothing else: no other tenant's
//! networks, but all addresses of a group's members, wherever they are. Mechanism: begin at the
//! ports bound to the host and follow what they use. Everything is in the order of ids, so the same
//! records give the same document. IPv6 rules are left out: the document's rules speak of IPv4, and
//! "any IPv6" would become "anything".

use crate::network::Network;
use crate::port::{PROBE, Port};
use crate::router::Router;
use crate::security_group_rule::{
    Direction, Ethertype, SecurityGroupRule, SecurityGroupRuleSpec,
};
use crate::subnet::Subnet;
use jinyun_base::{Fault, Id};
use jinyun_engine::{Have, Query, View};
use jinyun_wire::{
    Attach, GroupWant, NetworkWant, PortWant, RouterWant, RuleWant, SubnetWant,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// What the metadata service answers to a port: paths below `/` and bodies.
pub type Metadata<'a> = &'a dyn Fn(&Have<Port>) -> Vec<(String, String)>;

/// The networks, routers and security groups of a host's want-document.
pub fn want(view: &mut View<'_>, host: &str, metadata: Metadata<'_>)
    -> Result<(Vec<NetworkWant>, Vec<RouterWant>, Vec<GroupWant>), Fault> {
    let mut here: BTreeMap<Id, Vec<Have<Port>>> = BTreeMap::new();
    for port in view.list::<Port>(&Query::field("host", host))? {
        if !port.deleting {
            here.entry(port.spec.network.clone()).or_default().push(port);
        }
    }
    let mut networks = Vec::with_capacity(here.len());
    let mut routers: BTreeMap<Id, Have<Router>> = BTreeMap::new();
    for (id, ports) in &here {
        let Some(network) = view.get::<Network>(id)? else { continue };
        networks.push(NetworkWant {
            id: id.to_string(),
            mtu: network.spec.mtu,
            dns_domain: network.spec.dns_domain.trim_matches('.').into(),
            subnets: subnets(view, id)?,
            ports: ports.iter().map(|p| port_want(p, &network, metadata(p))).collect(),
        });
        for router in view.list::<Router>(&Query::field("network", id))? {
            if router.spec.admin_state_up {
                routers.insert(router.id.clone(), router);
            }
        }
    }
    let mut joined = Vec::with_capacity(routers.len());
    for router in routers.values() {
        joined.push(router_want(view, router)?);
    }
    let used: BTreeSet<&Id> = here.values().flatten().flat_map(|p| &p.spec.security_groups)
        .collect();
    Ok((networks, joined, groups(view, &used)?))
}

fn subnets(view: &mut View<'_>, network: &Id) -> Result<Vec<SubnetWant>, Fault> {
    let subnets = view.list::<Subnet>(&Query::field("network", network))?;
    Ok(subnets.into_iter().map(|s| SubnetWant {
        id: s.id.to_string(),
        cidr: s.spec.cidr.to_string(),
        gateway: s.spec.gateway,
        dhcp: s.spec.dhcp,
        dns: s.spec.dns,
        host_routes: s.spec.host_routes.iter()
            .map(|r| (r.destination.to_string(), r.nexthop)).collect(),
    }).collect())
}

fn port_want(port: &Have<Port>, network: &Have<Network>, metadata: Vec<(String, String)>)
    -> PortWant {
    let spec = &port.spec;
    PortWant {
        id: port.id.to_string(),
        mac: spec.mac.clone(),
        ips: spec.fixed_ips.iter().map(|f| (f.subnet.to_string(), f.ip)).collect(),
        hostname: hostname(port, &metadata),
        up: spec.admin_state_up && network.spec.admin_state_up,
        filtered: spec.port_security,
        groups: spec.security_groups.iter().map(Id::to_string).collect(),
        attach: if spec.device_owner == PROBE { Attach::Probe } else { Attach::Tap },
        metadata,
    }
}

/// What DHCP and DNS call it: the name that the metadata service tells the guest, so that the two
/// agree; else the port's own name; else one made of the address, as in Neutron.
fn hostname(port: &Have<Port>, metadata: &[(String, String)]) -> String {
    let told = metadata.iter().find(|(path, _)| path.ends_with("meta-data/hostname"))
        .and_then(|(_, name)| name.split('.').next());
    let label = |name: &str| {
        (1..=63).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let names = [told.unwrap_or_default(), port.spec.name.as_str()];
    if let Some(name) = names.into_iter().find(|n| label(n)) {
        return name.to_lowercase();
    }
    match port.spec.fixed_ips.first() {
        Some(fixed) => format!("host-{}", fixed.ip.to_string().replace('.', "-")),
        None => String::new(),
    }
}

/// A router with all networks that it joins: which of them a host carries, the host knows.
fn router_want(view: &mut View<'_>, router: &Have<Router>) -> Result<RouterWant, Fault> {
    let mut networks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for interface in &router.spec.interfaces {
        if let Some(subnet) = view.get::<Subnet>(&interface.subnet)? {
            let ranges = networks.entry(interface.network.to_string()).or_default();
            ranges.push(subnet.spec.cidr.to_string());
        }
    }
    Ok(RouterWant { id: router.id.to_string(), networks: networks.into_iter().collect() })
}

/// The groups that ports here have, and those that their rules name. Of the latter only the
/// members matter: their own rules are in force where their ports are.
fn groups(view: &mut View<'_>, used: &BTreeSet<&Id>) -> Result<Vec<GroupWant>, Fault> {
    let mut all: BTreeMap<Id, Vec<RuleWant>> = BTreeMap::new();
    for group in used {
        let rules = view.list::<SecurityGroupRule>(&Query::field("group", group))?;
        let rules = rules.iter().filter(|r| r.spec.ethertype == Ethertype::V4);
        let rules: Vec<RuleWant> = rules.map(|r| rule_want(&r.spec)).collect();
        for named in rules.iter().filter_map(|r| r.remote_group.as_ref()) {
            all.entry(Id::new(named)).or_default();
        }
        all.insert((*group).clone(), rules);
    }
    let mut groups = Vec::with_capacity(all.len());
    for (id, rules) in all {
        let members = members(view, &id)?;
        groups.push(GroupWant { id: id.to_string(), members, rules });
    }
    Ok(groups)
}

/// Addresses of all ports of a group, wherever they are.
fn members(view: &mut View<'_>, group: &Id) -> Result<Vec<Ipv4Addr>, Fault> {
    let ports = view.list::<Port>(&Query::field("security_group", group))?;
    let ports = ports.iter().filter(|p| !p.deleting);
    let all: BTreeSet<Ipv4Addr> = ports.flat_map(|p| &p.spec.fixed_ips).map(|f| f.ip).collect();
    Ok(all.into_iter().collect())
}

fn rule_want(rule: &SecurityGroupRuleSpec) -> RuleWant {
    // For ICMP the document has the type twice and the code beside it.
    let (ports, icmp_code) = match (rule.port_min, rule.port_max) {
        (Some(kind), code) if rule.is_icmp() => {
            (Some((kind, kind)), code.and_then(|c| u8::try_from(c).ok()))
        }
        (Some(low), Some(high)) => (Some((low, high)), None),
        _ => (None, None),
    };
    RuleWant {
        ingress: rule.direction == Direction::Ingress,
        protocol: rule.number(),
        ports,
        icmp_code,
        remote_cidr: rule.remote_cidr.map(|c| c.to_string()),
        remote_group: rule.remote_group.as_ref().map(Id::to_string),
    }
}
