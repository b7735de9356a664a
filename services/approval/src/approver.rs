//! What the engine asks: does this wait, does a consent cover that, who is this user now.
//!
//! Roles come from the directory at the time that the clock says, since a role may end by itself;
//! accounts and groups are read from their rows, which within a command are newer. Whoever was
//! disabled or has lost a role neither votes nor has a command run.

use crate::{consent, request};
use jinyun_base::{Fault, Id, Time};
use jinyun_engine::{Approver, Command, Ctx, Failure, Need, Query, View};
use jinyun_identity::{Directory, Domain, Membership, Scoped, User};
use jinyun_policy::{Actor, Object, Scope};
use std::sync::Arc;

/// Reads the clock.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The approver.
pub struct Approvals {
    directory: Arc<Directory>,
    clock: Clock,
}

impl Approvals {
    /// Over this directory and this clock.
    pub fn new(directory: Arc<Directory>, clock: Clock) -> Approvals {
        Approvals { directory, clock }
    }
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
        consent::covering(view, asked, object, now)
    }

    fn now(&self) -> Time {
        (self.clock)()
    }

    fn actor(&self, view: &mut View<'_>, user: &Id, scope: &Scope) -> Result<Option<Actor>, Fault> {
        let Some(account) = view.get::<User>(user)? else { return Ok(None) };
        let domain = view.get::<Domain>(&account.spec.domain)?;
        if !account.spec.enabled || !domain.is_some_and(|d| d.spec.enabled) {
            return Ok(None);
        }
        let scoped = match scope {
            Scope::None => None,
            Scope::System => Some(Scoped::System),
            Scope::Domain(domain) => Some(Scoped::Domain(domain.clone())),
            Scope::Project { project, .. } => Some(Scoped::Project(project.clone())),
        };
        Ok(self.directory.actor_at(user, scoped.as_ref(), (self.clock)()))
    }

    fn in_group(&self, view: &mut View<'_>, user: &Id, group: &Id) -> Result<bool, Fault> {
        let fields = vec![("group", group.to_string()), ("user", user.to_string())];
        let query = Query { fields, limit: Some(1), ..Query::default() };
        Ok(!view.list::<Membership>(&query)?.is_empty())
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
