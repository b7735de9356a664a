//! `jinyun-verify`: verifies an export of the journal, or an assessor's pack, without a network.

use jinyun_journal::note::Key;
use jinyun_verify::pack::{self, Verdict};
use jinyun_verify::{Report, Roots, Signer};
use serde::Serialize;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "usage: jinyun-verify --keys FILE [--checkpoint FILE]... [--tsa-root FILE]... [--json] \
    EXPORT\n       jinyun-verify pack FILE [--keys FILE] [--kept FILE]... [--tsa-root FILE]... [--json]";

/// A pack is whole, and nothing but itself says whose it is.
const UNTRUSTED: u8 = 3;

struct Asked {
    pack: bool,
    keys: Option<String>,
    kept: Vec<String>,
    roots: Vec<String>,
    json: bool,
    file: String,
}

fn ask() -> Option<Asked> {
    let mut words = std::env::args().skip(1).peekable();
    let pack = words.next_if(|word| word == "pack").is_some();
    let (mut keys, mut kept, mut roots) = (None, Vec::new(), Vec::new());
    let (mut json, mut file) = (false, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--keys" => keys = Some(words.next()?),
            "--checkpoint" | "--kept" => kept.push(words.next()?),
            "--tsa-root" => roots.push(words.next()?),
            "--json" => json = true,
            _ if word.starts_with('-') || file.is_some() => return None,
            _ => file = Some(word),
        }
    }
    // An export alone proves nothing without keys; of a pack it can at least be said that it is whole.
    let asked = Asked { pack, keys, kept, roots, json, file: file? };
    (asked.pack || asked.keys.is_some()).then_some(asked)
}

fn text(path: &str) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    String::from_utf8(bytes).map_err(|_| format!("{path}: not UTF-8 text"))
}

fn signed(signers: &[Signer], what: &str) -> String {
    signers.iter().map(|s| format!("  signed by {} ({}){what}\n", s.name, s.algorithm)).collect()
}

fn compared(kept: usize) -> String {
    match kept {
        0 => "  no checkpoint kept outside was given: a provider who rewrote everything with its own \
              key cannot be told\n".into(),
        n => format!("  compared with {n} checkpoint(s) kept outside\n"),
    }
}

/// When checkpoints were there, by whose word; and what nobody vouches for.
fn timestamps(report: &Report) -> String {
    report.timestamps.iter().map(|one| format!("  {}\n", one.say())).collect()
}

fn problems(report: &Report, what: &str) -> String {
    report.problems.iter().map(|p| format!("  {what}{}: {}\n", p.what, p.say)).collect()
}

fn export_in_words(report: &Report, kept: usize) -> String {
    let verdict = if report.ok { "verified" } else { "NOT verified" };
    let signers: String = report.signers.iter()
        .map(|s| signed(std::slice::from_ref(s), &format!(", {} checkpoint(s)", s.notes))).collect();
    format!("{} entries {verdict}\n{}{signers}{}{}", report.entries, problems(report, ""),
        timestamps(report), compared(kept))
}

fn pack_in_words(found: &Verdict, kept: usize) -> String {
    let verdict = match (found.ok, found.trusted) {
        (true, true) => "verified",
        (true, false) => "whole, but NOT verified: no keys were given",
        (false, _) => "NOT verified",
    };
    let (instance, made) = (&found.instance, &found.made);
    let mut out = format!("pack of \"{instance}\", made {made}, {} files, {} bytes: {verdict}\n",
        found.files, found.bytes);
    // Writing to a string does not fail.
    for problem in &found.problems {
        let _ = writeln!(out, "  {}: {}", problem.what, problem.say);
    }
    out.push_str(&signed(&found.signers, ""));
    if let Some(journal) = &found.journal {
        let verdict = if journal.ok { "verified" } else { "NOT verified" };
        let _ = writeln!(out, "  journal: {} entries {verdict}", journal.entries);
        out.push_str(&problems(journal, "journal: "));
        out.push_str(&timestamps(journal));
    }
    for absent in &found.absent {
        let _ = writeln!(out, "  not in the pack: the file of the record {} ({})",
            absent.name.escape_debug(), absent.sha256.escape_debug());
    }
    if !found.trusted {
        out.push_str("  the signatures were checked with the keys in the pack, which whoever made it \
            chose: give the keys that were handed over (--keys)\n");
    }
    out + &compared(kept)
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
    let keys = asked.keys.as_ref().map(|path| Key::read_all(&text(path)?)).transpose()?;
    let kept = asked.kept.iter().map(|path| text(path)).collect::<Result<Vec<_>, _>>()?;
    let mut roots = Roots::default();
    for path in &asked.roots {
        roots.add(&text(path)?).map_err(|why| format!("{path}: {why}"))?;
    }
    let bad = |e: std::io::Error| format!("{}: {e}", asked.file);
    if asked.pack {
        let mut file = File::open(&asked.file).map_err(bad)?;
        let found = pack::check_with(&mut file, keys.as_deref(), &kept, &roots).map_err(bad)?;
        show(asked.json, &found, || pack_in_words(&found, kept.len()))?;
        return Ok(match (found.ok, found.trusted) {
            (true, true) => ExitCode::SUCCESS,
            (true, false) => ExitCode::from(UNTRUSTED),
            (false, _) => ExitCode::FAILURE,
        });
    }
    let export = std::fs::read(&asked.file).map_err(bad)?;
    let report = jinyun_verify::verify_with(&export, &keys.unwrap_or_default(), &kept, &roots);
    show(asked.json, &report, || export_in_words(&report, kept.len()))?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn main() -> ExitCode {
    let Some(asked) = ask() else {
        let _ = writeln!(std::io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    match run(&asked) {
        Ok(code) => code,
        Err(say) => {
            let _ = writeln!(std::io::stderr(), "jinyun-verify: {say}");
            ExitCode::from(2)
        }
    }
}
