//! An instance: its name, where its files are, what it was told at its first start.
//!
//! Everything on the machine that belongs to an instance carries its name, so that tests run beside
//! a running cloud and `down` finds all of it.

use jinyun_base::Fault;
use jinyun_store::Config;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How an instance is brought up.
#[derive(clap::Args, Debug, Clone)]
pub struct Options {
    /// Hosts: `real` (this machine carries guests) or `simulated` (every API works, nothing runs).
    #[arg(long, default_value = "real")]
    pub hosts: String,
    /// Port of the tenants' listener on 127.0.0.1.
    #[arg(long, default_value_t = 8443)]
    pub port: u16,
    /// Port of the management listener on 127.0.0.1.
    #[arg(long, default_value_t = 8444)]
    pub management_port: u16,
    /// PostgreSQL instead of SQLite: a connection string such as `host=/run/postgresql user=jinyun`.
    #[arg(long)]
    pub postgres: Option<String>,
}

/// What is kept of the options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Hosts are simulated.
    pub simulated: bool,
    /// Tenants' listener.
    pub port: u16,
    /// Management listener.
    pub management_port: u16,
    /// PostgreSQL.
    pub postgres: Option<String>,
    /// First of the user ids that belong to the instance alone.
    pub uid: u32,
}

/// An instance by name.
#[derive(Debug, Clone)]
pub struct Instance {
    /// `[a-z][a-z0-9]{0,11}`.
    pub name: String,
    /// `/var/lib/jinyun/<name>`.
    pub state: PathBuf,
    /// `/run/jinyun/<name>`.
    pub run: PathBuf,
}

impl Instance {
    /// The instance of this name, whether it exists or not.
    pub fn named(name: &str) -> Result<Instance, Fault> {
        let good = (1..=12).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !good {
            return Err(Fault::new(format!(
                "`{name}` is no name for an instance: use 1 to 12 small letters and digits, a \
                 letter first"
            )));
        }
        Ok(Instance {
            name: name.into(),
            state: Path::new("/var/lib/jinyun").join(name),
            run: Path::new("/run/jinyun").join(name),
        })
    }

    /// Files of the control process.
    pub fn control_dir(&self) -> PathBuf {
        self.state.join("control")
    }

    /// Files of the host's agent.
    pub fn host_dir(&self) -> PathBuf {
        self.state.join("host")
    }

    /// Where the agent meets the control process.
    pub fn socket(&self) -> PathBuf {
        self.run.join("control.sock")
    }

    /// There once the control process answers.
    pub fn ready_file(&self) -> PathBuf {
        self.run.join("ready")
    }

    /// Why the control process could not start, in one sentence.
    pub fn failure_file(&self) -> PathBuf {
        self.run.join("failed")
    }

    /// The supervisor's process id.
    pub fn pid_file(&self) -> PathBuf {
        self.run.join("supervisor.pid")
    }

    fn settings_file(&self) -> PathBuf {
        self.state.join("instance.json")
    }

    /// Settings of an existing instance.
    pub fn settings(&self) -> Result<Settings, Fault> {
        let path = self.settings_file();
        let text = std::fs::read_to_string(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Fault::new(format!(
                "there is no instance `{}` on this machine: start one with `jinyun up`", self.name
            )),
            _ => Fault::new(format!("{}: {e}", path.display())),
        })?;
        serde_json::from_str(&text).map_err(|e| Fault::new(format!("{}: {e}", path.display())))
    }

    /// Keeps the settings.
    pub fn keep(&self, settings: &Settings) -> Result<(), Fault> {
        let path = self.settings_file();
        let text = serde_json::to_string_pretty(settings)
            .map_err(|e| Fault::new(format!("settings: {e}")))?;
        let part = path.with_extension("part");
        std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, &path))
            .map_err(|e| Fault::new(format!("{}: {e}", path.display())))
    }

    /// User ids of the instance: 65,536 from a place that follows from its name, far above any that
    /// a distribution hands out. The first is the control process's, guests have the others.
    /// A place that another instance of this machine has is passed over.
    pub fn uid(&self) -> u32 {
        if let Ok(settings) = self.settings() {
            return settings.uid;
        }
        let others: Vec<u32> = std::fs::read_dir("/var/lib/jinyun").into_iter().flatten().flatten()
            .filter_map(|d| Instance::named(&d.file_name().to_string_lossy()).ok())
            .filter(|other| other.name != self.name)
            .filter_map(|other| other.settings().ok()).map(|s| s.uid).collect();
        let hash = self.name.bytes()
            .fold(2_166_136_261u32, |h, b| (h ^ u32::from(b)).wrapping_mul(16_777_619));
        let place = |n: u32| 0x4A00_0000 + (hash.wrapping_add(n) % 4096) * 65_536;
        (0..4096).map(place).find(|uid| !others.contains(uid)).unwrap_or(place(0))
    }

    /// Where the state is stored.
    pub fn store(&self, settings: &Settings) -> Config {
        match &settings.postgres {
            Some(conninfo) => {
                Config::Postgres { conninfo: conninfo.clone(), schema: format!("jinyun_{}", self.name) }
            }
            None => Config::Sqlite { path: self.control_dir().join("state.db"), durable: true },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        for bad in ["", "../x", "Tour", "a-b", "abcdefghijklm", "1a"] {
            assert!(Instance::named(bad).is_err(), "{bad}");
        }
        let one = Instance::named("tour").unwrap();
        assert!(one.uid() >= 0x4A00_0000 && one.uid().is_multiple_of(65_536));
    }
}
