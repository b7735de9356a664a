//! `jinyun approval` and `jinyun consent`: what waits for somebody's yes, and what an institution
//! lets the provider's staff do.
//!
//! A yes is given with a comment and stands in the journal under the voter's name. Nothing is asked
//! back at the terminal: whoever types a request's id has looked at it with `show`.

use crate::fail::Failed;
use crate::rule;
use crate::session::{Session, Wish};
use crate::show;
use serde_json::{Map, Value, json};

const REQUESTS: &str = "/approval/v1/requests";
const CONSENTS: &str = "/approval/v1/consents";

/// What to do with requests for approval.
#[derive(clap::Subcommand)]
pub enum Approval {
    /// List requests, the newest first.
    List {
        /// Only those that I asked for.
        #[arg(long)]
        mine: bool,
        /// Only those that wait for my vote.
        #[arg(long)]
        waiting: bool,
        /// Only those that stand so.
        #[arg(long, value_parser = ["waiting", "approved", "done", "refused", "expired", "lapsed",
            "withdrawn", "failed"])]
        state: Option<String>,
    },
    /// Show a request: what will run, what it changes, who has voted.
    Show {
        /// The request's id.
        id: String,
    },
    /// Vote yes.
    Approve {
        /// The request's id.
        id: String,
        /// Why; it stands in the journal.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Vote no, which ends it.
    Refuse {
        /// The request's id.
        id: String,
        /// Why; it stands in the journal.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Say why one asks, where a rule wants to know.
    Explain {
        /// The request's id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Take back what one asked for.
    Withdraw {
        /// The request's id.
        id: String,
    },
    /// Rules: which commands wait, and for whom.
    Rule {
        #[command(subcommand)]
        command: rule::Rule,
    },
}

/// What to do with consents.
#[derive(clap::Subcommand)]
pub enum Consent {
    /// List consents, the newest first.
    List {
        /// Only those that wait or hold.
        #[arg(long)]
        open: bool,
    },
    /// Show a consent.
    Show {
        /// The consent's id.
        id: String,
    },
    /// Grant one that the provider's staff asked for, by its id; or, without one, a new one.
    Grant {
        /// The consent's id.
        #[arg(conflicts_with_all = ["action", "duty", "user", "project", "resource", "from", "until",
            "reason", "contract"])]
        id: Option<String>,
        /// Why one that was asked for is granted; it stands in the journal. A new one has a --reason.
        #[arg(long, default_value = "", requires = "id", conflicts_with = "action")]
        comment: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Ask an institution for a consent (the provider's staff).
    Ask {
        /// The institution, by the domain's id.
        #[arg(long)]
        institution: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Do not grant one that was asked for.
    Refuse {
        /// The consent's id.
        id: String,
        /// Why; it stands in the journal.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// End a granted one: the next use is refused.
    Revoke {
        /// The consent's id.
        id: String,
        /// Why; it stands in the journal.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Take back what one asked for.
    Withdraw {
        /// The consent's id.
        id: String,
    },
}

/// What a consent is about.
#[derive(clap::Args, Debug)]
pub struct Terms {
    /// What may be done: an action, or a pattern like compute:server:*. May be given several times.
    #[arg(long)]
    action: Vec<String>,
    /// By staff on this duty.
    #[arg(long, value_parser = ["system_admin", "security_admin"], conflicts_with = "user")]
    duty: Option<String>,
    /// By this member of the staff, by id.
    #[arg(long)]
    user: Option<String>,
    /// In this project alone, by id.
    #[arg(long)]
    project: Option<String>,
    /// On this thing alone: KIND:ID.
    #[arg(long, value_parser = thing)]
    resource: Option<Thing>,
    /// From when: 2026-01-31T08:00:00Z. From now on if not given.
    #[arg(long)]
    from: Option<String>,
    /// Until when: 2026-01-31T08:00:00Z.
    #[arg(long)]
    until: Option<String>,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
    /// It stands until it is revoked, as this contract says.
    #[arg(long)]
    contract: Option<String>,
}

/// Kind and id of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thing {
    kind: String,
    id: String,
}

fn thing(text: &str) -> Result<Thing, String> {
    match text.split_once(':') {
        Some((kind, id)) if !kind.is_empty() && !id.is_empty() => {
            Ok(Thing { kind: kind.into(), id: id.into() })
        }
        _ => Err("must be KIND:ID, like server:3f0c...".into()),
    }
}

impl Terms {
    /// As the API takes them; what is not given is left out.
    fn body(&self, institution: Option<&str>) -> Value {
        let text = |value: &Option<String>| value.clone().map(Value::from);
        let members = [
            ("domain_id", institution.map(Value::from)),
            ("project_id", text(&self.project)),
            ("resource", self.resource.as_ref().map(|t| json!({ "kind": t.kind, "id": t.id }))),
            ("duty", text(&self.duty)),
            ("user_id", text(&self.user)),
            ("actions", Some(json!(self.action))),
            ("from", text(&self.from)),
            ("until", text(&self.until)),
            ("reason", text(&self.reason)),
            ("standing", self.contract.as_ref().map(|_| true.into())),
            ("contract", text(&self.contract)),
        ];
        let given: Map<String, Value> = members.into_iter()
            .filter_map(|(name, value)| Some((name.to_string(), value?))).collect();
        json!({ "consent": given })
    }
}

/// A path below a collection; the id is quoted, so it cannot become another path.
pub(crate) fn item(all: &str, id: &str, word: &str) -> String {
    format!("{all}/{}{word}", jinyun_rest::list::quoted(id))
}

fn vote(approve: bool, comment: &str) -> Value {
    json!({ "approve": approve, "comment": comment })
}

/// Prints one thing out of its envelope.
pub(crate) fn print_one(wish: &Wish, answer: &Value) {
    let Some(one) = answer.as_object().and_then(|o| o.values().next()) else {
        // What was decided took its own place away.
        return show::print(wish.output, &Value::Null, || "done".into());
    };
    show::print(wish.output, one, || show::yaml(one));
}

pub(crate) fn print_all(wish: &Wish, answer: &Value, name: &str, head: &[&str], columns: &[&str]) {
    let all = answer[name].as_array().cloned().unwrap_or_default();
    let text = |one: &Value, at: &str| one.pointer(at).map(show::cell).unwrap_or_default();
    let rows: Vec<Vec<String>> =
        all.iter().map(|one| columns.iter().map(|at| text(one, at)).collect()).collect();
    show::print(wish.output, &Value::from(all), || show::table(head, &rows));
}

/// `jinyun approval`.
pub fn approval(wish: &Wish, command: Approval) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let post = |what: &str, id: &str, word: &str, body: Option<Value>| {
        session.ask(what, "POST", &item(REQUESTS, id, word), body.as_ref())
    };
    let answer = match command {
        Approval::List { mine, waiting, state } => {
            let yes = |on: bool| on.then(|| "true".to_string());
            let words = [("mine", yes(mine)), ("waiting_for_me", yes(waiting)), ("state", state)];
            let answer = session.all("the requests", REQUESTS, "requests", &words)?;
            let head = ["ID", "STATE", "ACTION", "KIND", "TARGET", "ASKED BY", "ASKED AT", "DEADLINE"];
            let columns = ["/id", "/state", "/action", "/target/kind", "/target/id", "/asked_by",
                "/asked_at", "/deadline"];
            print_all(wish, &answer, "requests", &head, &columns);
            return Ok(());
        }
        Approval::Show { id } => session.get("the request", &item(REQUESTS, &id, ""))?,
        Approval::Approve { id, comment } => {
            post("the vote", &id, "/vote", Some(vote(true, &comment)))?
        }
        Approval::Refuse { id, comment } => {
            post("the vote", &id, "/vote", Some(vote(false, &comment)))?
        }
        Approval::Explain { id, reason } => {
            post("the reason", &id, "/reason", Some(json!({ "reason": reason })))?
        }
        Approval::Withdraw { id } => post("withdrawing the request", &id, "/withdraw", None)?,
        Approval::Rule { command } => return rule::run(&session, wish, command),
    };
    print_one(wish, &answer);
    Ok(())
}

/// `jinyun consent`.
pub fn consent(wish: &Wish, command: Consent) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let post = |what: &str, path: &str, body: Option<Value>| {
        session.ask(what, "POST", path, body.as_ref())
    };
    let answer = match command {
        Consent::List { open } => {
            let words = [("open", open.then(|| "true".to_string()))];
            let answer = session.all("the consents", CONSENTS, "consents", &words)?;
            let head = ["ID", "STATE", "INSTITUTION", "DUTY", "USER", "ACTIONS", "FROM", "UNTIL"];
            let columns = ["/id", "/state", "/domain_id", "/duty", "/user_id", "/actions", "/from",
                "/until"];
            print_all(wish, &answer, "consents", &head, &columns);
            return Ok(());
        }
        Consent::Show { id } => session.get("the consent", &item(CONSENTS, &id, ""))?,
        Consent::Grant { id: Some(id), comment, .. } => {
            post("the consent", &item(CONSENTS, &id, "/vote"), Some(vote(true, &comment)))?
        }
        Consent::Grant { id: None, terms, .. } => {
            post("the consent", CONSENTS, Some(terms.body(None)))?
        }
        Consent::Ask { institution, terms } => {
            post("asking for the consent", CONSENTS, Some(terms.body(Some(&institution))))?
        }
        Consent::Refuse { id, comment } => {
            post("the consent", &item(CONSENTS, &id, "/vote"), Some(vote(false, &comment)))?
        }
        Consent::Revoke { id, comment } => {
            let body = json!({ "comment": comment });
            post("revoking the consent", &item(CONSENTS, &id, "/revoke"), Some(body))?
        }
        Consent::Withdraw { id } => {
            post("withdrawing the consent", &item(CONSENTS, &id, "/withdraw"), None)?
        }
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
        command: Consent,
    }

    fn grant(words: &[&str]) -> Option<Value> {
        let words = [&["consent", "grant"][..], words].concat();
        match Line::try_parse_from(words).ok()?.command {
            Consent::Grant { id: None, terms, .. } => Some(terms.body(None)),
            Consent::Grant { id: Some(id), .. } => Some(id.into()),
            _ => None,
        }
    }

    #[test]
    fn terms_are_asked_for_as_the_api_reads_them() {
        let cases: [(&[&str], Option<Value>); 11] = [
            (&["c1"], Some("c1".into())),
            (&["c1", "--comment", "as agreed"], Some("c1".into())),
            (&["c1", "--action", "a:b:c"], None),
            // What would be left out of account is refused.
            (&["c1", "--reason", "disk"], None),
            (&["c1", "--from", "2026-01-31T08:00:00Z"], None),
            (&["c1", "--contract", "7"], None),
            (&["--action", "a:b:c", "--comment", "as agreed"], None),
            (&["--action", "compute:server:*", "--action", "a:b:c", "--duty", "system_admin",
                "--until", "2026-01-31T08:00:00Z", "--reason", "disk"], Some(json!({ "consent": {
                "actions": ["compute:server:*", "a:b:c"], "duty": "system_admin",
                "until": "2026-01-31T08:00:00Z", "reason": "disk" } }))),
            (&["--action", "a:b:c", "--user", "u", "--resource", "server:x:y", "--contract", "7"],
                Some(json!({ "consent": { "actions": ["a:b:c"], "user_id": "u", "standing": true,
                "contract": "7", "resource": { "kind": "server", "id": "x:y" } } }))),
            (&["--action", "a:b:c", "--user", "u", "--duty", "system_admin"], None),
            (&["--action", "a:b:c", "--resource", "server"], None),
        ];
        for (words, want) in cases {
            assert_eq!(grant(words), want, "{words:?}");
        }
    }

    #[test]
    fn an_id_stays_in_its_place() {
        assert_eq!(item(REQUESTS, "../x?y", "/vote"), "/approval/v1/requests/..%2Fx%3Fy/vote");
    }
}
