//! More of what institutions do with their half: whether they look into their part of the journal, how
//! their servers are entered, what their people sign in with and from where.
//!
//! As in `tenants.rs`, each look counts by institution. One that has nothing of the kind, or was not
//! there for long enough to be asked, is not counted: nothing is said of it.

use super::accounts::{policies, strong};
use super::tenants::{Count, Share, found, managing, with_factor};
use super::{Found, rights};
use crate::world::World;
use jinyun_base::{Id, Time};
use jinyun_compute::Server;
use jinyun_engine::Effect;
use jinyun_identity::{Domain, User};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What was not done for so long is not done.
const LOOKED: i64 = 180 * 86_400 * Time::SECOND;
/// By what an institution looks into its part of the journal: it takes it away, or signs a checkpoint.
const TAKEN: [&str; 2] = ["audit:entry:export", "governance:cosignature:create"];

/// Institutions take their part of the journal away, or sign checkpoints of it.
pub(super) fn tenant_audits(world: &World) -> Found {
    found(world, audits, "parts of the journal",
        "no institution has taken its part of the journal away, and none is older than 180 days",
        "taken away, or a checkpoint of it signed, within 180 days")
}

pub(super) fn audits(world: &World) -> Result<BTreeMap<Id, Share>, String> {
    let journal = world.journal.as_ref().map_err(String::clone)?;
    let since = world.now.0.saturating_sub(LOOKED);
    let recent: BTreeSet<&str> = journal.entries.iter().rev()
        .take_while(|entry| entry.time >= since)
        .filter(|entry| entry.outcome == "done" && TAKEN.contains(&entry.action.as_str()))
        // By its own people: what the provider's auditor takes away is another look.
        .filter(|entry| entry.actor.domain == entry.institution.id)
        .map(|entry| entry.institution.id.as_str()).collect();
    let mut count = Count::new(world)?;
    for domain in world.each::<Domain>()?.iter().filter(|have| !have.deleting) {
        let looked = recent.contains(domain.id.as_str());
        if looked || domain.created.0 < since {
            let never = || "not looked into for 180 days".to_string();
            count.one(&domain.id, (!looked).then(never));
        }
    }
    Ok(count.done())
}

/// Servers are entered by what their institution has put into them.
pub(super) fn tenant_servers(world: &World) -> Found {
    found(world, servers, "servers", "no institution has a server",
        "each was made with a key pair, a password or data of its own for its first start")
}

pub(super) fn servers(world: &World) -> Result<BTreeMap<Id, Share>, String> {
    let journal = world.journal.as_ref().map_err(String::clone)?;
    // A password is destroyed once the guest has it: its record does not say that there was one.
    let mut given: BTreeSet<&str> = BTreeSet::new();
    for effect in journal.entries.iter().flat_map(|entry| &entry.effects) {
        if let Effect::Put { kind, id, spec, .. } = effect
            && kind == "server"
            && spec.get("has_password").and_then(Value::as_bool) == Some(true)
        {
            given.insert(id.as_str());
        }
    }
    let mut count = Count::new(world)?;
    for server in world.each::<Server>()?.iter().filter(|have| !have.deleting) {
        let spec = &server.spec;
        let own = !spec.public_key.is_empty() || spec.has_password || spec.has_user_data
            || given.contains(server.id.as_str());
        count.one(&server.domain, (!own).then(|| format!("server {}", server.id)));
    }
    Ok(count.done())
}

/// Nobody holds a role that nobody uses.
pub(super) fn tenant_rights(world: &World) -> Found {
    found(world, rights::of_institutions, "roles above reader",
        "no role of an institution was used, and none is older than 90 days",
        "each was used within 90 days")
}

/// People with a password have a second factor.
pub(super) fn tenant_factors(world: &World) -> Found {
    found(world, factors, "people with a password", "nobody of an institution has a password",
        "each has a device for one-time codes or a passkey")
}

pub(super) fn factors(world: &World) -> Result<BTreeMap<Id, Share>, String> {
    let (with, mut count) = (with_factor(world)?, Count::new(world)?);
    let passwords: BTreeSet<&Id> = world.secrets.iter()
        .filter(|secret| secret.kind == "user" && secret.name == "password")
        .map(|secret| &secret.id).collect();
    let people = world.each::<User>()?;
    for user in people.iter().filter(|user| user.spec.enabled && user.spec.federated.is_none()) {
        if passwords.contains(&user.id) {
            let none = !with.contains(&user.id);
            count.one(&user.domain, none.then(|| format!("user {}", user.id)));
        }
    }
    Ok(count.done())
}

/// What holds for passwords in each institution is what everybody should ask for.
pub(super) fn tenant_rules(world: &World) -> Found {
    found(world, rules, "rules of passwords", "there is no institution",
        "their own or the platform's, they ask for 8 characters of three sorts or more, for another \
         one than the last and for a new one within a year")
}

pub(super) fn rules(world: &World) -> Result<BTreeMap<Id, Share>, String> {
    let mut count = Count::new(world)?;
    for (domain, rules) in policies(world)? {
        let weak = || "they ask for less than anybody should".to_string();
        count.one(&domain, (!strong(&rules)).then(weak));
    }
    Ok(count.done())
}

/// Who manages an institution or a project of it is bound to networks or to hours.
pub(super) fn tenant_sources(world: &World) -> Found {
    found(world, sources, "managers", "no institution has a manager of its own",
        "each is bound to networks or to hours")
}

pub(super) fn sources(world: &World) -> Result<BTreeMap<Id, Share>, String> {
    let (managing, mut count) = (managing(world)?, Count::new(world)?);
    let people = world.each::<User>()?;
    let people: BTreeMap<&Id, _> = people.iter().map(|have| (&have.id, &have.spec)).collect();
    for (domain, user) in &managing {
        if let Some(spec) = people.get(user).filter(|spec| spec.enabled) {
            let free = spec.sources.is_empty() && spec.hours.is_none();
            count.one(domain, free.then(|| format!("user {user}")));
        }
    }
    Ok(count.done())
}
