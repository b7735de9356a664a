//! Key pairs that the platform makes, written as OpenSSH writes them.
//!
//! Ed25519, where Nova made RSA with 2048 bits: clients only put the text into a file, OpenSSH has read
//! this form since 6.5, a signature of it is made without secret-dependent steps, and a pair costs
//! microseconds instead of a search for primes. Written by hand: it is ten fields, and a crate for it
//! would bring ciphers that nobody here uses.
//!
//! ```text
//!   "openssh-key-v1" 0, cipher none, kdf none, no options, 1 key, public part, private part
//!   public part:   type, key
//!   private part:  a number twice, type, key, seed and key, comment, 1 2 3 .. up to 8 bytes
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use jinyun_base::{Entropy, Secret};
use zeroize::Zeroize;

const TYPE: &str = "ssh-ed25519";
const COMMENT: &str = "Generated-by-Jinyun";
/// Characters of a line of the file.
const LINE: usize = 70;
/// What the private part is filled up to a multiple of, where no cipher says another.
const BLOCK: usize = 8;

/// A key pair.
pub(crate) struct Pair {
    /// The public half, one line.
    pub public: String,
    /// The private half, a file.
    pub private: Secret<String>,
}

impl Pair {
    /// One that nobody has seen.
    pub fn random(dice: &mut dyn Entropy) -> Pair {
        let (mut seed, mut number) = ([0; 32], [0; 4]);
        dice.fill(&mut seed);
        dice.fill(&mut number);
        let pair = Pair::of(&seed, number);
        seed.zeroize();
        pair
    }

    /// The pair that follows from a seed. The number says nothing: it is there twice so that a wrong
    /// passphrase is noticed, and here is none.
    fn of(seed: &[u8; 32], number: [u8; 4]) -> Pair {
        let key = SigningKey::from_bytes(seed).verifying_key().to_bytes();
        let mut public: Vec<u8> = Vec::new();
        put(&mut public, TYPE.as_bytes());
        put(&mut public, &key);
        // As large as it gets, so that it is never moved: what was left behind would not be wiped.
        let mut private: Vec<u8> = Vec::with_capacity(512);
        private.extend(number);
        private.extend(number);
        put(&mut private, TYPE.as_bytes());
        put(&mut private, &key);
        private.extend(64u32.to_be_bytes());
        private.extend(seed);
        private.extend(key);
        put(&mut private, COMMENT.as_bytes());
        private.extend((1u8..).take((BLOCK - private.len() % BLOCK) % BLOCK));
        let private = Secret::new(private);
        let mut file: Vec<u8> = Vec::with_capacity(1024);
        file.extend(b"openssh-key-v1\0");
        for none in ["none", "none", ""] {
            put(&mut file, none.as_bytes());
        }
        file.extend(1u32.to_be_bytes());
        put(&mut file, &public);
        put(&mut file, private.expose());
        let file = Secret::new(file);
        Pair {
            public: format!("{TYPE} {} {COMMENT}", STANDARD.encode(&public)),
            private: armoured(&file),
        }
    }
}

/// Bytes with their number before them (RFC 4251, `string`).
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}

fn armoured(file: &Secret<Vec<u8>>) -> Secret<String> {
    let text = Secret::new(STANDARD.encode(file.expose()));
    let mut lines = String::with_capacity(2048);
    lines.push_str("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    let mut rest = text.expose().as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        lines.push_str(line);
        lines.push('\n');
        rest = more;
    }
    lines.push_str("-----END OPENSSH PRIVATE KEY-----\n");
    Secret::new(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_base::SeedEntropy;

    /// What OpenSSH's `ssh-keygen -y` reads as the pair of the seed 0, 1, .. 31.
    #[test]
    fn a_pair_is_written_as_openssh_reads_it() {
        let seed = std::array::from_fn(|n| n as u8);
        let pair = Pair::of(&seed, *b"abcd");
        assert_eq!(pair.public, concat!("ssh-ed25519 ",
            "AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4 Generated-by-Jinyun"));
        let lines: Vec<&str> = pair.private.expose().lines().collect();
        assert_eq!(lines, [
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW",
            "QyNTUxOQAAACADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuAAAAJhhYmNkYWJj",
            "ZAAAAAtzc2gtZWQyNTUxOQAAACADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA",
            "AAAEAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHwOhB7/zzhC+HXDdGOdLwJln",
            "5NYwm6UNXx3chmQSVTG4AAAAE0dlbmVyYXRlZC1ieS1KaW55dW4BAg==",
            "-----END OPENSSH PRIVATE KEY-----",
        ]);
        assert!(pair.private.expose().ends_with("-----\n"), "OpenSSH wants the last line's end");
    }

    #[test]
    fn each_pair_is_another_one() {
        let mut dice = SeedEntropy::new(5);
        let (one, two) = (Pair::random(&mut dice), Pair::random(&mut dice));
        assert_ne!(one.public, two.public);
        assert_ne!(one.private.expose(), two.private.expose());
        assert!(crate::keypair::read_key(&one.public).is_ok());
    }
}
