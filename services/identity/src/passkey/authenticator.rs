//! What an authenticator says under its signature (WebAuthn, 6.1): for whom, whether somebody was there
//! and was recognised, how often it has signed, and at enrolment the new key.

use super::cbor::{self, Item};
use super::cose::Key;

/// Bytes before what is there at enrolment only.
const FIXED: usize = 37;
/// Bytes of the model's id, which is not asked for and not looked at.
const MODEL: usize = 16;
/// Bytes of a credential's id.
pub(super) const ID: std::ops::RangeInclusive<usize> = 16..=1023;

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const MAY_BE_COPIED: u8 = 1 << 3;
const IS_COPIED: u8 = 1 << 4;
const NEW_KEY: u8 = 1 << 6;
const MORE: u8 = 1 << 7;

/// A key that was just made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewKey<'a> {
    /// Its id.
    pub id: &'a [u8],
    /// The key, read.
    pub key: Key,
    /// As it was written.
    pub cose: &'a [u8],
}

/// What it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said<'a> {
    /// The digest of the relying party's id.
    pub party: &'a [u8],
    flags: u8,
    /// How often it has signed; 0 where it does not count.
    pub count: u32,
    /// The key that was just made.
    pub new: Option<NewKey<'a>>,
}

impl<'a> Said<'a> {
    /// Reads it to its end.
    pub fn read(bytes: &'a [u8]) -> Result<Said<'a>, &'static str> {
        const BAD: &str = "the authenticator's data cannot be read";
        let (fixed, mut rest) = bytes.split_at_checked(FIXED).ok_or(BAD)?;
        let (party, fixed) = fixed.split_at(32);
        let (Some(flags), Some(count)) = (fixed.first(), fixed.last_chunk::<4>()) else {
            return Err(BAD);
        };
        let mut said =
            Said { party, flags: *flags, count: u32::from_be_bytes(*count), new: None };
        if said.has(NEW_KEY) {
            let (_, behind) = rest.split_at_checked(MODEL).ok_or(BAD)?;
            let (length, behind) = behind.split_first_chunk::<2>().ok_or(BAD)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (id, behind) = behind.split_at_checked(length).ok_or(BAD)?;
            if !ID.contains(&length) {
                return Err("the credential's id is shorter than 16 bytes or longer than 1023");
            }
            let (key, used) = Key::read(behind)?;
            let (cose, behind) = behind.split_at_checked(used).ok_or(BAD)?;
            said.new = Some(NewKey { id, key, cose });
            rest = behind;
        }
        if said.has(MORE) {
            // Browsers ask for some on their own (how a credential is protected). None is believed.
            let (more, behind) = cbor::first(rest).ok_or(BAD)?;
            if !matches!(more, Item::Map(_)) {
                return Err(BAD);
            }
            rest = behind;
        }
        match rest.is_empty() {
            true => Ok(said),
            false => Err(BAD),
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Somebody was there.
    pub fn present(&self) -> bool {
        self.has(PRESENT)
    }

    /// It was its owner, by a PIN or by what the owner is.
    pub fn verified(&self) -> bool {
        self.has(VERIFIED)
    }

    /// The key may be copied to other devices of its owner's.
    pub fn may_be_copied(&self) -> bool {
        self.has(MAY_BE_COPIED)
    }

    /// The key is on other devices, or with whoever keeps it for its owner.
    pub fn is_copied(&self) -> bool {
        self.has(IS_COPIED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_to_its_end_and_no_further() {
        let plain = |flags: u8, more: &[u8]| [&[7u8; 32][..], &[flags, 0, 0, 1, 2], more].concat();
        for (what, bytes, want) in [
            ("plain", plain(5, &[]), true), ("nothing", vec![], false),
            ("too short", plain(5, &[])[..36].to_vec(), false), ("too long", plain(5, &[0]), false),
            ("with more", plain(0x85, &[0xa0]), true), ("more that is not there", plain(0x85, &[]), false),
            ("more that is no map", plain(0x85, &[0x80]), false),
            ("more behind it", plain(0x85, &[0xa0, 0xa0]), false),
            ("a key that is not there", plain(0x45, &[]), false),
            ("an id that is not there", plain(0x45, &[[0u8; 16].as_slice(), &[0, 16]].concat()), false),
            ("a short id", plain(0x45, &[[0u8; 16].as_slice(), &[0, 2, 1, 1]].concat()), false),
            ("an id and no key", plain(0x45, &[[0u8; 16].as_slice(), &[0, 16], &[1; 16]].concat()), false),
        ] {
            assert_eq!(Said::read(&bytes).is_ok(), want, "{what}");
        }
        let bytes = plain(0x1d, &[]);
        let said = Said::read(&bytes).unwrap();
        assert!(said.present() && said.verified() && said.may_be_copied() && said.is_copied());
        assert_eq!((said.party, said.count, said.new), (&[7u8; 32][..], 258, None));
        let said = plain(2, &[]);
        let said = Said::read(&said).unwrap();
        assert!(!said.present() && !said.verified() && !said.may_be_copied() && !said.is_copied());
    }
}
