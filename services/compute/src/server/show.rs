//! How Nova 2.1 shows a server.
//!
//! The protocol has three words for how far a server is (status, vm_state, task_state). They follow
//! from two facts: the phase that the plan has found, and whether it is to run.

use super::{Server, ZONE};
use crate::list::{bookmark, self_links};
use jinyun_base::{Fault, Id, Time};
use jinyun_engine::{Have, Query, View};
use jinyun_network::{Network, Port, SecurityGroup};
use jinyun_rest::Call;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha224};
use std::collections::{BTreeMap, HashMap};

/// How far a server is, in the protocol's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// `status`.
    pub status: &'static str,
    /// `OS-EXT-STS:vm_state`.
    pub vm: &'static str,
    /// `OS-EXT-STS:task_state`.
    pub task: Option<&'static str>,
    /// `OS-EXT-STS:power_state`: 0 nothing is known, 1 running, 4 off.
    pub power: i64,
}

const BUILD: Words = Words { status: "BUILD", vm: "building", task: None, power: 0 };
const ACTIVE: Words = Words { status: "ACTIVE", vm: "active", task: None, power: 1 };
const SHUTOFF: Words = Words { status: "SHUTOFF", vm: "stopped", task: None, power: 4 };
const ERROR: Words = Words { status: "ERROR", vm: "error", task: None, power: 0 };

impl Words {
    /// The words for a server.
    pub fn of(server: &Have<Server>) -> Words {
        let running = server.spec.running;
        if server.deleting {
            // The phase is "deleting" by now; what it was before is told by whether it ever ran.
            let before = match (launched(server), running) {
                (None, _) => BUILD,
                (Some(_), true) => ACTIVE,
                (Some(_), false) => SHUTOFF,
            };
            return Words { task: Some("deleting"), ..before };
        }
        match (server.phase.as_str(), running) {
            ("ACTIVE", true) => ACTIVE,
            ("ACTIVE", false) => Words { task: Some("powering-off"), ..ACTIVE },
            ("SHUTOFF", true) => Words { task: Some("powering-on"), ..SHUTOFF },
            ("SHUTOFF", false) => SHUTOFF,
            ("ERROR", _) => ERROR,
            _ if server.spec.host.is_empty() => Words { task: Some("scheduling"), ..BUILD },
            _ => Words { task: Some("spawning"), ..BUILD },
        }
    }
}

/// When it ran first.
pub(super) fn launched(server: &Have<Server>) -> Option<Time> {
    match server.status.launched {
        0 => (server.phase == "ACTIVE").then_some(server.phase_since),
        at => Some(Time(at)),
    }
}

/// What is looked up once for a list: names of networks and groups, and a project's ports.
#[derive(Default)]
pub struct Names {
    networks: BTreeMap<Id, String>,
    groups: BTreeMap<Id, String>,
    ports: Option<HashMap<Id, Have<Port>>>,
}

impl Names {
    /// For a list of many servers of a project: one query for all ports costs less than one each.
    pub fn of_project(view: &mut View<'_>, project: &Id) -> Result<Names, Fault> {
        let ports = view.list::<Port>(&Query::project(project))?;
        let ports = ports.into_iter().map(|port| (port.id.clone(), port)).collect();
        Ok(Names { ports: Some(ports), ..Names::default() })
    }

    /// A server's ports that are there.
    fn ports(&mut self, server: &Have<Server>, view: &mut View<'_>)
        -> Result<Vec<Have<Port>>, Fault> {
        let Some(known) = &mut self.ports else { return ports(server, view) };
        let own = server.spec.ports.iter().filter_map(|id| known.remove(id));
        Ok(own.filter(|port| !port.deleting || server.deleting).collect())
    }

    fn network(&mut self, view: &mut View<'_>, id: &Id) -> Result<String, Fault> {
        if let Some(name) = self.networks.get(id) {
            return Ok(name.clone());
        }
        let name = view.get::<Network>(id)?.map_or_else(|| id.to_string(), |n| n.spec.name);
        self.networks.insert(id.clone(), name.clone());
        Ok(name)
    }

    fn group(&mut self, view: &mut View<'_>, id: &Id) -> Result<String, Fault> {
        if let Some(name) = self.groups.get(id) {
            return Ok(name.clone());
        }
        let name = view.get::<SecurityGroup>(id)?.map_or_else(|| id.to_string(), |g| g.spec.name);
        self.groups.insert(id.clone(), name.clone());
        Ok(name)
    }
}

/// A server's ports that are there.
pub fn ports(server: &Have<Server>, view: &mut View<'_>) -> Result<Vec<Have<Port>>, Fault> {
    let mut ports = Vec::with_capacity(server.spec.ports.len());
    for id in &server.spec.ports {
        ports.extend(view.get::<Port>(id)?.filter(|port| !port.deleting || server.deleting));
    }
    Ok(ports)
}

/// As the short list shows it.
pub fn brief(server: &Have<Server>, call: &Call<'_>) -> Value {
    let links = self_links(call, "servers", &server.id);
    json!({ "id": server.id, "name": server.spec.name, "links": links })
}

/// Where it is, without saying where: equal for servers of a project on one host.
fn host_word(server: &Have<Server>) -> String {
    if server.spec.host.is_empty() {
        return String::new();
    }
    let digest = Sha224::new()
        .chain_update(server.project.as_str())
        .chain_update(&server.spec.host)
        .finalize();
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// In full.
pub fn full(server: &Have<Server>, call: &Call<'_>, view: &mut View<'_>, names: &mut Names)
    -> Result<Value, Fault> {
    let spec = &server.spec;
    let words = Words::of(server);
    let mut addresses: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut groups: Vec<String> = Vec::new();
    for port in names.ports(server, view)? {
        let name = names.network(view, &port.spec.network)?;
        let there = addresses.entry(name).or_default();
        there.extend(port.spec.fixed_ips.iter().map(|fixed| json!({
            "addr": fixed.ip.to_string(),
            "version": 4,
            "OS-EXT-IPS:type": "fixed",
            "OS-EXT-IPS-MAC:mac_addr": port.spec.mac,
        })));
        for group in &port.spec.security_groups {
            let name = names.group(view, group)?;
            if !groups.contains(&name) {
                groups.push(name);
            }
        }
    }
    let groups: Vec<Value> = groups.into_iter().map(|name| json!({ "name": name })).collect();
    let volumes: Vec<Value> = spec.volumes.iter().map(|v| json!({ "id": v.id })).collect();
    let none = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    let updated = server.updated.max(server.phase_since);
    let mut shown = json!({
        "id": server.id,
        "name": spec.name,
        "tenant_id": server.project,
        "user_id": spec.user,
        "status": words.status,
        "OS-EXT-STS:vm_state": words.vm,
        "OS-EXT-STS:task_state": words.task,
        "OS-EXT-STS:power_state": words.power,
        "OS-EXT-AZ:availability_zone": if spec.host.is_empty() { "" } else { ZONE },
        "OS-SRV-USG:launched_at": launched(server).map(Time::naive),
        "OS-SRV-USG:terminated_at": null,
        "OS-DCF:diskConfig": "MANUAL",
        "hostId": host_word(server),
        "image": {
            "id": spec.image,
            "links": [bookmark(call, "images", &spec.image)],
        },
        "flavor": {
            "id": spec.flavor.id,
            "links": [bookmark(call, "flavors", &spec.flavor.id)],
        },
        "key_name": none(&spec.key_name),
        "addresses": addresses,
        "accessIPv4": "",
        "accessIPv6": "",
        "os-extended-volumes:volumes_attached": volumes,
        "config_drive": "",
        "metadata": spec.metadata,
        "created": server.created.seconds(),
        "updated": updated.seconds(),
        "links": self_links(call, "servers", &server.id),
    });
    let Some(members) = shown.as_object_mut() else { return Ok(shown) };
    more(server, words, groups, members);
    Ok(shown)
}

/// What a server shows only in some states, as in Nova.
fn more(server: &Have<Server>, words: Words, groups: Vec<Value>, shown: &mut Map<String, Value>) {
    if !groups.is_empty() {
        shown.insert("security_groups".into(), groups.into());
    }
    if words == ERROR {
        let fault = json!({
            "code": 500,
            "message": server.error,
            "created": server.phase_since.seconds(),
        });
        shown.insert("fault".into(), fault);
    } else {
        shown.insert("progress".into(), 0.into());
    }
}
