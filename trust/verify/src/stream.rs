//! Verifying an export of a period, of any size, in bounded memory.
//!
//! Problem: numbers, chains and trees follow from the entries in their order, but where the trees begin
//! and which of their roots were signed stands behind the last entry; and hashing twice is most of the
//! work. Mechanism: the end of the file is found backwards first. Then the entries are read forwards, a
//! stretch at a time: while all processors hash one, the one before is put into chains and trees, and the
//! next one is read and summed; the notes are read beside (`notes.rs`). The entries are read once; what
//! stands behind them is read a second time for the file's sum, which has to be of the same bytes. So
//! memory holds three stretches, an entry of each institution, and the trees' peaks. Why not threads
//! with queues between them: the stages are as long as each other only on average, and a stretch is
//! enough to even that out.

use crate::chain::{Chains, Link};
use crate::notes::{Mark, Notes, index};
use crate::source::{Chunk, Head, Next, Pace, Reader, Window, again, beside, ending};
use crate::{
    Compared, Problem, Report, Roots, Span, institution, may_compare, read_note, stamps, wrong,
};
use jinyun_journal::entry::Leaf;
use jinyun_journal::export::{MAGIC, Period};
use jinyun_journal::merkle::{Hash, HashKind, Tree};
use jinyun_journal::note::Key;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::io;

/// So few entries are not worth a thread.
const ALONE: usize = 32;
/// Numbers of entries stay below this, here as in the store.
pub(crate) const NUMBERS: u64 = 1 << 63;
/// The longest entry that is read. A request has at most a megabyte.
const ENTRY: usize = 64 << 20;
/// The longest line behind the entries: a checkpoint with some dozen timestamps.
const NOTE: usize = 256 << 10;

/// How much is read at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paces {
    pub entries: Pace,
    pub notes: Pace,
}

/// As fast as it goes, on little memory.
pub(crate) const PACES: Paces = Paces {
    entries: Pace { bytes: 4 << 20, lines: 16_384, longest: ENTRY },
    notes: Pace { bytes: 1 << 20, lines: 4096, longest: NOTE },
};

/// By what an export is verified.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub keys: &'a [Key],
    pub kept: &'a [String],
    pub roots: &'a Roots,
}

/// Looks at what is read, line by line and in order.
pub(crate) trait Watch {
    /// An entry, where the one with this number belongs.
    fn entry(&mut self, number: u64, line: &[u8]);
    /// A line of those that notes stand in.
    fn note(&mut self, line: &[u8]);
}

/// Nobody does.
pub(crate) struct Unwatched;

impl Watch for Unwatched {
    fn entry(&mut self, _: u64, _: &[u8]) {}
    fn note(&mut self, _: &[u8]) {}
}

/// What was found, and of which bytes.
pub(crate) struct Seen {
    pub report: Report,
    /// SHA-256 of the whole file as it was read.
    pub sha256: Hash,
    /// Its lines were read, each of them unless a problem says otherwise.
    pub read: bool,
}

/// Verifies what is in a window, in either of the two formats.
pub(crate) fn verify(window: &mut Window<'_>, asked: Asked<'_>, paces: &Paces, watch: &mut dyn Watch)
    -> io::Result<Seen> {
    let mut seen = match last_line(window)? {
        Err(problem) => broken(window, None, problem)?,
        Ok(cut) => {
            let head = window.head(cut)?;
            match institution::is_one(&head) {
                true => institution::verify(window, (&head, cut), asked, paces, watch)?,
                false => period(window, (&head, cut), asked, paces, watch)?,
            }
        }
    };
    let report = &mut seen.report;
    for text in asked.kept {
        // What cannot be read was complained about already.
        if let Some((note, checkpoint)) = read_note(text) {
            report.stamped(stamps::of(&note, &checkpoint, asked.roots, true));
        }
    }
    report.kept.given = asked.kept.len();
    report.close();
    Ok(seen)
}

/// Where the last line begins, or why there is none.
fn last_line(window: &mut Window<'_>) -> io::Result<Result<u64, Problem>> {
    let mut last = [0];
    let size = window.size();
    if size == 0 || window.read(size - 1, &mut last)? == 0 || last != *b"\n" {
        return Ok(Err(wrong("file", "the file does not end with a line feed")));
    }
    let before = window.rfind(b"\n", 0, size - 1)?;
    Ok(before.map(|at| at + 1).ok_or_else(|| wrong("file", "the file has one line only")))
}

/// What is said of the last line, if it is wrong. The sum finds accidents; intent is found by signatures.
pub(crate) fn bad_end() -> Problem {
    wrong("end", "the sum in the last line is not that of the file: the file was damaged or changed on \
        its way")
}

/// A file that cannot be taken into its parts. The last line begins at `cut`, if there is one.
pub(crate) fn broken(window: &mut Window<'_>, cut: Option<u64>, problem: Problem) -> io::Result<Seen> {
    let at = cut.unwrap_or(window.size());
    let sum = Reader::new(0, at, Sha256::new()).finish(window)?;
    let ending = ending(window, at, sum)?;
    let mut report = Report::default();
    if cut.is_some() && !ending.good {
        report.push(bad_end());
    }
    report.push(problem);
    Ok(Seen { report, sha256: ending.sha256, read: false })
}

fn header(line: &[u8]) -> Option<Period> {
    #[derive(Deserialize)]
    struct Header {
        epoch: u64,
        from: u64,
        instance: String,
        to: u64,
    }
    let line = std::str::from_utf8(line).ok()?;
    let h: Header = serde_json::from_str(line).ok()?;
    let period = Period { instance: h.instance, epoch: h.epoch, from: h.from, to: h.to };
    (period.line() == line && period.from < period.to && period.to <= NUMBERS).then_some(period)
}

/// A tree of the entries before the period, from the line that names its complete subtrees.
fn tree(line: &[u8], kind: HashKind, from: u64) -> Option<Tree> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    if words.next() != Some("proof") || words.next() != Some(kind.name()) {
        return None;
    }
    let hashes: Option<Vec<Hash>> =
        words.map(|w| jinyun_journal::from_hex(w)?.try_into().ok()).collect();
    Tree::from_peaks(kind, from, hashes?)
}

/// The two trees; one whose line is damaged is none, and that is told.
fn trees(reader: &mut Reader, window: &mut Window<'_>, pace: Pace, from: u64, report: &mut Report)
    -> io::Result<[Option<Tree>; 2]> {
    let mut found = [None, None];
    for kind in HashKind::BOTH {
        // One line at a time: the notes behind are read as notes.
        let tree = match reader.next(window, Pace { lines: 1, ..pace })? {
            Next::Chunk(chunk) => chunk.lines().next().and_then(|line| tree(line, kind, from)),
            Next::Long | Next::End => None,
        };
        if tree.is_none() {
            report.problem(None, "file", format!("the line `proof {}` is damaged", kind.name()));
        }
        found[index(kind)] = tree;
    }
    Ok(found)
}

/// Checkpoints that the verifier kept, as far as they speak about this period, by size.
fn kept_ones(period: &Period, asked: &Asked<'_>, report: &mut Report) -> VecDeque<Mark> {
    let mut found = Vec::new();
    for text in asked.kept {
        let Some((note, checkpoint)) = read_note(text) else {
            report.problem(None, "checkpoint", "a kept checkpoint cannot be read");
            continue;
        };
        let of = (period.instance.as_str(), period.epoch);
        if !may_compare(&note, &checkpoint, of, asked.keys, report) {
            continue;
        }
        let to = period.to;
        if checkpoint.size > to {
            report.problem(Some(to), "checkpoint", format!(
                "a checkpoint kept outside has {} entries, the export ends at {to}: entries from {to} \
                 on were removed (or a later export is needed)", checkpoint.size
            ));
        } else if checkpoint.size < period.from {
            report.remarks.push(format!(
                "the {} checkpoint of {} entries that was kept outside was not compared: the export \
                 begins behind it, at entry {}", checkpoint.kind.name(), checkpoint.size, period.from
            ));
        } else {
            found.push(Mark::of(&checkpoint, true));
        }
    }
    found.sort_by_key(|mark| mark.size);
    found.into()
}

/// What is worked out of an entry by itself.
struct Hashed {
    leaf: Leaf,
    link: Option<Link>,
}

impl Hashed {
    fn of(line: &[u8]) -> Hashed {
        Hashed { leaf: Leaf::of(line), link: Link::of(line) }
    }
}

/// How far the entries are read.
struct Run<'a> {
    notes: Notes<'a>,
    kept: VecDeque<Mark>,
    trees: [Option<Tree>; 2],
    /// Up to here the roots of a tree were the signed ones.
    good: [u64; 2],
    /// What is wrong with the roots of each.
    wrong: [Report; 2],
    compared: Compared,
    chains: Chains,
    /// The number of the next entry.
    next: u64,
    /// The size of the next checkpoint that is to be compared.
    due: u64,
    watch: &'a mut dyn Watch,
}

impl Run<'_> {
    /// Takes in entries in their order.
    fn take(&mut self, window: &mut Window<'_>, chunk: &Chunk, hashed: Vec<Hashed>) -> io::Result<()> {
        for (line, Hashed { leaf, link }) in chunk.lines().zip(hashed) {
            self.watch.entry(self.next, line);
            self.chains.take(self.next, link, &leaf);
            for (tree, kind) in self.trees.iter_mut().zip(HashKind::BOTH) {
                if let Some(tree) = tree {
                    tree.push(leaf.get(kind));
                }
            }
            self.next += 1;
            if self.next >= self.due {
                self.compare(window)?;
            }
        }
        Ok(())
    }

    /// Compares the trees with all checkpoints of just their size, those of the file first.
    fn compare(&mut self, window: &mut Window<'_>) -> io::Result<()> {
        loop {
            let inside = self.notes.next(window, self.watch)?;
            let outside = self.kept.front().map(|mark| mark.size);
            self.due = inside.into_iter().chain(outside).min().unwrap_or(u64::MAX);
            if self.due > self.next {
                return Ok(());
            }
            let mark = match inside == Some(self.due) {
                true => self.notes.waiting.pop_front(),
                false => self.kept.pop_front(),
            };
            if let Some(mark) = mark {
                self.root(&mark);
            }
        }
    }

    fn root(&mut self, mark: &Mark) {
        let (at, size) = (index(mark.kind), mark.size);
        let Some(tree) = &self.trees[at] else { return };
        let same = tree.root() == mark.root;
        if mark.outside {
            self.compared.compared += 1;
            self.compared.agree += usize::from(same);
        }
        if same {
            self.good[at] = size;
            return;
        }
        let whose = if mark.outside { "kept outside" } else { "in the export" };
        let good = self.good[at];
        self.wrong[at].problem(None, "root", format!(
            "the {} root of the first {size} entries is not that of the checkpoint {whose}: \
             something among the entries {good} to {} was changed", mark.kind.name(),
            size.saturating_sub(1)
        ));
    }
}

/// Verifies an export of a period, whose last line begins at `cut`.
fn period(window: &mut Window<'_>, (head, cut): (&Head, u64), asked: Asked<'_>, paces: &Paces,
    watch: &mut dyn Watch) -> io::Result<Seen> {
    if head.first() != Some(MAGIC.as_bytes()) {
        return broken(window, Some(cut), wrong("header", format!("the first line is not `{MAGIC}`")));
    }
    let Some(period) = head.second().and_then(header) else {
        return broken(window, Some(cut), wrong("header", "the second line does not name a period"));
    };
    let from = period.from;
    let begin = head.both().len() as u64;
    // All lines up to the last that begins as an object does are entries. The header does so, too.
    let last = window.rfind(b"\n{", begin - 1, cut)?;
    let tail = last.map_or(Ok(begin), |at| window.line_end(at + 1, cut))?;

    let mut front = Report::default();
    let mut behind = Reader::new(tail, cut, Sha256::new());
    let trees = trees(&mut behind, window, paces.notes, from, &mut front)?;
    let mut outside = Report::default();
    let mut run = Run {
        kept: kept_ones(&period, &asked, &mut outside),
        notes: Notes::new(asked, &period, paces.notes, behind),
        trees,
        good: [from; 2],
        wrong: Default::default(),
        compared: Compared::default(),
        chains: Chains::new(from),
        next: from,
        due: from,
        watch,
    };
    run.compare(window)?;
    let mut sum = Sha256::new();
    sum.update(head.both());
    let mut entries = Reader::new(begin, tail, sum);
    let long = forwards(&mut run, &mut entries, window, paces.entries)?;

    let mut report = Report {
        span: Some(Span {
            instance: period.instance.clone(),
            institution: None,
            from,
            to: period.to,
            size: period.to,
        }),
        entries: run.next - from,
        ..Report::default()
    };
    let Run { notes, wrong: roots, compared, chains, next, watch, .. } = run;
    let (behind, found, stamps) = notes.end(window, watch)?;
    let first: Hash = behind.finish(window)?.finalize().into();
    let mut sum = entries.finish(window)?;
    let second = again(window, (tail, cut), &mut sum)?;
    let ending = ending(window, cut, sum)?;
    if !ending.good {
        report.push(bad_end());
    }
    if first != second {
        report.problem(None, "file", "what stands behind the entries was not the same when it was read \
            again: the file was changed meanwhile");
    }
    let promised = period.to - from;
    if long {
        report.problem(Some(next), "file", format!(
            "the line where entry {next} belongs has more than {} bytes, which no entry has: what stands \
             from there on was not compared", paces.entries.longest
        ));
    } else if report.entries != promised {
        let say = format!("the header promises {promised} entries, the file has {}", report.entries);
        report.problem(None, "number", say);
    }
    report.absorb(front);
    chains.problems.into_iter().for_each(|problem| report.push(problem));
    for part in [found, outside].into_iter().chain(roots) {
        report.absorb(part);
    }
    report.absorb(stamps);
    report.kept = compared;
    Ok(Seen { report, sha256: ending.sha256, read: true })
}

/// Goes through the entries; whether it ended at a line that is too long.
fn forwards(run: &mut Run<'_>, entries: &mut Reader, window: &mut Window<'_>, pace: Pace)
    -> io::Result<bool> {
    let mut ahead = entries.next(window, pace)?;
    let mut done: Option<(Chunk, Vec<Hashed>)> = None;
    let long = loop {
        let chunk = match ahead {
            Next::Chunk(chunk) => chunk,
            Next::Long => break true,
            Next::End => break false,
        };
        ahead = Next::End;
        let before = done.take();
        let lines: Vec<&[u8]> = chunk.lines().collect();
        let hashed = beside(&lines, ALONE, Hashed::of, || {
            if let Some((chunk, hashed)) = before {
                run.take(window, &chunk, hashed)?;
            }
            ahead = entries.next(window, pace)?;
            Ok(())
        })?;
        done = Some((chunk, hashed));
    };
    if let Some((chunk, hashed)) = done {
        run.take(window, &chunk, hashed)?;
    }
    Ok(long)
}
