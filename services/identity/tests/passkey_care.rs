//! Passkeys over time: who may add and take them, with what kind of sign-in, and what ends with them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod federation_world;
mod login_world;
mod passkey_world;

use federation_world::House;
use jinyun_identity::RelyingParty;
use login_world::*;
use passkey_world::{Hand, Key, MANY, PARTY, STAFF, ann, enrol, options, sign_in, why, world};
use serde_json::{Value, json};

const DEVICE: &str = "/v3/OS-JINYUN/device";

/// A program that somebody's token lets in: its token.
fn let_in(w: &World, token: &str, scope: Value) -> Answer {
    let body = json!({ "device": { "client": "a program" } });
    let made = w.send(Via::default(), "POST", DEVICE, body).body["device"].clone();
    let allow = json!({ "device": { "answer": "allow" } });
    let path = format!("{DEVICE}/{}", made["user_code"].as_str().unwrap());
    assert_eq!(w.send(with(token), "POST", &path, allow).status, 204);
    w.pass(3);
    let code = json!({ "device_code": made["device_code"] });
    let got = w.sign(Via::default(), &[("device", code)], scope);
    assert_eq!(got.status, 201, "{got:?}");
    got
}

#[test]
fn a_program_that_was_let_in_changes_no_factors_and_makes_nothing_that_stays() {
    let (w, key, _, bank, boss) = ann("letin");
    let id = w.user("ann", &bank);
    let pay = w.project(&boss, "pay", &[&id]);
    let hand = sign_in(&w, &key).token;
    let program = let_in(&w, &hand, in_project(&pay));
    assert_eq!(program.body["token"]["methods"], json!(["device", "passkey"]));
    let own = w.send(with(&program.token), "GET", MANY, Value::Null);
    let one = own.body["passkeys"][0]["id"].as_str().unwrap().to_string();
    let again = w.sign(Via::default(), &[("token", json!({ "id": program.token }))], in_project(&pay));
    assert_eq!(again.status, 201, "{again:?}");
    let in_pay = w.sign(Via::default(), &[("token", json!({ "id": hand }))], in_project(&pay)).token;
    let keys = json!({ "credential": { "type": "ec2", "project_id": pay } });
    let seed = json!({ "credential": { "type": "totp", "blob": SEED } });
    let ci = json!({ "application_credential": { "name": "ci" } });
    let tenant = json!({ "tenant_id": pay });
    let of = |word: &str| format!("/v3/users/{id}/{word}");
    // What is tried, and what somebody gets for it who has signed in by hand. The last one ends that.
    let tries = [
        ("POST", format!("{MANY}/options"), json!({}), 200),
        ("POST", "/v3/credentials".to_string(), keys, 201),
        ("POST", of("credentials/OS-EC2"), tenant, 201),
        ("POST", "/v3/credentials".to_string(), seed, 201),
        ("POST", of("application_credentials"), ci, 201),
        ("POST", of("OS-JINYUN/recovery_codes"), Value::Null, 201),
        ("DELETE", format!("{MANY}/{one}"), Value::Null, 204),
    ];
    for (method, path, body, _) in &tries {
        for token in [&program.token, &again.token] {
            let got = w.send(with(token), method, path, body.clone());
            assert_eq!(got.status, 403, "{method} {path}: {got:?}");
            assert!(got.body.to_string().contains("was let in by a browser"), "{method} {path}: {got:?}");
        }
    }
    // Nor does it let the next one in.
    let body = json!({ "device": { "client": "another" } });
    let made = w.send(Via::default(), "POST", DEVICE, body).body["device"].clone();
    let path = format!("{DEVICE}/{}", made["user_code"].as_str().unwrap());
    let allow = json!({ "device": { "answer": "allow" } });
    assert_eq!(w.send(with(&program.token), "POST", &path, allow).status, 403);
    for (method, path, body, want) in &tries {
        let got = w.send(with(&in_pay), method, path, body.clone());
        assert_eq!(got.status, *want, "{method} {path}: {got:?}");
    }
    assert!(!w.works(&in_pay) && !w.works(&program.token), "the passkey was deleted");
}

#[test]
fn a_passkey_is_made_soon_after_a_sign_in() {
    let (w, key, ..) = ann("soon");
    let token = sign_in(&w, &key).token;
    w.pass(590);
    assert_eq!(options(&w, &token).status, 200);
    w.pass(20);
    let late = options(&w, &token);
    assert_eq!(late.status, 403);
    assert!(late.body.to_string().contains("Sign in again first"), "{late:?}");
    // A token that is made from it is of the same sign-in.
    let newer = w.sign(Via::default(), &[("token", json!({ "id": token }))], "unscoped".into()).token;
    assert_eq!(options(&w, &newer).status, 403);
    let fresh = sign_in(&w, &key).token;
    assert_eq!(enrol(&w, &fresh, &mut Key::new(Hand::es(), "second")).status, 201);
}

#[test]
fn a_new_password_takes_the_passkeys_that_rested_on_the_old_one() {
    // Whether the manager sets it, or ann does.
    for by_manager in [false, true] {
        let (w, first, _, bank, boss) = ann(&format!("rests-{by_manager}"));
        let id = w.user("ann", &bank);
        // One that was made by such a passkey is no better.
        let mut second = Key::new(Hand::es(), "second");
        let token = sign_in(&w, &first).token;
        assert_eq!(enrol(&w, &token, &mut second).status, 201);
        let token = sign_in(&w, &second).token;
        if by_manager {
            let body = json!({ "user": { "password": OWN } });
            let set = w.send(with(&boss), "PATCH", &format!("/v3/users/{id}"), body);
            assert_eq!(set.status, 200, "{set:?}");
        } else {
            assert_eq!(w.change(&id, NEW, OWN).status, 204);
        }
        let what = if by_manager { "identity:user:update" } else { "identity:user:change_password" };
        let entry = w.journal(what).pop().unwrap();
        assert_eq!(entry["note"]["passkeys"], 2, "{entry}");
        assert!(!w.works(&token));
        for key in [&first, &second] {
            w.pass(40);
            assert_eq!(sign_in(&w, key).status, 401);
            assert_eq!(why(&w), "there is no such passkey");
        }
        let now = sign_in_by_password(&w, &id, &bank, by_manager);
        assert_eq!(options(&w, &now).status, 200, "there is no second factor: the password makes one");
    }
}

/// Ann's token by the password that she has now.
fn sign_in_by_password(w: &World, id: &str, bank: &str, by_manager: bool) -> String {
    const THIRD: &str = "Third-Password-3";
    let password = if by_manager {
        assert_eq!(w.change(id, OWN, THIRD).status, 204);
        THIRD
    } else {
        OWN
    };
    let answer = w.ann(bank, password);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.token
}

#[test]
fn a_passkey_that_an_older_factor_vouches_for_stays_with_a_new_password() {
    let w = world("older");
    let (bank, boss) = w.institution("bank");
    let id = w.person(&boss, "ann");
    assert_eq!(w.enrol("ann", &bank, NEW).status, 201);
    // The device is from before this password: whoever knows it alone does not have that.
    assert_eq!(w.change(&id, NEW, OWN).status, 204);
    let token = w.both("ann", &bank, OWN, "unscoped".into()).token;
    let mut key = Key::new(Hand::es(), "ann's");
    assert_eq!(enrol(&w, &token, &mut key).status, 201);
    let mut other = Key::new(Hand::es(), "by it");
    let token = sign_in(&w, &key).token;
    assert_eq!(enrol(&w, &token, &mut other).status, 201);
    const THIRD: &str = "Third-Password-3";
    assert_eq!(w.change(&id, OWN, THIRD).status, 204);
    for key in [&key, &other] {
        w.pass(40);
        assert_eq!(sign_in(&w, key).status, 201, "{}", why(&w));
    }
}

#[test]
fn where_more_than_a_password_is_asked_for_a_new_one_takes_nothing() {
    // By the domain, and by the user's own rules: who has stolen the password changes it, and would be
    // asked for nothing else.
    for by_rules in [false, true] {
        let (w, key, _, bank, boss) = ann(&format!("asked-{by_rules}"));
        let id = w.user("ann", &bank);
        let (path, body) = match by_rules {
            true => (format!("/v3/users/{id}"),
                json!({ "user": { "options": { "multi_factor_auth_rules": [["passkey"]] } } })),
            false => (format!("/v3/domains/{bank}/config"),
                json!({ "config": { "security_compliance": { "multi_factor": true } } })),
        };
        let set = w.send(with(&boss), "PATCH", &path, body);
        assert_eq!(set.status, 200, "{set:?}");
        assert_eq!(w.change(&id, NEW, OWN).status, 204);
        assert_eq!(w.ann(&bank, OWN).status, 401, "{by_rules}");
        w.pass(40);
        assert_eq!(sign_in(&w, &key).status, 201, "{by_rules}: {}", why(&w));
    }
    // And by a duty.
    let w = world("duty");
    let begin = w.sign(Via::default(), &[by_password("sysadmin", "default", NEW)], "unscoped".into());
    let mut key = Key::new(Hand::es(), "staff's");
    assert_eq!(enrol(&w, &begin.token, &mut key).status, 201);
    assert_eq!(w.change(&w.user("sysadmin", "default"), NEW, OWN).status, 204);
    assert_eq!(sign_in(&w, &key).status, 201, "{}", why(&w));
}

#[test]
fn a_providers_word_makes_no_passkey_for_a_user_of_our_own() {
    let h = House::new("hand");
    let origins = vec![STAFF.to_string()];
    h.w.identity.rely_on(RelyingParty { id: PARTY.into(), name: "Jinyun".into(), origins });
    // Who comes from there needs the provider beside it, always.
    assert_eq!(options(&h.w, &h.come(&[]).token).status, 200);
    let rules = json!([{ "local": [{ "user": { "name": "{0}", "type": "local" } }],
        "remote": [{ "type": "preferred_username" }] }]);
    let mapping = json!({ "mapping": { "rules": rules } });
    assert_eq!(h.ask("PATCH", "/v3/OS-FEDERATION/mappings/corp", mapping).status, 200);
    let bob = h.w.person(&h.boss, "bob");
    h.w.pass(40);
    let mut claims = h.ann(&[]);
    claims["preferred_username"] = "bob".into();
    let came = h.knock(&claims);
    assert_eq!(came.body["token"]["user"]["id"], bob.as_str(), "{came:?}");
    let no = options(&h.w, &came.token);
    assert_eq!(no.status, 403);
    assert!(no.body.to_string().contains("sign in with the password"), "{no:?}");
    let own = h.w.sign(Via::default(), &[by_password("bob", &h.bank, NEW)], "unscoped".into()).token;
    assert_eq!(options(&h.w, &own).status, 200);
    assert_eq!(enrol(&h.w, &own, &mut Key::new(Hand::es(), "bob's")).status, 201);
}
