//! The root file and what its keys do.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD as B64, URL_SAFE_NO_PAD};
use jinyun_base::{Entropy, Fault, Id, Secret};
use jinyun_journal::merkle::HashKind;
use jinyun_journal::note::{Key, PublicKey, SM2_ID};
use jinyun_store::Db;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use zeroize::Zeroize;

/// A wrapped key: nonce, ciphertext and tag. Useless without the key above it.
pub type Sealed = Vec<u8>;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    root: String,
    token: String,
    ed25519: String,
    sm2: String,
}

impl Drop for File {
    fn drop(&mut self) {
        for secret in [&mut self.root, &mut self.token, &mut self.ed25519, &mut self.sm2] {
            secret.zeroize();
        }
    }
}

/// The opened keyring.
pub struct Kms {
    root: LessSafeKey,
    token: LessSafeKey,
    ed25519: ed25519_dalek::SigningKey,
    sm2: sm2::dsa::SigningKey,
    name: String,
    dice: Mutex<Box<dyn Entropy>>,
}

fn bad(what: &str) -> Fault {
    Fault::new(format!("the key file is damaged ({what}); restore it from its backup"))
}

fn aead(key: &[u8]) -> Result<LessSafeKey, Fault> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(|_| bad("key length"))?))
}

impl Kms {
    /// Opens the key file, or makes it at the first start. `name` names the journal's keys.
    pub fn open(path: &Path, name: &str, mut dice: Box<dyn Entropy>) -> Result<Kms, Fault> {
        let io = |e: std::io::Error| Fault::new(format!("{}: {e}", path.display()));
        if !path.exists() {
            make(path, dice.as_mut()).map_err(io)?;
        }
        let mut text = std::fs::read_to_string(path).map_err(io)?;
        let file: Result<File, _> = serde_json::from_str(&text);
        text.zeroize();
        let file = file.map_err(|_| bad("not the expected JSON"))?;
        let bytes = |text: &str| B64.decode(text).map_err(|_| bad("base64"));
        let seed: [u8; 32] =
            bytes(&file.ed25519)?.try_into().map_err(|_| bad("Ed25519 key"))?;
        Ok(Kms {
            root: aead(&bytes(&file.root)?)?,
            token: aead(&bytes(&file.token)?)?,
            ed25519: ed25519_dalek::SigningKey::from_bytes(&seed),
            sm2: sm2::dsa::SigningKey::from_slice(SM2_ID, &bytes(&file.sm2)?)
                .map_err(|_| bad("SM2 key"))?,
            name: name.into(),
            dice: Mutex::new(dice),
        })
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        match self.dice.lock() {
            Ok(mut dice) => dice.fill(&mut out),
            // A thread that panicked while it drew leaves the generator usable.
            Err(broken) => broken.into_inner().fill(&mut out),
        }
        out
    }

    fn seal(&self, key: &LessSafeKey, about: &str, plain: &[u8]) -> Result<Sealed, Fault> {
        let nonce: [u8; NONCE_LEN] = self.random();
        let mut sealed = plain.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce), Aad::from(about.as_bytes()), &mut sealed,
        ).map_err(|_| Fault::new("sealing failed"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn unseal(key: &LessSafeKey, about: &str, sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let mut body = body.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key.open_in_place(nonce, Aad::from(about.as_bytes()), &mut body).ok()?.to_vec();
        body.zeroize();
        Some(Secret::new(plain))
    }

    /// A token's text. `about` is bound to it: a token of one purpose is none of another.
    pub fn seal_token(&self, about: &str, plain: &[u8]) -> Result<String, Fault> {
        Ok(URL_SAFE_NO_PAD.encode(self.seal(&self.token, about, plain)?))
    }

    /// What a token says, if it is ours and unchanged.
    pub fn open_token(&self, about: &str, token: &str) -> Option<Secret<Vec<u8>>> {
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        Kms::unseal(&self.token, about, &sealed)
    }

    /// A secret that the records hold for later use in the clear (the seed of one-time codes), sealed
    /// by the root key and bound to what it is about: moved elsewhere, it does not open.
    pub fn seal_record(&self, about: &str, plain: &[u8]) -> Result<Sealed, Fault> {
        self.seal(&self.root, &format!("record {about}"), plain)
    }

    /// A sealed secret of the records. `None` if it is not ours, was changed, or is another's.
    pub fn open_record(&self, about: &str, sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
        Kms::unseal(&self.root, &format!("record {about}"), sealed)
    }

    /// A new key for a project, wrapped by the root key.
    pub fn new_project_key(&self, project: &Id) -> Result<Sealed, Fault> {
        let mut key: [u8; 32] = self.random();
        let sealed = self.seal(&self.root, &format!("project {project}"), &key);
        key.zeroize();
        sealed
    }

    fn project_key(&self, db: &mut Db, project: &Id) -> Result<LessSafeKey, Fault> {
        let wrapped = db.secret("project", project, "kek")?
            .ok_or_else(|| Fault::new(format!("project {project} has no key (yet)")))?;
        let key = Kms::unseal(&self.root, &format!("project {project}"), &wrapped)
            .ok_or_else(|| Fault::new(format!("the key of project {project} does not open")))?;
        aead(key.expose())
    }

    /// A new key for a volume, wrapped by its project's key.
    pub fn new_volume_key(&self, db: &mut Db, project: &Id, volume: &Id) -> Result<Sealed, Fault> {
        let mut key: [u8; 32] = self.random();
        let wrapping = self.project_key(db, project)?;
        let sealed = self.seal(&wrapping, &format!("volume {volume}"), &key);
        key.zeroize();
        sealed
    }

    /// A volume's key, for the host that needs it now. `None` if it was destroyed.
    pub fn volume_key(&self, db: &mut Db, project: &Id, volume: &Id)
        -> Result<Option<Secret<Vec<u8>>>, Fault> {
        let Some(wrapped) = db.secret("volume", volume, "key")? else { return Ok(None) };
        let wrapping = self.project_key(db, project)?;
        Kms::unseal(&wrapping, &format!("volume {volume}"), &wrapped).map(Some)
            .ok_or_else(|| Fault::new(format!("the key of volume {volume} does not open")))
    }

    /// Makes the secrets that plans ask for.
    pub fn make(&self, db: &mut Db, kind: &str, id: &Id, request: &serde_json::Value)
        -> Result<Secret<Vec<u8>>, Fault> {
        let sealed = match kind {
            "project" => self.new_project_key(id)?,
            "volume" => {
                let project = request.get("project").and_then(|p| p.as_str()).unwrap_or_default();
                self.new_volume_key(db, &project.into(), id)?
            }
            _ => return Err(Fault::new(format!("no key is made for a {kind}"))),
        };
        Ok(Secret::new(sealed))
    }

    /// The keys that checkpoints can be verified with.
    pub fn journal_keys(&self) -> [Key; 2] {
        let point = self.sm2.verifying_key().to_sec1_bytes().to_vec();
        [
            Key {
                name: self.name.clone(),
                public: PublicKey::Ed25519(self.ed25519.verifying_key().to_bytes()),
            },
            Key { name: self.name.clone(), public: PublicKey::Sm2(point) },
        ]
    }

    /// Signs a checkpoint's text for one of the twin trees.
    pub fn sign(&self, tree: HashKind, text: &str)
        -> Result<Vec<(String, [u8; 4], Vec<u8>)>, Fault> {
        let [ed, sm] = self.journal_keys();
        Ok(vec![match tree {
            HashKind::Sha256 => {
                use ed25519_dalek::Signer;
                let signature = self.ed25519.sign(text.as_bytes()).to_bytes();
                (ed.name.clone(), ed.id(), signature.to_vec())
            }
            HashKind::Sm3 => {
                use sm2::dsa::signature::Signer;
                let signature: sm2::dsa::Signature = self.sm2.try_sign(text.as_bytes())
                    .map_err(|_| Fault::new("signing with SM2 failed"))?;
                (sm.name.clone(), sm.id(), signature.to_bytes().to_vec())
            }
        }])
    }
}

/// A data key as a host takes it: base64 of the passphrase, which is the key in hex. QEMU wants a
/// passphrase to be text.
pub fn encode_key(key: &Secret<Vec<u8>>) -> String {
    let mut hex = jinyun_journal::to_hex(key.expose());
    let text = B64.encode(&hex);
    hex.zeroize();
    text
}

/// Writes a new key file under a temporary name first: it is there whole or not at all.
fn make(path: &Path, dice: &mut dyn Entropy) -> std::io::Result<()> {
    let mut key = || {
        let mut b = [0u8; 32];
        dice.fill(&mut b);
        b
    };
    let (root, token, ed25519) = (key(), key(), key());
    let sm2 = loop {
        let candidate = key();
        if sm2::dsa::SigningKey::from_slice(SM2_ID, &candidate).is_ok() {
            break candidate;
        }
    };
    let file = File {
        version: 1,
        root: B64.encode(root),
        token: B64.encode(token),
        ed25519: B64.encode(ed25519),
        sm2: B64.encode(sm2),
    };
    let part = path.with_extension("part");
    let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600)
        .open(&part)?;
    let mut text = serde_json::to_vec(&file)?;
    out.write_all(&text)?;
    text.zeroize();
    out.sync_all()?;
    std::fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_base::SeedEntropy;
    use jinyun_journal::note::Note;
    use jinyun_testdb::Dir;

    fn kms(dir: &Path) -> Kms {
        Kms::open(&dir.join("keys.json"), "test", Box::new(SeedEntropy::new(5))).unwrap()
    }

    #[test]
    fn tokens_open_for_their_purpose_only_and_survive_a_restart() {
        let dir = Dir::new("tokens");
        let token = kms(&dir).seal_token("token", b"who and what").unwrap();
        let again = kms(&dir);
        assert_eq!(again.open_token("token", &token).unwrap().expose(), b"who and what");
        assert!(again.open_token("console", &token).is_none());
        for i in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(again.open_token("token", &changed).is_none(), "byte {i}");
        }
    }

    #[test]
    fn sealed_records_open_where_they_belong_only() {
        let dir = Dir::new("records");
        let sealed = kms(&dir).seal_record("credential a", b"seed").unwrap();
        let again = kms(&dir);
        assert_eq!(again.open_record("credential a", &sealed).unwrap().expose(), b"seed");
        assert!(again.open_record("credential b", &sealed).is_none(), "another row");
        assert!(Kms::unseal(&again.token, "record credential a", &sealed).is_none(), "another key");
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(again.open_record("credential a", &changed).is_none(), "byte {i}");
        }
    }

    #[test]
    fn checkpoints_are_signed_by_both_algorithms() {
        let dir = Dir::new("notes");
        let kms = kms(&dir);
        for tree in HashKind::BOTH {
            let note = Note { text: "a\n1\n".into(), signatures: kms.sign(tree, "a\n1\n").unwrap() };
            let note = Note::parse(&note.render()).unwrap();
            let keys = kms.journal_keys();
            assert_eq!(note.signers(&keys).0.len(), 1, "{tree:?}");
            let forged = Note { text: "a\n2\n".into(), ..note };
            assert_eq!(forged.signers(&keys), (vec![], vec!["test".to_string()]));
        }
    }
}
