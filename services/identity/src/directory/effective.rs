//! What assignments amount to: through groups, down the trees of projects, with implied roles.

use super::{Inside, implied};
use crate::assignment::{AssignmentSpec, Grant, Scoped};
use crate::project::DEPTH;
use jinyun_base::{Id, Time};
use jinyun_policy::{Actor, ActorKind, Duty, PROVIDER, Role, Scope};
use std::collections::BTreeSet;

/// Which assignments are asked for. Everything that is set must match.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Of this user.
    pub user: Option<Id>,
    /// Of this group.
    pub group: Option<Id>,
    /// This role.
    pub role: Option<Grant>,
    /// In this place.
    pub scope: Option<Scoped>,
    /// And in every project below it.
    pub subtree: bool,
    /// Given to be inherited, or not.
    pub inherited: Option<bool>,
    /// Where no user, group or place is named: in this domain only.
    pub domain: Option<Id>,
}

/// Whether the caller may see an assignment, whose domain comes with it.
pub(crate) type May<'a> = &'a dyn Fn(&Id, &AssignmentSpec, Option<Id>) -> bool;

/// A role that a user has somewhere, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effective {
    /// Who.
    pub user: Id,
    /// Which role.
    pub role: Grant,
    /// Where.
    pub scope: Scoped,
    /// Through this group.
    pub group: Option<Id>,
    /// Inherited from there.
    pub from: Option<Scoped>,
    /// Implied by this role.
    pub prior: Option<Grant>,
    /// When it ends, microseconds.
    pub expires: Option<i64>,
}

impl Inside {
    /// The projects that one lies in, the nearest first.
    pub(super) fn above(&self, project: &Id) -> Vec<&Id> {
        let mut above = Vec::new();
        let mut next = self.parent(project);
        while let Some(id) = next.filter(|_| above.len() < DEPTH) {
            above.push(id);
            next = self.parent(id);
        }
        above
    }

    fn parent(&self, project: &Id) -> Option<&Id> {
        self.projects.get(project).and_then(|p| p.parent.as_ref())
    }

    /// Everything that lies in a project or domain.
    pub(super) fn below(&self, of: &Id) -> Vec<Id> {
        let mut found: Vec<Id> = self.children.get(of).into_iter().flatten().cloned().collect();
        let mut next = 0;
        while next < found.len() {
            let more = self.children.get(&found[next]).into_iter().flatten().cloned();
            let more: Vec<Id> = more.collect();
            found.extend(more);
            next += 1;
        }
        found
    }

    /// Where a grant has to be inherited from to hold in a place.
    fn sources(&self, scope: &Scoped) -> Vec<Scoped> {
        let Scoped::Project(project) = scope else { return Vec::new() };
        let mut from: Vec<Scoped> =
            self.above(project).into_iter().map(|id| Scoped::Project(id.clone())).collect();
        from.extend(self.projects.get(project).map(|p| Scoped::Domain(p.domain.clone())));
        from
    }

    /// What a user holds, by itself and through groups, and what has not ended.
    fn held(&self, user: &Id, now: Time) -> Vec<(&Id, &AssignmentSpec)> {
        let own = self.by_holder.get(user);
        let groups = self.groups_of.get(user).into_iter().flatten()
            .filter(|group| self.belongs(user, group, now));
        own.into_iter().chain(groups.filter_map(|g| self.by_holder.get(g))).flatten()
            .filter_map(|id| self.grants.get_key_value(id))
            .filter(|(_, grant)| grant.holds(now)).collect()
    }

    /// The highest role and the duty that a user has in a place.
    pub(super) fn roles(&self, user: &Id, scope: &Scoped, now: Time)
        -> (Option<Role>, Option<Duty>) {
        let from = self.sources(scope);
        let (mut role, mut duty) = (None, None);
        for (_, grant) in self.held(user, now) {
            let here = match grant.inherited {
                true => from.contains(&grant.scope),
                false => grant.scope == *scope,
            };
            match grant.role {
                _ if !here => {}
                Grant::Role(r) => role = role.max(Some(r)),
                Grant::Duty(d) => duty = Some(d),
            }
        }
        (role, duty)
    }

    /// A place in which work is possible: it is there, and enabled with all that it lies in.
    pub(super) fn open(&self, scope: &Scoped) -> Option<Scope> {
        let domain = |id: &Id| self.domains.get(id).filter(|d| d.enabled);
        match scope {
            Scoped::System => Some(Scope::System),
            Scoped::Domain(d) => domain(d).map(|_| Scope::Domain(d.clone())),
            Scoped::Project(p) => {
                let project = self.projects.get(p).filter(|p| p.enabled)?;
                domain(&project.domain)?;
                let above = self.above(p);
                let on = |id: &&Id| self.projects.get(*id).is_some_and(|p| p.enabled);
                let scope = Scope::Project { project: p.clone(), domain: project.domain.clone() };
                above.iter().all(on).then_some(scope)
            }
        }
    }

    pub(super) fn actor(&self, user: &Id, scope: Option<&Scoped>, now: Time) -> Option<Actor> {
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
        (actor.role, actor.duty) = self.roles(user, scope, now);
        if actor.role.is_none() && actor.duty.is_none() {
            return None;
        }
        actor.scope = self.open(scope)?;
        Some(actor)
    }

    /// The projects in which a user can work.
    pub(super) fn projects_of(&self, user: &Id, now: Time) -> Vec<Id> {
        let mut found = BTreeSet::new();
        for (_, grant) in self.held(user, now) {
            match (&grant.scope, grant.inherited) {
                (Scoped::Project(p), false) => found.extend([p.clone()]),
                (Scoped::Project(of) | Scoped::Domain(of), true) => found.extend(self.below(of)),
                _ => {}
            }
        }
        found.into_iter().filter(|p| self.open(&Scoped::Project(p.clone())).is_some()).collect()
    }

    /// The domains in which a user has a role.
    pub(super) fn domains_of(&self, user: &Id, now: Time) -> Vec<Id> {
        let found: BTreeSet<Id> = self.held(user, now).into_iter()
            .filter_map(|(_, grant)| match &grant.scope {
                Scoped::Domain(d) if !grant.inherited => Some(d.clone()),
                _ => None,
            }).collect();
        found.into_iter().filter(|d| self.open(&Scoped::Domain(d.clone())).is_some()).collect()
    }

    /// The places that a filter names; none if it names none.
    fn places(&self, filter: &Filter) -> Option<Vec<Scoped>> {
        let scope = filter.scope.as_ref()?;
        let mut places = vec![scope.clone()];
        if let (Scoped::Project(p), true) = (scope, filter.subtree) {
            places.extend(self.below(p).into_iter().map(Scoped::Project));
        }
        Some(places)
    }

    /// Grants by their ids, without those that have ended.
    fn standing<'a>(&'a self, ids: impl IntoIterator<Item = &'a Id>, now: Time)
        -> Vec<(&'a Id, &'a AssignmentSpec)> {
        let ids: BTreeSet<&Id> = ids.into_iter().collect();
        ids.into_iter().filter_map(|id| self.grants.get_key_value(id))
            .filter(|(_, grant)| grant.holds(now)).collect()
    }

    /// The domain that an assignment in this place belongs to.
    pub(super) fn home(&self, scope: &Scoped) -> Option<Id> {
        match scope {
            Scoped::System => Some(PROVIDER.into()),
            Scoped::Domain(d) => Some(d.clone()),
            Scoped::Project(p) => self.projects.get(p).map(|p| p.domain.clone()),
        }
    }

    /// All grants, or all of a domain.
    fn everywhere(&self, domain: Option<&Id>, now: Time) -> Vec<(&Id, &AssignmentSpec)> {
        let Some(domain) = domain else { return self.standing(self.grants.keys(), now) };
        let mut places = vec![Scoped::Domain(domain.clone())];
        places.extend(self.below(domain).into_iter().map(Scoped::Project));
        self.standing(places.iter().filter_map(|p| self.by_scope.get(p)).flatten(), now)
    }

    /// Assignments as they were given.
    pub(super) fn assignments(&self, filter: &Filter, now: Time, may: May<'_>)
        -> Vec<AssignmentSpec> {
        let places = self.places(filter);
        let holder = filter.user.as_ref().or(filter.group.as_ref());
        let found = match (holder, &places) {
            (Some(who), _) => self.standing(self.by_holder.get(who).into_iter().flatten(), now),
            (None, Some(places)) => {
                let here = places.iter().filter_map(|p| self.by_scope.get(p)).flatten();
                self.standing(here, now)
            }
            (None, None) => self.everywhere(filter.domain.as_ref(), now),
        };
        found.into_iter()
            .filter(|(_, g)| filter.user.as_ref().is_none_or(|u| !g.of_group() && g.user == *u))
            .filter(|(_, g)| filter.group.as_ref().is_none_or(|w| g.of_group() && g.group == *w))
            .filter(|(_, g)| places.as_ref().is_none_or(|p| p.contains(&g.scope)))
            .filter(|(_, g)| filter.role.is_none_or(|r| r == g.role))
            .filter(|(_, g)| filter.inherited.is_none_or(|i| i == g.inherited))
            .filter(|(id, g)| may(id, g, self.home(&g.scope)))
            .map(|(_, g)| g.clone()).collect()
    }

    /// What assignments give to whom. An institution whose every user has a role in every project
    /// would be millions of lines, so it ends after so many; whether it is all is the second value.
    pub(super) fn effective(&self, filter: &Filter, most: usize, now: Time, may: May<'_>)
        -> (Vec<Effective>, bool) {
        let places = self.places(filter);
        let grants = match (&filter.user, &places) {
            (Some(user), _) => self.standing(self.held(user, now).into_iter().map(|(id, _)| id), now),
            (None, Some(places)) => {
                let from = places.iter().flat_map(|p| self.sources(p)).collect::<Vec<_>>();
                let near = places.iter().chain(&from).filter_map(|p| self.by_scope.get(p)).flatten();
                self.standing(near, now)
            }
            (None, None) => self.everywhere(filter.domain.as_ref(), now),
        };
        let mut found = Vec::new();
        for (id, grant) in grants {
            let asked = filter.inherited.is_none_or(|i| i == grant.inherited);
            if !asked || !may(id, grant, self.home(&grant.scope)) {
                continue;
            }
            let users: Vec<Id> = match (&filter.user, grant.of_group()) {
                (Some(user), _) => vec![user.clone()],
                (None, false) => vec![grant.user.clone()],
                (None, true) => {
                    let members = self.members.get(&grant.group).into_iter().flatten();
                    members.filter(|u| self.belongs(u, &grant.group, now)).cloned().collect()
                }
            };
            for scope in self.reaches(grant, places.as_deref()) {
                for user in &users {
                    for role in includes(grant.role) {
                        if filter.role.is_some_and(|r| r != role) {
                            continue;
                        }
                        if found.len() == most {
                            return (found, false);
                        }
                        found.push(Effective {
                            user: user.clone(),
                            role,
                            scope: scope.clone(),
                            group: grant.of_group().then(|| grant.group.clone()),
                            from: grant.inherited.then(|| grant.scope.clone()),
                            prior: (role != grant.role).then_some(grant.role),
                            expires: grant.expires,
                        });
                    }
                }
            }
        }
        (found, true)
    }

    /// The places in which a grant holds, of those that are asked for.
    fn reaches(&self, grant: &AssignmentSpec, places: Option<&[Scoped]>) -> Vec<Scoped> {
        match (&grant.scope, grant.inherited, places) {
            (scope, false, _) => {
                let asked = places.is_none_or(|p| p.contains(scope));
                if asked { vec![scope.clone()] } else { Vec::new() }
            }
            (scope, true, Some(places)) => {
                places.iter().filter(|p| self.sources(p).contains(scope)).cloned().collect()
            }
            (Scoped::Project(of) | Scoped::Domain(of), true, None) => {
                self.below(of).into_iter().map(Scoped::Project).collect()
            }
            (Scoped::System, true, None) => Vec::new(),
        }
    }
}

/// A role and those that it implies.
fn includes(role: Grant) -> Vec<Grant> {
    match role {
        Grant::Role(role) => implied(role).iter().map(|r| Grant::Role(*r)).collect(),
        duty => vec![duty],
    }
}
