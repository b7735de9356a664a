//! Each check on a world in which everything is right, and on worlds in which one thing is not.
//!
//! Goal: no check that cannot go red, and none that goes red for what is not its own. Method: a table of
//! sabotages by check, at each of which all checks look (`together.rs`); a last test fails for a check
//! without one. Attacks through ports are sabotaged on a real kernel (`sabotage.rs`), those
//! through commands by rules with a hole (`holes.rs`), trials of people by what somebody meddles with
//! (`trials.rs`); the sabotages of people's checks stand with their world (`accounts.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/worlds.rs"]
mod worlds;

use common::HOLES;
use jinyun_evidence::checks::{CHECKS, find};
use jinyun_evidence::{Form, Verdict, World};
use jinyun_journal::Effect;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use worlds::people::{MORE, TRIED};
use worlds::together::{Sabotage, judge};
use worlds::{NETWORK, PROJECT, BANK, GONE, GROUP, PORT, SERVER, VOLUME, good, guest, reached, stored};

/// Attacks through commands: broken in `holes.rs`.
const COMMANDS: [&str; 2] = ["foreign-command", "duty-command"];

fn ruleset(world: &mut World) -> &mut Vec<Value> {
    let filters = &mut world.hosts[0].installed.as_mut().unwrap().filters;
    filters[0].1["nftables"].as_array_mut().unwrap()
}

fn spec(world: &mut World, id: &str, edit: impl FnOnce(&mut Value)) {
    let row = &mut world.rows.iter_mut().find(|s| s.row.id.as_str() == id).unwrap().row;
    let mut spec: Value = serde_json::from_str(&row.spec).unwrap();
    edit(&mut spec);
    row.spec = spec.to_string();
}

fn rule(chain: &str, expr: Value) -> Value {
    json!({ "rule": { "family": "inet", "chain": chain, "expr": expr } })
}

fn is_rule(value: &Value, chain: &str) -> bool {
    value["rule"]["chain"] == chain
}

const SABOTAGE: &[Sabotage] = &[
    // The world let in; port security off at a port, and for all ports of a network to come.
    ("tenant-doors", |w| spec(w, "r2", |rule| rule["remote_cidr"] = "0.0.0.0/0".into())),
    ("tenant-doors", |w| spec(w, "r2", |rule| rule["remote_cidr"] = Value::Null)),
    ("tenant-doors", |w| spec(w, PORT, |port| port["port_security"] = false.into())),
    ("tenant-doors", |w| spec(w, NETWORK, |network| network["port_security"] = false.into())),
    ("tenant-managers", |w| w.rows.retain(|s| !["c1", "p1"].contains(&s.row.id.as_str()))),
    ("tenant-projects", |w| spec(w, PROJECT, |project| project["tags"] = json!(["pay"]))),
    // A rule that nobody recorded; one that is missing; a default that lets everything through.
    ("filter-as-recorded", |w| {
        ruleset(w).push(rule("in_t22222222aaa", json!([{ "accept": null }])));
    }),
    ("filter-as-recorded", |w| ruleset(w).push(rule("ingress", json!([{ "accept": null }])))),
    ("filter-as-recorded", |w| {
        let group = format!("g_{}_in", GROUP.replace('-', ""));
        let all = ruleset(w);
        let at = all.iter().position(|r| is_rule(r, &group)).unwrap();
        all.remove(at);
    }),
    ("filter-as-recorded", |w| ruleset(w)[0]["chain"]["policy"] = "accept".into()),
    ("filter-as-recorded", |w| {
        spec(w, PORT, |port| port["fixed_ips"][0]["ip"] = "10.0.0.6".into());
    }),
    ("filter-as-recorded", |w| spec(w, PORT, |port| port["mac"] = "fa:16:3e:00:00:02".into())),
    ("filter-as-recorded", |w| spec(w, "r2", |rule| rule["port_max"] = 23.into())),
    ("filter-as-recorded", |w| spec(w, PORT, |port| port["admin_state_up"] = false.into())),
    ("filter-as-recorded", |w| {
        w.hosts[0].installed.as_mut().unwrap().filters.clear();
    }),
    // A table beside ours; a chain of somebody else at a hook in ours.
    ("filter-as-recorded", |w| {
        ruleset(w).push(json!({ "table": { "family": "ip", "name": "lies" } }));
    }),
    ("filter-as-recorded", |w| {
        ruleset(w).push(json!({ "chain": { "family": "inet", "table": "jinyun", "name": "lies",
            "hook": "prerouting", "policy": "accept" } }));
    }),
    ("disk-encrypted", |w| {
        w.hosts[0].installed.as_mut().unwrap().disks[0].cipher = "none".into();
    }),
    ("disk-apart", |w| {
        w.rows.retain(|s| s.row.kind != "volume");
    }),
    ("disk-apart", |w| {
        let server = guest(SERVER, VOLUME);
        w.hosts[0].document.guests = vec![server.clone(), server];
    }),
    // The guest is no record's, so the volume's project is not its project.
    ("disk-apart", |w| w.hosts[0].document.guests = vec![guest(SERVER, VOLUME)]),
    ("disk-apart", |w| w.secrets[1].mark = w.secrets[0].mark.clone()),
    ("keys-wrapped", |w| w.secrets[1].bytes = 32),
    ("keys-wrapped", |w| w.secrets[0].mark = w.secrets[1].mark.clone()),
    ("keys-wrapped", |w| drop(w.secrets.remove(0))),
    ("keys-wrapped", |w| w.key_file.as_mut().unwrap().mode = 0o640),
    ("erased", |w| w.journal.as_mut().unwrap().entries[8].note = None),
    ("erased", |w| {
        let mut key = w.secrets[1].clone();
        key.id = GONE.into();
        w.secrets_left.push(key);
    }),
    ("erased", |w| w.left[0].disks.as_mut().unwrap()[0].id = GONE.into()),
    ("image-intact", |w| w.images[0].intact = Some(Err("other digests".into()))),
    ("guest-confined", |w| w.hosts[0].installed.as_mut().unwrap().guests[0].uid = 0),
    ("guest-confined", |w| w.hosts[0].installed.as_mut().unwrap().guests[0].seccomp = 0),
    ("guest-confined", |w| w.hosts[0].installed.as_mut().unwrap().guests[0].capabilities = 1),
    ("guest-confined", |w| w.hosts[0].installed.as_mut().unwrap().guests[0].no_new_privs = false),
    ("guest-confined", |w| w.hosts[0].installed.as_mut().unwrap().guests[0].own_netns = false),
    ("guest-confined", |w| {
        let guests = &mut w.hosts[0].installed.as_mut().unwrap().guests;
        guests.push(guests[0].clone());
    }),
    ("clock-source", |w| w.hosts[0].facts.clock = Some(("unsynchronized".into(), 0))),
    ("clock-source", |w| w.hosts[0].facts.clock = Some(("kernel-ntp".into(), -2_000_000))),
    ("tls-only", |w| w.listeners[0].plain = Ok(true)),
    ("tls-only", |w| w.listeners[1].old = Ok(true)),
    ("tls-only", |w| w.sockets.as_mut().unwrap().push("127.0.0.1:80".parse().unwrap())),
    ("management-apart", |w| w.sockets.as_mut().unwrap().push("0.0.0.0:8444".parse().unwrap())),
    ("journal-verifies", |w| w.journal.as_mut().unwrap().problems.push("a root is not".into())),
    ("journal-replays", |w| w.journal.as_mut().unwrap().differences.push("port x is not".into())),
    ("refusals-recorded", |w| drop(w.journal.as_mut().unwrap().entries.remove(10))),
    ("refusals-recorded", |w| w.journal.as_mut().unwrap().entries[10].reason = None),
    ("refusals-recorded", |w| w.journal.as_mut().unwrap().entries[10].outcome = "done".into()),
    ("own-journal", |w| {
        w.journal.as_mut().unwrap().entries[9].institution.id = "default".into();
    }),
    ("one-clock", |w| w.journal.as_mut().unwrap().entries[5].time = 1),
    ("duty-exclusive", |w| w.rows.push(assignment("u1", "audit_admin"))),
    ("duty-exclusive", |w| w.rows.retain(|s| s.row.id.as_str() != "a-u3")),
    ("duty-exclusive", |w| spec(w, "u2", |user| user["domain"] = BANK.into())),
    ("duty-exclusive", |w| w.rows.push(stored("assignment", "a-x", BANK, "",
        json!({ "user": "u1", "role": "manager", "scope": { "domain": BANK } })))),
    ("duty-reach", reached),
    ("password-initial", |w| {
        // It does something else before it changes the password.
        w.journal.as_mut().unwrap().entries[1].action = "identity:token:create".into();
    }),
    ("password-initial", |w| {
        let made = &mut w.journal.as_mut().unwrap().entries[0].effects[0];
        let Effect::Put { spec, .. } = made else { panic!("no user is made") };
        spec["must_change"] = false.into();
    }),
    ("password-hashed", |w| w.secrets[2].form = Form::Bytes),
    ("password-hashed", |w| w.secrets[2].form = w.secrets[3].form.clone()),
    ("password-hashed", |w| {
        w.secrets[2].form = Form::Argon2id { memory: 8, passes: 1, salt: "s".repeat(22) };
    }),
];

fn assignment(user: &str, duty: &str) -> jinyun_engine::Stored {
    stored("assignment", &format!("b-{user}"), "default", "",
        json!({ "user": user, "role": duty, "scope": "system" }))
}

#[test]
fn a_good_world_is_met() {
    let world = good();
    for check in CHECKS {
        let found = check.find(&world);
        assert_eq!(found.verdict, Verdict::Met, "{}: {}", check.name, found.says);
        assert!(found.population > 0 && !found.says_nothing_about.is_empty(), "{}", check.name);
    }
}

#[test]
fn each_sabotage_turns_exactly_its_check_red() {
    let all = SABOTAGE.iter().chain(worlds::site::SABOTAGE).chain(worlds::halves::SABOTAGE);
    let wrong = judge(all);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_lie_is_told_with_its_port_unless_it_was_told_on_purpose() {
    let says = |world: &World| find("lies-counted").unwrap().find(world).says;
    let counted = "MAC 7 (9 bytes), IP 7 (9 bytes), ARP 21 (27 bytes)";
    let mut world = good();
    let said = says(&world);
    assert!(said.contains(&format!("(port {PORT} of project {PROJECT}: {counted})")), "{said}");
    assert!(said.contains("on purpose: none; "), "{said}");
    let port = world.rows.iter_mut().find(|s| s.row.id.as_str() == PORT).unwrap();
    port.row.domain = jinyun_evidence::stage::DOMAIN.into();
    let said = says(&world);
    assert!(said.contains(&format!("on purpose: {counted}; of others: none")), "{said}");
    assert!(!said.contains("not shown"), "{said}");
    let filter = &mut world.hosts[0].installed.as_mut().unwrap().filters[0].1;
    let still = filter.to_string().replace("\"packets\":7", "\"packets\":0");
    *filter = serde_json::from_str(&still).unwrap();
    let said = says(&world);
    assert!(said.contains("not shown just now for MAC, IP, ARP"), "{said}");
}

#[test]
fn what_was_not_seen_is_never_met() {
    let world = World::default();
    for check in CHECKS {
        let found = check.find(&world);
        assert_eq!(found.verdict, Verdict::Error, "{}: {}", check.name, found.says);
    }
    let mut world = good();
    world.hosts[0].facts.simulated = true;
    world.hosts[0].installed = Err("simulated".into());
    for name in ["filter-as-recorded", "disk-encrypted", "disk-apart", "erased", "guest-confined",
        "clock-source"] {
        let found = find(name).unwrap().find(&world);
        assert_eq!(found.verdict, Verdict::Error, "{name}");
        assert!(found.says.contains("simulated"), "{name}: {}", found.says);
    }
}

#[test]
fn every_check_has_a_sabotage() {
    let known: BTreeSet<&str> = SABOTAGE.iter().map(|(name, _)| *name)
        .chain(HOLES.iter().map(|(name, _)| *name)).chain(COMMANDS)
        .chain(MORE.iter().map(|(name, _)| *name)).chain(TRIED.iter().copied())
        .chain(worlds::site::SABOTAGE.iter().map(|(name, _)| *name))
        .chain(worlds::halves::SABOTAGE.iter().map(|(name, _)| *name))
        .chain(worlds::site::ELSEWHERE).collect();
    let all: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(known, all);
}
