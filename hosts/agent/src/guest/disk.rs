//! The pool of disks: encrypted qcow2 files, made whole or not at all, erased before they go.
//!
//! A disk is made under a temporary name by a confined qemu-img, judged, written through and only
//! then renamed: a crash at any point leaves either no disk or a good one, and what is left of the
//! attempt is erased at the next start. The passphrase comes through a pipe that the child
//! inherits; it is never an argument and never a file.
//!
//! Files belong to root with mode 0600. A guest's QEMU is handed a descriptor of each of its disks
//! and cannot open any other by name.
//!
//! Erasing means overwriting the LUKS key area and the header, in this order: while the header is
//! there, a crash in between can be picked up again. Without the key area the data is noise even
//! to somebody who has the passphrase. What a copy-on-write file system or an SSD keeps of an
//! overwritten block is beyond this layer; that is why the key is destroyed, too.

use super::confine::{Jail, confine};
use super::process::readable;
use super::{Place, damaged, failed, image, qcow2};
use crate::files;
use crate::log;
use crate::secret::Secret;
use jinyun_wire::{DiskWant, Fault};
use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use nix::unistd::pipe2;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SUFFIX: &str = ".qcow2";
const TEMPORARY: &str = ".new-";
/// More than a qcow2 file of ours could address, and far from where sums overflow.
const LARGEST: u64 = 1 << 50;
/// The smallest guess at where keys are, if a header cannot be read.
const KEY_AREA: u64 = 4 << 20;
/// QEMU measures its processor time to choose the number of hash rounds, and a kernel that counts
/// time in ticks sometimes tells it that none has passed.
const FLAKY: &str = "Unable to get accurate CPU usage";
const TRIES: u32 = 20;
/// The passphrase is random and long; stretching it adds time to each start and no strength.
const OPTIONS: &str = "encrypt.format=luks,encrypt.key-secret=s0,encrypt.cipher-alg=aes-256,\
                       encrypt.cipher-mode=xts,encrypt.iter-time=20";

/// The host's disks.
#[derive(Debug)]
pub struct Pool {
    dir: PathBuf,
    qemu_img: PathBuf,
    uid_base: u32,
}

impl Pool {
    /// Opens the pool and erases what interrupted attempts left.
    pub fn open(place: &Place) -> io::Result<Pool> {
        let dir = place.state_dir.join("disks");
        files::private_dir(&dir)?;
        for name in files::names(&dir)?
            .iter()
            .filter(|name| name.starts_with('.'))
        {
            log::info(format_args!(
                "erasing {name}, left by an interrupted attempt"
            ));
            // Not a reason to leave guests alone: the next start tries again.
            if let Err(e) = erase(&dir.join(name)) {
                log::warn(format_args!("{name} cannot be erased: {e}"));
            }
        }
        Ok(Pool::view(place))
    }

    /// The pool as it is, to read from.
    #[must_use]
    pub fn view(place: &Place) -> Pool {
        Pool {
            dir: place.state_dir.join("disks"),
            qemu_img: place.qemu_img.clone(),
            uid_base: place.uid_base,
        }
    }

    /// Where a disk's file is.
    #[must_use]
    pub fn path(&self, id: &str) -> PathBuf {
        self.dir.join(format!("{id}{SUFFIX}"))
    }

    /// Disks that exist, whole.
    pub fn list(&self) -> io::Result<Vec<String>> {
        let mut ids = files::names(&self.dir)?;
        ids.retain(|name| !name.starts_with('.'));
        Ok(ids
            .iter()
            .filter_map(|name| name.strip_suffix(SUFFIX))
            .map(str::to_owned)
            .collect())
    }

    /// A disk's header and the length of its file.
    pub fn header(&self, id: &str) -> io::Result<(Result<qcow2::Header, String>, u64)> {
        let mut file = File::open(self.path(id))?;
        let length = file.metadata()?.len();
        Ok((qcow2::parse(&image::head(&mut file)?), length))
    }

    /// Opens a disk for a guest, if it is a disk as this pool makes them.
    pub fn open_disk(&self, id: &str) -> Result<File, Fault> {
        let path = self.path(id);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(|e| failed(format!("disk {id} cannot be opened: {e}")))?;
        let head = image::head(&mut file).map_err(|e| failed(format!("disk {id}: {e}")))?;
        qcow2::parse(&head)
            .and_then(|header| qcow2::fit_to_run(&header))
            .map_err(|why| damaged(format!("disk {id} is not fit to run: {why}")))?;
        Ok(file)
    }

    /// Makes a disk. `worker` is the number of the job among those that run at the same time:
    /// each has a user of its own, so that two cannot reach each other; the first user of the range
    /// is the control process's.
    pub fn make(&self, want: &DiskWant, key: &Secret, worker: u32) -> Result<(), Fault> {
        if !(512..=LARGEST).contains(&want.bytes) || !want.bytes.is_multiple_of(512) {
            let why = format!("disk {} cannot have {} bytes", want.id, want.bytes);
            return Err(damaged(why));
        }
        let temporary = self.dir.join(format!("{TEMPORARY}{}", want.id));
        let result = self.make_at(&temporary, want, key, self.uid_base + 1 + worker);
        if result.is_err() {
            // The next attempt or the next start tries again if this fails.
            let _ = erase(&temporary);
        }
        result
    }

    fn make_at(
        &self,
        temporary: &Path,
        want: &DiskWant,
        key: &Secret,
        uid: u32,
    ) -> Result<(), Fault> {
        let subject = format!("disk {}", want.id);
        let blame = |e: io::Error| failed(format!("{subject}: {e}"));
        let source = match &want.image {
            Some(from) => {
                let copy = image::verified_copy(from, want.bytes, &self.dir, uid)?;
                Some((from.format.as_str(), copy))
            }
            None => None,
        };
        erase(temporary).map_err(blame)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(temporary)
            .map_err(blame)?;
        fchown(&file, Some(uid), Some(uid)).map_err(blame)?;
        let tool = Tool {
            program: &self.qemu_img,
            uid,
            bytes: want.bytes,
        };
        tool.create(&file, key)
            .map_err(|why| failed(format!("{subject}: {why}")))?;
        if let Some((format, copy)) = &source {
            tool.convert(format, copy, &file, key)
                .map_err(|why| failed(format!("{subject}: {why}")))?;
        }
        // The tool has read a stranger's image: from here on only we can write.
        fchown(&file, Some(0), Some(0)).map_err(blame)?;
        let header = qcow2::parse(&image::head(&mut file).map_err(blame)?)
            .and_then(|header| qcow2::fit_to_run(&header).map(|()| header))
            .map_err(|why| failed(format!("{subject} came out unfit: {why}")))?;
        if header.bytes != want.bytes {
            return Err(failed(format!(
                "{subject} came out with {} bytes",
                header.bytes
            )));
        }
        file.sync_all().map_err(blame)?;
        let path = self.path(&want.id);
        std::fs::rename(temporary, &path).map_err(blame)?;
        files::sync_parent(&path).map_err(blame)
    }

    /// Erases a disk and removes its file. One that is not there is removed.
    pub fn remove(&self, id: &str) -> Result<(), Fault> {
        erase(&self.path(id)).map_err(|e| failed(format!("disk {id} cannot be erased: {e}")))
    }
}

/// Overwrites what the data could be decrypted with, then removes the file.
fn erase(path: &Path) -> io::Result<()> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let length = file.metadata()?.len();
    let crypto = qcow2::parse(&image::head(&mut file)?)
        .ok()
        .and_then(|header| header.crypto);
    let (start, keys) = crypto.unwrap_or((0, KEY_AREA));
    overwrite(
        &mut file,
        start.min(length),
        keys.min(length.saturating_sub(start)),
    )?;
    overwrite(&mut file, 0, (qcow2::HEAD as u64).min(length))?;
    // A courtesy to thin storage below; not what the erasure rests on.
    if let Ok(whole) = libc::off_t::try_from(length)
        && whole > 0
    {
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let _ = fallocate(&file, hole, 0, whole);
    }
    files::remove(path)?;
    files::sync_parent(path)
}

/// Random bytes rather than zeros, which some storage keeps as "nothing here" and writes nothing.
fn overwrite(file: &mut File, start: u64, length: u64) -> io::Result<()> {
    let mut noise = vec![0u8; 64 << 10];
    File::open("/dev/urandom")?.read_exact(&mut noise)?;
    file.seek(SeekFrom::Start(start))?;
    let mut left = length;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(noise.len());
        file.write_all(noise.get(..part).unwrap_or_default())?;
        left -= part as u64;
    }
    file.sync_all()
}

/// qemu-img, run once for each call.
struct Tool<'a> {
    program: &'a Path,
    uid: u32,
    /// Size of the disk, from which the limits follow.
    bytes: u64,
}

impl Tool<'_> {
    fn create(&self, file: &File, key: &Secret) -> Result<(), String> {
        let target = format!("/proc/self/fd/{}", file.as_raw_fd());
        let size = self.bytes.to_string();
        let arguments = ["-f", "qcow2", "-o", OPTIONS, target.as_str(), size.as_str()];
        for _ in 1..TRIES {
            match self.run("create", &arguments, key, &[file.as_raw_fd()]) {
                Err(why) if why.contains(FLAKY) => {}
                other => return other,
            }
        }
        self.run("create", &arguments, key, &[file.as_raw_fd()])
    }

    /// Both formats are told, never guessed: a raw image may look like anything.
    fn convert(&self, format: &str, from: &File, to: &File, key: &Secret) -> Result<(), String> {
        let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
        let source = format!("driver={format},file.driver=file,file.filename=/proc/self/fd/{from}");
        let target = format!(
            "driver=qcow2,encrypt.format=luks,encrypt.key-secret=s0,\
             file.driver=file,file.filename=/proc/self/fd/{to}"
        );
        let arguments = [
            "-n",
            "--target-is-zero",
            "-t",
            "writeback",
            "-T",
            "writeback",
            "--image-opts",
            "--target-image-opts",
            source.as_str(),
            target.as_str(),
        ];
        self.run("convert", &arguments, key, &[from, to])
    }

    fn run(
        &self,
        verb: &str,
        arguments: &[&str],
        key: &Secret,
        fds: &[RawFd],
    ) -> Result<(), String> {
        let pipe = self
            .key_pipe(key)
            .map_err(|e| format!("no pipe for the key: {e}"))?;
        let object = format!(
            "secret,id=s0,format=base64,file=/proc/self/fd/{}",
            pipe.as_raw_fd()
        );
        let mut command = Command::new(self.program);
        command
            .args([verb, "--object", &object])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // At least 8 MB/s of processor time and 4 MB/s of anything, plus a start.
        let seconds = 60 + self.bytes / (8 << 20);
        let mut jail = Jail::new(self.uid);
        jail.limits = vec![
            // Address space, not memory: each of its many threads reserves much and uses little.
            (libc::RLIMIT_AS, 16 << 30),
            (libc::RLIMIT_CPU, seconds),
            (
                libc::RLIMIT_FSIZE,
                self.bytes + self.bytes / 64 + (64 << 20),
            ),
            (libc::RLIMIT_NOFILE, 256),
        ];
        jail.keep = fds.to_vec();
        jail.keep.push(pipe.as_raw_fd());
        jail.dies_with_us = true;
        confine(&mut command, jail);
        command.env("MALLOC_ARENA_MAX", "2");
        let mut child = command
            .spawn()
            .map_err(|e| format!("qemu-img cannot be started: {e}"))?;
        let patience = Duration::from_secs(2 * seconds);
        let said = match child.stderr.take() {
            Some(stderr) => gather(stderr.into(), &mut child, patience),
            None => String::new(),
        };
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!(
                "qemu-img {verb} failed ({status}): {}",
                said.trim()
            )),
            Err(e) => Err(format!("qemu-img {verb}: {}: {e}", said.trim())),
        }
    }

    /// A pipe that holds the passphrase and is owned by who may read it: opening it by its name
    /// below `/proc/self/fd` asks for permission.
    fn key_pipe(&self, key: &Secret) -> io::Result<OwnedFd> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        fchown(&reader, Some(self.uid), Some(self.uid))?;
        File::from(writer).write_all(key.base64())?;
        Ok(reader)
    }
}

/// What a child says, until it ends or time is up; then it is killed.
fn gather(from: OwnedFd, child: &mut Child, patience: Duration) -> String {
    let until = Instant::now() + patience;
    let (mut file, mut said) = (File::from(from), Vec::new());
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || !readable(file.as_fd(), Some(left)).unwrap_or(false) {
            let _ = child.kill();
            said.extend_from_slice(b" (no end in time)");
            break;
        }
        let mut part = [0; 4096];
        match file.read(&mut part) {
            Ok(got) if got > 0 => {
                // Read on, so that it can end, but remember only the beginning.
                let room = 4096usize.saturating_sub(said.len()).min(got);
                said.extend_from_slice(part.get(..room).unwrap_or_default());
            }
            _ => break,
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
