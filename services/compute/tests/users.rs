//! What becomes of people's key pairs when they go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::KEY;
use jinyun_base::{Id, SeedEntropy, Time};
use jinyun_compute::Keypair;
use jinyun_engine::*;
use jinyun_policy::{Actor, ActorKind, Role, Scope};
use jinyun_store::{Config, Db, Writer};
use serde_json::{Value, json};
use std::sync::Arc;

#[test]
fn a_key_pair_goes_with_its_user() {
    let dir = std::env::temp_dir().join(format!("jycompute-{}-users", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let config = Config::Sqlite { path: dir.join("state.db"), durable: false };
    let mut registry = Registry::default();
    jinyun_identity::register(&mut registry);
    jinyun_image::register(&mut registry);
    jinyun_volume::register(&mut registry);
    jinyun_network::register(&mut registry);
    jinyun_compute::register(&mut registry);
    let writer = Writer::open(&config, "test").unwrap();
    let mut core = Core::new(writer, Arc::new(registry), Box::new(SeedEntropy::new(7)));
    let mut now = 1_700_000_000_000_000;
    let mut run = |command: Command| {
        now += 1_000_000;
        let answer = core.run(vec![Job::Command(Box::new(command))], Time(now)).pop().unwrap();
        answer.unwrap_or_else(|e| panic!("{e}"))
    };
    let mut platform = |action: &str, args: Value| -> Id {
        let mut command = Command::new(action, Actor::system("test"), "r").with(args);
        command.domain = Some("bank".into());
        let answer = run(command);
        answer.row.map(|row| row.id).unwrap_or_else(|| answer.value["id"].as_str().unwrap().into())
    };
    platform("identity:domain:create", json!({ "id": "bank", "name": "bank", "enabled": true }));
    let mut person = |name: &str| {
        let spec = json!({ "name": name, "domain": "bank", "enabled": true });
        platform("identity:user:create", spec)
    };
    let (ann, bob) = (person("ann"), person("bob"));
    let of = |id: &Id| Actor {
        kind: ActorKind::User,
        id: id.clone(),
        domain: "bank".into(),
        scope: Scope::Domain("bank".into()),
        role: Some(Role::Manager),
        duty: None,
    };
    for user in [&ann, &bob] {
        let args = json!({ "name": "desk", "public_key": KEY });
        run(Command::new("compute:keypair:create", of(user), "r").with(args));
    }
    let left = || -> Vec<Id> {
        let mut db = Db::open(&config).unwrap();
        let pairs = View::new(&mut db).list::<Keypair>(&Query::default()).unwrap();
        pairs.into_iter().map(|pair| pair.spec.user).collect()
    };
    assert_eq!(left().len(), 2);
    run(Command::new("identity:user:delete", of(&bob), "r").on(ann));
    assert_eq!(left(), [bob]);
    let _ = std::fs::remove_dir_all(&dir);
}
