//! Checkpoints as signed notes (C2SP `signed-note`, `tlog-checkpoint`).

use crate::merkle::{Hash, HashKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as B64;
use sha2::Digest;

/// The signer's id that SM2 digests with the message where none is agreed (GM/T 0009).
pub const SM2_ID: &str = "1234567812345678";

/// What a checkpoint states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the instance.
    pub instance: String,
    /// Epoch of the journal.
    pub epoch: u64,
    /// Which tree.
    pub kind: HashKind,
    /// Number of entries.
    pub size: u64,
    /// Root hash.
    pub root: Hash,
    /// Microseconds since 1970.
    pub time: i64,
    /// Where the time is from; one word.
    pub clock: String,
    /// Offset from that source, microseconds.
    pub offset: i64,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!(
            "jinyun/{}/{}/{}\n{}\n{}\ntime {} {} {}\n",
            self.instance, self.epoch, self.kind.name(), self.size, B64.encode(self.root),
            self.time, self.clock, self.offset
        )
    }

    /// Reads the text back; it must be exactly what [`Checkpoint::text`] writes.
    pub fn parse(text: &str) -> Option<Checkpoint> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root, time) =
            (lines.next()?, lines.next()?, lines.next()?, lines.next()?);
        let [_, instance, epoch, kind] = origin.split('/').collect::<Vec<_>>()[..] else {
            return None;
        };
        let [_, micros, clock, offset] = time.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let made = Checkpoint {
            instance: instance.into(),
            epoch: epoch.parse().ok()?,
            kind: HashKind::BOTH.into_iter().find(|k| k.name() == kind)?,
            size: size.parse().ok()?,
            root: B64.decode(root).ok()?.try_into().ok()?,
            time: micros.parse().ok()?,
            clock: clock.into(),
            offset: offset.parse().ok()?,
        };
        (made.text() == text).then_some(made)
    }
}

/// A public key that may sign notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name, as in signature lines.
    pub name: String,
    /// The key itself.
    pub public: PublicKey,
}

/// The kinds of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// Ed25519, 32 bytes.
    Ed25519([u8; 32]),
    /// SM2, an uncompressed point of 65 bytes.
    Sm2(Vec<u8>),
}

impl Key {
    /// The four bytes that name the key in a signature line.
    pub fn id(&self) -> [u8; 4] {
        let (tag, bytes): (&[u8], &[u8]) = match &self.public {
            PublicKey::Ed25519(k) => (&[1], k),
            PublicKey::Sm2(k) => (b"\xffsm2", k),
        };
        let hash = sha2::Sha256::new().chain_update(&self.name).chain_update(b"\n")
            .chain_update(tag).chain_update(bytes).finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// A line of a keys file.
    pub fn line(&self) -> String {
        match &self.public {
            PublicKey::Ed25519(k) => format!("{} ed25519 {}", self.name, crate::to_hex(k)),
            PublicKey::Sm2(k) => format!("{} sm2 {}", self.name, crate::to_hex(k)),
        }
    }

    /// Reads a keys file.
    pub fn read_all(text: &str) -> Result<Vec<Key>, String> {
        let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
        lines.map(|(n, l)| Key::read(l).ok_or(format!("keys file, line {}: not a key", n + 1)))
            .collect()
    }

    fn read(line: &str) -> Option<Key> {
        let [name, kind, hex] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        let bytes = crate::from_hex(hex)?;
        let public = match kind {
            "ed25519" => PublicKey::Ed25519(bytes.try_into().ok()?),
            "sm2" if bytes.len() == 65 => PublicKey::Sm2(bytes),
            _ => return None,
        };
        Some(Key { name: name.into(), public })
    }

    /// Whether a signature over `text` is this key's.
    pub fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        match &self.public {
            PublicKey::Ed25519(k) => {
                let key = ed25519_dalek::VerifyingKey::from_bytes(k);
                let signature = ed25519_dalek::Signature::from_slice(signature);
                match (key, signature) {
                    (Ok(k), Ok(s)) => k.verify_strict(text.as_bytes(), &s).is_ok(),
                    _ => false,
                }
            }
            PublicKey::Sm2(k) => {
                use sm2::dsa::signature::Verifier;
                let key = sm2::dsa::VerifyingKey::from_sec1_bytes(SM2_ID, k);
                let signature = sm2::dsa::Signature::from_slice(signature);
                match (key, signature) {
                    (Ok(k), Ok(s)) => k.verify(text.as_bytes(), &s).is_ok(),
                    _ => false,
                }
            }
        }
    }
}

/// A signed note: text and signature lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What is signed.
    pub text: String,
    /// Key name, key id and signature.
    pub signatures: Vec<(String, [u8; 4], Vec<u8>)>,
}

impl Note {
    /// The note's bytes.
    pub fn render(&self) -> String {
        let mut out = format!("{}\n", self.text);
        for (name, id, signature) in &self.signatures {
            let blob = [&id[..], signature].concat();
            out.push_str(&format!("\u{2014} {name} {}\n", B64.encode(blob)));
        }
        out
    }

    /// Reads a note; it must be exactly what [`Note::render`] writes.
    pub fn parse(bytes: &str) -> Option<Note> {
        let cut = bytes.rfind("\n\n")? + 1;
        let (text, lines) = (&bytes[..cut], &bytes[cut + 1..]);
        let mut signatures = Vec::new();
        for line in lines.strip_suffix('\n')?.split('\n') {
            let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
            let blob = B64.decode(blob).ok()?;
            let (id, signature) = blob.split_at_checked(4)?;
            signatures.push((name.to_string(), id.try_into().ok()?, signature.to_vec()));
        }
        let note = Note { text: text.into(), signatures };
        (note.render() == bytes).then_some(note)
    }

    /// Who among `keys` signed, and which lines claim a known key but do not verify.
    pub fn signers<'k>(&self, keys: &'k [Key]) -> (Vec<&'k Key>, Vec<String>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (name, id, signature) in &self.signatures {
            let known = keys.iter().find(|k| k.name == *name && k.id() == *id);
            match known {
                Some(key) if key.verifies(&self.text, signature) => good.push(key),
                Some(_) => bad.push(name.clone()),
                // A line under a known name with another key id is no unknown co-signer.
                None if keys.iter().any(|k| k.name == *name) => bad.push(name.clone()),
                None => {}
            }
        }
        (good, bad)
    }
}
