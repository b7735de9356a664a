//! Role assignments: who holds which role where.
//!
//! The three duties exclude each other by a claim: a user holds at most one, whatever happens at
//! the same time (I2).

use crate::domain::Domain;
use crate::project::Project;
use crate::user::{User, without_manager};
use jinyun_base::{Entropy, Id, Kind, Refusal, Refused};
use jinyun_engine::{
    Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Query, Resource, View,
};
use jinyun_policy::{Duty, PROVIDER, Role, Who};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct Assignment;

/// Where a role holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scoped {
    /// The platform.
    System,
    /// An institution.
    Domain(Id),
    /// A project.
    Project(Id),
}

/// A role that can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Grant {
    /// In a domain or project.
    Role(Role),
    /// In system scope.
    Duty(Duty),
}

/// Every role with the id that the API shows.
pub const ROLES: &[(&str, &str, Grant)] = &[
    ("9f1c1d6ad4a94b2f8a2f6c8b6e0a1001", "reader", Grant::Role(Role::Reader)),
    ("9f1c1d6ad4a94b2f8a2f6c8b6e0a1002", "member", Grant::Role(Role::Member)),
    ("9f1c1d6ad4a94b2f8a2f6c8b6e0a1003", "manager", Grant::Role(Role::Manager)),
    ("9f1c1d6ad4a94b2f8a2f6c8b6e0a1011", "system_admin", Grant::Duty(Duty::SystemAdmin)),
    ("9f1c1d6ad4a94b2f8a2f6c8b6e0a1012", "security_admin", Grant::Duty(Duty::SecurityAdmin)),
    ("9f1c1d6ad4a94b2f8a2f6c8b6e0a1013", "audit_admin", Grant::Duty(Duty::AuditAdmin)),
];

/// Id and name of a role.
pub fn role_of(grant: Grant) -> (&'static str, &'static str) {
    ROLES.iter().find(|(_, _, g)| *g == grant).map_or(("", ""), |(id, name, _)| (*id, *name))
}

/// The role of this id.
pub fn role_by_id(id: &str) -> Option<Grant> {
    ROLES.iter().find(|(i, ..)| *i == id).map(|(_, _, g)| *g)
}

/// What an assignment is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssignmentSpec {
    /// Who.
    pub user: Id,
    /// Which role.
    pub role: Grant,
    /// Where.
    pub scope: Scoped,
}

fn word(spec: &AssignmentSpec) -> String {
    let (_, role) = role_of(spec.role);
    match &spec.scope {
        Scoped::System => format!("{}/system/{role}", spec.user),
        Scoped::Domain(d) => format!("{}/domain/{d}/{role}", spec.user),
        Scoped::Project(p) => format!("{}/project/{p}/{role}", spec.user),
    }
}

impl Resource for Assignment {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("assignment");
    type Spec = AssignmentSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(_: &AssignmentSpec) -> &str {
        ""
    }

    fn owner(have: &Have<Assignment>) -> Option<Id> {
        Some(have.spec.user.clone())
    }

    fn check(new: &AssignmentSpec, _: Option<&AssignmentSpec>, _: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        let wrong = |say: String| Err(Refusal::invalid("role", say).into());
        let (_, role) = role_of(new.role);
        let Some(user) = view.get::<User>(&new.user)? else {
            return Err(Refusal::not_found("user", &new.user).into());
        };
        match (&new.scope, new.role) {
            (Scoped::System, Grant::Role(_)) => {
                wrong(format!("{role} does not hold in system scope: that has duties"))
            }
            (Scoped::Domain(_) | Scoped::Project(_), Grant::Duty(_)) => {
                wrong(format!("{role} is a duty of the provider's staff: it holds in system scope"))
            }
            // A manager of the provider's domain could set the passwords of the other duties (I2).
            (Scoped::Domain(d), Grant::Role(_)) if d.as_str() == PROVIDER => wrong(format!(
                "{role} does not hold in the provider's own domain: its staff has duties only"
            )),
            (Scoped::System, Grant::Duty(_)) if user.domain.as_str() != PROVIDER => {
                wrong("is a duty, which only the provider's staff (domain default) can have".into())
            }
            _ => Ok(()),
        }
    }

    fn claims(spec: &AssignmentSpec, _: &Place) -> Vec<Claim> {
        let mut claims = vec![Claim {
            space: "assignment".into(),
            word: word(spec),
            taken: "The user has this role there already.".into(),
        }];
        if spec.scope == Scoped::System {
            claims.push(Claim {
                space: "duty".into(),
                word: spec.user.to_string(),
                taken: format!("User {} has another duty: duties exclude each other.", spec.user),
            });
        }
        claims
    }

    fn links(spec: &AssignmentSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        let mut links =
            vec![Link { role: "user", kind: "user", id: spec.user.clone(), on_delete }];
        match &spec.scope {
            Scoped::System => {}
            Scoped::Domain(d) => {
                links.push(Link { role: "scope", kind: "domain", id: d.clone(), on_delete });
            }
            Scoped::Project(p) => {
                links.push(Link { role: "scope", kind: "project", id: p.clone(), on_delete });
            }
        }
        links
    }

    fn fields(spec: &AssignmentSpec) -> Vec<(&'static str, String)> {
        let mut fields = vec![("user", spec.user.to_string())];
        match &spec.scope {
            Scoped::Domain(d) if spec.role == Grant::Role(Role::Manager) => {
                fields.push(("manager-of", d.to_string()));
            }
            _ => {}
        }
        fields
    }
}

fn parse(command: &Command) -> Result<AssignmentSpec, Failure> {
    serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("assignment", format!("cannot be read: {e}")).into())
}

/// The domain that an assignment belongs to: that of its scope.
fn home(ctx: &mut Ctx<'_>, scope: &Scoped) -> Result<Id, Failure> {
    Ok(match scope {
        Scoped::System => PROVIDER.into(),
        Scoped::Domain(d) => ctx.get::<Domain>(d)?.id,
        Scoped::Project(p) => ctx.get::<Project>(p)?.domain,
    })
}

/// Whether the one who asks may give or take this role there. The rule of the action knows the
/// actor's own scope only; here the scope of the role itself is looked at.
fn may(ctx: &mut Ctx<'_>, spec: &AssignmentSpec, home: &Id) -> Result<(), Failure> {
    let no = |say: &str| Err(Refusal::new(Refused::Forbidden, say).into());
    match ctx.permit().because() {
        Who::Duty(_) => match &spec.scope {
            Scoped::Project(_) => no("Roles in a project are given by its institution's manager."),
            Scoped::Domain(d) => {
                let d = d.clone();
                without_manager(ctx, &d)
            }
            Scoped::System if spec.user == ctx.actor.id => {
                no("Nobody gives a duty to themselves or takes it from themselves.")
            }
            Scoped::System => Ok(()),
        },
        Who::Domain(_) if ctx.actor.domain_of_scope() == Some(home) => {
            let user = ctx.get::<User>(&spec.user)?;
            if user.domain != *home {
                return Err(Refusal::not_found("user", &spec.user).into());
            }
            Ok(())
        }
        Who::System => Ok(()),
        _ => no("You may give roles only inside your own institution."),
    }
}

pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec = parse(command)?;
    let home = home(ctx, &spec.scope)?;
    may(ctx, &spec, &home)?;
    // Giving a role twice is no mistake in Keystone.
    if let Some((_, id)) = ctx.view().claimed("assignment", &word(&spec))? {
        return Ok(json!({ "id": id }));
    }
    let row = ctx.create::<Assignment>(&home, &"".into(), spec)?;
    Ok(json!({ "id": row.id }))
}

pub(crate) fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec = parse(command)?;
    let home = home(ctx, &spec.scope)?;
    if spec.scope == Scoped::System {
        last_of_its_duty(ctx, &spec)?;
    }
    let Some((_, id)) = ctx.view().claimed("assignment", &word(&spec))? else {
        let (_, role) = role_of(spec.role);
        return Err(Refusal::not_found("role assignment", format!("{role} of {}", spec.user)).into());
    };
    // The security administrator may take a duty, never an institution's role.
    if spec.scope != Scoped::System || ctx.permit().because() != Who::Duty(Duty::SecurityAdmin) {
        may(ctx, &spec, &home)?;
    } else if spec.user == ctx.actor.id {
        let say = "Nobody takes a duty from themselves.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    ctx.delete::<Assignment>(&id)?;
    Ok(Value::Null)
}

/// Somebody has to hold each duty: the last one keeps it.
fn last_of_its_duty(ctx: &mut Ctx<'_>, spec: &AssignmentSpec) -> Result<(), Failure> {
    let all = ctx.list::<Assignment>(&Query::default())?;
    let others = all.iter()
        .filter(|a| a.spec.role == spec.role && a.spec.user != spec.user).count();
    if others == 0 {
        let (_, role) = role_of(spec.role);
        return Err(Refusal::conflict(format!(
            "{} is the last {role}: give the duty to somebody else first.", spec.user
        )).into());
    }
    Ok(())
}
