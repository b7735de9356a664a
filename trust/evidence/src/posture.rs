//! How checks and clauses stood at any past moment: what the journal's entries about evidence say.
//!
//! Problem: "it was met all year" is a claim about moments that nobody can look at again. Mechanism:
//! each change of a verdict and of a clause's state is an entry, and so is, every hour, a seal with
//! counts and the digest of everything that then held; the first seal of a process, one a day, and one
//! when other standards are judged by from there on hold everything itself. So the journal says since
//! when, until when, and for how long nobody looked; a clause has no state before it was there and
//! none after it is gone. Not a table of states: a row can be written by whoever has the database, an
//! entry cannot be taken away unseen.
//!
//! Everything here is a pure function of entries.

use crate::finding::{Counts, State, Verdict};
use jinyun_journal::Entry;
use jinyun_journal::entry::canonical;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The entry of a check whose verdict has changed.
pub const FINDING: &str = "evidence:finding:change";
/// The entry of a clause whose state has changed.
pub const CLAUSE: &str = "evidence:clause:change";
/// The entry that says that evidence was taken, and what then held.
pub const SEAL: &str = "evidence:posture:seal";

/// How often a seal is made, in microseconds.
pub const SEAL_EVERY: i64 = 3600 * 1_000_000;
/// The longest time between two entries that is no gap: a seal may be a little late.
const SILENCE: i64 = SEAL_EVERY + 600 * 1_000_000;

/// A check's verdict has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingChange {
    /// The check.
    pub check: String,
    /// What it was; nothing for a check that is new.
    pub from: Option<Verdict>,
    /// What it is.
    pub to: Verdict,
    /// What was found, in short.
    #[serde(default)]
    pub says: String,
    /// How many there were to look at.
    #[serde(default)]
    pub population: u64,
}

/// A clause's state has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClauseChange {
    /// The key of its standard.
    pub standard: String,
    /// Its id.
    pub clause: String,
    /// What it was; nothing for a clause that is new.
    pub from: Option<State>,
    /// What it is.
    pub to: State,
    /// It is about the tenant's half.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tenant: bool,
}

/// Everything that held when a seal was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Verdicts by check.
    pub checks: BTreeMap<String, Verdict>,
    /// Clauses by state; the tenant's halves as [`key`] writes them.
    pub clauses: BTreeMap<State, BTreeSet<String>>,
}

/// That evidence was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// SHA-256 of all verdicts and states, hex.
    pub digest: String,
    /// How many clauses of each standard stood how.
    #[serde(default)]
    pub counts: BTreeMap<String, Counts>,
    /// Everything, in some seals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// From when to when nobody looked, microseconds: the process was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<(i64, i64)>,
}

/// What an entry about evidence says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// About a check.
    Finding(FindingChange),
    /// About a clause.
    Clause(ClauseChange),
    /// About everything.
    Seal(Box<Seal>),
}

/// An entry about evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When, microseconds.
    pub at: i64,
    /// Its number.
    pub entry: u64,
    /// What it says.
    pub what: What,
}

/// By which name a half of a clause is kept: its id, for the tenant's half of a shared clause with
/// an end of its own.
pub fn key(clause: &str, tenant: bool) -> String {
    if tenant { format!("{clause}/tenant") } else { clause.into() }
}

impl Mark {
    /// What an entry says of evidence; nothing for every other entry, and for one that somebody
    /// else than the platform asked for.
    pub fn of(entry: &Entry) -> Option<Mark> {
        fn read<T: DeserializeOwned>(note: &Value) -> Option<T> {
            serde_json::from_value(note.clone()).ok()
        }
        if entry.outcome != "done" || entry.actor.kind != "system" {
            return None;
        }
        let note = entry.note.as_ref()?;
        let what = match entry.action.as_str() {
            FINDING => What::Finding(read(note)?),
            CLAUSE => What::Clause(read(note)?),
            SEAL => What::Seal(Box::new(read(note)?)),
            _ => return None,
        };
        Some(Mark { at: entry.time, entry: entry.number, what })
    }
}

/// Something that holds since an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Point<T> {
    /// What.
    pub is: T,
    /// Since when, microseconds.
    pub since: i64,
    /// Which entry says so.
    pub entry: u64,
}

/// The newest seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sealed {
    /// When it was made, microseconds.
    pub at: i64,
    /// Its entry.
    pub entry: u64,
    /// Its digest is that of what the entries before it say.
    pub holds: bool,
}

/// How everything stood at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Posture {
    /// By check.
    pub checks: BTreeMap<String, Point<Verdict>>,
    /// By clause, as [`key`] writes them.
    pub clauses: BTreeMap<String, Point<State>>,
    /// The newest seal.
    pub seal: Option<Sealed>,
}

/// Takes over what is said of everything; what was so before keeps its time.
fn replace<T: Copy + PartialEq>(points: &mut BTreeMap<String, Point<T>>,
    all: impl Iterator<Item = (String, T)>, mark: &Mark) {
    let before = std::mem::take(points);
    for (name, is) in all {
        let point = match before.get(&name) {
            Some(point) if point.is == is => *point,
            _ => Point { is, since: mark.at, entry: mark.entry },
        };
        points.insert(name, point);
    }
}

impl Posture {
    /// Takes in the next entry.
    pub fn apply(&mut self, mark: &Mark) {
        let Mark { at: since, entry, what } = mark;
        let (since, entry) = (*since, *entry);
        match what {
            What::Finding(change) => {
                let point = Point { is: change.to, since, entry };
                self.checks.insert(change.check.clone(), point);
            }
            What::Clause(change) => {
                let point = Point { is: change.to, since, entry };
                self.clauses.insert(key(&change.clause, change.tenant), point);
            }
            What::Seal(seal) => {
                if let Some(base) = &seal.base {
                    let checks = base.checks.iter().map(|(name, is)| (name.clone(), *is));
                    replace(&mut self.checks, checks, mark);
                    let clauses = base.clauses.iter()
                        .flat_map(|(is, names)| names.iter().map(|name| (name.clone(), *is)));
                    replace(&mut self.clauses, clauses, mark);
                }
                let holds = self.digest() == seal.digest;
                self.seal = Some(Sealed { at: since, entry, holds });
            }
        }
    }

    /// Everything in one.
    pub fn base(&self) -> Base {
        let mut clauses: BTreeMap<State, BTreeSet<String>> = BTreeMap::new();
        for (name, point) in &self.clauses {
            clauses.entry(point.is).or_default().insert(name.clone());
        }
        let checks = self.checks.iter().map(|(name, point)| (name.clone(), point.is)).collect();
        Base { checks, clauses }
    }

    /// The digest of all verdicts and states, which a seal carries.
    pub fn digest(&self) -> String {
        let clauses: BTreeMap<&String, State> =
            self.clauses.iter().map(|(name, point)| (name, point.is)).collect();
        let checks: BTreeMap<&String, Verdict> =
            self.checks.iter().map(|(name, point)| (name, point.is)).collect();
        // There is no fraction in it, so it has a canonical form.
        let text = canonical(&json!({ "checks": checks, "clauses": clauses })).unwrap_or_default();
        jinyun_journal::to_hex(&Sha256::digest(text.as_bytes()))
    }
}

/// How everything stood at a moment, by the entries up to then.
pub fn posture(marks: &[Mark], at: i64) -> Posture {
    let mut posture = Posture::default();
    marks.iter().filter(|mark| mark.at <= at).for_each(|mark| posture.apply(mark));
    posture
}

/// States that break the standard while they last. What is not built does so too, but began before
/// time was taken; what could not be looked at or is too old is no proof of either.
pub fn is_violation(state: State) -> bool {
    matches!(state, State::Failed | State::Overdue)
}

/// The times between two moments in which clauses were in violation, by clause as [`key`] writes it.
/// One that lasts ends at the second moment.
pub fn violations(marks: &[Mark], from: i64, to: i64) -> BTreeMap<String, Vec<(i64, i64)>> {
    let mut posture = Posture::default();
    let mut open: BTreeMap<String, i64> = BTreeMap::new();
    let mut found: Vec<(String, i64, i64)> = Vec::new();
    for mark in marks.iter().filter(|mark| mark.at < to) {
        posture.apply(mark);
        let names: Vec<String> = match &mark.what {
            What::Finding(_) => continue,
            What::Clause(change) => vec![key(&change.clause, change.tenant)],
            What::Seal(seal) if seal.base.is_none() => continue,
            What::Seal(_) => open.keys().chain(posture.clauses.keys()).cloned().collect(),
        };
        for name in names {
            let broken = posture.clauses.get(&name).is_some_and(|point| is_violation(point.is));
            if broken {
                open.entry(name).or_insert(mark.at);
            } else if let Some(begin) = open.remove(&name) {
                found.push((name, begin, mark.at));
            }
        }
    }
    found.extend(open.into_iter().map(|(name, begin)| (name, begin, to)));
    let mut times: BTreeMap<String, Vec<(i64, i64)>> = BTreeMap::new();
    for (name, begin, end) in found {
        let (begin, end) = (begin.max(from), end.min(to));
        if begin < end {
            times.entry(name).or_default().push((begin, end));
        }
    }
    times
}

/// The times between two moments of which nobody can say how it stood: longer without an entry about
/// evidence than seals come, or said to be silent by the process that came after.
pub fn gaps(marks: &[Mark], from: i64, to: i64) -> Vec<(i64, i64)> {
    let mut found: Vec<(i64, i64)> = Vec::new();
    let mut last: Option<i64> = None;
    for mark in marks.iter().filter(|mark| mark.at <= to) {
        let silent = match &mark.what {
            What::Seal(seal) => seal.silent,
            _ => None,
        };
        found.extend(silent);
        // Until there, the process before has looked.
        let seen = silent.map_or(mark.at, |(begin, _)| begin);
        match last {
            None => found.push((i64::MIN, seen)),
            Some(last) if seen.saturating_sub(last) > SILENCE => found.push((last, seen)),
            Some(_) => {}
        }
        last = Some(last.map_or(mark.at, |last| last.max(mark.at)));
    }
    match last {
        None => found.push((from, to)),
        Some(last) if to.saturating_sub(last) > SILENCE => found.push((last, to)),
        Some(_) => {}
    }
    let mut found: Vec<(i64, i64)> = found.into_iter()
        .map(|(begin, end)| (begin.max(from), end.min(to)))
        .filter(|(begin, end)| begin < end).collect();
    found.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (begin, end) in found {
        match joined.last_mut() {
            Some(last) if begin <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((begin, end)),
        }
    }
    joined
}
