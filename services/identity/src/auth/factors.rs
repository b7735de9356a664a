//! Whether what was proved is enough.
//!
//! Two demands, one of Keystone's and one of our own:
//! - the *rules* of a user (`multi_factor_auth_rules`): one of these sets of methods as a whole;
//! - the *floor*: whoever has one of the three duties, and everybody in a domain that asks for it,
//!   needs `password` and `totp`, or `passkey`, for anything but an unscoped token. For a domain's
//!   demand, not for a duty, two factors that the institution's own identity provider asked for do as
//!   well (`mfa`).
//!
//! Whoever has proved a part gets a receipt. Somebody under the floor without a second factor gets,
//! for the password, an unscoped token that is good for nothing but making one (a device for one-time
//! codes or a passkey), reading itself and signing out, for ten minutes; the first login with it voids
//! that token. So a new administrator can begin, and a stolen password of one who has begun opens
//! nothing. Why not a code by mail: that would be as safe as the mail.
//!
//! A one-time code by itself is never enough: it is six digits. A passkey is, because what holds it has
//! verified its owner; but not for a user who comes from elsewhere (a provider, a directory): whether
//! such an account is still open is known there, so its word is needed too.
//!
//! What outlives a sign-in (a factor, recovery codes, a credential) is made and taken away by hand: a
//! program that was let in by a browser has the methods of whoever let it in, who may have been talked
//! into it ([`by_hand`]).

use super::scope::Asked;
use super::{DENIED, Identity, Proof, denied, passkey};
use crate::assignment::Scoped;
use crate::compliance::Compliance;
use crate::credential::{CredentialSpec, TOTP};
use crate::passkey::HAS_ONE;
use crate::receipt::Receipt;
use crate::token::Token;
use crate::user::{MFA, OPENID, UserSpec};
use jinyun_base::{Fault, Id, Refusal, Refused};
use jinyun_engine::{Command, Failure};
use jinyun_rest::Call;
use serde_json::json;
use std::sync::atomic::Ordering;

/// How long a token for enrolling is good, in seconds.
pub(super) const ENROLMENT: i64 = 600;
/// What whoever comes by a program's sign-in is told.
pub(crate) const BY_HAND: &str = "A sign-in that was let in by a browser, or that came from a pair of \
    keys, changes no factors, makes no credentials and lets nobody in: sign in yourself, with password \
    and one-time code or on the sign-in page.";

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

/// Whether two factors were proved here.
pub(crate) fn both(methods: &[String]) -> bool {
    has(methods, passkey::METHOD) || (has(methods, "password") && has(methods, "totp"))
}

/// Whether whoever comes by these methods has signed in by hand: was not let in by somebody else's
/// sign-in, and is no program with keys.
pub(crate) fn by_hand(methods: &[String]) -> bool {
    !has(methods, "device") && !has(methods, "ec2credential")
}

/// Whether a token was got by hand, and not passed on.
pub(crate) fn has_hand(token: &Token) -> bool {
    by_hand(&token.methods) && !token.delegated()
}

/// A set of methods, as rules and refusals have it.
fn set(methods: &[&str]) -> Vec<String> {
    methods.iter().map(|m| m.to_string()).collect()
}

/// What a token for enrolling may ask for: its own way out.
pub(super) fn enrols(token: &Token, service: &str, method: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let password = format!("/v3/users/{}/password", token.user);
    const PASSKEYS: &str = "/v3/OS-JINYUN/passkeys";
    const OPTIONS: &str = "/v3/OS-JINYUN/passkeys/options";
    service == "identity" && match method {
        "POST" => {
            matches!(path, "/v3/credentials" | "/v3/auth/tokens" | PASSKEYS | OPTIONS)
                || path == password
        }
        "GET" | "HEAD" => {
            matches!(path, "" | "/v3" | "/v3/auth/tokens" | "/v3/OS-JINYUN/notice" | PASSKEYS)
        }
        "DELETE" => path == "/v3/auth/tokens",
        _ => false,
    }
}

impl Identity {
    /// Whether a user needs two factors by the floor.
    pub(super) fn two_due(&self, user: &Id, policy: &Compliance) -> bool {
        policy.multi_factor || self.on_duty(user)
    }

    fn on_duty(&self, user: &Id) -> bool {
        self.two_factors.load(Ordering::Relaxed)
            && self.directory.actor(user, Some(&Scoped::System)).is_some()
    }

    /// Whether what was proved meets the floor. A provider's word about factors does for what its own
    /// institution demands; a duty of the platform needs factors that were proved here.
    pub(super) fn meets(&self, user: &Id, methods: &[String], policy: &Compliance) -> bool {
        both(methods) || !self.two_due(user, policy)
            || (has(methods, MFA) && !self.on_duty(user))
    }

    /// Whether a token was got with less than the floor. A program's credential was made by
    /// somebody who had met it.
    pub(super) fn lacks_factor(&self, token: &Token, policy: &Compliance) -> bool {
        let program = token.app_credential.is_some() || has(&token.methods, "ec2credential");
        !program && !self.meets(&token.user, &token.methods, policy)
    }

    /// Whether a token is good for enrolling only.
    pub(crate) fn enrolling(&self, token: &Token) -> bool {
        let policy = self.directory.user(&token.user)
            .map(|user| self.directory.compliance(&user.domain)).unwrap_or_default();
        self.lacks_factor(token, &policy)
    }

    /// Whether a user has something that a second factor is proved with.
    pub(super) fn has_second(&self, call: &Call<'_>, user: &Id) -> Result<bool, Fault> {
        Ok(self.has_totp(call, user)? || self.has_passkey(call, user)?)
    }

    /// The sets of methods that meet the floor, of those that a user has something for.
    fn ways(&self, call: &Call<'_>, user: &Id) -> Result<Vec<Vec<String>>, Fault> {
        let mut ways = Vec::new();
        let passkey = self.has_passkey(call, user)?;
        // A recovery code stands for a one-time code, also where a passkey is what was lost.
        if self.has_totp(call, user)? || (passkey && self.codes_left(call, user)? > 0) {
            ways.push(set(&["password", "totp"]));
        }
        if passkey {
            ways.push(set(&[passkey::METHOD]));
        }
        Ok(ways)
    }

    /// Whether a caller may make a credential of this type now. With one factor, only the first for
    /// one-time codes: whoever has stolen a password must not add a device to those that are there,
    /// nor, where two factors are due, a key that needs none. (`credential::create` looks again.)
    pub fn may_add_credential(&self, call: &Call<'_>, kind: &str) -> Result<(), Failure> {
        let no = |say: &str| Err(Refusal::new(Refused::Forbidden, say).into());
        let Some(token) = call.token.as_deref().and_then(|text| self.open(text)) else {
            return Ok(());
        };
        if kind == TOTP && token.delegated() {
            return no("A second factor is not made with a token that was passed on.");
        }
        // Whatever kind: it is there still when the sign-in is over.
        if !by_hand(&token.methods) {
            return no(BY_HAND);
        }
        // Also where nobody asks for two: else a stolen password makes a device of the thief's.
        if kind == TOTP && !both(&token.methods) && self.has_second(call, &token.user)? {
            return no(HAS_ONE);
        }
        if !self.enrolling(&token) {
            return Ok(());
        }
        if kind != TOTP {
            return no("With one factor only a credential of type totp, or a passkey, can be made.");
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
            Some(token) if !has_hand(&token) => no(BY_HAND),
            Some(token) if both(&token.methods) => Ok(()),
            _ => no("A second factor is deleted with a token that was got with password and totp, or \
                     with a passkey."),
        }
    }

    /// What the proofs are enough for, or the refusal that says what is missing.
    pub(super) fn enough(&self, call: &Call<'_>, user: (&Id, &UserSpec), proof: &Proof,
        asked: &Asked) -> Result<Enough, Failure> {
        let (id, spec) = user;
        if let Some(from) = &spec.federated
            && has(&proof.methods, passkey::METHOD)
            && !has(&proof.methods, "password") && !has(&proof.methods, OPENID)
        {
            // Sources whose name has a colon are directories, which prove passwords.
            let first = if from.idp.contains(':') { "password" } else { OPENID };
            return Err(self.half(call, user, proof, &[set(&[first, passkey::METHOD])]));
        }
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
        if rules.is_empty() && proof.methods.iter().all(|m| m == "totp") {
            return Err(self.half(call, user, proof, &[set(&["password", "totp"])]));
        }
        let parents = proof.parent.as_ref();
        let program = proof.with.is_some() || parents.is_some_and(|p| {
            p.app_credential.is_some() || has(&p.methods, "ec2credential")
        });
        let policy = self.directory.compliance(&spec.domain);
        if program || self.meets(id, &proof.methods, &policy) {
            return Ok(Enough::All);
        }
        let ways = self.ways(call, id)?;
        if !ways.is_empty() {
            return Err(self.half(call, user, proof, &ways));
        }
        if asked.place() {
            let say = format!(
                "A second factor is needed, and none is set up for user: {id}. Sign in with the \
                 scope \"unscoped\", make a credential of type totp (POST /v3/credentials), then \
                 sign in with the methods password and totp; or add a passkey (POST \
                 /v3/OS-JINYUN/passkeys), then sign in with the method passkey."
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
        let mut args = json!({ "methods": proof.methods, "required": required, "seen": seen });
        if let Some(used) = &proof.passkey {
            args[passkey::METHOD] = used.value()?;
        }
        let command =
            Command::new("identity:receipt:create", actor, call.request.clone()).with(args);
        self.settle(call, command)?;
        let through = proof.federation.as_ref();
        let receipt = Receipt::new(id, &proof.methods, through, call.source.as_deref(), now);
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
            ("identity", "POST", "/v3/OS-JINYUN/passkeys", true),
            ("identity", "POST", "/v3/OS-JINYUN/passkeys/options", true),
            ("identity", "GET", "/v3/OS-JINYUN/passkeys", true),
            ("identity", "DELETE", "/v3/OS-JINYUN/passkeys/x", false),
            ("compute", "POST", "/v3/OS-JINYUN/passkeys", false),
            ("identity", "POST", "/v3/OS-JINYUN/device/x", false),
            ("identity", "POST", "/v3/users/u1/password", true),
            ("identity", "POST", "/v3/users/u2/password", false),
            ("identity", "GET", "/v3", true),
            ("network", "GET", "/v2.0/ports", false),
        ] {
            assert_eq!(enrols(&token, service, method, path), want, "{method} {path}");
        }
    }

    #[test]
    fn a_hand_is_nobody_elses() {
        let cases: [(&[&str], bool); 6] = [(&["passkey"], true), (&["password", "token", "totp"], true),
            (&["device", "passkey"], false), (&["device", "password", "token", "totp"], false),
            (&["ec2credential"], false), (&[], true)];
        for (methods, want) in cases {
            assert_eq!(by_hand(&set(methods)), want, "{methods:?}");
        }
    }

    #[test]
    fn two_factors_are_a_passkey_or_password_and_code() {
        let cases: [(&[&str], bool); 9] = [(&["passkey"], true), (&["passkey", "password"], true),
            (&["password", "totp"], true), (&["token", "totp", "password"], true), (&["password"], false),
            (&["totp"], false), (&["openid", "mfa"], false), (&["openid", "totp"], false), (&[], false)];
        for (methods, want) in cases {
            assert_eq!(both(&set(methods)), want, "{methods:?}");
        }
    }
}
