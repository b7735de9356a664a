//! What a host must have of the volumes: its disks in the want-document, read from the records.
//!
//! A disk is listed once its key is there, because the host asks for the key at once, and as long
//! as somebody may need it. A host removes every disk that its document does not list, but never
//! before the guest that has it open is gone: so the disks of a server that is being deleted leave
//! the document together with its guest.

use crate::volume::{KEY, Volume};
use jinyun_base::{Fault, Kind};
use jinyun_engine::{Failure, Have, Place, Query, Resource, View};
use jinyun_wire::{DiskWant, ImageSource};
use serde_json::Value;

/// The disks of a host's want-document, in the order of ids.
pub fn want(view: &mut View<'_>, host: &str) -> Result<Vec<DiskWant>, Fault> {
    let mut disks = Vec::new();
    for volume in view.list::<Volume>(&Query::field("host", host))? {
        let needed = !volume.deleting || held(view, &volume)?;
        if needed && view.has_secret("volume", &volume.id, KEY)? {
            disks.push(disk(&volume));
        }
    }
    Ok(disks)
}

fn disk(volume: &Have<Volume>) -> DiskWant {
    let length = |n: i64| u64::try_from(n).unwrap_or(0);
    // The image stays in the document for ever: without it a host that had lost the disk would
    // make an empty one in its place and call it ready.
    let image = volume.spec.image.as_ref().map(|image| ImageSource {
        id: image.id.to_string(),
        path: image.path.clone(),
        format: image.format.clone(),
        bytes: length(image.bytes),
        sha256: image.sha256.clone(),
        sha512: image.sha512.clone(),
    });
    DiskWant { id: volume.id.to_string(), bytes: length(volume.spec.bytes()), image }
}

/// Whether a volume belongs to a server that is to stay.
pub(crate) fn held(view: &mut View<'_>, volume: &Have<Volume>) -> Result<bool, Fault> {
    match volume.spec.server.as_ref().or(volume.spec.root_of.as_ref()) {
        Some(server) => Ok(view.get::<Holder>(server)?.is_some_and(|s| !s.deleting)),
        None => Ok(false),
    }
}

/// As much of a server as a volume has to know: whether it is there, whose it is, and whether it
/// is going. The kind itself belongs to a later service, which this one cannot name.
pub(crate) struct Holder;

impl Resource for Holder {
    const SERVICE: &'static str = "compute";
    const KIND: Kind = Kind("server");
    type Spec = Value;
    type Status = Value;

    fn name(_: &Value) -> &str {
        ""
    }

    fn check(_: &Value, _: Option<&Value>, _: &Place, _: &mut View<'_>) -> Result<(), Failure> {
        Ok(())
    }
}
