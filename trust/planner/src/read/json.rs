//! JSON, as our own API takes it.

use super::{Inventory, Malformed, Node, Value, check};
use serde_json::Value as Json;

/// Reads an inventory.
pub fn read(value: &Json) -> Result<Inventory, Malformed> {
    check(&node(value))
}

/// The JSON parser bounds how deep this goes.
fn node(value: &Json) -> Node {
    let value = match value {
        Json::Null => Value::Leaf(String::new()),
        Json::Bool(yes) => Value::Leaf(if *yes { "yes" } else { "no" }.into()),
        Json::Number(number) => Value::Leaf(number.to_string()),
        Json::String(text) => Value::Leaf(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(node).collect()),
        Json::Object(members) => {
            Value::Map(members.iter().map(|(name, value)| (name.clone(), node(value))).collect())
        }
    };
    Node { line: 0, value }
}
