//! Groups: users of a domain that get roles together. A membership is a row of its own, so that it
//! has a journal entry of its own and goes with either side.

use crate::domain::Domain;
use crate::keepers::keeping;
use crate::names;
use crate::user::User;
use jinyun_base::{Entropy, Id, Kind, Refusal, limits};
use jinyun_engine::{Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Resource, View};
use jinyun_policy::PROVIDER;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct Group;

/// What a group is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// Unique in its domain.
    pub name: String,
    /// The domain (again: links need it).
    pub domain: Id,
    /// Free text.
    #[serde(default)]
    pub description: String,
}

impl Resource for Group {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("group");
    type Spec = GroupSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(spec: &GroupSpec) -> &str {
        &spec.name
    }

    fn check(new: &GroupSpec, old: Option<&GroupSpec>, _: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        if old.is_none_or(|o| o.name != new.name) {
            names::check("name", &new.name, limits::NAME)?;
        }
        if new.domain.as_str() == PROVIDER {
            let say = "is the provider's own, which has no groups: duties are given to users";
            return Err(Refusal::invalid("domain_id", say).into());
        }
        if view.get::<Domain>(&new.domain)?.is_none() {
            return Err(Refusal::not_found("domain", &new.domain).into());
        }
        Ok(())
    }

    fn claims(spec: &GroupSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "group-name".into(),
            word: format!("{}/{}", spec.domain, names::fold(&spec.name)),
            taken: format!("Duplicate entry found with name {} at domain ID {}.",
                spec.name, spec.domain),
        }]
    }

    fn links(spec: &GroupSpec) -> Vec<Link> {
        let on_delete = OnDelete::Refuse;
        vec![Link { role: "domain", kind: "domain", id: spec.domain.clone(), on_delete }]
    }
}

/// A user in a group.
pub struct Membership;

/// Who is in which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MembershipSpec {
    /// Group.
    pub group: Id,
    /// User.
    pub user: Id,
    /// When it ends, microseconds: what somebody outside vouches for, it does for a time. A manager
    /// gives it without an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

fn word(spec: &MembershipSpec) -> String {
    format!("{}/{}", spec.group, spec.user)
}

impl Resource for Membership {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("membership");
    type Spec = MembershipSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(_: &MembershipSpec) -> &str {
        ""
    }

    fn owner(have: &Have<Membership>) -> Option<Id> {
        Some(have.spec.user.clone())
    }

    fn check(_: &MembershipSpec, _: Option<&MembershipSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(())
    }

    fn claims(spec: &MembershipSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "membership".into(),
            word: word(spec),
            taken: "The user is in the group already.".into(),
        }]
    }

    fn links(spec: &MembershipSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        vec![
            Link { role: "group", kind: "group", id: spec.group.clone(), on_delete },
            Link { role: "user", kind: "user", id: spec.user.clone(), on_delete },
        ]
    }

    fn fields(spec: &MembershipSpec) -> Vec<(&'static str, String)> {
        vec![("group", spec.group.to_string()), ("user", spec.user.to_string())]
    }
}

fn parse(command: &Command) -> Result<MembershipSpec, Failure> {
    serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("membership", format!("cannot be read: {e}")).into())
}

/// Puts a user of the group's own domain into it.
pub(crate) fn join(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec = parse(command)?;
    let group = ctx.get::<Group>(&spec.group)?;
    let user = ctx.get::<User>(&spec.user)?;
    if Some(&group.domain) != ctx.actor.domain_of_scope() {
        return Err(Refusal::not_found("group", &group.id).into());
    }
    if user.domain != group.domain {
        return Err(Refusal::not_found("user", &user.id).into());
    }
    if let Some((_, id)) = ctx.view().claimed("membership", &word(&spec))? {
        // What a sign-in gave for a time, the manager gives for good.
        ctx.change::<Membership>(&id, None, |have| {
            have.until = None;
            Ok(())
        })?;
        return Ok(json!({ "id": id }));
    }
    let row = ctx.create::<Membership>(&group.domain, &"".into(), spec)?;
    Ok(json!({ "id": row.id }))
}

/// Takes a user out of a group.
pub(crate) fn leave(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec = parse(command)?;
    let missing = || Refusal::not_found("user", format!("{} in group {}", spec.user, spec.group));
    let Some((_, id)) = ctx.view().claimed("membership", &word(&spec))? else {
        return Err(missing().into());
    };
    let domain = ctx.get::<Membership>(&id)?.domain;
    if Some(&domain) != ctx.actor.domain_of_scope() {
        return Err(missing().into());
    }
    keeping(ctx, &domain, |ctx| ctx.delete::<Membership>(&id))?;
    Ok(Value::Null)
}

/// Deletes a group with its memberships and roles.
pub(crate) fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("group_id", "is missing").into());
    };
    let domain = ctx.get::<Group>(id)?.domain;
    keeping(ctx, &domain, |ctx| ctx.delete::<Group>(id))?;
    Ok(Value::Null)
}
