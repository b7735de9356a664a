//! The journal verified and replayed as it grows.
//!
//! Problem: a whole verification each few minutes costs more with each day. Mechanism: what came
//! since the last verified checkpoint is verified by the assessor's own verifier against that
//! checkpoint, and replayed into a store that stands where it stood; once a day, and at each start,
//! both begin from nothing again. All of it goes in slices, so that nobody waits for a long journal
//! and no more than a slice is in memory.
//!
//! A day is long for whoever changes an old entry, and the newest entries say nothing of it. So each
//! round also compares the bytes of some thousand old entries with the hashes that are stored beside
//! them, one stretch after the other and then from the beginning again ([`Sweep`]). That those hashes
//! are the ones that were signed is what the newest entries are verified against. A changed record, a
//! forged new entry or a changed hash is so found within minutes, a changed old entry when the round
//! comes to it: at once in a short journal, within an hour or two in one of a million entries.
//!
//! What an assessment finds is no less true for being passed over here: it stands until the same look
//! at the whole journal finds nothing any more ([`Doubt`]); where the journal is too long for that, until a
//! walk through all of it, begun afterwards, with the same checkpoints, does.
//!
//! The verifier links the entries of each institution inside of what it is given; the links from
//! slice to slice are followed here.

use crate::facts::journal::{Journal, LONGEST, Replica, TOLD, Tables, signed, verified};
use jinyun_base::{Fault, Time};
use jinyun_journal::entry::Leaf;
use jinyun_journal::export::{self, Period};
use jinyun_journal::{Checkpoint, Institution, Key, Note};
use jinyun_rest::Cloud;
use jinyun_store::Db;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// At most so many entries at once, unless a checkpoint covers more.
const SLICE: u64 = 10_000;
/// So many leaf hashes are read at once.
const CHUNK: usize = 4_096;
/// At most so many old entries are compared with their hashes in a round.
const SWEEP: u64 = 16_384;
/// How old a whole verification and a whole replay become.
const DAY: i64 = 86_400 * Time::SECOND;
/// So long a calm moment is waited for, before the writer has to wait.
const PATIENCE: i64 = 600 * Time::SECOND;

/// Whose journal, and what is needed to verify it.
pub struct Around<'a> {
    /// The records and the write path.
    pub cloud: &'a Cloud,
    /// Keys that may sign.
    pub keys: &'a [Key],
    /// The instance's name.
    pub instance: &'a str,
    /// A directory for the replay's store.
    pub dir: &'a Path,
}

/// What came of a step.
#[derive(Debug, Default)]
pub struct Step {
    /// What was found, if both ways have reached the journal's end: all but entries.
    pub journal: Option<Journal>,
    /// There is more to do.
    pub more: bool,
    /// When the whole was gone through.
    pub whole: Option<i64>,
    /// Since when every entry was compared with its hashes again.
    pub swept: Option<i64>,
}

/// How far a verification is.
#[derive(Debug, Default)]
struct Walk {
    /// All entries below this number are verified.
    from: u64,
    /// Notes of checkpoints that the entries must still fit.
    kept: Vec<String>,
    /// Of each institution the number and the hashes of its newest entry.
    last: BTreeMap<String, (u64, Leaf)>,
    /// How many kept checkpoints were compared in the newest slice.
    held: usize,
}

/// What of an entry the links need.
#[derive(Deserialize)]
struct Light {
    institution: Institution,
}

/// How many entries a note's checkpoint covers.
fn size(note: &str) -> Option<u64> {
    Checkpoint::parse(&Note::parse(note)?.text).map(|checkpoint| checkpoint.size)
}

/// An export of entries up to a checkpoint, for the verifier.
fn slice(db: &mut Db, period: &Period, entries: &[Vec<u8>], notes: &[String])
    -> Result<Vec<u8>, Fault> {
    let mut trouble = None;
    let to = period.from;
    let leaves = (0..to).step_by(CHUNK).flat_map(|at| {
        let some = db.leaves(at, to.min(at + CHUNK as u64));
        some.unwrap_or_else(|fault| {
            trouble = Some(fault);
            Vec::new()
        })
    });
    let mut out = Vec::new();
    export::write(&mut out, period, leaves, entries.iter().cloned(), notes)
        .map_err(|e| Fault::new(format!("writing an export: {e}")))?;
    trouble.map_or(Ok(out), Err)
}

impl Walk {
    /// Where the next slice ends: at a checkpoint.
    fn next(&self, db: &mut Db, end: u64) -> Result<u64, Fault> {
        let sizes = db.checkpoint_sizes((self.from + SLICE).min(end) + 1, 1)?;
        Ok(sizes.first().copied().filter(|size| *size > self.from).unwrap_or(end))
    }

    /// Verifies the next slice. It stays the next one as long as something is wrong with it.
    fn go(&mut self, db: &mut Db, around: &Around<'_>, end: u64) -> Result<Vec<String>, Fault> {
        let to = self.next(db, end)?;
        let instance = around.instance.into();
        let period = Period { instance, epoch: 0, from: self.from, to };
        let entries = db.entries(self.from, to)?;
        let notes = db.checkpoint_notes(to)?;
        let export = slice(db, &period, &entries, &notes)?;
        // One that cannot be read is shown to the verifier, which says so, and not kept.
        let here = |note: &&String| size(note).is_none_or(|size| (self.from..=to).contains(&size));
        let kept: Vec<String> = self.kept.iter().filter(here).cloned().collect();
        let report = jinyun_verify::verify(&export, around.keys, &kept);
        let mut problems: Vec<String> = report.problems.into_iter().map(|p| p.say).collect();
        let last = self.links(&entries, &mut problems);
        self.kept.retain(|note| size(note).is_some());
        if problems.is_empty() {
            self.kept.retain(|note| size(note) > Some(to));
            self.kept.extend(notes);
            (self.from, self.last, self.held) = (to, last, kept.len());
        }
        Ok(problems)
    }

    /// Whether the first entry of each institution follows its last one before. Returns the last
    /// ones after these.
    fn links(&self, entries: &[Vec<u8>], problems: &mut Vec<String>)
        -> BTreeMap<String, (u64, Leaf)> {
        let mut newest: BTreeMap<String, (u64, usize)> = BTreeMap::new();
        for (n, bytes) in entries.iter().enumerate() {
            // What cannot be read is the verifier's to tell.
            let Ok(Light { institution: at }) = serde_json::from_slice(bytes) else { continue };
            if !newest.contains_key(&at.id) {
                let follows = match self.last.get(&at.id) {
                    Some((number, leaf)) => {
                        at.number == number + 1 && at.previous == Some(leaf.previous())
                    }
                    None => at.number == 0 && at.previous.is_none(),
                };
                if !follows {
                    problems.push(format!(
                        "entry {} does not follow the one before it of institution {}",
                        self.from + n as u64, at.id
                    ));
                }
            }
            newest.insert(at.id, (at.number, n));
        }
        let mut last = self.last.clone();
        last.extend(newest.into_iter().map(|(id, (number, n))| {
            (id, (number, Leaf::of(&entries[n])))
        }));
        last
    }
}

/// What is wrong with entries from a number on, by the hashes that are stored beside them.
fn differing(from: u64, bodies: &[Vec<u8>], leaves: &[Leaf], to: u64) -> Vec<String> {
    let all = usize::try_from(to - from).ok();
    if Some(bodies.len()) != all || Some(leaves.len()) != all {
        return vec![format!("of the entries {from} to {} some are missing", to - 1)];
    }
    (from..).zip(bodies.iter().zip(leaves)).filter(|(_, (bytes, leaf))| Leaf::of(bytes) != **leaf)
        .map(|(number, _)| format!(
            "entry {number} was changed: it has other hashes than those that the trees are made of"
        ))
        .take(TOLD).collect()
}

/// Goes through old entries again and again, a stretch in each round.
#[derive(Debug, Default)]
struct Sweep {
    /// The next entry.
    at: u64,
    /// When it was at the beginning.
    began: i64,
    /// The same of the last time that it has come to the end.
    whole: Option<i64>,
    /// What is wrong with the next entries. They stay the next ones as long as it is.
    wrong: Vec<String>,
}

impl Sweep {
    /// Compares the next entries below a number with their hashes.
    fn go(&mut self, db: &mut Db, end: u64, now: Time) -> Result<(), Fault> {
        self.wrong.clear();
        if self.at == 0 {
            self.began = now.0;
        }
        let stop = end.min(self.at + SWEEP);
        while self.at < stop {
            let to = stop.min(self.at + CHUNK as u64);
            let (bodies, leaves) = (db.entries(self.at, to)?, db.leaves(self.at, to)?);
            self.wrong = differing(self.at, &bodies, &leaves, to);
            if !self.wrong.is_empty() {
                return Ok(());
            }
            self.at = to;
        }
        if self.at >= end {
            (self.at, self.whole) = (0, Some(self.began));
        }
        Ok(())
    }
}

/// What somebody found who went through all of it at once.
struct Doubt {
    problems: Vec<String>,
    /// With which checkpoints it was compared.
    kept: Vec<String>,
}

/// Verification and replay, between two steps.
#[derive(Default)]
pub struct Proof {
    tip: Walk,
    tip_wrong: Vec<String>,
    sweep: Sweep,
    doubt: Option<Doubt>,
    whole: Option<Walk>,
    /// It began after the doubt, and compares with the same checkpoints.
    whole_for_doubt: bool,
    whole_wrong: Vec<String>,
    whole_at: Option<i64>,
    replica: Option<Replica>,
    replica_at: i64,
    /// Since when no calm moment was found.
    waits: Option<i64>,
}

impl Proof {
    /// Begins, with notes that an earlier process kept.
    pub fn begin(kept: Vec<String>) -> Proof {
        Proof { tip: Walk { kept, ..Walk::default() }, ..Proof::default() }
    }

    /// Notes of the checkpoint up to which all is verified, to be kept for a later process.
    pub fn notes(&self) -> &[String] {
        &self.tip.kept
    }

    /// Somebody has gone through all of it at once and found this. If that is something, it stands
    /// until the same look finds nothing.
    pub fn looked(&mut self, problems: Vec<String>, kept: Vec<String>) {
        self.doubt = (!problems.is_empty()).then_some(Doubt { problems, kept });
        // One that is under way may have passed the place before.
        self.whole_for_doubt = false;
    }

    /// Goes one slice further on each way.
    pub fn step(&mut self, around: &Around<'_>, now: Time) -> Result<Step, Fault> {
        signed(around.cloud)?;
        let newest = around.cloud.reader.lend(|db| db.newest_checkpoint())?;
        let Some((end, _)) = newest else {
            return Err(Fault::new("there is no checkpoint yet"));
        };
        let verified = self.verify(around, end, now)?;
        let compared = self.replay(around, now)?;
        let going = self.whole.is_some() && self.whole_wrong.is_empty();
        let more = !verified || compared.is_none() || going;
        let compared = compared.filter(|_| verified);
        if compared.is_some() {
            if !going {
                around.cloud.reader.lend(|db| self.sweep.go(db, self.tip.from, now))?;
            }
            self.again(around, end)?;
        }
        let journal = compared.map(|(rows, differences)| {
            let told = self.doubt.iter().flat_map(|doubt| &doubt.problems);
            let wrong = self.tip_wrong.iter().chain(&self.whole_wrong).chain(&self.sweep.wrong);
            let problems = wrong.chain(told).cloned().collect();
            let (verified, kept) = (self.tip.from, self.tip.held);
            Journal { entries: Vec::new(), verified, problems, kept, differences, rows }
        });
        let replica = (self.replica_at > 0).then_some(self.replica_at);
        Ok(Step { journal, more, whole: self.whole_at.min(replica), swept: self.sweep.whole })
    }

    /// Looks again as somebody did who found something wrong, if anybody did. A journal that has become
    /// too long for that is left to the next walk through all of it.
    fn again(&mut self, around: &Around<'_>, end: u64) -> Result<(), Fault> {
        let Some(doubt) = &self.doubt else { return Ok(()) };
        if end <= LONGEST {
            let (report, _) = verified(around.cloud, around.keys, around.instance, &doubt.kept)?;
            let problems = report.problems.into_iter().map(|problem| problem.say).collect();
            let kept = doubt.kept.clone();
            self.looked(problems, kept);
        }
        Ok(())
    }

    /// Whether all up to there is verified, or something is wrong.
    fn verify(&mut self, around: &Around<'_>, end: u64, now: Time) -> Result<bool, Fault> {
        if end < self.tip.from {
            self.tip_wrong = vec![format!(
                "{} entries were there before, now there are {end}: the newest are gone",
                self.tip.from
            )];
            return Ok(true);
        }
        if self.tip.from < end {
            self.tip_wrong = around.cloud.reader.lend(|db| self.tip.go(db, around, end))?;
        }
        if self.tip_wrong.is_empty() && self.tip.from < end {
            return Ok(false);
        }
        let beyond = self.tip.kept.iter().filter_map(|note| size(note)).find(|size| *size > end);
        if let Some(size) = beyond {
            self.tip_wrong = vec![format!(
                "a checkpoint that was kept has {size} entries, the journal has {end}: the newest \
                 are gone"
            )];
        }
        let begun = *self.whole_at.get_or_insert(now.0);
        if self.whole.is_none() && now.0.saturating_sub(begun) > DAY {
            let kept = self.doubt.as_ref().map(|doubt| doubt.kept.clone()).unwrap_or_default();
            self.whole = Some(Walk { kept, ..Walk::default() });
            self.whole_for_doubt = self.doubt.is_some();
        }
        if let Some(walk) = &mut self.whole {
            self.whole_wrong = around.cloud.reader.lend(|db| walk.go(db, around, self.tip.from))?;
            if self.whole_wrong.is_empty() && walk.from >= self.tip.from {
                (self.whole, self.whole_at) = (None, Some(now.0));
                // A checkpoint that could not be compared is none that fits.
                let upto = self.tip.from;
                let within = |note: &String| size(note).is_some_and(|size| size <= upto);
                let stays = |doubt: &Doubt| end <= LONGEST || !doubt.kept.iter().all(within);
                if self.whole_for_doubt {
                    self.doubt = self.doubt.take().filter(stays);
                }
                self.whole_for_doubt = false;
            }
        }
        Ok(true)
    }

    /// How many records there are and how they differ, if the replay has reached the end.
    fn replay(&mut self, around: &Around<'_>, now: Time)
        -> Result<Option<(u64, Vec<String>)>, Fault> {
        let cloud = around.cloud;
        if now.0.saturating_sub(self.replica_at) > DAY {
            self.replica = None;
        }
        if self.replica.is_none() {
            self.replica_at = now.0;
        }
        let registry = cloud.reader.registry();
        let length = cloud.reader.lend(|db| db.journal_length())?;
        let replica = match &mut self.replica {
            Some(replica) => replica,
            none => none.insert(Replica::open(around.dir.join("replica.db"))?),
        };
        let came = if replica.at + SLICE < length {
            let entries = cloud.reader.lend(|db| db.entries(replica.at, replica.at + SLICE))?;
            replica.apply(&entries, registry).map(|()| None)
        } else {
            let since = *self.waits.get_or_insert(now.0);
            let tables = match now.0.saturating_sub(since) > PATIENCE {
                true => Some(Tables::settled(cloud, replica.at)?),
                false => Tables::calm(cloud, replica.at)?,
            };
            // Somebody always writes: another time.
            let Some(tables) = tables else { return Ok(None) };
            self.waits = None;
            replica.apply(&tables.entries, registry).and_then(|()| replica.differences(&tables))
                .map(|found| Some((tables.count(), found)))
        };
        let came = came.unwrap_or_else(|fault| {
            Some((length.max(1), vec![format!("it cannot be replayed: {fault}")]))
        });
        if came.as_ref().is_some_and(|(_, differences)| !differences.is_empty()) {
            // It begins anew next time: what was mended is as it should be again.
            self.replica = None;
        }
        Ok(came)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_or_taken_out_is_named() {
        let bodies: Vec<Vec<u8>> = (0..8u8).map(|n| vec![n; 9]).collect();
        let leaves: Vec<Leaf> = bodies.iter().map(|bytes| Leaf::of(bytes)).collect();
        let found = |bodies: &[Vec<u8>], leaves: &[Leaf]| differing(40, bodies, leaves, 48);
        assert_eq!(found(&bodies, &leaves), Vec::<String>::new());
        let mut changed = bodies.clone();
        changed[3][0] ^= 1;
        let said = found(&changed, &leaves);
        assert!(said.len() == 1 && said[0].starts_with("entry 43 was changed"), "{said:?}");
        changed.iter_mut().for_each(|bytes| bytes.push(b'x'));
        assert_eq!(found(&changed, &leaves).len(), TOLD);
        let gone = vec!["of the entries 40 to 47 some are missing".to_string()];
        assert_eq!(found(&bodies[1..], &leaves), gone);
        assert_eq!(found(&bodies, &leaves[1..]), gone);
    }
}
