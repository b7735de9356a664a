//! Evidence that is taken all the time, and what the journal says of it.
//!
//! Problem: an assessment that somebody asks for twice a year is true of two days. Mechanism: facts
//! are read by sorts, each as often as it is worth it, and the checks that rest on them run again:
//!
//! ```text
//!   a commit    records, entries       at once, but not within five seconds of the last time
//!   30 s        the same anew, policy, listeners, key file; hosts, and when one of them changes
//!   30 s        on a second thread: journal verified and replayed as it grew, images, the listeners
//!               tried from outside, attacks from port to port: all that leaves few entries or none
//!   10 min      on a third: attacks on the synthetic tenant that change something
//! ```
//! What leaves hardly an entry can be looked at often; an attack by commands and sign-ins is entries and
//! hashes of passwords, two hundred and some of the one and a few seconds of the others, so all of
//! those together come as often as they must. Each thread has what may keep it waiting to itself:
//! an attack that hangs makes its own clauses old and no others.
//!
//! A look that takes long comes less often: looking takes a fiftieth of the time at most. Whenever a
//! verdict or a clause's state is other than the journal says, that is an entry; which ones are due
//! follows from the journal alone, so whoever is killed in between goes on where the entries end.
//! What could not be read keeps its age, and in a quarter of an hour nothing rests on it any more.

use crate::catalogue::{Catalogues, InForce};
use crate::checks::Check;
use crate::desk::{Board, Desk, Held};
use crate::evidence::{keep, read_json};
use crate::facts::follow::Changed;
use crate::finding::{Finding, STALE_AFTER, Standing, State, Tally, Verdict, standings};
use crate::govern::Govern;
use crate::needs::Needs;
use crate::posture::{
    CLAUSE, ClauseChange, FINDING, FindingChange, Mark, Point, Posture, SEAL, SEAL_EVERY, Seal, What,
    gaps, key,
};
use crate::source::{Read, Source, free, lock};
use crate::world::World;
use jinyun_base::{Fault, Time};
use jinyun_engine::Failure;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: i64 = Time::SECOND;
const MINUTE: i64 = 60 * SECOND;
/// Not within so long after the last look at what was committed.
const CHANGE: i64 = 5 * SECOND;
/// How often everything quick is read, and hosts.
const BEAT: i64 = 30 * SECOND;
/// So long after one round of what leaves hardly an entry began begins the next; up to [`WAVER`] more.
const ROUNDS: [(Needs, &str, i64); 4] = [
    (Needs::DOORS, "doors", 35 * SECOND),
    (Needs::PORTS, "ports", 25 * SECOND),
    (Needs::INWARD, "platform's door", 25 * SECOND),
    (Needs::SHELVES, "shelves", 40 * SECOND),
];
const WAVER: i64 = 5 * SECOND;
/// The least pause between two rounds.
const BREATH: i64 = 2 * SECOND;
/// How soon again after hosts were changing, somebody else attacked, or there is more.
const SOON: i64 = 5 * SECOND;
/// So long a host may be changing before it is looked at anyway.
const PATIENCE: i64 = 5 * MINUTE;
/// The least time between two attacks that change something; up to so much more.
const ATTACK: i64 = 9 * MINUTE;
const LATER: i64 = 2 * MINUTE;
/// No pause is longer.
const LATEST: i64 = 12 * MINUTE;
/// A look takes one of so many parts of the time.
const SHARE: i64 = 50;
/// How long a first evaluation is waited for, before the journal is told what there is.
const FIRST: i64 = 3 * MINUTE;
/// Each so many seals hold everything.
const WHOLE: u64 = 24;
/// The longest sentence of an entry, in characters.
const SENTENCE: usize = 300;

/// Puts an entry into the journal. Returns its number.
pub type Tell = Arc<dyn Fn(&'static str, Value) -> Result<u64, Failure> + Send + Sync>;

/// What watching needs.
pub struct Parts {
    /// Where facts come from.
    pub source: Arc<dyn Source>,
    /// The journal.
    pub tell: Tell,
    /// Reads the clock.
    pub clock: Arc<dyn Fn() -> Time + Send + Sync>,
    /// Reads the registers.
    pub govern: Govern,
    /// What is looked at.
    pub checks: &'static [Check],
    /// The clauses that are in force.
    pub catalogues: InForce,
    /// Where the newest findings are kept over a restart.
    pub file: PathBuf,
}

/// How long to wait before the next step: deaf, then until that or somebody rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// So long nothing is due, whoever rings.
    pub deaf: Duration,
    /// So long again, unless somebody rings.
    pub listening: Duration,
}

/// When what is due on the first thread, microseconds.
#[derive(Default)]
struct When {
    /// Not before then is looked at what was committed.
    follow: i64,
    beat: i64,
    hosts: i64,
    /// Not before then are hosts looked at because one has changed.
    hosts_soon: i64,
    /// When hosts were last seen at rest.
    hosts_good: i64,
    mark: String,
}

/// When what is due on the second thread.
struct Toil {
    proof: i64,
    images: i64,
    rounds: [i64; ROUNDS.len()],
}

/// What the journal says.
struct Told {
    /// The journal was read.
    loaded: bool,
    /// A seal of this process is there.
    opened: bool,
    /// The standards that the newest seal is about; others get a seal of their own.
    of: Option<Arc<Catalogues>>,
    marks: Vec<Mark>,
    posture: Posture,
    seals: u64,
    sealed: i64,
    began: i64,
    /// When an earlier process looked last.
    before: Option<i64>,
}

impl Told {
    /// Whether the newest seal of this process is about other standards than these.
    fn others(&self, catalogues: &Arc<Catalogues>) -> bool {
        self.of.as_ref().is_none_or(|of| !Arc::ptr_eq(of, catalogues))
    }
}

/// Takes evidence all the time.
pub struct Watch {
    parts: Parts,
    desk: Mutex<Desk>,
    board: Mutex<Board>,
    told: Mutex<Told>,
    when: Mutex<When>,
    toil: Mutex<Toil>,
    /// When attacks are due on the third thread.
    raid: Mutex<i64>,
    /// What is being read, and since when.
    busy: Mutex<BTreeMap<&'static str, i64>>,
}

/// The pause after something that took so long.
fn rest(pause: i64, took: i64) -> i64 {
    took.saturating_mul(SHARE).clamp(pause, LATEST.max(pause))
}

fn wait(micros: i64) -> Duration {
    Duration::from_micros(micros.max(0).unsigned_abs())
}

/// The first so many characters.
fn capped(text: &str) -> String {
    text.chars().take(SENTENCE).collect()
}

/// Up to so much, by the last digits of a clock that has a million a second: who knows when an attack
/// comes can behave meanwhile.
fn jitter(now: Time, most: i64) -> i64 {
    now.0.wrapping_mul(0x5851_f42d_4c95_7f2d).rem_euclid(most)
}

/// How everything stands by findings and registers.
struct Stands {
    checks: BTreeMap<String, Verdict>,
    clauses: BTreeMap<String, (State, String)>,
}

impl Stands {
    fn of(held: &[Finding], clauses: &[Standing]) -> Stands {
        let checks = held.iter().map(|found| (found.check.clone(), found.verdict)).collect();
        let clauses = clauses.iter().flat_map(|s| {
            let own = (key(&s.clause.id, false), (s.state, s.standard.clone()));
            let tenants =
                s.tenant_state.map(|state| (key(&s.clause.id, true), (state, s.standard.clone())));
            std::iter::once(own).chain(tenants)
        }).collect();
        Stands { checks, clauses }
    }
}

impl Watch {
    /// Begins with what an earlier process left.
    pub fn new(parts: Parts) -> Watch {
        let now = (parts.clock)();
        let left = read_json(&parts.file).unwrap_or_default();
        let mut board = Board::default();
        let held: Option<Vec<Held>> =
            left.get("findings").and_then(|held| serde_json::from_value(held.clone()).ok());
        let known = |held: &Held| parts.checks.iter().any(|check| check.name == held.finding.check);
        board.restore(held.unwrap_or_default().into_iter().filter(known).collect());
        let told = Told {
            loaded: false,
            opened: false,
            of: None,
            marks: Vec::new(),
            posture: Posture::default(),
            seals: 0,
            sealed: 0,
            began: now.0,
            before: left.get("looked").and_then(Value::as_i64),
        };
        let toil = Toil {
            proof: now.0 + 10 * SECOND,
            images: now.0 + 20 * SECOND,
            rounds: [15, 25, 30, 35].map(|seconds| now.0 + seconds * SECOND),
        };
        let when = When { hosts_good: now.0, hosts: now.0 + SOON, ..When::default() };
        Watch {
            desk: Mutex::default(),
            board: Mutex::new(board),
            told: Mutex::new(told),
            when: Mutex::new(when),
            toil: Mutex::new(toil),
            raid: Mutex::new(now.0 + 45 * SECOND),
            busy: Mutex::default(),
            parts,
        }
    }

    pub(crate) fn now(&self) -> Time {
        (self.parts.clock)()
    }

    /// Does what is due on the first thread.
    pub fn step(&self) -> Pause {
        let mut when = lock(&self.when);
        let now = self.now();
        let took = || self.now().0 - now.0;
        let beat = now.0 >= when.beat;
        if beat {
            self.beat();
            when.beat = now.0 + rest(BEAT, took());
            when.follow = now.0 + rest(CHANGE, took());
        } else if now.0 >= when.follow && self.parts.source.news() {
            self.changed();
            when.follow = now.0 + rest(CHANGE, took());
        }
        let now = self.now();
        let mark = self.parts.source.hosts_mark();
        if now.0 >= when.hosts || (mark != when.mark && now.0 >= when.hosts_soon) {
            let good = self.look(now.0 - when.hosts_good > PATIENCE);
            let took = self.now().0 - now.0;
            when.hosts_soon = now.0 + rest(2 * SOON, took);
            when.hosts = now.0 + rest(if good { BEAT } else { SOON }, took);
            if good {
                when.hosts_good = now.0;
                when.mark = mark;
            }
        }
        self.report(beat);
        let now = self.now().0;
        let next = when.beat.min(when.hosts);
        let deaf = when.follow.min(next).max(now);
        Pause { deaf: wait(deaf - now), listening: wait(next - deaf) }
    }

    /// Everything that is quick, anew.
    fn beat(&self) {
        let near = Needs::POLICY.and(Needs::LISTENERS).and(Needs::KEY_FILE);
        let (mut seen, began) = (World::default(), self.now());
        let read = self.tried("listeners", self.parts.source.read(near, &mut seen));
        let mut desk = lock(&self.desk);
        let mut fresh = Needs::default();
        if read.is_some() {
            desk.world.adopt(near, &mut seen);
            desk.fresh(near, began, "");
            fresh = near;
        }
        if self.follow(&mut desk, true).is_some() {
            fresh = fresh.and(Needs::ROWS).and(Needs::JOURNAL);
        }
        let found = desk.judge(self.parts.checks, fresh, None, self.now());
        self.put(found);
    }

    /// What was committed.
    fn changed(&self) {
        self.catch_up(&mut lock(&self.desk));
    }

    /// Brings records and entries up to date and judges what has changed.
    fn catch_up(&self, desk: &mut Desk) -> Option<Changed> {
        let changed = self.follow(desk, false)?;
        let fresh = Needs::ROWS.and(Needs::JOURNAL);
        self.put(desk.judge(self.parts.checks, fresh, Some(&changed), self.now()));
        Some(changed)
    }

    /// Brings records and entries up to date.
    fn follow(&self, desk: &mut Desk, whole: bool) -> Option<Changed> {
        let Desk { world, kept, .. } = desk;
        let now = self.now();
        let mut changed = self.tried("records", self.parts.source.follow(whole, world, kept))?;
        desk.fresh(Needs::ROWS.and(Needs::JOURNAL), now, "");
        let mut told = lock(&self.told);
        told.marks.append(&mut changed.marks);
        if !told.loaded {
            // From here on nobody else tells.
            told.loaded = true;
            let mut posture = Posture::default();
            told.marks.iter().for_each(|mark| posture.apply(mark));
            lock(&self.board).believe(&posture);
            told.posture = posture;
        }
        Some(changed)
    }

    /// Hosts, with the records of the same moment. Whether they were at rest, or were looked at
    /// although they were not.
    fn look(&self, anyway: bool) -> bool {
        let upto = {
            let mut desk = lock(&self.desk);
            if self.catch_up(&mut desk).is_none() {
                return false;
            }
            desk.next()
        };
        let (mut seen, began) = (World::default(), self.now());
        let came = self.tried("hosts", self.parts.source.hosts(anyway, &mut seen));
        let mut desk = lock(&self.desk);
        let Some(after) = self.catch_up(&mut desk) else { return false };
        let moved = ON_HOSTS.iter().any(|kind| after.written.contains(*kind));
        if came != Some(true) || (moved && !anyway) {
            return false;
        }
        if moved {
            seen.hosts.iter_mut().for_each(|host| host.settled = false);
        }
        seen.secrets_left = desk.world.secrets.clone();
        desk.world.adopt(Needs::HOSTS, &mut seen);
        desk.fresh(Needs::HOSTS, began, "");
        let now = self.now();
        let judge = |desk: &mut Desk| desk.judge(self.parts.checks, Needs::HOSTS, None, now);
        self.put(desk.until(upto, judge));
        true
    }

    /// Does what is due on the second thread. Returns how long nothing is due then.
    pub fn toil(&self) -> Duration {
        let mut due = lock(&self.toil);
        let now = self.now();
        if now.0 >= due.proof {
            let read = self.heavy(Needs::PROOF, "verification").unwrap_or_default();
            due.proof = self.after(now, &read, 4);
        }
        let now = self.now();
        if now.0 >= due.images {
            let read = self.heavy(Needs::IMAGES, "images").unwrap_or_default();
            due.images = self.after(now, &read, 9);
        }
        for (due, (facts, what, pause)) in due.rounds.iter_mut().zip(ROUNDS) {
            let now = self.now();
            if now.0 >= *due {
                // Not if somebody changes the stage just then: soon again.
                let pause = self.heavy(facts, what).map_or(SOON, |_| pause + jitter(now, WAVER));
                *due = (now.0 + pause).max(self.now().0 + BREATH);
            }
        }
        self.report(false);
        let next = due.rounds.iter().fold(due.proof.min(due.images), |next, due| next.min(*due));
        wait(next - self.now().0)
    }

    /// Attacks that change something, if they are due: on a third thread. Returns how long none are
    /// due then.
    pub fn raid(&self) -> Duration {
        let mut due = lock(&self.raid);
        let now = self.now();
        if now.0 >= *due {
            *due = now.0 + if self.attack() { ATTACK + jitter(now, LATER) } else { SOON };
        }
        self.report(false);
        wait(*due - self.now().0)
    }

    /// When heavy work goes on: if there is more, after some times as long as this took.
    fn after(&self, began: Time, read: &Read, times: i64) -> i64 {
        let now = self.now().0;
        let took = (now - began.0 - read.waited).max(0);
        match read.more {
            true => now + took.saturating_mul(times).clamp(SECOND / 5, MINUTE),
            false => now + rest(BEAT, took),
        }
    }

    /// Reads something, on record as long as that lasts.
    fn reading(&self, facts: Needs, what: &'static str, seen: &mut World) -> Option<Read> {
        lock(&self.busy).insert(what, self.now().0);
        let came = self.parts.source.read(facts, seen);
        lock(&self.busy).remove(what);
        let read = self.tried(what, came)?;
        if !read.troubles.is_empty() {
            lock(&self.board).troubles.insert(what, capped(&read.troubles.join("; ")));
        }
        Some(read)
    }

    /// Goes through the journal or images, or a round of attacks that are made often. Nothing comes
    /// back if it was somebody else's turn.
    fn heavy(&self, facts: Needs, what: &'static str) -> Option<Read> {
        let (mut seen, began) = (World::default(), self.now());
        let Some(read) = self.reading(facts, what, &mut seen) else {
            return Some(Read::default());
        };
        if read.done {
            let mut desk = lock(&self.desk);
            let now = self.now();
            if facts.meets(Needs::NONCE) {
                desk.nonce = read.nonce.clone();
            }
            desk.fresh(facts, began, &read.remark);
            self.put(if facts == Needs::PROOF {
                desk.judge_proof(self.parts.checks, seen.journal, now)
            } else {
                desk.world.adopt(facts, &mut seen);
                desk.judge(self.parts.checks, facts, None, now)
            });
        }
        (read.done || read.more).then_some(read)
    }

    /// Attacks. Whether it was this one's turn.
    fn attack(&self) -> bool {
        let (mut seen, began) = (World::default(), self.now());
        let Some(read) = self.reading(Needs::ATTACKS, "attacks", &mut seen) else { return true };
        if !read.done {
            return false;
        }
        let mut desk = lock(&self.desk);
        if self.catch_up(&mut desk).is_some() {
            desk.nonce = read.nonce;
            let found = desk.judge_stage(self.parts.checks, &mut seen, read.upto, began, self.now());
            self.put(found);
        }
        true
    }

    /// Takes findings of an assessment that somebody asked for.
    pub(crate) fn found(&self, findings: Vec<Finding>) {
        self.put(findings);
        // The attacks among them need not be repeated at once.
        if let Some(mut due) = free(&self.raid) {
            let now = self.now();
            *due = (*due).max(now.0 + ATTACK + jitter(now, LATER));
        }
        self.report(false);
    }

    fn put(&self, findings: Vec<Finding>) {
        let now = self.now();
        let mut board = lock(&self.board);
        findings.into_iter().for_each(|found| board.put(found, now));
    }

    /// Notes what went wrong; forgets what went wrong before.
    fn tried<T>(&self, what: &'static str, came: Result<T, Fault>) -> Option<T> {
        let mut board = lock(&self.board);
        match came {
            Ok(came) => {
                board.troubles.remove(what);
                Some(came)
            }
            Err(fault) => {
                board.troubles.insert(what, capped(&fault.to_string()));
                None
            }
        }
    }

    /// Findings, and clauses as they are now by the standards that are told with them.
    pub(crate) fn stands(&self) -> (Vec<Held>, Arc<Catalogues>, Vec<Standing>) {
        let board = lock(&self.board).clone();
        let registers = (self.parts.govern)();
        let context = registers.context(self.now());
        // Duties and clauses are of the same standards, whoever exchanges those meanwhile.
        let catalogues = registers.catalogues.unwrap_or_else(|| (self.parts.catalogues)());
        let clauses = standings(&catalogues, &board.findings(), &context);
        (board.all().cloned().collect(), catalogues, clauses)
    }

    /// Tells the journal what it does not say yet.
    pub(crate) fn report(&self, keeps: bool) {
        let mut told = lock(&self.told);
        let now = self.now();
        let complete = lock(&self.board).complete(self.parts.checks);
        if !told.loaded || (!complete && now.0 - told.began < FIRST) {
            return;
        }
        let (held, catalogues, clauses) = self.stands();
        let findings: Vec<Finding> = held.iter().map(|held| held.finding.clone()).collect();
        let stands = Stands::of(&findings, &clauses);
        // What was judged by others than are in force by now is for no entry: whoever exchanged them, or
        // the next round, tells how it is.
        if Arc::ptr_eq(&catalogues, &(self.parts.catalogues)()) {
            let came = self.changes(&mut told, &stands, &findings, &catalogues, now)
                .and_then(|()| self.seal(&mut told, &stands, &catalogues, &clauses, now));
            self.tried("journal", came.map_err(|failure| Fault::new(failure.to_string())));
        } else {
            // It lasts as long as the registers cannot be read: then whoever asks is told why.
            let say = "the registers are of other standards than those in force";
            self.tried::<()>("journal", Err(Fault::new(say)));
        }
        if keeps {
            let left = json!({ "looked": now.0, "findings": held });
            self.tried("findings", keep(&self.parts.file, &left));
        }
    }

    /// An entry about one thing.
    fn tell(&self, told: &mut Told, action: &'static str, what: What, now: Time)
        -> Result<(), Failure> {
        fn words<T: Serialize>(value: &T) -> Result<Value, Fault> {
            serde_json::to_value(value).map_err(|e| Fault::new(format!("an entry: {e}")))
        }
        let note = match &what {
            What::Finding(change) => words(change)?,
            What::Clause(change) => words(change)?,
            What::Seal(seal) => words(seal)?,
        };
        let entry = (self.parts.tell)(action, note)?;
        told.posture.apply(&Mark { at: now.0, entry, what });
        Ok(())
    }

    /// What is other than the journal says. The first time that is everything, in one seal; and so are
    /// the rows of standards that others took the place of, which come and go together.
    fn changes(&self, told: &mut Told, stands: &Stands, findings: &[Finding],
        catalogues: &Arc<Catalogues>, now: Time) -> Result<(), Failure> {
        if told.posture.seal.is_none() {
            return Ok(());
        }
        let others = told.others(catalogues);
        for found in findings {
            let from = told.posture.checks.get(&found.check).map(|point| point.is);
            if from != Some(found.verdict) {
                let change = FindingChange {
                    check: found.check.clone(),
                    from,
                    to: found.verdict,
                    says: capped(&found.says),
                    population: found.population,
                };
                self.tell(told, FINDING, What::Finding(change), now)?;
            }
        }
        for (name, (to, standard)) in &stands.clauses {
            let from = told.posture.clauses.get(name).map(|point| point.is);
            if from != Some(*to) && (from.is_some() || !others) {
                let clause = name.strip_suffix("/tenant").unwrap_or(name);
                let change = ClauseChange {
                    standard: standard.clone(),
                    clause: clause.into(),
                    from,
                    to: *to,
                    tenant: clause != name,
                };
                self.tell(told, CLAUSE, What::Clause(change), now)?;
            }
        }
        Ok(())
    }

    /// A seal, when it is time for one.
    fn seal(&self, told: &mut Told, stands: &Stands, catalogues: &Arc<Catalogues>, clauses: &[Standing],
        now: Time) -> Result<(), Failure> {
        let others = told.others(catalogues);
        if told.opened && !others && now.0 - told.sealed < SEAL_EVERY {
            return Ok(());
        }
        let whole = !told.opened || others || told.seals.is_multiple_of(WHOLE);
        let mut after = told.posture.clone();
        if whole {
            // As it is after this seal: without checks and clauses that are no more.
            fn point<T>(is: T) -> Point<T> {
                Point { is, since: 0, entry: 0 }
            }
            let checks = stands.checks.iter().map(|(name, is)| (name.clone(), point(*is)));
            let clauses = stands.clauses.iter().map(|(name, (is, _))| (name.clone(), point(*is)));
            (after.checks, after.clauses) = (checks.collect(), clauses.collect());
        }
        let counts = catalogues.iter().map(|catalogue| {
            (catalogue.key.clone(), Tally::of(catalogue, clauses).counts)
        }).collect();
        // A process that comes after another says for how long nobody looked.
        let silent = told.before.filter(|_| !told.opened)
            .map(|before| (before, told.began)).filter(|(before, began)| before < began);
        let seal = Seal {
            digest: after.digest(),
            counts,
            base: whole.then(|| after.base()),
            silent,
        };
        self.tell(told, SEAL, What::Seal(Box::new(seal)), now)?;
        (told.opened, told.sealed) = (true, now.0);
        told.of = Some(catalogues.clone());
        told.seals += 1;
        Ok(())
    }

    /// Looks at everything that the journal says of evidence, oldest first.
    pub fn marks<T>(&self, look: impl FnOnce(&[Mark]) -> T) -> T {
        look(&lock(&self.told).marks)
    }

    /// The newest findings, each with the time since when its verdict is so.
    pub fn findings(&self) -> Vec<Held> {
        lock(&self.board).all().cloned().collect()
    }

    /// How old everything is, what went wrong, and where the last day has gaps.
    pub fn freshness(&self) -> Value {
        let (_, _, clauses) = self.stands();
        self.fresh(&clauses)
    }

    /// The same for clauses that somebody has judged already.
    pub(crate) fn fresh(&self, clauses: &[Standing]) -> Value {
        let now = self.now();
        let mut board = lock(&self.board).clone();
        for (what, since) in lock(&self.busy).iter().filter(|(_, at)| now.0 - **at > PATIENCE) {
            let say = format!("has not come back since {}", Time(*since).seconds());
            board.troubles.insert(*what, say);
        }
        let mut shown = board.freshness(self.parts.checks, clauses, now);
        let read = lock(&self.desk).read_at();
        let why = self.why(&shown["stale"], &board.troubles, read);
        let facts: BTreeMap<String, Option<String>> = Needs::each().zip(read)
            .map(|(sort, at)| (sort.names(), (at > 0).then(|| Time(at).seconds()))).collect();
        let day = self.marks(|marks| gaps(marks, now.0 - 24 * 60 * MINUTE, now.0));
        let gaps: Vec<Value> = day.into_iter().map(|(from, to)| span(from, to)).collect();
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("now".into(), now.seconds().into());
            shown.insert("facts".into(), json!(facts));
            shown.insert("troubles".into(), json!(board.troubles));
            shown.insert("why".into(), json!(why));
            shown.insert("gaps".into(), gaps.into());
        }
        shown
    }

    /// Why findings are too old: by their checks the oldest facts that they read, and what went wrong
    /// with those.
    fn why(&self, stale: &Value, troubles: &BTreeMap<&'static str, String>,
        read: [i64; Needs::COUNT]) -> BTreeMap<String, String> {
        let stale = stale.as_array().into_iter().flatten().filter_map(Value::as_str);
        stale.filter_map(|name| {
            let check = self.parts.checks.iter().find(|check| check.name == name)?;
            let (sort, at) = Needs::each().zip(read).filter(|(sort, _)| check.needs.has(*sort))
                .min_by_key(|(_, at)| *at)?;
            let sort = sort.names();
            let mut say = format!("{sort}: not read since {}", Time(at).seconds());
            if let Some(trouble) = troubles.get(sort.as_str()) {
                say.push_str(&format!("; {trouble}"));
            }
            Some((name.to_string(), say))
        }).collect()
    }
}

/// Kinds of records that hosts carry. Trials of statements and guardrails write some of these for the
/// synthetic tenant, on no host: a look that comes in between is made again, and after [`PATIENCE`] what
/// it finds of hosts is not taken for settled.
const ON_HOSTS: [&str; 8] = ["network", "subnet", "port", "router", "security_group",
    "security_group_rule", "volume", "server"];

/// A time with begin and end.
pub(crate) fn span(from: i64, to: i64) -> Value {
    let seconds = to.saturating_sub(from) / SECOND;
    json!({ "from": Time(from).seconds(), "to": Time(to).seconds(), "seconds": seconds })
}

/// After so long without evidence nothing rests on it: the seal and the longest pause come before.
const _: () = assert!(LATEST < STALE_AFTER);
