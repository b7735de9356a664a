//! Asking the platform as the one who is signed in.

use crate::client::{Answer, Ask, Client};
use crate::control;
use crate::fail::{Failed, SIGN_IN, refused};
use crate::profile::{Profile, Profiles};
use crate::show::Output;
use jinyun_base::{Fault, Secret};
use jinyun_rest::list::quoted;
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::path::Path;

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

    #[test]
    fn what_is_asked_is_quoted() {
        let words = [("a", Some("x y&z=1".to_string())), ("b", None), ("c", Some("é".into()))];
        assert_eq!(query("/p", &words), "/p?a=x%20y%26z%3D1&c=%C3%A9");
        assert_eq!(query("/p", &words[1..2]), "/p");
    }
}
