//! The journal's format: entries, twin Merkle trees, signed checkpoints, exports.
//!
//! `docs/journal-format.md` fixes the bytes; this crate is its only implementation in the product,
//! shared by the store that writes and the verifier that must trust nothing. No IO, no clock, no
//! key of its own: a signer comes in as a function.

pub mod entry;
pub mod export;
pub mod merkle;
pub mod note;

pub use entry::{Actor, Effect, Entry, Institution, Previous, Reason, Target};
pub use merkle::{Hash, HashKind, Tree};
pub use note::{Checkpoint, Key, Note};

/// Lower-case hex.
pub fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        let _ = write!(out, "{b:02x}");
    }
    out
}

/// Reads lower-case hex; upper case is not ours and is refused.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    bytes.chunks(2).map(|p| Some(digit(p[0])? << 4 | digit(p[1])?)).collect()
}
