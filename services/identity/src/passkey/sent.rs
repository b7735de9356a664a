//! What a browser sends (WebAuthn, 5.1: the JSON forms of a credential), read and bounded. Form only: no
//! word of it is believed here.
//!
//! Browsers add members with time, so those that are not read are passed over; whoever sends something
//! else than a browser would is told which member is wrong.

use super::authenticator::ID;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::Refusal;
use jinyun_engine::Failure;
use jinyun_rest::Words;

/// Bytes of what each part may have at most. An RSA signature of 4096 bits has 512.
const CLIENT: usize = 4096;
const ATTESTATION: usize = 16_384;
const AUTHENTICATOR: usize = 4096;
const SIGNATURE: usize = 1024;
const USER: usize = 64;

/// The answer to an enrolment.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    /// The credential's id, base64url.
    pub id: String,
    /// What the browser says, as it wrote it.
    pub client: Vec<u8>,
    /// What the authenticator says, and what vouches for it.
    pub attestation: Vec<u8>,
}

/// The answer to a sign-in.
#[derive(Debug, Clone)]
pub(crate) struct Assertion {
    /// The credential's id, base64url.
    pub id: String,
    /// What the browser says, as it wrote it.
    pub client: Vec<u8>,
    /// What the authenticator says.
    pub authenticator: Vec<u8>,
    /// Its signature.
    pub signature: Vec<u8>,
    /// The handle of the user that it found.
    pub user: Option<Vec<u8>>,
}

fn missing(name: &str) -> Failure {
    Refusal::invalid(name, "is required").into()
}

/// Bytes of a member, if it is there.
fn optional(words: &Words<'_>, name: &str, most: usize) -> Result<Option<Vec<u8>>, Failure> {
    let Some(text) = words.long_text(name)? else { return Ok(None) };
    let say = || Refusal::invalid(name, format!(
        "must be base64url without padding, of 1 to {most} bytes"
    ));
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| say())?;
    match (1..=most).contains(&bytes.len()) {
        true => Ok(Some(bytes)),
        false => Err(say().into()),
    }
}

fn bytes(words: &Words<'_>, name: &str, most: usize) -> Result<Vec<u8>, Failure> {
    optional(words, name, most)?.ok_or_else(|| missing(name))
}

/// The id of a credential, and the authenticator's answer.
fn credential<'a>(words: &Words<'a>) -> Result<(String, Words<'a>), Failure> {
    let whole = words.object("credential")?.ok_or_else(|| missing("credential"))?;
    if whole.long_text("type")?.as_deref() != Some("public-key") {
        return Err(Refusal::invalid("credential", "must be of the type public-key").into());
    }
    let most = *ID.end();
    let id = bytes(&whole, "id", most)?;
    // The same in JSON; a browser sends both.
    if optional(&whole, "rawId", most)?.is_some_and(|raw| raw != id) {
        return Err(Refusal::invalid("rawId", "must be the id").into());
    }
    let response = whole.object("response")?.ok_or_else(|| missing("response"))?;
    Ok((URL_SAFE_NO_PAD.encode(id), response))
}

impl Registration {
    /// Reads the member `credential`.
    pub fn read(words: &Words<'_>) -> Result<Registration, Failure> {
        let (id, response) = credential(words)?;
        Ok(Registration {
            id,
            client: bytes(&response, "clientDataJSON", CLIENT)?,
            attestation: bytes(&response, "attestationObject", ATTESTATION)?,
        })
    }
}

impl Assertion {
    /// Reads the member `credential`.
    pub fn read(words: &Words<'_>) -> Result<Assertion, Failure> {
        let (id, response) = credential(words)?;
        Ok(Assertion {
            id,
            client: bytes(&response, "clientDataJSON", CLIENT)?,
            authenticator: bytes(&response, "authenticatorData", AUTHENTICATOR)?,
            signature: bytes(&response, "signature", SIGNATURE)?,
            user: optional(&response, "userHandle", USER)?,
        })
    }
}
