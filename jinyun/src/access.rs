//! `jinyun access`: why somebody may or may not, roles that nobody uses, and what guardrails find.
//!
//! All of it only asks. Statements and profiles are written by an institution's manager over the API:
//! they are JSON documents that a line of words would not make easier to read or to review. The
//! answers are deep, so people see the decision first and its grounds as tables below it; programs
//! get the whole answer with `--output`.

use crate::approval::{item, print_all, print_one};
use crate::fail::Failed;
use crate::session::{Session, Wish, query};
use crate::show;
use serde_json::{Map, Value, json};

const ACCESS: &str = "/access/v1";
const PROFILES: &str = "/governance/v1/profiles";

/// What to ask.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Why a request was refused: the reason as it was recorded, and the decision as it would be now.
    #[command(visible_alias = "why")]
    Explain {
        /// The request's id, as the refusal names it: req-...
        request: String,
        #[command(flatten)]
        sign_in: SignIn,
    },
    /// What would be decided, and why. Nothing is done.
    Simulate(Box<Simulate>),
    /// Roles that were given, with what was done with them and the least that would be enough.
    Unused {
        /// So many days back; 90 if not given.
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3660))]
        days: Option<u16>,
        /// Of this institution, by the domain's id (audit administrator).
        #[arg(long)]
        institution: Option<String>,
        /// Only those that nobody has used.
        #[arg(long)]
        never: bool,
    },
    /// All guardrails: what each refuses, from which profile on, and the clauses that it serves.
    Guardrails {
        /// Only those that hold in this profile.
        #[arg(long, value_parser = LEVELS)]
        level: Option<String>,
    },
    /// What of a project its guardrails would refuse today.
    Violations {
        /// The project, by id; the one that one is signed in for if not given.
        #[arg(long)]
        project: Option<String>,
        /// As if the project had this profile.
        #[arg(long, value_parser = LEVELS)]
        level: Option<String>,
    },
    /// Profiles of projects, as far as somebody has set one.
    Profiles {
        /// Only those of this profile.
        #[arg(long, value_parser = LEVELS)]
        level: Option<String>,
    },
    /// The profile of a project.
    Profile {
        /// The project's id.
        project: String,
    },
    /// Statements of the institution: what takes away from roles.
    Statements {
        /// Of this institution, by the domain's id (audit administrator).
        #[arg(long)]
        institution: Option<String>,
    },
    /// One statement.
    Statement {
        /// The statement's id.
        id: String,
    },
}

/// The profiles that a project can have, the least strict first.
const LEVELS: [&str; 3] = ["basic", "extended", "enhanced"];

/// Where somebody would work, and how they would have signed in.
#[derive(clap::Args, Debug)]
pub struct SignIn {
    /// Signed in for this project, by id.
    #[arg(long, conflicts_with = "institution")]
    project: Option<String>,
    /// Signed in for the institution, by the domain's id.
    #[arg(long)]
    institution: Option<String>,
    /// By this method: password, totp, ... May be given several times.
    #[arg(long)]
    method: Vec<String>,
    /// So many seconds ago, at most ten days.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..=864_000))]
    token_age: Option<i64>,
}

/// A question.
#[derive(clap::Args, Debug)]
pub struct Simulate {
    /// What would be done: service:kind:verb.
    action: String,
    /// By this user, by id; by oneself if not given.
    #[arg(long)]
    user: Option<String>,
    /// To this thing: KIND:ID.
    #[arg(long, value_parser = thing)]
    resource: Option<Value>,
    /// To something new in this project, by id.
    #[arg(long, conflicts_with = "resource")]
    new_in: Option<String>,
    /// From this address.
    #[arg(long)]
    source: Option<String>,
    /// At this time: 2026-01-31T08:00:00+08:00.
    #[arg(long)]
    time: Option<String>,
    #[command(flatten)]
    sign_in: SignIn,
}

/// Kind and id of a thing.
fn thing(text: &str) -> Result<Value, String> {
    match text.split_once(':') {
        Some((kind, id)) if !kind.is_empty() && !id.is_empty() => Ok(json!({ "kind": kind, "id": id })),
        _ => Err("must be KIND:ID, like server:3f0c...".into()),
    }
}

/// An object of what was given.
fn object(members: Vec<(&str, Option<Value>)>) -> Value {
    let given: Map<String, Value> = members.into_iter()
        .filter_map(|(name, value)| Some((name.to_string(), value?))).collect();
    given.into()
}

fn word(value: Option<String>) -> Option<Value> {
    value.map(Value::from)
}

impl SignIn {
    fn members(self) -> Vec<(&'static str, Option<Value>)> {
        let scope = match (self.project, self.institution) {
            (Some(id), _) => Some(json!({ "project_id": id })),
            (None, Some(id)) => Some(json!({ "domain_id": id })),
            (None, None) => None,
        };
        vec![
            ("scope", scope),
            ("methods", (!self.method.is_empty()).then(|| self.method.into())),
            ("token_age", self.token_age.map(Value::from)),
        ]
    }
}

impl Simulate {
    /// As the API takes it.
    fn body(self) -> Value {
        let itself = self.user.is_none().then_some(Value::from(true));
        let new = self.new_in.map(|id| json!({ "project_id": id }));
        let mut members = vec![
            ("action", Some(self.action.into())),
            ("user_id", word(self.user)),
            ("self", itself),
            ("resource", self.resource.or(new)),
            ("source", word(self.source)),
            ("time", word(self.time)),
        ];
        members.extend(self.sign_in.members());
        object(members)
    }
}

/// A member as a cell, wherever it lies.
fn at(value: &Value, place: &str) -> String {
    value.pointer(place).map(show::cell).unwrap_or_default()
}

/// Yes, no, or nothing that is known.
fn yes(value: &Value) -> String {
    match value.as_bool() {
        Some(true) => "yes".into(),
        Some(false) => "no".into(),
        None => String::new(),
    }
}

/// Where a role holds, in words.
fn place(value: &Value) -> String {
    match (value["project_id"].as_str(), value["domain_id"].as_str()) {
        (Some(id), _) => format!("project {id}"),
        (None, Some(id)) => format!("institution {id}"),
        _ if value["system"] == true => "the platform".into(),
        _ => String::new(),
    }
}

fn all<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A table below what came before; nothing if it has no rows.
fn below(text: &mut String, head: &[&str], rows: Vec<Vec<String>>) {
    if !rows.is_empty() {
        text.push_str("\n\n");
        text.push_str(&show::table(head, &rows));
    }
}

/// A decision with its grounds, for people.
fn decided(one: &Value) -> String {
    let by = match at(one, "/refused_by") {
        by if by.is_empty() => String::new(),
        by => format!(", by {by}"),
    };
    let resource = match one["resource"].is_object() {
        true => format!("{} {}", at(one, "/resource/kind"), at(one, "/resource/id")),
        false => String::new(),
    };
    let allow: Vec<String> = all(&one["rule"], "allow").iter().map(show::cell).collect();
    let rows = [
        ("decision", format!("{}{by}", at(one, "/decision"))),
        ("says", at(one, "/says")),
        ("action", at(one, "/action")),
        ("user", at(one, "/user_id")),
        ("signed in for", place(&one["scope"])),
        ("by methods", at(one, "/methods")),
        ("from", at(one, "/source")),
        ("time", at(one, "/time")),
        ("resource", resource),
        ("in project", at(one, "/project_id")),
        ("role", at(one, "/role")),
        ("duty", at(one, "/duty")),
        ("allowed to", allow.join("; ")),
        ("met by", at(one, "/rule/met")),
        ("approval", yes(&one["approval"])),
        ("consent", at(one, "/consent/id")),
        ("profile", at(one, "/guardrails/profile")),
    ];
    let rows: Vec<(&str, String)> = rows.into_iter().filter(|(_, text)| !text.is_empty()).collect();
    let mut text = show::members(&rows);
    let grants = all(one, "roles").iter().map(|role| vec![
        at(role, "/role"), place(&role["given_in"]), at(role, "/group_id"), yes(&role["inherited"]),
        at(role, "/expires_at"), yes(&role["holds"]),
    ]).collect();
    below(&mut text, &["ROLE", "GIVEN IN", "GROUP", "INHERITED", "UNTIL", "HOLDS"], grants);
    let statements = all(one, "statements").iter().map(|said| {
        ["/id", "/name", "/effect", "/says", "/condition"].map(|name| at(said, name)).to_vec()
    }).collect();
    below(&mut text, &["STATEMENT", "NAME", "EFFECT", "SAYS", "CONDITION"], statements);
    let rails = all(&one["guardrails"], "judge").iter()
        .map(|rail| vec![at(rail, "/name"), yes(&rail["holds"])]).collect();
    below(&mut text, &["GUARDRAIL", "HOLDS"], rails);
    text
}

/// What was refused under a request, each with what would be decided now.
fn explained(answer: &Value) -> String {
    let refused = all(answer, "refused").iter().map(|one| {
        let entry = &one["entry"];
        let target = format!("{} {}", at(entry, "/target/kind"), at(entry, "/target/id"));
        let mut text = show::members(&[
            ("entry", format!("{} (of the institution: {})", at(entry, "/number"), at(entry, "/place"))),
            ("at", at(entry, "/time")),
            ("action", at(entry, "/action")),
            ("by", at(entry, "/actor_id")),
            ("from", at(entry, "/source")),
            ("about", target.trim().into()),
            ("refused", format!("{}: {}", at(entry, "/reason/code"), at(entry, "/reason/message"))),
        ]);
        text.push_str("\n\nnow\n");
        match one["now"].is_object() {
            true => text.push_str(&decided(&one["now"])),
            false => text.push_str("is not decided for what is no user"),
        }
        text
    });
    refused.collect::<Vec<_>>().join("\n\n")
}

/// Who uses what they were given, for people.
fn used(usage: &Value) -> String {
    let rows: Vec<Vec<String>> = all(usage, "roles").iter().map(|one| vec![
        match at(one, "/user_name") {
            name if name.is_empty() => at(one, "/user_id"),
            name => name,
        },
        at(one, "/role"), place(&one["given_in"]), at(one, "/group_id"), yes(&one["used"]),
        at(one, "/count"), at(one, "/last"), at(one, "/enough"),
    ]).collect();
    let head = ["USER", "ROLE", "GIVEN IN", "GROUP", "USED", "COUNT", "LAST", "ENOUGH"];
    let end = if usage["complete"] == true { "" } else { "; not all of them: ask for fewer days" };
    format!("{}\n\n{} entries from {} to {}{end}", show::table(&head, &rows), at(usage, "/entries"),
        at(usage, "/since"), at(usage, "/until"))
}

/// Guardrails that hold in a profile: its own and those of the profiles below it.
fn holding(answer: &Value, level: Option<&str>) -> Value {
    let rank = |word: &str| LEVELS.iter().position(|one| *one == word).unwrap_or(LEVELS.len());
    let most = level.map_or(LEVELS.len(), rank);
    let kept = all(answer, "guardrails").iter()
        .filter(|rail| rank(rail["profile"].as_str().unwrap_or_default()) <= most);
    json!({ "guardrails": kept.collect::<Vec<_>>() })
}

/// `jinyun access`.
pub fn run(wish: &Wish, command: Command) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let path = |name: &str| format!("{ACCESS}/{name}");
    match command {
        Command::Explain { request, sign_in } => {
            let mut members = vec![("request", Some(Value::from(request)))];
            members.extend(sign_in.members());
            let answer = session.ask("why", "POST", &path("explain"), Some(&object(members)))?;
            show::print(wish.output, &answer, || explained(&answer));
        }
        Command::Simulate(question) => {
            let body = question.body();
            let answer = session.ask("the question", "POST", &path("simulate"), Some(&body))?;
            let one = &answer["simulation"];
            show::print(wish.output, one, || decided(one));
        }
        Command::Unused { days, institution, never } => {
            let words = [("days", days.map(|days| days.to_string())), ("domain_id", institution)];
            let answer = session.get("the roles", &query(&path("unused"), &words))?;
            let mut usage = answer["usage"].clone();
            if let Some(roles) = usage["roles"].as_array_mut().filter(|_| never) {
                roles.retain(|one| one["used"] == false);
            }
            show::print(wish.output, &usage, || used(&usage));
        }
        Command::Guardrails { level } => {
            let answer = session.get("the guardrails", &path("guardrails"))?;
            let head = ["NAME", "PROFILE", "ALWAYS", "CLAUSES", "REFUSES"];
            let columns = ["/name", "/profile", "/always", "/clauses", "/refuses"];
            print_all(wish, &holding(&answer, level.as_deref()), "guardrails", &head, &columns);
        }
        Command::Violations { project, level } => {
            let words = [("project", project), ("profile", level)];
            let found = session.get("the project", &query(&path("guardrails/violations"), &words))?;
            show::print(wish.output, &found, || {
                let rows: Vec<Vec<String>> = all(&found, "violations").iter().map(|one| {
                    ["/guardrail", "/kind", "/id", "/clauses", "/says"].map(|name| at(one, name)).to_vec()
                }).collect();
                let head = ["GUARDRAIL", "KIND", "ID", "CLAUSES", "SAYS"];
                let excused = match at(&found, "/exceptions") {
                    names if names.is_empty() => String::new(),
                    names => format!("; excused from {}", show::plain(&names)),
                };
                format!("{}\n\nproject {}, profile {}{excused}", show::table(&head, &rows),
                    show::plain(&at(&found, "/project_id")), at(&found, "/profile"))
            });
        }
        Command::Profiles { level } => {
            let answer = session.all("the profiles", PROFILES, "profiles", &[("level", level)])?;
            let head = ["PROJECT", "LEVEL", "LOWERED TO", "INSTITUTION", "SET BY", "SET AT"];
            let columns = ["/project_id", "/level", "/lowered", "/domain_id", "/user_id", "/updated_at"];
            print_all(wish, &answer, "profiles", &head, &columns);
        }
        Command::Profile { project } => {
            print_one(wish, &session.get("the profile", &item(PROFILES, &project, ""))?);
        }
        Command::Statements { institution } => {
            let words = [("domain_id", institution)];
            let answer = session.all("the statements", &path("statements"), "statements", &words)?;
            let head = ["ID", "NAME", "EFFECT", "ACTIONS", "WHO", "DESCRIPTION"];
            let columns = ["/id", "/name", "/effect", "/actions", "/who", "/description"];
            print_all(wish, &answer, "statements", &head, &columns);
        }
        Command::Statement { id } => {
            let answer = session.get("the statement", &item(&path("statements"), &id, ""))?;
            print_one(wish, &answer);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    fn parse(line: &str) -> Option<Command> {
        let words = std::iter::once("access").chain(line.split_whitespace());
        Line::try_parse_from(words).ok().map(|line| line.command)
    }

    /// What is asked of the API, where it is asked with a body.
    fn asks(line: &str) -> Option<Value> {
        match parse(line)? {
            Command::Simulate(question) => Some(question.body()),
            Command::Explain { request, sign_in } => {
                let mut members = vec![("request", Some(Value::from(request)))];
                members.extend(sign_in.members());
                Some(object(members))
            }
            _ => Some(Value::Null),
        }
    }

    #[test]
    fn words_become_what_the_api_reads() {
        let cases = [
            ("simulate a:b:c", Some(json!({ "action": "a:b:c", "self": true }))),
            ("simulate a:b:c --user u --project p --resource server:x:y", Some(json!({
                "action": "a:b:c", "user_id": "u", "scope": { "project_id": "p" },
                "resource": { "kind": "server", "id": "x:y" },
            }))),
            ("simulate a:b:c --user u --institution d --new-in p --source 192.0.2.1 --token-age 7 \
              --method password --method totp --time 2026-01-31T08:00:00Z", Some(json!({
                "action": "a:b:c", "user_id": "u", "scope": { "domain_id": "d" },
                "resource": { "project_id": "p" }, "source": "192.0.2.1", "token_age": 7,
                "methods": ["password", "totp"], "time": "2026-01-31T08:00:00Z",
            }))),
            ("explain req-1", Some(json!({ "request": "req-1" }))),
            ("why req-1 --project p", Some(json!({ "request": "req-1", "scope": { "project_id": "p" } }))),
            ("unused --days 30 --never", Some(Value::Null)),
            ("violations --project p --level extended", Some(Value::Null)),
            ("guardrails --level basic", Some(Value::Null)),
            ("simulate", None),
            ("simulate a:b:c --resource server", None),
            ("simulate a:b:c --resource server:x --new-in p", None),
            ("simulate a:b:c --project p --institution d", None),
            ("simulate a:b:c --token-age -1", None),
            ("unused --days 0", None),
            ("unused --days 3661", None),
            ("violations --level strict", None),
            ("explain", None),
        ];
        for (line, want) in cases {
            assert_eq!(asks(line), want, "{line}");
        }
    }

    #[test]
    fn people_see_the_decision_and_its_grounds() {
        let told = decided(&json!({
            "decision": "refused", "refused_by": "statement", "says": "Statement s1 refuses it.",
            "user_id": "u", "scope": { "project_id": "p" }, "action": "a:b:c", "resource": null,
            "methods": ["password"], "rule": { "known": true, "allow": ["manager of the project"],
            "met": "manager of the project" }, "role": "manager", "duty": null, "approval": null,
            "consent": { "possible": false, "id": null },
            "roles": [{ "role": "manager", "given_in": { "domain_id": "d" }, "inherited": true,
                "group_id": null, "expires_at": null, "holds": true }],
            "statements": [{ "id": "s1", "name": "no\u{1b}[2Jthing", "effect": "deny", "says": "refuses",
                "condition": "source" }],
            "guardrails": { "profile": "extended", "judge": [{ "name": "port_security", "holds": true }] },
        }));
        for line in ["refused, by statement", "Statement s1 refuses it.", "project p", "institution d",
            "port_security  yes", "extended"] {
            assert!(told.contains(line), "{line}: {told}");
        }
        assert!(!told.contains('\u{1b}') && !told.contains("approval"), "{told}");

        let told = explained(&json!({ "request": "req-1", "refused": [{ "entry": {
            "number": 7, "place": 3, "time": "t", "action": "a:b:c", "actor_id": "u", "source": null,
            "target": null, "reason": { "code": "forbidden", "message": "no" } }, "now": null }] }));
        assert!(told.contains("7 (of the institution: 3)") && told.contains("forbidden: no"), "{told}");
        assert!(told.contains("is not decided"), "{told}");

        let told = used(&json!({ "since": "a", "until": "b", "entries": 9, "complete": false, "roles": [
            { "user_id": "u", "user_name": null, "role": "member", "given_in": { "project_id": "p" },
              "used": false, "count": 0, "last": null, "enough": "reader" }] }));
        assert!(told.contains("9 entries from a to b; not all") && told.contains("project p"), "{told}");
    }

    #[test]
    fn guardrails_hold_from_their_profile_on() {
        let answer = json!({ "guardrails": [{ "name": "a", "profile": "basic" },
            { "name": "b", "profile": "extended" }, { "name": "c", "profile": "enhanced" }] });
        for (level, want) in [(None, 3), (Some("basic"), 1), (Some("extended"), 2), (Some("enhanced"), 3)] {
            assert_eq!(all(&holding(&answer, level), "guardrails").len(), want, "{level:?}");
        }
    }
}
