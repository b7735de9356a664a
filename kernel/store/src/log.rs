//! The journal in the store: appending in the transaction, checkpoints outside of it.
//!
//! A transaction only needs the number and the hashes of the institution's entry before; the trees
//! are not touched by it. Signing waits for keys (perhaps in an HSM), so it is done on a timer,
//! over what is committed. A checkpoint keeps the complete subtrees of its size, so a restart reads
//! the newest one and the leaves behind it instead of the whole journal.

use crate::db::{Cells, Db, Val};
use crate::write::Writer;
use jinyun_base::{Fault, Time};
use jinyun_journal::entry::{Actor, Effect, Entry, Institution, Leaf, Reason, Target, canonical};
use jinyun_journal::merkle::{Hash, HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Note};
use std::collections::HashMap;

/// What the writer knows of the journal's end.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The next entry's number.
    pub next: u64,
    institutions: HashMap<String, (u64, Leaf)>,
}

impl Head {
    pub(crate) fn load(db: &mut Db) -> Result<Head, Fault> {
        let mut next = 0;
        db.query("SELECT COALESCE(MAX(number), -1) FROM journal", &[], |c| {
            next = u64::try_from(c.int(0) + 1).unwrap_or(0);
        })?;
        Ok(Head { next, institutions: HashMap::new() })
    }

    fn institution(&mut self, db: &mut Db, id: &str) -> Result<Option<(u64, Leaf)>, Fault> {
        if let Some(found) = self.institutions.get(id) {
            return Ok(Some(*found));
        }
        let mut found = None;
        let sql = "SELECT place, sha256, sm3 FROM journal WHERE institution = ?1 \
                   ORDER BY place DESC LIMIT 1";
        db.query(sql, &[id.into()], |mut c| {
            found = Some((u64::try_from(c.int(0)).unwrap_or(0), leaf(&mut c, 1)));
        })?;
        Ok(found)
    }
}

fn leaf(c: &mut Cells, at: usize) -> Leaf {
    let hash = |b: Vec<u8>| Hash::try_from(b).unwrap_or_default();
    Leaf { sha256: hash(c.blob(at)), sm3: hash(c.blob(at + 1)) }
}

/// An entry before it has its place.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What was asked.
    pub action: String,
    /// Who.
    pub actor: Actor,
    /// Which stored command this runs.
    pub approval: Option<String>,
    /// What changed.
    pub effects: Vec<Effect>,
    /// Whose entry.
    pub institution: String,
    /// Beside the effects.
    pub note: Option<serde_json::Value>,
    /// `done`, `refused`, `waiting`.
    pub outcome: &'static str,
    /// Why refused.
    pub reason: Option<Reason>,
    /// Request id.
    pub request: String,
    /// Network address.
    pub source: Option<String>,
    /// What about.
    pub target: Option<Target>,
    /// When.
    pub time: Time,
}

/// Where an entry came to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// In the whole journal.
    pub number: u64,
    /// In its institution's.
    pub place: u64,
}

/// Which of the journal's sequences is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence<'a> {
    /// All entries, by their number in the whole journal.
    Whole,
    /// One institution's entries, by its own numbers.
    Of(&'a str),
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in the whole journal.
    pub number: u64,
    /// Its institution's own number.
    pub place: u64,
    /// When.
    pub time: Time,
    /// Its canonical bytes.
    pub body: Vec<u8>,
}

impl Sequence<'_> {
    /// The number that an entry has in this sequence.
    pub fn at(&self, line: &Line) -> u64 {
        match self {
            Sequence::Whole => line.number,
            Sequence::Of(_) => line.place,
        }
    }
}

/// A stretch of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its first number.
    pub low: u64,
    /// One past its last number.
    pub high: u64,
    /// From its end to its beginning.
    pub newest_first: bool,
    /// At most so many entries.
    pub limit: u64,
}

/// How far the clock may have been set back between two entries, in microseconds, so that times can
/// still be found by halving: a day.
const SET_BACK: i64 = 86_400 * Time::SECOND;

/// A number as the database has it; what is too large is larger than any that is stored.
pub(crate) fn int(n: u64) -> Val {
    Val::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Signs the text of a checkpoint: name, key id and signature for each key that is to sign a tree.
pub type Signer<'a> = dyn FnMut(HashKind, &str) -> Result<Vec<(String, [u8; 4], Vec<u8>)>, Fault> + 'a;

impl Writer {
    /// The number that the next entry gets.
    pub fn next_number(&self) -> u64 {
        self.head.next
    }

    /// Appends an entry in the open transaction.
    pub fn append(&mut self, draft: Draft) -> Result<Appended, Fault> {
        let before = self.head.institution(&mut self.db, &draft.institution)?;
        let place = before.as_ref().map_or(0, |(n, _)| n + 1);
        let number = self.head.next;
        let entry = Entry {
            action: draft.action,
            actor: draft.actor,
            approval: draft.approval,
            effects: draft.effects,
            institution: Institution {
                id: draft.institution,
                number: place,
                previous: before.map(|(_, leaf)| leaf.previous()),
            },
            note: draft.note,
            number,
            outcome: draft.outcome.into(),
            reason: draft.reason,
            request: draft.request,
            source: draft.source,
            target: draft.target,
            time: draft.time.0,
        };
        let bytes = canonical(&entry).map_err(|e| Fault::new(format!("journal entry: {e}")))?;
        let leaf = Leaf::of(bytes.as_bytes());
        self.db.exec(
            "INSERT INTO journal (number, institution, place, time, body, sha256, sm3) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            &[(number as i64).into(), (&entry.institution.id).into(), (place as i64).into(),
              entry.time.into(), bytes.as_bytes().into(), leaf.sha256.as_slice().into(),
              leaf.sm3.as_slice().into()],
        )?;
        self.head.next += 1;
        self.head.institutions.insert(entry.institution.id, (place, leaf));
        Ok(Appended { number, place })
    }

    /// Signs what is committed and stores the two notes. `None` if nothing is new.
    pub fn checkpoint(&mut self, instance: &str, now: Time, clock: (&str, i64),
        sign: &mut Signer<'_>) -> Result<Option<Vec<Checkpoint>>, Fault> {
        let trees = self.db.trees()?;
        let size = self.head.next;
        if size == 0 || self.db.newest_checkpoint()?.is_some_and(|(s, _)| s == size) {
            return Ok(None);
        }
        let trees = self.db.grow(trees, size)?;
        let mut made = Vec::new();
        self.begin()?;
        for (tree, kind) in trees.iter().zip(HashKind::BOTH) {
            let checkpoint = Checkpoint {
                instance: instance.into(),
                epoch: 0,
                kind,
                size,
                root: tree.root(),
                time: now.0,
                clock: clock.0.into(),
                offset: clock.1,
            };
            let text = checkpoint.text();
            let note = Note { signatures: sign(kind, &text)?, text };
            self.db.exec(
                "INSERT INTO checkpoint (size, tree, note, peaks) VALUES (?1, ?2, ?3, ?4)",
                &[(size as i64).into(), kind.name().into(), (&note.render()).into(),
                  tree.peaks().concat().as_slice().into()],
            )?;
            made.push(checkpoint);
        }
        self.commit()?;
        Ok(Some(made))
    }
}

impl Db {
    /// How many entries there are.
    pub fn journal_length(&mut self) -> Result<u64, Fault> {
        Head::load(self).map(|head| head.next)
    }

    /// Size and rendered notes of the newest checkpoint.
    pub fn newest_checkpoint(&mut self) -> Result<Option<(u64, Vec<String>)>, Fault> {
        let mut size = None;
        self.query("SELECT size FROM checkpoint ORDER BY size DESC LIMIT 1", &[], |c| {
            size = u64::try_from(c.int(0)).ok();
        })?;
        let Some(size) = size else { return Ok(None) };
        Ok(Some((size, self.notes(size, size)?)))
    }

    /// Notes of the checkpoints with `low <= size <= high`, by size, SHA-256 before SM3.
    fn notes(&mut self, low: u64, high: u64) -> Result<Vec<String>, Fault> {
        let mut notes = Vec::new();
        let sql = "SELECT note FROM checkpoint WHERE size >= ?1 AND size <= ?2 ORDER BY size, tree";
        self.query(sql, &[(low as i64).into(), (high as i64).into()], |mut c| {
            notes.push(c.text(0));
        })?;
        Ok(notes)
    }

    /// The twin trees at the newest checkpoint.
    fn trees(&mut self) -> Result<[Tree; 2], Fault> {
        let mut trees = HashKind::BOTH.map(Tree::new);
        let mut damaged = false;
        let sql = "SELECT size, tree, peaks FROM checkpoint WHERE size = \
                   (SELECT MAX(size) FROM checkpoint)";
        self.query(sql, &[], |mut c| {
            let (size, name, bytes) = (c.int(0) as u64, c.text(1), c.blob(2));
            let peaks = bytes.chunks(32).filter_map(|p| Hash::try_from(p).ok()).collect::<Vec<_>>();
            for (tree, kind) in trees.iter_mut().zip(HashKind::BOTH) {
                if kind.name() == name {
                    match Tree::from_peaks(kind, size, peaks.clone()) {
                        Some(t) => *tree = t,
                        None => damaged = true,
                    }
                }
            }
        })?;
        if damaged || trees[0].size() != trees[1].size() {
            return Err(Fault::new("the newest checkpoint in the state is damaged"));
        }
        Ok(trees)
    }

    fn grow(&mut self, mut trees: [Tree; 2], to: u64) -> Result<[Tree; 2], Fault> {
        for leaf in self.leaves(trees[0].size(), to)? {
            trees.iter_mut().zip(HashKind::BOTH).for_each(|(t, k)| t.push(leaf.get(k)));
        }
        if trees[0].size() != to {
            return Err(Fault::new("the journal in the state has a gap"));
        }
        Ok(trees)
    }

    /// Leaf hashes of entries `from..to`.
    pub fn leaves(&mut self, from: u64, to: u64) -> Result<Vec<Leaf>, Fault> {
        let mut leaves = Vec::new();
        let sql = "SELECT sha256, sm3 FROM journal WHERE number >= ?1 AND number < ?2 \
                   ORDER BY number";
        self.query(sql, &[(from as i64).into(), (to as i64).into()], |mut c| {
            leaves.push(leaf(&mut c, 0));
        })?;
        Ok(leaves)
    }

    /// Canonical bytes of entries `from..to`.
    pub fn entries(&mut self, from: u64, to: u64) -> Result<Vec<Vec<u8>>, Fault> {
        let mut entries = Vec::new();
        let sql = "SELECT body FROM journal WHERE number >= ?1 AND number < ?2 ORDER BY number";
        self.query(sql, &[(from as i64).into(), (to as i64).into()], |mut c| {
            entries.push(c.blob(0));
        })?;
        Ok(entries)
    }

    /// Canonical bytes of an institution's own entries, from a place on.
    pub fn entries_of(&mut self, institution: &str, from: u64, limit: u64)
        -> Result<Vec<Vec<u8>>, Fault> {
        let mut entries = Vec::new();
        let sql = "SELECT body FROM journal WHERE institution = ?1 AND place >= ?2 \
                   AND place < ?3 ORDER BY place";
        let vals = [institution.into(), (from as i64).into(),
            (from.saturating_add(limit) as i64).into()];
        self.query(sql, &vals, |mut c| entries.push(c.blob(0)))?;
        Ok(entries)
    }

    /// How many entries a sequence has.
    pub fn sequence_length(&mut self, of: Sequence<'_>) -> Result<u64, Fault> {
        let mut length = 0;
        let each = |c: Cells| length = u64::try_from(c.int(0) + 1).unwrap_or(0);
        match of {
            Sequence::Whole => {
                self.query("SELECT COALESCE(MAX(number), -1) FROM journal", &[], each)?;
            }
            Sequence::Of(id) => {
                let sql = "SELECT COALESCE(MAX(place), -1) FROM journal WHERE institution = ?1";
                self.query(sql, &[id.into()], each)?;
            }
        }
        Ok(length)
    }

    /// Entries of a stretch of a sequence.
    pub fn lines(&mut self, of: Sequence<'_>, at: Stretch) -> Result<Vec<Line>, Fault> {
        let (column, only) = match of {
            Sequence::Whole => ("number", ""),
            Sequence::Of(_) => ("place", "institution = ?4 AND "),
        };
        let order = if at.newest_first { " DESC" } else { "" };
        let sql = format!(
            "SELECT number, place, time, body FROM journal WHERE {only}{column} >= ?1 AND \
             {column} < ?2 ORDER BY {column}{order} LIMIT ?3"
        );
        let mut vals = vec![int(at.low), int(at.high), int(at.limit)];
        if let Sequence::Of(id) = of {
            vals.push(id.into());
        }
        let mut lines = Vec::new();
        self.query(&sql, &vals, |mut c| {
            lines.push(Line {
                number: u64::try_from(c.int(0)).unwrap_or(0),
                place: u64::try_from(c.int(1)).unwrap_or(0),
                time: Time(c.int(2)),
                body: c.blob(3),
            });
        })?;
        Ok(lines)
    }

    /// The number in the whole journal and the time of one entry of a sequence.
    fn moment(&mut self, of: Sequence<'_>, at: u64) -> Result<Option<(u64, Time)>, Fault> {
        let mut found = None;
        let each = |c: Cells| found = Some((u64::try_from(c.int(0)).unwrap_or(0), Time(c.int(1))));
        match of {
            Sequence::Whole => {
                self.query("SELECT number, time FROM journal WHERE number = ?1", &[int(at)], each)?;
            }
            Sequence::Of(id) => {
                let sql = "SELECT number, time FROM journal WHERE institution = ?1 AND place = ?2";
                self.query(sql, &[id.into(), int(at)], each)?;
            }
        }
        Ok(found)
    }

    /// A place in a sequence at which something begins to hold, found by halving.
    fn turn(&mut self, of: Sequence<'_>, holds: impl Fn(u64, Time) -> bool) -> Result<u64, Fault> {
        let (mut low, mut high) = (0, self.sequence_length(of)?);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some((number, time)) = self.moment(of, middle)? else {
                return Err(Fault::new("the journal in the state has a gap"));
            };
            if holds(number, time) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// How many entries of a sequence are among the first `size` of the journal.
    pub fn covered(&mut self, of: Sequence<'_>, size: u64) -> Result<u64, Fault> {
        self.turn(of, |number, _| number >= size)
    }

    /// The first and one past the last number in a sequence of what happened from `since` on and
    /// before `until`. Between them something may lie that is outside of the period, if the clock
    /// was set back. No index over times is kept, which every entry would have to pay for: times
    /// follow the order of the entries but for corrections of the clock, and those of up to a day
    /// are allowed for.
    pub fn period(&mut self, of: Sequence<'_>, since: Option<Time>, until: Option<Time>)
        -> Result<(u64, u64), Fault> {
        let length = self.sequence_length(of)?;
        let (mut low, mut high) = (0, length);
        if let Some(since) = since {
            let from = self.turn(of, |_, time| time.0 >= since.0.saturating_sub(SET_BACK))?;
            low = self.edge(of, from, since, true)?.unwrap_or(length);
        }
        if let Some(until) = until {
            let to = self.turn(of, |_, time| time.0 >= until.0.saturating_add(SET_BACK))?;
            high = self.edge(of, to, until, false)?.map_or(0, |last| last + 1);
        }
        Ok((low, high.max(low)))
    }

    /// The first entry from a number on that is not before a time, or the last one below the number
    /// that is.
    fn edge(&mut self, of: Sequence<'_>, at: u64, time: Time, first: bool)
        -> Result<Option<u64>, Fault> {
        let (column, only) = match of {
            Sequence::Whole => ("number", ""),
            Sequence::Of(_) => ("place", "institution = ?3 AND "),
        };
        let (side, order) = if first { (">=", "") } else { ("<", " DESC") };
        let sql = format!(
            "SELECT {column} FROM journal WHERE {only}{column} {side} ?1 AND time {side} ?2 \
             ORDER BY {column}{order} LIMIT 1"
        );
        let mut vals = vec![int(at), time.into()];
        if let Sequence::Of(id) = of {
            vals.push(id.into());
        }
        let mut found = None;
        self.query(&sql, &vals, |c| found = u64::try_from(c.int(0)).ok())?;
        Ok(found)
    }

    /// Sizes of checkpoints below a size, the newest first.
    pub fn checkpoint_sizes(&mut self, below: u64, limit: u64) -> Result<Vec<u64>, Fault> {
        let mut sizes = Vec::new();
        let sql = "SELECT DISTINCT size FROM checkpoint WHERE size < ?1 ORDER BY size DESC LIMIT ?2";
        self.query(sql, &[int(below), int(limit)], |c| {
            sizes.extend(u64::try_from(c.int(0)));
        })?;
        Ok(sizes)
    }

    /// Notes of the checkpoint of a size, SHA-256 before SM3; none if there is no such checkpoint.
    pub fn checkpoint_notes(&mut self, size: u64) -> Result<Vec<String>, Fault> {
        let size = size.min(i64::MAX as u64);
        self.notes(size, size)
    }
}
