//! Challenges: what an authenticator signs, so that its answer is good now and here.
//!
//! Problem: a challenge that is kept until it is answered is a table that strangers fill, and one that
//! each process keeps for itself is unknown to the next. Mechanism: a challenge is the time of its
//! issue and 128 random bits, sealed by the instance's key for one purpose (signing in, or the
//! enrolment of one user), as tokens and receipts are. Nothing is kept; and that an answer comes once is
//! seen by the passkey's row, which holds the time of the challenge that it answered last and takes
//! newer ones only.

use jinyun_base::{Entropy, Fault, Id, OsEntropy, Time};
use jinyun_kms::Kms;

/// How long a challenge is good for, in seconds.
pub(crate) const LIFE: i64 = 120;
/// For signing in.
pub(crate) const SIGN_IN: &str = "passkey sign-in";

/// For the enrolment of a user.
pub(crate) fn enrolment(user: &Id) -> String {
    format!("passkey enrolment {user}")
}

/// A new one. Its text is the base64url of its bytes, as browsers take it and give it back.
pub(crate) fn issue(kms: &Kms, purpose: &str, now: Time) -> Result<String, Fault> {
    let mut random = [0u8; 16];
    OsEntropy::default().fill(&mut random);
    kms.seal_token(purpose, &[&now.0.to_be_bytes()[..], &random].concat())
}

/// When a challenge was issued (microseconds), if it is one of ours for this purpose and still good.
pub(crate) fn open(kms: &Kms, purpose: &str, text: &str, now: Time) -> Result<i64, &'static str> {
    const STRANGE: &str = "the challenge is none of ours, or for something else";
    let plain = kms.open_token(purpose, text).ok_or(STRANGE)?;
    let issued = plain.expose().first_chunk::<8>().ok_or(STRANGE)?;
    let issued = i64::from_be_bytes(*issued);
    if issued > now.0 || now > Time(issued).plus_seconds(LIFE) {
        return Err("the challenge is not of the last two minutes");
    }
    Ok(issued)
}
