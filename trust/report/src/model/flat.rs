//! Reports that have the clauses of all standards in one list, put into the model's shape.
//!
//! So the platform's own assessment comes (`docs/catalogue.md`): a row names its standard, and its
//! `answer` says in one of several ways how it is answered. The first versions had one standard, and
//! checks beside the clause. What follows from a row is taken from it here; nothing is judged.

use serde_json::{Map, Value, json};

/// The report with each standard's clauses under it; `None` if it has no list of clauses.
pub(super) fn sorted(report: &Value) -> Option<Value> {
    let rows = report.get("clauses")?.as_array()?;
    let name = text(report, "standard");
    let only = match name.is_empty() || name.starts_with("JR/T 0167") {
        true => "jrt0167",
        false => "standard",
    };
    let tallies = report.get("standards").and_then(Value::as_array);
    let named = |key: &str| {
        let tally = tallies?.iter().find(|t| text(t, "key") == key)?;
        Some(text(tally, "standard").to_string())
    };
    let mut standards: Vec<(String, Vec<Value>)> = Vec::new();
    let (mut duties, mut exceptions) = (Vec::new(), Vec::new());
    for row in rows {
        let key = match text(row, "standard") {
            "" => only,
            key => key,
        };
        match standards.iter_mut().find(|s| s.0 == key) {
            Some(standard) => standard.1.push(clause(row)),
            None => standards.push((key.to_string(), vec![clause(row)])),
        }
        duties.extend(duty(row));
        exceptions.extend(exception(row));
    }
    let standards: Vec<Value> = standards.into_iter().map(|(key, clauses)| {
        let name = named(&key).unwrap_or_else(|| name.to_string());
        json!({ "id": key, "name": name, "clauses": clauses })
    }).collect();
    // What else a report has (findings, journal, risks, ...) is called alike in both shapes.
    let mut whole: Map<String, Value> = report.as_object()?.clone();
    whole.remove("clauses");
    whole.insert("standards".into(), standards.into());
    let kept = |name: &str, ours: Vec<Value>| match report.get(name) {
        Some(theirs) if theirs.is_array() => theirs.clone(),
        _ => ours.into(),
    };
    whole.insert("duties".into(), kept("duties", duties));
    whole.insert("exceptions".into(), kept("exceptions", exceptions));
    if report.get("period").is_none() {
        let at = |member: &str| report.get(member).cloned().unwrap_or(json!(0));
        whole.insert("period".into(), json!({ "from": at("began"), "to": at("ended") }));
    }
    Some(whole.into())
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// A row as a clause: what its `answer` and its `tenant` say becomes members of its own.
fn clause(row: &Value) -> Value {
    let mut made = row.as_object().cloned().unwrap_or_default();
    let answer = made.remove("answer").unwrap_or_default();
    let tenant = made.remove("tenant").unwrap_or_default();
    let mut checks: Vec<Value> = Vec::new();
    for some in [row.get("checks"), answer.get("checks"), tenant.get("checks")].into_iter().flatten() {
        for name in some.as_array().into_iter().flatten() {
            if !checks.contains(name) {
                checks.push(name.clone());
            }
        }
    }
    made.insert("checks".into(), checks.into());
    if answer.get("facts").is_some() {
        // It is replaced below, and then its Chinese must be of the same text.
        made.remove("note_zh");
    }
    let mut take = |member: &str, from: &Value, name: &str| {
        if let Some(value) = from.get(name).filter(|v| !v.is_null()) {
            made.insert(member.into(), value.clone());
        }
    };
    // What other rows or records leave open stands beside the answer.
    take("missing", row, "open");
    take("missing_zh", row, "open_zh");
    take("missing", &answer, "missing");
    take("missing_zh", &answer, "missing_zh");
    take("missing", &answer, "not_built");
    take("missing_zh", &answer, "not_built_zh");
    take("same_as", &answer, "same_as");
    take("tenant_does", &answer, "tenant");
    take("tenant_does_zh", &answer, "tenant_zh");
    take("tenant_does", &tenant, "does");
    take("tenant_does_zh", &tenant, "does_zh");
    for from in [&answer, &tenant] {
        take("seen", from, "seen");
        take("seen_zh", from, "seen_zh");
    }
    // Of a row that asks for nothing, what it says; a remark on it counts less.
    take("note", &answer, "facts");
    take("note_zh", &answer, "facts_zh");
    made.into()
}

/// The duty of a row, if people answer it.
fn duty(row: &Value) -> Option<Value> {
    let owed = row.pointer("/answer/duty")?;
    // A duty that is done once and for ever is due at the end of time, which is never.
    let due = row.pointer("/kept/due").and_then(Value::as_i64).filter(|due| *due < i64::MAX);
    Some(json!({
        "clause": row.get("id"),
        "owner": owed.get("owner"),
        "every": owed.get("every"),
        "last": row.pointer("/kept/last"),
        "due": due,
        "state": row.get("state"),
        "shows_zh": text(owed, "shows_zh"),
        "shows_en": text(owed, "shows_en"),
    }))
}

/// That a row does not apply, and who said so.
fn exception(row: &Value) -> Option<Value> {
    let taken = row.get("exception").filter(|e| e.is_object())?;
    Some(json!({
        "id": row.get("id"),
        "clause": row.get("id"),
        "why": text(taken, "reason"),
        "by": text(taken, "who"),
    }))
}

#[cfg(test)]
mod tests {
    use crate::model::{Assessment, State};
    use serde_json::json;

    #[test]
    fn each_way_of_answering_is_taken_over() {
        let report = json!({ "report": {
            "standard": "JR/T 0167-2020", "instance": "tour", "began": 1, "ended": 2,
            "standards": [{ "key": "guide", "standard": "The guide", "counts": {} },
                { "key": "jrt0167", "standard": "JR/T 0167-2020", "counts": {} }],
            "findings": [{ "check": "x" }, { "check": "y" }],
            "clauses": [
                { "standard": "jrt0167", "id": "1", "duty": "both", "state": "met",
                  "tenant_state": "failed", "answer": { "checks": ["x"], "missing": "the rest" },
                  "tenant": { "does": "it", "seen": "something", "checks": ["y", "x"] } },
                { "standard": "jrt0167", "id": "2", "state": "overdue", "kept": { "last": null, "due": 9 },
                  "answer": { "duty": { "owner": "management", "every": "P1Y", "shows_en": "that" } } },
                { "standard": "jrt0167", "id": "3", "state": "recorded",
                  "kept": { "last": 5, "due": i64::MAX }, "answer": { "duty": { "every": "once" } },
                  "open": "a part" },
                { "standard": "guide", "id": "4", "state": "not_built",
                  "answer": { "not_built": "all" } },
                { "standard": "guide", "id": "5", "state": "met", "answer": { "same_as": ["1"] } },
                { "standard": "guide", "id": "6", "state": "tenant", "duty": "user",
                  "answer": { "tenant": "its work", "seen": "nothing" } },
                { "standard": "guide", "id": "7", "state": "not_applicable", "answer": { "facts": "so" },
                  "exception": { "reason": "one institution alone", "who": "ann" } },
            ], "troubles": ["t"] } });
        let read = Assessment::read(&report).unwrap();
        let names: Vec<_> = read.standards.iter().map(|s| (s.id.as_str(), s.name.as_str())).collect();
        assert_eq!(names, [("jrt0167", "JR/T 0167-2020"), ("guide", "The guide")]);
        let clauses: Vec<_> = read.clauses().map(|(_, c)| c).collect();
        assert_eq!(clauses[0].checks, ["x", "y"]);
        assert_eq!((clauses[0].missing.as_str(), clauses[0].tenant_does.as_str()), ("the rest", "it"));
        assert_eq!(clauses[2].missing, "a part");
        assert_eq!((clauses[3].missing.as_str(), clauses[3].state), ("all", State::NotBuilt));
        assert_eq!(read.findings_of(clauses[4]).len(), 2, "by the clause that answers it");
        let tenants = (clauses[5].tenant_does.as_str(), clauses[5].seen.as_str());
        assert_eq!(tenants, ("its work", "nothing"));
        assert_eq!(clauses[6].note, "so");
        let duties: Vec<_> =
            read.duties.iter().map(|d| (d.clause.as_str(), d.owner.as_str(), d.due, d.last)).collect();
        assert_eq!(duties, [("2", "management", Some(9), None), ("3", "", None, Some(5))]);
        assert_eq!((read.duties[0].state, read.duties[0].shows_en.as_str()), (State::Overdue, "that"));
        assert_eq!((read.exceptions[0].clause.as_str(), read.exceptions[0].by.as_str()), ("7", "ann"));
        assert_eq!((read.period.from, read.period.to, read.troubles.len()), (1, 2, 1));
    }
}
