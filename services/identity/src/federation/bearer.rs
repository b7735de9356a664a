//! A token of an issuer: whether it is one, for this cloud, and now.
//!
//! Problem: the format (JWS, RFC 7515) lets the token itself say how it is to be checked, and most
//! holes of the last years were checkers that listened. Mechanism: the key decides (see
//! `jwks::Key::algorithm`), members that change the meaning of a token are refused where they are
//! not known (`crit`, another `typ`), and a member that stands there twice is refused whoever would
//! win. The library checks signatures and nothing else: what claims mean, and what time it is, is
//! decided here, with the clock that everything here goes by.
//!
//! Access tokens and ID tokens are taken alike: what tells them apart is for whom they were made
//! (`aud`), and that is what the manager has to name.

use super::jwks;
use super::provider::ProviderSpec;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::{Time, limits};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Longest token.
const LONGEST: usize = 16 * 1024;
/// How far clocks may be apart, in seconds.
pub(super) const LEEWAY: i64 = 60;
/// Longest life of a token, in seconds.
const LIFE: i64 = 24 * 3600;
/// The sorts of token that are taken: ID tokens (and what most issuers write in any), and access
/// tokens (RFC 9068).
const SORTS: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// JSON of which no object has a member twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Strict, D::Error> {
        from.deserialize_any(Look).map(Strict)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without members that are there twice")
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if all.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is there twice"));
            }
        }
        Ok(all.into())
    }
}

/// A part of a token that is an object.
fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    match serde_json::from_slice::<Strict>(&bytes).ok()?.0 {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

/// What a token says, if it is the issuer's, for this cloud and in force. If not, why: for the
/// journal, without anything of the token's own.
pub(crate) fn claims(token: &str, provider: &ProviderSpec, now: Time)
    -> Result<Map<String, Value>, &'static str> {
    if token.len() > LONGEST {
        return Err("the token is too long");
    }
    let parts: Vec<&str> = token.split('.').collect();
    let (header, payload, signature) = match parts[..] {
        [h, p, s] if !h.is_empty() && !p.is_empty() => (h, p, s),
        [_, _, _, _, _] => return Err("the token is encrypted, which is not offered"),
        _ => return Err("the token is opaque: only signed JWTs are taken"),
    };
    let head = object(header).ok_or("the token's header cannot be read, or has a member twice")?;
    let algorithm = signed_with(&head)?;
    let kid = match head.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.as_str()),
        Some(_) => return Err("the token's kid is no text"),
    };
    let key = jwks::find(&provider.jwks, kid)?;
    // The first two parts as they came.
    let signed = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();
    if !key.made(signature, signed, algorithm) {
        return Err("the token's signature is not by the provider's key, or not of its sort");
    }
    let claims = object(payload).ok_or("the token's claims cannot be read, or one is there twice")?;
    check(&claims, provider, now)?;
    Ok(claims)
}

/// The algorithm that a header names, if nothing else in it changes what the token means.
fn signed_with(head: &Map<String, Value>) -> Result<&str, &'static str> {
    if head.contains_key("crit") || head.contains_key("b64") || head.contains_key("zip") {
        return Err("the token's header asks for something that is not offered");
    }
    let sort = |v: &Value| v.as_str().is_some_and(|s| SORTS.contains(&s.to_ascii_lowercase().as_str()));
    if head.get("typ").is_some_and(|v| !sort(v)) {
        return Err("the token is of another sort than ID tokens and access tokens");
    }
    match head.get("alg").and_then(Value::as_str) {
        None => Err("the token does not say how it is signed"),
        Some(name) if name.eq_ignore_ascii_case("none") => Err("the token is not signed"),
        Some(name) if name.to_ascii_uppercase().starts_with("HS") => {
            Err("the token is signed with a shared secret, which the provider's keys are not")
        }
        Some(name) => Ok(name),
    }
}

/// A time in a token, in seconds; parts of a second do not count.
pub(super) fn seconds(claims: &Map<String, Value>, name: &str)
    -> Result<Option<i64>, &'static str> {
    const WRONG: &str = "a time in the token cannot be read";
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(n)) => match (n.as_i64(), n.as_f64()) {
            // Some thousand years, either way: sums of two do not overflow.
            (Some(n), _) if n.unsigned_abs() < 1 << 40 => Ok(Some(n)),
            (None, Some(n)) if n.abs() < (1i64 << 40) as f64 => Ok(Some(n.floor() as i64)),
            _ => Err(WRONG),
        },
        Some(_) => Err(WRONG),
    }
}

fn check(claims: &Map<String, Value>, provider: &ProviderSpec, now: Time)
    -> Result<(), &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let issuer = provider.issued_by().ok_or("the provider has no issuer: set remote_ids")?;
    if text("iss") != Some(issuer) {
        return Err("the token is by another issuer");
    }
    if provider.audiences.is_empty() {
        return Err("the provider takes no audience: set jinyun:audiences");
    }
    let known = |v: &Value| v.as_str().is_some_and(|a| provider.audiences.iter().any(|k| k == a));
    let ours = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().any(known),
        Some(one) => known(one),
        None => false,
    };
    if !ours {
        return Err("the token was made for another audience");
    }
    let at = now.0.div_euclid(Time::SECOND);
    let end = seconds(claims, "exp")?.ok_or("the token has no end")?;
    let made = seconds(claims, "iat")?.ok_or("the token does not say when it was made")?;
    let from = seconds(claims, "nbf")?.unwrap_or(made);
    if end + LEEWAY <= at {
        return Err("the token has expired");
    }
    if from - LEEWAY > at || made - LEEWAY > at {
        return Err("the token is not in force yet");
    }
    if end - made > LIFE || end < made {
        return Err("the token's life is longer than a day, or less than none");
    }
    match text("sub") {
        Some(sub) if !sub.is_empty() && sub.len() <= limits::NAME
            && !sub.chars().any(char::is_control) => Ok(()),
        _ => Err("the token does not say whom it is about"),
    }
}

fn moment(claims: &Map<String, Value>, name: &str) -> Time {
    let at = seconds(claims, name).ok().flatten().unwrap_or_default();
    Time(at.saturating_mul(Time::SECOND))
}

/// When a token ends, as the issuer says.
pub(crate) fn end(claims: &Map<String, Value>) -> Time {
    moment(claims, "exp")
}

/// When a token was made, as the issuer says.
pub(crate) fn made(claims: &Map<String, Value>) -> Time {
    moment(claims, "iat")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_member_that_is_there_twice_makes_no_object() {
        let read = |text: &str| object(&URL_SAFE_NO_PAD.encode(text));
        for (text, want) in [(r#"{"a":1,"b":[true,null,-2,1.5,"x",{"c":{}}]}"#, true),
            (r#"{"a":1,"a":1}"#, false), (r#"{"a":{"b":1,"b":2}}"#, false),
            (r#"{"a":[{"b":1,"b":2}]}"#, false), (r#"{"a":1,"\u0061":2}"#, false), ("[]", false),
            ("7", false), ("{", false), ("{} {}", false)] {
            assert_eq!(read(text).is_some(), want, "{text}");
            if want {
                let plain: Value = serde_json::from_str(text).unwrap();
                assert_eq!(Value::Object(read(text).unwrap()), plain);
            }
        }
        assert!(object("e30=").is_none() && object("e30").is_some() && object("").is_none());
    }

    #[test]
    fn a_header_changes_nothing() {
        let said = |head: Value| signed_with(head.as_object().unwrap()).map(String::from);
        assert_eq!(said(json!({ "alg": "RS256" })), Ok("RS256".into()));
        assert_eq!(said(json!({ "alg": "ES256", "typ": "at+JWT", "kid": "a" })), Ok("ES256".into()));
        assert_eq!(said(json!({ "alg": "ES256", "typ": "JWT", "jku": "https://x" })), Ok("ES256".into()));
        for (head, why) in [(json!({}), "does not say how"), (json!({ "alg": 7 }), "does not say how"),
            (json!({ "alg": "none" }), "not signed"), (json!({ "alg": "nOnE" }), "not signed"),
            (json!({ "alg": "HS256" }), "shared secret"), (json!({ "alg": "hs512" }), "shared secret"),
            (json!({ "alg": "RS256", "crit": [] }), "not offered"),
            (json!({ "alg": "RS256", "b64": false }), "not offered"),
            (json!({ "alg": "RS256", "typ": "logout+jwt" }), "another sort"),
            (json!({ "alg": "RS256", "typ": "dpop+jwt" }), "another sort"),
            (json!({ "alg": "RS256", "typ": 1 }), "another sort")] {
            let said = said(head.clone()).unwrap_err();
            assert!(said.contains(why), "{head}: {said}");
        }
    }

    #[test]
    fn claims_say_who_for_whom_and_when() {
        let provider = ProviderSpec {
            domain: "bank".into(), description: None, enabled: true,
            remote_ids: vec!["https://a".into(), "https://b".into()], authorization_ttl: None,
            issuer: None, audiences: vec!["cloud".into(), "cli".into()], jwks: Vec::new(),
            multi_factor: None, made: 0, tokens_since: 0,
        };
        let good = json!({ "iss": "https://a", "aud": "cloud", "sub": "7", "iat": 1000, "exp": 2000 });
        let now = Time(1500 * Time::SECOND);
        let with = |name: &str, value: Value| {
            let mut all = good.clone();
            match value {
                Value::Null => drop(all.as_object_mut().unwrap().remove(name)),
                value => all[name] = value,
            }
            check(all.as_object().unwrap(), &provider, now)
        };
        for (name, value) in [("aud", json!("cli")), ("aud", json!(["x", "cloud"])), ("nbf", json!(1560)),
            ("iat", json!(1560)), ("exp", json!(1441)), ("exp", json!(2000.9)),
            ("exp", json!(1000 + LIFE)), ("sub", json!("x".repeat(255))), ("email", json!("a@b"))] {
            assert_eq!(with(name, value.clone()), Ok(()), "{name} {value}");
        }
        for (name, value, why) in [
            ("iss", json!("https://b"), "another issuer"), ("iss", Value::Null, "another issuer"),
            ("iss", json!("https://a/"), "another issuer"), ("iss", json!(["https://a"]), "another issuer"),
            ("aud", json!("other"), "audience"), ("aud", Value::Null, "audience"),
            ("aud", json!([]), "audience"), ("aud", json!({ "cloud": 1 }), "audience"),
            ("exp", Value::Null, "no end"), ("exp", json!("2000"), "cannot be read"),
            ("exp", json!(1e300), "cannot be read"), ("exp", json!(i64::MAX), "cannot be read"),
            ("exp", json!(1440), "expired"), ("exp", json!(1001 + LIFE), "longer than a day"),
            ("nbf", json!(1561), "not in force"), ("nbf", json!(true), "cannot be read"),
            ("iat", Value::Null, "when it was made"), ("iat", json!(1561), "not in force"),
            ("sub", Value::Null, "whom"), ("sub", json!(""), "whom"), ("sub", json!(7), "whom"),
            ("sub", json!("a\nb"), "whom"), ("sub", json!("x".repeat(256)), "whom"),
        ] {
            let said = with(name, value.clone()).unwrap_err();
            assert!(said.contains(why), "{name} {value}: {said}");
        }
        let named = ProviderSpec { issuer: Some("https://b".into()), ..provider.clone() };
        assert!(check(good.as_object().unwrap(), &named, now).is_err(), "the one that is set");
        let nobody = ProviderSpec { audiences: Vec::new(), ..provider.clone() };
        assert!(check(good.as_object().unwrap(), &nobody, now).unwrap_err().contains("audience"));
        let unknown = ProviderSpec { remote_ids: Vec::new(), ..provider.clone() };
        assert!(check(good.as_object().unwrap(), &unknown, now).unwrap_err().contains("issuer"));
        assert_eq!(end(good.as_object().unwrap()), Time(2000 * Time::SECOND));
        assert_eq!(made(good.as_object().unwrap()), Time(1000 * Time::SECOND));
    }
}
