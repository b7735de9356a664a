//! What a guest's user reaches on this host: tried, as that user.
//!
//! Problem: a guest that has taken over its QEMU is an ordinary user here, and file modes tell what
//! such a one reaches only to whoever thinks of every directory on the way. Mechanism: a child takes
//! the user and the groups of a guest's process, by which the kernel decides, and tries to open what
//! must be out of its reach: disks, other guests' consoles, sockets and memory, our own state and
//! memory. It tells the kernel's answers, runs no program and ends at once. Beside them it opens a
//! file that is its own, or it has proved nothing, and one of its neighbour's user.
//!
//! Its own disk is among what it must not open: a guest gets descriptors from us and nothing by name.
//! The child's real user stays root: it is no guest's process for whoever counts those, and no guest
//! may signal or trace it. Why not one of our threads in that role: a signal to it is one to us.

use super::{Place, kvm, process, record};
use crate::files;
use jinyun_wire::{Known, ReachFound, ReachTry};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::geteuid;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many users are tried at once, other ones each time.
const USERS: usize = 8;
/// So many things of each sort are tried, other ones each time.
const EACH: usize = 4;
/// Seconds after which the child ends whatever it waits for.
const CHILD: u32 = 5;
/// What stands for success in a child's answer. No error has this number.
const OPENED: u8 = 0;

/// Tries what the users of the guests that run here reach; if none runs, the first guest's.
pub fn reach(place: &Place) -> Known<Vec<ReachFound>> {
    if !geteuid().is_root() {
        return Err("this agent is not root: it cannot act as others".to_owned());
    }
    tried(place).map_err(|e| e.to_string())
}

/// A guest's process, by its user.
struct Guest {
    id: String,
    pid: Option<u32>,
}

fn guests(place: &Place) -> io::Result<BTreeMap<u32, Guest>> {
    let records = record::Record::load_all(&place.state_dir)?;
    let mut all = BTreeMap::new();
    for (uid, held) in process::of_users(place.guest_users())? {
        let of = |r: &&record::Record| place.uid_base + r.slot == uid;
        let id = records.iter().find(of).map_or("unknown", |r| r.id.as_str());
        let guest = Guest {
            id: id.to_owned(),
            pid: Some(held.pid()),
        };
        all.insert(uid, guest);
    }
    if all.is_empty() {
        let guest = Guest {
            id: String::new(),
            pid: None,
        };
        all.insert(place.uid_base + record::FIRST_SLOT, guest);
    }
    Ok(all)
}

fn tried(place: &Place) -> io::Result<Vec<ReachFound>> {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let all = guests(place)?;
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let from = turn.wrapping_mul(USERS) % all.len().max(1);
    let groups: Vec<u32> = match place.kvm {
        true => kvm::group().into_iter().collect(),
        false => vec![],
    };
    let mut found = Vec::new();
    let users = all.iter().cycle().skip(from).take(all.len().min(USERS));
    for (n, (uid, guest)) in users.enumerate() {
        let goals = goals(place, *uid, &all, turn.wrapping_add(n))?;
        found.push(as_user(*uid, &groups, &guest.id, &goals)?);
    }
    Ok(found)
}

/// Some of all, other ones each turn: none is left out for ever.
fn some<T>(mut all: Vec<T>, turn: usize) -> impl Iterator<Item = T> {
    let from = turn.wrapping_mul(EACH) % all.len().max(1);
    all.rotate_left(from);
    all.into_iter().take(EACH)
}

/// What must be out of reach of a user, as far as it is there.
fn goals(
    place: &Place,
    uid: u32,
    all: &BTreeMap<u32, Guest>,
    turn: usize,
) -> io::Result<Vec<(String, PathBuf)>> {
    let state = &place.state_dir;
    let mut goals = vec![
        ("the accepted document".to_owned(), state.join("want.json")),
        (
            "the agent's memory".to_owned(),
            PathBuf::from(format!("/proc/{}/mem", std::process::id())),
        ),
    ];
    if let Some(control) = state.parent().map(|dir| dir.join("control")) {
        for name in ["state.db", "keys.json"] {
            goals.push((format!("the control process's {name}"), control.join(name)));
        }
    }
    let disks = state.join("disks");
    let mut names = files::names(&disks).unwrap_or_default();
    names.retain(|name| !name.starts_with('.'));
    goals.extend(some(names, turn).map(|name| (format!("the disk {name}"), disks.join(name))));
    let others = all.iter().filter(|(other, _)| **other != uid);
    for (_, guest) in some(others.collect(), turn) {
        let (id, of) = (&guest.id, |what: &str| format!("{what} of guest {}", guest.id));
        if files::safe_id(id) {
            goals.push((of("the console"), place.console(id)));
            goals.push((of("the socket"), place.socket(id)));
        }
        if let Some(pid) = guest.pid {
            goals.push((of("the memory"), PathBuf::from(format!("/proc/{pid}/mem"))));
        }
    }
    goals.retain(|(_, path)| path.symlink_metadata().is_ok());
    Ok(goals)
}

/// A file of one user's, which has no name.
fn file_of(uid: u32) -> io::Result<File> {
    let file = File::from(memfd_create(c"reach", MFdFlags::MFD_CLOEXEC)?);
    file.set_permissions(Permissions::from_mode(0o600))?;
    fchown(&file, Some(uid), Some(uid))?;
    Ok(file)
}

fn through(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn as_user(
    uid: u32,
    groups: &[u32],
    guest: &str,
    goals: &[(String, PathBuf)],
) -> io::Result<ReachFound> {
    let (own, neighbours) = (file_of(uid)?, file_of(uid ^ 1)?);
    let mut paths = vec![through(&own), through(&neighbours)];
    paths.extend(goals.iter().map(|(_, path)| path.clone()));
    let said = open_as(uid, groups, &paths)?;
    let mut answers = said.into_iter();
    let own = match answers.next() {
        Some(OPENED) => Ok(()),
        Some(errno) => Err(format!("it does not open its own file either: error {errno}")),
        None => Err("it told nothing".to_owned()),
    };
    let beside = std::iter::once("a file of another user's");
    let what = beside.chain(goals.iter().map(|(what, _)| what.as_str()));
    let tries = what.zip(answers).map(|(what, errno)| ReachTry {
        what: what.to_owned(),
        errno: (errno != OPENED).then_some(i32::from(errno)),
    });
    Ok(ReachFound {
        guest: guest.to_owned(),
        uid,
        own,
        tries: tries.collect(),
    })
}

/// Opens files as a guest's user. For each the error's number, or [`OPENED`].
fn open_as(uid: u32, groups: &[u32], paths: &[PathBuf]) -> io::Result<Vec<u8>> {
    let text = |path: &PathBuf| CString::new(path.as_os_str().as_bytes());
    let names: Vec<CString> = paths.iter().map(text).collect::<Result<_, _>>()?;
    let mut said = vec![u8::MAX; names.len()];
    let count = said.len();
    let groups = groups.to_vec();
    // Never run: the child ends before it would be.
    let mut command = Command::new("/bin/false");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let child = move || {
        // A file of a host that is stuck must not hold up all that is looked at here.
        // SAFETY: a plain system call. What it ends is this child.
        unsafe { libc::alarm(CHILD) };
        become_user(uid, &groups)?;
        answer(&names, &mut said)
    };
    // SAFETY: it runs in the child between fork and exec. It makes only system calls that are
    // async-signal-safe; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(child) };
    let mut child = command.spawn()?;
    let mut told = Vec::new();
    let read = match child.stdout.take() {
        Some(out) => out.take(count as u64 + 1).read_to_end(&mut told),
        None => Ok(0),
    };
    let ended = child.wait()?;
    read?;
    match ended.success() && told.len() == count {
        true => Ok(told),
        false => Err(io::Error::other(format!("the child told {} bytes", told.len()))),
    }
}

/// From here on files are opened as this user, without any of root's capabilities.
fn become_user(uid: u32, groups: &[u32]) -> io::Result<()> {
    let same = u32::MAX;
    // SAFETY: plain system calls; the list lives through the call.
    let done = unsafe {
        libc::setgroups(groups.len(), groups.as_ptr()) == 0
            && libc::setresgid(same, uid, same) == 0
            && libc::setresuid(same, uid, same) == 0
    };
    match done {
        true => Ok(()),
        false => Err(io::Error::last_os_error()),
    }
}

/// Tries each name, tells what came of it on descriptor 1, and ends.
fn answer(names: &[CString], said: &mut [u8]) -> io::Result<()> {
    for (name, said) in names.iter().zip(said.iter_mut()) {
        // A device or a pipe must not keep us waiting; a terminal must not become ours.
        let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
        // SAFETY: the name lives through the call; the descriptor is ours alone.
        *said = unsafe {
            let fd = libc::open(name.as_ptr(), flags);
            if fd < 0 {
                let errno = io::Error::last_os_error().raw_os_error();
                errno.and_then(|e| u8::try_from(e).ok()).unwrap_or(u8::MAX)
            } else {
                libc::close(fd);
                OPENED
            }
        };
    }
    // SAFETY: the bytes live through the call. A pipe takes so few at once.
    unsafe {
        let wrote = libc::write(1, said.as_ptr().cast(), said.len());
        libc::_exit(i32::from(usize::try_from(wrote).ok() != Some(said.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each of many is among those that are tried, in some turn.
    #[test]
    fn turns_come_round() {
        for count in [0, 1, 3, 4, 5, 9, 64] {
            let all: Vec<usize> = (0..count).collect();
            let mut seen = std::collections::BTreeSet::new();
            for turn in (usize::MAX - 40..=usize::MAX).chain(0..40) {
                let got: Vec<usize> = some(all.clone(), turn).collect();
                assert_eq!(got.len(), count.min(EACH), "{count}");
                seen.extend(got);
            }
            assert_eq!(seen.len(), count);
        }
    }

    /// Goal: what a user may open is told from what it may not, and a jail that is none is seen.
    #[test]
    fn a_user_opens_its_own_and_what_everybody_may() {
        if std::env::var_os("JINYUN_ROOT_TESTS").is_none() {
            eprintln!("skipped: needs root; set JINYUN_ROOT_TESTS=1");
            return;
        }
        let dir = jinyun_testdb::Dir::new("reach");
        let at = |name: &str| dir.join(name);
        for (name, mode) in [("shut", 0o600), ("open", 0o644)] {
            std::fs::write(at(name), "x").unwrap();
            std::fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        }
        files::private_dir(&at("room")).unwrap();
        std::fs::write(at("room").join("open"), "x").unwrap();
        std::fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
        let goals = ["shut", "open", "room/open"].map(|name| (name.to_owned(), at(name)));
        let uid = 2_000_000_010;
        let found = as_user(uid, &[], "g", &goals).unwrap();
        assert_eq!((found.uid, found.own), (uid, Ok(())));
        let got: Vec<_> = found.tries.iter().map(|t| (t.what.as_str(), t.errno)).collect();
        let no = Some(libc::EACCES);
        assert_eq!(
            got,
            [
                ("a file of another user's", no),
                ("shut", no),
                ("open", None),
                ("room/open", no)
            ]
        );
        // Whoever is root reaches all of it: then nothing is refused.
        let found = as_user(0, &[], "g", &goals).unwrap();
        assert!(found.tries.iter().all(|t| t.errno.is_none()), "{found:?}");
    }
}
