//! Requests: commands that wait for an approval, with everything that was said about them.
//!
//! ```text
//!            vote no --> refused            the command was refused --> failed
//!               |                                     |
//! waiting ------+--> last yes --> approved ---> run in the same transaction --> done
//!    |                               |  (a window: at its first moment)
//!    +-> expired, withdrawn, lapsed <+
//! ```
//! A request keeps what it was asked with. When it runs, the rules are asked again: if by then they
//! are others, ask for other stages or windows, or are gone, it does not run. A command that a rule
//! held back can be asked without it once the rule is lifted, and must not happen twice. Such a
//! request can only fail, so it ends (`lapsed`) as soon as somebody looks, and asked again is another.

use crate::approver::capped;
use crate::rule::{self, ApprovalRule, approver, present};
use crate::stage::{Stage, Voters, current};
use crate::{check_text, home, own_hand, read, target};
use jinyun_base::{Fault, Id, Kind, Refusal, Refused, Time, Window};
use jinyun_engine::{
    Approver, Claim, Command, Ctx, Failure, Have, Job, Link, Need, Place, Query, Resource, View,
};
use jinyun_identity::Project;
use jinyun_journal::entry::canonical;
use jinyun_policy::{Actor, Duty, Object, PROVIDER, Role, Scope, Who, meets};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Longest command that can wait, in bytes of JSON.
const LARGEST: usize = 64 << 10;
/// Most requests of one person that wait at the same time.
const OPEN: usize = 100;

/// The kind.
pub struct Approval;

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// For votes.
    Waiting,
    /// For its window; outside of a transaction only then.
    Approved,
    /// It ran.
    Done,
    /// Somebody voted no.
    Refused,
    /// Its time was over.
    Expired,
    /// Whoever asked took it back.
    Withdrawn,
    /// It was approved, and refused when it ran.
    Failed,
    /// The rules that asked for it have changed or are gone.
    Lapsed,
}

impl State {
    /// The word that the API and sentences use.
    pub fn word(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Approved => "approved",
            State::Done => "done",
            State::Refused => "refused",
            State::Expired => "expired",
            State::Withdrawn => "withdrawn",
            State::Failed => "failed",
            State::Lapsed => "lapsed",
        }
    }

    /// Whether something can still become of it.
    pub fn open(self) -> bool {
        matches!(self, State::Waiting | State::Approved)
    }
}

/// One vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub who: Id,
    /// When.
    pub at: Time,
    /// At which stage, from 0.
    pub stage: usize,
    /// Yes or no.
    pub approve: bool,
    /// Why.
    pub comment: String,
    /// From which address.
    pub source: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its entry in the journal.
    pub entry: u64,
    /// When.
    pub at: Time,
    /// The id of what it made, if it made something.
    pub made: Option<String>,
    /// Why it was refused: the word and the sentence.
    pub refused: Option<(String, String)>,
}

/// What a request is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalSpec {
    /// What will run. It carries no secrets: those are not serialised, and one with any is refused.
    pub command: Command,
    /// Kind of its target.
    pub kind: String,
    /// By which the same command, asked again, is known.
    pub digest: String,
    /// The domain of the thing (again: links need it).
    pub domain: Id,
    /// Its project; empty where there is none.
    pub project: Id,
    /// Why it is asked.
    pub reason: String,
    /// Nobody votes before there is a reason.
    pub reason_required: bool,
    /// The rules that asked.
    pub rules: Vec<Id>,
    /// Who has to agree.
    pub stages: Vec<Stage>,
    /// All of them have to be open for it to run.
    pub windows: Vec<Window>,
    /// No vote counts from here on.
    pub deadline: Time,
    /// Votes so far.
    pub votes: Vec<Vote>,
    /// How far it is.
    pub state: State,
    /// When the votes were complete, or it ended otherwise.
    pub decided: Option<Time>,
    /// What came of it.
    pub outcome: Option<Outcome>,
    /// Why it lapsed.
    #[serde(default)]
    pub ended: Option<String>,
}

impl Resource for Approval {
    const SERVICE: &'static str = "approval";
    const KIND: Kind = Kind("approval");
    type Spec = ApprovalSpec;
    type Status = ();

    fn name(spec: &ApprovalSpec) -> &str {
        &spec.command.action
    }

    fn check(_: &ApprovalSpec, _: Option<&ApprovalSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        // Nobody but this module makes one.
        Ok(())
    }

    fn claims(spec: &ApprovalSpec, _: &Place) -> Vec<Claim> {
        if !spec.state.open() {
            return Vec::new();
        }
        vec![Claim {
            space: "approval".into(),
            word: spec.digest.clone(),
            taken: "The same command waits for an approval already.".into(),
        }]
    }

    fn links(spec: &ApprovalSpec) -> Vec<Link> {
        home(&spec.domain, &spec.project)
    }

    fn fields(spec: &ApprovalSpec) -> Vec<(&'static str, String)> {
        let mut fields = vec![("asker", spec.command.actor.id.to_string())];
        if spec.state.open() {
            fields.push(("open", "yes".into()));
        }
        for stage in &spec.stages {
            if let Voters::Duty(duty) = stage.who {
                let field = ("duty", duty_word(duty).to_string());
                if !fields.contains(&field) {
                    fields.push(field);
                }
            }
        }
        fields
    }

    fn owner(have: &Have<Approval>) -> Option<Id> {
        Some(have.spec.command.actor.id.clone())
    }
}

/// A duty's word, by which requests that wait for it are found.
pub(crate) fn duty_word(duty: Duty) -> &'static str {
    match duty {
        Duty::SystemAdmin => "system_admin",
        Duty::SecurityAdmin => "security_admin",
        Duty::AuditAdmin => "audit_admin",
    }
}

impl ApprovalSpec {
    /// What a vote is about, as policy sees it.
    pub(crate) fn about(&self) -> Object {
        Object {
            domain: Some(self.domain.clone()),
            project: (!self.project.as_str().is_empty()).then(|| self.project.clone()),
            ..Object::default()
        }
    }

    /// What the rules are about: the thing, where it was when it was asked.
    fn thing(&self) -> Object {
        let mut thing = self.about();
        // A request about a project lies in the domain.
        if self.kind == Project::KIND.0
            && let Some(id) = &self.command.target
        {
            thing.project = Some(id.clone());
        }
        thing
    }

    /// Whether all windows are open.
    pub(crate) fn may_run(&self, at: Time) -> bool {
        self.windows.iter().all(|w| w.open(at))
    }
}

/// What all rules together ask for.
#[derive(Debug, Serialize, Deserialize)]
struct Asks {
    domain: Id,
    project: Id,
    kind: String,
    rules: Vec<Id>,
    stages: Vec<Stage>,
    windows: Vec<Window>,
    seconds: i64,
    reason_required: bool,
}

impl Asks {
    fn of(rules: &[Have<ApprovalRule>], command: &Command, object: &Object) -> Asks {
        let itself = object.what.as_ref().map(|(_, id)| id);
        let kind = match &object.what {
            Some((kind, _)) => kind.0.into(),
            None => command.action.split(':').nth(1).unwrap_or_default().into(),
        };
        // A project is its domain's: a request to delete it must not go before it has run.
        let project = object.project.as_ref().filter(|p| Some(*p) != itself);
        Asks {
            domain: object.domain.clone().unwrap_or_else(|| PROVIDER.into()),
            project: project.cloned().unwrap_or_else(|| "".into()),
            kind,
            rules: rules.iter().map(|r| r.id.clone()).collect(),
            stages: rules.iter().flat_map(|r| r.spec.stages.clone()).collect(),
            windows: rules.iter().filter_map(|r| r.spec.window.clone()).collect(),
            seconds: rules.iter().map(|r| r.spec.deadline).min().unwrap_or(0),
            reason_required: rules.iter().any(|r| r.spec.reason_required),
        }
    }

    /// Why this is not what a request was asked with. Its time and whether it needs a reason stay as
    /// they were: they say how to ask, and not who agrees.
    fn not_of(&self, spec: &ApprovalSpec) -> Option<&'static str> {
        if self.rules.is_empty() {
            return Some("No rule makes this wait any more: ask for it again.");
        }
        // By their ids as well: a rule that was lifted and written again is another one, and in
        // between the command could be asked without it.
        let same = self.rules == spec.rules && self.stages == spec.stages
            && self.windows == spec.windows;
        (!same).then_some("The rules have come to ask for another approval: ask for it again.")
    }
}

/// Why the rules have left a request behind; none if they ask for what it was asked with.
pub(crate) fn behind(view: &mut View<'_>, spec: &ApprovalSpec)
    -> Result<Option<&'static str>, Fault> {
    let thing = spec.thing();
    let rules = rule::asking(view, &spec.command, &thing)?;
    Ok(Asks::of(&rules, &spec.command, &thing).not_of(spec))
}

/// By which a command is known again.
fn digest(command: &Command) -> Result<String, Failure> {
    let Command { actor, action, target, domain, project, args, if_generation, .. } = command;
    let told = json!([actor.id, actor.scope, action, target, domain, project, args, if_generation]);
    let text = canonical(&told)
        .map_err(|_| Refusal::invalid(action, "needs approval and holds a fraction: it cannot wait"))?;
    if text.len() > LARGEST {
        let say = format!("{action} needs approval: such a request is at most {LARGEST} bytes long");
        return Err(Refusal::new(Refused::TooLarge, say).into());
    }
    Ok(jinyun_journal::to_hex(&Sha256::digest(text.as_bytes())))
}

/// What a command has to wait for. One that runs under an approval has to be what was approved, and
/// the rules must ask for nothing else than what was voted on.
pub(crate) fn needs(view: &mut View<'_>, command: &Command, object: &Object)
    -> Result<Option<Need>, Failure> {
    let rules = rule::asking(view, command, object)?;
    if rules.is_empty() && command.approval.is_none() {
        return Ok(None);
    }
    let asks = Asks::of(&rules, command, object);
    if let Some(id) = &command.approval {
        let have = view.get::<Approval>(&id.as_str().into())?;
        let known = digest(command)?;
        let given = have.filter(|h| h.spec.state == State::Approved && h.spec.digest == known);
        let not = match given {
            Some(given) => asks.not_of(&given.spec),
            None => Some("This is not what was approved: ask for it again."),
        };
        return match not {
            None => Ok(None),
            Some(say) => Err(Refusal::conflict(say).into()),
        };
    }
    let words = serde_json::to_value(&asks)
        .map_err(|e| Fault::new(format!("what an approval asks for cannot be written: {e}")))?;
    Ok(Some(Need { words }))
}

/// Keeps a command. The same one again, while it waits and the rules are the same, is the same
/// request.
pub(crate) fn keep(ctx: &mut Ctx<'_>, command: &Command, need: Need) -> Result<Id, Failure> {
    let asks: Asks = serde_json::from_value(need.words)
        .map_err(|e| Fault::new(format!("what an approval asks for cannot be read: {e}")))?;
    let digest = digest(command)?;
    let known = ctx.view().claimed("approval", &digest)?;
    if let Some((_, id)) = known {
        let have = ctx.get::<Approval>(&id)?;
        // Whose time is over, or whose rules are others now, can only fail: it is asked anew.
        if late(&have.spec, ctx.now) {
            end(ctx, have, State::Expired, None)?;
        } else if let Some(why) = asks.not_of(&have.spec) {
            end(ctx, have, State::Lapsed, Some(why))?;
        } else {
            return Ok(id);
        }
    }
    let asker = command.actor.id.to_string();
    let fields = vec![("asker", asker), ("open", "yes".into())];
    let query = Query { fields, limit: Some(OPEN), ..Query::default() };
    if ctx.list::<Approval>(&query)?.len() >= OPEN {
        let say = format!("{OPEN} requests of yours wait already: withdraw some of them first.");
        return Err(Refusal::conflict(say).into());
    }
    let Asks { domain, project, kind, rules, stages, windows, seconds, reason_required } = asks;
    let spec = ApprovalSpec {
        command: Command { secrets: Vec::new(), ..command.clone() },
        kind, digest, rules, stages, windows, reason_required,
        domain: domain.clone(),
        project: project.clone(),
        reason: String::new(),
        deadline: ctx.now.plus_seconds(seconds),
        votes: Vec::new(),
        state: State::Waiting,
        decided: None,
        outcome: None,
        ended: None,
    };
    Ok(ctx.create::<Approval>(&domain, &project, spec)?.id)
}

/// Whether an actor whom policy lets into the surroundings may see this request: whoever asked,
/// whoever may vote at some stage, the domain's manager, the auditor.
pub(crate) fn sees(approver: &dyn Approver, view: &mut View<'_>, actor: &Actor,
    spec: &ApprovalSpec) -> Result<bool, Fault> {
    let about = spec.about();
    let by_office = [Who::Domain(Role::Manager), Who::Duty(Duty::AuditAdmin)];
    if spec.command.actor.id == actor.id || by_office.iter().any(|w| meets(*w, actor, &about)) {
        return Ok(true);
    }
    for stage in &spec.stages {
        if stage.fits(approver, view, actor, &about)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the request waits for this person's vote now.
pub(crate) fn waits_for(approver: &dyn Approver, view: &mut View<'_>, actor: &Actor,
    spec: &ApprovalSpec) -> Result<bool, Fault> {
    let done = spec.command.actor.id == actor.id || spec.votes.iter().any(|v| v.who == actor.id);
    match current(&spec.stages, &spec.votes).and_then(|n| spec.stages.get(n)) {
        Some(stage) if spec.state == State::Waiting && !done => {
            stage.fits(approver, view, actor, &spec.about())
        }
        _ => Ok(false),
    }
}

fn forbidden(say: impl Into<String>) -> Failure {
    Refusal::new(Refused::Forbidden, say).into()
}

/// The stage at which somebody may vote now.
fn may_vote(ctx: &mut Ctx<'_>, have: &Have<Approval>) -> Result<(Id, usize), Failure> {
    let (approver, actor) = present(ctx)?;
    let spec = &have.spec;
    if spec.command.actor.id == actor.id {
        return Err(forbidden("Whoever asked for it cannot approve it: somebody else has to."));
    }
    if !sees(approver.as_ref(), &mut ctx.view(), &actor, spec)? {
        return Err(match actor.scope {
            Scope::System => forbidden("You are not among those who may approve this."),
            _ => Refusal::not_found(Approval::KIND.0, &have.id).into(),
        });
    }
    if spec.state != State::Waiting {
        return Err(over(have));
    }
    if ctx.now >= spec.deadline {
        let say = format!("The time to vote on {} was over at {}.", have.id, spec.deadline.seconds());
        return Err(Refusal::conflict(say).into());
    }
    if spec.reason_required && spec.reason.is_empty() {
        let say = format!("Whoever asked for {} has to give a reason first.", have.id);
        return Err(Refusal::conflict(say).into());
    }
    if spec.votes.iter().any(|v| v.who == actor.id) {
        let say = "You have voted on this: one person counts once, over all stages.";
        return Err(Refusal::conflict(say).into());
    }
    let stage = current(&spec.stages, &spec.votes).unwrap_or(0);
    if !waits_for(approver.as_ref(), &mut ctx.view(), &actor, spec)? {
        let say = format!("Stage {} waits for others: you are not among those who may vote now.",
            stage + 1);
        return Err(forbidden(say));
    }
    Ok((actor.id, stage))
}

fn over(have: &Have<Approval>) -> Failure {
    Refusal::conflict(format!("Request {} is {} already.", have.id, have.spec.state.word())).into()
}

#[derive(Deserialize)]
struct VoteWords {
    approve: bool,
    #[serde(default)]
    comment: String,
}

/// Takes a vote. One no ends it; the last yes runs it, or leaves it to its window.
pub(crate) fn vote(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    own_hand(command)?;
    let id = target(command)?;
    let VoteWords { approve, comment } = read(command, "vote")?;
    check_text("comment", &comment, false)?;
    let have = ctx.get::<Approval>(id)?;
    let (who, stage) = may_vote(ctx, &have)?;
    let (mut spec, now) = (have.spec, ctx.now);
    spec.votes.push(Vote { who, at: now, stage, approve, comment, source: command.source.clone() });
    spec.state = match current(&spec.stages, &spec.votes) {
        _ if !approve => State::Refused,
        None => State::Approved,
        Some(_) => State::Waiting,
    };
    if spec.state != State::Waiting {
        spec.decided = Some(now);
    }
    put(ctx, id, spec.clone())?;
    if spec.state == State::Approved && spec.may_run(now) {
        start(ctx, id, &spec)?;
    }
    Ok(json!({ "id": id }))
}

fn put(ctx: &mut Ctx<'_>, id: &Id, spec: ApprovalSpec) -> Result<(), Failure> {
    ctx.change::<Approval>(id, None, |old| {
        *old = spec;
        Ok(())
    }).map(drop)
}

/// Has the command run behind this one, as its first actor is today.
fn start(ctx: &mut Ctx<'_>, id: &Id, spec: &ApprovalSpec) -> Result<(), Failure> {
    let approver = approver(ctx)?;
    let mut command = spec.command.clone();
    command.approval = Some(id.to_string());
    let was = command.actor.clone();
    let report = Command::new("approval:approval:settle", Actor::system("approval"),
        command.request.clone()).with(json!({ "kind": Approval::KIND, "id": id }));
    let job = match approver.actor(&mut ctx.view(), &was.id, &was.scope)? {
        Some(now) => {
            command.actor = capped(now, &was);
            Job::Command(Box::new(command))
        }
        None => {
            let say = "Whoever asked for this no longer has the account or the role it was asked with.";
            let refusal = Refusal::new(Refused::Forbidden, say);
            Job::Refused { command: Box::new(command), refusal }
        }
    };
    ctx.then(job, report);
    Ok(())
}

/// Runs what was approved for a window. For the platform, when it is open.
pub(crate) fn run(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let have = ctx.get::<Approval>(id)?;
    if have.spec.state != State::Approved || !have.spec.may_run(ctx.now) {
        return Err(over(&have));
    }
    start(ctx, id, &have.spec)?;
    Ok(json!({ "id": id }))
}

#[derive(Deserialize)]
struct Came {
    id: Id,
    entry: u64,
    #[serde(default)]
    made: Option<String>,
    #[serde(default)]
    refused: Option<Why>,
}

#[derive(Deserialize)]
struct Why {
    code: String,
    message: String,
}

/// Keeps what came of a command that ran. It may have taken the request itself along, with the
/// place that it lay in; then the journal alone tells.
pub(crate) fn settle(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Came { id, entry, made, refused } = read(command, "approval")?;
    let Some(have) = ctx.view().get::<Approval>(&id)? else { return Ok(Value::Null) };
    let mut spec = have.spec;
    spec.state = if refused.is_some() { State::Failed } else { State::Done };
    let refused = refused.map(|why| (why.code, why.message));
    spec.outcome = Some(Outcome { entry, at: ctx.now, made, refused });
    put(ctx, &id, spec)?;
    Ok(Value::Null)
}

/// Ends a request whose time is over, or which its rules have left behind. For the platform.
pub(crate) fn expire(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let have = ctx.get::<Approval>(target(command)?)?;
    if late(&have.spec, ctx.now) {
        return end(ctx, have, State::Expired, None);
    }
    if !have.spec.state.open() {
        return Err(over(&have));
    }
    let why = behind(&mut ctx.view(), &have.spec)?;
    let early = || Refusal::conflict(format!("Request {} has time left.", have.id));
    let why = why.ok_or_else(early)?;
    end(ctx, have, State::Lapsed, Some(why))
}

/// How long an approved command waits for its window: one comes every week, if any does.
const PATIENCE: i64 = 8 * 86_400;

/// Whether nothing can become of it any more.
pub(crate) fn late(spec: &ApprovalSpec, now: Time) -> bool {
    match spec.state {
        State::Waiting => now >= spec.deadline,
        State::Approved => spec.decided.is_none_or(|at| now >= at.plus_seconds(PATIENCE)),
        _ => false,
    }
}

/// Whoever asked takes it back.
pub(crate) fn withdraw(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let have = ctx.get::<Approval>(target(command)?)?;
    end(ctx, have, State::Withdrawn, None)
}

fn end(ctx: &mut Ctx<'_>, have: Have<Approval>, state: State, why: Option<&str>)
    -> Result<Value, Failure> {
    if !have.spec.state.open() {
        return Err(over(&have));
    }
    let ended = why.map(String::from);
    let spec = ApprovalSpec { state, ended, decided: Some(ctx.now), ..have.spec };
    put(ctx, &have.id, spec)?;
    Ok(json!({ "id": have.id }))
}

#[derive(Deserialize)]
struct ReasonWords {
    reason: String,
}

/// Whoever asked says why. After the first vote it stays: nobody votes on one reason and finds
/// another.
pub(crate) fn explain(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let ReasonWords { reason } = read(command, "reason")?;
    check_text("reason", &reason, true)?;
    let mut have = ctx.get::<Approval>(id)?;
    if have.spec.state != State::Waiting {
        return Err(over(&have));
    }
    if !have.spec.votes.is_empty() {
        let say = "Somebody has voted on it as it is: withdraw it and ask again.";
        return Err(Refusal::conflict(say).into());
    }
    have.spec.reason = reason;
    put(ctx, id, have.spec)?;
    Ok(json!({ "id": id }))
}
