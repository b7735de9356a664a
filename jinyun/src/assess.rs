//! `jinyun assess`: the standards, clause by clause, as they stand now.
//!
//! A thin client of the management listener: whoever calls needs an auditor's credentials like
//! everybody else, and the assessment is on record. It is a report: clauses that fail do not make
//! the command fail. Filters choose among what was found and evaluate nothing again.

use crate::client::{Answer, Client};
use crate::control;
use crate::fail::{FAILED, Failed, MISSING, SIGN_IN, USAGE, refused};
use crate::instance::Instance;
use crate::report;
use crate::say;
use crate::session::{Session, Wish};
use crate::show::{self, Output};
use jinyun_base::{Every, Fault, Secret, Time};
use jinyun_evidence::checks::silent_zh;
use jinyun_evidence::{
    AREAS, Answer as Way, Catalogue, Counts, Exception, Finding, Half, Level, MAIN, Method,
    OWNERS, Owed, Report, Side, Standing, State, Tally, Verdict,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
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
    /// The language of titles and texts, English if not given. What checks found is in English.
    #[arg(long, value_parser = ["en", "zh"])]
    lang: Option<String>,
    /// What to write to --to of everything; or, in place of --output, how to print it (table, json).
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
fn login(instance: &Instance, wish: &Wish) -> Result<Login, Failed> {
    if wish.profile.is_some() {
        let session = Session::open(wish)?;
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
    let text = std::fs::read_to_string(&path).map_err(|e| Failed::new(SIGN_IN, format!(
        "an audit administrator has to sign in: name a profile with --profile (jinyun login), or \
         set OS_TOKEN ({}: {e})",
        path.display()
    )))?;
    let kept: Login = serde_json::from_str(&text)
        .map_err(|e| Fault::new(format!("{}: {e}", path.display())))?;
    // The one part that changes from one login to the next.
    Ok(Login { passcode: told.passcode.or(kept.passcode), ..kept })
}

/// The token to ask with: the one that was given, else one for a name and a password, and a passcode
/// where the account needs one (OS_PASSCODE).
fn sign_in(client: &Client, instance: &Instance, wish: &Wish) -> Result<Secret<String>, Failed> {
    let login = login(instance, wish)?;
    if let Some(token) = login.token {
        return Ok(Secret::new(token));
    }
    let (Some(name), Some(password)) = (login.username, login.password) else {
        let say = "auditor.json holds neither a token nor a username and a password";
        return Err(Failed::new(SIGN_IN, say));
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
pub fn newest(instance: &Instance, wish: &Wish, since: Option<i64>) -> Result<Value, Failed> {
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
pub fn run(instance: &Instance, options: &Options, wish: &Wish) -> Result<(), Failed> {
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
        report::run(instance, &report::Options::newest(format, place), wish)?;
        return Ok(());
    }
    let assessment = answer.body.get("assessment").unwrap_or(&Value::Null);
    let report = serde_json::from_value(assessment.get("report").cloned().unwrap_or_default());
    let mut report: Report = report.map_err(|e| Failed::new(FAILED, format!(
        "the report cannot be read ({e}): if an earlier version made it, make a new one without --latest"
    )))?;
    let now = control::now();
    let states = report.clauses.iter().map(|s| (s.clause.id.clone(), s.state)).collect();
    let proofs = proofs(&report);
    choose(&mut report, options, now)?;
    let observed = assessment.get("observed").unwrap_or(&Value::Null);
    let zh = options.lang.as_deref() == Some("zh");
    let view = View { report: &report, states, proofs, observed, now: now.0, zh };
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
                "freshness": beside("freshness"), "observed": beside("observed"),
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
    fn document(&self) -> Result<Option<(&str, &Path)>, Failed> {
        let (Some(format), Some(place)) = (self.format.as_deref(), self.to.as_deref()) else {
            return Ok(None);
        };
        if matches!(format, "table" | "json") {
            let say = format!("--to is for --format oscal, html and pdf; `{format}` is printed");
            return Err(Failed::new(USAGE, say));
        }
        if self.narrows() || self.clause.is_some() {
            let say = format!("--format {format} is of everything: leave the filters out");
            return Err(Failed::new(USAGE, say));
        }
        if self.lang.is_some() {
            let say = format!("--format {format} has both languages: leave --lang out");
            return Err(Failed::new(USAGE, say));
        }
        Ok(Some((format, place)))
    }

    /// Whether --format says how it is printed or written.
    pub fn formed(&self) -> bool {
        self.format.is_some()
    }

    /// Somebody wants to see certain clauses, so those that nothing answers are shown too.
    fn narrows(&self) -> bool {
        self.level.is_some() || self.standard.is_some() || self.state.is_some()
            || self.area.is_some() || self.since.is_some()
    }
}

/// Leaves the clauses that were asked for, the findings that they rest on, and their counts.
fn choose(report: &mut Report, options: &Options, now: Time) -> Result<(), Failed> {
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
            return Err(Failed::new(MISSING, say));
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
            return Err(Failed::new(MISSING, say));
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
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
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

/// How a clause is proved, by itself and through the rows that answer it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Proof {
    /// In which ways: attack, check, duty, guardrail, tenant.
    how: BTreeSet<&'static str>,
    /// When the oldest of what it rests on was looked at or recorded, microseconds.
    at: Option<i64>,
    /// Something that it rests on was not tried, or proved nothing: so it has no age.
    without: bool,
}

impl Proof {
    fn rests_on(&mut self, at: i64) {
        self.at = Some(self.at.map_or(at, |known| known.min(at)));
    }

    fn gather(&mut self, standing: &Standing, all: &All<'_>) {
        let clause = &standing.clause;
        for name in clause.checks() {
            match all.findings.get(name) {
                Some(found) => {
                    self.how.insert(match found.method {
                        Method::Attack => "attack",
                        Method::Check => "check",
                    });
                    self.rests_on(found.at);
                    self.without |= found.verdict == Verdict::Error;
                }
                None => self.without = true,
            }
        }
        if jinyun_access::guardrails().iter().any(|rail| rail.clauses.contains(&clause.id.as_str())) {
            self.how.insert("guardrail");
        }
        let part = clause.tenant.as_ref();
        if clause.duty == Side::Both && part.is_some_and(|part| part.checks.is_empty()) {
            self.how.insert("tenant");
        }
        match &clause.answer {
            Way::Duty { .. } => {
                self.how.insert("duty");
                if let Some(at) = standing.kept.and_then(|kept| kept.last) {
                    self.rests_on(at);
                }
            }
            Way::Tenant { .. } => {
                self.how.insert("tenant");
            }
            // A catalogue is read without circles, so this ends.
            Way::SameAs { same_as } => {
                for other in same_as.iter().filter_map(|id| all.rows.get(id.as_str())) {
                    self.gather(other, all);
                }
            }
            Way::Checks { .. } | Way::NotBuilt { .. } | Way::Facts { .. } => {}
        }
    }
}

/// All of a report by name.
struct All<'r> {
    rows: BTreeMap<&'r str, &'r Standing>,
    findings: BTreeMap<&'r str, &'r Finding>,
}

/// How each clause of a report is proved.
fn proofs(report: &Report) -> BTreeMap<String, Proof> {
    let all = All {
        rows: report.clauses.iter().map(|s| (s.clause.id.as_str(), s)).collect(),
        findings: report.findings.iter().map(|f| (f.check.as_str(), f)).collect(),
    };
    report.clauses.iter().map(|standing| {
        let mut proof = Proof::default();
        proof.gather(standing, &all);
        (standing.clause.id.clone(), proof)
    }).collect()
}

/// What is shown, and in which language.
struct View<'r> {
    report: &'r Report,
    /// States of all clauses, also of those that are not shown.
    states: BTreeMap<String, State>,
    /// How each is proved.
    proofs: BTreeMap<String, Proof>,
    /// Over which time each check was observed to come out as it does; nothing if that is not told.
    observed: &'r Value,
    now: i64,
    zh: bool,
}

impl View<'_> {
    fn say<'t>(&self, en: &'t str, zh: &'t str) -> &'t str {
        if self.zh { zh } else { en }
    }

    /// A text of the catalogue: in English where nobody has said it in Chinese.
    fn told<'t>(&self, en: &'t str, zh: &'t str) -> &'t str {
        if self.zh && !zh.is_empty() { zh } else { en }
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

    /// How a clause is proved, and how long ago; an empty text if nothing proves it.
    fn proof(&self, standing: &Standing) -> String {
        let Some(proof) = self.proofs.get(&standing.clause.id) else { return String::new() };
        let ways: Vec<&str> = proof.how.iter()
            .map(|way| self.say(way, jinyun_report::words::how(way).0)).collect();
        let ways = ways.join(self.say(", ", "、"));
        match proof.at.filter(|_| !proof.without) {
            Some(at) => format!("{ways} {}", ago(self.now, at)),
            None => ways,
        }
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

    /// What other rows or records leave open of a clause, if anything.
    fn open(&self, standing: &Standing) -> Option<String> {
        let open = self.told(&standing.clause.open, &standing.clause.open_zh);
        (!open.is_empty()).then(|| format!("{}: {open}", self.say("open", "未答")))
    }

    /// What a duty's clause rests on beside records, and what those leave open.
    fn besides(&self, standing: &Standing, duty: &Owed) -> Vec<String> {
        let needs = (!duty.needs.is_empty())
            .then(|| format!("{} {}", self.say("needs", "依赖"), self.rows(&duty.needs)));
        needs.into_iter().chain(self.open(standing)).collect()
    }

    /// How a clause is answered, and why it stands as it does.
    fn answered(&self, standing: &Standing) -> Vec<String> {
        match &standing.clause.answer {
            Way::Checks { missing, missing_zh, .. }
                if standing.state == State::Partly && !missing.is_empty() => {
                vec![format!("{}: {}", self.say("open", "未答"), self.told(missing, missing_zh))]
            }
            Way::Checks { .. } => self.of(standing)
                .filter(|f| match standing.state {
                    State::Stale => true,
                    state => word(f.verdict) == word(state) && state != State::Met,
                })
                .map(|f| format!("{}: {}", f.check, f.says)).collect(),
            Way::Duty { duty } => {
                std::iter::once(self.due(standing, duty)).chain(self.besides(standing, duty)).collect()
            }
            Way::NotBuilt { not_built, not_built_zh } => {
                vec![format!("{}: {}", self.say("missing", "缺"), self.told(not_built, not_built_zh))]
            }
            Way::Tenant { tenant, tenant_zh, .. } => {
                vec![format!("{}: {}", self.say("has to", "须"), self.told(tenant, tenant_zh))]
            }
            Way::SameAs { same_as } => {
                let as_rows = format!("{} {}", self.say("as", "同"), self.rows(same_as));
                std::iter::once(as_rows).chain(self.open(standing)).collect()
            }
            Way::Facts { facts, facts_zh } => vec![self.told(facts, facts_zh).to_string()],
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
            lines.push(format!("{:<11} {:<9} {}  {}  {}", clause.id, word(clause.level),
                pad(self.state(standing.state), 10), pad(&self.proof(standing), 20), self.title(standing)));
            lines.extend(self.why(standing).into_iter().map(|why| format!("{:<34}{why}", "")));
            if let Some(tenants) = standing.tenant_state
                .filter(|s| ![State::Tenant, State::Informative].contains(s))
            {
                let half = self.say("tenant's half", "租户部分");
                lines.push(format!("{:<34}{half}: {}", "", self.state(tenants)));
            }
        }
        lines.extend(self.report.troubles.iter().map(|t| format!("trouble: {t}")));
        lines.extend(self.report.standards.iter().map(|tally| self.tally(tally, all)));
        lines
    }

    /// The counts of one standard in a line; where not all is shown, how what is not built is.
    fn tally(&self, tally: &Tally, all: bool) -> String {
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
                let more = match state {
                    State::Met => median.as_str(),
                    State::NotBuilt if !all && counts.not_built > 0 => self.say(
                        " (counts as failed; --state not_built lists them)",
                        "（按不符合计数，用 --state not_built 列出）",
                    ),
                    _ => "",
                };
                format!("{} {}{more}", counts.get(*state), self.say(en, zh))
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
            Way::Checks { missing, missing_zh, .. } if !missing.is_empty() => {
                let missing = self.told(missing, missing_zh);
                lines.push(format!("  {}: {missing}", self.say("not answered yet", "尚未回答")));
            }
            Way::Checks { .. } => {}
            Way::Duty { duty } => {
                let what = self.say("duty", "职责");
                lines.push(format!("  {what}: {}", self.due(standing, duty)));
                let shows = self.say(&duty.shows_en, &duty.shows_zh);
                lines.push(format!("  {} ({}): {shows}", self.say("record", "记录"), word(duty.record)));
                let besides = self.besides(standing, duty);
                lines.extend(besides.into_iter().map(|line| format!("  {line}")));
            }
            _ => lines.extend(self.answered(standing).into_iter().map(|line| format!("  {line}"))),
        }
        if let Way::Tenant { seen, seen_zh, .. } = &clause.answer {
            let seen = self.told(seen, seen_zh);
            lines.push(format!("  {}: {seen}", self.say("the platform sees", "平台可见")));
        }
        if let Some(part) = &clause.tenant {
            let state = standing.tenant_state.map_or("", |state| self.state(state));
            let (half, sees) =
                (self.say("tenant's half", "租户部分"), self.say("the platform sees", "平台可见"));
            let (does, seen) = (self.told(&part.does, &part.does_zh), self.told(&part.seen, &part.seen_zh));
            lines.push(format!("  {half}: {state}: {does}; {sees}: {seen}"));
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
        if let Ok(catalogues) = Catalogue::shipped() {
            let from: Vec<&String> = catalogues.pointing_at(&clause.id).map(|c| &c.id)
                .filter(|id| !clause.see.contains(id)).collect();
            if !from.is_empty() {
                lines.push(format!("  {}: {}", self.say("referred to by", "被引用"), self.rows(from)));
            }
        }
        if !clause.note.is_empty() {
            lines.push(format!("  {}", self.told(&clause.note, &clause.note_zh)));
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
        let end = |end: &str| self.observed.get(&finding.check)?.get(end)?.as_i64();
        if let (Some(from), Some(to)) = (end("from"), end("to")) {
            lines.push(format!("          {} {} .. {} ({})", self.say("observed", "观察期间"),
                Time(from).seconds(), Time(to).seconds(), ago(self.now, to)));
        }
        if !finding.entries.is_empty() {
            let entries: Vec<String> = finding.entries.iter().take(8).map(u64::to_string).collect();
            lines.push(format!("          journal {}", entries.join(", ")));
        }
        let silent = self.told(&finding.says_nothing_about, silent_zh(&finding.check));
        lines.push(format!("          {}: {silent}", self.say("says nothing about", "不涉及")));
        lines
    }
}

#[cfg(test)]
mod tests;
