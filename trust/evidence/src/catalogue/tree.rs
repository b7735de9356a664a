//! YAML that somebody brings, as the events of a parser: a tree of plain text with lines.
//!
//! Not through serde: what is wrong has to be told by row and field, and everything is text, so that
//! an id `7.10` stays one and a title `no` too; only two members of a row hold anything else. Aliases
//! and tags are refused: no catalogue needs one, and a few aliases can stand for a document without
//! end.

use super::read::{BYTES, Flaw, Malformed};
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// How deep lists and members may lie in each other: the file, its rows, a row, its answer, a duty.
const DEPTH: usize = 8;

/// Text, a list, or named members, with the line where it begins.
pub(super) struct Node {
    pub line: usize,
    pub is: Is,
}

pub(super) enum Is {
    Leaf { text: String, plain: bool },
    List(Vec<Node>),
    Members(Vec<(String, Node)>),
}

struct Source<'t> {
    parser: Parser<'t, StrInput<'t>>,
}

/// Where it went wrong, and how.
type Torn = (usize, String);

impl<'t> Source<'t> {
    /// The next event and its line.
    fn event(&mut self) -> Result<(Event<'t>, usize), Torn> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.line())),
            Some(Err(e)) => Err((e.marker().line(), format!("is not valid YAML: {}", e.info()))),
            None => Err((0, "ends too early".into())),
        }
    }

    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Node, Torn> {
        if depth > DEPTH {
            return Err((line, "is nested too deeply".into()));
        }
        let tagged = matches!(&event, Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)));
        if tagged {
            return Err((line, "has a YAML tag: write plain values".into()));
        }
        let is = match event {
            Event::Scalar(text, style, ..) => {
                Is::Leaf { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    let (event, line) = self.event()?;
                    if event == Event::SequenceEnd {
                        break Is::List(items);
                    }
                    items.push(self.node(event, line, depth + 1)?);
                }
            }
            Event::MappingStart(..) => {
                let mut members: Vec<(String, Node)> = Vec::new();
                loop {
                    let key = match self.event()? {
                        (Event::MappingEnd, _) => break Is::Members(members),
                        (Event::Scalar(key, _, _, None), _) => key.into_owned(),
                        (_, line) => return Err((line, "has a name that is no text".into())),
                    };
                    if members.iter().any(|(name, _)| *name == key) {
                        return Err((line, format!("has the member {} twice", plain(&key))));
                    }
                    let (event, line) = self.event()?;
                    members.push((key, self.node(event, line, depth + 1)?));
                }
            }
            Event::Alias(_) => return Err((line, "has a YAML alias: write the value out".into())),
            _ => return Err((line, "ends too early".into())),
        };
        Ok(Node { line, is })
    }

    fn document(&mut self) -> Result<Node, Torn> {
        let mut root = None;
        loop {
            match self.event()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => break,
                (_, line) if root.is_some() => {
                    return Err((line, "has a second document: write one".into()));
                }
                (event, line) => root = Some(self.node(event, line, 1)?),
            }
        }
        root.ok_or((1, "is empty".into()))
    }
}

/// A word of a file in a message: short, and without what steers a terminal.
pub(super) fn plain(word: &str) -> String {
    let shown: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
    format!("`{shown}`")
}

/// A file's bytes as text, or why they are none.
pub(super) fn text<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Malformed> {
    let bad = |says: &str| Err(Malformed::whole(file, says));
    if bytes.len() > BYTES {
        let says = format!("is longer than {BYTES} bytes: split it into several catalogues");
        return Err(Malformed::whole(file, says));
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return bad("is a spreadsheet program's own file, which is not read: save the sheet as CSV \
                    (\"CSV UTF-8\") and import that");
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return bad("is UTF-16: save it as UTF-8 (a table as \"CSV UTF-8\")");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => bad("holds a zero byte: it is no text"),
        Ok(text) => Ok(text),
        Err(e) => {
            let before = bytes.get(..e.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            let says = "is not UTF-8: save it as UTF-8 (a table as \"CSV UTF-8\")".into();
            Err(Malformed { more: 0, flaws: vec![Flaw {
                file: file.into(),
                row: format!("line {line}"),
                field: String::new(),
                says,
            }] })
        }
    }
}

/// The tree of a YAML file.
pub(super) fn document(file: &str, bytes: &[u8]) -> Result<Node, Malformed> {
    let text = text(file, bytes)?;
    let mut source = Source { parser: Parser::new_from_str(text) };
    source.document().map_err(|(line, says)| {
        let row = if line > 0 { format!("line {line}") } else { String::new() };
        let flaw = Flaw { file: file.into(), row, field: String::new(), says };
        Malformed { more: 0, flaws: vec![flaw] }
    })
}

/// As JSON has it. A day's number and a yes are not text; everything else is.
fn value(name: &str, node: Node) -> Value {
    match node.is {
        Is::Leaf { text, plain: true } if name == "first" => {
            text.parse::<u64>().map_or(Value::String(text), Value::from)
        }
        Is::Leaf { text, plain: true } if name == "supplement" => match text.as_str() {
            "true" => true.into(),
            "false" => false.into(),
            _ => text.into(),
        },
        Is::Leaf { text, .. } => text.into(),
        Is::List(items) => items.into_iter().map(|item| value(name, item)).collect(),
        Is::Members(members) => Value::Object(object(members)),
    }
}

fn object(members: Vec<(String, Node)>) -> Map<String, Value> {
    members.into_iter().map(|(name, node)| {
        let value = value(&name, node);
        (name, value)
    }).collect()
}

/// The members of a catalogue's file.
pub(super) fn members(file: &str, bytes: &[u8]) -> Result<Map<String, Value>, Malformed> {
    match document(file, bytes)?.is {
        Is::Members(members) => Ok(object(members)),
        Is::Leaf { .. } | Is::List(_) => {
            let says = "must hold members: key, standard, title_en, title_zh, about, clauses; a table \
                        becomes such a file by `jinyun catalogue import`";
            Err(Malformed::whole(file, says))
        }
    }
}
