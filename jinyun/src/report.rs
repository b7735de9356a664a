//! `jinyun report`: the newest assessment as OSCAL, HTML, PDF, statements, or as a pack.
//!
//! It reads the assessment over the management listener like `jinyun assess`, as whoever signs in
//! there, so that reading it is a decision of the platform. A pack needs more: the journal's export
//! and the keys that sign it are the instance's own files, and only root reads those. Nothing is
//! left half written: files get their names when they are whole.

use crate::assess;
use crate::control;
use crate::fail::{Failed, USAGE};
use crate::instance::Instance;
use crate::session::Wish;
use crate::say;
use crate::whole::{keep, put};
use jinyun_base::{Fault, OsEntropy};
use jinyun_journal::merkle::HashKind;
use jinyun_kms::Kms;
use jinyun_report::diff::{Diff, diff};
use jinyun_report::model::Assessment;
use jinyun_report::pack::{self, Body, Item};
use jinyun_report::{Made, html, pdf};
use jinyun_store::Db;
use serde_json::Value;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// What is asked.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// What to make; `statement` is who carries which clause, for each tenant.
    #[arg(long, value_parser = ["oscal", "html", "pdf", "statement", "pack"])]
    format: String,
    /// An earlier pack, or an assessment as JSON: what has changed since then is said.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// An assessment as JSON instead of the instance's newest.
    #[arg(long, value_name = "FILE")]
    assessment: Option<PathBuf>,
    /// First entry of the journal that a pack holds.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    from: u64,
    /// Directory with the files of records, each named by its SHA-256, for a pack; the instance's if not
    /// given.
    #[arg(long, value_name = "DIR")]
    records: Option<PathBuf>,
    /// Where to: a directory for `oscal` and `statement`, else a file.
    place: PathBuf,
}

impl Options {
    /// The newest assessment in one of these forms.
    pub fn newest(format: &str, place: &Path) -> Options {
        Options {
            format: format.into(),
            since: None,
            assessment: None,
            from: 0,
            records: None,
            place: place.into(),
        }
    }
}

/// The longest assessment that is read from a file.
const LONGEST: u64 = 256 << 20;

fn at(path: &Path) -> impl Fn(std::io::Error) -> Fault + '_ {
    move |e| Fault::new(format!("{}: {e}", path.display()))
}

/// An assessment from a file, or from the pack that holds one.
fn read(path: &Path) -> Result<Value, Fault> {
    let mut file = File::open(path).map_err(at(path))?;
    let mut first = [0];
    let text = file.read(&mut first).map_err(at(path))? == 1 && first[0] == b'{';
    let mut file = File::open(path).map_err(at(path))?;
    let bytes = if text {
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map_err(at(path))?;
        bytes
    } else {
        let found = pack::member(&mut file, "assessment.json", LONGEST);
        found.map_err(at(path))?.ok_or_else(|| Fault::new(format!(
            "{}: is neither an assessment as JSON nor a pack that holds one", path.display()
        )))?
    };
    serde_json::from_slice(&bytes).map_err(|e| Fault::new(format!("{}: {e}", path.display())))
}

fn understood(value: &Value, whose: &str) -> Result<Assessment, Fault> {
    Assessment::read(value).map_err(|e| Fault::new(format!("{whose} cannot be read: {e}")))
}

/// So many clauses without a known state are named.
const NAMED: usize = 5;

/// What is to be said of clauses that came without a state, or with one that is not known.
fn doubt(of: &Assessment) -> Option<String> {
    let ids: Vec<String> = of.unknown().map(|c| c.id.escape_debug().to_string()).collect();
    let (named, all) = (ids.get(..NAMED).unwrap_or(&ids).join(", "), of.clauses().count());
    let more = if ids.len() > NAMED { ", ..." } else { "" };
    (!ids.is_empty()).then(|| format!(
        "warning: {} of {all} clauses have no state, or one that is not known ({named}{more}): they are \
         shown as unknown and count as nothing good", ids.len()
    ))
}

/// Files of a directory, without the directory that they have in a pack.
fn spread(items: Vec<Item>, dir: &Path) -> Result<(), Fault> {
    std::fs::create_dir_all(dir).map_err(at(dir))?;
    for item in items {
        let name = item.path.rsplit('/').next().unwrap_or_default();
        if let Body::Bytes(bytes) = &item.body {
            put(&dir.join(name), bytes)?;
        }
    }
    Ok(())
}

/// Runs it.
pub fn run(instance: &Instance, options: &Options, wish: &Wish) -> Result<(), Failed> {
    if options.format != "pack" && (options.from != 0 || options.records.is_some()) {
        return Err(Failed::new(USAGE, "--from and --records are for --format pack: leave them out"));
    }
    let earlier = match &options.since {
        Some(path) => Some(understood(&read(path)?, "the earlier assessment")?),
        None => None,
    };
    let value = match &options.assessment {
        Some(path) => read(path)?,
        None => assess::newest(instance, wish, earlier.as_ref().map(|before| before.period.to))?,
    };
    let mut of = understood(&value, "the assessment")?;
    if let Some(doubt) = doubt(&of) {
        say::err(&doubt);
    }
    if of.instance.is_empty() {
        of.instance.clone_from(&instance.name);
    }
    if of.product.version.is_empty() {
        of.product.version = env!("CARGO_PKG_VERSION").into();
    }
    if of.product.binary_sha256.is_empty() {
        of.product.binary_sha256 = Body::File("/proc/self/exe".into()).sha256()?;
        of.product.measured = "the program that wrote this report".into();
    }
    let before: Option<Diff> = earlier.as_ref().map(|before| diff(before, &of));
    let checkpoints = of.journal.checkpoints.clone();
    let made = Made { of: &of, at: control::now().0, diff: before.as_ref(), checkpoints: &checkpoints };
    let place = &options.place;
    match options.format.as_str() {
        "oscal" => spread(pack::oscal_items(&made, &[])?, place)?,
        "statement" => spread(pack::statement_items(&made)?, place)?,
        "html" => put(place, html::page(&made).as_bytes())?,
        "pdf" => put(place, &pdf::pdf(&made))?,
        _ => packed(instance, options, &value, &made)?,
    }
    say::out(&format!("{}: {} of instance \"{}\"", place.display(), options.format,
        of.instance.escape_debug()));
    Ok(())
}

/// A pack: the export of the journal first, into a hidden file beside it that nobody else has.
fn packed(instance: &Instance, options: &Options, value: &Value, made: &Made<'_>) -> Result<(), Fault> {
    if made.of.instance != instance.name {
        return Err(Fault::new(format!(
            "the assessment is of the instance `{}`, the journal of `{}`: choose one with --instance",
            made.of.instance.escape_debug(), instance.name
        )));
    }
    let settings = instance.settings()?;
    let root = instance.control_dir().join("keys.json");
    // `open` makes a key file where there is none: here that would be a signature of nobody's.
    File::open(&root).map_err(|e| Fault::new(format!(
        "a pack is signed with the instance's keys, which root alone reads: {}: {e}", root.display()
    )))?;
    let kms = Kms::open(&root, &instance.name, Box::<OsEntropy>::default())?;
    let db = Db::open(&instance.store(&settings))?;
    let Some(name) = options.place.file_name() else {
        return Err(Fault::new(format!("{}: names no file", options.place.display())));
    };
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".journal.part");
    let journal = options.place.with_file_name(hidden);
    let file = File::options().write(true).create_new(true).open(&journal).map_err(|e| {
        let more = match e.kind() {
            ErrorKind::AlreadyExists => ": remove it, if nobody makes this pack just now",
            _ => "",
        };
        Fault::new(format!("{}: {e}{more}", journal.display()))
    })?;
    let done = signed(instance, options, value, made, &kms, (journal.as_path(), file), db);
    let _ = std::fs::remove_file(&journal);
    done
}

fn signed(instance: &Instance, options: &Options, value: &Value, made: &Made<'_>, kms: &Kms,
    (journal, file): (&Path, File), mut db: Db) -> Result<(), Fault> {
    let lines = jinyun_governance::Lines::read(&mut jinyun_engine::View::new(&mut db))?;
    let authorities = jinyun_governance::authorities(&mut jinyun_engine::View::new(&mut db))?;
    // The export ends at the newest checkpoint, which comes within a second: it should have the
    // assessment's entry.
    for _ in 0..30 {
        let to = db.newest_checkpoint()?.map_or(0, |(to, _)| to);
        if made.of.entry.is_none_or(|entry| entry < to) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let mut out = BufWriter::new(file);
    db.export_with(&instance.name, options.from, &|note| lines.under(&note), &mut out)?;
    out.flush().map_err(at(journal))?;
    let export = Body::File(journal.into());
    let checkpoints = pack::newest_notes(&export)?;
    let made = Made { checkpoints: &checkpoints, ..*made };
    let keys = kms.journal_keys();
    let own = instance.control_dir().join("evidence").join("records").join(jinyun_policy::PROVIDER);
    let records = options.records.as_deref().unwrap_or(&own);
    let (mut items, absent) = pack::contents(&made, value, export, &keys, Some(records))?;
    if !authorities.is_empty() {
        items.push(Item { path: pack::AUTHORITIES.into(), body: Body::Bytes(authorities.into_bytes()) });
    }
    for one in &absent {
        say::err(&format!("not in the pack: the file of the record {} ({})", one.name.escape_debug(),
            one.sha256.escape_debug()));
    }
    let sign = |text: &str| {
        let mut signatures = kms.sign(HashKind::Sha256, text)?;
        signatures.extend(kms.sign(HashKind::Sm3, text)?);
        Ok(signatures)
    };
    keep(&options.place, |out| {
        pack::write(out, &instance.name, made.at, items, absent, &sign).map(|_| ())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_without_a_known_state_are_warned_of() {
        let said = |clauses: Value| {
            let whole = serde_json::json!({ "standards": [{ "id": "s", "clauses": clauses }] });
            doubt(&understood(&whole, "it").unwrap())
        };
        assert_eq!(said(serde_json::json!([{ "id": "a", "state": "met" }])), None);
        let some = said(serde_json::json!([{ "id": "a", "state": "met" }, { "id": "b\u{1b}" },
            { "id": "c", "state": "wonderful" }])).unwrap();
        assert!(some.starts_with("warning: 2 of 3 clauses have no state"), "{some}");
        assert!(some.contains("(b\\u{1b}, c)") && !some.contains('\n'), "{some}");
        let many: Vec<Value> = (0..7).map(|n| serde_json::json!({ "id": n.to_string() })).collect();
        let many = said(many.into()).unwrap();
        assert!(many.contains("7 of 7") && many.contains("(0, 1, 2, 3, 4, ...)"), "{many}");
    }

    #[test]
    fn what_is_neither_is_not_read() {
        let dir = jinyun_testdb::Dir::new("report");
        let path = dir.join("report");
        put(&path, b"{\"a\":1}").unwrap();
        assert_eq!(read(&path).unwrap()["a"], 1);
        std::fs::write(&path, "neither").unwrap();
        assert!(read(&path).is_err());
    }
}
