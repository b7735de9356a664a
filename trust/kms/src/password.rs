//! Passwords: argon2id (RFC 9106).

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
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
}
