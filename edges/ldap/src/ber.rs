//! The part of BER that LDAP uses (RFC 4511, 5.1): definite lengths, tags of one byte.
//!
//! Written as bytes, innermost first; read by stepping over elements, so that reading costs no stack
//! and no copy whatever a server sends.

/// Tags of the universal class.
pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0A;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Writes an element.
pub(crate) fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let bytes = content.len().to_be_bytes();
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let first = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
            let rest = bytes.get(first..).unwrap_or_default();
            out.push(0x80 | u8::try_from(rest.len()).unwrap_or_default());
            out.extend_from_slice(rest);
        }
    }
    out.extend_from_slice(content);
}

/// An element by itself.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    put(&mut out, tag, content);
    out
}

/// A number that is not negative, in as few bytes as it has.
pub(crate) fn number(tag: u8, n: i64) -> Vec<u8> {
    let bytes = n.max(0).to_be_bytes();
    let first = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len() - 1);
    // The first bit is the sign's.
    let sign = bytes.get(first).is_some_and(|b| b & 0x80 != 0);
    let mut content = if sign { vec![0] } else { Vec::new() };
    content.extend_from_slice(bytes.get(first..).unwrap_or_default());
    element(tag, &content)
}

/// A number that was read; none if it is longer than any that LDAP has.
pub(crate) fn read_number(content: &[u8]) -> Option<i64> {
    if content.is_empty() || content.len() > 8 {
        return None;
    }
    let sign = if content.first().is_some_and(|b| b & 0x80 != 0) { -1 } else { 0 };
    Some(content.iter().fold(sign, |n, b| (n << 8) | i64::from(*b)))
}

/// The length that follows a tag: its value and how many bytes it takes. None if it is not definite or
/// not whole.
pub(crate) fn read_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((usize::from(first), 1));
    }
    let count = usize::from(first & 0x7F);
    if !(1..=4).contains(&count) {
        return None;
    }
    let digits = bytes.get(1..1 + count)?;
    Some((digits.iter().fold(0usize, |n, b| (n << 8) | usize::from(*b)), 1 + count))
}

/// Elements one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'a>(pub &'a [u8]);

impl<'a> Elements<'a> {
    /// The next one: tag and content. None at the end, and where the bytes are no element.
    pub fn step(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (length, taken) = read_length(rest)?;
        let content = rest.get(taken..taken.checked_add(length)?)?;
        self.0 = rest.get(taken + length..)?;
        Some((*tag, content))
    }

    /// The next one, which has this tag.
    pub fn want(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.step().filter(|(t, _)| *t == tag).map(|(_, content)| content)
    }

    /// Whether nothing is left.
    pub fn done(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_written_and_read() {
        for (n, want) in [(0, "020100"), (3, "020103"), (127, "02017f"), (128, "02020080"),
            (256, "02020100"), (65_535, "020300ffff")] {
            let bytes = number(INTEGER, n);
            assert_eq!(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>(), want);
            let content = Elements(&bytes).want(INTEGER).unwrap();
            assert_eq!(read_number(content), Some(n));
        }
        for size in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7u8; size];
            let bytes = element(OCTETS, &content);
            let mut all = Elements(&bytes);
            assert_eq!(all.step(), Some((OCTETS, &content[..])), "{size}");
            assert!(all.done());
        }
        assert_eq!(read_number(&[0xFF]), Some(-1));
        assert_eq!(read_number(&[0; 9]), None);
    }

    #[test]
    fn what_is_no_element_is_none() {
        let bad: [&[u8]; 8] = [&[], &[0x30], &[0x30, 5, 1], &[0x30, 0x80, 0, 0], &[0x30, 0x82, 1],
            &[0x30, 0x85, 0, 0, 0, 0, 1, 9], &[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 1], &[0x30, 0xFF]];
        for bytes in bad {
            assert_eq!(Elements(bytes).step(), None, "{bytes:?}");
        }
        // Active Directory writes every length in four bytes.
        let long = [0x04, 0x84, 0, 0, 0, 2, 1, 2];
        assert_eq!(Elements(&long).want(OCTETS), Some(&[1u8, 2][..]));
        assert_eq!(Elements(&long).want(INTEGER), None);
    }
}
