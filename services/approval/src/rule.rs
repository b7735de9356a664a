//! Rules: which commands wait, for whom, until when, and in which window.
//!
//! A rule lies in a project, in a domain, or in the provider's domain, where it is the platform's
//! and holds for its staff. All rules that catch a command hold together, their stages one after
//! the other, the widest first: a narrower rule adds and never takes away, so nobody escapes a rule
//! by writing a milder one below it. A guarded rule is changed or removed only by its own stages.

use crate::approver::capped;
use crate::pattern::{catches, check_rule, never};
use crate::stage::{self, Stage, Voters};
use crate::{check_text, home, read, target};
use jinyun_base::{Fault, Id, Kind, Refusal, Refused, Window, check_name};
use jinyun_engine::{
    Approver, Command, Ctx, Failure, Have, Link, Place, Query, Resource, View,
};
use jinyun_identity::{Group, Project};
use jinyun_policy::{Actor, Duty, Object, PROVIDER, Pattern, Scope, Who, meets};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Shortest and longest deadline, in seconds.
pub(crate) const DEADLINE: (i64, i64) = (60, 30 * 86_400);
/// Most conditions of a rule.
const CONDITIONS: usize = 4;
/// What a guarded rule guards.
const GUARDED: [&str; 2] = ["approval:approval_rule:update", "approval:approval_rule:delete"];

/// The kind.
pub struct ApprovalRule;

/// What has to be so of the thing for a rule to hold. A closed set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Its project has this tag, as `environment:production`.
    ProjectTag(String),
    /// Its project has not, or it lies in no project.
    NoProjectTag(String),
}

/// What a rule is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleSpec {
    /// For people.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// The domain that it lies in; the provider's for a rule of the platform.
    pub domain: Id,
    /// The project that it is about; empty for a whole domain.
    pub project: Id,
    /// Which actions.
    pub action: Pattern,
    /// Only where all of this is so.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// Who has to agree, in order.
    pub stages: Vec<Stage>,
    /// How long there is time to vote, in seconds.
    pub deadline: i64,
    /// When an approved command may run; any time if none.
    #[serde(default)]
    pub window: Option<Window>,
    /// Whoever asks has to say why before anybody votes.
    #[serde(default)]
    pub reason_required: bool,
    /// It is changed and removed by its own stages only.
    #[serde(default)]
    pub guarded: bool,
}

impl Resource for ApprovalRule {
    const SERVICE: &'static str = "approval";
    const KIND: Kind = Kind("approval_rule");
    type Spec = RuleSpec;
    type Status = ();

    fn name(spec: &RuleSpec) -> &str {
        &spec.name
    }

    fn check(new: &RuleSpec, old: Option<&RuleSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("name", &new.name)?;
        if new.name.trim().is_empty() {
            return Err(Refusal::invalid("name", "is empty").into());
        }
        check_text("description", &new.description, false)?;
        check_rule(&new.action, "action")?;
        stage::check(&new.stages, new.platform())?;
        if new.when.len() > CONDITIONS {
            return Err(Refusal::invalid("when", format!("holds more than {CONDITIONS}")).into());
        }
        for Condition::ProjectTag(tag) | Condition::NoProjectTag(tag) in &new.when {
            check_name("when", tag)?;
        }
        if !(DEADLINE.0..=DEADLINE.1).contains(&new.deadline) {
            let say = format!("must be {} to {} seconds", DEADLINE.0, DEADLINE.1);
            return Err(Refusal::invalid("deadline", say).into());
        }
        if let Some(window) = &new.window {
            window.check()?;
        }
        if old.is_some_and(|o| (&o.domain, &o.project) != (&new.domain, &new.project)) {
            let say = "stays where it was made: make another rule there";
            return Err(Refusal::invalid("project_id", say).into());
        }
        Ok(())
    }

    fn links(spec: &RuleSpec) -> Vec<Link> {
        home(&spec.domain, &spec.project)
    }

    fn fields(spec: &RuleSpec) -> Vec<(&'static str, String)> {
        vec![("home", spec.domain.to_string())]
    }
}

impl RuleSpec {
    /// Whether it is the platform's own.
    pub fn platform(&self) -> bool {
        self.domain.as_str() == PROVIDER
    }

    fn catches(&self, view: &mut View<'_>, command: &Command, object: &Object)
        -> Result<bool, Fault> {
        let here = self.project.as_str().is_empty() || object.project.as_ref() == Some(&self.project);
        if !here || !self.action.fits(&command.action) {
            return Ok(false);
        }
        if self.when.is_empty() {
            return Ok(true);
        }
        let project = match &object.project {
            Some(id) => view.get::<Project>(id)?,
            None => None,
        };
        let tags = project.map(|p| p.spec.tags).unwrap_or_default();
        Ok(self.when.iter().all(|condition| match condition {
            Condition::ProjectTag(tag) => tags.contains(tag),
            Condition::NoProjectTag(tag) => !tags.contains(tag),
        }))
    }
}

/// The rules that a command has to satisfy, the widest first.
pub(crate) fn asking(view: &mut View<'_>, command: &Command, object: &Object)
    -> Result<Vec<Have<ApprovalRule>>, Fault> {
    if GUARDED.contains(&command.action.as_str()) {
        let Some(id) = &command.target else { return Ok(Vec::new()) };
        return Ok(view.get::<ApprovalRule>(id)?.filter(|r| r.spec.guarded).into_iter().collect());
    }
    if never(&command.action) {
        return Ok(Vec::new());
    }
    let provider = Id::new(PROVIDER);
    let mut homes = Vec::with_capacity(2);
    if command.actor.scope == Scope::System {
        homes.push(&provider);
    }
    homes.extend(object.domain.iter().filter(|d| **d != provider));
    let mut asking = Vec::new();
    for home in homes {
        let mut here = view.list::<ApprovalRule>(&Query::field("home", home))?;
        // A whole domain's before a project's.
        here.sort_by_key(|r| !r.spec.project.as_str().is_empty());
        for rule in here {
            if rule.spec.catches(view, command, object)? {
                asking.push(rule);
            }
        }
    }
    Ok(asking)
}

/// Whether a rule is shown to an actor that policy lets read rules: staff sees the platform's own.
pub(crate) fn sees(actor: &Actor, spec: &RuleSpec) -> bool {
    actor.scope != Scope::System || actor.duty == Some(Duty::AuditAdmin) || spec.platform()
}

/// Whom the engine asks.
pub(crate) fn approver(ctx: &Ctx<'_>) -> Result<Arc<dyn Approver>, Fault> {
    let approver = ctx.registry().approver.clone();
    approver.ok_or_else(|| Fault::new("no approver is installed"))
}

fn gone() -> Refusal {
    Refusal::new(Refused::Forbidden, "You no longer hold the role of this token.")
}

/// The approver and whoever asks, with the roles of this moment.
pub(crate) fn present(ctx: &mut Ctx<'_>) -> Result<(Arc<dyn Approver>, Actor), Failure> {
    let approver = approver(ctx)?;
    let was = ctx.actor;
    let now = approver.actor(&mut ctx.view(), &was.id, &was.scope)?;
    let actor = capped(now.ok_or_else(gone)?, was);
    Ok((approver, actor))
}

/// Refuses whoever policy let in for a role in this domain that they have not any more: the token was
/// looked at before the command's turn came.
pub(crate) fn still(ctx: &mut Ctx<'_>, domain: &Id) -> Result<(), Failure> {
    let (_, actor) = present(ctx)?;
    let there = Object { domain: Some(domain.clone()), ..Object::default() };
    match meets(ctx.permit().because(), &actor, &there) {
        true => Ok(()),
        false => Err(gone().into()),
    }
}

/// The security administrator writes the platform's rules, a manager those of the institution.
fn may_write(ctx: &Ctx<'_>, spec: &RuleSpec) -> Result<(), Failure> {
    let own = match ctx.permit().because() {
        Who::Duty(_) => spec.platform(),
        _ => ctx.actor.domain_of_scope() == Some(&spec.domain),
    };
    if own {
        return Ok(());
    }
    let say = "An institution's rules are written by its own manager, the platform's by the security \
               administrator.";
    Err(Refusal::new(Refused::Forbidden, say).into())
}

/// Refuses a rule about what is not there.
fn known(ctx: &mut Ctx<'_>, spec: &RuleSpec) -> Result<(), Failure> {
    check_rule(&spec.action, "action")?;
    if !catches(&spec.action, ctx.registry()) {
        let say = "catches no operation that changes something";
        return Err(Refusal::invalid("action", say).into());
    }
    if !spec.project.as_str().is_empty() {
        let project = ctx.view().get::<Project>(&spec.project)?;
        if project.is_none_or(|p| p.domain != spec.domain) {
            return Err(Refusal::not_found("project", &spec.project).into());
        }
    }
    let approver = approver(ctx)?;
    for stage in &spec.stages {
        match &stage.who {
            Voters::Users(ids) => {
                for id in ids {
                    let user = approver.actor(&mut ctx.view(), id, &Scope::None)?;
                    if user.is_none_or(|u| u.domain != spec.domain) {
                        return Err(Refusal::not_found("user", id).into());
                    }
                }
            }
            Voters::Groups(ids) => {
                for id in ids {
                    let group = ctx.view().get::<Group>(id)?;
                    if group.is_none_or(|g| g.domain != spec.domain) {
                        return Err(Refusal::not_found("group", id).into());
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes a rule.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec: RuleSpec = read(command, "rule")?;
    may_write(ctx, &spec)?;
    still(ctx, &spec.domain)?;
    known(ctx, &spec)?;
    let (domain, project) = (spec.domain.clone(), spec.project.clone());
    let row = ctx.create::<ApprovalRule>(&domain, &project, spec)?;
    Ok(json!({ "id": row.id }))
}

/// Changes members of a rule. A request keeps what it was asked with; one whose rules have come to ask
/// for other stages or windows ends (`request::behind`).
pub(crate) fn update(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let have = ctx.get::<ApprovalRule>(id)?;
    may_write(ctx, &have.spec)?;
    still(ctx, &have.spec.domain)?;
    let mut value = serde_json::to_value(&have.spec)
        .map_err(|e| Fault::new(format!("a rule cannot be written: {e}")))?;
    if let (Some(members), Some(changes)) = (value.as_object_mut(), command.args.as_object()) {
        members.extend(changes.clone());
    }
    let spec: RuleSpec = serde_json::from_value(value)
        .map_err(|e| Refusal::invalid("rule", format!("cannot be read: {e}")))?;
    known(ctx, &spec)?;
    ctx.change::<ApprovalRule>(id, command.if_generation, |old| {
        *old = spec;
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}

/// Removes a rule.
pub(crate) fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let have = ctx.get::<ApprovalRule>(id)?;
    may_write(ctx, &have.spec)?;
    still(ctx, &have.spec.domain)?;
    ctx.delete::<ApprovalRule>(id)?;
    Ok(Value::Null)
}
