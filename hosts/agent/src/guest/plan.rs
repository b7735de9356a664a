//! What to do next so that guests and disks become as wanted. Pure: no IO, no clock.
//!
//! [`plan`] compares the document with what is seen and names the next steps. It plans nothing
//! ahead: a step changes what is seen, and the next pass plans again. So there is no half-done
//! plan to lose in a crash, and every order of messages ends in the same state.
//!
//! ```text
//!             Start                 Ask (ACPI)         overdue: Tell (SIGTERM), Kill
//!   Off ----------------> Running --------------> Stopping ------------------------+
//!    ^  \                    |                                                     |
//!    |   \ cannot            | ends by itself                                      |
//!    |    v                  v                                                     |
//!    |  Failed             Ended  --- a new incarnation: Start                     |
//!    |    |                  |                                                     |
//!    +----+---- Settle ------+  (not wanted to run)                                |
//!    +-----------------------------------------------------------------------------+
//! ```
//! A guest that ended by itself is not started again: whether it should be is the control plane's
//! decision, told by a new incarnation.

use jinyun_wire::{GuestWant, HostWant};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How a guest's process fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// There is none, as wanted.
    #[default]
    Off,
    /// It runs.
    Running,
    /// It runs and has been asked to end.
    Stopping(Stage),
    /// It ended by itself.
    Ended,
    /// It could not be started.
    Failed,
}

/// How firmly a guest has been asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// By the power button; the guest shuts down if it listens.
    Asked,
    /// QEMU itself, with SIGTERM: it writes out its caches and ends.
    Told,
    /// With SIGKILL.
    Killed,
}

/// What can be plugged into a guest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// A disk.
    Disk(String),
    /// A port.
    Port(String),
}

/// A disk as it is.
#[derive(Debug, Clone, Default)]
pub struct DiskNow {
    /// Its file exists, whole.
    pub present: bool,
    /// Something is being done with it.
    pub busy: bool,
    /// The last try failed and the time for the next has not come.
    pub held: bool,
}

/// A guest as it is.
#[derive(Debug, Clone, Default)]
pub struct GuestNow {
    /// How its process fares.
    pub phase: Phase,
    /// The incarnation that runs or ran last.
    pub incarnation: u64,
    /// Something is being done with it.
    pub busy: bool,
    /// The last try failed and the time for the next has not come.
    pub held: bool,
    /// What it was asked to do has taken too long.
    pub overdue: bool,
    /// What is plugged in.
    pub devices: BTreeSet<Device>,
}

/// What is seen on the host.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Disks that exist or are being made.
    pub disks: BTreeMap<String, DiskNow>,
    /// Guests that are known.
    pub guests: BTreeMap<String, GuestNow>,
    /// Ports that are ready.
    pub ports: BTreeSet<String>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a disk.
    MakeDisk(String),
    /// Erase and remove a disk.
    RemoveDisk(String),
    /// Start a guest.
    Start(String),
    /// Press a guest's power button.
    Ask(String),
    /// Tell a guest's process to end.
    Tell(String),
    /// Kill a guest's process.
    Kill(String),
    /// Note that a guest that ended or failed is off as wanted.
    Settle(String),
    /// Remove everything of a guest that has no process.
    Forget(String),
    /// Plug something into a running guest.
    Attach(String, Device),
    /// Pull something out of a running guest.
    Detach(String, Device),
}

/// The next steps. At most one for each guest and each disk.
#[must_use]
pub fn plan(want: &HostWant, seen: &Seen) -> Vec<Step> {
    let mut steps = Vec::new();
    for (id, now) in &seen.guests {
        if !want.guests.iter().any(|guest| guest.id == *id) {
            steps.extend(end(id, now));
        }
    }
    for guest in &want.guests {
        steps.extend(tend(guest, seen));
    }
    for disk in &want.disks {
        let now = seen.disks.get(&disk.id).cloned().unwrap_or_default();
        if !now.present && !now.busy && !now.held {
            steps.push(Step::MakeDisk(disk.id.clone()));
        }
    }
    for (id, now) in &seen.disks {
        let wanted = want.disks.iter().any(|disk| disk.id == *id);
        if !wanted && now.present && !now.busy && !now.held && !in_use(id, seen) {
            steps.push(Step::RemoveDisk(id.clone()));
        }
    }
    steps
}

/// Whether a process has the disk open, or may at any moment.
fn in_use(disk: &str, seen: &Seen) -> bool {
    seen.guests.values().any(|guest| {
        let alive = matches!(guest.phase, Phase::Running | Phase::Stopping(_));
        (alive || guest.busy)
            && guest
                .devices
                .iter()
                .any(|d| matches!(d, Device::Disk(id) if id == disk))
    })
}

/// For a guest that must not exist. Nobody waits for what its own software would still write:
/// its owner deleted it. QEMU is told rather than killed, because disks may outlive the guest and
/// their own bookkeeping should be whole.
fn end(id: &str, now: &GuestNow) -> Option<Step> {
    if now.busy {
        return None;
    }
    match now.phase {
        Phase::Running | Phase::Stopping(Stage::Asked) => Some(Step::Tell(id.to_owned())),
        Phase::Stopping(stage) => press(id, stage, now.overdue),
        Phase::Off | Phase::Ended | Phase::Failed => {
            (!now.held).then(|| Step::Forget(id.to_owned()))
        }
    }
}

/// The next firmer way to end a process that does not end.
fn press(id: &str, stage: Stage, overdue: bool) -> Option<Step> {
    match (overdue, stage) {
        (false, _) => None,
        (true, Stage::Asked) => Some(Step::Tell(id.to_owned())),
        (true, Stage::Told | Stage::Killed) => Some(Step::Kill(id.to_owned())),
    }
}

/// For a guest that must exist.
fn tend(want: &GuestWant, seen: &Seen) -> Option<Step> {
    let absent = GuestNow::default();
    let now = seen.guests.get(&want.id).unwrap_or(&absent);
    if now.busy {
        return None;
    }
    match now.phase {
        Phase::Stopping(stage) => press(&want.id, stage, now.overdue),
        Phase::Running if !want.running || want.incarnation > now.incarnation => {
            Some(Step::Ask(want.id.clone()))
        }
        Phase::Running => replug(want, now, seen),
        Phase::Ended | Phase::Failed if !want.running => Some(Step::Settle(want.id.clone())),
        Phase::Off if !want.running => None,
        Phase::Ended if want.incarnation <= now.incarnation => None,
        Phase::Off | Phase::Ended | Phase::Failed => {
            let ready = wanted_devices(want)
                .iter()
                .all(|device| is_ready(device, seen));
            (ready && !now.held).then(|| Step::Start(want.id.clone()))
        }
    }
}

/// For a guest that runs as it should: one device too many or too few. Removal first, because it
/// frees a slot and because an owner who takes a disk away should not wait for another's arrival.
fn replug(want: &GuestWant, now: &GuestNow, seen: &Seen) -> Option<Step> {
    if now.held {
        return None;
    }
    let wanted = wanted_devices(want);
    if let Some(device) = now.devices.iter().find(|device| !wanted.contains(device)) {
        return Some(Step::Detach(want.id.clone(), device.clone()));
    }
    wanted
        .into_iter()
        .find(|device| !now.devices.contains(device) && is_ready(device, seen))
        .map(|device| Step::Attach(want.id.clone(), device))
}

fn is_ready(device: &Device, seen: &Seen) -> bool {
    match device {
        Device::Disk(id) => seen
            .disks
            .get(id)
            .is_some_and(|now| now.present && !now.busy),
        Device::Port(id) => seen.ports.contains(id),
    }
}

/// What a guest should have plugged in, in order: disks, then ports.
#[must_use]
pub fn wanted_devices(want: &GuestWant) -> Vec<Device> {
    let disks = want.disks.iter().map(|disk| Device::Disk(disk.id.clone()));
    let ports = want.ports.iter().map(|port| Device::Port(port.clone()));
    disks.chain(ports).collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
