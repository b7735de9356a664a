//! Reminders: that a duty is due soon, is late, and has been late for too long.
//!
//! Which one is due is a pure function of the day and the duties. That somebody was reminded is a
//! row whose id says of what, so it happens once whoever asks again, and a journal entry: "nobody
//! told me" can be answered. After a standstill only the newest stage is told, not those that were
//! missed. There is no mail: a reminder is there for whoever asks for it.

use crate::duty::{Duty, Tracked};
use crate::{Governance, home, read};
use jinyun_base::{Day, Fault, Id, Kind};
use jinyun_engine::{Command, Ctx, Failure, Have, Job, Link, Place, Query, Resource, View};
use jinyun_policy::{Actor, PROVIDER};
use jinyun_rest::Cloud;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Due in a tenth of its period, or in 30 days if that is shorter.
    Soon,
    /// Late since today or a few days.
    Overdue,
    /// Late for a week.
    Week,
    /// Late for thirty days.
    Month,
}

impl Stage {
    /// The word that ids and the API use.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Soon => "soon",
            Stage::Overdue => "overdue",
            Stage::Week => "week",
            Stage::Month => "month",
        }
    }
}

/// The kind.
pub struct ReminderKind;

/// One reminder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The duty.
    pub duty: Id,
    /// Its clause.
    pub clause: String,
    /// Whose it is.
    pub domain: Id,
    /// The day that it is about.
    pub due: Day,
    /// How far it has come.
    pub stage: Stage,
    /// Which role is told.
    pub to: String,
    /// Which account is told; empty if none is named.
    pub user: String,
}

impl Reminder {
    /// By which it is known that it was told.
    pub fn id(&self) -> Id {
        Id::new(format!("{}:{}:{}", self.duty, self.due, self.stage.word()))
    }
}

impl Resource for ReminderKind {
    const SERVICE: &'static str = "governance";
    const KIND: Kind = Kind("reminder");
    type Spec = Reminder;
    type Status = ();

    fn name(spec: &Reminder) -> &str {
        &spec.clause
    }

    fn check(_: &Reminder, _: Option<&Reminder>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        // Nobody but this module makes one.
        Ok(())
    }

    fn links(spec: &Reminder) -> Vec<Link> {
        home(&spec.domain, &"".into())
    }

    fn owner(have: &Have<ReminderKind>) -> Option<Id> {
        (!have.spec.user.is_empty()).then(|| have.spec.user.as_str().into())
    }
}

/// How far a duty has come, if far enough for a reminder.
fn stage(today: Day, duty: &Tracked) -> Option<(Day, Stage)> {
    let due = duty.due?;
    // Of a period that began with a record a tenth; before the first one there is no period.
    let ahead = duty.last.map_or(30, |last| (due.since(last) / 10).clamp(1, 30));
    match today.since(due) {
        30.. => Some((due, Stage::Month)),
        7.. => Some((due, Stage::Week)),
        1.. => Some((due, Stage::Overdue)),
        late if late >= -ahead => Some((due, Stage::Soon)),
        _ => None,
    }
}

/// Whom to tell: whoever owes it, then who keeps the register, then who stands above both.
fn whom(stage: Stage, duty: &Tracked) -> (String, String) {
    let provider = duty.domain.as_str() == PROVIDER;
    let (owner, user) = (duty.owner().to_string(), duty.user().to_string());
    match stage {
        Stage::Soon | Stage::Overdue if owner.is_empty() => ("manager".into(), user),
        Stage::Soon | Stage::Overdue => (owner, user),
        Stage::Week | Stage::Month if !provider => ("manager".into(), String::new()),
        Stage::Week => ("security administrator".into(), String::new()),
        Stage::Month => ("management, audit administrator".into(), String::new()),
    }
}

/// The reminders that are to be told now and were not yet.
pub fn reminders(today: Day, duties: &[Tracked], told: &BTreeSet<Id>) -> Vec<Reminder> {
    let all = duties.iter().filter_map(|duty| {
        let (due, stage) = stage(today, duty)?;
        let (to, user) = whom(stage, duty);
        let (clause, domain) = (duty.default.clause.clone(), duty.domain.clone());
        Some(Reminder { duty: duty.id.clone(), clause, domain, due, stage, to, user })
    });
    all.filter(|reminder| !told.contains(&reminder.id())).collect()
}

/// Tells what is to be told; how much there was. For a timer of the platform's, once an hour or so.
pub fn tend(governance: &Governance, cloud: &Cloud) -> Result<usize, Fault> {
    let (today, book) = (governance.today(), governance.book());
    let due = cloud.reader.view(|view| {
        let all = Query::default();
        let told = view.list::<ReminderKind>(&all)?.into_iter().map(|have| have.id).collect();
        // An institution has days of its own only where it has rows.
        let mut domains: BTreeSet<Id> =
            view.list::<Duty>(&all)?.into_iter().map(|have| have.domain).collect();
        domains.insert(PROVIDER.into());
        let mut duties = Vec::new();
        for domain in &domains {
            duties.extend(book.duties.of(view, domain)?);
        }
        Ok(reminders(today, &duties, &told))
    })?;
    let many = due.len();
    for reminder in due {
        let command = Command::new("governance:duty:remind", Actor::system("governance"), "remind")
            .with(json!(reminder)).at(&reminder.domain, &"".into());
        // A refusal is on record and stops no other.
        if let Err(Failure::Fault(fault)) = cloud.handle.run(Job::Command(Box::new(command))) {
            return Err(fault);
        }
    }
    Ok(many)
}

/// Keeps that somebody was reminded. For the platform.
pub(crate) fn remind(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let reminder: Reminder = read(command, "reminder")?;
    let (id, domain) = (reminder.id(), reminder.domain.clone());
    if ctx.view().get::<ReminderKind>(&id)?.is_none() {
        let at = Place { domain, project: "".into(), id: id.clone() };
        ctx.create_at::<ReminderKind>(at, reminder)?;
    }
    Ok(json!({ "id": id }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duty::{DutyDefault, DutySpec, Side};

    fn day(text: &str) -> Day {
        Day::try_from(text.to_string()).unwrap()
    }

    fn duty(domain: &str, last: Option<&str>, due: Option<&str>) -> Tracked {
        Tracked {
            id: "6.1-B-1".into(),
            domain: domain.into(),
            default: DutyDefault {
                clause: "6.1-B-1".into(), standard: "s".into(), side: Side::Provider,
                owner: "facility manager".into(), every: None, valid: None, on: String::new(),
                first_due_days: None, record: None, shows_zh: String::new(), shows_en: String::new(),
            },
            row: Some(DutySpec { user: "u1".into(), ..DutySpec::default() }),
            last: last.map(day),
            due: due.map(day),
            damaged: Vec::new(),
        }
    }

    #[test]
    fn each_stage_is_told_once_to_whom_it_concerns() {
        let year = (Some("2025-06-30"), Some("2026-06-30"));
        let month = (Some("2026-05-30"), Some("2026-06-30"));
        let first = (None, Some("2026-06-30"));
        let cases = [
            (year, "2026-05-30", "", ""),
            (year, "2026-05-31", "soon", "facility manager/u1"),
            (month, "2026-06-26", "", ""),
            (month, "2026-06-27", "soon", "facility manager/u1"),
            (first, "2026-05-31", "soon", "facility manager/u1"),
            (year, "2026-06-30", "soon", "facility manager/u1"),
            (year, "2026-07-01", "overdue", "facility manager/u1"),
            (year, "2026-07-06", "overdue", "facility manager/u1"),
            (year, "2026-07-07", "week", "security administrator/"),
            (year, "2026-07-29", "week", "security administrator/"),
            (year, "2026-07-30", "month", "management, audit administrator/"),
            (year, "2027-07-30", "month", "management, audit administrator/"),
            ((Some("2026-01-01"), None), "2027-07-30", "", ""),
        ];
        for ((last, due), today, stage, to) in cases {
            let duties = [duty("default", last, due)];
            let told = reminders(day(today), &duties, &BTreeSet::new());
            let got = told.first().map_or((String::new(), ""), |r| {
                (format!("{}/{}", r.to, r.user), r.stage.word())
            });
            assert_eq!(got, (to.to_string(), stage), "{today}");
            let ids = told.iter().map(Reminder::id).collect();
            assert!(reminders(day(today), &duties, &ids).is_empty(), "told twice: {today}");
        }
        let theirs = [duty("bank", None, Some("2026-06-30"))];
        let told = reminders(day("2026-09-01"), &theirs, &BTreeSet::new());
        assert_eq!((told[0].to.as_str(), told[0].stage), ("manager", Stage::Month));
        // The next round of the same duty is another reminder.
        let ids = told.iter().map(Reminder::id).collect();
        let next = [duty("bank", Some("2026-09-02"), Some("2026-12-02"))];
        assert_eq!(reminders(day("2027-02-01"), &next, &ids).len(), 1);
    }
}
