//! Plugs disks and ports into a guest and pulls them out, over QMP.
//!
//! Problem: after a crash of the agent in the middle of a change, records and QEMU differ.
//! Mechanism: QEMU is the record. A device's id names the disk or the port, its bus is the slot
//! `rpN`, and everything behind it (node, descriptor set, key, net backend) is named by N. So
//! [`attached`] reads what is plugged in from QEMU itself, and attaching begins by clearing what an
//! interrupted attempt may have left at that slot.

use super::disk::Pool;
use super::launch::SLOTS;
use super::plan::Device;
use super::qmp::{Qmp, QmpError};
use super::{damaged, failed};
use crate::secret::Secret;
use jinyun_wire::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// What is plugged into a guest, and in which slot.
pub type Plugged = BTreeMap<Device, u8>;

/// How long a guest may take to let go of a device before that is reported.
const RELEASE: Duration = Duration::from_secs(3);

/// A disk to plug in.
#[derive(Debug)]
pub struct DiskPlug {
    /// The disk.
    pub id: String,
    /// What the guest reads as its serial number.
    pub serial: String,
    /// The guest boots from it.
    pub boot: bool,
    /// Opens it.
    pub key: Secret,
}

/// A port to plug in.
#[derive(Debug)]
pub struct PortPlug {
    /// The port.
    pub id: String,
    /// Its address.
    pub mac: String,
    /// Its tap device.
    pub tap: OwnedFd,
}

/// The lowest slot that nothing is plugged into.
#[must_use]
pub fn free_slot(plugged: &Plugged) -> Option<u8> {
    (0..SLOTS).find(|slot| !plugged.values().any(|used| used == slot))
}

/// Plugs in a disk.
pub fn attach_disk(qmp: &mut Qmp, slot: u8, disk: &DiskPlug, pool: &Pool) -> Result<(), Fault> {
    let file = pool.open_disk(&disk.id)?;
    let names = Names::of(slot);
    let result = plug_disk(qmp, &names, disk, &file);
    if result.is_err() {
        // What remains if this fails, too, is cleared by the next attempt.
        let _ = names.clear_disk(qmp);
    }
    result.map_err(|e| match e {
        QmpError::Refused(why) if why.contains("Invalid password") => {
            damaged(format!("disk {}: its key does not open it", disk.id))
        }
        other => failed(format!("disk {} cannot be plugged in: {other}", disk.id)),
    })
}

/// The key is with QEMU only while it opens the disk.
fn plug_disk(qmp: &mut Qmp, names: &Names, disk: &DiskPlug, file: &File) -> Result<(), QmpError> {
    names.clear_disk(qmp)?;
    let set = json!({ "fdset-id": names.set, "opaque": &disk.id });
    qmp.call_with_fd("add-fd", set, file.as_fd())?;
    qmp.add_secret(&names.key, &disk.key)?;
    let opened = qmp.call("blockdev-add", names.blockdev());
    qmp.try_call("object-del", json!({ "id": &names.key }))?;
    opened?;
    let mut device = json!({
        "driver": "virtio-blk-pci",
        "id": device_id(&Device::Disk(disk.id.clone())),
        "bus": &names.bus,
        "drive": &names.node,
        "serial": &disk.serial,
    });
    if disk.boot {
        device["bootindex"] = json!(1);
    }
    qmp.call("device_add", device).map(drop)
}

/// Plugs in a port.
pub fn attach_port(qmp: &mut Qmp, slot: u8, port: &PortPlug) -> Result<(), Fault> {
    let names = Names::of(slot);
    let result = plug_port(qmp, &names, port);
    if result.is_err() {
        let _ = qmp.try_call("netdev_del", json!({ "id": &names.net }));
    }
    result.map_err(|e| failed(format!("port {} cannot be plugged in: {e}", port.id)))
}

fn plug_port(qmp: &mut Qmp, names: &Names, port: &PortPlug) -> Result<(), QmpError> {
    qmp.try_call("netdev_del", json!({ "id": &names.net }))?;
    qmp.call_with_fd("getfd", json!({ "fdname": &names.net }), port.tap.as_fd())?;
    qmp.call(
        "netdev_add",
        json!({ "type": "tap", "id": &names.net, "fd": &names.net }),
    )?;
    let device = json!({
        "driver": "virtio-net-pci",
        "id": device_id(&Device::Port(port.id.clone())),
        "bus": &names.bus,
        "netdev": &names.net,
        "mac": &port.mac,
        // No boot from the network, so no boot code on the card.
        "romfile": "",
    });
    qmp.call("device_add", device).map(drop)
}

/// Pulls out a device. The guest has to agree; one that is booting or hangs does not, and then
/// this is a failure that is tried again.
pub fn detach(qmp: &mut Qmp, device: &Device, slot: u8) -> Result<(), Fault> {
    let (Device::Disk(id) | Device::Port(id)) = device;
    let pulled = pull(qmp, device, slot).map_err(|e| failed(format!("{id}: {e}")))?;
    if pulled {
        Ok(())
    } else {
        Err(failed(format!("the guest has not yet let go of {id}")))
    }
}

fn pull(qmp: &mut Qmp, device: &Device, slot: u8) -> Result<bool, QmpError> {
    let names = Names::of(slot);
    // Refused if it is on its way out or gone already, which is what was asked for.
    qmp.try_call("device_del", json!({ "id": device_id(device) }))?;
    let until = Instant::now() + RELEASE;
    loop {
        if !attached(qmp)?.contains_key(device) {
            match device {
                Device::Disk(_) => names.clear_disk(qmp)?,
                Device::Port(_) => qmp.try_call("netdev_del", json!({ "id": &names.net }))?,
            }
            return Ok(true);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        qmp.wait(left.min(Duration::from_millis(200)))?;
    }
}

/// What is plugged in, as QEMU tells.
pub fn attached(qmp: &mut Qmp) -> Result<Plugged, QmpError> {
    let list = qmp.call("qom-list", json!({ "path": PERIPHERAL }))?;
    let mut plugged = Plugged::new();
    for entry in list.as_array().map(Vec::as_slice).unwrap_or_default() {
        let Some(name) = entry.get("name").and_then(Value::as_str) else {
            continue;
        };
        let Some(device) = device_of(name) else {
            continue;
        };
        let path = format!("{PERIPHERAL}/{name}");
        match qmp.call("qom-get", json!({ "path": path, "property": "parent_bus" })) {
            Ok(bus) => {
                if let Some(slot) = bus.as_str().and_then(slot_of) {
                    plugged.insert(device, slot);
                }
            }
            // It went away between the two questions.
            Err(QmpError::Refused(_)) => {}
            Err(gone) => return Err(gone),
        }
    }
    Ok(plugged)
}

const PERIPHERAL: &str = "/machine/peripheral";

fn device_id(device: &Device) -> String {
    match device {
        Device::Disk(id) => format!("disk-{id}"),
        Device::Port(id) => format!("port-{id}"),
    }
}

fn device_of(name: &str) -> Option<Device> {
    let disk = name
        .strip_prefix("disk-")
        .map(|id| Device::Disk(id.to_owned()));
    disk.or_else(|| {
        name.strip_prefix("port-")
            .map(|id| Device::Port(id.to_owned()))
    })
}

/// `/machine/peripheral/rp3/rp3` is slot 3.
fn slot_of(bus: &str) -> Option<u8> {
    bus.rsplit('/').next()?.strip_prefix("rp")?.parse().ok()
}

/// What the things behind a slot are called.
struct Names {
    bus: String,
    node: String,
    key: String,
    net: String,
    set: u32,
}

impl Names {
    fn of(slot: u8) -> Names {
        Names {
            bus: format!("rp{slot}"),
            node: format!("node{slot}"),
            key: format!("key{slot}"),
            net: format!("net{slot}"),
            set: 100 + u32::from(slot),
        }
    }

    /// `backing: null`: whatever a header may say, QEMU opens no second file.
    fn blockdev(&self) -> Value {
        json!({
            "driver": "qcow2",
            "node-name": &self.node,
            "discard": "unmap",
            "backing": null,
            "encrypt": { "format": "luks", "key-secret": &self.key },
            "file": {
                "driver": "file",
                "filename": format!("/dev/fdset/{}", self.set),
                "discard": "unmap",
            },
        })
    }

    fn clear_disk(&self, qmp: &mut Qmp) -> Result<(), QmpError> {
        qmp.try_call("blockdev-del", json!({ "node-name": &self.node }))?;
        qmp.try_call("object-del", json!({ "id": &self.key }))?;
        qmp.try_call("remove-fd", json!({ "fdset-id": self.set }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for device in [Device::Disk("d-1".into()), Device::Port("p_2".into())] {
            assert_eq!(device_of(&device_id(&device)), Some(device));
        }
        assert_eq!(device_of("rp1"), None);
        assert_eq!(slot_of("/machine/peripheral/rp13/rp13"), Some(13));
        assert_eq!(slot_of("/machine/q35/pcie.0"), None);
    }

    #[test]
    fn slots_are_reused_and_run_out() {
        let mut plugged = Plugged::new();
        for slot in 0..SLOTS {
            assert_eq!(free_slot(&plugged), Some(slot));
            plugged.insert(Device::Disk(format!("d{slot}")), slot);
        }
        assert_eq!(free_slot(&plugged), None);
        plugged.remove(&Device::Disk("d4".into()));
        assert_eq!(free_slot(&plugged), Some(4));
    }
}
