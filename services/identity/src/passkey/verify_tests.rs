//! What others have made is taken and judged as they say: the test vectors of Web Authentication Level 3
//! (section 16), and what differs from them by one byte.

use super::authenticator::Said;
use super::cbor::{self, Item};
use super::cose::Key;
use super::verify::{asserted, registered};
use super::{Assertion, Passkey, PasskeySpec, Registration, RelyingParty, handle};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::Time;
use jinyun_engine::Have;
use jinyun_kms::Kms;

const VECTORS: &str = include_str!("vectors.txt");
/// x and y of the generator of P-256.
const X: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
const Y: &str = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|n| u8::from_str_radix(&text[n..n + 2], 16).unwrap()).collect()
}

/// A part of a case.
fn part(case: &str, part: &str) -> Vec<u8> {
    let line = VECTORS.lines().find_map(|l| l.strip_prefix(&format!("{case} {part} ")));
    hex(line.unwrap_or_else(|| panic!("{case} has no {part}")))
}

/// The authenticator's data of an enrolment.
fn inside(attestation: &[u8]) -> Vec<u8> {
    let Some(Item::Map(members)) = cbor::whole(attestation) else { panic!("no attestation") };
    let [_, _, (_, Item::Bytes(data))] = &members[..] else { panic!("{members:?}") };
    data.to_vec()
}

fn party() -> RelyingParty {
    let origins = vec!["https://example.org".to_string()];
    RelyingParty { id: "example.org".into(), name: "Example".into(), origins }
}

fn registration(case: &str) -> Registration {
    let attestation = part(case, "attestation");
    let data = inside(&attestation);
    let id = Said::read(&data).unwrap().new.unwrap().id.to_vec();
    Registration { id: URL_SAFE_NO_PAD.encode(id), client: part(case, "create"), attestation }
}

fn assertion(case: &str) -> Assertion {
    Assertion {
        id: registration(case).id,
        client: part(case, "get"),
        authenticator: part(case, "data"),
        signature: part(case, "signature"),
        user: Some(handle(&"ann".into())),
    }
}

/// A passkey as it would stand in the records.
fn kept(case: &str) -> Have<Passkey> {
    let sent = registration(case);
    let data = inside(&sent.attestation);
    let said = Said::read(&data).unwrap();
    let new = said.new.as_ref().unwrap();
    Have {
        id: "p".into(), domain: "d".into(), project: "".into(), generation: 1,
        spec: PasskeySpec {
            user: "ann".into(), name: "key".into(), credential: sent.id,
            key: URL_SAFE_NO_PAD.encode(new.cose), algorithm: new.key.algorithm().1.into(),
            count: i64::from(said.count), may_be_copied: said.may_be_copied(),
            backed_up: said.is_copied(), challenge: 5, used: 0, first: false,
        },
        status: (), phase: String::new(), observed: 0, error: String::new(), created: Time(0),
        updated: Time(0), phase_since: Time(0), deleting: false,
    }
}

/// Every challenge is good.
fn good(_: &str) -> Result<i64, &'static str> {
    Ok(7)
}

#[test]
fn enrolments_are_judged_as_the_vectors_say() {
    for (case, want) in [("none", Err("not verified its user")), ("self", Ok("ES256")),
        ("top", Err("inside a page of another site")), ("rs256", Err("not asked for")),
        ("eddsa", Err("not verified its user")), ("long", Err("not verified its user"))] {
        match (registered(&party(), &registration(case), good), want) {
            (Ok(made), Ok(algorithm)) => {
                assert_eq!((made.algorithm, made.challenge, made.count), (algorithm, 7, 0), "{case}");
                assert!(made.may_be_copied && made.backed_up, "{case}");
                assert_eq!(made.key, kept(case).spec.key);
            }
            (Err(why), Err(want)) => assert!(why.contains(want), "{case}: {why}"),
            (got, _) => panic!("{case}: {got:?}"),
        }
    }
    let sent = registration("self");
    let seen = |text: &str| {
        assert_eq!(text, "eGnCt3LUtY66k3jPjynibPk1qnffDaifqZwL3Ap29-U");
        Err("too old")
    };
    assert_eq!(registered(&party(), &sent, seen), Err("too old"));
    for (what, id, origin, want) in [
        ("another party", "example.com", "https://example.org", "another relying party"),
        ("another page", "example.org", "https://example.com", "none of ours"),
        ("another port", "example.org", "https://example.org:8443", "none of ours"),
    ] {
        let party = RelyingParty { id: id.into(), origins: vec![origin.into()], ..party() };
        let why = registered(&party, &sent, good).unwrap_err();
        assert!(why.contains(want), "{what}: {why}");
    }
    let other = Registration { id: registration("none").id, ..sent.clone() };
    assert!(registered(&party(), &other, good).unwrap_err().contains("not that of the key"));
    // It is signed by its own key, so no byte of it can be another one.
    for n in 0..sent.attestation.len() {
        let mut changed = sent.clone();
        changed.attestation[n] ^= 1;
        assert!(registered(&party(), &changed, good).is_err(), "byte {n} of the attestation");
    }
    for n in 0..sent.client.len() {
        let mut changed = sent.clone();
        changed.client[n] ^= 1;
        assert!(registered(&party(), &changed, good).is_err(), "byte {n} of the browser's data");
    }
}

#[test]
fn an_enrolment_without_a_statement_is_taken_if_its_user_was_verified() {
    let mut sent = registration("none");
    let at = sent.attestation.windows(8).position(|w| w == b"authData").unwrap() + 8 + 2 + 32;
    assert_eq!(sent.attestation[at], 0x59);
    sent.attestation[at] = 0x5d;
    let made = registered(&party(), &sent, good).unwrap();
    assert_eq!((made.algorithm, made.may_be_copied, made.backed_up), ("ES256", true, true));
    for (flags, want) in [(0x5c, "nobody was at"), (0x59, "not verified"), (0x55, "cannot be"),
        (0x1d, "cannot be read"), (0xdd, "cannot be read")] {
        sent.attestation[at] = flags;
        let why = registered(&party(), &sent, good).unwrap_err();
        assert!(why.contains(want), "{flags:x}: {why}");
    }
}

#[test]
fn signatures_are_those_of_the_vectors_keys() {
    for (case, number) in [("none", -7), ("self", -7), ("top", -7), ("long", -7), ("eddsa", -8),
        ("rs256", -257)] {
        let cose = URL_SAFE_NO_PAD.decode(kept(case).spec.key).unwrap();
        let (key, used) = Key::read(&cose).unwrap();
        assert_eq!((key.algorithm().0, used), (number, cose.len()), "{case}");
        let sent = assertion(case);
        let signed = [sent.authenticator, Kms::sha256(&sent.client)].concat();
        assert!(key.made(&sent.signature, &signed), "{case}");
        assert!(!key.made(&sent.signature, &signed[1..]), "{case}");
        assert!(!key.made(&sent.signature[1..], &signed), "{case}");
        assert!(!key.made(&[], &signed) && !Key::nobody().made(&sent.signature, &signed), "{case}");
        let mut changed = sent.signature.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        assert!(!key.made(&changed, &signed), "{case}");
    }
}

#[test]
fn sign_ins_are_judged_as_the_vectors_say() {
    for (case, want) in [("none", Some("not verified")), ("self", Some("not verified")),
        ("top", Some("inside a page")), ("rs256", Some("not verified")), ("eddsa", Some("not verified")),
        ("long", None)] {
        match (asserted(&party(), Some(&kept(case)), &assertion(case), good), want) {
            (Ok(used), None) => {
                assert_eq!((used.passkey.as_str(), used.challenge, used.count), ("p", 7, 0));
                assert!(!used.backed_up);
            }
            (Err(why), Some(want)) => assert!(why.contains(want), "{case}: {why}"),
            (got, _) => panic!("{case}: {got:?}"),
        }
    }
    let (have, sent) = (kept("long"), assertion("long"));
    let judge = |have: &Have<Passkey>, sent: &Assertion| asserted(&party(), Some(have), sent, good);
    assert_eq!(asserted(&party(), None, &sent, good), Err("there is no such passkey"));
    let edits: [(&str, fn(&mut Assertion), &str); 4] = [
        ("no handle", |s| s.user = None, "does not say whose"),
        ("another's handle", |s| s.user = Some(handle(&"bob".into())), "another user's"),
        ("a signature of nothing", |s| s.signature.truncate(8), "not by the passkey"),
        ("more data", |s| s.authenticator.push(0), "cannot be read"),
    ];
    for (what, edit, want) in edits {
        let mut sent = sent.clone();
        edit(&mut sent);
        let why = judge(&have, &sent).unwrap_err();
        assert!(why.contains(want), "{what}: {why}");
    }
    let edits: [(&str, fn(&mut PasskeySpec), &str); 5] = [
        ("another key", |p| p.key = kept("none").spec.key, "not by the passkey"),
        ("no key", |p| p.key = "AA".into(), "public key"),
        ("another's", |p| p.user = "bob".into(), "another user's"),
        ("that cannot be copied", |p| p.may_be_copied = false, "another thing than before"),
        ("with a newer challenge", |p| p.challenge = 7, "answered before"),
    ];
    for (what, edit, want) in edits {
        let mut have = kept("long");
        edit(&mut have.spec);
        let why = judge(&have, &sent).unwrap_err();
        assert!(why.contains(want), "{what}: {why}");
    }
    let mut have = have;
    have.spec.count = 1;
    assert!(judge(&have, &sent).unwrap_err().contains("less often"));
    have.spec.count = 0;
    for (what, bytes) in [("signature", 0), ("data", 1), ("browser's data", 2)] {
        let length = [&sent.signature, &sent.authenticator, &sent.client][bytes].len();
        for n in 0..length {
            let mut changed = sent.clone();
            [&mut changed.signature, &mut changed.authenticator, &mut changed.client][bytes][n] ^= 1;
            assert!(judge(&have, &changed).is_err(), "byte {n} of the {what}");
        }
    }
}

#[test]
fn a_browsers_data_is_what_its_ceremony_needs() {
    let plain = r#"{"type":"webauthn.create","challenge":"c","origin":"https://example.org"}"#;
    let with = |more: &str| plain.replace('}', &format!(",{more}}}"));
    let mut sent = registration("none");
    for (what, text, want) in [
        ("plain", plain.to_string(), "not verified"),
        ("more members", with(r#""other":{"a":[1]},"crossOrigin":false,"topOrigin":null"#), "not verified"),
        ("inside another page", with(r#""crossOrigin":true"#), "inside"),
        ("below another page", with(r#""topOrigin":"https://a.example""#), "inside"),
        ("no flag", with(r#""crossOrigin":"no""#), "cannot be read"),
        ("twice", with(r#""origin":"https://example.org""#), "cannot be read"),
        ("of a sign-in", plain.replace("create", "get"), "another ceremony"),
        ("without a challenge", plain.replace("challenge", "chall"), "cannot be read"),
        ("a number", plain.replace(r#""c""#, "7"), "cannot be read"),
        ("another page", plain.replace("example.org", "example.org.evil.cn"), "none of ours"),
        ("not by TLS", plain.replace("https", "http"), "none of ours"),
        ("no page", plain.replace("https://example.org", "null"), "none of ours"),
        ("no object", "[]".to_string(), "cannot be read"), ("nothing", String::new(), "cannot be read"),
        ("two", format!("{plain}{plain}"), "cannot be read"),
        ("deep", format!(r#"{{"a":{}"#, "[".repeat(2000)), "cannot be read"),
    ] {
        sent.client = text.into_bytes();
        let why = registered(&party(), &sent, good).unwrap_err();
        assert!(why.contains(want), "{what}: {why}");
    }
}

#[test]
fn keys_are_of_their_algorithm_and_good_for_something() {
    let n = |bytes: usize, first: &str, last: &str| {
        format!("{first}{}{last}", "55".repeat(bytes - first.len() / 2 - last.len() / 2))
    };
    let rsa = |n: &str, e: &str| format!("a401030339010020590{:03x}{n}214{}{e}", n.len() / 2, e.len() / 2);
    let ec = |x: &str, y: &str| format!("a5010203262001215820{x}225820{y}");
    let ed = |x: &str| format!("a4010103272006215820{x}");
    let good = "44e06ddd331c36a8dc667bab52bcae63486c916aa5e339e6acebaa84934bf832";
    let zeros = |last: usize| "00".repeat(last);
    for (what, text, want) in [
        ("es256", ec(X, Y), Ok(-7)),
        ("off the curve", ec(X, &Y.replace("51f5", "51f4")), Err("no point")),
        ("no point at all", ec(&"ff".repeat(32), &"ff".repeat(32)), Err("no point")),
        ("zero", ec(&zeros(32), &zeros(32)), Err("no point")),
        ("of another curve", ec(X, Y).replace("200121", "200221"), Err("cannot be read")),
        ("with another key type", ec(X, Y).replace("010203", "010103"), Err("cannot be read")),
        ("for es384", ec(X, Y).replace("0326", "033822"), Err("not offered")),
        ("a key in half", format!("a4010203262001215820{X}"), Err("cannot be read")),
        ("by its sign", format!("a5010203262001215820{X}22f5"), Err("cannot be read")),
        ("a long coordinate", format!("a501020326200121582100{X}225820{Y}"), Err("cannot be read")),
        ("a short one", format!("a5010203262001215820{X}22581f{}", &Y[2..]), Err("no point")),
        ("with another member", format!("a6010203262001215820{X}225820{Y}2301"), Err("cannot be read")),
        ("for one use", format!("a6010203260481022001215820{X}225820{Y}"), Err("cannot be read")),
        ("out of order", format!("a5032601022001215820{X}225820{Y}"), Err("cannot be read")),
        ("eddsa", ed(good), Ok(-8)),
        ("off its curve", ed(&format!("02{}", zeros(31))), Err("no point")),
        ("of order one", ed(&format!("01{}", zeros(31))), Err("no point")),
        ("of order four", ed(&zeros(32)), Err("no point")),
        ("of order two", ed(&format!("ec{}7f", "ff".repeat(30))), Err("no point")),
        ("of order eight", ed("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
            Err("no point")),
        ("of another edwards curve", ed(good).replace("2006", "2007"), Err("cannot be read")),
        ("a short edwards key", format!("a401010327200621581f{}", &good[2..]), Err("no point")),
        ("rs256", rsa(&n(256, "ff", "01"), "010001"), Ok(-257)),
        ("4096 bits", rsa(&n(512, "80", "01"), "03"), Ok(-257)),
        ("2047 bits", rsa(&n(256, "7f", "01"), "010001"), Err("too weak")),
        ("4097 bits", rsa(&n(513, "01", "01"), "010001"), Err("too weak")),
        ("an even modulus", rsa(&n(256, "ff", "02"), "010001"), Err("too weak")),
        ("zeros before", rsa(&n(257, "00ff", "01"), "010001"), Err("too weak")),
        ("e is 1", rsa(&n(256, "ff", "01"), "01"), Err("too weak")),
        ("e is even", rsa(&n(256, "ff", "01"), "010000"), Err("too weak")),
        ("e is long", rsa(&n(256, "ff", "01"), "0100000001"), Err("too weak")),
        ("e with zeros", rsa(&n(256, "ff", "01"), "0003"), Err("too weak")),
        ("no map", "80".to_string(), Err("cannot be read")),
        ("nothing", String::new(), Err("cannot be read")),
        ("empty", "a0".to_string(), Err("cannot be read")),
        ("another algorithm", "a2010103381d".to_string(), Err("not offered")),
    ] {
        match (Key::read(&hex(&text)), want) {
            (Ok((key, used)), Ok(number)) => {
                assert_eq!((key.algorithm().0, used * 2), (number, text.len()), "{what}");
            }
            (Err(why), Err(want)) => assert!(why.contains(want), "{what}: {why}"),
            (got, _) => panic!("{what}: {got:?}"),
        }
    }
}
