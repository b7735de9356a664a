//! Where facts come from: this instance. Whoever watches knows a [`Source`] and nothing of the cloud.

use crate::attack::{BETWEEN, INWARD, Posts, SHELVES, Prober, Tried, between, untried};
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
use crate::stage::{self, Built, Stage};
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
    /// So many microseconds went by in waiting, at no cost.
    pub waited: i64,
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
    /// Whoever holds it may carry all attacks out. Taken before `camp`.
    pub turn: Mutex<()>,
    /// What stands of the stage. Whoever holds it may build, change and strike it.
    camp: Mutex<Option<Camp>>,
    /// The stage is being built, changed or struck.
    changing: AtomicBool,
    follower: Mutex<Follower>,
    proof: Mutex<Option<Proof>>,
    shelf: Mutex<Shelf>,
    pub govern: OnceLock<Govern>,
    /// Up to so many entries an assessment goes through the whole journal.
    pub longest: OnceLock<u64>,
}

/// What stands of the stage between attacks that change it.
#[derive(Clone)]
struct Camp {
    built: Built,
    /// Since when there are entries about it.
    began: Time,
    /// An image that was put into it.
    image: Option<String>,
}

/// So long it stands at most, whatever became of whoever should have struck it.
const STANDS: i64 = 30 * 60 * Time::SECOND;

/// The stage changes as long as this lives.
struct Changing<'a>(&'a AtomicBool);

impl<'a> Changing<'a> {
    fn begin(flag: &'a AtomicBool) -> Changing<'a> {
        flag.store(true, Ordering::SeqCst);
        Changing(flag)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Real {
    pub fn new(dir: PathBuf, setup: Setup) -> Real {
        Real {
            inside: Inside::new(setup.cloud.clone(), setup.identity.clone(), setup.kms.clone(),
                &setup.instance),
            setup,
            dir,
            turn: Mutex::default(),
            camp: Mutex::default(),
            changing: AtomicBool::new(false),
            follower: Mutex::default(),
            proof: Mutex::default(),
            shelf: Mutex::default(),
            govern: OnceLock::new(),
            longest: OnceLock::new(),
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

    /// Begins the ids of a run's requests: unlike that of any other, since the clock does not stand
    /// still between two.
    fn tag(&self) -> String {
        format!("evidence-{}", self.now().0)
    }

    /// What stands of the stage; it is built where it does not stand, or stood for too long.
    fn camp(&self, kept: &mut Option<Camp>, tag: &str) -> Result<Camp, Failure> {
        // People live by the clock of the service that they sign in to.
        let (setup, began) = (&self.setup, self.setup.identity.now());
        let alive = hosts::alive(&setup.hosts);
        if alive.is_empty() {
            return Err(Fault::new("no host is connected").into());
        }
        if let Some(camp) = kept.clone()
            && alive.contains(&camp.built.host)
            && began.0.saturating_sub(camp.began.0) < STANDS
            && stage::stands(&setup.cloud, &camp.built)?
        {
            return Ok(camp);
        }
        *kept = None;
        let _changing = Changing::begin(&self.changing);
        let camp = Camp { built: stage::raise(&setup.cloud, tag)?, began, image: None };
        *kept = Some(camp.clone());
        Ok(camp)
    }

    /// Takes the stage away, whoever built it.
    pub fn tidy(&self, tag: &str) -> Result<(), Failure> {
        let mut kept = lock(&self.camp);
        *kept = None;
        let _changing = Changing::begin(&self.changing);
        stage::clear(&self.setup.cloud, tag)
    }

    /// The whole stage, since when there are entries about it, and what came of the attacks that change
    /// its ports: both wait for the host most of the time, and neither for the other.
    fn stage(&self, tag: &str, payload: &str) -> Result<(Stage, Time, Vec<Tried>), Failure> {
        let mut kept = lock(&self.camp);
        let camp = self.camp(&mut kept, tag)?;
        let (setup, built) = (&self.setup, &camp.built);
        let _changing = Changing::begin(&self.changing);
        let (stage, turned) = std::thread::scope(|scope| {
            let turned = scope.spawn(|| rooms::turned(setup, built, tag, payload));
            (stage::furnish(&setup.cloud, tag, built), turned.join())
        });
        // Its checks say that there were no attacks.
        Ok((stage?, camp.began, turned.unwrap_or_default()))
    }

    /// Attacks through ports that stand, while nobody else changes them or probes.
    fn ports(&self, stage: &Stage, payload: &str) -> Vec<Tried> {
        let _camp = lock(&self.camp);
        [Needs::PORTS, Needs::INWARD].into_iter()
            .flat_map(|facts| self.probe(facts, &stage.posts, &stage.host, payload)).collect()
    }

    /// Completes the stage, attacks, looks at hosts, strikes it, looks at what is left. Whoever calls
    /// has the turn. What is tried again and again is only tried here if somebody waits for it.
    /// Returns the number of entries that were there before the last look.
    ///
    /// ```text
    ///   build -> make the volume        -> commands, people    -> limit, images -> look -> strike
    ///              | zones | port cut        | port to port       (one after the other)
    /// ```
    /// What stands below each other goes on at the same time. Attacks that change records and those on
    /// what the journal says of people do not: an entry more between two looks at a period's entries
    /// would be a difference.
    pub fn attack(&self, nonce: Option<&str>, all: bool, world: &mut World,
        troubles: &mut Vec<String>) -> Result<u64, Failure> {
        let setup = &self.setup;
        let cloud = &*setup.cloud;
        let tag = self.tag();
        let payload = payload(&tag, nonce);
        let stage = self.stage(&tag, &payload);
        match &stage {
            Ok((stage, began, turned)) => std::thread::scope(|scope| {
                let ports = match all {
                    true => Some(scope.spawn(|| self.ports(stage, &payload))),
                    false => None,
                };
                (world.tried, world.asked) = try_commands(cloud, &stage.ground, &tag);
                let (tried, sights) = try_people(&Scene {
                    api: &self.inside,
                    cloud,
                    ground: &stage.ground,
                    tag: &tag,
                    clock: &|| setup.identity.now(),
                    keys: &setup.keys,
                    kms: setup.kms.clone(),
                    began: *began,
                });
                world.tried.extend(tried);
                world.sights = sights;
                world.no_stage = String::new();
                world.tried.extend(turned.iter().cloned());
                let ports = ports.map(|ports| ports.join().unwrap_or_default());
                world.tried.extend(ports.into_iter().flatten());
            }),
            Err(failure) => {
                (world.tried, world.sights) = (Vec::new(), Sights::default());
                world.no_stage = format!("there is no synthetic tenant ({failure})");
                troubles.push(world.no_stage.clone());
            }
        }
        // Until here others could look: trials of people write records of the stage at most, which no
        // host carries; a look that comes in between is made again.
        let mut camp = lock(&self.camp);
        let _changing = Changing::begin(&self.changing);
        if let Ok((stage, ..)) = &stage {
            rooms::attack(setup, stage, &tag, all, world);
        }
        rooms::look(setup, world);
        let seen = hosts::read(cloud, &setup.hosts, &setup.ask);
        let had = remains::before(cloud);
        let struck = stage::clear(cloud, &tag);
        *camp = None;
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

    /// Attacks through ports that stand. On a simulated host there is nothing to attack.
    fn probe(&self, facts: Needs, posts: &Posts, host: &str, payload: &str) -> Vec<Tried> {
        let ask = |ask: Ask| match (self.setup.ask)(host, ask) {
            Ok(answer) => answer,
            Err(failure) => Answer::Failed { why: failure.to_string() },
        };
        match facts.has(Needs::INWARD) {
            true => {
                let prober = Prober::new(&ask, format!("{payload}-i"));
                rooms::inward(&self.setup, &prober, posts, host)
            }
            false => between(&Prober::new(&ask, payload), posts),
        }
    }

    /// Attacks through ports that stand, if nobody is changing them just now.
    fn probed(&self, facts: Needs, world: &mut World) -> Read {
        let Some(mut kept) = free(&self.camp) else { return Read::default() };
        let (nonce, tag) = (self.registers().nonce(), self.tag());
        let mut troubles = Vec::new();
        match self.camp(&mut kept, &tag) {
            Ok(Camp { built, mut image, .. }) if facts.has(Needs::SHELVES) => {
                rooms::shelves(&self.setup, &built, &tag, &mut image, world);
                if let Some(camp) = kept.as_mut() {
                    camp.image = image;
                }
            }
            Ok(Camp { built, .. }) => {
                let payload = payload(&tag, nonce.as_deref());
                world.tried = self.probe(facts, &built.posts, &built.host, &payload);
            }
            Err(failure) => {
                let why = format!("there is no synthetic tenant ({failure})");
                let checks = match facts {
                    Needs::INWARD => INWARD,
                    Needs::SHELVES => SHELVES,
                    _ => BETWEEN,
                };
                world.tried = untried(checks, &why);
                world.site.taken = Err(why.clone());
                troubles.push(why);
            }
        }
        Read { done: true, nonce, troubles, ..Read::default() }
    }

    /// Tries the listeners and the hosts' door, and puts the national algorithms' examples.
    fn knocked(&self, world: &mut World) -> Read {
        let Setup { cloud, keys, .. } = &self.setup;
        rooms::knock(&self.setup, world);
        world.answers = crypto::read(cloud, keys).map_err(|fault| fault.to_string());
        Read { done: true, ..Read::default() }
    }

    /// Reads what costs next to nothing and is not in the store.
    pub fn near(&self, facts: Needs, world: &mut World) {
        let setup = &self.setup;
        if facts.has(Needs::POLICY) {
            world.reach = reach(setup.cloud.reader.registry());
        }
        if facts.has(Needs::KEY_FILE) {
            world.key_file = secrets::key_file(&setup.key_file);
            world.store = secrets::store(&setup.key_file);
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

    /// The whole journal, for an assessment that somebody asked for, and all images. Whether the journal
    /// was too long for that.
    pub fn whole(&self, world: &mut World, troubles: &mut Vec<String>) -> Result<bool, Fault> {
        let setup = &self.setup;
        world.images = images::read(&self.images()?);
        let longest = self.longest.get().copied().unwrap_or(journal::LONGEST);
        if setup.cloud.reader.lend(|db| db.journal_length())? > longest {
            return Ok(true);
        }
        let path = self.checkpoint();
        let kept = notes(&path);
        match journal::read(&setup.cloud, &setup.keys, &setup.instance, &kept, &self.dir) {
            Ok((journal, notes)) => {
                let problems = journal.problems.clone();
                world.journal = Ok(journal);
                // With checkpoints of a journal in which something is wrong nothing is to be compared.
                if problems.is_empty() {
                    keep(&path, &json!(notes))?;
                }
                self.proof_at(&path, |proof| proof.looked(problems, kept));
            }
            Err(fault) => {
                troubles.push(format!("the journal: {fault}"));
                world.journal = Err(fault.to_string());
            }
        }
        Ok(false)
    }

    /// Notes of the newest checkpoint that was verified.
    fn checkpoint(&self) -> PathBuf {
        self.dir.join("checkpoint.json")
    }

    fn attacked(&self, world: &mut World) -> Result<Read, Fault> {
        let Some(_turn) = self.turn() else { return Ok(Read::default()) };
        let (nonce, mut troubles) = (self.registers().nonce(), Vec::new());
        let upto = self.attack(nonce.as_deref(), false, world, &mut troubles)
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

    /// What is known of the journal between two rounds. It begins with the notes that were kept.
    fn proof_at<T>(&self, path: &Path, work: impl FnOnce(&mut Proof) -> T) -> T {
        let mut proof = lock(&self.proof);
        work(proof.get_or_insert_with(|| Proof::begin(notes(path))))
    }

    fn proof(&self, world: &mut World) -> Result<Read, Fault> {
        let Setup { cloud, keys, instance, .. } = &self.setup;
        let path = self.checkpoint();
        // It comes within a second or two, and is asked for often.
        let began = self.now();
        journal::signed(cloud)?;
        let waited = self.now().0 - began.0;
        let around = Around { cloud, keys, instance, dir: &self.dir };
        let now = self.now();
        let Step { journal, more, whole, swept } = self.proof_at(&path, |proof| {
            let step = proof.step(&around, now)?;
            if step.journal.as_ref().is_some_and(|journal| journal.problems.is_empty()) {
                keep(&path, &json!(proof.notes()))?;
            }
            Ok::<Step, Fault>(step)
        })?;
        let Some(journal) = journal else { return Ok(Read { more, waited, ..Read::default() }) };
        world.journal = Ok(journal);
        let mut remark = whole.map_or(String::new(), |at| {
            format!("all of it from the beginning since {}, the newest as it came", Time(at).seconds())
        });
        if let Some(at) = swept.filter(|_| !remark.is_empty()) {
            let since = Time(at).seconds();
            remark.push_str(&format!(", each entry's bytes against the signed hashes since {since}"));
        }
        Ok(Read { done: true, more, remark, waited, ..Read::default() })
    }
}

/// What probes carry.
fn payload(tag: &str, nonce: Option<&str>) -> String {
    nonce.map_or_else(|| tag.to_string(), |nonce| format!("{tag}-{nonce}"))
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
        // Who strikes the stage looks too.
        let busy = || self.changing.load(Ordering::SeqCst);
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
        if facts.meets(Needs::CAMP) {
            return Ok(self.probed(facts, world));
        }
        if facts.has(Needs::DOORS) {
            return Ok(self.knocked(world));
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
