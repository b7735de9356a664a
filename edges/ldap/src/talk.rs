//! The four operations that are used: StartTLS, bind, search, unbind (RFC 4511, section 4).

use crate::ber::{
    BOOLEAN, ENUMERATED, Elements, INTEGER, OCTETS, SEQUENCE, SET, element, number, read_number,
};
use crate::filter::Filter;
use crate::wire::Wire;
use crate::{SUCCESS, TOO_MANY, Trouble, trouble};
use jinyun_base::Secret;

const BIND: u8 = 0x60;
const BIND_DONE: u8 = 0x61;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const EXTENDED: u8 = 0x77;
const EXTENDED_DONE: u8 = 0x78;
/// Context tags: of a simple bind's password, of an extended request's name.
const SIMPLE: u8 = 0x80;
const NAME: u8 = 0x80;

const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// References to other servers that are passed over in one search.
const REFERENCES: usize = 64;
/// At most so many attributes and values of one entry.
const VALUES: usize = 1024;

/// How far a search goes.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// The whole tree, not just the level below its top.
    pub whole: bool,
    /// At most so many entries.
    pub most: i64,
}

/// An entry that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its name.
    pub dn: String,
    /// Attributes with their values.
    pub values: Vec<(String, Vec<Vec<u8>>)>,
}

impl Found {
    /// The values of an attribute; its name is compared without case, and without options.
    pub fn values(&self, attribute: &str) -> &[Vec<u8>] {
        let base = |name: &str| name.split(';').next().unwrap_or_default().to_ascii_lowercase();
        let wanted = base(attribute);
        let found = self.values.iter().find(|(name, _)| base(name) == wanted);
        match found {
            Some((_, values)) => values,
            None => &[],
        }
    }

    /// Those of them that are text.
    pub fn texts(&self, attribute: &str) -> Vec<String> {
        let text = |v: &Vec<u8>| String::from_utf8(v.clone()).ok();
        self.values(attribute).iter().filter_map(text).collect()
    }

    /// The first one that is text.
    pub fn text(&self, attribute: &str) -> Option<String> {
        self.texts(attribute).into_iter().next()
    }
}

fn strange() -> Trouble {
    trouble("the server's answer cannot be read")
}

/// The result code that an answer begins with.
fn code(content: &[u8]) -> Result<i64, Trouble> {
    Elements(content).want(ENUMERATED).and_then(read_number).ok_or_else(strange)
}

fn entry(content: &[u8]) -> Option<Found> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(String::from);
    let mut parts = Elements(content);
    let dn = text(parts.want(OCTETS)?)?;
    let mut attributes = Elements(parts.want(SEQUENCE)?);
    let (mut values, mut count) = (Vec::new(), 0);
    while !attributes.done() {
        count += 1;
        if count > VALUES {
            return None;
        }
        let mut one = Elements(attributes.want(SEQUENCE)?);
        let name = text(one.want(OCTETS)?)?;
        let mut inside = Elements(one.want(SET)?);
        let mut all = Vec::new();
        while !inside.done() {
            // Two bytes on the wire are more in memory.
            count += 1;
            if count > VALUES {
                return None;
            }
            all.push(inside.want(OCTETS)?.to_vec());
        }
        values.push((name, all));
    }
    Some(Found { dn, values })
}

impl Wire {
    fn ask(&mut self, operation: Secret<Vec<u8>>) -> Result<(), Trouble> {
        self.sent += 1;
        let mut content = number(INTEGER, self.sent);
        content.extend_from_slice(operation.expose());
        let content = Secret::new(content);
        self.send(&Secret::new(element(SEQUENCE, content.expose())))
    }

    /// The answer to what was sent last: the operation's tag, and what stands in it.
    fn hear(&mut self) -> Result<(u8, Vec<u8>), Trouble> {
        let message = self.take()?;
        let mut parts = Elements(&message);
        let number = parts.want(INTEGER).and_then(read_number).ok_or_else(strange)?;
        let (tag, content) = parts.step().ok_or_else(strange)?;
        match number {
            n if n == self.sent => Ok((tag, content.to_vec())),
            // What was not asked for is "I am going".
            0 => Err(trouble("the server ended the connection")),
            _ => Err(strange()),
        }
    }

    /// The result code of an operation with one answer.
    fn result(&mut self, wanted: u8) -> Result<i64, Trouble> {
        match self.hear()? {
            (tag, content) if tag == wanted => code(&content),
            _ => Err(strange()),
        }
    }

    /// Asks for TLS on this connection.
    pub fn start_tls(&mut self) -> Result<(), Trouble> {
        self.ask(Secret::new(element(EXTENDED, &element(NAME, START_TLS))))?;
        match self.result(EXTENDED_DONE)? {
            SUCCESS => Ok(()),
            code => Err(trouble(format!("the server begins no TLS: code {code}"))),
        }
    }

    /// Says who this is, with a password. Returns the result code.
    pub fn bind(&mut self, dn: &str, password: &Secret<String>) -> Result<i64, Trouble> {
        if dn.trim().is_empty() || password.expose().is_empty() {
            // Either would be success for nobody.
            return Err(trouble("a bind without a name or a password"));
        }
        let simple = Secret::new(element(SIMPLE, password.expose().as_bytes()));
        let mut content = number(INTEGER, 3);
        content.extend(element(OCTETS, dn.as_bytes()));
        // Room first: a vector that grows leaves what it held behind.
        content.reserve_exact(simple.expose().len());
        content.extend_from_slice(simple.expose());
        let content = Secret::new(content);
        self.ask(Secret::new(element(BIND, content.expose())))?;
        self.result(BIND_DONE)
    }

    /// Entries that meet a condition, and whether there are more than were wanted.
    pub fn search(&mut self, base: &str, limits: Limits, filter: &Filter, attributes: &[&str])
        -> Result<(Vec<Found>, bool), Trouble> {
        let names: Vec<u8> = attributes.iter().filter(|a| !a.is_empty())
            .flat_map(|a| element(OCTETS, a.as_bytes())).collect();
        let content = [
            element(OCTETS, base.as_bytes()),
            number(ENUMERATED, if limits.whole { 2 } else { 1 }),
            // Aliases are not followed.
            number(ENUMERATED, 0),
            number(INTEGER, limits.most),
            // The time is ours to keep.
            number(INTEGER, 0),
            element(BOOLEAN, &[0]),
            filter.bytes(),
            element(SEQUENCE, &names),
        ].concat();
        self.ask(Secret::new(element(SEARCH, &content)))?;
        let most = usize::try_from(limits.most).unwrap_or_default();
        let (mut found, mut references) = (Vec::new(), 0);
        loop {
            match self.hear()? {
                (ENTRY, content) if found.len() <= most => {
                    found.push(entry(&content).ok_or_else(strange)?);
                }
                (ENTRY, _) => return Err(trouble("the server sends more entries than were asked for")),
                // Other servers are not asked: nobody has said that they may see passwords.
                (REFERENCE, _) if references < REFERENCES => references += 1,
                (SEARCH_DONE, content) => return match code(&content)? {
                    SUCCESS => {
                        let more = found.len() > most;
                        Ok((found, more))
                    }
                    TOO_MANY => Ok((found, true)),
                    code => Err(trouble(format!("the directory answers a search with code {code}"))),
                },
                _ => return Err(strange()),
            }
        }
    }

    /// Says goodbye; whether it is heard does not matter.
    pub fn leave(&mut self) {
        let _ = self.ask(Secret::new(element(UNBIND, &[])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_or_refused() {
        let value = |v: &str| element(OCTETS, v.as_bytes());
        let set = |all: &[&str]| element(SET, &all.iter().flat_map(|v| value(v)).collect::<Vec<u8>>());
        let attribute = |name: &str, all: &[&str]| {
            element(SEQUENCE, &[value(name), set(all)].concat())
        };
        let all = [attribute("UID;lang-en", &["ann", "a"]), attribute("mail", &[])].concat();
        let good = [value("uid=ann"), element(SEQUENCE, &all)].concat();
        let found = entry(&good).unwrap();
        assert_eq!(found.dn, "uid=ann");
        assert_eq!(found.texts("uid"), ["ann", "a"]);
        assert_eq!((found.text("mail"), found.text("sn")), (None, None));
        for end in 0..good.len() {
            assert_eq!(entry(&good[..end]), None, "cut at {end}");
        }
        assert_eq!(entry(&[element(OCTETS, &[0xFF]), element(SEQUENCE, &[])].concat()), None);
        assert_eq!(code(&number(ENUMERATED, 49)).unwrap(), 49);
        assert!(code(&number(INTEGER, 0)).is_err());
    }
}
