//! Who there is, what roles they hold, and how they prove it: Keystone v3.
//!
//! Domains are institutions, projects hold resources, users sign in, assignments give roles. The
//! domain `default` holds the provider's staff and no projects. Three duties exclude each other;
//! there is no role above them. Groups, application credentials, trusts and federation are not
//! offered yet.

pub mod assignment;
mod auth;
mod directory;
mod domain;
mod first;
mod limit;
mod openstack;
mod project;
mod token;
mod user;

pub use assignment::{Assignment, AssignmentSpec, Grant, Scoped};
pub use auth::Identity;
pub use directory::Directory;
pub use domain::{Domain, DomainSpec};
pub use first::{first_start, Initial};
pub use limit::{Limit, LimitSpec};
pub use openstack::{Service, routes};
pub use project::{Project, ProjectSpec};
pub use token::{LIFETIME, Signed, Token};
pub use user::{User, UserSpec};

use jinyun_engine::{Registry, Verb};
use jinyun_policy::{Duty, Role, Rule, Who};

use Who::{Domain as InDomain, Duty as OnDuty, Owner, Project as InProject};

const SECURITY: Who = OnDuty(Duty::SecurityAdmin);
const SYSTEM: Who = OnDuty(Duty::SystemAdmin);
const AUDIT: Who = OnDuty(Duty::AuditAdmin);
const MANAGER: Who = InDomain(Role::Manager);

/// Who may do what.
pub const RULES: &[Rule] = &[
    Rule { action: "identity:domain:create", allow: &[SECURITY, Who::System] },
    Rule { action: "identity:domain:update", allow: &[SECURITY] },
    Rule { action: "identity:domain:delete", allow: &[SECURITY] },
    Rule {
        action: "identity:domain:show",
        allow: &[SECURITY, SYSTEM, AUDIT, InDomain(Role::Reader), Who::System],
    },
    Rule { action: "identity:domain:list", allow: &[SECURITY, SYSTEM, AUDIT, InDomain(Role::Reader)] },
    Rule { action: "identity:project:create", allow: &[MANAGER, Who::System] },
    Rule { action: "identity:project:update", allow: &[MANAGER] },
    Rule { action: "identity:project:delete", allow: &[MANAGER, Who::System] },
    Rule {
        action: "identity:project:show",
        allow: &[MANAGER, InDomain(Role::Reader), InProject(Role::Reader), SECURITY, SYSTEM, AUDIT],
    },
    Rule {
        action: "identity:project:list",
        allow: &[MANAGER, InDomain(Role::Reader), InProject(Role::Reader), SECURITY, SYSTEM, AUDIT],
    },
    Rule { action: "identity:user:create", allow: &[MANAGER, SECURITY, Who::System] },
    Rule { action: "identity:user:update", allow: &[MANAGER] },
    Rule { action: "identity:user:delete", allow: &[MANAGER] },
    Rule {
        action: "identity:user:show",
        allow: &[MANAGER, InDomain(Role::Reader), Owner, SECURITY, AUDIT],
    },
    Rule {
        action: "identity:user:list",
        allow: &[MANAGER, InDomain(Role::Reader), Owner, SECURITY, AUDIT],
    },
    // Proved by the old password, not by a token: an expired one has to be changed without.
    Rule { action: "identity:user:change_password", allow: &[Who::Nobody] },
    Rule { action: "identity:token:create", allow: &[Who::Nobody] },
    Rule { action: "identity:token:revoke", allow: &[Who::User] },
    Rule { action: "identity:assignment:create", allow: &[MANAGER, SECURITY, Who::System] },
    Rule { action: "identity:assignment:update", allow: &[] },
    Rule { action: "identity:assignment:delete", allow: &[MANAGER, SECURITY] },
    Rule {
        action: "identity:assignment:show",
        allow: &[MANAGER, InDomain(Role::Reader), SECURITY, AUDIT, Owner],
    },
    Rule {
        action: "identity:assignment:list",
        allow: &[MANAGER, InDomain(Role::Reader), SECURITY, AUDIT, Owner],
    },
    Rule { action: "identity:limit:create", allow: &[SYSTEM] },
    Rule { action: "identity:limit:update", allow: &[SYSTEM] },
    Rule { action: "identity:limit:delete", allow: &[SYSTEM] },
    Rule { action: "identity:limit:show", allow: &[SYSTEM, AUDIT, InProject(Role::Reader), MANAGER] },
    Rule { action: "identity:limit:list", allow: &[SYSTEM, AUDIT, InProject(Role::Reader), MANAGER] },
    Rule { action: "identity:revocation:create", allow: &[] },
    Rule { action: "identity:revocation:update", allow: &[] },
    Rule { action: "identity:revocation:delete", allow: &[Who::System] },
    Rule { action: "identity:revocation:show", allow: &[] },
    Rule { action: "identity:revocation:list", allow: &[] },
];

/// Registers the service.
pub fn register(registry: &mut Registry) {
    registry.add::<Domain>().add::<Project>().add::<User>().add::<Assignment>().add::<Limit>()
        .add::<token::Revocation>()
        .action("identity:domain:create", "domain", Verb::Own(domain::create))
        .action("identity:project:create", "project", Verb::Own(project::create))
        .action("identity:user:create", "user", Verb::Own(user::create))
        .action("identity:user:change_password", "user", Verb::Own(user::change_password))
        .action("identity:assignment:create", "assignment", Verb::Own(assignment::create))
        .action("identity:assignment:delete", "assignment", Verb::Own(assignment::delete))
        .action("identity:token:create", "user", Verb::Own(token::create))
        .action("identity:token:revoke", "user", Verb::Own(token::revoke))
        .rules(RULES);
}
