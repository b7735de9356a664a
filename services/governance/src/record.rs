//! Records: that a duty was done, over which period, and the proof.
//!
//! What somebody recorded is never changed and never deleted; a record that was wrong is withdrawn,
//! with a reason, and the duty is due again as before. So it is while its file is not what the record
//! says (see `verify`). The period that a record answers ends on the day it was made or earlier:
//! nobody records what will have been done.

use crate::duty::{DutyDefault, may_record, same, tracked};
use crate::files::FileRef;
use crate::verify::Damage;
use crate::{Said, check_text, check_title, domain_of, home, own, read, target};
use jinyun_base::{Day, Fault, Id, Kind, Refusal};
use jinyun_engine::{Command, Ctx, Failure, Have, Link, Place, Query, Resource, View};
use jinyun_policy::Who;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// At most so many bytes of files are kept for one domain.
const HELD: i64 = 16 << 30;

/// What sort of record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordSort {
    /// A rule, a plan, a contract.
    Document,
    /// Somebody says how it is and signs by their account.
    Statement,
    /// Somebody outside has attested it.
    Certificate,
    /// What was done and what came of it.
    Report,
}

impl RecordSort {
    /// The word that the API uses.
    pub fn word(self) -> &'static str {
        match self {
            RecordSort::Document => "document",
            RecordSort::Statement => "statement",
            RecordSort::Certificate => "certificate",
            RecordSort::Report => "report",
        }
    }

    /// The sort of this word.
    pub fn named(word: &str) -> Option<RecordSort> {
        use RecordSort::*;
        [Document, Statement, Certificate, Report].into_iter().find(|sort| sort.word() == word)
    }
}

/// The kind.
pub struct DutyRecord;

/// What a record is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordSpec {
    /// The duty's id.
    pub duty: Id,
    /// The clause's id.
    pub clause: String,
    /// Whose duty it is.
    pub domain: Id,
    /// What it is, in a line.
    pub title: String,
    /// The first day of the period that it answers.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// What sort.
    pub kind: RecordSort,
    /// The file, if there is one.
    pub file: Option<FileRef>,
    /// What somebody states, or says about the file.
    pub statement: String,
    /// Who recorded it.
    pub by: Id,
    /// That it counts no more, and why.
    pub withdrawn: Option<Said>,
    /// That its file is not what it says: it does not count until the right one is back.
    #[serde(default)]
    pub damage: Option<Damage>,
}

impl RecordSpec {
    /// Whether its duty was done by it.
    pub fn counts(&self) -> bool {
        self.withdrawn.is_none() && self.damage.is_none()
    }
}

impl Resource for DutyRecord {
    const SERVICE: &'static str = "governance";
    const KIND: Kind = Kind("duty_record");
    type Spec = RecordSpec;
    type Status = ();

    fn name(spec: &RecordSpec) -> &str {
        &spec.title
    }

    fn check(_: &RecordSpec, _: Option<&RecordSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        // Nobody but this module makes one.
        Ok(())
    }

    fn links(spec: &RecordSpec) -> Vec<Link> {
        home(&spec.domain, &"".into())
    }

    fn fields(spec: &RecordSpec) -> Vec<(&'static str, String)> {
        let mut fields = vec![("duty", spec.duty.to_string())];
        if spec.counts() {
            fields.push(("kept", spec.duty.to_string()));
        } else if spec.withdrawn.is_none() {
            fields.push(("damaged", spec.duty.to_string()));
        }
        fields
    }

    fn owner(have: &Have<DutyRecord>) -> Option<Id> {
        Some(have.spec.by.clone())
    }
}

/// What is asked of a record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub default: DutyDefault,
    pub title: String,
    pub from: Option<Day>,
    pub to: Option<Day>,
    pub kind: Option<RecordSort>,
    pub file: Option<FileRef>,
    pub statement: String,
}

/// What a record will be, once all about it is right.
pub(crate) struct Judged {
    pub kind: RecordSort,
    pub from: Day,
    pub to: Day,
}

impl Asked {
    /// Refuses what no record may be. `filed` is whether a file is there or on its way.
    pub fn judge(&self, today: Day, filed: bool) -> Result<Judged, Refusal> {
        check_title("title", &self.title)?;
        let plain = if filed { RecordSort::Document } else { RecordSort::Statement };
        let kind = self.kind.or(self.default.record).unwrap_or(plain);
        if let Some(wanted) = self.default.record.filter(|wanted| *wanted != kind) {
            let say = format!("is not what this duty asks for, which is a {}", wanted.word());
            return Err(Refusal::invalid("kind", say));
        }
        check_text("statement", &self.statement, kind == RecordSort::Statement)?;
        if kind != RecordSort::Statement && !filed {
            let say = format!("is required for a {}: upload it", kind.word());
            return Err(Refusal::invalid("file", say));
        }
        let to = self.to.unwrap_or(today);
        let from = self.from.unwrap_or(to);
        if to > today {
            return Err(Refusal::invalid("to", "lies ahead: a record is of what was done"));
        }
        if from > to {
            return Err(Refusal::invalid("from", "is later than to"));
        }
        Ok(Judged { kind, from, to })
    }
}

/// How many bytes of files a domain may still bring.
pub(crate) fn room(view: &mut View<'_>, domain: &Id) -> Result<i64, Fault> {
    let query = Query { domain: Some(domain.clone()), ..Query::default() };
    // The same file in two records lies there once.
    let files: BTreeMap<String, i64> = view.list::<DutyRecord>(&query)?.into_iter()
        .filter_map(|have| have.spec.file).map(|file| (file.sha256, file.bytes)).collect();
    Ok(HELD.saturating_sub(files.values().sum()).max(0))
}

/// Keeps a record. The duty is due again a period after the end of the one that it answers.
pub(crate) fn record(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let asked: Asked = read(command, "record")?;
    let domain = domain_of(ctx, command);
    let duty = tracked(&mut ctx.view(), &asked.default, &domain)?;
    same(command, &duty.id)?;
    may_record(ctx.actor, &duty)?;
    let Judged { kind, from, to } = asked.judge(Day::of(ctx.now), asked.file.is_some())?;
    let spec = RecordSpec {
        duty: duty.id.clone(),
        clause: asked.default.clause.clone(),
        domain: domain.clone(),
        title: asked.title,
        from, to, kind,
        file: asked.file,
        statement: asked.statement,
        by: ctx.actor.id.clone(),
        withdrawn: None,
        damage: None,
    };
    let row = ctx.create::<DutyRecord>(&domain, &"".into(), spec)?;
    let due = tracked(&mut ctx.view(), &asked.default, &domain)?.due;
    ctx.note(json!({ "duty": duty.id, "due": due }));
    Ok(json!({ "id": row.id }))
}

#[derive(Deserialize)]
struct Why {
    reason: String,
}

/// Takes a record out of account: whoever made it, or whoever keeps the register.
pub(crate) fn withdraw(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let Why { reason } = read(command, "record")?;
    check_text("reason", &reason, true)?;
    let have = ctx.get::<DutyRecord>(id)?;
    if ctx.permit().because() != Who::Owner {
        own(ctx, &have.domain)?;
    }
    if have.spec.withdrawn.is_some() {
        return Err(Refusal::conflict(format!("Record {id} is withdrawn already.")).into());
    }
    let said = Said::now(ctx, reason);
    ctx.change::<DutyRecord>(id, command.if_generation, |spec| {
        spec.withdrawn = Some(said);
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}
