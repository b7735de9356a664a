//! What an upload must look like: declared formats against first bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_image::judge;

const GIB: u64 = 1 << 30;

/// A qcow2 header of a 3 GiB disk, with some bytes put elsewhere.
fn qcow2(version: u32, edits: &[(usize, &[u8])]) -> Vec<u8> {
    let mut head = vec![0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"QFI\xfb");
    put(4, &version.to_be_bytes());
    put(20, &16u32.to_be_bytes());
    put(24, &(3 * GIB).to_be_bytes());
    if version == 3 {
        put(100, &104u32.to_be_bytes());
    }
    edits.iter().for_each(|(at, bytes)| put(*at, bytes));
    head
}

#[test]
fn only_what_was_declared_and_names_no_other_file_is_taken() {
    let ok = "";
    let cases: &[(&str, &str, Vec<u8>, &str)] = &[
        ("raw", "raw", b"\xeb\x63\x90 boot sector".to_vec(), ok),
        ("empty raw", "raw", vec![], ok),
        ("raw that begins like VMDK is still raw", "raw", b"KDMV".to_vec(), ok),
        ("raw that is qcow2", "raw", qcow2(3, &[]), "declared raw"),
        ("version 2", "qcow2", qcow2(2, &[]), ok),
        ("version 3", "qcow2", qcow2(3, &[]), ok),
        ("not qcow2", "qcow2", b"plain".to_vec(), "declared qcow2"),
        ("empty qcow2", "qcow2", vec![], "declared qcow2"),
        ("version 1", "qcow2", qcow2(1, &[]), "neither 2 nor 3"),
        ("version 4", "qcow2", qcow2(4, &[]), "neither 2 nor 3"),
        ("cut in the header", "qcow2", qcow2(3, &[])[..90].to_vec(), "cut short"),
        ("cut behind the magic", "qcow2", qcow2(3, &[])[..4].to_vec(), "cut short"),
        ("a backing file", "qcow2", qcow2(3, &[(8, &[0, 0, 0, 0, 0, 0, 2, 0])]), "backing"),
        ("only its name's length", "qcow2", qcow2(2, &[(16, &[0, 0, 0, 9])]), "backing"),
        ("impossible clusters", "qcow2", qcow2(3, &[(20, &[0, 0, 0, 60])]), "cluster"),
        ("a disk of 2^60 bytes", "qcow2", qcow2(3, &[(24, &[16])]), "larger"),
        ("AES", "qcow2", qcow2(3, &[(32, &[0, 0, 0, 1])]), "encrypted"),
        ("LUKS", "qcow2", qcow2(3, &[(32, &[0, 0, 0, 2])]), "encrypted"),
        ("snapshots", "qcow2", qcow2(3, &[(60, &[0, 0, 0, 1])]), "snapshots"),
        ("dirty is fine", "qcow2", qcow2(3, &[(79, &[1])]), ok),
        ("corrupt", "qcow2", qcow2(3, &[(79, &[2])]), "corrupt"),
        ("an external data file, by flag", "qcow2", qcow2(3, &[(79, &[4])]), "another file"),
        ("an unknown feature", "qcow2", qcow2(3, &[(72, &[1])]), "unknown"),
        ("a data file, by extension", "qcow2",
            qcow2(3, &[(104, b"DATA\0\0\0\x04disk\0\0\0\0")]), "another file"),
        ("a data file behind another extension", "qcow2",
            qcow2(3, &[(104, b"\xe2\x79\x2a\xca\0\0\0\x05qcow2\0\0\0"),
                (120, b"DATA\0\0\0\x04disk\0\0\0\0")]), "another file"),
        ("a harmless extension", "qcow2",
            qcow2(3, &[(104, b"\xe2\x79\x2a\xca\0\0\0\x05qcow2\0\0\0")]), ok),
        ("extensions without an end", "qcow2",
            qcow2(3, &[(104, b"\xe2\x79\x2a\xca\xff\xff\xff\xff")]), "cut short"),
        ("a header shorter than its version's", "qcow2", qcow2(3, &[(100, &[0, 0, 0, 72])]),
            "cut short"),
        ("nothing else is known", "vmdk", b"KDMV".to_vec(), "neither raw nor qcow2"),
    ];
    for (what, format, head, want) in cases {
        match (judge(format, head, 4096), *want) {
            (Ok(size), "") => {
                let size_of_disk = if *format == "raw" { 4096 } else { 3 << 30 };
                assert_eq!(size, size_of_disk, "{what}");
            }
            (Err(why), want) if !want.is_empty() => {
                assert!(why.message.contains(want), "{what}: {why}");
            }
            (got, _) => panic!("{what}: {got:?}"),
        }
    }
}
