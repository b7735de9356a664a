//! Search filters (RFC 4511, 4.5.1.7) as trees, and the administrator's own from text (RFC 4515).
//!
//! A tree is written as BER: what stands in a value cannot become a part of the filter, so there is
//! nothing to escape and nothing to forget. Text is parsed only where somebody set it as a setting;
//! its depth has a bound, since parsing and writing follow the nesting.

use crate::ber::{OCTETS, SEQUENCE, element, put};

/// A filter in a filter, at most so deep.
const DEPTH: usize = 16;
/// Active Directory's rule for "is a member, directly or through groups".
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// One of them.
    Or(Vec<Filter>),
    /// Not this one.
    Not(Box<Filter>),
    /// An attribute compared with a value; the tag says how.
    Compared(u8, String, Vec<u8>),
    /// Pieces of a value: the first, those between, the last.
    Pieces(String, Vec<(u8, Vec<u8>)>),
    /// The attribute is there.
    Present(String),
    /// A rule of the server's own: rule, attribute, value, whether names (DN) count too.
    Rule(String, String, Vec<u8>, bool),
}

const EQUAL: u8 = 0xA3;
const GREATER: u8 = 0xA5;
const LESS: u8 = 0xA6;
const LIKE: u8 = 0xA8;
/// Pieces of a value.
const FIRST: u8 = 0x80;
const BETWEEN: u8 = 0x81;
const LAST: u8 = 0x82;

impl Filter {
    /// An attribute that has this value.
    pub fn equal(attribute: &str, value: &[u8]) -> Filter {
        Filter::Compared(EQUAL, attribute.into(), value.into())
    }

    /// A membership, also through other groups.
    pub fn in_chain(attribute: &str, value: &[u8]) -> Filter {
        Filter::Rule(IN_CHAIN.into(), attribute.into(), value.into(), false)
    }

    /// As it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        let many = |tag: u8, inside: &[Filter]| {
            element(tag, &inside.iter().flat_map(Filter::bytes).collect::<Vec<u8>>())
        };
        let mut content = Vec::new();
        match self {
            Filter::And(inside) => many(0xA0, inside),
            Filter::Or(inside) => many(0xA1, inside),
            Filter::Not(inside) => element(0xA2, &inside.bytes()),
            Filter::Compared(tag, attribute, value) => {
                put(&mut content, OCTETS, attribute.as_bytes());
                put(&mut content, OCTETS, value);
                element(*tag, &content)
            }
            Filter::Pieces(attribute, pieces) => {
                put(&mut content, OCTETS, attribute.as_bytes());
                let mut all = Vec::new();
                pieces.iter().for_each(|(tag, piece)| put(&mut all, *tag, piece));
                put(&mut content, SEQUENCE, &all);
                element(0xA4, &content)
            }
            Filter::Present(attribute) => element(0x87, attribute.as_bytes()),
            Filter::Rule(rule, attribute, value, names) => {
                if !rule.is_empty() {
                    put(&mut content, 0x81, rule.as_bytes());
                }
                if !attribute.is_empty() {
                    put(&mut content, 0x82, attribute.as_bytes());
                }
                put(&mut content, 0x83, value);
                if *names {
                    put(&mut content, 0x84, &[0xFF]);
                }
                element(0xA9, &content)
            }
        }
    }
}

/// Reads a filter's text.
pub(crate) fn parse(text: &str) -> Result<Filter, &'static str> {
    let mut rest = text;
    let filter = one(&mut rest, DEPTH)?;
    if !rest.is_empty() {
        return Err("goes on after its last bracket: combine filters as (&(..)(..))");
    }
    Ok(filter)
}

fn eat(rest: &mut &str, what: char) -> bool {
    match rest.strip_prefix(what) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

fn one(rest: &mut &str, depth: usize) -> Result<Filter, &'static str> {
    const OPEN: &str = "must be filters in brackets, as in (ou=staff)";
    let depth = depth.checked_sub(1).ok_or("is nested too deeply")?;
    if !eat(rest, '(') {
        return Err(OPEN);
    }
    let filter = if eat(rest, '&') {
        Filter::And(several(rest, depth)?)
    } else if eat(rest, '|') {
        Filter::Or(several(rest, depth)?)
    } else if eat(rest, '!') {
        Filter::Not(Box::new(one(rest, depth)?))
    } else {
        let end = rest.find(['(', ')']).ok_or(OPEN)?;
        let (text, after) = rest.split_at(end);
        *rest = after;
        item(text)?
    };
    if eat(rest, ')') { Ok(filter) } else { Err(OPEN) }
}

fn several(rest: &mut &str, depth: usize) -> Result<Vec<Filter>, &'static str> {
    let mut all = vec![one(rest, depth)?];
    while rest.starts_with('(') {
        all.push(one(rest, depth)?);
    }
    Ok(all)
}

/// Whether a word can name an attribute (with options) or a rule.
fn descriptor(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || ['-', '.', ';'].contains(&c))
}

fn item(text: &str) -> Result<Filter, &'static str> {
    const ATTRIBUTE: &str = "compares something that is no attribute's name";
    let (left, right) = text.split_once('=').ok_or("has a condition without an equals sign")?;
    let named = |word: &str| if descriptor(word) { Ok(word.to_string()) } else { Err(ATTRIBUTE) };
    if let Some(left) = left.strip_suffix(':') {
        return rule(left, right);
    }
    for (sign, tag) in [('>', GREATER), ('<', LESS), ('~', LIKE)] {
        if let Some(attribute) = left.strip_suffix(sign) {
            return Ok(Filter::Compared(tag, named(attribute)?, value(right)?));
        }
    }
    let attribute = named(left)?;
    if right == "*" {
        return Ok(Filter::Present(attribute));
    }
    let pieces: Vec<&str> = right.split('*').collect();
    let last = pieces.len() - 1;
    if last == 0 {
        return Ok(Filter::Compared(EQUAL, attribute, value(right)?));
    }
    let mut kept = Vec::new();
    for (n, piece) in pieces.into_iter().enumerate() {
        let tag = match n {
            0 => FIRST,
            n if n == last => LAST,
            _ => BETWEEN,
        };
        match (piece.is_empty(), tag) {
            (true, BETWEEN) => return Err("has two asterisks with nothing between them"),
            (true, _) => {}
            (false, tag) => kept.push((tag, value(piece)?)),
        }
    }
    Ok(Filter::Pieces(attribute, kept))
}

/// `attribute:dn:rule:=value`, where each part may be missing, but not all.
fn rule(left: &str, right: &str) -> Result<Filter, &'static str> {
    const WRONG: &str = "has a rule that cannot be read: (attribute:rule:=value)";
    let mut parts: Vec<&str> = left.split(':').collect();
    let attribute = parts.remove(0);
    let names = parts.first().is_some_and(|p| p.eq_ignore_ascii_case("dn"));
    if names {
        parts.remove(0);
    }
    let rule = parts.first().copied().unwrap_or_default();
    let good = |word: &str| word.is_empty() || descriptor(word);
    if parts.len() > 1 || !good(attribute) || !good(rule) || (attribute.is_empty() && rule.is_empty()) {
        return Err(WRONG);
    }
    Ok(Filter::Rule(rule.into(), attribute.into(), value(right)?, names))
}

/// A value with its escapes (`\2a`) taken back.
fn value(text: &str) -> Result<Vec<u8>, &'static str> {
    const WRONG: &str = "has a backslash that is not followed by two hexadecimal digits";
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(WRONG) };
        out.push(u8::try_from(high * 16 + low).map_err(|_| WRONG)?);
    }
    if out.is_empty() { Err("compares with nothing") } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::Elements;

    #[test]
    fn what_somebody_types_stays_a_value() {
        for typed in ["*", "a)(uid=*", "(*)\\", "\\2a", "x\u{0}y", "张三", ")(|(uid=*))"] {
            let bytes = Filter::equal("uid", typed.as_bytes()).bytes();
            let mut all = Elements(&bytes);
            let mut inside = Elements(all.want(EQUAL).unwrap());
            assert!(all.done());
            assert_eq!(inside.want(OCTETS), Some(&b"uid"[..]));
            assert_eq!(inside.want(OCTETS), Some(typed.as_bytes()), "{typed}");
            assert!(inside.done());
        }
    }

    #[test]
    fn texts_are_read() {
        let text = |s: &str| s.to_string();
        let equal = |a: &str, v: &str| Filter::equal(a, v.as_bytes());
        for (given, want) in [
            ("(ou=staff)", equal("ou", "staff")),
            (r"(cn=a\2a\28b\29\5c)", equal("cn", "a*(b)\\")),
            ("(memberOf=cn=staff,dc=x)", equal("memberOf", "cn=staff,dc=x")),
            ("(cn=*)", Filter::Present(text("cn"))),
            ("(n>=3)", Filter::Compared(GREATER, text("n"), b"3".to_vec())),
            ("(n<=3)", Filter::Compared(LESS, text("n"), b"3".to_vec())),
            ("(n~=x)", Filter::Compared(LIKE, text("n"), b"x".to_vec())),
            ("(!(ou=x))", Filter::Not(Box::new(equal("ou", "x")))),
            ("(&(ou=x)(|(a=1)(b=2)))", Filter::And(vec![equal("ou", "x"),
                Filter::Or(vec![equal("a", "1"), equal("b", "2")])])),
            ("(cn=a*b*c)", Filter::Pieces(text("cn"), vec![(FIRST, b"a".to_vec()),
                (BETWEEN, b"b".to_vec()), (LAST, b"c".to_vec())])),
            ("(cn=*b*)", Filter::Pieces(text("cn"), vec![(BETWEEN, b"b".to_vec())])),
            ("(cn=a*)", Filter::Pieces(text("cn"), vec![(FIRST, b"a".to_vec())])),
            ("(userAccountControl:1.2.840.113556.1.4.803:=2)",
                Filter::Rule(text("1.2.840.113556.1.4.803"), text("userAccountControl"),
                    b"2".to_vec(), false)),
            ("(ou:dn:=x)", Filter::Rule(text(""), text("ou"), b"x".to_vec(), true)),
            ("(:caseExactMatch:=x)", Filter::Rule(text("caseExactMatch"), text(""), b"x".to_vec(), false)),
        ] {
            assert_eq!(parse(given).as_ref(), Ok(&want), "{given}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let deep = "(!".repeat(17) + "(a=1)" + &")".repeat(17);
        for bad in ["", "()", "ou=x", "(ou=x", "(ou=x))", "(ou=x)(a=1)", "(&)", "(!(a=1)(b=2))", "(=x)",
            "(ou)", "(ou=)", "(o u=x)", r"(ou=\2)", r"(ou=\zz)", "(cn=a**b)", "(a:b:c:=x)", "(:=x)",
            "(:dn:=x)", "(ou=(x))", "(>=x)", deep.as_str()] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&("(!".repeat(15) + "(a=1)" + &")".repeat(15))).is_ok());
    }

    #[test]
    fn filters_are_sent_as_the_standard_has_them() {
        let hex = |f: Filter| f.bytes().iter().map(|b| format!("{b:02x}")).collect::<String>();
        for (given, want) in [
            ("(a=1)", "a306040161040131"),
            ("(a=*)", "870161"),
            ("(&(a=1)(b=*))", "a00ba306040161040131870162"),
            ("(!(a=*))", "a203870161"),
            ("(a=x*y)", "a40b0401613006800178820179"),
            ("(a:1.2:=v)", "a90b8103312e3282016183 0176"),
            ("(a:dn:=v)", "a909820161830176 8401ff"),
        ] {
            assert_eq!(hex(parse(given).unwrap()), want.replace(' ', ""), "{given}");
        }
    }
}
