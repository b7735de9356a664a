//! What the journal's own code answers to published examples of the national algorithms, and who
//! signed the newest checkpoint.
//!
//! The examples go through the functions that hash and verify the journal, not through the
//! libraries below them: a wrong identity, a wrong byte order or another curve would show.

use jinyun_base::Fault;
use jinyun_journal::note::PublicKey;
use jinyun_journal::{Checkpoint, HashKind, Key, Note, from_hex, to_hex};
use jinyun_rest::Cloud;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// Examples, and whether the answer was the published one.
    pub examples: Vec<(&'static str, bool)>,
    /// The newest checkpoint's size, and whether the platform's SM2 key signed it for the SM3 tree.
    pub checkpoint: Option<(u64, bool)>,
}

/// The signature example of GB/T 32918.5: the public key of `d` = 3945208f..., uncompressed.
const POINT: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
    ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
/// Its `r` and `s`, over the message below with the identity 1234567812345678.
const SIGNATURE: &str = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
    b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";
const MESSAGE: &str = "message digest";

/// SM3 of nothing, and of the bytes 00 `abc`: a leaf is hashed behind a zero, so the standard's own
/// examples (`abc`) cannot be put. Both made with another implementation (OpenSSL); the signature's
/// digest is an SM3 of the standard's.
const EMPTY: &str = "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b";
const LEAF: &str = "a7fe0cdcc2194aa7a9c6bfad5637581bf051d935a10bb6a9ccabfce125c27d96";

fn examples() -> Vec<(&'static str, bool)> {
    let bytes = |hex: &str| from_hex(hex).unwrap_or_default();
    let key = Key { name: "example".into(), public: PublicKey::Sm2(bytes(POINT)) };
    let signature = bytes(SIGNATURE);
    let mut changed = signature.clone();
    if let Some(byte) = changed.last_mut() {
        *byte ^= 1;
    }
    vec![
        ("SM2: the signature of the example holds", key.verifies(MESSAGE, &signature)),
        ("SM2: with one bit changed it does not", !key.verifies(MESSAGE, &changed)),
        ("SM2: nor for another message", !key.verifies("message digesT", &signature)),
        ("SM3 of nothing", to_hex(&HashKind::Sm3.empty()) == EMPTY),
        ("SM3 of a leaf", to_hex(&HashKind::Sm3.leaf(b"abc")) == LEAF),
    ]
}

/// Whether a note is the SM3 tree's checkpoint of this size, signed with SM2 by a known key.
fn by_sm2(note: &str, size: u64, keys: &[Key]) -> bool {
    let Some(note) = Note::parse(note) else { return false };
    let said = Checkpoint::parse(&note.text);
    said.is_some_and(|said| said.kind == HashKind::Sm3 && said.size == size)
        && note.signers(keys).0.iter().any(|key| matches!(key.public, PublicKey::Sm2(_)))
}

/// Puts the examples and looks at the newest checkpoint.
pub fn read(cloud: &Cloud, keys: &[Key]) -> Result<Answers, Fault> {
    let newest = cloud.reader.lend(|db| db.newest_checkpoint())?;
    let checkpoint = newest.map(|(size, notes)| {
        (size, notes.iter().any(|note| by_sm2(note, size, keys)))
    });
    Ok(Answers { examples: examples(), checkpoint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_answered_as_published() {
        for (what, right) in examples() {
            assert!(right, "{what}");
        }
        assert!(!by_sm2("nonsense", 1, &[]));
    }
}
