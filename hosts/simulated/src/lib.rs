//! A host that is not there: it accepts want-documents and reports them as done.
//!
//! For machines that cannot carry guests (`make up HOSTS=simulated`) and for the simulation. It keeps
//! the rules that matter to the control plane: an older document is refused, a disk is made only
//! with its key, and a guest that was told to end stays ended.

use jinyun_wire::{
    Answer, Ask, Fault, GuestSeen, GuestState, HostFacts, HostSeen, HostWant, Survey, Thing,
};
use std::collections::{BTreeMap, BTreeSet};

/// A simulated host.
#[derive(Debug, Default)]
pub struct SimulatedHost {
    generation: u64,
    disks: BTreeSet<String>,
    guests: BTreeMap<String, GuestSeen>,
    ports: BTreeSet<String>,
}

impl SimulatedHost {
    /// What it says of itself.
    pub fn facts() -> HostFacts {
        HostFacts {
            simulated: true,
            cpus: 64,
            memory_mib: 256 << 10,
            disk_free: 1 << 42,
            kernel: "simulated".into(),
            qemu: "none".into(),
            boot_id: "simulated".into(),
            ..HostFacts::default()
        }
    }

    /// Answers a question. What it shows of itself is that it is not there; everything else would
    /// need a machine.
    pub fn answer(ask: &Ask) -> Answer {
        let why = "the host is simulated: nothing runs on it";
        match ask {
            Ask::Survey => {
                Answer::Survey(Box::new(Survey { simulated: true, ..Survey::unread(why) }))
            }
            Ask::Console { .. } | Ask::Probe(_) | Ask::Probes { .. } | Ask::Facts => {
                Answer::Failed { why: why.into() }
            }
        }
    }

    /// Converges to a document. `key` says whether a disk's key can be had.
    pub fn apply(&mut self, want: &HostWant, key: &mut dyn FnMut(&str) -> bool) -> HostSeen {
        if want.generation < self.generation {
            return self.seen(&[]);
        }
        self.generation = want.generation;
        self.ports = want.networks.iter().flat_map(|n| &n.ports).map(|p| p.id.clone()).collect();
        self.disks.retain(|d| want.disks.iter().any(|w| w.id == *d));
        let mut missing = Vec::new();
        for disk in &want.disks {
            if self.disks.contains(&disk.id) || key(&disk.id) {
                self.disks.insert(disk.id.clone());
            } else {
                missing.push(disk.id.clone());
            }
        }
        self.guests.retain(|id, _| want.guests.iter().any(|g| g.id == *id));
        for guest in &want.guests {
            let old = self.guests.get(&guest.id);
            let ended = old.is_some_and(|o| {
                o.state == GuestState::Ended && o.incarnation == guest.incarnation
            });
            let disks_there = guest.disks.iter().all(|d| self.disks.contains(&d.id));
            let (state, error) = match (guest.running, ended, disks_there) {
                (false, ..) => (GuestState::Off, None),
                (true, true, _) => (GuestState::Ended, None),
                (true, false, true) => (GuestState::Running, None),
                (true, false, false) => {
                    let why = "a disk is missing".into();
                    (GuestState::Failed, Some(Fault { why, fatal: false }))
                }
            };
            let incarnation = guest.incarnation;
            let seen = GuestSeen { id: guest.id.clone(), state, incarnation, error };
            self.guests.insert(guest.id.clone(), seen);
        }
        self.seen(&missing)
    }

    /// A guest ends by itself, as one whose process was killed. Whether it ran.
    pub fn end_guest(&mut self, id: &str) -> bool {
        match self.guests.get_mut(id) {
            Some(guest) if guest.state == GuestState::Running => {
                guest.state = GuestState::Ended;
                true
            }
            _ => false,
        }
    }

    /// What it sees.
    pub fn seen(&self, missing: &[String]) -> HostSeen {
        let thing = |id: &String| Thing { id: id.clone(), ready: true, error: None };
        let mut disks: Vec<Thing> = self.disks.iter().map(thing).collect();
        disks.extend(missing.iter().map(|id| Thing {
            id: id.clone(),
            ready: false,
            error: Some(Fault { why: "its key is not to be had".into(), fatal: false }),
        }));
        HostSeen {
            generation: self.generation,
            converged: missing.is_empty(),
            ports: self.ports.iter().map(thing).collect(),
            disks,
            guests: self.guests.values().cloned().collect(),
            errors: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_that_it_is_not_there_and_shows_nothing() {
        let Answer::Survey(survey) = SimulatedHost::answer(&Ask::Survey) else {
            panic!("another answer")
        };
        assert!(survey.simulated && survey.guests.is_err() && survey.settings.is_empty());
        assert!(matches!(SimulatedHost::answer(&Ask::Facts), Answer::Failed { .. }));
    }
}
