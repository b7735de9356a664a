//! Exports of the journal: a period of it as a file that proves itself.
//!
//! A year's journal has millions of entries, so entries and leaves are read in parts and written as they
//! come. A checkpoint is made each second in which something happened: more than a million a year, each
//! with a signature for each tree, which nobody needs to know that nothing was changed, because the newest
//! covers all. What the others are for is to say *where* something was changed, and what others have
//! signed: so a long export has some of them, spread over its entries, and each that somebody else signed.

use crate::db::Db;
use crate::log::int;
use jinyun_base::Fault;
use jinyun_journal::export::{self, Period};
use std::collections::VecDeque;
use std::io::Write;

/// So much is read at once.
const PART: u64 = 4096;
/// Up to so many checkpoints all are in an export; of more, about so many.
const NOTES: u64 = 8192;

/// What a table has between two numbers, read in parts. The first failure ends it and is kept. What is
/// missing in the table is missing in the export, for its verifier to name.
struct Parts<'a, T> {
    read: &'a mut dyn FnMut(u64, u64) -> Result<Vec<T>, Fault>,
    next: u64,
    to: u64,
    part: VecDeque<T>,
    failed: &'a mut Option<Fault>,
}

impl<T> Iterator for Parts<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        while self.part.is_empty() && self.next < self.to && self.failed.is_none() {
            let end = self.to.min(self.next.saturating_add(PART));
            match (self.read)(self.next, end) {
                Ok(part) => self.part = part.into(),
                Err(fault) => *self.failed = Some(fault),
            }
            self.next = end;
        }
        self.part.pop_front()
    }
}

impl Db {
    /// Writes an export of the entries from `from` to the newest checkpoint.
    pub fn export(&mut self, instance: &str, from: u64, out: &mut dyn Write) -> Result<Period, Fault> {
        self.export_with(instance, from, &|note| Ok(note), out)
    }

    /// The same, with each checkpoint's note as `dress` gives it: with the lines of whoever else has
    /// signed it.
    pub fn export_with(&mut self, instance: &str, from: u64,
        dress: &dyn Fn(String) -> Result<String, Fault>, out: &mut dyn Write) -> Result<Period, Fault> {
        let Some((to, _)) = self.newest_checkpoint()? else {
            return Err(Fault::new("there is no checkpoint yet; try again in a few seconds"));
        };
        if from >= to {
            return Err(Fault::new(format!("the newest checkpoint has {to} entries: none from {from}")));
        }
        let period = Period { instance: instance.into(), epoch: 0, from, to };
        let notes = self.dressed((from, to), NOTES, dress)?;
        let mut failed = [None, None];
        let db = std::cell::RefCell::new(self);
        let [of_leaves, of_entries] = &mut failed;
        let leaves = Parts {
            read: &mut |low, high| db.borrow_mut().leaves(low, high),
            next: 0,
            to: from,
            part: VecDeque::new(),
            failed: of_leaves,
        };
        let entries = Parts {
            read: &mut |low, high| db.borrow_mut().entries(low, high),
            next: from,
            to,
            part: VecDeque::new(),
            failed: of_entries,
        };
        let written = export::write(out, &period, leaves, entries, &notes);
        if let Some(fault) = failed.into_iter().flatten().next() {
            return Err(fault);
        }
        written.map_err(|e| Fault::new(format!("writing the export: {e}")))?;
        Ok(period)
    }

    /// The notes of an export, each dressed: both of each size that is in it. Of more sizes than `most`
    /// about so many, and each that somebody else has signed.
    fn dressed(&mut self, (from, to): (u64, u64), most: u64,
        dress: &dyn Fn(String) -> Result<String, Fault>) -> Result<Vec<String>, Fault> {
        let mut many = 0;
        let sql = "SELECT COUNT(DISTINCT size) FROM checkpoint WHERE size > ?1 AND size <= ?2";
        self.query(sql, &[int(from), int(to)], |c| many = u64::try_from(c.int(0)).unwrap_or(0))?;
        let step = if many <= most { 1 } else { (to - from).div_ceil(most) };
        let (mut kept, mut low, mut due) = (Vec::new(), from + 1, from + 1);
        while low <= to {
            let high = to.min(low.saturating_add(PART - 1));
            for (size, notes) in self.pairs(low, high)? {
                let plain = notes.clone();
                let notes = notes.into_iter().map(dress).collect::<Result<Vec<_>, Fault>>()?;
                if size >= due || size == to || notes != plain {
                    kept.extend(notes);
                }
                if size >= due {
                    due = size.saturating_add(step);
                }
            }
            low = high + 1;
        }
        Ok(kept)
    }

    /// The notes of each checkpoint with `low <= size <= high`, by size, SHA-256 before SM3.
    fn pairs(&mut self, low: u64, high: u64) -> Result<Vec<(u64, Vec<String>)>, Fault> {
        let mut pairs: Vec<(u64, Vec<String>)> = Vec::new();
        let sql = "SELECT size, note FROM checkpoint WHERE size >= ?1 AND size <= ?2 ORDER BY size, tree";
        self.query(sql, &[int(low), int(high)], |mut c| {
            let (size, note) = (u64::try_from(c.int(0)).unwrap_or(0), c.text(1));
            match pairs.last_mut() {
                Some((last, notes)) if *last == size => notes.push(note),
                _ => pairs.push((size, vec![note])),
            }
        })?;
        Ok(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Draft;
    use crate::write::Writer;
    use crate::Config;
    use jinyun_base::Time;
    use jinyun_journal::entry::Actor;
    use jinyun_journal::note::{Checkpoint, Note};

    fn draft(n: i64) -> Draft {
        Draft {
            action: "test:thing:create".into(),
            actor: Actor { domain: "one".into(), id: "test".into(), kind: "system".into() },
            approval: None,
            effects: Vec::new(),
            institution: if n % 3 == 0 { "one".into() } else { "other".into() },
            note: None,
            outcome: "done",
            reason: None,
            request: format!("req-{n}"),
            source: None,
            target: None,
            time: Time(n),
        }
    }

    fn sizes(notes: &[String]) -> Vec<u64> {
        notes.iter().map(|n| Checkpoint::parse(&Note::parse(n).unwrap().text).unwrap().size).collect()
    }

    #[test]
    fn a_long_export_has_some_checkpoints_and_all_that_others_signed() {
        let dir = jinyun_testdb::Dir::new("export");
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let mut writer = Writer::open(&config, "test").unwrap();
        for n in 0..PART as i64 + 100 {
            writer.begin().unwrap();
            writer.append(draft(n)).unwrap();
            writer.commit().unwrap();
            if n % 10 == 9 || n == PART as i64 + 99 {
                let mut sign = |_, _: &str| Ok(vec![("test".to_string(), [0; 4], vec![0; 64])]);
                writer.checkpoint("test", Time(n), ("system", 0), &mut sign).unwrap();
            }
        }
        let db = &mut writer.db;
        let to = db.newest_checkpoint().unwrap().unwrap().0;
        let every = db.dressed((0, to), NOTES, &Ok).unwrap();
        assert_eq!(every, db.notes_between(1, to), "a short one has all");
        let witnessed = |note: String| {
            Ok(if note.contains("\n1230\n") { note + "\u{2014} somebody AAAAAAAA\n" } else { note })
        };
        let some = sizes(&db.dressed((0, to), 8, &witnessed).unwrap());
        assert!(some.len() <= 2 * (8 + 2), "{some:?}");
        assert!(some.len() >= 2 * 8, "{some:?}");
        assert_eq!(&some[some.len() - 2..], [to, to], "the newest is there");
        assert!(some.contains(&1230), "what somebody signed is there");
        assert!(some.chunks(2).all(|pair| pair[0] == pair[1]), "both trees of each");
        // Read in parts, it is the same file as if it were read at once.
        for from in [0, 7, PART, PART + 50] {
            let mut out = Vec::new();
            let period = db.export("test", from, &mut out).unwrap();
            let (leaves, entries) = (db.leaves(0, from).unwrap(), db.entries(from, to).unwrap());
            assert_eq!(entries.len() as u64, to - from);
            let mut whole = Vec::new();
            let notes = db.notes_between(from + 1, to);
            export::write(&mut whole, &period, leaves.into_iter(), entries.into_iter(), &notes).unwrap();
            assert!(out == whole, "from {from}");
        }
        db.exec("DELETE FROM journal WHERE number >= 9 AND number < 2 * 4096", &[]).unwrap();
        let mut out = Vec::new();
        db.export("test", 0, &mut out).unwrap();
        let lines = out.split(|b| *b == b'\n').filter(|line| line.starts_with(b"{\"a")).count();
        assert_eq!(lines, 9, "what is gone is left out, and what is there is exported");
    }

    impl Db {
        fn notes_between(&mut self, low: u64, high: u64) -> Vec<String> {
            self.pairs(low, high).unwrap().into_iter().flat_map(|(_, notes)| notes).collect()
        }
    }
}
