//! The journal as a place where everything comes together, and what is taken away from it.

use super::{Found, all_right, error, tried};
use crate::finding::Verdict;
use crate::stage::DOMAIN;
use crate::world::World;
use jinyun_compute::{Flavor, Host, Keypair, Server};
use jinyun_engine::{Effect, Resource};
use jinyun_network::{Network, Port, Router, SecurityGroup, SecurityGroupRule, Subnet};
use jinyun_volume::Volume;
use std::collections::{BTreeMap, BTreeSet};

/// The services of an audit, with the kinds of their records.
pub(crate) const SERVICES: &[(&str, &[&str])] = &[
    ("networks", &[Network::KIND.0, Subnet::KIND.0, Port::KIND.0, Router::KIND.0,
        SecurityGroup::KIND.0, SecurityGroupRule::KIND.0]),
    ("volumes", &[Volume::KIND.0]),
    ("servers", &[Server::KIND.0, Flavor::KIND.0, Keypair::KIND.0, Host::KIND.0]),
];

/// Every record of networks, volumes and servers came by an entry of the one journal: those of the
/// synthetic tenant, where the trial looked, and everybody's.
pub(super) fn service_in_journal(world: &World) -> Found {
    let found = tried(world, "service-in-journal");
    let journal = match &world.journal {
        Ok(journal) if found.verdict == Verdict::Met => journal,
        Ok(_) => return found,
        Err(why) => return error(why.clone()),
    };
    let mut puts: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut entries: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in &journal.entries {
        for effect in &entry.effects {
            if let Effect::Put { kind, id, .. } = effect {
                puts.insert((kind.as_str(), id.as_str()));
                let of = SERVICES.iter().find(|(_, kinds)| kinds.contains(&kind.as_str()));
                if let Some(&(service, _)) = of {
                    *entries.entry(service).or_default() += 1;
                }
            }
        }
    }
    let (mut wrong, mut said) = (Vec::new(), Vec::new());
    let mut count = found.population;
    for &(service, kinds) in SERVICES {
        let rows: Vec<(&str, &str)> = world.rows.iter()
            .filter(|stored| stored.row.domain.as_str() != DOMAIN)
            .map(|stored| (stored.row.kind.as_str(), stored.row.id.as_str()))
            .filter(|(kind, _)| kinds.contains(kind)).collect();
        count += rows.len() as u64;
        wrong.extend(rows.iter().filter(|row| !puts.contains(*row))
            .map(|(kind, id)| format!("no entry made {kind} {id}")));
        let changes = entries.get(service).copied().unwrap_or(0);
        said.push(format!("{service}: {} records, {changes} changes", rows.len()));
    }
    all_right(count, &wrong, "there are no records", format!(
        "{}; of everybody, in one journal and by one clock: {}; each record came by an entry",
        found.says, said.join("; ")
    ))
}

/// An export of a period, made twice, has the same entries: all that there are.
pub(super) fn export_repeats(world: &World) -> Found {
    let Some(exports) = &world.sights.exports else {
        return error(format!("nothing was exported: {}", world.no_stage));
    };
    let mut wrong = exports.problems.clone();
    if exports.digests[0] != exports.digests[1] {
        wrong.push("two exports of one period have other entries".into());
    }
    for count in exports.entries.iter().filter(|count| **count != exports.listed) {
        wrong.push(format!("an export has {count} entries, the list of its period {}",
            exports.listed));
    }
    all_right(exports.listed, &wrong, "the period has no entries", format!(
        "{} entries of a period exported twice: the same bytes each time (SHA-256 {}), as many as the \
         list of the period, and the verifier finds nothing", exports.listed, exports.digests[0]
    ))
}
