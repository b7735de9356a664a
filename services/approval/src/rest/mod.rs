//! The service's own REST API, below `/approval`. Its document is `docs/api/approval.json`.
//!
//! An OpenStack API that a command came by answers 403 and names the request, since its clients know
//! nothing else. Here a command that has to wait is accepted: 202 with the request.

mod consents;
mod requests;
mod rules;

use jinyun_base::{Fault, Id, Refusal, Refused, Time};
use jinyun_engine::{Answer, Approver, Failure, Have, Query, Resource};
use jinyun_policy::{Actor, Scope};
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All operations, below the service's root.
pub fn routes() -> Vec<Route> {
    let mut all = rules::routes();
    all.extend(requests::routes());
    all.extend(consents::routes());
    all
}

/// Longest page of a list.
const PAGE: i64 = 500;

fn approver(call: &Call<'_>) -> Result<Arc<dyn Approver>, Fault> {
    let approver = call.cloud.reader.registry().approver.clone();
    approver.ok_or_else(|| Fault::new("no approver is installed"))
}

/// The members of a body that has no envelope.
fn flat<'a>(call: &'a Call<'_>) -> Result<Words<'a>, Failure> {
    let members = call.body.as_object();
    let say = "must be a JSON object";
    Ok(Words::new("body", members.ok_or_else(|| Refusal::invalid("body", say))?))
}

/// Text that may have line ends, as long as a sentence of a person may be; empty if missing.
fn said(words: &Words<'_>, name: &str) -> Result<String, Failure> {
    let text = words.long_text(name)?.unwrap_or_default();
    crate::check_text(name, &text, false)?;
    Ok(text)
}

/// A point in time, `2026-01-31T08:00:00Z` or with another offset.
fn time(words: &Words<'_>, name: &'static str) -> Result<Option<Time>, Failure> {
    let Some(text) = words.text(name)? else { return Ok(None) };
    let say = "must be a time with its zone, like 2026-01-31T08:00:00+08:00";
    Ok(Some(Time::parse(&text).ok_or_else(|| Refusal::invalid(name, say))?))
}

/// An id, or null where there is none.
fn id_or_null(id: &Id) -> Value {
    if id.as_str().is_empty() { Value::Null } else { id.as_str().into() }
}

/// What lies around an actor: its project, its domain, or for the auditor everything; and whatever
/// else a question finds. Policy decides about each row.
fn around<R: Resource>(call: &Call<'_>, more: Vec<Query>) -> Result<Vec<Have<R>>, Failure> {
    let mut questions = more;
    match &call.actor.scope {
        Scope::Project { project, .. } => questions.push(Query::project(project)),
        Scope::Domain(domain) => {
            questions.push(Query { domain: Some(domain.clone()), ..Query::default() });
        }
        Scope::System | Scope::None => {}
    }
    let mut found = BTreeMap::new();
    for question in questions {
        for have in call.list::<R>(&question)? {
            found.insert(have.id.clone(), have);
        }
    }
    Ok(found.into_values().collect())
}

/// Newest first, one page, under its name.
fn page<R: Resource>(call: &Call<'_>, name: &str, mut found: Vec<Have<R>>,
    show: impl Fn(&Have<R>) -> Value) -> Result<Reply, Failure> {
    found.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    if let Some(marker) = call.ask("marker") {
        let at = found.iter().position(|h| h.id.as_str() == marker);
        let say = || Refusal::invalid("marker", "must be the id of a row of this list");
        found.drain(..=at.ok_or_else(say)?);
    }
    let limit = match call.ask("limit") {
        None => PAGE,
        Some(text) => {
            let n = text.parse::<i64>().ok().filter(|n| (1..=PAGE).contains(n));
            let say = || Refusal::invalid("limit", format!("must be a whole number from 1 to {PAGE}"));
            n.ok_or_else(say)?
        }
    };
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let shown: Vec<Value> = found.iter().map(show).collect();
    let mut body = json!({});
    body[name] = shown.into();
    Ok(Reply::ok(body))
}

/// A yes-or-no parameter of the query string.
fn asks(call: &Call<'_>, name: &str) -> Result<bool, Failure> {
    match call.ask(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Refusal::invalid(name, "must be true or false").into()),
    }
}

/// Refuses parameters that a list does not have.
fn only(call: &Call<'_>, known: &[&str]) -> Result<(), Failure> {
    match call.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(_) => {
            let say = format!("holds an unknown parameter; known are {}", known.join(", "));
            Err(Refusal::invalid("query", say).into())
        }
    }
}

/// What came of a command, or 202 with the request if it has to wait.
fn accepted(call: &Call<'_>, came: Result<Answer, Failure>,
    then: impl FnOnce(Answer) -> Result<Reply, Failure>) -> Result<Reply, Failure> {
    match came {
        Ok(answer) => then(answer),
        Err(Failure::Refused(Refusal { why: Refused::NeedsApproval(id), .. })) => {
            requests::one(call, &id.into(), 202)
        }
        Err(failure) => Err(failure),
    }
}

/// The id that a command made.
fn made(answer: &Answer) -> Result<Id, Fault> {
    let id = answer.value.get("id").and_then(Value::as_str).map(Id::from);
    id.ok_or_else(|| Fault::new("a creation returned no id"))
}

/// Whether an actor is on the platform's side.
fn staff(actor: &Actor) -> bool {
    actor.scope == Scope::System
}
