//! What a run did, in numbers: a simulation that provokes nothing passes every checker, so each sort of
//! thing that should have happened is counted and shown, and what was often tried and never done is a
//! failure of the simulation itself.

use std::collections::BTreeMap;

/// What was tried so often has to succeed now and then.
const OFTEN: u64 = 40;

/// What a run did, for a summary that shows that something was provoked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Commands that were acknowledged.
    pub done: u64,
    /// Commands that were refused.
    pub refused: u64,
    /// Commands that were answered with "waits for approval".
    pub held: u64,
    /// Votes on requests that were acknowledged.
    pub votes: u64,
    /// Requests that ran.
    pub ran: u64,
    /// Requests that were approved and refused when they ran.
    pub failed: u64,
    /// Requests whose time was over.
    pub expired: u64,
    /// Requests that somebody refused or took back.
    pub stopped: u64,
    /// Requests that their rules left behind.
    pub lapsed: u64,
    /// Acts of the provider's staff under a consent.
    pub consented: u64,
    /// Deaths of the control process.
    pub crashes: u64,
    /// Commits that failed for a full disk.
    pub full: u64,
    /// Messages that were lost, doubled or overtaken.
    pub mangled: u64,
    /// Deaths of hosts and guests.
    pub deaths: u64,
    /// Journal entries.
    pub entries: u64,
    /// How often each action was tried, and how often acknowledged or held.
    pub actions: BTreeMap<String, (u64, u64)>,
}

impl Outcome {
    /// Adds another run.
    pub fn add(&mut self, other: &Outcome) {
        self.done += other.done;
        self.refused += other.refused;
        self.held += other.held;
        self.votes += other.votes;
        self.ran += other.ran;
        self.failed += other.failed;
        self.expired += other.expired;
        self.stopped += other.stopped;
        self.lapsed += other.lapsed;
        self.consented += other.consented;
        self.crashes += other.crashes;
        self.full += other.full;
        self.mangled += other.mangled;
        self.deaths += other.deaths;
        self.entries += other.entries;
        for (action, (tried, done)) in &other.actions {
            let sum = self.actions.entry(action.clone()).or_default();
            *sum = (sum.0 + tried, sum.1 + done);
        }
    }

    /// What a long run has to have seen and this one has not: it would show nothing.
    pub fn unseen(&self) -> Vec<&'static str> {
        let all = [("commands that wait", self.held), ("votes", self.votes), ("runs", self.ran),
            ("runs that fail", self.failed), ("requests that are stopped", self.stopped),
            ("requests that expire", self.expired), ("requests left by their rules", self.lapsed),
            ("acts under consents", self.consented), ("crashes", self.crashes),
            ("full disks", self.full), ("mangled messages", self.mangled), ("deaths", self.deaths)];
        all.into_iter().filter(|(_, many)| *many == 0).map(|(what, _)| what).collect()
    }

    /// Actions that were often tried and never done: whatever rests on them was not tested.
    pub fn hollow(&self) -> Vec<&str> {
        let hollow = self.actions.iter().filter(|(_, (tried, done))| *tried >= OFTEN && *done == 0);
        hollow.map(|(action, _)| action.as_str()).collect()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} commands done, {} refused; {} held, {} votes, {} requests ran, {} failed, \
            {} expired, {} stopped, {} lapsed; {} acts under consents; {} crashes, {} full disks, {} \
            mangled messages, {} deaths of hosts and guests; {} journal entries", self.done,
            self.refused, self.held, self.votes, self.ran, self.failed, self.expired, self.stopped,
            self.lapsed, self.consented, self.crashes, self.full, self.mangled, self.deaths, self.entries)
    }
}
