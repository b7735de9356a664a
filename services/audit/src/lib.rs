//! The journal for those whom it is about: what was done, by whom, what was refused, and the proof.
//!
//! Problem: a journal that only the provider can read is the provider's word. Mechanism: an
//! institution reads its own sequence of entries over the API, with both trees' proofs that each of
//! them stands under a signed checkpoint, and takes an export away that a verifier checks without a
//! network. The audit administrator reads all institutions; if that takes a tenant's entries away,
//! the tenant's own journal says so. Nothing here is a row of its own: an entry is shown as the bytes
//! that were signed.
//!
//! Entries of a project are not told apart: an entry names its institution, not its project, so a
//! token of a project opens nothing here.

mod ask;
mod export;
mod forest;
mod routes;

pub use routes::{Audit, Dress, routes};

use jinyun_engine::{Command, Ctx, Failure, Registry, Verb};
use jinyun_policy::{Duty, Role, Rule, Who};
use serde_json::Value;

const AUDITOR: Who = Who::Duty(Duty::AuditAdmin);
const SECURITY: Who = Who::Duty(Duty::SecurityAdmin);

/// A tenant's entries: its own people with a token of the institution, and the auditor.
const TENANTS: &[Who] = &[Who::Domain(Role::Reader), AUDITOR];
/// The provider's own entries.
const STAFF: &[Who] = &[AUDITOR, SECURITY];
/// What says nothing about anybody: signed roots, and how they belong together.
const PROOFS: &[Who] = &[Who::Domain(Role::Reader), AUDITOR, SECURITY];

/// Who may do what.
pub const RULES: &[Rule] = &[
    Rule { action: "audit:entry:list", allow: TENANTS },
    Rule { action: "audit:entry:show", allow: TENANTS },
    Rule { action: "audit:entry:export", allow: TENANTS },
    Rule { action: "audit:staff:list", allow: STAFF },
    Rule { action: "audit:staff:show", allow: STAFF },
    Rule { action: "audit:staff:export", allow: STAFF },
    Rule { action: "audit:journal:list", allow: &[AUDITOR] },
    Rule { action: "audit:journal:show", allow: &[AUDITOR] },
    Rule { action: "audit:checkpoint:list", allow: PROOFS },
    Rule { action: "audit:checkpoint:show", allow: PROOFS },
    Rule { action: "audit:proof:show", allow: PROOFS },
];

/// Registers the actions.
pub fn register(registry: &mut Registry) {
    for rule in RULES {
        let verb = match rule.action.ends_with(":export") {
            true => Verb::Own(record),
            false => Verb::Read,
        };
        registry.action(rule.action, "", verb);
    }
    registry.rules(RULES);
}

/// The entry of an export: what was taken away.
fn record(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    ctx.note(command.args.clone());
    Ok(Value::Null)
}
