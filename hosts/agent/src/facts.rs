//! What this machine is and can do, as detected. Nothing here is configured.

use crate::files;
use crate::guest::Place;
use jinyun_wire::HostFacts;
use nix::sys::statvfs::statvfs;
use std::path::Path;
use std::process::Command;

/// The machine's facts. Detected on each connection, because memory, space and clock change.
#[must_use]
pub fn detect(place: &Place) -> HostFacts {
    HostFacts {
        kvm: place.kvm,
        simulated: false,
        cpus: std::thread::available_parallelism()
            .map_or(0, |n| u32::try_from(n.get()).unwrap_or(0)),
        memory_mib: memory_mib(&files::line("/proc/meminfo")).unwrap_or(0),
        disk_free: disk_free(&place.state_dir).unwrap_or(0),
        kernel: files::line("/proc/sys/kernel/osrelease"),
        qemu: qemu_version().unwrap_or_default(),
        boot_id: files::boot_id(),
        clock: clock(),
    }
}

fn memory_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

fn disk_free(path: &Path) -> Option<u64> {
    let found = statvfs(path).ok()?;
    found.blocks_available().checked_mul(found.fragment_size())
}

/// The program reads only its own options here, so it needs no jail.
fn qemu_version() -> Option<String> {
    let program = files::program("qemu-system-x86_64")?;
    let output = Command::new(program)
        .arg("--version")
        .env_clear()
        .output()
        .ok()?;
    parse_qemu_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_qemu_version(text: &str) -> Option<String> {
    let version = text.lines().next()?.split("version ").nth(1)?;
    Some(version.split_whitespace().next()?.to_owned())
}

/// What the kernel knows of its clock: whether a time daemon disciplines it, and the offset that is
/// still to be corrected, in microseconds.
fn clock() -> Option<(String, i64)> {
    // SAFETY: all-zero is a valid `timex` (modes 0: ask only), and it lives through the call.
    let (state, answer) = unsafe {
        let mut question: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut question), question)
    };
    if state < 0 {
        return None;
    }
    let synchronized = state != libc::TIME_ERROR && answer.status & libc::STA_UNSYNC == 0;
    let nanoseconds = answer.status & libc::STA_NANO != 0;
    let offset = if nanoseconds {
        answer.offset / 1000
    } else {
        answer.offset
    };
    let source = if synchronized {
        "kernel-ntp"
    } else {
        "unsynchronized"
    };
    Some((source.to_owned(), offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(
            memory_mib("MemTotal:       24684084 kB\nMemFree: 1 kB\n"),
            Some(24105)
        );
        assert_eq!(memory_mib("nothing"), None);
        let version = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright";
        assert_eq!(parse_qemu_version(version).as_deref(), Some("7.2.22"));
        assert_eq!(parse_qemu_version(""), None);
    }

    #[test]
    fn the_kernel_answers() {
        let (source, _) = clock().unwrap();
        assert!(["kernel-ntp", "unsynchronized"].contains(&source.as_str()));
        assert!(disk_free(Path::new("/")).unwrap() > 0);
    }
}
