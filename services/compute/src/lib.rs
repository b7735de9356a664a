//! Servers and what they are made of: Nova v2.1.
//!
//! Flavors are the provider's sizes, key pairs the users' public keys, servers the projects' guests;
//! hosts are records of the machines that carry them. A server is made with its disk and ports in
//! one command, placed by its plan, and becomes real through its host's document ([`want()`]), which
//! the agent converges to. [`Hosts`] keeps what hosts were told and what they report.
//!
//! Offered is microversion 2.1 alone. Not offered yet: reboot, rebuild, resize, migration, starting
//! from a volume, attaching to a server that is there, labels after the creation, server groups.

mod flavor;
mod hosts;
mod keypair;
mod list;
mod pair;
mod project;
pub mod server;

pub use flavor::{Flavor, FlavorSpec, first_start};
pub use hosts::{Guest, Host, HostSpec, Hosts, pages, placed, registration, waiting, want};
pub use keypair::{Keypair, KeypairSpec, read_key};
pub use server::password::{
    PASSWORD, PASSWORD_KEPT, about_password, forget_password, overdue, untaken,
};
pub use server::{Attached, Console, Server, ServerSpec, ServerStatus, Size};

use jinyun_engine::{Registry, Verb};
use jinyun_kms::Kms;
use jinyun_policy::{Duty, Role, Rule, Who};
use jinyun_rest::Route;
use std::sync::Arc;

const SYSTEM_ADMIN: Who = Who::Duty(Duty::SystemAdmin);
const AUDIT_ADMIN: Who = Who::Duty(Duty::AuditAdmin);
const READ: &[Who] = &[Who::Project(Role::Reader)];
const WRITE: &[Who] = &[Who::Project(Role::Member)];
/// Keeping a guest alive or ending it, and what one has to see for that: the provider's staff under
/// the institution's consent. Lists are never open to a consent.
const CONSENTED: Who = Who::Consented(Duty::SystemAdmin);
const SEEN_OR_CONSENTED: &[Who] = &[Who::Project(Role::Reader), CONSENTED];
const RUN_OR_CONSENTED: &[Who] = &[Who::Project(Role::Member), CONSENTED];
const SYSTEM: &[Who] = &[Who::System];
const OFFERED: &[Who] = &[Who::Shared, SYSTEM_ADMIN, AUDIT_ADMIN];
const STAFF: &[Who] = &[SYSTEM_ADMIN, AUDIT_ADMIN];

/// Who may do what.
pub const RULES: &[Rule] = &[
    Rule { action: "compute:flavor:create", allow: &[SYSTEM_ADMIN] },
    // A flavor never changes: servers that were made of it would not.
    Rule { action: "compute:flavor:update", allow: &[] },
    Rule { action: "compute:flavor:delete", allow: &[SYSTEM_ADMIN] },
    Rule { action: "compute:flavor:show", allow: OFFERED },
    Rule { action: "compute:flavor:list", allow: OFFERED },
    Rule { action: "compute:flavor:bootstrap", allow: SYSTEM },
    // For oneself only: the action takes the owner from the actor.
    Rule { action: "compute:keypair:create", allow: &[Who::User] },
    Rule { action: "compute:keypair:update", allow: &[] },
    Rule { action: "compute:keypair:delete", allow: &[Who::Owner] },
    Rule { action: "compute:keypair:show", allow: &[Who::Owner] },
    Rule { action: "compute:keypair:list", allow: &[Who::Owner] },
    Rule { action: "compute:server:create", allow: WRITE },
    Rule { action: "compute:server:update", allow: WRITE },
    Rule { action: "compute:server:delete", allow: WRITE },
    Rule { action: "compute:server:show", allow: SEEN_OR_CONSENTED },
    Rule { action: "compute:server:list", allow: READ },
    Rule { action: "compute:server:start", allow: RUN_OR_CONSENTED },
    Rule { action: "compute:server:stop", allow: RUN_OR_CONSENTED },
    // A console may show what only those who enter the guest should see.
    Rule { action: "compute:server:console", allow: RUN_OR_CONSENTED },
    Rule { action: "compute:server:place", allow: SYSTEM },
    Rule { action: "compute:server:ended", allow: SYSTEM },
    Rule { action: "compute:server:release", allow: SYSTEM },
    Rule { action: "compute:server:password", allow: SYSTEM },
    Rule { action: "compute:server:forget", allow: SYSTEM },
    // Hosts record themselves.
    Rule { action: "compute:host:create", allow: &[] },
    Rule { action: "compute:host:update", allow: &[] },
    Rule { action: "compute:host:delete", allow: &[SYSTEM_ADMIN] },
    Rule { action: "compute:host:show", allow: STAFF },
    Rule { action: "compute:host:list", allow: STAFF },
    Rule { action: "compute:host:register", allow: SYSTEM },
    Rule {
        action: "compute:quota:show",
        allow: &[Who::Project(Role::Reader), SYSTEM_ADMIN, AUDIT_ADMIN],
    },
];

/// Registers the service.
pub fn register(registry: &mut Registry) {
    use server::{acts, create};
    registry.add::<Flavor>().add::<Keypair>().add::<Server>().add::<Host>()
        .action("compute:flavor:bootstrap", "flavor", Verb::Own(flavor::bootstrap))
        .action("compute:keypair:create", "keypair", Verb::Own(keypair::create))
        .action("compute:server:create", "server", Verb::Own(create::create))
        .action("compute:server:start", "server", Verb::Own(acts::start))
        .action("compute:server:stop", "server", Verb::Own(acts::stop))
        .action("compute:server:console", "server", Verb::Read)
        .action("compute:server:place", "server", Verb::Own(acts::place))
        .action("compute:server:ended", "server", Verb::Own(acts::ended))
        .action("compute:server:release", "server", Verb::Own(acts::release))
        .action("compute:server:password", "server", Verb::Own(acts::password))
        .action("compute:server:forget", "server", Verb::Own(acts::forget))
        .action("compute:host:register", "host", Verb::Own(hosts::register))
        .action("compute:quota:show", "", Verb::Read)
        .rules(RULES);
    for (item, limit) in project::ITEMS {
        registry.quota(item, *limit);
    }
}

/// What is offered, below the service's root. `console` asks a host for a server's console; `kms`
/// seals passwords of guests.
pub fn routes(console: Console, kms: Arc<Kms>) -> Vec<Route> {
    let mut routes = flavor::routes();
    routes.extend(keypair::routes());
    routes.extend(server::routes(console, kms));
    routes.extend(hosts::routes());
    routes.extend(project::routes());
    routes
}
