//! What a statement can narrow, and how the statements about an action are found.
//!
//! An action is found by eight look-ups, one for each pattern that it fits, and not by trying all.

use jinyun_engine::Registry;
use jinyun_policy::Pattern;

/// What no statement narrows, by the beginning of its name: signing in, finishing a sign-in and
/// signing out come before there is anything that could be narrowed, or end it; and what the driver
/// does was decided before.
const NEVER: &[&str] = &[
    "engine:", "identity:token:", "identity:receipt:", "identity:user:change_password",
    "identity:device:open",
];

/// Whether an action is never narrowed.
pub(crate) fn never(action: &str) -> bool {
    NEVER.iter().any(|start| action.starts_with(start))
}

/// Whether there is any operation that a pattern could narrow: one that some person may do.
pub(crate) fn catches(pattern: &Pattern, registry: &Registry) -> bool {
    pattern.stands_for(&registry.policy).into_iter().any(|action| !never(action))
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
    }
}
