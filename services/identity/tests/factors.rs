//! Second factors: what is demanded of whom, what must not work twice, and how one is lost and got.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod login_world;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jinyun_base::Time;
use jinyun_kms::Kms;
use login_world::*;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

#[test]
fn a_one_time_code_is_taken_once() {
    let w = World::new("codes");
    let (bank, boss) = w.institution("bank");
    w.person(&boss, "ann");
    assert_eq!(w.enrol("ann", &bank, NEW).status, 201);
    let sign = |passcode: &str| {
        let methods = [by_password("ann", &bank, NEW), by_code("ann", &bank, passcode)];
        w.sign(Via::default(), &methods, Value::Null)
    };
    w.pass(3600);
    // Code of which step, after how long, and whether it is taken.
    let cases = [(0, 0, 201), (0, 0, 401), (1, 0, 201), (0, 0, 401), (1, 0, 401), (-1, 90, 201),
        (-2, 0, 401), (0, 0, 201), (2, 30, 401), (-1, 300, 201), (-2, 30, 401)];
    for (n, (steps, seconds, want)) in cases.into_iter().enumerate() {
        w.pass(seconds);
        assert_eq!(sign(&w.code(steps)).status, want, "case {n}: step {steps}");
    }
    for bad in ["000000", "", "1234567"] {
        w.pass(40);
        assert_ne!(sign(bad).status, 201, "{bad:?}");
    }
    w.pass(60);
    let answer = sign(&w.code(0));
    assert_eq!(answer.body["token"]["methods"], json!(["password", "totp"]));
    // By itself a code is half a sign-in, whatever the user's rules.
    w.pass(30);
    let alone = w.sign(Via::default(), &[by_code("ann", &bank, &w.code(0))], Value::Null);
    assert_eq!((alone.status, alone.receipt.is_empty()), (401, false));
    // Two at the same time with one code: one gets in.
    w.pass(60);
    let code = w.code(0);
    let both: Vec<u16> = std::thread::scope(|s| {
        let made: Vec<_> = (0..4).map(|_| s.spawn(|| sign(&code).status)).collect();
        made.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(both.iter().filter(|s| **s == 201).count(), 1, "{both:?}");
}

#[test]
fn a_recovery_code_is_good_once_and_new_ones_void_the_old() {
    let w = World::new("recovery");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    assert_eq!(w.enrol("ann", &bank, NEW).status, 201);
    let path = format!("/v3/users/{ann}/OS-JINYUN/recovery_codes");
    let one = w.ann(&bank, NEW).token;
    let make = |token: &str| w.send(with(token), "POST", &path, Value::Null);
    assert_eq!(make(&one).status, 403, "one factor is not enough");
    assert_eq!(make(&boss).status, 403, "they are hers alone");
    let two = w.both("ann", &bank, NEW, Value::Null).token;
    let codes = |token: &str| -> Vec<String> {
        let made = make(token);
        assert_eq!(made.status, 201, "{made:?}");
        serde_json::from_value(made.body["recovery_codes"]["codes"].clone()).unwrap()
    };
    let old = codes(&two);
    assert_eq!(old.len(), 8);
    let left = || w.send(with(&two), "GET", &path, Value::Null).body["recovery_codes"]["left"].clone();
    let sign = |code: &str| {
        w.pass(40);
        let methods = [by_password("ann", &bank, NEW), by_code("ann", &bank, code)];
        w.sign(Via::default(), &methods, Value::Null).status
    };
    for (code, want, count) in [(old[0].clone(), 201, 7), (old[0].clone(), 401, 7),
        (old[1].to_uppercase(), 201, 6), (old[2].replace('-', ""), 201, 5),
        ("aaaa-aaaa-aaaa-aaaa".into(), 401, 5)] {
        assert_eq!(sign(&code), want, "{code}");
        assert_eq!(left(), count);
    }
    let new = codes(&two);
    assert_eq!(left(), 8);
    assert_eq!(sign(&old[3]), 401, "void");
    assert_eq!(sign(&new[3]), 201);
    let text = format!("{:?}", w.journal("identity:recovery:create"));
    assert!(!old.iter().chain(&new).any(|c| text.contains(c)), "codes stand in the journal");
}

#[test]
fn half_a_sign_in_gets_a_receipt() {
    let w = World::new("receipt");
    let (bank, boss) = w.institution("bank");
    let ids = [w.person(&boss, "ann"), w.person(&boss, "bob")];
    for (name, id) in ["ann", "bob"].into_iter().zip(&ids) {
        assert_eq!(w.enrol(name, &bank, NEW).status, 201);
        let rules = json!({ "user": { "options": {
            "multi_factor_auth_rules": [["password", "totp"]] } } });
        let set = w.send(with(&boss), "PATCH", &format!("/v3/users/{id}"), rules);
        assert_eq!(set.status, 200, "{set:?}");
    }
    let word = || w.sign(Via::default(), &[by_password("ann", &bank, NEW)], Value::Null);
    let half = word();
    assert_eq!((half.status, half.receipt.is_empty(), half.token.as_str()), (401, false, ""));
    assert_eq!(half.body["receipt"]["methods"], json!(["password"]));
    assert_eq!(half.body["receipt"]["user"]["id"], ids[0].as_str());
    assert_eq!(half.body["required_auth_methods"], json!([["password", "totp"]]));
    assert!(w.identity.open(&half.receipt).is_none(), "a receipt is no token");
    let code = |name: &str, via: Via<'_>| {
        w.pass(30);
        w.sign(via, &[by_code(name, &bank, &w.code(0))], Value::Null)
    };
    let via = Via { receipt: Some(&half.receipt), ..Via::default() };
    let whole = code("ann", via);
    assert_eq!(whole.status, 201, "{whole:?}");
    assert_eq!(whole.body["token"]["methods"], json!(["password", "totp"]));
    assert_eq!(code("bob", via).status, 401, "another user's");
    assert_eq!(code("ann", Via { source: Some("10.9.8.8"), ..via }).status, 401, "another source");
    assert_eq!(code("ann", Via { receipt: Some("garbage"), ..via }).status, 401);
    let wrong = w.sign(via, &[by_code("ann", &bank, "000000")], Value::Null);
    assert_eq!((wrong.status, wrong.receipt.as_str()), (401, ""), "a wrong code gets none");
    // Either order; and the code that the first half used is gone.
    w.pass(30);
    let second = w.sign(Via::default(), &[by_code("ann", &bank, &w.code(0))], Value::Null);
    assert_eq!(second.body["receipt"]["methods"], json!(["totp"]), "{second:?}");
    let again = w.sign(Via::default(), &[by_code("ann", &bank, &w.code(0))], Value::Null);
    assert_eq!((again.status, again.receipt.as_str()), (401, ""));
    let via = Via { receipt: Some(&second.receipt), ..Via::default() };
    let whole = w.sign(via, &[by_password("ann", &bank, NEW)], Value::Null);
    assert_eq!(whole.status, 201, "{whole:?}");
    // A token that was got with both is enough for another one; five minutes end a receipt.
    let token = ("token", json!({ "id": whole.token }));
    assert_eq!(w.sign(Via::default(), &[token], Value::Null).status, 201);
    let half = word();
    w.pass(300);
    let via = Via { receipt: Some(&half.receipt), ..Via::default() };
    assert_eq!(code("ann", via).status, 401, "too late");
    // And so does a new password.
    let half = word();
    assert_eq!(w.change(&ids[0], NEW, OWN).status, 204);
    let via = Via { receipt: Some(&half.receipt), ..Via::default() };
    assert_eq!(code("ann", via).status, 401, "the password was changed");
}

#[test]
fn duties_need_two_factors_and_a_beginner_can_get_the_second_only() {
    let w = World::new("floor");
    let word = |scope: Value| {
        w.sign(Via::default(), &[by_password("sysadmin", "default", NEW)], scope)
    };
    let none = word(system());
    assert_eq!(none.status, 401);
    let say = none.body.as_str().unwrap();
    assert!(say.contains("POST /v3/credentials") && say.contains("unscoped"), "{say}");
    let begin = word("unscoped".into()).token;
    let id = w.user("sysadmin", "default");
    let make = |token: &str, kind: &str, user: &str| {
        let body = json!({ "credential": { "type": kind, "blob": SEED, "user_id": user } });
        w.send(with(token), "POST", "/v3/credentials", body).status
    };
    for (method, path) in [("GET", "/v3/users"), ("GET", "/v3/domains"), ("GET", "/v3/credentials"),
        ("PATCH", &*format!("/v3/users/{id}"))] {
        assert_eq!(w.send(with(&begin), method, path, json!({})).status, 403, "{method} {path}");
    }
    assert_eq!(make(&begin, "ec2", &id), 403);
    assert_eq!(make(&begin, "totp", &w.user("auditor", "default")), 403, "not for somebody else");
    assert_eq!(make(&begin, "totp", &id), 201);
    assert_eq!(make(&begin, "totp", &id), 403, "a second device needs the first");
    let half = word("unscoped".into());
    assert_eq!((half.status, half.receipt.is_empty()), (401, false), "from now on both");
    let whole = w.both("sysadmin", "default", NEW, system());
    assert_eq!(whole.status, 201, "{whole:?}");
    assert_eq!(w.send(with(&whole.token), "GET", "/v3/domains", Value::Null).status, 200);
    assert!(!w.works(&begin), "the beginner's token has ended");
    // An unscoped token of a beginner can sign out, and ends soon.
    let other = w.sign(Via::default(), &[by_password("auditor", "default", NEW)], "unscoped".into());
    assert!(w.works(&other.token));
    w.pass(601);
    assert!(!w.works(&other.token));
    // Without the floor one factor is enough, but such a token ends with the floor's return.
    w.identity.duties_need_two_factors(false);
    let weak = w.sign(Via::default(), &[by_password("auditor", "default", NEW)], system()).token;
    assert!(w.works(&weak));
    w.identity.duties_need_two_factors(true);
    assert!(!w.works(&weak));
}

#[test]
fn an_institution_can_ask_everybody_for_two_factors() {
    let w = World::new("everybody");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    let pay = w.project(&boss, "pay", &[&ann]);
    let sign = |scope: Value| w.sign(Via::default(), &[by_password("ann", &bank, NEW)], scope);
    let before = sign(in_project(&pay)).token;
    let on = json!({ "config": { "security_compliance": { "multi_factor": true } } });
    let set = w.send(with(&boss), "PATCH", &format!("/v3/domains/{bank}/config"), on);
    assert_eq!(set.status, 200, "{set:?}");
    assert!(!w.works(&before) && !w.works(&boss), "also for those who are there");
    assert!(sign(in_project(&pay)).body.to_string().contains("second factor"));
    assert_eq!(w.enrol("ann", &bank, NEW).status, 201);
    assert!(!sign(in_project(&pay)).receipt.is_empty());
    assert_eq!(w.both("ann", &bank, NEW, in_project(&pay)).status, 201);
}

#[test]
fn a_stolen_password_adds_no_device_where_one_is_enough() {
    let w = World::new("onlyone");
    let (bank, boss) = w.institution("bank");
    w.person(&boss, "ann");
    let one = || w.sign(Via::default(), &[by_password("ann", &bank, NEW)], "unscoped".into()).token;
    let make = |token: &str| {
        let body = json!({ "credential": { "type": "totp", "blob": SEED } });
        w.send(with(token), "POST", "/v3/credentials", body)
    };
    // Of several at once, the first: each has seen that there is none.
    let token = one();
    let made: Vec<u16> = std::thread::scope(|s| {
        let all: Vec<_> = (0..4).map(|_| s.spawn(|| make(&token).status)).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|s| **s == 201).count(), 1, "{made:?}");
    assert!(made.iter().all(|s| [201, 403].contains(s)), "{made:?}");
    let more = make(&one());
    assert_eq!(more.status, 403, "{more:?}");
    assert!(more.body.to_string().contains("There is a second factor already"), "{more:?}");
    let both = w.both("ann", &bank, NEW, "unscoped".into()).token;
    let second = make(&both);
    assert_eq!(second.status, 201, "{second:?}");
    // With a device all ends that was signed in to; the other device is good still.
    let other = one();
    let path = format!("/v3/credentials/{}", second.id("credential"));
    assert_eq!(w.send(with(&other), "DELETE", &path, Value::Null).status, 403);
    assert_eq!(w.send(with(&both), "DELETE", &path, Value::Null).status, 204);
    assert!(!w.works(&both) && !w.works(&other) && w.works(&boss));
    assert_eq!(w.both("ann", &bank, NEW, Value::Null).status, 201);
}

#[test]
fn a_signed_request_buys_its_signer_a_token_once() {
    let w = World::new("ec2");
    let (bank, boss) = w.institution("bank");
    let [ann, bob] = ["ann", "bob"].map(|name| w.person(&boss, name));
    let pay = w.project(&boss, "pay", &[&ann, &bob]);
    let token = |name: &str| {
        w.sign(Via::default(), &[by_password(name, &bank, NEW)], in_project(&pay)).token
    };
    let (own, others) = (token("ann"), token("bob"));
    let body = json!({ "credential": { "type": "ec2", "project_id": pay, "user_id": ann } });
    let made = w.send(with(&own), "POST", "/v3/credentials", body);
    let blob: Value = serde_json::from_str(made.body["credential"]["blob"].as_str().unwrap()).unwrap();
    let (access, secret) = (blob["access"].as_str().unwrap(), blob["secret"].as_str().unwrap());
    let signed = |seconds: i64, path: &str, secret: &str| {
        let time = Time(w.clock.load(Ordering::SeqCst)).plus_seconds(seconds).seconds();
        let query = format!("Action=Test&SignatureMethod=HmacSHA256&SignatureVersion=2&Timestamp={}",
            time.replace(':', "%3A"));
        let mac = Kms::hmac_sha256(secret.as_bytes(), format!("GET\nlocalhost\n/\n{query}").as_bytes());
        json!({ "credentials": { "access": access, "signature": STANDARD.encode(mac),
            "verb": "GET", "host": "localhost", "path": path,
            "params": { "Action": "Test", "SignatureVersion": "2", "Timestamp": time } } })
    };
    let send = |via: Via<'_>, body: Value| w.send(via, "POST", "/v3/ec2tokens", body);
    let good = signed(0, "/", secret);
    assert_eq!(send(Via::default(), good.clone()).status, 401, "nobody who has not signed in");
    assert_eq!(send(with(&others), good.clone()).status, 401, "nobody else");
    let bought = send(with(&own), good.clone());
    assert_eq!(bought.status, 200, "{bought:?}");
    assert_eq!(bought.body["token"]["methods"], json!(["ec2credential"]));
    assert_eq!(bought.body["token"]["project"]["id"], pay.as_str());
    assert_eq!(send(with(&own), good).status, 401, "once");
    for (what, body) in [("old", signed(-1000, "/", secret)), ("early", signed(400, "/", secret)),
        ("of another path", signed(1, "/x", secret)), ("by another key", signed(2, "/", "other"))] {
        w.pass(40);
        assert_eq!(send(with(&own), body).status, 401, "{what}");
    }
    let via = ("token", json!({ "id": bought.token }));
    assert_eq!(w.sign(Via::default(), &[via], in_project(&pay)).status, 403);
    let mut v1 = signed(3, "/", secret);
    v1["credentials"]["params"]["SignatureVersion"] = "1".into();
    assert_eq!(send(with(&own), v1).status, 400);
}

#[test]
fn factors_are_reset_by_the_manager_or_with_both_of_them() {
    let w = World::new("reset");
    let (bank, boss) = w.institution("bank");
    let ann = w.person(&boss, "ann");
    let path = format!("/v3/users/{ann}/OS-JINYUN/reset_factors");
    assert_eq!(w.enrol("ann", &bank, NEW).status, 201);
    let token = w.both("ann", &bank, NEW, Value::Null).token;
    let own = |password: &str, passcode: &str| {
        let body = json!({ "reset": { "password": password, "passcode": passcode } });
        w.send(with(&token), "POST", &path, body).status
    };
    w.pass(40);
    assert_eq!(own("Wrong-Pass-1", &w.code(0)), 401);
    assert_eq!(own(NEW, "000000"), 401);
    assert_eq!(w.send(with(&token), "POST", &path, json!({ "reset": {} })).status, 400);
    w.pass(40);
    assert_eq!(own(NEW, &w.code(0)), 204);
    assert!(!w.works(&token), "tokens are void");
    assert_eq!(w.ann(&bank, NEW).status, 201, "her own reset leaves the password");
    // By the manager: the password has to be changed too.
    assert_eq!(w.enrol("ann", &bank, NEW).status, 201);
    let token = w.ann(&bank, NEW).token;
    assert_eq!(w.send(with(&boss), "POST", &path, Value::Null).status, 204);
    assert!(!w.works(&token));
    assert!(w.ann(&bank, NEW).body.to_string().contains("needs to be changed"));
    assert_eq!(w.change(&ann, NEW, OWN).status, 204);
    w.pass(40);
    let methods = [by_password("ann", &bank, OWN), by_code("ann", &bank, &w.code(0))];
    assert_eq!(w.sign(Via::default(), &methods, Value::Null).status, 401, "the device is gone");
    let done = w.journal("identity:user:reset_factors");
    assert_eq!(done.len(), 2, "{done:?}");
    assert_eq!(done[1]["note"]["totp_credentials"], 1);
    // The provider's reach ends at the institution's manager.
    let security = w.both("secadmin", "default", NEW, system()).token;
    assert_eq!(w.send(with(&security), "POST", &path, Value::Null).status, 403);
}
