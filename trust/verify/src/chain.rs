//! What entries say of their place, held against the entries before: the journal's numbers, and each
//! institution's own chain of numbers and hashes.
//!
//! Reading an entry costs more than comparing what it says, so the two are apart: entries are read on
//! all processors, in any order ([`Link`]), and compared in theirs ([`Chains`]). One entry of each
//! institution is kept, its newest; how much memory that may take is bounded, because whoever makes a
//! file can name as many institutions as it has entries.

use crate::{Problem, shown};
use jinyun_journal::entry::Leaf;
use jinyun_journal::merkle::Hash;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

/// At most so many problems are listed: one change can break thousands of links.
const LISTED: usize = 20;
/// What is kept of institutions, in bytes: some 1.3 million of them.
const ROOM: usize = 256 << 20;
/// What is kept of one, beside its name.
const EACH: usize = 160;

/// What of an entry the chain needs; the rest is covered by the leaf hash.
#[derive(Deserialize)]
struct Light<'a> {
    number: u64,
    #[serde(borrow)]
    institution: LightInstitution<'a>,
}

#[derive(Deserialize)]
struct LightInstitution<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    number: u64,
    #[serde(borrow)]
    previous: Option<LightPrevious<'a>>,
}

#[derive(Deserialize)]
struct LightPrevious<'a> {
    #[serde(borrow)]
    sha256: Cow<'a, str>,
    #[serde(borrow)]
    sm3: Cow<'a, str>,
}

/// An entry's place, as it says itself.
pub(crate) struct Link {
    /// Its number in the journal.
    pub number: u64,
    /// Whose it is.
    pub institution: Box<str>,
    /// Its number there.
    pub place: u64,
    /// It names an entry of that institution before it.
    pub told: bool,
    /// By these hashes, if they are any.
    pub states: Option<Leaf>,
}

fn hash(hex: &str) -> Option<Hash> {
    jinyun_journal::from_hex(hex)?.try_into().ok()
}

impl Link {
    /// Reads an entry so far; `None` if it is none.
    pub fn of(line: &[u8]) -> Option<Link> {
        let Light { number, institution: own } = serde_json::from_slice::<Light<'_>>(line).ok()?;
        let states = own.previous.as_ref().and_then(|before| {
            Some(Leaf { sha256: hash(&before.sha256)?, sm3: hash(&before.sm3)? })
        });
        Some(Link {
            number,
            place: own.number,
            told: own.previous.is_some(),
            states,
            institution: own.id.into_owned().into_boxed_str(),
        })
    }

    /// Whether it names the entry before by the hashes that that one has.
    pub fn fits(&self, leaf: &Leaf) -> bool {
        self.states.as_ref() == Some(leaf)
    }
}

/// The newest entry of an institution.
#[derive(Clone, Copy)]
struct Newest {
    place: u64,
    number: u64,
    leaf: Leaf,
}

/// All institutions' chains, as far as entries were read.
pub(crate) struct Chains {
    /// The number of the first entry.
    from: u64,
    newest: HashMap<Box<str>, Newest>,
    room: usize,
    over: bool,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Chains {
    /// Those of entries from a number on.
    pub fn new(from: u64) -> Chains {
        Chains { from, newest: HashMap::new(), room: ROOM, over: false, problems: Vec::new() }
    }

    fn problem(&mut self, at: u64, what: &'static str, say: String) {
        self.problems.push(Problem { at: Some(at), what, say });
    }

    /// The entry where the one with this number belongs. `link` is none if it could not be read.
    pub fn take(&mut self, expected: u64, link: Option<Link>, leaf: &Leaf) {
        if self.over || self.problems.len() > LISTED {
            return;
        }
        let Some(link) = link else {
            self.problem(expected, "canonical", format!(
                "entry {expected} is not readable as an entry: it was changed"
            ));
            return;
        };
        if link.number != expected {
            let say = if link.number > expected {
                format!("entries {expected} to {} were removed", link.number - 1)
            } else {
                format!("entry {} stands where {expected} belongs: reordered or doubled", link.number)
            };
            self.problem(expected, "number", say);
            self.over = true;
            return;
        }
        let now = Newest { place: link.place, number: expected, leaf: *leaf };
        if let Some(newest) = self.newest.get_mut(&link.institution) {
            let before = std::mem::replace(newest, now);
            self.follows(&link, &before);
            return;
        }
        // The first of its institution in a period: in the first period it must be number 0.
        if self.from == 0 && (link.place != 0 || link.told) {
            self.problem(expected, "institution", format!(
                "entry {expected} is the first of institution {} but says it has number {}: what \
                 came before was removed", shown(&link.institution), link.place
            ));
        }
        let Some(room) = self.room.checked_sub(EACH + link.institution.len()) else {
            self.problem(expected, "institution", format!(
                "entry {expected} is of one institution more than are followed ({ROOM} bytes are kept of \
                 them): from there on no institution's own numbers were compared"
            ));
            self.over = true;
            return;
        };
        self.room = room;
        self.newest.insert(link.institution, now);
    }

    fn follows(&mut self, link: &Link, before: &Newest) {
        let number = link.number;
        // Only where something is wrong: this runs for each entry.
        let id = || shown(&link.institution);
        if before.place.checked_add(1) != Some(link.place) {
            self.problem(number, "institution", format!(
                "institution {} jumps from its number {} to {} at entry {number}", id(), before.place,
                link.place
            ));
        } else if !link.fits(&before.leaf) {
            let changed = before.number;
            self.problem(changed, "institution", format!(
                "entry {changed} was changed: entry {number}, the next of institution {}, states other \
                 hashes of it (or entry {number} itself was forged)", id()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(institution: &str, number: u64) -> Option<Link> {
        Some(Link { number, institution: institution.into(), place: 0, told: false, states: None })
    }

    #[test]
    fn an_institutions_id_is_told_escaped_and_cut() {
        let leaf = Leaf { sha256: [1; 32], sm3: [2; 32] };
        let id = format!("\u{1b}[1A\u{1b}[2K{}", "x".repeat(1 << 20));
        let mut chains = Chains::new(0);
        // Not the first of the institution; a number left out; other hashes of the one before.
        for (number, place) in [(0, 5), (1, 7), (2, 8)] {
            chains.take(number, link(&id, number).map(|link| Link { place, ..link }), &leaf);
        }
        let says: Vec<&str> = chains.problems.iter().map(|problem| problem.say.as_str()).collect();
        let words = ["is the first of", "jumps from its number 5 to 7", "was changed"];
        for (say, words) in says.iter().zip(words) {
            assert!(say.contains(words) && say.contains("institution \\u{1b}[1A"), "{say}");
            assert!(say.len() < 400 && !say.contains('\u{1b}'));
        }
        assert_eq!(says.len(), 3);
    }

    #[test]
    fn institutions_are_followed_as_far_as_there_is_room() {
        let leaf = Leaf { sha256: [1; 32], sm3: [2; 32] };
        let mut chains = Chains::new(0);
        chains.room = 2 * (EACH + 3);
        chains.take(0, link("one", 0), &leaf);
        chains.take(1, link("two", 1), &leaf);
        assert_eq!(chains.problems, []);
        chains.take(2, link("six", 2), &leaf);
        assert_eq!((chains.problems.len(), chains.problems[0].at), (1, Some(2)));
        assert!(chains.problems[0].say.contains("one institution more than are followed"));
        // What is not followed any more is not called wrong.
        chains.take(3, None, &leaf);
        assert_eq!((chains.problems.len(), chains.newest.len()), (1, 2));
    }
}
