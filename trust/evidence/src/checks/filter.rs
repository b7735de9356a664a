//! Every port's installed filter against what the records ask for, compiled a second time.
//!
//! Problem: attacks in a synthetic tenant say nothing about a real port. Mechanism: from the
//! records alone (not from the host's document, not by the agent's code) the rules of each port and
//! group are written down as words, and so are the rules that the kernel has. Both must be equal.
//! The words of a rule are sorted, because the order of a rule's conditions means nothing.
//!
//! A rule of ours is worth nothing if a chain of somebody else is asked before it. So whatever else
//! filters in a namespace of a network, a router or a probe is named: another table, another chain at a
//! hook, a second way for a device.

use super::{Found, all_right, error};
use crate::world::World;
use jinyun_base::Id;
use jinyun_engine::Have;
use jinyun_network::{
    Direction, Ethertype, Network, Port, Router, SecurityGroupRule, SecurityGroupRuleSpec,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// A rule as sorted words.
type Words = BTreeSet<String>;

/// What is installed in one network's namespace.
#[derive(Default)]
struct Installed {
    /// Policies of base chains, by family and name.
    policies: BTreeMap<(String, String), String>,
    /// Rules by family and chain.
    rules: BTreeMap<(String, String), Vec<Words>>,
    /// Where a device's packets go, by family, chain and device.
    ways: BTreeMap<(String, String, String), String>,
    /// Members of sets.
    sets: BTreeMap<String, BTreeSet<String>>,
    /// Devices with two ways in one chain.
    twice: BTreeSet<String>,
}

/// The table of the platform, and the families in which it has one.
const TABLE: (&str, [&str; 2]) = ("jinyun", ["inet", "arp"]);
/// Family and name of a chain.
type Chain = (&'static str, &'static str);
/// The chains at hooks of a network's namespace, and of a router's. At the far end of a probe there
/// are none.
const NETWORKS: &[Chain] = &[("inet", "from_ports"), ("inet", "egress"), ("inet", "ingress"),
    ("inet", "input"), ("inet", "output"), ("arp", "input")];
const ROUTERS: &[Chain] =
    &[("inet", "from_networks"), ("inet", "forward"), ("inet", "input"), ("arp", "input")];

/// The table that something is in or is, as people write it; none if it is the platform's.
fn strange_table(kind: &str, inner: &Value) -> Option<String> {
    let family = string(inner, "family");
    let table = string(inner, if kind == "table" { "name" } else { "table" });
    let ours = table.is_empty() || (table == TABLE.0 && TABLE.1.contains(&family.as_str()));
    (!ours).then(|| format!("table {family} {table}"))
}

/// What filters in a namespace beside these chains, from `nft -j list ruleset`.
fn strangers(ruleset: &Value, chains: &[Chain]) -> BTreeSet<String> {
    let items = ruleset.get("nftables").and_then(Value::as_array).into_iter().flatten();
    let parts = items.filter_map(|item| item.as_object()?.iter().next());
    parts.filter_map(|(kind, inner)| {
        if kind == "metainfo" {
            return None;
        }
        if let Some(table) = strange_table(kind, inner) {
            return Some(table);
        }
        let (family, name) = (string(inner, "family"), string(inner, "name"));
        match kind.as_str() {
            // One that sleeps filters nothing.
            "table" if inner.get("flags").is_some() => Some(format!("a flag of table {family} {name}")),
            "table" if chains.is_empty() => Some(format!("table {family} {name}")),
            "chain" => {
                let hooked = inner.get("policy").is_some() || inner.get("hook").is_some();
                let known = chains.contains(&(family.as_str(), name.as_str()));
                (hooked && !known).then(|| format!("chain {family} {name}"))
            }
            // It carries packets past all chains.
            "flowtable" => Some(format!("flowtable {name}")),
            _ => None,
        }
    }).collect()
}

/// Names and numbers of protocols that the filter may print.
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1), ("igmp", 2), ("ipencap", 4), ("tcp", 6), ("egp", 8), ("udp", 17), ("dccp", 33),
    ("rsvp", 46), ("gre", 47), ("esp", 50), ("ah", 51), ("ospf", 89), ("pim", 103), ("vrrp", 112),
    ("l2tp", 115), ("sctp", 132), ("udplite", 136),
];
/// Names and numbers of types of ICMP.
const ICMP: &[(&str, u8)] = &[
    ("echo-reply", 0), ("destination-unreachable", 3), ("source-quench", 4), ("redirect", 5),
    ("echo-request", 8), ("router-advertisement", 9), ("router-solicitation", 10),
    ("time-exceeded", 11), ("parameter-problem", 12), ("timestamp-request", 13),
    ("timestamp-reply", 14), ("info-request", 15), ("info-reply", 16),
    ("address-mask-request", 17), ("address-mask-reply", 18),
];

fn number(table: &[(&str, u8)], word: &str) -> String {
    table.iter().find(|(name, _)| *name == word)
        .map_or_else(|| word.to_string(), |(_, n)| n.to_string())
}

fn string(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().into()
}

/// What a condition compares.
fn left(value: &Value) -> String {
    if let Some(payload) = value.get("payload") {
        return format!("{} {}", string(payload, "protocol"), string(payload, "field"));
    }
    for kind in ["meta", "ct"] {
        if let Some(inner) = value.get(kind) {
            return format!("{kind} {}", string(inner, "key"));
        }
    }
    value.to_string()
}

/// What it is compared with.
fn right(of: &str, value: &Value) -> String {
    match value {
        Value::String(word) if of == "meta l4proto" => number(PROTOCOLS, word),
        Value::String(word) if of == "icmp type" => number(ICMP, word),
        Value::String(word) => word.clone(),
        Value::Array(all) => {
            let words: BTreeSet<String> = all.iter().map(|v| right(of, v)).collect();
            words.into_iter().collect::<Vec<_>>().join(",")
        }
        Value::Object(members) => {
            if let Some(prefix) = members.get("prefix") {
                let length = prefix.get("len").map(Value::to_string).unwrap_or_default();
                return format!("{}/{length}", string(prefix, "addr"));
            }
            if let Some(Value::Array(ends)) = members.get("range") {
                return ends.iter().map(|v| right(of, v)).collect::<Vec<_>>().join("-");
            }
            members.get("set").map_or_else(|| value.to_string(), |set| right(of, set))
        }
        other => other.to_string(),
    }
}

/// A rule's words. Counters and logs decide nothing; codes of ICMP are not compared.
fn words(expressions: &[Value]) -> Words {
    let mut words = Words::new();
    for expression in expressions {
        let Some((kind, inner)) = expression.as_object().and_then(|o| o.iter().next()) else {
            continue;
        };
        let word = match kind.as_str() {
            "counter" | "log" => continue,
            "match" => {
                let of = left(inner.get("left").unwrap_or(&Value::Null));
                if of == "icmp code" {
                    continue;
                }
                let to = right(&of, inner.get("right").unwrap_or(&Value::Null));
                let op = string(inner, "op");
                format!("{of} {op} {to}")
            }
            "jump" | "goto" => format!("{kind} {}", string(inner, "target")),
            other => other.to_string(),
        };
        words.insert(word);
    }
    words
}

/// Whether a map of verdicts is one of devices.
fn by_device(map: &Value) -> bool {
    let key = map.get("key").map(left).unwrap_or_default();
    ["meta iifname", "meta oifname"].contains(&key.as_str())
}

/// Reads what the platform's tables have in `nft -j list ruleset`.
fn read(ruleset: &Value) -> Installed {
    let mut installed = Installed::default();
    let items = ruleset.get("nftables").and_then(Value::as_array);
    let ours = |item: &&Value| {
        let part = item.as_object().and_then(|o| o.iter().next());
        part.is_none_or(|(kind, inner)| strange_table(kind, inner).is_none())
    };
    for item in items.into_iter().flatten().filter(ours) {
        if let Some(chain) = item.get("chain").filter(|c| c.get("policy").is_some()) {
            let key = (string(chain, "family"), string(chain, "name"));
            installed.policies.insert(key, string(chain, "policy"));
        }
        if let Some(set) = item.get("set") {
            let members = set.get("elem").and_then(Value::as_array);
            let members = members.into_iter().flatten().map(|m| right("", m)).collect();
            installed.sets.insert(string(set, "name"), members);
        }
        let Some(rule) = item.get("rule") else { continue };
        let (family, chain) = (string(rule, "family"), string(rule, "chain"));
        let Some(expressions) = rule.get("expr").and_then(Value::as_array) else { continue };
        // By the device alone, and nothing else: other rules are compared as such.
        let map = match &expressions[..] {
            [only] => only.get("vmap").filter(|m| by_device(m)),
            _ => None,
        };
        if let Some(pairs) = map.and_then(|m| m.pointer("/data/set")).and_then(Value::as_array) {
            for pair in pairs {
                let (Some(device), Some(verdict)) = (pair.get(0), pair.get(1)) else { continue };
                let way = words(std::slice::from_ref(verdict)).into_iter().next();
                let (device, way) = (right("", device), way.unwrap_or_default());
                let key = (family.clone(), chain.clone(), device.clone());
                if installed.ways.insert(key, way.clone()).is_some_and(|before| before != way) {
                    installed.twice.insert(format!("device {device} has two ways in chain {chain}"));
                }
            }
            continue;
        }
        installed.rules.entry((family, chain)).or_default().push(words(expressions));
    }
    installed
}

fn head(id: &str, n: usize) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).take(n).collect::<String>().to_lowercase()
}

/// A port's device in its network's namespace.
fn device(port: &Have<Port>) -> String {
    format!("t{}", head(port.id.as_str(), 11))
}

/// Whether anything may pass at a port.
fn up(port: &Have<Port>, network: &Have<Network>) -> bool {
    port.spec.admin_state_up && network.spec.admin_state_up
}

fn group_name(id: &Id) -> String {
    format!("g_{}", head(id.as_str(), 64))
}

fn rule(words: &[String]) -> Words {
    words.iter().cloned().collect()
}

/// One or more addresses, as the kernel prints them.
fn one_of(addresses: &BTreeSet<Ipv4Addr>) -> String {
    // As text: that is how the other side is sorted.
    let texts: BTreeSet<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
    texts.into_iter().collect::<Vec<_>>().join(",")
}

/// What a group's rule must have become; `None` if it has no effect here.
fn allowance(spec: &SecurityGroupRuleSpec) -> Option<Words> {
    if spec.ethertype != Ethertype::V4 {
        return None;
    }
    let side = if spec.direction == Direction::Ingress { "saddr" } else { "daddr" };
    let mut words = vec!["accept".to_string()];
    match (spec.number(), spec.port_min, spec.port_max) {
        (Some(_), Some(kind), _) if spec.is_icmp() => words.push(format!("icmp type == {kind}")),
        (Some(protocol), Some(low), Some(high)) => {
            let name = PROTOCOLS.iter().find(|(_, n)| *n == protocol).map_or("th", |(w, _)| *w);
            words.push(match low == high {
                true => format!("{name} dport == {low}"),
                false => format!("{name} dport == {low}-{high}"),
            });
        }
        (Some(protocol), ..) => words.push(format!("meta l4proto == {protocol}")),
        (None, ..) => {}
    }
    match (&spec.remote_cidr, &spec.remote_group) {
        (Some(range), _) if range.prefix_len() == 32 => {
            words.push(format!("ip {side} == {}", range.addr()));
        }
        (Some(range), _) if range.prefix_len() > 0 => words.push(format!("ip {side} == {range}")),
        (_, Some(group)) => words.push(format!("ip {side} == @{}", group_name(group))),
        _ => {}
    }
    Some(rule(&words))
}

/// Everything that the records say of networks.
struct Records {
    networks: Vec<Have<Network>>,
    routers: Vec<Have<Router>>,
    ports: Vec<Have<Port>>,
    rules: Vec<Have<SecurityGroupRule>>,
}

impl Records {
    fn of(world: &World) -> Result<Records, String> {
        Ok(Records {
            networks: world.all()?,
            routers: world.all()?,
            ports: world.all()?,
            rules: world.all()?,
        })
    }
}

struct Look<'a> {
    records: &'a Records,
    installed: Installed,
    host: &'a str,
    network: &'a Have<Network>,
    wrong: Vec<String>,
}

impl Look<'_> {
    fn say(&mut self, what: impl std::fmt::Display) {
        self.wrong.push(format!("network {}: {what}", self.network.id));
    }

    fn same(&mut self, family: &str, chain: &str, want: &[Words], what: &str) {
        let key = (family.to_string(), chain.to_string());
        let have = self.installed.rules.get(&key).map_or(&[][..], Vec::as_slice);
        let (have, want): (BTreeSet<&Words>, BTreeSet<&Words>) =
            (have.iter().collect(), want.iter().collect());
        let same = have == want;
        drop(have);
        if !same {
            self.say(format!("{what} is not as recorded (chain {chain})"));
        }
    }

    fn way(&mut self, family: &str, chain: &str, device: &str, want: &str, what: &str) {
        let key = (family.to_string(), chain.to_string(), device.to_string());
        let have = self.installed.ways.get(&key).map_or("", String::as_str);
        if have != want {
            self.say(format!("{what} of device {device} is not in force"));
        }
    }

    /// Whatever nothing names is dropped, and nothing stands before or behind the ports' own chains
    /// but what connections that exist need. `down` are devices that take nothing.
    fn base(&mut self, down: &BTreeSet<String>) {
        let drop = || rule(&["drop".into()]);
        let tracked = || vec![
            rule(&["ct state in established,related".into(), "accept".into()]),
            rule(&["ct state in invalid".into(), "drop".into()]),
            drop(),
        ];
        let mut egress = tracked();
        let mut output = Vec::new();
        if !down.is_empty() {
            let devices = down.iter().cloned().collect::<Vec<_>>().join(",");
            output.push(rule(&[format!("meta oifname == {devices}"), "drop".into()]));
            egress.extend(output.iter().cloned());
        }
        self.same("inet", "output", &output, "a network's filter");
        let lo = rule(&["meta iifname == lo".into(), "accept".into()]);
        for (family, chain, want) in [
            ("inet", "from_ports", vec![drop()]),
            ("inet", "egress", egress),
            ("inet", "ingress", tracked()),
            ("inet", "input", vec![lo, drop()]),
            ("arp", "input", vec![drop()]),
        ] {
            let key = (family.to_string(), chain.to_string());
            if self.installed.policies.get(&key).map(String::as_str) != Some("drop") {
                self.say(format!("chain {chain} does not drop by default"));
            }
            self.same(family, chain, &want, "a network's filter");
        }
    }

    /// No device gets in that no record has.
    fn strangers(&mut self, known: &BTreeSet<String>) {
        let strange: Vec<String> = self.installed.ways.keys()
            .filter(|(_, chain, device)| {
                chain == "from_ports" && device.starts_with('t') && !known.contains(device)
            })
            .map(|(_, _, device)| device.clone()).collect();
        for device in strange {
            self.say(format!("device {device} belongs to no port"));
        }
        for twice in self.installed.twice.clone() {
            self.say(twice);
        }
    }

    fn port(&mut self, port: &Have<Port>, device: &str) {
        let up = up(port, self.network);
        let goto = |stem: &str| format!("goto {stem}_{device}");
        let filtered = port.spec.port_security;
        let entry = match (up, filtered) {
            (false, _) => "drop".to_string(),
            (true, true) => goto("as"),
            (true, false) => "accept".to_string(),
        };
        self.way("inet", "from_ports", device, &entry, "the sender's check");
        if !up || !filtered {
            return;
        }
        self.way("arp", "input", device, &goto("as"), "the ARP check");
        self.way("inet", "egress", device, &goto("out"), "the way out");
        self.way("inet", "ingress", device, &goto("in"), "the way in");
        self.sender(port, device);
        for (way, chain) in [("out", format!("out_{device}")), ("in", format!("in_{device}"))] {
            let mut want: Vec<Words> = port.spec.security_groups.iter()
                .map(|g| rule(&[format!("jump {}_{way}", group_name(g))])).collect();
            want.push(rule(&["drop".into()]));
            self.same("inet", &chain, &want, "the port's list of groups");
        }
    }

    /// Only its own MAC and addresses, in packets and in ARP.
    fn sender(&mut self, port: &Have<Port>, device: &str) {
        let own: BTreeSet<Ipv4Addr> = port.spec.fixed_ips.iter().map(|f| f.ip).collect();
        let mac = format!("!= {}", port.spec.mac);
        let chain = format!("as_{device}");
        let drop = || "drop".to_string();
        let mut want = vec![
            rule(&["meta nfproto == ipv6".into(), drop()]),
            rule(&[format!("ether saddr {mac}"), drop()]),
            rule(&["ip saddr == 0.0.0.0".into(), "ip daddr == 255.255.255.255".into(),
                "udp sport == 68".into(), "udp dport == 67".into(), "accept".into()]),
            rule(&[drop()]),
        ];
        if !own.is_empty() {
            want.push(rule(&[format!("ip saddr == {}", one_of(&own)), "accept".into()]));
        }
        self.same("inet", &chain, &want, "the sender's check");
        let mut claims = own;
        claims.insert(Ipv4Addr::UNSPECIFIED);
        let want = [
            rule(&[format!("ether saddr {mac}"), drop()]),
            rule(&[format!("arp saddr ether {mac}"), drop()]),
            rule(&[format!("arp saddr ip == {}", one_of(&claims)), "accept".into()]),
            rule(&[drop()]),
        ];
        self.same("arp", &chain, &want, "the ARP check");
    }

    /// A group's rules, and the members of the groups that they name.
    fn group(&mut self, group: &Id) {
        let records = self.records;
        let rules = || records.rules.iter().filter(|r| r.spec.group == *group);
        for (way, direction) in [("in", Direction::Ingress), ("out", Direction::Egress)] {
            let want: Vec<Words> = rules().filter(|r| r.spec.direction == direction)
                .filter_map(|r| allowance(&r.spec)).collect();
            let chain = format!("{}_{way}", group_name(group));
            self.same("inet", &chain, &want, "a group");
        }
        let named = rules().filter(|r| r.spec.ethertype == Ethertype::V4)
            .filter_map(|r| r.spec.remote_group.as_ref());
        for named in named.collect::<BTreeSet<_>>() {
            let want = self.members(named);
            let name = group_name(named);
            let have = self.installed.sets.get(&name).cloned().unwrap_or_default();
            if have != want {
                self.say(format!("the members of group {named} are not as recorded"));
            }
        }
    }

    /// Addresses of a group's ports; but one that another port of this network holds is that
    /// port's, not a member's elsewhere.
    fn members(&self, group: &Id) -> BTreeSet<String> {
        let is_member = |p: &&Have<Port>| p.spec.security_groups.contains(group);
        let here = |p: &&Have<Port>| {
            p.spec.network == self.network.id && p.spec.host == self.host
        };
        let ips = |p: &Have<Port>| -> Vec<Ipv4Addr> {
            p.spec.fixed_ips.iter().map(|f| f.ip).collect()
        };
        let ports = || self.records.ports.iter().filter(|p| !p.deleting);
        let others: BTreeSet<Ipv4Addr> =
            ports().filter(here).filter(|p| !is_member(p)).flat_map(ips).collect();
        ports().filter(is_member).flat_map(ips).filter(|ip| !others.contains(ip))
            .map(|ip| ip.to_string()).collect()
    }
}

/// What filters on a host and no record asks for. What is no record's at all another check names.
fn beside(filters: &[(String, Value)], records: &Records) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, ruleset) in filters {
        let is = |other: &Id| other.as_str() == id;
        let (what, chains): (&str, &[Chain]) = if records.networks.iter().any(|n| is(&n.id)) {
            ("network", NETWORKS)
        } else if records.routers.iter().any(|r| is(&r.id)) {
            ("router", ROUTERS)
        } else if records.ports.iter().any(|p| is(&p.id)) {
            ("the far end of port", &[][..])
        } else {
            continue;
        };
        wrong.extend(strangers(ruleset, chains).into_iter().map(|strange| {
            format!("{what} {id}: {strange} is there and not recorded")
        }));
    }
    wrong
}

/// Compares every port of every host that can be compared.
pub(super) fn as_recorded(world: &World) -> Found {
    if let Some(why) = world.hosts_silent() {
        return error(why);
    }
    if let Some(host) = world.hosts.iter().find(|h| !h.settled) {
        return error(format!("host {} was changing while it was looked at", host.name));
    }
    let records = match Records::of(world) {
        Ok(records) => records,
        Err(why) => return error(why),
    };
    let (mut wrong, mut ports, mut groups) = (Vec::new(), 0, BTreeSet::new());
    for host in &world.hosts {
        let Ok(installed) = &host.installed else { continue };
        wrong.extend(beside(&installed.filters, &records));
        for network in &records.networks {
            let here: Vec<&Have<Port>> = records.ports.iter().filter(|p| {
                p.spec.network == network.id && p.spec.host == host.name && !p.deleting
            }).collect();
            if here.is_empty() {
                continue;
            }
            let found = installed.filters.iter().find(|(id, _)| id == network.id.as_str());
            let Some((_, ruleset)) = found else {
                wrong.push(format!("network {} has no filter on {}", network.id, host.name));
                continue;
            };
            let mut look = Look {
                records: &records,
                installed: read(ruleset),
                host: &host.name,
                network,
                wrong: Vec::new(),
            };
            let down: BTreeSet<String> =
                here.iter().filter(|p| !up(p, network)).map(|p| device(p)).collect();
            look.base(&down);
            let known: BTreeSet<String> = here.iter().map(|p| device(p)).collect();
            look.strangers(&known);
            let mut used = BTreeSet::new();
            for port in here {
                ports += 1;
                look.port(port, &device(port));
                if port.spec.port_security {
                    used.extend(port.spec.security_groups.iter().cloned());
                }
            }
            used.iter().for_each(|group| look.group(group));
            groups.extend(used);
            wrong.extend(look.wrong);
        }
    }
    all_right(ports, &wrong, "no port is on a host", format!(
        "{ports} of {ports} ports on {} host(s): the installed sender checks, groups ({}) and \
         members equal those compiled from the records", world.hosts.len(), groups.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chain(family: &str, table: &str, name: &str) -> Value {
        json!({ "chain": { "family": family, "table": table, "name": name, "hook": "prerouting",
            "policy": "drop" } })
    }

    fn rule(table: &str, expr: Value) -> Value {
        json!({ "rule": { "family": "inet", "table": table, "chain": "from_ports", "expr": expr } })
    }

    fn ways(key: Value, verdict: &str) -> Value {
        json!([{ "vmap": { "key": key, "data": { "set": [["t1", { verdict: null }]] } } }])
    }

    fn listing(more: &[Value]) -> Value {
        let head = [
            json!({ "metainfo": { "version": "1.0.6" } }),
            json!({ "table": { "family": "inet", "name": "jinyun", "handle": 1 } }),
            chain("inet", "jinyun", "from_ports"),
            rule("jinyun", ways(json!({ "meta": { "key": "iifname" } }), "drop")),
        ];
        let all = [&head[..], more].concat();
        json!({ "nftables": all })
    }

    #[test]
    fn what_filters_beside_what_is_recorded_is_named() {
        let table = |family: &str, name: &str| json!({ "table": { "family": family, "name": name } });
        let own = || json!({ "chain": { "family": "inet", "table": "jinyun", "name": "in_t1" } });
        let asleep = json!({ "table": { "family": "arp", "name": "jinyun", "flags": "dormant" } });
        let cases: &[(Value, &[Chain], &[&str])] = &[
            (own(), NETWORKS, &[]),
            (table("ip", "lies"), NETWORKS, &["table ip lies"]),
            (table("netdev", "jinyun"), NETWORKS, &["table netdev jinyun"]),
            (chain("inet", "lies", "from_ports"), NETWORKS, &["table inet lies"]),
            (chain("inet", "jinyun", "lies"), NETWORKS, &["chain inet lies"]),
            (chain("inet", "jinyun", "output"), NETWORKS, &[]),
            (asleep, NETWORKS, &["a flag of table arp jinyun"]),
            (own(), ROUTERS, &["chain inet from_ports"]),
            (own(), &[], &["chain inet from_ports", "table inet jinyun"]),
        ];
        for (more, chains, want) in cases {
            let found = strangers(&listing(std::slice::from_ref(more)), chains);
            assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), *want, "{more}");
        }
        assert!(strangers(&json!({ "nftables": [] }), &[]).is_empty());
    }

    #[test]
    fn a_rule_of_another_table_is_not_taken_for_ours_and_no_way_hides_another() {
        let found = |more: Value| read(&listing(&[more]));
        let key = ("inet".to_string(), "from_ports".to_string());
        let at = |installed: &Installed| installed.rules.get(&key).map_or(0, Vec::len);
        let strange = found(rule("lies", json!([{ "accept": null }])));
        assert_eq!((at(&strange), strange.twice.len()), (0, 0));
        let inside = found(rule("jinyun", json!([{ "accept": null }])));
        assert_eq!(at(&inside), 1);
        let device = json!({ "meta": { "key": "iifname" } });
        assert_eq!(found(rule("jinyun", ways(device.clone(), "drop"))).twice.len(), 0);
        assert_eq!(found(rule("jinyun", ways(device.clone(), "accept"))).twice.len(), 1);
        // By something else, or under a condition: a rule like others.
        let source = json!({ "payload": { "protocol": "ip", "field": "saddr" } });
        assert_eq!(at(&found(rule("jinyun", ways(source, "accept")))), 1);
        let mut expr = ways(device, "accept");
        expr.as_array_mut().unwrap().push(json!({ "accept": null }));
        let both = found(rule("jinyun", expr));
        assert_eq!((at(&both), both.twice.len()), (1, 0));
    }
}
