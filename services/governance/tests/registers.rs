//! Risks, exceptions, opinions and profiles, on a real store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::World;
use jinyun_governance::{
    FailedClause, Level, excepted, exceptions, from_findings, nonce, profile,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Makes a thing and returns its id.
fn make(w: &World, who: &str, path: &str, body: Value) -> String {
    w.ok(who, "POST", path, body)["id"].as_str().unwrap().into()
}

#[test]
fn a_risk_is_assessed_accepted_by_another_and_looked_at_again() {
    let w = World::new();
    let new = json!({ "risk": { "title": "one power line", "owner": "facility manager" } });
    let id = make(&w, "sec1", "/v1/risks", new);
    let one = format!("/v1/risks/{id}");
    let state = || w.ok("aud", "GET", &one, Value::Null)["state"].as_str().unwrap().to_string();
    let change = |who: &str, members: Value| w.word(who, "PATCH", &one, json!({ "risk": members }));
    let accept = |who: &str, until: &str| {
        let body = json!({ "acceptance": { "reason": "a second line comes in May", "until": until } });
        w.word(who, "POST", &format!("{one}/accept"), body)
    };
    assert_eq!(state(), "identified");
    for (members, want) in [
        (json!({ "likelihood": 6 }), "invalid"),
        (json!({ "likelihood": 0 }), "invalid"),
        (json!({ "likelihood": 2.5 }), "invalid"),
        (json!({ "treatment": "accept" }), "invalid"),
        (json!({ "treatment": "ignore" }), "invalid"),
        (json!({ "clause": "7.2.5-B-a" }), "invalid"),
        (json!({ "review": "soon" }), "invalid"),
        (json!({ "colour": "red" }), "invalid"),
        (json!({ "likelihood": 2, "impact": 4 }), "ok"),
    ] {
        assert_eq!(change("sec1", members.clone()), want, "{members}");
    }
    assert_eq!(state(), "assessed");
    assert_eq!(accept("sec2", "2026-06-30"), "conflict", "not to be accepted");
    assert_eq!(change("sec1", json!({ "treatment": "accept", "review": "2026-03-01" })), "ok");
    assert_eq!(state(), "treated");
    for (who, until, want) in [
        ("sec1", "2026-06-30", "forbidden"),
        ("aud", "2026-06-30", "forbidden"),
        ("may@bank", "2026-06-30", "not_found"),
        ("sec2", "2027-02-01", "invalid"),
        ("sec2", "2026-01-30", "invalid"),
        ("sec2", "2026-06-30", "ok"),
    ] {
        assert_eq!(accept(who, until), want, "{who} {until}");
    }
    assert_eq!(state(), "accepted");
    w.go("2026-06-30");
    assert_eq!(state(), "accepted");
    w.go("2026-07-01");
    assert_eq!(state(), "expired", "it follows from the day");
    assert_eq!(accept("sec2", "2026-08-01"), "ok");
    // Whoever changes what was accepted ends it, and cannot accept it.
    assert_eq!(change("sec2", json!({ "impact": 5 })), "ok");
    assert_eq!((state().as_str(), accept("sec2", "2026-08-01").as_str()), ("treated", "forbidden"));
    assert_eq!(accept("sys", "2026-08-01"), "ok");
    let tell = json!({ "told": { "text": "the board, by letter" } });
    assert_eq!(w.word("sec1", "POST", &format!("{one}/tell"), tell), "ok");
    let shown = w.ok("aud", "GET", &one, Value::Null);
    assert_eq!((&shown["score"], &shown["review_late"]), (&json!(10), &json!(true)));
    assert_eq!(shown["told"][0]["text"], json!("the board, by letter"));
    let close = json!({ "closing": { "text": "the second line is there" } });
    for (who, want) in [("sys", "forbidden"), ("sec1", "ok"), ("sec1", "conflict")] {
        assert_eq!(w.word(who, "POST", &format!("{one}/close"), close.clone()), want, "{who}");
    }
    assert_eq!(change("sec1", json!({ "impact": 1 })), "conflict");

    // An institution's register is its own; the auditor sees it.
    let own = make(&w, "may@bank", "/v1/risks", json!({ "risk": { "title": "theirs" } }));
    let own = format!("/v1/risks/{own}");
    for (who, want) in [("may@bank", "ok"), ("aud", "ok"), ("sec1", "not_found"),
        ("sys", "not_found"), ("eve@fund", "not_found")] {
        assert_eq!(w.word(who, "GET", &own, Value::Null), want, "{who}");
    }
    let count = |who: &str| w.ok(who, "GET", "/v1/risks", Value::Null).as_array().unwrap().len();
    assert_eq!(["aud", "sec1", "may@bank", "eve@fund"].map(count), [2, 1, 1, 0]);
    assert_eq!(w.word("sec1", "PATCH", &own, json!({ "risk": { "impact": 1 } })), "not_found");
}

#[test]
fn a_failed_clause_raises_one_risk_and_a_met_one_proposes_to_close_it() {
    let w = World::new();
    let failed = |clause: &str| FailedClause {
        clause: clause.into(), title: "hosts".into(), says: "2 of 3 are not".into(),
    };
    let say = |failed: &[FailedClause], met: &[&str], partly: &[&str]| {
        let [met, partly] = [met, partly]
            .map(|ids| ids.iter().map(|id| id.to_string()).collect::<BTreeSet<String>>());
        let commands = w.view(|v| from_findings(v, failed, &met, &partly));
        let many = commands.len();
        commands.into_iter().for_each(|command| drop(w.run(command).unwrap()));
        many
    };
    let tell = |failed: &[FailedClause], met: &[&str]| say(failed, met, &[]);
    let both = [failed("7.2.5-B-a"), failed("6.1-B-1")];
    assert_eq!(tell(&both, &["8-B-a"]), 2);
    assert_eq!(tell(&both, &[]), 0, "they are known");
    let risk = || {
        let all = w.ok("sec1", "GET", "/v1/risks?clause=7.2.5-B-a", Value::Null);
        assert_eq!(all.as_array().unwrap().len(), 1);
        all[0].clone()
    };
    assert_eq!(risk()["met_since"], Value::Null);
    assert_eq!(tell(&both[1..], &["7.2.5-B-a"]), 1);
    assert_eq!(tell(&both[1..], &["7.2.5-B-a"]), 0);
    assert!(risk()["met_since"].is_string() && risk()["state"] == json!("identified"));
    assert_eq!(tell(&both, &[]), 1, "it fails again");
    assert_eq!(risk()["met_since"], Value::Null);
    let taken = json!({ "risk": { "title": "again", "clause": "7.2.5-B-a" } });
    assert_eq!(w.word("sec1", "POST", "/v1/risks", taken), "taken");
    let strange = json!({ "risk": { "title": "again", "clause": "1.1.1" } });
    assert_eq!(w.word("sec1", "POST", "/v1/risks", strange), "invalid");
    // Closed by a person while it fails, it comes back with the next findings.
    let close = json!({ "closing": { "text": "a mistake" } });
    let path = format!("/v1/risks/{}/close", risk()["id"].as_str().unwrap());
    w.ok("sec1", "POST", &path, close);
    assert_eq!(tell(&both, &[]), 1);
    let all = w.ok("sec1", "GET", "/v1/risks?state=closed", Value::Null);
    assert_eq!(all.as_array().unwrap().len(), 1);
    // Where a part is not answered, what the platform wrote up is mended; what a person did may be about
    // that part.
    make(&w, "sec1", "/v1/risks", json!({ "risk": { "title": "the rest", "clause": "8-B-a" } }));
    let since = |clause: &str| {
        let open = format!("/v1/risks?clause={clause}&state=identified");
        w.ok("sec1", "GET", &open, Value::Null)[0]["met_since"].is_string()
    };
    assert_eq!(say(&[], &[], &["6.1-B-1", "8-B-a"]), 1);
    assert_eq!(["6.1-B-1", "8-B-a"].map(since), [true, false]);
    assert_eq!(say(&[], &["8-B-a"], &["6.1-B-1"]), 1);
    assert_eq!(["6.1-B-1", "8-B-a"].map(since), [true, true]);
    assert_eq!(say(&both[1..], &[], &["8-B-a"]), 1, "it fails again");
    assert_eq!(["6.1-B-1", "8-B-a"].map(since), [false, true]);
}

#[test]
fn an_exception_takes_two_people_and_ends_by_itself() {
    let w = World::new();
    let ask = |who: &str, clause: &str, expires: &str| {
        let body = json!({ "exception": { "clause": clause, "reason": "no such room",
            "expires": expires } });
        w.http(who, "POST", "/v1/exceptions", body)
    };
    for (who, clause, expires, want) in [
        ("aud", "6.1-B-1", "2026-06-30", "forbidden"),
        ("sys", "6.1-B-1", "2026-06-30", "forbidden"),
        ("sec1", "1.1.1", "2026-06-30", "invalid: clause"),
        ("sec1", "", "2026-06-30", "invalid: clause"),
        ("sec1", "6.1-B-1", "2027-02-01", "invalid: expires"),
        ("sec1", "6.1-B-1", "2026-01-30", "invalid: expires"),
        ("may@bank", "6.1-B-1", "2026-06-30", "invalid: project_id"),
    ] {
        let said = ask(who, clause, expires).1;
        assert!(said.as_str().is_some_and(|s| s.starts_with(want)), "{who} {clause}: {said}");
    }
    let (status, told) = ask("sec1", "6.1-B-1", "2027-01-31");
    assert_eq!(status, 201, "{told}");
    let id = told["exception"]["id"].as_str().unwrap().to_string();
    let vote = |who: &str, approve: bool| {
        let body = json!({ "vote": { "approve": approve, "comment": "" } });
        w.word(who, "POST", &format!("/v1/exceptions/{id}/vote"), body)
    };
    let holding = || w.view(|v| exceptions(v, w.today()));
    assert!(holding().is_empty(), "asked is not approved");
    for (who, want) in [("sec1", "forbidden"), ("aud", "forbidden"), ("sys", "forbidden"),
        ("may@bank", "not_found"), ("sec2", "ok"), ("sec2", "conflict")] {
        assert_eq!(vote(who, true), want, "{who}");
    }
    assert_eq!(holding()["6.1-B-1"].who, "sec1, approved by sec2, until 2027-01-31");
    w.go("2027-01-31");
    assert_eq!(holding().len(), 1);
    w.go("2027-02-01");
    assert!(holding().is_empty(), "its time is over");
    w.go("2026-02-01");
    let end = json!({ "end": { "reason": "there is one now" } });
    let path = format!("/v1/exceptions/{id}/end");
    for (who, want) in [("sys", "forbidden"), ("sec1", "ok"), ("sec1", "conflict")] {
        assert_eq!(w.word(who, "POST", &path, end.clone()), want, "{who}");
    }
    assert!(holding().is_empty());

    // A no ends it, and an approval that a rule asked for is a second person.
    let (_, told) = ask("sec1", "8-B-a", "2026-06-30");
    let path = format!("/v1/exceptions/{}/vote", told["exception"]["id"].as_str().unwrap());
    w.ok("sec2", "POST", &path, json!({ "vote": { "approve": false } }));
    assert!(holding().is_empty());
    let mut command = jinyun_engine::Command::new("governance:exception:create", w.who("sec1"), "r")
        .with(json!({ "clause": "8-B-a", "guardrail": "", "reason": "x", "expires": "2026-06-30" }));
    command.approval = Some("request-1".into());
    w.run(command).unwrap();
    assert_eq!(holding()["8-B-a"].who, "sec1, approved by request-1, until 2026-06-30");
}

#[test]
fn a_profile_goes_upwards_and_an_exception_lowers_it_for_a_time() {
    let w = World::new();
    let project = w.id("p");
    let one = format!("/v1/profiles/{project}");
    let set = |who: &str, level: &str| w.word(who, "PUT", &one, json!({ "profile": { "level": level } }));
    let level = || w.view(|v| profile(v, &project, w.today()));
    assert_eq!(level(), None);
    for (who, asked, want) in [
        ("may@p", "basic", "forbidden"),
        ("eve@fund", "basic", "not_found"),
        ("sec1", "basic", "forbidden"),
        ("may@bank", "strict", "invalid"),
        ("may@bank", "basic", "ok"),
        ("may@bank", "enhanced", "ok"),
        ("may@bank", "extended", "conflict"),
        ("may@bank", "enhanced", "ok"),
    ] {
        assert_eq!(set(who, asked), want, "{who} {asked}");
    }
    assert_eq!(level(), Some(Level::Enhanced));
    let ask = json!({ "exception": { "guardrail": "profile", "project_id": project,
        "reason": "a migration", "expires": "2026-02-28" } });
    let elsewhere = json!({ "exception": { "guardrail": "profile", "project_id": w.id("f"),
        "reason": "a migration", "expires": "2026-02-28" } });
    assert_eq!(w.word("may@bank", "POST", "/v1/exceptions", elsewhere), "not_found");
    let id = make(&w, "may@bank", "/v1/exceptions", ask);
    let vote = format!("/v1/exceptions/{id}/vote");
    let yes = json!({ "vote": { "approve": true } });
    for (who, want) in [("may@bank", "forbidden"), ("eve@fund", "not_found"), ("sys", "not_found"),
        ("moe@bank", "ok")] {
        assert_eq!(w.word(who, "POST", &vote, yes.clone()), want, "{who}");
    }
    assert_eq!(w.word("sec1", "GET", &format!("/v1/exceptions/{id}"), Value::Null), "ok");
    assert_eq!(w.view(|v| excepted(v, &project, w.today())), ["profile"]);
    assert!(w.view(|v| excepted(v, &w.id("f"), w.today())).is_empty());
    let unknown = json!({ "exception": { "guardrail": "another", "project_id": project,
        "reason": "x", "expires": "2026-02-28" } });
    assert_eq!(w.word("may@bank", "POST", "/v1/exceptions", unknown), "invalid");
    assert!(w.view(|v| exceptions(v, w.today())).is_empty(), "the platform's own verdict stays");
    assert_eq!(level(), Some(Level::Enhanced), "it lets, it does not lower");
    assert_eq!(set("may@bank", "extended"), "ok");
    assert_eq!(level(), Some(Level::Extended));
    w.go("2026-03-01");
    assert_eq!(level(), Some(Level::Enhanced), "behind the exception the higher one holds again");
}

#[test]
fn an_assessors_word_is_written_down_once_and_a_nonce_is_carried_on() {
    let w = World::new();
    let say = |who: &str, members: Value| {
        let mut body = json!({ "assessor": "an assessor's office", "says": "note" });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        w.word(who, "POST", "/v1/opinions", json!({ "opinion": body }))
    };
    let carried = || w.view(nonce);
    assert_eq!(carried(), None);
    for (who, members, want) in [
        ("sec1", json!({ "text": "x" }), "forbidden"),
        ("may@bank", json!({ "text": "x" }), "forbidden"),
        ("aud", json!({}), "invalid"),
        ("aud", json!({ "text": "x", "assessor": "" }), "invalid"),
        ("aud", json!({ "says": "disagree", "nonce": "n" }), "invalid"),
        ("aud", json!({ "says": "perhaps", "text": "x" }), "invalid"),
        ("aud", json!({ "text": "x", "clause": "1.1.1" }), "invalid"),
        ("aud", json!({ "nonce": "a b" }), "invalid"),
        ("aud", json!({ "nonce": "a".repeat(65) }), "invalid"),
        ("aud", json!({ "text": "x", "report": "ABC" }), "invalid"),
        ("aud", json!({ "nonce": "a".repeat(64) }), "ok"),
        ("aud", json!({ "says": "disagree", "clause": "6.1-B-1", "text": "door 3 was open",
            "sample": ["door 3"] }), "ok"),
    ] {
        assert_eq!(say(who, members.clone()), want, "{who} {members}");
    }
    assert_eq!(carried(), Some("a".repeat(64)));
    assert_eq!(say("aud", json!({ "nonce": "next-1" })), "ok");
    assert_eq!(carried().as_deref(), Some("next-1"));
    let all = w.ok("sec1", "GET", "/v1/opinions?clause=6.1-B-1", Value::Null);
    assert_eq!((all.as_array().unwrap().len(), &all[0]["says"]), (1, &json!("disagree")));
}
