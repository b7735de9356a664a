//! The assessment of a pack that is measured, and files of records.
//!
//! The catalogues and the checks are the product's own, and the report is judged by its own code; the
//! checks see no cloud, so nearly all of them could not be tried. Around it stands as much as a year can
//! bring: earlier verdicts, times in violation, a record for each file. The journal's entry about it has
//! the members that the product writes, so the verifier compares all that it can.

use crate::year::{BANKS, INSTANCE, bank};
use jinyun_base::{Entropy, OsEntropy, Time};
use jinyun_evidence::checks::CHECKS;
use jinyun_evidence::posture::key;
use jinyun_evidence::{Catalogue, Context, DutyStanding, Finding, Report, State, World};
use jinyun_journal::entry::canonical;
use jinyun_report::model::{Assessment, Before, Half, Period, Record, Tenant, Verdict, Violation};
use jinyun_report::pack::Body;
use jinyun_verify::pack::document_digest;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How many files of records there are.
pub const RECORDS: usize = 100;
/// The size of each, bytes.
pub const RECORD: usize = 1 << 20;

const DAY: i64 = 86_400 * Time::SECOND;

/// Writes files of records into a directory, each named by its digest.
pub fn records(dir: &Path, at: i64) -> Result<Vec<Record>, String> {
    std::fs::create_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let mut dice = OsEntropy::default();
    let mut made = Vec::new();
    for n in 0..RECORDS {
        let mut bytes = vec![0; RECORD];
        dice.fill(&mut bytes);
        let body = Body::Bytes(bytes);
        let sha256 = body.sha256().map_err(|e| e.to_string())?;
        if let Body::Bytes(bytes) = &body {
            let path = dir.join(&sha256);
            std::fs::write(&path, bytes).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let name = format!("record {n}.pdf");
        made.push(Record { name, sha256, at, by: "security officer".into(), damage: String::new() });
    }
    Ok(made)
}

/// What the platform would give as an assessment that ended then, and what its entry says of it. The
/// entry's number and the journal are not in it yet.
pub fn assessment(ended: i64, records: Vec<Record>) -> Result<(Value, Value), String> {
    let catalogues = Catalogue::shipped().map_err(|e| e.to_string())?;
    let mut context = Context { now: Time(ended), ..Context::default() };
    for (clause, _) in catalogues.duties() {
        let kept = DutyStanding { last: Some(ended - DAY), due: ended + 180 * DAY };
        context.duties.insert(clause.id.clone(), kept);
    }
    let world = World { now: Time(ended), ..World::default() };
    let findings: Vec<Finding> = CHECKS.iter().map(|check| check.find(&world)).collect();
    let began = Time(ended - 60 * Time::SECOND);
    let report = Report::new(catalogues, INSTANCE, began, findings, Vec::new(), &context);
    let text = canonical(&report)?;
    let sha256 = Body::Bytes(text.into_bytes()).sha256().map_err(|e| e.to_string())?;
    let mut whole = Assessment::read(&json!({ "report": report, "sha256": sha256 }))?;
    around(&mut whole, ended, records)?;
    let document = serde_json::to_value(&whole).map_err(|e| e.to_string())?;

    let verdicts: BTreeMap<&str, _> =
        report.findings.iter().map(|found| (found.check.as_str(), found.verdict)).collect();
    let mut clauses: BTreeMap<State, BTreeSet<String>> = BTreeMap::new();
    for one in &report.clauses {
        for (state, tenant) in [(Some(one.state), false), (one.tenant_state, true)] {
            if let Some(state) = state {
                clauses.entry(state).or_default().insert(key(&one.clause.id, tenant));
            }
        }
    }
    let note = json!({
        "standard": report.standard,
        "sha256": sha256,
        "counts": report.counts,
        "findings": verdicts,
        "clauses": clauses,
        "document": document_digest(&document)?,
        "ended": report.ended,
    });
    Ok((document, note))
}

/// What a year adds: the most earlier verdicts and times in violation that are written out, of some
/// clauses, institutions, and records.
fn around(whole: &mut Assessment, ended: i64, records: Vec<Record>) -> Result<(), String> {
    whole.product.version = env!("CARGO_PKG_VERSION").into();
    whole.product.binary_sha256 =
        Body::File("/proc/self/exe".into()).sha256().map_err(|e| e.to_string())?;
    whole.product.measured = "the program that measures".into();
    for found in &mut whole.findings {
        found.history = (1..=50i64).rev().map(|n| {
            let verdict = if n % 2 == 0 { Verdict::Met } else { Verdict::Error };
            Before { at: ended - 7 * n * DAY, verdict }
        }).collect();
    }
    let times: Vec<Period> = (1..=100i64).rev().map(|n| {
        let from = ended - 3 * n * DAY;
        Period { from, to: from + 600 * Time::SECOND }
    }).collect();
    let seconds: i64 = times.iter().map(Period::seconds).sum();
    let violations: Vec<Violation> = whole.clauses().step_by(10).map(|(standard, clause)| Violation {
        standard: Some(standard.id.clone()),
        clause: clause.id.clone(),
        half: Half::Provider,
        times: times.clone(),
        count: times.len() as u64,
        seconds,
        lasts: false,
    }).collect();
    whole.violations = Some(violations);
    whole.tenants = (0..BANKS).map(|n| {
        Tenant { id: bank(n), name: format!("bank {n}"), states: BTreeMap::new() }
    }).collect();
    let duties = whole.duties.len();
    if duties == 0 {
        return Err("the catalogues have no duties that records could belong to".into());
    }
    for (n, record) in records.into_iter().enumerate() {
        whole.duties[n % duties].records.push(record);
    }
    Ok(())
}
