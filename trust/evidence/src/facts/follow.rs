//! Records, secrets and the journal's entries, kept up to date by following the journal.
//!
//! Problem: to look again after each change must cost what changed, not what there is. Mechanism:
//! every change of a record is an entry, so the new entries name the records to be read again. How
//! far a thing is has entries for some of its changes only, and somebody may have written past the
//! journal: so now and then everything is read anew, whatever the entries say.
//!
//! Entries are kept decoded for the checks that read them. Attacks on the synthetic tenant make
//! ten thousand a day and more: those of a run that is over are dropped when the next one is over
//! too, if whatever happened to that tenant's things stands in its own sequence. By then they were
//! looked at, and no later entry is about them. What then is still more than [`LONGEST`] is not
//! kept, and nothing is claimed of it.

use crate::facts::journal::{Journal, LONGEST};
use crate::facts::secrets::{self, SecretFact};
use crate::pieces::{Kept, place};
use crate::posture::Mark;
use crate::stage::DOMAIN;
use crate::world::World;
use jinyun_base::{Fault, Id};
use jinyun_engine::{Effect, Stored};
use jinyun_journal::Entry;
use jinyun_store::Db;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// So many entries are read at once.
const CHUNK: u64 = 2_000;
/// With more changed records than that it is cheaper to read all.
const FAR: usize = 2_000;
/// How often is looked for entries that came meanwhile.
const TRIES: usize = 4;

/// What is other than at the last look.
#[derive(Debug, Default)]
pub struct Changed {
    /// Kinds of which something has changed, come or gone.
    pub kinds: BTreeSet<String>,
    /// Kinds of which somebody has changed, made or deleted a record.
    pub written: BTreeSet<String>,
    /// A secret was set or destroyed.
    pub secrets: bool,
    /// How many entries came.
    pub entries: u64,
    /// What those among them say that are about evidence itself.
    pub marks: Vec<Mark>,
}

/// Follows the journal.
#[derive(Debug, Default)]
pub struct Follower {
    /// All entries below this number were taken in.
    at: u64,
    /// An entry could not be read.
    broken: bool,
    runs: Runs,
}

/// Kind and id.
type Key = (String, String);

fn key(stored: &Stored) -> (&str, &str) {
    (&stored.row.kind, stored.row.id.as_str())
}

fn secret_key(secret: &SecretFact) -> (&str, &str, &str) {
    (&secret.kind, secret.id.as_str(), &secret.name)
}

/// What an effect is about.
fn target(effect: &Effect) -> (&String, &String) {
    match effect {
        Effect::Put { kind, id, .. } | Effect::Drop { kind, id } | Effect::Secret { kind, id, .. }
        | Effect::Unsecret { kind, id, .. } => (kind, id),
    }
}

impl Follower {
    /// The number of the next entry.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Brings a world up to date: always the same world, and what was decoded of it.
    pub fn follow(&mut self, db: &mut Db, whole: bool, world: &mut World, kept: &mut Kept)
        -> Result<Changed, Fault> {
        let mut changed = Changed::default();
        let length = db.journal_length()?;
        if length < self.at || (whole && self.broken) {
            *self = Follower::default();
        }
        if whole || self.at == 0 {
            // What is read now is at least as new as these entries.
            self.entries(db, length, world, &mut changed)?;
            all(db, world, kept, &mut changed)?;
        }
        for _ in 0..TRIES {
            let length = db.journal_length()?;
            if length == self.at {
                break;
            }
            let touched = self.entries(db, length, world, &mut changed)?;
            if touched.len() > FAR {
                all(db, world, kept, &mut changed)?;
                continue;
            }
            for (kind, id) in touched {
                one(db, &kind, &Id::new(id), world, kept, &mut changed)?;
            }
        }
        Ok(changed)
    }

    /// Takes entries in. Returns the things that they are about.
    fn entries(&mut self, db: &mut Db, to: u64, world: &mut World, changed: &mut Changed)
        -> Result<BTreeSet<Key>, Fault> {
        if self.at == 0 {
            world.journal = Ok(Journal::default());
        }
        let mut touched = BTreeSet::new();
        while self.at < to {
            let next = to.min(self.at + CHUNK);
            let bodies = db.entries(self.at, next)?;
            if bodies.len() as u64 != next - self.at {
                return Err(Fault::new("the journal in the state has a gap"));
            }
            for (number, body) in (self.at..next).zip(bodies) {
                match serde_json::from_slice::<Entry>(&body) {
                    Ok(entry) => self.entry(entry, world, changed, &mut touched),
                    Err(e) => {
                        self.broken = true;
                        world.journal = Err(format!("entry {number} cannot be read: {e}"));
                    }
                }
            }
            changed.entries += next - self.at;
            self.at = next;
        }
        Ok(touched)
    }

    fn entry(&mut self, entry: Entry, world: &mut World, changed: &mut Changed,
        touched: &mut BTreeSet<Key>) {
        changed.marks.extend(Mark::of(&entry));
        for effect in &entry.effects {
            let (kind, id) = target(effect);
            touched.insert((kind.clone(), id.clone()));
        }
        if entry.action == "engine:phase:set"
            && let Some(target) = &entry.target
        {
            touched.insert((target.kind.clone(), target.id.clone()));
        }
        let Ok(journal) = &mut world.journal else { return };
        self.runs.see(&entry, &mut journal.entries);
        journal.entries.push(entry);
        if journal.entries.len() as u64 > LONGEST {
            world.journal = Err(format!(
                "the journal has more than the {LONGEST} entries that checks look through"
            ));
        }
    }
}

/// Reads all records and secrets, and notes which are other than before.
fn all(db: &mut Db, world: &mut World, kept: &mut Kept, changed: &mut Changed)
    -> Result<(), Fault> {
    let mut rows = db.everything()?;
    // One of the databases sorts by a language's rules.
    rows.sort_by(|a, b| key(a).cmp(&key(b)));
    differences(&world.rows, &rows, |stored, written| {
        note(stored, written, kept, changed);
    });
    world.rows = rows;
    let mut secrets = secrets::read(db)?;
    secrets.sort_by(|a, b| secret_key(a).cmp(&secret_key(b)));
    changed.secrets |= secrets != world.secrets;
    world.secrets = secrets;
    Ok(())
}

fn note(stored: &Stored, written: bool, kept: &mut Kept, changed: &mut Changed) {
    kept.touch(&stored.row.kind, &stored.row.id);
    for (is, kinds) in [(true, &mut changed.kinds), (written, &mut changed.written)] {
        if is && !kinds.contains(&stored.row.kind) {
            kinds.insert(stored.row.kind.clone());
        }
    }
}

/// Walks along two sorted lists. Tells each record that is not in both, and whether it was written
/// rather than got further.
fn differences(old: &[Stored], new: &[Stored], mut tell: impl FnMut(&Stored, bool)) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(was), Some(is)) => key(was).cmp(&key(is)),
        };
        let was = if order.is_le() { old.next() } else { None };
        let is = if order.is_ge() { new.next() } else { None };
        match (was, is) {
            (Some(was), Some(is)) if was != is => tell(is, was.row != is.row),
            (Some(gone), None) => tell(gone, true),
            (None, Some(new)) => tell(new, true),
            _ => {}
        }
    }
}

/// Reads one record and its secrets again.
fn one(db: &mut Db, kind: &str, id: &Id, world: &mut World, kept: &mut Kept,
    changed: &mut Changed) -> Result<(), Fault> {
    match (db.get(kind, id)?, place(&world.rows, kind, id.as_str())) {
        (Some(is), Ok(n)) => {
            if world.rows[n] != is {
                note(&is, world.rows[n].row != is.row, kept, changed);
                world.rows[n] = is;
            }
        }
        (Some(is), Err(n)) => {
            note(&is, true, kept, changed);
            world.rows.insert(n, is);
        }
        (None, Ok(n)) => {
            let gone = world.rows.remove(n);
            note(&gone, true, kept, changed);
        }
        (None, Err(_)) => {}
    }
    let fresh = secrets::of(db, kind, id)?;
    let of = |s: &SecretFact| (s.kind.as_str(), s.id.as_str()).cmp(&(kind, id.as_str()));
    let from = world.secrets.partition_point(|s| of(s).is_lt());
    let to = world.secrets.partition_point(|s| of(s).is_le());
    if world.secrets[from..to] != fresh[..] {
        changed.secrets = true;
        world.secrets.splice(from..to, fresh);
    }
    Ok(())
}

/// The runs of the synthetic tenant, as they pass.
#[derive(Debug, Default)]
struct Runs {
    /// Where the one that is going on began.
    open: Option<u64>,
    /// Something of it lies where it should not: then all of it is kept.
    odd: bool,
    things: BTreeSet<Key>,
    /// First and last entry of the newest that is over.
    over: Option<(u64, u64)>,
}

/// Whether an entry is about the synthetic tenant, or tells of an attempt of the platform's own that
/// changed nothing: its request has the name of an attack.
fn of_attacks(entry: &Entry) -> bool {
    let attempt = entry.effects.is_empty() && entry.request.starts_with("evidence-");
    entry.institution.id == DOMAIN || attempt
}

impl Runs {
    /// Sees the next entry before it is kept; may drop what an earlier run left.
    fn see(&mut self, entry: &Entry, kept: &mut Vec<Entry>) {
        let ours = entry.institution.id == DOMAIN;
        if ours && entry.outcome == "done" && entry.action == "evidence:stage:build" {
            // One that was interrupted is a part of the next.
            self.open.get_or_insert(entry.number);
        }
        let Some(first) = self.open else { return };
        let mut ends = false;
        for effect in &entry.effects {
            let (kind, id) = target(effect);
            let thing = (kind.clone(), id.clone());
            match effect {
                Effect::Put { domain, .. } if domain == DOMAIN => {
                    self.odd |= !ours;
                    self.things.insert(thing);
                }
                Effect::Put { .. } => self.odd |= ours,
                Effect::Drop { .. } | Effect::Secret { .. } | Effect::Unsecret { .. } => {
                    let its = self.things.contains(&thing);
                    self.odd |= its != ours;
                    ends |= matches!(effect, Effect::Drop { .. }) && kind == "domain" && id == DOMAIN;
                }
            }
        }
        if !ends {
            return;
        }
        if let Some((first, last)) = self.over.take() {
            let at = kept.partition_point(|e| e.number < first);
            let later = kept.split_off(at);
            kept.extend(later.into_iter().filter(|e| e.number > last || !of_attacks(e)));
        }
        let odd = std::mem::take(self).odd;
        self.over = (!odd).then_some((first, entry.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_journal::{Actor, Institution};

    fn entry(number: u64, institution: &str, action: &str, effects: Vec<Effect>) -> Entry {
        Entry {
            action: action.into(),
            actor: Actor { domain: "default".into(), id: "x".into(), kind: "system".into() },
            approval: None,
            effects,
            institution: Institution { id: institution.into(), number, previous: None },
            note: None,
            number,
            outcome: "done".into(),
            reason: None,
            request: String::new(),
            source: None,
            target: None,
            time: number as i64,
        }
    }

    fn put(kind: &str, id: &str, domain: &str) -> Effect {
        Effect::Put {
            kind: kind.into(),
            id: id.into(),
            domain: domain.into(),
            project: String::new(),
            name: String::new(),
            generation: 1,
            spec: serde_json::Value::Null,
            deleting: false,
        }
    }

    fn gone(kind: &str, id: &str) -> Effect {
        Effect::Drop { kind: kind.into(), id: id.into() }
    }

    /// Numbers that are kept after so many runs, the first of which is as given.
    fn kept(runs: usize, where_dropped: &str) -> Vec<u64> {
        let (mut kept, mut passing): (Vec<Entry>, Runs) = Default::default();
        for run in 0..runs {
            let dropped = if run == 0 { where_dropped } else { DOMAIN };
            let all = [
                (DOMAIN, "evidence:stage:build", vec![put("domain", DOMAIN, DOMAIN),
                    put("port", "p", DOMAIN)]),
                ("bank", "network:port:create", vec![put("port", "q", "bank")]),
                (dropped, "engine:resource:finish", vec![gone("port", "p")]),
                (DOMAIN, "evidence:stage:strike", vec![gone("domain", DOMAIN)]),
            ];
            for (institution, action, effects) in all {
                let number = kept.last().map_or(0, |e| e.number + 1);
                let entry = entry(number, institution, action, effects);
                passing.see(&entry, &mut kept);
                kept.push(entry);
            }
        }
        kept.into_iter().map(|e| e.number).collect()
    }

    #[test]
    fn the_synthetic_tenants_entries_go_when_the_next_run_is_over() {
        assert_eq!(kept(1, DOMAIN), [0, 1, 2, 3]);
        assert_eq!(kept(2, DOMAIN), [1, 4, 5, 6, 7]);
        assert_eq!(kept(3, DOMAIN), [1, 5, 8, 9, 10, 11]);
        // An entry that stands where it should not is a finding as long as there is a journal.
        assert_eq!(kept(3, "default"), [0, 1, 2, 3, 5, 8, 9, 10, 11]);
    }
}
