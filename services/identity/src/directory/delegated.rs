//! Who acts behind a token, and with what: by themselves, with an application credential, or with a
//! trust.
//!
//! What was passed on is an upper bound that is met at each use with what its giver holds at that
//! moment. So there is nothing to revoke when a role is taken, a user disabled or a trust deleted:
//! the next look finds less.

use super::{Directory, Inside};
use crate::app_credential::AppCredentialSpec;
use crate::assignment::Scoped;
use crate::federation::protocol;
use crate::token::{Federation, Token};
use crate::trust::{PASSED_ON, TrustSpec};
use crate::user::UserSpec;
use jinyun_base::{Id, Time};
use jinyun_policy::{Actor, ActorKind, Role};

fn ended(expires: Option<i64>, now: Time) -> bool {
    expires.is_some_and(|at| at <= now.0)
}

impl Directory {
    /// Whether an identity provider of a domain stands, and did all the time since a moment.
    pub(crate) fn stood(&self, through: &Federation, domain: &Id, since: i64) -> bool {
        self.read(|i| i.stood(through, domain, since))
    }
}

impl Inside {
    /// Whether a user may use what was issued at a time.
    fn stands(&self, user: &Id, issued: i64) -> bool {
        self.users.get(user).is_some_and(|u| {
            u.enabled && issued >= u.tokens_since && self.vouched(u)
                && self.domains.get(&u.domain).is_some_and(|d| d.enabled && issued >= d.tokens_since)
        })
    }

    /// Whether whoever vouches for a user still may: the identity provider, or, where the source's name
    /// has a colon, the user directory of the domain.
    pub(super) fn vouched(&self, user: &UserSpec) -> bool {
        user.federated.as_ref().is_none_or(|from| {
            match from.idp.contains(':') {
                true => self.directories.contains(&user.domain),
                false => self.providers.get(&Id::new(&from.idp))
                    .is_some_and(|p| {
                        p.enabled && p.domain == user.domain && p.made == from.made
                    }),
            }
        })
    }

    /// Whether the identity provider that a token came by stands, and did all the time since.
    fn stands_by(&self, token: &Token) -> bool {
        let Some(through) = &token.federation else { return true };
        let domain = self.users.get(&token.user).map(|u| &u.domain);
        domain.is_some_and(|domain| self.stood(through, domain, token.signed_in()))
    }

    fn stood(&self, through: &Federation, domain: &Id, since: i64) -> bool {
        let row = protocol::row(through.idp.as_str(), through.protocol.as_str());
        let provider = self.providers.get(&through.idp).filter(|p| p.enabled);
        provider.is_some_and(|p| p.domain == *domain && since >= p.tokens_since)
            && self.protocols.get(&row).is_some_and(|p| since >= p.tokens_since)
    }

    /// Whether what was issued at a time for a place was issued since the place was closed last.
    fn place_stands(&self, scope: Option<&Scoped>, issued: i64) -> bool {
        match scope {
            None | Some(Scoped::System) => true,
            Some(Scoped::Domain(id)) => {
                self.domains.get(id).is_some_and(|d| issued >= d.tokens_since)
            }
            Some(Scoped::Project(id)) => {
                let mut at = Some(id);
                while let Some(project) = at.and_then(|id| self.projects.get(id)) {
                    let open = self.domains.get(&project.domain)
                        .is_some_and(|d| issued >= d.tokens_since);
                    if issued < project.tokens_since || !open {
                        return false;
                    }
                    at = project.parent.as_ref();
                }
                true
            }
        }
    }

    pub(super) fn accepts(&self, token: &Token, now: Time) -> bool {
        token.expires > now.0
            // Whoever revokes a token revokes what was made from it, too.
            && !token.audit.iter().any(|a| self.revoked.contains_key(a))
            && self.place_stands(token.scope.as_ref(), token.issued)
            && self.stands(&token.user, token.issued)
            && self.stands_by(token)
            && (!token.delegated() || self.actor_of(token, now).is_some())
    }

    pub(super) fn actor_of(&self, token: &Token, now: Time) -> Option<Actor> {
        match (&token.app_credential, &token.trust) {
            (None, None) => self.actor(&token.user, token.scope.as_ref(), now),
            (Some(id), None) => self.by_credential(token, self.app_credentials.get(id)?, now),
            (None, Some(id)) => self.by_trust(token, self.trusts.get(id)?, now),
            (Some(_), Some(_)) => None,
        }
    }

    fn by_credential(&self, token: &Token, with: &AppCredentialSpec, now: Time) -> Option<Actor> {
        let here = Scoped::Project(with.project.clone());
        let good = with.user == token.user && token.scope.as_ref() == Some(&here);
        if !good || ended(with.expires, now) {
            return None;
        }
        let mut actor = self.actor(&with.user, Some(&here), now)?;
        actor.role = actor.role.min(with.roles.iter().copied().max());
        actor.role.is_some().then_some(actor)
    }

    fn by_trust(&self, token: &Token, trust: &TrustSpec, now: Time) -> Option<Actor> {
        let here = Scoped::Project(trust.project.clone());
        let bearer = token.user == trust.trustee
            || (trust.impersonation && token.user == trust.trustor);
        if !bearer || token.scope.as_ref() != Some(&here) {
            return None;
        }
        // Upwards to the one whose roles they are.
        let (mut role, mut at) = (Some(Role::Manager), trust);
        for _ in 0..=PASSED_ON {
            let both = [&at.trustor, &at.trustee].iter().all(|u| self.stands(u, token.issued));
            if !both || ended(at.expires, now) || at.project != trust.project {
                return None;
            }
            role = role.min(at.roles.iter().copied().max());
            let Some(above) = &at.redelegated else {
                return self.passed_on(trust, role.min(self.roles(&at.trustor, &here, now).0)?);
            };
            at = self.trusts.get(above)?;
        }
        None
    }

    /// The actor that a trustee is.
    fn passed_on(&self, trust: &TrustSpec, role: Role) -> Option<Actor> {
        let who = if trust.impersonation { &trust.trustor } else { &trust.trustee };
        Some(Actor {
            kind: ActorKind::User,
            id: who.clone(),
            domain: self.users.get(who)?.domain.clone(),
            scope: self.open(&Scoped::Project(trust.project.clone()))?,
            role: Some(role),
            duty: None,
        })
    }
}
