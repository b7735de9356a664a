//! Which patterns a rule and a consent may have, and what a rule can make wait.
//!
//! Less than a pattern may say: the service is always named, so whoever reads a rule knows whose
//! commands it stops.

use jinyun_base::Refusal;
use jinyun_engine::{Registry, Verb};
use jinyun_policy::Pattern;

/// What never waits, whatever a rule says, by the beginning of its name.
const NEVER: &[&str] = &[
    // A vote that waits for a vote; a rule guards itself with `guarded`.
    "approval:",
    "engine:",
    // The record of something that has been done already.
    "evidence:",
    "audit:",
    // Signing in and out, and proving who one is.
    "identity:token:",
    "identity:device:",
    "identity:passkey:",
    "identity:user:change_password",
    // Done by the way when somebody looks.
    "network:security_group:ensure",
    // The data has arrived and cannot wait: the creation of the image can.
    "image:image:activate",
    "image:image:supply",
];

/// What of those can wait all the same: by what everything is judged.
const BUT: &[&str] = &["evidence:catalogue:create", "evidence:catalogue:delete"];

/// Whether an action never waits.
pub(crate) fn never(action: &str) -> bool {
    NEVER.iter().any(|start| action.starts_with(start)) && !BUT.contains(&action)
}

/// Refuses what is no pattern that names a service.
pub(crate) fn check(pattern: &Pattern, field: &str) -> Result<(), Refusal> {
    let Some([service, kind, verb]) = pattern.words() else {
        let say = "must be three words `service:kind:verb`; kind and verb may be `*`";
        return Err(Refusal::invalid(field, say));
    };
    let any = |w: &str| w == "*" || Pattern::word(w);
    if !(Pattern::word(service) && any(kind) && any(verb)) {
        let say = "must be words of a-z, 0-9 and _; kind and verb may be `*`, the service may not";
        return Err(Refusal::invalid(field, say));
    }
    // A rule for all that identity does would catch what signing in does by the way.
    if service == "identity" && kind == "*" {
        return Err(Refusal::invalid(field, "must name the kind for the service identity"));
    }
    Ok(())
}

/// Refuses what is no pattern of a rule: what it catches has to be able to wait.
pub(crate) fn check_rule(pattern: &Pattern, field: &str) -> Result<(), Refusal> {
    check(pattern, field)?;
    if never(pattern.as_str()) && !BUT.iter().any(|action| pattern.fits(action)) {
        return Err(Refusal::invalid(field, "names what cannot wait for an approval"));
    }
    Ok(())
}

/// Whether there is any operation that a pattern could make wait: one that changes something, and
/// that some person may do.
pub(crate) fn catches(pattern: &Pattern, registry: &Registry) -> bool {
    let changes = |action: &str| {
        registry.find_action(action).is_some_and(|def| !matches!(def.verb, Verb::Read))
    };
    pattern.stands_for(&registry.policy).into_iter().any(|a| changes(a) && !never(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pattern_of_a_rule_is_refused() {
        for good in ["compute:server:delete", "network:*:delete", "identity:assignment:*", "a:*:*"] {
            assert_eq!(check_rule(&Pattern::new(good), "action"), Ok(()), "{good}");
        }
        let bad = ["", "compute", "compute:server", "compute:server:delete:now", "*:server:delete",
            "compute:server:", "Compute:server:delete", "compute:ser*:delete", "identity:*:delete"];
        for text in bad {
            let refusal = check(&Pattern::new(text), "action").unwrap_err();
            assert!(refusal.message.starts_with("action "), "{text}: {refusal}");
            assert_eq!(check_rule(&Pattern::new(text), "action"), Err(refusal), "{text}");
        }
        for good in ["evidence:*:*", "evidence:catalogue:*", "evidence:catalogue:create",
            "evidence:*:delete"] {
            assert_eq!(check_rule(&Pattern::new(good), "action"), Ok(()), "{good}");
        }
        // A pattern that stands for both catches only what can wait.
        for (action, waits) in [("evidence:catalogue:create", true), ("evidence:catalogue:delete", true),
            ("evidence:catalogue:load", false), ("evidence:posture:seal", false),
            ("evidence:assessment:create", false)] {
            assert_eq!(!never(action), waits, "{action}");
        }
        for waits_never in ["approval:approval_rule:delete", "identity:token:create",
            "identity:passkey:delete", "identity:passkey:*", "audit:*:*", "image:image:supply",
            "evidence:posture:*", "evidence:catalogue:load"] {
            let pattern = Pattern::new(waits_never);
            assert_eq!(check(&pattern, "action"), Ok(()), "{waits_never}");
            let refusal = check_rule(&pattern, "action").unwrap_err();
            assert!(refusal.message.contains("cannot wait"), "{waits_never}: {refusal}");
        }
    }
}
