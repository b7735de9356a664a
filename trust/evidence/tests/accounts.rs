//! Checks of people, records, leaving and keys: each on a world with one thing wrong.
//!
//! Goal and method are those of `checks.rs`; the table stands with what it breaks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/worlds.rs"]
#[allow(dead_code)]
mod worlds;

use jinyun_evidence::checks::find;
use jinyun_evidence::{Verdict, World};
use serde_json::json;
use worlds::people::{ANN, DAY, MORE, TRIED, later, spec};
use worlds::together::judge;
use worlds::{good, stored};

#[test]
fn each_sabotage_turns_exactly_its_check_red_and_back() {
    let wrong = judge(MORE.iter());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A check of a world in which something is not known.
fn unknown(name: &str, forget: impl FnOnce(&mut World)) -> (Verdict, String) {
    let mut world = good();
    forget(&mut world);
    let found = find(name).unwrap().find(&world);
    (found.verdict, found.says)
}

/// The sign-ins to the platform had this method alone.
fn signed_in_by(world: &mut World, method: &str) {
    for entry in &mut world.journal.as_mut().unwrap().entries {
        if entry.action == "identity:token:create" {
            entry.note = Some(json!({ "scope": "system", "methods": [method] }));
        }
    }
}

#[test]
fn what_was_not_looked_at_is_not_met() {
    let cases: &[(&str, fn(&mut World), Verdict)] = &[
        ("duty-two-factors", |w| {
            let entries = &mut w.journal.as_mut().unwrap().entries;
            entries.retain(|e| e.action != "identity:token:create");
        }, Verdict::Error),
        // What is an institution's to mend is no failure of the platform's.
        ("unused-rights", |w| later(w, 200), Verdict::Partly),
        ("unused-rights", |w| later(w, 80), Verdict::Met),
        // To let a program in, everybody may: it uses no role.
        ("unused-rights", |w| {
            later(w, 200);
            let entries = &mut w.journal.as_mut().unwrap().entries;
            let mut entry = entries.last().unwrap().clone();
            entry.action = "identity:device:allow".into();
            entry.actor.id = ANN.into();
            entry.note = None;
            entries.push(entry);
        }, Verdict::Partly),
        ("credentials-stale", |w| later(w, 100), Verdict::Partly),
        ("credentials-stale", |w| later(w, 80), Verdict::Met),
        ("credentials-stale", |w| w.journal = Err("not read".into()), Verdict::Error),
        ("federation-whole", |w| later(w, 500), Verdict::Partly),
        ("federation-whole", |w| {
            let row = w.rows.iter_mut().find(|s| s.row.kind == "identity_provider").unwrap();
            row.row.spec = row.row.spec.replace("\"audiences\":[\"cloud\"]", "\"audiences\":[]");
        }, Verdict::Partly),
        ("duty-two-factors", |w| signed_in_by(w, "passkey"), Verdict::Met),
        // The word of somebody else's provider is none for a duty.
        ("duty-two-factors", |w| signed_in_by(w, "mfa"), Verdict::Failed),
        ("tenant-gone", |w| w.remains.as_mut().unwrap().had = Default::default(), Verdict::Error),
        // The look at the store is newer than the journal at hand.
        ("key-life", |w| w.remains.as_mut().unwrap().length += 1, Verdict::Error),
        ("credentials-erased", |w| drop(w.journal.as_mut().unwrap().entries.remove(0)),
            Verdict::Error),
        ("sm-answers", |w| w.answers.as_mut().unwrap().checkpoint = None, Verdict::Error),
        ("sm-answers", |w| w.answers.as_mut().unwrap().examples.clear(), Verdict::Error),
        ("export-repeats", |w| w.sights.exports = None, Verdict::Error),
        ("login-notice", |w| w.sights.notice = None, Verdict::Error),
        ("idle-ends", |w| w.rows.retain(|s| s.row.kind != "domain"), Verdict::Error),
        // A password whose age nobody knows is no finding and no proof.
        ("credential-inventory", |w| {
            w.rows.retain(|s| s.row.id.as_str() != "u1");
            w.rows.push(stored("user", "u1", "default", "",
                json!({ "name": "u1", "domain": "default", "enabled": true })));
        }, Verdict::Partly),
    ];
    for (name, forget, want) in cases {
        let (got, says) = unknown(name, forget);
        assert_eq!(got, *want, "{name}: {says}");
    }
    for name in TRIED {
        let (got, says) = unknown(name, |w| w.tried.retain(|t| t.check != *name));
        assert_eq!(got, Verdict::Error, "{name}: {says}");
    }
}

#[test]
fn codes_beside_a_passkey_that_is_used_are_not_stale() {
    for (used, want) in [(99, Verdict::Met), (5, Verdict::Partly)] {
        let (got, says) = unknown("credentials-stale", |w| {
            later(w, 100);
            w.rows.retain(|s| s.row.kind != "application_credential");
            spec(w, "ann", |user| user["password_set"] = (99 * DAY).into());
            spec(w, "p1", |passkey| passkey["used"] = (used * DAY).into());
        });
        assert_eq!(got, want, "used on day {used}: {says}");
        assert_eq!(says.contains("totp credential c1"), want == Verdict::Partly, "{says}");
    }
}

#[test]
fn what_the_provider_sets_holds_where_an_institution_has_not() {
    for (domain, rules, want) in [
        ("default", json!({ "idle_seconds": 0 }), Verdict::Failed),
        ("default", json!({ "idle_seconds": 60 }), Verdict::Met),
        (worlds::BANK, json!({ "idle_seconds": 60 }), Verdict::Met),
    ] {
        let (got, says) = unknown("idle-ends", |w| {
            w.rows.push(stored("compliance", domain, domain, "", rules.clone()));
        });
        assert_eq!(got, want, "{domain} {rules}: {says}");
    }
}
