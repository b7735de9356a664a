//! Starts a guest's QEMU: bare, confined, and waiting.
//!
//! The process begins with a machine that has memory, processors, a serial port and empty slots,
//! and does not run. Everything that a guest owns (disks with their keys, ports) is plugged in
//! over QMP afterwards, by the same code that plugs it in later ([`super::device`]). So no secret
//! and no path of a disk is ever on a command line, and there is one way to attach, not two.
//!
//! What the process needs it inherits: the listening QMP socket, which stays reachable by its path
//! when the agent is replaced, and the console file. It can open no file of ours by name.

use super::confine::{Jail, confine};
use super::process::{Process, guest_name};
use super::{Place, failed, kvm};
use crate::files;
use jinyun_wire::{Fault, GuestWant};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

/// QEMU's own seccomp filter: no ways to privilege, no other programs, no priorities.
pub const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/// How many devices a guest can have. Each slot is a hot-pluggable PCI Express port.
pub const SLOTS: u8 = 16;

/// What differs between two guests' command lines.
struct Machine<'a> {
    name: String,
    want: &'a GuestWant,
    kvm: bool,
    qmp: RawFd,
    console: RawFd,
}

fn arguments(machine: &Machine<'_>) -> Vec<String> {
    let Machine {
        name,
        want,
        kvm,
        qmp,
        console,
    } = machine;
    // The translation cache of an emulated guest is a gigabyte unless told otherwise.
    let (accel, cpu) = if *kvm {
        ("kvm", "host")
    } else {
        ("tcg,tb-size=64", "max")
    };
    let mut list: Vec<String> = Vec::new();
    let mut add = |option: &str, value: String| {
        list.push(option.to_owned());
        list.push(value);
    };
    add("-name", name.clone());
    add("-uuid", want.id.clone());
    add("-machine", "q35,dump-guest-core=off,mem-merge=off".into());
    add("-accel", accel.into());
    add("-cpu", cpu.into());
    add("-m", want.memory_mib.to_string());
    add("-smp", want.vcpus.to_string());
    add("-display", "none".into());
    add("-sandbox", SANDBOX.into());
    // Only what has a boot index is booted from: never a data disk, never the network.
    add("-boot", "strict=on".into());
    add(
        "-chardev",
        format!("socket,id=qmp,fd={qmp},server=on,wait=off"),
    );
    add("-mon", "chardev=qmp,mode=control".into());
    add("-add-fd", format!("fd={console},set=1,opaque=console"));
    add(
        "-chardev",
        "file,id=console,path=/dev/fdset/1,append=on".into(),
    );
    add("-serial", "chardev:console".into());
    add("-device", "virtio-rng-pci".into());
    for slot in 0..SLOTS {
        let port = format!("pcie-root-port,id=rp{slot},chassis={slot},slot={slot},io-reserve=0");
        add("-device", port);
    }
    list.extend(["-nodefaults", "-no-user-config", "-S"].map(str::to_owned));
    list
}

/// Starts the process. It waits, without devices, for the conversation over its socket.
pub fn launch(place: &Place, want: &GuestWant, slot: u32) -> Result<Process, Fault> {
    spawn(place, want, slot)
        .map_err(|e| failed(format!("guest {}: QEMU cannot be started: {e}", want.id)))
}

fn spawn(place: &Place, want: &GuestWant, slot: u32) -> io::Result<Process> {
    files::private_dir(&place.guest_dir(&want.id))?;
    files::private_dir(&place.socket_dir(&want.id))?;
    let socket = place.socket(&want.id);
    files::remove(&socket)?;
    let listener = UnixListener::bind(&socket)?;
    // Appending, so that the agent can shorten the file while QEMU writes it.
    let console = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(place.console(&want.id))?;
    let log = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(place.qemu_log(&want.id))?;
    let machine = Machine {
        name: guest_name(&place.instance, &want.id),
        want,
        kvm: place.kvm,
        qmp: listener.as_raw_fd(),
        console: console.as_raw_fd(),
    };
    let mut jail = Jail::new(place.uid_base + slot);
    jail.keep = vec![machine.qmp, machine.console];
    if place.kvm {
        jail.groups = kvm::group().into_iter().collect();
    }
    let mut command = Command::new(&place.qemu);
    command
        .args(arguments(&machine))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(log));
    confine(&mut command, jail);
    // Only its process id is used: a guest outlives us, and ends through its pidfd.
    #[allow(clippy::zombie_processes)]
    let child = command.spawn()?;
    Process::open(child.id())
        .map_err(|_| io::Error::other(format!("it ended at once: {}", last_words(place, &want.id))))
}

/// The end of what QEMU wrote about itself, for an error's text.
#[must_use]
pub fn last_words(place: &Place, id: &str) -> String {
    tail(&place.qemu_log(id), 1024).map_or_else(
        |e| format!("(no log: {e})"),
        |text| String::from_utf8_lossy(&text).trim().to_owned(),
    )
}

/// The last bytes of a file, `most` of them at most.
pub fn tail(path: &std::path::Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_the_guests_and_holds_nothing_of_its_own() {
        let want = GuestWant {
            id: "6f1c0c1e-7d1c-4f0e-9d3a-0123456789ab".into(),
            name: "any, name=\n".into(),
            vcpus: 2,
            memory_mib: 512,
            running: true,
            disks: vec![],
            ports: vec![],
            incarnation: 1,
        };
        let name = guest_name("tour", &want.id);
        let machine = Machine {
            name,
            want: &want,
            kvm: false,
            qmp: 7,
            console: 8,
        };
        let words = arguments(&machine);
        let text = words.join(" ");
        for part in [
            "-name jinyun-tour-6f1c0c1e-7d1c-4f0e-9d3a-0123456789ab",
            "-uuid 6f1c0c1e-7d1c-4f0e-9d3a-0123456789ab",
            "-m 512 -smp 2",
            "-accel tcg,tb-size=64 -cpu max",
            "spawn=deny",
            "socket,id=qmp,fd=7,server=on",
            "fd=8,set=1",
            "-nodefaults -no-user-config -S",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        // A name for people is theirs, and never reaches QEMU's option parser.
        assert!(!text.contains("any"));
        let kvm = arguments(&Machine {
            kvm: true,
            ..machine
        });
        assert!(kvm.join(" ").contains("-accel kvm -cpu host"));
    }
}
