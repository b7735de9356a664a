//! The catalog: which services there are and where. It follows from how the cloud was started, so
//! it is read only.

use super::{REGION, Service, fixed, link, many};
use jinyun_base::{Id, Refusal};
use jinyun_engine::Failure;
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Value, json};
use std::sync::Arc;

const WHY: &str = "The catalog follows from how the cloud was started.";

/// The catalog as a token has it.
pub(super) fn entries(services: &[Service], call: &Call<'_>, project: Option<&Id>) -> Vec<Value> {
    let root = call.base.rsplit_once('/').map_or(call.base.as_str(), |(root, _)| root);
    services.iter().map(|s| {
        let path = s.path.replace("{project}", project.map_or("", Id::as_str));
        let url = format!("{root}{path}");
        let endpoints: Vec<Value> = ["public", "internal"].iter().map(|interface| json!({
            "id": format!("{}-{interface}", s.id), "interface": interface, "region": REGION,
            "region_id": REGION, "url": url,
        })).collect();
        json!({ "id": s.id, "type": s.kind, "name": s.name, "endpoints": endpoints })
    }).collect()
}

fn services(all: &[Service], call: &Call<'_>) -> Vec<Value> {
    all.iter().map(|s| json!({
        "id": s.id, "type": s.kind, "name": s.name, "enabled": true, "description": "",
        "links": { "self": link(call, &format!("/v3/services/{}", s.id)) },
    })).collect()
}

fn endpoints(all: &[Service], call: &Call<'_>) -> Vec<Value> {
    let mut shown = Vec::new();
    for (service, entry) in all.iter().zip(entries(all, call, call.actor.project())) {
        for endpoint in entry["endpoints"].as_array().into_iter().flatten() {
            let own = endpoint["id"].as_str().unwrap_or_default();
            let mut endpoint = endpoint.clone();
            endpoint["links"] = json!({ "self": link(call, &format!("/v3/endpoints/{own}")) });
            endpoint["service_id"] = service.id.into();
            endpoint["enabled"] = true.into();
            shown.push(endpoint);
        }
    }
    shown
}

fn regions(_: &[Service], call: &Call<'_>) -> Vec<Value> {
    let own = link(call, &format!("/v3/regions/{REGION}"));
    vec![json!({ "id": REGION, "description": "", "parent_region_id": null,
        "links": { "self": own } })]
}

type All = fn(&[Service], &Call<'_>) -> Vec<Value>;

pub(super) fn routes(known: &Arc<Vec<Service>>) -> Vec<Route> {
    let kinds: [(&'static str, &'static str, All); 3] = [
        ("service", "services", services),
        ("endpoint", "endpoints", endpoints),
        ("region", "regions", regions),
    ];
    let mut all = Vec::new();
    for (one, name, list) in kinds {
        let (path, item) = (format!("/v3/{name}"), format!("/v3/{name}/{{id}}"));
        let (s, pattern) = (known.clone(), path.clone());
        all.push(Route::new("GET", &path, "", move |call| {
            many(call, &pattern, name, list(&s, call))
        }));
        let s = known.clone();
        all.push(Route::new("GET", &item, "", move |call| {
            let id = call.param("id");
            let found = list(&s, call).into_iter().find(|shown| shown["id"] == id);
            let found = found.ok_or_else(|| Failure::from(Refusal::not_found(one, id)))?;
            let mut body = json!({});
            body[one] = found;
            Ok(Reply::ok(body))
        }));
        all.push(fixed("POST", &path, "identity:catalog:create", WHY));
        all.push(fixed("PATCH", &item, "identity:catalog:update", WHY));
        all.push(fixed("DELETE", &item, "identity:catalog:delete", WHY));
    }
    all
}
