//! Assessments that somebody with the keys put into a pack and signed: what the journal says otherwise is
//! named, and what could not be compared is not called good.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{
    ASSESSED, Desk, EARLY, ENTRIES, Parts, REFUSED, bend, desk, document, judge, lines, report,
};
use jinyun_verify::pack::{ASSESSMENT, EXPORT, document_digest};
use serde_json::{Value, json};

/// What the program says of a pack with this as its assessment, signed with the instance's own keys.
fn judged(desk: &Desk, assessment: &[u8], more: &[&str]) -> (i32, String) {
    let mut parts = Parts::new(desk);
    parts.files.insert(ASSESSMENT.into(), assessment.to_vec());
    let words: Vec<&str> = ["pack", "file", "--keys", "keys"].iter().chain(more).copied().collect();
    desk.run(&words, &parts.pack(desk))
}

fn prepared(name: &str) -> Desk {
    let desk = desk(name);
    desk.put("keys", &lines(&[&desk.own]));
    desk
}

const SAME: &str = "assessment.json: is the assessment of entry 2 of the journal: 2 verdict(s), 6 state(s) and 3 \
    count(s) are the same; the digest of the rest is the same";
const OTHER: &str = "assessment.json: is not the assessment of entry 2 of the journal\n";
const DIGEST: &str = "assessment: assessment.json: it has not the digest that entry 2 of the journal has of it";
const NOT: &str = "assessment.json: was not compared with the journal: ";

#[test]
fn what_was_changed_and_signed_again_is_named() {
    let desk = prepared("changed");
    let cases: [(&str, fn(&mut Value), i32, &[&str], &[&str]); 26] = [
        ("as it was", |_| {}, 0, &[SAME, "is not the newest: entry 4 of the journal is a later assessment"],
            &["NOT", "assessment: "]),
        // What comes after the entry, or with the period that is asked for, is in no digest. That is said.
        ("what is in no digest", |of| {
            of["period"]["from"] = json!(11);
            of["journal"] = json!({ "from": 3 });
            of["violations"] = json!([]);
            of.as_object_mut().unwrap().remove("gaps");
        }, 0, &[SAME, "the begin of its period, times in violation, gaps, and what it says of the journal are \
            in no digest"], &["NOT"]),
        ("a verdict", |of| of["findings"][1]["verdict"] = "met".into(), 1,
            &["  assessment: assessment.json: the check closed-port is \"met\" in it and \"failed\" in entry 2 of \
                the journal\n", OTHER, "bytes: NOT verified", "journal: 6 entries verified"],
            &[SAME, "tls-only", "clause", "digest", "files: all"]),
        ("a verdict of no known word", |of| of["findings"][0]["verdict"] = json!(["met"]), 1,
            &["the check tls-only is \"\" in it and \"met\" in entry 2"], &["closed-port"]),
        ("a check gone", |of| drop(of["findings"].as_array_mut().unwrap().remove(1)), 1,
            &["the check closed-port, \"failed\" in entry 2 of the journal, is not in it"], &["tls-only"]),
        ("a check more", |of| {
            of["findings"].as_array_mut().unwrap().push(json!({ "check": "all\u{1b}", "verdict": "met" }));
        }, 1, &["the check all\\u{1b}, \"met\" in it, is not in entry 2 of the journal"], &["tls-only"]),
        ("a check twice", |of| {
            let one = of["findings"][1].clone();
            of["findings"].as_array_mut().unwrap().push(one);
        }, 1, &["the check closed-port stands in it twice"], &["tls-only"]),
        ("a state", |of| of["standards"][0]["clauses"][1]["state"] = "met".into(), 1,
            &["the clause 7.1-B-b is \"met\" in it and \"failed\" in entry 2 of the journal",
                "0 clause(s) of JR/T 0167-2020 are \"failed\" in it and 1 in entry 2 of the journal",
                "3 clause(s) of JR/T 0167-2020 are \"met\" in it and 2 in entry 2"], &["7.1-B-a", "check "]),
        ("a tenant's half", |of| of["standards"][0]["clauses"][0]["tenant_state"] = "met".into(), 1,
            &["the clause 7.1-B-a/tenant is \"met\" in it and \"failed\" in entry 2"], &["7.1-B-b", "clause(s)"]),
        ("a half gone", |of| of["standards"][0]["clauses"][0]["tenant_state"] = Value::Null, 1,
            &["the clause 7.1-B-a/tenant, \"failed\" in entry 2 of the journal, is not in it"], &["7.1-B-b"]),
        ("a state of another standard", |of| of["standards"][1]["clauses"][0]["state"] = "met".into(), 1,
            &["the clause 1 is \"met\" in it and \"not_built\" in entry 2"], &["clause(s)"]),
        ("a clause twice", |of| {
            let one = of["standards"][0]["clauses"][1].clone();
            of["standards"][1]["clauses"].as_array_mut().unwrap().push(one);
        }, 1, &["the clause 7.1-B-b stands in it twice"], &["7.1-B-a"]),
        // The states are as they were, and one more is not counted.
        ("a count", |of| of["standards"][0]["clauses"][1]["supplement"] = json!(true), 1,
            &["0 clause(s) of JR/T 0167-2020 are \"failed\" in it and 1 in entry 2"], &["7.1-B", "\"met\""]),
        ("the standard's name", |of| of["standards"][0]["name"] = "JR/T".into(), 1,
            &["0 clause(s) of JR/T 0167-2020 are \"met\" in it and 2"], &["7.1-B"]),
        ("the standards gone", |of| of["standards"] = json!([]), 1,
            &["the clause 7.1-B-b, \"failed\" in entry 2 of the journal, is not in it"], &["check "]),
        ("a sentence", |of| of["findings"][1]["says"] = "none of eight answered".into(), 1, &[DIGEST, OTHER],
            &["check ", "clause"]),
        ("a number", |of| of["findings"][0]["population"] = json!(300), 1, &[DIGEST], &["check "]),
        ("a fraction", |of| of["findings"][0]["population"] = json!(0.5), 1, &[DIGEST], &["check "]),
        ("a record", |of| of["duties"][0]["records"] = json!([{ "name": "x" }]), 1, &[DIGEST], &["check "]),
        ("a member more", |of| of["risks"] = json!([]), 1, &[DIGEST], &["check "]),
        ("when it ended", |of| of["period"]["to"] = json!(5), 1,
            &["it ended at 5 by itself and at 1700000000000000 by entry 2 of the journal"], &["check "]),
        ("no end", |of| drop(of.as_object_mut().unwrap().remove("period")), 1,
            &["it does not say when it ended"], &["check "]),
        ("the report's digest", |of| of["sha256"] = "cd".into(), 1, &["it names the report cd, entry 2 of the \
            journal the report abab"], &["check "]),
        // Another face in front of the true one: reports show the inner one.
        ("an envelope", |of| {
            let mut inner = of.clone();
            inner["findings"][1]["verdict"] = "met".into();
            of["assessment"] = inner;
        }, 1, &["the check closed-port is \"met\" in it and \"failed\" in entry 2"], &[SAME]),
        ("a report inside", |of| {
            let mut inner = of.clone();
            inner["findings"][1]["verdict"] = "met".into();
            of["report"] = inner;
        }, 1, &["the check closed-port is \"met\" in it and \"failed\" in entry 2"], &[SAME]),
        ("hundreds of checks", |of| {
            let more = (0..500).map(|n| json!({ "check": format!("c{n}"), "verdict": "met" }));
            of["findings"].as_array_mut().unwrap().extend(more);
        }, 1, &["the check c1, \"met\" in it", "450 more differences are not listed"], &["the check c99,"]),
    ];
    for (what, change, code, says, not) in cases {
        let mut of = document();
        change(&mut of);
        judge(what, &judged(&desk, of.to_string().as_bytes(), &[]), code, says, not);
    }
    judge("no JSON", &judged(&desk, b"{", &[]), 1,
        &["assessment: assessment.json: is not JSON", "it cannot be read"], &["is the assessment"]);
}

#[test]
fn an_entry_that_is_of_no_assessment_or_not_there_is_told() {
    let desk = prepared("entry");
    let none = "which is of no assessment: ";
    let cases: [(&str, Value, i32, &[&str]); 8] = [
        ("another action's", json!(1), 1,
            &["it names entry 1 of the journal, ", none, "network:port:create, done"]),
        ("a refused one's", json!(REFUSED), 1,
            &["it names entry 3 of the journal, ", none, "evidence:assessment:create, refused"]),
        // One that somebody made at another time: it has not this one's digest.
        ("another assessment's", json!(EARLY), 1, &["it names the report abab", "entry 4 of the journal the report"]),
        ("behind the end", json!(ENTRIES), 0,
            &[NOT, "its entry 6 lies behind the export, which ends with entry 5"]),
        ("far behind", json!(u64::MAX), 0, &[NOT, "lies behind the export"]),
        ("none", Value::Null, 0, &[NOT, "it names no entry of it"]),
        ("a word", json!("2"), 0, &[NOT, "it names no entry of it"]),
        ("less than none", json!(-2), 0, &[NOT, "it names no entry of it"]),
    ];
    for (what, entry, code, says) in cases {
        let mut of = document();
        of["entry"] = entry;
        judge(what, &judged(&desk, of.to_string().as_bytes(), &[]), code, says, &[SAME, "are the same"]);
    }
    let mut of = document();
    of["instance"] = "else".into();
    judge("another instance's", &judged(&desk, of.to_string().as_bytes(), &[]), 0,
        &[NOT, "it is of another instance, \"else\""], &["are the same"]);
    for odd in ["5", "[]", "null", "{\"findings\": 5, \"standards\": [5]}"] {
        judge(odd, &judged(&desk, odd.as_bytes(), &[]), 0, &[NOT, "it names no entry"], &["are the same"]);
    }
    // The journal of a later period, one that does not hold, and none.
    let mut parts = Parts::new(&desk);
    parts.files.insert(EXPORT.into(), desk.export(4, &desk.notes(ENTRIES)));
    let said = desk.run(&["pack", "file", "--keys", "keys"], &parts.pack(&desk));
    judge("a later export", &said, 0,
        &[NOT, "its entry 2 lies before the export, which begins at entry 4"], &["are the same"]);
    let mut notes = desk.notes(ENTRIES);
    bend(&mut notes[0].signatures[0]);
    parts.files.insert(EXPORT.into(), desk.export(0, &notes));
    let said = desk.run(&["pack", "file", "--keys", "keys"], &parts.pack(&desk));
    judge("a bad export", &said, 1, &[NOT, "what the pack has of it does not hold"], &["are the same"]);
    parts.files.remove(EXPORT);
    let said = desk.run(&["pack", "file", "--keys", "keys"], &parts.pack(&desk));
    judge("no export", &said, 1, &[NOT, "the pack has no export of that"], &["are the same"]);
    // No assessment, and one that was damaged after it was signed.
    let mut parts = Parts::new(&desk);
    parts.after = |files| files.get_mut(ASSESSMENT).unwrap()[0] ^= 1;
    let said = desk.run(&["pack", "file", "--keys", "keys"], &parts.pack(&desk));
    judge("damaged", &said, 1, &[NOT, "it is not as the manifest has it", "was changed"], &["are the same"]);
    parts.after = |_| {};
    parts.files.remove(ASSESSMENT);
    let said = desk.run(&["pack", "file", "--keys", "keys"], &parts.pack(&desk));
    judge("no assessment", &said, 0, &["assessment.json: is not in the pack"], &["are the same"]);
}

#[test]
fn the_entry_is_found_wherever_it_stands_in_the_export() {
    let desk = prepared("stands");
    let newest = "is not the newest: entry 4 of the journal is a later assessment";
    let cases: [(&str, usize, usize, bool); 5] = [
        ("in the middle", 0, ENTRIES, true), ("the first", 2, ENTRIES, true), ("the last", 0, 3, false),
        ("the only one", 2, 3, false), ("before a later one that is the last", 2, 5, true),
    ];
    for (what, from, to, later) in cases {
        let mut parts = Parts::new(&desk);
        parts.files.insert(EXPORT.into(), desk.stretch(from, to, &desk.notes(to)));
        let said = desk.run(&["pack", "file", "--keys", "keys"], &parts.pack(&desk));
        judge(what, &said, 0, &[SAME, &format!("{} entries verified", to - from)], &["NOT", "not compared"]);
        assert_eq!(said.1.contains(newest), later, "{what}: {}", said.1);
        // It was looked at, and not only found.
        let mut of = document();
        of["findings"][1]["verdict"] = "met".into();
        parts.files.insert(ASSESSMENT.into(), of.to_string().into_bytes());
        let said = desk.run(&["pack", "file", "--keys", "keys"], &parts.pack(&desk));
        judge(what, &said, 1, &["the check closed-port is \"met\" in it and \"failed\" in entry 2"], &[SAME]);
    }
}

#[test]
fn entries_of_earlier_versions_and_reports_by_themselves_are_compared_as_far_as_they_go() {
    let desk = prepared("shapes");
    // The entry of an earlier version has verdicts and counts alone.
    let mut of = document();
    of["entry"] = json!(EARLY);
    of.as_object_mut().unwrap().remove("sha256");
    let said = judged(&desk, of.to_string().as_bytes(), &[]);
    judge("earlier", &said, 0, &["is the assessment of entry 4 of the journal: 2 verdict(s), 0 state(s) and 3 \
        count(s) are the same; entry 4 has no digest of the rest, which was not compared"],
        &["NOT", "is not the newest"]);
    of["standards"][0]["clauses"][2]["state"] = "failed".into();
    judge("earlier, a state", &judged(&desk, of.to_string().as_bytes(), &[]), 1,
        &["2 clause(s) of JR/T 0167-2020 are \"failed\" in it and 1 in entry 4"], &["are the same"]);
    // Of a report by itself every version had the digest.
    let whole = || json!({ "assessment": { "report": report(), "entry": EARLY, "gaps": [] } });
    let said = judged(&desk, whole().to_string().as_bytes(), &[]);
    judge("a report", &said, 0, &["is the assessment of entry 4", "the digest of the rest is the same"], &["NOT"]);
    let cases: [(&str, fn(&mut Value), &str); 4] = [
        ("a verdict", |of| of["findings"][0]["verdict"] = "failed".into(),
            "the check tls-only is \"failed\" in it and \"met\" in entry 4"),
        ("a state", |of| of["clauses"][1]["state"] = "met".into(),
            "0 clause(s) of JR/T 0167-2020 are \"failed\" in it and 1 in entry 4"),
        ("a sentence", |of| of["findings"][0]["says"] = "all".into(),
            "it has not the digest that entry 4 of the journal has of it"),
        ("when it ended", |of| of["ended"] = json!(5),
            "it has not the digest that entry 4 of the journal has of it"),
    ];
    for (what, change, says) in cases {
        let mut of = whole();
        change(&mut of["assessment"]["report"]);
        judge(what, &judged(&desk, of.to_string().as_bytes(), &[]), 1, &[says], &["are the same"]);
    }
}

#[test]
fn programs_are_told_the_same() {
    let desk = prepared("json");
    let found = |of: &Value| -> Value {
        serde_json::from_str(&judged(&desk, of.to_string().as_bytes(), &["--json"]).1).unwrap()
    };
    let (whole, mut changed) = (found(&document()), document());
    assert_eq!(whole["ok"], true);
    let mut assessed = whole["assessment"].clone();
    assert_eq!(assessed.as_object_mut().unwrap().remove("say").unwrap().as_array().unwrap().len(), 2);
    assert_eq!(assessed, json!({ "entry": ASSESSED, "compared": true, "verdicts": 2, "states": 6, "counts": 3,
        "digest": true, "later": EARLY }));
    changed["findings"][1]["verdict"] = "met".into();
    let other = found(&changed);
    assert_eq!(other["ok"], false);
    assert_eq!(other["journal"]["ok"], true);
    let problems = other["problems"].as_array().unwrap();
    let told: Vec<_> = problems.iter().map(|p| (p["what"].as_str(), p["file"].as_str())).collect();
    assert_eq!(told, [(Some("assessment"), Some(ASSESSMENT))]);
    assert_eq!(other["assessment"]["verdicts"], 1);
    // The digest is over what it was made from, whatever came after it.
    let (mut later, digest) = (document(), document_digest(&document()));
    later["entry"] = json!(77);
    later["journal"]["entries"] = json!(78);
    assert_eq!(document_digest(&later), digest);
    assert_ne!(document_digest(&changed), digest);
}
