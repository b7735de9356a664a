//! The clauses of a standard, as data.
//!
//! A row says which checks answer the clause and what of it none answers yet. It says no state: the
//! state follows from findings, so nobody can write "met" into a file. A malformed row is refused
//! with the whole file: a catalogue that is half read would report less than the standard asks.

use jinyun_base::Fault;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// JR/T 0167-2020.
const JRT0167: &str = include_str!("../standards/jrt0167.json");

/// Which of the standard's three grades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For every finance cloud.
    Basic,
    /// For community clouds.
    Extended,
    /// Looking ahead.
    Enhanced,
}

/// Who has to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The provider of the cloud.
    Provider,
    /// Who uses it.
    User,
    /// Each a part.
    Both,
}

/// What sort of requirement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Software can do it.
    Technical,
    /// People do it again and again.
    Operational,
    /// It has to be written down.
    Documentary,
    /// It is a thing or a place.
    Physical,
}

/// One clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clause {
    /// As in the standard, with the letter of the grade: `7.2.5-B-a`.
    pub id: String,
    /// Grade.
    pub level: Level,
    /// Whose duty.
    pub duty: Side,
    /// Sort.
    pub kind: Sort,
    /// A paraphrase in Chinese.
    pub title_zh: String,
    /// A paraphrase in English.
    pub title_en: String,
    /// What answers it.
    #[serde(default)]
    pub checks: Vec<String>,
    /// What of it nothing answers yet; empty if all is answered.
    #[serde(default)]
    pub missing: String,
}

/// A standard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Its name.
    pub standard: String,
    /// How to read the file.
    pub about: String,
    /// Its clauses, in the standard's order.
    pub clauses: Vec<Clause>,
}

impl Catalogue {
    /// JR/T 0167-2020.
    pub fn jrt0167() -> Result<Catalogue, Fault> {
        Catalogue::read(JRT0167)
    }

    /// Reads a catalogue; refuses one that is not whole.
    pub fn read(text: &str) -> Result<Catalogue, Fault> {
        let bad = |what: String| Fault::new(format!("the catalogue of clauses: {what}"));
        let catalogue: Catalogue =
            serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        let mut ids = BTreeSet::new();
        for clause in &catalogue.clauses {
            let id = &clause.id;
            if id.is_empty() || clause.title_zh.is_empty() || clause.title_en.is_empty() {
                return Err(bad(format!("clause `{id}` lacks its id or a title")));
            }
            if !ids.insert(id.as_str()) {
                return Err(bad(format!("clause {id} stands twice")));
            }
            if clause.checks.is_empty() && !clause.missing.is_empty() {
                return Err(bad(format!("clause {id} misses a part but nothing answers it")));
            }
            let distinct: BTreeSet<&String> = clause.checks.iter().collect();
            if distinct.len() != clause.checks.len() {
                return Err(bad(format!("clause {id} names a check twice")));
            }
        }
        Ok(catalogue)
    }

    /// The names of all checks that some clause names.
    pub fn named(&self) -> BTreeSet<&str> {
        self.clauses.iter().flat_map(|c| &c.checks).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::CHECKS;

    #[test]
    fn the_standard_is_whole_and_fits_the_checks() {
        let catalogue = Catalogue::jrt0167().unwrap();
        assert_eq!(catalogue.clauses.len(), 286);
        let ours: BTreeSet<&str> = CHECKS.iter().map(|c| c.name).collect();
        assert_eq!(ours.len(), CHECKS.len(), "a check's name stands twice");
        assert_eq!(catalogue.named(), ours, "each check answers a clause, each name is a check's");
        let technical = catalogue.clauses.iter().filter(|c| c.kind == Sort::Technical).count();
        assert_eq!(technical, 198);
        for clause in catalogue.clauses.iter().filter(|c| !c.checks.is_empty()) {
            assert_eq!(clause.kind, Sort::Technical, "{}", clause.id);
        }
    }

    #[test]
    fn malformed_rows_are_refused() {
        let row = r#"{"id": "1", "level": "basic", "duty": "both", "kind": "technical",
            "title_zh": "甲", "title_en": "a", "checks": ["x"]}"#;
        let file = |rows: &str| {
            Catalogue::read(&format!(r#"{{"standard": "s", "about": "", "clauses": [{rows}]}}"#))
        };
        assert!(file(row).is_ok());
        for bad in [
            row.replace("basic", "easy"),
            row.replace("\"a\"", "\"\""),
            row.replace("\"x\"", "\"x\", \"x\""),
            row.replace("\"checks\": [\"x\"]", "\"missing\": \"all\""),
            row.replace("\"duty\": \"both\",", ""),
            format!("{row}, {row}"),
        ] {
            assert!(file(&bad).is_err(), "{bad}");
        }
        assert!(Catalogue::read(&JRT0167.replace("\"standard\"", "\"norm\"")).is_err());
    }
}
