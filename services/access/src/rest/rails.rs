//! Guardrails: `/v1/guardrails`.

use super::only;
use crate::access::Access;
use crate::decision::missing;
use crate::guardrail::{Profile, guardrails, violations};
use jinyun_base::{Id, Kind, Refusal};
use jinyun_engine::Failure;
use jinyun_identity::Project;
use jinyun_policy::Object;
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Value, json};
use std::sync::Arc;

fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    only(call, &[])?;
    call.cloud.reader.allow(&call.command("access:guardrail:list"), &Object::default())?;
    let all: Vec<Value> = guardrails().iter().map(|rail| json!({
        "name": rail.name,
        "standard": "JR/T 0167-2020",
        "clauses": rail.clauses,
        "profile": rail.profile,
        "refuses": rail.refuses,
        "instead": rail.instead,
        "always": rail.always().is_some(),
        "kept_by": rail.always().unwrap_or("services/access: the rows that a command would leave"),
    })).collect();
    Ok(Reply::ok(json!({ "guardrails": all })))
}

fn broken(access: &Access, call: &Call<'_>) -> Result<Reply, Failure> {
    only(call, &["project", "profile"])?;
    let asked = match call.ask("profile") {
        None => None,
        Some(word) => {
            let say = || Refusal::invalid("profile", "must be basic, extended or enhanced");
            Some(Profile::from_word(word).ok_or_else(say)?)
        }
    };
    let project = call.ask("project").map(Id::new).or_else(|| call.actor.project().cloned());
    let say = || Refusal::invalid("project", "is required: the id of a project");
    let project = project.ok_or_else(say)?;
    let found = call.view(|view| view.get::<Project>(&project))?;
    let Some(have) = found else { return Err(missing("project", project.as_str())) };
    let object = Object {
        what: Some((Kind("project"), project.clone())),
        domain: Some(have.domain),
        project: Some(project.clone()),
        ..Object::default()
    };
    let command = call.command("access:violation:list").on(project.clone());
    call.cloud.reader.allow(&command, &object)?;
    let (profile, excepted, found) = call.view(|view| {
        let (set, excepted) = (access.profiles)(view, &project)?;
        let profile = asked.unwrap_or(set);
        let found = violations(view, &project, profile, &excepted)?;
        Ok((profile, excepted, found))
    })?;
    Ok(Reply::ok(json!({
        "project_id": project, "profile": profile, "exceptions": excepted, "violations": found,
    })))
}

pub(super) fn routes(access: &Arc<Access>) -> Vec<Route> {
    let judges = access.clone();
    vec![
        Route::new("GET", "/v1/guardrails", "access:guardrail:list", list),
        Route::new("GET", "/v1/guardrails/violations", "access:violation:list",
            move |call: &Call<'_>| broken(&judges, call)),
    ]
}
