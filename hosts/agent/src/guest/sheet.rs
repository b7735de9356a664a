//! What QEMU says of each guest's machine: processors, memory, disks, ports, every other device.
//!
//! Problem: the control plane wants to compare what runs with the records, and only the pass may
//! talk to a QEMU, one conversation at a time. Mechanism: the pass asks, when a guest has changed
//! and whenever it looks closely, and leaves the answer on a [`Board`] from which questions are
//! answered at once. What has changed since is taken from the board, never told as if it were so.
//!
//! The other end may be in its guest's hands: texts and numbers of devices are bounded, and nothing
//! of the answer is used here.

use super::qmp::{Qmp, QmpError};
use crate::locked;
use jinyun_wire::{DiskPlugged, Known, MachineFound};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The machines of guests by id. Clones are the same board.
pub type Board = Arc<Mutex<BTreeMap<String, Sheet>>>;

/// What was said of a machine, and when.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// When it was asked.
    pub asked: Instant,
    /// What it said.
    pub machine: Known<MachineFound>,
}

/// Most devices that are taken from an answer.
const DEVICES: usize = 64;
/// Most characters of a text.
const TEXT: usize = 80;

const PERIPHERAL: &str = "/machine/peripheral";
const UNNAMED: &str = "/machine/peripheral-anon";

/// Asks. An error means that the conversation is over; what QEMU refuses to say is on the sheet.
pub fn ask(qmp: &mut Qmp, incarnation: u64, patience: Duration) -> Result<Sheet, QmpError> {
    let asked = Instant::now();
    let machine = match (Questions { qmp, patience }).all(incarnation) {
        Ok(machine) => Ok(machine),
        Err(QmpError::Refused(why)) => Err(format!("QEMU does not say: {}", clip(&why))),
        Err(gone) => return Err(gone),
    };
    Ok(Sheet { asked, machine })
}

/// What the board has of a guest.
pub fn told(board: &Board, id: &str) -> Known<MachineFound> {
    match locked(board).get(id) {
        None => Err("it was not asked since it changed last".to_owned()),
        Some(sheet) => sheet.machine.clone().map(|machine| MachineFound {
            age: u64::try_from(sheet.asked.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..machine
        }),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

struct Questions<'a> {
    qmp: &'a mut Qmp,
    patience: Duration,
}

impl Questions<'_> {
    fn call(&mut self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        self.qmp.call_within(self.patience, command, arguments)
    }

    fn get(&mut self, path: &str, property: &str) -> Result<Value, QmpError> {
        self.call("qom-get", json!({ "path": path, "property": property }))
    }

    /// A property's text; empty if the device has gone away between two questions.
    fn text(&mut self, path: &str, property: &str) -> Result<String, QmpError> {
        match self.get(path, property) {
            Ok(value) => Ok(clip(value.as_str().unwrap_or_default())),
            Err(QmpError::Refused(_)) => Ok(String::new()),
            Err(gone) => Err(gone),
        }
    }

    fn all(&mut self, incarnation: u64) -> Result<MachineFound, QmpError> {
        let cpus = self.call("query-cpus-fast", json!({}))?;
        let memory = self.call("query-memory-size-summary", json!({}))?;
        let bytes = |name: &str| memory.get(name).and_then(Value::as_u64).unwrap_or(0);
        let mut machine = MachineFound {
            age: 0,
            incarnation,
            vcpus: cpus.as_array().map_or(0, Vec::len) as u64,
            memory: bytes("base-memory").saturating_add(bytes("plugged-memory")),
            // Unless it says no, it may.
            merges: self.get("/machine", "mem-merge")?.as_bool() != Some(false),
            disks: BTreeMap::new(),
            ports: BTreeMap::new(),
            others: BTreeMap::new(),
        };
        let nodes = self.call("query-named-block-nodes", json!({ "flat": true }))?;
        for path in [PERIPHERAL, UNNAMED] {
            let list = self.call("qom-list", json!({ "path": path }))?;
            let devices = children(&list);
            if devices.len() > DEVICES {
                let count = devices.len();
                return Err(QmpError::Refused(format!("it has {count} devices")));
            }
            for (name, kind) in devices {
                self.device(&mut machine, path, &name, &kind, &nodes)?;
            }
        }
        Ok(machine)
    }

    fn device(
        &mut self,
        machine: &mut MachineFound,
        path: &str,
        name: &str,
        kind: &str,
        nodes: &Value,
    ) -> Result<(), QmpError> {
        let own = format!("{path}/{name}");
        match (name.split_once('-'), kind) {
            (Some(("disk", id)), "virtio-blk-pci") => {
                let node = self.text(&own, "drive")?;
                let (bytes, encrypted) = block(nodes, &node);
                let disk = DiskPlugged {
                    serial: self.text(&own, "serial")?,
                    bytes,
                    encrypted,
                };
                machine.disks.insert(clip(id), disk);
            }
            (Some(("port", id)), "virtio-net-pci") => {
                let mac = self.text(&own, "mac")?;
                machine.ports.insert(clip(id), mac);
            }
            // An empty slot.
            (None, "pcie-root-port") if name.starts_with("rp") => {}
            _ => {
                machine.others.insert(clip(name), kind.to_owned());
            }
        }
        Ok(())
    }
}

/// What a list of a machine's parts has as devices: name and type.
fn children(list: &Value) -> Vec<(String, String)> {
    let entry = |entry: &Value| {
        let kind = entry.get("type")?.as_str()?;
        let kind = kind.strip_prefix("child<")?.strip_suffix('>')?;
        Some((entry.get("name")?.as_str()?.to_owned(), clip(kind)))
    };
    let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(entry).collect()
}

/// Size and encryption of a disk by the name of its block node.
fn block(nodes: &Value, name: &str) -> (Option<u64>, bool) {
    let mut all = nodes.as_array().into_iter().flatten();
    let node = all.find(|node| node.get("node-name").and_then(Value::as_str) == Some(name));
    let Some(node) = node else {
        return (None, false);
    };
    let encrypted = node.get("encrypted").and_then(Value::as_bool);
    let bytes = node.pointer("/image/virtual-size").and_then(Value::as_u64);
    (bytes, encrypted == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let list = json!([
            { "name": "type", "type": "string" },
            { "name": "rp1", "type": "child<pcie-root-port>" },
            { "name": "disk-d1", "type": "child<virtio-blk-pci>" },
            { "name": 7, "type": "child<x>" }, "nonsense",
        ]);
        let want = [("rp1", "pcie-root-port"), ("disk-d1", "virtio-blk-pci")];
        assert_eq!(
            children(&list),
            want.map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert_eq!(children(&json!({})), []);
        let nodes = json!([
            { "node-name": "node1", "encrypted": true, "image": { "virtual-size": 8_388_608 } },
            { "node-name": "node2", "image": {} },
        ]);
        assert_eq!(block(&nodes, "node1"), (Some(8 << 20), true));
        assert_eq!(block(&nodes, "node2"), (None, false));
        assert_eq!(block(&nodes, "node3"), (None, false));
    }

    #[test]
    fn what_is_not_on_the_board_is_not_known() {
        let board = Board::default();
        assert!(told(&board, "a").is_err());
        let sheet = Sheet {
            asked: Instant::now(),
            machine: Err("no".into()),
        };
        locked(&board).insert("a".into(), sheet);
        assert_eq!(told(&board, "a"), Err("no".to_owned()));
    }
}
