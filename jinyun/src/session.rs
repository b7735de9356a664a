//! Asking the platform as the one who is signed in.

use crate::client::{Answer, Ask, Client};
use crate::control;
use crate::fail::{FAILED, Failed, REFUSED, SIGN_IN, refused};
use crate::profile::{Profile, Profiles};
use crate::show::Output;
use jinyun_base::{Fault, Secret};
use jinyun_rest::list::quoted;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The registers give at most so many rows at a time.
const PAGE: usize = 500;
/// How often a list that changes while it is read is begun anew.
const TRIES: usize = 3;

/// What every command is told.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which profile; the one in use if none.
    pub profile: Option<String>,
    /// How to print.
    pub output: Output,
}

/// Somebody who is signed in.
pub struct Session {
    /// The profile's name.
    pub name: String,
    /// The profile.
    pub profile: Profile,
    /// The token.
    pub token: Secret<String>,
    client: Client,
}

/// A path with its query string; what is not given is left out.
pub fn query(path: &str, words: &[(&str, Option<String>)]) -> String {
    let pairs: Vec<String> = words.iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", quoted(value.as_ref()?)))).collect();
    if pairs.is_empty() { path.into() } else { format!("{path}?{}", pairs.join("&")) }
}

/// All rows of a list that comes in pages, each of which begins behind the last row of the one before.
/// That row may be gone by then, which is refused: so the list is read anew, a few times at most.
fn pages(name: &str, mut get: impl FnMut(Option<&str>) -> Result<Value, Failed>)
    -> Result<Vec<Value>, Failed> {
    let id = |row: Option<&Value>| row.and_then(|row| row["id"].as_str()).map(String::from);
    let (mut rows, mut anew): (Vec<Value>, usize) = (Vec::new(), 0);
    loop {
        let marker = id(rows.last());
        let mut answer = match get(marker.as_deref()) {
            Err(failed) if failed.code == REFUSED && marker.is_some() && anew < TRIES => {
                (rows, anew) = (Vec::new(), anew + 1);
                continue;
            }
            other => other?,
        };
        let Some(Value::Array(some)) = answer.get_mut(name).map(Value::take) else {
            return Err(Failed::new(FAILED, format!("the platform has answered without {name}")));
        };
        let full = some.len() >= PAGE;
        rows.extend(some);
        if !full {
            return Ok(rows);
        }
        // One that does not go on would be asked for for ever.
        let last = id(rows.last());
        if last.is_none() || last == marker {
            return Err(Failed::new(FAILED, format!("the platform gives the same {name} again and again")));
        }
    }
}

impl Session {
    /// By the profile that was asked for, or the one in use.
    pub fn open(wish: &Wish) -> Result<Session, Failed> {
        let profiles = Profiles::of_user()?;
        let name = profiles.name(wish.profile.as_deref());
        let profile = profiles.load(&name)?;
        let again = |why: &str| Failed::new(SIGN_IN, format!(
            "profile `{name}` {why}: sign in with `jinyun login`"
        ));
        let token = profile.token.clone().ok_or_else(|| again("is signed out"))?;
        if profile.is_over(control::now()) {
            return Err(again("was signed in until its token expired"));
        }
        let client = Client::at(&profile.url, &profile.ca)?;
        Ok(Session { name, profile, token, client })
    }

    /// Asks; any answer but success is a refusal. `what` is being done, for the sentence.
    pub fn ask(&self, what: &str, method: &str, path: &str, body: Option<&Value>)
        -> Result<Value, Failed> {
        let token = Some(&self.token);
        let answer = self.client.ask(&Ask { method, path, token, body, headers: &[] })?;
        self.good(what, answer)
    }

    /// Asks about this very token.
    pub fn ask_of_token(&self, method: &str) -> Result<Answer, Failed> {
        self.client.ask(&Ask {
            method,
            path: "/identity/v3/auth/tokens",
            token: Some(&self.token),
            headers: &[("x-subject-token", &self.token)],
            body: None,
        })
    }

    /// Reads.
    pub fn get(&self, what: &str, path: &str) -> Result<Value, Failed> {
        self.ask(what, "GET", path, None)
    }

    /// Reads a list to its end, which may take several answers, and gives it as one would.
    pub fn all(&self, what: &str, path: &str, name: &str, words: &[(&str, Option<String>)])
        -> Result<Value, Failed> {
        let rows = pages(name, |marker| {
            let mut asked = words.to_vec();
            asked.extend([("limit", Some(PAGE.to_string())), ("marker", marker.map(String::from))]);
            self.get(what, &query(path, &asked))
        })?;
        Ok(json!({ name: rows }))
    }

    /// Writes what a path answers with.
    pub fn download(&self, what: &str, path: &str, out: &mut dyn Write) -> Result<(), Failed> {
        let ask = Ask { method: "GET", path, token: Some(&self.token), ..Ask::default() };
        let answer = self.client.download(&ask, out)?;
        self.good(what, answer).map(drop)
    }

    /// Sends a file as the body.
    pub fn upload(&self, what: &str, path: &str, file: &Path) -> Result<Value, Failed> {
        let bad = |e: std::io::Error| Fault::new(format!("{}: {e}", file.display()));
        let mut opened = File::open(file).map_err(bad)?;
        let length = opened.metadata().map_err(bad)?.len();
        let ask = Ask { method: "POST", path, token: Some(&self.token), ..Ask::default() };
        let answer = self.client.upload(&ask, &mut opened, length)?;
        self.good(what, answer)
    }

    /// The body of a success.
    pub fn good(&self, what: &str, answer: Answer) -> Result<Value, Failed> {
        match answer.status {
            200..=299 => Ok(answer.body),
            _ => Err(refused(what, &answer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a list of so many rows answers, as the registers do; a marker that is not there is refused.
    fn answer(count: usize, marker: Option<&str>) -> Result<Value, Failed> {
        let from = match marker.map(|id| id.parse::<usize>().unwrap()) {
            Some(id) if id >= count => return Err(Failed::new(REFUSED, "marker must be a row")),
            Some(id) => id + 1,
            None => 0,
        };
        let rows = (from..count.min(from + PAGE)).map(|id| json!({ "id": id.to_string() }));
        Ok(json!({ "duties": rows.collect::<Vec<_>>() }))
    }

    #[test]
    fn a_list_is_read_to_its_end() {
        for (count, asked) in [(0, 1), (1, 1), (499, 1), (500, 2), (501, 2), (1000, 3), (1234, 3)] {
            let mut times = 0;
            let rows = pages("duties", |marker| {
                times += 1;
                answer(count, marker)
            }).unwrap();
            let want: Vec<Value> = (0..count).map(|id| json!({ "id": id.to_string() })).collect();
            assert_eq!((rows, times), (want, asked), "{count}");
        }
    }

    #[test]
    fn a_list_that_changes_is_read_anew_and_not_for_ever() {
        // Two rows are taken away after the first page: its last row is no marker any more.
        let mut times = 0;
        let rows = pages("duties", |marker| {
            times += 1;
            answer(if times == 1 { 500 } else { 498 }, marker)
        }).unwrap();
        assert_eq!((rows.len(), times), (498, 3));
        let mut times = 0;
        let failed = pages("duties", |marker| {
            times += 1;
            if marker.is_some() { Err(Failed::new(REFUSED, "no")) } else { answer(500, None) }
        }).unwrap_err();
        assert_eq!((failed.code, times), (REFUSED, 2 * (TRIES + 1)));
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        let nameless = json!({ "duties": vec![json!({}); PAGE] });
        for (say, first) in [("without duties", json!({})), ("without duties", json!({ "duties": 1 })),
            ("again and again", nameless)] {
            let failed = pages("duties", |_| Ok(first.clone())).unwrap_err();
            assert!(failed.code == FAILED && failed.say.contains(say), "{}", failed.say);
        }
        // Whoever does not look at the marker.
        let failed = pages("duties", |_| answer(500, None)).unwrap_err();
        assert!(failed.say.contains("again and again"), "{}", failed.say);
        // What is refused at once stays refused.
        let failed = pages("duties", |_| Err(Failed::new(REFUSED, "no"))).unwrap_err();
        assert_eq!(failed.say, "no");
    }

    #[test]
    fn what_is_asked_is_quoted() {
        let words = [("a", Some("x y&z=1".to_string())), ("b", None), ("c", Some("é".into()))];
        assert_eq!(query("/p", &words), "/p?a=x%20y%26z%3D1&c=%C3%A9");
        assert_eq!(query("/p", &words[1..2]), "/p");
    }
}
