//! Trying the forbidden thing through the write path: as a member of another project, and as each
//! of the provider's three duties.
//!
//! The actors are made up, as the edge would make them from a token; everything behind that is the
//! real thing: policy, rules, journal. What is attacked lies in the synthetic tenant, so that a
//! hole costs nobody anything. Not through HTTP: a token for each duty would need
//! somebody's password.

use crate::attack::{Attempt, Outcome, Tried};
use crate::stage::Ground;
use jinyun_base::{Id, Refused};
use jinyun_engine::{Command, Failure, Job};
use jinyun_network::Network;
use jinyun_policy::{Actor, ActorKind, Duty, Role, Scope};
use jinyun_rest::Cloud;
use jinyun_volume::Volume;
use serde_json::json;

/// A refusal that must be on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The request's id, unlike any other.
    pub request: String,
    /// What was asked.
    pub action: &'static str,
    /// By whom.
    pub actor: Id,
    /// About what.
    pub target: Id,
}

/// What is tried on the other project's things.
#[derive(Clone, Copy)]
enum Act {
    SeeNetwork,
    SeeVolume,
    ChangeNetwork,
    ChangeVolume,
    DeleteVolume,
}

impl Act {
    fn action(self) -> &'static str {
        match self {
            Act::SeeNetwork => "network:network:show",
            Act::SeeVolume => "volume:volume:show",
            Act::ChangeNetwork => "network:network:update",
            Act::ChangeVolume => "volume:volume:update",
            Act::DeleteVolume => "volume:volume:delete",
        }
    }
}

struct Trial<'a> {
    cloud: &'a Cloud,
    ground: &'a Ground,
    tag: &'a str,
    asked: Vec<Asked>,
    next: u32,
}

impl Trial<'_> {
    fn attempt(&mut self, what: &'static str, forbidden: bool, actor: &Actor, act: Act)
        -> Attempt {
        let target = match act {
            Act::SeeNetwork | Act::ChangeNetwork => self.ground.network.clone(),
            Act::SeeVolume | Act::ChangeVolume | Act::DeleteVolume => self.ground.volume.clone(),
        };
        let request = format!("{}-{}", self.tag, self.next);
        self.next += 1;
        let command = Command::new(act.action(), actor.clone(), request.clone())
            .on(target.clone()).with(json!({ "description": request }));
        let done = match act {
            Act::SeeNetwork => self.cloud.reader.show::<Network>(&command).map(drop),
            Act::SeeVolume => self.cloud.reader.show::<Volume>(&command).map(drop),
            Act::ChangeNetwork | Act::ChangeVolume | Act::DeleteVolume => {
                self.cloud.handle.run(Job::Command(Box::new(command))).map(drop)
            }
        };
        if forbidden {
            self.asked.push(Asked {
                request,
                action: act.action(),
                actor: actor.id.clone(),
                target,
            });
        }
        let outcome = match done {
            Ok(()) => Outcome::Worked(format!("{} was carried out", act.action())),
            Err(Failure::Refused(refusal)) => match refusal.why {
                Refused::Forbidden | Refused::NotFound => Outcome::Stopped(refusal.message),
                // It came past the decision and failed for another reason.
                _ => Outcome::Untried(refusal.message),
            },
            Err(Failure::Fault(fault)) => Outcome::Untried(fault.to_string()),
        };
        Attempt { what, forbidden, outcome }
    }
}

fn manager(ground: &Ground, id: &str, project: &Id) -> Actor {
    Actor {
        kind: ActorKind::User,
        id: id.into(),
        domain: ground.domain.clone(),
        scope: Scope::Project { project: project.clone(), domain: ground.domain.clone() },
        role: Some(Role::Manager),
        duty: None,
    }
}

fn on_duty(ground: &Ground, id: &str, duty: Duty) -> Actor {
    Actor { scope: Scope::System, role: None, duty: Some(duty), ..manager(ground, id, &"".into()) }
}

/// Carries both attacks out. Returns them with the refusals that must now stand in the journal.
pub fn try_commands(cloud: &Cloud, ground: &Ground, tag: &str) -> (Vec<Tried>, Vec<Asked>) {
    let mut trial = Trial { cloud, ground, tag, asked: Vec::new(), next: 0 };
    let owner = manager(ground, "evidence-owner", &ground.theirs);
    let stranger = manager(ground, "evidence-stranger", &ground.mine);
    let controls = |trial: &mut Trial<'_>| {
        vec![
            trial.attempt("its own project looks at the network", false, &owner, Act::SeeNetwork),
            trial.attempt("its own project looks at the volume", false, &owner, Act::SeeVolume),
            trial.attempt("its own project changes the network", false, &owner,
                Act::ChangeNetwork),
            trial.attempt("its own project changes the volume", false, &owner, Act::ChangeVolume),
        ]
    };
    let mut foreign = controls(&mut trial);
    for (what, act) in [
        ("another project looks at the network", Act::SeeNetwork),
        ("another project looks at the volume", Act::SeeVolume),
        ("another project changes the network", Act::ChangeNetwork),
        ("another project changes the volume", Act::ChangeVolume),
        ("another project deletes the volume", Act::DeleteVolume),
    ] {
        foreign.push(trial.attempt(what, true, &stranger, act));
    }
    let mut duties = controls(&mut trial);
    for (id, duty, texts) in [
        ("evidence-sysadmin", Duty::SystemAdmin, [
            "the system administrator looks at a tenant's volume",
            "the system administrator changes a tenant's network",
            "the system administrator deletes a tenant's volume",
        ]),
        ("evidence-secadmin", Duty::SecurityAdmin, [
            "the security administrator looks at a tenant's volume",
            "the security administrator changes a tenant's network",
            "the security administrator deletes a tenant's volume",
        ]),
        ("evidence-auditor", Duty::AuditAdmin, [
            "the audit administrator looks at a tenant's volume",
            "the audit administrator changes a tenant's network",
            "the audit administrator deletes a tenant's volume",
        ]),
    ] {
        let actor = on_duty(ground, id, duty);
        for (what, act) in
            texts.into_iter().zip([Act::SeeVolume, Act::ChangeNetwork, Act::DeleteVolume])
        {
            duties.push(trial.attempt(what, true, &actor, act));
        }
    }
    let tried = vec![
        Tried { check: "foreign-command", attempts: foreign },
        Tried { check: "duty-command", attempts: duties },
    ];
    (tried, trial.asked)
}
