//! Method: a file that looks like a disk of ours is erased while a second descriptor of it stays
//! open, through which is read what a thief of the medium would find. What needs root and qemu-img
//! is in `tests/guest.rs`.

use super::*;

const KEYS: u64 = 1 << 20;

fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
    head[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A qcow2 header whose LUKS area is at 1 MiB, then nothing but the letter K.
fn disk() -> Vec<u8> {
    let mut content = vec![b'K'; 4 << 20];
    content[..1024].fill(0);
    put(&mut content, 0, b"QFI\xfb\0\0\0\x03");
    put(&mut content, 24, &(64u64 << 20).to_be_bytes());
    put(&mut content, 32, &qcow2::LUKS.to_be_bytes());
    put(&mut content, 100, &112u32.to_be_bytes());
    put(&mut content, 112, &0x0537_be77u32.to_be_bytes());
    put(&mut content, 116, &16u32.to_be_bytes());
    put(&mut content, 120, &KEYS.to_be_bytes());
    put(&mut content, 128, &(2u64 << 20).to_be_bytes());
    content
}

fn erased(content: &[u8]) -> Vec<u8> {
    let dir = jinyun_testdb::Dir::new("disk");
    let path = dir.join("disk");
    std::fs::write(&path, content).unwrap();
    let mut thief = File::open(&path).unwrap();
    erase(&path).unwrap();
    assert!(!path.exists());
    let mut left = Vec::new();
    thief.read_to_end(&mut left).unwrap();
    assert_eq!(left.len(), content.len());
    left
}

fn letters(bytes: &[u8]) -> usize {
    bytes
        .windows(8)
        .filter(|part| part.iter().all(|byte| *byte == b'K'))
        .count()
}

#[test]
fn keys_and_header_are_gone() {
    let content = disk();
    assert_eq!(qcow2::fit_to_run(&qcow2::parse(&content).unwrap()), Ok(()));
    let left = erased(&content);
    assert!(qcow2::parse(&left).is_err());
    assert_eq!(letters(&left[1 << 20..3 << 20]), 0);
}

#[test]
fn without_a_readable_header_the_beginning_goes() {
    let left = erased(&vec![b'K'; 5 << 20]);
    assert_eq!(letters(&left[..4 << 20]), 0);
}

#[test]
fn short_files_and_missing_ones_are_no_error() {
    assert_eq!(erased(b"KKKKKKKKK").len(), 9);
    assert!(erased(b"").is_empty());
    erase(Path::new("/nonexistent/disk")).unwrap();
}

#[test]
fn sizes_that_cannot_be_are_refused_before_anything_is_tried() {
    let pool = Pool {
        dir: "/nonexistent".into(),
        qemu_img: "/bin/false".into(),
        uid_base: 0,
    };
    let key = Secret::from_base64("dGV4dA==".into()).unwrap();
    for bytes in [0, 511, 513, u64::MAX] {
        let want = DiskWant {
            id: "d".into(),
            bytes,
            image: None,
        };
        let fault = pool.make(&want, &key, 0).unwrap_err();
        assert!(
            fault.fatal && fault.why.contains("cannot have"),
            "{fault:?}"
        );
    }
}
