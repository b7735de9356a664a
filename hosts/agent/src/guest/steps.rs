//! Carries out the steps of a plan: the quick ones at once, the others as jobs.
//!
//! A step that cannot begin (everybody is busy) does nothing; the next pass plans it again.

use super::device::PortPlug;
use super::job::{self, Change, Done, Start};
use super::manager::{GRACE, Guest, Guests, QUICK, save};
use super::plan::{Device, Phase, Stage, Step, wanted_devices};
use super::qmp::Qmp;
use super::record::Record;
use super::{END, Place, Taps, failed};
use crate::{files, log};
use jinyun_wire::{Fault, GuestWant, HostWant};
use std::sync::Arc;
use std::time::Instant;

impl Guests {
    pub(super) fn take(&mut self, step: Step, want: &HostWant, taps: &mut Taps<'_>) {
        match step {
            Step::MakeDisk(id) => self.make_disk(&id, want),
            Step::RemoveDisk(id) => self.remove_disk(&id),
            Step::Start(id) => self.start(&id, want, taps),
            Step::Attach(id, device) => self.attach(&id, &device, want, taps),
            Step::Detach(id, device) => self.replug(&id, want, Change::Out(device)),
            Step::Forget(id) => self.forget(&id),
            Step::Ask(id) => self.on_guest(&id, ask),
            Step::Tell(id) => self.on_guest(&id, |guest| {
                signal(guest, libc::SIGTERM);
                guest.stopping(Stage::Told, END);
            }),
            Step::Kill(id) => self.on_guest(&id, |guest| {
                signal(guest, libc::SIGKILL);
                guest.stopping(Stage::Killed, END);
            }),
            Step::Settle(id) => self.on_guest(&id, |guest| {
                guest.record.phase = Phase::Off;
                guest.trial.clear();
            }),
        }
    }

    /// Changes a guest and records what came of it.
    fn on_guest(&mut self, id: &str, change: impl FnOnce(&mut Guest)) {
        if let Some(guest) = self.guests.get_mut(id) {
            change(guest);
            save(guest, &self.place);
        }
    }

    fn make_disk(&mut self, id: &str, want: &HostWant) {
        let Some(wanted) = want.disks.iter().find(|disk| disk.id == id) else {
            return;
        };
        // An id that could lead out of the pool gets no entry; the report says why.
        if !files::safe_id(id) {
            return;
        }
        let disk = self.disks.entry(id.to_owned()).or_default();
        if disk.job.is_some() {
            return;
        }
        let (pool, keys) = (Arc::clone(&self.pool), Arc::clone(&self.keys));
        let (job, of) = (wanted.clone(), wanted.clone());
        if self
            .jobs
            .disk(id, move |worker| job::make_disk(&pool, &keys, &job, worker))
        {
            disk.job = Some(Some(of));
        }
    }

    fn remove_disk(&mut self, id: &str) {
        let Some(disk) = self.disks.get_mut(id) else {
            return;
        };
        let (pool, owned) = (Arc::clone(&self.pool), id.to_owned());
        if self.jobs.disk(id, move |_| pool.remove(&owned)) {
            log::info(format_args!("disk {id} is not wanted; it is erased"));
            disk.job = Some(None);
        }
    }

    fn start(&mut self, id: &str, want: &HostWant, taps: &mut Taps<'_>) {
        let Some(wanted) = want.guests.iter().find(|guest| guest.id == id) else {
            return;
        };
        // Likewise for what is no UUID.
        if !self.jobs.guest_free() || !files::is_uuid(id) {
            return;
        }
        let used: Vec<u32> = self
            .guests
            .values()
            .map(|guest| guest.record.slot)
            .collect();
        let now = Instant::now();
        let guest = self
            .guests
            .entry(id.to_owned())
            .or_insert_with(|| Guest::new(Record::new(id, Record::free_slot(&used)), None, now));
        if guest.job.is_some() {
            return;
        }
        match prepare(guest, wanted, want, taps, &self.place) {
            Ok(ports) => {
                let start = Start {
                    place: Arc::clone(&self.place),
                    pool: Arc::clone(&self.pool),
                    keys: Arc::clone(&self.keys),
                    want: wanted.clone(),
                    record: guest.record.clone(),
                    ports,
                };
                let owned = id.to_owned();
                let job = move || Done::Started {
                    id: owned,
                    result: start.run(),
                };
                if self.jobs.guest(id, job) {
                    guest.job = Some(wanted.clone());
                    guest.claims = wanted_devices(wanted).into_iter().collect();
                }
            }
            Err(fault) => {
                guest.record.phase = Phase::Failed;
                guest.record.incarnation = wanted.incarnation;
                guest.record.starting = None;
                guest.trial.failed(fault, Some(wanted.clone()), now);
            }
        }
    }

    fn attach(&mut self, id: &str, device: &Device, want: &HostWant, taps: &mut Taps<'_>) {
        let Some(wanted) = want.guests.iter().find(|guest| guest.id == id) else {
            return;
        };
        let change = match device {
            Device::Disk(disk) => wanted
                .disks
                .iter()
                .find(|wanted| wanted.id == *disk)
                .map(|disk| Change::Disk(disk.clone()))
                .ok_or_else(|| failed(format!("disk {disk} is not the guest's"))),
            Device::Port(port) => open_port(port, want, taps).map(Change::Port),
        };
        match change {
            Ok(change) => self.replug(id, want, change),
            Err(fault) => {
                if let Some(guest) = self.guests.get_mut(id) {
                    guest
                        .trial
                        .failed(fault, Some(wanted.clone()), Instant::now());
                }
            }
        }
    }

    fn replug(&mut self, id: &str, want: &HostWant, change: Change) {
        let Some(wanted) = want.guests.iter().find(|guest| guest.id == id) else {
            return;
        };
        let Some(guest) = self.guests.get_mut(id) else {
            return;
        };
        let Some(live) = guest.live.as_mut().filter(|_| self.jobs.guest_free()) else {
            return;
        };
        // A QEMU that does not talk is asked again later.
        let Some(qmp) = live.qmp.take() else { return };
        let claim = match &change {
            Change::Disk(disk) => Some(Device::Disk(disk.id.clone())),
            Change::Port(_) | Change::Out(_) => None,
        };
        let (owned, devices) = (id.to_owned(), live.devices.clone());
        let (pool, keys) = (Arc::clone(&self.pool), Arc::clone(&self.keys));
        let job = move || job::change(owned, qmp, &devices, change, &pool, &keys);
        if self.jobs.guest(id, job) {
            guest.job = Some(wanted.clone());
            guest.claims = claim.into_iter().collect();
        }
    }

    fn forget(&mut self, id: &str) {
        let removed = files::remove_dir(&self.place.socket_dir(id))
            .and_then(|()| files::remove_dir(&self.place.guest_dir(id)));
        if let Err(e) = removed {
            let fault = failed(format!("guest {id} cannot be removed: {e}"));
            if let Some(guest) = self.guests.get_mut(id) {
                guest.trial.failed(fault, None, Instant::now());
            }
        } else {
            self.place.cage.release(id);
            self.guests.remove(id);
        }
    }
}

/// Everything that has to be so before a start can be a job: ports that open, and the announcement
/// on disk.
fn prepare(
    guest: &mut Guest,
    wanted: &GuestWant,
    want: &HostWant,
    taps: &mut Taps<'_>,
    place: &Place,
) -> Result<Vec<PortPlug>, Fault> {
    let mut ports = Vec::with_capacity(wanted.ports.len());
    for port in &wanted.ports {
        ports.push(open_port(port, want, taps)?);
    }
    guest.record.starting = Some(wanted.incarnation);
    guest.record.process = None;
    guest
        .record
        .save(place)
        .map_err(|e| failed(format!("guest {} cannot be recorded: {e}", wanted.id)))?;
    Ok(ports)
}

fn open_port(id: &str, want: &HostWant, taps: &mut Taps<'_>) -> Result<PortPlug, Fault> {
    let all = want.networks.iter().flat_map(|network| &network.ports);
    let port = all
        .into_iter()
        .find(|port| port.id == id && files::safe_id(id))
        .ok_or_else(|| failed(format!("port {id:?} is in no network of this host")))?;
    let tap = taps(id).map_err(|e| failed(format!("port {id} cannot be opened: {e}")))?;
    Ok(PortPlug {
        id: id.to_owned(),
        mac: port.mac.clone(),
        tap,
    })
}

/// Presses the power button; without a conversation, the next firmer thing.
fn ask(guest: &mut Guest) {
    let qmp = guest.live.as_mut().and_then(|live| live.qmp.as_mut());
    let button = |qmp: &mut Qmp| qmp.call_within(QUICK, "system_powerdown", serde_json::json!({}));
    match qmp.map(button) {
        Some(Ok(_)) => guest.stopping(Stage::Asked, GRACE),
        Some(Err(_)) | None => {
            signal(guest, libc::SIGTERM);
            guest.stopping(Stage::Told, END);
        }
    }
}

fn signal(guest: &Guest, signal: libc::c_int) {
    if let Some(live) = &guest.live
        && let Err(e) = live.process.signal(signal)
    {
        log::warn(format_args!(
            "guest {}: signal {signal}: {e}",
            guest.record.id
        ));
    }
}
