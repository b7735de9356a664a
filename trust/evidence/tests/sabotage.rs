//! Each attack against a real kernel: held, then with exactly its hole opened, then held again.
//!
//! Goal: an attack that cannot go red proves nothing, and neither does one that goes red because another
//! one runs beside it. Method: the agent's networks are driven directly; the same functions that an
//! assessment uses attack through probe ports, all attacks at once. With each hole the same is tried
//! once more, one probe after the other: exactly the same checks have to be red then. Needs root: runs
//! when `JINYUN_ROOT_TESTS` is set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use common::{Bench, HOLES, posts};
use jinyun_evidence::attack::{ATTACKS, BETWEEN, Judged, Prober, between, judge};
use jinyun_wire::{Answer, Ask, Probe};
use std::collections::BTreeMap;

/// How a host carries several probes out.
type Way = fn(&Bench, &[Probe]) -> Vec<Answer>;

fn at_once(bench: &Bench, probes: &[Probe]) -> Vec<Answer> {
    bench.net.prober().probes(probes)
}

fn one_by_one(bench: &Bench, probes: &[Probe]) -> Vec<Answer> {
    probes.iter().map(|probe| bench.net.probe(probe)).collect()
}

/// What all attacks say.
fn all(bench: &Bench, tag: &str, way: Way) -> BTreeMap<&'static str, Judged> {
    let ask = |ask: Ask| match ask {
        Ask::Probe(probe) => bench.net.probe(&probe),
        Ask::Probes { probes } => Answer::Probes { answers: way(bench, &probes) },
        other => Answer::Failed { why: format!("{other:?} is no probe") },
    };
    let tried = between(&Prober::new(&ask, tag), &posts());
    tried.into_iter().map(|tried| (tried.check, judge(&tried.attempts))).collect()
}

fn held(bench: &Bench, tag: &str) {
    let all = all(bench, tag, at_once);
    assert_eq!(all.len(), BETWEEN.len());
    for (name, judged) in &all {
        assert!(matches!(judged, Judged::Held(_)), "{tag}: {name}: {judged:?}");
    }
}

/// The checks that are red, by name; any other has to hold.
fn red(all: &BTreeMap<&'static str, Judged>) -> Vec<&'static str> {
    let broken = all.iter().filter(|(_, judged)| match judged {
        Judged::Broken(_) => true,
        Judged::Held(_) => false,
        Judged::Nothing(why) => panic!("nothing is proved: {why}"),
    });
    broken.map(|(name, _)| *name).collect()
}

#[test]
fn every_attack_sees_its_hole_whatever_runs_beside_it() {
    if std::env::var_os("JINYUN_ROOT_TESTS").is_none() {
        eprintln!("skipped: needs root; set JINYUN_ROOT_TESTS=1");
        return;
    }
    let mut bench = Bench::new('a');
    held(&bench, "before");
    for (name, open) in HOLES {
        open(&mut bench);
        let together = all(&bench, &format!("{name}-together"), at_once);
        let alone = all(&bench, &format!("{name}-alone"), one_by_one);
        assert_eq!(red(&together), red(&alone), "{name}: {together:#?} {alone:#?}");
        assert!(red(&together).contains(name), "{name} sabotaged: {together:#?}");
        bench.mend();
        held(&bench, &format!("{name}-mended"));
    }
    let names: Vec<&str> = HOLES.iter().map(|(name, _)| *name).collect();
    assert!(ATTACKS.iter().all(|(name, _)| names.contains(name)), "an attack has no hole");
}
