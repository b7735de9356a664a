//! What the control process lends to the registers of trust, and what it carries from them to
//! evidence.
//!
//! The catalogue of clauses and the registers do not know each other: the one lies above all
//! services, the others are one. Here the catalogue's duties become plain data for the registers, and
//! the registers' rows become what evidence asks for. Standards come and go while the process runs, so
//! both are made from one set of them, and it is said which: duties of an old set never meet clauses
//! of a new one.

use crate::control::{Bell, now, spawn};
use crate::instance::Instance;
use crate::say;
use jinyun_base::{Day, Fault, Id, Time};
use jinyun_engine::{Failure, Job, Query, Resource, View};
use jinyun_evidence::{
    Answer, Catalogues, Clause, DutyStanding, Evidence, Exception, Finding, Govern, Owed, RecordKind,
    Registers, Side, Standing, State, Verdict, standings,
};
use jinyun_governance::{
    Book, Duties, DutyDefault, DutyRecord, Exception as Departure, ExceptionState, FailedClause,
    Governance, Opinion, RecordSort, Risk, RiskSpec, RiskState, Round, Setup, Side as List, Treatment,
    from_findings, verify_files,
};
use jinyun_journal::entry::{Effect, Entry};
use jinyun_kms::Kms;
use jinyun_policy::PROVIDER;
use jinyun_rest::Cloud;
use jinyun_store::{Db, Line, Sequence, Stretch};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the register of risks is told what has failed, and some files of records are read again.
const MINUTE: Duration = Duration::from_secs(60);
/// After how many of those is looked whether somebody is to be reminded.
const HOUR: u64 = 60;
/// So many entries of one microsecond are looked through.
const AT_ONCE: u64 = 1000;

/// The standards that are in force as the registers take them: made once of each set of standards.
pub struct Shelf {
    in_force: Arc<dyn Fn() -> Arc<Catalogues> + Send + Sync>,
    last: Mutex<Option<(Arc<Catalogues>, Arc<Book>)>>,
}

impl Shelf {
    /// Over whatever is in force.
    pub fn new(in_force: Arc<dyn Fn() -> Arc<Catalogues> + Send + Sync>) -> Shelf {
        Shelf { in_force, last: Mutex::default() }
    }

    /// What these standards say to the registers.
    fn of(&self, catalogues: &Arc<Catalogues>) -> Arc<Book> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // The set is held with its book, so no other one can have its place in memory.
        if let Some((of, book)) = last.as_ref()
            && Arc::ptr_eq(of, catalogues)
        {
            return book.clone();
        }
        let keys = catalogues.clauses().map(|(of, clause)| (clause.id.clone(), of.key.clone()));
        let book = Arc::new(Book {
            duties: Duties::new(duties(catalogues)),
            clauses: keys.collect(),
        });
        *last = Some((catalogues.clone(), book.clone()));
        book
    }

    /// The standards that are in force now, and what they say to the registers.
    fn now(&self) -> (Arc<Catalogues>, Arc<Book>) {
        let catalogues = (self.in_force)();
        let book = self.of(&catalogues);
        (catalogues, book)
    }
}

/// How institutions' own duties stand, as their statements of shared responsibility show it. What nobody
/// has set a day for is left out: it stands as for all institutions.
pub fn institutions(shelf: Arc<Shelf>, cloud: Arc<Cloud>)
    -> impl Fn(&Arc<Catalogues>, &[Id]) -> Result<BTreeMap<Id, BTreeMap<String, State>>, Fault>
    + Send + Sync {
    move |catalogues: &Arc<Catalogues>, ids: &[Id]| {
        let (today, book) = (Day::of(now()), shelf.of(catalogues));
        cloud.reader.view(|view| {
            let mut all: BTreeMap<Id, BTreeMap<String, State>> = BTreeMap::new();
            for id in ids {
                let duties = book.duties.of(view, id)?;
                let states = duties.into_iter().filter_map(|duty| {
                    let state = match duty.state(today) {
                        "overdue" => State::Overdue,
                        "recorded" => State::Recorded,
                        "due" => State::Due,
                        _ => return None,
                    };
                    Some((duty.default.clause.clone(), state))
                });
                all.insert(id.clone(), states.collect());
            }
            Ok(all)
        })
    }
}

/// A duty of the provider's, as the catalogue has it.
fn owed(standard: &str, clause: &Clause, duty: &Owed) -> DutyDefault {
    DutyDefault {
        clause: clause.id.clone(),
        standard: standard.into(),
        side: List::Provider,
        owner: duty.owner.clone(),
        every: Some(duty.every),
        valid: duty.valid,
        on: duty.on.clone().unwrap_or_default(),
        first_due_days: Some(duty.first),
        record: Some(match duty.record {
            RecordKind::Document => RecordSort::Document,
            RecordKind::Statement => RecordSort::Statement,
            RecordKind::Certificate => RecordSort::Certificate,
            RecordKind::Report => RecordSort::Report,
        }),
        shows_zh: duty.shows_zh.clone(),
        shows_en: duty.shows_en.clone(),
    }
}

/// What an institution has to do itself, if the clause has such a half that no check answers.
fn own(standard: &str, clause: &Clause) -> Option<DutyDefault> {
    let (does, zh) = match (&clause.answer, &clause.tenant) {
        (Answer::Tenant { tenant, tenant_zh, .. }, _) => (tenant, tenant_zh),
        (_, Some(part)) if clause.duty == Side::Both && part.checks.is_empty() => {
            (&part.does, &part.does_zh)
        }
        _ => return None,
    };
    Some(DutyDefault {
        clause: clause.id.clone(),
        standard: standard.into(),
        side: List::Tenant,
        owner: String::new(),
        every: None,
        valid: None,
        on: String::new(),
        first_due_days: None,
        record: None,
        shows_zh: if zh.is_empty() { clause.title_zh.clone() } else { zh.clone() },
        shows_en: does.clone(),
    })
}

/// All duties of the catalogue.
fn duties(catalogues: &Catalogues) -> Vec<DutyDefault> {
    let mut all = Vec::new();
    for (catalogue, clause) in catalogues.clauses() {
        if let Answer::Duty { duty } = &clause.answer {
            all.push(owed(&catalogue.key, clause, duty));
        }
        all.extend(own(&catalogue.key, clause));
    }
    all
}

/// The registers of this instance, over the standards that are in force, with the names of the
/// guardrails that there are. Files that a broken upload left are removed.
pub fn open(instance: &Instance, kms: &Kms, cloud: &Cloud, shelf: &Arc<Shelf>, guardrails: Vec<String>)
    -> Result<Arc<Governance>, Fault> {
    let shelf = shelf.clone();
    let governance = Governance::open(Setup {
        clock: Arc::new(now),
        book: Arc::new(move || shelf.now().1),
        guardrails,
        files: instance.control_dir().join("evidence").join("records"),
        instance: instance.name.clone(),
        keys: kms.journal_keys().to_vec(),
    })?;
    cloud.reader.view(|view| governance.files.sweep(view, now()))?;
    Ok(Arc::new(governance))
}

/// Reminds whoever is late, now and every hour, tells the register of risks every minute which
/// clauses have failed, and reads the files of records again, some of them every minute.
pub fn tend(governance: Arc<Governance>, shelf: Arc<Shelf>, evidence: Arc<Evidence>, cloud: Arc<Cloud>)
    -> Result<(), Fault> {
    let (of, by) = (governance.clone(), cloud.clone());
    // On a thread of its own: a slow disk keeps nobody from being reminded.
    spawn("records", move || {
        let (pause, mut round) = (Bell::default(), Round::default());
        loop {
            told("records", verify_files(&of, &by, &mut round).map(drop));
            pause.wait(MINUTE);
        }
    })?;
    spawn("registers", move || {
        let pause = Bell::default();
        for round in 0u64.. {
            if round.is_multiple_of(HOUR) {
                told("reminders", jinyun_governance::tend(&governance, &cloud).map(drop));
            }
            told("risks", raise(&shelf, &evidence, &cloud));
            pause.wait(MINUTE);
        }
    })
}

fn told(what: &str, came: Result<(), Fault>) {
    if let Err(fault) = came {
        say::err(&format!("jinyun: {what}: {fault}"));
    }
}

/// What the register of risks is told of clauses.
#[derive(Default)]
struct Outcomes {
    /// What fails, and duties that are late.
    failed: Vec<FailedClause>,
    /// What is met or recorded.
    met: BTreeSet<String>,
    /// Of which nothing fails and a part is not answered: most clauses with checks are never better.
    partly: BTreeSet<String>,
}

/// What became of the clauses. Those that could not be tried, or are not built, say nothing of a risk.
fn outcomes(all: &[Standing], findings: &[Finding], now: Time) -> Outcomes {
    let mut told = Outcomes::default();
    for standing in all {
        let clause = &standing.clause;
        let says = match &clause.answer {
            Answer::Checks { checks, .. } if standing.state == State::Failed => {
                let bad = findings.iter()
                    .filter(|found| found.verdict == Verdict::Failed && checks.contains(&found.check));
                let says: Vec<&str> = bad.map(|found| found.says.as_str()).collect();
                Some(says.join("; "))
            }
            Answer::Checks { .. } => None,
            Answer::Duty { .. } => match standing.duty_state(now) {
                Some(State::Overdue) => Some(late(standing)),
                // Whether it was done is known; then the clause is as good as what the duty needs.
                Some(State::Recorded) => None,
                _ => continue,
            },
            // A clause that another one answers stands and falls with that.
            _ => continue,
        };
        match (says, standing.state) {
            (Some(says), _) => {
                let (clause, title) = (clause.id.clone(), clause.title_en.clone());
                told.failed.push(FailedClause { clause, title, says });
            }
            (None, State::Met | State::Recorded) => {
                told.met.insert(clause.id.clone());
            }
            // The worst counts, so none of its checks failed.
            (None, State::Partly) => {
                told.partly.insert(clause.id.clone());
            }
            _ => {}
        }
    }
    told
}

/// That a duty is late, in a sentence.
fn late(standing: &Standing) -> String {
    let day = |at: i64| Day::of(Time(at));
    let due = standing.kept.map(|kept| format!("The duty was due on {}", day(kept.due)));
    let last = match standing.kept.and_then(|kept| kept.last) {
        Some(at) => format!("its last record is of {}", day(at)),
        None => "it has no record".into(),
    };
    format!("{}; {last}.", due.unwrap_or_default())
}

/// Tells the register of risks which clauses have failed by what was found or are late, and of which
/// nothing fails.
fn raise(shelf: &Shelf, evidence: &Evidence, cloud: &Cloud) -> Result<(), Fault> {
    let findings: Vec<Finding> =
        evidence.watch().findings().into_iter().map(|held| held.finding).collect();
    let (now, (catalogues, book)) = (now(), shelf.now());
    let context = cloud.reader.view(|view| registers(&book, view, now))?.context(now);
    let told = outcomes(&standings(&catalogues, &findings, &context), &findings, now);
    let commands = cloud.reader.view(|view| {
        from_findings(view, &told.failed, &told.met, &told.partly)
    })?;
    for command in commands {
        // A refusal is on record and stops no other.
        if let Err(Failure::Fault(fault)) = cloud.handle.run(Job::Command(Box::new(command))) {
            return Err(fault);
        }
    }
    Ok(())
}

/// How a risk stands, in the words of a report (those of OSCAL).
fn status(risk: &RiskSpec, today: Day) -> &'static str {
    match risk.state(today) {
        RiskState::Identified | RiskState::Expired => "open",
        RiskState::Assessed => "investigating",
        RiskState::Treated if risk.treatment == Some(Treatment::Accept) => "deviation-requested",
        RiskState::Treated => "remediating",
        RiskState::Accepted => "deviation-approved",
        RiskState::Closed => "closed",
    }
}

/// What the provider's registers say at a time, as evidence takes it: states follow from it, and
/// reports show it in the form that `docs/reports.md` describes.
fn registers(book: &Book, view: &mut View<'_>, now: Time) -> Result<Registers, Fault> {
    let (today, own) = (Day::of(now), Id::new(PROVIDER));
    let query = Query { domain: Some(own.clone()), ..Query::default() };
    let mut told = Registers { nonce: jinyun_governance::nonce(view)?, ..Registers::default() };
    for (clause, is) in book.duties.standing(view)? {
        told.duties.insert(clause, DutyStanding { last: is.last, due: is.due });
    }
    for duty in book.duties.of(view, &own)? {
        if duty.owner() != duty.default.owner {
            told.owners.insert(duty.default.clause.clone(), duty.owner().into());
        }
    }
    for have in view.list::<DutyRecord>(&query)? {
        let spec = have.spec;
        if spec.withdrawn.is_some() {
            continue;
        }
        // A report names files. Where somebody's word was enough, it has that.
        told.records.entry(spec.clause).or_default().push(match spec.file {
            Some(file) => json!({
                "name": spec.title, "sha256": file.sha256, "at": have.created, "by": spec.by,
                "damage": spec.damage.map(|damage| damage.what),
            }),
            None => json!({ "statement": {
                "record": have.id, "title": spec.title, "text": spec.statement, "by": spec.by,
                "from": spec.from, "to": spec.to, "at": have.created,
            } }),
        });
    }
    for (clause, is) in jinyun_governance::exceptions(view, today)? {
        told.exceptions.insert(clause, Exception { reason: is.reason, who: is.who });
    }
    for have in view.list::<Departure>(&query)? {
        let spec = &have.spec;
        if let Some(verdict) = &spec.verdict
            && spec.state(today) == ExceptionState::Approved
        {
            told.departures.push(json!({
                "id": have.id, "clause": spec.clause, "why": spec.reason, "by": verdict.said.who,
                "from": verdict.said.at, "until": spec.expires.end(),
            }));
        }
    }
    told.risks = view.list::<Risk>(&query)?.into_iter().map(|have| json!({
        "id": have.id, "clause": have.spec.clause, "title": have.spec.title,
        "statement": have.spec.description, "status": status(&have.spec, today),
        "owner": have.spec.owner, "due": have.spec.review.map(|day| day.end()),
    })).collect();
    told.opinions = view.list::<Opinion>(&query)?.into_iter().map(|have| json!({
        "clause": have.spec.clause, "opinion": have.spec.says, "note": have.spec.text,
        "by": have.spec.assessor, "at": have.created, "sample": have.spec.sample,
        "nonce": have.spec.nonce, "report": have.spec.report,
    })).collect();
    Ok(told)
}

/// The entry of the journal by which a record was made at a time, if it is there.
fn entry_of(db: &mut Db, record: &str, made: Time) -> Result<Option<u64>, Fault> {
    let all = Sequence::Whole;
    let (low, high) = db.period(all, Some(made), Some(Time(made.0.saturating_add(1))))?;
    let lines = db.lines(all, Stretch { low, high, newest_first: false, limit: AT_ONCE })?;
    let makes = |effect: &Effect| {
        matches!(effect, Effect::Put { kind, id, .. } if kind == DutyRecord::KIND.0 && id == record)
    };
    let read = |line: &Line| {
        let entry: Entry = serde_json::from_slice(&line.body).ok()?;
        (entry.outcome == "done" && entry.effects.iter().any(makes)).then_some(line.number)
    };
    Ok(lines.iter().find_map(read))
}

/// Names the entry of each statement. It never changes, so it is looked up once.
fn number(told: &mut Registers, known: &mut BTreeMap<String, Option<u64>>, db: &mut Db)
    -> Result<(), Fault> {
    for record in told.records.values_mut().flatten() {
        let Some(said) = record.get_mut("statement") else { continue };
        let (id, made) = (said["record"].as_str().unwrap_or_default().to_string(), said["at"].as_i64());
        let entry = match (known.get(&id), made) {
            (Some(entry), _) => *entry,
            (None, None) => None,
            (None, Some(made)) => {
                let entry = entry_of(db, &id, Time(made))?;
                known.insert(id, entry);
                entry
            }
        };
        said["entry"] = json!(entry);
    }
    Ok(())
}

/// Lends the registers to evidence, with the standards whose duties are in them. When they cannot be
/// read, what they said last is told again, of the standards of then: an exception must not come and
/// go with a disk that is slow.
pub fn lend(shelf: Arc<Shelf>, cloud: Arc<Cloud>) -> Govern {
    let (last, known) = (Mutex::new(Registers::default()), Mutex::new(BTreeMap::new()));
    Arc::new(move || {
        let (catalogues, book) = shelf.now();
        let read = cloud.reader.view(|view| registers(&book, view, now())).and_then(|mut told| {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            cloud.reader.lend(|db| number(&mut told, &mut known, db))?;
            Ok(told)
        });
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(fresh) => *last = Registers { catalogues: Some(catalogues), ..fresh },
            Err(fault) => say::err(&format!("jinyun: the registers: {fault}")),
        }
        last.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_base::Every;
    use jinyun_journal::entry::Actor;
    use jinyun_store::{Config, Draft, Writer};

    #[test]
    fn a_statement_names_the_entry_that_holds_it() {
        let dir = jinyun_testdb::Dir::new("statement");
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let mut writer = Writer::open(&config, "test").unwrap();
        writer.begin().unwrap();
        let mut put = |record: &str, kind: &str, outcome: &'static str, at: i64| {
            writer.append(Draft {
                action: "governance:duty:record".into(),
                actor: Actor { domain: "default".into(), id: "ann".into(), kind: "user".into() },
                approval: None,
                effects: vec![Effect::Put {
                    kind: kind.into(), id: record.into(), domain: "default".into(), project: String::new(),
                    name: String::new(), generation: 1, spec: json!({}), deleting: false,
                }],
                institution: "default".into(),
                note: None,
                outcome,
                reason: None,
                request: "req".into(),
                source: None,
                target: None,
                time: Time(at),
            }).unwrap().number
        };
        let kind = DutyRecord::KIND.0;
        put("r1", kind, "done", 900);
        // Others of the same moment, and another thing by the same name, are not it.
        put("r2", kind, "done", 1000);
        put("r1", "risk", "done", 1000);
        put("r1", kind, "refused", 1000);
        let wanted = put("r1", kind, "done", 1000);
        put("r1", kind, "done", 1001);
        writer.commit().unwrap();
        let said = |record: &str, at: i64| json!({ "statement": { "record": record, "at": at } });
        let mut told = Registers::default();
        told.records.insert("1".into(), vec![json!({ "name": "a.pdf" }), said("r1", 1000)]);
        told.records.insert("2".into(), vec![said("r9", 1000)]);
        let (mut known, mut db) = (BTreeMap::new(), Db::open(&config).unwrap());
        number(&mut told, &mut known, &mut db).unwrap();
        assert_eq!(told.records["1"][1]["statement"]["entry"], wanted);
        assert!(told.records["2"][0]["statement"]["entry"].is_null());
        assert_eq!(told.records["1"][0], json!({ "name": "a.pdf" }));
        assert_eq!(known, BTreeMap::from([("r1".to_string(), Some(wanted)), ("r9".to_string(), None)]));
        // It is looked up once.
        known.insert("r1".into(), Some(77));
        number(&mut told, &mut known, &mut db).unwrap();
        assert_eq!(told.records["1"][1]["statement"]["entry"], 77);
    }
    use jinyun_evidence::{Catalogue, Context, Half, Method, Titles, import};

    #[test]
    fn risks_follow_what_fails_what_is_late_and_what_is_mended() {
        let row = |id: &str, kind: &str, rest: &str| format!(
            r#"{{"id": "{id}", "level": "basic", "duty": "provider", "kind": "{kind}", "area": "CPL",
                "title_zh": "甲", "title_en": "a", "platform": "p", "evidence": "e", {rest}}}"#
        );
        let owed = |id: &str, needs: &str, open: &str| row(id, "physical", &format!(
            r#"{open} "answer": {{"duty": {{"owner": "management", "every": "P1Y", "first": 30,
                "record": "report", "shows_en": "a", "shows_zh": "甲" {needs}}}}}"#
        ));
        let rows = [
            row("whole", "technical", r#""answer": {"checks": ["x"]}"#),
            row("part", "technical", r#""answer": {"checks": ["x", "y"], "missing": "the rest"}"#),
            row("none", "technical", r#""answer": {"not_built": "all"}"#),
            row("same", "technical", r#""answer": {"same_as": ["whole", "duty"]}"#),
            owed("duty", "", ""),
            owed("open", "", r#""open": "the rest", "#),
            owed("needs", r#", "needs": ["none"]"#, ""),
            owed("tried", r#", "needs": ["part"]"#, ""),
        ];
        let text = format!(
            r#"{{"standard": "s", "title_zh": "甲", "title_en": "a", "about": "a", "clauses": [{}]}}"#,
            rows.join(", ")
        );
        let all = Catalogues::join(vec![Catalogue::read("jrt0167", &text).unwrap()]).unwrap();
        let found = |check: &str, verdict| Finding {
            check: check.into(), verdict, population: 1, sampled: 1, method: Method::Check, at: 0,
            half: Half::Provider, says: format!("{check} says so"), says_nothing_about: String::new(),
            entries: Vec::new(),
        };
        let noon = Time::parse("2026-11-21T04:00:00Z").unwrap();
        let (today, ahead) = (Day::of(noon), Day::of(noon).plus(1).end().0);
        let yesterday = today.plus(-1).end().0;
        let told = |x: Verdict, y: Verdict, last: Option<i64>, due: i64| {
            let findings = [found("x", x), found("y", y)];
            let ids = ["duty", "open", "needs", "tried"];
            let context = Context {
                now: noon,
                stale_after: i64::MAX,
                duties: ids.map(|id| (id.to_string(), DutyStanding { last, due })).into(),
                ..Context::default()
            };
            let told = outcomes(&standings(&all, &findings, &context), &findings, noon);
            let failed: Vec<String> =
                told.failed.iter().map(|f| format!("{}: {}", f.clause, f.says)).collect();
            let ids = |ids: &BTreeSet<String>| ids.iter().cloned().collect::<Vec<_>>().join(" ");
            [failed.join(", "), ids(&told.met), ids(&told.partly)]
        };
        use Verdict::{Error, Failed, Met};
        let is = |failed: &str, met: &str, partly: &str| [failed, met, partly].map(String::from);
        let done = Some(noon.0);
        // What goes back to `partly` is mended; what is not built has no risk and mends none.
        assert_eq!(told(Met, Met, done, ahead), is("", "duty whole", "open part tried"));
        assert_eq!(told(Met, Met, None, ahead), is("", "whole", "part"));
        assert_eq!(told(Met, Failed, done, ahead), is("part: y says so", "duty whole", "open"));
        let both = "whole: x says so, part: x says so; y says so";
        assert_eq!(told(Failed, Failed, done, ahead), is(both, "duty", "open"));
        assert_eq!(told(Met, Error, done, ahead), is("", "duty whole", "open"));
        let late = |id: &str, last: &str| format!("{id}: The duty was due on 2026-11-20; {last}.");
        let each = |last: &str| ["duty", "open", "needs", "tried"].map(|id| late(id, last)).join(", ");
        let never = each("it has no record");
        assert_eq!(told(Met, Met, None, yesterday), is(&never, "whole", "part"));
        let old = each("its last record is of 2026-11-21");
        let said = format!("part: y says so, {old}");
        assert_eq!(told(Met, Failed, done, yesterday), is(&said, "whole", ""));
    }

    #[test]
    fn every_duty_of_the_catalogue_is_on_a_list_once() {
        let catalogues = Catalogue::shipped().unwrap();
        let all = duties(catalogues);
        let provider = all.iter().filter(|duty| duty.side == List::Provider);
        assert_eq!(provider.count(), catalogues.duties().count());
        let tenant = all.iter().filter(|duty| duty.side == List::Tenant).count();
        assert!(tenant > 0 && all.iter().all(|duty| !duty.shows_en.is_empty()));
        let ids: BTreeSet<(&str, bool)> =
            all.iter().map(|duty| (duty.clause.as_str(), duty.side == List::Tenant)).collect();
        assert_eq!(ids.len(), all.len());
        // The register and the catalogue mean the same by a period.
        let from = Time::parse("2026-08-31T04:00:00Z").unwrap();
        for (clause, owed) in catalogues.duties() {
            let ours = all.iter().find(|duty| duty.clause == clause.id && duty.side == List::Provider);
            let next = match ours.and_then(|duty| duty.every) {
                Some(Every::Period(period)) => Some(period.after(Day::of(from))),
                _ => ours.and_then(|duty| duty.valid).map(|valid| valid.after(Day::of(from))),
            };
            assert_eq!(next, owed.next_due(from).map(Day::of), "{}", clause.id);
        }
    }

    #[test]
    fn the_registers_take_the_standards_that_are_in_force() {
        let text = |word: &str| word.to_string();
        let titles = Titles { key: text("own"), title_en: text("own"), title_zh: text("own"),
            ..Titles::default() };
        let table = "id,title,who,owner,period\nO-1,a,,management,P1Y\nO-2,b,tenant,,\n";
        let shipped = Catalogue::shared().unwrap();
        let own = import("t.csv", table.as_bytes(), &titles, &shipped).unwrap().catalogue;
        let more = Arc::new(shipped.with([own]).unwrap());
        let force = Arc::new(Mutex::new(shipped.clone()));
        let told = force.clone();
        let shelf = Shelf::new(Arc::new(move || told.lock().unwrap().clone()));
        // Which duties a set has, and whether its clauses are known.
        let has = |book: &Book| {
            let duties = ["O-1", "O-2@bank", "O-2"].map(|id| book.duties.find(id).is_some());
            (duties, book.clauses.get("O-1").map(String::as_str) == Some("own"))
        };
        let (with, without) = (([true, true, false], true), ([false; 3], false));
        for (now, want) in [(&shipped, without), (&more, with), (&shipped, without), (&more, with)] {
            *force.lock().unwrap() = now.clone();
            let (catalogues, book) = shelf.now();
            assert!(Arc::ptr_eq(&catalogues, now));
            assert_eq!(has(&book), want);
            assert!(Arc::ptr_eq(&shelf.now().1, &book), "made once of each set");
            // Whoever judges by another set gets the duties of that one.
            assert_eq!([has(&shelf.of(&shipped)), has(&shelf.of(&more))], [without, with]);
        }
    }
}
