//! Trusts, below `/v3/OS-TRUST`. Both sides of a trust see it; the trustor, and the manager of the
//! institution, take it back.

use super::roles::{role, shown as role_shown};
use super::{here, link, many, may, moment, object, own_hand, roles_asked, seen, token};
use crate::assignment::Grant;
use crate::auth::Identity;
use crate::trust::{PASSED_ON, Trust};
use jinyun_base::{Id, Refusal, Refused, Time};
use jinyun_engine::{Failure, Have, Query};
use jinyun_policy::Object;
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Value, json};
use std::sync::Arc;

const MANY: &str = "/v3/OS-TRUST/trusts";
const ONE: &str = "/v3/OS-TRUST/trusts/{id}";
const ROLES: &str = "/v3/OS-TRUST/trusts/{id}/roles";
const ROLE: &str = "/v3/OS-TRUST/trusts/{id}/roles/{role}";

/// A trust is also its trustee's, for a look.
fn look(call: &Call<'_>, have: &Have<Trust>) -> Object {
    let mut about = object(have);
    if have.spec.trustee == call.actor.id {
        about.owner = Some(call.actor.id.clone());
    }
    about
}

fn roles(have: &Have<Trust>, call: &Call<'_>) -> Vec<Value> {
    have.spec.roles.iter().map(|r| role_shown(call, Grant::Role(*r))).collect()
}

/// As lists show it: without its roles.
fn short(have: &Have<Trust>, call: &Call<'_>) -> Value {
    let spec = &have.spec;
    let mut shown = json!({
        "id": have.id, "trustor_user_id": spec.trustor, "trustee_user_id": spec.trustee,
        "project_id": spec.project, "impersonation": spec.impersonation,
        "expires_at": spec.expires.map(|at| Time(at).micros()), "deleted_at": null,
        "remaining_uses": spec.uses, "redelegation_count": spec.redelegation_count,
        "links": { "self": link(call, &format!("{MANY}/{}", have.id)) },
    });
    if let Some(above) = &spec.redelegated {
        shown["redelegated_trust_id"] = above.as_str().into();
    }
    shown
}

fn shown(have: &Have<Trust>, call: &Call<'_>) -> Value {
    let mut shown = short(have, call);
    shown["roles"] = roles(have, call).into();
    let own = link(call, &format!("{MANY}/{}/roles", have.id));
    shown["roles_links"] = json!({ "self": own, "next": null, "previous": null });
    shown
}

/// Application credentials have no part in trusts, restricted or not: a chain of both could not be
/// read from either.
fn no_credential(i: &Identity, call: &Call<'_>) -> Result<(), Failure> {
    if token(i, call).is_some_and(|t| t.app_credential.is_some()) {
        let say = "Using method 'application_credential' is not allowed for managing trusts.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    Ok(())
}

fn create(i: &Identity, call: &Call<'_>) -> Result<Reply, Failure> {
    const ACTION: &str = "identity:trust:create";
    call.cloud.reader.allow(&call.command(ACTION), &Default::default())?;
    no_credential(i, call)?;
    let words = call.words("trust")?;
    words.only(&["trustor_user_id", "trustee_user_id", "project_id", "impersonation", "roles",
        "expires_at", "remaining_uses", "allow_redelegation", "redelegation_count",
        "redelegated_trust_id"])?;
    if words.need("trustor_user_id")? != call.actor.id.as_str() {
        let say = "The authenticated user should match the trustor.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    // What the token was made with is what is passed on; a body cannot name another one.
    let above = token(i, call).and_then(|t| t.trust);
    if words.text("redelegated_trust_id")?.is_some_and(|id| above != Some(id.into())) {
        let say = "must be the trust that the token was made with";
        return Err(Refusal::invalid("redelegated_trust_id", say).into());
    }
    let impersonation = words.flag("impersonation")?
        .ok_or_else(|| Refusal::invalid("impersonation", "is required"))?;
    let command = call.command(ACTION).with(json!({
        "trustee": words.need("trustee_user_id")?,
        "project": words.need("project_id")?,
        "roles": roles_asked(&words)?.unwrap_or_default(),
        "impersonation": impersonation,
        "expires": moment(&words, "expires_at")?,
        "uses": words.int("remaining_uses", 1, i64::from(i32::MAX))?,
        "allow_redelegation": words.flag("allow_redelegation")?.unwrap_or(false),
        "redelegation_count": words.int("redelegation_count", 0, PASSED_ON)?,
        "redelegated": above,
    }));
    let answer = call.run(command)?;
    let id = answer.value.get("id").and_then(Value::as_str).unwrap_or_default();
    let have = call.again::<Trust>(&id.into())?;
    Ok(Reply::with(201, json!({ "trust": shown(&have, call) })))
}

/// Trusts by side; without one, those of the caller, and for a manager those of the institution.
fn list(i: &Identity, call: &Call<'_>) -> Result<Reply, Failure> {
    no_credential(i, call)?;
    let side = |name: &'static str, user: &str| call.view(|v| v.list::<Trust>(&Query::field(name, user)));
    let all = match (call.ask("trustor_user_id"), call.ask("trustee_user_id")) {
        (Some(trustor), None) => side("trustor", trustor)?,
        (None, Some(trustee)) => side("trustee", trustee)?,
        (Some(trustor), Some(trustee)) => {
            let of = side("trustor", trustor)?;
            of.into_iter().filter(|t| t.spec.trustee.as_str() == trustee).collect()
        }
        (None, None) => {
            let mut all = side("trustor", call.actor.id.as_str())?;
            all.extend(side("trustee", call.actor.id.as_str())?);
            if let jinyun_policy::Scope::Domain(d) = &call.actor.scope {
                let here = Query { domain: Some(d.clone()), ..Query::default() };
                all.extend(call.view(|v| v.list::<Trust>(&here))?);
            }
            all
        }
    };
    let mut lines: Vec<Value> = all.iter()
        .filter(|t| may(call, "identity:trust:list", &look(call, t)))
        .map(|t| short(t, call)).collect();
    lines.sort_by_key(|line| line["id"].as_str().map(String::from));
    lines.dedup();
    many(call, MANY, "trusts", lines)
}

/// The trust in the path, if the caller may see it.
fn one(i: &Identity, call: &Call<'_>) -> Result<Have<Trust>, Failure> {
    no_credential(i, call)?;
    seen(call, call.param("id"), "identity:trust:show", |have| look(call, have))
}

pub(super) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    let show = "identity:trust:show";
    let [i1, i2, i3, i4, i5, i6] = [(); 6].map(|()| identity.clone());
    let one_role = move |call: &Call<'_>| {
        let (have, asked) = (one(&i6, call)?, role(call, "role")?);
        match have.spec.roles.iter().any(|r| Grant::Role(*r) == asked) {
            true => Ok(Reply::ok(json!({ "role": role_shown(call, asked) }))),
            false => Err(super::missing("role", call.param("role"))),
        }
    };
    let head = one_role.clone();
    vec![
        Route::new("GET", MANY, "identity:trust:list", move |call| list(&i1, call)),
        Route::new("POST", MANY, "identity:trust:create", move |call| create(&i2, call)),
        Route::new("GET", ONE, show, move |call| {
            let have = one(&i3, call)?;
            Ok(Reply::ok(json!({ "trust": shown(&have, call) })))
        }),
        Route::new("DELETE", ONE, "identity:trust:delete", move |call| {
            own_hand(&i4, call, "Deleting a trust")?;
            let id = Id::new(call.param("id"));
            // Whoever may not even see it gets "not found"; the trustee may not take it back.
            seen::<Trust>(call, id.as_str(), show, |have| look(call, have))?;
            call.run(call.command("identity:trust:delete").on(id))?;
            Ok(Reply::empty(204))
        }),
        Route::new("GET", ROLES, show, move |call| {
            let have = one(&i5, call)?;
            let links = json!({ "self": here(call, ROLES), "next": null, "previous": null });
            Ok(Reply::ok(json!({ "roles": roles(&have, call), "links": links })))
        }),
        Route::new("GET", ROLE, show, one_role),
        Route::new("HEAD", ROLE, show, head),
    ]
}
