//! Writes the document of an inventory to standard output, as the tests compare it:
//! `cargo run -q -p jinyun-planner --example plan -- trust/planner/samples/insurer.yaml`.

use jinyun_planner::{Lang, markdown, plan, read};
use std::io::Write;
use std::process::ExitCode;

fn document(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let table = path.ends_with(".csv");
    let inventory = if table { read::csv::read(&text) } else { read::yaml::read(&text) };
    let inventory = inventory.map_err(|malformed| malformed.lines(path).join("\n"))?;
    Ok(markdown(&plan(&inventory), Lang::Zh))
}

fn main() -> ExitCode {
    let said = match std::env::args().nth(1) {
        None => Err("name an inventory in YAML or CSV".to_string()),
        Some(path) => document(&path),
    };
    let written = match &said {
        Ok(text) => std::io::stdout().write_all(text.as_bytes()),
        Err(why) => writeln!(std::io::stderr(), "{why}"),
    };
    if said.is_ok() && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
