//! How everything stood at past moments, by entries alone.
//!
//! Method: journals of a few entries, in a small language of their own, and tables of what follows
//! from them at each moment; among them journals that a kill has cut off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_evidence::posture::{
    CLAUSE, FINDING, Mark, Posture, SEAL, SEAL_EVERY, What, gaps, posture, violations,
};
use jinyun_journal::{Actor, Entry, Institution};
use serde_json::{Value, json};

const HOUR: i64 = SEAL_EVERY;
const MINUTE: i64 = HOUR / 60;

fn entry(number: u64, at: i64, action: &str, note: Value) -> Entry {
    Entry {
        action: action.into(),
        actor: Actor { domain: "default".into(), id: "evidence".into(), kind: "system".into() },
        approval: None,
        effects: Vec::new(),
        institution: Institution { id: "default".into(), number, previous: None },
        note: Some(note),
        number,
        outcome: "done".into(),
        reason: None,
        request: "r".into(),
        source: None,
        target: None,
        time: at,
    }
}

/// What is said at a minute.
enum Say {
    /// A check and its verdict.
    Check(&'static str, &'static str),
    /// A clause and its state.
    Clause(&'static str, &'static str),
    /// The tenant's half of a clause.
    Half(&'static str, &'static str),
    /// A seal over everything so far.
    Seal,
    /// A seal that holds: checks, clauses; and since which minute nobody looked.
    Base(&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)], Option<i64>),
    /// A seal with the digest of something else.
    Forged,
}

use Say::{Base, Check, Clause, Forged, Half};

fn marks(says: &[(i64, Say)]) -> Vec<Mark> {
    let mut so_far = Posture::default();
    says.iter().enumerate().map(|(n, (minute, say))| {
        let (number, at) = (n as u64, minute * MINUTE);
        let (action, note) = match say {
            Check(check, to) => (FINDING, json!({ "check": check, "from": null, "to": to,
                "says": "so", "population": 1 })),
            Clause(clause, to) => (CLAUSE, json!({ "standard": "s", "clause": clause,
                "from": null, "to": to })),
            Half(clause, to) => (CLAUSE, json!({ "standard": "s", "clause": clause,
                "from": null, "to": to, "tenant": true })),
            Say::Seal => (SEAL, json!({ "digest": so_far.digest() })),
            Forged => (SEAL, json!({ "digest": "0".repeat(64) })),
            Base(checks, clauses, silent) => {
                let checks: serde_json::Map<String, Value> =
                    checks.iter().map(|(name, is)| (name.to_string(), json!(is))).collect();
                let mut by: serde_json::Map<String, Value> = serde_json::Map::new();
                for (name, is) in *clauses {
                    let names = by.entry(is.to_string()).or_insert(json!([]));
                    names.as_array_mut().unwrap().push(json!(name));
                }
                let mut note = json!({ "digest": "", "base": { "checks": checks, "clauses": by } });
                if let Some(since) = silent {
                    note["silent"] = json!([since * MINUTE, at]);
                }
                // Its digest is that of what then holds.
                let first = Mark::of(&entry(number, at, SEAL, note.clone())).unwrap();
                let mut then = so_far.clone();
                then.apply(&first);
                note["digest"] = then.digest().into();
                (SEAL, note)
            }
        };
        let mark = Mark::of(&entry(number, at, action, note)).unwrap();
        so_far.apply(&mark);
        mark
    }).collect()
}

/// `x met since 3` for each check and clause.
fn shown(posture: &Posture) -> String {
    let word = |value: Value| value.as_str().unwrap().to_string();
    let checks = posture.checks.iter()
        .map(|(name, is)| (name, word(json!(is.is)), is.since, is.entry));
    let clauses = posture.clauses.iter()
        .map(|(name, is)| (name, word(json!(is.is)), is.since, is.entry));
    checks.chain(clauses).map(|(name, is, since, entry)| {
        format!("{name} {is} {}#{entry}", since / MINUTE)
    }).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_journal_says_how_it_stood_at_each_moment() {
    let first = || (0, Base(&[("x", "met")], &[("1", "met"), ("2", "due")], None));
    let cases: [(&str, Vec<(i64, Say)>, &[(i64, &str)]); 7] = [
        ("nothing was said", vec![], &[(5, "")]),
        ("before the first entry", vec![first()],
            &[(-1, ""), (0, "x met 0#0, 1 met 0#0, 2 due 0#0"),
                (9, "x met 0#0, 1 met 0#0, 2 due 0#0")]),
        ("a failure and its end", vec![
            first(), (2, Check("x", "failed")), (2, Clause("1", "failed")),
            (5, Check("x", "met")), (5, Clause("1", "met")), (6, Say::Seal),
        ], &[
            (1, "x met 0#0, 1 met 0#0, 2 due 0#0"),
            (2, "x failed 2#1, 1 failed 2#2, 2 due 0#0"),
            (4, "x failed 2#1, 1 failed 2#2, 2 due 0#0"),
            (7, "x met 5#3, 1 met 5#4, 2 due 0#0"),
        ]),
        // Killed between the entry about the check and the one about the clause: the process after
        // it tells what is missing, and then everything.
        ("killed in the middle", vec![
            first(), (2, Check("x", "failed")),
            (4, Clause("1", "failed")),
            (4, Base(&[("x", "failed")], &[("1", "failed"), ("2", "due")], Some(2))),
        ], &[
            (3, "x failed 2#1, 1 met 0#0, 2 due 0#0"),
            (4, "x failed 2#1, 1 failed 4#2, 2 due 0#0"),
        ]),
        // Killed before any of them, and mended before anybody looked again: it never stood there.
        ("killed before", vec![
            first(), (4, Base(&[("x", "met")], &[("1", "met"), ("2", "due")], Some(1))),
        ], &[(4, "x met 0#0, 1 met 0#0, 2 due 0#0")]),
        ("what is no more goes, what is new comes", vec![
            first(), (4, Base(&[("y", "met")], &[("2", "overdue"), ("3", "met")], None)),
        ], &[(4, "y met 4#1, 2 overdue 4#1, 3 met 4#1")]),
        ("the tenant's half is of its own", vec![
            first(), (1, Half("1", "tenant")), (2, Half("1", "failed")),
        ], &[(1, "x met 0#0, 1 met 0#0, 1/tenant tenant 1#1, 2 due 0#0"),
            (2, "x met 0#0, 1 met 0#0, 1/tenant failed 2#2, 2 due 0#0")]),
    ];
    for (what, says, wants) in cases {
        let marks = marks(&says);
        for (minute, want) in wants {
            let got = posture(&marks, minute * MINUTE);
            assert_eq!(shown(&got), *want, "{what}, minute {minute}");
            if let Some(seal) = got.seal {
                assert!(seal.holds, "{what}, minute {minute}");
            }
        }
    }
}

#[test]
fn a_seal_that_does_not_fit_is_seen() {
    let until = |last| marks(&[(0, Base(&[("x", "met")], &[], None)), (1, Check("x", "failed")), last]);
    let forged = until((2, Forged));
    assert!(posture(&forged, MINUTE).seal.unwrap().holds);
    assert!(!posture(&forged, 2 * MINUTE).seal.unwrap().holds);
    // So does a journal from which an entry was taken.
    let mut cut = until((2, Say::Seal));
    assert!(posture(&cut, 2 * MINUTE).seal.unwrap().holds);
    cut.remove(1);
    assert!(!posture(&cut, 2 * MINUTE).seal.unwrap().holds);
}

#[test]
fn violations_have_begin_and_end() {
    let says = [
        (0, Base(&[], &[("1", "met"), ("2", "due"), ("3", "failed")], None)),
        (10, Clause("1", "failed")),
        (20, Clause("1", "error")),
        (30, Clause("2", "overdue")),
        (40, Clause("1", "failed")),
        (45, Half("1", "failed")),
        // What a seal says anew ends what it says otherwise.
        (50, Base(&[], &[("1", "met"), ("2", "overdue"), ("1/tenant", "failed")], None)),
    ];
    let marks = marks(&says);
    let minutes = |from: i64, to: i64| -> Vec<(String, Vec<(i64, i64)>)> {
        violations(&marks, from * MINUTE, to * MINUTE).into_iter().map(|(name, times)| {
            (name, times.into_iter().map(|(a, b)| (a / MINUTE, b / MINUTE)).collect())
        }).collect()
    };
    let of = |name: &str, times: &[(i64, i64)]| (name.to_string(), times.to_vec());
    assert_eq!(minutes(0, 60), [
        of("1", &[(10, 20), (40, 50)]), of("1/tenant", &[(45, 60)]), of("2", &[(30, 60)]),
        of("3", &[(0, 50)]),
    ]);
    // Cut at both ends; what begins at the end is not yet.
    assert_eq!(minutes(15, 40), [of("1", &[(15, 20)]), of("2", &[(30, 40)]), of("3", &[(15, 40)])]);
    assert_eq!(minutes(20, 30), [of("3", &[(20, 30)])]);
    assert!(minutes(70, 70).is_empty());
    assert!(violations(&[], 0, HOUR).is_empty());
}

#[test]
fn gaps_are_where_nobody_can_say() {
    let base = |silent| Base(&[("x", "met")], &[], silent);
    let cases: [(&str, Vec<(i64, Say)>, (i64, i64), &[(i64, i64)]); 11] = [
        ("no evidence at all", vec![], (0, 100), &[(0, 100)]),
        ("before the first", vec![(30, base(None))], (0, 60), &[(0, 30)]),
        ("seals each hour", vec![(0, base(None)), (61, Say::Seal), (121, Say::Seal)], (0, 180), &[]),
        ("one seal is missing", vec![(0, base(None)), (121, Say::Seal)], (0, 130), &[(0, 121)]),
        ("and a change is as good", vec![(0, base(None)), (60, Check("x", "failed")),
            (121, Say::Seal)], (0, 130), &[]),
        ("silent until now", vec![(0, base(None))], (10, 100), &[(10, 100)]),
        ("not yet late", vec![(0, base(None))], (10, 69), &[]),
        // The process that came after knows until when the one before has looked.
        ("a restart", vec![(0, base(None)), (20, base(Some(18)))], (0, 30), &[(18, 20)]),
        ("a long one", vec![(0, base(None)), (500, base(Some(40)))], (0, 510), &[(40, 500)]),
        ("one that overlaps", vec![(0, base(None)), (500, base(Some(90)))], (0, 510), &[(0, 500)]),
        ("cut at both ends", vec![(0, base(None)), (500, base(Some(40)))], (100, 200),
            &[(100, 200)]),
    ];
    for (what, says, (from, to), want) in cases {
        let got = gaps(&marks(&says), from * MINUTE, to * MINUTE);
        let got: Vec<(i64, i64)> = got.into_iter().map(|(a, b)| (a / MINUTE, b / MINUTE)).collect();
        assert_eq!(got, want, "{what}");
    }
}

#[test]
fn nobody_else_speaks_of_evidence() {
    let note = json!({ "check": "x", "from": null, "to": "met" });
    let good = entry(0, 0, FINDING, note.clone());
    assert!(matches!(Mark::of(&good).unwrap().what, What::Finding(_)));
    let mut by_user = good.clone();
    by_user.actor.kind = "user".into();
    let mut refused = good.clone();
    refused.outcome = "refused".into();
    let other = entry(0, 0, "network:port:create", note);
    let unreadable = entry(0, 0, FINDING, json!({ "check": "x", "to": "splendid" }));
    for (n, entry) in [by_user, refused, other, unreadable].iter().enumerate() {
        assert_eq!(Mark::of(entry), None, "case {n}");
    }
}
