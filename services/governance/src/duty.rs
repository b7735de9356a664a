//! Duties: what people owe, by when, and who.
//!
//! The catalogue says which duties there are and how often; that is lent to this service and no row. A
//! row appears when somebody is made answerable or a day is brought forward. The next day follows
//! from the newest record by the calendar. Rows and records stay when a standard goes, and count
//! again when one with the same clause comes. For the provider nobody can put a day off here: that
//! takes an exception, which needs a second person and ends by itself. An institution keeps its own
//! list, with its own days.

use crate::record::{DutyRecord, RecordSort};
use crate::{check_title, domain_of, home, own, read};
use jinyun_base::{Day, Every, Fault, Id, Kind, Period, Refusal, Refused, check_name};
use jinyun_engine::{Command, Ctx, Failure, Have, Link, Place, Query, Resource, View};
use jinyun_identity::{Domain, User};
use jinyun_policy::{Actor, Duty as OnDuty, PROVIDER, Role, Scope};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Whose list a duty is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The provider's.
    Provider,
    /// Each institution's.
    Tenant,
}

/// A duty as the catalogue has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyDefault {
    /// The clause's id.
    pub clause: String,
    /// The key of its standard.
    pub standard: String,
    /// Whose list it is on.
    pub side: Side,
    /// Which role owes it.
    pub owner: String,
    /// How often; none where the institution says so itself.
    pub every: Option<Every>,
    /// How long a record of something done once is good; for ever if none.
    pub valid: Option<Period>,
    /// What makes it due beside the calendar.
    pub on: String,
    /// Days after the start of the instance until the first record is due.
    pub first_due_days: Option<u16>,
    /// What sort of record fulfils it; any, if none.
    pub record: Option<RecordSort>,
    /// What the record must show, in Chinese.
    pub shows_zh: String,
    /// The same in English.
    pub shows_en: String,
}

/// The kind.
pub struct Duty;

/// What was decided about a duty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DutySpec {
    /// The clause's id.
    pub clause: String,
    /// Whose it is; the provider's domain for its own.
    pub domain: String,
    /// Which role owes it, if not the catalogue's.
    pub owner: String,
    /// The account that answers for it; empty if none.
    pub user: String,
    /// A day before which a record is wanted, earlier than the calendar's.
    pub due: Option<Day>,
    /// How often, on an institution's own list.
    pub every: Option<Every>,
}

impl Resource for Duty {
    const SERVICE: &'static str = "governance";
    const KIND: Kind = Kind("duty");
    type Spec = DutySpec;
    type Status = ();

    fn name(spec: &DutySpec) -> &str {
        &spec.clause
    }

    fn check(new: &DutySpec, _: Option<&DutySpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(check_name("owner", &new.owner)?)
    }

    fn links(spec: &DutySpec) -> Vec<Link> {
        home(&spec.domain.as_str().into(), &"".into())
    }

    fn fields(spec: &DutySpec) -> Vec<(&'static str, String)> {
        match spec.user.as_str() {
            "" => Vec::new(),
            user => vec![("user", user.into())],
        }
    }

    fn owner(have: &Have<Duty>) -> Option<Id> {
        (!have.spec.user.is_empty()).then(|| have.spec.user.as_str().into())
    }
}

/// The id of a duty: the clause's for the provider, `clause@domain` for an institution.
pub(crate) fn id_of(clause: &str, domain: &Id) -> Id {
    match domain.as_str() {
        PROVIDER => Id::new(clause),
        other => Id::new(format!("{clause}@{other}")),
    }
}

/// What is known of a duty, in days.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracked {
    /// Its id.
    pub id: Id,
    /// Whose it is.
    pub domain: Id,
    /// The catalogue's part.
    pub default: DutyDefault,
    /// What was decided about it; nothing, mostly.
    pub row: Option<DutySpec>,
    /// The end of the newest period that a record answers.
    pub last: Option<Day>,
    /// When the next record is due; never if it was done once and for ever, or if nobody said when.
    pub due: Option<Day>,
    /// Records that do not count, since their files are not what they say.
    pub damaged: Vec<Id>,
}

impl Tracked {
    /// Which role owes it.
    pub fn owner(&self) -> &str {
        let set = self.row.as_ref().map(|row| row.owner.as_str()).filter(|owner| !owner.is_empty());
        set.unwrap_or(&self.default.owner)
    }

    /// The account that answers for it; empty if none.
    pub fn user(&self) -> &str {
        self.row.as_ref().map_or("", |row| &row.user)
    }

    /// How it stands, in the word that the API uses.
    pub fn state(&self, today: Day) -> &'static str {
        match (self.due, self.last) {
            (Some(due), _) if due < today => "overdue",
            (_, Some(_)) => "recorded",
            (Some(_), None) => "due",
            (None, None) => "unscheduled",
        }
    }
}

/// What is known of a duty, as evidence takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DutyStanding {
    /// The end of the period that the newest record answers, microseconds.
    pub last: Option<i64>,
    /// The last moment before it is late, microseconds; the last moment of time if it never is.
    pub due: i64,
}

/// The duties of the catalogue.
pub struct Duties {
    all: Vec<DutyDefault>,
}

/// When the calendar wants the next record.
fn calendar(default: &DutyDefault, row: Option<&DutySpec>, last: Option<Day>, start: Day)
    -> Option<Day> {
    let every = row.and_then(|row| row.every).or(default.every);
    match (last, every) {
        (None, _) => default.first_due_days.map(|days| start.plus(i64::from(days))),
        (Some(last), Some(Every::Period(period))) => Some(period.after(last)),
        (Some(last), Some(Every::Once)) => default.valid.map(|valid| valid.after(last)),
        (Some(_), None) => None,
    }
}

/// When the next record is due. A day that somebody set counts until a period up to it is answered.
fn due(default: &DutyDefault, row: Option<&DutySpec>, last: Option<Day>, start: Day)
    -> Option<Day> {
    let set = row.and_then(|row| row.due).filter(|set| last.is_none_or(|last| last < *set));
    match (set, calendar(default, row, last, start)) {
        (Some(set), Some(calendar)) => Some(set.min(calendar)),
        (set, calendar) => set.or(calendar),
    }
}

/// The day from which first records are counted: that on which the domain was made. The provider's
/// is made at the first start.
fn start(view: &mut View<'_>, domain: &Id) -> Result<Option<Day>, Fault> {
    Ok(view.get::<Domain>(domain)?.map(|have| Day::of(have.created)))
}

/// The end of the newest period that a record of a duty answers.
pub(crate) fn last(view: &mut View<'_>, id: &Id) -> Result<Option<Day>, Fault> {
    let records = view.list::<DutyRecord>(&Query::field("kept", id))?;
    Ok(records.iter().map(|record| record.spec.to).max())
}

/// A duty as it stands now, from its default and its rows.
pub(crate) fn tracked(view: &mut View<'_>, default: &DutyDefault, domain: &Id)
    -> Result<Tracked, Fault> {
    let id = id_of(&default.clause, domain);
    let row = view.get::<Duty>(&id)?.map(|have| have.spec);
    let last = last(view, &id)?;
    let due = start(view, domain)?.and_then(|start| due(default, row.as_ref(), last, start));
    let damaged = view.list::<DutyRecord>(&Query::field("damaged", &id))?;
    let damaged = damaged.into_iter().map(|have| have.id).collect();
    Ok(Tracked { id, domain: domain.clone(), default: default.clone(), row, last, due, damaged })
}

impl Duties {
    /// From the catalogue's data. Where one is told twice, the first holds.
    pub fn new(all: Vec<DutyDefault>) -> Duties {
        Duties { all }
    }

    fn side(domain: &Id) -> Side {
        if domain.as_str() == PROVIDER { Side::Provider } else { Side::Tenant }
    }

    /// The duty of an id, with its domain.
    pub fn find(&self, id: &str) -> Option<(&DutyDefault, Id)> {
        let (clause, domain) = match id.split_once('@') {
            // The provider's has one name only.
            Some((_, PROVIDER)) => return None,
            Some((clause, domain)) => (clause, Id::new(domain)),
            None => (id, PROVIDER.into()),
        };
        let side = Duties::side(&domain);
        let found = self.all.iter().find(|d| d.clause == clause && d.side == side)?;
        Some((found, domain))
    }

    /// All duties of a domain, in the catalogue's order.
    pub fn of(&self, view: &mut View<'_>, domain: &Id) -> Result<Vec<Tracked>, Fault> {
        let Some(start) = start(view, domain)? else { return Ok(Vec::new()) };
        let query = Query { domain: Some(domain.clone()), ..Query::default() };
        let mut rows: BTreeMap<Id, DutySpec> =
            view.list::<Duty>(&query)?.into_iter().map(|have| (have.id, have.spec)).collect();
        let mut newest: BTreeMap<Id, Day> = BTreeMap::new();
        let mut damaged: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
        for record in view.list::<DutyRecord>(&query)? {
            if record.spec.counts() {
                let last = newest.entry(record.spec.duty).or_insert(record.spec.to);
                *last = (*last).max(record.spec.to);
            } else if record.spec.withdrawn.is_none() {
                damaged.entry(record.spec.duty).or_default().push(record.id);
            }
        }
        let side = Duties::side(domain);
        Ok(self.all.iter().filter(|default| default.side == side).map(|default| {
            let id = id_of(&default.clause, domain);
            let (row, last) = (rows.remove(&id), newest.get(&id).copied());
            let due = due(default, row.as_ref(), last, start);
            let damaged = damaged.remove(&id).unwrap_or_default();
            Tracked { id, domain: domain.clone(), default: default.clone(), row, last, due, damaged }
        }).collect())
    }

    /// How the provider's duties stand, by clause. Whether one is late follows from the time at
    /// which this is looked at.
    pub fn standing(&self, view: &mut View<'_>) -> Result<BTreeMap<String, DutyStanding>, Fault> {
        let all = self.of(view, &PROVIDER.into())?;
        Ok(all.into_iter().map(|duty| (duty.default.clause, DutyStanding {
            last: duty.last.map(|day| day.start().0),
            due: duty.due.map_or(i64::MAX, |day| day.end().0),
        })).collect())
    }
}

/// The duty of the staff that owes something under a name of the catalogue.
fn staff_of(owner: &str) -> OnDuty {
    match owner {
        "system administrator" => OnDuty::SystemAdmin,
        "audit administrator" => OnDuty::AuditAdmin,
        // For a role that is no account of the platform's, the security administrator answers until
        // somebody is named.
        _ => OnDuty::SecurityAdmin,
    }
}

/// Whether somebody may record that a duty was done: the account that was named; if none was, the
/// staff that the catalogue names, or the institution's manager.
pub(crate) fn may_record(actor: &Actor, duty: &Tracked) -> Result<(), Refusal> {
    let fits = match (duty.user(), &actor.scope) {
        ("", Scope::System) => {
            duty.domain.as_str() == PROVIDER && actor.duty == Some(staff_of(duty.owner()))
        }
        ("", Scope::Domain(domain)) => *domain == duty.domain && actor.role >= Some(Role::Manager),
        ("", _) => false,
        (user, _) => actor.id.as_str() == user,
    };
    if fits {
        return Ok(());
    }
    let say = "Whoever owes a duty records it: the account that it was assigned to, or, if there is \
               none, the administrator or manager whose it is.";
    Err(Refusal::new(Refused::Forbidden, say))
}

/// What was decided about a row has to be done to that row.
pub(crate) fn same(command: &Command, id: &Id) -> Result<(), Failure> {
    match &command.target {
        Some(target) if target != id => {
            Err(Refusal::invalid("id", "is that of another duty").into())
        }
        _ => Ok(()),
    }
}

/// What is asked of an assignment. What is empty is taken away, what is missing stays.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Assign {
    pub default: DutyDefault,
    pub owner: Option<String>,
    pub user: Option<String>,
    pub due: Option<String>,
    pub every: Option<String>,
}

/// Names who answers for a duty, or brings its day forward.
pub(crate) fn assign(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let asked: Assign = read(command, "duty")?;
    let (default, domain) = (&asked.default, &domain_of(ctx, command));
    own(ctx, domain)?;
    let before = tracked(&mut ctx.view(), default, domain)?;
    same(command, &before.id)?;
    let there = before.row.is_some();
    let mut spec = before.row.unwrap_or_else(|| DutySpec {
        clause: default.clause.clone(),
        domain: domain.to_string(),
        ..DutySpec::default()
    });
    if let Some(owner) = asked.owner {
        if !owner.is_empty() {
            check_title("owner", &owner)?;
        }
        spec.owner = owner;
    }
    if let Some(user) = asked.user {
        let id = Id::new(&user);
        let known = ctx.view().get::<User>(&id)?.is_some_and(|have| have.spec.domain == *domain);
        if !user.is_empty() && !known {
            return Err(Refusal::not_found("user", id).into());
        }
        spec.user = user;
    }
    if let Some(every) = asked.every {
        if domain.as_str() == PROVIDER {
            let say = "is the catalogue's for the provider: only an institution sets its own";
            return Err(Refusal::invalid("every", say).into());
        }
        spec.every = match every.as_str() {
            "" => None,
            text => {
                let read = Every::try_from(text.to_string());
                Some(read.map_err(|say| Refusal::invalid("every", say))?)
            }
        };
    }
    if let Some(text) = asked.due {
        spec.due = match text.as_str() {
            "" => None,
            text => Some(Day::read("due", text)?),
        };
        check_due(ctx, &spec, default, domain, before.last)?;
    }
    if there {
        ctx.change::<Duty>(&before.id, command.if_generation, |old| {
            *old = spec;
            Ok(())
        })?;
    } else {
        let at = Place { domain: domain.clone(), project: "".into(), id: before.id.clone() };
        ctx.create_at::<Duty>(at, spec)?;
    }
    Ok(json!({ "id": before.id }))
}

/// A day that is set lies ahead, and for the provider not behind the calendar's.
fn check_due(ctx: &mut Ctx<'_>, spec: &DutySpec, default: &DutyDefault, domain: &Id,
    last: Option<Day>) -> Result<(), Failure> {
    let Some(set) = spec.due else { return Ok(()) };
    let today = Day::of(ctx.now);
    if set < today || set > Period::YEAR.after(today) {
        return Err(Refusal::invalid("due", "must lie in the year from today on").into());
    }
    let start = start(&mut ctx.view(), domain)?.unwrap_or(today);
    let wanted = calendar(default, Some(spec), last, start);
    if domain.as_str() == PROVIDER && wanted.is_some_and(|wanted| set > wanted) {
        let say = "is later than the calendar gives: a day is brought forward here; putting one off \
                   takes an exception";
        return Err(Refusal::invalid("due", say).into());
    }
    Ok(())
}
