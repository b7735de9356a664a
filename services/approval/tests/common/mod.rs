//! Two institutions with their people, the provider's staff, and vaults to decide about.
#![allow(dead_code)]

use jinyun_approval::{Approval, ApprovalSpec};
use jinyun_base::{Id, Kind, Refusal, Refused, SeedEntropy, Time};
use jinyun_engine::*;
use jinyun_identity::{Directory, Grant, Scoped};
use jinyun_journal::entry::Entry;
use jinyun_policy::{Actor, Duty, Role, Rule, Who};
use jinyun_rest::{Cloud, Route};
use jinyun_store::{Config, Db, Writer};
use jinyun_testrest::{Caller, Person, Town};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::Arc;

/// Something of a tenant's.
pub struct Vault;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct VaultSpec {
    pub name: String,
    #[serde(default)]
    pub size: i64,
}

impl Resource for Vault {
    const SERVICE: &'static str = "toy";
    const KIND: Kind = Kind("vault");
    type Spec = VaultSpec;
    type Status = ();

    fn name(spec: &VaultSpec) -> &str {
        &spec.name
    }

    fn check(new: &VaultSpec, _: Option<&VaultSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        match new.size {
            0.. => Ok(()),
            _ => Err(Refusal::invalid("size", "is negative").into()),
        }
    }
}

const CONSENTED: Who = Who::Consented(Duty::SystemAdmin);
const MEMBER: Who = Who::Project(Role::Member);

const TOYS: &[Rule] = &[
    Rule { action: "toy:vault:create", allow: &[MEMBER] },
    Rule { action: "toy:vault:update", allow: &[MEMBER, CONSENTED] },
    Rule { action: "toy:vault:delete", allow: &[MEMBER] },
    Rule { action: "toy:vault:show", allow: &[Who::Project(Role::Reader), CONSENTED] },
    Rule { action: "toy:vault:list", allow: &[Who::Project(Role::Reader)] },
];

/// Monday, 10:00 in UTC+8.
pub const MONDAY: &str = "2026-02-02T02:00:00Z";

/// Who there is: name, domain, and the roles with their places.
const PEOPLE: &[Person<Grant>] = &[
    ("ann", "bank", &[("p", Grant::Role(Role::Member)), ("q", Grant::Role(Role::Member))]),
    ("bob", "bank", &[("p", Grant::Role(Role::Manager))]),
    ("cat", "bank", &[("p", Grant::Role(Role::Manager))]),
    ("dan", "bank", &[("p", Grant::Role(Role::Manager))]),
    ("rex", "bank", &[("p", Grant::Role(Role::Reader))]),
    ("may", "bank", &[("bank", Grant::Role(Role::Manager))]),
    ("moe", "bank", &[("bank", Grant::Role(Role::Manager))]),
    ("eve", "fund", &[("f", Grant::Role(Role::Manager)), ("fund", Grant::Role(Role::Manager))]),
    ("sys1", "default", &[("system", Grant::Duty(Duty::SystemAdmin))]),
    ("sys2", "default", &[("system", Grant::Duty(Duty::SystemAdmin))]),
    ("sec1", "default", &[("system", Grant::Duty(Duty::SecurityAdmin))]),
    ("sec2", "default", &[("system", Grant::Duty(Duty::SecurityAdmin))]),
    ("aud", "default", &[("system", Grant::Duty(Duty::AuditAdmin))]),
];

pub struct World {
    pub cloud: Cloud,
    pub directory: Arc<Directory>,
    pub registry: Arc<Registry>,
    pub config: Config,
    clock: Arc<AtomicI64>,
    routes: Vec<Route>,
    town: Town,
    dir: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Everything that these tests register, over a directory and a clock.
pub fn registry(clock: &Arc<AtomicI64>) -> Registry {
    let mut registry = Registry::default();
    jinyun_identity::register(&mut registry);
    jinyun_approval::register(&mut registry);
    registry.add::<Vault>().rules(TOYS);
    let clock = clock.clone();
    let now = move || Time(clock.load(Ordering::SeqCst));
    jinyun_approval::install(&mut registry, Arc::new(now));
    registry
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

fn told(came: Result<Answer, Failure>) -> Result<Answer, Refusal> {
    match came {
        Ok(answer) => Ok(answer),
        Err(Failure::Refused(refusal)) => Err(refusal),
        Err(Failure::Fault(fault)) => panic!("{fault}"),
    }
}

impl World {
    pub fn new() -> World {
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let dir = std::env::temp_dir().join(format!("jyapproval-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let clock = Arc::new(AtomicI64::new(Time::parse(MONDAY).unwrap().0));
        let directory = Arc::new(Directory::default());
        let registry = Arc::new(registry(&clock));
        let writer = Writer::open(&config, "test").unwrap();
        let mut core = Core::new(writer, registry.clone(), Box::new(SeedEntropy::new(5)));
        let watch = directory.clone();
        core.observe(Box::new(move |effects| watch.apply(effects)));
        let (handle, queue) = Queue::new();
        let ticks = clock.clone();
        std::thread::spawn(move || {
            queue.serve(core, move || Time(ticks.fetch_add(1000, Ordering::SeqCst)));
        });
        let reader = Reader::new(config.clone(), registry.clone(), handle.clone());
        let cloud = Cloud { reader, handle };
        let town = Town::furnish(&cloud, PEOPLE);
        let routes = jinyun_approval::routes();
        World { cloud, directory, registry, config, clock, routes, town, dir }
    }

    /// A group of the bank's with these people in it.
    pub fn group(&self, names: &[&str]) -> Id {
        let args = json!({ "name": "board", "domain": "bank" });
        let mut make = self.command("may@bank", "identity:group:create").with(args);
        make.domain = Some("bank".into());
        let group = self.run(make).unwrap().row.unwrap().id;
        for name in names {
            let args = json!({ "group": group, "user": self.user(name) });
            self.run(self.command("may@bank", "identity:membership:create").with(args)).unwrap();
        }
        group
    }

    pub fn user(&self, name: &str) -> Id {
        self.town.user(name)
    }

    pub fn project(&self, name: &str) -> Id {
        self.town.project(name)
    }

    pub fn scope(&self, place: &str) -> Scoped {
        serde_json::from_value(self.town.place(place)).unwrap()
    }

    /// `ann@p`: somebody with a token for a project, a domain, or the system.
    pub fn who(&self, text: &str) -> Actor {
        let (name, place) = text.split_once('@').unwrap();
        let found = self.directory.actor(&self.user(name), Some(&self.scope(place)));
        found.unwrap_or_else(|| panic!("{text} has no role"))
    }

    pub fn now(&self) -> Time {
        Time(self.clock.load(Ordering::SeqCst))
    }

    pub fn wait(&self, seconds: i64) {
        self.clock.fetch_add(seconds * Time::SECOND, Ordering::SeqCst);
    }

    pub fn run(&self, command: Command) -> Result<Answer, Refusal> {
        told(self.cloud.handle.run(Job::Command(Box::new(command))))
    }

    /// Several commands of one group, in this order: one commit for all. Each `ok` or the refusal's
    /// word.
    pub fn together(&self, commands: Vec<Command>) -> Vec<&'static str> {
        let now = Time(self.clock.fetch_add(1000, Ordering::SeqCst));
        let jobs: Vec<Job> =
            commands.into_iter().map(|c| Job::Command(Box::new(c))).collect();
        let came = self.cloud.handle.with(move |core| core.run(jobs, now)).unwrap();
        came.into_iter().map(|one| told(one).map_or_else(|r| r.code(), |_| "ok")).collect()
    }

    /// A role or a duty that is taken or given, by whoever may.
    pub fn assign(&self, verb: &str, name: &str, place: &str, role: Grant) -> Command {
        let by = match (place, name) {
            ("system", "sec1") => "sec2@system",
            ("system", _) => "sec1@system",
            (_, "may") => "moe@bank",
            _ => "may@bank",
        };
        let args = json!({ "user": self.user(name), "role": role, "scope": self.scope(place) });
        self.command(by, &format!("identity:assignment:{verb}")).with(args)
    }

    /// A vote that has not been cast yet.
    pub fn ballot(&self, who: &str, request: &Id) -> Command {
        self.command(who, "approval:approval:vote").on(request.clone())
            .with(json!({ "approve": true, "comment": "looked at it" }))
    }

    pub fn command(&self, who: &str, action: &str) -> Command {
        Command::new(action, self.who(who), "req-1")
    }

    pub fn vault(&self, who: &str, name: &str) -> Id {
        let command = self.command(who, "toy:vault:create").with(json!({ "name": name }));
        self.run(command).unwrap().row.unwrap().id
    }

    pub fn there(&self, vault: &Id) -> bool {
        self.cloud.reader.view(|v| v.get::<Vault>(vault)).unwrap().is_some()
    }

    pub fn delete(&self, who: &str, vault: &Id) -> Command {
        self.command(who, "toy:vault:delete").on(vault.clone())
    }

    /// A command that has to wait: its request's id.
    pub fn asked(&self, command: Command) -> Id {
        let refusal = self.run(command).expect_err("it did not wait");
        match refusal.why {
            Refused::NeedsApproval(id) => id.into(),
            _ => panic!("{refusal}"),
        }
    }

    /// Votes; `ok` or the refusal's word.
    pub fn vote(&self, who: &str, request: &Id, approve: bool) -> &'static str {
        let command = self.command(who, "approval:approval:vote").on(request.clone())
            .with(json!({ "approve": approve, "comment": "looked at it" }));
        self.run(command).map_or_else(|r| r.code(), |_| "ok")
    }

    pub fn request(&self, id: &Id) -> ApprovalSpec {
        self.cloud.reader.view(|v| v.get::<Approval>(id)).unwrap().expect("no such request").spec
    }

    pub fn state(&self, id: &Id) -> &'static str {
        self.request(id).state.word()
    }

    pub fn tend(&self) -> usize {
        jinyun_approval::tend(&self.cloud, self.now()).unwrap()
    }

    /// A request by a path below `/approval`: status and body; 0 and the refusal if refused.
    pub fn http(&self, who: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let caller = Caller { cloud: &self.cloud, actor: &self.who(who), via: Via::default() };
        caller.ask(&self.routes, method, path, body)
    }

    /// Makes a rule over the API.
    pub fn rule(&self, who: &str, mut body: Value) -> Id {
        for (name, value) in [("name", json!("a rule")), ("deadline", json!(3600))] {
            if body.get(name).is_none() {
                body[name] = value;
            }
        }
        let (status, body) = self.http(who, "POST", "/v1/rules", json!({ "rule": body }));
        assert_eq!(status, 201, "{body}");
        body["rule"]["id"].as_str().unwrap().into()
    }

    pub fn entries(&self) -> Vec<Entry> {
        let mut db = Db::open(&self.config).unwrap();
        let all = db.entries(0, u64::MAX >> 1).unwrap();
        all.iter().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect()
    }

    pub fn last(&self) -> Entry {
        self.entries().pop().unwrap()
    }
}
