//! Sessions: when a token was used last.
//!
//! Problem: a token that somebody left in a browser is good until it expires. Mechanism: a session
//! is a sign-in with all tokens that were made from its token; one that is not used for as long as
//! the domain allows has ended. When it was used last is kept in memory only: a write for each
//! request would cost more than the request. After a restart all sessions count as used at the
//! start, so a session lives at most one idle time longer than it should, and never beyond its
//! token.

use crate::token::Token;
use jinyun_base::Time;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Mutex;

/// From so many sessions on, those that have expired are forgotten at each new one.
const MANY: usize = 10_000;

struct Session {
    last: i64,
    expires: i64,
    notice: Value,
}

/// All sessions of this process.
pub(crate) struct Sessions {
    all: Mutex<HashMap<String, Session>>,
    started: Time,
}

/// The session's name: the audit id of the token that it began with.
fn name(token: &Token) -> &str {
    token.audit.last().map_or("", String::as_str)
}

impl Sessions {
    /// None yet.
    pub fn new(started: Time) -> Sessions {
        Sessions { all: Mutex::new(HashMap::new()), started }
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Session>) -> T) -> T {
        match self.all.lock() {
            Ok(mut all) => work(&mut all),
            Err(broken) => work(&mut broken.into_inner()),
        }
    }

    /// A token was issued. `notice` is what its bearer is told about the login before.
    pub fn begin(&self, token: &Token, notice: Value) {
        self.with(|all| {
            if all.len() >= MANY {
                all.retain(|_, s| s.expires > token.issued);
            }
            let fresh = || Session { last: token.issued, expires: token.expires, notice };
            all.entry(name(token).into()).or_insert_with(fresh);
        });
    }

    /// Whether a token may be used now; if so, it was.
    pub fn touch(&self, token: &Token, idle: i64, now: Time) -> bool {
        self.with(|all| {
            let last = token.issued.max(self.started.0);
            let fresh = || Session { last, expires: token.expires, notice: Value::Null };
            let session = all.entry(name(token).into()).or_insert_with(fresh);
            if idle > 0 && now.0 - session.last > idle.saturating_mul(Time::SECOND) {
                return false;
            }
            session.last = session.last.max(now.0);
            true
        })
    }

    /// What the bearer is told about the login before.
    pub fn notice(&self, token: &Token) -> Value {
        self.with(|all| all.get(name(token)).map_or(Value::Null, |s| s.notice.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(audit: &[&str], issued: i64) -> Token {
        Token {
            user: "u".into(),
            scope: None,
            methods: vec!["password".into()],
            issued: issued * Time::SECOND,
            began: None,
            expires: (issued + 3600) * Time::SECOND,
            audit: audit.iter().map(|a| a.to_string()).collect(),
            app_credential: None,
            trust: None,
            federation: None,
        }
    }

    #[test]
    fn a_session_ends_when_it_is_not_used() {
        let sessions = Sessions::new(Time(0));
        let (first, second) = (token(&["a"], 100), token(&["b", "a"], 200));
        sessions.begin(&first, Value::from("hello"));
        sessions.begin(&second, Value::Null);
        assert_eq!(sessions.notice(&second), "hello");
        let used = |token: &Token, second: i64| sessions.touch(token, 60, Time(second * Time::SECOND));
        // Either token keeps the session.
        assert!(used(&first, 160) && used(&second, 220) && used(&first, 280));
        assert!(!used(&first, 341) && !used(&second, 341));
        assert!(sessions.touch(&first, 0, Time(3000 * Time::SECOND)), "no limit");
        // A process that began later counts from its start.
        let later = Sessions::new(Time(1000 * Time::SECOND));
        assert!(later.touch(&first, 60, Time(1060 * Time::SECOND)));
        assert!(!later.touch(&first, 60, Time(1121 * Time::SECOND)));
    }
}
