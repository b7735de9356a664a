//! What is to be done next for a server, as a table: what is wanted and seen, phase and steps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_base::Time;
use jinyun_compute::server::plan::{Facts, Guest, Room, decide};
use jinyun_compute::{Attached, Server, ServerSpec, ServerStatus, Size};
use jinyun_engine::{Have, Plan, Step};
use jinyun_wire::{Fault, GuestSeen, GuestState};

/// A server that is on a host, should run, and is being built.
fn server() -> Have<Server> {
    Have {
        id: "s".into(),
        domain: "bank".into(),
        project: "p".into(),
        generation: 3,
        spec: ServerSpec {
            name: "web".into(),
            hostname: "web".into(),
            flavor: Size {
                id: "1".into(),
                name: "m1.tiny".into(),
                vcpus: 1,
                memory_mib: 128,
                disk_gib: 1,
            },
            image: "i".into(),
            key_name: String::new(),
            public_key: String::new(),
            user: "ann".into(),
            ports: vec!["own".into(), "lent".into()],
            own_ports: vec!["own".into()],
            root: "root".into(),
            volumes: vec![Attached { id: "data".into(), device: "/dev/vdb".into() }],
            metadata: Default::default(),
            running: true,
            incarnation: 2,
            host: "h1".into(),
            has_user_data: false,
            has_password: false,
        },
        status: ServerStatus::default(),
        phase: "BUILD".into(),
        observed: 0,
        error: String::new(),
        created: Time(0),
        updated: Time(0),
        phase_since: Time(7),
        deleting: false,
    }
}

fn guest(state: GuestState, incarnation: u64, error: Option<bool>) -> Facts {
    let error = error.map(|fatal| Fault { why: "it is damaged".into(), fatal });
    let seen = GuestSeen { id: "s".into(), state, incarnation, error };
    Facts { guest: Guest::Seen(seen, true), ..Facts::default() }
}

fn rooms(rooms: &[(&str, i64)]) -> Facts {
    let hosts = rooms.iter().map(|(name, free)| Room { name: (*name).into(), free_mib: *free });
    Facts { hosts: hosts.collect(), ..Facts::default() }
}

/// `PHASE. step args; step | error`; a point after the phase where nothing more is to be done.
fn told(plan: Plan<ServerStatus>) -> String {
    let steps: Vec<String> = plan.steps.iter().map(|step| match step {
        Step::Run(command) => {
            assert_eq!(command.target.as_ref().unwrap().as_str(), "s");
            format!("{} {}", command.action.rsplit(':').next().unwrap(), command.args)
        }
        Step::Finish { .. } => "finish".into(),
        other => format!("{other:?}"),
    }).collect();
    let mut text = format!("{}{}", plan.phase, if plan.done { "." } else { "" });
    if !steps.is_empty() {
        text += &format!(" {}", steps.join("; "));
    }
    if !plan.error.is_empty() {
        text += &format!(" | {}", plan.error);
    }
    text
}

type Change = fn(&mut Have<Server>);

fn as_it_is(_: &mut Have<Server>) {}

fn unplaced(have: &mut Have<Server>) {
    have.spec.host.clear();
}

fn active(have: &mut Have<Server>) {
    have.phase = "ACTIVE".into();
}

fn active_and_settled(have: &mut Have<Server>) {
    have.phase = "ACTIVE".into();
    have.observed = have.generation;
}

fn stopping(have: &mut Have<Server>) {
    have.phase = "ACTIVE".into();
    have.spec.running = false;
}

fn starting(have: &mut Have<Server>) {
    have.phase = "SHUTOFF".into();
}

fn deleting(have: &mut Have<Server>) {
    have.deleting = true;
}

#[test]
fn plans() {
    use GuestState::{Ended, Failed, Off, Running};
    let broken = |facts: Facts| Facts { broken: Some("Volume root: lost".into()), ..facts };
    let tied = |hosts: &[&str], facts: Facts| {
        Facts { tied_to: hosts.iter().map(|h| (*h).into()).collect(), ..facts }
    };
    let stale = |facts: Facts| match facts.guest {
        Guest::Seen(seen, _) => Facts { guest: Guest::Seen(seen, false), ..Facts::default() },
        _ => facts,
    };
    let pending = Facts { guest: Guest::Pending, ..Facts::default() };
    let cases: &[(&str, Change, Facts, &str)] = &[
        ("no host is connected", unplaced, Facts::default(), "BUILD"),
        ("the one with most room", unplaced, rooms(&[("h1", 200), ("h2", 400), ("h3", 400)]),
            r#"BUILD place {"host":"h2"}"#),
        ("exactly enough", unplaced, rooms(&[("h1", 128)]), r#"BUILD place {"host":"h1"}"#),
        ("no room", unplaced, rooms(&[("h1", 127)]),
            "ERROR. | No valid host was found. There are not enough hosts available: none has \
             128 MiB of memory free."),
        ("where its volume is", unplaced, tied(&["h1"], rooms(&[("h1", 200), ("h2", 400)])),
            r#"BUILD place {"host":"h1"}"#),
        ("its volume's host is away", unplaced, tied(&["h9"], rooms(&[("h1", 200)])), "BUILD"),
        ("volumes on two hosts", unplaced, tied(&["h1", "h2"], rooms(&[("h1", 200)])),
            "ERROR. | Its volumes lie on different hosts (h1, h2): attach volumes that lie on one \
             host."),
        ("a disk is lost before", unplaced, broken(rooms(&[("h1", 200)])),
            "ERROR. | Volume root: lost"),
        ("nobody has said yet", as_it_is, pending.clone(), "BUILD"),
        ("nobody has it yet", as_it_is, Facts::default(), "BUILD"),
        ("a disk is lost", as_it_is, broken(guest(Off, 0, None)), "ERROR. | Volume root: lost"),
        ("it waits for its disks", as_it_is, guest(Off, 0, None), "BUILD"),
        ("it could not be started, for now", as_it_is, guest(Failed, 2, Some(false)), "BUILD"),
        ("it cannot be started", as_it_is, guest(Failed, 2, Some(true)),
            "ERROR. | it is damaged"),
        ("an old failure", as_it_is, stale(guest(Failed, 1, Some(true))), "BUILD"),
        ("it runs", as_it_is, guest(Running, 2, None), "ACTIVE."),
        ("it runs with a scratch", as_it_is, guest(Running, 2, Some(false)), "ACTIVE."),
        ("the old one runs", active, guest(Running, 1, None), "ACTIVE"),
        ("it has ended by itself", active, guest(Ended, 2, None),
            r#"ACTIVE ended {"incarnation":2}"#),
        ("an earlier one has ended", starting, guest(Ended, 1, None), "SHUTOFF"),
        ("its host is silent", active_and_settled, pending.clone(), "ACTIVE."),
        ("its host is silent, it has changed", active, pending.clone(), "ACTIVE"),
        ("it is being stopped", stopping, guest(Running, 2, None), "ACTIVE"),
        ("it is off", stopping, guest(Off, 2, None), "SHUTOFF."),
        ("it ended while it was to stop", stopping, guest(Ended, 2, None), "SHUTOFF."),
        ("it is being started", starting, guest(Off, 1, None), "SHUTOFF"),
        ("deleted, still there", deleting, guest(Running, 2, None), "deleting"),
        ("deleted, nobody has said", deleting, pending, "deleting"),
        ("deleted, things are lent", deleting,
            Facts { bound: true, parts: true, ..Facts::default() }, "deleting release null"),
        ("deleted, parts are there", deleting, Facts { parts: true, ..Facts::default() },
            "deleting"),
        ("deleted", deleting, Facts::default(), "deleting finish"),
    ];
    for (what, change, facts, expect) in cases {
        let mut have = server();
        change(&mut have);
        assert_eq!(told(decide(&have, facts)), *expect, "{what}");
    }
}

#[test]
fn the_first_start_is_remembered() {
    let mut have = server();
    active(&mut have);
    let plan = decide(&have, &guest(GuestState::Running, 2, None));
    assert_eq!(plan.status.launched, 7);
    have.status = plan.status;
    have.phase_since = Time(9);
    assert_eq!(decide(&have, &Facts::default()).status.launched, 7);
}
