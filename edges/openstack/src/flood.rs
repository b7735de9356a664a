//! Refusals of requests without a good token, counted exactly.
//!
//! Each is worth a record, and a flood of them must not become a flood of writes: the first of a
//! source in a window is journaled at once, the others are counted and journaled as one entry with
//! their number when the window ends.

use std::collections::HashMap;
use std::sync::Mutex;

#[derive(Default)]
pub(crate) struct Flood {
    counts: Mutex<HashMap<String, u64>>,
}

impl Flood {
    /// Counts one; whether it is the first of its source in this window.
    pub(crate) fn first(&self, source: &str) -> bool {
        let mut counts = match self.counts.lock() {
            Ok(counts) => counts,
            Err(broken) => broken.into_inner(),
        };
        let count = counts.entry(source.into()).or_insert(0);
        *count += 1;
        *count == 1
    }

    /// Ends the window: sources with the number of refusals beyond the first.
    pub(crate) fn drain(&self) -> Vec<(String, u64)> {
        let mut counts = match self.counts.lock() {
            Ok(counts) => counts,
            Err(broken) => broken.into_inner(),
        };
        counts.drain().filter(|(_, n)| *n > 1).map(|(s, n)| (s, n - 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact() {
        let flood = Flood::default();
        let firsts = (0..10).filter(|_| flood.first("a")).count();
        assert!(flood.first("b"));
        assert_eq!(firsts, 1);
        assert_eq!(flood.drain(), [("a".to_string(), 9)]);
        assert_eq!(flood.drain(), []);
        assert!(flood.first("a"));
    }
}
