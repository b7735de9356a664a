//! What a person or a program gets to see: tables, JSON, YAML.
//!
//! What is shown comes from others: a name may hold an escape sequence that makes a terminal lie.
//! So whatever steers a terminal is taken out of tables and written as an escape in JSON and YAML,
//! where the value stays what it was. YAML is written by hand: what we have is JSON's data, and a
//! string that is not plainly a word is written as JSON writes it, which YAML 1.2 takes.

use crate::say;
use jinyun_base::Time;
use serde_json::Value;

/// How to print.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For files.
    Yaml,
}

/// Whether a character changes how a terminal shows others.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Text without anything that steers a terminal, on one line.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// JSON text in which nothing steers a terminal; the same value.
fn harmless(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        // Within a string, whose quotes and control characters are escaped already.
        if steers(c) && c != '\n' {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Columns that a character takes.
fn columns(c: char) -> usize {
    let wide = matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3
        | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6
        | 0x20000..=0x3fffd);
    if wide { 2 } else { 1 }
}

fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// A table with a head; the last column is as long as it likes.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let head: Vec<String> = head.iter().map(|word| word.to_string()).collect();
    let all = || std::iter::once(&head).chain(&rows);
    let widths: Vec<usize> = (0..head.len())
        .map(|i| all().filter_map(|row| row.get(i)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    let lines: Vec<String> = all().map(|row| {
        let cells = row.iter().zip(&widths)
            .map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
    }).collect();
    lines.join("\n")
}

/// One thing's members, a line each.
pub fn members(rows: &[(&str, String)]) -> String {
    let wide = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    let lines = rows.iter().map(|(name, value)| {
        format!("{name}{}  {}", " ".repeat(wide - width(name)), plain(value)).trim_end().to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A value as a cell.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|i| !i.is_object() && !i.is_array()) => {
            items.iter().map(cell).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// A time in microseconds as a cell.
pub fn moment(value: &Value) -> String {
    value.as_i64().map_or(String::new(), |micros| Time(micros).seconds())
}

/// JSON for a program.
pub fn json(value: &Value) -> String {
    harmless(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// A string that YAML takes for nothing else when it is not quoted.
fn is_word(text: &str) -> bool {
    const OTHERS: [&str; 10] =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./@-".contains(c))
        && !OTHERS.contains(&text.to_ascii_lowercase().as_str())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) if !items.is_empty() => None,
        Value::Object(members) if !members.is_empty() => None,
        Value::String(text) if is_word(text) => Some(text.clone()),
        other => Some(harmless(&other.to_string())),
    }
}

fn write(value: &Value, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    let mut entry = |lead: String, value: &Value| match scalar(value) {
        Some(text) => out.push_str(&format!("{pad}{lead} {text}\n")),
        None => {
            let mut inner = String::new();
            write(value, depth + 1, &mut inner);
            // An object in a list begins behind its dash.
            let inside = inner.get(pad.len() + 2..).unwrap_or_default();
            match lead == "-" {
                true => out.push_str(&format!("{pad}- {inside}")),
                false => out.push_str(&format!("{pad}{lead}\n{inner}")),
            }
        }
    };
    match value {
        Value::Array(items) => items.iter().for_each(|item| entry("-".into(), item)),
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let name = scalar(&Value::from(name.as_str())).unwrap_or_default();
            entry(format!("{name}:"), value);
        }),
        _ => {}
    }
}

/// YAML for a file.
pub fn yaml(value: &Value) -> String {
    if let Some(text) = scalar(value) {
        return text;
    }
    let mut out = String::new();
    write(value, 0, &mut out);
    out.trim_end_matches('\n').to_string()
}

/// Prints a value for a program, or what people see of it.
pub fn print(output: Output, value: &Value, table: impl FnOnce() -> String) {
    say::out(&match output {
        Output::Table => table(),
        Output::Json => json(value),
        Output::Yaml => yaml(value),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as j;

    #[test]
    fn tables_are_aligned_whatever_the_script() {
        let row = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let rows = [row(["1", "金云", "x"]), row(["22", "a\u{1b}[2Jb", ""])];
        let want = "N   NAME    LAST\n1   金云    x\n22  a\u{fffd}[2Jb";
        assert_eq!(table(&["N", "NAME", "LAST"], &rows), want);
        assert_eq!(table(&["N", "NAME"], &[]), "N  NAME");
        let pairs = [("user", "ann".to_string()), ("id", "\u{202e}u1".to_string())];
        assert_eq!(members(&pairs), "user  ann\nid    \u{fffd}u1");
    }

    #[test]
    fn yaml_is_json_s_data() {
        let value = j!({
            "name": "web-1", "yes": "no", "count": 3, "none": null, "empty": [], "bare": {},
            "time": "2026-01-31T08:00:00Z", "text": "a: b\n\u{9b}c", "on": true,
            "list": ["a", 1, { "k": "v", "deep": [ { "x": 1 }, [2, 3] ] }],
        });
        let want = "\
bare: {}
count: 3
empty: []
list:
  - a
  - 1
  - deep:
      - x: 1
      - - 2
        - 3
    k: v
name: web-1
none: null
\"on\": true
text: \"a: b\\n\\u009bc\"
time: \"2026-01-31T08:00:00Z\"
\"yes\": \"no\"";
        assert_eq!(yaml(&value), want);
        assert_eq!(yaml(&j!("null")), "\"null\"");
        assert_eq!(yaml(&j!([])), "[]");
    }

    #[test]
    fn json_keeps_its_value_and_steers_nothing() {
        let value = j!({ "name": "\u{9b}2J\u{202e}é", "list": [1, "a\"b"] });
        let text = json(&value);
        assert!(!text.contains('\u{9b}') && !text.contains('\u{202e}'), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn cells() {
        for (value, want) in [
            (j!(null), ""), (j!("a"), "a"), (j!(7), "7"), (j!(["a", 1]), "a, 1"), (j!({}), "{}"),
            (j!([{"a": 1}]), "[{\"a\":1}]"),
        ] {
            assert_eq!(cell(&value), want);
        }
        assert_eq!(moment(&j!(1_700_000_000_000_000i64)), "2023-11-14T22:13:20Z");
        assert_eq!(moment(&j!("x")), "");
    }
}
