//! JSON patches as Glance takes them, and members of a new image: both are read into a [`Change`].
//!
//! Only whole members can be patched, as in Glance; a patch is not applied to the JSON that is
//! shown but read into a change of the record, so nothing can be reached that is not named here.
//! Both of Glance's notations are taken: `{"op": "replace", "path": "/name", "value": ..}` and the
//! older `{"replace": "/name", "value": ..}`.

use super::ImageSpec;
use jinyun_base::{Refusal, Refused};
use jinyun_engine::Failure;
use jinyun_rest::Words;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Changed members; what is not there stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Change {
    /// Name.
    pub name: Option<String>,
    /// Visibility; it can only be said again.
    pub visibility: Option<String>,
    /// Format of the data.
    pub disk_format: Option<String>,
    /// What is around the data.
    pub container_format: Option<String>,
    /// Smallest disk in GiB.
    pub min_disk: Option<i64>,
    /// Least memory in MiB.
    pub min_ram: Option<i64>,
    /// Cannot be deleted.
    pub protected: Option<bool>,
    /// All labels anew.
    pub tags: Option<Vec<String>>,
    /// Labels to add.
    pub add_tags: Vec<String>,
    /// Labels to take away.
    pub drop_tags: Vec<String>,
    /// Properties to add or replace.
    pub set: BTreeMap<String, String>,
    /// Properties to take away.
    pub unset: Vec<String>,
}

impl Change {
    /// Changes a spec.
    pub fn apply(self, spec: &mut ImageSpec) -> Result<(), Refusal> {
        if let Some(asked) = self.visibility
            && asked != spec.visibility
        {
            return Err(visibility(&asked));
        }
        put(&mut spec.name, self.name);
        put(&mut spec.disk_format, self.disk_format);
        put(&mut spec.container_format, self.container_format);
        put(&mut spec.min_disk, self.min_disk);
        put(&mut spec.min_ram, self.min_ram);
        put(&mut spec.protected, self.protected);
        let tags = self.tags.unwrap_or_else(|| std::mem::take(&mut spec.tags));
        spec.tags.clear();
        for tag in tags.into_iter().chain(self.add_tags) {
            if !spec.tags.contains(&tag) && !self.drop_tags.contains(&tag) {
                spec.tags.push(tag);
            }
        }
        for name in &self.unset {
            spec.properties.remove(name);
        }
        spec.properties.extend(self.set);
        Ok(())
    }

    /// Reads one member. `current` is what it changes.
    pub(crate) fn read(&mut self, name: &str, words: &Words<'_>) -> Result<(), Failure> {
        const MOST: i64 = i32::MAX as i64;
        match name {
            "name" => self.name = Some(words.text("name")?.unwrap_or_default()),
            "visibility" => self.visibility = Some(words.need("visibility")?),
            "disk_format" => {
                self.disk_format = Some(words.text("disk_format")?.unwrap_or_default());
            }
            "container_format" => {
                self.container_format = Some(words.text("container_format")?.unwrap_or_default());
            }
            "min_disk" => self.min_disk = words.int("min_disk", 0, MOST)?,
            "min_ram" => self.min_ram = words.int("min_ram", 0, MOST)?,
            "protected" => self.protected = words.flag("protected")?,
            "tags" => self.tags = Some(words.texts("tags")?.unwrap_or_default()),
            "os_hidden" => {
                if words.flag("os_hidden")? == Some(true) {
                    let say = "is true, but hidden images are not offered: leave it out";
                    return Err(Refusal::invalid("os_hidden", say).into());
                }
            }
            name if READ_ONLY.contains(&name) => return Err(read_only(name).into()),
            name => self.property(name, words)?,
        }
        Ok(())
    }

    fn property(&mut self, name: &str, words: &Words<'_>) -> Result<(), Failure> {
        let text = match words.value(name) {
            // A property without a value is none.
            None => {
                self.set.remove(name);
                self.unset.push(name.into());
                return Ok(());
            }
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Number(n)) => n.to_string(),
            Some(_) => return Err(Refusal::invalid(name, "must be a string").into()),
        };
        self.unset.retain(|n| n != name);
        self.set.insert(name.into(), text);
        Ok(())
    }
}

fn put<T>(place: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *place = new;
    }
}

/// Members of ours: a property cannot have such a name.
const READ_ONLY: &[&str] = &[
    "id", "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value",
    "created_at", "updated_at", "deleted", "deleted_at", "self", "file", "schema", "direct_url",
    "locations", "stores", "jinyun_sha256",
];

/// Members that every image has.
const BASE: &[&str] = &[
    "name", "visibility", "disk_format", "container_format", "min_disk", "min_ram", "protected",
    "tags", "os_hidden", "owner",
];

fn read_only(name: &str) -> Refusal {
    Refusal::new(Refused::Forbidden, format!("Attribute '{name}' is read-only."))
}

/// Why a visibility cannot be had.
pub(crate) fn visibility(asked: &str) -> Refusal {
    match asked {
        "public" => Refusal::new(Refused::Forbidden, "You are not authorized to perform the \
            requested action: image:image:publicize. Public images are made by the provider's \
            system administrator."),
        "private" => Refusal::invalid("visibility", "of the provider's image is always public: \
            delete it instead"),
        "shared" | "community" => Refusal::invalid("visibility", format!(
            "{asked} is not offered: private is"
        )),
        _ => Refusal::invalid("visibility", format!("must be private or public, not '{asked}'")),
    }
}

/// Whether an owner may stand in a request: only the one that it has anyway.
pub(crate) fn owner(words: &Words<'_>, owner: &str) -> Result<(), Failure> {
    match words.text("owner")? {
        Some(asked) if asked != owner => Err(Refusal::new(Refused::Forbidden, format!(
            "You are not permitted to give images to '{asked}'."
        )).into()),
        _ => Ok(()),
    }
}

/// Reads a patch of an image with this spec that belongs to `project`.
pub fn parse_patch(patch: &Value, spec: &ImageSpec, project: &str) -> Result<Change, Failure> {
    let Some(steps) = patch.as_array() else {
        let say = "must be a JSON array of operations";
        return Err(Refusal::invalid("body", say).into());
    };
    let mut change = Change::default();
    for step in steps {
        let (verb, name) = verb(step)?;
        if READ_ONLY.contains(&name.as_str()) {
            return Err(read_only(&name).into());
        }
        let base = BASE.contains(&name.as_str());
        let there = base || change.set.contains_key(&name)
            || (spec.properties.contains_key(&name) && !change.unset.contains(&name));
        if !there && verb != "add" {
            return Err(Refusal::conflict(format!("Property {name} does not exist.")).into());
        }
        if verb == "remove" {
            if base {
                let say = format!("Property {name} may not be removed.");
                return Err(Refusal::new(Refused::Forbidden, say).into());
            }
            change.set.remove(&name);
            change.unset.push(name);
            continue;
        }
        let Some(value) = step.get("value") else {
            return Err(Refusal::invalid("value", format!("of the step for /{name} is missing"))
                .into());
        };
        let members = Map::from_iter([(name.clone(), value.clone())]);
        let words = Words::new("patch", &members);
        if name == "owner" {
            owner(&words, project)?;
        } else {
            change.read(&name, &words)?;
        }
    }
    Ok(change)
}

/// What a step does, and the member that it does it to.
fn verb(step: &Value) -> Result<(&'static str, String), Refusal> {
    let text = |name: &str| step.get(name).and_then(Value::as_str);
    for verb in ["add", "replace", "remove"] {
        let path = if text("op") == Some(verb) { text("path") } else { text(verb) };
        let Some(path) = path else { continue };
        let name = path.strip_prefix('/').filter(|n| !n.is_empty() && !n.contains('/'));
        return match name {
            Some(name) => Ok((verb, name.replace("~1", "/").replace("~0", "~"))),
            None => Err(Refusal::invalid("path", format!(
                "'{path}' must be a slash and the name of one member"
            ))),
        };
    }
    let say = "must be add, replace or remove, with the path of a member";
    Err(Refusal::invalid("op", say))
}
