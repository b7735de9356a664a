//! Exports of one institution's entries, good and damaged, judged by this verifier and by the one in
//! Python.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_base::SeedEntropy;
use jinyun_journal::entry::{Actor, Entry, Institution, Leaf, canonical};
use jinyun_journal::export::{Part, PartWriter, pieces};
use jinyun_journal::merkle::{self, HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Key, Note};
use jinyun_kms::Kms;
use jinyun_verify::{Report, verify};
use sha2::Digest;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

const SIZE: usize = 45;

struct Log {
    kms: Kms,
    dir: PathBuf,
    entries: Vec<Vec<u8>>,
    /// Whose entry each is.
    owners: Vec<&'static str>,
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn log(name: &str, change: Option<usize>) -> Log {
    let dir = std::env::temp_dir().join(format!("jypart-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let kms = Kms::open(&dir.join("keys.json"), "tour", Box::new(SeedEntropy::new(9))).unwrap();
    let (mut entries, mut owners) = (Vec::new(), Vec::new());
    let mut last: HashMap<&str, (u64, Leaf)> = HashMap::new();
    for n in 0..SIZE {
        let domain = ["bank", "fund", "default"][n * n % 7 % 3];
        let before = last.get(domain);
        let entry = Entry {
            action: "network:port:create".into(),
            actor: Actor { domain: domain.into(), id: "ann".into(), kind: "user".into() },
            approval: None,
            effects: vec![],
            institution: Institution {
                id: domain.into(),
                number: before.map_or(0, |b| b.0 + 1),
                previous: before.map(|b| b.1.previous()),
            },
            note: None,
            number: n as u64,
            outcome: "done".into(),
            reason: None,
            request: if change == Some(n) { "other".into() } else { format!("req-{n}") },
            source: None,
            target: None,
            time: 1_700_000_000_000_000 + n as i64,
        };
        let bytes = canonical(&entry).unwrap().into_bytes();
        last.insert(domain, (entry.institution.number, Leaf::of(&bytes)));
        entries.push(bytes);
        owners.push(domain);
    }
    Log { kms, dir, entries, owners }
}

impl Log {
    fn keys(&self) -> Vec<Key> {
        self.kms.journal_keys().to_vec()
    }

    fn notes(&self, size: usize) -> Vec<String> {
        HashKind::BOTH.into_iter().map(|kind| {
            let mut tree = Tree::new(kind);
            self.entries[..size].iter().for_each(|e| tree.push(kind.leaf(e)));
            let checkpoint = Checkpoint {
                instance: "tour".into(), epoch: 0, kind, size: size as u64, root: tree.root(),
                time: 1, clock: "system".into(), offset: 0,
            };
            let text = checkpoint.text();
            Note { signatures: self.kms.sign(kind, &text).unwrap(), text }.render()
        }).collect()
    }

    fn numbers(&self, institution: &str) -> Vec<usize> {
        (0..self.entries.len()).filter(|n| self.owners[*n] == institution).collect()
    }

    /// The institution's entries `from..to` by its own numbers, cut at the size of a checkpoint.
    fn export(&self, institution: &str, from: usize, to: usize, cut: usize) -> Vec<u8> {
        let own = &self.numbers(institution)[from..to];
        let size = self.entries.len();
        let mut writer = PartWriter::new(&Part {
            instance: "tour".into(), epoch: 0, institution: institution.into(),
            from: from as u64, to: to as u64, size: size as u64,
        });
        let mut position = 0;
        for n in own.iter().copied().chain([size]) {
            let cut = cut.clamp(position, n) as u64;
            for (at, level) in
                pieces(position as u64, cut).into_iter().chain(pieces(cut, n as u64))
            {
                let some = &self.entries[at as usize..at as usize + (1 << level)];
                let root = |kind: HashKind| {
                    let leaves: Vec<_> = some.iter().map(|e| kind.leaf(e)).collect();
                    merkle::root(kind, &leaves)
                };
                let leaf = Leaf { sha256: root(HashKind::Sha256), sm3: root(HashKind::Sm3) };
                writer.skip(level, &leaf);
            }
            if n < size {
                writer.entry(&self.entries[n]);
            }
            position = n + 1;
        }
        writer.finish(&self.notes(size));
        writer.take()
    }

    /// Both verdicts, which must agree on good and bad.
    fn both(&self, export: &[u8], kept: &[String]) -> Report {
        let ours = verify(export, &self.keys(), kept);
        let keys: Vec<String> = self.keys().iter().map(Key::line).collect();
        std::fs::write(self.dir.join("keys"), keys.join("\n") + "\n").unwrap();
        std::fs::write(self.dir.join("export"), export).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/verify.py");
        let mut python = Command::new("python3");
        python.arg(script).arg("--keys").arg(self.dir.join("keys"));
        for (i, note) in kept.iter().enumerate() {
            let path = self.dir.join(format!("kept{i}"));
            std::fs::write(&path, note).unwrap();
            python.arg("--checkpoint").arg(path);
        }
        let out = python.arg(self.dir.join("export")).output().unwrap();
        let theirs: serde_json::Value = serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)));
        assert_eq!(theirs["ok"], ours.ok, "the two verifiers disagree: {theirs} {ours:?}");
        assert!(!ours.ok || theirs["entries"] == ours.entries, "{theirs} {ours:?}");
        ours
    }
}

/// The same keys once more.
fn again(log: &Log) -> Kms {
    Kms::open(&log.dir.join("keys.json"), "tour", Box::new(SeedEntropy::new(9))).unwrap()
}

/// The same lines with a sum that fits.
fn sealed(lines: &[&[u8]]) -> Vec<u8> {
    let mut body = lines.join(&b'\n');
    body.push(b'\n');
    let sum = jinyun_journal::to_hex(&sha2::Sha256::digest(&body));
    body.extend(format!("end {sum}\n").into_bytes());
    body
}

fn lines(export: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = export.split(|b| *b == b'\n').collect();
    lines.truncate(lines.len() - 2);
    lines
}

#[test]
fn a_good_one_is_good_whole_or_in_part_and_shows_nothing_of_others() {
    let log = log("good", None);
    for institution in ["bank", "fund", "default"] {
        let all = log.numbers(institution).len();
        for (from, to) in [(0, all), (1, all - 1), (all - 1, all)] {
            let export = log.export(institution, from, to, SIZE);
            let report = log.both(&export, &[]);
            assert_eq!(report.problems, [], "{institution} {from} to {to}");
            assert_eq!(report.entries, (to - from) as u64);
            assert_eq!(report.signers.len(), 2);
            let text = String::from_utf8(export).unwrap();
            for other in ["bank", "fund", "default"].iter().filter(|o| **o != institution) {
                assert!(!text.contains(*other), "{institution} sees {other}");
            }
        }
    }
}

#[test]
fn every_flipped_byte_is_found() {
    let log = log("flip", None);
    let export = log.export("bank", 1, 6, SIZE);
    let keys = log.keys();
    for i in 0..export.len() {
        let mut bad = export.clone();
        bad[i] ^= [1, 0x20][i % 2];
        assert!(!verify(&bad, &keys, &[]).ok, "byte {i}");
        if i.is_multiple_of(97) {
            assert!(!log.both(&bad, &[]).ok, "byte {i}");
        }
    }
    // With a sum made anew, as somebody who means harm would: a line left out, doubled, changed.
    let lines = lines(&export);
    for i in 1..lines.len() {
        let mut without = lines.clone();
        without.remove(i);
        assert!(!log.both(&sealed(&without), &[]).ok, "without line {i}");
        let mut twice = lines.clone();
        twice.insert(i, lines[i]);
        assert!(!verify(&sealed(&twice), &keys, &[]).ok, "line {i} twice");
        let mut line = lines[i].to_vec();
        let middle = line.len() / 2;
        line[middle] ^= 1;
        let mut changed = lines.clone();
        changed[i] = &line;
        assert!(!verify(&sealed(&changed), &keys, &[]).ok, "line {i} changed");
    }
}

#[test]
fn what_was_done_is_named() {
    let log = log("named", None);
    let export = log.export("fund", 0, 5, SIZE);
    let lines = lines(&export);
    let places: Vec<usize> = (0..lines.len()).filter(|i| lines[*i].starts_with(b"{\"a")).collect();
    // An entry is changed: the institution's next one tells.
    let text = String::from_utf8(lines[places[1]].to_vec()).unwrap().replace("ann", "eve");
    let mut changed = lines.clone();
    changed[places[1]] = text.as_bytes();
    let report = log.both(&sealed(&changed), &[]);
    let at = Some(log.numbers("fund")[1] as u64);
    assert!(report.problems.iter().any(|p| p.what == "institution" && p.at == at), "{report:?}");
    assert!(report.problems.iter().any(|p| p.what == "root"), "{report:?}");
    // Another institution's entries under this one's name.
    let header = String::from_utf8(lines[1].to_vec()).unwrap().replace("fund", "bank");
    let mut other = lines.clone();
    other[1] = header.as_bytes();
    let report = log.both(&sealed(&other), &[]);
    assert!(report.problems.iter().any(|p| p.what == "institution"), "{report:?}");
    // An entry of the institution hidden among what is passed over: its numbers have a gap.
    let own = log.numbers("fund");
    let mut writer = PartWriter::new(&Part {
        instance: "tour".into(), epoch: 0, institution: "fund".into(), from: 0, to: 2, size: 45,
    });
    let mut position = 0;
    for n in [own[0], own[2], SIZE] {
        for (at, level) in pieces(position as u64, n as u64) {
            let some = &log.entries[at as usize..at as usize + (1 << level)];
            let root = |kind: HashKind| {
                merkle::root(kind, &some.iter().map(|e| kind.leaf(e)).collect::<Vec<_>>())
            };
            let leaf = Leaf { sha256: root(HashKind::Sha256), sm3: root(HashKind::Sm3) };
            writer.skip(level, &leaf);
        }
        if n < SIZE {
            writer.entry(&log.entries[n]);
        }
        position = n + 1;
    }
    writer.finish(&log.notes(SIZE));
    let report = log.both(&writer.take(), &[]);
    assert!(report.problems.iter().any(|p| p.what == "institution"), "{report:?}");
    // Signed by somebody else's keys.
    let dir = log.dir.join("other");
    std::fs::create_dir_all(&dir).unwrap();
    let kms = Kms::open(&dir.join("keys.json"), "tour", Box::new(SeedEntropy::new(10))).unwrap();
    let forger = Log { kms, dir, entries: log.entries.clone(), owners: log.owners.clone() };
    let report = log.both(&forger.export("fund", 0, 5, SIZE), &[]);
    assert!(report.problems.iter().any(|p| p.what == "signature"), "{report:?}");
}

#[test]
fn a_rewritten_history_contradicts_a_kept_checkpoint_if_the_file_is_cut_there() {
    let log = log("rewritten", None);
    let own = log.numbers("bank");
    let changed = (0..SIZE).find(|n| log.owners[*n] != "bank" && *n > own[2]).unwrap();
    let mut other = self::log("rewritten-other", Some(changed));
    other.kms = again(&log);
    // Signed by the right key: inside, nothing is wrong.
    let export = other.export("bank", 0, own.len(), 40);
    assert!(log.both(&export, &[]).ok, "nothing inside tells");
    assert!(log.both(&log.export("bank", 0, own.len(), 40), &log.notes(40)).ok);
    let report = log.both(&export, &log.notes(40));
    assert!(report.problems.iter().any(|p| p.what == "root"), "{report:?}");
    // A checkpoint in the middle of what is passed over at once cannot be compared, and that is said.
    let export = log.export("bank", 0, 1, SIZE);
    let report = log.both(&export, &log.notes(40 + 1));
    assert!(report.problems.iter().all(|p| p.say.contains("compare=41")), "{report:?}");
    assert!(!report.ok);
    // One of more entries than there are by now.
    let cut = Log {
        kms: again(&log),
        dir: log.dir.join("cut"),
        entries: log.entries[..30].to_vec(),
        owners: log.owners.clone(),
    };
    std::fs::create_dir_all(&cut.dir).unwrap();
    let report = cut.both(&cut.export("bank", 0, 5, 30), &log.notes(SIZE));
    assert!(report.problems.iter().any(|p| p.what == "checkpoint" && p.at == Some(30)), "{report:?}");
}
