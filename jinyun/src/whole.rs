//! Files that a command is told to write: whole or not at all, and nothing put in the place of what is
//! no file.
//!
//! Problem: who reads a report while it is made must not find half of one, so it is written beside its
//! place and gets its name at the end. But a name may stand for a device, a pipe or a link, which a rename
//! would take away from everybody; and whoever else may write in that directory can guess the name beside
//! and put a link there, through which root would write. Mechanism: what is there and is no plain file is
//! written into; the file beside is always one that was made here. A name that nobody can guess would do
//! as well, but what a killed command leaves behind would stay under it.

use jinyun_base::Fault;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Error, Write};
use std::path::Path;

fn at(path: &Path) -> impl Fn(Error) -> Fault {
    let path = path.display().to_string();
    move |e| Fault::new(format!("{path}: {e}"))
}

/// Writes a file. One that is not whole does not get its name; what is there and is none, as a device,
/// a pipe or a link, keeps its name and is written into.
pub fn keep<T, E: From<Fault>>(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T, E>)
    -> Result<T, E> {
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        let mut out = BufWriter::new(File::create(path).map_err(at(path))?);
        let done = write(&mut out)?;
        out.flush().map_err(at(path))?;
        return Ok(done);
    }
    let Some(name) = path.file_name() else {
        return Err(Fault::new(format!("{}: names no file", path.display())).into());
    };
    let mut beside = name.to_os_string();
    beside.push(".part");
    let part = path.with_file_name(beside);
    // What a command left that was killed, or what somebody has put there: never written through.
    let _ = fs::remove_file(&part);
    let file = OpenOptions::new().write(true).create_new(true).open(&part).map_err(at(&part))?;
    let mut out = BufWriter::new(file);
    let done = write(&mut out).and_then(|done| {
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(at(&part))?;
        fs::rename(&part, path).map_err(at(path))?;
        Ok(done)
    });
    if done.is_err() {
        // What is left of it is of no use; the first failure is the one to tell.
        let _ = fs::remove_file(&part);
    }
    done
}

/// The same with what is in memory.
pub fn put(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    keep(path, |out| out.write_all(bytes).map_err(at(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, symlink};

    fn count(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn a_file_that_is_not_whole_gets_no_name() {
        let dir = jinyun_testdb::Dir::new("whole");
        let file = dir.join("export");
        let failed = keep(&file, |out| {
            out.write_all(b"all").unwrap();
            Err::<(), Fault>(Fault::new("no"))
        });
        assert_eq!((failed.unwrap_err().to_string().as_str(), count(&dir)), ("no", 0));
        put(&file, b"all").unwrap();
        put(&file, b"more").unwrap();
        assert_eq!((fs::read_to_string(&file).unwrap().as_str(), count(&dir)), ("more", 1));
        assert!(keep(&file, |_| Err::<(), Fault>(Fault::new("no"))).is_err());
        assert_eq!((fs::read_to_string(&file).unwrap().as_str(), count(&dir)), ("more", 1));
    }

    #[test]
    fn what_is_no_file_is_written_into() {
        let dir = jinyun_testdb::Dir::new("into");
        let (link, other, pipe) = (dir.join("link"), dir.join("other"), dir.join("pipe"));
        symlink(&other, &link).unwrap();
        put(&link, b"all").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&other).unwrap(), "all");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let from = pipe.clone();
        let reader = std::thread::spawn(move || fs::read_to_string(from).unwrap());
        put(&pipe, b"all").unwrap();
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(reader.join().unwrap(), "all");
        assert_eq!(count(&dir), 3);
    }

    #[test]
    fn nothing_is_written_through_what_lies_beside() {
        let dir = jinyun_testdb::Dir::new("beside");
        let (file, part, other) = (dir.join("page"), dir.join("page.part"), dir.join("other"));
        fs::write(&other, "another's").unwrap();
        symlink(&other, &part).unwrap();
        put(&file, b"all").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "another's");
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
        // A half of one that was killed.
        fs::write(&part, "a longer half").unwrap();
        put(&file, b"new").unwrap();
        assert_eq!((fs::read_to_string(&file).unwrap().as_str(), count(&dir)), ("new", 2));
        // What cannot be taken away stays, and nothing is written.
        fs::create_dir(&part).unwrap();
        assert!(put(&file, b"no").unwrap_err().to_string().contains("page.part"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    }

    #[test]
    fn a_directory_is_no_file() {
        let dir = jinyun_testdb::Dir::new("directory");
        let below = dir.join("below");
        fs::create_dir(&below).unwrap();
        for path in [below.clone(), below.join(".."), below.join(""), dir.join("none").join("..")] {
            assert!(put(&path, b"all").is_err(), "{}", path.display());
            assert_eq!((count(&dir), count(&below)), (1, 0), "{}", path.display());
        }
    }
}
