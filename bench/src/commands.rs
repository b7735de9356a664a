//! Commands per second through the whole write path, inside the process: policy, claims, quota,
//! meter, journal entry with both leaf hashes, group commit with fsync.

use crate::gauge::{cpu, now};
use jinyun_base::{Kind, OsEntropy};
use jinyun_engine::*;
use jinyun_policy::{Actor, ActorKind, Role, Rule, Scope, Who};
use jinyun_store::{Config, Writer};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Thing;

#[derive(Serialize, Deserialize, Clone, PartialEq)]
struct Spec {
    name: String,
    description: String,
    labels: Vec<String>,
}

impl Resource for Thing {
    const SERVICE: &'static str = "bench";
    const KIND: Kind = Kind("thing");
    type Spec = Spec;
    type Status = ();

    fn name(spec: &Spec) -> &str {
        &spec.name
    }

    fn check(_: &Spec, _: Option<&Spec>, _: &Place, _: &mut View<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn claims(spec: &Spec, at: &Place) -> Vec<Claim> {
        let word = format!("{}/{}", at.project, spec.name);
        vec![Claim { space: "thing-name".into(), word, taken: "taken".into() }]
    }

    fn cost(_: &Spec) -> Vec<Cost> {
        vec![Cost { item: "things", amount: 1 }]
    }

    fn fields(spec: &Spec) -> Vec<(&'static str, String)> {
        vec![("label", spec.labels.concat())]
    }
}

const RULES: &[Rule] =
    &[Rule { action: "bench:thing:create", allow: &[Who::Project(Role::Member)] }];

fn measure(name: &str, config: Config, clients: usize) {
    let mut registry = Registry::default();
    registry.add::<Thing>().rules(RULES).quota("things", -1);
    let writer = Writer::open(&config, "bench").expect("open");
    let core = Core::new(writer, Arc::new(registry), Box::<OsEntropy>::default());
    let (handle, queue) = Queue::new();
    let server = std::thread::spawn(move || queue.serve(core, now));
    let span = Duration::from_secs(5);
    let (started, cpu_before) = (Instant::now(), cpu());
    let workers: Vec<_> = (0..clients).map(|c| {
        let handle = handle.clone();
        std::thread::spawn(move || {
            let mut done = 0u64;
            while started.elapsed() < span {
                let scope = Scope::Project { project: "p".into(), domain: "bank".into() };
                let actor = Actor {
                    kind: ActorKind::User, id: "ann".into(), domain: "bank".into(), scope,
                    role: Some(Role::Member), duty: None,
                };
                let spec = Spec {
                    name: format!("thing {c} {done}"),
                    description: "as long as a description usually is".into(),
                    labels: vec!["blue".into(), "small".into()],
                };
                let command = Command::new("bench:thing:create", actor, "req-0123456789abcdef")
                    .with(serde_json::to_value(spec).expect("spec"));
                handle.run(Job::Command(Box::new(command))).expect("command");
                done += 1;
            }
            done
        })
    }).collect();
    let done: u64 = workers.into_iter().map(|w| w.join().expect("client")).sum();
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu() - cpu_before);
    println!("{name:<11} {clients:>3} clients: {:>8.0} commands/s, {:>6.1} us of CPU each",
        done as f64 / wall, cpu / done as f64 * 1e6);
    drop(handle);
    server.join().expect("writer");
}

/// Prints the figures for both databases.
pub fn run() {
    let dir = std::env::temp_dir().join(format!("jybench-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("directory");
    for clients in [1, 64] {
        let path = dir.join(format!("{clients}.db"));
        measure("SQLite", Config::Sqlite { path, durable: true }, clients);
    }
    std::fs::remove_dir_all(&dir).expect("remove");
    if let Some(server) = jinyun_testdb::Server::start() {
        for clients in [1, 64] {
            let (conninfo, schema) = server.database();
            measure("PostgreSQL", Config::Postgres { conninfo, schema }, clients);
        }
    }
}
