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
    #[arg(long, default_value = "real", value_parser = ["real", "simulated"])]
    pub hosts: String,
    /// Port of the tenants' listener on 127.0.0.1.
    #[arg(long, default_value_t = 8443, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Port of the management listener on 127.0.0.1.
    #[arg(long, default_value_t = 8444, value_parser = clap::value_parser!(u16).range(1..))]
    pub management_port: u16,
    /// PostgreSQL instead of SQLite: a connection string such as `host=/run/postgresql user=jinyun`.
    #[arg(long, value_name = "CONNECTION")]
    pub postgres: Option<String>,
    /// Name by which browsers reach the instance: passkeys are made for it, and it must not change
    /// while they are used. Without one, that of the start before, or localhost.
    #[arg(long, value_name = "HOST", value_parser = host_name)]
    pub public_name: Option<String>,
}

/// The name of an instance that nobody has given another.
const LOCAL: &str = "localhost";

/// A name that passkeys can be made for: a host name, and no address (Web Authentication, 5.1.3).
fn host_name(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let good = name.len() <= 253 && name.split('.').all(label)
        && !last.bytes().all(|b| b.is_ascii_digit());
    if good {
        return Ok(name);
    }
    Err("must be a host name such as cloud.example: passkeys are not made for an address".into())
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
    /// Name by which browsers reach it, if the operator has ever given one.
    #[serde(default)]
    pub public_name: Option<String>,
}

impl Settings {
    /// Name by which browsers reach it.
    pub fn host(&self) -> &str {
        self.public_name.as_deref().unwrap_or(LOCAL)
    }

    /// Where browsers find a listener; as they write it, which is what passkeys are compared with.
    pub fn place(&self, port: u16) -> String {
        match port {
            443 => format!("https://{}", self.host()),
            _ => format!("https://{}:{port}", self.host()),
        }
    }
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

    /// The public name for a start: the one that is given, or else the one of the start before. It is
    /// never taken back by leaving it out: passkeys would be lost with it.
    pub fn public_name(&self, given: Option<String>) -> Option<String> {
        given.or_else(|| self.settings().ok().and_then(|settings| settings.public_name))
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

    #[test]
    fn passkeys_are_made_for_names() {
        for (given, want) in [
            ("localhost", Some("localhost")), ("Cloud.Bank.example", Some("cloud.bank.example")),
            ("a-1.b2", Some("a-1.b2")), ("127.0.0.1", None), ("::1", None), ("[::1]", None),
            ("", None), (".", None), ("a..b", None), ("a.", None), ("-a", None), ("a-", None),
            ("a_b", None), ("https://a", None), ("a:8443", None), ("a/b", None),
            ("\u{4e91}.example", None),
        ] {
            assert_eq!(host_name(given).ok().as_deref(), want, "{given}");
        }
        assert!(host_name(&"a".repeat(64)).is_err() && host_name(&"a.".repeat(127)).is_err());
    }

    #[test]
    fn settings_from_before_have_a_name() {
        let text = r#"{"simulated":true,"port":443,"management_port":8444,"postgres":null,"uid":7}"#;
        let settings: Settings = serde_json::from_str(text).unwrap();
        assert_eq!((settings.public_name.as_deref(), settings.host()), (None, "localhost"));
        let places = [443, 8444].map(|port| settings.place(port));
        assert_eq!(places, ["https://localhost", "https://localhost:8444"]);
    }

    #[test]
    fn a_name_is_kept_until_another_one_is_given() {
        let state = std::env::temp_dir().join(format!("jyname-{}", std::process::id()));
        std::fs::create_dir_all(&state).unwrap();
        let instance = Instance { name: "a".into(), run: state.clone(), state: state.clone() };
        let text = r#"{"simulated":true,"port":443,"management_port":8444,"postgres":null,"uid":7}"#;
        let mut settings: Settings = serde_json::from_str(text).unwrap();
        let mut names = Vec::new();
        for given in [None, Some("cloud.example"), None, Some("other.example"), None] {
            settings.public_name = instance.public_name(given.map(String::from));
            names.push(settings.host().to_string());
            instance.keep(&settings).unwrap();
        }
        std::fs::remove_dir_all(&state).unwrap();
        let want = ["localhost", "cloud.example", "cloud.example", "other.example", "other.example"];
        assert_eq!(names, want);
    }
}
