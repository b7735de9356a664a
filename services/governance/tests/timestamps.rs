//! Timestamps of checkpoints by an authority that is registered as a witness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "../../../trust/timestamp/tests/common/mod.rs"]
mod office;

use common::World;
use jinyun_governance::{Lines, authorities, cosigned};
use jinyun_journal::{Checkpoint, Note, to_hex};
use jinyun_timestamp::{Authority, Request, granted, imprint, stamped};
use office::{Office, P256};
use serde_json::{Value, json};

const NAME: &str = "bank.example/clock";

fn register(w: &World, who: &str, key: &str, role: &str) -> String {
    let body = json!({ "witness": { "key": key, "who": "the clock of the nation", "role": role } });
    w.word(who, "POST", "/v1/witnesses", body)
}

/// The line that a token over a note makes, under the note as the platform signed it.
fn under(office: &Office, authority: &Authority, about: &Note, note: &Note) -> Note {
    let request = Request::new(imprint(about).unwrap(), [3; 8]);
    let answer = office.answer(&request.der(), "clock", "");
    let token = granted(&answer).unwrap().to_vec();
    let mut note = stamped(note).unwrap();
    note.signatures.push((NAME.into(), authority.id(NAME), token));
    note
}

fn send(w: &World, note: &Note) -> (u16, Value) {
    w.http("may@bank", "POST", "/v1/cosignatures", json!({ "cosignature": { "note": note.render() } }))
}

#[test]
fn an_authority_is_registered_by_its_root() {
    let w = World::new();
    let office = Office::new("register");
    let root = Authority::of_pem(NAME, &office.pem("root")).unwrap().line().unwrap();
    office.run("x509 -in clock.pem -outform DER -out clock.der");
    let clock = to_hex(&office.get("clock.der"));
    for (what, who, key, role, want) in [
        ("not who registers", "sec1", root.clone(), "timestamp", "forbidden"),
        ("as something else", "may@bank", root.clone(), "institution", "invalid"),
        ("a key as a clock", "may@bank", format!("{NAME} ed25519 {}", "58".repeat(32)), "timestamp", "invalid"),
        ("not a root", "may@bank", format!("{NAME} rfc3161 {clock}"), "timestamp", "invalid"),
        ("no certificate", "may@bank", format!("{NAME} rfc3161 30"), "timestamp", "invalid"),
        ("as the platform", "may@bank", root.replace(NAME, "test"), "timestamp", "invalid"),
        ("two", "may@bank", format!("{root}\n{root}"), "timestamp", "invalid"),
        ("too long", "may@bank", format!("{root}{}", "00".repeat(16 << 10)), "timestamp", "invalid"),
        ("good", "may@bank", root.clone(), "timestamp", "ok"),
        ("again", "eve@fund", root.clone(), "timestamp", "taken"),
    ] {
        assert_eq!(register(&w, who, &key, role), want, "{what}");
    }
    assert_eq!(w.view(authorities), format!("{root}\n"));
}

#[test]
fn timestamps_are_judged_kept_and_given_out() {
    let w = World::new();
    let office = Office::new("file");
    office.issue("loose", "root", "loose", "sha256", P256);
    let authority = Authority::of_pem(NAME, &office.pem("root")).unwrap();
    assert_eq!(register(&w, "may@bank", &authority.line().unwrap(), "timestamp"), "ok");
    let notes = w.sign();
    let [sha, sm3] = [&notes[0], &notes[1]].map(|text| Note::parse(text).unwrap());
    let good = under(&office, &authority, &sha, &sha);
    let (_, said) = send(&w, &good);
    assert!(said.as_str().unwrap().contains("lies ahead"), "the platform's clock stands in the past: {said}");
    w.go("2049-01-01");

    let changed = |by: &dyn Fn(&mut Note)| {
        let mut note = good.clone();
        by(&mut note);
        note
    };
    // The same text under a signature that the platform did not give out, timestamped all the same.
    let mut other = sha.clone();
    other.signatures[0].2[3] ^= 1;
    let forged = office.forge(&office.content(&good.signatures[1].2), "loose", "-cades");
    let mut checkpoint = Checkpoint::parse(&sha.text).unwrap();
    checkpoint.root = [7; 32];
    let text = checkpoint.text();
    let history = Note { signatures: vec![w.platform(checkpoint.kind, &text)], text };
    for (what, note, want) in [
        ("of the other tree", under(&office, &authority, &sm3, &sha), "hashes differ"),
        ("changed", changed(&|note| *note.signatures[1].2.last_mut().unwrap() ^= 1), "does not verify"),
        ("cut off", changed(&|note| note.signatures[1].2.truncate(100)), "cannot be read"),
        ("by a certificate for something else", changed(&|note| note.signatures[1].2 = forged.clone()),
            "not critical"),
        ("of another witness", changed(&|note| note.signatures[1].0.push('2')), "no good signature"),
        ("without what it covers", changed(&|note| drop(note.signatures.remove(0))), "no checkpoint signed"),
        ("of a signature that was not given out", under(&office, &authority, &other, &other), "no such checkpoint"),
        ("of another history", under(&office, &authority, &history, &history), "contradicts the journal"),
    ] {
        let (status, said) = send(&w, &note);
        assert!(status == 0 && said.as_str().unwrap().contains(want), "{what}: {said}");
    }
    let alarm = w.entries().into_iter().find(|e| e.action == "governance:cosignature:alarm").unwrap();
    assert_eq!(alarm.note.unwrap()["witness"], json!(NAME));

    assert_eq!(send(&w, &good).0, 201);
    assert!(send(&w, &good).1.as_str().unwrap().starts_with("taken"));
    assert_eq!(send(&w, &under(&office, &authority, &sm3, &sm3)).0, 201, "the other tree's");
    let whole = w.view(|v| cosigned(v, &notes[0]));
    assert_eq!(w.view(|v| Lines::read(v)?.under(&notes[0])), whole, "as an export has it");
    let whole = Note::parse(&whole).unwrap();
    assert_eq!(whole, good);
    assert!(authority.judge(&whole, &whole.signatures[1]).is_ok());

    // Its line stays when it retires, and so does its root.
    let id = w.ok("may@bank", "GET", "/v1/witnesses", Value::Null)[0]["id"].as_str().unwrap().to_string();
    w.ok("may@bank", "POST", &format!("/v1/witnesses/{id}/retire"), Value::Null);
    assert_eq!(Note::parse(&w.view(|v| cosigned(v, &notes[0]))).unwrap(), good);
    assert_eq!(w.view(authorities), authority.line().unwrap() + "\n");
    assert!(send(&w, &good).1.as_str().unwrap().contains("no good signature"));
}
