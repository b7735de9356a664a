//! Whether what was proved is enough.
//!
//! Two demands, one of Keystone's and one of our own:
//! - the *rules* of a user (`multi_factor_auth_rules`): one of these sets of methods as a whole;
//! - the *floor*: whoever has one of the three duties, and everybody in a domain that asks for it,
//!   needs `password` and `totp` for anything but an unscoped token.
//!
//! Whoever has proved a part gets a receipt. Somebody under the floor without a device for
//! one-time codes gets, for the password, an unscoped token that is good for nothing but making
//! that one credential, reading itself and signing out, for ten minutes; the first login with both
//! factors voids it. So a new administrator can begin, and a stolen password of one who has begun
//! opens nothing. Why not a code by mail: that would be as safe as the mail.
//!
//! A one-time code by itself is never enough: it is six digits.

use super::scope::Asked;
use super::{DENIED, Identity, Proof, denied};
use crate::assignment::Scoped;
use crate::compliance::Compliance;
use crate::credential::{CredentialSpec, TOTP};
use crate::receipt::Receipt;
use crate::token::Token;
use crate::user::UserSpec;
use jinyun_base::{Id, Refusal, Refused};
use jinyun_engine::{Command, Failure};
use jinyun_rest::Call;
use serde_json::json;
use std::sync::atomic::Ordering;

/// How long a token for enrolling is good, in seconds.
pub(super) const ENROLMENT: i64 = 600;

/// What the proofs are enough for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enough {
    /// Whatever the user may do.
    All,
    /// Making a second factor.
    Enrolment,
}

fn has(methods: &[String], method: &str) -> bool {
    methods.iter().any(|m| m == method)
}

/// Whether both factors of the floor are among the methods.
pub(super) fn both(methods: &[String]) -> bool {
    has(methods, "password") && has(methods, "totp")
}

/// What a token for enrolling may ask for: its own way out.
pub(super) fn enrols(token: &Token, service: &str, method: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let password = format!("/v3/users/{}/password", token.user);
    service == "identity" && match method {
        "POST" => path == "/v3/credentials" || path == "/v3/auth/tokens" || path == password,
        "GET" | "HEAD" => {
            matches!(path, "" | "/v3" | "/v3/auth/tokens" | "/v3/OS-JINYUN/notice")
        }
        "DELETE" => path == "/v3/auth/tokens",
        _ => false,
    }
}

impl Identity {
    /// Whether a user needs two factors by the floor.
    pub(super) fn two_due(&self, user: &Id, policy: &Compliance) -> bool {
        policy.multi_factor
            || (self.two_factors.load(Ordering::Relaxed)
                && self.directory.actor(user, Some(&Scoped::System)).is_some())
    }

    /// Whether a token was got with less than the floor. A program's credential was made by
    /// somebody who had met it.
    pub(super) fn lacks_factor(&self, token: &Token, policy: &Compliance) -> bool {
        let program = token.app_credential.is_some() || has(&token.methods, "ec2credential");
        !program && !both(&token.methods) && self.two_due(&token.user, policy)
    }

    /// Whether a token is good for enrolling only.
    pub(super) fn enrolling(&self, token: &Token) -> bool {
        let policy = self.directory.user(&token.user)
            .map(|user| self.directory.compliance(&user.domain)).unwrap_or_default();
        self.lacks_factor(token, &policy)
    }

    /// Whether a caller may make a credential of this type now. With a token for enrolling, only
    /// the first for one-time codes: whoever has stolen a password must not add a device to those
    /// that are there, nor a key that needs none.
    pub fn may_add_credential(&self, call: &Call<'_>, kind: &str) -> Result<(), Failure> {
        let no = |say: &str| Err(Refusal::new(Refused::Forbidden, say).into());
        let Some(token) = call.token.as_deref().and_then(|text| self.open(text)) else {
            return Ok(());
        };
        if kind == TOTP && token.delegated() {
            return no("A second factor is not made with a token that was passed on.");
        }
        if !self.enrolling(&token) {
            return Ok(());
        }
        if kind != TOTP {
            return no("With one factor only a credential of type totp can be made.");
        }
        if self.has_totp(call, &token.user)? {
            return no("There is a second factor already: sign in with it, or have it reset.");
        }
        Ok(())
    }

    /// Whether a caller may delete a credential. One for one-time codes only with both factors and
    /// by its owner: for somebody else there is the reset, which does what else is needed.
    pub fn may_delete_credential(&self, call: &Call<'_>, of: &CredentialSpec)
        -> Result<(), Failure> {
        let no = |say: &str| Err(Refusal::new(Refused::Forbidden, say).into());
        if of.kind != TOTP {
            return Ok(());
        }
        if of.user != call.actor.id {
            return no("Somebody else's factors are taken all at once: POST \
                       /v3/users/{id}/OS-JINYUN/reset_factors.");
        }
        match self.own_token(call, &of.user) {
            Some(token) if both(&token.methods) => Ok(()),
            _ => no("A second factor is deleted with a token that was got with password and totp."),
        }
    }

    /// What the proofs are enough for, or the refusal that says what is missing.
    pub(super) fn enough(&self, call: &Call<'_>, user: (&Id, &UserSpec), proof: &Proof,
        asked: &Asked) -> Result<Enough, Failure> {
        let (id, spec) = user;
        let rules = spec.options.rules();
        let met = |rule: &Vec<String>| rule.iter().all(|m| has(&proof.methods, m));
        if !rules.is_empty() && !rules.iter().any(met) {
            let begun = |rule: &&Vec<String>| rule.iter().any(|m| has(&proof.methods, m));
            let mut open: Vec<Vec<String>> = rules.iter().filter(begun).cloned().collect();
            if open.is_empty() {
                open = rules.to_vec();
            }
            return Err(self.half(call, user, proof, &open));
        }
        let floor = || vec![vec!["password".to_string(), "totp".to_string()]];
        if rules.is_empty() && proof.methods.iter().all(|m| m == "totp") {
            return Err(self.half(call, user, proof, &floor()));
        }
        let parents = proof.parent.as_ref();
        let program = proof.with.is_some() || parents.is_some_and(|p| {
            p.app_credential.is_some() || has(&p.methods, "ec2credential")
        });
        let policy = self.directory.compliance(&spec.domain);
        if program || both(&proof.methods) || !self.two_due(id, &policy) {
            return Ok(Enough::All);
        }
        if self.has_totp(call, id)? {
            return Err(self.half(call, user, proof, &floor()));
        }
        if asked.place() {
            let say = format!(
                "A second factor is needed, and none is set up for user: {id}. Sign in with the \
                 scope \"unscoped\", make a credential of type totp (POST /v3/credentials), then \
                 sign in with the methods password and totp."
            );
            return Err(self.tell(call, user, "a second factor is needed, there is none", say));
        }
        Ok(Enough::Enrolment)
    }

    /// Half a sign-in, as the refusal that it is.
    fn half(&self, call: &Call<'_>, user: (&Id, &UserSpec), proof: &Proof,
        required: &[Vec<String>]) -> Failure {
        match self.receipt(call, user, proof, required) {
            Ok(refusal) => refusal.into(),
            Err(failure) => failure,
        }
    }

    /// What was right is used up, and the receipt goes out.
    fn receipt(&self, call: &Call<'_>, user: (&Id, &UserSpec), proof: &Proof,
        required: &[Vec<String>]) -> Result<Refusal, Failure> {
        let (id, spec) = user;
        let now = self.now();
        let actor = self.directory.actor(id, None).ok_or_else(|| denied(DENIED))?;
        let seen = self.visit(call, id, proof, now, false).value()?;
        let args = json!({ "methods": proof.methods, "required": required, "seen": seen });
        let command =
            Command::new("identity:receipt:create", actor, call.request.clone()).with(args);
        self.settle(call, command)?;
        let receipt = Receipt::new(id, &proof.methods, call.source.as_deref(), now);
        Ok(receipt.refuse(self, spec, required)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_for_enrolling_asks_for_its_own_way_out_only() {
        let token = Token {
            user: "u1".into(), scope: None, methods: vec!["password".into()], issued: 0,
            began: None, expires: 1, audit: vec!["a".into()], app_credential: None, trust: None,
            federation: None,
        };
        for (service, method, path, want) in [
            ("identity", "POST", "/v3/credentials", true),
            ("identity", "POST", "/v3/credentials/", true),
            ("identity", "GET", "/v3/credentials", false),
            ("compute", "POST", "/v3/credentials", false),
            ("identity", "DELETE", "/v3/credentials/x", false),
            ("identity", "POST", "/v3/users", false),
            ("identity", "DELETE", "/v3/auth/tokens", true),
            ("identity", "POST", "/v3/auth/tokens", true),
            ("identity", "GET", "/v3/users/u1", false),
            ("identity", "PATCH", "/v3/users/u1", false),
            ("identity", "POST", "/v3/users/u1/password", true),
            ("identity", "POST", "/v3/users/u2/password", false),
            ("identity", "GET", "/v3", true),
            ("network", "GET", "/v2.0/ports", false),
        ] {
            assert_eq!(enrols(&token, service, method, path), want, "{method} {path}");
        }
    }
}
