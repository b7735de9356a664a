//! Method: headers are built field by field, each hostile one differs from a good one in one
//! field.

use super::*;

fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
    head[at..at + bytes.len()].copy_from_slice(bytes);
}

fn good(version: u32) -> Vec<u8> {
    let mut head = vec![0u8; 512];
    put(&mut head, 0, &MAGIC.to_be_bytes());
    put(&mut head, 4, &version.to_be_bytes());
    put(&mut head, 20, &16u32.to_be_bytes());
    put(&mut head, 24, &(21u64 << 20).to_be_bytes());
    if version == 3 {
        put(&mut head, 96, &4u32.to_be_bytes());
        put(&mut head, 100, &112u32.to_be_bytes());
    }
    head
}

/// Adds a header extension at `at`; returns where the next would start.
fn extension(head: &mut [u8], at: usize, kind: u32, body: &[u8]) -> usize {
    put(head, at, &kind.to_be_bytes());
    put(
        head,
        at + 4,
        &u32::try_from(body.len()).unwrap().to_be_bytes(),
    );
    put(head, at + 8, body);
    at + 8 + body.len().next_multiple_of(8)
}

fn verdict(head: &[u8]) -> String {
    match parse(head).and_then(|h| fit_to_import(&h)) {
        Ok(()) => "fit".into(),
        Err(why) => why,
    }
}

#[test]
fn plain_images_are_fit() {
    assert_eq!(verdict(&good(2)), "fit");
    assert_eq!(verdict(&good(3)), "fit");
    assert_eq!(parse(&good(3)).unwrap().bytes, 21 << 20);
    let mut compressed = good(3);
    put(&mut compressed, 72, &(1u64 << 3).to_be_bytes());
    assert_eq!(verdict(&compressed), "fit");
    let mut named = good(3);
    extension(&mut named, 112, 0x6803_f857, &[0; 48]);
    assert_eq!(verdict(&named), "fit");
}

#[test]
fn images_that_reach_out_are_refused() {
    type Change = fn(&mut Vec<u8>);
    let cases: [(Change, &str); 11] = [
        (|h| put(h, 0, b"QFI\xfa"), "not a qcow2 file"),
        (|h| h.truncate(3), "not a qcow2 file"),
        (|h| put(h, 4, &4u32.to_be_bytes()), "version is 4"),
        (|h| put(h, 8, &200u64.to_be_bytes()), "backing file"),
        (|h| put(h, 16, &11u32.to_be_bytes()), "backing file"),
        (|h| put(h, 72, &4u64.to_be_bytes()), "another file"),
        (
            |h| _ = extension(h, 112, EXTENSION_DATA_FILE, b"/etc/shadow"),
            "another file",
        ),
        (|h| put(h, 32, &1u32.to_be_bytes()), "encrypted"),
        (|h| put(h, 60, &1u32.to_be_bytes()), "snapshots"),
        (|h| put(h, 72, &2u64.to_be_bytes()), "corrupt"),
        (|h| put(h, 72, &(1u64 << 40).to_be_bytes()), "unknown"),
    ];
    for (change, why) in cases {
        let mut head = good(3);
        change(&mut head);
        let verdict = verdict(&head);
        assert!(verdict.contains(why), "{verdict:?} should say {why:?}");
    }
}

#[test]
fn a_data_file_hidden_behind_other_extensions_is_found() {
    let mut head = good(3);
    let next = extension(&mut head, 112, 0x6803_f857, &[1; 13]);
    extension(&mut head, next, EXTENSION_DATA_FILE, b"x");
    assert!(verdict(&head).contains("another file"));
}

#[test]
fn short_or_endless_headers_are_refused() {
    for length in [4, 8, 60, 104, 111, 115] {
        assert_ne!(verdict(&good(3)[..length]), "fit", "{length}");
    }
    let mut head = good(3);
    put(&mut head, 100, &u32::MAX.to_be_bytes());
    assert!(verdict(&head).contains("cut short"));
    let mut head = good(3);
    put(&mut head, 112, &[0xff; 8]);
    assert!(verdict(&head).contains("cut short"));
    // Extensions all the way down, never an end.
    let mut head = good(3);
    let mut at = 112;
    while at + 8 <= 512 {
        at = extension(&mut head, at, 7, &[]);
    }
    assert!(verdict(&head).contains("cut short"));
}

#[test]
fn our_disks() {
    let mut head = good(3);
    put(&mut head, 32, &LUKS.to_be_bytes());
    let mut body = (256u64 << 10).to_be_bytes().to_vec();
    body.extend(2_068_480u64.to_be_bytes());
    extension(&mut head, 112, EXTENSION_CRYPTO, &body);
    let header = parse(&head).unwrap();
    assert_eq!(header.crypto, Some((256 << 10, 2_068_480)));
    assert_eq!(cipher(&header), "luks");
    assert_eq!(fit_to_run(&header), Ok(()));
    put(&mut head, 8, &200u64.to_be_bytes());
    assert!(fit_to_run(&parse(&head).unwrap()).is_err());
    assert!(fit_to_run(&parse(&good(3)).unwrap()).is_err());
}
