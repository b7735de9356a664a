//! Statements, guardrails and the auditor's export: what holds, and each with exactly its hole opened.
//!
//! Goal: a trial that cannot go red proves nothing. Method: a whole cloud in this process, and a hole in
//! one of four places: a rule that is too wide; a part of the platform that is not there; a part that
//! takes a profile for another; and somebody between the trial and the write path who drops what a service
//! that forgot something would drop. What only spoils a control proves nothing, and must be told as that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cloud.rs"]
#[allow(dead_code)]
mod cloud;

use cloud::{Running, now};
use jinyun_base::Time;
use jinyun_engine::{Command, Registry, Via};
use jinyun_evidence::attack::Judged;
use jinyun_evidence::stage::{DOMAIN, Stage, clear, set};
use jinyun_evidence::trials::{Api, Came, Inside, Sent};
use jinyun_policy::{Actor, Duty, Role, Rule, Who};
use serde_json::json;
use std::collections::BTreeSet;

const STATEMENTS: &str = "statement-holds";
const GUARDRAILS: &str = "guardrail-holds";
const JOURNAL: &str = "tenant-journal";

/// Somebody between the trial and the write path.
type Meddle = fn(&mut Command);

struct Meddled {
    inside: Inside,
    meddle: Meddle,
}

impl Api for Meddled {
    fn send(&self, sent: Sent) -> Came {
        self.inside.send(sent)
    }

    fn actor(&self, token: &str, source: &str) -> Option<(Actor, Via)> {
        self.inside.actor(token, source)
    }

    fn run(&self, mut command: Command) -> Came {
        (self.meddle)(&mut command);
        self.inside.run(command)
    }
}

/// The words of a statement of this effect that is being written.
fn written<'c>(command: &'c mut Command, effect: &str) -> Option<&'c mut serde_json::Value> {
    let wanted = command.action == "access:statement:create" && command.args["effect"] == effect;
    wanted.then_some(&mut command.args)
}

/// What each does, and whether something gets through; otherwise a control does not work.
const MEDDLES: &[(&str, &str, Meddle, bool)] = &[
    (STATEMENTS, "a denial of other actions", |command| {
        if let Some(words) = written(command, "deny") {
            words["actions"] = json!(["network:router:*"]);
        }
    }, true),
    (STATEMENTS, "a denial of the volume alone", |command| {
        if let Some(words) = written(command, "deny") {
            words["resources"].as_array_mut().unwrap().remove(0);
        }
    }, true),
    (STATEMENTS, "a denial of changes alone", |command| {
        if let Some(words) = written(command, "deny") {
            words["actions"][0] = "network:network:update".into();
        }
    }, true),
    (STATEMENTS, "a denial of all networks", |command| {
        if let Some(words) = written(command, "deny") {
            words["resources"] = json!([]);
        }
    }, false),
    (STATEMENTS, "a denial for everybody", |command| {
        if let Some(words) = written(command, "deny") {
            words["who"] = json!({ "everybody": true });
        }
    }, false),
    (STATEMENTS, "no second factor is asked for", |command| {
        if let Some(words) = written(command, "allow_only") {
            words["conditions"]["second_factor"] = false.into();
        }
    }, true),
    (STATEMENTS, "no age is asked for", |command| {
        if let Some(words) = written(command, "allow_only") {
            words["conditions"]["age"] = serde_json::Value::Null;
        }
    }, true),
    (STATEMENTS, "nobody knows how somebody signed in", |command| command.via = Via::default(), false),
    (STATEMENTS, "one that is taken back stays", |command| {
        if command.action == "access:statement:delete" {
            command.action = "access:statement:update".into();
            command.args = json!({ "description": "taken back" });
        }
    }, true),
    (GUARDRAILS, "a profile that is not the one that was asked for", |command| {
        if command.action == "governance:profile:set" {
            command.args = json!({ "level": "basic" });
        }
    }, true),
    (GUARDRAILS, "the middle one instead of the strictest", |command| {
        if command.args["level"] == "enhanced" {
            command.args = json!({ "level": "extended" });
        }
    }, true),
    (GUARDRAILS, "an exception that does not end", |command| {
        if command.action == "governance:exception:end" {
            command.action = "governance:exception:vote".into();
        }
    }, true),
    (GUARDRAILS, "nobody agrees to an exception", |command| {
        if command.action == "governance:exception:vote" {
            command.args = json!({ "approve": false, "comment": "" });
        }
    }, false),
];

const TENANTS: &[Who] = &[Who::Domain(Role::Reader)];

/// Rules that take the place of the services' own.
const RULES: &[(&str, &[Rule], bool)] = &[
    (STATEMENTS, &[Rule { action: "access:statement:create", allow: &[Who::User] }], true),
    (STATEMENTS, &[Rule { action: "access:statement:delete", allow: &[Who::User] }], true),
    (STATEMENTS, &[Rule { action: "access:statement:create", allow: &[] }], false),
    (GUARDRAILS, &[Rule { action: "governance:profile:set", allow: &[Who::User] }], true),
    (JOURNAL, &[Rule {
        action: "audit:entry:export",
        allow: &[Who::Domain(Role::Reader), Who::Duty(Duty::AuditAdmin),
            Who::Duty(Duty::SystemAdmin)],
    }], true),
    (JOURNAL, &[Rule {
        action: "audit:entry:export",
        allow: &[Who::Domain(Role::Reader), Who::Duty(Duty::AuditAdmin),
            Who::Duty(Duty::SecurityAdmin)],
    }], true),
    (JOURNAL, &[Rule { action: "audit:entry:export", allow: TENANTS }], false),
    (GUARDRAILS, &[Rule { action: "governance:exception:vote", allow: &[] }], false),
];

/// Parts of the platform that are not there.
const PARTS: &[(&str, &str, fn(&mut Registry))] = &[
    (STATEMENTS, "limiter", |registry| registry.limiter = None),
    (GUARDRAILS, "guard", |registry| registry.guard = None),
];

/// A stage, and the time since when there are entries about it.
fn staged(running: &Running) -> (Stage, Time) {
    let began = now();
    (set(&running.cloud, "s1").unwrap_or_else(|e| panic!("{e}")), began)
}

/// Takes the stage away; whether anything of it is left.
fn gone(running: &Running) -> bool {
    clear(&running.cloud, "s2").unwrap_or_else(|e| panic!("{e}"));
    let rows = running.cloud.reader.lend(|db| db.everything()).unwrap();
    !rows.iter().any(|stored| stored.row.domain.as_str() == DOMAIN)
}

fn seen(what: &str, judged: &Judged, through: bool) {
    match through {
        true => assert!(matches!(judged, Judged::Broken(_)), "{what}: {judged:?}"),
        false => assert!(matches!(judged, Judged::Nothing(_)), "{what}: {judged:?}"),
    }
}

#[test]
fn what_holds_holds_twice_and_leaves_nothing() {
    let running = Running::new("rails", &[]);
    let (stage, began) = staged(&running);
    for round in 0..2 {
        for check in [STATEMENTS, GUARDRAILS, JOURNAL] {
            let right = running.tried(&stage, began, &running.inside(), check);
            let Judged::Held(says) = &right else { panic!("{check}, round {round}: {right:?}") };
            let names: &[&str] = match check {
                STATEMENTS => &["a deletion with the password alone", "the network that is denied"],
                GUARDRAILS => &["a database from anywhere", "a server without a key pair",
                    "a looser profile without an exception"],
                _ => &["an export, for the security administrator",
                    "an export by the audit administrator"],
            };
            for name in names {
                assert!(says.contains(name), "{check}: {name} is not in {says}");
            }
        }
        // Statements and rows go with the trial, the profile with the stage.
        let kinds: BTreeSet<String> = running.cloud.reader.lend(|db| db.everything()).unwrap()
            .into_iter().filter(|stored| stored.row.domain.as_str() == DOMAIN)
            .map(|stored| stored.row.kind).collect();
        assert!(!kinds.contains("statement") && kinds.contains("profile"), "{kinds:?}");
    }
    assert!(gone(&running));
}

#[test]
fn what_somebody_meddles_with_is_seen() {
    let running = Running::new("between", &[]);
    for (check, what, meddle, through) in MEDDLES {
        // What is spoiled goes with its stage.
        let (stage, began) = staged(&running);
        let api = Meddled { inside: running.inside(), meddle: *meddle };
        seen(what, &running.tried(&stage, began, &api, check), *through);
        assert!(gone(&running), "{what}");
    }
}

#[test]
fn a_rule_that_is_too_wide_or_too_narrow_is_seen() {
    for (n, (check, holes, through)) in RULES.iter().enumerate() {
        let running = Running::new(&format!("rails-{n}"), holes);
        let (stage, began) = staged(&running);
        let judged = running.tried(&stage, began, &running.inside(), check);
        seen(&format!("{check}: {}", holes[0].action), &judged, *through);
        assert!(gone(&running), "{check} {n}");
    }
}

#[test]
fn a_part_that_is_not_there_is_seen() {
    for (check, what, change) in PARTS {
        let running = Running::with(&format!("no-{what}"), &[], *change);
        let (stage, began) = staged(&running);
        let judged = running.tried(&stage, began, &running.inside(), check);
        seen(&format!("no {what}"), &judged, true);
        assert!(gone(&running), "{what}");
    }
}
