//! The standards that are in force, and how others take their place while the platform runs.
//!
//! Problem: somebody installs or removes a catalogue while threads judge, an assessment is being made
//! and duties are counted. Mechanism: a set of standards is made whole, looked at, and never changed;
//! one pointer says which set is in force, and is exchanged. Whoever judges takes it once and works
//! with that set to the end: the old one or the new one, and never a part of each. What was loaded
//! before is taken over from memory, so a file that was damaged since takes away nothing that is in
//! force. Not a lock around whatever judges: an assessment takes minutes. Not a process that starts
//! again: evidence would have a gap for each catalogue.

use super::{Catalogue, Catalogues};
use jinyun_base::Fault;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Gives the standards that are in force.
pub type InForce = Arc<dyn Fn() -> Arc<Catalogues> + Send + Sync>;

/// What is in force at one moment. Another takes its place; itself it does not change.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The shipped standards and those that were loaded.
    pub catalogues: Arc<Catalogues>,
    /// Installed ones that were loaded: key and digest.
    pub good: BTreeMap<String, String>,
    /// Installed ones that were not: key and why.
    pub refused: BTreeMap<String, String>,
}

impl Loaded {
    /// Before anything was loaded.
    pub fn new(shipped: Arc<Catalogues>) -> Loaded {
        Loaded { catalogues: shipped, good: BTreeMap::new(), refused: BTreeMap::new() }
    }

    /// What can be in force if these are installed, by key and digest, beside the shipped ones. One that
    /// is in force already is not read again. Of two that do not fit each other the first stays; one
    /// may rest on another that came after it.
    pub fn next<'n>(&self, shipped: &Arc<Catalogues>, named: impl Iterator<Item = (&'n str, &'n str)>,
        read: impl Fn(&str, &str) -> Result<Catalogue, String>) -> Loaded {
        let mut next = Loaded::new(shipped.clone());
        let mut left: Vec<(&str, &str, Catalogue)> = Vec::new();
        for (key, sha256) in named {
            let same = self.good.get(key).is_some_and(|known| known == sha256);
            let known = self.catalogues.get(key).filter(|_| same).cloned();
            match known.map_or_else(|| read(key, sha256), Ok) {
                Ok(catalogue) => left.push((key, sha256, catalogue)),
                Err(why) => drop(next.refused.insert(key.into(), why)),
            }
        }
        // As long as one more fits.
        loop {
            let many = left.len();
            let mut why: Vec<String> = Vec::new();
            left.retain(|(key, sha256, catalogue)| match next.catalogues.with([catalogue.clone()]) {
                Ok(joined) => {
                    next.catalogues = Arc::new(joined);
                    next.good.insert((*key).into(), (*sha256).into());
                    false
                }
                Err(malformed) => {
                    why.push(malformed.first().to_string());
                    true
                }
            });
            if left.len() == many {
                let keys = left.into_iter().map(|(key, ..)| key.to_string());
                next.refused.extend(keys.zip(why));
                return next;
            }
        }
    }

    /// Whether the other has the same in force, and refuses the same for the same reasons.
    pub fn same(&self, other: &Loaded) -> bool {
        self.good == other.good && self.refused == other.refused
    }

    /// The keys of those that would not fit any more without this one.
    pub fn resting_on(&self, shipped: &Arc<Catalogues>, key: &str) -> Vec<String> {
        let others = self.good.iter().filter(|(other, _)| *other != key);
        let named = others.map(|(other, sha256)| (other.as_str(), sha256.as_str()));
        let without = self.next(shipped, named, |_, _| Err("it is not in force".into()));
        without.refused.into_keys().collect()
    }
}

/// Which set is in force.
pub(crate) struct Live {
    now: Mutex<Arc<Loaded>>,
    turn: Mutex<()>,
    stuck: Mutex<Option<String>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// Begins with this one.
    pub fn new(loaded: Loaded) -> Live {
        Live { now: Mutex::new(Arc::new(loaded)), turn: Mutex::default(), stuck: Mutex::default() }
    }

    /// The set that is in force now: for all of what is done with it.
    pub fn now(&self) -> Arc<Loaded> {
        held(&self.now).clone()
    }

    /// Puts another set in force.
    pub fn put(&self, next: Loaded) {
        *held(&self.now) = Arc::new(next);
    }

    /// Held by whoever changes what is installed, or brings what is in force to it. Whoever has it
    /// takes no other lock of evidence's but those in here.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        held(&self.turn)
    }

    /// Keeps why the newest attempt to bring it up to date came to nothing, if it did.
    pub fn noted<T>(&self, came: &Result<T, Fault>) {
        *held(&self.stuck) = came.as_ref().err().map(Fault::to_string);
    }

    /// Why what is in force is not what is installed, if that could not be brought about.
    pub fn stuck(&self) -> Option<String> {
        held(&self.stuck).clone()
    }

    /// Lends the way to ask.
    pub fn lend(self: &Arc<Live>) -> InForce {
        let live = self.clone();
        Arc::new(move || live.now().catalogues.clone())
    }
}
