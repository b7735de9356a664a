//! Catalogues that come and go while the process runs: what is installed is judged by at once, what cannot
//! be taken leaves what is in force as it is, whoever reads has the old set or the new one, and the
//! journal says from when until when.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cloud.rs"]
#[allow(dead_code)]
mod cloud;

use cloud::Running;
use jinyun_base::Time;
use jinyun_engine::{Command, Job, Via};
use jinyun_evidence::posture::{CLAUSE, SEAL};
use jinyun_evidence::{
    Catalogue, Catalogues, DutyStanding, Evidence, Registers, Setup, Titles, import, routes,
};
use jinyun_journal::{Entry, to_hex};
use jinyun_policy::{Actor, ActorKind, Duty, PROVIDER, Scope};
use jinyun_testrest::Caller;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Barrier};

const SAMPLE: &str = include_str!("../standards-import-samples/internal-rules.csv");
/// Its rows.
const ROWS: usize = 6;
const MINUTE: i64 = 60 * Time::SECOND;

fn shipped() -> &'static Catalogues {
    Catalogue::shipped().unwrap_or_else(|e| panic!("{e}"))
}

/// A table as the file of a catalogue that rests on these.
fn made(key: &str, table: &str, base: &Catalogues) -> String {
    let titles = Titles { key: key.into(), title_en: key.into(), title_zh: key.into(), ..Titles::default() };
    let made = import("t.csv", table.as_bytes(), &titles, base).unwrap_or_else(|e| panic!("{e}"));
    made.catalogue.write().unwrap()
}

/// A catalogue of one row, which another one answers.
fn one(key: &str, row: &str, answered: &str) -> String {
    made(key, &format!("id,title,refs\n{row},a,{answered}\n"), shipped())
}

fn digest(text: &str) -> String {
    to_hex(&Sha256::digest(text.as_bytes()))
}

/// A cloud, evidence over it, and somebody who may install.
struct Site {
    running: Running,
    evidence: Arc<Evidence>,
    ann: Actor,
    /// So much later is it for evidence, microseconds.
    ahead: Arc<AtomicI64>,
}

impl Site {
    fn new(name: &str) -> Site {
        let (running, ahead) = (Running::new(name, &[]), Arc::new(AtomicI64::new(0)));
        let ann = Actor {
            kind: ActorKind::User,
            id: "ann".into(),
            domain: PROVIDER.into(),
            scope: Scope::System,
            role: None,
            duty: Some(Duty::SecurityAdmin),
        };
        let evidence = open(&running, &ahead);
        Site { running, evidence, ann, ahead }
    }

    /// The process is killed, and another one begins.
    fn again(&mut self) {
        self.evidence = open(&self.running, &self.ahead);
    }

    fn ask(&self, method: &str, path: &str, bytes: &[u8]) -> (u16, Value) {
        let caller = Caller { cloud: &self.running.cloud, actor: &self.ann, via: Via::default() };
        caller.send(&routes(self.evidence.clone()), method, path, bytes)
    }

    fn get(&self, path: &str) -> Value {
        let (status, told) = self.ask("GET", path, b"");
        assert_eq!(status, 200, "{path}: {told}");
        told
    }

    fn install(&self, text: &str) -> (u16, Value) {
        self.ask("POST", "/v1/catalogues", text.as_bytes())
    }

    fn remove(&self, key: &str) -> (u16, Value) {
        self.ask("DELETE", &format!("/v1/catalogues/{key}"), b"")
    }

    /// What the list says of one: its state and why.
    fn state(&self, key: &str) -> (String, String) {
        let all = self.get("/v1/catalogues");
        let one = all["catalogues"].as_array().unwrap().iter().find(|one| one["key"] == key).cloned();
        let word = |name: &str| {
            one.as_ref().map_or("none", |one| one[name].as_str().unwrap_or_default()).to_string()
        };
        (word("state"), word("why"))
    }

    /// Those that are in force beside the shipped ones.
    fn own(&self) -> Vec<String> {
        let all = self.evidence.catalogues();
        let own = all.iter().filter(|one| shipped().get(&one.key).is_none());
        own.map(|one| one.key.clone()).collect()
    }

    fn file(&self, sha256: &str) -> PathBuf {
        self.running.dir.join("evidence/catalogues").join(format!("{sha256}.yaml"))
    }

    /// The row alone, as a vote leaves it, or a process that was killed right behind its commit.
    fn record(&self, key: &str, sha256: &str) {
        let args = json!({ "key": key, "standard": key, "sha256": sha256, "rows": 1 });
        let command = Command::new("evidence:catalogue:create", self.ann.clone(), "req").with(args)
            .at(&PROVIDER.into(), &"".into());
        let came = self.running.cloud.handle.run(Job::Command(Box::new(command)));
        came.unwrap_or_else(|e| panic!("{e}"));
    }

    fn length(&self) -> u64 {
        self.running.cloud.reader.lend(|db| db.journal_length()).unwrap()
    }

    /// Entries from a number on.
    fn entries(&self, from: u64) -> Vec<Entry> {
        let end = self.length();
        let bodies = self.running.cloud.reader.lend(|db| db.entries(from, end)).unwrap();
        bodies.iter().map(|body| serde_json::from_slice(body).unwrap()).collect()
    }

    /// What the entries from a number on say of what is in force.
    fn loads(&self, from: u64) -> Vec<Value> {
        let all = self.entries(from).into_iter();
        all.filter(|entry| entry.action == "evidence:catalogue:load").map(|e| e.note.unwrap()).collect()
    }

    /// So much later, the watch looks at everything again.
    fn later(&self) {
        self.ahead.fetch_add(13 * MINUTE, Ordering::SeqCst);
        self.evidence.watch().step();
    }
}

/// A process that takes evidence.
fn open(running: &Running, ahead: &Arc<AtomicI64>) -> Arc<Evidence> {
    let ahead = ahead.clone();
    Arc::new(running.evidence_by(Setup {
        clock: Arc::new(move || Time(cloud::now().0 + ahead.load(Ordering::SeqCst))),
        ..running.setup()
    }))
}

#[test]
fn one_that_cannot_be_taken_is_told_and_leaves_what_is_in_force() {
    let site = Site::new("leaves");
    let first = one("first", "F-1", "7.1-E-a");
    let (status, told) = site.install(&first);
    assert_eq!((status, told["catalogue"]["state"].as_str()), (201, Some("loaded")), "{told}");
    // What is in force is held: that its file is another one now is for whoever starts.
    std::fs::write(site.file(&digest(&first)), "x").unwrap();
    let good = one("second", "S-1", "7.1-E-a");
    let text = |text: &str| Some(text.to_string());
    // What lies there, the file that is on record, and what is told.
    let cases: Vec<(&str, Option<String>, String, &str)> = vec![
        ("no file", None, digest(&good), "cannot be read"),
        ("another file", text("x"), digest(&good), "was changed after it was installed"),
        ("another key", text(&one("third", "S-1", "7.1-E-a")), String::new(), "has another key"),
        ("no catalogue", text("key: second\n"), String::new(), "field clauses: is missing"),
        ("no such row", text(&good.replace("7.1-E-a", "7.1-E-z")), String::new(), "no row 7.1-E-z"),
        ("another's row", text(&one("second", "F-1", "7.1-E-a")), String::new(), "has it, in first"),
    ];
    for (case, lies, sha256, want) in cases {
        let before = (site.evidence.catalogues(), site.length());
        let sha256 = if sha256.is_empty() { digest(lies.as_ref().unwrap()) } else { sha256 };
        if let Some(lies) = &lies {
            std::fs::write(site.file(&sha256), lies).unwrap();
        }
        site.record("second", &sha256);
        assert_eq!(site.state("second").0, "waiting", "{case}");
        assert!(site.evidence.refresh().unwrap(), "{case}");
        let (state, why) = site.state("second");
        assert!(state == "refused" && why.contains(want), "{case}: {state} {why}");
        assert_eq!(site.evidence.refused(), [("second".to_string(), why.clone())], "{case}");
        // The others are as they were, to the row.
        assert_eq!(site.own(), ["first"], "{case}");
        assert!(before.0.iter().eq(site.evidence.catalogues().iter()), "{case}");
        let loads = site.loads(before.1);
        let [load] = loads.as_slice() else { panic!("{case}: {loads:?}") };
        assert_eq!(load["refused"], json!([{ "key": "second", "why": why }]), "{case}");
        assert_eq!(load["loaded"][0]["key"], "first", "{case}");
        // The same again is nothing new, and is not told again.
        assert!(!site.evidence.refresh().unwrap() && site.loads(before.1).len() == 1, "{case}");
        assert_eq!(site.remove("second").0, 204, "{case}");
        assert_eq!((site.state("second").0.as_str(), site.evidence.refused().len()), ("none", 0), "{case}");
        assert!(!site.file(&sha256).exists(), "{case}: its file stays");
    }
    // Whoever puts right what was wrong need not start anything.
    site.record("second", &digest(&good));
    assert!(site.evidence.refresh().unwrap());
    std::fs::write(site.file(&digest(&good)), &good).unwrap();
    assert!(site.evidence.refresh().unwrap());
    assert_eq!((site.own().len(), site.evidence.refused().len()), (2, 0));
    // A start reads all files: there the damaged one is found.
    let mut site = site;
    site.again();
    assert_eq!(site.own(), ["second"]);
    assert!(site.evidence.refused()[0].1.contains("was changed after it was installed"));
}

#[test]
fn one_that_others_rest_on_goes_after_them() {
    let mut site = Site::new("rests");
    let base = one("base", "B-1", "7.1-E-a");
    let read = Catalogue::bring("base.yaml", base.as_bytes()).unwrap();
    let both = shipped().with([read]).unwrap();
    let above = made("above", "id,title,refs\nA-1,a,B-1\n", &both);
    // The one that rests on the other is on record first: it is in force when the other is.
    std::fs::write(site.file(&digest(&above)), &above).unwrap();
    site.record("above", &digest(&above));
    assert!(site.evidence.refresh().unwrap());
    assert!(site.state("above").1.contains("there is no row B-1"), "{:?}", site.state("above"));
    assert_eq!(site.install(&base).0, 201);
    for start in [false, true] {
        if start {
            site.again();
        }
        let mut own = site.own();
        own.sort();
        assert_eq!(own, ["above", "base"]);
        assert!(site.evidence.refused().is_empty());
        let before = site.length();
        let (status, told) = site.remove("base");
        assert!(status == 0 && told.as_str().unwrap().contains("Rows of above refer"), "{told}");
        let refused = site.entries(before).iter().filter(|e| e.outcome == "refused").count();
        assert_eq!((refused, site.own().len()), (1, 2));
    }
    for (key, left) in [("above", 1), ("base", 0)] {
        assert_eq!((site.remove(key).0, site.own().len()), (204, left), "{key}");
    }
    site.again();
    assert!(site.own().is_empty());
}

#[test]
fn of_two_that_want_the_same_row_one_is_installed() {
    let site = Site::new("same-row");
    for round in 0..6 {
        let texts = ["one", "two"].map(|key| one(key, "X-1", "7.1-E-a"));
        let start = Barrier::new(2);
        let came = std::thread::scope(|scope| {
            let threads = texts.each_ref().map(|text| {
                let (site, start) = (&site, &start);
                scope.spawn(move || {
                    start.wait();
                    site.install(text)
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        let mut statuses = came.each_ref().map(|(status, _)| *status);
        statuses.sort();
        assert_eq!(statuses, [0, 201], "round {round}: {came:?}");
        // Neither is on record and refused: that would be one who was told yes.
        assert!(site.evidence.refused().is_empty(), "round {round}");
        let own = site.own();
        assert_eq!(own.len(), 1, "round {round}: {own:?}");
        assert_eq!(site.remove(&own[0]).0, 204);
    }
}

/// How many rows a standard's counts are of.
fn sum(counted: &Value) -> u64 {
    counted["counts"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// Standard, id and state of the rows of one answer.
fn rows(told: &Value) -> Vec<(&str, &str, &str)> {
    told["clauses"].as_array().unwrap().iter().map(|row| {
        let word = |name: &str| row[name].as_str().unwrap();
        (word("standard"), word("id"), word("state"))
    }).collect()
}

#[test]
fn whoever_reads_meanwhile_has_the_old_set_or_the_new_one() {
    let site = Site::new("meanwhile");
    // The registers as they are lent: the duties of what is in force, each of them recorded.
    let in_force = site.evidence.in_force();
    site.evidence.govern(Arc::new(move || {
        let catalogues = in_force();
        let kept = DutyStanding { last: Some(1), due: i64::MAX };
        let duties = catalogues.duties().map(|(clause, _)| (clause.id.clone(), kept)).collect();
        Registers { duties, catalogues: Some(catalogues), ..Registers::default() }
    }));
    let sample = made("sample", SAMPLE, shipped());
    let whole = shipped().clauses().count();
    // Who has seen it without and with the new rows.
    let seen: [[AtomicBool; 2]; 3] = Default::default();
    let over = AtomicBool::new(false);
    let reads: [fn(&Site, usize) -> bool; 3] = [
        |site, whole| {
            let told = site.get("/v1/clauses");
            let rows = rows(&told);
            let own: Vec<_> = rows.iter().filter(|row| row.0 == "sample").collect();
            assert!([0, ROWS].contains(&own.len()) && rows.len() == whole + own.len(), "{own:?}");
            let state = |id: &str| rows.iter().find(|row| row.1 == id).map(|row| row.2);
            if own.is_empty() {
                return false;
            }
            assert_eq!(state("SR-1.1"), state("7.1-E-a"));
            assert_eq!(state("SR-2.1"), Some("recorded"), "its clause and no duty of it");
            true
        },
        |site, _| {
            let told = site.get("/v1/posture")["posture"].clone();
            let tally = told["standards"].as_array().unwrap().iter().find(|one| one["key"] == "sample");
            let fresh = told["freshness"]["standards"]["sample"].is_object();
            assert_eq!((tally.is_some(), tally.map_or(ROWS as u64, sum)), (fresh, ROWS as u64), "{told}");
            fresh
        },
        |site, whole| {
            let all = site.evidence.catalogues();
            let own = all.get("sample").map_or(0, |one| one.clauses.len());
            let found = all.clauses().filter(|(_, clause)| all.clause(&clause.id) == Some(*clause)).count();
            assert!([0, ROWS].contains(&own) && found == whole + own, "{own} {found}");
            own > 0
        },
    ];
    std::thread::scope(|scope| {
        for (read, seen) in reads.iter().zip(&seen) {
            let (site, over) = (&site, &over);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    seen[usize::from(read(site, whole))].store(true, Ordering::SeqCst);
                }
            });
        }
        for _ in 0..200 {
            assert_eq!(site.install(&sample).0, 201);
            assert_eq!(site.remove("sample").0, 204);
            if seen.iter().flatten().all(|seen| seen.load(Ordering::SeqCst)) {
                break;
            }
        }
        over.store(true, Ordering::SeqCst);
    });
    let seen: Vec<bool> = seen.iter().flatten().map(|seen| seen.load(Ordering::SeqCst)).collect();
    assert_eq!(seen, [true; 6], "somebody never had both");
}

/// The rows of the sample among what the journal says of a moment, and what it counts of it.
fn at(site: &Site, moment: i64) -> (Vec<String>, Option<Value>) {
    let then = site.get(&format!("/v1/posture?at={moment}"))["posture"].clone();
    let names = then["clauses"].as_object().unwrap().keys();
    let all = then["standards"].as_array().unwrap();
    let counted = all.iter().find(|one| one["key"] == "sample").cloned();
    assert_eq!(all.len(), shipped().iter().count() + usize::from(counted.is_some()));
    (names.filter(|name| name.starts_with("SR-")).cloned().collect(), counted)
}

#[test]
fn the_journal_says_from_when_until_when() {
    let mut site = Site::new("journal");
    // A duty that is late from the beginning: the row is in violation as long as it is there.
    let late = |site: &Site| site.evidence.govern(Arc::new(|| Registers {
        duties: [("SR-2.1".to_string(), DutyStanding { last: None, due: 0 })].into(),
        ..Registers::default()
    }));
    late(&site);
    let sample = made("sample", SAMPLE, shipped());
    site.evidence.watch().step();
    site.evidence.assess().unwrap_or_else(|e| panic!("{e}"));
    let now = || cloud::now().0;
    // What came into the journal about catalogues and their rows: one entry says how all of them stand.
    let said = |site: &Site, from: u64| -> (Vec<String>, Vec<usize>) {
        let entries = site.entries(from);
        let about = |entry: &&Entry| {
            entry.action.starts_with("evidence:catalogue:") || entry.action == SEAL
                || (entry.action == CLAUSE && entry.note.as_ref().unwrap()["standard"] == "sample")
        };
        let rows = entries.iter().filter(|entry| entry.action == SEAL).map(|entry| {
            let base = &entry.note.as_ref().unwrap()["base"]["clauses"];
            let names = base.as_object().unwrap().values().flat_map(|names| names.as_array().unwrap());
            names.filter(|name| name.as_str().unwrap().starts_with("SR-")).count()
        });
        let rows = rows.collect();
        let actions = entries.iter().filter(about).map(|entry| entry.action.clone());
        (actions.collect(), rows)
    };
    let without = now();
    let from = site.length();
    assert_eq!(site.install(&sample).0, 201);
    let (told, sealed) = said(&site, from);
    assert_eq!(told, ["evidence:catalogue:create", "evidence:catalogue:load", SEAL]);
    assert_eq!(sealed, [ROWS]);
    let with = now();
    site.later();
    // Another process goes on: nothing begins or ends with it.
    site.again();
    late(&site);
    site.evidence.watch().step();
    site.later();
    let other = now();
    let from = site.length();
    assert_eq!(site.remove("sample").0, 204);
    let (told, sealed) = said(&site, from);
    assert_eq!(told, ["evidence:catalogue:delete", "evidence:catalogue:load", SEAL]);
    assert_eq!(sealed, [0]);
    let gone = now();
    site.later();
    for (moment, rows) in [(without, 0), (with, ROWS), (other, ROWS), (gone, 0)] {
        let (names, counted) = at(&site, moment);
        assert_eq!(names.len(), rows);
        // Of what is not in force any more nobody counts.
        assert_eq!(counted, None);
    }
    assert_eq!(site.install(&sample).0, 201);
    let back = now();
    site.later();
    for (moment, rows) in [(without, 0), (with, ROWS), (other, ROWS), (gone, 0), (back, ROWS)] {
        let (names, counted) = at(&site, moment);
        assert_eq!((names.len(), counted.is_some()), (rows, rows > 0), "{moment}");
        if let Some(counted) = counted {
            assert_eq!((sum(&counted), &counted["unknown"]), (ROWS as u64, &json!(0)), "{counted}");
        }
    }
    // It begins anew, and what was in between is nobody's violation.
    let shown = site.get("/v1/clauses/sample/SR-2.1");
    let history = shown["history"].as_array().unwrap();
    assert_eq!(history.len(), 2, "{shown}");
    assert!(history.iter().all(|one| one["from"].is_null() && one["to"] == "overdue"), "{shown}");
    let violations = site.get("/v1/violations");
    let all = violations["violations"].as_array().unwrap();
    let late = all.iter().find(|one| one["clause"] == "SR-2.1").unwrap();
    assert_eq!((late["times"].as_array().unwrap().len(), &late["lasts"]), (2, &json!(true)), "{late}");
}
