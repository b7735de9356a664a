//! What is other than in an earlier assessment.
//!
//! An assessor who comes twice a year reads this first. Clauses are compared by standard and id, so
//! a clause that moved within its standard is the same one; a changed paraphrase is no change.

use crate::model::{Assessment, Clause, State, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// A clause whose state is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The standard's id.
    pub standard: String,
    /// The clause.
    pub clause: String,
    /// Title in Chinese.
    pub title_zh: String,
    /// Title in English.
    pub title_en: String,
    /// As it was; `None` if the clause is new.
    pub before: Option<State>,
    /// As it is; `None` if the clause is gone.
    pub now: Option<State>,
    /// As the tenant's half was.
    pub tenant_before: Option<State>,
    /// As the tenant's half is.
    pub tenant_now: Option<State>,
}

/// A check whose verdict is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Turned {
    /// Its name.
    pub check: String,
    /// As it was; `None` if the check is new.
    pub before: Option<Verdict>,
    /// As it is; `None` if the check is gone.
    pub now: Option<Verdict>,
}

/// All that is other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// End of the earlier period, microseconds.
    pub since: i64,
    /// Clauses, in today's order; those that are gone last.
    pub clauses: Vec<Changed>,
    /// Checks by name.
    pub checks: Vec<Turned>,
}

fn changed(standard: &str, before: Option<&Clause>, now: Option<&Clause>) -> Option<Changed> {
    let either = now.or(before)?;
    let states = |c: Option<&Clause>| (c.map(|c| c.state), c.and_then(|c| c.tenant_state));
    let (was, is) = (states(before), states(now));
    (was != is).then(|| Changed {
        standard: standard.into(),
        clause: either.id.clone(),
        title_zh: either.title_zh.clone(),
        title_en: either.title_en.clone(),
        before: was.0,
        now: is.0,
        tenant_before: was.1,
        tenant_now: is.1,
    })
}

/// Compares an earlier assessment with today's.
pub fn diff(before: &Assessment, now: &Assessment) -> Diff {
    let mut old: BTreeMap<(&str, &str), &Clause> =
        before.clauses().map(|(s, c)| ((s.id.as_str(), c.id.as_str()), c)).collect();
    let mut clauses: Vec<Changed> = now.clauses()
        .filter_map(|(s, c)| {
            let was = old.remove(&(s.id.as_str(), c.id.as_str()));
            changed(&s.id, was, Some(c))
        }).collect();
    clauses.extend(old.iter().filter_map(|((standard, _), c)| changed(standard, Some(*c), None)));
    let verdicts = |a: &Assessment| -> BTreeMap<String, Verdict> {
        a.findings.iter().map(|f| (f.check.clone(), f.verdict)).collect()
    };
    let (was, is) = (verdicts(before), verdicts(now));
    let mut names: Vec<&String> = was.keys().chain(is.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let checks = names.into_iter().filter(|n| was.get(*n) != is.get(*n))
        .map(|n| Turned { check: n.clone(), before: was.get(n).copied(), now: is.get(n).copied() })
        .collect();
    Diff { since: before.period.to, clauses, checks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changed_new_and_gone_are_told() {
        let made = |clauses: serde_json::Value, findings: serde_json::Value| {
            Assessment::read(&json!({ "standards": [{ "id": "s", "clauses": clauses }],
                "findings": findings, "period": { "to": 5 } })).unwrap()
        };
        let old = made(json!([
            { "id": "1", "state": "met" }, { "id": "2", "state": "met" }, { "id": "3", "state": "met" },
            { "id": "4", "state": "met", "tenant_state": "due" },
        ]), json!([{ "check": "a", "verdict": "met" }, { "check": "b", "verdict": "met" }]));
        let new = made(json!([
            { "id": "3", "state": "met" }, { "id": "2", "state": "failed" }, { "id": "5", "state": "due" },
            { "id": "4", "state": "met", "tenant_state": "recorded" },
        ]), json!([{ "check": "a", "verdict": "failed" }, { "check": "c", "verdict": "met" }]));
        let found = diff(&old, &new);
        let told: Vec<_> = found.clauses.iter().map(|c| (c.clause.as_str(), c.before, c.now)).collect();
        assert_eq!(told, [
            ("2", Some(State::Met), Some(State::Failed)),
            ("5", None, Some(State::Due)),
            ("4", Some(State::Met), Some(State::Met)),
            ("1", Some(State::Met), None),
        ]);
        let checks: Vec<_> = found.checks.iter().map(|c| (c.check.as_str(), c.before, c.now)).collect();
        assert_eq!(checks, [
            ("a", Some(Verdict::Met), Some(Verdict::Failed)),
            ("b", Some(Verdict::Met), None),
            ("c", None, Some(Verdict::Met)),
        ]);
        assert_eq!(diff(&new, &new), Diff { since: 5, ..Diff::default() });
    }
}
