//! The journal, verified as an assessor would, and replayed into an empty store: the whole of it.
//!
//! For an assessment that somebody asks for. A shorter look would trust what an earlier one said;
//! beyond [`LONGEST`] entries the whole takes too long for somebody who waits: then what the platform
//! found by itself counts (`proof.rs`, `follow.rs`), with the time at which it did.

use jinyun_base::{Fault, Time};
use jinyun_engine::{Effect, Registry, Row, replay};
use jinyun_journal::{Entry, Key};
use jinyun_rest::Cloud;
use jinyun_store::{Config, Db, Usage, Writer};
use jinyun_verify::Report;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// At most so many entries are verified and replayed for an assessment, or kept for checks.
pub const LONGEST: u64 = 200_000;
/// At most so many differences are told.
pub(super) const TOLD: usize = 5;
/// How often the tables are read again because somebody wrote meanwhile.
const TRIES: usize = 4;

/// The journal as it was found.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// All entries that can be read.
    pub entries: Vec<Entry>,
    /// How many entries the verifier saw: those under the newest checkpoint.
    pub verified: u64,
    /// What the verifier complained of.
    pub problems: Vec<String>,
    /// How many checkpoints of earlier assessments it was compared with.
    pub kept: usize,
    /// Where the tables differ from what the journal says; an error if it could not be replayed.
    pub differences: Vec<String>,
    /// How many rows were compared.
    pub rows: u64,
}

/// Kind, id and name of a secret.
type Name = (String, String, String);

/// Everything that the journal must be able to make again.
pub(super) struct Tables {
    /// The newest entries, from some number on.
    pub entries: Vec<Vec<u8>>,
    rows: Vec<Row>,
    derived: Vec<String>,
    usage: Vec<Usage>,
    secrets: BTreeMap<Name, String>,
}

impl Tables {
    fn read(db: &mut Db, from: u64) -> Result<Tables, Fault> {
        let length = db.journal_length()?;
        let digest = |salt: &[u8], value: &[u8]| {
            jinyun_journal::to_hex(&Sha256::new().chain_update(salt).chain_update(value).finalize())
        };
        let secrets = db.secrets()?.into_iter().map(|(kind, id, name, salt, value)| {
            ((kind, id.to_string(), name), digest(&salt, &value))
        }).collect();
        Ok(Tables {
            rows: db.everything()?.into_iter().map(|stored| stored.row).collect(),
            derived: db.derived()?,
            usage: db.usage()?,
            entries: db.entries(from, length)?,
            secrets,
        })
    }

    /// The tables of one moment, if nobody writes. Every change of them is an entry, so if none came
    /// while they were read they belong together.
    pub fn calm(cloud: &Cloud, from: u64) -> Result<Option<Tables>, Fault> {
        for _ in 0..TRIES {
            let (before, tables, after) = cloud.reader.lend(|db| {
                Ok((db.journal_length()?, Tables::read(db, from)?, db.journal_length()?))
            })?;
            if before == after {
                return Ok(Some(tables));
            }
        }
        Ok(None)
    }

    /// The tables of one moment: if somebody always writes, the writer waits for us once.
    pub fn settled(cloud: &Cloud, from: u64) -> Result<Tables, Fault> {
        match Tables::calm(cloud, from)? {
            Some(tables) => Ok(tables),
            None => cloud.handle.with(move |core| Tables::read(&mut core.writer.db, from))?,
        }
    }

    /// How many records there are.
    pub fn count(&self) -> u64 {
        self.rows.len() as u64
    }
}

/// Waits a little until everything that is committed is signed.
pub(crate) fn signed(cloud: &Cloud) -> Result<(), Fault> {
    let length = cloud.reader.lend(|db| db.journal_length())?;
    for _ in 0..60 {
        let newest = cloud.reader.lend(|db| db.newest_checkpoint())?;
        if newest.is_some_and(|(size, _)| size >= length) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// What the assessor's verifier says of the whole journal, compared with notes that were kept; and its
/// newest notes.
pub(super) fn verified(cloud: &Cloud, keys: &[Key], instance: &str, kept: &[String])
    -> Result<(Report, Vec<String>), Fault> {
    let (export, notes) = cloud.reader.lend(|db| {
        let mut export = Vec::new();
        db.export(instance, 0, &mut export)?;
        Ok((export, db.newest_checkpoint()?.map(|(_, notes)| notes).unwrap_or_default()))
    })?;
    Ok((jinyun_verify::verify(&export, keys, kept), notes))
}

/// Verifies and replays. `kept` are notes of earlier assessments; `dir` is for the replay's store.
/// Returns the newest notes too, for the next assessment.
pub fn read(cloud: &Cloud, keys: &[Key], instance: &str, kept: &[String], dir: &Path)
    -> Result<(Journal, Vec<String>), Fault> {
    signed(cloud)?;
    let (report, notes) = verified(cloud, keys, instance, kept)?;
    let mut problems: Vec<String> = report.problems.into_iter().map(|p| p.say).collect();
    let tables = Tables::settled(cloud, 0)?;
    let mut entries = Vec::with_capacity(tables.entries.len());
    for (n, bytes) in tables.entries.iter().enumerate() {
        match serde_json::from_slice::<Entry>(bytes) {
            Ok(entry) => entries.push(entry),
            Err(e) => problems.push(format!("entry {n} cannot be read: {e}")),
        }
    }
    let rows = tables.count();
    let registry = cloud.reader.registry();
    let again = || {
        let mut replica = Replica::open(dir.join("replay.db"))?;
        replica.apply(&tables.entries, registry)?;
        replica.differences(&tables)
    };
    let differences =
        again().unwrap_or_else(|fault| vec![format!("it cannot be replayed: {fault}")]);
    let journal = Journal {
        entries,
        verified: report.entries,
        problems,
        kept: kept.len(),
        differences,
        rows,
    };
    Ok((journal, notes))
}

/// A store of its own, into which entries are replayed; gone with this.
pub(super) struct Replica {
    copy: Writer,
    secrets: BTreeMap<Name, String>,
    /// All entries below this number were replayed.
    pub at: u64,
    /// The last member: files go after the store was closed.
    _files: Files,
}

/// A store's files, gone with this.
struct Files(PathBuf);

impl Drop for Files {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

impl Replica {
    /// An empty one.
    pub fn open(path: PathBuf) -> Result<Replica, Fault> {
        remove(&path);
        let files = Files(path.clone());
        let copy = Writer::open(&Config::Sqlite { path, durable: false }, "replay")?;
        Ok(Replica { copy, secrets: BTreeMap::new(), at: 0, _files: files })
    }

    /// Replays the next entries. After an error it is of no more use.
    pub fn apply(&mut self, entries: &[Vec<u8>], registry: &Registry) -> Result<(), Fault> {
        // What a later part destroys is not told by the replay of that part. In canonical bytes
        // these words stand for nothing else: inside of a text the quotes would be escaped.
        const DESTROYED: &[u8] = b"\"op\":\"unsecret\"";
        for bytes in entries {
            if !bytes.windows(DESTROYED.len()).any(|words| words == DESTROYED) {
                continue;
            }
            let entry: Entry = serde_json::from_slice(bytes)
                .map_err(|e| Fault::new(format!("a journal entry cannot be read: {e}")))?;
            for effect in entry.effects {
                if let Effect::Unsecret { kind, id, name } = effect {
                    self.secrets.remove(&(kind, id, name));
                }
            }
        }
        let made = replay(entries.iter().cloned(), registry, &mut self.copy)?;
        self.secrets.extend(made);
        self.at += entries.len() as u64;
        Ok(())
    }

    /// How it differs from the tables of the moment after its last entry.
    pub fn differences(&mut self, tables: &Tables) -> Result<Vec<String>, Fault> {
        let rows = self.copy.db.everything()?;
        let rows: Vec<Row> = rows.into_iter().map(|stored| stored.row).collect();
        let mut told = Vec::new();
        let mut tell = |what: String| {
            if told.len() < TOLD {
                told.push(what);
            }
        };
        let key = |row: &Row| (row.kind.clone(), row.id.clone());
        let mut left: BTreeMap<_, &Row> = rows.iter().map(|row| (key(row), row)).collect();
        for row in &tables.rows {
            match left.remove(&key(row)) {
                Some(same) if same == row => {}
                Some(_) => tell(format!("{} {} is not as the journal says", row.kind, row.id)),
                None => tell(format!("{} {} is not in the journal", row.kind, row.id)),
            }
        }
        for (kind, id) in left.keys() {
            tell(format!("{kind} {id} is in the journal and not in the tables"));
        }
        if self.copy.db.derived()? != tables.derived {
            tell("claims, links, fields or meters are not as the journal says".into());
        }
        if self.copy.db.usage()? != tables.usage {
            tell("the use of quotas is not as the journal says".into());
        }
        if self.secrets != tables.secrets {
            tell("secrets have other digests than the journal says".into());
        }
        Ok(told)
    }
}

/// Removes the replay's store; nothing to say if it is not there.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_os_string();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
}

/// Whether the entries' times never go back; else the first that does.
pub(crate) fn backwards(entries: &[Entry]) -> Option<u64> {
    entries.windows(2).find(|pair| Time(pair[1].time) < Time(pair[0].time))
        .map(|pair| pair[1].number)
}
