//! What Nova's lists have in common: pages with a link to the next, and links to oneself.

use jinyun_base::{Id, Refusal};
use jinyun_engine::Failure;
use jinyun_rest::list::again;
use jinyun_rest::{Call, Reply};
use serde_json::{Map, Value, json};

/// The most entries of one answer, as Nova's `max_limit`; the rest is behind the link.
const MOST: usize = 1000;

/// One page of a list.
pub(crate) struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// Cuts the page out that marker and limit ask for. `path` is where the list is, below `/v2.1/`.
pub(crate) fn page<T>(mut items: Vec<T>, id: impl Fn(&T) -> Id, call: &Call<'_>, path: &str)
    -> Result<Page<T>, Failure> {
    if let Some(marker) = call.ask("marker") {
        let at = items.iter().position(|item| id(item).as_str() == marker);
        let at = at.ok_or_else(|| Refusal::invalid("marker", format!("[{marker}] not found")))?;
        items.drain(..=at);
    }
    let limit = match call.ask("limit") {
        None => MOST,
        Some(text) => {
            let limit: usize = text.parse().map_err(|_| {
                Refusal::invalid("limit", format!("must be a whole number from 0, not {text}"))
            })?;
            // Zero is "as many as you give", as in Nova.
            if limit == 0 { MOST } else { limit.min(MOST) }
        }
    };
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| next_link(call, path, &id(last), limit));
    Ok(Page { items, next })
}

/// The same question from the last entry on.
fn next_link(call: &Call<'_>, path: &str, last: &Id, limit: usize) -> String {
    let limit = limit.to_string();
    let with = [("limit", limit.as_str()), ("marker", last.as_str())];
    format!("{}/v2.1/{path}{}", call.base, again(call, &["marker", "limit"], &with))
}

impl<T> Page<T> {
    /// The entries.
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    /// `{"servers": [...], "servers_links": [...]}`; the links only where there is more.
    pub(crate) fn reply(&self, name: &str, show: impl FnMut(&T) -> Value) -> Reply {
        self.shown(name, self.items.iter().map(show).collect())
    }

    /// The same for entries that are shown already.
    pub(crate) fn shown(&self, name: &str, shown: Vec<Value>) -> Reply {
        let mut body = Map::new();
        body.insert(name.into(), shown.into());
        if let Some(next) = &self.next {
            body.insert(format!("{name}_links"), json!([{ "rel": "next", "href": next }]));
        }
        Reply::ok(Value::Object(body))
    }
}

/// Where a thing is, with and without the protocol's version.
pub(crate) fn self_links(call: &Call<'_>, many: &str, id: &Id) -> Value {
    json!([
        { "rel": "self", "href": format!("{}/v2.1/{many}/{id}", call.base) },
        bookmark(call, many, id),
    ])
}

/// The link without a version, which other things' answers carry.
pub(crate) fn bookmark(call: &Call<'_>, many: &str, id: &Id) -> Value {
    json!({ "rel": "bookmark", "href": format!("{}/{many}/{id}", call.base) })
}
