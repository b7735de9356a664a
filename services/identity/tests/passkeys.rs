//! Passkeys through the service's own routes, by an authenticator that is made here: what is taken, what
//! is refused and why, and what comes only once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod login_world;
mod passkey_world;

use jinyun_identity::RelyingParty;
use login_world::*;
use passkey_world::*;
use serde_json::{Value, json};

#[test]
fn a_passkey_signs_in_by_itself() {
    let w = world("passkey");
    let (bank, boss) = w.institution("bank");
    let id = w.person(&boss, "ann");
    let pay = w.project(&boss, "pay", &[&id]);
    let password = w.ann(&bank, NEW).token;
    let asked = options(&w, &password).body["passkey_options"]["publicKey"].clone();
    let numbers: Vec<i64> = asked["pubKeyCredParams"].as_array().unwrap().iter()
        .map(|p| p["alg"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [-7, -8, -257]);
    assert_eq!((&asked["rp"]["id"], &asked["attestation"]), (&json!(PARTY), &json!("none")));
    let wanted = json!({
        "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
    });
    assert_eq!((&asked["authenticatorSelection"], &asked["excludeCredentials"]), (&wanted, &json!([])));
    assert_eq!(asked["user"]["name"], "ann@bank");
    let handle = bytes(&asked["user"]["id"]);
    assert_eq!(handle.len(), 32);
    assert_eq!(bytes(&options(&w, &password).body["passkey_options"]["publicKey"]["user"]["id"]), handle);
    assert!(!String::from_utf8_lossy(&handle).contains("ann"), "it names nobody");

    let hands = [Hand::es(), Hand::Ed(ed25519_dalek::SigningKey::from_bytes(&[7; 32])), Hand::rs()];
    let mut token = password.clone();
    let mut ids = Vec::new();
    for (n, (hand, algorithm)) in hands.into_iter().zip(["ES256", "EdDSA", "RS256"]).enumerate() {
        let mut key = Key::new(hand, algorithm);
        let got = enrol(&w, &token, &mut key);
        assert_eq!(got.status, 201, "{got:?}");
        let shown = &got.body["passkey"];
        assert_eq!((&shown["name"], &shown["algorithm"]), (&json!("my key"), &json!(algorithm)));
        assert_eq!((&shown["backed_up"], &shown["last_used_at"]), (&json!(false), &Value::Null));
        ids.push(got.id("passkey"));
        if n == 0 {
            let more = Key::new(Hand::es(), "more");
            let got = options(&w, &password);
            assert_eq!(got.status, 403, "a stolen password adds no passkey: {got:?}");
            let credential = made(&more, &draft(&w, &more));
            assert_eq!(send_made(&w, &password, "x", &credential).status, 403);
        }
        let answer = knock(&w, &draft(&w, &key).signed(&key), in_project(&pay));
        assert_eq!(answer.status, 201, "{algorithm}: {answer:?}: {}", why(&w));
        assert_eq!(answer.body["token"]["methods"], json!(["passkey"]));
        assert_eq!(answer.body["token"]["user"]["id"], id.as_str());
        assert_eq!(answer.body["token"]["project"]["id"], pay.as_str());
        let entry = w.journal("identity:token:create").pop().unwrap();
        assert_eq!((&entry["note"]["passkey"], &entry["note"]["methods"]),
            (&json!(ids[n]), &json!(["passkey"])));
        token = answer.token;
        let excluded = options(&w, &token).body["passkey_options"]["publicKey"].clone();
        let excluded = excluded["excludeCredentials"].as_array().unwrap().len();
        assert_eq!(excluded, n + 1, "an authenticator holds one of them");
    }
    let list = w.send(with(&token), "GET", MANY, Value::Null);
    let shown = list.body["passkeys"].as_array().unwrap();
    assert_eq!((list.status, shown.len()), (200, 3));
    assert!(shown.iter().all(|p| p["last_used_at"].is_string() && p["created_at"].is_string()), "{list:?}");
    assert!(!list.body.to_string().contains("key\":"), "what it looks like is nobody's business: {list:?}");
    // A token that came by a passkey is as good as one by password and code.
    let codes = w.send(with(&token), "POST", &format!("/v3/users/{id}/OS-JINYUN/recovery_codes"), Value::Null);
    assert_eq!(codes.status, 201, "{codes:?}");
    // With a password beside it, both stand in the token.
    let key = {
        let mut key = Key::new(Hand::es(), "fourth");
        assert_eq!(enrol(&w, &token, &mut key).status, 201);
        key
    };
    let passkey = ("passkey", json!({ "credential": draft(&w, &key).signed(&key) }));
    let both = w.sign(Via::default(), &[by_password("ann", &bank, NEW), passkey.clone()], Value::Null);
    assert_eq!(both.body["token"]["methods"], json!(["passkey", "password"]), "{both:?}");
    // Of two users, none.
    w.person(&boss, "bob");
    let passkey = ("passkey", json!({ "credential": draft(&w, &key).signed(&key) }));
    w.pass(40);
    let two = w.sign(Via::default(), &[by_password("bob", &bank, NEW), passkey], Value::Null);
    assert_eq!(two.status, 401);
    assert!(why(&w).contains("different users"), "{}", why(&w));
}

#[test]
fn whatever_is_changed_is_refused_with_its_reason_and_in_the_same_words() {
    let (w, key, ..) = ann("altered");
    type Edit = fn(&mut Draft);
    type After = fn(&mut Value);
    let cases: &[(&str, Edit, After, &str)] = &[
        ("an enrolment's answer", |d| d.kind = "webauthn.create", |_| {}, "another ceremony"),
        ("a payment's answer", |d| d.kind = "payment.get", |_| {}, "another ceremony"),
        ("another site", |d| d.origin = "https://cloud.bank.cn.evil.cn".into(), |_| {}, "none of ours"),
        ("a site below", |d| d.origin = "https://x.cloud.bank.cn:8443".into(), |_| {}, "none of ours"),
        ("another port", |d| d.origin = "https://cloud.bank.cn".into(), |_| {}, "none of ours"),
        ("not by TLS", |d| d.origin = STAFF.replace("https", "http"), |_| {}, "none of ours"),
        ("the other listener's page", |d| d.origin = TENANTS.into(), |_| {}, "none of ours"),
        ("in a frame", |d| d.more = r#","crossOrigin":true"#, |_| {}, "inside a page"),
        ("below a page", |d| d.more = r#","topOrigin":"https://evil.cn""#, |_| {}, "inside a page"),
        ("a member twice", |d| d.more = r#","type":"webauthn.get""#, |_| {}, "browser's data cannot"),
        ("no JSON", |d| d.more = ",", |_| {}, "browser's data cannot"),
        ("a made-up challenge", |d| d.challenge = text([7u8; 52]), |_| {}, "none of ours, or for"),
        ("no challenge", |d| d.challenge = String::new(), |_| {}, "none of ours, or for"),
        ("half a challenge", |d| d.challenge.truncate(40), |_| {}, "none of ours, or for"),
        ("another party", |d| d.party = "evil.cn".into(), |_| {}, "another relying party"),
        ("nobody there", |d| d.flags = 4, |_| {}, "nobody was at"),
        ("somebody there", |d| d.flags = 1, |_| {}, "not verified its user"),
        ("copied", |d| d.flags = OWNER | 16, |_| {}, "cannot be"),
        ("may be copied", |d| d.flags = OWNER | 8, |_| {}, "another thing than before"),
        ("a key that is not there", |d| d.flags = OWNER | 64, |_| {}, "authenticator's data cannot"),
        ("more that is not there", |d| d.flags = OWNER | 128, |_| {}, "authenticator's data cannot"),
        ("more behind", |d| d.tail = vec![0], |_| {}, "authenticator's data cannot"),
        ("nobody's", |d| d.handle = None, |_| {}, "does not say whose"),
        ("somebody else's", |d| d.handle = Some(vec![7; 32]), |_| {}, "another user's"),
        ("another signature", |_| {}, |v| change(v, "signature", |b| b[20] ^= 1), "not by the passkey"),
        ("no signature", |_| {}, |v| change(v, "signature", |b| b.truncate(1)), "not by the passkey"),
        ("other browser's data", |_| {}, |v| change(v, "clientDataJSON", |b| b.push(b' ')),
            "not by the passkey"),
        ("other authenticator's data", |_| {}, |v| change(v, "authenticatorData", |b| b[36] ^= 1),
            "not by the passkey"),
        ("another party after it", |_| {}, |v| change(v, "authenticatorData", |b| b[0] ^= 1),
            "another relying party"),
        ("an unknown passkey", |_| {}, |v| {
            v["id"] = text([1u8; 32]).into();
            v["rawId"] = v["id"].clone();
        }, "no such passkey"),
    ];
    let mut words = Vec::new();
    for &(what, edit, after, want) in cases {
        let mut draft = draft(&w, &key);
        edit(&mut draft);
        let mut credential = draft.signed(&key);
        after(&mut credential);
        w.pass(40);
        let answer = knock(&w, &credential, Value::Null);
        assert!(answer.token.is_empty(), "{what}");
        assert!(why(&w).contains(want), "{what}: {}", why(&w));
        words.push(answer.seen());
        w.pass(40);
        let good = sign_in(&w, &key);
        assert_eq!(good.status, 201, "{what}: the right one is taken still: {}", why(&w));
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
    // Signed rightly, by another key.
    let other = Key { hand: Hand::es(), id: key.id.clone(), handle: key.handle.clone(), flags: OWNER };
    w.pass(40);
    assert_eq!(sign_in(&w, &other).seen(), words[0]);
    assert!(why(&w).contains("not by the passkey"));
    // What a browser adds of its own is no harm.
    let harmless: [Edit; 2] = [|d| d.more = r#","crossOrigin":false,"new":[1]"#,
        |d| (d.flags, d.tail) = (OWNER | 128, vec![0xa0])];
    for edit in harmless {
        let mut draft = draft(&w, &key);
        edit(&mut draft);
        w.pass(40);
        assert_eq!(knock(&w, &draft.signed(&key), Value::Null).status, 201, "{}", why(&w));
    }
    // Each listener takes what was signed for its own page.
    for (origin, outside, want) in
        [(TENANTS, true, 201), (STAFF, true, 401), (STAFF, false, 201), (TENANTS, false, 401)]
    {
        w.pass(40);
        let draft = Draft { origin: origin.into(), ..draft(&w, &key) };
        let methods = [("passkey", json!({ "credential": draft.signed(&key) }))];
        let via = Via { outside, ..Via::default() };
        assert_eq!(w.sign(via, &methods, Value::Null).status, want, "{origin} {outside}");
    }
}

#[test]
fn an_answer_comes_once_and_soon_and_in_order() {
    let (w, key, _, bank, boss) = ann("once");
    let first = draft(&w, &key).signed(&key);
    assert_eq!(knock(&w, &first, Value::Null).status, 201);
    w.pass(40);
    assert_eq!(knock(&w, &first, Value::Null).status, 401, "again");
    assert!(why(&w).contains("answered before"), "{}", why(&w));
    let (older, newer) = (draft(&w, &key).signed(&key), draft(&w, &key).signed(&key));
    w.pass(40);
    assert_eq!(knock(&w, &newer, Value::Null).status, 201);
    assert_eq!(knock(&w, &older, Value::Null).status, 401, "older than the last");
    assert!(why(&w).contains("or a newer one was"), "{}", why(&w));
    w.pass(40);
    let late = draft(&w, &key).signed(&key);
    w.pass(119);
    assert_eq!(knock(&w, &late, Value::Null).status, 201);
    let late = draft(&w, &key).signed(&key);
    w.pass(121);
    assert_eq!(knock(&w, &late, Value::Null).status, 401);
    assert!(why(&w).contains("last two minutes"), "{}", why(&w));
    // Two at the same time with one answer: one gets in.
    w.pass(40);
    let same = draft(&w, &key).signed(&key);
    let all: Vec<u16> = std::thread::scope(|s| {
        let made: Vec<_> =
            (0..4).map(|_| s.spawn(|| knock(&w, &same, Value::Null).status)).collect();
        made.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(all.iter().filter(|s| **s == 201).count(), 1, "{all:?}");
    // A part of a sign-in uses it up too.
    let rules = json!({ "user": { "options": { "multi_factor_auth_rules": [["password", "passkey"]] } } });
    let path = format!("/v3/users/{}", w.user("ann", &bank));
    let set = w.send(with(&boss), "PATCH", &path, rules);
    assert_eq!(set.status, 200, "{set:?}");
    w.pass(60);
    let half = draft(&w, &key).signed(&key);
    let answer = knock(&w, &half, Value::Null);
    assert_eq!((answer.status, answer.receipt.is_empty()), (401, false), "{answer:?}");
    assert_eq!(answer.body["receipt"]["methods"], json!(["passkey"]));
    let again = knock(&w, &half, Value::Null);
    assert_eq!((again.status, again.receipt.as_str()), (401, ""), "{again:?}");
    w.pass(40);
    let via = Via { receipt: Some(&answer.receipt), ..Via::default() };
    let whole = w.sign(via, &[by_password("ann", &bank, NEW)], Value::Null);
    assert_eq!(whole.body["token"]["methods"], json!(["passkey", "password"]), "{whole:?}");
    // A challenge is for one purpose and one user.
    let bob = {
        w.person(&boss, "bob");
        w.sign(Via::default(), &[by_password("bob", &bank, NEW)], Value::Null).token
    };
    let mut new = Key::new(Hand::es(), "bob's");
    let own = invited(&w, &bob, &mut new);
    let others = options(&w, &whole.token).body["passkey_options"]["publicKey"]["challenge"].clone();
    let for_sign_in = challenge(&w);
    for (what, challenge) in [("of ann", others.as_str().unwrap()), ("of a sign-in", for_sign_in.as_str())] {
        let draft = Draft { challenge: challenge.into(), ..own.clone() };
        let got = send_made(&w, &bob, "x", &made(&new, &draft));
        assert_eq!(got.status, 400, "{what}: {got:?}");
        assert!(got.body.to_string().contains("none of ours"), "{what}: {got:?}");
    }
    let wrong = Draft { challenge: own.challenge.clone(), ..draft(&w, &key) };
    w.pass(40);
    assert_eq!(knock(&w, &wrong.signed(&key), Value::Null).status, 401, "of an enrolment");
    assert!(why(&w).contains("or for something else"), "{}", why(&w));
    assert_eq!(send_made(&w, &bob, "x", &made(&new, &own)).status, 201);
}

#[test]
fn an_authenticator_that_counts_counts_up() {
    let (w, key, ..) = ann("counter");
    for (count, want) in [(0, 201), (3, 201), (3, 401), (2, 401), (0, 401), (4, 201), (u32::MAX, 201),
        (5, 401)] {
        w.pass(40);
        let draft = Draft { count, ..draft(&w, &key) };
        assert_eq!(knock(&w, &draft.signed(&key), Value::Null).status, want, "{count}");
        if want == 401 {
            assert!(why(&w).contains("less often"), "{count}: {}", why(&w));
        }
    }
}

#[test]
fn an_enrolment_is_checked_too() {
    let w = world("enrolment");
    let (bank, boss) = w.institution("bank");
    w.person(&boss, "ann");
    let token = w.ann(&bank, NEW).token;
    let mut key = Key::new(Hand::es(), "ann's");
    let plain = invited(&w, &token, &mut key);
    type Edit = fn(&mut Draft);
    type After = fn(&mut Value);
    let cases: &[(&str, Edit, After, &str)] = &[
        ("another page", |d| d.origin = "https://evil.cn".into(), |_| {}, "none of ours"),
        ("the other listener's page", |d| d.origin = TENANTS.into(), |_| {}, "none of ours"),
        ("in a frame", |d| d.more = r#","crossOrigin":true"#, |_| {}, "inside a page"),
        ("another party", |d| d.party = "evil.cn".into(), |_| {}, "another relying party"),
        ("nobody there", |d| d.flags = 4, |_| {}, "nobody was at"),
        ("not verified", |d| d.flags = 1, |_| {}, "not verified"),
        ("copied", |d| d.flags = OWNER | 16, |_| {}, "cannot be"),
        ("more", |d| d.flags = OWNER | 128, |_| {}, "cannot be read"),
        ("another id", |_| {}, |v| {
            v["id"] = text([1u8; 32]).into();
            v["rawId"] = v["id"].clone();
        }, "not that of the key"),
        ("two ids", |_| {}, |v| v["id"] = text([1u8; 32]).into(), "rawId"),
        ("half an attestation", |_| {}, |v| change(v, "attestationObject", |b| b.truncate(90)),
            "attestation object cannot"),
        ("more behind it", |_| {}, |v| change(v, "attestationObject", |b| b.push(0)),
            "attestation object cannot"),
        ("another format", |_| {}, |v| change(v, "attestationObject", |b| b[6] = b'm'), "not asked for"),
        ("a point off the curve", |_| {}, |v| change(v, "attestationObject", |b| *b.last_mut().unwrap() ^= 1),
            "no point"),
        ("for an algorithm that is not offered", |_| {}, |v| change(v, "attestationObject", |b| {
            // alg: -9 in the place of -7.
            let at = b.windows(5).position(|w| w == [0xa5, 1, 2, 3, 0x26]).unwrap();
            b[at + 4] = 0x28;
        }), "not offered"),
        ("of another type", |_| {}, |v| v["type"] = "password".into(), "public-key"),
        ("no type", |_| {}, |v| v["type"] = Value::Null, "public-key"),
        ("no answer", |_| {}, |v| v["response"] = Value::Null, "response"),
        ("no browser's data", |_| {}, |v| v["response"]["clientDataJSON"] = Value::Null, "clientDataJSON"),
        ("padded", |_| {}, |v| v["response"]["clientDataJSON"] = "e30=".into(), "base64url"),
        ("no base64url", |_| {}, |v| v["response"]["attestationObject"] = "+/+/".into(), "base64url"),
        ("a number", |_| {}, |v| v["response"]["attestationObject"] = 7.into(), "attestationObject"),
        ("too much", |_| {}, |v| v["response"]["clientDataJSON"] = text([b' '; 4097]).into(), "4096"),
        ("far too much", |_| {}, |v| v["response"]["attestationObject"] = "A".repeat(70_000).into(),
            "attestationObject"),
        ("nothing", |_| {}, |v| v["id"] = "".into(), "id must be"),
        ("a long id", |_| {}, |v| v["id"] = text([1u8; 1024]).into(), "1023"),
    ];
    for &(what, edit, after, want) in cases {
        let mut draft = plain.clone();
        edit(&mut draft);
        let mut credential = made(&key, &draft);
        after(&mut credential);
        let got = send_made(&w, &token, "x", &credential);
        assert_eq!(got.status, 400, "{what}: {got:?}");
        assert!(got.body.to_string().contains(want), "{what}: {got:?}");
    }
    for (name, want) in [("", 400), ("x\u{200b}", 400), (&*"x".repeat(65), 400), ("办公室", 201)] {
        assert_eq!(send_made(&w, &token, name, &made(&key, &plain)).status, want, "{name}");
    }
    for (what, id, want) in [("short", vec![1; 15], 400), ("long", vec![2; 1023], 201)] {
        let token = sign_in(&w, &key).token;
        let mut other = Key { id, ..Key::new(Hand::es(), what) };
        let draft = invited(&w, &token, &mut other);
        assert_eq!(send_made(&w, &token, what, &made(&other, &draft)).status, want, "{what}");
    }
    for body in [json!({}), json!({ "passkey": [] }), json!({ "passkey": { "name": "x" } }),
        json!({ "passkey": { "credential": {}, "name": "x" } }),
        json!({ "passkey": { "credential": made(&key, &plain), "name": "x", "more": 1 } })] {
        assert_eq!(w.send(with(&token), "POST", MANY, body.clone()).status, 400, "{body}");
    }
    // A sign-in's form is told too, before anything is looked for.
    for (body, want) in [(json!({}), "credential"), (json!({ "credential": 7 }), "credential"),
        (json!({ "credential": { "type": "public-key", "id": text([1u8; 32]) } }), "response"),
        (json!({ "credential": {}, "more": 1 }), "more")] {
        let got = w.sign(Via::default(), &[("passkey", body.clone())], Value::Null);
        assert_eq!(got.status, 400, "{body}");
        assert!(got.body.to_string().contains(want), "{got:?}");
    }
    // Ten are enough.
    let mut count = 2;
    let full = loop {
        let token = sign_in(&w, &key).token;
        let got = enrol(&w, &token, &mut Key::new(Hand::es(), &format!("more {count}")));
        if got.status != 201 {
            break got;
        }
        count += 1;
        w.pass(1);
    };
    assert_eq!((count, full.status), (10, 403), "{full:?}");
}

#[test]
fn whoever_needs_two_factors_begins_with_a_passkey_or_signs_in_by_one() {
    let w = world("floor");
    let (bank, boss) = w.institution("bank");
    let id = w.person(&boss, "ann");
    let pay = w.project(&boss, "pay", &[&id]);
    let on = json!({ "config": { "security_compliance": { "multi_factor": true } } });
    let set = w.send(with(&boss), "PATCH", &format!("/v3/domains/{bank}/config"), on);
    assert_eq!(set.status, 200, "{set:?}");
    let word = |scope: Value| w.sign(Via::default(), &[by_password("ann", &bank, NEW)], scope);
    assert!(word(in_project(&pay)).body.to_string().contains("/v3/OS-JINYUN/passkeys"));
    let begin = word("unscoped".into()).token;
    for (method, path) in [("DELETE", format!("{MANY}/x")), ("GET", "/v3/users".to_string())] {
        assert_eq!(w.send(with(&begin), method, &path, Value::Null).status, 403, "{method} {path}");
    }
    assert_eq!(w.send(with(&begin), "GET", MANY, Value::Null).body, json!({ "passkeys": [] }));
    let other = word("unscoped".into()).token;
    let mut key = Key::new(Hand::es(), "ann's");
    let mut late = Key::new(Hand::es(), "a thief's");
    let draft_late = invited(&w, &other, &mut late);
    assert_eq!(enrol(&w, &begin, &mut key).status, 201);
    // The other one was asked for before there was any.
    let got = send_made(&w, &other, "x", &made(&late, &draft_late));
    assert_eq!(got.status, 403, "a second one needs the first: {got:?}");
    let code = json!({ "credential": { "type": "totp", "blob": SEED, "user_id": id } });
    assert_eq!(w.send(with(&begin), "POST", "/v3/credentials", code).status, 403);
    let half = word(in_project(&pay));
    assert_eq!((half.status, half.receipt.is_empty()), (401, false), "from now on a passkey is needed");
    assert_eq!(half.body["required_auth_methods"], json!([["passkey"]]));
    assert!(w.works(&begin));
    let whole = knock(&w, &draft(&w, &key).signed(&key), in_project(&pay));
    assert_eq!(whole.status, 201, "{whole:?}");
    assert!(w.works(&whole.token) && !w.works(&begin) && !w.works(&other), "the beginner's tokens have ended");
    // With the receipt both stand in the token.
    let via = Via { receipt: Some(&half.receipt), ..Via::default() };
    let passkey = ("passkey", json!({ "credential": draft(&w, &key).signed(&key) }));
    let late = w.sign(via, &[passkey], in_project(&pay));
    assert_eq!(late.status, 401, "a receipt from before ends with the tokens");
    w.pass(40);
    let half = word(in_project(&pay));
    let via = Via { receipt: Some(&half.receipt), ..Via::default() };
    let passkey = ("passkey", json!({ "credential": draft(&w, &key).signed(&key) }));
    let both = w.sign(via, &[passkey], in_project(&pay));
    assert_eq!(both.body["token"]["methods"], json!(["passkey", "password"]), "{both:?}");
    assert!(w.works(&whole.token), "a second login ends nothing");
    // With codes beside it there are two ways; a recovery code stands for a passkey that was lost.
    let path = format!("/v3/users/{id}/OS-JINYUN/recovery_codes");
    let codes = w.send(with(&both.token), "POST", &path, Value::Null);
    assert_eq!(codes.status, 201, "{codes:?}");
    let half = word(Value::Null);
    assert_eq!(half.body["required_auth_methods"], json!([["password", "totp"], ["passkey"]]));
    let code = codes.body["recovery_codes"]["codes"][0].as_str().unwrap();
    let lost = [by_password("ann", &bank, NEW), by_code("ann", &bank, code)];
    w.pass(40);
    assert_eq!(w.sign(Via::default(), &lost, in_project(&pay)).status, 201);
    // Staff's duties ask for the same, and stay at staff's door.
    let begin = w.sign(Via::default(), &[by_password("sysadmin", "default", NEW)], "unscoped".into());
    let mut staff = Key::new(Hand::es(), "staff's");
    assert_eq!(enrol(&w, &begin.token, &mut staff).status, 201);
    let methods = || [("passkey", json!({ "credential": draft(&w, &staff).signed(&staff) }))];
    let outside = Via { outside: true, ..Via::default() };
    assert_eq!(w.sign(outside, &methods(), system()).status, 401);
    assert!(why(&w).contains("management listener"), "{}", why(&w));
    let duty = w.sign(Via::default(), &methods(), system());
    assert_eq!(duty.status, 201, "{duty:?}");
    assert_eq!(w.send(with(&duty.token), "GET", "/v3/domains", Value::Null).status, 200);
}

#[test]
fn a_passkey_is_one_users_and_goes_when_it_is_taken() {
    let (w, key, token, bank, boss) = ann("taken");
    w.person(&boss, "bob");
    let bob = w.sign(Via::default(), &[by_password("bob", &bank, NEW)], Value::Null).token;
    let id = w.send(with(&token), "GET", MANY, Value::Null).body["passkeys"][0]["id"].clone();
    let one = format!("{MANY}/{}", id.as_str().unwrap());
    // The same credential for another user: in the whole cloud an id is one passkey's.
    let mut same = Key { hand: Hand::es(), id: key.id.clone(), handle: Vec::new(), flags: OWNER };
    let got = enrol(&w, &bob, &mut same);
    assert_eq!(got.status, 409, "{got:?}");
    assert!(!got.body.to_string().contains(&text(&key.id)), "{got:?}");
    assert_eq!(sign_in(&w, &key).body["token"]["user"]["name"], "ann");
    // Nobody sees or deletes others'.
    assert_eq!(w.send(with(&bob), "GET", MANY, Value::Null).body, json!({ "passkeys": [] }));
    for (others, want) in [(&bob, 404), (&boss, 403)] {
        assert_eq!(w.send(with(others), "DELETE", &one, Value::Null).status, want);
    }
    assert_eq!(w.send(with(&token), "DELETE", &one, Value::Null).status, 403, "by a password alone");
    let strong = sign_in(&w, &key).token;
    assert_eq!(w.send(with(&strong), "DELETE", &one, Value::Null).status, 204);
    assert!(!w.works(&strong) && !w.works(&token), "what was signed in to is over");
    assert!(w.works(&bob) && w.works(&boss), "nobody else's");
    w.pass(40);
    assert_eq!(sign_in(&w, &key).status, 401);
    assert_eq!(why(&w), "there is no such passkey");
    assert_eq!(enrol(&w, &bob, &mut same).status, 201, "now it is free");
    // A manager's reset takes all of them.
    let mut new = Key::new(Hand::es(), "new");
    let token = w.ann(&bank, NEW).token;
    assert_eq!(w.send(with(&token), "DELETE", &one, Value::Null).status, 404, "it is gone");
    assert_eq!(enrol(&w, &token, &mut new).status, 201);
    assert_eq!(sign_in(&w, &new).status, 201);
    let path = format!("/v3/users/{}/OS-JINYUN/reset_factors", w.user("ann", &bank));
    assert_eq!(w.send(with(&boss), "POST", &path, Value::Null).status, 204);
    w.pass(40);
    assert_eq!(sign_in(&w, &new).status, 401);
    let note = w.journal("identity:user:reset_factors").pop().unwrap()["note"].clone();
    assert_eq!((&note["passkeys"], &note["by_oneself"]), (&json!(1), &json!(false)));
    // Those of a user who is deleted go with them.
    w.pass(40);
    assert_eq!(sign_in(&w, &same).status, 201);
    let path = format!("/v3/users/{}", w.user("bob", &bank));
    assert_eq!(w.send(with(&boss), "DELETE", &path, Value::Null).status, 204);
    w.pass(40);
    assert_eq!(sign_in(&w, &same).status, 401);
    assert_eq!(why(&w), "there is no such passkey");
}

#[test]
fn what_is_shut_is_shut_for_a_passkey_too() {
    let (w, key, _, bank, boss) = ann("shut");
    let id = w.user("ann", &bank);
    let user = format!("/v3/users/{id}");
    let patch = |body: Value| {
        let set = w.send(with(&boss), "PATCH", &user, json!({ "user": body }));
        assert_eq!(set.status, 200, "{set:?}");
    };
    patch(json!({ "enabled": false }));
    assert_eq!(sign_in(&w, &key).status, 401);
    assert!(why(&w).contains("disabled"), "{}", why(&w));
    patch(json!({ "enabled": true }));
    assert_eq!(sign_in(&w, &key).status, 201);
    // Networks.
    let access = |sources: Value| {
        let body = json!({ "access": { "sources": sources } });
        let set = w.send(with(&boss), "PUT", &format!("{user}/OS-JINYUN/access"), body);
        assert_eq!(set.status, 200, "{set:?}");
    };
    access(json!(["192.0.2.0/24"]));
    w.pass(40);
    assert_eq!(sign_in(&w, &key).status, 401);
    access(json!([]));
    // Wrong answers make passkeys pause, and nothing else: they are no guesses.
    let wrong = || {
        let mut wrong = draft(&w, &key).signed(&key);
        change(&mut wrong, "signature", |b| b[20] ^= 1);
        knock(&w, &wrong, Value::Null).status
    };
    w.pass(40);
    for _ in 0..6 {
        assert_eq!(wrong(), 401);
    }
    assert_eq!(sign_in(&w, &key).status, 401);
    assert!(why(&w).contains("has to pause"), "{}", why(&w));
    let password = w.sign(Via::default(), &[by_password("ann", &bank, NEW)], Value::Null);
    assert_eq!(password.status, 201, "the password has nothing to do with it");
    w.pass(40);
    let answer = sign_in(&w, &key);
    assert_eq!(answer.status, 201, "{}", why(&w));
    assert_eq!(w.journal("identity:lockout:set").len(), 0);
    // Wrong passwords lock the account for passwords; a passkey passes the lock, and does not lift it.
    for _ in 0..5 {
        assert_eq!(w.ann(&bank, "Wrong-Pass-1").status, 401);
    }
    assert_eq!(w.ann(&bank, NEW).status, 401);
    assert_eq!(why(&w), "the account is locked");
    let answer = sign_in(&w, &key);
    assert_eq!(answer.status, 201, "{}", why(&w));
    let told = w.identity.last_login(&w.identity.open(&answer.token).unwrap());
    assert_eq!(told["failures_since"], 5, "{told}");
    let lock = w.send(with(&boss), "GET", &format!("{user}/OS-JINYUN/lockout"), Value::Null);
    assert_eq!(lock.body["lockout"]["locked"], true);
    assert_eq!(w.ann(&bank, NEW).status, 401);
    let set = w.journal("identity:lockout:set");
    assert_eq!(set.len(), 1, "{set:?}");
    w.pass(900);
    assert_eq!(w.ann(&bank, NEW).status, 201, "{}", why(&w));
    // Something that was passed on makes, shows and deletes none.
    let pay = w.project(&boss, "pay", &[&id]);
    let scoped = w.sign(Via::default(), &[by_password("ann", &bank, NEW)], in_project(&pay)).token;
    let body = json!({ "application_credential": { "name": "ci" } });
    let made = w.send(with(&scoped), "POST", &format!("{user}/application_credentials"), body);
    let made = &made.body["application_credential"];
    let proof = json!({ "id": made["id"], "secret": made["secret"] });
    let program = w.sign(Via::default(), &[("application_credential", proof)], Value::Null);
    assert_eq!(program.status, 201, "{program:?}");
    for (method, path) in [("POST", format!("{MANY}/options")), ("GET", MANY.to_string()),
        ("DELETE", format!("{MANY}/x"))] {
        let got = w.send(with(&program.token), method, &path, json!({}));
        assert_eq!(got.status, 403, "{method} {path}: {got:?}");
    }
    // An order to change the password, or its end, holds here as well.
    w.pass(91 * 86_400);
    let old = sign_in(&w, &key);
    assert_eq!(old.status, 401);
    assert!(old.body.to_string().contains("needs to be changed"), "{old:?}");
}

#[test]
fn without_a_public_name_there_are_no_passkeys() {
    let w = World::new("nameless");
    let (bank, boss) = w.institution("bank");
    w.person(&boss, "ann");
    let token = w.ann(&bank, NEW).token;
    let none = |got: Answer| {
        assert_eq!(got.status, 499, "{got:?}");
        assert!(got.body.to_string().contains("not set up"), "{got:?}");
    };
    let asked = || w.send(Via::default(), "POST", &format!("{MANY}/challenge"), json!({}));
    none(asked());
    none(options(&w, &token));
    for id in ["127.0.0.1", "Cloud.Bank.CN"] {
        let origins = vec![format!("https://{id}:8443")];
        w.identity.rely_on(RelyingParty { id: id.into(), name: "Jinyun".into(), origins });
        none(asked());
    }
    let origins = vec![TENANTS.to_string()];
    w.identity.rely_on(RelyingParty { id: PARTY.into(), name: "Jinyun".into(), origins });
    assert_eq!(asked().status, 200);
}
