//! Good and damaged exports, judged by this verifier and by the one in Python.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_base::{Entropy, SeedEntropy};
use jinyun_journal::entry::{Actor, Entry, Institution, Leaf, canonical};
use jinyun_journal::export::{self, Period};
use jinyun_journal::merkle::{HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Key, Note};
use jinyun_kms::Kms;
use jinyun_verify::{Report, verify};
use sha2::Digest;
use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;

struct Log {
    kms: Kms,
    dir: PathBuf,
    entries: Vec<Vec<u8>>,
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn entries(n: u64) -> Vec<Vec<u8>> {
    let mut last: HashMap<&str, (u64, Leaf)> = HashMap::new();
    (0..n).map(|number| {
        let domain = ["bank", "fund", "default"][(number % 3) as usize];
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
            number,
            outcome: "done".into(),
            reason: None,
            request: format!("req-{number}"),
            source: Some("127.0.0.1".into()),
            target: None,
            time: 1_700_000_000_000_000 + number as i64,
        };
        let bytes = canonical(&entry).unwrap().into_bytes();
        let place = entry.institution.number;
        last.insert(domain, (place, Leaf::of(&bytes)));
        bytes
    }).collect()
}

fn log(name: &str, n: u64) -> Log {
    let dir = std::env::temp_dir().join(format!("jyverify-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let kms = Kms::open(&dir.join("keys.json"), "tour", Box::new(SeedEntropy::new(9))).unwrap();
    Log { kms, dir, entries: entries(n) }
}

impl Log {
    fn keys(&self) -> Vec<Key> {
        self.kms.journal_keys().to_vec()
    }

    /// Signed notes over the first `size` of these entries.
    fn notes(&self, entries: &[Vec<u8>], size: usize) -> Vec<String> {
        HashKind::BOTH.into_iter().map(|kind| {
            let mut tree = Tree::new(kind);
            entries[..size].iter().for_each(|e| tree.push(kind.leaf(e)));
            let checkpoint = Checkpoint {
                instance: "tour".into(), epoch: 0, kind, size: size as u64, root: tree.root(),
                time: 1, clock: "system".into(), offset: 0,
            };
            let text = checkpoint.text();
            Note { signatures: self.kms.sign(kind, &text).unwrap(), text }.render()
        }).collect()
    }

    fn export(&self, entries: &[Vec<u8>], from: usize, marks: &[usize]) -> Vec<u8> {
        let notes: Vec<String> = marks.iter().flat_map(|m| self.notes(&self.entries, *m)).collect();
        self.export_with(entries, from, notes)
    }

    fn export_with(&self, entries: &[Vec<u8>], from: usize, notes: Vec<String>) -> Vec<u8> {
        let period = Period {
            instance: "tour".into(), epoch: 0, from: from as u64, to: self.entries.len() as u64,
        };
        let mut out = Vec::new();
        let leaves = self.entries[..from].iter().map(|e| Leaf::of(e));
        export::write(&mut out, &period, leaves, entries[from..].iter().cloned(), &notes).unwrap();
        out
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
        ours
    }
}

fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let cut = body[..body.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    body.truncate(cut);
    let sum = jinyun_journal::to_hex(&sha2::Sha256::digest(&body));
    body.extend(format!("end {sum}\n").into_bytes());
    body
}

#[test]
fn a_good_export_is_good_whole_or_in_part() {
    let log = log("good", 40);
    for (from, marks) in [(0, vec![10, 25, 40]), (13, vec![25, 40]), (39, vec![40])] {
        let report = log.both(&log.export(&log.entries, from, &marks), &[]);
        assert_eq!(report.problems, [], "from {from}");
        assert_eq!(report.entries, 40 - from as u64);
        assert_eq!(report.signers.len(), 2);
    }
    let kept = log.notes(&log.entries, 20);
    assert!(log.both(&log.export(&log.entries, 0, &[40]), &kept).ok);
}

#[test]
fn every_flipped_byte_is_found() {
    let log = log("flip", 12);
    let export = log.export(&log.entries, 3, &[6, 12]);
    let keys = log.keys();
    for i in 0..export.len() {
        let mut bad = export.clone();
        bad[i] ^= [1, 0x20][i % 2];
        assert!(!verify(&bad, &keys, &[]).ok, "byte {i}");
    }
    // The sum made anew, as somebody who means harm would: entries and signed notes still tell.
    let tail = export.windows(5).position(|w| w == b"proof").unwrap();
    for i in 0..tail {
        let mut bad = export.clone();
        bad[i] ^= 1;
        assert!(!verify(&sealed(bad), &keys, &[]).ok, "byte {i} under a new sum");
    }
    // The second verifier sees the same on a sample.
    let mut dice = SeedEntropy::new(4);
    for _ in 0..25 {
        let mut bad = export.clone();
        let i = dice.below(bad.len() as u64) as usize;
        bad[i] ^= 1 << dice.below(7);
        if bad != export {
            assert!(!log.both(&bad, &[]).ok, "byte {i}");
        }
    }
}

#[test]
fn what_was_done_is_named() {
    let log = log("named", 30);
    // Changed: entry 7, told by the institution's next entry.
    let mut changed = log.entries.clone();
    changed[7] = String::from_utf8(changed[7].clone()).unwrap().replace("ann", "eve").into_bytes();
    let report = log.both(&log.export(&changed, 0, &[5, 10, 30]), &[]);
    assert!(report.problems.iter().any(|p| p.what == "institution" && p.at == Some(7)),
        "{report:?}");
    assert!(report.problems.iter().any(|p| p.say.contains("entries 5 to 9")), "{report:?}");
    // Removed: the numbers tell.
    let mut removed = log.entries.clone();
    removed.remove(12);
    let report = log.both(&log.export(&removed, 0, &[30]), &[]);
    assert!(report.problems.iter().any(|p| p.what == "number" && p.at == Some(12)), "{report:?}");
    // Reordered.
    let mut moved = log.entries.clone();
    moved.swap(20, 21);
    let report = log.both(&log.export(&moved, 0, &[30]), &[]);
    assert!(report.problems.iter().any(|p| p.what == "number" && p.at == Some(20)), "{report:?}");
    // Forged by somebody with other keys.
    let other_dir = log.dir.join("other");
    std::fs::create_dir_all(&other_dir).unwrap();
    let path = other_dir.join("keys.json");
    let kms = Kms::open(&path, "tour", Box::new(SeedEntropy::new(10))).unwrap();
    let forger = Log { kms, dir: other_dir, entries: log.entries.clone() };
    let report = log.both(&forger.export(&log.entries, 0, &[30]), &[]);
    assert!(report.problems.iter().any(|p| p.what == "signature"), "{report:?}");
}

#[test]
fn a_history_rewritten_with_the_providers_own_key_contradicts_a_kept_checkpoint() {
    let log = log("rewritten", 30);
    let kept = log.notes(&log.entries, 20);
    // Everything is made anew and signed by the right key: inside, nothing is wrong.
    let mut other = Log {
        kms: Kms::open(&log.dir.join("keys.json"), "tour", Box::new(SeedEntropy::new(9))).unwrap(),
        dir: log.dir.join("again"),
        entries: entries(31)[..30].to_vec(),
    };
    std::fs::create_dir_all(&other.dir).unwrap();
    let mut text = String::from_utf8(other.entries[29].clone()).unwrap();
    text = text.replace("req-29", "req-00");
    other.entries[29] = text.into_bytes();
    let export = other.export(&other.entries, 0, &[30]);
    assert!(log.both(&export, &[]).ok, "nothing inside tells");
    assert!(log.both(&export, &kept).ok, "what came before the checkpoint is the same");
    let late = log.notes(&log.entries, 30);
    let report = log.both(&export, &late);
    assert!(report.problems.iter().any(|p| p.what == "root" && p.say.contains("kept outside")),
        "{report:?}");
    // Truncated behind a kept checkpoint.
    let mut short = log.entries.clone();
    short.truncate(25);
    let cut = Log {
        kms: Kms::open(&log.dir.join("keys.json"), "tour", Box::new(SeedEntropy::new(9))).unwrap(),
        dir: log.dir.join("cut"),
        entries: short,
    };
    std::fs::create_dir_all(&cut.dir).unwrap();
    let export = cut.export(&cut.entries, 0, &[25]);
    let report = log.both(&export, &late);
    assert!(report.problems.iter().any(|p| p.what == "checkpoint" && p.at == Some(25)), "{report:?}");
}
