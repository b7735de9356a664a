//! Whether the operations by which a platform stands or falls wait for a second person.
//!
//! Problem: that a rule holds is tried elsewhere, but rules are settings, and a platform without any has
//! none to break. Mechanism: a closed list of what staff does that no tenant can undo, and for each the
//! rules of the platform that catch it wherever it is done. A stage is somebody else by itself: nobody
//! votes on what they asked for. A rule that whoever writes rules can lift alone covers its operation
//! and leaves the finding partial. Not on the list are exceptions from clauses, which ask for a second
//! person without any rule.

use super::{Found, error, failed, met};
use crate::finding::Verdict;
use crate::world::World;
use jinyun_approval::{ApprovalRule, Condition, RuleSpec};
use jinyun_identity::{Assignment, Grant};

/// What has to wait, and what it is.
const KEY: [(&str, &str); 5] = [
    ("identity:assignment:create", "giving a duty"),
    ("identity:domain:delete", "ending an institution with its keys"),
    ("evidence:catalogue:create", "installing a catalogue"),
    ("evidence:catalogue:delete", "removing a catalogue"),
    ("compute:host:delete", "taking a host out"),
];

/// Whether a rule makes staff wait with this, whatever it is about.
fn covers(rule: &RuleSpec, action: &str) -> bool {
    // Things of the platform lie in no project: they have no tag.
    let always = |condition: &Condition| matches!(condition, Condition::NoProjectTag(_));
    rule.platform() && rule.project.as_str().is_empty() && rule.action.fits(action)
        && rule.when.iter().all(always) && rule.stages.iter().any(|stage| stage.count > 0)
}

/// Each operation of the list waits for somebody else.
pub(super) fn approvals_set(world: &World) -> Found {
    let (rules, grants) = match (world.each::<ApprovalRule>(), world.each::<Assignment>()) {
        (Ok(rules), Ok(grants)) => (rules, grants),
        (Err(why), _) | (_, Err(why)) => return error(why),
    };
    // Without staff there is nobody who would have to wait.
    if !grants.iter().any(|grant| matches!(grant.spec.role, Grant::Duty(_))) {
        return error(format!("nobody holds a duty{}", super::NOTHING));
    }
    let (mut wrong, mut loose) = (Vec::new(), Vec::new());
    for (action, what) in KEY {
        let mut guards = rules.iter().filter(|rule| !rule.deleting && covers(&rule.spec, action))
            .map(|rule| rule.spec.guarded).peekable();
        if guards.peek().is_none() {
            wrong.push(format!("{what} ({action}) waits for nobody"));
        } else if !guards.any(|guarded| guarded) {
            loose.push(what);
        }
    }
    let count = KEY.len() as u64;
    if !wrong.is_empty() {
        return failed(count, &wrong);
    }
    let says = format!(
        "{count} key operations of the provider's staff wait for somebody else: {}",
        KEY.map(|(_, what)| what).join(", ")
    );
    match loose.is_empty() {
        true => met(count, format!("{says}; their rules are changed by their own stages alone")),
        false => {
            let says = format!(
                "{says} (the rules of {} can be lifted by the security administrator alone)",
                loose.join(", ")
            );
            Found { verdict: Verdict::Partly, ..met(count, says) }
        }
    }
}
