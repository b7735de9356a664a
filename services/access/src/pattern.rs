//! Which actions a statement is about: `compute:server:delete`, `network:*:*`, `*:*:delete`.
//!
//! Three words, each of which may be `*`. Not parts of words, not regular expressions: whoever reads
//! a statement sees at once what it catches, and an action is found by eight look-ups.

use jinyun_base::Refusal;
use jinyun_engine::Registry;
use jinyun_policy::Who;
use serde::{Deserialize, Serialize};

/// What no statement narrows, by the beginning of its name: signing in, finishing a sign-in and
/// signing out come before there is anything that could be narrowed, or end it; and what the driver
/// does was decided before.
const NEVER: &[&str] = &[
    "engine:", "identity:token:", "identity:receipt:", "identity:user:change_password",
];

/// Whether an action is never narrowed.
pub(crate) fn never(action: &str) -> bool {
    NEVER.iter().any(|start| action.starts_with(start))
}

/// A pattern of actions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
        if words.len() != 3 || !words.iter().all(|w| *w == "*" || word(w)) {
            let say = "must be three words `service:kind:verb` of a-z, 0-9 and _, each of which may \
                       be `*`";
            return Err(Refusal::invalid(field, say));
        }
        Ok(())
    }

    /// Whether there is any operation that it could narrow: one that some person may do.
    pub(crate) fn catches(&self, registry: &Registry) -> bool {
        let person = |who: &Who| !matches!(who, Who::System | Who::Nobody);
        registry.policy.actions().into_iter().any(|(action, allow)| {
            allow.iter().any(person) && self.fits(action) && !never(action)
        })
    }
}

/// The eight patterns that an action fits; none for what is no action.
pub(crate) fn forms(action: &str) -> Vec<String> {
    let words: Vec<&str> = action.split(':').collect();
    let [service, kind, verb] = words[..] else { return Vec::new() };
    let mut forms = Vec::with_capacity(8);
    for service in [service, "*"] {
        for kind in [kind, "*"] {
            for verb in [verb, "*"] {
                forms.push([service, kind, verb].join(":"));
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_forms_say_the_same() {
        let cases = [
            ("compute:server:delete", "compute:server:delete", true),
            ("compute:server:delete", "compute:server:stop", false),
            ("network:*:delete", "network:port:delete", true),
            ("*:*:delete", "network:port:delete", true),
            ("*:*:*", "network:port:create", true),
            ("network:*:*", "networks:port:create", false),
            ("a:b:*", "a:b", false),
            ("a:b:*", "a:b:c:d", false),
        ];
        for (pattern, action, want) in cases {
            assert_eq!(Pattern::new(pattern).fits(action), want, "{pattern} {action}");
            assert_eq!(forms(action).iter().any(|f| f == pattern), want, "{pattern} {action}");
        }
        for good in ["*:*:*", "compute:server:delete", "identity:*:*", "a_1:*:show"] {
            assert_eq!(Pattern::new(good).check("actions"), Ok(()), "{good}");
        }
        for bad in ["", "*", "compute:server", "compute:server:delete:now", "compute:ser*:delete",
            "Compute:server:delete", "compute::delete", "compute:server:delete "] {
            let refusal = Pattern::new(bad).check("actions").unwrap_err();
            assert!(refusal.message.starts_with("actions "), "{bad}: {refusal}");
        }
    }
}
