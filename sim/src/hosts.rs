//! Hosts and the wire to them: what is composed for them, what they report, and what becomes of a
//! message on its way. In peace each arrives once and in order; under faults any is lost, doubled or
//! overtaken, since that is all that a connection promises after it was made anew.

use crate::world::World;
use jinyun_base::{Entropy, Fault, Id};
use jinyun_compute::{Host, placed, registration, waiting, want};
use jinyun_engine::{Job, View};
use jinyun_simulated::SimulatedHost;
use jinyun_store::{Db, Query};
use jinyun_wire::{HostSeen, HostWant};

/// A message on its way.
pub(crate) enum Message {
    Want(String, HostWant),
    Seen(String, HostSeen),
}

impl World {
    /// Documents for all hosts that have a record; changed ones go on the wire.
    pub(crate) fn compose(&mut self) -> Result<(), Fault> {
        let floor = self.db.journal_length()?;
        let names = View::new(&mut self.db).list::<Host>(&Query::default())?;
        for name in names.into_iter().map(|h| h.spec.name) {
            let mut secrets = Db::open(&self.config)?;
            let secrets = std::cell::RefCell::new(&mut secrets);
            let secret = |id: &Id| {
                secrets.borrow_mut().secret("server", id, "user_data").ok().flatten()
            };
            let mut view = View::new(&mut self.db);
            let document = want(&mut view, &name, &secret)?;
            let on = placed(&mut view, &name)?;
            if self.live.compose(&name, document, on, floor)
                && let Some(document) = self.live.document(&name)
            {
                self.wire.push(Message::Want(name, document));
            }
        }
        Ok(())
    }

    pub(crate) fn nudge(&mut self, things: Vec<(&'static str, Id)>) {
        for (kind, id) in things {
            let now = self.tick();
            if let Some(core) = self.core.as_mut() {
                // A nudge that a full disk loses is made up for by the host's next report.
                let _ = core.one(Job::Nudge { kind: kind.into(), id }, now);
            }
        }
    }

    /// Every living host says hello, as after a restart of the control process.
    pub(crate) fn connect_all(&mut self) {
        let names: Vec<String> =
            self.hosts.iter().filter(|(_, h)| h.is_some()).map(|(n, _)| n.clone()).collect();
        for name in names {
            let _ = self.run(registration(&name, &SimulatedHost::facts()));
            let mut things = self.live.connected(&name, SimulatedHost::facts());
            let waits = waiting(&mut View::new(&mut self.db)).unwrap_or_default();
            things.extend(waits.into_iter().map(|id| ("server", id)));
            let nudged = self.db.nudges().unwrap_or_default();
            things.extend(nudged.into_iter().filter_map(|n| match n.kind.as_str() {
                "volume" => Some(("volume", n.id)),
                "port" => Some(("port", n.id)),
                _ => None,
            }));
            if let Some(document) = self.live.document(&name) {
                self.wire.push(Message::Want(name.clone(), document));
            }
            if let Some(Some(host)) = self.hosts.get(&name) {
                self.wire.push(Message::Seen(name, host.seen(&[])));
            }
            self.nudge(things);
        }
    }

    /// One message arrives: in peace the oldest, under faults any, perhaps twice, perhaps never.
    pub(crate) fn deliver(&mut self) {
        if self.wire.is_empty() {
            return;
        }
        let (mut at, mut twice) = (0, false);
        if self.faults {
            at = self.pick(self.wire.len());
            let fate = self.dice.below(10);
            if at > 0 || fate < 2 {
                self.outcome.mangled += 1;
            }
            if fate == 0 {
                self.wire.remove(at);
                return;
            }
            twice = fate == 1;
        }
        let message = self.wire.remove(at);
        if twice {
            let copy = match &message {
                Message::Want(name, want) => Message::Want(name.clone(), want.clone()),
                Message::Seen(name, seen) => Message::Seen(name.clone(), seen.clone()),
            };
            self.wire.push(copy);
        }
        match message {
            Message::Want(name, document) => {
                let mut keys = match Db::open(&self.config) {
                    Ok(db) => db,
                    Err(_) => return,
                };
                let up = self.core.is_some();
                let mut key = |disk: &str| {
                    up && keys.secret("volume", &disk.into(), "key").is_ok_and(|k| k.is_some())
                };
                if let Some(Some(host)) = self.hosts.get_mut(&name) {
                    let seen = host.apply(&document, &mut key);
                    self.wire.push(Message::Seen(name, seen));
                }
            }
            Message::Seen(name, seen) => {
                if self.core.is_some() && self.hosts.get(&name).is_some_and(Option::is_some) {
                    let things = self.live.report(&name, seen);
                    self.nudge(things);
                }
            }
        }
    }

    /// Puts a disk on a host that nobody asked for.
    pub fn plant_disk(&mut self, host: &str, disk: &str) {
        let mut document = HostWant { generation: u64::MAX, ..HostWant::default() };
        if let Some(known) = self.live.document(host) {
            document = HostWant { generation: u64::MAX, ..known };
        }
        document.disks.push(jinyun_wire::DiskWant { id: disk.into(), bytes: 1, image: None });
        if let Some(Some(host)) = self.hosts.get_mut(host) {
            host.apply(&document, &mut |_| true);
        }
    }
}
