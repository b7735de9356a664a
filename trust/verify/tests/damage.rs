//! Good and damaged exports, judged by this verifier and by the one in Python.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod journal;

use jinyun_base::{Entropy, SeedEntropy};
use jinyun_journal::note::Key;
use jinyun_verify::{Report, verify};
use journal::{Log, entries, kms, log, sealed};
use std::process::Command;

impl Log {
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
    let forger = Log { kms: kms(&other_dir, 10), dir: other_dir, entries: log.entries.clone() };
    let report = log.both(&forger.export(&log.entries, 0, &[30]), &[]);
    assert!(report.problems.iter().any(|p| p.what == "signature"), "{report:?}");
}

#[test]
fn a_history_rewritten_with_the_providers_own_key_contradicts_a_kept_checkpoint() {
    let log = log("rewritten", 30);
    let kept = log.notes(&log.entries, 20);
    // Everything is made anew and signed by the right key: inside, nothing is wrong.
    let mut other = Log {
        kms: kms(&log.dir, 9),
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
        kms: kms(&log.dir, 9),
        dir: log.dir.join("cut"),
        entries: short,
    };
    std::fs::create_dir_all(&cut.dir).unwrap();
    let export = cut.export(&cut.entries, 0, &[25]);
    let report = log.both(&export, &late);
    assert!(report.problems.iter().any(|p| p.what == "checkpoint" && p.at == Some(25)), "{report:?}");
}

#[test]
fn checkpoints_have_an_order_and_stand_once() {
    let log = log("order", 12);
    let (early, late) = (log.notes(&log.entries, 5), log.notes(&log.entries, 12));
    let files = [
        (vec![&early[0], &early[1], &late[0], &late[1]], true),
        (vec![&late[0], &late[1], &early[0], &early[1]], false),
        (vec![&early[1], &early[0], &late[0], &late[1]], false),
        (vec![&early[0], &early[0], &early[1], &late[0], &late[1]], false),
        (vec![&early[0], &early[1], &late[0], &late[1], &late[1]], false),
    ];
    for (notes, good) in files {
        let notes: Vec<String> = notes.into_iter().cloned().collect();
        let report = log.both(&log.export_with(&log.entries, 0, notes), &[]);
        assert_eq!(report.ok, good, "{report:?}");
        let told = report.problems.iter().any(|p| p.say.contains("twice or not in its order"));
        assert_eq!(told, !good, "{report:?}");
    }
}
