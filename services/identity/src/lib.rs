//! Who there is, what roles they hold, and how they prove it: Keystone v3.
//!
//! Domains are institutions, projects hold resources and lie in trees, users sign in, assignments
//! give roles to users and groups. The domain `default` holds the provider's staff and no projects.
//! Three duties exclude each other; there is no role above them. What somebody passes on (an
//! application credential, a trust) gives at each use at most what they still hold. An institution's
//! people can sign in by its own identity provider (`federation`).

mod app_credential;
pub mod assignment;
mod auth;
mod compliance;
mod credential;
mod device;
mod directory;
mod domain;
mod external;
mod federation;
mod first;
mod group;
mod keepers;
mod limit;
mod lockout;
mod names;
mod openstack;
mod passkey;
mod project;
mod receipt;
mod session;
mod token;
mod totp;
mod trust;
mod user;
mod window;

pub use app_credential::{Access, AccessRule, AccessSpec, AppCredential, AppCredentialSpec};
pub use assignment::{Assignment, AssignmentSpec, Grant, Scoped};
pub use auth::Identity;
pub use compliance::{Compliance, ComplianceKind};
pub use credential::{Credential, CredentialSpec};
pub use directory::Directory;
pub use domain::{Domain, DomainSpec};
pub use external::{
    Answer, Directories, DirectorySpec, Entry, LONGEST_PASSWORD, LdapSettings, Server, Unreachable,
    UserDirectory, servers,
};
pub use first::{first_start, Initial};
pub use group::{Group, GroupSpec, Membership, MembershipSpec};
pub use limit::{Limit, LimitSpec};
pub use names::fold;
pub use lockout::{Lockout, LockoutSpec};
pub use openstack::{Service, routes};
pub use passkey::{Passkey, PasskeySpec, RelyingParty};
pub use project::{Project, ProjectSpec};
pub use receipt::RECEIPT_HEADER;
pub use token::{Federation, LIFETIME, Signed, Token};
pub use trust::{Trust, TrustSpec};
pub use user::{Federated, User, UserOptions, UserSpec};
pub use window::Hours;

use jinyun_engine::{Registry, Verb};
use jinyun_policy::{Duty, Role, Rule, Who};

use Who::{Domain as InDomain, Duty as OnDuty, Owner, Project as InProject};

const SECURITY: Who = OnDuty(Duty::SecurityAdmin);
const SYSTEM: Who = OnDuty(Duty::SystemAdmin);
const AUDIT: Who = OnDuty(Duty::AuditAdmin);
const MANAGER: Who = InDomain(Role::Manager);

/// Who may do what. The rules of signing in, of its locks and of security rules stand with them, in
/// `auth`.
pub const RULES: &[Rule] = &[
    Rule { action: "identity:domain:create", allow: &[SECURITY, Who::System] },
    Rule { action: "identity:domain:update", allow: &[SECURITY] },
    Rule { action: "identity:domain:delete", allow: &[SECURITY] },
    // Owner: whoever works in it (`openstack::domains::look`).
    Rule {
        action: "identity:domain:show",
        allow: &[SECURITY, SYSTEM, AUDIT, InDomain(Role::Reader), Owner, Who::System],
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
    // The security administrator: staff only, and not their passwords (`keepers::staff_only`).
    Rule { action: "identity:user:update", allow: &[MANAGER, SECURITY] },
    Rule { action: "identity:user:delete", allow: &[MANAGER, SECURITY] },
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
    Rule { action: "identity:group:create", allow: &[MANAGER] },
    Rule { action: "identity:group:update", allow: &[MANAGER] },
    Rule { action: "identity:group:delete", allow: &[MANAGER] },
    Rule { action: "identity:group:show", allow: &[MANAGER, InDomain(Role::Reader), SECURITY, AUDIT] },
    Rule { action: "identity:group:list", allow: &[MANAGER, InDomain(Role::Reader), SECURITY, AUDIT] },
    Rule { action: "identity:membership:create", allow: &[MANAGER] },
    Rule { action: "identity:membership:update", allow: &[] },
    Rule { action: "identity:membership:delete", allow: &[MANAGER] },
    Rule {
        action: "identity:membership:show",
        allow: &[MANAGER, InDomain(Role::Reader), SECURITY, AUDIT, Owner],
    },
    Rule {
        action: "identity:membership:list",
        allow: &[MANAGER, InDomain(Role::Reader), SECURITY, AUDIT, Owner],
    },
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
    // Whoever works in a project, for themselves.
    Rule { action: "identity:application_credential:create", allow: &[Who::User] },
    Rule { action: "identity:application_credential:update", allow: &[] },
    Rule { action: "identity:application_credential:delete", allow: &[Owner, MANAGER] },
    Rule { action: "identity:application_credential:show", allow: &[Owner, MANAGER] },
    Rule { action: "identity:application_credential:list", allow: &[Owner, MANAGER] },
    Rule { action: "identity:access_rule:create", allow: &[] },
    Rule { action: "identity:access_rule:update", allow: &[] },
    Rule { action: "identity:access_rule:delete", allow: &[Owner, MANAGER] },
    Rule { action: "identity:access_rule:show", allow: &[Owner, MANAGER] },
    Rule { action: "identity:access_rule:list", allow: &[Owner, MANAGER] },
    // Owner: the trustor; for a look the trustee too (`openstack::trusts::look`).
    Rule { action: "identity:trust:create", allow: &[Who::User] },
    Rule { action: "identity:trust:update", allow: &[] },
    Rule { action: "identity:trust:delete", allow: &[Owner, MANAGER] },
    Rule { action: "identity:trust:show", allow: &[Owner, MANAGER] },
    Rule { action: "identity:trust:list", allow: &[Owner, MANAGER] },
    Rule { action: "identity:trust:consume", allow: &[Who::System] },
    // What is shown never holds the secret. A lost second factor is reset, not deleted.
    Rule { action: "identity:credential:create", allow: &[Who::User] },
    Rule { action: "identity:credential:update", allow: &[] },
    Rule { action: "identity:credential:delete", allow: &[Owner, MANAGER, SECURITY] },
    Rule { action: "identity:credential:show", allow: &[Owner, MANAGER, SECURITY, AUDIT] },
    Rule { action: "identity:credential:list", allow: &[Owner, MANAGER, SECURITY, AUDIT] },
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
    registry.add::<Domain>().add::<Project>().add::<User>().add::<Group>().add::<Membership>()
        .add::<Assignment>().add::<AppCredential>().add::<Access>().add::<Trust>()
        .add::<Credential>().add::<Limit>().add::<token::Revocation>()
        .action("identity:domain:create", "domain", Verb::Own(domain::create))
        .action("identity:domain:delete", "domain", Verb::Own(domain::delete))
        .action("identity:domain:update", "domain", Verb::Own(keepers::update_domain))
        .action("identity:project:create", "project", Verb::Own(project::create))
        .action("identity:project:update", "project", Verb::Own(keepers::update_project))
        .action("identity:user:create", "user", Verb::Own(user::create))
        .action("identity:user:update", "user", Verb::Own(keepers::update_user))
        .action("identity:user:delete", "user", Verb::Own(keepers::delete_user))
        .action("identity:user:change_password", "user", Verb::Own(user::change_password))
        .action("identity:group:delete", "group", Verb::Own(group::delete))
        .action("identity:membership:create", "membership", Verb::Own(group::join))
        .action("identity:membership:delete", "membership", Verb::Own(group::leave))
        .action("identity:assignment:create", "assignment", Verb::Own(assignment::create))
        .action("identity:assignment:delete", "assignment", Verb::Own(assignment::delete))
        .action("identity:application_credential:create", "application_credential",
            Verb::Own(app_credential::create))
        .action("identity:access_rule:delete", "access_rule", Verb::Own(app_credential::delete_rule))
        .action("identity:trust:create", "trust", Verb::Own(trust::create))
        .action("identity:trust:consume", "trust", Verb::Own(trust::consume))
        .action("identity:credential:create", "credential", Verb::Own(credential::create))
        .action("identity:credential:delete", "credential", Verb::Own(credential::delete))
        .action("identity:limit:create", "limit", Verb::Own(limit::create))
        .action("identity:token:revoke", "user", Verb::Own(token::revoke))
        .rules(RULES);
    auth::register(registry);
    external::register(registry);
    federation::register(registry);
    passkey::register(registry);
    device::register(registry);
    registry.action("identity:compliance:delete", "compliance", Verb::Own(domain::drop_compliance));
}
