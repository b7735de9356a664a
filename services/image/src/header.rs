//! Judges the first bytes of an upload against the format that its owner declared.
//!
//! Problem: a qcow2 file can name other files (a backing file, an external data file), and whoever
//! opens it opens those; and a program that guesses formats can be made to see such a header in a
//! file that was declared raw. Mechanism: the format is what the owner declared and nothing else;
//! the header is read here, by us, and whatever names another file is refused before it is stored.
//! Hosts judge again before QEMU reads the file; the same is refused there, so that the owner
//! learns it at the upload and not from a disk that cannot be made.
//!
//! Layout: docs/interop/qcow2.txt in QEMU. All numbers are big-endian.

use jinyun_base::Refusal;

/// How much of a file's beginning is needed: the header ends within the first cluster.
pub const HEAD: usize = 64 << 10;

/// The largest disk that a host can make, in bytes.
const LARGEST_DISK: u64 = 1 << 50;

const MAGIC: u32 = 0x5146_49fb;
const EXTENSION_END: u32 = 0;
const EXTENSION_DATA_FILE: u32 = 0x4441_5441;
const INCOMPATIBLE_CORRUPT: u64 = 1 << 1;
const INCOMPATIBLE_DATA_FILE: u64 = 1 << 2;
/// Dirty, corrupt, data file, compression type, extended L2: the bits that have a meaning.
const INCOMPATIBLE_KNOWN: u64 = 0x1f;

/// Judges an upload by its first [`HEAD`] bytes and its length. Returns the size of the disk
/// inside.
pub fn judge(format: &str, head: &[u8], bytes: i64) -> Result<i64, Refusal> {
    let size = match format {
        "raw" if number(head, 0) == Some(MAGIC) => Err(
            "it was declared raw and begins like a qcow2 file; declare it qcow2, or convert it \
             with `qemu-img convert -O raw`",
        ),
        "raw" => Ok(bytes),
        "qcow2" => qcow2(head).and_then(|size| i64::try_from(size).map_err(|_| "it is too large")),
        _ => Err("its disk_format is neither raw nor qcow2"),
    };
    size.map_err(|why| Refusal::invalid("data", format!("of the image is refused: {why}")))
}

/// The size of the disk in a qcow2 file, if it may be read by a program that follows what its
/// header names. What is refused comes first: nothing behind it has to be readable.
fn qcow2(head: &[u8]) -> Result<u64, &'static str> {
    const SHORT: &str = "its qcow2 header is cut short";
    if number(head, 0) != Some(MAGIC) {
        return Err("it was declared qcow2 and does not begin like one");
    }
    let version = number(head, 4).ok_or(SHORT)?;
    if !(2..=3).contains(&version) {
        return Err("its qcow2 version is neither 2 nor 3");
    }
    if long(head, 8).ok_or(SHORT)? != 0 || number(head, 16).ok_or(SHORT)? != 0 {
        return Err("it names a backing file; flatten it with `qemu-img convert` first");
    }
    if !(9..=21).contains(&number(head, 20).ok_or(SHORT)?) {
        return Err("its cluster size is impossible");
    }
    let size = long(head, 24).ok_or(SHORT)?;
    if size > LARGEST_DISK {
        return Err("the disk inside is larger than any disk can be here");
    }
    if number(head, 32).ok_or(SHORT)? != 0 {
        return Err("it is encrypted; decrypt it first");
    }
    if number(head, 60).ok_or(SHORT)? != 0 {
        return Err("it has internal snapshots; remove them with `qemu-img snapshot -d` first");
    }
    let mut extensions = 72;
    if version == 3 {
        let incompatible = long(head, 72).ok_or(SHORT)?;
        if incompatible & INCOMPATIBLE_DATA_FILE != 0 {
            return Err(DATA_FILE);
        }
        if incompatible & INCOMPATIBLE_CORRUPT != 0 {
            return Err("it is marked corrupt; repair it with `qemu-img check -r all` first");
        }
        if incompatible & !INCOMPATIBLE_KNOWN != 0 {
            return Err("it uses features that are unknown here");
        }
        extensions = usize::try_from(number(head, 100).ok_or(SHORT)?).map_err(|_| SHORT)?;
        if extensions < 104 {
            return Err(SHORT);
        }
    }
    if names_data_file(head, extensions).ok_or(SHORT)? {
        return Err(DATA_FILE);
    }
    Ok(size)
}

const DATA_FILE: &str =
    "it keeps its data in another file; flatten it with `qemu-img convert` first";

/// Whether a header extension names a data file. `None` if the extensions do not end.
fn names_data_file(head: &[u8], mut at: usize) -> Option<bool> {
    loop {
        let kind = number(head, at)?;
        let length = usize::try_from(number(head, at.checked_add(4)?)?).ok()?;
        match kind {
            EXTENSION_END => return Some(false),
            EXTENSION_DATA_FILE => return Some(true),
            _ => {}
        }
        // Bodies are padded to eight bytes. `at` grows by eight at least, so this ends.
        at = at.checked_add(8)?.checked_add(length.checked_next_multiple_of(8)?)?;
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
