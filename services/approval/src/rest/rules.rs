//! Rules: `/v1/rules`.

use super::{accepted, around, id_or_null, made, only, page, said, staff};
use crate::rule::{self, ApprovalRule, Condition, DEADLINE, RuleSpec};
use crate::stage::Stage;
use jinyun_base::{Id, Refusal, Window};
use jinyun_engine::{Failure, Have, Query};
use jinyun_policy::PROVIDER;
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Map, Value, json};

const CHANGEABLE: &[&str] = &["name", "description", "action", "when", "stages", "deadline",
    "window", "reason_required", "guarded"];

fn show(have: &Have<ApprovalRule>) -> Value {
    let spec: &RuleSpec = &have.spec;
    json!({
        "id": have.id,
        "name": spec.name,
        "description": spec.description,
        "domain_id": spec.domain,
        "project_id": id_or_null(&spec.project),
        "platform": spec.platform(),
        "action": spec.action,
        "when": spec.when,
        "stages": spec.stages.iter().map(Stage::show).collect::<Vec<_>>(),
        "deadline": spec.deadline,
        "window": spec.window.as_ref().map(Window::show),
        "reason_required": spec.reason_required,
        "guarded": spec.guarded,
        "created_at": have.created.seconds(),
        "updated_at": have.updated.seconds(),
    })
}

fn members<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>, Failure> {
    value.as_object().ok_or_else(|| {
        Refusal::invalid(name, "must be an array of objects").into()
    })
}

fn conditions(items: &[Value]) -> Result<Vec<Condition>, Failure> {
    items.iter().map(|item| -> Result<Condition, Failure> {
        let words = Words::new("when", members(item, "when")?);
        words.only(&["project_tag", "no_project_tag"])?;
        match (words.text("project_tag")?, words.text("no_project_tag")?) {
            (Some(tag), None) => Ok(Condition::ProjectTag(tag)),
            (None, Some(tag)) => Ok(Condition::NoProjectTag(tag)),
            _ => {
                let say = "must each name either project_tag or no_project_tag";
                Err(Refusal::invalid("when", say).into())
            }
        }
    }).collect()
}

/// The members of a rule that the body names, as the spec has them.
fn args(words: &Words<'_>) -> Result<Map<String, Value>, Failure> {
    let mut args = Map::new();
    if let Some(name) = words.text("name")? {
        args.insert("name".into(), name.trim().into());
    }
    if words.has("description") {
        args.insert("description".into(), said(words, "description")?.into());
    }
    if let Some(action) = words.text("action")? {
        args.insert("action".into(), action.into());
    }
    if let Some(items) = words.array("when")? {
        args.insert("when".into(), json!(conditions(items)?));
    }
    if let Some(items) = words.array("stages")? {
        let mut stages = Vec::with_capacity(items.len());
        for item in items {
            stages.push(Stage::parse(&Words::new("stages", members(item, "stages")?))?);
        }
        args.insert("stages".into(), json!(stages));
    }
    if let Some(seconds) = words.int("deadline", DEADLINE.0, DEADLINE.1)? {
        args.insert("deadline".into(), seconds.into());
    }
    if words.has("window") {
        let open = words.object("window")?.map(|inner| inner.window()).transpose()?;
        args.insert("window".into(), json!(open));
    }
    for flag in ["reason_required", "guarded"] {
        if let Some(on) = words.flag(flag)? {
            args.insert(flag.into(), on.into());
        }
    }
    Ok(args)
}

fn create(call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("rule")?;
    let known: Vec<&str> = CHANGEABLE.iter().copied().chain(["project_id"]).collect();
    words.only(&known)?;
    for needed in ["name", "action", "stages", "deadline"] {
        if words.value(needed).is_none() {
            return Err(Refusal::invalid(needed, "is required").into());
        }
    }
    let project = words.text("project_id")?.unwrap_or_default();
    // Staff writes for the platform; anybody else for the institution of the token.
    let domain = match staff(call.actor) {
        true => Id::new(PROVIDER),
        false => call.actor.domain_of_scope().cloned().unwrap_or_else(|| Id::new("")),
    };
    if staff(call.actor) && !project.is_empty() {
        let say = "is an institution's: rules of the platform name none";
        return Err(Refusal::invalid("project_id", say).into());
    }
    let mut args = args(&words)?;
    args.insert("domain".into(), json!(domain));
    args.insert("project".into(), project.as_str().into());
    let command = call.command("approval:approval_rule:create").with(Value::Object(args))
        .at(&domain, &Id::new(project));
    let answer = call.run(command)?;
    let have = call.again::<ApprovalRule>(&made(&answer)?)?;
    Ok(Reply::with(201, json!({ "rule": show(&have) })))
}

/// One rule that the caller may see.
fn one(call: &Call<'_>) -> Result<Have<ApprovalRule>, Failure> {
    let have = call.show::<ApprovalRule>(call.param("id"))?;
    if rule::sees(call.actor, &have.spec) {
        return Ok(have);
    }
    let asked = call.command("approval:approval_rule:show").on(have.id.clone());
    Err(call.cloud.reader.deny(&asked, Refusal::not_found("approval_rule", &have.id)))
}

fn update(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = one(call)?;
    let words = call.words("rule")?;
    words.only(CHANGEABLE)?;
    let command = call.command("approval:approval_rule:update").on(have.id.clone())
        .with(Value::Object(args(&words)?));
    accepted(call, call.run(command), |_| {
        let have = call.again::<ApprovalRule>(&have.id)?;
        Ok(Reply::ok(json!({ "rule": show(&have) })))
    })
}

fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = one(call)?;
    let command = call.command("approval:approval_rule:delete").on(have.id);
    accepted(call, call.run(command), |_| Ok(Reply::empty(204)))
}

fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    only(call, &["limit", "marker"])?;
    let more = match (staff(call.actor), call.actor.duty) {
        (true, Some(jinyun_policy::Duty::AuditAdmin)) => vec![Query::default()],
        (true, _) => vec![Query::field("home", PROVIDER)],
        _ => Vec::new(),
    };
    let mut found = around::<ApprovalRule>(call, more)?;
    found.retain(|have| rule::sees(call.actor, &have.spec));
    page(call, "rules", found, show)
}

pub(super) fn routes() -> Vec<Route> {
    let (all, item) = ("/v1/rules", "/v1/rules/{id}");
    let action = |word: &str| format!("approval:approval_rule:{word}");
    vec![
        Route::new("GET", all, action("list"), list),
        Route::new("POST", all, action("create"), create),
        Route::new("GET", item, action("show"), |call| {
            Ok(Reply::ok(json!({ "rule": show(&one(call)?) })))
        }),
        Route::new("PATCH", item, action("update"), update),
        Route::new("DELETE", item, action("delete"), delete),
    ]
}
