//! OSCAL against documents that were made apart from this code and judged by compliance-trestle.
//!
//! `tests/oscal.py trust/report/tests/data/oscal` judges the expected documents themselves; this
//! test leaves a whole set for it too, where its last line says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{MADE, assessment, data, json};
use jinyun_report::oscal::{Attachment, documents};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// A sample as evidence beside the documents.
fn attachment(name: &str) -> [Attachment; 1] {
    let bytes = std::fs::read(data(name)).unwrap();
    let sha256 = jinyun_journal::to_hex(&Sha256::digest(&bytes));
    let title = "The assessment as the instance gave it".into();
    [Attachment { path: name.into(), title, sha256 }]
}

#[test]
fn documents_are_the_expected_ones() {
    let made: BTreeMap<_, _> =
        documents(&assessment("small.json"), MADE, &attachment("small.json")).into_iter().collect();
    let mut expected = BTreeMap::new();
    for file in std::fs::read_dir(data("oscal")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        expected.insert(name.clone(), json(&format!("oscal/{name}")));
    }
    let names = |m: &BTreeMap<String, serde_json::Value>| m.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&expected));
    for (name, document) in &made {
        let (ours, theirs) = (format!("{document:#}"), format!("{:#}", expected[name]));
        let first = ours.lines().zip(theirs.lines()).position(|(a, b)| a != b);
        let near = |text: &str| {
            text.lines().skip(first.unwrap_or(0).saturating_sub(3)).take(8).collect::<Vec<_>>().join("\n")
        };
        assert!(*document == expected[name], "{name}:\n{}\n--- expected\n{}", near(&ours), near(&theirs));
    }
}

#[test]
fn a_whole_set_is_left_for_the_judge() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let whole = assessment("assessment.json");
    std::fs::create_dir_all(root.join("oscal")).unwrap();
    std::fs::copy(data("assessment.json"), root.join("assessment.json")).unwrap();
    let made = documents(&whole, MADE, &attachment("assessment.json"));
    for (name, document) in &made {
        std::fs::write(root.join("oscal").join(name), format!("{document:#}\n")).unwrap();
    }
    println!("tests/oscal.py {}", root.join("oscal").display());
    // The same again; at another time, other documents about the same things.
    assert_eq!(made, documents(&whole, MADE, &attachment("assessment.json")));
    let later = documents(&whole, MADE + 1, &[]);
    let id = |set: &[(String, serde_json::Value)], file: &str| {
        let body = &set.iter().find(|d| d.0 == file).unwrap().1;
        body.as_object().unwrap().values().next().unwrap()["uuid"].clone()
    };
    assert_eq!(id(&made, "catalog-jrt0167.json"), id(&later, "catalog-jrt0167.json"));
    assert_ne!(id(&made, "assessment-results.json"), id(&later, "assessment-results.json"));
}

#[test]
fn what_was_stated_observed_and_how_fresh_it_was_is_in_the_results() {
    let results = |whole: &jinyun_report::model::Assessment| {
        let made = documents(whole, MADE, &[]);
        let (_, results) = made.into_iter().find(|d| d.0 == "assessment-results.json").unwrap();
        results["assessment-results"]["results"][0].clone()
    };
    let prop = |of: &serde_json::Value, name: &str| {
        let props = of["props"].as_array().into_iter().flatten();
        let found = props.filter(|p| p["name"] == name).map(|p| p["value"].as_str().unwrap().to_string());
        found.collect::<Vec<_>>().join("|")
    };
    let mut whole = assessment("assessment.json");
    let made = results(&whole);
    let observed = |made: &serde_json::Value, title: &str| {
        let all = made["observations"].as_array().unwrap();
        all.iter().find(|o| o["title"] == title).unwrap().clone()
    };
    for (check, from, to) in [
        ("filter-as-recorded", "2026-09-30T23:00:00.000000Z", "2026-09-30T23:58:21.000000Z"),
        ("closed-port", "2026-09-30T22:58:20.000000Z", "2026-09-30T23:58:20.000000Z"),
        ("spoofed-mac", "", ""),
    ] {
        let one = observed(&made, check);
        assert_eq!([prop(&one, "observed-from"), prop(&one, "observed-to")], [from, to], "{check}");
    }
    // A duty that was done by a statement alone has an observation of it.
    let one = observed(&made, "Records for 11.4.4-E-a");
    let said = one["relevant-evidence"][0]["description"].as_str().unwrap();
    assert_eq!(said, "Drills of 2026, by secadmin, for 2026-07-01 to 2026-07-31, entry 640 of the journal: I \
        \\<inspected> both contracts");
    assert!(one["description"].as_str().unwrap().starts_with("0 record(s) and a statement"));
    for (name, value) in [("freshness-as-of", "2026-09-30T23:59:00Z"), ("freshness-median-seconds", "14"),
        ("freshness-worst-seconds", "1200"), ("freshness-worst-clause", "7.4.6-E-a"),
        ("freshness-without-proof", "1"), ("freshness-objective", "not-kept"),
        ("freshness-gap-seconds", "300")] {
        assert_eq!(prop(&made, name), value, "{name}");
    }
    whole.freshness.as_mut().unwrap().objective.attained = true;
    assert_eq!(prop(&results(&whole), "freshness-objective"), "kept");
    whole.freshness = None;
    assert_eq!(prop(&results(&whole), "freshness-objective"), "");
}

#[test]
fn an_assessment_with_nothing_in_it_makes_documents_too() {
    let empty = jinyun_report::model::Assessment::read(
        &serde_json::json!({ "instance": "x", "standards": [{ "id": "s", "clauses": [] }] })).unwrap();
    let names: Vec<String> = documents(&empty, 0, &[]).into_iter().map(|d| d.0).collect();
    assert!(!names.contains(&"plan-of-action-and-milestones.json".to_string()), "nothing is open");
    assert!(names.contains(&"assessment-results.json".to_string()));
}
