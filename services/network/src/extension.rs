//! Which of Neutron's extensions are offered. Clients ask before they use a part; an alias that
//! stood here without the part behind it would send them into a 404 later.

use jinyun_base::Refusal;
use jinyun_rest::{Reply, Route};
use serde_json::{Value, json};

/// Alias, name, and what it is.
const OFFERED: &[(&str, &str, &str)] = &[
    ("net-mtu", "Network MTU", "Networks show their largest packet."),
    ("net-mtu-writable", "Network MTU (writable)", "A network's largest packet can be set."),
    ("port-security", "Port Security", "Anti-spoofing and groups can be switched off by port."),
    ("project-id", "project_id field enabled", "project_id stands beside tenant_id."),
    ("quota_details", "Quota details management API", "Limits with what is used of them."),
    ("quotas", "Quota management support", "Limits of a project are shown."),
    ("revision-if-match", "If-Match constraints based on revision_number",
        "A change can be made to depend on the revision that the caller has seen."),
    ("router", "Neutron L3 Router", "Subnets of a project are joined by routers."),
    ("security-group", "security-group", "Ports are filtered by security groups."),
    ("standard-attr-description", "standard-attr-description", "Everything has a description."),
    ("standard-attr-revisions", "Resource revision numbers", "Everything shows its revision."),
    ("standard-attr-timestamp", "Resource timestamps", "Everything shows when it was changed."),
];

fn shown(entry: &(&str, &str, &str)) -> Value {
    json!({
        "alias": entry.0, "name": entry.1, "description": entry.2,
        "updated": "2026-01-01T00:00:00Z", "links": [],
    })
}

/// The list, and one of it.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new("GET", "/v2.0/extensions", "", |_| {
            let all: Vec<Value> = OFFERED.iter().map(shown).collect();
            Ok(Reply::ok(json!({ "extensions": all })))
        }),
        Route::new("GET", "/v2.0/extensions/{alias}", "", |call| {
            let alias = call.param("alias");
            let found = OFFERED.iter().find(|e| e.0 == alias);
            let entry = found.ok_or_else(|| Refusal::not_found("extension", alias))?;
            Ok(Reply::ok(json!({ "extension": shown(entry) })))
        }),
    ]
}
