//! Institutions' connections to identity centres of their own: that each is whole and reaches no
//! further than its institution.
//!
//! The rules are asked again here that the service asks when something is made, over the records as
//! they lie: a connection that was good then may have lost its mapping, or its institution its name.
//! What is the platform's to keep (a connection leads into its own institution alone) makes the finding
//! fail; what an institution has left open on its own side (no key, an old one) makes it partial, with
//! the connection's name.
//!
//! Rows are read as they are stored: their types are the service's own business.

use super::hosts::Sum;
use super::{Found, error};
use crate::stage::DOMAIN;
use crate::world::World;
use jinyun_base::Time;
use jinyun_engine::Row;
use jinyun_identity::{DirectorySpec, servers};
use jinyun_policy::PROVIDER;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// A provider that nobody has touched for so long has keys that are as old. Most change theirs within a
/// year; a month is for those who are late.
const KEYS: i64 = 400 * 86_400 * Time::SECOND;

#[derive(Deserialize)]
struct Provider {
    enabled: bool,
    #[serde(default)]
    remote_ids: Vec<String>,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    jwks: Vec<Value>,
}

#[derive(Deserialize)]
struct Protocol {
    idp: String,
    mapping: String,
}

#[derive(Deserialize)]
struct Mapping {
    rules: Value,
}

/// What others are named by.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

/// The records of a kind, as they are stored.
fn rows<'w, T: DeserializeOwned>(world: &'w World, kind: &str) -> Result<Vec<(&'w Row, T)>, String> {
    world.rows.iter().filter(|stored| stored.row.kind == kind).map(|stored| {
        let row = &stored.row;
        let spec = serde_json::from_str(&row.spec);
        spec.map(|spec| (row, spec)).map_err(|e| format!("{kind} {}: {e}", row.id))
    }).collect()
}

/// Whether a text of a rule is the same for everybody.
fn fixed(text: &str) -> bool {
    !text.contains('{')
}

/// What of a mapping's rules reaches beyond its institution.
fn beyond(rules: &Value, id: &str, name: &str, groups: &BTreeMap<&str, &str>) -> Option<String> {
    let outside = |part: &Value| {
        let text = |member: &str| part.get("domain").and_then(|d| d.get(member)?.as_str());
        text("id").is_some_and(|is| is != id) || text("name").is_some_and(|is| is != name)
    };
    let strange = |text: Option<&Value>| {
        let text = text.and_then(Value::as_str).filter(|text| fixed(text));
        text.and_then(|group| groups.get(group)).is_some_and(|of| *of != id)
    };
    let parts = rules.as_array().into_iter().flatten()
        .flat_map(|rule| rule.get("local").and_then(Value::as_array).into_iter().flatten());
    for part in parts {
        let inner = ["user", "group"].map(|member| part.get(member));
        if outside(part) || inner.into_iter().flatten().any(outside) {
            return Some("names another institution".into());
        }
        if part.get("projects").is_some() {
            return Some("gives roles in projects beside their groups".into());
        }
        if strange(part.get("group_ids")) || strange(part.pointer("/group/id")) {
            return Some("names a group of another institution".into());
        }
    }
    None
}

/// What is missing for somebody to sign in by a provider.
fn lacks(spec: &Provider, row: &Row, now: Time) -> Option<&'static str> {
    if !spec.enabled {
        return None;
    }
    match spec {
        Provider { jwks, .. } if jwks.is_empty() => Some("has no key"),
        Provider { audiences, .. } if audiences.is_empty() => Some("takes no audience"),
        Provider { issuer: None, remote_ids, .. } if remote_ids.is_empty() => Some("has no issuer"),
        _ if now.0.saturating_sub(row.updated.0) > KEYS => Some("has keys of more than 400 days ago"),
        _ => None,
    }
}

/// Everything that is there.
struct Connections<'w> {
    domains: BTreeMap<&'w str, String>,
    groups: BTreeMap<&'w str, &'w str>,
    providers: Vec<(&'w Row, Provider)>,
    protocols: Vec<(&'w Row, Protocol)>,
    mappings: Vec<(&'w Row, Mapping)>,
    directories: Vec<(&'w Row, DirectorySpec)>,
}

impl<'w> Connections<'w> {
    fn read(world: &'w World) -> Result<Connections<'w>, String> {
        let domains = rows::<Named>(world, "domain")?.into_iter();
        let groups = rows::<Named>(world, "group")?.into_iter();
        Ok(Connections {
            domains: domains.map(|(row, spec)| (row.id.as_str(), spec.name)).collect(),
            groups: groups.map(|(row, _)| (row.id.as_str(), row.domain.as_str())).collect(),
            providers: rows(world, "identity_provider")?,
            protocols: rows(world, "federation_protocol")?,
            mappings: rows(world, "mapping")?,
            directories: rows(world, "directory")?,
        })
    }

    /// Whether a record is of an institution that is there and may have such a one.
    fn place(&self, row: &Row) -> Result<(), String> {
        match row.domain.as_str() {
            PROVIDER => Err("is of the provider's staff, whom nobody else vouches for".into()),
            domain if self.domains.contains_key(domain) => Ok(()),
            _ => Err("is of no institution that is there".into()),
        }
    }

    /// Whether a way to sign in leads from a provider to a mapping of its own institution.
    fn whole(&self, row: &Row, spec: &Protocol) -> Result<(), String> {
        fn of<'r, T>(all: &[(&'r Row, T)], id: &str) -> Option<&'r str> {
            all.iter().find(|(row, _)| row.id.as_str() == id).map(|(row, _)| row.domain.as_str())
        }
        let domain = Some(row.domain.as_str());
        if of(&self.providers, &spec.idp) != domain {
            return Err("its provider is not its institution's".into());
        }
        match of(&self.mappings, &spec.mapping) == domain {
            true => Ok(()),
            false => Err("its mapping is not its institution's".into()),
        }
    }
}

/// Every provider, way to sign in, mapping and directory is whole and its institution's own.
pub(super) fn federation_whole(world: &World) -> Found {
    let all = match Connections::read(world) {
        Ok(all) => all,
        Err(why) => return error(why),
    };
    let mut sum = Sum::default();
    // Without any connection this is what was looked at.
    for domain in all.domains.keys().filter(|domain| **domain != DOMAIN) {
        sum.piece(&format!("institution {domain}"), Ok(Ok(())));
    }
    for (row, spec) in &all.providers {
        let what = format!("identity provider {} of {}", row.id, row.domain);
        sum.piece(&what, Ok(all.place(row)));
        if let Some(lacks) = lacks(spec, row, world.now) {
            sum.piece(&what, Err(lacks.into()));
        }
    }
    for (row, spec) in &all.protocols {
        let found = all.place(row).and_then(|()| all.whole(row, spec));
        sum.piece(&format!("the way to sign in {} of {}", row.id, row.domain), Ok(found));
    }
    for (row, spec) in &all.mappings {
        let name = all.domains.get(row.domain.as_str()).map_or("", String::as_str);
        let far = beyond(&spec.rules, row.domain.as_str(), name, &all.groups);
        let found = all.place(row).and_then(|()| far.map_or(Ok(()), Err));
        sum.piece(&format!("mapping {} of {}", row.id, row.domain), Ok(found));
    }
    for (row, spec) in &all.directories {
        let what = format!("the directory of {}", row.domain);
        let safe = match servers(&spec.ldap) {
            Err(refusal) if spec.counts() => Err(format!("its {}", refusal.message)),
            _ => Ok(()),
        };
        sum.piece(&what, Ok(all.place(row).and(safe)));
        let held = |secret: &crate::facts::secrets::SecretFact| {
            secret.kind == "directory" && secret.id == row.id && secret.name == "password"
        };
        if spec.counts() && !spec.ldap.user.is_empty() && !world.secrets.iter().any(held) {
            sum.piece(&what, Err("has no password of its service account".into()));
        }
    }
    let enabled = all.providers.iter().filter(|(_, spec)| spec.enabled).count();
    let counts = all.directories.iter().filter(|(_, spec)| spec.counts()).count();
    sum.found("there is no institution", format!(
        "{} institutions: {} identity providers ({enabled} enabled), {} ways to sign in by them, {} \
         mappings, {} directories ({counts} agreed to and on), each of its own institution alone",
        all.domains.len(), all.providers.len(), all.protocols.len(), all.mappings.len(),
        all.directories.len()
    ))
}
