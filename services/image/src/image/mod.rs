//! The kind: what an image is, its rules, and when its file may go.
//!
//! An image is `queued` until its data has arrived and been judged, then `active`; from then on
//! nothing that describes the data can change. Its project makes the difference between private
//! and public: the provider's images lie in no project and are public, all others are private.

mod actions;
mod list;
mod openstack;
mod patch;
mod schema;

pub(crate) use actions::{activate, update, withdraw};
pub(crate) use openstack::routes;
pub use patch::{Change, parse_patch};

use jinyun_base::{Fault, Id, Kind, Refusal, Refused, check_name};
use jinyun_engine::{Cost, Fact, Failure, Have, Place, Plan, Query, Resource, Seen, View};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Its data has not arrived.
pub const QUEUED: &str = "queued";
/// Its data is there and was judged.
pub const ACTIVE: &str = "active";

/// The most tags, and the most properties (Glance: 128 each).
const MANY: usize = 128;
/// The longest value of a property, in characters.
const LONG: usize = 4096;

/// The kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Image;

/// What an image is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageSpec {
    /// Name; not unique.
    pub name: String,
    /// `private` or `public`.
    pub visibility: String,
    /// `raw`, `qcow2`, or empty as long as nobody has said.
    pub disk_format: String,
    /// `bare`, or empty as long as nobody has said.
    pub container_format: String,
    /// The smallest disk that can be made from it, in GiB.
    pub min_disk: i64,
    /// The least memory that a server made from it needs, in MiB.
    pub min_ram: i64,
    /// Cannot be deleted.
    pub protected: bool,
    /// Labels.
    pub tags: Vec<String>,
    /// Whatever its owner wants to say of it.
    pub properties: BTreeMap<String, String>,
    /// `queued` or `active`.
    pub status: String,
    /// Where hosts read the file; empty while queued.
    pub path: String,
    /// Length of the file.
    pub bytes: i64,
    /// Size of the disk inside.
    pub virtual_bytes: i64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// SHA-512 of the file, hex; what Glance calls `os_hash_value`.
    pub sha512: String,
}

impl Default for ImageSpec {
    fn default() -> ImageSpec {
        ImageSpec {
            name: String::new(),
            visibility: "private".into(),
            disk_format: String::new(),
            container_format: String::new(),
            min_disk: 0,
            min_ram: 0,
            protected: false,
            tags: Vec::new(),
            properties: BTreeMap::new(),
            status: QUEUED.into(),
            path: String::new(),
            bytes: 0,
            virtual_bytes: 0,
            sha256: String::new(),
            sha512: String::new(),
        }
    }
}

impl Resource for Image {
    const SERVICE: &'static str = "image";
    const KIND: Kind = Kind("image");
    const LIVE: bool = true;
    type Spec = ImageSpec;
    type Status = ();

    fn name(spec: &ImageSpec) -> &str {
        &spec.name
    }

    fn check(new: &ImageSpec, old: Option<&ImageSpec>, at: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        if !is_uuid(at.id.as_str()) {
            return Err(Refusal::invalid("id", "must be a UUID").into());
        }
        words(new)?;
        let public = at.project.as_str().is_empty();
        if (new.visibility == "public") != public {
            let say = if public {
                "must be public: an image of the provider belongs to no project"
            } else {
                "must be private: only the provider's system administrator makes public images"
            };
            return Err(Refusal::invalid("visibility", say).into());
        }
        data(new, old).map_err(Failure::from)
    }

    fn cost(_: &ImageSpec) -> Vec<Cost> {
        vec![Cost { item: "images", amount: 1 }]
    }

    fn fields(spec: &ImageSpec) -> Vec<(&'static str, String)> {
        vec![("visibility", spec.visibility.clone())]
    }

    fn shared(spec: &ImageSpec) -> bool {
        spec.visibility == "public"
    }

    fn keep(have: &Have<Image>, _: &mut View<'_>) -> Result<(), Failure> {
        if have.spec.protected {
            let say = format!(
                "Image {} is protected and cannot be deleted. Make it unprotected first.", have.id
            );
            return Err(Refusal::new(Refused::Forbidden, say).into());
        }
        Ok(())
    }

    /// A volume that is still to be made from a deleted image needs its file: the row, and with it
    /// the file, stays until no such volume is left.
    fn plan(want: &Have<Image>, world: &mut View<'_>, _: &dyn Seen) -> Result<Plan<()>, Fault> {
        if !want.deleting {
            let phase = if want.spec.status == ACTIVE { ACTIVE } else { QUEUED };
            return Ok(Plan::done(phase, ()));
        }
        let volumes = world.list::<Made>(&Query::field("image", &want.id))?;
        let needed = volumes.iter().any(|volume| {
            let made = volume.status.get("made").and_then(Value::as_bool).unwrap_or(false);
            !made && !volume.deleting && volume.phase != "error"
        });
        Ok(if needed { Plan::going("deleting", (), Vec::new()) } else { Plan::finish(()) })
    }

    fn facts(have: &Have<Image>) -> Vec<Fact> {
        let spec = &have.spec;
        vec![
            Fact { name: "image.public", value: json!(spec.visibility == "public") },
            Fact { name: "image.judged", value: json!(spec.status == ACTIVE) },
            Fact { name: "image.sha256", value: json!(spec.sha256) },
        ]
    }
}

/// Rules about what its owner writes.
fn words(new: &ImageSpec) -> Result<(), Refusal> {
    check_name("name", &new.name)?;
    let formats = [
        ("disk_format", &new.disk_format, &["", "raw", "qcow2"][..]),
        ("container_format", &new.container_format, &["", "bare"][..]),
    ];
    for (field, value, known) in formats {
        if !known.contains(&value.as_str()) {
            let known = known.iter().skip(1).copied().collect::<Vec<_>>().join(" or ");
            return Err(Refusal::invalid(field, format!("must be {known}, not '{value}'")));
        }
    }
    for (field, value) in [("min_disk", new.min_disk), ("min_ram", new.min_ram)] {
        if !(0..=i64::from(i32::MAX)).contains(&value) {
            return Err(Refusal::invalid(field, "must be a whole number from 0 to 2147483647"));
        }
    }
    if new.tags.len() > MANY {
        return Err(Refusal::invalid("tags", format!("are more than {MANY}")));
    }
    for tag in &new.tags {
        check_name("tags", tag)?;
    }
    if new.properties.len() > MANY {
        return Err(Refusal::invalid("properties", format!("are more than {MANY}")));
    }
    for (name, value) in &new.properties {
        check_name("properties", name)?;
        if name.is_empty() {
            return Err(Refusal::invalid("properties", "hold one without a name"));
        }
        if value.chars().count() > LONG {
            return Err(Refusal::invalid(name, format!("is longer than {LONG} characters")));
        }
    }
    Ok(())
}

/// Rules about what describes the data: nothing before it is there, and no change afterwards.
fn data(new: &ImageSpec, old: Option<&ImageSpec>) -> Result<(), Refusal> {
    let facts = |s: &ImageSpec| {
        let (path, sha256, sha512) = (s.path.clone(), s.sha256.clone(), s.sha512.clone());
        (path, s.bytes, s.virtual_bytes, sha256, sha512)
    };
    let formats = |s: &ImageSpec| (s.disk_format.clone(), s.container_format.clone());
    match new.status.as_str() {
        QUEUED if facts(new) != facts(&ImageSpec::default()) => {
            return Err(Refusal::invalid("status", "is queued, yet its data is described"));
        }
        QUEUED => {}
        ACTIVE if old.is_none() => {
            return Err(Refusal::invalid("status", "of a new image is queued"));
        }
        ACTIVE if new.disk_format.is_empty() || new.container_format.is_empty() => {
            let say = "and container_format must be set before the data is uploaded";
            return Err(Refusal::invalid("disk_format", say));
        }
        ACTIVE if new.sha256.len() != 64 || new.sha512.len() != 128 || new.path.is_empty() => {
            return Err(Refusal::invalid("status", "is active, yet its data is not described"));
        }
        ACTIVE => {}
        other => {
            let say = format!("must be {QUEUED} or {ACTIVE}, not '{other}'");
            return Err(Refusal::invalid("status", say));
        }
    }
    if let Some(old) = old
        && old.status == ACTIVE
    {
        if formats(old) != formats(new) {
            let say = "disk_format and container_format can be changed only while the image is \
                       queued.";
            return Err(Refusal::new(Refused::Forbidden, say));
        }
        if new.status != ACTIVE || facts(old) != facts(new) {
            return Err(Refusal::conflict("the data of an active image cannot be changed"));
        }
    }
    Ok(())
}

/// An image that something in `project` can be made from, or why not.
pub fn usable(view: &mut View<'_>, project: &Id, id: &Id) -> Result<Have<Image>, Failure> {
    let found = view.get::<Image>(id)?
        .filter(|image| !image.deleting)
        .filter(|image| image.project == *project || Image::shared(&image.spec));
    let Some(image) = found else { return Err(Refusal::not_found("image", id).into()) };
    if image.spec.status != ACTIVE {
        let say = format!("{id} is not active: its data has not been uploaded");
        return Err(Refusal::invalid("image", say).into());
    }
    Ok(image)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().enumerate().all(|(i, b)| match i {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_hexdigit(),
    })
}

/// As much of a volume as the deletion of an image has to know: the kind itself belongs to a later
/// service, which this one cannot name.
struct Made;

impl Resource for Made {
    const SERVICE: &'static str = "volume";
    const KIND: Kind = Kind("volume");
    type Spec = Value;
    type Status = Value;

    fn name(_: &Value) -> &str {
        ""
    }

    fn check(_: &Value, _: Option<&Value>, _: &Place, _: &mut View<'_>) -> Result<(), Failure> {
        Ok(())
    }
}
