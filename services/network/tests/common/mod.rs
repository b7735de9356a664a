//! A cloud of nothing but networks, on SQLite, with toy servers that use ports.
#![allow(dead_code)]

use jinyun_base::{Fault, Id, Kind, SeedEntropy, Time};
use jinyun_engine::*;
use jinyun_policy::{Actor, ActorKind, Role, Scope};
use jinyun_store::{Config, Db, Writer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// What compute's server is to this crate: something that links ports and takes its own along.
pub struct Server;

#[derive(Serialize, Deserialize, Clone, PartialEq)]
pub struct ServerSpec {
    #[serde(default)]
    pub lent: Vec<Id>,
}

impl Resource for Server {
    const SERVICE: &'static str = "compute";
    const KIND: Kind = Kind("server");
    type Spec = ServerSpec;
    type Status = ();

    fn name(_: &ServerSpec) -> &str {
        ""
    }

    fn check(_: &ServerSpec, _: Option<&ServerSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(())
    }

    fn links(spec: &ServerSpec) -> Vec<Link> {
        let on_delete = OnDelete::Refuse;
        spec.lent.iter().map(|id| Link { role: "port", kind: "port", id: id.clone(), on_delete })
            .collect()
    }
}

/// What identity's project is to this crate.
pub struct Project;

impl Resource for Project {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("project");
    type Spec = Value;
    type Status = ();

    fn name(_: &Value) -> &str {
        ""
    }

    fn check(_: &Value, _: Option<&Value>, _: &Place, _: &mut View<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

const TOYS: &[jinyun_policy::Rule] = &[
    jinyun_policy::Rule {
        action: "compute:server:create",
        allow: &[jinyun_policy::Who::System],
    },
    jinyun_policy::Rule {
        action: "compute:server:delete",
        allow: &[jinyun_policy::Who::System],
    },
    jinyun_policy::Rule {
        action: "identity:project:create",
        allow: &[jinyun_policy::Who::System],
    },
    jinyun_policy::Rule {
        action: "identity:project:delete",
        allow: &[jinyun_policy::Who::System],
    },
];

pub fn registry() -> Arc<Registry> {
    let mut registry = Registry::default();
    jinyun_network::register(&mut registry);
    registry.add::<Server>().add::<Project>().rules(TOYS);
    Arc::new(registry)
}

/// A member of a project in the domain `bank`.
pub fn user(role: Role, project: &str) -> Actor {
    Actor {
        kind: ActorKind::User,
        id: "ann".into(),
        domain: "bank".into(),
        scope: Scope::Project { project: project.into(), domain: "bank".into() },
        role: Some(role),
        duty: None,
    }
}

/// A directory of its own for a test, gone with it.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        let name = format!("jynetwork-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    pub fn config(&self) -> Config {
        Config::Sqlite { path: self.0.join("state.db"), durable: false }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn core(config: &Config) -> Core {
    let writer = Writer::open(config, "test").unwrap();
    Core::new(writer, registry(), Box::new(SeedEntropy::new(7)))
}

/// The driver, which makes no secrets here.
pub fn driver() -> Driver {
    Driver::new(registry(), Box::new(|_, _, _, _| Err(Fault::new("no secrets here"))))
}

/// Commands straight into the core.
pub struct World {
    pub core: Core,
    pub project: &'static str,
    now: i64,
    dir: Dir,
}

impl World {
    pub fn new() -> World {
        let dir = Dir::new();
        let core = core(&dir.config());
        World { core, project: "p", now: 1_700_000_000_000_000, dir }
    }

    pub fn run(&mut self, command: Command) -> Result<Answer, Failure> {
        self.now += 1000;
        self.core.one(Job::Command(Box::new(command)), Time(self.now))
    }

    fn command(&self, action: &str, args: Value) -> Command {
        let actor = user(Role::Member, self.project);
        Command::new(format!("network:{action}"), actor, "r").with(args)
    }

    /// An action about nothing yet.
    pub fn ask(&mut self, action: &str, args: Value) -> Result<Id, Refusal> {
        let command = self.command(action, args);
        self.told(command)
    }

    /// An action about something.
    pub fn on(&mut self, action: &str, id: &Id, args: Value) -> Result<Id, Refusal> {
        let command = self.command(action, args).on(id.clone());
        self.told(command)
    }

    /// An action of the platform.
    pub fn system(&mut self, action: &str, id: Option<&Id>, args: Value) -> Result<Id, Refusal> {
        let mut command = Command::new(action, Actor::system("test"), "r").with(args)
            .at(&"bank".into(), &self.project.into());
        command.target = id.cloned();
        self.told(command)
    }

    fn told(&mut self, command: Command) -> Result<Id, Refusal> {
        match self.run(command) {
            Ok(answer) => {
                let told = answer.value.get("id").and_then(Value::as_str).map(Id::from);
                Ok(answer.row.map(|r| r.id).or(told).unwrap_or_else(|| Id::new("")))
            }
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(Failure::Fault(fault)) => panic!("{fault}"),
        }
    }

    pub fn view(&mut self) -> View<'_> {
        View::new(&mut self.core.writer.db)
    }

    pub fn get<R: Resource>(&mut self, id: &Id) -> Option<Have<R>> {
        self.view().get::<R>(id).unwrap()
    }

    pub fn network(&mut self) -> Id {
        self.ask("network:create", json!({ "name": "net" })).unwrap()
    }

    pub fn subnet(&mut self, network: &Id, cidr: &str) -> Id {
        self.ask("subnet:create", json!({ "network": network, "cidr": cidr })).unwrap()
    }

    pub fn port(&mut self, network: &Id) -> Id {
        self.ask("port:create", json!({ "network": network })).unwrap()
    }

    /// The project's default group.
    pub fn default_group(&mut self) -> Id {
        self.ask("security_group:ensure", Value::Null).unwrap()
    }

    /// Lets the driver look at everything that is due, so many times.
    pub fn drive(&mut self, seen: &dyn Seen, rounds: usize) {
        let mut driver = driver();
        let mut db = Db::open(&self.dir.config()).unwrap();
        for _ in 0..rounds {
            self.now += 120 * Time::SECOND;
            let now = Time(self.now);
            let mut to = Direct(&mut self.core, now);
            driver.pass(&mut db, &mut to, seen, now).unwrap();
        }
    }
}

struct Direct<'a>(&'a mut Core, Time);

impl Submit for Direct<'_> {
    fn submit(&mut self, job: Job) -> Result<Answer, Failure> {
        self.0.one(job, self.1)
    }
}

pub use jinyun_base::Refusal;

/// `ok` or the refusal's word.
pub fn code(result: &Result<Id, Refusal>) -> &'static str {
    result.as_ref().map_or_else(Refusal::code, |_| "ok")
}
