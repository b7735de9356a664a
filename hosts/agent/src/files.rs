//! Small things about files and names that several modules need.
//!
//! The control plane is not root, the agent is: ids and paths in a document are untrusted. An id
//! becomes part of a file name only after [`safe_id`].

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Whether an id may be part of a file name, a QEMU device's id and a process's name.
#[must_use]
pub fn safe_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Whether this is a UUID as QEMU's `-uuid` takes it.
#[must_use]
pub fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.chars().enumerate().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// Makes a directory that only root may enter. Its parents are made for everybody: the control
/// plane, which is not root, has its own things there.
pub fn private_dir(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Replaces a file's content so that a crash leaves the old or the new one, whole.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Makes a rename or a removal in `path`'s directory last.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    File::open(parent)?.sync_all()
}

/// Removes a file; one that is not there is removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes a directory and what is in it; one that is not there is removed.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Names of what is in a directory, as far as they are text.
pub fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// A program in the system's own directories. `PATH` is not asked: this is root.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.is_file())
}

/// A kernel's text file without the line's end; empty if it cannot be read.
#[must_use]
pub fn line(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Tells one boot of the machine from the next: a process id means nothing across them.
#[must_use]
pub fn boot_id() -> String {
    line("/proc/sys/kernel/random/boot_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_leave_their_directory_are_refused() {
        for good in ["a", "6f1c0c1e-7d1c-4f0e-9d3a-0123456789ab", "0a_b"] {
            assert!(safe_id(good), "{good}");
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "-a",
            "a.b",
            "a,b",
            "a b",
            "ä",
            long.as_str(),
        ] {
            assert!(!safe_id(bad), "{bad}");
        }
    }

    #[test]
    fn uuids() {
        assert!(is_uuid("6f1c0c1e-7d1c-4f0e-9d3a-0123456789ab"));
        assert!(!is_uuid("6f1c0c1e7d1c4f0e9d3a0123456789ab"));
        assert!(!is_uuid("6f1c0c1e-7d1c-4f0e-9d3a-0123456789ag"));
    }
}
