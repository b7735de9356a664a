//! Security groups: named sets of allowances.
//!
//! Each project has a group `default`, which nobody has to make: it comes with the project's first
//! network or port, or when its groups are first looked at, in the same transaction. That there is
//! one only is a claim. It lies in the project as a part of it: with the project it goes, before
//! that nobody can delete it, because ports fall back to it.

use crate::common::{self, Args};
use crate::security_group_rule::{
    Direction, Ethertype, SecurityGroupRule, SecurityGroupRuleSpec, rule_json,
};
use jinyun_base::{Fault, Id, Kind, Refusal, check_name};
use jinyun_engine::{
    Claim, Command, Cost, Ctx, Failure, Have, Link, OnDelete, Place, Query, Resource, View,
};
use jinyun_policy::ActorKind;
use jinyun_rest::{Call, Reply, Route, Run, Shape, Words, crud};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct SecurityGroup;

/// The name of the group that each project has.
const DEFAULT: &str = "default";
/// The space of claims by which a project has one of them.
const DEFAULTS: &str = "default-security-group";

/// What a security group is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroupSpec {
    /// Need not be unique, but for `default`.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// The project that takes it along, for the default group.
    #[serde(default)]
    pub part_of: Option<Id>,
}

impl Resource for SecurityGroup {
    const SERVICE: &'static str = "network";
    const KIND: Kind = Kind("security_group");
    type Spec = SecurityGroupSpec;
    type Status = ();

    fn name(spec: &SecurityGroupSpec) -> &str {
        &spec.name
    }

    fn check(new: &SecurityGroupSpec, old: Option<&SecurityGroupSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("name", &new.name)?;
        check_name("description", &new.description)?;
        if old.is_some_and(|o| o.name == DEFAULT && new.name != DEFAULT) {
            return Err(Refusal::conflict("Updating default security group not allowed: its name \
                stays.").into());
        }
        Ok(())
    }

    fn claims(spec: &SecurityGroupSpec, at: &Place) -> Vec<Claim> {
        let claim = Claim {
            space: DEFAULTS.into(),
            word: at.project.to_string(),
            taken: "Default security group already exists.".into(),
        };
        if spec.name == DEFAULT { vec![claim] } else { Vec::new() }
    }

    fn links(spec: &SecurityGroupSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        spec.part_of.iter()
            .map(|id| Link { role: "project", kind: "project", id: id.clone(), on_delete })
            .collect()
    }

    fn cost(_: &SecurityGroupSpec) -> Vec<Cost> {
        vec![Cost { item: "security_group", amount: 1 }]
    }
}

/// A project, of which nothing is read but whether it is there. The kind is identity's; this crate
/// does not depend on that one for a single yes or no.
struct Project;

impl Resource for Project {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("project");
    type Spec = Value;
    type Status = Value;

    fn name(_: &Value) -> &str {
        ""
    }

    fn check(_: &Value, _: Option<&Value>, _: &Place, _: &mut View<'_>) -> Result<(), Failure> {
        Ok(())
    }
}

/// A group with what Neutron puts into each: everything may go out.
fn make(ctx: &mut Ctx<'_>, domain: &Id, project: &Id, spec: SecurityGroupSpec)
    -> Result<Id, Failure> {
    let id = ctx.create::<SecurityGroup>(domain, project, spec)?.id;
    for ethertype in [Ethertype::V4, Ethertype::V6] {
        let rule = SecurityGroupRuleSpec::any(id.clone(), Direction::Egress, ethertype);
        ctx.create::<SecurityGroupRule>(domain, project, rule)?;
    }
    Ok(id)
}

/// The project's group `default`, made if there is none: all may go out, and members may come in.
pub fn ensure_default_group(ctx: &mut Ctx<'_>, domain: &Id, project: &Id) -> Result<Id, Failure> {
    let found = ctx.view().claimed(DEFAULTS, project.as_str())?;
    if let Some((_, id)) = found {
        return Ok(id);
    }
    let there = ctx.view().get::<Project>(project)?.is_some();
    let id = make(ctx, domain, project, SecurityGroupSpec {
        name: DEFAULT.into(),
        description: "Default security group".into(),
        part_of: there.then(|| project.clone()),
    })?;
    for ethertype in [Ethertype::V4, Ethertype::V6] {
        let mut rule = SecurityGroupRuleSpec::any(id.clone(), Direction::Ingress, ethertype);
        rule.remote_group = Some(id.clone());
        ctx.create::<SecurityGroupRule>(domain, project, rule)?;
    }
    Ok(id)
}

pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let (domain, project) = common::place(command)?;
    ensure_default_group(ctx, &domain, &project)?;
    let mut spec = common::spec::<SecurityGroup>(command.args.clone())?;
    spec.part_of = None;
    let id = make(ctx, &domain, &project, spec)?;
    Ok(json!({ "id": id }))
}

pub(crate) fn ensure(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let (domain, project) = common::place(command)?;
    let id = ensure_default_group(ctx, &domain, &project)?;
    Ok(json!({ "id": id }))
}

/// Deletes a group. Not in `keep`: when a project goes, its default group goes along.
pub(crate) fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = common::target(command)?;
    let have = ctx.get::<SecurityGroup>(&id)?;
    if have.spec.name == DEFAULT && command.actor.kind != ActorKind::System {
        let say = "Removing default security group not allowed: delete its rules instead.";
        return Err(Refusal::conflict(say).into());
    }
    ctx.delete::<SecurityGroup>(&id)?;
    Ok(Value::Null)
}

fn args(words: &Words<'_>) -> Result<Args, Failure> {
    if words.flag("stateful")? == Some(false) {
        let say = "must be true: stateless groups are not offered";
        return Err(Refusal::invalid("stateful", say).into());
    }
    common::plain(words)
}

impl Shape for SecurityGroup {
    const ONE: &'static str = "security_group";
    const MANY: &'static str = "security_groups";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("security_group")?;
        words.only(&["name", "description", "stateful", "project_id", "tenant_id"])?;
        common::creation(call, &words, Self::action("create"), args(&words)?)
    }

    fn update(call: &Call<'_>, _: &Have<SecurityGroup>) -> Result<Command, Failure> {
        let words = call.words("security_group")?;
        words.only(&["name", "description", "stateful"])?;
        common::change(call, Self::action("update"), args(&words)?)
    }

    fn show(have: &Have<SecurityGroup>, call: &Call<'_>) -> Result<Value, Fault> {
        let query = Query::field("group", &have.id);
        let rules = call.view(|v| v.list::<SecurityGroupRule>(&query))?;
        let rules: Vec<Value> = rules.iter().map(rule_json).collect();
        Ok(common::shown(have, json!({
            "name": have.spec.name, "description": have.spec.description, "stateful": true,
            "shared": false, "security_group_rules": rules,
        })))
    }

    fn query(call: &Call<'_>) -> Query {
        common::query(call, &[])
    }
}

/// Before a project's groups are listed it must have its default one.
fn look(call: &Call<'_>) -> Result<(), Failure> {
    let Some(project) = call.actor.project() else { return Ok(()) };
    if call.view(|v| v.claimed(DEFAULTS, project.as_str()))?.is_none() {
        call.run(call.command(SecurityGroup::action("ensure")))?;
    }
    Ok(())
}

/// The plain operations, with that look before the list.
pub fn routes(prefix: &str, words: &[&str]) -> Vec<Route> {
    let mut routes = crud::<SecurityGroup>(prefix, words);
    for route in routes.iter_mut().filter(|r| r.action == SecurityGroup::action("list")) {
        let none: Run = Box::new(|_| Ok(Reply::empty(500)));
        let list = std::mem::replace(&mut route.run, none);
        route.run = Box::new(move |call| {
            look(call)?;
            list(call)
        });
    }
    routes
}
