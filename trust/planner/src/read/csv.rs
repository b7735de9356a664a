//! CSV as RFC 4180 has it, strictly: a row for each system, the first one holds the headings.
//!
//! Spreadsheets write it with commas, semicolons or tabs, by the country that they were set up for: the
//! separator is the one by which the first line has the most headings. By hand: few lines against
//! another dependency, and a table that is torn (a cell too few, a quote in the middle) has to be told
//! with its line, not mended. What is wrong with a heading is told once, not for each row below it.

use super::{Flaw, Inventory, Malformed, Node, Place, Value, check, limits, strange};
use crate::fields::{self, SYSTEM};

/// What may stand between cells; the first, if no heading is known by any.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// Headings without which there is no row.
const REQUIRED: [&str; 2] = ["id", "name"];

#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    Plain,
    Quoted,
    Closed,
}

/// Rows of cells, each with the line where it begins.
pub fn cells(text: &str, separator: char) -> Result<Vec<(usize, Vec<String>)>, Flaw> {
    let mut all = Vec::new();
    let (mut row, mut cell) = (Vec::new(), String::new());
    let (mut line, mut began) = (1, 1);
    let mut state = State::Start;
    let mut chars = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    while let Some(c) = chars.next() {
        match (state, c) {
            (State::Quoted, '"') if chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            (State::Quoted, '"') => state = State::Closed,
            (State::Quoted, c) => {
                line += usize::from(c == '\n');
                cell.push(c);
            }
            (State::Start, '"') => state = State::Quoted,
            (_, c) if c == separator => {
                row.push(std::mem::take(&mut cell));
                state = State::Start;
            }
            (_, '\r') if chars.peek() == Some(&'\n') => {}
            (_, '\n') => {
                row.push(std::mem::take(&mut cell));
                all.push((began, std::mem::take(&mut row)));
                line += 1;
                began = line;
                state = State::Start;
            }
            (State::Closed, _) => {
                return Err(Flaw::whole(line, "has text after a closing quote: a separator belongs there"));
            }
            (_, '"') => {
                let say = "has a quote inside a cell: put the cell in quotes and double the quote";
                return Err(Flaw::whole(line, say));
            }
            (_, c) => {
                cell.push(c);
                state = State::Plain;
            }
        }
    }
    if state == State::Quoted {
        return Err(Flaw::whole(began, "has a quoted cell that does not end"));
    }
    if !row.is_empty() || !cell.is_empty() || state == State::Closed {
        row.push(cell);
        all.push((began, row));
    }
    // A line without anything is no row.
    all.retain(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty()));
    Ok(all)
}

/// The separator by which the first line has the most headings.
fn separator(text: &str) -> char {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let known = |separator: char| {
        let rows = cells(line, separator).unwrap_or_default();
        let head = rows.iter().take(1).flat_map(|(_, head)| head);
        head.filter(|heading| fields::find(SYSTEM, heading).is_some()).count()
    };
    let [mut best, ..] = SEPARATORS;
    for other in SEPARATORS {
        if known(other) > known(best) {
            best = other;
        }
    }
    best
}

/// The field of each column; none if its heading is blank.
fn headings(line: usize, head: &[String]) -> Result<Vec<Option<&'static str>>, Malformed> {
    let mut flaws = Vec::new();
    let mut wrong = |(field, says): (String, String)| {
        flaws.push(Flaw { place: Place::Whole, line, field, says });
    };
    let mut known: Vec<Option<&'static str>> = Vec::new();
    for heading in head {
        let found = fields::find(SYSTEM, heading).map(|field| field.code);
        match found {
            None if heading.trim().is_empty() => {}
            None => wrong(strange(heading, SYSTEM)),
            Some(code) if known.contains(&found) => {
                wrong((code.into(), "stands twice among the headings: keep one of them".into()));
            }
            Some(_) => {}
        }
        known.push(found);
    }
    for code in REQUIRED.into_iter().filter(|code| !known.contains(&Some(*code))) {
        wrong((code.into(), "is missing among the headings".into()));
    }
    if flaws.is_empty() { Ok(known) } else { Err(Malformed::of(flaws)) }
}

/// Reads an inventory. A table has no place for the institution: its questions are asked, unless a
/// document of its own answers them ([`super::yaml::about`]).
pub fn read(text: &str) -> Result<Inventory, Malformed> {
    if text.len() > limits::BYTES {
        return Err(Flaw::whole(0, format!("is longer than {} bytes", limits::BYTES)).into());
    }
    let mut rows = cells(text, separator(text))?.into_iter();
    let Some((line, head)) = rows.next() else {
        return Err(Flaw::whole(1, "is empty: the first line holds the headings").into());
    };
    let head = headings(line, &head)?;
    let (mut systems, mut torn) = (Vec::new(), Vec::new());
    for (i, (line, cells)) in rows.enumerate() {
        let mut wrong = |says: String| {
            torn.push(Flaw { place: Place::Row(i + 1), line, field: String::new(), says });
        };
        if cells.len() != head.len() {
            let (have, want) = (cells.len(), head.len());
            wrong(format!("has {have} cells, but there are {want} headings: put a cell that holds the \
                separator in quotes"));
            continue;
        }
        if head.iter().zip(&cells).any(|(code, cell)| code.is_none() && !cell.trim().is_empty()) {
            wrong("has a cell in a column without a heading: give it one".into());
            continue;
        }
        let members = head.iter().zip(cells).filter_map(|(code, cell)| {
            Some(((*code)?.to_string(), Node { line, value: Value::Leaf(cell) }))
        });
        systems.push(Node { line, value: Value::Map(members.collect()) });
    }
    if !torn.is_empty() {
        return Err(Malformed::of(torn));
    }
    let list = Node { line: 1, value: Value::List(systems) };
    check(&Node { line: 1, value: Value::Map(vec![("systems".into(), list)]) })
}
