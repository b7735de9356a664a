//! Trials on a whole cloud in this process: what holds, and each with exactly its hole opened.
//!
//! Goal: a trial that cannot go red proves nothing. Method: a hole is a rule that is too wide, or
//! somebody between the trial and the operations who does what a service that forgot something would
//! do: drops a demand, widens a limit, lets a weak password pass for a good one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cloud.rs"]
#[allow(dead_code)]
mod cloud;
#[path = "common/worlds.rs"]
#[allow(dead_code)]
mod worlds;

use cloud::{Running, now};
use jinyun_engine::{Command, Via};
use jinyun_evidence::Verdict;
use jinyun_evidence::attack::Judged;
use jinyun_evidence::stage::{DOMAIN, clear, set};
use jinyun_evidence::trials::{Api, Came, Inside, Sent};
use jinyun_policy::{Actor, Duty, Role, Rule, Who};
use serde_json::json;
use std::collections::BTreeSet;
use worlds::people::TRIED;

/// Somebody between the trial and the operations.
type Meddle = fn(&mut Sent);

struct Meddled {
    inside: Inside,
    meddle: Meddle,
}

impl Api for Meddled {
    fn send(&self, mut sent: Sent) -> Came {
        (self.meddle)(&mut sent);
        self.inside.send(sent)
    }

    fn actor(&self, token: &str, source: &str) -> Option<(Actor, Via)> {
        self.inside.actor(token, source)
    }

    fn run(&self, command: Command) -> Came {
        self.inside.run(command)
    }
}

fn is(sent: &Sent, method: &str, path: &str) -> bool {
    sent.method == method && sent.path.starts_with(path)
}

/// Whether a request makes a user of this name.
fn makes(sent: &Sent, name: &str) -> bool {
    is(sent, "POST", "/v3/users")
        && sent.body["user"]["name"].as_str().is_some_and(|n| n.starts_with(name))
}

fn rule<'s>(sent: &'s mut Sent, name: &str) -> Option<&'s mut serde_json::Value> {
    sent.body.get_mut("config")?.get_mut("security_compliance")?.get_mut(name)
}

const MEDDLES: &[(&str, Meddle)] = &[
    ("password-policy", |sent| {
        if makes(sent, "weak") {
            sent.body["user"]["password"] = "Good-Password-2031".into();
        }
    }),
    ("lockout", |sent| {
        if makes(sent, "lou") {
            sent.body["user"]["options"] = json!({ "ignore_lockout_failure_attempts": true });
        }
    }),
    ("unusual-login", |sent| sent.source = "2001:db8::1".into()),
    ("sources-and-hours", |sent| {
        if sent.path.ends_with("/access") {
            sent.body = json!({ "access": { "sources": [] } });
        }
    }),
    ("idle-ends", |sent| {
        if let Some(seconds) = rule(sent, "idle_seconds") {
            *seconds = 3600.into();
        }
    }),
    ("second-factor", |sent| {
        if let Some(demand) = rule(sent, "multi_factor") {
            *demand = false.into();
        }
    }),
    ("approval-holds", |sent| {
        if is(sent, "POST", "/v1/rules") {
            sent.body["rule"]["stages"][0]["count"] = 1.into();
        }
    }),
    ("no-secret-told", |sent| {
        if makes(sent, "mia") {
            let both = format!("{} {}", sent.body["user"]["description"], sent.body["user"]["password"]);
            sent.body["user"]["description"] = both.into();
        }
    }),
    ("federated-sign-in", |sent| {
        // The provider takes tokens that were made for somebody else.
        let audiences = sent.body.pointer_mut("/identity_provider/jinyun:audiences");
        if let Some(names) = audiences {
            *names = json!(["jinyun-evidence", "elsewhere"]);
        }
    }),
    ("service-in-journal", |sent| {
        if is(sent, "GET", "/v1/entries?order") {
            sent.path.push_str("&action=identity:*");
        }
    }),
];

/// Rules that take the place of the services' own.
const RULES: &[(&str, &[Rule])] = &[
    ("credential-change", &[
        Rule { action: "identity:user:show", allow: &[Who::User] },
        Rule { action: "identity:user:update", allow: &[Who::User] },
    ]),
    ("sub-accounts", &[
        Rule { action: "identity:user:create", allow: &[Who::User, Who::System] },
    ]),
    ("consent-holds", &[Rule {
        action: "compute:server:show",
        allow: &[Who::Project(Role::Reader), Who::Duty(Duty::SystemAdmin)],
    }]),
    ("tenant-journal", &[Rule { action: "audit:entry:list", allow: &[Who::User] }]),
];

#[test]
fn an_assessment_tries_people_and_leaves_none() {
    let running = Running::new("people", &[]);
    let evidence = running.evidence();
    // The second one begins with what the first left in the journal.
    for round in 0..2 {
        let report = evidence.assess().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(report.troubles, Vec::<String>::new(), "round {round}");
        let others = ["keypair-public", "passkey-sign-in", "credential-records", "server-password", "unused-rights",
            "credentials-stale", "federation-whole", "login-notice", "duty-granter", "credential-inventory",
            "export-repeats", "tenant-gone", "credentials-erased", "key-life", "sm-answers",
            "own-journal", "journal-replays", "journal-verifies", "duty-exclusive",
            "password-hashed"];
        for name in TRIED.iter().chain(&others) {
            let found = report.findings.iter().find(|f| f.check == *name).unwrap();
            assert_eq!(found.verdict, Verdict::Met, "round {round}, {name}: {}", found.says);
            assert!(found.population > 0, "{name}");
        }
        let rows = running.cloud.reader.lend(|db| db.everything()).unwrap();
        let left: Vec<_> = rows.iter().filter(|s| s.row.domain.as_str() == DOMAIN).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    // Alarms that this raised are known as the platform's own.
    let entries = running.cloud.reader.lend(|db| db.entries(0, 100_000)).unwrap();
    let alarms: Vec<serde_json::Value> = entries.iter()
        .map(|e| serde_json::from_slice::<serde_json::Value>(e).unwrap())
        .filter(|e| e["action"] == "identity:alarm:raise").collect();
    assert_eq!(alarms.len(), 2);
    for alarm in alarms {
        assert!(alarm["request"].as_str().unwrap().starts_with("evidence-"), "{alarm}");
        assert!(alarm["source"].as_str().unwrap().starts_with("2001:db8:"), "{alarm}");
    }
}

#[test]
fn what_somebody_meddles_with_is_seen() {
    let running = Running::new("meddled", &[]);
    let began = now();
    let stage = set(&running.cloud, "s1").unwrap_or_else(|e| panic!("{e}"));
    for (check, meddle) in MEDDLES {
        let right = running.tried(&stage, began, &running.inside(), check);
        assert!(matches!(right, Judged::Held(_)), "{check}: {right:?}");
        let api = Meddled { inside: running.inside(), meddle: *meddle };
        let broken = running.tried(&stage, began, &api, check);
        assert!(matches!(broken, Judged::Broken(_)), "{check} meddled with: {broken:?}");
    }
    clear(&running.cloud, "s2").unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn a_rule_that_is_too_wide_is_seen() {
    for (n, (check, holes)) in RULES.iter().enumerate() {
        let running = Running::new(&format!("wide-{n}"), holes);
        let began = now();
        let stage = set(&running.cloud, "s1").unwrap_or_else(|e| panic!("{e}"));
        let broken = running.tried(&stage, began, &running.inside(), check);
        assert!(matches!(broken, Judged::Broken(_)), "{check}: {broken:?}");
        clear(&running.cloud, "s2").unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn every_trial_has_a_hole() {
    let known: BTreeSet<&str> = MEDDLES.iter().map(|(check, _)| *check)
        .chain(RULES.iter().map(|(check, _)| *check))
        // In rails.rs.
        .chain(["statement-holds", "guardrail-holds"]).collect();
    assert_eq!(known, TRIED.iter().copied().collect());
}
