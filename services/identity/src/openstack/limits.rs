//! Limits of projects, and the limits that hold where nobody set one.

use super::{REGION, fixed, link, listed, many};
use crate::limit::Limit;
use crate::project::Project;
use jinyun_base::{Fault, Id, Refusal};
use jinyun_engine::{Command, Failure, Have, Query};
use jinyun_rest::{Call, Reply, Route, Shape, Words, crud};
use serde_json::{Value, json};

/// How many limits one request may set.
const MOST: usize = 100;
const WHY: &str = "What holds where nobody set a limit follows from the product.";

impl Shape for Limit {
    const ONE: &'static str = "limit";
    const MANY: &'static str = "limits";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let wrong = |say: String| Refusal::invalid("limits", say);
        let items = call.body.get("limits").and_then(Value::as_array)
            .filter(|items| (1..=MOST).contains(&items.len()))
            .ok_or_else(|| wrong(format!("must be an array of 1 to {MOST} objects")))?;
        // Before anything is looked up: whoever may not, learns nothing of what there is.
        call.cloud.reader.allow(&call.command("identity:limit:create"), &Default::default())?;
        let (mut limits, mut domain) = (Vec::new(), None);
        for item in items {
            let members = item.as_object()
                .ok_or_else(|| wrong("must be an array of objects".into()))?;
            let words = Words::new("limits", members);
            words.only(&["resource_name", "resource_limit", "project_id", "service_id",
                "region_id", "domain_id", "description"])?;
            if words.value("domain_id").is_some() {
                return Err(Refusal::invalid("domain_id", "is not offered: name a project").into());
            }
            let item = words.need("resource_name")?;
            if call.cloud.reader.registry().default_limit(&item).is_none() {
                let say = format!("`{item}` is no quota item");
                return Err(Refusal::invalid("resource_name", say).into());
            }
            let project = Id::new(words.need("project_id")?);
            let limit = words.int("resource_limit", -1, i64::MAX)?
                .ok_or_else(|| Refusal::invalid("resource_limit", "is required"))?;
            if domain.is_none() {
                let home = call.view(|v| v.get::<Project>(&project))?.map(|p| p.domain);
                domain = Some(home.ok_or_else(|| Refusal::not_found("project", &project))?);
            }
            limits.push(json!({
                "item": item, "project": project, "limit": limit,
                "description": words.text("description")?.unwrap_or_default(),
            }));
        }
        // It lies in the institution's domain, so that the institution sees it in its journal.
        let mut command = call.command("identity:limit:create").with(json!({ "limits": limits }));
        command.domain = domain;
        Ok(command)
    }

    fn update(call: &Call<'_>, _: &Have<Limit>) -> Result<Command, Failure> {
        let words = call.words("limit")?;
        words.only(&["resource_limit", "description"])?;
        let mut patch = json!({});
        if let Some(limit) = words.int("resource_limit", -1, i64::MAX)? {
            patch["limit"] = limit.into();
        }
        if let Some(text) = words.text("description")? {
            patch["description"] = text.into();
        }
        Ok(call.command("identity:limit:update").with(patch))
    }

    fn show(have: &Have<Limit>, call: &Call<'_>) -> Result<Value, Fault> {
        Ok(json!({
            "id": have.id, "resource_name": have.spec.item, "project_id": have.spec.project,
            "domain_id": null, "resource_limit": have.spec.limit, "region_id": REGION,
            "service_id": null, "description": have.spec.description,
            "links": { "self": link(call, &format!("/v3/limits/{}", have.id)) },
        }))
    }
}

fn registered(call: &Call<'_>) -> Vec<Value> {
    call.cloud.reader.registry().quota_items().into_iter().map(|(item, limit)| json!({
        "id": item, "resource_name": item, "default_limit": limit, "service_id": null,
        "region_id": REGION, "description": null,
        "links": { "self": link(call, &format!("/v3/registered_limits/{item}")) },
    })).collect()
}

pub(super) fn routes() -> Vec<Route> {
    const REGISTERED: &str = "/v3/registered_limits";
    const ITEM: &str = "/v3/registered_limits/{id}";
    let mut all = crud::<Limit>("/v3/limits", &["show", "update", "delete"]);
    all.extend([
        Route::new("GET", "/v3/limits", Limit::action("list"), |call| {
            let query = Query { project: call.ask("project_id").map(Id::new), ..Query::default() };
            listed::<Limit>(call, "/v3/limits", query, |_| true)
        }),
        // Keystone answers a creation of limits with the list.
        Route::new("POST", "/v3/limits", Limit::action("create"), |call| {
            let answer = call.run(Limit::create(call)?)?;
            let mut shown = Vec::new();
            for id in answer.value["ids"].as_array().into_iter().flatten() {
                let id = Id::new(id.as_str().unwrap_or_default());
                shown.push(Limit::show(&call.again::<Limit>(&id)?, call)?);
            }
            Ok(Reply::with(201, json!({ "limits": shown })))
        }),
        Route::new("GET", "/v3/limits/model", "", |_| {
            Ok(Reply::ok(json!({ "model": { "name": "flat", "description":
                "A limit holds for its project alone, not for the projects below it." } })))
        }),
        Route::new("GET", REGISTERED, "", |call| {
            many(call, REGISTERED, "registered_limits", registered(call))
        }),
        Route::new("GET", ITEM, "", |call| {
            let id = call.param("id");
            match registered(call).into_iter().find(|shown| shown["id"] == id) {
                Some(shown) => Ok(Reply::ok(json!({ "registered_limit": shown }))),
                None => Err(super::missing("registered limit", id)),
            }
        }),
        fixed("POST", REGISTERED, "identity:registered_limit:create", WHY),
        fixed("PATCH", ITEM, "identity:registered_limit:update", WHY),
        fixed("DELETE", ITEM, "identity:registered_limit:delete", WHY),
    ]);
    all
}
