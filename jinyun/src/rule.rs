//! `jinyun approval rule`: which commands wait for somebody's yes, and for whose.
//!
//! A rule is an institution's, written by its manager, or the platform's, written by the security
//! administrator for what the provider's staff does. A stage is one word of the command line and not
//! several options, since a rule may have more than one and their order counts.

use crate::approval::{item, print_all, print_one};
use crate::fail::Failed;
use crate::session::{Session, Wish};
use serde_json::{Map, Value, json};

const RULES: &str = "/approval/v1/rules";

/// What to do with rules.
#[derive(clap::Subcommand, Debug)]
pub enum Rule {
    /// List rules.
    List,
    /// Show a rule.
    Show {
        /// The rule's id.
        id: String,
    },
    /// Write a rule: what it catches waits from then on.
    Add(Box<New>),
    /// Remove a rule. One that is guarded waits for its own stages.
    Remove {
        /// The rule's id.
        id: String,
    },
}

/// A rule.
#[derive(clap::Args, Debug)]
pub struct New {
    /// Its name.
    #[arg(long)]
    name: String,
    /// What waits: service:kind:verb; kind and verb may be *.
    #[arg(long)]
    action: String,
    /// Who votes: manager:domain, member:project, users:ID,ID, groups:ID or duty:security_admin, and
    /// how many of them (manager:domain:2). May be given up to five times, in order.
    #[arg(long, required = true, value_parser = stage)]
    stage: Vec<Value>,
    /// Seconds for voting, from a minute to 30 days.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400,
        value_parser = clap::value_parser!(u32).range(60..=2_592_000))]
    deadline: u32,
    /// In this project alone, by id.
    #[arg(long)]
    project: Option<String>,
    /// Only where the project has this tag.
    #[arg(long)]
    tag: Option<String>,
    /// Only where it has not.
    #[arg(long)]
    no_tag: Option<String>,
    /// For people.
    #[arg(long)]
    description: Option<String>,
    /// Days on which an approved command may run, of mon, tue, wed, thu, fri, sat, sun: sat,sun.
    #[arg(long, value_delimiter = ',', requires_all = ["from", "to"])]
    days: Vec<String>,
    /// From when on those days, in UTC+8: 22:00.
    #[arg(long, requires = "days")]
    from: Option<String>,
    /// Until when; if it is not later than --from, on the next day.
    #[arg(long, requires = "days")]
    to: Option<String>,
    /// Nobody votes before whoever asked has said why.
    #[arg(long)]
    reason_required: bool,
    /// The rule is changed and removed only by its own stages.
    #[arg(long)]
    guarded: bool,
}

/// Reads a stage.
fn stage(text: &str) -> Result<Value, String> {
    let bad = || "must be like manager:domain, member:project:2, users:ID,ID or duty:security_admin";
    let (kind, whom, count) = match text.split(':').collect::<Vec<_>>()[..] {
        [kind, whom] => (kind, whom, 1),
        [kind, whom, count] => (kind, whom, count.parse::<u8>().map_err(|_| bad())?),
        _ => return Err(bad().into()),
    };
    let ids = || whom.split(',').collect::<Vec<_>>();
    let mut stage = match kind {
        _ if whom.is_empty() => return Err(bad().into()),
        "member" | "manager" if matches!(whom, "project" | "domain") => {
            json!({ "role": kind, "in": whom })
        }
        "users" => json!({ "users": ids() }),
        "groups" => json!({ "groups": ids() }),
        "duty" => json!({ "duty": whom }),
        _ => return Err(bad().into()),
    };
    stage["count"] = count.into();
    Ok(stage)
}

impl New {
    /// As the API takes it; what is not given is left out.
    fn body(self) -> Value {
        let text = |value: Option<String>| value.map(Value::from);
        let when: Vec<Value> = [("project_tag", self.tag), ("no_project_tag", self.no_tag)].into_iter()
            .filter_map(|(name, tag)| Some(json!({ name: tag? }))).collect();
        let window = (!self.days.is_empty())
            .then(|| json!({ "days": self.days, "from": self.from, "to": self.to }));
        let members = [
            ("name", Some(self.name.into())),
            ("action", Some(self.action.into())),
            ("stages", Some(self.stage.into())),
            ("deadline", Some(self.deadline.into())),
            ("project_id", text(self.project)),
            ("description", text(self.description)),
            ("when", (!when.is_empty()).then(|| when.into())),
            ("window", window),
            ("reason_required", self.reason_required.then(|| true.into())),
            ("guarded", self.guarded.then(|| true.into())),
        ];
        let given: Map<String, Value> = members.into_iter()
            .filter_map(|(name, value)| Some((name.to_string(), value?))).collect();
        json!({ "rule": given })
    }
}

/// Runs it.
pub fn run(session: &Session, wish: &Wish, command: Rule) -> Result<(), Failed> {
    let answer = match command {
        Rule::List => {
            let answer = session.all("the rules", RULES, "rules", &[])?;
            let head = ["ID", "NAME", "ACTION", "PROJECT", "DEADLINE", "GUARDED", "STAGES"];
            let columns = ["/id", "/name", "/action", "/project_id", "/deadline", "/guarded", "/stages"];
            print_all(wish, &answer, "rules", &head, &columns);
            return Ok(());
        }
        Rule::Show { id } => session.get("the rule", &item(RULES, &id, ""))?,
        Rule::Add(new) => session.ask("the rule", "POST", RULES, Some(&new.body()))?,
        Rule::Remove { id } => session.ask("the rule", "DELETE", &item(RULES, &id, ""), None)?,
    };
    print_one(wish, &answer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: Rule,
    }

    fn add(line: &str) -> Option<Value> {
        let line = format!("rule add --name n --action a:b:c {line}");
        match Line::try_parse_from(line.split_whitespace()).ok()?.command {
            Rule::Add(new) => Some(new.body()),
            _ => None,
        }
    }

    #[test]
    fn words_become_what_the_api_reads() {
        let rule = |more: Value| {
            let mut rule = json!({ "name": "n", "action": "a:b:c", "deadline": 86_400 });
            let more = more.as_object().cloned().unwrap_or_default();
            rule.as_object_mut().unwrap().extend(more);
            Some(json!({ "rule": rule }))
        };
        let manager = json!({ "role": "manager", "in": "domain", "count": 1 });
        let cases = [
            ("--stage manager:domain", rule(json!({ "stages": [manager] }))),
            ("--stage manager:domain --stage users:u,v:2 --deadline 60 --project p --guarded", rule(json!({
                "stages": [manager, { "users": ["u", "v"], "count": 2 }], "deadline": 60,
                "project_id": "p", "guarded": true,
            }))),
            ("--stage duty:security_admin --tag t --days sat,sun --from 22:00 --to 04:00", rule(json!({
                "stages": [{ "duty": "security_admin", "count": 1 }], "when": [{ "project_tag": "t" }],
                "window": { "days": ["sat", "sun"], "from": "22:00", "to": "04:00" },
            }))),
            ("", None),
            ("--stage manager", None),
            ("--stage manager:", None),
            ("--stage manager:world", None),
            ("--stage reader:domain", None),
            ("--stage manager:domain:many", None),
            ("--stage manager:domain --days sat", None),
            ("--stage manager:domain --deadline 59", None),
            ("--stage manager:domain --deadline 2592001", None),
        ];
        for (line, want) in cases {
            assert_eq!(add(line), want, "{line}");
        }
    }
}
