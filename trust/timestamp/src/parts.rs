//! Walking through DER.
//!
//! A token nests a dozen structures of which a few members each matter. Types for all of them would
//! be more code than the walk, and a wrong token has to be refused just the same. So: tags and
//! lengths are read by the `der` crate, which takes no second encoding of anything, and members are
//! taken in their order. Whatever is not where it belongs is `None`.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader};

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BITS: u8 = 0x03;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8: u8 = 0x0c;
pub(crate) const TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// The tag `[number]` of something constructed.
pub(crate) const fn nested(number: u8) -> u8 {
    0xa0 | number
}

/// One value.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub tag: u8,
    pub value: &'a [u8],
    /// With tag and length.
    pub whole: &'a [u8],
}

impl<'a> Part<'a> {
    /// What is in it.
    pub fn parts(&self) -> Option<Parts<'a>> {
        Parts::of(self.value)
    }
}

/// Values behind each other.
pub(crate) struct Parts<'a>(SliceReader<'a>);

impl<'a> Parts<'a> {
    pub fn of(bytes: &'a [u8]) -> Option<Parts<'a>> {
        Some(Parts(SliceReader::new(bytes).ok()?))
    }

    /// Whether nothing is left.
    pub fn over(&self) -> bool {
        self.0.is_finished()
    }

    /// The next value, whatever it is.
    pub fn any(&mut self) -> Option<Part<'a>> {
        let whole = self.0.tlv_bytes().ok()?;
        let value = AnyRef::from_der(whole).ok()?.value();
        Some(Part { tag: *whole.first()?, value, whole })
    }

    /// The next value, which must have this tag.
    pub fn need(&mut self, tag: u8) -> Option<Part<'a>> {
        self.any().filter(|part| part.tag == tag)
    }

    /// The next value if it has this tag; the outer `None` is damage.
    pub fn maybe(&mut self, tag: u8) -> Option<Option<Part<'a>>> {
        match self.0.peek_byte() {
            Some(next) if next == tag => self.any().map(Some),
            _ => Some(None),
        }
    }

    /// What is in the next value, which must have this tag.
    pub fn enter(&mut self, tag: u8) -> Option<Parts<'a>> {
        self.need(tag)?.parts()
    }

    /// All that is left.
    pub fn rest(mut self) -> Option<Vec<Part<'a>>> {
        let mut all = Vec::new();
        while !self.over() {
            all.push(self.any()?);
        }
        Some(all)
    }

    /// What is in one value, behind which nothing stands.
    pub fn only(bytes: &'a [u8], tag: u8) -> Option<Parts<'a>> {
        let mut parts = Parts::of(bytes)?;
        let inside = parts.enter(tag)?;
        parts.over().then_some(inside)
    }
}

/// The object identifier of an algorithm.
pub(crate) fn algorithm<'a>(mut parts: Parts<'a>) -> Option<&'a [u8]> {
    Some(parts.need(OID)?.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_der_is_nothing() {
        assert!(Parts::only(&[0x30, 3, 2, 1, 5], SEQUENCE).is_some());
        for bad in [
            &b""[..], &[0x30], &[0x30, 3, 2, 1], &[0x30, 3, 2, 1, 5, 0], &[0x31, 3, 2, 1, 5],
            // Lengths without an end, and in more bytes than needed.
            &[0x30, 0x80, 2, 1, 5, 0, 0], &[0x30, 0x81, 3, 2, 1, 5],
        ] {
            assert!(Parts::only(bad, SEQUENCE).is_none(), "{bad:?}");
        }
        let mut parts = Parts::only(&[0x30, 3, 2, 1, 5], SEQUENCE).unwrap();
        assert!(parts.maybe(OCTETS).unwrap().is_none());
        assert_eq!(parts.need(INTEGER).unwrap().value, [5]);
        assert!(parts.over() && parts.any().is_none());
    }
}
