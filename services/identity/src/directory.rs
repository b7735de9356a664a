//! Who there is, in memory: what every request needs to know before it can be decided.
//!
//! Loaded from the store at start and kept current by the effects of each commit, before the answer
//! of the command goes out: whoever is told that a role was taken can rely on it.

use crate::assignment::{Assignment, AssignmentSpec, Grant, Scoped};
use crate::domain::{Domain, DomainSpec};
use crate::project::{Project, ProjectSpec};
use crate::token::{Revocation, RevocationSpec, Token};
use crate::user::{User, UserSpec};
use jinyun_base::{Fault, Id, Time};
use jinyun_engine::{Effect, Query, View};
use jinyun_policy::{Actor, ActorKind, Role, Scope};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::RwLock;

#[derive(Default)]
struct Inside {
    domains: HashMap<Id, DomainSpec>,
    projects: HashMap<Id, ProjectSpec>,
    users: HashMap<Id, UserSpec>,
    names: HashMap<(Id, String), Id>,
    grants: HashMap<Id, AssignmentSpec>,
    by_user: HashMap<Id, Vec<Id>>,
    revoked: HashMap<String, (Id, i64)>,
}

/// The directory.
#[derive(Default)]
pub struct Directory {
    inside: RwLock<Inside>,
}

impl Directory {
    fn read<T>(&self, look: impl FnOnce(&Inside) -> T) -> T {
        match self.inside.read() {
            Ok(inside) => look(&inside),
            // Whoever panicked while writing left whole entries: each change is one insertion.
            Err(broken) => look(&broken.into_inner()),
        }
    }

    fn write(&self, change: impl FnOnce(&mut Inside)) {
        match self.inside.write() {
            Ok(mut inside) => change(&mut inside),
            Err(broken) => change(&mut broken.into_inner()),
        }
    }

    /// Reads everything from the store.
    pub fn load(&self, view: &mut View<'_>) -> Result<(), Fault> {
        let all = Query::default();
        let mut fresh = Inside::default();
        view.list::<Domain>(&all)?.into_iter().for_each(|h| fresh.domain(h.id, h.spec));
        view.list::<Project>(&all)?.into_iter().for_each(|h| fresh.project(h.id, h.spec));
        view.list::<User>(&all)?.into_iter().for_each(|h| fresh.user(h.id, h.spec));
        view.list::<Assignment>(&all)?.into_iter().for_each(|h| fresh.grant(h.id, h.spec));
        view.list::<Revocation>(&all)?.into_iter().for_each(|h| fresh.revoke(h.id, h.spec));
        self.write(|inside| *inside = fresh);
        Ok(())
    }

    /// Takes in what a commit changed.
    pub fn apply(&self, effects: &[Effect]) {
        const MINE: [&str; 5] = ["domain", "project", "user", "assignment", "revocation"];
        let about = |e: &Effect| match e {
            Effect::Put { kind, .. } | Effect::Drop { kind, .. } => MINE.contains(&kind.as_str()),
            _ => false,
        };
        if effects.iter().any(about) {
            self.write(|inside| effects.iter().for_each(|e| inside.apply(e)));
        }
    }

    /// A user by name.
    pub fn user_by_name(&self, domain: &Id, name: &str) -> Option<(Id, UserSpec)> {
        self.read(|i| {
            let id = i.names.get(&(domain.clone(), name.to_lowercase()))?;
            i.users.get(id).map(|u| (id.clone(), u.clone()))
        })
    }

    /// A user by id.
    pub fn user(&self, id: &Id) -> Option<UserSpec> {
        self.read(|i| i.users.get(id).cloned())
    }

    /// A domain.
    pub fn domain(&self, id: &Id) -> Option<DomainSpec> {
        self.read(|i| i.domains.get(id).cloned())
    }

    /// A domain's id by name.
    pub fn domain_by_name(&self, name: &str) -> Option<Id> {
        let name = name.to_lowercase();
        self.read(|i| {
            i.domains.iter().find(|(_, d)| d.name.to_lowercase() == name).map(|(id, _)| id.clone())
        })
    }

    /// A project.
    pub fn project(&self, id: &Id) -> Option<ProjectSpec> {
        self.read(|i| i.projects.get(id).cloned())
    }

    /// A project's id by name.
    pub fn project_by_name(&self, domain: &Id, name: &str) -> Option<Id> {
        let name = name.to_lowercase();
        self.read(|i| {
            i.projects.iter().find(|(_, p)| p.domain == *domain && p.name.to_lowercase() == name)
                .map(|(id, _)| id.clone())
        })
    }

    /// All grants of a user.
    pub fn grants(&self, user: &Id) -> Vec<AssignmentSpec> {
        self.read(|i| i.grants_of(user).cloned().collect())
    }

    /// Whether a token still says something true: not expired, not revoked, its user enabled.
    pub fn accepts(&self, token: &Token, now: Time) -> bool {
        self.read(|i| {
            let fresh = token.expires > now.0
                && token.audit.first().is_none_or(|a| !i.revoked.contains_key(a));
            fresh && i.users.get(&token.user).is_some_and(|u| {
                u.enabled && token.issued >= u.tokens_since
                    && i.domains.get(&u.domain).is_some_and(|d| d.enabled)
            })
        })
    }

    /// The actor that a user is in a scope: `None` if the scope is gone or gives no role.
    pub fn actor(&self, user: &Id, scope: Option<&Scoped>) -> Option<Actor> {
        self.read(|i| i.actor(user, scope))
    }
}

impl Inside {
    fn domain(&mut self, id: Id, spec: DomainSpec) {
        self.domains.insert(id, spec);
    }

    fn project(&mut self, id: Id, spec: ProjectSpec) {
        self.projects.insert(id, spec);
    }

    fn user(&mut self, id: Id, spec: UserSpec) {
        self.forget_user(&id);
        self.names.insert((spec.domain.clone(), spec.name.to_lowercase()), id.clone());
        self.users.insert(id, spec);
    }

    fn forget_user(&mut self, id: &Id) {
        if let Some(old) = self.users.remove(id) {
            self.names.remove(&(old.domain, old.name.to_lowercase()));
        }
    }

    fn grant(&mut self, id: Id, spec: AssignmentSpec) {
        self.by_user.entry(spec.user.clone()).or_default().push(id.clone());
        self.grants.insert(id, spec);
    }

    fn revoke(&mut self, id: Id, spec: RevocationSpec) {
        self.revoked.insert(spec.audit, (id, spec.expires));
    }

    fn grants_of(&self, user: &Id) -> impl Iterator<Item = &AssignmentSpec> {
        self.by_user.get(user).into_iter().flatten().filter_map(|id| self.grants.get(id))
    }

    fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Put { kind, id, spec, .. } => {
                let id = Id::new(id);
                match kind.as_str() {
                    "domain" => self.take(spec, |i, s| i.domain(id, s)),
                    "project" => self.take(spec, |i, s| i.project(id, s)),
                    "user" => self.take(spec, |i, s| i.user(id, s)),
                    "assignment" => self.take(spec, |i, s| i.grant(id, s)),
                    "revocation" => self.take(spec, |i, s| i.revoke(id, s)),
                    _ => {}
                }
            }
            Effect::Drop { kind, id } => {
                let id = Id::new(id);
                match kind.as_str() {
                    "domain" => drop(self.domains.remove(&id)),
                    "project" => drop(self.projects.remove(&id)),
                    "user" => self.forget_user(&id),
                    "assignment" => {
                        if let Some(old) = self.grants.remove(&id)
                            && let Some(list) = self.by_user.get_mut(&old.user)
                        {
                            list.retain(|g| *g != id);
                        }
                    }
                    "revocation" => self.revoked.retain(|_, (row, _)| *row != id),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// A spec that was just written by us can be read by us.
    fn take<S: DeserializeOwned>(&mut self, spec: &serde_json::Value,
        put: impl FnOnce(&mut Inside, S)) {
        if let Ok(spec) = serde_json::from_value(spec.clone()) {
            put(self, spec);
        }
    }

    fn actor(&self, user: &Id, scope: Option<&Scoped>) -> Option<Actor> {
        let spec = self.users.get(user)?;
        let mut actor = Actor {
            kind: ActorKind::User,
            id: user.clone(),
            domain: spec.domain.clone(),
            scope: Scope::None,
            role: None,
            duty: None,
        };
        let Some(scope) = scope else { return Some(actor) };
        let here = self.grants_of(user).filter(|g| g.scope == *scope);
        for grant in here {
            match grant.role {
                Grant::Role(role) => actor.role = actor.role.max(Some(role)),
                Grant::Duty(duty) => actor.duty = Some(duty),
            }
        }
        if actor.role.is_none() && actor.duty.is_none() {
            return None;
        }
        actor.scope = match scope {
            Scoped::System => Scope::System,
            Scoped::Domain(d) if self.domains.get(d)?.enabled => Scope::Domain(d.clone()),
            Scoped::Project(p) => {
                let project = self.projects.get(p).filter(|p| p.enabled)?;
                let domain = self.domains.get(&project.domain).filter(|d| d.enabled)?;
                let _ = domain;
                Scope::Project { project: p.clone(), domain: project.domain.clone() }
            }
            Scoped::Domain(_) => return None,
        };
        Some(actor)
    }
}

/// The roles that a highest role includes.
pub(crate) fn implied(role: Role) -> &'static [Role] {
    match role {
        Role::Reader => &[Role::Reader],
        Role::Member => &[Role::Member, Role::Reader],
        Role::Manager => &[Role::Manager, Role::Member, Role::Reader],
    }
}

