//! The directory that keeps the images' bytes: a file for each image, named by its id.
//!
//! Problem: an upload can break off anywhere, two can arrive for the same image, and a control
//! process can die between the file and the record. Mechanism: bytes go to a temporary file, are
//! judged and written through, and only then take the image's name; one upload at a time holds an
//! image ([`Reserved`]); and whatever no record speaks for is removed by [`Files::sweep`]. The
//! record is the truth: a file without an active record is nothing, so no order of crashes can
//! leave an image that is half there.
//!
//! Why not a file that is named by its digest: two tenants' equal images would be one file, and one
//! could learn of the other's by how fast an upload ends.

use crate::header::{HEAD, judge};
use crate::image::Image;
use jinyun_base::{Fault, Id, Refusal};
use jinyun_engine::{Failure, View};
use jinyun_rest::Upload;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// The longest upload, in bytes.
pub const LARGEST: i64 = 64 << 30;

const TEMPORARY: &str = ".upload-";

/// The directory.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
    /// Images that somebody is uploading.
    busy: Mutex<HashSet<Id>>,
}

/// What an upload brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    /// Where hosts read the file.
    pub path: String,
    /// The format under which it was judged.
    pub disk_format: String,
    /// Length of the file.
    pub bytes: i64,
    /// Size of the disk inside.
    pub virtual_bytes: i64,
    /// SHA-256, lower-case hex.
    pub sha256: String,
    /// SHA-512, lower-case hex.
    pub sha512: String,
}

fn io(path: &Path, what: &str, e: &std::io::Error) -> Fault {
    Fault::new(format!("{what} {}: {e}", path.display()))
}

impl Files {
    /// Opens the directory, or makes it.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Files, Fault> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(|e| io(&dir, "making", &e))?;
        fs::set_permissions(&dir, Permissions::from_mode(0o700))
            .map_err(|e| io(&dir, "closing", &e))?;
        Ok(Files { dir, busy: Mutex::new(HashSet::new()) })
    }

    /// Where an image's file is. Ids of images are UUIDs: none leads out of the directory.
    pub fn path(&self, id: &Id) -> PathBuf {
        self.dir.join(id.as_str())
    }

    fn busy(&self) -> MutexGuard<'_, HashSet<Id>> {
        match self.busy.lock() {
            Ok(busy) => busy,
            // A thread that panicked left a set of ids, which is whole at any moment.
            Err(broken) => broken.into_inner(),
        }
    }

    /// Holds an image for one upload.
    pub fn reserve(&self, id: &Id) -> Result<Reserved<'_>, Refusal> {
        if !self.busy().insert(id.clone()) {
            return Err(Refusal::conflict(format!(
                "data for image {id} is being uploaded already; wait for it to end"
            )));
        }
        let temporary = self.dir.join(format!("{TEMPORARY}{id}"));
        Ok(Reserved { files: self, id: id.clone(), temporary })
    }

    /// Removes an image's file. One that is not there is removed.
    pub fn remove(&self, id: &Id) -> Result<(), Fault> {
        remove(&self.path(id))
    }

    /// Removes every file that belongs to no image and no running upload: at start, and after an
    /// image's row is gone. Returns how many there were.
    pub fn sweep(&self, view: &mut View<'_>) -> Result<usize, Fault> {
        // Held throughout, so that no upload begins between the look and the removal.
        let busy = self.busy();
        let mut removed = 0;
        let all = fs::read_dir(&self.dir).map_err(|e| io(&self.dir, "reading", &e))?;
        for entry in all {
            let entry = entry.map_err(|e| io(&self.dir, "reading", &e))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let keep = match name.strip_prefix(TEMPORARY) {
                Some(id) => busy.contains(&Id::new(id)),
                None => {
                    let id = Id::new(&name);
                    busy.contains(&id) || view.get::<Image>(&id)?.is_some()
                }
            };
            if !keep {
                remove(&entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io(path, "removing", &e)),
        _ => Ok(()),
    }
}

/// The right to upload an image's data. Dropping it gives it back; what was not kept is removed.
#[derive(Debug)]
pub struct Reserved<'a> {
    files: &'a Files,
    id: Id,
    temporary: PathBuf,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next sweep.
        let _ = remove(&self.temporary);
        self.files.busy().remove(&self.id);
    }
}

impl Reserved<'_> {
    /// Reads the data to its end, judges it, and writes it through.
    pub fn receive(&self, input: &mut dyn Read, format: &str, largest: i64)
        -> Result<Arrived, Failure> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600)
            .open(&self.temporary)
            .map_err(|e| io(&self.temporary, "making", &e))?;
        let (mut sha256, mut sha512) = (Sha256::new(), Sha512::new());
        let mut head = Vec::new();
        let upload = Upload { field: "data", thing: "an image", largest };
        let bytes = upload.receive(input, &mut |part| {
            let room = HEAD.saturating_sub(head.len()).min(part.len());
            head.extend_from_slice(part.get(..room).unwrap_or_default());
            sha256.update(part);
            sha512.update(part);
            file.write_all(part).map_err(|e| io(&self.temporary, "writing", &e).into())
        })?;
        let virtual_bytes = judge(format, &head, bytes)?;
        file.sync_all().map_err(|e| io(&self.temporary, "writing", &e))?;
        Ok(Arrived {
            path: self.files.path(&self.id).to_string_lossy().into_owned(),
            disk_format: format.into(),
            bytes,
            virtual_bytes,
            sha256: hex(&sha256.finalize()),
            sha512: hex(&sha512.finalize()),
        })
    }

    /// Gives what was received the image's name, durably.
    pub fn keep(&self) -> Result<(), Fault> {
        let path = self.files.path(&self.id);
        fs::rename(&self.temporary, &path).map_err(|e| io(&path, "naming", &e))?;
        let dir = &self.files.dir;
        File::open(dir).and_then(|d| d.sync_all()).map_err(|e| io(dir, "writing", &e))
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}
