//! Networks, subnets, routers, ports and security groups: Neutron v2.0.
//!
//! Problem: addresses, MACs, names and joined ranges must be exclusive, a group or a subnet in use
//! must stay, and hosts must learn what of all that concerns them. Mechanism: everything is a
//! record; what is exclusive is a claim, what is used is a link, so the engine keeps both; only a
//! port is live, because only a port exists on a host. [`host::want`] reads the part of a host's
//! document from the records. There is no agent with a state of its own, so nothing to sync.
//!
//! Not offered: IPv6, shared and external networks, gateways and floating addresses, address
//! pairs, subnet pools, tags, creation in bulk. Their members are refused by name, their routes do
//! not exist, and no extension claims them.

mod address;
mod common;
mod extension;
pub mod host;
mod network;
mod port;
mod quota;
mod router;
mod security_group;
mod security_group_rule;
mod subnet;

pub use address::Pool;
pub use network::{Network, NetworkSpec};
pub use port::{Choice, FixedIp, PROBE, Port, PortSpec, create_port};
pub use router::{Interface, Router, RouterSpec};
pub use security_group::{SecurityGroup, SecurityGroupSpec, ensure_default_group};
pub use security_group_rule::{Direction, Ethertype, SecurityGroupRule, SecurityGroupRuleSpec};
pub use subnet::{HostRoute, Subnet, SubnetSpec};

use jinyun_engine::{Registry, Verb};
use jinyun_policy::{Duty, Role, Rule, Who};
use jinyun_rest::{Route, crud};

const READ: &[Who] = &[Who::Project(Role::Reader)];
const WRITE: &[Who] = &[Who::Project(Role::Member)];
/// The platform itself does these too: for a server, for a project that goes.
const WRITE_OR_SYSTEM: &[Who] = &[Who::Project(Role::Member), Who::System];

/// Who may do what.
pub const RULES: &[Rule] = &[
    Rule { action: "network:network:create", allow: WRITE },
    Rule { action: "network:network:update", allow: WRITE },
    Rule { action: "network:network:delete", allow: WRITE },
    Rule { action: "network:network:show", allow: READ },
    Rule { action: "network:network:list", allow: READ },
    Rule { action: "network:subnet:create", allow: WRITE },
    Rule { action: "network:subnet:update", allow: WRITE },
    Rule { action: "network:subnet:delete", allow: WRITE },
    Rule { action: "network:subnet:show", allow: READ },
    Rule { action: "network:subnet:list", allow: READ },
    Rule { action: "network:router:create", allow: WRITE },
    Rule { action: "network:router:update", allow: WRITE },
    Rule { action: "network:router:delete", allow: WRITE },
    Rule { action: "network:router:show", allow: READ },
    Rule { action: "network:router:list", allow: READ },
    Rule { action: "network:router:add_interface", allow: WRITE },
    Rule { action: "network:router:remove_interface", allow: WRITE },
    Rule { action: "network:port:create", allow: WRITE_OR_SYSTEM },
    Rule { action: "network:port:update", allow: WRITE_OR_SYSTEM },
    Rule { action: "network:port:delete", allow: WRITE_OR_SYSTEM },
    Rule { action: "network:port:show", allow: READ },
    Rule { action: "network:port:list", allow: READ },
    Rule { action: "network:port:bind", allow: &[Who::System] },
    Rule { action: "network:security_group:create", allow: WRITE },
    Rule { action: "network:security_group:update", allow: WRITE },
    Rule { action: "network:security_group:delete", allow: WRITE_OR_SYSTEM },
    Rule { action: "network:security_group:show", allow: READ },
    Rule { action: "network:security_group:list", allow: READ },
    // Whoever may look at a project's groups finds the default one: what it is, is fixed.
    Rule { action: "network:security_group:ensure", allow: READ },
    Rule { action: "network:security_group_rule:create", allow: WRITE },
    // Neutron has no change of a rule.
    Rule { action: "network:security_group_rule:update", allow: &[] },
    Rule { action: "network:security_group_rule:delete", allow: WRITE },
    Rule { action: "network:security_group_rule:show", allow: READ },
    Rule { action: "network:security_group_rule:list", allow: READ },
    Rule {
        action: "network:quota:show",
        allow: &[
            Who::Project(Role::Reader),
            Who::Duty(Duty::SystemAdmin),
            Who::Duty(Duty::AuditAdmin),
        ],
    },
];

/// Registers the service.
pub fn register(registry: &mut Registry) {
    registry.add::<Network>().add::<Subnet>().add::<Router>().add::<Port>()
        .add::<SecurityGroup>().add::<SecurityGroupRule>()
        .action("network:network:create", "network", Verb::Own(network::create))
        .action("network:router:add_interface", "router", Verb::Own(router::add_interface))
        .action("network:router:remove_interface", "router", Verb::Own(router::remove_interface))
        .action("network:port:create", "port", Verb::Own(port::create))
        .action("network:port:update", "port", Verb::Own(port::update))
        .action("network:port:delete", "port", Verb::Own(port::delete))
        .action("network:port:bind", "port", Verb::Own(port::bind))
        .action("network:security_group:create", "security_group",
            Verb::Own(security_group::create))
        .action("network:security_group:delete", "security_group",
            Verb::Own(security_group::delete))
        .action("network:security_group:ensure", "security_group",
            Verb::Own(security_group::ensure))
        .action("network:quota:show", "", Verb::Read)
        .rules(RULES);
    for &(item, limit) in quota::ITEMS {
        registry.quota(item, limit);
    }
}

const ALL: &[&str] = &["list", "create", "show", "update", "delete"];

/// What is offered, below the service's root.
pub fn routes() -> Vec<Route> {
    let mut routes = crud::<Network>("/v2.0/networks", ALL);
    routes.extend(crud::<Subnet>("/v2.0/subnets", ALL));
    routes.extend(crud::<Router>("/v2.0/routers", ALL));
    routes.extend(router::routes());
    routes.extend(crud::<Port>("/v2.0/ports", &["list", "create", "show", "update"]));
    routes.extend(port::routes());
    routes.extend(security_group::routes("/v2.0/security-groups", ALL));
    routes.extend(crud::<SecurityGroupRule>("/v2.0/security-group-rules",
        &["list", "create", "show", "delete"]));
    routes.extend(quota::routes());
    routes.extend(extension::routes());
    routes
}
