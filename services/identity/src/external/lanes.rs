//! Turns at directories.
//!
//! Problem: a directory that does not answer holds each sign-in for seconds, and threads are few: one
//! institution's dead server must not keep the others' people out. Mechanism: a domain has few
//! sign-ins at its directory at a time and few that wait, all domains together have a bound, and
//! after a failure those who wait and those who come in the next seconds are told at once. Whoever
//! waits waits for work that ends by itself (the client has a deadline), so nobody waits without end.

use super::Unreachable;
use jinyun_base::{Id, Time};
use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard};

/// At most so many of one domain at a time.
const EACH: usize = 4;
/// At most so many of one domain may wait.
const WAITING: usize = 12;
/// At most so many of all domains at a time: a quarter of the threads that answer requests.
const ALL: usize = 32;
/// For so long nobody asks a directory that did not answer, in seconds.
const REST: i64 = 3;

#[derive(Default)]
struct Lane {
    running: usize,
    waiting: usize,
    rests_until: i64,
}

#[derive(Default)]
struct Inside {
    running: usize,
    lanes: HashMap<Id, Lane>,
}

/// The turns.
#[derive(Default)]
pub(crate) struct Lanes {
    inside: Mutex<Inside>,
    changed: Condvar,
}

/// A place at a directory; it is given back when this goes, also if the work panics.
struct Turn<'l>(&'l Lanes, &'l Id);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut inside = self.0.lock();
        inside.running -= 1;
        if let Some(lane) = inside.lanes.get_mut(self.1) {
            lane.running -= 1;
        }
        drop(inside);
        self.0.changed.notify_all();
    }
}

fn busy() -> Unreachable {
    Unreachable("too many sign-ins wait for directories".into())
}

fn rests() -> Unreachable {
    Unreachable("the directory did not answer a moment ago".into())
}

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        match self.inside.lock() {
            Ok(guard) => guard,
            // Nothing in here can be half done: each change is one statement.
            Err(broken) => broken.into_inner(),
        }
    }

    /// Does work at the directory of a domain when its turn comes.
    pub fn run<T>(&self, domain: &Id, now: impl Fn() -> Time,
        work: impl FnOnce() -> Result<T, Unreachable>) -> Result<T, Unreachable> {
        let turn = self.turn(domain, &now)?;
        let result = work();
        if result.is_err() {
            let until = now().plus_seconds(REST).0;
            self.lock().lanes.entry(domain.clone()).or_default().rests_until = until;
        }
        drop(turn);
        result
    }

    fn turn<'l>(&'l self, domain: &'l Id, now: &impl Fn() -> Time)
        -> Result<Turn<'l>, Unreachable> {
        let mut inside = self.lock();
        let mut waits = false;
        loop {
            let at = now().0;
            let all = inside.running;
            let lane = inside.lanes.entry(domain.clone()).or_default();
            let step = if lane.rests_until > at {
                Some(Err(rests()))
            } else if lane.running < EACH && all < ALL {
                Some(Ok(()))
            } else if all >= ALL || (!waits && lane.waiting >= WAITING) {
                Some(Err(busy()))
            } else {
                None
            };
            match step {
                Some(done) => {
                    lane.waiting -= usize::from(waits);
                    done?;
                    lane.running += 1;
                    inside.running += 1;
                    return Ok(Turn(self, domain));
                }
                None => {
                    lane.waiting += usize::from(!waits);
                    waits = true;
                    inside = match self.changed.wait(inside) {
                        Ok(guard) => guard,
                        Err(broken) => broken.into_inner(),
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_directory_that_fails_rests_and_others_go_on() {
        let lanes = Lanes::default();
        let (bank, fund) = (Id::new("bank"), Id::new("fund"));
        let at = |second: i64| move || Time(second * Time::SECOND);
        assert_eq!(lanes.run(&bank, at(100), || Ok(1)), Ok(1));
        let down = lanes.run(&bank, at(100), || Err::<i32, _>(Unreachable("gone".into())));
        assert_eq!(down, Err(Unreachable("gone".into())));
        assert_eq!(lanes.run(&bank, at(102), || Ok(1)), Err(rests()));
        assert_eq!(lanes.run(&fund, at(102), || Ok(2)), Ok(2));
        assert_eq!(lanes.run(&bank, at(103), || Ok(3)), Ok(3));
        let inside = lanes.lock();
        assert_eq!(inside.running, 0);
        assert!(inside.lanes.values().all(|l| l.running == 0 && l.waiting == 0));
    }

    #[test]
    fn one_domain_has_few_places_and_everybody_is_served() {
        let lanes = Lanes::default();
        let (bank, fund) = (Id::new("bank"), Id::new("fund"));
        let now = || Time(0);
        // All places of the bank are held until the fund's turn was had.
        let held = Barrier::new(EACH + 1);
        let free = Barrier::new(EACH + 1);
        let done = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..EACH {
                scope.spawn(|| {
                    let ran = lanes.run(&bank, now, || {
                        held.wait();
                        free.wait();
                        Ok(())
                    });
                    assert!(ran.is_ok());
                });
            }
            held.wait();
            for _ in 0..WAITING {
                scope.spawn(|| {
                    let ran = lanes.run(&bank, now, || {
                        done.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    });
                    assert!(ran.is_ok());
                });
            }
            while lanes.lock().lanes.get(&bank).is_none_or(|l| l.waiting < WAITING) {
                std::thread::yield_now();
            }
            assert_eq!(lanes.run(&bank, now, || Ok(())), Err(busy()), "one more than may wait");
            assert_eq!(done.load(Ordering::SeqCst), 0, "nobody passes those who hold the places");
            assert_eq!(lanes.run(&fund, now, || Ok(())), Ok(()));
            free.wait();
        });
        assert_eq!(done.into_inner(), WAITING);
        assert_eq!(lanes.lock().running, 0);
    }
}
