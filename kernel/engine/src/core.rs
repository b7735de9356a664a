//! The pipeline: one job after the other, many in one transaction.
//!
//! ```text
//! job -> savepoint -> action? -> target -> policy -> approval? -> rules, rows -> journal -> release
//!                        |         |         |           |            |
//!                        +---------+---------+-----------+------------+--> rollback, journal the
//!                                                                          refusal instead
//! all jobs of a group -> one commit -> observers -> answers
//! ```
//! A job is never half done: its savepoint holds the rows and the journal entry. A group is never
//! half done: it is one transaction, and answers go out after its commit only (I4). Commands are
//! serial, so no rule has to think about another command between its check and its write.

use crate::command::{Answer, Command, Failure, Job, StatusReport};
use crate::ctx::{Ctx, Place};
use crate::registry::{Registry, Verb};
use jinyun_base::{Entropy, Fault, Id, Refusal, Refused, Time};
use jinyun_journal::{Actor as Name, Effect, Reason, Target};
use jinyun_policy::{Actor, ActorKind, Object, PROVIDER};
use jinyun_store::{Draft, Stored, Writer};
use serde_json::{Value, json};
use std::sync::Arc;

/// Told after each commit what changed, before the answers go out. Must be quick.
pub type Observer = Box<dyn FnMut(&[Effect]) + Send>;

/// The writer with everything that the services have registered.
pub struct Core {
    /// The store's writer.
    pub writer: Writer,
    registry: Arc<Registry>,
    dice: Box<dyn Entropy>,
    observers: Vec<Observer>,
}

/// What one job did, before it has an entry.
struct Done {
    institution: Id,
    answer: Answer,
    note: Option<Value>,
}

impl Core {
    /// A pipeline over an open store.
    pub fn new(writer: Writer, registry: Arc<Registry>, dice: Box<dyn Entropy>) -> Core {
        Core { writer, registry, dice, observers: Vec::new() }
    }

    /// Adds an observer.
    pub fn observe(&mut self, observer: Observer) {
        self.observers.push(observer);
    }

    /// What the services have registered.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Runs one job in a group of its own.
    pub fn one(&mut self, job: Job, now: Time) -> Result<Answer, Failure> {
        self.run(vec![job], now).pop()
            .unwrap_or_else(|| Err(Fault::new("the group returned no answer").into()))
    }

    /// Runs a group of jobs in one transaction. If it cannot be committed, none of them happened:
    /// each is tried once more by itself, and its answer says what came of that.
    pub fn run(&mut self, jobs: Vec<Job>, now: Time) -> Vec<Result<Answer, Failure>> {
        match self.group(&jobs, now) {
            Ok(answers) => {
                let effects: Vec<Effect> = answers.iter().flatten()
                    .flat_map(|a| a.effects.iter().cloned()).collect();
                if !effects.is_empty() {
                    self.observers.iter_mut().for_each(|o| o(&effects));
                }
                answers
            }
            Err(fault) => {
                // The connection itself may be gone; then the next group says so again.
                let _ = self.writer.abandon();
                if jobs.len() == 1 {
                    return vec![Err(fault.into())];
                }
                // One that cannot be carried out must not take the others with it.
                jobs.into_iter().flat_map(|job| self.run(vec![job], now)).collect()
            }
        }
    }

    fn group(&mut self, jobs: &[Job], now: Time)
        -> Result<Vec<Result<Answer, Failure>>, Fault> {
        self.writer.begin()?;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(match self.job(job.clone(), now) {
                Err(Failure::Fault(fault)) => return Err(fault),
                other => other,
            });
        }
        self.writer.commit()?;
        Ok(answers)
    }

    fn job(&mut self, job: Job, now: Time) -> Result<Answer, Failure> {
        match job {
            Job::Command(command) => self.command(*command, now),
            Job::Approve { id, by } => self.approve(&id, *by, now),
            Job::Refused { command, refusal } => {
                let institution = command.actor.domain.clone();
                self.refused(&command, institution, refusal, now)
            }
            Job::Status(report) => self.status(report, now),
            Job::Nudge { kind, id } => {
                if self.writer.db.get(&kind, &id)?.is_some() {
                    self.writer.nudge(&kind, &id, now, 0)?;
                }
                Ok(Answer::default())
            }
        }
    }

    fn command(&mut self, command: Command, now: Time) -> Result<Answer, Failure> {
        self.writer.savepoint()?;
        let mut institution = command.actor.domain.clone();
        match self.attempt(&command, &mut institution, now) {
            Ok(mut done) => {
                let effects = done.answer.effects.clone();
                let mut draft = draft(&command, done.institution, "done", now);
                draft.effects = effects;
                draft.note = done.note;
                if draft.target.is_none() {
                    draft.target = self.made(&command, &done.answer);
                }
                done.answer.entry = self.writer.append(draft)?.number;
                self.writer.release()?;
                Ok(done.answer)
            }
            Err(Failure::Refused(refusal)) => {
                self.writer.rollback()?;
                self.refused(&command, institution, refusal, now)
            }
            Err(fault) => Err(fault),
        }
    }

    /// What a command without a target was about: what it made.
    fn made(&self, command: &Command, answer: &Answer) -> Option<Target> {
        if let Some(row) = &answer.row {
            return Some(Target { id: row.id.to_string(), kind: row.kind.clone() });
        }
        let kind = self.registry.find_action(&command.action)?.kind;
        if kind.is_empty() {
            let (kind, id) = named(&command.args)?;
            return Some(Target { id: id.to_string(), kind: kind.into() });
        }
        let id = answer.value.get("id")?.as_str()?;
        Some(Target { id: id.into(), kind: kind.into() })
    }

    /// Journals a refusal and returns it. One that waits for approval is no refusal: the command
    /// is stored.
    fn refused(&mut self, command: &Command, institution: Id, mut refusal: Refusal, now: Time)
        -> Result<Answer, Failure> {
        let waits = matches!(refusal.why, Refused::NeedsApproval(_));
        let mut draft = draft(command, institution, if waits { "waiting" } else { "refused" }, now);
        draft.reason = Some(Reason {
            code: refusal.code().into(),
            message: refusal.message.clone(),
        });
        if let Refused::NeedsApproval(id) = &refusal.why {
            let body = serde_json::to_string(command)
                .map_err(|e| Fault::new(format!("storing a command: {e}")))?;
            self.writer.put_command(&id.as_str().into(), "waiting", &body, now)?;
            draft.note = Some(json!({ "command": id }));
        }
        self.writer.append(draft)?;
        refusal.recorded = true;
        Err(refusal.into())
    }

    fn attempt(&mut self, command: &Command, institution: &mut Id, now: Time)
        -> Result<Done, Failure> {
        let registry = Arc::clone(&self.registry);
        let Some(def) = registry.find_action(&command.action) else {
            let say = format!("the action {} is not offered", command.action);
            return Err(Refusal::new(Refused::NotOffered, say).into());
        };
        let target = match &command.target {
            // The driver's own actions are about things of any kind, which their words name. What
            // is done to an institution's thing stands in the institution's own sequence.
            None => match named(&command.args).filter(|_| def.kind.is_empty()) {
                Some((kind, id)) => self.writer.db.get(kind, &id)?,
                None => None,
            },
            Some(id) => match self.writer.db.get(def.kind, id)? {
                Some(stored) => Some(stored),
                None => return Err(Refusal::not_found(def.kind, id).into()),
            },
        };
        let object = self.object(command, target.as_ref())?;
        let permit = registry.policy.decide(&command.actor, &command.action, &object)?;
        // From here on the actor may know of the thing: its institution keeps the entry.
        if let Some(domain) = &object.domain {
            *institution = domain.clone();
        }
        self.ask_approval(command, &registry)?;
        let mut ctx = Ctx {
            writer: &mut self.writer,
            registry: &registry,
            dice: self.dice.as_mut(),
            now,
            actor: &command.actor,
            permit,
            effects: Vec::new(),
            note: None,
        };
        let mut answer = Answer::default();
        match (def.verb, &command.target) {
            (Verb::Create, _) => {
                let at = place(&mut ctx, command, &registry, def.kind)?;
                let row = registry.kind(def.kind)?.create(&mut ctx, at, command.args.clone())?;
                for (name, secret) in &command.secrets {
                    ctx.put_secret(def.kind, &row.id, name, secret.expose())?;
                }
                answer.row = Some(row);
            }
            (Verb::Update, Some(id)) => {
                let kind = registry.kind(def.kind)?;
                answer.row = Some(kind.update(&mut ctx, id, &command.args, command.if_generation)?);
                for (name, secret) in &command.secrets {
                    ctx.put_secret(def.kind, id, name, secret.expose())?;
                }
            }
            (Verb::Delete, Some(id)) => {
                answer.row = Some(registry.kind(def.kind)?.delete(&mut ctx, id)?);
            }
            (Verb::Own(run), _) => answer.value = run(&mut ctx, command)?,
            (Verb::Read, _) => return Err(Fault::new("a read was sent as a command").into()),
            (_, None) => return Err(Refusal::invalid("id", "is missing").into()),
        }
        answer.effects = ctx.effects;
        let note = ctx.note;
        Ok(Done { institution: institution.clone(), answer, note })
    }

    fn object(&self, command: &Command, target: Option<&Stored>) -> Result<Object, Fault> {
        if let Some(stored) = target {
            return self.registry.object(stored);
        }
        let scope = &command.actor;
        Ok(Object {
            domain: command.domain.clone().or_else(|| scope.domain_of_scope().cloned()),
            project: command.project.clone().or_else(|| scope.project().cloned()),
            ..Object::default()
        })
    }

    fn ask_approval(&mut self, command: &Command, registry: &Registry) -> Result<(), Failure> {
        let asked = registry.approvals.iter().any(|r| r.action == command.action);
        if !asked || command.approval.is_some() || command.actor.kind == ActorKind::System {
            return Ok(());
        }
        if !command.secrets.is_empty() {
            let say = "carries a secret and cannot wait for an approval";
            return Err(Refusal::invalid(&command.action, say).into());
        }
        let id = Id::uuid(self.dice.as_mut());
        Err(Refusal::new(Refused::NeedsApproval(id.to_string()), format!(
            "{} needs somebody else's approval; it is stored as {id}", command.action
        )).into())
    }

    /// Runs a stored command under an approval, by the same path and on the world as it is now.
    fn approve(&mut self, id: &Id, by: Command, now: Time) -> Result<Answer, Failure> {
        self.writer.savepoint()?;
        match self.release_stored(id, &by) {
            Ok(mut stored) => {
                stored.approval = Some(id.to_string());
                let mut entry = draft(&by, by.actor.domain.clone(), "done", now);
                entry.target = Some(Target { id: id.to_string(), kind: "command".into() });
                self.writer.append(entry)?;
                self.writer.put_command(id, "approved", "", now)?;
                self.writer.release()?;
                self.command(stored, now)
            }
            Err(Failure::Refused(refusal)) => {
                self.writer.rollback()?;
                let institution = by.actor.domain.clone();
                self.refused(&by, institution, refusal, now)
            }
            Err(fault) => Err(fault),
        }
    }

    fn release_stored(&mut self, id: &Id, by: &Command) -> Result<Command, Failure> {
        let Some((state, body)) = self.writer.db.command(id)? else {
            return Err(Refusal::not_found("command", id).into());
        };
        let stored: Command = serde_json::from_str(&body)
            .map_err(|e| Fault::new(format!("stored command {id}: {e}")))?;
        let object = Object {
            what: Some((jinyun_base::Kind("command"), id.clone())),
            domain: stored.domain.clone().or_else(|| stored.actor.domain_of_scope().cloned()),
            project: stored.project.clone().or_else(|| stored.actor.project().cloned()),
            ..Object::default()
        };
        self.registry.policy.decide(&by.actor, &by.action, &object)?;
        let rule = self.registry.approvals.iter().find(|r| r.action == stored.action);
        if by.actor.id == stored.actor.id {
            let say = "whoever asked for it cannot approve it; somebody else has to";
            return Err(Refusal::new(Refused::Forbidden, say).into());
        }
        if let Some(rule) = rule
            && !jinyun_policy::meets(rule.by, &by.actor, &object)
        {
            let say = format!("you may not approve {}", stored.action);
            return Err(Refusal::new(Refused::Forbidden, say).into());
        }
        if state != "waiting" {
            return Err(Refusal::conflict(format!("command {id} is {state} already")).into());
        }
        Ok(stored)
    }

    fn status(&mut self, report: StatusReport, now: Time) -> Result<Answer, Failure> {
        let Some(stored) = self.writer.db.get(&report.kind, &report.id)? else {
            // Deleted meanwhile: there is nothing to keep.
            self.writer.settle(&report.kind, &report.id)?;
            return Ok(Answer::default());
        };
        let mut status = report.status;
        status.updated = if report.changed_from.is_some() { now } else { stored.status.updated };
        self.writer.put_status(&report.kind, &report.id, &status)?;
        // A change or a report that came while the driver worked has nudged again: it stays due.
        let newer = self.writer.db.nudged(&report.kind, &report.id)? != Some(report.nudge)
            || stored.row.generation != report.planned;
        match report.again {
            _ if newer => {}
            Some((after, tries)) => {
                let due = Time(now.0.saturating_add(after));
                self.writer.nudge(&report.kind, &report.id, due, tries)?;
            }
            None => self.writer.settle(&report.kind, &report.id)?,
        }
        let mut answer = Answer::default();
        if let Some(from) = report.changed_from {
            // Whoever uses it may have waited for this.
            for (kind, user, ..) in self.writer.db.linked_from(&report.kind, &report.id)? {
                if self.registry.kind(&kind)?.live() {
                    self.writer.nudge(&kind, &user, now, 0)?;
                }
            }
            let actor = Actor::system("driver");
            let command = Command::new("engine:phase:set", actor, "driver");
            let mut entry = draft(&command, stored.row.domain, "done", now);
            entry.target = Some(Target { id: report.id.to_string(), kind: report.kind });
            let mut note = json!({ "from": from, "to": status.phase });
            if !status.error.is_empty() {
                note["error"] = status.error.into();
            }
            entry.note = Some(note);
            answer.entry = self.writer.append(entry)?.number;
        }
        Ok(answer)
    }
}

/// The thing that the words of a driver's action name.
fn named(args: &Value) -> Option<(&str, Id)> {
    Some((args.get("kind")?.as_str()?, args.get("id")?.as_str()?.into()))
}

/// Where a new resource goes: what the command says, else the actor's scope.
fn place(ctx: &mut Ctx<'_>, command: &Command, registry: &Registry, kind: &str)
    -> Result<Place, Failure> {
    let actor = &command.actor;
    let project = command.project.clone().or_else(|| actor.project().cloned());
    let domain = command.domain.clone().or_else(|| actor.domain_of_scope().cloned());
    let id = match &command.args.get("id").and_then(Value::as_str) {
        // A client may bring the id where the protocol lets it; a taken one is refused.
        Some(id) => Id::new(id),
        None => registry.kind(kind)?.new_id(ctx.dice),
    };
    Ok(Place {
        domain: domain.unwrap_or_else(|| PROVIDER.into()),
        project: project.unwrap_or_else(|| "".into()),
        id,
    })
}

fn draft(command: &Command, institution: Id, outcome: &'static str, now: Time) -> Draft {
    let kind = match command.actor.kind {
        ActorKind::User => "user",
        ActorKind::System => "system",
        ActorKind::Nobody => "nobody",
    };
    let words: Vec<&str> = command.action.split(':').collect();
    let target = command.target.as_ref().map(|id| Target {
        id: id.to_string(),
        kind: words.get(1).copied().unwrap_or_default().into(),
    });
    Draft {
        action: command.action.clone(),
        actor: Name {
            domain: command.actor.domain.to_string(),
            id: command.actor.id.to_string(),
            kind: kind.into(),
        },
        approval: command.approval.clone(),
        effects: Vec::new(),
        institution: institution.to_string(),
        note: None,
        outcome,
        reason: None,
        request: command.request.clone(),
        source: command.source.clone(),
        target,
        time: now,
    }
}
