//! A table that a spreadsheet program wrote, or a list of YAML: rows of named cells, with the numbers
//! by which people find them.
//!
//! The parser of CSV takes what is torn as well as it can. Here that is refused: a requirement that
//! is half read is one that nobody answers. A row of a sound table has an even number of quotes and
//! as many cells as there are headings.

use super::read::{Flaw, Malformed};
use super::tree::{self, Is, Node, plain};
use csv::{ByteRecord, ReaderBuilder};
use std::collections::BTreeMap;

/// The columns: the name by which flaws call them, and headings, as [`heading`] makes them.
pub(super) const COLUMNS: [(&str, &[&str]); 25] = [
    ("id", &["id", "clause", "编号", "条款", "条款号", "条款编号"]),
    ("title", &["title", "标题", "名称"]),
    ("title_en", &["titleen", "英文标题"]),
    ("title_zh", &["titlezh", "中文标题"]),
    ("text", &["text", "requirement", "要求", "要求内容", "条款内容"]),
    ("level", &["level", "级别", "等级"]),
    ("tier", &["tier", "层级"]),
    ("who", &["who", "duty", "责任", "责任方"]),
    ("kind", &["kind", "类型", "类别"]),
    ("area", &["area", "领域"]),
    ("refs", &["refs", "ref", "references", "对应", "对应条款"]),
    ("open", &["open", "partly", "未覆盖", "部分"]),
    ("owner", &["owner", "责任人", "责任岗位"]),
    ("period", &["period", "dutyperiod", "every", "周期"]),
    ("valid", &["valid", "有效期"]),
    ("on", &["on", "event", "触发事件"]),
    ("first", &["first", "firstdue", "首次天数"]),
    ("record", &["record", "记录"]),
    ("shows", &["shows", "应证明", "记录要求"]),
    ("tenant_does", &["tenantdoes", "租户须做", "租户责任"]),
    ("not_built", &["notbuilt", "未建成"]),
    ("not_applicable", &["notapplicable", "na", "不适用", "不适用理由"]),
    ("facts", &["facts", "说明"]),
    ("see", &["see", "参见"]),
    ("note", &["note", "remark", "备注"]),
];

/// The most cells of a row.
const CELLS: usize = 100;
/// The longest cell, in characters.
const CELL: usize = 4000;

/// A row.
pub(super) struct Line {
    /// How people find it: `row 4 (line 6)`.
    pub name: String,
    /// What is in it, by column; what is empty is not there.
    pub cells: BTreeMap<&'static str, String>,
    /// Something of it could not be read, and was told of: it is there for its id alone.
    pub torn: bool,
}

/// Rows, and what is wrong with them so far.
pub(super) type Rows = (Vec<Line>, Vec<Flaw>);

/// A heading without what people write differently.
fn heading(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !"_-:：*".contains(*c))
        .flat_map(char::to_lowercase).collect()
}

fn column(text: &str) -> Option<&'static str> {
    let text = heading(text);
    COLUMNS.iter().find(|(_, names)| names.contains(&text.as_str())).map(|(code, _)| *code)
}

/// All headings in a sentence.
fn offered() -> String {
    let words = COLUMNS.iter().map(|(code, names)| {
        let zh = names.iter().find(|name| !name.is_ascii());
        zh.map_or_else(|| (*code).to_string(), |zh| format!("{code} ({zh})"))
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Headings as columns; one that is not known stands as nothing.
fn columns<'h>(headings: impl Iterator<Item = &'h str>, wrong: &mut dyn FnMut(String, String))
    -> Vec<Option<&'static str>> {
    let mut met: Vec<Option<&'static str>> = Vec::new();
    for text in headings {
        let found = column(text);
        match found {
            // A column without a heading may be there if it is empty.
            None if text.trim().is_empty() => {}
            None => wrong(plain(text), format!("is no known heading; there are {}", offered())),
            Some(code) if met.contains(&found) => {
                wrong(code.into(), "stands twice among the headings: keep one of them".into());
            }
            Some(_) => {}
        }
        met.push(found);
    }
    if !met.contains(&Some("id")) {
        wrong("id".into(), "is missing among the headings: there must be a column id (编号)".into());
    }
    met
}

/// What is in a cell, and what is wrong with it.
fn cell(text: &str) -> Result<String, String> {
    let text = text.trim().replace("\r\n", "\n").replace('\r', "\n");
    if text.chars().count() > CELL {
        return Err(format!("is longer than {CELL} characters: shorten it, or split the row"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err("holds a control character: take it out".into());
    }
    Ok(text)
}

/// The records of a table. Their first one is the headings.
fn records(text: &str, separator: u8) -> Result<Vec<ByteRecord>, String> {
    let mut reader = ReaderBuilder::new().delimiter(separator).has_headers(false).flexible(true)
        .from_reader(text.as_bytes());
    let (mut all, mut record) = (Vec::new(), ByteRecord::new());
    while reader.read_byte_record(&mut record).map_err(|e| format!("is no CSV: {e}"))? {
        all.push(record.clone());
    }
    Ok(all)
}

/// A field as text: the whole file was UTF-8, so a part between two ASCII signs is.
fn words(record: &ByteRecord) -> Vec<&str> {
    record.iter().map(|field| std::str::from_utf8(field).unwrap_or_default()).collect()
}

/// The table with the separator by which its first line has the most headings.
fn separated(text: &str) -> Result<Vec<ByteRecord>, String> {
    let mut best: Option<(usize, Vec<ByteRecord>)> = None;
    for separator in [b',', b';', b'\t'] {
        let read = records(text, separator)?;
        let known = read.first().map_or(0, |head| {
            words(head).into_iter().filter(|text| column(text).is_some()).count()
        });
        if best.as_ref().is_none_or(|(most, _)| known > *most) {
            best = Some((known, read));
        }
    }
    Ok(best.map(|(_, read)| read).unwrap_or_default())
}

fn byte(record: &ByteRecord) -> usize {
    record.position().and_then(|at| usize::try_from(at.byte()).ok()).unwrap_or_default()
}

/// The rows of a table as CSV.
pub(super) fn table(file: &str, bytes: &[u8]) -> Result<Rows, Malformed> {
    let text = tree::text(file, bytes)?;
    let read = separated(text).map_err(|says| Malformed::whole(file, says))?;
    let Some(head) = read.first() else {
        let says = "is empty: its first row holds the headings, at least id (编号)";
        return Err(Malformed::whole(file, says));
    };
    let mut flaws = Vec::new();
    let flaw = |row: &str, field: String, says: String| {
        Flaw { file: file.into(), row: row.into(), field, says }
    };
    let known = columns(words(head).into_iter(), &mut |field, says| {
        flaws.push(flaw("row 1", field, says));
    });
    let ends = read.iter().skip(1).map(byte).chain([text.len()]);
    let mut rows = Vec::new();
    // Under headings that are wrong every row is.
    let sound = flaws.is_empty();
    let torn = |name: String, texts: &[&str]| {
        let at = known.iter().position(|code| *code == Some("id"));
        let id = at.and_then(|at| texts.get(at)).map(|id| ("id", id.trim().to_string()));
        Line { name, cells: id.into_iter().collect(), torn: true }
    };
    let (mut line, mut at) = (1, 0);
    for (n, (record, end)) in read.iter().zip(ends).enumerate() {
        // The parser leaves the second half of a line's end to the next record.
        let part = text.as_bytes().get(at..).unwrap_or_default();
        let gone = byte(record).saturating_sub(at);
        let ends = part.iter().skip(gone).take_while(|b| matches!(**b, b'\r' | b'\n')).count();
        line += part.iter().take(gone + ends).filter(|b| **b == b'\n').count();
        at += gone + ends;
        let name = format!("row {} (line {line})", n + 1);
        let raw = text.as_bytes().get(byte(record)..end).unwrap_or_default();
        let texts = words(record);
        if raw.iter().filter(|b| **b == b'"').count() % 2 == 1 {
            let says = "has a quote that does not end, or one inside of a cell: put the cell in quotes \
                        and double each quote in it";
            flaws.push(flaw(&name, String::new(), says.into()));
            rows.push(torn(name, &texts));
            continue;
        }
        let over = texts.iter().skip(known.len()).any(|text| !text.trim().is_empty());
        if n > 0 && texts.iter().all(|text| text.trim().is_empty()) {
            continue;
        }
        if texts.len() < known.len() || over || texts.len() > CELLS {
            let (have, want) = (texts.len(), known.len());
            let says = format!("has {have} cells, but there are {want} headings (at most {CELLS}): look \
                for a separator inside of a cell without quotes");
            flaws.push(flaw(&name, String::new(), says));
            rows.push(torn(name, &texts));
            continue;
        }
        if n == 0 || !sound {
            continue;
        }
        let (mut cells, before) = (BTreeMap::new(), flaws.len());
        for ((text, code), heading) in texts.into_iter().zip(&known).zip(words(head)) {
            match (cell(text), code) {
                (Ok(text), _) if text.is_empty() => {}
                (Ok(text), Some(code)) => drop(cells.insert(*code, text)),
                // A heading that is not known was told of where it stands.
                (Ok(_), None) if !heading.trim().is_empty() => {}
                (Ok(_), None) => {
                    let says = "has a cell in a column without a heading: give it one";
                    flaws.push(flaw(&name, String::new(), says.into()));
                }
                (Err(says), code) => flaws.push(flaw(&name, code.unwrap_or_default().into(), says)),
            }
        }
        rows.push(Line { name, cells, torn: flaws.len() > before });
    }
    if !sound {
        return Err(Malformed::of(flaws));
    }
    done(file, rows, flaws)
}

fn done(file: &str, rows: Vec<Line>, flaws: Vec<Flaw>) -> Result<Rows, Malformed> {
    match rows.is_empty() {
        true if flaws.is_empty() => {
            Err(Malformed::whole(file, "has no row: give at least one requirement"))
        }
        true => Err(Malformed::of(flaws)),
        false => Ok((rows, flaws)),
    }
}

/// The rows of a list as YAML: members are named as columns are.
pub(super) fn list(file: &str, bytes: &[u8]) -> Result<Rows, Malformed> {
    let says = "must be a list of rows, or hold one as `rows`, and nothing else";
    let items = match tree::document(file, bytes)?.is {
        Is::List(items) => items,
        Is::Members(mut members) => match (members.len(), members.pop()) {
            (1, Some((name, Node { is: Is::List(items), .. }))) if name == "rows" => items,
            _ => return Err(Malformed::whole(file, says)),
        },
        Is::Leaf { .. } => return Err(Malformed::whole(file, says)),
    };
    let (mut rows, mut flaws) = (Vec::new(), Vec::new());
    for (n, item) in items.into_iter().enumerate() {
        let name = format!("row {} (line {})", n + 1, item.line);
        let before = flaws.len();
        let mut wrong = |field: String, says: String| {
            flaws.push(Flaw { file: file.into(), row: name.clone(), field, says });
        };
        let Is::Members(members) = item.is else {
            wrong(String::new(), "must hold members such as `id: A-1`".into());
            rows.push(Line { name, cells: BTreeMap::new(), torn: true });
            continue;
        };
        let mut cells = BTreeMap::new();
        let known = columns(members.iter().map(|(heading, _)| heading.as_str()), &mut wrong);
        for ((_, node), code) in members.into_iter().zip(known) {
            let Some(code) = code else { continue };
            match joined(node).and_then(|text| cell(&text)) {
                Ok(text) if text.is_empty() => {}
                Ok(text) => drop(cells.insert(code, text)),
                Err(says) => wrong(code.into(), says),
            }
        }
        rows.push(Line { name, cells, torn: flaws.len() > before });
    }
    done(file, rows, flaws)
}

/// A value, or several in one cell.
fn joined(node: Node) -> Result<String, String> {
    let leaf = |is: Is| match is {
        Is::Leaf { text, plain } if plain && matches!(text.as_str(), "~" | "null") => Ok(String::new()),
        Is::Leaf { text, .. } => Ok(text),
        Is::List(_) | Is::Members(_) => Err("must be text, or a list of texts".to_string()),
    };
    match node.is {
        Is::List(items) => {
            let items: Vec<String> =
                items.into_iter().map(|item| leaf(item.is)).collect::<Result<_, _>>()?;
            Ok(items.join("; "))
        }
        is => leaf(is),
    }
}
