//! Why: the same questions that a request is put through, answered aloud and without doing anything.
//!
//! Asked are the real rules, the real statements and the real approver, on the rows of now, with the
//! circumstances that whoever simulates names. What cannot be known without doing it is not promised:
//! a thing's own rules, quota, and what a guardrail would find in the rows.

use crate::access::{Access, Looked};
use crate::book::Verdict;
use crate::guardrail::guardrails;
use crate::roles::{self, Granted};
use jinyun_base::{Fault, Id, Refusal, Time};
use jinyun_engine::{Command, Failure, Verb, Via};
use jinyun_identity::Scoped;
use jinyun_policy::{Actor, Duty, Object, Role, Who};
use jinyun_rest::Call;
use serde_json::{Value, json};

/// What is asked.
pub(crate) struct Question {
    /// The institution whose people and statements it is about.
    pub domain: Id,
    /// Who would ask.
    pub user: Id,
    /// Where.
    pub scope: Scoped,
    /// What.
    pub action: String,
    /// On what.
    pub object: Object,
    /// From where.
    pub source: Option<String>,
    /// With which token.
    pub via: Via,
    /// When.
    pub at: Time,
}

/// What came of it, step by step.
#[derive(Default)]
struct Steps {
    refused: Option<(&'static str, String)>,
    met: Option<String>,
    consent: Option<Id>,
    looked: Vec<Looked>,
    waits: Option<bool>,
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Reader => "reader",
        Role::Member => "member",
        Role::Manager => "manager",
    }
}

fn duty_word(duty: Duty) -> &'static str {
    match duty {
        Duty::SystemAdmin => "system_admin",
        Duty::SecurityAdmin => "security_admin",
        Duty::AuditAdmin => "audit_admin",
    }
}

/// One way to be allowed, in words.
fn who_word(who: &Who) -> String {
    match who {
        Who::User => "anybody with an account".into(),
        Who::Project(role) => format!("{} of the project", role_word(*role)),
        Who::Domain(role) => format!("{} of the domain", role_word(*role)),
        Who::Duty(duty) => duty_word(*duty).into(),
        Who::Consented(duty) => format!("{} under the institution's consent", duty_word(*duty)),
        Who::Owner => "the user it belongs to".into(),
        Who::Shared => "any project, if it is shared".into(),
        Who::Nobody => "whoever asks".into(),
        Who::System => "the platform".into(),
    }
}

fn verdict_words(verdict: Verdict) -> (&'static str, Option<&'static str>) {
    match verdict {
        Verdict::Others => ("other_people", None),
        Verdict::Elsewhere => ("other_resources", None),
        Verdict::Holds(condition) => ("not_now", Some(condition)),
        Verdict::Fulfilled => ("fulfilled", None),
        Verdict::Refuses(condition) => ("refuses", condition),
    }
}

fn looked(all: &[Looked]) -> Vec<Value> {
    all.iter().map(|one| {
        let (says, condition) = verdict_words(one.verdict);
        json!({
            "id": one.id, "name": one.spec.name, "effect": one.spec.effect.word(), "says": says,
            "condition": condition,
        })
    }).collect()
}

/// Whether an action changes something.
fn changes(call: &Call<'_>, action: &str) -> bool {
    let registry = call.cloud.reader.registry();
    registry.find_action(action).is_some_and(|def| !matches!(def.verb, Verb::Read))
}

/// Asks one after the other, until one refuses.
fn ask(call: &Call<'_>, access: &Access, question: &Question, actor: Actor)
    -> Result<Steps, Failure> {
    let registry = call.cloud.reader.registry();
    let (object, at) = (&question.object, question.at);
    let mut command = Command::new(question.action.clone(), actor, call.request.clone());
    command.source = question.source.clone();
    command.via = question.via.clone();
    command.target = object.what.as_ref().map(|(_, id)| id.clone());
    (command.domain, command.project) = (object.domain.clone(), object.project.clone());
    let mut steps = Steps::default();
    if let Some(approver) = &registry.approver
        && registry.policy.wants_consent(&command.actor, &command.action)
    {
        steps.consent = call.view(|view| approver.consent(view, &command, object, at))?;
    }
    let permit = registry.policy
        .decide_under(&command.actor, &command.action, object, steps.consent.as_ref());
    // Which statements there are is told whatever the rules say: both may have to be changed.
    steps.looked = access.verdicts(&question.domain, &command, object, at);
    match permit {
        Ok(permit) => steps.met = Some(who_word(&permit.because())),
        Err(refusal) => {
            steps.refused = Some(("rules", refusal.message));
            return Ok(steps);
        }
    }
    let refusing = steps.looked.iter().find(|s| matches!(s.verdict, Verdict::Refuses(_)));
    if let Some(statement) = refusing {
        let say = format!("Statement {} ({}) refuses it.", statement.id, statement.spec.name);
        steps.refused = Some(("statement", say));
        return Ok(steps);
    }
    if let Some(approver) = &registry.approver
        && changes(call, &command.action)
    {
        let needs = call.view(|view| match approver.needs(view, &command, object) {
            Ok(need) => Ok(need.is_some()),
            Err(Failure::Refused(_)) => Ok(true),
            Err(Failure::Fault(fault)) => Err(fault),
        })?;
        steps.waits = Some(needs);
    }
    Ok(steps)
}

/// The guardrails that would judge the rows of an action, in the project that it is about.
fn rails(call: &Call<'_>, access: &Access, question: &Question) -> Result<Value, Fault> {
    let Some(project) = &question.object.project else { return Ok(Value::Null) };
    let kind = question.action.split(':').nth(1).unwrap_or_default();
    // A server brings its ports along.
    let kinds = [kind, if kind == "server" { "port" } else { kind }];
    let (profile, excepted) = call.view(|view| (access.profiles)(view, project))?;
    let judging = changes(call, &question.action);
    let held: Vec<Value> = guardrails().iter()
        .filter(|rail| judging && rail.kinds().iter().any(|k| kinds.contains(k)))
        .map(|rail| json!({ "name": rail.name, "holds": rail.holds(profile, &excepted) }))
        .collect();
    Ok(json!({ "profile": profile, "judge": held }))
}

/// The whole answer.
pub(crate) fn answer(call: &Call<'_>, access: &Access, question: &Question)
    -> Result<Value, Failure> {
    let registry = call.cloud.reader.registry();
    let directory = &access.directory;
    let grants = roles::granted(directory, &question.user, &question.scope, question.at);
    let actor = roles::actor(directory, &question.user, &question.scope, &grants);
    let (role, duty) = match &actor {
        Ok(actor) => (actor.role, actor.duty),
        Err(_) => (None, None),
    };
    let steps = match actor {
        Ok(actor) => ask(call, access, question, actor)?,
        Err(why) => Steps { refused: Some(("account", why.to_string())), ..Steps::default() },
    };
    let allow = registry.policy.rule(&question.action);
    let consented = |who: &Who| matches!(who, Who::Consented(_));
    let decision = match (&steps.refused, steps.waits) {
        (Some(_), _) => "refused",
        (None, Some(true)) => "waits",
        (None, _) => "allowed",
    };
    let object = &question.object;
    Ok(json!({
        "decision": decision,
        "refused_by": steps.refused.as_ref().map(|(by, _)| *by),
        "says": steps.refused.as_ref().map(|(_, say)| say.as_str()),
        "user_id": question.user,
        "scope": roles::place(&question.scope),
        "action": question.action,
        "resource": object.what.as_ref().map(|(kind, id)| json!({ "kind": kind, "id": id })),
        "project_id": object.project,
        "source": question.source,
        "time": question.at.seconds(),
        "methods": question.via.methods,
        "rule": {
            "known": allow.is_some(),
            "allow": allow.unwrap_or_default().iter().map(who_word).collect::<Vec<_>>(),
            "met": steps.met,
        },
        "role": role.map(role_word),
        "duty": duty.map(duty_word),
        "roles": grants.iter().map(Granted::show).collect::<Vec<_>>(),
        "statements": looked(&steps.looked),
        "consent": {
            "possible": allow.unwrap_or_default().iter().any(consented), "id": steps.consent,
        },
        "approval": steps.waits,
        "guardrails": rails(call, access, question)?,
    }))
}

/// "There is none", for what does not exist and for what the caller may not know of.
pub(crate) fn missing(kind: &str, id: &str) -> Failure {
    Refusal::not_found(kind, id).into()
}
