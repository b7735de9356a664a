//! What a check or an attack found, and what that says of a clause.
//!
//! A finding never says more than was looked at: it has its population, its sample, its method, its
//! time, whose half it answers, and what it says nothing about. Four verdicts, because "could not
//! be tried" is neither a proof nor a failure.

use crate::catalogue::{Catalogue, Clause, Level, Sort};
use serde::{Deserialize, Serialize};

/// How it came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As the clause wants it.
    Met,
    /// A part of it is.
    Partly,
    /// It could not be tried, or there was nothing to look at: proves nothing.
    Error,
    /// Not as the clause wants it.
    Failed,
}

/// How it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Something was read and compared.
    Check,
    /// The forbidden thing was tried, and beside it the allowed one.
    Attack,
}

/// Whose part of a clause it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// What the platform does or keeps from happening.
    Provider,
    /// What the tenant does with it.
    Tenant,
}

/// What one check or attack found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the check.
    pub check: String,
    /// How it came out.
    pub verdict: Verdict,
    /// How many there are to look at.
    pub population: u64,
    /// At how many of them it looked.
    pub sampled: u64,
    /// How.
    pub method: Method,
    /// When, microseconds.
    pub at: i64,
    /// Whose half.
    pub half: Half,
    /// In one sentence.
    pub says: String,
    /// Where it is silent.
    pub says_nothing_about: String,
    /// Entries of the journal that it rests on.
    pub entries: Vec<u64>,
}

/// How a clause stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything that the clause asks of a platform was looked at and is so.
    Met,
    /// What was looked at is so; a named part of the clause is not answered.
    Partly,
    /// Something is not so.
    Failed,
    /// Could not be tried this time.
    Error,
    /// Technical, and nothing answers it yet.
    NotBuilt,
    /// No software can do it: a duty of the named side.
    Duty,
}

/// A clause with its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The clause.
    #[serde(flatten)]
    pub clause: Clause,
    /// How it stands.
    pub state: State,
}

/// How many clauses stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Met.
    pub met: u64,
    /// Partly met.
    pub partly: u64,
    /// Failed.
    pub failed: u64,
    /// Not proved this time.
    pub error: u64,
    /// Not built.
    pub not_built: u64,
    /// Duties.
    pub duty: u64,
}

impl Counts {
    /// Counts clauses, of one level or all.
    pub fn of(standings: &[Standing], level: Option<Level>) -> Counts {
        let mut counts = Counts::default();
        for one in standings.iter().filter(|s| level.is_none_or(|l| l == s.clause.level)) {
            *match one.state {
                State::Met => &mut counts.met,
                State::Partly => &mut counts.partly,
                State::Failed => &mut counts.failed,
                State::Error => &mut counts.error,
                State::NotBuilt => &mut counts.not_built,
                State::Duty => &mut counts.duty,
            } += 1;
        }
        counts
    }
}

/// A whole assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The standard.
    pub standard: String,
    /// Name of the instance.
    pub instance: String,
    /// When it began, microseconds.
    pub began: i64,
    /// When it ended, microseconds.
    pub ended: i64,
    /// How many clauses stand how.
    pub counts: Counts,
    /// What was found.
    pub findings: Vec<Finding>,
    /// All clauses.
    pub clauses: Vec<Standing>,
    /// What went wrong with the assessment itself.
    pub troubles: Vec<String>,
}

/// How each clause stands, by what was found.
pub fn standings(catalogue: &Catalogue, findings: &[Finding]) -> Vec<Standing> {
    let state = |clause: &Clause| {
        if clause.checks.is_empty() {
            return if clause.kind == Sort::Technical { State::NotBuilt } else { State::Duty };
        }
        // The worst of them is the clause's; one that was not run proves nothing.
        let verdicts = clause.checks.iter().map(|name| {
            findings.iter().find(|f| f.check == *name).map_or(Verdict::Error, |f| f.verdict)
        });
        match verdicts.max() {
            Some(Verdict::Failed) => State::Failed,
            Some(Verdict::Error) | None => State::Error,
            Some(Verdict::Partly) => State::Partly,
            Some(Verdict::Met) if clause.missing.is_empty() => State::Met,
            Some(Verdict::Met) => State::Partly,
        }
    };
    catalogue.clauses.iter()
        .map(|clause| Standing { state: state(clause), clause: clause.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(check: &str, verdict: Verdict) -> Finding {
        Finding {
            check: check.into(),
            verdict,
            population: 1,
            sampled: 1,
            method: Method::Check,
            at: 0,
            half: Half::Provider,
            says: String::new(),
            says_nothing_about: String::new(),
            entries: Vec::new(),
        }
    }

    #[test]
    fn the_worst_finding_is_the_clauses() {
        let catalogue = Catalogue::read(r#"{"standard": "s", "about": "", "clauses": [
            {"id": "1", "level": "basic", "duty": "both", "kind": "technical", "title_zh": "甲",
             "title_en": "a", "checks": ["x", "y"]},
            {"id": "2", "level": "basic", "duty": "both", "kind": "technical", "title_zh": "乙",
             "title_en": "b", "checks": ["x"], "missing": "the rest"},
            {"id": "3", "level": "enhanced", "duty": "both", "kind": "technical",
             "title_zh": "丙", "title_en": "c"},
            {"id": "4", "level": "basic", "duty": "user", "kind": "physical", "title_zh": "丁",
             "title_en": "d"}]}"#).unwrap();
        let states = |findings: &[Finding]| -> Vec<State> {
            standings(&catalogue, findings).iter().map(|s| s.state).collect()
        };
        use State::{Duty, Error, Failed, Met, NotBuilt, Partly};
        use Verdict as V;
        assert_eq!(states(&[]), [Error, Error, NotBuilt, Duty]);
        let both = [found("x", V::Met), found("y", V::Met)];
        assert_eq!(states(&both), [Met, Partly, NotBuilt, Duty]);
        assert_eq!(states(&[found("x", V::Met), found("y", V::Error)])[0], Error);
        assert_eq!(states(&[found("x", V::Failed), found("y", V::Error)])[0], Failed);
        let all = standings(&catalogue, &[]);
        let counts = Counts { error: 2, not_built: 1, duty: 1, ..Counts::default() };
        assert_eq!(Counts::of(&all, None), counts);
        assert_eq!(Counts::of(&all, Some(Level::Enhanced)).not_built, 1);
    }
}
