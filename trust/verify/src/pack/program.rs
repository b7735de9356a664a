//! A program that whoever verifies a pack has, against the one that the assessment names.
//!
//! An assessor who builds the same source gets the same bytes, and can so ask whether the platform says
//! that it runs them. It stays what the platform says of itself: a changed program can name any digest.
//! What the pack can show is that this was said at the time, where the entry of the assessment in the
//! journal has a digest of what says so. All places in the document that name one have to agree, because
//! reports show one of them and a reader may look at another.

use super::ASSESSMENT;
use super::assessed::faces;
use crate::shown;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How the entry of a start begins: an entry's members are sorted.
const BEGIN: &[u8] = b"{\"action\":\"evidence:program:start\",";
/// So many programs are told.
const TOLD: usize = 100;

/// A program from which the control process was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Started {
    /// Its SHA-256, as the entries have it.
    pub sha256: String,
    /// In so many entries.
    pub times: u64,
    /// The first of them.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// The programs that were started, picked out of the entries while they are verified.
#[derive(Default)]
pub(super) struct Programs(BTreeMap<String, Started>);

#[derive(Deserialize)]
struct Start {
    number: u64,
    outcome: String,
    note: Named,
}

#[derive(Deserialize)]
struct Named {
    binary_sha256: String,
}

impl Programs {
    /// The entry where the one with this number belongs.
    pub fn take(&mut self, number: u64, line: &[u8]) {
        if !line.starts_with(BEGIN) {
            return;
        }
        let Ok(start) = serde_json::from_slice::<Start>(line) else { return };
        let sha256 = shown(&start.note.binary_sha256);
        if start.outcome != "done" || start.number != number {
            return;
        }
        if !self.0.contains_key(&sha256) && self.0.len() >= TOLD {
            return;
        }
        let new = Started { sha256: sha256.clone(), times: 0, first: number, last: number };
        let known = self.0.entry(sha256).or_insert(new);
        known.times += 1;
        known.last = number;
    }

    /// All of them, by when they were started first.
    pub fn all(self) -> Vec<Started> {
        let mut all: Vec<Started> = self.0.into_values().collect();
        all.sort_by_key(|started| started.first);
        all
    }
}

/// What became of a program that was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Its SHA-256.
    pub given: String,
    /// The one that the assessment names, if it names one.
    pub named: Option<String>,
    /// They are the same.
    pub same: bool,
    /// The digest that the journal's entry has of the assessment covers what it names.
    pub bound: bool,
}

fn digest(face: &Value) -> Option<&str> {
    face.pointer("/product/binary_sha256").and_then(Value::as_str).filter(|digest| !digest.is_empty())
}

impl Program {
    /// Compares; and what is wrong, as a sentence. `document` is none where it is not at hand as it was
    /// signed; `covered`: the entry's digest of its inner face is that face's.
    pub(super) fn of(given: &str, document: Option<&Value>, covered: bool) -> (Program, Option<String>) {
        let mut found = Program { given: given.into(), ..Program::default() };
        let Some([inner, outer]) = document.map(faces) else {
            let say = format!(
                "{ASSESSMENT}: is not in the pack as its manifest has it, or cannot be read, and so names \
                 no program; the one that was given has the SHA-256 {given}"
            );
            return (found, Some(say));
        };
        let (inner, outer) = (digest(inner), digest(outer));
        let Some(named) = inner.or(outer) else {
            let say = format!(
                "{ASSESSMENT}: names no program (`product`, `binary_sha256`); the one that was given has \
                 the SHA-256 {given}"
            );
            return (found, Some(say));
        };
        found.named = Some(shown(named));
        found.bound = covered && inner.is_some();
        if let Some(other) = outer.filter(|other| *other != named) {
            let say = format!(
                "{ASSESSMENT}: names two programs, with the SHA-256 {} and {}; the one that was given has \
                 {given}", shown(named), shown(other)
            );
            return (found, Some(say));
        }
        found.same = named == given;
        let wrong = (!found.same).then(|| format!(
            "{ASSESSMENT}: names the program with the SHA-256 {}; the one that was given has {given}",
            shown(named)
        ));
        (found, wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn programs_that_were_started_are_told_by_their_digests() {
        let line = |n: u64, digest: &str, outcome: &str| format!(
            "{{\"action\":\"evidence:program:start\",\"note\":{{\"binary_sha256\":\"{digest}\"}},\
             \"number\":{n},\"outcome\":\"{outcome}\"}}"
        );
        let mut seen = Programs::default();
        let starts = [(3, "bb", "done"), (5, "aa", "done"), (9, "bb", "done"), (11, "cc", "refused")];
        for (n, digest, outcome) in starts {
            seen.take(n, line(n, digest, outcome).as_bytes());
        }
        seen.take(12, line(13, "dd", "done").as_bytes());
        seen.take(14, b"{\"action\":\"evidence:program:start\",\"note\":5}");
        let other = line(15, "ee", "done").replace("program:start", "posture:seal");
        seen.take(15, other.as_bytes());
        let told: Vec<(String, u64, u64, u64)> =
            seen.all().into_iter().map(|s| (s.sha256, s.times, s.first, s.last)).collect();
        assert_eq!(told, [("bb".into(), 2, 3, 9), ("aa".into(), 1, 5, 5)]);
        let mut many = Programs::default();
        (0..500).for_each(|n| many.take(n, line(n, &format!("{n:x}"), "done").as_bytes()));
        assert_eq!(many.all().len(), TOLD);
    }

    #[test]
    fn all_places_that_name_a_program_have_to_name_the_given_one() {
        let product = |digest: &str| json!({ "product": { "binary_sha256": digest } });
        let two = |inner: &str, outer: &str| {
            let mut of = product(outer);
            of["report"] = product(inner);
            json!({ "assessment": of, "product": { "binary_sha256": "not looked at" } })
        };
        let cases = [
            (product("aa"), true, Some("aa"), true, ""),
            (product("aa"), false, Some("aa"), true, ""),
            (two("aa", "aa"), true, Some("aa"), true, ""),
            (two("", "aa"), true, Some("aa"), true, ""),
            (product("AA"), true, Some("AA"), false, "names the program with the SHA-256 AA; the one"),
            (two("aa", "bb"), true, Some("aa"), false, "names two programs, with the SHA-256 aa and bb"),
            (two("bb", "aa"), true, Some("bb"), false, "names two programs"),
            (product(""), true, None, false, "names no program"),
            (json!({ "product": { "binary_sha256": ["aa"] } }), true, None, false, "names no program"),
            (json!(5), true, None, false, "names no program"),
        ];
        for (document, covered, named, same, want) in cases {
            let (found, wrong) = Program::of("aa", Some(&document), covered);
            assert_eq!((found.named.as_deref(), found.same), (named, same), "{document}");
            assert_eq!(wrong.is_none(), same, "{document}");
            let wrong = wrong.unwrap_or_default();
            assert!(wrong.contains(want) && (same || wrong.contains("given has")), "{document}: {wrong}");
        }
        // What stands around a report is in no digest of the journal.
        assert!(Program::of("aa", Some(&product("aa")), true).0.bound);
        assert!(!Program::of("aa", Some(&product("aa")), false).0.bound);
        assert!(!Program::of("aa", Some(&two("", "aa")), true).0.bound);
        let (found, wrong) = Program::of("aa", None, false);
        assert!(!found.same && wrong.unwrap().contains("the SHA-256 aa"));
    }
}
