//! An export of one institution's entries, made while it is read.
//!
//! It may be longer than memory and its reader slower than a transaction should last, so it is made
//! a page at a time, each page on a connection that is lent for that page only. What is read cannot
//! change meanwhile: entries are never changed, and the checkpoint is fixed when the export begins.

use crate::ask::{only, time};
use crate::routes::{Audit, newest};
use jinyun_base::{Fault, Id, Refusal, Refused};
use jinyun_engine::Failure;
use jinyun_journal::export::{Part, PartWriter, pieces};
use jinyun_rest::Call;
use jinyun_store::{Sequence, Stretch};
use std::io::{self, Read};
use std::sync::Arc;

/// Entries of a page.
const PAGE: u64 = 64;
/// At most so many sizes to compare at.
const COMPARED: usize = 16;

/// What an export will hold.
pub struct Plan {
    /// What it covers.
    pub part: Part,
    notes: Vec<String>,
    /// Sizes at which no subtree may reach over, rising; the last is the checkpoint's.
    cuts: Vec<u64>,
}

/// Sizes of checkpoints that somebody kept and wants to compare.
fn compared(call: &Call<'_>, size: u64) -> Result<Vec<u64>, Refusal> {
    let asked = call.query.iter().filter(|(name, _)| name == "compare").map(|(_, text)| {
        let n = text.parse().ok().filter(|n| (1..=size).contains(n));
        let say = format!("must be a number of entries from 1 to {size}, that of the newest checkpoint");
        n.ok_or_else(|| Refusal::invalid("compare", say))
    });
    let mut cuts = asked.collect::<Result<Vec<u64>, Refusal>>()?;
    if cuts.len() > COMPARED {
        return Err(Refusal::invalid("compare", format!("may be given {COMPARED} times at most")));
    }
    cuts.push(size);
    cuts.sort_unstable();
    cuts.dedup();
    Ok(cuts)
}

impl Plan {
    /// Lets somebody put lines under the notes.
    pub fn dress(&mut self, dress: impl FnMut(&String) -> Result<String, Fault>)
        -> Result<(), Fault> {
        self.notes = self.notes.iter().map(dress).collect::<Result<_, Fault>>()?;
        Ok(())
    }

    /// Reads what is asked for; refuses a period without a signed entry.
    pub fn read(call: &Call<'_>, instance: &str, institution: &Id) -> Result<Plan, Failure> {
        only(call, &["institution", "since", "until", "compare"])?;
        let (since, until) = (time(call, "since")?, time(call, "until")?);
        let (size, notes) = newest(call)?;
        let cuts = compared(call, size)?;
        let of = Sequence::Of(institution.as_str());
        let (from, to) = call.cloud.reader.lend(|db| {
            let (from, to) = db.period(of, since, until)?;
            Ok((from, to.min(db.covered(of, size)?)))
        })?;
        if from >= to {
            let say = format!(
                "institution {institution} has no entry of this period under the newest checkpoint"
            );
            return Err(Refusal::new(Refused::NotFound, say).into());
        }
        let part = Part {
            instance: instance.into(),
            epoch: 0,
            institution: institution.to_string(),
            from,
            to,
            size,
        };
        Ok(Plan { part, notes, cuts })
    }
}

/// The export as a stream.
pub struct Export {
    audit: Arc<Audit>,
    plan: Plan,
    writer: PartWriter,
    /// The institution's next entry, by its own number.
    next: u64,
    /// How many entries of the whole journal are written or passed over.
    position: u64,
    ended: bool,
    text: Vec<u8>,
    given: usize,
}

impl Export {
    /// An export as planned.
    pub fn new(audit: Arc<Audit>, plan: Plan) -> Export {
        let mut writer = PartWriter::new(&plan.part);
        let (next, text) = (plan.part.from, writer.take());
        Export { audit, plan, writer, next, position: 0, ended: false, text, given: 0 }
    }

    /// Makes the next page.
    fn fill(&mut self) -> Result<(), Fault> {
        let Export { audit, plan, writer, next, position, ended, .. } = self;
        let (part, cuts) = (&plan.part, &plan.cuts);
        audit.cloud.reader.lend(|db| {
            let high = part.to.min(*next + PAGE);
            let stretch = Stretch { low: *next, high, newest_first: false, limit: PAGE };
            let lines = match *next < high {
                true => db.lines(Sequence::Of(&part.institution), stretch)?,
                false => Vec::new(),
            };
            if lines.len() as u64 != high - *next {
                return Err(Fault::new("the journal in the state has a gap"));
            }
            audit.look(db, part.size, |trees| {
                let mut skip = |writer: &mut PartWriter, from: u64, to: u64| {
                    let mut at = from;
                    for cut in cuts.iter().map(|cut| (*cut).min(to)) {
                        for (start, level) in pieces(at, cut) {
                            writer.skip(level, &trees.subtree(start, level)?);
                        }
                        at = at.max(cut);
                    }
                    Ok::<(), Fault>(())
                };
                for line in &lines {
                    skip(writer, *position, line.number)?;
                    writer.entry(&line.body);
                    *position = line.number + 1;
                }
                *next = high;
                if *next == part.to {
                    skip(writer, *position, part.size)?;
                    writer.finish(&plan.notes);
                    *ended = true;
                }
                Ok(())
            })
        })?;
        self.text = self.writer.take();
        self.given = 0;
        Ok(())
    }
}

impl Read for Export {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.ended {
                return Ok(0);
            }
            self.fill().map_err(io::Error::other)?;
        }
        let n = out.len().min(self.text.len() - self.given);
        out[..n].copy_from_slice(&self.text[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}
