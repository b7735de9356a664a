//! YAML, as the events of a parser: a document is a tree of plain text with lines.
//!
//! Not through serde: a value of the wrong sort has to be told with its row, its line and what is
//! allowed. Everything is text, so that `no`, `3` and `2` mean what they look like. Aliases and tags
//! are refused: an inventory needs none, and a few aliases can stand for a document without end.

use super::{Flaw, Inventory, Malformed, Node, Value, check, institution, limits};
use crate::rules::Facts;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

/// How deep lists and members may lie in each other: the root, its systems, a row, its list.
const DEPTH: usize = 6;

struct Source<'t> {
    parser: Parser<'t, StrInput<'t>>,
}

impl<'t> Source<'t> {
    /// The next event and its line.
    fn event(&mut self) -> Result<(Event<'t>, usize), Flaw> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(e)) => {
                let say = format!("is not valid YAML: {}", e.info());
                Err(Flaw::whole(e.marker().line(), say))
            }
            None => Err(Flaw::whole(0, "ends too early")),
        }
    }

    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Node, Flaw> {
        if depth > DEPTH {
            return Err(Flaw::whole(line, "is nested too deeply"));
        }
        let tagged = matches!(&event, Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)));
        if tagged {
            return Err(Flaw::whole(line, "has a YAML tag: write plain values"));
        }
        let value = match event {
            Event::Scalar(text, style, _, _) => {
                let empty = style == ScalarStyle::Plain && matches!(&*text, "~" | "null");
                Value::Leaf(if empty { String::new() } else { text.into_owned() })
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    let (event, line) = self.event()?;
                    if event == Event::SequenceEnd {
                        break Value::List(items);
                    }
                    items.push(self.node(event, line, depth + 1)?);
                }
            }
            Event::MappingStart(..) => {
                let mut members = Vec::new();
                loop {
                    let key = match self.event()? {
                        (Event::MappingEnd, _) => break Value::Map(members),
                        (Event::Scalar(key, _, _, None), _) => key.into_owned(),
                        (_, line) => return Err(Flaw::whole(line, "has a name that is no text")),
                    };
                    let (event, line) = self.event()?;
                    members.push((key, self.node(event, line, depth + 1)?));
                }
            }
            Event::Alias(_) => {
                return Err(Flaw::whole(line, "has a YAML alias: write the value out"));
            }
            _ => return Err(Flaw::whole(line, "ends too early")),
        };
        Ok(Node { line, value })
    }
}

/// Reads an inventory.
pub fn read(text: &str) -> Result<Inventory, Malformed> {
    check(&tree(text)?)
}

/// Reads what a table of systems has no place for: a document with `institution` alone.
pub fn about(text: &str) -> Result<Facts, Malformed> {
    institution(&tree(text)?)
}

/// The one document of a text.
fn tree(text: &str) -> Result<Node, Malformed> {
    if text.len() > limits::BYTES {
        return Err(Flaw::whole(0, format!("is longer than {} bytes", limits::BYTES)).into());
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut source = Source { parser: Parser::new_from_str(text) };
    let mut root = None;
    loop {
        match source.event()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd, _) => {}
            (Event::StreamEnd, _) => break,
            (_, line) if root.is_some() => {
                return Err(Flaw::whole(line, "has a second document: write one").into());
            }
            (event, line) => root = Some(source.node(event, line, 1)?),
        }
    }
    let empty = Node { line: 0, value: Value::Leaf(String::new()) };
    Ok(root.unwrap_or(empty))
}
