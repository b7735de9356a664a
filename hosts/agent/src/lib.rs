//! The agent: makes one host be what the control plane's document says, and says what it sees.
//!
//! It is the only part of Jinyun that runs as root, and it is as small as can be: it makes
//! namespaces, taps and packet filters ([`net`]), encrypted disks and confined QEMU processes
//! ([`guest`]), and a conversation over a unix socket ([`link`]). It decides nothing; everything it
//! does follows from the last document and from what it finds.
//!
//! What it trusts: the kernel, QEMU's and nft's programs as installed. What it does not: the
//! control plane's text (ids and paths are checked before they touch a file system), images
//! (judged here before a confined program reads them), guests (a QEMU is taken to be in its
//! guest's hands).
//!
//! It may be killed at any moment. Guests run on, and the next agent adopts them.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
// The rim of the system: here time and randomness are asked for rather than handed in.
#![allow(clippy::disallowed_methods)]

mod agent;
mod facts;
mod files;
pub mod guest;
pub mod link;
pub mod log;
pub mod net;
pub mod secret;
mod survey;

use nix::unistd::geteuid;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an agent is told by whoever starts it.
#[derive(Debug, Clone)]
pub struct Config {
    /// The instance: part of every name on the host, so that several live beside each other.
    pub instance: String,
    /// The host's name in the instance.
    pub host: String,
    /// Disks, records and the accepted document.
    pub state_dir: PathBuf,
    /// Sockets of guests.
    pub run_dir: PathBuf,
    /// Where the control plane listens.
    pub control_socket: PathBuf,
    /// First of [`USERS`] user ids that belong to this instance alone: any process that one of
    /// them has and that is no guest of it is ended.
    pub uid_base: u32,
    /// How guests run.
    pub accel: Accel,
}

/// How many user ids an instance has.
pub const USERS: u32 = 1 << 16;

/// How guests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// On hardware virtualisation if a test shows that it works, else emulated.
    Auto,
    /// On hardware virtualisation or not at all.
    Kvm,
    /// Emulated.
    Tcg,
}

/// Why an agent did not run.
#[derive(Debug)]
pub enum AgentError {
    /// It must not: the reason, and what to do.
    Refused(String),
    /// Something on the machine failed.
    Io {
        /// What was being set up.
        what: &'static str,
        /// How it failed.
        source: io::Error,
    },
}

impl std::fmt::Display for AgentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AgentError::Refused(why) => f.write_str(why),
            AgentError::Io { what, .. } => write!(f, "the agent cannot set up {what}"),
        }
    }
}

impl std::error::Error for AgentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AgentError::Refused(_) => None,
            AgentError::Io { source, .. } => Some(source),
        }
    }
}

/// Runs an agent until `stop` is set. Guests and networks stay when it ends.
pub fn run(config: Config, stop: Arc<AtomicBool>) -> Result<(), AgentError> {
    check(&config).map_err(AgentError::Refused)?;
    let missing = missing();
    if !missing.is_empty() {
        return Err(AgentError::Refused(missing.join(" ")));
    }
    keep_memory_private().map_err(|source| AgentError::Io {
        what: "its memory",
        source,
    })?;
    agent::run(&config, stop)
}

/// What this machine lacks to carry guests: a sentence each, with what to do. Empty: nothing.
#[must_use]
pub fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    if !geteuid().is_root() {
        missing.push("The agent needs root for namespaces and guests: run it as root.".to_owned());
    }
    for (program, package) in [
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("qemu-img", "qemu-utils"),
    ] {
        if files::program(program).is_none() {
            missing.push(format!("{program} is missing: apt install {package}."));
        }
    }
    if !Path::new("/dev/net/tun").exists() {
        missing.push("/dev/net/tun is missing: modprobe tun, or give it to the container.".into());
    }
    for other in net::missing() {
        if !missing.contains(&other) {
            missing.push(other);
        }
    }
    missing
}

/// Ends what an instance runs on this host: its guests, then its networks. Disks and records stay.
pub fn remove_all(instance: &str, state_dir: &Path, run_dir: &Path) -> io::Result<()> {
    check_name(instance).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
    let _lock = if state_dir.exists() {
        // An agent that still ran would begin to build everything up again.
        Some(agent::lock(state_dir).map_err(|e| io::Error::other(e.to_string()))?)
    } else {
        None
    };
    guest::end_all(instance, state_dir, run_dir)?;
    net::Net::remove_all(instance)
}

fn check(config: &Config) -> Result<(), String> {
    check_name(&config.instance)?;
    // Below are people and services. Above, the range must fit.
    if config.uid_base < USERS || config.uid_base.checked_add(USERS).is_none() {
        let base = config.uid_base;
        return Err(format!(
            "The user ids from {base} on cannot be an instance's: use 100000."
        ));
    }
    for dir in [&config.state_dir, &config.run_dir] {
        if !dir.is_absolute() {
            return Err(format!("{} is not an absolute path.", dir.display()));
        }
    }
    Ok(())
}

fn check_name(instance: &str) -> Result<(), String> {
    let fits = (1..=32).contains(&instance.len())
        && instance.starts_with(|c: char| c.is_ascii_lowercase())
        && instance
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if fits {
        Ok(())
    } else {
        Err(format!(
            "{instance:?} is no instance's name: a-z, 0-9 and -, 32 characters at most."
        ))
    }
}

/// Passphrases pass through this process: no dump of it, and no debugger but root's.
fn keep_memory_private() -> io::Result<()> {
    // SAFETY: no pointers.
    let result = unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0 as libc::c_ulong) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A lock's content, also after a thread died with it: what it guards is checked, not believed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_that_could_mean_something_else_are_refused() {
        for good in ["tour", "a", "test-1"] {
            assert_eq!(check_name(good), Ok(()));
        }
        for bad in [
            "",
            "A",
            "1a",
            "a/b",
            "a,b",
            "a b",
            "..",
            "a23456789012345678901234567890123",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        let config = |uid_base| Config {
            instance: "t".into(),
            host: "h".into(),
            state_dir: "/s".into(),
            run_dir: "/r".into(),
            control_socket: "/c".into(),
            uid_base,
            accel: Accel::Tcg,
        };
        assert!(check(&config(100_000)).is_ok());
        assert!(check(&config(0)).is_err());
        assert!(check(&config(u32::MAX)).is_err());
        assert!(
            check(&Config {
                state_dir: "s".into(),
                ..config(100_000)
            })
            .is_err()
        );
    }
}
