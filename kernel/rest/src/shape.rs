//! The five plain operations of a resource, from how its protocol shows it.

use crate::{Call, Reply, Route};
use jinyun_base::{Fault, Id, Refusal};
use jinyun_engine::{Command, Failure, Have, Resource};
use jinyun_store::Query;
use serde_json::{Map, Value};

/// How a resource looks in its protocol.
pub trait Shape: Resource {
    /// The envelope of one, `port`.
    const ONE: &'static str;
    /// The envelope of many and the last word of the path, `ports`.
    const MANY: &'static str;
    /// The method of a change.
    const CHANGE: &'static str = "PUT";
    /// Status of an accepted creation.
    const CREATED: u16 = 201;
    /// Status of an accepted deletion.
    const DELETED: u16 = 204;

    /// What a creation asks for: a command with args (the spec), place and secrets.
    fn create(call: &Call<'_>) -> Result<Command, Failure>;

    /// What a change asks for: a command with the changed members of the spec as args.
    fn update(call: &Call<'_>, have: &Have<Self>) -> Result<Command, Failure>;

    /// As the protocol shows it.
    fn show(have: &Have<Self>, call: &Call<'_>) -> Result<Value, Fault>;

    /// The part of a list's filters that the store can answer. Whatever is left is compared with
    /// what is shown.
    fn query(_call: &Call<'_>) -> Query {
        Query::default()
    }

    /// `<service>:<kind>:<word>`.
    fn action(word: &str) -> String {
        format!("{}:{}:{word}", Self::SERVICE, Self::KIND)
    }
}

/// Parameters of a list that are no filters.
const NO_FILTER: &[&str] = &["limit", "marker", "sort_key", "sort_dir", "fields", "page_reverse",
    "sort", "all_tenants", "all_projects", "detail", "with_count", "offset"];

/// Members that hold a word of the protocol: its case does not matter.
const WORDS: &[&str] = &["ethertype", "direction", "protocol", "status"];

/// Whether a shown resource matches the query string: each parameter that names a member must
/// equal it in one of its values.
fn matches(shown: &Value, call: &Call<'_>) -> bool {
    let mut names: Vec<&str> = call.query.iter().map(|(n, _)| n.as_str())
        .filter(|n| !NO_FILTER.contains(n)).collect();
    names.dedup();
    names.into_iter().all(|name| {
        let Some(member) = shown.get(name) else { return true };
        let word = WORDS.contains(&name);
        let fits = |asked: &String| match member {
            Value::String(s) if word => s.eq_ignore_ascii_case(asked),
            _ => equals(member, asked),
        };
        let mut asked = call.query.iter().filter(|(n, _)| n == name).map(|(_, asked)| asked);
        // Several values are a choice; several members of one thing have to hold together.
        let together = call.query.iter().any(|(n, v)| n == name && v.contains('='));
        if together { asked.all(fits) } else { asked.any(fits) }
    })
}

fn equals(member: &Value, asked: &str) -> bool {
    match member {
        Value::String(s) => s == asked,
        Value::Bool(b) => match asked.to_ascii_lowercase().as_str() {
            "true" | "1" | "" => *b,
            "false" | "0" => !*b,
            _ => false,
        },
        Value::Number(n) => n.to_string() == asked,
        Value::Null => asked.is_empty() || asked == "null",
        Value::Array(items) => items.iter().any(|i| equals(i, asked)),
        // `fixed_ips=ip_address=10.0.0.5`
        Value::Object(members) => match asked.split_once('=') {
            Some((name, value)) => members.get(name).is_some_and(|m| equals(m, value)),
            None => false,
        },
    }
}

/// Marker and limit.
pub(crate) fn page(mut shown: Vec<Value>, call: &Call<'_>) -> Result<Vec<Value>, Failure> {
    if let Some(marker) = call.ask("marker") {
        let at = shown.iter().position(|v| v.get("id").and_then(Value::as_str) == Some(marker));
        let at = at.ok_or_else(|| Refusal::invalid("marker", format!("[{marker}] not found")))?;
        shown.drain(..=at);
    }
    if let Some(limit) = call.ask("limit") {
        let limit: usize = limit.parse()
            .map_err(|_| Refusal::invalid("limit", "must be a whole number"))?;
        shown.truncate(limit);
    }
    Ok(shown)
}

fn list<R: Shape>(call: &Call<'_>) -> Result<Reply, Failure> {
    let rows = call.list::<R>(&R::query(call))?;
    let mut shown = Vec::with_capacity(rows.len());
    for have in &rows {
        let value = R::show(have, call)?;
        if matches(&value, call) {
            shown.push(value);
        }
    }
    let shown = page(shown, call)?;
    Ok(Reply::ok(wrap(R::MANY, shown.into())))
}

/// `{"<name>": value}`.
pub(crate) fn wrap(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_string(), value)]))
}

fn one<R: Shape>(status: u16, id: &Id, call: &Call<'_>) -> Result<Reply, Failure> {
    let have = call.again::<R>(id)?;
    Ok(Reply::with(status, wrap(R::ONE, R::show(&have, call)?)))
}

/// List, create, show, update, delete below a prefix (`/v2.0/ports`). Where a protocol lacks one of
/// them, leave it out with `words`.
pub fn crud<R: Shape>(prefix: &str, words: &[&str]) -> Vec<Route> {
    let item = format!("{prefix}/{{id}}");
    let all: [(&str, &str, &'static str, crate::Run); 5] = [
        ("list", prefix, "GET", Box::new(list::<R>)),
        ("create", prefix, "POST", Box::new(|call| {
            let answer = call.run(R::create(call)?)?;
            let id = answer.row.map(|r| r.id)
                .or_else(|| answer.value.get("id").and_then(Value::as_str).map(Id::from));
            match id {
                Some(id) => one::<R>(R::CREATED, &id, call),
                None => Err(Fault::new("a creation returned no id").into()),
            }
        })),
        ("show", &item, "GET", Box::new(|call| {
            let have = call.show::<R>(call.param("id"))?;
            Ok(Reply::ok(wrap(R::ONE, R::show(&have, call)?)))
        })),
        ("update", &item, R::CHANGE, Box::new(|call| {
            // Whoever may not see it gets "not found", as for a show.
            let have = call.show::<R>(call.param("id"))?;
            let command = R::update(call, &have)?;
            let id = have.id.clone();
            call.run(command.on(id.clone()))?;
            one::<R>(200, &id, call)
        })),
        ("delete", &item, "DELETE", Box::new(|call| {
            call.run(call.command(R::action("delete")).on(call.param("id")))?;
            Ok(Reply::empty(R::DELETED))
        })),
    ];
    all.into_iter().filter(|(word, ..)| words.contains(word))
        .map(|(word, path, method, run)| {
            let mut route = Route::new(method, path, R::action(word), |_| Ok(Reply::empty(500)));
            route.run = run;
            route
        }).collect()
}
