//! Projects: what resources belong to, in trees below their domain. Each has a key of its own that
//! wraps the keys of its volumes, so a project that goes takes the readability of all its data with
//! it.
//!
//! A project never moves: what it inherits (roles, being disabled) would change with it in silence.
//! So a tree has no cycles, and the walk upwards is bounded all the same.

use crate::domain::Domain;
use crate::names;
use jinyun_base::{Entropy, Fault, Id, Kind, Refusal, Refused};
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
    /// Nobody can work in a disabled project, nor in what lies below it.
    pub enabled: bool,
    /// The domain (again: links need it).
    pub domain: Id,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The project that it lies in; none if it lies directly in its domain.
    #[serde(default)]
    pub parent: Option<Id>,
    /// Tokens issued before this moment (microseconds) are void: when it was closed last.
    #[serde(default)]
    pub tokens_since: i64,
}

/// How many projects lie one in the other at most, as in Keystone.
pub(crate) const DEPTH: usize = 5;
/// How many tags a project has at most, as in Keystone.
const TAGS: usize = 80;
/// Begins the tag that says what a project is for.
const ENVIRONMENT: &str = "environment:";
/// What a project can be for.
const ENVIRONMENTS: [&str; 5] =
    ["production", "acceptance", "test", "development", "disaster-recovery"];

/// What the tags say that a project is for.
fn environments(tags: &[String]) -> Vec<&str> {
    tags.iter().filter_map(|t| t.strip_prefix(ENVIRONMENT)).collect()
}

/// Rules about tags: those of OpenStack, and ours about the environment. What a project has had
/// already was judged when it came: a rule of later must not keep the project from being changed.
pub(crate) fn check_tags(tags: &[String], old: &[String]) -> Result<(), Refusal> {
    let wrong = |what: String| Err(Refusal::invalid("tags", what));
    if tags.len() > TAGS.max(old.len()) {
        return wrong(format!("are more than {TAGS}"));
    }
    let times = |all: &[String], tag: &String| all.iter().filter(|t| *t == tag).count();
    for tag in tags {
        if times(tags, tag) > times(old, tag).max(1) {
            return wrong("must differ from each other".into());
        }
        if old.contains(tag) {
            continue;
        }
        names::check("tags", tag, jinyun_base::limits::NAME)?;
        if tag.contains(['/', ',']) {
            return wrong("must not hold a slash or a comma".into());
        }
    }
    let (said, before) = (environments(tags), environments(old));
    if said.iter().any(|e| !before.contains(e))
        && (said.len() > 1 || said.iter().any(|e| !ENVIRONMENTS.contains(e)))
    {
        return wrong(format!(
            "may hold one `{ENVIRONMENT}`: {}", ENVIRONMENTS.join(", ")
        ));
    }
    Ok(())
}

/// The projects that one lies in, the nearest first.
fn above(new: &ProjectSpec, at: &Place, view: &mut View<'_>)
    -> Result<Vec<Have<Project>>, Failure> {
    let mut above: Vec<Have<Project>> = Vec::new();
    let mut next = new.parent.clone();
    while let Some(id) = next {
        if id == at.id || above.len() >= DEPTH {
            let say = format!("Max hierarchy depth reached for {id} branch: it is {DEPTH}.");
            return Err(Refusal::new(Refused::Forbidden, say).into());
        }
        // Another institution's project is none.
        let parent = view.get::<Project>(&id)?.filter(|p| p.domain == new.domain && !p.deleting);
        let Some(parent) = parent else {
            let say = "names no project of this domain, and not the domain itself";
            return Err(Refusal::invalid("parent_id", say).into());
        };
        next = parent.spec.parent.clone();
        above.push(parent);
    }
    Ok(above)
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

    fn check(new: &ProjectSpec, old: Option<&ProjectSpec>, at: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        if old.is_none_or(|o| o.name != new.name) {
            names::check("name", &new.name, names::SHORT)?;
        }
        check_tags(&new.tags, old.map_or(&[][..], |o| &o.tags[..]))?;
        if old.is_none() && new.domain.as_str() == PROVIDER {
            let say = "is the provider's own, which has no projects: make the project in an \
                       institution's domain";
            return Err(Refusal::invalid("domain_id", say).into());
        }
        if view.get::<Domain>(&new.domain)?.is_none() {
            return Err(Refusal::not_found("domain", &new.domain).into());
        }
        if old.is_some_and(|o| o.parent != new.parent || o.domain != new.domain) {
            let say = "Update of `parent_id` is not allowed: a project stays where it was made.";
            return Err(Refusal::new(Refused::Forbidden, say).into());
        }
        let above = above(new, at, view)?;
        let closed = above.iter().any(|p| !p.spec.enabled);
        match old {
            None if above.len() >= DEPTH => {
                let say = format!("Max hierarchy depth reached for {} branch: it is {DEPTH}.", at.id);
                Err(Refusal::new(Refused::Forbidden, say).into())
            }
            None if closed => {
                let say = "lies in a branch that holds a disabled project: enable that one first";
                Err(Refusal::invalid("parent_id", say).into())
            }
            Some(old) if closed && new.enabled && !old.enabled => {
                let say = "Cannot enable the project since a project above it is disabled.";
                Err(Refusal::new(Refused::Forbidden, say).into())
            }
            _ => Ok(()),
        }
    }

    fn claims(spec: &ProjectSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "project-name".into(),
            word: format!("{}/{}", spec.domain, names::fold(&spec.name)),
            taken: format!("Duplicate entry found with name {} at domain ID {}.",
                spec.name, spec.domain),
        }]
    }

    fn links(spec: &ProjectSpec) -> Vec<Link> {
        let on_delete = OnDelete::Refuse;
        let mut links =
            vec![Link { role: "domain", kind: "domain", id: spec.domain.clone(), on_delete }];
        if let Some(parent) = &spec.parent {
            // `keep` refuses as long as one lies below that stays.
            let on_delete = OnDelete::Cascade;
            links.push(Link { role: "parent", kind: "project", id: parent.clone(), on_delete });
        }
        links
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
        let below = view.used_by("project", &have.id)?;
        for (_, id, ..) in below.iter().filter(|(_, _, role, _)| role == "parent") {
            // One that is on its way out is waited for, not refused.
            if view.get::<Project>(id)?.is_none_or(|child| child.deleting) {
                continue;
            }
            return Err(Refusal::new(Refused::Forbidden, format!(
                "Cannot delete the project {} since it is not a leaf in the hierarchy: delete the \
                 projects below it first.", have.id
            )).into());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_judged_when_it_comes() {
        let many: String = (0..TAGS + 1).map(|n| format!("t{n} ")).collect();
        // A Cyrillic letter in a Latin word: what a rule of later refuses.
        let cases = [
            ("core", "", Ok(())), ("c\u{43e}re", "", Err("tags")), ("a/b", "", Err("slash")),
            ("a a", "", Err("differ")), ("environment:moon", "", Err("may hold one")),
            ("environment:test environment:production", "", Err("may hold one")),
            (many.as_str(), "", Err("more than")),
            // The same where it was there already.
            ("c\u{43e}re red", "c\u{43e}re", Ok(())), ("a/b red", "a/b", Ok(())),
            ("a a red", "a a", Ok(())), ("a a", "a", Err("differ")), ("a a a", "a a", Err("differ")),
            ("environment:moon red", "environment:moon", Ok(())),
            ("environment:moon environment:test", "environment:moon", Err("may hold one")),
            ("environment:test", "environment:moon", Ok(())),
            (many.trim_end(), many.as_str(), Ok(())),
            // What is new beside it is judged.
            ("c\u{43e}re a/b", "c\u{43e}re", Err("slash")), ("", "a/b", Ok(())),
        ];
        let read = |text: &str| -> Vec<String> { text.split_whitespace().map(String::from).collect() };
        for (new, old, want) in cases {
            let said = check_tags(&read(new), &read(old)).map_err(|refusal| refusal.message);
            match want {
                Ok(()) => assert_eq!(said, Ok(()), "{new} after {old}"),
                Err(why) => assert!(said.unwrap_err().contains(why), "{new} after {old}"),
            }
        }
    }
}
