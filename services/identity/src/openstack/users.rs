//! Users: accounts, their passwords and what they can reach.

use super::domains::same_id;
use super::{link, listed, many, moment_of, object};
use crate::auth::Identity;
use crate::domain::Domain;
use crate::group::Group;
use crate::project::Project;
use crate::user::{User, UserOptions};
use jinyun_base::{Fault, Id, Refusal, Secret, Time};
use jinyun_engine::{Command, Failure, Have, Query};
use jinyun_policy::{Object, PROVIDER};
use jinyun_rest::{Call, Reply, Route, Shape, crud};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a client may send. (From where and when a user may work is `auth::routes`'.)
const MEMBERS: [&str; 9] = ["name", "description", "email", "enabled", "domain_id", "password",
    "default_project_id", "project_id", "options"];

impl Shape for User {
    const ONE: &'static str = "user";
    const MANY: &'static str = "users";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("user")?;
        words.only(&MEMBERS)?;
        let options = match words.object("options")? {
            Some(options) => UserOptions::parse(&options)?,
            None => UserOptions::default(),
        };
        let domain = words.text("domain_id")?.map(Id::new)
            .or_else(|| call.actor.domain_of_scope().cloned())
            .unwrap_or_else(|| PROVIDER.into());
        let args = json!({
            "name": words.need("name")?,
            "domain": domain,
            "description": words.long_text("description")?.unwrap_or_default(),
            "email": words.text("email")?,
            "enabled": words.flag("enabled")?.unwrap_or(true),
            "default_project": words.text("default_project_id")?,
            "noted_project": words.text("project_id")?,
            "options": super::encoded(options)?,
        });
        let mut command = call.command("identity:user:create").with(args);
        command.domain = Some(domain);
        Ok(command)
    }

    fn update(call: &Call<'_>, have: &Have<User>) -> Result<Command, Failure> {
        let words = call.words("user")?;
        let known: Vec<&str> = MEMBERS.into_iter().chain(["id"]).collect();
        words.only(&known)?;
        same_id(&words, &have.id)?;
        if words.text("domain_id")?.is_some_and(|d| d != have.domain.as_str()) {
            return Err(Refusal::invalid("domain_id", "cannot be changed").into());
        }
        let mut patch = json!({});
        if let Some(name) = words.text("name")? {
            patch["name"] = name.into();
        }
        if let Some(text) = words.long_text("description")? {
            patch["description"] = text.into();
        }
        if words.has("email") {
            patch["email"] = words.text("email")?.into();
        }
        if let Some(on) = words.flag("enabled")? {
            patch["enabled"] = on.into();
        }
        if words.has("project_id") {
            patch["noted_project"] = words.text("project_id")?.into();
        }
        if words.has("default_project_id") {
            patch["default_project"] = words.text("default_project_id")?.into();
        }
        if let Some(options) = words.object("options")? {
            patch["options"] = super::encoded(have.spec.options.clone().merge(&options)?)?;
        }
        Ok(call.command("identity:user:update").with(patch))
    }

    fn show(have: &Have<User>, call: &Call<'_>) -> Result<Value, Fault> {
        let spec = &have.spec;
        let mut shown = json!({
            "id": have.id, "name": spec.name, "description": spec.description,
            "email": spec.email, "enabled": spec.enabled, "domain_id": have.domain,
            "password_expires_at": null, "options": spec.options.show(),
            "links": { "self": link(call, &format!("/v3/users/{}", have.id)) },
        });
        if let Some(project) = &spec.noted_project {
            shown["project_id"] = project.as_str().into();
        }
        if let Some(project) = &spec.default_project {
            shown["default_project_id"] = project.as_str().into();
        }
        if let Some(from) = &spec.federated {
            shown["federated"] = json!([{ "idp_id": from.idp, "protocols": [{
                "protocol_id": from.protocol, "unique_id": from.unique,
            }] }]);
        }
        Ok(shown)
    }
}

/// A user with the end of the password, which depends on the domain's rules.
pub(super) fn shown(i: &Identity, have: &Have<User>, call: &Call<'_>) -> Result<Value, Fault> {
    let mut shown = User::show(have, call)?;
    let end = have.spec.password_expires(&i.directory.compliance(&have.domain));
    shown["password_expires_at"] = end.map(|at| Time(at).micros()).into();
    Ok(shown)
}

/// `password_expires_at=lt:2026-01-31T08:00:00Z`: whether the end of a password is so.
fn expires(call: &Call<'_>, end: Option<i64>) -> Result<bool, Failure> {
    let Some(asked) = call.ask("password_expires_at") else { return Ok(true) };
    let wrong = || Refusal::invalid("password_expires_at",
        "must be lt, lte, gt, gte, eq or neq, a colon, and a time");
    let (how, time) = asked.split_once(':').ok_or_else(wrong)?;
    let at = moment_of(time).ok_or_else(wrong)?;
    let Some(end) = end else { return Ok(false) };
    match how {
        "lt" => Ok(end < at),
        "lte" => Ok(end <= at),
        "gt" => Ok(end > at),
        "gte" => Ok(end >= at),
        "eq" => Ok(end == at),
        "neq" => Ok(end != at),
        _ => Err(wrong().into()),
    }
}

fn list(i: &Identity, call: &Call<'_>) -> Result<Reply, Failure> {
    expires(call, None)?;
    // As in Keystone: whoever may see nobody but oneself is refused. Clients count on it.
    let about = Object { domain: Some(call.actor.domain.clone()), ..Object::default() };
    call.cloud.reader.allow(&call.command(User::action("list")), &about)?;
    let query = Query {
        name: call.ask("name").map(String::from),
        domain: call.ask("domain_id").map(Id::new)
            // Nobody but the provider's staff sees users of another domain.
            .or_else(|| call.actor.duty.is_none().then(|| call.actor.domain.clone())),
        ..Query::default()
    };
    let end = |have: &Have<User>| {
        have.spec.password_expires(&i.directory.compliance(&have.domain))
    };
    let mut reply = listed::<User>(call, "/v3/users", query, |have| {
        expires(call, end(have)).unwrap_or(false)
    })?;
    // The end of a password is the one member that a row alone does not tell.
    if let jinyun_rest::Body::Json(body) = &mut reply.body {
        for user in body["users"].as_array_mut().into_iter().flatten() {
            let id = Id::new(user["id"].as_str().unwrap_or_default());
            let end = i.directory.user(&id)
                .and_then(|u| u.password_expires(&i.directory.compliance(&u.domain)));
            user["password_expires_at"] = end.map(|at| Time(at).micros()).into();
        }
    }
    Ok(reply)
}

/// Puts a new password's hashes into a command, after the domain's rules.
fn password(i: &Identity, call: &Call<'_>, command: &mut Command, at: (&Id, Option<&Id>, &str))
    -> Result<bool, Failure> {
    let Some(password) = call.words("user")?.long_text("password")?.map(Secret::new) else {
        return Ok(false);
    };
    let (domain, user, name) = at;
    i.check_new_password(call, domain, user, password.expose(), name)?;
    command.secrets.extend(i.new_password(call, domain, user, password.expose())?);
    Ok(true)
}

pub(super) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    let mut all = crud::<User>("/v3/users", &["delete"]);
    let i = identity.clone();
    all.push(Route::new("GET", "/v3/users", User::action("list"), move |call| list(&i, call)));
    let i = identity.clone();
    all.push(Route::new("GET", "/v3/users/{id}", User::action("show"), move |call| {
        let have = call.show::<User>(call.param("id"))?;
        Ok(Reply::ok(json!({ "user": shown(&i, &have, call)? })))
    }));
    let i = identity.clone();
    all.push(Route::new("POST", "/v3/users", User::action("create"), move |call| {
        let mut command = User::create(call)?;
        let domain = command.domain.clone().unwrap_or_else(|| PROVIDER.into());
        // Decided before the costly hash: whoever may not, does not make us work.
        let about = Object { domain: Some(domain.clone()), ..Default::default() };
        call.cloud.reader.allow(&command, &about)?;
        let name = call.words("user")?.need("name")?;
        password(&i, call, &mut command, (&domain, None, &name))?;
        let answer = call.run(command)?;
        let id = answer.value.get("id").and_then(Value::as_str).unwrap_or_default();
        let have = call.again::<User>(&id.into())?;
        Ok(Reply::with(201, json!({ "user": shown(&i, &have, call)? })))
    }));
    let i = identity.clone();
    all.push(Route::new("PATCH", "/v3/users/{id}", User::action("update"), move |call| {
        let have = call.show::<User>(call.param("id"))?;
        let mut command = User::update(call, &have)?.on(have.id.clone());
        call.cloud.reader.allow(&command, &object(&have))?;
        let name = call.words("user")?.text("name")?.unwrap_or_else(|| have.spec.name.clone());
        if password(&i, call, &mut command, (&have.domain, Some(&have.id), &name))? {
            // Whoever sets another's password ends that one's sessions, and knows a password that
            // has to be changed before it is of any use.
            let now = i.now().0;
            command.args["tokens_since"] = now.into();
            command.args["password_set"] = now.into();
            command.args["must_change"] = have.spec.changes_first().into();
            // Of two changes at the same time one would be missing among the passwords before.
            command.if_generation = Some(have.generation);
        }
        call.run(command)?;
        let have = call.again::<User>(&have.id)?;
        Ok(Reply::ok(json!({ "user": shown(&i, &have, call)? })))
    }));
    let (i, path) = (identity.clone(), "/v3/users/{id}/password");
    all.push(Route::new("POST", path, "identity:user:change_password", move |call| {
        i.change_password(call)?;
        Ok(Reply::empty(204))
    }).open());
    let (i, path) = (identity.clone(), "/v3/users/{id}/projects");
    all.push(Route::new("GET", path, User::action("show"), move |call| {
        let user = call.show::<User>(call.param("id"))?;
        let ids = i.directory.projects_of(&user.id, i.now());
        many(call, path, "projects", rows::<Project>(call, ids)?)
    }));
    let (i, path) = (identity.clone(), "/v3/users/{id}/groups");
    all.push(Route::new("GET", path, User::action("show"), move |call| {
        let user = call.show::<User>(call.param("id"))?;
        many(call, path, "groups", rows::<Group>(call, i.directory.groups_of(&user.id))?)
    }));
    all
}

/// Things of these ids, for somebody who may know of each of them by another's right: a user's
/// projects, groups and domains are the user's to see.
pub(super) fn rows<R: Shape>(call: &Call<'_>, ids: Vec<Id>) -> Result<Vec<Value>, Failure> {
    let mut shown = Vec::new();
    for id in ids {
        if let Some(have) = call.view(|v| v.get::<R>(&id))? {
            shown.push(R::show(&have, call)?);
        }
    }
    Ok(shown)
}

/// The domains in which a user can work.
pub(super) fn domains(i: &Identity, call: &Call<'_>, user: &Id) -> Result<Vec<Value>, Failure> {
    rows::<Domain>(call, i.directory.domains_of(user, i.now()))
}
