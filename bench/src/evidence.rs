//! What evidence costs: reading and judging so many records, again when nothing has changed, and
//! again after one change. Without hosts, attacks and the journal's verification.

use crate::gauge::now;
use jinyun_base::{Id, OsEntropy, Time};
use jinyun_engine::{Command, Core, Job, Queue, Registry};
use jinyun_evidence::checks::{CHECKS, Check};
use jinyun_evidence::{Follower, Kept, Needs, World};
use jinyun_policy::{Actor, ActorKind, Role, Scope};
use jinyun_store::{Config, Db, Row, Writer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// CPU of this thread, which does all of the work that is measured, milliseconds.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let words: Vec<f64> = text.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    words.first().copied().unwrap_or_default() / 1e6
}

const DOMAIN: &str = "b0000000000000000000000000000001";

fn id(kind: &str, n: u64) -> String {
    match kind {
        "project" | "user" | "assignment" => format!("{n:032x}"),
        _ => format!("507b9e2b-92b2-4ff7-9743-{n:012x}"),
    }
}

/// A mixture as a cloud has it: most of it is ports and rules.
fn row(n: u64) -> Row {
    let (project, network) = (id("project", n / 100 * 100), id("network", n / 10 * 10 + 1));
    let group = id("security_group", n / 10);
    let (kind, spec): (&str, Value) = match n % 10 {
        0 if n.is_multiple_of(100) => {
            ("project", json!({ "name": format!("p{n}"), "enabled": true, "domain": DOMAIN }))
        }
        0 => ("user", json!({ "name": format!("u{n}"), "enabled": true, "domain": DOMAIN })),
        1 => ("network", json!({ "name": format!("n{n}") })),
        2 => ("volume", json!({ "gib": 1, "host": "h1", "volume_type": "encrypted" })),
        3 | 4 => ("security_group_rule", json!({ "group": group, "direction": "ingress",
            "ethertype": "IPv4", "protocol": "tcp", "port_min": 22, "port_max": 22 })),
        5 => ("assignment", json!({ "user": id("user", n - 5), "role": "member",
            "scope": { "project": project } })),
        _ => ("port", json!({ "network": network, "mac": format!("fa:16:3e:00:{:02x}:{:02x}",
            n / 256 % 256, n % 256), "host": "h1", "fixed_ips": [{ "subnet": "s", "ip":
            format!("10.{}.{}.{}", n / 65536 % 256, n / 256 % 256, n % 256) }],
            "security_groups": [group] })),
    };
    Row {
        kind: kind.into(),
        id: Id::new(id(kind, n)),
        domain: DOMAIN.into(),
        project: if kind == "user" { "".into() } else { project.as_str().into() },
        name: String::new(),
        generation: 1,
        spec: spec.to_string(),
        created: Time(1),
        updated: Time(1),
        delete_asked: None,
    }
}

/// Runs these checks with what was decoded before. How many.
fn judge(world: &World, kept: &mut Kept, which: impl Fn(&Check) -> bool) -> usize {
    let mut ran = 0;
    for check in CHECKS.iter().filter(|check| which(check)) {
        kept.lend(world, || check.find(world));
        ran += 1;
    }
    ran
}

/// Checks that read records and nothing that is slow.
fn of_rows(check: &Check) -> bool {
    check.needs.due(Needs::ROWS)
}

fn show(what: &str, ran: usize, started: (Instant, f64)) {
    println!("{what:<44} {ran:>3} checks: {:>8.2} ms of CPU, {:>8.2} ms", cpu() - started.1,
        started.0.elapsed().as_secs_f64() * 1e3);
}

/// Prints the figures for `count` records.
pub fn run(count: u64) {
    let dir = std::env::temp_dir().join(format!("jybench-evidence-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("directory");
    let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
    let mut registry = Registry::default();
    jinyun_identity::register(&mut registry);
    jinyun_image::register(&mut registry);
    jinyun_volume::register(&mut registry);
    jinyun_network::register(&mut registry);
    jinyun_compute::register(&mut registry);
    jinyun_evidence::register(&mut registry);
    let mut writer = Writer::open(&config, "bench").expect("open");
    writer.begin().expect("begin");
    for n in 0..count {
        writer.put(&row(n), 0).expect("row");
    }
    writer.commit().expect("commit");
    let core = Core::new(writer, Arc::new(registry), Box::<OsEntropy>::default());
    let (handle, queue) = Queue::new();
    let server = std::thread::spawn(move || queue.serve(core, now));
    let mut db = Db::open(&config).expect("open");
    let (mut follower, mut world, mut kept) =
        (Follower::default(), World::default(), Kept::default());
    let begin = || (Instant::now(), cpu());

    // There is one entry, so that the next one is followed and not taken for the first.
    let facts = jinyun_simulated::SimulatedHost::facts();
    let first = jinyun_compute::registration("h1", &facts);
    handle.run(Job::Command(Box::new(first))).unwrap_or_else(|e| panic!("{e}"));

    let started = begin();
    follower.follow(&mut db, true, &mut world, &mut kept).expect("records");
    show(&format!("{count} records read"), 0, started);
    let started = begin();
    show("judged for the first time", judge(&world, &mut kept, of_rows), started);

    let started = begin();
    follower.follow(&mut db, true, &mut world, &mut kept).expect("records");
    show("all read anew, nothing has changed", judge(&world, &mut kept, of_rows), started);

    let actor = Actor {
        kind: ActorKind::User,
        id: "ann".into(),
        domain: DOMAIN.into(),
        scope: Scope::Project { project: id("project", 0).as_str().into(), domain: DOMAIN.into() },
        role: Some(Role::Manager),
        duty: None,
    };
    let network = id("network", 1);
    let command = Command::new("network:network:update", actor, "req-1").on(network.as_str())
        .with(json!({ "description": "other than before" }));
    handle.run(Job::Command(Box::new(command))).unwrap_or_else(|e| panic!("{e}"));
    let started = begin();
    let changed = follower.follow(&mut db, false, &mut world, &mut kept).expect("records");
    assert!(changed.kinds.contains("network"), "{changed:?}");
    show("after one change: followed", 0, started);
    // Watching runs those alone that ask for networks; here all, as if each did.
    show("after one change: followed, all judged", judge(&world, &mut kept, of_rows), started);

    drop(handle);
    server.join().expect("writer");
    std::fs::remove_dir_all(&dir).expect("remove");
}
