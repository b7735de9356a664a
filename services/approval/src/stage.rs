//! Stages: who has to say yes, how many of them, one stage after the other.
//!
//! A person counts once over all stages, so that two stages are two people. Who somebody is, is
//! asked when they vote: with the token's scope and the roles of that moment.

use crate::request::Vote;
use jinyun_base::{Fault, Id, Refusal};
use jinyun_engine::{Approver, Failure, View};
use jinyun_policy::{Actor, Duty, Object, Role, Who, meets};
use jinyun_rest::Words;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Most stages of a rule.
const STAGES: usize = 5;
/// Most votes of a stage.
const VOTES: i64 = 10;
/// Most users or groups that a stage names.
const NAMED: usize = 50;

/// Where a role has to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// In the thing's project. What lies in no project is its domain's.
    Project,
    /// In the thing's domain.
    Domain,
}

/// Who may vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voters {
    /// Whoever holds this role, at least, with a token of that place.
    Role {
        /// The role.
        role: Role,
        /// The place.
        within: Within,
    },
    /// Whoever is on this duty: for the platform's own rules.
    Duty(Duty),
    /// These users.
    Users(Vec<Id>),
    /// Whoever is in one of these groups.
    Groups(Vec<Id>),
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Who may vote.
    pub who: Voters,
    /// How many have to say yes.
    pub count: i64,
}

/// How many have said yes at a stage.
pub(crate) fn yes(votes: &[Vote], stage: usize) -> i64 {
    let count = votes.iter().filter(|v| v.approve && v.stage == stage).count();
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The stage that waits now; none if all are complete.
pub(crate) fn current(stages: &[Stage], votes: &[Vote]) -> Option<usize> {
    stages.iter().enumerate().find(|(n, s)| yes(votes, *n) < s.count).map(|(n, _)| n)
}

/// Refuses stages that no rule may have.
pub(crate) fn check(stages: &[Stage], platform: bool) -> Result<(), Refusal> {
    let wrong = |say: String| Err(Refusal::invalid("stages", say));
    if stages.is_empty() || stages.len() > STAGES {
        return wrong(format!("must be one to {STAGES}"));
    }
    for stage in stages {
        if !(1..=VOTES).contains(&stage.count) {
            return wrong(format!("need one to {VOTES} votes each"));
        }
        match &stage.who {
            Voters::Role { .. } if platform => {
                return wrong("of the platform are duties or users of its staff: it has no roles".into());
            }
            Voters::Role { role: Role::Reader, .. } => {
                return wrong("need a role that decides: member or manager".into());
            }
            Voters::Duty(Duty::AuditAdmin) => {
                return wrong("do not name the audit administrator, who reads and decides nothing".into());
            }
            Voters::Duty(_) if !platform => {
                return wrong("of an institution are its own people: duties are the provider's".into());
            }
            Voters::Users(ids) | Voters::Groups(ids) => {
                if ids.is_empty() || ids.len() > NAMED {
                    return wrong(format!("must name one to {NAMED} users or groups"));
                }
                let users = matches!(stage.who, Voters::Users(_));
                if users && i64::try_from(ids.len()).is_ok_and(|n| n < stage.count) {
                    return wrong("need more votes than they name users".into());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Stage {
    /// Whether somebody may vote at this stage about a thing.
    pub(crate) fn fits(&self, approver: &dyn Approver, view: &mut View<'_>, actor: &Actor,
        about: &Object) -> Result<bool, Fault> {
        match &self.who {
            Voters::Role { role, within } => {
                let who = match within {
                    Within::Project if about.project.is_some() => Who::Project(*role),
                    _ => Who::Domain(*role),
                };
                Ok(meets(who, actor, about))
            }
            Voters::Duty(duty) => Ok(meets(Who::Duty(*duty), actor, about)),
            Voters::Users(ids) => Ok(ids.contains(&actor.id)),
            Voters::Groups(ids) => {
                for id in ids {
                    if approver.in_group(view, &actor.id, id)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// As the API shows it.
    pub(crate) fn show(&self) -> Value {
        match &self.who {
            Voters::Role { role, within } => {
                json!({ "role": role, "in": within, "count": self.count })
            }
            Voters::Duty(duty) => json!({ "duty": duty, "count": self.count }),
            Voters::Users(ids) => json!({ "users": ids, "count": self.count }),
            Voters::Groups(ids) => json!({ "groups": ids, "count": self.count }),
        }
    }

    /// As the API takes it: `{"role": "manager", "in": "domain", "count": 2}`, or `duty`, `users`,
    /// `groups` in place of `role` and `in`.
    pub(crate) fn parse(words: &Words<'_>) -> Result<Stage, Failure> {
        words.only(&["role", "in", "duty", "users", "groups", "count"])?;
        let ids = |texts: Vec<String>| -> Vec<Id> { texts.into_iter().map(Id::new).collect() };
        let named = ["role", "duty", "users", "groups"].into_iter()
            .filter(|name| words.value(name).is_some()).count();
        if named != 1 {
            let say = "must each name one of role, duty, users and groups";
            return Err(Refusal::invalid("stages", say).into());
        }
        let place = match words.text("in")?.as_deref() {
            None => None,
            Some("project") => Some(Within::Project),
            Some("domain") => Some(Within::Domain),
            Some(_) => return Err(Refusal::invalid("in", "must be project or domain").into()),
        };
        let who = if let Some(users) = words.texts("users")? {
            Voters::Users(ids(users))
        } else if let Some(groups) = words.texts("groups")? {
            Voters::Groups(ids(groups))
        } else if let Some(name) = words.text("duty")? {
            Voters::Duty(duty(&name)?)
        } else {
            let role = match words.need("role")?.as_str() {
                "member" => Role::Member,
                "manager" => Role::Manager,
                _ => return Err(Refusal::invalid("role", "must be member or manager").into()),
            };
            let needed = || Refusal::invalid("in", "is required with role: project or domain");
            Voters::Role { role, within: place.ok_or_else(needed)? }
        };
        if place.is_some() && !matches!(who, Voters::Role { .. }) {
            return Err(Refusal::invalid("in", "belongs to role only").into());
        }
        Ok(Stage { who, count: words.int("count", 1, VOTES)?.unwrap_or(1) })
    }
}

/// The duty of this name, among those who decide.
pub(crate) fn duty(name: &str) -> Result<Duty, Refusal> {
    match name {
        "system_admin" => Ok(Duty::SystemAdmin),
        "security_admin" => Ok(Duty::SecurityAdmin),
        _ => Err(Refusal::invalid("duty", "must be system_admin or security_admin")),
    }
}
