//! How far an identity provider's word goes: whether it stands for two factors, and that what it has
//! signed or brought before it was shut or made anew stays void.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod federation_world;
mod login_world;

use federation_world::*;
use jinyun_base::Time;
use jinyun_engine::{Command, Job};
use jinyun_policy::Actor;
use login_world::*;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const RULE: &str = "jinyun:multi_factor";

impl House {
    /// What the provider says of Ann with more about how she signed in there; `auth_time` in seconds
    /// from now.
    fn ann_by(&self, more: &Value) -> Value {
        let mut claims = self.ann(&["ops"]);
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        if let Some(at) = more.get("auth_time").and_then(Value::as_i64) {
            claims["auth_time"] = (self.w.clock.load(Ordering::SeqCst) / Time::SECOND + at).into();
        }
        claims
    }

    /// What the journal says of the provider of the last sign-in that went well.
    fn by_whom(&self) -> Value {
        let all = self.w.journal("identity:token:create");
        let last = all.iter().rev().find(|e| e["note"]["identity_provider"].is_object());
        last.map(|e| e["note"]["identity_provider"].clone()).unwrap_or_default()
    }
}

#[test]
fn the_providers_word_about_factors_counts_as_its_institution_says() {
    let mut h = House::new("word");
    h.demand_two();
    let none = Value::Null;
    let rule = json!({ "amr_any_of": [["mfa"], ["pwd", "otp"], ["hwk"]], "acr_any_of": ["urn:bank:two"] });
    let aged = json!({ "amr_any_of": [["mfa"]], "max_age_seconds": 600 });
    let cases = [
        (&none, json!({ "amr": ["mfa"] }), Err("nothing of its tokens is set")),
        (&rule, json!({ "amr": ["mfa"] }), Ok("amr=mfa")),
        (&rule, json!({ "amr": ["otp", "user", "pwd"] }), Ok("amr=pwd,otp")),
        (&rule, json!({ "amr": ["hwk"], "acr": "urn:bank:one" }), Ok("amr=hwk")),
        (&rule, json!({ "amr": ["pwd"], "acr": "urn:bank:two" }), Ok("acr=urn:bank:two")),
        (&rule, json!({}), Err("neither amr nor acr")),
        (&rule, json!({ "amr": ["pwd"] }), Err("neither amr nor acr")),
        (&rule, json!({ "amr": ["MFA"] }), Err("neither amr nor acr")),
        (&rule, json!({ "amr": ["pwd otp"] }), Err("neither amr nor acr")),
        (&rule, json!({ "amr": "mfa" }), Err("no list of texts")),
        (&rule, json!({ "amr": ["mfa", 1] }), Err("no list of texts")),
        (&rule, json!({ "acr": ["urn:bank:two"] }), Err("neither amr nor acr")),
        (&rule, json!({ "methods": ["mfa"], "multi_factor": true }), Err("neither amr nor acr")),
        (&aged, json!({ "amr": ["mfa"] }), Err("auth_time")),
        (&aged, json!({ "amr": ["mfa"], "auth_time": -100 }), Ok("amr=mfa")),
        (&aged, json!({ "amr": ["mfa"], "auth_time": -900 }), Err("too long ago")),
        (&aged, json!({ "amr": ["mfa"], "auth_time": 900 }), Err("or not yet")),
        (&aged, json!({ "amr": ["mfa"], "auth_time": "now" }), Err("cannot be read")),
    ];
    let mut set = &none;
    for (rule, how, want) in &cases {
        if set != *rule {
            let changed = h.change(RULE, (*rule).clone());
            assert_eq!(changed.status, 200, "{rule}: {changed:?}");
            assert_eq!(changed.body["identity_provider"][RULE]["max_age_seconds"],
                rule["max_age_seconds"], "it is shown");
            set = *rule;
        }
        h.w.pass(2);
        let came = h.knock(&h.ann_by(how));
        match want {
            Ok(by) => {
                assert_eq!(came.status, 201, "{how}: {came:?}");
                assert_eq!(came.body["token"]["methods"], json!(["mfa", "openid"]), "{how}");
                let scoped = h.enter(&came.token, &h.pay);
                assert_eq!(scoped.status, 201, "{how}: {scoped:?}");
                assert_eq!(scoped.body["token"]["methods"], json!(["mfa", "openid", "token"]));
                assert!(h.w.works(&scoped.token), "{how}");
                let whose = json!({ "provider": h.corp(), "protocol": "openid", "multi_factor": by });
                assert_eq!(h.by_whom(), whose, "{how}");
            }
            Err(why) => {
                assert_eq!((came.status, came.token.as_str()), (401, ""), "{how}: {came:?}");
                let said = came.body.to_string();
                assert!(said.contains(*why) && said.contains(RULE), "what to do: {how}: {said}");
                assert!(h.why().contains("two factors are asked for"), "{how}: {}", h.why());
                assert!(h.why().contains(*why), "{how}: {}", h.why());
            }
        }
    }
    let said = format!("{:?}", h.w.journal("identity:token:create"));
    assert!(!said.contains("urn:bank:one"), "what a token says stands in no journal");
}

#[test]
fn without_a_demand_the_word_is_recorded_and_nothing_else() {
    let h = House::new("quiet");
    let before = h.come(&["ops"]).token;
    assert_eq!(h.by_whom().get("multi_factor"), None);
    assert_eq!(h.change(RULE, json!({ "amr_any_of": [["mfa"]] })).status, 200);
    assert!(h.w.works(&before), "a first rule takes nothing");
    h.w.pass(40);
    for (how, methods) in [(json!({ "amr": ["mfa"] }), json!(["mfa", "openid"])),
        (json!({ "amr": ["pwd"] }), json!(["openid"])), (json!({ "amr": 7 }), json!(["openid"]))] {
        let came = h.knock(&h.ann_by(&how));
        assert_eq!((came.status, &came.body["token"]["methods"]), (201, &methods), "{how}: {came:?}");
    }
    // Nobody can ask for it.
    for method in ["mfa", "openid"] {
        let asked = h.w.sign(Via::default(), &[(method, json!({ "id": "x" }))], "unscoped".into());
        assert_eq!(asked.status, 400, "{method}: {asked:?}");
        let own = [by_password("boss", &h.bank, OWN), (method, json!({}))];
        let asked = h.w.sign(Via::default(), &own, "unscoped".into());
        assert_eq!(asked.status, 400, "{method}: {asked:?}");
    }
}

#[test]
fn a_rule_that_held_takes_what_came_by_it() {
    let h = House::new("rule");
    let rule = json!({ "amr_any_of": [["mfa"]] });
    let mfa = || h.ann_by(&json!({ "amr": ["mfa"] }));
    assert_eq!(h.change(RULE, rule.clone()).status, 200);
    for next in [json!({ "amr_any_of": [["otp", "pwd"]] }), Value::Null] {
        h.w.pass(40);
        let signed = mfa();
        let came = h.knock(&signed);
        assert_eq!(came.status, 201, "{came:?}");
        let held = h.w.send(with(&h.boss), "GET", &format!("{PROVIDERS}/corp"), Value::Null);
        let held = held.body["identity_provider"][RULE].clone();
        assert_eq!(h.change(RULE, held).status, 200);
        assert!(h.w.works(&came.token), "it is the same rule");
        assert_eq!(h.change(RULE, next.clone()).status, 200);
        assert!(!h.w.works(&came.token), "{next}");
        let text = format!("Bearer {}", token(&signed));
        assert_eq!(knock(&h.w, &h.corp(), Some(&text), "10.4.0.1").status, 401, "{next}");
        assert!(h.why().contains("older than"), "{}", h.why());
    }
    h.w.pass(40);
    assert_eq!(h.knock(&mfa()).body["token"]["methods"], json!(["openid"]));
}

#[test]
fn a_users_own_rules_and_factors_stay_what_they_are() {
    let h = House::new("own");
    let rules = json!([{ "local": [{ "user": { "name": "{0}", "type": "local" } }],
        "remote": [{ "type": "preferred_username" }] }]);
    let mapping = json!({ "mapping": { "rules": rules } });
    assert_eq!(h.ask("PATCH", "/v3/OS-FEDERATION/mappings/corp", mapping).status, 200);
    assert_eq!(h.change(RULE, json!({ "amr_any_of": [["mfa"]] })).status, 200);
    let ann = h.w.person(&h.boss, "ann");
    let device = h.w.enrol("ann", &h.bank, NEW);
    assert_eq!(device.status, 201, "{device:?}");
    let two = |claims: Value| {
        h.w.pass(40);
        h.knock(&claims)
    };
    let mfa = || two(h.ann_by(&json!({ "amr": ["mfa"] })));
    let plain = || two(h.ann(&[]));
    let rule = |rules: Value| {
        let body = json!({ "user": { "options": { "multi_factor_auth_rules": rules } } });
        h.ask("PATCH", &format!("/v3/users/{ann}"), body).status
    };
    // What was proved elsewhere opens no device that is here.
    let came = mfa();
    assert_eq!(came.status, 201, "{came:?}");
    let codes = format!("/v3/users/{ann}/OS-JINYUN/recovery_codes");
    assert_eq!(h.w.send(with(&came.token), "POST", &codes, Value::Null).status, 403);
    let path = format!("/v3/credentials/{}", device.id("credential"));
    assert_eq!(h.w.send(with(&came.token), "DELETE", &path, Value::Null).status, 403);
    // Rules that name methods mean these methods.
    assert_eq!(rule(json!([["password", "totp"]])), 200);
    assert_eq!(mfa().status, 401);
    assert_eq!(rule(json!([["openid", "mfa"]])), 200);
    assert_eq!((plain().status, mfa().status), (401, 201));
    // Half by the provider and half here: what comes of it ends with the provider.
    assert_eq!(rule(json!([["openid", "totp"]])), 200);
    let whole = |receipt: &str| {
        let via = Via { receipt: Some(receipt), ..Via::default() };
        h.w.sign(via, &[by_code("ann", &h.bank, &h.w.code(0))], "unscoped".into())
    };
    let half = plain();
    assert_eq!((half.status, &half.body["receipt"]["methods"]), (401, &json!(["openid"])), "{half:?}");
    let done = whole(&half.receipt);
    assert_eq!(done.status, 201, "{done:?}");
    let through = &done.body["token"]["user"]["OS-FEDERATION"]["identity_provider"]["id"];
    assert_eq!(through, &json!(h.corp()));
    assert!(h.w.works(&done.token));
    let half = plain();
    for on in [false, true] {
        assert_eq!(h.change("enabled", on.into()).status, 200);
        assert!(!h.w.works(&done.token), "{on}");
        h.w.pass(30);
        assert_eq!(whole(&half.receipt).status, 401, "{on}");
        assert!(h.why().contains("of the receipt"), "{on}: {}", h.why());
    }
}

#[test]
fn nothing_from_before_comes_back() {
    let h = House::new("before");
    let corp = format!("{PROVIDERS}/corp");
    let openid = format!("{corp}/protocols/openid");
    let mappings = |id: &str| format!("/v3/OS-FEDERATION/mappings/{id}");
    let map = || json!({ "mapping": { "rules": rules() } });
    let by = |id: &str| json!({ "protocol": { "mapping_id": id } });
    let on = |on: bool| ("PATCH", corp.clone(), json!({ "identity_provider": { "enabled": on } }), 200);
    assert_eq!(h.ask("PUT", &mappings("spare"), map()).status, 201);
    let breaks = [
        ("disabled and enabled", vec![on(false), on(true)]),
        ("its protocol made again", vec![("DELETE", openid.clone(), Value::Null, 204),
            ("PUT", openid.clone(), by("corp"), 201)]),
        ("another mapping and back", vec![("PATCH", openid.clone(), by("spare"), 200),
            ("PATCH", openid.clone(), by("corp"), 200)]),
        ("its mapping made again", vec![("DELETE", openid.clone(), Value::Null, 204),
            ("DELETE", mappings("corp"), Value::Null, 204), ("PUT", mappings("corp"), map(), 201),
            ("PUT", openid.clone(), by("corp"), 201)]),
        ("made again", vec![("DELETE", corp.clone(), Value::Null, 204), ("PUT", corp.clone(), provider(), 201),
            ("PUT", openid.clone(), by("corp"), 201)]),
    ];
    for (n, (what, steps)) in breaks.into_iter().enumerate() {
        h.w.pass(40);
        let old = h.ann(&["ops"]);
        let came = h.knock(&old);
        assert_eq!(came.status, 201, "{what}: {came:?}");
        let scoped = h.enter(&came.token, &h.pay).token;
        assert!(h.w.works(&scoped), "{what}");
        let again = h.knock(&old);
        assert_eq!(again.status, 201, "{what}: as long as nothing happens it is good");
        let mut between = None;
        for (method, path, body, status) in steps {
            let answer = h.ask(method, &path, body);
            assert_eq!(answer.status, status, "{what}: {method} {path}: {answer:?}");
            h.w.pass(2);
            between = between.or(Some(h.ann(&["ops"])));
        }
        for token in [&came.token, &scoped, &again.token] {
            assert!(!h.w.works(token), "{what}");
        }
        // What was signed before, and while it was shut.
        for (k, claims) in [old, between.unwrap()].iter().enumerate() {
            let text = format!("Bearer {}", token(claims));
            let source = format!("10.5.{n}.{k}");
            assert_eq!(knock(&h.w, &h.corp(), Some(&text), &source).status, 401, "{what} {k}");
            assert!(h.why().contains("older than"), "{what} {k}: {}", h.why());
        }
        assert_eq!(h.come(&["ops"]).status, 201, "{what}: what is signed from now on");
    }
    // A change that changes nothing takes nothing.
    let came = h.come(&["ops"]);
    for (method, path, body, status) in [on(true), ("PATCH", openid, by("corp"), 200),
        ("PATCH", mappings("corp"), map(), 200)] {
        assert_eq!(h.ask(method, &path, body).status, status, "{path}");
        assert!(h.w.works(&came.token), "{path}");
    }
}

#[test]
fn a_provider_that_was_made_again_vouches_for_nobody_yet() {
    let h = House::new("again");
    let came = h.come(&["ops"]);
    let ann = h.user("ann").unwrap();
    let join = format!("/v3/groups/{}/users/{ann}", h.ops);
    assert_eq!(h.ask("PUT", &join, Value::Null).status, 204, "the manager's own, without an end");
    let scoped = h.enter(&came.token, &h.pay).token;
    let secret = "A-Secret-Of-A-Program";
    let path = format!("/v3/users/{ann}/application_credentials");
    let made = h.w.send(with(&scoped), "POST", &path,
        json!({ "application_credential": { "name": "backup", "secret": secret } }));
    let id = made.id("application_credential");
    let program = || {
        let proof = json!({ "id": id, "secret": secret });
        let got = h.w.sign(Via::default(), &[("application_credential", proof)], Value::Null);
        got.status == 201 && h.w.works(&got.token)
    };
    assert!(program());
    let corp = format!("{PROVIDERS}/corp");
    for on in [false, true] {
        assert_eq!(h.change("enabled", on.into()).status, 200);
        assert_eq!(program(), on, "a pause is a pause");
    }
    assert_eq!(h.ask("DELETE", &corp, Value::Null).status, 204);
    assert!(!program());
    assert_eq!(h.ask("PUT", &corp, provider()).status, 201);
    let protocol = json!({ "protocol": { "mapping_id": "corp" } });
    assert_eq!(h.ask("PUT", &format!("{corp}/protocols/openid"), protocol).status, 201);
    assert!(!program(), "it is another provider, whatever its id");
    h.w.pass(40);
    h.come(&["ops"]);
    assert_eq!(h.user("ann"), Some(ann));
    assert!(program(), "it knows her");
}

#[test]
fn half_a_sign_in_ends_when_the_providers_word_does() {
    let h = House::new("half");
    let rules = json!([{ "local": [{ "user": { "name": "{0}", "type": "local" } }],
        "remote": [{ "type": "preferred_username" }] }]);
    let mapping = json!({ "mapping": { "rules": rules } });
    assert_eq!(h.ask("PATCH", "/v3/OS-FEDERATION/mappings/corp", mapping).status, 200);
    let ann = h.w.person(&h.boss, "ann");
    assert_eq!(h.w.enrol("ann", &h.bank, NEW).status, 201);
    let rules = json!({ "user": { "options": { "multi_factor_auth_rules": [["openid", "totp"]] } } });
    assert_eq!(h.ask("PATCH", &format!("/v3/users/{ann}"), rules).status, 200);
    let half = || {
        h.w.pass(40);
        let half = h.knock(&h.ann(&[]));
        assert_eq!((half.status, half.receipt.is_empty()), (401, false), "{half:?}");
        half.receipt
    };
    let whole = |receipt: &str| {
        let via = Via { receipt: Some(receipt), ..Via::default() };
        h.w.sign(via, &[by_code("ann", &h.bank, &h.w.code(0))], "unscoped".into())
    };
    let again = |token: &str| {
        h.w.sign(Via::default(), &[("token", json!({ "id": token }))], "unscoped".into())
    };
    // The provider's token lives for ten minutes, and by itself nothing here would end before an hour.
    let receipt = half();
    h.w.pass(200);
    let done = whole(&receipt);
    assert_eq!(done.status, 201, "{done:?}");
    let from_it = again(&done.token).token;
    h.w.pass(390);
    assert!(h.w.works(&done.token) && h.w.works(&from_it));
    h.w.pass(20);
    assert!(!h.w.works(&done.token) && !h.w.works(&from_it), "as it would without a second factor");
    // Or as long as its manager says: a minute.
    assert_eq!(h.change("authorization_ttl", 1.into()).status, 200);
    let receipt = half();
    h.w.pass(30);
    let done = whole(&receipt);
    assert_eq!(done.status, 201, "{done:?}");
    h.w.pass(40);
    assert!(!h.w.works(&done.token));
    let receipt = half();
    h.w.pass(70);
    assert_eq!(whole(&receipt).status, 401, "what the word has ended with is not made whole");
    assert!(h.why().contains("not good for this user, source and time"), "{}", h.why());
}

#[test]
fn people_of_a_provider_from_before_stay_who_they_are() {
    let h = House::new("row");
    // As she was kept when the row of a provider was its id alone.
    let who = json!({ "source": "corp", "protocol": "openid", "unique": format!("{ISSUER}#ann-7"),
        "name": "ann", "email": null, "domain": h.bank, "groups": [], "until": 0 });
    let mut command = Command::new("identity:user:shadow", Actor::system("identity"), "req-1");
    command.domain = Some(h.bank.as_str().into());
    assert!(h.w.cloud.handle.run(Job::Command(Box::new(command.with(who)))).is_ok());
    let ann = h.user("ann").unwrap();
    let join = format!("/v3/groups/{}/users/{ann}", h.ops);
    assert_eq!(h.ask("PUT", &join, Value::Null).status, 204, "what the manager gave her");
    // The provider of now, which was made again, says the same of her.
    let came = h.come(&["risk"]);
    assert_eq!(h.user("ann"), Some(ann.clone()));
    assert_eq!(came.body["token"]["user"]["id"], ann.as_str());
    for project in [&h.pay, &h.watch] {
        assert_eq!(h.enter(&came.token, project).status, 201, "hers, and what the provider gives");
    }
    let shown = h.ask("GET", &format!("/v3/users/{ann}"), Value::Null).body["user"].clone();
    assert_eq!(shown["federated"][0]["idp_id"], h.corp());
}
