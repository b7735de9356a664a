//! Checks of the place: what cannot be seen is never met, and attacks that change something are
//! broken by exactly their hole, on a real kernel and in a real cloud.
//!
//! Goal: no check here that cannot go red, and none that is green for what it did not see. Method:
//! tables of worlds with one thing hidden (those with one thing wrong are in `checks.rs`); the agent's
//! networks driven directly, where root may (`JINYUN_ROOT_TESTS`); a cloud of this process with rules
//! that have a hole, and with a limit that is none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]
// What other tests use of the common parts.
#![allow(dead_code)]

#[path = "common/cloud.rs"]
#[allow(dead_code)]
mod cloud;
mod common;
#[path = "common/worlds.rs"]
mod worlds;

use cloud::Running;
use common::{A, Bench, device, nft, posts};
use jinyun_evidence::attack::more::{self, Targets, ZONE_TCP};
use jinyun_evidence::attack::{Judged, Prober, judge};
use jinyun_evidence::checks::find;
use jinyun_evidence::rooms::{Rooms, limits, try_rooms};
use jinyun_evidence::stage::{clear, set};
use jinyun_evidence::{Verdict, quotas};
use jinyun_image::Files;
use jinyun_policy::{Rule, Who};
use jinyun_store::Db;
use jinyun_wire::{Answer, Ask, GroupWant, ReachTry, RuleWant};
use std::sync::Arc;
use worlds::good;
use worlds::site::{BLIND, ELSEWHERE, reach};

#[test]
fn what_cannot_be_seen_is_never_met() {
    for (n, (name, hide)) in BLIND.iter().enumerate() {
        let mut world = good();
        hide(&mut world);
        let found = find(name).unwrap().find(&world);
        let proved = matches!(found.verdict, Verdict::Met | Verdict::Failed);
        assert!(!proved, "hidden {n} of {name}: {:?} {}", found.verdict, found.says);
    }
}

#[test]
fn what_a_guests_user_was_tried_at_is_said_and_nothing_else() {
    let attempt = |what: &str, errno: i32| ReachTry { what: what.into(), errno: Some(errno) };
    let said = |guest: &str, tries: Vec<ReachTry>| {
        let mut world = good();
        (reach(&mut world).guest, reach(&mut world).tries) = (guest.into(), tries);
        let found = find("file-reach").unwrap().find(&world);
        assert_eq!(found.verdict, Verdict::Met, "{}", found.says);
        found.says
    };
    let says = said("g1", vec![attempt("the disk d1", 13), attempt("the console of guest g2", 13)]);
    assert!(says.contains("refused all of 2 others (disks, consoles of guests)"), "{says}");
    assert!(!says.contains("no guest runs"), "{says}");
    // What went meanwhile was not tried, and is no way that is open.
    for errno in [2, 3, 23, 24] {
        let says = said("", vec![attempt("the disk d1", 1), attempt("the memory of guest g2", errno)]);
        assert!(says.contains("refused all of 1 others (disks)"), "{errno}: {says}");
        assert!(says.ends_with("no guest runs: the first guest's user was tried"), "{says}");
    }
}

#[test]
fn an_attack_that_worked_is_red_wherever_it_is_read() {
    for name in ELSEWHERE {
        let mut world = good();
        assert_eq!(find(name).unwrap().find(&world).verdict, Verdict::Met, "{name}");
        worlds::site::worked(&mut world, name);
        assert_eq!(find(name).unwrap().find(&world).verdict, Verdict::Failed, "{name}");
    }
}

/// Whether the kernel's tests are wanted.
fn rooted() -> bool {
    let wanted = std::env::var_os("JINYUN_ROOT_TESTS").is_some();
    if !wanted {
        eprintln!("skipped: needs root; set JINYUN_ROOT_TESTS=1");
    }
    wanted
}

fn prober(bench: &Bench, probe: impl Fn(&Prober<'_>) -> Judged) -> Judged {
    let ask = |ask: Ask| match ask {
        Ask::Probe(probe) => bench.net.probe(&probe),
        Ask::Probes { probes } => Answer::Probes { answers: bench.net.prober().probes(&probes) },
        other => Answer::Failed { why: format!("{other:?} is no probe") },
    };
    probe(&Prober::new(&ask, "hosts"))
}

fn is_held(judged: &Judged) -> bool {
    matches!(judged, Judged::Held(_))
}

fn is_broken(judged: &Judged) -> bool {
    matches!(judged, Judged::Broken(_))
}

#[test]
fn the_platform_is_out_of_reach_until_a_door_is_opened() {
    if !rooted() {
        return;
    }
    let bench = Bench::new('p');
    let here = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let targets = Targets {
        listeners: vec![match here.local_addr().unwrap() {
            std::net::SocketAddr::V4(at) => at,
            other => panic!("{other}"),
        }],
        host: Ok(vec![[10, 255, 255, 254].into()]),
    };
    let attack = || prober(&bench, |p| judge(&more::guest_to_platform(p, &posts(), &targets)));
    let before = attack();
    assert!(is_held(&before), "{before:?}");
    let door = ["insert", "rule", "inet", "jinyun", "input", "tcp", "dport", "22", "accept"];
    nft(&bench.space(A), &door);
    let opened = attack();
    assert!(is_broken(&opened), "{opened:?}");
}

#[test]
fn what_is_sent_to_everybody_is_heard_by_nobody_until_ports_are_bridged() {
    if !rooted() {
        return;
    }
    let bench = Bench::new('d');
    let (_, attack) = more::MORE[0];
    let run = || prober(&bench, |p| judge(&p.carry_out(attack(p, &posts()))));
    let before = run();
    assert!(is_held(&before), "{before:?}");
    let at = posts();
    let (space, from, to) = (bench.space(A), device(&at.sender.id), device(&at.receiver.id));
    nft(&space, &["add", "table", "netdev", "h"]);
    nft(&space, &["add", "chain", "netdev", "h", "i", "{", "type", "filter", "hook", "ingress",
        "device", &from, "priority", "0", ";", "policy", "accept", ";", "}"]);
    nft(&space, &["add", "rule", "netdev", "h", "i", "fwd", "to", &to]);
    let bridged = run();
    assert!(is_broken(&bridged), "{bridged:?}");
}

#[test]
fn a_zone_and_a_cut_hold_and_turns_that_do_nothing_are_seen() {
    if !rooted() {
        return;
    }
    let mut bench = Bench::new('z');
    let (sender, receiver, last) = {
        let at = posts();
        (at.sender.id, at.receiver.id, at.other_mate.id)
    };
    let at = posts();
    for works in [true, false] {
        let net = bench.net.prober();
        let ask = |ask: Ask| match ask {
            Ask::Probe(probe) => net.probe(&probe),
            Ask::Probes { probes } => Answer::Probes { answers: net.probes(&probes) },
            other => Answer::Failed { why: format!("{other:?} is no probe") },
        };
        let prober = Prober::new(&ask, format!("turn-{works}"));
        // The agent gives a prober the seats of its newest document: these do not change.
        let mut zone = |member: bool| {
            bench.change(|want| {
                if !want.groups.iter().any(|g| g.id == "zone") {
                    want.groups.push(zone_group());
                }
                let members = want.groups.iter_mut().find(|g| g.id == "zone").unwrap();
                members.members = vec![at.receiver.ip];
                // The hole: members are not told from others.
                members.rules[0].remote_group = works.then(|| "zone".to_string());
                members.members.extend(member.then_some(at.sender.ip));
                for port in &mut want.networks[0].ports {
                    let inside = port.id == receiver || (port.id == sender && member);
                    port.groups.retain(|g| g != "zone");
                    port.groups.extend(inside.then(|| "zone".to_string()));
                }
            });
            Ok(())
        };
        let zones = judge(&more::group_zones(&prober, &at, &mut zone));
        assert!(if works { is_held(&zones) } else { is_broken(&zones) }, "{works}: {zones:?}");
        let mut cut = |up: bool| {
            bench.change(|want| {
                let ports = want.networks.iter_mut().flat_map(|n| &mut n.ports);
                for port in ports.filter(|p| p.id == last) {
                    port.up = up || !works;
                }
            });
            Ok(())
        };
        let cuts = judge(&more::port_cut(&prober, &at, &mut cut));
        assert!(if works { is_held(&cuts) } else { is_broken(&cuts) }, "{works}: {cuts:?}");
        bench.mend();
    }
}

fn zone_group() -> GroupWant {
    GroupWant {
        id: "zone".into(),
        members: Vec::new(),
        rules: vec![RuleWant {
            ingress: true,
            protocol: Some(6),
            ports: Some((ZONE_TCP, ZONE_TCP)),
            icmp_code: None,
            remote_cidr: None,
            remote_group: Some("zone".into()),
        }],
    }
}

const NONE: &[Rule] = &[];
/// Whoever has an account may fetch any image.
const HOLE: &[Rule] = &[Rule { action: "image:image:download", allow: &[Who::User] }];

#[test]
fn rooms_in_a_cloud_hold_and_a_hole_is_seen() {
    for (name, holes, slack) in [("rooms", NONE, 0), ("rooms-hole", HOLE, 3)] {
        let running = Running::new(name, holes);
        let files = Arc::new(Files::open(running.dir.join("images")).unwrap());
        let stage = set(&running.cloud, "t1").unwrap_or_else(|e| panic!("{e}"));
        let rooms = Rooms {
            cloud: &running.cloud,
            hosts: &running.hosts,
            stage: &stage,
            tag: "t2",
            images: Some(&files),
        };
        let ask = |_: Ask| Answer::Failed { why: "the host is simulated".into() };
        let prober = Prober::new(&ask, "t2");
        let targets = Targets { listeners: Vec::new(), host: Err("simulated".into()) };
        if slack > 0 {
            let judged = judge(&limits(&rooms, slack));
            assert!(is_broken(&judged), "{judged:?}");
        }
        let (tried, taken) = try_rooms(&rooms, &prober, &targets);
        let judged = |check: &str| {
            judge(&tried.iter().find(|t| t.check == check).unwrap().attempts)
        };
        let (image, limit) = (judged("foreign-image"), judged("limits-hold"));
        match slack {
            0 => assert!(is_held(&image) && is_held(&limit), "{image:?} {limit:?}"),
            // The limit of before is there already: it could not be set again.
            _ => assert!(is_broken(&image) && !is_held(&limit), "{image:?} {limit:?}"),
        }
        let taken = taken.unwrap();
        assert_eq!(taken[0].same, Ok(65_536), "{taken:?}");
        // Nothing is behind a simulated host: its ports prove nothing.
        for check in ["guest-to-platform", "group-zones", "port-cut", "spoofed-dhcp"] {
            let judged = judged(check);
            assert!(matches!(judged, Judged::Nothing(_)), "{check}: {judged:?}");
        }
        clear(&running.cloud, "t3").unwrap_or_else(|e| panic!("{e}"));
        let left = running.cloud.reader.lend(|db| db.everything()).unwrap();
        let kinds: Vec<&str> = left.iter().map(|s| s.row.kind.as_str()).collect();
        assert!(!kinds.contains(&"image") && !kinds.contains(&"limit"), "{kinds:?}");
    }
}

#[test]
fn an_account_that_is_wrong_is_found() {
    let running = Running::new("quota", NONE);
    let stage = set(&running.cloud, "t1").unwrap_or_else(|e| panic!("{e}"));
    let wrong = || {
        let all = quotas(&running.cloud).unwrap();
        assert!(!all.is_empty());
        all.into_iter().filter(|quota| quota.used != quota.counted).count()
    };
    assert_eq!(wrong(), 0);
    let mut db = Db::open(&running.config).unwrap();
    let project = stage.ground.mine.as_str();
    let change = "UPDATE quota SET used = used + ?1 WHERE project = ?2 AND item = ?3";
    let mut turn = |by: i64| {
        let changed = db.exec(change, &[by.into(), project.into(), "network".into()]).unwrap();
        assert_eq!(changed, 1);
    };
    turn(1);
    assert_eq!(wrong(), 1);
    turn(-1);
    clear(&running.cloud, "t2").unwrap_or_else(|e| panic!("{e}"));
}
