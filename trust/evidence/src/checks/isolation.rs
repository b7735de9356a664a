//! Guests: whether each machine is the one that is recorded, and whether one can hurt another.

use super::hosts::{KSM, Sum, setting, surveys};
use super::{Found, error};
use crate::world::World;
use jinyun_compute::Server;
use jinyun_engine::Have;
use jinyun_network::Port;
use jinyun_volume::Volume;
use jinyun_wire::{GuestFound, MachineFound};
use std::collections::{BTreeMap, BTreeSet};

/// Devices that every machine has beside its disks and ports.
const DEVICES: [&str; 1] = ["virtio-rng-pci"];
/// What a guest reads as a disk's serial number has at most so many letters.
const SERIAL: usize = 20;
/// A group's memory may be the guest's and so much more, in MiB, beside a part of it.
const BESIDE: u64 = 1024;

/// The records of one moment, by id.
struct Records {
    servers: Vec<Have<Server>>,
    volumes: BTreeMap<String, Have<Volume>>,
    ports: BTreeMap<String, Have<Port>>,
}

impl Records {
    fn read(world: &World) -> Result<Records, String> {
        let volumes = world.all::<Volume>()?.into_iter();
        let ports = world.all::<Port>()?.into_iter();
        Ok(Records {
            servers: world.all::<Server>()?,
            volumes: volumes.map(|v| (v.id.to_string(), v)).collect(),
            ports: ports.map(|p| (p.id.to_string(), p)).collect(),
        })
    }
}

/// How a machine differs from its record; empty if not.
fn differences(server: &Have<Server>, machine: &MachineFound, records: &Records) -> Vec<String> {
    let spec = &server.spec;
    let mut found = Vec::new();
    let mut same = |what: &str, is: u64, should: i64| {
        if u64::try_from(should) != Ok(is) {
            found.push(format!("{what} {is}, not {should}"));
        }
    };
    same("incarnation", machine.incarnation, spec.incarnation);
    same("processors", machine.vcpus, spec.flavor.vcpus);
    same("MiB of memory", machine.memory >> 20, spec.flavor.memory_mib);
    let disks: BTreeSet<&str> = std::iter::once(spec.root.as_str())
        .chain(spec.volumes.iter().map(|v| v.id.as_str())).collect();
    if !machine.disks.keys().map(String::as_str).eq(disks.iter().copied()) {
        found.push(format!("its {} disks are not the recorded {}", machine.disks.len(), disks.len()));
    }
    for (id, disk) in &machine.disks {
        let size = records.volumes.get(id).map(|v| v.spec.bytes());
        if disk.bytes.and_then(|n| i64::try_from(n).ok()) != size {
            found.push(format!("disk {id} has another size"));
        }
        if !disk.encrypted {
            found.push(format!("disk {id} is not encrypted"));
        }
        if !id.starts_with(&disk.serial) || disk.serial.len() != id.len().min(SERIAL) {
            found.push(format!("disk {id} has another serial number"));
        }
    }
    let ports: BTreeSet<&str> = spec.ports.iter().map(|id| id.as_str()).collect();
    if !machine.ports.keys().map(String::as_str).eq(ports.iter().copied()) {
        found.push(format!("its {} ports are not the recorded {}", machine.ports.len(), ports.len()));
    }
    for (id, mac) in &machine.ports {
        if records.ports.get(id).is_some_and(|port| port.spec.mac != *mac) {
            found.push(format!("port {id} has another MAC"));
        }
    }
    for (name, kind) in &machine.others {
        if !DEVICES.contains(&kind.as_str()) {
            found.push(format!("device {name} ({kind}) is none of those that machines have"));
        }
    }
    found
}

/// Every running machine has the processors, the memory, the disks, the ports and no other devices
/// than its record says.
pub(super) fn guest_as_recorded(world: &World) -> Found {
    let surveys = match surveys(world) {
        Ok(surveys) => surveys,
        Err(found) => return found,
    };
    if let Some(host) = world.hosts.iter().find(|host| !host.settled) {
        return error(format!("host {} was changing while it was looked at", host.name));
    }
    let records = match Records::read(world) {
        Ok(records) => records,
        Err(why) => return error(why),
    };
    let mut sum = Sum::default();
    for (host, survey) in &surveys {
        let here = records.servers.iter()
            .filter(|s| s.spec.host == host.name && s.phase == "ACTIVE" && s.settled());
        for server in here {
            let found = survey.guests.clone().and_then(|guests| {
                match guests.into_iter().find(|guest| server.id.as_str() == guest.id) {
                    Some(guest) => guest.machine,
                    None => Err("it has no process".into()),
                }
            });
            let found = found.map(|machine| {
                let differences = differences(server, &machine, &records);
                if differences.is_empty() { Ok(()) } else { Err(differences.join(", ")) }
            });
            sum.piece(&format!("server {}", server.id), found);
        }
    }
    let all = sum.all;
    sum.found("no server runs", format!(
        "{all} running servers: processors, memory, disks, ports and the list of all other devices \
         are those of their records"
    ))
}

/// All processes of guests with the host of each, or why they are not known.
fn guests(world: &World) -> Result<Vec<(&str, &GuestFound)>, Found> {
    let mut all = Vec::new();
    for (host, survey) in surveys(world)? {
        match &survey.guests {
            Ok(guests) => all.extend(guests.iter().map(|guest| (host.name.as_str(), guest))),
            Err(why) => {
                return Err(error(format!("guests of {} could not be read: {why}", host.name)));
            }
        }
    }
    Ok(all)
}

/// Each guest is a process by itself, in a group by itself that holds its memory and its threads.
pub(super) fn guest_apart(world: &World) -> Found {
    let (guests, surveys, servers) = match (guests(world), surveys(world), world.all::<Server>()) {
        (Ok(guests), Ok(surveys), Ok(servers)) => (guests, surveys, servers),
        (Err(found), ..) | (_, Err(found), _) => return found,
        (.., Err(why)) => return error(why),
    };
    let mut sum = Sum::default();
    let (mut seen, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (host, guest) in &guests {
        let what = format!("guest {} on {host}", guest.id);
        let once = seen.insert((*host, guest.id.as_str())) && guest.id != "unknown";
        let process = if once { Ok(()) } else { Err("is not one known process by itself".into()) };
        sum.piece(&what, Ok(process));
        let able = surveys.iter().find(|(look, _)| look.name == **host).map(|(_, s)| &s.limits);
        let memory = servers.iter().find(|s| s.id.as_str() == guest.id)
            .and_then(|s| u64::try_from(s.spec.flavor.memory_mib).ok());
        let caged = match (able, &guest.cage) {
            (Some(Err(why)), _) => Err(format!("no limits: {why}")),
            (_, Err(why)) => Err(why.clone()),
            (_, Ok(cage)) => Ok({
                let alone = paths.insert((*host, cage.path.as_str())) && cage.members == 1;
                let most = memory.map(|mib| (mib + mib / 8 + BESIDE) << 20);
                match (alone, cage.memory, cage.pids) {
                    (false, ..) => Err("shares its group with another".to_string()),
                    (_, None, _) => Err("has no limit of memory".into()),
                    (_, _, None) => Err("has no limit of threads".into()),
                    (_, Some(limit), _) if most.is_some_and(|most| limit > most) => {
                        Err(format!("may have {} MiB of memory", limit >> 20))
                    }
                    _ => Ok(()),
                }
            }),
        };
        sum.piece(&format!("the group of {what}"), caged);
    }
    let count = guests.len();
    sum.found("no guest runs", format!(
        "{count} guests: each a process by itself, in a control group by itself with limits of \
         memory and threads"
    ))
}

/// No page of one guest's memory is merged with an equal one of another's.
pub(super) fn memory_apart(world: &World) -> Found {
    let (guests, surveys) = match (guests(world), surveys(world)) {
        (Ok(guests), Ok(surveys)) => (guests, surveys),
        (Err(found), _) | (_, Err(found)) => return found,
    };
    if guests.is_empty() {
        return error(format!("no guest runs{}", super::NOTHING));
    }
    let mut sum = Sum::default();
    for (host, survey) in &surveys {
        let what = format!("merging of pages on {}", host.name);
        sum.piece(&what, setting(survey, KSM, &["0", "2"], true));
    }
    for (host, guest) in &guests {
        let found = guest.machine.clone().map(|machine| match machine.merges {
            true => Err("lets its pages be merged".to_string()),
            false => Ok(()),
        });
        sum.piece(&format!("guest {} on {host}", guest.id), found);
    }
    let count = guests.len();
    sum.found("no guest runs", format!(
        "{count} guests on {} host(s): none lets its pages be merged, and the kernels merge none",
        surveys.len()
    ))
}
