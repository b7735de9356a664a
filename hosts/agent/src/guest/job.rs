//! What takes long, beside the converge pass: making disks, starting guests, plugging.
//!
//! A pass must not wait for an image to be converted or for a control plane to hand out a key: the
//! other guests would not be stopped or started meanwhile. So these run on threads of their own,
//! a bounded number at a time, own what they work on, and report once. While a job runs its
//! disk or guest is busy and gets no other step.

use super::device::{self, DiskPlug, Plugged, PortPlug};
use super::disk::Pool;
use super::manager::Live;
use super::plan::Device;
use super::process::Process;
use super::qmp::{Qmp, QmpError};
use super::record::{Held, Record};
use super::{Keys, Nudge, Place, failed, launch};
use crate::log;
use crate::secret::Secret;
use jinyun_wire::{DiskWant, Fault, GuestDisk, GuestWant};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// How many disks are made or erased at the same time.
const DISK_WORKERS: usize = 2;
/// How many guests are started or changed at the same time.
const GUEST_WORKERS: usize = 4;
/// For a process on a loaded machine to begin to talk.
const GREETING: Duration = Duration::from_secs(20);

/// What a job came to.
pub enum Done {
    /// A disk was made or removed.
    Disk {
        /// The disk.
        id: String,
        /// The worker that is free again.
        worker: usize,
        /// How it went.
        result: Result<(), Fault>,
    },
    /// A guest was started.
    Started {
        /// The guest.
        id: String,
        /// The running guest.
        result: Result<Live, Fault>,
    },
    /// Something was plugged in or pulled out.
    Plugged {
        /// The guest.
        id: String,
        /// The conversation, unless it broke off.
        qmp: Option<Qmp>,
        /// What is plugged in now, if it could be asked.
        devices: Option<Plugged>,
        /// How it went.
        result: Result<(), Fault>,
    },
}

/// The jobs under way.
pub struct Jobs {
    sender: Sender<Done>,
    receiver: Receiver<Done>,
    disk_workers: [bool; DISK_WORKERS],
    guest_workers: usize,
    nudge: Nudge,
}

impl Jobs {
    /// None yet. `nudge` is called whenever one is done.
    pub fn new(nudge: Nudge) -> Jobs {
        let (sender, receiver) = channel();
        Jobs {
            sender,
            receiver,
            disk_workers: [false; DISK_WORKERS],
            guest_workers: 0,
            nudge,
        }
    }

    /// What is done by now.
    pub fn collect(&mut self) -> Vec<Done> {
        let done: Vec<Done> = self.receiver.try_iter().collect();
        for each in &done {
            match each {
                Done::Disk { worker, .. } => {
                    if let Some(busy) = self.disk_workers.get_mut(*worker) {
                        *busy = false;
                    }
                }
                Done::Started { .. } | Done::Plugged { .. } => {
                    self.guest_workers = self.guest_workers.saturating_sub(1);
                }
            }
        }
        done
    }

    /// Works on a disk, unless everybody is busy. The job gets its worker's number.
    pub fn disk(
        &mut self,
        id: &str,
        job: impl FnOnce(u32) -> Result<(), Fault> + Send + 'static,
    ) -> bool {
        let Some(worker) = self.disk_workers.iter().position(|busy| !busy) else {
            return false;
        };
        let (owned, number) = (id.to_owned(), u32::try_from(worker).unwrap_or(0));
        let started = self.spawn(&format!("disk-{id}"), move || {
            // User 0 of the range is the virtualisation test's.
            Done::Disk {
                id: owned,
                worker,
                result: job(number + 1),
            }
        });
        if started && let Some(busy) = self.disk_workers.get_mut(worker) {
            *busy = true;
        }
        started
    }

    /// Whether [`Jobs::guest`] would start a job.
    #[must_use]
    pub fn guest_free(&self) -> bool {
        self.guest_workers < GUEST_WORKERS
    }

    /// Works on a guest, unless everybody is busy.
    pub fn guest(&mut self, id: &str, job: impl FnOnce() -> Done + Send + 'static) -> bool {
        let started = self.guest_free() && self.spawn(&format!("guest-{id}"), job);
        if started {
            self.guest_workers += 1;
        }
        started
    }

    fn spawn(&self, name: &str, job: impl FnOnce() -> Done + Send + 'static) -> bool {
        let (sender, nudge) = (self.sender.clone(), Arc::clone(&self.nudge));
        let run = move || {
            // Nobody listens any more when the agent is ending; the next one picks up the pieces.
            let _ = sender.send(job());
            nudge();
        };
        match std::thread::Builder::new().name(name.to_owned()).spawn(run) {
            Ok(_) => true,
            Err(e) => {
                log::warn(format_args!("no thread for {name}: {e}"));
                false
            }
        }
    }
}

/// Fetches the key and makes the disk.
pub fn make_disk(pool: &Pool, keys: &Keys, want: &DiskWant, worker: u32) -> Result<(), Fault> {
    let key: Secret = keys(&want.id)?;
    pool.make(want, &key, worker)
}

/// A guest to start.
pub struct Start {
    /// Where everything is.
    pub place: Arc<Place>,
    /// The disks.
    pub pool: Arc<Pool>,
    /// Where keys come from.
    pub keys: Keys,
    /// The guest.
    pub want: GuestWant,
    /// Its record, which announces the start already.
    pub record: Record,
    /// Its ports, opened.
    pub ports: Vec<PortPlug>,
}

impl Start {
    /// Starts it: keys, process, devices, go.
    pub fn run(mut self) -> Result<Live, Fault> {
        // Without the keys there is no point in a process.
        let mut disks = Vec::with_capacity(self.want.disks.len());
        for (n, disk) in self.want.disks.iter().enumerate() {
            disks.push(plug_of(&self.keys, disk, n == 0)?);
        }
        let process = launch::launch(&self.place, &self.want, self.record.slot)?;
        // It waits and has no device yet. Without limits it is confined all the same.
        if let Err(e) = self.place.cage.hold(&self.want, process.pid()) {
            log::warn(format_args!("guest {} has no limits: {e}", self.want.id));
        }
        let brought_up = self.bring_up(&process, &disks);
        brought_up.map_err(|fault| {
            let words = launch::last_words(&self.place, &self.want.id);
            if let Err(e) = process.kill() {
                log::warn(format_args!("guest {}: {e}", self.want.id));
            }
            let why = if words.is_empty() {
                fault.why
            } else {
                format!("{} ({words})", fault.why)
            };
            Fault {
                why,
                fatal: fault.fatal,
            }
        })
    }

    fn bring_up(&mut self, process: &Process, disks: &[DiskPlug]) -> Result<Live, Fault> {
        let subject = format!("guest {}", self.want.id);
        // Before the guest runs: whoever finds it running later must find its record.
        self.record.process = Some(Held::of(process));
        self.record
            .save(&self.place)
            .map_err(|e| failed(format!("{subject} cannot be recorded: {e}")))?;
        let blame = |e: QmpError| failed(format!("{subject}: {e}"));
        let socket = self.place.socket(&self.want.id);
        let mut qmp = Qmp::connect(&socket, GREETING).map_err(blame)?;
        let mut slots = 0..launch::SLOTS;
        let full = || failed(format!("{subject} has more devices than slots"));
        for disk in disks {
            let slot = slots.next().ok_or_else(full)?;
            device::attach_disk(&mut qmp, slot, disk, &self.pool)?;
        }
        for port in &self.ports {
            let slot = slots.next().ok_or_else(full)?;
            device::attach_port(&mut qmp, slot, port)?;
        }
        let devices = device::attached(&mut qmp).map_err(blame)?;
        qmp.call("cont", serde_json::json!({})).map_err(blame)?;
        Ok(Live {
            process: process.clone(),
            qmp: Some(qmp),
            devices,
        })
    }
}

fn plug_of(keys: &Keys, disk: &GuestDisk, boot: bool) -> Result<DiskPlug, Fault> {
    let key = keys(&disk.id)?;
    Ok(DiskPlug {
        id: disk.id.clone(),
        serial: disk.serial.clone(),
        boot,
        key,
    })
}

/// A change to what is plugged into a running guest.
pub enum Change {
    /// Plug in a disk.
    Disk(GuestDisk),
    /// Plug in a port.
    Port(PortPlug),
    /// Pull out a device.
    Out(Device),
}

/// Makes the change and asks what is plugged in afterwards.
pub fn change(
    id: String,
    mut qmp: Qmp,
    devices: &Plugged,
    change: Change,
    pool: &Pool,
    keys: &Keys,
) -> Done {
    let free = device::free_slot(devices);
    let slot = free.ok_or_else(|| failed(format!("guest {id} has no free slot")));
    let result = match change {
        Change::Disk(disk) => slot.and_then(|slot| {
            let plug = plug_of(keys, &disk, false)?;
            device::attach_disk(&mut qmp, slot, &plug, pool)
        }),
        Change::Port(port) => slot.and_then(|slot| device::attach_port(&mut qmp, slot, &port)),
        Change::Out(device) => match devices.get(&device) {
            Some(slot) => device::detach(&mut qmp, &device, *slot),
            None => Ok(()),
        },
    };
    match device::attached(&mut qmp) {
        Ok(now) => Done::Plugged {
            id,
            qmp: Some(qmp),
            devices: Some(now),
            result,
        },
        Err(e) => {
            log::warn(format_args!("guest {id}: {e}"));
            Done::Plugged {
                id,
                qmp: None,
                devices: None,
                result,
            }
        }
    }
}
