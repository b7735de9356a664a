//! The journal: whole, true to the tables, and each institution's own.

use super::{Found, all_right, error, failed, met};
use crate::facts::journal::{Journal, backwards};
use crate::stage::DOMAIN;
use crate::world::World;
use jinyun_engine::Effect;
use jinyun_policy::PROVIDER;
use std::collections::{BTreeMap, BTreeSet};

fn journal(world: &World) -> Result<&Journal, Found> {
    world.journal.as_ref().map_err(|why| error(why.clone()))
}

/// The assessor's verifier finds nothing.
pub(super) fn verifies(world: &World) -> Found {
    let journal = match journal(world) {
        Ok(journal) => journal,
        Err(found) => return found,
    };
    let institutions: BTreeSet<&str> =
        journal.entries.iter().map(|e| e.institution.id.as_str()).collect();
    let kept = match journal.kept {
        0 => "no earlier checkpoint was kept to compare with".to_string(),
        n => format!("{n} checkpoints of the last assessment still hold"),
    };
    all_right(journal.verified, &journal.problems, "the journal is empty", format!(
        "{} entries verified anew: numbers without a gap, the chains of {} institutions, both \
         trees, both signatures; {kept}", journal.verified, institutions.len()
    ))
}

/// Replayed into an empty store it gives the tables.
pub(super) fn replays(world: &World) -> Found {
    match journal(world) {
        Ok(journal) => all_right(journal.rows, &journal.differences, "there are no records",
            format!(
                "{} entries replayed into an empty store give the same {} records, claims, links, \
                 quotas, meters, and secrets by digest", journal.verified, journal.rows
            )),
        Err(found) => found,
    }
}

/// Every refusal that the attacks provoked is there, once, with who, what and why.
pub(super) fn refusals_recorded(world: &World) -> Found {
    let journal = match journal(world) {
        Ok(journal) => journal,
        Err(found) => return found,
    };
    let (mut wrong, mut entries) = (Vec::new(), Vec::new());
    for asked in &world.asked {
        let here: Vec<_> = journal.entries.iter().filter(|e| e.request == asked.request).collect();
        let [entry] = here[..] else {
            wrong.push(format!("{} by {} stands {} times in the journal", asked.action,
                asked.actor, here.len()));
            continue;
        };
        let target = entry.target.as_ref().is_some_and(|t| t.id == asked.target.as_str());
        let whole = entry.outcome == "refused" && entry.action == asked.action
            && entry.actor.id == asked.actor.as_str() && target
            && entry.reason.as_ref().is_some_and(|r| !r.code.is_empty() && !r.message.is_empty());
        if whole {
            entries.push(entry.number);
        } else {
            wrong.push(format!("entry {} does not say what was refused to whom, and why",
                entry.number));
        }
    }
    let count = world.asked.len() as u64;
    let all = journal.entries.iter().filter(|e| e.outcome == "refused").count();
    let nothing = format!("no refusal was provoked ({})", world.no_stage);
    let found = all_right(count, &wrong, &nothing, format!(
        "{count} of {count} provoked refusals are on record with who, what and why; {all} refusals \
         in all"
    ));
    Found { entries, ..found }
}

/// Whatever happened to an institution's things stands in its own sequence, whoever did it.
pub(super) fn own_journal(world: &World) -> Found {
    let journal = match journal(world) {
        Ok(journal) => journal,
        Err(found) => return found,
    };
    // Whose each thing is: the effects that say no domain are about things that were put before.
    let mut owners: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let (mut wrong, mut entries) = (Vec::new(), Vec::new());
    let (mut count, mut by_provider) = (0, 0);
    for entry in &journal.entries {
        let mut told = false;
        for effect in &entry.effects {
            let (kind, id, put) = match effect {
                Effect::Put { kind, id, domain, .. } => (kind, id, Some(domain.as_str())),
                Effect::Drop { kind, id } | Effect::Secret { kind, id, .. }
                | Effect::Unsecret { kind, id, .. } => (kind, id, None),
            };
            let key = (kind.as_str(), id.as_str());
            if let Some(domain) = put {
                owners.insert(key, domain);
            }
            let Some(owner) = owners.get(&key).copied().filter(|o| *o != PROVIDER) else {
                continue;
            };
            // An institution cannot have an entry before the one that makes it.
            if kind == "domain" {
                continue;
            }
            count += 1;
            by_provider += u64::from(entry.actor.domain == PROVIDER);
            if entry.institution.id != owner && !told {
                told = true;
                entries.push(entry.number);
                wrong.push(format!(
                    "entry {} ({} on {kind} {id}) stands in the provider's sequence, not in that \
                     of {}", entry.number, entry.action,
                    if owner == DOMAIN { "the synthetic tenant" } else { owner }
                ));
            }
        }
    }
    if wrong.is_empty() {
        all_right(count, &[], "no institution has anything", format!(
            "{count} changes of institutions' things, {by_provider} of them by the provider or the \
             platform: each in the sequence of its own institution"
        ))
    } else {
        Found { entries, ..failed(count, &wrong) }
    }
}

/// All entries have their time from one clock, which never goes back.
pub(super) fn one_clock(world: &World) -> Found {
    let journal = match journal(world) {
        Ok(journal) => journal,
        Err(found) => return found,
    };
    let count = journal.entries.len() as u64;
    if count == 0 {
        return error("the journal is empty: nothing is proved");
    }
    if let Some(number) = backwards(&journal.entries) {
        let say = format!("entry {number} is older than the one before it");
        return Found { entries: vec![number], ..failed(count, &[say]) };
    }
    let services: BTreeSet<&str> =
        journal.entries.iter().filter_map(|e| e.action.split(':').next()).collect();
    met(count, format!(
        "{count} entries of {} parts of the platform have their times from one clock, in order",
        services.len()
    ))
}
