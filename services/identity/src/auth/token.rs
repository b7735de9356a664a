//! Proof by a token that was got before.

use super::{Identity, payload};
use crate::token::Token;
use jinyun_base::{Refusal, Refused};
use jinyun_engine::Failure;
use jinyun_rest::{Call, Words};

impl Identity {
    /// A token that may be used here and now. What was passed on (a trust, an application
    /// credential, a pair of keys) is not taken elsewhere: that would make more of it than was
    /// given.
    pub(super) fn by_token(&self, call: &Call<'_>, identity: &Words<'_>, scoped: bool)
        -> Result<Token, Failure> {
        let words = payload(identity, "token")?;
        words.only(&["id"])?;
        let text =
            words.long_text("id")?.ok_or_else(|| Refusal::invalid("id", "is required"))?;
        let (source, now) = (call.source.as_deref(), self.now());
        let token = self.open(&text).filter(|t| self.usable(t, source, now));
        let Some(token) = token else {
            // Keystone's answer; it tells no more than a 401 would.
            let gone = Refusal::new(Refused::NotFound, "The token could not be found.");
            return Err(self.deny(call, None, gone));
        };
        let no = |say: &str| {
            let user = self.directory.user(&token.user);
            let user = user.as_ref().map(|spec| (&token.user, spec));
            Err(self.deny(call, user, Refusal::new(Refused::Forbidden, say)))
        };
        if token.trust.is_some() {
            return no("A trust-scoped token makes no other token: sign in and name the trust.");
        }
        if scoped && token.app_credential.is_some() {
            return no("A token of an application credential cannot ask for a scope.");
        }
        if scoped && token.methods.iter().any(|m| m == "ec2credential") {
            return no("A token of a pair of keys cannot ask for a scope.");
        }
        Ok(token)
    }
}
