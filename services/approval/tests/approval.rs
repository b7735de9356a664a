//! Commands that wait: rules, stages, votes, time, and what runs in the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{World, registry};
use jinyun_base::{Id, Time};
use jinyun_engine::{Via, replay};
use jinyun_identity::{Domain, Grant};
use jinyun_policy::Role;
use jinyun_store::{Config, Db, Row, Writer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

/// Deleting a vault needs a manager of its project.
fn simple() -> Value {
    json!({ "action": "toy:vault:delete", "stages": [{ "role": "manager", "in": "project" }] })
}

#[test]
fn stages_are_completed_by_different_people_who_may() {
    let (bob, cat) = ("bob", "cat");
    let named = |w: &World, names: &[&str], count: i64| {
        let ids: Vec<Id> = names.iter().map(|n| w.user(n)).collect();
        json!({ "users": ids, "count": count })
    };
    let manager = |place: &str, count: i64| json!({ "role": "manager", "in": place, "count": count });
    // What it is, the stages, who votes what with which result, and how it ends.
    type Votes = &'static [(&'static str, bool, &'static str)];
    let w = World::new();
    let cases: [(&str, Value, Votes, &str); 8] = [
        ("two stages in order", json!([manager("project", 1), manager("domain", 1)]),
            &[("may@bank", true, "forbidden"), ("bob@p", true, "ok"), ("bob@p", true, "conflict"),
              ("cat@p", true, "forbidden"), ("may@bank", true, "ok")], "done"),
        ("one no ends it", json!([manager("project", 2)]),
            &[("bob@p", true, "ok"), ("cat@p", false, "ok"), ("dan@p", true, "conflict")], "refused"),
        ("two of them", json!([manager("project", 2)]),
            &[("bob@p", true, "ok"), ("bob@p", true, "conflict"), ("cat@p", true, "ok")], "done"),
        ("nobody's own", json!([manager("project", 1)]), &[("ann@p", true, "forbidden")], "waiting"),
        ("a lower role", json!([manager("project", 1)]),
            &[("rex@p", true, "not_found"), ("eve@f", true, "not_found"),
              ("eve@fund", true, "not_found"), ("sys1@system", true, "forbidden"),
              ("ann@q", true, "forbidden")], "waiting"),
        ("named people", json!([named(&w, &[cat], 1)]),
            &[("bob@p", true, "not_found"), ("cat@p", true, "ok")], "done"),
        ("a group", json!([{ "groups": [w.group(&["bob", "cat"])] }]),
            &[("dan@p", true, "not_found"), ("cat@p", true, "ok")], "done"),
        ("one person counts once", json!([named(&w, &[bob], 1), named(&w, &[bob, cat], 1)]),
            &[("bob@p", true, "ok"), ("bob@p", true, "conflict"), ("cat@p", true, "ok")], "done"),
    ];
    for (what, stages, votes, end) in cases {
        let body = json!({ "action": "toy:vault:delete", "stages": stages });
        let rule = w.rule("may@bank", body);
        let vault = w.vault("ann@p", what);
        let request = w.asked(w.delete("ann@p", &vault));
        for (n, (who, approve, want)) in votes.iter().enumerate() {
            assert_eq!(w.vote(who, &request, *approve), *want, "{what}: vote {n} of {who}");
        }
        assert_eq!((w.state(&request), w.there(&vault)), (end, end != "done"), "{what}");
        w.run(w.command("may@bank", "approval:approval_rule:delete").on(rule)).unwrap();
    }
}

#[test]
fn a_rule_holds_where_it_says() {
    let w = World::new();
    let (p, q) = (w.vault("ann@p", "one"), w.vault("ann@q", "two"));
    let f = w.vault("eve@f", "three");
    let tag = |name: &str| json!([{ name: "environment:production" }]);
    let project = w.project("q");
    let stages = json!([{ "role": "manager", "in": "domain" }]);
    // What of a rule differs, and which deletions wait: in p, in q, in the other institution.
    let cases = [
        (json!({}), [true, true, false]),
        (json!({ "action": "toy:*:delete" }), [true, true, false]),
        (json!({ "action": "toy:vault:update" }), [false, false, false]),
        (json!({ "when": tag("project_tag") }), [true, false, false]),
        (json!({ "when": tag("no_project_tag") }), [false, true, false]),
        (json!({ "project_id": project }), [false, true, false]),
    ];
    for (differs, want) in cases {
        let mut body = json!({ "action": "toy:vault:delete", "stages": stages });
        body.as_object_mut().unwrap().extend(differs.as_object().unwrap().clone());
        let rule = w.rule("may@bank", body);
        let mut waits = [false; 3];
        for (n, (who, vault)) in [("ann@p", &p), ("ann@q", &q), ("eve@f", &f)].iter().enumerate() {
            // A deletion that nothing holds back would leave nothing for the next case.
            let object = w.registry.object(&w.cloud.reader.lend(|db| db.get("vault", vault)).unwrap()
                .unwrap()).unwrap();
            let approver = w.registry.approver.clone().unwrap();
            let command = w.delete(who, vault);
            waits[n] = w.cloud.reader.view(|v| {
                Ok(approver.needs(v, &command, &object).unwrap().is_some())
            }).unwrap();
        }
        assert_eq!(waits, want, "{differs}");
        w.run(w.command("may@bank", "approval:approval_rule:delete").on(rule)).unwrap();
    }
    // Rules that overlap add up, the domain's first.
    w.rule("may@bank", json!({ "action": "toy:*:delete", "project_id": w.project("p"),
        "stages": [{ "role": "manager", "in": "project" }] }));
    w.rule("may@bank", json!({ "action": "toy:vault:*", "stages": stages, "deadline": 60 }));
    let request = w.asked(w.delete("ann@p", &p));
    let spec = w.request(&request);
    assert_eq!((spec.rules.len(), spec.stages.len()), (2, 2));
    assert_eq!(spec.deadline.seconds_since(w.now()), 59);
    let votes = ["bob@p", "may@bank", "bob@p"].map(|who| w.vote(who, &request, true));
    assert_eq!(votes, ["forbidden", "ok", "ok"]);
    assert!(!w.there(&p));
}

#[test]
fn a_request_is_a_row_that_says_what_will_run_and_what_ran() {
    let w = World::new();
    w.rule("may@bank", json!({ "action": "toy:vault:*", "reason_required": true,
        "stages": [{ "role": "manager", "in": "project" }] }));
    let make = w.command("ann@p", "toy:vault:create").with(json!({ "name": "made", "size": 1 }));
    let request = w.asked(make.clone());
    let waits = w.last();
    assert_eq!((waits.outcome.as_str(), waits.institution.id.as_str()), ("waiting", "bank"));
    assert_eq!(waits.effects.len(), 1);
    // The same again is the same request; what the rules refuse anyway asks nobody.
    assert_eq!(w.asked(make), request);
    let bad = w.command("ann@p", "toy:vault:create").with(json!({ "name": "made", "size": -1 }));
    assert_eq!(w.run(bad).unwrap_err().code(), "invalid");
    let half = w.command("ann@p", "toy:vault:create").with(json!({ "name": "made", "x": 0.5 }));
    assert_eq!(w.run(half).unwrap_err().code(), "invalid");
    // No reason, no vote; after a vote the reason stays.
    assert_eq!(w.vote("bob@p", &request, true), "conflict");
    let reason = |text: &str| {
        let path = format!("/v1/requests/{request}/reason");
        w.http("ann@p", "POST", &path, json!({ "reason": text }))
    };
    assert!(reason(" ").1.to_string().contains("reason is empty"));
    let (status, body) = reason("the auditors asked for it");
    assert_eq!((status, &body["request"]["reason"]), (200, &json!("the auditors asked for it")));
    let vote = json!({ "approve": true, "comment": "fine" });
    let path = format!("/v1/requests/{request}/vote");
    let (status, body) = w.http("bob@p", "POST", &path, vote);
    assert_eq!((status, &body["request"]["state"]), (200, &json!("done")), "{body}");
    assert!(reason("another").1.to_string().contains("is done already"));
    // Vote, command, report: three entries, and the request names the middle one.
    let entries = w.entries();
    let ran = entries.iter().position(|e| e.approval.as_deref() == Some(request.as_str())).unwrap();
    let three: Vec<_> = entries[ran - 1..ran + 2].iter().map(|e| e.action.as_str()).collect();
    assert_eq!(three, ["approval:approval:vote", "toy:vault:create", "approval:approval:settle"]);
    let outcome = &body["request"]["outcome"];
    assert_eq!(outcome["entry"], json!(entries[ran].number));
    let made: Id = outcome["made"].as_str().unwrap().into();
    assert!(w.there(&made));
    assert_eq!(body["request"]["votes"][0]["source"], json!("10.9.8.7"));
    // An update shows the difference to what is there when somebody looks.
    let grow = w.command("ann@p", "toy:vault:update").on(made.clone())
        .with(json!({ "name": "made", "size": 9 }));
    let request = w.asked(grow);
    let (_, body) = w.http("bob@p", "GET", &format!("/v1/requests/{request}"), Value::Null);
    assert_eq!(body["request"]["target"]["name"], json!("made"));
    assert_eq!(body["request"]["changes"], json!([{ "member": "size", "from": 1, "to": 9 }]));
    // What has a secret cannot wait, and none is kept.
    w.rule("may@bank", json!({ "action": "identity:user:create",
        "stages": [{ "role": "manager", "in": "domain" }] }));
    let args = json!({ "name": "new", "domain": "bank", "enabled": true });
    let mut user = w.command("may@bank", "identity:user:create").with(args)
        .secret("password", b"a-secret-hash".to_vec());
    user.domain = Some("bank".into());
    let refusal = w.run(user).unwrap_err();
    assert!(refusal.message.contains("carries a secret"), "{refusal}");
    let all = serde_json::to_string(&w.entries()).unwrap();
    assert!(!all.contains("a-secret-hash"));
    // A request can be taken back, by whoever asked, once.
    let path = format!("/v1/requests/{request}/withdraw");
    assert!(w.http("bob@p", "POST", &path, Value::Null).1.to_string().contains("forbidden"));
    assert_eq!(w.http("ann@p", "POST", &path, Value::Null).0, 200);
    assert!(w.http("ann@p", "POST", &path, Value::Null).1.to_string().contains("conflict"));
    assert_eq!(w.vote("bob@p", &request, true), "conflict");
}

#[test]
fn what_was_approved_is_judged_on_the_world_as_it_is_then() {
    for (what, code) in [("role", "forbidden"), ("disabled", "forbidden"), ("target", "not_found"),
        ("rule", "conflict"), ("milder", "conflict"), ("no rule", "conflict")] {
        let w = World::new();
        let mut body = simple();
        body["stages"][0]["count"] = json!(2);
        let rule = w.rule("may@bank", body);
        let vault = w.vault("ann@p", "v");
        let request = w.asked(w.delete("ann@p", &vault));
        assert_eq!(w.vote("bob@p", &request, true), "ok", "{what}");
        let manager = |action: &str| w.command("may@bank", action);
        let change = |stages: Value| {
            let command = manager("approval:approval_rule:update").on(rule.clone());
            w.run(command.with(json!({ "stages": stages }))).unwrap();
        };
        let role = |count: i64| json!([{
            "who": { "role": { "role": "manager", "within": "project" } }, "count": count,
        }]);
        match what {
            "role" => {
                let role = Grant::Role(Role::Member);
                let args = json!({ "user": w.user("ann"), "role": role, "scope": w.scope("p") });
                w.run(manager("identity:assignment:delete").with(args)).unwrap();
            }
            "disabled" => {
                let user = manager("identity:user:update").on(w.user("ann"));
                w.run(user.with(json!({ "enabled": false }))).unwrap();
            }
            "target" => {
                let other = w.asked(w.delete("dan@p", &vault));
                let votes = ["bob@p", "cat@p"].map(|who| w.vote(who, &other, true));
                assert_eq!(votes, ["ok", "ok"]);
            }
            "rule" => change(role(3)),
            "milder" => change(role(1)),
            _ => drop(w.run(manager("approval:approval_rule:delete").on(rule.clone())).unwrap()),
        }
        assert_eq!(w.vote("cat@p", &request, true), "ok", "{what}");
        let spec = w.request(&request);
        let came = spec.outcome.unwrap();
        let entries = w.entries();
        let entry = entries.iter().find(|e| e.number == came.entry).unwrap();
        assert_eq!(entry.approval.as_deref(), Some(request.as_str()), "{what}");
        assert_eq!((spec.state.word(), entry.outcome.as_str()), ("failed", "refused"), "{what}");
        assert_eq!(came.refused.unwrap().0, code, "{what}");
        assert_eq!(entry.reason.as_ref().unwrap().code, code, "{what}");
        assert_eq!(w.there(&vault), what != "target", "{what}");
    }
}

#[test]
fn a_vote_counts_with_the_role_of_that_moment() {
    let w = World::new();
    w.rule("may@bank", simple());
    let vault = w.vault("ann@p", "v");
    let request = w.asked(w.delete("ann@p", &vault));
    // The token was good when the request came in.
    let command = w.command("bob@p", "approval:approval:vote").on(request.clone())
        .with(json!({ "approve": true }));
    let args = json!({ "user": w.user("bob"), "role": Grant::Role(Role::Manager),
        "scope": w.scope("p") });
    w.run(w.command("may@bank", "identity:assignment:delete").with(args)).unwrap();
    assert_eq!(w.run(command).unwrap_err().code(), "forbidden");
    assert_eq!((w.state(&request), w.there(&vault)), ("waiting", true));
}

#[test]
fn time_ends_requests_and_opens_windows() {
    let w = World::new();
    let (hour, day) = (3600, 86_400);
    w.rule("may@bank", simple());
    let vault = w.vault("ann@p", "late");
    let late = w.asked(w.delete("ann@p", &vault));
    assert_eq!(w.tend(), 0);
    w.wait(hour);
    // The deadline holds before anybody has said so.
    assert_eq!((w.vote("bob@p", &late, true), w.state(&late)), ("conflict", "waiting"));
    assert_eq!((w.tend(), w.state(&late), w.tend()), (1, "expired", 0));
    // It is 11:00; the window is open from 22:00.
    w.rule("may@bank", json!({ "action": "toy:vault:delete", "stages":
        [{ "role": "manager", "in": "project" }],
        "window": { "days": ["mon"], "from": "22:00", "to": "23:00" } }));
    let ask = || {
        let request = w.asked(w.delete("ann@p", &vault));
        let votes = ["bob@p", "cat@p"].map(|who| w.vote(who, &request, true));
        assert_eq!((votes, w.state(&request)), (["ok", "ok"], "approved"));
        request
    };
    let request = ask();
    assert_eq!((w.tend(), w.there(&vault)), (0, true));
    w.wait(11 * hour);
    assert_eq!((w.tend(), w.state(&request), w.there(&vault)), (1, "done", false));
    let entries = w.entries();
    let tail: Vec<_> = entries[entries.len() - 3..].iter()
        .map(|e| (e.action.as_str(), e.actor.kind.as_str())).collect();
    assert_eq!(tail, [("approval:approval:run", "system"), ("toy:vault:delete", "user"),
        ("approval:approval:settle", "system")]);
    // What was taken back does not run in its window; what never finds one expires.
    w.wait(2 * hour);
    let vault = w.vault("ann@p", "kept");
    let back = w.asked(w.delete("ann@p", &vault));
    assert_eq!(["bob@p", "cat@p"].map(|who| w.vote(who, &back, true)), ["ok", "ok"]);
    w.run(w.command("ann@p", "approval:approval:withdraw").on(back.clone())).unwrap();
    // A project's rule comes behind the domain's two, with a window on another day.
    w.rule("may@bank", json!({ "action": "toy:vault:delete", "project_id": w.project("p"),
        "stages": [{ "role": "manager", "in": "domain" }],
        "window": { "days": ["tue"], "from": "22:00", "to": "23:00" } }));
    let never = w.asked(w.delete("ann@p", &vault));
    let votes = ["bob@p", "cat@p", "may@bank"].map(|who| w.vote(who, &never, true));
    assert_eq!((votes, w.state(&never)), (["ok", "ok", "ok"], "approved"));
    for _ in 0..8 {
        assert_eq!((w.tend(), w.there(&vault)), (0, true));
        w.wait(day);
    }
    assert_eq!((w.tend(), w.state(&never), w.state(&back)), (1, "expired", "withdrawn"));
    assert!(w.there(&vault));
}

#[test]
fn a_guarded_rule_is_changed_by_its_own_stages_only() {
    let w = World::new();
    let mut body = simple();
    body["guarded"] = json!(true);
    body["stages"] = json!([{ "role": "manager", "in": "domain" }]);
    let rule = w.rule("may@bank", body);
    let path = format!("/v1/rules/{rule}");
    let weaker = json!({ "rule": { "guarded": false } });
    let (status, body) = w.http("may@bank", "PATCH", &path, weaker);
    assert_eq!((status, &body["request"]["state"]), (202, &json!("waiting")), "{body}");
    assert_eq!(body["request"]["args"], json!({ "guarded": false }));
    assert_eq!(body["request"]["changes"],
        json!([{ "member": "guarded", "from": true, "to": false }]));
    let (status, body) = w.http("may@bank", "DELETE", &path, Value::Null);
    assert_eq!(status, 202);
    let request: Id = body["request"]["id"].as_str().unwrap().into();
    assert_eq!(w.vote("may@bank", &request, true), "forbidden", "one's own");
    assert_eq!(w.http("moe@bank", "GET", &path, Value::Null).0, 200);
    assert_eq!((w.vote("moe@bank", &request, true), w.state(&request)), ("ok", "done"));
    assert!(w.http("moe@bank", "GET", &path, Value::Null).1.to_string().contains("not_found"));
}

#[test]
fn the_platforms_own_actions_wait_for_its_staff() {
    let w = World::new();
    w.rule("sec1@system", json!({ "action": "identity:domain:*",
        "stages": [{ "duty": "security_admin" }] }));
    let args = json!({ "name": "house", "enabled": true });
    let request = w.asked(w.command("sec1@system", "identity:domain:create").with(args));
    let votes = ["sec1@system", "sys1@system", "aud@system", "sec2@system"]
        .map(|who| w.vote(who, &request, true));
    assert_eq!(votes, ["forbidden", "forbidden", "forbidden", "ok"]);
    let made = w.request(&request).outcome.unwrap().made.unwrap();
    let domain = w.cloud.reader.view(|v| v.get::<Domain>(&made.into())).unwrap().unwrap();
    assert_eq!(domain.spec.name, "house");
    // About an institution: the request lies with it, and the staff finds it by its duty.
    let close = w.command("sec1@system", "identity:domain:update").on("fund")
        .with(json!({ "enabled": false }));
    let request = w.asked(close);
    assert_eq!(w.last().institution.id, "fund");
    let (_, body) = w.http("sec2@system", "GET", "/v1/requests?waiting_for_me=true", Value::Null);
    assert_eq!(body["requests"][0]["id"], json!(request), "{body}");
    let (_, body) = w.http("sys1@system", "GET", "/v1/requests", Value::Null);
    assert_eq!(body["requests"], json!([]));
    // What tenants do is none of the platform's rules' business.
    let vault = w.vault("ann@p", "v");
    w.run(w.delete("ann@p", &vault)).unwrap();
}

#[test]
fn only_those_around_a_request_see_it() {
    let w = World::new();
    w.rule("may@bank", simple());
    let vault = w.vault("ann@p", "v");
    let request = w.asked(w.delete("ann@p", &vault));
    // Sees it, finds it in the list, has it in the list of what waits.
    let cases = [
        ("ann@p", true, true, false), ("ann@q", true, true, false), ("bob@p", true, true, true),
        ("rex@p", false, false, false), ("may@bank", true, true, false),
        ("eve@f", false, false, false), ("eve@fund", false, false, false),
        ("sys1@system", false, false, false), ("sec1@system", false, false, false),
        ("aud@system", true, true, false),
    ];
    for (who, show, list, waiting) in cases {
        let path = format!("/v1/requests/{request}");
        assert_eq!(w.http(who, "GET", &path, Value::Null).0 == 200, show, "{who}");
        let found = |query: &str| {
            let (_, body) = w.http(who, "GET", &format!("/v1/requests{query}"), Value::Null);
            body["requests"].as_array().unwrap().len() == 1
        };
        assert_eq!(found(""), list, "{who}");
        assert_eq!(found("?waiting_for_me=true"), waiting, "{who}");
        assert_eq!(found("?mine=true"), who.starts_with("ann"), "{who}");
        assert!(!found("?state=done"), "{who}");
        assert_eq!(found("?state=waiting&limit=1"), list, "{who}");
    }
    // Whoever has no role there any more sees what was asked, not what is there.
    let shown = |who: &str| {
        w.http(who, "GET", &format!("/v1/requests/{request}"), Value::Null).1["request"]["target"]
            ["name"].clone()
    };
    assert_eq!((shown("ann@p"), shown("ann@q")), (json!("v"), Value::Null));
    for query in ["?state=over", "?mine=yes", "?limit=0", "?limit=x", "?marker=x", "?colour=red"] {
        let (status, body) = w.http("bob@p", "GET", &format!("/v1/requests{query}"), Value::Null);
        assert!(status == 0 && body.to_string().contains("invalid"), "{query}: {body}");
    }
}

#[test]
fn a_vote_is_cast_by_ones_own_hand() {
    let w = World::new();
    w.rule("may@bank", simple());
    let vault = w.vault("ann@p", "v");
    let request = w.asked(w.delete("ann@p", &vault));
    let args = json!({ "duty": "system_admin", "domain": "bank", "project": "", "resource": null,
        "user": null, "actions": ["toy:vault:update"], "from": null,
        "until": Time::parse("2026-02-03T02:00:00Z").unwrap(), "reason": "a full volume",
        "standing": false, "contract": "" });
    let ask = w.command("sys1@system", "approval:consent:create").with(args)
        .at(&"bank".into(), &"".into());
    let consent: Id = w.run(ask).unwrap().value["id"].as_str().unwrap().into();
    // With a token of an application credential or a trust, and with one's own.
    for (delegated, want) in [(true, "forbidden"), (false, "ok")] {
        for (who, action, target) in [("bob@p", "approval:approval:vote", &request),
            ("may@bank", "approval:consent:vote", &consent)] {
            let mut vote = w.command(who, action).on(target.clone()).with(json!({ "approve": true }));
            vote.via = Via { delegated, ..Via::default() };
            let came = w.run(vote);
            if let Err(refusal) = &came {
                assert_eq!(refusal.message, "The token does not allow this request.");
                assert_eq!(w.last().outcome, "refused", "{action}");
            }
            assert_eq!(came.map_or_else(|r| r.code(), |_| "ok"), want, "{action} {delegated}");
        }
        assert_eq!(w.there(&vault), delegated);
    }
}

#[test]
fn what_is_no_rule_is_refused_by_name() {
    let w = World::new();
    let fund = w.project("f");
    let (bob, eve) = (w.user("bob"), w.user("eve"));
    let manager = json!([{ "role": "manager", "in": "domain" }]);
    // Who writes it, what differs from a good one, what the refusal says.
    let cases = [
        ("may@bank", json!({ "action": null }), "action is required"),
        ("may@bank", json!({ "action": "toy:vault" }), "action must be three words"),
        ("may@bank", json!({ "action": "*:vault:delete" }), "action must be words"),
        ("may@bank", json!({ "action": "toy:vault:show" }), "action catches no operation"),
        ("may@bank", json!({ "action": "toy:safe:delete" }), "action catches no operation"),
        ("may@bank", json!({ "action": "approval:consent:vote" }), "action names what cannot wait"),
        ("may@bank", json!({ "action": "identity:*:delete" }), "action must name the kind"),
        ("may@bank", json!({ "stages": [] }), "stages must be one to 5"),
        ("may@bank", json!({ "stages": "me" }), "stages must be an array"),
        ("may@bank", json!({ "stages": [7] }), "stages must be an array of objects"),
        ("may@bank", json!({ "stages": [{ "role": "manager" }] }), "in is required"),
        ("may@bank", json!({ "stages": [{ "role": "king", "in": "domain" }] }), "role must be"),
        ("may@bank", json!({ "stages": [{ "role": "manager", "in": "town" }] }), "in must be"),
        ("may@bank", json!({ "stages": [{ "role": "manager", "in": "domain", "count": 0 }] }),
            "count must be"),
        ("may@bank", json!({ "stages": [{ "duty": "security_admin" }] }), "stages of an institution"),
        ("may@bank", json!({ "stages": [{ "duty": "audit_admin" }] }), "duty must be"),
        ("may@bank", json!({ "stages": [{ "groups": ["board"] }] }), "could not be found"),
        ("may@bank", json!({ "stages": [{ "users": [bob], "groups": ["board"] }] }),
            "stages must each name one"),
        ("may@bank", json!({ "stages": [{ "users": [bob], "count": 2 }] }), "stages need more votes"),
        ("may@bank", json!({ "stages": [{ "users": [eve] }] }), "could not be found"),
        ("may@bank", json!({ "stages": [{ "users": ["nobody"] }] }), "could not be found"),
        ("may@bank", json!({ "stages": [{ "who": "bob" }] }), "unrecognized"),
        ("may@bank", json!({ "deadline": 1 }), "deadline must be"),
        ("may@bank", json!({ "deadline": 1.5 }), "deadline must be"),
        ("may@bank", json!({ "when": [{ "colour": "red" }] }), "unrecognized"),
        ("may@bank", json!({ "when": [{}] }), "when must each name"),
        ("may@bank", json!({ "window": { "days": [], "from": "22:00", "to": "23:00" } }),
            "window must name"),
        ("may@bank", json!({ "window": { "days": ["moon"], "from": "22:00", "to": "23:00" } }),
            "days must be among"),
        ("may@bank", json!({ "window": { "days": ["mon"], "from": "22:61", "to": "23:00" } }),
            "from must be"),
        ("may@bank", json!({ "project_id": fund }), "could not be found"),
        ("may@bank", json!({ "name": "" }), "name is empty"),
        ("may@bank", json!({ "colour": "red" }), "unrecognized"),
        ("may@bank", json!({ "domain_id": "fund" }), "unrecognized"),
        ("bob@p", json!({}), "forbidden"),
        ("sys1@system", json!({}), "forbidden"),
        ("sec1@system", json!({}), "stages of the platform"),
        ("sec1@system", json!({ "project_id": fund }), "project_id is an institution's"),
    ];
    for (who, differs, want) in cases {
        let mut body = json!({ "name": "r", "action": "toy:vault:delete", "stages": manager,
            "deadline": 3600 });
        body.as_object_mut().unwrap().extend(differs.as_object().unwrap().clone());
        let (status, told) = w.http(who, "POST", "/v1/rules", json!({ "rule": body }));
        assert!(status == 0 && told.to_string().contains(want), "{who} {differs}: {status} {told}");
    }
    let (_, rules) = w.http("may@bank", "GET", "/v1/rules", Value::Null);
    assert_eq!(rules["rules"], json!([]));
    // Nor does one institution see or change another's, nor staff a tenant's.
    let path = format!("/v1/rules/{}", w.rule("may@bank", simple()));
    for who in ["eve@fund", "sec1@system", "sys1@system"] {
        for method in ["GET", "DELETE"] {
            let (_, told) = w.http(who, method, &path, Value::Null);
            assert!(told.to_string().contains("not_found"), "{who} {method}: {told}");
        }
    }
    let rule: Id = path.rsplit('/').next().unwrap().into();
    let past = w.command("sec1@system", "approval:approval_rule:delete").on(rule);
    assert_eq!(w.run(past).unwrap_err().code(), "forbidden");
    assert_eq!(w.http("aud@system", "GET", &path, Value::Null).0, 200);
}

#[test]
fn a_persons_open_requests_are_bounded() {
    let w = World::new();
    w.rule("may@bank", json!({ "action": "toy:vault:create",
        "stages": [{ "role": "manager", "in": "project" }] }));
    let make = |n: usize| {
        w.command("ann@p", "toy:vault:create").with(json!({ "name": format!("v{n}") }))
    };
    let first = w.asked(make(0));
    (1..100).for_each(|n| drop(w.asked(make(n))));
    assert_eq!(w.run(make(100)).unwrap_err().code(), "conflict");
    w.run(w.command("ann@p", "approval:approval:withdraw").on(first)).unwrap();
    w.asked(make(100));
    let long = w.command("ann@p", "toy:vault:create").with(json!({ "name": "x".repeat(70_000) }));
    assert_eq!(w.run(long).unwrap_err().code(), "too_large");
}

#[test]
fn a_project_that_is_deleted_by_approval_takes_its_requests_along() {
    let w = World::new();
    w.rule("may@bank", json!({ "action": "identity:project:delete",
        "stages": [{ "role": "manager", "in": "domain" }] }));
    w.rule("may@bank", json!({ "action": "toy:vault:create", "project_id": w.project("q"),
        "stages": [{ "role": "manager", "in": "project" }] }));
    let inside = w.asked(w.command("ann@q", "toy:vault:create").with(json!({ "name": "v" })));
    let delete = w.command("may@bank", "identity:project:delete").on(w.project("q"));
    let request = w.asked(delete);
    let (status, body) = w.http("moe@bank", "POST", &format!("/v1/requests/{request}/vote"),
        json!({ "approve": true }));
    assert_eq!((status, &body["request"]["state"]), (200, &json!("done")), "{body}");
    let gone = w.cloud.reader.view(|v| v.get::<jinyun_approval::Approval>(&inside)).unwrap();
    assert!(gone.is_none());
}

#[test]
fn the_journal_replayed_equals_the_tables() {
    let w = World::new();
    let rule = w.rule("may@bank", simple());
    let vault = w.vault("ann@p", "v");
    let request = w.asked(w.delete("ann@p", &vault));
    w.vote("bob@p", &request, true);
    w.asked(w.delete("ann@p", &w.vault("ann@p", "u")));
    w.run(w.command("may@bank", "approval:approval_rule:delete").on(rule)).unwrap();
    let mut db = Db::open(&w.config).unwrap();
    let entries = db.entries(0, 1000).unwrap();
    let Config::Sqlite { path, .. } = &w.config else { panic!("not SQLite") };
    let empty = Config::Sqlite { path: path.with_file_name("copy.db"), durable: false };
    let mut copy = Writer::open(&empty, "replay").unwrap();
    let registry = registry(&Arc::new(AtomicI64::new(w.now().0)));
    replay(entries.into_iter(), &registry, &mut copy).unwrap();
    let rows = |db: &mut Db| -> Vec<Row> {
        db.everything().unwrap().into_iter().map(|s| s.row).collect()
    };
    assert_eq!(rows(&mut copy.db), rows(&mut db));
    assert_eq!(copy.db.derived().unwrap(), db.derived().unwrap());
}

#[test]
fn each_action_has_a_rule_and_each_route_an_action() {
    let w = World::new();
    let mut ruled: Vec<&str> = jinyun_approval::RULES.iter().map(|r| r.action).collect();
    let mut actions = w.registry.action_names();
    actions.retain(|a| a.starts_with("approval:"));
    ruled.sort();
    assert_eq!(ruled, actions);
    for route in jinyun_approval::routes() {
        assert!(ruled.contains(&route.action.as_str()), "{} {}", route.method, route.path);
    }
}
