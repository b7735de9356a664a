//! Two institutions and the tables of calls to them.
//!
//! A row of a table is one request: who (`user@place`, with `!credential` or `~trust` for a token
//! that was made with one), method, path, body, the status and a piece of the answer that are
//! wanted, and a name for what it made. `$name` stands for the id of what a row made. Who asks is a
//! sealed token, opened by the service as every other.

use jinyun_base::{Id, OsEntropy, SeedEntropy, Time};
use jinyun_engine::*;
use jinyun_identity::assignment::ROLES;
use jinyun_identity::{Directory, Identity, Scoped, Service, Token, first_start, register, routes};
use jinyun_kms::Kms;
use jinyun_policy::Actor;
use jinyun_rest::{Body, Call, Cloud, Door, Route};
use jinyun_store::{Config, Db, Writer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

pub type Row = (&'static str, &'static str, &'static str, &'static str, u16, &'static str, &'static str);

pub struct World {
    pub cloud: Cloud,
    pub identity: Arc<Identity>,
    pub kms: Arc<Kms>,
    pub registry: Arc<Registry>,
    pub config: Config,
    pub routes: Vec<Route>,
    pub clock: Arc<AtomicI64>,
    pub ids: BTreeMap<String, String>,
    pub dir: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn status(refusal: &jinyun_base::Refusal) -> u16 {
    match refusal.code() {
        "invalid" => 400,
        "unauthenticated" => 401,
        "forbidden" | "needs_approval" => 403,
        "not_found" | "not_offered" => 404,
        "conflict" | "taken" => 409,
        "stale" => 412,
        other => panic!("{other}: {refusal}"),
    }
}

impl World {
    /// Two institutions, `bank` and `fund`, each with a manager (`boss`, `chief`), a user (`ann`,
    /// `eve`) and a project (`pay`, `risk`).
    pub fn new(name: &str) -> World {
        let dir = std::env::temp_dir().join(format!("jykeystone-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let mut registry = Registry::default();
        register(&mut registry);
        registry.quota("cores", 20);
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
        let reader = Reader::new(config.clone(), registry.clone(), handle.clone());
        let kms = Kms::open(&dir.join("keys"), "test", Box::<OsEntropy>::default()).unwrap();
        let kms = Arc::new(kms);
        let ticks = clock.clone();
        let identity = Identity::new(directory, kms.clone(),
            Arc::new(move || Time(ticks.fetch_add(1000, Ordering::SeqCst)))).unwrap();
        let identity = Arc::new(identity);
        let service =
            Service { id: "s1", kind: "identity", name: "keystone", path: "/identity/v3" };
        let routes = routes(identity.clone(), vec![service]);
        let ids = ROLES.iter().map(|(id, name, _)| (name.to_string(), id.to_string())).collect();
        let cloud = Cloud { reader, handle };
        let mut w = World { cloud, identity, kms, registry, config, routes, clock, ids, dir };
        first_start(&mut w.cloud.handle.clone(), &mut SeedEntropy::new(1)).unwrap();
        for staff in ["sysadmin", "secadmin", "auditor"] {
            let id = w.identity.directory.user_by_name(&"default".into(), staff).unwrap().0;
            w.ids.insert(staff.into(), id.to_string());
        }
        w.ids.insert("default".into(), "default".into());
        w.run(&[
            ("secadmin@system", "POST", "/v3/domains", r#"{"domain":{"name":"bank"}}"#, 201, "", "bank"),
            ("secadmin@system", "POST", "/v3/domains", r#"{"domain":{"name":"fund"}}"#, 201, "", "fund"),
            ("secadmin@system", "POST", "/v3/users", r#"{"user":{"name":"boss","domain_id":"$bank"}}"#,
                201, "", "boss"),
            ("secadmin@system", "POST", "/v3/users", r#"{"user":{"name":"chief","domain_id":"$fund"}}"#,
                201, "", "chief"),
            ("secadmin@system", "PUT", "/v3/domains/$bank/users/$boss/roles/$manager", "", 204, "", ""),
            ("secadmin@system", "PUT", "/v3/domains/$fund/users/$chief/roles/$manager", "", 204, "", ""),
            ("boss@bank", "POST", "/v3/users", r#"{"user":{"name":"ann"}}"#, 201, "$bank", "ann"),
            ("chief@fund", "POST", "/v3/users", r#"{"user":{"name":"eve"}}"#, 201, "$fund", "eve"),
            ("boss@bank", "POST", "/v3/projects", r#"{"project":{"name":"pay"}}"#, 201, "", "pay"),
            ("chief@fund", "POST", "/v3/projects", r#"{"project":{"name":"risk"}}"#, 201, "", "risk"),
            ("boss@bank", "PUT", "/v3/projects/$pay/users/$ann/roles/$member", "", 204, "", ""),
        ]);
        w
    }

    /// `$name` in a text becomes the id; longer names first.
    pub fn fill(&self, text: &str) -> String {
        let mut names: Vec<&String> = self.ids.keys().collect();
        names.sort_by_key(|n| std::cmp::Reverse(n.len()));
        names.into_iter().fold(text.to_string(), |t, n| t.replace(&format!("${n}"), &self.ids[n]))
    }

    pub fn id(&self, name: &str) -> Id {
        self.ids.get(name).unwrap_or_else(|| panic!("nothing is called {name}")).as_str().into()
    }

    /// A token of `user@place`, and the actor that the service finds behind it.
    pub fn bearer(&self, who: &str) -> Option<(Actor, String)> {
        let (user, place) = who.split_once('@').unwrap();
        let end = place.find(['!', '~']).unwrap_or(place.len());
        let (place, with) = place.split_at(end);
        let is_domain = |id: &Id| self.identity.directory.domain(id).is_some();
        let scope = match place {
            "none" => None,
            "system" => Some(Scoped::System),
            place if is_domain(&self.id(place)) => Some(Scoped::Domain(self.id(place))),
            place => Some(Scoped::Project(self.id(place))),
        };
        let now = self.identity.now();
        let token = Token {
            user: self.id(user),
            scope,
            methods: vec!["password".into(), "totp".into()],
            issued: now.0,
            began: None,
            expires: now.plus_seconds(3600).0,
            audit: vec![format!("audit-{}", now.0)],
            app_credential: with.strip_prefix('!').map(|c| self.id(c)),
            trust: with.strip_prefix('~').map(|t| self.id(t)),
            federation: None,
        };
        let plain = serde_json::to_vec(&token).unwrap();
        let text = self.kms.seal_token("token", &plain).unwrap();
        let token = self.identity.open(&text)?;
        Some((self.identity.directory.actor_of(&token, now)?, text))
    }

    pub fn call(&self, who: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let Some((actor, token)) = self.bearer(who) else {
            return (401, "nobody is behind the token".into());
        };
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |r: &&Route| {
            let pattern: Vec<&str> = r.path.split('/').collect();
            r.method == method && pattern.len() == parts.len()
                && pattern.iter().zip(&parts).all(|(p, s)| p.starts_with('{') || p == s)
        };
        let mut found: Vec<&Route> = self.routes.iter().filter(fits).collect();
        // Words before parameters, as the edge sorts them.
        found.sort_by_key(|r| r.path.split('/').map(|p| p.starts_with('{')).collect::<Vec<_>>());
        let route = found.first().unwrap_or_else(|| panic!("no route for {method} {path}"));
        let params = route.path.split('/').zip(&parts).filter(|(p, _)| p.starts_with('{'))
            .map(|(p, s)| {
                let name: &'static str = p.trim_matches(['{', '}']).to_string().leak();
                (name, s.to_string())
            }).collect();
        let query = query.split('&').filter(|p| !p.is_empty()).map(|p| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            (name.to_string(), value.to_string())
        }).collect();
        let via = self.identity.open(&token).map(|t| Identity::via(&t)).unwrap_or_default();
        let call = Call {
            via,
            door: Door::Management,
            cloud: &self.cloud, actor: &actor, path: params, query, body, request: "req-1".into(),
            source: Some("10.9.8.7".into()), base: "https://cloud/identity".into(), version: None,
            token: Some(token.clone()), headers: vec![("x-subject-token".into(), token)],
            input: Mutex::new(None),
        };
        match (route.run)(&call) {
            Ok(reply) => {
                let body = if let Body::Json(v) = reply.body { v } else { Value::Null };
                (reply.status, body)
            }
            Err(Failure::Refused(r)) => (status(&r), r.message.into()),
            Err(Failure::Fault(f)) => panic!("{method} {path}: {f}"),
        }
    }

    pub fn run(&mut self, rows: &[Row]) {
        for (n, (who, method, path, body, want, piece, save)) in rows.iter().enumerate() {
            let body = match *body {
                "" => Value::Null,
                text => serde_json::from_str(&self.fill(text)).unwrap(),
            };
            let (status, answer) = self.call(who, method, &self.fill(path), body);
            let at = format!("row {n}: {who} {method} {path}: {status} {answer}");
            assert_eq!(status, *want, "{at}");
            let text = answer.to_string();
            for piece in piece.split(" & ").filter(|p| !p.is_empty()) {
                match piece.strip_prefix("no ") {
                    None => assert!(text.contains(&self.fill(piece)), "{at}\nlacks {piece}"),
                    Some(piece) => assert!(!text.contains(&self.fill(piece)), "{at}\nhas {piece}"),
                }
            }
            for pair in save.split(' ').filter(|s| !s.is_empty()) {
                let (name, member) = pair.split_once('=').unwrap_or((pair, "id"));
                let one = answer.as_object().and_then(|o| o.values().find(|v| v.is_object()));
                let value = one.and_then(|o| o[member].as_str());
                let value = value.unwrap_or_else(|| panic!("{at}\nhas no {member}"));
                self.ids.insert(name.into(), value.into());
            }
        }
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * Time::SECOND, Ordering::SeqCst);
    }

    /// Lets the driver work until it rests.
    pub fn drive(&self) {
        let kms = self.kms.clone();
        let maker = Box::new(move |db: &mut Db, kind: &str, id: &Id, request: &Value| {
            kms.make(db, kind, id, request)
        });
        let mut driver = Driver::new(self.registry.clone(), maker);
        let mut db = Db::open(&self.config).unwrap();
        for _ in 0..20 {
            let now = self.identity.now();
            let (looks, _) =
                driver.pass(&mut db, &mut self.cloud.handle.clone(), &(), now).unwrap();
            if looks == 0 {
                return;
            }
        }
        panic!("the driver does not come to rest");
    }

    pub fn journal(&self) -> String {
        let entries = self.cloud.reader.lend(|db| db.entries(0, 100_000)).unwrap();
        entries.iter().map(|e| String::from_utf8_lossy(e).into_owned() + "\n").collect()
    }
}
