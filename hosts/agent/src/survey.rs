//! What this host shows of itself, read from the kernel and the file system when somebody asks.
//!
//! Problem: an assessment looks again and again, on a machine that has other work, and a fact that
//! was guessed is worse than none. Mechanism: only files of `/proc`, `/sys` and our own directories
//! are read, no program is started (the child that tries what guests' users reach runs none), and no
//! lock of a pass is taken; what cannot be read is told with the reason. What would take long (the
//! digest of our own program, which cannot change while it runs) is read once, beside. How long the
//! reading took is a part of the answer.

use crate::guest::{self, Board, Place};
use crate::net::Net;
use crate::{Config, files};
use jinyun_wire::{FileFound, FileState, Known, Load, Survey};
use nix::ifaddrs::getifaddrs;
use nix::sys::statvfs::statvfs;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Settings of the kernel that say how much an ordinary user may do.
const SETTINGS: &[&str] = &[
    "proc/sys/fs/protected_hardlinks",
    "proc/sys/fs/protected_symlinks",
    "proc/sys/kernel/dmesg_restrict",
    "proc/sys/kernel/kptr_restrict",
    "proc/sys/kernel/randomize_va_space",
    "proc/sys/kernel/unprivileged_bpf_disabled",
    "proc/sys/kernel/yama/ptrace_scope",
    "proc/sys/net/ipv4/ip_forward",
    "sys/kernel/mm/ksm/run",
];
/// Every device has one of its own; the largest is told under this name.
const LOCALNET: &str = "proc/sys/net/ipv4/conf/*/route_localnet";
const DEVICES: &str = "/proc/sys/net/ipv4/conf";
const WEAKNESSES: &str = "/sys/devices/system/cpu/vulnerabilities";

/// Where a survey finds everything.
pub struct Desk {
    place: Arc<Place>,
    board: Board,
    control_socket: PathBuf,
    program: Arc<OnceLock<Known<String>>>,
}

impl Desk {
    /// Begins to read what takes long.
    pub fn new(place: Arc<Place>, board: Board, config: &Config) -> io::Result<Desk> {
        let program = Arc::new(OnceLock::new());
        let cell = Arc::clone(&program);
        std::thread::Builder::new()
            .name("own-digest".into())
            .spawn(move || {
                // Nobody else sets it.
                let _ = cell.set(digest(Path::new("/proc/self/exe")));
            })?;
        Ok(Desk {
            place,
            board,
            control_socket: config.control_socket.clone(),
            program,
        })
    }

    /// Where everything of this agent is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Reads everything.
    #[must_use]
    pub fn survey(&self) -> Survey {
        let begin = Instant::now();
        let place = &*self.place;
        let unread = || Err("it is still being read".to_owned());
        let text = |e: io::Error| e.to_string();
        let kernel = files::line("/proc/sys/kernel/osrelease");
        let mut survey = Survey {
            simulated: false,
            instance: place.instance.clone(),
            took: 0,
            settings: settings(Path::new("/")),
            weaknesses: weaknesses(Path::new(WEAKNESSES)),
            newest_kernel: newest_kernel(&kernel),
            kernel,
            addresses: addresses(),
            program: self.program.get().cloned().unwrap_or_else(unread),
            document: digest(&place.state_dir.join("want.json")),
            files: self.files(),
            load: load(&place.state_dir),
            spaces: Net::spaces(&place.instance).map_err(text),
            limits: place.cage.usable(),
            guests: guest::found(place, &self.board).map_err(text),
            reach: guest::reach(place),
        };
        survey.took = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        survey
    }

    /// Our own directories and files. What is listed and gone when it is looked at is left out.
    fn files(&self) -> Vec<FileFound> {
        let state = &self.place.state_dir;
        let mut all = vec![
            state.clone(),
            state.join("want.json"),
            state.join("guests"),
            state.join("disks"),
            self.place.run_dir.join("g"),
            self.control_socket.clone(),
        ];
        for dir in ["guests", "disks"] {
            let dir = state.join(dir);
            let names = files::names(&dir).unwrap_or_default();
            // What is only being made belongs to whoever makes it.
            let whole = names.iter().filter(|name| !name.starts_with('.'));
            all.extend(whole.map(|name| dir.join(name)));
        }
        let found = all.into_iter().map(|path| FileFound {
            found: state_of(&path),
            path: path.display().to_string(),
        });
        found.collect()
    }
}

fn state_of(path: &Path) -> Known<FileState> {
    let found = std::fs::symlink_metadata(path).map_err(|e| e.to_string())?;
    Ok(FileState {
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        directory: found.is_dir(),
        link: found.file_type().is_symlink(),
    })
}

/// A kernel's text file; none if there is no such file.
fn setting(path: &Path) -> Known<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.to_string()),
    }
}

fn settings(root: &Path) -> BTreeMap<String, Known<Option<String>>> {
    let read = |path: &&str| ((*path).to_owned(), setting(&root.join(path)));
    let mut all: BTreeMap<_, _> = SETTINGS.iter().map(read).collect();
    all.insert(LOCALNET.to_owned(), localnet(Path::new(DEVICES)));
    all
}

/// Whether any device takes packets for loopback addresses from a wire.
fn localnet(dir: &Path) -> Known<Option<String>> {
    let names = files::names(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut largest = None;
    for name in names {
        // A device that has gone meanwhile takes nothing.
        let value = setting(&dir.join(name).join("route_localnet"))?;
        largest = largest.max(value);
    }
    Ok(largest)
}

fn weaknesses(dir: &Path) -> Known<BTreeMap<String, String>> {
    let bad = |e: io::Error| format!("{}: {e}", dir.display());
    let mut all = BTreeMap::new();
    for name in files::names(dir).map_err(bad)? {
        let said = std::fs::read_to_string(dir.join(&name)).map_err(bad)?;
        all.insert(name, said.trim().to_owned());
    }
    Ok(all)
}

/// A release's parts, so that 6.1.0-28 is newer than 6.1.0-9.
fn parts(release: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    for word in release.split(['.', '-', '+', '~']) {
        let digits = word
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(word.len());
        let (number, rest) = word.split_at(digits);
        parts.push((number.parse().unwrap_or(0), rest.to_owned()));
    }
    parts
}

/// The newest of the releases that are of the same make (`amd64`, `cloud-amd64` are one each).
fn newest<'a>(installed: impl Iterator<Item = &'a str>, running: &str) -> Option<&'a str> {
    let make = |release: &str| {
        let word = |w: &&str| w.starts_with(|c: char| c.is_ascii_alphabetic());
        release
            .split('-')
            .filter(word)
            .collect::<Vec<_>>()
            .join("-")
    };
    installed
        .filter(|release| make(release) == make(running))
        .max_by_key(|release| parts(release))
}

fn newest_kernel(running: &str) -> Known<String> {
    if !Path::new("/etc/debian_version").exists() {
        return Err("this is no Debian: which kernel is the newest is not known".to_owned());
    }
    let names = files::names(Path::new("/boot")).map_err(|e| format!("/boot: {e}"))?;
    let installed = names
        .iter()
        .filter_map(|name| name.strip_prefix("vmlinuz-"));
    match newest(installed, running) {
        Some(release) => Ok(release.to_owned()),
        None => Err(format!(
            "no kernel like {running} lies in /boot: the machine was started with one from elsewhere"
        )),
    }
}

fn addresses() -> Known<Vec<Ipv4Addr>> {
    let all = getifaddrs().map_err(|e| e.to_string())?;
    let mut found: Vec<Ipv4Addr> = all
        .filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip()))
        .filter(|ip| !ip.is_loopback())
        .collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// SHA-256 of a file, hex.
fn digest(path: &Path) -> Known<String> {
    let bad = |e: io::Error| format!("{}: {e}", path.display());
    let mut file = File::open(path).map_err(bad)?;
    let mut hash = Sha256::new();
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part).map_err(bad)? {
            0 => break,
            n => hash.update(part.get(..n).unwrap_or_default()),
        }
    }
    let bytes = hash.finalize();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn load(disks: &Path) -> Known<Load> {
    let read = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
    let (busy, memory, up) = (
        read("/proc/loadavg")?,
        read("/proc/meminfo")?,
        read("/proc/uptime")?,
    );
    let space = statvfs(disks).map_err(|e| format!("{}: {e}", disks.display()))?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.fragment_size());
    let part = |name: &str| kib(&memory, name).map(|kib| kib / 1024);
    let all = (
        thousandths(&busy),
        part("MemTotal"),
        part("MemAvailable"),
        thousandths(&up),
    );
    let (Some(busy), Some(memory_mib), Some(memory_free_mib), Some(up)) = all else {
        return Err("the kernel tells its load in words that are not known".to_owned());
    };
    let cpus = std::thread::available_parallelism().map_or(0, |n| n.get());
    Ok(Load {
        busy,
        cpus: cpus as u64,
        memory_mib,
        memory_free_mib,
        disk: bytes(space.blocks()),
        disk_free: bytes(space.blocks_available()),
        up: up / 1000,
    })
}

/// `1.52 ...` is 1520.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, rest) = text.split_whitespace().next()?.split_once('.')?;
    let digits: String = rest.chars().chain("000".chars()).take(3).collect();
    let whole: u64 = whole.parse().ok()?;
    whole.checked_mul(1000)?.checked_add(digits.parse().ok()?)
}

fn kib(meminfo: &str, name: &str) -> Option<u64> {
    let rest = |line: &str| {
        line.strip_prefix(name)?
            .strip_prefix(':')
            .map(str::to_owned)
    };
    let line = meminfo.lines().find_map(rest)?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(thousandths("1.52 1.00 0.9 2/126 75\n"), Some(1520));
        assert_eq!(thousandths("350735.4 1"), Some(350_735_400));
        assert_eq!(thousandths("x"), None);
        let memory = "MemTotal:       24684084 kB\nMemAvailable: 2048 kB\n";
        assert_eq!(kib(memory, "MemAvailable"), Some(2048));
        assert_eq!(kib(memory, "Mem"), None);
    }

    #[test]
    fn the_newest_kernel_is_of_the_same_make() {
        let installed = [
            "6.1.0-9-amd64",
            "6.1.0-28-amd64",
            "6.1.0-30-rt-amd64",
            "6.1.0-28-cloud-amd64",
        ];
        let of = |running| newest(installed.into_iter(), running);
        assert_eq!(of("6.1.0-9-amd64"), Some("6.1.0-28-amd64"));
        assert_eq!(of("6.1.0-28-cloud-amd64"), Some("6.1.0-28-cloud-amd64"));
        assert_eq!(of("6.18.44-other"), None);
    }

    #[test]
    fn what_is_not_there_is_told_apart_from_what_cannot_be_read() {
        let dir = jinyun_testdb::Dir::new("survey");
        files::private_dir(&dir).unwrap();
        std::fs::write(dir.join("a"), "2\n").unwrap();
        assert_eq!(setting(&dir.join("a")), Ok(Some("2".to_owned())));
        assert_eq!(setting(&dir.join("b")), Ok(None));
        // A directory is no file.
        assert!(setting(&dir).is_err());
        assert!(weaknesses(&dir.join("none")).is_err());
        assert_eq!(weaknesses(&dir).unwrap().len(), 1);
        for (device, value) in [("all", "0"), ("eth0", "1"), ("lo", "0")] {
            std::fs::create_dir(dir.join(device)).unwrap();
            std::fs::write(dir.join(device).join("route_localnet"), value).unwrap();
        }
        files::remove(&dir.join("a")).unwrap();
        assert_eq!(localnet(&dir), Ok(Some("1".to_owned())));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        std::fs::write(dir.join("e"), "").unwrap();
        assert_eq!(digest(&dir.join("e")).as_deref(), Ok(empty));
        assert!(digest(&dir.join("none")).is_err());
        assert_eq!(
            state_of(&dir).map(|s| (s.mode, s.directory)),
            Ok((0o700, true))
        );
    }

    #[test]
    fn this_machine_answers() {
        let load = load(Path::new("/")).unwrap();
        assert!(load.memory_mib > 0 && load.disk > 0 && load.cpus > 0);
        addresses().unwrap();
        let settings = settings(Path::new("/"));
        assert_eq!(settings.len(), SETTINGS.len() + 1);
        let forward = settings["proc/sys/net/ipv4/ip_forward"].as_ref().unwrap();
        assert!(forward.is_some());
    }
}
