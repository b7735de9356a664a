//! Size and time of the pack of a long journal, up to a year's: made as `jinyun report --format pack`
//! makes one, and verified as `jinyun-verify pack` does, each in a process of its own.
//!
//! The export is written by the product's writer from entries that are made for it ([`crate::year`]);
//! how long that takes says nothing of the product, whose exports come from its database: see
//! [`crate::export`]. Checkpoints stand as close as in a real journal, because each is two signatures to
//! verify. Beside it stands what `tar` and `sha256sum` take for the same files and the same archive:
//! they read, write and digest the same bytes and know nothing of what is in them. Nothing is
//! extrapolated: what was not made has no figure.

use crate::gauge::{Scratch, Spent, Start, child, room, show, spent_of};
use crate::papers::{self, RECORD, RECORDS};
use crate::year::{INSTANCE, Year, time};
use jinyun_base::{Fault, OsEntropy, Time};
use jinyun_journal::export::{self, Period};
use jinyun_journal::merkle::{HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Key, Note};
use jinyun_kms::Kms;
use jinyun_report::Made;
use jinyun_report::model::Assessment;
use jinyun_report::pack::{self, Body, write};
use jinyun_verify::Roots;
use jinyun_verify::pack::check_with;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Entries between two checkpoints: a real journal of 825 entries had 58 of them.
pub const EVERY: u64 = 14;
/// The word by which this program makes a pack in a process of its own.
pub const MAKE: &str = "pack-make";
/// The word by which it verifies one.
pub const VERIFY: &str = "pack-verify";

// Names in the directory.
const EXPORT: &str = "export";
const ASSESSMENT: &str = "assessment.json";
const FILES: &str = "records";
const SECRET: &str = "keys.json";
const KEYS: &str = "keys";
const PACK: &str = "pack";
const PEER: &str = "peer.tar";

fn at(path: &Path) -> impl Fn(std::io::Error) -> Fault + '_ {
    move |e| Fault::new(format!("{}: {e}", path.display()))
}

fn bytes_of(path: &Path) -> Result<u64, Fault> {
    std::fs::metadata(path).map(|meta| meta.len()).map_err(at(path))
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Bytes that the files of a pack have together, at most; its manifest too.
fn most(entries: u64, every: u64) -> u64 {
    let reports = 64 << 20;
    let export = entries.saturating_mul(960 + 480 / every);
    export.saturating_add((RECORDS * RECORD) as u64 + reports)
}

/// Checkpoints over so many entries, signed by both keys.
fn notes(count: u64, every: u64, assessed: &Value, kms: &Kms) -> Result<Vec<String>, Fault> {
    let mut trees = HashKind::BOTH.map(Tree::new);
    let mut notes = Vec::new();
    for (size, (_, leaf)) in (1u64..).zip(Year::new(count, assessed.clone())) {
        trees.iter_mut().zip(HashKind::BOTH).for_each(|(tree, kind)| tree.push(leaf.get(kind)));
        if !size.is_multiple_of(every) && size != count {
            continue;
        }
        for (tree, kind) in trees.iter().zip(HashKind::BOTH) {
            let checkpoint = Checkpoint { instance: INSTANCE.into(), epoch: 0, kind, size,
                root: tree.root(), time: time(size), clock: "system".into(), offset: 0 };
            let text = checkpoint.text();
            notes.push(Note { signatures: kms.sign(kind, &text)?, text }.render());
        }
    }
    Ok(notes)
}

/// Makes all that a pack is made of; how many checkpoints, and what the two steps took.
fn prepare(dir: &Path, count: u64, every: u64) -> Result<(usize, Spent, Spent), Fault> {
    let kms = Kms::open(&dir.join(SECRET), INSTANCE, Box::<OsEntropy>::default())?;
    let lines: String = kms.journal_keys().iter().map(|key| key.line() + "\n").collect();
    let path = dir.join(KEYS);
    std::fs::write(&path, lines).map_err(at(&path))?;
    let ended = time(count - 1);
    let records = papers::records(&dir.join(FILES), ended - 3600 * Time::SECOND).map_err(Fault::new)?;
    let (mut document, assessed) = papers::assessment(ended, records).map_err(Fault::new)?;
    document["entry"] = (count - 1).into();
    document["journal"] = json!({ "from": 0, "entries": count, "checkpoints": [] });
    let path = dir.join(ASSESSMENT);
    std::fs::write(&path, document.to_string()).map_err(at(&path))?;

    let start = Start::now();
    let notes = notes(count, every, &assessed, &kms)?;
    let signed = start.spent();
    let start = Start::now();
    let path = dir.join(EXPORT);
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&path).map_err(at(&path))?);
    let period = Period { instance: INSTANCE.into(), epoch: 0, from: 0, to: count };
    let entries = Year::new(count, assessed).map(|(bytes, _)| bytes);
    export::write(&mut out, &period, std::iter::empty(), entries, &notes)
        .and_then(|()| out.flush()).and_then(|()| out.get_ref().sync_all()).map_err(at(&path))?;
    Ok((notes.len(), signed, start.spent()))
}

/// Makes the pack of a directory that was prepared: all that the product does once it has the export.
pub fn make(dir: &Path) -> Result<Value, Fault> {
    let start = Start::now();
    let path = dir.join(ASSESSMENT);
    let document: Value = serde_json::from_slice(&std::fs::read(&path).map_err(at(&path))?)
        .map_err(|e| Fault::new(format!("{}: {e}", path.display())))?;
    let of = Assessment::read(&document).map_err(Fault::new)?;
    let export = Body::File(dir.join(EXPORT));
    let checkpoints = pack::newest_notes(&export)?;
    let made = Made { of: &of, at: of.period.to + 60 * Time::SECOND, diff: None,
        checkpoints: &checkpoints };
    let kms = Kms::open(&dir.join(SECRET), INSTANCE, Box::<OsEntropy>::default())?;
    let (keys, records) = (kms.journal_keys(), dir.join(FILES));
    let (items, absent) = pack::contents(&made, &document, export, &keys, Some(records.as_path()))?;
    if let Some(one) = absent.first() {
        return Err(Fault::new(format!("the file of the record {} is not there", one.sha256)));
    }
    let sign = |text: &str| {
        let mut signatures = kms.sign(HashKind::Sha256, text)?;
        signatures.extend(kms.sign(HashKind::Sm3, text)?);
        Ok(signatures)
    };
    let path = dir.join(PACK);
    let mut out = BufWriter::new(File::create(&path).map_err(at(&path))?);
    let manifest = write(&mut out, INSTANCE, made.at, items, absent, &sign)?;
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(at(&path))?;
    let spent = start.spent();
    // Only now: it is no part of the making.
    let bytes = serde_json::to_vec(&manifest).map_err(|e| Fault::new(e.to_string()))?.len();
    Ok(json!({ "spent": spent, "manifest": bytes, "files": manifest.files.len() }))
}

/// Verifies a pack by the keys of a file.
pub fn verify(file: &Path, keys: &Path) -> Result<Value, Fault> {
    let start = Start::now();
    let text = std::fs::read_to_string(keys).map_err(at(keys))?;
    let trusted = Key::read_all(&text).map_err(Fault::new)?;
    let mut pack = File::open(file).map_err(at(file))?;
    let verdict = check_with(&mut pack, Some(&trusted[..]), &[], &Roots::default()).map_err(at(file))?;
    Ok(json!({ "spent": start.spent(), "verdict": verdict }))
}

/// That everything was verified; otherwise the figures are those of something else.
fn verified(verdict: &Value, count: u64) -> Result<(), String> {
    let is = |path: &str, wanted: Value| match verdict.pointer(path) {
        Some(found) if *found == wanted => Ok(()),
        found => {
            let problems = |path: &str| verdict.pointer(path).map(Value::to_string).unwrap_or_default();
            Err(format!("the pack does not verify as it must: {path} is {found:?} and not {wanted}; {} {}",
                problems("/problems/0"), problems("/journal/problems/0")))
        }
    };
    for path in ["/ok", "/trusted", "/journal/ok", "/assessment/compared", "/assessment/digest"] {
        is(path, true.into())?;
    }
    is("/journal/entries", count.into())
}

/// Runs commands of the system in a directory, one after the other.
fn peer(dir: &Path, commands: &[&[&str]]) -> Result<Spent, String> {
    let start = Start::now();
    for words in commands {
        let mut command = Command::new(words[0]);
        let done = command.args(&words[1..]).current_dir(dir).stdout(Stdio::null()).status();
        let status = done.map_err(|e| format!("{}: {e}", words[0]))?;
        if !status.success() {
            return Err(format!("{} ended with {status}", words[0]));
        }
    }
    Ok(start.spent())
}

fn gone(dir: &Path, name: &str) -> Result<(), String> {
    let path = dir.join(name);
    std::fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Prints the figures for so many entries, with a checkpoint every so many of them, in a directory.
pub fn run(count: u64, parent: &Path, every: u64) -> Result<(), String> {
    if count == 0 || every == 0 {
        return Err("a journal has at least one entry, and a checkpoint every one or more".into());
    }
    room(parent, most(count, every))?;
    let dir = Scratch::new(parent, "pack")?;
    let fault = |e: Fault| e.to_string();
    let (notes, signed, exported) = prepare(&dir, count, every).map_err(fault)?;
    let export = bytes_of(&dir.join(EXPORT)).map_err(fault)?;
    println!("{count} entries, {} checkpoints (a note for each tree), {RECORDS} records of {RECORD} bytes",
        notes / 2);
    println!("export of the journal: {export} bytes ({:.1} MB)", mb(export));
    show("made for the measurement: entries, trees, signatures", &signed, None, true);
    show("made for the measurement: entries, export written", &exported, Some(export), true);

    let answer = child(&[OsStr::new(MAKE), dir.as_os_str()])?;
    let bytes = bytes_of(&dir.join(PACK)).map_err(fault)?;
    let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or_default();
    println!("pack: {bytes} bytes ({:.1} MB), {} files and a manifest of {} bytes", mb(bytes),
        number("files"), number("manifest"));
    show("packed", &spent_of(&answer)?, Some(bytes), true);

    let (pack, keys) = (dir.join(PACK), dir.join(KEYS));
    let answer = child(&[OsStr::new(VERIFY), pack.as_os_str(), keys.as_os_str()])?;
    verified(answer.get("verdict").unwrap_or(&Value::Null), count)?;
    show("verified", &spent_of(&answer)?, Some(bytes), true);
    show("the pack by sha256sum alone", &peer(&dir, &[&["sha256sum", PACK]])?, Some(bytes), false);

    // There is room for one archive.
    gone(&dir, PACK)?;
    let archive = ["tar", "cf", PEER, EXPORT, ASSESSMENT, FILES];
    let took = peer(&dir, &[&archive, &["sync", PEER], &["sha256sum", PEER]])?;
    let bytes = bytes_of(&dir.join(PEER)).map_err(fault)?;
    show("the same files by tar and sync, that archive by sha256sum", &took, Some(bytes), false);
    Ok(())
}
