//! Consents: `/v1/consents`.

use super::{around, asks, flat, id_or_null, made, only, page, said, staff, time};
use crate::consent::{Asked, Consent, ConsentState, Decision, Thing, offered};
use crate::stage::duty;
use jinyun_base::{Fault, Id, Refusal};
use jinyun_engine::{Failure, Have, Query};
use jinyun_policy::Pattern;
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Value, json};

const MEMBERS: &[&str] = &["domain_id", "project_id", "resource", "duty", "user_id", "actions",
    "from", "until", "reason", "standing", "contract"];
/// Most actions that one names.
const ACTIONS: usize = 20;

fn decision(decision: &Option<Decision>) -> Value {
    decision.as_ref().map_or(Value::Null, |d| json!({
        "user_id": d.who, "at": d.at.seconds(), "comment": d.comment, "source": d.source,
    }))
}

fn show(have: &Have<Consent>) -> Value {
    let spec = &have.spec;
    json!({
        "id": have.id,
        "state": spec.state,
        "domain_id": spec.domain,
        "project_id": id_or_null(&spec.project),
        "resource": spec.resource,
        "duty": spec.duty,
        "user_id": spec.user,
        "actions": spec.actions,
        "from": spec.from.seconds(),
        "until": spec.until.map(|at| at.seconds()),
        "reason": spec.reason,
        "standing": spec.standing,
        "contract": spec.contract,
        "asked_by": spec.asked_by,
        "asked_at": have.created.seconds(),
        "decided": decision(&spec.decided),
        "ended": decision(&spec.ended),
    })
}

fn thing(words: &Words<'_>) -> Result<Thing, Failure> {
    words.only(&["kind", "id"])?;
    Ok(Thing { kind: words.need("kind")?, id: words.need("id")?.into() })
}

/// A consent about one resource names one that is there: nobody grants what they cannot look up. Of
/// a kind that no consent can open nothing is told, not even whether there is one.
fn check_thing(call: &Call<'_>, asked: &Asked) -> Result<(), Failure> {
    let Some(thing) = &asked.resource else { return Ok(()) };
    let reader = &call.cloud.reader;
    let registry = reader.registry();
    let can = offered(registry, None).into_iter().any(|action| {
        registry.find_action(action).is_some_and(|def| def.kind == thing.kind)
    });
    if !can {
        return Err(Refusal::invalid("kind", "names a kind that no consent can open").into());
    }
    let stored = reader.lend(|db| db.get(&thing.kind, &thing.id))?;
    let fits = stored.is_some_and(|s| {
        s.row.domain == asked.domain
            && (asked.project.as_str().is_empty() || s.row.project == asked.project)
    });
    if fits {
        return Ok(());
    }
    Err(Refusal::not_found(&thing.kind, &thing.id).into())
}

fn create(call: &Call<'_>) -> Result<Reply, Failure> {
    const CREATE: &str = "approval:consent:create";
    let words = call.words("consent")?;
    words.only(MEMBERS)?;
    let own = call.actor.domain_of_scope().cloned();
    let named = words.text("domain_id")?.map(Id::new).or(own);
    let domain = named.ok_or_else(|| Refusal::invalid("domain_id", "is required"))?;
    let project = Id::new(words.text("project_id")?.unwrap_or_default());
    let actions = words.texts("actions")?.unwrap_or_default();
    if actions.len() > ACTIONS {
        let say = format!("are more than {ACTIONS}: use a pattern like compute:server:*");
        return Err(Refusal::invalid("actions", say).into());
    }
    let asked = Asked {
        resource: words.object("resource")?.map(|inner| thing(&inner)).transpose()?,
        duty: words.text("duty")?.map(|name| duty(&name)).transpose()?,
        user: words.text("user_id")?.map(Id::new),
        actions: actions.into_iter().map(Pattern::new).collect(),
        from: time(&words, "from")?,
        until: time(&words, "until")?,
        reason: said(&words, "reason")?,
        standing: words.flag("standing")?.unwrap_or(false),
        contract: words.text("contract")?.unwrap_or_default(),
        domain, project,
    };
    let args = serde_json::to_value(&asked)
        .map_err(|e| Fault::new(format!("encoding what was asked: {e}")))?;
    let command = call.command(CREATE).with(args).at(&asked.domain, &asked.project);
    // Before anything is looked up: whoever may not, learns nothing of what there is.
    let object = jinyun_policy::Object { domain: Some(asked.domain.clone()), ..Default::default() };
    call.cloud.reader.allow(&command, &object)?;
    check_thing(call, &asked)?;
    let answer = call.run(command)?;
    let have = call.again::<Consent>(&made(&answer)?)?;
    Ok(Reply::with(201, json!({ "consent": show(&have) })))
}

fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    only(call, &["open", "limit", "marker"])?;
    let open = asks(call, "open")?;
    let mut more = vec![Query::field("asker", &call.actor.id)];
    if staff(call.actor) {
        more.push(Query::default());
    }
    let mut found = around::<Consent>(call, more)?;
    let still = |have: &Have<Consent>| {
        matches!(have.spec.state, ConsentState::Waiting | ConsentState::Granted)
    };
    found.retain(|have| !open || still(have));
    page(call, "consents", found, show)
}

fn act(call: &Call<'_>, word: &str, args: Value) -> Result<Reply, Failure> {
    let have = call.show::<Consent>(call.param("id"))?;
    let command = call.command(format!("approval:consent:{word}")).on(have.id.clone()).with(args);
    call.run(command)?;
    let have = call.again::<Consent>(&have.id)?;
    Ok(Reply::ok(json!({ "consent": show(&have) })))
}

/// Revoking and withdrawing take a comment or no body at all.
fn ending(call: &Call<'_>, word: &str) -> Result<Reply, Failure> {
    if call.body.is_null() {
        return act(call, word, json!({}));
    }
    let words = flat(call)?;
    words.only(&["comment"])?;
    act(call, word, json!({ "comment": said(&words, "comment")? }))
}

fn vote(call: &Call<'_>) -> Result<Reply, Failure> {
    let words = flat(call)?;
    words.only(&["approve", "comment"])?;
    let approve = words.flag("approve")?;
    let approve = approve.ok_or_else(|| Refusal::invalid("approve", "is required: true or false"))?;
    act(call, "vote", json!({ "approve": approve, "comment": said(&words, "comment")? }))
}

pub(super) fn routes() -> Vec<Route> {
    let all = "/v1/consents";
    let item = |rest: &str| format!("/v1/consents/{{id}}{rest}");
    let action = |word: &str| format!("approval:consent:{word}");
    vec![
        Route::new("GET", all, action("list"), list),
        Route::new("POST", all, action("create"), create),
        Route::new("GET", item(""), action("show"), |call| {
            let have = call.show::<Consent>(call.param("id"))?;
            Ok(Reply::ok(json!({ "consent": show(&have) })))
        }),
        Route::new("POST", item("/vote"), action("vote"), vote),
        Route::new("POST", item("/revoke"), action("revoke"), |call| ending(call, "revoke")),
        Route::new("POST", item("/withdraw"), action("withdraw"), |call| {
            ending(call, "withdraw")
        }),
    ]
}
