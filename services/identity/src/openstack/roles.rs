//! Roles: six, fixed, of which a manager is a member and a member is a reader.

use super::{fixed, link, many};
use crate::assignment::{Grant, ROLES, role_by_id, role_of};
use jinyun_base::{Refusal, Refused};
use jinyun_engine::Failure;
use jinyun_policy::Role;
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Value, json};

const WHY: &str = "Roles and what they imply are fixed: reader, member and manager in a domain or \
    project, three duties in system scope.";

/// A role as Keystone shows it.
pub(super) fn shown(call: &Call<'_>, grant: Grant) -> Value {
    let (id, name) = role_of(grant);
    json!({
        "id": id, "name": name, "domain_id": null, "description": null, "options": {},
        "links": { "self": link(call, &format!("/v3/roles/{id}")) },
    })
}

/// A role as it stands in an inference.
fn short(call: &Call<'_>, grant: Grant) -> Value {
    let (id, name) = role_of(grant);
    json!({ "id": id, "name": name,
        "links": { "self": link(call, &format!("/v3/roles/{id}")) } })
}

/// The role that one implies directly.
fn next(grant: Grant) -> Option<Grant> {
    match grant {
        Grant::Role(Role::Manager) => Some(Grant::Role(Role::Member)),
        Grant::Role(Role::Member) => Some(Grant::Role(Role::Reader)),
        _ => None,
    }
}

/// The role that a parameter of the path names.
pub(super) fn role(call: &Call<'_>, param: &str) -> Result<Grant, Failure> {
    let id = call.param(param);
    role_by_id(id).ok_or_else(|| {
        Refusal::new(Refused::NotFound, format!("Could not find role: {id}.")).into()
    })
}

fn implies(call: &Call<'_>) -> Result<Reply, Failure> {
    let prior = role(call, "prior")?;
    let implied: Vec<Value> = next(prior).into_iter().map(|r| short(call, r)).collect();
    let (id, _) = role_of(prior);
    Ok(Reply::ok(json!({
        "role_inference": { "prior_role": short(call, prior), "implies": implied },
        "links": { "self": link(call, &format!("/v3/roles/{id}/implies")) },
    })))
}

fn inference(call: &Call<'_>) -> Result<(Grant, Grant), Failure> {
    let (prior, implied) = (role(call, "prior")?, role(call, "implied")?);
    match next(prior) == Some(implied) {
        true => Ok((prior, implied)),
        false => Err(Refusal::new(Refused::NotFound, format!(
            "Could not find implied role: {} does not directly imply {}.", call.param("prior"),
            call.param("implied")
        )).into()),
    }
}

pub(super) fn routes() -> Vec<Route> {
    const ONE: &str = "/v3/roles/{id}";
    const INFERENCE: &str = "/v3/roles/{prior}/implies/{implied}";
    vec![
        Route::new("GET", "/v3/roles", "", |call| {
            // Keystone leaves roles of domains out unless a domain is named; there are none.
            let all = ROLES.iter().filter(|_| call.ask("domain_id").is_none());
            many(call, "/v3/roles", "roles", all.map(|(.., grant)| shown(call, *grant)).collect())
        }),
        Route::new("GET", ONE, "", |call| {
            Ok(Reply::ok(json!({ "role": shown(call, role(call, "id")?) })))
        }),
        Route::new("GET", "/v3/roles/{prior}/implies", "", implies),
        Route::new("GET", INFERENCE, "", |call| {
            let (prior, implied) = inference(call)?;
            let own = link(call, &format!("/v3/roles/{}/implies/{}", role_of(prior).0,
                role_of(implied).0));
            let both = json!({ "prior_role": short(call, prior), "implies": short(call, implied) });
            Ok(Reply::ok(json!({ "role_inference": both, "links": { "self": own } })))
        }),
        Route::new("HEAD", INFERENCE, "", |call| inference(call).map(|_| Reply::empty(204))),
        Route::new("GET", "/v3/role_inferences", "", |call| {
            let pairs = ROLES.iter().filter_map(|(.., prior)| Some((*prior, next(*prior)?)));
            let all: Vec<Value> = pairs.map(|(prior, implied)| json!({
                "prior_role": short(call, prior), "implies": [short(call, implied)],
            })).collect();
            let own = link(call, "/v3/role_inferences");
            Ok(Reply::ok(json!({ "role_inferences": all, "links": { "self": own } })))
        }),
        fixed("POST", "/v3/roles", "identity:role:create", WHY),
        fixed("PATCH", ONE, "identity:role:update", WHY),
        fixed("DELETE", ONE, "identity:role:delete", WHY),
        fixed("PUT", INFERENCE, "identity:implied_role:create", WHY),
        fixed("DELETE", INFERENCE, "identity:implied_role:delete", WHY),
    ]
}
