//! Risks: `/v1/risks`.

use super::{Run, Shown, act, day, known, made, route, said, saying, text_or_null, word, writes};
use crate::risk::Words as Told;
use crate::{Governance, Risk};
use jinyun_base::Day;
use jinyun_engine::{Failure, Have};
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Value, json};
use std::sync::Arc;

const TREATMENTS: &[&str] = &["avoid", "reduce", "transfer", "accept"];

impl Shown for Risk {
    const ONE: &'static str = "risk";
    const MANY: &'static str = "risks";
    const FILTERS: &'static [&'static str] = &["state", "clause", "owner", "treatment"];

    fn show(have: &Have<Risk>, today: Day) -> Value {
        let spec = &have.spec;
        let given = |n: i64| if n > 0 { Value::from(n) } else { Value::Null };
        json!({
            "id": have.id,
            "state": spec.state(today),
            "title": spec.title,
            "description": spec.description,
            "clause": text_or_null(&spec.clause),
            "domain_id": spec.domain,
            "author_id": text_or_null(&spec.author),
            "assessor_id": text_or_null(&spec.assessor),
            "owner": spec.owner,
            "likelihood": given(spec.likelihood),
            "impact": given(spec.impact),
            "score": given(spec.likelihood * spec.impact),
            "treatment": spec.treatment,
            "plan": spec.plan,
            "review": spec.review,
            "review_late": spec.closed.is_none() && spec.review.is_some_and(|day| day < today),
            "told": spec.told.iter().map(|one| saying(Some(one))).collect::<Vec<_>>(),
            "accepted": saying(spec.accepted.as_ref().map(|accepted| &accepted.said)),
            "accepted_until": spec.accepted.as_ref().map(|accepted| accepted.until),
            "met_since": spec.met_since.map(|at| at.seconds()),
            "closed": saying(spec.closed.as_ref()),
            "created_at": have.created.seconds(),
            "updated_at": have.updated.seconds(),
        })
    }
}

fn told(words: &Words<'_>) -> Result<Told, Failure> {
    words.only(&["title", "description", "clause", "owner", "likelihood", "impact", "treatment",
        "plan", "review"])?;
    Ok(Told {
        title: words.text("title")?,
        description: words.long_text("description")?,
        clause: words.text("clause")?,
        owner: words.text("owner")?,
        likelihood: words.int("likelihood", 1, 5)?,
        impact: words.int("impact", 1, 5)?,
        treatment: word(words, "treatment", TREATMENTS)?,
        plan: words.long_text("plan")?,
        review: day(words, "review")?,
    })
}

fn create(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let told = told(&call.words("risk")?)?;
    known(governance, told.clause.as_deref().unwrap_or_default())?;
    made::<Risk>(governance, call, writes(call, "governance:risk:create", json!(told)), 201)
}

fn update(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    act::<Risk>(governance, call, "update", json!(told(&call.words("risk")?)?))
}

fn accept(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("acceptance")?;
    words.only(&["reason", "until"])?;
    words.need("until")?;
    let until = day(&words, "until")?;
    let args = json!({ "reason": said(&words, "reason")?, "until": until });
    act::<Risk>(governance, call, "accept", args)
}

fn tell(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("told")?;
    words.only(&["text"])?;
    act::<Risk>(governance, call, "tell", json!({ "text": said(&words, "text")? }))
}

fn close(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("closing")?;
    words.only(&["text"])?;
    act::<Risk>(governance, call, "close", json!({ "text": said(&words, "text")? }))
}

pub(super) fn routes(governance: &Arc<Governance>) -> Vec<Route> {
    let add = |method: &'static str, path: &str, word: &str, run: Run| {
        route(governance, method, path, &format!("risk:{word}"), run)
    };
    vec![
        add("GET", "/v1/risks", "list", super::list::<Risk>),
        add("POST", "/v1/risks", "create", create),
        add("GET", "/v1/risks/{id}", "show", super::show::<Risk>),
        add("PATCH", "/v1/risks/{id}", "update", update),
        add("POST", "/v1/risks/{id}/accept", "accept", accept),
        add("POST", "/v1/risks/{id}/tell", "tell", tell),
        add("POST", "/v1/risks/{id}/close", "close", close),
    ]
}
