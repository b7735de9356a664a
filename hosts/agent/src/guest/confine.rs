//! What a child process may do: its work and nothing else.
//!
//! Two kinds of children read what strangers wrote: QEMU runs their systems, qemu-img parses their
//! images. Both run as an ordinary user that owns nothing, without capabilities and without a way
//! to get any, in an empty network namespace, and with only the descriptors they were handed. QEMU
//! adds its own seccomp filter on top.
//!
//! Everything is set between fork and exec rather than by a helper program: there is no moment at
//! which the program runs with more, and no other program to trust.

use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What `prctl` reads its variable arguments as.
type Word = libc::c_ulong;

/// A resource and its limit.
pub type Limit = (libc::__rlimit_resource_t, u64);

/// What a child is left with.
#[derive(Debug, Clone)]
pub struct Jail {
    /// User and group id.
    pub uid: u32,
    /// Supplementary groups: none, or the one that may open `/dev/kvm`.
    pub groups: Vec<u32>,
    /// Resource limits. Core dumps are always off: they would hold keys and a guest's memory.
    pub limits: Vec<Limit>,
    /// Descriptors that it inherits, with their numbers, besides 0, 1 and 2.
    pub keep: Vec<RawFd>,
    /// It is killed when the thread that started it ends. Not for guests: they outlive the agent.
    pub dies_with_us: bool,
}

impl Jail {
    /// The strictest jail for this user.
    #[must_use]
    pub fn new(uid: u32) -> Jail {
        Jail {
            uid,
            groups: vec![],
            limits: vec![],
            keep: vec![],
            dies_with_us: false,
        }
    }
}

/// Lets `command` start in `jail`.
pub fn confine(command: &mut Command, jail: Jail) {
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/");
    // SAFETY: `enter` runs in the child between fork and exec. It makes only system calls that are
    // async-signal-safe; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(move || enter(&jail)) };
}

fn enter(jail: &Jail) -> io::Result<()> {
    // SAFETY: plain system calls; the pointers are to values that live through the call.
    unsafe {
        check(libc::setsid())?;
        check(libc::unshare(libc::CLONE_NEWNET | libc::CLONE_NEWIPC))?;
        limit((libc::RLIMIT_CORE, 0))?;
        for each in &jail.limits {
            limit(*each)?;
        }
        libc::umask(0o077);
        check(libc::setgroups(jail.groups.len(), jail.groups.as_ptr()))?;
        check(libc::setresgid(jail.uid, jail.uid, jail.uid))?;
        check(libc::setresuid(jail.uid, jail.uid, jail.uid))?;
        check(libc::prctl(
            libc::PR_SET_NO_NEW_PRIVS,
            1 as Word,
            0 as Word,
            0 as Word,
            0 as Word,
        ))?;
        if jail.dies_with_us {
            // After the change of user, which would clear it.
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as Word))?;
        }
        // Marked rather than closed: the standard library reports a failed exec through one.
        let all = libc::c_uint::MAX;
        let flags = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
        check(libc::close_range(3, all, flags))?;
        for fd in &jail.keep {
            check(libc::fcntl(*fd, libc::F_SETFD, 0))?;
        }
    }
    Ok(())
}

fn limit((resource, most): Limit) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: `limit` lives through the call.
    check(unsafe { libc::setrlimit(resource, &raw const limit) })
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
