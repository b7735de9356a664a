//! Method: a place in a temporary directory and consoles written by hand; no root, no QEMU.

use super::*;
use crate::guest::cage::Cage;
use jinyun_testdb::Dir;
use std::io::Write;

const ID: &str = "6f1c0c1e-7d1c-4f0e-9d3a-0123456789ab";

fn place(name: &str) -> (Dir, Place) {
    let dir = Dir::new(name);
    let place = Place {
        instance: "test".into(),
        state_dir: dir.join("state"),
        run_dir: dir.join("run"),
        uid_base: 0,
        kvm: false,
        cage: Cage::none(),
        qemu: "/bin/false".into(),
        qemu_img: "/bin/false".into(),
    };
    files::private_dir(&place.guest_dir(ID)).unwrap();
    (dir, place)
}

#[test]
fn last_lines_of_a_console() {
    for (text, lines, expect) in [
        ("a\nb\nc\n", 2, "b\nc\n"),
        ("a\nb\nc", 2, "b\nc"),
        ("a\nb\n", 5, "a\nb\n"),
        ("a\nb\n", 0, ""),
        ("", 3, ""),
        ("\n\n", 1, "\n"),
        ("ä\nö", 1, "ö"),
    ] {
        assert_eq!(last_lines(text, lines), expect, "{text:?} {lines}");
    }
}

#[test]
fn a_long_console_moves_aside_and_is_still_read() {
    let (_dir, place) = place("console");
    let path = place.console(ID);
    // As QEMU has it: open for appending all the while.
    let mut qemu = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .unwrap();
    qemu.write_all(&vec![b'a'; (1 << 20) + 1]).unwrap();
    qemu.write_all(b"\nold\n").unwrap();
    bound_console(&path).unwrap();
    qemu.write_all(b"new \xff\n").unwrap();
    bound_console(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 6);
    assert_eq!(console(&place, ID, Some(2)).unwrap(), "old\nnew \u{fffd}\n");
    assert!(console(&place, ID, None).unwrap().len() <= (1 << 20) + 2);
    assert!(console(&place, "../x", None).is_err());
}

#[test]
fn sockets_have_short_paths() {
    let (_dir, mut place) = place("socket");
    place.run_dir = PathBuf::from("/run/jinyun").join("i".repeat(32));
    assert!(place.socket(ID).as_os_str().len() <= 107);
    let other = "6f1c0c1e-7d1c-4f0f-9d3a-0123456789ab";
    assert_ne!(place.socket(ID), place.socket(other));
}
