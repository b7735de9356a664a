//! What the tests of reports share: samples, and an instance's journal and keys.

#![allow(dead_code)]

use jinyun_base::SeedEntropy;
use jinyun_journal::entry::{Actor, Entry, Institution, Leaf, canonical};
use jinyun_journal::export::{self, Period};
use jinyun_journal::merkle::{HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Key, Note};
use jinyun_kms::Kms;
use jinyun_report::model::Assessment;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// When every report of the tests is made.
pub const MADE: i64 = 1_790_812_800_000_000;

/// A file of `tests/data`.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

pub fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(data(name)).unwrap()).unwrap()
}

pub fn assessment(name: &str) -> Assessment {
    Assessment::read(&json(name)).unwrap()
}

/// A directory that goes away.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let dir = std::env::temp_dir().join(format!("jyreport-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Keys of the instance "tour".
pub fn kms(dir: &Path) -> Kms {
    Kms::open(&dir.join("keys.json"), "tour", Box::new(SeedEntropy::new(9))).unwrap()
}

pub fn keys(kms: &Kms) -> Vec<Key> {
    kms.journal_keys().to_vec()
}

/// Both signatures over a text.
pub fn sign(kms: &Kms, text: &str) -> Result<Vec<(String, [u8; 4], Vec<u8>)>, jinyun_base::Fault> {
    let mut signatures = kms.sign(HashKind::Sha256, text)?;
    signatures.extend(kms.sign(HashKind::Sm3, text)?);
    Ok(signatures)
}

fn entries(n: u64) -> Vec<Vec<u8>> {
    let mut before: Option<Leaf> = None;
    (0..n).map(|number| {
        let entry = Entry {
            action: "network:port:create".into(),
            actor: Actor { domain: "bank".into(), id: "ann".into(), kind: "user".into() },
            approval: None,
            effects: vec![],
            institution: Institution {
                id: "bank".into(),
                number,
                previous: before.map(|b| b.previous()),
            },
            note: None,
            number,
            outcome: "done".into(),
            reason: None,
            request: format!("req-{number}"),
            source: None,
            target: None,
            time: 1_700_000_000_000_000 + number as i64,
        };
        let bytes = canonical(&entry).unwrap().into_bytes();
        before = Some(Leaf::of(&bytes));
        bytes
    }).collect()
}

/// Signed checkpoints over the first entries.
pub fn notes(kms: &Kms, size: u64) -> Vec<String> {
    HashKind::BOTH.into_iter().map(|kind| {
        let mut tree = Tree::new(kind);
        entries(size).iter().for_each(|e| tree.push(kind.leaf(e)));
        let checkpoint = Checkpoint {
            instance: "tour".into(), epoch: 0, kind, size, root: tree.root(), time: MADE,
            clock: "system".into(), offset: 0,
        };
        let text = checkpoint.text();
        Note { signatures: kms.sign(kind, &text).unwrap(), text }.render()
    }).collect()
}

/// An export of so many entries.
pub fn export(kms: &Kms, size: u64) -> Vec<u8> {
    let period = Period { instance: "tour".into(), epoch: 0, from: 0, to: size };
    let mut out = Vec::new();
    let none = std::iter::empty();
    export::write(&mut out, &period, none, entries(size).into_iter(), &notes(kms, size)).unwrap();
    out
}
