//! What is still there of the synthetic tenant after it was struck, and which secrets the store has.

use crate::stage::{DOMAIN, PROJECTS};
use jinyun_base::Fault;
use jinyun_engine::Effect;
use jinyun_journal::Entry;
use jinyun_rest::Cloud;
use jinyun_store::Db;
use std::collections::BTreeSet;

/// Kind and id of a record.
pub type RecordName = (String, String);
/// Kind, id and name of a secret.
pub type SecretName = (String, String, String);

/// What the synthetic tenant has while it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Belongings {
    /// The journal's length before the rest was read.
    pub from: u64,
    /// Its records.
    pub records: BTreeSet<RecordName>,
    /// Its secrets.
    pub secrets: BTreeSet<SecretName>,
}

/// What was found after it was struck.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// What it had.
    pub had: Belongings,
    /// Its records that are still there.
    pub records: BTreeSet<RecordName>,
    /// Its use of quotas, in words.
    pub quotas: Vec<String>,
    /// Records that went, by the journal.
    pub dropped: BTreeSet<RecordName>,
    /// Secrets that were destroyed, by the journal.
    pub destroyed: BTreeSet<SecretName>,
    /// The journal's length before the store's secrets were read: what these entries destroyed must
    /// be gone.
    pub length: u64,
    /// All secrets of the store.
    pub secrets: BTreeSet<SecretName>,
    /// Those of them whose resource is not there.
    pub orphans: Vec<SecretName>,
}

/// All records, and those of the synthetic tenant.
fn records(db: &mut Db) -> Result<[BTreeSet<RecordName>; 2], Fault> {
    let ours = |project: &str| PROJECTS.iter().any(|(id, _)| *id == project);
    let (mut all, mut here) = (BTreeSet::new(), BTreeSet::new());
    for stored in db.everything()? {
        let inside = stored.row.domain.as_str() == DOMAIN || ours(stored.row.project.as_str());
        let name = (stored.row.kind, stored.row.id.to_string());
        if inside {
            here.insert(name.clone());
        }
        all.insert(name);
    }
    Ok([all, here])
}

fn secrets(db: &mut Db) -> Result<BTreeSet<SecretName>, Fault> {
    Ok(db.secrets()?.into_iter().map(|(kind, id, name, ..)| (kind, id.to_string(), name)).collect())
}

fn owner((kind, id, _): &SecretName) -> RecordName {
    (kind.clone(), id.clone())
}

/// Reads what the synthetic tenant has.
pub fn before(cloud: &Cloud) -> Result<Belongings, Fault> {
    cloud.reader.lend(|db| {
        let from = db.journal_length()?;
        let [_, records] = records(db)?;
        let mut secrets = secrets(db)?;
        secrets.retain(|secret| records.contains(&owner(secret)));
        Ok(Belongings { from, records, secrets })
    })
}

/// Reads what is left of it.
pub fn after(cloud: &Cloud, had: Belongings) -> Result<Remains, Fault> {
    cloud.reader.lend(|db| {
        let length = db.journal_length()?;
        let (mut dropped, mut destroyed) = (BTreeSet::new(), BTreeSet::new());
        for bytes in db.entries(had.from, length)? {
            let entry: Entry = serde_json::from_slice(&bytes)
                .map_err(|e| Fault::new(format!("an entry in the state: {e}")))?;
            for effect in entry.effects {
                match effect {
                    Effect::Drop { kind, id } => {
                        dropped.insert((kind, id));
                    }
                    Effect::Unsecret { kind, id, name } => {
                        destroyed.insert((kind, id, name));
                    }
                    Effect::Put { .. } | Effect::Secret { .. } => {}
                }
            }
        }
        let [before, _] = records(db)?;
        let secrets = secrets(db)?;
        // Others work meanwhile: an orphan has no resource before and none after.
        let [after, records] = records(db)?;
        let there = |name: RecordName| before.contains(&name) || after.contains(&name);
        let orphans = secrets.iter().filter(|secret| !there(owner(secret))).cloned().collect();
        let quotas = db.usage()?.into_iter()
            .filter(|usage| PROJECTS.iter().any(|(id, _)| *id == usage.project.as_str()))
            .map(|usage| format!("{} of {}", usage.used, usage.item)).collect();
        Ok(Remains { had, records, quotas, dropped, destroyed, length, secrets, orphans })
    })
}
