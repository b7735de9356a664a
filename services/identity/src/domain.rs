//! Domains: institutions. Everything that an institution owns carries its domain's id, and its
//! journal is its own.
//!
//! An institution goes in steps that each leave a record: projects (with their keys) by its
//! manager, then it is disabled, then deleted with the people that are left. The last manager
//! cannot be deleted before, so the deletion takes people along, but no crowd: a command holds the
//! writer while it runs.

use crate::compliance::ComplianceKind;
use crate::group::Group;
use crate::names;
use crate::project::Project;
use crate::user::{User, without_manager};
use jinyun_base::{Entropy, Id, Kind, Refusal, Refused};
use jinyun_engine::{Claim, Command, Ctx, Failure, Have, Place, Query, Resource, View};
use jinyun_policy::{PROVIDER, Who};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct Domain;

/// What a domain is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainSpec {
    /// Unique among domains.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Nobody of a disabled domain can sign in.
    pub enabled: bool,
    /// Tokens issued before this moment (microseconds) are void: when it was closed last.
    #[serde(default)]
    pub tokens_since: i64,
}

impl Resource for Domain {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("domain");
    type Spec = DomainSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(spec: &DomainSpec) -> &str {
        &spec.name
    }

    fn check(new: &DomainSpec, old: Option<&DomainSpec>, at: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        let changed = old.is_some_and(|o| o.name != new.name || o.enabled != new.enabled);
        if changed && at.id.as_str() == PROVIDER {
            // Closed to its staff, nobody could open it again.
            let say = "The provider's own domain keeps its name and stays enabled.";
            return Err(Refusal::conflict(say).into());
        }
        if old.is_none_or(|o| o.name != new.name) {
            names::check("name", &new.name, names::SHORT)?;
        }
        Ok(())
    }

    fn claims(spec: &DomainSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "domain-name".into(),
            word: names::fold(&spec.name),
            taken: format!("Duplicate entry found with name {}.", spec.name),
        }]
    }

    fn keep(have: &Have<Domain>, _: &mut View<'_>) -> Result<(), Failure> {
        if have.id.as_str() == PROVIDER {
            return Err(Refusal::conflict("The provider's own domain stays.").into());
        }
        if have.spec.enabled {
            let say = "Cannot delete a domain that is enabled, please disable it first.";
            return Err(Refusal::new(Refused::Forbidden, say).into());
        }
        Ok(())
    }
}

/// A domain lies in itself: whoever has a role in it may see it.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec: DomainSpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("domain", format!("cannot be read: {e}")))?;
    let id = match command.args.get("id").and_then(Value::as_str) {
        Some(id) => Id::new(id),
        None => Domain::id(ctx.dice()),
    };
    let at = Place { domain: id.clone(), project: "".into(), id: id.clone() };
    ctx.create_at::<Domain>(at, spec)?;
    Ok(json!({ "id": id }))
}

/// How many users and groups go with their domain.
const PEOPLE: usize = 200;

/// Deletes a disabled domain that holds no projects, with its users and groups.
pub(crate) fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("domain_id", "is missing").into());
    };
    let domain = ctx.get::<Domain>(id)?;
    Domain::keep(&domain, &mut ctx.view())?;
    let inside = Query { domain: Some(id.clone()), limit: Some(PEOPLE + 1), ..Query::default() };
    let busy = |what: &str| Err(Refusal::conflict(format!("Domain {id} still holds {what}.")).into());
    if !ctx.list::<Project>(&inside)?.is_empty() {
        return busy("projects: enable it, and let its manager delete them first");
    }
    let (users, groups) = (ctx.list::<User>(&inside)?, ctx.list::<Group>(&inside)?);
    if users.len() + groups.len() > PEOPLE {
        return busy(&format!("more than {PEOPLE} users and groups: enable it, and let its manager \
            delete them down to so many"));
    }
    for group in groups {
        ctx.delete::<Group>(&group.id)?;
    }
    for user in users {
        ctx.delete::<User>(&user.id)?;
    }
    if ctx.view().get::<ComplianceKind>(id)?.is_some() {
        ctx.delete::<ComplianceKind>(id)?;
    }
    ctx.delete::<Domain>(id)?;
    Ok(Value::Null)
}

/// Takes a domain's own security rules away: the provider's hold again.
pub(crate) fn drop_compliance(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("domain_id", "is missing").into());
    };
    // As for setting them (`compliance::set`): an institution's rules are its manager's.
    if matches!(ctx.permit().because(), Who::Duty(_)) {
        without_manager(ctx, id)?;
    }
    ctx.delete::<ComplianceKind>(id)?;
    Ok(Value::Null)
}
