//! `jinyun posture`: how the clauses stand now, or stood at a past moment, with what that rests on.
//!
//! Evidence is taken all the time; an assessment is somebody's wish to see it done. This shows what is
//! known without running anything: states from the platform's memory, past moments from its journal.
//! Ages are told by the platform, whose clock made them, and not counted from the clock here. The API
//! of evidence is the administrators'; whoever signed in for an institution sees the institution's own
//! half, which is its list of duties.

mod html;
mod now;
mod one;

use crate::assess::STATES;
use crate::fail::{Failed, MISSING, REFUSED, USAGE};
use crate::session::{Session, Wish, query};
use crate::show::{self, Output};
use jinyun_rest::list::quoted;
use now::{Known, age};
use one::{Whole, moment, upto};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

const CLAUSES: &str = "/evidence/v1/clauses";
const FINDINGS: &str = "/evidence/v1/findings";
const POSTURE: &str = "/evidence/v1/posture";
const VIOLATIONS: &str = "/evidence/v1/violations";
const DUTIES: &str = "/governance/v1/duties";
const RECORDS: &str = "/governance/v1/records";

/// The standard that is shown if none is named.
const USUAL: &str = "jrt0167";
/// So many lines of a long list are shown to people; programs get all.
const SHOWN: usize = 12;
/// How the platform writes the tenant's half of a shared clause.
const TENANT: &str = "/tenant";

/// What is asked.
#[derive(clap::Args, Debug)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    filter: Filter,
    /// Write it as a page that a browser opens without a network.
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    html: Option<PathBuf>,
    /// Write the page anew every so many seconds until interrupted; a browser that has it open follows.
    #[arg(long, value_name = "SECONDS", requires = "html",
        value_parser = clap::value_parser!(u32).range(1..=86_400))]
    every: Option<u32>,
}

/// Which clauses, and when.
#[derive(clap::Args, Debug, Default)]
struct Filter {
    /// Which standard (`jinyun catalogue list`), or `all`; JR/T 0167 if not said.
    #[arg(long)]
    standard: Option<String>,
    /// Only this clause (7.2.5-B-a), or all below it (7.2.5), of any standard.
    #[arg(long)]
    clause: Option<String>,
    /// Only clauses that stand so, in either half. `unscheduled` is an institution's duty without a day.
    #[arg(long, value_parser = states())]
    state: Option<String>,
    /// Only clauses of this tier.
    #[arg(long, alias = "level", value_parser = ["basic", "extended", "enhanced"])]
    tier: Option<String>,
    /// How they stood at this moment, by the journal: 2026-01-31T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The language of titles and texts, English if not given. What checks found is in English.
    #[arg(long, global = true, value_parser = ["en", "zh"])]
    lang: Option<String>,
}

/// What to do.
#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Show one clause: both halves, its findings, its history, how long it was in violation.
    Show {
        /// The clause's id.
        clause: String,
        /// How it stood at this moment, by the journal: 2026-01-31T08:00:00Z.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Count violations and gaps from this moment on; from the first evidence if not given.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
    },
}

/// The words of a state.
fn states() -> Vec<&'static str> {
    STATES.iter().map(|(name, ..)| *name).chain(["unscheduled"]).collect()
}

impl Filter {
    fn zh(&self) -> bool {
        self.lang.as_deref() == Some("zh")
    }

    /// Where the title stands that is shown.
    fn title(&self) -> &'static str {
        if self.zh() { "/title_zh" } else { "/title_en" }
    }

    /// A state's word, in the language that is shown.
    fn state_word<'w>(&self, word: &'w str) -> &'w str {
        let known = STATES.iter().find(|(name, ..)| *name == word).filter(|_| self.zh());
        known.map_or(word, |&(.., zh)| zh)
    }

    fn given(&self) -> bool {
        [&self.standard, &self.clause, &self.state, &self.tier, &self.at].iter().any(|f| f.is_some())
    }

    /// Whether a row is asked for: its standard, id, tier, and the states of its halves.
    fn takes(&self, row: &Row<'_>) -> bool {
        let standard = match (&self.standard, &self.clause) {
            (Some(key), _) => key.as_str(),
            // An id says of which standard it is.
            (None, Some(_)) => "all",
            (None, None) => USUAL,
        };
        let below = |id: &String| {
            let rest = row.id.strip_prefix(id.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        };
        (standard == "all" || standard == row.standard)
            && self.clause.as_ref().is_none_or(below)
            && self.tier.as_ref().is_none_or(|tier| tier == row.tier)
            && self.state.as_ref().is_none_or(|state| state == row.state || state == row.tenants)
    }

    /// Says what no row of the platform has.
    fn check(&self, clauses: &[Value]) -> Result<(), Failed> {
        let known: BTreeSet<&str> = clauses.iter().map(|clause| text(clause, "/standard")).collect();
        if let Some(key) = &self.standard
            && key != "all" && !known.contains(key.as_str())
        {
            let known: Vec<&str> = known.into_iter().collect();
            let say = format!("--standard: there is none of this name, but {}, all", known.join(", "));
            return Err(Failed::new(MISSING, say));
        }
        Ok(())
    }
}

/// What filters look at.
struct Row<'a> {
    id: &'a str,
    standard: &'a str,
    tier: &'a str,
    state: &'a str,
    tenants: &'a str,
}

fn text<'v>(value: &'v Value, at: &str) -> &'v str {
    value.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, at: &str) -> &'v [Value] {
    value.pointer(at).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn words<'v>(value: &'v Value, at: &str) -> impl Iterator<Item = &'v str> {
    list(value, at).iter().filter_map(Value::as_str)
}

/// A length of time in words.
fn long(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn by_id(clauses: &[Value]) -> BTreeMap<&str, &Value> {
    clauses.iter().map(|clause| (text(clause, "/id"), clause)).collect()
}

fn array(mut answer: Value, name: &str) -> Vec<Value> {
    match answer.get_mut(name).map(Value::take) {
        Some(Value::Array(rows)) => rows,
        _ => Vec::new(),
    }
}

/// How many stand how, in a line.
fn counted<'a>(states: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    states.for_each(|state| *counts.entry(state).or_default() += 1);
    let told: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if told.is_empty() { "no clause".into() } else { told.join(", ") }
}

/// A table with lines below it.
fn page(head: &[&str], rows: &[Vec<String>], below: &[String]) -> String {
    let below: String = below.iter().map(|line| format!("\n{}", show::plain(line))).collect();
    format!("{}{below}", show::table(head, rows))
}

/// A span of the API in words.
fn span(one: &Value) -> String {
    let seconds = one["seconds"].as_i64().unwrap_or_default();
    format!("{} to {} ({})", text(one, "/from"), text(one, "/to"), long(seconds))
}

/// The clauses as they stood at a moment. What they are called comes from today's catalogues.
fn then(filter: &Filter, posture: &Value, clauses: &[Value]) -> (Value, String) {
    let known = by_id(clauses);
    let none = Map::new();
    let points = posture["clauses"].as_object().unwrap_or(&none);
    let tenants = |id: &str| points.get(&format!("{id}{TENANT}"));
    // In the catalogues' order; then what no catalogue has any more.
    let today = clauses.iter().map(|clause| text(clause, "/id"));
    let gone = points.keys().map(String::as_str)
        .filter(|name| !name.ends_with(TENANT) && !known.contains_key(*name));
    let (mut shown, mut rows) = (Vec::new(), Vec::new());
    for id in today.chain(gone) {
        let Some(point) = points.get(id) else { continue };
        let clause = known.get(id).copied().unwrap_or(&Value::Null);
        let tenant = tenants(id).unwrap_or(&Value::Null);
        let takes = filter.takes(&Row {
            id,
            standard: text(clause, "/standard"),
            tier: text(clause, "/level"),
            state: text(point, "/is"),
            tenants: text(tenant, "/is"),
        });
        if !takes {
            continue;
        }
        shown.push(json!({
            "standard": clause.get("standard"), "clause": id, "tier": clause.get("level"),
            "state": point["is"], "since": point["since"], "entry": point["entry"], "tenant": tenant,
            "title_en": clause.get("title_en"), "title_zh": clause.get("title_zh"),
        }));
        rows.push(vec![
            id.into(), text(clause, "/standard").into(), text(clause, "/level").into(),
            filter.state_word(text(point, "/is")).into(),
            filter.state_word(text(tenant, "/is")).into(), text(point, "/since").into(),
            show::cell(&point["entry"]), text(clause, filter.title()).into(),
        ]);
    }
    let count = counted(shown.iter().map(|row| text(row, "/state")));
    let mut below = vec![count, format!("By the journal, as of {}", text(posture, "/at"))];
    below.extend(sealed(posture));
    let head = ["CLAUSE", "STANDARD", "TIER", "STATE", "TENANT'S", "SINCE", "ENTRY", "TITLE"];
    let value = json!({
        "from": "journal", "at": posture["at"], "seal": posture["seal"], "gap": posture["gap"],
        "clauses": shown,
    });
    (value, page(&head, &rows, &below))
}

/// What else is to be known of a past moment: its seal, and that nobody looked then.
fn sealed(posture: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let seal = &posture["seal"];
    if seal.is_object() {
        let holds = if seal["holds"] == true { "holds" } else { "does NOT hold" };
        lines.push(format!("The seal of {} (entry {}) {holds}", text(seal, "/at"), seal["entry"]));
    }
    if posture["gap"].is_object() {
        lines.push(format!(
            "Nobody looked at that moment: {}; shown is how it stood before", span(&posture["gap"])
        ));
    }
    lines
}

fn show_one(session: &Session, output: Output, id: &str, at: Option<String>, since: Option<String>,
    zh: bool) -> Result<(), Failed> {
    let clauses = array(session.get("the clauses", CLAUSES)?, "clauses");
    let known = by_id(&clauses);
    let Some(clause) = known.get(id) else {
        let say = format!("no clause `{id}` is known: ids look like 7.2.5-B-a, `jinyun posture` has them");
        return Err(Failed::new(MISSING, say));
    };
    let path = format!("{CLAUSES}/{}/{}", quoted(text(clause, "/standard")), quoted(id));
    let shown = session.get("the clause", &path)?;
    let posture = match &at {
        None => Value::Null,
        Some(_) => session.get("the posture", &query(POSTURE, &[("at", at.clone())]))?["posture"].take(),
    };
    let told = session.get("the violations", &query(VIOLATIONS, &[("since", since), ("until", at)]))?;
    let findings = array(session.get("the findings", FINDINGS)?, "findings");
    let then = posture.is_object().then(|| moment(&posture, &shown["clause"]));
    let last = if then.is_some() { upto(&posture) } else { u64::MAX };
    let before = |one: &&Value| one["entry"].as_u64().is_none_or(|entry| entry <= last);
    let whole = Whole {
        clause: &shown["clause"],
        findings: list(&shown, "/findings"),
        history: list(&shown, "/history").iter().filter(before).collect(),
        times: list(&told, "/violations").iter().filter(|one| one["clause"] == id).collect(),
        gaps: list(&told, "/gaps"),
        period: (text(&told, "/since"), text(&told, "/until")),
        then: then.as_ref(),
        age: age(id, &known, &findings),
        zh,
    };
    show::print(output, &whole.value(), || whole.text());
    Ok(())
}

fn show_all(session: &Session, output: Output, filter: &Filter) -> Result<(), Failed> {
    let clauses = array(session.get("the clauses", CLAUSES)?, "clauses");
    filter.check(&clauses)?;
    let (value, text) = match &filter.at {
        Some(at) => {
            let path = query(POSTURE, &[("at", Some(at.clone()))]);
            then(filter, &session.get("the posture", &path)?["posture"], &clauses)
        }
        None => Known::read(session, clauses)?.shown(filter),
    };
    if list(&value, "/clauses").is_empty() && filter.clause.is_some() {
        let say = "no clause fits: ids look like 7.2.5-B-a, and `jinyun posture --standard all` lists them";
        return Err(Failed::new(MISSING, say));
    }
    show::print(output, &value, || text);
    Ok(())
}

/// An institution's own half: what it has to do itself, with how that stands.
fn own_half(session: &Session, output: Output, filter: &Filter) -> Result<(), Failed> {
    if filter.tier.is_some() || filter.at.is_some() {
        let say = "an institution's own half is its list of duties, which has no tier and no past \
                   moments: leave --tier and --at out";
        return Err(Failed::new(REFUSED, say));
    }
    let filter = Filter {
        standard: filter.standard.clone().or(Some("all".into())),
        clause: filter.clause.clone(),
        state: filter.state.clone(),
        lang: filter.lang.clone(),
        ..Filter::default()
    };
    let duties = array(session.all("the institution's duties", DUTIES, "duties", &[])?, "duties");
    filter.check(&duties)?;
    let takes = |duty: &&Value| filter.takes(&Row {
        id: text(duty, "/clause"),
        standard: text(duty, "/standard"),
        tier: "",
        state: text(duty, "/state"),
        tenants: "",
    });
    let chosen: Vec<&Value> = duties.iter().filter(takes).collect();
    let rows: Vec<Vec<String>> = chosen.iter().map(|duty| {
        let shows = if filter.zh() { "/shows_zh" } else { "/shows_en" };
        let mut row: Vec<String> = ["/clause", "/standard", "/state", "/due", "/last", shows]
            .map(|at| text(duty, at).to_string()).into();
        row[2] = filter.state_word(text(duty, "/state")).into();
        row
    }).collect();
    let below = [counted(chosen.iter().map(|duty| text(duty, "/state"))),
        "The institution's own half: what it has to do itself (`jinyun duty`)".into()];
    let value = json!({ "from": "registers", "clauses": chosen });
    let head = ["CLAUSE", "STANDARD", "STATE", "DUE", "LAST", "THE INSTITUTION HAS TO"];
    show::print(output, &value, || page(&head, &rows, &below));
    Ok(())
}

fn own_one(session: &Session, output: Output, domain: &str, clause: &str) -> Result<(), Failed> {
    let id = format!("{clause}@{domain}");
    let path = format!("{DUTIES}/{}", quoted(&id));
    let mut duty = session.get("the institution's duty", &path)?["duty"].take();
    let mut records = session.all("its records", RECORDS, "records", &[("duty", Some(id))])?;
    duty["records"] = records["records"].take();
    show::print(output, &duty, || show::yaml(&duty));
    Ok(())
}

/// For which institution somebody signed in, if for one.
fn institution(session: &Session) -> Result<Option<String>, Failed> {
    let answer = session.ask_of_token("GET")?;
    let told = session.good("the token", answer)?;
    Ok(told.pointer("/token/domain/id").and_then(Value::as_str).map(String::from))
}

/// Runs it.
pub fn run(wish: &Wish, options: Options) -> Result<(), Failed> {
    let Options { command, filter, html, every } = options;
    if command.is_some() && (filter.given() || html.is_some()) {
        let say = "--standard, --clause, --state and --tier choose from the list, --html is of the list, \
                   and --at stands behind `show CLAUSE`: see `jinyun posture show --help`";
        return Err(Failed::new(USAGE, say));
    }
    if let Some(file) = html {
        if filter.lang.is_some() {
            return Err(Failed::new(USAGE, "--html has both languages: leave --lang out"));
        }
        if wish.output != Output::Table {
            return Err(Failed::new(USAGE, "--html is a page already: leave --output out"));
        }
        return html::run(wish, &filter, &file, every);
    }
    let session = Session::open(wish)?;
    match (command, institution(&session)?) {
        (None, None) => show_all(&session, wish.output, &filter),
        (None, Some(_)) => own_half(&session, wish.output, &filter),
        (Some(Command::Show { clause, at, since }), None) => {
            show_one(&session, wish.output, &clause, at, since, filter.zh())
        }
        (Some(Command::Show { at: None, since: None, clause }), Some(domain)) => {
            own_one(&session, wish.output, &domain, &clause)
        }
        (Some(Command::Show { .. }), Some(_)) => Err(Failed::new(REFUSED,
            "an institution's own half is its list of duties, which has no past moments: leave --at and \
             --since out")),
    }
}

#[cfg(test)]
mod tests;
