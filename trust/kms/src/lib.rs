//! Keys: the only place that holds key material.
//!
//! ```text
//! root key (a file of mode 0600, or later an HSM)
//!   wraps a key for each project          kept as the project's secret `kek`
//!     wraps a key for each volume         kept as the volume's secret `key`, opened only to hand
//!                                         it to the host that runs the guest
//! ```
//! Destroying a wrapped key makes what it encrypts unreadable: that is how a volume is erased. What
//! else must not be forged or read comes from the same root file: the key that seals tokens and the
//! two keys that sign the journal's checkpoints. Software ciphers only: the algorithms are those
//! the standards ask for, the module is not a certified one, and evidence says so.

mod keyring;
mod password;

pub use keyring::{Kms, Sealed, encode_key};
pub use password::{Hashed, hash_password, verify_password};
