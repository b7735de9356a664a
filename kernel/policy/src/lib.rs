//! Who may do what: roles, duties, rules, and the decision with its reason.
//!
//! Problem: a permission check that an author must remember is one that is forgotten. Mechanism: a
//! write needs a [`Permit`], and only [`Policy::decide`] makes one (I1). Rules are Rust data,
//! readable as a table; there is no file that an operator could edit to undo the separation of
//! duties. What no rule names is denied. No IO.
//!
//! A tenant's consent is no exception that is written around a rule: it is a rule of its own
//! ([`Who::Consented`]), which nobody meets until whoever asks for the decision brings the consent
//! along ([`Policy::decide_under`]). It was looked up before, so that deciding stays a pure function.
//!
//! What an institution itself forbids is no part of this: it is asked after a decision, can refuse
//! and nothing else, and so never has to be thought of when a rule is read.

mod pattern;

pub use pattern::Pattern;

use jinyun_base::{Id, Kind, Refusal, Refused};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A role inside a domain or a project; a later one includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees.
    Reader,
    /// Uses.
    Member,
    /// Decides.
    Manager,
}

/// The three duties of the provider's staff. Exclusive: nobody holds two (I2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Duty {
    /// Hosts, flavors, limits, public images.
    SystemAdmin,
    /// People and policy.
    SecurityAdmin,
    /// Reads journal, findings and configuration; changes nothing.
    AuditAdmin,
}

/// Where an actor's roles hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Nowhere: only what everybody may do for themselves.
    None,
    /// The platform itself.
    System,
    /// An institution.
    Domain(Id),
    /// A project and the institution that it belongs to.
    Project {
        /// Project.
        project: Id,
        /// Its domain.
        domain: Id,
    },
}

/// What sort of actor it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person or a program with an account.
    User,
    /// A part of the platform that carries out what was recorded before.
    System,
    /// Not authenticated.
    Nobody,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What sort.
    pub kind: ActorKind,
    /// User id; name of the part; source address.
    pub id: Id,
    /// The actor's own domain.
    pub domain: Id,
    /// Where its roles hold.
    pub scope: Scope,
    /// Highest role in that scope.
    pub role: Option<Role>,
    /// The duty, in system scope.
    pub duty: Option<Duty>,
}

/// The domain of the provider's staff.
pub const PROVIDER: &str = "default";

impl Actor {
    /// A part of the platform.
    pub fn system(part: &str) -> Actor {
        Actor {
            kind: ActorKind::System,
            id: part.into(),
            domain: PROVIDER.into(),
            scope: Scope::System,
            role: None,
            duty: None,
        }
    }

    /// Somebody who has not said who they are.
    pub fn nobody(source: &str) -> Actor {
        Actor {
            kind: ActorKind::Nobody,
            id: source.into(),
            domain: PROVIDER.into(),
            scope: Scope::None,
            role: None,
            duty: None,
        }
    }

    /// The project that new things belong to.
    pub fn project(&self) -> Option<&Id> {
        match &self.scope {
            Scope::Project { project, .. } => Some(project),
            _ => None,
        }
    }

    /// The domain that new things belong to.
    pub fn domain_of_scope(&self) -> Option<&Id> {
        match &self.scope {
            Scope::Domain(d) | Scope::Project { domain: d, .. } => Some(d),
            _ => None,
        }
    }
}

/// One way to be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// Whoever has an account.
    User,
    /// A role, at least, in the target's project.
    Project(Role),
    /// A role, at least, in the target's domain.
    Domain(Role),
    /// One of the duties, in system scope.
    Duty(Duty),
    /// One of the duties, in system scope, under a consent of the institution whose thing it is.
    Consented(Duty),
    /// The user that the target belongs to.
    Owner,
    /// Whoever has a role in some project, if the target is shared with all.
    Shared,
    /// Whoever asks; authentication itself.
    Nobody,
    /// A part of the platform.
    System,
}

/// An action and who may do it.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// `service:resource:verb`.
    pub action: &'static str,
    /// Any of these.
    pub allow: &'static [Who],
}

/// What an action is about, as far as a decision needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// Kind and id, where it exists.
    pub what: Option<(Kind, Id)>,
    /// Owning domain.
    pub domain: Option<Id>,
    /// Owning project.
    pub project: Option<Id>,
    /// The user it belongs to.
    pub owner: Option<Id>,
    /// Offered to everybody (a public image or flavor).
    pub shared: bool,
}

/// Proof that an action was allowed. Nobody but [`Policy::decide`] can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    action: String,
    because: Who,
    consent: Option<Id>,
}

impl Permit {
    /// The action that was allowed.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The rule that allowed it.
    pub fn because(&self) -> Who {
        self.because
    }

    /// The institution's consent under which it was allowed, if it was allowed under one.
    pub fn consent(&self) -> Option<&Id> {
        self.consent.as_ref()
    }
}

/// All rules.
#[derive(Default)]
pub struct Policy {
    rules: HashMap<&'static str, &'static [Who]>,
}

impl Policy {
    /// Adds a service's table. An action that is named twice is a mistake of ours: the first holds
    /// and the second is returned.
    pub fn add(&mut self, rules: &'static [Rule]) -> Vec<&'static str> {
        let mut twice = Vec::new();
        for rule in rules {
            match self.rules.entry(rule.action) {
                std::collections::hash_map::Entry::Occupied(_) => twice.push(rule.action),
                std::collections::hash_map::Entry::Vacant(v) => {
                    v.insert(rule.allow);
                }
            }
        }
        twice
    }

    /// All actions, sorted: for the coverage tests and the published matrix.
    pub fn actions(&self) -> Vec<(&'static str, &'static [Who])> {
        let mut all: Vec<_> = self.rules.iter().map(|(a, w)| (*a, *w)).collect();
        all.sort_by_key(|(a, _)| *a);
        all
    }

    /// Who may do an action; none if no rule names it.
    pub fn rule(&self, action: &str) -> Option<&'static [Who]> {
        self.rules.get(action).copied()
    }

    /// May this actor do that to this object?
    ///
    /// A refusal is "not found" where the actor may not even know of the object: where no rule
    /// could be met because the object lies in another project and another domain.
    pub fn decide(&self, actor: &Actor, action: &str, object: &Object) -> Result<Permit, Refusal> {
        self.decide_under(actor, action, object, None)
    }

    /// The same decision where a consent is at hand that covers this actor, action and object. It
    /// is used for a rule that speaks of one, and for nothing else.
    pub fn decide_under(&self, actor: &Actor, action: &str, object: &Object, consent: Option<&Id>)
        -> Result<Permit, Refusal> {
        let allow = self.rules.get(action).copied().unwrap_or(&[]);
        for who in allow {
            let under = match who {
                Who::Consented(_) => consent,
                _ => None,
            };
            if holds(*who, actor, object, under.is_some()) {
                let consent = under.cloned();
                return Ok(Permit { action: action.into(), because: *who, consent });
            }
        }
        if let Some((kind, id)) = &object.what
            && !may_know(actor, object)
        {
            return Err(Refusal::not_found(kind.0, id));
        }
        Err(Refusal::new(
            Refused::Forbidden,
            format!("You are not authorized to perform the requested action: {action}."),
        ))
    }

    /// Whether a consent could let this actor do that. Where it could not, nobody need look for one.
    pub fn wants_consent(&self, actor: &Actor, action: &str) -> bool {
        let allow = self.rules.get(action).copied().unwrap_or(&[]);
        allow.iter().any(|who| matches!(who, Who::Consented(duty) if on_duty(*duty, actor)))
    }
}

/// Whether an actor is one of those whom a rule names, for this object.
pub fn meets(who: Who, actor: &Actor, object: &Object) -> bool {
    holds(who, actor, object, false)
}

fn on_duty(duty: Duty, actor: &Actor) -> bool {
    actor.scope == Scope::System && actor.duty == Some(duty)
}

fn holds(who: Who, actor: &Actor, object: &Object, consented: bool) -> bool {
    match who {
        Who::Nobody => true,
        Who::User => actor.kind == ActorKind::User,
        Who::System => actor.kind == ActorKind::System,
        Who::Owner => actor.kind == ActorKind::User && object.owner.as_ref() == Some(&actor.id),
        Who::Shared => object.shared && actor.role.is_some() && actor.project().is_some(),
        Who::Duty(duty) => on_duty(duty, actor),
        Who::Consented(duty) => consented && on_duty(duty, actor),
        Who::Project(role) => {
            actor.role >= Some(role)
                && actor.project().is_some()
                && actor.project() == object.project.as_ref()
        }
        Who::Domain(role) => match &actor.scope {
            Scope::Domain(d) => actor.role >= Some(role) && Some(d) == object.domain.as_ref(),
            _ => false,
        },
    }
}

/// Whether the actor's scope covers the object at all.
fn may_know(actor: &Actor, object: &Object) -> bool {
    match &actor.scope {
        Scope::System => true,
        Scope::Project { project, .. } => {
            object.shared || object.project.as_ref() == Some(project)
        }
        Scope::Domain(d) => object.domain.as_ref() == Some(d),
        Scope::None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &[Rule] = &[
        Rule { action: "t:thing:show", allow: &[Who::Project(Role::Reader), Who::Shared] },
        Rule { action: "t:thing:create", allow: &[Who::Project(Role::Member)] },
        Rule { action: "t:limit:set", allow: &[Who::Duty(Duty::SystemAdmin)] },
        Rule { action: "t:project:create", allow: &[Who::Domain(Role::Manager)] },
        Rule { action: "t:password:change", allow: &[Who::Owner] },
        Rule {
            action: "t:thing:stop",
            allow: &[Who::Project(Role::Member), Who::Consented(Duty::SystemAdmin)],
        },
    ];

    fn actor(role: Role, scope: Scope) -> Actor {
        let (kind, id, domain) = (ActorKind::User, "u1".into(), "d1".into());
        Actor { kind, id, domain, scope, role: Some(role), duty: None }
    }

    fn in_project(role: Role, project: &str) -> Actor {
        actor(role, Scope::Project { project: project.into(), domain: "d1".into() })
    }

    fn thing(project: &str, shared: bool) -> Object {
        Object {
            what: Some((Kind("thing"), "x".into())),
            domain: Some("d1".into()),
            project: Some(project.into()),
            owner: None,
            shared,
        }
    }

    #[test]
    fn decisions() {
        let mut policy = Policy::default();
        assert!(policy.add(RULES).is_empty());
        assert_eq!(policy.add(&RULES[..1]), ["t:thing:show"]);
        let admin = |duty| Actor {
            role: None,
            duty: Some(duty),
            ..actor(Role::Reader, Scope::System)
        };
        let mine = Object { owner: Some("u1".into()), ..Object::default() };
        let domain = Object { domain: Some("d1".into()), ..Object::default() };
        let cases: &[(&str, Actor, &str, Object, &str)] = &[
            ("reader sees", in_project(Role::Reader, "p"), "t:thing:show", thing("p", false), "ok"),
            ("manager includes reader", in_project(Role::Manager, "p"), "t:thing:show",
                thing("p", false), "ok"),
            ("reader creates nothing", in_project(Role::Reader, "p"), "t:thing:create",
                thing("p", false), "forbidden"),
            ("a foreign thing is hidden", in_project(Role::Manager, "q"), "t:thing:show",
                thing("p", false), "not_found"),
            ("a shared thing is seen", in_project(Role::Reader, "q"), "t:thing:show",
                thing("p", true), "ok"),
            ("no rule, no permit", in_project(Role::Manager, "p"), "t:thing:burn",
                thing("p", false), "forbidden"),
            ("a duty", admin(Duty::SystemAdmin), "t:limit:set", domain.clone(), "ok"),
            ("the other duty", admin(Duty::SecurityAdmin), "t:limit:set", domain.clone(),
                "forbidden"),
            ("no duty opens tenants' things", admin(Duty::SystemAdmin), "t:thing:show",
                thing("p", false), "forbidden"),
            ("a manager of the domain", actor(Role::Manager, Scope::Domain("d1".into())),
                "t:project:create", domain.clone(), "ok"),
            ("a manager elsewhere", actor(Role::Manager, Scope::Domain("d2".into())),
                "t:project:create", domain, "forbidden"),
            ("oneself", actor(Role::Reader, Scope::None), "t:password:change", mine, "ok"),
        ];
        for (what, actor, action, object, want) in cases {
            let got = policy.decide(actor, action, object);
            let got = got.as_ref().map_or_else(Refusal::code, |_| "ok");
            assert_eq!(&got, want, "{what}");
        }
    }

    #[test]
    fn a_consent_is_used_where_a_rule_speaks_of_one() {
        let mut policy = Policy::default();
        policy.add(RULES);
        let on = |duty, scope| Actor { role: None, duty: Some(duty), ..actor(Role::Reader, scope) };
        let system = on(Duty::SystemAdmin, Scope::System);
        let consent: Id = "c1".into();
        let cases: &[(&str, Actor, &str, Option<&Id>, &str)] = &[
            ("without one", system.clone(), "t:thing:stop", None, "forbidden"),
            ("with one", system.clone(), "t:thing:stop", Some(&consent), "ok under c1"),
            ("another duty", on(Duty::AuditAdmin, Scope::System), "t:thing:stop", Some(&consent),
                "forbidden"),
            ("not in system scope", on(Duty::SystemAdmin, Scope::None), "t:thing:stop",
                Some(&consent), "not_found"),
            ("a rule that speaks of none", system.clone(), "t:thing:show", Some(&consent),
                "forbidden"),
            ("whoever may anyway needs none", in_project(Role::Member, "p"), "t:thing:stop",
                Some(&consent), "ok"),
        ];
        for (what, actor, action, consent, want) in cases {
            let got = match policy.decide_under(actor, action, &thing("p", false), *consent) {
                Ok(permit) => permit.consent().map_or("ok".into(), |c| format!("ok under {c}")),
                Err(refusal) => refusal.code().to_string(),
            };
            assert_eq!(&got, want, "{what}");
        }
        assert!(policy.wants_consent(&system, "t:thing:stop"));
        assert!(!policy.wants_consent(&system, "t:thing:show"));
        assert!(!policy.wants_consent(&in_project(Role::Member, "q"), "t:thing:stop"));
    }
}
