//! Role assignments: who holds which role where, and until when.
//!
//! The three duties exclude each other by a claim: a user holds at most one, whatever happens at
//! the same time (I2). A group holds no duty: who has one must be readable from one row. Giving a
//! role again states it anew, with its end or without: what was said last holds.

use crate::domain::Domain;
use crate::group::Group;
use crate::keepers::keeping;
use crate::project::Project;
use crate::user::{User, without_manager};
use jinyun_base::{Entropy, Id, Kind, Refusal, Refused, Time};
use jinyun_engine::{Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Resource, View};
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

/// The role of this name.
pub fn role_by_name(name: &str) -> Option<Grant> {
    ROLES.iter().find(|(_, n, _)| *n == name).map(|(_, _, g)| *g)
}

/// What an assignment is. Either `user` or `group` is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssignmentSpec {
    /// Who, if it is a user.
    #[serde(default = "nobody")]
    pub user: Id,
    /// Who, if it is a group.
    #[serde(default = "nobody")]
    pub group: Id,
    /// Which role.
    pub role: Grant,
    /// Where.
    pub scope: Scoped,
    /// It holds in the projects below that place, and not in the place itself.
    #[serde(default)]
    pub inherited: bool,
    /// When it ends, microseconds; none if it does not.
    #[serde(default)]
    pub expires: Option<i64>,
}

/// The empty id.
pub(crate) fn nobody() -> Id {
    Id::new("")
}

impl AssignmentSpec {
    /// Whether a group holds it.
    pub fn of_group(&self) -> bool {
        !self.group.as_str().is_empty()
    }

    /// The user or group that holds it.
    pub fn holder(&self) -> &Id {
        if self.of_group() { &self.group } else { &self.user }
    }

    /// Whether it has not ended.
    pub fn holds(&self, now: Time) -> bool {
        self.expires.is_none_or(|at| at > now.0)
    }
}

/// What an assignment is claimed by. Its end is no part: there is one assignment, whenever it ends.
fn word(spec: &AssignmentSpec) -> String {
    let (_, role) = role_of(spec.role);
    let who = match spec.of_group() {
        true => format!("group:{}", spec.group),
        false => spec.user.to_string(),
    };
    let below = if spec.inherited { "/inherited" } else { "" };
    match &spec.scope {
        Scoped::System => format!("{who}/system/{role}{below}"),
        Scoped::Domain(d) => format!("{who}/domain/{d}/{role}{below}"),
        Scoped::Project(p) => format!("{who}/project/{p}/{role}{below}"),
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
        (!have.spec.of_group()).then(|| have.spec.user.clone())
    }

    fn check(new: &AssignmentSpec, _: Option<&AssignmentSpec>, _: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        let wrong = |say: String| Err(Refusal::invalid("role", say).into());
        let (_, role) = role_of(new.role);
        if new.of_group() {
            if !new.user.as_str().is_empty() {
                return wrong(format!("{role} is given to a user or to a group, not to both"));
            }
            if view.get::<Group>(&new.group)?.is_none() {
                return Err(Refusal::not_found("group", &new.group).into());
            }
            if new.scope == Scoped::System {
                return wrong(format!("{role} in system scope is given to users, never to groups"));
            }
        }
        let staff = match new.of_group() {
            true => false,
            false => match view.get::<User>(&new.user)? {
                Some(user) => user.domain.as_str() == PROVIDER,
                None => return Err(Refusal::not_found("user", &new.user).into()),
            },
        };
        match (&new.scope, new.role) {
            (Scoped::System, _) if new.inherited => {
                wrong(format!("{role} is not inherited from the system: it has no projects"))
            }
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
            (Scoped::System, Grant::Duty(_)) if !staff => {
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
        let kind = if spec.of_group() { "group" } else { "user" };
        let mut links = vec![Link { role: kind, kind, id: spec.holder().clone(), on_delete }];
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
        let kind = if spec.of_group() { "group" } else { "user" };
        let mut fields = vec![(kind, spec.holder().to_string())];
        match &spec.scope {
            Scoped::Domain(d) if spec.role == Grant::Role(Role::Manager) && !spec.inherited => {
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
            Scoped::Domain(_) if spec.of_group() || spec.inherited || spec.expires.is_some() => {
                no("The provider makes an institution's first manager: a user, with a role that \
                    is not inherited and has no end. The rest is that manager's.")
            }
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
            // Whoever belongs to another institution is not there.
            let domain = match spec.of_group() {
                true => ctx.get::<Group>(&spec.group)?.domain,
                false => ctx.get::<User>(&spec.user)?.domain,
            };
            if domain != *home {
                let kind = if spec.of_group() { "group" } else { "user" };
                return Err(Refusal::not_found(kind, spec.holder()).into());
            }
            Ok(())
        }
        Who::System => Ok(()),
        _ => no("You may give roles only inside your own institution."),
    }
}

pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec = parse(command)?;
    if !spec.holds(ctx.now) {
        return Err(Refusal::invalid("expires_at", "must lie in the future").into());
    }
    let home = home(ctx, &spec.scope)?;
    may(ctx, &spec, &home)?;
    // Giving a role twice is no mistake in Keystone.
    if let Some((_, id)) = ctx.view().claimed("assignment", &word(&spec))? {
        let ends = spec.expires;
        keeping(ctx, &home, |ctx| {
            ctx.change::<Assignment>(&id, None, |old| {
                old.expires = ends;
                Ok(())
            })
        })?;
        return Ok(json!({ "id": id }));
    }
    let row = ctx.create::<Assignment>(&home, &nobody(), spec)?;
    Ok(json!({ "id": row.id }))
}

pub(crate) fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec = parse(command)?;
    let home = home(ctx, &spec.scope)?;
    // The security administrator may take a duty, never an institution's role.
    if spec.scope != Scoped::System || ctx.permit().because() != Who::Duty(Duty::SecurityAdmin) {
        may(ctx, &spec, &home)?;
    } else if spec.user == ctx.actor.id {
        let say = "Nobody takes a duty from themselves.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    let Some((_, id)) = ctx.view().claimed("assignment", &word(&spec))? else {
        let (_, role) = role_of(spec.role);
        let what = format!("{role} of {}", spec.holder());
        return Err(Refusal::not_found("role assignment", what).into());
    };
    keeping(ctx, &home, |ctx| ctx.delete::<Assignment>(&id))?;
    Ok(Value::Null)
}
