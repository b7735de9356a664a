//! Why a command ends without success, and the code that it ends with.
//!
//! A script must be able to tell "you may not" from "nothing answers" without reading sentences, and
//! a person must be told what to do. The codes stand in `docs/cli.md`.

use crate::client::Answer;
use crate::show::plain;
use jinyun_base::Fault;
use serde_json::Value;

/// Something else failed.
pub const FAILED: u8 = 1;
/// The command line is wrong: what its reader says, or what is only seen where a command is run.
pub const USAGE: u8 = 2;
/// Nobody is signed in, or the sign-in was refused.
pub const SIGN_IN: u8 = 3;
/// The one who is signed in may not.
pub const FORBIDDEN: u8 = 4;
/// There is no such thing, or one may not know of it.
pub const MISSING: u8 = 5;
/// What was asked is wrong, or does not fit the state of the thing.
pub const REFUSED: u8 = 6;
/// Nothing answers, or not now: the same again later may work.
pub const UNREACHABLE: u8 = 7;

/// A command that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What the process ends with.
    pub code: u8,
    /// One sentence: what was wrong and what to do.
    pub say: String,
}

impl Failed {
    /// With a code and a sentence.
    pub fn new(code: u8, say: impl Into<String>) -> Failed {
        Failed { code, say: say.into() }
    }
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Failed {
        Failed::new(FAILED, fault.to_string())
    }
}

/// The sentence of an answer, however the service words it.
fn message(body: &Value) -> Option<&str> {
    let inside = body.as_object()?.values().find_map(|v| v.get("message")?.as_str());
    inside.filter(|text| !text.is_empty())
}

/// What a refusing answer means. `what` was being done, in the caller's words.
pub fn refused(what: &str, answer: &Answer) -> Failed {
    let said = message(&answer.body).unwrap_or("no reason was given");
    let said = plain(said.trim_end_matches(['.', ' ']));
    let (code, advice) = match answer.status {
        401 => (SIGN_IN, ": sign in with `jinyun login`"),
        403 => (FORBIDDEN, ": ask whoever may, or sign in with another scope (`jinyun whoami`)"),
        404 => (MISSING, ": look at the id and at the scope (`jinyun whoami`)"),
        502..=504 => (UNREACHABLE, ": try again in a moment"),
        400..=499 => (REFUSED, ""),
        _ => (FAILED, ": tell the operator when"),
    };
    Failed::new(code, format!("{what}: {said} (HTTP {}){advice}", answer.status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_become_codes_and_sentences() {
        let own = json!({ "error": { "code": 0, "message": "limit must be small.", "title": "x" } });
        let network = json!({ "NeutronError": { "type": "InUse", "message": "in use", "detail": "" } });
        for (status, body, code, say) in [
            (401, own.clone(), SIGN_IN,
                "listing: limit must be small (HTTP 401): sign in with `jinyun login`"),
            (403, own.clone(), FORBIDDEN, "whoami"),
            (404, own.clone(), MISSING, "look at the id"),
            (400, own.clone(), REFUSED, "listing: limit must be small (HTTP 400)"),
            (409, network, REFUSED, "listing: in use (HTTP 409)"),
            (413, own.clone(), REFUSED, "HTTP 413"),
            (500, Value::Null, FAILED, "no reason was given"),
            (503, own, UNREACHABLE, "try again"),
        ] {
            let failed = refused("listing", &Answer { status, body, ..Answer::default() });
            assert_eq!(failed.code, code, "{status}");
            assert!(failed.say.contains(say), "{status}: {}", failed.say);
        }
        let evil = json!({ "error": { "message": "no\u{1b}[2Jthing" } });
        let failed = refused("x", &Answer { status: 404, body: evil, ..Answer::default() });
        assert!(!failed.say.contains('\u{1b}'), "an answer must not steer the terminal");
    }
}
