//! Turns at the costly hash.
//!
//! Problem: a password's hash takes 19 MiB and tens of milliseconds, so a flood of logins must not
//! take the machine, and one source's flood must not keep the others waiting. Mechanism: a few
//! hashes at a time; who is next is decided by source, the one that was served longest ago first;
//! and one source may have only so many waiting. A queue in order of arrival would belong to
//! whoever sends most.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard};

/// At most so many hashes at a time.
const HASHES: usize = 2;
/// At most so many of one source may wait.
const EACH: usize = 14;
/// At most so many may wait.
const ALL: usize = 64;
/// From so many sources on, those who do not wait are forgotten.
const REMEMBERED: usize = 1024;

struct Inside {
    free: usize,
    next: u64,
    /// Ticket and source, in order of arrival.
    waiting: Vec<(u64, String)>,
    /// When a source was served last, in tickets.
    served: HashMap<String, u64>,
}

/// The pool.
pub(crate) struct Pool {
    inside: Mutex<Inside>,
    changed: Condvar,
}

/// A place; it is given back when this goes.
struct Turn<'p>(&'p Pool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().free += 1;
        self.0.changed.notify_all();
    }
}

impl Inside {
    /// Whose turn it is.
    fn first(&self) -> Option<u64> {
        let last = |source: &String| self.served.get(source).copied().unwrap_or(0);
        self.waiting.iter().min_by_key(|(ticket, source)| (last(source), *ticket)).map(|(t, _)| *t)
    }

    /// Whether one more of this source may wait. The platform itself (no source) always may.
    fn takes(&self, source: &str) -> bool {
        let own = self.waiting.iter().filter(|(_, s)| s == source).count();
        source.is_empty() || (own < EACH && self.waiting.len() < ALL)
    }
}

impl Pool {
    /// An idle one.
    pub fn new() -> Pool {
        let (waiting, served) = (Vec::new(), HashMap::new());
        let inside = Inside { free: HASHES, next: 1, waiting, served };
        Pool { inside: Mutex::new(inside), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        match self.inside.lock() {
            Ok(guard) => guard,
            // Nothing in here can be half done: each change is one statement.
            Err(broken) => broken.into_inner(),
        }
    }

    /// Does the work when its turn comes. `None` if its source has too much waiting.
    pub fn run<T>(&self, source: &str, work: impl FnOnce() -> T) -> Option<T> {
        let turn = self.turn(source)?;
        let result = work();
        drop(turn);
        Some(result)
    }

    fn turn(&self, source: &str) -> Option<Turn<'_>> {
        let mut inside = self.lock();
        if !inside.takes(source) {
            return None;
        }
        let ticket = inside.next;
        inside.next += 1;
        inside.waiting.push((ticket, source.into()));
        while inside.free == 0 || inside.first() != Some(ticket) {
            inside = match self.changed.wait(inside) {
                Ok(guard) => guard,
                Err(broken) => broken.into_inner(),
            };
        }
        inside.free -= 1;
        inside.waiting.retain(|(t, _)| *t != ticket);
        let now = inside.next;
        inside.served.insert(source.into(), now);
        if inside.served.len() > REMEMBERED {
            let Inside { served, waiting, .. } = &mut *inside;
            served.retain(|source, _| waiting.iter().any(|(_, s)| s == source));
        }
        drop(inside);
        // There may be another place free for whoever is next now.
        self.changed.notify_all();
        Some(Turn(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_that_waited_longest_is_next() {
        let pool = Pool::new();
        let mut inside = pool.lock();
        for (ticket, source) in [(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "c")] {
            inside.waiting.push((ticket, source.into()));
        }
        inside.next = 6;
        let mut order = Vec::new();
        while let Some(ticket) = inside.first() {
            let at = inside.waiting.iter().position(|(t, _)| *t == ticket).unwrap();
            let (_, source) = inside.waiting.remove(at);
            inside.next += 1;
            let now = inside.next;
            inside.served.insert(source, now);
            order.push(ticket);
        }
        assert_eq!(order, [1, 4, 5, 2, 3]);
        for n in 0..EACH {
            assert!(inside.takes("a"), "{n}");
            inside.waiting.push((100, "a".into()));
        }
        assert!(!inside.takes("a") && inside.takes("b") && inside.takes(""));
    }

    #[test]
    fn everybody_is_served() {
        let pool = Pool::new();
        let done = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for n in 0..40 {
                let (pool, done) = (&pool, &done);
                scope.spawn(move || {
                    let ran = pool.run(&format!("source {}", n % 7), || {
                        done.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
                    });
                    assert!(ran.is_some());
                });
            }
        });
        assert_eq!(done.into_inner(), 40);
        assert_eq!(pool.lock().free, HASHES);
    }
}
