//! The pipeline: one job after the other, many in one transaction.
//!
//! ```text
//! job -> savepoint -> action? -> target -> policy -> limits -> rules, rows -> guard -> approval? ->
//!                        |         |         |          |          |           |         |
//!                        +---------+---------+----------+----------+-----------+         |
//!                        |                                                               |
//!                        +--> rollback, journal the refusal    rollback, keep request <--+
//! -> journal -> release
//! all jobs of a group -> one commit -> observers -> answers
//! ```
//! A command that has to be approved is tried first and taken back: one that the rules refuse
//! anyway asks nobody for anything. Once approved it is an ordinary command again, run behind the
//! vote that completed it and in the same transaction, and judged on the world as it is then.
//!
//! A job is never half done: its savepoint holds the rows and the journal entry. A group is never
//! half done: it is one transaction, and answers go out after its commit only (I4). Commands are
//! serial, so no rule has to think about another command between its check and its write.

use crate::command::{Answer, Command, Failure, Follow, Job, StatusReport};
use crate::ctx::{Ctx, Place};
use crate::registry::{ActionDef, Need, Registry, Verb};
use crate::view::View;
use jinyun_base::{Entropy, Fault, Id, Refusal, Refused, Time};
use jinyun_journal::{Actor as Name, Effect, Reason, Target};
use jinyun_policy::{Actor, ActorKind, Object, PROVIDER, Permit};
use jinyun_store::{Draft, Stored, Writer};
use serde_json::{Map, Value, json};
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
    /// What the group has changed so far, in the journal's order.
    changed: Vec<Effect>,
}

/// What one command did, before it has an entry.
struct Done {
    answer: Answer,
    note: Option<Value>,
    permit: Permit,
    follow: Option<Box<Follow>>,
    /// It works, and has to wait for this.
    need: Option<Need>,
    /// It was kept instead: what the caller is told.
    waits: Option<Refusal>,
}

impl Core {
    /// A pipeline over an open store.
    pub fn new(writer: Writer, registry: Arc<Registry>, dice: Box<dyn Entropy>) -> Core {
        Core { writer, registry, dice, observers: Vec::new(), changed: Vec::new() }
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
                let effects = std::mem::take(&mut self.changed);
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
        self.changed.clear();
        self.writer.begin()?;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(match self.job(job.clone(), None, now) {
                Err(Failure::Fault(fault)) => return Err(fault),
                other => other,
            });
        }
        self.writer.commit()?;
        Ok(answers)
    }

    /// Does one job. `home` is the institution whose decision has started it: that one knows of the
    /// thing already, so a refusal is no secret from it.
    fn job(&mut self, job: Job, home: Option<&Id>, now: Time) -> Result<Answer, Failure> {
        match job {
            Job::Command(command) => self.command(*command, home, now),
            Job::Shown { command, object } => self.shown(&command, &object, now),
            Job::Refused { command, refusal } => {
                let institution = home.unwrap_or(&command.actor.domain).clone();
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

    /// A look under a consent: on record if the consent stands at this moment, else refused. It was
    /// judged when it was asked, and the consent may have ended while this job waited.
    fn shown(&mut self, command: &Command, object: &Object, now: Time)
        -> Result<Answer, Failure> {
        let registry = Arc::clone(&self.registry);
        let judged = self.decide(command, object, now).and_then(|permit| {
            registry.narrow(command, object, None)?;
            Ok(permit)
        });
        let actors = command.actor.domain.clone();
        match judged {
            Ok(permit) => {
                let institution = object.domain.clone().unwrap_or(actors);
                let mut draft = draft(command, institution, "done", now);
                if let Some(consent) = permit.consent() {
                    under(&mut draft, consent);
                }
                Ok(Answer { entry: self.writer.append(draft)?.number, ..Answer::default() })
            }
            Err(Failure::Refused(refusal)) => self.refused(command, actors, refusal, now),
            Err(fault) => Err(fault),
        }
    }

    fn command(&mut self, command: Command, home: Option<&Id>, now: Time)
        -> Result<Answer, Failure> {
        self.writer.savepoint()?;
        let mut institution = home.unwrap_or(&command.actor.domain).clone();
        let came = match self.attempt(&command, &mut institution, now) {
            Ok(Done { need: Some(need), permit, .. }) => self.wait(&command, permit, need, now),
            came => came,
        };
        match came {
            Ok(done) => self.record(&command, institution, done, now),
            Err(Failure::Refused(refusal)) => {
                self.writer.rollback()?;
                self.refused(&command, institution, refusal, now)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Appends the entry of a command that worked or waits, and carries out what it has started.
    fn record(&mut self, command: &Command, institution: Id, done: Done, now: Time)
        -> Result<Answer, Failure> {
        let Done { mut answer, note, permit, follow, waits, .. } = done;
        let home = institution.clone();
        let outcome = if waits.is_some() { "waiting" } else { "done" };
        let mut draft = draft(command, institution, outcome, now);
        draft.effects = answer.effects.clone();
        draft.note = note;
        draft.reason = waits.as_ref().map(reason);
        if draft.target.is_none() {
            draft.target = self.made(command, &answer);
        }
        if let Some(consent) = permit.consent() {
            under(&mut draft, consent);
        }
        answer.entry = self.writer.append(draft)?.number;
        self.writer.release()?;
        self.changed.extend(answer.effects.iter().cloned());
        if let Some(follow) = follow {
            self.follow(*follow, &home, now)?;
        }
        match waits {
            None => Ok(answer),
            Some(mut refusal) => {
                refusal.recorded = true;
                Err(refusal.into())
            }
        }
    }

    /// Runs what a command has started, and the command that keeps what came of it. All of that is
    /// one transaction with the command itself: a kill in between leaves none of the three.
    fn follow(&mut self, follow: Follow, home: &Id, now: Time) -> Result<(), Failure> {
        let Follow { job, mut report } = follow;
        let mut words = Map::new();
        words.insert("entry".into(), self.writer.next_number().into());
        match self.job(job, Some(home), now) {
            Ok(answer) => {
                let told = answer.value.get("id").and_then(Value::as_str).map(String::from);
                if let Some(id) = answer.row.map(|r| r.id.to_string()).or(told) {
                    words.insert("made".into(), id.into());
                }
            }
            Err(Failure::Refused(r)) => {
                let why = json!({ "code": r.code(), "message": r.message });
                words.insert("refused".into(), why);
            }
            Err(fault) => return Err(fault),
        }
        if let Some(args) = report.args.as_object_mut() {
            args.extend(words);
        }
        match self.command(report, None, now) {
            Ok(_) => Ok(()),
            Err(Failure::Refused(r)) => {
                Err(Fault::new(format!("what came of a command could not be kept: {r}")).into())
            }
            Err(fault) => Err(fault),
        }
    }

    /// The command would work and has to wait: what it did is taken back, and the request is kept.
    fn wait(&mut self, command: &Command, permit: Permit, need: Need, now: Time)
        -> Result<Done, Failure> {
        self.writer.rollback()?;
        self.writer.savepoint()?;
        let registry = Arc::clone(&self.registry);
        let Some(approver) = &registry.approver else {
            return Err(Fault::new("a command waits, and nobody keeps requests").into());
        };
        let mut ctx = self.ctx(&registry, command, permit, now);
        let id = approver.keep(&mut ctx, command, need)?;
        let Ctx { effects, permit, .. } = ctx;
        let say = format!("{} needs approval: it waits as request {id} and runs once it is approved.",
            command.action);
        let refusal = Refusal::new(Refused::NeedsApproval(id.to_string()), say);
        Ok(Done {
            answer: Answer { effects, ..Answer::default() },
            note: Some(json!({ "approval": id })),
            permit,
            follow: None,
            need: None,
            waits: Some(refusal),
        })
    }

    fn ctx<'a>(&'a mut self, registry: &'a Registry, command: &'a Command, permit: Permit,
        now: Time) -> Ctx<'a> {
        Ctx {
            writer: &mut self.writer,
            registry,
            dice: self.dice.as_mut(),
            now,
            actor: &command.actor,
            permit,
            effects: Vec::new(),
            changes: Vec::new(),
            note: None,
            follow: None,
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

    /// Journals a refusal and returns it.
    fn refused(&mut self, command: &Command, institution: Id, mut refusal: Refusal, now: Time)
        -> Result<Answer, Failure> {
        let mut draft = draft(command, institution, "refused", now);
        draft.reason = Some(reason(&refusal));
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
        let permit = self.decide(command, &object, now)?;
        // From here on the actor may know of the thing: its institution keeps the entry.
        if let Some(domain) = &object.domain {
            *institution = domain.clone();
        }
        registry.narrow(command, &object, Some(now))?;
        let need = self.need(command, &object, &registry)?;
        let mut ctx = self.ctx(&registry, command, permit, now);
        let mut answer = perform(&mut ctx, def, command)?;
        let Ctx { effects, changes, note, permit, follow, .. } = ctx;
        if let Some(guard) = registry.guard.as_ref().filter(|_| !changes.is_empty()) {
            guard.judge(&mut View::new(&mut self.writer.db), command, &changes, now)?;
        }
        answer.effects = effects;
        Ok(Done { answer, note, permit, follow, need, waits: None })
    }

    /// May it be done, by a rule as it is or under a consent that stands now?
    fn decide(&mut self, command: &Command, object: &Object, now: Time)
        -> Result<Permit, Failure> {
        match self.registry.policy.decide(&command.actor, &command.action, object) {
            Ok(permit) => Ok(permit),
            Err(plain) => {
                let view = &mut View::new(&mut self.writer.db);
                self.registry.under_consent(view, command, object, Some(now), plain)
            }
        }
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

    /// What the command has to wait for.
    fn need(&mut self, command: &Command, object: &Object, registry: &Registry)
        -> Result<Option<Need>, Failure> {
        let Some(approver) = &registry.approver else { return Ok(None) };
        // The platform carries out what was decided before, and who signs in is nobody yet.
        if command.actor.kind != ActorKind::User {
            return Ok(None);
        }
        let need = approver.needs(&mut View::new(&mut self.writer.db), command, object)?;
        if need.is_some() && !command.secrets.is_empty() {
            let say = "needs approval and carries a secret, which is not kept: it cannot wait";
            return Err(Refusal::invalid(&command.action, say).into());
        }
        Ok(need)
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

/// Does what an action does.
fn perform(ctx: &mut Ctx<'_>, def: ActionDef, command: &Command) -> Result<Answer, Failure> {
    let registry = ctx.registry;
    let mut answer = Answer::default();
    match (def.verb, &command.target) {
        (Verb::Create, _) => {
            let at = place(ctx, command, registry, def.kind)?;
            let row = registry.kind(def.kind)?.create(ctx, at, command.args.clone())?;
            for (name, secret) in &command.secrets {
                ctx.put_secret(def.kind, &row.id, name, secret.expose())?;
            }
            answer.row = Some(row);
        }
        (Verb::Update, Some(id)) => {
            let kind = registry.kind(def.kind)?;
            answer.row = Some(kind.update(ctx, id, &command.args, command.if_generation)?);
            for (name, secret) in &command.secrets {
                ctx.put_secret(def.kind, id, name, secret.expose())?;
            }
        }
        (Verb::Delete, Some(id)) => {
            answer.row = Some(registry.kind(def.kind)?.delete(ctx, id)?);
        }
        (Verb::Own(run), _) => answer.value = run(ctx, command)?,
        (Verb::Read, _) => return Err(Fault::new("a read was sent as a command").into()),
        (_, None) => return Err(Refusal::invalid("id", "is missing").into()),
    }
    Ok(answer)
}

fn reason(refusal: &Refusal) -> Reason {
    Reason { code: refusal.code().into(), message: refusal.message.clone() }
}

/// Names the consent under which something was done. One that was approved as well has the
/// approval's id already: then the consent stands in the note.
fn under(draft: &mut Draft, consent: &Id) {
    if draft.approval.is_none() {
        draft.approval = Some(consent.to_string());
    } else if let Some(note) = draft.note.get_or_insert_with(|| json!({})).as_object_mut() {
        note.insert("consent".into(), consent.as_str().into());
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
