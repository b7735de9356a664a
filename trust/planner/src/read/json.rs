//! JSON, as our own API takes it.

use super::{Flaw, Inventory, Malformed, Node, Value, check};
use serde_json::Value as Json;

/// Reads an inventory.
pub fn read(value: &Json) -> Result<Inventory, Malformed> {
    check(&node(value, "")?)
}

/// The JSON parser bounds how deep this goes.
fn node(value: &Json, field: &str) -> Result<Node, Malformed> {
    let value = match value {
        Json::Null => Value::Leaf(String::new()),
        // One form for each word, as the document says.
        Json::Bool(_) | Json::Number(_) => {
            let says = "must be text in quotes, such as \"yes\" or \"3\"";
            return Err(Flaw { field: field.into(), ..Flaw::whole(0, says) }.into());
        }
        Json::String(text) => Value::Leaf(text.clone()),
        Json::Array(items) => {
            let each = items.iter().enumerate().map(|(i, item)| node(item, &format!("{field}[{i}]")));
            Value::List(each.collect::<Result<Vec<Node>, Malformed>>()?)
        }
        Json::Object(members) => {
            let mut all = Vec::with_capacity(members.len());
            for (name, value) in members {
                let path = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                all.push((name.clone(), node(value, &path)?));
            }
            Value::Map(all)
        }
    };
    Ok(Node { line: 0, value })
}
