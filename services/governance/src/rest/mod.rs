//! The service's own REST API, below `/governance`. Its document is `docs/api/governance.json`.
//!
//! The registers are alike: a list with filters, one of its things, a few words that move it. So the
//! two readings are written once, over how a kind is shown; what is written comes from each
//! register's own file. A command that has to wait for an approval is accepted: 202 with the
//! request's id.

mod cosign;
mod duties;
mod registers;
mod risks;

use crate::Governance;
use jinyun_base::{Day, Fault, Id, Refusal, Refused};
use jinyun_engine::{Answer, Command, Failure, Have, Query, Resource};
use jinyun_policy::{Actor, Duty, Object, PROVIDER, Scope};
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// All operations, below the service's root.
pub fn routes(governance: Arc<Governance>) -> Vec<Route> {
    let mut all = duties::routes(&governance);
    all.extend(risks::routes(&governance));
    all.extend(registers::routes(&governance));
    all.extend(cosign::routes(&governance));
    all.into_iter().map(waiting).collect()
}

/// A route whose command may have to wait for somebody's yes.
fn waiting(mut route: Route) -> Route {
    let run = std::mem::replace(&mut route.run, Box::new(|_: &Call<'_>| Ok(Reply::empty(500))));
    route.run = Box::new(move |call: &Call<'_>| match run(call) {
        Err(Failure::Refused(Refusal { why: Refused::NeedsApproval(id), .. })) => {
            Ok(Reply::with(202, json!({ "request": { "id": id } })))
        }
        came => came,
    });
    route
}

/// Longest page of a list.
const PAGE: i64 = 500;

/// Whether a row of a domain is shown to an actor that policy lets read it: staff sees the
/// provider's own, the audit administrator all.
fn sees(actor: &Actor, domain: &Id) -> bool {
    actor.scope != Scope::System || actor.duty == Some(Duty::AuditAdmin) || domain.as_str() == PROVIDER
}

/// The domain whose registers a caller writes in.
fn place(call: &Call<'_>) -> Id {
    match &call.actor.scope {
        Scope::System => PROVIDER.into(),
        Scope::None => call.actor.domain.clone(),
        Scope::Domain(domain) | Scope::Project { domain, .. } => domain.clone(),
    }
}

/// A command that writes in the caller's registers.
fn writes(call: &Call<'_>, action: &str, args: Value) -> Command {
    call.command(action).with(args).at(&place(call), &"".into())
}

/// How a register's thing is shown.
trait Shown: Resource {
    /// The envelope of one.
    const ONE: &'static str;
    /// The envelope of many.
    const MANY: &'static str;
    /// Members by which a list is filtered.
    const FILTERS: &'static [&'static str];
    /// Whether the security administrator sees institutions' own too.
    const OPEN: bool = false;

    /// As the API shows it on a day.
    fn show(have: &Have<Self>, today: Day) -> Value;

    /// `governance:<kind>:<word>`.
    fn action(word: &str) -> String {
        format!("governance:{}:{word}", Self::KIND)
    }
}

/// The same, where a register is open to the security administrator.
fn shows<R: Shown>(actor: &Actor, domain: &Id) -> bool {
    sees(actor, domain) || (R::OPEN && actor.duty == Some(Duty::SecurityAdmin))
}

/// A value under its name.
fn wrap(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_string(), value)]))
}

fn list<R: Shown>(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let known: Vec<&str> =
        R::FILTERS.iter().copied().chain(["domain_id", "limit", "marker"]).collect();
    only(call, &known)?;
    let mut query = Query::default();
    match &call.actor.scope {
        Scope::System if shows::<R>(call.actor, &"".into()) => {
            query.domain = call.ask("domain_id").map(Id::new);
        }
        Scope::Project { project, .. } => query.project = Some(project.clone()),
        _ => query.domain = Some(place(call)),
    }
    let mut found = call.list::<R>(&query)?;
    found.retain(|have| shows::<R>(call.actor, &have.domain));
    if let Some(domain) = call.ask("domain_id") {
        found.retain(|have| have.domain.as_str() == domain);
    }
    found.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    let today = governance.today();
    let fits = |shown: &Value| {
        R::FILTERS.iter().all(|name| call.ask(name).is_none_or(|asked| match &shown[*name] {
            Value::String(text) => text == asked,
            Value::Null => asked.is_empty(),
            other => serde_json::from_str::<Value>(asked).is_ok_and(|asked| asked == *other),
        }))
    };
    let shown = found.iter().map(|have| R::show(have, today)).filter(fits).collect();
    Ok(Reply::ok(wrap(R::MANY, page(call, shown)?)))
}

/// Marker and limit.
fn page(call: &Call<'_>, mut shown: Vec<Value>) -> Result<Value, Refusal> {
    if let Some(marker) = call.ask("marker") {
        let at = shown.iter().position(|one| one["id"].as_str() == Some(marker));
        let say = || Refusal::invalid("marker", "must be the id of a row of this list");
        shown.drain(..=at.ok_or_else(say)?);
    }
    let limit = match call.ask("limit") {
        None => PAGE,
        Some(text) => {
            let n = text.parse::<i64>().ok().filter(|n| (1..=PAGE).contains(n));
            let say = || Refusal::invalid("limit", format!("must be a whole number from 1 to {PAGE}"));
            n.ok_or_else(say)?
        }
    };
    shown.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(shown.into())
}

/// One thing that the caller may see.
fn one<R: Shown>(call: &Call<'_>) -> Result<Have<R>, Failure> {
    let have = call.show::<R>(call.param("id"))?;
    if shows::<R>(call.actor, &have.domain) {
        return Ok(have);
    }
    let asked = call.command(R::action("show")).on(have.id.clone());
    Err(call.cloud.reader.deny(&asked, Refusal::not_found(R::KIND.0, &have.id)))
}

fn show<R: Shown>(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    Ok(Reply::ok(wrap(R::ONE, R::show(&one::<R>(call)?, governance.today()))))
}

/// Shows what a command has made.
fn made<R: Shown>(governance: &Governance, call: &Call<'_>, command: Command, status: u16)
    -> Result<Reply, Failure> {
    let id = id_of(&call.run(command)?)?;
    let have = call.again::<R>(&id)?;
    Ok(Reply::with(status, wrap(R::ONE, R::show(&have, governance.today()))))
}

fn id_of(answer: &Answer) -> Result<Id, Fault> {
    let id = answer.value.get("id").and_then(Value::as_str).map(Id::from);
    id.ok_or_else(|| Fault::new("a command returned no id"))
}

/// Runs an action on one thing that the caller may see, and shows it again.
fn act<R: Shown>(governance: &Governance, call: &Call<'_>, word: &str, args: Value)
    -> Result<Reply, Failure> {
    let have = one::<R>(call)?;
    let command = call.command(R::action(word)).on(have.id).with(args);
    made::<R>(governance, call, command, 200)
}

/// What answers a route.
type Run = fn(&Governance, &Call<'_>) -> Result<Reply, Failure>;

/// A route over the service's state.
fn route(governance: &Arc<Governance>, method: &'static str, path: &str, action: &str, run: Run)
    -> Route {
    let governance = governance.clone();
    let action = format!("governance:{action}");
    Route::new(method, path, action, move |call: &Call<'_>| run(&governance, call))
}

/// Refuses parameters that an operation does not have.
fn only(call: &Call<'_>, known: &[&str]) -> Result<(), Failure> {
    match call.query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(_) => {
            let say = format!("holds an unknown parameter; known are {}", known.join(", "));
            Err(Refusal::invalid("query", say).into())
        }
    }
}

/// Text that may have line ends; empty if missing.
fn said(words: &Words<'_>, name: &str) -> Result<String, Failure> {
    let text = words.long_text(name)?.unwrap_or_default();
    crate::check_text(name, &text, false)?;
    Ok(text)
}

/// A day; none if missing.
fn day(words: &Words<'_>, name: &'static str) -> Result<Option<Day>, Failure> {
    let text = words.text(name)?;
    Ok(text.map(|text| Day::read(name, &text)).transpose()?)
}

/// A word out of a few, as the spec has it.
fn word<T: serde::de::DeserializeOwned>(words: &Words<'_>, name: &'static str, known: &[&str])
    -> Result<Option<T>, Failure> {
    let Some(text) = words.text(name)? else { return Ok(None) };
    let say = || Refusal::invalid(name, format!("must be one of {}", known.join(", ")));
    if !known.contains(&text.as_str()) {
        return Err(say().into());
    }
    Ok(Some(serde_json::from_value(text.into()).map_err(|_| say())?))
}

/// Refuses a clause that no standard has.
fn known(governance: &Governance, clause: &str) -> Result<(), Refusal> {
    if clause.is_empty() || governance.book().clauses.contains_key(clause) {
        return Ok(());
    }
    Err(Refusal::invalid("clause", "is the id of no clause: `jinyun assess` lists them"))
}

/// Something that was said, or null.
fn saying(said: Option<&crate::Said>) -> Value {
    said.map_or(Value::Null, |said| json!({
        "user_id": said.who, "at": said.at.seconds(), "text": said.text,
    }))
}

/// Text, or null where there is none.
fn text_or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// A decision about a thing of the caller's domain that has no row.
fn object(kind: jinyun_base::Kind, id: &Id, domain: &Id) -> Object {
    Object { what: Some((kind, id.clone())), domain: Some(domain.clone()), ..Object::default() }
}
