//! The offline verifier: what an export of the journal proves, and what is wrong with it.
//!
//! It trusts two things that it is given on another way than the export: the keys file and, if the
//! verifier kept some, earlier checkpoints. Everything else is recomputed from the bytes. What it
//! can say of damage follows from what the format ties together (`docs/journal-format.md`): a
//! changed entry is named by the next entry of the same institution, a removed or moved one by the
//! numbers, a rewritten history by a checkpoint that was kept outside; when it was there at the
//! latest, by timestamps of authorities (`stamps.rs`). No network, no clock, few dependencies: it is
//! an artefact of its own for an assessor's laptop.

mod institution;
mod lines;
pub mod pack;
mod stamps;

pub use lines::Unchecked;
pub use stamps::{Roots, Timestamp};

use jinyun_journal::entry::Leaf;
use jinyun_journal::export::{MAGIC, Period};
use jinyun_journal::merkle::{Hash, HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Key, Note, PublicKey};
use lines::Lines;
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::borrow::Cow;
use std::collections::HashMap;

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
}

impl Report {
    fn problem(&mut self, at: Option<u64>, what: &'static str, say: impl Into<String>) {
        self.problems.push(Problem { at, what, say: say.into() });
    }
}

/// What of an entry the chain needs; the rest is covered by the leaf hash.
#[derive(Deserialize)]
struct Light<'a> {
    number: u64,
    #[serde(borrow)]
    institution: LightInstitution<'a>,
}

#[derive(Deserialize)]
struct LightInstitution<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    number: u64,
    #[serde(borrow)]
    previous: Option<LightPrevious<'a>>,
}

#[derive(Deserialize)]
struct LightPrevious<'a> {
    #[serde(borrow)]
    sha256: Cow<'a, str>,
    #[serde(borrow)]
    sm3: Cow<'a, str>,
}

/// The parts of an export.
struct Parts<'a> {
    period: Period,
    entries: Vec<&'a [u8]>,
    peaks: [Vec<Hash>; 2],
    notes: Vec<String>,
}

/// Verifies an export, of a period or of one institution's entries, against trusted keys and kept
/// checkpoints.
pub fn verify(export: &[u8], keys: &[Key], kept: &[String]) -> Report {
    verify_with(export, keys, kept, &Roots::default())
}

/// The same, and judges timestamps by roots of their authorities.
pub fn verify_with(export: &[u8], keys: &[Key], kept: &[String], roots: &Roots) -> Report {
    let mut report = if institution::is_one(export) {
        institution::verify(export, keys, kept)
    } else {
        period(export, keys, kept)
    };
    let notes = export.split(|b| *b == b'\n').filter(|line| line.starts_with(b"note "));
    for text in notes.filter_map(note_line) {
        stamps::judge(&text, false, roots, &mut report);
    }
    for text in kept {
        stamps::judge(text, true, roots, &mut report);
    }
    report.kept.given = kept.len();
    report.signers.sort_by(|a, b| (&a.name, a.algorithm).cmp(&(&b.name, b.algorithm)));
    report.unchecked.sort_by(|a, b| a.name.cmp(&b.name));
    report.ok = report.problems.is_empty();
    report
}

/// Verifies an export of a period.
fn period(export: &[u8], keys: &[Key], kept: &[String]) -> Report {
    let mut report = Report::default();
    let parts = match split(export, &mut report) {
        Ok(parts) => parts,
        Err(problem) => {
            report.problems.push(problem);
            return report;
        }
    };
    report.entries = parts.entries.len() as u64;
    let Period { instance, from, to, .. } = &parts.period;
    let (instance, size) = (instance.clone(), *to);
    report.span = Some(Span { instance, institution: None, from: *from, to: *to, size });
    let leaves = hash_all(&parts.entries);
    numbers_and_chains(&parts, &leaves, &mut report);
    let checkpoints = signed(&parts, keys, &mut report);
    let kept = kept_ones(&parts, keys, kept, &mut report);
    roots(&parts, &leaves, &checkpoints, &kept, &mut report);
    report.ok = report.problems.is_empty();
    report
}

fn wrong(what: &'static str, say: impl Into<String>) -> Problem {
    Problem { at: None, what, say: say.into() }
}

/// Cuts the file into its parts. The sum at the end finds accidents; intent is found by signatures.
fn split<'a>(export: &'a [u8], report: &mut Report) -> Result<Parts<'a>, Problem> {
    let body = export.strip_suffix(b"\n")
        .ok_or_else(|| wrong("file", "the file does not end with a line feed"))?;
    let cut = body.iter().rposition(|b| *b == b'\n')
        .ok_or_else(|| wrong("file", "the file has one line only"))? + 1;
    let sum = format!("end {}", jinyun_journal::to_hex(&sha2::Sha256::digest(&export[..cut])));
    if body[cut..] != *sum.as_bytes() {
        report.problem(None, "end", "the sum in the last line is not that of the file: the file \
            was damaged or changed on its way");
    }
    let mut lines = body[..cut - 1].split(|b| *b == b'\n');
    if lines.next() != Some(MAGIC.as_bytes()) {
        return Err(wrong("header", format!("the first line is not `{MAGIC}`")));
    }
    let period = lines.next().and_then(|l| std::str::from_utf8(l).ok()).and_then(header)
        .ok_or_else(|| wrong("header", "the second line does not name a period"))?;
    let lines: Vec<&[u8]> = lines.collect();
    let tail = lines.iter().rposition(|l| l.starts_with(b"{")).map_or(0, |i| i + 1);
    let (entries, tail) = lines.split_at(tail);
    let expected = period.to - period.from;
    if entries.len() as u64 != expected {
        report.problem(None, "number", format!(
            "the header promises {expected} entries, the file has {}", entries.len()
        ));
    }
    let mut peaks: [Vec<Hash>; 2] = Default::default();
    for (i, kind) in HashKind::BOTH.into_iter().enumerate() {
        let line = tail.get(i).and_then(|l| std::str::from_utf8(l).ok()).unwrap_or_default();
        peaks[i] = proof(line, kind, period.from)
            .ok_or_else(|| wrong("file", format!("the line `proof {}` is damaged", kind.name())))?;
    }
    let mut notes = Vec::new();
    for line in tail.iter().skip(2) {
        notes.push(note_line(line).ok_or_else(|| wrong("checkpoint", "a `note` line is damaged"))?);
    }
    Ok(Parts { period, entries: entries.to_vec(), peaks, notes })
}

fn header(line: &str) -> Option<Period> {
    #[derive(Deserialize)]
    struct Header {
        epoch: u64,
        from: u64,
        instance: String,
        to: u64,
    }
    let h: Header = serde_json::from_str(line).ok()?;
    let period = Period { instance: h.instance, epoch: h.epoch, from: h.from, to: h.to };
    (period.line() == line && period.from < period.to).then_some(period)
}

fn proof(line: &str, kind: HashKind, from: u64) -> Option<Vec<Hash>> {
    let mut words = line.split(' ');
    if words.next() != Some("proof") || words.next() != Some(kind.name()) {
        return None;
    }
    let hashes: Option<Vec<Hash>> =
        words.map(|w| jinyun_journal::from_hex(w)?.try_into().ok()).collect();
    hashes.filter(|h| h.len() == from.count_ones() as usize)
}

fn note_line(line: &[u8]) -> Option<String> {
    let json = std::str::from_utf8(line).ok()?.strip_prefix("note ")?;
    let text: String = serde_json::from_str(json).ok()?;
    let canonical = serde_json::to_string(&text).ok()?;
    (canonical == json).then_some(text)
}

/// Leaf hashes of all entries, on as many threads as there are processors.
fn hash_all(entries: &[&[u8]]) -> Vec<Leaf> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = entries.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let work: Vec<_> = entries.chunks(share).map(|chunk| {
            scope.spawn(move || chunk.iter().map(|e| Leaf::of(e)).collect::<Vec<_>>())
        }).collect();
        work.into_iter().flat_map(|w| w.join().unwrap_or_default()).collect()
    })
}

/// At most so many problems of one sort are listed: one change can break thousands of links.
const LISTED: usize = 20;

fn numbers_and_chains(parts: &Parts<'_>, leaves: &[Leaf], report: &mut Report) {
    let mut last: HashMap<String, (u64, u64, &Leaf)> = HashMap::new();
    for (i, (entry, leaf)) in parts.entries.iter().zip(leaves).enumerate() {
        let expected = parts.period.from + i as u64;
        if report.problems.len() > LISTED {
            return;
        }
        let Ok(light) = serde_json::from_slice::<Light<'_>>(entry) else {
            report.problem(Some(expected), "canonical", format!(
                "entry {expected} is not readable as an entry: it was changed"
            ));
            continue;
        };
        if light.number != expected {
            let say = if light.number > expected {
                format!("entries {expected} to {} were removed", light.number - 1)
            } else {
                format!("entry {} stands where {expected} belongs: reordered or doubled",
                    light.number)
            };
            report.problem(Some(expected), "number", say);
            return;
        }
        chain(&light, expected, &last, parts.period.from, report);
        last.insert(light.institution.id.into_owned(), (light.institution.number, expected, leaf));
    }
}

fn chain(light: &Light<'_>, number: u64, last: &HashMap<String, (u64, u64, &Leaf)>, from: u64,
    report: &mut Report) {
    let at = &light.institution;
    let Some((place, before, leaf)) = last.get(at.id.as_ref()) else {
        // The first of its institution in a period: in the first period it must be number 0.
        if from == 0 && (at.number != 0 || at.previous.is_some()) {
            report.problem(Some(number), "institution", format!(
                "entry {number} is the first of institution {} but says it has number {}: what \
                 came before was removed", at.id, at.number
            ));
        }
        return;
    };
    if at.number != place + 1 {
        report.problem(Some(number), "institution", format!(
            "institution {} jumps from its number {place} to {} at entry {number}", at.id, at.number
        ));
        return;
    }
    let stated = at.previous.as_ref();
    let fits = stated.is_some_and(|p| {
        p.sha256 == jinyun_journal::to_hex(&leaf.sha256)
            && p.sm3 == jinyun_journal::to_hex(&leaf.sm3)
    });
    if !fits {
        report.problem(Some(*before), "institution", format!(
            "entry {before} was changed: entry {number}, the next of institution {}, states other \
             hashes of it (or entry {number} itself was forged)", at.id
        ));
    }
}

/// The checkpoints of the export; what is wrong with their signatures is told.
fn signed(parts: &Parts<'_>, keys: &[Key], report: &mut Report) -> Vec<Checkpoint> {
    let mut found = Vec::new();
    for text in &parts.notes {
        let Some((note, checkpoint)) = read_note(text) else {
            report.problem(None, "checkpoint", "a checkpoint cannot be read: it was changed");
            continue;
        };
        let p = &parts.period;
        if checkpoint.instance != p.instance || checkpoint.epoch != p.epoch {
            report.problem(None, "checkpoint", "a checkpoint is of another instance or epoch");
            continue;
        }
        if checkpoint.size <= p.from || checkpoint.size > p.to {
            report.problem(None, "checkpoint", "a checkpoint lies outside of the period");
            continue;
        }
        report.lines(&Lines::of(&note, keys), &checkpoint, keys);
        found.push(checkpoint);
    }
    for kind in HashKind::BOTH {
        if !found.iter().any(|c| c.kind == kind && c.size == parts.period.to) {
            report.problem(None, "checkpoint", format!(
                "no {} checkpoint covers the whole period", kind.name()
            ));
        }
    }
    found
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

/// Checkpoints that the verifier kept, as far as they speak about this period.
fn kept_ones(parts: &Parts<'_>, keys: &[Key], kept: &[String], report: &mut Report)
    -> Vec<Checkpoint> {
    let mut found = Vec::new();
    for text in kept {
        let Some((note, checkpoint)) = read_note(text) else {
            report.problem(None, "checkpoint", "a kept checkpoint cannot be read");
            continue;
        };
        let p = &parts.period;
        if !may_compare(&note, &checkpoint, (p.instance.as_str(), p.epoch), keys, report) {
            continue;
        }
        if checkpoint.size > p.to {
            report.problem(Some(p.to), "checkpoint", format!(
                "a checkpoint kept outside has {} entries, the export ends at {}: entries from {} \
                 on were removed (or a later export is needed)", checkpoint.size, p.to, p.to
            ));
        } else if checkpoint.size < p.from {
            report.remarks.push(format!(
                "the {} checkpoint of {} entries that was kept outside was not compared: the export \
                 begins behind it, at entry {}", checkpoint.kind.name(), checkpoint.size, p.from
            ));
        } else {
            found.push(checkpoint);
        }
    }
    found
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

/// Recomputes the trees and compares every root.
fn roots(parts: &Parts<'_>, leaves: &[Leaf], inside: &[Checkpoint], kept: &[Checkpoint],
    report: &mut Report) {
    for (kind, peaks) in HashKind::BOTH.into_iter().zip(&parts.peaks) {
        let Some(mut tree) = Tree::from_peaks(kind, parts.period.from, peaks.clone()) else {
            continue;
        };
        let mut waiting: Vec<(&Checkpoint, bool)> = inside.iter().map(|c| (c, false))
            .chain(kept.iter().map(|c| (c, true))).filter(|(c, _)| c.kind == kind).collect();
        waiting.sort_by_key(|(c, _)| c.size);
        let mut good_until = parts.period.from;
        let mut compare = |tree: &Tree| {
            for (checkpoint, outside) in waiting.iter().filter(|(c, _)| c.size == tree.size()) {
                let same = tree.root() == checkpoint.root;
                if *outside {
                    report.kept.compared += 1;
                    report.kept.agree += usize::from(same);
                }
                if same {
                    good_until = tree.size();
                    continue;
                }
                let whose = if *outside { "kept outside" } else { "in the export" };
                report.problem(None, "root", format!(
                    "the {} root of the first {} entries is not that of the checkpoint {whose}: \
                     something among the entries {good_until} to {} was changed", kind.name(),
                    checkpoint.size, checkpoint.size - 1
                ));
            }
        };
        compare(&tree);
        for leaf in leaves {
            tree.push(leaf.get(kind));
            compare(&tree);
        }
    }
}
