//! Which of the connections that exist are no longer allowed.
//!
//! Problem: the filter lets packets of known connections pass, so a rule that is taken away would
//! not touch a session that is open. Closing a port has to end it.
//!
//! Mechanism: after a changed filter is in force, every tracked connection of the network is judged
//! by the same rules as a new one would be, and what they do not allow is forgotten by the kernel.
//! `nf_conntrack_tcp_loose` is off in these namespaces, so a forgotten TCP connection cannot be
//! picked up in the middle.
//!
//! Not flushing all entries of a port whose rules changed: each server that joins a group changes
//! the rules of all its members, and their sessions would break every time. Not comparing old rules
//! with new ones: the agent would have to remember the old ones across its own restart.

use super::nft;
use super::rules::{self, Allow, Remote};
use jinyun_wire::{GroupWant, NetworkWant, PortWant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// A tracked connection in its original direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// IP protocol.
    pub protocol: u8,
    /// Who began it.
    pub src: Ipv4Addr,
    /// With whom.
    pub dst: Ipv4Addr,
    /// Source and destination port.
    pub ports: Option<(u16, u16)>,
    /// ICMP type, code and id.
    pub icmp: Option<(u8, u8, u16)>,
}

/// Reads a line of `conntrack -L`. The first of each key is of the original direction.
pub fn parse(line: &str) -> Option<Flow> {
    let mut words = line.split_whitespace();
    let protocol = words.nth(1)?.parse().ok()?;
    let words: Vec<(&str, &str)> = words.filter_map(|w| w.split_once('=')).collect();
    let get = |key: &str| words.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
    let port = |key: &str| get(key)?.parse::<u16>().ok();
    let byte = |key: &str| get(key)?.parse::<u8>().ok();
    Some(Flow {
        protocol,
        src: get("src")?.parse().ok()?,
        dst: get("dst")?.parse().ok()?,
        ports: port("sport").zip(port("dport")),
        icmp: match (byte("type"), byte("code"), port("id")) {
            (Some(kind), Some(code), Some(id)) => Some((kind, code, id)),
            _ => None,
        },
    })
}

/// The line for `conntrack -R -` that forgets a connection.
pub fn forget(flow: &Flow) -> String {
    let mut line = format!("-D -p {} -s {} -d {}", flow.protocol, flow.src, flow.dst);
    if let Some((from, to)) = flow.ports {
        line.push_str(&format!(" --sport {from} --dport {to}"));
    }
    if let Some((kind, code, id)) = flow.icmp {
        line.push_str(&format!(
            " --icmp-type {kind} --icmp-code {code} --icmp-id {id}"
        ));
    }
    line
}

/// Judges the connections of one network. There may be many, so what a judgement looks up is laid
/// out beforehand.
pub struct Judge<'a> {
    groups: &'a [GroupWant],
    services: BTreeSet<Ipv4Addr>,
    ports: BTreeMap<Ipv4Addr, &'a PortWant>,
    members: BTreeMap<&'a str, BTreeSet<Ipv4Addr>>,
}

impl<'a> Judge<'a> {
    /// By the rules of this document.
    pub fn new(network: &'a NetworkWant, groups: &'a [GroupWant]) -> Judge<'a> {
        let mut ports = BTreeMap::new();
        for port in &network.ports {
            ports.extend(port.ips.iter().map(|(_, ip)| (*ip, port)));
        }
        let members = groups
            .iter()
            .map(|g| (g.id.as_str(), rules::members(g, network)))
            .collect();
        Judge {
            groups,
            services: nft::services(network),
            ports,
            members,
        }
    }

    /// Whether a new connection like this one would be allowed now.
    pub fn allows(&self, flow: &Flow) -> bool {
        let from = self.ports.get(&flow.src);
        let to = self.ports.get(&flow.dst);
        if to.is_none() && self.services.contains(&flow.dst) {
            return from.is_none_or(|p| p.up);
        }
        let out = from.is_none_or(|p| self.passes(p, false, flow));
        out && to.is_none_or(|p| self.passes(p, true, flow))
    }

    fn passes(&self, port: &PortWant, ingress: bool, flow: &Flow) -> bool {
        if !port.up || !port.filtered {
            return port.up;
        }
        let groups = self.groups.iter().filter(|g| port.groups.contains(&g.id));
        groups
            .flat_map(|g| &g.rules)
            .filter(|r| r.ingress == ingress)
            .filter_map(|r| rules::allow(r, self.groups))
            .any(|a| self.matches(&a, ingress, flow))
    }

    fn matches(&self, allow: &Allow, ingress: bool, flow: &Flow) -> bool {
        let remote = if ingress { flow.src } else { flow.dst };
        let who = match &allow.remote {
            Remote::Any => true,
            Remote::Range(range) => range.contains(remote),
            Remote::Group(id) => {
                let members = self.members.get(id.as_str());
                members.is_some_and(|m| m.contains(&remote))
            }
        };
        let port = match (allow.ports, flow.ports) {
            (None, _) => true,
            (Some((low, high)), Some((_, to))) => (low..=high).contains(&to),
            (Some(_), None) => false,
        };
        let icmp = match (allow.icmp, flow.icmp) {
            (None, _) => true,
            (Some((kind, code)), Some((k, c, _))) => kind == k && code.is_none_or(|code| code == c),
            (Some(_), None) => false,
        };
        who && port && icmp && allow.protocol.is_none_or(|p| p == flow.protocol)
    }
}
