//! Tokens, and what their bearer can reach.

use super::catalog::entries;
use super::users::{domains, rows};
use super::{Service, asks, link, many, role_named, token};
use crate::assignment::{Grant, Scoped};
use crate::auth::Identity;
use crate::directory::implied;
use crate::project::Project;
use crate::receipt;
use crate::token::{Signed, Token};
use jinyun_base::{Id, Refusal, Refused, Time};
use jinyun_engine::Failure;
use jinyun_policy::Actor;
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Value, json};
use std::sync::Arc;

fn version(call: &Call<'_>) -> Value {
    json!({
        "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{}/v3/", call.base) }],
        "media-types": [{ "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json" }],
    })
}

fn gone() -> Refusal {
    Refusal::new(Refused::NotFound, "The token could not be found.")
}

/// The token that a call is about, with its text.
fn subject(i: &Identity, call: &Call<'_>) -> Result<(Token, String), Failure> {
    let text = call.headers.iter().find(|(n, _)| n == "x-subject-token").map(|(_, v)| v);
    let text = text.ok_or_else(|| Refusal::invalid("X-Subject-Token", "is required"))?;
    let token = i.open(text).ok_or_else(gone)?;
    // One may look at one's own tokens only; services of the platform look in memory.
    let bearer = i.directory.actor_of(&token, i.now()).is_some_and(|a| a.id == call.actor.id);
    if !bearer && token.user != call.actor.id {
        return Err(gone().into());
    }
    Ok((token, text.clone()))
}

pub(super) fn routes(identity: &Arc<Identity>, services: &Arc<Vec<Service>>) -> Vec<Route> {
    let (i, s) = (identity.clone(), services.clone());
    let sign_in = move |call: &Call<'_>| match i.sign_in(call) {
        Ok(new) => signed(&i, &s, call, new, 201),
        Err(failure) => receipt::reply(failure),
    };
    let (i, s) = (identity.clone(), services.clone());
    let ec2 = move |call: &Call<'_>| signed(&i, &s, call, i.ec2_sign_in(call)?, 200);
    let (i, s) = (identity.clone(), services.clone());
    let check = move |call: &Call<'_>| {
        let (token, text) = subject(&i, call)?;
        let body = describe(&i, &s, &token, call)?;
        Ok(Reply::ok(body).header("x-subject-token", text))
    };
    let head = check.clone();
    let i = identity.clone();
    let revoke = move |call: &Call<'_>| {
        let (token, _) = subject(&i, call)?;
        let audit = token.audit.first().cloned().unwrap_or_default();
        call.run(call.command("identity:token:revoke")
            .with(json!({ "audit": audit, "expires": token.expires })))?;
        Ok(Reply::empty(204))
    };
    let mut all = vec![
        Route::new("GET", "/", "", |call| {
            Ok(Reply::with(300, json!({ "versions": { "values": [version(call)] } })))
        }).open(),
        Route::new("GET", "/v3", "", |call| Ok(Reply::ok(json!({ "version": version(call) }))))
            .open(),
        Route::new("POST", "/v3/auth/tokens", "identity:token:create", sign_in).open(),
        Route::new("POST", "/v3/ec2tokens", "identity:token:create", ec2).open(),
        Route::new("GET", "/v3/auth/tokens", "", check).quick(),
        Route::new("HEAD", "/v3/auth/tokens", "", head).quick(),
        Route::new("DELETE", "/v3/auth/tokens", "identity:token:revoke", revoke),
    ];
    all.extend(reach(identity, services));
    all
}

/// What the bearer of a token can turn to.
fn reach(identity: &Arc<Identity>, services: &Arc<Vec<Service>>) -> Vec<Route> {
    let i = identity.clone();
    let projects = move |call: &Call<'_>| {
        let ids = match token(&i, call).filter(Token::delegated) {
            // What was passed on holds in one project.
            Some(_) => call.actor.project().into_iter().cloned().collect(),
            None => i.directory.projects_of(&call.actor.id, i.now()),
        };
        many(call, "/v3/auth/projects", "projects", rows::<Project>(call, ids)?)
    };
    let i = identity.clone();
    let in_domains = move |call: &Call<'_>| {
        let shown = match token(&i, call).filter(Token::delegated) {
            Some(_) => Vec::new(),
            None => domains(&i, call, &call.actor.id)?,
        };
        many(call, "/v3/auth/domains", "domains", shown)
    };
    let i = identity.clone();
    let system = move |call: &Call<'_>| {
        let own = token(&i, call).is_none_or(|t| !t.delegated());
        let held = i.directory.actor_at(&call.actor.id, Some(&Scoped::System), i.now());
        let all = held.filter(|_| own).map(|_| json!({ "all": true }));
        let shown: Vec<Value> = all.into_iter().collect();
        let own = link(call, "/v3/auth/system");
        Ok(Reply::ok(json!({ "system": shown, "links": { "self": own } })))
    };
    let s = services.clone();
    vec![
        // As clients of federation ask.
        Route::new("GET", "/v3/OS-FEDERATION/projects", "", projects.clone()),
        Route::new("GET", "/v3/OS-FEDERATION/domains", "", in_domains.clone()),
        Route::new("GET", "/v3/auth/projects", "", projects),
        Route::new("GET", "/v3/auth/domains", "", in_domains),
        Route::new("GET", "/v3/auth/system", "", system),
        Route::new("GET", "/v3/auth/catalog", "", move |call| {
            let catalog = entries(&s, call, call.actor.project());
            let own = link(call, "/v3/auth/catalog");
            Ok(Reply::ok(json!({ "catalog": catalog, "links": { "self": own } })))
        }),
    ]
}

/// A new token with what it says.
pub(super) fn signed(i: &Identity, services: &[Service], call: &Call<'_>, signed: Signed, status: u16)
    -> Result<Reply, Failure> {
    let body = describe(i, services, &signed.token, call)?;
    Ok(Reply::with(status, body).header("x-subject-token", signed.text))
}

fn domain_named(i: &Identity, id: &Id) -> Value {
    json!({ "id": id, "name": i.directory.domain(id).map(|d| d.name).unwrap_or_default() })
}

/// The body that describes a token.
fn describe(i: &Identity, services: &[Service], token: &Token, call: &Call<'_>)
    -> Result<Value, Failure> {
    let actor = i.directory.actor_of(token, i.now()).ok_or_else(gone)?;
    let user = i.directory.user(&actor.id).ok_or_else(gone)?;
    let end = user.password_expires(&i.directory.compliance(&user.domain));
    // As Keystone shows them: its own and the first of its chain.
    let last = token.audit.iter().skip(1).next_back();
    let audit: Vec<&String> = token.audit.iter().take(1).chain(last).collect();
    let mut body = json!({
        "methods": token.methods,
        "user": { "id": actor.id, "name": user.name, "domain": domain_named(i, &user.domain),
            "password_expires_at": end.map(|at| Time(at).micros()) },
        "audit_ids": audit,
        "expires_at": Time(token.expires).micros(),
        "issued_at": Time(token.issued).micros(),
    });
    if let Some(through) = &token.federation {
        let groups = i.directory.groups_of(&actor.id);
        let groups: Vec<Value> = groups.iter().map(|g| json!({ "id": g })).collect();
        body["user"]["OS-FEDERATION"] = json!({
            "identity_provider": { "id": through.idp }, "protocol": { "id": through.protocol },
            "groups": groups,
        });
    }
    if let Some(scope) = &token.scope {
        body["roles"] = roles_of(&actor).into();
        if !asks(call, "nocatalog") {
            body["catalog"] = entries(services, call, actor.project()).into();
        }
        match scope {
            Scoped::System => body["system"] = json!({ "all": true }),
            Scoped::Domain(d) => body["domain"] = domain_named(i, d),
            Scoped::Project(p) => {
                let project = i.directory.project(p).ok_or_else(gone)?;
                let domain = domain_named(i, &project.domain);
                body["project"] = json!({ "id": p, "name": project.name, "domain": domain });
                body["is_domain"] = false.into();
            }
        }
    }
    if let Some(id) = &token.app_credential {
        let with = i.directory.app_credential(id).ok_or_else(gone)?;
        let mut shown = json!({ "id": id, "name": with.name, "restricted": !with.unrestricted });
        if !with.access_rules.is_empty() {
            shown["access_rules"] = super::encoded(&with.access_rules)?;
        }
        body["application_credential"] = shown;
    }
    if let Some(id) = &token.trust {
        let trust = i.directory.trust(id).ok_or_else(gone)?;
        body["OS-TRUST:trust"] = json!({
            "id": id, "impersonation": trust.impersonation,
            "trustor_user": { "id": trust.trustor }, "trustee_user": { "id": trust.trustee },
        });
    }
    let before = i.last_login(token);
    if !before.is_null() {
        body["jinyun_last_login"] = before;
    }
    Ok(json!({ "token": body }))
}

fn roles_of(actor: &Actor) -> Vec<Value> {
    let roles = actor.role.into_iter().flat_map(|r| implied(r).iter().map(|r| Grant::Role(*r)));
    roles.chain(actor.duty.map(Grant::Duty)).map(role_named).collect()
}
