//! Projects: what resources belong to. Each has a key of its own that wraps the keys of its
//! volumes, so a project that goes takes the readability of all its data with it.

use crate::domain::Domain;
use jinyun_base::{Entropy, Fault, Id, Kind, Refusal};
use jinyun_engine::{
    Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Plan, Resource, Seen, Step, View,
};
use jinyun_policy::PROVIDER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct Project;

/// What a project is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectSpec {
    /// Unique in its domain.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Nobody can work in a disabled project.
    pub enabled: bool,
    /// The domain (again: links need it).
    pub domain: Id,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
}

impl Resource for Project {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("project");
    const LIVE: bool = true;
    type Spec = ProjectSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(spec: &ProjectSpec) -> &str {
        &spec.name
    }

    fn check(new: &ProjectSpec, old: Option<&ProjectSpec>, _: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        if new.name.trim().is_empty() {
            return Err(Refusal::invalid("name", "is empty").into());
        }
        if old.is_none() && new.domain.as_str() == PROVIDER {
            let say = "is the provider's own, which has no projects: make the project in an \
                       institution's domain";
            return Err(Refusal::invalid("domain_id", say).into());
        }
        if view.get::<Domain>(&new.domain)?.is_none() {
            return Err(Refusal::not_found("domain", &new.domain).into());
        }
        Ok(())
    }

    fn claims(spec: &ProjectSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "project-name".into(),
            word: format!("{}/{}", spec.domain, spec.name.to_lowercase()),
            taken: format!("Duplicate entry found with name {} at domain ID {}.",
                spec.name, spec.domain),
        }]
    }

    fn links(spec: &ProjectSpec) -> Vec<Link> {
        let on_delete = OnDelete::Refuse;
        vec![Link { role: "domain", kind: "domain", id: spec.domain.clone(), on_delete }]
    }

    fn plan(want: &Have<Project>, world: &mut View<'_>, _: &dyn Seen) -> Result<Plan<()>, Fault> {
        let key = world.has_secret("project", &want.id, "kek")?;
        if !want.deleting {
            if key {
                return Ok(Plan::done("active", ()));
            }
            let make = Step::MakeSecret { name: "kek", request: Value::Null };
            return Ok(Plan::going("creating", (), vec![make]));
        }
        let mut steps = Vec::new();
        if key {
            let certificate = json!({
                "destroyed": { "key of project": want.id, "algorithm": "AES-256-GCM key wrap" },
                "makes_unreadable": "every volume key that it wrapped",
                "says_nothing_about": "pages of the database's log until its next checkpoint",
            });
            steps.push(Step::DestroySecret { name: "kek", certificate });
        }
        steps.push(Step::Finish { note: None });
        Ok(Plan::going("deleting", (), steps))
    }

    fn keep(have: &Have<Project>, view: &mut View<'_>) -> Result<(), Failure> {
        // Links name the rows that hang on a project by role; what merely lies in it is counted.
        let meters = view.rows_in(&have.id)?;
        match meters {
            0 => Ok(()),
            n => Err(Refusal::conflict(format!(
                "Project {} still holds {n} resource(s): delete them first.", have.id
            )).into()),
        }
    }
}

/// A project lies in itself and in its domain.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec: ProjectSpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("project", format!("cannot be read: {e}")))?;
    let id = Project::id(ctx.dice());
    let at = Place { domain: spec.domain.clone(), project: id.clone(), id: id.clone() };
    ctx.create_at::<Project>(at, spec)?;
    Ok(json!({ "id": id }))
}
