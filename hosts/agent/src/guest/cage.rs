//! Limits of a guest's process: a control group of its own.
//!
//! Problem: a QEMU that leaks memory or starts threads without end takes the host's from its
//! neighbours. Mechanism: each guest's process is put into a control group (version 2) with a most of
//! memory (the guest's and what QEMU needs beside it), of processes, and a share of the processors
//! by its virtual ones. It is put there by its process id while it waits and before it has any
//! device, so the guest itself never runs outside.
//!
//! Not every machine can: where control groups are of version 1, or belong to a container that may
//! not give them on, guests run without limits, and [`Cage::usable`] says why. Not refusing to run
//! there: the process is confined all the same, and an assessment shows what is missing.

use crate::log;
use jinyun_wire::{CageFound, GuestWant, Known};
use std::io;
use std::path::{Path, PathBuf};

/// Where version 2 lies if it is what the machine uses.
const ROOT: &str = "/sys/fs/cgroup";
/// What a guest's group needs of the kernel.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];
/// What QEMU needs beside the guest's memory, in MiB: its own, translated code, caches of disks.
const BESIDE: u64 = 512;
/// Threads that QEMU may have beside one for each processor.
const THREADS: u64 = 256;

/// The instance's group, in which those of its guests lie; or why there is none.
#[derive(Debug, Clone)]
pub struct Cage(Known<PathBuf>);

impl Cage {
    /// Makes the instance's group, if this machine can.
    #[must_use]
    pub fn open(instance: &str) -> Cage {
        Cage::at(Path::new(ROOT), instance)
    }

    /// None at all.
    #[cfg(test)]
    pub fn none() -> Cage {
        Cage(Err("there is none in this test".to_owned()))
    }

    fn at(root: &Path, instance: &str) -> Cage {
        Cage(prepare(root, instance))
    }

    /// Whether guests get limits here; else why not.
    pub fn usable(&self) -> Known<()> {
        match &self.0 {
            Ok(_) => Ok(()),
            Err(why) => Err(why.clone()),
        }
    }

    /// Puts a guest's process into its group. Says nothing where there are no groups.
    pub fn hold(&self, want: &GuestWant, pid: u32) -> io::Result<()> {
        let Ok(base) = &self.0 else { return Ok(()) };
        let dir = base.join(&want.id);
        make(&dir)?;
        for (name, most) in limits(want) {
            std::fs::write(dir.join(name), most.to_string())?;
        }
        // Older kernels kill one thread rather than the process; that ends it too.
        let _ = std::fs::write(dir.join("memory.oom.group"), "1");
        std::fs::write(dir.join("cgroup.procs"), pid.to_string())
    }

    /// Removes a guest's group, if its process is gone. If it is not, the next attempt does.
    pub fn release(&self, id: &str) {
        if let Ok(base) = &self.0 {
            let _ = std::fs::remove_dir(base.join(id));
        }
    }
}

fn base(root: &Path, instance: &str) -> PathBuf {
    root.join(format!("jinyun-{instance}"))
}

fn make(dir: &Path) -> io::Result<()> {
    match std::fs::create_dir(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

fn prepare(root: &Path, instance: &str) -> Known<PathBuf> {
    let offered = offered(root)?;
    for needed in CONTROLLERS {
        if !offered.split_whitespace().any(|word| word == needed) {
            return Err(format!(
                "control groups of this machine have no `{needed}`: {} lists `{}`",
                root.display(),
                offered.trim()
            ));
        }
    }
    let dir = base(root, instance);
    let give = |dir: &Path| {
        let words = CONTROLLERS.map(|name| format!("+{name}")).join(" ");
        std::fs::write(dir.join("cgroup.subtree_control"), words)
    };
    give(root)
        .and_then(|()| make(&dir))
        .and_then(|()| give(&dir))
        .map_err(|e| {
            format!(
                "control groups below {} cannot be made: {e}",
                root.display()
            )
        })?;
    Ok(dir)
}

/// What controllers version 2 offers at its root.
fn offered(root: &Path) -> Known<String> {
    std::fs::read_to_string(root.join("cgroup.controllers")).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => format!(
            "{} is not of version 2 of control groups, which limits need",
            root.display()
        ),
        _ => format!("{} cannot be read: {e}", root.display()),
    })
}

fn limits(want: &GuestWant) -> [(&'static str, u64); 3] {
    let (memory, vcpus) = (u64::from(want.memory_mib), u64::from(want.vcpus));
    // Page tables grow with the memory that they are of.
    let memory = (memory + memory / 32 + BESIDE) << 20;
    [
        ("memory.max", memory),
        ("pids.max", THREADS + vcpus),
        ("cpu.weight", (100 * vcpus).clamp(1, 10_000)),
    ]
}

/// The group that a process is in, with its limits.
pub fn of(pid: u32) -> Known<CageFound> {
    let root = Path::new(ROOT);
    offered(root)?;
    let file = format!("/proc/{pid}/cgroup");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
    let path = path_of(&text).ok_or_else(|| format!("{file} names no group of version 2"))?;
    read(root, path)
}

fn path_of(text: &str) -> Option<&str> {
    // One outside of what we see begins with `..`.
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    (path.starts_with('/') && !path.contains("..")).then_some(path)
}

fn read(root: &Path, path: &str) -> Known<CageFound> {
    let dir = root.join(path.trim_start_matches('/'));
    let text = |name: &str| match std::fs::read_to_string(dir.join(name)) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        // The root has no limits.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("{}/{name}: {e}", dir.display())),
    };
    let limit = |name: &str| -> Known<Option<u64>> {
        match text(name)?.as_deref() {
            None | Some("max") => Ok(None),
            Some(number) => number
                .parse()
                .map(Some)
                .map_err(|_| format!("{}/{name} is no number", dir.display())),
        }
    };
    Ok(CageFound {
        path: path.to_owned(),
        members: text("cgroup.procs")?.map_or(0, |all| all.lines().count() as u64),
        memory: limit("memory.max")?,
        pids: limit("pids.max")?,
        weight: limit("cpu.weight")?,
    })
}

/// Removes all groups of an instance, whose processes are gone.
pub fn remove_all(instance: &str) {
    let dir = base(Path::new(ROOT), instance);
    for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            let _ = std::fs::remove_dir(entry.path());
        }
    }
    match std::fs::remove_dir(&dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            log::warn(format_args!("{} cannot be removed: {e}", dir.display()));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_testdb::Dir;

    fn want() -> GuestWant {
        GuestWant {
            id: "6f1c0c1e-7d1c-4f0e-9d3a-0123456789ab".into(),
            name: String::new(),
            vcpus: 2,
            memory_mib: 1024,
            running: true,
            disks: vec![],
            ports: vec![],
            incarnation: 1,
        }
    }

    /// A directory with the files that a kernel would have; it has no rules of its own.
    fn root(name: &str, controllers: Option<&str>) -> Dir {
        let dir = Dir::new(name);
        if let Some(words) = controllers {
            std::fs::write(dir.join("cgroup.controllers"), words).unwrap();
        }
        dir
    }

    #[test]
    fn a_machine_that_cannot_says_why_and_guests_run_on() {
        for (name, controllers, why) in [
            ("one", None, "not of version 2"),
            ("bare", Some("cpuset cpu pids\n"), "have no `memory`"),
        ] {
            let root = root(name, controllers);
            let cage = Cage::at(&root, "t");
            let said = cage.usable().unwrap_err();
            assert!(said.contains(why), "{said}");
            cage.hold(&want(), 1).unwrap();
            cage.release(&want().id);
            assert!(!base(&root, "t").exists());
        }
    }

    #[test]
    fn a_group_has_its_limits_and_its_process() {
        let root = root("two", Some("cpuset cpu io memory pids\n"));
        let cage = Cage::at(&root, "t");
        assert_eq!(cage.usable(), Ok(()));
        let given = std::fs::read_to_string(root.join("cgroup.subtree_control")).unwrap();
        assert_eq!(given, "+cpu +memory +pids");
        cage.hold(&want(), 77).unwrap();
        let path = format!("/jinyun-t/{}", want().id);
        let found = read(&root, &path).unwrap();
        let expect = CageFound {
            path,
            members: 1,
            memory: Some((1024 + 32 + 512) << 20),
            pids: Some(258),
            weight: Some(200),
        };
        assert_eq!(found, expect);
        let max = base(&root, "t").join(&want().id).join("pids.max");
        std::fs::write(&max, "max\n").unwrap();
        assert_eq!(read(&root, &found.path).unwrap().pids, None);
        std::fs::write(&max, "many\n").unwrap();
        assert!(read(&root, &found.path).is_err());
    }

    #[test]
    fn the_group_of_a_process_is_that_of_version_2() {
        for (text, path) in [
            ("0::/jinyun-t/a\n", Some("/jinyun-t/a")),
            ("4:memory:/x\n0::/\n", Some("/")),
            ("4:memory:/x\n", None),
            ("0::/../../x\n", None),
            ("", None),
        ] {
            assert_eq!(path_of(text), path, "{text:?}");
        }
    }
}
