//! Limits: how much of a quota item a project may use. Rows of the provider's; a limit below what is
//! used blocks growth and touches nothing.

use crate::project::Project;
use jinyun_base::{Entropy, Id, Kind, Refusal};
use jinyun_engine::{Claim, Command, Ctx, Failure, Link, OnDelete, Place, Resource, View};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct Limit;

/// What a limit is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitSpec {
    /// The quota item.
    pub item: String,
    /// The project.
    pub project: Id,
    /// At most so much; -1 is no limit.
    pub limit: i64,
    /// Free text.
    #[serde(default)]
    pub description: String,
}

impl Resource for Limit {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("limit");
    type Spec = LimitSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(spec: &LimitSpec) -> &str {
        &spec.item
    }

    fn check(new: &LimitSpec, _: Option<&LimitSpec>, _: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        if new.limit < -1 {
            return Err(Refusal::invalid("resource_limit", "must be -1 (no limit) or more").into());
        }
        if view.get::<Project>(&new.project)?.is_none() {
            return Err(Refusal::not_found("project", &new.project).into());
        }
        Ok(())
    }

    fn claims(spec: &LimitSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "limit".into(),
            word: format!("{}/{}", spec.project, spec.item),
            taken: format!("There is a limit of {} for project {}.", spec.item, spec.project),
        }]
    }

    fn links(spec: &LimitSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        vec![Link { role: "project", kind: "project", id: spec.project.clone(), on_delete }]
    }
}

/// Makes several limits at once, all or none. They are of one institution: the command is one entry
/// in that institution's journal, and an entry must not tell one of them about another.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let limits = command.args.get("limits").cloned().unwrap_or_default();
    let limits: Vec<LimitSpec> = serde_json::from_value(limits)
        .map_err(|e| Refusal::invalid("limits", format!("cannot be read: {e}")))?;
    let mut made = Vec::new();
    for spec in limits {
        let project = ctx.get::<Project>(&spec.project)?;
        if command.domain.as_ref() != Some(&project.domain) {
            let say = "must be about projects of one domain: send one request for each";
            return Err(Refusal::invalid("limits", say).into());
        }
        made.push(ctx.create::<Limit>(&project.domain, &project.id, spec)?.id);
    }
    Ok(json!({ "id": made.first(), "ids": made }))
}
