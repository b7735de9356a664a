//! Two institutions, the provider's staff, a catalogue of a few duties, and a journal that is signed.
#![allow(dead_code)]

use jinyun_base::{Day, Every, Id, Period, Refusal, SeedEntropy, Time};
use jinyun_engine::*;
use jinyun_governance::*;
use jinyun_journal::entry::Entry;
use jinyun_kms::Kms;
use jinyun_policy::{Actor, ActorKind, Duty as OnDuty, Role, Scope};
use jinyun_rest::{Body, Call, Cloud, Door, Route};
use jinyun_store::{Config, Db, Writer};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// Noon of the first day, in UTC+8.
pub const START: &str = "2026-01-31T04:00:00Z";

/// Staff without a duty, staff on one, and two managers.
const PEOPLE: &[(&str, &str)] = &[("fay", "default"), ("may", "bank"), ("moe", "bank"), ("eve", "fund")];

pub struct World {
    pub cloud: Arc<Cloud>,
    pub governance: Arc<Governance>,
    pub registry: Arc<Registry>,
    pub config: Config,
    pub dir: PathBuf,
    /// The duties and clauses that the registers are lent.
    pub book: Arc<Mutex<Arc<Book>>>,
    kms: Arc<Kms>,
    clock: Arc<AtomicI64>,
    routes: Vec<Route>,
    ids: HashMap<String, Id>,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub fn default(clause: &str, side: Side, owner: &str, every: Option<&str>, record: Option<RecordSort>)
    -> DutyDefault {
    DutyDefault {
        clause: clause.into(),
        standard: "jrt0167".into(),
        side,
        owner: owner.into(),
        every: every.map(|text| Every::try_from(text.to_string()).unwrap()),
        valid: None,
        on: String::new(),
        first_due_days: (side == Side::Provider).then_some(30),
        record,
        shows_zh: "甲".into(),
        shows_en: "what was done".into(),
    }
}

/// Duties, and clauses with or without one.
pub fn book(duties: Vec<DutyDefault>, clauses: &[&str]) -> Arc<Book> {
    let clauses = clauses.iter().map(|id| (id.to_string(), "jrt0167".to_string())).collect();
    Arc::new(Book { duties: Duties::new(duties), clauses })
}

/// What the registers are lent at first.
pub fn duties() -> Vec<DutyDefault> {
    vec![
        default("6.1-B-1", Side::Provider, "facility manager", Some("P6M"),
            Some(RecordSort::Certificate)),
        default("11.4.6-E-c", Side::Provider, "audit administrator", Some("P1Y"),
            Some(RecordSort::Statement)),
        DutyDefault { valid: Some(Period::try_from("P3Y".to_string()).unwrap()),
            ..default("8-B-a", Side::Provider, "management", Some("once"), None) },
        default("7.9-B-a", Side::Tenant, "", None, None),
    ]
}

/// Its clauses.
pub const CLAUSES: [&str; 5] = ["6.1-B-1", "11.4.6-E-c", "8-B-a", "7.9-B-a", "7.2.5-B-a"];

/// Everything that these tests register.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    jinyun_identity::register(&mut registry);
    jinyun_governance::register(&mut registry);
    registry
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl World {
    pub fn new() -> World {
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let dir = std::env::temp_dir().join(format!("jygovern-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let clock = Arc::new(AtomicI64::new(Time::parse(START).unwrap().0));
        let registry = Arc::new(registry());
        let writer = Writer::open(&config, "test").unwrap();
        let core = Core::new(writer, registry.clone(), Box::new(SeedEntropy::new(5)));
        let (handle, queue) = Queue::new();
        let ticks = clock.clone();
        std::thread::spawn(move || {
            queue.serve(core, move || Time(ticks.fetch_add(1000, Ordering::SeqCst)));
        });
        let reader = Reader::new(config.clone(), registry.clone(), handle.clone());
        let kms =
            Kms::open(&dir.join("keys.json"), "test", Box::new(SeedEntropy::new(7))).unwrap();
        let told = clock.clone();
        let book = Arc::new(Mutex::new(book(duties(), &CLAUSES)));
        let lent = book.clone();
        let governance = Arc::new(Governance::open(Setup {
            clock: Arc::new(move || Time(told.load(Ordering::SeqCst))),
            book: Arc::new(move || lent.lock().unwrap().clone()),
            guardrails: vec!["no-public-database".into()],
            files: dir.join("records"),
            instance: "test".into(),
            keys: kms.journal_keys().to_vec(),
        }).unwrap());
        let mut world = World {
            cloud: Arc::new(Cloud { reader, handle }),
            routes: routes(governance.clone()),
            ids: HashMap::new(),
            kms: Arc::new(kms),
            governance, registry, config, clock, dir, book,
        };
        world.furnish();
        world
    }

    fn furnish(&mut self) {
        let make = |action: &str, args: Value, domain: &str| -> Id {
            let mut command = Command::new(action, Actor::system("test"), "setup").with(args);
            command.domain = Some(domain.into());
            let answer = self.run(command).unwrap_or_else(|r| panic!("{action}: {r}"));
            answer.value["id"].as_str().unwrap().into()
        };
        let mut ids = HashMap::new();
        for domain in ["default", "bank", "fund"] {
            let args = json!({ "id": domain, "name": domain, "enabled": true });
            make("identity:domain:create", args, domain);
        }
        for (project, domain) in [("p", "bank"), ("f", "fund")] {
            let args = json!({ "name": project, "domain": domain, "enabled": true });
            ids.insert(project.to_string(), make("identity:project:create", args, domain));
        }
        for (name, domain) in PEOPLE {
            let args = json!({ "name": name, "domain": domain, "enabled": true });
            ids.insert(name.to_string(), make("identity:user:create", args, domain));
        }
        self.ids = ids;
    }

    /// The id of a person or project.
    pub fn id(&self, name: &str) -> Id {
        self.ids.get(name).cloned().unwrap_or_else(|| name.into())
    }

    /// `sys`, `sec1`, `sec2`, `aud` are on duty; `may@bank` has a token of the domain, `may@p` one of
    /// the project, `fay@` none of either.
    pub fn who(&self, text: &str) -> Actor {
        let (name, place) = text.split_once('@').unwrap_or((text, "system"));
        let duty = match name {
            "sys" => Some(OnDuty::SystemAdmin),
            "sec1" | "sec2" => Some(OnDuty::SecurityAdmin),
            "aud" => Some(OnDuty::AuditAdmin),
            _ => None,
        };
        let domain = PEOPLE.iter().find(|(n, _)| *n == name).map_or("default", |(_, d)| *d);
        let (scope, role) = match place {
            "system" => (Scope::System, None),
            "" => (Scope::None, None),
            "bank" | "fund" => (Scope::Domain(place.into()), Some(Role::Manager)),
            project => {
                let project = self.id(project);
                (Scope::Project { project, domain: domain.into() }, Some(Role::Manager))
            }
        };
        let (kind, id) = (ActorKind::User, self.id(name));
        Actor { kind, id, domain: domain.into(), scope, role, duty }
    }

    pub fn now(&self) -> Time {
        Time(self.clock.load(Ordering::SeqCst))
    }

    /// Noon of a day.
    pub fn go(&self, day: &str) {
        let noon = Time::parse(&format!("{day}T04:00:00Z")).unwrap();
        self.clock.store(noon.0, Ordering::SeqCst);
    }

    pub fn today(&self) -> Day {
        Day::of(self.now())
    }

    pub fn run(&self, command: Command) -> Result<Answer, Refusal> {
        match self.cloud.handle.run(Job::Command(Box::new(command))) {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(Failure::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// A request by a path below `/governance`: status and body; 0 and the refusal if refused.
    pub fn http(&self, who: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.send(who, method, path, body, None)
    }

    /// The same with a file as the body.
    pub fn upload(&self, who: &str, path: &str, file: &[u8]) -> (u16, Value) {
        self.send(who, "POST", path, Value::Null, Some(file.to_vec()))
    }

    fn send(&self, who: &str, method: &str, path: &str, body: Value, file: Option<Vec<u8>>)
        -> (u16, Value) {
        let actor = self.who(who);
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |r: &&Route| {
            let pattern: Vec<&str> = r.path.split('/').collect();
            r.method == method && pattern.len() == parts.len()
                && pattern.iter().zip(&parts).all(|(p, s)| p.starts_with('{') || p == s)
        };
        let route = self.routes.iter().find(fits);
        let route = route.unwrap_or_else(|| panic!("no route for {method} {path}"));
        let id = route.path.split('/').position(|p| p == "{id}").map(|n| parts[n].to_string());
        let input = file.map(|bytes| {
            Box::new(std::io::Cursor::new(bytes)) as Box<dyn std::io::Read + Send>
        });
        let call = Call {
            via: Default::default(),
            door: Door::Management,
            cloud: &self.cloud,
            actor: &actor,
            path: id.into_iter().map(|id| ("id", id)).collect(),
            query: query.split('&').filter(|q| !q.is_empty()).map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                (name.into(), value.into())
            }).collect(),
            body,
            request: "req-2".into(),
            source: Some("192.0.2.7".into()),
            base: "https://cloud/governance".into(),
            version: None,
            token: None,
            headers: Vec::new(),
            input: Mutex::new(input),
        };
        match (route.run)(&call) {
            Ok(reply) => match reply.body {
                Body::Json(body) => (reply.status, body),
                Body::File(path) => (reply.status, std::fs::read_to_string(path).unwrap().into()),
                _ => (reply.status, Value::Null),
            },
            Err(Failure::Refused(r)) => (0, format!("{}: {}", r.code(), r.message).into()),
            Err(Failure::Fault(fault)) => (503, fault.to_string().into()),
        }
    }

    /// What a success answers with, out of its envelope.
    pub fn ok(&self, who: &str, method: &str, path: &str, body: Value) -> Value {
        let (status, body) = self.http(who, method, path, body);
        assert!((200..300).contains(&status), "{who} {method} {path}: {body}");
        body.as_object().unwrap().values().next().unwrap().clone()
    }

    /// `ok`, or the word of the refusal.
    pub fn word(&self, who: &str, method: &str, path: &str, body: Value) -> String {
        match self.http(who, method, path, body) {
            (0, say) => say.as_str().unwrap().split(':').next().unwrap().into(),
            (200..300, _) => "ok".into(),
            (status, _) => status.to_string(),
        }
    }

    /// Signs what is committed; the two notes.
    pub fn sign(&self) -> Vec<String> {
        let (kms, now) = (self.kms.clone(), self.now());
        self.cloud.handle.with(move |core| {
            let mut sign = |tree, text: &str| kms.sign(tree, text);
            core.writer.checkpoint("test", now, ("system", 0), &mut sign).map(drop)
        }).unwrap().unwrap();
        self.cloud.reader.lend(|db| db.newest_checkpoint()).unwrap().unwrap().1
    }

    /// The keys by which the platform signs.
    pub fn platform_keys(&self) -> Vec<jinyun_journal::Key> {
        self.kms.journal_keys().to_vec()
    }

    /// The platform's own signature under a text, whatever it says.
    pub fn platform(&self, kind: jinyun_journal::HashKind, text: &str) -> (String, [u8; 4], Vec<u8>) {
        self.kms.sign(kind, text).unwrap().remove(0)
    }

    pub fn entries(&self) -> Vec<Entry> {
        let mut db = Db::open(&self.config).unwrap();
        let all = db.entries(0, u64::MAX >> 1).unwrap();
        all.iter().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect()
    }

    /// Looks at the committed rows.
    pub fn view<T>(&self, look: impl FnOnce(&mut View<'_>) -> Result<T, jinyun_base::Fault>) -> T {
        self.cloud.reader.view(look).unwrap()
    }
}
