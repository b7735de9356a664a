//! Tokens: sealed, checked without a database read.
//!
//! A token says who, where and until when; it does not say what its holder may do: roles are looked
//! up in the directory at each use, so a role that was taken is gone at once. A revoked token is a
//! row until it would have expired.

use crate::assignment::Scoped;
use jinyun_base::{Entropy, Id, Kind, Refusal};
use jinyun_engine::{Claim, Command, Ctx, Failure, Place, Resource, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a token is good for, in seconds.
pub const LIFETIME: i64 = 3600;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// User.
    #[serde(rename = "u")]
    pub user: Id,
    /// Scope; none for an unscoped token.
    #[serde(rename = "s")]
    pub scope: Option<Scoped>,
    /// How the user proved who they are.
    #[serde(rename = "m")]
    pub methods: Vec<String>,
    /// When, microseconds.
    #[serde(rename = "i")]
    pub issued: i64,
    /// Until when, microseconds.
    #[serde(rename = "e")]
    pub expires: i64,
    /// When its bearer signed in, if it was made from another token, microseconds.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub began: Option<i64>,
    /// The token's own id, and that of the token it was made from.
    #[serde(rename = "a")]
    pub audit: Vec<String>,
    /// The application credential that it was made with: it gives no more than that.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub app_credential: Option<Id>,
    /// The trust that it was made with: it gives no more than that.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Id>,
    /// The identity provider that its bearer signed in by: it is good while that stands.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub federation: Option<Federation>,
}

/// The identity provider of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Federation {
    /// The provider.
    #[serde(rename = "i")]
    pub idp: Id,
    /// Its protocol.
    #[serde(rename = "p")]
    pub protocol: Id,
    /// By what it showed that it had asked for two factors, if it did: `amr=pwd,otp`.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub factors: Option<String>,
    /// Until when it answers for the sign-in, microseconds: nothing that comes of it lasts longer.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

impl Token {
    /// When its bearer proved who they are, microseconds.
    pub fn signed_in(&self) -> i64 {
        self.began.unwrap_or(self.issued)
    }

    /// Whether its bearer acts by what somebody passed on, and not by their own sign-in.
    pub fn delegated(&self) -> bool {
        self.app_credential.is_some() || self.trust.is_some()
    }
}

/// A sealed token with what it says.
#[derive(Debug, Clone)]
pub struct Signed {
    /// As the client sends it.
    pub text: String,
    /// What it says.
    pub token: Token,
}

/// A token that stopped working before its time.
pub struct Revocation;

/// Which one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevocationSpec {
    /// The token's audit id.
    pub audit: String,
    /// When the row is no longer needed, microseconds.
    pub expires: i64,
}

impl Resource for Revocation {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("revocation");
    type Spec = RevocationSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(_: &RevocationSpec) -> &str {
        ""
    }

    fn check(_: &RevocationSpec, _: Option<&RevocationSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(())
    }

    fn claims(spec: &RevocationSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "revocation".into(),
            word: spec.audit.clone(),
            taken: "The token is revoked already.".into(),
        }]
    }
}

/// Ends a token.
pub(crate) fn revoke(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec: RevocationSpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("token", format!("cannot be read: {e}")))?;
    if ctx.view().claimed("revocation", &spec.audit)?.is_none() {
        let domain = ctx.actor.domain.clone();
        ctx.create::<Revocation>(&domain, &"".into(), spec)?;
    }
    Ok(Value::Null)
}
