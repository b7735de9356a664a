//! What provokes: tenants, hosts, messages, faults, all drawn from one seed.

use jinyun_base::{Entropy, Fault, Id, SeedEntropy, Time};
use jinyun_compute::{Host, Hosts, placed, registration, waiting, want};
use jinyun_engine::{Answer, Command, Core, Driver, Failure, Job, Registry, Submit, View};
use jinyun_kms::Kms;
use jinyun_policy::{Actor, ActorKind, Role, Scope};
use jinyun_simulated::SimulatedHost;
use jinyun_store::{Config, Db, Query, Writer};
use jinyun_wire::{HostSeen, HostWant};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a run did, for a summary that shows that something was provoked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Commands that were acknowledged.
    pub done: u64,
    /// Commands that were refused.
    pub refused: u64,
    /// Deaths of the control process.
    pub crashes: u64,
    /// Commits that failed for a full disk.
    pub full: u64,
    /// Messages that were lost, doubled or overtaken.
    pub mangled: u64,
    /// Deaths of hosts and guests.
    pub deaths: u64,
    /// Journal entries.
    pub entries: u64,
}

impl Outcome {
    /// Adds another run.
    pub fn add(&mut self, other: &Outcome) {
        self.done += other.done;
        self.refused += other.refused;
        self.crashes += other.crashes;
        self.full += other.full;
        self.mangled += other.mangled;
        self.deaths += other.deaths;
        self.entries += other.entries;
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} commands done, {} refused; {} crashes, {} full disks, {} mangled messages, \
            {} deaths of hosts and guests; {} journal entries", self.done, self.refused,
            self.crashes, self.full, self.mangled, self.deaths, self.entries)
    }
}

/// A message on its way.
enum Message {
    Want(String, HostWant),
    Seen(String, HostSeen),
}

/// Names of the hosts.
const HOSTS: [&str; 2] = ["h1", "h2"];
/// Project and its domain.
pub const PROJECTS: [(&str, &str); 3] = [("p0", "bank"), ("p1", "bank"), ("p2", "fund")];

/// One simulated cloud.
pub struct World {
    pub(crate) seed: u64,
    dice: SeedEntropy,
    now: i64,
    dir: PathBuf,
    pub(crate) config: Config,
    pub(crate) registry: Arc<Registry>,
    kms: Arc<Kms>,
    core: Option<Core>,
    driver: Driver,
    pub(crate) db: Db,
    pub(crate) live: Arc<Hosts>,
    pub(crate) hosts: BTreeMap<String, Option<SimulatedHost>>,
    wire: Vec<Message>,
    /// Ids of projects by our short names.
    pub(crate) projects: HashMap<&'static str, Id>,
    /// What was acknowledged as created: kind and id.
    pub(crate) acknowledged: Vec<(String, Id)>,
    faults: bool,
    outcome: Outcome,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Drop for World {
    fn drop(&mut self) {
        self.core = None;
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// All services, as the product registers them.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    jinyun_identity::register(&mut registry);
    jinyun_image::register(&mut registry);
    jinyun_volume::register(&mut registry);
    jinyun_network::register(&mut registry);
    jinyun_compute::register(&mut registry);
    registry
}

/// Commits, and dies before or after one when the dice say so.
struct Mortal<'a> {
    core: &'a mut Option<Core>,
    dice: &'a mut SeedEntropy,
    now: Time,
    faults: bool,
}

impl Submit for Mortal<'_> {
    fn submit(&mut self, job: Job) -> Result<Answer, Failure> {
        let died = || Failure::Fault(Fault::new("the control process died"));
        let fate = if self.faults { self.dice.below(40) } else { 99 };
        if fate == 0 {
            *self.core = None;
        }
        let Some(core) = self.core.as_mut() else { return Err(died()) };
        let answer = core.one(job, self.now);
        if fate == 1 {
            *self.core = None;
            return Err(died());
        }
        answer
    }
}

impl World {
    /// A cloud with two hosts, two institutions and three projects.
    pub fn new(seed: u64) -> Result<World, String> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let base = ["/dev/shm", "/tmp"].into_iter().map(PathBuf::from).find(|p| p.is_dir());
        let base = base.unwrap_or_else(std::env::temp_dir);
        let dir = base.join(format!("jysim-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        let text = |e: Fault| e.to_string();
        let dice = SeedEntropy::new(seed.wrapping_mul(0x9e37_79b9) ^ 0x5eed);
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let registry = Arc::new(registry());
        let kms = Kms::open(&dir.join("keys"), "sim", Box::new(SeedEntropy::new(seed)));
        let kms = Arc::new(kms.map_err(text)?);
        let mut world = World {
            seed,
            dice,
            now: 1_700_000_000_000_000,
            config: config.clone(),
            registry: registry.clone(),
            core: None,
            driver: driver(&registry, &kms),
            db: {
                // The schema has to be there before anybody reads.
                drop(Writer::open(&config, "setup").map_err(text)?);
                Db::open(&config).map_err(text)?
            },
            live: Arc::new(Hosts::new()),
            hosts: HOSTS.iter().map(|h| (h.to_string(), Some(SimulatedHost::default()))).collect(),
            wire: Vec::new(),
            projects: HashMap::new(),
            acknowledged: Vec::new(),
            faults: false,
            outcome: Outcome::default(),
            kms,
            dir,
        };
        world.start().map_err(text)?;
        world.furnish().map_err(|e| e.to_string())?;
        world.faults = true;
        Ok(world)
    }

    /// Institutions, projects, flavors; a network and an image for each project.
    fn furnish(&mut self) -> Result<(), Failure> {
        let system = || Actor::system("setup");
        for domain in ["bank", "fund"] {
            let args = json!({ "id": domain, "name": domain, "enabled": true });
            self.run(Command::new("identity:domain:create", system(), "s").with(args))?;
        }
        for (project, domain) in PROJECTS {
            let args = json!({ "name": project, "domain": domain, "enabled": true });
            let mut command = Command::new("identity:project:create", system(), "s").with(args);
            command.domain = Some(domain.into());
            let id = Id::from(self.run(command)?.value["id"].as_str().unwrap_or_default());
            self.projects.insert(project, id);
        }
        self.run(jinyun_compute::first_start())?;
        self.connect_all();
        for project in PROJECTS.iter().map(|(p, _)| *p) {
            self.drive();
            let net = self.make(project, "network:network:create", json!({ "name": "net" }))?;
            // The same range everywhere: tenants are worlds of their own.
            self.make(project, "network:subnet:create",
                json!({ "network": net, "cidr": "10.0.0.0/26" }))?;
            let image = self.make(project, "image:image:create",
                json!({ "name": "mini", "disk_format": "raw", "container_format": "bare" }))?;
            let arrived = json!({ "disk_format": "raw", "path": "/images/mini", "bytes": 4096,
                "virtual_bytes": 4096, "sha256": "0".repeat(64), "sha512": "0".repeat(128) });
            let actor = self.member(project);
            self.run(Command::new("image:image:activate", actor, "s").on(image).with(arrived))?;
        }
        Ok(())
    }

    /// Starts the control process on what is stored.
    fn start(&mut self) -> Result<(), Fault> {
        let writer = Writer::open(&self.config, "sim")?;
        let dice = Box::new(SeedEntropy::new(self.dice.draw()));
        self.core = Some(Core::new(writer, self.registry.clone(), dice));
        self.driver = driver(&self.registry, &self.kms);
        self.live = Arc::new(Hosts::new());
        // As the product does: every host is composed before the driver looks.
        self.compose()?;
        Ok(())
    }

    /// A member of a project.
    pub fn member(&self, project: &'static str) -> Actor {
        let domain = PROJECTS.iter().find(|(p, _)| *p == project).map_or("", |(_, d)| *d);
        let id = self.projects.get(project).cloned().unwrap_or_else(|| "".into());
        Actor {
            kind: ActorKind::User,
            id: format!("user-{project}").into(),
            domain: domain.into(),
            scope: Scope::Project { project: id, domain: domain.into() },
            role: Some(Role::Member),
            duty: None,
        }
    }

    /// The time, a little later each time.
    pub(crate) fn tick(&mut self) -> Time {
        self.now += 1 + self.dice.below(50_000) as i64;
        Time(self.now)
    }

    fn run(&mut self, command: Command) -> Result<Answer, Failure> {
        let now = self.tick();
        let mut to = Mortal { core: &mut self.core, dice: &mut self.dice, now, faults: self.faults };
        let answer = to.submit(Job::Command(Box::new(command)));
        match &answer {
            Ok(answer) => {
                self.outcome.done += 1;
                for effect in &answer.effects {
                    if let jinyun_engine::Effect::Put { kind, id, generation: 1, .. } = effect {
                        self.acknowledged.push((kind.clone(), Id::new(id)));
                    }
                }
            }
            Err(Failure::Refused(_)) => self.outcome.refused += 1,
            Err(Failure::Fault(_)) => {}
        }
        answer
    }

    fn make(&mut self, project: &'static str, action: &str, args: Value) -> Result<Id, Failure> {
        let actor = self.member(project);
        let answer = self.run(Command::new(action, actor, "s").with(args))?;
        let id = answer.row.map(|r| r.id);
        Ok(id.unwrap_or_else(|| answer.value["id"].as_str().unwrap_or_default().into()))
    }

    fn pick(&mut self, n: usize) -> usize {
        self.dice.below(n.max(1) as u64) as usize
    }

    /// Some row of a kind: usually the project's own, sometimes anybody's.
    fn some(&mut self, kind: &'static str, project: &'static str) -> Option<Id> {
        let foreign = self.dice.below(12) == 0;
        let query = match self.projects.get(project) {
            Some(id) if !foreign => Query::project(id),
            _ => Query::default(),
        };
        let rows = self.db.list(jinyun_base::Kind(kind), &query).ok()?;
        if rows.is_empty() {
            return None;
        }
        let at = self.pick(rows.len());
        rows.into_iter().nth(at).map(|s| s.row.id)
    }

    /// One thing that a tenant asks for; much of it is refused.
    fn tenant(&mut self) -> Result<(), Failure> {
        let at = self.pick(PROJECTS.len());
        let project = PROJECTS[at].0;
        let actor = self.member(project);
        let none = || Id::new("nothing");
        let name = format!("n{}", self.dice.below(6));
        let create = |action: &str, args: Value| {
            Command::new(format!("{action}:create"), actor.clone(), "t").with(args)
        };
        let on = |action: &str, id: Option<Id>| {
            Command::new(action, actor.clone(), "t").on(id.unwrap_or_else(none))
        };
        let command = match self.dice.below(18) {
            0 => create("network:network", json!({ "name": name })),
            1 => {
                let net = self.some("network", project).unwrap_or_else(none);
                let third = self.dice.below(3);
                create("network:subnet",
                    json!({ "network": net, "cidr": format!("10.{third}.0.0/28") }))
            }
            2 | 3 => {
                let net = self.some("network", project).unwrap_or_else(none);
                create("network:port", json!({ "network": net, "name": name }))
            }
            4 => create("network:security_group", json!({ "name": name })),
            5 => on("network:port:delete", self.some("port", project)),
            6 => on("network:network:delete", self.some("network", project)),
            7 => on("network:security_group:delete", self.some("security_group", project)),
            8 => {
                let id = self.some("network", project);
                on("network:network:update", id).with(json!({ "name": name }))
            }
            9 | 10 => {
                let gib = 1 + self.dice.below(4) as i64;
                create("volume:volume", json!({ "name": name, "gib": gib,
                    "volume_type": jinyun_volume::TYPE }))
            }
            11 => on("volume:volume:delete", self.some("volume", project)),
            12 | 13 => {
                let net = self.some("network", project).unwrap_or_else(none);
                let image = self.some("image", project).unwrap_or_else(none);
                let mut args = json!({ "name": name, "imageRef": image, "flavorRef": "1",
                    "networks": [{ "uuid": net }] });
                if self.dice.below(3) == 0 {
                    let volume = self.some("volume", project).unwrap_or_else(none);
                    args["block_device_mapping_v2"] = json!([{ "source_type": "volume",
                        "destination_type": "volume", "uuid": volume }]);
                }
                create("compute:server", args)
            }
            14 => on("compute:server:delete", self.some("server", project)),
            15 => on("compute:server:stop", self.some("server", project)),
            16 => on("compute:server:start", self.some("server", project)),
            _ => create("network:port", json!({ "network": 7 })),
        };
        self.run(command).map(drop)
    }

    /// A pass of the driver. It ends early when the process dies.
    fn drive(&mut self) {
        let now = self.tick();
        let mut to = Mortal { core: &mut self.core, dice: &mut self.dice, now, faults: self.faults };
        // A fault is a death or a full disk: the next pass looks again.
        let _ = self.driver.pass(&mut self.db, &mut to, self.live.as_ref(), now);
    }

    /// Documents for all hosts that have a record; changed ones go on the wire.
    fn compose(&mut self) -> Result<(), Fault> {
        let floor = self.db.journal_length()?;
        let names = View::new(&mut self.db).list::<Host>(&Query::default())?;
        for name in names.into_iter().map(|h| h.spec.name) {
            let mut secrets = Db::open(&self.config)?;
            let secrets = std::cell::RefCell::new(&mut secrets);
            let secret = |id: &Id| {
                secrets.borrow_mut().secret("server", id, "user_data").ok().flatten()
            };
            let mut view = View::new(&mut self.db);
            let document = want(&mut view, &name, &secret)?;
            let on = placed(&mut view, &name)?;
            if self.live.compose(&name, document, on, floor)
                && let Some(document) = self.live.document(&name)
            {
                self.wire.push(Message::Want(name, document));
            }
        }
        Ok(())
    }

    fn nudge(&mut self, things: Vec<(&'static str, Id)>) {
        for (kind, id) in things {
            let now = self.tick();
            if let Some(core) = self.core.as_mut() {
                // A nudge that a full disk loses is made up for by the host's next report.
                let _ = core.one(Job::Nudge { kind: kind.into(), id }, now);
            }
        }
    }

    /// Every living host says hello, as after a restart of the control process.
    fn connect_all(&mut self) {
        let names: Vec<String> =
            self.hosts.iter().filter(|(_, h)| h.is_some()).map(|(n, _)| n.clone()).collect();
        for name in names {
            let _ = self.run(registration(&name, &SimulatedHost::facts()));
            let mut things = self.live.connected(&name, SimulatedHost::facts());
            let waits = waiting(&mut View::new(&mut self.db)).unwrap_or_default();
            things.extend(waits.into_iter().map(|id| ("server", id)));
            let nudged = self.db.nudges().unwrap_or_default();
            things.extend(nudged.into_iter().filter_map(|n| match n.kind.as_str() {
                "volume" => Some(("volume", n.id)),
                "port" => Some(("port", n.id)),
                _ => None,
            }));
            if let Some(document) = self.live.document(&name) {
                self.wire.push(Message::Want(name.clone(), document));
            }
            if let Some(Some(host)) = self.hosts.get(&name) {
                self.wire.push(Message::Seen(name, host.seen(&[])));
            }
            self.nudge(things);
        }
    }

    /// One message arrives: in peace the oldest, under faults any, perhaps twice, perhaps never.
    fn deliver(&mut self) {
        if self.wire.is_empty() {
            return;
        }
        let (mut at, mut twice) = (0, false);
        if self.faults {
            at = self.pick(self.wire.len());
            let fate = self.dice.below(10);
            if at > 0 || fate < 2 {
                self.outcome.mangled += 1;
            }
            if fate == 0 {
                self.wire.remove(at);
                return;
            }
            twice = fate == 1;
        }
        let message = self.wire.remove(at);
        if twice {
            let copy = match &message {
                Message::Want(name, want) => Message::Want(name.clone(), want.clone()),
                Message::Seen(name, seen) => Message::Seen(name.clone(), seen.clone()),
            };
            self.wire.push(copy);
        }
        match message {
            Message::Want(name, document) => {
                let mut keys = match Db::open(&self.config) {
                    Ok(db) => db,
                    Err(_) => return,
                };
                let up = self.core.is_some();
                let mut key = |disk: &str| {
                    up && keys.secret("volume", &disk.into(), "key").is_ok_and(|k| k.is_some())
                };
                if let Some(Some(host)) = self.hosts.get_mut(&name) {
                    let seen = host.apply(&document, &mut key);
                    self.wire.push(Message::Seen(name, seen));
                }
            }
            Message::Seen(name, seen) => {
                if self.core.is_some() && self.hosts.get(&name).is_some_and(Option::is_some) {
                    let things = self.live.report(&name, seen);
                    self.nudge(things);
                }
            }
        }
    }

    /// The control process starts again if it is dead.
    fn revive(&mut self) -> Result<(), String> {
        if self.core.is_some() {
            return Ok(());
        }
        self.outcome.crashes += 1;
        // What was on the wire is lost with the connections.
        self.wire.clear();
        self.start().map_err(|e| format!("starting again: {e}"))?;
        self.connect_all();
        Ok(())
    }

    fn fault(&mut self) {
        let at = self.pick(HOSTS.len());
        let name = HOSTS[at].to_string();
        match self.dice.below(4) {
            0 => self.core = None,
            1 => {
                self.outcome.deaths += 1;
                // A machine that restarts has its disks and its guests' ends; one that is dead
                // comes back later.
                let there = self.hosts.get(&name).is_some_and(Option::is_some);
                if there {
                    self.hosts.insert(name.clone(), None);
                    let things = self.live.disconnected(&name);
                    self.nudge(things);
                } else {
                    self.hosts.insert(name, Some(SimulatedHost::default()));
                    self.connect_all();
                }
            }
            2 => {
                let running: Vec<String> = self.db.list(jinyun_base::Kind("server"),
                    &Query::default()).unwrap_or_default().into_iter()
                    .map(|s| s.row.id.to_string()).collect();
                if running.is_empty() {
                    return;
                }
                let at = self.pick(running.len());
                if let Some(Some(host)) = self.hosts.get_mut(&name)
                    && host.end_guest(&running[at])
                {
                    self.outcome.deaths += 1;
                    let seen = host.seen(&[]);
                    self.wire.push(Message::Seen(name, seen));
                }
            }
            _ => self.full_disk(),
        }
    }

    /// A commit meets a full disk: nothing of it may have happened.
    fn full_disk(&mut self) {
        let Some(core) = self.core.as_mut() else { return };
        let mut pages = 0;
        let _ = core.writer.db.pragma_number("page_count", &mut pages);
        let _ = core.writer.db.batch(&format!("PRAGMA max_page_count={pages}"));
        for _ in 0..6 {
            if let Err(Failure::Fault(_)) = self.tenant() {
                self.outcome.full += 1;
            }
        }
        if let Some(core) = self.core.as_mut() {
            let _ = core.writer.db.batch("PRAGMA max_page_count=1073741823");
        }
    }

    /// Provokes.
    pub fn provoke(&mut self, steps: usize) -> Result<(), String> {
        for step in 0..steps {
            self.revive().map_err(|e| format!("step {step}: {e}"))?;
            match self.dice.below(20) {
                0..=7 => drop(self.tenant()),
                8..=11 => self.drive(),
                12 | 13 => drop(self.compose()),
                14..=17 => self.deliver(),
                18 => self.fault(),
                _ => self.now += self.dice.below(3_000_000) as i64,
            }
            if step % 25 == 24 {
                crate::check::quota(self).map_err(|e| format!("step {step}: {e}"))?;
            }
        }
        Ok(())
    }

    /// Faults stop; everything gets its turns until nothing moves any more.
    pub fn calm(&mut self) -> Result<(), String> {
        self.faults = false;
        self.revive()?;
        for name in HOSTS {
            if self.hosts.get(name).is_none_or(Option::is_none) {
                self.hosts.insert(name.into(), Some(SimulatedHost::default()));
            }
        }
        self.connect_all();
        for _ in 0..60 {
            self.now += 61_000_000;
            self.drive();
            self.compose().map_err(|e| e.to_string())?;
            while !self.wire.is_empty() {
                self.deliver();
            }
        }
        Ok(())
    }

    /// What the run did.
    pub fn outcome(&mut self) -> Outcome {
        self.outcome.entries = self.db.journal_length().unwrap_or(0);
        self.outcome.clone()
    }

    /// The core, for checkers and planted bugs.
    pub fn core(&mut self) -> Result<&mut Core, String> {
        self.core.as_mut().ok_or_else(|| "the control process is dead".into())
    }

    /// Puts another registry in the checkers' hands, to plant a bad rule.
    pub fn use_registry(&mut self, registry: Arc<Registry>) {
        self.registry = registry;
    }

    /// Puts a disk on a host that nobody asked for.
    pub fn plant_disk(&mut self, host: &str, disk: &str) {
        let mut document = HostWant { generation: u64::MAX, ..HostWant::default() };
        if let Some(known) = self.live.document(host) {
            document = HostWant { generation: u64::MAX, ..known };
        }
        document.disks.push(jinyun_wire::DiskWant { id: disk.into(), bytes: 1, image: None });
        if let Some(Some(host)) = self.hosts.get_mut(host) {
            host.apply(&document, &mut |_| true);
        }
    }

    /// Signs what is committed, for the checker of the journal.
    pub(crate) fn checkpoint(&mut self) -> Result<(), String> {
        let now = self.tick();
        let kms = self.kms.clone();
        let core = self.core()?;
        let mut sign = |tree, text: &str| kms.sign(tree, text);
        core.writer.checkpoint("sim", now, ("simulated", 0), &mut sign).map(drop)
            .map_err(|e| e.to_string())
    }

    /// The journal's public keys.
    pub(crate) fn keys(&self) -> Vec<jinyun_journal::Key> {
        self.kms.journal_keys().to_vec()
    }
}

fn driver(registry: &Arc<Registry>, kms: &Arc<Kms>) -> Driver {
    let kms = kms.clone();
    Driver::new(registry.clone(), Box::new(move |db, kind, id, request| {
        kms.make(db, kind, id, request)
    }))
}
