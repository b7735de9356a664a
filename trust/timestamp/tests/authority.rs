//! Tokens of a real authority, and of many that are none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Office, P256, P384, RSA};
use jinyun_journal::{Checkpoint, HashKind, Note};
use jinyun_timestamp::{Authority, Request, granted, imprint, is_one, stamped};

/// A checkpoint with the platform's line (which nobody checks here) and another's.
fn note(size: u64, time: i64) -> Note {
    let checkpoint = Checkpoint {
        instance: "tour".into(), epoch: 0, kind: HashKind::Sha256, size, root: [9; 32], time,
        clock: "system".into(), offset: 0,
    };
    let line = |name: &str| (name.to_string(), [1, 2, 3, 4], vec![5; 64]);
    Note { text: checkpoint.text(), signatures: vec![line("bank.example/audit"), line("tour")] }
}

const EARLY: i64 = 1_700_000_000_000_000;
const NAME: &str = "example/clock";

fn authority(office: &Office, root: &str) -> Authority {
    Authority::of_pem(NAME, &office.pem(root)).unwrap()
}

/// What is said of a token in a note's line.
fn judged(office: &Office, root: &str, note: &Note, token: &[u8]) -> Result<String, String> {
    let authority = authority(office, root);
    let line = (NAME.to_string(), authority.id(NAME), token.to_vec());
    assert!(authority.claims(&line));
    authority.judge(note, &line).map(|stamp| stamp.authority)
}

/// The bytes behind the last place of some others, changed in one bit.
fn bent(token: &[u8], behind: &[u8], by: usize) -> Vec<u8> {
    let at = token.windows(behind.len()).rposition(|w| w == behind).unwrap() + behind.len() + by;
    let mut token = token.to_vec();
    token[at] ^= 1;
    token
}

#[test]
fn what_is_timestamped_is_what_the_platform_signed() {
    let whole = note(7, EARLY);
    let alone = stamped(&whole).unwrap();
    assert_eq!(alone.signatures.len(), 1);
    assert_eq!(alone.signatures[0].0, "tour");
    assert_eq!(imprint(&whole), imprint(&alone));
    assert_ne!(imprint(&whole), imprint(&note(8, EARLY)));
    let mut without = whole.clone();
    without.signatures.pop();
    assert_eq!(imprint(&without), None);
    assert_eq!(imprint(&Note { text: "x\n".into(), ..whole }), None);
}

#[test]
fn good_tokens_say_who_and_when() {
    let office = Office::new("good");
    office.root("other", P384);
    office.issue("clock384", "other", "tsa", "sha384", P384);
    office.issue("between", "root", "ca", "sha256", P256);
    office.issue("deep", "between", "tsa", "sha512", P256);
    let note = note(7, EARLY);
    let request = Request::new(imprint(&note).unwrap(), [0x91; 8]);
    for (root, name, more) in [
        ("root", "clock", ""), ("root", "clock", "-sha384"), ("root", "clock", "-sha512"),
        ("other", "clock384", "-sha256"), ("other", "clock384", "-sha384"),
        ("other", "clock384", "-sha512"),
        ("root", "deep", "-chain between.pem -sha512"), ("root", "clock", "-section old"),
    ] {
        let answer = office.answer(&request.der(), name, more);
        let token = granted(&answer).unwrap();
        request.answered(token).unwrap();
        assert!(is_one(token) && !is_one(&answer));
        assert_eq!(granted(token).unwrap(), token, "a token alone");
        let want = format!("C=CN, O=Example, CN={name}");
        assert_eq!(judged(&office, root, &note, token), Ok(want), "{name} {more}");
    }
    // A signer that is named by its key.
    let answer = office.answer(&request.der(), "clock", "");
    let token = granted(&answer).unwrap();
    let keyed = office.forge(&office.content(token), "clock", "-cades -keyid");
    assert!(judged(&office, "root", &note, &keyed).is_ok());

    let authority = authority(&office, "root");
    let line = (NAME.to_string(), authority.id(NAME), token.to_vec());
    let stamp = authority.judge(&note, &line).unwrap();
    assert!(stamp.time > EARLY && stamp.said.ends_with('Z'));
    assert_eq!(stamp.root, authority.fingerprint());
    assert_eq!(authority.subject(), "O=Example, CN=root");
}

#[test]
fn tokens_that_are_not_this_authoritys_are_refused() {
    let office = Office::new("bad");
    office.root("other", RSA);
    office.issue("between", "root", "ca", "sha256", P256);
    office.issue("deep", "between", "tsa", "sha256", P256);
    for section in ["loose", "web", "both", "none"] {
        office.issue(section, "root", section, "sha256", P256);
    }
    let note = note(7, EARLY);
    let request = Request::new(imprint(&note).unwrap(), [0x91; 8]);
    let answer = office.answer(&request.der(), "clock", "");
    let good = granted(&answer).unwrap();
    let content = office.content(good);
    let dated = |moment: &str| {
        let place = content.windows(4).position(|w| w == [0x18, 15, b'2', b'0']).unwrap() + 2;
        let mut content = content.clone();
        content[place..place + 15].copy_from_slice(moment.as_bytes());
        office.forge(&content, "clock", "-cades")
    };
    let forge = |name: &str, more: &str| office.forge(&content, name, more);
    office.put("note", stamped(&note).unwrap().render().as_bytes());
    office.run("ts -query -data note -sha512 -cert -out long");
    let long = office.answer(&office.get("long"), "clock", "");
    let mut last = good.to_vec();
    *last.last_mut().unwrap() ^= 1;
    let mut trailing = good.to_vec();
    trailing.push(0);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("the time changed", bent(good, &[0x18, 15, b'2', b'0'], 11), "was changed"),
        ("the signature changed", last, "does not verify"),
        // The time of signing, which stands in a set of its own.
        ("a signed attribute changed", bent(good, &[0x31, 15, 0x17, 13], 11), "does not verify"),
        ("the certificate changed", bent(good, b"cloc", 0), "name another certificate"),
        ("a certificate that is so by the way", forge("loose", "-cades"), "not critical"),
        ("a certificate for the web", forge("web", "-cades"), "not for timestamps"),
        ("a certificate for both", forge("both", "-cades"), "other purposes"),
        ("a certificate for nothing", forge("none", "-cades"), "no extended key usage"),
        ("the certificate not named", forge("clock", ""), "do not name the certificate"),
        ("SHA-1", forge("clock", "-cades -md sha1"), "something else than SHA-256"),
        ("without the certificate", forge("clock", "-cades -nocerts"), "signer's certificate"),
        ("two signers", forge("clock", "-cades -signer deep.pem -inkey deep.key"), "exactly one signer"),
        ("no timestamp", forge("clock", "-cades -econtent_type 1.2.840.113549.1.7.1"), "no timestamp"),
        ("RSASSA-PSS", forge("clock", "-cades -keyopt rsa_padding_mode:pss"), "RSASSA-PSS"),
        ("a gap in the chain", forge("deep", "-cades"), "not from the authority's root"),
        ("before its certificate", dated("20200131040000Z"), "not valid yet"),
        ("after its certificate", dated("20490131040000Z"), "had expired"),
        ("no time", dated("20201331040000Z"), "time cannot be read"),
        ("another hash", granted(&long).unwrap().to_vec(), "hashes differ"),
        ("cut off", good[..good.len() - 1].to_vec(), "cannot be read"),
        ("something behind it", trailing, "cannot be read"),
        ("the whole answer", answer.clone(), "cannot be read"),
        ("a key's signature", vec![0x30; 64], "cannot be read"),
        ("nothing", Vec::new(), "cannot be read"),
    ];
    for (what, token, want) in cases {
        let said = judged(&office, "root", &note, &token).unwrap_err();
        assert!(said.contains(want), "{what}: {said}");
    }
    let cases = [
        ("another checkpoint", "root", self::note(8, EARLY), "hashes differ"),
        ("another root", "other", note.clone(), "not from the authority's root"),
        ("no platform", "root", Note { signatures: Vec::new(), ..note.clone() }, "no checkpoint signed"),
    ];
    for (what, root, note, want) in cases {
        let said = judged(&office, root, &note, good).unwrap_err();
        assert!(said.contains(want), "{what}: {said}");
    }
    assert!(judged(&office, "root", &note, good).is_ok(), "what all of them were made from");

    // A checkpoint that says it was made long after it was timestamped.
    let late = self::note(7, EARLY * 2);
    let request = Request::new(imprint(&late).unwrap(), [7; 8]);
    let answer = office.answer(&request.der(), "clock", "");
    let said = judged(&office, "root", &late, granted(&answer).unwrap()).unwrap_err();
    assert!(said.contains("clocks is wrong"), "{said}");
}

#[test]
fn answers_that_are_none_are_told_apart() {
    let office = Office::new("answers");
    let note = note(7, EARLY);
    let request = Request::new(imprint(&note).unwrap(), [1; 8]);
    let answer = office.answer(&request.der(), "clock", "");
    let token = granted(&answer).unwrap();
    let say = Request::new(request.imprint, [2; 8]).answered(token).unwrap_err();
    assert!(say.contains("another nonce"), "{say}");
    let say = Request::new([0; 32], request.nonce).answered(token).unwrap_err();
    assert!(say.contains("something else"), "{say}");
    office.put("note", b"x");
    office.run("ts -query -data note -sha1 -cert -out short");
    let rejected = office.answer(&office.get("short"), "clock", "");
    let say = granted(&rejected).unwrap_err();
    assert!(say.contains("rejection") && say.contains("not supported"), "{say}");
    office.run("ts -query -data note -sha256 -no_nonce -out plain");
    let plain = office.answer(&office.get("plain"), "clock", "");
    let say = Request::new(sha256_of_x(), [2; 8]).answered(granted(&plain).unwrap()).unwrap_err();
    assert!(say.contains("no nonce"), "{say}");
}

/// SHA-256 of "x".
fn sha256_of_x() -> [u8; 32] {
    let hex = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    jinyun_journal::from_hex(hex).unwrap().try_into().unwrap()
}

#[test]
fn roots_are_certificates_that_sign_others() {
    let office = Office::new("roots");
    let root = authority(&office, "root");
    let line = root.line().unwrap();
    assert!(line.starts_with("example/clock rfc3161 30"));
    assert_eq!(Authority::read_all(&format!("{line}\n")).unwrap(), std::slice::from_ref(&root));
    let both = format!("{}{}", office.pem("root"), office.pem("root"));
    let nameless = Authority::read_all(&both).unwrap();
    assert_eq!(nameless.len(), 2);
    assert_eq!(nameless[0].id(NAME), root.id(NAME));
    assert_ne!(nameless[0].id("another"), root.id(NAME));
    assert_eq!(nameless[0].line(), None);
    for bad in ["-----BEGIN nothing", &office.pem("clock"), "x", "a rfc3161 00", "a ed25519 00",
        &line.replace("rfc3161", "sm2"), &line.to_uppercase()] {
        assert!(Authority::read_all(bad).is_err(), "{bad}");
    }
    for bad in ["", "x", &both, &office.pem("clock")] {
        assert!(Authority::of_pem(NAME, bad).is_err(), "{bad}");
    }
}
