//! Routes asked as the edge would ask them, what they answer judged by the document of the API, and the
//! institutions and people that such tests begin with ([`Town`]).
//!
//! For tests only. A schema is judged by the part of JSON Schema that our documents use; what is not
//! known here ends the test instead of passing. Not a validator from outside: the point is that a
//! document names no member that is not told and no answer has one that the document does not name,
//! which a validator lets pass.

mod town;

pub use town::{Person, Town};

use jinyun_engine::{Failure, Via};
use jinyun_policy::Actor;
use jinyun_rest::{Body, Call, Cloud, Door, Route};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::sync::Mutex;

/// From where everybody comes.
pub const HERE: &str = "10.9.8.7";

/// Somebody who asks, with a token.
pub struct Caller<'a> {
    /// The records.
    pub cloud: &'a Cloud,
    /// Who.
    pub actor: &'a Actor,
    /// How they signed in.
    pub via: Via,
}

impl Caller<'_> {
    /// A request by a path below the service: status and body; 0 and the refusal if refused.
    pub fn ask(self, routes: &[Route], method: &str, path: &str, body: Value) -> (u16, Value) {
        self.call(routes, method, path, body, None)
    }

    /// The same with bytes as the body, for a route that takes a stream.
    pub fn send(self, routes: &[Route], method: &str, path: &str, bytes: &[u8]) -> (u16, Value) {
        let input: Box<dyn Read + Send> = Box::new(Cursor::new(bytes.to_vec()));
        self.call(routes, method, path, Value::Null, Some(input))
    }

    fn call(self, routes: &[Route], method: &str, path: &str, body: Value,
        input: Option<Box<dyn Read + Send>>) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |r: &&Route| {
            let pattern: Vec<&str> = r.path.split('/').collect();
            r.method == method && pattern.len() == parts.len()
                && pattern.iter().zip(&parts).all(|(p, s)| p.starts_with('{') || p == s)
        };
        let route = routes.iter().find(fits);
        let route = route.unwrap_or_else(|| panic!("no route for {method} {path}"));
        let named = route.path.split('/').zip(&parts).filter_map(|(pattern, part)| {
            let name = pattern.strip_prefix('{')?.strip_suffix('}')?;
            // A call has names that last as long as the program; a test does not ask often.
            let name: &'static str = Box::leak(name.to_string().into_boxed_str());
            Some((name, part.to_string()))
        });
        let call = Call {
            cloud: self.cloud,
            actor: self.actor,
            via: self.via,
            door: Door::Management,
            path: named.collect(),
            query: query.split('&').filter(|q| !q.is_empty()).map(|pair| {
                let (name, value) = pair.split_once('=').expect("a query of name=value");
                (name.into(), value.into())
            }).collect(),
            body,
            request: "req-2".into(),
            source: Some(HERE.into()),
            base: "https://cloud/service".into(),
            version: None,
            token: None,
            headers: Vec::new(),
            input: Mutex::new(input),
        };
        match (route.run)(&call) {
            Ok(reply) => match reply.body {
                Body::Json(body) => (reply.status, body),
                _ => (reply.status, Value::Null),
            },
            Err(Failure::Refused(r)) => (0, format!("{}: {}", r.code(), r.message).into()),
            Err(Failure::Fault(fault)) => panic!("{method} {path}: {fault}"),
        }
    }
}

/// The operations that a document has, as `GET /v1/things`.
pub fn written(document: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("an object").keys().filter(|k| *k != "parameters") {
            all.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    all
}

/// The operations that there are, in the same form.
pub fn offered(routes: &[Route]) -> BTreeSet<String> {
    routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect()
}

/// What of a value is not as a schema of the document says.
pub fn faults(document: &Value, schema: &Value, value: &Value, at: &str, out: &mut Vec<String>) {
    if let Some(path) = schema["$ref"].as_str() {
        let target = path.strip_prefix('#').and_then(|path| document.pointer(path));
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
    let is = |word: &Value| match word.as_str() {
        Some("null") => value.is_null(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => panic!("{at}: the type {word} is not known here"),
    };
    let typed = match &schema["type"] {
        Value::Null => true,
        Value::Array(words) => words.iter().any(is),
        word => is(word),
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
        if !name.as_str().is_some_and(|name| members.contains_key(name)) {
            out.push(format!("{at}.{name} is missing"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_judge_of_answers_finds_what_is_wrong() {
        let document = json!({
            "paths": { "/v1/windows": { "parameters": [], "get": {}, "post": {} } },
            "components": { "schemas": { "Window": {
                "type": "object",
                "required": ["days", "from"],
                "properties": {
                    "days": { "type": "array", "items": { "type": "string", "enum": ["mon", "tue"] } },
                    "from": { "type": "string" },
                    "note": { "type": ["string", "null"] },
                    "count": { "anyOf": [{ "type": "integer" }, { "type": "boolean" }] },
                },
            } } },
        });
        let schema = json!({ "$ref": "#/components/schemas/Window" });
        let cases = [
            (json!({ "days": ["mon"], "from": "09:00" }), 0),
            (json!({ "days": [], "from": "09:00", "note": null, "count": true }), 0),
            (json!({ "days": ["moon"], "from": "09:00" }), 1),
            (json!({ "days": ["mon", 1], "from": "09:00" }), 2),
            (json!({ "days": ["mon"], "from": 9 }), 1),
            (json!({ "days": ["mon"] }), 1),
            (json!({ "days": ["mon"], "from": "09:00", "colour": "red" }), 1),
            (json!({ "days": ["mon"], "from": "09:00", "note": 1, "count": "x" }), 2),
            (json!(7), 1),
        ];
        for (value, want) in cases {
            let mut out = Vec::new();
            faults(&document, &schema, &value, "value", &mut out);
            assert_eq!(out.len(), want, "{value}: {out:?}");
        }
        let both: Vec<String> = written(&document).into_iter().collect();
        assert_eq!(both, ["GET /v1/windows", "POST /v1/windows"]);
    }
}
