//! Which actions something is about: `compute:server:delete`, `network:*:delete`, `*:*:delete`.
//!
//! Three words, each of which may be `*`; who writes one may ask for less. Not parts of words, not
//! regular expressions: whoever reads a pattern must see at once what it catches.

use crate::{Policy, Who};
use jinyun_base::Refusal;
use serde::{Deserialize, Serialize};

/// Longest word of an action, in bytes.
const LONGEST: usize = 60;

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

    /// Service, kind and verb, if there are three words; whether they are any is not looked at.
    pub fn words(&self) -> Option<[&str; 3]> {
        let words: Vec<&str> = self.0.split(':').collect();
        <[&str; 3]>::try_from(words).ok()
    }

    /// Whether a text may be a word of an action.
    pub fn word(text: &str) -> bool {
        !text.is_empty() && text.len() <= LONGEST
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    }

    /// Refuses what is no pattern.
    pub fn check(&self, field: &str) -> Result<(), Refusal> {
        let fine = |words: [&str; 3]| words.iter().all(|w| *w == "*" || Pattern::word(w));
        if self.words().is_some_and(fine) {
            return Ok(());
        }
        let say = "must be three words `service:kind:verb` of a-z, 0-9 and _, each of which may \
                   be `*`";
        Err(Refusal::invalid(field, say))
    }

    /// The actions that it is about and that some person may do, sorted.
    pub fn stands_for(&self, policy: &Policy) -> Vec<&'static str> {
        let person = |who: &Who| !matches!(who, Who::System | Who::Nobody);
        policy.actions().into_iter()
            .filter(|(action, allow)| self.fits(action) && allow.iter().any(person))
            .map(|(action, _)| action).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, Rule};

    #[test]
    fn patterns_catch_what_they_say() {
        let cases = [
            ("compute:server:delete", "compute:server:delete", true),
            ("compute:server:delete", "compute:server:stop", false),
            ("network:*:delete", "network:port:delete", true),
            ("network:*:delete", "network:port:create", false),
            ("*:*:delete", "network:port:delete", true),
            ("*:*:*", "network:port:create", true),
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
        for good in ["*:*:*", "compute:server:delete", "identity:*:*", "a_1:*:show"] {
            assert_eq!(Pattern::new(good).check("actions"), Ok(()), "{good}");
        }
        let long = format!("{}:b:c", "a".repeat(61));
        for bad in ["", "*", "compute:server", "compute:server:delete:now", "compute:ser*:delete",
            "Compute:server:delete", "compute::delete", "compute:server:delete ", long.as_str()] {
            let refusal = Pattern::new(bad).check("actions").unwrap_err();
            assert!(refusal.message.starts_with("actions "), "{bad}: {refusal}");
        }
    }

    #[test]
    fn a_pattern_stands_for_what_people_may_do() {
        const RULES: &[Rule] = &[
            Rule { action: "toy:box:update", allow: &[Who::Project(Role::Member)] },
            Rule { action: "toy:box:create", allow: &[Who::System, Who::Project(Role::Member)] },
            Rule { action: "toy:box:settle", allow: &[Who::System] },
            Rule { action: "toy:box:delete", allow: &[] },
            Rule { action: "toy:lid:create", allow: &[Who::Project(Role::Member)] },
        ];
        let mut policy = Policy::default();
        policy.add(RULES);
        let cases: [(&str, &[&str]); 3] = [
            ("toy:box:*", &["toy:box:create", "toy:box:update"]),
            ("*:*:create", &["toy:box:create", "toy:lid:create"]),
            ("toy:box:settle", &[]),
        ];
        for (pattern, want) in cases {
            assert_eq!(Pattern::new(pattern).stands_for(&policy), want, "{pattern}");
        }
    }
}
