//! Hosts: how hard their kernels are, what they know of their processors' weaknesses, their files,
//! their reports, and whether what is on them is what is recorded.
//!
//! What a host could not read is named and makes a finding partial at best; a host that answers
//! nothing makes it an error, but where being heard is the question itself.

use super::ways::KERNELS;
use super::{Found, error, failed, met};
use crate::facts::hosts::HostLook;
use crate::finding::Verdict;
use crate::world::World;
use jinyun_compute::{Host, Server};
use jinyun_engine::Have;
use jinyun_network::{Network, Port, Router};
use jinyun_volume::Volume;
use jinyun_wire::{Known, Survey};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// All hosts' surveys; an error if there is none, or one is missing or made up.
pub(super) fn surveys(world: &World) -> Result<Vec<(&HostLook, &Survey)>, Found> {
    if world.hosts.is_empty() {
        return Err(error("no host is known"));
    }
    let mut all = Vec::new();
    for host in &world.hosts {
        if host.facts.simulated {
            return Err(error("hosts are simulated: not proved"));
        }
        match &host.survey {
            Ok(survey) if survey.simulated => {
                return Err(error("hosts are simulated: not proved"));
            }
            Ok(survey) => all.push((host, survey)),
            Err(why) => {
                return Err(error(format!("host {} could not be read: {why}", host.name)));
            }
        }
    }
    Ok(all)
}

/// What a look came to, piece by piece.
#[derive(Default)]
pub(super) struct Sum {
    /// How many pieces there were.
    pub all: u64,
    /// Those that are not as they should be.
    pub wrong: Vec<String>,
    /// Those of which nothing is known.
    pub open: Vec<String>,
}

impl Sum {
    /// One piece: right, wrong, or not known.
    pub fn piece(&mut self, what: &str, found: Known<Result<(), String>>) {
        self.all += 1;
        match found {
            Ok(Ok(())) => {}
            Ok(Err(why)) => self.wrong.push(format!("{what}: {why}")),
            Err(why) => self.open.push(format!("{what}: {why}")),
        }
    }

    /// The finding. Without anything that is known nothing is proved.
    pub fn found(self, nothing: &str, says: impl Into<String>) -> Found {
        let Sum { all, wrong, open } = self;
        let known = all - open.len() as u64;
        if !wrong.is_empty() {
            return Found { sampled: known, ..failed(all, &wrong) };
        }
        let mut told = open.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        if open.len() > 3 {
            told.push_str(&format!("; and {} more", open.len() - 3));
        }
        match (known, open.is_empty()) {
            (0, true) => error(format!("{nothing}{}", super::NOTHING)),
            (0, false) => error(format!("nothing is known: {told}")),
            (_, true) => met(all, says),
            (_, false) => {
                let says = format!("{} (not known: {told})", says.into());
                Found { verdict: Verdict::Partly, sampled: known, ..met(all, says) }
            }
        }
    }
}

/// Settings of a kernel: where, which values are hard enough, and whether a kernel without the
/// setting has nothing to harden.
const HARD: &[(&str, &[&str], bool)] = &[
    ("proc/sys/fs/protected_hardlinks", &["1"], false),
    ("proc/sys/fs/protected_symlinks", &["1"], false),
    ("proc/sys/kernel/dmesg_restrict", &["1"], false),
    ("proc/sys/kernel/kptr_restrict", &["1", "2"], false),
    ("proc/sys/kernel/randomize_va_space", &["2"], false),
    ("proc/sys/kernel/unprivileged_bpf_disabled", &["1", "2"], true),
    ("proc/sys/kernel/yama/ptrace_scope", &["1", "2", "3"], false),
    ("proc/sys/net/ipv4/ip_forward", &["0"], false),
    (KSM, &["0", "2"], true),
];
/// Whether equal pages of processes are merged.
pub(super) const KSM: &str = "sys/kernel/mm/ksm/run";
const LOCALNET: &str = "proc/sys/net/ipv4/conf/*/route_localnet";

/// A setting against the values that are right.
pub(super) fn setting(survey: &Survey, path: &str, right: &[&str], absent: bool)
    -> Known<Result<(), String>> {
    match survey.settings.get(path) {
        None => Err("the host does not tell it".into()),
        Some(Err(why)) => Err(why.clone()),
        Some(Ok(None)) if absent => Ok(Ok(())),
        Some(Ok(None)) => Err("this kernel has no such setting".into()),
        Some(Ok(Some(value))) if right.contains(&value.as_str()) => Ok(Ok(())),
        Some(Ok(Some(value))) => Ok(Err(format!("it is {value}, not {}", right.join(" or ")))),
    }
}

/// Every host's kernel keeps ordinary users from what only attackers need, and is the newest that is
/// installed.
pub(super) fn host_hardened(world: &World) -> Found {
    let surveys = match surveys(world) {
        Ok(surveys) => surveys,
        Err(found) => return found,
    };
    let mut sum = Sum::default();
    let mut kernels = BTreeSet::new();
    for (host, survey) in &surveys {
        for (path, right, absent) in HARD {
            sum.piece(&format!("{path} on {}", host.name), setting(survey, path, right, *absent));
        }
        let newest = survey.newest_kernel.clone().map(|newest| match newest == survey.kernel {
            true => Ok(()),
            false => Err(format!("{} runs, {newest} is installed", survey.kernel)),
        });
        sum.piece(&format!("the kernel of {}", host.name), newest);
        kernels.insert(survey.kernel.as_str());
    }
    let kernels = kernels.into_iter().collect::<Vec<_>>().join(", ");
    sum.found("there are no hosts", format!(
        "{} host(s): {} settings of the kernel as they should be; of the kernels that are installed \
         the newest runs ({kernels})", surveys.len(), HARD.len()
    ))
}

/// What a kernel says of a weakness.
fn weakness(said: &str) -> Known<Result<(), String>> {
    let small = said.to_lowercase();
    let bare = small.strip_prefix("kvm: ").unwrap_or(&small);
    if bare.starts_with("not affected") {
        return Ok(Ok(()));
    }
    if bare.starts_with("vulnerable") || bare.starts_with("processor vulnerable") {
        return Ok(Err(said.into()));
    }
    // "Mitigation: ...; SMT vulnerable": for one side of it there is none.
    match bare.starts_with("mitigation") && !bare.contains("vulnerable") && !bare.contains("unknown") {
        true => Ok(Ok(())),
        false => Err(said.into()),
    }
}

/// Every weakness of every host's processors that its kernel knows is mended or not there.
pub(super) fn cpu_mitigated(world: &World) -> Found {
    let surveys = match surveys(world) {
        Ok(surveys) => surveys,
        Err(found) => return found,
    };
    let mut sum = Sum::default();
    for (host, survey) in &surveys {
        match &survey.weaknesses {
            Err(why) => sum.piece(&format!("weaknesses of {}", host.name), Err(why.clone())),
            Ok(all) => for (name, said) in all {
                sum.piece(&format!("{name} on {}", host.name), weakness(said));
            },
        }
    }
    let all = sum.all;
    sum.found("the kernels know of no weakness", format!(
        "{all} weaknesses on {} host(s): not there, or mended", surveys.len()
    ))
}

/// No packet from outside becomes one to a loopback address, whatever somebody's filter says.
pub(super) fn loopback_closed(world: &World) -> Found {
    let surveys = match surveys(world) {
        Ok(surveys) => surveys,
        Err(found) => return found,
    };
    let mut sum = Sum::default();
    for (host, survey) in &surveys {
        let found = setting(survey, LOCALNET, &["0"], false);
        sum.piece(&format!("{LOCALNET} on {}", host.name), found);
    }
    let all = sum.all;
    sum.found("there are no hosts", format!(
        "{all} host(s): no device takes packets for loopback addresses from a wire, so the kernel \
         leads nobody to the management listener"
    ))
}

/// Programs, documents and files of hosts are those that the platform gave them, and only root's.
pub(super) fn host_files(world: &World) -> Found {
    let surveys = match surveys(world) {
        Ok(surveys) => surveys,
        Err(found) => return found,
    };
    let mut sum = Sum::default();
    for (host, survey) in &surveys {
        let name = &host.name;
        let same = survey.program.clone().and_then(|theirs| {
            let ours = host.program.clone()?;
            Ok(if ours == theirs { Ok(()) } else { Err("is not the control process's".into()) })
        });
        sum.piece(&format!("the agent's program on {name}"), same);
        let told = match (host.settled, serde_json::to_vec(&host.document)) {
            (true, Ok(told)) => survey.document.clone().map(|kept| {
                let sent = jinyun_journal::to_hex(&Sha256::digest(&told));
                if sent == kept { Ok(()) } else { Err("is not the one that was sent".into()) }
            }),
            (false, _) => Err("it was changing while it was looked at".into()),
            (_, Err(e)) => Err(e.to_string()),
        };
        sum.piece(&format!("the document of {name}"), told);
        for file in &survey.files {
            let found = file.found.clone().map(|state| {
                // The control process's own, for the agent to come in by.
                let door = file.path.ends_with("/control.sock");
                match (state.link, door || state.uid == 0, state.mode & 0o077) {
                    (true, ..) => Err("is a link".to_string()),
                    (_, false, _) => Err(format!("belongs to user {}", state.uid)),
                    (.., 0) => Ok(()),
                    _ => Err(format!("is open to others (mode {:o})", state.mode)),
                }
            });
            sum.piece(&format!("{} on {name}", file.path), found);
        }
    }
    let all = sum.all;
    sum.found("there are no hosts", format!(
        "{all} things on {} host(s): the agent's program is the control process's, the document is \
         the one that was sent, by digest; files and directories are root's and closed to others",
        surveys.len()
    ))
}

/// Below this part of its size a disk is nearly full.
const DISK_PARTS: u64 = 20;
/// Below this part of it memory is nearly gone.
const MEMORY_PARTS: u64 = 50;

/// Every recorded host answers, has done what it was told last, and has room.
pub(super) fn host_reports(world: &World) -> Found {
    let hosts = match world.all::<Host>() {
        Ok(hosts) => hosts,
        Err(why) => return error(why),
    };
    if hosts.iter().any(|host| host.spec.simulated) {
        return error("hosts are simulated: not proved");
    }
    let mut sum = Sum::default();
    let mut said = Vec::new();
    for host in &hosts {
        let name = &host.spec.name;
        let look = world.hosts.iter().find(|look| look.name == *name);
        let survey = match look {
            Some(look) => look.survey.as_ref().map_err(Clone::clone),
            None => Err("nobody asked it".to_string()),
        };
        let survey = match survey {
            Ok(survey) => survey,
            // That it is not heard is what this is about.
            Err(why) => {
                sum.piece(&format!("host {name}"), Ok(Err(format!("it is not heard: {why}"))));
                continue;
            }
        };
        let done = match look.is_some_and(|look| look.settled) {
            true => Ok(Ok(())),
            false => Err("it was changing while it was looked at".into()),
        };
        sum.piece(&format!("the newest document on {name}"), done);
        let room = survey.load.clone().map(|load| {
            said.push(format!(
                "{name}: {}.{:02} of {} processors busy, {} of {} MiB of memory and {} of {} GiB of \
                 disk free", load.busy / 1000, load.busy % 1000 / 10, load.cpus, load.memory_free_mib,
                load.memory_mib, load.disk_free >> 30, load.disk >> 30
            ));
            if load.disk_free < load.disk / DISK_PARTS {
                return Err("its disk is nearly full".to_string());
            }
            if load.memory_free_mib < load.memory_mib / MEMORY_PARTS {
                return Err("its memory is nearly gone".to_string());
            }
            Ok(())
        });
        sum.piece(&format!("room on {name}"), room);
    }
    let told = said.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    sum.found("no host is recorded", format!("{} host(s) answer: {told}", hosts.len()))
}

/// The first letters and digits of an id, as names on a host are made of them.
pub(super) fn head(id: &str, n: usize) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).take(n).collect::<String>().to_lowercase()
}

/// Compares two sets both ways.
fn compare(sum: &mut Sum, host: &str, what: &str, there: &BTreeSet<String>, may: &BTreeSet<String>,
    must: &BTreeSet<String>) {
    for one in there {
        let known = if may.contains(one) { Ok(()) } else { Err("no record has it".into()) };
        sum.piece(&format!("{what} {one} on {host}"), Ok(known));
    }
    for one in must.difference(there) {
        let gone = Err("it is recorded and not there".to_string());
        sum.piece(&format!("{what} {one} on {host}"), Ok(gone));
    }
}

/// Records of everything that lies on hosts.
struct Records {
    volumes: Vec<Have<Volume>>,
    servers: Vec<Have<Server>>,
    ports: Vec<Have<Port>>,
    networks: BTreeSet<String>,
    routers: BTreeSet<String>,
}

impl Records {
    fn read(world: &World) -> Result<Records, String> {
        let heads = |ids: Vec<String>| ids.iter().map(|id| head(id, 8)).collect();
        Ok(Records {
            volumes: world.all::<Volume>()?,
            servers: world.all::<Server>()?,
            ports: world.all::<Port>()?,
            networks: heads(world.all::<Network>()?.iter().map(|n| n.id.to_string()).collect()),
            routers: heads(world.all::<Router>()?.iter().map(|r| r.id.to_string()).collect()),
        })
    }
}

/// Whatever is on a host is recorded, and what is recorded as being there is there.
pub(super) fn found_is_recorded(world: &World) -> Found {
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
        let name = host.name.as_str();
        match &host.installed {
            Err(why) => sum.piece(&format!("disks of {name}"), Err(why.clone())),
            Ok(installed) => {
                let there = installed.disks.iter().map(|disk| disk.id.clone()).collect();
                let here = || records.volumes.iter().filter(move |v| v.spec.host == name);
                let may = here().map(|v| v.id.to_string()).collect();
                let must = here().filter(|v| v.status.made && v.settled() && v.phase != "error")
                    .map(|v| v.id.to_string()).collect();
                compare(&mut sum, name, "disk", &there, &may, &must);
            }
        }
        match &survey.guests {
            Err(why) => sum.piece(&format!("guests of {name}"), Err(why.clone())),
            Ok(guests) => {
                let there = guests.iter().map(|guest| guest.id.clone()).collect();
                let here = || records.servers.iter().filter(move |s| s.spec.host == name);
                let may = here().map(|s| s.id.to_string()).collect();
                let must = here().filter(|s| s.phase == "ACTIVE" && s.settled())
                    .map(|s| s.id.to_string()).collect();
                compare(&mut sum, name, "guest", &there, &may, &must);
            }
        }
        spaces(&mut sum, name, survey, &records);
    }
    let all = sum.all;
    sum.found("nothing is on the hosts", format!(
        "{all} disks, guests, ports and networks on {} host(s): each has a record, and each that is \
         recorded as there is there", surveys.len()
    ))
}

/// Namespaces and ports' devices.
fn spaces(sum: &mut Sum, host: &str, survey: &Survey, records: &Records) {
    let all = match &survey.spaces {
        Ok(all) => all,
        Err(why) => return sum.piece(&format!("networks of {host}"), Err(why.clone())),
    };
    let here = || records.ports.iter().filter(move |port| port.spec.host == host);
    let device = |port: &Have<Port>| {
        let space = head(port.spec.network.as_str(), 8);
        format!("{space}/t{}", head(port.id.as_str(), 11))
    };
    let prefix = format!("jy-{}-", survey.instance);
    let probes: BTreeSet<String> = here().map(|port| head(port.id.as_str(), 8)).collect();
    let mut there = BTreeSet::new();
    for (space, devices) in all {
        let (kind, id) = space.strip_prefix(&prefix).and_then(|s| s.split_once('-'))
            .unwrap_or(("", space.as_str()));
        let known = match kind {
            "n" => records.networks.contains(id),
            "r" => records.routers.contains(id),
            "p" => probes.contains(id),
            _ => false,
        };
        let known = if known { Ok(()) } else { Err("no record has it".to_string()) };
        sum.piece(&format!("namespace {space} on {host}"), Ok(known));
        match devices {
            Err(why) => sum.piece(&format!("devices of {space} on {host}"), Err(why.clone())),
            Ok(devices) if kind == "n" => {
                let ports = devices.iter()
                    .filter(|name| name.starts_with('t') && !KERNELS.contains(&name.as_str()));
                there.extend(ports.map(|device| format!("{id}/{device}")));
            }
            Ok(_) => {}
        }
    }
    let may = here().map(device).collect();
    let must = here().filter(|port| port.phase == "ACTIVE" && port.settled()).map(device).collect();
    compare(sum, host, "port", &there, &may, &must);
}
