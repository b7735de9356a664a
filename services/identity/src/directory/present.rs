//! Who somebody is at this moment, from the rows themselves.
//!
//! Problem: the directory in memory hears of a change when it is committed, and many commands share a
//! commit, so the second of two in one group would be judged by roles that the first has taken.
//! Mechanism: where that matters (a vote, and what an approval or a consent lets run) the few rows
//! about one person in one place are read through the command's own view and put into a directory of
//! their own; what they amount to is worked out by the same code as for everybody. Not by the effects
//! of the group laid over the large directory: one that was rolled back would have to be taken out.

use super::{Directory, Inside};
use crate::assignment::{Assignment, Scoped};
use crate::domain::Domain;
use crate::external::UserDirectory;
use crate::federation::provider::Provider;
use crate::group::Membership;
use crate::project::{DEPTH, Project};
use crate::user::User;
use jinyun_base::{Fault, Id, Time};
use jinyun_engine::{Query, View};
use jinyun_policy::Actor;

impl Directory {
    /// The actor that a user is in a scope, by the rows that a view shows. `None` if the account is
    /// gone or closed, nobody vouches for it any more, or the scope is gone or gives no role.
    pub fn present(view: &mut View<'_>, user: &Id, scope: Option<&Scoped>, now: Time)
        -> Result<Option<Actor>, Fault> {
        let Some(account) = view.get::<User>(user)? else { return Ok(None) };
        let mut few = Inside::default();
        few.look_up_domain(view, &account.spec.domain)?;
        let domain = &account.spec.domain;
        if account.spec.federated.is_some()
            && view.get::<UserDirectory>(domain)?.is_some_and(|d| d.spec.counts())
        {
            few.directories.insert(domain.clone());
        }
        if let Some(from) = &account.spec.federated
            && let Some(provider) = view.get::<Provider>(&Id::new(&from.idp))?
        {
            few.providers.insert(provider.id, provider.spec);
        }
        let open = few.domains.get(&account.spec.domain).is_some_and(|d| d.enabled);
        if !open || !account.spec.enabled || !few.vouched(&account.spec) {
            return Ok(None);
        }
        few.user(account.id, account.spec);
        few.look_up_grants(view, "user", user)?;
        for have in view.list::<Membership>(&Query::field("user", user))? {
            few.look_up_grants(view, "group", &have.spec.group)?;
            few.member(have.id, have.spec);
        }
        match scope {
            Some(Scoped::Domain(id)) => few.look_up_domain(view, id)?,
            Some(Scoped::Project(id)) => few.look_up_project(view, id)?,
            Some(Scoped::System) | None => {}
        }
        Ok(few.actor(user, scope, now))
    }
}

impl Inside {
    fn look_up_domain(&mut self, view: &mut View<'_>, id: &Id) -> Result<(), Fault> {
        if let Some(have) = view.get::<Domain>(id)? {
            self.domain(have.id, have.spec);
        }
        Ok(())
    }

    /// A project with all that it lies in.
    fn look_up_project(&mut self, view: &mut View<'_>, id: &Id) -> Result<(), Fault> {
        let mut next = Some(id.clone());
        while let Some(id) = next.filter(|_| self.projects.len() <= DEPTH) {
            // On its way out it gives nothing any more.
            let Some(have) = view.get::<Project>(&id)?.filter(|p| !p.deleting) else { break };
            next = have.spec.parent.clone();
            self.look_up_domain(view, &have.spec.domain)?;
            self.project(have.id, have.spec);
        }
        Ok(())
    }

    fn look_up_grants(&mut self, view: &mut View<'_>, kind: &'static str, holder: &Id)
        -> Result<(), Fault> {
        for have in view.list::<Assignment>(&Query::field(kind, holder))? {
            self.grant(have.id, have.spec);
        }
        Ok(())
    }
}
