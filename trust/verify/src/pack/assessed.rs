//! The assessment in a pack, against the journal's entry about it.
//!
//! Problem: the manifest proves that `assessment.json` is what was signed with the pack. Whoever holds
//! the keys can sign another one, with verdicts that nobody found; the journal cannot be written anew
//! like that, because checkpoints of it were kept elsewhere. Mechanism: the entry of an assessment holds
//! each verdict, each clause's state, the counts, and a digest of the document but for what depends on
//! the period that is asked for; all of that is made from the file once more and compared. Why not the
//! digest alone: it says that something is other, and an assessor has to know which check. An entry
//! that is not in the export proves nothing either way, and that is said. Of the journal's entries the one
//! that the document names is kept while they are verified, and the number of the newest later one.

use crate::{Report, shown};
use jinyun_journal::entry::canonical;
use jinyun_journal::to_hex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The action of an assessment.
const ACTION: &str = "evidence:assessment:create";
/// How its entry begins: an entry's members are sorted.
const BEGIN: &[u8] = b"{\"action\":\"evidence:assessment:create\",";
/// Members that are in no digest: they come after the entry, or with the period that is asked for.
const OPEN: [&str; 5] = ["entry", "gaps", "journal", "period", "violations"];
/// So many differences are listed.
const LISTED: usize = 50;

/// What became of the assessment in a pack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Assessed {
    /// The entry that it names.
    pub entry: Option<u64>,
    /// It was compared with that entry; what is other is among the pack's problems.
    pub compared: bool,
    /// So many verdicts of checks are the same.
    pub verdicts: u64,
    /// So many states of clauses are the same; none if the entry is of a version that had no states.
    pub states: u64,
    /// So many counts are the same.
    pub counts: u64,
    /// The digest of what it says is the same.
    pub digest: bool,
    /// The newest entry of a later assessment.
    pub later: Option<u64>,
    /// What was compared, or why nothing was: sentences without their subject.
    pub say: Vec<String>,
}

impl Assessed {
    /// One that was not compared.
    pub(super) fn uncompared(entry: Option<u64>, why: &str) -> Assessed {
        let say = vec![format!("was not compared with the journal: {why}")];
        Assessed { entry, say, ..Assessed::default() }
    }
}

/// The digest of an assessment whose clauses stand by standard, as its entry has it: SHA-256 of its
/// canonical JSON without `entry`, `gaps`, `journal`, `period` and `violations`.
pub fn document_digest(document: &Value) -> Result<String, String> {
    let mut rest = document.clone();
    if let Some(members) = rest.as_object_mut() {
        members.retain(|name, _| !OPEN.contains(&name.as_str()));
    }
    digest(&rest)
}

fn digest(value: &Value) -> Result<String, String> {
    canonical(value).map(|text| to_hex(&Sha256::digest(text.as_bytes())))
}

type Words = BTreeMap<String, String>;

/// What the document says, in either of its shapes.
struct Paper<'v> {
    report: &'v Value,
    by_standard: bool,
    entry: Option<u64>,
    instance: &'v str,
    sha256: &'v str,
    /// Every time at which it says that it ended.
    ends: BTreeSet<i64>,
    verdicts: Words,
    /// The tenant's half of a shared clause has an end of its own, as in the entry.
    states: Words,
    /// Name of the standard and state, of each clause that is counted.
    counted: Vec<(&'v str, &'v str)>,
    twice: Vec<String>,
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

/// What is inside of a document: the report, and what stands around it, which may be the same.
pub(super) fn faces(document: &Value) -> [&Value; 2] {
    let body = document.get("assessment").unwrap_or(document);
    [body.get("report").unwrap_or(body), body]
}

/// The entry that a document names.
fn named(document: &Value) -> Option<u64> {
    faces(document).into_iter().find_map(|one| one.get("entry")?.as_u64())
}

impl<'v> Paper<'v> {
    /// As those read it who make reports of it (`docs/reports.md`): of a document with several faces, the
    /// one that they show is the one to be judged.
    fn of(document: &'v Value) -> Paper<'v> {
        let [report, body] = faces(document);
        let entry = named(document);
        let sha256 = [report, body].into_iter().map(|one| text(one, "sha256")).find(|one| !one.is_empty());
        let ends = [report.pointer("/period/to"), body.pointer("/period/to"), report.get("ended")];
        let mut paper = Paper {
            report,
            by_standard: report.pointer("/standards/0/clauses").is_some(),
            entry,
            instance: text(report, "instance"),
            sha256: sha256.unwrap_or_default(),
            ends: ends.into_iter().flatten().filter_map(Value::as_i64).collect(),
            verdicts: Words::new(),
            states: Words::new(),
            counted: Vec::new(),
            twice: Vec::new(),
        };
        for found in list(report, "findings") {
            let (check, verdict) = (text(found, "check"), text(found, "verdict"));
            if paper.verdicts.insert(check.into(), verdict.into()).is_some() {
                paper.twice.push(format!("the check {}", shown(check)));
            }
        }
        if paper.by_standard {
            for standard in list(report, "standards") {
                list(standard, "clauses").for_each(|row| paper.clause(text(standard, "name"), row));
            }
        } else {
            let tallies = list(report, "standards");
            let names: BTreeMap<&str, &str> =
                tallies.map(|tally| (text(tally, "key"), text(tally, "standard"))).collect();
            for row in list(report, "clauses") {
                let name = names.get(text(row, "standard")).copied().unwrap_or_default();
                paper.clause(name, row);
            }
        }
        paper
    }

    fn clause(&mut self, standard: &'v str, row: &'v Value) {
        let id = text(row, "id");
        let halves = [(id.to_string(), "state"), (format!("{id}/tenant"), "tenant_state")];
        for (name, member) in halves {
            let Some(state) = row.get(member).and_then(Value::as_str) else { continue };
            let told = shown(&name);
            if self.states.insert(name, state.into()).is_some() {
                self.twice.push(format!("the clause {told}"));
            }
        }
        if row.get("supplement").and_then(Value::as_bool) != Some(true) {
            self.counted.push((standard, text(row, "state")));
        }
    }

    /// Its entry, if the export has that; or why it cannot be compared.
    fn place(&self, journal: &Report, instance: &str) -> Result<u64, String> {
        let entry = self.entry.ok_or("it names no entry of it")?;
        if !self.instance.is_empty() && self.instance != instance {
            return Err(format!("it is of another instance, \"{}\"", shown(self.instance)));
        }
        let span = journal.span.as_ref().filter(|span| journal.ok && span.institution.is_none());
        let span = span.ok_or("what the pack has of it does not hold")?;
        if entry < span.from {
            return Err(format!(
                "its entry {entry} lies before the export, which begins at entry {}", span.from
            ));
        }
        if entry >= span.to {
            return Err(format!(
                "its entry {entry} lies behind the export, which ends with entry {}",
                span.to.saturating_sub(1)
            ));
        }
        Ok(entry)
    }
}

/// An entry, as far as it matters here.
#[derive(Deserialize)]
struct Kept {
    action: String,
    number: u64,
    outcome: String,
    #[serde(default)]
    note: Value,
}

/// A later one.
#[derive(Deserialize)]
struct Later {
    number: u64,
    outcome: String,
}

/// What a document is held against, picked out of the entries while they are verified.
#[derive(Default)]
pub(super) struct Entries {
    wanted: Option<u64>,
    found: Option<Vec<u8>>,
    later: Option<u64>,
}

impl Entries {
    /// What this document needs.
    pub fn of(document: Option<&Value>) -> Entries {
        Entries { wanted: document.and_then(named), ..Entries::default() }
    }

    /// The entry where the one with this number belongs.
    pub fn take(&mut self, number: u64, line: &[u8]) {
        let Some(wanted) = self.wanted else { return };
        if number == wanted {
            self.found = Some(line.to_vec());
        } else if number > wanted && line.starts_with(BEGIN) {
            let later = serde_json::from_slice::<Later>(line).ok();
            let later = later.filter(|later| later.outcome == "done").map(|later| later.number);
            self.later = self.later.max(later);
        }
    }
}

/// Reads a document; says what is wrong with one that is none.
pub(super) fn read(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|e| shown(&e.to_string()))
}

/// What the entry of an assessment says. Earlier versions had fewer members.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Note {
    standard: String,
    sha256: String,
    counts: BTreeMap<String, u64>,
    findings: Words,
    /// Clauses by state.
    clauses: BTreeMap<String, BTreeSet<String>>,
    document: String,
    ended: Option<i64>,
}

/// What is other in the document than in its entry.
struct Differences {
    entry: u64,
    wrong: Vec<String>,
}

impl Differences {
    /// Compares words by name; returns how many are the same.
    fn words(&mut self, what: &str, ours: &Words, theirs: &Words) -> u64 {
        let (entry, mut same) = (self.entry, 0);
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            let told = shown(name);
            let say = match (ours.get(name), theirs.get(name)) {
                (Some(here), Some(there)) if here != there => format!(
                    "{what} {told} is \"{}\" in it and \"{}\" in entry {entry} of the journal",
                    shown(here), shown(there)
                ),
                (Some(here), None) => format!(
                    "{what} {told}, \"{}\" in it, is not in entry {entry} of the journal", shown(here)
                ),
                (None, Some(there)) => format!(
                    "{what} {told}, \"{}\" in entry {entry} of the journal, is not in it", shown(there)
                ),
                _ => {
                    same += 1;
                    continue;
                }
            };
            self.wrong.push(say);
        }
        same
    }

    /// Counts a standard's own clauses by state, and compares; returns how many counts are the same.
    fn counts(&mut self, paper: &Paper<'_>, note: &Note) -> u64 {
        let (entry, mut same) = (self.entry, 0);
        let mut ours: BTreeMap<&str, u64> = BTreeMap::new();
        for &(_, state) in paper.counted.iter().filter(|(standard, _)| *standard == note.standard) {
            *ours.entry(state).or_default() += 1;
        }
        let words: BTreeSet<&str> =
            ours.keys().copied().chain(note.counts.keys().map(String::as_str)).collect();
        for word in words {
            let here = ours.get(word).copied().unwrap_or_default();
            let there = note.counts.get(word).copied().unwrap_or_default();
            if here == there {
                same += 1;
                continue;
            }
            self.wrong.push(format!(
                "{here} clause(s) of {} are \"{}\" in it and {there} in entry {entry} of the journal",
                shown(&note.standard), shown(word)
            ));
        }
        same
    }

    fn rest(&mut self, paper: &Paper<'_>, note: &Note) {
        let entry = self.entry;
        self.wrong.extend(paper.twice.iter().map(|name| format!("{name} stands in it twice")));
        if let Some(there) = note.ended {
            let others = paper.ends.iter().filter(|here| **here != there);
            self.wrong.extend(others.map(|here| format!(
                "it ended at {here} by itself and at {there} by entry {entry} of the journal \
                 (microseconds since 1970)"
            )));
            if paper.ends.is_empty() {
                self.wrong.push("it does not say when it ended".into());
            }
        }
        if ![paper.sha256, note.sha256.as_str()].contains(&"") && paper.sha256 != note.sha256 {
            self.wrong.push(format!(
                "it names the report {}, entry {entry} of the journal the report {}",
                shown(paper.sha256), shown(&note.sha256)
            ));
        }
    }

    /// Compares the digest; whether it is the same. One that the entry does not have is not.
    fn digest(&mut self, paper: &Paper<'_>, note: &Note) -> bool {
        // Of the report by itself every version had the digest.
        let told = if paper.by_standard { &note.document } else { &note.sha256 };
        if told.is_empty() {
            return false;
        }
        let made = if paper.by_standard { document_digest(paper.report) } else { digest(paper.report) };
        let same = made.is_ok_and(|made| made == *told);
        // What is named already makes the digest another one.
        if !same && self.wrong.is_empty() {
            self.wrong.push(format!(
                "it has not the digest that entry {} of the journal has of it: something in it other than \
                 verdicts, states and counts was changed", self.entry
            ));
        }
        same
    }
}

/// Compares the document of a pack with the entry that it names; and what is wrong with it, as
/// sentences without their subject.
pub(super) fn compare(document: &Result<Value, String>, entries: &Entries, journal: &Report,
    instance: &str) -> (Assessed, Vec<String>) {
    let document = match document {
        Ok(document) => document,
        Err(why) => {
            let why = format!("is not JSON ({why})");
            return (Assessed::uncompared(None, "it cannot be read"), vec![why]);
        }
    };
    let paper = Paper::of(document);
    let entry = match paper.place(journal, instance) {
        Ok(entry) => entry,
        Err(why) => return (Assessed::uncompared(paper.entry, &why), Vec::new()),
    };
    let read = |line: &[u8]| serde_json::from_slice::<Kept>(line).ok();
    // That the entries are whole and in order was verified.
    let kept = entries.found.as_deref().and_then(read).filter(|kept| kept.number == entry);
    let Some(kept) = kept else {
        return (Assessed::uncompared(Some(entry), "that entry cannot be read"), Vec::new());
    };
    let mut found = Assessed { entry: Some(entry), compared: true, ..Assessed::default() };
    found.say.push(format!("is not the assessment of entry {entry} of the journal"));
    if kept.action != ACTION || kept.outcome != "done" {
        let why = format!(
            "it names entry {entry} of the journal, which is of no assessment: {}, {}",
            shown(&kept.action), shown(&kept.outcome)
        );
        return (found, vec![why]);
    }
    let Ok(note) = serde_json::from_value::<Note>(kept.note) else {
        return (found, vec![format!("entry {entry} of the journal does not say what was found")]);
    };
    found.later = entries.later;
    let mut differences = Differences { entry, wrong: Vec::new() };
    found.verdicts = differences.words("the check", &paper.verdicts, &note.findings);
    if !note.clauses.is_empty() {
        let clauses = note.clauses.iter();
        let states: Words = clauses
            .flat_map(|(state, names)| names.iter().map(move |name| (name.clone(), state.clone())))
            .collect();
        found.states = differences.words("the clause", &paper.states, &states);
    }
    if !note.counts.is_empty() {
        found.counts = differences.counts(&paper, &note);
    }
    differences.rest(&paper, &note);
    found.digest = differences.digest(&paper, &note);
    let mut wrong = differences.wrong;
    if wrong.is_empty() {
        let rest = match found.digest {
            true => "the digest of the rest is the same (the begin of its period, times in violation, \
                gaps, and what it says of the journal are in no digest)".to_string(),
            false => format!("entry {entry} has no digest of the rest, which was not compared"),
        };
        let Assessed { verdicts, states, counts, .. } = found;
        found.say = vec![format!(
            "is the assessment of entry {entry} of the journal: {verdicts} verdict(s), {states} state(s) \
             and {counts} count(s) are the same; {rest}"
        )];
    }
    if let Some(later) = found.later {
        found.say.push(format!("is not the newest: entry {later} of the journal is a later assessment"));
    }
    let more = wrong.len().saturating_sub(LISTED);
    if more > 0 {
        wrong.truncate(LISTED);
        wrong.push(format!("{more} more differences are not listed"));
    }
    (found, wrong)
}
