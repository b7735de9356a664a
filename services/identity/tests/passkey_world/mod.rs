//! An authenticator that is made here, and what a browser makes of its answers.

#![allow(dead_code)]

use crate::login_world::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer;
use jinyun_identity::RelyingParty;
use jinyun_kms::Kms;
use serde_json::{Value, json};

pub const PARTY: &str = "cloud.bank.cn";
pub const TENANTS: &str = "https://cloud.bank.cn:8443";
pub const STAFF: &str = "https://cloud.bank.cn:8444";
pub const MANY: &str = "/v3/OS-JINYUN/passkeys";
/// Somebody is there, and it is the owner.
pub const OWNER: u8 = 5;

pub fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn bytes(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

pub fn world(name: &str) -> World {
    let w = World::new(name);
    let origins = vec![TENANTS.to_string(), STAFF.to_string()];
    w.identity.rely_on(RelyingParty { id: PARTY.into(), name: "Jinyun".into(), origins });
    w
}

/// Who signs.
pub enum Hand {
    Es(EcdsaKeyPair),
    Ed(ed25519_dalek::SigningKey),
    Rs(RsaKeyPair),
}

impl Hand {
    pub fn es() -> Hand {
        Hand::Es(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub fn rs() -> Hand {
        Hand::Rs(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// The public key, as authenticators write it.
    pub fn cose(&self) -> Vec<u8> {
        match self {
            Hand::Es(pair) => {
                let point = pair.public_key().as_ref();
                let head = [0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32];
                [&head[..], &point[1..33], &[0x22, 0x58, 32], &point[33..]].concat()
            }
            Hand::Ed(key) => {
                let head = [0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32];
                [&head[..], key.verifying_key().as_bytes()].concat()
            }
            Hand::Rs(pair) => {
                // PKCS #1: a sequence of the modulus (a zero before it) and 65537.
                let der = pair.public_key().as_ref();
                assert_eq!((der.len(), &der[265..]), (270, &[2, 3, 1, 0, 1][..]));
                let head = [0xa4, 1, 3, 3, 0x39, 1, 0, 0x20, 0x59, 1, 0];
                [&head[..], &der[9..265], &[0x21, 0x43, 1, 0, 1]].concat()
            }
        }
    }

    pub fn sign(&self, text: &[u8]) -> Vec<u8> {
        let dice = SystemRandom::new();
        match self {
            Hand::Es(pair) => pair.sign(&dice, text).unwrap().as_ref().to_vec(),
            Hand::Ed(key) => key.sign(text).to_bytes().to_vec(),
            Hand::Rs(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &dice, text, &mut signature).unwrap();
                signature
            }
        }
    }
}

/// A passkey, as its authenticator has it.
pub struct Key {
    pub hand: Hand,
    pub id: Vec<u8>,
    pub handle: Vec<u8>,
    pub flags: u8,
}

impl Key {
    pub fn new(hand: Hand, name: &str) -> Key {
        Key { hand, id: Kms::sha256(name.as_bytes()), handle: Vec::new(), flags: OWNER }
    }
}

/// An answer before it is signed.
#[derive(Clone)]
pub struct Draft {
    pub kind: &'static str,
    pub challenge: String,
    pub origin: String,
    pub more: &'static str,
    pub party: String,
    pub flags: u8,
    pub count: u32,
    pub tail: Vec<u8>,
    pub handle: Option<Vec<u8>>,
}

impl Draft {
    pub fn client(&self) -> String {
        let Draft { kind, challenge, origin, more, .. } = self;
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}"{more}}}"#)
    }

    pub fn data(&self) -> Vec<u8> {
        let hash = Kms::sha256(self.party.as_bytes());
        [&hash[..], &[self.flags], &self.count.to_be_bytes(), &self.tail].concat()
    }

    /// As a browser gives it to a page.
    pub fn signed(&self, key: &Key) -> Value {
        let (client, data) = (self.client(), self.data());
        let signature = key.hand.sign(&[data.clone(), Kms::sha256(client.as_bytes())].concat());
        json!({
            "id": text(&key.id), "rawId": text(&key.id), "type": "public-key",
            "authenticatorAttachment": "platform", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": text(client), "authenticatorData": text(data),
                "signature": text(signature), "userHandle": self.handle.as_ref().map(text),
            },
        })
    }
}

pub fn challenge(w: &World) -> String {
    let got = w.send(Via::default(), "POST", &format!("{MANY}/challenge"), json!({}));
    assert_eq!(got.status, 200, "{got:?}");
    let options = &got.body["passkey_challenge"]["publicKey"];
    assert_eq!(options["allowCredentials"], json!([]), "nobody learns who there is");
    assert_eq!((&options["rpId"], &options["userVerification"]), (&json!(PARTY), &json!("required")));
    options["challenge"].as_str().unwrap().to_string()
}

/// For the management listener, by which requests come if nothing else is said.
pub fn draft(w: &World, key: &Key) -> Draft {
    Draft {
        kind: "webauthn.get", challenge: challenge(w), origin: STAFF.into(), more: "",
        party: PARTY.into(), flags: key.flags, count: 0, tail: Vec::new(),
        handle: Some(key.handle.clone()),
    }
}

pub fn knock(w: &World, credential: &Value, scope: Value) -> Answer {
    w.sign(Via::default(), &[("passkey", json!({ "credential": credential }))], scope)
}

/// Signs in with a fresh answer.
pub fn sign_in(w: &World, key: &Key) -> Answer {
    knock(w, &draft(w, key).signed(key), Value::Null)
}

pub fn options(w: &World, token: &str) -> Answer {
    w.send(with(token), "POST", &format!("{MANY}/options"), json!({}))
}

/// The answer of an authenticator that makes a key.
pub fn made(key: &Key, draft: &Draft) -> Value {
    let length = u16::try_from(key.id.len()).unwrap().to_be_bytes();
    let tail = [&[0u8; 16][..], &length, &key.id, &key.hand.cose()].concat();
    let draft = Draft { kind: "webauthn.create", flags: draft.flags | 0x40, tail, ..draft.clone() };
    let data = draft.data();
    let size = u16::try_from(data.len()).unwrap().to_be_bytes();
    let head = match data.len() {
        0..=255 => vec![0x58, size[1]],
        _ => vec![0x59, size[0], size[1]],
    };
    let object = [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData".as_slice(), &head, &data].concat();
    json!({
        "id": text(&key.id), "rawId": text(&key.id), "type": "public-key",
        "clientExtensionResults": { "credProps": { "rk": true } },
        "response": {
            "clientDataJSON": text(draft.client()), "attestationObject": text(object),
            "transports": ["internal"],
        },
    })
}

pub fn send_made(w: &World, token: &str, name: &str, credential: &Value) -> Answer {
    let body = json!({ "passkey": { "name": name, "credential": credential } });
    w.send(with(token), "POST", MANY, body)
}

/// A draft for an enrolment by the caller, whom the key then knows.
pub fn invited(w: &World, token: &str, key: &mut Key) -> Draft {
    let got = options(w, token);
    assert_eq!(got.status, 200, "{got:?}");
    let options = &got.body["passkey_options"]["publicKey"];
    key.handle = bytes(&options["user"]["id"]);
    let challenge = options["challenge"].as_str().unwrap().to_string();
    Draft { challenge, ..draft(w, key) }
}

pub fn enrol(w: &World, token: &str, key: &mut Key) -> Answer {
    let draft = invited(w, token, key);
    send_made(w, token, "my key", &made(key, &draft))
}

/// Why the last sign-in was refused.
pub fn why(w: &World) -> String {
    let entries = w.journal("identity:token:create");
    let last = entries.iter().rfind(|e| e["outcome"] == "refused").unwrap();
    last["reason"]["message"].as_str().unwrap().to_string()
}

/// A world with ann of the bank, who has a passkey. Also her token, the bank and its manager's token.
pub fn ann(name: &str) -> (World, Key, String, String, String) {
    let w = world(name);
    let (bank, boss) = w.institution("bank");
    w.person(&boss, "ann");
    let token = w.ann(&bank, NEW).token;
    let mut key = Key::new(Hand::es(), "ann's");
    let got = enrol(&w, &token, &mut key);
    assert_eq!(got.status, 201, "{got:?}");
    (w, key, token, bank, boss)
}

pub fn change(credential: &mut Value, name: &str, edit: fn(&mut Vec<u8>)) {
    let member = &mut credential["response"][name];
    let mut old = bytes(member);
    edit(&mut old);
    *member = text(old).into();
}
