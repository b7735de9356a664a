//! Makes records real, level-triggered.
//!
//! A nudge says "look at this resource", never what happened: the driver loads it, asks its pure
//! plan what to do next, and does that, one committed step after the other. A crash anywhere leaves
//! the nudge in place, so the next start looks again. What does not converge is looked at again
//! with growing pauses; a host's report nudges at once.

use crate::command::{Answer, Command, Failure, Job, StatusReport};
use crate::registry::{AnyPlan, Registry};
use crate::resource::Step;
use crate::view::{Seen, View};
use jinyun_base::{Fault, Id, Secret, Time};
use jinyun_policy::Actor;
use jinyun_store::{Db, NudgeRow, Status};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where jobs go: the writer's queue, or in a simulation the core itself.
pub trait Submit {
    /// Runs a job; returns once it is committed or refused.
    fn submit(&mut self, job: Job) -> Result<Answer, Failure>;
}

/// Makes secrets for resources (keys, wrapped), outside of any transaction: it may wait for an HSM.
pub type Maker = Box<dyn FnMut(&mut Db, &str, &Id, &Value) -> Result<Secret<Vec<u8>>, Fault> + Send>;

/// The reconcile driver.
pub struct Driver {
    registry: Arc<Registry>,
    maker: Maker,
}

/// The longest pause between two looks at something that does not converge, in seconds.
const LONGEST: i64 = 60;

impl Driver {
    /// A driver for everything that is registered.
    pub fn new(registry: Arc<Registry>, maker: Maker) -> Driver {
        Driver { registry, maker }
    }

    /// Looks at everything that is due. Returns how many looks there were and when the next is due.
    pub fn pass(&mut self, db: &mut Db, to: &mut dyn Submit, seen: &dyn Seen, now: Time)
        -> Result<(usize, Option<Time>), Fault> {
        let nudges = db.nudges()?;
        let mut looks = 0;
        for nudge in nudges.iter().filter(|n| n.due <= now) {
            self.look(db, to, seen, nudge)?;
            looks += 1;
        }
        Ok((looks, nudges.iter().map(|n| n.due).find(|d| *d > now)))
    }

    /// One look at one resource.
    fn look(&mut self, db: &mut Db, to: &mut dyn Submit, seen: &dyn Seen, nudge: &NudgeRow)
        -> Result<(), Fault> {
        let (kind, id) = (nudge.kind.as_str(), &nudge.id);
        let Some(stored) = db.get(kind, id)? else { return Ok(()) };
        let was = stored.status.clone();
        let generation = stored.row.generation;
        let plan = self.registry.kind(kind)?.plan(stored, &mut View::new(db), seen)?;
        let (phase, steps) = (plan.phase, plan.steps.len());
        let mut trouble = None;
        for step in &plan.steps {
            match self.step(db, to, kind, id, step) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Failure::Refused(r)) => {
                    trouble = Some(r.message);
                    break;
                }
                Err(Failure::Fault(f)) => return Err(f),
            }
        }
        let AnyPlan { body, error, done, .. } = plan;
        let error = trouble.clone().unwrap_or(error);
        let observed = if done { generation } else { was.observed };
        let next = Status { observed, phase: phase.into(), body, error, updated: was.updated };
        let same = next == was;
        // Progress is looked at again at once; waiting, with a growing pause.
        let moved = !same || (steps > 0 && trouble.is_none());
        let tries = if moved { 0 } else { nudge.tries + 1 };
        let pause = if moved && steps > 0 { 0 } else { pause(tries) };
        let report = StatusReport {
            kind: kind.into(),
            id: id.clone(),
            planned: generation,
            nudge: nudge.due,
            settled: done,
            again: (!done).then_some((pause, tries)),
            changed_from: (was.phase != phase).then_some(was.phase),
            status: next,
        };
        match to.submit(Job::Status(report)) {
            Ok(_) | Err(Failure::Refused(_)) => Ok(()),
            Err(Failure::Fault(f)) => Err(f),
        }
    }

    /// Carries a step out. `false`: the resource is gone.
    fn step(&mut self, db: &mut Db, to: &mut dyn Submit, kind: &str, id: &Id, step: &Step)
        -> Result<bool, Failure> {
        let own = |action: &str, args: Value| {
            Command::new(action, Actor::system("driver"), format!("driver-{id}")).with(args)
        };
        let command = match step {
            Step::Run(command) => (**command).clone(),
            Step::MakeSecret { name, request } => {
                if db.secret(kind, id, name)?.is_some() {
                    return Ok(true);
                }
                let secret = (self.maker)(db, kind, id, request)?;
                let args = json!({ "kind": kind, "id": id });
                own("engine:secret:make", args).secret(name, secret.expose().clone())
            }
            Step::DestroySecret { name, certificate } => own("engine:secret:destroy", json!({
                "kind": kind, "id": id, "name": name, "certificate": certificate
            })),
            Step::Finish { note } => {
                let mut args = json!({ "kind": kind, "id": id });
                if let Some(note) = note {
                    args["note"] = note.clone();
                }
                to.submit(Job::Command(Box::new(own("engine:resource:finish", args))))?;
                return Ok(false);
            }
        };
        to.submit(Job::Command(Box::new(command)))?;
        Ok(true)
    }
}

/// 0.1 s, 0.2 s, 0.4 s, ... up to a minute.
fn pause(tries: i64) -> i64 {
    let doubled = 100_000_i64 << tries.clamp(0, 20);
    doubled.min(LONGEST * Time::SECOND)
}
