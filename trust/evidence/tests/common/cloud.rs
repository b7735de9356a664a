//! A whole cloud in this process, on SQLite, with one simulated host and everything that moves it.

use jinyun_access::{Access, Profile, Profiles};
use jinyun_base::{Day, Fault, Id, OsEntropy, Time};
use jinyun_compute::{Hosts, placed, registration, want};
use jinyun_engine::{Core, Driver, Job, Maker, Queue, Reader, Registry, View};
use jinyun_evidence::attack::{Judged, judge};
use jinyun_evidence::stage::Stage;
use jinyun_evidence::trials::{Api, Inside, Scene, try_some};
use jinyun_evidence::{Evidence, Setup};
use jinyun_governance::{Level, excepted, profile};
use jinyun_identity::{Directory, Identity};
use jinyun_kms::Kms;
use jinyun_policy::Rule;
use jinyun_rest::Cloud;
use jinyun_simulated::SimulatedHost;
use jinyun_store::{Config, Db, Writer};
use jinyun_wire::Answer;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const HOST: &str = "h1";

#[allow(clippy::disallowed_methods)]
pub fn now() -> Time {
    Time(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64)
}

/// A cloud that runs until it is dropped.
pub struct Running {
    pub cloud: Arc<Cloud>,
    pub hosts: Arc<Hosts>,
    pub kms: Arc<Kms>,
    pub identity: Arc<Identity>,
    pub config: Config,
    pub dir: PathBuf,
    stop: Arc<AtomicBool>,
    life: Option<JoinHandle<()>>,
}

/// How strictly a project is kept: the rows of governance, as in the product.
fn profiles() -> Profiles {
    let of = |view: &mut View<'_>, project: &Id| -> Result<(Profile, Vec<String>), Fault> {
        let today = Day::of(now());
        let level = match profile(view, project, today)? {
            None | Some(Level::Basic) => Profile::Basic,
            Some(Level::Extended) => Profile::Extended,
            Some(Level::Enhanced) => Profile::Enhanced,
        };
        Ok((level, excepted(view, project, today)?))
    };
    Arc::new(of)
}

fn registry(holes: &'static [Rule], directory: &Arc<Directory>) -> (Registry, Arc<Access>) {
    let mut registry = Registry::default();
    // The first rule of an action holds.
    registry.rules(holes);
    jinyun_identity::register(&mut registry);
    jinyun_image::register(&mut registry);
    jinyun_volume::register(&mut registry);
    jinyun_network::register(&mut registry);
    jinyun_compute::register(&mut registry);
    jinyun_evidence::register(&mut registry);
    jinyun_audit::register(&mut registry);
    jinyun_approval::register(&mut registry);
    jinyun_access::register(&mut registry);
    jinyun_governance::register(&mut registry);
    jinyun_approval::install(&mut registry, Arc::new(now));
    let access =
        jinyun_access::install(&mut registry, directory.clone(), Arc::new(now), profiles());
    (registry, access)
}

impl Running {
    /// With rules that take the place of the services' own.
    pub fn new(name: &str, holes: &'static [Rule]) -> Running {
        Running::with(name, holes, |_| {})
    }

    /// The same, with a part of the platform that is another one.
    pub fn with(name: &str, holes: &'static [Rule], change: impl FnOnce(&mut Registry))
        -> Running {
        let dir = std::env::temp_dir().join(format!("jyevidence-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let directory = Arc::new(Directory::default());
        let (mut registry, access) = registry(holes, &directory);
        change(&mut registry);
        let registry = Arc::new(registry);
        let kms = Kms::open(&dir.join("keys.json"), "test", Box::<OsEntropy>::default()).unwrap();
        let kms = Arc::new(kms);
        let writer = Writer::open(&config, "test").unwrap();
        let mut core = Core::new(writer, registry.clone(), Box::<OsEntropy>::default());
        let watch = directory.clone();
        core.observe(Box::new(move |effects| {
            watch.apply(effects);
            access.apply(effects);
        }));
        let identity = Arc::new(Identity::new(directory, kms.clone(), Arc::new(now)).unwrap());
        let (mut handle, queue) = Queue::new();
        std::thread::spawn(move || queue.serve(core, now));
        let reader = Reader::new(config.clone(), registry.clone(), handle.clone());
        let cloud = Arc::new(Cloud { reader, handle: handle.clone() });
        jinyun_identity::first_start(&mut handle, &mut OsEntropy::default())
            .unwrap_or_else(|e| panic!("{e}"));
        let hosts = Arc::new(Hosts::new());
        let facts = SimulatedHost::facts();
        let command = registration(HOST, &facts);
        handle.run(Job::Command(Box::new(command))).unwrap_or_else(|e| panic!("{e}"));
        hosts.connected(HOST, facts);
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = Running { cloud, hosts, kms, identity, config, dir, stop, life: None };
        running.life = Some(running.live(registry));
        running
    }

    /// Driver, composer, host and clerk in turn.
    fn live(&self, registry: Arc<Registry>) -> JoinHandle<()> {
        let (cloud, hosts, kms) = (self.cloud.clone(), self.hosts.clone(), self.kms.clone());
        let (config, stop) = (self.config.clone(), self.stop.clone());
        let keys = kms.clone();
        let maker: Maker =
            Box::new(move |db, kind, id, request| keys.make(db, kind, id, request));
        let mut driver = Driver::new(registry, maker);
        std::thread::spawn(move || {
            let mut db = Db::open(&config).unwrap();
            let mut host = SimulatedHost::default();
            while !stop.load(Ordering::SeqCst) {
                let mut to = cloud.handle.clone();
                driver.pass(&mut db, &mut to, hosts.as_ref(), now()).unwrap();
                let floor = db.journal_length().unwrap();
                let mut view = View::new(&mut db);
                let document = want(&mut view, HOST, &|_: &Id| None).unwrap();
                let on = placed(&mut view, HOST).unwrap();
                hosts.compose(HOST, document, on, floor);
                let document = hosts.document(HOST).unwrap();
                let seen = host.apply(&document, &mut |disk| {
                    db.secret("volume", &disk.into(), "key").unwrap().is_some()
                });
                for (kind, id) in hosts.report(HOST, seen) {
                    let _ = cloud.handle.run(Job::Nudge { kind: kind.into(), id });
                }
                let kms = kms.clone();
                let signed = cloud.handle.with(move |core| {
                    let mut sign = |tree, text: &str| kms.sign(tree, text);
                    core.writer.checkpoint("test", now(), ("system", 0), &mut sign).map(drop)
                });
                signed.unwrap().unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    }

    /// What an assessor of this cloud needs. Nothing listens on its two addresses.
    pub fn setup(&self) -> Setup {
        Setup {
            cloud: self.cloud.clone(),
            hosts: self.hosts.clone(),
            ask: Arc::new(|_, _| Ok(Answer::Failed { why: "the host is simulated".into() })),
            clock: Arc::new(now),
            keys: self.kms.journal_keys().to_vec(),
            identity: self.identity.clone(),
            kms: self.kms.clone(),
            instance: "test".into(),
            key_file: self.dir.join("keys.json"),
            ca: self.dir.join("ca.pem"),
            tenants: "127.0.0.1:1".parse().unwrap(),
            management: "127.0.0.1:2".parse().unwrap(),
            site: Default::default(),
        }
    }

    /// An assessor of this cloud.
    pub fn evidence(&self) -> Evidence {
        self.evidence_by(self.setup())
    }

    /// The same, with something that is another one.
    pub fn evidence_by(&self, setup: Setup) -> Evidence {
        Evidence::open(self.dir.join("evidence"), setup).unwrap()
    }

    /// How trials ask this cloud.
    pub fn inside(&self) -> Inside {
        Inside::new(self.cloud.clone(), self.identity.clone(), self.kms.clone(), "test")
    }

    /// Carries one trial out.
    pub fn tried(&self, stage: &Stage, began: Time, api: &dyn Api, check: &str) -> Judged {
        let scene = Scene {
            api,
            cloud: &self.cloud,
            ground: &stage.ground,
            tag: &format!("t-{check}-{}", now().0),
            clock: &now,
            keys: &self.kms.journal_keys(),
            kms: self.kms.clone(),
            began,
        };
        let (tried, _) = try_some(&scene, |name| name == check);
        judge(&tried.iter().find(|t| t.check == check).unwrap().attempts)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(life) = self.life.take() {
            let _ = life.join();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
