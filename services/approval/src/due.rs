//! What time brings: approved commands whose window has opened, requests and consents that are over,
//! requests that their rules have left behind.
//!
//! A plan is pure and has no clock, so this is not the driver's: somebody with a clock asks every few
//! seconds what is due, and gets commands. Being late does no harm: no vote counts after its
//! deadline, no consent after its end, and no approval that the rules do not ask for any more, whether
//! or not this has said so yet.

use crate::consent::{self, Consent};
use crate::request::{self, Approval, State};
use jinyun_base::{Fault, Time};
use jinyun_engine::{Command, Failure, Job, Query, View};
use jinyun_policy::Actor;
use jinyun_rest::Cloud;

/// Commands of the platform that are due at a moment.
pub fn due(view: &mut View<'_>, now: Time) -> Result<Vec<Command>, Fault> {
    let open = Query::field("open", "yes");
    let own = |action: &str| Command::new(action, Actor::system("approval"), "approval-due");
    let mut due = Vec::new();
    for have in view.list::<Approval>(&open)? {
        if request::late(&have.spec, now) || request::behind(view, &have.spec)?.is_some() {
            due.push(own("approval:approval:expire").on(have.id));
        } else if have.spec.state == State::Approved && have.spec.may_run(now) {
            due.push(own("approval:approval:run").on(have.id));
        }
    }
    for have in view.list::<Consent>(&open)? {
        if consent::late(&have, now) {
            due.push(own("approval:consent:expire").on(have.id));
        }
    }
    Ok(due)
}

/// Runs what is due; how many commands there were. One that is refused is on record and stops no
/// other: somebody was quicker.
pub fn tend(cloud: &Cloud, now: Time) -> Result<usize, Fault> {
    let due = cloud.reader.view(|view| due(view, now))?;
    let many = due.len();
    for command in due {
        if let Err(Failure::Fault(fault)) = cloud.handle.run(Job::Command(Box::new(command))) {
            return Err(fault);
        }
    }
    Ok(many)
}
