//! What hosts say of themselves and what is installed on them.

use crate::facts::secrets::{self, SecretFact};
use crate::facts::site;
use crate::world::AskHost;
use jinyun_base::{Fault, Id};
use jinyun_compute::{Host, Hosts};
use jinyun_engine::{Seen, Stored};
use jinyun_rest::Cloud;
use jinyun_wire::{Answer, Ask, DiskHeader, HostFacts, HostWant, Installed, Known, Survey};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often the hosts are looked at again because something changed meanwhile.
const TRIES: usize = 3;

/// A host at one moment.
#[derive(Debug, Clone)]
pub struct HostLook {
    /// Its name.
    pub name: String,
    /// What its machine can do.
    pub facts: HostFacts,
    /// What it was told last.
    pub document: HostWant,
    /// It had reported that document as done, and no record changed while it was looked at.
    pub settled: bool,
    /// What is installed, or why that is not known.
    pub installed: Result<Installed, String>,
    /// What it shows of itself.
    pub survey: Known<Survey>,
    /// SHA-256 of the program that its agent should be: ours.
    pub program: Known<String>,
}

/// The disks of a host after the stage was struck.
#[derive(Debug, Clone)]
pub struct Left {
    /// The host.
    pub host: String,
    /// Its disks, or why they are not known.
    pub disks: Result<Vec<DiskHeader>, String>,
}

/// Names of connected hosts.
pub fn alive(hosts: &Hosts) -> Vec<String> {
    let seen = hosts.seen("hosts", &Id::new(""));
    let names = seen.as_ref().and_then(|s| s.get("alive")).and_then(|a| a.as_array());
    names.into_iter().flatten().filter_map(|n| n.as_str().map(String::from)).collect()
}

/// What a host's machine can do; nothing if it is not connected.
fn facts(hosts: &Hosts, name: &str) -> HostFacts {
    let seen = hosts.seen("host", &Id::new(name));
    let facts = seen.and_then(|mut s| s.get_mut("facts").map(serde_json::Value::take));
    facts.and_then(|f| serde_json::from_value(f).ok()).unwrap_or_default()
}

fn installed(ask: &AskHost, name: &str) -> Result<Installed, String> {
    match ask(name, Ask::Facts) {
        Ok(Answer::Facts(installed)) => Ok(installed),
        Ok(Answer::Failed { why }) => Err(why),
        Ok(_) => Err("the host answered another question".into()),
        Err(failure) => Err(failure.to_string()),
    }
}

/// Whether a host has reported its newest document as done.
fn done(hosts: &Hosts, name: &str) -> bool {
    hosts.reported(name).is_some_and(|(report, _)| {
        let newest = hosts.document(name).map_or(0, |d| d.generation);
        report.converged && report.generation >= newest
    })
}

/// Waits a little until a host has.
fn settled(hosts: &Hosts, name: &str) -> bool {
    for _ in 0..100 {
        if done(hosts, name) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}

/// By what a change of the records between two looks is seen.
fn marks(rows: &[Stored]) -> BTreeSet<(String, String, i64)> {
    rows.iter()
        .map(|s| (s.row.kind.clone(), s.row.id.to_string(), s.row.generation)).collect()
}

/// All hosts with the records and secrets of the same moment.
pub fn read(cloud: &Cloud, hosts: &Hosts, ask: &AskHost)
    -> Result<(Vec<HostLook>, Vec<Stored>, Vec<SecretFact>), Fault> {
    let all = |cloud: &Cloud| cloud.reader.lend(|db| db.everything());
    let (mut looks, mut kept) = (Vec::new(), Vec::new());
    let mut before = all(cloud)?;
    for last in (0..TRIES).rev() {
        looks = look(cloud, hosts, ask, settled)?;
        kept = cloud.reader.lend(secrets::read)?;
        let after = all(cloud)?;
        let same = marks(&before) == marks(&after);
        before = after;
        if same {
            break;
        }
        if last == 0 {
            looks.iter_mut().for_each(|l| l.settled = false);
        }
    }
    Ok((looks, before, kept))
}

/// All hosts now, without waiting for one that is changing. Such a one is asked only if it must be;
/// else there is nothing to tell.
pub fn glance(cloud: &Cloud, hosts: &Hosts, ask: &AskHost, anyway: bool)
    -> Result<Option<Vec<HostLook>>, Fault> {
    if !anyway && alive(hosts).iter().any(|name| !done(hosts, name)) {
        return Ok(None);
    }
    look(cloud, hosts, ask, done).map(Some)
}

/// Changes when a host comes or goes, is told something or has done it.
pub fn mark(hosts: &Hosts) -> String {
    let marks: Vec<String> = alive(hosts).into_iter().map(|name| {
        let told = hosts.document(&name).map_or(0, |d| d.generation);
        format!("{name} {told} {}", done(hosts, &name))
    }).collect();
    marks.join(", ")
}

fn look(cloud: &Cloud, hosts: &Hosts, ask: &AskHost, is_done: fn(&Hosts, &str) -> bool)
    -> Result<Vec<HostLook>, Fault> {
    let alive = alive(hosts);
    let recorded = cloud.reader.view(|v| v.list::<Host>(&Default::default()))?;
    let mut names: BTreeSet<String> = recorded.into_iter().map(|h| h.spec.name).collect();
    names.extend(alive.iter().cloned());
    Ok(names.into_iter().map(|name| {
        let connected = alive.contains(&name);
        HostLook {
            facts: facts(hosts, &name),
            settled: connected && is_done(hosts, &name),
            document: hosts.document(&name).unwrap_or_default(),
            installed: if connected {
                installed(ask, &name)
            } else {
                Err(format!("host {name} is not connected, or has not reported for a while"))
            },
            survey: if connected {
                site::survey(ask, &name)
            } else {
                Err("it is not connected, or has not reported for a while".into())
            },
            program: site::program(),
            name,
        }
    }).collect())
}

/// The disks as they were at the same look.
pub fn disks(looks: &[HostLook]) -> Vec<Left> {
    looks.iter().map(|look| Left {
        host: look.name.clone(),
        disks: look.installed.as_ref().map(|i| i.disks.clone()).map_err(String::clone),
    }).collect()
}

/// The disks that are there now.
pub fn left(looks: &[HostLook], ask: &AskHost) -> Vec<Left> {
    looks.iter().map(|look| Left {
        host: look.name.clone(),
        disks: match &look.installed {
            Ok(_) => installed(ask, &look.name).map(|i| i.disks),
            Err(why) => Err(why.clone()),
        },
    }).collect()
}
