//! Mappings: rules that make a user and groups of what a token says (see `rules`). They are read
//! when they are made, so that what cannot work is refused then, and again at each sign-in.

use super::rules::Rules;
use super::{check_domain, check_row};
use super::provider::named;
use crate::domain::Domain;
use jinyun_base::{Id, Kind, Refusal};
use jinyun_engine::{Command, Ctx, Failure, Link, OnDelete, Place, Resource, View};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub(crate) struct Mapping;

/// What a mapping is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MappingSpec {
    /// The institution (again: links need it).
    pub domain: Id,
    /// As they were sent.
    pub rules: Value,
}

impl Resource for Mapping {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("mapping");
    type Spec = MappingSpec;
    type Status = ();

    fn name(_: &MappingSpec) -> &str {
        ""
    }

    fn check(new: &MappingSpec, old: Option<&MappingSpec>, at: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        check_row("mapping_id", &at.id, &new.domain, old.is_some())?;
        check_domain(new.domain.as_str())?;
        if old.is_some_and(|o| o.domain != new.domain) {
            return Err(Refusal::invalid("domain_id", "cannot be changed").into());
        }
        let Some(domain) = view.get::<Domain>(&new.domain)? else {
            return Err(Refusal::not_found("domain", &new.domain).into());
        };
        Rules::read(&new.rules, &domain.id, &domain.spec.name)?;
        Ok(())
    }

    fn links(spec: &MappingSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        vec![Link { role: "domain", kind: "domain", id: spec.domain.clone(), on_delete }]
    }
}

/// Makes a mapping.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec: MappingSpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("mapping", format!("cannot be read: {e}")))?;
    let at = Place { domain: spec.domain.clone(), project: "".into(), id: named(command)? };
    let row = ctx.create_at::<Mapping>(at, spec)?;
    Ok(json!({ "id": row.id }))
}

/// Deletes a mapping that no protocol uses: without it nobody could sign in by that one.
pub(crate) fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("mapping_id", "is missing").into());
    };
    if let Some((_, protocol, ..)) = ctx.view().used_by(Mapping::KIND.0, id)?.first() {
        let say = format!("mapping {id} is in use by the protocol {protocol}");
        return Err(Refusal::conflict(say).into());
    }
    ctx.delete::<Mapping>(id)?;
    Ok(Value::Null)
}
