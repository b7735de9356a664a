//! The last manager keeps the keys.
//!
//! Problem: whoever may write statements can write one that nobody can take back, and then only the
//! provider could open the institution. Mechanism: after each change of a statement, and after each
//! change of who the managers are, some manager has to be left who can still do all that a manager
//! may with statements, people and projects: at some hour of the week, with a second factor and a
//! fresh sign-in, which everybody can get, and for a statement from the address that it was written
//! from. Looked at on the rows as the command leaves them, so no way around it has to be thought of.

use crate::pattern::never;
use crate::statement::{Effect, People, Statement, StatementSpec, Target};
use jinyun_base::{Fault, Id, Net, Refusal, Time};
use jinyun_engine::{Command, Ctx, Failure, Query, Registry, View};
use jinyun_identity::{Assignment, Grant, Membership, Scoped, User};
use jinyun_policy::{Role, Who};
use std::net::IpAddr;

/// What the last manager must be able to do, by the beginning of its name.
const KEYS: [&str; 2] = ["identity:", "access:statement:"];
/// Minutes of a week.
const WEEK: usize = 7 * 24 * 60;
/// A Monday, 00:00 in UTC+8, in seconds.
const MONDAY: i64 = 1_704_038_400;

/// From where the last manager would have to come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// From wherever it is allowed.
    Anywhere,
    /// From the address of whoever writes; not known if none.
    Here(Option<IpAddr>),
}

/// The actions that a manager needs to keep an institution open.
pub(crate) fn essential(registry: &Registry) -> Vec<&'static str> {
    let manager = |who: &Who| matches!(who, Who::Domain(_));
    registry.policy.actions().into_iter()
        .filter(|(action, allow)| {
            KEYS.iter().any(|key| action.starts_with(key)) && !never(action)
                && allow.iter().any(manager)
        })
        .map(|(action, _)| action).collect()
}

/// Makes a change to statements, unless it locks the last manager out.
pub(crate) fn keeping<T>(ctx: &mut Ctx<'_>, domain: &Id, command: &Command,
    change: impl FnOnce(&mut Ctx<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    let keys = essential(ctx.registry());
    let source = command.source.as_deref().and_then(|s| s.parse().ok());
    let (from, now) = (Origin::Here(source), ctx.now);
    let was = open(&mut ctx.view(), domain, &keys, from, now)?;
    let done = change(ctx)?;
    if was && !open(&mut ctx.view(), domain, &keys, from, now)? {
        let say = "After this no manager of the institution could write statements or change users \
                   and roles any more, from this address and at any hour: leave one out with \
                   `except`, or let the statement hold for other actions.";
        return Err(Refusal::conflict(say).into());
    }
    Ok(done)
}

/// Whether some manager of a domain has the keys. One without any manager has nobody to lock out.
pub(crate) fn open(view: &mut View<'_>, domain: &Id, keys: &[&str], from: Origin, now: Time)
    -> Result<bool, Fault> {
    let query = Query { domain: Some(domain.clone()), ..Query::default() };
    let statements: Vec<StatementSpec> =
        view.list::<Statement>(&query)?.into_iter().map(|have| have.spec)
            .filter(|spec| touches(spec, keys)).collect();
    if statements.is_empty() {
        return Ok(true);
    }
    let managers = managers(view, domain, now)?;
    for user in &managers {
        let groups = view.list::<Membership>(&Query::field("user", user))?;
        let groups: Vec<Id> = groups.into_iter().map(|have| have.spec.group).collect();
        let binding = statements.iter().filter(|s| {
            names(&s.who, user, &groups) && !names(&s.except, user, &groups)
        });
        if passes(binding, from) {
            return Ok(true);
        }
    }
    Ok(managers.is_empty())
}

/// Whether a statement is about any of the keys. One about single projects leaves the rest; one
/// about a single statement may be about itself.
fn touches(spec: &StatementSpec, keys: &[&str]) -> bool {
    let fits = |start: &str| {
        keys.iter().any(|a| a.starts_with(start) && spec.actions.iter().any(|p| p.fits(a)))
    };
    let itself = |t: &Target| matches!(t, Target::Thing { kind, .. } if kind == "statement");
    match spec.resources.is_empty() {
        true => fits(""),
        false => spec.resources.iter().any(itself) && fits(KEYS[1]),
    }
}

/// Whether a manager is among them.
fn names(people: &People, user: &Id, groups: &[Id]) -> bool {
    people.everybody || people.users.contains(user) || people.roles.contains(&Role::Manager)
        || people.groups.iter().any(|g| groups.contains(g))
}

/// Whether there is an hour of the week at which none of these refuses.
fn passes<'a>(binding: impl Iterator<Item = &'a StatementSpec>, from: Origin) -> bool {
    let mut week = vec![true; WEEK];
    for spec in binding {
        let conditions = &spec.conditions;
        let (asks, deny) = (!conditions.source.is_empty(), spec.effect == Effect::Deny);
        let nets = conditions.nets();
        let inside = match from {
            // A denial of everything is one wherever somebody goes.
            Origin::Anywhere if deny => {
                let all = |v4: bool| {
                    nets.iter().any(|n| n.everything() && n.is_ipv4() == v4)
                };
                all(true) && all(false)
            }
            Origin::Anywhere => true,
            Origin::Here(None) => deny,
            Origin::Here(Some(address)) => nets.iter().any(|n: &Net| n.holds(address)),
        };
        match (&conditions.hours, deny) {
            (_, true) if asks && !inside => {}
            (_, false) if asks && !inside => return false,
            (None, true) => return false,
            (None, false) => {}
            (Some(hours), _) => {
                for (minute, free) in week.iter_mut().enumerate() {
                    let at = MONDAY + 60 * i64::try_from(minute).unwrap_or(0);
                    *free = *free && hours.open(Time(at * Time::SECOND)) != deny;
                }
            }
        }
    }
    week.contains(&true)
}

/// Enabled users who hold the manager's role in a domain: those whose role has no end, or else
/// those who have one now.
fn managers(view: &mut View<'_>, domain: &Id, now: Time) -> Result<Vec<Id>, Fault> {
    let (mut lasting, mut others) = (Vec::new(), Vec::new());
    for have in view.list::<Assignment>(&Query::field("manager-of", domain))? {
        let spec = have.spec;
        let here = spec.scope == Scoped::Domain(domain.clone())
            && spec.role == Grant::Role(Role::Manager) && spec.holds(now);
        if !here {
            continue;
        }
        let users: Vec<Id> = match spec.of_group() {
            false => vec![spec.user],
            true => {
                let members = view.list::<Membership>(&Query::field("group", &spec.group))?;
                members.into_iter().map(|m| m.spec.user).collect()
            }
        };
        for user in users {
            if view.get::<User>(&user)?.is_some_and(|u| u.spec.enabled) {
                if spec.expires.is_none() { lasting.push(user) } else { others.push(user) }
            }
        }
    }
    Ok(if lasting.is_empty() { others } else { lasting })
}
