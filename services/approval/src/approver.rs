//! What the engine asks: does this wait, does a consent cover that, who is this user now.
//!
//! Who somebody is, is read from rows, through the view of the command that asks: commands share
//! commits, and the directory in memory learns of a role that was taken only with the commit. Whoever
//! was disabled or has lost a role neither votes nor has a command run, also one entry later.

use crate::{consent, request};
use jinyun_base::{Fault, Id, Time};
use jinyun_engine::{Approver, Command, Ctx, Failure, Need, Query, View};
use jinyun_identity::{Directory, Membership, Scoped};
use jinyun_policy::{Actor, ActorKind, Object, Scope};
use std::sync::Arc;

/// Reads the clock.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The approver.
pub struct Approvals {
    clock: Clock,
}

impl Approvals {
    /// By this clock.
    pub fn new(clock: Clock) -> Approvals {
        Approvals { clock }
    }
}

/// The actor that a user is in a scope at a moment.
fn present(view: &mut View<'_>, user: &Id, scope: &Scope, now: Time)
    -> Result<Option<Actor>, Fault> {
    let scoped = match scope {
        Scope::None => None,
        Scope::System => Some(Scoped::System),
        Scope::Domain(domain) => Some(Scoped::Domain(domain.clone())),
        Scope::Project { project, .. } => Some(Scoped::Project(project.clone())),
    };
    Directory::present(view, user, scoped.as_ref(), now)
}

impl Approver for Approvals {
    fn needs(&self, view: &mut View<'_>, command: &Command, object: &Object)
        -> Result<Option<Need>, Failure> {
        request::needs(view, command, object)
    }

    fn keep(&self, ctx: &mut Ctx<'_>, command: &Command, need: Need) -> Result<Id, Failure> {
        request::keep(ctx, command, need)
    }

    fn consent(&self, view: &mut View<'_>, asked: &Command, object: &Object, now: Time)
        -> Result<Option<Id>, Fault> {
        let was = &asked.actor;
        let actor = match was.kind {
            ActorKind::User => match present(view, &was.id, &was.scope, now)? {
                Some(today) => capped(today, was),
                None => return Ok(None),
            },
            // A part of the platform has no account that could lose a duty.
            _ => was.clone(),
        };
        // Policy will judge by the token's duty: a consent must not be found for another.
        if actor.duty != was.duty {
            return Ok(None);
        }
        consent::covering(view, &actor, &asked.action, object, now)
    }

    fn now(&self) -> Time {
        (self.clock)()
    }

    fn actor(&self, view: &mut View<'_>, user: &Id, scope: &Scope) -> Result<Option<Actor>, Fault> {
        present(view, user, scope, (self.clock)())
    }

    fn in_group(&self, view: &mut View<'_>, user: &Id, group: &Id) -> Result<bool, Fault> {
        let now = (self.clock)();
        let fields = vec![("group", group.to_string()), ("user", user.to_string())];
        let found = view.list::<Membership>(&Query { fields, ..Query::default() })?;
        // One that somebody outside vouched for ends by itself.
        Ok(found.iter().any(|m| m.spec.until.is_none_or(|end| end > now.0)))
    }
}

/// An actor with the roles of today, and no more than it asked with: a command must not gain from
/// having waited, nor a token that was made for less.
pub(crate) fn capped(now: Actor, was: &Actor) -> Actor {
    Actor {
        role: now.role.min(was.role),
        duty: now.duty.filter(|duty| was.duty == Some(*duty)),
        ..now
    }
}
