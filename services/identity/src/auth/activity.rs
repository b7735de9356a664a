//! What is remembered of a user's sign-ins: a row that the login's own command writes, so that it
//! costs no second commit and cannot be missing.
//!
//! It tells the user of the login before, tells when a login is unlike those before, and holds what
//! must not be used twice: the step of the last one-time code and the recovery codes that are spent.
//! Those are checked here, inside the command, because two requests with the same code can both have
//! been right a moment ago. The journal is told of an unusual login at once, the user at every login
//! of the month behind it: whoever misuses an account signs in again, and must not read the news away.

use super::{denied, recovery};
use crate::lockout::Lockout;
use crate::user::User;
use crate::window;
use jinyun_base::{Fault, Id, Kind, Refusal, Time, hours};
use jinyun_engine::{Command, Ctx, Failure, Have, Link, OnDelete, Place, Resource, View};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind: a row has the id of its user.
pub(crate) struct Activity;

/// So many neighbourhoods are remembered, the newest first.
const NETWORKS: usize = 8;
/// An hour is unusual only after so many logins.
const ENOUGH: i64 = 20;
/// An unusual login is told for so many microseconds.
const TOLD: i64 = 30 * 86_400 * Time::SECOND;
/// Counts of hours are halved from so many logins on: what was long ago matters less.
const HALVED: i64 = 400;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ActivitySpec {
    /// Whose.
    pub user: Option<Id>,
    /// The last login, microseconds; 0 if there was none.
    pub last_login: i64,
    /// From where it was.
    pub source: String,
    /// Neighbourhoods of the logins.
    pub networks: Vec<String>,
    /// How many logins there were in each hour of the day, UTC+8.
    pub hours: Vec<i64>,
    /// The step of the newest one-time code that was taken.
    pub step: i64,
    /// The newest login that was unlike those before it.
    pub unusual: Option<Unusual>,
    /// Which recovery codes hold (see `recovery`); 0 if there are none.
    pub recovery_set: i64,
    /// Those of them that are spent, a bit each.
    pub recovery_used: i64,
}

/// A login that was unlike those before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unusual {
    /// When, microseconds.
    pub at: i64,
    /// From where.
    pub source: String,
    /// What was unusual: `network`, `hour`.
    pub what: Vec<String>,
}

impl Resource for Activity {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("activity");
    type Spec = ActivitySpec;
    type Status = ();

    fn name(_: &ActivitySpec) -> &str {
        ""
    }

    fn owner(have: &Have<Activity>) -> Option<Id> {
        have.spec.user.clone()
    }

    fn check(_: &ActivitySpec, _: Option<&ActivitySpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(())
    }

    fn links(spec: &ActivitySpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        spec.user.iter()
            .map(|u| Link { role: "user", kind: "user", id: u.clone(), on_delete }).collect()
    }
}

/// What a command about a sign-in carries for this row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Visit {
    /// Who.
    pub user: Id,
    /// From where.
    pub source: Option<String>,
    /// When, as the token says.
    pub at: i64,
    /// A one-time code that is used up by it.
    pub step: Option<i64>,
    /// A recovery code that is used up by it.
    pub recovery: Option<recovery::Code>,
    /// Whether it is a login, and not just a part of one.
    pub login: bool,
    /// Somebody who was signed in has let a program in: it is judged by where it is, but its place does
    /// not become one of the user's, and nothing is forgiven for it.
    #[serde(default)]
    pub let_in: bool,
    /// Whether tokens without a second factor end with the first login that has one.
    pub ends_weaker: bool,
}

impl Visit {
    /// As a part of a command's words.
    pub fn value(&self) -> Result<Value, Fault> {
        serde_json::to_value(self).map_err(|e| Fault::new(format!("a visit: {e}")))
    }
}

/// What is unlike the logins before.
fn unusual(spec: &ActivitySpec, place: &str, hour: usize) -> Vec<&'static str> {
    let mut unusual = Vec::new();
    if !spec.networks.is_empty() && !spec.networks.iter().any(|n| n == place) {
        unusual.push("network");
    }
    let count = |hour: usize| spec.hours.get(hour % 24).copied().unwrap_or(0);
    let near = [hour + 23, hour, hour + 1].into_iter().map(count).sum::<i64>();
    if spec.hours.iter().sum::<i64>() >= ENOUGH && near == 0 {
        unusual.push("hour");
    }
    unusual
}

/// Takes a login in.
fn remember(spec: &mut ActivitySpec, visit: &Visit, place: String, hour: usize) {
    spec.last_login = visit.at;
    spec.source = visit.source.clone().unwrap_or_default();
    spec.networks.retain(|n| *n != place);
    spec.networks.insert(0, place);
    spec.networks.truncate(NETWORKS);
    spec.hours.resize(24, 0);
    if spec.hours.iter().sum::<i64>() >= HALVED {
        spec.hours.iter_mut().for_each(|n| *n /= 2);
    }
    if let Some(count) = spec.hours.get_mut(hour) {
        *count += 1;
    }
}

/// Keeps an unusual login, to be told at the next ones.
fn note(spec: &mut ActivitySpec, visit: &Visit, strange: &[&str]) {
    if !strange.is_empty() {
        spec.unusual = Some(Unusual {
            at: visit.at,
            source: visit.source.clone().unwrap_or_default(),
            what: strange.iter().map(|what| what.to_string()).collect(),
        });
    }
}

/// Uses up what must not be used twice.
fn use_up(spec: &mut ActivitySpec, visit: &Visit) -> Result<(), Refusal> {
    if let Some(step) = visit.step {
        if step <= spec.step {
            return Err(denied("the one-time code was used before"));
        }
        spec.step = step;
    }
    if let Some(code) = &visit.recovery {
        let bit = 1i64 << code.index.clamp(0, 62);
        if spec.recovery_set != code.set || spec.recovery_used & bit != 0 {
            return Err(denied("the recovery code was used before"));
        }
        spec.recovery_used |= bit;
    }
    Ok(())
}

/// Reads the row, or what is in the place of one that is not there yet.
fn row(ctx: &mut Ctx<'_>, user: &Id) -> Result<(ActivitySpec, bool), Failure> {
    Ok(match ctx.view().get::<Activity>(user)? {
        Some(have) => (have.spec, true),
        None => (ActivitySpec { user: Some(user.clone()), ..ActivitySpec::default() }, false),
    })
}

/// Changes the row of a user, or makes it.
pub(super) fn keep(ctx: &mut Ctx<'_>, user: &Id,
    edit: impl FnOnce(&mut ActivitySpec) -> Result<(), Failure>) -> Result<(), Failure> {
    let domain = ctx.get::<User>(user)?.domain;
    let (mut spec, there) = row(ctx, user)?;
    edit(&mut spec)?;
    if there {
        ctx.change::<Activity>(user, None, |have| {
            *have = spec;
            Ok(())
        })?;
    } else {
        let at = Place { domain, project: "".into(), id: user.clone() };
        ctx.create_at::<Activity>(at, spec)?;
    }
    Ok(())
}

/// Carries a visit out. Returns what the user is told of the login before, and what is unusual.
pub(super) fn visit(ctx: &mut Ctx<'_>, visit: &Visit)
    -> Result<(Value, Vec<&'static str>), Failure> {
    let (before, _) = row(ctx, &visit.user)?;
    let place = window::neighbourhood(visit.source.as_deref().unwrap_or("unknown"));
    let (_, minute) = hours::local(Time(visit.at));
    let hour = usize::try_from(minute / 60).unwrap_or_default();
    let judged = visit.login || visit.let_in;
    let strange = if judged { unusual(&before, &place, hour) } else { Vec::new() };
    keep(ctx, &visit.user, |spec| {
        use_up(spec, visit)?;
        if visit.login {
            remember(spec, visit, place, hour);
        }
        note(spec, visit, &strange);
        Ok(())
    })?;
    let first = before.step == 0 && visit.step.is_some();
    if visit.ends_weaker && first && visit.login {
        // A token that was good for enrolling is good for nothing from now on.
        ctx.change::<User>(&visit.user, None, |user| {
            user.tokens_since = user.tokens_since.max(visit.at);
            Ok(())
        })?;
    }
    // One that still holds was passed by a passkey, and stays for whoever guesses passwords.
    let over = ctx.view().get::<Lockout>(&visit.user)?.is_some_and(|lock| lock.spec.until <= visit.at);
    if visit.login && over {
        ctx.delete::<Lockout>(&visit.user)?;
    }
    Ok((told(&before, visit.at), strange))
}

/// What a user is told at a login of those before it.
fn told(before: &ActivitySpec, now: i64) -> Value {
    let unusual = before.unusual.as_ref().filter(|unusual| now - unusual.at <= TOLD);
    let unusual = unusual.map(|unusual| json!({
        "at": Time(unusual.at).micros(), "source": unusual.source, "what": unusual.what,
    }));
    match before.last_login {
        0 => json!({ "last_login_at": null, "last_login_source": null, "unusual": null }),
        at => json!({
            "last_login_at": Time(at).micros(), "last_login_source": before.source,
            "unusual": unusual,
        }),
    }
}

/// A login or a part of one. Everything but `seen` is for the journal.
pub(super) fn record(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let mut note = command.args.clone();
    let seen = note.as_object_mut().and_then(|n| n.remove("seen"));
    let mut told = Value::Null;
    if let Some(seen) = seen {
        let seen: Visit = serde_json::from_value(seen)
            .map_err(|e| Refusal::invalid("seen", format!("cannot be read: {e}")))?;
        let (tell, strange) = visit(ctx, &seen)?;
        told = tell;
        if !strange.is_empty() {
            note["unusual"] = strange.into();
        }
        if seen.recovery.is_some() {
            note["recovery_code"] = true.into();
        }
    }
    ctx.note(note);
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Visit {
        Visit {
            user: "u".into(),
            source: Some("10.1.2.3".into()),
            at: second * Time::SECOND,
            step: None,
            recovery: None,
            login: true,
            let_in: false,
            ends_weaker: false,
        }
    }

    #[test]
    fn what_is_unlike_the_logins_before_is_seen() {
        let mut spec = ActivitySpec::default();
        assert!(unusual(&spec, "10.1.2.0/24", 3).is_empty(), "nothing is known yet");
        for n in 0..ENOUGH {
            remember(&mut spec, &at(n), "10.1.2.0/24".into(), 9 + usize::from(n % 2 == 0));
        }
        let cases: [(&str, usize, &[&str]); 6] = [
            ("10.1.2.0/24", 9, &[]), ("10.1.2.0/24", 8, &[]), ("10.1.2.0/24", 11, &[]),
            ("10.1.2.0/24", 12, &["hour"]), ("10.1.2.0/24", 0, &["hour"]),
            ("10.1.3.0/24", 3, &["network", "hour"]),
        ];
        for (place, hour, want) in cases {
            assert_eq!(unusual(&spec, place, hour), want, "{place} {hour}");
        }
        for n in 0..1000 {
            remember(&mut spec, &at(n), format!("10.1.{}.0/24", n % 100), 3);
        }
        assert_eq!((spec.networks.len(), spec.hours.len()), (NETWORKS, 24));
        assert!(spec.hours.iter().sum::<i64>() <= HALVED);
        assert_eq!(spec.networks[0], "10.1.99.0/24");
    }

    #[test]
    fn an_unusual_login_is_told_for_a_month_whoever_signs_in_meanwhile() {
        let mut spec = ActivitySpec::default();
        let mut sign = |second: i64, source: &str| -> Value {
            let visit = Visit { source: Some(source.into()), ..at(second) };
            let place = window::neighbourhood(source);
            let (strange, told) = (unusual(&spec, &place, 9), told(&spec, visit.at));
            remember(&mut spec, &visit, place, 9);
            note(&mut spec, &visit, &strange);
            told["unusual"].clone()
        };
        assert_eq!(sign(1, "10.1.2.3"), Value::Null);
        assert_eq!(sign(2, "10.1.2.9"), Value::Null, "the same network");
        assert_eq!(sign(100, "192.0.2.44"), Value::Null, "this one is told to the next");
        let want = json!({
            "at": Time(100 * Time::SECOND).micros(), "source": "192.0.2.44", "what": ["network"],
        });
        assert_eq!(sign(101, "192.0.2.45"), want);
        let month = 30 * 86_400;
        assert_eq!(sign(102, "10.1.2.3"), want, "not read away by the one who came back");
        assert_eq!(sign(100 + month, "10.1.2.3"), want);
        assert_eq!(sign(101 + month, "10.1.2.3"), Value::Null);
    }

    #[test]
    fn nothing_is_used_twice() {
        let mut spec = ActivitySpec { recovery_set: 5, ..ActivitySpec::default() };
        let step = |step| Visit { step: Some(step), ..at(0) };
        let code = |set, index| Visit { recovery: Some(recovery::Code { set, index }), ..at(0) };
        for (visit, want) in [(step(7), true), (step(7), false), (step(6), false), (step(8), true),
            (code(5, 0), true), (code(5, 0), false), (code(5, 7), true), (code(4, 1), false),
            (code(5, 1), true)] {
            assert_eq!(use_up(&mut spec, &visit).is_ok(), want, "{visit:?}");
        }
    }
}
