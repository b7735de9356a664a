//! How it looks from outside: Keystone v3.
//!
//! Here is what its resources share: lists with links, filters and pages; a look at a thing that is
//! decided with more than its row tells; and the honest "no" to what Keystone can change and this
//! cloud cannot.

mod application_credentials;
mod assignments;
mod catalog;
mod credentials;
mod domain_config;
mod domains;
mod federation;
mod groups;
mod limits;
mod projects;
mod roles;
mod tokens;
mod trusts;
mod users;

use crate::assignment::{Grant, role_by_id, role_by_name, role_of};
use crate::auth::{self, Identity};
use crate::device;
use crate::token::Token;
use jinyun_base::{Fault, Id, Refusal, Refused, Time};
use jinyun_engine::{Failure, Have, Query, Resource};
use jinyun_policy::{Object, Role};
use jinyun_rest::{Call, Reply, Route, Shape, Words, list};
use serde_json::{Value, json};
use std::sync::Arc;

/// One service of the catalog.
#[derive(Debug, Clone)]
pub struct Service {
    /// Stable id.
    pub id: &'static str,
    /// `identity`, `compute`, ...
    pub kind: &'static str,
    /// `keystone`, `nova`, ...
    pub name: &'static str,
    /// Path behind the listener, `/identity/v3`; `{project}` is replaced by the token's project.
    pub path: &'static str,
}

/// Name of the one region.
const REGION: &str = "RegionOne";
/// Rows that are read at a time where a list is filtered.
const CHUNK: usize = 500;

/// What Keystone has and this cloud has not: refused by name.
fn absent() -> Vec<Route> {
    const LISTS: [(&str, &str); 8] = [
        ("Federation to other clouds", "/v3/OS-FEDERATION/service_providers"),
        ("SAML", "/v3/OS-FEDERATION/saml2"),
        ("SAML", "/v3/auth/OS-FEDERATION/saml2"),
        ("Sign-in by a browser", "/v3/auth/OS-FEDERATION/websso"),
        ("Sign-in by a browser",
            "/v3/auth/OS-FEDERATION/identity_providers/{idp}/protocols/{protocol}/websso"),
        ("OAuth", "/v3/OS-OAUTH1/consumers"),
        ("A policy service", "/v3/policies"),
        ("Grouping of endpoints", "/v3/OS-EP-FILTER/endpoint_groups"),
    ];
    let mut all = Vec::new();
    for (what, list) in LISTS {
        for path in [list.to_string(), format!("{list}/{{id}}")] {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                all.push(Route::new(method, path.clone(), "", move |_| {
                    let say = format!("{what} is not offered.");
                    Err(Refusal::new(Refused::NotOffered, say).into())
                }));
            }
        }
    }
    all
}

/// All routes of the service.
pub fn routes(identity: Arc<Identity>, services: Vec<Service>) -> Vec<Route> {
    let services = Arc::new(services);
    let mut all = tokens::routes(&identity, &services);
    all.extend(domains::routes(&identity));
    all.extend(federation::routes(&identity, &services));
    all.extend(projects::routes(&identity));
    all.extend(users::routes(&identity));
    all.extend(groups::routes(&identity));
    all.extend(roles::routes());
    all.extend(assignments::routes(&identity));
    all.extend(application_credentials::routes(&identity));
    all.extend(trusts::routes(&identity));
    all.extend(credentials::routes(&identity));
    all.extend(catalog::routes(&services));
    all.extend(limits::routes());
    all.extend(auth::routes(&identity));
    all.extend(device::routes(&identity));
    all.extend(absent());
    all
}

/// An address below the service's root.
fn link(call: &Call<'_>, path: &str) -> String {
    format!("{}{path}", call.base)
}

/// The path that this call was sent to, from its route's pattern.
fn here(call: &Call<'_>, pattern: &str) -> String {
    let parts: Vec<String> = pattern.split('/').map(|part| {
        match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            Some(name) => list::quoted(call.param(name)),
            None => part.to_string(),
        }
    }).collect();
    link(call, &parts.join("/"))
}

/// Whether a parameter is there and does not say no, as Keystone reads it.
fn asks(call: &Call<'_>, name: &str) -> bool {
    call.query.iter().any(|(n, v)| n == name && v != "0" && !v.eq_ignore_ascii_case("false"))
}

/// How many things of a list are wanted; none is all.
fn limit(call: &Call<'_>) -> Result<Option<usize>, Failure> {
    match call.ask("limit") {
        None => Ok(None),
        Some(text) => match text.parse::<usize>() {
            Ok(0) => Ok(None),
            Ok(n) => Ok(Some(n)),
            Err(_) => Err(Refusal::invalid("limit", "must be a whole number").into()),
        },
    }
}

/// A list with its links. `more` says that there are things behind the last one.
fn wrapped(call: &Call<'_>, pattern: &str, name: &str, items: Vec<Value>, more: bool) -> Reply {
    let path = here(call, pattern);
    let last = items.last().and_then(|i| i["id"].as_str()).filter(|_| more).map(String::from);
    let next = last.map(|id| {
        format!("{path}{}", list::again(call, &["marker"], &[("marker", id.as_str())]))
    });
    let own = format!("{path}{}", list::again(call, &[], &[]));
    let mut body = json!({ "links": { "next": next, "previous": null, "self": own } });
    if more {
        body["truncated"] = true.into();
    }
    body[name] = items.into();
    Reply::ok(body)
}

/// A list of what is at hand: filtered, by id, and a page of it.
fn many(call: &Call<'_>, pattern: &str, name: &str, mut items: Vec<Value>)
    -> Result<Reply, Failure> {
    fn id(item: &Value) -> &str {
        item["id"].as_str().unwrap_or_default()
    }
    items.retain(|item| matches(item, call));
    items.sort_by(|a, b| id(a).cmp(id(b)));
    if let Some(marker) = call.ask("marker") {
        items.retain(|item| id(item) > marker);
    }
    let most = limit(call)?.unwrap_or(usize::MAX);
    let more = items.len() > most;
    items.truncate(most);
    Ok(wrapped(call, pattern, name, items, more))
}

/// A list of what the caller may see, read in pieces: a page of a long list does not read all of
/// it. `keep` is a filter beyond those that compare members.
fn listed<R: Shape>(call: &Call<'_>, pattern: &str, mut query: Query,
    keep: impl Fn(&Have<R>) -> bool) -> Result<Reply, Failure> {
    let action = R::action("list");
    let most = limit(call)?.unwrap_or(usize::MAX);
    let asked = call.command(action);
    query.after = call.ask("marker").map(Id::new);
    query.limit = Some(CHUNK);
    let mut shown = Vec::new();
    loop {
        let rows = call.cloud.reader.lend(|db| db.list(R::KIND, &query))?;
        let last = rows.len() < CHUNK;
        for stored in rows {
            query.after = Some(stored.row.id.clone());
            let have = Have::<R>::decode(stored)?;
            if !call.cloud.reader.may(&asked, &object(&have)) || !keep(&have) {
                continue;
            }
            let value = R::show(&have, call)?;
            if !matches(&value, call) {
                continue;
            }
            if shown.len() == most {
                return Ok(wrapped(call, pattern, R::MANY, shown, true));
            }
            shown.push(value);
        }
        if last {
            return Ok(wrapped(call, pattern, R::MANY, shown, false));
        }
    }
}

/// Parameters that are no filters, or are none of a plain member.
const NO_FILTER: &[&str] = &["limit", "marker", "sort_key", "sort_dir", "tags", "tags-any",
    "not-tags", "not-tags-any", "password_expires_at"];

/// Whether something shown has what each parameter asks that names a member of it, as in
/// `enabled=0` or `name__icontains=pay`.
fn matches(shown: &Value, call: &Call<'_>) -> bool {
    call.query.iter().filter(|(name, _)| !NO_FILTER.contains(&name.as_str())).all(|(name, asked)| {
        let (member, how) = name.split_once("__").unwrap_or((name.as_str(), ""));
        let Some(member) = shown.get(member) else { return true };
        let (how, text) = match how.strip_prefix('i') {
            Some(how) => (how, member.as_str().map(str::to_lowercase)),
            None => (how, member.as_str().map(String::from)),
        };
        let asked_for = if name.contains("__i") { asked.to_lowercase() } else { asked.clone() };
        match (how, member, text) {
            ("contains", _, text) => text.is_some_and(|t| t.contains(&asked_for)),
            ("startswith", _, text) => text.is_some_and(|t| t.starts_with(&asked_for)),
            ("endswith", _, text) => text.is_some_and(|t| t.ends_with(&asked_for)),
            ("", Value::Bool(is), _) => *is != ["0", "false", "no", "off", "n", "f"]
                .contains(&asked.to_ascii_lowercase().as_str()),
            ("", Value::Null, _) => asked.is_empty() || asked == "null",
            ("", Value::Number(n), _) => n.to_string() == *asked,
            ("", Value::String(s), _) => s == asked,
            _ => true,
        }
    })
}

/// What a decision needs to know of a thing.
fn object<R: Resource>(have: &Have<R>) -> Object {
    Object {
        what: Some((R::KIND, have.id.clone())),
        domain: Some(have.domain.clone()),
        project: (!have.project.as_str().is_empty()).then(|| have.project.clone()),
        owner: R::owner(have),
        shared: R::shared(&have.spec),
    }
}

/// Decides, without a record: for leaving out of a list what may not be seen.
fn may(call: &Call<'_>, action: &str, object: &Object) -> bool {
    call.cloud.reader.may(&call.command(action), object)
}

/// One thing, decided by an object that knows more than its row. A missing one is refused as one
/// that may not be seen.
fn seen<R: Resource>(call: &Call<'_>, id: &str, action: &str,
    about: impl FnOnce(&Have<R>) -> Object) -> Result<Have<R>, Failure> {
    let found = call.view(|v| v.get::<R>(&id.into()))?;
    let have = found.ok_or_else(|| Refusal::not_found(R::KIND.0, id))?;
    call.cloud.reader.allow(&call.command(action).on(id), &about(&have))?;
    Ok(have)
}

/// "There is none of that" of a thing that lies below another one in the path.
fn missing(kind: &str, id: &str) -> Failure {
    Refusal::not_found(kind, id).into()
}

/// An operation that Keystone has and that nobody may do here: what it would change is fixed.
fn fixed(method: &'static str, path: &str, keystone: &'static str, why: &'static str) -> Route {
    Route::new(method, path, keystone, move |_| {
        Err(Refusal::new(Refused::Forbidden, format!(
            "You are not authorized to perform the requested action: {keystone}. {why}"
        )).into())
    })
}

/// The token of a call. (The edge has found the actor by it; a part of the platform has none.)
fn token(identity: &Identity, call: &Call<'_>) -> Option<Token> {
    call.token.as_deref().and_then(|text| identity.open(text))
}

/// Whether a token came from a pair of keys: a program's, whose sign-in is no person's.
fn by_keys(token: &Token) -> bool {
    token.methods.iter().any(|m| m == "ec2credential")
}

/// The domain that a new thing goes to. Whoever may make none anywhere learns that first.
fn domain_of(call: &Call<'_>, words: &Words<'_>, action: &str) -> Result<Id, Failure> {
    let domain = words.text("domain_id")?.map(Id::new)
        .or_else(|| call.actor.domain_of_scope().cloned());
    match domain {
        Some(domain) => Ok(domain),
        None => {
            call.cloud.reader.allow(&call.command(action), &Object::default())?;
            Err(Refusal::invalid("domain_id", "is required").into())
        }
    }
}

/// Refuses a caller who acts by what somebody passed on: what outlasts a trust or an application
/// credential must not be made with one.
fn own_hand(identity: &Identity, call: &Call<'_>, what: &str) -> Result<(), Failure> {
    match token(identity, call) {
        Some(token) if token.delegated() || by_keys(&token) => {
            Err(Refusal::new(Refused::Forbidden, format!(
                "{what} with a token that came from an application credential, a trust or a pair \
                 of keys is not allowed: sign in with your own password."
            )).into())
        }
        _ => Ok(()),
    }
}

/// A point in time in a request. Keystone's clients leave the zone out.
fn moment(words: &Words<'_>, name: &'static str) -> Result<Option<i64>, Failure> {
    let Some(text) = words.text(name)? else { return Ok(None) };
    let say = "must be a time like 2026-01-31T08:00:00Z";
    Ok(Some(moment_of(&text).ok_or_else(|| Refusal::invalid(name, say))?))
}

fn moment_of(text: &str) -> Option<i64> {
    let time = Time::parse(text).or_else(|| Time::parse(&format!("{text}Z")));
    time.map(|t| t.0)
}

/// Roles that a request names by id or name. Duties are not passed on.
fn roles_asked(words: &Words<'_>) -> Result<Option<Vec<Role>>, Failure> {
    let Some(items) = words.array("roles")? else { return Ok(None) };
    let mut roles = Vec::new();
    for item in items {
        let members = item.as_object()
            .ok_or_else(|| Refusal::invalid("roles", "must be an array of objects"))?;
        let one = Words::new("roles", members);
        one.only(&["id", "name", "domain_id"])?;
        let found = match (one.text("id")?, one.text("name")?) {
            (Some(id), _) => role_by_id(&id),
            (None, Some(name)) => role_by_name(&name),
            (None, None) => return Err(Refusal::invalid("roles", "must have id or name").into()),
        };
        match found {
            Some(Grant::Role(role)) if !roles.contains(&role) => roles.push(role),
            Some(Grant::Role(_)) => {}
            _ => return Err(Refusal::new(Refused::NotFound, "Could not find role.").into()),
        }
    }
    Ok(Some(roles))
}

/// Id and name of a role.
fn role_named(grant: Grant) -> Value {
    let (id, name) = role_of(grant);
    json!({ "id": id, "name": name })
}

/// A shown value's error as ours.
fn encoded<T: serde::Serialize>(value: T) -> Result<Value, Fault> {
    serde_json::to_value(value).map_err(|e| Fault::new(e.to_string()))
}
