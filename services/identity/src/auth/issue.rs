//! The login goes on record, then the token goes out.

use super::activity::Visit;
use super::{Identity, Proof, denied, passkey};
use crate::assignment::Scoped;
use crate::lockout;
use crate::token::{Signed, Token};
use crate::trust::TrustSpec;
use crate::user::UserSpec;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::{Entropy, Fault, Id, OsEntropy, Time};
use jinyun_engine::{Command, Failure};
use jinyun_policy::Actor;
use jinyun_rest::Call;
use serde_json::json;

/// How many tokens above it a token names, beside the first.
const CHAIN: usize = 6;

/// Where a token holds.
#[derive(Default)]
pub(super) struct Place {
    /// The scope.
    pub scope: Option<Scoped>,
    /// The trust that it is got from.
    pub trust: Option<(Id, TrustSpec)>,
    /// At most so many seconds.
    pub longest: Option<i64>,
}

impl Place {
    /// In a scope, as the user's own.
    pub fn at(scope: Option<Scoped>) -> Place {
        Place { scope, ..Place::default() }
    }
}

impl Identity {
    /// What a command about this sign-in carries for the user's `activity`.
    pub(super) fn visit(&self, call: &Call<'_>, user: &Id, proof: &Proof, now: Time, login: bool)
        -> Visit {
        let domain = self.directory.user(user).map(|u| u.domain);
        let policy = domain.map(|d| self.directory.compliance(&d)).unwrap_or_default();
        Visit {
            user: user.clone(),
            source: call.source.clone(),
            at: now.0,
            step: proof.step,
            recovery: proof.recovery.clone(),
            login,
            let_in: proof.let_in,
            ends_weaker: self.two_due(user, &policy),
        }
    }

    /// A token's text.
    fn seal(&self, token: Token) -> Result<Signed, Fault> {
        let plain = serde_json::to_vec(&token).map_err(|e| Fault::new(format!("token: {e}")))?;
        Ok(Signed { text: self.kms.seal_token("token", &plain)?, token })
    }

    /// What the token says. A token that was made from one, or with something that ends, does not
    /// outlive it; the audit chain names the first token.
    fn token(&self, user: (&Id, &UserSpec), proof: &Proof, place: &Place, now: Time) -> Token {
        let (id, spec) = user;
        let mut own = [0u8; 16];
        OsEntropy::default().fill(&mut own);
        let parent = proof.parent.as_ref();
        let mut audit = vec![URL_SAFE_NO_PAD.encode(own)];
        // All above it, so that revoking any of them revokes this one; the first names the session.
        let above = parent.map_or(&[][..], |p| &p.audit[..]);
        audit.extend(above.iter().take(CHAIN).cloned());
        if above.len() > CHAIN {
            audit.extend(above.last().cloned());
        }
        let session = self.directory.compliance(&spec.domain).session_seconds;
        let seconds = place.longest.map_or(session, |longest| longest.min(session));
        let ends = [
            parent.map(|p| p.expires),
            proof.with.as_ref().and_then(|(_, with)| with.expires),
            place.trust.as_ref().and_then(|(_, trust)| trust.expires),
            proof.federation.as_ref().and_then(|f| f.until),
        ];
        let expires = ends.into_iter().flatten().fold(now.plus_seconds(seconds).0, i64::min);
        let passed = parent.and_then(|p| p.app_credential.clone());
        // Whatever else was proved: what began by a provider ends with it.
        let through = parent.and_then(|p| p.federation.clone());
        Token {
            user: id.clone(),
            scope: place.scope.clone(),
            methods: proof.methods.clone(),
            issued: now.0,
            began: parent.filter(|_| !proof.fresh).map(Token::signed_in),
            expires,
            audit,
            app_credential: proof.with.as_ref().map(|(with, _)| with.clone()).or(passed),
            trust: place.trust.as_ref().map(|(trust, _)| trust.clone()),
            federation: proof.federation.clone().or(through),
        }
    }

    /// Records the login and issues the token.
    pub(super) fn issue(&self, call: &Call<'_>, user: (&Id, &UserSpec), proof: &Proof,
        place: Place) -> Result<Signed, Failure> {
        let now = self.now();
        let (id, _) = user;
        let token = self.token(user, proof, &place, now);
        // Also whoever passed something on must still be there and hold it.
        let actor = self.directory.actor_of(&token, now).ok_or_else(|| {
            self.deny(call, Some(user), denied("what the token would rest on does not hold now"))
        })?;
        let signed = self.seal(token)?;
        if let Some((trust, _)) = &place.trust {
            let system = Actor::system("identity");
            let command = Command::new("identity:trust:consume", system, call.request.clone());
            self.settle(call, command.on(trust.clone()))?;
        }
        let mut args = json!({
            "audit_id": signed.token.audit.first(),
            "methods": signed.token.methods,
            "scope": signed.token.scope,
        });
        if let Some(with) = &signed.token.app_credential {
            args["application_credential"] = json!(with);
        }
        if let Some(through) = &signed.token.federation {
            let mut shown = json!({ "provider": through.idp, "protocol": through.protocol });
            if let Some(factors) = &through.factors {
                // Whose proof it was: the provider's, and by which of its words.
                shown["multi_factor"] = json!(factors);
            }
            args["identity_provider"] = shown;
        }
        if let Some(trust) = &signed.token.trust {
            (args["trust"], args["trustee"]) = (json!(trust), json!(id));
        }
        if proof.fresh || proof.let_in {
            args["seen"] = self.visit(call, id, proof, now, proof.fresh).value()?;
        }
        if let Some(parent) = proof.parent.as_ref().filter(|_| proof.let_in) {
            // As `identity:device:allow` has it: who let it in and what came of it can be put together.
            args["let_in_by"] = json!(parent.audit.first());
        }
        if let Some(used) = &proof.passkey {
            args[passkey::METHOD] = used.value()?;
        }
        let command = Command::new("identity:token:create", actor, call.request.clone());
        // The login is on record before the token is of any use.
        let mut told = self.settle(call, command.with(args))?;
        if proof.fresh {
            let failures = self.guard.passed(&lockout::account(id))
                + self.guard.passed(&lockout::by_passkey(id));
            if let Some(members) = told.as_object_mut() {
                members.insert("failures_since".into(), failures.into());
            }
        }
        self.sessions.begin(&signed.token, told);
        Ok(signed)
    }

    /// Issues a token for the proof of a pair of keys: the project's, not to be taken elsewhere.
    pub(super) fn issue_for_keys(&self, call: &Call<'_>, user: (&Id, &UserSpec), project: Id)
        -> Result<Signed, Failure> {
        let mut proof = Proof { user: Some((user.0.clone(), user.1.clone())), ..Proof::default() };
        proof.adds(["ec2credential".to_string()]);
        self.issue(call, user, &proof, Place::at(Some(Scoped::Project(project))))
    }
}
