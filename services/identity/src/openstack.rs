//! How it looks from outside: Keystone v3.

use crate::assignment::{Assignment, AssignmentSpec, Grant, ROLES, Scoped, role_by_id, role_of};
use crate::auth::{Identity, check_password};
use crate::directory::implied;
use crate::domain::Domain;
use crate::limit::Limit;
use crate::project::Project;
use crate::token::Token;
use crate::user::User;
use jinyun_base::{Fault, Id, Refusal, Refused, Time};
use jinyun_engine::{Command, Failure, Have, Query};
use jinyun_policy::{Actor, PROVIDER};
use jinyun_rest::{Call, Reply, Route, Shape, crud};
use serde_json::{Value, json};
use std::sync::Arc;

/// One service of the catalog.
#[derive(Debug, Clone)]
pub struct Service {
    /// Stable id.
    pub id: &'static str,
    /// `identity`, `compute`, ...
    pub kind: &'static str,
    /// `keystone`, `nova`, ...
    pub name: &'static str,
    /// Path behind the listener, `/identity/v3`; `{project}` is replaced by the token's project.
    pub path: &'static str,
}

/// Name of the one region.
const REGION: &str = "RegionOne";

impl Shape for Domain {
    const ONE: &'static str = "domain";
    const MANY: &'static str = "domains";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("domain")?;
        words.only(&["name", "description", "enabled", "options", "tags"])?;
        words.object("options")?;
        if words.texts("tags")?.is_some_and(|t| !t.is_empty()) {
            return Err(Refusal::invalid("tags", "of domains are not offered").into());
        }
        Ok(call.command("identity:domain:create").with(json!({
            "name": words.need("name")?,
            "description": words.long_text("description")?.unwrap_or_default(),
            "enabled": words.flag("enabled")?.unwrap_or(true),
        })))
    }

    fn update(call: &Call<'_>, _: &Have<Domain>) -> Result<Command, Failure> {
        let words = call.words("domain")?;
        words.only(&["id", "name", "description", "enabled", "options"])?;
        words.object("options")?;
        let mut patch = json!({});
        if let Some(name) = words.text("name")? {
            patch["name"] = name.into();
        }
        if let Some(text) = words.long_text("description")? {
            patch["description"] = text.into();
        }
        if let Some(on) = words.flag("enabled")? {
            patch["enabled"] = on.into();
        }
        Ok(call.command("identity:domain:update").with(patch))
    }

    fn show(have: &Have<Domain>, call: &Call<'_>) -> Result<Value, Fault> {
        Ok(json!({
            "id": have.id, "name": have.spec.name, "description": have.spec.description,
            "enabled": have.spec.enabled, "options": {}, "tags": [],
            "links": { "self": format!("{}/v3/domains/{}", call.base, have.id) },
        }))
    }
}

impl Shape for Project {
    const ONE: &'static str = "project";
    const MANY: &'static str = "projects";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("project")?;
        words.only(&["name", "description", "enabled", "domain_id", "parent_id", "is_domain",
            "tags", "options"])?;
        words.object("options")?;
        let domain = words.text("domain_id")?.map(Id::new)
            .or_else(|| call.actor.domain_of_scope().cloned())
            .ok_or_else(|| Refusal::invalid("domain_id", "is required"))?;
        if words.flag("is_domain")? == Some(true) {
            return Err(Refusal::invalid("is_domain", "is not offered: make a domain").into());
        }
        if words.text("parent_id")?.is_some_and(|p| p != domain.as_str()) {
            return Err(Refusal::invalid("parent_id", "is not offered: projects lie directly in \
                their domain").into());
        }
        let mut command = call.command("identity:project:create").with(json!({
            "name": words.need("name")?,
            "description": words.long_text("description")?.unwrap_or_default(),
            "enabled": words.flag("enabled")?.unwrap_or(true),
            "domain": domain,
            "tags": words.texts("tags")?.unwrap_or_default(),
        }));
        command.domain = Some(domain);
        Ok(command)
    }

    fn update(call: &Call<'_>, _: &Have<Project>) -> Result<Command, Failure> {
        let words = call.words("project")?;
        words.only(&["id", "name", "description", "enabled", "tags", "options"])?;
        words.object("options")?;
        let mut patch = json!({});
        if let Some(name) = words.text("name")? {
            patch["name"] = name.into();
        }
        if let Some(text) = words.long_text("description")? {
            patch["description"] = text.into();
        }
        if let Some(on) = words.flag("enabled")? {
            patch["enabled"] = on.into();
        }
        if let Some(tags) = words.texts("tags")? {
            patch["tags"] = tags.into();
        }
        Ok(call.command("identity:project:update").with(patch))
    }

    fn show(have: &Have<Project>, call: &Call<'_>) -> Result<Value, Fault> {
        Ok(json!({
            "id": have.id, "name": have.spec.name, "description": have.spec.description,
            "enabled": have.spec.enabled, "domain_id": have.domain, "parent_id": have.domain,
            "is_domain": false, "tags": have.spec.tags, "options": {},
            "links": { "self": format!("{}/v3/projects/{}", call.base, have.id) },
        }))
    }

    fn query(call: &Call<'_>) -> Query {
        Query { name: call.ask("name").map(String::from), ..Query::default() }
    }
}

impl Shape for User {
    const ONE: &'static str = "user";
    const MANY: &'static str = "users";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let words = call.words("user")?;
        words.only(&["name", "description", "email", "enabled", "domain_id", "password",
            "default_project_id", "options"])?;
        words.object("options")?;
        let domain = words.text("domain_id")?.map(Id::new)
            .or_else(|| call.actor.domain_of_scope().cloned())
            .unwrap_or_else(|| PROVIDER.into());
        let mut command = call.command("identity:user:create").with(json!({
            "name": words.need("name")?,
            "domain": domain,
            "description": words.long_text("description")?.unwrap_or_default(),
            "email": words.text("email")?,
            "enabled": words.flag("enabled")?.unwrap_or(true),
            "default_project": words.text("default_project_id")?,
        }));
        command.domain = Some(domain);
        Ok(command)
    }

    fn update(call: &Call<'_>, _: &Have<User>) -> Result<Command, Failure> {
        let words = call.words("user")?;
        words.only(&["id", "name", "description", "email", "enabled", "password",
            "default_project_id", "options"])?;
        words.object("options")?;
        let mut patch = json!({});
        if let Some(name) = words.text("name")? {
            patch["name"] = name.into();
        }
        if let Some(text) = words.long_text("description")? {
            patch["description"] = text.into();
        }
        if words.has("email") {
            patch["email"] = words.text("email")?.into();
        }
        if let Some(on) = words.flag("enabled")? {
            patch["enabled"] = on.into();
        }
        if words.has("default_project_id") {
            patch["default_project"] = words.text("default_project_id")?.into();
        }
        Ok(call.command("identity:user:update").with(patch))
    }

    fn show(have: &Have<User>, call: &Call<'_>) -> Result<Value, Fault> {
        let mut shown = json!({
            "id": have.id, "name": have.spec.name, "description": have.spec.description,
            "email": have.spec.email, "enabled": have.spec.enabled, "domain_id": have.domain,
            "password_expires_at": null, "options": {},
            "links": { "self": format!("{}/v3/users/{}", call.base, have.id) },
        });
        if have.spec.must_change {
            shown["password_expires_at"] = have.created.micros().into();
        }
        if let Some(project) = &have.spec.default_project {
            shown["default_project_id"] = project.as_str().into();
        }
        Ok(shown)
    }

    fn query(call: &Call<'_>) -> Query {
        Query { name: call.ask("name").map(String::from), ..Query::default() }
    }
}

impl Shape for Limit {
    const ONE: &'static str = "limit";
    const MANY: &'static str = "limits";
    const CHANGE: &'static str = "PATCH";

    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        let items = call.body.get("limits").and_then(Value::as_array);
        let one = items.filter(|i| i.len() == 1).and_then(|i| i[0].as_object());
        let members = one.ok_or_else(|| {
            Refusal::invalid("limits", "must be an array with one object: one limit a request")
        })?;
        let words = jinyun_rest::Words::new("limits", members);
        words.only(&["resource_name", "resource_limit", "project_id", "service_id", "region_id",
            "domain_id", "description"])?;
        // Before anything is looked up: whoever may not, learns nothing of what there is.
        call.cloud.reader.allow(&call.command("identity:limit:create"), &Default::default())?;
        let item = words.need("resource_name")?;
        if call.cloud.reader.registry().default_limit(&item).is_none() {
            return Err(Refusal::invalid("resource_name", format!("`{item}` is no quota item")).into());
        }
        let project = Id::new(words.need("project_id")?);
        let limit = words.int("resource_limit", -1, i64::MAX)?
            .ok_or_else(|| Refusal::invalid("resource_limit", "is required"))?;
        let domain = call.view(|v| v.get::<Project>(&project))?.map(|p| p.domain)
            .ok_or_else(|| Refusal::not_found("project", &project))?;
        // It lies in the institution's domain, so that the institution sees it in its journal.
        Ok(call.command("identity:limit:create").at(&domain, &project).with(json!({
            "item": item, "project": project, "limit": limit,
            "description": words.text("description")?.unwrap_or_default(),
        })))
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
            "links": { "self": format!("{}/v3/limits/{}", call.base, have.id) },
        }))
    }
}

/// All routes of the service.
pub fn routes(identity: Arc<Identity>, services: Vec<Service>) -> Vec<Route> {
    let services = Arc::new(services);
    let every = ["list", "create", "show", "update", "delete"];
    let mut all = tokens(&identity, &services);
    all.extend(crud::<Domain>("/v3/domains", &every));
    all.extend(crud::<Project>("/v3/projects", &every));
    all.extend(users(&identity));
    all.extend(roles());
    all.extend(catalog(&services));
    // Keystone answers a creation of limits with the list.
    all.extend(crud::<Limit>("/v3/limits", &["list", "show", "update", "delete"]));
    all.push(Route::new("POST", "/v3/limits", "identity:limit:create", |call| {
        let answer = call.run(Limit::create(call)?)?;
        let id = answer.row.ok_or_else(|| Fault::new("a limit without a row"))?.id;
        let have = call.again::<Limit>(&id)?;
        Ok(Reply::with(201, json!({ "limits": [Limit::show(&have, call)?] })))
    }));
    all.push(Route::new("GET", "/v3/registered_limits", "", |call| {
        let items = call.cloud.reader.registry().quota_items();
        let shown: Vec<Value> = items.into_iter().map(|(item, limit)| json!({
            "id": item, "resource_name": item, "default_limit": limit, "service_id": null,
            "region_id": REGION, "description": null,
        })).collect();
        Ok(Reply::ok(json!({ "registered_limits": shown, "links": {} })))
    }));
    all
}

fn version(call: &Call<'_>) -> Value {
    json!({
        "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
        "links": [{ "rel": "self", "href": format!("{}/v3/", call.base) }],
        "media-types": [{ "base": "application/json",
            "type": "application/vnd.openstack.identity-v3+json" }],
    })
}

fn tokens(identity: &Arc<Identity>, services: &Arc<Vec<Service>>) -> Vec<Route> {
    let (i, s) = (identity.clone(), services.clone());
    let sign_in = move |call: &Call<'_>| {
        let signed = i.sign_in(call)?;
        let body = describe(&i, &s, &signed.token, call)?;
        Ok(Reply::with(201, body).header("x-subject-token", signed.text))
    };
    let subject = |i: &Identity, call: &Call<'_>| -> Result<Token, Failure> {
        let text = call.headers.iter().find(|(n, _)| n == "x-subject-token").map(|(_, v)| v);
        let text = text.ok_or_else(|| Refusal::invalid("X-Subject-Token", "is required"))?;
        let token = i.open(text)
            .ok_or_else(|| Refusal::new(Refused::NotFound, "The token could not be found."))?;
        // One may look at one's own tokens only; services of the platform look in memory.
        if token.user != call.actor.id {
            return Err(Refusal::new(Refused::NotFound, "The token could not be found.").into());
        }
        Ok(token)
    };
    let (i, s) = (identity.clone(), services.clone());
    let check = move |call: &Call<'_>| {
        let token = subject(&i, call)?;
        let body = describe(&i, &s, &token, call)?;
        let text = call.headers.iter().find(|(n, _)| n == "x-subject-token");
        let text = text.map(|(_, v)| v.clone()).unwrap_or_default();
        Ok(Reply::ok(body).header("x-subject-token", text))
    };
    let head = check.clone();
    let i = identity.clone();
    let revoke = move |call: &Call<'_>| {
        let token = subject(&i, call)?;
        let audit = token.audit.first().cloned().unwrap_or_default();
        call.run(call.command("identity:token:revoke")
            .with(json!({ "audit": audit, "expires": token.expires })))?;
        Ok(Reply::empty(204))
    };
    let i = identity.clone();
    let projects = move |call: &Call<'_>| {
        let ids: Vec<Id> = i.directory.grants(&call.actor.id).into_iter()
            .filter_map(|g| match g.scope { Scoped::Project(p) => Some(p), _ => None }).collect();
        let mut shown = Vec::new();
        for id in ids {
            if let Some(have) = call.view(|v| v.get::<Project>(&id))?
                && !shown.iter().any(|s: &Value| s["id"] == id.as_str())
            {
                shown.push(Project::show(&have, call)?);
            }
        }
        Ok(Reply::ok(json!({ "projects": shown, "links": {} })))
    };
    let i = identity.clone();
    let domains = move |call: &Call<'_>| {
        let mut shown = Vec::new();
        for grant in i.directory.grants(&call.actor.id) {
            if let Scoped::Domain(d) = grant.scope
                && let Some(have) = call.view(|v| v.get::<Domain>(&d))?
            {
                shown.push(Domain::show(&have, call)?);
            }
        }
        Ok(Reply::ok(json!({ "domains": shown, "links": {} })))
    };
    let s = services.clone();
    vec![
        Route::new("GET", "/", "", |call| {
            Ok(Reply::with(300, json!({ "versions": { "values": [version(call)] } })))
        }).open(),
        Route::new("GET", "/v3", "", |call| Ok(Reply::ok(json!({ "version": version(call) }))))
            .open(),
        Route::new("POST", "/v3/auth/tokens", "identity:token:create", sign_in).open(),
        Route::new("GET", "/v3/auth/tokens", "", check),
        Route::new("HEAD", "/v3/auth/tokens", "", head),
        Route::new("DELETE", "/v3/auth/tokens", "identity:token:revoke", revoke),
        Route::new("GET", "/v3/auth/projects", "", projects),
        Route::new("GET", "/v3/auth/domains", "", domains),
        Route::new("GET", "/v3/auth/catalog", "", move |call| {
            let catalog = entries(&s, call, call.actor.project());
            Ok(Reply::ok(json!({ "catalog": catalog, "links": {} })))
        }),
    ]
}

fn entries(services: &[Service], call: &Call<'_>, project: Option<&Id>) -> Vec<Value> {
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

/// The body that describes a token.
fn describe(i: &Identity, services: &[Service], token: &Token, call: &Call<'_>)
    -> Result<Value, Failure> {
    let gone = || Refusal::new(Refused::NotFound, "The token could not be found.");
    let user = i.directory.user(&token.user).ok_or_else(gone)?;
    let named = |d: &Id| {
        let name = i.directory.domain(d).map(|d| d.name).unwrap_or_default();
        json!({ "id": d, "name": name })
    };
    let mut body = json!({
        "methods": token.methods,
        "user": { "id": token.user, "name": user.name, "domain": named(&user.domain),
            "password_expires_at": null },
        "audit_ids": token.audit,
        "expires_at": Time(token.expires).micros(),
        "issued_at": Time(token.issued).micros(),
    });
    let actor = i.directory.actor(&token.user, token.scope.as_ref()).ok_or_else(gone)?;
    if let Some(scope) = &token.scope {
        body["roles"] = roles_of(&actor).into();
        body["catalog"] = entries(services, call, actor.project()).into();
        match scope {
            Scoped::System => body["system"] = json!({ "all": true }),
            Scoped::Domain(d) => body["domain"] = named(d),
            Scoped::Project(p) => {
                let project = i.directory.project(p).ok_or_else(gone)?;
                body["project"] =
                    json!({ "id": p, "name": project.name, "domain": named(&project.domain) });
                body["is_domain"] = false.into();
            }
        }
    }
    Ok(json!({ "token": body }))
}

fn roles_of(actor: &Actor) -> Vec<Value> {
    let mut grants: Vec<Grant> = actor.role.into_iter()
        .flat_map(|r| implied(r).iter().map(|r| Grant::Role(*r))).collect();
    grants.extend(actor.duty.map(Grant::Duty));
    grants.into_iter().map(|g| {
        let (id, name) = role_of(g);
        json!({ "id": id, "name": name })
    }).collect()
}

fn users(identity: &Arc<Identity>) -> Vec<Route> {
    let mut all = crud::<User>("/v3/users", &["list", "show", "delete"]);
    let secret = |i: &Identity, call: &Call<'_>, command: &mut Command| -> Result<(), Failure> {
        if let Some(password) = call.words("user")?.long_text("password")? {
            check_password(&password)?;
            command.secrets.push(("password".into(), i.hash(&password)?));
        }
        Ok(())
    };
    let i = identity.clone();
    all.push(Route::new("POST", "/v3/users", "identity:user:create", move |call| {
        let mut command = User::create(call)?;
        // Decided before the costly hash: whoever may not, does not make us work.
        let object = jinyun_policy::Object { domain: command.domain.clone(), ..Default::default() };
        call.cloud.reader.allow(&command, &object)?;
        secret(&i, call, &mut command)?;
        let answer = call.run(command)?;
        let id = answer.value.get("id").and_then(Value::as_str).unwrap_or_default();
        let have = call.again::<User>(&id.into())?;
        Ok(Reply::with(201, json!({ "user": User::show(&have, call)? })))
    }));
    let i = identity.clone();
    all.push(Route::new("PATCH", "/v3/users/{id}", "identity:user:update", move |call| {
        let have = call.show::<User>(call.param("id"))?;
        let mut command = User::update(call, &have)?.on(have.id.clone());
        let object = jinyun_policy::Object {
            what: Some((jinyun_base::Kind("user"), have.id.clone())),
            domain: Some(have.domain.clone()),
            ..Default::default()
        };
        call.cloud.reader.allow(&command, &object)?;
        secret(&i, call, &mut command)?;
        if !command.secrets.is_empty() {
            // Whoever sets another's password ends that one's sessions, and knows a password that
            // has to be changed before it is of any use.
            command.args["tokens_since"] = i.now().0.into();
            command.args["must_change"] = true.into();
        }
        call.run(command)?;
        let have = call.again::<User>(&have.id)?;
        Ok(Reply::ok(json!({ "user": User::show(&have, call)? })))
    }));
    let i = identity.clone();
    let path = "/v3/users/{id}/password";
    all.push(Route::new("POST", path, "identity:user:change_password", move |call| {
        i.change_password(call)?;
        Ok(Reply::empty(204))
    }).open());
    let i = identity.clone();
    all.push(Route::new("GET", "/v3/users/{id}/projects", "", move |call| {
        let user = call.show::<User>(call.param("id"))?;
        let mut shown = Vec::new();
        for grant in i.directory.grants(&user.id) {
            if let Scoped::Project(p) = grant.scope
                && let Some(have) = call.view(|v| v.get::<Project>(&p))?
            {
                shown.push(Project::show(&have, call)?);
            }
        }
        Ok(Reply::ok(json!({ "projects": shown, "links": {} })))
    }));
    all
}

fn role_shown(id: &str, name: &str) -> Value {
    json!({ "id": id, "name": name, "domain_id": null, "description": null, "options": {} })
}

fn scope_of(call: &Call<'_>, place: &str) -> Scoped {
    match place {
        "projects" => Scoped::Project(call.param("scope").into()),
        "domains" => Scoped::Domain(call.param("scope").into()),
        _ => Scoped::System,
    }
}

fn asked(call: &Call<'_>, place: &str) -> Result<AssignmentSpec, Failure> {
    let role = call.param("role");
    let role = role_by_id(role).ok_or_else(|| {
        Refusal::new(Refused::NotFound, format!("Could not find role: {role}."))
    })?;
    Ok(AssignmentSpec { user: call.param("user").into(), role, scope: scope_of(call, place) })
}

/// An assignment is decided about by the domain of its scope.
fn command_at(call: &Call<'_>, verb: &str, spec: &AssignmentSpec) -> Result<Command, Failure> {
    let home = match &spec.scope {
        Scoped::System => Some(PROVIDER.into()),
        Scoped::Domain(d) => Some(d.clone()),
        Scoped::Project(p) => call.view(|v| v.get::<Project>(p))?.map(|p| p.domain),
    };
    // Another institution's project is not there, exactly as one that does not exist.
    let own = call.actor.domain_of_scope();
    let staff = call.actor.duty.is_some();
    if let (Scoped::Project(p), false) = (&spec.scope, staff || home.as_ref() == own) {
        return Err(Refusal::not_found("project", p).into());
    }
    let args = serde_json::to_value(spec).map_err(|e| Fault::new(e.to_string()))?;
    let mut command = call.command(format!("identity:assignment:{verb}")).with(args);
    command.domain = home;
    Ok(command)
}

fn roles() -> Vec<Route> {
    let mut all = vec![
        Route::new("GET", "/v3/roles", "", |call| {
            let name = call.ask("name");
            let shown: Vec<Value> = ROLES.iter().filter(|(_, n, _)| name.is_none_or(|a| a == *n))
                .map(|(id, name, _)| role_shown(id, name)).collect();
            Ok(Reply::ok(json!({ "roles": shown, "links": {} })))
        }),
        Route::new("GET", "/v3/roles/{id}", "", |call| {
            let id = call.param("id");
            match ROLES.iter().find(|(i, ..)| *i == id) {
                Some((id, name, _)) => Ok(Reply::ok(json!({ "role": role_shown(id, name) }))),
                None => Err(Refusal::new(Refused::NotFound, format!("Could not find role: {id}."))
                    .into()),
            }
        }),
        Route::new("GET", "/v3/role_assignments", "identity:assignment:list", list_assignments),
    ];
    for place in ["projects", "domains", "system"] {
        let base = match place {
            "system" => "/v3/system/users/{user}/roles".to_string(),
            _ => format!("/v3/{place}/{{scope}}/users/{{user}}/roles"),
        };
        let item = format!("{base}/{{role}}");
        all.push(Route::new("PUT", &item, "identity:assignment:create", move |call| {
            call.run(command_at(call, "create", &asked(call, place)?)?)?;
            Ok(Reply::empty(204))
        }));
        all.push(Route::new("DELETE", &item, "identity:assignment:delete", move |call| {
            call.run(command_at(call, "delete", &asked(call, place)?)?)?;
            Ok(Reply::empty(204))
        }));
        let check = move |call: &Call<'_>| {
            let want = asked(call, place)?;
            let held = call.list::<Assignment>(&Query::field("user", &want.user))?;
            if held.iter().any(|h| h.spec == want) {
                return Ok(Reply::empty(204));
            }
            Err(Refusal::new(Refused::NotFound, "Could not find role assignment.").into())
        };
        all.push(Route::new("GET", &item, "identity:assignment:show", check));
        all.push(Route::new("HEAD", &item, "identity:assignment:show", check));
        all.push(Route::new("GET", &base, "identity:assignment:list", move |call| {
            let scope = scope_of(call, place);
            let held = call.list::<Assignment>(&Query::field("user", call.param("user")))?;
            let shown: Vec<Value> = held.iter().filter(|h| h.spec.scope == scope)
                .map(|h| role_of(h.spec.role)).map(|(id, name)| role_shown(id, name)).collect();
            Ok(Reply::ok(json!({ "roles": shown, "links": {} })))
        }));
    }
    all
}

fn list_assignments(call: &Call<'_>) -> Result<Reply, Failure> {
    let query = match call.ask("user.id") {
        Some(user) => Query::field("user", user),
        None => Query::default(),
    };
    let names = call.query.iter().any(|(n, v)| n == "include_names" && v != "0" && v != "False");
    let mut shown = Vec::new();
    for have in call.list::<Assignment>(&query)? {
        let (role, role_name) = role_of(have.spec.role);
        let fits = match (&have.spec.scope, call.ask("scope.project.id"), call.ask("scope.domain.id"),
            call.ask("scope.system")) {
            (_, None, None, None) => true,
            (Scoped::Project(p), Some(asked), ..) => p.as_str() == asked,
            (Scoped::Domain(d), _, Some(asked), _) => d.as_str() == asked,
            (Scoped::System, .., Some(_)) => true,
            _ => false,
        };
        if !fits || call.ask("role.id").is_some_and(|r| r != role) {
            continue;
        }
        let mut entry = json!({ "role": { "id": role }, "user": { "id": have.spec.user },
            "links": {} });
        let domain_named = |d: &Id| -> Result<Value, Fault> {
            let name = call.view(|v| v.get::<Domain>(d))?.map(|d| d.spec.name);
            Ok(json!({ "id": d, "name": name }))
        };
        entry["scope"] = match &have.spec.scope {
            Scoped::System => json!({ "system": { "all": true } }),
            Scoped::Domain(d) if names => json!({ "domain": domain_named(d)? }),
            Scoped::Domain(d) => json!({ "domain": { "id": d } }),
            Scoped::Project(p) if names => {
                let project = call.view(|v| v.get::<Project>(p))?;
                let name = project.as_ref().map(|p| p.spec.name.clone());
                let domain = project.map(|p| domain_named(&p.domain)).transpose()?;
                json!({ "project": { "id": p, "name": name, "domain": domain } })
            }
            Scoped::Project(p) => json!({ "project": { "id": p } }),
        };
        if names {
            entry["role"]["name"] = role_name.into();
            if let Some(user) = call.view(|v| v.get::<User>(&have.spec.user))? {
                entry["user"]["name"] = user.spec.name.into();
                entry["user"]["domain"] = domain_named(&user.domain)?;
            }
        }
        shown.push(entry);
    }
    Ok(Reply::ok(json!({ "role_assignments": shown, "links": {} })))
}

fn catalog(services: &Arc<Vec<Service>>) -> Vec<Route> {
    let shown = |s: &Service| json!({
        "id": s.id, "type": s.kind, "name": s.name, "enabled": true, "description": "", "links": {},
    });
    let (a, b, c) = (services.clone(), services.clone(), services.clone());
    vec![
        Route::new("GET", "/v3/services", "", move |call| {
            let all: Vec<Value> = a.iter()
                .filter(|s| call.ask("type").is_none_or(|t| t == s.kind))
                .filter(|s| call.ask("name").is_none_or(|n| n == s.name)).map(shown).collect();
            Ok(Reply::ok(json!({ "services": all, "links": {} })))
        }),
        Route::new("GET", "/v3/services/{id}", "", move |call| {
            let id = call.param("id");
            match b.iter().find(|s| s.id == id) {
                Some(s) => Ok(Reply::ok(json!({ "service": shown(s) }))),
                None => Err(Refusal::not_found("service", id).into()),
            }
        }),
        Route::new("GET", "/v3/endpoints", "", move |call| {
            let mut all = Vec::new();
            for (service, entry) in c.iter().zip(entries(&c, call, call.actor.project())) {
                for endpoint in entry["endpoints"].as_array().into_iter().flatten() {
                    let mut endpoint = endpoint.clone();
                    endpoint["service_id"] = service.id.into();
                    endpoint["enabled"] = true.into();
                    endpoint["links"] = json!({});
                    all.push(endpoint);
                }
            }
            Ok(Reply::ok(json!({ "endpoints": all, "links": {} })))
        }),
        Route::new("GET", "/v3/regions", "", |_| {
            let region = json!({ "id": REGION, "description": "", "parent_region_id": null,
                "links": {} });
            Ok(Reply::ok(json!({ "regions": [region], "links": {} })))
        }),
    ]
}
