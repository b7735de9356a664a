//! Requests: `/v1/requests`.

use super::{approver, around, asks, flat, id_or_null, only, page, said, staff};
use crate::request::{self, Approval, ApprovalSpec, State, duty_word};
use crate::stage::{self, current};
use jinyun_base::{Fault, Id, Refusal, Window};
use jinyun_engine::{Failure, Have, Query};
use jinyun_policy::{Actor, Duty, Scope};
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Value, json};

const STATES: [State; 8] = [State::Waiting, State::Approved, State::Done, State::Refused,
    State::Expired, State::Withdrawn, State::Failed, State::Lapsed];

/// What will run, beside what is there now.
struct Present {
    name: Value,
    changes: Vec<Value>,
}

/// How the target looks now, and what an update would change of it. Only for whoever has the place
/// in scope: somebody who asked and has left since learns nothing new.
fn present(call: &Call<'_>, spec: &ApprovalSpec) -> Result<Present, Fault> {
    let mut present = Present { name: Value::Null, changes: Vec::new() };
    let command = &spec.command;
    let Some(id) = command.target.as_ref().filter(|_| in_scope(call.actor, spec)) else {
        return Ok(present);
    };
    let Some(stored) = call.cloud.reader.lend(|db| db.get(&spec.kind, id))? else {
        return Ok(present);
    };
    present.name = stored.row.name.into();
    let update = command.action.ends_with(":update");
    let Some(members) = command.args.as_object().filter(|_| update) else { return Ok(present) };
    let there: Value = serde_json::from_str(&stored.row.spec)
        .map_err(|e| Fault::new(format!("{} {id}: {e}", spec.kind)))?;
    for (member, to) in members {
        // What is no member of the record is a word of the service's own: it stands in `args`.
        if let Some(from) = there.get(member)
            && from != to
        {
            present.changes.push(json!({ "member": member, "from": from, "to": to }));
        }
    }
    Ok(present)
}

fn in_scope(actor: &Actor, spec: &ApprovalSpec) -> bool {
    match &actor.scope {
        Scope::System => true,
        Scope::Domain(domain) => *domain == spec.domain,
        Scope::Project { project, .. } => *project == spec.project,
        Scope::None => false,
    }
}

fn show(have: &Have<Approval>, present: Present) -> Value {
    let spec = &have.spec;
    let command = &spec.command;
    let votes: Vec<Value> = spec.votes.iter().map(|v| json!({
        "user_id": v.who, "at": v.at.seconds(), "stage": v.stage, "approve": v.approve,
        "comment": v.comment, "source": v.source,
    })).collect();
    let stages: Vec<Value> = spec.stages.iter().enumerate().map(|(n, stage)| {
        let mut shown = stage.show();
        shown["approved"] = stage::yes(&spec.votes, n).into();
        shown
    }).collect();
    let stage = current(&spec.stages, &spec.votes).filter(|_| spec.state == State::Waiting);
    let outcome = spec.outcome.as_ref().map(|came| json!({
        "entry": came.entry,
        "at": came.at.seconds(),
        "made": came.made,
        "refused": came.refused.as_ref().map(|(code, message)| json!({
            "code": code, "message": message,
        })),
    }));
    json!({
        "id": have.id,
        "state": spec.state,
        "action": command.action,
        "target": command.target.as_ref().map(|id| json!({
            "kind": spec.kind, "id": id, "name": present.name,
        })),
        "domain_id": spec.domain,
        "project_id": id_or_null(&spec.project),
        "args": command.args,
        "changes": present.changes,
        "asked_by": command.actor.id,
        "asked_at": have.created.seconds(),
        "source": command.source,
        "request_id": command.request,
        "reason": spec.reason,
        "reason_required": spec.reason_required,
        "rules": spec.rules,
        "stages": stages,
        "stage": stage,
        "votes": votes,
        "deadline": spec.deadline.seconds(),
        "windows": spec.windows.iter().map(Window::show).collect::<Vec<_>>(),
        "decided_at": spec.decided.map(|at| at.seconds()),
        "outcome": outcome,
        "ended": spec.ended,
    })
}

/// A request that the caller was just told of, or has just changed. Nothing, if what it ran took
/// its place away.
pub(super) fn one(call: &Call<'_>, id: &Id, status: u16) -> Result<Reply, Failure> {
    let Some(have) = call.view(|v| v.get::<Approval>(id))? else {
        return Ok(Reply::empty(204));
    };
    let present = present(call, &have.spec)?;
    Ok(Reply::with(status, json!({ "request": show(&have, present) })))
}

/// One request that the caller may see.
fn seen(call: &Call<'_>) -> Result<Have<Approval>, Failure> {
    let have = call.show::<Approval>(call.param("id"))?;
    let approver = approver(call)?;
    if call.view(|v| request::sees(approver.as_ref(), v, call.actor, &have.spec))? {
        return Ok(have);
    }
    let asked = call.command("approval:approval:show").on(have.id.clone());
    Err(call.cloud.reader.deny(&asked, Refusal::not_found("approval", &have.id)))
}

fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    only(call, &["mine", "waiting_for_me", "state", "limit", "marker"])?;
    let (mine, waiting) = (asks(call, "mine")?, asks(call, "waiting_for_me")?);
    let state = match call.ask("state") {
        None => None,
        Some(word) => {
            let found = STATES.into_iter().find(|s| s.word() == word);
            let words: Vec<&str> = STATES.into_iter().map(State::word).collect();
            let say = || Refusal::invalid("state", format!("must be one of {}", words.join(", ")));
            Some(found.ok_or_else(say)?)
        }
    };
    let mut more = vec![Query::field("asker", &call.actor.id)];
    match call.actor.duty.filter(|_| staff(call.actor)) {
        Some(Duty::AuditAdmin) => more.push(Query::default()),
        Some(duty) => more.push(Query::field("duty", duty_word(duty))),
        None => {}
    }
    let mut found = around::<Approval>(call, more)?;
    found.retain(|have| {
        (!mine || have.spec.command.actor.id == call.actor.id)
            && state.is_none_or(|s| have.spec.state == s)
    });
    let approver = approver(call)?;
    let found = call.view(|view| {
        let mut kept = Vec::with_capacity(found.len());
        for have in found {
            let keep = match waiting {
                true => request::waits_for(approver.as_ref(), view, call.actor, &have.spec)?,
                false => request::sees(approver.as_ref(), view, call.actor, &have.spec)?,
            };
            if keep {
                kept.push(have);
            }
        }
        Ok(kept)
    })?;
    // What is there now is for whoever looks at one.
    page(call, "requests", found, |have| {
        show(have, Present { name: Value::Null, changes: Vec::new() })
    })
}

/// Runs one of the actions on a request that the caller may see, and shows it again.
fn act(call: &Call<'_>, word: &str, args: Value) -> Result<Reply, Failure> {
    let have = seen(call)?;
    let command = call.command(format!("approval:approval:{word}")).on(have.id.clone()).with(args);
    call.run(command)?;
    one(call, &have.id, 200)
}

fn vote(call: &Call<'_>) -> Result<Reply, Failure> {
    let words = flat(call)?;
    words.only(&["approve", "comment"])?;
    let approve = words.flag("approve")?;
    let approve = approve.ok_or_else(|| Refusal::invalid("approve", "is required: true or false"))?;
    act(call, "vote", json!({ "approve": approve, "comment": said(&words, "comment")? }))
}

fn explain(call: &Call<'_>) -> Result<Reply, Failure> {
    let words = flat(call)?;
    words.only(&["reason"])?;
    act(call, "explain", json!({ "reason": said(&words, "reason")? }))
}

pub(super) fn routes() -> Vec<Route> {
    let all = "/v1/requests";
    let item = |rest: &str| format!("/v1/requests/{{id}}{rest}");
    let action = |word: &str| format!("approval:approval:{word}");
    vec![
        Route::new("GET", all, action("list"), list),
        Route::new("GET", item(""), action("show"), |call| {
            let have = seen(call)?;
            let present = present(call, &have.spec)?;
            Ok(Reply::ok(json!({ "request": show(&have, present) })))
        }),
        Route::new("POST", item("/vote"), action("vote"), vote),
        Route::new("POST", item("/reason"), action("explain"), explain),
        Route::new("POST", item("/withdraw"), action("withdraw"), |call| {
            act(call, "withdraw", Value::Null)
        }),
    ]
}
