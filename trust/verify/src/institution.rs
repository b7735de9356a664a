//! An export of one institution's entries: what it proves without the entries of others.
//!
//! The file is walked once. Each of the institution's entries is a leaf of both trees; what lies
//! between them is named by the roots of complete subtrees, which are grafted on. At the end both
//! trees have the roots that the platform signed, or something is wrong. That no entry was left out
//! between the first and the last follows from the institution's own numbers and hashes. That
//! nothing came after the last is shown by a later export only.

use crate::lines::Lines;
use crate::{Light, Problem, Report, Span, may_compare, note_line, read_note, wrong};
use jinyun_journal::entry::Leaf;
use jinyun_journal::export::{PART_MAGIC, Part, graft};
use jinyun_journal::merkle::{Hash, HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Key};
use serde::Deserialize;
use sha2::Digest;

/// Whether a file says that it is such an export.
pub(crate) fn is_one(export: &[u8]) -> bool {
    export.split(|b| *b == b'\n').next() == Some(PART_MAGIC.as_bytes())
}

/// Verifies an export of one institution's entries.
pub(crate) fn verify(export: &[u8], keys: &[Key], kept: &[String]) -> Report {
    let mut report = Report::default();
    if let Err(problem) = walk(export, keys, kept, &mut report) {
        report.problems.push(problem);
    }
    report.ok = report.problems.is_empty();
    report
}

fn walk(export: &[u8], keys: &[Key], kept: &[String], report: &mut Report)
    -> Result<(), Problem> {
    let body = export.strip_suffix(b"\n")
        .ok_or_else(|| wrong("file", "the file does not end with a line feed"))?;
    let cut = body.iter().rposition(|b| *b == b'\n')
        .ok_or_else(|| wrong("file", "the file has one line only"))? + 1;
    let sum = format!("end {}", jinyun_journal::to_hex(&sha2::Sha256::digest(&export[..cut])));
    if body[cut..] != *sum.as_bytes() {
        report.problem(None, "end", "the sum in the last line is not that of the file: the file \
            was damaged or changed on its way");
    }
    let mut lines = body[..cut - 1].split(|b| *b == b'\n').skip(1).peekable();
    let part = lines.next().and_then(|line| std::str::from_utf8(line).ok()).and_then(header)
        .ok_or_else(|| wrong("header", "the second line does not name an institution's entries"))?;
    report.span = Some(Span {
        instance: part.instance.clone(),
        institution: Some(part.institution.clone()),
        from: part.from,
        to: part.to,
        size: part.size,
    });
    let mut walk = Walk::new(&part, waiting(&part, keys, kept, report));
    walk.compare(report);
    while let Some(line) = lines.next_if(|line| !line.starts_with(b"note ")) {
        if line.starts_with(b"{") {
            walk.entry(line, report)?;
        } else {
            walk.skip(line)?;
        }
        walk.compare(report);
    }
    walk.end(report)?;
    let mut notes = Vec::new();
    for line in lines {
        notes.push(note_line(line).ok_or_else(|| wrong("checkpoint", "a `note` line is damaged"))?);
    }
    signed(&part, &walk.trees, &notes, keys, report);
    Ok(())
}

fn header(line: &str) -> Option<Part> {
    #[derive(Deserialize)]
    struct Header {
        epoch: u64,
        from: u64,
        instance: String,
        institution: String,
        size: u64,
        to: u64,
    }
    let h: Header = serde_json::from_str(line).ok()?;
    let part = Part {
        instance: h.instance,
        epoch: h.epoch,
        institution: h.institution,
        from: h.from,
        to: h.to,
        size: h.size,
    };
    (part.line() == line && part.from < part.to && part.to <= part.size).then_some(part)
}

/// How far the file is read.
struct Walk<'a> {
    part: &'a Part,
    trees: [Tree; 2],
    /// The institution's next number, and its entry before.
    next: u64,
    before: Option<(u64, Leaf)>,
    /// Checkpoints that were kept outside and are still to be compared.
    waiting: Vec<Checkpoint>,
}

impl<'a> Walk<'a> {
    fn new(part: &'a Part, waiting: Vec<Checkpoint>) -> Walk<'a> {
        let trees = HashKind::BOTH.map(Tree::new);
        Walk { part, trees, next: part.from, before: None, waiting }
    }

    fn position(&self) -> u64 {
        self.trees[0].size()
    }

    fn entry(&mut self, line: &[u8], report: &mut Report) -> Result<(), Problem> {
        let (number, part) = (self.position(), self.part);
        let at = |what, say: String| Problem { at: Some(number), what, say };
        let Ok(entry) = serde_json::from_slice::<Light<'_>>(line) else {
            return Err(at("canonical", format!(
                "entry {number} is not readable as an entry: it was changed"
            )));
        };
        if entry.number != number {
            return Err(at("number", format!(
                "entry {} stands where {number} belongs: something was removed, moved or doubled",
                entry.number
            )));
        }
        let own = &entry.institution;
        if own.id != part.institution.as_str() {
            return Err(at("institution", format!(
                "entry {number} is not of institution {}", part.institution
            )));
        }
        if own.number != self.next {
            return Err(at("institution", format!(
                "institution {} jumps to its number {} at entry {number}, where {} belongs",
                part.institution, own.number, self.next
            )));
        }
        let told = own.previous.as_ref();
        match &self.before {
            Some((before, leaf)) => {
                let fits = told.is_some_and(|p| {
                    p.sha256 == jinyun_journal::to_hex(&leaf.sha256)
                        && p.sm3 == jinyun_journal::to_hex(&leaf.sm3)
                });
                if !fits {
                    report.problem(Some(*before), "institution", format!(
                        "entry {before} was changed: entry {number}, the next of the institution, \
                         states other hashes of it (or entry {number} itself was forged)"
                    ));
                }
            }
            None if (own.number == 0) == told.is_some() => {
                report.problem(Some(number), "institution", format!(
                    "entry {number} is number {} of its institution and {} an entry before it",
                    own.number, if told.is_some() { "names" } else { "does not name" }
                ));
            }
            None => {}
        }
        let leaf = Leaf::of(line);
        self.trees.iter_mut().zip(HashKind::BOTH).for_each(|(tree, kind)| tree.push(leaf.get(kind)));
        self.before = Some((number, leaf));
        self.next += 1;
        report.entries += 1;
        Ok(())
    }

    /// `skip <number of entries> <SHA-256 root> <SM3 root>`.
    fn skip(&mut self, line: &[u8]) -> Result<(), Problem> {
        let position = self.position();
        let damaged = || Problem {
            at: Some(position),
            what: "file",
            say: format!("the line at entry {position} is no entry and passes over none"),
        };
        let text = std::str::from_utf8(line).map_err(|_| damaged())?;
        let words: Vec<&str> = text.split(' ').collect();
        let [word, count, roots @ ..] = &words[..] else { return Err(damaged()) };
        let number: u64 = count.parse().map_err(|_| damaged())?;
        if *word != "skip" || number.to_string() != **count || roots.len() != self.trees.len() {
            return Err(damaged());
        }
        for ((tree, kind), root) in self.trees.iter_mut().zip(HashKind::BOTH).zip(roots) {
            let root = jinyun_journal::from_hex(root).and_then(|r| Hash::try_from(r).ok());
            let grown = root.and_then(|root| graft(kind, tree, number, root));
            *tree = grown.ok_or_else(damaged)?;
        }
        Ok(())
    }

    /// Compares the trees with the checkpoints that were kept of just this size.
    fn compare(&mut self, report: &mut Report) {
        let size = self.position();
        let (now, later): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|checkpoint| checkpoint.size == size);
        self.waiting = later;
        for (tree, kind) in self.trees.iter().zip(HashKind::BOTH) {
            for checkpoint in now.iter().filter(|c| c.kind == kind) {
                report.kept.compared += 1;
                if checkpoint.root == tree.root() {
                    report.kept.agree += 1;
                    continue;
                }
                report.problem(None, "root", format!(
                    "the {} root of the first {} entries is not that of the checkpoint kept outside: \
                     something before was changed", kind.name(), checkpoint.size
                ));
            }
        }
    }

    fn end(&self, report: &mut Report) -> Result<(), Problem> {
        let (part, position) = (self.part, self.position());
        for checkpoint in &self.waiting {
            report.problem(None, "checkpoint", format!(
                "a checkpoint kept outside has {0} entries, where this file passes over more at once: \
                 ask for an export with `compare={0}`", checkpoint.size
            ));
        }
        if self.next != part.to {
            return Err(wrong("institution", format!(
                "the header promises the institution's entries {} to {}, the file ends before its \
                 number {}", part.from, part.to - 1, self.next
            )));
        }
        if position != part.size {
            return Err(wrong("number", format!(
                "the header promises {} entries in all, the file reaches {position}", part.size
            )));
        }
        Ok(())
    }
}

/// Checkpoints that the verifier kept, as far as they speak about this file.
fn waiting(part: &Part, keys: &[Key], kept: &[String], report: &mut Report) -> Vec<Checkpoint> {
    let mut found = Vec::new();
    for text in kept {
        let Some((note, checkpoint)) = read_note(text) else {
            report.problem(None, "checkpoint", "a kept checkpoint cannot be read");
            continue;
        };
        if !may_compare(&note, &checkpoint, (part.instance.as_str(), part.epoch), keys, report) {
            continue;
        }
        if checkpoint.size > part.size {
            report.problem(Some(part.size), "checkpoint", format!(
                "a checkpoint kept outside has {} entries, the export ends at {}: entries were \
                 removed (or a later export is needed)", checkpoint.size, part.size
            ));
        } else {
            found.push(checkpoint);
        }
    }
    found
}

/// The two notes of the export: of its size, signed by the platform, with the roots that were made.
fn signed(part: &Part, trees: &[Tree; 2], notes: &[String], keys: &[Key], report: &mut Report) {
    if notes.len() != trees.len() {
        let say = "the file has not exactly two notes: nothing signed covers it as the format says";
        report.problem(None, "checkpoint", say);
    }
    for ((tree, kind), text) in trees.iter().zip(HashKind::BOTH).zip(notes) {
        let Some((note, checkpoint)) = read_note(text) else {
            report.problem(None, "checkpoint", "a checkpoint cannot be read: it was changed");
            continue;
        };
        let ours = checkpoint.instance == part.instance && checkpoint.epoch == part.epoch
            && checkpoint.size == part.size && checkpoint.kind == kind;
        if !ours {
            report.problem(None, "checkpoint", format!(
                "a checkpoint is not the {} checkpoint of {} entries of this instance and epoch",
                kind.name(), part.size
            ));
            continue;
        }
        report.lines(&Lines::of(&note, keys), &checkpoint, keys);
        if tree.root() != checkpoint.root {
            report.problem(None, "root", format!(
                "the {} root of the file is not that of its checkpoint: an entry or what stands for \
                 the others was changed", kind.name()
            ));
        }
    }
}
