//! The assessor's pack: one file with a report, its evidence and the journal, that proves itself.
//!
//! Problem: evidence is handed over as a directory of files, of which one can be changed, left out
//! or slipped in, and an archive from somebody else is a way to attack whoever opens it. Mechanism
//! (`docs/pack-format.md`): a plain tar whose every byte follows from its manifest. The manifest
//! stands first, signed with both of the journal's keys; it names every file in order, with its
//! size, digests, and a digest for each piece, so that damage is told by file and byte range. This
//! reads forwards and then goes back to the journal, whose verification reads it again, with the
//! entries that the assessment is held against (`assessed.rs`); it keeps a piece or a stretch of the
//! journal in memory, never the whole, and writes no file. Why not a tar library: it accepts links, long
//! names and sparse files, all of which have to be refused here; what is left of the format is one
//! header of 512 bytes.

mod assessed;
mod inside;
mod program;
mod walk;

pub use assessed::{Assessed, document_digest};
pub use program::{Program, Started};
pub use walk::{Trust, check, check_by, check_with, member};

use crate::{Report, Signer, Unchecked, shown};
use jinyun_journal::to_hex;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use sm3::Sm3;
use std::fmt;

/// The format's name and version.
pub const MAGIC: &str = "jinyun-pack/1";
/// The first file.
pub const MANIFEST: &str = "manifest.json";
/// The second: the manifest's digests, signed.
pub const NOTE: &str = "manifest.note";
/// What the platform answered: the source of all reports.
pub const ASSESSMENT: &str = "assessment.json";
/// Files of records: the rest of the name is the file's SHA-256.
pub const EVIDENCE: &str = "evidence/";
/// The journal of the period.
pub const EXPORT: &str = "journal/export";
/// The public keys, for convenience: whoever made the pack chose them.
pub const KEYS: &str = "journal/keys";
/// Roots of timestamp authorities that signed checkpoints, for convenience too.
pub const AUTHORITIES: &str = "journal/authorities";
/// How the names of checkpoints begin.
pub const CHECKPOINT: &str = "journal/checkpoint-";
/// The pieces in which a file is digested: small packs, others, and those of more than [`LARGE`].
pub const PIECES: [u64; 3] = [4096, 65_536, 1 << 20];
/// Up to here a pack has small pieces.
pub const SMALL: u64 = 16 << 20;
/// Behind this one has large pieces.
pub const LARGE: u64 = 8 << 30;
/// The size of a file, at most.
pub const LARGEST: u64 = 1 << 40;
/// The size of a manifest, at most. A file of [`LARGEST`] bytes has 2^20 large pieces of 67 bytes each in
/// it, 67 MiB; the rest is for the other files.
pub const MANIFEST_LARGEST: u64 = 96 << 20;

const BLOCK: u64 = 512;
type Block = [u8; BLOCK as usize];
/// The largest size that eleven octal digits say.
const OCTAL: u64 = (1 << 33) - 1;

/// A file as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Path inside of the pack.
    pub path: String,
    /// SHA-256 of each piece, lower-case hex.
    #[serde(deserialize_with = "digests")]
    pub pieces: Vec<String>,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// SM3 of the file.
    pub sm3: String,
}

/// Digests as long as digests are: what is read of a manifest takes little more memory than it has bytes.
fn digests<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct Digests;

    impl<'de> Visitor<'de> for Digests {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of digests")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = list.next_element::<String>()? {
                if one.len() != 64 {
                    return Err(A::Error::custom("a digest has other than 64 digits"));
                }
                all.push(one);
            }
            Ok(all)
        }
    }

    from.deserialize_seq(Digests)
}

/// A record whose file was not at hand when the pack was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// Name of the record.
    pub name: String,
    /// Its digest.
    pub sha256: String,
}

/// What a pack holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What should be here and is not.
    pub absent: Vec<Absent>,
    /// The files behind the manifest and its note, by path.
    pub files: Vec<Listed>,
    /// [`MAGIC`].
    pub format: String,
    /// Name of the instance.
    pub instance: String,
    /// When it was made, RFC 3339.
    pub made: String,
    /// Bytes of a piece; the last of a file may be shorter.
    pub piece: u64,
}

/// Something that is wrong with a pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Which file, where it can be told.
    pub file: Option<String>,
    /// First byte of it that is concerned.
    pub from: Option<u64>,
    /// Last byte of it that is concerned.
    pub to: Option<u64>,
    /// `header`, `manifest`, `signature`, `changed`, `digest`, `padding`, `missing`, `added`,
    /// `refused`, `truncated`, `end`, `journal`, `checkpoint`, `assessment`, `program`.
    pub what: &'static str,
    /// A sentence.
    pub say: String,
}

/// What was found of a pack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Nothing is wrong, in the journal either.
    pub ok: bool,
    /// The signatures were checked with keys that were given, and not with those in the pack.
    pub trusted: bool,
    /// The instance that it names.
    pub instance: String,
    /// When it says it was made.
    pub made: String,
    /// Files behind the manifest and its note that were read to their end, changed or not.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// What is wrong.
    pub problems: Vec<Trouble>,
    /// Whose signatures under the manifest's digests hold, by the keys that were given or, without
    /// any, by those in the pack.
    pub signers: Vec<Signer>,
    /// Whose lines there could not be checked, for want of a key.
    pub unchecked: Vec<Unchecked>,
    /// Records that the pack says it lacks.
    pub absent: Vec<Absent>,
    /// What was found of the journal inside.
    pub journal: Option<Report>,
    /// What became of the assessment inside; none if the pack has none, or could not be read so far.
    pub assessment: Option<Assessed>,
    /// What became of the program that was given; none if none was.
    pub program: Option<Program>,
    /// Which programs the control process was started from, by what it says of itself in the journal; a
    /// hundred at most.
    pub started: Vec<Started>,
}

/// Bytes of a piece in a pack whose files have so many together.
pub fn piece(total: u64) -> u64 {
    let [small, middle, large] = PIECES;
    if total <= SMALL {
        small
    } else if total <= LARGE {
        middle
    } else {
        large
    }
}

/// Whether a path may stand in a pack; says why not.
pub fn path_fault(path: &str) -> Option<&'static str> {
    if path.is_empty() || path.len() > 100 {
        return Some("has no name, or one of more than 100 bytes");
    }
    if path.starts_with('/') {
        return Some("has an absolute path");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    for part in path.split('/') {
        if part == ".." || part == "." {
            return Some("has a path that leaves its directory");
        }
        if part.is_empty() || !part.chars().all(plain) {
            return Some("has a path with other than letters, digits, and `. _ - /`");
        }
    }
    None
}

/// The header of a file: the only one that a path and a size have here. `None` if there is none.
pub fn header(path: &str, size: u64) -> Option<Block> {
    if path_fault(path).is_some() || size > LARGEST {
        return None;
    }
    let mut block = [0; BLOCK as usize];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, path);
    put(100, "0000644\x000000000\x000000000");
    put(136, "00000000000");
    put(148, "        0");
    put(257, "ustar\x0000");
    // Octal where that suffices: a size has one form.
    if size <= OCTAL {
        put(124, &format!("{size:011o}"));
    } else {
        block[124] = BINARY;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(block)
}

/// The text that is signed for a manifest.
pub fn signed_text(instance: &str, made: &str, manifest: &[u8]) -> String {
    format!("{MAGIC}\n{instance}\n{made}\nsha256 {}\nsm3 {}\n", to_hex(&Sha256::digest(manifest)),
        to_hex(&Sm3::digest(manifest)))
}

/// A header that somebody wrote, as far as it can be read.
struct Entry {
    path: String,
    size: Option<u64>,
    refused: Option<&'static str>,
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    let digits = !text.is_empty() && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    digits.then(|| u64::from_str_radix(text, 8).ok())?
}

/// How a size begins that is no octal digits but a number of eleven bytes, the largest first.
const BINARY: u8 = 0x80;

/// The size in a header, in the form that it has to have.
fn size_in(field: &[u8]) -> Option<u64> {
    let Some((&BINARY, number)) = field.split_first() else { return octal(field) };
    let (high, low) = number.split_at_checked(3)?;
    let size = u64::from_be_bytes(low.try_into().ok()?);
    (high.iter().all(|b| *b == 0) && size > OCTAL).then_some(size)
}

impl Entry {
    /// `None` if the checksum is wrong: that is damage, not somebody's header.
    fn read(block: &Block) -> Option<Entry> {
        let sum: u64 = block.iter().enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u64::from(*b) }).sum();
        if octal(&block[148..156]) != Some(sum) {
            return None;
        }
        let text = |field: &[u8]| {
            let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).into_owned()
        };
        let (name, prefix) = (text(&block[..100]), text(&block[345..500]));
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        let size = size_in(&block[124..136]);
        let kind = match block[156] {
            b'0' | 0 => None,
            b'1' | b'2' => Some("is a link"),
            b'3' | b'4' | b'6' => Some("is a device or a pipe"),
            b'5' => Some("is a directory"),
            b'x' | b'g' | b'L' | b'K' => Some("is an extended header, which can rename files"),
            _ => Some("is of an unknown sort"),
        };
        let huge = (size.is_none() || size > Some(LARGEST)).then_some("says a size that no file has");
        let refused = kind.or(path_fault(&path)).or(huge);
        Some(Entry { path, size, refused })
    }

    /// The path, safe to print.
    fn shown(&self) -> String {
        shown(&self.path)
    }
}

impl Manifest {
    /// Reads a manifest; says what is wrong with one that no pack can have.
    pub fn read(bytes: &[u8]) -> Result<Manifest, String> {
        let manifest: Manifest = serde_json::from_slice(bytes)
            .map_err(|e| format!("cannot be read: it was changed ({})", shown(&e.to_string())))?;
        if manifest.format != MAGIC {
            return Err(format!("is not of the format `{MAGIC}`"));
        }
        if !PIECES.contains(&manifest.piece) {
            return Err("has pieces of a size that the format does not have".into());
        }
        let plain = |text: &str, more: &str| {
            (1..=64).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if !plain(&manifest.instance, "") || !plain(&manifest.made, "-:.") {
            return Err("names no instance, or no time".into());
        }
        let mut before = "";
        for file in &manifest.files {
            let shown = shown(&file.path);
            if let Some(why) = path_fault(&file.path) {
                return Err(format!("names `{shown}`, which {why}"));
            }
            if file.path.as_str() <= before || [MANIFEST, NOTE].contains(&file.path.as_str()) {
                return Err(format!("names `{shown}` twice or out of order"));
            }
            before = &file.path;
            let pieces = file.size.div_ceil(manifest.piece);
            if file.size > LARGEST || file.pieces.len() as u64 != pieces {
                return Err(format!("has not one digest for each piece of `{shown}`"));
            }
        }
        Ok(manifest)
    }
}
