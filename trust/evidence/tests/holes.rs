//! A whole assessment on a simulated host, and holes in policy, journal and tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cloud.rs"]
mod cloud;

use cloud::Running;
use jinyun_evidence::attack::{Judged, judge};
use jinyun_evidence::checks::find;
use jinyun_evidence::commands::try_commands;
use jinyun_evidence::stage::{DOMAIN, clear, set};
use jinyun_evidence::{Journal, Verdict, World, read_journal};
use jinyun_policy::{Rule, Who};
use jinyun_store::Db;

#[test]
fn an_assessment_says_what_holds_and_leaves_nothing() {
    let running = Running::new("whole", NONE);
    let evidence = running.evidence();
    for round in 0..2 {
        let report = evidence.assess().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(report.troubles, Vec::<String>::new(), "round {round}");
        let verdict = |name: &str| {
            let found = report.findings.iter().find(|f| f.check == name).unwrap();
            (found.verdict, found.says.clone())
        };
        for name in ["foreign-command", "duty-command", "refusals-recorded", "journal-verifies",
            "journal-replays", "own-journal", "one-clock", "duty-exclusive", "duty-reach",
            "password-initial", "password-hashed", "keys-wrapped"] {
            let (found, says) = verdict(name);
            assert_eq!(found, Verdict::Met, "{name}: {says}");
        }
        // Nothing is behind a simulated host, and nothing listens.
        for name in ["spoofed-mac", "other-tenant", "disk-encrypted", "filter-as-recorded",
            "erased", "clock-source", "tls-only"] {
            let (found, says) = verdict(name);
            assert_eq!(found, Verdict::Error, "{name}: {says}");
        }
        let rows = running.cloud.reader.lend(|db| db.everything()).unwrap();
        let left: Vec<_> = rows.iter().filter(|s| s.row.domain.as_str() == DOMAIN).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

const NONE: &[Rule] = &[];
const HOLE: &[Rule] = &[Rule { action: "network:network:update", allow: &[Who::User] }];

#[test]
fn a_hole_in_the_rules_is_seen_by_both_attacks() {
    for (name, holes) in [("right", NONE), ("hole", HOLE)] {
        let running = Running::new(name, holes);
        let stage = set(&running.cloud, "t1").unwrap_or_else(|e| panic!("{e}"));
        let (tried, asked) = try_commands(&running.cloud, &stage.ground, "t2");
        assert_eq!((tried.len(), asked.len()), (2, 14));
        for tried in tried {
            let judged = judge(&tried.attempts);
            match name {
                "right" => assert!(matches!(judged, Judged::Held(_)), "{judged:?}"),
                _ => assert!(matches!(judged, Judged::Broken(_)), "{judged:?}"),
            }
        }
        clear(&running.cloud, "t3").unwrap_or_else(|e| panic!("{e}"));
    }
}

fn journal(running: &Running) -> Journal {
    let keys = running.kms.journal_keys();
    read_journal(&running.cloud, &keys, "test", &[], &running.dir).unwrap().0
}

fn verdicts(journal: Journal) -> [Verdict; 2] {
    let world = World { journal: Ok(journal), ..World::default() };
    ["journal-verifies", "journal-replays"].map(|name| find(name).unwrap().find(&world).verdict)
}

/// A record of a credential that is whole and that nobody set: its password would be taken, so it has
/// to be found otherwise.
#[test]
fn a_changed_secret_is_found() {
    let running = Running::new("secret", NONE);
    let mut db = Db::open(&running.config).unwrap();
    let all: Vec<_> = db.secrets().unwrap().into_iter()
        .filter(|(kind, _, name, ..)| kind == "user" && name == "password").collect();
    let write = "UPDATE secret SET value = ?1 WHERE kind = 'user' AND name = 'password' AND id = ?2";
    let turn = |db: &mut Db, at: usize, value: &[u8]| {
        assert_eq!(db.exec(write, &[value.into(), (&all[at].1).into()]).unwrap(), 1);
    };
    for (whose, want) in [(1, Verdict::Failed), (0, Verdict::Met)] {
        turn(&mut db, 0, &all[whose].4);
        assert_eq!(verdicts(journal(&running)), [Verdict::Met, want], "{whose}");
    }
}

#[test]
fn a_changed_entry_and_a_changed_row_are_found() {
    let running = Running::new("changed", NONE);
    assert_eq!(verdicts(journal(&running)), [Verdict::Met, Verdict::Met]);
    let mut db = Db::open(&running.config).unwrap();
    // A row that no entry explains.
    let rename = "UPDATE resource SET name = ?1 WHERE kind = ?2 AND name = ?3";
    let turn = |db: &mut Db, to: &str, from: &str| {
        assert_eq!(db.exec(rename, &[to.into(), "user".into(), from.into()]).unwrap(), 1);
    };
    turn(&mut db, "sysadmim", "sysadmin");
    assert_eq!(verdicts(journal(&running)), [Verdict::Met, Verdict::Failed]);
    turn(&mut db, "sysadmin", "sysadmim");
    // One letter of an entry, which can still be read.
    let entries = db.entries(0, 100).unwrap();
    let at = entries.iter().position(|e| e.windows(8).any(|w| w == b"sysadmin")).unwrap();
    let text = String::from_utf8(entries[at].clone()).unwrap().replace("sysadmin", "sysadmim");
    let body = text.as_bytes();
    let write = "UPDATE journal SET body = ?1 WHERE number = ?2";
    assert_eq!(db.exec(write, &[body.into(), (at as i64).into()]).unwrap(), 1);
    let [verified, _] = verdicts(journal(&running));
    assert_eq!(verified, Verdict::Failed);
}
