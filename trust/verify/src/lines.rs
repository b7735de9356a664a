//! The signature lines of a note, one by one: which hold, which are wrong, which nobody could check.
//!
//! A verifier that tells of good signatures alone lets a reader take the others for good too. So a
//! line is one of three: it verifies by a key that is at hand; it has the name of such a key and does
//! not; or there is no key of its name. Timestamps are judged apart (`stamps.rs`).

use crate::{LONG, Report, Signer, algorithm};
use jinyun_journal::note::{Checkpoint, Key, Note};
use jinyun_timestamp::is_one;
use serde::Serialize;

/// So many names are listed of which there is no key, if they are not longer than a name is; lines of
/// others are counted together.
const NAMES: usize = 1000;
/// As those of this name.
const OTHERS: &str = "(others)";

/// Signature lines of a name of which there is no key at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unchecked {
    /// The name, as whoever wrote the line chose it.
    pub name: String,
    /// Under how many notes.
    pub notes: usize,
}

/// A note's lines.
pub(crate) struct Lines<'k> {
    /// Keys whose signature holds, each once.
    pub good: Vec<&'k Key>,
    /// What is wrong with lines that have the name of a key at hand, as the beginning of a sentence.
    pub bad: Vec<String>,
    /// Names of which there is no key at hand.
    pub unknown: Vec<String>,
}

impl<'k> Lines<'k> {
    /// Judges the lines of a note.
    pub fn of(note: &Note, keys: &'k [Key]) -> Lines<'k> {
        let mut lines = Lines { good: Vec::new(), bad: Vec::new(), unknown: Vec::new() };
        for (name, id, signature) in &note.signatures {
            match keys.iter().find(|key| key.name == *name && key.id() == *id) {
                Some(key) if !key.verifies(&note.text, signature) => {
                    lines.bad.push(format!("the signature of {name} ({}) does not verify", algorithm(key)));
                }
                Some(key) if lines.good.contains(&key) => {}
                Some(key) => lines.good.push(key),
                // A line under a known name with another key id is no unknown co-signer.
                None if keys.iter().any(|key| key.name == *name) => {
                    lines.bad.push(format!("the line of {name} is by another key than those of that name"));
                }
                None if is_one(signature) || lines.unknown.contains(name) => {}
                None => lines.unknown.push(name.clone()),
            }
        }
        lines
    }

    /// Counts who signed and whose lines could not be checked.
    pub fn count(&self, signers: &mut Vec<Signer>, unchecked: &mut Vec<Unchecked>) {
        for key in &self.good {
            let algorithm = algorithm(key);
            let known = signers.iter_mut().find(|s| s.name == key.name && s.algorithm == algorithm);
            match known {
                Some(known) => known.notes += 1,
                None => signers.push(Signer { algorithm, name: key.name.clone(), notes: 1 }),
            }
        }
        for name in &self.unknown {
            let known = unchecked.iter().any(|one| one.name == *name);
            let room = unchecked.len() < NAMES && name.len() <= LONG;
            let name = if known || room { name.as_str() } else { OTHERS };
            match unchecked.iter_mut().find(|one| one.name == name) {
                Some(known) => known.notes += 1,
                None => unchecked.push(Unchecked { name: name.into(), notes: 1 }),
            }
        }
    }

    /// Whether the key of this name and algorithm signed; a sentence of why it cannot be said, without
    /// its subject.
    pub fn by(&self, name: &str, wanted: &str, keys: &[Key]) -> Result<(), String> {
        let is = |key: &Key| key.name == name && algorithm(key) == wanted;
        if self.good.iter().copied().any(is) {
            return Ok(());
        }
        let name = name.escape_debug();
        Err(match keys.iter().any(is) {
            true => format!("is not signed by the {wanted} key of the instance {name}"),
            false => format!("cannot be checked: no {wanted} key of the instance {name} is at hand"),
        })
    }
}

impl Report {
    /// Takes in a checkpoint's lines: what is wrong with them, that the platform signed, and who else.
    pub(crate) fn lines(&mut self, lines: &Lines<'_>, checkpoint: &Checkpoint, keys: &[Key]) {
        let which = format!("the {} checkpoint of {} entries", checkpoint.kind.name(), checkpoint.size);
        for bad in &lines.bad {
            self.problem(None, "signature", format!("{bad}, on {which}"));
        }
        if let Err(why) = lines.by(&checkpoint.instance, crate::own(checkpoint.kind), keys) {
            self.problem(None, "signature", format!("{which} {why}"));
        }
        lines.count(&mut self.signers, &mut self.unchecked);
    }
}
