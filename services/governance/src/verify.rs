//! That the files of records are still there, and still what was recorded.
//!
//! Problem: a file that was lost or changed behind the platform's back leaves a record that looks as
//! good as any. Mechanism: the files are read again in turn, so much in each pass, going on where the
//! last one ended. What is found to be otherwise than the row says goes into the row by a command, and
//! so does that the right file is back. A record with such a file does not count: its duty is due as
//! if the record had not been made. Not at each look at a duty, which would read gigabytes for a list,
//! and not by watching the directory, which tells nothing of a disk, or of a time without a process.

use crate::files::FileRef;
use crate::record::DutyRecord;
use crate::{Governance, read, target};
use jinyun_base::{Fault, Id, Time};
use jinyun_engine::{Command, Ctx, Failure, Have, Job, Query};
use jinyun_policy::Actor;
use jinyun_rest::Cloud;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Bytes that a pass reads: it ends behind the file that reaches them.
const BYTES: i64 = 64 << 20;
/// Files that a pass looks at.
const FILES: usize = 1000;
/// After so many passes it is tried again to tell what was refused: an hour, at one a minute.
const AGAIN: u64 = 60;

/// What is wrong with the file of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It is not there.
    Lost,
    /// It is another one.
    Altered,
    /// The disk does not give it out, twice in a row.
    Unreadable,
}

/// That the file of a record is not what the record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// What is wrong.
    pub what: Wrong,
    /// When that was found.
    pub at: Time,
}

/// A file: whose it is, and both digests. It lies there once, however many records name it.
type Key = (Id, String, String);

/// How far the reading has come, how much of it a pass does, and what the next pass has to know.
#[derive(Debug, Clone)]
pub struct Round {
    after: Option<Key>,
    bytes: i64,
    passes: u64,
    /// Files that the last pass could not read.
    doubtful: BTreeSet<Key>,
    /// Records about which a word was refused: what was found, and in which pass.
    refused: BTreeMap<Id, (Option<Wrong>, u64)>,
}

impl Default for Round {
    fn default() -> Round {
        Round::of(BYTES)
    }
}

impl Round {
    /// From the first file on, in passes that end once they have read so many bytes.
    pub fn of(bytes: i64) -> Round {
        Round {
            after: None,
            bytes,
            passes: 0,
            doubtful: BTreeSet::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Puts on record what was found about a record's file, if that is something else than before;
    /// whether it is on record now. Where that is refused (which is on record, too) it is not asked for
    /// again in every pass.
    fn tell(&mut self, cloud: &Cloud, have: &Have<DutyRecord>, found: Option<Wrong>)
        -> Result<bool, Fault> {
        if have.spec.damage.map(|damage| damage.what) == found {
            self.refused.remove(&have.id);
            return Ok(false);
        }
        let told = self.refused.get(&have.id);
        if told.is_some_and(|(what, pass)| *what == found && self.passes < pass + AGAIN) {
            return Ok(false);
        }
        let done = report(cloud, have, found)?;
        match done {
            true => self.refused.remove(&have.id),
            false => self.refused.insert(have.id.clone(), (found, self.passes)),
        };
        Ok(done)
    }
}

/// Reads files of records again, as many as a pass may, those of withdrawn records too. Of how many
/// records something else was found than before, which is on record then. A file that cannot be read
/// is a fault of the machine as well, which is returned when the pass is done; that may pass, so it is
/// put on record when the next pass cannot read it either, which looks at such files first. For a timer
/// of the platform's, outside of any command.
pub fn verify_files(governance: &Governance, cloud: &Cloud, round: &mut Round)
    -> Result<usize, Fault> {
    let mut files: BTreeMap<Key, Vec<Have<DutyRecord>>> = BTreeMap::new();
    for have in cloud.reader.view(|view| view.list::<DutyRecord>(&Query::default()))? {
        if let Some(file) = &have.spec.file {
            let key = (have.domain.clone(), file.sha256.clone(), file.sm3.clone());
            files.entry(key).or_default().push(have);
        }
    }
    round.passes += 1;
    if !round.refused.is_empty() {
        let there: BTreeSet<&Id> = files.values().flatten().map(|have| &have.id).collect();
        round.refused.retain(|id, _| there.contains(id));
    }
    let (doubtful, done) = (std::mem::take(&mut round.doubtful), round.after.clone());
    let (again, rest): (Vec<_>, Vec<_>) =
        files.iter().partition(|(key, _)| doubtful.contains(*key));
    let (early, late): (Vec<_>, Vec<_>) =
        rest.into_iter().partition(|(key, _)| Some(*key) <= done.as_ref());
    let first = late.into_iter().chain(early).map(|one| (false, one));
    let order = again.into_iter().map(|one| (true, one)).chain(first);
    let (mut bytes, mut told, mut failed) = (0i64, 0, None);
    for (n, (second, (key, records))) in order.enumerate() {
        if n >= FILES || bytes >= round.bytes {
            break;
        }
        let Some(file) = records.first().and_then(|have| have.spec.file.as_ref()) else { continue };
        let (wrong, fault) = look(governance, &key.0, file);
        bytes = bytes.saturating_add(file.bytes);
        failed = failed.or(fault);
        if !second {
            round.after = Some(key.clone());
        }
        let known = |have: &Have<DutyRecord>| have.spec.damage.map(|damage| damage.what) == wrong;
        if wrong == Some(Wrong::Unreadable) && !second && !records.iter().all(known) {
            round.doubtful.insert(key.clone());
            continue;
        }
        // At once: between the look and the word about it somebody may bring the file back.
        for have in records {
            told += usize::from(round.tell(cloud, have, wrong)?);
        }
    }
    failed.map_or(Ok(told), Err)
}

/// What is wrong with a file, if something is, and the fault that kept it from being read.
fn look(governance: &Governance, domain: &Id, file: &FileRef) -> (Option<Wrong>, Option<Fault>) {
    // What is no plain file is not what was kept, and could be a pipe that never ends.
    let about = governance.files.path(domain, file).ok().map(fs::symlink_metadata);
    if let Some(Ok(about)) = about
        && !about.is_file()
    {
        return (Some(Wrong::Altered), None);
    }
    match governance.files.check(domain, file) {
        Ok(None) => (None, None),
        Ok(Some("lost")) => (Some(Wrong::Lost), None),
        Ok(Some(_)) => (Some(Wrong::Altered), None),
        Err(fault) => (Some(Wrong::Unreadable), Some(fault)),
    }
}

/// Has it put on record; whether that was done. A refusal is on record too and stops no other: the row
/// may be gone.
fn report(cloud: &Cloud, have: &Have<DutyRecord>, wrong: Option<Wrong>) -> Result<bool, Fault> {
    let word = if wrong.is_some() { "damage" } else { "restore" };
    let action = format!("governance:duty_record:{word}");
    let command = Command::new(action, Actor::system("governance"), "verify")
        .on(have.id.clone()).with(json!({ "what": wrong }));
    match cloud.handle.run(Job::Command(Box::new(command))) {
        Ok(_) => Ok(true),
        Err(Failure::Refused(_)) => Ok(false),
        Err(Failure::Fault(fault)) => Err(fault),
    }
}

#[derive(Deserialize)]
struct Found {
    what: Wrong,
}

/// Keeps that a record's file is not what it says. For the platform.
pub(crate) fn damage(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Found { what } = read(command, "damage")?;
    let found = Damage { what, at: ctx.now };
    keep(ctx, command, Some(found))
}

/// Keeps that it is again. For the platform.
pub(crate) fn restore(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    keep(ctx, command, None)
}

fn keep(ctx: &mut Ctx<'_>, command: &Command, found: Option<Damage>) -> Result<Value, Failure> {
    let id = target(command)?;
    let have = ctx.get::<DutyRecord>(id)?;
    let what = |damage: Option<Damage>| damage.map(|damage| damage.what);
    // The time is that of the first look that found it.
    if what(have.spec.damage) != what(found) {
        ctx.change::<DutyRecord>(id, None, |spec| {
            spec.damage = found;
            Ok(())
        })?;
    }
    ctx.note(json!({
        "duty": have.spec.duty, "file": have.spec.file, "found": what(found),
        "before": what(have.spec.damage),
    }));
    Ok(json!({ "id": id }))
}
