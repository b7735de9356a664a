//! A journal of three institutions, its keys, and exports of it whose entries and notes can be changed
//! before the file is summed.

#![allow(dead_code)]

use jinyun_base::SeedEntropy;
use jinyun_journal::entry::{Actor, Entry, Institution, Leaf, canonical};
use jinyun_journal::export::{self, Period};
use jinyun_journal::merkle::{HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Key, Note};
use jinyun_kms::Kms;
use sha2::Digest;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub struct Log {
    pub kms: Kms,
    pub dir: PathBuf,
    pub entries: Vec<Vec<u8>>,
}

impl Drop for Log {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub fn entries(n: u64) -> Vec<Vec<u8>> {
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

/// The keys in a directory; the same in every one.
pub fn kms(dir: &Path, seed: u64) -> Kms {
    std::fs::create_dir_all(dir).unwrap();
    Kms::open(&dir.join("keys.json"), "tour", Box::new(SeedEntropy::new(seed))).unwrap()
}

pub fn log(name: &str, n: u64) -> Log {
    let dir = std::env::temp_dir().join(format!("jyverify-{}-{name}", std::process::id()));
    Log { kms: kms(&dir, 9), dir, entries: entries(n) }
}

impl Log {
    pub fn keys(&self) -> Vec<Key> {
        self.kms.journal_keys().to_vec()
    }

    /// Signed notes over the first `size` of these entries.
    pub fn notes(&self, entries: &[Vec<u8>], size: usize) -> Vec<String> {
        self.signed(entries, size).iter().map(Note::render).collect()
    }

    /// The same, not written down yet.
    pub fn signed(&self, entries: &[Vec<u8>], size: usize) -> Vec<Note> {
        HashKind::BOTH.into_iter().map(|kind| {
            let mut tree = Tree::new(kind);
            entries[..size].iter().for_each(|e| tree.push(kind.leaf(e)));
            let checkpoint = Checkpoint {
                instance: "tour".into(), epoch: 0, kind, size: size as u64, root: tree.root(),
                time: 1, clock: "system".into(), offset: 0,
            };
            let text = checkpoint.text();
            Note { signatures: self.kms.sign(kind, &text).unwrap(), text }
        }).collect()
    }

    /// An export of entries that may be others, with checkpoints of the true ones.
    pub fn export(&self, entries: &[Vec<u8>], from: usize, marks: &[usize]) -> Vec<u8> {
        let notes: Vec<String> = marks.iter().flat_map(|m| self.notes(&self.entries, *m)).collect();
        self.export_with(entries, from, notes)
    }

    pub fn export_with(&self, entries: &[Vec<u8>], from: usize, notes: Vec<String>) -> Vec<u8> {
        let period = Period {
            instance: "tour".into(), epoch: 0, from: from as u64, to: self.entries.len() as u64,
        };
        let mut out = Vec::new();
        let leaves = self.entries[..from].iter().map(|e| Leaf::of(e));
        export::write(&mut out, &period, leaves, entries[from..].iter().cloned(), &notes).unwrap();
        out
    }
}

/// With a sum that fits.
pub fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let cut = body[..body.len() - 1].iter().rposition(|b| *b == b'\n').unwrap() + 1;
    body.truncate(cut);
    let sum = jinyun_journal::to_hex(&sha2::Sha256::digest(&body));
    body.extend(format!("end {sum}\n").into_bytes());
    body
}
