//! The words of the program: what it says that it verified is what it verified, in a pack that is whole
//! and in one that somebody touched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "../../timestamp/tests/common/mod.rs"]
mod office;

use common::{
    ASSESSOR, CLOCK, Desk, ENTRIES, KEPT, Line, PIECE, Parts, REST, bend, desk, judge, lines, sign,
};
use jinyun_journal::merkle::HashKind;
use jinyun_journal::note::{Checkpoint, Note};
use jinyun_timestamp::{Authority, Request, granted, imprint};
use jinyun_verify::pack::{AUTHORITIES, CHECKPOINT, EXPORT, KEYS};
use office::Office;
use std::collections::BTreeMap;

#[test]
fn a_pack_is_said_to_be_what_it_was_found_to_be() {
    let desk = desk("pack");
    desk.put("keys", &lines(&[&desk.own]));
    let pack = Parts::new(&desk).pack(&desk);
    let said = desk.run(&["pack", "file", "--keys", "keys"], &pack);
    judge("whole", &said, 0, &["pack of \"tour\", made 2026-10-01", "6 files, ", " bytes: verified\n",
        "files: all that the manifest names are there with its digests, and no others",
        "manifest.note: signed by tour (ed25519)\n", "manifest.note: signed by tour (sm2)\n",
        "journal: 6 entries verified: 0 to 5 of the journal of \"tour\"",
        "journal: signed by tour (ed25519), 1 checkpoint(s)", KEPT, REST], &["NOT", "not checked"]);
    // Whole by its own keys is not verified, in none of its parts.
    let said = desk.run(&["pack", "file"], &pack);
    judge("no keys", &said, 3, &["whole, but NOT verified: no keys were given",
        "manifest.note: fits the pack's own key of tour (ed25519)", "journal: 6 entries fit together: 0 to 5",
        "journal: fits the pack's own key of tour (sm2), 1 checkpoint(s)", "which whoever made it chose"],
        &["signed by", "bytes: verified", "entries verified"]);
    // A pack is no export, and the program says how to ask.
    let said = desk.run(&["file", "--keys", "keys"], &pack);
    judge("as an export", &said, 2, &["is a pack: jinyun-verify pack file"], &["verified"]);
    desk.put("empty", "\n");
    let said = desk.run(&["pack", "file", "--keys", "empty"], &pack);
    judge("keys without a key", &said, 2, &["empty: holds no key"], &["verified"]);
}

#[test]
fn who_signed_the_manifest_is_told_line_by_line() {
    let desk = desk("note");
    desk.put("keys", &lines(&[&desk.own]));
    desk.put("more", &lines(&[&desk.own, &desk.assessor]));
    desk.put("other", &lines(&[&desk.other]));
    desk.put("strange", &lines(&[&desk.assessor]));
    let by_assessor: fn(&Desk, &str, &mut Vec<Line>) =
        |desk, text, lines| lines.extend(sign(&desk.assessor, text).into_iter().take(1));
    let bent_assessor: fn(&Desk, &str, &mut Vec<Line>) = |desk, text, lines| {
        lines.extend(sign(&desk.assessor, text).into_iter().take(1));
        bend(&mut lines[2]);
    };
    let bent_sm2: fn(&Desk, &str, &mut Vec<Line>) = |_, _, lines| bend(&mut lines[1]);
    let without_sm2: fn(&Desk, &str, &mut Vec<Line>) = |_, _, lines| lines.truncate(1);
    let own = "manifest.note: signed by tour (ed25519)";
    let cases: [(&str, fn(&Desk, &str, &mut Vec<Line>), &str, i32, &[&str], &[&str]); 7] = [
        ("a line of somebody unknown", by_assessor, "keys", 0,
            &[own, "manifest.note: not checked, for want of a key: the line of assessor.example/x"],
            &["signed by assessor"]),
        ("the same with the key", by_assessor, "more", 0,
            &[own, "manifest.note: signed by assessor.example/x (ed25519)"], &["not checked"]),
        ("the same, damaged", bent_assessor, "more", 1,
            &[own, "the signature of assessor.example/x (ed25519) does not verify"],
            &["signed by assessor", "not checked"]),
        ("one of the two damaged", bent_sm2, "keys", 1,
            &[own, "the signature of tour (sm2) does not verify",
                "is not signed by the sm2 key of the instance tour"],
            &["manifest.note: signed by tour (sm2)"]),
        ("one of the two gone", without_sm2, "keys", 1,
            &[own, "is not signed by the sm2 key of the instance tour"],
            &["does not verify", "manifest.note: signed by tour (sm2)"]),
        ("another's keys of that name", |_, _, _| {}, "other", 1,
            &["the line of tour is by another key than those of that name"], &["signed by tour (", "verify"]),
        ("keys of others alone", |_, _, _| {}, "strange", 1,
            &["cannot be checked: no ed25519 key of the instance tour is at hand",
                "not checked, for want of a key: the line of tour"], &["signed by tour ("]),
    ];
    for (what, lines, keys, code, says, not) in cases {
        let pack = Parts { lines, ..Parts::new(&desk) }.pack(&desk);
        let said = desk.run(&["pack", "file", "--keys", keys], &pack);
        judge(what, &said, code, says, not);
        assert_eq!(said.1.contains(": verified\n"), code == 0, "{what}: {}", said.1);
    }
}

#[test]
fn what_was_exchanged_or_changed_is_told_as_what_it_is() {
    let desk = desk("files");
    desk.put("keys", &lines(&[&desk.own]));
    type Files = BTreeMap<String, Vec<u8>>;
    let cases: [(&str, fn(&mut Files), &[&str], &[&str]); 4] = [
        ("two blocks of a file exchanged", |files| {
            let page = files.get_mut("report.html").unwrap();
            let (one, two) = page.split_at_mut(PIECE);
            one.swap_with_slice(&mut two[..PIECE]);
        }, &["report.html: its bytes 0 to 4095 are those that belong at 4096",
            "report.html: its bytes 4096 to 8191 are those that belong at 0"], &["something among"]),
        ("two files exchanged", |files| {
            let (page, other) = (files["report.pdf"].clone(), files["assessment.json"].clone());
            files.insert("report.pdf".into(), other);
            files.insert("assessment.json".into(), page);
        }, &["report.pdf: holds what belongs into assessment.json",
            "assessment.json: holds what belongs into report.pdf"], &["something among"]),
        // Where a report says what is other than in an earlier one, as in any other place.
        ("a byte of a report", |files| files.get_mut("report.html").unwrap()[9000] ^= 1,
            &["report.html: something among its bytes 8192 to 12287 was changed"], &["belong"]),
        ("a file taken out", |files| drop(files.remove("report.pdf")),
            &["report.pdf: is missing where the manifest has it"], &["was changed"]),
    ];
    for (what, after, says, not) in cases {
        let pack = Parts { after, ..Parts::new(&desk) }.pack(&desk);
        let said = desk.run(&["pack", "file", "--keys", "keys"], &pack);
        judge(what, &said, 1, says, not);
        // The manifest is what was signed, and the journal is whole: that stays true and is said.
        judge(what, &said, 1, &["bytes: NOT verified", "manifest.note: signed by tour (ed25519)",
            "journal: 6 entries verified"], &["files: all", REST]);
    }
    // A record under another's digest: whoever holds the keys can sign that.
    let mut parts = Parts::new(&desk);
    parts.files.insert(format!("evidence/{}", "0".repeat(64)), b"another".to_vec());
    let said = desk.run(&["pack", "file", "--keys", "keys"], &parts.pack(&desk));
    judge("a record under another's name", &said, 1, &["its name is not its SHA-256"], &["bytes: verified"]);
    let mut parts = Parts::new(&desk);
    parts.files.insert(KEYS.into(), b"nonsense".to_vec());
    let said = desk.run(&["pack", "file"], &parts.pack(&desk));
    judge("keys that are none", &said, 1,
        &["journal/keys: keys file, line 1: not a key", "no ed25519 key of the instance tour is at hand"], &[]);
}

#[test]
fn co_signatures_and_kept_checkpoints_are_told_as_far_as_they_were_checked() {
    let desk = desk("witness");
    desk.put("keys", &lines(&[&desk.own]));
    desk.put("more", &lines(&[&desk.own, &desk.witness]));
    let witnessed = |spoil: bool| {
        let mut notes = desk.notes(ENTRIES);
        let text = notes[0].text.clone();
        notes[0].signatures.extend(sign(&desk.witness, &text).into_iter().take(1));
        if spoil {
            bend(&mut notes[0].signatures[1]);
        }
        notes
    };
    let (good, bad) = (witnessed(false), witnessed(true));
    let cases: [(&str, &[Note], &str, i32, &[&str], &[&str]); 4] = [
        ("with the witness's key", &good, "more", 0,
            &["signed by bank.example/audit (ed25519), 1 checkpoint(s)"], &["not checked", "NOT"]),
        ("without", &good, "keys", 0,
            &["not checked, for want of a key: the line of bank.example/audit, 1 checkpoint(s)"],
            &["signed by bank", "NOT"]),
        ("damaged", &bad, "more", 1,
            &["the signature of bank.example/audit (ed25519) does not verify, on the sha256 checkpoint of 6"],
            &["signed by bank", "not checked"]),
        // Damage that nobody can see is not called good.
        ("damaged, without the key", &bad, "keys", 0,
            &["not checked, for want of a key: the line of bank.example/audit"], &["signed by bank"]),
    ];
    for (what, notes, keys, code, says, not) in cases {
        let said = desk.run(&["--keys", keys, "file"], &desk.export(0, notes));
        judge(what, &said, code, says, not);
        let mut parts = Parts::new(&desk);
        parts.files.insert(EXPORT.into(), desk.export(0, notes));
        let said = desk.run(&["pack", "file", "--keys", keys], &parts.pack(&desk));
        judge(what, &said, code, says, not);
    }
    // Kept ones: the same, another history's, one that the export cannot be compared with, a forged one.
    let (late, early) = (desk.export(4, &desk.notes(ENTRIES)), desk.notes(3).remove(0));
    let whole = desk.export(0, &desk.notes(ENTRIES));
    let mut lying = desk.notes(3).remove(0);
    let mut text = Checkpoint::parse(&lying.text).unwrap();
    text.root[0] ^= 1;
    lying.text = text.text();
    lying.signatures = desk.own.sign(HashKind::Sha256, &lying.text).unwrap();
    let mut forged = desk.notes(3).remove(0);
    bend(&mut forged.signatures[0]);
    let cases: [(&str, &[u8], &Note, i32, &[&str], &[&str]); 4] = [
        ("the same", &whole, &early, 0, &["1 of 1 checkpoint(s) kept outside compared",
            "1 of them the same", "0 to 5 of the journal"], &[KEPT, "NOT"]),
        ("another root", &whole, &lying, 1, &["1 of 1 checkpoint(s) kept outside compared", "0 of them the same",
            "is not that of the checkpoint kept outside", "said to be 0 to 5"], &["1 of them"]),
        ("before the export", &late, &early, 0, &["4 to 5 of the journal of",
            "none of the 1 checkpoint(s) kept outside was compared: a provider who rewrote everything",
            "the sha256 checkpoint of 3 entries that was kept outside was not compared"], &["the same", "NOT"]),
        ("forged", &whole, &forged, 1, &["does not verify, on the kept sha256 checkpoint of 3 entries",
            "is signed by no key that is at hand", "none of the 1 checkpoint(s)"], &["the same"]),
    ];
    for (what, export, kept, code, says, not) in cases {
        desk.put("kept", &kept.render());
        let said = desk.run(&["--keys", "keys", "--checkpoint", "kept", "file"], export);
        judge(what, &said, code, says, not);
    }
}

#[test]
fn the_checkpoints_of_a_pack_are_the_newest_of_its_journal() {
    let desk = desk("newest");
    desk.put("keys", &lines(&[&desk.own]));
    let (early, late) = (desk.notes(3), desk.notes(ENTRIES));
    // Lines of somebody unknown can make a note as long as one wants.
    let padded = |bytes: usize| {
        let mut note = late[0].clone();
        note.signatures.push((ASSESSOR.into(), [9; 4], vec![9; bytes]));
        note
    };
    let (long, longer) = (padded(100_000), padded(200_000));
    let other = "journal/checkpoint-sha256: this checkpoint is not the newest of its tree";
    let other_sm3 = "journal/checkpoint-sm3: this checkpoint is not the newest of its tree";
    let cases: [(&str, &Note, [&Note; 2], i32, &[&str], &[&str]); 7] = [
        ("both", &late[0], [&late[0], &late[1]], 0, &["bytes: verified"], &["not the newest of its tree"]),
        ("an early one", &late[0], [&early[0], &late[1]], 1, &[other], &[other_sm3]),
        ("two early ones", &late[0], [&early[0], &early[1]], 1, &[other, other_sm3], &[]),
        ("in each other's place", &late[0], [&late[1], &late[0]], 1, &[other, other_sm3], &[]),
        ("a long one", &long, [&long, &late[1]], 0, &["bytes: verified"], &["not the newest of its tree"]),
        ("a long one, not the journal's", &late[0], [&long, &late[1]], 1, &[other], &[other_sm3]),
        ("one longer than any", &late[0], [&longer, &late[1]], 1,
            &["journal/checkpoint-sha256: has more than 262144 bytes"], &["not the newest of its tree"]),
    ];
    for (what, newest, kept, code, says, not) in cases {
        let mut parts = Parts::new(&desk);
        let notes = [early[0].clone(), early[1].clone(), newest.clone(), late[1].clone()];
        parts.files.insert(EXPORT.into(), desk.export(0, &notes));
        for (tree, note) in ["sha256", "sm3"].into_iter().zip(kept) {
            parts.files.insert(format!("{CHECKPOINT}{tree}"), note.render().into_bytes());
        }
        let said = desk.run(&["pack", "file", "--keys", "keys"], &parts.pack(&desk));
        judge(what, &said, code, says, not);
    }
}

#[test]
fn timestamps_say_when_by_whose_word_or_that_nobody_looked() {
    let (desk, office) = (desk("clock"), Office::new("words"));
    desk.put("keys", &lines(&[&desk.own]));
    desk.put("root", &office.pem("root"));
    let authority = Authority::of_pem(CLOCK, &office.pem("root")).unwrap();
    let stamped = |spoil: bool| {
        let mut notes = desk.notes(ENTRIES);
        let request = Request::new(imprint(&notes[0]).unwrap(), [5; 8]);
        let token = granted(&office.answer(&request.der(), "clock", "")).unwrap().to_vec();
        notes[0].signatures.push((CLOCK.into(), authority.id(CLOCK), token));
        if spoil {
            bend(&mut notes[0].signatures[1]);
        }
        notes
    };
    let (good, bad) = (stamped(false), stamped(true));
    let existed = "the sha256 checkpoint of 6 entries existed before ";
    let cases: [(&str, &[Note], bool, bool, i32, &[&str], &[&str]); 5] = [
        ("by no root", &good, false, false, 0,
            &["a timestamp of bank.example/clock on the sha256 checkpoint of 6 entries was not checked"],
            &[existed, "want of a key"]),
        ("by a given root", &good, true, false, 0, &[existed, "according to C=CN, O=Example, CN=clock"],
            &["was not checked", "came with the pack"]),
        ("by the pack's root", &good, false, true, 0, &[existed, "which came with the pack"],
            &["was not checked"]),
        ("damaged, by a given root", &bad, true, false, 1,
            &["the timestamp of bank.example/clock on the checkpoint of 6 entries (sha256) is wrong"],
            &[existed, "was not checked"]),
        ("damaged, by no root", &bad, false, false, 0, &["was not checked"], &[existed]),
    ];
    for (what, notes, given, inside, code, says, not) in cases {
        let mut parts = Parts::new(&desk);
        parts.files.insert(EXPORT.into(), desk.export(0, notes));
        if inside {
            let line = authority.line().unwrap() + "\n";
            parts.files.insert(AUTHORITIES.into(), line.into_bytes());
        }
        let mut words = vec!["pack", "file", "--keys", "keys"];
        if given {
            words.extend(["--tsa-root", "root"]);
        }
        judge(what, &desk.run(&words, &parts.pack(&desk)), code, says, not);
    }
    // One that was kept outside is told apart from the file's own.
    desk.put("kept", &good[0].render());
    let export = desk.export(0, &desk.notes(ENTRIES));
    let words = ["--keys", "keys", "--checkpoint", "kept", "--tsa-root", "root", "file"];
    judge("kept", &desk.run(&words, &export), 0, &["the kept sha256 checkpoint of 6 entries existed before",
        "1 of them the same"], &["NOT"]);
}

#[test]
fn bad_words_get_a_sentence() {
    let desk = desk("usage");
    let cases: [(&[&str], i32, &str); 8] = [
        (&[], 2, "the file to be verified is missing"), (&["file"], 2, "give --keys"),
        (&["--keys"], 2, "--keys needs a file behind it"), (&["--strange", "file"], 2, "--strange is not known"),
        (&["pack", "file", "file"], 2, "one file is verified at a time"),
        (&["pack", "nowhere"], 2, "nowhere: No such file"), (&["--help"], 0, "usage: jinyun-verify"),
        (&["file", "--keys", "nowhere"], 2, "nowhere: No such file"),
    ];
    for (words, code, want) in cases {
        judge(&words.join(" "), &desk.run(words, b"x"), code, &[want], &["verified\n"]);
    }
}
