//! The service's own REST API, below `/access`. Its document is `docs/api/access.json`.

mod decisions;
mod rails;
mod statements;

use crate::access::Access;
use jinyun_base::{Fault, Id, Refusal, Refused, Time};
use jinyun_engine::{Answer, Failure};
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// All operations, below the service's root.
pub fn routes(access: Arc<Access>) -> Vec<Route> {
    let mut all = statements::routes();
    all.extend(decisions::routes(&access));
    all.extend(rails::routes(&access));
    all
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
    crate::check_text(name, &text)?;
    Ok(text)
}

/// A point in time, `2026-01-31T08:00:00Z` or with another offset.
fn time(words: &Words<'_>, name: &'static str) -> Result<Option<Time>, Failure> {
    let Some(text) = words.text(name)? else { return Ok(None) };
    let say = "must be a time with its zone, like 2026-01-31T08:00:00+08:00";
    Ok(Some(Time::parse(&text).ok_or_else(|| Refusal::invalid(name, say))?))
}

/// Members of an object in an array.
fn members<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>, Failure> {
    value.as_object().ok_or_else(|| Refusal::invalid(name, "must be an array of objects").into())
}

/// Refuses parameters that an operation does not have.
fn only(call: &Call<'_>, known: &[&str]) -> Result<(), Failure> {
    match call.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(_) if known.is_empty() => {
            Err(Refusal::invalid("query", "holds a parameter, and there are none").into())
        }
        Some(_) => {
            let say = format!("holds an unknown parameter; known are {}", known.join(", "));
            Err(Refusal::invalid("query", say).into())
        }
    }
}

/// A whole number of the query string in a range.
fn number(call: &Call<'_>, name: &str, low: i64, high: i64) -> Result<Option<i64>, Failure> {
    let Some(text) = call.ask(name) else { return Ok(None) };
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let n = text.parse::<i64>().ok().filter(|n| plain && (low..=high).contains(n));
    let say = || Refusal::invalid(name, format!("must be a whole number from {low} to {high}"));
    Ok(Some(n.ok_or_else(say)?))
}

/// The institution that a token works in.
fn home(call: &Call<'_>) -> Id {
    call.actor.domain_of_scope().unwrap_or(&call.actor.domain).clone()
}

/// What came of a command, or 202 with the request that it waits as.
fn accepted(came: Result<Answer, Failure>, then: impl FnOnce(Answer) -> Result<Reply, Failure>)
    -> Result<Reply, Failure> {
    match came {
        Ok(answer) => then(answer),
        Err(Failure::Refused(Refusal { why: Refused::NeedsApproval(id), .. })) => {
            Ok(Reply::with(202, json!({ "approval": id })))
        }
        Err(failure) => Err(failure),
    }
}

/// The id that a command made.
fn made(answer: &Answer) -> Result<Id, Fault> {
    let id = answer.value.get("id").and_then(Value::as_str).map(Id::from);
    id.ok_or_else(|| Fault::new("a creation returned no id"))
}
