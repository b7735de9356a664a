//! The files of records: what somebody uploaded as a proof, as it came.
//!
//! Problem: a record that names a file proves nothing if the file can be swapped, or if a crash
//! leaves the one without the other. Mechanism: bytes go to a temporary file while both digests are
//! made, are written through, and take a name that is their SHA-256; only then comes the row, with
//! both digests and the length. So a file without a row is nothing, a row without its file is found
//! by looking, and so is a file whose bytes are not those of its name. Each institution has a
//! directory of its own: what one uploads must not be quicker because another has it.

use crate::record::DutyRecord;
use jinyun_base::{Fault, Id, Refusal, Refused, Time};
use jinyun_engine::{Failure, Query, View};
use jinyun_rest::Upload;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sm3::Sm3;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

/// The largest file, in bytes.
pub const LARGEST: i64 = 256 << 20;
/// How long a file may lie without a row: a record can wait for its approval that long.
const ALONE: i64 = 40 * 86_400;

const TEMPORARY: &str = ".upload-";
const CHUNK: usize = 1 << 20;

/// What a file is known by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// SHA-256, lower-case hex; also its name.
    pub sha256: String,
    /// SM3, lower-case hex.
    pub sm3: String,
    /// Its length.
    pub bytes: i64,
}

/// The directory.
pub struct Files {
    dir: PathBuf,
    next: AtomicU64,
    /// Held while a file gets its name and its row.
    turn: Mutex<()>,
}

/// A file that has arrived and has no name yet. Dropped without one, it is removed.
pub struct Received {
    path: PathBuf,
    /// What it is known by.
    pub file: FileRef,
}

impl Drop for Received {
    fn drop(&mut self) {
        // What cannot be removed now is removed at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

fn io(path: &Path, what: &str, e: &std::io::Error) -> Fault {
    Fault::new(format!("{what} {}: {e}", path.display()))
}

/// What is counted and digested while bytes go by.
#[derive(Default)]
struct Sums {
    sha256: Sha256,
    sm3: Sm3,
    bytes: i64,
}

impl Sums {
    fn take(&mut self, part: &[u8]) {
        self.sha256.update(part);
        self.sm3.update(part);
        self.bytes = self.bytes.saturating_add(i64::try_from(part.len()).unwrap_or(i64::MAX));
    }

    fn end(self) -> FileRef {
        FileRef {
            sha256: jinyun_journal::to_hex(&self.sha256.finalize()),
            sm3: jinyun_journal::to_hex(&self.sm3.finalize()),
            bytes: self.bytes,
        }
    }
}

fn close(dir: &Path) -> Result<(), Fault> {
    fs::create_dir_all(dir).map_err(|e| io(dir, "making", &e))?;
    fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(|e| io(dir, "closing", &e))
}

fn sync(dir: &Path) -> Result<(), Fault> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| io(dir, "writing", &e))
}

/// The names in a directory.
fn names(dir: &Path) -> Result<Vec<(String, PathBuf)>, Fault> {
    let all = fs::read_dir(dir).map_err(|e| io(dir, "reading", &e))?;
    all.map(|entry| {
        let entry = entry.map_err(|e| io(dir, "reading", &e))?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
    }).collect()
}

impl Files {
    /// Opens the directory, or makes it. Uploads that broke off with the process are removed.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Files, Fault> {
        let dir = dir.into();
        close(&dir)?;
        for (name, path) in names(&dir)? {
            if name.starts_with(TEMPORARY) {
                fs::remove_file(&path).map_err(|e| io(&path, "removing", &e))?;
            }
        }
        Ok(Files { dir, next: AtomicU64::new(0), turn: Mutex::default() })
    }

    /// The directory of a domain. An id that could lead elsewhere is none of ours.
    fn home(&self, domain: &Id) -> Result<PathBuf, Fault> {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
        match domain.as_str() {
            "" => Err(Fault::new("a record without a domain has no file")),
            id if id.chars().all(good) => Ok(self.dir.join(id)),
            _ => Err(Fault::new("a domain's id cannot name a directory")),
        }
    }

    /// Where a file is.
    pub fn path(&self, domain: &Id, file: &FileRef) -> Result<PathBuf, Fault> {
        let digits = file.sha256.len() == 64 && file.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        match digits {
            true => Ok(self.home(domain)?.join(&file.sha256)),
            false => Err(Fault::new("a record names a file by what is no digest")),
        }
    }

    /// Takes a file in, to its end, and writes it through.
    pub fn receive(&self, input: &mut dyn Read, largest: i64) -> Result<Received, Failure> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("{TEMPORARY}{number}"));
        let mut received = Received { path, file: FileRef::default() };
        let at = &received.path;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600)
            .open(at).map_err(|e| io(at, "making", &e))?;
        let mut sums = Sums::default();
        let upload = Upload { field: "file", thing: "the file", largest };
        let bytes = upload.receive(input, &mut |part| {
            sums.take(part);
            file.write_all(part).map_err(|e| io(at, "writing", &e).into())
        })?;
        if bytes == 0 {
            return Err(Refusal::invalid("file", "is empty: send it as the request's body").into());
        }
        file.sync_all().map_err(|e| io(at, "writing", &e))?;
        received.file = sums.end();
        Ok(received)
    }

    /// Gives a file its name, durably, and then has its row written. If the rules refuse the row the
    /// file goes again, unless another row has it or the row waits for an approval.
    pub fn settle<T>(&self, received: Received, domain: &Id,
        row: impl FnOnce(&FileRef) -> Result<T, Failure>) -> Result<T, Failure> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(domain, &received.file)?;
        let there = path.exists();
        close(&self.home(domain)?)?;
        fs::rename(&received.path, &path).map_err(|e| io(&path, "naming", &e))?;
        sync(&self.home(domain)?)?;
        sync(&self.dir)?;
        let came = row(&received.file);
        if let Err(Failure::Refused(refusal)) = &came
            && !matches!(refusal.why, Refused::NeedsApproval(_)) && !there
        {
            fs::remove_file(&path).map_err(|e| io(&path, "removing", &e))?;
        }
        came
    }

    /// What is wrong with a file, if something is.
    pub fn check(&self, domain: &Id, known: &FileRef) -> Result<Option<&'static str>, Fault> {
        let path = self.path(domain, known)?;
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Some("lost")),
            Err(e) => return Err(io(&path, "reading", &e)),
        };
        let mut sums = Sums::default();
        let mut chunk = vec![0u8; CHUNK];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => break,
                // Longer than it was: however long it is now, it is another one.
                Ok(_) if sums.bytes > known.bytes => return Ok(Some("altered")),
                Ok(got) => sums.take(chunk.get(..got).unwrap_or_default()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(io(&path, "reading", &e)),
            }
        }
        Ok((sums.end() != *known).then_some("altered"))
    }

    /// Removes files that no record has and that no request for approval can still bring one for;
    /// how many there were. For the start, before anything is uploaded.
    pub fn sweep(&self, view: &mut View<'_>, now: Time) -> Result<usize, Fault> {
        let mut kept = BTreeSet::new();
        for record in view.list::<DutyRecord>(&Query::default())? {
            if let Some(file) = &record.spec.file {
                kept.insert(self.path(&record.domain, file)?);
            }
        }
        let mut removed = 0;
        for (_, dir) in names(&self.dir)? {
            if !dir.is_dir() {
                continue;
            }
            for (_, path) in names(&dir)?.into_iter().filter(|(_, path)| !kept.contains(path)) {
                let written = fs::metadata(&path).and_then(|about| about.modified())
                    .map_err(|e| io(&path, "reading", &e))?;
                let since = written.duration_since(UNIX_EPOCH).unwrap_or_default();
                let written = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
                if now.0.div_euclid(Time::SECOND).saturating_sub(written) > ALONE {
                    fs::remove_file(&path).map_err(|e| io(&path, "removing", &e))?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}
