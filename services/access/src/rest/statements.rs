//! Statements: `/v1/statements`.

use super::{accepted, made, members, number, only, said};
use crate::condition::AGE;
use crate::statement::{People, Statement, StatementSpec, Target};
use jinyun_base::{Id, Refusal, Window};
use jinyun_engine::{Failure, Have, Query};
use jinyun_policy::{Role, Scope};
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Map, Value, json};

const MEMBERS: &[&str] = &["name", "description", "effect", "who", "except", "actions", "resources",
    "conditions"];
/// Longest page of a list.
const PAGE: i64 = 500;

fn people(people: &People) -> Value {
    match people.everybody {
        true => json!({ "everybody": true }),
        false => json!({ "users": people.users, "groups": people.groups, "roles": people.roles }),
    }
}

fn resource(target: &Target) -> Value {
    match target {
        Target::Project(id) => json!({ "project_id": id }),
        Target::ProjectTag(tag) => json!({ "project_tag": tag }),
        Target::Thing { kind, id } => json!({ "kind": kind, "id": id }),
    }
}

fn show(have: &Have<Statement>) -> Value {
    let spec: &StatementSpec = &have.spec;
    let conditions = &spec.conditions;
    json!({
        "id": have.id,
        "name": spec.name,
        "description": spec.description,
        "domain_id": spec.domain,
        "effect": spec.effect.word(),
        "who": people(&spec.who),
        "except": people(&spec.except),
        "actions": spec.actions,
        "resources": spec.resources.iter().map(resource).collect::<Vec<_>>(),
        "conditions": {
            "source": conditions.source,
            "hours": conditions.hours.as_ref().map(Window::show),
            "second_factor": conditions.second_factor,
            "age": conditions.age,
        },
        "created_at": have.created.seconds(),
        "updated_at": have.updated.seconds(),
    })
}

fn hours(words: &Words<'_>) -> Result<Window, Failure> {
    let window = words.window()?;
    if window.days.is_empty() {
        return Err(Refusal::invalid("days", "are required: one to seven days of the week").into());
    }
    Ok(window)
}

/// What the spec's conditions are, as its JSON.
fn conditions(words: &Words<'_>) -> Result<Value, Failure> {
    words.only(&["source", "hours", "second_factor", "age"])?;
    let hours = words.object("hours")?.map(|inner| hours(&inner)).transpose()?;
    let source = words.texts("source")?.unwrap_or_default();
    if words.value("source").is_some() && source.is_empty() {
        let say = "is empty: leave it out for any network";
        return Err(Refusal::invalid("source", say).into());
    }
    let second = words.flag("second_factor")?;
    if second == Some(false) {
        let say = "can only be asked for: leave it out, or deny without it";
        return Err(Refusal::invalid("second_factor", say).into());
    }
    Ok(json!({
        "source": source,
        "hours": hours,
        "second_factor": second == Some(true),
        "age": words.int("age", AGE.0, AGE.1)?,
    }))
}

fn ids(texts: Option<Vec<String>>) -> Vec<Id> {
    texts.unwrap_or_default().into_iter().map(Id::new).collect()
}

fn persons(words: &Words<'_>) -> Result<People, Failure> {
    words.only(&["everybody", "users", "groups", "roles"])?;
    let mut roles = Vec::new();
    for name in words.texts("roles")?.unwrap_or_default() {
        let role: Role = serde_json::from_value(Value::String(name))
            .map_err(|_| Refusal::invalid("roles", "must be among reader, member, manager"))?;
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(People {
        everybody: words.flag("everybody")?.unwrap_or(false),
        users: ids(words.texts("users")?),
        groups: ids(words.texts("groups")?),
        roles,
    })
}

fn targets(items: &[Value]) -> Result<Vec<Target>, Failure> {
    items.iter().map(|item| -> Result<Target, Failure> {
        let words = Words::new("resources", members(item, "resources")?);
        words.only(&["project_id", "project_tag", "kind", "id"])?;
        let project = words.text("project_id")?;
        let (tag, kind, id) = (words.text("project_tag")?, words.text("kind")?, words.text("id")?);
        match (project, tag, kind, id) {
            (Some(id), None, None, None) => Ok(Target::Project(id.into())),
            (None, Some(tag), None, None) => Ok(Target::ProjectTag(tag)),
            (None, None, Some(kind), Some(id)) => Ok(Target::Thing { kind, id: id.into() }),
            _ => {
                let say = "must each name a project_id, a project_tag, or kind and id of a thing";
                Err(Refusal::invalid("resources", say).into())
            }
        }
    }).collect()
}

/// The members of a statement that the body names, as the spec has them.
fn args(words: &Words<'_>) -> Result<Map<String, Value>, Failure> {
    let mut args = Map::new();
    if let Some(name) = words.text("name")? {
        args.insert("name".into(), name.trim().into());
    }
    if words.has("description") {
        args.insert("description".into(), said(words, "description")?.into());
    }
    if let Some(effect) = words.text("effect")? {
        if !["deny", "allow_only"].contains(&effect.as_str()) {
            let say = "must be deny or allow_only: a statement never allows more than roles do";
            return Err(Refusal::invalid("effect", say).into());
        }
        args.insert("effect".into(), effect.into());
    }
    if let Some(who) = words.object("who")? {
        args.insert("who".into(), json!(persons(&who)?));
    }
    if words.has("except") {
        let except = words.object("except")?.map(|w| persons(&w)).transpose()?;
        args.insert("except".into(), json!(except.unwrap_or_default()));
    }
    if let Some(actions) = words.texts("actions")? {
        args.insert("actions".into(), json!(actions));
    }
    if words.has("resources") {
        let items = words.array("resources")?.map(Vec::as_slice).unwrap_or_default();
        args.insert("resources".into(), json!(targets(items)?));
    }
    if words.has("conditions") {
        let asked = words.object("conditions")?.map(|w| conditions(&w)).transpose()?;
        args.insert("conditions".into(), asked.unwrap_or_else(|| json!({})));
    }
    Ok(args)
}

fn create(call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("statement")?;
    words.only(MEMBERS)?;
    for needed in ["name", "effect", "who", "actions"] {
        if words.value(needed).is_none() {
            return Err(Refusal::invalid(needed, "is required").into());
        }
    }
    let mut args = args(&words)?;
    let domain = match &call.actor.scope {
        Scope::Domain(domain) => domain.clone(),
        _ => Id::new(""),
    };
    args.insert("domain".into(), json!(domain));
    let command = call.command("access:statement:create").with(Value::Object(args));
    accepted(call.run(command), |answer| {
        let have = call.again::<Statement>(&made(&answer)?)?;
        Ok(Reply::with(201, json!({ "statement": show(&have) })))
    })
}

fn update(call: &Call<'_>) -> Result<Reply, Failure> {
    // Whoever may not see it gets "not found", as for a show.
    let have = call.show::<Statement>(call.param("id"))?;
    let words = call.words("statement")?;
    words.only(MEMBERS)?;
    let command = call.command("access:statement:update").on(have.id.clone())
        .with(Value::Object(args(&words)?));
    accepted(call.run(command), |_| {
        let have = call.again::<Statement>(&have.id)?;
        Ok(Reply::ok(json!({ "statement": show(&have) })))
    })
}

fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    only(call, &["limit", "marker", "domain_id"])?;
    // The auditor reads all institutions', everybody else the own.
    let domain = match (&call.actor.scope, call.ask("domain_id")) {
        (Scope::System, asked) => asked.map(Id::new),
        (_, None) => Some(super::home(call)),
        (_, Some(asked)) => Some(Id::new(asked)),
    };
    let query = Query { domain, ..Query::default() };
    let mut found = call.list::<Statement>(&query)?;
    found.sort_by(|a, b| (&a.spec.name, &a.id).cmp(&(&b.spec.name, &b.id)));
    if let Some(marker) = call.ask("marker") {
        let at = found.iter().position(|h| h.id.as_str() == marker);
        let say = || Refusal::invalid("marker", "must be the id of a row of this list");
        found.drain(..=at.ok_or_else(say)?);
    }
    let limit = number(call, "limit", 1, PAGE)?.unwrap_or(PAGE);
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let shown: Vec<Value> = found.iter().map(show).collect();
    Ok(Reply::ok(json!({ "statements": shown })))
}

pub(super) fn routes() -> Vec<Route> {
    let (all, item) = ("/v1/statements", "/v1/statements/{id}");
    let action = |word: &str| format!("access:statement:{word}");
    vec![
        Route::new("GET", all, action("list"), list),
        Route::new("POST", all, action("create"), create),
        Route::new("GET", item, action("show"), |call| {
            let have = call.show::<Statement>(call.param("id"))?;
            Ok(Reply::ok(json!({ "statement": show(&have) })))
        }),
        Route::new("PATCH", item, action("update"), update),
        Route::new("DELETE", item, action("delete"), |call| {
            let command = call.command("access:statement:delete").on(call.param("id"));
            accepted(call.run(command), |_| Ok(Reply::empty(204)))
        }),
    ]
}
