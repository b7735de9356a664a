//! The document of the API, judged against the routes and against what they answer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{HERE, World};
use jinyun_access::Profile;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::from_str(include_str!("../../../docs/api/access.json")).unwrap()
}

/// What of a value is not as a schema says: the part of JSON Schema that the document uses.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    if let Some(path) = schema["$ref"].as_str() {
        let target = document.pointer(path.strip_prefix('#').unwrap());
        return faults(document, target.unwrap_or_else(|| panic!("{path}")), value, at, out);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = any.iter().any(|schema| {
            let mut wrong = Vec::new();
            faults(document, schema, value, at, &mut wrong);
            wrong.is_empty()
        });
        if !fits {
            out.push(format!("{at}: {value} is none of them"));
        }
        return;
    }
    let is = |word: &str| match word {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{at}: the type {other} is not known here"),
    };
    let typed = match &schema["type"] {
        Value::Null => true,
        Value::String(word) => is(word),
        words => words.as_array().unwrap().iter().any(|w| is(w.as_str().unwrap())),
    };
    if !typed {
        out.push(format!("{at}: {value} is not {}", schema["type"]));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        out.push(format!("{at}: {value} is not among them"));
    }
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        faults(document, &schema["items"], item, &format!("{at}[{n}]"), out);
    }
    let (Some(members), Some(known)) = (value.as_object(), schema["properties"].as_object()) else {
        return;
    };
    for (name, member) in members {
        match known.get(name) {
            Some(schema) => faults(document, schema, member, &format!("{at}.{name}"), out),
            None => out.push(format!("{at}.{name} is not in the document")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            out.push(format!("{at}.{name} is missing"));
        }
    }
}

#[test]
fn the_document_has_the_routes_and_no_others() {
    let document = document();
    let mut said = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|k| *k != "parameters") {
            said.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let w = World::new();
    let there: BTreeSet<String> = jinyun_access::routes(w.access.clone()).iter()
        .map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(said, there);
    // Each is decided by an action that a rule names.
    for route in jinyun_access::routes(w.access.clone()) {
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
