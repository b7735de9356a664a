//! Lists of volumes: Cinder's filters, order and pages.
//!
//! The store answers which volumes lie in the project; the rest is compared with what is shown. As
//! in Cinder, a parameter that is no member of a volume filters nothing, and a full page has a link
//! to the next even if that turns out to be empty.

use super::Volume;
use super::openstack::{links, show, status};
use jinyun_base::{Id, Refusal};
use jinyun_engine::{Failure, Have, Query};
use jinyun_rest::list::{again, order};
use jinyun_rest::{Call, Reply};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// The most volumes of one answer, as Cinder's `osapi_max_limit`.
const MOST: usize = 1000;

/// Parameters that are no filters.
const NO_FILTER: &[&str] = &["limit", "marker", "offset", "sort", "sort_key", "sort_dir",
    "all_tenants", "project_id", "with_count", "links", "attachments"];

pub(super) fn list(call: &Call<'_>, detail: bool) -> Result<Reply, Failure> {
    let project = call.actor.project().cloned().unwrap_or_else(|| Id::new(""));
    let mut found = Vec::new();
    for have in call.list::<Volume>(&Query::project(&project))? {
        let shown = show(&have, call);
        if have.spec.root_of.is_none() && matches(&shown, call) {
            found.push((have, shown));
        }
    }
    let order = order(call, KEYS)?;
    found.sort_by(|(a, _), (b, _)| compare(&order, a, b));
    let count = found.len();
    if let Some(marker) = call.ask("marker") {
        let at = found.iter().position(|(have, _)| have.id.as_str() == marker);
        let at = at.ok_or_else(|| Refusal::not_found("marker", marker))?;
        found.drain(..=at);
    }
    let offset = number(call, "offset")?.unwrap_or(0).min(found.len());
    found.drain(..offset);
    let limit = number(call, "limit")?.map_or(MOST, |n| n.min(MOST));
    found.truncate(limit);
    let mut body = Map::new();
    if let Some((last, _)) = found.last()
        && found.len() == limit
    {
        let next = json!([{ "rel": "next", "href": next(call, detail, &last.id) }]);
        body.insert("volumes_links".into(), next);
    }
    if call.ask("with_count").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
        body.insert("count".into(), count.into());
    }
    let volumes: Vec<Value> = found.into_iter().map(|(have, shown)| {
        if detail {
            return shown;
        }
        let name = shown.get("name").cloned().unwrap_or_default();
        json!({ "id": have.id, "name": name, "links": links(&have, call) })
    }).collect();
    body.insert("volumes".into(), volumes.into());
    Ok(Reply::ok(Value::Object(body)))
}

fn number(call: &Call<'_>, name: &str) -> Result<Option<usize>, Refusal> {
    let Some(text) = call.ask(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        Refusal::invalid(name, format!("must be a whole number from 0, not '{text}'"))
    })
}

/// Whether a shown volume passes all filters.
fn matches(shown: &Value, call: &Call<'_>) -> bool {
    call.query.iter().all(|(name, asked)| {
        let name = match name.as_str() {
            name if NO_FILTER.contains(&name) => return true,
            "display_name" => "name",
            name => name,
        };
        match shown.get(name) {
            None => true,
            Some(Value::String(text)) => text == asked,
            Some(Value::Bool(flag)) => {
                asked.eq_ignore_ascii_case(if *flag { "true" } else { "false" })
            }
            Some(Value::Number(n)) => n.to_string() == *asked,
            Some(Value::Object(members)) => holds(members, asked),
            Some(_) => false,
        }
    })
}

/// `{'Type': 'work'}`: clients write a dictionary as Python does.
fn holds(members: &Map<String, Value>, asked: &str) -> bool {
    let pairs: Option<Map<String, Value>> = serde_json::from_str(asked)
        .or_else(|_| serde_json::from_str(&asked.replace('\'', "\"")))
        .ok();
    pairs.is_some_and(|pairs| pairs.iter().all(|(name, value)| members.get(name) == Some(value)))
}

/// What a list can be ordered by.
const KEYS: &[&str] = &["id", "name", "display_name", "status", "size", "created_at", "updated_at",
    "availability_zone", "bootable"];

fn compare(order: &[(String, bool)], a: &Have<Volume>, b: &Have<Volume>) -> Ordering {
    for (key, descends) in order {
        let found = match key.as_str() {
            "id" => a.id.cmp(&b.id),
            "name" | "display_name" => a.spec.name.cmp(&b.spec.name),
            "status" => status(a).cmp(status(b)),
            "size" => a.spec.gib.cmp(&b.spec.gib),
            "updated_at" => a.updated.cmp(&b.updated),
            "bootable" => a.spec.image.is_some().cmp(&b.spec.image.is_some()),
            "created_at" => a.created.cmp(&b.created),
            // There is one zone.
            _ => Ordering::Equal,
        };
        let found = if *descends { found.reverse() } else { found };
        if found != Ordering::Equal {
            return found;
        }
    }
    Ordering::Equal
}

/// The same question after a volume.
fn next(call: &Call<'_>, detail: bool, last: &Id) -> String {
    let query = again(call, &["marker", "offset"], &[("marker", last.as_str())]);
    let word = if detail { "volumes/detail" } else { "volumes" };
    format!("{}/v3/{}/{word}{query}", call.base, call.param("project_id"))
}
