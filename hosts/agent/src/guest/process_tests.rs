//! Method: texts as the kernel writes them, and real short-lived children; no root needed.

use super::*;
use std::process::{Command, Stdio};

#[test]
fn start_time_survives_strange_names() {
    let rest = "S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 99 100";
    assert_eq!(parse_start_time(&format!("17 (qemu) {rest}")), Some(4242));
    assert_eq!(
        parse_start_time(&format!("17 (a) b ) (c) {rest}")),
        Some(4242)
    );
    assert_eq!(parse_start_time("17 (qemu"), None);
    assert_eq!(parse_start_time("17 (qemu) S 1 2"), None);
}

#[test]
fn a_guest_is_known_by_its_whole_command_line() {
    const ID: &str = "6f1c0c1e-7d1c-4f0e-9d3a-0123456789ab";
    let other = "6f1c0c1e-7d1c-4f0e-9d3a-0123456789ac";
    let line = |words: &[&str]| words.join("\0").into_bytes();
    let name = format!("jinyun-a-{ID}");
    let qemu = "/usr/bin/qemu-system-x86_64";
    let good = line(&[qemu, "-name", &name, "-uuid", ID, "-S", ""]);
    assert_eq!(guest_of(&good, "a").as_deref(), Some(ID));
    // Another instance, even one whose name begins alike.
    assert_eq!(guest_of(&good, "b"), None);
    let longer = format!("jinyun-a-b-{ID}");
    assert_eq!(
        guest_of(&line(&[qemu, "-name", &longer, "-uuid", ID]), "a"),
        None
    );
    assert_eq!(
        guest_of(&line(&["/bin/sh", "-name", &name, "-uuid", ID]), "a"),
        None
    );
    assert_eq!(
        guest_of(&line(&[qemu, "-name", &name, "-uuid", other]), "a"),
        None
    );
    assert_eq!(guest_of(&line(&[qemu, "-name", &name]), "a"), None);
    assert_eq!(guest_of(b"", "a"), None);
}

// The child is laid to rest through its pidfd, as adopted processes are.
#[allow(clippy::zombie_processes)]
#[test]
fn a_process_is_held_seen_to_end_and_laid_to_rest() {
    let child = Command::new("sleep")
        .arg("1000")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process::open(child.id()).unwrap();
    assert!(process.alive() && process.started() > 0);
    let (sender, receiver) = std::sync::mpsc::channel();
    process.on_end(move || sender.send(()).unwrap()).unwrap();
    process.kill().unwrap();
    assert!(!process.alive());
    receiver.recv_timeout(Duration::from_secs(10)).unwrap();
    // Laid to rest: the number is free, and signalling the handle harms nobody.
    assert!(Process::open(child.id()).is_err());
    process.signal(libc::SIGKILL).unwrap();
}

#[test]
fn confinement_is_read_from_the_kernel() {
    let own = confinement("g", std::process::id()).unwrap();
    assert_eq!(own.uid, nix::unistd::geteuid().as_raw());
    assert!(!own.own_netns);
    assert!(confinement("g", u32::MAX).is_none());
    let real = nix::unistd::getuid().as_raw();
    assert_eq!(user(std::process::id()), Some(real));
    assert!(of_users(4_000_000_000..4_000_000_001).unwrap().is_empty());
}
