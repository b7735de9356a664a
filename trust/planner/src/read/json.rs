//! JSON, as our own API takes it.

use super::{Flaw, Inventory, Malformed, Node, Value, check};
use serde_json::Value as Json;

/// Reads an inventory.
pub fn read(value: &Json) -> Result<Inventory, Malformed> {
    let mut flaws = Vec::new();
    let root = node(value, "", &mut flaws);
    if flaws.is_empty() { check(&root) } else { Err(Malformed::of(flaws)) }
}

/// The JSON parser bounds how deep this goes.
fn node(value: &Json, field: &str, flaws: &mut Vec<Flaw>) -> Node {
    let value = match value {
        Json::Null => Value::Leaf(String::new()),
        // One form for each word, as the document says.
        Json::Bool(_) | Json::Number(_) => {
            let says = "must be text in quotes, such as \"yes\" or \"3\"";
            flaws.push(Flaw { field: field.into(), ..Flaw::whole(0, says) });
            Value::Leaf(String::new())
        }
        Json::String(text) => Value::Leaf(text.clone()),
        Json::Array(items) => {
            let items = items.iter().enumerate();
            Value::List(items.map(|(i, item)| node(item, &format!("{field}[{i}]"), flaws)).collect())
        }
        Json::Object(members) => {
            let mut all = Vec::with_capacity(members.len());
            for (name, value) in members {
                let path = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                all.push((name.clone(), node(value, &path, flaws)));
            }
            Value::Map(all)
        }
    };
    Node { line: 0, value }
}
