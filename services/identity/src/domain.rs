//! Domains: institutions. Everything that an institution owns carries its domain's id, and its
//! journal is its own.

use jinyun_base::{Entropy, Id, Kind, Refusal};
use jinyun_engine::{Claim, Command, Ctx, Failure, Have, Place, Resource, View};
use jinyun_policy::PROVIDER;
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
        if new.name.trim().is_empty() {
            return Err(Refusal::invalid("name", "is empty").into());
        }
        Ok(())
    }

    fn claims(spec: &DomainSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "domain-name".into(),
            word: spec.name.to_lowercase(),
            taken: format!("Duplicate entry found with name {}.", spec.name),
        }]
    }

    fn keep(have: &Have<Domain>, _: &mut View<'_>) -> Result<(), Failure> {
        if have.id.as_str() == PROVIDER {
            return Err(Refusal::conflict("The provider's own domain stays.").into());
        }
        if have.spec.enabled {
            let say = "Cannot delete a domain that is enabled, please disable it first.";
            return Err(Refusal::new(jinyun_base::Refused::Forbidden, say).into());
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
