//! What ports were caught at: lies of guests about their MAC, their addresses and in ARP.
//!
//! Problem: a filter that drops a lie in silence protects the neighbours and leaves no trace of who
//! lied. Mechanism: each rule of a port's sender check that drops counts, and the kernel prints the
//! counters with the rules; the chain's name is the port's device, so that the records say whose it is.
//! Here they are added up by port and kind. A rule that drops without counting is a failure, and so is
//! a port that should have such a check and has none: what is installed says nothing of what is not. Not
//! a record of each packet: they go to a group of the kernel's log that nobody reads.
//!
//! That counters count is shown by the synthetic tenant, which lies on purpose every half minute. It comes
//! and goes, and counters begin anew with each change of a filter: where nothing was counted of some kind,
//! the finding says so and is none the worse, or it would change with each attack and mean nothing.

use super::hosts::head;
use super::{Found, error, failed, met};
use crate::finding::Verdict;
use crate::stage::DOMAIN;
use crate::world::World;
use jinyun_engine::Have;
use jinyun_network::{Network, Port};
use serde_json::Value;
use std::collections::BTreeMap;

/// What lies are about.
const KINDS: [&str; 3] = ["MAC", "IP", "ARP"];
/// At most so many ports are named.
const NAMED: usize = 5;

/// What was counted of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    rules: u64,
    packets: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.rules += other.rules;
        self.packets += other.packets;
        self.bytes += other.bytes;
    }
}

/// The sender check of one device.
#[derive(Debug, Default)]
struct Sender {
    counts: [Count; KINDS.len()],
    /// Rules that drop and count nothing.
    silent: u64,
}

fn has(expressions: &[Value], path: &str, word: &str) -> bool {
    expressions.iter().any(|e| e.pointer(path).and_then(Value::as_str) == Some(word))
}

/// What a rule that drops is about, by its place in [`KINDS`]; none if it is no lie: IPv6, which
/// networks do not carry.
fn kind(family: &str, expressions: &[Value]) -> Option<usize> {
    let conditions = expressions.iter().any(|e| e.get("match").is_some());
    match family {
        "arp" => Some(2),
        _ if has(expressions, "/match/left/payload/protocol", "ether") => Some(0),
        // Whatever no rule before it has let through has another's address.
        _ if !conditions => Some(1),
        _ => None,
    }
}

/// The sender checks of a namespace, by device.
fn senders(ruleset: &Value) -> BTreeMap<String, Sender> {
    let mut all: BTreeMap<String, Sender> = BTreeMap::new();
    let items = ruleset.get("nftables").and_then(Value::as_array);
    for rule in items.into_iter().flatten().filter_map(|item| item.get("rule")) {
        let word = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
        let Some(device) = word("chain").strip_prefix("as_") else { continue };
        let Some(expressions) = rule.get("expr").and_then(Value::as_array) else { continue };
        let sender = all.entry(device.into()).or_default();
        if !expressions.iter().any(|e| e.get("drop").is_some()) {
            continue;
        }
        let number = |name: &str| {
            expressions.iter().find_map(|e| e.get("counter")?.get(name)?.as_u64())
        };
        match (number("packets"), number("bytes"), kind(word("family"), expressions)) {
            (Some(packets), Some(bytes), Some(kind)) => {
                sender.counts[kind].add(Count { rules: 1, packets, bytes });
            }
            (Some(_), Some(_), None) => {}
            _ => sender.silent += 1,
        }
    }
    all
}

/// Counts in words, of those kinds of which there are any.
fn say(counts: &[Count; KINDS.len()]) -> String {
    let some = KINDS.iter().zip(counts).filter(|(_, count)| count.packets > 0);
    let words: Vec<String> = some.map(|(kind, count)| {
        format!("{kind} {} ({} bytes)", count.packets, count.bytes)
    }).collect();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}

/// What is installed, added up.
#[derive(Default)]
struct Tally {
    ports: u64,
    wrong: Vec<String>,
    /// Networks whose filter could not be read.
    unread: Vec<String>,
    /// The synthetic tenant's, which lies on purpose.
    own: [Count; KINDS.len()],
    others: [Count; KINDS.len()],
    caught: Vec<String>,
}

impl Tally {
    /// One device's check, and the port that has the device.
    fn sender(&mut self, device: &str, sender: &Sender, port: Option<&Have<Port>>) {
        self.ports += 1;
        let name = port.map_or_else(
            || format!("device {device}, which no record has"),
            |port| format!("port {} of project {}", port.id, port.project),
        );
        if sender.silent > 0 {
            self.wrong.push(format!("{name}: {} rules drop and count nothing", sender.silent));
        }
        let missing = KINDS.iter().zip(&sender.counts).filter(|(_, count)| count.rules == 0);
        self.wrong.extend(missing.map(|(kind, _)| format!("{name}: nothing counts lies about {kind}")));
        let synthetic = port.is_some_and(|port| port.domain.as_str() == DOMAIN);
        let sum = if synthetic { &mut self.own } else { &mut self.others };
        for (sum, count) in sum.iter_mut().zip(&sender.counts) {
            sum.add(*count);
        }
        if !synthetic && sender.counts.iter().any(|count| count.packets > 0) {
            self.caught.push(format!("{name}: {}", say(&sender.counts)));
        }
    }

    /// A port that should have a check, in a filter that has none for it.
    fn bare(&mut self, port: &Have<Port>) {
        self.ports += 1;
        self.wrong.push(format!("port {} of project {}: it has no sender check", port.id, port.project));
    }

    fn found(self) -> Found {
        if !self.wrong.is_empty() {
            return failed(self.ports, &self.wrong);
        }
        if self.ports == 0 {
            return error(format!("no port has a sender check{}", super::NOTHING));
        }
        let mut says = format!(
            "{} ports: every lie about MAC, IP and in ARP is dropped and counted by port; since their \
             filters were written last, of the synthetic tenant, which lies on purpose: {}; of others: {}",
            self.ports, say(&self.own), say(&self.others)
        );
        if !self.caught.is_empty() {
            let rest = self.caught.len().saturating_sub(NAMED);
            let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
            says.push_str(&format!(" ({}{more})", self.caught[..self.caught.len() - rest].join("; ")));
        }
        // No counter of this kind has counted anything: nothing shows that it would.
        let unshown: Vec<&str> = KINDS.iter().zip(self.own.iter().zip(&self.others))
            .filter(|(_, (own, others))| own.packets + others.packets == 0)
            .map(|(kind, _)| *kind).collect();
        if !unshown.is_empty() {
            let kinds = unshown.join(", ");
            says.push_str(&format!("; that a counter counts is not shown just now for {kinds}"));
        }
        if self.unread.is_empty() {
            return met(self.ports, says);
        }
        says.push_str(&format!("; {}", self.unread.join("; ")));
        Found { verdict: Verdict::Partly, ..met(self.ports, says) }
    }
}

/// Whether anything may pass at a port.
fn up(port: &Have<Port>, networks: &[Have<Network>]) -> bool {
    port.spec.admin_state_up
        && networks.iter().any(|n| n.id == port.spec.network && n.spec.admin_state_up)
}

/// Lies of guests are counted by port and kind.
pub(super) fn lies_counted(world: &World) -> Found {
    if let Some(why) = world.hosts_silent() {
        return error(why);
    }
    let (ports, networks) = match (world.all::<Port>(), world.all::<Network>()) {
        (Ok(ports), Ok(networks)) => (ports, networks),
        (Err(why), _) | (_, Err(why)) => return error(why),
    };
    let mut tally = Tally::default();
    for host in &world.hosts {
        let Ok(installed) = &host.installed else { continue };
        let here: BTreeMap<String, &Have<Port>> = ports.iter()
            .filter(|port| port.spec.host == host.name)
            .map(|port| (format!("t{}", head(port.id.as_str(), 11)), port)).collect();
        for (network, ruleset) in &installed.filters {
            let found = senders(ruleset);
            for (device, sender) in &found {
                tally.sender(device, sender, here.get(device).copied());
            }
            // A port without one is let in unchecked, or not at all: neither is counted.
            for (device, &port) in &here {
                if host.settled && port.settled() && port.spec.port_security
                    && port.spec.network.as_str() == network.as_str()
                    && up(port, &networks) && !found.contains_key(device)
                {
                    tally.bare(port);
                }
            }
        }
        let mut unread: Vec<&str> = here.values()
            .filter(|port| port.spec.port_security && !port.deleting)
            .map(|port| port.spec.network.as_str())
            .filter(|network| !installed.filters.iter().any(|(id, _)| id == network)).collect();
        unread.sort_unstable();
        unread.dedup();
        tally.unread.extend(unread.iter().map(|id| {
            format!("the filter of network {id} on {} was not read", host.name)
        }));
    }
    tally.found()
}
