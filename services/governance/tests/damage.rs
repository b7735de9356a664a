//! Files of records that are lost or altered behind the platform's back, on a real store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::World;
use jinyun_base::{Refusal, SeedEntropy, Time};
use jinyun_engine::{Change, Command, Core, Failure, Guard, Queue, Reader, View};
use jinyun_governance::{FileRef, Round, verify_files};
use jinyun_policy::PROVIDER;
use jinyun_rest::Cloud;
use jinyun_store::Writer;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const DUTY: &str = "6.1-B-1";
const CERT: &str = "/v1/duties/6.1-B-1/file?title=assessment";

/// Keeps a file as a record; the record's id, and where the file lies.
fn record(w: &World, who: &str, path: &str, domain: &str, bytes: &[u8]) -> (String, PathBuf) {
    let (status, told) = w.upload(who, path, bytes);
    assert_eq!(status, 201, "{told}");
    let file: FileRef = serde_json::from_value(told["record"]["file"].clone()).unwrap();
    let lies = w.governance.files.path(&domain.into(), &file).unwrap();
    (told["record"]["id"].as_str().unwrap().into(), lies)
}

fn look(w: &World, who: &str, kind: &str, id: &str) -> Value {
    w.ok(who, "GET", &format!("/v1/{kind}/{id}"), Value::Null)
}

/// A pass over everything: of how many records something else was found.
fn pass(w: &World) -> usize {
    verify_files(&w.governance, &w.cloud, &mut Round::default()).unwrap()
}

/// How a duty stands: state, last, due, damaged records.
fn stands(w: &World, who: &str, id: &str) -> [Value; 4] {
    let duty = look(w, who, "duties", id);
    ["state", "last", "due", "damaged"].map(|name| duty[name].clone())
}

/// Takes away what lies in a file's place, and puts something else there.
fn put(path: &Path, bytes: Option<&[u8]>) {
    if path.symlink_metadata().is_ok_and(|about| about.is_dir()) {
        fs::remove_dir(path).unwrap();
    } else if path.symlink_metadata().is_ok() {
        fs::remove_file(path).unwrap();
    }
    if let Some(bytes) = bytes {
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn a_record_counts_only_while_its_file_is_what_it_says() {
    let w = World::new();
    let (id, path) = record(&w, "sec1", CERT, PROVIDER, b"scanned");
    w.go("2026-03-03");
    let whole = [json!("recorded"), json!("2026-01-31"), json!("2026-07-31"), json!([])];
    let broken = [json!("overdue"), Value::Null, json!("2026-03-02"), json!([id])];
    assert_eq!((pass(&w), stands(&w, "aud", DUTY)), (0, whole.clone()));

    type Sabotage = fn(&Path);
    let cases: [(&str, Sabotage); 6] = [
        ("altered", |path| put(path, Some(b"scanneD"))),
        ("altered", |path| put(path, Some(b"scanned, and more"))),
        ("altered", |path| put(path, Some(b""))),
        ("lost", |path| put(path, None)),
        ("altered", |path| {
            put(path, None);
            fs::create_dir(path).unwrap();
        }),
        ("altered", |path| {
            // The right bytes, but where somebody else can change them.
            let away = path.with_extension("away");
            fs::rename(path, &away).unwrap();
            std::os::unix::fs::symlink(away, path).unwrap();
        }),
    ];
    let count = cases.len();
    for (n, (want, sabotage)) in cases.into_iter().enumerate() {
        sabotage(&path);
        assert_eq!((pass(&w), pass(&w)), (1, 0), "{n} {want}: found, and told once");
        assert_eq!(stands(&w, "aud", DUTY), broken, "{n} {want}");
        let standing = w.view(|v| w.governance.book().duties.standing(v));
        assert_eq!(standing[DUTY].last, None, "{n} {want}: evidence is told the same");
        let shown = look(&w, "aud", "records", &id);
        assert_eq!((&shown["damage"], &shown["withdrawn"]), (&json!(want), &Value::Null), "{n}");
        assert!(shown["damaged_at"].as_str().unwrap().starts_with("2026-03-03T04:00"), "{shown}");
        for (filter, many) in [(want, 1), ("unreadable", 0)] {
            let list = format!("/v1/records?damage={filter}");
            assert_eq!(w.ok("aud", "GET", &list, Value::Null).as_array().unwrap().len(), many);
        }
        let listed = w.ok("aud", "GET", "/v1/duties?state=overdue", Value::Null);
        assert!(listed.as_array().unwrap().iter().any(|d| d["damaged"] == json!([id])), "{listed}");

        put(&path, Some(b"scanned"));
        assert_eq!((pass(&w), pass(&w)), (1, 0), "{n} {want}: and that it is back");
        assert_eq!(stands(&w, "aud", DUTY), whole, "{n} {want}");
        let shown = look(&w, "aud", "records", &id);
        assert_eq!((&shown["damage"], &shown["damaged_at"]), (&Value::Null, &Value::Null), "{n}");
    }

    let entries = w.entries();
    let told = |word: &str| {
        let action = format!("governance:duty_record:{word}");
        entries.iter().filter(|entry| entry.action == action).collect::<Vec<_>>()
    };
    assert_eq!((told("damage").len(), told("restore").len()), (count, count));
    for entry in told("damage").into_iter().chain(told("restore")) {
        let target = entry.target.as_ref().unwrap();
        assert_eq!((target.id.as_str(), entry.institution.id.as_str()), (id.as_str(), PROVIDER));
        assert_eq!(entry.note.as_ref().unwrap()["duty"], json!(DUTY));
    }
    assert_eq!(told("damage")[3].note.as_ref().unwrap()["found"], json!("lost"));
}

#[test]
fn a_disk_that_gives_nothing_out_is_told_and_is_a_fault() {
    let w = World::new();
    let (id, path) = record(&w, "sec1", CERT, PROVIDER, b"scanned");
    let dir = path.parent().unwrap();
    let away = dir.with_extension("away");
    let found = || look(&w, "aud", "records", &id)["damage"].clone();
    let shut = || {
        fs::rename(dir, &away).unwrap();
        fs::write(dir, "no directory").unwrap();
    };
    let open = || {
        fs::remove_file(dir).unwrap();
        fs::rename(&away, dir).unwrap();
    };
    // A disk that is away for a moment takes no record away, however often, with a good look between.
    let mut round = Round::default();
    let mut passes = || verify_files(&w.governance, &w.cloud, &mut round);
    for _ in 0..2 {
        shut();
        assert!(passes().is_err());
        open();
        assert_eq!((passes().unwrap(), found()), (0, Value::Null));
    }
    shut();
    assert!(passes().is_err());
    assert_eq!(found(), Value::Null, "one look");
    for _ in 0..2 {
        assert!(passes().is_err());
        assert_eq!(found(), json!("unreadable"));
    }
    open();
    assert_eq!((passes().unwrap(), found()), (1, Value::Null));
    let damage = "governance:duty_record:damage";
    assert_eq!(w.entries().iter().filter(|entry| entry.action == damage).count(), 1);
}

/// Refuses to change records, while it is told to.
struct Refuses(Arc<AtomicBool>);

impl Guard for Refuses {
    fn watches(&self, kind: &str) -> bool {
        kind == "duty_record"
    }

    fn judge(&self, _: &mut View<'_>, _: &Command, _: &[Change], _: Time) -> Result<(), Failure> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(Refusal::conflict("not now").into()),
            false => Ok(()),
        }
    }
}

#[test]
fn what_is_refused_is_not_asked_for_in_every_pass() {
    let w = World::new();
    let (id, path) = record(&w, "sec1", CERT, PROVIDER, b"scanned");
    // The same state under a control process whose rules say no.
    let refuses = Arc::new(AtomicBool::new(true));
    let mut registry = common::registry();
    registry.guard = Some(Arc::new(Refuses(refuses.clone())));
    let registry = Arc::new(registry);
    let writer = Writer::open(&w.config, "another").unwrap();
    let core = Core::new(writer, registry.clone(), Box::new(SeedEntropy::new(6)));
    let (handle, queue) = Queue::new();
    let now = w.now();
    std::thread::spawn(move || queue.serve(core, move || now));
    let reader = Reader::new(w.config.clone(), registry, handle.clone());
    let cloud = Cloud { reader, handle };
    let mut round = Round::default();
    let mut passes = |many: usize| -> Vec<usize> {
        (0..many).map(|_| verify_files(&w.governance, &cloud, &mut round).unwrap()).collect()
    };
    let told = || {
        let all = w.entries();
        let damage = all.iter().filter(|entry| entry.action == "governance:duty_record:damage");
        damage.map(|entry| entry.outcome.clone()).collect::<Vec<_>>()
    };
    put(&path, None);
    assert_eq!((passes(3), told().len()), (vec![0; 3], 1), "once");
    put(&path, Some(b"scammed"));
    assert_eq!((passes(3), told().len()), (vec![0; 3], 2), "it is something else");
    put(&path, Some(b"scanned"));
    assert_eq!((passes(2), told().len()), (vec![0; 2], 2), "all is well");
    put(&path, Some(b"scammed"));
    assert_eq!((passes(2), told().len()), (vec![0; 2], 3), "and again not");
    assert!(told().iter().all(|outcome| outcome == "refused"), "{:?}", told());
    // Sooner or later it is asked for again: a record must not count for ever by a rule of one day.
    refuses.store(false, Ordering::SeqCst);
    assert_eq!(passes(60).into_iter().sum::<usize>(), 1);
    assert_eq!(told().last().map(String::as_str), Some("done"));
    assert_eq!(look(&w, "aud", "records", &id)["damage"], json!("altered"));
}

#[test]
fn what_was_recorded_before_counts_again_and_the_right_file_can_be_brought_again() {
    let w = World::new();
    let older = format!("{CERT}&to=2026-01-15");
    record(&w, "sec1", &older, PROVIDER, b"the one before");
    let (first, path) = record(&w, "sec1", CERT, PROVIDER, b"scanned");
    let (second, _) = record(&w, "sec1", CERT, PROVIDER, b"scanned");
    put(&path, Some(b"scammed"));
    assert_eq!(pass(&w), 2, "both records name it");
    let [state, last, due, damaged] = stands(&w, "aud", DUTY);
    assert_eq!((state, last), (json!("recorded"), json!("2026-01-15")));
    assert_eq!(due, json!("2026-07-15"));
    let mut ids: Vec<&str> = damaged.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    ids.sort_unstable();
    let mut both = [first.as_str(), second.as_str()];
    both.sort_unstable();
    assert_eq!(ids, both);

    // One that is withdrawn counts for nothing whatever its file is.
    let why = json!({ "withdrawal": { "reason": "the wrong site" } });
    w.ok("sec1", "POST", &format!("/v1/records/{first}/withdraw"), why);
    assert_eq!(stands(&w, "aud", DUTY)[3], json!([second]));

    // Whoever has the right one brings it as a new record, which counts at once.
    record(&w, "sec1", CERT, PROVIDER, b"scanned");
    assert_eq!(stands(&w, "aud", DUTY)[..3], [json!("recorded"), json!("2026-01-31"),
        json!("2026-07-31")]);
    assert_eq!(pass(&w), 2);
    assert_eq!(stands(&w, "aud", DUTY)[3], json!([]));
    assert_eq!(look(&w, "aud", "records", &first)["damage"], Value::Null);
}

#[test]
fn one_institutions_file_is_not_anothers() {
    let w = World::new();
    let (_, ours) = record(&w, "sec1", CERT, PROVIDER, b"scanned");
    let own = "/v1/duties/7.9-B-a@bank/file?title=a+plan";
    let (id, theirs) = record(&w, "may@bank", own, "bank", b"scanned");
    put(&ours, None);
    assert_eq!(pass(&w), 1);
    assert_eq!(look(&w, "may@bank", "records", &id)["damage"], Value::Null);
    put(&theirs, Some(b"scammed"));
    assert_eq!(pass(&w), 1);
    let found = look(&w, "may@bank", "records", &id);
    assert_eq!(found["damage"], json!("altered"), "{found}");
    assert_eq!(stands(&w, "may@bank", "7.9-B-a@bank")[0], json!("unscheduled"));
    // What is found about an institution's file stands in its own sequence.
    let entries = w.entries();
    let institutions: Vec<&str> = entries.iter()
        .filter(|entry| entry.action == "governance:duty_record:damage")
        .map(|entry| entry.institution.id.as_str()).collect();
    assert_eq!(institutions, [PROVIDER, "bank"]);
}

#[test]
fn a_pass_reads_so_much_and_the_next_one_goes_on() {
    let w = World::new();
    let lost: Vec<PathBuf> = [&b"one"[..], b"two", b"three"].into_iter()
        .map(|bytes| record(&w, "sec1", CERT, PROVIDER, bytes).1).collect();
    let mut round = Round::of(1);
    let mut passes = |many: usize| -> Vec<usize> {
        (0..many).map(|_| verify_files(&w.governance, &w.cloud, &mut round).unwrap()).collect()
    };
    assert_eq!(passes(4), [0; 4]);
    lost.iter().for_each(|path| put(path, None));
    // Three files, a pass each, wherever the round stands.
    assert_eq!(passes(4), [1, 1, 1, 0]);
    assert_eq!(stands(&w, "aud", DUTY)[3].as_array().unwrap().len(), 3);
    // A round that may read all of it needs one pass.
    lost.iter().zip(["one", "two", "three"]).for_each(|(path, text)| put(path, Some(text.as_bytes())));
    assert_eq!(pass(&w), 3);
    assert_eq!(passes(3), [0; 3]);
}
