//! Lists of images: Glance's filters, order and pages.
//!
//! The store answers which images the caller can see; the rest is compared with what is shown. A
//! parameter that is no member of an image filters by a property, as in Glance.

use super::Image;
use super::openstack::{show, staff};
use jinyun_base::Refusal;
use jinyun_engine::{Failure, Have, Query};
use jinyun_rest::list::{again, order};
use jinyun_rest::{Call, Reply};
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// The most images of one answer, as Glance's `api_limit_max`; the rest is behind `next`.
const MOST: usize = 1000;

/// Parameters that are no filters, or filters of nothing that there is.
const NO_FILTER: &[&str] =
    &["limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "fields"];

pub(crate) fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let mut found = Vec::new();
    for have in visible(call)? {
        let shown = show(&have);
        if matches(&shown, call)? {
            found.push((have, shown));
        }
    }
    let order = order(call, KEYS)?;
    found.sort_by(|(a, _), (b, _)| compare(&order, a, b));
    if let Some(marker) = call.ask("marker") {
        let at = found.iter().position(|(have, _)| have.id.as_str() == marker);
        let at = at.ok_or_else(|| Refusal::invalid("marker", format!("[{marker}] not found")))?;
        found.drain(..=at);
    }
    let limit = match call.ask("limit") {
        None => MOST,
        Some(text) => number("limit", text)?.min(MOST),
    };
    let more = found.len() > limit && limit > 0;
    found.truncate(limit);
    let mut body = Map::new();
    if let (true, Some((last, _))) = (more, found.last()) {
        body.insert("next".into(), link(call, Some(last.id.as_str())).into());
    }
    body.insert("first".into(), link(call, None).into());
    body.insert("schema".into(), "/v2/schemas/images".into());
    let images: Vec<Value> = found.into_iter().map(|(_, shown)| shown).collect();
    body.insert("images".into(), images.into());
    Ok(Reply::ok(Value::Object(body)))
}

fn number(name: &str, text: &str) -> Result<usize, Refusal> {
    text.parse().map_err(|_| {
        Refusal::invalid(name, format!("must be a whole number from 0, not '{text}'"))
    })
}

/// What the caller can see: its project's images and the public ones.
fn visible(call: &Call<'_>) -> Result<Vec<Have<Image>>, Failure> {
    let reader = &call.cloud.reader;
    let asked =
        call.command(if staff(call) { "image:image:provided" } else { "image:image:list" });
    let mut rows = reader.list::<Image>(&asked, &Query::field("visibility", "public"))?;
    if let Some(project) = call.actor.project() {
        rows.extend(reader.list::<Image>(&asked, &Query::project(project))?);
    }
    rows.retain(|have| !have.deleting);
    Ok(rows)
}

/// Whether a shown image passes all filters.
fn matches(shown: &Value, call: &Call<'_>) -> Result<bool, Refusal> {
    for (name, asked) in &call.query {
        let size = || shown.get("size").and_then(Value::as_u64).unwrap_or(0);
        let bound = |text: &str| number(name, text).map(|n| n as u64);
        let passes = match name.as_str() {
            name if NO_FILTER.contains(&name) => true,
            "size_min" => size() >= bound(asked)?,
            "size_max" => size() <= bound(asked)?,
            "tag" => holds_tag(shown, asked),
            "visibility" if asked == "all" => true,
            "visibility" if !["public", "private", "shared", "community"]
                .contains(&asked.as_str()) =>
            {
                let say = format!("must be public, private, shared, community or all, not {asked}");
                return Err(Refusal::invalid("visibility", say));
            }
            "created_at" | "updated_at" => {
                let say = "is not offered as a filter: leave it out";
                return Err(Refusal::invalid(name, say));
            }
            name => shown.get(name).is_some_and(|member| equals(member, asked)),
        };
        if !passes {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds_tag(shown: &Value, tag: &str) -> bool {
    let tags = shown.get("tags").and_then(Value::as_array);
    tags.is_some_and(|tags| tags.iter().any(|t| t.as_str() == Some(tag)))
}

/// `in:a,b` is any of them.
fn equals(member: &Value, asked: &str) -> bool {
    if let Some(any) = asked.strip_prefix("in:") {
        return any.split(',').any(|one| equals(member, one.trim_matches('"')));
    }
    match member {
        Value::String(text) => text == asked,
        Value::Bool(flag) => asked.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
        Value::Number(n) => n.to_string() == asked,
        _ => false,
    }
}

/// What a list can be ordered by.
const KEYS: &[&str] = &["name", "status", "container_format", "disk_format", "size", "id",
    "created_at", "updated_at"];

fn compare(order: &[(String, bool)], a: &Have<Image>, b: &Have<Image>) -> Ordering {
    for (key, descends) in order {
        let found = match key.as_str() {
            "name" => a.spec.name.cmp(&b.spec.name),
            "status" => a.spec.status.cmp(&b.spec.status),
            "container_format" => a.spec.container_format.cmp(&b.spec.container_format),
            "disk_format" => a.spec.disk_format.cmp(&b.spec.disk_format),
            "size" => a.spec.bytes.cmp(&b.spec.bytes),
            "created_at" => a.created.cmp(&b.created),
            "updated_at" => a.updated.cmp(&b.updated),
            _ => a.id.cmp(&b.id),
        };
        let found = if *descends { found.reverse() } else { found };
        if found != Ordering::Equal {
            return found;
        }
    }
    Ordering::Equal
}

/// The same question from the start, or after a marker.
fn link(call: &Call<'_>, marker: Option<&str>) -> String {
    let with: Vec<(&str, &str)> = marker.map(|id| ("marker", id)).into_iter().collect();
    format!("/v2/images{}", again(call, &["marker"], &with))
}
