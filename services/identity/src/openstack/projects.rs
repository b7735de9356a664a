//! Projects, their trees and their tags.

use super::domains::{no_options, same_id};
use super::{asks, domain_of, here, link, listed, may, object};
use crate::auth::Identity;
use crate::project::Project;
use jinyun_base::{Fault, Id, Refusal};
use jinyun_engine::{Command, Failure, Have, Query};
use jinyun_rest::{Call, Reply, Route, Shape, crud};
use serde_json::{Map, Value, json};
use std::sync::Arc;

impl Shape for Project {
    const ONE: &'static str = "project";
    const MANY: &'static str = "projects";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("project")?;
        words.only(&["name", "description", "enabled", "domain_id", "parent_id", "is_domain",
            "tags", "options"])?;
        no_options(&words)?;
        let parent = words.text("parent_id")?.map(Id::new);
        // A parent of another domain is found out by the project's own rules.
        let domain = domain_of(call, &words, "identity:project:create")?;
        if words.flag("is_domain")? == Some(true) {
            return Err(Refusal::invalid("is_domain", "is not offered: make a domain").into());
        }
        let mut command = call.command("identity:project:create").with(json!({
            "name": words.need("name")?,
            "description": words.long_text("description")?.unwrap_or_default(),
            "enabled": words.flag("enabled")?.unwrap_or(true),
            "domain": domain,
            "tags": words.texts("tags")?.unwrap_or_default(),
            "parent": parent.filter(|p| *p != domain),
        }));
        command.domain = Some(domain);
        Ok(command)
    }

    fn update(call: &Call<'_>, have: &Have<Project>) -> Result<Command, Failure> {
        let words = call.words("project")?;
        words.only(&["id", "name", "description", "enabled", "tags", "options", "parent_id",
            "domain_id", "is_domain"])?;
        same_id(&words, &have.id)?;
        no_options(&words)?;
        if words.text("domain_id")?.is_some_and(|d| d != have.domain.as_str()) {
            return Err(Refusal::invalid("domain_id", "cannot be changed").into());
        }
        if words.flag("is_domain")? == Some(true) {
            return Err(Refusal::invalid("is_domain", "cannot be changed").into());
        }
        let mut patch = json!({});
        if let Some(parent) = words.text("parent_id")? {
            let top = parent == have.domain.as_str();
            patch["parent"] = if top { Value::Null } else { parent.into() };
        }
        if let Some(name) = words.text("name")? {
            patch["name"] = name.into();
        }
        if let Some(text) = words.long_text("description")? {
            patch["description"] = text.into();
        }
        if let Some(on) = words.flag("enabled")? {
            patch["enabled"] = on.into();
        }
        if let Some(tags) = words.texts("tags")? {
            patch["tags"] = tags.into();
        }
        Ok(call.command("identity:project:update").with(patch))
    }

    fn show(have: &Have<Project>, call: &Call<'_>) -> Result<Value, Fault> {
        Ok(json!({
            "id": have.id, "name": have.spec.name, "description": have.spec.description,
            "enabled": have.spec.enabled, "domain_id": have.domain,
            "parent_id": have.spec.parent.as_ref().unwrap_or(&have.domain),
            "is_domain": false, "tags": have.spec.tags, "options": {},
            "links": { "self": link(call, &format!("/v3/projects/{}", have.id)) },
        }))
    }
}

pub(super) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    let mut all = crud::<Project>("/v3/projects", &["create", "update", "delete"]);
    all.push(Route::new("GET", "/v3/projects", Project::action("list"), list));
    let i = identity.clone();
    all.push(Route::new("GET", "/v3/projects/{id}", Project::action("show"), move |call| {
        let have = call.show::<Project>(call.param("id"))?;
        let mut shown = Project::show(&have, call)?;
        family(&i, call, &have, &mut shown)?;
        Ok(Reply::ok(json!({ "project": shown })))
    }));
    all.extend(tags());
    all
}

/// Tags of a parameter: all of them, or one of them.
fn tagged(call: &Call<'_>, have: &Have<Project>) -> bool {
    let has = |tag: &str| have.spec.tags.iter().any(|t| t == tag);
    let all = |asked: &str| asked.split(',').all(has);
    let any = |asked: &str| asked.split(',').any(has);
    call.ask("tags").is_none_or(all) && call.ask("tags-any").is_none_or(any)
        && !call.ask("not-tags").is_some_and(all) && !call.ask("not-tags-any").is_some_and(any)
}

fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let query = Query {
        name: call.ask("name").map(String::from),
        domain: call.ask("domain_id").map(Id::new),
        ..Query::default()
    };
    listed::<Project>(call, "/v3/projects", query, |have| tagged(call, have))
}

/// Projects of these ids that the caller may see, each in its envelope.
fn relatives(call: &Call<'_>, ids: Vec<Id>) -> Result<Value, Failure> {
    let mut shown = Vec::new();
    for id in ids {
        if let Some(have) = call.view(|v| v.get::<Project>(&id))?
            && may(call, "identity:project:show", &object(&have))
        {
            shown.push(json!({ "project": Project::show(&have, call)? }));
        }
    }
    Ok(shown.into())
}

/// What lies above and below a project, in the form that was asked for.
fn family(i: &Identity, call: &Call<'_>, have: &Have<Project>, shown: &mut Value)
    -> Result<(), Failure> {
    for side in ["parents", "subtree"] {
        let (list, ids) = (format!("{side}_as_list"), format!("{side}_as_ids"));
        if asks(call, &list) && asks(call, &ids) {
            let say = format!("and {ids} cannot be used at the same time");
            return Err(Refusal::invalid(&list, say).into());
        }
    }
    if asks(call, "parents_as_list") {
        shown["parents"] = relatives(call, i.directory.above(&have.id))?;
    } else if asks(call, "parents_as_ids") {
        let top = json!({ have.domain.as_str(): null });
        let above = i.directory.above(&have.id);
        shown["parents"] = above.iter().rev().fold(top, |up, id| json!({ id.as_str(): up }));
    }
    if asks(call, "subtree_as_list") {
        shown["subtree"] = relatives(call, i.directory.below(&have.id))?;
    } else if asks(call, "subtree_as_ids") {
        shown["subtree"] = tree(i, &have.id);
    }
    Ok(())
}

/// What lies in a project as nested ids; as deep as projects nest.
fn tree(i: &Identity, id: &Id) -> Value {
    let children = i.directory.children(id);
    if children.is_empty() {
        return Value::Null;
    }
    let members = children.iter().map(|c| (c.to_string(), tree(i, c)));
    Value::Object(Map::from_iter(members))
}

/// A command that sets a project's tags, only if nobody changed the project meanwhile.
fn set_tags(call: &Call<'_>, have: &Have<Project>, tags: &[String]) -> Result<(), Failure> {
    let mut command = call.command("identity:project:update").on(have.id.clone())
        .with(json!({ "tags": tags }));
    command.if_generation = Some(have.generation);
    call.run(command).map(drop)
}

fn tags() -> Vec<Route> {
    const ALL: &str = "/v3/projects/{id}/tags";
    const ONE: &str = "/v3/projects/{id}/tags/{tag}";
    let (show, update) = (Project::action("show"), Project::action("update"));
    let shown = |call: &Call<'_>, tags: &[String]| {
        Reply::ok(json!({ "tags": tags, "links": { "self": here(call, ALL) } }))
    };
    let check = |call: &Call<'_>| {
        let have = call.show::<Project>(call.param("id"))?;
        match have.spec.tags.iter().any(|t| t == call.param("tag")) {
            true => Ok(Reply::empty(204)),
            false => Err(super::missing("project tag", call.param("tag"))),
        }
    };
    vec![
        Route::new("GET", ALL, show.clone(), move |call| {
            let have = call.show::<Project>(call.param("id"))?;
            Ok(shown(call, &have.spec.tags))
        }),
        Route::new("PUT", ALL, update.clone(), move |call| {
            let have = call.show::<Project>(call.param("id"))?;
            let members = call.body.as_object()
                .ok_or_else(|| Refusal::invalid("tags", "is required"))?;
            let words = jinyun_rest::Words::new("tags", members);
            words.only(&["tags"])?;
            let tags = words.texts("tags")?
                .ok_or_else(|| Refusal::invalid("tags", "is required"))?;
            set_tags(call, &have, &tags)?;
            Ok(shown(call, &tags))
        }),
        Route::new("DELETE", ALL, update.clone(), |call| {
            let have = call.show::<Project>(call.param("id"))?;
            set_tags(call, &have, &[])?;
            Ok(Reply::empty(204))
        }),
        Route::new("GET", ONE, show.clone(), check),
        Route::new("HEAD", ONE, show, check),
        Route::new("PUT", ONE, update.clone(), |call| {
            let have = call.show::<Project>(call.param("id"))?;
            // Decided first: a tag that is there already changes nothing and runs no command.
            let asked = call.command(Project::action("update")).on(have.id.clone());
            call.cloud.reader.allow(&asked, &object(&have))?;
            let mut tags = have.spec.tags.clone();
            if !tags.iter().any(|t| t == call.param("tag")) {
                tags.push(call.param("tag").to_string());
                set_tags(call, &have, &tags)?;
            }
            Ok(Reply::empty(201).header("location", here(call, ONE)))
        }),
        Route::new("DELETE", ONE, update, |call| {
            let have = call.show::<Project>(call.param("id"))?;
            let mut tags = have.spec.tags.clone();
            tags.retain(|t| t != call.param("tag"));
            if tags.len() == have.spec.tags.len() {
                return Err(super::missing("project tag", call.param("tag")));
            }
            set_tags(call, &have, &tags)?;
            Ok(Reply::empty(204))
        }),
    ]
}
