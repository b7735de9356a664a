//! Images read again from their files.

use jinyun_engine::Have;
use jinyun_image::{ACTIVE, Image};
use sha2::{Digest, Sha256, Sha512};
use std::fs::File;
use std::io::Read;

/// At most so many bytes are read for an assessment.
const MOST: u64 = 4 << 30;

/// An image's file against its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLook {
    /// The image.
    pub id: String,
    /// Whether both digests are those of the record; `None` if it was not read this time.
    pub intact: Option<Result<(), String>>,
}

/// Reads active images, smallest first, until [`MOST`] bytes are read.
pub fn read(images: &[Have<Image>]) -> Vec<ImageLook> {
    let mut images: Vec<&Have<Image>> =
        images.iter().filter(|i| i.spec.status == ACTIVE && !i.deleting).collect();
    images.sort_by_key(|i| (i.spec.bytes, i.id.clone()));
    let mut left = MOST;
    images.into_iter().map(|image| {
        let bytes = u64::try_from(image.spec.bytes).unwrap_or(0);
        let read = bytes <= left;
        left = left.saturating_sub(bytes);
        ImageLook { id: image.id.to_string(), intact: read.then(|| intact(image)) }
    }).collect()
}

fn intact(image: &Have<Image>) -> Result<(), String> {
    let spec = &image.spec;
    let bad = |e: std::io::Error| format!("{}: {e}", spec.path);
    let mut file = File::open(&spec.path).map_err(bad)?;
    let (mut sha256, mut sha512) = (Sha256::new(), Sha512::new());
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part).map_err(bad)? {
            0 => break,
            n => {
                sha256.update(&part[..n]);
                sha512.update(&part[..n]);
            }
        }
    }
    let same = jinyun_journal::to_hex(&sha256.finalize()) == spec.sha256
        && jinyun_journal::to_hex(&sha512.finalize()) == spec.sha512;
    if same { Ok(()) } else { Err("its digests are not those of its record".into()) }
}
