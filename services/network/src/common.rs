//! What the resources of the service share: places, guards, and the members that every answer of
//! Neutron has.
//!
//! A member that the protocol knows and we do not offer is refused by [`unused`] unless its value
//! says "nothing": silently dropping it would promise a thing that is not there.

use jinyun_base::{Fault, Id, Refusal, Refused};
use jinyun_engine::{Command, Failure, Have, Query, Resource, View};
use jinyun_rest::{Call, Words};
use serde_json::{Map, Value};
use std::str::FromStr;

/// Members of a spec, on their way into a command.
pub(crate) type Args = Map<String, Value>;

/// A wrong value, where the sentence is Neutron's own.
pub(crate) fn wrong(field: &str, sentence: impl Into<String>) -> Failure {
    Refusal::new(Refused::Invalid(field.into()), sentence).into()
}

/// Domain and project of a new resource: what the command says, else the actor's scope.
pub(crate) fn place(command: &Command) -> Result<(Id, Id), Failure> {
    let actor = &command.actor;
    let project = command.project.clone().or_else(|| actor.project().cloned());
    let domain = command.domain.clone().or_else(|| actor.domain_of_scope().cloned());
    match (domain, project) {
        (Some(domain), Some(project)) => Ok((domain, project)),
        _ => Err(Refusal::invalid("project_id", "is required: use a project's token").into()),
    }
}

/// The resource that a command of the service's own is about.
pub(crate) fn target(command: &Command) -> Result<Id, Failure> {
    command.target.clone().ok_or_else(|| Refusal::invalid("id", "is missing").into())
}

/// A spec from a command's words.
pub(crate) fn spec<R: Resource>(args: Value) -> Result<R::Spec, Failure> {
    serde_json::from_value(args)
        .map_err(|e| Refusal::invalid(R::KIND.0, format!("cannot be read: {e}")).into())
}

/// A spec with changed members, as the engine merges them.
pub(crate) fn merged<R: Resource>(old: &R::Spec, patch: &Value) -> Result<R::Spec, Failure> {
    let mut value = serde_json::to_value(old)
        .map_err(|e| Fault::new(format!("{}: {e}", R::KIND)))?;
    if let (Some(members), Some(changes)) = (value.as_object_mut(), patch.as_object()) {
        members.extend(changes.clone());
    }
    spec::<R>(value)
}

/// A resource of the project; another project's is not there.
pub(crate) fn own<R: Resource>(view: &mut View<'_>, id: &Id, project: &Id)
    -> Result<Have<R>, Failure> {
    let found = view.get::<R>(id)?.filter(|have| have.project == *project);
    found.ok_or_else(|| Refusal::not_found(R::KIND.0, id).into())
}

/// Adds a member if it was given.
pub(crate) fn put(args: &mut Args, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        args.insert(name.into(), value.into());
    }
}

/// Name, description and administrative state, as far as given.
pub(crate) fn plain(words: &Words<'_>) -> Result<Args, Failure> {
    let mut args = Args::new();
    put(&mut args, "name", words.text("name")?);
    put(&mut args, "description", words.text("description")?);
    put(&mut args, "admin_state_up", words.flag("admin_state_up")?);
    Ok(args)
}

/// Refuses members that are known and not offered, unless they ask for nothing.
pub(crate) fn unused(words: &Words<'_>, names: &[&str]) -> Result<(), Failure> {
    for name in names {
        let asks = match words.value(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(on)) => *on,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(members)) => !members.is_empty(),
            Some(Value::Number(_)) => true,
        };
        if asks {
            return Err(Refusal::invalid(name, "is not offered: leave it out").into());
        }
    }
    Ok(())
}

/// A command for a new resource, in the project that the body names if it names one. Policy
/// refuses any but the caller's own.
pub(crate) fn creation(call: &Call<'_>, words: &Words<'_>, action: String, args: Args)
    -> Result<Command, Failure> {
    let mut command = call.command(action).with(Value::Object(args));
    let project = match words.text("project_id")? {
        Some(project) => Some(project),
        None => words.text("tenant_id")?,
    };
    command.project = project.map(Id::from);
    Ok(command)
}

/// A command for a change, guarded by `If-Match: revision_number=5` where the caller sent it.
pub(crate) fn change(call: &Call<'_>, action: String, args: Args) -> Result<Command, Failure> {
    let mut command = call.command(action).with(Value::Object(args));
    if let Some((_, guard)) = call.headers.iter().find(|(name, _)| name == "if-match") {
        let number = guard.trim().trim_matches('"').strip_prefix("revision_number=")
            .and_then(|n| n.parse::<i64>().ok());
        let say = || Refusal::invalid("if-match", "must be `revision_number=<number>`");
        command.if_generation = Some(number.ok_or_else(say)?);
    }
    Ok(command)
}

/// The members that every resource shows, added to its own.
pub(crate) fn shown<R: Resource>(have: &Have<R>, mut own: Value) -> Value {
    own["id"] = have.id.as_str().into();
    own["project_id"] = have.project.as_str().into();
    own["tenant_id"] = have.project.as_str().into();
    own["created_at"] = have.created.seconds().into();
    own["updated_at"] = have.updated.seconds().into();
    own["revision_number"] = have.generation.into();
    own["tags"] = Value::Array(Vec::new());
    own
}

/// The part of a list's filters that the store answers: always the caller's project, the name, and
/// those declared fields that are asked for with one value.
pub(crate) fn query(call: &Call<'_>, fields: &[(&str, &'static str)]) -> Query {
    let one = |name: &str| {
        let mut values = call.query.iter().filter(|(n, _)| n == name).map(|(_, v)| v);
        match (values.next(), values.next()) {
            (Some(value), None) if !value.is_empty() => Some(value.clone()),
            _ => None,
        }
    };
    Query {
        // Nothing lies in the project "": a token without a project sees none of these.
        project: Some(call.actor.project().cloned().unwrap_or_else(|| Id::new(""))),
        name: one("name"),
        fields: fields.iter().filter_map(|&(asked, name)| Some((name, one(asked)?))).collect(),
        ..Query::default()
    }
}

/// Reads a value in text, or says what it must be.
pub(crate) fn parse<T: FromStr>(field: &str, text: &str, what: &str) -> Result<T, Failure> {
    text.trim().parse::<T>()
        .map_err(|_| Refusal::invalid(field, format!("must be {what}, not '{text}'")).into())
}
