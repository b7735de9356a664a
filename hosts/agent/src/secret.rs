//! A disk's passphrase while it is used.
//!
//! It exists for the moment between the control plane's answer and the descriptor or socket that
//! hands it to QEMU, cannot be printed, copied or serialized, and is overwritten when dropped.
//!
//! QEMU demands that a LUKS passphrase is UTF-8 text ("Data from secret is not valid UTF-8"). So
//! bytes that are text are the passphrase as they are, and bytes that are not (a random key) are
//! used as their base64 text. Either way the same key always gives the same passphrase.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::atomic::{Ordering, compiler_fence};

/// A passphrase, kept as the base64 text that QEMU is given with `format=base64`.
pub struct Secret(Vec<u8>);

impl Secret {
    /// From the wire: base64 of the passphrase or of a random key. `None` if it is neither.
    #[must_use]
    pub fn from_base64(text: String) -> Option<Secret> {
        // Wrapped first, so that every way out of here overwrites it.
        let given = Secret(text.into_bytes());
        let mut plain = STANDARD.decode(&given.0).ok()?;
        let usable = !plain.is_empty();
        let is_text = std::str::from_utf8(&plain).is_ok() && !plain.contains(&0);
        wipe(&mut plain);
        match (usable, is_text) {
            (false, _) => None,
            (true, true) => Some(given),
            (true, false) => Some(Secret(STANDARD.encode(&given.0).into_bytes())),
        }
    }

    /// What to give QEMU as `data` with `format=base64`. Letters, digits, `+`, `/` and `=` only.
    pub(crate) fn base64(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Overwrites bytes in a way that the compiler does not optimise away.
pub(crate) fn wipe(bytes: &mut [u8]) {
    for byte in bytes.iter_mut() {
        // SAFETY: `byte` is a valid, exclusive reference.
        unsafe { std::ptr::write_volatile(byte, 0) };
    }
    compiler_fence(Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_kept_and_bytes_become_text() {
        let text = Secret::from_base64(STANDARD.encode("correct horse")).unwrap();
        assert_eq!(text.base64(), STANDARD.encode("correct horse").as_bytes());
        let key = STANDARD.encode([0xffu8; 32]);
        let bytes = Secret::from_base64(key.clone()).unwrap();
        assert_eq!(STANDARD.decode(bytes.base64()).unwrap(), key.as_bytes());
    }

    #[test]
    fn nonsense_is_refused_and_nothing_prints() {
        assert!(Secret::from_base64("not base64!".into()).is_none());
        assert!(Secret::from_base64(String::new()).is_none());
        let secret = Secret::from_base64(STANDARD.encode("x")).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
