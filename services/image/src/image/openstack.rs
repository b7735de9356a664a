//! Glance v2: images as bare objects, and their data.
//!
//! What a caller may not know of is 404, as in Glance; what it may see and not change is 403. An
//! image whose deletion was asked is gone for its API, whatever still needs its file.

use super::actions::not_queued;
use super::list;
use super::patch::{Change, owner, parse_patch, visibility};
use super::{ACTIVE, Image, ImageSpec, QUEUED, is_uuid, schema};
use crate::files::{Files, LARGEST};
use jinyun_base::{Fault, Refusal};
use jinyun_engine::{Command, Failure, Have, Resource};
use jinyun_policy::{Object, Scope};
use jinyun_rest::{Body, Call, Reply, Route, Words};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The provider's staff, who reach the provider's images under actions of their own.
pub(crate) fn staff(call: &Call<'_>) -> bool {
    call.actor.scope == Scope::System
}

/// A command about an image under the name that holds for the caller.
fn asks(call: &Call<'_>, tenant: &str, provider: &str) -> Command {
    call.command(if staff(call) { provider } else { tenant })
}

/// The image of the path, if the caller may see it.
fn one(call: &Call<'_>, action: &str) -> Result<Have<Image>, Failure> {
    let id = call.param("id");
    let asked = asks(call, action, "image:image:provided").on(id);
    let have = call.cloud.reader.show::<Image>(&asked)?;
    if staff(call) && !have.project.as_str().is_empty() {
        return Err(call.cloud.reader.deny(&asked, Refusal::not_found("image", id)));
    }
    if have.deleting {
        return Err(Refusal::not_found("image", id).into());
    }
    Ok(have)
}

fn text_or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// As Glance shows it.
pub(crate) fn show(have: &Have<Image>) -> Value {
    let (id, spec) = (&have.id, &have.spec);
    let active = spec.status == ACTIVE;
    let when_active = |value: Value| if active { value } else { Value::Null };
    let mut members: Map<String, Value> =
        spec.properties.iter().map(|(n, v)| (n.clone(), v.as_str().into())).collect();
    let base = [
        ("id", json!(id)),
        ("name", text_or_null(&spec.name)),
        ("status", json!(spec.status)),
        ("visibility", json!(spec.visibility)),
        ("owner", text_or_null(have.project.as_str())),
        ("size", when_active(spec.bytes.into())),
        ("virtual_size", when_active(spec.virtual_bytes.into())),
        // MD5: protects nothing. Clients verify by `os_hash_value`.
        ("checksum", Value::Null),
        ("os_hash_algo", when_active("sha512".into())),
        ("os_hash_value", when_active(spec.sha512.as_str().into())),
        ("disk_format", text_or_null(&spec.disk_format)),
        ("container_format", text_or_null(&spec.container_format)),
        ("min_disk", spec.min_disk.into()),
        ("min_ram", spec.min_ram.into()),
        ("protected", spec.protected.into()),
        ("os_hidden", false.into()),
        ("tags", json!(spec.tags)),
        ("created_at", have.created.seconds().into()),
        ("updated_at", have.updated.seconds().into()),
        ("self", format!("/v2/images/{id}").into()),
        ("file", format!("/v2/images/{id}/file").into()),
        ("schema", "/v2/schemas/image".into()),
    ];
    members.extend(base.map(|(name, value)| (name.to_string(), value)));
    if active {
        members.insert("jinyun_sha256".into(), spec.sha256.as_str().into());
    }
    Value::Object(members)
}

fn create(call: &Call<'_>) -> Result<Reply, Failure> {
    let Some(members) = call.body.as_object() else {
        return Err(Refusal::invalid("body", "must be a JSON object").into());
    };
    let words = Words::new("image", members);
    owner(&words, call.actor.project().map_or("", |p| p.as_str()))?;
    let mut spec = ImageSpec::default();
    if let Some(asked) = words.text("visibility")? {
        if !["private", "public"].contains(&asked.as_str()) {
            return Err(visibility(&asked).into());
        }
        spec.visibility = asked;
    }
    let mut change = Change::default();
    for name in words.names().filter(|n| !["id", "owner", "visibility"].contains(n)) {
        change.read(name, &words)?;
    }
    change.apply(&mut spec)?;
    let public = spec.visibility == "public";
    let mut args = serde_json::to_value(&spec)
        .map_err(|e| Fault::new(format!("encoding an image: {e}")))?;
    if let Some(id) = words.text("id")? {
        if !is_uuid(&id) {
            return Err(Refusal::invalid("id", "must be a UUID").into());
        }
        args["id"] = id.into();
    }
    let action = if public { "image:image:publicize" } else { "image:image:create" };
    let row = call.run(call.command(action).with(args))?.row;
    let id = row.ok_or_else(|| Fault::new("a creation returned no row"))?.id;
    let location = format!("{}/v2/images/{id}", call.base);
    Ok(Reply::with(201, show(&call.again(&id)?)).header("Location", location))
}

fn change(call: &Call<'_>, have: &Have<Image>, change: &Change) -> Result<(), Failure> {
    let args = serde_json::to_value(change)
        .map_err(|e| Fault::new(format!("encoding a change: {e}")))?;
    let command = asks(call, "image:image:update", "image:image:amend");
    call.run(command.on(have.id.clone()).with(args))?;
    Ok(())
}

fn patch(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = one(call, "image:image:show")?;
    let wanted = parse_patch(&call.body, &have.spec, have.project.as_str())?;
    change(call, &have, &wanted)?;
    Ok(Reply::ok(show(&call.again(&have.id)?)))
}

fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = one(call, "image:image:show")?;
    let command = asks(call, "image:image:delete", "image:image:withdraw");
    call.run(command.on(have.id))?;
    Ok(Reply::empty(204))
}

fn tag(call: &Call<'_>, add: bool) -> Result<Reply, Failure> {
    let have = one(call, "image:image:show")?;
    let tag = call.param("tag").to_string();
    if !add && !have.spec.tags.contains(&tag) {
        return Err(Refusal::not_found("tag", &tag).into());
    }
    let mut wanted = Change::default();
    if add {
        wanted.add_tags.push(tag);
    } else {
        wanted.drop_tags.push(tag);
    }
    change(call, &have, &wanted)?;
    Ok(Reply::empty(204))
}

/// Takes the data. The decision comes before the first byte, the record after the last.
fn upload(call: &Call<'_>, files: &Files) -> Result<Reply, Failure> {
    let have = one(call, "image:image:show")?;
    let asked = asks(call, "image:image:activate", "image:image:supply").on(have.id.clone());
    let object = Object {
        what: Some((Image::KIND, have.id.clone())),
        domain: Some(have.domain.clone()),
        project: (!have.project.as_str().is_empty()).then(|| have.project.clone()),
        owner: None,
        shared: Image::shared(&have.spec),
    };
    call.cloud.reader.allow(&asked, &object)?;
    let held = files.reserve(&have.id)?;
    // Again, now that nobody else uploads: whoever did may have finished.
    let have: Have<Image> = call.again(&have.id)?;
    if have.spec.status != QUEUED {
        return Err(call.cloud.reader.deny(&asked, not_queued(&have.spec.status)));
    }
    if have.spec.disk_format.is_empty() || have.spec.container_format.is_empty() {
        let say = "and container_format must be set before the data is uploaded";
        return Err(Refusal::invalid("disk_format", say).into());
    }
    let input = call.input.lock().ok().and_then(|mut input| input.take());
    let Some(mut input) = input else {
        return Err(Refusal::invalid("data", "is missing: send it as the request's body").into());
    };
    let arrived = match held.receive(&mut *input, &have.spec.disk_format, LARGEST) {
        // A file that would have opened others is worth a line in the journal.
        Err(Failure::Refused(why)) => return Err(call.cloud.reader.deny(&asked, why)),
        other => other?,
    };
    held.keep()?;
    let args = serde_json::to_value(&arrived)
        .map_err(|e| Fault::new(format!("encoding what arrived: {e}")))?;
    match call.run(asked.with(args)) {
        Ok(_) => Ok(Reply::empty(204)),
        Err(Failure::Refused(why)) => {
            files.remove(&have.id)?;
            Err(why.into())
        }
        // Whether the record says "active" is not known: the file stays, a sweep or a second
        // upload takes care of it.
        Err(fault) => Err(fault),
    }
}

fn download(call: &Call<'_>, files: &Files) -> Result<Reply, Failure> {
    let have = one(call, "image:image:download")?;
    if have.spec.status != ACTIVE {
        return Ok(Reply::empty(204));
    }
    let headers = vec![("Content-Type", "application/octet-stream".to_string())];
    Ok(Reply { status: 200, body: Body::File(files.path(&have.id)), headers })
}

/// No import: data comes by upload only. openstacksdk and glanceclient ask.
fn import(_: &Call<'_>) -> Result<Reply, Failure> {
    Ok(Reply::ok(json!({ "import-methods": {
        "description": "Import methods available.", "type": "array", "value": [],
    } })))
}

/// All operations.
pub(crate) fn routes(files: &Arc<Files>) -> Vec<Route> {
    let (into, from) = (Arc::clone(files), Arc::clone(files));
    let (all, item) = ("/v2/images", "/v2/images/{id}");
    let (data, tags) = ("/v2/images/{id}/file", "/v2/images/{id}/tags/{tag}");
    let update = "image:image:update";
    let mut routes = vec![
        Route::new("GET", all, "image:image:list", list::list),
        Route::new("POST", all, "image:image:create", create),
        Route::new("GET", item, "image:image:show", |call| {
            Ok(Reply::ok(show(&one(call, "image:image:show")?)))
        }),
        Route::new("PATCH", item, update, patch),
        Route::new("DELETE", item, "image:image:delete", delete),
        Route::new("PUT", tags, update, |call| tag(call, true)),
        Route::new("DELETE", tags, update, |call| tag(call, false)),
        Route::new("PUT", data, "image:image:activate", move |call| upload(call, &into)).stream(),
        Route::new("GET", data, "image:image:download", move |call| download(call, &from)),
        Route::new("GET", "/v2/info/import", "", import),
    ];
    routes.extend(schema::NAMES.into_iter().map(|name| {
        let path = format!("/v2/schemas/{name}");
        Route::new("GET", path, "", move |_| Ok(Reply::ok(schema::of(name))))
    }));
    routes
}
