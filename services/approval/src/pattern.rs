//! Which actions a rule is about: `compute:server:delete`, `network:*:delete`.
//!
//! Three words, of which the last two may be `*`. Not regular expressions: whoever reads a rule must
//! see at once what it catches.

use jinyun_base::Refusal;
use jinyun_engine::{Registry, Verb};
use jinyun_policy::Who;
use serde::{Deserialize, Serialize};

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
    "identity:user:change_password",
    // Done by the way when somebody looks.
    "network:security_group:ensure",
    // The data has arrived and cannot wait: the creation of the image can.
    "image:image:activate",
    "image:image:supply",
];

/// Whether an action never waits.
pub(crate) fn never(action: &str) -> bool {
    NEVER.iter().any(|start| action.starts_with(start))
}

/// A pattern of actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// Takes a pattern as text; [`Pattern::check`] says whether it is one.
    pub fn new(text: impl Into<String>) -> Pattern {
        Pattern(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an action is one of those.
    pub fn fits(&self, action: &str) -> bool {
        let mut words = action.split(':');
        let fit = self.0.split(':').all(|p| words.next().is_some_and(|w| p == "*" || p == w));
        fit && words.next().is_none()
    }

    /// Refuses what is no pattern.
    pub fn check(&self, field: &str) -> Result<(), Refusal> {
        let word = |w: &str| {
            !w.is_empty() && w.len() <= 60
                && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let words: Vec<&str> = self.0.split(':').collect();
        let [service, kind, verb] = words[..] else {
            let say = "must be three words `service:kind:verb`; kind and verb may be `*`";
            return Err(Refusal::invalid(field, say));
        };
        let any = |w: &str| w == "*" || word(w);
        let fine = word(service) && any(kind) && any(verb);
        if !fine {
            let say = "must be words of a-z, 0-9 and _; kind and verb may be `*`, the service may not";
            return Err(Refusal::invalid(field, say));
        }
        // A rule for all that identity does would catch what signing in does by the way.
        if service == "identity" && kind == "*" {
            return Err(Refusal::invalid(field, "must name the kind for the service identity"));
        }
        if never(&format!("{service}:{kind}:{verb}")) {
            return Err(Refusal::invalid(field, "names what cannot wait for an approval"));
        }
        Ok(())
    }

    /// Whether there is any operation that it could make wait: one that changes something, and that
    /// some person may do.
    pub(crate) fn catches(&self, registry: &Registry) -> bool {
        let person = |who: &Who| !matches!(who, Who::System | Who::Nobody);
        registry.policy.actions().into_iter().any(|(action, allow)| {
            let changes =
                registry.find_action(action).is_some_and(|def| !matches!(def.verb, Verb::Read));
            changes && allow.iter().any(person) && self.fits(action) && !never(action)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_catch_what_they_say() {
        let cases = [
            ("compute:server:delete", "compute:server:delete", true),
            ("compute:server:delete", "compute:server:stop", false),
            ("network:*:delete", "network:port:delete", true),
            ("network:*:delete", "network:port:create", false),
            ("network:*:*", "network:port:create", true),
            ("network:*:*", "networks:port:create", false),
            ("a:b:*", "a:b", false),
            ("a:b:*", "a:b:c:d", false),
        ];
        for (pattern, action, want) in cases {
            assert_eq!(Pattern::new(pattern).fits(action), want, "{pattern} {action}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for good in ["compute:server:delete", "network:*:delete", "identity:assignment:*", "a:*:*"] {
            assert_eq!(Pattern::new(good).check("action"), Ok(()), "{good}");
        }
        let bad = ["", "compute", "compute:server", "compute:server:delete:now", "*:server:delete",
            "compute:server:", "Compute:server:delete", "compute:ser*:delete", "identity:*:delete",
            "approval:approval_rule:delete", "identity:token:create", "image:image:supply"];
        for text in bad {
            let refusal = Pattern::new(text).check("action").unwrap_err();
            assert!(refusal.message.starts_with("action "), "{text}: {refusal}");
        }
    }
}
