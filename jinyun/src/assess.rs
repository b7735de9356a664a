//! `jinyun assess`: the standard, clause by clause, as it stands now.
//!
//! A thin client of the management listener: whoever calls needs an auditor's password like
//! everybody else, and the assessment is on record. It is a report: clauses that fail do not make
//! the command fail.

use crate::client::{Answer, Client};
use crate::control;
use crate::instance::Instance;
use crate::say;
use jinyun_base::{Fault, Secret};
use jinyun_evidence::{Counts, Finding, Half, Level, Method, Report, Side, Standing, State};
use serde::Deserialize;
use serde_json::{Value, json};

/// What is asked.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Only this clause (7.2.5-B-a) or all below it (7.2.5), with everything that is known of it.
    #[arg(long)]
    clause: Option<String>,
    /// Only clauses of this level.
    #[arg(long, value_parser = ["basic", "extended", "enhanced"])]
    level: Option<String>,
    /// How to print it.
    #[arg(long, default_value = "table", value_parser = ["table", "json"])]
    format: String,
    /// Show the newest report instead of making one.
    #[arg(long)]
    latest: bool,
}

/// The account that may run assessments.
#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
    #[serde(default = "default_domain")]
    domain: String,
}

fn default_domain() -> String {
    "Default".into()
}

/// From the environment as OpenStack's clients read it, else from the instance's own file.
// The rim of the system: this command is a client like others, which are told so.
#[allow(clippy::disallowed_methods)]
fn login(instance: &Instance) -> Result<Login, Fault> {
    let word = |name| std::env::var(name).ok().filter(|v| !v.is_empty());
    if let (Some(username), Some(password)) = (word("OS_USERNAME"), word("OS_PASSWORD")) {
        let domain = word("OS_USER_DOMAIN_NAME").unwrap_or_else(default_domain);
        return Ok(Login { username, password, domain });
    }
    let path = instance.state.join("auditor.json");
    let text = std::fs::read_to_string(&path).map_err(|e| Fault::new(format!(
        "an audit administrator has to sign in: set OS_USERNAME and OS_PASSWORD ({}: {e})",
        path.display()
    )))?;
    serde_json::from_str(&text).map_err(|e| Fault::new(format!("{}: {e}", path.display())))
}

/// The sentence of an error, however the service words it.
fn refused(what: &str, answer: &Answer) -> Fault {
    let message = answer.body.pointer("/error/message").and_then(Value::as_str);
    let message = message.unwrap_or("no reason was given");
    Fault::new(format!("{what}: {message} (HTTP {})", answer.status))
}

fn sign_in(client: &Client, login: &Login) -> Result<Secret<String>, Fault> {
    let body = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": {
            "name": login.username,
            "domain": { "name": login.domain },
            "password": login.password,
        } } },
        "scope": { "system": { "all": true } },
    } });
    let answer = client.send("POST", "/identity/v3/auth/tokens", None, Some(&body))?;
    match answer {
        Answer { status: 201, token: Some(token), .. } => Ok(token),
        other => Err(refused(&format!("signing in as {}", login.username), &other)),
    }
}

/// Runs it.
pub fn run(instance: &Instance, options: &Options) -> Result<(), Fault> {
    let settings = instance.settings()?;
    let client = Client::new(settings.management_port, &instance.state.join("ca.pem"))?;
    let token = sign_in(&client, &login(instance)?)?;
    let (method, path) = match options.latest {
        true => ("GET", "/evidence/v1/assessments/latest"),
        false => ("POST", "/evidence/v1/assessments"),
    };
    let answer = client.send(method, path, Some(&token), None)?;
    if !(200..300).contains(&answer.status) {
        return Err(refused("the assessment", &answer));
    }
    let assessment = answer.body.get("assessment").unwrap_or(&Value::Null);
    let bad = |e: serde_json::Error| Fault::new(format!("the report cannot be read: {e}"));
    let mut report: Report =
        serde_json::from_value(assessment.get("report").cloned().unwrap_or_default())
            .map_err(bad)?;
    choose(&mut report, options)?;
    if options.format == "json" {
        let whole = json!({
            "report": report,
            "sha256": assessment.get("sha256"),
            "entry": assessment.get("entry"),
        });
        say::out(&serde_json::to_string_pretty(&whole).map_err(bad)?);
        return Ok(());
    }
    let now = control::now().0;
    if options.clause.is_some() {
        for standing in &report.clauses {
            say::out(&detail(standing, &report.findings, now));
        }
        return Ok(());
    }
    for line in overview(&report, now) {
        say::out(&line);
    }
    let entry = assessment.get("entry").and_then(Value::as_u64).unwrap_or_default();
    let digest = assessment.get("sha256").and_then(Value::as_str).unwrap_or_default();
    say::out(&format!("Report sha256 {digest}, journal entry {entry}"));
    Ok(())
}

/// Leaves the clauses that were asked for, and the findings that they rest on.
fn choose(report: &mut Report, options: &Options) -> Result<(), Fault> {
    if let Some(level) = &options.level {
        let level: Level = serde_json::from_value(level.as_str().into())
            .map_err(|e| Fault::new(format!("--level: {e}")))?;
        report.clauses.retain(|s| s.clause.level == level);
    }
    if let Some(id) = &options.clause {
        // A whole clause, or all that begin with it: `7.2.5` is what `7.2.5-B-a` is part of.
        let below = |other: &str| {
            let rest = other.strip_prefix(id.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        };
        report.clauses.retain(|s| below(&s.clause.id));
        if report.clauses.is_empty() {
            let say = format!("{} has no clause `{id}`: they look like 7.2.5-B-a", report.standard);
            return Err(Fault::new(say));
        }
    }
    let Report { clauses, findings, .. } = report;
    findings.retain(|f| clauses.iter().any(|s| s.clause.checks.contains(&f.check)));
    report.counts = Counts::of(&report.clauses, None);
    Ok(())
}

fn word<T: serde::Serialize>(value: T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(String::from)).unwrap_or_default()
}

fn state(state: State) -> &'static str {
    match state {
        State::Met => "MET",
        State::Partly => "PARTLY",
        State::Failed => "FAILED",
        State::Error => "NOT PROVED",
        State::NotBuilt => "NOT BUILT",
        State::Duty => "DUTY",
    }
}

fn ago(now: i64, at: i64) -> String {
    let seconds = (now - at).max(0) / 1_000_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// The findings that a clause rests on.
fn of<'r>(standing: &Standing, findings: &'r [Finding]) -> Vec<&'r Finding> {
    let checks = &standing.clause.checks;
    checks.iter().filter_map(|name| findings.iter().find(|f| f.check == *name)).collect()
}

fn overview(report: &Report, now: i64) -> Vec<String> {
    let mut ages: Vec<i64> = report.clauses.iter().filter(|s| s.state == State::Met)
        .filter_map(|s| of(s, &report.findings).iter().map(|f| f.at).min()).collect();
    ages.sort_unstable();
    let median = ages.get(ages.len() / 2)
        .map_or(String::new(), |at| format!(" (median age {})", ago(now, *at)));
    let Counts { met, partly, failed, error, not_built, duty } = report.counts;
    let mut lines = Vec::new();
    for standing in report.clauses.iter().filter(|s| !s.clause.checks.is_empty()) {
        let clause = &standing.clause;
        lines.push(format!("{:<11} {:<9} {:<10}  {}", clause.id, word(clause.level),
            state(standing.state), clause.title_en));
        match standing.state {
            State::Failed | State::Error => {
                let verdict = word(standing.state);
                for finding in of(standing, &report.findings) {
                    if word(finding.verdict) == verdict {
                        lines.push(format!("{:<34}{}: {}", "", finding.check, finding.says));
                    }
                }
            }
            State::Partly if !clause.missing.is_empty() => {
                lines.push(format!("{:<34}open: {}", "", clause.missing));
            }
            _ => {}
        }
    }
    lines.extend(report.troubles.iter().map(|t| format!("trouble: {t}")));
    let standard = report.standard.trim_end_matches("-2020");
    lines.push(format!(
        "{standard}: {met} met{median} · {partly} partly · {failed} failed · {error} not proved · \
         {not_built} not built · {duty} duties, without due dates yet"
    ));
    lines
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Provider => "provider",
        Side::User => "tenant",
        Side::Both => "provider and tenant",
    }
}

fn detail(standing: &Standing, findings: &[Finding], now: i64) -> String {
    let clause = &standing.clause;
    let findings = of(standing, findings);
    let age = findings.iter().map(|f| f.at).min()
        .map_or(String::new(), |at| format!(" {} ago", ago(now, at)));
    let mut text = format!("{}  {}  {}  {}  {}{age}\n{:<11}{}", clause.id, word(clause.level),
        side(clause.duty), clause.title_en, state(standing.state), "", clause.title_zh);
    for finding in &findings {
        let method = match finding.method {
            Method::Check => "check ",
            Method::Attack => "attack",
        };
        let half = match finding.half {
            Half::Provider => "",
            Half::Tenant => " (tenant's half)",
        };
        text.push_str(&format!("\n  {method}  {} {}{half}: {}", finding.check,
            word(finding.verdict), finding.says));
        if finding.sampled < finding.population {
            text.push_str(&format!(" [{} of {} sampled]", finding.sampled, finding.population));
        }
        if !finding.entries.is_empty() {
            let entries: Vec<String> =
                finding.entries.iter().take(8).map(u64::to_string).collect();
            text.push_str(&format!("\n          journal {}", entries.join(", ")));
        }
        text.push_str(&format!("\n          says nothing about: {}", finding.says_nothing_about));
    }
    if !clause.missing.is_empty() {
        text.push_str(&format!("\n  not answered yet: {}", clause.missing));
    }
    match standing.state {
        State::NotBuilt => text.push_str("\n  nothing answers it yet"),
        State::Duty => text.push_str(&format!(
            "\n  a duty ({}) of the {}; its due date and records are not kept yet",
            word(clause.kind), side(clause.duty)
        )),
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_rounded() {
        let said: Vec<String> =
            [0, 41, 119, 120, 7199, 7200].map(|s| ago(s * 1_000_000, 0)).into();
        assert_eq!(said, ["0 s", "41 s", "119 s", "2 min", "119 min", "2 h"]);
        assert_eq!(ago(0, 5_000_000), "0 s");
    }
}
