//! Who somebody is counts at the moment of each entry, also where one commit holds both the change and
//! what relies on it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::World;
use jinyun_base::Id;
use jinyun_engine::Command;
use jinyun_identity::Grant;
use jinyun_policy::{Duty, Role};
use serde_json::{Value, json};

const READER: Grant = Grant::Role(Role::Reader);
const MEMBER: Grant = Grant::Role(Role::Member);
const MANAGER: Grant = Grant::Role(Role::Manager);
const SYSTEM: Grant = Grant::Duty(Duty::SystemAdmin);

/// Deleting a vault of the bank needs somebody.
fn rule(w: &World, stage: Value) -> Id {
    w.rule("may@bank", json!({ "action": "toy:vault:delete", "stages": [stage] }))
}

fn manager() -> Value {
    json!({ "role": "manager", "in": "project" })
}

/// The words of a consent to change vaults of the bank for a day.
fn words(w: &World) -> Value {
    let until = w.now().plus_seconds(86_400);
    json!({ "domain": "bank", "project": "", "resource": null, "duty": "system_admin", "user": null,
        "actions": ["toy:vault:update"], "from": null, "until": until, "reason": "a full volume",
        "standing": false, "contract": "" })
}

fn consent(w: &World, who: &str) -> Command {
    w.command(who, "approval:consent:create").with(words(w)).at(&"bank".into(), &"".into())
}

fn made(w: &World, command: Command) -> Id {
    w.run(command).unwrap().value["id"].as_str().unwrap().into()
}

fn disable(w: &World, name: &str) -> Command {
    w.command("may@bank", "identity:user:update").on(w.user(name)).with(json!({ "enabled": false }))
}

#[test]
fn a_vote_behind_the_end_of_its_voter_does_not_count() {
    let w = World::new();
    let board = w.group(&["bob", "cat"]);
    let seat = |name: &str| json!({ "group": board, "user": w.user(name) });
    let leave = |name: &str| {
        w.command("may@bank", "identity:membership:delete").with(seat(name))
    };
    // The stage, whose vote, what ends before it in the same commit, and what the vote is told.
    let cases = [
        ("role", manager(), "bob", w.assign("delete", "bob", "p", MANAGER), "forbidden"),
        ("seat", json!({ "groups": [board] }), "cat", leave("cat"), "not_found"),
        ("account", manager(), "dan", disable(&w, "dan"), "forbidden"),
    ];
    for (what, stage, name, end, want) in cases {
        let rule = rule(&w, stage);
        let vault = w.vault("ann@p", what);
        let request = w.asked(w.delete("ann@p", &vault));
        let vote = w.ballot(&format!("{name}@p"), &request);
        assert_eq!(w.together(vec![end, vote]), ["ok", want], "{what}");
        assert_eq!((w.state(&request), w.there(&vault)), ("waiting", true), "{what}");
        w.run(w.command("may@bank", "approval:approval_rule:delete").on(rule)).unwrap();
    }
}

#[test]
fn what_was_approved_does_not_run_behind_the_end_of_whoever_asked() {
    for (what, lower) in [("role", None), ("account", None), ("lowered", Some(READER))] {
        let w = World::new();
        rule(&w, manager());
        let vault = w.vault("ann@p", what);
        let request = w.asked(w.delete("ann@p", &vault));
        let mut all = vec![match what {
            "account" => disable(&w, "ann"),
            _ => w.assign("delete", "ann", "p", MEMBER),
        }];
        all.extend(lower.map(|role| w.assign("create", "ann", "p", role)));
        all.push(w.ballot("bob@p", &request));
        assert!(w.together(all).into_iter().all(|code| code == "ok"), "{what}");
        assert_eq!((w.state(&request), w.there(&vault)), ("failed", true), "{what}");
        let refused = w.request(&request).outcome.unwrap().refused.unwrap();
        assert_eq!(refused.0, "forbidden", "{what}");
    }
}

#[test]
fn a_membership_that_has_ended_does_not_vote() {
    let w = World::new();
    let board = w.group(&["bob"]);
    rule(&w, json!({ "groups": [board] }));
    let end = w.now().plus_seconds(600);
    let seat = json!({ "group": board, "user": w.user("cat"), "until": end.0 });
    w.run(w.command("may@bank", "identity:membership:create").with(seat)).unwrap();
    let vault = w.vault("ann@p", "v");
    let (one, other) = (w.asked(w.delete("ann@p", &vault)), w.vault("ann@p", "w"));
    assert_eq!(w.vote("cat@p", &one, true), "ok", "it holds until its end");
    let two = w.asked(w.delete("ann@p", &other));
    w.wait(600);
    assert_eq!((w.vote("cat@p", &two, true), w.state(&two)), ("not_found", "waiting"));
    assert_eq!(w.vote("bob@p", &two, true), "ok", "another's has no end");
    // What the group gives ends with it.
    let role = json!({ "group": board, "role": MEMBER, "scope": w.scope("q") });
    w.run(w.command("may@bank", "identity:assignment:create").with(role)).unwrap();
    let holds = |name: &str| w.directory.actor_at(&w.user(name), Some(&w.scope("q")), w.now());
    assert!(holds("bob").is_some() && holds("cat").is_none());
    assert!(!w.directory.groups_of(&w.user("cat")).contains(&board));
}

#[test]
fn a_manager_who_was_lowered_decides_nothing_in_flight() {
    let w = World::new();
    let rule = rule(&w, manager());
    let asked = made(&w, consent(&w, "sys1@system"));
    let granted = made(&w, consent(&w, "moe@bank"));
    let vote = json!({ "approve": true, "comment": "" });
    let new = json!({ "name": "r", "domain": "bank", "project": "", "action": "toy:vault:create",
        "stages": [{ "who": { "users": [w.user("bob")] }, "count": 1 }], "deadline": 3600 });
    let may = |action: &str| w.command("may@bank", &format!("approval:{action}"));
    let decisions = [
        consent(&w, "may@bank"),
        may("consent:vote").on(asked.clone()).with(vote),
        may("consent:revoke").on(granted.clone()).with(json!({})),
        may("approval_rule:create").with(new),
        may("approval_rule:update").on(rule.clone()).with(json!({ "deadline": 60 })),
        may("approval_rule:delete").on(rule.clone()),
    ];
    let mut all =
        vec![w.assign("delete", "may", "bank", MANAGER), w.assign("create", "may", "bank", READER)];
    all.extend(decisions);
    let came = w.together(all);
    assert_eq!(came[..2], ["ok", "ok"]);
    assert_eq!(came[2..], ["forbidden"; 6]);
    let show = |kind: &str, id: &Id| w.http("moe@bank", "GET", &format!("/v1/{kind}/{id}"), Value::Null).1;
    assert_eq!(show("consents", &asked)["consent"]["state"], json!("waiting"));
    assert_eq!(show("consents", &granted)["consent"]["state"], json!("granted"));
    assert_eq!(show("rules", &rule)["rule"]["deadline"], json!(3600));
}

#[test]
fn staff_whose_duty_was_taken_has_no_consent_any_more() {
    let w = World::new();
    let vault = w.vault("ann@p", "v");
    let all = made(&w, consent(&w, "may@bank"));
    let mut one = words(&w);
    (one["duty"], one["user"]) = (Value::Null, json!(w.user("sys1")));
    made(&w, consent(&w, "may@bank").with(one));
    let touch = |who: &str, size: i64| {
        w.command(who, "toy:vault:update").on(vault.clone()).with(json!({ "size": size }))
    };
    let (before, after, other) =
        (touch("sys1@system", 1), touch("sys1@system", 2), touch("sys2@system", 3));
    let end = w.assign("delete", "sys1", "system", SYSTEM);
    assert_eq!(w.together(vec![before, end, after, other]), ["ok", "ok", "forbidden", "ok"]);
    assert_eq!(w.last().approval.as_deref(), Some(all.as_str()));
}

#[test]
fn what_staff_asked_for_is_refused_in_the_institutions_own_journal() {
    for what in ["consent", "duty"] {
        let w = World::new();
        let vault = w.vault("ann@p", "v");
        w.rule("may@bank", json!({ "action": "toy:vault:update", "stages": [manager()] }));
        let consent = made(&w, consent(&w, "may@bank"));
        let touch = w.command("sys1@system", "toy:vault:update").on(vault);
        let request = w.asked(touch.with(json!({ "size": 1 })));
        let end = match what {
            "consent" => w.command("may@bank", "approval:consent:revoke").on(consent).with(json!({})),
            _ => w.assign("delete", "sys1", "system", SYSTEM),
        };
        w.run(end).unwrap();
        assert_eq!((w.vote("bob@p", &request, true), w.state(&request)), ("ok", "failed"), "{what}");
        let entries = w.entries();
        let ran = entries.iter().find(|e| e.approval.as_deref() == Some(request.as_str())).unwrap();
        assert_eq!((ran.outcome.as_str(), ran.actor.domain.as_str()), ("refused", "default"), "{what}");
        assert_eq!(ran.institution.id, "bank", "{what}");
    }
}
