//! The world as it is known now, and the findings that rest on it.
//!
//! Facts come one sort at a time, so the parts of the world have ages of their own. A finding gets
//! the age of the oldest part that its check reads, never that of the moment in which it was made.

use crate::catalogue::{Answer, Clause};
use crate::checks::{Check, NOTHING};
use crate::facts::follow::Changed;
use crate::facts::journal::Journal;
use crate::finding::{Finding, STALE_AFTER, Standing, Verdict};
use crate::needs::Needs;
use crate::pieces::Kept;
use crate::posture::Posture;
use crate::world::World;
use jinyun_base::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Everything that was read, with its ages.
#[derive(Default)]
pub(crate) struct Desk {
    pub world: World,
    pub kept: Kept,
    /// When each sort of facts was read last; 0 if never.
    read_at: [i64; Needs::COUNT],
    remarks: BTreeMap<usize, String>,
    /// The nonce that the newest probes carried.
    pub nonce: Option<String>,
    /// Which kinds of records a check asked for.
    asked: BTreeMap<&'static str, BTreeSet<&'static str>>,
}

/// The sentence of a check that broke.
fn broken(check: &Check, now: i64) -> Finding {
    Finding {
        check: check.name.into(),
        verdict: Verdict::Error,
        population: 0,
        sampled: 0,
        method: check.method,
        at: now,
        half: check.half,
        says: "the check itself broke: a bug".into(),
        says_nothing_about: check.silent.into(),
        entries: Vec::new(),
    }
}

/// What a finding from attacks says of the nonce that they carried.
pub(crate) fn with_nonce(mut found: Finding, needs: Needs, nonce: Option<&str>) -> Finding {
    if needs.meets(Needs::NONCE)
        && found.verdict != Verdict::Error
        && let Some(nonce) = nonce
    {
        found.says.push_str(&format!("; the assessor's nonce {nonce}"));
    }
    found
}

impl Desk {
    /// Facts were read.
    pub fn fresh(&mut self, facts: Needs, at: Time, remark: &str) {
        for place in facts.places() {
            self.read_at[place] = at.0;
            self.remarks.insert(place, remark.into());
        }
    }

    /// When facts were read last, by the places of their sorts.
    pub fn read_at(&self) -> [i64; Needs::COUNT] {
        self.read_at
    }

    /// Runs the checks whose slowest facts are fresh. After a change, of those only the ones that
    /// asked for something that has changed.
    pub fn judge(&mut self, checks: &'static [Check], fresh: Needs, after: Option<&Changed>,
        now: Time) -> Vec<Finding> {
        self.world.now = now;
        let concerned = |desk: &Desk, check: &Check| {
            let Some(changed) = after else { return true };
            let journal = check.needs.has(Needs::JOURNAL) && changed.entries > 0;
            // A check that asks for no kind looks at rows or secrets itself.
            let rows = match desk.asked.get(check.name) {
                Some(asked) if !asked.is_empty() && !changed.secrets => {
                    asked.iter().any(|kind| changed.kinds.contains(*kind))
                }
                _ => changed.secrets || !changed.kinds.is_empty(),
            };
            journal || (rows && check.needs.has(Needs::ROWS))
        };
        let due: Vec<&'static Check> = checks.iter()
            .filter(|check| check.needs.due(fresh) && concerned(self, check)).collect();
        due.into_iter().map(|check| self.run(check, true)).collect()
    }

    /// Runs the checks of what was read while the stage stood: of hosts and records as they were then,
    /// and of no entry that came after the last look. What was read before comes back.
    pub fn judge_stage(&mut self, checks: &'static [Check], seen: &mut World, upto: Option<u64>,
        began: Time, now: Time) -> Vec<Finding> {
        let then = Needs::HOSTS.and(Needs::ROWS);
        let (before, remarks) = (self.read_at, self.remarks.clone());
        // The listeners were tried too, with what leaves entries; they keep their age.
        self.world.adopt(then.and(Needs::ATTACKS).and(Needs::DOORS), seen);
        self.world.now = now;
        self.fresh(then.and(Needs::ATTACKS), began, "");
        let fresh = Needs::HOSTS.and(Needs::ATTACKS);
        let due = checks.iter().filter(|check| check.needs.due(fresh));
        let found =
            self.until(upto, |desk| due.map(|check| desk.run(check, false)).collect());
        self.world.adopt(then, seen);
        for place in then.places() {
            self.read_at[place] = before[place];
        }
        self.remarks = remarks;
        found
    }

    /// Runs the checks of a verification. What it found has no entries: they are lent to it.
    pub fn judge_proof(&mut self, checks: &'static [Check], mut proof: Result<Journal, String>,
        now: Time) -> Vec<Finding> {
        let lend = |from: &mut Result<Journal, String>, to: &mut Result<Journal, String>| {
            if let (Ok(from), Ok(to)) = (from, to) {
                std::mem::swap(&mut from.entries, &mut to.entries);
            }
        };
        self.world.now = now;
        lend(&mut self.world.journal, &mut proof);
        std::mem::swap(&mut self.world.journal, &mut proof);
        let due = checks.iter().filter(|check| check.needs.due(Needs::PROOF));
        let found = due.map(|check| self.run(check, true)).collect();
        std::mem::swap(&mut self.world.journal, &mut proof);
        lend(&mut proof, &mut self.world.journal);
        found
    }

    /// The number of the next entry, as far as the journal was read.
    pub fn next(&self) -> Option<u64> {
        self.world.journal.as_ref().ok()?.entries.last().map(|entry| entry.number + 1)
    }

    /// Works without the entries from a number on: they came after what is judged was seen.
    pub fn until<T>(&mut self, upto: Option<u64>, work: impl FnOnce(&mut Desk) -> T) -> T {
        let later = match (&mut self.world.journal, upto) {
            (Ok(journal), Some(upto)) => {
                let at = journal.entries.partition_point(|entry| entry.number < upto);
                journal.entries.split_off(at)
            }
            _ => Vec::new(),
        };
        let done = work(self);
        if let Ok(journal) = &mut self.world.journal {
            journal.entries.extend(later);
        }
        done
    }

    /// Runs a check. With what was decoded before, where the rows are those that are followed.
    fn run(&mut self, check: &'static Check, followed: bool) -> Finding {
        let Desk { world, kept, .. } = self;
        let world = &*world;
        let look = || catch_unwind(AssertUnwindSafe(|| check.find(world)));
        let found = if followed {
            let (found, asked) = kept.lend(world, look);
            self.asked.insert(check.name, asked);
            found
        } else {
            look()
        };
        let now = self.world.now.0;
        let mut found = found.unwrap_or_else(|_| broken(check, now));
        let read = check.needs.places().map(|place| self.read_at[place]).filter(|at| *at > 0);
        found.at = read.min().unwrap_or(now);
        if found.verdict != Verdict::Error {
            for place in check.needs.places() {
                if let Some(remark) = self.remarks.get(&place).filter(|remark| !remark.is_empty()) {
                    found.says.push_str(&format!("; {remark}"));
                }
            }
        }
        with_nonce(found, check.needs, self.nonce.as_deref())
    }
}

/// A finding and since when its verdict is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// Since when, microseconds.
    pub since: i64,
}

/// Half of the clauses have a proof that is younger, microseconds.
const MEDIAN: i64 = 60 * Time::SECOND;

/// A clause that checks answer, with all of them.
type Rest = (String, BTreeSet<String>);

/// The clauses that checks answer, by themselves or through other rows, and in which half so ever.
fn rests(clauses: &[Standing]) -> Vec<(&Standing, Rest)> {
    let by_id: BTreeMap<&str, &Clause> =
        clauses.iter().map(|s| (s.clause.id.as_str(), &s.clause)).collect();
    fn gather(id: &str, by_id: &BTreeMap<&str, &Clause>, names: &mut BTreeSet<String>) {
        let Some(clause) = by_id.get(id) else { return };
        names.extend(clause.checks().map(String::from));
        // The catalogue was read without circles, so this ends.
        if let Answer::SameAs { same_as } = &clause.answer {
            same_as.iter().for_each(|other| gather(other, by_id, names));
        }
    }
    clauses.iter().filter(|standing| standing.exception.is_none()).filter_map(|standing| {
        let mut names = BTreeSet::new();
        gather(&standing.clause.id, &by_id, &mut names);
        (!names.is_empty()).then(|| (standing, (standing.clause.id.clone(), names)))
    }).collect()
}

/// Ages of clauses, microseconds.
struct Ages {
    /// Of the proofs, sorted; with their clauses.
    proofs: Vec<(i64, String)>,
    /// Of the newest looks, sorted, whatever came of them.
    looks: Vec<i64>,
    /// Clauses of which there is no proof now: a check never ran, or its last look proved nothing.
    without: Vec<String>,
}

impl Ages {
    fn count(&self) -> usize {
        self.proofs.len() + self.without.len()
    }

    /// Of all clauses: one that has no proof counts as older than any.
    fn median(&self) -> Option<i64> {
        self.proofs.get(self.count() / 2).map(|(age, _)| *age)
    }

    fn worst(&self) -> Option<&(i64, String)> {
        self.proofs.last()
    }

    fn shown(&self) -> Value {
        let seconds = |age: i64| age / Time::SECOND;
        json!({
            "count": self.count(),
            "median_seconds": self.median().map(seconds),
            "worst_seconds": self.worst().map(|(age, _)| seconds(*age)),
            "worst_clause": self.worst().map(|(_, clause)| clause),
            "without_proof": self.without.len(),
            "median_look_seconds": self.looks.get(self.looks.len() / 2).copied().map(seconds),
            "worst_look_seconds": self.looks.last().copied().map(seconds),
        })
    }

    /// What the platform sets itself, and whether it is so now.
    fn objective(&self) -> Value {
        let median = self.median().is_some_and(|age| age < MEDIAN);
        let worst = self.without.is_empty() && self.worst().is_some_and(|(age, _)| *age < STALE_AFTER);
        json!({
            "median_below_seconds": MEDIAN / Time::SECOND,
            "worst_below_seconds": STALE_AFTER / Time::SECOND,
            "median_attained": median,
            "worst_attained": worst,
            "attained": median && worst,
        })
    }
}

/// The newest finding of each check.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board {
    held: BTreeMap<String, Held>,
    /// What went wrong with evidence itself, by what was being done.
    pub troubles: BTreeMap<&'static str, String>,
}

impl Board {
    /// Puts findings up that an earlier process left, with their age.
    pub fn restore(&mut self, held: Vec<Held>) {
        self.held = held.into_iter().map(|held| (held.finding.check.clone(), held)).collect();
    }

    /// Takes down what an earlier process left and the journal knows better: it wrote the file now
    /// and then, and the journal at once.
    pub fn believe(&mut self, posture: &Posture) {
        self.held.retain(|name, held| {
            posture.checks.get(name).is_some_and(|point| point.is == held.finding.verdict)
        });
    }

    /// Puts a finding up. A look that had nothing to look at does not take away what an earlier one
    /// has shown, as long as that is fresh: most of the time the synthetic tenant is not there.
    pub fn put(&mut self, finding: Finding, now: Time) {
        let nothing = finding.verdict == Verdict::Error && finding.says.ends_with(NOTHING);
        let held = self.held.get(&finding.check);
        let same = held.filter(|held| held.finding.verdict == finding.verdict);
        let shown = held.is_some_and(|held| {
            matches!(held.finding.verdict, Verdict::Met | Verdict::Partly)
                && now.0.saturating_sub(held.finding.at) <= STALE_AFTER
        });
        if nothing && shown {
            return;
        }
        let since = same.map_or(finding.at, |held| held.since);
        self.held.insert(finding.check.clone(), Held { finding, since });
    }

    /// All findings.
    pub fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    /// All findings, for clauses.
    pub fn findings(&self) -> Vec<Finding> {
        self.held.values().map(|held| held.finding.clone()).collect()
    }

    /// How old clauses are: each as old as the oldest of what it rests on.
    fn ages<'r>(&self, rests: impl Iterator<Item = &'r Rest>, now: Time) -> Ages {
        let mut ages = Ages { proofs: Vec::new(), looks: Vec::new(), without: Vec::new() };
        for (clause, names) in rests {
            let found: Option<Vec<&Finding>> =
                names.iter().map(|name| Some(&self.held.get(name)?.finding)).collect();
            let Some(found) = found else {
                ages.without.push(clause.clone());
                continue;
            };
            let oldest = found.iter().map(|found| found.at).min().unwrap_or(now.0);
            let age = now.0.saturating_sub(oldest).max(0);
            ages.looks.push(age);
            match found.iter().any(|found| found.verdict == Verdict::Error) {
                true => ages.without.push(clause.clone()),
                false => ages.proofs.push((age, clause.clone())),
            }
        }
        ages.proofs.sort_unstable();
        ages.looks.sort_unstable();
        ages
    }

    /// Whether each of these checks has run.
    pub fn complete(&self, checks: &[Check]) -> bool {
        checks.iter().all(|check| self.held.contains_key(check.name))
    }

    /// How old the findings are, whole seconds: median, the oldest and whose it is; and which checks
    /// have none, or one that is too old. The same for clauses, in all and by standard, and whether
    /// that is what the platform sets itself.
    pub fn freshness(&self, checks: &[Check], clauses: &[Standing], now: Time) -> Value {
        let ages: BTreeMap<&str, i64> = checks.iter()
            .filter_map(|check| Some((check.name, self.held.get(check.name)?)))
            .map(|(name, held)| (name, now.0.saturating_sub(held.finding.at).max(0))).collect();
        let mut sorted: Vec<i64> = ages.values().copied().collect();
        sorted.sort_unstable();
        let seconds = |age: i64| age / Time::SECOND;
        let worst = ages.iter().max_by_key(|(_, age)| **age);
        let stale: Vec<&str> =
            ages.iter().filter(|(_, age)| **age > STALE_AFTER).map(|(name, _)| *name).collect();
        let never: Vec<&str> = checks.iter().map(|check| check.name)
            .filter(|name| !ages.contains_key(name)).collect();
        let rests = rests(clauses);
        let all = self.ages(rests.iter().map(|rest| &rest.1), now);
        let mut standards: BTreeMap<&str, Vec<&Rest>> = BTreeMap::new();
        rests.iter().for_each(|(clause, rest)| {
            standards.entry(&clause.standard).or_default().push(rest);
        });
        let standards: BTreeMap<&str, Value> = standards.into_iter()
            .map(|(key, rests)| (key, self.ages(rests.into_iter(), now).shown())).collect();
        json!({
            "clauses": all.shown(),
            "standards": standards,
            "objective": all.objective(),
            "checks": checks.len(),
            "median_seconds": sorted.get(sorted.len() / 2).copied().map(seconds),
            "worst_seconds": worst.map(|(_, age)| seconds(*age)),
            "worst_check": worst.map(|(name, _)| *name),
            "stale_after_seconds": seconds(STALE_AFTER),
            "stale": stale,
            "never": never,
        })
    }
}
