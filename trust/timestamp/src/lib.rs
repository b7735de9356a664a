//! Timestamps of the journal's checkpoints (RFC 3161): asking for one, and judging what comes back.
//!
//! Problem: a witness's signature shows that somebody else saw a checkpoint, not when. Mechanism: an
//! authority signs a hash together with its own time, and its signature can be checked by whoever
//! has its root's certificate, without asking anybody. What is hashed is the checkpoint's note as the
//! platform signed it, so the time holds for the platform's signature too. The token stands in the
//! note as one more signature line, and goes wherever the note goes. What is asked and answered is
//! carried by file: nothing here knows a network, a clock, or a key.
//!
//! Signatures and chains are judged by webpki, as those of TLS are; requests, answers and tokens are
//! read here (`parts.rs`), as a library for all of CMS would be larger than what judges it.
//! SM2 and SM3 (GM/T 0033) are not built; such a token is refused with that reason.

mod exchange;
mod parts;
mod token;

pub use exchange::{Request, granted};
pub use token::{Stamp, check, is_one};

use jinyun_journal::{Checkpoint, Note, from_hex, to_hex};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

/// The algorithm's word in a line of authorities, and in the id of a signature line.
pub const WORD: &str = "rfc3161";
/// A checkpoint may be so much later than its timestamp, in microseconds: clocks differ.
pub const SLACK: i64 = 300_000_000;

/// A timestamp authority: what a verifier trusts of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its name in signature lines; none if a certificate alone was given.
    pub name: Option<String>,
    /// Its root's certificate, DER.
    root: Vec<u8>,
}

impl Authority {
    /// By the certificate of its root.
    pub fn new(name: Option<String>, root: Vec<u8>) -> Result<Authority, String> {
        if token::signs_others(&root) {
            return Ok(Authority { name, root });
        }
        Err("is no certificate of an authority that signs others' (X.509 version 3, CA)".into())
    }

    /// The one certificate of a PEM file.
    pub fn of_pem(name: &str, pem: &str) -> Result<Authority, String> {
        let mut all = pems(pem)?;
        match (all.pop(), all.is_empty()) {
            (Some(root), true) => Authority::new(Some(name.into()), root),
            _ => Err("must hold the certificate of the root (PEM) and no other".into()),
        }
    }

    /// Reads a file of certificates (PEM), or of lines `NAME rfc3161 HEX`.
    pub fn read_all(text: &str) -> Result<Vec<Authority>, String> {
        if text.contains("-----BEGIN") {
            return pems(text)?.into_iter().map(|root| Authority::new(None, root)).collect();
        }
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines.map(|(n, line)| {
            Authority::read(line).ok_or_else(|| format!("line {} is no timestamp authority", n + 1))
        }).collect()
    }

    /// Reads one line.
    pub fn read(line: &str) -> Option<Authority> {
        let [name, WORD, hex] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        let good = !name.is_empty() && !name.contains(['\u{2014}', '+']);
        Authority::new(Some(name.into()), from_hex(hex)?).ok().filter(|_| good)
    }

    /// The line, if it has a name.
    pub fn line(&self) -> Option<String> {
        Some(format!("{} {WORD} {}", self.name.as_ref()?, to_hex(&self.root)))
    }

    /// The four bytes in signature lines of this name.
    pub fn id(&self, name: &str) -> [u8; 4] {
        let hash = Sha256::new().chain_update(name).chain_update(b"\n\xff").chain_update(WORD)
            .chain_update(&self.root).finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// The subject of the root's certificate.
    pub fn subject(&self) -> String {
        token::subject(&self.root).unwrap_or_default()
    }

    /// SHA-256 of the root's certificate, hex: what the authority publishes as its fingerprint.
    pub fn fingerprint(&self) -> String {
        to_hex(&Sha256::digest(&self.root))
    }

    /// Whether a signature line says that it is this authority's.
    pub fn claims(&self, line: &(String, [u8; 4], Vec<u8>)) -> bool {
        self.name.as_ref().is_none_or(|name| *name == line.0) && self.id(&line.0) == line.1
    }

    /// Judges one of a note's signature lines as a timestamp by this authority; says what is wrong.
    pub fn judge(&self, note: &Note, line: &(String, [u8; 4], Vec<u8>)) -> Result<Stamp, String> {
        let imprint = imprint(note).ok_or("there is no checkpoint signed by its instance")?;
        let stamp = check(&line.2, &imprint, &self.root)?;
        let said = Checkpoint::parse(&note.text).map_or(0, |checkpoint| checkpoint.time);
        if stamp.time.saturating_add(SLACK) < said {
            return Err(format!(
                "its time, {}, lies before the checkpoint's own: one of the two clocks is wrong", stamp.said
            ));
        }
        Ok(stamp)
    }
}

fn pems(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let all = CertificateDer::pem_slice_iter(text.as_bytes());
    let all: Result<Vec<Vec<u8>>, _> = all.map(|one| one.map(|der| der.to_vec())).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err("must hold a certificate (PEM)".into()),
    }
}

/// What of a checkpoint's note is timestamped: its text and the platform's own line, as the platform
/// wrote them, without the lines of others. `None` if it is no checkpoint or has no such line.
pub fn stamped(note: &Note) -> Option<Note> {
    let checkpoint = Checkpoint::parse(&note.text)?;
    let own = note.signatures.iter().find(|(name, ..)| *name == checkpoint.instance)?;
    Some(Note { text: note.text.clone(), signatures: vec![own.clone()] })
}

/// The hash of [`stamped`].
pub fn imprint(note: &Note) -> Option<[u8; 32]> {
    Some(Sha256::digest(stamped(note)?.render()).into())
}
