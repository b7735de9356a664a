//! Exceptions, opinions and profiles: `/v1/exceptions`, `/v1/opinions`, `/v1/profiles`.

use super::{
    Run, Shown, act, day, known, made, place, route, said, saying, text_or_null, word, writes,
};
use crate::{Exception, Governance, Level, Opinion, Profile, exception, opinion};
use jinyun_base::{Day, Refusal};
use jinyun_engine::{Failure, Have};
use jinyun_rest::{Call, Reply, Route};
use serde_json::{Value, json};
use std::sync::Arc;

impl Shown for Exception {
    const ONE: &'static str = "exception";
    const MANY: &'static str = "exceptions";
    const FILTERS: &'static [&'static str] = &["state", "clause", "guardrail", "project_id"];
    /// The second person of an institution that has one manager only.
    const OPEN: bool = true;

    fn show(have: &Have<Exception>, today: Day) -> Value {
        let spec = &have.spec;
        json!({
            "id": have.id,
            "state": spec.state(today),
            "clause": text_or_null(&spec.clause),
            "guardrail": text_or_null(&spec.guardrail),
            "domain_id": spec.domain,
            "project_id": text_or_null(spec.project.as_str()),
            "reason": spec.reason,
            "user_id": spec.by,
            "asked_at": have.created.seconds(),
            "expires": spec.expires,
            "approved": spec.verdict.as_ref().map(|verdict| verdict.approve),
            "verdict": saying(spec.verdict.as_ref().map(|verdict| &verdict.said)),
            "ended": saying(spec.ended.as_ref()),
        })
    }
}

fn except(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("exception")?;
    words.only(&["clause", "guardrail", "project_id", "reason", "expires"])?;
    let expires = day(&words, "expires")?
        .ok_or_else(|| Refusal::invalid("expires", "is required: a day within a year"))?;
    let asked = exception::Asked {
        clause: words.text("clause")?.unwrap_or_default(),
        guardrail: words.text("guardrail")?.unwrap_or_default(),
        reason: said(&words, "reason")?,
        expires,
    };
    known(governance, &asked.clause)?;
    if !asked.guardrail.is_empty() && !governance.guardrails.contains(&asked.guardrail) {
        let say = format!("must be one of {}", governance.guardrails.join(", "));
        return Err(Refusal::invalid("guardrail", say).into());
    }
    let project = words.text("project_id")?.unwrap_or_default();
    let command = writes(call, "governance:exception:create", json!(asked))
        .at(&place(call), &project.into());
    made::<Exception>(governance, call, command, 201)
}

fn vote(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("vote")?;
    words.only(&["approve", "comment"])?;
    let approve = words.flag("approve")?
        .ok_or_else(|| Refusal::invalid("approve", "is required: true or false"))?;
    let args = json!({ "approve": approve, "comment": said(&words, "comment")? });
    act::<Exception>(governance, call, "vote", args)
}

fn end(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("end")?;
    words.only(&["reason"])?;
    act::<Exception>(governance, call, "end", json!({ "reason": said(&words, "reason")? }))
}

impl Shown for Opinion {
    const ONE: &'static str = "opinion";
    const MANY: &'static str = "opinions";
    const FILTERS: &'static [&'static str] = &["clause", "assessor", "says"];

    fn show(have: &Have<Opinion>, _: Day) -> Value {
        let spec = &have.spec;
        json!({
            "id": have.id,
            "clause": text_or_null(&spec.clause),
            "assessor": spec.assessor,
            "says": spec.says,
            "text": spec.text,
            "sample": spec.sample,
            "nonce": text_or_null(&spec.nonce),
            "report": text_or_null(&spec.report),
            "user_id": spec.by,
            "at": have.created.seconds(),
        })
    }
}

fn opine(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("opinion")?;
    words.only(&["clause", "assessor", "says", "text", "sample", "nonce", "report"])?;
    let says = word(&words, "says", &["agree", "disagree", "note"])?
        .ok_or_else(|| Refusal::invalid("says", "is required: agree, disagree or note"))?;
    let asked = opinion::Asked {
        clause: words.text("clause")?.unwrap_or_default(),
        assessor: words.need("assessor")?,
        says,
        text: said(&words, "text")?,
        sample: words.texts("sample")?.unwrap_or_default(),
        nonce: words.text("nonce")?.unwrap_or_default(),
        report: words.text("report")?.unwrap_or_default(),
    };
    known(governance, &asked.clause)?;
    let command = writes(call, "governance:opinion:create", json!(asked));
    made::<Opinion>(governance, call, command, 201)
}

impl Shown for Profile {
    const ONE: &'static str = "profile";
    const MANY: &'static str = "profiles";
    const FILTERS: &'static [&'static str] = &["level"];

    fn show(have: &Have<Profile>, _: Day) -> Value {
        let spec = &have.spec;
        json!({
            "id": have.id,
            "project_id": spec.project,
            "domain_id": spec.domain,
            "level": spec.level,
            "lowered": spec.lowered,
            "user_id": spec.by,
            "updated_at": have.updated.seconds(),
        })
    }
}

fn set(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("profile")?;
    words.only(&["level"])?;
    let level: Option<Level> = word(&words, "level", &["basic", "extended", "enhanced"])?;
    let level = level
        .ok_or_else(|| Refusal::invalid("level", "is required: basic, extended or enhanced"))?;
    let project = call.param("id").into();
    let command = call.command("governance:profile:set").with(json!({ "level": level }))
        .at(&place(call), &project);
    made::<Profile>(governance, call, command, 200)
}

pub(super) fn routes(governance: &Arc<Governance>) -> Vec<Route> {
    let add = |method: &'static str, path: &str, action: &str, run: Run| {
        route(governance, method, path, action, run)
    };
    vec![
        add("GET", "/v1/exceptions", "exception:list", super::list::<Exception>),
        add("POST", "/v1/exceptions", "exception:create", except),
        add("GET", "/v1/exceptions/{id}", "exception:show", super::show::<Exception>),
        add("POST", "/v1/exceptions/{id}/vote", "exception:vote", vote),
        add("POST", "/v1/exceptions/{id}/end", "exception:end", end),
        add("GET", "/v1/opinions", "opinion:list", super::list::<Opinion>),
        add("POST", "/v1/opinions", "opinion:create", opine),
        add("GET", "/v1/opinions/{id}", "opinion:show", super::show::<Opinion>),
        add("GET", "/v1/profiles", "profile:list", super::list::<Profile>),
        add("GET", "/v1/profiles/{id}", "profile:show", super::show::<Profile>),
        add("PUT", "/v1/profiles/{id}", "profile:set", set),
    ]
}
