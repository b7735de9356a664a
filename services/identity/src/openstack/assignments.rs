//! Role assignments: giving and taking, and the lists of what was given and what it amounts to.
//!
//! A grant's body, which Keystone does not have, may say when it ends:
//! `PUT .../roles/{role}` with `{"role_assignment": {"expires_at": "2026-01-31T08:00:00Z"}}`.
//! Without a body it has no end. Sent again, it is stated anew.

use super::roles::{role, shown as role_shown};
use super::{asks, here, link, list, many, may, moment, role_named};
use crate::assignment::{Assignment, AssignmentSpec, Grant, Scoped, nobody, role_by_id, role_of};
use crate::auth::Identity;
use crate::directory::{Effective, Filter};
use jinyun_base::{Id, Refusal, Refused, Time};
use jinyun_engine::{Command, Failure, Resource};
use jinyun_policy::Object;
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Value, json};
use std::sync::Arc;

/// At most so many lines of what assignments amount to.
const LINES: usize = 10_000;

/// One of the shapes that the path of a grant has.
#[derive(Clone, Copy)]
struct Way {
    place: &'static str,
    group: bool,
    inherited: bool,
}

impl Way {
    fn base(self) -> String {
        let who = if self.group { "groups" } else { "users" };
        let below = if self.inherited { "/OS-INHERIT" } else { "" };
        match self.place {
            "system" => format!("/v3/system/{who}/{{who}}/roles"),
            place => format!("/v3{below}/{place}/{{scope}}/{who}/{{who}}/roles"),
        }
    }

    fn scope(self, call: &Call<'_>) -> Scoped {
        match self.place {
            "projects" => Scoped::Project(call.param("scope").into()),
            "domains" => Scoped::Domain(call.param("scope").into()),
            _ => Scoped::System,
        }
    }

    fn spec(self, call: &Call<'_>) -> Result<AssignmentSpec, Failure> {
        let who = Id::new(call.param("who"));
        let (user, group) = if self.group { (nobody(), who) } else { (who, nobody()) };
        let (role, scope) = (role(call, "role")?, self.scope(call));
        Ok(AssignmentSpec { user, group, role, scope, inherited: self.inherited, expires: None })
    }

    fn filter(self, call: &Call<'_>) -> Filter {
        let who = Some(Id::new(call.param("who")));
        let (user, group) = if self.group { (None, who) } else { (who, None) };
        let (scope, inherited) = (Some(self.scope(call)), Some(self.inherited));
        Filter { user, group, scope, inherited, ..Filter::default() }
    }
}

/// Another institution's project or domain is not there, exactly as one that does not exist.
fn command_at(i: &Identity, call: &Call<'_>, verb: &str, spec: &AssignmentSpec)
    -> Result<Command, Failure> {
    let home = i.directory.home(&spec.scope);
    let own = call.actor.duty.is_some() || home.as_ref() == call.actor.domain_of_scope();
    match &spec.scope {
        Scoped::Project(p) if !own => return Err(super::missing("project", p.as_str())),
        Scoped::Domain(d) if !own => return Err(super::missing("domain", d.as_str())),
        _ => {}
    }
    let action = format!("identity:assignment:{verb}");
    let mut command = call.command(action).with(super::encoded(spec)?);
    command.domain = home;
    Ok(command)
}

/// When a grant ends.
fn ends(call: &Call<'_>) -> Result<Option<i64>, Failure> {
    if call.body.is_null() || call.body.as_object().is_some_and(|b| b.is_empty()) {
        return Ok(None);
    }
    let words = call.words("role_assignment")?;
    words.only(&["expires_at"])?;
    moment(&words, "expires_at")
}

/// Whether the caller may see an assignment.
fn sees(call: &Call<'_>, id: &Id, spec: &AssignmentSpec, home: Option<Id>) -> bool {
    may(call, "identity:assignment:list", &Object {
        what: Some((Assignment::KIND, id.clone())),
        domain: home,
        owner: (!spec.of_group()).then(|| spec.user.clone()),
        ..Object::default()
    })
}

/// Assignments that the caller may see.
fn visible(i: &Identity, call: &Call<'_>, filter: &Filter) -> Vec<AssignmentSpec> {
    i.directory.assignments(filter, i.now(), &|id, spec, home| sees(call, id, spec, home))
}

pub(super) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    let mut all = Vec::new();
    for (place, inherited) in [("projects", false), ("domains", false), ("system", false),
        ("projects", true), ("domains", true)] {
        for group in [false, true] {
            all.extend(grants(identity, Way { place, group, inherited }));
        }
    }
    let i = identity.clone();
    let path = "/v3/role_assignments";
    all.push(Route::new("GET", path, "identity:assignment:list", move |call| lines(&i, call)));
    all
}

fn grants(identity: &Arc<Identity>, way: Way) -> Vec<Route> {
    let base = way.base();
    let (item, all) = match way.inherited {
        true => (format!("{base}/{{role}}/inherited_to_projects"),
            format!("{base}/inherited_to_projects")),
        false => (format!("{base}/{{role}}"), base),
    };
    let i = identity.clone();
    let put = move |call: &Call<'_>| {
        let spec = AssignmentSpec { expires: ends(call)?, ..way.spec(call)? };
        call.run(command_at(&i, call, "create", &spec)?)?;
        Ok(Reply::empty(204))
    };
    let i = identity.clone();
    let delete = move |call: &Call<'_>| {
        call.run(command_at(&i, call, "delete", &way.spec(call)?)?)?;
        Ok(Reply::empty(204))
    };
    let i = identity.clone();
    let check = move |call: &Call<'_>| {
        let filter = Filter { role: Some(role(call, "role")?), ..way.filter(call) };
        match visible(&i, call, &filter).is_empty() {
            false => Ok(Reply::empty(204)),
            true => {
                let say = "Could not find role assignment.";
                Err(Refusal::new(Refused::NotFound, say).into())
            }
        }
    };
    let (i, pattern, head) = (identity.clone(), all.clone(), check.clone());
    let held = move |call: &Call<'_>| {
        let held = visible(&i, call, &way.filter(call));
        let shown = held.iter().map(|spec| role_shown(call, spec.role)).collect();
        many(call, &pattern, "roles", shown)
    };
    vec![
        Route::new("PUT", &item, "identity:assignment:create", put),
        Route::new("DELETE", &item, "identity:assignment:delete", delete),
        Route::new("GET", &item, "identity:assignment:show", check),
        Route::new("HEAD", &item, "identity:assignment:show", head),
        Route::new("GET", &all, "identity:assignment:list", held),
    ]
}

/// What the query of a list asks for.
fn asked(call: &Call<'_>) -> Result<Filter, Failure> {
    let id = |name: &str| call.ask(name).map(Id::new);
    let places = [id("scope.project.id").map(Scoped::Project),
        id("scope.domain.id").map(Scoped::Domain), call.ask("scope.system").map(|_| Scoped::System)];
    let wrong = |say: &str| Err(Refusal::invalid("scope", say).into());
    if places.iter().flatten().count() > 1 {
        return wrong("must be one of project, domain and system");
    }
    let (user, group) = (id("user.id"), id("group.id"));
    if user.is_some() && group.is_some() {
        return Err(Refusal::invalid("user.id", "and group.id cannot be asked together").into());
    }
    let subtree = asks(call, "include_subtree");
    if subtree && places[0].is_none() {
        return wrong("must be a project (scope.project.id) with include_subtree");
    }
    if asks(call, "effective") && group.is_some() {
        let say = "cannot be asked together with effective, which has users only";
        return Err(Refusal::invalid("group.id", say).into());
    }
    let inherited = call.ask("scope.OS-INHERIT:inherited_to").map(|to| to == "projects");
    let scope = places.into_iter().flatten().next();
    // Nobody but the provider's staff sees those of another domain.
    let domain = call.actor.duty.is_none().then(|| call.actor.domain.clone());
    Ok(Filter { user, group, role: None, scope, subtree, inherited, domain })
}

/// `GET /v3/role_assignments`.
fn lines(i: &Identity, call: &Call<'_>) -> Result<Reply, Failure> {
    let mut filter = asked(call)?;
    if let Some(id) = call.ask("role.id") {
        filter.role = role_by_id(id);
        if filter.role.is_none() {
            return finish(call, Vec::new(), true);
        }
    }
    let shown = Shown { i, call, names: asks(call, "include_names") };
    if !asks(call, "effective") {
        let given = visible(i, call, &filter);
        return finish(call, given.iter().map(|s| shown.given(s)).collect(), true);
    }
    if filter.inherited == Some(true) && matches!(filter.scope, Some(Scoped::Domain(_))) {
        let say = "cannot be asked together with effective and a domain: what is inherited holds in \
            projects";
        return Err(Refusal::invalid("scope.OS-INHERIT:inherited_to", say).into());
    }
    let (all, whole) = i.directory.effective(&filter, LINES, i.now(),
        &|id, spec, home| sees(call, id, spec, home));
    finish(call, all.iter().map(|e| shown.effective(e)).collect(), whole)
}

fn finish(call: &Call<'_>, lines: Vec<Value>, whole: bool) -> Result<Reply, Failure> {
    let own = format!("{}{}", here(call, "/v3/role_assignments"), list::again(call, &[], &[]));
    let mut body = json!({ "role_assignments": lines,
        "links": { "next": null, "previous": null, "self": own } });
    if !whole {
        body["truncated"] = true.into();
    }
    Ok(Reply::ok(body))
}

/// How a line is shown.
struct Shown<'a> {
    i: &'a Identity,
    call: &'a Call<'a>,
    names: bool,
}

impl Shown<'_> {
    fn domain(&self, id: &Id) -> Value {
        json!({ "id": id, "name": self.i.directory.domain(id).map(|d| d.name) })
    }

    /// A thing by its id, and with name and domain where that is asked.
    fn named(&self, id: &Id, found: Option<(String, Id)>) -> Value {
        match found {
            Some((name, domain)) if self.names => {
                json!({ "id": id, "name": name, "domain": self.domain(&domain) })
            }
            _ => json!({ "id": id }),
        }
    }

    fn user(&self, id: &Id) -> Value {
        self.named(id, self.i.directory.user(id).map(|u| (u.name, u.domain)))
    }

    fn role(&self, role: Grant) -> Value {
        match self.names {
            true => role_named(role),
            false => json!({ "id": role_of(role).0 }),
        }
    }

    fn scope(&self, scope: &Scoped, inherited: bool) -> Value {
        let mut shown = match scope {
            Scoped::System => json!({ "system": { "all": true } }),
            Scoped::Domain(d) if self.names => json!({ "domain": self.domain(d) }),
            Scoped::Domain(d) => json!({ "domain": { "id": d } }),
            Scoped::Project(p) => {
                let found = self.i.directory.project(p).map(|p| (p.name, p.domain));
                json!({ "project": self.named(p, found) })
            }
        };
        if inherited {
            shown["OS-INHERIT:inherited_to"] = "projects".into();
        }
        shown
    }

    /// The address of the grant that a line comes from.
    fn link(&self, scope: &Scoped, who: (&str, &Id), role: Grant, inherited: bool) -> String {
        let place = match scope {
            Scoped::System => "/system".to_string(),
            Scoped::Domain(d) => format!("/domains/{d}"),
            Scoped::Project(p) => format!("/projects/{p}"),
        };
        let (before, after) =
            if inherited { ("/OS-INHERIT", "/inherited_to_projects") } else { ("", "") };
        let ((kind, id), (role, _)) = (who, role_of(role));
        link(self.call, &format!("/v3{before}{place}/{kind}/{id}/roles/{role}{after}"))
    }

    /// An assignment as it was given.
    fn given(&self, spec: &AssignmentSpec) -> Value {
        let kind = if spec.of_group() { "groups" } else { "users" };
        let own = self.link(&spec.scope, (kind, spec.holder()), spec.role, spec.inherited);
        let mut line = json!({
            "role": self.role(spec.role), "scope": self.scope(&spec.scope, spec.inherited),
            "links": { "assignment": own },
        });
        if spec.of_group() {
            let found = self.i.directory.group(&spec.group).map(|g| (g.name, g.domain));
            line["group"] = self.named(&spec.group, found);
        } else {
            line["user"] = self.user(&spec.user);
        }
        ended(&mut line, spec.expires);
        line
    }

    /// What an assignment amounts to for one user in one place.
    fn effective(&self, e: &Effective) -> Value {
        let (kind, holder) = match &e.group {
            Some(group) => ("groups", group),
            None => ("users", &e.user),
        };
        let (from, given) = (e.from.as_ref().unwrap_or(&e.scope), e.prior.unwrap_or(e.role));
        let own = self.link(from, (kind, holder), given, e.from.is_some());
        let mut line = json!({
            "role": self.role(e.role), "scope": self.scope(&e.scope, e.from.is_some()),
            "user": self.user(&e.user), "links": { "assignment": own },
        });
        if let Some(group) = &e.group {
            let path = format!("/v3/groups/{group}/users/{}", e.user);
            line["links"]["membership"] = link(self.call, &path).into();
        }
        if let Some(prior) = e.prior {
            let path = format!("/v3/roles/{}/implies/{}", role_of(prior).0, role_of(e.role).0);
            line["links"]["prior_role"] = link(self.call, &path).into();
        }
        ended(&mut line, e.expires);
        line
    }
}

fn ended(line: &mut Value, expires: Option<i64>) {
    if let Some(at) = expires {
        line["expires_at"] = Time(at).micros().into();
    }
}
