//! Where everything of this agent is on the host, and what the host can do.

use super::cage::Cage;
use super::{kvm, record};
use crate::{Accel, files, log};
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// Where everything is, and what this machine can do. Does not change while the agent runs.
#[derive(Debug, Clone)]
pub struct Place {
    /// The instance, part of every name on the host.
    pub instance: String,
    /// Disks and records; survives the machine's restart.
    pub state_dir: PathBuf,
    /// Sockets; does not.
    pub run_dir: PathBuf,
    /// First of the user ids that belong to this instance.
    pub uid_base: u32,
    /// Guests run on hardware virtualisation.
    pub kvm: bool,
    /// Where guests get limits of their own.
    pub cage: Cage,
    pub(super) qemu: PathBuf,
    pub(super) qemu_img: PathBuf,
}

impl Place {
    /// Finds the programs and tries hardware virtualisation, if it is wanted.
    pub fn find(config: &crate::Config) -> io::Result<Place> {
        let program = |name: &str| {
            files::program(name).ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, format!("{name} is not installed"))
            })
        };
        let mut place = Place {
            instance: config.instance.clone(),
            state_dir: config.state_dir.clone(),
            run_dir: config.run_dir.clone(),
            uid_base: config.uid_base,
            kvm: config.accel == Accel::Kvm,
            cage: Cage::open(&config.instance),
            qemu: program("qemu-system-x86_64")?,
            qemu_img: program("qemu-img")?,
        };
        if config.accel == Accel::Auto {
            match kvm::works(&place) {
                Ok(()) => place.kvm = true,
                Err(why) => log::info(format_args!("guests are EMULATED: {why}")),
            }
        }
        if let Err(why) = place.cage.usable() {
            log::info(format_args!("guests have NO LIMITS of their own: {why}"));
        }
        Ok(place)
    }

    /// The users that guests run as.
    pub(super) fn guest_users(&self) -> Range<u32> {
        self.uid_base + record::FIRST_SLOT..self.uid_base + crate::USERS
    }

    pub(super) fn guest_dir(&self, id: &str) -> PathBuf {
        self.state_dir.join("guests").join(id)
    }

    pub(super) fn record(&self, id: &str) -> PathBuf {
        self.guest_dir(id).join(record::NAME)
    }

    pub(super) fn console(&self, id: &str) -> PathBuf {
        self.guest_dir(id).join("console.log")
    }

    pub(super) fn qemu_log(&self, id: &str) -> PathBuf {
        self.guest_dir(id).join("qemu.log")
    }

    /// A socket's path has room for 107 bytes: half a UUID has to do, and does.
    pub(super) fn socket_dir(&self, id: &str) -> PathBuf {
        self.run_dir
            .join("g")
            .join(id.replace('-', "").chars().take(16).collect::<String>())
    }

    pub(super) fn socket(&self, id: &str) -> PathBuf {
        self.socket_dir(id).join("qmp")
    }
}
