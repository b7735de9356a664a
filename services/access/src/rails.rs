//! What each guardrail looks at in a row.
//!
//! "The whole world" is any network wider than a /8 (IPv4) or a /16 (IPv6): two halves of the world
//! are the world. An IPv4 network that is written as IPv6 counts as what it is. Rules of IPv6 allow
//! nothing today and are judged all the same, so that nothing has to be mended when they do.

use jinyun_base::Fault;
use jinyun_compute::ServerSpec;
use jinyun_engine::View;
use jinyun_identity::ProjectSpec;
use jinyun_network::{Direction, NetworkSpec, Port, PortSpec, SecurityGroupRuleSpec};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// A narrower network than this is somebody; a wider one is everybody.
const NARROW: (u8, u8) = (8, 16);
/// More ports than these are no service.
const WIDE: u16 = 1024;
/// Where IPv6 keeps the addresses of IPv4: a network that holds all of these is everybody, too.
const MAPPED: u128 = 0xffff_0000_0000;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Protocols with ports.
const WITH_PORTS: [u8; 5] = [TCP, UDP, 33, 132, 136];

/// Protocol and ports.
type Ports = (u8, RangeInclusive<u16>);

const LOGIN: &[Ports] = &[(TCP, 22..=23), (TCP, 3389..=3389), (UDP, 3389..=3389), (TCP, 5900..=5909),
    (TCP, 5985..=5986)];
const DATABASE: &[Ports] = &[(TCP, 1433..=1433), (TCP, 1521..=1521), (TCP, 2881..=2881),
    (TCP, 2883..=2883), (TCP, 3306..=3306), (TCP, 5236..=5236), (TCP, 5432..=5432),
    (TCP, 6379..=6379), (TCP, 9200..=9200), (TCP, 11211..=11211), (UDP, 11211..=11211),
    (TCP, 27017..=27017), (TCP, 54321..=54321)];
const ADMIN: &[Ports] = &[(TCP, 135..=135), (TCP, 139..=139), (UDP, 161..=161), (TCP, 445..=445),
    (TCP, 2375..=2376), (TCP, 2379..=2380), (TCP, 6443..=6443), (TCP, 10250..=10250)];

/// What a guardrail says of a row.
type Said = Result<Option<String>, Fault>;

fn read<S: DeserializeOwned>(kind: &str, spec: &Value) -> Result<S, Fault> {
    serde_json::from_value(spec.clone()).map_err(|e| Fault::new(format!("{kind}: stored spec: {e}")))
}

fn say(wrong: bool, what: &str) -> Said {
    Ok(wrong.then(|| what.to_string()))
}

pub(crate) fn port_security(_: &mut View<'_>, kind: &str, spec: &Value) -> Said {
    match kind {
        "network" => {
            let on = read::<NetworkSpec>(kind, spec)?.port_security;
            say(!on, "port security of the network's ports is switched off")
        }
        _ => say(!read::<PortSpec>(kind, spec)?.port_security, "port security is switched off"),
    }
}

/// A rule that lets whoever wants come in.
fn open(spec: &Value) -> Result<Option<SecurityGroupRuleSpec>, Fault> {
    let rule: SecurityGroupRuleSpec = read("security_group_rule", spec)?;
    let world = rule.remote_cidr.is_none_or(|net| wide(net.addr(), net.prefix_len()));
    let open = rule.direction == Direction::Ingress && rule.remote_group.is_none() && world;
    Ok(open.then_some(rule))
}

fn wide(address: IpAddr, length: u8) -> bool {
    match (address, address.to_canonical()) {
        (IpAddr::V4(_), _) => length < NARROW.0,
        (IpAddr::V6(_), IpAddr::V4(_)) if length >= 96 => length - 96 < NARROW.0,
        (IpAddr::V6(_), IpAddr::V4(_)) => true,
        (IpAddr::V6(v6), IpAddr::V6(_)) => {
            let differ = u128::from(v6) ^ MAPPED;
            length < NARROW.1 || differ.checked_shr(128 - u32::from(length)).unwrap_or(0) == 0
        }
    }
}

/// Whether a rule lets any of these ports be reached.
fn reaches(rule: &SecurityGroupRuleSpec, ports: &[Ports]) -> Option<u16> {
    let protocol = rule.number();
    ports.iter().find(|(of, range)| {
        let low = rule.port_min.unwrap_or(0);
        let high = rule.port_max.unwrap_or(u16::MAX);
        protocol.is_none_or(|p| p == *of) && low <= *range.end() && *range.start() <= high
    }).map(|(_, range)| (*range.start()).max(rule.port_min.unwrap_or(0)))
}

fn from_anywhere(spec: &Value, ports: &[Ports], what: &str) -> Said {
    let Some(rule) = open(spec)? else { return Ok(None) };
    Ok(reaches(&rule, ports).map(|port| format!("it opens port {port} ({what}) to the whole world")))
}

pub(crate) fn login_from_anywhere(_: &mut View<'_>, _: &str, spec: &Value) -> Said {
    from_anywhere(spec, LOGIN, "remote login")
}

pub(crate) fn database_from_anywhere(_: &mut View<'_>, _: &str, spec: &Value) -> Said {
    from_anywhere(spec, DATABASE, "a database")
}

pub(crate) fn admin_port_from_anywhere(_: &mut View<'_>, _: &str, spec: &Value) -> Said {
    from_anywhere(spec, ADMIN, "administration")
}

pub(crate) fn all_ports_from_anywhere(_: &mut View<'_>, _: &str, spec: &Value) -> Said {
    let Some(rule) = open(spec)? else { return Ok(None) };
    let Some(protocol) = rule.number() else {
        return say(true, "it opens all protocols to the whole world");
    };
    if !WITH_PORTS.contains(&protocol) {
        return Ok(None);
    }
    let (low, high) = (rule.port_min.unwrap_or(0), rule.port_max.unwrap_or(u16::MAX));
    say(high.saturating_sub(low) >= WIDE, "it opens more than 1024 ports to the whole world")
}

pub(crate) fn key_pair_required(_: &mut View<'_>, kind: &str, spec: &Value) -> Said {
    say(read::<ServerSpec>(kind, spec)?.key_name.is_empty(), "the server has no key pair")
}

pub(crate) fn security_group_required(view: &mut View<'_>, kind: &str, spec: &Value) -> Said {
    let bare = |port: &PortSpec| port.security_groups.is_empty();
    if kind == "port" {
        let port: PortSpec = read(kind, spec)?;
        let servers = port.part_of.is_some() || port.device_owner.starts_with("compute:");
        return say(servers && bare(&port), "a port of a server has no security group");
    }
    for id in read::<ServerSpec>(kind, spec)?.ports {
        if view.get::<Port>(&id)?.is_some_and(|port| !port.deleting && bare(&port.spec)) {
            return Ok(Some(format!("its port {id} has no security group")));
        }
    }
    Ok(None)
}

pub(crate) fn environment_tag_required(_: &mut View<'_>, kind: &str, spec: &Value) -> Said {
    let tags = read::<ProjectSpec>(kind, spec)?.tags;
    say(!tags.iter().any(|t| t.starts_with("environment:")), "the project has no environment tag")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_store::{Config, Db};
    use jinyun_testdb::Dir;
    use serde_json::json;

    #[test]
    fn rules_are_judged_by_what_they_let_in() {
        let dir = Dir::new("rails");
        let path = dir.join("state.db");
        let mut db = Db::open(&Config::Sqlite { path, durable: false }).unwrap();
        let rule = |more: Value| {
            let mut rule = json!({ "group": "g", "direction": "ingress", "ethertype": "IPv4",
                "protocol": "tcp" });
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            rule
        };
        let ports = |low: u16, high: u16| rule(json!({ "port_min": low, "port_max": high }));
        let from = |net: &str| rule(json!({ "port_min": 22, "port_max": 22, "remote_cidr": net }));
        let six = |net: &str| rule(json!({ "port_min": 22, "port_max": 22, "remote_cidr": net,
            "ethertype": "IPv6" }));
        // Login, database, administration, all ports.
        let cases = [
            ("ssh", ports(22, 22), [true, false, false, false]),
            ("web", ports(443, 443), [false; 4]),
            ("a range over it", ports(20, 25), [true, false, false, false]),
            ("just below", ports(20, 21), [false; 4]),
            ("a database", ports(5432, 5432), [false, true, false, false]),
            ("administration", ports(2379, 2379), [false, false, true, false]),
            ("1024 ports", ports(30001, 31024), [false; 4]),
            ("1025 ports", ports(30000, 31024), [false, false, false, true]),
            ("all ports", rule(json!({})), [true; 4]),
            ("all protocols", rule(json!({ "protocol": null })), [true; 4]),
            ("by number", rule(json!({ "protocol": "6", "port_min": 3306, "port_max": 3306 })),
                [false, true, false, false]),
            ("the other protocol", rule(json!({ "protocol": "udp", "port_min": 22, "port_max": 22 })),
                [false; 4]),
            ("rdp by udp", rule(json!({ "protocol": "udp", "port_min": 3389, "port_max": 3389 })),
                [true, false, false, false]),
            ("ping", rule(json!({ "protocol": "icmp" })), [false; 4]),
            ("out", rule(json!({ "direction": "egress" })), [false; 4]),
            ("a group", rule(json!({ "remote_group": "g" })), [false; 4]),
            ("a network", from("10.0.0.0/8"), [false; 4]),
            ("everybody", from("0.0.0.0/0"), [true, false, false, false]),
            ("half of everybody", from("128.0.0.0/1"), [true, false, false, false]),
            ("everybody, v6", six("::/0"), [true, false, false, false]),
            ("a network, v6", six("2001:db8::/32"), [false; 4]),
            ("v4 as v6", six("::ffff:0:0/96"), [true, false, false, false]),
            ("half of v4 as v6", six("::ffff:8000:0/97"), [true, false, false, false]),
            ("around v4 as v6", six("::/80"), [true, false, false, false]),
            ("beside v4 as v6", six("::1:0:0:0/80"), [false; 4]),
            ("a network of v4 as v6", six("::ffff:a00:0/104"), [false; 4]),
        ];
        for (what, spec, want) in cases {
            let view = &mut View::new(&mut db);
            let got = [login_from_anywhere, database_from_anywhere, admin_port_from_anywhere,
                all_ports_from_anywhere].map(|judge| {
                    judge(view, "security_group_rule", &spec).unwrap().is_some()
                });
            assert_eq!(got, want, "{what}");
        }
    }
}
