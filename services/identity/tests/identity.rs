//! People and duties: what the rules of the service promise, through the write path and sign-in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_base::{Id, OsEntropy, SeedEntropy, Time};
use jinyun_engine::*;
use jinyun_identity::{Directory, Identity, first_start, register, routes};
use jinyun_kms::Kms;
use jinyun_policy::Actor;
use jinyun_rest::{Body, Call, Cloud, Door, Route};
use jinyun_store::{Config, Writer};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

struct World {
    cloud: Cloud,
    identity: Arc<Identity>,
    routes: Vec<Route>,
    clock: Arc<AtomicI64>,
    dir: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Passwords of the three administrators after their first change.
const NEW: &str = "New-Password-1";

impl World {
    fn new(name: &str) -> World {
        let dir = std::env::temp_dir().join(format!("jyidentity-{}-{name}", std::process::id()));
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
        // The floor of two factors has its own tests (`factors.rs`).
        identity.duties_need_two_factors(false);
        let identity = Arc::new(identity);
        let routes = routes(identity.clone(), Vec::new());
        let world = World { cloud: Cloud { reader, handle }, identity, routes, clock, dir };
        for admin in first_start(&mut world.cloud.handle.clone(), &mut SeedEntropy::new(1)).unwrap() {
            let old = admin.password.expose();
            assert!(world.sign_in(admin.name, "default", old, system()).unwrap_err()
                .contains("needs to be changed"));
            let id = world.user(admin.name, "default");
            let change = json!({ "user": { "original_password": old, "password": NEW } });
            let path = format!("/v3/users/{id}/password");
            assert_eq!(world.call(&Actor::nobody("x"), "POST", &path, change).0, 204);
        }
        world
    }

    fn user(&self, name: &str, domain: &str) -> Id {
        self.identity.directory.user_by_name(&domain.into(), name).unwrap().0
    }

    fn sign_in(&self, name: &str, domain: &str, password: &str, scope: Value)
        -> Result<String, String> {
        let mut auth = json!({ "identity": { "methods": ["password"], "password": { "user": {
            "name": name, "domain": { "id": domain }, "password": password } } } });
        if !scope.is_null() {
            auth["scope"] = scope;
        }
        let actor = Actor::nobody("10.9.8.7");
        let (status, body, token) =
            self.request(&actor, "POST", "/v3/auth/tokens", json!({ "auth": auth }));
        if status == 201 { Ok(token) } else { Err(body.to_string()) }
    }

    fn admin(&self, name: &str) -> Actor {
        let token = self.sign_in(name, "default", NEW, system()).unwrap();
        self.identity.actor(&token, None).unwrap().0
    }

    fn call(&self, actor: &Actor, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, body, _) = self.request(actor, method, path, body);
        (status, body)
    }

    fn request(&self, actor: &Actor, method: &str, path: &str, body: Value)
        -> (u16, Value, String) {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |r: &&Route| {
            let pattern: Vec<&str> = r.path.split('/').collect();
            r.method == method && pattern.len() == parts.len()
                && pattern.iter().zip(&parts).all(|(p, s)| p.starts_with('{') || p == s)
        };
        let mut found: Vec<&Route> = self.routes.iter().filter(fits).collect();
        found.sort_by_key(|r| r.path.matches('{').count());
        let route = found.first().unwrap_or_else(|| panic!("no route for {method} {path}"));
        let params = route.path.split('/').zip(&parts).filter(|(p, _)| p.starts_with('{'))
            .map(|(p, s)| {
                let name: &'static str = p.trim_matches(['{', '}']).to_string().leak();
                (name, s.to_string())
            }).collect();
        let call = Call {
            via: Default::default(),
            door: Door::Management,
            cloud: &self.cloud, actor, path: params, query: Vec::new(), body,
            request: "req-1".into(), source: Some("10.9.8.7".into()),
            base: "https://cloud/identity".into(), version: None, token: None,
            headers: Vec::new(), input: Mutex::new(None),
        };
        match (route.run)(&call) {
            Ok(reply) => {
                let token = reply.headers.iter().find(|(n, _)| *n == "x-subject-token");
                let token = token.map(|(_, v)| v.clone()).unwrap_or_default();
                let body = if let Body::Json(v) = reply.body { v } else { Value::Null };
                (reply.status, body, token)
            }
            Err(Failure::Refused(r)) => {
                (0, format!("{}: {}", r.code(), r.message).into(), String::new())
            }
            Err(Failure::Fault(f)) => panic!("{method} {path}: {f}"),
        }
    }

    /// An institution with a manager who has signed in.
    fn institution(&self, name: &str) -> (Id, Actor) {
        let security = self.admin("secadmin");
        let (status, body) = self.call(&security, "POST", "/v3/domains",
            json!({ "domain": { "name": name } }));
        assert_eq!(status, 201, "{body}");
        let domain = body["domain"]["id"].as_str().unwrap().to_string();
        let user = json!({ "user": { "name": "boss", "domain_id": domain, "password": NEW } });
        let (status, body) = self.call(&security, "POST", "/v3/users", user);
        assert_eq!(status, 201, "{body}");
        let boss = body["user"]["id"].as_str().unwrap().to_string();
        let grant = format!("/v3/domains/{domain}/users/{boss}/roles/{}", role("manager"));
        assert_eq!(self.call(&security, "PUT", &grant, Value::Null).0, 204);
        let scope = json!({ "domain": { "id": domain } });
        let first = self.sign_in("boss", &domain, NEW, scope.clone());
        assert!(first.unwrap_err().contains("needs to be changed"), "the provider knows it");
        let path = format!("/v3/users/{boss}/password");
        let change = json!({ "user": { "original_password": NEW, "password": "Own-Password-2" } });
        assert_eq!(self.call(&Actor::nobody("x"), "POST", &path, change).0, 204);
        let token = self.sign_in("boss", &domain, "Own-Password-2", scope).unwrap();
        (domain.as_str().into(), self.identity.actor(&token, None).unwrap().0)
    }
}

fn system() -> Value {
    json!({ "system": { "all": true } })
}

fn role(name: &str) -> &'static str {
    let found = jinyun_identity::assignment::ROLES.iter().find(|(_, n, _)| *n == name);
    found.unwrap().0
}

#[test]
fn duties_exclude_each_other_and_nobody_reaches_over() {
    let w = World::new("duties");
    let security = w.admin("secadmin");
    let own = security.id.clone();
    let auditor = w.user("auditor", "default");
    let give = |who: &Id, role_name: &str| {
        let path = format!("/v3/system/users/{who}/roles/{}", role(role_name));
        w.call(&security, "PUT", &path, Value::Null).1.to_string()
    };
    assert!(give(&auditor, "system_admin").contains("exclude each other"));
    assert!(give(&own, "system_admin").contains("themselves"));
    assert!(give(&auditor, "member").contains("duties"));
    // No manager of the provider's domain, who could set the others' passwords.
    let path = format!("/v3/domains/default/users/{own}/roles/{}", role("manager"));
    assert!(w.call(&security, "PUT", &path, Value::Null).1.to_string().contains("duties only"));
    let sysadmin = w.user("sysadmin", "default");
    let steal = json!({ "user": { "password": "Stolen-Pass-1" } });
    let stolen = w.call(&security, "PATCH", &format!("/v3/users/{sysadmin}"), steal);
    assert_eq!(stolen.0, 0, "{}", stolen.1);
    // The last of a duty keeps it.
    let path = format!("/v3/system/users/{auditor}/roles/{}", role("audit_admin"));
    assert!(w.call(&security, "DELETE", &path, Value::Null).1.to_string().contains("last"));
    // The audit administrator reads and changes nothing.
    let audit = w.admin("auditor");
    assert_eq!(w.call(&audit, "GET", "/v3/domains", Value::Null).0, 200);
    let made = w.call(&audit, "POST", "/v3/domains", json!({ "domain": { "name": "x" } }));
    assert!(made.1.to_string().contains("forbidden"), "{}", made.1);
}

#[test]
fn an_institution_is_its_managers_own() {
    let w = World::new("institution");
    let (bank, boss) = w.institution("bank");
    let (fund, _) = w.institution("fund");
    let security = w.admin("secadmin");
    let intruder = json!({ "user": { "name": "spy", "domain_id": bank, "password": NEW } });
    assert!(w.call(&security, "POST", "/v3/users", intruder).1.to_string().contains("its manager"));
    let (status, body) = w.call(&boss, "POST", "/v3/projects", json!({ "project": {
        "name": "pay", "domain_id": bank } }));
    assert_eq!(status, 201, "{body}");
    let again = w.call(&boss, "POST", "/v3/projects", json!({ "project": { "name": "PAY" } }));
    assert!(again.1.to_string().contains("taken"), "{}", again.1);
    let other = w.call(&boss, "POST", "/v3/projects", json!({ "project": {
        "name": "x", "domain_id": fund } }));
    assert!(other.1.to_string().contains("forbidden"), "{}", other.1);
    let foreign = w.user("boss", fund.as_str());
    let seen = w.call(&boss, "GET", &format!("/v3/users/{foreign}"), Value::Null);
    assert!(seen.1.to_string().contains("not_found"), "{}", seen.1);
}

#[test]
fn a_role_that_was_taken_and_a_password_that_was_changed_end_tokens() {
    let w = World::new("tokens");
    let (bank, boss) = w.institution("bank");
    let project = w.call(&boss, "POST", "/v3/projects", json!({ "project": { "name": "pay" } }));
    let project = project.1["project"]["id"].as_str().unwrap().to_string();
    let made = w.call(&boss, "POST", "/v3/users",
        json!({ "user": { "name": "ann", "password": NEW } }));
    let ann = made.1["user"]["id"].as_str().unwrap().to_string();
    let grant = format!("/v3/projects/{project}/users/{ann}/roles/{}", role("member"));
    assert_eq!(w.call(&boss, "PUT", &grant, Value::Null).0, 204);
    let scope = json!({ "project": { "id": project } });
    let sign = || w.sign_in("ann", bank.as_str(), NEW, scope.clone());
    let token = sign().unwrap();
    assert!(w.identity.actor(&token, None).is_some());
    assert_eq!(w.call(&boss, "DELETE", &grant, Value::Null).0, 204);
    assert!(w.identity.actor(&token, None).is_none(), "the role was taken");
    assert!(sign().unwrap_err().contains("requires authentication"));
    assert_eq!(w.call(&boss, "PUT", &grant, Value::Null).0, 204);
    let token = sign().unwrap();
    let path = format!("/v3/users/{ann}");
    let set = json!({ "user": { "password": "Other-Pass-3" } });
    assert_eq!(w.call(&boss, "PATCH", &path, set).0, 200);
    assert!(w.identity.actor(&token, None).is_none(), "another set the password");
    assert!(sign().is_err());
    let now = w.sign_in("ann", bank.as_str(), "Other-Pass-3", scope.clone());
    assert!(now.unwrap_err().contains("needs to be changed"));
    // An hour later a token is void; and no byte of one may change.
    let boss_token =
        w.sign_in("boss", bank.as_str(), "Own-Password-2", json!({ "domain": { "id": bank } }));
    let boss_token = boss_token.unwrap();
    assert!(w.identity.actor(&format!("{boss_token}A"), None).is_none());
    w.clock.fetch_add(3601 * 1_000_000, Ordering::SeqCst);
    assert!(w.identity.actor(&boss_token, None).is_none(), "expired");
}

#[test]
fn a_failed_login_tells_nothing_and_stands_in_the_journal() {
    let w = World::new("failed");
    let (bank, _) = w.institution("bank");
    let wrong = w.sign_in("boss", bank.as_str(), "Wrong-Pass-1", Value::Null).unwrap_err();
    let unknown = w.sign_in("nobody", bank.as_str(), "Wrong-Pass-1", Value::Null).unwrap_err();
    assert_eq!(wrong, unknown);
    let entries = w.cloud.reader.lend(|db| db.entries(0, 1000)).unwrap();
    let text: Vec<String> =
        entries.iter().map(|e| String::from_utf8_lossy(e).into_owned()).collect();
    assert!(text.iter().any(|e| e.contains("wrong password") && e.contains("10.9.8.7")));
    assert!(text.iter().any(|e| e.contains("there is no such user")));
    for secret in [NEW, "Own-Password-2", "Wrong-Pass-1", "$argon2id"] {
        assert!(!text.iter().any(|e| e.contains(secret)), "{secret} stands in the journal");
    }
}
