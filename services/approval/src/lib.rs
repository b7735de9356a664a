//! Who has to agree before something happens: approvals of commands, and tenants' consents.
//!
//! Problem: "a second person looked at it" and "the tenant allowed it" are sentences in a ticket
//! beside the thing that was done. Mechanism: a rule, which is a row, says which commands wait and
//! for whom; the engine keeps such a command as a row instead of running it, and the vote that
//! completes the last stage runs it in the same transaction, by the same path, as its first actor
//! and on the world as it is then. A consent is a row too: an institution's manager lets the
//! provider's staff do named things for a time; policy alone gives them nothing. Not a workflow
//! engine: there are stages in order, votes, a deadline and a window, and nothing that could branch.
//!
//! Not built: delegation of a vote, reminders, a yearly review of rules, removing old requests, and
//! a way past a rule that nobody can satisfy. One person with two accounts counts as two.

mod approver;
mod consent;
mod due;
mod pattern;
mod request;
mod rest;
mod rule;
mod stage;

pub use approver::{Approvals, Clock};
pub use consent::{Consent, ConsentSpec, ConsentState, Decision, Thing};
pub use due::{due, tend};
pub use request::{Approval, ApprovalSpec, Outcome, State, Vote};
pub use rest::routes;
pub use rule::{ApprovalRule, Condition, RuleSpec};
pub use stage::{Stage, Voters, Within};

use jinyun_base::{Id, Refusal, Refused};
use jinyun_engine::{Command, Failure, Link, OnDelete, Registry, Verb};
use jinyun_policy::{Duty, PROVIDER, Role, Rule, Who};
use serde::de::DeserializeOwned;
use std::sync::Arc;

const SYSTEM_ADMIN: Who = Who::Duty(Duty::SystemAdmin);
const SECURITY: Who = Who::Duty(Duty::SecurityAdmin);
const AUDIT: Who = Who::Duty(Duty::AuditAdmin);
const MANAGER: Who = Who::Domain(Role::Manager);
const PLATFORM: &[Who] = &[Who::System];
/// Narrowed for each row by `request::sees`: its asker, whoever may vote, the manager, the auditor.
const AROUND: &[Who] = &[
    Who::Owner, Who::Project(Role::Reader), Who::Domain(Role::Reader), SYSTEM_ADMIN, SECURITY, AUDIT,
];
/// Narrowed by `rule::sees`: staff sees the platform's own, the auditor all.
const RULE_READERS: &[Who] =
    &[Who::Project(Role::Reader), Who::Domain(Role::Reader), SYSTEM_ADMIN, SECURITY, AUDIT];
/// An institution's manager writes its rules, the security administrator the platform's.
const RULE_WRITERS: &[Who] = &[MANAGER, SECURITY];

/// Who may do what.
pub const RULES: &[Rule] = &[
    // The engine keeps requests; nobody makes, changes or removes one by hand.
    Rule { action: "approval:approval:create", allow: &[] },
    Rule { action: "approval:approval:update", allow: &[] },
    Rule { action: "approval:approval:delete", allow: &[] },
    Rule { action: "approval:approval:show", allow: AROUND },
    Rule { action: "approval:approval:list", allow: AROUND },
    // Narrowed by the stages of the request.
    Rule { action: "approval:approval:vote", allow: AROUND },
    Rule { action: "approval:approval:explain", allow: &[Who::Owner] },
    Rule { action: "approval:approval:withdraw", allow: &[Who::Owner] },
    Rule { action: "approval:approval:run", allow: PLATFORM },
    Rule { action: "approval:approval:expire", allow: PLATFORM },
    Rule { action: "approval:approval:settle", allow: PLATFORM },
    Rule { action: "approval:approval_rule:create", allow: RULE_WRITERS },
    Rule { action: "approval:approval_rule:update", allow: RULE_WRITERS },
    Rule { action: "approval:approval_rule:delete", allow: RULE_WRITERS },
    Rule { action: "approval:approval_rule:show", allow: RULE_READERS },
    Rule { action: "approval:approval_rule:list", allow: RULE_READERS },
    // Staff asks; only a manager of the institution grants.
    Rule { action: "approval:consent:create", allow: &[MANAGER, SYSTEM_ADMIN, SECURITY] },
    Rule { action: "approval:consent:update", allow: &[] },
    Rule { action: "approval:consent:delete", allow: &[] },
    Rule { action: "approval:consent:show", allow: AROUND },
    Rule { action: "approval:consent:list", allow: AROUND },
    Rule { action: "approval:consent:vote", allow: &[MANAGER] },
    Rule { action: "approval:consent:revoke", allow: &[MANAGER] },
    Rule { action: "approval:consent:withdraw", allow: &[Who::Owner] },
    Rule { action: "approval:consent:expire", allow: PLATFORM },
];

/// Registers kinds, actions and rules. Nothing waits before [`install`].
pub fn register(registry: &mut Registry) {
    let (request, rule, consent) = ("approval", "approval_rule", "consent");
    registry.add::<Approval>().add::<ApprovalRule>().add::<Consent>()
        .action("approval:approval:vote", request, Verb::Own(request::vote))
        .action("approval:approval:explain", request, Verb::Own(request::explain))
        .action("approval:approval:withdraw", request, Verb::Own(request::withdraw))
        .action("approval:approval:run", request, Verb::Own(request::run))
        .action("approval:approval:expire", request, Verb::Own(request::expire))
        // Without a target: what it runs may have taken the request with it.
        .action("approval:approval:settle", "", Verb::Own(request::settle))
        .action("approval:approval_rule:create", rule, Verb::Own(rule::create))
        .action("approval:approval_rule:update", rule, Verb::Own(rule::update))
        .action("approval:approval_rule:delete", rule, Verb::Own(rule::delete))
        .action("approval:consent:create", consent, Verb::Own(consent::create))
        .action("approval:consent:vote", consent, Verb::Own(consent::vote))
        .action("approval:consent:revoke", consent, Verb::Own(consent::revoke))
        .action("approval:consent:withdraw", consent, Verb::Own(consent::withdraw))
        .action("approval:consent:expire", consent, Verb::Own(consent::expire))
        .rules(RULES);
}

/// Has the engine ask from now on. People are read from their rows at each question, so no directory
/// in memory is asked for.
pub fn install(registry: &mut Registry, clock: Clock) {
    registry.approver = Some(Arc::new(Approvals::new(clock)));
}

/// Longest reason and comment, in characters.
const SENTENCE: usize = 2000;

/// The resource that a command is about.
fn target(command: &Command) -> Result<&Id, Failure> {
    command.target.as_ref().ok_or_else(|| Refusal::invalid("id", "is missing").into())
}

/// A vote is one's own hand's: what was passed on, perhaps to whoever asked, does not cast it.
fn own_hand(command: &Command) -> Result<(), Refusal> {
    match command.via.delegated {
        true => Err(Refusal::new(Refused::Forbidden, "The token does not allow this request.")),
        false => Ok(()),
    }
}

/// A command's words.
fn read<T: DeserializeOwned>(command: &Command, what: &str) -> Result<T, Failure> {
    serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid(what, format!("cannot be read: {e}")).into())
}

/// Where a row lies it goes with it: what was decided there stays in the journal.
fn home(domain: &Id, project: &Id) -> Vec<Link> {
    let (kind, id) = match project.as_str() {
        "" => ("domain", domain.clone()),
        _ => ("project", project.clone()),
    };
    if id.as_str() == PROVIDER {
        return Vec::new();
    }
    vec![Link { role: "home", kind, id, on_delete: OnDelete::Cascade }]
}

/// A sentence that somebody wrote, within bounds and without control characters but line ends.
fn check_text(field: &str, text: &str, needed: bool) -> Result<(), Refusal> {
    if needed && text.trim().is_empty() {
        return Err(Refusal::invalid(field, "is empty: say why, whoever decides will read it"));
    }
    if text.chars().count() > SENTENCE {
        return Err(Refusal::invalid(field, format!("is longer than {SENTENCE} characters")));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Refusal::invalid(field, "holds a control character"));
    }
    Ok(())
}
