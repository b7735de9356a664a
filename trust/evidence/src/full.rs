//! An assessment as reports want it: the form that `docs/reports.md` describes.
//!
//! A report has to be made years later, by a program that knows neither this catalogue nor these
//! checks. So everything that it shows is in one document: the clauses with their words, what was
//! found and how that came out before, duties with their records, the journal's checkpoints.
//!
//! It is about a period, which begins where the last assessment ended: a platform that was broken for
//! five months and is whole today must not read as if it always was. What is said of the time between
//! two assessments follows from entries of the journal alone, so whoever has an export can work it out
//! again; it is no part of the report's digest, because it grows with the period that is asked for.

use crate::catalogue::{Answer, Catalogues, OWNERS, Owed, Side};
use crate::checks::silent_zh;
use crate::checks::tenants::Shares;
use crate::finding::{Finding, Half, Report, Standing, State, Verdict};
use crate::govern::Registers;
use crate::posture::{Mark, Posture, What, gaps, is_violation, key, posture, violations};
use jinyun_base::{Id, Time};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// So many earlier verdicts of a check are told.
const BEFORE: usize = 50;
/// So many times of a clause in violation are told, the newest; all are counted.
const TIMES: usize = 100;

/// Where a period begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    /// When, microseconds.
    pub at: i64,
    /// The first entry after that.
    pub entry: u64,
}

/// An institution, for its statement.
pub(crate) struct Tenant {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// How its own duties stand, by clause.
    pub duties: BTreeMap<String, State>,
}

/// What stands around a report.
pub(crate) struct Around<'a> {
    pub catalogues: &'a Catalogues,
    pub registers: &'a Registers,
    pub marks: &'a [Mark],
    /// Name, version and digest of the program.
    pub product: Value,
    /// Where the last assessment ended; nothing if this is the first one.
    pub start: Option<Start>,
    /// End of the period, checkpoints.
    pub journal: Value,
    /// Guardrails, in the form of `docs/reports.md`.
    pub guardrails: &'a [Value],
    /// Institutions.
    pub tenants: Vec<Tenant>,
    /// What each institution has of what checks of tenants look at.
    pub shares: &'a Shares,
    /// How fresh evidence was before the assessment made it new.
    pub freshness: &'a Value,
    /// What went wrong with what stands around the report.
    pub troubles: Vec<String>,
    pub sha256: &'a str,
    pub entry: u64,
}

/// The document.
pub(crate) fn full(report: &Report, around: &Around<'_>) -> Value {
    let (registers, marks) = (around.registers, around.marks);
    let then = posture(marks, report.ended);
    let standards: Vec<Value> = around.catalogues.iter().map(|catalogue| {
        let rows = report.clauses.iter().filter(|s| s.standard == catalogue.key);
        let clauses: Vec<Value> = rows.map(|standing| clause(standing, &then)).collect();
        json!({ "id": catalogue.key, "name": catalogue.standard, "clauses": clauses })
    }).collect();
    let findings: Vec<Value> =
        report.findings.iter().map(|found| finding(found, marks, &then)).collect();
    let ended = Time(report.ended);
    let duties: Vec<Value> =
        report.clauses.iter().filter_map(|standing| duty(standing, registers, ended)).collect();
    let exceptions: Vec<Value> = match registers.departures.is_empty() {
        false => registers.departures.clone(),
        true => report.clauses.iter().filter_map(exception).collect(),
    };
    let rows: Rows<'_> = report.clauses.iter().map(|s| (s.clause.id.as_str(), s)).collect();
    let verdicts: BTreeMap<&str, Verdict> =
        report.findings.iter().map(|f| (f.check.as_str(), f.verdict)).collect();
    let tenants: Vec<Value> = around.tenants.iter().map(|tenant| {
        let own = Own { rows: &rows, verdicts: &verdicts, shares: around.shares, tenant };
        json!({ "id": tenant.id, "name": tenant.name, "states": own.states() })
    }).collect();
    let troubles: Vec<&String> = report.troubles.iter().chain(&around.troubles).collect();
    let mut made = json!({
        "instance": report.instance,
        "product": around.product,
        "period": { "from": report.began, "to": report.ended },
        "guardrails": around.guardrails,
        "standards": standards,
        "findings": findings,
        "duties": duties,
        "journal": around.journal,
        "exceptions": exceptions,
        "risks": registers.risks,
        "assessor": registers.opinions,
        "tenants": tenants,
        "freshness": around.freshness,
        "troubles": troubles,
        "sha256": around.sha256,
        "entry": around.entry,
    });
    // The first assessment is about all the time of which the journal says anything.
    let first = marks.first().filter(|mark| mark.at <= report.began)
        .map(|mark| Start { at: mark.at, entry: mark.entry });
    let began = Start { at: report.began, entry: around.entry };
    period(&mut made, marks, around.start.or(first).unwrap_or(began));
    made
}

/// Sets where a document's period begins, and with it what the journal says of the time since: how long
/// which clauses were in violation, and when nobody looked.
pub(crate) fn period(document: &mut Value, marks: &[Mark], start: Start) {
    let to = document.pointer("/period/to").and_then(Value::as_i64).unwrap_or(start.at);
    let from = start.at.min(to);
    let broken = broken(document, marks, from, to);
    let gaps: Vec<Value> = gaps(marks, from, to).into_iter().map(time).collect();
    let Some(members) = document.as_object_mut() else { return };
    if let Some(journal) = members.get_mut("journal").and_then(Value::as_object_mut) {
        journal.insert("from".into(), start.entry.into());
    }
    members.insert("period".into(), time((from, to)));
    members.insert("violations".into(), broken.into());
    members.insert("gaps".into(), gaps.into());
}

fn time((from, to): (i64, i64)) -> Value {
    json!({ "from": from, "to": to })
}

/// Over which time a check was observed to come out as it does: from the first look that said so to the
/// newest. The entry that tells a verdict is written behind its look, so it can be later than both.
pub(crate) fn observed(since: i64, at: i64) -> Value {
    time((since.min(at), at))
}

/// The same for each check of a document.
pub(crate) fn all_observed(document: &Value) -> Value {
    let named = |found: &Value| {
        Some((String::from(found.get("check")?.as_str()?), found.get("period")?.clone()))
    };
    list(document, "findings").filter_map(named).collect::<Map<String, Value>>().into()
}

fn list<'v>(value: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

/// For how long which clauses were in violation. One that is so at the end is told even if no time has
/// passed since.
fn broken(document: &Value, marks: &[Mark], from: i64, to: i64) -> Vec<Value> {
    let mut all = violations(marks, from, to);
    let mut shown = Vec::new();
    for standard in list(document, "standards") {
        for clause in list(standard, "clauses") {
            let Some(id) = clause.get("id").and_then(Value::as_str) else { continue };
            let users = clause.get("duty").and_then(Value::as_str) == Some("user");
            for (tenant, member) in [(false, "state"), (true, "tenant_state")] {
                let state = clause.get(member).cloned().unwrap_or_default();
                let lasts = serde_json::from_value::<State>(state).is_ok_and(is_violation);
                let times = all.remove(&key(id, tenant)).unwrap_or_default();
                if lasts || !times.is_empty() {
                    let half = if tenant || users { Half::Tenant } else { Half::Provider };
                    shown.push(violation(standard.get("id"), id, half, &times, lasts));
                }
            }
        }
    }
    // Rows of a catalogue that is no more.
    shown.extend(all.iter().map(|(name, times)| {
        let (id, half) = match name.strip_suffix("/tenant") {
            Some(id) => (id, Half::Tenant),
            None => (name.as_str(), Half::Provider),
        };
        violation(None, id, half, times, false)
    }));
    shown
}

fn violation(standard: Option<&Value>, clause: &str, half: Half, times: &[(i64, i64)], lasts: bool)
    -> Value {
    let seconds: i64 = times.iter().map(|(from, to)| (to - from) / Time::SECOND).sum();
    let newest = &times[times.len().saturating_sub(TIMES)..];
    json!({
        "standard": standard,
        "clause": clause,
        "half": half,
        "times": newest.iter().copied().map(time).collect::<Vec<_>>(),
        "count": times.len(),
        "seconds": seconds,
        "lasts": lasts,
    })
}

type Rows<'a> = BTreeMap<&'a str, &'a Standing>;

/// How the tenant's halves stand for one institution.
struct Own<'a> {
    rows: &'a Rows<'a>,
    verdicts: &'a BTreeMap<&'a str, Verdict>,
    shares: &'a Shares,
    tenant: &'a Tenant,
}

impl Own<'_> {
    /// Those that are other than for institutions in general.
    fn states(&self) -> BTreeMap<&str, State> {
        self.rows.iter().filter_map(|(id, standing)| {
            let own = self.half(standing)?;
            (Some(own) != theirs(standing)).then_some((*id, own))
        }).collect()
    }

    fn half(&self, standing: &Standing) -> Option<State> {
        let (row, general) = (&standing.clause, theirs(standing)?);
        if general == State::NotApplicable {
            return Some(general);
        }
        if let Some(state) = self.tenant.duties.get(&row.id) {
            return Some(*state);
        }
        if let (Side::Both, Some(part)) = (row.duty, &row.tenant) {
            return Some(part.checks.iter().map(|name| self.check(name)).max().unwrap_or(general));
        }
        let Answer::SameAs { same_as } = &row.answer else { return Some(general) };
        // The catalogue was read without circles, so this ends.
        let others = same_as.iter().filter_map(|id| self.half(self.rows.get(id.as_str())?));
        let open = (row.duty == Side::User && !row.open.is_empty()).then_some(State::Partly);
        others.chain(open).max().or(Some(general))
    }

    /// What others do wrong is not this one's. Who has nothing that could be looked at has it on a list
    /// of its own.
    fn check(&self, name: &str) -> State {
        let verdict = self.verdicts.get(name).copied().unwrap_or(Verdict::Error);
        let share = self.shares.get(name).map(|shares| shares.get(&self.tenant.id));
        match (verdict, share) {
            (Verdict::Error, _) => State::Error,
            (_, Some(None)) => State::Tenant,
            (_, Some(Some(share))) if share.wrong > 0 => State::Failed,
            (_, Some(Some(_))) => State::Met,
            (Verdict::Met, None) => State::Met,
            (Verdict::Partly, None) => State::Partly,
            (Verdict::Failed, None) => State::Failed,
        }
    }
}

/// How the tenant's half stands for institutions in general; nothing if there is none.
fn theirs(standing: &Standing) -> Option<State> {
    match standing.clause.duty {
        Side::Provider => None,
        Side::User => Some(standing.state),
        Side::Both => standing.tenant_state,
    }
}

/// A row without its ways of answering, which become members of their own.
fn clause(standing: &Standing, then: &Posture) -> Value {
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
    let since = then.clauses.get(&row.id).filter(|point| point.is == standing.state);
    made.insert("since".into(), json!(since.map(|point| point.since)));
    let mut say = |member: &str, text: &str| made.insert(member.into(), text.into());
    say("missing", row.missing());
    say("missing_zh", row.missing_zh());
    match &row.answer {
        Answer::NotBuilt { not_built, not_built_zh } => {
            say("missing", not_built);
            say("missing_zh", not_built_zh);
        }
        Answer::Tenant { tenant, tenant_zh, seen, seen_zh } => {
            say("tenant_does", tenant);
            say("tenant_does_zh", tenant_zh);
            say("seen", seen);
            say("seen_zh", seen_zh);
        }
        Answer::Facts { facts, facts_zh } => {
            say("note", facts);
            say("note_zh", facts_zh);
        }
        Answer::SameAs { .. } | Answer::Checks { .. } | Answer::Duty { .. } => {}
    }
    if let Some(part) = &row.tenant {
        say("tenant_does", &part.does);
        say("tenant_does_zh", &part.does_zh);
        say("seen", &part.seen);
        say("seen_zh", &part.seen_zh);
    }
    if let Answer::SameAs { same_as } = &row.answer {
        made.insert("same_as".into(), json!(same_as));
    }
    made.into()
}

/// A finding with what the journal says of its check before.
fn finding(found: &Finding, marks: &[Mark], then: &Posture) -> Value {
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
    let since = then.checks.get(&found.check).filter(|point| point.is == found.verdict);
    let since = since.map_or(found.at, |point| point.since);
    let mut made = json!(found);
    made["since"] = since.into();
    made["period"] = observed(since, found.at);
    made["says_nothing_about_zh"] = silent_zh(&found.check).into();
    made["history"] = history.split_off(many).into();
    made
}

/// The files of records, and the newest statement. A duty can be done by somebody's word: that is shown
/// as it is, and not as a file that is missing.
fn shown(records: &[Value]) -> (Vec<&Value>, Option<&Value>) {
    let (stated, files): (Vec<&Value>, Vec<&Value>) =
        records.iter().partition(|record| record.get("statement").is_some());
    let said = stated.into_iter().filter_map(|record| record.get("statement"));
    let order = |said: &&Value| {
        let to = said.get("to").and_then(Value::as_str).unwrap_or_default().to_string();
        (to, said.get("at").and_then(Value::as_i64))
    };
    (files, said.max_by_key(order))
}

/// A duty with its records, and how it stands by those: what else its clause needs is the clause's state.
fn duty(standing: &Standing, registers: &Registers, now: Time) -> Option<Value> {
    let Answer::Duty { duty } = &standing.clause.answer else { return None };
    let Owed { owner, every, shows_zh, shows_en, .. } = duty;
    let id = &standing.clause.id;
    let kept = standing.kept.as_ref();
    // One that is done once and for ever is due at the end of time, which is never.
    let due = kept.map(|kept| kept.due).filter(|due| *due < i64::MAX);
    let records = registers.records.get(id).map(Vec::as_slice).unwrap_or_default();
    let (records, statement) = shown(records);
    let owner = registers.owners.get(id).unwrap_or(owner);
    let owner_zh = OWNERS.iter().find(|(en, _)| en == owner).map(|(_, zh)| zh);
    Some(json!({
        "clause": id,
        "owner": owner,
        "owner_zh": owner_zh,
        "every": String::from(*every),
        "last": kept.and_then(|kept| kept.last),
        "due": due,
        "state": standing.duty_state(now),
        "shows_zh": shows_zh,
        "shows_en": shows_en,
        "records": records,
        "statement": statement,
    }))
}

/// That a row does not apply.
fn exception(standing: &Standing) -> Option<Value> {
    let taken = standing.exception.as_ref()?;
    let id = &standing.clause.id;
    Some(json!({ "id": id, "clause": id, "why": taken.reason, "by": taken.who }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::tenants::Share;
    use crate::posture::{Base, ClauseChange, Seal};
    use std::collections::BTreeSet;

    const S: i64 = Time::SECOND;

    fn marks() -> Vec<Mark> {
        let names = |names: &[&str]| -> BTreeSet<String> {
            names.iter().map(|name| name.to_string()).collect()
        };
        let clauses = BTreeMap::from([
            (State::Failed, names(&["1", "gone"])), (State::Met, names(&["2", "3"])),
        ]);
        let seal = Seal { base: Some(Base { clauses, ..Base::default() }), ..Seal::default() };
        let turns = |at: i64, clause: &str, to: State| Mark {
            at: at * S,
            entry: at.unsigned_abs(),
            what: What::Clause(ClauseChange {
                standard: "s".into(), clause: clause.into(), from: None, to, tenant: false,
            }),
        };
        let first = Mark { at: 10 * S, entry: 10, what: What::Seal(Box::new(seal)) };
        vec![first, turns(20, "1", State::Met), turns(30, "2", State::Failed)]
    }

    #[test]
    fn what_is_said_of_a_period_lies_in_it() {
        let document = || json!({
            "period": { "from": 55 * S, "to": 60 * S }, "journal": { "entries": 99 },
            "standards": [{ "id": "s", "clauses": [
                { "id": "1", "duty": "provider", "state": "met" },
                { "id": "2", "duty": "user", "state": "failed" },
                // Not built: it counts, and has no time.
                { "id": "3", "duty": "both", "state": "not_built", "tenant_state": "overdue" },
            ] }],
        });
        let told = |from: i64| {
            let mut made = document();
            period(&mut made, &marks(), Start { at: from * S, entry: 7 });
            assert_eq!(made["period"], json!({ "from": from.min(60) * S, "to": 60 * S }));
            assert_eq!(made["journal"], json!({ "entries": 99, "from": 7 }));
            let shown = |one: &Value| {
                let times = list(one, "times").map(|time| {
                    [&time["from"], &time["to"]].map(|at| at.as_i64().unwrap() / S)
                }).collect::<Vec<_>>();
                let word = |member: &str| one[member].as_str().unwrap_or("-").to_string();
                assert_eq!(one["count"].as_u64(), Some(times.len() as u64));
                (word("standard"), word("clause"), word("half"), times, one["seconds"].as_i64().unwrap(),
                    one["lasts"].as_bool().unwrap())
            };
            let gaps: Vec<_> = list(&made, "gaps").cloned().collect();
            (list(&made, "violations").map(shown).collect::<Vec<_>>(), gaps)
        };
        let row = |standard: &str, clause: &str, half: &str, times: &[[i64; 2]], lasts: bool| {
            let seconds = times.iter().map(|[from, to]| to - from).sum::<i64>();
            (standard.to_string(), clause.to_string(), half.to_string(), times.to_vec(), seconds, lasts)
        };
        let late = row("s", "3", "tenant", &[], true);
        assert_eq!(told(15).0, [
            row("s", "1", "provider", &[[15, 20]], false), row("s", "2", "tenant", &[[30, 60]], true),
            late.clone(), row("-", "gone", "provider", &[[15, 60]], false),
        ]);
        assert_eq!(told(40).0, [row("s", "2", "tenant", &[[40, 60]], true), late.clone(),
            row("-", "gone", "provider", &[[40, 60]], false)]);
        // Before the first entry nobody can say; a period does not begin after its end.
        assert_eq!(told(0).1, [json!({ "from": 0, "to": 10 * S })]);
        assert_eq!(told(90), (vec![row("s", "2", "tenant", &[], true), late], vec![]));
        // What somebody made of the file breaks nothing.
        for mut odd in [json!(null), json!([]), json!({ "period": 5, "journal": 5, "standards": [5] })] {
            period(&mut odd, &marks(), Start { at: 0, entry: 0 });
        }
    }

    #[test]
    fn what_was_stated_is_no_file_and_what_was_observed_has_an_end() {
        let said = |to: &str, at: i64| json!({ "statement": { "text": "t", "to": to, "at": at } });
        let file = json!({ "name": "a.pdf", "sha256": "00" });
        let newest = said("2026-06-30", 9);
        let all = [said("2026-06-30", 8), file.clone(), newest.clone(), said("2025-12-31", 10)];
        assert_eq!(shown(&all), (vec![&file], Some(&newest["statement"])));
        assert_eq!(shown(&all[1..2]), (vec![&file], None));
        assert_eq!(shown(&[]), (vec![], None));
        let row = json!({ "answer": { "duty": { "owner": "management", "every": "P1Y", "first": 30,
            "record": "statement", "shows_en": "a", "shows_zh": "甲" } } });
        let standing = standing("1", "provider", ["recorded", ""], row);
        let mut registers = Registers::default();
        assert_eq!(duty(&standing, &registers, Time(9)).unwrap()["statement"], Value::Null);
        registers.records.insert("1".into(), all.to_vec());
        let made = duty(&standing, &registers, Time(9)).unwrap();
        assert_eq!(made["state"], "due", "nothing is known of it, whatever the clause's state is");
        assert_eq!((&made["records"], &made["statement"]), (&json!([file]), &newest["statement"]));

        assert_eq!(observed(5, 9), json!({ "from": 5, "to": 9 }));
        assert_eq!(observed(10, 9), json!({ "from": 9, "to": 9 }));
        let found = json!({ "check": "x", "period": observed(5, 9) });
        let document = json!({ "findings": [found, { "check": "y" }] });
        assert_eq!(all_observed(&document), json!({ "x": { "from": 5, "to": 9 } }));
    }

    fn standing(id: &str, duty: &str, states: [&str; 2], rest: Value) -> Standing {
        let mut row = json!({
            "standard": "jrt0167", "id": id, "level": "basic", "duty": duty, "kind": "technical",
            "area": "NET", "title_zh": "甲", "title_en": "a", "platform": "p", "evidence": "e",
            "state": states[0],
        });
        if !states[1].is_empty() {
            row["tenant_state"] = states[1].into();
        }
        row.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn each_institution_stands_by_what_is_its_own() {
        let all = [
            standing("doors", "both", ["met", "failed"], json!({ "answer": { "checks": ["x"] },
                "tenant": { "does": "it", "seen": "y", "checks": ["tenant-doors"] } })),
            standing("list", "user", ["tenant", ""],
                json!({ "answer": { "tenant": "it", "seen": "nothing" } })),
            standing("both", "user", ["failed", ""], json!({ "answer": { "same_as": ["doors", "list"] } })),
            standing("away", "user", ["not_applicable", ""],
                json!({ "answer": { "tenant": "it", "seen": "nothing" } })),
            standing("ours", "provider", ["failed", ""], json!({ "answer": { "checks": ["x"] } })),
        ];
        let rows: Rows<'_> = all.iter().map(|one| (one.clause.id.as_str(), one)).collect();
        let share = |wrong: u64| Share { count: 3, wrong, first: String::new() };
        let two = BTreeMap::from([(Id::new("bad"), share(1)), (Id::new("good"), share(0))]);
        let shares: Shares = [("tenant-doors", two)].into();
        let states = |id: &str, verdict: Verdict, duties: &[(&str, State)]| {
            let duties = duties.iter().map(|(id, state)| (id.to_string(), *state)).collect();
            let tenant = Tenant { id: Id::new(id), name: String::new(), duties };
            let verdicts = BTreeMap::from([("tenant-doors", verdict), ("x", Verdict::Met)]);
            let own = Own { rows: &rows, verdicts: &verdicts, shares: &shares, tenant: &tenant };
            own.states().into_iter().map(|(id, state)| (id.to_string(), state)).collect::<Vec<_>>()
        };
        let of = |all: &[(&str, State)]| -> Vec<(String, State)> {
            all.iter().map(|(id, state)| (id.to_string(), *state)).collect()
        };
        use State::{Error, Met, Overdue, Recorded, Tenant as Listed};
        // What is as for all of them is not told again.
        assert_eq!(states("bad", Verdict::Failed, &[]), of(&[]));
        assert_eq!(states("bad", Verdict::Failed, &[("list", Recorded), ("away", Overdue)]),
            of(&[("list", Recorded)]));
        assert_eq!(states("good", Verdict::Failed, &[]), of(&[("both", Listed), ("doors", Met)]));
        assert_eq!(states("good", Verdict::Failed, &[("list", Overdue)]),
            of(&[("both", Overdue), ("doors", Met), ("list", Overdue)]));
        assert_eq!(states("nothing", Verdict::Failed, &[]),
            of(&[("both", Listed), ("doors", Listed)]));
        assert_eq!(states("good", Verdict::Error, &[]), of(&[("both", Error), ("doors", Error)]));
    }
}
