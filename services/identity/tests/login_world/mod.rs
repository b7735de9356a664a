//! The service on a database of its own, with a clock that is the test's; requests go through its
//! routes as the edge sends them.

#![allow(dead_code)]

use jinyun_base::{OsEntropy, Refused, SeedEntropy, Time};
use jinyun_engine::*;
use jinyun_identity::{Directory, Identity, RECEIPT_HEADER, first_start, register, routes};
use jinyun_kms::Kms;
use jinyun_policy::Actor;
use jinyun_rest::{Body, Call, Cloud, Door, Route};
use jinyun_store::{Config, Writer};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// Where everybody is, if nothing else is said.
pub const HOME: &str = "10.9.8.7";
/// Passwords that fit the default policy.
pub const NEW: &str = "New-Password-1";
pub const OWN: &str = "Own-Password-2";
/// The shared secret of everybody's device, as authenticators write it, and as bytes.
pub const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
pub const BYTES: &[u8] = b"12345678901234567890";

pub struct World {
    pub cloud: Cloud,
    pub identity: Arc<Identity>,
    pub routes: Vec<Route>,
    pub clock: Arc<AtomicI64>,
    pub dir: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// How a request comes.
#[derive(Clone, Copy, Default)]
pub struct Via<'a> {
    pub source: Option<&'a str>,
    pub token: Option<&'a str>,
    pub receipt: Option<&'a str>,
    /// By the tenants' listener.
    pub outside: bool,
}

pub fn with(token: &str) -> Via<'_> {
    Via { token: Some(token), ..Via::default() }
}

pub fn from(source: &str) -> Via<'_> {
    Via { source: Some(source), ..Via::default() }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    pub token: String,
    pub receipt: String,
}

impl Answer {
    pub fn refused(status: u16, say: &str) -> Answer {
        Answer { status, body: say.into(), token: String::new(), receipt: String::new() }
    }

    /// What somebody who watches can tell.
    pub fn seen(&self) -> (u16, String) {
        (self.status, self.body.to_string())
    }

    pub fn id(&self, one: &str) -> String {
        self.body[one]["id"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_string()
    }
}

pub fn by_password(name: &str, domain: &str, password: &str) -> (&'static str, Value) {
    let user = json!({ "name": name, "domain": { "id": domain }, "password": password });
    ("password", json!({ "user": user }))
}

pub fn by_code(name: &str, domain: &str, passcode: &str) -> (&'static str, Value) {
    let user = json!({ "name": name, "domain": { "id": domain }, "passcode": passcode });
    ("totp", json!({ "user": user }))
}

pub fn system() -> Value {
    json!({ "system": { "all": true } })
}

pub fn in_project(id: &str) -> Value {
    json!({ "project": { "id": id } })
}

pub fn role(name: &str) -> &'static str {
    let found = jinyun_identity::assignment::ROLES.iter().find(|(_, n, _)| *n == name);
    found.unwrap().0
}

impl World {
    pub fn new(name: &str) -> World {
        let dir = std::env::temp_dir().join(format!("jylogin-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let mut registry = Registry::default();
        register(&mut registry);
        let registry = Arc::new(registry);
        let writer = Writer::open(&config, "test").unwrap();
        let mut core = Core::new(writer, registry.clone(), Box::new(SeedEntropy::new(3)));
        let directory = Arc::new(Directory::default());
        let watch = directory.clone();
        core.observe(Box::new(move |effects| watch.apply(effects)));
        // 2023-11-14T22:13:20Z, a Wednesday morning in UTC+8.
        let clock = Arc::new(AtomicI64::new(1_700_000_000_000_000));
        let (handle, queue) = Queue::new();
        let ticks = clock.clone();
        std::thread::spawn(move || {
            queue.serve(core, move || Time(ticks.fetch_add(1000, Ordering::SeqCst)));
        });
        let reader = Reader::new(config, registry, handle.clone());
        let kms = Kms::open(&dir.join("keys"), "test", Box::<OsEntropy>::default()).unwrap();
        let ticks = clock.clone();
        let identity = Identity::new(directory, Arc::new(kms),
            Arc::new(move || Time(ticks.fetch_add(1000, Ordering::SeqCst)))).unwrap();
        let identity = Arc::new(identity);
        let routes = routes(identity.clone(), Vec::new());
        let world = World { cloud: Cloud { reader, handle }, identity, routes, clock, dir };
        for admin in first_start(&mut world.cloud.handle.clone(), &mut SeedEntropy::new(1)).unwrap() {
            let old = admin.password.expose();
            let id = world.user(admin.name, "default");
            assert_eq!(world.change(&id, old, NEW).status, 204, "{}", admin.name);
        }
        assert_eq!(world.enrol("secadmin", "default", NEW).status, 201);
        world
    }

    pub fn user(&self, name: &str, domain: &str) -> String {
        self.identity.directory.user_by_name(&domain.into(), name).unwrap().0.to_string()
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * Time::SECOND, Ordering::SeqCst);
    }

    /// The device's code, some steps from now.
    pub fn code(&self, steps: i64) -> String {
        let step = self.clock.load(Ordering::SeqCst) / Time::SECOND / 30 + steps;
        let mac = Kms::hmac_sha1(BYTES, &step.to_be_bytes());
        let at = usize::from(mac[19] & 15);
        let word = u32::from_be_bytes(mac[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", word % 1_000_000)
    }

    pub fn send(&self, via: Via<'_>, method: &str, path: &str, body: Value) -> Answer {
        let source = via.source.unwrap_or(HOME);
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |r: &&Route| {
            let pattern: Vec<&str> = r.path.split('/').collect();
            r.method == method && pattern.len() == parts.len()
                && pattern.iter().zip(&parts).all(|(p, s)| p.starts_with('{') || p == s)
        };
        let mut found: Vec<&Route> = self.routes.iter().filter(fits).collect();
        found.sort_by_key(|r| r.path.matches('{').count());
        let route = found.first().unwrap_or_else(|| panic!("no route for {method} {path}"));
        let known = via.token.and_then(|t| self.identity.actor(t, Some(source)));
        let actor = match &known {
            Some((_, t)) if !self.identity.may_request(t, "identity", method, path) => {
                return Answer::refused(403, "not with this token");
            }
            Some((actor, _)) => actor.clone(),
            None if route.token => return Answer::refused(401, "no good token"),
            None => Actor::nobody(source),
        };
        let params = route.path.split('/').zip(&parts).filter(|(p, _)| p.starts_with('{'))
            .map(|(p, s)| {
                let name: &'static str = p.trim_matches(['{', '}']).to_string().leak();
                (name, s.to_string())
            }).collect();
        let receipt = via.receipt.map(|r| (RECEIPT_HEADER.to_string(), r.to_string()));
        let call = Call {
            via: known.as_ref().map(|(_, t)| Identity::via(t)).unwrap_or_default(),
            door: if via.outside { Door::Tenants } else { Door::Management },
            cloud: &self.cloud, actor: &actor, path: params, query: Vec::new(), body,
            request: "req-1".into(), source: Some(source.into()),
            base: "https://cloud/identity".into(), version: None,
            token: via.token.map(String::from), headers: receipt.into_iter().collect(),
            input: Mutex::new(None),
        };
        match (route.run)(&call) {
            Ok(reply) => {
                let header = |name: &str| {
                    let found = reply.headers.iter().find(|(n, _)| *n == name);
                    found.map(|(_, v)| v.clone()).unwrap_or_default()
                };
                let (token, receipt) = (header("x-subject-token"), header(RECEIPT_HEADER));
                let body = match reply.body {
                    Body::Json(value) => value,
                    _ => Value::Null,
                };
                Answer { status: reply.status, body, token, receipt }
            }
            Err(Failure::Refused(r)) => {
                let status = match r.why {
                    Refused::Invalid(_) => 400,
                    Refused::Unauthenticated => 401,
                    Refused::Forbidden => 403,
                    Refused::NotFound => 404,
                    Refused::Conflict | Refused::Taken => 409,
                    _ => 499,
                };
                Answer::refused(status, &r.message)
            }
            Err(Failure::Fault(f)) => Answer::refused(503, &f.to_string()),
        }
    }

    pub fn sign(&self, via: Via<'_>, methods: &[(&str, Value)], scope: Value) -> Answer {
        let names: Vec<&str> = methods.iter().map(|(name, _)| *name).collect();
        let mut auth = json!({ "identity": { "methods": names } });
        for (name, data) in methods {
            auth["identity"][*name] = data.clone();
        }
        if !scope.is_null() {
            auth["scope"] = scope;
        }
        self.send(via, "POST", "/v3/auth/tokens", json!({ "auth": auth }))
    }

    pub fn change(&self, id: &str, old: &str, new: &str) -> Answer {
        let body = json!({ "user": { "original_password": old, "password": new } });
        self.send(Via::default(), "POST", &format!("/v3/users/{id}/password"), body)
    }

    /// Makes a device's credential with an unscoped token.
    pub fn enrol(&self, name: &str, domain: &str, password: &str) -> Answer {
        let first =
            self.sign(Via::default(), &[by_password(name, domain, password)], "unscoped".into());
        assert_eq!(first.status, 201, "{first:?}");
        let body = json!({ "credential": { "type": "totp", "blob": SEED,
            "user_id": self.user(name, domain) } });
        self.send(with(&first.token), "POST", "/v3/credentials", body)
    }

    /// Signs in with both factors, with a code of a step of its own.
    pub fn both(&self, name: &str, domain: &str, password: &str, scope: Value) -> Answer {
        self.pass(30);
        let methods =
            [by_password(name, domain, password), by_code(name, domain, &self.code(0))];
        self.sign(Via::default(), &methods, scope)
    }

    /// An institution with a manager. Returns its id and the manager's token.
    pub fn institution(&self, name: &str) -> (String, String) {
        let security = self.both("secadmin", "default", NEW, system()).token;
        let via = with(&security);
        let domain = self.send(via, "POST", "/v3/domains", json!({ "domain": { "name": name } }));
        let domain = domain.id("domain");
        let user = json!({ "user": { "name": "boss", "domain_id": domain, "password": NEW } });
        let boss = self.send(via, "POST", "/v3/users", user).id("user");
        let grant = format!("/v3/domains/{domain}/users/{boss}/roles/{}", role("manager"));
        assert_eq!(self.send(via, "PUT", &grant, Value::Null).status, 204);
        assert_eq!(self.change(&boss, NEW, OWN).status, 204);
        let token = self.boss(&domain);
        (domain, token)
    }

    /// The manager signs in again.
    pub fn boss(&self, domain: &str) -> String {
        let scope = json!({ "domain": { "id": domain } });
        let answer = self.sign(Via::default(), &[by_password("boss", domain, OWN)], scope);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.token
    }

    pub fn person(&self, boss: &str, name: &str) -> String {
        let user = json!({ "user": { "name": name, "password": NEW } });
        self.send(with(boss), "POST", "/v3/users", user).id("user")
    }

    /// A project in which somebody is a member.
    pub fn project(&self, boss: &str, name: &str, members: &[&str]) -> String {
        let body = json!({ "project": { "name": name } });
        let project = self.send(with(boss), "POST", "/v3/projects", body).id("project");
        for member in members {
            let grant = format!("/v3/projects/{project}/users/{member}/roles/{}", role("member"));
            assert_eq!(self.send(with(boss), "PUT", &grant, Value::Null).status, 204);
        }
        project
    }

    /// Ann signs in with a password, after a time that ends every pause.
    pub fn ann(&self, domain: &str, password: &str) -> Answer {
        self.pass(40);
        self.sign(Via::default(), &[by_password("ann", domain, password)], Value::Null)
    }

    pub fn works(&self, token: &str) -> bool {
        self.identity.actor(token, Some(HOME)).is_some()
    }

    /// The journal's entries of an action, once everything that was sent before is written.
    pub fn journal(&self, action: &str) -> Vec<Value> {
        self.cloud.handle.with(|_| ()).unwrap();
        let entries = self.cloud.reader.lend(|db| db.entries(0, 10_000)).unwrap();
        entries.iter().map(|e| serde_json::from_slice::<Value>(e).unwrap())
            .filter(|e| e["action"] == action).collect()
    }
}
