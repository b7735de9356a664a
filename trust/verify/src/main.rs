//! `jinyun-verify`: verifies an export of the journal without a network.

use jinyun_journal::note::Key;
use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "usage: jinyun-verify --keys FILE [--checkpoint FILE]... [--json] EXPORT";

struct Asked {
    keys: String,
    kept: Vec<String>,
    json: bool,
    export: String,
}

fn ask() -> Option<Asked> {
    let mut words = std::env::args().skip(1);
    let (mut keys, mut kept, mut json, mut export) = (None, Vec::new(), false, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--keys" => keys = Some(words.next()?),
            "--checkpoint" => kept.push(words.next()?),
            "--json" => json = true,
            _ if word.starts_with('-') || export.is_some() => return None,
            _ => export = Some(word),
        }
    }
    Some(Asked { keys: keys?, kept, json, export: export? })
}

fn run(asked: &Asked) -> Result<bool, String> {
    let read = |path: &String| std::fs::read(path).map_err(|e| format!("{path}: {e}"));
    let text = |path: &String| {
        String::from_utf8(read(path)?).map_err(|_| format!("{path}: not UTF-8 text"))
    };
    let keys = Key::read_all(&text(&asked.keys)?)?;
    let kept = asked.kept.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    let report = jinyun_verify::verify(&read(&asked.export)?, &keys, &kept);
    let mut out = std::io::stdout().lock();
    let written = if asked.json {
        let line = serde_json::to_string(&report).map_err(|e| e.to_string())?;
        writeln!(out, "{line}")
    } else {
        let verdict = if report.ok { "verified" } else { "NOT verified" };
        let lines = report.problems.iter().map(|p| format!("  {}: {}\n", p.what, p.say));
        let signers = report.signers.iter()
            .map(|s| format!("  signed by {} ({}), {} checkpoint(s)\n", s.name, s.algorithm, s.notes));
        let kept = match asked.kept.len() {
            0 => "  no checkpoint kept outside was given: a provider who rewrote everything with \
                  its own key cannot be told\n".to_string(),
            n => format!("  compared with {n} checkpoint(s) kept outside\n"),
        };
        let body: String = lines.chain(signers).collect();
        write!(out, "{} entries {verdict}\n{body}{kept}", report.entries)
    };
    // A closed pipe takes nothing away from the verdict.
    drop(written);
    Ok(report.ok)
}

fn main() -> ExitCode {
    let Some(asked) = ask() else {
        let _ = writeln!(std::io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    match run(&asked) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(say) => {
            let _ = writeln!(std::io::stderr(), "jinyun-verify: {say}");
            ExitCode::from(2)
        }
    }
}
