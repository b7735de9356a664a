//! Why, and what for: `/v1/simulate`, `/v1/explain`, `/v1/unused`.

use super::{flat, home, number, only, time};
use crate::access::Access;
use crate::decision::{Question, answer, missing};
use crate::journal::{Light, back};
use crate::usage::usage;
use jinyun_base::{Id, Kind, Refusal, Refused, Time};
use jinyun_engine::{Failure, Via};
use jinyun_identity::Scoped;
use jinyun_policy::{Duty, Object, Scope};
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Value, json};
use std::sync::Arc;

/// Most entries that are looked through for a request.
const ENTRIES: u64 = 100_000;
/// Entries of one request have at most so many others between them.
const BETWEEN: u64 = 2000;
/// Most entries of one request that are explained.
const EXPLAINED: usize = 20;
/// The longest time that is looked back, and the usual one, in days.
const DAYS: (i64, i64) = (3660, 90);
const DAY: i64 = 86_400;
/// Methods by which somebody can have signed in.
const METHODS: [&str; 6] =
    ["password", "totp", "passkey", "application_credential", "openid", "mfa"];

/// Decides whether the caller may ask about others; about oneself everybody may.
fn allow(call: &Call<'_>, domain: &Id, others: bool) -> Result<(), Failure> {
    let action = if others { "access:decision:simulate" } else { "access:decision:show" };
    let object = Object { domain: Some(domain.clone()), ..Object::default() };
    call.cloud.reader.allow(&call.command(action), &object)
}

/// A place in an institution.
fn scope(access: &Access, words: &Words<'_>, domain: &Id) -> Result<Option<Scoped>, Failure> {
    let Some(words) = words.object("scope")? else { return Ok(None) };
    words.only(&["project_id", "domain_id"])?;
    match (words.text("project_id")?, words.text("domain_id")?) {
        (Some(id), None) => {
            let id = Id::new(id);
            let here = access.directory.project(&id).is_some_and(|p| p.domain == *domain);
            if !here {
                return Err(missing("project", id.as_str()));
            }
            Ok(Some(Scoped::Project(id)))
        }
        (None, Some(id)) if id == domain.as_str() => Ok(Some(Scoped::Domain(id.into()))),
        (None, Some(id)) => Err(missing("domain", &id)),
        _ => Err(Refusal::invalid("scope", "must name a project_id or a domain_id").into()),
    }
}

/// The place that the caller's token is for.
fn own_scope(call: &Call<'_>) -> Option<Scoped> {
    match &call.actor.scope {
        Scope::None => None,
        Scope::System => Some(Scoped::System),
        Scope::Domain(id) => Some(Scoped::Domain(id.clone())),
        Scope::Project { project, .. } => Some(Scoped::Project(project.clone())),
    }
}

/// What lies in a place without being anything yet.
fn nothing_in(access: &Access, scope: &Scoped) -> Object {
    let project = match scope {
        Scoped::Project(id) => Some(id.clone()),
        _ => None,
    };
    Object { domain: access.directory.home(scope), project, ..Object::default() }
}

/// A stored thing of an institution, as a decision sees it.
fn stored(call: &Call<'_>, domain: &Id, kind: &str, id: &Id) -> Result<Option<Object>, Failure> {
    let registry = call.cloud.reader.registry();
    if !registry.kind_names().contains(&kind) {
        return Ok(None);
    }
    let Some(found) = call.cloud.reader.lend(|db| db.get(kind, id))? else { return Ok(None) };
    let object = registry.object(&found)?;
    // What is offered to all may be asked about, whosever it is.
    Ok(Some(object).filter(|o| o.shared || o.domain.as_ref() == Some(domain)))
}

/// The thing that a simulation is about; without one, something new in the place.
fn object(call: &Call<'_>, access: &Access, words: &Words<'_>, domain: &Id, scope: &Scoped)
    -> Result<Object, Failure> {
    let Some(words) = words.object("resource")? else { return Ok(nothing_in(access, scope)) };
    words.only(&["kind", "id", "project_id"])?;
    match (words.text("kind")?, words.text("id")?, words.text("project_id")?) {
        (Some(kind), Some(id), None) => {
            let found = stored(call, domain, &kind, &Id::new(&id))?;
            found.ok_or_else(|| missing("resource", &id))
        }
        (None, None, Some(id)) => {
            let here = Scoped::Project(Id::new(&id));
            match access.directory.home(&here).is_some_and(|home| home == *domain) {
                true => Ok(nothing_in(access, &here)),
                false => Err(missing("project", &id)),
            }
        }
        _ => Err(Refusal::invalid("resource", "must name kind and id, or a project_id").into()),
    }
}

/// A token of a sign-in with a password.
fn password(at: Time) -> Via {
    Via { methods: vec!["password".into()], issued: Some(at), delegated: false }
}

fn via(words: &Words<'_>, at: Time, usual: &Via) -> Result<Via, Failure> {
    let mut via = usual.clone();
    if let Some(methods) = words.texts("methods")? {
        if methods.iter().any(|m| !METHODS.contains(&m.as_str())) {
            let say = format!("must be among {}", METHODS.join(", "));
            return Err(Refusal::invalid("methods", say).into());
        }
        via.methods = methods;
    }
    if let Some(age) = words.int("token_age", 0, 10 * DAY)? {
        via.issued = Some(at.plus_seconds(-age));
    }
    Ok(via)
}

fn simulate(access: &Access, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = flat(call)?;
    words.only(&["user_id", "self", "scope", "action", "resource", "source", "time", "methods",
        "token_age"])?;
    let itself = words.flag("self")?.unwrap_or(false);
    let (user, others) = match (words.text("user_id")?, itself) {
        (Some(id), false) => (Id::new(id), true),
        (None, true) => (call.actor.id.clone(), false),
        _ => {
            let say = "or self is required, and not both: whose right is asked about";
            return Err(Refusal::invalid("user_id", say).into());
        }
    };
    // The auditor asks about any institution's user, by the user.
    let account = access.directory.user(&user);
    let auditor = call.actor.duty == Some(Duty::AuditAdmin);
    let domain = match &account {
        Some(account) if auditor || !others => account.domain.clone(),
        _ => home(call),
    };
    allow(call, &domain, others)?;
    if account.is_none_or(|a| a.domain != domain) {
        return Err(missing("user", user.as_str()));
    }
    let scope = match scope(access, &words, &domain)? {
        Some(scope) => scope,
        None => own_scope(call).filter(|_| !others)
            .ok_or_else(|| Refusal::invalid("scope", "is required: where the user would work"))?,
    };
    let now = (access.clock)();
    let at = time(&words, "time")?.unwrap_or(now);
    let source = words.text("source")?;
    if source.as_deref().is_some_and(|s| s.parse::<std::net::IpAddr>().is_err()) {
        return Err(Refusal::invalid("source", "must be an address").into());
    }
    let usual = match others {
        false => call.via.clone(),
        true => password(at),
    };
    let question = Question {
        object: object(call, access, &words, &domain, &scope)?,
        action: words.need("action")?,
        source: source.or_else(|| call.source.clone().filter(|_| !others)),
        via: via(&words, at, &usual)?,
        domain, user, scope, at,
    };
    let policy = &call.cloud.reader.registry().policy;
    if policy.rule(&question.action).is_none() {
        let say = "names no action: they are words like compute:server:delete";
        return Err(Refusal::invalid("action", say).into());
    }
    // What the caller may not know of is not there, here as everywhere.
    if let Some((_, id)) = question.object.what.as_ref().filter(|_| !question.object.shared)
        && let Err(plain) = policy.decide(call.actor, &question.action, &question.object)
        && plain.why == Refused::NotFound
    {
        return Err(missing("resource", id.as_str()));
    }
    Ok(Reply::ok(json!({ "simulation": answer(call, access, &question)? })))
}

/// An entry, as far as an explanation needs it.
fn shown(entry: &Light) -> Value {
    json!({
        "number": entry.number,
        "place": entry.institution.number,
        "time": entry.at().seconds(),
        "action": entry.action,
        "actor_id": entry.actor.id,
        "source": entry.source,
        "target": entry.target.as_ref().map(|t| json!({ "kind": t.kind, "id": t.id })),
        "reason": entry.reason.as_ref().map(|r| json!({ "code": r.code, "message": r.message })),
    })
}

/// What would be decided now about what was refused then. The entry keeps who, what, on what and
/// from where; where the role was held and how its bearer signed in are not in it.
fn again(call: &Call<'_>, access: &Access, words: &Words<'_>, domain: &Id, entry: &Light)
    -> Result<Value, Failure> {
    if entry.actor.kind != "user" {
        return Ok(Value::Null);
    }
    let target = match &entry.target {
        None => None,
        Some(target) => stored(call, domain, &target.kind, &Id::new(&target.id))?,
    };
    let asked = scope(access, words, domain)?;
    let of = target.as_ref().and_then(|t| t.project.clone()).map(Scoped::Project);
    let scope = asked.or(of).unwrap_or_else(|| Scoped::Domain(domain.clone()));
    let at = (access.clock)();
    let usual = password(at);
    let question = Question {
        domain: domain.clone(),
        user: Id::new(&entry.actor.id),
        object: target.unwrap_or_else(|| nothing_in(access, &scope)),
        action: entry.action.clone(),
        source: entry.source.clone(),
        via: via(words, at, &usual)?,
        scope, at,
    };
    answer(call, access, &question)
}

fn explain(access: &Access, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = flat(call)?;
    words.only(&["request", "scope", "methods", "token_age"])?;
    let request = words.need("request")?;
    let domain = home(call);
    let object = Object { domain: Some(domain.clone()), ..Object::default() };
    // A manager asks about anybody's request, anybody about their own.
    let others = call.cloud.reader.may(&call.command("access:decision:simulate"), &object);
    allow(call, &domain, others)?;
    let (mut found, mut between): (Vec<Light>, u64) = (Vec::new(), 0);
    let own = call.actor.id.as_str();
    let looked = call.cloud.reader.lend(|db| back(db, domain.as_str(), None, ENTRIES, |entry| {
        if entry.request != request {
            between += u64::from(!found.is_empty());
        } else if entry.outcome == "refused" && (others || entry.actor.id == own) {
            found.push(entry);
        }
        found.len() < EXPLAINED && between < BETWEEN
    }))?;
    if found.is_empty() {
        let say = format!("refused under {request} among the last {} entries", looked.entries);
        return Err(missing("a request", &say));
    }
    found.reverse();
    let mut told = Vec::with_capacity(found.len());
    for entry in &found {
        told.push(json!({
            "entry": shown(entry),
            "now": again(call, access, &words, &domain, entry)?,
        }));
    }
    Ok(Reply::ok(json!({ "request": request, "refused": told })))
}

fn unused(access: &Access, call: &Call<'_>) -> Result<Reply, Failure> {
    only(call, &["days", "domain_id"])?;
    let domain = call.ask("domain_id").map_or_else(|| home(call), Id::new);
    let object = Object {
        domain: Some(domain.clone()),
        what: (domain != home(call)).then(|| (Kind("domain"), domain.clone())),
        ..Object::default()
    };
    call.cloud.reader.allow(&call.command("access:usage:list"), &object)?;
    let days = number(call, "days", 1, DAYS.0)?.unwrap_or(DAYS.1);
    let now = (access.clock)();
    let policy = &call.cloud.reader.registry().policy;
    let found = call.cloud.reader.lend(|db| {
        usage(db, &access.directory, policy, &domain, now.plus_seconds(-days * DAY), now)
    })?;
    Ok(Reply::ok(json!({ "usage": found })))
}

pub(super) fn routes(access: &Arc<Access>) -> Vec<Route> {
    let (simulates, explains, counts) = (access.clone(), access.clone(), access.clone());
    vec![
        Route::new("POST", "/v1/simulate", "access:decision:simulate",
            move |call: &Call<'_>| simulate(&simulates, call)),
        Route::new("POST", "/v1/explain", "access:decision:show",
            move |call: &Call<'_>| explain(&explains, call)),
        Route::new("GET", "/v1/unused", "access:usage:list",
            move |call: &Call<'_>| unused(&counts, call)),
    ]
}
