//! Reads a qcow2 header, for two judgements that must not depend on QEMU's own reading of it.
//!
//! An image comes from somebody else. A qcow2 file can name other files (a backing file, an
//! external data file), and whoever opens it opens those: so an image with either is refused
//! before any program that follows such names sees it. And a disk of ours must be what the records
//! say: encrypted with LUKS, self-contained. That is read here and reported.
//!
//! Layout: docs/interop/qcow2.txt in QEMU. All numbers are big-endian.

/// How much of a file's beginning is enough for [`parse`]: the header ends within the first
/// cluster, and ours are 64 KiB.
pub const HEAD: usize = 64 << 10;

/// `crypt_method` of a LUKS-encrypted file.
pub const LUKS: u32 = 2;

const MAGIC: u32 = 0x5146_49fb;
const EXTENSION_END: u32 = 0;
const EXTENSION_CRYPTO: u32 = 0x0537_be77;
const EXTENSION_DATA_FILE: u32 = 0x4441_5441;
const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
const INCOMPATIBLE_DATA_FILE: u64 = 1 << 2;
/// Dirty, corrupt, data file, compression type, extended L2: the bits that have a meaning.
const INCOMPATIBLE_KNOWN: u64 = 0x1f;

/// What a header says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// Size that a guest sees, in bytes.
    pub bytes: u64,
    /// Names a backing file.
    pub backing: bool,
    /// Names an external data file or says that there is one.
    pub data_file: bool,
    /// 0 none, 1 AES (broken by design), 2 LUKS.
    pub crypt_method: u32,
    /// Internal snapshots.
    pub snapshots: u32,
    /// Feature bits that a reader must understand.
    pub incompatible: u64,
    /// Where the LUKS header with its key slots is: offset and length.
    pub crypto: Option<(u64, u64)>,
}

/// Reads the header from a file's first bytes.
pub fn parse(head: &[u8]) -> Result<Header, String> {
    if number(head, 0) != Some(MAGIC) {
        return Err("it is not a qcow2 file".into());
    }
    let version = number(head, 4).unwrap_or(0);
    if !(2..=3).contains(&version) {
        return Err(format!("its qcow2 version is {version}, not 2 or 3"));
    }
    fields(head, version).ok_or_else(|| "its qcow2 header is cut short".to_owned())
}

fn fields(head: &[u8], version: u32) -> Option<Header> {
    let mut header = Header {
        backing: long(head, 8)? != 0 || number(head, 16)? != 0,
        bytes: long(head, 24)?,
        crypt_method: number(head, 32)?,
        snapshots: number(head, 60)?,
        ..Header::default()
    };
    let mut at = 72;
    if version == 3 {
        header.incompatible = long(head, 72)?;
        at = usize::try_from(number(head, 100)?).ok()?;
    }
    header.data_file = header.incompatible & INCOMPATIBLE_DATA_FILE != 0;
    loop {
        let kind = number(head, at)?;
        let length = usize::try_from(number(head, at.checked_add(4)?)?).ok()?;
        let body = at.checked_add(8)?;
        match kind {
            EXTENSION_END => return Some(header),
            EXTENSION_DATA_FILE => header.data_file = true,
            EXTENSION_CRYPTO if length >= 16 => {
                header.crypto = Some((long(head, body)?, long(head, body.checked_add(8)?)?));
            }
            _ => {}
        }
        // Bodies are padded to eight bytes. `at` grows by eight at least, so this ends.
        at = body.checked_add(length.checked_next_multiple_of(8)?)?;
    }
}

/// Whether an image may be read by a program that follows what its header names.
pub fn fit_to_import(header: &Header) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    if header.backing {
        return refuse("it names a backing file; flatten it first");
    }
    if header.data_file {
        return refuse("it keeps its data in another file; flatten it first");
    }
    if header.crypt_method != 0 {
        return refuse("it is encrypted; decrypt it first");
    }
    if header.snapshots != 0 {
        return refuse("it has internal snapshots; remove them first");
    }
    if header.incompatible & INCOMPATIBLE_CORRUPT != 0 {
        return refuse("it is marked corrupt");
    }
    if header.incompatible & !INCOMPATIBLE_KNOWN != 0 {
        return refuse("it uses features that are unknown here");
    }
    Ok(())
}

/// Whether a file is a disk as this host makes them.
pub fn fit_to_run(header: &Header) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    if header.crypt_method != LUKS || header.crypto.is_none() {
        return refuse("it is not encrypted with LUKS");
    }
    if header.backing || header.data_file {
        return refuse("it names another file");
    }
    Ok(())
}

/// What to report as the disk's cipher.
#[must_use]
pub fn cipher(header: &Header) -> &'static str {
    match header.crypt_method {
        0 => "none",
        1 => "aes-cbc",
        LUKS => "luks",
        _ => "unknown",
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(part.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_be_bytes(part.try_into().ok()?))
}

#[cfg(test)]
#[path = "qcow2_tests.rs"]
mod tests;
