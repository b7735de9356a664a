//! What a decision costs with a thousand statements of an institution: policy first, then the
//! statements, with the groups and tags of the directory looked up each time, as in production.
//! The aim is less than 20 microseconds.

use jinyun_access::{Access, Clock, Profile, Profiles, Statement};
use jinyun_base::{Fault, Id, Kind, Time};
use jinyun_engine::{Command, Effect, Limiter, Registry, Resource, Via, View};
use jinyun_identity::Directory;
use jinyun_policy::{Actor, ActorKind, Object, Role, Rule, Scope, Who};
use serde_json::{Value, json};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// Statements of the institution.
const STATEMENTS: usize = 1000;
/// Decisions that are measured.
const ROUNDS: u32 = 20_000;

const RULES: &[Rule] =
    &[Rule { action: "bench:thing:delete", allow: &[Who::Project(Role::Member)] }];

fn put(kind: &str, id: String, spec: Value) -> Effect {
    Effect::Put {
        kind: kind.into(),
        id,
        domain: "bank".into(),
        project: String::new(),
        name: String::new(),
        generation: 1,
        spec,
        deleting: false,
    }
}

/// A thousand statements: about this action in as many cases as `about` says, and none refuses.
fn statements(about: usize) -> Vec<Effect> {
    (0..STATEMENTS).map(|n| {
        let action = match n < about {
            true => "bench:thing:delete".to_string(),
            false => format!("service{}:kind{}:verb{n}", n % 7, n % 31),
        };
        // In turn: other people, another tag, and circumstances that are as they have to be.
        let people = [format!("group-{n}"), format!("other-{n}"), format!("last-{n}")];
        let (who, resources, effect, conditions) = match n % 3 {
            0 => (json!({ "groups": people }), json!([]), "deny", json!({})),
            1 => (json!({ "everybody": true }),
                json!([{ "project_tag": format!("unit:{n}") }, { "project_tag": "environment:test" }]),
                "deny", json!({})),
            _ => (json!({ "everybody": true }), json!([{ "project_tag": "environment:production" }]),
                "allow_only", json!({ "source": ["192.0.2.0/24", "10.0.0.0/8"],
                    "second_factor": true, "age": 3600,
                    "hours": { "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
                        "from": 0, "to": 0 } })),
        };
        put(Statement::KIND.0, format!("statement-{n}"), json!({
            "name": format!("statement {n}"), "domain": "bank", "effect": effect, "who": who,
            "actions": [action, format!("network:kind{n}:*")],
            "resources": resources, "conditions": conditions,
        }))
    }).collect()
}

fn people() -> Directory {
    let directory = Directory::default();
    let mut effects = vec![put("project", "p".into(), json!({ "name": "p", "enabled": true,
        "domain": "bank", "tags": ["environment:production", "unit:none"] }))];
    effects.extend((0..10).map(|n| {
        put("membership", format!("m{n}"), json!({ "group": format!("mine-{n}"), "user": "ann" }))
    }));
    directory.apply(&effects);
    directory
}

fn measure(name: &str, registry: &Registry, access: &Access, about: usize) {
    access.apply(&statements(about));
    let actor = Actor {
        kind: ActorKind::User,
        id: "ann".into(),
        domain: "bank".into(),
        scope: Scope::Project { project: "p".into(), domain: "bank".into() },
        role: Some(Role::Member),
        duty: None,
    };
    let now = Time(1_770_000_000 * Time::SECOND);
    let mut asked = Command::new("bench:thing:delete", actor, "req-0123456789abcdef");
    asked.source = Some("10.1.2.3".into());
    asked.via = Via {
        methods: vec!["password".into(), "totp".into()],
        issued: Some(now),
        delegated: false,
    };
    let object = Object {
        what: Some((Kind("thing"), "x".into())),
        domain: Some("bank".into()),
        project: Some("p".into()),
        ..Object::default()
    };
    let decide = || {
        let permit = registry.policy.decide(&asked.actor, &asked.action, &object);
        permit.is_ok() && access.limit(&asked, &object, Some(now)).is_ok()
    };
    assert!(decide(), "the decision that is measured must look at every statement");
    let started = Instant::now();
    for _ in 0..ROUNDS {
        black_box(decide());
    }
    let each = started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    println!("{STATEMENTS} statements, {about:>4} about the action ({name}): {each:>6.2} us a decision");
}

/// Prints the figures.
pub fn run() {
    let mut registry = Registry::default();
    jinyun_access::register(&mut registry);
    registry.rules(RULES);
    let clock: Clock = Arc::new(|| Time(0));
    let basic = |_: &mut View<'_>, _: &Id| -> Result<(Profile, Vec<String>), Fault> {
        Ok((Profile::Basic, Vec::new()))
    };
    let profiles: Profiles = Arc::new(basic);
    let access = jinyun_access::install(&mut registry, Arc::new(people()), clock, profiles);
    for (name, about) in [("as usual", 10), ("at worst", STATEMENTS)] {
        measure(name, &registry, &access, about);
    }
}
