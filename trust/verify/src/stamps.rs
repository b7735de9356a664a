//! Timestamps among the signature lines of checkpoints.
//!
//! A timestamp says more than a signature, a time, and is trusted on another ground: the root of an
//! authority that whoever verifies has from that authority. So roots that are given are all that
//! counts: a timestamp by none of them is a problem. Where none are given, those that came with a
//! pack are used, and it is said that the provider chose them; where there are none at all, what
//! stands there is named and not judged, as lines of unknown signers are.

use crate::{Report, shown};
use jinyun_journal::note::{Checkpoint, Note};
use jinyun_timestamp::{Authority, is_one};
use serde::Serialize;

/// Whom to believe about time.
#[derive(Debug, Clone, Default)]
pub struct Roots {
    all: Vec<Authority>,
    given: bool,
}

impl Roots {
    /// Adds roots that were given by whoever verifies: certificates (PEM), or lines of authorities.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let more = Authority::read_all(text)?;
        if more.is_empty() {
            return Err("must hold a certificate (PEM)".into());
        }
        self.all.extend(more);
        self.given = true;
        Ok(())
    }

    /// Roots that came with what is to be verified.
    pub(crate) fn told(text: &str) -> Result<Roots, String> {
        Ok(Roots { all: Authority::read_all(text)?, given: false })
    }

    /// Whether whoever verifies gave any.
    pub(crate) fn given(&self) -> bool {
        self.given
    }
}

/// A timestamp under a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timestamp {
    /// The name of its line.
    pub name: String,
    /// How many entries the checkpoint covers.
    pub size: u64,
    /// Which tree's it is.
    pub tree: &'static str,
    /// By when the checkpoint existed, RFC 3339; none if the timestamp could not be judged.
    pub time: Option<String>,
    /// Who says so: the subject of the authority's certificate.
    pub authority: Option<String>,
    /// SHA-256 of the root's certificate.
    pub root: Option<String>,
    /// Where the root is from: `given`, `pack`, or `none`.
    pub from: &'static str,
    /// The checkpoint is one that was kept outside and does not stand in the file so.
    pub kept: bool,
}

impl Timestamp {
    /// Whether it says the same, wherever it stands.
    fn same(&self, other: &Timestamp) -> bool {
        (self.size, self.tree, self.from) == (other.size, other.tree, other.from)
            && (&self.name, &self.time) == (&other.name, &other.time)
            && (&self.authority, &self.root) == (&other.authority, &other.root)
    }

    /// A sentence.
    pub fn say(&self) -> String {
        let kept = if self.kept { "kept " } else { "" };
        let which = format!("the {kept}{} checkpoint of {} entries", self.tree, self.size);
        let name = self.name.escape_debug();
        let (Some(time), Some(authority), Some(root)) = (&self.time, &self.authority, &self.root) else {
            return format!(
                "a timestamp of {name} on {which} was not checked, for want of its authority's root \
                 (--tsa-root)"
            );
        };
        let from = match self.from {
            "given" => "",
            _ => ", which came with the pack: compare it with what the authority publishes",
        };
        format!("{which} existed before {time} according to {authority} ({name}; root {root}{from})")
    }
}

/// Judges the timestamps in a note's lines: what each says, or what is wrong with it, in a sentence.
/// `outside`: the note is one that was kept.
pub(crate) fn of(note: &Note, checkpoint: &Checkpoint, roots: &Roots, outside: bool)
    -> Vec<Result<Timestamp, String>> {
    let known = |line: &(String, [u8; 4], Vec<u8>)| roots.all.iter().any(|root| root.claims(line));
    let lines = note.signatures.iter().filter(|line| is_one(&line.2) || known(line));
    lines.map(|line| match one(note, checkpoint, line, roots) {
        Ok(found) => Ok(Timestamp { kept: outside, ..found }),
        Err(why) => {
            let whose = if outside { "kept checkpoint" } else { "checkpoint" };
            Err(format!(
                "the timestamp of {} on the {whose} of {} entries ({}) is wrong: {why}",
                shown(&line.0), checkpoint.size, checkpoint.kind.name()
            ))
        }
    }).collect()
}

impl Report {
    /// Takes in what was found of a note's timestamps. The same checkpoint may be inside and kept outside;
    /// those inside come by size.
    pub(crate) fn stamped(&mut self, all: Vec<Result<Timestamp, String>>) {
        for found in all {
            match found {
                Err(say) => self.problem(None, "timestamp", say),
                Ok(found) => {
                    let near = |one: &&Timestamp| found.kept || one.size == found.size;
                    let mut known = self.timestamps.iter().rev().take_while(near);
                    if known.any(|one| one.same(&found)) {
                        continue;
                    }
                    self.list(found);
                }
            }
        }
    }
}

fn one(note: &Note, checkpoint: &Checkpoint, line: &(String, [u8; 4], Vec<u8>), roots: &Roots)
    -> Result<Timestamp, String> {
    let mut found = Timestamp {
        name: line.0.clone(),
        size: checkpoint.size,
        tree: checkpoint.kind.name(),
        time: None,
        authority: None,
        root: None,
        from: "none",
        kept: false,
    };
    if roots.all.is_empty() {
        return Ok(found);
    }
    let whose = if roots.given { "given" } else { "pack" };
    let authority = roots.all.iter().find(|authority| authority.claims(line)).ok_or(match roots.given {
        true => "it is by no authority whose root was given",
        false => "it is by no authority whose root is in the pack",
    })?;
    let stamp = authority.judge(note, line)?;
    found.time = Some(stamp.said);
    found.authority = Some(stamp.authority);
    found.root = Some(stamp.root);
    found.from = whose;
    Ok(found)
}
