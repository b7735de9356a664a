//! Timestamps among the signature lines of checkpoints.
//!
//! A timestamp says more than a signature, a time, and is trusted on another ground: the root of an
//! authority that whoever verifies has from that authority. So roots that are given are all that
//! counts: a timestamp by none of them is a problem. Where none are given, those that came with a
//! pack are used, and it is said that the provider chose them; where there are none at all, what
//! stands there is named and not judged, as lines of unknown signers are.

use crate::{Report, read_note};
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

/// Judges the timestamps in a note's lines.
pub(crate) fn judge(text: &str, outside: bool, roots: &Roots, report: &mut Report) {
    // What cannot be read was complained about already.
    let Some((note, checkpoint)) = read_note(text) else { return };
    let known = |line: &(String, [u8; 4], Vec<u8>)| roots.all.iter().any(|root| root.claims(line));
    for line in note.signatures.iter().filter(|line| is_one(&line.2) || known(line)) {
        match one(&note, &checkpoint, line, roots) {
            Ok(found) => {
                // The same checkpoint may be inside and kept outside.
                let same = |known: &Timestamp| Timestamp { kept: known.kept, ..found.clone() } == *known;
                if !report.timestamps.iter().any(same) {
                    report.timestamps.push(Timestamp { kept: outside, ..found });
                }
            }
            Err(why) => {
                let whose = if outside { "kept checkpoint" } else { "checkpoint" };
                report.problem(None, "timestamp", format!(
                    "the timestamp of {} on the {whose} of {} entries ({}) is wrong: {why}",
                    line.0.escape_debug(), checkpoint.size, checkpoint.kind.name()
                ));
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
