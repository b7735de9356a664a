//! Finds again what an earlier agent started.
//!
//! Guests outlive the agent. At its start it compares records with processes and settles every
//! combination, so that afterwards nothing runs that is not known and nothing is known that is not
//! so:
//!
//! ```text
//!   record says   process                        then
//!   anything      none, or not the recorded one  off if it was off or asked to end,
//!                                                else ended by itself
//!   anything      there, but has never run       killed; as if not started
//!   anything      there and runs                 adopted, with its conversation
//!   nothing       there                          killed: no record, so it never ran
//! ```
//! A process that does not talk is adopted all the same when its record says that it ran: a hung
//! QEMU may still be serving a guest, and ending it is the control plane's decision.

use super::manager::Live;
use super::plan::{Phase, Stage};
use super::process::{Process, of_users, user};
use super::qmp::Qmp;
use super::record::{Held, Record};
use super::{Place, device};
use crate::log;
use std::io;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// All recorded guests with the processes of those that run.
pub fn adopt(place: &Place) -> io::Result<Vec<(Record, Option<Live>)>> {
    let mut found = Vec::new();
    for mut record in Record::load_all(&place.state_dir)? {
        let live = settle(place, &mut record);
        found.push((record, live));
    }
    let known: Vec<u32> = found
        .iter()
        .filter_map(|(_, live)| Some(live.as_ref()?.process.pid()))
        .collect();
    sweep(place, |_, pid| known.contains(&pid))?;
    Ok(found)
}

/// Ends processes of this instance's users that are not `known` by user and process id.
pub fn sweep(place: &Place, known: impl Fn(u32, u32) -> bool) -> io::Result<()> {
    for (uid, process) in of_users(place.guest_users())? {
        let pid = process.pid();
        if !known(uid, pid) {
            log::warn(format_args!(
                "process {pid} of user {uid} is no guest's; it is ended"
            ));
            if let Err(e) = process.kill() {
                log::warn(format_args!("process {pid}: {e}"));
            }
        }
    }
    Ok(())
}

fn settle(place: &Place, record: &mut Record) -> Option<Live> {
    let before = record.clone();
    let held = record.process.as_ref();
    let process = held
        .and_then(Held::find)
        .filter(|process| user(process.pid()) == Some(place.uid_base + record.slot));
    let live = process.and_then(|process| meet(place, record, process));
    if live.is_none() {
        record.phase = phase_without_process(record);
        record.starting = None;
        record.process = None;
        record.devices.clear();
    }
    if *record != before
        && let Err(e) = record.save(place)
    {
        log::warn(format_args!("guest {} cannot be recorded: {e}", record.id));
    }
    live
}

fn phase_without_process(record: &Record) -> Phase {
    match (record.phase, record.starting) {
        // The start never came to running; what was before still is.
        (before, Some(_)) => before,
        (Phase::Running, None) => Phase::Ended,
        (Phase::Stopping(_), None) => Phase::Off,
        (other, None) => other,
    }
}

/// A process that is the recorded one: does it run the guest?
fn meet(place: &Place, record: &mut Record, process: Process) -> Option<Live> {
    let (id, pid) = (record.id.clone(), process.pid());
    let talk = Qmp::connect(&place.socket(&id), PATIENCE).and_then(|mut qmp| {
        let (running, status) = qmp.status(PATIENCE)?;
        let devices = device::attached(&mut qmp)?;
        Ok((qmp, running, status, devices))
    });
    let ran = matches!(record.phase, Phase::Running | Phase::Stopping(_));
    let live = match talk {
        Ok((qmp, running, status, devices)) if running || status != "prelaunch" => {
            log::info(format_args!(
                "guest {id} is adopted: process {pid}, {status}"
            ));
            Live {
                process,
                qmp: Some(qmp),
                devices,
            }
        }
        Err(e) if ran && record.starting.is_none() => {
            log::warn(format_args!(
                "guest {id} is adopted: process {pid}, but {e}"
            ));
            Live {
                process,
                qmp: None,
                devices: record.devices.iter().cloned().collect(),
            }
        }
        other => {
            let why = other
                .err()
                .map_or("it never ran".to_owned(), |e| e.to_string());
            log::warn(format_args!("process {pid} of guest {id} is ended: {why}"));
            if let Err(e) = process.kill() {
                log::warn(format_args!("process {pid} of guest {id}: {e}"));
            }
            return None;
        }
    };
    // Let run, but the agent died before it could say so.
    if let Some(incarnation) = record.starting.take() {
        record.incarnation = incarnation;
        record.phase = Phase::Running;
    }
    if !matches!(record.phase, Phase::Running | Phase::Stopping(_)) {
        record.phase = Phase::Running;
    }
    if let Phase::Stopping(_) = record.phase {
        // How long it has had is forgotten; it gets the time of the mildest stage again.
        record.phase = Phase::Stopping(Stage::Asked);
    }
    record.devices = live.devices.clone().into_iter().collect();
    Some(live)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_when_the_process_is_gone() {
        let cases = [
            (Phase::Off, None, Phase::Off),
            (Phase::Off, Some(3), Phase::Off),
            (Phase::Ended, Some(3), Phase::Ended),
            (Phase::Ended, None, Phase::Ended),
            (Phase::Running, None, Phase::Ended),
            (Phase::Stopping(Stage::Asked), None, Phase::Off),
            (Phase::Stopping(Stage::Killed), None, Phase::Off),
            (Phase::Failed, None, Phase::Failed),
        ];
        for (phase, starting, expect) in cases {
            let record = Record {
                phase,
                starting,
                ..Record::new("g", 16)
            };
            assert_eq!(
                phase_without_process(&record),
                expect,
                "{phase:?} {starting:?}"
            );
        }
    }
}
