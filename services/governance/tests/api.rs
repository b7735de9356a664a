//! The document of the API, judged against the routes and against what they answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::World;
use jinyun_testrest::{faults, offered, written};
use serde_json::{Value, json};

fn document() -> Value {
    serde_json::from_str(include_str!("../../../docs/api/governance.json")).unwrap()
}

#[test]
fn the_document_has_the_routes_and_each_has_a_rule() {
    let w = World::new();
    let routes = jinyun_governance::routes(w.governance.clone());
    assert_eq!(written(&document()), offered(&routes));

    let mut ruled: Vec<&str> = jinyun_governance::RULES.iter().map(|r| r.action).collect();
    let mut actions = w.registry.action_names();
    actions.retain(|a| a.starts_with("governance:"));
    ruled.sort();
    assert_eq!(ruled, actions);
    for route in &routes {
        assert!(ruled.contains(&route.action.as_str()), "{} {}", route.method, route.path);
    }
}

#[test]
fn what_is_answered_is_what_the_document_says() {
    let w = World::new();
    let document = document();
    // A request as the document has it: its path, what was sent and what came.
    let call = |who: &str, method: &str, path: &str, id: &str, body: Value, want: u16| -> Value {
        let entry = &document["paths"][path.split('?').next().unwrap()][method.to_lowercase()];
        let schema = |part: &Value| part["content"]["application/json"]["schema"].clone();
        let mut out = Vec::new();
        let path = path.replace("{id}", id);
        let (status, told) = match &body {
            Value::String(file) => w.upload(who, &path, file.as_bytes()),
            Value::Null => w.http(who, method, &path, Value::Null),
            body => {
                faults(&document, &schema(&entry["requestBody"]), body, "sent", &mut out);
                w.http(who, method, &path, body.clone())
            }
        };
        assert_eq!(status, want, "{method} {path}: {told}");
        let answer = &entry["responses"][status.to_string()];
        assert!(!answer.is_null(), "{method} {path}: {status} is not in the document");
        faults(&document, &schema(answer), &told, "told", &mut out);
        assert_eq!(out, Vec::<String>::new(), "{method} {path}");
        told.as_object().unwrap().values().next().unwrap().clone()
    };
    let look = |who: &str, path: &str, id: &str| call(who, "GET", path, id, Value::Null, 200);
    let id = |thing: &Value| thing["id"].as_str().unwrap().to_string();

    look("aud", "/v1/duties", "");
    let change = json!({ "duty": { "owner": "x", "user_id": w.id("fay"), "due": "2026-02-10" } });
    call("sec1", "PATCH", "/v1/duties/{id}", "6.1-B-1", change, 200);
    look("sys", "/v1/duties/{id}", "6.1-B-1");
    look("may@bank", "/v1/duties/{id}", "7.9-B-a@bank");
    let own = json!({ "duty": { "every": "P1M" } });
    call("may@bank", "PATCH", "/v1/duties/{id}", "7.9-B-a@bank", own, 200);
    let statement = json!({ "record": { "title": "t", "from": "2026-01-01", "to": "2026-01-31",
        "kind": "statement", "statement": "it is so" } });
    call("aud", "POST", "/v1/duties/{id}/records", "11.4.6-E-c", statement, 201);
    let path = "/v1/duties/{id}/file?title=t&from=2026-01-01&to=2026-01-31&kind=certificate";
    let record = id(&call("fay@", "POST", path, "6.1-B-1", "scanned".into(), 201));
    look("aud", "/v1/records", "");
    look("aud", "/v1/records/{id}", &record);
    let why = json!({ "withdrawal": { "reason": "wrong" } });
    call("sec1", "POST", "/v1/records/{id}/withdraw", &record, why, 200);
    jinyun_governance::tend(&w.governance, &w.cloud).unwrap();
    assert!(!look("aud", "/v1/reminders", "").as_array().unwrap().is_empty());

    let new = json!({ "risk": { "title": "t", "description": "d", "clause": "6.1-B-1", "owner": "o",
        "likelihood": 1, "impact": 5, "treatment": "accept", "plan": "p", "review": "2026-05-01" } });
    let risk = id(&call("sec1", "POST", "/v1/risks", "", new, 201));
    let change = json!({ "risk": { "plan": "q" } });
    call("sec1", "PATCH", "/v1/risks/{id}", &risk, change, 200);
    let yes = json!({ "acceptance": { "reason": "r", "until": "2026-05-01" } });
    call("sec2", "POST", "/v1/risks/{id}/accept", &risk, yes, 200);
    call("sec1", "POST", "/v1/risks/{id}/tell", &risk, json!({ "told": { "text": "all" } }), 200);
    look("aud", "/v1/risks/{id}", &risk);
    call("sec1", "POST", "/v1/risks/{id}/close", &risk, json!({ "closing": { "text": "x" } }), 200);
    look("aud", "/v1/risks", "");

    let new = json!({ "exception": { "guardrail": "profile", "project_id": w.id("p"), "reason": "r",
        "expires": "2026-05-01" } });
    let exception = id(&call("may@bank", "POST", "/v1/exceptions", "", new, 201));
    look("sec1", "/v1/exceptions/{id}", &exception);
    let yes = json!({ "vote": { "approve": true, "comment": "c" } });
    call("sec1", "POST", "/v1/exceptions/{id}/vote", &exception, yes, 200);
    for level in ["enhanced", "basic"] {
        let body = json!({ "profile": { "level": level } });
        call("may@bank", "PUT", "/v1/profiles/{id}", w.id("p").as_str(), body, 200);
    }
    look("may@p", "/v1/profiles/{id}", w.id("p").as_str());
    look("aud", "/v1/profiles", "");
    let end = json!({ "end": { "reason": "r" } });
    call("may@bank", "POST", "/v1/exceptions/{id}/end", &exception, end, 200);
    look("may@p", "/v1/exceptions", "");

    let new = json!({ "opinion": { "clause": "6.1-B-1", "assessor": "a", "says": "agree", "text": "t",
        "sample": ["s"], "nonce": "n-1", "report": "0".repeat(64) } });
    let opinion = id(&call("aud", "POST", "/v1/opinions", "", new, 201));
    look("sec1", "/v1/opinions/{id}", &opinion);
    look("sec1", "/v1/opinions", "");

    let secret = ed25519_dalek::SigningKey::from_bytes(&[4; 32]);
    let public = jinyun_journal::note::PublicKey::Ed25519(secret.verifying_key().to_bytes());
    let key = jinyun_journal::Key { name: "a-1".into(), public };
    let new = json!({ "witness": { "key": key.line(), "who": "w", "role": "auditor" } });
    let witness = id(&call("aud", "POST", "/v1/witnesses", "", new, 201));
    let mut note = jinyun_journal::Note::parse(&w.sign()[0]).unwrap();
    let signature: ed25519_dalek::Signature =
        ed25519_dalek::Signer::sign(&secret, note.text.as_bytes());
    note.signatures.push((key.name.clone(), key.id(), signature.to_bytes().to_vec()));
    let new = json!({ "cosignature": { "note": note.render() } });
    call("aud", "POST", "/v1/cosignatures", "", new, 201);
    look("sys", "/v1/checkpoint", "");
    look("sys", "/v1/cosignatures", "");
    call("aud", "POST", "/v1/witnesses/{id}/retire", &witness, Value::Null, 200);
    look("aud", "/v1/witnesses/{id}", &witness);
    look("aud", "/v1/witnesses", "");
}

#[test]
fn lists_have_pages_and_filters_and_refuse_the_rest() {
    let w = World::new();
    for n in 0..5 {
        let body = json!({ "risk": { "title": format!("risk {n}"), "owner": if n < 2 { "a" } else { "b" } } });
        w.ok("sec1", "POST", "/v1/risks", body);
    }
    let titles = |query: &str| -> Vec<String> {
        let all = w.ok("sec1", "GET", &format!("/v1/risks{query}"), Value::Null);
        all.as_array().unwrap().iter().map(|r| r["title"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(titles("?owner=a"), ["risk 1", "risk 0"]);
    assert_eq!(titles("?owner=b&state=identified&limit=2"), ["risk 4", "risk 3"]);
    let all = w.ok("sec1", "GET", "/v1/risks", Value::Null);
    let third = all[2]["id"].as_str().unwrap();
    assert_eq!(titles(&format!("?marker={third}")), ["risk 1", "risk 0"]);
    assert!(titles("?domain_id=bank").is_empty());
    for query in ["?colour=red", "?limit=0", "?limit=501", "?limit=x", "?marker=x"] {
        assert_eq!(w.word("sec1", "GET", &format!("/v1/risks{query}"), Value::Null), "invalid", "{query}");
        assert_eq!(w.word("aud", "GET", &format!("/v1/duties{query}"), Value::Null), "invalid", "{query}");
    }
}
