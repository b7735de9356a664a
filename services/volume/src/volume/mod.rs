//! The kind: what a volume is and its rules.

mod actions;
mod list;
mod openstack;
mod plan;

pub use actions::{attach, detach};
pub(crate) use actions::{attach_command, detach_command, label, place};
pub(crate) use openstack::routes;

use crate::host::held;
use crate::project::TYPE;
use jinyun_base::{Entropy, Fault, Id, Kind, Refusal, Refused, check_name};
use jinyun_engine::{
    Cost, Fact, Failure, Have, Link, OnDelete, Place, Plan, Resource, Seen, View,
};
use jinyun_image::{Image, usable};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// The name of a volume's secret.
pub(crate) const KEY: &str = "key";

/// The largest volume in GiB: what a host can make.
pub(crate) const LARGEST: i64 = 1 << 20;

/// The most pairs of metadata (Cinder: 128).
const MANY: usize = 128;

/// The kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume;

/// What a volume is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeSpec {
    /// Name; not unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Size in GiB.
    pub gib: i64,
    /// The host whose disk it is; empty until it is placed, then for ever the same.
    pub host: String,
    /// The server that it is attached to.
    pub server: Option<Id>,
    /// Its name in that server, `/dev/vdb`.
    pub device: String,
    /// Made from this image rather than empty.
    pub image: Option<ImageRef>,
    /// The root disk of this server: a part of it, no volume of its own right.
    pub root_of: Option<Id>,
    /// The volume type's name; there is one.
    pub volume_type: String,
    /// Whatever its owner wants to say of it.
    pub metadata: BTreeMap<String, String>,
}

/// The image that a volume is made from, as it was when the volume was created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageRef {
    /// The image.
    pub id: Id,
    /// Where the host reads it.
    pub path: String,
    /// `raw` or `qcow2`.
    pub format: String,
    /// Length of the file.
    pub bytes: i64,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// SHA-512 of the file, hex.
    pub sha512: String,
}

impl ImageRef {
    /// An active image, as a volume refers to it.
    pub fn of(image: &Have<Image>) -> ImageRef {
        let spec = &image.spec;
        ImageRef {
            id: image.id.clone(),
            path: spec.path.clone(),
            format: spec.disk_format.clone(),
            bytes: spec.bytes,
            sha256: spec.sha256.clone(),
            sha512: spec.sha512.clone(),
        }
    }
}

impl VolumeSpec {
    /// Size in bytes.
    pub fn bytes(&self) -> i64 {
        self.gib.saturating_mul(1 << 30)
    }
}

/// What is known of how far a volume is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeStatus {
    /// A host has reported it ready at least once: the image is no longer needed, and a host that
    /// is silent for a while does not make it a volume that is still being created.
    pub made: bool,
}

impl Resource for Volume {
    const SERVICE: &'static str = "volume";
    const KIND: Kind = Kind("volume");
    const LIVE: bool = true;
    type Spec = VolumeSpec;
    type Status = VolumeStatus;

    fn name(spec: &VolumeSpec) -> &str {
        &spec.name
    }

    fn fill(new: &mut VolumeSpec, _: &Place, _: &mut View<'_>, _: &mut dyn Entropy)
        -> Result<(), Failure> {
        if new.volume_type.is_empty() {
            new.volume_type = TYPE.into();
        }
        Ok(())
    }

    fn check(new: &VolumeSpec, old: Option<&VolumeSpec>, at: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        words(new)?;
        match old {
            Some(old) => same(new, old).map_err(Failure::from),
            None => match &new.image {
                Some(image) => fits(new, image, &usable(view, &at.project, &image.id)?)
                    .map_err(Failure::from),
                None => Ok(()),
            },
        }
    }

    fn links(spec: &VolumeSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        spec.root_of.iter()
            .map(|id| Link { role: "server", kind: "server", id: id.clone(), on_delete })
            .collect()
    }

    fn cost(spec: &VolumeSpec) -> Vec<Cost> {
        if spec.root_of.is_some() {
            return vec![Cost { item: "root_gigabytes", amount: spec.gib }];
        }
        vec![Cost { item: "volumes", amount: 1 }, Cost { item: "gigabytes", amount: spec.gib }]
    }

    fn fields(spec: &VolumeSpec) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        if !spec.host.is_empty() {
            fields.push(("host", spec.host.clone()));
        }
        fields.extend(spec.server.iter().map(|id| ("server", id.to_string())));
        fields.extend(spec.root_of.iter().map(|id| ("root_of", id.to_string())));
        fields.extend(spec.image.iter().map(|image| ("image", image.id.to_string())));
        fields
    }

    fn keep(have: &Have<Volume>, view: &mut View<'_>) -> Result<(), Failure> {
        // A root disk goes when its server goes, attached or not, and never before.
        if let Some(server) = &have.spec.root_of {
            return if held(view, have)? {
                let say = format!("{} is the root disk of server {server}: delete the server", have.id);
                Err(Refusal::conflict(say).into())
            } else {
                Ok(())
            };
        }
        let Some(server) = &have.spec.server else { return Ok(()) };
        let say = format!(
            "Invalid volume: Volume status must be available or error and must not be attached: \
             volume {} is attached to server {server}. Detach it first.", have.id
        );
        Err(Refusal::new(Refused::Invalid("status".into()), say).into())
    }

    fn plan(want: &Have<Volume>, world: &mut View<'_>, seen: &dyn Seen)
        -> Result<Plan<VolumeStatus>, Fault> {
        plan::plan(want, world, seen)
    }

    fn facts(have: &Have<Volume>) -> Vec<Fact> {
        vec![
            // There is no other way to make one: the host refuses to run a disk without.
            Fact { name: "volume.encrypted", value: json!(true) },
            Fact { name: "volume.cipher", value: json!("aes-256-xts") },
            Fact { name: "volume.made", value: json!(have.status.made) },
            Fact { name: "volume.phase", value: json!(have.phase) },
        ]
    }
}

/// Rules about what its owner writes.
fn words(new: &VolumeSpec) -> Result<(), Refusal> {
    check_name("name", &new.name)?;
    check_name("description", &new.description)?;
    if !(1..=LARGEST).contains(&new.gib) {
        let say = format!("must be a whole number of GiB from 1 to {LARGEST}, not {}", new.gib);
        return Err(Refusal::invalid("size", say));
    }
    if new.volume_type != TYPE {
        return Err(Refusal::not_found("volume_type", &new.volume_type));
    }
    if new.metadata.len() > MANY {
        return Err(Refusal::invalid("metadata", format!("holds more than {MANY} pairs")));
    }
    for (name, value) in &new.metadata {
        check_name("metadata", name)?;
        check_name("metadata", value)?;
        if name.is_empty() {
            return Err(Refusal::invalid("metadata", "holds a pair without a name"));
        }
    }
    if new.server.is_none() && !new.device.is_empty() {
        return Err(Refusal::invalid("device", "is named, yet there is no server"));
    }
    Ok(())
}

/// What never changes: a host would have to make another disk.
fn same(new: &VolumeSpec, old: &VolumeSpec) -> Result<(), Refusal> {
    if new.gib != old.gib {
        return Err(Refusal::invalid("size", "cannot be changed: extending is not offered"));
    }
    if new.image != old.image {
        return Err(Refusal::invalid("imageRef", "cannot be changed: make a new volume"));
    }
    if new.root_of != old.root_of {
        return Err(Refusal::invalid("root_of", "cannot be changed"));
    }
    if !old.host.is_empty() && new.host != old.host {
        let say = format!("the volume lies on {}; moving it is not offered", old.host);
        return Err(Refusal::conflict(say));
    }
    Ok(())
}

/// Whether a volume can be made from the image. The rule holds in the transaction that creates the
/// volume, so no deletion and no other image can come between.
fn fits(new: &VolumeSpec, named: &ImageRef, image: &Have<Image>) -> Result<(), Refusal> {
    if *named != ImageRef::of(image) {
        return Err(Refusal::conflict(format!("image {} is not as it was named", named.id)));
    }
    if new.gib < image.spec.min_disk {
        return Err(Refusal::invalid("size", format!(
            "of {} GiB cannot be smaller than the image minDisk size {} GiB", new.gib,
            image.spec.min_disk
        )));
    }
    if new.bytes() < image.spec.virtual_bytes {
        return Err(Refusal::invalid("size", format!(
            "of {} GiB is too small: the disk in image {} has {} bytes", new.gib, named.id,
            image.spec.virtual_bytes
        )));
    }
    Ok(())
}
