//! Security group rules in the terms of packets.
//!
//! Problem: two things read the rules, the packet filter (`nft`) for packets and the flow judge
//! (`flows`) for connections that exist already. If they read them differently, a connection
//! survives the rule that allowed it, or dies with one that did not.
//!
//! Mechanism: both read them through [`allow`]. A rule that is not understood, or that can match
//! nothing here (IPv6, a group that is not in the document), allows nothing.

use super::names::Cidr;
use jinyun_wire::{GroupWant, NetworkWant, RuleWant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// A rule in the terms of packets. Filter and flow judge both read rules through this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// IP protocol.
    pub protocol: Option<u8>,
    /// Destination ports.
    pub ports: Option<(u16, u16)>,
    /// ICMP type and code.
    pub icmp: Option<(u8, Option<u8>)>,
    /// Who may be at the other end.
    pub remote: Remote,
}

/// Who may be at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// Anybody.
    Any,
    /// Addresses of a range.
    Range(Cidr),
    /// Members of a group, by its id.
    Group(String),
}

/// What a rule allows; `None` if it can match nothing that this filter sees. A rule that is not
/// understood allows nothing.
pub fn allow(rule: &RuleWant, groups: &[GroupWant]) -> Option<Allow> {
    let remote = match (&rule.remote_group, &rule.remote_cidr) {
        (Some(_), Some(_)) => return None,
        (Some(group), None) => {
            groups.iter().find(|g| g.id == *group)?;
            Remote::Group(group.clone())
        }
        (None, Some(text)) => match Cidr::parse(text)? {
            range if range.prefix_len() == 0 => Remote::Any,
            range => Remote::Range(range),
        },
        (None, None) => Remote::Any,
    };
    let mut allow = Allow {
        protocol: rule.protocol,
        ports: None,
        icmp: None,
        remote,
    };
    match (rule.protocol, rule.ports) {
        // The document has two numbers where Neutron may have one: a type alone is repeated.
        (Some(1), Some((kind, code))) => {
            let kind_alone = code == kind || code > 255;
            let code = match rule.icmp_code {
                Some(code) => Some(code),
                None if kind_alone => None,
                None => u8::try_from(code).ok(),
            };
            allow.icmp = Some((u8::try_from(kind).ok()?, code));
        }
        (_, None) if rule.icmp_code.is_some() => return None,
        (_, None) => {}
        (Some(protocol), Some((low, high))) => {
            if port_word(protocol).is_none() || low > high {
                return None;
            }
            allow.ports = Some((low, high));
        }
        (None, Some(_)) => return None,
    }
    Some(allow)
}

/// How `nft` calls a protocol that has ports.
pub fn port_word(protocol: u8) -> Option<&'static str> {
    match protocol {
        6 => Some("tcp"),
        17 => Some("udp"),
        33 => Some("dccp"),
        132 => Some("sctp"),
        136 => Some("udplite"),
        _ => None,
    }
}

/// A group's members as a network may see them. Members are addresses without their network, so an
/// address that another port of this network holds belongs to a member elsewhere, not to that port.
pub fn members(group: &GroupWant, network: &NetworkWant) -> BTreeSet<Ipv4Addr> {
    let mut holders: BTreeMap<Ipv4Addr, bool> = BTreeMap::new();
    for port in &network.ports {
        let member = port.groups.contains(&group.id);
        holders.extend(port.ips.iter().map(|(_, ip)| (*ip, member)));
    }
    let all = group.members.iter().copied();
    all.filter(|ip| holders.get(ip).copied().unwrap_or(true))
        .collect()
}
