//! What a host shows of itself beyond what it carries: settings of its kernel, weaknesses of its
//! processors, files, load, and what runs and is plugged in.
//!
//! Problem: "not there" and "could not be read" look alike in an empty list, and a check that takes
//! the second for the first is green for nothing. Mechanism: whatever may be unreadable is a
//! [`Known`], which has either the value or the reason. Nothing here is judged: what a setting
//! should be, the control plane knows.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// A value, or why it is not known.
pub type Known<T> = Result<T, String>;

/// Everything that a host shows, read at one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// Nothing behind it is real.
    pub simulated: bool,
    /// The instance, part of the names of its namespaces.
    pub instance: String,
    /// How long the reading took, in microseconds.
    pub took: u64,
    /// Settings of the kernel by their path below `/`; none if this kernel has no such setting.
    pub settings: BTreeMap<String, Known<Option<String>>>,
    /// What the kernel says of each known weakness of the processors.
    pub weaknesses: Known<BTreeMap<String, String>>,
    /// The kernel's release that runs.
    pub kernel: String,
    /// The newest release that is installed.
    pub newest_kernel: Known<String>,
    /// IPv4 addresses of the host itself, but for loopback.
    pub addresses: Known<Vec<Ipv4Addr>>,
    /// SHA-256 of the agent's program, hex.
    pub program: Known<String>,
    /// SHA-256 of the accepted document as it lies on the disk, hex.
    pub document: Known<String>,
    /// Files and directories that matter.
    pub files: Vec<FileFound>,
    /// How busy and how full the machine is.
    pub load: Known<Load>,
    /// The instance's namespaces with the devices in each.
    pub spaces: Known<BTreeMap<String, Known<Vec<String>>>>,
    /// Whether guests get limits of their own; else why not.
    pub limits: Known<()>,
    /// Processes of guests.
    pub guests: Known<Vec<GuestFound>>,
    /// What guests' users reach, tried as those users.
    #[serde(default = "unasked")]
    pub reach: Known<Vec<ReachFound>>,
}

impl Survey {
    /// One of which nothing is known, for this reason.
    pub fn unread(why: &str) -> Survey {
        fn no<T>(why: &str) -> Known<T> {
            Err(why.into())
        }
        Survey {
            simulated: false,
            instance: String::new(),
            took: 0,
            settings: BTreeMap::new(),
            weaknesses: no(why),
            kernel: String::new(),
            newest_kernel: no(why),
            addresses: no(why),
            program: no(why),
            document: no(why),
            files: Vec::new(),
            load: no(why),
            spaces: no(why),
            limits: no(why),
            guests: no(why),
            reach: no(why),
        }
    }
}

/// A host whose agent does not know the question.
fn unasked() -> Known<Vec<ReachFound>> {
    Err("the host's agent does not try it".into())
}

/// What one guest's user reached on its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachFound {
    /// The guest; empty if none runs and the first one's user was taken, `unknown` if the host knows of
    /// none.
    pub guest: String,
    /// The user.
    pub uid: u32,
    /// Whether it opened a file of its own: without that the rest proves nothing.
    pub own: Known<()>,
    /// What it must not open.
    pub tries: Vec<ReachTry>,
}

/// Something that a user tried to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachTry {
    /// What.
    pub what: String,
    /// The kernel's error by its number; none if it opened.
    pub errno: Option<i32>,
}

/// A file or a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFound {
    /// Where.
    pub path: String,
    /// What is there.
    pub found: Known<FileState>,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// It is a directory.
    pub directory: bool,
    /// It is a symbolic link, which none of ours is.
    pub link: bool,
}

/// How busy and how full a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Processes that ran or wanted to, on average over a minute, in thousandths.
    pub busy: u64,
    /// Logical processors.
    pub cpus: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// What of it new programs could have.
    pub memory_free_mib: u64,
    /// Size of the file system with the disks, in bytes.
    pub disk: u64,
    /// What of it is free.
    pub disk_free: u64,
    /// Seconds since the machine started.
    pub up: u64,
}

/// A guest's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestFound {
    /// The guest; `unknown` if the host knows of none.
    pub id: String,
    /// Process id.
    pub pid: u32,
    /// The control group that it is in.
    pub cage: Known<CageFound>,
    /// What QEMU says of the machine.
    pub machine: Known<MachineFound>,
}

/// A control group (version 2) with its limits; none where there is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CageFound {
    /// Its path below the file system's root.
    pub path: String,
    /// How many processes are in it.
    pub members: u64,
    /// Most memory, in bytes.
    pub memory: Option<u64>,
    /// Most processes and threads.
    pub pids: Option<u64>,
    /// Share of the processors against others.
    pub weight: Option<u64>,
}

/// A virtual machine as its QEMU describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFound {
    /// How long ago it was asked, in milliseconds.
    pub age: u64,
    /// The incarnation that runs.
    pub incarnation: u64,
    /// Processors.
    pub vcpus: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// Equal pages may be merged with those of others.
    pub merges: bool,
    /// Disks by id.
    pub disks: BTreeMap<String, DiskPlugged>,
    /// Ports by id, with their MAC.
    pub ports: BTreeMap<String, String>,
    /// Every other device by name, with its type.
    pub others: BTreeMap<String, String>,
}

/// A disk as a guest has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskPlugged {
    /// The serial number.
    pub serial: String,
    /// Size in bytes; none if QEMU does not say.
    pub bytes: Option<u64>,
    /// The layer below is encrypted.
    pub encrypted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_keeps_its_reason_over_the_wire() {
        let mut survey = Survey::unread("nobody looked");
        survey.settings.insert("proc/sys/a".into(), Ok(None));
        survey.settings.insert("proc/sys/b".into(), Err("no".into()));
        survey.limits = Ok(());
        let text = serde_json::to_string(&survey).unwrap_or_default();
        let back: Survey = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(back, survey);
        assert_eq!(back.load, Err("nobody looked".to_string()));
    }
}
