//! Against guessing: locked accounts, pauses, and sources that are refused.
//!
//! Problem: whoever may try as often as they like finds a password; and a lock alone is blind to
//! one guess at each of a thousand accounts, and to one account guessed from a thousand places.
//! Mechanism, two parts:
//! - A *lock* of an account is a row (kind `lockout`), so that a restart does not lift it. It is
//!   written when the failures in a row reach what the domain allows, and refused attempts during
//!   the lock do not make it longer: nobody can keep somebody else out for ever with one guess.
//! - The *guard* counts in memory: failures in a row of an account, failures and accounts of a
//!   source. Nobody sleeps for a pause: an attempt that comes too early is refused, in the same
//!   words as every other. Names that do not exist are counted like those that do.
//!
//! A lock is against guessing, and what an authenticator signs is not guessed: so a lock does not shut out
//! a passkey, and wrong answers of one make no lock. They pause it, and count for their source. Else
//! whoever knows a name could keep out everybody, with whatever they sign in.
//!
//! Memory is lost with the process: an attacker gains the attempts below the threshold with each
//! restart, which only the operator can cause. Rows for each failure would be a write for each
//! guess.

use crate::user::{User, without_manager};
use crate::window;
use jinyun_base::{Id, Kind, Refusal, Time};
use jinyun_engine::{Command, Ctx, Failure, Have, Link, OnDelete, Place, Resource, View};
use jinyun_policy::{Duty, Who};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Mutex;

/// The kind: a row has the id of its user.
pub struct Lockout;

/// A lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockoutSpec {
    /// Who.
    pub user: Id,
    /// Until when, microseconds.
    pub until: i64,
    /// The failures that led to it.
    pub failures: i64,
}

impl Resource for Lockout {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("lockout");
    type Spec = LockoutSpec;
    type Status = ();

    fn name(_: &LockoutSpec) -> &str {
        ""
    }

    fn owner(have: &Have<Lockout>) -> Option<Id> {
        Some(have.spec.user.clone())
    }

    fn check(_: &LockoutSpec, _: Option<&LockoutSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(())
    }

    fn links(spec: &LockoutSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        vec![Link { role: "user", kind: "user", id: spec.user.clone(), on_delete }]
    }
}

/// Locks an account.
pub(crate) fn set(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec: LockoutSpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("lockout", format!("cannot be read: {e}")))?;
    let user = ctx.get::<User>(&spec.user)?;
    match ctx.view().get::<Lockout>(&user.id)? {
        Some(old) => ctx.change::<Lockout>(&old.id, None, |have| {
            *have = spec;
            Ok(())
        })?,
        None => {
            let at = Place { domain: user.domain, project: "".into(), id: user.id };
            ctx.create_at::<Lockout>(at, spec)?
        }
    };
    Ok(Value::Null)
}

/// Lifts a lock before its time: the domain's manager, or the security administrator where a
/// domain has none.
pub(crate) fn lift(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("user_id", "is missing").into());
    };
    let user = ctx.get::<User>(id)?;
    if ctx.permit().because() == Who::Duty(Duty::SecurityAdmin) {
        without_manager(ctx, &user.domain)?;
    }
    if ctx.view().get::<Lockout>(id)?.is_some() {
        ctx.delete::<Lockout>(id)?;
    }
    Ok(Value::Null)
}

/// Raises an alarm: nothing but its entry in the journal.
pub(crate) fn alarm(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    ctx.note(command.args.clone());
    Ok(Value::Null)
}

/// Failures in a row after which an account has to pause.
const FREE: i64 = 3;
/// Failures of a source in a window after which it has to pause.
const SOURCE_FREE: u64 = 20;
/// Longest pause, in seconds.
const PAUSE: i64 = 30;
/// A source's failures are looked at together for so long, in seconds.
const WINDOW: i64 = 600;
/// A row of failures is forgotten after so long without another, in seconds.
const ROW: i64 = 86_400;
/// A source is refused for so long, in seconds.
const REFUSED: i64 = 600;
/// So many accounts that one source failed on are an attack.
const ACCOUNTS: usize = 10;
/// So many sources that failed on one account are an attack.
const SOURCES: usize = 5;
/// At most so many accounts and sources are remembered.
const MOST: usize = 50_000;

/// Whether an attempt counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It does.
    Open,
    /// It came before the pause was over.
    Early,
    /// Its source is refused.
    Refused,
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alarm {
    /// `one source, many accounts` or `many sources, one account`.
    pub what: &'static str,
    /// The number of the many.
    pub count: usize,
    /// Failures that were counted together.
    pub failures: u64,
}

const MANY_SOURCES: &str = "many sources, one account";
const MANY_ACCOUNTS: &str = "one source, many accounts";

impl Alarm {
    /// Whether it is about one account.
    pub fn of_account(&self) -> bool {
        self.what == MANY_SOURCES
    }
}

/// What follows from a failure.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Failed {
    /// The account has to be locked, after so many failures in a row.
    pub lock: Option<i64>,
    /// Once for each episode.
    pub alarms: Vec<Alarm>,
}

#[derive(Default)]
struct Account {
    /// In a row.
    failures: i64,
    since_login: i64,
    last: i64,
    /// From where, and when last.
    from: HashMap<String, i64>,
    alarmed: i64,
}

#[derive(Default)]
struct Source {
    begun: i64,
    last: i64,
    failures: u64,
    accounts: HashSet<String>,
    refused: i64,
    turned_away: u64,
}

#[derive(Default)]
struct Inside {
    accounts: HashMap<String, Account>,
    sources: HashMap<String, Source>,
}

/// What is counted in memory.
#[derive(Default)]
pub(crate) struct Guard {
    inside: Mutex<Inside>,
}

/// What counts as one source: an address; of IPv6 a /64, which is one customer's.
pub(crate) fn origin(source: &str) -> String {
    match source.parse::<IpAddr>().map(|a| a.to_canonical()) {
        Ok(IpAddr::V6(a)) => {
            let [a, b, c, d, ..] = a.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(v4) => v4.to_string(),
        Err(_) => window::neighbourhood(source),
    }
}

/// 1, 2, 4 ... seconds, in microseconds.
fn pause(beyond: i64) -> i64 {
    let seconds = if (0..5).contains(&beyond) { 1 << beyond } else { PAUSE };
    seconds * Time::SECOND
}

impl Inside {
    fn account(&mut self, name: &str) -> &mut Account {
        if self.accounts.len() >= MOST && !self.accounts.contains_key(name) {
            // Names that nobody has are the attacker's choice; accounts are as many as there are.
            self.accounts.retain(|name, _| name.starts_with(KNOWN));
        }
        self.accounts.entry(name.into()).or_default()
    }

    fn source(&mut self, origin: &str, now: i64) -> &mut Source {
        if self.sources.len() >= MOST && !self.sources.contains_key(origin) {
            self.sources.retain(|_, s| {
                s.refused > now || s.turned_away > 0 || now - s.begun < WINDOW * Time::SECOND
            });
        }
        if self.sources.len() >= 2 * MOST {
            self.sources.retain(|_, s| s.failures > 1);
        }
        let source = self.sources.entry(origin.into()).or_default();
        if now - source.begun >= WINDOW * Time::SECOND {
            (source.begun, source.failures) = (now, 0);
            source.accounts.clear();
        }
        source
    }
}

/// How the accounts of users are named here; other names are those that nobody has.
const KNOWN: &str = "user ";

/// An account's name in the guard.
pub(crate) fn account(id: &Id) -> String {
    format!("{KNOWN}{id}")
}

/// The same for answers of passkeys, which neither pause for wrong passwords nor make these pause.
pub(crate) fn by_passkey(id: &Id) -> String {
    format!("{KNOWN}{id} by passkey")
}

impl Guard {
    fn with<T>(&self, work: impl FnOnce(&mut Inside) -> T) -> T {
        match self.inside.lock() {
            Ok(mut inside) => work(&mut inside),
            // Whoever panicked while counting leaves counts that are good enough.
            Err(broken) => work(&mut broken.into_inner()),
        }
    }

    /// Whether an attempt from a source counts now.
    pub fn source(&self, source: &str, now: Time) -> Gate {
        let (origin, now) = (origin(source), now.0);
        self.with(|i| {
            let Some(s) = i.sources.get(&origin) else { return Gate::Open };
            if s.refused > now {
                return Gate::Refused;
            }
            let beyond = s.failures.saturating_sub(SOURCE_FREE) / 5;
            let wait = pause(i64::try_from(beyond).unwrap_or(PAUSE));
            let early = s.failures >= SOURCE_FREE && now - s.begun < WINDOW * Time::SECOND
                && now < s.last.saturating_add(wait);
            if early { Gate::Early } else { Gate::Open }
        })
    }

    /// Whether an attempt on an account counts now.
    pub fn account(&self, account: &str, now: Time) -> Gate {
        self.with(|i| match i.accounts.get(account) {
            Some(a) if a.failures >= FREE
                && now.0 < a.last.saturating_add(pause(a.failures - FREE)) => Gate::Early,
            _ => Gate::Open,
        })
    }

    /// Counts a failed proof. `attempts` are the failures in a row that lock the account, if that
    /// can be locked.
    pub fn failed(&self, source: &str, account: &str, attempts: Option<i64>, now: Time)
        -> Failed {
        let (origin, now) = (origin(source), now.0);
        self.with(|i| {
            let mut failed = Failed::default();
            let a = i.account(account);
            if now - a.last >= ROW * Time::SECOND {
                a.failures = 0;
            }
            (a.failures, a.since_login, a.last) = (a.failures + 1, a.since_login + 1, now);
            if attempts.is_some_and(|n| n > 0 && a.failures >= n) {
                failed.lock = Some(a.failures);
                // After the lock there are as many attempts again.
                a.failures = 0;
            }
            a.from.retain(|_, last| now - *last < WINDOW * Time::SECOND);
            if a.from.len() < 64 {
                a.from.insert(origin.clone(), now);
            }
            let places = a.from.len();
            let spread = places >= SOURCES;
            if spread {
                let (new, failures) = (a.alarmed <= now, a.since_login.unsigned_abs());
                a.alarmed = now + REFUSED * Time::SECOND;
                if new {
                    failed.alarms.push(Alarm { what: MANY_SOURCES, count: places, failures });
                }
            }
            let s = i.source(&origin, now);
            (s.failures, s.last) = (s.failures + 1, now);
            if s.accounts.len() < 64 {
                s.accounts.insert(account.into());
            }
            if s.accounts.len() >= ACCOUNTS {
                if s.refused <= now {
                    let (count, failures) = (s.accounts.len(), s.failures);
                    failed.alarms.push(Alarm { what: MANY_ACCOUNTS, count, failures });
                }
                s.refused = now + REFUSED * Time::SECOND;
                s.accounts.clear();
            }
            if spread {
                s.refused = s.refused.max(now + REFUSED * Time::SECOND);
            }
            failed
        })
    }

    /// Ends the row of failures. Returns how many there were since the last login.
    pub fn passed(&self, account: &str) -> i64 {
        self.with(|i| i.accounts.remove(account).map_or(0, |a| a.since_login))
    }

    /// Forgets the row of failures: the lock was lifted.
    pub fn forget(&self, account: &str) {
        self.with(|i| {
            if let Some(a) = i.accounts.get_mut(account) {
                a.failures = 0;
            }
        });
    }

    /// Counts an attempt that was refused without looking at it.
    pub fn turned_away(&self, source: &str, now: Time) {
        let origin = origin(source);
        self.with(|i| i.source(&origin, now.0).turned_away += 1);
    }

    /// Sources with the number of attempts that were refused without looking, since the last call.
    pub fn drain(&self) -> Vec<(String, u64)> {
        self.with(|i| {
            i.sources.iter_mut().filter(|(_, s)| s.turned_away > 0)
                .map(|(name, s)| (name.clone(), std::mem::take(&mut s.turned_away))).collect()
        })
    }
}

/// The words of an alarm's command.
pub(crate) fn words(alarm: &Alarm, source: &str) -> Value {
    json!({
        "what": alarm.what, "count": alarm.count, "failures": alarm.failures, "source": source,
        "refused_for_seconds": REFUSED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time((1_700_000_000 + seconds) * Time::SECOND)
    }

    #[test]
    fn failures_pause_and_lock() {
        let guard = Guard::default();
        let mut locks = Vec::new();
        for n in 0..10 {
            // A minute apart: no pause is that long.
            assert_eq!(guard.account("a", at(n * 60)), Gate::Open, "{n}");
            locks.push(guard.failed("10.0.0.1", "a", Some(5), at(n * 60)).lock.is_some());
        }
        assert_eq!(locks, [false, false, false, false, true, false, false, false, false, true]);
        assert_eq!(guard.passed("a"), 10);
        assert_eq!(guard.passed("a"), 0);
        for n in 0..4 {
            guard.failed("10.0.0.1", "b", Some(5), at(1000 + n));
        }
        // The fourth failure was at 1003; two seconds of pause.
        for (second, want) in [(1003, Gate::Early), (1004, Gate::Early), (1005, Gate::Open)] {
            assert_eq!(guard.account("b", at(second)), want, "{second}");
        }
        assert_eq!(guard.account("c", at(1003)), Gate::Open, "another account");
        assert_eq!(guard.failed("10.0.0.1", "d", None, at(0)).lock, None);
    }

    #[test]
    fn one_source_at_many_accounts_is_refused_once_with_an_alarm() {
        let guard = Guard::default();
        let mut alarms = 0;
        for n in 0..10 {
            assert_eq!(guard.source("10.0.0.1", at(n)), Gate::Open);
            alarms += guard.failed("10.0.0.1", &n.to_string(), Some(5), at(n)).alarms.len();
        }
        assert_eq!(alarms, 1);
        assert_eq!(guard.source("10.0.0.1", at(10)), Gate::Refused);
        assert_eq!(guard.source("10.0.0.2", at(10)), Gate::Open);
        for _ in 0..7 {
            guard.turned_away("10.0.0.1", at(11));
        }
        assert_eq!(guard.drain(), [("10.0.0.1".to_string(), 7)]);
        assert_eq!(guard.drain(), []);
        assert_eq!(guard.source("10.0.0.1", at(10 + REFUSED)), Gate::Open);
        // Twenty failures on one account make a source pause, not more.
        for n in 0..20 {
            guard.failed("10.0.0.3", "a", None, at(n));
        }
        for (second, want) in [(19, Gate::Early), (20, Gate::Open)] {
            assert_eq!(guard.source("10.0.0.3", at(second)), want, "{second}");
        }
    }

    #[test]
    fn many_sources_at_one_account_are_refused() {
        let guard = Guard::default();
        let mut alarms = 0;
        for n in 0..8 {
            let failed = guard.failed(&format!("10.0.{n}.1"), "a", Some(50), at(n));
            alarms += failed.alarms.len();
        }
        assert_eq!(alarms, 1, "one episode");
        let refused = |source: &str| guard.source(source, at(8)) == Gate::Refused;
        assert!(!refused("10.0.0.1") && !refused("10.0.3.1"));
        assert!(refused("10.0.4.1") && refused("10.0.7.1"));
        // Addresses of one /64 are one source.
        for n in 0..8 {
            let failed = guard.failed(&format!("2001:db8::{n}"), "b", Some(50), at(n));
            assert_eq!(failed.alarms, [], "{n}");
        }
    }
}
