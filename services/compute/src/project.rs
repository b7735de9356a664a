//! What Nova tells about a project and the cloud as a whole: limits, quotas, zones, services.
//!
//! The same numbers that the write path checks: a project's use, the limit that somebody set for
//! it, else the default. What Nova counts and we do not offer has the limit 0; what is offered
//! without being counted has Nova's default.

use crate::hosts::Host;
use crate::server::{LABELS, ZONE};
use jinyun_base::{Fault, Id, Refusal};
use jinyun_engine::{Failure, Query};
use jinyun_policy::Object;
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Map, Value, json};

/// Quota items with the limits that hold where nobody set another, as in Nova.
pub(crate) const ITEMS: &[(&str, i64)] = &[("instances", 10), ("cores", 20), ("ram", 51_200)];
/// Nova's default; key pairs belong to users and are not counted.
const KEY_PAIRS: i64 = 100;

/// Used and allowed of an item.
fn usage(call: &Call<'_>, project: &Id, item: &str) -> Result<(i64, i64), Fault> {
    let usual = call.cloud.reader.registry().default_limit(item).unwrap_or(-1);
    call.cloud.reader.lend(|db| {
        Ok((db.used(project, item)?, db.limit(project, item)?.unwrap_or(usual)))
    })
}

/// Decides whether the caller may read a project's quota.
fn allow(call: &Call<'_>, project: &Id) -> Result<(), Failure> {
    let object = Object { project: Some(project.clone()), ..Object::default() };
    call.cloud.reader.allow(&call.command("compute:quota:show"), &object)
}

fn limits(call: &Call<'_>) -> Result<Reply, Failure> {
    let own = call.actor.project().cloned();
    let asked = call.ask("tenant_id").map(Id::new);
    let Some(project) = asked.or(own) else {
        return Err(Refusal::invalid("tenant_id", "is required: use a project's token").into());
    };
    allow(call, &project)?;
    let mut all = Map::new();
    let names = [
        ("instances", "maxTotalInstances", "totalInstancesUsed"),
        ("cores", "maxTotalCores", "totalCoresUsed"),
        ("ram", "maxTotalRAMSize", "totalRAMUsed"),
    ];
    for (item, most, used) in names {
        let (is, limit) = usage(call, &project, item)?;
        all.insert(most.into(), limit.into());
        all.insert(used.into(), is.into());
    }
    all.insert("maxTotalKeypairs".into(), KEY_PAIRS.into());
    all.insert("maxServerMeta".into(), LABELS.into());
    Ok(Reply::ok(json!({ "limits": { "rate": [], "absolute": all } })))
}

/// How a quota is shown.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Plain,
    Detail,
    Defaults,
}

fn quota(call: &Call<'_>, how: How) -> Result<Reply, Failure> {
    let project = Id::new(call.param("project"));
    allow(call, &project)?;
    let mut set = Map::new();
    set.insert("id".into(), project.as_str().into());
    let mut put = |item: &str, used: i64, limit: i64| {
        let value = match how {
            How::Detail => json!({ "in_use": used, "reserved": 0, "limit": limit }),
            How::Plain | How::Defaults => limit.into(),
        };
        set.insert(item.into(), value);
    };
    for (item, default) in ITEMS {
        let (used, limit) = usage(call, &project, item)?;
        put(item, used, if how == How::Defaults { *default } else { limit });
    }
    put("key_pairs", 0, KEY_PAIRS);
    put("metadata_items", 0, i64::try_from(LABELS).unwrap_or(0));
    // Not offered at all: none may be made.
    for item in ["injected_files", "injected_file_content_bytes", "injected_file_path_bytes",
        "server_groups", "server_group_members"] {
        put(item, 0, 0);
    }
    Ok(Reply::ok(json!({ "quota_set": set })))
}

fn zones(call: &Call<'_>, detail: bool) -> Result<Reply, Failure> {
    let mut zone = json!({
        "zoneName": ZONE,
        "zoneState": { "available": true },
        "hosts": null,
    });
    if detail {
        let asked = call.command("compute:host:list");
        call.cloud.reader.allow(&asked, &Object::default())?;
        let mut hosts = Map::new();
        for host in call.list::<Host>(&Query::default())? {
            let state = json!({ "available": true, "active": true,
                "updated_at": host.updated.naive() });
            hosts.insert(host.spec.name, json!({ "nova-compute": state }));
        }
        zone["hosts"] = Value::Object(hosts);
    }
    Ok(Reply::ok(json!({ "availabilityZoneInfo": [zone] })))
}

fn services(call: &Call<'_>) -> Result<Reply, Failure> {
    let asked = call.command("compute:host:list");
    call.cloud.reader.allow(&asked, &Object::default())?;
    let hosts = call.list::<Host>(&Query::default())?;
    let shown: Vec<Value> = hosts.iter().enumerate().map(|(n, host)| json!({
        "id": n + 1,
        "binary": "nova-compute",
        "host": host.spec.name,
        "zone": ZONE,
        "status": "enabled",
        "state": "up",
        "disabled_reason": null,
        "updated_at": host.updated.naive(),
    })).collect();
    Ok(Reply::ok(json!({ "services": shown })))
}

/// Nova has put everything into the core long ago; old clients still ask.
fn extensions(_: &Call<'_>) -> Result<Reply, Failure> {
    Ok(Reply::ok(json!({ "extensions": [] })))
}

/// The operations.
pub(crate) fn routes() -> Vec<Route> {
    let (quotas, hosts) = ("compute:quota:show", "compute:host:list");
    let set = "/v2.1/os-quota-sets/{project}";
    let zone = "/v2.1/os-availability-zone";
    vec![
        Route::new("GET", "/v2.1/limits", quotas, limits),
        Route::new("GET", set, quotas, |call| quota(call, How::Plain)),
        Route::new("GET", format!("{set}/detail"), quotas, |call| quota(call, How::Detail)),
        Route::new("GET", format!("{set}/defaults"), quotas, |call| quota(call, How::Defaults)),
        Route::new("GET", zone, "", |call| zones(call, false)),
        Route::new("GET", format!("{zone}/detail"), hosts, |call| zones(call, true)),
        Route::new("GET", "/v2.1/os-services", hosts, services),
        Route::new("GET", "/v2.1/extensions", "", extensions),
    ]
}
