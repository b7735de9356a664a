//! Trusts: a user passes some of their roles in a project on to another user, for a time or for so
//! many sign-ins.
//!
//! A trust is never more than what its trustor holds at the moment of use; one that was passed on
//! further is never more than any trust above it (`directory/delegated.rs` walks up). So nothing
//! here has to be undone when a role is taken. What only the creation can know is checked here: the
//! caller's roles, and the limits of the trust that it is passed on from.

use crate::auth::{BY_HAND, by_hand};
use crate::user::User;
use jinyun_base::{Entropy, Id, Kind, Refusal, Refused};
use jinyun_engine::{Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Resource, View};
use jinyun_policy::Role;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How often a trust can be passed on, as in Keystone.
pub(crate) const PASSED_ON: i64 = 3;

/// The kind.
pub struct Trust;

/// What a trust is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrustSpec {
    /// Whose roles.
    pub trustor: Id,
    /// Who may use them.
    pub trustee: Id,
    /// Where.
    pub project: Id,
    /// The project's domain.
    pub domain: Id,
    /// At most these roles.
    pub roles: Vec<Role>,
    /// Whether the trustee appears as the trustor.
    pub impersonation: bool,
    /// When it ends, microseconds.
    #[serde(default)]
    pub expires: Option<i64>,
    /// How many sign-ins are left; none if there is no limit.
    #[serde(default)]
    pub uses: Option<i64>,
    /// How often it can still be passed on.
    #[serde(default)]
    pub redelegation_count: i64,
    /// Whether it can be passed on at all.
    #[serde(default)]
    pub allow_redelegation: bool,
    /// The trust that it was made from.
    #[serde(default)]
    pub redelegated: Option<Id>,
}

impl Resource for Trust {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("trust");
    type Spec = TrustSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(_: &TrustSpec) -> &str {
        ""
    }

    fn owner(have: &Have<Trust>) -> Option<Id> {
        Some(have.spec.trustor.clone())
    }

    fn check(new: &TrustSpec, old: Option<&TrustSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        if old.is_some_and(|o| TrustSpec { uses: new.uses, ..o.clone() } != *new) {
            return Err(Refusal::conflict("A trust does not change: make another one.").into());
        }
        Ok(())
    }

    fn claims(_: &TrustSpec, _: &Place) -> Vec<Claim> {
        Vec::new()
    }

    fn links(spec: &TrustSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        let mut links = vec![
            Link { role: "trustor", kind: "user", id: spec.trustor.clone(), on_delete },
            Link { role: "trustee", kind: "user", id: spec.trustee.clone(), on_delete },
            Link { role: "project", kind: "project", id: spec.project.clone(), on_delete },
        ];
        if let Some(above) = &spec.redelegated {
            links.push(Link { role: "redelegated", kind: "trust", id: above.clone(), on_delete });
        }
        links
    }

    fn fields(spec: &TrustSpec) -> Vec<(&'static str, String)> {
        vec![("trustor", spec.trustor.to_string()), ("trustee", spec.trustee.to_string())]
    }
}

/// What a creation asks for. The trustor is the caller.
#[derive(Deserialize)]
struct Asked {
    trustee: Id,
    project: Id,
    roles: Vec<Role>,
    impersonation: bool,
    expires: Option<i64>,
    uses: Option<i64>,
    allow_redelegation: bool,
    redelegation_count: Option<i64>,
    redelegated: Option<Id>,
}

fn no(say: &str) -> Failure {
    Refusal::new(Refused::Forbidden, say).into()
}

/// Makes a trust of the caller's, in the project of the caller's token.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    // A trust would outlive the sign-out by which a program that was let in is shut out.
    if !by_hand(&command.via.methods) {
        return Err(no(BY_HAND));
    }
    let asked: Asked = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("trust", format!("cannot be read: {e}")))?;
    let domain = ctx.actor.domain_of_scope().cloned();
    let (Some(domain), Some(highest)) = (domain, ctx.actor.role) else {
        return Err(no("A trust is made with a token for the project it is for."));
    };
    if ctx.actor.project() != Some(&asked.project) {
        return Err(no("A trust is made with a token for the project it is for."));
    }
    let trustee = ctx.get::<User>(&asked.trustee)?;
    if trustee.domain != domain {
        return Err(Refusal::not_found("user", &trustee.id).into());
    }
    if asked.roles.is_empty() {
        return Err(no("At least one role should be specified."));
    }
    if asked.roles.iter().any(|r| *r > highest) {
        let say = "Could not find a role to pass on: the token does not give it.";
        return Err(Refusal::new(Refused::NotFound, say).into());
    }
    if asked.expires.is_some_and(|at| at <= ctx.now.0) {
        return Err(Refusal::invalid("expires_at", "must not be before now").into());
    }
    let mut spec = TrustSpec {
        trustor: ctx.actor.id.clone(),
        trustee: asked.trustee,
        project: asked.project,
        domain: domain.clone(),
        roles: asked.roles,
        impersonation: asked.impersonation,
        expires: asked.expires,
        uses: asked.uses,
        redelegation_count: 0,
        allow_redelegation: asked.allow_redelegation && asked.redelegation_count != Some(0),
        redelegated: asked.redelegated,
    };
    if spec.allow_redelegation && spec.uses.is_some() {
        let say = "must not be set if redelegation is allowed";
        return Err(Refusal::invalid("remaining_uses", say).into());
    }
    let left = match spec.redelegated.clone() {
        None => PASSED_ON,
        Some(above) => pass_on(ctx, &above, &mut spec)?,
    };
    if spec.allow_redelegation {
        spec.redelegation_count = asked.redelegation_count.unwrap_or(left);
        if spec.redelegated.is_some() && spec.redelegation_count != left {
            return Err(no("Modifying \"redelegation_count\" upon redelegation is forbidden. \
                Omitting this parameter is advised."));
        }
        if !(0..=left).contains(&spec.redelegation_count) {
            return Err(no(&format!("The redelegation depth is at most {left}.")));
        }
    }
    // In no project, as an application credential: it is between two users.
    let row = ctx.create::<Trust>(&domain, &"".into(), spec)?;
    Ok(json!({ "id": row.id }))
}

/// Checks that a trust can be made from another one, and returns how often it can be passed on.
fn pass_on(ctx: &mut Ctx<'_>, above: &Id, new: &mut TrustSpec) -> Result<i64, Failure> {
    let above = ctx.get::<Trust>(above)?.spec;
    if above.redelegation_count <= 0 || !above.allow_redelegation {
        return Err(no("The trust that the token was made with cannot be passed on."));
    }
    if new.uses.is_some() {
        return Err(no("Field \"remaining_uses\" must not be set in order to redelegate a trust."));
    }
    match (above.expires, new.expires) {
        (Some(end), None) => new.expires = Some(end),
        (Some(end), Some(asked)) if asked > end => {
            return Err(no("Requested expiration time is more than redelegated trust can provide."));
        }
        _ => {}
    }
    if new.roles.iter().max() > above.roles.iter().max() {
        return Err(no("Some of requested roles are not in redelegated trust."));
    }
    if new.impersonation && !above.impersonation {
        return Err(no("Impersonation is not allowed because redelegated trust does not specify \
            impersonation."));
    }
    Ok(above.redelegation_count - 1)
}

/// Takes one of the sign-ins that are left.
pub(crate) fn consume(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("trust_id", "is missing").into());
    };
    ctx.change::<Trust>(id, None, |spec| {
        match &mut spec.uses {
            None => Ok(()),
            Some(left) if *left > 0 => {
                *left -= 1;
                Ok(())
            }
            Some(_) => Err(no("The trust has no remaining uses: ask the trustor for another one.")),
        }
    })?;
    Ok(Value::Null)
}
