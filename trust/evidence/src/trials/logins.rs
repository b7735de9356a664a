//! Signing in: with weak, old and guessed passwords, from elsewhere, at other hours, after a pause.

use super::stranger::pass;
use super::{By, Came, Cast, Person, Play, Sent, password, sign_in};
use crate::stage::DOMAIN;
use jinyun_base::{Time, hours};
use jinyun_identity::{Directory, Identity, RelyingParty};
use jinyun_journal::Entry;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The refusal of whoever cannot prove who they are.
pub(super) const NO: &[&str] = &["unauthenticated"];
/// The refusal of a value.
const BAD: &[&str] = &["invalid"];
/// In seconds.
const DAY: i64 = 86_400;

/// Somebody who has not signed in reads the notice.
pub(super) fn notice(play: &mut Play<'_>, _: &Cast) -> Result<(), String> {
    let came = play.go(Sent::new("identity", "GET", "/v3/OS-JINYUN/notice"));
    came.done("the notice")?;
    play.sights.notice = Some(came.text("/notice/text")?);
    Ok(())
}

/// Weak passwords, the one before, and an initial one that was not changed.
pub(super) fn password_policy(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "password-policy";
    let name = format!("weak-{}", play.ending);
    for (what, weak) in [
        ("an account with a password that is too short", "Aa1-Bb2".to_string()),
        ("one with a password of one sort of letters", "onlysmallletters".into()),
        ("one whose password holds its name", format!("Ab1-{name}-9")),
    ] {
        let came = play.make(&cast.boss, &name, &weak);
        play.stopped(CHECK, what, &came, BAD);
    }
    let came = play.make(&cast.boss, &name, &password());
    play.works(CHECK, "an account with a good password", &came);
    let eve = play.person(&cast.boss, "eve")?;
    let new = password();
    let came = play.change(&eve.id, &eve.password, &new);
    play.works(CHECK, "a new password", &came);
    let came = play.change(&eve.id, &new, &eve.password);
    play.stopped(CHECK, "the password before once more", &came, BAD);
    play.rules(&cast.manager, json!({ "change_password_upon_first_use": true }))?;
    let ivy = play.person(&cast.boss, "ivy");
    play.rules(&cast.manager, json!({ "change_password_upon_first_use": false }))?;
    let mut ivy = ivy?;
    let came = play.sign(&ivy, None, Value::Null, 0);
    play.stopped(CHECK, "a sign-in with an initial password", &came, NO);
    let old = std::mem::replace(&mut ivy.password, password());
    let came = play.change(&ivy.id, &old, &ivy.password);
    play.works(CHECK, "the change of an initial password", &came);
    let came = play.sign(&ivy, None, Value::Null, 0);
    play.works(CHECK, "a sign-in after that", &came);
    let twin = Twin::new(play)?;
    let came = twin.sign(play, &ivy, 89 * DAY);
    play.works(CHECK, "a password on the last of its 90 days", &came);
    let came = twin.sign(play, &ivy, 90 * DAY + 60);
    play.stopped(CHECK, "a password after its 90 days", &came, NO);
    Ok(())
}

/// Guessing: one account until it is locked, then many from one source.
pub(super) fn lockout(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "lockout";
    let lou = play.person(&cast.boss, "lou")?;
    let came = play.sign(&lou, None, Value::Null, 0);
    play.works(CHECK, "the right password", &came);
    let guess = |play: &mut Play<'_>| {
        play.sign(&Person { password: password(), ..lou.clone() }, None, Value::Null, 0)
    };
    for _ in 0..2 {
        guess(play);
    }
    let came = guess(play);
    play.stopped(CHECK, "a third wrong password", &came, NO);
    play.recorded(CHECK, "a lock without an entry of the institution's", &came.request, |entry| {
        entry.action == "identity:lockout:set" && entry.institution.id == DOMAIN
            && entry.outcome == "done"
    })?;
    let came = play.sign(&lou, None, Value::Null, 0);
    play.stopped(CHECK, "the right password of a locked account", &came, NO);
    let path = format!("/v3/users/{}/OS-JINYUN/lockout", lou.id);
    let lift = || Sent::new("identity", "DELETE", path.clone());
    let came = play.go(lift().by(&cast.ann));
    play.stopped(CHECK, "a colleague who lifts the lock", &came, &["not_found", "forbidden"]);
    let came = play.go(lift().by(&cast.boss));
    play.works(CHECK, "the manager who lifts the lock", &came);
    let came = play.sign(&lou, None, Value::Null, 0);
    play.works(CHECK, "the right password after that", &came);
    let source = play.place(2);
    let guess = |play: &mut Play<'_>, n: u32| {
        let name = format!("guess-{n}-{}", play.ending);
        let user = json!({ "name": name, "domain": { "id": DOMAIN }, "password": password() });
        let identity = json!({ "methods": ["password"], "password": { "user": user } });
        play.go(sign_in(identity, Value::Null).at(source.clone()))
    };
    for n in 1..10 {
        guess(play, n);
    }
    let came = guess(play, 10);
    play.stopped(CHECK, "a tenth guessed name", &came, NO);
    play.recorded(CHECK, "ten guessed names without an alarm", &came.request, |entry| {
        let told = entry.note.as_ref().and_then(|n| n.get("source")).and_then(Value::as_str);
        entry.action == "identity:alarm:raise" && told == Some(source.as_str())
    })?;
    let came = play.sign(&lou, None, Value::Null, 2);
    play.stopped(CHECK, "the right password from where the guesses came from", &came, NO);
    let came = play.sign(&lou, None, Value::Null, 0);
    play.works(CHECK, "the right password from elsewhere", &came);
    Ok(())
}

/// What the entry of a login says is unusual about it.
fn marked(entry: &Entry, word: &str) -> bool {
    let unusual = entry.note.as_ref().and_then(|note| note.get("unusual"));
    entry.action == "identity:token:create" && entry.outcome == "done"
        && unusual.and_then(Value::as_array).is_some_and(|all| all.iter().any(|w| w == word))
}

/// A login from another network is marked, and the next one is told of it.
pub(super) fn unusual(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "unusual-login";
    let uma = play.person(&cast.boss, "uma")?;
    let usual = play.sign(&uma, None, Value::Null, 0);
    play.works(CHECK, "a first login", &usual);
    let came = play.sign(&uma, None, Value::Null, 0);
    play.works(CHECK, "a login from the same network", &came);
    let same = play.entries(&came.request)?.iter().any(|entry| marked(entry, "network"));
    play.never(CHECK, "a usual login that is marked", same);
    let came = play.sign(&uma, None, Value::Null, 1);
    play.works(CHECK, "a login from another network", &came);
    play.recorded(CHECK, "a login from another network without a mark", &came.request, |entry| {
        marked(entry, "network") && entry.institution.id == DOMAIN
    })?;
    let came = play.sign(&uma, None, Value::Null, 0);
    let told = came.text("/token/jinyun_last_login/last_login_source").unwrap_or_default();
    let source = play.place(1);
    play.never(CHECK, "a user who is not told of the login before", told != source);
    let told = came.text("/token/jinyun_last_login/unusual/source").unwrap_or_default();
    play.never(CHECK, "a user who is not told that it was unusual", told != source);
    Ok(())
}

/// An account that is bound to a network, then to a day that is not today.
pub(super) fn sources_and_hours(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "sources-and-hours";
    let sam = play.person(&cast.boss, "sam")?;
    let path = format!("/v3/users/{}/OS-JINYUN/access", sam.id);
    let bind = |access: Value| {
        Sent::new("identity", "PUT", path.clone()).by(&cast.boss).with(json!({ "access": access }))
    };
    let look = |by: &By| Sent::new("identity", "GET", "/v3/auth/projects").by(by);
    let (home, away) = (play.place(0), play.place(1));
    play.go(bind(json!({ "sources": [home] }))).done("the networks of an account")?;
    let came = play.sign(&sam, None, Value::Null, 0);
    play.works(CHECK, "a sign-in from the account's network", &came);
    let token = By::Token(came.token);
    let came = play.go(look(&token));
    play.works(CHECK, "its token there", &came);
    let came = play.sign(&sam, None, Value::Null, 1);
    play.stopped(CHECK, "a sign-in from another network", &came, NO);
    let came = play.go(look(&token).at(away));
    play.stopped(CHECK, "its token from another network", &came, NO);
    // The day after tomorrow: tomorrow may begin before this is over.
    let (today, _) = hours::local(play.now());
    let day = (today + 1).rem_euclid(7) + 1;
    let hours = json!({ "days": [day], "from": 0, "to": 1440 });
    play.go(bind(json!({ "hours": hours }))).done("the hours of an account")?;
    let came = play.go(look(&token));
    play.stopped(CHECK, "its token outside of the account's hours", &came, NO);
    let came = play.sign(&sam, None, Value::Null, 0);
    play.stopped(CHECK, "a sign-in outside of its hours", &came, NO);
    play.go(bind(json!({ "hours": null }))).done("the hours of an account")?;
    let came = play.sign(&sam, None, Value::Null, 0);
    play.works(CHECK, "a sign-in once the hours are free", &came);
    Ok(())
}

/// A copy of the service over the same records, whose clock stands until somebody moves it on:
/// nobody waits a minute, and the service that everybody uses is left alone.
pub(super) struct Twin {
    identity: Arc<Identity>,
    clock: Arc<AtomicI64>,
    begun: i64,
}

impl Twin {
    pub(super) fn new(play: &Play<'_>) -> Result<Twin, String> {
        let directory = Directory::default();
        let begun = play.now().0;
        let clock = Arc::new(AtomicI64::new(begun));
        let hand = clock.clone();
        let time = Arc::new(move || Time(hand.load(Ordering::SeqCst)));
        play.scene.cloud.reader.view(|view| directory.load(view))
            .and_then(|()| Identity::new(Arc::new(directory), play.scene.kms.clone(), time))
            .map(|identity| Twin { identity: Arc::new(identity), clock, begun })
            .map_err(|fault| fault.to_string())
    }

    /// A sign-in by password so many seconds after the beginning.
    fn sign(&self, play: &mut Play<'_>, who: &Person, seconds: i64) -> Came {
        self.clock.store(Time(self.begun).plus_seconds(seconds).0, Ordering::SeqCst);
        let user = json!({ "user": { "id": who.id, "password": who.password } });
        let identity = json!({ "methods": ["password"], "password": user });
        self.send(play, sign_in(identity, Value::Null))
    }

    /// Sends it a request, from the usual place if it names none.
    pub(super) fn send(&self, play: &mut Play<'_>, mut sent: Sent) -> Came {
        if sent.source.is_empty() {
            sent.source = play.place(0);
        }
        sent.request = play.request();
        let request = sent.request.clone();
        let routes = jinyun_identity::routes(self.identity.clone(), Vec::new());
        Came { request, ..pass(play.scene.cloud, &self.identity, &routes, sent) }
    }

    /// Lets so many seconds go by.
    pub(super) fn moves(&self, seconds: i64) {
        self.clock.fetch_add(seconds * Time::SECOND, Ordering::SeqCst);
    }

    /// Whose passkeys it takes.
    pub(super) fn rely_on(&self, party: RelyingParty) {
        self.identity.rely_on(party);
    }

    /// Whether a token is good so many seconds after the beginning; using it keeps its session.
    fn takes(&self, token: &str, source: &str, seconds: i64) -> bool {
        self.clock.store(Time(self.begun).plus_seconds(seconds).0, Ordering::SeqCst);
        self.identity.actor(token, Some(source)).is_some()
    }
}

/// A session that nobody uses ends after the rules' 60 seconds, one that is used after 900.
pub(super) fn idle(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "idle-ends";
    let ida = play.person(&cast.boss, "ida")?;
    let mut sign = || -> Result<String, String> {
        let came = play.sign(&ida, None, Value::Null, 0);
        came.done("a sign-in").map(|()| came.token)
    };
    let (left, used) = (sign()?, sign()?);
    let (twin, home) = (Twin::new(play)?, play.place(0));
    let begun = twin.takes(&left, &home, 0) && twin.takes(&used, &home, 0);
    play.control(CHECK, "two sessions that have begun", begun);
    let good = twin.takes(&used, &home, 50);
    play.control(CHECK, "one that is used", good);
    let idle = twin.takes(&left, &home, 62);
    play.never(CHECK, "one that nobody used for a minute", idle);
    let good = (100..=850).step_by(50).all(|seconds| twin.takes(&used, &home, seconds));
    play.control(CHECK, "one that is used all the time", good);
    let long = twin.takes(&used, &home, 905);
    play.never(CHECK, "one that is used beyond its longest time", long);
    Ok(())
}
