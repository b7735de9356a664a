//! Rules of security groups: what is allowed; everything else is dropped.
//!
//! Two rules that allow the same are one rule, so the meaning of a rule is a claim: protocol by
//! number, "any address" as nothing. IPv6 rules are kept and shown, because clients and Neutron's
//! own defaults make them; networks carry no IPv6, so they allow nothing and hosts never see them.

mod openstack;

pub(crate) use openstack::rule_json;

use crate::common::{self, wrong};
use crate::security_group::SecurityGroup;
use ipnet::IpNet;
use jinyun_base::{Entropy, Id, Kind, Refusal, check_name};
use jinyun_engine::{Claim, Cost, Failure, Link, OnDelete, Place, Resource, View};
use serde::{Deserialize, Serialize};

/// The kind.
pub struct SecurityGroupRule;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Into the port.
    Ingress,
    /// Out of it.
    Egress,
}

/// Which sort of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ethertype {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6: has no effect.
    #[serde(rename = "IPv6")]
    V6,
}

/// What a rule is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroupRuleSpec {
    /// Its group.
    pub group: Id,
    /// Which way.
    pub direction: Direction,
    /// Which sort of packets.
    pub ethertype: Ethertype,
    /// A name (`tcp`) or a number; none is any.
    #[serde(default)]
    pub protocol: Option<String>,
    /// First port; type of ICMP.
    #[serde(default)]
    pub port_min: Option<u16>,
    /// Last port; code of ICMP.
    #[serde(default)]
    pub port_max: Option<u16>,
    /// Only from or to this range.
    #[serde(default)]
    pub remote_cidr: Option<IpNet>,
    /// Only from or to members of this group.
    #[serde(default)]
    pub remote_group: Option<Id>,
    /// Free text.
    #[serde(default)]
    pub description: String,
}

/// Protocols that have a name.
const PROTOCOLS: &[(&str, u8)] = &[
    ("ah", 51), ("dccp", 33), ("egp", 8), ("esp", 50), ("gre", 47), ("icmp", 1), ("icmpv6", 58),
    ("igmp", 2), ("ipip", 4), ("ipv6-encap", 41), ("ipv6-frag", 44), ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59), ("ipv6-opts", 60), ("ipv6-route", 43), ("ospf", 89), ("pgm", 113),
    ("rsvp", 46), ("sctp", 132), ("tcp", 6), ("udp", 17), ("udplite", 136), ("vrrp", 112),
];
/// Those that only IPv6 has.
const ONLY_V6: &[u8] = &[41, 43, 44, 58, 59, 60];
/// Those that have ports.
const WITH_PORTS: &[u8] = &[6, 17, 33, 132, 136];
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;

impl SecurityGroupRuleSpec {
    /// Everything in a direction.
    pub fn any(group: Id, direction: Direction, ethertype: Ethertype) -> SecurityGroupRuleSpec {
        SecurityGroupRuleSpec {
            group,
            direction,
            ethertype,
            protocol: None,
            port_min: None,
            port_max: None,
            remote_cidr: None,
            remote_group: None,
            description: String::new(),
        }
    }

    /// The protocol's number; `None` for any, and for an unknown one, which is refused.
    pub fn number(&self) -> Option<u8> {
        let word = self.protocol.as_deref()?;
        let named = PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, n)| *n);
        match named.or_else(|| word.parse().ok()) {
            // Old names of ICMP are taken for IPv6 too, as in Neutron.
            Some(ICMP) if self.ethertype == Ethertype::V6 => Some(ICMP_V6),
            other => other,
        }
    }

    /// Whether it speaks of ICMP, where the two ports are type and code.
    pub fn is_icmp(&self) -> bool {
        matches!(self.number(), Some(ICMP | ICMP_V6))
    }
}

impl Resource for SecurityGroupRule {
    const SERVICE: &'static str = "network";
    const KIND: Kind = Kind("security_group_rule");
    type Spec = SecurityGroupRuleSpec;
    type Status = ();

    fn name(_: &SecurityGroupRuleSpec) -> &str {
        ""
    }

    fn fill(new: &mut SecurityGroupRuleSpec, _: &Place, _: &mut View<'_>, _: &mut dyn Entropy)
        -> Result<(), Failure> {
        new.remote_cidr = new.remote_cidr.map(|c| c.trunc());
        Ok(())
    }

    fn check(new: &SecurityGroupRuleSpec, _: Option<&SecurityGroupRuleSpec>, at: &Place,
        view: &mut View<'_>) -> Result<(), Failure> {
        check_name("description", &new.description)?;
        check_protocol(new)?;
        check_ports(new)?;
        if new.remote_cidr.is_some() && new.remote_group.is_some() {
            let say = "Only remote_ip_prefix or remote_group_id may be provided.";
            return Err(wrong("remote_ip_prefix", say));
        }
        let family = |c: &IpNet| if c.addr().is_ipv4() { Ethertype::V4 } else { Ethertype::V6 };
        if let Some(cidr) = new.remote_cidr.filter(|c| family(c) != new.ethertype) {
            let say = format!("remote_ip_prefix: {cidr} is not of the rule's ethertype.");
            return Err(wrong("remote_ip_prefix", say));
        }
        for group in [Some(&new.group), new.remote_group.as_ref()].into_iter().flatten() {
            common::own::<SecurityGroup>(view, group, &at.project)?;
        }
        Ok(())
    }

    fn claims(spec: &SecurityGroupRuleSpec, _: &Place) -> Vec<Claim> {
        // "Any" in each place is an empty word.
        let text = |value: Option<String>| value.unwrap_or_default();
        let remote = spec.remote_cidr.filter(|c| c.prefix_len() > 0);
        let words = [
            spec.group.to_string(),
            if spec.direction == Direction::Ingress { "in".into() } else { "out".into() },
            if spec.ethertype == Ethertype::V4 { "4".into() } else { "6".into() },
            text(spec.number().map(|n| n.to_string())),
            text(spec.port_min.map(|p| p.to_string())),
            text(spec.port_max.map(|p| p.to_string())),
            text(spec.remote_group.as_ref().map(Id::to_string)),
            text(remote.map(|c| c.to_string())),
        ];
        vec![Claim {
            space: "security-group-rule".into(),
            word: words.join("|"),
            taken: format!("Security group rule already exists in group {}.", spec.group),
        }]
    }

    fn links(spec: &SecurityGroupRuleSpec) -> Vec<Link> {
        let link = |role, id: &Id| Link {
            role,
            kind: "security_group",
            id: id.clone(),
            on_delete: OnDelete::Cascade,
        };
        let mut links = vec![link("security_group", &spec.group)];
        // One link is enough to go along with its own group; by two it would go twice.
        let other = spec.remote_group.iter().filter(|g| **g != spec.group);
        links.extend(other.map(|g| link("remote_group", g)));
        links
    }

    fn cost(_: &SecurityGroupRuleSpec) -> Vec<Cost> {
        vec![Cost { item: "security_group_rule", amount: 1 }]
    }

    fn fields(spec: &SecurityGroupRuleSpec) -> Vec<(&'static str, String)> {
        vec![("group", spec.group.to_string())]
    }
}

fn check_protocol(new: &SecurityGroupRuleSpec) -> Result<(), Failure> {
    let Some(word) = &new.protocol else { return Ok(()) };
    let Some(number) = new.number() else {
        let names: Vec<&str> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
        return Err(wrong("protocol", format!(
            "Security group rule protocol {word} not supported. Only protocol values {} and \
             integer representations 0 to 255 are supported.", names.join(", ")
        )));
    };
    if new.ethertype == Ethertype::V4 && ONLY_V6.contains(&number) {
        return Err(wrong("protocol", format!(
            "Invalid ethertype IPv4 for protocol {word}: it is one of IPv6."
        )));
    }
    Ok(())
}

fn check_ports(new: &SecurityGroupRuleSpec) -> Result<(), Failure> {
    let ports = (new.port_min, new.port_max);
    if ports == (None, None) {
        return Ok(());
    }
    let Some(number) = new.number() else {
        let say = "Must also specify protocol if port range is given.";
        return Err(wrong("protocol", say));
    };
    if new.is_icmp() {
        if let Some(value) = [ports.0, ports.1].into_iter().flatten().find(|v| *v > 255) {
            return Err(Refusal::invalid("port_range_min", format!(
                "and port_range_max are type and code of ICMP, 0 to 255, not {value}"
            )).into());
        }
        if ports.0.is_none() {
            let say = "is required with port_range_max: an ICMP code needs its type";
            return Err(Refusal::invalid("port_range_min", say).into());
        }
        return Ok(());
    }
    if !WITH_PORTS.contains(&number) {
        return Err(Refusal::invalid("port_range_min", format!(
            "cannot be used with protocol {number}: only TCP, UDP, UDPLITE, SCTP and DCCP have \
             ports"
        )).into());
    }
    match ports {
        (Some(0), _) | (_, Some(0)) => Err(wrong("port_range_min", "Invalid value for port 0.")),
        (Some(low), Some(high)) if low <= high => Ok(()),
        _ => Err(wrong("port_range_min", "For TCP/UDP protocols, port_range_min must be <= \
            port_range_max, and both must be given.")),
    }
}
