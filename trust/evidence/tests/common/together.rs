//! Whether a sabotage turns its own check and no other.
//!
//! Problem: a check that goes red for everything is as blind as one that never does. Mechanism: all checks
//! look at the world before and broken. Those that turn are the one that the sabotage is for, and
//! those that rightly turn with it, because they look at the same thing from elsewhere: these stand in a
//! table by the sabotage's place among those of its check, so that nobody adds one unseen.
#![allow(dead_code)]

use super::good;
use jinyun_evidence::checks::CHECKS;
use jinyun_evidence::{Verdict, World};
use std::collections::{BTreeMap, BTreeSet};

/// A check and what breaks it.
pub type Sabotage = (&'static str, fn(&mut World));

/// By check and places of its sabotages, from 0: which others turn too.
const TOGETHER: &[(&str, &[usize], &[&str])] = &[
    // The kernel has the rules of before; a MAC is the guest's, too.
    ("tenant-doors", &[0, 1, 2], &["filter-as-recorded"]),
    ("filter-as-recorded", &[5], &["guest-as-recorded"]),
    // Whoever has no second factor any more: its secrets are there without it. And a manager without an
    // account is none: then nobody manages.
    ("tenant-managers", &[0], &["credential-inventory", "tenant-factors"]),
    ("credential-inventory", &[0], &["tenant-managers", "tenant-factors", "tenant-sources"]),
    ("duty-exclusive", &[3], &["tenant-managers"]),
    // Disks without records; another document than the host keeps; keys that are alike.
    ("disk-apart", &[0], &["found-is-recorded", "guest-as-recorded"]),
    ("disk-apart", &[1, 2], &["host-files"]),
    ("disk-apart", &[3], &["keys-wrapped"]),
    ("keys-wrapped", &[1], &["disk-apart"]),
    ("found-is-recorded", &[5], &["disk-apart"]),
    // An end without its certificate.
    ("erased", &[0], &["key-life"]),
    ("key-life", &[2], &["erased"]),
    // One socket too many; a password that is no hash; pages that the kernel merges.
    ("management-apart", &[0], &["tls-only"]),
    ("password-hashed", &[0], &["credential-records"]),
    ("memory-apart", &[1], &["host-hardened"]),
    // A secret that stays.
    ("credentials-erased", &[0], &["tenant-gone"]),
    ("tenant-gone", &[3], &["credentials-erased"]),
    // Months in which nobody comes.
    ("unused-rights", &[0], &["credentials-stale", "tenant-rights", "tenant-audits"]),
    ("credentials-stale", &[0], &["unused-rights", "tenant-rights"]),
    ("tenant-rights", &[0], &["unused-rights"]),
    // An institution's rules are a domain's.
    ("password-policy", &[0, 1], &["tenant-rules"]),
    ("tenant-rules", &[0], &["password-policy"]),
    // A port's device that is no port's; no filter; rules that are missing.
    ("found-is-recorded", &[1], &["no-way-out"]),
    ("filter-as-recorded", &[8], &["lies-counted"]),
    ("lies-counted", &[1, 2, 3], &["filter-as-recorded"]),
    // A guest that is not the recorded one; no guest at all.
    ("found-is-recorded", &[3], &["guest-as-recorded", "guest-apart"]),
    ("found-is-recorded", &[4], &["guest-as-recorded", "guest-apart", "memory-apart"]),
    // Nothing is proved of a host that is not heard.
    ("host-reports", &[0], &["filter-as-recorded", "disk-encrypted", "disk-apart", "erased",
        "guest-confined", "clock-source", "host-door", "host-hardened", "cpu-mitigated",
        "loopback-closed", "host-files", "found-is-recorded", "guest-as-recorded", "guest-apart",
        "memory-apart", "file-reach", "no-way-out", "lies-counted"]),
    ("host-reports", &[1], &["host-door", "host-hardened", "cpu-mitigated", "loopback-closed",
        "host-files", "found-is-recorded", "guest-as-recorded", "guest-apart", "memory-apart",
        "file-reach", "no-way-out"]),
];

/// The checks that are not met, and how they came out.
fn turned(world: &World) -> BTreeMap<&'static str, Verdict> {
    let found = CHECKS.iter().map(|check| (check.name, check.find(world).verdict));
    found.filter(|(_, verdict)| *verdict != Verdict::Met).collect()
}

/// Breaks a good world by each sabotage. Whatever turned that should not have, or did not, in words.
pub fn judge(sabotages: impl Iterator<Item = &'static Sabotage>) -> Vec<String> {
    let before = turned(&good());
    if !before.is_empty() {
        return vec![format!("not met before anything is broken: {before:?}")];
    }
    let mut wrong = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for &(name, sabotage) in sabotages {
        let place = places.entry(name).or_default();
        let at = *place;
        *place += 1;
        let mut world = good();
        sabotage(&mut world);
        let broken = turned(&world);
        if broken.get(name) != Some(&Verdict::Failed) {
            wrong.push(format!("{name} {at}: it did not turn red: {:?}", broken.get(name)));
        }
        let others: BTreeSet<&str> = broken.keys().copied().filter(|other| *other != name).collect();
        let rightly: BTreeSet<&str> = TOGETHER.iter()
            .filter(|(check, of, _)| *check == name && of.contains(&at))
            .flat_map(|(_, _, others)| others.iter().copied()).collect();
        if others != rightly {
            wrong.push(format!("{name} {at}: turned too: {others:?}, and should have: {rightly:?}"));
        }
    }
    for &(name, all, _) in TOGETHER {
        if let Some(count) = places.get(name)
            && all.iter().any(|at| at >= count)
        {
            wrong.push(format!("{name} has {count} sabotages, and the table names more: {all:?}"));
        }
    }
    wrong
}
