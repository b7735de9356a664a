//! `jinyun assess`: the standards, clause by clause, as they stand now.
//!
//! A thin client of the management listener: whoever calls needs an auditor's credentials like
//! everybody else, and the assessment is on record. It is a report: clauses that fail do not make
//! the command fail. Filters choose among what was found and evaluate nothing again.

use crate::client::{Answer, Client};
use crate::control;
use crate::instance::Instance;
use crate::report;
use crate::say;
use crate::session::{Session, Wish};
use crate::show::{self, Output};
use jinyun_base::{Every, Fault, Secret, Time};
use jinyun_evidence::{
    AREAS, Answer as Way, Catalogue, Counts, Exception, Finding, Half, Level, MAIN, Method,
    OWNERS, Owed, Report, Side, Standing, State, Tally,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is asked.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Only this clause (7.2.5-B-a) or all below it (7.2.5), with everything that is known of it.
    #[arg(long)]
    clause: Option<String>,
    /// Only clauses of this level.
    #[arg(long, alias = "tier", value_parser = ["basic", "extended", "enhanced"])]
    level: Option<String>,
    /// Which standard (`jinyun catalogue list`), or `all`; JR/T 0167 if not said.
    #[arg(long)]
    standard: Option<String>,
    /// Only clauses that stand so, in either half.
    #[arg(long, value_parser = STATES.map(|(name, ..)| name))]
    state: Option<String>,
    /// Only clauses of this area (NET, IAM, ...; docs/catalogue.md lists them).
    #[arg(long, value_parser = AREAS.map(|(code, ..)| code), ignore_case = true)]
    area: Option<String>,
    /// Only what was looked at within this time: 90s, 15m, 2h, 1d.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<i64>,
    /// The language of titles and words. What checks say is in English.
    #[arg(long, default_value = "en", value_parser = ["en", "zh"])]
    lang: String,
    /// How to print it (table, json), or what to write to --to of everything. All commands have --output
    /// for printing; where both are given, this holds.
    #[arg(long, value_parser = ["table", "json", "oscal", "html", "pdf"])]
    format: Option<String>,
    /// Where to: a directory for `oscal`, a file for `html` and `pdf` (more forms: `jinyun report`).
    #[arg(long, value_name = "PLACE", requires = "format",
        required_if_eq_any([("format", "oscal"), ("format", "html"), ("format", "pdf")]))]
    to: Option<PathBuf>,
    /// Show the newest report instead of making one.
    #[arg(long)]
    latest: bool,
}

/// The states: as they are asked for, and in words.
pub(crate) const STATES: [(&str, State, &str, &str); 12] = [
    ("met", State::Met, "MET", "符合"),
    ("partly", State::Partly, "PARTLY", "部分符合"),
    ("failed", State::Failed, "FAILED", "不符合"),
    ("error", State::Error, "NOT PROVED", "未能证明"),
    ("stale", State::Stale, "STALE", "已过时"),
    ("not_built", State::NotBuilt, "NOT BUILT", "未建成"),
    ("recorded", State::Recorded, "RECORDED", "已留存"),
    ("due", State::Due, "DUE", "待办"),
    ("overdue", State::Overdue, "OVERDUE", "逾期"),
    ("tenant", State::Tenant, "TENANT'S", "租户自查"),
    ("not_applicable", State::NotApplicable, "N/A", "不适用"),
    ("informative", State::Informative, "FACT", "说明"),
];

/// Reads a length of time; microseconds.
fn since(text: &str) -> Result<i64, String> {
    let bad = || "it is no length of time such as 90s, 15m, 2h or 1d".to_string();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(bad()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| bad())?;
    i64::from(count).checked_mul(unit * Time::SECOND).ok_or_else(bad)
}

/// What may stand in the instance's own file: a token, or a name with its secrets.
#[derive(Deserialize)]
struct Login {
    token: Option<String>,
    username: Option<String>,
    password: Option<String>,
    passcode: Option<String>,
    domain: Option<String>,
}

/// From the profile that was named, from the environment as OpenStack's clients read it, else from
/// the instance's own file.
// The rim of the system: this command is a client like others, which are told so.
#[allow(clippy::disallowed_methods)]
fn login(instance: &Instance, wish: &Wish) -> Result<Login, Fault> {
    if wish.profile.is_some() {
        let session = Session::open(wish).map_err(|failed| Fault::new(failed.say))?;
        let token = Some(session.token.expose().clone());
        return Ok(Login { token, username: None, password: None, passcode: None, domain: None });
    }
    let word = |name| std::env::var(name).ok().filter(|v| !v.is_empty());
    let told = Login {
        token: word("OS_TOKEN"),
        username: word("OS_USERNAME"),
        password: word("OS_PASSWORD"),
        passcode: word("OS_PASSCODE"),
        domain: word("OS_USER_DOMAIN_NAME"),
    };
    if told.token.is_some() || (told.username.is_some() && told.password.is_some()) {
        return Ok(told);
    }
    let path = instance.state.join("auditor.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Fault::new(format!(
        "an audit administrator has to sign in: name a profile with --profile (jinyun login), or \
         set OS_TOKEN ({}: {e})",
        path.display()
    )))?;
    let kept: Login = serde_json::from_str(&text)
        .map_err(|e| Fault::new(format!("{}: {e}", path.display())))?;
    // The one part that changes from one login to the next.
    Ok(Login { passcode: told.passcode.or(kept.passcode), ..kept })
}

/// The sentence of an error, however the service words it.
fn refused(what: &str, answer: &Answer) -> Fault {
    let message = answer.body.pointer("/error/message").and_then(Value::as_str);
    let message = message.unwrap_or("no reason was given");
    Fault::new(format!("{what}: {message} (HTTP {})", answer.status))
}

/// The token to ask with: the one that was given, else one for a name and a password, and a passcode
/// where the account needs one (OS_PASSCODE).
fn sign_in(client: &Client, instance: &Instance, wish: &Wish) -> Result<Secret<String>, Fault> {
    let login = login(instance, wish)?;
    if let Some(token) = login.token {
        return Ok(Secret::new(token));
    }
    let (Some(name), Some(password)) = (login.username, login.password) else {
        return Err(Fault::new("auditor.json holds neither a token nor a username and a password"));
    };
    let domain = json!({ "name": login.domain.as_deref().unwrap_or("Default") });
    let user = |field: &str, secret: &str| {
        json!({ "user": { "name": name, "domain": domain, field: secret } })
    };
    let mut identity = json!({
        "methods": ["password"],
        "password": user("password", &password),
    });
    if let Some(passcode) = &login.passcode {
        identity["methods"] = json!(["password", "totp"]);
        identity["totp"] = user("passcode", passcode);
    }
    let body = json!({ "auth": { "identity": identity, "scope": { "system": { "all": true } } } });
    let answer = client.send("POST", "/identity/v3/auth/tokens", None, Some(&body))?;
    match answer {
        Answer { status: 201, token: Some(token), .. } => Ok(token),
        other => Err(refused(&format!("signing in as {name}"), &other)),
    }
}

/// What the management listener answers about the newest assessment; of the time since a moment
/// (microseconds), or since the assessment before.
pub fn newest(instance: &Instance, wish: &Wish, since: Option<i64>) -> Result<Value, Fault> {
    let settings = instance.settings()?;
    let client = Client::new(settings.management_port, &instance.state.join("ca.pem"))?;
    let token = sign_in(&client, instance, wish)?;
    let since = since.map(|at| format!("&since={at}")).unwrap_or_default();
    let path = format!("/evidence/v1/assessments/latest?format=full{since}");
    let answer = client.send("GET", &path, Some(&token), None)?;
    match answer.status {
        200 => Ok(answer.body),
        _ => Err(refused("the newest assessment", &answer)),
    }
}

/// Runs it.
pub fn run(instance: &Instance, options: &Options, wish: &Wish) -> Result<(), Fault> {
    let document = options.document()?;
    let settings = instance.settings()?;
    let client = Client::new(settings.management_port, &instance.state.join("ca.pem"))?;
    let token = sign_in(&client, instance, wish)?;
    let (method, path) = match options.latest {
        true => ("GET", "/evidence/v1/assessments/latest"),
        false => ("POST", "/evidence/v1/assessments"),
    };
    let answer = client.send(method, path, Some(&token), None)?;
    if !(200..300).contains(&answer.status) {
        return Err(refused("the assessment", &answer));
    }
    if let Some((format, place)) = document {
        return report::run(instance, &report::Options::newest(format, place), wish);
    }
    let assessment = answer.body.get("assessment").unwrap_or(&Value::Null);
    let report = serde_json::from_value(assessment.get("report").cloned().unwrap_or_default());
    let mut report: Report = report.map_err(|e| Fault::new(format!(
        "the report cannot be read ({e}): if an earlier version made it, make a new one without --latest"
    )))?;
    let now = control::now();
    let states = report.clauses.iter().map(|s| (s.clause.id.clone(), s.state)).collect();
    choose(&mut report, options, now)?;
    let view = View { report: &report, states, now: now.0, zh: options.lang == "zh" };
    let output = match options.format.as_deref() {
        Some("json") => Output::Json,
        Some(_) => Output::Table,
        None => wish.output,
    };
    match output {
        Output::Json | Output::Yaml => {
            let beside = |name: &str| assessment.get(name);
            let whole = json!({
                "report": report, "sha256": beside("sha256"), "entry": beside("entry"),
                "period": beside("period"), "violations": beside("violations"), "gaps": beside("gaps"),
            });
            show::print(output, &whole, String::new);
        }
        Output::Table if options.clause.is_some() => {
            for standing in &report.clauses {
                say::out(&view.detail(standing));
            }
        }
        Output::Table => {
            for line in view.overview(options.narrows()) {
                say::out(&line);
            }
            if !options.narrows() && let Some(line) = view.passed(assessment) {
                say::out(&line);
            }
            let entry = assessment.get("entry").and_then(Value::as_u64).unwrap_or_default();
            let digest = assessment.get("sha256").and_then(Value::as_str).unwrap_or_default();
            say::out(&format!("Report sha256 {digest}, journal entry {entry}"));
        }
    }
    Ok(())
}

impl Options {
    /// The form and the place of a document, if one is asked for: it is always of everything.
    fn document(&self) -> Result<Option<(&str, &Path)>, Fault> {
        let (Some(format), Some(place)) = (self.format.as_deref(), self.to.as_deref()) else {
            return Ok(None);
        };
        if matches!(format, "table" | "json") {
            let say = format!("--to is for --format oscal, html and pdf; `{format}` is printed");
            return Err(Fault::new(say));
        }
        if self.narrows() {
            return Err(Fault::new(format!("--format {format} is of everything: leave the filters out")));
        }
        Ok(Some((format, place)))
    }

    /// Somebody wants to see certain clauses, so those that nothing answers are shown too.
    fn narrows(&self) -> bool {
        self.level.is_some() || self.standard.is_some() || self.state.is_some()
            || self.area.is_some() || self.since.is_some()
    }
}

/// Leaves the clauses that were asked for, the findings that they rest on, and their counts.
fn choose(report: &mut Report, options: &Options, now: Time) -> Result<(), Fault> {
    let standard = match (&options.standard, &options.clause) {
        (Some(key), _) => key.as_str(),
        // An id says of which standard it is.
        (None, Some(_)) => "all",
        (None, None) => MAIN,
    };
    if standard != "all" {
        if report.standards.iter().all(|tally| tally.key != standard) {
            let keys: Vec<&str> = report.standards.iter().map(|tally| tally.key.as_str()).collect();
            let say = format!("--standard: there is none of this name, but {}, all", keys.join(", "));
            return Err(Fault::new(say));
        }
        report.clauses.retain(|s| s.standard == standard);
        report.standards.retain(|tally| tally.key == standard);
    }
    if let Some(level) = &options.level {
        let level: Level = serde_json::from_value(level.as_str().into())
            .map_err(|e| Fault::new(format!("--level: {e}")))?;
        report.clauses.retain(|s| s.clause.level == level);
    }
    if let Some(name) = &options.state {
        let state = STATES.iter().find(|(known, ..)| known == name).map(|(_, state, ..)| *state);
        report.clauses.retain(|s| Some(s.state) == state || (s.tenant_state == state && state.is_some()));
    }
    if let Some(area) = &options.area {
        report.clauses.retain(|s| s.clause.area.eq_ignore_ascii_case(area));
    }
    if let Some(id) = &options.clause {
        // A whole clause, or all that begin with it: `7.2.5` is what `7.2.5-B-a` is part of.
        let below = |other: &str| {
            let rest = other.strip_prefix(id.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        };
        report.clauses.retain(|s| below(&s.clause.id));
        if report.clauses.is_empty() {
            let say = format!("no clause `{id}` is there to be shown: ids look like 7.2.5-B-a or GD-C3");
            return Err(Fault::new(say));
        }
    }
    let Report { clauses, findings, standards, counts, .. } = report;
    if let Some(since) = options.since {
        findings.retain(|f| now.0.saturating_sub(f.at) <= since);
        clauses.retain(|s| s.clause.checks().any(|name| findings.iter().any(|f| f.check == name)));
    }
    findings.retain(|f| clauses.iter().any(|s| s.clause.checks().any(|name| name == f.check)));
    for tally in standards.iter_mut() {
        let own = clauses.iter().filter(|s| s.standard == tally.key && !s.clause.supplement);
        tally.counts = Counts::of(own, None);
        if tally.key == MAIN {
            *counts = tally.counts;
        }
    }
    Ok(())
}

fn word<T: serde::Serialize>(value: T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(String::from)).unwrap_or_default()
}

fn ago(now: i64, at: i64) -> String {
    let seconds = now.saturating_sub(at).max(0) / Time::SECOND;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// The day of a time.
fn day(at: i64) -> String {
    Time(at).seconds().chars().take(10).collect()
}

/// Fills up with blanks to so many columns of a terminal; a Chinese character takes two.
fn pad(text: &str, width: usize) -> String {
    let columns: usize = text.chars().map(|c| if c >= '\u{1100}' { 2 } else { 1 }).sum();
    format!("{text}{}", " ".repeat(width.saturating_sub(columns)))
}

/// What is shown, and in which language.
struct View<'r> {
    report: &'r Report,
    /// States of all clauses, also of those that are not shown.
    states: BTreeMap<String, State>,
    now: i64,
    zh: bool,
}

impl View<'_> {
    fn say<'t>(&self, en: &'t str, zh: &'t str) -> &'t str {
        if self.zh { zh } else { en }
    }

    fn state(&self, state: State) -> &'static str {
        let known = STATES.iter().find(|(_, known, ..)| *known == state);
        known.map_or("", |&(_, _, en, zh)| self.say(en, zh))
    }

    fn title<'s>(&self, standing: &'s Standing) -> &'s str {
        self.say(&standing.clause.title_en, &standing.clause.title_zh)
    }

    /// The findings that a clause rests on.
    fn of<'s>(&'s self, standing: &'s Standing) -> impl Iterator<Item = &'s Finding> {
        let findings = &self.report.findings;
        standing.clause.checks().filter_map(move |name| findings.iter().find(|f| f.check == name))
    }

    /// Other rows with their states.
    fn rows<'i>(&self, ids: impl IntoIterator<Item = &'i String>) -> String {
        let told: Vec<String> = ids.into_iter().map(|id| match self.states.get(id) {
            Some(state) => format!("{id} {}", self.state(*state)),
            None => id.clone(),
        }).collect();
        told.join(", ")
    }

    fn owner(&self, duty: &Owed) -> String {
        let known = OWNERS.iter().find(|(en, _)| *en == duty.owner);
        known.map_or(duty.owner.clone(), |&(en, zh)| self.say(en, zh).to_string())
    }

    /// When a duty is due, as far as that is known.
    fn due(&self, standing: &Standing, duty: &Owed) -> String {
        let every = match duty.every {
            Every::Once => self.say("once", "一次").to_string(),
            Every::Period(period) => period.to_string(),
        };
        let due = match &standing.kept {
            None => self.say("no due date is known", "到期日未知").to_string(),
            Some(kept) if kept.due == i64::MAX => self.say("done for good", "无需再办").to_string(),
            Some(kept) => format!("{} {}", self.say("due", "到期"), day(kept.due)),
        };
        let last = standing.kept.and_then(|kept| kept.last)
            .map_or(String::new(), |at| format!(", {} {}", self.say("last", "上次"), day(at)));
        format!("{}, {every}, {due}{last}", self.owner(duty))
    }

    /// What the line below a clause says, if anything.
    fn why(&self, standing: &Standing) -> Vec<String> {
        match &standing.exception {
            Some(exception) => vec![format!("{} ({})", exception.reason, exception.who)],
            None => self.answered(standing),
        }
    }

    /// How a clause is answered, and why it stands as it does.
    fn answered(&self, standing: &Standing) -> Vec<String> {
        match &standing.clause.answer {
            Way::Checks { missing, .. } if standing.state == State::Partly && !missing.is_empty() => {
                vec![format!("{}: {missing}", self.say("open", "未答"))]
            }
            Way::Checks { .. } => self.of(standing)
                .filter(|f| match standing.state {
                    State::Stale => true,
                    state => word(f.verdict) == word(state) && state != State::Met,
                })
                .map(|f| format!("{}: {}", f.check, f.says)).collect(),
            Way::Duty { duty } => vec![self.due(standing, duty)],
            Way::NotBuilt { not_built } => {
                vec![format!("{}: {not_built}", self.say("missing", "缺"))]
            }
            Way::Tenant { tenant, .. } => vec![format!("{}: {tenant}", self.say("has to", "须"))],
            Way::SameAs { same_as } => {
                let as_rows = format!("{} {}", self.say("as", "同"), self.rows(same_as));
                let open = Some(&standing.clause.open).filter(|open| !open.is_empty());
                let open = open.map(|open| format!("{}: {open}", self.say("open", "未答")));
                std::iter::once(as_rows).chain(open).collect()
            }
            Way::Facts { facts } => vec![facts.clone()],
        }
    }

    /// The clauses, each in a line or two, then the counts. Where nobody asked for certain ones, those
    /// that are neither proved nor broken are counted only.
    fn overview(&self, all: bool) -> Vec<String> {
        let quiet = [State::NotBuilt, State::Due, State::Recorded, State::Tenant,
            State::NotApplicable, State::Informative];
        let mut lines = Vec::new();
        for standing in &self.report.clauses {
            if !all && quiet.contains(&standing.state) {
                continue;
            }
            let clause = &standing.clause;
            lines.push(format!("{:<11} {:<9} {}  {}", clause.id, word(clause.level),
                pad(self.state(standing.state), 10), self.title(standing)));
            lines.extend(self.why(standing).into_iter().map(|why| format!("{:<34}{why}", "")));
            if let Some(tenants) = standing.tenant_state
                .filter(|s| ![State::Tenant, State::Informative].contains(s))
            {
                let half = self.say("tenant's half", "租户部分");
                lines.push(format!("{:<34}{half}: {}", "", self.state(tenants)));
            }
        }
        lines.extend(self.report.troubles.iter().map(|t| format!("trouble: {t}")));
        lines.extend(self.report.standards.iter().map(|tally| self.tally(tally)));
        lines
    }

    /// The counts of one standard in a line.
    fn tally(&self, tally: &Tally) -> String {
        let own: Vec<&Standing> =
            self.report.clauses.iter().filter(|s| s.standard == tally.key).collect();
        let mut ages: Vec<i64> = own.iter().filter(|s| s.state == State::Met)
            .filter_map(|s| self.of(s).map(|f| f.at).min()).collect();
        ages.sort_unstable();
        let median = ages.get(ages.len() / 2).map_or(String::new(), |at| {
            format!(" ({} {})", self.say("median age", "中位时效"), ago(self.now, *at))
        });
        let counts = tally.counts;
        let words = [(State::Met, "met", "符合"), (State::Partly, "partly", "部分符合"),
            (State::Failed, "failed", "不符合"), (State::Error, "not proved", "未能证明"),
            (State::Stale, "stale", "已过时"), (State::NotBuilt, "not built", "未建成")];
        let mut parts: Vec<String> = words.iter()
            .filter(|(state, ..)| *state != State::Stale || counts.stale > 0)
            .map(|(state, en, zh)| {
                let age = if *state == State::Met { median.as_str() } else { "" };
                format!("{} {}{age}", counts.get(*state), self.say(en, zh))
            }).collect();
        let duties = counts.recorded + counts.due + counts.overdue;
        if duties > 0 {
            let dated: Vec<i64> = own.iter().filter(|s| !s.clause.supplement)
                .filter_map(|s| s.kept.map(|kept| kept.due)).collect();
            let month = self.now.saturating_add(30 * 86_400 * Time::SECOND);
            let soon = dated.iter().filter(|due| (self.now..=month).contains(*due)).count();
            let when = match dated.is_empty() {
                true => self.say("no due dates are known", "到期日未知").to_string(),
                false => format!("{soon} {}, {} {}", self.say("due within 30 days", "项三十日内到期"),
                    counts.overdue, self.say("overdue", "项逾期")),
            };
            parts.push(format!("{duties} {} ({when})", self.say("duties", "项职责")));
        }
        for (count, en, zh) in [(counts.tenant, "the tenant's", "租户自查"),
            (counts.not_applicable, "not applicable", "不适用"), (counts.informative, "facts", "说明")] {
            if count > 0 {
                parts.push(format!("{count} {}", self.say(en, zh)));
            }
        }
        let standard = tally.standard.trim_end_matches("-2020");
        format!("{standard}: {}", parts.join(" · "))
    }

    fn side(&self, side: Side) -> &'static str {
        match side {
            Side::Provider => self.say("provider", "服务商"),
            Side::User => self.say("tenant", "租户"),
            Side::Both => self.say("provider and tenant", "服务商与租户"),
        }
    }

    /// The period in a line: how many halves of clauses were in violation, how long nobody looked. Nothing
    /// if an earlier version made the assessment.
    fn passed(&self, assessment: &Value) -> Option<String> {
        let at = |end: &str| assessment.get("period")?.get(end)?.as_i64();
        let (from, to) = (at("from")?, at("to")?);
        let list = |name: &str| assessment.get(name)?.as_array();
        let broken = list("violations")?;
        let lasts = broken.iter().filter(|one| one.get("lasts").and_then(Value::as_bool) == Some(true));
        let seconds: i64 = broken.iter().filter_map(|one| one.get("seconds")?.as_i64()).sum();
        let unseen: i64 = list("gaps")?.iter()
            .filter_map(|gap| Some(gap.get("to")?.as_i64()?.saturating_sub(gap.get("from")?.as_i64()?)))
            .sum();
        Some(format!("{} {} .. {}: {} {} ({} {}), {} {}; {} {}",
            self.say("Period", "期间"), Time(from).seconds(), Time(to).seconds(), broken.len(),
            self.say("in violation", "项曾不合规"), lasts.count(), self.say("still", "项仍是"),
            ago(seconds.saturating_mul(Time::SECOND), 0), self.say("in all", "累计"),
            self.say("nobody looked for", "无人查看"), ago(unseen, 0)))
    }

    /// Everything that is known of a clause.
    fn detail(&self, standing: &Standing) -> String {
        let clause = &standing.clause;
        let age = self.of(standing).map(|f| f.at).min()
            .map_or(String::new(), |at| format!(" {} ago", ago(self.now, at)));
        let (first, second) = match self.zh {
            false => (&clause.title_en, &clause.title_zh),
            true => (&clause.title_zh, &clause.title_en),
        };
        let mut lines = vec![
            format!("{}  {}  {}  {}  {first}  {}{age}", clause.id, word(clause.level),
                self.side(clause.duty), clause.area, self.state(standing.state)),
            format!("{:<11}{second}", ""),
        ];
        for item in &clause.items {
            lines.push(format!("{:<11}- {}", "", self.say(&item.en, &item.zh)));
        }
        for finding in self.of(standing) {
            lines.extend(self.finding(finding));
        }
        match &clause.answer {
            Way::Checks { missing, .. } if !missing.is_empty() => {
                lines.push(format!("  {}: {missing}", self.say("not answered yet", "尚未回答")));
            }
            Way::Checks { .. } => {}
            Way::Duty { duty } => {
                let what = self.say("duty", "职责");
                lines.push(format!("  {what}: {}", self.due(standing, duty)));
                let shows = self.say(&duty.shows_en, &duty.shows_zh);
                lines.push(format!("  {} ({}): {shows}", self.say("record", "记录"), word(duty.record)));
            }
            _ => lines.extend(self.answered(standing).into_iter().map(|line| format!("  {line}"))),
        }
        if let Way::Tenant { seen, .. } = &clause.answer {
            lines.push(format!("  {}: {seen}", self.say("the platform sees", "平台可见")));
        }
        if let Some(part) = &clause.tenant {
            let state = standing.tenant_state.map_or("", |state| self.state(state));
            let (half, sees) =
                (self.say("tenant's half", "租户部分"), self.say("the platform sees", "平台可见"));
            lines.push(format!("  {half}: {state}: {}; {sees}: {}", part.does, part.seen));
        }
        if let Some(Exception { reason, who }) = &standing.exception {
            lines.push(format!("  {}: {reason} ({who})", self.say("does not apply", "不适用")));
        }
        let rails = jinyun_access::guardrails().iter().filter(|r| r.clauses.contains(&clause.id.as_str()));
        for rail in rails {
            let holds = match rail.always() {
                Some(_) => self.say("in every project", "所有项目").to_string(),
                None => format!("{} {}", self.say("from profile", "自配置"), rail.profile.word()),
            };
            lines.push(format!("  {} {} ({holds}): {}", self.say("guardrail", "护栏"), rail.name,
                rail.refuses));
        }
        if !clause.see.is_empty() {
            lines.push(format!("  {}: {}", self.say("see", "参见"), self.rows(&clause.see)));
        }
        if let Ok(catalogues) = Catalogue::all() {
            let from: Vec<&String> = catalogues.pointing_at(&clause.id).map(|c| &c.id)
                .filter(|id| !clause.see.contains(id)).collect();
            if !from.is_empty() {
                lines.push(format!("  {}: {}", self.say("referred to by", "被引用"), self.rows(from)));
            }
        }
        if !clause.note.is_empty() {
            lines.push(format!("  {}", clause.note));
        }
        lines.join("\n")
    }

    fn finding(&self, finding: &Finding) -> Vec<String> {
        let method = match finding.method {
            Method::Check => "check ",
            Method::Attack => "attack",
        };
        let half = match finding.half {
            Half::Provider => "",
            Half::Tenant => " (tenant's half)",
        };
        let mut said = format!("  {method}  {} {}{half}: {}", finding.check, word(finding.verdict),
            finding.says);
        if finding.sampled < finding.population {
            said.push_str(&format!(" [{} of {} sampled]", finding.sampled, finding.population));
        }
        let mut lines = vec![said];
        if !finding.entries.is_empty() {
            let entries: Vec<String> = finding.entries.iter().take(8).map(u64::to_string).collect();
            lines.push(format!("          journal {}", entries.join(", ")));
        }
        lines.push(format!("          says nothing about: {}", finding.says_nothing_about));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use jinyun_evidence::{Context, DutyStanding, Verdict};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn options(text: &str) -> Options {
        Line::try_parse_from(std::iter::once("assess").chain(text.split_whitespace())).unwrap().options
    }

    fn report() -> Report {
        let found = |check: &str, verdict, at| Finding {
            check: check.into(),
            verdict,
            population: 2,
            sampled: 1,
            method: Method::Check,
            at,
            half: Half::Provider,
            says: format!("{check} said so"),
            says_nothing_about: "the rest".into(),
            entries: vec![7],
        };
        let findings = vec![found("tls-only", Verdict::Met, 90 * Time::SECOND),
            found("spoofed-arp", Verdict::Failed, 0), found("filter-as-recorded", Verdict::Met, 0)];
        let kept = DutyStanding { last: None, due: 86_400 * Time::SECOND };
        let context = Context {
            now: Time(100 * Time::SECOND),
            duties: [("6.1-E-f".to_string(), kept)].into(),
            ..Context::default()
        };
        Report::new(Catalogue::all().unwrap(), "test", Time(0), findings, Vec::new(), &context)
    }

    fn shown(text: &str) -> (Report, Vec<String>) {
        let (mut report, options) = (report(), options(text));
        let states = report.clauses.iter().map(|s| (s.clause.id.clone(), s.state)).collect();
        let now = Time(report.ended);
        choose(&mut report, &options, now).unwrap();
        let lines = {
            let view = View { report: &report, states, now: now.0, zh: options.lang == "zh" };
            match options.clause {
                Some(_) => report.clauses.iter().map(|s| view.detail(s)).collect(),
                None => view.overview(options.narrows()),
            }
        };
        (report, lines)
    }

    #[test]
    fn ages_and_times_are_read_and_rounded() {
        let said: Vec<String> =
            [0, 41, 119, 120, 7199, 7200].map(|s| ago(s * 1_000_000, 0)).into();
        assert_eq!(said, ["0 s", "41 s", "119 s", "2 min", "119 min", "2 h"]);
        assert_eq!(ago(0, 5_000_000), "0 s");
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86_400), ("0s", 0)] {
            assert_eq!(since(text), Ok(seconds * Time::SECOND), "{text}");
        }
        for bad in ["", "s", "15", "-1m", "1.5h", "1 d", "9999999999d", "15分", "1M"] {
            assert!(since(bad).is_err(), "{bad}");
        }
        assert_eq!((pad("符合", 6).as_str(), pad("MET", 6).as_str()), ("符合  ", "MET   "));
        assert_eq!(pad("NOT PROVED", 4), "NOT PROVED");
    }

    #[test]
    fn filters_choose_clauses_and_what_they_rest_on() {
        let ids = |text: &str| -> Vec<String> {
            shown(text).0.clauses.into_iter().map(|s| s.clause.id).collect()
        };
        let count = |text: &str| shown(text).0.clauses.len();
        assert_eq!((count(""), count("--standard all"), count("--standard guide")), (302, 751, 59));
        assert_eq!(ids("--clause 7.2.5-B-a"), ["7.2.5-B-a"]);
        assert_eq!(ids("--clause GD-C3"), ["GD-C3"]);
        assert_eq!(ids("--clause 7.2.5 --level basic"), ["7.2.5-B-a", "7.2.5-B-b"]);
        assert_eq!(ids("--clause 7.2.5 --tier basic"), ids("--clause 7.2.5 --level basic"));
        assert_eq!(ids("--state met"), ["7.1-E-a"]);
        assert_eq!(ids("--state failed"), ["7.2.5-B-b"]);
        assert_eq!(ids("--since 30s"), ids("--since 10s"));
        assert!(ids("--since 10s").contains(&"7.1-E-a".to_string()));
        assert!(!ids("--since 10s").contains(&"7.2.5-B-b".to_string()));
        assert_eq!(count("--since 9s"), 0);
        assert_eq!(count("--area phy"), count("--area PHY"));
        assert!(ids("--area PHY").iter().all(|id| id.starts_with("6.1")));
        // The tenant's half counts too.
        assert!(ids("--state tenant").contains(&"7.2.3-E-b".to_string()));
        let mut report = report();
        let none = choose(&mut report, &options("--clause 99"), Time(0)).unwrap_err();
        assert!(none.to_string().contains("no clause `99`"), "{none}");
        // Findings that no chosen clause rests on are not shown.
        assert_eq!(shown("--clause 7.1-E-a").0.findings.len(), 1);
        let none = choose(&mut report, &options("--standard iso"), Time(0)).unwrap_err();
        assert!(none.to_string().contains("jrt0167, framework"), "{none}");
        for bad in ["--state good", "--level easy", "--area XYZ", "--since soon",
            "--lang fr", "--format oscal", "--format pack --to x", "--to x"] {
            let words = std::iter::once("assess").chain(bad.split_whitespace());
            assert!(Line::try_parse_from(words).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_say_state_reason_and_counts() {
        let text = |options: &str| shown(options).1.join("\n");
        let (overview, counts) = (text(""), report().counts);
        for want in [
            format!("{:<11} {:<9} {:<10}  Remote API calls use HTTPS only", "7.1-E-a", "extended", "MET"),
            "spoofed-arp: spoofed-arp said so".into(),
            "JR/T 0167: 1 met (median age 10 s) · ".into(),
            format!(" · 1 failed · {} not proved · {} not built · ", counts.error, counts.not_built),
            format!(" · {} duties (1 due within 30 days, 0 overdue)", counts.due),
        ] {
            assert!(overview.contains(&want), "{want} in\n{overview}");
        }
        assert!(!overview.contains("NOT BUILT"), "{overview}");
        assert!(text("--state not_built").contains("missing: no dedicated lines and no VPN"));
        assert!(text("--clause 6.1-E-f").contains("facility manager, P1Y, due 1970-01-02"));
        assert!(text("--clause 6.1-E-a").contains("no due date is known"));
        assert!(text("--clause GD-C3").contains("as 10.1-B-c "));
        let zh = text("--clause 6.1-E-f --lang zh");
        for want in ["防雷", "机房主管", "到期 1970-01-02", "待办", "服务商"] {
            assert!(zh.contains(want), "{want} in\n{zh}");
        }
        let one = text("--clause 7.2.5-B-b");
        for want in ["FAILED", "says nothing about: the rest", "[1 of 2 sampled]", "journal 7"] {
            assert!(one.contains(want), "{want} in\n{one}");
        }
    }
}
