//! The packet filters, as text for `nft -f -`.
//!
//! Problem: security groups, anti-spoofing and the services' access must change together or not at
//! all, must not slow down with the number of ports, and must be readable by an assessor.
//!
//! Mechanism: the whole ruleset of a namespace is one text, a pure function of the document, and
//! replaces what is installed in one transaction: all of it, tables of others too, since a chain that
//! stands before ours can make a lie true before ours sees it. A packet meets these chains:
//!
//! ```text
//!   device -> from_ports (raw: is the sender who it says it is?)
//!               |-> for us:    input   -> sv_<port>   DHCP, DNS, metadata, echo; nothing else
//!               '-> to others: egress  -> out_<port>  rules of the sender's groups
//!                              ingress -> in_<port>   rules of the receiver's groups
//! ```
//! `egress` and `ingress` are two base chains at the forward hook, not one: `accept` ends only the
//! base chain it is in, so a group's chain can say `accept` in both and a packet between two ports
//! of one network needs both. Verdict maps find a port's chain in one step. Every base chain drops
//! what nothing accepts, and a device that no rule names may do nothing: a new device is closed
//! before it is open.
//!
//! Anti-spoofing is not at `netdev` ingress, where one would look for it: a redirect of the
//! device's traffic to an ifb (a bandwidth limit) bypasses that hook silently. Frames that are
//! neither IPv4, IPv6 nor ARP have no handler in a namespace without a bridge and go nowhere.

use super::names;
use super::render::{self, Leg};
use super::rules::{Allow, Remote, allow, members, port_word};
use jinyun_wire::{GroupWant, NetworkWant, PortWant, RouterWant};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Takes away whatever is there: one transaction with the definitions that follow. Alone it is the
/// filter of a namespace that has none.
pub const REPLACE: &str = "flush ruleset\n";

const SG_DROP: &str = "counter log group 1 prefix \"sg-drop \" drop";

/// The whole filter of a network's namespace. Everything has been sifted.
pub fn ruleset(network: &NetworkWant, groups: &[GroupWant], legs: &[Leg]) -> String {
    let used = used_groups(network, groups);
    let mut out = String::from(REPLACE);
    out.push_str("table inet jinyun {\n");
    for group in named_sets(&used, groups) {
        set(
            &mut out,
            &names::group_name(&group.id),
            &members(group, network),
        );
    }
    for group in &used {
        let name = names::group_name(&group.id);
        for (ingress, way) in [(true, "in"), (false, "out")] {
            let lines = group_lines(group, groups, ingress);
            chain(&mut out, &format!("{name}_{way}"), "", &lines);
        }
    }
    prerouting(&mut out, network, legs);
    forwarding(&mut out, network, groups, legs);
    local(&mut out, network);
    out.push_str("}\n");
    arp(&mut out, network, legs);
    out
}

/// The groups of the network's ports, in the document's order.
fn used_groups<'a>(network: &NetworkWant, groups: &'a [GroupWant]) -> Vec<&'a GroupWant> {
    let ids: BTreeSet<&String> = network.ports.iter().flat_map(|p| &p.groups).collect();
    groups.iter().filter(|g| ids.contains(&g.id)).collect()
}

/// The groups that rules of those groups name.
fn named_sets<'a>(used: &[&GroupWant], groups: &'a [GroupWant]) -> Vec<&'a GroupWant> {
    let mut ids = BTreeSet::new();
    for rule in used.iter().flat_map(|g| &g.rules) {
        if let Some(Remote::Group(id)) = allow(rule, groups).map(|a| a.remote) {
            ids.insert(id);
        }
    }
    groups.iter().filter(|g| ids.contains(&g.id)).collect()
}

fn group_lines(group: &GroupWant, groups: &[GroupWant], ingress: bool) -> Vec<String> {
    let rules = group.rules.iter().filter(|r| r.ingress == ingress);
    rules
        .filter_map(|r| allow(r, groups))
        .map(|a| rule_line(&a, ingress))
        .collect()
}

fn rule_line(allow: &Allow, ingress: bool) -> String {
    let mut words = Vec::new();
    match (allow.protocol, allow.ports, allow.icmp) {
        (_, _, Some((kind, code))) => {
            words.push(format!("icmp type {kind}"));
            words.extend(code.map(|code| format!("icmp code {code}")));
        }
        (Some(protocol), Some((low, high)), None) => {
            let word = port_word(protocol).unwrap_or("th");
            words.push(if low == high {
                format!("{word} dport {low}")
            } else {
                format!("{word} dport {low}-{high}")
            });
        }
        (Some(protocol), None, None) => words.push(format!("meta l4proto {protocol}")),
        (None, _, None) => {}
    }
    let side = if ingress { "saddr" } else { "daddr" };
    match &allow.remote {
        Remote::Any => {}
        Remote::Range(range) => words.push(format!("ip {side} {range}")),
        Remote::Group(id) => words.push(format!("ip {side} @{}", names::group_name(id))),
    }
    words.push("accept".to_owned());
    words.join(" ")
}

fn prerouting(out: &mut String, network: &NetworkWant, legs: &[Leg]) {
    let mut verdicts = vec![("lo".to_owned(), "accept".to_owned())];
    for port in &network.ports {
        let device = names::port_device(&port.id);
        let verdict = match (port.up, port.filtered) {
            (false, _) => "drop".to_owned(),
            (true, true) => format!("goto as_{device}"),
            (true, false) => "accept".to_owned(),
        };
        verdicts.push((device, verdict));
    }
    verdicts.extend(legs.iter().map(|l| (l.device.clone(), "accept".to_owned())));
    let mut lines: Vec<String> = vmap("iifname", &verdicts).into_iter().collect();
    lines.push("counter log group 2 prefix \"spoof-dev \" drop".to_owned());
    chain(
        out,
        "from_ports",
        "prerouting priority raw; policy drop",
        &lines,
    );
    for port in network.ports.iter().filter(|p| p.up && p.filtered) {
        let mut lines = vec![
            "meta nfproto ipv6 counter drop".to_owned(),
            format!("ether saddr != {} {}", port.mac, spoof("mac")),
        ];
        lines.extend(own(port).map(|own| format!("ip saddr {own} accept")));
        lines.push(
            "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept".to_owned(),
        );
        lines.push(spoof("ip"));
        chain(
            out,
            &format!("as_{}", names::port_device(&port.id)),
            "",
            &lines,
        );
    }
}

fn forwarding(out: &mut String, network: &NetworkWant, groups: &[GroupWant], legs: &[Leg]) {
    let mut entering = Vec::new();
    let mut leaving = Vec::new();
    let mut chains = String::new();
    for port in network.ports.iter().filter(|p| p.up) {
        let device = names::port_device(&port.id);
        if !port.filtered {
            entering.push((device.clone(), "accept".to_owned()));
            leaving.push((device, "accept".to_owned()));
            continue;
        }
        for way in ["out", "in"] {
            let known = groups.iter().filter(|g| port.groups.contains(&g.id));
            let mut lines: Vec<String> = known
                .map(|g| format!("jump {}_{way}", names::group_name(&g.id)))
                .collect();
            lines.push(SG_DROP.to_owned());
            chain(&mut chains, &format!("{way}_{device}"), "", &lines);
        }
        entering.push((device.clone(), format!("goto out_{device}")));
        leaving.push((device.clone(), format!("goto in_{device}")));
    }
    for leg in legs {
        entering.push((leg.device.clone(), "accept".to_owned()));
        leaving.push((leg.device.clone(), "accept".to_owned()));
    }
    let tracked = [
        "ct state established,related accept".to_owned(),
        "ct state invalid counter drop".to_owned(),
    ];
    let mut lines: Vec<String> = down(network).into_iter().collect();
    lines.extend(tracked.clone());
    lines.extend(vmap("iifname", &entering));
    lines.push(SG_DROP.to_owned());
    out.push_str(&chains);
    chain(
        out,
        "egress",
        "forward priority filter - 10; policy drop",
        &lines,
    );
    let mut lines = tracked.to_vec();
    lines.extend(vmap("oifname", &leaving));
    lines.push(SG_DROP.to_owned());
    chain(
        out,
        "ingress",
        "forward priority filter; policy drop",
        &lines,
    );
}

/// What a port may ask of the namespace itself. The limits are per port: nobody can keep the
/// neighbours from the services. Whoever asks must be the port it says it is, even where the owner
/// switched port security off.
fn local(out: &mut String, network: &NetworkWant) {
    let mut verdicts = Vec::new();
    for port in network.ports.iter().filter(|p| p.up) {
        let device = names::port_device(&port.id);
        let mut lines = vec![format!(
            "ip saddr {} udp sport 68 udp dport 67 limit rate 20/second burst 40 packets accept",
            braces(std::iter::once(Ipv4Addr::UNSPECIFIED).chain(port.ips.iter().map(|(_, i)| *i)))
        )];
        if let Some(own) = own(port) {
            let of_port = network
                .subnets
                .iter()
                .filter(|s| port.ips.iter().any(|(i, _)| *i == s.id));
            let here = of_port.filter_map(|s| s.gateway).chain([names::METADATA]);
            let here = braces(here);
            lines.push(format!("ip saddr != {own} counter drop"));
            lines.push(format!(
                "ip daddr {here} udp dport 53 limit rate 500/second burst 1000 packets accept"
            ));
            lines.push(format!("ip daddr {} tcp dport 80 accept", names::METADATA));
            lines.push(format!(
                "ip daddr {here} icmp type 8 limit rate 100/second burst 100 packets accept"
            ));
        }
        lines.push("counter drop".to_owned());
        chain(out, &format!("sv_{device}"), "", &lines);
        let verdict = format!("goto sv_{device}");
        verdicts.push((device, verdict));
    }
    let mut lines = vec!["iifname \"lo\" accept".to_owned()];
    lines.extend(vmap("iifname", &verdicts));
    lines.push("counter drop".to_owned());
    chain(out, "input", "input priority filter; policy drop", &lines);
    let lines: Vec<String> = down(network).into_iter().collect();
    chain(
        out,
        "output",
        "output priority filter; policy accept",
        &lines,
    );
}

fn arp(out: &mut String, network: &NetworkWant, legs: &[Leg]) {
    out.push_str("table arp jinyun {\n");
    let mut verdicts = Vec::new();
    for port in network.ports.iter().filter(|p| p.up) {
        let device = names::port_device(&port.id);
        if !port.filtered {
            verdicts.push((device, "accept".to_owned()));
            continue;
        }
        let senders =
            std::iter::once(Ipv4Addr::UNSPECIFIED).chain(port.ips.iter().map(|(_, i)| *i));
        let lines = [
            format!("ether saddr != {} {}", port.mac, spoof("arp")),
            format!("arp saddr ether != {} {}", port.mac, spoof("arp")),
            format!("arp saddr ip {} accept", braces(senders)),
            spoof("arp"),
        ];
        chain(out, &format!("as_{device}"), "", &lines);
        let verdict = format!("goto as_{device}");
        verdicts.push((device, verdict));
    }
    verdicts.extend(legs.iter().map(|l| (l.device.clone(), "accept".to_owned())));
    let mut lines: Vec<String> = vmap("iifname", &verdicts).into_iter().collect();
    lines.push("counter drop".to_owned());
    chain(out, "input", "input priority filter; policy drop", &lines);
    out.push_str("}\n");
}

/// The whole filter of a router's namespace: from a network only its own addresses, and only from
/// one joined network to another. It keeps no state: the networks' filters do.
pub fn router_ruleset(router: &RouterWant) -> String {
    let mut out = String::from(REPLACE);
    out.push_str("table inet jinyun {\n");
    let mut sources = vec![("lo".to_owned(), "accept".to_owned())];
    let mut targets = Vec::new();
    for (network, ranges) in &router.networks {
        let device = names::network_device(network);
        let ranges: Vec<&str> = ranges.iter().map(String::as_str).collect();
        let (mut from, mut to) = (Vec::new(), Vec::new());
        if !ranges.is_empty() {
            let set = format!("{{ {} }}", ranges.join(", "));
            from.push(format!("ip saddr {set} accept"));
            to.push(format!("ip daddr {set} accept"));
        }
        from.push(spoof("net"));
        to.push("counter drop".to_owned());
        chain(&mut out, &format!("from_{device}"), "", &from);
        chain(&mut out, &format!("to_{device}"), "", &to);
        sources.push((device.clone(), format!("goto from_{device}")));
        targets.push((device.clone(), format!("goto to_{device}")));
    }
    let mut lines: Vec<String> = vmap("iifname", &sources).into_iter().collect();
    lines.push("counter log group 2 prefix \"spoof-dev \" drop".to_owned());
    chain(
        &mut out,
        "from_networks",
        "prerouting priority raw; policy drop",
        &lines,
    );
    let mut lines: Vec<String> = vmap("oifname", &targets).into_iter().collect();
    lines.push("counter drop".to_owned());
    chain(
        &mut out,
        "forward",
        "forward priority filter; policy drop",
        &lines,
    );
    let lines = [
        "iifname \"lo\" accept".to_owned(),
        "counter drop".to_owned(),
    ];
    chain(
        &mut out,
        "input",
        "input priority filter; policy drop",
        &lines,
    );
    out.push_str("}\ntable arp jinyun {\n");
    let lines = ["counter drop".to_owned()];
    chain(
        &mut out,
        "input",
        "input priority filter; policy drop",
        &lines,
    );
    out.push_str("}\n");
    out
}

/// The service addresses of a network: where flows end that no group has a say in.
pub fn services(network: &NetworkWant) -> BTreeSet<Ipv4Addr> {
    let mut all: BTreeSet<Ipv4Addr> = render::gateways(network).into_iter().collect();
    all.extend([names::METADATA, Ipv4Addr::BROADCAST]);
    all
}

fn spoof(what: &str) -> String {
    format!("counter log group 2 prefix \"spoof-{what} \" drop")
}

/// The port's addresses as a set; `None` if it has none.
fn own(port: &PortWant) -> Option<String> {
    (!port.ips.is_empty()).then(|| braces(port.ips.iter().map(|(_, ip)| *ip)))
}

/// The line that keeps everything from ports that are down.
fn down(network: &NetworkWant) -> Option<String> {
    let ports = network.ports.iter().filter(|p| !p.up);
    let devices: Vec<String> = ports
        .map(|p| format!("\"{}\"", names::port_device(&p.id)))
        .collect();
    let list = devices.join(", ");
    (!devices.is_empty()).then(|| format!("oifname {{ {list} }} counter drop"))
}

fn braces(ips: impl Iterator<Item = Ipv4Addr>) -> String {
    let all: BTreeSet<Ipv4Addr> = ips.collect();
    let all: Vec<String> = all.iter().map(Ipv4Addr::to_string).collect();
    format!("{{ {} }}", all.join(", "))
}

fn vmap(key: &str, verdicts: &[(String, String)]) -> Option<String> {
    let all: Vec<String> = verdicts
        .iter()
        .map(|(device, verdict)| format!("\"{device}\" : {verdict}"))
        .collect();
    (!all.is_empty()).then(|| format!("{key} vmap {{ {} }}", all.join(", ")))
}

fn set(out: &mut String, name: &str, ips: &BTreeSet<Ipv4Addr>) {
    out.push_str(&format!("\tset {name} {{\n\t\ttype ipv4_addr\n"));
    if !ips.is_empty() {
        out.push_str(&format!("\t\telements = {}\n", braces(ips.iter().copied())));
    }
    out.push_str("\t}\n");
}

/// A chain; a base chain if `hook` is not empty.
fn chain(out: &mut String, name: &str, hook: &str, lines: &[String]) {
    out.push_str(&format!("\tchain {name} {{\n"));
    if !hook.is_empty() {
        out.push_str(&format!("\t\ttype filter hook {hook};\n"));
    }
    for line in lines {
        out.push_str(&format!("\t\t{line}\n"));
    }
    out.push_str("\t}\n");
}
