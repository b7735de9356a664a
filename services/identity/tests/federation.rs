//! Signing in by an institution's own identity provider.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod federation_world;
mod login_world;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use federation_world::*;
use jinyun_base::Time;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use login_world::*;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

#[test]
fn a_person_of_the_provider_works_by_the_roles_of_its_groups() {
    let h = House::new("works");
    let came = h.come(&["ops", "Everybody over there"]);
    let told = &came.body["token"];
    assert_eq!(told["methods"], json!(["openid"]));
    assert_eq!(told["user"]["name"], "ann");
    assert_eq!(told["user"]["domain"]["id"], h.bank.as_str());
    let through = json!({ "identity_provider": { "id": h.corp() }, "protocol": { "id": "openid" },
        "groups": [{ "id": h.ops }] });
    assert_eq!(told["user"]["OS-FEDERATION"], through);
    assert!(told.get("project").is_none() && told.get("roles").is_none(), "{told}");
    let scoped = h.enter(&came.token, &h.pay);
    assert_eq!(scoped.status, 201, "{scoped:?}");
    assert_eq!(scoped.body["token"]["user"]["OS-FEDERATION"], through, "kept");
    assert!(h.w.works(&scoped.token));
    assert_eq!(h.enter(&came.token, &h.watch).status, 401, "a group that nobody said");
    let reach = h.w.send(with(&came.token), "GET", "/v3/OS-FEDERATION/projects", Value::Null);
    assert_eq!(reach.body["projects"][0]["id"], h.pay.as_str(), "{reach:?}");
    // The row: without a password, and none can be set.
    let ann = h.user("ann").unwrap();
    let path = format!("/v3/users/{ann}");
    let shown = h.ask("GET", &path, Value::Null).body["user"].clone();
    assert_eq!(shown["email"], "ann@bank.example");
    let unique = format!("{ISSUER}#ann-7");
    assert_eq!(shown["federated"], json!([{ "idp_id": h.corp(),
        "protocols": [{ "protocol_id": "openid", "unique_id": unique }] }]));
    let set = h.ask("PATCH", &path, json!({ "user": { "password": NEW } }));
    assert_eq!(set.status, 400, "{set:?}");
    let by_hand = h.w.sign(Via::default(), &[by_password("ann", &h.bank, NEW)], Value::Null);
    assert_eq!(by_hand.status, 401);
    // What was recorded: the row and the group in one entry, then the sign-in.
    let made = h.w.journal("identity:user:shadow");
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["institution"]["id"], h.bank.as_str());
    let kinds: Vec<&str> =
        made[0]["effects"].as_array().unwrap().iter().filter_map(|e| e["kind"].as_str()).collect();
    assert_eq!(kinds, ["user", "membership"]);
    let login = h.w.journal("identity:token:create");
    let by = json!({ "provider": h.corp(), "protocol": "openid" });
    assert!(login.iter().any(|e| e["note"]["identity_provider"] == by), "{login:?}");
    // Again: one user.
    h.come(&["ops"]);
    assert_eq!(h.user("ann"), Some(ann));
}

#[test]
fn every_sort_of_key_is_good() {
    let h = House::new("keys");
    let path = format!("{PROVIDERS}/corp");
    let keys = json!({ "identity_provider": { "jinyun:jwks": { "keys": [
        public(FIRST_PUBLIC, Some("a")), public(EDWARDS_PUBLIC, Some("e")), public(RIVEST_PUBLIC, Some("r")),
    ] } } });
    let changed = h.ask("PATCH", &path, keys);
    assert_eq!(changed.status, 200, "{changed:?}");
    let edwards = EncodingKey::from_ed_der(&bytes(EDWARDS));
    let rivest = EncodingKey::from_rsa_der(&bytes(RIVEST));
    for (name, kid, key, algorithm) in [("ES256", "a", &first(), Algorithm::ES256),
        ("EdDSA", "e", &edwards, Algorithm::EdDSA), ("RS256", "r", &rivest, Algorithm::RS256),
        ("PS384", "r", &rivest, Algorithm::PS384)] {
        let head = json!({ "alg": name, "kid": kid, "typ": "at+jwt" });
        let text = signed(&head, &h.ann(&["ops"]).to_string(), key, algorithm);
        let answer = knock(&h.w, &h.corp(), Some(&format!("bearer {text}")), HOME);
        assert_eq!(answer.status, 201, "{name}: {answer:?}");
    }
}

#[test]
fn whatever_is_wrong_with_a_token_makes_nobody() {
    let h = House::new("wrong");
    let head = json!({ "alg": "ES256", "kid": "a" });
    let other = || EncodingKey::from_ec_der(&bytes(SECOND));
    let make = |head: &Value, claims: &str| signed(head, claims, &first(), Algorithm::ES256);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let ann = || h.ann(&["ops"]);
    let with = |name: &str, value: Value| {
        let mut claims = ann();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        token(&claims)
    };
    let now = || h.w.clock.load(Ordering::SeqCst) / Time::SECOND;
    let tampered = |n: usize, to: &str| {
        let good = token(&ann());
        let mut parts: Vec<String> = good.split('.').map(String::from).collect();
        parts[n] = to.into();
        parts.join(".")
    };
    // The public key as the secret, as bytes and as it stands in the set.
    let secret = |secret: &[u8]| {
        let head = json!({ "alg": "HS256", "kid": "a" });
        signed(&head, &ann().to_string(), &EncodingKey::from_secret(secret), Algorithm::HS256)
    };
    let cases: Vec<(&str, Box<dyn Fn() -> String + '_>, &str)> = vec![
        ("nothing", Box::new(String::new), "opaque"),
        ("an opaque token", Box::new(|| "gho_16C7e42F292c6912E7".into()), "opaque"),
        ("two parts", Box::new(|| format!("{}.{}", part(&head.to_string()), part("{}"))), "opaque"),
        ("five parts", Box::new(|| "a.b.c.d.e".into()), "encrypted"),
        ("a long one", Box::new(|| with("x", "x".repeat(16_000).into())), "too long"),
        ("alg none", Box::new(|| {
            format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&ann().to_string()))
        }), "not signed"),
        ("alg none, signed", Box::new(|| make(&json!({ "alg": "None" }), &ann().to_string())), "not signed"),
        ("a public key as a secret", Box::new(|| secret(FIRST_PUBLIC.as_bytes())), "shared secret"),
        ("its bytes as a secret", Box::new(|| {
            let x = public(FIRST_PUBLIC, None)["x"].as_str().map(bytes);
            secret(&x.unwrap())
        }), "shared secret"),
        ("another algorithm", Box::new(|| {
            make(&json!({ "alg": "RS256", "kid": "a" }), &ann().to_string())
        }), "not of its sort"),
        ("an algorithm of another curve", Box::new(|| {
            make(&json!({ "alg": "ES384", "kid": "a" }), &ann().to_string())
        }), "not of its sort"),
        ("no algorithm", Box::new(|| make(&json!({ "kid": "a" }), &ann().to_string())), "how it is signed"),
        ("an unknown key", Box::new(|| {
            make(&json!({ "alg": "ES256", "kid": "b" }), &ann().to_string())
        }), "kid"),
        ("another key", Box::new(|| {
            signed(&head, &ann().to_string(), &other(), Algorithm::ES256)
        }), "signature"),
        ("its own key in its header", Box::new(|| {
            let head = json!({ "alg": "ES256", "jwk": public(SECOND_PUBLIC, None) });
            signed(&head, &ann().to_string(), &other(), Algorithm::ES256)
        }), "signature"),
        ("no signature", Box::new(|| tampered(2, "")), "signature"),
        ("half a signature", Box::new(|| tampered(2, "AAAA")), "signature"),
        ("a signature of zeros", Box::new(|| tampered(2, &URL_SAFE_NO_PAD.encode([0; 64]))), "signature"),
        ("a payload of another", Box::new(|| {
            let claims = h.ann(&["ops", "risk"]).to_string();
            tampered(1, &part(&claims))
        }), "signature"),
        ("a header of another", Box::new(|| tampered(0, &part(r#"{"alg":"ES256"}"#))), "signature"),
        ("a header that is none", Box::new(|| tampered(0, "!!")), "header"),
        ("a header with two algorithms", Box::new(|| {
            let text = format!("{}.{}", part(r#"{"alg":"ES256","alg":"none"}"#), part(&ann().to_string()));
            let signature = crypto::sign(text.as_bytes(), &first(), Algorithm::ES256).unwrap();
            format!("{text}.{signature}")
        }), "twice"),
        ("claims with a name twice", Box::new(|| {
            let twice = ann().to_string().replacen('{', r#"{"sub":"boss","#, 1);
            make(&head, &twice)
        }), "twice"),
        ("groups twice", Box::new(|| {
            let twice = ann().to_string().replacen('{', r#"{"groups":["risk"],"#, 1);
            make(&head, &twice)
        }), "twice"),
        ("claims that are a list", Box::new(|| make(&head, "[]")), "cannot be read"),
        ("something to be understood", Box::new(|| {
            make(&json!({ "alg": "ES256", "crit": ["exp"], "exp": 1 }), &ann().to_string())
        }), "not offered"),
        ("a token of another sort", Box::new(|| {
            make(&json!({ "alg": "ES256", "typ": "logout+jwt" }), &ann().to_string())
        }), "another sort"),
        ("another issuer", Box::new(|| with("iss", "https://id.fund.example".into())), "another issuer"),
        ("no issuer", Box::new(|| with("iss", Value::Null)), "another issuer"),
        ("another audience", Box::new(|| with("aud", "mail".into())), "audience"),
        ("other audiences", Box::new(|| with("aud", json!(["mail", "jinyun-x"]))), "audience"),
        ("no audience", Box::new(|| with("aud", Value::Null)), "audience"),
        ("expired", Box::new(|| {
            let mut claims = ann();
            (claims["iat"], claims["exp"]) = ((now() - 900).into(), (now() - 61).into());
            token(&claims)
        }), "expired"),
        ("no end", Box::new(|| with("exp", Value::Null)), "no end"),
        ("not yet", Box::new(|| with("nbf", (now() + 120).into())), "not in force"),
        ("made in the future", Box::new(|| with("iat", (now() + 120).into())), "not in force"),
        ("made at no time", Box::new(|| with("iat", Value::Null)), "when it was made"),
        ("too long a life", Box::new(|| with("exp", (now() + 90_000).into())), "longer than a day"),
        ("about nobody", Box::new(|| with("sub", Value::Null)), "whom"),
        ("about a number", Box::new(|| with("sub", json!(7))), "whom"),
        ("no name", Box::new(|| with("preferred_username", Value::Null)), "give no user"),
        ("two names", Box::new(|| with("preferred_username", json!(["ann", "bob"]))), "several values"),
    ];
    let good = h.w.journal("identity:user:shadow").len();
    let mut said = None;
    for (n, (what, text, why)) in cases.iter().enumerate() {
        h.w.pass(40);
        let source = format!("10.1.{n}.1");
        let answer = knock(&h.w, &h.corp(), Some(&format!("Bearer {}", text())), &source);
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert_eq!(*said.get_or_insert(answer.body.to_string()), answer.body.to_string(), "{what}");
        assert!(h.why().contains(why), "{what}: {}", h.why());
    }
    let (corp, other) = (h.corp(), format!("other@{}", h.bank));
    for (what, idp, sent, why) in [("no header", corp.as_str(), None, "no bearer"),
        ("a password", corp.as_str(), Some("Basic YW5uOng="), "no bearer"),
        ("a scheme alone", corp.as_str(), Some("Bearer"), "no bearer"),
        ("no such provider", other.as_str(), Some("Bearer a.b.c"), "no such identity provider"),
        ("no such institution", "corp@fund", Some("Bearer a.b.c"), "no such identity provider"),
        ("no institution", "corp", Some("Bearer a.b.c"), "no such identity provider")] {
        h.w.pass(40);
        let answer = knock(&h.w, idp, sent, "10.2.0.1");
        assert_eq!((answer.status, Some(answer.body.to_string())), (401, said.clone()), "{what}");
        assert!(h.why().contains(why), "{what}: {}", h.why());
    }
    assert_eq!(h.w.journal("identity:user:shadow").len(), good, "nobody was made");
    assert_eq!(h.user("ann"), None);
    // And what all of that was made of is good; the leeway of a minute too.
    h.w.pass(40);
    let mut late = ann();
    (late["iat"], late["exp"]) = ((now() - 900).into(), (now() - 30).into());
    assert_eq!(h.knock(&late).status, 201);
    let journal = format!("{:?}", h.w.journal("identity:token:create"));
    assert!(!journal.contains("ann@bank.example") && !journal.contains("eyJ"), "a token's own text");
}

#[test]
fn failures_of_a_source_are_counted_and_forged_names_make_nobody_wait() {
    let h = House::new("count");
    let forged = || {
        let head = json!({ "alg": "ES256", "kid": "a" });
        let claims = h.ann(&["ops"]).to_string();
        signed(&head, &claims, &EncodingKey::from_ec_der(&bytes(SECOND)), Algorithm::ES256)
    };
    let knock = |text: &str| knock(&h.w, &h.corp(), Some(&format!("Bearer {text}")), "203.0.113.9").status;
    for _ in 0..4 {
        assert_eq!(knock(&forged()), 401);
    }
    assert!(h.why().contains("has to pause"), "{}", h.why());
    // It was not Ann who failed: her own token is good, from there too.
    assert_eq!(knock(&token(&h.ann(&["ops"]))), 201);
    for _ in 0..30 {
        h.w.pass(31);
        assert_eq!(knock(&forged()), 401);
    }
    let elsewhere = || h.w.journal("identity:token:create").last().unwrap()["outcome"].to_string();
    h.come(&["ops"]);
    assert!(elsewhere().contains("done"));
}

#[test]
fn groups_follow_the_provider_and_a_managers_own_stay() {
    let h = House::new("groups");
    let came = h.come(&["ops", "risk"]);
    let (pay, watch) = (h.enter(&came.token, &h.pay).token, h.enter(&came.token, &h.watch).token);
    assert!(h.w.works(&pay) && h.w.works(&watch));
    h.come(&["risk"]);
    assert!(!h.w.works(&pay) && h.w.works(&watch), "what was taken there is gone here, at once");
    let ann = h.user("ann").unwrap();
    let join = format!("/v3/groups/{}/users/{ann}", h.ops);
    assert_eq!(h.ask("PUT", &join, Value::Null).status, 204);
    assert!(h.w.works(&pay), "the manager's own");
    h.come(&[]);
    assert!(h.w.works(&pay) && !h.w.works(&watch), "only the provider's went");
    h.come(&["ops"]);
    h.come(&[]);
    assert!(h.w.works(&pay), "it stays the manager's own");
    // One that the provider gave becomes the manager's own when the manager gives it too.
    h.come(&["risk"]);
    let join = format!("/v3/groups/{}/users/{ann}", h.risk);
    assert_eq!(h.ask("PUT", &join, Value::Null).status, 204);
    h.come(&[]);
    assert!(h.w.works(&watch));
}

#[test]
fn what_somebody_left_behind_ends_with_the_providers_word() {
    let h = House::new("until");
    let ttl = json!({ "identity_provider": { "authorization_ttl": 60 } });
    let changed = h.ask("PATCH", &format!("{PROVIDERS}/corp"), ttl);
    assert_eq!(changed.status, 200, "{changed:?}");
    let came = h.come(&["ops"]);
    let scoped = h.enter(&came.token, &h.pay).token;
    let ann = h.user("ann").unwrap();
    let path = format!("/v3/users/{ann}/application_credentials");
    let secret = "A-Secret-Of-A-Program";
    let made = h.w.send(with(&scoped), "POST", &path,
        json!({ "application_credential": { "name": "backup", "secret": secret } }));
    let id = made.id("application_credential");
    let program = || {
        let proof = json!({ "id": id, "secret": secret });
        h.w.sign(Via::default(), &[("application_credential", proof)], Value::Null).status
    };
    assert_eq!(program(), 201);
    h.w.pass(3000);
    assert_eq!(program(), 201, "the provider's word holds for an hour");
    h.w.pass(700);
    assert_eq!(program(), 401, "the hour is over");
    assert!(!h.w.works(&scoped));
    assert!(h.w.identity.directory.groups_of(&ann.as_str().into()).is_empty());
    assert!(h.w.identity.directory.members(&h.ops.as_str().into()).is_empty());
    h.come(&["ops"]);
    h.w.pass(40);
    assert_eq!(program(), 201, "it is given again");
    // Without a time of its own, a sign-in holds as long as its token.
    let boss = h.w.boss(&h.bank);
    let none = json!({ "identity_provider": { "authorization_ttl": 0 } });
    assert_eq!(h.w.send(with(&boss), "PATCH", &format!("{PROVIDERS}/corp"), none).status, 200);
    let came = h.come(&["ops"]);
    let scoped = h.enter(&came.token, &h.pay).token;
    h.w.pass(590);
    assert!(h.w.works(&scoped));
    h.w.pass(20);
    assert!(!h.w.works(&scoped) && !h.w.works(&came.token));
}

#[test]
fn a_provider_that_is_gone_takes_what_came_by_it() {
    let h = House::new("gone");
    let path = format!("{PROVIDERS}/corp");
    let turn = |on: bool| {
        let body = json!({ "identity_provider": { "enabled": on } });
        assert_eq!(h.ask("PATCH", &path, body).status, 200);
    };
    let came = h.come(&["ops"]);
    let scoped = h.enter(&came.token, &h.pay).token;
    turn(false);
    assert!(!h.w.works(&came.token) && !h.w.works(&scoped));
    assert_eq!(h.knock(&h.ann(&["ops"])).status, 401);
    assert!(h.why().contains("disabled"), "{}", h.why());
    turn(true);
    assert!(!h.w.works(&came.token) && !h.w.works(&scoped), "for good");
    h.w.pass(40);
    let came = h.come(&["ops"]);
    let scoped = h.enter(&came.token, &h.pay).token;
    assert!(h.w.works(&scoped));
    // A new key, and then without the old one.
    let keys = |keys: Value| {
        let body = json!({ "identity_provider": { "jinyun:jwks": { "keys": keys } } });
        h.ask("PATCH", &path, body).body["identity_provider"]["jinyun:jwks"]["keys"].clone()
    };
    let both = json!([public(FIRST_PUBLIC, Some("a")), public(SECOND_PUBLIC, Some("b"))]);
    assert_eq!(keys(both.clone()), both);
    assert!(h.w.works(&scoped), "a key that comes takes nothing");
    let called = json!([public(FIRST_PUBLIC, Some("c")), public(SECOND_PUBLIC, Some("b"))]);
    assert_eq!(keys(called.clone()), called);
    assert!(h.w.works(&scoped), "nor does another name of one");
    let second = json!([public(SECOND_PUBLIC, Some("b"))]);
    let head = json!({ "alg": "ES256", "kid": "b" });
    let by_second = |claims: &Value, source: &str| {
        let key = EncodingKey::from_ec_der(&bytes(SECOND));
        let text = signed(&head, &claims.to_string(), &key, Algorithm::ES256);
        knock(&h.w, &h.corp(), Some(&format!("Bearer {text}")), source)
    };
    let before = h.ann(&["ops"]);
    assert_eq!(by_second(&before, HOME).status, 201);
    assert_eq!(keys(second.clone()), second);
    assert_eq!(h.knock(&h.ann(&["ops"])).status, 401, "the old key");
    assert!(!h.w.works(&scoped), "by which key somebody came is not kept: all of it has ended");
    assert_eq!(by_second(&before, "10.6.0.1").status, 401, "nor is what was signed until then good");
    assert!(h.why().contains("the loss of a key"), "{}", h.why());
    h.w.pass(40);
    let came = by_second(&h.ann(&["ops"]), HOME);
    assert_eq!(came.status, 201, "{came:?}");
    let scoped = h.enter(&came.token, &h.pay).token;
    // What it is called beside its issuer says nothing of what it signed; another issuer does.
    let more = "https://login.bank.example";
    assert_eq!(h.change("remote_ids", json!([ISSUER, more])).status, 200);
    assert_eq!(h.change("jinyun:issuer", ISSUER.into()).status, 200);
    assert!(h.w.works(&scoped), "it is the same issuer");
    assert_eq!(h.change("jinyun:issuer", more.into()).status, 200);
    assert!(!h.w.works(&scoped));
    assert_eq!(h.change("jinyun:issuer", ISSUER.into()).status, 200);
    assert!(!h.w.works(&scoped), "for good");
    h.w.pass(40);
    let came = by_second(&h.ann(&["ops"]), HOME);
    let scoped = h.enter(&came.token, &h.pay).token;
    assert!(h.w.works(&scoped));
    // The mapping is in use; the protocol goes, then the mapping may.
    let mapping = "/v3/OS-FEDERATION/mappings/corp";
    assert_eq!(h.ask("DELETE", mapping, Value::Null).status, 409);
    let protocol = format!("{path}/protocols/openid");
    assert_eq!(h.ask("DELETE", &protocol, Value::Null).status, 204);
    assert!(!h.w.works(&scoped));
    assert_eq!(h.ask("GET", &protocol, Value::Null).status, 404);
    assert_eq!(h.ask("DELETE", mapping, Value::Null).status, 204);
    assert_eq!(h.ask("DELETE", &path, Value::Null).status, 204);
    // Made anew, it does not bring back what came by the old one.
    h.set_up("corp", provider(), rules());
    assert!(!h.w.works(&scoped));
    h.w.pass(40);
    h.come(&["ops"]);
    // Who is closed here is closed, whatever the provider says.
    let ann = h.user("ann").unwrap();
    let off = json!({ "user": { "enabled": false } });
    assert_eq!(h.ask("PATCH", &format!("/v3/users/{ann}"), off).status, 200);
    assert_eq!(h.knock(&h.ann(&["ops"])).status, 401);
    assert!(h.why().contains("disabled"), "{}", h.why());
}

#[test]
fn names_change_and_are_not_taken_over() {
    let h = House::new("names");
    let named = |sub: &str, name: &str| {
        h.w.pass(40);
        let mut claims = h.ann(&["ops"]);
        (claims["sub"], claims["preferred_username"]) = (sub.into(), name.into());
        h.knock(&claims).status
    };
    assert_eq!(named("7", "ann"), 201);
    let ann = h.user("ann").unwrap();
    assert_eq!(named("7", "anna"), 201);
    assert_eq!((h.user("ann"), h.user("anna")), (None, Some(ann.clone())), "one user, renamed");
    assert_eq!(named("8", "ann"), 201, "the name is free");
    assert_ne!(h.user("ann"), Some(ann), "and gives nothing of whoever had it");
    assert_eq!(named("9", "Anna"), 401, "in use by another one of the provider's");
    let shadow = || h.w.journal("identity:user:shadow").last().unwrap()["reason"].to_string();
    assert!(shadow().contains("another user of an identity provider"), "{}", shadow());
    assert_eq!(named("7", "boss"), 401, "the manager's name");
    assert!(shadow().contains("taken by a local user"), "{}", shadow());
    assert!(h.user("anna").is_some(), "nothing has changed");
    assert_eq!(named("10", "p\u{430}yroll"), 401, "letters that look alike");
}

#[test]
fn a_local_user_may_be_meant() {
    let h = House::new("local");
    let rules = json!([{ "local": [{ "user": { "name": "{0}", "type": "local" } },
        { "groups": "{1}", "domain": { "id": h.bank } }],
        "remote": [{ "type": "preferred_username" }, { "type": "groups" }] }]);
    let changed = h.ask("PATCH", "/v3/OS-FEDERATION/mappings/corp", json!({ "mapping": { "rules": rules } }));
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(h.knock(&h.ann(&["ops"])).status, 401, "nobody of that name is here");
    assert!(h.why().contains("local user who is not there"), "{}", h.why());
    let ann = h.w.person(&h.boss, "ann");
    h.w.pass(40);
    let came = h.come(&["ops"]);
    assert_eq!(came.body["token"]["user"]["id"], ann.as_str());
    assert_eq!(h.enter(&came.token, &h.pay).status, 401, "groups of a local user are the manager's");
    assert_eq!(h.w.journal("identity:user:shadow").len(), 0);
    // The token ends with the provider, whose word it is.
    let off = json!({ "identity_provider": { "enabled": false } });
    assert_eq!(h.ask("PATCH", &format!("{PROVIDERS}/corp"), off).status, 200);
    assert!(!h.w.works(&came.token));
    let own = h.w.sign(Via::default(), &[by_password("ann", &h.bank, NEW)], "unscoped".into());
    assert_eq!(own.status, 201, "the user's own password is another way in");
}

#[test]
fn more_than_a_providers_word_can_be_asked_for() {
    let h = House::new("more");
    h.come(&["ops"]);
    let path = format!("/v3/users/{}", h.user("ann").unwrap());
    let rule = |rules: Value| {
        let body = json!({ "user": { "options": { "multi_factor_auth_rules": rules } } });
        h.ask("PATCH", &path, body).status
    };
    assert_eq!(rule(json!([["password", "totp"]])), 200);
    assert_eq!(h.knock(&h.ann(&["ops"])).status, 401);
    assert_eq!(rule(json!([["openid"]])), 200);
    h.w.pass(40);
    h.come(&["ops"]);
    assert_eq!(rule(json!([["openid", "totp"]])), 200);
    assert_eq!(h.knock(&h.ann(&["ops"])).status, 401);
    assert_eq!(rule(Value::Null), 200);
    let config = format!("/v3/domains/{}/config", h.bank);
    let floor = json!({ "config": { "security_compliance": { "multi_factor": true } } });
    assert_eq!(h.ask("PATCH", &config, floor).status, 200);
    h.w.pass(40);
    assert_eq!(h.knock(&h.ann(&["ops"])).status, 401);
    assert!(h.why().contains("two factors"), "{}", h.why());
}

#[test]
fn institutions_have_nothing_to_do_with_each_other() {
    let h = House::new("two");
    h.come(&["ops"]);
    let (fund, chief) = h.w.institution("fund");
    let chief = with(&chief);
    let ask = |method: &str, path: &str, body: Value| h.w.send(chief, method, path, body);
    let corp = format!("{PROVIDERS}/corp");
    let mapping = "/v3/OS-FEDERATION/mappings/corp";
    let protocol = format!("{corp}/protocols/openid");
    for path in [corp.as_str(), mapping, protocol.as_str()] {
        for method in ["GET", "DELETE"] {
            let answer = ask(method, path, Value::Null);
            assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
        }
    }
    for (path, body) in [(corp.as_str(), json!({ "identity_provider": { "enabled": false } })),
        (mapping, json!({ "mapping": { "rules": rules() } })),
        (protocol.as_str(), json!({ "protocol": { "mapping_id": "corp" } }))] {
        assert_eq!(ask("PATCH", path, body).status, 404, "{path}");
    }
    let theirs = format!("{PROVIDERS}/{}", h.corp());
    for (method, body, status) in [("GET", Value::Null, 404), ("DELETE", Value::Null, 404),
        ("PATCH", json!({ "identity_provider": { "enabled": false } }), 404), ("PUT", provider(), 400)] {
        let answer = ask(method, &theirs, body);
        assert_eq!(answer.status, status, "{method}: {answer:?}");
    }
    let listed = ask("GET", PROVIDERS, Value::Null);
    assert_eq!(listed.body["identity_providers"], json!([]));
    assert_eq!(h.ask("GET", PROVIDERS, Value::Null).body["identity_providers"][0]["id"], "corp");
    let there = json!({ "identity_provider": { "domain_id": h.bank } });
    assert_eq!(ask("PUT", &format!("{PROVIDERS}/x"), there).status, 403, "in another's house");
    let by_theirs = json!({ "protocol": { "mapping_id": format!("corp@{}", h.bank) } });
    let own = json!({ "protocol": { "mapping_id": "corp" } });
    // The same id, issuer and key in a house of its own: neither hears of the other.
    let made = ask("PUT", &corp, provider());
    assert_eq!(made.status, 201, "{made:?}");
    let shown = &made.body["identity_provider"];
    let whole = json!(format!("corp@{fund}"));
    assert_eq!((&shown["id"], &shown["jinyun:sign_in_id"]), (&json!("corp"), &whole));
    assert!(shown["links"]["self"].as_str().unwrap().ends_with("/corp"), "{shown}");
    assert_eq!(ask("PUT", &corp, provider()).status, 409, "one's own");
    assert_eq!(ask("PUT", &protocol, own.clone()).status, 400, "there is no mapping of its own");
    let foreign = json!({ "mapping": { "rules": rules() } });
    let refused = ask("PUT", mapping, foreign);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.to_string().contains("another domain"));
    let rules = json!([{ "local": [{ "user": { "name": "{0}" } }, { "group_ids": "{1}" },
        { "group": { "id": h.ops } }],
        "remote": [{ "type": "preferred_username" }, { "type": "groups" }] }]);
    assert_eq!(ask("PUT", mapping, json!({ "mapping": { "rules": rules } })).status, 201);
    assert_eq!(ask("PUT", &protocol, by_theirs).status, 400, "a mapping of the other house");
    let made = ask("PUT", &protocol, own);
    assert_eq!((made.status, &made.body["protocol"]["mapping_id"]), (201, &json!("corp")), "{made:?}");
    h.w.pass(40);
    let text = format!("Bearer {}", token(&h.ann(&[h.ops.as_str()])));
    for address in [format!("corp@{fund}"), "corp@fund".into()] {
        let came = knock(&h.w, &address, Some(&text), HOME);
        assert_eq!(came.status, 201, "{address}: {came:?}");
        let told = &came.body["token"]["user"];
        assert_eq!(told["domain"]["id"], fund.as_str());
        assert_eq!(told["OS-FEDERATION"]["groups"], json!([]), "a group of the other house is none");
        assert_ne!(told["id"].as_str(), h.user("ann").as_deref());
        assert_eq!(h.enter(&came.token, &h.pay).status, 401);
    }
    // Whoever looks at both is told which is whose; what the one does to its own is nothing to the other.
    let security = h.w.both("secadmin", "default", NEW, system()).token;
    let seen = h.w.send(with(&security), "GET", PROVIDERS, Value::Null);
    let mut ids: Vec<&str> = seen.body["identity_providers"].as_array().unwrap().iter()
        .filter_map(|p| p["id"].as_str()).collect();
    let (bank, fund) = (h.corp(), format!("corp@{fund}"));
    let mut want = vec![bank.as_str(), fund.as_str()];
    ids.sort();
    want.sort();
    assert_eq!(ids, want);
    assert_eq!(h.w.send(with(&security), "GET", &theirs, Value::Null).status, 200);
    assert_eq!(ask("DELETE", &corp, Value::Null).status, 204);
    h.w.pass(40);
    assert_eq!(h.come(&["ops"]).body["token"]["user"]["domain"]["id"], h.bank.as_str());
    // Lists go on where a page ended, by the ids that were shown.
    assert_eq!(h.ask("PUT", &format!("{PROVIDERS}/dorp"), provider_body()).status, 201);
    assert_eq!(h.page(&[]), ["corp", "dorp"]);
    assert_eq!(h.page(&[("limit", "1")]), ["corp"]);
    assert_eq!(h.page(&[("marker", "corp")]), ["dorp"]);
    assert!(h.page(&[("marker", "dorp")]).is_empty());
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let h = House::new("refused");
    let path = format!("{PROVIDERS}/new");
    let provider = |name: &str, value: Value| {
        h.ask("PUT", &path, json!({ "identity_provider": { name: value } }))
    };
    let jwk = public(FIRST_PUBLIC, None);
    let mut private = jwk.clone();
    private["d"] = "AA".into();
    for (name, value, why) in [
        ("jinyun:issuer", json!("https://x"), "one of remote_ids"),
        ("jinyun:jwks", json!({ "keys": [private] }), "private"),
        ("jinyun:jwks", json!([]), "JWK Set"),
        ("jinyun:audiences", json!(["a", "a"]), "twice"),
        ("remote_ids", json!([""]), "empty"),
        ("remote_ids", json!([ISSUER]), "Duplicate"),
        ("authorization_ttl", json!(-1), "authorization_ttl"),
        ("authorization_ttl", json!(43_201), "authorization_ttl"),
        ("idp_url", json!("x"), "idp_url"),
        ("jinyun:multi_factor", json!("mfa"), "an object"),
        ("jinyun:multi_factor", json!({}), "names nothing"),
        ("jinyun:multi_factor", json!({ "amr_any_of": [["pwd"]] }), "one factor"),
        ("jinyun:multi_factor", json!({ "acr_any_of": ["2"], "max_age_seconds": 1 }), "max_age_seconds"),
    ] {
        let answer = provider(name, value);
        assert!([400, 409].contains(&answer.status), "{name}: {answer:?}");
        assert!(answer.body.to_string().contains(why), "{name}: {answer:?}");
    }
    let made = provider("description", "somebody".into());
    assert_eq!(made.status, 201, "{made:?}");
    let shown = &made.body["identity_provider"];
    assert_eq!((&shown["enabled"], &shown["remote_ids"]), (&json!(false), &json!([])));
    assert_eq!(shown["links"]["protocols"].as_str().map(|l| l.ends_with("/new/protocols")), Some(true));
    let named = format!("{PROVIDERS}/ldap:x");
    assert_eq!(h.ask("PUT", &named, json!({ "identity_provider": {} })).status, 400, "a colon");
    let protocol = |id: &str, body: Value| h.ask("PUT", &format!("{path}/protocols/{id}"), body);
    let good = json!({ "protocol": { "mapping_id": "corp" } });
    assert_eq!(protocol("saml2", good.clone()).status, 499, "not offered");
    assert_eq!(protocol("openid", json!({ "protocol": {} })).status, 400);
    assert_eq!(protocol("openid", json!({ "protocol": { "mapping_id": "none" } })).status, 400);
    let elsewhere = json!({ "protocol": { "mapping_id": "corp", "remote_id_attribute": "REMOTE_USER" } });
    assert_eq!(protocol("openid", elsewhere).status, 400);
    let iss = json!({ "protocol": { "mapping_id": "corp", "remote_id_attribute": "HTTP_OIDC_ISS" } });
    assert_eq!(protocol("openid", iss).status, 201);
    assert_eq!(protocol("openid", good).status, 409);
    let listed = h.ask("GET", &format!("{path}/protocols"), Value::Null);
    assert_eq!(listed.body["protocols"][0]["id"], "openid", "{listed:?}");
    let mapping = |body: Value| h.ask("PUT", "/v3/OS-FEDERATION/mappings/new", json!({ "mapping": body }));
    assert_eq!(mapping(json!({})).status, 400);
    let later = json!({ "rules": rules(), "schema_version": "2.0" });
    assert_eq!(mapping(later).status, 400);
    let first = json!({ "rules": rules(), "schema_version": "1.0" });
    let made = mapping(first);
    assert_eq!((made.status, &made.body["mapping"]["rules"]), (201, &rules()), "{made:?}");
    // The provider's own staff is nobody's to vouch for.
    let security = h.w.both("secadmin", "default", NEW, system()).token;
    let staff = json!({ "identity_provider": { "domain_id": "default" } });
    let answer = h.w.send(with(&security), "PUT", &format!("{PROVIDERS}/staff"), staff);
    assert_eq!(answer.status, 403, "{answer:?}");
    // It may look, and somebody without a role may not.
    let seen = h.w.send(with(&security), "GET", PROVIDERS, Value::Null);
    assert_eq!(seen.body["identity_providers"].as_array().map(Vec::len), Some(2), "{seen:?}");
    let ann = h.w.person(&h.boss, "ann");
    let pay = h.w.project(&h.boss, "own", &[&ann]);
    let ann = h.w.sign(Via::default(), &[by_password("ann", &h.bank, NEW)], in_project(&pay)).token;
    let corp = format!("{PROVIDERS}/corp");
    assert_eq!(h.w.send(with(&ann), "GET", &corp, Value::Null).status, 404);
    assert_eq!(h.w.send(with(&ann), "PUT", &format!("{PROVIDERS}/hers"), provider_body()).status, 403);
}

fn provider_body() -> Value {
    json!({ "identity_provider": {} })
}
