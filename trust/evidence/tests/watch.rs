//! Watching with a clock and facts of the tests' own.
//!
//! Method: real checks and the real catalogue over worlds that the tests break and mend, while a
//! clock is moved by as much as watching wants to wait. What it tells the journal is kept as entries
//! and read back by the functions that read the journal. A real cloud is watched in `watched.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/worlds.rs"]
#[allow(dead_code)]
mod worlds;

use jinyun_base::{Fault, Time};
use jinyun_engine::Failure;
use jinyun_evidence::attack::BETWEEN;
use jinyun_evidence::checks::CHECKS;
use jinyun_evidence::posture::{Mark, gaps, posture, violations};
use jinyun_evidence::{
    Answer, Catalogue, Catalogues, Changed, Clause, Kept, Needs, Parts, Read, Registers, STALE_AFTER, Source,
    State, Titles, Verdict, Watch, World, import,
};
use jinyun_journal::{Actor, Entry, Institution};
use jinyun_testdb::Dir;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use worlds::good;

const SECOND: i64 = Time::SECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Facts that a test sets.
struct Fake {
    clock: AtomicI64,
    /// The standards that are in force.
    catalogues: Mutex<Arc<Catalogues>>,
    world: Mutex<World>,
    entries: Mutex<Vec<Entry>>,
    /// How many entries were read.
    read: AtomicU64,
    /// How many more entries the journal takes before the process is "killed".
    takes: AtomicU64,
    /// Something was committed: the kinds.
    changed: Mutex<Vec<&'static str>>,
    /// The records cannot be read.
    broken: Mutex<bool>,
    /// A host is changing.
    moving: Mutex<bool>,
    /// Somebody else attacks.
    busy: Mutex<bool>,
    /// What was read, and when.
    looks: Mutex<Vec<(i64, Needs)>>,
    /// What cannot be read.
    fails: Mutex<Option<Needs>>,
    /// How long reading takes. All other work waits for it, unlike with threads.
    takes_time: Mutex<Vec<(Needs, i64)>>,
    /// The next attack says that it has begun, and hangs until it is told to go on.
    gate: Mutex<Option<(Sender<()>, Receiver<()>)>>,
}

impl Fake {
    fn new() -> Arc<Fake> {
        Arc::new(Fake {
            clock: AtomicI64::new(1_000 * HOUR),
            catalogues: Mutex::new(Catalogue::shared().unwrap_or_else(|e| panic!("{e}"))),
            world: Mutex::new(good()),
            entries: Mutex::default(),
            read: AtomicU64::new(0),
            takes: AtomicU64::new(u64::MAX),
            changed: Mutex::default(),
            broken: Mutex::default(),
            moving: Mutex::default(),
            busy: Mutex::default(),
            looks: Mutex::default(),
            fails: Mutex::default(),
            takes_time: Mutex::default(),
            gate: Mutex::default(),
        })
    }

    fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    fn noted(&self, facts: Needs) {
        self.looks.lock().unwrap().push((self.now(), facts));
    }

    fn give(&self, facts: Needs, world: &mut World) {
        let mut copy = self.world.lock().unwrap().clone();
        copy.rows.sort_by_key(|s| (s.row.kind.clone(), s.row.id.clone()));
        world.adopt(facts, &mut copy);
    }

    /// Breaks or mends something, as a commit about records of that kind.
    fn change(&self, kind: &'static str, edit: impl FnOnce(&mut World)) {
        edit(&mut self.world.lock().unwrap());
        self.changed.lock().unwrap().push(kind);
    }

    fn tell(&self, action: &str, note: Value) -> Result<u64, Failure> {
        if self.takes.load(Ordering::SeqCst) == 0 {
            return Err(Fault::new("the process was killed").into());
        }
        self.takes.fetch_sub(1, Ordering::SeqCst);
        let mut entries = self.entries.lock().unwrap();
        let number = entries.len() as u64;
        let name = |text: &str| text.to_string();
        entries.push(Entry {
            action: name(action),
            actor: Actor { domain: name("default"), id: name("evidence"), kind: name("system") },
            approval: None,
            effects: Vec::new(),
            institution: Institution { id: name("default"), number, previous: None },
            note: Some(note),
            number,
            outcome: name("done"),
            reason: None,
            request: name("r"),
            source: None,
            target: None,
            time: self.now(),
        });
        Ok(number)
    }

    fn marks(&self) -> Vec<Mark> {
        self.entries.lock().unwrap().iter().filter_map(Mark::of).collect()
    }

    /// `check from to` and `clause from to` of the entries from a number on.
    fn told(&self, from: usize) -> Vec<String> {
        let entries = self.entries.lock().unwrap();
        entries[from..].iter().map(|entry| {
            let note = entry.note.clone().unwrap();
            let word = |name: &str| note[name].as_str().unwrap_or("-").to_string();
            match entry.action.as_str() {
                "evidence:posture:seal" if note["base"].is_null() => "seal".into(),
                "evidence:posture:seal" => "base".into(),
                "evidence:finding:change" => {
                    format!("{} {} {}", word("check"), word("from"), word("to"))
                }
                _ => format!("{} {} {}", word("clause"), word("from"), word("to")),
            }
        }).collect()
    }
}

impl Source for Fake {
    fn news(&self) -> bool {
        !self.changed.lock().unwrap().is_empty()
    }

    fn follow(&self, whole: bool, world: &mut World, kept: &mut Kept) -> Result<Changed, Fault> {
        *kept = Kept::default();
        self.noted(if whole { Needs::QUICK } else { Needs::ROWS });
        if *self.broken.lock().unwrap() {
            return Err(Fault::new("the disk is full"));
        }
        self.give(Needs::ROWS.and(Needs::JOURNAL), world);
        let kinds = std::mem::take(&mut *self.changed.lock().unwrap());
        let kinds: std::collections::BTreeSet<String> =
            kinds.into_iter().map(String::from).collect();
        let marks = self.marks();
        let seen = self.read.swap(marks.len() as u64, Ordering::SeqCst) as usize;
        let entries = kinds.len() as u64;
        let marks = marks[seen..].to_vec();
        Ok(Changed { written: kinds.clone(), kinds, secrets: false, entries, marks })
    }

    fn hosts_mark(&self) -> String {
        self.moving.lock().unwrap().to_string()
    }

    fn hosts(&self, anyway: bool, world: &mut World) -> Result<bool, Fault> {
        self.noted(Needs::HOSTS);
        self.give(Needs::HOSTS, world);
        let moving = *self.moving.lock().unwrap();
        if moving {
            world.hosts.iter_mut().for_each(|host| host.settled = false);
        }
        Ok(anyway || !moving)
    }

    fn read(&self, facts: Needs, world: &mut World) -> Result<Read, Fault> {
        if facts == Needs::ATTACKS && *self.busy.lock().unwrap() {
            return Ok(Read::default());
        }
        if *self.fails.lock().unwrap() == Some(facts) {
            return Err(Fault::new("the wire was cut"));
        }
        let gate = if facts == Needs::ATTACKS { self.gate.lock().unwrap().take() } else { None };
        if let Some((begun, go)) = gate {
            begun.send(()).unwrap();
            go.recv().unwrap();
        }
        self.noted(facts);
        let more = Needs::HOSTS.and(Needs::ROWS).and(Needs::DOORS);
        let took = self.takes_time.lock().unwrap().iter().find(|(of, _)| *of == facts)
            .map_or(0, |(_, took)| *took);
        self.clock.fetch_add(took, Ordering::SeqCst);
        self.give(if facts == Needs::ATTACKS { facts.and(more) } else { facts }, world);
        Ok(Read { done: true, nonce: Some("n-1".into()), ..Read::default() })
    }
}

/// A process that watches, in a directory of its own.
struct Process {
    fake: Arc<Fake>,
    watch: Arc<Watch>,
    dir: Dir,
    next: [i64; 3],
    /// The third thread does not come back.
    hangs: bool,
}

impl Process {
    fn new(name: &str) -> Process {
        Process::on(Fake::new(), Dir::new(name))
    }

    fn on(fake: Arc<Fake>, dir: Dir) -> Process {
        let (teller, clock, force) = (fake.clone(), fake.clone(), fake.clone());
        let watch = Watch::new(Parts {
            source: fake.clone(),
            tell: Arc::new(move |action, note| teller.tell(action, note)),
            clock: Arc::new(move || Time(clock.now())),
            govern: Arc::new(Registers::default),
            checks: CHECKS,
            catalogues: Arc::new(move || force.catalogues.lock().unwrap().clone()),
            file: dir.join("board.json"),
        });
        let next = [fake.now(); 3];
        Process { fake, watch: Arc::new(watch), dir, next, hangs: false }
    }

    /// The process is killed, and after some time another one begins.
    fn again(self, after: i64) -> Process {
        self.fake.clock.fetch_add(after, Ordering::SeqCst);
        // A new process reads the journal from its beginning.
        self.fake.read.store(0, Ordering::SeqCst);
        self.fake.takes.store(u64::MAX, Ordering::SeqCst);
        Process::on(self.fake, self.dir)
    }

    /// Lets all threads do what is due for so long. Somebody rings whenever something is committed.
    fn run(&mut self, micros: i64) {
        let end = self.fake.now() + micros;
        loop {
            let third = if self.hangs { i64::MAX } else { self.next[2] };
            let now = self.next[0].min(self.next[1]).min(third).min(end).max(self.fake.now());
            self.fake.clock.store(now, Ordering::SeqCst);
            if self.next[0] <= now {
                let pause = self.watch.step();
                let rung = self.fake.news();
                let wait = pause.deaf + if rung { Default::default() } else { pause.listening };
                self.next[0] = now + i64::try_from(wait.as_micros()).unwrap().max(1);
            }
            if self.next[1] <= now {
                let wait = self.watch.toil();
                self.next[1] = now + i64::try_from(wait.as_micros()).unwrap().max(1);
            }
            if third <= now {
                let wait = self.watch.raid();
                self.next[2] = now + i64::try_from(wait.as_micros()).unwrap().max(1);
            }
            if now >= end {
                return;
            }
        }
    }

    fn change(&mut self, kind: &'static str, edit: impl FnOnce(&mut World)) {
        self.fake.change(kind, edit);
        // The bell.
        self.next[0] = self.next[0].min(self.fake.now() + 5 * SECOND);
    }

    /// Ages in seconds, sorted: of checks that read nothing slow, and of all.
    fn ages(&self) -> [Vec<i64>; 2] {
        let fresh = self.watch.freshness();
        assert_eq!(fresh["never"], json!([]), "{fresh}");
        let slow = Needs::ATTACKS.and(Needs::IMAGES).and(Needs::PROOF);
        let found = self.watch.findings();
        let ages = |all: bool| {
            let mut ages: Vec<i64> = found.iter().filter(|held| {
                let check = CHECKS.iter().find(|check| check.name == held.finding.check).unwrap();
                all || !check.needs.meets(slow)
            }).map(|held| (self.fake.now() - held.finding.at) / SECOND).collect();
            ages.sort();
            ages
        };
        let [some, all] = [ages(false), ages(true)];
        assert_eq!(fresh["worst_seconds"], *all.last().unwrap());
        assert_eq!(fresh["median_seconds"], all[all.len() / 2]);
        [some, all]
    }
}

/// A sabotage of records, and what mends it.
fn without_a_duty(world: &mut World) {
    world.rows.retain(|s| s.row.id.as_str() != "a-u3");
}

fn mended(world: &mut World) {
    world.rows = good().rows;
}

#[test]
fn each_check_reads_what_it_declares() {
    for check in CHECKS {
        let mut whole = good();
        let told = check.find(&whole);
        let mut part = World { now: whole.now, ..World::default() };
        part.adopt(check.needs, &mut whole);
        let found = check.find(&part);
        let name = check.name;
        assert_eq!(found.verdict, told.verdict, "{name} reads more than it says: {}", found.says);
    }
}

#[test]
fn hours_are_watched_and_the_journal_says_so() {
    let mut process = Process::new("hours");
    let began = process.fake.now();
    process.run(10 * MINUTE);
    for _ in 0..110 {
        process.run(MINUTE);
        let [quick, all] = process.ages();
        // A round may wait for the others on its thread.
        assert!(quick.len() > 10 && *quick.last().unwrap() < 90, "{quick:?}");
        assert!(*all.last().unwrap() < 15 * 60, "{all:?}");
    }
    // Nothing changed in two hours: a seal with everything, and one an hour later.
    assert_eq!(process.fake.told(0), ["base", "seal"]);
    let marks = process.fake.marks();
    let now = process.fake.now();
    assert!(gaps(&marks, began + 2 * MINUTE, now).is_empty());
    let stands = posture(&marks, now);
    assert!(stands.seal.unwrap().holds);
    assert!(stands.checks.values().all(|point| point.is == Verdict::Met));
    assert_eq!(stands.checks.len(), CHECKS.len());
    // Attacks neither too often nor too seldom, and never two at once.
    let looks = process.fake.looks.lock().unwrap();
    let times: Vec<i64> = looks.iter().filter(|(_, facts)| *facts == Needs::ATTACKS)
        .map(|(at, _)| *at).collect();
    let pauses: Vec<i64> = times.windows(2).map(|pair| (pair[1] - pair[0]) / SECOND).collect();
    assert!(pauses.len() > 8 && pauses.iter().all(|s| (540..=660).contains(s)), "{pauses:?}");
    assert!(pauses.iter().any(|s| *s != pauses[0]), "no jitter: {pauses:?}");
}

/// What a clause rests on, by itself or through others.
fn rests(id: &str) -> BTreeSet<String> {
    let catalogues = Catalogue::shipped().unwrap_or_else(|e| panic!("{e}"));
    let clause = catalogues.clause(id).unwrap();
    let mut names: BTreeSet<String> = clause.checks().map(String::from).collect();
    if let Answer::SameAs { same_as } = &clause.answer {
        same_as.iter().for_each(|other| names.extend(rests(other)));
    }
    names
}

#[test]
fn an_hour_under_churn_the_proof_of_half_of_the_clauses_is_younger_than_a_minute() {
    let mut process = Process::new("fresh");
    let catalogues = Catalogue::shipped().unwrap_or_else(|e| panic!("{e}"));
    let clauses: BTreeMap<&str, BTreeSet<String>> = catalogues.clauses()
        .map(|(_, clause)| (clause.id.as_str(), rests(&clause.id)))
        .filter(|(_, names)| !names.is_empty()).collect();
    // Each makes everything else wait here, as it does not on threads of its own.
    *process.fake.takes_time.lock().unwrap() =
        vec![(Needs::PORTS, 5 * SECOND), (Needs::INWARD, 5 * SECOND), (Needs::ATTACKS, 5 * SECOND)];
    process.run(2 * MINUTE);
    let entries = process.fake.told(0).len();
    process.fake.looks.lock().unwrap().clear();
    let (mut worst, end) = (0, process.fake.now() + HOUR);
    let mut second = 0;
    while process.fake.now() < end {
        process.change(["network", "port", "server", "volume"][second % 4], |_| {});
        process.run(SECOND);
        let fresh = process.watch.freshness();
        let shown = &fresh["clauses"];
        let now = process.fake.now();
        // As somebody counts who has the findings and the catalogue alone.
        if second % 60 == 0 {
            let at: BTreeMap<String, i64> = process.watch.findings().into_iter()
                .map(|held| (held.finding.check, held.finding.at)).collect();
            let mut ages: Vec<i64> = clauses.values()
                .map(|names| now - names.iter().map(|name| at[name]).min().unwrap()).collect();
            ages.sort();
            assert_eq!(shown["count"], clauses.len());
            assert_eq!(shown["median_seconds"], ages[ages.len() / 2] / SECOND);
            assert_eq!(shown["worst_seconds"], ages[ages.len() - 1] / SECOND);
        }
        let median = shown["median_seconds"].as_i64().unwrap();
        assert!(median < 60, "second {second}: {shown}");
        worst = worst.max(shown["worst_seconds"].as_i64().unwrap());
        assert_eq!(shown["without_proof"], 0, "second {second}: {shown}");
        assert_eq!(fresh["objective"]["attained"], true, "second {second}: {fresh}");
        second += 1;
    }
    assert!((540..900).contains(&worst), "{worst}");
    let sum: u64 = process.watch.freshness()["standards"].as_object().unwrap().values()
        .map(|standard| standard["count"].as_u64().unwrap()).sum();
    assert_eq!(sum, clauses.len() as u64);
    // To be young costs no entries: a seal an hour.
    assert!(process.fake.told(0).len() <= entries + 2);
    let looks = process.fake.looks.lock().unwrap();
    let times = |facts: Needs| looks.iter().filter(|(_, those)| *those == facts).count();
    for (facts, between) in [(Needs::ATTACKS, 5..=8), (Needs::PORTS, 90..=150),
        (Needs::INWARD, 90..=150), (Needs::DOORS, 70..=110), (Needs::SHELVES, 65..=95),
        (Needs::PROOF, 70..=125)] {
        assert!(between.contains(&times(facts)), "{facts:?}: {}", times(facts));
    }
}

#[test]
fn an_attack_that_hangs_makes_its_own_clauses_old_and_no_others() {
    let mut process = Process::new("hangs");
    process.run(5 * MINUTE);
    let first = process.fake.told(0).len();
    let ((begun, begins), (go, goes)) = (channel(), channel());
    *process.fake.gate.lock().unwrap() = Some((begun, goes));
    process.hangs = true;
    // Until they are due.
    process.run(7 * MINUTE);
    let watch = process.watch.clone();
    let thread = std::thread::spawn(move || watch.raid());
    begins.recv().unwrap();
    process.run(10 * MINUTE);
    let told = process.fake.told(first);
    assert!(!told.is_empty() && told.iter().all(|line| line.ends_with(" stale")), "{told:?}");
    let fresh = process.watch.freshness();
    let stale: BTreeSet<&str> =
        fresh["stale"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let want: BTreeSet<&str> = CHECKS.iter().filter(|check| check.needs.has(Needs::ATTACKS))
        .map(|check| check.name).collect();
    assert_eq!(stale, want);
    let why = fresh["why"]["lockout"].as_str().unwrap();
    assert!(why.starts_with("attacks: not read since ") && why.contains("has not come back since"),
        "{why}");
    assert_eq!(fresh["objective"]["median_attained"], true, "{fresh}");
    assert_eq!(fresh["objective"]["worst_attained"], false, "{fresh}");
    go.send(()).unwrap();
    thread.join().unwrap();
    process.hangs = false;
    process.run(MINUTE);
    let fresh = process.watch.freshness();
    // What came back is as old as its beginning.
    assert_eq!(fresh["troubles"], json!({}));
    process.run(12 * MINUTE);
    let fresh = process.watch.freshness();
    assert_eq!((&fresh["stale"], &fresh["why"]), (&json!([]), &json!({})));
    assert_eq!(fresh["objective"]["attained"], true, "{fresh}");
}

#[test]
fn a_round_that_fails_is_told_and_the_others_go_on() {
    let mut process = Process::new("fails");
    process.run(5 * MINUTE);
    *process.fake.fails.lock().unwrap() = Some(Needs::PORTS);
    process.run(20 * MINUTE);
    let fresh = process.watch.freshness();
    let mut want = BETWEEN.to_vec();
    want.sort();
    assert_eq!(fresh["stale"], json!(want));
    assert_eq!(fresh["troubles"]["ports"], "the wire was cut");
    let why = fresh["why"]["closed-port"].as_str().unwrap();
    assert!(why.starts_with("ports: not read since ") && why.ends_with("the wire was cut"), "{why}");
    assert_eq!(fresh["objective"]["worst_attained"], false, "{fresh}");
    *process.fake.fails.lock().unwrap() = None;
    process.run(MINUTE);
    let fresh = process.watch.freshness();
    assert_eq!(fresh["objective"]["attained"], true, "{fresh}");
    assert_eq!(fresh["troubles"], json!({}));
}

#[test]
fn a_clause_without_a_proof_counts_as_older_than_any() {
    let mut process = Process::new("without");
    process.run(2 * MINUTE);
    assert_eq!(process.watch.freshness()["clauses"]["without_proof"], 0);
    // Every host is simulated: what rests on hosts is looked at and proves nothing.
    process.change("host", |world| world.hosts.iter_mut().for_each(|h| h.facts.simulated = true));
    process.run(16 * MINUTE);
    let fresh = process.watch.freshness();
    let shown = &fresh["clauses"];
    assert!(shown["without_proof"].as_u64().unwrap() > 10, "{shown}");
    assert_eq!(fresh["objective"]["worst_attained"], false, "{fresh}");
    assert!(shown["worst_look_seconds"].as_i64().unwrap() < 900, "{shown}");
}

#[test]
fn a_failure_is_told_within_seconds_and_its_end_too() {
    let mut process = Process::new("failure");
    process.run(5 * MINUTE);
    let (first, broken) = (process.fake.told(0).len(), process.fake.now());
    process.change("assignment", without_a_duty);
    process.run(20 * SECOND);
    let told = process.fake.told(first);
    assert_eq!(told[0], "duty-exclusive met failed");
    assert!(told.len() > 1 && told[1..].iter().all(|line| line.ends_with(" failed")), "{told:?}");
    let failed = process.fake.marks().iter().map(|mark| mark.at).max().unwrap();
    assert!(failed - broken <= 5 * SECOND, "{} us", failed - broken);
    process.run(10 * MINUTE);
    let (second, mending) = (process.fake.told(0).len(), process.fake.now());
    assert_eq!(second, first + told.len(), "nothing is told twice");
    process.change("assignment", mended);
    process.run(20 * SECOND);
    let back = process.fake.told(second);
    assert_eq!((back[0].as_str(), back.len()), ("duty-exclusive failed met", told.len()));
    // The journal alone knows how long.
    let marks = process.fake.marks();
    let times = violations(&marks, 0, process.fake.now());
    assert_eq!(times.len(), told.len() - 1, "{times:?}");
    for (clause, times) in &times {
        let [(from, to)] = times[..] else { panic!("{clause}: {times:?}") };
        assert!((broken..broken + 6 * SECOND).contains(&from), "{clause} from {from}");
        assert!((mending..mending + 6 * SECOND).contains(&to), "{clause} to {to}");
        assert_eq!(posture(&marks, from).clauses[clause].is, State::Failed);
        assert_ne!(posture(&marks, to).clauses[clause].is, State::Failed);
    }
    assert_eq!(posture(&marks, broken - 1).checks["duty-exclusive"].is, Verdict::Met);
    assert_eq!(posture(&marks, mending - 1).checks["duty-exclusive"].is, Verdict::Failed);
}

#[test]
fn under_load_it_looks_each_five_seconds_and_runs_what_is_concerned() {
    let mut process = Process::new("load");
    process.run(5 * MINUTE);
    let looked = |process: &Process, facts: Needs| {
        let looks = process.fake.looks.lock().unwrap();
        looks.iter().filter(|(_, those)| *those == facts).count()
    };
    // Right after everything was read, so that it is not read again meanwhile.
    while looked(&process, Needs::QUICK) == 0 || looked(&process, Needs::PROOF) > 0 {
        process.fake.looks.lock().unwrap().clear();
        process.run(SECOND);
    }
    process.fake.looks.lock().unwrap().clear();
    let at = |process: &Process| -> BTreeMap<String, i64> {
        process.watch.findings().into_iter()
            .map(|held| (held.finding.check, held.finding.at)).collect()
    };
    let before = at(&process);
    for _ in 0..100 {
        process.change("network", |_| {});
        process.run(SECOND / 10);
    }
    assert_eq!(looked(&process, Needs::QUICK), 0);
    // One or two, and two around each look at hosts.
    let looks = looked(&process, Needs::ROWS);
    assert!((1..=6).contains(&looks), "{looks} looks in ten seconds");
    let after = at(&process);
    assert_eq!(before["duty-exclusive"], after["duty-exclusive"], "it asks for no networks");
    assert!(before["own-journal"] < after["own-journal"], "there were entries");
}

#[test]
fn what_cannot_be_read_becomes_stale_and_is_never_met() {
    let mut process = Process::new("silence");
    process.run(5 * MINUTE);
    let first = process.fake.told(0).len();
    *process.fake.broken.lock().unwrap() = true;
    process.run(STALE_AFTER - 5 * MINUTE);
    assert_eq!(process.fake.told(first), Vec::<String>::new(), "not yet");
    process.run(8 * MINUTE);
    let told = process.fake.told(first);
    assert!(!told.is_empty() && told.iter().all(|line| line.ends_with(" stale")), "{told:?}");
    let fresh = process.watch.freshness();
    assert!(fresh["stale"].as_array().unwrap().contains(&json!("duty-exclusive")), "{fresh}");
    assert!(fresh["troubles"]["records"].as_str().unwrap().contains("disk is full"), "{fresh}");
    *process.fake.broken.lock().unwrap() = false;
    // Until the next attacks.
    process.run(12 * MINUTE);
    let back = process.fake.told(first + told.len());
    assert_eq!(back.len(), told.len());
    assert!(back.iter().all(|line| line.contains(" stale ")), "{back:?}");
    assert!(process.watch.freshness()["stale"].as_array().unwrap().is_empty());
}

#[test]
fn whoever_is_killed_goes_on_where_the_journal_ends() {
    let mut process = Process::new("killed");
    process.run(5 * MINUTE);
    let first = process.fake.told(0).len();
    // Room for the entry about the check and no other.
    process.fake.takes.store(1, Ordering::SeqCst);
    process.change("assignment", without_a_duty);
    process.run(20 * SECOND);
    assert_eq!(process.fake.told(first), ["duty-exclusive met failed"]);
    let killed = process.fake.now();
    let mut process = process.again(20 * MINUTE);
    let began = process.fake.now();
    process.run(3 * MINUTE);
    let told = process.fake.told(first + 1);
    let failed = told.iter().filter(|line| line.ends_with(" failed")).count();
    assert!(failed > 0, "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with("duty-exclusive ")), "{told:?}");
    assert_eq!(told.iter().filter(|line| *line == "base").count(), 1, "{told:?}");
    let marks = process.fake.marks();
    assert!(posture(&marks, process.fake.now()).seal.unwrap().holds);
    // The silence between the two is on record: from the last look of the one that was killed.
    let gaps = gaps(&marks, killed - HOUR, process.fake.now());
    let [.., (from, to)] = gaps[..] else { panic!("{gaps:?}") };
    assert!(killed - from <= 31 * SECOND && from <= killed && to == began, "{from} {to}");
}

#[test]
fn other_standards_are_told_by_one_seal_and_no_round_is_lost() {
    let mut process = Process::new("standards");
    process.run(5 * MINUTE);
    let shipped = Catalogue::shared().unwrap();
    // A row that stands and falls with a clause that a check answers, and a duty.
    let rests = |clause: &Clause| clause.checks().any(|name| name == "duty-exclusive");
    let (_, clause) = shipped.clauses().find(|(_, clause)| rests(clause)).unwrap();
    let table = format!("id,title,refs,owner,period\nO-1,a,{},,\nO-2,b,,management,P1Y\n", clause.id);
    let word = || "own".to_string();
    let titles = Titles { key: word(), title_en: word(), title_zh: word(), ..Titles::default() };
    let own = import("t.csv", table.as_bytes(), &titles, &shipped).unwrap().catalogue;
    let more = Arc::new(shipped.with([own]).unwrap());
    let put = |process: &Process, now: &Arc<Catalogues>| {
        *process.fake.catalogues.lock().unwrap() = now.clone();
    };
    let at = |process: &Process| -> BTreeMap<String, i64> {
        process.watch.findings().into_iter().map(|held| (held.finding.check, held.finding.at)).collect()
    };
    let stands = |process: &Process, moment: i64| -> Vec<State> {
        let then = posture(&process.fake.marks(), moment);
        ["O-1", "O-2"].iter().filter_map(|id| then.clauses.get(*id)).map(|point| point.is).collect()
    };
    let (first, before, looked) = (process.fake.told(0).len(), process.fake.now(), at(&process));
    // Killed before the journal had it: the next round tells it, all of it at once.
    process.fake.takes.store(0, Ordering::SeqCst);
    put(&process, &more);
    process.run(35 * SECOND);
    assert_eq!(process.fake.told(first), Vec::<String>::new());
    process.fake.takes.store(u64::MAX, Ordering::SeqCst);
    process.run(35 * SECOND);
    assert_eq!(process.fake.told(first), ["base"]);
    let with = process.fake.now();
    assert!(stands(&process, before).is_empty());
    let of = posture(&process.fake.marks(), with);
    assert_eq!(stands(&process, with), [of.clauses[&clause.id].is, State::Due]);
    assert!(of.seal.unwrap().holds);
    // Nothing was looked at anew because of it, and nothing is forgotten.
    let after = at(&process);
    assert_eq!(after.len(), CHECKS.len());
    assert!(looked.iter().all(|(check, at)| after[check] >= *at));
    assert_eq!(process.watch.freshness()["standards"]["own"]["count"], 1);
    // From here on its rows are as others: one that fails is told, and gone it fails no more.
    process.change("assignment", without_a_duty);
    process.run(20 * SECOND);
    assert_eq!(stands(&process, process.fake.now()), [State::Failed, State::Due]);
    let told = process.fake.told(first);
    assert!(told.iter().any(|line| line.starts_with("O-1 ") && line.ends_with(" failed")), "{told:?}");
    let (second, failed) = (process.fake.told(0).len(), process.fake.now());
    put(&process, &shipped);
    process.run(35 * SECOND);
    assert_eq!(process.fake.told(second), ["base"]);
    let (gone, then) = (stands(&process, process.fake.now()), stands(&process, failed));
    assert!(gone.is_empty() && then == [State::Failed, State::Due], "{gone:?} {then:?}");
    process.run(10 * MINUTE);
    let times = violations(&process.fake.marks(), 0, process.fake.now());
    let [(from, to)] = times["O-1"][..] else { panic!("{times:?}") };
    assert!(from <= failed && failed <= to && to <= failed + 35 * SECOND, "{from} {failed} {to}");
}

#[test]
fn a_host_that_changes_is_waited_for_but_not_for_ever() {
    let mut process = Process::new("moving");
    process.run(5 * MINUTE);
    let verdict = |process: &Process| {
        let all = process.watch.findings();
        let held = all.iter().find(|held| held.finding.check == "filter-as-recorded").unwrap();
        (held.finding.verdict, held.finding.at)
    };
    let (met, at) = verdict(&process);
    assert_eq!(met, Verdict::Met);
    *process.fake.moving.lock().unwrap() = true;
    // Attacks look too, while nothing else moves: none in this time.
    *process.fake.busy.lock().unwrap() = true;
    process.run(3 * MINUTE);
    assert_eq!(verdict(&process).0, Verdict::Met);
    assert_eq!(verdict(&process).1, at, "its age is told");
    process.run(4 * MINUTE);
    assert_eq!(verdict(&process).0, Verdict::Error);
    *process.fake.moving.lock().unwrap() = false;
    process.run(MINUTE);
    assert_eq!(verdict(&process).0, Verdict::Met);
    // And a turn that another had is taken soon after.
    let now = process.fake.now();
    *process.fake.busy.lock().unwrap() = false;
    process.run(MINUTE);
    let looks = process.fake.looks.lock().unwrap();
    let soon = now..now + 6 * SECOND;
    assert!(looks.iter().any(|(at, facts)| *facts == Needs::ATTACKS && soon.contains(at)));
}

#[test]
fn nothing_to_look_at_does_not_take_a_proof_away() {
    let mut process = Process::new("empty");
    process.run(2 * MINUTE);
    // The cloud has no disk any more, but the stage of each attack has one.
    process.fake.change("volume", |world| {
        world.hosts[0].installed.as_mut().unwrap().disks.clear();
    });
    *process.fake.busy.lock().unwrap() = true;
    let verdict = |process: &Process| {
        let all = process.watch.findings();
        all.into_iter().find(|held| held.finding.check == "disk-encrypted").unwrap().finding.verdict
    };
    process.run(10 * MINUTE);
    assert_eq!(verdict(&process), Verdict::Met);
    process.run(10 * MINUTE);
    assert_eq!(verdict(&process), Verdict::Error);
}

#[test]
fn a_nonce_and_the_age_of_facts_are_in_the_finding() {
    let mut process = Process::new("nonce");
    process.run(12 * MINUTE);
    for held in process.watch.findings() {
        let check = CHECKS.iter().find(|check| check.name == held.finding.check).unwrap();
        let says = held.finding.says.contains("n-1");
        let carried = Needs::ATTACKS.and(Needs::PORTS).and(Needs::INWARD);
        assert_eq!(says, check.needs.meets(carried), "{}: {}", check.name, held.finding.says);
        assert!(held.finding.at > 0 && held.finding.at <= process.fake.now());
    }
}
