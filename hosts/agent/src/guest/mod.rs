//! Guests and their disks: brings them to what the document wants and reports what is seen.
//!
//! [`Guests`] owns the state; one pass compares it with the document ([`plan`]), takes the steps
//! that are quick and hands the others to threads ([`job`]). Nothing is believed because it was
//! done once: processes are asked of the kernel, disks of the directory, devices of QEMU.
//!
//! ```text
//!   want ──> plan ──> steps ──> job ──> launch   one confined QEMU per guest
//!             ^                    └──> device   disks and ports, by descriptor over QMP
//!             └── seen <── process, qmp, disk (pool), record
//! ```
//! Dropping [`Guests`] ends no guest: the next one adopts them ([`adopt`]).

mod adopt;
mod cage;
mod confine;
mod device;
mod disk;
mod image;
mod job;
mod kvm;
mod launch;
mod manager;
mod place;
pub mod plan;
mod process;
mod qcow2;
mod qmp;
mod reach;
mod record;
mod report;
mod sheet;
mod steps;
mod trial;

pub use manager::Guests;
pub use place::Place;
pub use reach::reach;
pub use report::{Report, console, facts, found};
pub use sheet::Board;

use crate::files;
use crate::secret::Secret;
use jinyun_wire::Fault;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a disk's passphrase comes from; asked at the moment it is needed.
pub type Keys = Arc<dyn Fn(&str) -> Result<Secret, Fault> + Send + Sync>;
/// Called when something has changed by itself and a pass is due.
pub type Nudge = Arc<dyn Fn() + Send + Sync>;
/// Opens a port's tap.
pub type Taps<'a> = dyn FnMut(&str) -> io::Result<OwnedFd> + 'a;

/// For QEMU to end after a signal.
const END: Duration = Duration::from_secs(5);

pub(crate) fn failed(why: impl Into<String>) -> Fault {
    Fault {
        why: why.into(),
        fatal: false,
    }
}

/// A failure that trying again cannot mend.
pub(crate) fn damaged(why: impl Into<String>) -> Fault {
    Fault {
        why: why.into(),
        fatal: true,
    }
}

/// Ends all guests of an instance, for `down`: told first, then killed. Disks and records stay.
/// Found by name and by record: a guest that has taken over its QEMU can change only the first.
pub fn end_all(instance: &str, state_dir: &Path, run_dir: &Path) -> io::Result<()> {
    let mut found = process::of_instance(instance)?;
    if state_dir.join("guests").exists() {
        let records = record::Record::load_all(state_dir)?;
        found.extend(records.iter().filter_map(|r| r.process.as_ref()?.find()));
    }
    for process in &found {
        process.signal(libc::SIGTERM)?;
    }
    let until = Instant::now() + END;
    for process in &found {
        if !process.ends_within(until.saturating_duration_since(Instant::now()))? {
            process.kill()?;
        }
    }
    cage::remove_all(instance);
    files::remove_dir(&run_dir.join("g"))
}
