//! Receipts: half a sign-in, as Keystone gives them.
//!
//! Problem: the second factor may be asked for by a program that has not kept the first. Mechanism:
//! whoever proved some of the methods that the rules demand gets 401 with a sealed paper
//! (`Openstack-Auth-Receipt`) that says which; with it the missing ones are enough. It is good for
//! five minutes and no longer than a provider's word in it, for the same user and from the same
//! address, and not past a change of the password. It is no token: it is sealed for another purpose.
//!
//! Why in the refusal's words until the edge: a route answers with a reply or with a refusal, and
//! everything in between passes refusals on as they are. [`reply`] makes the answer of it.

use crate::auth::Identity;
use crate::token::Federation;
use crate::user::UserSpec;
use jinyun_base::{Fault, Id, Refusal, Refused, Time};
use jinyun_engine::Failure;
use jinyun_kms::Kms;
use jinyun_rest::Reply;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long a receipt is good for, in seconds.
const LIFETIME: i64 = 300;

/// The header that carries one, both ways.
pub const RECEIPT_HEADER: &str = "openstack-auth-receipt";

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// Who.
    pub user: Id,
    /// The methods that were proved.
    pub methods: Vec<String>,
    /// From where.
    pub source: Option<String>,
    /// When, microseconds.
    pub issued: i64,
    /// Until when, microseconds.
    pub expires: i64,
    /// The identity provider whose word is among the methods: what comes of them ends with it.
    #[serde(default)]
    pub federation: Option<Federation>,
}

impl Receipt {
    /// One for what was proved now.
    pub fn new(user: &Id, methods: &[String], through: Option<&Federation>, source: Option<&str>,
        now: Time) -> Receipt {
        let end = now.plus_seconds(LIFETIME).0;
        Receipt {
            user: user.clone(),
            methods: methods.to_vec(),
            source: source.map(String::from),
            issued: now.0,
            expires: through.and_then(|f| f.until).map_or(end, |until| until.min(end)),
            federation: through.cloned(),
        }
    }

    /// Reads one that was sent. `None` if it is not ours, too old, or somebody else's.
    pub fn open(kms: &Kms, text: &str, user: &Id, spec: &UserSpec, source: Option<&str>, now: Time)
        -> Option<Receipt> {
        let plain = kms.open_token("receipt", text)?;
        let receipt: Receipt = serde_json::from_slice(plain.expose()).ok()?;
        let good = receipt.user == *user && receipt.source.as_deref() == source
            && receipt.expires > now.0 && receipt.issued >= spec.tokens_since;
        good.then_some(receipt)
    }

    /// The refusal that carries it. `required` are the sets of methods of which one is missing.
    pub fn refuse(&self, identity: &Identity, spec: &UserSpec, required: &[Vec<String>])
        -> Result<Refusal, Fault> {
        let plain = serde_json::to_vec(self).map_err(|e| Fault::new(format!("receipt: {e}")))?;
        let domain = identity.directory.domain(&spec.domain).map(|d| d.name).unwrap_or_default();
        let body = json!({
            "receipt": {
                "methods": self.methods,
                "user": { "id": self.user, "name": spec.name,
                    "domain": { "id": spec.domain, "name": domain } },
                "issued_at": Time(self.issued).micros(),
                "expires_at": Time(self.expires).micros(),
            },
            "required_auth_methods": required,
        });
        let whole = json!({ "header": identity.kms().seal_token("receipt", &plain)?, "body": body });
        // Not `Refusal::new`, which would cut it to a sentence. It is on record: nothing journals it.
        Ok(Refusal { why: Refused::Unauthenticated, message: whole.to_string(), recorded: true })
    }
}

/// The answer that a failed sign-in gets: a receipt is a reply with its header, all else stays the
/// failure that it is.
pub fn reply(failure: Failure) -> Result<Reply, Failure> {
    let Failure::Refused(Refusal { why: Refused::Unauthenticated, message, recorded: true }) =
        &failure
    else {
        return Err(failure);
    };
    let mut whole: Value = serde_json::from_str(message).unwrap_or(Value::Null);
    let mut part = |name: &str| whole.get_mut(name).map(Value::take).unwrap_or_default();
    match (part("header"), part("body")) {
        (Value::String(header), body @ Value::Object(_)) => {
            Ok(Reply::with(401, body).header(RECEIPT_HEADER, header))
        }
        _ => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_word_in_it_ends_it() {
        let through = |until| Federation {
            idp: "corp@bank".into(), protocol: "openid".into(), factors: None, until,
        };
        let whole = LIFETIME * Time::SECOND;
        for (until, want) in [(None, whole), (Some(7), 7), (Some(whole + 1), whole)] {
            let made = Receipt::new(&"u1".into(), &[], Some(&through(until)), None, Time(0));
            assert_eq!(made.expires, want, "{until:?}");
        }
        assert_eq!(Receipt::new(&"u1".into(), &[], None, None, Time(0)).expires, whole);
    }

    #[test]
    fn only_a_receipt_becomes_a_reply() {
        let refusal = |message: &str, recorded| {
            let why = Refused::Unauthenticated;
            Failure::from(Refusal { why, message: message.into(), recorded })
        };
        let good = r#"{"header":"sealed","body":{"receipt":{},"required_auth_methods":[]}}"#;
        let made = reply(refusal(good, true)).unwrap();
        assert_eq!((made.status, made.headers.len()), (401, 1));
        for (message, recorded) in [(good, false), ("The request you have made ...", true),
            (r#"{"header":7,"body":{}}"#, true), ("7", true)] {
            assert!(reply(refusal(message, recorded)).is_err(), "{message}");
        }
    }
}
