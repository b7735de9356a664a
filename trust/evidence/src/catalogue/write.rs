//! A catalogue as a file: its head as YAML members, its rows one JSON object a line, which is YAML
//! too. So a change of the file reads as a change of rows, and nothing has to be quoted by hand.

use super::Catalogue;
use jinyun_base::Fault;
use serde_json::{Value, json};

/// JSON with blanks, as people write it.
fn one(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(one).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{}: {}", json!(name), one(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        // What steers how text is shown is written out: a line stays a line.
        Value::String(text) => {
            let mut shown = String::new();
            for c in json!(text).to_string().chars() {
                match c {
                    '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                    | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                        shown.push_str(&format!("\\u{:04x}", u32::from(c)));
                    }
                    c => shown.push(c),
                }
            }
            shown
        }
        other => other.to_string(),
    }
}

/// The file.
pub(super) fn text(catalogue: &Catalogue) -> Result<String, Fault> {
    let bad = |e: serde_json::Error| Fault::new(format!("writing a catalogue: {e}"));
    let Catalogue { key, standard, title_zh, title_en, about, version, clauses, .. } = catalogue;
    let head = [("key", key), ("standard", standard), ("title_zh", title_zh), ("title_en", title_en),
        ("version", version), ("about", about)];
    let mut lines: Vec<String> = head.iter().filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| format!("{name}: {}", one(&json!(text)))).collect();
    lines.push("clauses:".into());
    for clause in clauses {
        let mut row = serde_json::to_value(clause).map_err(bad)?;
        if let Some(members) = row.as_object_mut()
            && members.contains_key("not_applicable")
        {
            // The reason is the answer.
            members.remove("answer");
        }
        // People look for a row by its id: it stands first.
        if let Some(members) = row.as_object_mut() {
            members.remove("id");
        }
        let rest = one(&row);
        let rest = rest.strip_prefix('{').unwrap_or(&rest);
        lines.push(format!("  - {{\"id\": {}, {rest}", one(&json!(clause.id))));
    }
    Ok(lines.join("\n") + "\n")
}
