//! Identity providers: who is believed about an institution's people, and by which keys.
//!
//! The id is the client's choice and stands in the addresses of sign-ins. Like an issuer it is unique
//! in its institution only, or one institution could keep another from using its own, and learn that
//! there is one; so a row's id has the institution's behind it. A token that came by a provider is
//! good for as long as the provider stands: disabled, deleted or made anew, everything that came by it
//! before is void, and so is what its issuer had signed until then.

use super::factors::FactorRule;
use super::{check_domain, check_row, jwks};
use crate::domain::Domain;
use crate::keepers::merged;
use jinyun_base::{Id, Kind, Refusal, check_name, limits};
use jinyun_engine::{Claim, Command, Ctx, Failure, Link, OnDelete, Place, Resource, View};
use jwks::Key;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub(crate) struct Provider;

/// Names of issuers and audiences at most, each.
const NAMES: usize = 16;
/// Longest time that memberships hold after a sign-in, in minutes: thirty days.
pub(crate) const LONGEST: i64 = 43_200;

/// What a provider is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProviderSpec {
    /// The institution (again: links need it).
    pub domain: Id,
    /// Free text.
    #[serde(default)]
    pub description: Option<String>,
    /// By a disabled one nobody signs in, and what came by it is void.
    pub enabled: bool,
    /// What its tokens may call it.
    #[serde(default)]
    pub remote_ids: Vec<String>,
    /// For how many minutes a sign-in's memberships hold; 0 and none: as long as its token.
    #[serde(default)]
    pub authorization_ttl: Option<i64>,
    /// The issuer of its tokens, one of `remote_ids`; the first one, if none is set.
    #[serde(default)]
    pub issuer: Option<String>,
    /// For whom a token has to be made to be taken here.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// The keys that it signs with.
    #[serde(default)]
    pub jwks: Vec<Key>,
    /// Which of its words count for two factors; none if there is no rule.
    #[serde(default)]
    pub multi_factor: Option<FactorRule>,
    /// When it was made (microseconds): one of the same id that was made before is another.
    #[serde(default)]
    pub made: i64,
    /// What came by it before this moment (microseconds) is void, and what it signed before then.
    #[serde(default)]
    pub tokens_since: i64,
}

impl ProviderSpec {
    /// Who has to have issued a token.
    pub fn issued_by(&self) -> Option<&str> {
        self.issuer.as_deref().or(self.remote_ids.first().map(String::as_str))
    }
}

/// Refuses names that are empty, too long, too many or twice there.
fn check_names(field: &'static str, names: &[String]) -> Result<(), Refusal> {
    if names.len() > NAMES {
        return Err(Refusal::invalid(field, format!("holds more than {NAMES} names")));
    }
    for (n, name) in names.iter().enumerate() {
        check_name(field, name)?;
        if name.is_empty() || names[..n].contains(name) {
            return Err(Refusal::invalid(field, "holds an empty name, or one twice"));
        }
    }
    Ok(())
}

impl Resource for Provider {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("identity_provider");
    type Spec = ProviderSpec;
    type Status = ();

    fn name(_: &ProviderSpec) -> &str {
        ""
    }

    fn check(new: &ProviderSpec, old: Option<&ProviderSpec>, at: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        check_row("idp_id", &at.id, &new.domain, old.is_some())?;
        check_domain(new.domain.as_str())?;
        if old.is_some_and(|o| o.domain != new.domain) {
            return Err(Refusal::invalid("domain_id", "cannot be changed").into());
        }
        if view.get::<Domain>(&new.domain)?.is_none() {
            return Err(Refusal::not_found("domain", &new.domain).into());
        }
        if new.description.as_ref().is_some_and(|d| d.chars().count() > limits::TEXT) {
            let say = format!("is longer than {} characters", limits::TEXT);
            return Err(Refusal::invalid("description", say).into());
        }
        check_names("remote_ids", &new.remote_ids)?;
        check_names("jinyun:audiences", &new.audiences)?;
        if new.issuer.as_ref().is_some_and(|i| !new.remote_ids.contains(i)) {
            return Err(Refusal::invalid("jinyun:issuer", "must be one of remote_ids").into());
        }
        if new.authorization_ttl.is_some_and(|m| !(0..=LONGEST).contains(&m)) {
            let say = format!("must be a whole number of minutes from 0 to {LONGEST}");
            return Err(Refusal::invalid("authorization_ttl", say).into());
        }
        jwks::check(&new.jwks)?;
        if let Some(rule) = &new.multi_factor {
            rule.check()?;
        }
        Ok(())
    }

    fn claims(spec: &ProviderSpec, _: &Place) -> Vec<Claim> {
        spec.remote_ids.iter().map(|remote| Claim {
            space: "identity-provider-remote".into(),
            word: format!("{}/{remote}", spec.domain),
            taken: format!("Duplicate remote ID: {remote}"),
        }).collect()
    }

    fn links(spec: &ProviderSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        vec![Link { role: "domain", kind: "domain", id: spec.domain.clone(), on_delete }]
    }
}

/// The id that a creation names.
pub(super) fn named(command: &Command) -> Result<Id, Failure> {
    let id = command.args.get("id").and_then(Value::as_str).map(Id::new);
    id.ok_or_else(|| Refusal::invalid("id", "is missing").into())
}

/// Makes a provider.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let mut spec: ProviderSpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("identity_provider", format!("cannot be read: {e}")))?;
    // One of this id may have been there before, with tokens that still run.
    (spec.made, spec.tokens_since) = (ctx.now.0, ctx.now.0);
    let at = Place { domain: spec.domain.clone(), project: "".into(), id: named(command)? };
    let row = ctx.create_at::<Provider>(at, spec)?;
    Ok(json!({ "id": row.id }))
}

/// Whether what was believed until now is not believed any more: a key is gone, or it is another
/// issuer. A key that comes to the others takes nothing away.
fn believes_less(old: &ProviderSpec, new: &ProviderSpec) -> bool {
    let gone = |key: &Key| !new.jwks.iter().any(|other| other.is_the_same(key));
    old.jwks.iter().any(gone) || (old.issued_by().is_some() && old.issued_by() != new.issued_by())
}

/// Changes a provider. Disabling it ends what came by it, for good; enabling it again does so with
/// what it has signed in the meantime. A rule about factors that held until now takes along what came
/// by it, and so does a key that goes (by which key somebody came is not kept) or another issuer.
pub(crate) fn update(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("idp_id", "is missing").into());
    };
    let now = ctx.now.0;
    ctx.change::<Provider>(id, command.if_generation, |spec| {
        let old = spec.clone();
        *spec = merged("identity_provider", spec, &command.args)?;
        let rule = old.multi_factor.is_some() && old.multi_factor != spec.multi_factor;
        if old.enabled != spec.enabled || rule || believes_less(&old, spec) {
            spec.tokens_since = now;
        }
        Ok(())
    })?;
    Ok(Value::Null)
}
