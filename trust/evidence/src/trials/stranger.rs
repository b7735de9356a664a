//! Asking as somebody outside would, one step behind the listener: routes, tokens, and what a token
//! may request are the edge's own way; TLS, headers and status codes are left out.

use jinyun_audit::Audit;
use jinyun_base::{Fault, Refused};
use jinyun_engine::{Answer, Command, Failure, Job, Via};
use jinyun_identity::Identity;
use jinyun_kms::Kms;
use jinyun_policy::Actor;
use jinyun_rest::{Body, Call, Cloud, Door, Reply, Route};
use serde_json::{Value, json};
use std::io::Read;
use std::sync::{Arc, Mutex};

/// Who sends a request.
#[derive(Clone)]
pub enum By {
    /// Somebody who has not signed in.
    Nobody,
    /// The bearer of a token.
    Token(String),
    /// An actor as the edge would make it from a token.
    Actor(Box<Actor>),
}

/// A request.
pub struct Sent {
    /// `identity`, `journal`, `approval` or `compute`.
    pub service: &'static str,
    /// `GET`, `POST`, ...
    pub method: &'static str,
    /// Path below the service's root, with its query.
    pub path: String,
    /// JSON; null if there is none.
    pub body: Value,
    /// Who.
    pub by: By,
    /// A token of an identity provider's, as it goes into the header `Authorization`; empty if none.
    pub bearer: String,
    /// From where.
    pub source: String,
    /// Request id.
    pub request: String,
}

impl Sent {
    /// A request of nobody's without a body.
    pub fn new(service: &'static str, method: &'static str, path: impl Into<String>) -> Sent {
        let (path, by, none) = (path.into(), By::Nobody, String::new);
        let (bearer, source, request) = (none(), none(), none());
        Sent { service, method, path, body: Value::Null, by, bearer, source, request }
    }

    /// With a token of an identity provider's.
    pub fn bearing(mut self, token: String) -> Sent {
        self.bearer = token;
        self
    }

    /// Of somebody.
    pub fn by(mut self, by: &By) -> Sent {
        self.by = by.clone();
        self
    }

    /// With a body.
    pub fn with(mut self, body: Value) -> Sent {
        self.body = body;
        self
    }

    /// From a place.
    pub fn at(mut self, source: String) -> Sent {
        self.source = source;
        self
    }
}

/// What came back.
#[derive(Default)]
pub struct Came {
    /// `ok`, the refusal's word, or `fault`.
    pub code: &'static str,
    /// The sentence of a refusal or fault.
    pub says: String,
    /// JSON.
    pub body: Value,
    /// A new token.
    pub token: String,
    /// A stream's bytes.
    pub bytes: Vec<u8>,
    /// The request's id.
    pub request: String,
}

/// Longest stream that is read, in bytes.
const LONGEST: u64 = 64 << 20;

impl Came {
    /// The rules' no.
    pub fn refused(code: &'static str, says: impl Into<String>) -> Came {
        Came { code, says: says.into(), ..Came::default() }
    }

    /// What a refusal or a fault comes to.
    pub(super) fn of_failure(failure: Failure) -> Came {
        match failure {
            Failure::Refused(refusal) => {
                let mut came = Came::refused(refusal.code(), refusal.message);
                if let Refused::NeedsApproval(id) = refusal.why {
                    came.body = json!({ "request": { "id": id } });
                }
                came
            }
            Failure::Fault(fault) => Came::refused("fault", fault.to_string()),
        }
    }

    /// What came of a command.
    pub fn of_command(answer: Result<Answer, Failure>) -> Came {
        match answer {
            Ok(Answer { value, row, .. }) => {
                // A plain creation answers with the row alone.
                let body = match row {
                    Some(row) if value.is_null() => json!({ "id": row.id }),
                    _ => value,
                };
                Came { code: "ok", body, ..Came::default() }
            }
            Err(failure) => Came::of_failure(failure),
        }
    }

    /// What came of a route.
    fn of_route(answer: Result<Reply, Failure>) -> Came {
        let reply = match answer {
            Ok(reply) => reply,
            Err(failure) => return Came::of_failure(failure),
        };
        // Half a sign-in is answered with a receipt and 401: it is none.
        let (code, says) = match reply.status {
            ..400 => ("ok", ""),
            _ => ("unauthenticated", "another proof is asked for"),
        };
        let token = reply.headers.iter().find(|(name, _)| *name == "x-subject-token");
        let token = token.map(|(_, text)| text.clone()).unwrap_or_default();
        let mut came = Came { code, says: says.into(), token, ..Came::default() };
        match reply.body {
            Body::Json(value) => came.body = value,
            Body::Text(text) => came.body = serde_json::from_str(&text).unwrap_or_default(),
            Body::Stream(stream) => {
                if let Err(e) = stream.take(LONGEST).read_to_end(&mut came.bytes) {
                    return Came::refused("fault", e.to_string());
                }
            }
            Body::Empty | Body::File(_) => {}
        }
        came
    }

    /// Whether it was done.
    pub fn ok(&self) -> bool {
        self.code == "ok"
    }

    /// An error text unless it was done.
    pub(super) fn done(&self, what: &str) -> Result<(), String> {
        match self.ok() {
            true => Ok(()),
            false => Err(format!("{what}: {}", self.says)),
        }
    }

    /// The id of what was made.
    pub(super) fn id(&self, one: &str) -> Result<String, String> {
        self.text(&format!("/{one}/id"))
    }

    /// A text of the body, by its JSON pointer.
    pub(super) fn text(&self, at: &str) -> Result<String, String> {
        let text = self.body.pointer(at).and_then(Value::as_str).map(String::from);
        text.ok_or_else(|| format!("the answer has no {at}: {}", self.says))
    }
}

/// The operations of the services.
pub trait Api {
    /// Sends a request and waits for what comes back.
    fn send(&self, sent: Sent) -> Came;

    /// The actor behind a token at a source, now, and how its bearer signed in.
    fn actor(&self, token: &str, source: &str) -> Option<(Actor, Via)>;

    /// Runs a command, for services whose routes nothing here needs.
    fn run(&self, command: Command) -> Came;
}

/// The services of this process.
pub struct Inside {
    cloud: Arc<Cloud>,
    identity: Arc<Identity>,
    mounts: [(&'static str, Vec<Route>); 4],
}

impl Inside {
    /// Routes of their own over the same records.
    pub fn new(cloud: Arc<Cloud>, identity: Arc<Identity>, kms: Arc<Kms>, instance: &str) -> Inside {
        let console: jinyun_compute::Console =
            Arc::new(|_, _, _| Err(Failure::from(Fault::new("no host is asked from here"))));
        let audit = Arc::new(Audit::new(cloud.clone(), instance));
        let mounts = [
            ("identity", jinyun_identity::routes(identity.clone(), Vec::new())),
            ("journal", jinyun_audit::routes(audit)),
            ("approval", jinyun_approval::routes()),
            ("compute", jinyun_compute::routes(console, kms)),
        ];
        Inside { cloud, identity, mounts }
    }
}

/// The route of a request and its parameters; words come before parameters, as at the edge.
fn find<'r>(routes: &'r [Route], method: &str, path: &str)
    -> Option<(&'r Route, Vec<(&'static str, String)>)> {
    let parts: Vec<&str> = path.split('/').collect();
    routes.iter().filter(|route| route.method == method)
        .filter_map(|route| Some((route, fit(&route.path, &parts)?)))
        .min_by_key(|(_, params)| params.len())
}

/// Names of the parameters in the paths that trials use.
const PARAMS: &[&str] = &["id", "user", "group", "who", "scope", "role", "number", "size", "idp",
    "protocol", "name"];

fn fit(pattern: &str, parts: &[&str]) -> Option<Vec<(&'static str, String)>> {
    let words: Vec<&str> = pattern.split('/').collect();
    if words.len() != parts.len() {
        return None;
    }
    let mut params = Vec::new();
    for (word, part) in words.into_iter().zip(parts) {
        match word.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
            Some(name) => {
                let name = PARAMS.iter().copied().find(|known| *known == name)?;
                params.push((name, part.to_string()));
            }
            None if word == *part => {}
            None => return None,
        }
    }
    Some(params)
}

fn pairs(query: &str) -> Vec<(String, String)> {
    query.split('&').filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// Sends a request to one of a service's routes, with the tokens of that identity service.
pub(super) fn pass(cloud: &Cloud, identity: &Identity, routes: &[Route], sent: Sent) -> Came {
    let Sent { service, method, path, body, by, bearer, source, request } = sent;
    let (path, query) = path.split_once('?').unwrap_or((path.as_str(), ""));
    let Some((route, params)) = find(routes, method, path) else {
        return Came::refused("fault", format!("{service} has no route {method} {path}"));
    };
    let (actor, via, token) = match by {
        By::Actor(actor) => (*actor, Via::default(), None),
        By::Nobody if route.token => {
            return Came::refused("unauthenticated", "a token is needed");
        }
        By::Nobody => (Actor::nobody(&source), Via::default(), None),
        By::Token(text) => match identity.actor(&text, Some(&source)) {
            Some((_, token)) if !identity.may_request(&token, service, method, path) => {
                return Came::refused("forbidden", "the token does not allow this request");
            }
            Some((actor, token)) => (actor, Identity::via(&token), Some(text)),
            None => return Came::refused("unauthenticated", "the token is not good"),
        },
    };
    let mut headers = Vec::new();
    if !bearer.is_empty() {
        headers.push(("authorization".to_string(), format!("Bearer {bearer}")));
    }
    let call = Call {
        via,
        door: Door::Management,
        cloud,
        actor: &actor,
        path: params,
        query: pairs(query),
        body,
        request,
        source: Some(source),
        base: String::new(),
        version: None,
        token,
        headers,
        input: Mutex::new(None),
    };
    Came::of_route((route.run)(&call))
}

impl Api for Inside {
    fn send(&self, sent: Sent) -> Came {
        let service = sent.service;
        match self.mounts.iter().find(|(name, _)| *name == service) {
            Some((_, routes)) => pass(&self.cloud, &self.identity, routes, sent),
            None => Came::refused("fault", format!("no service is mounted as {service}")),
        }
    }

    fn actor(&self, token: &str, source: &str) -> Option<(Actor, Via)> {
        let (actor, token) = self.identity.actor(token, Some(source))?;
        Some((actor, Identity::via(&token)))
    }

    fn run(&self, command: Command) -> Came {
        Came::of_command(self.cloud.handle.run(Job::Command(Box::new(command))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_fitted_to_patterns() {
        let fit = |pattern: &str, path: &str| {
            fit(pattern, &path.split('/').collect::<Vec<_>>())
        };
        let id = |text: &str| Some(vec![("id", text.to_string())]);
        assert_eq!(fit("/v3/users/{id}", "/v3/users/u1"), id("u1"));
        assert_eq!(fit("/v3/users/{id}", "/v3/groups/u1"), None);
        assert_eq!(fit("/v3/users/{id}", "/v3/users"), None);
        assert_eq!(fit("/v3/users/{unknown}", "/v3/users/u1"), None);
        assert_eq!(fit("/v3/users", "/v3/users"), Some(Vec::new()));
        let want = vec![("a".to_string(), "1".to_string()), ("b".into(), "".into())];
        assert_eq!(pairs("a=1&b=&nonsense"), want);
    }
}
