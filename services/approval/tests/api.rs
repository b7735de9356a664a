//! The document of the API, judged against the routes and against what they answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::World;
use jinyun_testrest::{faults, offered, written};
use serde_json::{Value, json};

fn document() -> Value {
    serde_json::from_str(include_str!("../../../docs/api/approval.json")).unwrap()
}

#[test]
fn the_document_has_the_routes_and_no_others() {
    assert_eq!(written(&document()), offered(&jinyun_approval::routes()));
}

#[test]
fn what_is_answered_is_what_the_document_says() {
    let w = World::new();
    let document = document();
    // A request as the document has it: its path, what was sent and what came.
    let call = |who: &str, method: &str, path: &str, id: &str, body: Value, want: u16| {
        let entry = &document["paths"][path][method.to_lowercase()];
        let json = |part: &Value| part["content"]["application/json"]["schema"].clone();
        let mut out = Vec::new();
        let sent = json(&entry["requestBody"]);
        if !body.is_null() {
            assert!(!sent.is_null(), "{method} {path} takes no body");
            faults(&document, &sent, &body, "sent", &mut out);
        }
        let (status, told) = w.http(who, method, &path.replace("{id}", id), body);
        assert_eq!(status, want, "{method} {path}: {told}");
        let answer = &entry["responses"][status.to_string()];
        assert!(!answer.is_null(), "{method} {path}: {status} is not in the document");
        if !told.is_null() {
            faults(&document, &json(answer), &told, "told", &mut out);
        }
        assert_eq!(out, Vec::<String>::new(), "{method} {path}");
        told
    };
    let rules = "/v1/rules";
    let rule = json!({ "rule": { "name": "all of it", "description": "for the test",
        "action": "toy:vault:*", "project_id": w.project("p"), "deadline": 3600,
        "when": [{ "project_tag": "environment:production" }, { "no_project_tag": "x" }],
        "stages": [{ "role": "manager", "in": "project", "count": 1 }, { "groups": [w.group(&["bob"])] }],
        "window": { "days": ["mon", "tue"], "from": "09:00", "to": "18:00" },
        "reason_required": true, "guarded": true } });
    let told = call("may@bank", "POST", rules, "", rule, 201);
    let id = told["rule"]["id"].as_str().unwrap();
    let one = "/v1/rules/{id}";
    call("may@bank", "GET", rules, "", Value::Null, 200);
    call("may@bank", "GET", one, id, Value::Null, 200);
    call("may@bank", "PATCH", one, id, json!({ "rule": { "window": null } }), 202);
    call("may@bank", "DELETE", one, id, Value::Null, 202);
    let plain = json!({ "rule": { "name": "plain", "action": "toy:vault:delete", "deadline": 60,
        "stages": [{ "users": [w.user("bob")] }] } });
    let told = call("may@bank", "POST", rules, "", plain, 201);
    let id = told["rule"]["id"].as_str().unwrap();
    let change = json!({ "rule": { "name": "changed", "window": null, "when": [] } });
    call("may@bank", "PATCH", one, id, change, 200);
    call("may@bank", "DELETE", one, id, Value::Null, 204);
    let staff = json!({ "rule": { "name": "staff", "action": "identity:domain:create",
        "deadline": 60, "stages": [{ "duty": "security_admin" }] } });
    call("sec1@system", "POST", rules, "", staff, 201);

    let make = |name: &str| {
        let command = w.command("ann@p", "toy:vault:create").with(json!({ "name": name }));
        w.asked(command).to_string()
    };
    let (all, one) = ("/v1/requests", "/v1/requests/{id}");
    let id = make("one");
    call("bob@p", "GET", one, &id, Value::Null, 200);
    let path = |word: &str| format!("{one}/{word}");
    call("ann@p", "POST", &path("reason"), &id, json!({ "reason": "for the test" }), 200);
    call("dan@p", "POST", &path("vote"), &id, json!({ "approve": true, "comment": "" }), 200);
    let told = call("bob@p", "POST", &path("vote"), &id, json!({ "approve": true }), 200);
    assert_eq!(told["request"]["state"], json!("done"));
    call("ann@p", "POST", &path("withdraw"), &make("two"), Value::Null, 200);
    call("may@bank", "GET", all, "", Value::Null, 200);

    let (all, one) = ("/v1/consents", "/v1/consents/{id}");
    let path = |word: &str| format!("{one}/{word}");
    let vault = told["request"]["outcome"]["made"].clone();
    let consent = json!({ "consent": { "domain_id": "bank", "project_id": w.project("p"),
        "resource": { "kind": "vault", "id": vault }, "duty": "system_admin",
        "actions": ["toy:vault:*"], "from": "2026-02-02T10:00:00+08:00",
        "until": "2026-02-02T20:00:00+08:00", "reason": "for the test", "standing": false,
        "contract": "" } });
    let new = || {
        let told = call("sys1@system", "POST", all, "", consent.clone(), 201);
        told["consent"]["id"].as_str().unwrap().to_string()
    };
    let id = new();
    call("may@bank", "POST", &path("vote"), &id, json!({ "approve": true, "comment": "yes" }), 200);
    call("may@bank", "POST", &path("revoke"), &id, json!({ "comment": "over" }), 200);
    call("sys1@system", "POST", &path("withdraw"), &new(), Value::Null, 200);
    call("may@bank", "GET", one, &id, Value::Null, 200);
    call("may@bank", "GET", all, "", Value::Null, 200);
}
