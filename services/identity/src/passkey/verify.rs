//! The checks of a relying party (WebAuthn, 7.1 and 7.2), pure: what came, what is known, and a way to
//! open challenges go in; what is to be kept, or why not, comes out.
//!
//! The reasons are for the journal, and for whoever enrols a key of their own. Whoever signs in is told
//! none of them.

use super::authenticator::Said;
use super::cbor::{self, Item};
use super::cose::Key;
use super::sent::{Assertion, Registration};
use super::{Passkey, RelyingParty, Used, handle};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_engine::Have;
use jinyun_kms::Kms;
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What a browser says of a ceremony (WebAuthn, 5.8.1). Others of its members may be added with time. A
/// member that comes twice is refused by the reader.
#[derive(Deserialize)]
struct Client {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross: Option<bool>,
    #[serde(rename = "topOrigin", default)]
    top: Option<IgnoredAny>,
}

/// A key that may be kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Made {
    /// The key, base64url of COSE.
    pub key: String,
    /// Its algorithm.
    pub algorithm: &'static str,
    /// How often it has signed.
    pub count: i64,
    /// It may be copied to other devices.
    pub may_be_copied: bool,
    /// It was.
    pub backed_up: bool,
    /// When its challenge was issued, microseconds.
    pub challenge: i64,
}

/// The challenge that a browser has answered at one of our pages, in the ceremony that it was for.
fn client(party: &RelyingParty, json: &[u8], kind: &str) -> Result<String, &'static str> {
    let said: Client =
        serde_json::from_slice(json).map_err(|_| "the browser's data cannot be read")?;
    if said.kind != kind {
        return Err("the browser's data is of another ceremony");
    }
    if said.cross == Some(true) || said.top.is_some() {
        return Err("the page was inside a page of another site");
    }
    if !party.origins.contains(&said.origin) {
        return Err("the page is none of ours");
    }
    Ok(said.challenge)
}

/// What an authenticator says, if it is for us and about its owner.
fn said<'a>(party: &RelyingParty, bytes: &'a [u8]) -> Result<Said<'a>, &'static str> {
    let said = Said::read(bytes)?;
    if said.party != Kms::sha256(party.id.as_bytes()) {
        return Err("the passkey was asked for by another relying party");
    }
    if !said.present() {
        return Err("nobody was at the authenticator");
    }
    if !said.verified() {
        return Err("the authenticator has not verified its user");
    }
    if said.is_copied() && !said.may_be_copied() {
        return Err("the authenticator says that its key is copied and that it cannot be");
    }
    Ok(said)
}

/// Checks an enrolment. `open` says when a challenge was issued.
pub(crate) fn registered(party: &RelyingParty, sent: &Registration,
    open: impl Fn(&str) -> Result<i64, &'static str>) -> Result<Made, &'static str> {
    const BAD: &str = "the attestation object cannot be read";
    let challenge = open(&client(party, &sent.client, "webauthn.create")?)?;
    let object = cbor::whole(&sent.attestation).ok_or(BAD)?;
    let Item::Map(members) = &object else { return Err(BAD) };
    let (format, statement, data) = match &members[..] {
        [(Item::Text("fmt"), Item::Text(format)), (Item::Text("attStmt"), Item::Map(statement)),
            (Item::Text("authData"), Item::Bytes(data))] => (*format, statement, *data),
        _ => return Err(BAD),
    };
    let said = said(party, data)?;
    let new = said.new.as_ref().ok_or("the authenticator has made no key")?;
    if URL_SAFE_NO_PAD.encode(new.id) != sent.id {
        return Err("the id is not that of the key");
    }
    match (format, &statement[..]) {
        ("none", []) => {}
        // By the new key itself: no attestation of anybody, and a proof that the key signs.
        ("packed", [(Item::Text("alg"), Item::Int(number)), (Item::Text("sig"), Item::Bytes(sig))]) => {
            let signed = [data, &Kms::sha256(&sent.client)].concat();
            if *number != new.key.algorithm().0 || !new.key.made(sig, &signed) {
                return Err("the signature is not by the new key");
            }
        }
        _ => return Err("there is an attestation, which is not asked for and not believed"),
    }
    Ok(Made {
        key: URL_SAFE_NO_PAD.encode(new.cose),
        algorithm: new.key.algorithm().1,
        count: i64::from(said.count),
        may_be_copied: said.may_be_copied(),
        backed_up: said.is_copied(),
        challenge,
    })
}

/// The key of a passkey.
fn kept(have: &Have<Passkey>) -> Result<Key, &'static str> {
    let cose = URL_SAFE_NO_PAD.decode(&have.spec.key).map_err(|_| "the public key cannot be read")?;
    Key::read(&cose).map(|(key, _)| key)
}

/// Checks a sign-in with a passkey that is there, or does the same work where there is none. All of it is
/// done before any of it is judged: how long it takes tells neither what is wrong nor whether there is
/// such a passkey.
pub(crate) fn asserted(party: &RelyingParty, have: Option<&Have<Passkey>>, sent: &Assertion,
    open: impl Fn(&str) -> Result<i64, &'static str>) -> Result<Used, &'static str> {
    let signed = [&sent.authenticator[..], &Kms::sha256(&sent.client)].concat();
    let (key, nobody) = (have.map(kept), Key::nobody());
    let signer = match &key {
        Some(Ok(key)) => key,
        _ => &nobody,
    };
    let made = signer.made(&sent.signature, &signed);
    let challenge = client(party, &sent.client, "webauthn.get").and_then(|text| open(&text));
    let said = said(party, &sent.authenticator);
    let (Some(have), Some(key)) = (have, key) else { return Err("there is no such passkey") };
    let (spec, challenge, said) = (&have.spec, challenge?, said?);
    if said.new.is_some() {
        return Err("the authenticator has made a key in place of using one");
    }
    // Whoever signs in has named nobody: the authenticator has to.
    let user = sent.user.as_ref().ok_or("the passkey does not say whose it is")?;
    if *user != handle(&spec.user) {
        return Err("the passkey is another user's");
    }
    key?;
    if !made {
        return Err("the signature is not by the passkey");
    }
    if said.may_be_copied() != spec.may_be_copied {
        return Err("the authenticator says another thing than before of whether its key can be copied");
    }
    let used = Used {
        passkey: have.id.clone(),
        challenge,
        count: i64::from(said.count),
        backed_up: said.is_copied(),
    };
    used.follows(spec)?;
    Ok(used)
}
