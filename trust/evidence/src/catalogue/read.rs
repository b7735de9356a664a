//! Reading a standard's file, row by row and member by member.
//!
//! A derived reader would tell line and column of the first thing that does not fit, in a file of
//! three hundred rows. Somebody who mends the catalogue wants to know file, row and field; so each
//! member is taken out of its row by name, and what is left at the end is not known.

use super::{AREAS, Answer, Catalogue, Clause, Every, OWNERS, Owed, Part, Side, Sort};
use jinyun_base::Fault;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// The longest text of a row, in characters.
const LONGEST: usize = 400;

/// A JSON object that is being read: what is left of its members.
struct Row<'a> {
    file: &'a str,
    name: String,
    under: String,
    left: Map<String, Value>,
}

impl<'a> Row<'a> {
    fn bad(&self, field: &str, what: impl fmt::Display) -> Fault {
        let Row { file, name, under, .. } = self;
        let field = format!("{under}{field}");
        let field = field.trim_end_matches('.');
        Fault::new(format!("{file}.json, {name}, field {field}: {what}"))
    }

    fn read<T: DeserializeOwned>(&self, field: &str, value: Value) -> Result<T, Fault> {
        serde_json::from_value(value).map_err(|e| self.bad(field, e))
    }

    fn has(&self, field: &str) -> bool {
        self.left.contains_key(field)
    }

    fn value<T: DeserializeOwned>(&mut self, field: &str) -> Result<T, Fault> {
        match self.left.remove(field) {
            Some(value) => self.read(field, value),
            None => Err(self.bad(field, "is missing")),
        }
    }

    fn maybe<T: DeserializeOwned + Default>(&mut self, field: &str) -> Result<T, Fault> {
        match self.left.remove(field) {
            Some(value) => self.read(field, value),
            None => Ok(T::default()),
        }
    }

    fn text(&mut self, field: &str) -> Result<String, Fault> {
        let text: String = self.value(field)?;
        match text.chars().count() {
            0 => Err(self.bad(field, "is empty")),
            n if n > LONGEST => Err(self.bad(field, format!("is longer than {LONGEST} characters"))),
            _ if text.trim() != text => Err(self.bad(field, "begins or ends with a blank")),
            _ => Ok(text),
        }
    }

    fn maybe_text(&mut self, field: &str) -> Result<String, Fault> {
        if self.has(field) { self.text(field) } else { Ok(String::new()) }
    }

    /// A text that is one of a list.
    fn one_of<'l>(&mut self, field: &str, mut list: impl Iterator<Item = &'l str>)
        -> Result<String, Fault> {
        let text = self.text(field)?;
        match list.any(|known| known == text) {
            true => Ok(text),
            false => Err(self.bad(field, format!("`{text}` is not one of those that are known"))),
        }
    }

    /// A list of names, none twice.
    fn names(&mut self, field: &str) -> Result<Vec<String>, Fault> {
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

    fn maybe_names(&mut self, field: &str) -> Result<Vec<String>, Fault> {
        if self.has(field) { self.names(field) } else { Ok(Vec::new()) }
    }

    /// A member that is an object.
    fn inner(&mut self, field: &str) -> Result<Row<'a>, Fault> {
        let left = self.value(field)?;
        let under = format!("{}{field}.", self.under);
        Ok(Row { file: self.file, name: self.name.clone(), under, left })
    }

    fn end(self) -> Result<(), Fault> {
        match self.left.keys().next() {
            Some(field) => Err(self.bad(field, "is not known")),
            None => Ok(()),
        }
    }
}

/// The ways of answering.
const WAYS: [&str; 6] = ["checks", "duty", "not_built", "tenant", "same_as", "facts"];

fn owed(mut row: Row<'_>) -> Result<Owed, Fault> {
    let owed = Owed {
        owner: row.one_of("owner", OWNERS.iter().map(|(en, _)| *en))?,
        every: row.value("every")?,
        valid: row.maybe("valid")?,
        on: if row.has("on") { Some(row.text("on")?) } else { None },
        first: row.value("first")?,
        record: row.value("record")?,
        shows_en: row.text("shows_en")?,
        shows_zh: row.text("shows_zh")?,
    };
    if owed.valid.is_some() && owed.every != Every::Once {
        return Err(row.bad("valid", "is for what is done once; this comes back by itself"));
    }
    row.end()?;
    Ok(owed)
}

fn answer(mut row: Row<'_>) -> Result<Answer, Fault> {
    let ways: Vec<&str> = WAYS.into_iter().filter(|way| row.has(way)).collect();
    let [way] = ways[..] else {
        return Err(row.bad("", format!("takes exactly one of {}", WAYS.join(", "))));
    };
    let answer = match way {
        "checks" => Answer::Checks {
            checks: row.names("checks")?,
            missing: row.maybe_text("missing")?,
        },
        "duty" => Answer::Duty { duty: owed(row.inner("duty")?)? },
        "not_built" => Answer::NotBuilt { not_built: row.text("not_built")? },
        "tenant" => Answer::Tenant { tenant: row.text("tenant")?, seen: row.text("seen")? },
        "same_as" => Answer::SameAs { same_as: row.names("same_as")? },
        _ => Answer::Facts { facts: row.text("facts")? },
    };
    row.end()?;
    Ok(answer)
}

fn part(mut row: Row<'_>) -> Result<Part, Fault> {
    let part = Part {
        does: row.text("does")?,
        seen: row.text("seen")?,
        checks: row.maybe_names("checks")?,
    };
    row.end()?;
    Ok(part)
}

fn clause(mut row: Row<'_>) -> Result<Clause, Fault> {
    let id = row.text("id")?;
    row.name = format!("row {id}");
    let clause = Clause {
        id,
        part: row.maybe_text("part")?,
        level: row.value("level")?,
        duty: row.value("duty")?,
        kind: row.value("kind")?,
        area: row.one_of("area", AREAS.iter().map(|(code, ..)| *code))?,
        title_zh: row.text("title_zh")?,
        title_en: row.text("title_en")?,
        platform: row.text("platform")?,
        evidence: row.text("evidence")?,
        modal: row.maybe("modal")?,
        items: row.maybe("items")?,
        supplement: row.maybe("supplement")?,
        see: row.maybe_names("see")?,
        answer: answer(row.inner("answer")?)?,
        tenant: if row.has("tenant") { Some(part(row.inner("tenant")?)?) } else { None },
        note: row.maybe_text("note")?,
    };
    fits(&row, &clause)?;
    row.end()?;
    Ok(clause)
}

/// Whether the way of answering fits the sort of clause and whose duty it is.
fn fits(row: &Row<'_>, clause: &Clause) -> Result<(), Fault> {
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
        _ if clause.see.contains(&clause.id) => Err(row.bad("see", "points at its own row")),
        _ => Ok(()),
    }
}

impl Catalogue {
    /// Reads a standard's file; refuses one that is not whole.
    pub fn read(key: &str, text: &str) -> Result<Catalogue, Fault> {
        let left: Map<String, Value> =
            serde_json::from_str(text).map_err(|e| Fault::new(format!("{key}.json: {e}")))?;
        let mut file = Row { file: key, name: "top".into(), under: String::new(), left };
        let rows: Vec<Map<String, Value>> = file.value("clauses")?;
        let clauses: Result<Vec<Clause>, Fault> = rows.into_iter().enumerate().map(|(n, left)| {
            clause(Row { file: key, name: format!("row {}", n + 1), under: String::new(), left })
        }).collect();
        let catalogue = Catalogue {
            key: key.into(),
            standard: file.text("standard")?,
            title_zh: file.text("title_zh")?,
            title_en: file.text("title_en")?,
            about: file.text("about")?,
            clauses: clauses?,
        };
        file.end()?;
        Ok(catalogue)
    }
}
