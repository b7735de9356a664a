//! An assessment as reports want it: the form that `docs/reports.md` describes.
//!
//! A report has to be made years later, by a program that knows neither this catalogue nor these
//! checks. So everything that it shows is in one document: the clauses with their words, what was
//! found and how that came out before, duties with their records, the journal's checkpoints.

use crate::catalogue::{Answer, Catalogues, Owed};
use crate::finding::{Finding, Report, Standing};
use crate::govern::Registers;
use crate::posture::{Mark, What};
use serde_json::{Map, Value, json};

/// So many earlier verdicts of a check are told.
const BEFORE: usize = 50;

/// What stands around a report.
pub(crate) struct Around<'a> {
    pub catalogues: &'a Catalogues,
    pub registers: &'a Registers,
    pub marks: &'a [Mark],
    /// Name, version and digest of the program.
    pub product: Value,
    /// First entry and end of the period, checkpoints.
    pub journal: Value,
    /// Institutions.
    pub tenants: Vec<Value>,
    pub sha256: &'a str,
    pub entry: u64,
}

/// The document.
pub(crate) fn full(report: &Report, around: &Around<'_>) -> Value {
    let registers = around.registers;
    let standards: Vec<Value> = around.catalogues.iter().map(|catalogue| {
        let rows = report.clauses.iter().filter(|s| s.standard == catalogue.key);
        let clauses: Vec<Value> = rows.map(clause).collect();
        json!({ "id": catalogue.key, "name": catalogue.standard, "clauses": clauses })
    }).collect();
    let findings: Vec<Value> =
        report.findings.iter().map(|found| finding(found, around.marks)).collect();
    let duties: Vec<Value> =
        report.clauses.iter().filter_map(|standing| duty(standing, registers)).collect();
    let exceptions: Vec<Value> = match registers.departures.is_empty() {
        false => registers.departures.clone(),
        true => report.clauses.iter().filter_map(exception).collect(),
    };
    json!({
        "instance": report.instance,
        "product": around.product,
        "period": { "from": report.began, "to": report.ended },
        "standards": standards,
        "findings": findings,
        "duties": duties,
        "journal": around.journal,
        "exceptions": exceptions,
        "risks": registers.risks,
        "assessor": registers.opinions,
        "tenants": around.tenants,
        "troubles": report.troubles,
        "sha256": around.sha256,
        "entry": around.entry,
    })
}

/// A row without its ways of answering, which become members of their own.
fn clause(standing: &Standing) -> Value {
    let row = &standing.clause;
    let mut made: Map<String, Value> =
        serde_json::to_value(row).ok().and_then(|v| v.as_object().cloned()).unwrap_or_default();
    made.remove("answer");
    made.remove("tenant");
    let mut checks: Vec<&str> = Vec::new();
    for name in row.checks() {
        if !checks.contains(&name) {
            checks.push(name);
        }
    }
    made.insert("state".into(), json!(standing.state));
    made.insert("tenant_state".into(), json!(standing.tenant_state));
    made.insert("checks".into(), json!(checks));
    let mut say = |member: &str, text: &str| made.insert(member.into(), text.into());
    say("missing", row.missing());
    match &row.answer {
        Answer::NotBuilt { not_built } => drop(say("missing", not_built)),
        Answer::Tenant { tenant, seen } => {
            say("tenant_does", tenant);
            say("seen", seen);
        }
        Answer::Facts { facts } => drop(say("note", facts)),
        Answer::SameAs { .. } | Answer::Checks { .. } | Answer::Duty { .. } => {}
    }
    if let Some(part) = &row.tenant {
        say("tenant_does", &part.does);
        say("seen", &part.seen);
    }
    if let Answer::SameAs { same_as } = &row.answer {
        made.insert("same_as".into(), json!(same_as));
    }
    made.into()
}

/// A finding with what the journal says of its check before.
fn finding(found: &Finding, marks: &[Mark]) -> Value {
    let before = marks.iter().filter(|mark| mark.at < found.at).filter_map(|mark| match &mark.what {
        What::Finding(change) if change.check == found.check => Some((mark.at, change.to)),
        What::Seal(seal) => Some((mark.at, *seal.base.as_ref()?.checks.get(&found.check)?)),
        _ => None,
    });
    let mut history: Vec<Value> = Vec::new();
    let mut last = None;
    for (at, verdict) in before {
        // A seal that holds everything says again what was so.
        if last != Some(verdict) {
            history.push(json!({ "at": at, "verdict": verdict }));
            last = Some(verdict);
        }
    }
    let many = history.len().saturating_sub(BEFORE);
    let mut made = json!(found);
    made["history"] = history.split_off(many).into();
    made
}

/// A duty with its records.
fn duty(standing: &Standing, registers: &Registers) -> Option<Value> {
    let Answer::Duty { duty } = &standing.clause.answer else { return None };
    let Owed { owner, every, shows_zh, shows_en, .. } = duty;
    let id = &standing.clause.id;
    let kept = standing.kept.as_ref();
    // One that is done once and for ever is due at the end of time, which is never.
    let due = kept.map(|kept| kept.due).filter(|due| *due < i64::MAX);
    Some(json!({
        "clause": id,
        "owner": registers.owners.get(id).unwrap_or(owner),
        "every": String::from(*every),
        "last": kept.and_then(|kept| kept.last),
        "due": due,
        "state": standing.state,
        "shows_zh": shows_zh,
        "shows_en": shows_en,
        "records": registers.records.get(id).cloned().unwrap_or_default(),
    }))
}

/// That a row does not apply.
fn exception(standing: &Standing) -> Option<Value> {
    let taken = standing.exception.as_ref()?;
    let id = &standing.clause.id;
    Some(json!({ "id": id, "clause": id, "why": taken.reason, "by": taken.who }))
}
