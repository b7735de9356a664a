//! `jinyun policy`: who may do what, as one table.
//!
//! The rules are Rust data in each service; a reviewer wants them in one place and wants to see what
//! changed. So the table is made by asking the policy itself, once for each persona and action, and
//! its text is kept in `docs/authorization.md`: a change of a rule is a change of that file. A program
//! gets the same cells as words.

use crate::show::{self, Output};
use jinyun_base::{Fault, Id, Kind};
use jinyun_engine::Registry;
use jinyun_policy::{Actor, ActorKind, Duty, Object, Role, Scope};
use serde_json::{Map, Value, json};

/// Everybody who may ask, in the order of the columns.
fn personas() -> Vec<(&'static str, Actor)> {
    let actor = |scope, role, duty| Actor {
        kind: ActorKind::User,
        id: "u".into(),
        domain: "d".into(),
        scope,
        role,
        duty,
    };
    let project = |role| {
        let scope = Scope::Project { project: "p".into(), domain: "d".into() };
        actor(scope, Some(role), None)
    };
    let domain = |role| actor(Scope::Domain("d".into()), Some(role), None);
    let duty = |duty| actor(Scope::System, None, Some(duty));
    vec![
        ("nobody", Actor::nobody("192.0.2.1")),
        ("user", actor(Scope::None, None, None)),
        ("reader", project(Role::Reader)),
        ("member", project(Role::Member)),
        ("manager", project(Role::Manager)),
        ("domain reader", domain(Role::Reader)),
        ("domain manager", domain(Role::Manager)),
        ("system admin", duty(Duty::SystemAdmin)),
        ("security admin", duty(Duty::SecurityAdmin)),
        ("audit admin", duty(Duty::AuditAdmin)),
        ("platform", Actor::system("driver")),
    ]
}

/// A thing of the persona's project and domain, or of another's.
fn object(own: bool, owner: bool) -> Object {
    let id = |ours: &str, theirs: &str| Some(Id::new(if own { ours } else { theirs }));
    Object {
        what: Some((Kind("thing"), "t".into())),
        domain: id("d", "other-d"),
        project: id("p", "other-p"),
        owner: owner.then(|| "u".into()),
        ..Object::default()
    }
}

/// What stands above the table.
const HEAD: &str = "# Who may do what

Made by `jinyun policy`, from the rules themselves. `x`: on things of one's own project or
institution (of the platform, for the duties). `o`: only on what belongs to oneself. `f`: also on
others' things. `c`: only under the tenant's consent. Whatever is empty is refused, and the refusal
is in the journal. A service may narrow this further; it never widens it.

| action |";

/// What a letter of the table is called for a program.
const WORDS: [(&str, &str); 4] =
    [("x", "scope"), ("o", "own"), ("f", "others"), ("c", "with_consent")];

/// What somebody may do, as a letter of the table.
fn cell(registry: &Registry, actor: &Actor, action: &str) -> &'static str {
    let may = |object: &Object| registry.policy.decide(actor, action, object).is_ok();
    let user = actor.kind == ActorKind::User && actor.duty.is_none();
    match (may(&object(true, false)), may(&object(true, true))) {
        (true, _) if user && may(&object(false, false)) => "f",
        (true, _) => "x",
        (false, true) => "o",
        (false, false) if registry.policy.wants_consent(actor, action) => "c",
        (false, false) => "",
    }
}

/// The table, in Markdown.
pub fn table(registry: &Registry) -> String {
    let personas = personas();
    let mut text = String::from(HEAD);
    personas.iter().for_each(|(name, _)| text.push_str(&format!(" {name} |")));
    text.push_str("\n|---|");
    personas.iter().for_each(|_| text.push_str("---|"));
    text.push('\n');
    for (action, _) in registry.policy.actions() {
        text.push_str(&format!("| `{action}` |"));
        for (_, actor) in &personas {
            text.push_str(&format!(" {} |", cell(registry, actor, action)));
        }
        text.push('\n');
    }
    text
}

/// The same for a program: each action with whoever may, in words. Whoever is not named may not.
fn value(registry: &Registry) -> Value {
    let personas = personas();
    let rows = registry.policy.actions().into_iter().map(|(action, _)| {
        let may: Map<String, Value> = personas.iter().filter_map(|(name, actor)| {
            let letter = cell(registry, actor, action);
            let (_, word) = WORDS.iter().find(|(known, _)| *known == letter)?;
            Some((name.replace(' ', "_"), json!(word)))
        }).collect();
        json!({ "action": action, "may": may })
    });
    rows.collect()
}

/// Prints it.
pub fn run(registry: &Registry, output: Output) -> Result<(), Fault> {
    show::print(output, &value(registry), || table(registry).trim_end().into());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_table_is_the_rules() {
        let kept = include_str!("../../docs/authorization.md");
        let now = table(&crate::control::registry());
        let changed: Vec<_> = now.lines().filter(|l| !kept.contains(l)).collect();
        let gone: Vec<_> = kept.lines().filter(|l| !now.contains(l)).collect();
        let say = "rules changed; review and run `jinyun policy >docs/authorization.md`";
        assert!(changed.is_empty() && gone.is_empty(), "{say}\nnow: {changed:#?}\nwere: {gone:#?}");
    }

    #[test]
    fn a_program_gets_the_same_cells_as_words() {
        let registry = crate::control::registry();
        let (value, table) = (value(&registry), table(&registry));
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
        let actions = value.as_array().unwrap();
        assert_eq!(actions.len(), rows.len());
        let people = personas();
        for (one, row) in actions.iter().zip(rows) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert_eq!(cells[1], format!("`{}`", one["action"].as_str().unwrap()));
            for ((name, _), letter) in people.iter().zip(&cells[2..]) {
                let word = WORDS.iter().find(|(known, _)| known == letter).map(|(_, word)| *word);
                let told = one["may"].get(name.replace(' ', "_")).and_then(Value::as_str);
                assert_eq!(told, word, "{name} in {row}");
            }
        }
        let all = |name: &str| actions.iter().filter(|one| one["may"].get(name).is_some()).count();
        assert!(all("security_admin") > 50 && all("nobody") < all("member"));
    }

    #[test]
    fn each_operation_has_a_rule() {
        let registry = crate::control::registry();
        let ruled: Vec<_> = registry.policy.actions().into_iter().map(|(action, _)| action).collect();
        let without: Vec<_> =
            registry.action_names().into_iter().filter(|action| !ruled.contains(action)).collect();
        assert!(without.is_empty(), "actions that nobody may do, by mistake? {without:?}");
    }
}
