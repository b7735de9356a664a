//! How the clauses stand now: states, how each is proved, how old that is, and how fresh all of it is.
//!
//! A state alone is a claim. Beside it stands what it rests on: something forbidden was tried (attack),
//! something was read and compared (check), people keep a record (duty), the platform refuses it to
//! everybody (guardrail), or it is the tenant's own to do (tenant). A clause that others answer is proved
//! as those are. Below the list stands whether the platform keeps what it sets itself for the age of
//! proofs: a list of young ones says nothing of the one that nobody looked at.

use super::{FINDINGS, Filter, Row, array, by_id, counted, list, long, page, text, words};
use crate::fail::Failed;
use crate::session::Session;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const FRESHNESS: &str = "/evidence/v1/freshness";
const GUARDRAILS: &str = "/access/v1/guardrails";

/// The names of all checks that a clause rests on, through other rows too, as the platform counts ages.
fn rests<'v>(id: &'v str, clauses: &BTreeMap<&'v str, &'v Value>, seen: &mut BTreeSet<&'v str>,
    names: &mut BTreeSet<&'v str>) {
    let Some(clause) = clauses.get(id).copied().filter(|_| seen.insert(id)) else { return };
    names.extend(words(clause, "/answer/checks").chain(words(clause, "/tenant/checks")));
    for other in words(clause, "/answer/same_as") {
        rests(other, clauses, seen, names);
    }
}

/// The age of a clause's proof in seconds: that of the oldest finding that it rests on. None if no check
/// answers it, or one of them proves nothing.
pub(super) fn age<'v>(id: &'v str, clauses: &BTreeMap<&'v str, &'v Value>, findings: &[Value])
    -> Option<i64> {
    let mut names = BTreeSet::new();
    rests(id, clauses, &mut BTreeSet::new(), &mut names);
    let ages: Option<Vec<i64>> = names.into_iter().map(|name| {
        let found = findings.iter().find(|found| found["check"] == name)?;
        if found["verdict"] == "error" { None } else { found["age_seconds"].as_i64() }
    }).collect();
    ages?.into_iter().max()
}

/// What the platform knows now.
pub(super) struct Known {
    /// All clauses of all standards.
    pub clauses: Vec<Value>,
    /// The newest finding of each check.
    pub findings: Vec<Value>,
    /// All guardrails.
    pub rails: Vec<Value>,
    /// How fresh evidence is.
    pub fresh: Value,
}

impl Known {
    /// Asks for what belongs to these clauses.
    pub(super) fn read(session: &Session, clauses: Vec<Value>) -> Result<Known, Failed> {
        let findings = array(session.get("the findings", FINDINGS)?, "findings");
        let rails = array(session.get("the guardrails", GUARDRAILS)?, "guardrails");
        let fresh = session.get("the freshness", FRESHNESS)?["freshness"].take();
        Ok(Known { clauses, findings, rails, fresh })
    }

    /// In which ways a clause is proved, by itself and through other rows.
    fn ways<'v>(&'v self, id: &'v str, clauses: &BTreeMap<&'v str, &'v Value>,
        seen: &mut BTreeSet<&'v str>, how: &mut BTreeSet<&'static str>) {
        let Some(clause) = clauses.get(id).copied().filter(|_| seen.insert(id)) else { return };
        for name in words(clause, "/answer/checks").chain(words(clause, "/tenant/checks")) {
            if let Some(found) = self.findings.iter().find(|found| found["check"] == name) {
                how.insert(if found["method"] == "attack" { "attack" } else { "check" });
            }
        }
        if clause.pointer("/answer/duty").is_some() {
            how.insert("duty");
        }
        let part = clause.get("tenant").is_some_and(Value::is_object);
        let own = part && list(clause, "/tenant/checks").is_empty();
        if own || clause.pointer("/answer/tenant").is_some() {
            how.insert("tenant");
        }
        if self.rails.iter().any(|rail| words(rail, "/clauses").any(|other| other == id)) {
            how.insert("guardrail");
        }
        for other in words(clause, "/answer/same_as") {
            self.ways(other, clauses, seen, how);
        }
    }

    /// For programs, and for people.
    pub(super) fn shown(&self, filter: &Filter) -> (Value, String) {
        let known = by_id(&self.clauses);
        let chosen: Vec<&Value> = self.clauses.iter().filter(|clause| filter.takes(&Row {
            id: text(clause, "/id"),
            standard: text(clause, "/standard"),
            tier: text(clause, "/level"),
            state: text(clause, "/state"),
            tenants: text(clause, "/tenant_state"),
        })).collect();
        let (mut shown, mut rows) = (Vec::new(), Vec::new());
        for clause in &chosen {
            let id = text(clause, "/id");
            let age = age(id, &known, &self.findings);
            let mut how = BTreeSet::new();
            self.ways(id, &known, &mut BTreeSet::new(), &mut how);
            shown.push(json!({
                "standard": clause["standard"], "clause": clause["id"], "tier": clause["level"],
                "state": clause["state"], "tenant_state": clause.get("tenant_state"), "how": how,
                "proof_age_seconds": age, "title_en": clause["title_en"], "title_zh": clause["title_zh"],
            }));
            let mut row: Vec<String> =
                ["/id", "/standard", "/level"].map(|at| text(clause, at).to_string()).into();
            let states = ["/state", "/tenant_state"].map(|at| filter.state_word(text(clause, at)));
            row.extend(states.map(String::from));
            let how: Vec<&str> = how.into_iter().collect();
            row.extend([how.join(", "), age.map_or(String::new(), long),
                text(clause, filter.title()).into()]);
            rows.push(row);
        }
        let mut below = vec![counted(chosen.iter().map(|clause| text(clause, "/state")))];
        below.extend(freshness(&self.fresh));
        let head = ["CLAUSE", "STANDARD", "TIER", "STATE", "TENANT'S", "HOW", "PROOF", "TITLE"];
        let value = json!({ "from": "memory", "clauses": shown, "freshness": self.fresh });
        (value, page(&head, &rows, &below))
    }
}

/// How fresh evidence is, in two lines; none if the platform does not say.
fn freshness(fresh: &Value) -> Vec<String> {
    if !fresh.is_object() {
        return Vec::new();
    }
    let number = |at: &str| fresh.pointer(at).and_then(Value::as_i64);
    let age = |at: &str| number(at).map_or("unknown".to_string(), long);
    let kept = match fresh.pointer("/objective/attained") {
        Some(Value::Bool(true)) => "kept",
        _ => "NOT kept",
    };
    let whose = match text(fresh, "/clauses/worst_clause") {
        "" => String::new(),
        clause => format!(" ({clause})"),
    };
    let without = match number("/clauses/without_proof") {
        Some(count) if count > 0 => format!(", {count} clause(s) without a proof"),
        _ => String::new(),
    };
    let gaps = list(fresh, "/gaps");
    let unseen: i64 = gaps.iter().filter_map(|gap| gap["seconds"].as_i64()).sum();
    vec![
        format!("Age of proofs: median {}, worst {}{whose}{without}; objective {kept} (median below {}, \
            all below {})", age("/clauses/median_seconds"), age("/clauses/worst_seconds"),
            age("/objective/median_below_seconds"), age("/objective/worst_below_seconds")),
        match gaps.len() {
            0 => "Last day: no gaps".into(),
            count => format!("Last day: nobody looked for {} in all, {count} gap(s)", long(unseen)),
        },
    ]
}
