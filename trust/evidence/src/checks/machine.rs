//! Processes, clocks and listeners.

use super::{Found, all_right, error};
use crate::world::World;
use std::collections::BTreeSet;

/// Seccomp's mode "filter".
const FILTER: u32 = 2;

/// The largest offset of a clock that is taken for synchronised, in microseconds.
const OFFSET: u64 = 100_000;

/// Every guest's process has a user of its own, no capabilities and no way to get any, a filter of
/// system calls, and a network namespace in which there is nothing.
pub(super) fn guest_confined(world: &World) -> Found {
    if let Some(why) = world.hosts_silent() {
        return error(why);
    }
    let mut wrong = Vec::new();
    let mut count = 0;
    for host in &world.hosts {
        let Ok(installed) = &host.installed else { continue };
        let mut users = BTreeSet::new();
        for guest in &installed.guests {
            count += 1;
            let mut say = |what: &str| {
                wrong.push(format!("guest {} (pid {} on {}) {what}", guest.id, guest.pid,
                    host.name));
            };
            if guest.uid == 0 {
                say("runs as root");
            }
            if !users.insert(guest.uid) {
                say("shares its user with another");
            }
            if guest.capabilities != 0 {
                say("has capabilities");
            }
            if !guest.no_new_privs {
                say("may gain privileges");
            }
            if guest.seccomp != FILTER {
                say("has no filter of system calls");
            }
            if !guest.own_netns {
                say("is in a network namespace with others");
            }
            if guest.id == "unknown" {
                say("is none that the host knows");
            }
        }
    }
    all_right(count, &wrong, "no guest runs", format!(
        "{count} of {count} guests: an unprivileged user of its own, no capabilities, no way to \
         gain any, a system call filter, a network namespace of its own"
    ))
}

/// Every host's clock follows a source and is near it.
pub(super) fn clock_source(world: &World) -> Found {
    if world.hosts.is_empty() {
        return error("no host is known");
    }
    let mut wrong = Vec::new();
    let mut sources = BTreeSet::new();
    for host in &world.hosts {
        if host.facts.simulated {
            return error("hosts are simulated: not proved");
        }
        match &host.facts.clock {
            None => return error(format!("host {} does not know its clock", host.name)),
            Some((source, _)) if source == "unsynchronized" => {
                wrong.push(format!("the clock of {} follows no source", host.name));
            }
            Some((_, offset)) if offset.unsigned_abs() > OFFSET => {
                wrong.push(format!("the clock of {} is off by {offset} µs", host.name));
            }
            Some((source, _)) => {
                sources.insert(source.as_str());
            }
        }
    }
    let sources = sources.into_iter().collect::<Vec<_>>().join(", ");
    all_right(world.hosts.len() as u64, &wrong, "no host is known", format!(
        "{} host(s): the clock follows a source ({sources}) within {} ms", world.hosts.len(),
        OFFSET / 1000
    ))
}

/// Both listeners speak TLS 1.2 or later and nothing else, and there is no third.
pub(super) fn tls_only(world: &World) -> Found {
    let mut wrong = Vec::new();
    let mut said = Vec::new();
    for look in &world.listeners {
        let name = look.name;
        match (&look.tls, &look.plain, &look.old) {
            (Err(why), ..) => {
                return error(format!("not a proof: no handshake with {name} either: {why}"));
            }
            (_, Err(why), _) | (.., Err(why)) => {
                return error(format!("{name} could not be tried: {why}"));
            }
            (Ok((version, suite)), Ok(plain), Ok(old)) => {
                said.push(format!("{name} {version} {suite}"));
                if *plain {
                    wrong.push(format!("{name} answers without TLS"));
                }
                if *old {
                    wrong.push(format!("{name} answers TLS 1.1"));
                }
            }
        }
    }
    match &world.sockets {
        Ok(sockets) => {
            let known = |s: &std::net::SocketAddr| world.listeners.iter().any(|l| l.address == *s);
            for socket in sockets.iter().filter(|s| !known(s)) {
                wrong.push(format!("the control process listens on {socket} too"));
            }
        }
        Err(why) => return error(format!("its sockets are not known: {why}")),
    }
    all_right(said.len() as u64, &wrong, "there is no listener", format!(
        "{}; without TLS and with TLS 1.1 nothing is answered; no other socket is open",
        said.join(", ")
    ))
}

/// The management listener is bound to an address that other machines do not reach.
pub(super) fn management_apart(world: &World) -> Found {
    let sockets = match &world.sockets {
        Ok(sockets) => sockets,
        Err(why) => return error(format!("its sockets are not known: {why}")),
    };
    let Some(management) = world.listeners.iter().find(|l| l.name == "management") else {
        return error("there is no management listener");
    };
    let port = management.address.port();
    let bound: Vec<_> = sockets.iter().filter(|s| s.port() == port).collect();
    let wrong: Vec<String> = bound.iter().filter(|s| !s.ip().is_loopback())
        .map(|s| format!("the management listener is open on {s}")).collect();
    all_right(bound.len() as u64, &wrong, "the management listener has no socket", format!(
        "the management listener is bound to {} and to nothing else",
        bound.iter().map(|s| s.to_string()).collect::<Vec<_>>().join(", ")
    ))
}
