//! A cloud of four services with one simulated host, driven by hand.
#![allow(dead_code)]

use jinyun_base::{Id, Secret, SeedEntropy, Time};
use jinyun_compute::{Hosts, Server, first_start, placed, registration, want};
use jinyun_engine::*;
use jinyun_kms::Kms;
use jinyun_policy::{Actor, ActorKind, Duty, Role, Scope};
use jinyun_rest::{Body, Call, Cloud, Door, Route};
use jinyun_simulated::SimulatedHost;
use jinyun_store::{Config, Db, Writer};
use jinyun_wire::{HostFacts, HostWant};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// The host's name.
pub const HOST: &str = "h1";

pub struct World {
    pub cloud: Cloud,
    pub hosts: Hosts,
    pub host: SimulatedHost,
    pub routes: Vec<Route>,
    pub kms: Arc<Kms>,
    driver: Driver,
    db: Db,
    config: Config,
    clock: Arc<AtomicI64>,
    dir: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub fn registry() -> Registry {
    let mut registry = Registry::default();
    jinyun_image::register(&mut registry);
    jinyun_volume::register(&mut registry);
    jinyun_network::register(&mut registry);
    jinyun_compute::register(&mut registry);
    registry
}

/// A member of project `p` of the domain `bank`.
pub fn ann() -> Actor {
    user("ann", "p")
}

pub fn user(id: &str, project: &str) -> Actor {
    Actor {
        kind: ActorKind::User,
        id: id.into(),
        domain: "bank".into(),
        scope: Scope::Project { project: project.into(), domain: "bank".into() },
        role: Some(Role::Member),
        duty: None,
    }
}

pub fn on_duty(duty: Duty) -> Actor {
    Actor { scope: Scope::System, role: None, duty: Some(duty), ..user("root", "") }
}

pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ann";

impl World {
    pub fn new(name: &str) -> World {
        World::of(name, registry())
    }

    /// With what was registered.
    pub fn of(name: &str, registry: Registry) -> World {
        let dir = std::env::temp_dir().join(format!("jycompute-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let registry = Arc::new(registry);
        let writer = Writer::open(&config, "test").unwrap();
        let core = Core::new(writer, registry.clone(), Box::new(SeedEntropy::new(7)));
        let clock = Arc::new(AtomicI64::new(1_700_000_000_000_000));
        let (handle, queue) = Queue::new();
        let ticks = clock.clone();
        std::thread::spawn(move || {
            queue.serve(core, move || Time(ticks.fetch_add(1000, Ordering::SeqCst)));
        });
        let reader = Reader::new(config.clone(), registry.clone(), handle.clone());
        let maker: Maker = Box::new(|_, _, _, _| Ok(Secret::new(b"wrapped key".to_vec())));
        let console: jinyun_compute::Console =
            Arc::new(|host, server, lines| Ok(format!("{host} {} {lines:?}\n", server.len())));
        let dice = Box::new(SeedEntropy::new(9));
        let kms = Arc::new(Kms::open(&dir.join("keys.json"), "test", dice).unwrap());
        let world = World {
            cloud: Cloud { reader, handle },
            hosts: Hosts::new(),
            host: SimulatedHost::default(),
            routes: jinyun_compute::routes(console, kms.clone()),
            kms,
            driver: Driver::new(registry, maker),
            db: Db::open(&config).unwrap(),
            config,
            clock,
            dir,
        };
        world.run(first_start()).unwrap();
        world
    }

    pub fn run(&self, command: Command) -> Result<Answer, Failure> {
        self.cloud.handle.run(Job::Command(Box::new(command)))
    }

    /// A command of ann's; the id of what it made.
    pub fn make(&self, action: &str, args: Value) -> Id {
        let answer = self.run(Command::new(action, ann(), "r").with(args));
        let answer = answer.unwrap_or_else(|e| panic!("{action}: {e}"));
        let id = answer.row.map(|row| row.id);
        id.unwrap_or_else(|| answer.value["id"].as_str().unwrap().into())
    }

    pub fn image(&self) -> Id {
        let id = self.make("image:image:create",
            json!({ "name": "mini", "disk_format": "raw", "container_format": "bare" }));
        let arrived = json!({ "disk_format": "raw", "path": "/images/mini", "bytes": 4096,
            "virtual_bytes": 4096, "sha256": "0".repeat(64), "sha512": "0".repeat(128) });
        let activate = Command::new("image:image:activate", ann(), "r").on(id.clone());
        self.run(activate.with(arrived)).unwrap();
        id
    }

    /// A network with a subnet.
    pub fn network(&self, name: &str, cidr: &str) -> Id {
        let id = self.make("network:network:create", json!({ "name": name }));
        self.make("network:subnet:create", json!({ "network": id, "cidr": cidr }));
        id
    }

    pub fn connect(&self, facts: HostFacts) {
        self.run(registration(HOST, &facts)).unwrap();
        self.hosts.connected(HOST, facts);
    }

    /// What the host is told now.
    pub fn document(&mut self) -> HostWant {
        let secrets = RefCell::new(Db::open(&self.config).unwrap());
        let secret = |id: &Id| secrets.borrow_mut().secret("server", id, "user_data").unwrap();
        let floor = self.cloud.handle.with(|core| core.writer.next_number()).unwrap();
        let mut view = View::new(&mut self.db);
        let document = want(&mut view, HOST, &secret).unwrap();
        let on = placed(&mut view, HOST).unwrap();
        self.hosts.compose(HOST, document, on, floor);
        self.hosts.document(HOST).unwrap()
    }

    /// Driver and host in turn, until nothing moves any more.
    pub fn settle(&mut self) {
        for _ in 0..30 {
            self.drive();
            let document = self.document();
            self.report(&document);
        }
    }

    /// The same without a word from the host.
    pub fn settle_without_host(&mut self) {
        for _ in 0..10 {
            self.drive();
            self.document();
        }
    }

    fn drive(&mut self) {
        // Longer than the driver's longest pause: everything is due.
        let now = Time(self.clock.fetch_add(61_000_000, Ordering::SeqCst) + 61_000_000);
        let mut to = self.cloud.handle.clone();
        self.driver.pass(&mut self.db, &mut to, &self.hosts, now).unwrap();
    }

    /// Lets the host converge to a document and tell.
    pub fn report(&mut self, document: &HostWant) {
        let keys = RefCell::new(Db::open(&self.config).unwrap());
        let mut key = |disk: &str| {
            keys.borrow_mut().secret("volume", &disk.into(), "key").unwrap().is_some()
        };
        let seen = self.host.apply(document, &mut key);
        self.nudge(self.hosts.report(HOST, seen));
    }

    pub fn nudge(&self, things: Vec<(&'static str, Id)>) {
        for (kind, id) in things {
            self.cloud.handle.run(Job::Nudge { kind: kind.into(), id }).unwrap();
        }
    }

    /// The password that is kept for a server's guest, if there is one that opens.
    pub fn password(&self, id: &Id) -> Option<String> {
        let kept = |db: &mut Db| db.secret("server", id, jinyun_compute::PASSWORD);
        let sealed = self.cloud.reader.lend(kept).unwrap()?;
        let plain = self.kms.open_record(&jinyun_compute::about_password(id), &sealed).unwrap();
        Some(String::from_utf8(plain.expose().clone()).unwrap())
    }

    pub fn server(&self, id: &Id) -> Option<Have<Server>> {
        self.get::<Server>(id)
    }

    pub fn get<R: Resource>(&self, id: &Id) -> Option<Have<R>> {
        self.cloud.reader.view(|v| v.get::<R>(id)).unwrap()
    }

    /// The phase of a server, or that it is gone.
    pub fn phase(&self, id: &Id) -> String {
        self.server(id).map_or("gone".into(), |s| s.phase)
    }

    /// A request: status and body, or 0 and the refusal.
    pub fn call(&self, actor: &Actor, method: &str, url: &str, body: Value) -> (u16, Value) {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |route: &&Route| {
            let pattern: Vec<&str> = route.path.split('/').collect();
            route.method == method && pattern.len() == parts.len()
                && pattern.iter().zip(&parts).all(|(p, s)| p.starts_with('{') || p == s)
        };
        let mut found: Vec<&Route> = self.routes.iter().filter(fits).collect();
        found.sort_by_key(|route| route.path.matches('{').count());
        let route = found.first().unwrap_or_else(|| panic!("no route for {method} {path}"));
        let params = route.path.split('/').zip(&parts).filter(|(p, _)| p.starts_with('{'));
        let params = params.map(|(p, s)| {
            let name: &'static str = p.trim_matches(['{', '}']).to_string().leak();
            (name, s.to_string())
        });
        let query = query.split('&').filter(|q| !q.is_empty()).map(|q| {
            let (name, value) = q.split_once('=').unwrap_or((q, ""));
            (name.to_string(), value.to_string())
        });
        let call = Call {
            via: Default::default(),
            door: Door::Management,
            cloud: &self.cloud,
            actor,
            path: params.collect(),
            query: query.collect(),
            body,
            request: "req-1".into(),
            source: None,
            base: "https://cloud/compute".into(),
            version: Some((2, 1)),
            token: None,
            headers: Vec::new(),
            input: Mutex::new(None),
        };
        match (route.run)(&call) {
            Ok(reply) => match reply.body {
                Body::Json(value) => (reply.status, value),
                _ => (reply.status, Value::Null),
            },
            Err(Failure::Refused(r)) => (0, format!("{}: {}", r.code(), r.message).into()),
            Err(Failure::Fault(f)) => panic!("{method} {path}: {f}"),
        }
    }
}

/// The code of a refusal, or "ok".
pub fn code(result: Result<Answer, Failure>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(Failure::Refused(r)) => r.code().into(),
        Err(Failure::Fault(f)) => format!("fault: {f}"),
    }
}
