//! A directory of a test's own, gone with its guard: also where the test fails, because a panic
//! drops what it passes. What a failed run leaves in the system's temporary directory is found by
//! the next one, or by nobody until the disk is full.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// An empty directory below the system's temporary one; dropping it removes it with all that is in
/// it. It is used as its [`Path`].
#[derive(Debug)]
pub struct Dir(PathBuf);

impl Dir {
    /// Makes one that nobody else has. The name is for whoever looks.
    pub fn new(name: &str) -> Dir {
        let base = std::env::temp_dir();
        loop {
            let number = NUMBER.fetch_add(1, Ordering::SeqCst);
            let path = base.join(format!("jy-{name}-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Dir(path),
                // Of a process that was killed and had the same id.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => panic!("{}: {e}", path.display()),
            }
        }
    }
}

impl Deref for Dir {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for Dir {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_goes_with_its_guard_and_by_a_panic() {
        let (one, two) = (Dir::new("same"), Dir::new("same"));
        let (kept, lost) = (one.to_path_buf(), two.to_path_buf());
        assert_ne!(kept, lost);
        std::fs::create_dir(two.join("inner")).unwrap();
        std::fs::write(two.join("inner/file"), "x").unwrap();
        let failed = std::thread::spawn(move || {
            let _two = two;
            panic!("this test's own");
        }).join();
        assert!(failed.is_err() && !lost.exists() && kept.is_dir());
        drop(one);
        assert!(!kept.exists());
    }
}
