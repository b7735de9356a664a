//! The public keys of an issuer, as it publishes them: a JWK Set (RFC 7517).
//!
//! What is kept is what a signature is checked with, and nothing else. A private or symmetric key in
//! the set is refused with its reason and not passed over: whoever sends one has copied the wrong
//! file, and its key has to be replaced. Keys that are not for signatures, or of a sort that is not
//! known here, are passed over as the RFC has it; what was kept is in the answer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::{Refusal, check_name};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The member of a provider that holds them.
pub(crate) const NAME: &str = "jinyun:jwks";
/// Keys that are kept at most.
const KEYS: usize = 16;
/// Keys that are looked at.
const LOOKED_AT: usize = 64;
/// Bits of an RSA modulus.
const RSA: std::ops::RangeInclusive<usize> = 2048..=8192;
/// Members that only a private or a symmetric key has.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key. Which members there are depends on `kty`, as in the RFC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    pub kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

fn wrong(say: impl std::fmt::Display) -> Refusal {
    Refusal::invalid(NAME, say)
}

/// A member's text; none if it is not there.
fn text(key: &Map<String, Value>, name: &'static str) -> Result<Option<String>, Refusal> {
    match key.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(format!("holds a key whose {name} is no string"))),
    }
}

/// The bytes of a member.
fn bytes(value: Option<&String>, name: &str) -> Result<Vec<u8>, Refusal> {
    let say = || wrong(format!("holds a key whose {name} is missing or is not base64url"));
    URL_SAFE_NO_PAD.decode(value.ok_or_else(say)?).map_err(|_| say())
}

/// Whether a key of the set is for anything but signatures.
fn is_for_signatures(key: &Map<String, Value>) -> bool {
    let uses = key.get("use").and_then(Value::as_str).is_none_or(|u| u == "sig");
    let verify = |ops: &Vec<Value>| ops.iter().any(|o| o == "verify");
    uses && key.get("key_ops").and_then(Value::as_array).is_none_or(verify)
}

impl Key {
    /// Whether it is the same key, whatever it is called.
    pub fn is_the_same(&self, other: &Key) -> bool {
        self.kty == other.kty && self.crv == other.crv && self.n == other.n && self.e == other.e
            && self.x == other.x && self.y == other.y
    }

    /// One key of a set; none for one that is passed over.
    fn read(key: &Map<String, Value>) -> Result<Option<Key>, Refusal> {
        if let Some(name) = PRIVATE.iter().find(|name| key.contains_key(**name)) {
            return Err(wrong(format!(
                "holds a private or a symmetric key (it has the member {name}): send the public keys \
                 only, and replace that key at the provider, for it has left it"
            )));
        }
        let read = Key {
            kty: text(key, "kty")?.ok_or_else(|| wrong("holds a key without kty"))?,
            kid: text(key, "kid")?,
            alg: text(key, "alg")?,
            crv: text(key, "crv")?,
            n: None,
            e: None,
            x: None,
            y: None,
        };
        let read = match (read.kty.as_str(), read.crv.as_deref()) {
            ("oct", _) => return Err(wrong("holds a symmetric key: send public keys only")),
            ("RSA", _) => Key { crv: None, n: text(key, "n")?, e: text(key, "e")?, ..read },
            ("EC", Some("P-256" | "P-384")) => Key { x: text(key, "x")?, y: text(key, "y")?, ..read },
            ("OKP", Some("Ed25519")) => Key { x: text(key, "x")?, ..read },
            _ => return Ok(None),
        };
        // An algorithm that is not offered here: another key of the set may have one that is.
        let offered = read.alg.as_deref().is_none_or(|a| {
            read.algorithms().iter().any(|(name, _)| *name == a)
        });
        if !is_for_signatures(key) || !offered {
            return Ok(None);
        }
        read.check()?;
        Ok(Some(read))
    }

    /// Refuses a key that is too weak, or none at all.
    fn check(&self) -> Result<(), Refusal> {
        if let Some(kid) = &self.kid {
            check_name("kid", kid)?;
        }
        let length = |value: &Option<String>, name: &str, want: usize| {
            match bytes(value.as_ref(), name)?.len() == want {
                true => Ok(()),
                false => Err(wrong(format!("holds a key whose {name} has not {want} bytes"))),
            }
        };
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (bytes(self.n.as_ref(), "n")?, bytes(self.e.as_ref(), "e")?);
                let n: Vec<u8> = n.into_iter().skip_while(|b| *b == 0).collect();
                let bits = n.len() * 8 - n.first().map_or(0, |b| b.leading_zeros() as usize);
                if !RSA.contains(&bits) {
                    let say = "holds an RSA key with a modulus of other than 2048 to 8192 bits";
                    return Err(wrong(say));
                }
                // 1 would make every text its own signature.
                let e = e.iter().try_fold(0u64, |all, b| all.checked_mul(256).map(|a| a + u64::from(*b)));
                if !e.is_some_and(|e| e % 2 == 1 && (3..1 << 32).contains(&e)) {
                    return Err(wrong("holds an RSA key with a bad exponent"));
                }
                Ok(())
            }
            ("EC", Some("P-256")) => length(&self.x, "x", 32).and_then(|()| length(&self.y, "y", 32)),
            ("EC", Some("P-384")) => length(&self.x, "x", 48).and_then(|()| length(&self.y, "y", 48)),
            ("OKP", Some("Ed25519")) => length(&self.x, "x", 32),
            _ => Err(wrong("holds a key of a sort that is not known")),
        }
    }

    /// The algorithms that a key of this sort can be used with.
    fn algorithms(&self) -> &'static [(&'static str, Algorithm)] {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => &[("RS256", Algorithm::RS256), ("RS384", Algorithm::RS384),
                ("RS512", Algorithm::RS512), ("PS256", Algorithm::PS256),
                ("PS384", Algorithm::PS384), ("PS512", Algorithm::PS512)],
            ("EC", Some("P-256")) => &[("ES256", Algorithm::ES256)],
            ("EC", Some("P-384")) => &[("ES384", Algorithm::ES384)],
            ("OKP", Some("Ed25519")) => &[("EdDSA", Algorithm::EdDSA)],
            _ => &[],
        }
    }

    /// The algorithm of this name, if the key is for it: the key says what a signature is checked
    /// with, never the token alone.
    fn algorithm(&self, name: &str) -> Option<Algorithm> {
        if self.alg.as_deref().is_some_and(|own| own != name) {
            return None;
        }
        self.algorithms().iter().find(|(n, _)| *n == name).map(|(_, algorithm)| *algorithm)
    }

    fn decoding(&self) -> Option<DecodingKey> {
        let part = |value: &'_ Option<String>| value.clone().unwrap_or_default();
        match self.kty.as_str() {
            "RSA" => DecodingKey::from_rsa_components(&part(&self.n), &part(&self.e)).ok(),
            "EC" => DecodingKey::from_ec_components(&part(&self.x), &part(&self.y)).ok(),
            "OKP" => DecodingKey::from_ed_components(&part(&self.x)).ok(),
            _ => None,
        }
    }

    /// Whether this key has made the signature of a text.
    pub fn made(&self, signature: &str, text: &str, algorithm: &str) -> bool {
        let (Some(algorithm), Some(key)) = (self.algorithm(algorithm), self.decoding()) else {
            return false;
        };
        jsonwebtoken::crypto::verify(signature, text.as_bytes(), &key, algorithm).unwrap_or(false)
    }
}

/// The keys of a set that somebody sends.
pub(crate) fn read(set: &Value) -> Result<Vec<Key>, Refusal> {
    let say = "must be a JWK Set: an object with the member keys, a list";
    let items = set.get("keys").and_then(Value::as_array).ok_or_else(|| wrong(say))?;
    if items.len() > LOOKED_AT {
        return Err(wrong(format!("holds more than {LOOKED_AT} keys")));
    }
    let mut keys = Vec::new();
    for item in items {
        let members = item.as_object().ok_or_else(|| wrong("holds a key that is no object"))?;
        keys.extend(Key::read(members)?);
    }
    if keys.is_empty() && !items.is_empty() {
        return Err(wrong("holds no key for signatures by RSA, ECDSA on P-256 or P-384, or Ed25519"));
    }
    check(&keys)?;
    Ok(keys)
}

/// Refuses keys that cannot be told apart, are too many, or are not good.
pub(crate) fn check(keys: &[Key]) -> Result<(), Refusal> {
    if keys.len() > KEYS {
        return Err(wrong(format!("holds more than {KEYS} keys for signatures")));
    }
    for (n, key) in keys.iter().enumerate() {
        key.check()?;
        if keys[..n].iter().any(|k| k.kid == key.kid) {
            return Err(wrong("holds two keys with the same kid, or without one"));
        }
    }
    Ok(())
}

/// The key that a token names, or the only one there is.
pub(crate) fn find<'k>(keys: &'k [Key], kid: Option<&str>) -> Result<&'k Key, &'static str> {
    match (keys, kid) {
        ([], _) => Err("the provider has no keys"),
        ([only], None) => Ok(only),
        ([only], Some(_)) if only.kid.is_none() => Ok(only),
        (_, None) => Err("the token does not say which of the provider's keys has signed it"),
        (all, Some(_)) => {
            let key = all.iter().find(|k| k.kid.as_deref() == kid);
            key.ok_or("no key of the provider has the token's kid")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xff; bytes])
    }

    #[test]
    fn only_public_keys_that_are_strong_enough_are_taken() {
        let rsa = |n: usize, e: &str| json!({ "kty": "RSA", "n": of(n), "e": e });
        let ec = |crv: &str, n: usize| json!({ "kty": "EC", "crv": crv, "x": of(n), "y": of(n) });
        let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": of(32) });
        let with = |mut key: Value, name: &str, value: Value| {
            key[name] = value;
            key
        };
        let short = json!({ "kty": "RSA", "n": URL_SAFE_NO_PAD.encode(
            [&[0u8, 0x7f][..], &[0xff; 255][..]].concat()), "e": "AQAB" });
        let cases: Vec<(&str, Vec<Value>, Result<usize, &str>)> = vec![
            ("rsa", vec![rsa(256, "AQAB")], Ok(1)),
            ("e is 3", vec![rsa(256, "Aw")], Ok(1)),
            ("8192 bits", vec![rsa(1024, "AQAB")], Ok(1)),
            ("too long", vec![rsa(1025, "AQAB")], Err("2048 to 8192")),
            ("1024 bits", vec![rsa(128, "AQAB")], Err("2048 to 8192")),
            ("2047 bits", vec![short], Err("2048 to 8192")),
            ("e is 1", vec![rsa(256, "AQ")], Err("exponent")),
            ("e is even", vec![rsa(256, "BA")], Err("exponent")),
            ("e is long", vec![rsa(256, "AQAAAAAAAAAB")], Err("exponent")),
            ("no modulus", vec![json!({ "kty": "RSA", "e": "AQAB" })], Err("n is missing")),
            ("no base64", vec![with(rsa(256, "AQAB"), "n", json!("***"))], Err("base64url")),
            ("no text", vec![with(rsa(256, "AQAB"), "n", json!(7))], Err("no string")),
            ("p-256", vec![ec("P-256", 32)], Ok(1)),
            ("p-384", vec![ec("P-384", 48)], Ok(1)),
            ("a point of the other curve", vec![ec("P-256", 48)], Err("32 bytes")),
            ("p-521 alone", vec![ec("P-521", 66)], Err("no key for signatures")),
            ("p-521 beside", vec![ec("P-521", 66), ec("P-256", 32)], Ok(1)),
            ("ed25519", vec![ed.clone()], Ok(1)),
            ("for encryption", vec![with(ed.clone(), "use", json!("enc")), ec("P-256", 32)], Ok(1)),
            ("to sign with", vec![with(ed.clone(), "key_ops", json!(["sign"])), ec("P-256", 32)],
                Ok(1)),
            ("another algorithm", vec![with(rsa(256, "AQAB"), "alg", json!("RSA-OAEP")),
                ec("P-256", 32)], Ok(1)),
            ("private", vec![with(ed.clone(), "d", json!("AA"))], Err("private")),
            ("symmetric", vec![json!({ "kty": "oct", "k": "AA" })], Err("symmetric")),
            ("symmetric without k", vec![json!({ "kty": "oct" })], Err("symmetric")),
            ("no kty", vec![json!({})], Err("without kty")),
            ("no object", vec![json!("x")], Err("no object")),
            ("two without kid", vec![ed.clone(), ec("P-256", 32)], Err("same kid")),
            ("two with one kid", vec![with(ed.clone(), "kid", json!("a")),
                with(ec("P-256", 32), "kid", json!("a"))], Err("same kid")),
            ("two", vec![with(ed.clone(), "kid", json!("a")),
                with(ec("P-256", 32), "kid", json!("b"))], Ok(2)),
            ("many", (0..17).map(|n| with(ed.clone(), "kid", json!(n.to_string()))).collect(),
                Err("more than 16")),
            ("none", vec![], Ok(0)),
        ];
        for (what, keys, want) in cases {
            match (read(&json!({ "keys": keys })), want) {
                (Ok(keys), Ok(want)) => assert_eq!(keys.len(), want, "{what}"),
                (Err(said), Err(want)) => assert!(said.message.contains(want), "{what}: {said}"),
                (got, want) => panic!("{what}: {got:?}, not {want:?}"),
            }
        }
        for bad in [json!([]), json!({}), json!({ "keys": {} })] {
            assert!(read(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_key_decides_what_it_is_used_for() {
        let key = |kty: &str, crv: Option<&str>, alg: Option<&str>| Key {
            kty: kty.into(), kid: None, alg: alg.map(String::from), crv: crv.map(String::from),
            n: None, e: None, x: None, y: None,
        };
        let (rsa, ec) = (key("RSA", None, None), key("EC", Some("P-256"), None));
        let (bound, ed) = (key("RSA", None, Some("PS256")), key("OKP", Some("Ed25519"), None));
        for (key, name, want) in [(&rsa, "RS256", true), (&rsa, "PS512", true), (&rsa, "ES256", false),
            (&rsa, "HS256", false), (&rsa, "none", false), (&rsa, "rs256", false), (&ec, "ES256", true),
            (&ec, "ES384", false), (&ec, "RS256", false), (&ec, "HS256", false), (&ed, "EdDSA", true),
            (&ed, "ES256", false), (&bound, "PS256", true), (&bound, "RS256", false)] {
            assert_eq!(key.algorithm(name).is_some(), want, "{} {name}", key.kty);
        }
    }

    #[test]
    fn a_token_names_its_key_where_there_are_several() {
        let key = |kid: Option<&str>| Key {
            kty: "OKP".into(), kid: kid.map(String::from), alg: None, crv: Some("Ed25519".into()),
            n: None, e: None, x: Some(of(32)), y: None,
        };
        let (one, named) = (vec![key(None)], vec![key(Some("a"))]);
        let two = vec![key(Some("a")), key(Some("b"))];
        for (keys, kid, want) in [(&one, None, true), (&one, Some("x"), true), (&named, None, true),
            (&named, Some("a"), true), (&named, Some("b"), false), (&two, Some("b"), true),
            (&two, None, false), (&two, Some("c"), false), (&Vec::new(), None, false)] {
            assert_eq!(find(keys, kid).is_ok(), want, "{} keys, {kid:?}", keys.len());
        }
        assert_eq!(find(&two, Some("b")).unwrap().kid.as_deref(), Some("b"));
    }
}
