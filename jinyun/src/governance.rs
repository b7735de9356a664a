//! What the control process lends to the registers of trust, and what it carries from them to
//! evidence.
//!
//! The catalogue of clauses and the registers do not know each other: the one lies above all
//! services, the others are one. Here the catalogue's duties become plain data for the registers, and
//! the registers' rows become what evidence asks for.

use crate::control::{Bell, now, spawn};
use crate::instance::Instance;
use crate::say;
use jinyun_base::{Day, Fault, Id, Time};
use jinyun_engine::{Failure, Job, Query, View};
use jinyun_evidence::{
    Answer, Catalogue, Catalogues, Clause, DutyStanding, Evidence, Exception, Finding, Govern, Owed,
    RecordKind, Registers, Side, State, Verdict, standings,
};
use jinyun_governance::{
    DutyDefault, DutyRecord, Exception as Departure, ExceptionState, FailedClause, Governance, Opinion,
    RecordSort, Risk, RiskSpec, RiskState, Round, Setup, Side as List, Treatment, from_findings,
    verify_files,
};
use jinyun_kms::Kms;
use jinyun_policy::PROVIDER;
use jinyun_rest::Cloud;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the register of risks is told what has failed, and some files of records are read again.
const MINUTE: Duration = Duration::from_secs(60);
/// After how many of those is looked whether somebody is to be reminded.
const HOUR: u64 = 60;

/// How institutions' own duties stand, as their statements of shared responsibility show it. What nobody
/// has set a day for is left out: it stands as for all institutions.
pub fn institutions(governance: Arc<Governance>, cloud: Arc<Cloud>)
    -> impl Fn(&[Id]) -> Result<BTreeMap<Id, BTreeMap<String, State>>, Fault> + Send + Sync {
    move |ids: &[Id]| {
        let today = Day::of(now());
        cloud.reader.view(|view| {
            let mut all: BTreeMap<Id, BTreeMap<String, State>> = BTreeMap::new();
            for id in ids {
                let duties = governance.duties.of(view, id)?;
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
    let does = match (&clause.answer, &clause.tenant) {
        (Answer::Tenant { tenant, .. }, _) => tenant,
        (_, Some(part)) if clause.duty == Side::Both && part.checks.is_empty() => &part.does,
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
        shows_zh: clause.title_zh.clone(),
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

/// The registers of this instance, with the names of the guardrails that there are. Files that a
/// broken upload left are removed.
pub fn open(instance: &Instance, kms: &Kms, cloud: &Cloud, guardrails: Vec<String>)
    -> Result<Arc<Governance>, Fault> {
    let catalogues = Catalogue::all()?;
    let key = |(catalogue, clause): (&Catalogue, &Clause)| (clause.id.clone(), catalogue.key.clone());
    let governance = Governance::open(Setup {
        clock: Arc::new(now),
        duties: duties(catalogues),
        clauses: catalogues.clauses().map(key).collect(),
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
pub fn tend(governance: Arc<Governance>, evidence: Arc<Evidence>, cloud: Arc<Cloud>)
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
            told("risks", raise(&governance, &evidence, &cloud));
            pause.wait(MINUTE);
        }
    })
}

fn told(what: &str, came: Result<(), Fault>) {
    if let Err(fault) = came {
        say::err(&format!("jinyun: {what}: {fault}"));
    }
}

/// Tells the register of risks which clauses have failed by what was found, and which are met.
fn raise(governance: &Governance, evidence: &Evidence, cloud: &Cloud) -> Result<(), Fault> {
    let findings: Vec<Finding> =
        evidence.watch().findings().into_iter().map(|held| held.finding).collect();
    let now = now();
    let context = cloud.reader.view(|view| registers(governance, view, now))?.context(now);
    let (mut failed, mut met) = (Vec::new(), BTreeSet::new());
    for standing in standings(Catalogue::all()?, &findings, &context) {
        // A clause that another one answers stands and falls with that.
        let Answer::Checks { checks, .. } = &standing.clause.answer else { continue };
        match standing.state {
            State::Failed => {
                let bad = findings.iter()
                    .filter(|found| found.verdict == Verdict::Failed && checks.contains(&found.check));
                let says: Vec<&str> = bad.map(|found| found.says.as_str()).collect();
                let (clause, title) = (standing.clause.id.clone(), standing.clause.title_en.clone());
                failed.push(FailedClause { clause, title, says: says.join("; ") });
            }
            State::Met => {
                met.insert(standing.clause.id.clone());
            }
            _ => {}
        }
    }
    for command in cloud.reader.view(|view| from_findings(view, &failed, &met))? {
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
fn registers(governance: &Governance, view: &mut View<'_>, now: Time) -> Result<Registers, Fault> {
    let (today, own) = (Day::of(now), Id::new(PROVIDER));
    let query = Query { domain: Some(own.clone()), ..Query::default() };
    let mut told = Registers { nonce: jinyun_governance::nonce(view)?, ..Registers::default() };
    for (clause, is) in governance.duties.standing(view)? {
        told.duties.insert(clause, DutyStanding { last: is.last, due: is.due });
    }
    for duty in governance.duties.of(view, &own)? {
        if duty.owner() != duty.default.owner {
            told.owners.insert(duty.default.clause.clone(), duty.owner().into());
        }
    }
    for have in view.list::<DutyRecord>(&query)? {
        let spec = have.spec;
        // A statement stands in the journal; a report names files.
        if let Some(file) = spec.file.filter(|_| spec.withdrawn.is_none()) {
            told.records.entry(spec.clause).or_default().push(json!({
                "name": spec.title, "sha256": file.sha256, "at": have.created, "by": spec.by,
                "damage": spec.damage.map(|damage| damage.what),
            }));
        }
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

/// Lends the registers to evidence. When they cannot be read, what they said last is told again: an
/// exception must not come and go with a disk that is slow.
pub fn lend(governance: Arc<Governance>, cloud: Arc<Cloud>) -> Govern {
    let last = Mutex::new(Registers::default());
    Arc::new(move || {
        let read = cloud.reader.view(|view| registers(&governance, view, now()));
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(fresh) => *last = fresh,
            Err(fault) => say::err(&format!("jinyun: the registers: {fault}")),
        }
        last.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_base::Every;

    #[test]
    fn every_duty_of_the_catalogue_is_on_a_list_once() {
        let catalogues = Catalogue::all().unwrap();
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
}
