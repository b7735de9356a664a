//! Verification of a long journal: an export of as many entries as asked, of the size and shape
//! that creating a port has, and how long the verifier takes for it.

use jinyun_base::OsEntropy;
use jinyun_journal::entry::{Actor, Effect, Entry, Institution, Leaf, Target, canonical};
use jinyun_journal::export::{Period, write};
use jinyun_journal::merkle::{HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Note};
use jinyun_kms::Kms;
use serde_json::json;
use std::collections::HashMap;
use std::time::Instant;

fn entry(number: u64, last: &mut HashMap<u64, (u64, Leaf)>) -> Vec<u8> {
    let domain = number % 7;
    let before = last.get(&domain);
    let entry = Entry {
        action: "network:port:create".into(),
        actor: Actor { domain: format!("domain-{domain}"), id: "9f1c1d6ad4a94b2f8a2f6c8b6e0a10f1".into(),
            kind: "user".into() },
        approval: None,
        effects: vec![Effect::Put {
            kind: "port".into(),
            id: format!("507b9e2b-92b2-4ff7-9743-{number:012x}"),
            domain: format!("domain-{domain}"),
            project: "d2fc7c843f5b497eb5124372c99de987".into(),
            name: "web".into(),
            generation: 1,
            spec: json!({ "name": "web", "network": "2d9acdae-31bc-4a91-8838-5be01b342bde",
                "mac": "fa:16:3e:2a:ed:f0", "fixed_ips": [{ "ip": "10.0.0.61",
                "subnet": "1677c6f8-fbd1-4fb9-88d5-a1ae400c60fb" }], "admin_state_up": true,
                "security_groups": ["e70832af-55dd-465f-987a-074c8e010c35"] }),
            deleting: false,
        }],
        institution: Institution {
            id: format!("domain-{domain}"),
            number: before.map_or(0, |b| b.0 + 1),
            previous: before.map(|b| b.1.previous()),
        },
        note: None,
        number,
        outcome: "done".into(),
        reason: None,
        request: "req-f129f004-3427-4292-9ce4-15a0678e8767".into(),
        source: Some("10.1.2.3".into()),
        target: Some(Target { id: format!("{number}"), kind: "port".into() }),
        time: 1_700_000_000_000_000 + number as i64,
    };
    let bytes = canonical(&entry).expect("entry").into_bytes();
    last.insert(domain, (entry.institution.number, Leaf::of(&bytes)));
    bytes
}

/// Prints the figures for `count` entries.
pub fn run(count: u64) {
    let dir = std::env::temp_dir().join(format!("jybench-journal-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("directory");
    let kms = Kms::open(&dir.join("keys"), "bench", Box::<OsEntropy>::default()).expect("keys");
    let mut last = HashMap::new();
    let entries: Vec<Vec<u8>> = (0..count).map(|n| entry(n, &mut last)).collect();
    let mut notes = Vec::new();
    for kind in HashKind::BOTH {
        let mut tree = Tree::new(kind);
        entries.iter().for_each(|e| tree.push(kind.leaf(e)));
        let checkpoint = Checkpoint { instance: "bench".into(), epoch: 0, kind, size: count,
            root: tree.root(), time: 1, clock: "system".into(), offset: 0 };
        let text = checkpoint.text();
        notes.push(Note { signatures: kms.sign(kind, &text).expect("sign"), text }.render());
    }
    let period = Period { instance: "bench".into(), epoch: 0, from: 0, to: count };
    let mut export = Vec::new();
    write(&mut export, &period, std::iter::empty(), entries.into_iter(), &notes).expect("export");
    let started = Instant::now();
    let report = jinyun_verify::verify(&export, &kms.journal_keys(), &[]);
    let took = started.elapsed();
    assert!(report.ok, "{:?}", report.problems.first());
    println!("verified {count} entries, {} MB, in {:.2} s", export.len() / 1_000_000,
        took.as_secs_f64());
    std::fs::remove_dir_all(&dir).expect("remove");
}
