//! The order of a migration: waves, groups, what holds up what, and the projects that follow.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{plan_of, row, without};
use jinyun_planner::Plan;
use jinyun_planner::plan::Migration;
use serde_json::Value;

/// Rows that go in waves 1 to 4 by themselves.
const FIRST: &[(&str, &str)] = &[("amount", "none"), ("data", "public")];
const THIRD: &[(&str, &str)] = &[("amount", "many")];
const FOURTH: &[(&str, &str)] = &[("core", "yes")];

fn with(id: &str, kind: &[(&str, &str)], more: &[(&str, &str)]) -> Value {
    row(id, &[kind, more].concat())
}

/// Each system's wave, 0 for none.
fn waves(plan: &Plan) -> Vec<usize> {
    plan.systems.iter().map(|s| s.migration.wave.unwrap_or(0)).collect()
}

fn why(migration: &Migration) -> String {
    migration.why.iter().map(|reason| format!("{} {:?} ", reason.en, reason.cites)).collect()
}

#[test]
fn low_risk_goes_first() {
    let plan = plan_of(vec![with("d", FOURTH, &[]), with("c", THIRD, &[]), row("b", &[]),
        with("a", FIRST, &[])]);
    assert_eq!(waves(&plan), [4, 3, 2, 1]);
    let listed: Vec<_> = plan.waves.iter().map(|w| (w.wave, w.systems.join(" "))).collect();
    let want = [(1, "a"), (2, "b"), (3, "c"), (4, "d")].map(|(n, s)| (n, s.to_string()));
    assert_eq!(listed, want);
    assert!(why(&plan.systems[0].migration).contains("IAC-4.4.1-4"));
}

#[test]
fn what_is_needed_comes_first_or_together() {
    let plan = plan_of(vec![with("front", FIRST, &[("depends_on", "back")]),
        with("back", THIRD, &[])]);
    assert_eq!(waves(&plan), [3, 3]);
    let text = why(&plan.systems[0].migration);
    assert!(text.contains("cannot move before \"back\""), "{text}");
    // In the same wave, but after it.
    assert_eq!(plan.waves[0].systems, ["back", "front"]);
}

#[test]
fn systems_that_share_data_move_as_one() {
    let plan = plan_of(vec![row("a", &[]), with("b", THIRD, &[("shares_data_with", "a")])]);
    assert_eq!(waves(&plan), [3, 3]);
    assert_eq!(plan.groups.len(), 1);
    assert_eq!(plan.groups[0].systems, ["a", "b"]);
    assert!(plan.groups[0].why[0].en.contains("share data"));
    assert!(why(&plan.systems[0].migration).contains("moves as one with \"b\""));
}

/// The same data, kept in two clouds, is an open condition; either end may have said that it is the same.
#[test]
fn data_that_two_clouds_would_write_are_a_condition() {
    let private: &[(&str, &str)] = &[("public_loss", "possible")];
    for from in ["a", "b"] {
        let named = |id: &str| if id == from { [("shares_data_with", "b")] } else { [("owner", "IT")] };
        let back = |id: &str| if id == from { [("shares_data_with", "a")] } else { [("owner", "IT")] };
        let plan = plan_of(vec![row("a", &named("a")), with("b", private, &back("b")),
            row("c", &[("shares_data_with", "d")]), row("d", &[])]);
        let model = |i: usize| plan.systems[i].model.is;
        assert!(model(0).is_some() && model(0) != model(1) && model(2) == model(3), "{from}");
        let said = |i: usize| plan.groups[i].why.iter().any(|why| why.en.starts_with("Open condition"));
        assert_eq!((plan.groups.len(), said(0), said(1)), (2, true, false), "{from}");
        assert!(plan.groups[0].why.last().unwrap().cites.contains(&"IAC-5.3-1"));
        let [condition] = plan.conditions.as_slice() else { panic!("{:?}", plan.conditions) };
        assert_eq!((condition.group, condition.systems.join(" ")), (Some(1), "a b".to_string()));
        assert_eq!((plan.summary.conditions, plan.summary.conditional), (1, 2));
        assert!(waves(&plan).iter().all(|wave| *wave > 0), "they have their waves all the same");
        for (system, other) in plan.systems.iter().zip(["b", "a", "d", "c"]) {
            let apart = ["a", "b"].contains(&system.id.as_str());
            let text = why(&system.migration);
            assert_eq!(text.contains("writes the same data as"), apart, "{from} {}: {text}", system.id);
            let before = system.before.iter().any(|why| why.en.contains("where the shared data are kept"));
            assert_eq!(before, apart, "{from} {}", system.id);
            // Each names the other, whoever the inventory has it from.
            let given = system.needs.iter().flat_map(|need| &need.given)
                .find(|given| given.field == "shares_data_with");
            let value = given.and_then(|given| given.value.clone());
            assert_eq!(value, Some(vec![other.to_string()]), "{from} {}", system.id);
        }
    }
    // Who stays keeps its data there.
    let plan = plan_of(vec![row("a", &[]),
        row("s", &[("regulator_bars", "yes"), ("shares_data_with", "a")])]);
    let text = why(&plan.systems[0].migration);
    assert!(text.contains("writes the same data as \"s\"") && text.contains("\"s\" stays"), "{text}");
    let [condition] = plan.conditions.as_slice() else { panic!("{:?}", plan.conditions) };
    assert_eq!((condition.group, condition.systems.join(" ")), (None, "a".to_string()));
    assert!(condition.why.en.contains("\"a\" does not move"), "{}", condition.why.en);
}

fn follows(plan: &Plan, i: usize, clause: &str) -> String {
    let need = plan.systems[i].needs.iter().find(|need| need.clause == clause).unwrap();
    need.follows.iter().map(|reason| format!("{} ", reason.en)).collect()
}

#[test]
fn only_what_nobody_needs_can_move_alone() {
    let plan = plan_of(vec![row("a", &[("depends_on", "b")]), row("b", &[]), row("c", &[]),
        row("s", &[("regulator_bars", "yes")])]);
    let says = |i: usize| follows(&plan, i, "GD-N8");
    assert!(says(1).contains("Others depend on it") && !says(1).contains("alone"), "{}", says(1));
    assert!(says(2).contains("it can move alone"), "{}", says(2));
    assert!(!says(0).contains("alone") && !says(3).contains("alone"), "{} {}", says(0), says(3));
    // Of one system nobody has said what it needs.
    let plan = plan_of(vec![row("a", &[]), without(row("u", &[]), &["depends_on"])]);
    let text = follows(&plan, 0, "GD-N8");
    assert!(text.contains("perhaps on this one") && !text.contains("alone"), "{text}");
}

#[test]
fn being_stable_says_no_more_than_the_wave_allows() {
    let plan = plan_of(vec![with("d", FOURTH, &[("load", "burst")]),
        row("s", &[("regulator_bars", "yes"), ("load", "burst")]),
        row("h", &[("change_rate", "high")])]);
    for clause in ["GD-N3", "GD-N4"] {
        let text = follows(&plan, 0, clause);
        assert!(text.contains("early in") && text.contains("wave") && !text.contains("may move early"), "{text}");
        let text = follows(&plan, 1, clause);
        assert!(!text.contains("wave"), "what stays has no wave: {text}");
    }
    assert!(follows(&plan, 2, "GD-N3").contains("late in its wave"));
}

#[test]
fn a_circle_is_one_group_and_said_so() {
    let plan = plan_of(vec![row("a", &[("depends_on", "b")]), row("b", &[("depends_on", "c")]),
        with("c", FOURTH, &[("depends_on", "a")]), row("x", &[])]);
    assert_eq!(waves(&plan), [4, 4, 4, 2]);
    assert_eq!(plan.groups[0].systems, ["a", "b", "c"]);
    assert!(plan.groups[0].why[0].en.contains("circle"));
    assert!(plan.groups[0].why[0].cites.contains(&"GD-N8"));
    assert_eq!(plan.systems[3].migration.group, None);
}

#[test]
fn what_stays_holds_nobody_up_but_is_told() {
    let plan = plan_of(vec![row("a", &[("depends_on", "s"), ("shares_data_with", "s")]),
        row("s", &[("regulator_bars", "yes")])]);
    assert_eq!(waves(&plan), [2, 0]);
    let text = why(&plan.systems[0].migration);
    assert!(text.contains("\"s\" stays") && text.contains("9.5-B-a"), "{text}");
    assert!(plan.groups.is_empty());
    let before: String = plan.systems[0].before.iter().map(|r| r.en.clone()).collect();
    assert!(before.contains("link to systems elsewhere"), "{before}");
    let outside: Vec<_> = plan.outside.iter().map(|o| o.system.as_str()).collect();
    assert_eq!(outside, ["s"]);
    assert!(plan.undecided.is_empty());
}

#[test]
fn what_is_undecided_holds_up_whatever_needs_it() {
    let plan = plan_of(vec![row("a", &[("depends_on", "u")]),
        without(row("u", &[]), &["regulator_bars"]), without(row("v", &[]), &["depends_on"]),
        row("x", &[])]);
    assert_eq!(waves(&plan), [0, 0, 0, 2]);
    assert_eq!(plan.undecided, ["a", "u", "v"]);
    assert!(why(&plan.systems[0].migration).contains("\"u\" has to be decided first"));
    assert!(why(&plan.systems[1].migration).contains("model is undecided"));
    assert!(why(&plan.systems[2].migration).contains("depends on or shares data with is unknown"));
    let asked: Vec<_> = plan.questions.iter().map(|q| (q.system.as_deref(), q.field)).collect();
    assert_eq!(asked, [(Some("u"), "regulator_bars"), (Some("v"), "depends_on")]);
}

#[test]
fn projects_have_names_environments_and_profiles() {
    let all = ("environments", "production;test;recovery");
    let plan = plan_of(vec![row("a", &[all]), with("b", FOURTH, &[all]),
        with("c", FOURTH, &[("internet", "yes"), ("split", "yes")]),
        row("s", &[all, ("regulator_bars", "yes")]), without(row("u", &[]), &["environments"])]);
    let shown: Vec<String> = plan.projects.iter().map(|project| {
        let value = serde_json::to_value(project).unwrap();
        let word = |name: &str| value[name].as_str().unwrap().to_string();
        [word("name"), word("model"), word("profile"), value["wave"].to_string()].join(" ")
    }).collect();
    assert_eq!(shown, [
        "a.prod community extended 2", "a.test community extended 2", "a.dr community extended 2",
        "b.prod private enhanced 4", "b.test private basic 4", "b.dr private enhanced 4",
        "c.front.prod community extended 4", "c.core.prod private enhanced 4",
    ]);
    assert!(plan.projects.iter().all(|project| project.cites.contains(&"IAC-7.1-1")));
    let asked: Vec<_> = plan.questions.iter().filter(|q| !q.again)
        .map(|q| (q.system.as_deref(), q.field)).collect();
    assert_eq!(asked, [(Some("u"), "environments")]);
}

#[test]
fn the_foundation_follows_the_models_and_the_institution() {
    let texts = |plan: &Plan| -> String { plan.before.iter().map(|r| r.en.as_str()).collect() };
    let shared = texts(&plan_of(vec![row("a", &[])]));
    assert!(shared.contains("Assess first, use later") && !shared.contains("private cloud first"));
    let own = common::read_rows(common::institution(&[("private_cloud", "planned")]),
        vec![with("b", FOURTH, &[])]);
    let own = texts(&jinyun_planner::plan(&own.unwrap()));
    assert!(own.contains("Build the private cloud first") && !own.contains("Assess first"), "{own}");
}

#[test]
fn counts_add_up() {
    let plan = plan_of(vec![row("a", &[]), with("b", FOURTH, &[]),
        row("s", &[("data", "state_secret")]), without(row("u", &[]), &["data"])]);
    let summary = serde_json::to_value(&plan.summary).unwrap();
    let want = serde_json::json!({
        "systems": 4,
        "class": { "2": 3, "4": 1 },
        "model": { "community": 1, "private": 1, "stay": 1, "undecided": 1 },
        "service": { "paas": 3, "stay": 1 },
        "wave": { "2": 1, "4": 1, "stay": 1, "undecided": 1 },
        // The core business is said to be general and at level 1: both are asked again.
        "barred": 1, "questions": 3, "again": 2, "conditions": 0, "conditional": 0, "projects": 2,
    });
    assert_eq!(summary, want);
}
