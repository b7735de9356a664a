//! What is to be done next for a volume. Pure: records and reports in, steps out.
//!
//! ```text
//!   key? ── no ──> make it         host? ── no ──> choose one that is connected, wait for one
//!     └── yes ─────────────────────────┴── yes ──> the host makes the disk (its document lists it)
//!                                                    ready: available, in-use    damaged: error
//!   deleting:  held by a server ──> wait    the host still has it ──> wait
//!              no host has it   ──> destroy the key, certify it, drop the row
//! ```
//! The key is destroyed last: as long as a host has the file, its header can be overwritten there,
//! and a guest that still runs does not lose its disk under its feet.

use super::{KEY, Volume, VolumeStatus};
use crate::host::held;
use jinyun_base::{Fault, Id};
use jinyun_engine::{Command, Have, Plan, Seen, Step, View};
use jinyun_policy::Actor;
use jinyun_wire::Thing;
use serde_json::{Value, json};

/// Nothing to do now; looked at again when somebody nudges, or after a pause.
fn wait(phase: &'static str, status: VolumeStatus, error: impl Into<String>)
    -> Plan<VolumeStatus> {
    Plan { phase, status, error: error.into(), done: false, steps: Vec::new() }
}

pub(super) fn plan(want: &Have<Volume>, world: &mut View<'_>, seen: &dyn Seen)
    -> Result<Plan<VolumeStatus>, Fault> {
    let mut status = want.status.clone();
    let key = world.has_secret("volume", &want.id, KEY)?;
    if want.deleting {
        return if held(world, want)? || on_a_host(want, seen) {
            Ok(wait("deleting", status, ""))
        } else {
            Ok(Plan::going("deleting", status, ending(want, key, simulated(want, seen))))
        };
    }
    let mut steps = Vec::new();
    if !key {
        steps.push(Step::MakeSecret { name: KEY, request: json!({ "project": want.project }) });
    }
    if want.spec.host.is_empty() {
        // A root disk lies where its server is put; the server says where.
        let (host, error) = match (want.spec.root_of.is_some(), connected(seen)) {
            (true, _) => (None, ""),
            (false, None) => (None, "no host is connected; the volume waits for one"),
            (false, host) => (host, ""),
        };
        steps.extend(host.map(|host| place(&want.id, &host)));
        return Ok(Plan { steps, ..wait("creating", status, error) });
    }
    if !steps.is_empty() {
        return Ok(Plan::going("creating", status, steps));
    }
    let settled = if want.spec.server.is_some() || want.spec.root_of.is_some() {
        "in-use"
    } else {
        "available"
    };
    let now = if status.made { settled } else { "creating" };
    // Whatever is not a report about the disk itself ("pending") says nothing.
    let report = seen.seen("volume", &want.id)
        .and_then(|report| serde_json::from_value::<Thing>(report).ok());
    Ok(match report {
        Some(Thing { ready: true, .. }) => {
            status.made = true;
            Plan::done(settled, status)
        }
        Some(Thing { error: Some(fault), .. }) if fault.fatal => {
            Plan::failed("error", status, fault.why)
        }
        Some(Thing { error: Some(fault), .. }) => wait(now, status, fault.why),
        _ => wait(now, status, ""),
    })
}

/// Whether a host has the disk or may have it: anything but the certainty that none does.
fn on_a_host(want: &Have<Volume>, seen: &dyn Seen) -> bool {
    !want.spec.host.is_empty() && seen.seen("volume", &want.id).is_some()
}

/// Whether nothing of what its host reports is real.
fn simulated(want: &Have<Volume>, seen: &dyn Seen) -> bool {
    let host = seen.seen("host", &Id::new(&want.spec.host));
    host.is_some_and(|h| h["facts"]["simulated"] == true)
}

/// The first host that is connected.
fn connected(seen: &dyn Seen) -> Option<String> {
    let hosts = seen.seen("hosts", &Id::new(""))?;
    hosts.get("alive")?.as_array()?.first()?.as_str().map(String::from)
}

fn place(volume: &Id, host: &str) -> Step {
    let actor = Actor::system("driver");
    let command = Command::new("volume:volume:place", actor, format!("driver-{volume}"));
    Step::Run(Box::new(command.on(volume.clone()).with(json!({ "host": host }))))
}

/// The end: the key with its certificate, then the row.
fn ending(want: &Have<Volume>, key: bool, simulated: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    if key {
        let certificate = certificate(want, simulated);
        steps.push(Step::DestroySecret { name: KEY, certificate });
    }
    steps.push(Step::Finish { note: None });
    steps
}

/// What was destroyed, and what this cannot speak for.
fn certificate(want: &Have<Volume>, simulated: bool) -> Value {
    let spec = &want.spec;
    let blocks = if spec.host.is_empty() {
        "none: the volume was never put on a host".to_string()
    } else if simulated {
        format!("none: host {} is simulated and never had a file", spec.host)
    } else {
        format!(
            "host {} has overwritten the file's header with the LUKS key area, if it had made the \
             file, and unlinked it, and has confirmed that it has no such file", spec.host
        )
    };
    json!({
        "certificate": "erasure",
        "volume": want.id,
        "project": want.project,
        "gib": spec.gib,
        "destroyed": {
            "key": format!("the key of volume {}, kept wrapped by its project's key", want.id),
            "algorithm": "aes-256-xts under LUKS in qcow2",
            "blocks": blocks,
            "copies": "none were made by the platform",
        },
        "says_nothing_about": [
            "pages of the database's write-ahead log until its next checkpoint",
            "remapped cells of an SSD and blocks that a copy-on-write file system keeps",
            "snapshots or backups of the storage or of the database taken outside the platform",
        ],
    })
}
