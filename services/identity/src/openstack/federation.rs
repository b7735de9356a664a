//! Federation, as Keystone's OS-FEDERATION has it: identity providers, their protocols, mappings,
//! and the sign-in by them. Extensions of a provider (its keys, for whom its tokens are made, which of
//! its words count for two factors) are members of its own, with `jinyun:` before them.
//!
//! Ids of providers and mappings are the institution's own: whoever sends one with a token for a
//! domain means that domain's (`scoped`), and two institutions can use one id without hearing of each
//! other. Only the address of a sign-in, which comes without a token, has to name the institution, too.

use super::tokens::signed;
use super::{Service, domain_of, link, listed};
use crate::auth::Identity;
use crate::federation::factors::{self, FactorRule};
use crate::federation::mapping::Mapping;
use crate::federation::protocol::{self, Protocol};
use crate::federation::provider::{LONGEST, Provider};
use crate::federation::{OF, called, jwks, own};
use crate::receipt;
use jinyun_base::{Fault, Id, Refusal, Refused};
use jinyun_engine::{Command, Failure, Have, Query, Resource};
use jinyun_rest::{Call, Reply, Route, Shape, Words, crud};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};

const PROVIDERS: &str = "/v3/OS-FEDERATION/identity_providers";
const PROTOCOLS: &str = "/v3/OS-FEDERATION/identity_providers/{idp}/protocols";
const PROTOCOL: &str = "/v3/OS-FEDERATION/identity_providers/{idp}/protocols/{id}";
const MAPPINGS: &str = "/v3/OS-FEDERATION/mappings";
/// Its last part has a name of its own: `auth` is no protocol of that id.
const AUTH: &str = "/v3/OS-FEDERATION/identity_providers/{idp}/protocols/{protocol}/auth";

/// Members of a provider that a client may send.
const MEMBERS: [&str; 9] = ["enabled", "description", "remote_ids", "authorization_ttl", "domain_id",
    "jinyun:issuer", "jinyun:audiences", jwks::NAME, factors::NAME];

/// The row of what a caller calls so. Whoever has no domain writes the institution behind the id.
fn row_of<R: Resource>(call: &Call<'_>, id: &str) -> Result<Id, Failure> {
    let whole = Id::new(id);
    let Some(domain) = call.actor.domain_of_scope().filter(|_| !id.contains(OF)) else {
        return Ok(whole);
    };
    // Rows of the time before are found by the id alone.
    let before = call.view(|v| v.get::<R>(&whole))?.is_some_and(|have| have.domain == *domain);
    Ok(if before { whole } else { own(id, domain) })
}

/// What a caller calls a row.
fn name_of<'i>(call: &Call<'_>, row: &'i Id, domain: &Id) -> &'i str {
    match call.actor.domain_of_scope() {
        Some(of) if of == domain => called(row, domain),
        _ => row.as_str(),
    }
}

/// Refuses a body that would give the thing another id.
fn same_name(words: &Words<'_>, row: &Id, domain: &Id) -> Result<(), Failure> {
    match words.text("id")? {
        Some(other) if other != row.as_str() && other != called(row, domain) => {
            Err(Refusal::invalid("id", "cannot be changed").into())
        }
        _ => Ok(()),
    }
}

/// A route in whose path, and in whose marker of a list, the caller's own ids stand.
fn scoped<R: Resource>(mut route: Route, name: &'static str) -> Route {
    let run = route.run;
    route.run = Box::new(move |call: &Call<'_>| {
        let (mut path, mut said) = (call.path.clone(), Vec::new());
        for (_, id) in path.iter_mut().filter(|(n, _)| *n == name) {
            let row = row_of::<R>(call, id)?.to_string();
            said.push((row.clone(), std::mem::replace(id, row)));
        }
        let mut query = call.query.clone();
        for (_, id) in query.iter_mut().filter(|(n, _)| n == "marker" && name == "id") {
            *id = row_of::<R>(call, id)?.to_string();
        }
        run(&Call {
            cloud: call.cloud,
            actor: call.actor,
            via: call.via.clone(),
            door: call.door,
            path,
            query,
            body: call.body.clone(),
            request: call.request.clone(),
            source: call.source.clone(),
            base: call.base.clone(),
            version: call.version,
            token: call.token.clone(),
            headers: call.headers.clone(),
            // None of them takes a stream.
            input: Mutex::new(None),
        }).map_err(|failure| match failure {
            // A refusal speaks of it as the caller does.
            Failure::Refused(mut refusal) => {
                said.iter().for_each(|(row, id)| refusal.message = refusal.message.replace(row, id));
                Failure::Refused(refusal)
            }
            fault => fault,
        })
    });
    route
}

/// The members of a provider's spec that a request names.
fn asked(words: &Words<'_>) -> Result<Map<String, Value>, Failure> {
    let mut asked = Map::new();
    let mut set = |name: &str, value: Value| drop(asked.insert(name.into(), value));
    if let Some(on) = words.flag("enabled")? {
        set("enabled", on.into());
    }
    if words.has("description") {
        set("description", words.long_text("description")?.into());
    }
    if words.has("remote_ids") {
        set("remote_ids", words.texts("remote_ids")?.unwrap_or_default().into());
    }
    if words.has("authorization_ttl") {
        set("authorization_ttl", words.int("authorization_ttl", 0, LONGEST)?.into());
    }
    if words.has("jinyun:issuer") {
        set("issuer", words.text("jinyun:issuer")?.into());
    }
    if words.has("jinyun:audiences") {
        set("audiences", words.texts("jinyun:audiences")?.unwrap_or_default().into());
    }
    if words.has(jwks::NAME) {
        let keys = match words.value(jwks::NAME) {
            Some(set) => jwks::read(set)?,
            None => Vec::new(),
        };
        set("jwks", super::encoded(keys)?);
    }
    if words.has(factors::NAME) {
        let rule = words.object(factors::NAME)?.map(|rule| FactorRule::read(&rule)).transpose()?;
        set("multi_factor", super::encoded(rule)?);
    }
    Ok(asked)
}

/// A command that makes a thing with an id of the client's.
fn made(call: &Call<'_>, action: String, domain: Id, id: &str, mut args: Map<String, Value>)
    -> Command {
    args.insert("id".into(), id.into());
    let mut command = call.command(action).with(Value::Object(args));
    // In its domain and in none of its projects.
    command.project = Some("".into());
    command.domain = Some(domain);
    command
}

/// Refuses a body that would move the thing to another institution.
fn same_domain(words: &Words<'_>, domain: &Id) -> Result<(), Failure> {
    match words.text("domain_id")? {
        Some(other) if other != domain.as_str() => {
            Err(Refusal::invalid("domain_id", "cannot be changed").into())
        }
        _ => Ok(()),
    }
}

impl Shape for Provider {
    const ONE: &'static str = "identity_provider";
    const MANY: &'static str = "identity_providers";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words(Self::ONE)?;
        words.only(&MEMBERS)?;
        let domain = domain_of(call, &words, "identity:identity_provider:create")?;
        let mut args = asked(&words)?;
        // As in Keystone: it is enabled when somebody says so.
        args.entry("enabled").or_insert(false.into());
        args.insert("domain".into(), super::encoded(&domain)?);
        Ok(made(call, Self::action("create"), domain, call.param("id"), args))
    }

    fn update(call: &Call<'_>, have: &Have<Provider>) -> Result<Command, Failure> {
        let words = call.words(Self::ONE)?;
        let known: Vec<&str> = MEMBERS.into_iter().chain(["id"]).collect();
        words.only(&known)?;
        same_name(&words, &have.id, &have.domain)?;
        same_domain(&words, &have.domain)?;
        Ok(call.command(Self::action("update")).with(Value::Object(asked(&words)?)))
    }

    fn show(have: &Have<Provider>, call: &Call<'_>) -> Result<Value, Fault> {
        let spec = &have.spec;
        let id = name_of(call, &have.id, &have.domain);
        let own = link(call, &format!("{PROVIDERS}/{id}"));
        Ok(json!({
            "id": id, "jinyun:sign_in_id": have.id, "enabled": spec.enabled,
            "description": spec.description,
            "remote_ids": spec.remote_ids, "domain_id": have.domain,
            "authorization_ttl": spec.authorization_ttl,
            "jinyun:issuer": spec.issued_by(), "jinyun:audiences": spec.audiences,
            "jinyun:jwks": { "keys": super::encoded(&spec.jwks)? },
            "jinyun:multi_factor": super::encoded(&spec.multi_factor)?,
            "links": { "self": own, "protocols": format!("{own}/protocols") },
        }))
    }
}

impl Shape for Mapping {
    const ONE: &'static str = "mapping";
    const MANY: &'static str = "mappings";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words(Self::ONE)?;
        let domain = domain_of(call, &words, "identity:mapping:create")?;
        let mut args = rules(&words)?;
        args.insert("domain".into(), super::encoded(&domain)?);
        Ok(made(call, Self::action("create"), domain, call.param("id"), args))
    }

    fn update(call: &Call<'_>, have: &Have<Mapping>) -> Result<Command, Failure> {
        let words = call.words(Self::ONE)?;
        same_name(&words, &have.id, &have.domain)?;
        same_domain(&words, &have.domain)?;
        Ok(call.command(Self::action("update")).with(Value::Object(rules(&words)?)))
    }

    fn show(have: &Have<Mapping>, call: &Call<'_>) -> Result<Value, Fault> {
        let id = name_of(call, &have.id, &have.domain);
        Ok(json!({
            "id": id, "rules": have.spec.rules, "schema_version": "1.0",
            "domain_id": have.domain,
            "links": { "self": link(call, &format!("{MAPPINGS}/{id}")) },
        }))
    }
}

/// Longest text of a mapping's rules.
const LENGTH: usize = 64 * 1024;

/// The rules that a request has, which are always all of them.
fn rules(words: &Words<'_>) -> Result<Map<String, Value>, Failure> {
    words.only(&["id", "rules", "schema_version", "domain_id"])?;
    if words.text("schema_version")?.is_some_and(|v| v != "1.0") {
        let say = "is 1.0: later versions speak of projects, which mappings do not give here";
        return Err(Refusal::invalid("schema_version", say).into());
    }
    let rules = words.array("rules")?.ok_or_else(|| Refusal::invalid("rules", "are required"))?;
    let rules = Value::Array(rules.clone());
    if rules.to_string().len() > LENGTH {
        return Err(Refusal::invalid("rules", format!("are longer than {LENGTH} bytes")).into());
    }
    Ok(Map::from_iter([("rules".to_string(), rules)]))
}

fn show_protocol(have: &Have<Protocol>, call: &Call<'_>) -> Value {
    let name = |row| name_of(call, row, &have.domain);
    let idp = link(call, &format!("{PROVIDERS}/{}", name(&have.spec.idp)));
    json!({
        "id": have.spec.protocol, "mapping_id": name(&have.spec.mapping),
        "remote_id_attribute": have.spec.remote_id_attribute,
        "links": { "self": format!("{idp}/protocols/{}", have.spec.protocol),
            "identity_provider": idp },
    })
}

/// The row of the protocol that a path names.
fn named(call: &Call<'_>) -> Id {
    protocol::row(call.param("idp"), call.param("id"))
}

fn protocol_shown(call: &Call<'_>, id: &Id, status: u16) -> Result<Reply, Failure> {
    let have = call.again::<Protocol>(id)?;
    Ok(Reply::with(status, json!({ "protocol": show_protocol(&have, call) })))
}

/// The mapping and the issuer's name that a request has.
fn protocol_asked(call: &Call<'_>, words: &Words<'_>) -> Result<Map<String, Value>, Failure> {
    words.only(&["id", "mapping_id", "remote_id_attribute"])?;
    let mut asked = Map::new();
    if let Some(mapping) = words.text("mapping_id")? {
        asked.insert("mapping".into(), super::encoded(row_of::<Mapping>(call, &mapping)?)?);
    }
    if words.has("remote_id_attribute") {
        asked.insert("remote_id_attribute".into(), words.text("remote_id_attribute")?.into());
    }
    Ok(asked)
}

fn make_protocol(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = call.param("id");
    if id.to_ascii_lowercase().starts_with("saml") {
        let say = "SAML is not offered: a protocol speaks OpenID Connect.";
        return Err(Refusal::new(Refused::NotOffered, say).into());
    }
    let provider = call.show::<Provider>(call.param("idp"))?;
    let words = call.words("protocol")?;
    let mut args = protocol_asked(call, &words)?;
    if !args.contains_key("mapping") {
        return Err(Refusal::invalid("mapping_id", "is required").into());
    }
    args.insert("idp".into(), super::encoded(&provider.id)?);
    args.insert("protocol".into(), id.into());
    let row = named(call);
    call.run(made(call, "identity:federation_protocol:create".into(), provider.domain, row.as_str(),
        args))?;
    protocol_shown(call, &row, 201)
}

fn protocols() -> Vec<Route> {
    let action = |word: &str| format!("identity:federation_protocol:{word}");
    vec![
        Route::new("GET", PROTOCOLS, action("list"), |call| {
            let provider = call.show::<Provider>(call.param("idp"))?;
            let rows = call.list::<Protocol>(&Query::field("idp", &provider.id))?;
            let shown = rows.iter().map(|have| show_protocol(have, call)).collect();
            super::many(call, PROTOCOLS, "protocols", shown)
        }),
        Route::new("PUT", PROTOCOL, action("create"), make_protocol),
        Route::new("GET", PROTOCOL, action("show"), |call| {
            let have = call.show::<Protocol>(named(call).as_str())?;
            Ok(Reply::ok(json!({ "protocol": show_protocol(&have, call) })))
        }),
        Route::new("PATCH", PROTOCOL, action("update"), |call| {
            let have = call.show::<Protocol>(named(call).as_str())?;
            let words = call.words("protocol")?;
            super::domains::same_id(&words, &Id::new(&have.spec.protocol))?;
            let asked = Value::Object(protocol_asked(call, &words)?);
            let change = call.command("identity:federation_protocol:update").with(asked);
            call.run(change.on(have.id.clone()))?;
            protocol_shown(call, &have.id, 200)
        }),
        Route::new("DELETE", PROTOCOL, action("delete"), |call| {
            call.run(call.command("identity:federation_protocol:delete").on(named(call)))?;
            Ok(Reply::empty(204))
        }),
    ]
}

/// A creation with the id in the path: `crud` knows only ids that are made here.
fn put<R: Shape>(path: String) -> Route {
    Route::new("PUT", path, R::action("create"), |call| {
        let command = R::create(call)?;
        call.run(command)?;
        let have = call.again::<R>(&Id::new(call.param("id")))?;
        let shown = R::show(&have, call)?;
        Ok(Reply::with(201, Value::Object(Map::from_iter([(R::ONE.to_string(), shown)]))))
    })
}

fn one<R: Shape>(list: &'static str) -> Vec<Route> {
    let mut all = crud::<R>(list, &["show", "update", "delete"]);
    all.push(put::<R>(format!("{list}/{{id}}")));
    all.push(Route::new("GET", list, R::action("list"), move |call| {
        let query = Query { domain: call.actor.domain_of_scope().cloned(), ..Query::default() };
        listed::<R>(call, list, query, |_| true)
    }));
    all.into_iter().map(|route| scoped::<R>(route, "id")).collect()
}

pub(super) fn routes(identity: &Arc<Identity>, services: &Arc<Vec<Service>>) -> Vec<Route> {
    let mut all = one::<Provider>(PROVIDERS);
    all.extend(one::<Mapping>(MAPPINGS));
    all.extend(protocols().into_iter().map(|route| scoped::<Provider>(route, "idp")));
    for method in ["GET", "POST"] {
        let (i, s) = (identity.clone(), services.clone());
        all.push(Route::new(method, AUTH, "identity:token:create", move |call| {
            match i.sign_in_by_provider(call) {
                Ok(new) => signed(&i, &s, call, new, 201),
                Err(failure) => receipt::reply(failure),
            }
        }).open());
    }
    all
}
