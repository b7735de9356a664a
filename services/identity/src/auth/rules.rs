//! What this part registers, and who may do what with it.

use super::{activity, recovery, routes};
use crate::compliance::{self, ComplianceKind};
use crate::lockout::{self, Lockout};
use jinyun_engine::{Registry, Verb};
use jinyun_policy::{Duty, Role, Rule, Who};

const MANAGER: Who = Who::Domain(Role::Manager);
const SECURITY: Who = Who::Duty(Duty::SecurityAdmin);
const PLATFORM: &[Who] = &[Who::System];
const NOBODY: &[Who] = &[];

const RULES: &[Rule] = &[
    // Half a sign-in; like a whole one, it is the proof itself.
    Rule { action: "identity:receipt:create", allow: &[Who::Nobody] },
    Rule { action: "identity:recovery:create", allow: &[Who::Owner] },
    Rule { action: "identity:recovery:show", allow: &[Who::Owner] },
    // Oneself first: then it is not by a role, and needs the proof of both factors.
    Rule { action: "identity:user:reset_factors", allow: &[Who::Owner, MANAGER, SECURITY] },
    Rule { action: "identity:user:limit_access", allow: &[MANAGER, SECURITY] },
    Rule { action: "identity:lockout:set", allow: PLATFORM },
    Rule { action: "identity:lockout:lift", allow: &[MANAGER, SECURITY] },
    Rule { action: "identity:alarm:raise", allow: PLATFORM },
    // Of the provider's own domain, and of one without a manager: the security administrator.
    Rule { action: "identity:compliance:update", allow: &[MANAGER, SECURITY] },
    Rule { action: "identity:compliance:delete", allow: &[MANAGER, SECURITY] },
    // Rows that only the commands above write, and nobody reads by themselves.
    Rule { action: "identity:compliance:create", allow: NOBODY },
    Rule { action: "identity:compliance:show", allow: NOBODY },
    Rule { action: "identity:compliance:list", allow: NOBODY },
    Rule { action: "identity:lockout:create", allow: NOBODY },
    Rule { action: "identity:lockout:update", allow: NOBODY },
    Rule { action: "identity:lockout:delete", allow: NOBODY },
    Rule { action: "identity:lockout:show", allow: NOBODY },
    Rule { action: "identity:lockout:list", allow: NOBODY },
    Rule { action: "identity:activity:create", allow: NOBODY },
    Rule { action: "identity:activity:update", allow: NOBODY },
    Rule { action: "identity:activity:delete", allow: NOBODY },
    Rule { action: "identity:activity:show", allow: NOBODY },
    Rule { action: "identity:activity:list", allow: NOBODY },
];

/// Registers it. After the service's other parts: a login is recorded by this one.
pub(crate) fn register(registry: &mut Registry) {
    registry.add::<ComplianceKind>().add::<Lockout>().add::<activity::Activity>()
        .action("identity:token:create", "user", Verb::Own(activity::record))
        .action("identity:receipt:create", "user", Verb::Own(activity::record))
        .action("identity:recovery:create", "user", Verb::Own(recovery::create))
        .action("identity:recovery:show", "user", Verb::Read)
        .action("identity:user:reset_factors", "user", Verb::Own(routes::reset_factors))
        .action("identity:user:limit_access", "user", Verb::Own(routes::limit_access))
        .action("identity:lockout:set", "user", Verb::Own(lockout::set))
        .action("identity:lockout:lift", "user", Verb::Own(lockout::lift))
        .action("identity:alarm:raise", "user", Verb::Own(lockout::alarm))
        .action("identity:compliance:update", "compliance", Verb::Own(compliance::set))
        .rules(RULES);
}
