//! An assessment as OSCAL, NIST's language for controls and what became of them.
//!
//! Problem: an assessor's tools read OSCAL, and every document of it names others by UUID. Mechanism:
//! each name is a UUID of version 5 made from what it names, times are passed in, members are
//! sorted: the same assessment gives the same bytes, and two assessments name the same clause alike.
//! The version is 1.1.3, the last that a published release of compliance-trestle judges as 1.1
//! (`tests/oscal.py`). Why JSON values and not types generated from the schema: those are megabytes
//! of code for seven documents, and the judge is outside either way.

mod catalog;
mod results;
mod system;

use crate::model::{Assessment, Clause, Finding, Method, Standard, State};
use crate::words::{self, line};
use jinyun_base::Time;
use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};

/// The namespace of our own properties. A name, not an address.
const NS: &str = "https://jinyun.invalid/ns/oscal";
const OSCAL: &str = "1.1.3";

/// A file that lies beside the `oscal` directory, and its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Path from the directory above.
    pub path: String,
    /// What it is.
    pub title: String,
    /// SHA-256, hex.
    pub sha256: String,
}

/// What all documents are made from.
pub(crate) struct Source<'a> {
    of: &'a Assessment,
    made: i64,
    attachments: &'a [Attachment],
}

/// All documents of an assessment: file name and content, in the order of names.
pub fn documents(of: &Assessment, made: i64, attachments: &[Attachment]) -> Vec<(String, Value)> {
    let source = Source { of, made, attachments };
    let mut made = catalog::documents(&source);
    made.extend(system::documents(&source));
    made.extend(results::documents(&source));
    made.sort_by(|a, b| a.0.cmp(&b.0));
    made
}

fn v5(space: &[u8; 16], name: &str) -> [u8; 16] {
    let hash = Sha1::new().chain_update(space).chain_update(name).finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    id[6] = (id[6] & 0x0f) | 0x50;
    id[8] = (id[8] & 0x3f) | 0x80;
    id
}

/// The UUID of something that these words name.
fn uid(words: &[&str]) -> String {
    // RFC 9562: the namespace of URLs.
    let urls = *b"\x6b\xa7\xb8\x11\x9d\xad\x11\xd1\x80\xb4\x00\xc0\x4f\xd4\x30\xc8";
    let h = jinyun_journal::to_hex(&v5(&v5(&urls, NS), &words.join("\u{1f}")));
    format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
}

fn time(micros: i64) -> String {
    Time(micros).micros()
}

/// Text for a member that is Markdown: what would be markup is escaped.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\*`<".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out.replace("{{", "{ {")
}

fn token(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect()
}

/// The id of a clause as a control.
fn control(standard: &Standard, clause: &str) -> String {
    let letter = standard.id.starts_with(|c: char| c.is_ascii_alphabetic());
    format!("{}{}_{}", if letter { "" } else { "s" }, token(&standard.id), token(clause))
}

fn catalog_file(standard: &Standard) -> String {
    format!("catalog-{}.json", token(&standard.id))
}

/// A property of our own, none if it has no value.
fn prop(name: &str, value: &str) -> Option<Value> {
    let value = line(value);
    (!value.is_empty()).then(|| json!({ "name": name, "ns": NS, "value": value }))
}

fn list(items: impl IntoIterator<Item = Option<Value>>) -> Vec<Value> {
    items.into_iter().flatten().collect()
}

/// Sets a member that has something in it: OSCAL knows no empty lists.
fn put(object: &mut Map<String, Value>, member: &str, items: Vec<Value>) {
    if !items.is_empty() {
        object.insert(member.into(), Value::Array(items));
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// A text in both languages.
fn both(en: &str, zh: &str) -> String {
    prose(&line(&[en, zh].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" / ")))
}

/// Both titles of a clause.
fn title(clause: &Clause) -> String {
    both(&clause.title_en, &clause.title_zh)
}

fn stands(state: State) -> &'static str {
    words::state(state).1
}

/// What stands behind a sentence if the clause is not answered whole.
fn open(clause: &Clause, before: &str) -> String {
    if clause.missing.is_empty() {
        return String::new();
    }
    format!("{before}{}", prose(&clause.missing))
}

fn method(finding: &Finding) -> &'static str {
    match finding.method {
        Method::Attack => "TEST",
        Method::Check => "EXAMINE",
    }
}

fn roles(ids: &[&str]) -> Vec<Value> {
    ids.iter().map(|id| json!({ "role-id": id })).collect()
}

const ROLES: [(&str, &str); 6] = [
    ("provider", "Provider of the cloud"),
    ("tenant", "Tenant of the cloud"),
    ("assessor", "Assessor"),
    ("system-admin", "System administrator"),
    ("security-admin", "Security administrator"),
    ("audit-admin", "Audit administrator"),
];

impl Source<'_> {
    /// The UUID of something of this instance.
    fn own(&self, words: &[&str]) -> String {
        uid(&[&[self.of.instance.as_str()][..], words].concat())
    }

    fn party(&self) -> String {
        self.own(&["party", "provider"])
    }

    fn version(&self) -> &str {
        &self.of.product.version
    }

    fn metadata(&self, title: &str) -> Value {
        let product = &self.of.product;
        let version = line(&product.version);
        let roles: Vec<Value> =
            ROLES.iter().map(|(id, title)| json!({ "id": id, "title": title })).collect();
        let party = format!("Provider of the instance {}", line(&self.of.instance));
        let mut metadata = object([
            ("title", line(title).into()),
            ("last-modified", time(self.made).into()),
            ("version", if version.is_empty() { "0".into() } else { version.into() }),
            ("oscal-version", OSCAL.into()),
            ("roles", roles.into()),
            ("parties", json!([{ "uuid": self.party(), "type": "organization", "name": party }])),
            ("responsible-parties",
                json!([{ "role-id": "provider", "party-uuids": [self.party()] }])),
        ]);
        put(&mut metadata, "props", list([
            prop("instance", &self.of.instance),
            prop("binary-sha256", &product.binary_sha256),
            prop("binary-measured", &product.measured),
            prop("period-from", &time(self.of.period.from)),
            prop("period-to", &time(self.of.period.to)),
        ]));
        metadata.into()
    }

    /// All checks that some clause names, by name.
    fn checks(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.of.clauses().flat_map(|(_, c)| c.checks.iter().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn finding(&self, check: &str) -> Option<&Finding> {
        self.of.findings.iter().find(|f| f.check == check)
    }

    fn about(&self, check: &str) -> &'static str {
        match self.finding(check).map(|f| f.method) {
            Some(Method::Attack) => "Tries what the clause forbids, and beside it what it allows",
            Some(Method::Check) => "Reads what is observed and compares it",
            None => "No finding of this check is in the assessment",
        }
    }

    /// Ids of the clauses that are chosen.
    fn controls(&self, chosen: impl Fn(&Clause) -> bool) -> Vec<String> {
        self.of.clauses().filter(|(_, c)| chosen(c)).map(|(s, c)| control(s, &c.id)).collect()
    }
}

/// A selection of these clauses; of all if there is none.
fn select(ids: &[String]) -> Value {
    if ids.is_empty() {
        return json!({ "control-selections": [{ "include-all": {} }] });
    }
    let ids: Vec<Value> = ids.iter().map(|id| json!({ "control-id": id })).collect();
    json!({ "control-selections": [{ "include-controls": ids }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_rfc() {
        // RFC 9562, appendix A.4.
        let dns = *b"\x6b\xa7\xb8\x10\x9d\xad\x11\xd1\x80\xb4\x00\xc0\x4f\xd4\x30\xc8";
        let known = jinyun_journal::to_hex(&v5(&dns, "www.example.com"));
        assert_eq!(known, "2ed6657de927568b95e12665a8aea6a2");
        assert_ne!(uid(&["a", "b"]), uid(&["ab"]));
    }

    #[test]
    fn markup_is_escaped_and_ids_are_tokens() {
        assert_eq!(prose("a *b* <c> `d` \\ {{ e }}"), "a \\*b\\* \\<c> \\`d\\` \\\\ { { e }}");
        let standard = Standard { id: "1 x".into(), ..Standard::default() };
        assert_eq!(control(&standard, "7.1/ü"), "s1_x_7.1__");
    }
}
