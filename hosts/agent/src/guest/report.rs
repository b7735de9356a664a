//! Says what is seen: to the control plane after each pass, and when somebody asks.
//!
//! Consoles and facts are read from files and from the kernel, without the state of the pass: a
//! question is answered while a pass is at work, and what is told is what is there.

use super::Place;
use super::disk::Pool;
use super::launch::tail;
use super::manager::{Disk, Guest, Guests};
use super::plan::{Phase, wanted_devices};
use super::record::Record;
use super::sheet::{self, Board};
use super::{cage, damaged, failed, process, qcow2};
use crate::files;
use jinyun_wire::{
    DiskHeader, DiskWant, GuestFound, GuestProcess, GuestSeen, GuestState, GuestWant, HostWant,
    Thing,
};
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

/// The longest console that is kept in one file; there are two.
const CONSOLE: u64 = 1 << 20;

/// What a pass has seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Disks that exist or should.
    pub disks: Vec<Thing>,
    /// Guests that exist or should.
    pub guests: Vec<GuestSeen>,
    /// What concerns no disk and no guest.
    pub errors: Vec<String>,
    /// Everything is as wanted.
    pub converged: bool,
}

impl Guests {
    pub(super) fn report(&mut self, want: &HostWant, errors: Vec<String>) -> Report {
        let mut converged = errors.is_empty();
        let mut disks = Vec::new();
        for wanted in &want.disks {
            disks.push(disk_seen(
                &self.pool,
                self.disks.get_mut(&wanted.id),
                wanted,
            ));
        }
        for (id, disk) in &self.disks {
            if !want.disks.iter().any(|disk| disk.id == *id) {
                disks.push(Thing {
                    id: id.clone(),
                    ready: false,
                    error: disk.trial.fault(),
                });
            }
        }
        converged &= disks.iter().all(|disk| disk.ready);
        let mut guests = Vec::new();
        for wanted in &want.guests {
            let (seen, done) = guest_seen(self.guests.get_mut(&wanted.id), wanted);
            guests.push(seen);
            converged &= done;
        }
        for (id, guest) in &self.guests {
            if !want.guests.iter().any(|guest| guest.id == *id) {
                guests.push(describe(guest));
                converged = false;
            }
        }
        Report {
            disks,
            guests,
            errors,
            converged,
        }
    }
}

fn disk_seen(pool: &Pool, disk: Option<&mut Disk>, wanted: &DiskWant) -> Thing {
    let thing = |ready, error| Thing {
        id: wanted.id.clone(),
        ready,
        error,
    };
    let Some(disk) = disk else {
        let bad = (!files::safe_id(&wanted.id))
            .then(|| damaged(format!("disk {:?}: this is no id", wanted.id)));
        return thing(false, bad);
    };
    if disk.job.is_some() || !pool.path(&wanted.id).exists() {
        return thing(false, disk.trial.fault());
    }
    if disk.bytes.is_none() {
        match pool.header(&wanted.id) {
            Ok((Ok(header), _)) => disk.bytes = Some(header.bytes),
            Ok((Err(why), _)) => return thing(false, Some(damaged(why))),
            Err(e) => return thing(false, Some(failed(e.to_string()))),
        }
    }
    match disk.bytes {
        Some(bytes) if bytes == wanted.bytes => {
            disk.trial.clear();
            thing(true, None)
        }
        other => {
            let (is, should) = (other.unwrap_or(0), wanted.bytes);
            let why = format!("the disk has {is} bytes, not {should}; its size cannot change yet");
            thing(false, Some(failed(why)))
        }
    }
}

/// The guest as seen, and whether that is as wanted.
fn guest_seen(guest: Option<&mut Guest>, wanted: &GuestWant) -> (GuestSeen, bool) {
    let Some(guest) = guest else {
        let off = GuestSeen {
            id: wanted.id.clone(),
            state: GuestState::Off,
            incarnation: 0,
            error: None,
        };
        if wanted.running && !files::is_uuid(&wanted.id) {
            let error = Some(damaged(format!("guest {:?}: this is no UUID", wanted.id)));
            return (
                GuestSeen {
                    state: GuestState::Failed,
                    error,
                    ..off
                },
                false,
            );
        }
        return (off, !wanted.running);
    };
    let idle = guest.job.is_none();
    let done = if wanted.running {
        let plugged = guest.devices();
        let devices = wanted_devices(wanted);
        idle && guest.record.phase == Phase::Running
            && guest.record.incarnation >= wanted.incarnation
            && plugged.len() == devices.len()
            && devices.iter().all(|device| plugged.contains(device))
    } else {
        idle && guest.record.phase == Phase::Off
    };
    if done {
        // What went wrong on the way here is no longer so.
        guest.trial.clear();
    }
    (describe(guest), done)
}

fn describe(guest: &Guest) -> GuestSeen {
    let stopped = guest.stopped.as_ref();
    GuestSeen {
        id: guest.record.id.clone(),
        state: match guest.record.phase {
            Phase::Off => GuestState::Off,
            Phase::Running | Phase::Stopping(_) => GuestState::Running,
            Phase::Ended => GuestState::Ended,
            Phase::Failed => GuestState::Failed,
        },
        incarnation: guest.record.incarnation,
        error: guest
            .trial
            .fault()
            .or_else(|| stopped.map(|word| failed(format!("QEMU has stopped it: {word}")))),
    }
}

/// The last `lines` lines of a guest's serial console, or all that is kept.
pub fn console(place: &Place, guest: &str, lines: Option<u32>) -> io::Result<String> {
    if !files::is_uuid(guest) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this is no UUID",
        ));
    }
    let path = place.console(guest);
    let new = tail(&path, CONSOLE)?;
    // Text that has been moved aside comes before, if the newer part is short.
    let room = CONSOLE.saturating_sub(new.len() as u64);
    let mut text = tail(&aside(&path), room).unwrap_or_default();
    text.extend(new);
    let text = String::from_utf8_lossy(&text);
    Ok(match lines {
        None => text.into_owned(),
        Some(lines) => last_lines(&text, lines).to_owned(),
    })
}

fn last_lines(text: &str, lines: u32) -> &str {
    let Some(before) = lines.checked_sub(1) else {
        return "";
    };
    let body = text.strip_suffix('\n').unwrap_or(text);
    let start = body
        .rmatch_indices('\n')
        .nth(before as usize)
        .map_or(0, |(at, _)| at + 1);
    text.get(start..).unwrap_or(text)
}

/// Moves a console that has grown too long aside, in place of what was there. QEMU goes on writing
/// at the end of the same file. What it writes in the instant between is lost: a console is for
/// people, not a record.
pub(super) fn bound_console(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.len() <= CONSOLE {
        return Ok(());
    }
    files::replace(&aside(path), &tail(path, CONSOLE)?)?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("old")
}

/// What is installed: every disk's header, and how every guest's process is confined.
pub fn facts(place: &Place) -> io::Result<(Vec<DiskHeader>, Vec<GuestProcess>)> {
    let pool = Pool::view(place);
    let mut disks = Vec::new();
    for id in pool.list()? {
        let (header, bytes) = match pool.header(&id) {
            Ok(read) => read,
            // Erased meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        let cipher = header
            .as_ref()
            .map_or("unreadable", qcow2::cipher)
            .to_owned();
        disks.push(DiskHeader { id, cipher, bytes });
    }
    let records = Record::load_all(&place.state_dir)?;
    let mut guests = Vec::new();
    for (uid, held) in process::of_users(place.guest_users())? {
        let of = |record: &&Record| place.uid_base + record.slot == uid;
        // One that nobody knows is not kept from whoever asks.
        let id = records.iter().find(of).map_or("unknown", |r| r.id.as_str());
        guests.extend(process::confinement(id, held.pid()));
    }
    Ok((disks, guests))
}

/// Every process of a guest: the group that it is in, and what was last said of its machine.
pub fn found(place: &Place, board: &Board) -> io::Result<Vec<GuestFound>> {
    let records = Record::load_all(&place.state_dir)?;
    let mut found = Vec::new();
    for (uid, held) in process::of_users(place.guest_users())? {
        let of = |record: &&Record| place.uid_base + record.slot == uid;
        let id = records.iter().find(of).map_or("unknown", |r| r.id.as_str());
        found.push(GuestFound {
            id: id.to_owned(),
            pid: held.pid(),
            cage: cage::of(held.pid()),
            machine: sheet::told(board, id),
        });
    }
    Ok(found)
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
