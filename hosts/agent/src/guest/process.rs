//! A process of a guest: found, held, watched, ended.
//!
//! Problem: a guest's QEMU outlives the agent that started it, and process ids are reused. A
//! number in a file is a rumour: signalling it may kill a stranger. Mechanism: a process is held
//! by a pidfd, which always means the same process, and it is believed to be ours only if start
//! time, boot and user agree with the record. Not the command line: a process that its guest has
//! taken over can change that, but not its user. Nothing waits for children by number either: QEMUs
//! that an earlier agent started are not our children.

use crate::files;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A process that is held: it may end, but its id cannot come to mean another.
#[derive(Debug, Clone)]
pub struct Process {
    pid: u32,
    started: u64,
    fd: Arc<OwnedFd>,
}

impl Process {
    /// Holds a process. Fails if there is none.
    pub fn open(pid: u32) -> io::Result<Process> {
        let number = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: no pointers; a non-negative result is a new descriptor that nobody else owns.
        let fd = unsafe {
            let raw = libc::syscall(libc::SYS_pidfd_open, number, 0 as libc::c_uint);
            if raw < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(RawFd::try_from(raw).map_err(|_| io::ErrorKind::InvalidData)?)
        };
        let process = Process {
            pid,
            started: start_time(pid)?,
            fd: Arc::new(fd),
        };
        // Only if it lives now was the start time its own and not a successor's.
        if process.alive() {
            Ok(process)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When it started, in the kernel's ticks since boot.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// Whether it has not ended. One that has is laid to rest if it was a child of ours.
    #[must_use]
    pub fn alive(&self) -> bool {
        self.ends_within(Duration::ZERO).is_ok_and(|ended| !ended)
    }

    /// Sends a signal. That it has ended already is no error.
    pub fn signal(&self, signal: libc::c_int) -> io::Result<()> {
        // SAFETY: a null siginfo is allowed, the descriptor is open.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                0 as libc::c_uint,
            )
        };
        match result {
            0 => Ok(()),
            _ if Errno::last() == Errno::ESRCH => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits for its end; whether it came.
    pub fn ends_within(&self, patience: Duration) -> io::Result<bool> {
        let ended = readable(self.fd.as_fd(), Some(patience))?;
        if ended {
            // Fails for a process that is not our child; its parent does this then.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
            let _ = waitid(Id::PIDFd(self.fd.as_fd()), flags);
        }
        Ok(ended)
    }

    /// Kills it and waits for the end.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(libc::SIGKILL)?;
        if self.ends_within(Duration::from_secs(10))? {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "it does not end although killed",
            ))
        }
    }

    /// Calls `then` once, when it ends.
    pub fn on_end(&self, then: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let fd = Arc::clone(&self.fd);
        let watch = move || {
            let _ = readable(fd.as_fd(), None);
            then();
        };
        std::thread::Builder::new()
            .name(format!("end-of-{}", self.pid))
            .spawn(watch)
            .map(drop)
    }
}

/// Whether something can be read, or the other side is gone, within `patience` (`None`: ever).
pub fn readable(fd: BorrowedFd<'_>, patience: Option<Duration>) -> io::Result<bool> {
    let timeout = match patience {
        None => PollTimeout::NONE,
        Some(time) => PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX),
    };
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, timeout) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Field 22 of `/proc/PID/stat`. The name in field 2 may hold anything, so count from its end.
fn start_time(pid: u32) -> io::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_start_time(&stat).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// The name that a guest's process carries on its command line.
#[must_use]
pub fn guest_name(instance: &str, guest: &str) -> String {
    format!("jinyun-{instance}-{guest}")
}

/// The guest that a command line is of, if it is one of this instance's.
fn guest_of(cmdline: &[u8], instance: &str) -> Option<String> {
    let words: Vec<&str> = cmdline
        .split(|byte| *byte == 0)
        .filter_map(|word| std::str::from_utf8(word).ok())
        .collect();
    let program = Path::new(words.first()?).file_name()?.to_str()?;
    if !program.starts_with("qemu-system-") {
        return None;
    }
    let id = after(&words, "-uuid")?;
    let ours = after(&words, "-name")? == guest_name(instance, id) && files::is_uuid(id);
    ours.then(|| id.to_owned())
}

fn after<'a>(words: &[&'a str], option: &str) -> Option<&'a str> {
    words
        .iter()
        .skip_while(|word| **word != option)
        .nth(1)
        .copied()
}

/// All processes whose command line says that they are guests of this instance. Good enough to
/// clean up by; a process that was taken over can change its own command line, see [`of_users`].
pub fn of_instance(instance: &str) -> io::Result<Vec<Process>> {
    all(|pid| {
        guest_of(
            &std::fs::read(format!("/proc/{pid}/cmdline")).ok()?,
            instance,
        )
    })
    .map(|found| found.into_iter().map(|(_, process)| process).collect())
}

/// All processes of these users, with the user. A guest's process cannot change its user.
pub fn of_users(users: Range<u32>) -> io::Result<Vec<(u32, Process)>> {
    all(|pid| user(pid).filter(|uid| users.contains(uid)))
}

/// All processes of which `what` says something, with what it says.
fn all<T>(what: impl Fn(u32) -> Option<T>) -> io::Result<Vec<(T, Process)>> {
    let mut found = Vec::new();
    for name in files::names(Path::new("/proc"))? {
        let Ok(pid) = name.parse::<u32>() else {
            continue;
        };
        if what(pid).is_none() {
            continue;
        }
        // Asked again once it is held, so that the answer is about this very process.
        if let Ok(process) = Process::open(pid)
            && let Some(said) = what(pid)
        {
            found.push((said, process));
        }
    }
    Ok(found)
}

/// A process's real user.
#[must_use]
pub fn user(pid: u32) -> Option<u32> {
    status_word(&status(pid)?, "Uid", 0)?.parse().ok()
}

fn status(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/status")).ok()
}

/// The `nth` word after `name:`.
fn status_word<'a>(status: &'a str, name: &str, nth: usize) -> Option<&'a str> {
    let rest = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    let line = status.lines().find_map(rest)?;
    line.split_whitespace().nth(nth)
}

/// How a guest's process is confined, as the kernel tells it.
#[must_use]
pub fn confinement(id: &str, pid: u32) -> Option<jinyun_wire::GuestProcess> {
    let status = status(pid)?;
    let capabilities = status_word(&status, "CapEff", 0)?;
    Some(jinyun_wire::GuestProcess {
        id: id.to_owned(),
        pid,
        uid: status_word(&status, "Uid", 1)?.parse().ok()?,
        no_new_privs: status_word(&status, "NoNewPrivs", 0)? == "1",
        seccomp: status_word(&status, "Seccomp", 0)?.parse().ok()?,
        capabilities: u64::from_str_radix(capabilities, 16).ok()?,
        own_netns: own_netns(pid).unwrap_or(false),
    })
}

/// Whether its network namespace is neither the host's nor one that has a name, as VPCs' have.
fn own_netns(pid: u32) -> io::Result<bool> {
    let identity = |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino()));
    let own = identity(Path::new(&format!("/proc/{pid}/ns/net")))?;
    if own == identity(Path::new("/proc/self/ns/net"))? {
        return Ok(false);
    }
    let named = Path::new("/run/netns");
    let names = files::names(named).unwrap_or_default();
    Ok(!names
        .iter()
        .any(|name| identity(&named.join(name)).is_ok_and(|other| other == own)))
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
