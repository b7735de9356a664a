//! What goes to a timestamp authority and what comes back (RFC 3161, section 2.4).
//!
//! The request has one shape: SHA-256, a nonce of eight bytes, `certReq`. So it is written and read
//! as that shape and no other. Of the answer only the status and the token matter; the token is
//! judged in `token.rs`.

use crate::parts::{BITS, INTEGER, OID, Parts, SEQUENCE, UTF8};
use crate::token;

/// Up to the hash: SEQUENCE, version 1, imprint by SHA-256.
const HEAD: &[u8] = &[
    0x30, 0x43, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
    0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];
/// Between hash and nonce.
const MIDDLE: &[u8] = &[0x02, 0x08];
/// `certReq`.
const TAIL: &[u8] = &[0x01, 0x01, 0xff];

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// SHA-256 of what is to be timestamped.
    pub imprint: [u8; 32],
    /// What the answer must name, so that it is one to this request.
    pub nonce: [u8; 8],
}

impl Request {
    /// A request with this nonce, of which two bits are fixed: it is positive and has eight bytes.
    pub fn new(imprint: [u8; 32], mut nonce: [u8; 8]) -> Request {
        nonce[0] = (nonce[0] & 0x7f) | 0x40;
        Request { imprint, nonce }
    }

    /// Its DER.
    pub fn der(&self) -> Vec<u8> {
        [HEAD, &self.imprint, MIDDLE, &self.nonce, TAIL].concat()
    }

    /// Reads one that [`Request::der`] wrote.
    pub fn read(der: &[u8]) -> Option<Request> {
        let rest = der.strip_prefix(HEAD)?;
        let (imprint, rest) = rest.split_first_chunk::<32>()?;
        let (nonce, rest) = rest.strip_prefix(MIDDLE)?.split_first_chunk::<8>()?;
        let made = Request::new(*imprint, *nonce);
        (rest == TAIL && made.nonce == *nonce).then_some(made)
    }

    /// Whether a token answers this request; says why not. Its signature is another question.
    pub fn answered(&self, token: &[u8]) -> Result<(), String> {
        let (imprint, nonce) = token::named(token).ok_or("the answer's token cannot be read")?;
        if imprint != self.imprint {
            return Err("the answer is about something else than what was sent".into());
        }
        match nonce {
            Some(nonce) if nonce == self.nonce => Ok(()),
            Some(_) => Err("the answer names another nonce: it is one to another request".into()),
            None => Err("the answer names no nonce: it may be one to another request".into()),
        }
    }
}

/// Somebody else's words, safe to print.
pub(crate) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().take(200).collect()
}

const STATUS: &[&str] = &[
    "granted", "granted with changes", "rejection", "waiting",
    "a warning that its certificate will be revoked", "a notice that its certificate was revoked",
];

/// The bits that RFC 3161 has.
const FAILURES: &[(usize, &str)] = &[
    (0, "algorithm not taken"), (2, "request not permitted"), (5, "request malformed"),
    (14, "its time source is not available"), (15, "policy not offered"), (16, "extension not offered"),
    (17, "additional information not available"), (25, "failure of its system"),
];

/// What an answer says beside its status.
fn details(mut status: Parts<'_>) -> Option<String> {
    let mut said = Vec::new();
    if let Some(texts) = status.maybe(SEQUENCE)? {
        for text in texts.parts()?.rest()?.iter().filter(|text| text.tag == UTF8) {
            said.push(format!("\"{}\"", shown(text.value)));
        }
    }
    if let Some(bits) = status.maybe(BITS)? {
        let bits = bits.value.get(1..)?;
        let set = |n: &usize| bits.get(n / 8).is_some_and(|byte| byte & (0x80 >> (n % 8)) != 0);
        said.extend(FAILURES.iter().filter(|(n, _)| set(n)).map(|(_, word)| word.to_string()));
    }
    Some(said.join(", "))
}

/// The token of an answer, if the authority gave one. A file that holds a token alone is taken too.
pub fn granted(answer: &[u8]) -> Result<&[u8], String> {
    let unread = || "the file holds no answer of a timestamp authority (DER)".to_string();
    let mut parts = Parts::only(answer, SEQUENCE).ok_or_else(unread)?;
    let first = parts.any().ok_or_else(unread)?;
    if first.tag == OID {
        return token::is_one(answer).then_some(answer).ok_or_else(unread);
    }
    let mut status = first.parts().filter(|_| first.tag == SEQUENCE).ok_or_else(unread)?;
    let number = status.need(INTEGER).ok_or_else(unread)?.value;
    let word = match number {
        [n] => STATUS.get(usize::from(*n)).copied(),
        _ => None,
    };
    let word = word.ok_or_else(unread)?;
    if !matches!(number, [0 | 1]) {
        let details = details(status).filter(|said| !said.is_empty());
        let details = details.map_or(String::new(), |said| format!(" ({said})"));
        return Err(format!("the authority gave no timestamp: {word}{details}"));
    }
    let token = parts.need(SEQUENCE).ok_or_else(unread)?.whole;
    (parts.over() && token::is_one(token)).then_some(token).ok_or_else(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        for first in [0, 0x7f, 0x80, 0xff] {
            let request = Request::new([7; 32], [first; 8]);
            assert!(request.nonce[0] & 0x80 == 0 && request.nonce[0] != 0);
            let der = request.der();
            assert_eq!(der.len(), 2 + usize::from(der[1]));
            assert_eq!(Request::read(&der), Some(request));
            for n in 0..der.len() {
                assert_eq!(Request::read(&der[..n]), None);
            }
            for n in (0..24).chain([56, 57, 66, 67, 68]) {
                let mut bad = der.clone();
                bad[n] ^= 1;
                assert_eq!(Request::read(&bad), None, "{n}");
            }
        }
    }

    #[test]
    fn what_was_not_granted_is_said_in_words() {
        let rejected = [0x30, 0x10, 0x30, 0x0e, 2, 1, 2, 0x30, 4, 0x0c, 2, b'n', b'o', 3, 3, 7, 0x80, 0];
        let rejected = granted(&rejected).unwrap_err();
        assert!(rejected.contains("rejection (\"no\", algorithm not taken)"), "{rejected}");
        let (bare, unknown) = ([0x30, 5, 0x30, 3, 2, 1, 0], [0x30, 5, 0x30, 3, 2, 1, 9]);
        for bad in [&b""[..], b"no", &[0x30, 0], &bare, &unknown] {
            assert!(granted(bad).unwrap_err().contains("no answer"), "{bad:?}");
        }
    }
}
