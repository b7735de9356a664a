//! Why something did not happen.
//!
//! Two sorts, never mixed: a [`Refusal`] is an answer (the request was understood and the rules say
//! no; it is journaled and shown), a [`Fault`] is a failure of the machinery (disk full, database
//! gone; nothing happened, the caller may try again). Neither knows HTTP: each protocol renders
//! them in one file of its own.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The rules' answer "no".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which rule.
    pub why: Refused,
    /// A sentence for the one who asked: what was wrong and what to do.
    pub message: String,
    /// It stands in the journal. Whoever answers sees to it that every refusal does.
    #[serde(skip)]
    pub recorded: bool,
}

/// The sorts of refusal that callers tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// A value is wrong; the field is named.
    Invalid(String),
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    /// Who are you?
    Unauthenticated,
    /// You may not.
    Forbidden,
    /// The thing is in use or not in a state for this.
    Conflict,
    /// An exclusive thing (a name, an address) is taken.
    Taken,
    /// Somebody changed it meanwhile.
    Stale,
    /// A limit would be exceeded: the item, how much is asked, used and allowed.
    OverQuota {
        /// Which limit.
        item: String,
        /// Asked now.
        asked: i64,
        /// In use.
        used: i64,
        /// Allowed.
        limit: i64,
    },
    /// Needs somebody's approval; the stored command's id.
    NeedsApproval(String),
    /// The request is too large.
    TooLarge,
    /// This part of the protocol is not offered.
    NotOffered,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(why: Refused, message: impl Into<String>) -> Refusal {
        let mut message: String = message.into();
        if let Some((end, _)) = message.char_indices().nth(crate::limits::SENTENCE) {
            message.truncate(end);
            message.push('…');
        }
        Refusal { why, message, recorded: false }
    }

    /// A wrong value. The sentence begins with the field's name.
    pub fn invalid(field: &str, what: impl fmt::Display) -> Refusal {
        Refusal::new(Refused::Invalid(field.into()), format!("{field} {what}"))
    }

    /// No such thing.
    pub fn not_found(kind: &str, id: impl fmt::Display) -> Refusal {
        Refusal::new(Refused::NotFound, format!("{kind} {id} could not be found"))
    }

    /// In use, or in the wrong state.
    pub fn conflict(message: impl Into<String>) -> Refusal {
        Refusal::new(Refused::Conflict, message)
    }

    /// A stable word for the journal and for metrics.
    pub fn code(&self) -> &'static str {
        match self.why {
            Refused::Invalid(_) => "invalid",
            Refused::NotFound => "not_found",
            Refused::Unauthenticated => "unauthenticated",
            Refused::Forbidden => "forbidden",
            Refused::Conflict => "conflict",
            Refused::Taken => "taken",
            Refused::Stale => "stale",
            Refused::OverQuota { .. } => "over_quota",
            Refused::NeedsApproval(_) => "needs_approval",
            Refused::TooLarge => "too_large",
            Refused::NotOffered => "not_offered",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// The machinery failed; nothing happened.
#[derive(Debug)]
pub struct Fault {
    message: String,
}

impl Fault {
    /// A failure, in one sentence for the operator.
    pub fn new(message: impl Into<String>) -> Fault {
        Fault { message: message.into() }
    }

    /// The same failure with what was being done, outermost first.
    pub fn while_doing(self, what: impl fmt::Display) -> Fault {
        Fault { message: format!("{what}: {}", self.message) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
