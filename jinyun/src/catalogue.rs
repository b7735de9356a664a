//! `jinyun catalogue`: standards and rules that the operator has and that are not shipped.
//!
//! Making a catalogue of a table and looking at one need no network and no instance: they read a file
//! and say everything that is wrong with it. Installing and removing ask the platform, as the security
//! administrator, and so are decisions of the platform with entries of their own.

use crate::fail::{FAILED, Failed, REFUSED};
use crate::say;
use crate::session::{Session, Wish};
use crate::show;
use crate::whole::put;
use jinyun_base::Fault;
use jinyun_evidence::{Answer, BYTES, Catalogue, Imported, Malformed, Titles, import};
use jinyun_rest::list::quoted;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

const PATH: &str = "/evidence/v1/catalogues";

/// What to do.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Make a catalogue of a table of requirements (docs/catalogue.md says which columns there are);
    /// asks no platform.
    Import {
        /// The table: a .csv file as spreadsheet programs write it, or a .yaml file.
        file: PathBuf,
        /// The catalogue's short name: 2 to 24 of a-z, 0-9 and dash.
        #[arg(long, value_name = "ID")]
        standard: String,
        /// Number or name of the standard; the English title if not said.
        #[arg(long)]
        name: Option<String>,
        /// Its title in English.
        #[arg(long)]
        title_en: String,
        /// Its title in Chinese.
        #[arg(long)]
        title_zh: String,
        /// Its version or year.
        #[arg(long)]
        version: Option<String>,
        /// Write to this file.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Say everything that is wrong with a catalogue, or what is in it; asks no platform.
    Check {
        /// The catalogue.
        file: PathBuf,
    },
    /// List the catalogues by which the platform is judged: shipped, installed, refused.
    List,
    /// Install a catalogue (security administrator): clauses are judged by it from then on.
    Install {
        /// The catalogue.
        file: PathBuf,
    },
    /// Remove an installed catalogue (security administrator): nothing is judged by it from then on.
    Remove {
        /// Its short name.
        key: String,
    },
}

/// The bytes of a file, at most one more than a catalogue may have.
fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let bad = |e: std::io::Error| Fault::new(format!("{}: {e}", path.display()));
    let most = u64::try_from(BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path).map_err(bad)?.take(most + 1).read_to_end(&mut bytes).map_err(bad)?;
    Ok(bytes)
}

/// Everything that is wrong with a file, a line each.
fn unfit(what: &str, malformed: &Malformed) -> Failed {
    let said = malformed.to_string();
    let lines: Vec<String> = said.lines().map(show::plain).collect();
    Failed::new(REFUSED, format!("the {what} cannot be taken:\n  {}", lines.join("\n  ")))
}

/// A catalogue from its file, which fits the shipped ones.
fn checked(file: &Path) -> Result<Catalogue, Failed> {
    let name = file.display().to_string();
    let unfit = |bad: Malformed| unfit("catalogue", &bad);
    let catalogue = Catalogue::bring(&name, &bytes(file)?).map_err(unfit)?;
    Catalogue::shipped()?.with([catalogue.clone()]).map_err(unfit)?;
    Ok(catalogue)
}

/// What is in a catalogue, in a line.
fn told(catalogue: &Catalogue) -> String {
    let count = |is: fn(&Answer) -> bool| catalogue.clauses.iter().filter(|c| is(&c.answer)).count();
    let away = catalogue.clauses.iter().filter(|c| !c.not_applicable.is_empty()).count();
    format!(
        "{} ({}): {} rows: {} answered by other rows, {} duties, {} the tenant's, {} not built, {} not \
         applicable", catalogue.key, show::plain(&catalogue.standard), catalogue.clauses.len(),
        count(|a| matches!(a, Answer::SameAs { .. } | Answer::Checks { .. })),
        count(|a| matches!(a, Answer::Duty { .. })), count(|a| matches!(a, Answer::Tenant { .. })),
        count(|a| matches!(a, Answer::NotBuilt { .. })), away,
    )
}

fn made(file: &Path, titles: &Titles, out: &Path) -> Result<(), Failed> {
    let name = file.display().to_string();
    let Imported { catalogue, .. } = import(&name, &bytes(file)?, titles, Catalogue::shipped()?)
        .map_err(|bad| unfit("table", &bad))?;
    let text = catalogue.write()?;
    // What is written has to be what is read.
    let again = Catalogue::bring(&name, text.as_bytes()).map_err(|bad| unfit("catalogue", &bad))?;
    if again != catalogue {
        return Err(Failed::new(FAILED, "the catalogue would not be read as it is: nothing is written"));
    }
    put(out, text.as_bytes())?;
    say::out(&format!("{}: {}", out.display(), told(&catalogue)));
    Ok(())
}

fn list(wish: &Wish) -> Result<(), Failed> {
    let answer = Session::open(wish)?.get("listing the catalogues", PATH)?;
    let all = &answer["catalogues"];
    let rows: Vec<Vec<String>> = all.as_array().into_iter().flatten().map(|one| {
        let whose = if one["shipped"] == true { "shipped" } else { "installed" };
        let mut row = vec![show::cell(&one["key"]), whose.to_string()];
        row.extend(["rows", "state", "standard", "why"].map(|name| show::cell(&one[name])));
        row
    }).collect();
    let head = ["KEY", "FROM", "ROWS", "STATE", "STANDARD", "WHY"];
    show::print(wish.output, all, || show::table(&head, &rows));
    Ok(())
}

/// Says that a rule has the command wait; whether it does.
fn waits(wish: &Wish, answer: &Value) -> bool {
    let Some(id) = answer.pointer("/request/id").and_then(Value::as_str) else { return false };
    show::print(wish.output, answer, || format!(
        "This waits for somebody else's approval: request {0} (jinyun approval show {0})", show::plain(id)
    ));
    true
}

fn install(wish: &Wish, file: &Path) -> Result<(), Failed> {
    let catalogue = checked(file)?;
    let answer = Session::open(wish)?.upload("installing the catalogue", PATH, file)?;
    if waits(wish, &answer) {
        return Ok(());
    }
    let one: &Value = &answer["catalogue"];
    let sha256 = show::cell(&one["sha256"]);
    if one["state"] != "loaded" {
        let why = one["why"].as_str().map_or_else(|| "it was not looked at yet".into(), show::plain);
        return Err(Failed::new(FAILED, format!(
            "the catalogue is on record, SHA-256 {sha256}, and clauses are not judged by it: {why}; \
             `jinyun catalogue list` shows how it stands"
        )));
    }
    show::print(wish.output, one, || format!(
        "{}\nInstalled, SHA-256 {sha256}: clauses are judged by it from now on.", told(&catalogue),
    ));
    Ok(())
}

fn remove(wish: &Wish, key: &str) -> Result<(), Failed> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if key.is_empty() || !key.chars().all(good) {
        let say = "this is no catalogue's short name, which has a-z, 0-9 and dash: `jinyun catalogue list` \
                   shows them";
        return Err(Failed::new(REFUSED, say));
    }
    let path = format!("{PATH}/{}", quoted(key));
    let answer = Session::open(wish)?.ask("removing the catalogue", "DELETE", &path, None)?;
    if !waits(wish, &answer) {
        say::out("Removed: nothing is judged by it from now on.");
    }
    Ok(())
}

/// Runs it.
pub fn run(wish: &Wish, command: Command) -> Result<(), Failed> {
    match command {
        Command::Import { file, standard, name, title_en, title_zh, version, out } => {
            let (name, version) = (name.unwrap_or_default(), version.unwrap_or_default());
            let titles = Titles { key: standard, standard: name, title_en, title_zh, version };
            made(&file, &titles, &out)
        }
        Command::Check { file } => {
            say::out(&told(&checked(&file)?));
            Ok(())
        }
        Command::List => list(wish),
        Command::Install { file } => install(wish, &file),
        Command::Remove { key } => remove(wish, &key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../trust/evidence/standards-import-samples/internal-rules.csv");

    fn titles() -> Titles {
        Titles {
            key: "sample".into(),
            title_en: "Sample internal rules".into(),
            title_zh: "示例内部规定".into(),
            ..Titles::default()
        }
    }

    #[test]
    fn a_table_becomes_a_file_that_is_taken_again() {
        let dir = jinyun_testdb::Dir::new("catalogue");
        let (table, out) = (dir.join("rules.csv"), dir.join("rules.yaml"));
        std::fs::write(&table, SAMPLE).unwrap();
        made(&table, &titles(), &out).unwrap();
        let catalogue = checked(&out).unwrap();
        assert_eq!(catalogue.key, "sample");
        assert!(told(&catalogue).starts_with("sample (Sample internal rules): "));
        // Everything that is wrong, each with the file's name; and nothing is written over.
        std::fs::write(&table, "id,title,refs\nA,a,9.9\nB,,\n").unwrap();
        let failed = made(&table, &titles(), &out).unwrap_err();
        assert_eq!(failed.code, REFUSED);
        let said = failed.say.lines().filter(|line| line.contains("rules.csv, row ")).count();
        assert_eq!(said, 3, "{}", failed.say);
        assert_eq!(checked(&out).unwrap(), catalogue);
        let failed = checked(&dir.join("none.yaml")).unwrap_err();
        assert!(failed.code == FAILED && failed.say.contains("none.yaml"), "{}", failed.say);
    }
}
