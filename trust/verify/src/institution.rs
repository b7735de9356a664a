//! An export of one institution's entries: what it proves without the entries of others.
//!
//! The file is walked once, line by line, in bounded memory. Each of the institution's entries is a leaf
//! of both trees; what lies between them is named by the roots of complete subtrees, which are grafted on.
//! At the end both trees have the roots that the platform signed, or something is wrong. That no entry was
//! left out between the first and the last follows from the institution's own numbers and hashes. That
//! nothing came after the last is shown by a later export only.

use crate::chain::Link;
use crate::notes::{Judged, judge};
use crate::source::{Head, Next, Reader, Window, ending};
use crate::stream::{Asked, NUMBERS, Paces, Seen, Watch, bad_end, broken};
use crate::{Problem, Report, Span, may_compare, note_line, read_note, shown, wrong};
use jinyun_journal::entry::Leaf;
use jinyun_journal::export::{PART_MAGIC, Part, graft};
use jinyun_journal::merkle::{Hash, HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Key};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io;

/// Whether a file says that it is such an export.
pub(crate) fn is_one(head: &Head) -> bool {
    head.first() == Some(PART_MAGIC.as_bytes())
}

/// Verifies an export of one institution's entries, whose last line begins at `cut`.
pub(crate) fn verify(window: &mut Window<'_>, (head, cut): (&Head, u64), asked: Asked<'_>, paces: &Paces,
    watch: &mut dyn Watch) -> io::Result<Seen> {
    let Some(part) = head.second().and_then(header) else {
        let why = wrong("header", "the second line does not name an institution's entries");
        return broken(window, Some(cut), why);
    };
    let mut report = Report {
        span: Some(Span {
            instance: part.instance.clone(),
            institution: Some(part.institution.clone()),
            from: part.from,
            to: part.to,
            size: part.size,
        }),
        ..Report::default()
    };
    let mut sum = Sha256::new();
    sum.update(head.both());
    let mut lines = Reader::new(head.both().len() as u64, cut, sum);
    let waiting = waiting(&part, asked.keys, asked.kept, &mut report);
    let mut walk = Walk::new(&part, waiting);
    walk.compare(&mut report);
    let ended = loop {
        let chunk = match lines.next(window, paces.entries)? {
            Next::Chunk(chunk) => chunk,
            Next::End if walk.count == 0 => break walk.end(&mut report),
            Next::End => break Ok(()),
            Next::Long => break Err(Problem {
                at: Some(walk.position()),
                what: "file",
                say: format!(
                    "the line at entry {} has more than {} bytes, which no entry has", walk.position(),
                    paces.entries.longest
                ),
            }),
        };
        let taken = chunk.lines().try_for_each(|line| {
            if line.starts_with(b"note ") {
                watch.note(line);
            }
            walk.line(line, &mut report)
        });
        if let Err(problem) = taken {
            break Err(problem);
        }
    };
    let read = ended.is_ok();
    match ended {
        Ok(()) => signed(&part, &walk, &asked, &mut report),
        Err(problem) => report.push(problem),
    }
    let sum = lines.finish(window)?;
    let ending = ending(window, cut, sum)?;
    if !ending.good {
        report.problems.insert(0, bad_end());
    }
    Ok(Seen { report, sha256: ending.sha256, read })
}

fn header(line: &[u8]) -> Option<Part> {
    #[derive(Deserialize)]
    struct Header {
        epoch: u64,
        from: u64,
        instance: String,
        institution: String,
        size: u64,
        to: u64,
    }
    let line = std::str::from_utf8(line).ok()?;
    let h: Header = serde_json::from_str(line).ok()?;
    let part = Part {
        instance: h.instance,
        epoch: h.epoch,
        institution: h.institution,
        from: h.from,
        to: h.to,
        size: h.size,
    };
    let possible = part.from < part.to && part.to <= part.size && part.size <= NUMBERS;
    (part.line() == line && possible).then_some(part)
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
    /// How many lines with notes there are: none as long as other lines may come.
    count: usize,
    /// The first of them, as many as there should be.
    notes: Vec<Vec<u8>>,
}

impl<'a> Walk<'a> {
    fn new(part: &'a Part, waiting: Vec<Checkpoint>) -> Walk<'a> {
        let trees = HashKind::BOTH.map(Tree::new);
        let (count, notes) = (0, Vec::new());
        Walk { part, trees, next: part.from, before: None, waiting, count, notes }
    }

    fn position(&self) -> u64 {
        self.trees[0].size()
    }

    /// The next line of the file.
    fn line(&mut self, line: &[u8], report: &mut Report) -> Result<(), Problem> {
        if self.count == 0 && !line.starts_with(b"note ") {
            match line.starts_with(b"{") {
                true => self.entry(line, report)?,
                false => self.skip(line)?,
            }
            self.compare(report);
            return Ok(());
        }
        if self.count == 0 {
            self.end(report)?;
        }
        self.count += 1;
        note_line(line).ok_or_else(|| wrong("checkpoint", "a `note` line is damaged"))?;
        if self.notes.len() < self.trees.len() {
            self.notes.push(line.to_vec());
        }
        Ok(())
    }

    fn entry(&mut self, line: &[u8], report: &mut Report) -> Result<(), Problem> {
        let (number, part) = (self.position(), self.part);
        let at = |what, say: String| Problem { at: Some(number), what, say };
        let Some(own) = Link::of(line) else {
            return Err(at("canonical", format!(
                "entry {number} is not readable as an entry: it was changed"
            )));
        };
        if own.number != number {
            return Err(at("number", format!(
                "entry {} stands where {number} belongs: something was removed, moved or doubled",
                own.number
            )));
        }
        if *own.institution != *part.institution {
            return Err(at("institution", format!(
                "entry {number} is not of institution {}", shown(&part.institution)
            )));
        }
        if own.place != self.next {
            return Err(at("institution", format!(
                "institution {} jumps to its number {} at entry {number}, where {} belongs",
                shown(&part.institution), own.place, self.next
            )));
        }
        match &self.before {
            Some((before, leaf)) if !own.fits(leaf) => {
                report.problem(Some(*before), "institution", format!(
                    "entry {before} was changed: entry {number}, the next of the institution, \
                     states other hashes of it (or entry {number} itself was forged)"
                ));
            }
            None if (own.place == 0) == own.told => {
                report.problem(Some(number), "institution", format!(
                    "entry {number} is number {} of its institution and {} an entry before it",
                    own.place, if own.told { "names" } else { "does not name" }
                ));
            }
            _ => {}
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
        let words: Vec<&str> = text.splitn(5, ' ').collect();
        let [word, count, roots @ ..] = &words[..] else { return Err(damaged()) };
        let number: u64 = count.parse().map_err(|_| damaged())?;
        if *word != "skip" || number.to_string() != **count || roots.len() != self.trees.len() {
            return Err(damaged());
        }
        for ((tree, kind), root) in self.trees.iter_mut().zip(HashKind::BOTH).zip(roots) {
            let root = jinyun_journal::from_hex(root).and_then(|r| Hash::try_from(r).ok());
            let grown = root.and_then(|root| graft(kind, tree, number, root));
            *tree = grown.filter(|tree| tree.size() <= NUMBERS).ok_or_else(damaged)?;
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
fn signed(part: &Part, walk: &Walk<'_>, asked: &Asked<'_>, report: &mut Report) {
    if walk.count != walk.trees.len() {
        let say = "the file has not exactly two notes: nothing signed covers it as the format says";
        report.problem(None, "checkpoint", say);
    }
    let mut found = Vec::new();
    for ((tree, kind), line) in walk.trees.iter().zip(HashKind::BOTH).zip(&walk.notes) {
        let Judged { checkpoint, lines, stamps } = match judge(line, asked) {
            Ok(judged) => judged,
            Err(say) => {
                report.problem(None, "checkpoint", say);
                continue;
            }
        };
        found.extend(stamps);
        let ours = checkpoint.instance == part.instance && checkpoint.epoch == part.epoch
            && checkpoint.size == part.size && checkpoint.kind == kind;
        if !ours {
            report.problem(None, "checkpoint", format!(
                "a checkpoint is not the {} checkpoint of {} entries of this instance and epoch",
                kind.name(), part.size
            ));
            continue;
        }
        report.lines(&lines, &checkpoint, asked.keys);
        if tree.root() != checkpoint.root {
            report.problem(None, "root", format!(
                "the {} root of the file is not that of its checkpoint: an entry or what stands for \
                 the others was changed", kind.name()
            ));
        }
    }
    report.stamped(found);
}
