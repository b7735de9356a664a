//! A host's document, composed from the records.
//!
//! Whatever lies on the host and is not on its way out is wanted; what is left out goes. So the
//! deletion of a server is nothing but its absence here, and a document that was lost is composed
//! again. The order is that of the ids: equal records make equal documents.

use super::metadata::{Guest, pages};
use crate::server::{Server, show};
use jinyun_base::{Fault, Id};
use jinyun_engine::{Have, Query, View};
use jinyun_network::Port;
use jinyun_volume::Volume;
use jinyun_wire::{GuestDisk, GuestWant, HostWant};
use std::collections::BTreeMap;

/// What the guest reads as a disk's serial number has at most so many bytes.
const SERIAL: usize = 20;

/// The document of a host; its generation is set by [`super::Hosts::compose`]. `secret` reads a
/// server's user data, which no view can.
pub fn want(view: &mut View<'_>, host: &str, secret: &dyn Fn(&Id) -> Option<Vec<u8>>)
    -> Result<HostWant, Fault> {
    let guests = guests(view, host, secret)?;
    let metadata = |port: &Have<Port>| -> Vec<(String, String)> {
        let guest = guests.get(&Id::new(&port.spec.device_id));
        guest.map(|guest| pages(guest, port)).unwrap_or_default()
    };
    // The network takes a port's host name from these pages, so that DHCP and DNS agree with them.
    let (networks, routers, groups) = jinyun_network::host::want(view, host, &metadata)?;
    Ok(HostWant {
        generation: 0,
        networks,
        routers,
        groups,
        disks: jinyun_volume::want(view, host)?,
        guests: guests.values().map(wanted).collect(),
    })
}

/// The host's servers that are to be there, by id.
fn guests(view: &mut View<'_>, host: &str, secret: &dyn Fn(&Id) -> Option<Vec<u8>>)
    -> Result<BTreeMap<Id, Guest>, Fault> {
    let mut guests = BTreeMap::new();
    for server in view.list::<Server>(&Query::field("host", host))? {
        if server.deleting {
            continue;
        }
        let mut ports = show::ports(&server, view)?;
        ports.retain(|port| port.spec.host == host);
        let user_data = match server.spec.has_user_data {
            true => Some(text(&server.id, secret(&server.id))?),
            false => None,
        };
        guests.insert(server.id.clone(), Guest { server, ports, user_data });
    }
    Ok(guests)
}

/// User data as text. No document is better than one without it: a guest reads it once, at its
/// first start, and would be another machine for ever.
fn text(server: &Id, secret: Option<Vec<u8>>) -> Result<String, Fault> {
    let text = secret.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Fault::new(format!("the user data of server {server} cannot be read")))
}

/// A guest. All its disks are named, even one that could not be made: a server that started without
/// a disk that it should have would be another server.
fn wanted(guest: &Guest) -> GuestWant {
    let spec = &guest.server.spec;
    let disks = std::iter::once(&spec.root).chain(spec.volumes.iter().map(|v| &v.id));
    let disk = |id: &Id| GuestDisk {
        id: id.to_string(),
        serial: id.as_str().chars().take(SERIAL).collect(),
    };
    let size = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    GuestWant {
        id: guest.server.id.to_string(),
        name: spec.name.clone(),
        vcpus: size(spec.flavor.vcpus),
        memory_mib: size(spec.flavor.memory_mib),
        running: spec.running,
        disks: disks.map(disk).collect(),
        ports: guest.ports.iter().map(|port| port.id.to_string()).collect(),
        incarnation: u64::try_from(spec.incarnation).unwrap_or(0),
    }
}

/// Everything whose row lies on a host, wanted or on its way out: what the host must answer for.
pub fn placed(view: &mut View<'_>, host: &str) -> Result<Vec<(&'static str, Id)>, Fault> {
    let on = Query::field("host", host);
    let mut all: Vec<(&'static str, Id)> = Vec::new();
    all.extend(view.list::<Server>(&on)?.into_iter().map(|have| ("server", have.id)));
    all.extend(view.list::<Volume>(&on)?.into_iter().map(|have| ("volume", have.id)));
    all.extend(view.list::<Port>(&on)?.into_iter().map(|have| ("port", have.id)));
    Ok(all)
}

/// Servers that are on no host yet: to be nudged when a host connects.
pub fn waiting(view: &mut View<'_>) -> Result<Vec<Id>, Fault> {
    let found = view.list::<Server>(&Query::field("host", ""))?;
    Ok(found.into_iter().filter(|server| !server.deleting).map(|server| server.id).collect())
}
