//! A sign-in by an identity provider.
//!
//! The way of every sign-in (see `auth`): proof, admission, record, token. What is new is that the
//! proof may be about somebody who has no row yet; so it is admitted as the user that it would be,
//! and the row is made after that, and before a token goes out.
//!
//! A failure counts for its source. It counts for a person only once a signature has said whom it is
//! about: a name in a forged token is the forger's choice, and must not make its owner wait.

use super::factors::UNSET;
use super::mapping::Mapping;
use super::provider::ProviderSpec;
use super::rules::{Mapped, Named, Rules};
use super::shadow::Outsider;
use super::{bearer, own};
use crate::auth::Identity;
use crate::token::{Federation, Signed};
use crate::user::UserSpec;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::{Id, Time};
use jinyun_engine::Failure;
use jinyun_kms::Kms;
use jinyun_rest::Call;
use serde_json::{Map, Value};

/// Groups that a sign-in gives at most.
const GROUPS: usize = 100;

/// A provider and what a protocol of it is for.
struct Door {
    through: Federation,
    provider: ProviderSpec,
    mapping: Id,
    /// What was signed before then does not open it, microseconds.
    since: i64,
}

/// Who it is: somebody from outside, or a user of the institution's own.
enum Who {
    Outside(Outsider),
    Own(Id, UserSpec),
}

/// The token that a request brings.
fn bearer_of<'c>(call: &'c Call<'_>) -> Option<&'c str> {
    let sent = call.headers.iter().find(|(name, _)| name == "authorization")?;
    let (scheme, token) = sent.1.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

impl Identity {
    /// `GET` and `POST /v3/OS-FEDERATION/identity_providers/{idp}/protocols/{protocol}/auth`: an
    /// unscoped token for one of the provider's.
    pub(crate) fn sign_in_by_provider(&self, call: &Call<'_>) -> Result<Signed, Failure> {
        let (idp, now) = (call.param("idp"), self.now());
        let source = call.source.as_deref().unwrap_or("unknown");
        let vouched = self.door(idp, call.param("protocol")).and_then(|door| {
            let token = bearer_of(call).ok_or("no bearer token was sent")?;
            let claims = bearer::claims(token, &door.provider, now)?;
            // Until it expires, a token that was good before would be good again.
            if bearer::made(&claims).0 < door.since {
                return Err("the token is older than the provider, its last enabling, its rule about \
                            factors, the loss of a key or another issuer, or its protocol and that \
                            one's mapping, as they are now");
            }
            Ok((door, claims))
        });
        let (door, claims) = match vouched {
            Ok(vouched) => vouched,
            Err(why) => {
                return self.refuse_outsider(call, format!("idp {idp} from {source}"), why);
            }
        };
        let sub = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let digest = URL_SAFE_NO_PAD.encode(Kms::sha256(sub.as_bytes()));
        let account = format!("idp {} {digest}", door.through.idp);
        let until = match door.provider.authorization_ttl.unwrap_or_default() {
            0 => bearer::end(&claims),
            minutes => now.plus_seconds(minutes.saturating_mul(60)),
        };
        let who = match self.mapped(call, &door, &claims, until)? {
            Ok(who) => who,
            Err(why) => return self.refuse_outsider(call, account, why),
        };
        let (id, spec) = match who {
            Who::Own(id, spec) => self.admit_outsider(call, (id, spec), account)?,
            Who::Outside(who) => {
                let id = who.id();
                let spec = self.directory.user(&id).unwrap_or_else(|| who.fresh());
                self.admit_outsider(call, (id, spec), account)?;
                self.shadow(call, &who)?
            }
        };
        let rule = door.provider.multi_factor.as_ref();
        let (factors, lacks) = match rule.map_or(Err(UNSET), |rule| rule.shown(&claims, now)) {
            Ok(shown) => (Some(shown), ""),
            Err(lacks) => (None, lacks),
        };
        // Within the leeway a token may have ended already: it gives what a minute's skew would.
        let end = until.0.max(now.plus_seconds(1).0);
        let through = Federation { factors, until: Some(end), ..door.through };
        self.begin_by_provider(call, (&id, &spec), through, lacks, until)
    }

    /// The row of a provider that an address names: its id, an `@`, and its institution's id or name.
    fn provider_row(&self, idp: &str) -> Id {
        // In the name of an institution there may be one, too; in the id there is none.
        let Some((id, of)) = idp.split_once('@') else { return Id::new(idp) };
        let domain = Id::new(of);
        match self.directory.domain(&domain) {
            Some(_) => own(id, &domain),
            None => own(id, &self.directory.domain_by_name(of).unwrap_or(domain)),
        }
    }

    /// The protocol, if one may sign in by it now.
    fn door(&self, idp: &str, protocol: &str) -> Result<Door, &'static str> {
        const NONE: &str = "there is no such identity provider or protocol; the address names the \
                            institution behind the provider, like corp@bank";
        let id = self.provider_row(idp);
        let found = self.directory.provider(&id)
            .zip(self.directory.protocol(id.as_str(), protocol));
        let (provider, protocol_row) = found.ok_or(NONE)?;
        if !provider.enabled {
            return Err("the identity provider is disabled");
        }
        let through = Federation { idp: id, protocol: Id::new(protocol), factors: None, until: None };
        let since = provider.tokens_since.max(protocol_row.tokens_since);
        Ok(Door { through, provider, mapping: protocol_row.mapping, since })
    }

    /// Whom the mapping makes of the claims; or why it makes nobody.
    fn mapped(&self, call: &Call<'_>, door: &Door, claims: &Map<String, Value>, until: Time)
        -> Result<Result<Who, &'static str>, Failure> {
        let domain = &door.provider.domain;
        let mapping = call.view(|v| v.get::<Mapping>(&door.mapping))?;
        let mapping = mapping.filter(|m| m.domain == *domain);
        let named = self.directory.domain(domain);
        let (Some(mapping), Some(named)) = (mapping, named) else {
            return Ok(Err("the mapping or its domain is not there"));
        };
        // Again, and not as it was read when it was made: the domain may have another name now.
        let made = match Rules::read(&mapping.spec.rules, domain, &named.name) {
            // Expressions of a tenant's over claims of a tenant's: in turn, as costly work is.
            Ok(rules) => self.hashing(call, || rules.apply(claims))?,
            Err(_) => Err("the mapping names another domain, or cannot be read any more"),
        };
        Ok(made.and_then(|made| self.who(door, claims, made, until)))
    }

    fn who(&self, door: &Door, claims: &Map<String, Value>, made: Mapped, until: Time)
        -> Result<Who, &'static str> {
        let domain = &door.provider.domain;
        if made.local {
            let by_id = made.id.map(Id::new)
                .and_then(|id| self.directory.user(&id).map(|spec| (id, spec)));
            let found = by_id.or_else(|| self.directory.user_by_name(domain, &made.name?));
            let own = found.filter(|(_, s)| s.domain == *domain && s.federated.is_none());
            return own.map(|(id, spec)| Who::Own(id, spec))
                .ok_or("the mapping names a local user who is not there");
        }
        let mut groups: Vec<Id> = Vec::new();
        for group in made.groups {
            // What is not there, or not the institution's, gives nothing: people have groups at
            // their provider that mean nothing here.
            let id = match group {
                Named::Id(id) => Some(Id::new(id)),
                Named::Name(name) => self.directory.group_by_name(domain, &name),
            };
            let own = |id: &Id| self.directory.group(id).is_some_and(|g| g.domain == *domain);
            groups.extend(id.filter(own).filter(|id| !groups.contains(id)));
        }
        if groups.len() > GROUPS {
            return Err("the mapping gives more groups than a user may have");
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        // A subject is its issuer's own; an id that the mapping makes is the manager's word.
        // Told apart, so that a claim which people fill in themselves is nobody's subject.
        let unique = match &made.id {
            Some(id) => format!("id#{id}"),
            None => format!("{}#{}", text("iss"), text("sub")),
        };
        let name = made.name.or(made.id).ok_or("the mapping gives no name")?;
        Ok(Who::Outside(Outsider {
            source: door.through.idp.to_string(),
            protocol: door.through.protocol.to_string(),
            unique,
            made: door.provider.made,
            name,
            email: made.email,
            domain: domain.clone(),
            groups,
            until,
        }))
    }
}
