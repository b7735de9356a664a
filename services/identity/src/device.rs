//! Letting a program in by a browser: the device authorization grant of RFC 8628.
//!
//! Problem: a passkey is made and used by a browser, and a command line has none; and a password that
//! is typed into whatever asks for it is a password that can be taken. Mechanism: the program asks for
//! two codes, shows the short one and polls with the long one; somebody who is signed in looks at what
//! asks (its own words, its address, the time) and allows or refuses it; the program gets one token, of
//! that person, made from the token that allowed it: with its methods, and never for longer.
//!
//! - The short code is typed by people, so it can be guessed: it is good for ten minutes, and who tries
//!   ten wrong ones waits: the user, and not whoever else comes from the same address. It is no secret of
//!   its own: whoever knows it can only let somebody else in.
//! - The long code is a secret of 256 bits, of which only a digest is kept.
//! - What waits is bounded, in all, for each source and for its neighbourhood (of IPv6, one customer has
//!   as many sources as they like), because nobody has to be known to ask.
//! - A program that was let in works, and changes nothing that outlives it: factors, credentials and the
//!   next program need a sign-in by hand (`auth::by_hand`).
//!
//! In memory, because it ends by itself: a restart ends what waits, and the program asks again. Rows
//! would be writes that anybody can cause. The answers are commands, so each stands in the journal.

mod rest;

#[cfg(test)]
mod tests;

pub(crate) use rest::{register, routes};

use crate::lockout::origin;
use crate::token::Token;
use crate::window::neighbourhood;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::{Entropy, Id, Secret, Time};
use jinyun_kms::Kms;
use jinyun_rest::Door;
use std::collections::HashMap;
use std::sync::Mutex;

/// How long a program may wait to be let in, in seconds.
const LIFE: i64 = 600;
/// What is over is remembered for so long, so that its program hears that it is over.
const GRACE: i64 = 60;
/// How often a program may ask, in seconds.
const INTERVAL: i64 = 2;
/// By so much it has to be slower each time that it was too quick (RFC 8628, 3.5), up to a bound.
const SLOWER: i64 = 5;
const SLOWEST: i64 = 60;
/// At most so many wait.
const ALL: usize = 1000;
/// At most so many of one source wait.
const EACH: usize = 10;
/// At most so many of one neighbourhood wait: a /24 of IPv4, a /48 of IPv6.
const NEAR: usize = 50;
/// Letters of a short code: no vowels, so no words, and none that looks like a digit.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// How many a short code has.
const LENGTH: usize = 8;
/// After so many wrong short codes of one user, none of theirs is looked at for [`LIFE`].
const WRONG: u32 = 10;
/// From so many counters on, those that are over are forgotten.
const MANY: usize = 10_000;

/// What asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asks {
    /// What it says of itself.
    pub client: String,
    /// Its address.
    pub source: String,
    /// By which listener. It is let in by the same one: staff has no place at the tenants' door.
    pub door: Door,
    /// Since when.
    pub at: Time,
}

/// The two codes of a program.
pub(crate) struct Opened {
    /// What it polls with.
    pub device_code: Secret<String>,
    /// What it shows.
    pub user_code: String,
}

/// What a poll is told.
#[derive(Debug, PartialEq)]
pub(crate) enum Poll {
    /// Nobody has answered yet.
    Pending,
    /// Too quick: it may ask after so many seconds again.
    SlowDown(i64),
    /// Nobody has answered in time.
    Expired,
    /// Somebody said no.
    Refused,
    /// Somebody said yes, with this token. It is told once.
    Allowed(Box<Token>),
    /// There is no such code.
    Unknown,
}

/// Why a short code is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum No {
    /// Nobody waits under it.
    Missing,
    /// Too many wrong ones came before.
    Barred,
}

/// Who looks at a short code.
#[derive(Clone, Copy)]
pub(crate) struct Eyes<'a> {
    /// The user.
    pub user: &'a Id,
    /// By which listener.
    pub door: Door,
    /// When.
    pub now: Time,
}

/// What came of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// Yes, with this token.
    Allowed(Box<Token>),
    /// No.
    Refused,
    /// It could not be recorded, so it was not given.
    Undone,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    Waits,
    /// Somebody's answer is being recorded.
    Claimed,
    Allowed(Box<Token>),
    Refused,
}

struct Grant {
    user_code: String,
    asks: Asks,
    /// What its address counts as, and the neighbourhood that this is in.
    from: String,
    near: String,
    interval: i64,
    polled: Option<Time>,
    state: State,
}

impl Grant {
    fn over(&self, now: Time) -> bool {
        now >= self.asks.at.plus_seconds(LIFE)
    }
}

/// Wrong short codes: since when, and how many.
#[derive(Default)]
struct Tries {
    began: Time,
    count: u32,
}

#[derive(Default)]
struct Inside {
    /// By the digest of the long code.
    grants: HashMap<Vec<u8>, Grant>,
    /// By user.
    tries: HashMap<Id, Tries>,
}

/// Programs that wait to be let in by this process.
#[derive(Default)]
pub(crate) struct Devices {
    inside: Mutex<Inside>,
}

/// A short code that is nobody's yet, without its dash.
fn draw(dice: &mut dyn Entropy) -> String {
    (0..LENGTH).map(|_| {
        let at = usize::try_from(dice.below(LETTERS.len() as u64)).unwrap_or_default();
        LETTERS.get(at).copied().map(char::from).unwrap_or('B')
    }).collect()
}

/// A short code as people type it: small letters, spaces and dashes as they like.
fn read(text: &str) -> Option<String> {
    if text.len() > 64 {
        return None;
    }
    let plain: String = text.chars().filter(|c| !matches!(c, '-' | ' '))
        .map(|c| c.to_ascii_uppercase()).collect();
    let letter = |c: char| u8::try_from(c).is_ok_and(|c| LETTERS.contains(&c));
    (plain.chars().count() == LENGTH && plain.chars().all(letter)).then_some(plain)
}

/// As people read it.
fn shown(plain: &str) -> String {
    let (first, last) = plain.split_at(plain.len() / 2);
    format!("{first}-{last}")
}

impl Inside {
    /// Whether a user has tried too many wrong codes.
    fn barred(&self, user: &Id, now: Time) -> bool {
        self.tries.get(user).is_some_and(|t| t.count >= WRONG && now < t.began.plus_seconds(LIFE))
    }

    fn wrong(&mut self, user: &Id, now: Time) {
        if self.tries.len() >= MANY {
            self.tries.retain(|_, t| now < t.began.plus_seconds(LIFE));
        }
        if self.tries.len() >= 2 * MANY {
            // Those that are barred stay so.
            self.tries.retain(|_, t| t.count >= WRONG);
        }
        let tries = self.tries.entry(user.clone()).or_default();
        if now >= tries.began.plus_seconds(LIFE) {
            *tries = Tries { began: now, count: 0 };
        }
        tries.count = tries.count.saturating_add(1);
    }

    fn by_code(&mut self, plain: &str) -> Option<&mut Grant> {
        self.grants.values_mut().find(|g| g.user_code == plain)
    }

    /// What waits under a short code for whoever looks.
    fn find(&mut self, text: &str, eyes: Eyes<'_>) -> Result<&mut Grant, No> {
        if self.barred(eyes.user, eyes.now) {
            return Err(No::Barred);
        }
        let here = |g: &Grant| g.asks.door == eyes.door && !g.over(eyes.now);
        let known = |code: &String| self.grants.values().any(|g| g.user_code == *code && here(g));
        let code = read(text).filter(known);
        let Some(code) = code else {
            self.wrong(eyes.user, eyes.now);
            return Err(No::Missing);
        };
        // What was answered is there no more; to look again is no guess.
        self.by_code(&code).filter(|g| g.state == State::Waits).ok_or(No::Missing)
    }
}

impl Devices {
    fn with<T>(&self, work: impl FnOnce(&mut Inside) -> T) -> T {
        match self.inside.lock() {
            Ok(mut inside) => work(&mut inside),
            // Each change is one statement: nothing in here can be half done.
            Err(broken) => work(&mut broken.into_inner()),
        }
    }

    /// A program asks. `None` if too many wait.
    pub fn open(&self, asks: Asks, dice: &mut dyn Entropy) -> Option<Opened> {
        let mut bytes = [0u8; 32];
        dice.fill(&mut bytes);
        let device_code = URL_SAFE_NO_PAD.encode(bytes);
        let digest = Kms::sha256(device_code.as_bytes());
        self.with(|inside| {
            let now = asks.at;
            let gone = Time(now.0.saturating_sub(GRACE * Time::SECOND));
            inside.grants.retain(|_, g| !g.over(gone));
            if inside.grants.len() >= ALL {
                inside.grants.retain(|_, g| !g.over(now));
            }
            let (from, near) = (origin(&asks.source), neighbourhood(&asks.source));
            let waits = |of: &dyn Fn(&Grant) -> bool| {
                inside.grants.values().filter(|g| of(g) && !g.over(now)).count()
            };
            let own = waits(&|g: &Grant| g.from == from);
            let around = waits(&|g: &Grant| g.near == near);
            if own >= EACH || around >= NEAR || inside.grants.len() >= ALL {
                return None;
            }
            let free = |code: &String| inside.grants.values().all(|g| g.user_code != *code);
            let user_code = (0..8).map(|_| draw(dice)).find(free)?;
            let opened = Opened {
                device_code: Secret::new(device_code),
                user_code: shown(&user_code),
            };
            let (interval, polled, state) = (INTERVAL, None, State::Waits);
            let grant = Grant { user_code, asks, from, near, interval, polled, state };
            inside.grants.insert(digest, grant);
            Some(opened)
        })
    }

    /// A program asks whether it was let in.
    pub fn poll(&self, device_code: &str, door: Door, now: Time) -> Poll {
        let digest = Kms::sha256(device_code.as_bytes());
        self.with(|inside| {
            let found = inside.grants.get_mut(&digest).filter(|g| g.asks.door == door);
            let Some(grant) = found else { return Poll::Unknown };
            if grant.over(now) {
                inside.grants.remove(&digest);
                return Poll::Expired;
            }
            let early = grant.polled.is_some_and(|last| now < last.plus_seconds(grant.interval));
            grant.polled = Some(now);
            if early {
                grant.interval = (grant.interval + SLOWER).min(SLOWEST);
                return Poll::SlowDown(grant.interval);
            }
            if matches!(grant.state, State::Waits | State::Claimed) {
                return Poll::Pending;
            }
            match inside.grants.remove(&digest).map(|g| g.state) {
                Some(State::Allowed(token)) => Poll::Allowed(token),
                _ => Poll::Refused,
            }
        })
    }

    /// What waits under a short code.
    pub fn look(&self, text: &str, eyes: Eyes<'_>) -> Result<Asks, No> {
        self.with(|inside| inside.find(text, eyes).map(|g| g.asks.clone()))
    }

    /// The same, for an answer: nobody else answers it until this is settled.
    pub fn claim(&self, text: &str, eyes: Eyes<'_>) -> Result<Asks, No> {
        self.with(|inside| {
            let grant = inside.find(text, eyes)?;
            grant.state = State::Claimed;
            Ok(grant.asks.clone())
        })
    }

    /// Ends a claim.
    pub fn settle(&self, text: &str, verdict: Verdict) {
        let Some(code) = read(text) else { return };
        self.with(|inside| {
            if let Some(grant) = inside.by_code(&code).filter(|g| g.state == State::Claimed) {
                grant.state = match verdict {
                    Verdict::Allowed(token) => State::Allowed(token),
                    Verdict::Refused => State::Refused,
                    Verdict::Undone => State::Waits,
                };
            }
        });
    }
}
