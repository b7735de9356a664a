//! Writing exports: of a period, and of one institution's entries alone.
//!
//! An institution must be able to prove what was done to it without seeing what was done to others.
//! So its export has its own entries and, for everything between them, the roots of the complete
//! subtrees: from these alone the roots of both trees follow. Not an inclusion proof for each entry,
//! which would say the same inner nodes again and again.

use crate::entry::Leaf;
use crate::merkle::{Hash, HashKind, Tree};
use sha2::Digest;
use std::io::{self, Write};

/// First line of an export.
pub const MAGIC: &str = "jinyun-journal-export/1";

/// What an export covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Name of the instance.
    pub instance: String,
    /// Epoch.
    pub epoch: u64,
    /// First entry.
    pub from: u64,
    /// One past the last entry.
    pub to: u64,
}

impl Period {
    /// The second line of an export.
    pub fn line(&self) -> String {
        let instance = serde_json::Value::from(self.instance.as_str());
        format!(
            "{{\"epoch\":{},\"from\":{},\"instance\":{instance},\"to\":{}}}",
            self.epoch, self.from, self.to
        )
    }
}

/// Writes an export. `leaves` are those of the entries before `from`; `entries` the period's own
/// canonical bytes; `notes` the checkpoints in order.
pub fn write(
    out: &mut dyn Write,
    period: &Period,
    leaves: impl Iterator<Item = Leaf>,
    entries: impl Iterator<Item = Vec<u8>>,
    notes: &[String],
) -> io::Result<()> {
    let mut out = Summing { out, hash: sha2::Sha256::new() };
    writeln!(out, "{MAGIC}\n{}", period.line())?;
    for entry in entries {
        out.write_all(&entry)?;
        out.write_all(b"\n")?;
    }
    let mut trees = HashKind::BOTH.map(Tree::new);
    for leaf in leaves {
        trees.iter_mut().zip(HashKind::BOTH).for_each(|(t, k)| t.push(leaf.get(k)));
    }
    for (tree, kind) in trees.iter().zip(HashKind::BOTH) {
        write!(out, "proof {}", kind.name())?;
        for peak in tree.peaks() {
            write!(out, " {}", crate::to_hex(peak))?;
        }
        writeln!(out)?;
    }
    for note in notes {
        writeln!(out, "note {}", serde_json::Value::from(note.as_str()))?;
    }
    let sum = out.hash.clone().finalize();
    writeln!(out.out, "end {}", crate::to_hex(&sum))
}

struct Summing<'a> {
    out: &'a mut dyn Write,
    hash: sha2::Sha256,
}

impl Write for Summing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// First line of an export of one institution's entries.
pub const PART_MAGIC: &str = "jinyun-journal-institution/1";

/// What an export of one institution's entries covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Name of the instance.
    pub instance: String,
    /// Epoch.
    pub epoch: u64,
    /// The institution's id.
    pub institution: String,
    /// First entry, by the institution's own number.
    pub from: u64,
    /// One past the last entry, by the institution's own number.
    pub to: u64,
    /// How many entries of the whole journal the checkpoint covers.
    pub size: u64,
}

impl Part {
    /// The second line of the export.
    pub fn line(&self) -> String {
        let instance = serde_json::Value::from(self.instance.as_str());
        let institution = serde_json::Value::from(self.institution.as_str());
        format!(
            "{{\"epoch\":{},\"from\":{},\"instance\":{instance},\"institution\":{institution},\
             \"size\":{},\"to\":{}}}", self.epoch, self.from, self.size, self.to
        )
    }
}

/// Writes an export of one institution's entries, a piece at a time: whoever calls decides how much
/// is in memory at once.
pub struct PartWriter {
    text: Vec<u8>,
    hash: sha2::Sha256,
}

impl PartWriter {
    /// The beginning.
    pub fn new(part: &Part) -> PartWriter {
        let mut writer = PartWriter { text: Vec::new(), hash: sha2::Sha256::new() };
        writer.line(PART_MAGIC.as_bytes());
        writer.line(part.line().as_bytes());
        writer
    }

    fn line(&mut self, bytes: &[u8]) {
        for bytes in [bytes, b"\n".as_slice()] {
            self.hash.update(bytes);
            self.text.extend_from_slice(bytes);
        }
    }

    /// The next entry's canonical bytes.
    pub fn entry(&mut self, bytes: &[u8]) {
        self.line(bytes);
    }

    /// The next 2^`level` entries are not in the export: the roots of the subtree that they make up.
    pub fn skip(&mut self, level: u32, roots: &Leaf) {
        let count = 1u64 << level.min(63);
        let line = format!(
            "skip {count} {} {}", crate::to_hex(&roots.sha256), crate::to_hex(&roots.sm3)
        );
        self.line(line.as_bytes());
    }

    /// The end: the two notes of the checkpoint, and the sum.
    pub fn finish(&mut self, notes: &[String]) {
        for note in notes {
            self.line(format!("note {}", serde_json::Value::from(note.as_str())).as_bytes());
        }
        let sum = self.hash.clone().finalize();
        self.line(format!("end {}", crate::to_hex(&sum)).as_bytes());
    }

    /// What was written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }
}

/// The complete subtrees that make up the entries `from..to`: first entry and level of each (one of
/// level n has 2^n entries).
pub fn pieces(from: u64, to: u64) -> Vec<(u64, u32)> {
    let mut all = Vec::new();
    let mut at = from;
    while at < to {
        let level = at.trailing_zeros().min((to - at).ilog2());
        all.push((at, level));
        at += 1 << level;
    }
    all
}

/// A tree to which a complete subtree of `count` leaves is added by its root; `None` where no such
/// subtree can stand.
pub fn graft(kind: HashKind, tree: &Tree, count: u64, root: Hash) -> Option<Tree> {
    if !count.is_power_of_two() || !tree.size().is_multiple_of(count) {
        return None;
    }
    let size = tree.size().checked_add(count)?;
    let mut peaks = tree.peaks().to_vec();
    let (mut root, mut place) = (root, tree.size() / count);
    while place & 1 == 1 {
        root = kind.node(&peaks.pop()?, &root);
        place >>= 1;
    }
    peaks.push(root);
    Tree::from_peaks(kind, size, peaks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_pieces_is_the_tree_of_leaves() {
        for kind in HashKind::BOTH {
            let leaves: Vec<Hash> = (0..40u8).map(|i| kind.leaf(&[i])).collect();
            for from in 0..leaves.len() {
                for to in from..=leaves.len() {
                    let mut tree = Tree::new(kind);
                    leaves[..from].iter().for_each(|leaf| tree.push(*leaf));
                    for (at, level) in pieces(from as u64, to as u64) {
                        let some = &leaves[at as usize..at as usize + (1 << level)];
                        let root = crate::merkle::root(kind, some);
                        tree = graft(kind, &tree, 1 << level, root).unwrap();
                    }
                    leaves[to..].iter().for_each(|leaf| tree.push(*leaf));
                    assert_eq!(tree.root(), crate::merkle::root(kind, &leaves), "{from} to {to}");
                }
            }
            let mut odd = Tree::new(kind);
            odd.push(leaves[0]);
            assert!(graft(kind, &odd, 2, leaves[1]).is_none(), "it does not stand at its place");
            assert!(graft(kind, &odd, 3, leaves[1]).is_none(), "no complete subtree");
            assert!(graft(kind, &odd, 0, leaves[1]).is_none(), "none at all");
        }
    }
}
