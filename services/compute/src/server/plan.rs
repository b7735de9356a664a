//! What is to be done next for a server.
//!
//! Pure, in two halves: [`facts`] gathers from the records and the reports what matters, [`decide`]
//! is a function of it that can be tested as a table, without a database.

use super::{Server, ServerStatus};
use crate::hosts::Host;
use jinyun_base::{Fault, Id};
use jinyun_engine::{Command, Have, Plan, Query, Seen, Step, View};
use jinyun_network::Port;
use jinyun_policy::Actor;
use jinyun_volume::Volume;
use jinyun_wire::{GuestSeen, GuestState};
use serde_json::{Value, json};

/// What a plan is made from, beside the server itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// What the host says of the guest.
    pub guest: Guest,
    /// Hosts that are connected, with what is free on them. Only asked for before placing.
    pub hosts: Vec<Room>,
    /// Hosts that attached volumes lie on already.
    pub tied_to: Vec<String>,
    /// What is wrong with a disk or a port for good, in a sentence.
    pub broken: Option<String>,
    /// Ports and volumes that a user brought are still tied to the server.
    pub bound: bool,
    /// Its own parts are still there.
    pub parts: bool,
}

/// What the host says of the guest.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Guest {
    /// No host has it.
    #[default]
    None,
    /// A host has not said yet.
    Pending,
    /// As reported; whether about the newest document.
    Seen(GuestSeen, bool),
}

/// A connected host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its name.
    pub name: String,
    /// Memory that no server has, in MiB.
    pub free_mib: i64,
}

/// A report as it comes from [`Seen`].
fn guest(report: Option<Value>) -> Guest {
    let Some(report) = report else { return Guest::None };
    let current = report.get("current").and_then(Value::as_bool).unwrap_or(true);
    // Whatever cannot be read is "pending": never a reason to think that a guest is gone.
    serde_json::from_value(report).map_or(Guest::Pending, |seen| Guest::Seen(seen, current))
}

/// Looks at everything that the decision needs.
pub fn facts(want: &Have<Server>, world: &mut View<'_>, seen: &dyn Seen) -> Result<Facts, Fault> {
    let spec = &want.spec;
    let mut facts = Facts { guest: guest(seen.seen("server", &want.id)), ..Facts::default() };
    if want.deleting {
        for id in spec.lent_ports() {
            let port = world.get::<Port>(id)?;
            facts.bound |= port.is_some_and(|p| p.spec.device_id == want.id.as_str());
        }
        for attached in &spec.volumes {
            let volume = world.get::<Volume>(&attached.id)?;
            facts.bound |= volume.is_some_and(|v| v.spec.server.as_ref() == Some(&want.id));
        }
        facts.parts = !world.used_by("server", &want.id)?.is_empty();
        return Ok(facts);
    }
    for id in std::iter::once(&spec.root).chain(spec.volumes.iter().map(|v| &v.id)) {
        let Some(volume) = world.get::<Volume>(id)? else {
            facts.broken = Some(format!("Volume {id} is gone."));
            continue;
        };
        if volume.phase == "error" {
            facts.broken = Some(format!("Volume {id}: {}", volume.error));
        }
        let host = &volume.spec.host;
        if !host.is_empty() && !facts.tied_to.contains(host) {
            facts.tied_to.push(host.clone());
        }
    }
    if spec.host.is_empty() {
        facts.hosts = rooms(world, seen)?;
        return Ok(facts);
    }
    for id in &spec.ports {
        if let Some(port) = world.get::<Port>(id)?.filter(|port| port.phase == "ERROR") {
            facts.broken = Some(format!("Port {id}: {}", port.error));
        }
    }
    Ok(facts)
}

/// Hosts that are connected, and how much memory is free on each.
fn rooms(world: &mut View<'_>, seen: &dyn Seen) -> Result<Vec<Room>, Fault> {
    let mut rooms = Vec::new();
    for host in world.list::<Host>(&Query::default())? {
        let alive = seen.seen("host", &host.id)
            .is_some_and(|h| h.get("alive").and_then(Value::as_bool) == Some(true));
        if alive {
            let (_, _, used) = crate::hosts::load(world, &host.spec.name)?;
            let free_mib = host.spec.memory_mib - used;
            rooms.push(Room { name: host.spec.name, free_mib });
        }
    }
    Ok(rooms)
}

/// A command of the platform about a server.
fn step(id: &Id, action: &str, args: Value) -> Step {
    let command = Command::new(action, Actor::system("driver"), format!("driver-{id}"));
    Step::Run(Box::new(command.on(id.clone()).with(args)))
}

/// The decision.
pub fn decide(want: &Have<Server>, facts: &Facts) -> Plan<ServerStatus> {
    let mut status = want.status.clone();
    if status.launched == 0 && want.phase == "ACTIVE" {
        status.launched = want.phase_since.0;
    }
    if want.deleting {
        return teardown(want, facts, status);
    }
    if want.spec.host.is_empty() {
        return place(want, facts, status);
    }
    // How far it was is how far it is while it is on its way.
    let on_the_way = match want.phase.as_str() {
        "ACTIVE" => "ACTIVE",
        "SHUTOFF" => "SHUTOFF",
        _ => "BUILD",
    };
    let going = |status| Plan::going(on_the_way, status, Vec::new());
    let (seen, current) = match &facts.guest {
        Guest::Seen(seen, current) => (seen, *current),
        Guest::None | Guest::Pending => {
            return match &facts.broken {
                Some(why) => Plan::failed("ERROR", status, why),
                // A host that is silent for a while takes nothing back that it has said.
                None if want.settled() && on_the_way != "BUILD" => Plan::done(on_the_way, status),
                None => going(status),
            };
        }
    };
    let newest = i64::try_from(seen.incarnation).is_ok_and(|n| n >= want.spec.incarnation);
    match (seen.state, want.spec.running) {
        (GuestState::Running, true) if newest => Plan::done("ACTIVE", status),
        (GuestState::Off | GuestState::Ended | GuestState::Failed, false) => {
            Plan::done("SHUTOFF", status)
        }
        (GuestState::Ended, true) if newest => {
            let args = json!({ "incarnation": want.spec.incarnation });
            Plan::going(on_the_way, status, vec![step(&want.id, "compute:server:ended", args)])
        }
        (GuestState::Off | GuestState::Failed | GuestState::Ended, true) => {
            let fatal = seen.error.as_ref().filter(|fault| fault.fatal && current);
            match fatal.map(|fault| &fault.why).or(facts.broken.as_ref()) {
                Some(why) => Plan::failed("ERROR", status, why),
                None => going(status),
            }
        }
        (GuestState::Running, _) => going(status),
    }
}

/// Chooses a host: where its volumes are, else the one with the most room.
fn place(want: &Have<Server>, facts: &Facts, status: ServerStatus) -> Plan<ServerStatus> {
    if let Some(why) = &facts.broken {
        return Plan::failed("ERROR", status, why);
    }
    if let [one, other, ..] = facts.tied_to.as_slice() {
        let say = format!("Its volumes lie on different hosts ({one}, {other}): attach volumes \
            that lie on one host.");
        return Plan::failed("ERROR", status, say);
    }
    let tied = facts.tied_to.first();
    let mut rooms: Vec<&Room> =
        facts.hosts.iter().filter(|room| tied.is_none_or(|host| *host == room.name)).collect();
    if rooms.is_empty() {
        // None is connected yet: that is no property of the server.
        return Plan::going("BUILD", status, Vec::new());
    }
    let memory = want.spec.flavor.memory_mib;
    rooms.retain(|room| room.free_mib >= memory);
    rooms.sort_by(|a, b| b.free_mib.cmp(&a.free_mib).then_with(|| a.name.cmp(&b.name)));
    match rooms.first() {
        Some(room) => {
            let args = json!({ "host": room.name });
            Plan::going("BUILD", status, vec![step(&want.id, "compute:server:place", args)])
        }
        None => Plan::failed("ERROR", status, format!(
            "No valid host was found. There are not enough hosts available: none has {memory} MiB \
             of memory free."
        )),
    }
}

/// First the guest goes, then what a user brought is let go, then the parts, then the row.
fn teardown(want: &Have<Server>, facts: &Facts, status: ServerStatus) -> Plan<ServerStatus> {
    let mut steps = Vec::new();
    if facts.guest == Guest::None {
        if facts.bound {
            steps.push(step(&want.id, "compute:server:release", Value::Null));
        } else if !facts.parts {
            steps.push(Step::Finish { note: None });
        }
    }
    Plan::going("deleting", status, steps)
}
