//! The last one stays.
//!
//! Problem: an institution without a manager can only be opened by the provider, and a duty that
//! nobody holds by nobody at all; and there are many ways to get there (a role is taken or limited,
//! a user is disabled or deleted, a member leaves a group, a group goes). Mechanism: each of those
//! changes runs inside [`keeping`], which looks who holds what before and after it and gives the
//! command up if somebody lasting is gone. Rules for each way by itself would forget one.

use crate::assignment::{Assignment, AssignmentSpec, Grant, Scoped, role_of};
use crate::domain::Domain;
use crate::group::Membership;
use crate::passkey;
use crate::project::Project;
use crate::user::User;
use jinyun_base::{Fault, Id, Refusal, Refused};
use jinyun_engine::{Command, Ctx, Failure, Have, Query, Resource};
use jinyun_policy::{PROVIDER, Who};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Makes a change in a domain, unless it takes the last manager from an institution or the last
/// holder from one of the duties.
pub(crate) fn keeping<T>(ctx: &mut Ctx<'_>, domain: &Id,
    change: impl FnOnce(&mut Ctx<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    let before = held(ctx, domain)?;
    let done = change(ctx)?;
    if before.is_empty() {
        return Ok(done);
    }
    let after = held(ctx, domain)?;
    match before.into_iter().find(|role| !after.contains(role)) {
        None => Ok(done),
        Some(role) => {
            let (_, role) = role_of(role);
            Err(Refusal::conflict(format!(
                "This is the last {role} of domain {domain} who is enabled and whose role has no \
                 end: give the role to somebody else first."
            )).into())
        }
    }
}

/// What somebody lastingly holds in a domain: duties in the provider's, else the manager's role.
fn held(ctx: &mut Ctx<'_>, domain: &Id) -> Result<Vec<Grant>, Failure> {
    let provider = domain.as_str() == PROVIDER;
    let query = match provider {
        true => Query { domain: Some(domain.clone()), ..Query::default() },
        false => Query::field("manager-of", domain),
    };
    let mut held = Vec::new();
    for have in ctx.list::<Assignment>(&query)? {
        let spec = have.spec;
        let counts = provider == (spec.scope == Scoped::System) && spec.expires.is_none()
            && !held.contains(&spec.role);
        if counts && lasting(ctx, &spec)? {
            held.push(spec.role);
        }
    }
    Ok(held)
}

/// Whether somebody who can sign in has this role.
fn lasting(ctx: &mut Ctx<'_>, spec: &AssignmentSpec) -> Result<bool, Failure> {
    if !spec.of_group() {
        return enabled(ctx, &spec.user);
    }
    for member in ctx.list::<Membership>(&Query::field("group", &spec.group))? {
        // Who is in the group for a time only does not keep it.
        if member.spec.until.is_none() && enabled(ctx, &member.spec.user)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn enabled(ctx: &mut Ctx<'_>, user: &Id) -> Result<bool, Failure> {
    Ok(ctx.view().get::<User>(user)?.is_some_and(|u| u.spec.enabled))
}

/// A spec with some members changed.
pub(crate) fn merged<S: Serialize + DeserializeOwned>(kind: &str, spec: &S, patch: &Value)
    -> Result<S, Failure> {
    let mut value =
        serde_json::to_value(spec).map_err(|e| Fault::new(format!("{kind}: {e}")))?;
    if let (Some(members), Some(changes)) = (value.as_object_mut(), patch.as_object()) {
        members.extend(changes.clone());
    }
    serde_json::from_value(value)
        .map_err(|e| Refusal::invalid(kind, format!("cannot be read: {e}")).into())
}

/// The security administrator reaches the provider's staff only, and of them not itself: an
/// account can be closed or opened, its password is its owner's.
pub(crate) fn staff_only(ctx: &Ctx<'_>, user: &Have<User>, command: &Command)
    -> Result<(), Failure> {
    if !matches!(ctx.permit().because(), Who::Duty(_)) {
        return Ok(());
    }
    let no = |say: &str| Err(Refusal::new(Refused::Forbidden, say).into());
    let known = ["enabled", "description", "email"];
    let more = command.args.as_object()
        .is_some_and(|m| m.keys().any(|name| !known.contains(&name.as_str())));
    if user.domain.as_str() != PROVIDER {
        return no("An institution's people are changed by its own manager.");
    }
    if user.id == ctx.actor.id {
        return no("Nobody changes their own account.");
    }
    if more || !command.secrets.is_empty() {
        return no("Of staff, only enabled, description and email are changed by somebody else.");
    }
    Ok(())
}

fn target(ctx: &mut Ctx<'_>, command: &Command) -> Result<Have<User>, Failure> {
    match &command.target {
        Some(id) => ctx.get::<User>(id),
        None => Err(Refusal::invalid("user_id", "is missing").into()),
    }
}

/// Changes an account. With a new password, the passkeys go that rested on the old one.
pub(crate) fn update_user(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let user = target(ctx, command)?;
    staff_only(ctx, &user, command)?;
    let now = ctx.now.0;
    keeping(ctx, &user.domain, |ctx| {
        ctx.change::<User>(&user.id, command.if_generation, |spec| {
            merge::<User>(spec, &command.args, now, |spec| (spec.enabled, &mut spec.tokens_since))
        })
    })?;
    for (name, secret) in &command.secrets {
        ctx.put_secret("user", &user.id, name, secret.expose())?;
    }
    if command.secrets.iter().any(|(name, _)| name == "password") {
        passkey::take_first(ctx, &user.id)?;
    }
    Ok(Value::Null)
}

/// Whether something is open, and since when what was issued for it is good.
type Door<S> = fn(&mut S) -> (bool, &mut i64);

/// Changes members of a spec. What is closed by that, and opened again, has to be signed in to again:
/// what was issued before may be in other hands.
fn merge<R: Resource>(spec: &mut R::Spec, args: &Value, now: i64, door: Door<R::Spec>)
    -> Result<(), Failure> {
    let (was, _) = door(spec);
    *spec = merged(R::KIND.0, spec, args)?;
    let (is, since) = door(spec);
    if was && !is {
        *since = now;
    }
    Ok(())
}

/// Changes what a command names.
fn update<R: Resource>(ctx: &mut Ctx<'_>, command: &Command, door: Door<R::Spec>)
    -> Result<Value, Failure> {
    let now = ctx.now.0;
    let id = named(command)?;
    ctx.change::<R>(&id, command.if_generation, |spec| merge::<R>(spec, &command.args, now, door))?;
    Ok(Value::Null)
}

/// Changes an institution. Closing it ends what was issued for it, for good.
pub(crate) fn update_domain(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    update::<Domain>(ctx, command, |spec| (spec.enabled, &mut spec.tokens_since))
}

/// Changes a project. Closing it ends what was issued for it and below it, for good.
pub(crate) fn update_project(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    update::<Project>(ctx, command, |spec| (spec.enabled, &mut spec.tokens_since))
}

fn named(command: &Command) -> Result<Id, Failure> {
    command.target.clone().ok_or_else(|| Refusal::invalid("id", "is missing").into())
}

/// Deletes an account with its roles, memberships and credentials.
pub(crate) fn delete_user(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let user = target(ctx, command)?;
    staff_only(ctx, &user, command)?;
    keeping(ctx, &user.domain, |ctx| ctx.delete::<User>(&user.id))?;
    Ok(Value::Null)
}
