//! The tables again, from the journal alone.
//!
//! The journal is not the database, but it must be able to stand for it: what it says happened is
//! what the tables hold. Applied to an empty store, the effects give the same resource, claim,
//! link, field, quota and meter rows (secrets by digest). A simulation checks that after every run,
//! and in production it is a check like any other.

use crate::derive;
use crate::registry::Registry;
use jinyun_base::{Fault, Id, Time};
use jinyun_journal::{Effect, Entry};
use jinyun_store::{PutOutcome, Row, Writer};
use std::collections::HashMap;

/// Applies entries to a store. Returns the digest of every secret that should exist, by kind, id
/// and name.
pub fn replay(entries: impl Iterator<Item = Vec<u8>>, registry: &Registry, to: &mut Writer)
    -> Result<HashMap<(String, String, String), String>, Fault> {
    let mut secrets = HashMap::new();
    to.begin()?;
    for bytes in entries {
        let entry: Entry = serde_json::from_slice(&bytes)
            .map_err(|e| Fault::new(format!("a journal entry cannot be read: {e}")))?;
        let now = Time(entry.time);
        for effect in entry.effects {
            match effect {
                Effect::Secret { kind, id, name, digest } => {
                    secrets.insert((kind, id, name), digest);
                }
                Effect::Unsecret { kind, id, name } => {
                    secrets.remove(&(kind, id, name));
                }
                Effect::Drop { kind, id } => drop_row(to, registry, &kind, &id.into(), now)?,
                put => put_row(to, registry, put, now)
                    .map_err(|e| e.while_doing(format!("entry {}", entry.number)))?,
            }
        }
    }
    to.commit()?;
    Ok(secrets)
}

fn put_row(to: &mut Writer, registry: &Registry, effect: Effect, now: Time) -> Result<(), Fault> {
    let Effect::Put { kind, id, domain, project, name, generation, spec, deleting } = effect else {
        return Ok(());
    };
    let id = Id::new(id);
    let old = to.db.get(&kind, &id)?.map(|s| s.row);
    let row = Row {
        domain: domain.into(),
        project: project.into(),
        name,
        generation,
        spec: spec.to_string(),
        created: old.as_ref().map_or(now, |o| o.created),
        updated: now,
        delete_asked: deleting.then_some(now),
        kind,
        id,
    };
    let before = match &old {
        Some(old) => registry.derived(old)?,
        None => Default::default(),
    };
    let after = registry.derived(&row)?;
    if to.put(&row, old.as_ref().map_or(0, |o| o.generation))? == PutOutcome::Stale {
        return Err(Fault::new(format!("{} {} does not follow what was before", row.kind, row.id)));
    }
    match derive::write(to, &row, &before, &after, now)? {
        Some(claim) => Err(Fault::new(format!("{} {} was held already", claim.space, claim.word))),
        None => Ok(()),
    }
}

fn drop_row(to: &mut Writer, registry: &Registry, kind: &str, id: &Id, now: Time)
    -> Result<(), Fault> {
    match to.db.get(kind, id)? {
        Some(stored) => derive::drop_row(to, registry, &stored.row, now),
        None => Err(Fault::new(format!("{kind} {id} is dropped but was never there"))),
    }
}
