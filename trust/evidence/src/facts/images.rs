//! Images read again from their files.
//!
//! For an assessment that somebody asks for, all of them, as far as there is time. By itself the
//! platform reads each once a day, a few at a time, and in between looks whether the file is still
//! the same one by its number, size and times: reading everything again and again would keep the
//! disks busy. Whoever can write past the file system is found within the day.

use jinyun_base::Time;
use jinyun_engine::Have;
use jinyun_image::{ACTIVE, Image};
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

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

/// Active images, smallest first.
fn active(images: &[Have<Image>]) -> Vec<&Have<Image>> {
    let mut images: Vec<&Have<Image>> =
        images.iter().filter(|i| i.spec.status == ACTIVE && !i.deleting).collect();
    images.sort_by_key(|i| (i.spec.bytes, i.id.clone()));
    images
}

/// Reads active images, smallest first, until [`MOST`] bytes are read.
pub fn read(images: &[Have<Image>]) -> Vec<ImageLook> {
    let mut left = MOST;
    active(images).into_iter().map(|image| {
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

/// At most so many bytes are read at a time, but at least one image.
const SOME: u64 = 256 << 20;
/// How long a file that was read is known.
const DAY: i64 = 86_400 * Time::SECOND;

/// By what a file is the same as before.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp([i64; 6], u64);

/// An image whose file was read.
#[derive(Debug, Clone)]
struct Known {
    stamp: Stamp,
    sums: (String, String),
    at: i64,
}

/// What is known of images.
#[derive(Debug, Default)]
pub struct Shelf {
    known: BTreeMap<String, Known>,
}

impl Stamp {
    fn of(path: &str) -> Option<Stamp> {
        let found = std::fs::metadata(path).ok()?;
        let (dev, ino) = (found.dev().cast_signed(), found.ino().cast_signed());
        let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
        let [a, b, c, d] = times;
        Some(Stamp([dev, ino, a, b, c, d], found.len()))
    }
}

impl Shelf {
    /// All images: those that are known, and some that are read now. Tells whether more wait to be
    /// read, and when the oldest was.
    pub fn look(&mut self, images: &[Have<Image>], now: Time)
        -> (Vec<ImageLook>, bool, Option<i64>) {
        let (mut left, mut more) = (Some(SOME), false);
        let images = active(images);
        self.known.retain(|id, _| images.iter().any(|image| image.id.as_str() == id));
        let looks = images.into_iter().map(|image| {
            let id = image.id.to_string();
            let stamp = Stamp::of(&image.spec.path);
            let sums = (image.spec.sha256.clone(), image.spec.sha512.clone());
            let known = self.known.get(&id).is_some_and(|known| {
                Some(&known.stamp) == stamp.as_ref() && known.sums == sums
                    && now.0.saturating_sub(known.at) <= DAY
            });
            if known {
                return ImageLook { id, intact: Some(Ok(())) };
            }
            let Some(some) = left else {
                more = true;
                return ImageLook { id, intact: None };
            };
            left = some.checked_sub(u64::try_from(image.spec.bytes).unwrap_or(0)).filter(|n| *n > 0);
            // One that is not intact is read again each time.
            self.known.remove(&id);
            let intact = intact(image);
            // A file that changed while it was read is none that is known.
            if intact.is_ok()
                && let Some(stamp) = stamp.filter(|s| Stamp::of(&image.spec.path).as_ref() == Some(s))
            {
                self.known.insert(id.clone(), Known { stamp, sums, at: now.0 });
            }
            ImageLook { id, intact: Some(intact) }
        }).collect();
        (looks, more, self.known.values().map(|known| known.at).min())
    }
}
