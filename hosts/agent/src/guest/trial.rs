//! Remembers that something failed, and when to try again.
//!
//! A retry has a bound and a reason: the wait doubles up to a minute, a fault that trying cannot
//! mend is not tried again, and a new wish is tried at once, because the old fault was about the
//! old one.

use jinyun_wire::Fault;
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(60);

/// The last failure of one item that `W` describes.
#[derive(Debug)]
pub struct Trial<W> {
    failure: Option<Failure<W>>,
}

#[derive(Debug)]
struct Failure<W> {
    fault: Fault,
    of: Option<W>,
    count: u32,
    next: Instant,
}

impl<W> Default for Trial<W> {
    fn default() -> Trial<W> {
        Trial { failure: None }
    }
}

impl<W: PartialEq> Trial<W> {
    /// It failed when tried for `of` (`None`: when removed).
    pub fn failed(&mut self, fault: Fault, of: Option<W>, now: Instant) {
        let before = self.failure.take().filter(|last| last.of == of);
        let count = before.map_or(1, |last| last.count.saturating_add(1));
        let wait = Duration::from_secs(1 << count.min(6)).min(LONGEST);
        self.failure = Some(Failure {
            fault,
            of,
            count,
            next: now + wait,
        });
    }

    /// It succeeded, or nobody wants it any more.
    pub fn clear(&mut self) {
        self.failure = None;
    }

    /// Whether to leave it alone for now.
    pub fn held(&self, of: Option<&W>, now: Instant) -> bool {
        self.failure
            .as_ref()
            .is_some_and(|last| last.of.as_ref() == of && (last.fault.fatal || now < last.next))
    }

    /// What to report.
    pub fn fault(&self) -> Option<Fault> {
        self.failure.as_ref().map(|last| last.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(fatal: bool) -> Fault {
        Fault {
            why: "why".into(),
            fatal,
        }
    }

    #[test]
    fn waits_longer_each_time_and_forgets_on_a_new_wish() {
        let start = Instant::now();
        let mut trial = Trial::default();
        assert!(!trial.held(Some(&1), start));
        let mut waits = Vec::new();
        for _ in 0..8 {
            trial.failed(fault(false), Some(1), start);
            let held = |seconds| trial.held(Some(&1), start + Duration::from_secs(seconds));
            waits.push((0..).find(|seconds| !held(*seconds)).unwrap());
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert!(!trial.held(Some(&2), start));
        trial.failed(fault(false), Some(2), start);
        assert!(!trial.held(Some(&2), start + Duration::from_secs(2)));
    }

    #[test]
    fn what_cannot_be_mended_is_not_tried_again_for_the_same_wish() {
        let start = Instant::now();
        let mut trial = Trial::default();
        trial.failed(fault(true), Some(1), start);
        assert!(trial.held(Some(&1), start + Duration::from_secs(100_000)));
        assert!(!trial.held(Some(&2), start));
        assert!(!trial.held(None, start));
        trial.clear();
        assert!(!trial.held(Some(&1), start));
        assert_eq!(trial.fault(), None);
    }
}
