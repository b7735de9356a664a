//! Which roles somebody has in a place, and through what.
//!
//! The directory's own answer to a request is one role; whoever asks why wants all the grants that
//! come together in it. They are put together here from what the directory tells about everybody, at
//! any moment: roles only end, so a moment that is asked for changes nothing in the directory.

use jinyun_base::{Id, Time};
use jinyun_identity::assignment::role_of;
use jinyun_identity::{AssignmentSpec, Directory, Grant, Scoped};
use jinyun_policy::{Actor, ActorKind, Scope};
use serde_json::{Value, json};

/// A grant that is about a place.
pub(crate) struct Granted {
    /// As it was given.
    pub spec: AssignmentSpec,
    /// It has not ended at the moment that is asked about.
    pub holds: bool,
}

/// Whether a grant reaches a place: given there, or to be inherited from above.
pub(crate) fn reaches(directory: &Directory, grant: &AssignmentSpec, scope: &Scoped) -> bool {
    if !grant.inherited {
        return grant.scope == *scope;
    }
    let Scoped::Project(project) = scope else { return false };
    match &grant.scope {
        Scoped::System => false,
        Scoped::Domain(domain) => directory.project(project).is_some_and(|p| p.domain == *domain),
        Scoped::Project(above) => directory.above(project).contains(above),
    }
}

/// The grants that a user has in a place, also those that have ended.
pub(crate) fn granted(directory: &Directory, user: &Id, scope: &Scoped, at: Time) -> Vec<Granted> {
    let mut all = directory.grants(user);
    // A group's grants are found by the group.
    all.extend(directory.groups_of(user).iter().flat_map(|group| directory.grants(group)));
    all.into_iter().filter(|grant| reaches(directory, grant, scope))
        .map(|spec| Granted { holds: spec.holds(at), spec }).collect()
}

/// A place, as the API shows it.
pub(crate) fn place(scope: &Scoped) -> Value {
    match scope {
        Scoped::System => json!({ "system": true }),
        Scoped::Domain(id) => json!({ "domain_id": id }),
        Scoped::Project(id) => json!({ "project_id": id }),
    }
}

impl Granted {
    /// As the API shows it.
    pub fn show(&self) -> Value {
        let spec = &self.spec;
        json!({
            "role": role_of(spec.role).1,
            "given_in": place(&spec.scope),
            "inherited": spec.inherited,
            "group_id": spec.of_group().then_some(&spec.group),
            "expires_at": spec.expires.map(|at| Time(at).seconds()),
            "holds": self.holds,
        })
    }
}

/// The actor that a user would be in a place at a moment, or why it could not work there.
pub(crate) fn actor(directory: &Directory, user: &Id, scope: &Scoped, grants: &[Granted])
    -> Result<Actor, &'static str> {
    let account = directory.user(user).ok_or("there is no such user")?;
    let enabled = |domain: &Id| directory.domain(domain).is_some_and(|d| d.enabled);
    if !account.enabled || !enabled(&account.domain) {
        return Err("the account or its domain is disabled");
    }
    let open = match scope {
        Scoped::System => Scope::System,
        Scoped::Domain(domain) => match enabled(domain) {
            true => Scope::Domain(domain.clone()),
            false => return Err("the domain is disabled"),
        },
        Scoped::Project(id) => {
            let project = directory.project(id).ok_or("there is no such project")?;
            let on = |id: &Id| directory.project(id).is_some_and(|p| p.enabled);
            if !project.enabled || !enabled(&project.domain) || !directory.above(id).iter().all(on) {
                return Err("the project, one above it or its domain is disabled");
            }
            Scope::Project { project: id.clone(), domain: project.domain }
        }
    };
    let mut actor = Actor {
        kind: ActorKind::User,
        id: user.clone(),
        domain: account.domain,
        scope: open,
        role: None,
        duty: None,
    };
    for grant in grants.iter().filter(|g| g.holds) {
        match grant.spec.role {
            Grant::Role(role) => actor.role = actor.role.max(Some(role)),
            Grant::Duty(duty) => actor.duty = Some(duty),
        }
    }
    match actor.role.is_none() && actor.duty.is_none() {
        true => Err("no role holds there"),
        false => Ok(actor),
    }
}
