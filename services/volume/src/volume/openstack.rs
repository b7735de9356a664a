//! Cinder v3: volumes and their metadata.
//!
//! The root disk of a server is not there for this API. What Cinder knows and we do not offer is
//! refused by name unless it asks for nothing: clients send every member they know as null.

use super::actions::Label;
use super::list::list;
use super::{ImageRef, LARGEST, Volume, VolumeSpec};
use crate::project::{TYPE, ZONE, is_type};
use jinyun_base::{Fault, Id, Refusal, Refused};
use jinyun_engine::{Failure, Have};
use jinyun_image::usable;
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The volume of the path, if the caller may see it and it is no root disk.
fn one(call: &Call<'_>) -> Result<Have<Volume>, Failure> {
    let have = call.show::<Volume>(call.param("id"))?;
    if have.spec.root_of.is_some() {
        return Err(Refusal::not_found("volume", &have.id).into());
    }
    Ok(have)
}

/// Cinder's word for how far it is. Between a change and the driver's next look, the record is
/// ahead of the phase: then it is on its way.
pub(super) fn status(have: &Have<Volume>) -> &str {
    match (have.deleting, have.phase.as_str(), have.spec.server.is_some()) {
        (true, ..) => "deleting",
        (_, "", _) => "creating",
        (_, "available", true) => "attaching",
        (_, "in-use", false) => "detaching",
        (_, phase, _) => phase,
    }
}

fn text_or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// Where it is, with and without the protocol's version.
pub(super) fn links(have: &Have<Volume>, call: &Call<'_>) -> Value {
    let (base, project, id) = (&call.base, &have.project, &have.id);
    json!([
        { "rel": "self", "href": format!("{base}/v3/{project}/volumes/{id}") },
        { "rel": "bookmark", "href": format!("{base}/{project}/volumes/{id}") },
    ])
}

/// As Cinder answers a creation or a change.
fn plain(have: &Have<Volume>, call: &Call<'_>) -> Map<String, Value> {
    let (id, spec) = (&have.id, &have.spec);
    let attachments: Vec<Value> = spec.server.iter().map(|server| json!({
        "id": id,
        "attachment_id": id,
        "volume_id": id,
        "server_id": server,
        "device": spec.device,
        "host_name": null,
        "attached_at": null,
    })).collect();
    let changed = have.updated != have.created;
    let bootable = if spec.image.is_some() { "true" } else { "false" };
    let members = [
        ("id", json!(id)),
        ("name", text_or_null(&spec.name)),
        ("description", text_or_null(&spec.description)),
        ("status", status(have).into()),
        ("size", spec.gib.into()),
        ("volume_type", spec.volume_type.as_str().into()),
        ("availability_zone", ZONE.into()),
        ("bootable", bootable.into()),
        ("encrypted", true.into()),
        ("multiattach", false.into()),
        ("attachments", attachments.into()),
        ("metadata", json!(spec.metadata)),
        ("created_at", have.created.naive().into()),
        ("updated_at", if changed { have.updated.naive().into() } else { Value::Null }),
        ("links", links(have, call)),
        // Who asked stands in the journal, not in the record.
        ("user_id", "".into()),
        ("snapshot_id", Value::Null),
        ("source_volid", Value::Null),
        ("consistencygroup_id", Value::Null),
        ("migration_status", Value::Null),
        ("replication_status", Value::Null),
    ];
    members.map(|(name, value)| (name.to_string(), value)).into_iter().collect()
}

/// As Cinder shows it.
pub(super) fn show(have: &Have<Volume>, call: &Call<'_>) -> Value {
    let mut members = plain(have, call);
    members.insert("os-vol-tenant-attr:tenant_id".into(), json!(have.project));
    if let Some(image) = &have.spec.image {
        members.insert("volume_image_metadata".into(), json!({
            "image_id": image.id,
            "disk_format": image.format,
            "container_format": "bare",
            "size": image.bytes.to_string(),
            "os_hash_algo": "sha512",
            "os_hash_value": image.sha512,
        }));
    }
    Value::Object(members)
}

/// A name or description under either of its two names.
fn either(words: &Words<'_>, name: &'static str, other: &'static str)
    -> Result<Option<String>, Failure> {
    Ok(match words.text(name)? {
        Some(text) => Some(text),
        None if words.has(name) && !words.has(other) => Some(String::new()),
        None => words.text(other)?,
    })
}

/// Pairs of text.
fn pairs(words: &Words<'_>, name: &str) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let Some(object) = words.object(name)? else { return Ok(None) };
    let mut pairs = BTreeMap::new();
    for key in object.names() {
        let Some(Value::String(value)) = object.value(key) else {
            let say = format!("must hold text only; '{key}' is none");
            return Err(Refusal::invalid(name, say).into());
        };
        pairs.insert(key.to_string(), value.clone());
    }
    Ok(Some(pairs))
}

/// Whether a member asks for something.
fn asks(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(_) => true,
    }
}

const KNOWN: &[&str] = &[
    "size", "name", "display_name", "description", "display_description", "volume_type", "imageRef",
    "image_id", "metadata", "availability_zone", "snapshot_id", "source_volid", "source_replica",
    "consistencygroup_id", "group_id", "backup_id", "multiattach", "user_id", "project_id",
    "status", "attach_status", "OS-SCH-HNT:scheduler_hints", "scheduler_hints",
];

/// Members that would make another volume than the one that is offered.
fn unoffered(call: &Call<'_>, words: &Words<'_>) -> Result<(), Failure> {
    // There are none of these: whatever is named is not found, as Cinder says it.
    for (member, kind) in [("snapshot_id", "snapshot"), ("backup_id", "backup")] {
        if asks(words.value(member)) {
            let id = words.need(member)?;
            return Err(Refusal::new(Refused::NotFound, format!(
                "{kind} {id} could not be found: {kind}s are not offered"
            )).into());
        }
    }
    if let Some(source) = words.text("source_volid")?.filter(|id| !id.is_empty()) {
        call.show::<Volume>(&source)?;
        return Err(Refusal::invalid("source_volid", "is not offered: volumes cannot be cloned")
            .into());
    }
    for member in ["consistencygroup_id", "group_id", "source_replica", "multiattach",
        "OS-SCH-HNT:scheduler_hints", "scheduler_hints"] {
        if asks(words.value(member)) {
            return Err(Refusal::invalid(member, "is not offered: leave it out").into());
        }
    }
    if asks(call.body.get("OS-SCH-HNT:scheduler_hints")) {
        let say = "are not offered: leave them out";
        return Err(Refusal::invalid("OS-SCH-HNT:scheduler_hints", say).into());
    }
    Ok(())
}

/// What a creation asks for, without its image.
fn asked(call: &Call<'_>, words: &Words<'_>) -> Result<VolumeSpec, Failure> {
    words.only(KNOWN)?;
    unoffered(call, words)?;
    if let Some(asked) = words.text("volume_type")?
        && !asked.is_empty() && !is_type(&asked)
    {
        return Err(Refusal::not_found("volume_type", asked).into());
    }
    if let Some(zone) = words.text("availability_zone")?
        && !zone.is_empty() && zone != ZONE
    {
        let say = format!("'{zone}' is invalid: there is {ZONE}");
        return Err(Refusal::invalid("availability_zone", say).into());
    }
    Ok(VolumeSpec {
        name: either(words, "name", "display_name")?.unwrap_or_default(),
        description: either(words, "description", "display_description")?.unwrap_or_default(),
        gib: words.int("size", 1, LARGEST)?
            .ok_or_else(|| Refusal::invalid("size", "is required: a whole number of GiB"))?,
        volume_type: TYPE.into(),
        metadata: pairs(words, "metadata")?.unwrap_or_default(),
        ..VolumeSpec::default()
    })
}

fn create(call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("volume")?;
    let mut spec = asked(call, &words)?;
    let image = match words.text("imageRef")? {
        Some(id) => Some(id),
        None => words.text("image_id")?,
    };
    if let Some(id) = image.filter(|id| !id.is_empty()) {
        let project = call.actor.project().cloned().unwrap_or_else(|| Id::new(""));
        // The command looks again, inside its transaction.
        let found = call.view(|view| Ok(usable(view, &project, &Id::new(&id))))?;
        spec.image = Some(ImageRef::of(&found?));
    }
    let args = serde_json::to_value(&spec)
        .map_err(|e| Fault::new(format!("encoding a volume: {e}")))?;
    let row = call.run(call.command("volume:volume:create").with(args))?.row;
    let row = row.ok_or_else(|| Fault::new("a creation returned no row"))?;
    let have: Have<Volume> = call.again(&row.id)?;
    Ok(Reply::with(202, json!({ "volume": plain(&have, call) })))
}

fn update(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = one(call)?;
    let words = call.words("volume")?;
    words.only(&["name", "display_name", "description", "display_description", "metadata"])?;
    let mut args = Map::new();
    if let Some(name) = either(&words, "name", "display_name")? {
        args.insert("name".into(), name.into());
    }
    if let Some(text) = either(&words, "description", "display_description")? {
        args.insert("description".into(), text.into());
    }
    if let Some(pairs) = pairs(&words, "metadata")? {
        args.insert("metadata".into(), json!(pairs));
    }
    let command = call.command("volume:volume:update").on(have.id.clone());
    call.run(command.with(Value::Object(args)))?;
    let have: Have<Volume> = call.again(&have.id)?;
    Ok(Reply::ok(json!({ "volume": plain(&have, call) })))
}

fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = one(call)?;
    call.run(call.command("volume:volume:delete").on(have.id))?;
    Ok(Reply::empty(202))
}

/// Changes metadata and returns what is there then.
fn relabel(call: &Call<'_>, label: &Label) -> Result<BTreeMap<String, String>, Failure> {
    let have = one(call)?;
    let args = serde_json::to_value(label)
        .map_err(|e| Fault::new(format!("encoding metadata: {e}")))?;
    call.run(call.command("volume:volume:label").on(have.id.clone()).with(args))?;
    Ok(call.again::<Volume>(&have.id)?.spec.metadata)
}

fn set_metadata(call: &Call<'_>, anew: bool) -> Result<Reply, Failure> {
    let words = Words::new("body", call.body.as_object().ok_or_else(no_object)?);
    let set = pairs(&words, "metadata")?;
    let set = set.ok_or_else(|| Refusal::invalid("metadata", "is missing"))?;
    let metadata = relabel(call, &Label { anew, set, unset: Vec::new() })?;
    Ok(Reply::ok(json!({ "metadata": metadata })))
}

fn no_object() -> Refusal {
    Refusal::invalid("body", "must be a JSON object")
}

fn metadata(call: &Call<'_>) -> Result<Reply, Failure> {
    Ok(Reply::ok(json!({ "metadata": one(call)?.spec.metadata })))
}

fn pair(call: &Call<'_>) -> Result<Reply, Failure> {
    let (key, have) = (call.param("key"), one(call)?);
    match have.spec.metadata.get(key) {
        Some(value) => {
            let meta = Map::from_iter([(key.to_string(), value.as_str().into())]);
            Ok(Reply::ok(json!({ "meta": meta })))
        }
        None => Err(Refusal::not_found("metadata", key).into()),
    }
}

fn set_pair(call: &Call<'_>) -> Result<Reply, Failure> {
    let key = call.param("key");
    let words = Words::new("body", call.body.as_object().ok_or_else(no_object)?);
    let set = pairs(&words, "meta")?.unwrap_or_default();
    if set.len() != 1 || !set.contains_key(key) {
        let say = format!("must hold one pair, of the name in the path: '{key}'");
        return Err(Refusal::invalid("meta", say).into());
    }
    let shown = json!(set);
    relabel(call, &Label { anew: false, set, unset: Vec::new() })?;
    Ok(Reply::ok(json!({ "meta": shown })))
}

fn drop_pair(call: &Call<'_>) -> Result<Reply, Failure> {
    let unset = vec![call.param("key").to_string()];
    relabel(call, &Label { unset, ..Label::default() })?;
    Ok(Reply::empty(200))
}

/// The operations.
pub(crate) fn routes() -> Vec<Route> {
    let path = |rest: &str| format!("/v3/{{project_id}}/volumes{rest}");
    let (all, item) = ("volume:volume:list", "volume:volume:show");
    let (change, label) = ("volume:volume:update", "volume:volume:label");
    vec![
        Route::new("GET", path(""), all, |call| list(call, false)),
        Route::new("GET", path("/detail"), all, |call| list(call, true)),
        Route::new("POST", path(""), "volume:volume:create", create),
        Route::new("GET", path("/{id}"), item, |call| {
            Ok(Reply::ok(json!({ "volume": show(&one(call)?, call) })))
        }),
        Route::new("PUT", path("/{id}"), change, update),
        Route::new("DELETE", path("/{id}"), "volume:volume:delete", delete),
        Route::new("GET", path("/{id}/metadata"), item, metadata),
        Route::new("POST", path("/{id}/metadata"), label, |call| set_metadata(call, false)),
        Route::new("PUT", path("/{id}/metadata"), label, |call| set_metadata(call, true)),
        Route::new("GET", path("/{id}/metadata/{key}"), item, pair),
        Route::new("PUT", path("/{id}/metadata/{key}"), label, set_pair),
        Route::new("DELETE", path("/{id}/metadata/{key}"), label, drop_pair),
    ]
}
