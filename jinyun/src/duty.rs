//! `jinyun duty`, `jinyun risk` and `jinyun exception`: what people owe, what may go wrong, and what
//! does not apply for a time.
//!
//! The API takes JSON objects and gives JSON objects, so most of this is a table of which word of the
//! command line is which member. Days are of the calendar in UTC+8, written 2026-01-31.

use crate::fail::Failed;
use crate::session::{Session, Wish, query};
use crate::show;
use jinyun_rest::list::quoted;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const DUTIES: &str = "/governance/v1/duties";
const RECORDS: &str = "/governance/v1/records";
const REMINDERS: &str = "/governance/v1/reminders";
const RISKS: &str = "/governance/v1/risks";
const EXCEPTIONS: &str = "/governance/v1/exceptions";

/// What to do with duties.
#[derive(clap::Subcommand)]
pub enum Duty {
    /// List duties with how each stands.
    List {
        /// Only those of this standard, by its key: jrt0167, ...
        #[arg(long)]
        standard: Option<String>,
        /// Only those of this role, as the catalogue names it.
        #[arg(long)]
        owner: Option<String>,
        /// Only those that stand so.
        #[arg(long, value_parser = ["recorded", "due", "overdue", "unscheduled"])]
        state: Option<String>,
        /// Of this institution, by the domain's id (audit administrator).
        #[arg(long)]
        institution: Option<String>,
    },
    /// Show a duty: what its record must show, who answers for it, when it is due.
    Show {
        /// The clause's id, with @DOMAIN for an institution's own list.
        id: String,
    },
    /// Name who answers for a duty, or bring its day forward. An empty word takes away.
    Assign {
        /// The duty's id.
        id: String,
        /// Which role owes it.
        #[arg(long)]
        owner: Option<String>,
        /// The account that answers for it, by id.
        #[arg(long)]
        user: Option<String>,
        /// A day before which a record is wanted: 2026-01-31.
        #[arg(long)]
        due: Option<String>,
        /// How often: once, or each time such as P6M, P1Y or P2W (an institution's own list).
        #[arg(long)]
        every: Option<String>,
    },
    /// Record that a duty was done: by a file, or by a statement.
    Record(Box<Record>),
    /// List records, the newest first.
    Records {
        /// Only those of this duty.
        #[arg(long)]
        duty: Option<String>,
        /// Only those whose file is not as it was recorded, in this way.
        #[arg(long, value_parser = ["lost", "altered", "unreadable"])]
        damage: Option<String>,
    },
    /// Take a record out of account; it stays and says why.
    Withdraw {
        /// The record's id.
        record: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// List reminders that were told, the newest first.
    Reminders {
        /// Only those of this stage.
        #[arg(long, value_parser = ["soon", "overdue", "week", "month"])]
        stage: Option<String>,
    },
}

/// A record.
#[derive(clap::Args, Debug)]
pub struct Record {
    /// The duty's id.
    id: String,
    /// What it is, in a line.
    #[arg(long)]
    title: String,
    /// The first day of the period that it answers: 2026-01-31. That of --to if not given.
    #[arg(long)]
    from: Option<String>,
    /// The last day; today if not given.
    #[arg(long)]
    to: Option<String>,
    /// What sort of record; what the duty asks for if not given.
    #[arg(long, value_parser = ["document", "statement", "certificate", "report"])]
    kind: Option<String>,
    /// What is stated, or said about the file.
    #[arg(long, required_unless_present = "file")]
    statement: Option<String>,
    /// The file.
    #[arg(long)]
    file: Option<PathBuf>,
}

/// What to do with risks.
#[derive(clap::Subcommand)]
pub enum Risk {
    /// List risks, the newest first.
    List {
        /// Only those that stand so.
        #[arg(long, value_parser = ["identified", "assessed", "treated", "accepted", "expired",
            "closed"])]
        state: Option<String>,
        /// Only those of this clause.
        #[arg(long)]
        clause: Option<String>,
    },
    /// Show a risk.
    Show {
        /// The risk's id.
        id: String,
    },
    /// Write a risk up.
    Add {
        /// The clause that it is about.
        #[arg(long)]
        clause: Option<String>,
        #[command(flatten)]
        words: Words,
    },
    /// Assess a risk, or say what is done about it.
    Assess {
        /// The risk's id.
        id: String,
        #[command(flatten)]
        words: Words,
    },
    /// Accept a risk for a time: somebody else than who wrote it up or assessed it.
    Accept {
        /// The risk's id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// The last day, within a year: 2026-01-31.
        #[arg(long)]
        until: String,
    },
    /// Note who was told of a risk.
    Tell {
        /// The risk's id.
        id: String,
        /// Who, and how.
        text: String,
    },
    /// Close a risk.
    Close {
        /// The risk's id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// What is said about a risk.
#[derive(clap::Args, Debug)]
pub struct Words {
    /// In a line.
    #[arg(long)]
    title: Option<String>,
    /// What is threatened, by what.
    #[arg(long)]
    description: Option<String>,
    /// Who answers for it.
    #[arg(long)]
    owner: Option<String>,
    /// From 1, rare, to 5, almost certain.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=5))]
    likelihood: Option<i64>,
    /// From 1, slight, to 5, ruinous.
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=5))]
    impact: Option<i64>,
    /// What is done about it.
    #[arg(long, value_parser = ["avoid", "reduce", "transfer", "accept"])]
    treatment: Option<String>,
    /// How, and by when.
    #[arg(long)]
    plan: Option<String>,
    /// The day on which it is looked at again: 2026-01-31.
    #[arg(long)]
    review: Option<String>,
}

/// What to do with exceptions.
#[derive(clap::Subcommand)]
pub enum Exception {
    /// List exceptions, the newest first.
    List {
        /// Only those that stand so.
        #[arg(long, value_parser = ["asked", "approved", "refused", "ended", "expired"])]
        state: Option<String>,
    },
    /// Show an exception.
    Show {
        /// The exception's id.
        id: String,
    },
    /// Ask for one: that a clause does not apply, or that a guardrail is loosened in a project.
    Ask {
        /// The clause.
        #[arg(long, required_unless_present = "guardrail", conflicts_with = "guardrail")]
        clause: Option<String>,
        /// The guardrail.
        #[arg(long, requires = "project")]
        guardrail: Option<String>,
        /// In this project, by id.
        #[arg(long)]
        project: Option<String>,
        /// Why.
        #[arg(long)]
        reason: String,
        /// The last day, within a year: 2026-01-31.
        #[arg(long)]
        expires: String,
    },
    /// Approve one that somebody else asked for.
    Approve {
        /// The exception's id.
        id: String,
        /// Why; it stands in the journal.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Do not approve it.
    Refuse {
        /// The exception's id.
        id: String,
        /// Why; it stands in the journal.
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// End one before its time.
    End {
        /// The exception's id.
        id: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// A path below a collection; the id is quoted, so it cannot become another path.
fn item(all: &str, id: &str, word: &str) -> String {
    format!("{all}/{}{word}", quoted(id))
}

/// An object of what was given, under its name.
fn body(name: &str, members: Vec<(&str, Option<Value>)>) -> Value {
    let given: Map<String, Value> = members.into_iter()
        .filter_map(|(name, value)| Some((name.to_string(), value?))).collect();
    Value::Object(Map::from_iter([(name.to_string(), Value::Object(given))]))
}

fn text(value: Option<String>) -> Option<Value> {
    value.map(Value::from)
}

impl Words {
    fn body(self, clause: Option<String>) -> Value {
        body("risk", vec![
            ("clause", text(clause)), ("title", text(self.title)),
            ("description", text(self.description)), ("owner", text(self.owner)),
            ("likelihood", self.likelihood.map(Value::from)),
            ("impact", self.impact.map(Value::from)), ("treatment", text(self.treatment)),
            ("plan", text(self.plan)), ("review", text(self.review)),
        ])
    }
}

/// Prints one thing out of its envelope.
fn print_one(wish: &Wish, answer: &Value) {
    let one = answer.as_object().and_then(|o| o.values().next()).unwrap_or(answer);
    show::print(wish.output, one, || show::yaml(one));
}

fn print_all(wish: &Wish, answer: &Value, columns: &[(&str, &str)]) {
    let all = answer.as_object().and_then(|o| o.values().next()).cloned().unwrap_or_default();
    let cell = |one: &Value, at: &str| one.pointer(at).map(show::cell).unwrap_or_default();
    let rows: Vec<Vec<String>> = all.as_array().into_iter().flatten()
        .map(|one| columns.iter().map(|(_, at)| cell(one, at)).collect()).collect();
    let head: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    show::print(wish.output, &all, || show::table(&head, &rows));
}

/// `jinyun duty`.
pub fn duty(wish: &Wish, command: Duty) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let answer = match command {
        Duty::List { standard, owner, state, institution } => {
            let words = [("standard", standard), ("owner", owner), ("state", state),
                ("domain_id", institution)];
            let answer = session.all("the duties", DUTIES, "duties", &words)?;
            print_all(wish, &answer, &[("ID", "/id"), ("STATE", "/state"), ("DUE", "/due"),
                ("LAST", "/last"), ("EVERY", "/every"), ("RECORD", "/record"), ("OWNER", "/owner"),
                ("DAMAGED RECORDS", "/damaged"), ("SHOWS", "/shows_en")]);
            return Ok(());
        }
        Duty::Show { id } => session.get("the duty", &item(DUTIES, &id, ""))?,
        Duty::Assign { id, owner, user, due, every } => {
            // An empty word takes away what was said before.
            let word = |value: Option<String>| {
                value.map(|text| if text.is_empty() { Value::Null } else { text.into() })
            };
            let body = body("duty", vec![("owner", word(owner)), ("user_id", word(user)),
                ("due", word(due)), ("every", word(every))]);
            session.ask("the duty", "PATCH", &item(DUTIES, &id, ""), Some(&body))?
        }
        Duty::Record(record) => record.send(&session)?,
        Duty::Records { duty, damage } => {
            let words = [("duty", duty), ("damage", damage)];
            let answer = session.all("the records", RECORDS, "records", &words)?;
            print_all(wish, &answer, &[("ID", "/id"), ("DUTY", "/duty"), ("FROM", "/from"),
                ("TO", "/to"), ("KIND", "/kind"), ("BY", "/user_id"), ("RECORDED", "/recorded_at"),
                ("WITHDRAWN", "/withdrawn/at"), ("DAMAGE", "/damage"), ("TITLE", "/title")]);
            return Ok(());
        }
        Duty::Withdraw { record, reason } => {
            let body = body("withdrawal", vec![("reason", Some(reason.into()))]);
            session.ask("the record", "POST", &item(RECORDS, &record, "/withdraw"), Some(&body))?
        }
        Duty::Reminders { stage } => {
            let answer = session.all("the reminders", REMINDERS, "reminders", &[("stage", stage)])?;
            print_all(wish, &answer, &[("DUTY", "/duty"), ("DUE", "/due"), ("STAGE", "/stage"),
                ("TO", "/to"), ("USER", "/user_id"), ("TOLD", "/told_at")]);
            return Ok(());
        }
    };
    print_one(wish, &answer);
    Ok(())
}

impl Record {
    fn send(self, session: &Session) -> Result<Value, Failed> {
        let Record { id, title, from, to, kind, statement, file } = self;
        let Some(file) = file else {
            let body = body("record", vec![("title", Some(title.into())), ("from", text(from)),
                ("to", text(to)), ("kind", text(kind)), ("statement", text(statement))]);
            return session.ask("the record", "POST", &item(DUTIES, &id, "/records"), Some(&body));
        };
        let path = query(&item(DUTIES, &id, "/file"), &[("title", Some(title)), ("from", from),
            ("to", to), ("kind", kind), ("statement", statement)]);
        session.upload("the record", &path, &file)
    }
}

/// `jinyun risk`.
pub fn risk(wish: &Wish, command: Risk) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let post = |id: &str, word: &str, body: Value| {
        session.ask("the risk", "POST", &item(RISKS, id, word), Some(&body))
    };
    let answer = match command {
        Risk::List { state, clause } => {
            let words = [("state", state), ("clause", clause)];
            let answer = session.all("the risks", RISKS, "risks", &words)?;
            print_all(wish, &answer, &[("ID", "/id"), ("STATE", "/state"), ("SCORE", "/score"),
                ("TREATMENT", "/treatment"), ("REVIEW", "/review"), ("UNTIL", "/accepted_until"),
                ("MET SINCE", "/met_since"), ("OWNER", "/owner"), ("TITLE", "/title")]);
            return Ok(());
        }
        Risk::Show { id } => session.get("the risk", &item(RISKS, &id, ""))?,
        Risk::Add { clause, words } => {
            session.ask("the risk", "POST", RISKS, Some(&words.body(clause)))?
        }
        Risk::Assess { id, words } => {
            session.ask("the risk", "PATCH", &item(RISKS, &id, ""), Some(&words.body(None)))?
        }
        Risk::Accept { id, reason, until } => {
            let body = json!({ "acceptance": { "reason": reason, "until": until } });
            post(&id, "/accept", body)?
        }
        Risk::Tell { id, text } => post(&id, "/tell", json!({ "told": { "text": text } }))?,
        Risk::Close { id, reason } => {
            post(&id, "/close", json!({ "closing": { "text": reason } }))?
        }
    };
    print_one(wish, &answer);
    Ok(())
}

/// `jinyun exception`.
pub fn exception(wish: &Wish, command: Exception) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let vote = |id: &str, approve: bool, comment: String| {
        let body = json!({ "vote": { "approve": approve, "comment": comment } });
        session.ask("the vote", "POST", &item(EXCEPTIONS, id, "/vote"), Some(&body))
    };
    let answer = match command {
        Exception::List { state } => {
            let answer = session.all("the exceptions", EXCEPTIONS, "exceptions", &[("state", state)])?;
            print_all(wish, &answer, &[("ID", "/id"), ("STATE", "/state"), ("CLAUSE", "/clause"),
                ("GUARDRAIL", "/guardrail"), ("PROJECT", "/project_id"), ("EXPIRES", "/expires"),
                ("ASKED BY", "/user_id"), ("DECIDED BY", "/verdict/user_id"), ("REASON", "/reason")]);
            return Ok(());
        }
        Exception::Show { id } => session.get("the exception", &item(EXCEPTIONS, &id, ""))?,
        Exception::Ask { clause, guardrail, project, reason, expires } => {
            let body = body("exception", vec![("clause", text(clause)),
                ("guardrail", text(guardrail)), ("project_id", text(project)),
                ("reason", Some(reason.into())), ("expires", Some(expires.into()))]);
            session.ask("the exception", "POST", EXCEPTIONS, Some(&body))?
        }
        Exception::Approve { id, comment } => vote(&id, true, comment)?,
        Exception::Refuse { id, comment } => vote(&id, false, comment)?,
        Exception::End { id, reason } => {
            let body = json!({ "end": { "reason": reason } });
            session.ask("the exception", "POST", &item(EXCEPTIONS, &id, "/end"), Some(&body))?
        }
    };
    print_one(wish, &answer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// A line as it was read; most of it is only read to see whether it can be.
    #[allow(dead_code)]
    #[derive(Parser)]
    enum Line {
        #[command(subcommand)]
        Duty(Duty),
        #[command(subcommand)]
        Risk(Box<Risk>),
        #[command(subcommand)]
        Exception(Exception),
    }

    fn parse(words: &[&str]) -> Option<Line> {
        Line::try_parse_from([&["jinyun"][..], words].concat()).ok()
    }

    #[test]
    fn words_become_what_the_api_reads() {
        let add = ["risk", "add", "--title", "fire", "--likelihood", "2", "--clause", "6.1-B-1"];
        let Some(Line::Risk(risk)) = parse(&add) else { panic!("not read") };
        let Risk::Add { clause, words } = *risk else { panic!("something else") };
        let want = json!({ "risk": { "title": "fire", "likelihood": 2, "clause": "6.1-B-1" } });
        assert_eq!(words.body(clause), want);
        assert_eq!(item(DUTIES, "7.9-B-a@bank/x", ""), "/governance/v1/duties/7.9-B-a%40bank%2Fx");
    }

    #[test]
    fn lines_that_say_too_little_or_too_much_are_refused() {
        for (line, good) in [
            ("risk add --title t --impact 6", false),
            ("risk add --title t --treatment ignore", false),
            ("risk accept r1 --reason x", false),
            ("risk accept r1 --reason x --until 2026-05-01", true),
            ("duty record 6.1-B-1 --title t", false),
            ("duty record 6.1-B-1 --title t --file x.pdf", true),
            ("duty record 6.1-B-1 --title t --statement s --kind poem", false),
            ("duty record 6.1-B-1 --title t --statement s", true),
            ("duty assign 6.1-B-1 --user=", true),
            ("exception ask --reason r --expires 2026-05-01", false),
            ("exception ask --reason r --expires 2026-05-01 --clause 6.1-B-1", true),
            ("exception ask --reason r --expires 2026-05-01 --clause 6.1-B-1 --project p", true),
            ("exception ask --reason r --expires 2026-05-01 --guardrail profile", false),
            ("exception ask --reason r --expires 2026-05-01 --guardrail profile --project p", true),
            ("exception ask --reason r --expires 2026-05-01 --guardrail g --project p --clause c", false),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(parse(&words).is_some(), good, "{line}");
        }
    }
}
