//! Protocols: a way to sign in by a provider, and the mapping that says what comes of it.
//!
//! Whatever its id, a protocol here speaks OpenID Connect. Its row has the provider's id and its own
//! in one, so that it is found by the address of a sign-in.

use super::mapping::Mapping;
use super::provider::{Provider, named};
use super::check_id;
use crate::keepers::merged;
use jinyun_base::{Id, Kind, Refusal};
use jinyun_engine::{Command, Ctx, Failure, Link, OnDelete, Place, Resource, View};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub(crate) struct Protocol;

/// What a protocol is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProtocolSpec {
    /// The provider.
    pub idp: Id,
    /// Its own id, as clients know it.
    pub protocol: String,
    /// The mapping.
    pub mapping: Id,
    /// Where a client wants the issuer to be looked for; it is always the token's.
    #[serde(default)]
    pub remote_id_attribute: Option<String>,
    /// What came by it before this moment (microseconds) is void.
    #[serde(default)]
    pub tokens_since: i64,
}

/// The id of a protocol's row.
pub(crate) fn row(idp: &str, protocol: &str) -> Id {
    Id::new(format!("{idp}:{protocol}"))
}

/// The names of a token's issuer.
const ISSUER: [&str; 3] = ["HTTP_OIDC_ISS", "OIDC-iss", "iss"];

impl Resource for Protocol {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("federation_protocol");
    type Spec = ProtocolSpec;
    type Status = ();

    fn name(_: &ProtocolSpec) -> &str {
        ""
    }

    fn check(new: &ProtocolSpec, _: Option<&ProtocolSpec>, at: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        check_id("protocol_id", &new.protocol)?;
        // A mapping of another institution is none.
        let mapping = view.get::<Mapping>(&new.mapping)?;
        if mapping.is_none_or(|m| m.domain != at.domain) {
            return Err(Refusal::invalid("mapping_id", "is of no mapping that is there").into());
        }
        let known = |name: &String| ISSUER.contains(&name.as_str());
        if new.remote_id_attribute.as_ref().is_some_and(|name| !known(name)) {
            let say = format!("is always the issuer of the token: leave it out, or send one of {}",
                ISSUER.join(", "));
            return Err(Refusal::invalid("remote_id_attribute", say).into());
        }
        Ok(())
    }

    fn links(spec: &ProtocolSpec) -> Vec<Link> {
        // Both cascade for the end of an institution; a mapping in use is kept by its own command.
        let on_delete = OnDelete::Cascade;
        vec![
            Link { role: "idp", kind: "identity_provider", id: spec.idp.clone(), on_delete },
            Link { role: "mapping", kind: "mapping", id: spec.mapping.clone(), on_delete },
        ]
    }

    fn fields(spec: &ProtocolSpec) -> Vec<(&'static str, String)> {
        vec![("idp", spec.idp.to_string())]
    }
}

/// Changes a protocol. With another mapping it is another way in: what came by the one before is void.
/// So a mapping that is deleted (no protocol uses it then) and made again with its old id brings
/// nothing back.
pub(crate) fn update(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("protocol_id", "is missing").into());
    };
    let now = ctx.now.0;
    ctx.change::<Protocol>(id, command.if_generation, |spec| {
        let was = spec.mapping.clone();
        *spec = merged("protocol", spec, &command.args)?;
        if spec.mapping != was {
            spec.tokens_since = now;
        }
        Ok(())
    })?;
    Ok(Value::Null)
}

/// Makes a protocol of a provider.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let mut spec: ProtocolSpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("protocol", format!("cannot be read: {e}")))?;
    spec.tokens_since = ctx.now.0;
    let provider = ctx.get::<Provider>(&spec.idp)?;
    // The decision was about the domain that the command names.
    if command.domain.as_ref() != Some(&provider.domain) {
        return Err(Refusal::not_found(Provider::KIND.0, &provider.id).into());
    }
    let at = Place { domain: provider.domain, project: "".into(), id: named(command)? };
    if at.id != row(spec.idp.as_str(), &spec.protocol) {
        return Err(Refusal::invalid("protocol_id", "is not that of its row").into());
    }
    let row = ctx.create_at::<Protocol>(at, spec)?;
    Ok(json!({ "id": row.id }))
}
