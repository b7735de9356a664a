//! Version documents, by which clients find what a service speaks.

use jinyun_rest::{Call, Reply, Route};
use serde_json::{Value, json};

/// The version documents of a service, added to its routes: `root` lists, `path` shows the one.
pub fn with_discovery(service: &str, mut routes: Vec<Route>) -> Vec<Route> {
    let (path, document): (&str, fn(&Call<'_>) -> Value) = match service {
        "compute" => ("/v2.1", |call| version(call, "v2.1", "v2.1", "2.1", "2.1")),
        "volume" => ("/v3", |call| version(call, "v3.0", "v3", "3.0", "3.0")),
        "network" => ("/v2.0", |call| version(call, "v2.0", "v2.0", "", "")),
        "image" => ("/v2", |call| version(call, "v2.9", "v2", "", "")),
        _ => return routes,
    };
    let list = move |call: &Call<'_>| {
        Ok(Reply::with(if service_lists_with_300(call) { 300 } else { 200 },
            json!({ "versions": [document(call)] })))
    };
    routes.push(Route::new("GET", "/", "", list).open());
    routes.push(Route::new("GET", path, "", move |call| {
        Ok(Reply::ok(json!({ "version": document(call) })))
    }).open());
    routes
}

/// Glance and Cinder answer "multiple choices".
fn service_lists_with_300(call: &Call<'_>) -> bool {
    call.base.ends_with("/image") || call.base.ends_with("/volume")
}

fn version(call: &Call<'_>, id: &str, path: &str, low: &str, high: &str) -> Value {
    json!({
        "id": id, "status": "CURRENT", "version": high, "min_version": low,
        "updated": "2026-01-01T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{}/{path}/", call.base) }],
    })
}
