//! `jinyun plan`: from an inventory of information systems to a plan of their move to the cloud.
//!
//! It needs no instance and no account: it reads a file and writes another. The library behind it does
//! no IO, so files are handled here. A file is written beside its place and then put there, so that
//! nobody finds half a document.

use crate::fail::{Failed, REFUSED};
use crate::say;
use crate::show::plain;
use crate::whole::put;
use jinyun_base::Fault;
use jinyun_planner::read::{csv, json, limits, yaml};
use jinyun_planner::rules::Facts;
use jinyun_planner::{Inventory, Lang, Malformed, Plan, html, markdown, plan};
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What is asked.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// The inventory: a .yaml, .csv or .json file (docs/planner.md says what is in it).
    inventory: PathBuf,
    /// A .yaml file with the member `institution`, for an inventory that says nothing of it, as a table.
    #[arg(long, value_name = "FILE")]
    institution: Option<PathBuf>,
    /// Markdown, HTML in one file, or JSON.
    #[arg(long, default_value = "md", value_parser = ["md", "html", "json"])]
    format: String,
    /// The document's language; JSON has both.
    #[arg(long, default_value = "zh", value_parser = ["zh", "en"])]
    lang: String,
    /// Write to this file, and the projects to `projects.json` beside it.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Runs it.
pub fn run(options: &Options) -> Result<(), Failed> {
    let mut inventory = inventory(&options.inventory)?;
    if let Some(path) = &options.institution {
        if inventory.institution != Facts::default() {
            let say = "--institution is for an inventory that says nothing of it: this one does";
            return Err(Failed::new(REFUSED, say));
        }
        inventory.institution = institution(path)?;
    }
    let plan = plan(&inventory);
    let document = document(&plan, options)?;
    let Some(output) = &options.to else {
        say::out(document.trim_end());
        return Ok(());
    };
    if output.file_name().is_none() {
        return Err(wrong(output, "names no file: say which one --to writes"));
    }
    let beside = output.with_file_name("projects.json");
    if *output == beside {
        let say = "--to projects.json is where the projects go: name another file";
        return Err(Failed::new(REFUSED, say));
    }
    let projects = json!({ "format": plan.format, "projects": written(&plan.projects)? });
    put(output, document.as_bytes())?;
    put(&beside, text(&projects)?.as_bytes())?;
    say::out(&format!(
        "{}: {} systems, {} waves, {} open questions; {}: {} projects", output.display(),
        plan.summary.systems, plan.waves.len(), plan.summary.questions, beside.display(),
        plan.projects.len(),
    ));
    Ok(())
}

fn document(plan: &Plan, options: &Options) -> Result<String, Fault> {
    let lang = if options.lang == "en" { Lang::En } else { Lang::Zh };
    match options.format.as_str() {
        "html" => Ok(html(plan, lang)),
        "json" => text(&written(plan)?),
        _ => Ok(markdown(plan, lang)),
    }
}

fn written(value: &impl serde::Serialize) -> Result<serde_json::Value, Fault> {
    serde_json::to_value(value).map_err(|e| Fault::new(format!("writing the plan: {e}")))
}

fn text(value: &serde_json::Value) -> Result<String, Fault> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|e| Fault::new(format!("writing the plan: {e}")))
}

fn wrong(path: &Path, what: &str) -> Failed {
    Failed::new(REFUSED, format!("{}: {what}", path.display()))
}

fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// Reads an inventory by the ending of its name.
fn inventory(path: &Path) -> Result<Inventory, Failed> {
    let ending = ending(path);
    let read: fn(&str) -> Result<Inventory, Malformed> = match ending.as_str() {
        "yaml" | "yml" => yaml::read,
        "csv" => csv::read,
        "json" => |text: &str| match serde_json::from_str(text) {
            Ok(value) => json::read(&value),
            Err(e) => Err(jinyun_planner::Flaw::whole(e.line(), "is not valid JSON").into()),
        },
        _ => return Err(wrong(path, "must end in .yaml, .csv or .json, so that it is known what it is")),
    };
    read(&content(path)?).map_err(|malformed| refused(path, "the inventory", &malformed))
}

/// Reads what is said of the institution.
fn institution(path: &Path) -> Result<Facts, Failed> {
    if !["yaml", "yml"].contains(&ending(path).as_str()) {
        return Err(wrong(path, "must end in .yaml"));
    }
    yaml::about(&content(path)?).map_err(|malformed| refused(path, "the institution's file", &malformed))
}

/// The text of a file.
fn content(path: &Path) -> Result<String, Failed> {
    let name = path.display();
    let bad = |what: &dyn std::fmt::Display| Fault::new(format!("{name}: {what}"));
    let mut bytes = Vec::new();
    let most = u64::try_from(limits::BYTES).unwrap_or(u64::MAX);
    let file = File::open(path).map_err(|e| bad(&e))?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|e| bad(&e))?;
    if bytes.len() > limits::BYTES {
        return Err(wrong(path, &format!("is longer than {} bytes", limits::BYTES)));
    }
    String::from_utf8(bytes)
        .map_err(|_| wrong(path, "is not UTF-8: save it as UTF-8 (a table as \"CSV UTF-8\")"))
}

/// Every flaw of a file.
fn refused(path: &Path, what: &str, malformed: &Malformed) -> Failed {
    let lines = malformed.lines(&path.display().to_string());
    let lines: Vec<String> = lines.iter().map(|line| plain(line)).collect();
    Failed::new(REFUSED, format!("{what} cannot be taken:\n  {}", lines.join("\n  ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::FAILED;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let path = std::env::temp_dir().join(format!("jyplan-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Dir(path)
        }

        fn put(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn options(inventory: PathBuf, format: &str, output: &Path) -> Options {
        let (format, lang) = (format.into(), "zh".into());
        Options { inventory, institution: None, format, lang, to: Some(output.into()) }
    }

    const YAML: &str = "systems:\n  - {id: a, name: A}\n";

    #[test]
    fn a_plan_and_its_projects_are_written() {
        let dir = Dir::new("written");
        let inputs = [dir.put("a.yaml", YAML), dir.put("a.CSV", "id,name\na,A\n"),
            dir.put("a.json", r#"{"systems": [{"id": "a", "name": "A"}]}"#)];
        for (input, (format, start)) in
            inputs.into_iter().zip([("md", "# "), ("html", "<!DOCTYPE html>"), ("json", "{")])
        {
            let output = dir.0.join(format!("plan.{format}"));
            run(&options(input, format, &output)).unwrap();
            assert!(std::fs::read_to_string(&output).unwrap().starts_with(start), "{format}");
            let projects = std::fs::read_to_string(dir.0.join("projects.json")).unwrap();
            let projects: serde_json::Value = serde_json::from_str(&projects).unwrap();
            assert_eq!(projects, json!({ "format": 1, "projects": [] }));
        }
        let left: Vec<_> = std::fs::read_dir(&dir.0).unwrap().flatten()
            .filter(|e| e.file_name().to_string_lossy().ends_with(".part")).collect();
        assert!(left.is_empty());
    }

    #[test]
    fn what_names_no_file_is_refused() {
        let dir = Dir::new("nameless");
        let input = dir.put("a.yaml", YAML);
        std::fs::create_dir(dir.0.join("below")).unwrap();
        for output in [dir.0.join(".."), dir.0.join("below").join(".."), PathBuf::from("/")] {
            let failed = run(&options(input.clone(), "md", &output)).unwrap_err();
            assert_eq!(failed.code, REFUSED);
            assert!(failed.say.contains("names no file"), "{}", failed.say);
        }
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 2);
        assert_eq!(std::fs::read_dir(dir.0.join("below")).unwrap().count(), 0);
    }

    /// The shipped examples: the table and the institution's own document are the other document.
    #[test]
    fn a_table_and_its_institution_give_the_same_plan() {
        let dir = Dir::new("institution");
        let sample = |name: &str| {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../trust/planner/samples").join(name)
        };
        let planned = |inventory: &str, beside: Option<&str>| {
            let output = dir.0.join("plan.json");
            let institution = beside.map(sample);
            run(&Options { institution, ..options(sample(inventory), "json", &output) }).unwrap();
            let projects = std::fs::read_to_string(dir.0.join("projects.json")).unwrap();
            (std::fs::read_to_string(output).unwrap(), projects)
        };
        let whole = planned("insurer.yaml", None);
        assert!(planned("insurer.csv", Some("insurer.institution.yaml")) == whole);
        assert!(planned("insurer.csv", None) != whole, "without it the table leaves questions open");

        let output = dir.0.join("refused.json");
        let cases = [
            (dir.put("a.csv", "id,name\na,A\n"), dir.put("x.txt", ""), "x.txt: must end in .yaml"),
            (dir.put("b.csv", "id,name\na,A\n"), dir.put("x.yaml", "institution:\n  stage: old\n"),
                "x.yaml: institution, line 2, field stage"),
            (sample("insurer.yaml"), sample("insurer.institution.yaml"), "this one does"),
        ];
        for (inventory, institution, want) in cases {
            let institution = Some(institution);
            let failed =
                run(&Options { institution, ..options(inventory, "json", &output) }).unwrap_err();
            assert_eq!(failed.code, REFUSED);
            assert!(failed.say.contains(want), "{}", failed.say);
            assert!(!output.exists());
        }
    }

    /// What a plan says of a profile is what the guardrails of that profile do: neither side knows the
    /// other, so this is where they meet.
    #[test]
    fn a_plan_promises_what_guardrails_keep() {
        let plan = plan(&yaml::read(YAML).unwrap());
        assert_eq!(plan.guardrails.len(), 3);
        for guard in &plan.guardrails {
            let word = serde_json::to_value(guard.profile).unwrap();
            let profile = jinyun_access::Profile::from_word(word.as_str().unwrap()).unwrap();
            let kept = jinyun_access::guardrails().iter().filter(|rail| rail.profile == profile);
            let mut kept: Vec<&str> = kept.flat_map(|rail| rail.clauses).copied().collect();
            let mut said = guard.refuses.cites.clone();
            kept.sort_unstable();
            kept.dedup();
            said.sort_unstable();
            assert_eq!(said, kept, "{word}");
        }
    }

    #[test]
    fn what_cannot_be_taken_names_the_file() {
        let dir = Dir::new("refused");
        let cases = [
            (dir.put("a.txt", YAML), REFUSED, "a.txt: must end in"),
            (dir.0.join("none.yaml"), FAILED, "none.yaml: No such file"),
            (dir.put("gbk.csv", [0xb1_u8, 0xe0, 0xba, 0xc5]), REFUSED, "gbk.csv: is not UTF-8"),
            (dir.put("long.csv", " ".repeat(limits::BYTES + 1)), REFUSED, "long.csv: is longer than"),
            (dir.put("b.yaml", "systems:\n  - id: a\n"), REFUSED, "b.yaml: row 1, line 2, field name"),
            (dir.put("b.json", "{"), REFUSED, "b.json: line 1: is not valid JSON"),
        ];
        for (input, code, want) in cases {
            let output = dir.0.join("plan.md");
            let failed = run(&options(input, "md", &output)).unwrap_err();
            assert_eq!(failed.code, code, "{}", failed.say);
            assert!(failed.say.contains(want), "{}", failed.say);
            assert!(!output.exists());
        }
        let good = dir.put("good.yaml", YAML);
        let failed = run(&options(good, "md", &dir.0.join("projects.json"))).unwrap_err();
        assert!(failed.say.contains("name another file"), "{}", failed.say);
    }
}
