//! Takes an image in: nothing reads it before it is proven to be what the records say.
//!
//! The file belongs to the control plane, which is not trusted with root's reading: it could name
//! another file, or change the file between check and use. So it is read once, by descriptor, into
//! a nameless copy of our own while both digests are computed; what was hashed is what is
//! converted. The digests also keep the path harmless: a sender who names `/etc/shadow` has to
//! know its content to get it. Then the header is judged here ([`super::qcow2`]), and only then
//! does a program parse the copy, confined.
//!
//! Why not hash and then hand over the original: it stays writable for its owner. Why not a lease
//! or a seal: file systems differ in both, and a copy costs less than the conversion that follows.

use super::{damaged, failed, qcow2};
use crate::files;
use jinyun_wire::{Fault, ImageSource};
use sha2::{Digest, Sha256, Sha512};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;

/// Beginning of the name of the copy for the instant that it has one.
pub const TEMPORARY: &str = ".image-";

const CHUNK: usize = 1 << 20;

/// A private copy of the image, owned by `uid`, that has the right length, both digests and a
/// header that names nothing else. `largest` is the size of the disk that it must fit.
pub fn verified_copy(
    source: &ImageSource,
    largest: u64,
    dir: &Path,
    uid: u32,
) -> Result<File, Fault> {
    let subject = format!("image {}", source.id);
    if !matches!(source.format.as_str(), "raw" | "qcow2") {
        return Err(damaged(format!(
            "{subject}: the format {:?} is not known",
            source.format
        )));
    }
    let input = open(source).map_err(|e| failed(format!("{subject} cannot be opened: {e}")))?;
    let length = input.metadata().map(|m| m.len()).unwrap_or(0);
    if length != source.bytes {
        let why = format!(
            "{subject} is {length} bytes long, recorded are {}",
            source.bytes
        );
        return Err(damaged(why));
    }
    let mut copy = nameless(dir, uid).map_err(|e| {
        failed(format!(
            "{subject}: no place for a copy in {}: {e}",
            dir.display()
        ))
    })?;
    let (sha256, sha512) = copy_and_hash(input.take(length), &mut copy, length)
        .map_err(|e| failed(format!("{subject} cannot be read: {e}")))?;
    for (name, found, recorded) in [
        ("SHA-256", sha256, &source.sha256),
        ("SHA-512", sha512, &source.sha512),
    ] {
        if !found.eq_ignore_ascii_case(recorded) {
            let why = format!("{subject} has the {name} {found}, recorded is {recorded}");
            return Err(damaged(why));
        }
    }
    let size = guest_size(source, &mut copy)
        .map_err(|why| damaged(format!("{subject} is refused: {why}")))?;
    if size > largest {
        let why = format!("{subject} needs {size} bytes, the disk has {largest}");
        return Err(damaged(why));
    }
    Ok(copy)
}

/// A symbolic link, a device or a pipe is not an image. `O_NONBLOCK`: opening a pipe must not wait.
fn open(source: &ImageSource) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(&source.path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ))
    }
}

/// A file that disappears with its last descriptor. Its owner is the program that will read it:
/// it opens it anew through `/proc/self/fd`, which asks for permission.
fn nameless(dir: &Path, uid: u32) -> io::Result<File> {
    for n in 0..64 {
        let path = dir.join(format!("{TEMPORARY}{n}"));
        let attempt = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(&path);
        match attempt {
            Ok(file) => {
                files::remove(&path)?;
                fchown(&file, Some(uid), Some(uid))?;
                return Ok(file);
            }
            // Another job is in its instant, or a crash left one; the start of the agent clears it.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// One pass: every byte is hashed, and written unless it is part of a hole.
fn copy_and_hash(
    mut input: impl Read,
    output: &mut File,
    length: u64,
) -> io::Result<(String, String)> {
    let (mut sha256, mut sha512) = (Sha256::new(), Sha512::new());
    let mut chunk = vec![0u8; CHUNK];
    loop {
        let got = match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let part = chunk.get(..got).unwrap_or_default();
        sha256.update(part);
        sha512.update(part);
        if part.iter().all(|byte| *byte == 0) {
            output.seek_relative(i64::try_from(got).unwrap_or(0))?;
        } else {
            output.write_all(part)?;
        }
    }
    output.set_len(length)?;
    Ok((hex(&sha256.finalize()), hex(&sha512.finalize())))
}

/// The size of the disk inside the image.
fn guest_size(source: &ImageSource, copy: &mut File) -> Result<u64, String> {
    if source.format == "raw" {
        return Ok(source.bytes);
    }
    let header = qcow2::parse(&head(copy).map_err(|e| e.to_string())?)?;
    qcow2::fit_to_import(&header)?;
    Ok(header.bytes)
}

/// A file's first bytes, enough for [`qcow2::parse`].
pub fn head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(qcow2::HEAD);
    file.seek(SeekFrom::Start(0))?;
    Read::by_ref(file)
        .take(qcow2::HEAD as u64)
        .read_to_end(&mut head)?;
    Ok(head)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
