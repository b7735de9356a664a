//! Public keys as authenticators write them (COSE, RFC 9053), and what they are for.
//!
//! Three algorithms are offered, each with one sort of key; a key holds the members of its sort and no
//! other. It is looked at when it comes and not when it is first used: without an attestation nothing
//! is signed at enrolment, so a point that lies on no curve would make a passkey that never signs
//! anybody in, and one of small order one that signs in whoever likes to.

use super::cbor::{self, Item};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

/// What is offered, by its number in COSE, the best first.
pub(crate) const ALGORITHMS: [(i64, &str); 3] = [(-7, "ES256"), (-8, "EdDSA"), (-257, "RS256")];
/// Bits of an RSA modulus. A longer one only costs.
const RSA: std::ops::RangeInclusive<usize> = 2048..=4096;
/// The generator of P-256, uncompressed: somebody's point, and nobody's key.
const NOBODY: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40,
    0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2,
    0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e,
    0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51,
    0xf5,
];

/// A public key that is good for what it is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// ES256: a point of P-256, uncompressed.
    P256([u8; 65]),
    /// EdDSA: a point of Curve25519.
    Ed25519([u8; 32]),
    /// RS256: modulus and exponent.
    Rsa(Vec<u8>, Vec<u8>),
}

/// The point of two coordinates, if it lies on the curve.
fn point(x: &[u8], y: &[u8]) -> Option<[u8; 65]> {
    let whole: [u8; 65] = [&[4u8][..], x, y].concat().try_into().ok()?;
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, whole).ok()?;
    Some(whole)
}

/// A point of Curve25519 that signatures can be checked with.
fn edwards(x: &[u8]) -> Option<[u8; 32]> {
    let whole: [u8; 32] = x.try_into().ok()?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&whole).ok()?;
    (!key.is_weak()).then_some(whole)
}

/// Whether a modulus and an exponent are strong enough, and written without zeros before them.
fn strong(n: &[u8], e: &[u8]) -> bool {
    let bits = n.first().map_or(0, |b| n.len() * 8 - b.leading_zeros() as usize);
    let odd = |bytes: &[u8]| bytes.last().is_some_and(|b| b % 2 == 1);
    let plain = |bytes: &[u8]| bytes.first().is_some_and(|b| *b != 0);
    // 1 would make every text its own signature.
    RSA.contains(&bits) && plain(n) && odd(n) && plain(e) && odd(e) && e.len() <= 4 && e != [1]
}

impl Key {
    /// A key, and how many bytes it took.
    pub fn read(bytes: &[u8]) -> Result<(Key, usize), &'static str> {
        const BAD: &str = "the public key cannot be read, or is not of the sort that its algorithm needs";
        const WEAK: &str = "the public key is no point of its curve, or too weak";
        use Item::{Bytes, Int};
        let (item, rest) = cbor::first(bytes).ok_or(BAD)?;
        let Item::Map(members) = &item else { return Err(BAD) };
        let key = match &members[..] {
            [(Int(1), Int(2)), (Int(3), Int(-7)), (Int(-1), Int(1)), (Int(-2), Bytes(x)),
                (Int(-3), Bytes(y))] if x.len() == 32 => Key::P256(point(x, y).ok_or(WEAK)?),
            [(Int(1), Int(1)), (Int(3), Int(-8)), (Int(-1), Int(6)), (Int(-2), Bytes(x))] => {
                Key::Ed25519(edwards(x).ok_or(WEAK)?)
            }
            [(Int(1), Int(3)), (Int(3), Int(-257)), (Int(-1), Bytes(n)), (Int(-2), Bytes(e))] => {
                if !strong(n, e) {
                    return Err(WEAK);
                }
                Key::Rsa(n.to_vec(), e.to_vec())
            }
            [_, (Int(3), Int(other)), ..] if !ALGORITHMS.iter().any(|(number, _)| number == other) => {
                return Err("the public key is for an algorithm that is not offered");
            }
            _ => return Err(BAD),
        };
        Ok((key, bytes.len() - rest.len()))
    }

    /// A key that is nobody's: for the same work where there is none.
    pub fn nobody() -> Key {
        Key::P256(NOBODY)
    }

    /// Its algorithm, by number and name.
    pub fn algorithm(&self) -> (i64, &'static str) {
        let [es, ed, rs] = ALGORITHMS;
        match self {
            Key::P256(_) => es,
            Key::Ed25519(_) => ed,
            Key::Rsa(..) => rs,
        }
    }

    /// Whether this key has made the signature of a text.
    pub fn made(&self, signature: &[u8], text: &[u8]) -> bool {
        match self {
            Key::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(text, signature).is_ok()
            }
            Key::Ed25519(point) => {
                let key = ed25519_dalek::VerifyingKey::from_bytes(point);
                let signature = ed25519_dalek::Signature::from_slice(signature);
                match (key, signature) {
                    (Ok(key), Ok(signature)) => key.verify_strict(text, &signature).is_ok(),
                    _ => false,
                }
            }
            Key::Rsa(n, e) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, text, signature).is_ok(),
        }
    }
}
