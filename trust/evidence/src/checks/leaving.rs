//! What is left of somebody who went: credentials, and everything of a tenant.

use super::{Found, all_right, error};
use crate::facts::journal::Journal;
use crate::facts::remains::{Remains, SecretName};
use crate::world::World;
use jinyun_engine::Effect;
use jinyun_journal::Entry;
use std::collections::BTreeMap;

/// What people and programs prove themselves with: kind of the resource and name of its secret.
const PROOFS: [(&str, &str); 5] = [
    ("user", "password"), ("user", "history"), ("user", "recovery"), ("credential", "blob"),
    ("application_credential", "secret"),
];

/// The journal from its first entry, and what remains.
pub(super) fn both(world: &World) -> Result<(&Journal, &Remains), Found> {
    let journal = world.journal.as_ref().map_err(|why| error(why.clone()))?;
    let remains = world.remains.as_ref().map_err(|why| error(why.clone()))?;
    match &journal.entries[..] {
        [first, ..] if first.number != 0 => {
            Err(error("the journal's beginning is not at hand: nothing is proved"))
        }
        [.., last] if last.number + 1 >= remains.length => Ok((journal, remains)),
        _ => Err(error("the journal at hand ends before the look at the store")),
    }
}

/// The life of a secret by the journal.
#[derive(Default)]
pub(super) struct Life {
    /// The entries that set it.
    pub set: Vec<u64>,
    /// The entries that destroyed it, and whether they hold a certificate.
    pub destroyed: Vec<(u64, bool)>,
    /// It was there when its resource went, and nothing says that it was destroyed.
    pub lost: Option<u64>,
    /// It was set again after it was destroyed.
    pub again: Option<u64>,
    /// It is there.
    pub lives: bool,
    /// Its resource went: one of the same id that comes later begins anew.
    over: bool,
}

/// The lives of the secrets that are wanted, in entries before a number.
pub(super) fn lives<'j>(entries: impl Iterator<Item = &'j Entry>,
    wanted: impl Fn(&str, &str) -> bool) -> BTreeMap<SecretName, Life> {
    let mut lives: BTreeMap<SecretName, Life> = BTreeMap::new();
    for entry in entries {
        for effect in &entry.effects {
            match effect {
                Effect::Secret { kind, id, name, .. } if wanted(kind, name) => {
                    let life = lives.entry((kind.clone(), id.clone(), name.clone())).or_default();
                    if life.over {
                        // What was found wrong stays wrong.
                        *life = Life { lost: life.lost, again: life.again, ..Life::default() };
                    }
                    if !life.destroyed.is_empty() {
                        life.again = Some(entry.number);
                    }
                    life.set.push(entry.number);
                    life.lives = true;
                }
                Effect::Unsecret { kind, id, name } if wanted(kind, name) => {
                    let life = lives.entry((kind.clone(), id.clone(), name.clone())).or_default();
                    life.destroyed.push((entry.number, entry.note.is_some()));
                    life.lives = false;
                }
                Effect::Drop { kind, id } => {
                    let from = (kind.clone(), id.clone(), String::new());
                    let own = lives.range_mut(from..)
                        .take_while(|((k, i, _), _)| k == kind && i == id);
                    for (_, life) in own {
                        if life.lives {
                            life.lost = Some(entry.number);
                            life.lives = false;
                        }
                        life.over = true;
                    }
                }
                _ => {}
            }
        }
    }
    lives
}

fn shown((kind, id, name): &SecretName) -> String {
    format!("{name} of {kind} {id}")
}

/// Passwords, one-time seeds and programs' secrets go with their owners and are destroyed on record.
pub(super) fn credentials_erased(world: &World) -> Found {
    let (journal, remains) = match both(world) {
        Ok(both) => both,
        Err(found) => return found,
    };
    let proof = |kind: &str, name: &str| PROOFS.contains(&(kind, name));
    let until = journal.entries.iter().take_while(|entry| entry.number < remains.length);
    let lives = lives(until, proof);
    let (mut wrong, mut entries) = (Vec::new(), Vec::new());
    let mut count = 0;
    for (name, life) in &lives {
        if let Some(entry) = life.lost {
            entries.push(entry);
            wrong.push(format!("entry {entry} does not say that the {} was destroyed", shown(name)));
        }
        if life.lives {
            continue;
        }
        count += 1;
        entries.extend(life.destroyed.last().map(|(entry, _)| *entry));
        if remains.secrets.contains(name) {
            wrong.push(format!("the store still has the {}", shown(name)));
        }
    }
    let lost = remains.orphans.iter().filter(|(kind, _, name)| proof(kind, name));
    wrong.extend(lost.map(|name| format!("the store has the {}, which is not there", shown(name))));
    let found = all_right(count, &wrong, "nobody's credentials were destroyed yet", format!(
        "{count} of {count} credentials of those who went, or that were replaced by a reset, were \
         destroyed on record and are not in the store"
    ));
    Found { entries, ..found }
}

/// The synthetic tenant's records, secrets and quotas are gone, each by an entry.
pub(super) fn tenant_gone(world: &World) -> Found {
    let remains = match &world.remains {
        Ok(remains) => remains,
        Err(why) => return error(why.clone()),
    };
    let had = &remains.had;
    if had.records.is_empty() {
        return error(format!("no tenant was there to leave: {}", world.no_stage));
    }
    let mut wrong: Vec<String> = remains.records.iter()
        .map(|(kind, id)| format!("{kind} {id} is still there")).collect();
    wrong.extend(remains.quotas.iter().map(|used| format!("it still uses {used}")));
    wrong.extend(had.records.difference(&remains.dropped)
        .map(|(kind, id)| format!("no entry says that {kind} {id} went")));
    wrong.extend(had.secrets.intersection(&remains.secrets)
        .map(|name| format!("the store still has the {}", shown(name))));
    wrong.extend(had.secrets.difference(&remains.destroyed)
        .map(|name| format!("no entry says that the {} was destroyed", shown(name))));
    let (records, secrets) = (had.records.len(), had.secrets.len());
    all_right((records + secrets) as u64, &wrong, "no tenant was there to leave", format!(
        "a tenant that left had {records} records and {secrets} secrets: none of them is there, each \
         went by an entry, no quota is in use"
    ))
}
