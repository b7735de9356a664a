//! The words that everything else is written in: ids, time, the calendar, networks, secrets, randomness,
//! errors.
//!
//! Nothing here does IO. Time and randomness are values and traits, so that a simulation can hold
//! the clock and the dice: no other crate of the kernel or the services reads either by itself.

mod error;
pub mod hours;
mod id;
mod net;
mod period;
mod secret;
mod time;

pub use error::{Fault, Refusal, Refused};
pub use hours::{Weekday, Window};
pub use id::{Entropy, Id, Kind, OsEntropy, SeedEntropy};
pub use net::Net;
pub use period::{Day, Every, Period};
pub use secret::Secret;
pub use time::Time;

/// Bounds on what comes from outside. A limit that is exceeded is refused by name.
pub mod limits {
    /// Longest name of anything, in characters (Keystone and Neutron: 255).
    pub const NAME: usize = 255;
    /// Longest free text, in characters.
    pub const TEXT: usize = 65_535;
    /// Longest sentence of a refusal, in characters: it is written into the journal, and may hold
    /// what the caller sent.
    pub const SENTENCE: usize = 1000;
    /// Largest JSON body of a request, in bytes.
    pub const BODY: usize = 1 << 20;
    /// Largest user data of a server, base64 encoded (Nova: 65,535 bytes).
    pub const USER_DATA: usize = 65_535;
}

/// Refuses a name that is too long or holds control characters.
pub fn check_name(field: &'static str, value: &str) -> Result<(), Refusal> {
    if value.chars().count() > limits::NAME {
        return Err(Refusal::invalid(field, format!("is longer than {} characters", limits::NAME)));
    }
    if value.chars().any(char::is_control) {
        return Err(Refusal::invalid(field, "holds a control character"));
    }
    Ok(())
}
