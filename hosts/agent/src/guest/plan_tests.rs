//! Method: what is wanted and what is seen are written as short text, the steps are compared as
//! text. A guest is `id state incarnation marks [devices]`, a disk `id state`.

use super::*;
use jinyun_wire::{DiskWant, GuestDisk};

fn devices(text: &str) -> Vec<Device> {
    text.split_whitespace()
        .map(|word| match word.split_at(1) {
            ("d", _) => Device::Disk(word.to_owned()),
            _ => Device::Port(word.to_owned()),
        })
        .collect()
}

/// `g1 on 2: d1 p1` is guest g1, running, incarnation 2, with disk d1 and port p1.
fn want(guests: &[&str], disks: &str) -> HostWant {
    let guests = guests.iter().map(|line| {
        let (head, tail) = line.split_once(':').unwrap();
        let head: Vec<&str> = head.split_whitespace().collect();
        let all = devices(tail);
        GuestWant {
            id: head[0].to_owned(),
            name: "name".into(),
            vcpus: 1,
            memory_mib: 128,
            running: head[1] == "on",
            incarnation: head[2].parse().unwrap(),
            disks: all
                .iter()
                .filter_map(|d| match d {
                    Device::Disk(id) => Some(GuestDisk {
                        id: id.clone(),
                        serial: id.clone(),
                    }),
                    Device::Port(_) => None,
                })
                .collect(),
            ports: all
                .iter()
                .filter_map(|d| match d {
                    Device::Port(id) => Some(id.clone()),
                    Device::Disk(_) => None,
                })
                .collect(),
        }
    });
    let disks = disks.split_whitespace().map(|id| DiskWant {
        id: id.to_owned(),
        bytes: 1 << 20,
        image: None,
    });
    HostWant {
        guests: guests.collect(),
        disks: disks.collect(),
        ..HostWant::default()
    }
}

/// `g1 running 2 busy: d1` and `d1`, `d1+busy`, `d1-` (not present), `d1-held`.
fn seen(guests: &[&str], disks: &str, ports: &str) -> Seen {
    let guests = guests.iter().map(|line| {
        let (head, tail) = line.split_once(':').unwrap();
        let head: Vec<&str> = head.split_whitespace().collect();
        let phase = match head[1] {
            "off" => Phase::Off,
            "running" => Phase::Running,
            "asked" => Phase::Stopping(Stage::Asked),
            "told" => Phase::Stopping(Stage::Told),
            "killed" => Phase::Stopping(Stage::Killed),
            "ended" => Phase::Ended,
            _ => Phase::Failed,
        };
        let now = GuestNow {
            phase,
            incarnation: head[2].parse().unwrap(),
            busy: head.contains(&"busy"),
            held: head.contains(&"held"),
            overdue: head.contains(&"overdue"),
            devices: devices(tail).into_iter().collect(),
        };
        (head[0].to_owned(), now)
    });
    let disks = disks.split_whitespace().map(|word| {
        let end = word.find(['+', '-']).unwrap_or(word.len());
        let now = DiskNow {
            present: !word.contains('-'),
            busy: word.contains("busy"),
            held: word.contains("held"),
        };
        (word[..end].to_owned(), now)
    });
    Seen {
        guests: guests.collect(),
        disks: disks.collect(),
        ports: ports.split_whitespace().map(str::to_owned).collect(),
    }
}

fn text(step: &Step) -> String {
    let device = |d: &Device| match d {
        Device::Disk(id) | Device::Port(id) => id.clone(),
    };
    match step {
        Step::MakeDisk(id) => format!("make {id}"),
        Step::RemoveDisk(id) => format!("remove {id}"),
        Step::Start(id) => format!("start {id}"),
        Step::Ask(id) => format!("ask {id}"),
        Step::Tell(id) => format!("tell {id}"),
        Step::Kill(id) => format!("kill {id}"),
        Step::Settle(id) => format!("settle {id}"),
        Step::Forget(id) => format!("forget {id}"),
        Step::Attach(id, d) => format!("attach {} to {id}", device(d)),
        Step::Detach(id, d) => format!("detach {} from {id}", device(d)),
    }
}

fn check(want: &HostWant, seen: &Seen, expect: &str) {
    let steps: Vec<String> = plan(want, seen).iter().map(text).collect();
    assert_eq!(steps.join(", "), expect);
}

#[test]
fn from_nothing_to_running() {
    let w = want(&["g1 on 1: d1 d2 p1"], "d1 d2");
    check(&w, &seen(&[], "", ""), "make d1, make d2");
    check(&w, &seen(&[], "d1-busy d2", "p1"), "");
    check(&w, &seen(&[], "d1-held d2", "p1"), "");
    check(&w, &seen(&[], "d1 d2", ""), "");
    check(&w, &seen(&[], "d1 d2", "p1"), "start g1");
    check(&w, &seen(&["g1 off 0 busy: d1 d2"], "d1 d2", "p1"), "");
    check(&w, &seen(&["g1 running 1: d1 d2 p1"], "d1 d2", "p1"), "");
}

#[test]
fn a_guest_without_disks_or_ports_starts_at_once() {
    check(&want(&["g1 on 1:"], ""), &seen(&[], "", ""), "start g1");
}

#[test]
fn stopping_gets_firmer() {
    let w = want(&["g1 off 1: d1"], "d1");
    check(&w, &seen(&["g1 running 1: d1"], "d1", ""), "ask g1");
    check(&w, &seen(&["g1 asked 1: d1"], "d1", ""), "");
    check(&w, &seen(&["g1 asked 1 overdue: d1"], "d1", ""), "tell g1");
    check(&w, &seen(&["g1 told 1: d1"], "d1", ""), "");
    check(&w, &seen(&["g1 told 1 overdue: d1"], "d1", ""), "kill g1");
    check(&w, &seen(&["g1 killed 1 overdue: d1"], "d1", ""), "kill g1");
    check(&w, &seen(&["g1 off 1:"], "d1", ""), "");
    check(&w, &seen(&["g1 ended 1:"], "d1", ""), "settle g1");
    check(&w, &seen(&["g1 failed 1:"], "d1", ""), "settle g1");
}

#[test]
fn a_new_incarnation_restarts() {
    let w = want(&["g1 on 2: d1"], "d1");
    check(&w, &seen(&["g1 running 1: d1"], "d1", ""), "ask g1");
    check(&w, &seen(&["g1 asked 1: d1"], "d1", ""), "");
    check(&w, &seen(&["g1 off 1:"], "d1", ""), "start g1");
    check(&w, &seen(&["g1 running 2: d1"], "d1", ""), "");
    // An older number than the one that runs asks for nothing.
    check(&w, &seen(&["g1 running 3: d1"], "d1", ""), "");
}

#[test]
fn ended_by_itself_waits_for_the_control_plane() {
    check(
        &want(&["g1 on 1:"], ""),
        &seen(&["g1 ended 1:"], "", ""),
        "",
    );
    check(
        &want(&["g1 on 2:"], ""),
        &seen(&["g1 ended 1:"], "", ""),
        "start g1",
    );
    check(
        &want(&["g1 on 1:"], ""),
        &seen(&["g1 off 1:"], "", ""),
        "start g1",
    );
}

#[test]
fn failed_starts_are_tried_again_when_not_held() {
    let w = want(&["g1 on 1:"], "");
    check(&w, &seen(&["g1 failed 1 held:"], "", ""), "");
    check(&w, &seen(&["g1 failed 1:"], "", ""), "start g1");
}

#[test]
fn removal_ends_the_guest_first_and_its_disks_last() {
    let w = want(&[], "");
    check(&w, &seen(&["g1 running 1: d1"], "d1", ""), "tell g1");
    check(&w, &seen(&["g1 asked 1: d1"], "d1", ""), "tell g1");
    check(&w, &seen(&["g1 told 1: d1"], "d1", ""), "");
    check(&w, &seen(&["g1 told 1 overdue: d1"], "d1", ""), "kill g1");
    check(&w, &seen(&["g1 off 1 busy: d1"], "d1", ""), "");
    check(
        &w,
        &seen(&["g1 off 1: d1"], "d1", ""),
        "forget g1, remove d1",
    );
    check(&w, &seen(&[], "d1 d2-held d3+busy", ""), "remove d1");
}

#[test]
fn a_disk_that_somebody_still_runs_with_stays() {
    let w = want(&["g1 on 1: d1"], "d1");
    let s = seen(&["g1 running 1 held: d1 d2"], "d1 d2", "");
    check(&w, &s, "");
}

#[test]
fn plugging_one_at_a_time_removal_first() {
    let w = want(&["g1 on 1: d1 d3 p2"], "d1 d3");
    let s = seen(&["g1 running 1: d1 d2 p1"], "d1 d2 d3", "p1 p2");
    check(&w, &s, "detach d2 from g1");
    let s = seen(&["g1 running 1: d1 p1"], "d1 d3", "p2");
    check(&w, &s, "detach p1 from g1");
    let s = seen(&["g1 running 1: d1"], "d1 d3", "p2");
    check(&w, &s, "attach d3 to g1");
    let s = seen(&["g1 running 1: d1"], "d1 d3-busy", "p2");
    check(&w, &s, "attach p2 to g1");
    let s = seen(&["g1 running 1: d1"], "d1 d3-busy", "");
    check(&w, &s, "");
    // A guest that is on its way out is left alone.
    let w = want(&["g1 off 1: d1 d3"], "d1 d3");
    check(&w, &seen(&["g1 running 1: d1"], "d1 d3", ""), "ask g1");
}

#[test]
fn a_busy_guest_gets_no_step() {
    for phase in ["off", "running", "asked", "told", "ended", "failed"] {
        let line = format!("g1 {phase} 1 busy overdue:");
        check(
            &want(&["g1 on 2:"], ""),
            &seen(&[line.as_str()], "", ""),
            "",
        );
        check(&want(&[], ""), &seen(&[line.as_str()], "", ""), "");
    }
}
