//! Writing an export of a period.

use crate::entry::Leaf;
use crate::merkle::{HashKind, Tree};
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
