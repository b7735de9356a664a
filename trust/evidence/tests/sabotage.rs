//! Each attack against a real kernel: held, then with exactly its hole opened, then held again.
//!
//! Goal: an attack that cannot go red proves nothing. Method: the agent's networks are driven
//! directly; the same functions that an assessment uses attack through probe ports. Needs root:
//! runs when `JINYUN_ROOT_TESTS` is set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use common::{Bench, HOLES, posts};
use jinyun_evidence::attack::{ATTACKS, Judged, Prober, judge};
use jinyun_wire::{Answer, Ask};

fn attack(bench: &Bench, name: &str, tag: &str) -> Judged {
    let ask = |ask: Ask| match ask {
        Ask::Probe(probe) => bench.net.probe(&probe),
        Ask::Probes { probes } => Answer::Probes { answers: bench.net.prober().probes(&probes) },
        other => Answer::Failed { why: format!("{other:?} is no probe") },
    };
    let (_, attack) = ATTACKS.iter().find(|(n, _)| *n == name).unwrap();
    judge(&attack(&Prober::new(&ask, format!("{name}-{tag}")), &posts()))
}

#[test]
fn every_attack_sees_its_hole() {
    if std::env::var_os("JINYUN_ROOT_TESTS").is_none() {
        eprintln!("skipped: needs root; set JINYUN_ROOT_TESTS=1");
        return;
    }
    let mut bench = Bench::new('a');
    for (name, open) in HOLES {
        let before = attack(&bench, name, "before");
        assert!(matches!(before, Judged::Held(_)), "{name} before: {before:?}");
        open(&mut bench);
        let broken = attack(&bench, name, "broken");
        assert!(matches!(broken, Judged::Broken(_)), "{name} sabotaged: {broken:?}");
        bench.mend();
        let after = attack(&bench, name, "after");
        assert!(matches!(after, Judged::Held(_)), "{name} mended: {after:?}");
    }
}
