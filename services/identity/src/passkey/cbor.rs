//! Reading the CBOR (RFC 8949) that authenticators write.
//!
//! Problem: a public key and an attestation come as CBOR from a stranger's hardware, before anybody
//! has proved anything. Mechanism: WebAuthn allows one form only (CTAP2's canonical one) and asks
//! readers to refuse every other, so this one does: numbers and lengths as short as they can be, the
//! members of a map in order and each once, no lengths that only an end tells, no tags, no floats,
//! four levels at most, nothing behind the end. What is read borrows from what came.
//!
//! Why not a library: those at hand read numbers that are too long and members that come twice, and
//! this is shorter than the checks that would have to stand around one.

/// How deep things may lie in each other, as CTAP2 has it.
const DEPTH: usize = 4;

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A whole number. No key and no algorithm has one that 64 bits do not hold.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// A list.
    List(Vec<Item<'a>>),
    /// Members, in order.
    Map(Vec<(Item<'a>, Item<'a>)>),
    /// False (20), true (21) or null (22).
    Simple(u64),
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (part, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(part)
    }

    /// What sort of thing comes, and the number that belongs to it.
    fn head(&mut self) -> Option<(u8, u64)> {
        let first = *self.take(1)?.first()?;
        let sort = first >> 5;
        let (size, least) = match first & 31 {
            short @ 0..=23 => return Some((sort, u64::from(short))),
            24 => (1, 24),
            25 => (2, 1u64 << 8),
            26 => (4, 1u64 << 16),
            27 => (8, 1u64 << 32),
            // Reserved, or a length that only an end tells.
            _ => return None,
        };
        let number = self.take(size)?.iter().fold(0u64, |all, b| (all << 8) | u64::from(*b));
        (number >= least).then_some((sort, number))
    }

    fn item(&mut self, depth: usize) -> Option<Item<'a>> {
        let (sort, number) = self.head()?;
        Some(match sort {
            0 => Item::Int(i64::try_from(number).ok()?),
            1 => Item::Int(-1 - i64::try_from(number).ok()?),
            2 => Item::Bytes(self.take(number)?),
            3 => Item::Text(std::str::from_utf8(self.take(number)?).ok()?),
            // However many are announced: each has a byte, and the bytes end.
            4 if depth > 0 => {
                Item::List((0..number).map(|_| self.item(depth - 1)).collect::<Option<_>>()?)
            }
            5 if depth > 0 => Item::Map(self.members(number, depth - 1)?),
            7 if (20..=22).contains(&number) => Item::Simple(number),
            _ => return None,
        })
    }

    fn members(&mut self, count: u64, depth: usize) -> Option<Vec<(Item<'a>, Item<'a>)>> {
        let mut all = Vec::new();
        let mut before: &[u8] = &[];
        for _ in 0..count {
            let from = self.rest;
            let name = self.item(0)?;
            let written = from.get(..from.len() - self.rest.len())?;
            // No beginning of one is another whole one, so this is CTAP2's order; and none is twice.
            if written <= before {
                return None;
            }
            before = written;
            all.push((name, self.item(depth)?));
        }
        Some(all)
    }
}

/// The first thing, and what is behind it.
pub(super) fn first(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let mut reader = Reader { rest: bytes };
    let item = reader.item(DEPTH)?;
    Some((item, reader.rest))
}

/// The one thing that the bytes are.
pub(super) fn whole(bytes: &[u8]) -> Option<Item<'_>> {
    first(bytes).filter(|(_, rest)| rest.is_empty()).map(|(item, _)| item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Item::{Bytes, Int, List, Map, Simple, Text};

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|n| u8::from_str_radix(&text[n..n + 2], 16).unwrap()).collect()
    }

    #[test]
    fn what_is_written_in_the_one_form_is_read() {
        // RFC 8949, appendix A.
        let cases: Vec<(&str, Item<'_>)> = vec![
            ("00", Int(0)), ("17", Int(23)), ("1818", Int(24)), ("1864", Int(100)),
            ("1903e8", Int(1000)), ("1a000f4240", Int(1_000_000)),
            ("1b000000e8d4a51000", Int(1_000_000_000_000)), ("1b7fffffffffffffff", Int(i64::MAX)),
            ("20", Int(-1)), ("29", Int(-10)), ("3863", Int(-100)), ("3903e7", Int(-1000)),
            ("3b7fffffffffffffff", Int(i64::MIN)), ("f4", Simple(20)), ("f5", Simple(21)),
            ("f6", Simple(22)), ("40", Bytes(&[])), ("4401020304", Bytes(&[1, 2, 3, 4])),
            ("60", Text("")), ("6449455446", Text("IETF")), ("62c3bc", Text("ü")), ("80", List(vec![])),
            ("83010203", List(vec![Int(1), Int(2), Int(3)])),
            ("8301820203820405", List(vec![Int(1), List(vec![Int(2), Int(3)]),
                List(vec![Int(4), Int(5)])])),
            ("a0", Map(vec![])), ("a201020304", Map(vec![(Int(1), Int(2)), (Int(3), Int(4))])),
            ("a26161016162820203", Map(vec![(Text("a"), Int(1)),
                (Text("b"), List(vec![Int(2), Int(3)]))])),
            ("81818180", List(vec![List(vec![List(vec![List(vec![])])])])),
            // Numbers before negative ones, those before text.
            ("a4010118180220016161f6", Map(vec![(Int(1), Int(1)), (Int(24), Int(2)), (Int(-1), Int(1)),
                (Text("a"), Simple(22))])),
        ];
        for (text, want) in cases {
            assert_eq!(whole(&hex(text)), Some(want), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (what, text) in [
            ("nothing", ""), ("more behind it", "0000"), ("23 in two bytes", "1817"),
            ("255 in three", "1900ff"), ("65535 in five", "1a0000ffff"), ("2^32-1 in nine",
            "1b00000000ffffffff"), ("2^63", "1b8000000000000000"), ("-2^63-1", "3b8000000000000000"),
            ("a number that ends too soon", "19ff"), ("a reserved length", "1c"),
            ("bytes without a length", "5f4101ff"), ("text without a length", "7f6161ff"),
            ("a list without a length", "9f01ff"), ("a map without a length", "bf0102ff"),
            ("a length in two bytes", "580101"), ("bytes that end too soon", "4201"),
            ("more bytes than there can be", "5bffffffffffffffff"),
            ("more things than there can be", "9bffffffffffffffff"),
            ("more members than there can be", "bbffffffffffffffff"),
            ("a map that ends too soon", "a2010203"), ("no text", "62c328"),
            ("a tag", "c000"), ("a half float", "f93c00"), ("a float", "fa47c35000"),
            ("a double", "fb3ff199999999999a"), ("undefined", "f7"), ("another simple value", "f0"),
            ("false in two bytes", "f814"), ("a break", "ff"), ("a member twice", "a201020103"),
            ("members in another order", "a203040102"), ("a long name first", "a262616101616202"),
            ("negative numbers first", "a4010120011818026161f6"),
            ("a list as a name", "a18001"), ("a map as a name", "a1a001"),
            ("five lists in each other", "8181818180"), ("five maps in each other",
            "a101a101a101a101a0"),
        ] {
            assert_eq!(whole(&hex(text)), None, "{what}");
        }
        // Many small things in each other end the reading, not the stack.
        assert_eq!(whole(&[0x81; 100_000]), None);
    }

    #[test]
    fn what_is_behind_is_given_back() {
        assert_eq!(first(&hex("a10102a0")), Some((Map(vec![(Int(1), Int(2))]), &b"\xa0"[..])));
        assert_eq!(first(&hex("01")), Some((Int(1), &b""[..])));
    }
}
