//! Witnesses and their signatures over a journal that is really signed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::World;
use ed25519_dalek::{Signer, SigningKey};
use jinyun_governance::{Lines, cosigned};
use jinyun_journal::note::PublicKey;
use jinyun_journal::{Checkpoint, Key, Note};
use serde_json::{Value, json};

/// Somebody with a key of their own.
struct Pen {
    secret: SigningKey,
    key: Key,
}

impl Pen {
    fn new(name: &str, seed: u8) -> Pen {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        let public = PublicKey::Ed25519(secret.verifying_key().to_bytes());
        Pen { secret, key: Key { name: name.into(), public } }
    }

    fn register(&self, w: &World, who: &str, role: &str) -> Value {
        let body = json!({ "witness": { "key": self.key.line(), "who": "x", "role": role } });
        w.ok(who, "POST", "/v1/witnesses", body)
    }

    fn sign(&self, text: &str) -> (String, [u8; 4], Vec<u8>) {
        let signature = self.secret.sign(text.as_bytes()).to_bytes().to_vec();
        (self.key.name.clone(), self.key.id(), signature)
    }

    /// A note as it was given out, with this pen's line.
    fn under(&self, note: &str) -> String {
        let mut note = Note::parse(note).unwrap();
        note.signatures.push(self.sign(&note.text));
        note.render()
    }
}

fn send(w: &World, who: &str, note: &str) -> (u16, Value) {
    w.http(who, "POST", "/v1/cosignatures", json!({ "cosignature": { "note": note } }))
}

fn alarms(w: &World) -> Vec<Value> {
    let all = w.entries().into_iter().filter(|e| e.action == "governance:cosignature:alarm");
    all.map(|e| e.note.unwrap()).collect()
}

#[test]
fn witnesses_sign_what_the_journal_has_and_the_lines_go_out_with_it() {
    let w = World::new();
    assert_eq!(w.word("may@bank", "GET", "/v1/checkpoint", Value::Null), "not_found");
    let (bank, office) = (Pen::new("bank.example/audit", 1), Pen::new("assessor-7", 2));
    for (who, line, want) in [
        ("sec1", bank.key.line(), "forbidden"),
        ("may@bank", "bank.example/audit ed25519 00".into(), "invalid"),
        ("may@bank", Pen::new("test", 3).key.line(), "invalid"),
        ("may@bank", Pen::new("Bank.example", 3).key.line(), "invalid"),
        ("may@bank", format!("{}\n{}", bank.key.line(), office.key.line()), "invalid"),
    ] {
        let body = json!({ "witness": { "key": line, "who": "x", "role": "institution" } });
        assert_eq!(w.word(who, "POST", "/v1/witnesses", body), want, "{who} {line}");
    }
    let id = bank.register(&w, "may@bank", "institution")["id"].as_str().unwrap().to_string();
    office.register(&w, "aud", "assessor");
    let body = json!({ "witness": { "key": Pen::new("assessor-7", 9).key.line(), "who": "x",
        "role": "auditor" } });
    assert_eq!(w.word("eve@fund", "POST", "/v1/witnesses", body), "taken");

    let notes = w.sign();
    let shown = w.ok("may@bank", "GET", "/v1/checkpoint", Value::Null);
    let given: Vec<&str> =
        shown["trees"].as_array().unwrap().iter().map(|t| t["note"].as_str().unwrap()).collect();
    assert_eq!(given, notes);
    let [sha, sm3] = [&notes[0], &notes[1]];
    let cases: [(&str, &str, String, &str); 9] = [
        ("another's witness", "eve@fund", bank.under(sha), "invalid: note"),
        ("staff without a witness", "aud", bank.under(sha), "invalid: note"),
        ("nobody's line", "may@bank", sha.to_string(), "invalid: note"),
        ("no note", "may@bank", "x".into(), "invalid: note"),
        ("another instance", "may@bank", bank.under(&sha.replace("jinyun/test", "jinyun/tour")),
            "invalid: note"),
        ("of the staff only the auditor", "sec1", bank.under(sha), "forbidden"),
        ("the bank's", "may@bank", bank.under(sha), ""),
        ("twice", "may@bank", bank.under(sha), "taken"),
        ("the assessor's, in the other tree", "aud", office.under(sm3), ""),
    ];
    for (what, who, note, want) in cases {
        let (status, said) = send(&w, who, &note);
        let fits = match want {
            "" => status == 201,
            want => said.as_str().is_some_and(|said| said.starts_with(want)),
        };
        assert!(fits, "{what}: {said}");
    }
    assert!(alarms(&w).is_empty());
    // A line that was changed on its way is nobody's.
    let mut forged = Note::parse(sm3).unwrap();
    let (name, key, mut signature) = bank.sign(&forged.text);
    signature[7] ^= 1;
    forged.signatures.push((name, key, signature));
    assert_eq!(send(&w, "may@bank", &forged.render()).0, 0);

    // What goes out is one note, and whoever has the keys finds all of its signers.
    for (note, signers) in [(sha, ["test", "bank.example/audit"]), (sm3, ["test", "assessor-7"])] {
        let whole = w.view(|v| cosigned(v, note));
        assert_eq!(w.view(|v| Lines::read(v)?.under(note)), whole, "as an export has it");
        let note = Note::parse(&whole).unwrap();
        let mut keys = w.platform_keys();
        keys.extend([bank.key.clone(), office.key.clone()]);
        let (good, bad) = note.signers(&keys);
        assert_eq!(good.iter().map(|k| k.name.as_str()).collect::<Vec<_>>(), signers);
        assert!(bad.is_empty());
    }
    // A retired witness's lines stay, and no new ones come.
    let path = format!("/v1/witnesses/{id}/retire");
    for (who, want) in [("eve@fund", "not_found"), ("aud", "forbidden"), ("may@bank", "ok"),
        ("may@bank", "conflict")] {
        assert_eq!(w.word(who, "POST", &path, Value::Null), want, "{who}");
    }
    assert_eq!(send(&w, "may@bank", &bank.under(sm3)).0, 0);
    let all = w.ok("aud", "GET", "/v1/cosignatures", Value::Null);
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(w.ok("may@bank", "GET", "/v1/cosignatures", Value::Null).as_array().unwrap().len(), 1);
}

#[test]
fn a_checkpoint_that_contradicts_the_journal_is_an_alarm() {
    let w = World::new();
    let bank = Pen::new("bank.example/audit", 1);
    bank.register(&w, "may@bank", "institution");
    let notes = w.sign();
    let ours = Checkpoint::parse(&Note::parse(&notes[0]).unwrap().text).unwrap();
    let note = |checkpoint: &Checkpoint, platform: bool, witness: bool| {
        let text = checkpoint.text();
        let mut signatures = Vec::new();
        if platform {
            signatures.push(w.platform(checkpoint.kind, &text));
        }
        if witness {
            signatures.push(bank.sign(&text));
        }
        if signatures.is_empty() {
            signatures.push(("stranger-1".into(), [0; 4], vec![1]));
        }
        Note { text, signatures }.render()
    };
    let other = Checkpoint { root: [7; 32], ..ours.clone() };
    let longer = Checkpoint { size: ours.size + 1000, ..ours.clone() };
    let later = Checkpoint { time: ours.time + 1, ..ours.clone() };
    for (what, note, want, alarmed) in [
        ("another root, of the witness", note(&other, false, true), "conflict", true),
        ("another root, of the platform", note(&other, true, false), "conflict", true),
        ("another root, of both", note(&other, true, true), "conflict", true),
        ("another root, of nobody known", note(&other, false, false), "invalid", false),
        ("a size that the platform signed", note(&longer, true, true), "conflict", true),
        ("a size that the witness made up", note(&longer, false, true), "conflict", false),
        ("the same root at another time", note(&later, true, true), "conflict", false),
        ("the journal's own", note(&ours, true, true), "", false),
    ] {
        let before = alarms(&w).len();
        let (status, said) = send(&w, "may@bank", &note);
        let fits = if want.is_empty() { status == 201 } else {
            said.as_str().is_some_and(|said| said.starts_with(want))
        };
        assert!(fits, "{what}: {said}");
        let raised = alarms(&w);
        assert_eq!(raised.len() - before, usize::from(alarmed), "{what}");
        if alarmed {
            assert_eq!(raised.last().unwrap()["note"], json!(note), "{what}");
        }
    }
    assert_eq!(alarms(&w)[0]["witness"], json!("bank.example/audit"));
    assert_eq!(alarms(&w)[1]["signed_by_platform"], json!(true));
    // The alarm stands in the provider's sequence, the refusal in the institution's.
    let entries = w.entries();
    let alarm = entries.iter().find(|e| e.action == "governance:cosignature:alarm").unwrap();
    assert_eq!(alarm.institution.id, "default");
    let refused = entries.iter().filter(|e| e.action == "governance:cosignature:create"
        && e.outcome == "refused" && e.institution.id == "bank");
    assert!(refused.count() >= 4);
}
