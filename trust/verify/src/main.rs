//! `jinyun-verify`: verifies an export of the journal, or an assessor's pack, without a network.

use jinyun_journal::note::Key;
use jinyun_journal::to_hex;
use jinyun_verify::pack::{self, ASSESSMENT, Program, Started, Trust, Verdict};
use jinyun_verify::{Compared, Report, Roots, Signer, Span, Unchecked};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: jinyun-verify --keys FILE [--checkpoint FILE]... [--tsa-root FILE]... [--json] \
    EXPORT\n       jinyun-verify pack FILE [--keys FILE] [--kept FILE]... [--tsa-root FILE]... \
    [--program FILE] [--json]";

/// A pack is whole, and nothing but itself says whose it is.
const UNTRUSTED: u8 = 3;

/// How an archive begins that is a pack: the name of its first file.
const PACK: &[u8] = b"manifest.json\0";

struct Asked {
    pack: bool,
    keys: Option<String>,
    kept: Vec<String>,
    roots: Vec<String>,
    program: Option<String>,
    json: bool,
    file: String,
}

/// The words of the command; what is wrong with them, in a sentence.
fn ask() -> Result<Asked, String> {
    let mut words = std::env::args().skip(1).peekable();
    let pack = words.next_if(|word| word == "pack").is_some();
    let (mut keys, mut kept, mut roots) = (None, Vec::new(), Vec::new());
    let (mut json, mut file, mut program) = (false, None, None);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a file behind it"));
        match word.as_str() {
            "--keys" => keys = Some(value()?),
            "--checkpoint" | "--kept" => kept.push(value()?),
            "--tsa-root" => roots.push(value()?),
            "--program" => program = Some(value()?),
            "--json" => json = true,
            _ if word.starts_with('-') => return Err(format!("{} is not known", word.escape_debug())),
            _ if file.is_some() => return Err("one file is verified at a time".into()),
            _ => file = Some(word),
        }
    }
    let file = file.ok_or("the file to be verified is missing")?;
    // An export alone proves nothing without keys; of a pack it can at least be said that it is whole.
    if !pack && keys.is_none() {
        return Err("an export is verified by keys that were handed over: give --keys".into());
    }
    if !pack && program.is_some() {
        return Err("an export of the journal names no program: --program is for packs".into());
    }
    Ok(Asked { pack, keys, kept, roots, program, json, file })
}

/// The keys of a file. One that holds none is taken for a mistake, not for an answer.
fn keys(path: &str) -> Result<Vec<Key>, String> {
    let keys = Key::read_all(&text(path)?).map_err(|why| format!("{path}: {why}"))?;
    if keys.is_empty() { Err(format!("{path}: holds no key")) } else { Ok(keys) }
}

fn text(path: &str) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    String::from_utf8(bytes).map_err(|_| format!("{path}: not UTF-8 text"))
}

/// SHA-256 of a file, hex.
fn digest(path: &str) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut sum, mut part) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut part) {
            Ok(0) => return Ok(to_hex(&sum.finalize())),
            Ok(n) => sum.update(&part[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Whether a file begins as a pack does.
fn is_pack(file: &mut File) -> io::Result<bool> {
    let mut begin = Vec::new();
    Read::take(&mut *file, PACK.len() as u64).read_to_end(&mut begin)?;
    file.rewind()?;
    Ok(begin == PACK)
}

/// Whose signatures hold, and whose lines nobody could check.
fn lines(signers: &[Signer], unchecked: &[Unchecked], how: &str, lead: &str, what: &str) -> String {
    let signed = signers.iter().map(|s| {
        let count = if what.is_empty() { String::new() } else { format!(", {} {what}", s.notes) };
        format!("  {lead}{how} {} ({}){count}\n", s.name.escape_debug(), s.algorithm)
    });
    let unknown = unchecked.iter().map(|one| {
        let count = if what.is_empty() { String::new() } else { format!(", {} {what}", one.notes) };
        format!("  {lead}not checked, for want of a key: the line of {}{count}\n", one.name.escape_debug())
    });
    signed.chain(unknown).collect()
}

/// What became of the checkpoints that were kept outside.
fn compared(kept: &Compared, remarks: &[String]) -> String {
    let Compared { given, compared, agree } = *kept;
    let alone = "a provider who rewrote everything with its own key cannot be told";
    let said = match (given, compared) {
        (0, _) => format!("no checkpoint kept outside was given: {alone}"),
        (_, 0) => format!("none of the {given} checkpoint(s) kept outside was compared: {alone}"),
        _ => format!(
            "{compared} of {given} checkpoint(s) kept outside compared with what was made from the \
             entries: {agree} of them the same"
        ),
    };
    let remarks: String = remarks.iter().map(|remark| format!("  {remark}\n")).collect();
    format!("{remarks}  {said}\n")
}

/// When checkpoints were there, by whose word; and what nobody vouches for.
fn timestamps(report: &Report) -> String {
    report.timestamps.iter().map(|one| format!("  {}\n", one.say())).collect()
}

fn problems(report: &Report, lead: &str) -> String {
    report.problems.iter().map(|p| format!("  {lead}{}: {}\n", p.what, p.say)).collect()
}

/// Which entries a file has; by its own word alone, if something is wrong with it.
fn span(report: &Report) -> String {
    let Some(span) = &report.span else { return String::new() };
    let Span { instance, institution, from, to, size } = span;
    let says = if report.ok { "" } else { "said to be " };
    let (instance, last) = (instance.escape_debug(), to.saturating_sub(1));
    match institution {
        None => format!(": {says}{from} to {last} of the journal of \"{instance}\""),
        Some(one) => format!(
            ": {says}{from} to {last} of institution {}, under the checkpoint of {size} entries of \
             \"{instance}\"", one.escape_debug()
        ),
    }
}

fn export_in_words(report: &Report) -> String {
    let verdict = if report.ok { "verified" } else { "NOT verified" };
    let signers = lines(&report.signers, &report.unchecked, "signed by", "", "checkpoint(s)");
    format!("{} entries {verdict}{}\n{}{signers}{}{}", report.entries, span(report),
        problems(report, ""), timestamps(report), compared(&report.kept, &report.remarks))
}

fn pack_in_words(found: &Verdict, given: usize) -> String {
    let Verdict { ok, trusted, .. } = *found;
    let verdict = match (ok, trusted) {
        (true, true) => "verified",
        (true, false) => "whole, but NOT verified: no keys were given",
        (false, _) => "NOT verified",
    };
    let read = format!("{} files, {} bytes", found.files, found.bytes);
    let mut out = match found.instance.is_empty() {
        true => format!("a pack whose manifest cannot be read, {read}: {verdict}\n"),
        false => format!("pack of \"{}\", made {}, {read}: {verdict}\n", found.instance, found.made),
    };
    if ok {
        out.push_str("  files: all that the manifest names are there with its digests, and no others\n");
    }
    for problem in &found.problems {
        // Writing to a string does not fail.
        let _ = writeln!(out, "  {}: {}", problem.what, problem.say);
    }
    let how = if trusted { "signed by" } else { "fits the pack's own key of" };
    out.push_str(&lines(&found.signers, &found.unchecked, how, "manifest.note: ", ""));
    match &found.journal {
        None => out.push_str("  journal: was not looked at\n"),
        Some(journal) => {
            let verdict = match (journal.ok, trusted) {
                (true, true) => "verified",
                (true, false) => "fit together",
                (false, _) => "NOT verified",
            };
            let _ = writeln!(out, "  journal: {} entries {verdict}{}", journal.entries, span(journal));
            out.push_str(&problems(journal, "journal: "));
            let (signers, unchecked) = (&journal.signers, &journal.unchecked);
            out.push_str(&lines(signers, unchecked, how, "journal: ", "checkpoint(s)"));
            out.push_str(&timestamps(journal));
        }
    }
    match &found.assessment {
        Some(assessed) => {
            for say in &assessed.say {
                let _ = writeln!(out, "  {ASSESSMENT}: {say}");
            }
        }
        None if found.journal.is_some() => {
            let _ = writeln!(out, "  {ASSESSMENT}: is not in the pack and not compared with the journal");
        }
        None => {}
    }
    if let Some(Program { given, same: true, bound, .. }) = &found.program {
        let covered = if *bound { "the" } else { "no" };
        let _ = writeln!(out, "  {ASSESSMENT}: names the program that was given (SHA-256 {given}): the \
            platform's own word, of which the journal has {covered} digest");
    }
    for Started { sha256, times, first, last } in &found.started {
        let given = found.program.as_ref().map(|program| program.given == *sha256);
        let which = match given {
            Some(true) => ", the one that was given",
            Some(false) => ", ANOTHER than was given",
            None => "",
        };
        let entries = match first == last {
            true => format!("entry {first}"),
            false => format!("entries {first} to {last}"),
        };
        let _ = writeln!(out, "  journal: started {times} time(s), {entries}, by the platform's own word: \
            the program with the SHA-256 {sha256}{which}");
    }
    for absent in &found.absent {
        let _ = writeln!(out, "  not in the pack: the file of the record {} ({})",
            absent.name.escape_debug(), absent.sha256.escape_debug());
    }
    if !trusted {
        out.push_str("  the signatures were checked with the keys in the pack, which whoever made it \
            chose: give the keys that were handed over (--keys)\n");
    }
    out.push_str(&match &found.journal {
        Some(journal) => compared(&journal.kept, &journal.remarks),
        None => compared(&Compared { given, ..Compared::default() }, &[]),
    });
    if ok {
        out.push_str("  not verified: that reports, what they say of an earlier pack, and records are \
            true: they are as the instance made them\n");
    }
    out
}

/// Prints a verdict. A closed pipe takes nothing away from it.
fn show<T: Serialize>(json: bool, value: &T, words: impl FnOnce() -> String) -> Result<(), String> {
    let said = match json {
        true => serde_json::to_string(value).map_err(|e| e.to_string())? + "\n",
        false => words(),
    };
    let _ = std::io::stdout().lock().write_all(said.as_bytes());
    Ok(())
}

fn run(asked: &Asked) -> Result<ExitCode, String> {
    let keys = asked.keys.as_deref().map(keys).transpose()?;
    let kept = asked.kept.iter().map(|path| text(path)).collect::<Result<Vec<_>, _>>()?;
    let mut roots = Roots::default();
    for path in &asked.roots {
        roots.add(&text(path)?).map_err(|why| format!("{path}: {why}"))?;
    }
    let program = match &asked.program {
        Some(path) => Some(digest(path).map_err(|e| format!("{path}: {e}"))?),
        None => None,
    };
    let bad = |e: io::Error| match e.kind() {
        io::ErrorKind::NotSeekable => {
            format!("{}: parts of it are read twice, so it has to be a file and no pipe", asked.file)
        }
        _ => format!("{}: {e}", asked.file),
    };
    let mut file = File::open(&asked.file).map_err(bad)?;
    if asked.pack {
        let by = Trust { keys: keys.as_deref(), kept: &kept, roots: &roots, program: program.as_deref() };
        let found = pack::check_by(&mut file, &by).map_err(bad)?;
        show(asked.json, &found, || pack_in_words(&found, kept.len()))?;
        return Ok(match (found.ok, found.trusted) {
            (true, true) => ExitCode::SUCCESS,
            (true, false) => ExitCode::from(UNTRUSTED),
            (false, _) => ExitCode::FAILURE,
        });
    }
    if is_pack(&mut file).map_err(bad)? {
        return Err(format!("{0}: is a pack: jinyun-verify pack {0}", asked.file));
    }
    let keys = keys.unwrap_or_default();
    let report = jinyun_verify::verify_from(&mut file, &keys, &kept, &roots).map_err(bad)?;
    show(asked.json, &report, || export_in_words(&report))?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn main() -> ExitCode {
    if std::env::args().skip(1).any(|word| ["--help", "-h"].contains(&word.as_str())) {
        let _ = writeln!(std::io::stdout(), "{USAGE}");
        return ExitCode::SUCCESS;
    }
    let asked = match ask() {
        Ok(asked) => asked,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "jinyun-verify: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&asked) {
        Ok(code) => code,
        Err(say) => {
            let _ = writeln!(std::io::stderr(), "jinyun-verify: {say}");
            ExitCode::from(2)
        }
    }
}
