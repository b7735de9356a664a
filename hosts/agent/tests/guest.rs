//! Guests for real: QEMU, LUKS, adoption, without a control plane and without networks.
//!
//! Goal: what the agent promises about guests holds on a real machine. Method: the public
//! [`Guests`] manager is driven by passes as the run loop does it; keys come from a closure; what
//! happened is read from the console, from `/proc` and from the file system. Every wait has a
//! deadline and is woken by the manager's own nudge.
//!
//! Needs root, QEMU and the test guest's image (`images/guest/build`):
//! `JINYUN_ROOT_TESTS=1 JINYUN_GUEST_IMAGE=/path/guest.qcow2 cargo test -p jinyun-agent`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jinyun_agent::guest::{Guests, Keys, Nudge, Place, Report, console, end_all, facts, found};
use jinyun_agent::secret::Secret;
use jinyun_agent::{Accel, Config, USERS};
use jinyun_wire::{
    DiskWant, Fault, GuestDisk, GuestSeen, GuestState, GuestWant, HostWant, ImageSource,
};
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

const GUEST: &str = "6f1c0c1e-7d1c-4f0e-9d3a-0123456789ab";
const ROOT: &str = "11111111-0000-4000-8000-000000000001";
const DATA: &str = "11111111-0000-4000-8000-000000000002";
const MORE: &str = "11111111-0000-4000-8000-000000000003";
/// Each test has users of its own, as each instance has: others' processes would be ended.
const UID_BASE: u32 = 1_900_000;
/// An emulated guest on a machine that builds at the same time.
const DEADLINE: Duration = Duration::from_secs(180);

/// The image, if this machine is one to run root's tests on.
fn image() -> Option<PathBuf> {
    if std::env::var_os("JINYUN_ROOT_TESTS").is_none_or(|value| value != "1") {
        eprintln!("SKIPPED: set JINYUN_ROOT_TESTS=1 (as root) to run guests");
        return None;
    }
    let path = std::env::var_os("JINYUN_GUEST_IMAGE");
    Some(PathBuf::from(
        path.expect("JINYUN_GUEST_IMAGE names the test guest's image"),
    ))
}

/// A host of its own: directories, an instance name, a manager that comes and goes.
struct World {
    place: Arc<Place>,
    dir: PathBuf,
    guests: Option<Guests>,
    nudge: Sender<()>,
    nudged: Receiver<()>,
    keys: Keys,
}

impl World {
    fn new(name: &str, number: u32) -> World {
        let dir = std::env::temp_dir().join(format!("jy-{name}-{}", std::process::id()));
        let config = Config {
            instance: format!("{name}-{}", std::process::id()),
            host: "h".into(),
            state_dir: dir.join("state"),
            run_dir: dir.join("run"),
            control_socket: dir.join("none"),
            uid_base: UID_BASE + number * USERS,
            accel: Accel::Tcg,
        };
        let place = Arc::new(Place::find(&config).unwrap());
        let (nudge, nudged) = channel();
        let keys: Keys = Arc::new(|disk: &str| Ok(key(disk)));
        let mut world = World {
            place,
            dir,
            guests: None,
            nudge,
            nudged,
            keys,
        };
        world.restart();
        world
    }

    /// The agent dies and another one starts.
    fn restart(&mut self) {
        drop(self.guests.take());
        let sender = self.nudge.clone();
        let nudge: Nudge = Arc::new(move || {
            let _ = sender.send(());
        });
        let (place, keys) = (Arc::clone(&self.place), Arc::clone(&self.keys));
        self.guests = Some(Guests::open(place, keys, nudge).unwrap());
    }

    fn pass(&mut self, want: &HostWant) -> Report {
        let mut no_taps =
            |port: &str| -> io::Result<OwnedFd> { panic!("no port {port} was wanted") };
        let guests = self.guests.as_mut().unwrap();
        guests.pass(want, &BTreeSet::new(), &mut no_taps)
    }

    /// Passes until what is seen is as hoped.
    fn until(&mut self, what: &str, want: &HostWant, hoped: impl Fn(&World, &Report) -> bool) {
        let end = Instant::now() + DEADLINE;
        loop {
            let report = self.pass(want);
            if hoped(self, &report) {
                return;
            }
            assert!(
                Instant::now() < end,
                "{what}: {report:?}\n{}",
                self.console()
            );
            let _ = self.nudged.recv_timeout(Duration::from_millis(200));
        }
    }

    fn console(&self) -> String {
        console(&self.place, GUEST, None).unwrap_or_default()
    }

    fn boots(&self) -> usize {
        self.console().matches("JY ssh-up").count()
    }

    fn pid(&self) -> Option<u32> {
        self.guests.as_ref().unwrap().pid(GUEST)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.guests = None;
        let place = &self.place;
        let _ = end_all(&place.instance, &place.state_dir, &place.run_dir);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn key(disk: &str) -> Secret {
    let bytes = Sha256::digest(format!("key of {disk}"));
    Secret::from_base64(STANDARD.encode(bytes)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn source(path: &Path) -> ImageSource {
    let content = std::fs::read(path).unwrap();
    ImageSource {
        id: "image".into(),
        path: path.display().to_string(),
        format: "qcow2".into(),
        bytes: content.len() as u64,
        sha256: hex(&Sha256::digest(&content)),
        sha512: hex(&Sha512::digest(&content)),
    }
}

fn disk(id: &str, mib: u64, image: Option<ImageSource>) -> DiskWant {
    DiskWant {
        id: id.into(),
        bytes: mib << 20,
        image,
    }
}

fn guest(incarnation: u64, disks: &[&str]) -> GuestWant {
    let disks = disks.iter().map(|id| GuestDisk {
        id: (*id).to_owned(),
        serial: id[id.len() - 20..].to_owned(),
    });
    GuestWant {
        id: GUEST.into(),
        name: "web".into(),
        vcpus: 1,
        memory_mib: 128,
        running: true,
        disks: disks.collect(),
        ports: vec![],
        incarnation,
    }
}

fn seen(report: &Report) -> Option<&GuestSeen> {
    report.guests.iter().find(|guest| guest.id == GUEST)
}

fn is(report: &Report, state: GuestState, incarnation: u64) -> bool {
    seen(report).is_some_and(|g| g.state == state && g.incarnation == incarnation)
}

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}/exe")).exists()
}

fn kill(pid: u32) {
    let pid = libc::pid_t::try_from(pid).unwrap();
    // SAFETY: no pointers; the process is one that this test started.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

#[test]
fn a_guest_from_image_to_removal() {
    let Some(image) = image() else { return };
    let mut world = World::new("life", 0);
    let mut want = HostWant {
        generation: 1,
        disks: vec![disk(ROOT, 64, Some(source(&image))), disk(DATA, 8, None)],
        guests: vec![guest(1, &[ROOT, DATA])],
        ..HostWant::default()
    };
    world.until("it boots", &want, |world, report| {
        report.converged && world.boots() == 1
    });
    let first = world.pid().unwrap();
    assert_confined(&world, first);
    assert_described(&world, first);

    // The agent dies; the next one finds the same process and does not touch it.
    world.restart();
    assert_eq!(world.pid(), Some(first));
    let report = world.pass(&want);
    assert!(report.converged && is(&report, GuestState::Running, 1));

    // A disk comes and goes while it runs.
    want.disks.push(disk(MORE, 8, None));
    want.guests = vec![guest(1, &[ROOT, DATA, MORE])];
    world.until("a disk comes", &want, |_, report| report.converged);
    want.guests = vec![guest(1, &[ROOT, DATA])];
    want.disks.pop();
    world.until("a disk goes", &want, |_, report| report.converged);
    assert_eq!(world.pid(), Some(first));

    // Killed, it is seen to have ended, and stays so until the control plane decides.
    kill(first);
    world.until("the end is seen", &want, |_, report| {
        is(report, GuestState::Ended, 1)
    });
    world.restart();
    assert!(is(&world.pass(&want), GuestState::Ended, 1));
    want.guests = vec![guest(2, &[ROOT, DATA])];
    world.until("a new incarnation", &want, |world, report| {
        report.converged && is(report, GuestState::Running, 2) && world.boots() == 2
    });
    let second = world.pid().unwrap();
    assert_ne!(first, second);

    // Off by its power button, then removed without a trace.
    want.guests[0].running = false;
    world.until("it is off", &want, |_, report| {
        report.converged && is(report, GuestState::Off, 2)
    });
    assert!(!alive(second));
    let nothing = HostWant::default();
    world.until("it is gone", &nothing, |_, report| {
        report.converged && report.guests.is_empty() && report.disks.is_empty()
    });
    for name in ["state/disks", "state/guests", "run/g"] {
        let left = std::fs::read_dir(world.dir.join(name)).unwrap().count();
        assert_eq!(left, 0, "{name}");
    }
}

fn assert_confined(world: &World, pid: u32) {
    let (disks, guests) = facts(&world.place).unwrap();
    assert_eq!(disks.len(), 2);
    assert!(disks.iter().all(|disk| disk.cipher == "luks"), "{disks:?}");
    let [process] = guests.as_slice() else {
        panic!("{guests:?}")
    };
    assert_eq!((process.id.as_str(), process.pid), (GUEST, pid));
    assert!(process.uid > UID_BASE, "{process:?}");
    assert!(
        process.no_new_privs && process.own_netns && process.seccomp == 2,
        "{process:?}"
    );
    assert_eq!(process.capabilities, 0);
    // Neither a disk's place nor anything like its key is on the command line.
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let line = String::from_utf8_lossy(&line);
    for secret in [
        ROOT,
        DATA,
        "qcow2",
        &STANDARD.encode(Sha256::digest(format!("key of {ROOT}"))),
    ] {
        assert!(!line.contains(secret), "{secret} is in {line}");
    }
}

/// What QEMU says of its machine is what was wanted, and its group is its own where there are groups.
fn assert_described(world: &World, pid: u32) {
    let board = world.guests.as_ref().unwrap().board();
    let found = found(&world.place, &board).unwrap();
    let [guest] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert_eq!((guest.id.as_str(), guest.pid), (GUEST, pid));
    let machine = guest.machine.as_ref().unwrap();
    assert_eq!(
        (machine.vcpus, machine.memory, machine.merges),
        (1, 128 << 20, false)
    );
    assert_eq!(machine.disks.len(), 2);
    let data = &machine.disks[DATA];
    assert_eq!((data.bytes, data.encrypted), (Some(8 << 20), true));
    assert_eq!(data.serial, DATA[DATA.len() - 20..]);
    let others: Vec<&str> = machine.others.values().map(String::as_str).collect();
    assert_eq!(others, ["virtio-rng-pci"]);
    match (world.place.cage.usable(), &guest.cage) {
        (Ok(()), Ok(cage)) => {
            assert!(cage.path.ends_with(GUEST), "{cage:?}");
            assert_eq!(cage.members, 1);
            assert!(cage.memory.is_some() && cage.pids.is_some(), "{cage:?}");
        }
        (Err(why), _) => eprintln!("guests have no limits here: {why}"),
        (Ok(()), Err(why)) => panic!("{why}"),
    }
}

#[test]
fn a_process_without_record_is_ended() {
    if image().is_none() {
        return;
    }
    let mut world = World::new("stray", 1);
    let want = HostWant {
        guests: vec![guest(1, &[])],
        ..HostWant::default()
    };
    world.until("it runs", &want, |_, report| report.converged);
    let pid = world.pid().unwrap();
    std::fs::remove_file(world.dir.join("state/guests").join(GUEST).join("meta.json")).unwrap();
    world.restart();
    assert_eq!(world.pid(), None);
    assert!(!alive(pid));
}

#[test]
fn an_unwanted_guest_is_ended_although_it_ignores_its_power_button() {
    if image().is_none() {
        return;
    }
    // Without a disk the firmware finds nothing to boot, and no firmware listens to the button.
    let mut world = World::new("deaf", 2);
    let mut want = HostWant {
        guests: vec![guest(1, &[])],
        ..HostWant::default()
    };
    world.until("it runs", &want, |_, report| report.converged);
    let pid = world.pid().unwrap();
    want.guests[0].running = false;
    world.until("it is off", &want, |_, report| {
        is(report, GuestState::Off, 1)
    });
    assert!(!alive(pid));
}

#[test]
fn a_key_that_is_gone_is_told_and_leaves_nothing() {
    if image().is_none() {
        return;
    }
    let mut world = World::new("nokey", 3);
    world.keys = Arc::new(|disk: &str| {
        Err(Fault {
            why: format!("{disk} has no key"),
            fatal: true,
        })
    });
    world.restart();
    let want = HostWant {
        disks: vec![disk(DATA, 8, None)],
        ..HostWant::default()
    };
    world.until("it is told", &want, |_, report| {
        let fault = report.disks.first().and_then(|disk| disk.error.as_ref());
        fault.is_some_and(|fault| fault.fatal && fault.why.contains("has no key"))
    });
    let left = std::fs::read_dir(world.dir.join("state/disks")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn what_a_crash_left_of_a_disk_is_erased() {
    if image().is_none() {
        return;
    }
    let mut world = World::new("crash", 4);
    let left = world.dir.join("state/disks").join(format!(".new-{DATA}"));
    std::fs::write(&left, b"half a disk").unwrap();
    world.restart();
    assert!(!left.exists());
    let want = HostWant {
        disks: vec![disk(DATA, 8, None)],
        ..HostWant::default()
    };
    world.until("it is made", &want, |_, report| report.converged);
}
