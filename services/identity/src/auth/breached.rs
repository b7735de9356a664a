//! Passwords that attackers try first.
//!
//! A list of the operator's, read once at the start: plain words, or SHA-1 or SHA-256 digests in
//! hex as published lists have them (with or without a count behind a colon). Kept as digests, so
//! that a list of a million lines takes some tens of megabytes; asking a service on the internet is
//! nothing for a network that has none.

use super::Identity;
use jinyun_base::Fault;
use jinyun_kms::Kms;
use std::collections::HashSet;
use std::io::BufRead;
use std::path::Path;

/// Longest line that is read; a longer one is no password.
const LINE: usize = 512;

/// The digests.
#[derive(Default)]
pub(super) struct Breached {
    sha1: HashSet<Vec<u8>>,
    sha256: HashSet<Vec<u8>>,
}

/// Bytes that are written in hex.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()).collect()
}

fn digest(text: &str) -> Vec<u8> {
    Kms::sha256(text.as_bytes())
}

impl Breached {
    fn line(&mut self, line: &str) {
        let line = line.trim();
        let first = line.split(':').next().unwrap_or_default();
        match (first.len(), bytes(first)) {
            (40, Some(sha1)) => drop(self.sha1.insert(sha1)),
            (64, Some(sha256)) => drop(self.sha256.insert(sha256)),
            _ if line.is_empty() || line.starts_with('#') => {}
            _ => drop(self.sha256.insert(digest(&line.to_lowercase()))),
        }
    }

    fn read(mut lines: impl BufRead) -> std::io::Result<Breached> {
        let mut list = Breached::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(list);
            }
            if line.len() <= LINE {
                list.line(&String::from_utf8_lossy(&line));
            }
        }
    }

    fn holds(&self, password: &str) -> bool {
        self.sha256.contains(&digest(&password.to_lowercase()))
            || self.sha256.contains(&digest(password))
            || self.sha1.contains(&Kms::sha1(password.as_bytes()))
    }
}

impl Identity {
    /// Reads a list of passwords that nobody may choose. Returns how many there are.
    pub fn load_breached(&self, path: &Path) -> Result<usize, Fault> {
        let bad = |e: std::io::Error| Fault::new(format!("{}: {e}", path.display()));
        let file = std::fs::File::open(path).map_err(bad)?;
        let list = Breached::read(std::io::BufReader::new(file)).map_err(bad)?;
        let count = list.sha1.len() + list.sha256.len();
        match self.breached.write() {
            Ok(mut breached) => *breached = list,
            Err(broken) => *broken.into_inner() = list,
        }
        Ok(count)
    }

    /// Whether a password stands in the list.
    pub(super) fn is_breached(&self, password: &str) -> bool {
        match self.breached.read() {
            Ok(breached) => breached.holds(password),
            Err(broken) => broken.into_inner().holds(password),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_every_form() {
        let list = "# a list\n\nPassword-123\r\n\
            5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:3861493\n\
            65e84be33532fb784c48129675f9eff3a682b27168c0ea744b2cf58ee02337c5\n\
            a:b\n";
        let list = Breached::read(list.as_bytes()).unwrap();
        assert_eq!((list.sha1.len(), list.sha256.len()), (1, 3));
        for (password, want) in [("Password-123", true), ("PASSWORD-123", true), ("password", true),
            ("Password", false), ("qwerty", true), ("a:b", true), ("", false), ("# a list", false),
            ("Password-1234", false)] {
            assert_eq!(list.holds(password), want, "{password}");
        }
    }
}
