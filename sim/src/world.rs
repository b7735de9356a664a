//! What provokes: people, hosts, messages, faults, all drawn from one seed.
//!
//! Here is the cloud itself: what it consists of, how it starts, dies and starts again, and which
//! thing happens next. What each of those who take part does stands with them (`tenants`, `hosts`,
//! `deciders`, `people`).

use crate::hosts::Message;
use crate::outcome::Outcome;
use jinyun_base::{Entropy, Fault, Id, Refused, SeedEntropy, Time};
use jinyun_compute::Hosts;
use jinyun_engine::{
    Answer, Approver, Command, Core, Driver, Failure, Job, Registry, Submit, View,
};
use jinyun_identity::Directory;
use jinyun_kms::Kms;
use jinyun_policy::Actor;
use jinyun_simulated::SimulatedHost;
use jinyun_store::{Config, Db, Query, Writer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Names of the hosts.
const HOSTS: [&str; 2] = ["h1", "h2"];
/// Project and its domain.
pub const PROJECTS: [(&str, &str); 3] = [("p0", "bank"), ("p1", "bank"), ("p2", "fund")];

/// One simulated cloud.
pub struct World {
    pub(crate) seed: u64,
    pub(crate) dice: SeedEntropy,
    /// The clock, in microseconds: shared with whatever has to know the time by itself.
    clock: Arc<AtomicI64>,
    dir: PathBuf,
    pub(crate) config: Config,
    pub(crate) registry: Arc<Registry>,
    kms: Arc<Kms>,
    pub(crate) core: Option<Core>,
    driver: Driver,
    /// Who there is, as the control process has it in memory.
    pub(crate) directory: Arc<Directory>,
    pub(crate) db: Db,
    pub(crate) live: Arc<Hosts>,
    pub(crate) hosts: BTreeMap<String, Option<SimulatedHost>>,
    pub(crate) wire: Vec<Message>,
    /// Ids of projects by our short names.
    pub(crate) projects: HashMap<&'static str, Id>,
    /// What was acknowledged as created: kind and id.
    pub(crate) acknowledged: Vec<(String, Id)>,
    /// Ids of people by our short names.
    pub(crate) people: HashMap<&'static str, Id>,
    /// A group of the bank's that may vote.
    pub(crate) board: Id,
    /// Votes that were acknowledged: request, who, yes or no.
    pub(crate) votes: Vec<(Id, Id, bool)>,
    pub(crate) faults: bool,
    pub(crate) outcome: Outcome,
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Drop for World {
    fn drop(&mut self) {
        self.core = None;
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// All services, as the product registers them. Nobody is asked for approvals yet.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    jinyun_identity::register(&mut registry);
    jinyun_image::register(&mut registry);
    jinyun_volume::register(&mut registry);
    jinyun_network::register(&mut registry);
    jinyun_compute::register(&mut registry);
    jinyun_approval::register(&mut registry);
    registry
}

/// When everything begins: 2023-11-14, a Tuesday (in UTC+8 it is Wednesday morning already).
const BEGIN: i64 = 1_700_000_000_000_000;

/// Commits, and dies before or after one when the dice say so.
struct Mortal<'a> {
    core: &'a mut Option<Core>,
    dice: &'a mut SeedEntropy,
    now: Time,
    faults: bool,
}

impl Mortal<'_> {
    /// Several jobs at once, as a busy queue hands them over: one commit for all.
    fn group(&mut self, jobs: Vec<Job>) -> Vec<Result<Answer, Failure>> {
        let many = jobs.len();
        let died = || Failure::Fault(Fault::new("the control process died"));
        let all_died = || -> Vec<Result<Answer, Failure>> { (0..many).map(|_| Err(died())).collect() };
        let fate = if self.faults { self.dice.below(40) } else { 99 };
        if fate == 0 {
            *self.core = None;
        }
        let Some(core) = self.core.as_mut() else { return all_died() };
        let answers = core.run(jobs, self.now);
        if fate == 1 {
            *self.core = None;
            return all_died();
        }
        answers
    }
}

impl Submit for Mortal<'_> {
    fn submit(&mut self, job: Job) -> Result<Answer, Failure> {
        let none = || Err(Failure::Fault(Fault::new("the group returned no answer")));
        self.group(vec![job]).pop().unwrap_or_else(none)
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
        let (directory, clock) = (Arc::new(Directory::default()), Arc::new(AtomicI64::new(BEGIN)));
        let registry = {
            let (mut registry, clock) = (registry(), clock.clone());
            let now = move || Time(clock.load(Ordering::Relaxed));
            jinyun_approval::install(&mut registry, Arc::new(now));
            Arc::new(registry)
        };
        let kms = Kms::open(&dir.join("keys"), "sim", Box::new(SeedEntropy::new(seed)));
        let kms = Arc::new(kms.map_err(text)?);
        let mut world = World {
            seed,
            dice,
            clock,
            directory,
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
            people: HashMap::new(),
            board: "".into(),
            votes: Vec::new(),
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
        for domain in ["default", "bank", "fund"] {
            let args = json!({ "id": domain, "name": domain, "enabled": true });
            self.run(Command::new("identity:domain:create", system(), "s").with(args))?;
        }
        for (project, domain) in PROJECTS {
            let tags = if project == "p0" { json!(["environment:production"]) } else { json!([]) };
            let args = json!({ "name": project, "domain": domain, "enabled": true, "tags": tags });
            let mut command = Command::new("identity:project:create", system(), "s").with(args);
            command.domain = Some(domain.into());
            let id = Id::from(self.run(command)?.value["id"].as_str().unwrap_or_default());
            self.projects.insert(project, id);
        }
        self.settle_people()?;
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
        let mut core = Core::new(writer, self.registry.clone(), dice);
        self.directory.load(&mut View::new(&mut self.db))?;
        let watch = self.directory.clone();
        core.observe(Box::new(move |effects| watch.apply(effects)));
        self.core = Some(core);
        self.driver = driver(&self.registry, &self.kms);
        self.live = Arc::new(Hosts::new());
        // As the product does: every host is composed before the driver looks.
        self.compose()?;
        Ok(())
    }

    /// The time.
    pub fn now(&self) -> Time {
        Time(self.clock.load(Ordering::Relaxed))
    }

    /// Lets time pass, in microseconds.
    pub fn wait(&mut self, micros: i64) {
        self.clock.fetch_add(micros, Ordering::Relaxed);
    }

    /// The time, a little later each time.
    pub(crate) fn tick(&mut self) -> Time {
        let step = 1 + self.dice.below(50_000) as i64;
        self.wait(step);
        self.now()
    }

    /// Somebody asks for something; what is acknowledged is remembered.
    pub fn run(&mut self, command: Command) -> Result<Answer, Failure> {
        let none = || Err(Failure::Fault(Fault::new("the group returned no answer")));
        self.run_all(vec![command]).pop().unwrap_or_else(none)
    }

    /// Several ask at once: their commands are one group.
    pub(crate) fn run_all(&mut self, commands: Vec<Command>) -> Vec<Result<Answer, Failure>> {
        let now = self.tick();
        let actions: Vec<String> = commands.iter().map(|c| c.action.clone()).collect();
        let jobs = commands.into_iter().map(|c| Job::Command(Box::new(c))).collect();
        let mut to = Mortal { core: &mut self.core, dice: &mut self.dice, now, faults: self.faults };
        let answers = to.group(jobs);
        for (action, answer) in actions.into_iter().zip(&answers) {
            let count = self.outcome.actions.entry(action).or_default();
            let held = |f: &Failure| {
                matches!(f, Failure::Refused(r) if matches!(r.why, Refused::NeedsApproval(_)))
            };
            count.0 += 1;
            count.1 += u64::from(answer.as_ref().map_or_else(held, |_| true));
            self.heard(answer);
        }
        answers
    }

    /// What a client may rely on from now on.
    fn heard(&mut self, answer: &Result<Answer, Failure>) {
        match answer {
            Ok(answer) => {
                self.outcome.done += 1;
                for effect in &answer.effects {
                    if let jinyun_engine::Effect::Put { kind, id, generation: 1, .. } = effect {
                        self.acknowledged.push((kind.clone(), Id::new(id)));
                    }
                }
            }
            Err(Failure::Refused(refusal)) => match &refusal.why {
                Refused::NeedsApproval(id) => {
                    self.outcome.held += 1;
                    self.acknowledged.push(("approval".into(), Id::new(id)));
                }
                _ => self.outcome.refused += 1,
            },
            Err(Failure::Fault(_)) => {}
        }
    }

    fn make(&mut self, project: &'static str, action: &str, args: Value) -> Result<Id, Failure> {
        let actor = self.member(project);
        let answer = self.run(Command::new(action, actor, "s").with(args))?;
        let id = answer.row.map(|r| r.id);
        Ok(id.unwrap_or_else(|| answer.value["id"].as_str().unwrap_or_default().into()))
    }

    pub(crate) fn pick(&mut self, n: usize) -> usize {
        self.dice.below(n.max(1) as u64) as usize
    }

    /// A pass of the driver. It ends early when the process dies.
    fn drive(&mut self) {
        let now = self.tick();
        let mut to = Mortal { core: &mut self.core, dice: &mut self.dice, now, faults: self.faults };
        // A fault is a death or a full disk: the next pass looks again.
        let _ = self.driver.pass(&mut self.db, &mut to, self.live.as_ref(), now);
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
        for n in 0..6 {
            let answer = if n % 2 == 0 { self.tenant() } else { self.ballot() };
            if let Err(Failure::Fault(_)) = answer {
                self.outcome.full += 1;
            }
        }
        if let Some(core) = self.core.as_mut() {
            let _ = core.writer.db.batch("PRAGMA max_page_count=1073741823");
        }
    }

    /// Servers that run before anything goes wrong: few that are made among faults ever do.
    fn servers(&mut self) -> Result<(), Failure> {
        let faults = std::mem::replace(&mut self.faults, false);
        for (project, _) in PROJECTS {
            let id = self.projects.get(project).cloned().unwrap_or_else(|| Id::new(""));
            let mut first = |kind| {
                let rows = self.db.list(jinyun_base::Kind(kind), &Query::project(&id));
                rows.map(|rows| rows.into_iter().next().map(|s| s.row.id))
            };
            let (network, image) = (first("network")?, first("image")?);
            let nic = json!({ "network": { "id": network, "ip": null } });
            self.make(project, "compute:server:create", json!({ "name": "old", "image": image,
                "flavor": "1", "networks": { "these": [nic] } }))?;
        }
        for _ in 0..8 {
            self.wait(5_000_000);
            self.drive();
            self.compose()?;
            while !self.wire.is_empty() {
                self.deliver();
            }
        }
        self.faults = faults;
        Ok(())
    }

    /// Provokes.
    pub fn provoke(&mut self, steps: usize) -> Result<(), String> {
        if self.dice.below(2) == 0 {
            self.servers().map_err(|e| format!("before: {e}"))?;
        }
        // Most runs begin with rules, so that commands wait from the start.
        for _ in 0..self.dice.below(4) {
            drop(self.make_rule());
        }
        for step in 0..steps {
            self.revive().map_err(|e| format!("step {step}: {e}"))?;
            match self.dice.below(20) {
                0..=7 => drop(self.tenant()),
                8..=11 => self.drive(),
                12 | 13 => drop(self.compose()),
                14..=17 => self.deliver(),
                18 => self.fault(),
                _ => {
                    let pause = self.dice.below(3_000_000) as i64;
                    self.wait(pause);
                }
            }
            if self.dice.below(3) == 0 {
                self.decide();
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
        // Longer than an approved command waits for its window: each runs or expires.
        for _ in 0..72 {
            self.wait(3 * 3_600_000_000);
            self.tend();
        }
        for _ in 0..60 {
            self.wait(61_000_000);
            self.tend();
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
        let mut outcome = self.outcome.clone();
        outcome.entries = self.db.journal_length().unwrap_or(0);
        let all = self.db.list(jinyun_base::Kind("approval"), &Query::default()).unwrap_or_default();
        for stored in all {
            let spec: Value = serde_json::from_str(&stored.row.spec).unwrap_or_default();
            match spec["state"].as_str().unwrap_or_default() {
                "done" => outcome.ran += 1,
                "failed" => outcome.failed += 1,
                "expired" => outcome.expired += 1,
                "refused" | "withdrawn" => outcome.stopped += 1,
                "lapsed" => outcome.lapsed += 1,
                _ => {}
            }
        }
        outcome
    }

    /// The core, for checkers and planted bugs.
    pub fn core(&mut self) -> Result<&mut Core, String> {
        self.core.as_mut().ok_or_else(|| "the control process is dead".into())
    }

    /// Puts another registry in the checkers' hands, to plant a bad rule.
    pub fn use_registry(&mut self, registry: Arc<Registry>) {
        self.registry = registry;
    }

    /// Starts the control process with another registry, to plant a bug that does not depend on the
    /// workload. Checkers keep the services as they are.
    pub fn restart_with(&mut self, registry: Registry) -> Result<(), String> {
        self.core = None;
        let sound = std::mem::replace(&mut self.registry, Arc::new(registry));
        let started = self.start().map_err(|e| e.to_string());
        self.registry = sound;
        started
    }

    /// Who is asked for approvals, to plant one who is careless.
    pub fn approver(&self) -> Option<Arc<dyn Approver>> {
        self.registry.approver.clone()
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
