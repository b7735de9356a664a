//! What judges. Each checker looks at records, journal and hosts, never at what the workload meant.

pub use crate::agreed::{approvals, overdue, runs, votes};
pub use crate::consented::consents;

use crate::past::walk;
use crate::world::{PROJECTS, World, registry};
use crate::{agreed, consented};
use jinyun_base::Id;
use jinyun_engine::{Effect, Seen, replay};
use jinyun_journal::Entry;
use jinyun_store::{Config, Row, Writer};
use sha2::Digest;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All that is judged of records and journal.
pub fn records(world: &mut World) -> Result<(), String> {
    quota(world)?;
    claims(world)?;
    tenants(world)?;
    journal(world)?;
    acknowledged(world)?;
    entries_and_rows(world)?;
    decisions(world)?;
    replayed(world)
}

/// What was approved, and what was consented to.
fn decisions(world: &mut World) -> Result<(), String> {
    let all = entries(world)?;
    let past = walk(&all, |past, entry| {
        agreed::judge(&world.registry, past, entry)?;
        consented::judge(past, entry)
    })?;
    agreed::ran_once(world, &all, &past)?;
    agreed::votes_kept(world, &all)
}

fn rows(world: &mut World) -> Result<Vec<Row>, String> {
    let all = world.db.everything().map_err(|e| e.to_string())?;
    Ok(all.into_iter().map(|s| s.row).collect())
}

pub(crate) fn entries(world: &mut World) -> Result<Vec<Entry>, String> {
    let bytes = world.db.entries(0, i64::MAX as u64).map_err(|e| e.to_string())?;
    bytes.iter().map(|b| serde_json::from_slice(b).map_err(|e| format!("entry: {e}"))).collect()
}

/// Quota is the sum of costs.
pub fn quota(world: &mut World) -> Result<(), String> {
    let mut sums: BTreeMap<(String, String), i64> = BTreeMap::new();
    for row in rows(world)? {
        for cost in world.registry.derived(&row).map_err(|e| e.to_string())?.costs {
            *sums.entry((row.project.to_string(), cost.item.into())).or_default() += cost.amount;
        }
    }
    sums.retain(|_, n| *n > 0);
    let stored: BTreeMap<(String, String), i64> = world.db.usage().map_err(|e| e.to_string())?
        .into_iter().map(|u| ((u.project.to_string(), u.item), u.used)).collect();
    if sums != stored {
        return Err(format!("quota is {stored:?}, the costs of what is there sum to {sums:?}"));
    }
    Ok(())
}

/// No exclusive thing has two owners, and each claim is the one that follows from its row.
pub fn claims(world: &mut World) -> Result<(), String> {
    let mut owners: HashMap<(String, String), (String, Id)> = HashMap::new();
    for row in rows(world)? {
        for claim in world.registry.derived(&row).map_err(|e| e.to_string())?.claims {
            let key = (claim.space, claim.word);
            let owner = (row.kind.clone(), row.id.clone());
            let held = world.db.claimed(&key.0, &key.1).map_err(|e| e.to_string())?;
            if held.as_ref() != Some(&owner) {
                return Err(format!("{key:?} follows from {owner:?}, but {held:?} holds it"));
            }
            if let Some(other) = owners.insert(key.clone(), owner.clone()) {
                return Err(format!("{key:?} is held by {other:?} and {owner:?}"));
            }
        }
    }
    Ok(())
}

/// No tenant sees another's row, whatever it asks.
pub fn tenants(world: &mut World) -> Result<(), String> {
    let all = world.db.everything().map_err(|e| e.to_string())?;
    for (project, _) in PROJECTS {
        let actor = world.member(project);
        let own = world.projects.get(project).cloned().unwrap_or_else(|| "".into());
        for stored in &all {
            let row = &stored.row;
            let object = world.registry.object(stored).map_err(|e| e.to_string())?;
            let foreign = !row.project.as_str().is_empty() && row.project != own;
            let seen = world.registry.policy.actions().into_iter().find(|(action, _)| {
                action.split(':').nth(1) == Some(row.kind.as_str())
                    && world.registry.policy.decide(&actor, action, &object).is_ok()
            });
            if let Some((action, _)) = seen.filter(|_| foreign && !object.shared) {
                return Err(format!(
                    "{action} lets a member of {project} reach {} {} of another project",
                    row.kind, row.id
                ));
            }
        }
    }
    Ok(())
}

/// The journal verifies as an outsider would verify it.
pub fn journal(world: &mut World) -> Result<(), String> {
    world.checkpoint()?;
    let mut export = Vec::new();
    world.db.export("sim", 0, &mut export).map_err(|e| e.to_string())?;
    let report = jinyun_verify::verify(&export, &world.keys(), &[]);
    if report.ok {
        return Ok(());
    }
    Err(format!("the journal does not verify: {:?}", report.problems.first()))
}

/// What was acknowledged is there, or its end is on record.
pub fn acknowledged(world: &mut World) -> Result<(), String> {
    let ended: BTreeSet<(String, String)> = entries(world)?.into_iter()
        .flat_map(|e| e.effects).filter_map(|e| match e {
            Effect::Drop { kind, id } => Some((kind, id)),
            _ => None,
        }).collect();
    for (kind, id) in world.acknowledged.clone() {
        let there = world.db.get(&kind, &id).map_err(|e| e.to_string())?.is_some();
        if !there && !ended.contains(&(kind.clone(), id.to_string())) {
            return Err(format!("{kind} {id} was acknowledged and is lost"));
        }
    }
    Ok(())
}

/// Each write has one entry: a row's generations are its `put` effects, one by one.
pub fn entries_and_rows(world: &mut World) -> Result<(), String> {
    let mut last: HashMap<(String, String), i64> = HashMap::new();
    for entry in entries(world)? {
        for effect in &entry.effects {
            match effect {
                Effect::Put { kind, id, generation, .. } => {
                    let before = last.insert((kind.clone(), id.clone()), *generation).unwrap_or(0);
                    if *generation != before + 1 {
                        return Err(format!(
                            "entry {}: {kind} {id} goes from generation {before} to {generation}",
                            entry.number
                        ));
                    }
                }
                Effect::Drop { kind, id }
                    if last.remove(&(kind.clone(), id.clone())).is_none() =>
                {
                    return Err(format!("entry {}: {kind} {id} ends twice", entry.number));
                }
                _ => {}
            }
        }
        // A command that waits has changed one thing: there is a request for it.
        if entry.outcome == "refused" && !entry.effects.is_empty() {
            return Err(format!("entry {} was refused and changed something", entry.number));
        }
    }
    for row in rows(world)? {
        let recorded = last.remove(&(row.kind.clone(), row.id.to_string()));
        if recorded != Some(row.generation) {
            return Err(format!(
                "{} {} has generation {}, the journal says {recorded:?}", row.kind, row.id,
                row.generation
            ));
        }
    }
    match last.into_iter().next() {
        Some(((kind, id), _)) => Err(format!("{kind} {id} is in the journal only")),
        None => Ok(()),
    }
}

/// The journal replayed on an empty store equals the tables.
pub fn replayed(world: &mut World) -> Result<(), String> {
    let bytes = world.db.entries(0, i64::MAX as u64).map_err(|e| e.to_string())?;
    let path = std::env::temp_dir().join(format!("jyreplay-{}-{}", std::process::id(), world.seed));
    let remove = |path: &std::path::Path| {
        for tail in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{tail}", path.display()));
        }
    };
    remove(&path);
    let config = Config::Sqlite { path: path.clone(), durable: false };
    let compared = (|| -> Result<(), String> {
        let mut copy = Writer::open(&config, "replay").map_err(|e| e.to_string())?;
        let secrets = replay(bytes.into_iter(), &registry(), &mut copy).map_err(|e| e.to_string())?;
        let there: Vec<Row> = copy.db.everything().map_err(|e| e.to_string())?
            .into_iter().map(|s| s.row).collect();
        for (a, b) in there.iter().zip(&rows(world)?) {
            if a != b {
                return Err(format!("replayed {a:?} differs from stored {b:?}"));
            }
        }
        let same = (there.len(), copy.db.derived().map_err(|e| e.to_string())?,
            copy.db.usage().map_err(|e| e.to_string())?);
        let tables = (rows(world)?.len(), world.db.derived().map_err(|e| e.to_string())?,
            world.db.usage().map_err(|e| e.to_string())?);
        if same != tables {
            return Err("claims, links, fields, quota or meters differ from the replayed".into());
        }
        let stored = world.db.secrets().map_err(|e| e.to_string())?;
        if stored.len() != secrets.len() {
            return Err(format!("{} secrets, {} in the journal", stored.len(), secrets.len()));
        }
        for (kind, id, name, salt, value) in stored {
            let said = secrets.get(&(kind.clone(), id.to_string(), name.clone()));
            if said != Some(&digest(&salt, &value)) {
                return Err(format!("secret {name} of {kind} {id} is not the recorded one"));
            }
        }
        Ok(())
    })();
    remove(&path);
    compared
}

/// In peace everything comes to rest: each thing is as it was asked for, each host has what the
/// records say and nothing else.
pub fn converged(world: &mut World) -> Result<(), String> {
    let waiting = world.db.nudges().map_err(|e| e.to_string())?;
    if let Some(nudge) = waiting.first() {
        let stored = world.db.get(&nudge.kind, &nudge.id).map_err(|e| e.to_string())?;
        let seen = world.live.seen(match nudge.kind.as_str() {
            "server" => "server",
            "volume" => "volume",
            _ => "port",
        }, &nudge.id);
        return Err(format!(
            "{} of {} things did not come to rest; {} {}: {stored:?}, seen {seen:?}",
            waiting.len(), rows(world)?.len(), nudge.kind, nudge.id
        ));
    }
    let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
    for stored in world.db.everything().map_err(|e| e.to_string())? {
        if stored.row.delete_asked.is_some() {
            return Err(format!("{} {} was never torn down", stored.row.kind, stored.row.id));
        }
        let spec: serde_json::Value =
            serde_json::from_str(&stored.row.spec).map_err(|e| e.to_string())?;
        let placed = spec.get("host").and_then(|h| h.as_str()).is_some_and(|h| !h.is_empty());
        if ["server", "volume", "port"].contains(&stored.row.kind.as_str()) && placed {
            wanted.insert((stored.row.kind.clone(), stored.row.id.to_string()));
        }
        if stored.row.kind == "server" {
            let running = spec.get("running").and_then(|r| r.as_bool()).unwrap_or(false);
            let fits = match stored.status.phase.as_str() {
                "ACTIVE" => running,
                "SHUTOFF" => !running,
                "ERROR" => true,
                _ => false,
            };
            if !fits {
                return Err(format!("server {} rests as {} while running is {running}",
                    stored.row.id, stored.status.phase));
            }
        }
    }
    let mut there: BTreeSet<(String, String)> = BTreeSet::new();
    for host in world.hosts.values().flatten() {
        let seen = host.seen(&[]);
        let things = seen.ports.iter().map(|t| ("port", &t.id))
            .chain(seen.disks.iter().map(|t| ("volume", &t.id)))
            .chain(seen.guests.iter().map(|g| ("server", &g.id)));
        for (kind, id) in things {
            if !there.insert((kind.into(), id.clone())) {
                return Err(format!("{kind} {id} is on two hosts"));
            }
        }
    }
    if wanted != there {
        let lost: Vec<_> = wanted.difference(&there).collect();
        let orphans: Vec<_> = there.difference(&wanted).collect();
        return Err(format!("missing on hosts: {lost:?}; left over on hosts: {orphans:?}"));
    }
    Ok(())
}

/// The salted digest of a secret, as the journal's format defines it.
fn digest(salt: &[u8], value: &[u8]) -> String {
    let hash = sha2::Sha256::new().chain_update(salt).chain_update(value).finalize();
    jinyun_journal::to_hex(&hash)
}
