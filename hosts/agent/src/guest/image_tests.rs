//! Method: real files in a temporary directory, each attempt differs from a good one in one thing.
//! Owner is whoever runs the tests, so no root is needed.

use super::*;
use nix::unistd::geteuid;
use std::path::PathBuf;

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("jy-image-{name}-{}", std::process::id()));
        files::remove_dir(&path).unwrap();
        files::private_dir(&path).unwrap();
        Dir(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = files::remove_dir(&self.0);
    }
}

fn source(dir: &Dir, content: &[u8]) -> ImageSource {
    let path = dir.0.join("image");
    std::fs::write(&path, content).unwrap();
    ImageSource {
        id: "i1".into(),
        path: path.display().to_string(),
        format: "raw".into(),
        bytes: content.len() as u64,
        sha256: hex(&Sha256::digest(content)),
        sha512: hex(&Sha512::digest(content)),
    }
}

fn attempt(source: &ImageSource, dir: &Dir) -> Result<File, Fault> {
    verified_copy(source, 8 << 20, &dir.0, geteuid().as_raw())
}

/// Data, a hole longer than a chunk, data.
fn content() -> Vec<u8> {
    let mut content = vec![1u8; 5000];
    content.resize(3 * CHUNK, 0);
    content.extend([2u8; 777]);
    content
}

#[test]
fn the_copy_is_the_image_and_has_no_name() {
    let dir = Dir::new("good");
    let source = source(&dir, &content());
    let mut copy = attempt(&source, &dir).unwrap();
    let mut read = Vec::new();
    copy.seek(SeekFrom::Start(0)).unwrap();
    copy.read_to_end(&mut read).unwrap();
    assert!(read == content());
    assert_eq!(files::names(&dir.0).unwrap(), ["image"]);
}

#[test]
fn an_image_that_is_not_what_the_records_say_is_refused_for_good() {
    let dir = Dir::new("bad");
    let good = source(&dir, &content());
    type Change = fn(&mut ImageSource);
    let cases: [(Change, &str); 6] = [
        (|s| s.bytes += 1, "bytes long"),
        (|s| s.sha256 = "00".repeat(32), "SHA-256"),
        (|s| s.sha512 = "00".repeat(64), "SHA-512"),
        (|s| s.sha512.clear(), "SHA-512"),
        (|s| s.format = "vmdk".into(), "format"),
        (|s| s.format = "qcow2".into(), "not a qcow2 file"),
    ];
    for (change, why) in cases {
        let mut source = good.clone();
        change(&mut source);
        let fault = attempt(&source, &dir).unwrap_err();
        assert!(
            fault.fatal && fault.why.contains(why),
            "{fault:?} should say {why:?}"
        );
    }
    let fault = verified_copy(&good, 4096, &dir.0, geteuid().as_raw()).unwrap_err();
    assert!(
        fault.fatal && fault.why.contains("the disk has 4096"),
        "{fault:?}"
    );
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let dir = Dir::new("link");
    let mut source = source(&dir, b"x");
    let link = dir.0.join("link");
    std::os::unix::fs::symlink(&source.path, &link).unwrap();
    for path in [
        link.display().to_string(),
        "/dev/zero".into(),
        dir.0.display().to_string(),
    ] {
        source.path = path;
        assert!(attempt(&source, &dir).is_err(), "{}", source.path);
    }
}
