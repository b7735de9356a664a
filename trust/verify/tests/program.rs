//! `--program`: a file that somebody has, against the program that the assessment names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, EARLY, PROGRAM, Parts, desk, document, judge, lines, report};
use jinyun_journal::to_hex;
use jinyun_verify::pack::ASSESSMENT;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const RIGHT: &str = "assessment.json: names the program that was given (SHA-256 ";

fn prepared(name: &str) -> Desk {
    let desk = desk(name);
    desk.put("keys", &lines(&[&desk.own]));
    desk.put("right", PROGRAM);
    desk.put("wrong", "another program\n");
    desk
}

fn sum(text: &str) -> String {
    to_hex(&Sha256::digest(text))
}

/// What is said of a pack with this assessment, or none, when somebody gives a program.
fn judged(desk: &Desk, assessment: Option<&Value>, words: &[&str]) -> (i32, String) {
    let mut parts = Parts::new(desk);
    parts.files.remove(ASSESSMENT);
    let assessment = assessment.map(|of| (ASSESSMENT.to_string(), of.to_string().into_bytes()));
    parts.files.extend(assessment);
    let words: Vec<&str> = ["pack", "file"].iter().chain(words).copied().collect();
    desk.run(&words, &parts.pack(desk))
}

#[test]
fn a_program_is_the_one_that_is_named_or_another() {
    let desk = prepared("program");
    let (right, wrong) = (sum(PROGRAM), sum("another program\n"));
    let of = document();
    let keys = ["--keys", "keys"];
    let bound = format!("{RIGHT}{right}): the platform's own word, of which the journal has the digest\n");
    let words = |more: &[&'static str]| [&keys[..], more].concat();
    judge("right", &judged(&desk, Some(&of), &words(&["--program", "right"])), 0,
        &[": verified\n", &bound], &["NOT", "program: "]);
    judge("not asked", &judged(&desk, Some(&of), &keys), 0, &[": verified\n"], &[RIGHT, "program: "]);
    let other = format!(
        "  program: assessment.json: names the program with the SHA-256 {right}; the one that was given has \
         {wrong}\n"
    );
    judge("wrong", &judged(&desk, Some(&of), &words(&["--program", "wrong"])), 1,
        &["bytes: NOT verified", &other, "is the assessment of entry 2 of the journal",
            "journal: 6 entries verified"], &[RIGHT]);
    // By the pack's own keys it is no less the same, and proves no more than they do.
    judge("no keys", &judged(&desk, Some(&of), &["--program", "right"]), 3,
        &["whole, but NOT verified", &bound], &["program: "]);
    judge("wrong, no keys", &judged(&desk, Some(&of), &["--program", "wrong"]), 1, &[&other], &[RIGHT]);
    // Somebody with the keys has put another digest in: it is the one that was given, and not the journal's.
    let mut forged = document();
    forged["product"]["binary_sha256"] = wrong.clone().into();
    judge("forged", &judged(&desk, Some(&forged), &words(&["--program", "wrong"])), 1, &[
        &format!("{RIGHT}{wrong}): the platform's own word, of which the journal has no digest\n"),
        "it has not the digest that entry 2 of the journal has of it",
    ], &["program: ", "the digest of the rest is the same"]);
}

#[test]
fn where_none_is_named_that_is_said() {
    let desk = prepared("no-program");
    let words = ["--keys", "keys", "--program", "right"];
    let given = format!("given has the SHA-256 {}", sum(PROGRAM));
    let none = "program: assessment.json: names no program";
    let mut empty = document();
    empty["product"]["binary_sha256"] = "".into();
    judge("empty", &judged(&desk, Some(&empty), &words), 1, &[none, &given], &[RIGHT]);
    let early = json!({ "assessment": { "report": report(), "entry": EARLY, "gaps": [] } });
    judge("a report", &judged(&desk, Some(&early), &words), 1,
        &[none, &given, "is the assessment of entry 4"], &[RIGHT]);
    // What stands around a report can name one, and the journal has no digest of that.
    let mut around = early;
    around["assessment"]["product"] = json!({ "binary_sha256": sum(PROGRAM) });
    judge("around", &judged(&desk, Some(&around), &words), 0,
        &[RIGHT, "of which the journal has no digest", "is the assessment of entry 4"], &["program: "]);
    let absent = "program: assessment.json: is not in the pack as its manifest has it";
    judge("no assessment", &judged(&desk, None, &words), 1, &[absent, &given], &[RIGHT]);
    let mut parts = Parts::new(&desk);
    parts.after = |files| {
        // The last byte is white space: what it names can still be read, and is not what was signed.
        let last = files.get_mut(ASSESSMENT).and_then(|bytes| bytes.last_mut());
        *last.unwrap() = b'\n';
    };
    let said = desk.run(&["pack", "file", "--keys", "keys", "--program", "right"], &parts.pack(&desk));
    judge("damaged", &said, 1, &[absent, &given, "assessment.json: something among its bytes"], &[RIGHT]);
}

#[test]
fn the_words_of_the_command_are_checked() {
    let desk = prepared("program-words");
    let of = document();
    judge("nowhere", &judged(&desk, Some(&of), &["--program", "nowhere"]), 2, &["nowhere: No such file"],
        &["verified\n"]);
    judge("no file", &judged(&desk, Some(&of), &["--program"]), 2, &["--program needs a file behind it"],
        &["verified\n"]);
    let export = desk.export(0, &desk.notes(common::ENTRIES));
    let said = desk.run(&["file", "--keys", "keys", "--program", "right"], &export);
    judge("an export", &said, 2, &["--program is for packs"], &["verified\n"]);
}

#[test]
fn programs_are_told_the_same() {
    let desk = prepared("program-json");
    let found = |file: &str| -> Value {
        let said = judged(&desk, Some(&document()), &["--keys", "keys", "--json", "--program", file]);
        serde_json::from_str(&said.1).unwrap()
    };
    let (right, wrong) = (sum(PROGRAM), sum("another program\n"));
    let good = found("right");
    assert_eq!((&good["ok"], &good["problems"]), (&json!(true), &json!([])));
    assert_eq!(good["program"], json!({ "given": right, "named": right, "same": true, "bound": true }));
    let bad = found("wrong");
    assert_eq!(bad["ok"], false);
    assert_eq!(bad["program"], json!({ "given": wrong, "named": right, "same": false, "bound": true }));
    let told: Vec<_> = bad["problems"].as_array().unwrap().iter().map(|p| (&p["what"], &p["file"])).collect();
    assert_eq!(told, [(&json!("program"), &json!(ASSESSMENT))]);
    let said = judged(&desk, Some(&document()), &["--keys", "keys", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&said.1).unwrap()["program"], Value::Null);
}
