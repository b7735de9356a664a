//! What the good world has for checks of settings, registers, ways and tenants' halves, and how each of
//! them is broken.
#![allow(dead_code)]

use super::people::{ANN, DAY, spec};
use super::site::MACHINE;
use super::{BANK, NETWORK, PROJECT, hash, secret, stored};
use jinyun_base::Time;
use jinyun_engine::{Row, Stored};
use jinyun_evidence::World;
use serde_json::{Value, json};

/// A router that joins the network.
pub const ROUTER: &str = "77777777-aaaa-4000-8000-000000000001";
/// The port's sender check.
const SENDER: &str = "as_t22222222aaa";
/// A risk that is open, and one that is closed.
const OPEN: &str = "risk-open";
const CLOSED: &str = "risk-closed";
/// The rule for giving a duty.
const GIVING: &str = "rule-0";

/// Records beside those of the other checks.
pub fn rows() -> Vec<Stored> {
    let mut rows = vec![stored("router", ROUTER, BANK, PROJECT, json!({
        "name": "gate", "interfaces": [{ "subnet": "s", "network": NETWORK, "port": "x" }],
    }))];
    let actions = [("identity:assignment:create", "system_admin"),
        ("identity:domain:delete", "system_admin"), ("evidence:catalogue:*", "system_admin"),
        ("compute:host:*", "security_admin")];
    for (n, (action, duty)) in actions.into_iter().enumerate() {
        rows.push(stored("approval_rule", &format!("rule-{n}"), "default", "", json!({
            "name": action, "domain": "default", "project": "", "action": action, "guarded": true,
            "stages": [{ "who": { "duty": duty }, "count": 1 }], "deadline": 86_400,
        })));
    }
    let risk = |closed: Value| json!({
        "title": "a risk", "description": "", "clause": "9.3-B-a", "domain": "default", "author": "",
        "assessor": "u2", "owner": "u2", "likelihood": 2, "impact": 3, "treatment": "reduce",
        "plan": "", "review": null, "told": [], "accepted": null, "met_since": null,
        "closed": closed,
    });
    let said = json!({ "who": "u2", "at": 1, "text": "it is no more" });
    rows.push(stored("risk", OPEN, "default", "", risk(Value::Null)));
    rows.push(stored("risk", CLOSED, "default", "", risk(said)));
    rows
}

fn row<'w>(world: &'w mut World, kind: &str, id: &str) -> &'w mut Row {
    let stored = world.rows.iter_mut().find(|s| s.row.kind == kind && s.row.id.as_str() == id);
    &mut stored.unwrap().row
}

/// The filter of the network, item by item.
fn filter(world: &mut World) -> &mut Vec<Value> {
    let filters = &mut world.hosts[0].installed.as_mut().unwrap().filters;
    filters[0].1["nftables"].as_array_mut().unwrap()
}

/// Whether an item is a rule of the port's sender check that drops.
fn drops(item: &Value, family: &str) -> bool {
    let rule = &item["rule"];
    let last = rule["expr"].as_array().and_then(|all| all.last());
    rule["chain"] == SENDER && rule["family"] == family && last == Some(&json!({ "drop": null }))
}

/// The devices of a namespace.
fn devices<'w>(world: &'w mut World, space: &str) -> &'w mut Vec<String> {
    let spaces = world.hosts[0].survey.as_mut().unwrap().spaces.as_mut().unwrap();
    spaces.get_mut(space).unwrap().as_mut().unwrap()
}

/// The institution is old, and its people's export is told by another entry.
fn looked(world: &mut World, edit: impl Fn(&mut jinyun_journal::Entry)) {
    row(world, "domain", BANK).created = Time(-200 * DAY);
    let entries = &mut world.journal.as_mut().unwrap().entries;
    entries.iter_mut().filter(|entry| entry.action == "audit:entry:export").for_each(edit);
}

/// What turns each check red.
pub const SABOTAGE: &[(&str, fn(&mut World))] = &[
    // Rules that drop and count nothing; none for lies about the MAC.
    ("lies-counted", |w| {
        for item in filter(w).iter_mut().filter(|item| drops(item, "arp")) {
            item["rule"]["expr"].as_array_mut().unwrap().retain(|e| e.get("counter").is_none());
        }
    }),
    ("lies-counted", |w| {
        let ether = |item: &Value| item.to_string().contains("\"protocol\":\"ether\"");
        filter(w).retain(|item| !(drops(item, "inet") && ether(item)));
    }),
    // A port without its check; a filter that somebody has emptied.
    ("lies-counted", |w| filter(w).retain(|item| item["rule"]["chain"] != SENDER)),
    ("lies-counted", |w| filter(w).clear()),
    // A pair into a network; an uplink at a router; a leg that no router has.
    ("no-way-out", |w| devices(w, "jy-t-n-11111111").push("veth0".into())),
    ("no-way-out", |w| devices(w, "jy-t-r-77777777").push("eth1".into())),
    ("no-way-out", |w| spec(w, ROUTER, |router| router["interfaces"] = json!([]))),
    // None; one that holds for some things; one that is an institution's; one about another action.
    ("approvals-set", |w| w.rows.retain(|s| s.row.kind != "approval_rule")),
    ("approvals-set", |w| spec(w, GIVING, |rule| {
        rule["when"] = json!([{ "project_tag": "environment:production" }]);
    })),
    ("approvals-set", |w| spec(w, GIVING, |rule| rule["domain"] = BANK.into())),
    ("approvals-set", |w| spec(w, GIVING, |rule| {
        rule["action"] = "identity:assignment:delete".into();
    })),
    ("risks-treated", |w| {
        spec(w, OPEN, |risk| risk["impact"] = 0.into());
        row(w, "risk", OPEN).created = Time(-8 * DAY);
    }),
    ("risks-treated", |w| {
        w.now.0 = 40 * DAY;
        spec(w, OPEN, |risk| risk["review"] = "1970-01-31".into());
    }),
    ("risks-treated", |w| {
        w.now.0 = 40 * DAY;
        let said = json!({ "who": "u3", "at": 1, "text": "small" });
        spec(w, OPEN, |risk| risk["accepted"] = json!({ "said": said, "until": "1970-01-31" }));
    }),
    // It read page by page; somebody else took it away.
    ("tenant-audits", |w| looked(w, |entry| entry.action = "audit:entry:list".into())),
    ("tenant-audits", |w| looked(w, |entry| entry.actor.domain = "default".into())),
    ("tenant-servers", |w| spec(w, MACHINE, |server| server["public_key"] = "".into())),
    ("tenant-rights", |w| {
        row(w, "assignment", "a-ann").created = Time(-100 * DAY);
        let entries = &mut w.journal.as_mut().unwrap().entries;
        entries.iter_mut().filter(|entry| entry.actor.id == ANN)
            .for_each(|entry| entry.actor.id = "somebody".into());
    }),
    ("tenant-factors", |w| {
        w.rows.push(stored("user", "bob", BANK, "",
            json!({ "name": "bob", "domain": BANK, "enabled": true, "password_set": 1 })));
        w.secrets.push(secret("user", "bob", "password", hash("f"), 60));
    }),
    ("tenant-rules", |w| {
        w.rows.push(stored("compliance", BANK, BANK, "", json!({ "minimum_length": 4 })));
    }),
    ("tenant-sources", |w| spec(w, ANN, |user| user["sources"] = json!([]))),
];
