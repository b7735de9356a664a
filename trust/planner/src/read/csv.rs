//! CSV as RFC 4180 has it, strictly: a row for each system, the first one holds the headings.
//!
//! By hand: sixty lines against another dependency, and a table that is torn (a cell too few, a quote
//! in the middle) has to be told with its line, not mended.

use super::{Flaw, Inventory, Malformed, Node, Place, Value, check, limits};

#[derive(Clone, Copy, PartialEq)]
enum State {
    Start,
    Plain,
    Quoted,
    Closed,
}

/// Rows of cells, each with the line where it begins.
pub fn cells(text: &str) -> Result<Vec<(usize, Vec<String>)>, Flaw> {
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
            (_, ',') => {
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
                return Err(Flaw::whole(line, "has text after a closing quote: a comma belongs there"));
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

/// Reads an inventory. A table has no place for the institution: its questions are asked.
pub fn read(text: &str) -> Result<Inventory, Malformed> {
    if text.len() > limits::BYTES {
        return Err(Flaw::whole(0, format!("is longer than {} bytes", limits::BYTES)).into());
    }
    let mut rows = cells(text)?.into_iter();
    let Some((_, head)) = rows.next() else {
        return Err(Flaw::whole(1, "is empty: the first line holds the headings").into());
    };
    let mut systems = Vec::new();
    for (i, (line, cells)) in rows.enumerate() {
        if cells.len() != head.len() {
            let says = format!("has {} cells, but there are {} headings", cells.len(), head.len());
            let flaw = Flaw { place: Place::Row(i + 1), line, field: String::new(), says };
            return Err(flaw.into());
        }
        let members = head.iter().cloned().zip(cells).map(|(heading, cell)| {
            (heading, Node { line, value: Value::Leaf(cell) })
        });
        systems.push(Node { line, value: Value::Map(members.collect()) });
    }
    let list = Node { line: 1, value: Value::List(systems) };
    check(&Node { line: 1, value: Value::Map(vec![("systems".into(), list)]) })
}
