//! What the agent knows of a guest across its own restarts: one small file each.
//!
//! It is written before what it announces is done: first "incarnation 7 is being started", then
//! the process, then its id, then the guest is let run. So every crash leaves a record from which
//! the truth can be found: a process without record never ran a guest, and a guest that runs has a
//! record that names its incarnation.

use super::Place;
use super::plan::{Device, Phase};
use super::process::Process;
use crate::files;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// Users below this offset are for tools; guests have the ones from here on.
pub const FIRST_SLOT: u32 = 16;
/// A record's file, in its guest's directory.
pub const NAME: &str = "meta.json";

/// A guest as recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The guest.
    pub id: String,
    /// Which of the host's user ids is its own, as an offset.
    pub slot: u32,
    /// The incarnation that runs or ran last.
    pub incarnation: u64,
    /// How its process fares.
    pub phase: Phase,
    /// The incarnation that is being started.
    pub starting: Option<u64>,
    /// Its process.
    pub process: Option<Held>,
    /// What is plugged in, and where.
    pub devices: Vec<(Device, u8)>,
}

/// Enough to know a process again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Process id.
    pub pid: u32,
    /// When it started.
    pub started: u64,
    /// In which boot of the machine.
    pub boot: String,
}

impl Held {
    /// For a process that is held now.
    #[must_use]
    pub fn of(process: &Process) -> Held {
        Held {
            pid: process.pid(),
            started: process.started(),
            boot: files::boot_id(),
        }
    }

    /// The process, if it is still the one.
    #[must_use]
    pub fn find(&self) -> Option<Process> {
        if self.boot != files::boot_id() {
            return None;
        }
        let process = Process::open(self.pid).ok()?;
        (process.started() == self.started).then_some(process)
    }
}

impl Record {
    /// A guest that has never run here.
    #[must_use]
    pub fn new(id: &str, slot: u32) -> Record {
        Record {
            id: id.to_owned(),
            slot,
            incarnation: 0,
            phase: Phase::Off,
            starting: None,
            process: None,
            devices: vec![],
        }
    }

    /// The lowest slot that none of `used` has.
    #[must_use]
    pub fn free_slot(used: &[u32]) -> u32 {
        (FIRST_SLOT..)
            .find(|slot| !used.contains(slot))
            .unwrap_or(FIRST_SLOT)
    }

    /// Writes it so that it survives a crash.
    pub fn save(&self, place: &Place) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        files::private_dir(&place.guest_dir(&self.id))?;
        files::replace(&place.record(&self.id), &text)
    }

    /// All records. One that cannot be read is reported and left out: its process, if it has one,
    /// is then one without record.
    pub fn load_all(state_dir: &Path) -> io::Result<Vec<Record>> {
        let dir = state_dir.join("guests");
        let mut records = Vec::new();
        for id in files::names(&dir)?
            .into_iter()
            .filter(|id| files::safe_id(id))
        {
            let read = std::fs::read(dir.join(&id).join(NAME));
            match read.and_then(|text| Ok(serde_json::from_slice::<Record>(&text)?)) {
                Ok(record) if record.id == id => records.push(record),
                Ok(record) => {
                    crate::log::warn(format_args!("the record of {id} is of {}", record.id));
                }
                Err(e) => crate::log::warn(format_args!("the record of {id} is unreadable: {e}")),
            }
        }
        Ok(records)
    }
}
