//! Where facts come from: this instance. Whoever watches knows a [`Source`] and nothing of the cloud.

use crate::attack::{ATTACKS, Prober, Tried};
use crate::commands::try_commands;
use crate::evidence::{Setup, keep, read_json};
use crate::facts::follow::{Changed, Follower};
use crate::facts::images::Shelf;
use crate::facts::proof::{Around, Proof, Step};
use crate::facts::{crypto, hosts, images, journal, listeners, remains, secrets};
use crate::govern::{Govern, Registers};
use crate::needs::Needs;
use crate::pieces::Kept;
use crate::rooms;
use crate::stage::{self, Stage};
use crate::trials::{Inside, Scene, Sights, try_people};
use crate::world::{World, reach};
use jinyun_base::{Fault, Time};
use jinyun_engine::{Command, Failure, Have, Job};
use jinyun_image::Image;
use jinyun_policy::Actor;
use jinyun_wire::{Answer, Ask};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

/// What came of reading facts.
#[derive(Debug, Default)]
pub struct Read {
    /// They are there. If not, nothing is to be made of it: another time.
    pub done: bool,
    /// More of the same is to be read soon.
    pub more: bool,
    /// What findings that rest on them have to say beside.
    pub remark: String,
    /// Only entries below this number were there when hosts were looked at.
    pub upto: Option<u64>,
    /// The assessor's nonce that probes carried.
    pub nonce: Option<String>,
    /// What went wrong beside.
    pub troubles: Vec<String>,
}

/// Where facts come from.
pub trait Source: Send + Sync {
    /// Whether something was committed since the last time.
    fn news(&self) -> bool;

    /// Brings records (sorted by kind and id), secrets and the journal's entries up to date; always of
    /// the same world. The whole: without trust in what entries say about changes.
    fn follow(&self, whole: bool, world: &mut World, kept: &mut Kept) -> Result<Changed, Fault>;

    /// Changes when something happens to a host.
    fn hosts_mark(&self) -> String;

    /// Looks at hosts as they are; whether there is something to tell. One that is changing is
    /// looked at only if it must be.
    fn hosts(&self, anyway: bool, world: &mut World) -> Result<bool, Fault>;

    /// Reads other facts anew. Attacks bring what hosts looked like while the stage stood.
    fn read(&self, facts: Needs, world: &mut World) -> Result<Read, Fault>;
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a mutex holds, if nobody has it.
pub(crate) fn free<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(broken)) => Some(broken.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// This instance.
pub(crate) struct Real {
    pub setup: Setup,
    inside: Inside,
    pub dir: PathBuf,
    /// Whoever holds it may set the stage.
    pub turn: Mutex<()>,
    standing: AtomicBool,
    follower: Mutex<Follower>,
    proof: Mutex<Option<Proof>>,
    shelf: Mutex<Shelf>,
    pub govern: OnceLock<Govern>,
}

/// The stage stands as long as this does.
struct Standing<'a>(&'a AtomicBool);

impl<'a> Standing<'a> {
    fn up(flag: &'a AtomicBool) -> Standing<'a> {
        flag.store(true, Ordering::SeqCst);
        Standing(flag)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Real {
    pub fn new(dir: PathBuf, setup: Setup) -> Real {
        Real {
            inside: Inside::new(setup.cloud.clone(), setup.identity.clone(), &setup.instance),
            setup,
            dir,
            turn: Mutex::default(),
            standing: AtomicBool::new(false),
            follower: Mutex::default(),
            proof: Mutex::default(),
            shelf: Mutex::default(),
            govern: OnceLock::new(),
        }
    }

    pub fn now(&self) -> Time {
        (self.setup.clock)()
    }

    /// The turn to set the stage, if nobody has it.
    pub fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        free(&self.turn)
    }

    /// What the registers say.
    pub fn registers(&self) -> Registers {
        self.govern.get().map(|govern| govern()).unwrap_or_default()
    }

    /// Puts an entry of evidence's own into the journal. Returns its number.
    pub fn tell(&self, action: &'static str, note: Value) -> Result<u64, Failure> {
        let command = Command::new(action, Actor::system("evidence"), "evidence-watch").with(note);
        Ok(self.setup.cloud.handle.run(Job::Command(Box::new(command)))?.entry)
    }

    /// Sets the stage, attacks, looks at hosts, strikes it, looks at what is left. Whoever calls has
    /// the turn. Returns the number of entries that were there before the last look.
    pub fn attack(&self, nonce: Option<&str>, world: &mut World, troubles: &mut Vec<String>)
        -> Result<u64, Failure> {
        let setup = &self.setup;
        let cloud = &*setup.cloud;
        // Unlike that of any other run: the clock does not stand still between two.
        let tag = format!("evidence-{}", self.now().0);
        // People live by the clock of the service that they sign in to.
        let began = setup.identity.now();
        let _standing = Standing::up(&self.standing);
        let stage = if hosts::alive(&setup.hosts).is_empty() {
            Err(Fault::new("no host is connected").into())
        } else {
            stage::set(cloud, &tag)
        };
        match &stage {
            Ok(stage) => {
                (world.tried, world.asked) = try_commands(cloud, &stage.ground, &tag);
                let (tried, sights) = try_people(&Scene {
                    api: &self.inside,
                    cloud,
                    ground: &stage.ground,
                    tag: &tag,
                    clock: &|| setup.identity.now(),
                    keys: &setup.keys,
                    kms: setup.kms.clone(),
                    began,
                });
                world.tried.extend(tried);
                world.sights = sights;
                let payload = nonce.map_or(tag.clone(), |nonce| format!("{tag}-{nonce}"));
                world.tried.extend(self.probe(stage, &payload));
                rooms::attack(setup, stage, &tag, &payload, world);
                world.no_stage = String::new();
            }
            Err(failure) => {
                (world.tried, world.sights) = (Vec::new(), Sights::default());
                world.no_stage = format!("there is no synthetic tenant ({failure})");
                troubles.push(world.no_stage.clone());
            }
        }
        rooms::look(setup, world);
        let seen = hosts::read(cloud, &setup.hosts, &setup.ask);
        let had = remains::before(cloud);
        let struck = stage::clear(cloud, &tag);
        let left = had.and_then(|had| remains::after(cloud, had));
        world.remains = left.map_err(|fault| fault.to_string());
        world.answers = crypto::read(cloud, &setup.keys).map_err(|fault| fault.to_string());
        if let Err(failure) = struck {
            troubles.push(format!("taking the synthetic tenant away: {failure}"));
        }
        (world.hosts, world.rows, world.secrets) = seen?;
        // Whatever an entry below this number says is gone has left its host.
        let upto = cloud.reader.lend(|db| db.journal_length())?;
        world.left = hosts::left(&world.hosts, &setup.ask);
        world.secrets_left = cloud.reader.lend(secrets::read)?;
        Ok(upto)
    }

    /// Attacks through ports. On a simulated host there is nothing to attack.
    fn probe(&self, stage: &Stage, payload: &str) -> Vec<Tried> {
        let ask = |ask: Ask| match (self.setup.ask)(&stage.host, ask) {
            Ok(answer) => answer,
            Err(failure) => Answer::Failed { why: failure.to_string() },
        };
        let prober = Prober::new(&ask, payload);
        ATTACKS.iter().map(|&(check, attack)| {
            Tried { check, attempts: attack(&prober, &stage.posts) }
        }).collect()
    }

    /// Reads what costs next to nothing and is not in the store.
    pub fn near(&self, facts: Needs, world: &mut World) {
        let setup = &self.setup;
        if facts.has(Needs::POLICY) {
            world.reach = reach(setup.cloud.reader.registry());
        }
        if facts.has(Needs::KEY_FILE) {
            world.key_file = secrets::key_file(&setup.key_file);
        }
        if facts.has(Needs::LISTENERS) {
            world.listeners = vec![
                listeners::read("tenants", setup.tenants, &setup.ca),
                listeners::read("management", setup.management, &setup.ca),
            ];
            world.sockets = listeners::sockets();
        }
    }

    /// All images' records.
    pub fn images(&self) -> Result<Vec<Have<Image>>, Fault> {
        self.setup.cloud.reader.view(|v| v.list::<Image>(&Default::default()))
    }

    /// The whole journal, for an assessment that somebody asked for, and all images.
    pub fn whole(&self, world: &mut World, troubles: &mut Vec<String>) -> Result<(), Fault> {
        let setup = &self.setup;
        world.images = images::read(&self.images()?);
        let path = self.checkpoint();
        let kept = notes(&path);
        match journal::read(&setup.cloud, &setup.keys, &setup.instance, &kept, &self.dir) {
            Ok((journal, notes)) => {
                world.journal = Ok(journal);
                keep(&path, &json!(notes))?;
            }
            Err(fault) => {
                troubles.push(format!("the journal: {fault}"));
                world.journal = Err(fault.to_string());
            }
        }
        Ok(())
    }

    /// Notes of the newest checkpoint that was verified.
    fn checkpoint(&self) -> PathBuf {
        self.dir.join("checkpoint.json")
    }

    fn attacked(&self, world: &mut World) -> Result<Read, Fault> {
        let Some(_turn) = self.turn() else { return Ok(Read::default()) };
        let (nonce, mut troubles) = (self.registers().nonce(), Vec::new());
        let upto = self.attack(nonce.as_deref(), world, &mut troubles)
            .map_err(|failure| Fault::new(failure.to_string()))?;
        Ok(Read { done: true, upto: Some(upto), nonce, troubles, ..Read::default() })
    }

    fn shelf(&self, world: &mut World) -> Result<Read, Fault> {
        let images = self.images()?;
        let (looks, more, oldest) = lock(&self.shelf).look(&images, self.now());
        world.images = looks;
        let remark = oldest.map_or(String::new(), |at| {
            format!("the first of them was read at {}, no file is another since", Time(at).seconds())
        });
        Ok(Read { done: true, more, remark, ..Read::default() })
    }

    fn proof(&self, world: &mut World) -> Result<Read, Fault> {
        let Setup { cloud, keys, instance, .. } = &self.setup;
        let path = self.checkpoint();
        let mut proof = lock(&self.proof);
        let proof = proof.get_or_insert_with(|| Proof::begin(notes(&path)));
        let around = Around { cloud, keys, instance, dir: &self.dir };
        let Step { journal, more, whole } = proof.step(&around, self.now())?;
        let Some(journal) = journal else { return Ok(Read { more, ..Read::default() }) };
        if journal.problems.is_empty() {
            keep(&path, &json!(proof.notes()))?;
        }
        world.journal = Ok(journal);
        let remark = whole.map_or(String::new(), |at| {
            format!("all of it from the beginning since {}, the newest as it came", Time(at).seconds())
        });
        Ok(Read { done: true, more, remark, ..Read::default() })
    }
}

/// Notes that were kept; none if the file is not there or is damaged.
fn notes(path: &Path) -> Vec<String> {
    read_json(path).and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default()
}

impl Source for Real {
    fn news(&self) -> bool {
        let at = lock(&self.follower).at();
        // If that cannot be told, following says why.
        self.setup.cloud.reader.lend(|db| db.journal_length()).map_or(true, |length| length != at)
    }

    fn follow(&self, whole: bool, world: &mut World, kept: &mut Kept) -> Result<Changed, Fault> {
        let mut follower = lock(&self.follower);
        self.setup.cloud.reader.lend(|db| follower.follow(db, whole, world, kept))
    }

    fn hosts_mark(&self) -> String {
        hosts::mark(&self.setup.hosts)
    }

    fn hosts(&self, anyway: bool, world: &mut World) -> Result<bool, Fault> {
        let Setup { cloud, hosts, ask, .. } = &self.setup;
        // Who sets the stage looks too.
        let busy = || self.standing.load(Ordering::SeqCst);
        if busy() {
            return Ok(false);
        }
        let Some(looks) = hosts::glance(cloud, hosts, ask, anyway)? else { return Ok(false) };
        world.left = hosts::disks(&looks);
        world.hosts = looks;
        Ok(!busy())
    }

    fn read(&self, facts: Needs, world: &mut World) -> Result<Read, Fault> {
        if facts.has(Needs::ATTACKS) {
            return self.attacked(world);
        }
        if facts.has(Needs::IMAGES) {
            return self.shelf(world);
        }
        if facts.has(Needs::PROOF) {
            return self.proof(world);
        }
        self.near(facts, world);
        Ok(Read { done: true, ..Read::default() })
    }
}
