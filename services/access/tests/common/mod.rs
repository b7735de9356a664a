//! Two institutions with their people, real networks and servers, and profiles to set.
#![allow(dead_code)]

use jinyun_access::{Access, Profile, Profiles};
use jinyun_base::{Fault, Id, Refusal, SeedEntropy, Time};
use jinyun_engine::*;
use jinyun_identity::{Directory, Grant, Scoped};
use jinyun_journal::entry::Entry;
use jinyun_policy::{Actor, Duty, Role};
use jinyun_rest::{Cloud, Route};
use jinyun_store::{Config, Db, Writer};
pub use jinyun_testrest::HERE;
use jinyun_testrest::{Caller, Person, Town};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

/// Monday, 10:00 in UTC+8.
pub const MONDAY: &str = "2026-02-02T02:00:00Z";

pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ann";

/// Who there is: name, domain, and the roles with their places.
const PEOPLE: &[Person<Grant>] = &[
    ("ann", "bank", &[("p", Grant::Role(Role::Member)), ("q", Grant::Role(Role::Member))]),
    ("bob", "bank", &[("p", Grant::Role(Role::Manager))]),
    ("rex", "bank", &[("p", Grant::Role(Role::Reader))]),
    ("may", "bank", &[("bank", Grant::Role(Role::Manager)), ("p", Grant::Role(Role::Member))]),
    ("moe", "bank", &[("bank", Grant::Role(Role::Manager))]),
    ("ray", "bank", &[("bank", Grant::Role(Role::Reader))]),
    ("eve", "fund", &[("f", Grant::Role(Role::Manager)), ("fund", Grant::Role(Role::Manager))]),
    ("sys", "default", &[("system", Grant::Duty(Duty::SystemAdmin))]),
    ("sec", "default", &[("system", Grant::Duty(Duty::SecurityAdmin))]),
    ("aud", "default", &[("system", Grant::Duty(Duty::AuditAdmin))]),
];

/// What projects are set to.
pub type Set = Arc<Mutex<HashMap<Id, (Profile, Vec<String>)>>>;

pub struct World {
    pub cloud: Cloud,
    pub access: Arc<Access>,
    pub directory: Arc<Directory>,
    pub registry: Arc<Registry>,
    pub config: Config,
    pub set: Set,
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

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Everything that these tests register.
fn registry(directory: &Arc<Directory>, clock: &Arc<AtomicI64>, set: &Set)
    -> (Registry, Arc<Access>) {
    let mut registry = Registry::default();
    jinyun_identity::register(&mut registry);
    jinyun_approval::register(&mut registry);
    jinyun_image::register(&mut registry);
    jinyun_volume::register(&mut registry);
    jinyun_network::register(&mut registry);
    jinyun_compute::register(&mut registry);
    jinyun_access::register(&mut registry);
    let ticks = clock.clone();
    let now: jinyun_access::Clock = Arc::new(move || Time(ticks.load(Ordering::SeqCst)));
    jinyun_approval::install(&mut registry, now.clone());
    let set = set.clone();
    let of = move |_: &mut View<'_>, project: &Id| -> Result<(Profile, Vec<String>), Fault> {
        Ok(set.lock().unwrap().get(project).cloned().unwrap_or_default())
    };
    let profiles: Profiles = Arc::new(of);
    let access = jinyun_access::install(&mut registry, directory.clone(), now, profiles);
    (registry, access)
}

impl World {
    pub fn new() -> World {
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let dir = std::env::temp_dir().join(format!("jyaccess-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let clock = Arc::new(AtomicI64::new(Time::parse(MONDAY).unwrap().0));
        let (directory, set) = (Arc::new(Directory::default()), Set::default());
        let (registry, access) = registry(&directory, &clock, &set);
        let registry = Arc::new(registry);
        let writer = Writer::open(&config, "test").unwrap();
        let mut core = Core::new(writer, registry.clone(), Box::new(SeedEntropy::new(5)));
        let (people, statements) = (directory.clone(), access.clone());
        core.observe(Box::new(move |effects| {
            people.apply(effects);
            statements.apply(effects);
        }));
        let (handle, queue) = Queue::new();
        let ticks = clock.clone();
        std::thread::spawn(move || {
            queue.serve(core, move || Time(ticks.fetch_add(1000, Ordering::SeqCst)));
        });
        let reader = Reader::new(config.clone(), registry.clone(), handle.clone());
        let cloud = Cloud { reader, handle };
        let town = Town::furnish(&cloud, PEOPLE);
        let routes = jinyun_access::routes(access.clone());
        World { cloud, access, directory, registry, config, set, clock, routes, town, dir }
    }

    /// A group of the bank's with these people in it.
    pub fn group(&self, name: &str, names: &[&str]) -> Id {
        let args = json!({ "name": name, "domain": "bank" });
        let group = self.id(self.command("may@bank", "identity:group:create").with(args));
        for name in names {
            let args = json!({ "group": group, "user": self.user(name) });
            self.id(self.command("may@bank", "identity:membership:create").with(args));
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

    /// How somebody signed in just now.
    pub fn via(&self, methods: &[&str]) -> Via {
        Via {
            methods: methods.iter().map(ToString::to_string).collect(),
            issued: Some(self.now()),
            delegated: false,
        }
    }

    /// A command over the API: with a password, from here.
    pub fn command(&self, who: &str, action: &str) -> Command {
        let mut command = Command::new(action, self.who(who), "req-1");
        command.source = Some(HERE.into());
        command.via = self.via(&["password"]);
        command
    }

    pub fn run(&self, command: Command) -> Result<Answer, Refusal> {
        match self.cloud.handle.run(Job::Command(Box::new(command))) {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(Failure::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// `ok`, or the refusal's word.
    pub fn code(&self, command: Command) -> &'static str {
        self.run(command).map_or_else(|r| r.code(), |_| "ok")
    }

    /// What a command made.
    pub fn id(&self, command: Command) -> Id {
        let action = command.action.clone();
        let answer = self.run(command).unwrap_or_else(|r| panic!("{action}: {r}"));
        answer.row.map(|row| row.id).unwrap_or_else(|| answer.value["id"].as_str().unwrap().into())
    }

    pub fn network(&self, who: &str, name: &str) -> Id {
        self.id(self.command(who, "network:network:create").with(json!({ "name": name })))
    }

    /// A request by a path below `/access`: status and body; 0 and the refusal if refused.
    pub fn http(&self, who: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let caller = Caller { cloud: &self.cloud, actor: &self.who(who), via: self.via(&["password"]) };
        caller.ask(&self.routes, method, path, body)
    }

    /// Writes a statement of the bank's; its id, or the refusal's sentence.
    pub fn state(&self, mut body: Value) -> Result<Id, String> {
        if body.get("name").is_none() {
            body["name"] = json!("a statement");
        }
        let (status, told) =
            self.http("may@bank", "POST", "/v1/statements", json!({ "statement": body }));
        match status {
            201 => Ok(told["statement"]["id"].as_str().unwrap().into()),
            _ => Err(told.as_str().unwrap().into()),
        }
    }

    /// Removes one of the bank's, by the manager whom these tests leave free, with two factors.
    pub fn unstate(&self, id: &Id) {
        let mut command = self.command("moe@bank", "access:statement:delete").on(id.clone());
        command.via = self.via(&["password", "totp"]);
        assert_eq!(self.code(command), "ok");
    }

    pub fn entries(&self) -> Vec<Entry> {
        let mut db = Db::open(&self.config).unwrap();
        let all = db.entries(0, u64::MAX >> 1).unwrap();
        all.iter().map(|bytes| serde_json::from_slice(bytes).unwrap()).collect()
    }

    pub fn last(&self) -> Entry {
        self.entries().pop().unwrap()
    }

    /// A flavor and an image to make servers of, and a network with a subnet to put them in.
    pub fn furnish_servers(&self) -> (Id, Id) {
        self.run(jinyun_compute::first_start()).unwrap();
        let image = self.id(self.command("ann@p", "image:image:create").with(json!({
            "name": "mini", "disk_format": "raw", "container_format": "bare",
        })));
        let arrived = json!({ "disk_format": "raw", "path": "/images/mini", "bytes": 4096,
            "virtual_bytes": 4096, "sha256": "0".repeat(64), "sha512": "0".repeat(128) });
        let activate = self.command("ann@p", "image:image:activate").on(image.clone());
        self.run(activate.with(arrived)).unwrap();
        let network = self.network("ann@p", "front");
        self.id(self.command("ann@p", "network:subnet:create")
            .with(json!({ "network": network, "cidr": "10.1.0.0/24" })));
        let key = json!({ "name": "key", "public_key": KEY });
        self.id(self.command("ann@p", "compute:keypair:create").with(key));
        (image, network)
    }
}
