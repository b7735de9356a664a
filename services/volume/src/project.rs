//! What a project is offered: the volume type, the zone, and how much it may have.
//!
//! There is one volume type because there is one way to keep a volume: encrypted. Limits are only
//! read here: they are rows of identity's, set by the system administrator there.

use jinyun_base::{Id, Refusal, Refused};
use jinyun_engine::Failure;
use jinyun_policy::Object;
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Map, Value, json};

/// The name of the volume type.
pub const TYPE: &str = "encrypted";

/// Its id.
const TYPE_ID: &str = "6a696e79-756e-4aaa-8aaa-656e63727970";

/// The name of the availability zone.
pub const ZONE: &str = "nova";

/// Quota items with the limits that hold where nobody set others (Cinder's own). Root disks of
/// servers are counted and not limited: flavors and servers limit them.
pub(crate) const ITEMS: &[(&str, i64)] =
    &[("volumes", 10), ("gigabytes", 1000), ("root_gigabytes", -1)];

/// Items of Cinder's for which there is nothing here: a client that adds them up needs numbers.
const NOTHING: &[&str] = &["snapshots", "backups", "backup_gigabytes", "groups"];

/// The project in the path must be the token's.
pub(crate) fn same(call: &Call<'_>) -> Result<(), Failure> {
    if call.actor.project().map(Id::as_str) == Some(call.param("project_id")) {
        return Ok(());
    }
    let say = "Malformed request url: the project in it must be the one that the token is for";
    Err(Refusal::new(Refused::Invalid("project_id".into()), say).into())
}

fn volume_type() -> Value {
    json!({
        "id": TYPE_ID,
        "name": TYPE,
        "description": "Each volume is encrypted with a key of its own (LUKS, AES-256-XTS)",
        "is_public": true,
        "os-volume-type-access:is_public": true,
        "extra_specs": {},
        "qos_specs_id": null,
    })
}

/// Whether a request names the volume type, by name or id.
pub(crate) fn is_type(asked: &str) -> bool {
    asked == TYPE || asked == TYPE_ID
}

fn types(call: &Call<'_>) -> Result<Reply, Failure> {
    let private = call.ask("is_public").is_some_and(|word| word.eq_ignore_ascii_case("false"));
    let named = call.ask("name").is_none_or(|name| name == TYPE);
    let types = if named && !private { vec![volume_type()] } else { Vec::new() };
    Ok(Reply::ok(json!({ "volume_types": types })))
}

/// Only the id names it here, so that clients go on to look for it by name.
fn the_type(call: &Call<'_>) -> Result<Value, Failure> {
    match call.param("id") {
        TYPE_ID | "default" => Ok(volume_type()),
        other => Err(Refusal::not_found("volume_type", other).into()),
    }
}

/// A limit and how much of it is used.
struct Share {
    default: i64,
    limit: i64,
    used: i64,
}

fn share(call: &Call<'_>, project: &Id, item: &str) -> Result<Share, Failure> {
    let default = ITEMS.iter().find(|(name, _)| *name == item).map_or(0, |(_, limit)| *limit);
    Ok(call.cloud.reader.lend(|db| {
        let limit = db.limit(project, item)?.unwrap_or(default);
        Ok(Share { default, limit, used: db.used(project, item)? })
    })?)
}

/// The project whose limits are asked for, if the caller may see them.
fn allowed(call: &Call<'_>, project: &str) -> Result<Id, Failure> {
    let project = Id::new(project);
    let object = Object { project: Some(project.clone()), ..Object::default() };
    call.cloud.reader.allow(&call.command("volume:quota:show"), &object)?;
    Ok(project)
}

fn quotas(call: &Call<'_>, defaults: bool) -> Result<Reply, Failure> {
    let project = allowed(call, call.param("target"))?;
    let usage = call.ask("usage").is_some_and(|word| word.eq_ignore_ascii_case("true"));
    let mut quota = Map::new();
    let mut put = |item: &str, limit: i64, used: i64| {
        let shown = if usage && !defaults {
            json!({ "limit": limit, "in_use": used, "reserved": 0 })
        } else {
            json!(limit)
        };
        quota.insert(item.to_string(), shown);
    };
    for item in ["volumes", "gigabytes"] {
        let share = share(call, &project, item)?;
        put(item, if defaults { share.default } else { share.limit }, share.used);
    }
    NOTHING.iter().for_each(|item| put(item, 0, 0));
    put("per_volume_gigabytes", -1, 0);
    quota.insert("id".into(), json!(project));
    Ok(Reply::ok(json!({ "quota_set": quota })))
}

fn limits(call: &Call<'_>) -> Result<Reply, Failure> {
    let project = allowed(call, call.param("project_id"))?;
    let (volumes, gigabytes) =
        (share(call, &project, "volumes")?, share(call, &project, "gigabytes")?);
    let absolute = json!({
        "maxTotalVolumes": volumes.limit,
        "totalVolumesUsed": volumes.used,
        "maxTotalVolumeGigabytes": gigabytes.limit,
        "totalGigabytesUsed": gigabytes.used,
        "maxTotalSnapshots": 0,
        "totalSnapshotsUsed": 0,
        "maxTotalBackups": 0,
        "totalBackupsUsed": 0,
        "maxTotalBackupGigabytes": 0,
        "totalBackupGigabytesUsed": 0,
    });
    Ok(Reply::ok(json!({ "limits": { "rate": [], "absolute": absolute } })))
}

fn zones(_: &Call<'_>) -> Result<Reply, Failure> {
    let zone = json!({ "zoneName": ZONE, "zoneState": { "available": true } });
    Ok(Reply::ok(json!({ "availabilityZoneInfo": [zone] })))
}

/// The operations.
pub(crate) fn routes() -> Vec<Route> {
    const SHOW: &str = "volume:quota:show";
    let path = |rest: &str| format!("/v3/{{project_id}}/{rest}");
    vec![
        Route::new("GET", path("types"), "", types),
        Route::new("GET", path("types/default"), "", |_| {
            Ok(Reply::ok(json!({ "volume_type": volume_type() })))
        }),
        Route::new("GET", path("types/{id}"), "", |call| {
            Ok(Reply::ok(json!({ "volume_type": the_type(call)? })))
        }),
        Route::new("GET", path("types/{id}/extra_specs"), "", |call| {
            the_type(call)?;
            Ok(Reply::ok(json!({ "extra_specs": {} })))
        }),
        Route::new("GET", path("os-availability-zone"), "", zones),
        Route::new("GET", path("extensions"), "", |_| Ok(Reply::ok(json!({ "extensions": [] })))),
        Route::new("GET", path("limits"), SHOW, limits),
        Route::new("GET", path("os-quota-sets/{target}"), SHOW, |call| quotas(call, false)),
        Route::new("GET", path("os-quota-sets/{target}/defaults"), SHOW, |call| {
            quotas(call, true)
        }),
    ]
}
