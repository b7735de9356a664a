//! Application credentials and their access rules, below their user.

use super::{
    by_keys, link, many, missing, moment, own_hand, role_named, roles_asked, token,
};
use crate::app_credential::{Access, AccessRule, AppCredential};
use crate::assignment::Grant;
use crate::auth::Identity;
use crate::directory::implied;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::{Entropy, OsEntropy, Refusal, Refused, Secret, Time};
use jinyun_engine::{Failure, Have, Query, Resource};
use jinyun_policy::Role;
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Value, json};
use std::sync::Arc;

/// Shortest secret that a client may bring, in characters.
const SECRET: usize = 16;

/// A secret that the server makes, as Keystone's: 64 random bytes.
pub(super) fn random_secret() -> Secret<String> {
    let mut bytes = [0u8; 64];
    OsEntropy::default().fill(&mut bytes);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

fn rule(rule: &AccessRule) -> Value {
    json!({ "id": rule.id, "service": rule.service, "method": rule.method, "path": rule.path })
}

fn shown(have: &Have<AppCredential>, call: &Call<'_>) -> Value {
    let spec = &have.spec;
    let mut shown = json!({
        "id": have.id, "name": spec.name, "description": spec.description,
        "project_id": spec.project, "user_id": spec.user, "system": null,
        "unrestricted": spec.unrestricted,
        // Without a zone, as Keystone shows it here and only here.
        "expires_at": spec.expires.map(|at| Time(at).naive()),
        "roles": spec.roles.iter().map(|r| role_named(Grant::Role(*r))).collect::<Vec<_>>(),
        "links": { "self": link(call, &format!(
            "/v3/users/{}/application_credentials/{}", spec.user, have.id)) },
    });
    if !spec.access_rules.is_empty() {
        shown["access_rules"] = spec.access_rules.iter().map(rule).collect::<Vec<_>>().into();
    }
    shown
}

fn rule_shown(have: &Have<Access>, call: &Call<'_>) -> Value {
    let spec = &have.spec;
    json!({
        "id": have.id, "service": spec.service, "method": spec.method, "path": spec.path,
        "links": { "self": link(call, &format!("/v3/users/{}/access_rules/{}", spec.user, have.id)) },
    })
}

/// A trust's bearer must not touch what outlasts the trust; a credential may manage others of its
/// kind only if it is unrestricted.
fn free(i: &Identity, call: &Call<'_>, changes: bool) -> Result<(), Failure> {
    let no = |say: &str| Err(Refusal::new(Refused::Forbidden, say).into());
    let Some(token) = token(i, call) else { return Ok(()) };
    if token.trust.is_some() {
        return no("Cannot manage application credentials with a token issued via delegation.");
    }
    if changes && by_keys(&token) {
        return no("Cannot manage application credentials with a token of a pair of keys.");
    }
    let with = token.app_credential.as_ref().and_then(|id| i.directory.app_credential(id));
    match with {
        Some(with) if changes && !with.unrestricted => {
            no("Using method 'application_credential' is not allowed for managing additional \
                application credentials.")
        }
        _ => Ok(()),
    }
}

/// Access rules as a creation names them.
fn rules_asked(words: &Words<'_>) -> Result<Vec<Value>, Failure> {
    let Some(items) = words.array("access_rules")? else { return Ok(Vec::new()) };
    if items.is_empty() {
        let say = "are none, which would allow nothing: leave the member out to allow everything";
        return Err(Refusal::invalid("access_rules", say).into());
    }
    let mut rules = Vec::new();
    for item in items {
        let members = item.as_object()
            .ok_or_else(|| Refusal::invalid("access_rules", "must be an array of objects"))?;
        let rule = Words::new("access_rules", members);
        rule.only(&["id", "service", "method", "path"])?;
        rules.push(match rule.text("id")? {
            Some(id) => json!({ "id": id }),
            None => json!({ "service": rule.need("service")?, "method": rule.need("method")?,
                "path": rule.need("path")? }),
        });
    }
    Ok(rules)
}

fn create(i: &Identity, call: &Call<'_>) -> Result<Reply, Failure> {
    const ACTION: &str = "identity:application_credential:create";
    call.cloud.reader.allow(&call.command(ACTION), &Default::default())?;
    free(i, call, true)?;
    if call.param("user") != call.actor.id.as_str() {
        let say = "Cannot create an application credential for another user.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    let words = call.words("application_credential")?;
    words.only(&["name", "description", "secret", "expires_at", "roles", "unrestricted",
        "access_rules", "project_id"])?;
    let project = call.actor.project().map(|p| p.as_str());
    if words.text("project_id")?.is_some_and(|p| Some(p.as_str()) != project) {
        let say = "must be the token's project: sign in to the project that it is for";
        return Err(Refusal::invalid("project_id", say).into());
    }
    let held: &[Role] = match call.actor.role {
        Some(role) => implied(role),
        None => &[],
    };
    let args = json!({
        "name": words.need("name")?,
        "description": words.long_text("description")?.unwrap_or_default(),
        "roles": match roles_asked(&words)? {
            Some(asked) if !asked.is_empty() => asked,
            _ => held.to_vec(),
        },
        "expires": moment(&words, "expires_at")?,
        "unrestricted": words.flag("unrestricted")?.unwrap_or(false),
        "access_rules": rules_asked(&words)?,
    });
    let secret = match words.long_text("secret")?.map(Secret::new) {
        Some(secret) if !(SECRET..=255).contains(&secret.expose().chars().count()) => {
            let say = format!("must have {SECRET} to 255 characters; left out, one is made");
            return Err(Refusal::invalid("secret", say).into());
        }
        Some(secret) => secret,
        None => random_secret(),
    };
    let mut command = call.command(ACTION).with(args);
    command.secrets.push(("secret".into(), i.hash(secret.expose())?));
    let answer = call.run(command)?;
    let id = answer.value.get("id").and_then(Value::as_str).unwrap_or_default();
    let mut body = shown(&call.again::<AppCredential>(&id.into())?, call);
    body["secret"] = secret.expose().as_str().into();
    Ok(Reply::with(201, json!({ "application_credential": body })))
}

/// A thing of the user in the path, that the caller may see.
fn one<R: Resource>(call: &Call<'_>) -> Result<Have<R>, Failure> {
    let have = call.show::<R>(call.param("id"))?;
    match R::owner(&have).is_some_and(|user| user.as_str() == call.param("user")) {
        true => Ok(have),
        false => Err(missing(R::KIND.0, call.param("id"))),
    }
}

/// Things of the user in the path, those that the caller may see.
fn all<R: Resource>(call: &Call<'_>) -> Result<Vec<Have<R>>, Failure> {
    call.list::<R>(&Query::field("user", call.param("user")))
}

pub(super) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    const MANY: &str = "/v3/users/{user}/application_credentials";
    const ONE: &str = "/v3/users/{user}/application_credentials/{id}";
    const RULES: &str = "/v3/users/{user}/access_rules";
    const RULE: &str = "/v3/users/{user}/access_rules/{id}";
    let action = |word: &str| format!("identity:application_credential:{word}");
    let access = |word: &str| format!("identity:access_rule:{word}");
    let [i1, i2, i3, i4, i5, i6, i7] = [(); 7].map(|()| identity.clone());
    vec![
        Route::new("GET", MANY, action("list"), move |call| {
            free(&i1, call, false)?;
            let all = all::<AppCredential>(call)?;
            let shown = all.iter().map(|have| shown(have, call)).collect();
            many(call, MANY, "application_credentials", shown)
        }),
        Route::new("POST", MANY, action("create"), move |call| create(&i2, call)),
        Route::new("GET", ONE, action("show"), move |call| {
            free(&i3, call, false)?;
            let have = one::<AppCredential>(call)?;
            Ok(Reply::ok(json!({ "application_credential": shown(&have, call) })))
        }),
        Route::new("DELETE", ONE, action("delete"), move |call| {
            free(&i4, call, true)?;
            let have = one::<AppCredential>(call)?;
            call.run(call.command(action("delete")).on(have.id))?;
            Ok(Reply::empty(204))
        }),
        Route::new("GET", RULES, access("list"), move |call| {
            free(&i5, call, false)?;
            let shown = all::<Access>(call)?.iter().map(|have| rule_shown(have, call)).collect();
            many(call, RULES, "access_rules", shown)
        }),
        Route::new("GET", RULE, access("show"), move |call| {
            free(&i6, call, false)?;
            let have = one::<Access>(call)?;
            Ok(Reply::ok(json!({ "access_rule": rule_shown(&have, call) })))
        }),
        Route::new("DELETE", RULE, access("delete"), move |call| {
            own_hand(&i7, call, "Deleting an access rule")?;
            let have = one::<Access>(call)?;
            call.run(call.command(access("delete")).on(have.id))?;
            Ok(Reply::empty(204))
        }),
    ]
}
