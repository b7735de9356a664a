//! The state of the host's guests and disks, and the pass over it.
//!
//! One thread owns [`Guests`]; jobs own what they work on and hand it back. So there are no locks
//! here, and what a step sees is what the plan saw.

use super::device::{self, Plugged};
use super::disk::Pool;
use super::job::{Done, Jobs};
use super::plan::{self, Device, Phase, Stage, plan};
use super::process::Process;
use super::qmp::Qmp;
use super::record::{Held, Record};
use super::report::{Report, bound_console};
use super::sheet::{self, Board};
use super::trial::Trial;
use super::{Keys, Nudge, Place, Taps, adopt};
use crate::{files, locked, log};
use jinyun_wire::{DiskWant, Fault, GuestWant, HostWant};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For a guest to shut down when its power button was pressed.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// For QMP in a pass: it waits for nobody long.
pub(super) const QUICK: Duration = Duration::from_secs(2);
/// Between attempts to talk to a QEMU that does not.
const RECONNECT: Duration = Duration::from_secs(30);

/// A guest whose process lives.
pub struct Live {
    pub(super) process: Process,
    /// `None` while a job has it, or when the other end does not talk.
    pub(super) qmp: Option<Qmp>,
    pub(super) devices: Plugged,
}

pub(super) struct Guest {
    pub(super) record: Record,
    pub(super) live: Option<Live>,
    /// A job works on it, for this.
    pub(super) job: Option<GuestWant>,
    /// What the job is about to plug in: in use already.
    pub(super) claims: BTreeSet<Device>,
    /// When what it was asked to do has taken too long.
    pub(super) due: Option<Instant>,
    /// When to try to talk again.
    pub(super) reconnect: Instant,
    /// Why QEMU has stopped it, if it has.
    pub(super) stopped: Option<String>,
    /// Its process was put into its group.
    pub(super) caged: bool,
    pub(super) trial: Trial<GuestWant>,
}

impl Guest {
    pub(super) fn new(record: Record, live: Option<Live>, now: Instant) -> Guest {
        let due = matches!(record.phase, Phase::Stopping(_)).then(|| now + GRACE);
        Guest {
            record,
            live,
            job: None,
            claims: BTreeSet::new(),
            due,
            reconnect: now,
            stopped: None,
            caged: false,
            trial: Trial::default(),
        }
    }

    pub(super) fn devices(&self) -> BTreeSet<Device> {
        let plugged = self
            .live
            .iter()
            .flat_map(|live| live.devices.keys().cloned());
        plugged.chain(self.claims.iter().cloned()).collect()
    }

    pub(super) fn stopping(&mut self, stage: Stage, grace: Duration) {
        self.record.phase = Phase::Stopping(stage);
        self.due = Some(Instant::now() + grace);
    }
}

#[derive(Default)]
pub(super) struct Disk {
    /// A job works on it, for this (`None`: to remove it).
    pub(super) job: Option<Option<DiskWant>>,
    /// Its size, once it has been read.
    pub(super) bytes: Option<u64>,
    pub(super) trial: Trial<DiskWant>,
}

/// The host's guests and disks.
pub struct Guests {
    pub(super) place: Arc<Place>,
    pub(super) pool: Arc<Pool>,
    pub(super) keys: Keys,
    pub(super) nudge: Nudge,
    pub(super) jobs: Jobs,
    pub(super) guests: BTreeMap<String, Guest>,
    pub(super) disks: BTreeMap<String, Disk>,
    /// What QEMUs say of their machines.
    board: Board,
}

impl Guests {
    /// Opens the pool, adopts what runs, ends what runs without record.
    pub fn open(place: Arc<Place>, keys: Keys, nudge: Nudge) -> io::Result<Guests> {
        files::private_dir(&place.state_dir)?;
        files::private_dir(&place.state_dir.join("guests"))?;
        files::private_dir(&place.run_dir.join("g"))?;
        let pool = Arc::new(Pool::open(&place)?);
        let mut guests = BTreeMap::new();
        for (record, live) in adopt::adopt(&place)? {
            if let Some(live) = &live {
                watch(live, &nudge);
            }
            guests.insert(record.id.clone(), Guest::new(record, live, Instant::now()));
        }
        let jobs = Jobs::new(Arc::clone(&nudge));
        Ok(Guests {
            place,
            pool,
            keys,
            nudge,
            jobs,
            guests,
            disks: BTreeMap::new(),
            board: Board::default(),
        })
    }

    /// The process id of a guest that runs.
    #[must_use]
    pub fn pid(&self, id: &str) -> Option<u32> {
        Some(self.guests.get(id)?.live.as_ref()?.process.pid())
    }

    /// Where what QEMUs say of their machines is left for questions.
    #[must_use]
    pub fn board(&self) -> Board {
        Arc::clone(&self.board)
    }

    /// One pass: look, plan, act, report. `ports` are those that are ready. Never waits long.
    pub fn pass(
        &mut self,
        want: &HostWant,
        ports: &BTreeSet<String>,
        taps: &mut Taps<'_>,
    ) -> Report {
        for done in self.jobs.collect() {
            self.finish(done);
        }
        for guest in self.guests.values_mut().filter(|guest| guest.job.is_none()) {
            observe(guest, &self.place);
        }
        let mut errors = Vec::new();
        match self.pool.list() {
            Ok(present) => {
                let seen = self.seen(want, ports, &present);
                for step in plan(want, &seen) {
                    self.take(step, want, taps);
                }
            }
            // Without knowing what exists, nothing is made and nothing removed.
            Err(e) => errors.push(format!("the disks cannot be listed: {e}")),
        }
        self.cage(want);
        self.ask_machines(false);
        self.report(want, errors)
    }

    /// Gives limits to guests that an agent without limits started.
    fn cage(&mut self, want: &HostWant) {
        for wanted in want.guests.iter().filter(|guest| guest.running) {
            let Some(guest) = self.guests.get_mut(&wanted.id) else {
                continue;
            };
            let Some(live) = guest.live.as_ref().filter(|_| !guest.caged) else {
                continue;
            };
            guest.caged = true;
            if let Err(e) = self.place.cage.hold(wanted, live.process.pid()) {
                log::warn(format_args!("guest {} has no limits: {e}", wanted.id));
            }
        }
    }

    /// Asks QEMUs about their machines: all of them, or those of which nothing is known since they
    /// changed.
    fn ask_machines(&mut self, all: bool) {
        // Not held while a QEMU is asked: whoever has a question does not wait for one that hangs.
        let known: BTreeSet<String> = {
            let mut board = locked(&self.board);
            board.retain(|id, _| {
                let guest = self.guests.get(id);
                guest.is_some_and(|guest| guest.job.is_none() && guest.live.is_some())
            });
            board.keys().cloned().collect()
        };
        for (id, guest) in &mut self.guests {
            if guest.job.is_some() || guest.record.phase != Phase::Running {
                continue;
            }
            let Some(live) = guest.live.as_mut() else {
                continue;
            };
            let Some(qmp) = live.qmp.as_mut() else {
                // What it said before it fell silent may no longer be so.
                locked(&self.board).remove(id);
                continue;
            };
            if !all && known.contains(id) {
                continue;
            }
            match sheet::ask(qmp, guest.record.incarnation, QUICK) {
                Ok(sheet) => {
                    locked(&self.board).insert(id.clone(), sheet);
                }
                Err(_) => {
                    locked(&self.board).remove(id);
                    live.qmp = None;
                }
            }
        }
    }

    /// Asks again what is otherwise believed between passes; costs a few questions to each QEMU.
    pub fn look_closely(&mut self) {
        let guests = &mut self.guests;
        for guest in guests.values_mut().filter(|guest| guest.job.is_none()) {
            let Some(live) = guest.live.as_mut() else {
                continue;
            };
            let Some(qmp) = live.qmp.as_mut() else {
                continue;
            };
            match qmp
                .status(QUICK)
                .and_then(|status| Ok((status, device::attached(qmp)?)))
            {
                Ok(((running, word), devices)) => {
                    guest.stopped = (!running).then_some(word);
                    live.devices = devices;
                }
                Err(_) => live.qmp = None,
            }
        }
        self.ask_machines(true);
        let (base, guests) = (self.place.uid_base, &self.guests);
        let known = |uid: u32, pid: u32| {
            guests.values().any(|guest| {
                let has = guest.live.as_ref().map(|live| live.process.pid());
                base + guest.record.slot == uid && (guest.job.is_some() || has == Some(pid))
            })
        };
        if let Err(e) = adopt::sweep(&self.place, known) {
            log::warn(format_args!("processes cannot be listed: {e}"));
        }
    }

    fn seen(
        &mut self,
        want: &HostWant,
        ports: &BTreeSet<String>,
        present: &[String],
    ) -> plan::Seen {
        let now = Instant::now();
        for id in present {
            self.disks.entry(id.clone()).or_default();
        }
        self.disks.retain(|id, disk| {
            let wanted = want.disks.iter().any(|disk| disk.id == *id);
            wanted || disk.job.is_some() || present.contains(id)
        });
        let disks = self.disks.iter().map(|(id, disk)| {
            let wanted = want.disks.iter().find(|disk| disk.id == *id);
            let now = plan::DiskNow {
                present: present.contains(id),
                busy: disk.job.is_some(),
                held: disk.trial.held(wanted, now),
            };
            (id.clone(), now)
        });
        let guests = self.guests.iter().map(|(id, guest)| {
            let wanted = want.guests.iter().find(|guest| guest.id == *id);
            let now = plan::GuestNow {
                phase: guest.record.phase,
                incarnation: guest.record.incarnation,
                busy: guest.job.is_some(),
                held: guest.trial.held(wanted, now),
                overdue: guest.due.is_some_and(|due| now >= due),
                devices: guest.devices(),
            };
            (id.clone(), now)
        });
        plan::Seen {
            disks: disks.collect(),
            guests: guests.collect(),
            ports: ports.clone(),
        }
    }

    fn finish(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Disk {
                id,
                worker: _,
                result,
            } => {
                let disk = self.disks.entry(id).or_default();
                let of = disk.job.take().flatten();
                disk.bytes = None;
                match result {
                    Ok(()) => disk.trial.clear(),
                    Err(fault) => disk.trial.failed(fault, of, now),
                }
            }
            Done::Started { id, result } => {
                let Some(guest) = self.guests.get_mut(&id) else {
                    return;
                };
                started(guest, result, &self.nudge);
                save(guest, &self.place);
            }
            Done::Plugged {
                id,
                qmp,
                devices,
                result,
            } => {
                let Some(guest) = self.guests.get_mut(&id) else {
                    return;
                };
                let of = guest.job.take();
                guest.claims.clear();
                if let Some(live) = guest.live.as_mut() {
                    live.qmp = qmp;
                    if let Some(devices) = devices {
                        guest.record.devices = devices.clone().into_iter().collect();
                        live.devices = devices;
                    }
                }
                match result {
                    Ok(()) => guest.trial.clear(),
                    Err(fault) => guest.trial.failed(fault, of, now),
                }
                save(guest, &self.place);
            }
        }
    }
}

fn started(guest: &mut Guest, result: Result<Live, Fault>, nudge: &Nudge) {
    let of = guest.job.take();
    guest.claims.clear();
    guest.stopped = None;
    guest.due = None;
    let record = &mut guest.record;
    record.incarnation = record.starting.take().unwrap_or(record.incarnation);
    match result {
        Ok(live) => {
            let (id, pid, n) = (&record.id, live.process.pid(), record.incarnation);
            log::info(format_args!(
                "guest {id} runs: process {pid}, incarnation {n}"
            ));
            record.phase = Phase::Running;
            // The job has done it.
            guest.caged = true;
            record.process = Some(Held::of(&live.process));
            record.devices = live.devices.clone().into_iter().collect();
            watch(&live, nudge);
            guest.live = Some(live);
            guest.trial.clear();
        }
        Err(fault) => {
            log::warn(format_args!(
                "guest {} did not start: {}",
                record.id, fault.why
            ));
            record.phase = Phase::Failed;
            record.process = None;
            guest.trial.failed(fault, of, Instant::now());
        }
    }
}

/// A guest's end should be seen at once, not at the next tick.
fn watch(live: &Live, nudge: &Nudge) {
    let nudge = Arc::clone(nudge);
    if let Err(e) = live.process.on_end(move || nudge()) {
        log::warn(format_args!(
            "process {} is not watched: {e}",
            live.process.pid()
        ));
    }
}

pub(super) fn save(guest: &mut Guest, place: &Place) {
    if let Err(e) = guest.record.save(place) {
        log::warn(format_args!(
            "guest {} cannot be recorded: {e}",
            guest.record.id
        ));
    }
}

/// Sees whether the process has ended and what QEMU has said meanwhile.
fn observe(guest: &mut Guest, place: &Place) {
    let id = guest.record.id.clone();
    let Some(live) = guest.live.as_mut() else {
        return;
    };
    if !live.process.alive() {
        guest.record.phase = match guest.record.phase {
            Phase::Stopping(_) => Phase::Off,
            _ => Phase::Ended,
        };
        log::info(format_args!(
            "guest {id} has ended: {:?}",
            guest.record.phase
        ));
        guest.live = None;
        guest.due = None;
        guest.stopped = None;
        guest.caged = false;
        guest.record.process = None;
        guest.record.devices.clear();
        place.cage.release(&id);
        return save(guest, place);
    }
    if live.qmp.is_none() && Instant::now() >= guest.reconnect {
        guest.reconnect = Instant::now() + RECONNECT;
        live.qmp = Qmp::connect(&place.socket(&id), QUICK).ok();
    }
    if let Some(qmp) = live.qmp.as_mut() {
        match qmp.events() {
            Ok(events) => {
                for (name, _) in events {
                    match name.as_str() {
                        "STOP" => {
                            let word = qmp.status(QUICK).map_or("stopped".into(), |(_, w)| w);
                            guest.stopped = Some(word);
                        }
                        "RESUME" => guest.stopped = None,
                        _ => {}
                    }
                }
            }
            Err(_) => live.qmp = None,
        }
    }
    if let Err(e) = bound_console(&place.console(&id)) {
        log::warn(format_args!(
            "guest {id}: its console cannot be bounded: {e}"
        ));
    }
}
