//! What was tried, what came of it, and what is open.
//!
//! OSCAL knows two outcomes. Only `met` is satisfied; what is partly so, could not be tried, is out
//! of date or is not built is not. A duty that is not late was not tried by anybody: its records
//! are observations, without a finding. An approved exception is a risk that somebody took. For how
//! long a clause was in violation, and when nobody looked, are observations of the type that OSCAL has for
//! the past.

use super::*;
use crate::model::{Duty, Exception, Freshness, Opinion, Period, Record, Risk, Stated, Violation};
use std::collections::BTreeSet;

pub(super) fn documents(source: &Source<'_>) -> Vec<(String, Value)> {
    let mut made = vec![
        ("assessment-plan.json".into(), plan(source)),
        ("assessment-results.json".into(), results(source)),
    ];
    if let Some(poam) = poam(source) {
        made.push(("plan-of-action-and-milestones.json".into(), poam));
    }
    made
}

fn subject(source: &Source<'_>) -> Value {
    json!({ "subject-uuid": source.own(&["component", "this-system"]), "type": "component" })
}

fn tool(source: &Source<'_>) -> String {
    source.own(&["component", "assessment"])
}

fn plan(source: &Source<'_>) -> Value {
    let mut activities = Vec::new();
    let mut tasks = Vec::new();
    let subjects = json!([{ "type": "component", "include-subjects": [subject(source)] }]);
    for check in source.checks() {
        let named = |c: &Clause| c.checks.iter().any(|n| n == check);
        let uuid = source.own(&["activity", check]);
        let mut one = object([
            ("uuid", uuid.clone().into()),
            ("title", line(check).into()),
            ("description", source.about(check).into()),
            ("related-controls", select(&source.controls(named))),
        ]);
        if let Some(finding) = source.finding(check) {
            let props = vec![json!({ "name": "method", "value": method(finding) })];
            put(&mut one, "props", props);
        }
        activities.push(Value::from(one));
        tasks.push(json!({ "activity-uuid": uuid, "subjects": subjects }));
    }
    let component = json!({
        "uuid": tool(source),
        "type": "software",
        "title": "Jinyun evidence",
        "description": "Observes the instance, tries what is forbidden through ports of a synthetic \
            tenant, and judges",
        "status": { "state": "operational" },
    });
    let title = format!("Assessment plan of the instance {}", source.of.instance);
    let mut made = object([
        ("uuid", source.own(&["plan", &time(source.made)]).into()),
        ("metadata", source.metadata(&title)),
        ("import-ssp", json!({ "href": "system-security-plan.json" })),
        ("reviewed-controls", select(&[])),
        ("assessment-subjects", subjects),
        ("assessment-assets", json!({
            "components": [component],
            "assessment-platforms": [{
                "uuid": source.own(&["platform", "assessment"]),
                "title": "The instance itself",
                "uses-components": [{ "component-uuid": tool(source) }],
            }],
        })),
    ]);
    if !activities.is_empty() {
        let period = &source.of.period;
        made.insert("local-definitions".into(), json!({ "activities": activities }));
        made.insert("tasks".into(), json!([{
            "uuid": source.own(&["task", "assess"]),
            "type": "action",
            "title": "Run every check",
            "timing": { "within-date-range": { "start": time(period.from), "end": time(period.to) } },
            "associated-activities": tasks,
        }]));
    }
    json!({ "assessment-plan": made })
}

fn observed(source: &Source<'_>, finding: &Finding) -> String {
    source.own(&["observation", &finding.check, &time(finding.at)])
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

fn observation(source: &Source<'_>, finding: &Finding) -> Value {
    let mut made = object([
        ("uuid", observed(source, finding).into()),
        ("title", line(&finding.check).into()),
        ("description", or_dash(prose(&finding.says)).into()),
        ("methods", json!([method(finding)])),
        ("types", json!(["finding"])),
        ("origins", json!([{ "actors": [{ "type": "tool", "actor-uuid": tool(source) }] }])),
        ("subjects", json!([subject(source)])),
        ("collected", time(finding.at).into()),
    ]);
    // OSCAL's observation has one time; over which time it was observed stands in properties.
    let ends = finding.observed().map(|period| [time(period.from), time(period.to)]).unwrap_or_default();
    put(&mut made, "props", list([
        prop("verdict", words::verdict_code(finding.verdict)),
        prop("half", words::half_code(finding.half)),
        prop("population", &finding.population.to_string()),
        prop("sampled", &finding.sampled.to_string()),
        prop("observed-from", &ends[0]),
        prop("observed-to", &ends[1]),
    ]));
    if !finding.entries.is_empty() {
        let entries: Vec<String> = finding.entries.iter().map(u64::to_string).collect();
        let text = format!("Entries of the journal: {}", entries.join(", "));
        put(&mut made, "relevant-evidence", vec![json!({ "description": text })]);
    }
    if !finding.says_nothing_about.is_empty() {
        let text = format!("Says nothing about: {}", prose(&finding.says_nothing_about));
        made.insert("remarks".into(), text.into());
    }
    made.into()
}

fn record(record: &Record) -> String {
    uid(&["record", &record.sha256])
}

/// A statement of a duty as evidence.
fn stated(said: &Stated) -> Value {
    let title: &str = if said.title.is_empty() { "Statement" } else { &said.title };
    let entry = said.entry.map_or(String::new(), |n| format!(", entry {n} of the journal"));
    let Stated { text, by, from, to, .. } = said;
    let text = line(&format!("{title}, by {by}, for {from} to {to}{entry}: {text}"));
    json!({ "description": prose(&text) })
}

/// The records of a duty and what was stated of it, if there is any.
fn duty(source: &Source<'_>, duty: &Duty) -> Option<Value> {
    let said = duty.statement.as_ref();
    let newest = duty.records.iter().map(|r| r.at).chain(said.map(|said| said.at)).max()?;
    let owner = line(&duty.owner);
    let owner: &str = if owner.is_empty() { "provider" } else { &owner };
    let mut evidence: Vec<Value> = duty.records.iter().map(|r| {
        let mut name = match r.by.is_empty() {
            true => line(&r.name),
            false => line(&format!("{}, by {}", r.name, r.by)),
        };
        if !r.damage.is_empty() {
            name = format!("{name} (damaged, does not count: {})", line(&r.damage));
        }
        json!({ "href": format!("#{}", record(r)), "description": or_dash(name) })
    }).collect();
    evidence.extend(said.map(stated));
    let actor = json!({ "type": "party", "actor-uuid": source.party() });
    let and = if said.is_some() { " and a statement" } else { "" };
    let text = format!("{} record(s){and} of a duty of the {owner}", duty.records.len());
    let due = duty.due.map(time).unwrap_or_default();
    Some(json!({
        "uuid": source.own(&["observation", "duty", &duty.clause, &time(newest)]),
        "title": line(&format!("Records for {}", duty.clause)),
        "description": text,
        "methods": ["EXAMINE"],
        "types": ["control-objective"],
        "props": list([prop("state", words::code(duty.state)), prop("due", &due)]),
        "origins": [{ "actors": [actor] }],
        "relevant-evidence": evidence,
        "collected": time(newest),
        "remarks": "That a record exists was looked at, not what it says",
    }))
}

/// So many times are written out, the newest.
const TIMES: usize = 10;

fn times<'p>(newest: impl DoubleEndedIterator<Item = &'p Period>) -> String {
    let said: Vec<String> =
        newest.rev().take(TIMES).map(|p| format!("{} to {}", time(p.from), time(p.to))).collect();
    said.join("; ")
}

fn lasted(source: &Source<'_>, violation: &Violation) -> String {
    let standard = violation.standard.as_deref().unwrap_or_default();
    let half = words::half_code(violation.half);
    let to = time(source.of.period.to);
    source.own(&["observation", "violation", standard, &violation.clause, half, &to])
}

/// For how long a half of a clause was in violation in the period.
fn violation(source: &Source<'_>, violation: &Violation) -> Value {
    let period = &source.of.period;
    let (seconds, count) = (violation.seconds.to_string(), violation.count.to_string());
    let mut text = format!("In violation {count} time(s) since {}, {seconds} s in all", time(period.from));
    if !violation.times.is_empty() {
        text.push_str(&format!(". The newest: {}", times(violation.times.iter())));
    }
    let lasts = if violation.lasts { "yes" } else { "no" };
    json!({
        "uuid": lasted(source, violation),
        "title": line(&format!("Time in violation of {}", violation.clause)),
        "description": text,
        "methods": ["EXAMINE"],
        "types": ["historic"],
        "props": list([
            prop("clause", &violation.clause),
            prop("half", words::half_code(violation.half)),
            prop("violation-seconds", &seconds),
            prop("violation-times", &count),
            prop("violation-lasts", lasts),
        ]),
        "origins": [{ "actors": [{ "type": "tool", "actor-uuid": tool(source) }] }],
        "collected": time(period.to),
        "remarks": "As entries of the journal about this clause say it",
    })
}

/// When nobody looked; nothing if the assessment does not tell.
fn unseen(source: &Source<'_>) -> Option<Value> {
    let of = source.of;
    of.violations.as_ref()?;
    let (seconds, count) = (of.unseen().to_string(), of.gaps.len().to_string());
    let mut text = format!("Nobody looked {count} time(s) since {}, {seconds} s in all",
        time(of.period.from));
    if !of.gaps.is_empty() {
        text.push_str(&format!(". The newest: {}", times(of.gaps.iter())));
    }
    Some(json!({
        "uuid": source.own(&["observation", "gaps", &time(of.period.to)]),
        "title": "Gaps in the evidence",
        "description": text,
        "methods": ["EXAMINE"],
        "types": ["historic"],
        "props": list([prop("gap-seconds", &seconds), prop("gaps", &count)]),
        "origins": [{ "actors": [{ "type": "tool", "actor-uuid": tool(source) }] }],
        "collected": time(of.period.to),
        "remarks": "Of these times nobody can say how clauses stood",
    }))
}

fn risk(source: &Source<'_>, risk: &Risk) -> Value {
    let known = ["investigating", "remediating", "deviation-requested", "deviation-approved", "closed"];
    let status = known.into_iter().find(|s| *s == risk.status).unwrap_or("open");
    let title = prose(&line(&risk.title));
    let title = if title.is_empty() { "Risk".to_string() } else { title };
    let mut made = object([
        ("uuid", source.own(&["risk", &risk.id]).into()),
        ("title", title.clone().into()),
        ("description", title.into()),
        ("statement", or_dash(prose(&risk.statement)).into()),
        ("status", status.into()),
    ]);
    put(&mut made, "props", list([prop("clause", &risk.clause), prop("owner", &risk.owner)]));
    if let Some(due) = risk.due {
        made.insert("deadline".into(), time(due).into());
    }
    made.into()
}

fn exception(source: &Source<'_>, exception: &Exception) -> Value {
    let why = or_dash(prose(&exception.why));
    let mut made = object([
        ("uuid", source.own(&["exception", &exception.id]).into()),
        ("title", line(&format!("Exception {}", exception.id)).into()),
        ("description", why.clone().into()),
        ("statement", why.into()),
        ("status", "deviation-approved".into()),
    ]);
    let props = [prop("clause", &exception.clause), prop("approved-by", &exception.by)];
    put(&mut made, "props", list(props));
    if let Some(until) = exception.until {
        made.insert("deadline".into(), time(until).into());
    }
    made.into()
}

fn risks(source: &Source<'_>) -> Vec<Value> {
    let of = source.of;
    let taken = of.exceptions.iter().map(|e| exception(source, e));
    of.risks.iter().map(|r| risk(source, r)).chain(taken).collect()
}

/// Whether a clause in this state is satisfied, and why not; `None` if nobody tried.
fn outcome(state: State) -> Option<(&'static str, &'static str)> {
    Some(match state {
        State::Met => ("satisfied", "pass"),
        State::Failed | State::Overdue => ("not-satisfied", "fail"),
        State::Partly | State::Error | State::Stale | State::NotBuilt => ("not-satisfied", "other"),
        _ => return None,
    })
}

/// What a clause's finding and its item of the plan refer to.
fn related(source: &Source<'_>, clause: &Clause, made: &mut Map<String, Value>) {
    let found = source.of.findings_of(clause).into_iter().map(|f| observed(source, f));
    let lasted = source.of.violations_of(clause).map(|v| lasted(source, v));
    let observations = found.chain(lasted).map(|id| json!({ "observation-uuid": id })).collect();
    put(made, "related-observations", observations);
    let of = source.of;
    let taken = of.exceptions.iter().filter(|e| e.clause == clause.id)
        .map(|e| source.own(&["exception", &e.id]));
    let known = of.risks.iter().filter(|r| r.clause == clause.id)
        .map(|r| source.own(&["risk", &r.id]));
    put(made, "related-risks", taken.chain(known).map(|id| json!({ "risk-uuid": id })).collect());
}

fn finding(source: &Source<'_>, standard: &Standard, clause: &Clause) -> Option<Value> {
    let (state, reason) = outcome(clause.state)?;
    let id = control(standard, &clause.id);
    let says = stands(clause.state);
    let mut made = object([
        ("uuid", source.own(&["finding", &id, &time(source.made)]).into()),
        ("title", format!("{} {}", line(&clause.id), title(clause)).into()),
        ("description",
            format!("The clause stands as: {says}{}", open(clause, ". Not answered: ")).into()),
        ("target", json!({
            "type": "objective-id",
            "target-id": format!("{id}_obj"),
            "status": { "state": state, "reason": reason, "remarks": format!("Stands as: {says}") },
        })),
    ]);
    let tenant = clause.tenant_state.map(words::code).unwrap_or_default();
    let props = [prop("state", words::code(clause.state)), prop("tenant-state", tenant)];
    put(&mut made, "props", list(props));
    related(source, clause, &mut made);
    Some(made.into())
}

fn opinion(source: &Source<'_>, place: usize, opinion: &Opinion) -> Value {
    let said = [&opinion.opinion, &opinion.note].map(|t| prose(&line(t)));
    let said: Vec<String> = said.into_iter().filter(|t| !t.is_empty()).collect();
    let mut made = object([
        ("uuid", source.own(&["opinion", &place.to_string(), &opinion.clause]).into()),
        ("name", "assessor-opinion".into()),
        ("ns", NS.into()),
        ("title", or_dash(line(&opinion.clause)).into()),
        ("prose", or_dash(said.join(". ")).into()),
    ]);
    let at = opinion.at.map(time).unwrap_or_default();
    put(&mut made, "props", list([
        prop("by", &opinion.by),
        prop("at", &at),
        prop("sample", &opinion.sample.join(", ")),
        prop("nonce", &opinion.nonce),
        prop("report-sha256", &opinion.report),
    ]));
    made.into()
}

/// Evidence with its digest: files beside the documents, and records by theirs.
fn resources(source: &Source<'_>) -> Vec<Value> {
    let resource = |uuid: String, title: &str, href: String, sha256: &str| json!({
        "uuid": uuid,
        "title": or_dash(line(title)),
        "rlinks": [{ "href": href, "hashes": [{ "algorithm": "SHA-256", "value": sha256 }] }],
    });
    let mut made: Vec<Value> = source.attachments.iter().map(|a| {
        let uuid = uid(&["attachment", &a.path, &a.sha256]);
        resource(uuid, &a.title, format!("../{}", a.path), &a.sha256)
    }).collect();
    let mut seen: Vec<&str> = Vec::new();
    for one in source.of.duties.iter().flat_map(|d| &d.records) {
        if !seen.contains(&one.sha256.as_str()) {
            seen.push(&one.sha256);
            let sha256 = token(&one.sha256);
            made.push(resource(record(one), &one.name, format!("../evidence/{sha256}"), &sha256));
        }
    }
    made
}

/// How fresh evidence was when the assessment began.
fn freshness(fresh: &Freshness) -> [Option<Value>; 8] {
    let Freshness { now, clauses, objective, .. } = fresh;
    let number = |seconds: Option<i64>| seconds.map(|n| n.to_string()).unwrap_or_default();
    [
        prop("freshness-as-of", now),
        prop("freshness-clauses", &clauses.count.to_string()),
        prop("freshness-median-seconds", &number(clauses.median_seconds)),
        prop("freshness-worst-seconds", &number(clauses.worst_seconds)),
        prop("freshness-worst-clause", clauses.worst_clause.as_deref().unwrap_or_default()),
        prop("freshness-without-proof", &clauses.without_proof.to_string()),
        prop("freshness-objective", if objective.attained { "kept" } else { "not-kept" }),
        prop("freshness-gap-seconds", &fresh.unseen().to_string()),
    ]
}

fn results(source: &Source<'_>) -> Value {
    let of = source.of;
    let mut observations: Vec<Value> = of.findings.iter().map(|f| observation(source, f)).collect();
    observations.extend(of.duties.iter().filter_map(|d| duty(source, d)));
    observations.extend(of.violations.iter().flatten().map(|v| violation(source, v)));
    observations.extend(unseen(source));
    let tried = source.controls(|c| outcome(c.state).is_some());
    let mut result = object([
        ("uuid", source.own(&["result", &time(source.made)]).into()),
        ("title", line(&format!("Instance {}", of.instance)).into()),
        ("description", "Clauses that were tried, or that nothing answers. Duties with records are \
            observations; duties that are not late, and what is the tenant's, are in the system \
            security plan only".into()),
        ("start", time(of.period.from).into()),
        ("end", time(of.period.to).into()),
        ("reviewed-controls", select(&tried)),
    ]);
    let entry = of.entry.map(|e| e.to_string()).unwrap_or_default();
    let fresh = of.freshness.iter().flat_map(freshness);
    put(&mut result, "props", list(std::iter::once(prop("journal-entry", &entry)).chain(fresh)));
    put(&mut result, "observations", observations);
    put(&mut result, "risks", risks(source));
    put(&mut result, "findings", of.clauses().filter_map(|(s, c)| finding(source, s, c)).collect());
    let parts: Vec<Value> =
        of.assessor.iter().enumerate().map(|(i, o)| opinion(source, i, o)).collect();
    if !parts.is_empty() {
        put(&mut result, "attestations", vec![json!({ "parts": parts })]);
    }
    if !of.troubles.is_empty() {
        let troubles: Vec<String> = of.troubles.iter().map(|t| prose(t)).collect();
        let text = format!("Went wrong with the assessment itself: {}", troubles.join("; "));
        result.insert("remarks".into(), text.into());
    }
    let title = format!("Assessment results of the instance {}", of.instance);
    let mut made = object([
        ("uuid", source.own(&["results", &time(source.made)]).into()),
        ("metadata", source.metadata(&title)),
        ("import-ap", json!({ "href": "assessment-plan.json" })),
        ("results", json!([result])),
    ]);
    let resources = resources(source);
    if !resources.is_empty() {
        made.insert("back-matter".into(), json!({ "resources": resources }));
    }
    json!({ "assessment-results": made })
}

/// What is open, the worst first.
const OPEN: [State; 6] = [
    State::Failed, State::Overdue, State::Stale, State::Error, State::Partly, State::NotBuilt,
];

fn item(source: &Source<'_>, standard: &Standard, clause: &Clause) -> Value {
    let id = control(standard, &clause.id);
    let text = format!("Stands as: {}{}", stands(clause.state), open(clause, ". Not answered: "));
    let mut made = object([
        ("uuid", source.own(&["poam-item", &id]).into()),
        ("title", format!("{} {}", line(&clause.id), title(clause)).into()),
        ("description", text.into()),
    ]);
    put(&mut made, "props", list([
        prop("state", words::code(clause.state)),
        prop("control-id", &id),
        prop("duty", words::side_code(clause.duty)),
    ]));
    related(source, clause, &mut made);
    made.into()
}

/// The plan of action; `None` if nothing is open: OSCAL has no empty one.
fn poam(source: &Source<'_>) -> Option<Value> {
    let of = source.of;
    let open: Vec<(&Standard, &Clause)> = OPEN.into_iter()
        .flat_map(move |state| of.clauses().filter(move |(_, c)| c.state == state)).collect();
    if open.is_empty() {
        return None;
    }
    let items: Vec<Value> = open.iter().map(|(s, c)| item(source, s, c)).collect();
    let used: BTreeSet<&str> =
        open.iter().flat_map(|(_, c)| of.findings_of(c)).map(|f| f.check.as_str()).collect();
    let mut observations: Vec<Value> = of.findings.iter()
        .filter(|f| used.contains(f.check.as_str())).map(|f| observation(source, f)).collect();
    let lasted = open.iter().flat_map(|(_, c)| of.violations_of(c));
    observations.extend(lasted.map(|v| violation(source, v)));
    let instance = line(&of.instance);
    let title = format!("Plan of action and milestones of the instance {instance}");
    let mut made = object([
        ("uuid", source.own(&["poam", &time(source.made)]).into()),
        ("metadata", source.metadata(&title)),
        ("import-ssp", json!({ "href": "system-security-plan.json" })),
        ("system-id", json!({ "id": instance })),
        ("poam-items", items.into()),
    ]);
    put(&mut made, "observations", observations);
    put(&mut made, "risks", risks(source));
    Some(json!({ "plan-of-action-and-milestones": made }))
}
