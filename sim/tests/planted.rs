//! Each checker catches a planted bug, and a run is what its seed makes it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_base::Id;
use jinyun_engine::{Command, Job};
use jinyun_policy::{Actor, Rule, Who};
use jinyun_sim::{Outcome, World, check};
use jinyun_store::Claim;
use serde_json::json;
use std::sync::Arc;

fn peaceful(seed: u64) -> World {
    let mut world = World::new(seed).unwrap();
    world.provoke(60).unwrap();
    world.calm().unwrap();
    check::converged(&mut world).unwrap();
    check::records(&mut world).unwrap();
    check::overdue(&mut world).unwrap();
    world
}

fn caught(result: Result<(), String>, word: &str) {
    let say = result.expect_err("the planted bug was not caught");
    assert!(say.contains(word), "{say}");
}

#[test]
fn twenty_seeds_hold() {
    let mut total = Outcome::default();
    for seed in 1..=20 {
        match jinyun_sim::run(seed, 120) {
            Ok(outcome) => total.add(&outcome),
            Err(say) => panic!("seed {seed}: {say}"),
        }
    }
    // A run in which nobody is asked for anything shows nothing.
    for (what, many) in [("held", total.held), ("voted on", total.votes), ("run", total.ran),
        ("stopped", total.stopped), ("left to expire", total.expired)] {
        assert!(many > 0, "no command was {what}: {total}");
    }
    assert_eq!(total.hollow(), Vec::<&str>::new(), "{:?}", total.actions);
}

#[test]
fn a_seed_gives_the_same_run_again() {
    assert_eq!(jinyun_sim::run(5, 100), jinyun_sim::run(5, 100));
}

#[test]
fn quota_that_drifts() {
    let mut world = peaceful(31);
    let core = world.core().unwrap();
    core.writer.begin().unwrap();
    core.writer.use_quota(&"p0".into(), "networks", 3).unwrap();
    core.writer.commit().unwrap();
    caught(check::quota(&mut world), "quota");
}

#[test]
fn a_claim_that_is_given_away() {
    let mut world = peaceful(32);
    let core = world.core().unwrap();
    let claim = Claim { space: "domain-name".into(), word: "bank".into(), taken: String::new() };
    core.writer.begin().unwrap();
    core.writer.unclaim(&claim, "domain", &"bank".into()).unwrap();
    core.writer.claim(&claim, "domain", &"fund".into()).unwrap();
    core.writer.commit().unwrap();
    caught(check::claims(&mut world), "domain-name");
}

#[test]
fn a_rule_that_opens_a_tenants_things() {
    const BAD: &[Rule] = &[Rule { action: "spy:image:show", allow: &[Who::User] }];
    let mut world = peaceful(33);
    let mut registry = jinyun_sim::world::registry();
    registry.rules(BAD);
    world.use_registry(Arc::new(registry));
    caught(check::tenants(&mut world), "spy:image:show");
}

#[test]
fn a_write_without_an_entry() {
    let mut world = peaceful(34);
    let core = world.core().unwrap();
    let mut row = core.writer.db.get("domain", &"bank".into()).unwrap().unwrap().row;
    row.generation += 1;
    core.writer.begin().unwrap();
    core.writer.put(&row, row.generation - 1).unwrap();
    core.writer.commit().unwrap();
    caught(check::entries_and_rows(&mut world), "generation");
    caught(check::replayed(&mut world), "differs");
}

#[test]
fn a_journal_that_is_rewritten() {
    let mut world = peaceful(35);
    check::journal(&mut world).unwrap();
    let core = world.core().unwrap();
    let change = "UPDATE journal SET body = CAST(replace(CAST(body AS TEXT), 'bank', 'bonk') AS BLOB) \
                  WHERE number = 1";
    core.writer.db.batch(change).unwrap();
    caught(check::journal(&mut world), "verify");
}

#[test]
fn an_acknowledged_thing_that_is_lost() {
    let mut world = peaceful(36);
    let core = world.core().unwrap();
    core.writer.db.batch("DELETE FROM resource WHERE kind = 'flavor'").unwrap();
    caught(check::acknowledged(&mut world), "lost");
}

#[test]
fn a_guest_that_is_left_over() {
    let mut world = peaceful(37);
    world.plant_disk("h1", "11111111-2222-4333-8444-555555555555");
    caught(check::converged(&mut world), "left over");
}

#[test]
fn something_that_never_comes_to_rest() {
    let mut world = peaceful(38);
    let place = (Id::new("bank"), world.project("p0"));
    let core = world.core().unwrap();
    // The platform's own: no rule that was left over makes it wait.
    let command = Command::new("volume:volume:create", Actor::system("t"), "t")
        .at(&place.0, &place.1)
        .with(json!({ "name": "late", "gib": 1, "volume_type": "encrypted" }));
    let now = jinyun_base::Time(1_900_000_000_000_000);
    core.one(Job::Command(Box::new(command)), now).unwrap();
    caught(check::converged(&mut world), "come to rest");
}
