//! The planner over the API: who may ask, what is answered, what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{institution, read_rows, row};
use jinyun_base::{SeedEntropy, Time};
use jinyun_engine::{Core, Failure, Queue, Reader, Registry};
use jinyun_planner::{plan, register, routes};
use jinyun_policy::{Actor, ActorKind, Role, Scope};
use jinyun_rest::{Body, Call, Cloud, Door};
use jinyun_store::{Config, Db, Writer};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

struct World {
    cloud: Cloud,
    config: Config,
    dir: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl World {
    fn new(name: &str) -> World {
        let dir = std::env::temp_dir().join(format!("jyplanner-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
        let mut registry = Registry::default();
        register(&mut registry);
        let registry = Arc::new(registry);
        let writer = Writer::open(&config, "test").unwrap();
        let core = Core::new(writer, registry.clone(), Box::new(SeedEntropy::new(3)));
        let clock = AtomicI64::new(1_700_000_000_000_000);
        let (handle, queue) = Queue::new();
        std::thread::spawn(move || {
            queue.serve(core, move || Time(clock.fetch_add(1000, Ordering::SeqCst)));
        });
        let reader = Reader::new(config.clone(), registry, handle.clone());
        World { cloud: Cloud { reader, handle }, config, dir }
    }

    fn post(&self, actor: &Actor, body: Value) -> Result<Value, String> {
        let routes = routes();
        assert_eq!((routes.len(), routes[0].method, routes[0].path.as_str()), (1, "POST", "/v1/plans"));
        let call = Call {
            via: Default::default(),
            door: Door::Management,
            cloud: &self.cloud, actor, path: Vec::new(), query: Vec::new(), body,
            request: "req-1".into(), source: None, base: "https://cloud/planner".into(),
            version: None, token: None, headers: Vec::new(), input: Mutex::new(None),
        };
        match (routes[0].run)(&call) {
            Ok(reply) => {
                assert_eq!(reply.status, 200);
                let Body::Text(text) = reply.body else { panic!("not JSON") };
                Ok(serde_json::from_str(&text).unwrap())
            }
            Err(Failure::Refused(refusal)) => Err(format!("{}: {}", refusal.code(), refusal.message)),
            Err(Failure::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// How many rows there are of whatever kind.
    fn rows(&self) -> usize {
        Db::open(&self.config).unwrap().everything().unwrap().len()
    }
}

fn user() -> Actor {
    Actor {
        kind: ActorKind::User,
        id: "ann".into(),
        domain: "insurer".into(),
        scope: Scope::Domain("insurer".into()),
        role: Some(Role::Reader),
        duty: None,
    }
}

#[test]
fn an_inventory_goes_in_and_the_plan_comes_out() {
    let world = World::new("plan");
    let rows = vec![row("a", &[]), row("b", &[("core", "yes"), ("depends_on", "a")])];
    let inventory = json!({ "institution": institution(&[]), "systems": rows });
    let answer = world.post(&user(), json!({ "inventory": inventory })).unwrap();
    let ours = plan(&read_rows(institution(&[]), rows.clone()).unwrap());
    assert_eq!(answer["plan"], serde_json::to_value(ours).unwrap());
    assert_eq!(answer["plan"]["format"], 1);
    // JSON's own word for "nobody knows".
    let mut row = row("a", &[("core", "yes"), ("level", "3")]);
    let answer = |row: &Value| {
        let inventory = json!({ "institution": institution(&[]), "systems": [row] });
        world.post(&user(), json!({ "inventory": inventory })).unwrap()
    };
    let text = answer(&row);
    row["purpose"] = Value::Null;
    row["data"] = json!(["personal"]);
    assert_eq!(answer(&row), text);
    assert_eq!(world.rows(), 0, "nothing is stored");
}

#[test]
fn refusals_name_the_member() {
    let world = World::new("refusals");
    let inventory = |row: Value| json!({ "inventory": { "systems": [row] } });
    let cases = [
        (Value::Null, "invalid: body must be a JSON object"),
        (json!([]), "invalid: body must be a JSON object"),
        (json!({}), "invalid: inventory is required"),
        (json!({ "inventory": {}, "format": "html" }), "unrecognized attribute(s) 'format'"),
        (json!({ "inventory": {} }), "invalid: inventory `systems` must be a list"),
        (json!({ "inventory": { "systems": [], "x": "1" } }), "invalid: inventory has an unknown member"),
        (inventory(json!({ "id": 7 })), "invalid: inventory.systems[0].id must be text in quotes"),
        (inventory(row("a", &[("amount", "lots")])), "invalid: inventory.systems[0].amount is none of"),
        (inventory(row("a", &[("amount", "lots"), ("load", "lots")])), "(1 more flaws)"),
        (inventory(json!({ "id": "a" })), "invalid: inventory.systems[0].name is required"),
        (inventory(json!(1)), "invalid: inventory.systems[0] must be text in quotes"),
        (json!({ "inventory": { "institution": { "stage": [] }, "systems": [row("a", &[])] } }),
            "invalid: inventory.institution.stage must be one value"),
    ];
    for (body, want) in cases {
        let refused = world.post(&user(), body).unwrap_err();
        assert!(refused.contains(want), "{refused}\nwithout {want}");
        assert!(!refused.contains("lots"), "a value is repeated: {refused}");
    }
}

#[test]
fn whoever_has_an_account_may_ask_and_nobody_else() {
    let world = World::new("who");
    let body = || json!({ "inventory": { "systems": [row("a", &[])] } });
    let unscoped = Actor { scope: Scope::None, role: None, ..user() };
    for actor in [user(), unscoped] {
        assert!(world.post(&actor, body()).is_ok());
    }
    let refused = world.post(&Actor::nobody("192.0.2.1"), body()).unwrap_err();
    assert!(refused.starts_with("forbidden: "), "{refused}");
}
