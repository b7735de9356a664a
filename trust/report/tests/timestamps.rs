//! Timestamps in exports and packs, as whoever verifies without a network sees them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "../../timestamp/tests/common/mod.rs"]
mod office;

use common::{MADE, Scratch, export, keys, kms, sign};
use jinyun_journal::note::Key;
use jinyun_journal::{Checkpoint, Note, to_hex};
use jinyun_kms::Kms;
use jinyun_report::pack::{Body, Item, write};
use jinyun_timestamp::{Authority, Request, granted, imprint};
use jinyun_verify::pack::{AUTHORITIES, EXPORT, KEYS, Verdict, check_with};
use jinyun_verify::{Report, Roots, verify_with};
use office::{Office, P256};
use sha2::Digest;
use std::process::Command;

const NAME: &str = "bank.example/clock";

/// The notes of an export over three entries, as if they had been made long ago.
fn notes(kms: &Kms) -> Vec<Note> {
    let export = String::from_utf8(export(kms, 3)).unwrap();
    export.lines().filter_map(|line| line.strip_prefix("note ")).map(|json| {
        let text: String = serde_json::from_str(json).unwrap();
        let mut checkpoint = Checkpoint::parse(&Note::parse(&text).unwrap().text).unwrap();
        checkpoint.time = 1;
        let text = checkpoint.text();
        Note { signatures: kms.sign(checkpoint.kind, &text).unwrap(), text }
    }).collect()
}

/// The export with these notes instead.
fn with(kms: &Kms, notes: &[Note]) -> Vec<u8> {
    let export = String::from_utf8(export(kms, 3)).unwrap();
    let body = &export[..export.find("note ").unwrap()];
    let lines: String = notes.iter()
        .map(|note| format!("note {}\n", serde_json::Value::from(note.render()))).collect();
    let body = format!("{body}{lines}");
    let sum = to_hex(&sha2::Sha256::digest(&body));
    format!("{body}end {sum}\n").into_bytes()
}

fn roots(text: &str) -> Roots {
    let mut roots = Roots::default();
    roots.add(text).unwrap();
    roots
}

/// The second verifier's verdict: whether it is good, and what it remarks.
fn python(scratch: &Scratch, export: &[u8], keys: &[Key]) -> (bool, String) {
    let lines: String = keys.iter().map(|key| key.line() + "\n").collect();
    std::fs::write(scratch.0.join("keys"), lines).unwrap();
    std::fs::write(scratch.0.join("export"), export).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/verify.py");
    let out = Command::new("python3").arg(script).arg("--keys").arg(scratch.0.join("keys"))
        .arg(scratch.0.join("export")).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    (said["ok"] == true, String::from_utf8(out.stderr).unwrap())
}

#[test]
fn a_timestamp_says_when_or_what_is_wrong_with_it() {
    let scratch = Scratch::new("stamps");
    let (kms, office) = (kms(&scratch.0), Office::new("stamps"));
    office.root("other", P256);
    office.issue("loose", "root", "loose", "sha256", P256);
    let authority = Authority::of_pem(NAME, &office.pem("root")).unwrap();
    let plain = notes(&kms);
    let token = |note: &Note| {
        let request = Request::new(imprint(note).unwrap(), [5; 8]);
        granted(&office.answer(&request.der(), "clock", "")).unwrap().to_vec()
    };
    let (own, others) = (token(&plain[0]), token(&plain[1]));
    let loose = office.forge(&office.content(&own), "loose", "-cades");
    let bent = |at: usize| {
        let mut token = own.clone();
        token[at] ^= 1;
        token
    };
    let judge = |id: [u8; 4], token: Vec<u8>, roots: &Roots| -> Report {
        let mut notes = plain.clone();
        notes[0].signatures.push((NAME.into(), id, token));
        let export = with(&kms, &notes);
        let report = verify_with(&export, &keys(&kms), &[], roots);
        // It knows nothing of authorities, and takes no offence at them.
        let (good, remarks) = python(&scratch, &export, &keys(&kms));
        assert!(good && remarks.contains(NAME), "{remarks}");
        report
    };
    let id = authority.id(NAME);
    let root = roots(&office.pem("root"));
    for (what, roots, from) in [
        ("no root", Roots::default(), "none"), ("the root", root.clone(), "given"),
        ("the root by name", roots(&authority.line().unwrap()), "given"),
        ("two roots", roots(&(office.pem("other") + &office.pem("root"))), "given"),
    ] {
        let report = judge(id, own.clone(), &roots);
        assert!(report.ok, "{what}: {report:?}");
        let [one] = &report.timestamps[..] else { panic!("{what}: {report:?}") };
        assert_eq!((one.name.as_str(), one.size, one.tree, one.from), (NAME, 3, "sha256", from), "{what}");
        assert_eq!(one.time.is_some(), from != "none", "{what}");
        let want = if from == "none" { "was not checked" } else { "according to C=CN, O=Example, CN=clock" };
        assert!(one.say().contains(want), "{what}: {}", one.say());
    }
    let last = own.len() - 1;
    for (what, id, token, roots, want) in [
        ("of another checkpoint", id, others.clone(), root.clone(), "hashes differ"),
        ("its signature changed", id, bent(last), root.clone(), "does not verify"),
        ("its first byte changed", id, bent(0), root.clone(), "cannot be read"),
        ("another root", id, own.clone(), roots(&office.pem("other")), "no authority whose root was given"),
        ("another id", [0; 4], own.clone(), root.clone(), "no authority whose root was given"),
        ("another name", id, own.clone(), roots(&authority.line().unwrap().replace(NAME, "a.b")),
            "no authority whose root was given"),
        ("a certificate for something else", id, loose, root.clone(), "not critical"),
    ] {
        let report = judge(id, token.clone(), &roots);
        let [one] = &report.problems[..] else { panic!("{what}: {report:?}") };
        assert!(!report.ok && one.what == "timestamp" && one.say.contains(want), "{what}: {}", one.say);
        assert!(one.say.contains(NAME), "{}", one.say);
        // Who gives no root is told of it and no more: anybody can write a line of a name nobody knows.
        assert!(judge(id, token, &Roots::default()).ok, "{what}");
    }
    // A checkpoint that was kept with its timestamp counts as one in the export.
    let mut kept = plain[0].clone();
    kept.signatures.push((NAME.into(), id, own.clone()));
    let export = with(&kms, &plain);
    let report = verify_with(&export, &keys(&kms), &[kept.render()], &root);
    assert!(report.ok && report.timestamps.len() == 1, "{report:?}");
    kept.signatures[1].2[last] ^= 1;
    let report = verify_with(&export, &keys(&kms), &[kept.render()], &root);
    assert!(report.problems[0].say.contains("kept checkpoint"), "{report:?}");
    for bad in ["", "x", "a.b rfc3161 00", "-----BEGIN nothing", &office.pem("clock")] {
        assert!(Roots::default().add(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_pack_brings_roots_and_those_that_were_given_stand_above_them() {
    let scratch = Scratch::new("stampedpack");
    let (kms, office) = (kms(&scratch.0), Office::new("stampedpack"));
    office.root("other", P256);
    let authority = Authority::of_pem(NAME, &office.pem("root")).unwrap();
    let line = authority.line().unwrap() + "\n";
    let mut notes = notes(&kms);
    let request = Request::new(imprint(&notes[0]).unwrap(), [5; 8]);
    let token = granted(&office.answer(&request.der(), "clock", "")).unwrap().to_vec();
    notes[0].signatures.push((NAME.into(), authority.id(NAME), token));
    let item = |path: &str, bytes: Vec<u8>| Item { path: path.into(), body: Body::Bytes(bytes) };
    let pack = |authorities: Option<&str>| {
        let lines: String = keys(&kms).iter().map(|k| k.line() + "\n").collect();
        let mut items = vec![item(EXPORT, with(&kms, &notes)), item(KEYS, lines.into_bytes())];
        items.extend(authorities.map(|text| item(AUTHORITIES, text.as_bytes().to_vec())));
        let mut out = Vec::new();
        write(&mut out, "tour", MADE, items, Vec::new(), &|text| sign(&kms, text)).unwrap();
        out
    };
    let judge = |pack: &[u8], roots: &Roots| -> Verdict {
        check_with(&mut std::io::Cursor::new(pack), Some(&keys(&kms)), &[], roots).unwrap()
    };
    let from = |verdict: &Verdict| verdict.journal.as_ref().unwrap().timestamps.first().map(|one| one.from);
    let whole = pack(Some(&line));
    let verdict = judge(&whole, &Roots::default());
    assert!(verdict.ok, "{verdict:?}");
    assert_eq!(from(&verdict), Some("pack"));
    assert!(verdict.journal.unwrap().timestamps[0].say().contains("came with the pack"));
    let verdict = judge(&whole, &roots(&office.pem("root")));
    assert_eq!((verdict.ok, from(&verdict)), (true, Some("given")));
    let verdict = judge(&whole, &roots(&office.pem("other")));
    assert_eq!((verdict.ok, from(&verdict)), (false, None));
    let verdict = judge(&pack(None), &Roots::default());
    assert_eq!((verdict.ok, from(&verdict)), (true, Some("none")));
    // A pack whose own roots do not fit its timestamps.
    let verdict = judge(&pack(Some(&line.replace(NAME, "a.b"))), &Roots::default());
    assert_eq!((verdict.ok, from(&verdict)), (false, None));
    let verdict = judge(&pack(Some("x\n")), &Roots::default());
    assert!(!verdict.ok && verdict.problems.iter().any(|p| p.file.as_deref() == Some(AUTHORITIES)));
}
