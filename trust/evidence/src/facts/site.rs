//! What the place itself shows: hosts' surveys, the listeners from outside, the hosts' door, and quotas
//! against what they are quotas of.
//!
//! Each part says why it is not known, where it is not; nothing here judges.

use crate::facts::doors::{self, Doors, RouteFact};
use crate::rooms::Taken;
use crate::world::AskHost;
use jinyun_base::{Fault, Id};
use jinyun_image::Files;
use jinyun_rest::Cloud;
use jinyun_wire::{Answer, Ask, Known, Survey};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long the hosts' door may take to close.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often quotas are read again because somebody wrote meanwhile.
const TRIES: usize = 4;

/// What is needed to look.
#[derive(Clone, Default)]
pub struct SiteSetup {
    /// The socket on which hosts' agents are met.
    pub socket: PathBuf,
    /// The edge's table, once there is one.
    pub routes: Arc<OnceLock<Vec<RouteFact>>>,
    /// The files of images.
    pub images: Option<Arc<Files>>,
}

/// The hosts' door, tried by this process, which is no agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knock {
    /// Permission bits of the socket.
    pub mode: u32,
    /// Its owner is the user that this process runs as.
    pub ours: bool,
    /// It is a socket.
    pub socket: bool,
    /// Whoever knocked was let in: the connection stayed.
    pub let_in: bool,
}

/// A project's use of a quota: as it is kept, and as its things add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaLook {
    /// The project.
    pub project: Id,
    /// The item.
    pub item: String,
    /// As it is kept.
    pub used: i64,
    /// What the records add up to.
    pub counted: i64,
}

/// What the place shows.
#[derive(Debug, Clone)]
pub struct Site {
    /// The listeners from outside.
    pub doors: Known<Doors>,
    /// The hosts' door.
    pub knock: Known<Knock>,
    /// Quotas.
    pub quotas: Known<Vec<QuotaLook>>,
    /// What was put in and taken out again.
    pub taken: Known<Vec<Taken>>,
}

impl Default for Site {
    fn default() -> Site {
        fn unseen<T>() -> Known<T> {
            Err("it was not looked at".into())
        }
        Site {
            doors: unseen(),
            knock: unseen(),
            quotas: unseen(),
            taken: unseen(),
        }
    }
}

/// Asks a host what it shows of itself.
pub fn survey(ask: &AskHost, name: &str) -> Known<Survey> {
    match ask(name, Ask::Survey) {
        Ok(Answer::Survey(survey)) => Ok(*survey),
        Ok(Answer::Failed { why }) => Err(why),
        Ok(_) => Err("the host answered another question".into()),
        Err(failure) => Err(failure.to_string()),
    }
}

/// Looks at everything but what is taken out of the stage.
pub fn read(cloud: &Cloud, setup: &SiteSetup, listeners: &[(&'static str, SocketAddr)], ca: &Path)
    -> Site {
    Site {
        doors: match setup.routes.get() {
            Some(routes) => doors::read(routes, listeners, ca),
            None => Err("the table of operations is not at hand yet".into()),
        },
        knock: knock(&setup.socket),
        quotas: quotas(cloud).map_err(|fault| fault.to_string()),
        taken: Site::default().taken,
    }
}

/// Looks again at what can be tried often: TLS at the listeners, and the hosts' door.
pub fn often(setup: &SiteSetup, listeners: &[(&'static str, SocketAddr)], ca: &Path) -> Site {
    Site {
        doors: doors::often(listeners, ca),
        knock: knock(&setup.socket),
        ..Site::default()
    }
}

fn us() -> Known<u32> {
    std::fs::metadata("/proc/self").map(|m| m.uid()).map_err(|e| format!("/proc/self: {e}"))
}

/// Knocks at the hosts' door and says nothing. To somebody who may be an agent it stays open, because
/// the agent speaks first.
pub fn knock(path: &Path) -> Known<Knock> {
    match us()? {
        0 => Err("this process is root, whom the door is for: not tried".into()),
        us => knock_as(path, us),
    }
}

fn knock_as(path: &Path, us: u32) -> Known<Knock> {
    let bad = |e: std::io::Error| format!("{}: {e}", path.display());
    let found = std::fs::symlink_metadata(path).map_err(bad)?;
    let mut stream = UnixStream::connect(path).map_err(bad)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(bad)?;
    let let_in = match stream.read(&mut [0]) {
        Ok(0) => false,
        Ok(_) => true,
        Err(e) => match e.kind() {
            ErrorKind::ConnectionReset => false,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => true,
            _ => return Err(bad(e)),
        },
    };
    Ok(Knock {
        mode: found.mode() & 0o7777,
        ours: found.uid() == us,
        socket: found.file_type().is_socket(),
        let_in,
    })
}

/// Adds the costs of all records up and puts the kept numbers beside.
pub fn quotas(cloud: &Cloud) -> Result<Vec<QuotaLook>, Fault> {
    for _ in 0..TRIES {
        let (before, kept, rows, after) = cloud.reader.lend(|db| {
            let before = db.journal_length()?;
            Ok((before, db.usage()?, db.everything()?, db.journal_length()?))
        })?;
        if before != after {
            continue;
        }
        let mut all: BTreeMap<(Id, String), (i64, i64)> = BTreeMap::new();
        for usage in kept {
            all.entry((usage.project, usage.item)).or_default().0 = usage.used;
        }
        for stored in &rows {
            for cost in cloud.reader.registry().derived(&stored.row)?.costs {
                let key = (stored.row.project.clone(), cost.item.to_string());
                all.entry(key).or_default().1 += cost.amount;
            }
        }
        return Ok(all.into_iter().map(|((project, item), (used, counted))| {
            QuotaLook { project, item, used, counted }
        }).collect());
    }
    Err(Fault::new("records changed each time while quotas were read"))
}

/// SHA-256 of our own program, hex: what hosts' agents must run too. It cannot change while it runs,
/// so it is read once.
pub fn program() -> Known<String> {
    static DIGEST: OnceLock<Known<String>> = OnceLock::new();
    DIGEST.get_or_init(|| digest(Path::new("/proc/self/exe"))).clone()
}

fn digest(path: &Path) -> Known<String> {
    let bad = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = File::open(path).map_err(bad)?;
    let mut hash = Sha256::new();
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part).map_err(bad)? {
            0 => break,
            n => hash.update(&part[..n]),
        }
    }
    Ok(jinyun_journal::to_hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_door_that_stays_open_is_told_from_one_that_closes() {
        for (name, keeps) in [("shut", false), ("open", true)] {
            let dir = jinyun_testdb::Dir::new(name);
            let path = dir.join("socket");
            let listener = UnixListener::bind(&path).unwrap();
            let served = std::thread::spawn(move || {
                let (mut guest, _) = listener.accept().unwrap();
                // Until the other side goes.
                while keeps && guest.read(&mut [0]).unwrap() > 0 {}
            });
            let knock = knock_as(&path, us().unwrap()).unwrap();
            assert_eq!((knock.let_in, knock.socket, knock.ours), (keeps, true, true), "{name}");
            served.join().unwrap();
            std::fs::remove_file(&path).unwrap();
            assert!(knock_as(&path, 1).is_err());
        }
    }

    #[test]
    fn our_own_program_has_a_digest() {
        assert_eq!(program().map(|digest| digest.len()), Ok(64));
    }
}
