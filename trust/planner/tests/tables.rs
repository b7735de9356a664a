//! The tables themselves: every row can be read, every clause exists, the published API says the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_planner::clauses::CLAUSES;
use jinyun_planner::fields::{DERIVED, Field, INSTITUTION, Kind, SYSTEM};
use jinyun_planner::rules::{ASPECTS, LAYERS};
use jinyun_planner::{routes, tables};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap().to_path_buf()
}

fn all_fields() -> impl Iterator<Item = &'static Field> {
    SYSTEM.iter().chain(INSTITUTION).chain(DERIVED)
}

/// What only the planner itself says, and how.
const SAID: &[(&str, &[&str])] = &[
    ("models", &["public", "community", "private", "hybrid", "stay"]),
    ("platform_fits", &["yes", "no"]),
    ("links", &["some", "none"]),
    ("crossing", &["yes", "no"]),
    ("shared_apart", &["yes", "no"]),
    ("needed", &["yes", "no", "unknown"]),
    ("wave", &["1", "2", "3", "4", "none"]),
    ("business_below", &["yes"]),
    ("level_below", &["yes"]),
];

#[test]
fn conditions_name_fields_and_words_that_exist() {
    for (table, rules) in tables() {
        for rule in rules {
            for (name, words) in rule.when {
                let said = SAID.iter().find(|(said, _)| said == name).map(|(_, words)| words.to_vec());
                let known = said.unwrap_or_else(|| {
                    let field = all_fields().find(|field| field.code == *name);
                    let field = field.unwrap_or_else(|| panic!("{table} asks for `{name}`"));
                    field.labels().iter().map(|label| label.code).collect()
                });
                for word in *words {
                    assert!(known.contains(word), "{table}: `{name}` is never `{word}`");
                }
            }
        }
    }
}

#[test]
fn outcomes_are_words_of_their_list() {
    for (table, rules) in tables() {
        let list = match table {
            "turn" => vec!["1", "2", "3", "4"],
            "guards" => vec!["basic", "extended", "enhanced"],
            "doubts" => SYSTEM.iter().map(|field| field.code).collect(),
            name => {
                let field = all_fields().find(|field| field.code == name);
                field.map(|f| f.labels().iter().map(|l| l.code).collect()).unwrap_or_default()
            }
        };
        for rule in rules {
            match list.is_empty() {
                true => assert!(rule.then.is_empty(), "{table} only remarks"),
                false => assert!(list.contains(&rule.then), "{table}: {}", rule.then),
            }
            assert!(!rule.zh.is_empty() && !rule.en.is_empty(), "{table}: a row without words");
            assert!(!rule.cites.is_empty(), "{table}: `{}` cites nothing", rule.en);
        }
    }
}

/// Every clause that something cites.
fn cited() -> BTreeSet<&'static str> {
    let mut ids: BTreeSet<&'static str> = BTreeSet::new();
    tables().iter().flat_map(|(_, rules)| *rules).for_each(|rule| ids.extend(rule.cites));
    all_fields().for_each(|field| ids.extend(field.cites));
    LAYERS.iter().for_each(|layer| ids.extend(layer.cites));
    ids.extend(ASPECTS.iter().map(|aspect| aspect.clause));
    ids
}

#[test]
fn each_cited_clause_has_a_title_and_each_title_is_cited() {
    let titled: BTreeSet<&str> = CLAUSES.iter().map(|clause| clause.id).collect();
    assert_eq!(titled.len(), CLAUSES.len(), "a clause stands twice");
    let without: Vec<_> = cited().difference(&titled).copied().collect();
    assert!(without.is_empty(), "{without:?}");
    // Some are cited by sentences that are put together from names.
    let sources: String = ["make.rs", "rules/grade.rs"].iter()
        .map(|file| std::fs::read_to_string(root().join("trust/planner/src").join(file)).unwrap()).collect();
    let idle: Vec<_> = titled.difference(&cited()).copied()
        .filter(|id| !sources.contains(&format!("\"{id}\""))).collect();
    assert!(idle.is_empty(), "cited by nothing: {idle:?}");
}

/// A level is the matrix of another standard; what 12-E-a and 5.2-0-4 ask is asked of the platform.
#[test]
fn what_is_asked_of_a_platform_grades_no_system() {
    let rules = tables();
    let (_, level) = rules.iter().find(|(name, _)| *name == "level").unwrap();
    for rule in *level {
        assert_eq!(rule.cites, ["5.2-0-3"]);
        assert!(rule.zh.contains("GB/T 22240") && rule.en.contains("GB/T 22240"));
    }
}

/// All values of members called `id`, wherever they are.
fn ids(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| ids(item, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(id) if name == "id" => {
                        found.insert(id.clone());
                    }
                    _ => ids(value, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn each_clause_is_in_a_catalogue() {
    let mut known = BTreeSet::new();
    let dir = root().join("trust/evidence/standards");
    for entry in std::fs::read_dir(&dir).unwrap().flatten() {
        if entry.path().extension().is_some_and(|e| e == "json") {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            ids(&serde_json::from_str(&text).unwrap(), &mut known);
        }
    }
    let strange: Vec<_> =
        CLAUSES.iter().map(|clause| clause.id).filter(|id| !known.contains(*id)).collect();
    assert!(strange.is_empty(), "in no file of {}: {strange:?}", dir.display());
}

#[test]
fn the_published_api_says_what_is_taken() {
    let path = root().join("docs/api/planner.json");
    let api: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for route in routes() {
        let method = route.method.to_ascii_lowercase();
        assert!(api["paths"][&route.path][&method].is_object(), "{method} {}", route.path);
    }
    assert_eq!(api["paths"].as_object().unwrap().len(), routes().len());
    assert_eq!(api["servers"][0]["url"], "/planner");
    for (schema, fields) in [("System", SYSTEM), ("Institution", INSTITUTION)] {
        let members = api["components"]["schemas"][schema]["properties"].as_object().unwrap();
        let there: BTreeSet<&str> = members.keys().map(String::as_str).collect();
        let ours: BTreeSet<&str> = fields.iter().map(|field| field.code).collect();
        assert_eq!(there, ours, "{schema}");
        for field in fields {
            let member = &members[field.code];
            let words = match field.kind {
                Kind::Word(_) => &member["enum"],
                Kind::Words(_) => &member["items"]["enum"],
                Kind::Id | Kind::Ids | Kind::Text | Kind::Texts | Kind::Time => continue,
            };
            let mut want: Vec<Value> = field.labels().iter().map(|l| l.code.into()).collect();
            if matches!(field.kind, Kind::Word(_)) {
                want.push("unknown".into());
            }
            assert_eq!(*words, Value::Array(want), "{schema}.{}", field.code);
        }
    }
}
