//! Passkeys (WebAuthn, Level 2 and 3): signing in by a key that an authenticator keeps for one site.
//!
//! Problem: a password and a one-time code can both be typed into a page that only looks like ours. A
//! passkey signs what the browser says of the page, and an authenticator finds none for another one.
//! Mechanism: a user enrols public keys (`Passkey`); a sign-in answers a challenge with a signature, and
//! the checks that make a relying party are `verify`, over what `sent` has read. The authenticator has
//! to verify its owner (a PIN, a finger, a face), so one passkey is two factors.
//!
//! - Nobody is named before: the authenticator says whose its key is, so whoever has no account learns of
//!   none. What is refused tells no reason (`auth::passkey`).
//! - No attestation: which make an authenticator is of is not asked, so no list of makers has to be kept,
//!   and no enrolment can be traced by one.
//! - A challenge is kept nowhere (`challenge`); that it is answered once is seen by the passkey's row, in
//!   the command that records the sign-in.
//! - A passkey that nothing but the present password vouches for goes with that password (`take_first`):
//!   whoever changes it because somebody else knows it must not leave them another way in.
//!
//! Why not a library: see docs/decisions/0007-passkeys.md.

mod authenticator;
mod cbor;
pub(crate) mod challenge;
mod cose;
mod sent;
pub(crate) mod verify;

#[cfg(test)]
mod verify_tests;

pub(crate) use cose::ALGORITHMS;
pub(crate) use sent::{Assertion, Registration};

use crate::auth::{both, denied};
use crate::compliance;
use crate::credential::{Credential, TOTP};
use crate::names;
use crate::user::{User, end_sessions};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::{Entropy, Fault, Id, Kind, Refusal, Refused};
use jinyun_engine::{
    Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Query, Reader, Registry, Resource, Verb,
    View,
};
use jinyun_kms::Kms;
use jinyun_policy::{Rule, Who};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::IpAddr;

/// How many passkeys a user has at most.
const MOST: usize = 10;
/// Where credentials' ids are claimed: in the whole cloud.
const SPACE: &str = "passkey";
/// Whoever has a second factor proves it before there is another one.
pub(crate) const HAS_ONE: &str = "There is a second factor already: sign in with it, or have it reset.";

const RULES: &[Rule] = &[
    // A user's own, and nobody else's: a lost one is deleted by its owner, or all factors are reset.
    Rule { action: "identity:passkey:create", allow: &[Who::User] },
    Rule { action: "identity:passkey:update", allow: &[] },
    Rule { action: "identity:passkey:delete", allow: &[Who::Owner] },
    Rule { action: "identity:passkey:show", allow: &[Who::Owner] },
    Rule { action: "identity:passkey:list", allow: &[Who::Owner] },
];

/// The kind.
pub struct Passkey;

/// What a passkey is. None of it is a secret: the private key never leaves its authenticator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PasskeySpec {
    /// Whose it is.
    pub user: Id,
    /// What its owner calls it.
    pub name: String,
    /// The credential's id, base64url.
    pub credential: String,
    /// The public key: COSE, base64url.
    pub key: String,
    /// What it signs with: `ES256`, `EdDSA` or `RS256`.
    pub algorithm: String,
    /// How often it had signed when it was used last; 0 where the authenticator does not count.
    pub count: i64,
    /// Its owner's other devices may get it.
    pub may_be_copied: bool,
    /// They have it, or whoever keeps it for its owner.
    pub backed_up: bool,
    /// When the challenge was issued that it answered last, microseconds.
    pub challenge: i64,
    /// When it was used last, microseconds; 0 if never.
    #[serde(default)]
    pub used: i64,
    /// It was made by the password that was the user's then, or by what was: it goes with it.
    #[serde(default)]
    pub first: bool,
}

impl Resource for Passkey {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("passkey");
    type Spec = PasskeySpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(spec: &PasskeySpec) -> &str {
        &spec.name
    }

    fn owner(have: &Have<Passkey>) -> Option<Id> {
        Some(have.spec.user.clone())
    }

    fn check(new: &PasskeySpec, old: Option<&PasskeySpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        // As it was taken, also where names are judged otherwise since: a sign-in changes the row.
        if old.is_none_or(|old| old.name != new.name) {
            names::check("name", &new.name, names::SHORT)?;
        }
        Ok(())
    }

    fn claims(spec: &PasskeySpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: SPACE.into(),
            word: digest(&spec.credential),
            taken: "This passkey is enrolled already.".into(),
        }]
    }

    fn links(spec: &PasskeySpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        vec![Link { role: "user", kind: "user", id: spec.user.clone(), on_delete }]
    }

    fn fields(spec: &PasskeySpec) -> Vec<(&'static str, String)> {
        vec![("user", spec.user.to_string())]
    }
}

/// What a credential's id is looked up by: an id may be longer than what an index takes.
pub(crate) fn digest(credential: &str) -> String {
    URL_SAFE_NO_PAD.encode(Kms::sha256(credential.as_bytes()))
}

/// What authenticators know a user by. It tells nothing of the user, and is the same for all passkeys of
/// one.
pub(crate) fn handle(user: &Id) -> Vec<u8> {
    Kms::sha256(format!("jinyun passkeys of user {user}").as_bytes())
}

/// The passkey of a credential's id.
pub(crate) fn find(reader: &Reader, credential: &str) -> Result<Option<Have<Passkey>>, Fault> {
    reader.view(|v| match v.claimed(SPACE, &digest(credential))? {
        Some((_, id)) => v.get::<Passkey>(&id),
        None => Ok(None),
    })
}

/// Devices for one-time codes that a user has.
fn devices(ctx: &mut Ctx<'_>, user: &Id) -> Result<Vec<Have<Credential>>, Failure> {
    let all = ctx.list::<Credential>(&Query::field("user", user))?;
    Ok(all.into_iter().filter(|c| c.spec.kind == TOTP).collect())
}

/// Whether somebody who knows the user's present password, and had nothing else to begin with, could
/// have come to these methods: by a passkey that is a first one, or a device that is no older than the
/// password.
fn by_password_alone(ctx: &mut Ctx<'_>, user: &Id, methods: &[String], held: &[Have<Passkey>],
    devices: &[Have<Credential>]) -> Result<bool, Failure> {
    let has = |method: &str| methods.iter().any(|m| m == method);
    let password = ctx.get::<User>(user)?.spec.password_set;
    let lasting = held.iter().any(|p| !p.spec.first);
    let older = devices.iter().any(|d| d.created.0 < password);
    Ok(!((has("passkey") && lasting) || (has("password") && has("totp") && older)))
}

/// Keeps a passkey of the caller's. With one factor only if there is no second one yet: two requests
/// with one stolen password can both have been right a moment ago.
fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let no = |say: &str| Err(Refusal::new(Refused::Forbidden, say).into());
    let mut spec: PasskeySpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("passkey", format!("cannot be read: {e}")))?;
    let id = command.args.get("id").and_then(Value::as_str).map(Id::new)
        .ok_or_else(|| Fault::new("a passkey without an id"))?;
    if spec.user != ctx.actor.id {
        return no("A passkey is made by the user whose it is.");
    }
    let held = ctx.list::<Passkey>(&Query::field("user", &spec.user))?;
    let devices = devices(ctx, &spec.user)?;
    let methods = &command.via.methods;
    if !(both(methods) || held.is_empty() && devices.is_empty()) {
        return no(HAS_ONE);
    }
    if held.len() >= MOST {
        return no(&format!("A user has at most {MOST} passkeys: delete one first."));
    }
    spec.first = by_password_alone(ctx, &spec.user, methods, &held, &devices)?;
    let at = Place { domain: ctx.actor.domain.clone(), project: "".into(), id };
    let row = ctx.create_at::<Passkey>(at, spec)?;
    Ok(json!({ "id": row.id }))
}

/// Takes a passkey away, and ends what its user has signed in to: nothing tells which of it was by that
/// passkey.
fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = command.target.as_ref().ok_or_else(|| Refusal::invalid("passkey_id", "is missing"))?;
    let user = ctx.get::<Passkey>(id)?.spec.user;
    ctx.delete::<Passkey>(id)?;
    end_sessions(ctx, &user)?;
    Ok(Value::Null)
}

/// Whether more than a password is asked of a user, as the records have it: by a duty, by the domain, or
/// by rules of the user's own.
fn more_is_asked(ctx: &mut Ctx<'_>, user: &Have<User>) -> Result<bool, Failure> {
    if !user.spec.options.rules().is_empty() || compliance::of(ctx, &user.domain)?.multi_factor {
        return Ok(true);
    }
    Ok(ctx.view().claimed("duty", user.id.as_str())?.is_some())
}

/// Takes the passkeys that go with a password which was just set anew. None where more than a password
/// is asked for: there the password by itself opens nothing but an enrolment, and whoever has stolen it
/// must not get to that by changing it.
pub(crate) fn take_first(ctx: &mut Ctx<'_>, user: &Id) -> Result<(), Failure> {
    let user = ctx.get::<User>(user)?;
    if more_is_asked(ctx, &user)? {
        return Ok(());
    }
    let mut held = ctx.list::<Passkey>(&Query::field("user", &user.id))?;
    held.retain(|have| have.spec.first);
    for have in &held {
        ctx.delete::<Passkey>(&have.id)?;
    }
    if !held.is_empty() {
        ctx.note(json!({ "passkeys": held.len() }));
    }
    Ok(())
}

/// Takes all passkeys of a user; how many there were.
pub(crate) fn take_all(ctx: &mut Ctx<'_>, user: &Id) -> Result<usize, Failure> {
    let held = ctx.list::<Passkey>(&Query::field("user", user))?;
    for have in &held {
        ctx.delete::<Passkey>(&have.id)?;
    }
    Ok(held.len())
}

/// An answer that was right, and has to be used up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Used {
    /// Which passkey.
    pub passkey: Id,
    /// When its challenge was issued, microseconds.
    pub challenge: i64,
    /// How often the passkey has signed.
    pub count: i64,
    /// Whether it is on other devices too.
    pub backed_up: bool,
}

impl Used {
    /// As a part of a command's words.
    pub fn value(&self) -> Result<Value, Fault> {
        serde_json::to_value(self).map_err(|e| Fault::new(format!("the use of a passkey: {e}")))
    }

    /// Whether it comes behind all that the passkey was used for before.
    fn follows(&self, spec: &PasskeySpec) -> Result<(), &'static str> {
        if self.challenge <= spec.challenge {
            return Err("the challenge was answered before, or a newer one was");
        }
        if (self.count, spec.count) != (0, 0) && self.count <= spec.count {
            return Err("the passkey has signed less often than before: somebody may have copied it");
        }
        Ok(())
    }

    /// Uses it up, inside the command that records what it is for. Returns the passkey as it was.
    pub fn up(&self, ctx: &mut Ctx<'_>) -> Result<Have<Passkey>, Failure> {
        let have = ctx.view().get::<Passkey>(&self.passkey)?;
        let have = have.ok_or_else(|| denied("the passkey was deleted"))?;
        self.follows(&have.spec).map_err(denied)?;
        let now = ctx.now.0;
        ctx.change::<Passkey>(&have.id, None, |spec| {
            (spec.challenge, spec.count, spec.used) = (self.challenge, self.count, now);
            spec.backed_up = self.backed_up;
            Ok(())
        })?;
        Ok(have)
    }
}

/// Whose passkeys these are: the site, as browsers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    /// A host's name. Passkeys belong to it: with another one, none of them is found.
    pub id: String,
    /// What authenticators show.
    pub name: String,
    /// The pages: `https://name:port` of the tenants' listener first, that for staff behind it.
    pub origins: Vec<String>,
}

impl RelyingParty {
    /// As it is compared with what browsers say. Refuses what no browser would take.
    pub(crate) fn ready(mut self) -> Result<RelyingParty, &'static str> {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let label = |l: &str| {
            (1..=63).contains(&l.len()) && l.chars().all(known) && !l.starts_with('-') && !l.ends_with('-')
        };
        let address = self.id.parse::<IpAddr>().is_ok();
        if address || self.id.len() > 253 || !self.id.split('.').all(label) {
            return Err("the public name is no host's name in small letters");
        }
        if self.origins.is_empty() {
            return Err("there is no page");
        }
        for origin in &mut self.origins {
            let place = origin.strip_prefix("https://").unwrap_or_default();
            let (host, port) = place.split_once(':').unwrap_or((place, "443"));
            let below = host.strip_suffix(&self.id).is_some_and(|b| b.is_empty() || b.ends_with('.'));
            let Some(port) = port.parse::<u16>().ok().filter(|p| *p > 0 && below) else {
                return Err("a page is not at https:// and the public name");
            };
            // As browsers write it.
            *origin = match port {
                443 => format!("https://{host}"),
                port => format!("https://{host}:{port}"),
            };
        }
        Ok(self)
    }
}

/// Registers it.
pub(crate) fn register(registry: &mut Registry) {
    registry.add::<Passkey>()
        .action("identity:passkey:create", "passkey", Verb::Own(create))
        .action("identity:passkey:delete", "passkey", Verb::Own(delete))
        .rules(RULES);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relying_party_is_a_host_by_name() {
        let party = |id: &str, origins: &[&str]| RelyingParty {
            id: id.into(), name: "n".into(), origins: origins.iter().map(|o| o.to_string()).collect(),
        };
        let read = |id: &str, origin: &str| party(id, &[origin]).ready().map(|p| p.origins[0].clone());
        for (id, origin, want) in [("localhost", "https://localhost:8443", "https://localhost:8443"),
            ("cloud.bank.cn", "https://cloud.bank.cn", "https://cloud.bank.cn"),
            ("cloud.bank.cn", "https://cloud.bank.cn:443", "https://cloud.bank.cn"),
            ("bank.cn", "https://cloud.bank.cn:8443", "https://cloud.bank.cn:8443")] {
            assert_eq!(read(id, origin).unwrap(), want);
        }
        for (id, origin) in [("127.0.0.1", "https://127.0.0.1:8443"), ("::1", "https://[::1]:8443"),
            ("", "https://x"), ("Cloud", "https://Cloud"), ("a..b", "https://a..b"),
            ("-a", "https://-a"), ("a b", "https://a b"), ("bank.cn", "http://bank.cn"),
            ("bank.cn", "https://mybank.cn"), ("bank.cn", "https://bank.cn.evil"),
            ("bank.cn", "https://bank.cn:0"), ("bank.cn", "https://bank.cn:70000"),
            ("bank.cn", "https://bank.cn/x"), ("bank.cn", "")] {
            assert!(read(id, origin).is_err(), "{id} {origin}");
        }
        assert!(party("bank.cn", &[]).ready().is_err());
    }

    #[test]
    fn a_use_comes_behind_those_before() {
        let spec = |challenge, count| PasskeySpec {
            user: "u".into(), name: "n".into(), credential: "c".into(), key: "k".into(),
            algorithm: "ES256".into(), count, may_be_copied: false, backed_up: false, challenge, used: 0,
            first: false,
        };
        let used = |challenge, count| {
            Used { passkey: "p".into(), challenge, count, backed_up: false }
        };
        for (before, now, want) in [((5, 0), (6, 0), true), ((5, 0), (5, 0), false),
            ((5, 0), (4, 0), false), ((5, 3), (6, 4), true), ((5, 3), (6, 3), false),
            ((5, 3), (6, 2), false), ((5, 3), (6, 0), false), ((5, 0), (6, 1), true)] {
            let follows = used(now.0, now.1).follows(&spec(before.0, before.1)).is_ok();
            assert_eq!(follows, want, "{now:?} after {before:?}");
        }
    }

    #[test]
    fn a_handle_is_its_users_alone() {
        let of = |user: &str| handle(&user.into());
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
        assert_eq!(of("a").len(), 32);
    }
}
