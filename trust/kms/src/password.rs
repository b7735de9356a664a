//! Passwords: argon2id (RFC 9106); and the keyed hashes that other proofs of identity are made of.
//!
//! Passwords need a hash that is slow; one-time codes and signed requests are recomputed from a
//! shared secret, and need a comparison that does not tell by its time how much of a guess was
//! right. Both live here, because nothing but this crate chooses algorithms or holds key material.

use crate::keyring::Kms;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use aws_lc_rs::{constant_time, digest, hmac};
use jinyun_base::{Entropy, Fault};

/// A hash in PHC form, salt and parameters included.
pub type Hashed = String;

/// 19 MiB, two passes: the first choice of OWASP's password storage advice for argon2id.
fn argon() -> Result<Argon2<'static>, Fault> {
    let params = Params::new(19_456, 2, 1, None)
        .map_err(|e| Fault::new(format!("argon2 parameters: {e}")))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// Hashes a password. Takes tens of milliseconds by design: never call it in a transaction.
pub fn hash_password(password: &str, dice: &mut dyn Entropy) -> Result<Hashed, Fault> {
    let mut salt = [0u8; 16];
    dice.fill(&mut salt);
    let hash = argon()?.hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|e| Fault::new(format!("argon2: {e}")))?;
    Ok(hash.to_string())
}

/// Whether a password fits a hash. A hash that cannot be read fits nothing.
pub fn verify_password(password: &str, hash: &str) -> bool {
    let (Ok(argon), Ok(hash)) = (argon(), PasswordHash::new(hash)) else { return false };
    argon.verify_password(password.as_bytes(), &hash).is_ok()
}

/// Hashes that are not about the keys in the file: they need no opened keyring.
impl Kms {
    /// HMAC-SHA-1, which one-time codes (RFC 6238) are made with. For nothing else.
    pub fn hmac_sha1(key: &[u8], data: &[u8]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        hmac::sign(&key, data).as_ref().to_vec()
    }

    /// HMAC-SHA-256.
    pub fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
    }

    /// SHA-256.
    pub fn sha256(data: &[u8]) -> Vec<u8> {
        digest::digest(&digest::SHA256, data).as_ref().to_vec()
    }

    /// SHA-1, in which published lists of broken passwords are written. For nothing else.
    pub fn sha1(data: &[u8]) -> Vec<u8> {
        digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref().to_vec()
    }

    /// Whether two byte strings are equal, in a time that does not depend on where they differ.
    /// (Their length is no secret.)
    pub fn same(a: &[u8], b: &[u8]) -> bool {
        constant_time::verify_slices_are_equal(a, b).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let mut dice = jinyun_base::SeedEntropy::new(3);
        let hash = hash_password("correct horse", &mut dice).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify_password("correct horse", &hash));
        assert!(!verify_password("correct horsf", &hash));
        assert!(!verify_password("", "nonsense"));
        assert_ne!(hash, hash_password("correct horse", &mut dice).unwrap());
    }

    #[test]
    fn keyed_hashes_are_the_published_ones() {
        let hex = |bytes: Vec<u8>| jinyun_journal::to_hex(&bytes);
        // RFC 2202 and RFC 4231, case 2; FIPS 180-4's "abc".
        let (key, data) = (b"Jefe".as_slice(), b"what do ya want for nothing?".as_slice());
        assert_eq!(hex(Kms::hmac_sha1(key, data)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        assert_eq!(hex(Kms::hmac_sha256(key, data)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(hex(Kms::sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(Kms::sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(Kms::same(b"abc", b"abc") && !Kms::same(b"abc", b"abd") && !Kms::same(b"a", b"ab"));
    }
}
