//! The offline verifier: what an export of the journal proves, and what is wrong with it.
//!
//! It trusts two things that it is given on another way than the export: the keys file and, if the
//! verifier kept some, earlier checkpoints. Everything else is recomputed from the bytes. What it
//! can say of damage follows from what the format ties together (`docs/journal-format.md`): a
//! changed entry is named by the next entry of the same institution, a removed or moved one by the
//! numbers, a rewritten history by a checkpoint that was kept outside; when it was there at the
//! latest, by timestamps of authorities (`stamps.rs`). An export is read in stretches, so that a laptop
//! can judge one of any size (`stream.rs`); what is listed of its faults, of names and of timestamps is
//! bounded too, and what was not listed is counted. No network, no clock, few dependencies: it is an
//! artefact of its own for an assessor's laptop.

mod chain;
mod institution;
mod lines;
mod notes;
pub mod pack;
mod source;
mod stamps;
mod stream;
#[cfg(test)]
mod tests;

pub use lines::Unchecked;
pub use stamps::{Roots, Timestamp};

use jinyun_journal::merkle::HashKind;
use jinyun_journal::note::{Checkpoint, Key, Note, PublicKey};
use lines::Lines;
use serde::Serialize;
use source::Window;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek};
use stream::{Asked, Unwatched};

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The entry's number, where it can be told.
    pub at: Option<u64>,
    /// `file`, `header`, `number`, `institution`, `root`, `signature`, `checkpoint`, `timestamp`,
    /// `canonical`, `end`.
    pub what: &'static str,
    /// A sentence.
    pub say: String,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signer {
    /// `ed25519` or `sm2`.
    pub algorithm: &'static str,
    /// Key name.
    pub name: String,
    /// How many notes.
    pub notes: usize,
}

/// Which entries a file says that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Name of the instance.
    pub instance: String,
    /// Whose entries, by whose own numbers; the whole journal's if none.
    pub institution: Option<String>,
    /// The first.
    pub from: u64,
    /// Behind the last.
    pub to: u64,
    /// How many entries of the whole journal the newest checkpoint covers.
    pub size: u64,
}

/// Checkpoints that the verifier kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// So many were given.
    pub given: usize,
    /// So many of them were compared with a root that was made from the file.
    pub compared: usize,
    /// So many of those have that root.
    pub agree: usize,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing is wrong.
    pub ok: bool,
    /// What the file says that it has; none if that cannot be read.
    pub span: Option<Span>,
    /// How many entries were read.
    pub entries: u64,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Whose signatures under checkpoints of the file hold.
    pub signers: Vec<Signer>,
    /// Whose lines there could not be checked, for want of a key.
    pub unchecked: Vec<Unchecked>,
    /// What became of checkpoints that were kept outside.
    pub kept: Compared,
    /// What could not be compared without being wrong, a sentence each.
    pub remarks: Vec<String>,
    /// Which checkpoints were there when, by whose word; those that could not be checked too.
    pub timestamps: Vec<Timestamp>,
    /// What was left out of these lists.
    #[serde(skip)]
    more: More,
}

/// How much was not listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct More {
    problems: BTreeMap<&'static str, u64>,
    timestamps: u64,
}

/// At most so many problems of one sort are listed.
const MOST: usize = 100;
/// At most so many timestamps are listed.
const STAMPS: usize = 10_000;
/// What has a longer name is counted, and not listed.
const LONG: usize = 255;

impl Report {
    fn problem(&mut self, at: Option<u64>, what: &'static str, say: impl Into<String>) {
        self.push(Problem { at, what, say: say.into() });
    }

    fn push(&mut self, problem: Problem) {
        let same = self.problems.iter().filter(|known| known.what == problem.what).count();
        if same < MOST {
            self.problems.push(problem);
        } else {
            *self.more.problems.entry(problem.what).or_default() += 1;
        }
    }

    fn list(&mut self, timestamp: Timestamp) {
        if self.timestamps.len() < STAMPS && timestamp.name.len() <= LONG {
            self.timestamps.push(timestamp);
        } else {
            self.more.timestamps += 1;
        }
    }

    /// Takes in what was found beside.
    fn absorb(&mut self, part: Report) {
        part.problems.into_iter().for_each(|problem| self.push(problem));
        for (what, count) in part.more.problems {
            *self.more.problems.entry(what).or_default() += count;
        }
        self.signers.extend(part.signers);
        self.unchecked.extend(part.unchecked);
        self.remarks.extend(part.remarks);
        part.timestamps.into_iter().for_each(|one| self.list(one));
        self.more.timestamps += part.more.timestamps;
    }

    /// Says what was not listed, and judges.
    fn close(&mut self) {
        for (what, count) in std::mem::take(&mut self.more.problems) {
            let say = format!("{count} more problems of this sort are not listed");
            self.problems.push(Problem { at: None, what, say });
        }
        let timestamps = std::mem::take(&mut self.more.timestamps);
        if timestamps > 0 {
            self.remarks.push(format!("{timestamps} more timestamps are not listed"));
        }
        self.signers.sort_by(|a, b| (&a.name, a.algorithm).cmp(&(&b.name, b.algorithm)));
        self.unchecked.sort_by(|a, b| a.name.cmp(&b.name));
        self.ok = self.problems.is_empty();
    }
}

/// Verifies an export, of a period or of one institution's entries, against trusted keys and kept
/// checkpoints.
pub fn verify(export: &[u8], keys: &[Key], kept: &[String]) -> Report {
    verify_with(export, keys, kept, &Roots::default())
}

/// The same, and judges timestamps by roots of their authorities.
pub fn verify_with(export: &[u8], keys: &[Key], kept: &[String], roots: &Roots) -> Report {
    verify_from(&mut Cursor::new(export), keys, kept, roots).unwrap_or_else(|e| {
        let mut report = Report::default();
        report.problem(None, "file", format!("the file could not be read to its end: {e}"));
        report
    })
}

/// The same of an export of any size, from its first byte to its last: it is read a stretch at a time,
/// forwards and, for what stands at its end, before that.
pub fn verify_from<R: Read + Seek>(from: &mut R, keys: &[Key], kept: &[String], roots: &Roots)
    -> io::Result<Report> {
    let asked = Asked { keys, kept, roots };
    let mut window = Window::whole(from)?;
    Ok(stream::verify(&mut window, asked, &stream::PACES, &mut Unwatched)?.report)
}

fn wrong(what: &'static str, say: impl Into<String>) -> Problem {
    Problem { at: None, what, say: say.into() }
}

/// Somebody else's text, safe to print.
fn shown(text: &str) -> String {
    text.escape_debug().take(120).collect()
}

fn note_line(line: &[u8]) -> Option<String> {
    let json = std::str::from_utf8(line).ok()?.strip_prefix("note ")?;
    let text: String = serde_json::from_str(json).ok()?;
    let canonical = serde_json::to_string(&text).ok()?;
    (canonical == json).then_some(text)
}

fn algorithm(key: &Key) -> &'static str {
    match key.public {
        PublicKey::Ed25519(_) => "ed25519",
        PublicKey::Sm2(_) => "sm2",
    }
}

/// The algorithm of the key that has the instance's name, by which the platform signs a tree's notes.
fn own(kind: HashKind) -> &'static str {
    match kind {
        HashKind::Sha256 => "ed25519",
        HashKind::Sm3 => "sm2",
    }
}

fn read_note(text: &str) -> Option<(Note, Checkpoint)> {
    let note = Note::parse(text)?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    Some((note, checkpoint))
}

/// Whether a checkpoint that was kept outside is of this journal and signed by somebody whose key is at
/// hand; what is wrong with it is told.
fn may_compare(note: &Note, checkpoint: &Checkpoint, of: (&str, u64), keys: &[Key], report: &mut Report)
    -> bool {
    if (checkpoint.instance.as_str(), checkpoint.epoch) != of {
        report.problem(None, "checkpoint", "a kept checkpoint is of another instance or epoch");
        return false;
    }
    let lines = Lines::of(note, keys);
    let which = format!("the kept {} checkpoint of {} entries", checkpoint.kind.name(), checkpoint.size);
    for bad in &lines.bad {
        report.problem(None, "signature", format!("{bad}, on {which}"));
    }
    if lines.good.is_empty() {
        report.problem(None, "signature", format!("{which} is signed by no key that is at hand"));
    }
    !lines.good.is_empty()
}
