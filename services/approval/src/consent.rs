//! Consents: an institution lets the provider's staff do named things with its resources, for a time.
//!
//! ```text
//! staff asks --> waiting --> the domain's manager votes --> granted | refused
//!                   |                                          |
//!                   +--> withdrawn, expired <------------------+--> revoked, at once
//! ```
//! A consent opens nothing by itself: the rule of an action has to speak of one (`Who::Consented`),
//! so what can be consented to is a closed list, and lists of things are not on it. Whether one
//! covers a use is looked up at the use, with the time of the use; a state that a sweeper has not
//! written yet changes nothing. Actions are kept by their whole names: a pattern would come to mean
//! more with the next version. A standing consent, as a contract may hold, is one without an end,
//! asked, granted, recorded and revoked like any other.

use crate::pattern;
use crate::rule::{present, still};
use crate::{check_text, home, own_hand, read, target};
use jinyun_base::{Fault, Id, Kind, Refusal, Time, check_name};
use jinyun_engine::{
    Command, Ctx, Failure, Have, Link, Place, Query, Registry, Resource, View,
};
use jinyun_identity::Project;
use jinyun_policy::{Actor, Duty, Object, PROVIDER, Pattern, Scope, Who};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longest span of one that is not standing, in seconds.
const LONGEST: i64 = 31 * 86_400;
/// How long an institution has to decide, in seconds.
const DECIDE: i64 = 14 * 86_400;

/// The kind.
pub struct Consent;

/// How far a consent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentState {
    /// For the institution's manager.
    Waiting,
    /// It holds, within its time.
    Granted,
    /// The institution said no.
    Refused,
    /// Whoever asked took it back.
    Withdrawn,
    /// The institution ended it.
    Revoked,
    /// Its time is over.
    Expired,
}

impl ConsentState {
    /// The word that the API and sentences use.
    pub fn word(self) -> &'static str {
        match self {
            ConsentState::Waiting => "waiting",
            ConsentState::Granted => "granted",
            ConsentState::Refused => "refused",
            ConsentState::Withdrawn => "withdrawn",
            ConsentState::Revoked => "revoked",
            ConsentState::Expired => "expired",
        }
    }
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thing {
    /// Kind.
    pub kind: String,
    /// Id.
    pub id: Id,
}

/// What somebody decided about a consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who.
    pub who: Id,
    /// When.
    pub at: Time,
    /// Why.
    pub comment: String,
    /// From which address.
    pub source: Option<String>,
}

/// What a consent is about, as it is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsentSpec {
    /// The institution.
    pub domain: Id,
    /// One project of it; empty for all.
    pub project: Id,
    /// One resource; all if none.
    pub resource: Option<Thing>,
    /// Staff on this duty may act.
    pub duty: Option<Duty>,
    /// This member of the staff may act.
    pub user: Option<Id>,
    /// What they may do: whole names of actions.
    pub actions: Vec<String>,
    /// From when.
    pub from: Time,
    /// Until when; a standing one may have no end.
    pub until: Option<Time>,
    /// Why.
    pub reason: String,
    /// It stands until it is revoked.
    pub standing: bool,
    /// The contract that a standing one is part of.
    pub contract: String,
    /// Who asked.
    pub asked_by: Id,
    /// How far it is.
    pub state: ConsentState,
    /// Granted or refused.
    pub decided: Option<Decision>,
    /// Revoked or withdrawn.
    pub ended: Option<Decision>,
}

impl Resource for Consent {
    const SERVICE: &'static str = "approval";
    const KIND: Kind = Kind("consent");
    type Spec = ConsentSpec;
    type Status = ();

    fn name(_: &ConsentSpec) -> &str {
        ""
    }

    fn check(new: &ConsentSpec, _: Option<&ConsentSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_text("reason", &new.reason, true)?;
        check_name("contract", &new.contract)?;
        let until = |say: &str| Err(Refusal::invalid("until", say).into());
        match new.until {
            None if !new.standing => until("is required, but for a standing consent"),
            Some(end) if end <= new.from => until("must be later than from"),
            Some(end) if !new.standing && end.seconds_since(new.from) > LONGEST => {
                until("must be at most 31 days later than from, but for a standing consent")
            }
            _ if new.standing == new.contract.is_empty() => {
                let say = "is required for a standing consent, and for no other: name the contract";
                Err(Refusal::invalid("contract", say).into())
            }
            _ => Ok(()),
        }
    }

    fn links(spec: &ConsentSpec) -> Vec<Link> {
        home(&spec.domain, &spec.project)
    }

    fn fields(spec: &ConsentSpec) -> Vec<(&'static str, String)> {
        let mut fields = vec![("asker", spec.asked_by.to_string())];
        match spec.state {
            ConsentState::Granted => {
                fields.extend([("granted", spec.domain.to_string()), ("open", "yes".into())]);
            }
            ConsentState::Waiting => fields.push(("open", "yes".into())),
            _ => {}
        }
        fields
    }

    fn owner(have: &Have<Consent>) -> Option<Id> {
        Some(have.spec.asked_by.clone())
    }
}

impl ConsentSpec {
    /// Whether it covers a use.
    fn covers(&self, actor: &Actor, action: &str, object: &Object, now: Time) -> bool {
        let who = self.user.as_ref() == Some(&actor.id)
            || (self.duty.is_some() && self.duty == actor.duty);
        let place = self.project.as_str().is_empty() || object.project.as_ref() == Some(&self.project);
        let thing = self.resource.as_ref().is_none_or(|t| {
            object.what.as_ref().is_some_and(|(kind, id)| kind.0 == t.kind && *id == t.id)
        });
        self.state == ConsentState::Granted && who && thing && place
            && object.domain.as_ref() == Some(&self.domain)
            && self.from <= now && self.until.is_none_or(|end| now < end)
            && self.actions.iter().any(|a| a == action)
    }
}

/// A consent that covers what an actor would do, now.
pub(crate) fn covering(view: &mut View<'_>, actor: &Actor, action: &str, object: &Object, now: Time)
    -> Result<Option<Id>, Fault> {
    let Some(domain) = &object.domain else { return Ok(None) };
    let granted = view.list::<Consent>(&Query::field("granted", domain))?;
    let found = granted.into_iter().find(|c| c.spec.covers(actor, action, object, now));
    Ok(found.map(|c| c.id))
}

/// What staff may be let do: actions whose rule speaks of a consent, for this duty or for any.
pub(crate) fn offered(registry: &Registry, duty: Option<Duty>) -> Vec<&'static str> {
    let fits = |who: &Who| matches!(who, Who::Consented(on) if duty.is_none_or(|d| d == *on));
    registry.policy.actions().into_iter()
        .filter(|(_, allow)| allow.iter().any(fits)).map(|(action, _)| action).collect()
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub domain: Id,
    pub project: Id,
    pub resource: Option<Thing>,
    pub duty: Option<Duty>,
    pub user: Option<Id>,
    pub actions: Vec<Pattern>,
    pub from: Option<Time>,
    pub until: Option<Time>,
    pub reason: String,
    pub standing: bool,
    pub contract: String,
}

/// The names that the patterns stand for today.
fn named(registry: &Registry, patterns: &[Pattern], duty: Option<Duty>)
    -> Result<Vec<String>, Refusal> {
    let offered = offered(registry, duty);
    let mut names: Vec<&str> = Vec::new();
    for asked in patterns {
        pattern::check(asked, "actions")?;
        let mut fitting = offered.iter().copied().filter(|a| asked.fits(a)).peekable();
        if fitting.peek().is_none() {
            let there = if offered.is_empty() { "none".into() } else { offered.join(", ") };
            let say = format!("name what no consent can open; offered to that duty: {there}");
            return Err(Refusal::invalid("actions", say));
        }
        names.extend(fitting);
    }
    if names.is_empty() {
        return Err(Refusal::invalid("actions", "are required: name what staff may do"));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names.into_iter().map(String::from).collect())
}

/// Whom it is for: staff. Whoever asks without saying so asks for their own duty.
fn holders(ctx: &mut Ctx<'_>, asked: &Asked) -> Result<(Option<Duty>, Option<Id>), Failure> {
    if asked.duty == Some(Duty::AuditAdmin) {
        let say = "must be system_admin or security_admin: the audit administrator acts on nothing";
        return Err(Refusal::invalid("duty", say).into());
    }
    if let Some(user) = &asked.user {
        let (approver, _) = present(ctx)?;
        let staff = approver.actor(&mut ctx.view(), user, &Scope::System)?;
        if staff.is_none_or(|s| s.duty.is_none()) {
            let say = "must be one of the provider's staff, with a duty";
            return Err(Refusal::invalid("user_id", say).into());
        }
    }
    match (asked.duty, &asked.user) {
        (Some(_), Some(_)) => Err(Refusal::invalid("user_id", "or duty is named, not both").into()),
        (None, None) => match ctx.actor.duty {
            Some(duty) => Ok((Some(duty), None)),
            None => Err(Refusal::invalid("duty", "is required, or user_id").into()),
        },
        (duty, user) => Ok((duty, user.clone())),
    }
}

/// Asks for a consent. A manager who makes one grants it by that, so the role has to be held at that
/// moment; asking alone gives nobody anything.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let asked: Asked = read(command, "consent")?;
    let staff = matches!(ctx.permit().because(), Who::Duty(_));
    if !staff && ctx.actor.domain_of_scope() != Some(&asked.domain) {
        return Err(Refusal::not_found("domain", &asked.domain).into());
    }
    if !staff {
        still(ctx, &asked.domain)?;
    }
    if asked.domain.as_str() == PROVIDER {
        let say = "is the provider's own, which gives itself no consent: name the institution";
        return Err(Refusal::invalid("domain_id", say).into());
    }
    if !asked.project.as_str().is_empty() {
        let project = ctx.view().get::<Project>(&asked.project)?;
        if project.is_none_or(|p| p.domain != asked.domain) {
            return Err(Refusal::not_found("project", &asked.project).into());
        }
    }
    let (duty, user) = holders(ctx, &asked)?;
    let actions = named(ctx.registry(), &asked.actions, duty)?;
    if asked.until.is_some_and(|end| end <= ctx.now) {
        return Err(Refusal::invalid("until", "must lie in the future").into());
    }
    let (asked_by, now) = (ctx.actor.id.clone(), ctx.now);
    let own = || Decision {
        who: asked_by.clone(),
        at: now,
        comment: "of the institution's own accord".into(),
        source: command.source.clone(),
    };
    let Asked { domain, project, resource, until, reason, standing, contract, .. } = asked;
    let spec = ConsentSpec {
        domain: domain.clone(),
        project: project.clone(),
        resource, duty, user, actions, until, reason, standing, contract,
        from: asked.from.unwrap_or(now),
        state: if staff { ConsentState::Waiting } else { ConsentState::Granted },
        decided: (!staff).then(own),
        ended: None,
        asked_by,
    };
    Ok(json!({ "id": ctx.create::<Consent>(&domain, &project, spec)?.id }))
}

#[derive(Deserialize)]
struct VoteWords {
    #[serde(default)]
    approve: bool,
    #[serde(default)]
    comment: String,
}

/// Moves a consent on, if it is in one of these states.
fn decide(ctx: &mut Ctx<'_>, command: &Command, from: &[ConsentState],
    to: impl FnOnce(bool) -> ConsentState) -> Result<Value, Failure> {
    let id = target(command)?;
    let VoteWords { approve, comment } = read(command, "vote")?;
    check_text("comment", &comment, false)?;
    let have = ctx.get::<Consent>(id)?;
    let state = have.spec.state;
    if !from.contains(&state) {
        return Err(Refusal::conflict(format!("Consent {id} is {} already.", state.word())).into());
    }
    let (who, at) = (ctx.actor.id.clone(), ctx.now);
    let decision = Decision { who, at, comment, source: command.source.clone() };
    ctx.change::<Consent>(id, None, |spec| {
        spec.state = to(approve);
        match spec.state {
            ConsentState::Granted | ConsentState::Refused => spec.decided = Some(decision),
            _ => spec.ended = Some(decision),
        }
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}

/// The institution grants or refuses it.
pub(crate) fn vote(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    own_hand(command)?;
    let have = ctx.get::<Consent>(target(command)?)?;
    // A role that was taken a moment ago grants nothing.
    still(ctx, &have.domain)?;
    if have.spec.state == ConsentState::Waiting && late(&have, ctx.now) {
        let say = format!("The time to decide about consent {} is over: ask anew.", have.id);
        return Err(Refusal::conflict(say).into());
    }
    decide(ctx, command, &[ConsentState::Waiting], |approve| match approve {
        true => ConsentState::Granted,
        false => ConsentState::Refused,
    })
}

/// The institution ends it at once: the next use is refused.
pub(crate) fn revoke(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let have = ctx.get::<Consent>(target(command)?)?;
    still(ctx, &have.domain)?;
    decide(ctx, command, &[ConsentState::Granted], |_| ConsentState::Revoked)
}

/// Whoever asked takes it back.
pub(crate) fn withdraw(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let open = [ConsentState::Waiting, ConsentState::Granted];
    decide(ctx, command, &open, |_| ConsentState::Withdrawn)
}

/// Whether its time is over.
pub(crate) fn late(have: &Have<Consent>, now: Time) -> bool {
    let ended = have.spec.until.is_some_and(|end| now >= end);
    match have.spec.state {
        ConsentState::Waiting => ended || now >= have.created.plus_seconds(DECIDE),
        ConsentState::Granted => ended,
        _ => false,
    }
}

/// Says so of one whose time is over. For the platform.
pub(crate) fn expire(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let have = ctx.get::<Consent>(id)?;
    if !late(&have, ctx.now) {
        return Err(Refusal::conflict(format!("Consent {id} has time left.")).into());
    }
    ctx.change::<Consent>(id, None, |spec| {
        spec.state = ConsentState::Expired;
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}
