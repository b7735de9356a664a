//! Signing in with a passkey: by the key that was enrolled, once, at our page, by somebody whom the
//! authenticator has recognised, and by nothing else.
//!
//! The authenticator is a few lines here: it signs what a browser would hand it (WebAuthn Level 3, 6.1,
//! 6.5). A copy of the service over the same records asks for a site that nobody has, so that the trial
//! needs no name of this instance, and its clock is moved on, since a challenge is taken only if it is
//! newer than the last one. The institution asks for two factors meanwhile: a passkey alone has to do.
//! Each answer that must be refused differs from one that is taken in one thing.

use super::factors::FORBIDDEN;
use super::logins::{NO, Twin};
use super::{By, Came, Cast, Person, Play, Sent, in_project, sign_in};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use jinyun_base::{Entropy, OsEntropy};
use jinyun_identity::RelyingParty;
use jinyun_kms::Kms;
use jinyun_policy::Role;
use serde_json::{Value, json};

const CHECK: &str = "passkey-sign-in";
const PASSKEYS: &str = "/v3/OS-JINYUN/passkeys";
/// A site that nobody has, and its page.
const SITE: &str = "evidence.invalid";
const PAGE: &str = "https://evidence.invalid";
/// Somebody is there; the authenticator has recognised its owner; a key was made.
const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;
const MADE: u8 = 64;

/// A key for one site, as an authenticator keeps it.
struct Authenticator {
    pair: Ed25519KeyPair,
    id: [u8; 16],
    /// What it knows the user by, as it was told.
    user: String,
}

/// What is in an answer, and what may be wrong with it.
struct Answer<'a> {
    challenge: &'a str,
    page: &'a str,
    flags: u8,
}

impl<'a> Answer<'a> {
    fn good(challenge: &'a str) -> Answer<'a> {
        Answer { challenge, page: PAGE, flags: PRESENT | VERIFIED }
    }

    /// What the browser says.
    fn client(&self, kind: &str) -> String {
        json!({ "type": kind, "challenge": self.challenge, "origin": self.page, "crossOrigin": false })
            .to_string()
    }

    /// What the authenticator says.
    fn data(&self, more: &[u8]) -> Vec<u8> {
        let mut data = Kms::sha256(SITE.as_bytes());
        data.push(self.flags | if more.is_empty() { 0 } else { MADE });
        // It does not count.
        data.extend([0u8; 4]);
        data.extend(more);
        data
    }
}

impl Authenticator {
    fn new(user: &str) -> Result<Authenticator, String> {
        let (mut seed, mut id) = ([0u8; 32], [0u8; 16]);
        OsEntropy::default().fill(&mut seed);
        OsEntropy::default().fill(&mut id);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed);
        let pair = pair.map_err(|_| "the authenticator has made no key".to_string())?;
        Ok(Authenticator { pair, id, user: user.into() })
    }

    /// The new key: no model, its id, and the key as COSE writes it.
    fn key(&self) -> Vec<u8> {
        let mut key = vec![0u8; 16];
        key.extend([0u8, 16]);
        key.extend(self.id);
        // A map of four: sort 1 (OKP), algorithm -8 (EdDSA), curve 6 (Ed25519), 32 bytes.
        key.extend([0xa4u8, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32]);
        let public: &[u8] = self.pair.public_key().as_ref();
        key.extend(public);
        key
    }

    /// A credential as browsers write it.
    fn credential(&self, response: Value) -> Value {
        let id = B64.encode(self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response })
    }

    /// The answer to an enrolment: without an attestation, which nobody asks for.
    fn enrols(&self, answer: &Answer<'_>) -> Value {
        let data = answer.data(&self.key());
        // A map of three in CBOR; the data is longer than 23 bytes and shorter than 256.
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap_or_default());
        object.extend(data);
        let client = answer.client("webauthn.create");
        self.credential(json!({
            "clientDataJSON": B64.encode(client), "attestationObject": B64.encode(object),
        }))
    }

    /// The answer to a sign-in, by a key.
    fn signs(&self, answer: &Answer<'_>, by: &Ed25519KeyPair) -> Result<Value, String> {
        let (client, data) = (answer.client("webauthn.get"), answer.data(&[]));
        let signed = [&data[..], &Kms::sha256(client.as_bytes())].concat();
        let signature = by.try_sign(&signed).map_err(|_| "the authenticator did not sign".to_string())?;
        let signature: &[u8] = signature.as_ref();
        Ok(self.credential(json!({
            "clientDataJSON": B64.encode(client), "authenticatorData": B64.encode(data),
            "signature": B64.encode(signature), "userHandle": self.user,
        })))
    }
}

/// A page of the copy of the service.
struct Page {
    twin: Twin,
    scope: Value,
}

impl Page {
    /// A challenge for a sign-in, a second after whatever was before.
    fn challenge(&self, play: &mut Play<'_>) -> Result<String, String> {
        self.twin.moves(1);
        let path = format!("{PASSKEYS}/challenge");
        let came = self.twin.send(play, Sent::new("identity", "POST", path).with(json!({})));
        came.done("a challenge")?;
        came.text("/passkey_challenge/publicKey/challenge")
    }

    fn enter(&self, play: &mut Play<'_>, credential: &Value) -> Came {
        let identity =
            json!({ "methods": ["passkey"], "passkey": { "credential": credential } });
        self.twin.send(play, sign_in(identity, self.scope.clone()))
    }
}

/// Enrols a passkey and signs in with it while two factors are asked for.
pub(super) fn passkey(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let pat = play.person(&cast.boss, "pat")?;
    let project = play.scene.ground.theirs.clone();
    play.give(&cast.boss, &format!("/v3/projects/{project}"), &pat, Role::Member)?;
    play.rules(&cast.manager, json!({ "multi_factor": true }))?;
    // The copy knows the rules of now.
    let twin = Twin::new(play);
    play.rules(&cast.manager, json!({ "multi_factor": false }))?;
    let page = Page { twin: twin?, scope: in_project(&project) };
    page.twin.rely_on(RelyingParty {
        id: SITE.into(), name: "evidence".into(), origins: vec![PAGE.into()],
    });
    let key = enrol(play, &page, &pat)?;
    let challenge = page.challenge(play)?;
    let good = key.signs(&Answer::good(&challenge), &key.pair)?;
    let came = page.enter(play, &good);
    play.works(CHECK, "a passkey where two factors are asked for", &came);
    let came = page.enter(play, &good);
    play.stopped(CHECK, "the same answer of a passkey once more", &came, NO);
    forged(play, &page, &key)
}

/// A passkey by the password, where there is no second factor yet; and none more by the password alone.
fn enrol(play: &mut Play<'_>, page: &Page, pat: &Person) -> Result<Authenticator, String> {
    let by_password = |scope: Value| {
        let user = json!({ "user": { "id": pat.id, "password": pat.password } });
        sign_in(json!({ "methods": ["password"], "password": user }), scope)
    };
    let came = page.twin.send(play, by_password(page.scope.clone()));
    play.stopped(CHECK, "the password alone, before there is a passkey", &came, NO);
    let came = page.twin.send(play, by_password("unscoped".into()));
    play.works(CHECK, "the password alone, to make a passkey", &came);
    let session = By::Token(came.token);
    let path = format!("{PASSKEYS}/options");
    let ask = || Sent::new("identity", "POST", path.as_str()).by(&session).with(json!({}));
    let options = page.twin.send(play, ask());
    options.done("what a browser needs for a passkey")?;
    let text = |name: &str| options.text(&format!("/passkey_options/publicKey/{name}"));
    let key = Authenticator::new(&text("user/id")?)?;
    let challenge = text("challenge")?;
    let send = |credential: Value| {
        let made = json!({ "passkey": { "name": "evidence", "credential": credential } });
        Sent::new("identity", "POST", PASSKEYS).by(&session).with(made)
    };
    let elsewhere = Answer { page: "https://elsewhere.invalid", ..Answer::good(&challenge) };
    let came = page.twin.send(play, send(key.enrols(&elsewhere)));
    play.stopped(CHECK, "a passkey that was made at another page", &came, &["invalid"]);
    let came = page.twin.send(play, send(key.enrols(&Answer::good(&challenge))));
    play.works(CHECK, "a passkey that was made at our page", &came);
    let came = page.twin.send(play, ask());
    play.stopped(CHECK, "a second passkey with the password alone", &came, FORBIDDEN);
    Ok(key)
}

/// Answers that differ from a good one in one thing. Two failures, then a success: a third would lock the
/// account, and prove nothing.
fn forged(play: &mut Play<'_>, page: &Page, key: &Authenticator) -> Result<(), String> {
    let stranger = Authenticator::new(&key.user)?;
    for n in 0..4 {
        let challenge = page.challenge(play)?;
        let good = Answer::good(&challenge);
        let (what, sent) = match n {
            0 => {
                let mut sent = key.signs(&good, &key.pair)?;
                let later = page.challenge(play)?;
                let client = Answer::good(&later).client("webauthn.get");
                sent["response"]["clientDataJSON"] = B64.encode(client).into();
                ("a signature for another challenge", sent)
            }
            1 => {
                let answer = Answer { page: "https://elsewhere.invalid", ..good };
                ("a passkey at another page", key.signs(&answer, &key.pair)?)
            }
            2 => {
                let answer = Answer { flags: PRESENT, ..good };
                ("a passkey whose owner was not recognised", key.signs(&answer, &key.pair)?)
            }
            _ => ("a passkey's id with another key", key.signs(&good, &stranger.pair)?),
        };
        let came = page.enter(play, &sent);
        play.stopped(CHECK, what, &came, NO);
        if n % 2 == 1 {
            let challenge = page.challenge(play)?;
            let came = page.enter(play, &key.signs(&Answer::good(&challenge), &key.pair)?);
            play.works(CHECK, "the passkey after that", &came);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    #[test]
    fn what_is_signed_is_what_a_browser_would_have_signed() {
        let key = Authenticator::new("dQ").unwrap();
        let public: &[u8] = key.pair.public_key().as_ref();
        let public = public.to_vec();
        let made = key.enrols(&Answer::good("Y2g"));
        let object = made["response"]["attestationObject"].as_str().unwrap();
        let object = B64.decode(object).unwrap();
        // 37 bytes, 16 of the model, 2 of a length, 16 of the id, 42 of the key.
        assert_eq!(object.len(), 30 + 113);
        assert_eq!((object[29], object[30 + 32]), (113, PRESENT | VERIFIED | MADE));
        assert!(object.ends_with(&public));
        let sent = key.signs(&Answer::good("Y2g"), &key.pair).unwrap();
        let part = |name: &str| B64.decode(sent["response"][name].as_str().unwrap()).unwrap();
        let client: Value = serde_json::from_slice(&part("clientDataJSON")).unwrap();
        assert_eq!((client["origin"].as_str(), client["challenge"].as_str()), (Some(PAGE), Some("Y2g")));
        let data = part("authenticatorData");
        assert_eq!((data.len(), data[32]), (37, PRESENT | VERIFIED));
        let signed = [&data[..], &Kms::sha256(&part("clientDataJSON"))].concat();
        let key = UnparsedPublicKey::new(&ED25519, public);
        assert!(key.verify(&signed, &part("signature")).is_ok());
        assert!(key.verify(&data, &part("signature")).is_err());
    }
}
