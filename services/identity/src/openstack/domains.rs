//! Domains and their security rules.

use super::{domain_config, here, link, listed, object, seen};
use crate::auth::Identity;
use crate::compliance::Compliance;
use crate::domain::Domain;
use jinyun_base::{Fault, Id, Refusal, Refused};
use jinyun_engine::{Command, Failure, Have, Query};
use jinyun_policy::Object;
use jinyun_rest::{Call, Reply, Route, Shape, Words, crud};
use serde_json::{Map, Value, json};
use std::sync::Arc;

impl Shape for Domain {
    const ONE: &'static str = "domain";
    const MANY: &'static str = "domains";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("domain")?;
        words.only(&["name", "description", "enabled", "options", "tags"])?;
        no_options(&words)?;
        if words.texts("tags")?.is_some_and(|t| !t.is_empty()) {
            return Err(Refusal::invalid("tags", "of domains are not offered").into());
        }
        Ok(call.command("identity:domain:create").with(json!({
            "name": words.need("name")?,
            "description": words.long_text("description")?.unwrap_or_default(),
            "enabled": words.flag("enabled")?.unwrap_or(true),
        })))
    }

    fn update(call: &Call<'_>, have: &Have<Domain>) -> Result<Command, Failure> {
        let words = call.words("domain")?;
        words.only(&["id", "name", "description", "enabled", "options"])?;
        same_id(&words, &have.id)?;
        no_options(&words)?;
        let mut patch = json!({});
        if let Some(name) = words.text("name")? {
            patch["name"] = name.into();
        }
        if let Some(text) = words.long_text("description")? {
            patch["description"] = text.into();
        }
        if let Some(on) = words.flag("enabled")? {
            patch["enabled"] = on.into();
        }
        Ok(call.command("identity:domain:update").with(patch))
    }

    fn show(have: &Have<Domain>, call: &Call<'_>) -> Result<Value, Fault> {
        Ok(json!({
            "id": have.id, "name": have.spec.name, "description": have.spec.description,
            "enabled": have.spec.enabled, "options": {}, "tags": [],
            "links": { "self": link(call, &format!("/v3/domains/{}", have.id)) },
        }))
    }
}

/// Keystone's one option, `immutable`, is not offered; saying that a thing is not is no request.
pub(super) fn no_options(words: &Words<'_>) -> Result<(), Failure> {
    if let Some(options) = words.object("options")? {
        options.only(&["immutable"])?;
        if options.flag("immutable")? == Some(true) {
            return Err(Refusal::invalid("immutable", "is not offered").into());
        }
    }
    Ok(())
}

/// Refuses a body that would give the thing another id.
pub(super) fn same_id(words: &Words<'_>, id: &Id) -> Result<(), Failure> {
    match words.text("id")? {
        Some(other) if other != id.as_str() => {
            Err(Refusal::invalid("id", "cannot be changed").into())
        }
        _ => Ok(()),
    }
}

/// A domain is its people's: whoever works in it or in one of its projects may look at it.
fn look(call: &Call<'_>, have: &Have<Domain>) -> Object {
    let own = call.actor.domain_of_scope() == Some(&have.id);
    Object { owner: own.then(|| call.actor.id.clone()), ..object(have) }
}

pub(super) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    let mut all = crud::<Domain>("/v3/domains", &["create", "update", "delete"]);
    all.push(Route::new("GET", "/v3/domains", Domain::action("list"), |call| {
        let name = call.ask("name").map(String::from);
        listed::<Domain>(call, "/v3/domains", Query { name, ..Query::default() }, |_| true)
    }));
    all.push(Route::new("GET", "/v3/domains/{id}", Domain::action("show"), |call| {
        let have = seen(call, call.param("id"), "identity:domain:show", |h| look(call, h))?;
        Ok(Reply::ok(json!({ "domain": Domain::show(&have, call)? })))
    }));
    all.extend(defaults(identity));
    all.extend(rules(identity));
    all
}

/// The one group of settings that a domain has.
const GROUP: &str = "security_compliance";

fn members(rules: &Compliance) -> Result<Map<String, Value>, Fault> {
    match super::encoded(rules)? {
        Value::Object(mut members) => {
            members.remove("domain");
            Ok(members)
        }
        _ => Err(Fault::new("security rules that are no object")),
    }
}

/// Settings as Keystone shows them: all groups, one group, or one option.
fn shown(call: &Call<'_>, rules: &Compliance) -> Result<Reply, Failure> {
    let members = members(rules)?;
    let config = match (call.param("group"), call.param("option")) {
        ("", _) => json!({ GROUP: members }),
        (GROUP, "") => json!({ GROUP: members }),
        (GROUP, option) => match members.get(option) {
            Some(value) => json!({ option: value }),
            None => return Err(unknown(option)),
        },
        (group, _) => return Err(unknown(group)),
    };
    Ok(Reply::ok(json!({ "config": config })))
}

fn unknown(what: &str) -> Failure {
    Refusal::not_found("domain config", what).into()
}

/// What holds where an institution has not said otherwise.
fn defaults(identity: &Arc<Identity>) -> Vec<Route> {
    let paths = ["/v3/domains/config/default", "/v3/domains/config/{group}/default",
        "/v3/domains/config/{group}/{option}/default"];
    paths.into_iter().map(|path| {
        let i = identity.clone();
        Route::new("GET", path, "", move |call| {
            shown(call, &i.directory.compliance(&jinyun_policy::PROVIDER.into()))
        })
    }).collect()
}

/// The changed members that a request names.
fn asked(call: &Call<'_>) -> Result<Map<String, Value>, Failure> {
    let config = call.words("config")?;
    let patch = match (call.param("group"), call.param("option")) {
        (GROUP, option) if !option.is_empty() => {
            config.only(&[option])?;
            Compliance::patch(&config)?
        }
        ("" | GROUP, _) => {
            config.only(&[GROUP])?;
            let group = config.object(GROUP)?
                .ok_or_else(|| Refusal::invalid(GROUP, "is required"))?;
            Compliance::patch(&group)?
        }
        (group, _) => return Err(unknown(group)),
    };
    Ok(patch.as_object().cloned().unwrap_or_default())
}

/// Sets a domain's rules. What is not named stays as it holds now, or with `whole` becomes what
/// holds elsewhere.
fn change(i: &Identity, call: &Call<'_>, whole: bool) -> Result<Reply, Failure> {
    let id = Id::new(call.param("id"));
    seen::<Domain>(call, id.as_str(), "identity:domain:show", |h| look(call, h))?;
    if domain_config::asked(call) {
        return domain_config::change(i, call, &id, whole);
    }
    let provider = Id::new(jinyun_policy::PROVIDER);
    let fresh = !i.directory.has_compliance(&id);
    let base = match whole {
        true if id == provider => Compliance::default(),
        true => i.directory.compliance(&provider),
        false => i.directory.compliance(&id),
    };
    let mut all = members(&base)?;
    all.extend(asked(call)?);
    let mut command = call.command("identity:compliance:update").with(Value::Object(all));
    command.domain = Some(id.clone());
    call.run(command)?;
    let reply = shown(call, &i.directory.compliance(&id))?;
    Ok(Reply { status: if whole && fresh { 201 } else { 200 }, ..reply })
}

/// A domain's settings, for those who may see them.
fn read_config(i: &Identity, call: &Call<'_>) -> Result<Reply, Failure> {
    let id = Id::new(call.param("id"));
    seen::<Domain>(call, id.as_str(), "identity:domain:show", |h| look(call, h))?;
    if domain_config::ours(call) {
        return domain_config::shown(call, &id);
    }
    domain_config::added(call, &id, shown(call, &i.directory.compliance(&id))?)
}

fn rules(identity: &Arc<Identity>) -> Vec<Route> {
    let base = "/v3/domains/{id}/config";
    let paths = [base.to_string(), format!("{base}/{{group}}"),
        format!("{base}/{{group}}/{{option}}")];
    let mut all = Vec::new();
    for (depth, path) in paths.iter().enumerate() {
        let i = identity.clone();
        let get = move |call: &Call<'_>| read_config(&i, call);
        all.push(Route::new("GET", path, "identity:domain:show", get));
        let i = identity.clone();
        let head = move |call: &Call<'_>| {
            read_config(&i, call).map(|reply| Reply::empty(reply.status))
        };
        all.push(Route::new("HEAD", path, "identity:domain:show", head));
        let i = identity.clone();
        let patch = move |call: &Call<'_>| change(&i, call, false);
        all.push(Route::new("PATCH", path, "identity:compliance:update", patch));
        if depth < 2 {
            let i = identity.clone();
            let put = move |call: &Call<'_>| change(&i, call, true);
            all.push(Route::new("PUT", path, "identity:compliance:update", put));
            let delete = move |call: &Call<'_>| {
                let id = call.param("id");
                seen::<Domain>(call, id, "identity:domain:show", |h| look(call, h))?;
                if domain_config::ours(call) {
                    return domain_config::delete(call, &Id::new(id));
                }
                if !["", GROUP].contains(&call.param("group")) {
                    return Err(unknown(call.param("group")));
                }
                call.run(call.command("identity:compliance:delete").on(id))?;
                Ok(Reply::empty(204))
            };
            all.push(Route::new("DELETE", path, "identity:compliance:delete", delete));
        } else {
            all.push(Route::new("DELETE", path, "identity:compliance:delete", |call| {
                // An option that is not set does not exist; it is set back by its value.
                let say = format!("One option is not taken back by itself: PATCH it, or DELETE {}.",
                    here(call, "/v3/domains/{id}/config"));
                Err(Refusal::new(Refused::Forbidden, say).into())
            }));
        }
    }
    all
}
