//! The document of the API, judged against the routes and against what they answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{HERE, World};
use jinyun_access::Profile;
use jinyun_testrest::{faults, offered, written};
use serde_json::{Value, json};

fn document() -> Value {
    serde_json::from_str(include_str!("../../../docs/api/access.json")).unwrap()
}

#[test]
fn the_document_has_the_routes_and_no_others() {
    let w = World::new();
    let routes = jinyun_access::routes(w.access.clone());
    assert_eq!(written(&document()), offered(&routes));
    // Each is decided by an action that a rule names.
    for route in routes {
        assert!(w.registry.policy.rule(&route.action).is_some(), "{}", route.path);
    }
}

#[test]
fn what_is_answered_is_what_the_document_says() {
    let w = World::new();
    let document = document();
    // A request as the document has it: its path, what was sent and what came.
    let call = |who: &str, method: &str, path: &str, put: &[(&str, &str)], body: Value, want: u16| {
        let bare = path.split('?').next().unwrap();
        let entry = &document["paths"][bare][method.to_lowercase()];
        let json = |part: &Value| part["content"]["application/json"]["schema"].clone();
        let mut out = Vec::new();
        let sent = json(&entry["requestBody"]);
        if !body.is_null() {
            assert!(!sent.is_null(), "{method} {path} takes no body");
            faults(&document, &sent, &body, "sent", &mut out);
        }
        let filled = put.iter().fold(path.to_string(), |p, (name, value)| p.replace(name, value));
        let (status, told) = w.http(who, method, &filled, body);
        assert_eq!(status, want, "{method} {path}: {told}");
        let answer = &entry["responses"][status.to_string()];
        assert!(!answer.is_null(), "{method} {path}: {status} is not in the document");
        if !told.is_null() {
            faults(&document, &json(answer), &told, "told", &mut out);
        }
        assert_eq!(out, Vec::<String>::new(), "{method} {path}");
        told
    };
    let (all, one) = ("/v1/statements", "/v1/statements/{id}");
    let net = w.network("ann@p", "net");
    let full = json!({ "statement": { "name": "all of it", "description": "for the test",
        "effect": "allow_only", "who": { "users": [w.user("ann")], "groups": [w.group("g", &["bob"])],
            "roles": ["member"] },
        "except": { "users": [w.user("moe")] }, "actions": ["network:network:*"],
        "resources": [{ "project_id": w.project("p") }, { "project_tag": "environment:test" },
            { "kind": "network", "id": net }],
        "conditions": { "source": [HERE], "second_factor": true, "age": 600,
            "hours": { "days": ["mon", "tue"], "from": "09:00", "to": "18:00" } } } });
    let told = call("may@bank", "POST", all, &[], full, 201);
    let id = told["statement"]["id"].as_str().unwrap();
    let plain = json!({ "statement": { "name": "plain", "effect": "deny",
        "who": { "everybody": true }, "actions": ["network:port:delete"] } });
    call("may@bank", "POST", all, &[], plain, 201);
    let listed = call("may@bank", "GET", "/v1/statements?limit=1", &[], Value::Null, 200);
    assert_eq!(listed["statements"].as_array().unwrap().len(), 1);
    let id = &[("{id}", id)];
    call("ray@bank", "GET", one, id, Value::Null, 200);
    let refused = w.run(w.command("ann@p", "network:network:update").on(net.clone())
        .with(json!({ "mtu": 1400 })));
    refused.unwrap_err();
    let simulate = json!({ "user_id": w.user("ann"), "scope": { "project_id": w.project("p") },
        "action": "network:network:update", "resource": { "kind": "network", "id": net },
        "source": HERE, "time": "2026-02-02T10:00:00+08:00", "methods": ["password"],
        "token_age": 60 });
    let told = call("may@bank", "POST", "/v1/simulate", &[], simulate, 200);
    assert_eq!(told["simulation"]["decision"], json!("refused"));
    let itself = json!({ "self": true, "action": "network:network:create" });
    call("bob@p", "POST", "/v1/simulate", &[], itself.clone(), 200);
    call("aud@system", "POST", "/v1/simulate", &[], itself, 200);
    let explain = json!({ "request": "req-1", "scope": { "project_id": w.project("p") },
        "methods": ["password", "totp"], "token_age": 1 });
    let told = call("may@bank", "POST", "/v1/explain", &[], explain, 200);
    assert_eq!(told["refused"].as_array().unwrap().len(), 1);
    let change = json!({ "statement": { "name": "changed", "resources": [],
        "conditions": { "age": 60 } } });
    call("may@bank", "PATCH", one, id, change, 200);
    call("moe@bank", "DELETE", one, id, Value::Null, 204);
    call("may@bank", "GET", "/v1/unused?days=30", &[], Value::Null, 200);
    call("ann@p", "GET", "/v1/guardrails", &[], Value::Null, 200);
    w.set.lock().unwrap().insert(w.project("p"), (Profile::Extended, vec!["port_security".into()]));
    let rule = json!({ "group": w.id(w.command("ann@p", "network:security_group:create")
        .with(json!({ "name": "web" }))), "direction": "ingress", "ethertype": "IPv4",
        "protocol": "udp", "port_min": 40000, "port_max": 50000 });
    w.id(w.command("ann@p", "network:security_group_rule:create").with(rule));
    let path = "/v1/guardrails/violations?profile=enhanced";
    let told = call("ann@p", "GET", path, &[], Value::Null, 200);
    assert_eq!(told["violations"][0]["guardrail"], json!("all_ports_from_anywhere"));
    // What has to wait is accepted.
    let rule = json!({ "name": "two of us", "domain": "bank", "project": "", "deadline": 3600,
        "action": "access:statement:create",
        "stages": [{ "who": { "role": { "role": "manager", "within": "domain" } }, "count": 1 }] });
    w.id(w.command("may@bank", "approval:approval_rule:create").with(rule));
    let more = json!({ "statement": { "name": "waits", "effect": "deny",
        "who": { "everybody": true }, "actions": ["network:port:create"] } });
    call("may@bank", "POST", all, &[], more, 202);
}
