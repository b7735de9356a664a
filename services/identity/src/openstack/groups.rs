//! Groups and who is in them.

use super::domains::same_id;
use super::users::shown as user_shown;
use super::{domain_of, link, listed, many, may, object};
use crate::auth::Identity;
use crate::group::Group;
use crate::user::User;
use jinyun_base::{Fault, Id, Kind, Refusal};
use jinyun_engine::{Command, Failure, Have, Query};
use jinyun_policy::Object;
use jinyun_rest::{Call, Reply, Route, Shape, crud};
use serde_json::{Value, json};
use std::sync::Arc;

impl Shape for Group {
    const ONE: &'static str = "group";
    const MANY: &'static str = "groups";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("group")?;
        words.only(&["name", "description", "domain_id"])?;
        let domain = domain_of(call, &words, "identity:group:create")?;
        let mut command = call.command("identity:group:create").with(json!({
            "name": words.need("name")?,
            "description": words.long_text("description")?.unwrap_or_default(),
            "domain": domain,
        }));
        // In its domain and in none of its projects.
        command.project = Some("".into());
        command.domain = Some(domain);
        Ok(command)
    }

    fn update(call: &Call<'_>, have: &Have<Group>) -> Result<Command, Failure> {
        let words = call.words("group")?;
        words.only(&["id", "name", "description", "domain_id"])?;
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
        Ok(call.command("identity:group:update").with(patch))
    }

    fn show(have: &Have<Group>, call: &Call<'_>) -> Result<Value, Fault> {
        Ok(json!({
            "id": have.id, "name": have.spec.name, "description": have.spec.description,
            "domain_id": have.domain,
            "links": { "self": link(call, &format!("/v3/groups/{}", have.id)) },
        }))
    }
}

/// A membership for a decision about it, whether it is there or not.
fn membership(have: &Have<Group>, user: &Id) -> Object {
    Object {
        what: Some((Kind("membership"), user.clone())),
        domain: Some(have.domain.clone()),
        owner: Some(user.clone()),
        ..Object::default()
    }
}

/// A command that changes a membership. A group of another institution is none.
fn change(call: &Call<'_>, verb: &str) -> Result<Reply, Failure> {
    let group = call.show::<Group>(call.param("group"))?;
    let words = json!({ "group": group.id, "user": call.param("user") });
    let mut command = call.command(format!("identity:membership:{verb}")).with(words);
    command.domain = Some(group.domain);
    call.run(command)?;
    Ok(Reply::empty(204))
}

pub(super) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    const USERS: &str = "/v3/groups/{group}/users";
    const USER: &str = "/v3/groups/{group}/users/{user}";
    let mut all = crud::<Group>("/v3/groups", &["create", "show", "update", "delete"]);
    all.push(Route::new("GET", "/v3/groups", Group::action("list"), |call| {
        let query = Query {
            name: call.ask("name").map(String::from),
            domain: call.ask("domain_id").map(Id::new),
            ..Query::default()
        };
        listed::<Group>(call, "/v3/groups", query, |_| true)
    }));
    let i = identity.clone();
    all.push(Route::new("GET", USERS, "identity:membership:list", move |call| {
        let group = call.show::<Group>(call.param("group"))?;
        let mut users = Vec::new();
        for id in i.directory.members(&group.id) {
            let seen = may(call, "identity:membership:list", &membership(&group, &id));
            if let Some(have) = call.view(|v| v.get::<User>(&id))?
                && seen && may(call, "identity:user:list", &object(&have))
            {
                users.push(user_shown(&i, &have, call)?);
            }
        }
        many(call, USERS, "users", users)
    }));
    all.push(Route::new("PUT", USER, "identity:membership:create", |call| change(call, "create")));
    all.push(Route::new("DELETE", USER, "identity:membership:delete", |call| change(call, "delete")));
    let i = identity.clone();
    let check = move |call: &Call<'_>| {
        let found = call.view(|v| v.get::<Group>(&call.param("group").into()))?;
        let missing = || super::missing("user", call.param("user"));
        // As for a group that one may not see.
        let group =
            found.ok_or_else(|| super::missing("membership", call.param("user")))?;
        let user = Id::new(call.param("user"));
        let asked = call.command("identity:membership:show").on(user.clone());
        call.cloud.reader.allow(&asked, &membership(&group, &user))?;
        match i.directory.members(&group.id).contains(&user) {
            true => Ok(Reply::empty(204)),
            false => Err(missing()),
        }
    };
    let head = check.clone();
    all.push(Route::new("GET", USER, "identity:membership:show", check));
    all.push(Route::new("HEAD", USER, "identity:membership:show", head));
    all
}
