//! What kind of secrets the store keeps, never the secrets: their form, their length, and a digest
//! by which two equal ones are seen.

use jinyun_base::{Fault, Id};
use jinyun_store::Db;
use sha2::{Digest, Sha256};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The form of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A password's argon2id hash with its parameters.
    Argon2id {
        /// Memory in KiB.
        memory: u32,
        /// Passes.
        passes: u32,
        /// The salt, as text.
        salt: String,
    },
    /// Bytes of which nothing is known but their number.
    Bytes,
}

/// What is known of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFact {
    /// Kind of its resource.
    pub kind: String,
    /// The resource.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Its form.
    pub form: Form,
    /// Its length.
    pub bytes: usize,
    /// Equal for equal secrets.
    pub mark: String,
}

/// The file that holds the root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFile {
    /// Permission bits.
    pub mode: u32,
    /// Its owner is the user that this process runs as.
    pub ours: bool,
}

/// A file of the platform's own store, or the directory that they are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFile {
    /// Its name; a dot is the directory.
    pub name: String,
    /// Permission bits.
    pub mode: u32,
    /// Its owner is the user that this process runs as.
    pub ours: bool,
    /// It is a link, which none of ours is.
    pub link: bool,
}

/// All secrets.
pub fn read(db: &mut Db) -> Result<Vec<SecretFact>, Fault> {
    let all = db.secrets()?.into_iter();
    Ok(all.map(|(kind, id, name, _, value)| fact(kind, id, name, &value)).collect())
}

/// The secrets of one resource.
pub fn of(db: &mut Db, kind: &str, id: &Id) -> Result<Vec<SecretFact>, Fault> {
    let mut found = Vec::new();
    for (kind, id, name) in db.secrets_of(kind, id)? {
        // One that was destroyed meanwhile is none.
        if let Some(value) = db.secret(&kind, &id, &name)? {
            found.push(fact(kind, id, name, &value));
        }
    }
    Ok(found)
}

fn fact(kind: String, id: Id, name: String, value: &[u8]) -> SecretFact {
    let mark = jinyun_journal::to_hex(&Sha256::digest(value));
    SecretFact { form: form(value), bytes: value.len(), mark, kind, id, name }
}

/// `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`
fn form(value: &[u8]) -> Form {
    std::str::from_utf8(value).ok().and_then(argon).unwrap_or(Form::Bytes)
}

fn argon(text: &str) -> Option<Form> {
    let ["", "argon2id", "v=19", params, salt, hash] =
        text.split('$').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let number = |name: &str| -> Option<u32> {
        params.split(',').find_map(|p| p.strip_prefix(name))?.parse().ok()
    };
    // A hash of 32 bytes has 43 letters.
    (hash.len() >= 43).then_some(Form::Argon2id {
        memory: number("m=")?,
        passes: number("t=")?,
        salt: salt.into(),
    })
}

/// The root key's file.
pub fn key_file(path: &Path) -> Result<KeyFile, String> {
    let found = std::fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let us = std::fs::metadata("/proc/self").map_err(|e| format!("/proc/self: {e}"))?;
    Ok(KeyFile { mode: found.mode() & 0o7777, ours: found.uid() == us.uid() })
}

/// The directory of the root key's file and what lies in it: the database too, unless that is a
/// server's.
pub fn store(key_file: &Path) -> Result<Vec<StoreFile>, String> {
    let dir = key_file.parent().ok_or("the root key's file is in no directory")?;
    let bad = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    let us = std::fs::metadata("/proc/self").map_err(|e| bad(Path::new("/proc/self"), e))?.uid();
    let look = |name: String, path: &Path| -> Result<StoreFile, std::io::Error> {
        let found = std::fs::symlink_metadata(path)?;
        let (mode, link) = (found.mode() & 0o7777, found.file_type().is_symlink());
        Ok(StoreFile { name, mode, ours: found.uid() == us, link })
    };
    let mut all = vec![look(".".into(), dir).map_err(|e| bad(dir, e))?];
    for entry in std::fs::read_dir(dir).map_err(|e| bad(dir, e))? {
        let path = entry.map_err(|e| bad(dir, e))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        match look(name.unwrap_or_default(), &path) {
            Ok(found) => all.push(found),
            // Logs of the database come and go.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(bad(&path, e)),
        }
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_store_is_its_directory_with_all_in_it() {
        let dir = jinyun_testdb::Dir::new("store");
        for (name, mode) in [("keys.json", 0o600), ("state.db", 0o640)] {
            std::fs::write(dir.join(name), "x").unwrap();
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.join(name), mode).unwrap();
        }
        std::os::unix::fs::symlink("state.db", dir.join("state.db-wal")).unwrap();
        let found = store(&dir.join("keys.json")).unwrap();
        let seen: Vec<_> = found.iter().map(|f| (&*f.name, f.mode, f.ours, f.link)).collect();
        assert_eq!(seen[1..3], [("keys.json", 0o600, true, false), ("state.db", 0o640, true, false)]);
        assert_eq!((seen[0].0, seen[3].0, seen[3].3), (".", "state.db-wal", true));
        assert!(store(&dir.join("none").join("keys.json")).is_err());
    }

    #[test]
    fn hashes_are_told_from_passwords() {
        let hash = format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${}", "a".repeat(43));
        let want =
            Form::Argon2id { memory: 19_456, passes: 2, salt: "c2FsdHNhbHQ".into() };
        assert_eq!(form(hash.as_bytes()), want);
        for other in ["hunter2", "$argon2id$", "$2b$12$abc", &hash.replace("argon2id", "argon2i")] {
            assert_eq!(form(other.as_bytes()), Form::Bytes, "{other}");
        }
        assert_eq!(form(&[0xff; 60]), Form::Bytes);
    }
}
