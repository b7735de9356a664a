//! Disks, their keys, their end, and images.

use super::{Found, all_right, error};
use crate::facts::images::ImageLook;
use crate::facts::secrets::SecretFact;
use crate::world::World;
use jinyun_compute::Server;
use jinyun_engine::{Effect, Have};
use jinyun_identity::Project;
use jinyun_volume::Volume;
use jinyun_wire::{DiskHeader, HostWant};
use std::collections::{BTreeMap, BTreeSet};

/// A wrapped key of 256 bits: nonce, key and tag.
const WRAPPED: usize = 12 + 32 + 16;

/// Disks on hosts, with their host's name.
fn disks(world: &World) -> Vec<(&str, &DiskHeader)> {
    world.hosts.iter()
        .filter_map(|host| Some((host.name.as_str(), host.installed.as_ref().ok()?)))
        .flat_map(|(name, installed)| installed.disks.iter().map(move |disk| (name, disk)))
        .collect()
}

/// Every disk's file is encrypted by its own header's word.
pub(super) fn disk_encrypted(world: &World) -> Found {
    if let Some(why) = world.hosts_silent() {
        return error(why);
    }
    let disks = disks(world);
    let wrong: Vec<String> = disks.iter().filter(|(_, disk)| disk.cipher != "luks")
        .map(|(host, disk)| {
            format!("disk {} on {host} is not encrypted: {}", disk.id, disk.cipher)
        }).collect();
    let count = disks.len() as u64;
    all_right(count, &wrong, "there is no disk", format!(
        "{count} of {count} disks on {} host(s) are LUKS by their headers", world.hosts.len()
    ))
}

/// Guests of a host's document with their disks.
fn guests(document: &HostWant) -> impl Iterator<Item = (&str, &str)> {
    document.guests.iter().flat_map(|guest| {
        guest.disks.iter().map(move |disk| (guest.id.as_str(), disk.id.as_str()))
    })
}

/// Every disk is one volume's, in one guest at most, of the same project, with a key of its own.
pub(super) fn disk_apart(world: &World) -> Found {
    if let Some(why) = world.hosts_silent() {
        return error(why);
    }
    let (volumes, servers) = match (world.all::<Volume>(), world.all::<Server>()) {
        (Ok(volumes), Ok(servers)) => (volumes, servers),
        (Err(why), _) | (_, Err(why)) => return error(why),
    };
    let volumes: BTreeMap<&str, &Have<Volume>> =
        volumes.iter().map(|v| (v.id.as_str(), v)).collect();
    let servers: BTreeMap<&str, &Have<Server>> =
        servers.iter().map(|s| (s.id.as_str(), s)).collect();
    let mut wrong = Vec::new();
    let disks = disks(world);
    for (host, disk) in &disks {
        match volumes.get(disk.id.as_str()) {
            Some(volume) if volume.spec.host == *host => {}
            Some(_) => wrong.push(format!("disk {} is on {host}, its record says not", disk.id)),
            None => wrong.push(format!("disk {} on {host} is no volume's", disk.id)),
        }
    }
    let mut held = BTreeSet::new();
    for (guest, disk) in world.hosts.iter().flat_map(|host| guests(&host.document)) {
        if !held.insert(disk) {
            wrong.push(format!("disk {disk} is in two guests"));
        }
        let project = volumes.get(disk).map(|v| &v.project);
        if project != servers.get(guest).map(|s| &s.project) {
            wrong.push(format!("guest {guest} has disk {disk} of another project"));
        }
    }
    wrong.extend(equal_keys(world));
    let count = disks.len() as u64;
    all_right(count, &wrong, "there is no disk", format!(
        "{count} disks: each one volume's, in one guest at most and of its project, each with a \
         key of its own"
    ))
}

fn keys(world: &World) -> impl Iterator<Item = &SecretFact> {
    world.secrets.iter().filter(|s| {
        matches!((s.kind.as_str(), s.name.as_str()), ("volume", "key") | ("project", "kek"))
    })
}

fn equal_keys(world: &World) -> Vec<String> {
    let mut marks = BTreeSet::new();
    keys(world).filter(|key| !marks.insert(&key.mark))
        .map(|key| format!("{} {} has another's key", key.kind, key.id)).collect()
}

/// Every project and volume has a wrapped key of 256 bits of its own, under a root key that only
/// the control process can read.
pub(super) fn keys_wrapped(world: &World) -> Found {
    let mut wrong: Vec<String> = keys(world).filter(|key| key.bytes != WRAPPED)
        .map(|key| format!("the key of {} {} is not a wrapped key of 256 bits", key.kind, key.id))
        .collect();
    wrong.extend(equal_keys(world));
    let projects = match world.all::<Project>() {
        Ok(projects) => projects,
        Err(why) => return error(why),
    };
    let has: BTreeSet<&str> =
        keys(world).filter(|k| k.kind == "project").map(|k| k.id.as_str()).collect();
    // One that is being made has none yet.
    for project in projects.iter().filter(|p| p.settled() && !has.contains(p.id.as_str())) {
        wrong.push(format!("project {} has no key", project.id));
    }
    match &world.key_file {
        Ok(file) if file.mode & 0o077 == 0 && file.ours => {}
        Ok(file) => wrong.push(format!(
            "the root key's file can be read by others (mode {:o})", file.mode
        )),
        Err(why) => return error(format!("the root key's file: {why}")),
    }
    let (projects, all) = (has.len(), keys(world).count());
    all_right(all as u64, &wrong, "there is no key", format!(
        "{projects} keys of projects and {} of volumes: AES-256, wrapped, no two alike; the root \
         key's file is readable by the control process alone", all - projects
    ))
}

/// What the journal says of a released volume.
#[derive(Default)]
struct Release {
    keyed: bool,
    certificate: Option<u64>,
    dropped: Option<u64>,
}

/// Every released volume's key was destroyed with a certificate, and no host has a file of it.
pub(super) fn erased(world: &World) -> Found {
    if let Some(why) = world.hosts_silent() {
        return error(why);
    }
    let journal = match &world.journal {
        Ok(journal) => journal,
        Err(why) => return error(why.clone()),
    };
    let mut volumes: BTreeMap<&str, Release> = BTreeMap::new();
    for entry in &journal.entries {
        let certified = entry.note.as_ref().and_then(|n| n.get("certificate")).is_some();
        for effect in &entry.effects {
            match effect {
                Effect::Secret { kind, id, name, .. } if kind == "volume" && name == "key" => {
                    volumes.entry(id).or_default().keyed = true;
                }
                Effect::Unsecret { kind, id, name }
                    if kind == "volume" && name == "key" && certified =>
                {
                    volumes.entry(id).or_default().certificate = Some(entry.number);
                }
                Effect::Drop { kind, id } if kind == "volume" => {
                    volumes.entry(id).or_default().dropped = Some(entry.number);
                }
                _ => {}
            }
        }
    }
    let released: Vec<_> = volumes.iter().filter(|(_, v)| v.dropped.is_some()).collect();
    let (mut wrong, mut entries) = (Vec::new(), Vec::new());
    for (id, release) in &released {
        entries.extend(release.certificate);
        entries.extend(release.dropped);
        if release.keyed && release.certificate.is_none() {
            wrong.push(format!("the key of volume {id} was not destroyed with a certificate"));
        }
        let kept = |s: &SecretFact| s.kind == "volume" && s.id.as_str() == **id;
        if world.secrets_left.iter().any(kept) {
            wrong.push(format!("the store still has a key of volume {id}"));
        }
    }
    for left in &world.left {
        match &left.disks {
            Ok(disks) => {
                let dead = |disk: &&DiskHeader| {
                    volumes.get(disk.id.as_str()).is_some_and(|v| v.dropped.is_some())
                };
                for disk in disks.iter().filter(dead) {
                    wrong.push(format!("{} still has a file of volume {}", left.host, disk.id));
                }
            }
            Err(why) => return error(format!("{} could not be read: {why}", left.host)),
        }
    }
    if world.left.is_empty() {
        return error("no host was read after the release");
    }
    let count = released.len() as u64;
    let found = all_right(count, &wrong, "no volume was released yet", format!(
        "{count} of {count} released disks: key destroyed and certified, no host has a file of it"
    ));
    Found { entries, ..found }
}

/// Images' files still have the digests of their records.
pub(super) fn image_intact(world: &World) -> Found {
    let read: Vec<(&ImageLook, &Result<(), String>)> =
        world.images.iter().filter_map(|i| Some((i, i.intact.as_ref()?))).collect();
    let wrong: Vec<String> = read.iter().filter_map(|(image, intact)| match intact {
        Ok(()) => None,
        Err(why) => Some(format!("image {}: {why}", image.id)),
    }).collect();
    let (count, sampled) = (world.images.len() as u64, read.len() as u64);
    let found = all_right(sampled, &wrong, "there is no image", format!(
        "{sampled} of {count} images read again: SHA-256 and SHA-512 are those of their records"
    ));
    Found { population: count, ..found }
}
