//! What plans are told of things, whatever order documents and reports come in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_base::Id;
use jinyun_compute::Hosts;
use jinyun_engine::Seen;
use jinyun_wire::{
    DiskWant, Fault, GuestDisk, GuestSeen, GuestState, GuestWant, HostFacts, HostSeen, HostWant,
    Thing,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn document(disks: &[&str], guests: &[&str]) -> HostWant {
    let disk = |id: &&str| DiskWant { id: (*id).into(), bytes: 1, image: None };
    HostWant {
        disks: disks.iter().map(disk).collect(),
        guests: guests.iter().map(|id| GuestWant {
            id: (*id).into(),
            name: (*id).into(),
            vcpus: 1,
            memory_mib: 128,
            running: true,
            disks: disks.iter()
                .map(|d| GuestDisk { id: (*d).into(), serial: (*d).into() }).collect(),
            ports: Vec::new(),
            incarnation: 1,
        }).collect(),
        ..HostWant::default()
    }
}

fn report(generation: u64, disks: &[(&str, bool)], guests: &[(&str, GuestState)]) -> HostSeen {
    HostSeen {
        generation,
        disks: disks.iter()
            .map(|(id, ready)| Thing { id: (*id).into(), ready: *ready, error: None }).collect(),
        guests: guests.iter().map(|(id, state)| GuestSeen {
            id: (*id).into(),
            state: *state,
            incarnation: 1,
            error: (*state == GuestState::Failed)
                .then(|| Fault { why: "damaged".into(), fatal: true }),
        }).collect(),
        ..HostSeen::default()
    }
}

fn ids(things: Vec<(&'static str, Id)>) -> Vec<String> {
    let mut words: Vec<String> = things.iter().map(|(kind, id)| format!("{kind} {id}")).collect();
    words.sort();
    words
}

/// `-` gone, `?` pending, else what matters of the report.
fn look(hosts: &Hosts, kind: &str, id: &str) -> String {
    let Some(seen) = hosts.seen(kind, &id.into()) else { return "-".into() };
    if seen == json!({ "state": "pending" }) {
        return "?".into();
    }
    match (seen.get("ready"), seen.get("state"), seen.get("current")) {
        (Some(ready), ..) => format!("ready {ready}"),
        (_, Some(Value::String(state)), Some(current)) => format!("{state} {current}"),
        _ => seen.to_string(),
    }
}

#[test]
fn a_thing_is_gone_only_when_its_host_has_said_so() {
    let hosts = Hosts::new();
    let on = || vec![("volume", Id::new("d")), ("server", Id::new("g"))];
    assert_eq!(look(&hosts, "volume", "d"), "-", "it was never anywhere");

    // Wanted, and nobody has reported.
    assert!(hosts.compose("h1", document(&["d"], &["g"]), on(), 40));
    assert_eq!(hosts.document("h1").unwrap().generation, 40);
    assert_eq!(look(&hosts, "volume", "d"), "?");
    assert_eq!(look(&hosts, "server", "g"), "?");
    assert_eq!(look(&hosts, "volume", "other"), "-");
    assert_eq!(hosts.seen("host", &"h1".into()), None, "not connected");
    assert_eq!(ids(hosts.connected("h1", HostFacts::default())), ["server g", "volume d"]);
    assert_eq!(hosts.seen("host", &"h1".into()).unwrap()["alive"], true);
    assert_eq!(hosts.seen("hosts", &"".into()), Some(json!({ "alive": ["h1"] })));

    // The disk is there; its guest is told, too.
    let changed = hosts.report("h1", report(40, &[("d", true)], &[]));
    assert_eq!(ids(changed), ["server g", "volume d"]);
    assert_eq!(look(&hosts, "volume", "d"), "ready true");
    assert_eq!(look(&hosts, "server", "g"), "?", "wanted, so not gone");
    let changed = hosts.report("h1", report(40, &[("d", true)], &[("g", GuestState::Running)]));
    assert_eq!(ids(changed), ["server g"]);
    assert_eq!(look(&hosts, "server", "g"), "running true");
    let again = hosts.report("h1", report(40, &[("d", true)], &[("g", GuestState::Running)]));
    assert!(again.is_empty(), "the same again is no news");

    // No longer wanted: as reported, until a report about the new document has it no more.
    assert!(hosts.compose("h1", document(&[], &[]), on(), 41));
    assert_eq!(look(&hosts, "server", "g"), "running true");
    let changed = hosts.report("h1", report(40, &[("d", true)], &[]));
    assert_eq!(ids(changed), ["server g"]);
    assert_eq!(look(&hosts, "server", "g"), "?", "an older document's report says nothing");
    let changed = hosts.report("h1", report(41, &[("d", true)], &[]));
    assert_eq!(ids(changed), ["server g"]);
    assert_eq!(look(&hosts, "server", "g"), "-");
    assert_eq!(look(&hosts, "volume", "d"), "ready true", "it is being erased");
    assert_eq!(ids(hosts.report("h1", report(41, &[], &[]))), ["volume d"]);
    assert_eq!(look(&hosts, "volume", "d"), "-");

    // After a new connection nothing is concluded from before.
    hosts.disconnected("h1");
    assert_eq!(look(&hosts, "volume", "d"), "?");
    hosts.connected("h1", HostFacts::default());
    assert_eq!(look(&hosts, "volume", "d"), "?");
    assert_eq!(ids(hosts.report("h1", report(41, &[], &[]))), ["server g", "volume d"]);
    assert_eq!(look(&hosts, "volume", "d"), "-");
}

#[test]
fn a_dead_host_holds_only_what_lies_on_it() {
    let hosts = Hosts::new();
    hosts.compose("dead", HostWant::default(), vec![("volume", Id::new("a"))], 1);
    hosts.compose("h2", HostWant::default(), vec![("volume", Id::new("b"))], 1);
    hosts.connected("h2", HostFacts::default());
    hosts.report("h2", report(1, &[], &[]));
    assert_eq!(look(&hosts, "volume", "a"), "?");
    assert_eq!(look(&hosts, "volume", "b"), "-");
    hosts.forget("dead");
    assert_eq!(look(&hosts, "volume", "a"), "-");
}

#[test]
fn generations_grow_with_the_content_and_over_restarts() {
    let hosts = Hosts::new();
    assert!(hosts.document("h1").is_none());
    assert!(hosts.compose("h1", HostWant::default(), Vec::new(), 0), "the first is always new");
    let generation = || hosts.document("h1").unwrap().generation;
    assert_eq!(generation(), 1);
    assert!(!hosts.compose("h1", HostWant::default(), Vec::new(), 90), "nothing has changed");
    assert_eq!(generation(), 1);
    assert!(hosts.compose("h1", document(&["d"], &[]), Vec::new(), 91));
    assert_eq!(generation(), 91);
    assert!(hosts.compose("h1", document(&[], &[]), Vec::new(), 50));
    assert_eq!(generation(), 92, "never back");
}

#[test]
fn an_old_failure_does_not_count_for_a_new_attempt() {
    let hosts = Hosts::new();
    let on = || vec![("server", Id::new("g"))];
    hosts.compose("h1", document(&[], &["g"]), on(), 5);
    hosts.connected("h1", HostFacts::default());
    hosts.report("h1", report(5, &[], &[("g", GuestState::Failed)]));
    assert_eq!(look(&hosts, "server", "g"), "failed true");
    let mut next = document(&[], &["g"]);
    next.guests[0].incarnation = 2;
    hosts.compose("h1", next, on(), 6);
    assert_eq!(look(&hosts, "server", "g"), "failed false");
    let changed = hosts.report("h1", report(6, &[], &[("g", GuestState::Failed)]));
    assert_eq!(ids(changed), ["server g"]);
    assert_eq!(look(&hosts, "server", "g"), "failed true");
}

#[test]
fn a_host_that_is_connected_and_does_not_report_is_not_alive() {
    let seconds = Arc::new(AtomicU64::new(1_000));
    let hand = seconds.clone();
    let hosts = Hosts::timed(move || Duration::from_secs(hand.load(Ordering::SeqCst)));
    let wait = |more: u64| seconds.fetch_add(more, Ordering::SeqCst);
    let alive = || {
        let all = hosts.seen("hosts", &"".into()).unwrap()["alive"] == json!(["h1"]);
        assert_eq!(all, hosts.seen("host", &"h1".into()).is_some());
        all
    };
    hosts.compose("h1", document(&["d"], &[]), vec![("volume", Id::new("d"))], 5);
    assert!(!alive());
    hosts.connected("h1", HostFacts::default());
    wait(89);
    assert!(alive(), "it has just begun");
    let say = || ids(hosts.report("h1", report(5, &[("d", true)], &[])));
    assert_eq!(say(), ["volume d"]);
    for _ in 0..30 {
        wait(5);
        assert!(alive() && say().is_empty());
    }
    wait(89);
    assert!(alive());
    wait(1);
    assert!(!alive());
    // What it has is not given away: nobody has said that it is gone.
    assert_eq!(look(&hosts, "volume", "d"), "ready true");
    assert_eq!(say(), ["volume d"], "whoever waits for a host is woken");
    assert!(alive() && say().is_empty());
    // Nobody waits for a word of one that is gone, or that nothing is behind.
    hosts.disconnected("h1");
    assert!(!alive());
    say();
    assert!(!alive());
    hosts.connected("h1", HostFacts { simulated: true, ..HostFacts::default() });
    wait(100_000);
    assert!(alive());
}
