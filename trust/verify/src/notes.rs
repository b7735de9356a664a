//! The signed notes behind an export's entries, read as the entries are, a stretch at a time.
//!
//! Problem: a year has a checkpoint for most seconds in which something was done, hundreds of megabytes
//! of them, each with two signatures; they stand behind the entries, and each is about a place among
//! them. Mechanism: the format has them by size. So they are read side by side with the entries, as many
//! at once as are worth their threads, and only size and root of those wait that are still to come.
//! That they are in order is checked, as it is what makes this enough. Why not all roots first: a file
//! could have any number of them.

use crate::lines::Lines;
use crate::source::{Next, Pace, Reader, Window, beside};
use crate::stream::{Asked, Watch};
use crate::{Report, Timestamp, note_line, read_note, stamps};
use jinyun_journal::export::Period;
use jinyun_journal::merkle::{Hash, HashKind};
use jinyun_journal::note::Checkpoint;
use std::collections::VecDeque;
use std::io;

/// So few notes are not worth a thread.
const ALONE: usize = 3;

/// What a checkpoint says of a tree.
pub(crate) struct Mark {
    pub size: u64,
    pub kind: HashKind,
    pub root: Hash,
    /// It was kept outside.
    pub outside: bool,
}

impl Mark {
    pub fn of(checkpoint: &Checkpoint, outside: bool) -> Mark {
        Mark { size: checkpoint.size, kind: checkpoint.kind, root: checkpoint.root, outside }
    }
}

/// Where a tree stands among the two.
pub(crate) fn index(kind: HashKind) -> usize {
    usize::from(kind == HashKind::Sm3)
}

/// A note and what was found of its lines.
pub(crate) struct Judged<'k> {
    pub checkpoint: Checkpoint,
    pub lines: Lines<'k>,
    pub stamps: Vec<Result<Timestamp, String>>,
}

/// Judges a line with a note; says what is wrong with one that is none.
pub(crate) fn judge<'k>(line: &[u8], asked: &Asked<'k>) -> Result<Judged<'k>, &'static str> {
    let text = note_line(line).ok_or("a `note` line is damaged")?;
    let (note, checkpoint) = read_note(&text).ok_or("a checkpoint cannot be read: it was changed")?;
    let lines = Lines::of(&note, asked.keys);
    let stamps = stamps::of(&note, &checkpoint, asked.roots, false);
    Ok(Judged { checkpoint, lines, stamps })
}

/// The notes of an export of a period.
pub(crate) struct Notes<'a> {
    asked: Asked<'a>,
    period: Period,
    pace: Pace,
    reader: Reader,
    over: bool,
    /// Size and tree of the one before.
    before: Option<(u64, usize)>,
    /// Whether one of a tree covers the whole period.
    covers: [bool; 2],
    /// Those that are in order and still to be compared.
    pub waiting: VecDeque<Mark>,
    /// What was found of signatures.
    found: Report,
    /// What was found of timestamps.
    stamps: Report,
}

impl<'a> Notes<'a> {
    /// Those that a reader has before it.
    pub fn new(asked: Asked<'a>, period: &Period, pace: Pace, reader: Reader) -> Notes<'a> {
        Notes {
            asked,
            period: period.clone(),
            pace,
            reader,
            over: false,
            before: None,
            covers: [false; 2],
            waiting: VecDeque::new(),
            found: Report::default(),
            stamps: Report::default(),
        }
    }

    /// The size of the next one that is to be compared; none if there is no further one.
    pub fn next(&mut self, window: &mut Window<'_>, watch: &mut dyn Watch) -> io::Result<Option<u64>> {
        while self.waiting.is_empty() && !self.over {
            let chunk = match self.reader.next(window, self.pace)? {
                Next::Chunk(chunk) => chunk,
                Next::End => {
                    self.over = true;
                    break;
                }
                Next::Long => {
                    self.over = true;
                    self.found.problem(None, "file", format!(
                        "a line behind the entries has more than {} bytes, which no checkpoint has: what \
                         stands from there on was not read", self.pace.longest
                    ));
                    break;
                }
            };
            let lines: Vec<&[u8]> = chunk.lines().collect();
            let asked = self.asked;
            let judged = beside(&lines, ALONE, |line| judge(line, &asked), || Ok(()))?;
            for (line, judged) in lines.iter().zip(judged) {
                watch.note(line);
                self.take(judged);
            }
        }
        Ok(self.waiting.front().map(|mark| mark.size))
    }

    fn take(&mut self, judged: Result<Judged<'_>, &'static str>) {
        let wrong = match judged {
            Err(say) => say,
            Ok(Judged { checkpoint, lines, stamps }) => {
                self.stamps.stamped(stamps);
                match self.place(&checkpoint) {
                    Some(say) => say,
                    None => {
                        self.found.lines(&lines, &checkpoint, self.asked.keys);
                        self.covers[index(checkpoint.kind)] |= checkpoint.size == self.period.to;
                        self.waiting.push_back(Mark::of(&checkpoint, false));
                        return;
                    }
                }
            }
        };
        self.found.problem(None, "checkpoint", wrong);
    }

    /// What is wrong with the place of a checkpoint.
    fn place(&mut self, checkpoint: &Checkpoint) -> Option<&'static str> {
        let period = &self.period;
        if checkpoint.instance != period.instance || checkpoint.epoch != period.epoch {
            return Some("a checkpoint is of another instance or epoch");
        }
        if checkpoint.size <= period.from || checkpoint.size > period.to {
            return Some("a checkpoint lies outside of the period");
        }
        let place = (checkpoint.size, index(checkpoint.kind));
        if self.before.is_some_and(|before| place <= before) {
            return Some("a checkpoint is there twice or not in its order, by size");
        }
        self.before = Some(place);
        None
    }

    /// Reads what is left, when there are no further entries. Returns the reader, to be finished, and what
    /// was found of signatures and of timestamps.
    pub fn end(mut self, window: &mut Window<'_>, watch: &mut dyn Watch)
        -> io::Result<(Reader, Report, Report)> {
        while !self.over {
            self.waiting.clear();
            self.next(window, watch)?;
        }
        for kind in HashKind::BOTH {
            if !self.covers[index(kind)] {
                self.found.problem(None, "checkpoint", format!(
                    "no {} checkpoint covers the whole period", kind.name()
                ));
            }
        }
        Ok((self.reader, self.found, self.stamps))
    }
}
