//! What hosts are told and what they report, in memory.
//!
//! Problem: a plan asks "is this thing gone?", and a wrong "yes" gives an address or a disk to two
//! owners. A host that is silent, or that reports about an older document, has not said yes.
//!
//! Mechanism: each host has its newest document, its newest report and the things whose rows lie on
//! it ([`super::placed`]), wanted or not. A thing is gone only if no report has it, no document
//! wants it, and each host on which its row lies has reported about its newest document since it
//! connected. Everything else that is not reported is `pending`.
//!
//! A connection says little: a host whose main loop hangs keeps it, and its other threads answer. So a
//! host is alive if it is connected and has reported lately. One that is not gets nothing new; what it
//! has is not given away, since nobody has said that it is gone.
//!
//! Nothing here is stored: after a restart of the control process every host that has a record must
//! have been composed once before plans are asked (an unknown host cannot be waited for), and then
//! tells everything again. Generations go on where they were because the caller gives the journal's
//! next number as a floor: each change of a document has at least one entry behind it.

use jinyun_base::Id;
use jinyun_engine::Seen;
use jinyun_wire::{GuestSeen, GuestState, HostFacts, HostSeen, HostWant, Thing};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A host that has not reported for so long is not alive. It reports each five seconds at least, but for
/// passes that take longer: those of a host that has just started, or that has very much to do.
const SILENT: Duration = Duration::from_secs(90);

/// A clock that is never set: the time since some moment.
type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

/// All hosts. Shared by the driver (reads) and the connections (write).
pub struct Hosts {
    all: Mutex<BTreeMap<String, Now>>,
    clock: Clock,
}

impl Default for Hosts {
    fn default() -> Hosts {
        let start = Instant::now();
        Hosts::timed(move || start.elapsed())
    }
}

/// A thing by kind and id.
type Key = (&'static str, String);

/// One host.
#[derive(Default)]
struct Now {
    connected: bool,
    /// When it connected or reported last.
    heard: Duration,
    facts: HostFacts,
    document: HostWant,
    /// What the document wants.
    wanted: BTreeSet<Key>,
    /// Whose rows lie on the host.
    placed: BTreeSet<Key>,
    report: HostSeen,
    /// What the report has.
    found: BTreeMap<Key, Found>,
    /// The document that the newest report of this connection is about.
    reported: Option<u64>,
}

/// A thing as a host reported it.
#[derive(Clone, PartialEq)]
enum Found {
    Thing(Thing),
    Guest(GuestSeen),
}

/// What one host says of a thing.
#[derive(Clone, PartialEq)]
enum Look {
    /// It is not there.
    Gone,
    /// It has not said.
    Pending,
    /// It is there; whether the report is about the newest document.
    Found(Found, bool),
}

/// The kinds that hosts report, as written here.
fn kind_of(kind: &str) -> Option<&'static str> {
    ["port", "volume", "server"].into_iter().find(|k| *k == kind)
}

impl Now {
    /// It is connected and has reported lately. A simulated one has nothing to say between two documents.
    fn alive(&self, now: Duration) -> bool {
        let lately = now.saturating_sub(self.heard) < SILENT;
        self.connected && (lately || self.facts.simulated)
    }

    /// It has reported about its newest document since it connected.
    fn caught_up(&self) -> bool {
        self.reported.is_some_and(|generation| generation >= self.document.generation)
    }

    fn look(&self, key: &Key) -> Look {
        if let Some(found) = self.found.get(key) {
            // Whether a report is current matters where an old failure must not count for a new
            // attempt; for everything else a difference would only wake plans for nothing.
            let failed = match found {
                Found::Guest(guest) => guest.state == GuestState::Failed || guest.error.is_some(),
                Found::Thing(_) => false,
            };
            return Look::Found(found.clone(), !failed || self.caught_up());
        }
        if self.wanted.contains(key) {
            return Look::Pending;
        }
        if self.placed.contains(key) && !self.caught_up() {
            return Look::Pending;
        }
        Look::Gone
    }

    fn looks(&self) -> BTreeMap<Key, Look> {
        self.all().into_iter().map(|key| (key.clone(), self.look(&key))).collect()
    }

    fn all(&self) -> BTreeSet<Key> {
        let known = self.found.keys().chain(&self.wanted).chain(&self.placed);
        known.cloned().collect()
    }

    /// Guests of the document that use one of these.
    fn users(&self, changed: &BTreeSet<Key>) -> Vec<Key> {
        let has = |kind, id: &str| changed.contains(&(kind, id.to_string()));
        self.document.guests.iter()
            .filter(|guest| {
                guest.disks.iter().any(|disk| has("volume", &disk.id))
                    || guest.ports.iter().any(|port| has("port", port))
            })
            .map(|guest| ("server", guest.id.clone()))
            .collect()
    }
}

/// What a document wants to exist.
fn wanted(document: &HostWant) -> BTreeSet<Key> {
    let ports = document.networks.iter().flat_map(|network| &network.ports);
    let ports = ports.map(|port| ("port", port.id.clone()));
    let disks = document.disks.iter().map(|disk| ("volume", disk.id.clone()));
    let guests = document.guests.iter().map(|guest| ("server", guest.id.clone()));
    ports.chain(disks).chain(guests).collect()
}

/// What a report has.
fn found(report: &HostSeen) -> BTreeMap<Key, Found> {
    let thing = |kind: &'static str, t: &Thing| ((kind, t.id.clone()), Found::Thing(t.clone()));
    let ports = report.ports.iter().map(|t| thing("port", t));
    let disks = report.disks.iter().map(|t| thing("volume", t));
    let guests = report.guests.iter();
    let guests = guests.map(|g| (("server", g.id.clone()), Found::Guest(g.clone())));
    ports.chain(disks).chain(guests).collect()
}

/// As resources to nudge.
fn things(keys: impl IntoIterator<Item = Key>) -> Vec<(&'static str, Id)> {
    keys.into_iter().map(|(kind, id)| (kind, Id::new(id))).collect()
}

impl Hosts {
    /// None yet.
    pub fn new() -> Hosts {
        Hosts::default()
    }

    /// None yet, by another clock.
    pub fn timed(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Hosts {
        Hosts { all: Mutex::default(), clock: Box::new(clock) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Now>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a host's newest document and the things whose rows lie on it. Whether the content
    /// differs from the last: then it has a new generation and is to be sent. The first one of a
    /// process always is. Compositions of one host must come in the order of their reads.
    pub fn compose(
        &self,
        host: &str,
        mut document: HostWant,
        placed: Vec<(&'static str, Id)>,
        floor: u64,
    ) -> bool {
        let mut hosts = self.lock();
        let now = hosts.entry(host.into()).or_default();
        now.placed = placed.into_iter().map(|(kind, id)| (kind, id.to_string())).collect();
        let last = now.document.generation;
        document.generation = last;
        if last > 0 && document == now.document {
            return false;
        }
        document.generation = floor.max(last + 1);
        now.wanted = wanted(&document);
        now.document = document;
        true
    }

    /// The newest document of a host, to be sent when it connects and when it has changed.
    pub fn document(&self, host: &str) -> Option<HostWant> {
        let hosts = self.lock();
        hosts.get(host).map(|now| now.document.clone()).filter(|d| d.generation > 0)
    }

    /// The newest report of a host and its facts, for people and checks.
    pub fn reported(&self, host: &str) -> Option<(HostSeen, HostFacts)> {
        self.lock().get(host).map(|now| (now.report.clone(), now.facts.clone()))
    }

    /// A host has connected. Returns what is to be nudged.
    pub fn connected(&self, host: &str, facts: HostFacts) -> Vec<(&'static str, Id)> {
        let mut hosts = self.lock();
        let now = hosts.entry(host.into()).or_default();
        now.connected = true;
        now.heard = (self.clock)();
        now.facts = facts;
        // What it said on an earlier connection may be from before its machine restarted.
        now.reported = None;
        things(now.all())
    }

    /// A host's connection has ended. What it reported last stays: its guests run on. Returns what
    /// is to be nudged.
    pub fn disconnected(&self, host: &str) -> Vec<(&'static str, Id)> {
        let mut hosts = self.lock();
        let Some(now) = hosts.get_mut(host) else { return Vec::new() };
        now.connected = false;
        now.reported = None;
        things(now.all())
    }

    /// A host's record was deleted.
    pub fn forget(&self, host: &str) {
        self.lock().remove(host);
    }

    /// Takes a host's report. Returns what has changed by it, with the servers that use it; everything
    /// if nobody knew any more whether the host is alive.
    pub fn report(&self, host: &str, report: HostSeen) -> Vec<(&'static str, Id)> {
        let mut hosts = self.lock();
        let now = hosts.entry(host.into()).or_default();
        let at = (self.clock)();
        let back = now.connected && !now.alive(at);
        now.heard = at;
        let before = now.looks();
        now.reported = Some(report.generation);
        now.found = found(&report);
        now.report = report;
        let after = now.looks();
        let gone = Look::Gone;
        let mut changed: BTreeSet<Key> = before.keys().chain(after.keys())
            .filter(|key| {
                before.get(*key).unwrap_or(&gone) != after.get(*key).unwrap_or(&gone)
            })
            .cloned()
            .collect();
        let users = now.users(&changed);
        changed.extend(users);
        if back {
            changed.extend(now.all());
        }
        things(changed)
    }
}

/// A thing's report as plans read it.
fn shown(found: &Found, current: bool) -> Value {
    let value = match found {
        Found::Thing(thing) => serde_json::to_value(thing),
        Found::Guest(guest) => serde_json::to_value(guest),
    };
    let Ok(mut value) = value else { return json!({ "state": "pending" }) };
    if let (Found::Guest(_), Some(members)) = (found, value.as_object_mut()) {
        members.insert("current".into(), current.into());
    }
    value
}

impl Seen for Hosts {
    fn seen(&self, kind: &str, id: &Id) -> Option<Value> {
        let (hosts, at) = (self.lock(), (self.clock)());
        if kind == "hosts" {
            let alive = hosts.iter().filter(|(_, now)| now.alive(at));
            let alive: Vec<&str> = alive.map(|(name, _)| name.as_str()).collect();
            return Some(json!({ "alive": alive }));
        }
        if kind == "host" {
            let now = hosts.get(id.as_str()).filter(|now| now.alive(at))?;
            return Some(json!({ "alive": true, "facts": now.facts }));
        }
        let key = (kind_of(kind)?, id.to_string());
        // Where it is wanted counts more than where it is still.
        let mut order: Vec<&Now> = hosts.values().collect();
        order.sort_by_key(|now| !now.wanted.contains(&key));
        let mut pending = false;
        for now in order {
            match now.look(&key) {
                Look::Found(found, current) => return Some(shown(&found, current)),
                Look::Pending => pending = true,
                Look::Gone => {}
            }
        }
        pending.then(|| json!({ "state": "pending" }))
    }
}
