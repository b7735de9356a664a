//! Reading a standard's file, row by row and member by member.
//!
//! A derived reader would tell line and column of the first thing that does not fit, in a file of
//! three hundred rows. Somebody who mends the catalogue wants to know file, row and field, and of all
//! that is wrong at once; so each member is taken out of its row by name, what does not fit is
//! collected, and what is left at the end is not known.

use super::{AREAS, Answer, Catalogue, Clause, OWNERS, Owed, Part, Side, Sort};
use jinyun_base::{Every, Fault, Period};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// The longest text of a row, in characters.
pub(super) const LONGEST: usize = 400;

/// The most bytes of a file that somebody brings.
pub const BYTES: usize = 2 << 20;

/// So many flaws are told.
pub const FLAWS: usize = 50;

/// Something in a file that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The file.
    pub file: String,
    /// The row, as people find it; empty if it is the file as a whole.
    pub row: String,
    /// The field or the column; empty if it is the row as a whole.
    pub field: String,
    /// What is wrong, and what to do.
    pub says: String,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if !self.row.is_empty() {
            write!(f, ", {}", self.row)?;
        }
        if !self.field.is_empty() {
            write!(f, ", field {}", self.field)?;
        }
        write!(f, ": {}", self.says)
    }
}

/// Why a file was not taken. There is at least one flaw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong, at most [`FLAWS`] of them.
    pub flaws: Vec<Flaw>,
    /// How many more there are.
    pub more: usize,
}

impl Malformed {
    pub(super) fn of(mut flaws: Vec<Flaw>) -> Malformed {
        let more = flaws.len().saturating_sub(FLAWS);
        flaws.truncate(FLAWS);
        Malformed { flaws, more }
    }

    /// A flaw of the whole file.
    pub(super) fn whole(file: &str, says: impl Into<String>) -> Malformed {
        let (file, says) = (file.into(), says.into());
        let flaw = Flaw { file, row: String::new(), field: String::new(), says };
        Malformed { flaws: vec![flaw], more: 0 }
    }

    /// The first of them as an error.
    pub fn first(&self) -> Fault {
        Fault::new(self.flaws.first().map_or_else(|| "cannot be read".into(), Flaw::to_string))
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.flaws.iter().map(Flaw::to_string).collect();
        f.write_str(&lines.join("\n"))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

/// Keeps what could be read, and what could not.
fn keep<T>(flaws: &mut Vec<Flaw>, came: Result<T, Flaw>) -> Option<T> {
    match came {
        Ok(value) => Some(value),
        Err(flaw) => {
            flaws.push(flaw);
            None
        }
    }
}

/// A JSON object that is being read: what is left of its members.
struct Row<'a> {
    file: &'a str,
    name: String,
    under: String,
    left: Map<String, Value>,
}

impl<'a> Row<'a> {
    fn bad(&self, field: &str, what: impl fmt::Display) -> Flaw {
        let Row { file, name, under, .. } = self;
        let field = format!("{under}{field}");
        let field = field.trim_end_matches('.').to_string();
        Flaw { file: (*file).into(), row: name.clone(), field, says: what.to_string() }
    }

    fn read<T: DeserializeOwned>(&self, field: &str, value: Value) -> Result<T, Flaw> {
        serde_json::from_value(value).map_err(|e| self.bad(field, e))
    }

    fn has(&self, field: &str) -> bool {
        self.left.contains_key(field)
    }

    fn value<T: DeserializeOwned>(&mut self, field: &str) -> Result<T, Flaw> {
        match self.left.remove(field) {
            Some(value) => self.read(field, value),
            None => Err(self.bad(field, "is missing")),
        }
    }

    fn maybe<T: DeserializeOwned + Default>(&mut self, field: &str) -> Result<T, Flaw> {
        match self.left.remove(field) {
            Some(value) => self.read(field, value),
            None => Ok(T::default()),
        }
    }

    fn text(&mut self, field: &str) -> Result<String, Flaw> {
        let text: String = self.value(field)?;
        match text.chars().count() {
            0 => Err(self.bad(field, "is empty")),
            n if n > LONGEST => Err(self.bad(field, format!("is longer than {LONGEST} characters"))),
            _ if text.trim() != text => Err(self.bad(field, "begins or ends with a blank")),
            _ => Ok(text),
        }
    }

    fn maybe_text(&mut self, field: &str) -> Result<String, Flaw> {
        if self.has(field) { self.text(field) } else { Ok(String::new()) }
    }

    /// A text, and the same in Chinese if that is there.
    fn both(&mut self, field: &str) -> Result<(String, String), Flaw> {
        // Whatever is wrong with the first, the second is known.
        let zh = self.maybe_text(&format!("{field}_zh"));
        Ok((self.text(field)?, zh?))
    }

    /// The same of a text that may be missing: then there is nothing to say in Chinese.
    fn maybe_both(&mut self, field: &str) -> Result<(String, String), Flaw> {
        let name = format!("{field}_zh");
        let (zh, text) = (self.maybe_text(&name), self.maybe_text(field)?);
        match zh? {
            zh if text.is_empty() && !zh.is_empty() => {
                Err(self.bad(&name, format!("stands without `{field}`")))
            }
            zh => Ok((text, zh)),
        }
    }

    /// A text that is one of a list.
    fn one_of<'l>(&mut self, field: &str, mut list: impl Iterator<Item = &'l str>)
        -> Result<String, Flaw> {
        let text = self.text(field)?;
        match list.any(|known| known == text) {
            true => Ok(text),
            false => Err(self.bad(field, format!("`{text}` is not one of those that are known"))),
        }
    }

    /// A list of names, none twice.
    fn names(&mut self, field: &str) -> Result<Vec<String>, Flaw> {
        let names: Vec<String> = self.value(field)?;
        let distinct = names.iter().collect::<BTreeSet<_>>().len();
        if names.is_empty() || names.iter().any(String::is_empty) {
            return Err(self.bad(field, "is empty"));
        }
        if distinct != names.len() {
            return Err(self.bad(field, "names something twice"));
        }
        Ok(names)
    }

    fn maybe_names(&mut self, field: &str) -> Result<Vec<String>, Flaw> {
        if self.has(field) { self.names(field) } else { Ok(Vec::new()) }
    }

    /// A member that is an object.
    fn inner(&mut self, field: &str) -> Result<Row<'a>, Flaw> {
        let left = self.value(field)?;
        let under = format!("{}{field}.", self.under);
        Ok(Row { file: self.file, name: self.name.clone(), under, left })
    }

    /// What is left is not known.
    fn end(self, flaws: &mut Vec<Flaw>) {
        flaws.extend(self.left.keys().map(|field| self.bad(field, "is not known")));
    }
}

/// The ways of answering.
const WAYS: [&str; 6] = ["checks", "duty", "not_built", "tenant", "same_as", "facts"];

fn owed(mut row: Row<'_>, flaws: &mut Vec<Flaw>) -> Option<Owed> {
    let owner = keep(flaws, row.one_of("owner", OWNERS.iter().map(|(en, _)| *en)));
    let every: Option<Every> = keep(flaws, row.value("every"));
    let valid: Option<Option<Period>> = keep(flaws, row.maybe("valid"));
    let on = if row.has("on") { keep(flaws, row.text("on")).map(Some) } else { Some(None) };
    let first = keep(flaws, row.value("first"));
    let record = keep(flaws, row.value("record"));
    let shows_en = keep(flaws, row.text("shows_en"));
    let shows_zh = keep(flaws, row.text("shows_zh"));
    let needs = keep(flaws, row.maybe_names("needs"));
    if matches!((every, &valid), (Some(every), Some(Some(_))) if every != Every::Once) {
        flaws.push(row.bad("valid", "is for what is done once; this comes back by itself"));
    }
    row.end(flaws);
    Some(Owed {
        owner: owner?,
        every: every?,
        valid: valid?,
        on: on?,
        first: first?,
        record: record?,
        shows_en: shows_en?,
        shows_zh: shows_zh?,
        needs: needs?,
    })
}

fn answer(mut row: Row<'_>, flaws: &mut Vec<Flaw>) -> Option<Answer> {
    let ways: Vec<&str> = WAYS.into_iter().filter(|way| row.has(way)).collect();
    let [way] = ways[..] else {
        flaws.push(row.bad("", format!("takes exactly one of {}", WAYS.join(", "))));
        return None;
    };
    let answer = match way {
        "checks" => {
            let checks = keep(flaws, row.names("checks"));
            let missing = keep(flaws, row.maybe_both("missing"));
            checks.zip(missing)
                .map(|(checks, (missing, missing_zh))| Answer::Checks { checks, missing, missing_zh })
        }
        "duty" => {
            let inner = keep(flaws, row.inner("duty"));
            inner.and_then(|inner| owed(inner, flaws)).map(|duty| Answer::Duty { duty })
        }
        "not_built" => {
            keep(flaws, row.both("not_built"))
                .map(|(not_built, not_built_zh)| Answer::NotBuilt { not_built, not_built_zh })
        }
        "tenant" => {
            let (tenant, seen) = (keep(flaws, row.both("tenant")), keep(flaws, row.both("seen")));
            tenant.zip(seen).map(|((tenant, tenant_zh), (seen, seen_zh))| {
                Answer::Tenant { tenant, tenant_zh, seen, seen_zh }
            })
        }
        "same_as" => keep(flaws, row.names("same_as")).map(|same_as| Answer::SameAs { same_as }),
        _ => keep(flaws, row.both("facts")).map(|(facts, facts_zh)| Answer::Facts { facts, facts_zh }),
    };
    row.end(flaws);
    answer
}

fn part(mut row: Row<'_>, flaws: &mut Vec<Flaw>) -> Option<Part> {
    let does = keep(flaws, row.both("does"));
    let seen = keep(flaws, row.both("seen"));
    let checks = keep(flaws, row.maybe_names("checks"));
    row.end(flaws);
    let ((does, does_zh), (seen, seen_zh)) = (does?, seen?);
    Some(Part { does, does_zh, seen, seen_zh, checks: checks? })
}

/// How a row is answered. One that does not apply says why, and that is all.
fn answered(row: &mut Row<'_>, reason: &str, flaws: &mut Vec<Flaw>) -> Option<Answer> {
    if reason.is_empty() {
        let inner = keep(flaws, row.inner("answer"))?;
        return answer(inner, flaws);
    }
    if row.left.remove("answer").is_some() {
        flaws.push(row.bad("not_applicable", "stands beside an answer: keep one of the two"));
    }
    Some(Answer::Facts { facts: reason.into(), facts_zh: String::new() })
}

fn clause(mut row: Row<'_>, flaws: &mut Vec<Flaw>) -> Option<Clause> {
    let id = keep(flaws, row.text("id"));
    if let Some(id) = &id {
        row.name = format!("row {id}");
    }
    let part_of = keep(flaws, row.maybe_text("part"));
    let level = keep(flaws, row.value("level"));
    let duty = keep(flaws, row.value("duty"));
    let kind = keep(flaws, row.value("kind"));
    let area = keep(flaws, row.one_of("area", AREAS.iter().map(|(code, ..)| *code)));
    let title_zh = keep(flaws, row.text("title_zh"));
    let title_en = keep(flaws, row.text("title_en"));
    let platform = keep(flaws, row.both("platform"));
    let evidence = keep(flaws, row.both("evidence"));
    let modal = keep(flaws, row.maybe("modal"));
    let items = keep(flaws, row.maybe("items"));
    let supplement = keep(flaws, row.maybe("supplement"));
    let see = keep(flaws, row.maybe_names("see"));
    let open = keep(flaws, row.maybe_both("open"));
    let not_applicable = keep(flaws, row.maybe_text("not_applicable"));
    let answer = answered(&mut row, not_applicable.as_deref().unwrap_or_default(), flaws);
    let tenant = match row.has("tenant") {
        true => {
            let inner = keep(flaws, row.inner("tenant"));
            inner.and_then(|inner| part(inner, flaws)).map(Some)
        }
        false => Some(None),
    };
    let note = keep(flaws, row.maybe_both("note"));
    let made = (|| {
        let ((platform, platform_zh), (evidence, evidence_zh)) = (platform?, evidence?);
        let ((open, open_zh), (note, note_zh)) = (open?, note?);
        Some(Clause {
            id: id?,
            part: part_of?,
            level: level?,
            duty: duty?,
            kind: kind?,
            area: area?,
            title_zh: title_zh?,
            title_en: title_en?,
            platform,
            platform_zh,
            evidence,
            evidence_zh,
            modal: modal?,
            items: items?,
            supplement: supplement?,
            see: see?,
            open,
            open_zh,
            not_applicable: not_applicable?,
            answer: answer?,
            tenant: tenant?,
            note,
            note_zh,
        })
    })();
    if let Some(Err(flaw)) = made.as_ref().map(|made| fits(&row, made)) {
        flaws.push(flaw);
    }
    row.end(flaws);
    made
}

/// Whether the way of answering fits the sort of clause and whose duty it is.
fn fits(row: &Row<'_>, clause: &Clause) -> Result<(), Flaw> {
    use Answer as A;
    let technical = clause.kind == Sort::Technical;
    match &clause.answer {
        A::Checks { .. } | A::NotBuilt { .. } if !technical => {
            Err(row.bad("answer", "checks and not_built are for technical clauses"))
        }
        A::Duty { .. } if technical => {
            Err(row.bad("answer", "a technical clause is not answered by a duty"))
        }
        A::Tenant { .. } if clause.duty != Side::User => {
            Err(row.bad("answer", "tenant is for the user's duties; a shared one has a `tenant` beside it"))
        }
        A::Checks { .. } | A::NotBuilt { .. } | A::Duty { .. } if clause.duty == Side::User => {
            Err(row.bad("answer", "the user's duties are answered by tenant, same_as or facts"))
        }
        A::Checks { .. } | A::NotBuilt { .. } | A::Duty { .. }
            if clause.duty == Side::Both && clause.tenant.is_none() =>
        {
            Err(row.bad("tenant", "is missing: both sides have a part in it"))
        }
        _ if clause.duty != Side::Both && clause.tenant.is_some() => {
            Err(row.bad("tenant", "is for clauses that both sides share"))
        }
        A::Checks { .. } | A::NotBuilt { .. } | A::Tenant { .. } | A::Facts { .. }
            if !clause.open.is_empty() =>
        {
            Err(row.bad("open", "is for rows that others answer (same_as) or records (duty): what those \
                leave open"))
        }
        _ if clause.see.contains(&clause.id) => Err(row.bad("see", "points at its own row")),
        _ => Ok(()),
    }
}

impl Catalogue {
    /// Reads a standard's file that is shipped; refuses one that is not whole.
    pub fn read(key: &str, text: &str) -> Result<Catalogue, Fault> {
        let file = format!("{key}.json");
        let left: Map<String, Value> =
            serde_json::from_str(text).map_err(|e| Fault::new(format!("{file}: {e}")))?;
        Catalogue::take(&file, Some(key), left).map_err(|malformed| malformed.first())
    }

    /// Takes a standard from a file's members. One that is not shipped says its key itself.
    pub(super) fn take(name: &str, key: Option<&str>, left: Map<String, Value>)
        -> Result<Catalogue, Malformed> {
        let mut flaws = Vec::new();
        let mut file = Row { file: name, name: "top".into(), under: String::new(), left };
        let rows: Option<Vec<Value>> = keep(&mut flaws, file.value("clauses"));
        let mut clauses = Vec::new();
        for (n, left) in rows.iter().flatten().enumerate() {
            let row = format!("row {}", n + 1);
            let under = String::new();
            match left.as_object().cloned() {
                Some(left) => {
                    clauses.extend(clause(Row { file: name, name: row, under, left }, &mut flaws));
                }
                None => {
                    let says = "must hold members such as `id`".into();
                    flaws.push(Flaw { file: name.into(), row, field: under, says });
                }
            }
        }
        let key = match key {
            Some(key) => Some(key.to_string()),
            None => keep(&mut flaws, file.text("key")),
        };
        let standard = keep(&mut flaws, file.text("standard"));
        let title_zh = keep(&mut flaws, file.text("title_zh"));
        let title_en = keep(&mut flaws, file.text("title_en"));
        let about = keep(&mut flaws, file.text("about"));
        let version = keep(&mut flaws, file.maybe_text("version"));
        file.end(&mut flaws);
        let made = (|| Some(Catalogue {
            file: name.into(),
            key: key?,
            standard: standard?,
            title_zh: title_zh?,
            title_en: title_en?,
            about: about?,
            version: version?,
            clauses,
        }))();
        match made.filter(|_| flaws.is_empty()) {
            Some(made) => Ok(made),
            None => Err(Malformed::of(flaws)),
        }
    }
}
