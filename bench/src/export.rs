//! The journal's export out of a database, which is what making a pack begins with: so many entries in
//! SQLite, with checkpoints as close as in a real journal, and the export of all of them into a file, in
//! a process of its own. The database is filled by the product's writer without fsync; how long that
//! takes is not what is measured.

use crate::gauge::{Scratch, Start, child, room, show, spent_of};
use crate::year::{INSTANCE, entry, time, whose};
use jinyun_base::{Fault, OsEntropy, Time};
use jinyun_journal::entry::Institution;
use jinyun_kms::Kms;
use jinyun_store::{Config, Db, Draft, Writer};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The word by which this program exports in a process of its own.
pub const EXPORT: &str = "export-write";

fn draft(n: u64) -> Draft {
    let place = Institution { id: whose(n), number: 0, previous: None };
    let made = entry(n, place);
    Draft {
        action: made.action,
        actor: made.actor,
        approval: made.approval,
        effects: made.effects,
        institution: made.institution.id,
        note: made.note,
        outcome: if made.reason.is_some() { "refused" } else { "done" },
        reason: made.reason,
        request: made.request,
        source: made.source,
        target: made.target,
        time: Time(made.time),
    }
}

fn config(dir: &Path) -> Config {
    Config::Sqlite { path: dir.join("state.db"), durable: false }
}

fn fill(dir: &Path, count: u64, every: u64) -> Result<(), Fault> {
    let kms = Kms::open(&dir.join("keys.json"), INSTANCE, Box::<OsEntropy>::default())?;
    let mut writer = Writer::open(&config(dir), "bench")?;
    let mut next = 0;
    while next < count {
        let end = count.min(next.saturating_add(every));
        writer.begin()?;
        for n in next..end {
            writer.append(draft(n))?;
        }
        writer.commit()?;
        let mut sign = |kind, text: &str| kms.sign(kind, text);
        writer.checkpoint(INSTANCE, Time(time(end)), ("system", 0), &mut sign)?;
        next = end;
    }
    Ok(())
}

/// Exports the database of a directory into a file beside it.
pub fn write(dir: &Path) -> Result<Value, Fault> {
    let path = dir.join("export");
    let bad = |e: std::io::Error| Fault::new(format!("{}: {e}", path.display()));
    let start = Start::now();
    let mut db = Db::open(&config(dir))?;
    let mut out = BufWriter::new(File::create(&path).map_err(bad)?);
    db.export_with(INSTANCE, 0, &|note| Ok(note), &mut out)?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(bad)?;
    let spent = start.spent();
    let bytes = std::fs::metadata(&path).map_err(bad)?.len();
    Ok(json!({ "spent": spent, "bytes": bytes }))
}

/// Prints the figures for so many entries, with a checkpoint every so many of them, in a directory.
pub fn run(count: u64, parent: &Path, every: u64) -> Result<(), String> {
    if count == 0 || every == 0 {
        return Err("a journal has at least one entry, and a checkpoint every one or more".into());
    }
    // Entries and their digests in tables with two indices, and the export.
    room(parent, count.saturating_mul(1200 + 900 / every))?;
    let dir = Scratch::new(parent, "export")?;
    let start = Start::now();
    fill(&dir, count, every).map_err(|e| e.to_string())?;
    show("made for the measurement: the database", &start.spent(), None, true);
    let answer = child(&[OsStr::new(EXPORT), dir.as_os_str()])?;
    let bytes = answer.get("bytes").and_then(Value::as_u64).unwrap_or_default();
    let spent = spent_of(&answer)?;
    println!("{count} entries exported from SQLite: {bytes} bytes, {:.0} entries/s",
        count as f64 / spent.wall);
    show("exported", &spent, Some(bytes), true);
    Ok(())
}
