//! Signing in: locks, passwords, sessions, and what programs and trustees sign in with.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod login_world;

use jinyun_base::{Id, Time};
use jinyun_identity::Lockout;
use login_world::*;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

#[test]
fn failures_lock_an_account_for_a_time_and_tell_nothing() {
    let w = World::new("lock");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    let wrong = || w.ann(&bank, "Wrong-Pass-1").seen();
    let unknown = w.sign(Via::default(), &[by_password("nobody", &bank, NEW)], Value::Null).seen();
    assert_eq!(unknown.0, 401);
    // Four, then a success, and the count begins again.
    for _ in 0..4 {
        assert_eq!(wrong(), unknown);
    }
    assert_eq!(w.ann(&bank, NEW).status, 201);
    for _ in 0..5 {
        assert_eq!(wrong(), unknown);
    }
    assert_eq!(w.ann(&bank, NEW).seen(), unknown, "locked, and in the same words");
    let id = Id::new(&ann);
    let until = w.identity.directory.locked(&id, w.identity.now()).expect("a lock");
    for _ in 0..6 {
        assert_eq!(wrong(), unknown);
    }
    let later = w.identity.directory.locked(&id, w.identity.now());
    assert_eq!(later, Some(until), "what is refused does not make it longer");
    let row = || w.cloud.reader.view(|v| v.get::<Lockout>(&id)).unwrap();
    assert!(row().is_some());
    w.pass(900);
    assert_eq!(w.ann(&bank, NEW).status, 201, "the time is over");
    assert!(row().is_none(), "the login took the row away");
    // The manager lifts one; somebody else may not.
    for _ in 0..5 {
        wrong();
    }
    assert_eq!(w.ann(&bank, NEW).status, 401);
    let boss = w.boss(&bank);
    let path = format!("/v3/users/{ann}/OS-JINYUN/lockout");
    let shown = w.send(with(&boss), "GET", &path, Value::Null);
    assert_eq!(shown.body["lockout"]["locked"], true, "{shown:?}");
    w.person(&boss, "bob");
    let bob = w.sign(Via::default(), &[by_password("bob", &bank, NEW)], Value::Null).token;
    assert_eq!(w.send(with(&bob), "DELETE", &path, Value::Null).status, 404);
    assert_eq!(w.send(with(&boss), "DELETE", &path, Value::Null).status, 204);
    assert_eq!(w.ann(&bank, NEW).status, 201);
    // A closed account, and too many guesses in a moment: the same words.
    let off = json!({ "user": { "enabled": false } });
    assert_eq!(w.send(with(&boss), "PATCH", &format!("/v3/users/{ann}"), off).status, 200);
    assert_eq!(w.ann(&bank, NEW).seen(), unknown);
    assert_eq!(w.journal("identity:lockout:set").len(), 2);
    let text = format!("{:?}", w.journal("identity:token:create"));
    for reason in ["wrong password", "there is no such user", "the account is locked", "disabled"] {
        assert!(text.contains(reason), "{reason}");
    }
    for secret in [NEW, OWN, "Wrong-Pass-1", "$argon2id"] {
        assert!(!text.contains(secret), "{secret} stands in the journal");
    }
}

#[test]
fn a_pause_refuses_also_what_is_right() {
    let w = World::new("pause");
    let (bank, boss) = w.institution("bank");
    w.person(&boss, "ann");
    let sign = |password: &str| {
        w.sign(Via::default(), &[by_password("ann", &bank, password)], Value::Null).status
    };
    for _ in 0..3 {
        assert_eq!(sign("Wrong-Pass-1"), 401);
    }
    assert_eq!(sign(NEW), 401, "within a second of the third failure");
    w.pass(2);
    assert_eq!(sign(NEW), 201);
}

#[test]
fn passwords_follow_the_domains_rules() {
    let w = World::new("passwords");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    let config = format!("/v3/domains/{bank}/config");
    let rule = |name: &str, value: Value| {
        let body = json!({ "config": { "security_compliance": { name: value } } });
        w.send(with(&boss), "PATCH", &config, body).status
    };
    for (name, value) in [("minimum_length", 6), ("lockout_failure_attempts", 0),
        ("lockout_failure_attempts", 11), ("idle_seconds", 7200), ("password_expires_days", 0),
        ("unique_last_password_count", 1), ("character_classes", 2)] {
        assert_eq!(rule(name, value.into()), 400, "{name} {value} lies below the floor");
    }
    std::fs::write(w.dir.join("list"), "# a list\nSummer-2024!!\n").unwrap();
    assert_eq!(w.identity.load_breached(&w.dir.join("list")).unwrap(), 1);
    for bad in ["short-1A", "alllowercase-only", "I-am-Ann-4ever", "summer-2024!!", NEW] {
        assert_eq!(w.change(&ann, NEW, bad).status, 400, "{bad}");
    }
    let made = w.send(with(&boss), "POST", "/v3/users",
        json!({ "user": { "name": "weak", "password": "password" } }));
    assert_eq!(made.status, 400, "{made:?}");
    // The last five are refused, the sixth is not.
    let mut old = NEW.to_string();
    for n in 0..5 {
        let next = format!("Next-Password-{n}");
        assert_eq!(w.change(&ann, &old, &next).status, 204, "{next}");
        old = next;
        let first = w.change(&ann, &old, NEW);
        if n < 4 {
            assert_eq!(first.status, 400, "after {n}");
        } else {
            assert_eq!(first.status, 204, "{first:?}");
        }
    }
    // Whoever is given a password has to change it, to one that was not used.
    let path = format!("/v3/users/{ann}");
    let set = json!({ "user": { "password": OWN } });
    assert_eq!(w.send(with(&boss), "PATCH", &path, set).status, 200);
    assert!(w.ann(&bank, OWN).body.to_string().contains("expired and needs to be changed"));
    assert_eq!(w.change(&ann, OWN, NEW).status, 400);
    assert_eq!(w.change(&ann, OWN, "Another-Pass-9").status, 204);
    assert_eq!(rule("minimum_password_age", 1.into()), 200);
    assert_eq!(w.change(&ann, "Another-Pass-9", "Another-Pass-10").status, 400, "too young");
    let lock = json!({ "user": { "options": { "lock_password": true } } });
    assert_eq!(w.send(with(&boss), "PATCH", &path, lock).status, 200);
    w.pass(86_500);
    assert_eq!(w.change(&ann, "Another-Pass-9", "Another-Pass-10").status, 400, "locked");
    let boss = w.boss(&bank);
    let open = json!({ "user": { "options": { "lock_password": null } } });
    assert_eq!(w.send(with(&boss), "PATCH", &path, open).status, 200);
    // Ninety days.
    assert_eq!(w.ann(&bank, "Another-Pass-9").status, 201);
    w.pass(89 * 86_400);
    let end = w.ann(&bank, "Another-Pass-9");
    assert!(end.body.to_string().contains("expired and needs to be changed"), "{end:?}");
    assert!(!w.ann(&bank, "Wrong-Pass-1").body.to_string().contains("expired"), "tells nothing");
    assert_eq!(w.change(&ann, "Another-Pass-9", "Another-Pass-10").status, 204);
    assert_eq!(w.ann(&bank, "Another-Pass-10").status, 201);
}

#[test]
fn sessions_end_by_idleness_by_time_and_outside_of_their_window() {
    let w = World::new("sessions");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    let idle = w.ann(&bank, NEW).token;
    w.pass(1790);
    assert!(w.works(&idle));
    w.pass(1790);
    assert!(w.works(&idle), "used in time");
    w.pass(30);
    assert!(!w.works(&idle), "an hour is over");
    let idle = w.ann(&bank, NEW).token;
    w.pass(1810);
    assert!(!w.works(&idle) && !w.works(&idle), "idle, and not woken by trying");
    let again = ("token", json!({ "id": idle }));
    assert_eq!(w.sign(Via::default(), &[again], Value::Null).status, 404);
    // A token that was made from one ends with it.
    let first = w.ann(&bank, NEW);
    w.pass(1000);
    let second = w.sign(Via::default(), &[("token", json!({ "id": first.token }))], Value::Null);
    assert_eq!(second.body["token"]["expires_at"], first.body["token"]["expires_at"]);
    // Networks and hours, at sign-in and at each use.
    let boss = w.boss(&bank);
    let path = format!("/v3/users/{ann}/OS-JINYUN/access");
    let limit = |body: Value| w.send(with(&boss), "PUT", &path, json!({ "access": body })).status;
    for bad in [json!({ "sources": ["10.0.0.0/33"] }), json!({ "sources": "10.0.0.0/8" }),
        json!({ "hours": { "days": [9], "from": 0, "to": 60 } }), json!({ "hours": { "days": [1] } })] {
        assert_eq!(limit(bad.clone()), 400, "{bad}");
    }
    let token = w.ann(&bank, NEW).token;
    let refused = w.ann(&bank, "Wrong-Pass-1").seen();
    let away = |source: &str| {
        w.sign(from(source), &[by_password("ann", &bank, NEW)], Value::Null).seen()
    };
    assert_eq!(limit(json!({ "sources": ["10.9.8.0/24", "2001:db8::/32"] })), 200);
    for (source, want) in [("10.9.8.200", true), ("2001:db8::7", true), ("10.9.9.1", false),
        ("172.16.0.1", false), ("::1", false)] {
        assert_eq!(w.identity.actor(&token, Some(source)).is_some(), want, "{source}");
        assert_eq!(away(source).0 == 201, want, "{source}");
        assert!(want || away(source) == refused, "{source}");
    }
    assert!(w.identity.actor(&token, None).is_none(), "from nowhere");
    assert_eq!(limit(json!({ "sources": [] })), 200);
    for (days, want) in [(vec![3], true), (vec![6, 7], false)] {
        assert_eq!(limit(json!({ "hours": { "days": days, "from": 0, "to": 1440 } })), 200);
        assert_eq!(w.works(&token), want, "{days:?}");
        assert_eq!(w.ann(&bank, NEW).status == 201, want, "{days:?}");
    }
    assert_eq!(limit(json!({ "hours": null })), 200);
    assert_eq!(w.ann(&bank, NEW).status, 201);
    let own = format!("/v3/users/{}/OS-JINYUN/access", w.user("boss", &bank));
    let body = json!({ "access": { "sources": ["192.0.2.1"] } });
    assert_eq!(w.send(with(&boss), "PUT", &own, body).status, 403, "nobody shuts themselves out");
}

#[test]
fn names_that_look_alike_and_accounts_that_come_again() {
    let w = World::new("names");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    let make = |name: &str| {
        let user = json!({ "user": { "name": name, "password": NEW } });
        w.send(with(&boss), "POST", "/v3/users", user).status
    };
    for (name, want) in [("ANN", 409), ("ａｎｎ", 409), ("аnn", 400), ("an\u{200b}n", 400),
        ("安安", 201)] {
        assert_eq!(make(name), want, "{name:?}");
    }
    let sign = |name: &str| w.sign(Via::default(), &[by_password(name, &bank, NEW)], Value::Null);
    assert_eq!(sign("аnn").seen(), sign("nobody").seen(), "a Cyrillic letter is another name");
    assert_eq!(sign("ＡＮＮ").status, 201, "a wide letter is the same");
    let token = sign("ann").token;
    assert!(w.works(&token));
    let path = format!("/v3/users/{ann}");
    assert_eq!(w.send(with(&boss), "DELETE", &path, Value::Null).status, 204);
    assert!(!w.works(&token));
    let again = w.person(&boss, "ann");
    assert_ne!(again, ann);
    assert!(!w.works(&token), "the old account's token is not the new one's");
    assert_eq!(sign("ann").status, 201);
}

#[test]
fn an_application_credential_gives_what_its_owner_has() {
    let w = World::new("application");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    let (pay, other) = (w.project(&boss, "pay", &[&ann]), w.project(&boss, "other", &[&ann]));
    let own = w.sign(Via::default(), &[by_password("ann", &bank, NEW)], in_project(&pay)).token;
    let path = format!("/v3/users/{ann}/application_credentials");
    let make = |body: Value| {
        let made = w.send(with(&own), "POST", &path, json!({ "application_credential": body }));
        assert_eq!(made.status, 201, "{made:?}");
        let secret = made.body["application_credential"]["secret"].as_str().unwrap().to_string();
        (made.id("application_credential"), secret)
    };
    let (id, secret) = make(json!({ "name": "ci", "roles": [{ "name": "member" }] }));
    let sign = |data: Value, scope: Value| {
        w.pass(40);
        w.sign(Via::default(), &[("application_credential", data)], scope)
    };
    let by_id = json!({ "id": id, "secret": secret });
    let token = sign(by_id.clone(), Value::Null);
    assert_eq!(token.body["token"]["project"]["id"], pay.as_str(), "{token:?}");
    let named = json!({ "name": "ci", "secret": secret, "user": { "id": ann } });
    assert_eq!(sign(named, Value::Null).status, 201);
    assert_eq!(sign(by_id.clone(), in_project(&pay)).status, 401, "it has its own scope");
    // A program with an old secret locks nobody out.
    for _ in 0..6 {
        assert_eq!(sign(json!({ "id": id, "secret": "an old secret" }), Value::Null).status, 401);
    }
    assert_eq!(w.ann(&bank, NEW).status, 201);
    // It is not taken elsewhere, nor does it live longer.
    let via = ("token", json!({ "id": token.token }));
    assert_eq!(w.sign(Via::default(), std::slice::from_ref(&via), in_project(&other)).status, 403);
    let same = w.sign(Via::default(), &[via], Value::Null);
    assert_eq!(same.body["token"]["expires_at"], token.body["token"]["expires_at"]);
    assert_eq!(w.identity.open(&same.token).unwrap().app_credential, Some(Id::new(&id)));
    let rules = json!([{ "service": "identity", "method": "GET", "path": "/v3/auth/*" }]);
    let (narrow, key) = make(json!({ "name": "narrow", "access_rules": rules }));
    let narrow = sign(json!({ "id": narrow, "secret": key }), Value::Null).token;
    let narrow = w.identity.open(&narrow).unwrap();
    for (service, method, path, want) in [("identity", "GET", "/v3/auth/projects", true),
        ("identity", "GET", "/v3/users", false), ("identity", "POST", "/v3/auth/tokens", false),
        ("compute", "GET", "/v3/auth/projects", false)] {
        assert_eq!(w.identity.may_request(&narrow, service, method, path), want, "{method} {path}");
    }
    let end = Time(w.clock.load(Ordering::SeqCst)).plus_seconds(300);
    let (short, key) = make(json!({ "name": "short", "expires_at": end.seconds() }));
    let short = json!({ "id": short, "secret": key });
    let made = sign(short.clone(), Value::Null);
    assert_eq!(made.body["token"]["expires_at"], Time::parse(&end.seconds()).unwrap().micros());
    w.pass(300);
    assert_eq!(sign(short, Value::Null).status, 401, "expired");
    // The role goes, and with it everything.
    let grant = format!("/v3/projects/{pay}/users/{ann}/roles/{}", role("member"));
    let boss = w.boss(&bank);
    assert!(w.works(&token.token));
    assert_eq!(w.send(with(&boss), "DELETE", &grant, Value::Null).status, 204);
    assert!(!w.works(&token.token), "the owner lost the role");
    assert_eq!(sign(by_id, Value::Null).status, 401);
}

#[test]
fn a_trust_is_used_up_and_goes_no_further() {
    let w = World::new("trust");
    let (bank, boss) = w.institution("bank");
    let [ann, bob, _] = ["ann", "bob", "eve"].map(|name| w.person(&boss, name));
    let pay = w.project(&boss, "pay", &[&ann]);
    let own = w.sign(Via::default(), &[by_password("ann", &bank, NEW)], in_project(&pay)).token;
    let trust = json!({ "trust": { "trustor_user_id": ann, "trustee_user_id": bob,
        "project_id": pay, "impersonation": false, "roles": [{ "name": "member" }],
        "remaining_uses": 2 } });
    let trust = w.send(with(&own), "POST", "/v3/OS-TRUST/trusts", trust).id("trust");
    let sign = |name: &str| {
        let scope = json!({ "OS-TRUST:trust": { "id": trust } });
        w.sign(Via::default(), &[by_password(name, &bank, NEW)], scope)
    };
    assert_eq!(sign("eve").status, 401, "somebody else's");
    let first = sign("bob");
    assert_eq!(first.body["token"]["project"]["id"], pay.as_str(), "{first:?}");
    let via = ("token", json!({ "id": first.token }));
    assert_eq!(w.sign(Via::default(), &[via], Value::Null).status, 403, "no token from it");
    assert_eq!(sign("bob").status, 201);
    let third = sign("bob");
    assert!(third.token.is_empty() && third.status != 201, "used up: {third:?}");
    let gone = json!({ "OS-TRUST:trust": { "id": "0".repeat(32) } });
    let none = w.sign(Via::default(), &[by_password("bob", &bank, NEW)], gone);
    assert_eq!(none.seen(), sign("eve").seen(), "one that is not there is like another's");
    let off = json!({ "user": { "enabled": false } });
    assert!(w.works(&first.token));
    assert_eq!(w.send(with(&boss), "PATCH", &format!("/v3/users/{ann}"), off).status, 200);
    assert!(!w.works(&first.token), "who gave it is gone");
}

#[test]
fn staff_has_no_place_at_the_tenants_door() {
    let w = World::new("door");
    let (bank, boss) = w.institution("bank");
    w.person(&boss, "ann");
    let staff = |outside: bool, password: &str| {
        w.pass(40);
        let source = outside.then_some("203.0.113.9");
        let via = Via { outside, source, ..Via::default() };
        w.sign(via, &[by_password("sysadmin", "default", password)], "unscoped".into()).status
    };
    let tries = w.journal("identity:token:create").len();
    assert_eq!(staff(true, NEW), 401, "the right password proves nothing there");
    let entries = w.journal("identity:token:create");
    let told = entries[tries]["reason"]["message"].as_str().unwrap();
    assert!(told.contains("management listener"), "{told}");
    // Nobody is locked out from there, however often it is tried.
    for _ in 0..8 {
        assert_eq!(staff(true, "Wrong-Pass-1"), 401);
    }
    assert_eq!(staff(false, NEW), 201);
    let outside = Via { outside: true, ..Via::default() };
    let ann = w.sign(outside, &[by_password("ann", &bank, NEW)], Value::Null);
    assert_eq!(ann.status, 201, "it is the tenants' door");
}

#[test]
fn a_source_that_guesses_everywhere_is_refused_once_on_record() {
    let w = World::new("spray");
    let (bank, boss) = w.institution("bank");
    w.person(&boss, "ann");
    w.person(&boss, "bob");
    let there = from("203.0.113.9");
    let sign = |via: Via<'_>, name: &str| {
        w.pass(1);
        w.sign(via, &[by_password(name, &bank, NEW)], Value::Null)
    };
    assert_eq!(sign(there, "bob").status, 201, "bob works there");
    let mut seen = Vec::new();
    for n in 0..10 {
        seen.push(sign(there, &format!("guess-{n}")).seen());
    }
    for _ in 0..6 {
        seen.push(sign(there, "ann").seen());
    }
    assert!(seen.iter().all(|s| *s == seen[0]), "{seen:?}");
    assert_eq!(seen[0].0, 401);
    assert_eq!(sign(there, "bob").status, 201, "whoever works there still does");
    assert_eq!(sign(Via::default(), "ann").status, 201, "elsewhere nothing has happened");
    w.identity.flush(&w.cloud.handle);
    let alarms = w.journal("identity:alarm:raise");
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(alarms[0]["note"]["what"], "one source, many accounts");
    assert_eq!(alarms[0]["note"]["source"], "203.0.113.9");
    let counted: u64 = w.journal("identity:token:create").iter()
        .filter_map(|e| e["reason"]["message"].as_str()?.split_once(" more sign-ins"))
        .map(|(count, _)| count.parse::<u64>().unwrap()).sum();
    assert_eq!(counted, 6, "exactly those that were not looked at");
    w.pass(600);
    assert_eq!(sign(there, "ann").status, 201);
}

#[test]
fn one_account_that_is_guessed_from_everywhere_raises_an_alarm() {
    let w = World::new("herd");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    for n in 0..8 {
        w.pass(40);
        let source = format!("198.51.{n}.1");
        let methods = [by_password("ann", &bank, "Wrong-Pass-1")];
        assert_eq!(w.sign(from(&source), &methods, Value::Null).status, 401);
    }
    let alarms = w.journal("identity:alarm:raise");
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(alarms[0]["note"]["what"], "many sources, one account");
    assert_eq!(alarms[0]["note"]["user"], ann.as_str());
    assert_eq!(alarms[0]["institution"]["id"], bank.as_str(), "the institution can see it");
}

#[test]
fn a_login_tells_of_the_one_before_and_the_journal_of_the_unusual() {
    let w = World::new("notice");
    let notice = w.send(Via::default(), "GET", "/v3/OS-JINYUN/notice", Value::Null);
    let text = notice.body["notice"]["text"].as_str().unwrap();
    assert!(text.contains("authorized") && text.contains("授权"), "{text}");
    w.identity.set_notice("Keep out");
    let notice = w.send(Via::default(), "GET", "/v3/OS-JINYUN/notice", Value::Null);
    assert_eq!(notice.body["notice"]["text"], "Keep out");
    let (bank, boss) = w.institution("bank");
    w.person(&boss, "ann");
    let told = |answer: &Answer| {
        w.identity.last_login(&w.identity.open(&answer.token).unwrap())
    };
    let first = told(&w.ann(&bank, NEW));
    assert_eq!((&first["last_login_at"], &first["failures_since"]), (&Value::Null, &json!(0)));
    assert_eq!(w.ann(&bank, "Wrong-Pass-1").status, 401);
    assert_eq!(w.ann(&bank, "Wrong-Pass-1").status, 401);
    let second = told(&w.ann(&bank, NEW));
    assert_eq!((&second["last_login_source"], &second["failures_since"]), (&json!(HOME), &json!(2)));
    w.pass(60);
    let away = w.sign(from("192.0.2.44"), &[by_password("ann", &bank, NEW)], Value::Null);
    assert_eq!(away.status, 201);
    let unusual: Vec<Value> = w.journal("identity:token:create").into_iter()
        .filter(|e| !e["note"]["unusual"].is_null()).collect();
    assert_eq!(unusual.len(), 1, "{unusual:?}");
    assert_eq!(unusual[0]["note"]["unusual"], json!(["network"]));
    assert_eq!(unusual[0]["source"], "192.0.2.44");
    // The user is told at the next login, wherever that comes from, and at those after it.
    for answer in [&first, &second, &told(&away)] {
        assert_eq!(answer["unusual"], Value::Null, "{answer}");
    }
    for _ in 0..2 {
        let next = told(&w.ann(&bank, NEW));
        assert_eq!(next["unusual"]["source"], "192.0.2.44", "{next}");
        assert_eq!(next["unusual"]["what"], json!(["network"]));
    }
    // The login and what is remembered of it are one entry.
    let kinds = |e: &Value| e["effects"].as_array().map(|all| {
        all.iter().map(|x| x["kind"].clone()).collect::<Vec<_>>()
    });
    assert_eq!(kinds(&unusual[0]), Some(vec![json!("activity")]));
}
