//! From text to an inventory: YAML, CSV or JSON in, rows with checked fields out.
//!
//! All three become the same tree first ([`Node`]), so that there is one place that knows headings
//! and words. Every flaw is collected, with its row, line and field and with what is allowed; a value
//! that was sent is never repeated, because the sentence may end in a journal. `unknown`, `未知` and an
//! empty cell are no flaws: they are what the plan asks about.

pub mod csv;
pub mod json;
pub mod yaml;

use crate::fields::{self, Field, INSTITUTION, Kind, SYSTEM, plain};
use crate::rules::Facts;
use crate::words::{Label, Word, FAMILIES};
use std::collections::BTreeMap;
use std::fmt;

/// Bounds on an inventory.
pub mod limits {
    /// Longest file, in bytes.
    pub const BYTES: usize = 1 << 20;
    /// Most systems.
    pub const SYSTEMS: usize = 300;
    /// Longest text, in characters.
    pub const TEXT: usize = 200;
    /// Longest id, in characters.
    pub const ID: usize = 32;
    /// Most values of one field.
    pub const VALUES: usize = 64;
    /// Most flaws that are told.
    pub const FLAWS: usize = 50;
}

/// Text, a list, or named members, with the line where it begins (0 if there are no lines).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Line.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text; empty if nothing was given.
    Leaf(String),
    /// A list.
    List(Vec<Node>),
    /// Members in the order of the file.
    Map(Vec<(String, Node)>),
}

/// What a flaw is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The inventory as a whole.
    Whole,
    /// What it says about the institution.
    Institution,
    /// A row, counted from 1.
    Row(usize),
}

/// Something in an inventory that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where.
    pub place: Place,
    /// Line of the file; 0 if there is none.
    pub line: usize,
    /// Field; empty if it is not about one.
    pub field: String,
    /// What is wrong and what is allowed.
    pub says: String,
}

impl Flaw {
    /// A flaw of the whole file at a line.
    pub fn whole(line: usize, says: impl Into<String>) -> Flaw {
        Flaw { place: Place::Whole, line, field: String::new(), says: says.into() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut at = Vec::new();
        match self.place {
            Place::Whole => {}
            Place::Institution => at.push("institution".to_string()),
            Place::Row(row) => at.push(format!("row {row}")),
        }
        if self.line > 0 {
            at.push(format!("line {}", self.line));
        }
        if !self.field.is_empty() {
            at.push(format!("field {}", self.field));
        }
        if !at.is_empty() {
            write!(f, "{}: ", at.join(", "))?;
        }
        f.write_str(&self.says)
    }
}

/// Why an inventory was not taken. There is at least one flaw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong, in the order of the file.
    pub flaws: Vec<Flaw>,
    /// How many more there are.
    pub more: usize,
}

impl From<Flaw> for Malformed {
    fn from(flaw: Flaw) -> Malformed {
        Malformed { flaws: vec![flaw], more: 0 }
    }
}

impl Malformed {
    fn of(mut flaws: Vec<Flaw>) -> Malformed {
        let more = flaws.len().saturating_sub(limits::FLAWS);
        flaws.truncate(limits::FLAWS);
        Malformed { flaws, more }
    }

    /// A line for each flaw, each beginning with the file's name.
    pub fn lines(&self, file: &str) -> Vec<String> {
        let mut lines: Vec<String> =
            self.flaws.iter().map(|flaw| format!("{file}: {flaw}")).collect();
        if self.more > 0 {
            lines.push(format!("{file}: and {} more", self.more));
        }
        lines
    }
}

/// A system of an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// What is said about it.
    pub facts: Facts,
    /// Recovery time objective, in minutes.
    pub rto: Option<u32>,
    /// Recovery point objective, in minutes.
    pub rpo: Option<u32>,
    /// Places of the systems without which it cannot run; none if nobody said.
    pub depends_on: Option<Vec<usize>>,
    /// Places of the systems with which it shares data; none if nobody said.
    pub shares: Option<Vec<usize>>,
}

impl System {
    /// Its id.
    pub fn id(&self) -> &str {
        self.facts.text("id")
    }
}

/// What a plan is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// What is said about the institution.
    pub institution: Facts,
    /// Its systems.
    pub systems: Vec<System>,
}

/// Names by which members of the whole may be called.
const INSTITUTIONS: [&str; 2] = ["institution", "机构"];
const SYSTEMS: [&str; 2] = ["systems", "系统"];

/// Checks a tree that speaks of the institution alone.
pub fn institution(root: &Node) -> Result<Facts, Malformed> {
    let Value::Map(members) = &root.value else {
        return Err(Flaw::whole(root.line, "must have a member `institution` with its members").into());
    };
    let mut flaws = Vec::new();
    let mut found = None;
    for (name, node) in members {
        if !INSTITUTIONS.contains(&plain(name).as_str()) {
            let say = "has a member beside `institution` (机构): systems are in the inventory";
            flaws.push(Flaw::whole(node.line, say));
        } else if found.replace(node).is_some() {
            flaws.push(Flaw::whole(node.line, "has a member twice"));
        }
    }
    if found.is_none() && flaws.is_empty() {
        flaws.push(Flaw::whole(root.line, "must have a member `institution` with its members"));
    }
    let facts = about(found, &mut flaws);
    if flaws.is_empty() { Ok(facts) } else { Err(Malformed::of(flaws)) }
}

/// What a member says about the institution.
fn about(member: Option<&Node>, flaws: &mut Vec<Flaw>) -> Facts {
    match member.map(|node| (node, &node.value)) {
        None => Facts::default(),
        Some((_, Value::Map(members))) => row(members, INSTITUTION, Place::Institution, flaws),
        Some((node, _)) => {
            let say = "`institution` must hold members such as `stage: existing`";
            flaws.push(Flaw::whole(node.line, say));
            Facts::default()
        }
    }
}

/// Checks a whole tree: `institution` with its members, `systems` with a list of rows.
pub fn check(root: &Node) -> Result<Inventory, Malformed> {
    let Value::Map(members) = &root.value else {
        return Err(Flaw::whole(root.line, "must have a member `systems` with the list of rows").into());
    };
    let mut flaws = Vec::new();
    let (mut institution, mut rows) = (None, None);
    for (name, node) in members {
        let name = plain(name);
        let known = |names: [&str; 2]| names.contains(&name.as_str());
        let slot = if known(INSTITUTIONS) {
            &mut institution
        } else if known(SYSTEMS) {
            &mut rows
        } else {
            let say = "has an unknown member: there are `institution` (机构) and `systems` (系统)";
            flaws.push(Flaw::whole(node.line, say));
            continue;
        };
        if slot.replace(node).is_some() {
            flaws.push(Flaw::whole(node.line, "has a member twice"));
        }
    }
    let facts = about(institution, &mut flaws);
    let mut taken = Vec::new();
    match rows.map(|node| &node.value) {
        Some(Value::List(rows)) if !rows.is_empty() && rows.len() <= limits::SYSTEMS => {
            for (i, node) in rows.iter().enumerate() {
                let place = Place::Row(i + 1);
                match &node.value {
                    Value::Map(members) => {
                        taken.push((node.line, row(members, SYSTEM, place, &mut flaws)));
                    }
                    Value::Leaf(_) | Value::List(_) => {
                        let says = "must hold members such as `id: mail`".to_string();
                        flaws.push(Flaw { place, line: node.line, field: String::new(), says });
                        taken.push((node.line, Facts::default()));
                    }
                }
            }
        }
        _ => {
            let say = format!("`systems` must be a list of 1 to {} rows", limits::SYSTEMS);
            flaws.push(Flaw::whole(root.line, say));
        }
    }
    let systems = link(taken, &mut flaws);
    match flaws.is_empty() {
        true => Ok(Inventory { institution: facts, systems }),
        false => Err(Malformed::of(flaws)),
    }
}

/// Reads the members of one row.
fn row(members: &[(String, Node)], fields: &'static [Field], place: Place, flaws: &mut Vec<Flaw>)
    -> Facts {
    let mut facts = Facts::default();
    let mut met: Vec<&str> = Vec::new();
    for (heading, node) in members {
        let line = node.line;
        let Some(field) = fields::find(fields, heading) else {
            let (field, says) = strange(heading, fields);
            flaws.push(Flaw { place, line, field, says });
            continue;
        };
        let mut flaw = |says: String| flaws.push(Flaw { place, line, field: field.code.into(), says });
        if met.contains(&field.code) {
            flaw("stands twice in its row".into());
            continue;
        }
        met.push(field.code);
        match value(field, node) {
            Ok(Some(values)) => facts.set(field.code, values),
            Ok(None) => {}
            Err(what) => flaw(format!("{what}: {}", field.allowed())),
        }
    }
    facts
}

/// A heading that is none, as it may be shown, and which ones there are.
fn strange(heading: &str, fields: &[Field]) -> (String, String) {
    let codes: Vec<&str> = fields.iter().map(|f| f.code).collect();
    let says = format!("is no heading of an inventory; there are {}", codes.join(", "));
    (heading.trim().chars().filter(|c| !steers(*c)).take(40).collect(), says)
}

/// Words that say "nobody knows".
const UNKNOWN: [&str; 8] = ["", "unknown", "未知", "不详", "待定", "?", "？", "tbd"];
/// Words that say "there is none".
const NONE: [&str; 3] = ["none", "无", "没有"];

/// The values of a field as the plan keeps them; none if they are unknown.
fn value(field: &Field, node: &Node) -> Result<Option<Vec<String>>, &'static str> {
    let many = matches!(field.kind, Kind::Ids | Kind::Texts | Kind::Words(_));
    let texts: Vec<String> = match &node.value {
        Value::Map(_) => return Err("must not hold members"),
        Value::List(_) if !many => return Err("must be one value"),
        Value::List(items) => {
            let leaf = |item: &Node| match &item.value {
                Value::Leaf(text) => Ok(text.trim().to_string()),
                Value::List(_) | Value::Map(_) => Err("must be a list of plain values"),
            };
            items.iter().map(leaf).collect::<Result<_, _>>()?
        }
        Value::Leaf(text) if UNKNOWN.contains(&plain(text).as_str()) => return Ok(None),
        Value::Leaf(text) if many => {
            text.split([';', '；', '、']).map(|part| part.trim().to_string()).collect()
        }
        Value::Leaf(text) => vec![text.trim().to_string()],
    };
    if texts.len() > limits::VALUES {
        return Err("holds too many values");
    }
    let open = matches!(field.kind, Kind::Ids | Kind::Texts);
    let nothing = texts.len() == 1 && texts.iter().all(|text| NONE.contains(&plain(text).as_str()));
    if open && (texts.is_empty() || nothing) {
        return Ok(Some(Vec::new()));
    }
    if texts.is_empty() {
        return Err("is an empty list");
    }
    let mut values: Vec<String> = Vec::new();
    for text in texts {
        let value = one(field, &text)?;
        if values.contains(&value) {
            return Err("holds a value twice");
        }
        values.push(value);
    }
    if values.len() > 1 && values.iter().any(|value| value == "none") {
        return Err("says none beside something else");
    }
    Ok(Some(values))
}

/// One value of a field.
fn one(field: &Field, text: &str) -> Result<String, &'static str> {
    let labels = field.labels();
    match field.kind {
        Kind::Id | Kind::Ids => {
            let good = (1..=limits::ID).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !text.starts_with('-');
            if good { Ok(text.into()) } else { Err("is no id") }
        }
        Kind::Text | Kind::Texts => {
            let good = !text.is_empty()
                && text.chars().count() <= limits::TEXT
                && !text.chars().any(steers);
            if good { Ok(text.into()) } else { Err("is no such text") }
        }
        Kind::Time => minutes(text).map(span).ok_or("is no span of time"),
        Kind::Word(_) | Kind::Words(_) => {
            let word = word(&labels, text).ok_or("is none of the words")?;
            Ok(word.code.into())
        }
    }
}

/// Whether a character changes how those around it are shown: in a document a name could then look
/// like another, on a terminal do worse.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

/// A word by any of its three forms.
fn word(labels: &[Label], text: &str) -> Option<Label> {
    let text = plain(text);
    labels.iter().find(|l| l.code == text || plain(l.zh) == text || plain(l.en) == text).copied()
}

/// Minutes of a span such as `30m`, `4h`, `1d`, `4小时`.
pub fn minutes(text: &str) -> Option<u32> {
    let text = text.trim();
    let units = [("分钟", 1), ("小时", 60), ("天", 1440), ("m", 1), ("h", 60), ("d", 1440)];
    let (digits, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(*unit)?, *factor)))?;
    let digits = digits.trim();
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u32>().ok()?.checked_mul(factor)
}

/// A span in its shortest form.
fn span(minutes: u32) -> String {
    match minutes {
        0 => "0m".into(),
        m if m.is_multiple_of(1440) => format!("{}d", m / 1440),
        m if m.is_multiple_of(60) => format!("{}h", m / 60),
        m => format!("{m}m"),
    }
}

/// What cannot both be true: how much sensitive data there is is about the kinds of data that there are.
/// A plan would call such a system harmless in one sentence and dangerous in the next.
fn contradiction(facts: &Facts) -> Option<&'static str> {
    let open = facts.get("data")?.iter().all(|kind| kind == "public");
    match (facts.text("amount"), open) {
        ("", _) | ("none", true) => None,
        ("none", false) => Some("says that there is none, but `data` names kinds that are not public: \
            correct one of the two, or write unknown (未知)"),
        (_, true) => Some("says that there is some, but `data` names public information alone: name the \
            other kinds, or write none (无)"),
        (_, false) => None,
    }
}

/// Makes systems of rows: required fields, unique ids, references to other rows.
fn link(rows: Vec<(usize, Facts)>, flaws: &mut Vec<Flaw>) -> Vec<System> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (i, (line, facts)) in rows.iter().enumerate() {
        let (place, line) = (Place::Row(i + 1), *line);
        // What could not be taken was told already, and is not missing.
        let missing = |field: &str| {
            let told = || flaws.iter().any(|flaw| flaw.place == place && flaw.field == field);
            facts.get(field).is_none() && !told()
        };
        let (no_id, no_name) = (missing("id"), missing("name"));
        let mut flaw = |field: &str, says: &str| {
            flaws.push(Flaw { place, line, field: field.into(), says: says.into() });
        };
        if no_id {
            flaw("id", "is required");
        } else if facts.get("id").is_some() && places.insert(facts.text("id").into(), i).is_some() {
            flaw("id", "is the id of another row too");
        }
        if no_name {
            flaw("name", "is required");
        }
        if let Some(says) = contradiction(facts) {
            flaw("amount", says);
        }
    }
    let mut systems = Vec::with_capacity(rows.len());
    for (i, (line, mut facts)) in rows.into_iter().enumerate() {
        let mut others = |field: &'static str| {
            let ids = facts.get(field)?;
            let mut found = Vec::new();
            for id in ids {
                let says = match places.get(id) {
                    Some(place) if *place == i => "names its own row",
                    Some(place) => {
                        found.push(*place);
                        continue;
                    }
                    None => "names an id that no row has",
                };
                let (place, field) = (Place::Row(i + 1), field.to_string());
                flaws.push(Flaw { place, line, field, says: says.into() });
            }
            Some(found)
        };
        let (depends_on, shares) = (others("depends_on"), others("shares_data_with"));
        let (rto, rpo) = (minutes(facts.text("rto")), minutes(facts.text("rpo")));
        let family = facts.text("family");
        match FAMILIES.iter().find(|f| f.label.code == family).map(|f| f.class) {
            Some(Some(class)) => facts.say("family_class", class.code()),
            // None of those that the standard names: known, and no row of the table is about it.
            Some(None) => facts.set("family_class", Vec::new()),
            None => {}
        }
        systems.push(System { facts, rto, rpo, depends_on, shares });
    }
    systems
}
