//! How much a project may have of each kind, and how much it has.
//!
//! Only read here: a limit is a row of identity's, set by the system administrator there.

use jinyun_base::Id;
use jinyun_engine::Failure;
use jinyun_policy::Object;
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Map, Value, json};

/// Quota items with the limits that hold where nobody set others (Neutron's own).
pub(crate) const ITEMS: &[(&str, i64)] = &[
    ("network", 100),
    ("subnet", 100),
    ("port", 500),
    ("router", 10),
    ("security_group", 10),
    ("security_group_rule", 100),
];

/// Shows each item as `of` makes it of the default, the limit and the use.
fn show(call: &Call<'_>, of: fn(i64, i64, i64) -> Value) -> Result<Reply, Failure> {
    let project = Id::new(call.param("project"));
    let object = Object { project: Some(project.clone()), ..Object::default() };
    call.cloud.reader.allow(&call.command("network:quota:show"), &object)?;
    let quota = call.cloud.reader.lend(|db| {
        let mut quota = Map::new();
        for (item, default) in ITEMS {
            let limit = db.limit(&project, item)?.unwrap_or(*default);
            let used = db.used(&project, item)?;
            quota.insert((*item).to_string(), of(*default, limit, used));
        }
        Ok(quota)
    })?;
    Ok(Reply::ok(json!({ "quota": quota })))
}

/// Limits, defaults, and limits with use.
pub fn routes() -> Vec<Route> {
    const ACTION: &str = "network:quota:show";
    vec![
        Route::new("GET", "/v2.0/quotas/{project}", ACTION, |call| {
            show(call, |_, limit, _| limit.into())
        }),
        Route::new("GET", "/v2.0/quotas/{project}/default", ACTION, |call| {
            show(call, |default, _, _| default.into())
        }),
        Route::new("GET", "/v2.0/quotas/{project}/details", ACTION, |call| {
            show(call, |_, limit, used| json!({ "limit": limit, "used": used, "reserved": 0 }))
        }),
    ]
}
