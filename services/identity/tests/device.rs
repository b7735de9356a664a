//! A program is let in by somebody who is signed in elsewhere: the grant of RFC 8628 through the
//! service's own routes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod login_world;

use login_world::*;
use serde_json::{Value, json};

const DEVICE: &str = "/v3/OS-JINYUN/device";
/// Where the program runs.
const DESK: &str = "10.1.1.1";

/// A program asks. Its long code and its short one.
fn ask(w: &World, source: &str) -> Result<(String, String), Answer> {
    let body = json!({ "device": { "client": "jinyun login on desk" } });
    let made = w.send(from(source), "POST", DEVICE, body);
    if made.status != 201 {
        return Err(made);
    }
    let text = |name: &str| made.body["device"][name].as_str().unwrap().to_string();
    Ok((text("device_code"), text("user_code")))
}

fn poll(w: &World, source: &str, code: &str, scope: Value) -> Answer {
    w.pass(3);
    w.sign(from(source), &[("device", json!({ "device_code": code }))], scope)
}

fn answer(w: &World, token: &str, code: &str, word: &str) -> Answer {
    let body = json!({ "device": { "answer": word } });
    w.send(with(token), "POST", &format!("{DEVICE}/{code}"), body)
}

fn says(answer: &Answer, word: &str) -> bool {
    answer.status == 401 && answer.body.to_string().contains(word)
}

#[test]
fn a_program_gets_one_token_of_whoever_lets_it_in() {
    let w = World::new("device");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    let pay = w.project(&boss, "pay", &[&ann]);
    let body = json!({ "device": { "client": "jinyun login on desk" } });
    let made = w.send(from(DESK), "POST", DEVICE, body).body["device"].clone();
    let text = |name: &str| made[name].as_str().unwrap().to_string();
    let (long, short) = (text("device_code"), text("user_code"));
    assert!(text("verification_uri").ends_with("/sign-in"), "{made}");
    let complete = format!("{}?code={short}", text("verification_uri"));
    assert_eq!(text("verification_uri_complete"), complete);
    assert_eq!((&made["expires_in"], &made["interval"]), (&json!(600), &json!(2)));
    assert!(says(&poll(&w, DESK, &long, Value::Null), "authorization_pending"));
    let own = w.ann(&bank, NEW).token;
    // As people type it.
    let typed = short.to_lowercase().replace('-', "");
    let seen = w.send(with(&own), "GET", &format!("{DEVICE}/{typed}"), Value::Null);
    let seen = &seen.body["device"];
    assert_eq!((&seen["client"], &seen["source"], &seen["same_address"]),
        (&json!("jinyun login on desk"), &json!(DESK), &json!(false)));
    assert_eq!(answer(&w, &own, &short, "maybe").status, 400);
    assert_eq!(answer(&w, &own, &short, "allow").status, 204);
    assert_eq!(answer(&w, &own, &short, "refuse").status, 404, "it was answered");
    let got = poll(&w, DESK, &long, in_project(&pay));
    assert_eq!(got.status, 201, "{got:?}");
    let token = &got.body["token"];
    assert_eq!(token["methods"], json!(["device", "password"]));
    assert_eq!((&token["user"]["id"], &token["project"]["id"]), (&json!(ann), &json!(pay)));
    let chain = token["audit_ids"].as_array().unwrap();
    assert_eq!(chain.len(), 2, "it says what it was made from: {chain:?}");
    assert_eq!(poll(&w, DESK, &long, Value::Null).status, 401, "once");
    // What is on record: who asked, who allowed, with both addresses; and no long code.
    let opened = w.journal("identity:device:open");
    assert_eq!((opened.len(), &opened[0]["source"]), (1, &json!(DESK)));
    let allowed = w.journal("identity:device:allow");
    let done: Vec<&Value> = allowed.iter().filter(|e| e["outcome"] == "done").collect();
    assert_eq!(done.len(), 1, "{allowed:?}");
    assert_eq!((&done[0]["actor"]["id"], &done[0]["source"]), (&json!(ann), &json!(HOME)));
    assert_eq!(done[0]["note"]["asked_from"], DESK);
    let all = w.cloud.reader.lend(|db| db.entries(0, 10_000)).unwrap();
    let told = all.iter().any(|e| String::from_utf8_lossy(e).contains(&long));
    assert!(!told, "the journal holds a long code");
    // What was allowed and what came of it can be put together; and it came from an unusual place, which
    // does not become a usual one by that.
    let noted = || {
        let all = w.journal("identity:token:create");
        all.iter().rfind(|e| e["outcome"] == "done").unwrap()["note"].clone()
    };
    assert_eq!((&noted()["let_in_by"], &noted()["unusual"]),
        (&done[0]["note"]["audit_id"], &json!(["network"])));
    let told = w.identity.last_login(&w.identity.open(&w.ann(&bank, NEW).token).unwrap());
    assert_eq!((&told["unusual"]["source"], &told["last_login_source"]), (&json!(DESK), &json!(HOME)));
    let (long, short) = ask(&w, DESK).unwrap();
    assert_eq!(answer(&w, &own, &short, "allow").status, 204);
    assert_eq!(poll(&w, DESK, &long, Value::Null).status, 201);
    assert_eq!(noted()["unusual"], json!(["network"]), "as before");
    // It ends with the one who let it in.
    let on = |on: bool| {
        let body = json!({ "user": { "enabled": on } });
        assert_eq!(w.send(with(&boss), "PATCH", &format!("/v3/users/{ann}"), body).status, 200);
    };
    assert!(w.works(&got.token));
    on(false);
    assert!(!w.works(&got.token));
}

#[test]
fn a_refused_one_hears_so_and_a_yes_is_worth_what_it_rests_on() {
    let w = World::new("device-no");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    let own = w.ann(&bank, NEW).token;
    let (long, short) = ask(&w, DESK).unwrap();
    assert_eq!(answer(&w, &own, &short, "refuse").status, 204);
    assert!(says(&poll(&w, DESK, &long, Value::Null), "access_denied"));
    assert_eq!(w.journal("identity:device:refuse").len(), 1);
    // Too quick, too late.
    let (long, short) = ask(&w, DESK).unwrap();
    let at_once = || w.sign(from(DESK), &[("device", json!({ "device_code": long }))], Value::Null);
    assert!(says(&at_once(), "authorization_pending"));
    assert!(says(&at_once(), "slow_down"));
    w.pass(600);
    assert_eq!(answer(&w, &own, &short, "allow").status, 404);
    assert!(says(&at_once(), "expired_token"));
    // Allowed, and then the one who did is gone before it is fetched.
    let (long, short) = ask(&w, DESK).unwrap();
    assert_eq!(answer(&w, &own, &short, "allow").status, 204);
    let off = json!({ "user": { "enabled": false } });
    assert_eq!(w.send(with(&boss), "PATCH", &format!("/v3/users/{ann}"), off).status, 200);
    assert_eq!(poll(&w, DESK, &long, Value::Null).status, 401);
    // A user who may not work from where the program is.
    let bob = w.person(&boss, "bob");
    let access = json!({ "access": { "sources": ["10.9.8.0/24"] } });
    let path = format!("/v3/users/{bob}/OS-JINYUN/access");
    assert_eq!(w.send(with(&boss), "PUT", &path, access).status, 200);
    let own = w.sign(Via::default(), &[by_password("bob", &bank, NEW)], Value::Null).token;
    for (source, want) in [(DESK, 401), ("10.9.8.99", 201)] {
        let (long, short) = ask(&w, source).unwrap();
        assert_eq!(answer(&w, &own, &short, "allow").status, 204);
        assert_eq!(poll(&w, source, &long, Value::Null).status, want, "{source}");
    }
}

#[test]
fn only_people_who_have_proved_enough_let_somebody_in() {
    let w = World::new("device-who");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    let pay = w.project(&boss, "pay", &[&ann]);
    let own = w.sign(Via::default(), &[by_password("ann", &bank, NEW)], in_project(&pay)).token;
    let body = json!({ "application_credential": { "name": "ci" } });
    let path = format!("/v3/users/{ann}/application_credentials");
    let made = w.send(with(&own), "POST", &path, body).body["application_credential"].clone();
    let data = json!({ "id": made["id"], "secret": made["secret"] });
    let program =
        w.sign(Via::default(), &[("application_credential", data)], Value::Null).token;
    let (long, short) = ask(&w, DESK).unwrap();
    assert_eq!(answer(&w, &program, &short, "allow").status, 403);
    assert_eq!(answer(&w, "garbage", &short, "allow").status, 401);
    // With one factor where two are due there is nothing to pass on.
    let on = json!({ "config": { "security_compliance": { "multi_factor": true } } });
    let set = w.send(with(&boss), "PATCH", &format!("/v3/domains/{bank}/config"), on);
    assert_eq!(set.status, 200, "{set:?}");
    let half = w.sign(Via::default(), &[by_password("ann", &bank, NEW)], "unscoped".into()).token;
    assert_eq!(answer(&w, &half, &short, "allow").status, 403);
    assert!(says(&poll(&w, DESK, &long, Value::Null), "authorization_pending"));
    assert_eq!(w.enrol("ann", &bank, NEW).status, 201);
    let whole = w.both("ann", &bank, NEW, "unscoped".into()).token;
    assert_eq!(answer(&w, &whole, &short, "allow").status, 204);
    let got = poll(&w, DESK, &long, in_project(&pay));
    assert_eq!(got.body["token"]["methods"], json!(["device", "password", "totp"]), "{got:?}");
    assert!(w.works(&got.token));
    // By the other listener nobody knows of it.
    let (_, short) = ask(&w, DESK).unwrap();
    let outside = Via { token: Some(&whole), outside: true, ..Via::default() };
    let look = w.send(outside, "GET", &format!("{DEVICE}/{short}"), Value::Null);
    assert_eq!(look.status, 404);
}

#[test]
fn asking_and_guessing_are_bounded() {
    let w = World::new("device-bounds");
    let (bank, boss) = w.institution("bank");
    w.person(&boss, "ann");
    let own = w.ann(&bank, NEW).token;
    for (body, status) in [
        (json!({}), 400), (json!({ "device": {} }), 400), (json!({ "device": { "client": 7 } }), 400),
        (json!({ "device": { "client": "" } }), 400),
        (json!({ "device": { "client": "x".repeat(65) } }), 400),
        (json!({ "device": { "client": "a\u{202e}b" } }), 400),
        (json!({ "device": { "client": "a", "code": "b" } }), 400),
    ] {
        assert_eq!(w.send(from(DESK), "POST", DEVICE, body.clone()).status, status, "{body}");
    }
    let (_, short) = ask(&w, DESK).unwrap();
    for n in 1..10 {
        assert!(ask(&w, DESK).is_ok(), "{n}");
    }
    assert_eq!(ask(&w, DESK).unwrap_err().status, 409);
    assert!(ask(&w, "10.2.2.2").is_ok(), "another source");
    let look = |code: &str| {
        w.send(with(&own), "GET", &format!("{DEVICE}/{code}"), Value::Null).status
    };
    assert_eq!(look(&short), 200);
    for n in 0..10 {
        assert_eq!(look("BBBB-BBBB"), 404, "{n}");
    }
    assert_eq!((look("BBBB-BBBB"), look(&short)), (403, 403));
    // A long code that nobody has, or none: no word of the protocol, and it counts for its source.
    for code in ["garbage", ""] {
        let denied = poll(&w, "10.3.3.3", code, Value::Null);
        assert_eq!(denied.status, 401);
        assert!(!denied.body.to_string().contains('_'), "{denied:?}");
    }
    for body in [json!({}), json!({ "device_code": 7 }), json!({ "device_code": "x", "more": 1 })] {
        assert_eq!(w.sign(from(DESK), &[("device", body.clone())], Value::Null).status, 400, "{body}");
    }
    let two = [("device", json!({ "device_code": "x" })), by_password("ann", &bank, NEW)];
    assert_eq!(w.sign(from(DESK), &two, Value::Null).status, 400, "it stands alone");
}
