//! What becomes of a request when its time is over or its rules have changed: it can only fail, so it
//! ends, and whoever asks again asks anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::World;
use jinyun_base::Id;
use serde_json::{Value, json};

fn rule(w: &World) -> Id {
    w.rule("may@bank", json!({ "action": "toy:vault:*", "project_id": w.project("p"),
        "stages": [{ "role": "manager", "in": "project" }] }))
}

fn change(w: &World, rule: &Id, with: Value) {
    let path = format!("/v1/rules/{rule}");
    let (status, told) = w.http("may@bank", "PATCH", &path, json!({ "rule": with }));
    assert_eq!(status, 200, "{told}");
}

fn lift(w: &World, rule: &Id) {
    w.run(w.command("may@bank", "approval:approval_rule:delete").on(rule.clone())).unwrap();
}

/// A vault that waits to be made.
fn ask(w: &World, name: &str) -> Result<Id, Id> {
    let make = w.command("ann@p", "toy:vault:create").with(json!({ "name": name }));
    match w.run(make) {
        Ok(answer) => Ok(answer.row.unwrap().id),
        Err(refusal) => match refusal.why {
            jinyun_base::Refused::NeedsApproval(id) => Err(id.into()),
            _ => panic!("{refusal}"),
        },
    }
}

/// State and reason, as the API shows them.
fn shown(w: &World, request: &Id) -> (String, String) {
    let (_, told) = w.http("ann@p", "GET", &format!("/v1/requests/{request}"), Value::Null);
    let word = |name: &str| told["request"][name].as_str().unwrap_or_default().to_string();
    (word("state"), word("ended"))
}

#[test]
fn whose_time_is_over_is_asked_anew_before_anybody_has_said_so() {
    let w = World::new();
    rule(&w);
    let late = ask(&w, "v").unwrap_err();
    w.wait(3600);
    assert_eq!((w.vote("bob@p", &late, true), w.state(&late)), ("conflict", "waiting"));
    let anew = ask(&w, "v").unwrap_err();
    assert_ne!(late, anew);
    assert_eq!((w.state(&late), w.state(&anew), w.tend()), ("expired", "waiting", 0));
    assert_eq!(ask(&w, "v"), Err(anew.clone()), "that one waits");
    assert_eq!((w.vote("bob@p", &anew, true), w.state(&anew)), ("ok", "done"));
}

#[test]
fn a_request_does_not_outlive_its_rules() {
    type Act = fn(&World, &Id);
    let window = |w: &World, rule: &Id| {
        let open = json!({ "days": ["sun"], "from": "01:00", "to": "02:00" });
        change(w, rule, json!({ "window": open }));
    };
    let more = |w: &World, _: &Id| {
        w.rule("may@bank", json!({ "action": "toy:vault:create",
            "stages": [{ "role": "manager", "in": "domain" }] }));
    };
    let again = |w: &World, old: &Id| {
        lift(w, old);
        rule(w);
    };
    // What becomes of the rule, and whether the command still waits.
    let cases: [(&str, Act, bool); 6] = [
        ("stages", |w, rule| {
            change(w, rule, json!({ "stages": [{ "role": "manager", "in": "project", "count": 2 }] }));
        }, true),
        ("window", window, true),
        ("one more", more, true),
        ("written again", again, true),
        ("another action", |w, rule| change(w, rule, json!({ "action": "toy:vault:delete" })), false),
        ("lifted", lift, false),
    ];
    for (what, act, waits) in cases {
        let why = if waits { "another approval" } else { "No rule" };
        // Somebody asks again at once.
        let w = World::new();
        let rule_of = rule(&w);
        let old = ask(&w, "v").unwrap_err();
        act(&w, &rule_of);
        let came = ask(&w, "v");
        assert_eq!(came.is_err(), waits, "{what}");
        assert_ne!(came, Err(old.clone()), "{what}");
        // Where it waits, the one that could only fail has made room; it is over in any case.
        assert_eq!(w.state(&old) == "lapsed", waits, "{what}");
        assert_eq!(w.tend(), usize::from(!waits), "{what}");
        let (state, ended) = shown(&w, &old);
        assert!(state == "lapsed" && ended.contains(why), "{what}: {state} {ended}");
        assert_eq!(w.vote("bob@p", &old, true), "conflict", "{what}");
        // Nobody asks, and the last vote comes before anybody has looked: it does not run.
        let w = World::new();
        let rule_of = rule(&w);
        let old = ask(&w, "v").unwrap_err();
        act(&w, &rule_of);
        assert_eq!((w.vote("bob@p", &old, true), w.state(&old)), ("ok", "failed"), "{what}");
        let (_, say) = w.request(&old).outcome.unwrap().refused.unwrap();
        assert!(say.contains(why), "{what}: {say}");
        assert_eq!(w.tend(), 0, "{what}");
    }
}

#[test]
fn a_command_that_ran_without_its_rule_does_not_run_once_more() {
    let w = World::new();
    let rule_of = rule(&w);
    let old = ask(&w, "v").unwrap_err();
    lift(&w, &rule_of);
    let made = ask(&w, "v").unwrap();
    // The same rule again does not make the old request good again.
    rule(&w);
    assert_eq!((w.vote("bob@p", &old, true), w.state(&old)), ("ok", "failed"));
    let vaults = w.entries().into_iter()
        .filter(|e| e.action == "toy:vault:create" && e.outcome == "done").count();
    assert_eq!((vaults, w.there(&made)), (1, true));
}

#[test]
fn an_approved_request_ends_with_its_rule_before_its_window() {
    let w = World::new();
    let rule_of = rule(&w);
    change(&w, &rule_of, json!({ "window": { "days": ["mon"], "from": "22:00", "to": "23:00" } }));
    let request = ask(&w, "v").unwrap_err();
    assert_eq!((w.vote("bob@p", &request, true), w.state(&request)), ("ok", "approved"));
    lift(&w, &rule_of);
    assert_eq!((w.tend(), w.state(&request), w.tend()), (1, "lapsed", 0));
    assert_eq!(w.last().action, "approval:approval:expire");
}

#[test]
fn deadline_and_reason_are_those_of_the_asking() {
    let w = World::new();
    let rule_of = rule(&w);
    let old = ask(&w, "v").unwrap_err();
    let deadline = w.request(&old).deadline;
    change(&w, &rule_of, json!({ "deadline": 60, "reason_required": true, "name": "stricter" }));
    assert_eq!((ask(&w, "v"), w.tend()), (Err(old.clone()), 0), "it is the same request");
    w.wait(120);
    assert_eq!(w.request(&old).deadline, deadline);
    // What is asked from now on has less time and needs a reason.
    let new = ask(&w, "w").unwrap_err();
    assert!(w.request(&new).deadline < deadline);
    assert_eq!(w.vote("bob@p", &new, true), "conflict");
    assert_eq!((w.vote("bob@p", &old, true), w.state(&old)), ("ok", "done"));
}
