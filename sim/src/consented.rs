//! Judges consents: the provider's staff touched nothing of a tenant's that the tenant had not allowed
//! at that moment, and the entry names what allowed it.

use crate::check::entries;
use crate::past::{Consent, Past, read, walk};
use crate::world::World;
use jinyun_engine::Effect;
use jinyun_journal::Entry;
use jinyun_policy::{PROVIDER, Role};
use serde_json::Value;

/// Kinds that staff may touch by office: who there is, how much they may have, and the records of
/// approvals and consents themselves. Everything else in a project is the tenant's.
const OFFICE: [&str; 11] = ["domain", "project", "user", "group", "membership", "assignment", "limit",
    "compliance", "approval", "approval_rule", "consent"];

/// Each act of staff on a tenant's thing has a consent that covered it.
pub fn consents(world: &mut World) -> Result<(), String> {
    walk(&entries(world)?, judge).map(drop)
}

/// Judges one entry.
pub(crate) fn judge(past: &Past, entry: &Entry) -> Result<(), String> {
    granted(past, entry)?;
    let staff = entry.actor.kind == "user" && entry.actor.domain == PROVIDER;
    if !staff || entry.outcome == "refused" {
        return Ok(());
    }
    for (kind, id) in touched(entry) {
        let Some((domain, project)) = past.place(kind, id) else { continue };
        if project.is_empty() || domain == PROVIDER || OFFICE.contains(&kind) {
            continue;
        }
        let none = || format!("touches {kind} {id} without a consent");
        let (name, consent) = named(past, entry).ok_or_else(none)?;
        if let Err(say) = covers(past, entry, consent, domain, project) {
            return Err(format!("touches {kind} {id} under consent {name}, which {say}"));
        }
    }
    Ok(())
}

/// What an entry is about and what it changed.
fn touched(entry: &Entry) -> Vec<(&str, &str)> {
    let target = entry.target.iter().map(|t| (t.kind.as_str(), t.id.as_str()));
    let changed = entry.effects.iter().filter_map(|effect| match effect {
        Effect::Put { kind, id, .. } | Effect::Drop { kind, id } => Some((kind.as_str(), id.as_str())),
        _ => None,
    });
    target.chain(changed).collect()
}

/// The consent that an entry names: by its approval, or in its note if a rule made it wait as well.
fn named<'a>(past: &'a Past, entry: &'a Entry) -> Option<(&'a str, &'a Consent)> {
    let note = entry.note.as_ref().and_then(|n| n.get("consent")).and_then(Value::as_str);
    let id = note.or(entry.approval.as_deref())?;
    past.consents.get(id).map(|consent| (id, consent))
}

/// Why a consent does not cover an entry.
fn covers(past: &Past, entry: &Entry, consent: &Consent, domain: &str, project: &str)
    -> Result<(), &'static str> {
    let duty = past.holds(&entry.actor.id, PROVIDER, "", entry.time).and_then(|h| h.duty);
    let target = entry.target.as_ref();
    let inside = consent.domain == domain
        && (consent.project.is_empty() || consent.project == project)
        && consent.resource.as_ref().is_none_or(|r| {
            target.is_some_and(|t| t.kind == r.kind && t.id == r.id)
        });
    let holder = consent.user.as_ref() == Some(&entry.actor.id)
        || (consent.duty.is_some() && consent.duty == duty);
    let begun = consent.from <= entry.time;
    if consent.state != "granted" {
        return Err("does not stand");
    }
    if !begun || consent.until.is_some_and(|end| entry.time >= end) {
        return Err("is not of this time");
    }
    if !consent.actions.contains(&entry.action) {
        return Err("does not cover the action");
    }
    if !inside {
        return Err("does not cover the thing");
    }
    if !holder || duty.is_none() {
        return Err("is for somebody else");
    }
    Ok(())
}

/// A consent begins to stand by the word of a manager of the institution, and has an end or a
/// contract.
fn granted(past: &Past, entry: &Entry) -> Result<(), String> {
    for effect in &entry.effects {
        let Effect::Put { kind, id, domain, spec, .. } = effect else { continue };
        if kind != "consent" {
            continue;
        }
        let consent: Consent = read(spec)?;
        let stood = past.consents.get(id).is_some_and(|c| c.state == "granted");
        if consent.state != "granted" || stood {
            continue;
        }
        let giver = past.holds(&entry.actor.id, domain, "", entry.time).and_then(|h| h.domain);
        if consent.domain != *domain || giver != Some(Role::Manager) {
            return Err(format!("consent {id} was not granted by a manager of its institution"));
        }
        if consent.until.is_none() && (!consent.standing || consent.contract.is_empty()) {
            return Err(format!("consent {id} has neither an end nor a contract"));
        }
    }
    Ok(())
}
