//! Files that are larger than octal digits can say, and large pieces.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, Parts, desk, judge, lines};
use jinyun_verify::pack::{LARGE, LARGEST, MAGIC, Manifest, PIECES, SMALL, header, piece};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

const BLOCK: usize = 512;
const MIB: usize = 1 << 20;
/// The largest size of eleven octal digits.
const OCTAL: u64 = 8_589_934_591;
const NINE: u64 = 9 << 30;

fn prepared(name: &str) -> Desk {
    let desk = desk(name);
    desk.put("keys", &lines(&[&desk.own]));
    desk
}

fn run(desk: &Desk, pack: &[u8]) -> (i32, String) {
    desk.run(&["pack", "file", "--keys", "keys"], pack)
}

/// The header with the size in other bytes, and a checksum that fits.
fn resized(path: &str, field: &[u8; 12]) -> Vec<u8> {
    let mut block = header(path, 0).unwrap();
    block[124..136].copy_from_slice(field);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.to_vec()
}

fn binary(first: u8, size: u64) -> [u8; 12] {
    let mut field = [0; 12];
    field[0] = first;
    field[4..].copy_from_slice(&size.to_be_bytes());
    field
}

/// Where the header of a file is.
fn place(pack: &[u8], path: &str) -> usize {
    let name = format!("{path}\0");
    (0..pack.len()).step_by(BLOCK).find(|at| pack[*at..].starts_with(name.as_bytes())).unwrap()
}

#[test]
fn a_size_has_one_form() {
    let octal = header("a", OCTAL).unwrap();
    assert_eq!(octal[124..136], *b"77777777777\0");
    assert_eq!(header("a", OCTAL + 1).unwrap()[..], resized("a", &binary(0x80, OCTAL + 1))[..]);
    assert_eq!(header("a", LARGEST).unwrap()[124..136], [0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    assert!(header("a", LARGEST + 1).is_none());
    assert_eq!([0, SMALL, SMALL + 1, LARGE, LARGE + 1, LARGEST].map(piece), [
        PIECES[0], PIECES[0], PIECES[1], PIECES[1], PIECES[2], PIECES[2],
    ]);
}

#[test]
fn another_program_reads_the_size() {
    let desk = desk("sparse");
    let path = desk.dir.join("large.tar");
    let mut file = File::create(&path).unwrap();
    // The first is a hole; behind it stands a small one, which is found only by the first one's size.
    file.write_all(&header("large/a", NINE).unwrap()).unwrap();
    file.seek(SeekFrom::Start(BLOCK as u64 + NINE)).unwrap();
    file.write_all(&header("small", 3).unwrap()).unwrap();
    file.write_all(b"abc").unwrap();
    let end = (BLOCK * 2) as u64 + NINE;
    file.set_len(end + 3 * BLOCK as u64).unwrap();
    drop(file);
    let script = "import sys, tarfile\n\
        for m in tarfile.open(sys.argv[1]): print(m.name, m.size, m.isreg())\n";
    let out = Command::new("python3").arg("-c").arg(script).arg(&path).output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    assert_eq!(said, format!("large/a {NINE} True\nsmall 3 True\n"), "{}", String::from_utf8_lossy(&out.stderr));
    let out = Command::new("tar").arg("--list").arg("--verbose").arg("--file").arg(&path).output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    assert!(said.contains(&format!(" {NINE} ")) && said.contains(" 3 "), "{said}");
}

#[test]
fn a_large_file_is_where_its_header_says() {
    let desk = prepared("nine");
    // The manifest says nine gigabytes of one piece again and again, and the pack ends behind the first.
    let mut parts = Parts::new(&desk);
    parts.piece = MIB;
    parts.files.insert("z".into(), vec![7; MIB]);
    parts.named = |manifest| {
        let file = manifest.files.last_mut().unwrap();
        file.size = NINE;
        file.pieces = vec![file.pieces[0].clone(); NINE as usize / MIB];
    };
    let whole = parts.pack(&desk);
    let at = place(&whole, "z");
    let with = |header: &[u8]| {
        let mut pack = whole.clone();
        pack[at..at + BLOCK].copy_from_slice(header);
        run(&desk, &pack)
    };
    let ends = "z: the pack ends at byte ";
    judge("right", &with(&header("z", NINE).unwrap()), 1, &[ends, "journal: 6 entries verified"],
        &["header", "was changed", "refused", "something among"]);
    // The same size in a form that it does not have, which is read on where it belongs.
    for (what, field) in [("no number", binary(0x81, NINE)), ("less than none", binary(0xff, NINE))] {
        judge(what, &with(&resized("z", &field)), 1, &["header: z: its header was changed: it says a size"], &[]);
    }
    let mut beyond = binary(0x80, NINE);
    beyond[3] = 1;
    judge("beyond", &with(&resized("z", &beyond)), 1, &["header: z: its header was changed: it says a size"], &[]);
    judge("too large", &with(&resized("z", &binary(0x80, LARGEST + 1))), 1, &["its header was changed: it says a \
        size that no file has"], &[]);
    judge("another", &with(&header("z", NINE + 1).unwrap()), 1, &["z: has 9663676417 bytes, the manifest says \
        9663676416"], &[]);
    // One that octal digits can say has to be said so.
    let small = Parts::new(&desk);
    let mut pack = small.pack(&desk);
    judge("small", &run(&desk, &pack), 0, &["bytes: verified"], &[]);
    let at = place(&pack, "report.pdf");
    pack[at..at + BLOCK].copy_from_slice(&resized("report.pdf", &binary(0x80, 5000)));
    judge("small, as large ones are", &run(&desk, &pack), 1,
        &["header: report.pdf: its header was changed: it says a size that no file has"], &["something among"]);
}

#[test]
fn digests_of_pieces_are_as_long_as_digests() {
    let read = |digest: &str| {
        let file = json!({ "path": "a", "pieces": [digest], "sha256": "", "size": 4096, "sm3": "" });
        let manifest = json!({
            "absent": [], "files": [file], "format": MAGIC, "instance": "tour", "made": "2026",
            "piece": 4096,
        });
        Manifest::read(manifest.to_string().as_bytes()).map(|manifest| manifest.files.len())
    };
    assert_eq!(read(&"a".repeat(64)), Ok(1));
    // Shorter ones take more memory than they have bytes, and each by itself is no digest.
    for length in [0, 2, 63, 65, 1000] {
        let why = read(&"a".repeat(length)).unwrap_err();
        assert!(why.contains("a digest has other than 64 digits"), "{length}: {why}");
    }
}

#[test]
fn large_pieces_are_told_apart() {
    let desk = prepared("pieces");
    let parts = |after: fn(&mut BTreeMap<String, Vec<u8>>), named: fn(&mut Manifest)| {
        let mut parts = Parts { after, named, piece: MIB, ..Parts::new(&desk) };
        parts.files.insert("z".into(), (0..5 * MIB / 2).map(|n| (n / MIB) as u8).collect());
        run(&desk, &parts.pack(&desk))
    };
    judge("whole", &parts(|_| {}, |_| {}), 0, &["bytes: verified", "7 files"], &[]);
    judge("a byte", &parts(|files| files.get_mut("z").unwrap()[MIB + 5] ^= 1, |_| {}), 1,
        &["z: something among its bytes 1048576 to 2097151 was changed"], &["digests do not"]);
    judge("the end", &parts(|files| *files.get_mut("z").unwrap().last_mut().unwrap() ^= 1, |_| {}), 1,
        &["z: something among its bytes 2097152 to 2621439 was changed"], &["digests do not"]);
    // Each of the two digests of the whole is looked at, whatever thread makes it.
    let digests = "digest: z: its pieces fit the manifest and its digests do not";
    judge("SM3", &parts(|_| {}, |manifest| {
        let other = manifest.files[0].sm3.clone();
        manifest.files.last_mut().unwrap().sm3 = other;
    }), 1, &[digests], &["was changed"]);
    judge("SHA-256", &parts(|_| {}, |manifest| {
        let other = manifest.files[0].sha256.clone();
        manifest.files.last_mut().unwrap().sha256 = other;
    }), 1, &[digests], &["was changed"]);
}
