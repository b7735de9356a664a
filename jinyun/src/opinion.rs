//! `jinyun opinion` and `jinyun sample`: what an assessor says, and what an assessor picks.
//!
//! An assessor's word is written down by the audit administrator and stands beside the platform's own
//! verdicts. A sample proves something only if whoever is assessed could not choose it. So it is drawn
//! by a rule that anybody can repeat, from a list and from words that nobody knew when the list was
//! made, and not by a dice of this program's that nobody else can throw again.

use crate::approval::{item, print_all, print_one};
use crate::fail::{FAILED, Failed};
use crate::session::{Session, Wish};
use crate::{say, show};
use jinyun_base::Fault;
use jinyun_journal::HashKind;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

const OPINIONS: &str = "/governance/v1/opinions";
/// The longest list, in bytes.
const LONGEST: u64 = 64 << 20;

/// What to do with opinions.
#[derive(clap::Subcommand)]
pub enum Opinion {
    /// List opinions, the newest first.
    List {
        /// Only those of this clause.
        #[arg(long)]
        clause: Option<String>,
        /// Only those of this organisation.
        #[arg(long)]
        assessor: Option<String>,
        /// Only those that say so.
        #[arg(long, value_parser = ["agree", "disagree", "note"])]
        says: Option<String>,
    },
    /// Show an opinion.
    Show {
        /// The opinion's id.
        id: String,
    },
    /// Write down what an assessor says (audit administrator). It is never changed, only followed.
    Add(Box<New>),
}

/// An opinion.
#[derive(clap::Args, Debug)]
pub struct New {
    /// The organisation whose word it is.
    #[arg(long)]
    assessor: String,
    /// What it says of the platform's verdict.
    #[arg(long, value_parser = ["agree", "disagree", "note"])]
    says: String,
    /// The clause; the whole assessment if not given.
    #[arg(long)]
    clause: Option<String>,
    /// Why.
    #[arg(long)]
    text: Option<String>,
    /// A thing that was looked at: an id, a name, an entry's number. May be given several times.
    #[arg(long)]
    sample: Vec<String>,
    /// A file with such things, one on each line.
    #[arg(long)]
    sample_file: Option<PathBuf>,
    /// What the next probes have to carry: letters, digits, dots, dashes, underscores.
    #[arg(long)]
    nonce: Option<String>,
    /// SHA-256 of the report that it is about.
    #[arg(long)]
    report: Option<String>,
}

/// A sample to be drawn.
#[derive(clap::Args, Debug)]
pub struct Draw {
    /// How many lines, 1 to 200.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=200))]
    count: u16,
    /// Words that nobody knew when the list was made: what dice showed.
    #[arg(long, value_parser = seed)]
    seed: String,
    /// The list, a thing on each line; standard input if not given.
    file: Option<PathBuf>,
}

/// Reads a seed. Without words in it anybody could have foreseen the sample.
fn seed(text: &str) -> Result<String, String> {
    match text.trim().is_empty() {
        true => Err("it must have words in it that nobody knew when the list was made".into()),
        false => Ok(text.into()),
    }
}

impl New {
    /// As the API takes it; what is not given is left out.
    fn body(self, more: Vec<String>) -> Value {
        let text = |value: Option<String>| value.map(Value::from);
        let sample: Vec<String> = self.sample.into_iter().chain(more).collect();
        let members = [
            ("assessor", Some(self.assessor.into())),
            ("says", Some(self.says.into())),
            ("clause", text(self.clause)),
            ("text", text(self.text)),
            ("sample", (!sample.is_empty()).then(|| sample.into())),
            ("nonce", text(self.nonce)),
            ("report", text(self.report)),
        ];
        let given: Map<String, Value> = members.into_iter()
            .filter_map(|(name, value)| Some((name.to_string(), value?))).collect();
        json!({ "opinion": given })
    }
}

/// Reads a list.
fn list(file: Option<&Path>) -> Result<String, Failed> {
    let name = file.map_or("standard input".into(), |path| path.display().to_string());
    let bad = |e: std::io::Error| Fault::new(format!("{name}: {e}"));
    let mut text = String::new();
    let read = match file {
        Some(path) => File::open(path).map_err(bad)?.take(LONGEST).read_to_string(&mut text),
        None => std::io::stdin().lock().take(LONGEST).read_to_string(&mut text),
    };
    match read.map_err(bad)? {
        bytes if u64::try_from(bytes).unwrap_or(u64::MAX) >= LONGEST => {
            Err(Failed::new(FAILED, format!("{name}: longer than {LONGEST} bytes: take a part of it")))
        }
        _ => Ok(text),
    }
}

/// The things of a list: its lines, each once, without the empty ones.
fn things(text: &str) -> BTreeSet<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// The things that come first by SHA-256 over a zero byte, the seed, a line end, and the thing. A
/// larger sample with the same seed begins with the smaller one.
fn drawn<'a>(all: &BTreeSet<&'a str>, seed: &str, count: usize) -> Vec<&'a str> {
    let rank = |thing: &str| HashKind::Sha256.leaf(format!("{seed}\n{thing}").as_bytes());
    let mut ranked: Vec<_> = all.iter().copied().map(|thing| (rank(thing), thing)).collect();
    ranked.sort_unstable();
    ranked.into_iter().take(count).map(|(_, thing)| thing).collect()
}

/// `jinyun opinion`.
pub fn opinion(wish: &Wish, command: Opinion) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let answer = match command {
        Opinion::List { clause, assessor, says } => {
            let words = [("clause", clause), ("assessor", assessor), ("says", says)];
            let answer = session.all("the opinions", OPINIONS, "opinions", &words)?;
            let head = ["ID", "AT", "CLAUSE", "SAYS", "ASSESSOR", "NONCE", "SAMPLE", "TEXT"];
            let columns = ["/id", "/at", "/clause", "/says", "/assessor", "/nonce", "/sample", "/text"];
            print_all(wish, &answer, "opinions", &head, &columns);
            return Ok(());
        }
        Opinion::Show { id } => session.get("the opinion", &item(OPINIONS, &id, ""))?,
        Opinion::Add(new) => {
            let text = new.sample_file.as_deref().map(|path| list(Some(path))).transpose()?;
            // In the order of the file, which is that of the draw.
            let more = text.unwrap_or_default();
            let more = more.lines().map(str::trim).filter(|line| !line.is_empty());
            let body = new.body(more.map(String::from).collect());
            session.ask("the opinion", "POST", OPINIONS, Some(&body))?
        }
    };
    print_one(wish, &answer);
    Ok(())
}

/// `jinyun sample`.
pub fn sample(wish: &Wish, draw: &Draw) -> Result<(), Failed> {
    let text = list(draw.file.as_deref())?;
    let all = things(&text);
    let count = usize::from(draw.count);
    if all.len() < count {
        let say = format!("the list has {} different lines, fewer than --count {count}", all.len());
        return Err(Failed::new(FAILED, say));
    }
    let sample = drawn(&all, &draw.seed, count);
    say::err(&format!("{count} of {}, with the seed: {}", all.len(), show::plain(&draw.seed)));
    let whole = json!({ "seed": draw.seed, "population": all.len(), "sample": sample });
    show::print(wish.output, &whole, || {
        sample.iter().map(|thing| show::plain(thing)).collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// A line as it was read; some of it is only read to see whether it can be.
    #[allow(dead_code)]
    #[derive(Parser)]
    enum Line {
        #[command(subcommand)]
        Opinion(Opinion),
        Sample(Draw),
    }

    fn parse(words: &[&str]) -> Option<Line> {
        Line::try_parse_from([&["jinyun"][..], words].concat()).ok()
    }

    #[test]
    fn words_become_what_the_api_reads() {
        let words = ["opinion", "add", "--assessor", "a firm", "--says", "agree", "--clause", "6.1-B-1",
            "--sample", "s1", "--sample", "7", "--nonce", "n-1", "--report", "00"];
        let Some(Line::Opinion(Opinion::Add(new))) = parse(&words) else { panic!("not read") };
        assert_eq!(new.body(vec!["s2".into()]), json!({ "opinion": {
            "assessor": "a firm", "says": "agree", "clause": "6.1-B-1", "sample": ["s1", "7", "s2"],
            "nonce": "n-1", "report": "00",
        } }));
        for (line, good) in [
            ("opinion add --assessor a --says note", true),
            ("opinion add --assessor a --says maybe", false),
            ("opinion add --assessor a", false),
            ("opinion add --says note", false),
            ("opinion list --says disagree", true),
            ("sample --count 3 --seed s list", true),
            ("sample --count 3 --seed s", true),
            ("sample --count 0 --seed s", false),
            ("sample --count 201 --seed s", false),
            ("sample --count 3", false),
            // What everybody knows before is no seed.
            ("sample --count 3 --seed ", false),
            ("sample --count 3 --seed= list", false),
            ("sample --count 3 --seed \u{3000} list", false),
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(parse(&words).is_some(), good, "{line}");
        }
    }

    #[test]
    fn whoever_draws_again_draws_the_same() {
        let text = "c\na\n\n b \nd\na\n";
        let all = things(text);
        assert_eq!(all.iter().copied().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        // In the order of `printf '\0dice 1 2\na' | sha256sum`, and so on for each.
        for (seed, want) in [("dice 1 2", ["c", "b", "a", "d"]), ("dice 6 6", ["d", "a", "b", "c"])] {
            assert_eq!(drawn(&all, seed, 4), want, "{seed}");
            let again = things("d\nc\nb\na");
            assert_eq!(drawn(&again, seed, 2), want[..2], "{seed}: the order of the list is nothing");
        }
    }
}
