//! Rights that nobody uses.
//!
//! A right that was not used for ninety days is one that its holder does not need, or a stolen key to
//! a door that nobody watches. How it counts depends on whose it is. A duty of the platform without an
//! end that is not used fails: the provider gives its duties itself, can give them for a time, and the
//! standard asks its administrators to hold no more than they need. An institution's unused roles are
//! its manager's to take back (`/v1/unused` names them with what was done): they make the finding
//! partial, with the institution and the numbers. A role of a reader is not judged: successful reads
//! leave no entry.
//!
//! Uses are read from the journal, as the access service reads them, but for one thing: which role an
//! action needed is not asked, so a manager who only did what a member may counts as used. Nothing is
//! called unused that was used.

use super::tenants::{Count, Share};
use super::{Found, error, failed, met};
use crate::facts::journal::Journal;
use crate::finding::Verdict;
use crate::stage::DOMAIN;
use crate::world::World;
use jinyun_base::{Id, Time};
use jinyun_engine::{Effect, Have};
use jinyun_identity::assignment::role_of;
use jinyun_identity::{Assignment, Grant, Membership, Scoped};
use jinyun_policy::Role;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What was not used for so long is unused.
pub(super) const UNUSED: i64 = 90 * 86_400 * Time::SECOND;
/// At most so many institutions are named.
const NAMED: usize = 5;
/// Entries of everybody's own, which need no role.
const OWN: [&str; 5] = ["identity:token:", "identity:receipt:", "identity:device:", "identity:passkey:",
    "identity:user:change_password"];

/// What people did since a time.
#[derive(Default)]
struct Uses<'w> {
    /// Who signed in to the platform itself: no duty can be used without.
    system: BTreeSet<&'w str>,
    /// Where each did something; empty if an entry names no project.
    places: BTreeMap<&'w str, BTreeSet<&'w str>>,
}

impl<'w> Uses<'w> {
    fn since(journal: &'w Journal, since: i64) -> Uses<'w> {
        let mut uses = Uses::default();
        let recent = journal.entries.iter().rev().take_while(|entry| entry.time >= since);
        for entry in recent.filter(|e| e.actor.kind == "user" && e.outcome == "done") {
            let who = entry.actor.id.as_str();
            let scope = entry.note.as_ref().and_then(|note| note.get("scope"));
            if entry.action == "identity:token:create"
                && scope.and_then(Value::as_str) == Some("system")
            {
                uses.system.insert(who);
            }
            if OWN.iter().any(|own| entry.action.starts_with(own)) {
                continue;
            }
            let project = entry.effects.iter().find_map(|effect| match effect {
                Effect::Put { project, .. } if !project.is_empty() => Some(project.as_str()),
                _ => None,
            });
            uses.places.entry(who).or_default().insert(project.unwrap_or_default());
        }
        uses
    }

    /// Whether something speaks for a user's use of a grant.
    fn speak(&self, user: &str, grant: &Have<Assignment>) -> bool {
        let Some(places) = self.places.get(user) else { return false };
        match &grant.spec.scope {
            Scoped::Project(project) if !grant.spec.inherited => {
                places.contains("") || places.contains(project.as_str())
            }
            _ => true,
        }
    }
}

/// Who is in which group now.
fn members(all: &[Have<Membership>], now: Time) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for have in all.iter().filter(|have| have.spec.until.is_none_or(|until| until > now.0)) {
        groups.entry(have.spec.group.as_str()).or_default().push(have.spec.user.as_str());
    }
    groups
}

/// Who holds a grant.
fn holders<'w>(grant: &'w Have<Assignment>, groups: &BTreeMap<&str, Vec<&'w str>>) -> Vec<&'w str> {
    match grant.spec.of_group() {
        true => groups.get(grant.spec.group.as_str()).cloned().unwrap_or_default(),
        false => vec![grant.spec.user.as_str()],
    }
}

/// What of an institution's roles is used.
#[derive(Default)]
struct Tally {
    roles: u64,
    unused: u64,
}

/// No duty stands unused without an end; how many of each institution's roles nobody uses.
pub(super) fn unused_rights(world: &World) -> Found {
    let rows = || -> Result<_, String> {
        let journal = world.journal.as_ref().map_err(String::clone)?;
        Ok((journal, world.each::<Assignment>()?, world.each::<Membership>()?))
    };
    let (journal, grants, memberships) = match rows() {
        Ok(rows) => rows,
        Err(why) => return error(why),
    };
    let since = world.now.0.saturating_sub(UNUSED);
    let (uses, groups) = (Uses::since(journal, since), members(&memberships, world.now));
    let (mut wrong, mut judged) = (Vec::new(), 0u64);
    let (mut endless, mut timed, mut idle) = (0u64, 0u64, 0u64);
    let mut all: BTreeMap<&str, Tally> = BTreeMap::new();
    let held = grants.iter().filter(|grant| grant.spec.holds(world.now));
    for grant in held.filter(|grant| grant.domain.as_str() != DOMAIN) {
        // One that is younger cannot have been unused for so long.
        let old = grant.created.0 < since;
        judged += u64::from(old);
        match grant.spec.role {
            Grant::Duty(_) => {
                let ends = grant.spec.expires.is_some();
                *(if ends { &mut timed } else { &mut endless }) += 1;
                let user = grant.spec.user.as_str();
                if old && !uses.system.contains(user) {
                    idle += 1;
                    if !ends {
                        wrong.push(format!(
                            "user {user} holds the duty {} without an end and has not used it for 90 \
                             days", role_of(grant.spec.role).1
                        ));
                    }
                }
            }
            Grant::Role(Role::Reader) => {}
            Grant::Role(_) => {
                let tally = all.entry(grant.domain.as_str()).or_default();
                tally.roles += 1;
                let used = holders(grant, &groups).iter().any(|user| uses.speak(user, grant));
                tally.unused += u64::from(old && !used);
            }
        }
    }
    let count = grants.len() as u64;
    if count == 0 {
        return error(format!("nobody holds any right{}", super::NOTHING));
    }
    if !wrong.is_empty() {
        return Found { sampled: judged, ..failed(count, &wrong) };
    }
    let unused: u64 = all.values().map(|tally| tally.unused).sum();
    let mut says = format!(
        "duties: {endless} without an end, {timed} for a time, {idle} not used for 90 days; roles above \
         reader in {} institutions: {}, of which {unused} were not used for 90 days", all.len(),
        all.values().map(|tally| tally.roles).sum::<u64>()
    );
    let most = all.iter().filter(|(_, tally)| tally.unused > 0).take(NAMED);
    let named: Vec<String> =
        most.map(|(id, tally)| format!("{id}: {} of {}", tally.unused, tally.roles)).collect();
    if !named.is_empty() {
        says.push_str(&format!(" ({})", named.join("; ")));
    }
    let verdict = if unused > 0 { Verdict::Partly } else { Verdict::Met };
    Found { verdict, sampled: judged, ..met(count, says) }
}

/// Roles above reader by institution: those that are used, and those that are old enough to have been.
pub(super) fn of_institutions(world: &World) -> Result<BTreeMap<Id, Share>, String> {
    let journal = world.journal.as_ref().map_err(String::clone)?;
    let (grants, memberships) = (world.each::<Assignment>()?, world.each::<Membership>()?);
    let since = world.now.0.saturating_sub(UNUSED);
    let (uses, groups) = (Uses::since(journal, since), members(&memberships, world.now));
    let mut count = Count::new(world)?;
    for grant in grants.iter().filter(|grant| grant.spec.holds(world.now)) {
        if matches!(grant.spec.role, Grant::Duty(_) | Grant::Role(Role::Reader)) {
            continue;
        }
        let used = holders(grant, &groups).iter().any(|user| uses.speak(user, grant));
        if used || grant.created.0 < since {
            count.one(&grant.domain, (!used).then(|| format!("assignment {}", grant.id)));
        }
    }
    Ok(count.done())
}
