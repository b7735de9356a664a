//! Ids, kinds and where randomness comes from.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The id of a resource, as its protocol writes it: 32 hex digits for identity, a dashed UUID
/// elsewhere, and a few well-known words such as `default`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(Arc<str>);

impl Id {
    /// Takes an id as text. Any text is an id; an unknown one is simply not found.
    pub fn new(text: impl AsRef<str>) -> Id {
        Id(Arc::from(text.as_ref()))
    }

    /// 32 hex digits.
    pub fn hex(dice: &mut dyn Entropy) -> Id {
        let b = random_uuid(dice);
        Id::new(hex(&b))
    }

    /// A dashed UUID, version 4.
    pub fn uuid(dice: &mut dyn Entropy) -> Id {
        let h = hex(&random_uuid(dice));
        Id::new(format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn random_uuid(dice: &mut dyn Entropy) -> [u8; 16] {
    let mut b = [0u8; 16];
    dice.fill(&mut b);
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    b
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        let _ = write!(out, "{b:02x}");
    }
    out
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Id {
        Id::new(text)
    }
}

impl From<String> for Id {
    fn from(text: String) -> Id {
        Id::new(text)
    }
}

/// What sort of thing a resource is. Open: services register theirs, the kernel names none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Kind(pub &'static str);

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A source of random bytes. The product uses the operating system's, a simulation a seed.
pub trait Entropy: Send {
    /// Fills the whole buffer.
    fn fill(&mut self, out: &mut [u8]);

    /// A number below `n` (0 if `n` is 0).
    fn below(&mut self, n: u64) -> u64 {
        let mut b = [0u8; 8];
        self.fill(&mut b);
        if n == 0 { 0 } else { u64::from_le_bytes(b) % n }
    }
}

/// The operating system's generator, read in blocks: a command needs many small draws.
#[derive(Default)]
pub struct OsEntropy {
    pool: Vec<u8>,
}

impl Entropy for OsEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.pool.is_empty() {
                self.pool.resize(512, 0);
                // Without randomness no id and no key is safe: ending is the only honest answer.
                if getrandom::fill(&mut self.pool).is_err() {
                    std::process::abort();
                }
            }
            *byte = self.pool.pop().unwrap_or_default();
        }
    }
}

/// Reproducible bytes from a seed (SplitMix64). For simulations only: it predicts itself.
pub struct SeedEntropy(u64);

impl SeedEntropy {
    /// The stream that belongs to a seed.
    pub fn new(seed: u64) -> SeedEntropy {
        SeedEntropy(seed)
    }

    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Entropy for SeedEntropy {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let bytes = self.draw().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shape_that_clients_expect() {
        let mut dice = SeedEntropy::new(1);
        let uuid = Id::uuid(&mut dice);
        let parts: Vec<usize> = uuid.as_str().split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(uuid.as_str().as_bytes()[14], b'4');
        assert_eq!(Id::hex(&mut dice).as_str().len(), 32);
        assert_ne!(Id::uuid(&mut dice), Id::uuid(&mut dice));
    }
}
