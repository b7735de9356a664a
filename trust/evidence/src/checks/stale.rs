//! Credentials that are over their time or that nobody uses: by their ids, never by what they are.
//!
//! Whose it is decides how it counts, as with rights (`rights.rs`): a stale credential of the provider's
//! own staff fails, since the provider can take it away; one of an institution's people is its
//! manager's to take away, and makes the finding partial, with the id to look for.
//!
//! | sort | over its time | unused |
//! |---|---|---|
//! | password | older than its institution lets passwords become | |
//! | one-time codes | | its user signed in without for 90 days, by no passkey either |
//! | passkey | | not used for 90 days |
//! | pair of access and secret key | | its user signed in without for 90 days |
//! | secret of a program | past its end; without an end and older than a year | not used for 90 days |
//! | public key for guests | older than two years | where it is used is not seen |

use super::{Found, error, failed, met};
use super::rights::UNUSED;
use crate::facts::journal::Journal;
use crate::finding::Verdict;
use crate::stage::DOMAIN;
use crate::world::World;
use jinyun_base::{Id, Time};
use jinyun_compute::Keypair;
use jinyun_identity::{AppCredential, Credential, Passkey, User};
use jinyun_policy::PROVIDER;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400 * Time::SECOND;
/// How old a program's secret becomes that has no end, and a public key.
const PROGRAM: i64 = 365 * DAY;
const PUBLIC: i64 = 730 * DAY;
/// At most so many are named.
const NAMED: usize = 20;

/// By what people and programs signed in since a time.
#[derive(Default)]
struct Used<'w> {
    /// User and method.
    methods: BTreeSet<(&'w str, &'w str)>,
    programs: BTreeSet<&'w str>,
}

impl<'w> Used<'w> {
    fn since(journal: &'w Journal, since: i64) -> Used<'w> {
        let mut used = Used::default();
        let recent = journal.entries.iter().rev().take_while(|entry| entry.time >= since);
        for entry in recent.filter(|entry| entry.outcome == "done") {
            let Some(note) = entry.note.as_ref() else { continue };
            if !entry.action.starts_with("identity:token:") {
                continue;
            }
            let methods = note.get("methods").and_then(Value::as_array).into_iter().flatten();
            used.methods.extend(
                methods.filter_map(Value::as_str).map(|method| (entry.actor.id.as_str(), method)));
            used.programs.extend(note.get("application_credential").and_then(Value::as_str));
        }
        used
    }
}

/// What was found stale.
#[derive(Default)]
struct Stale {
    count: u64,
    staff: Vec<String>,
    tenants: Vec<String>,
}

impl Stale {
    /// One credential, and why it is stale if it is.
    fn look(&mut self, domain: &Id, what: &str, id: &Id, why: Option<&str>) {
        if domain.as_str() == DOMAIN {
            return;
        }
        self.count += 1;
        if let Some(why) = why {
            let staff = domain.as_str() == PROVIDER;
            let list = if staff { &mut self.staff } else { &mut self.tenants };
            list.push(format!("{what} {id} {why}"));
        }
    }
}

fn some(stale: bool, why: &'static str) -> Option<&'static str> {
    stale.then_some(why)
}

/// Which credentials are over their time, or were not used for long.
pub(super) fn credentials_stale(world: &World) -> Found {
    let rows = || -> Result<_, String> {
        let journal = world.journal.as_ref().map_err(String::clone)?;
        Ok((journal, world.each::<User>()?, world.each::<Credential>()?, world.each::<Passkey>()?,
            world.each::<AppCredential>()?, world.each::<Keypair>()?, super::accounts::policies(world)?))
    };
    let (journal, users, credentials, passkeys, programs, pairs, policies) = match rows() {
        Ok(rows) => rows,
        Err(why) => return error(why),
    };
    let now = world.now.0;
    let since = now.saturating_sub(UNUSED);
    let used = Used::since(journal, since);
    let rules: BTreeMap<&Id, i64> =
        policies.iter().map(|(id, rules)| (id, rules.password_expires_days)).collect();
    let passwords: BTreeSet<&Id> = world.secrets.iter()
        .filter(|s| s.kind == "user" && s.name == "password").map(|s| &s.id).collect();
    // Who signs in by one keeps the codes for the day on which it is lost.
    let by_passkey: BTreeSet<&Id> = passkeys.iter()
        .filter(|have| have.spec.used >= since).map(|have| &have.spec.user).collect();
    let mut stale = Stale::default();
    for user in users.iter().filter(|user| passwords.contains(&user.id)) {
        let days = rules.get(&user.domain).copied().unwrap_or_default();
        let kept = user.spec.options.ignore_password_expiry == Some(true);
        let set = user.spec.password_set;
        let over = days > 0 && set > 0 && !kept && set.saturating_add(days * DAY) <= now;
        stale.look(&user.domain, "the password of", &user.id, some(over, "is over its time"));
    }
    for have in credentials.iter() {
        let method = if have.spec.kind == "ec2" { "ec2credential" } else { have.spec.kind.as_str() };
        let spare = method == "totp" && by_passkey.contains(&have.spec.user);
        let idle = have.created.0 < since && !spare
            && !used.methods.contains(&(have.spec.user.as_str(), method));
        let what = format!("{} credential", have.spec.kind);
        stale.look(&have.domain, &what, &have.id, some(idle, "was not used for 90 days"));
    }
    for have in passkeys.iter() {
        let idle = have.created.0.max(have.spec.used) < since;
        stale.look(&have.domain, "passkey", &have.id, some(idle, "was not used for 90 days"));
    }
    for have in programs.iter() {
        let over = have.spec.expires.is_some_and(|end| end <= now);
        let old = have.spec.expires.is_none() && have.created.0 < now.saturating_sub(PROGRAM);
        let idle = have.created.0 < since && !used.programs.contains(have.id.as_str());
        let why = some(over, "is past its end").or(some(old, "has no end and is older than a year"))
            .or(some(idle, "was not used for 90 days"));
        stale.look(&have.domain, "the program's secret", &have.id, why);
    }
    for have in pairs.iter() {
        let old = have.created.0 < now.saturating_sub(PUBLIC);
        stale.look(&have.domain, "key pair", &have.id, some(old, "is older than two years"));
    }
    let Stale { count, staff, tenants } = stale;
    match (count, staff.is_empty(), tenants.len()) {
        (0, ..) => error(format!("there is no credential{}", super::NOTHING)),
        (_, false, _) => failed(count, &staff),
        (_, true, 0) => met(count, format!(
            "{count} credentials: none is over its time, and none was left unused for 90 days"
        )),
        (_, true, many) => {
            let named = tenants.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
            let rest = many.saturating_sub(NAMED);
            let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
            let says = format!("{many} of {count} credentials are stale: {named}{more}");
            Found { verdict: Verdict::Partly, ..met(count, says) }
        }
    }
}
