//! Exceptions: that a clause does not apply, or that a guardrail is loosened, for a time.
//!
//! An exception is asked by one person and approved by another, and ends by itself within a year:
//! nothing is not applicable for ever because somebody once said so. Where the approvals' rules make
//! the asking wait, whoever voted there is the second person. Whether one holds is looked up at
//! each use, with the day of the use.

use crate::{Said, check_text, domain_of, home, own, read, target};
use jinyun_base::{Day, Fault, Id, Kind, Period, Refusal, Refused, check_name};
use jinyun_engine::{Command, Ctx, Failure, Have, Link, Place, Query, Resource, View};
use jinyun_identity::Project;
use jinyun_policy::PROVIDER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The kind.
pub struct Exception;

/// How far an exception is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExceptionState {
    /// It waits for a second person.
    Asked,
    /// It holds.
    Approved,
    /// A second person said no.
    Refused,
    /// It was ended before its time.
    Ended,
    /// Its time is over.
    Expired,
}

/// What a second person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Yes or no.
    pub approve: bool,
    /// Who, when, why. Of one that the approvals' rules made wait, `who` is the request.
    pub said: Said,
}

/// What an exception is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExceptionSpec {
    /// The clause that does not apply; empty if it is about a guardrail.
    pub clause: String,
    /// The guardrail that is loosened; empty if it is about a clause.
    pub guardrail: String,
    /// Whose it is.
    pub domain: Id,
    /// The project that it is about; empty for the platform.
    pub project: Id,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub by: Id,
    /// The last day on which it holds.
    pub expires: Day,
    /// What a second person said.
    pub verdict: Option<Verdict>,
    /// That it was ended.
    pub ended: Option<Said>,
}

impl ExceptionSpec {
    /// How far it is on a day.
    pub fn state(&self, today: Day) -> ExceptionState {
        match &self.verdict {
            _ if self.ended.is_some() => ExceptionState::Ended,
            Some(verdict) if !verdict.approve => ExceptionState::Refused,
            _ if self.expires < today => ExceptionState::Expired,
            Some(_) => ExceptionState::Approved,
            None => ExceptionState::Asked,
        }
    }
}

impl Resource for Exception {
    const SERVICE: &'static str = "governance";
    const KIND: Kind = Kind("exception");
    type Spec = ExceptionSpec;
    type Status = ();

    fn name(spec: &ExceptionSpec) -> &str {
        match spec.clause.as_str() {
            "" => spec.guardrail.as_str(),
            clause => clause,
        }
    }

    fn check(new: &ExceptionSpec, _: Option<&ExceptionSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_text("reason", &new.reason, true)?;
        check_name("guardrail", &new.guardrail)?;
        if new.clause.is_empty() == new.guardrail.is_empty() {
            let say = "or guardrail is named, one of the two";
            return Err(Refusal::invalid("clause", say).into());
        }
        if !new.guardrail.is_empty() && new.project.as_str().is_empty() {
            let say = "is required: a guardrail is loosened in one project";
            return Err(Refusal::invalid("project_id", say).into());
        }
        Ok(())
    }

    fn links(spec: &ExceptionSpec) -> Vec<Link> {
        home(&spec.domain, &spec.project)
    }

    fn fields(spec: &ExceptionSpec) -> Vec<(&'static str, String)> {
        // Those of which anything can still follow, by where.
        match (&spec.verdict, &spec.ended) {
            (Some(verdict), None) if verdict.approve => vec![("granted", place(&spec.project))],
            _ => Vec::new(),
        }
    }
}

/// A project, or the platform.
fn place(project: &Id) -> String {
    if project.as_str().is_empty() { "platform".into() } else { project.to_string() }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub clause: String,
    pub guardrail: String,
    pub reason: String,
    pub expires: Day,
}

/// Asks for an exception: the security administrator for the platform, a manager for a project of
/// the institution.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Asked { clause, guardrail, reason, expires } = read(command, "exception")?;
    let domain = domain_of(ctx, command);
    own(ctx, &domain)?;
    let project = command.project.clone().unwrap_or_else(|| "".into());
    if project.as_str().is_empty() != (domain.as_str() == PROVIDER) {
        let say = "is required of an institution, and none of the provider's: it has no projects";
        return Err(Refusal::invalid("project_id", say).into());
    }
    if !project.as_str().is_empty() {
        let there = ctx.view().get::<Project>(&project)?;
        if there.is_none_or(|have| have.domain != domain) {
            return Err(Refusal::not_found("project", &project).into());
        }
    }
    let today = Day::of(ctx.now);
    if expires < today || expires > Period::YEAR.after(today) {
        return Err(Refusal::invalid("expires", "must lie in the year from today on").into());
    }
    let voted = |request: &String| Verdict {
        approve: true,
        said: Said { who: request.as_str().into(), at: ctx.now, text: "by approval".into() },
    };
    let spec = ExceptionSpec {
        clause, guardrail, reason, expires,
        domain: domain.clone(),
        project: project.clone(),
        by: ctx.actor.id.clone(),
        verdict: command.approval.as_ref().map(voted),
        ended: None,
    };
    let row = ctx.create::<Exception>(&domain, &project, spec)?;
    Ok(json!({ "id": row.id }))
}

#[derive(Deserialize)]
struct VoteWords {
    approve: bool,
    comment: String,
}

fn over(have: &Have<Exception>, today: Day) -> Failure {
    let state = json!(have.spec.state(today));
    let word = state.as_str().unwrap_or_default();
    Refusal::conflict(format!("Exception {} is {word} already.", have.id)).into()
}

/// A second person says yes or no.
pub(crate) fn vote(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let VoteWords { approve, comment } = read(command, "vote")?;
    check_text("comment", &comment, false)?;
    let (have, today) = (ctx.get::<Exception>(id)?, Day::of(ctx.now));
    if have.spec.by == ctx.actor.id {
        let say = "Whoever asked for an exception cannot approve it: somebody else has to.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    if have.spec.state(today) != ExceptionState::Asked {
        return Err(over(&have, today));
    }
    let said = Said::now(ctx, comment);
    ctx.change::<Exception>(id, command.if_generation, |spec| {
        spec.verdict = Some(Verdict { approve, said });
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}

#[derive(Deserialize)]
struct Why {
    reason: String,
}

/// Ends one before its time.
pub(crate) fn end(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let Why { reason } = read(command, "end")?;
    check_text("reason", &reason, true)?;
    let (have, today) = (ctx.get::<Exception>(id)?, Day::of(ctx.now));
    own(ctx, &have.domain)?;
    if !matches!(have.spec.state(today), ExceptionState::Asked | ExceptionState::Approved) {
        return Err(over(&have, today));
    }
    let said = Said::now(ctx, reason);
    ctx.change::<Exception>(id, command.if_generation, |spec| {
        spec.ended = Some(said);
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}

/// That a clause does not apply to the platform, as evidence takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exempt {
    /// Why.
    pub reason: String,
    /// Who said so.
    pub who: String,
}

fn granted(view: &mut View<'_>, project: &Id, today: Day) -> Result<Vec<ExceptionSpec>, Fault> {
    let all = view.list::<Exception>(&Query::field("granted", place(project)))?;
    Ok(all.into_iter().map(|have| have.spec)
        .filter(|spec| spec.state(today) == ExceptionState::Approved).collect())
}

/// The clauses that do not apply to the platform on a day. An exception of one project takes nothing
/// away from the platform's own verdict.
pub fn exceptions(view: &mut View<'_>, today: Day) -> Result<BTreeMap<String, Exempt>, Fault> {
    let holding = granted(view, &"".into(), today)?.into_iter();
    Ok(holding.filter_map(|spec| {
        let second = spec.verdict?.said.who;
        let who = format!("{}, approved by {second}, until {}", spec.by, spec.expires);
        Some((spec.clause, Exempt { reason: spec.reason, who }))
    }).collect())
}

/// The guardrails that are loosened in a project on a day.
pub fn excepted(view: &mut View<'_>, project: &Id, today: Day) -> Result<Vec<String>, Fault> {
    let holding = granted(view, project, today)?.into_iter();
    Ok(holding.map(|spec| spec.guardrail).filter(|name| !name.is_empty()).collect())
}
