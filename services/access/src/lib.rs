//! What an institution adds to roles, and what holds whatever anybody's role is.
//!
//! Problem: three roles cannot say "deletions in production only with a second factor and from the
//! operators' room", and no role should be able to open a database to the world. Mechanism: two
//! things that can only say no. A *statement* is a row of an institution that narrows what roles
//! allow, asked after each positive decision, for commands and for each row of a list. A *guardrail*
//! is code, bound to clauses of a standard, that judges the rows a command would leave behind, as
//! strictly as the profile of their project asks. Neither gives anybody anything, so a reader of the
//! rules in each service still knows the most that somebody may do.
//!
//! Around them: why something was or would be refused, and which roles nobody uses.
//!
//! Not built: statements of the provider about its own staff, and about what lies below a project.

mod access;
mod book;
mod condition;
mod decision;
mod guardrail;
mod journal;
mod keepers;
mod pattern;
mod rails;
mod rest;
mod roles;
mod statement;
mod usage;

pub use access::{Access, Clock, Profiles};
pub use condition::Conditions;
pub use guardrail::{Guardrail, Profile, Violation, guardrails, violations};
pub use rest::routes;
pub use statement::{Effect, People, Statement, StatementSpec, Target};

use jinyun_base::{Id, Refusal};
use jinyun_engine::{Command, Failure, Registry, Verb};
use jinyun_identity::Directory;
use jinyun_policy::{Duty, Role, Rule, Who};
use serde::de::DeserializeOwned;
use std::sync::Arc;

const MANAGER: Who = Who::Domain(Role::Manager);
const AUDIT: Who = Who::Duty(Duty::AuditAdmin);
const READERS: &[Who] = &[Who::Domain(Role::Reader), AUDIT];

/// Who may do what.
pub const RULES: &[Rule] = &[
    // An institution's own: the provider's staff writes none.
    Rule { action: "access:statement:create", allow: &[MANAGER] },
    Rule { action: "access:statement:update", allow: &[MANAGER] },
    Rule { action: "access:statement:delete", allow: &[MANAGER] },
    Rule { action: "access:statement:show", allow: READERS },
    Rule { action: "access:statement:list", allow: READERS },
    // About oneself; about anybody of the institution.
    Rule { action: "access:decision:show", allow: &[Who::User] },
    Rule { action: "access:decision:simulate", allow: &[MANAGER, AUDIT] },
    Rule { action: "access:usage:list", allow: READERS },
    Rule { action: "access:guardrail:list", allow: &[Who::User] },
    Rule {
        action: "access:violation:list",
        allow: &[Who::Project(Role::Reader), Who::Domain(Role::Reader)],
    },
];

/// Registers kinds, actions and rules. Nothing is narrowed before [`install`].
pub fn register(registry: &mut Registry) {
    registry.add::<Statement>()
        .action("access:statement:create", "statement", Verb::Own(statement::create))
        .action("access:statement:update", "statement", Verb::Own(statement::update))
        .action("access:statement:delete", "statement", Verb::Own(statement::delete))
        .action("access:decision:show", "", Verb::Read)
        .action("access:decision:simulate", "", Verb::Read)
        .action("access:usage:list", "", Verb::Read)
        .action("access:guardrail:list", "", Verb::Read)
        .action("access:violation:list", "", Verb::Read)
        .rules(RULES);
}

/// Has the engine ask from now on. After all services are registered: what the last manager has to
/// be able to do is read from their rules. What is returned has to be told of each commit
/// ([`Access::apply`]), and of what is stored already ([`Access::load`]).
pub fn install(registry: &mut Registry, directory: Arc<Directory>, clock: Clock,
    profiles: Profiles) -> Arc<Access> {
    let keys = keepers::essential(registry);
    let access = Arc::new(Access::new(directory, clock, profiles, keys));
    registry.limiter = Some(access.clone());
    registry.guard = Some(access.clone());
    access
}

/// Longest description, in characters.
const SENTENCE: usize = 2000;

/// The resource that a command is about.
fn target(command: &Command) -> Result<&Id, Failure> {
    command.target.as_ref().ok_or_else(|| Refusal::invalid("id", "is missing").into())
}

/// A command's words.
fn read<T: DeserializeOwned>(command: &Command, what: &str) -> Result<T, Failure> {
    serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid(what, format!("cannot be read: {e}")).into())
}

/// A sentence that somebody wrote, within bounds and without control characters but line ends.
fn check_text(field: &str, text: &str) -> Result<(), Refusal> {
    if text.chars().count() > SENTENCE {
        return Err(Refusal::invalid(field, format!("is longer than {SENTENCE} characters")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Refusal::invalid(field, "holds a control character"));
    }
    Ok(())
}
