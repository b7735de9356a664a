//! Statements: what they narrow, who writes them, and that nobody is locked out by one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{HERE, World};
use jinyun_access::Statement;
use jinyun_base::Id;
use jinyun_engine::{Failure, Query, Via, replay};
use jinyun_network::Network;
use jinyun_policy::Actor;
use jinyun_store::Writer;
use serde_json::{Value, json};

/// Something that is tried: by whom, which verb on a network, and what differs from usual.
struct Try {
    who: &'static str,
    verb: &'static str,
    methods: &'static [&'static str],
    source: Option<&'static str>,
    old: i64,
}

fn by(who: &'static str, verb: &'static str) -> Try {
    Try { who, verb, methods: &["password"], source: Some(HERE), old: 0 }
}

const TWO: &[&str] = &["password", "totp"];

impl World {
    /// The word that came of it: of a list, whether the network is in it.
    fn attempt(&self, try_: &Try, network: &Id) -> &'static str {
        let mut command = self.command(try_.who, &format!("network:network:{}", try_.verb));
        command.source = try_.source.map(String::from);
        let issued = Some(self.now().plus_seconds(-try_.old));
        let methods = try_.methods.iter().map(ToString::to_string).collect();
        command.via = Via { methods, issued, delegated: false };
        let word = |failure: Failure| match failure {
            Failure::Refused(refusal) => refusal.code(),
            Failure::Fault(fault) => panic!("{fault}"),
        };
        match try_.verb {
            "show" => {
                let shown = self.cloud.reader.show::<Network>(&command.on(network.clone()));
                shown.map_or_else(word, |_| "ok")
            }
            "list" => {
                let all = Query { name: Some("net".into()), ..Query::default() };
                let seen = self.cloud.reader.list::<Network>(&command, &all).unwrap();
                if seen.iter().any(|n| n.id == *network) { "ok" } else { "forbidden" }
            }
            "create" => self.code(command.with(json!({ "name": "other" }))),
            _ => {
                let mtu = 1000 + self.now().0 % 400;
                self.code(command.on(network.clone()).with(json!({ "mtu": mtu })))
            }
        }
    }
}

#[test]
fn statements_narrow_commands_reads_and_lists() {
    let w = World::new();
    let (p, q) = (w.network("ann@p", "net"), w.network("ann@q", "net"));
    let ops = w.group("ops", &["bob"]);
    let of = |effect: &str, more: Value| {
        let mut body = json!({ "effect": effect, "who": { "everybody": true },
            "actions": ["network:network:*"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let deny = |more: Value| of("deny", more);
    let only = |conditions: Value| of("allow_only", json!({ "conditions": conditions }));
    let old = |seconds: i64| Try { old: seconds, ..by("ann@p", "update") };
    let from = |source: Option<&'static str>| Try { source, ..by("ann@p", "update") };
    let with = |methods: &'static [&'static str]| Try { methods, ..by("ann@p", "update") };
    let at_ten = json!({ "days": ["mon"], "from": "09:00", "to": "11:00" });
    let at_night = json!({ "days": ["sun"], "from": "22:00", "to": "06:00" });
    // The statement, and what may be done in p and is refused under it.
    let cases: Vec<(&str, Value, Vec<(Try, bool)>)> = vec![
        ("everything denied", deny(json!({})), vec![
            (by("ann@p", "update"), false), (by("ann@p", "create"), false),
            (by("ann@p", "show"), false), (by("ann@p", "list"), false),
            (by("rex@p", "show"), false), (by("bob@p", "update"), false)]),
        ("one verb", deny(json!({ "actions": ["network:network:update"] })), vec![
            (by("ann@p", "update"), false), (by("ann@p", "create"), true),
            (by("ann@p", "show"), true)]),
        // What may not be looked at by itself is not in a list.
        ("shows", deny(json!({ "actions": ["network:*:show"] })), vec![
            (by("ann@p", "show"), false), (by("ann@p", "list"), false),
            (by("ann@p", "update"), true)]),
        ("lists", deny(json!({ "actions": ["network:network:list"] })), vec![
            (by("ann@p", "list"), false), (by("ann@p", "show"), true)]),
        ("a user", deny(json!({ "who": { "users": [w.user("ann")] } })), vec![
            (by("ann@p", "update"), false), (by("bob@p", "update"), true)]),
        ("a group", deny(json!({ "who": { "groups": [ops] } })), vec![
            (by("ann@p", "update"), true), (by("bob@p", "update"), false)]),
        ("exactly a role", deny(json!({ "who": { "roles": ["member"] } })), vec![
            (by("ann@p", "show"), false), (by("bob@p", "show"), true), (by("rex@p", "show"), true)]),
        ("all but a group", deny(json!({ "except": { "groups": [ops] } })), vec![
            (by("ann@p", "update"), false), (by("bob@p", "update"), true)]),
        ("this project", deny(json!({ "resources": [{ "project_id": w.project("p") }] })), vec![
            (by("ann@p", "update"), false), (by("ann@p", "create"), false)]),
        ("another project", deny(json!({ "resources": [{ "project_id": w.project("q") }] })), vec![
            (by("ann@p", "update"), true), (by("ann@p", "create"), true)]),
        ("production", deny(json!({ "resources": [{ "project_tag": "environment:production" }] })),
            vec![(by("ann@p", "update"), false), (by("ann@p", "create"), false)]),
        ("a tag has its case", deny(json!({ "resources": [{ "project_tag": "Environment:test" }] })),
            vec![(by("ann@p", "update"), true)]),
        ("this network", deny(json!({ "resources": [{ "kind": "network", "id": p }] })), vec![
            (by("ann@p", "update"), false), (by("ann@p", "show"), false), (by("ann@p", "list"), false),
            (by("ann@p", "create"), true)]),
        ("a port of the same id", deny(json!({ "resources": [{ "kind": "port", "id": p }] })), vec![
            (by("ann@p", "update"), true)]),
        ("another network", deny(json!({ "resources": [{ "kind": "network", "id": q }] })), vec![
            (by("ann@p", "update"), true)]),
        ("not from there", deny(json!({ "conditions": { "source": ["192.0.2.0/24"] } })), vec![
            (from(Some(HERE)), true), (from(Some("192.0.2.9")), false),
            (from(Some("::ffff:192.0.2.9")), false), (from(None), false),
            (Try { source: Some("192.0.2.9"), ..by("ann@p", "list") }, false)]),
        ("not now", deny(json!({ "conditions": { "hours": at_ten } })), vec![
            (by("ann@p", "update"), false), (by("ann@p", "show"), false)]),
        ("not at night", deny(json!({ "conditions": { "hours": at_night } })), vec![
            (by("ann@p", "update"), true)]),
        ("from here only", only(json!({ "source": ["::ffff:10.9.0.0/112", "2001:db8::/32"] })), vec![
            (from(Some(HERE)), true), (from(Some("::ffff:10.9.1.1")), true),
            (from(Some("10.8.0.1")), false), (from(Some("nonsense")), false), (from(None), false)]),
        ("in the hours only", only(json!({ "hours": at_ten })), vec![
            (by("ann@p", "update"), true), (by("ann@p", "list"), true)]),
        ("at night only", only(json!({ "hours": at_night })), vec![
            (by("ann@p", "update"), false), (by("ann@p", "list"), false)]),
        ("with two factors only", only(json!({ "second_factor": true })), vec![
            (with(&["password"]), false), (with(TWO), true), (with(&[]), false),
            (with(&["application_credential"]), false),
            (Try { methods: TWO, ..by("ann@p", "list") }, true), (by("ann@p", "list"), false)]),
        ("freshly only", only(json!({ "age": 600 })), vec![
            (old(0), true), (old(590), true), (old(610), false)]),
        ("all of it", only(json!({ "second_factor": true, "source": ["10.0.0.0/8"] })), vec![
            (with(TWO), true), (with(&["password"]), false),
            (Try { source: Some("192.0.2.1"), ..with(TWO) }, false)]),
    ];
    for (what, body, tries) in cases {
        let statement = w.state(body).unwrap_or_else(|r| panic!("{what}: {r}"));
        for (n, (try_, may)) in tries.iter().enumerate() {
            let want = if *may { "ok" } else { "forbidden" };
            assert_eq!(w.attempt(try_, &p), want, "{what}: {n}");
        }
        // It is about the bank's people and roles alone, and never about what is not allowed anyway.
        assert_eq!(w.attempt(&by("rex@p", "update"), &p), "forbidden", "{what}");
        assert_eq!(w.attempt(&by("eve@f", "update"), &p), "not_found", "{what}");
        w.unstate(&statement);
        assert_eq!(w.attempt(&by("ann@p", "update"), &p), "ok", "{what}: it is gone");
    }
}

#[test]
fn a_refusal_names_the_statement_to_the_institutions_own_people_and_stands_in_the_journal() {
    let w = World::new();
    let net = w.network("ann@p", "net");
    let id = w.state(json!({ "name": "Hands off", "effect": "deny", "who": { "everybody": true },
        "actions": ["network:network:update"] })).unwrap();
    let update = |actor: Actor| {
        let mut command = w.command("ann@p", "network:network:update").on(net.clone());
        command.actor = actor;
        command.with(json!({ "mtu": 1400 }))
    };
    let own = w.run(update(w.who("ann@p"))).unwrap_err().message;
    assert!(own.contains(id.as_str()) && own.contains("Hands off"), "{own}");
    let entry = w.last();
    assert_eq!((entry.outcome.as_str(), entry.institution.id.as_str()), ("refused", "bank"));
    assert_eq!(entry.reason.unwrap().message, own);
    // Whoever got the bank's role from somebody is bound by the bank's statements, and told nothing.
    let mut passed_on = w.who("ann@p");
    (passed_on.id, passed_on.domain) = (w.user("eve"), "fund".into());
    let theirs = w.run(update(passed_on)).unwrap_err();
    assert_eq!(theirs.code(), "forbidden");
    assert!(!theirs.message.contains("Hands off") && !theirs.message.contains(id.as_str()));
    // The platform is not bound: it carries out what was decided before.
    let port = w.id(w.command("ann@p", "network:port:create").with(json!({ "network": net })));
    w.state(json!({ "effect": "deny", "who": { "everybody": true }, "name": "ports",
        "actions": ["network:port:update"] })).unwrap();
    let rename = |actor: Actor| {
        let mut command = w.command("ann@p", "network:port:update").on(port.clone());
        command.actor = actor;
        command.with(json!({ "name": "new" }))
    };
    assert_eq!(w.code(rename(w.who("ann@p"))), "forbidden");
    assert_eq!(w.code(rename(Actor::system("network"))), "ok");
    // Signing in and out come before anything could be narrowed.
    let guardrails = || w.http("ann@p", "GET", "/v1/guardrails", Value::Null);
    assert_eq!(guardrails().0, 200);
    w.state(json!({ "effect": "deny", "who": { "users": [w.user("ann")] }, "name": "nothing at all",
        "actions": ["*:*:*"] })).unwrap();
    assert!(guardrails().1.to_string().contains("forbidden"));
    let args = json!({ "audit": "a", "expires": 1 });
    assert_eq!(w.code(w.command("ann@p", "identity:token:revoke").with(args)), "ok");
}

#[test]
fn statements_are_the_managers_own_and_say_something() {
    let w = World::new();
    let good = json!({ "name": "one", "effect": "deny", "who": { "everybody": true },
        "actions": ["network:network:delete"] });
    let id = w.state(good.clone()).unwrap();
    // By whom: what came of creating, reading and removing.
    for (who, writes, reads) in [("ray@bank", "forbidden", true), ("bob@p", "not_found", false),
        ("sec@system", "forbidden", false), ("aud@system", "forbidden", true),
        ("eve@fund", "not_found", false)] {
        let one = format!("/v1/statements/{id}");
        let told = w.http(who, "DELETE", &one, Value::Null).1.to_string();
        assert!(told.contains(writes), "{who}: {told}");
        assert_eq!(w.http(who, "GET", &one, Value::Null).0 == 200, reads, "{who}");
        let listed = w.http(who, "GET", "/v1/statements?domain_id=bank", Value::Null).1;
        assert_eq!(listed["statements"].as_array().is_some_and(|l| l.len() == 1), reads, "{who}");
        let made = w.http(who, "POST", "/v1/statements", json!({ "statement": good })).0;
        assert_eq!(made == 201, who == "eve@fund", "{who}");
    }
    // Words of another institution in a command of one's own.
    let mut args = good.clone();
    args["domain"] = json!("bank");
    let mut forged = w.command("eve@fund", "access:statement:create").with(args.clone());
    assert_eq!(w.code(forged.clone()), "forbidden");
    forged.domain = Some("bank".into());
    assert_eq!(w.code(forged), "forbidden");
    // An id of somebody's choice is not taken; a name is, whatever its case.
    args["name"] = json!("two");
    args["id"] = json!(id);
    let made = w.id(w.command("may@bank", "access:statement:create").with(args));
    assert_ne!(made, id);
    let bad = [
        (json!({ "name": "ONE" }), "taken"),
        (json!({ "name": " " }), "name"),
        (json!({ "effect": "allow" }), "effect"),
        (json!({ "who": {} }), "who"),
        (json!({ "who": { "everybody": true, "users": [w.user("ann")] } }), "who"),
        (json!({ "who": { "users": [w.user("eve")] } }), "not_found"),
        (json!({ "who": { "groups": ["nobody"] } }), "not_found"),
        (json!({ "who": { "roles": ["admin"] } }), "roles"),
        (json!({ "who": { "colour": "red" } }), "who"),
        (json!({ "except": { "everybody": true } }), "except"),
        (json!({ "actions": [] }), "actions"),
        (json!({ "actions": ["network:network"] }), "actions"),
        (json!({ "actions": ["network:netwrok:delete"] }), "actions"),
        (json!({ "actions": ["identity:token:create"] }), "actions"),
        (json!({ "actions": ["network:port:bind"] }), "actions"),
        (json!({ "resources": [{ "project_id": w.project("f") }] }), "not_found"),
        (json!({ "resources": [{ "kind": "spaceship", "id": "x" }] }), "resources"),
        (json!({ "resources": [{ "kind": "network" }] }), "resources"),
        (json!({ "effect": "allow_only" }), "conditions"),
        (json!({ "conditions": { "second_factor": true } }), "conditions"),
        (json!({ "conditions": { "age": 600 } }), "conditions"),
        (json!({ "conditions": { "age": 5 } }), "age"),
        (json!({ "conditions": { "source": ["10.0.0.0/99"] } }), "source"),
        (json!({ "conditions": { "source": [] } }), "source"),
        (json!({ "conditions": { "moon": "full" } }), "moon"),
        (json!({ "conditions": { "hours": { "days": [], "from": "09:00", "to": "10:00" } } }), "days"),
        (json!({ "conditions": { "hours": { "days": ["mon"], "from": "9", "to": "10:00" } } }), "from"),
        (json!({ "domain_id": "fund" }), "domain_id"),
    ];
    for (differs, why) in bad {
        let mut body = good.clone();
        body["name"] = json!("three");
        body.as_object_mut().unwrap().extend(differs.as_object().unwrap().clone());
        let refusal = w.state(body).expect_err(&differs.to_string());
        assert!(refusal.contains(why), "{differs}: {refusal}");
    }
    // A change is judged like a creation.
    let one = format!("/v1/statements/{id}");
    let change = |members: Value| {
        w.http("may@bank", "PATCH", &one, json!({ "statement": members }))
    };
    assert!(change(json!({ "effect": "allow_only" })).1.to_string().contains("conditions"));
    assert!(change(json!({ "name": "Two" })).1.to_string().contains("taken"));
    let (status, told) = change(json!({ "effect": "allow_only", "conditions": { "age": 60 } }));
    assert_eq!((status, &told["statement"]["conditions"]["age"]), (200, &json!(60)), "{told}");
}

#[test]
fn the_last_manager_is_not_locked_out() {
    let w = World::new();
    let (may, moe) = (w.user("may"), w.user("moe"));
    let both = w.group("managers", &["may", "moe"]);
    let deny = |who: Value, actions: Value| json!({ "effect": "deny", "who": who,
        "actions": actions });
    let all = || json!({ "everybody": true });
    let only = |conditions: Value| json!({ "effect": "allow_only", "who": { "everybody": true },
        "actions": ["*:*:*"], "conditions": conditions });
    let week = json!(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]);
    let hours = |from: &str, to: &str| json!({ "hours": { "days": week, "from": from, "to": to } });
    let with = |mut body: Value, member: &str, value: Value| {
        body[member] = value;
        body
    };
    let cases = [
        ("everything", deny(all(), json!(["*:*:*"])), false),
        ("statements", deny(all(), json!(["access:statement:delete"])), false),
        ("people", deny(all(), json!(["identity:*:*"])), false),
        ("one thing about people", deny(all(), json!(["identity:assignment:create"])), false),
        ("other things", deny(all(), json!(["network:*:*", "access:usage:list"])), true),
        ("all managers", deny(json!({ "roles": ["manager"] }), json!(["identity:*:*"])), false),
        ("one of two", deny(json!({ "users": [may] }), json!(["*:*:*"])), true),
        ("both", deny(json!({ "users": [may, moe] }), json!(["*:*:*"])), false),
        ("their group", deny(json!({ "groups": [both] }), json!(["identity:user:*"])), false),
        ("all but one", with(deny(all(), json!(["*:*:*"])), "except", json!({ "users": [moe] })), true),
        ("one project", with(deny(all(), json!(["*:*:*"])), "resources",
            json!([{ "project_id": w.project("p") }])), true),
        ("from elsewhere", with(deny(all(), json!(["*:*:*"])), "conditions",
            json!({ "source": ["192.0.2.0/24"] })), true),
        ("from here", with(deny(all(), json!(["*:*:*"])), "conditions",
            json!({ "source": ["10.0.0.0/8"] })), false),
        ("two factors", only(json!({ "second_factor": true })), true),
        ("freshly", only(json!({ "age": 60 })), true),
        ("only from here", only(json!({ "source": ["10.0.0.0/8"] })), true),
        ("only from elsewhere", only(json!({ "source": ["192.0.2.0/24"] })), false),
        ("some hours", only(hours("09:00", "17:00")), true),
        ("never in the week", with(deny(all(), json!(["*:*:*"])), "conditions",
            hours("00:00", "00:00")), false),
    ];
    for (what, body, may) in cases {
        match w.state(body) {
            Ok(id) => {
                assert!(may, "{what}");
                w.unstate(&id);
            }
            Err(refusal) => assert!(!may && refusal.contains("conflict"), "{what}: {refusal}"),
        }
    }
    // Two statements that are each bearable and leave no hour together.
    let day = w.state(with(only(hours("09:00", "17:00")), "name", json!("day"))).unwrap();
    let night = with(only(hours("17:00", "09:00")), "name", json!("night"));
    assert!(w.state(night.clone()).unwrap_err().contains("conflict"));
    // A change of one is judged as well.
    w.unstate(&day);
    let id = w.state(night).unwrap();
    w.wait(8 * 3600);
    let path = format!("/v1/statements/{id}");
    let change = json!({ "statement": { "effect": "deny", "conditions": {} } });
    assert!(w.http("may@bank", "PATCH", &path, change).1.to_string().contains("conflict"));
    w.unstate(&id);
    // One that guards itself would stay for ever.
    let id = w.state(deny(all(), json!(["network:*:delete"]))).unwrap();
    let path = format!("/v1/statements/{id}");
    let change = json!({ "statement": { "actions": ["access:statement:*"],
        "resources": [{ "kind": "statement", "id": id }] } });
    assert!(w.http("may@bank", "PATCH", &path, change).1.to_string().contains("conflict"));
    w.unstate(&id);
    // Nor by taking away the manager who is free: by its account, its role, or a group.
    let free = with(deny(all(), json!(["identity:*:*"])), "except", json!({ "users": [moe] }));
    let id = w.state(free).unwrap();
    let manager = |action: &str| w.command("moe@bank", action);
    let role = json!({ "user": moe, "role": "manager", "scope": w.scope("bank") });
    let ways = [
        manager("identity:user:update").on(moe.clone()).with(json!({ "enabled": false })),
        manager("identity:user:delete").on(moe.clone()),
        manager("identity:assignment:delete").with(role),
    ];
    for command in ways {
        let what = command.action.clone();
        let refusal = w.run(command).expect_err(&what);
        assert!(refusal.message.contains("statements"), "{what}: {refusal}");
    }
    w.unstate(&id);
    let late = w.group("late", &[]);
    let id = w.state(deny(json!({ "groups": [late], "users": [may] }), json!(["*:*:*"]))).unwrap();
    let join = w.command("moe@bank", "identity:membership:create")
        .with(json!({ "group": late, "user": moe }));
    assert_eq!(w.code(join), "conflict");
    let (status, _) = w.http("moe@bank", "DELETE", &format!("/v1/statements/{id}"), Value::Null);
    assert_eq!(status, 204);
}

#[test]
fn what_was_asked_with_a_fresh_token_may_be_approved_later() {
    let w = World::new();
    let rule = json!({ "name": "two of us", "domain": "bank", "project": "", "deadline": 86_400,
        "action": "network:network:delete",
        "stages": [{ "who": { "role": { "role": "manager", "within": "project" } }, "count": 1 }] });
    w.id(w.command("may@bank", "approval:approval_rule:create").with(rule));
    let only = w.state(json!({ "effect": "allow_only", "who": { "everybody": true },
        "actions": ["network:network:delete"],
        "conditions": { "age": 600, "second_factor": true, "source": ["10.0.0.0/8"] } })).unwrap();
    let ask = |methods: &[&str]| {
        let net = w.network("ann@p", "net");
        let mut command = w.command("ann@p", "network:network:delete").on(net);
        command.via = w.via(methods);
        command
    };
    // What a statement refuses asks nobody.
    assert_eq!(w.code(ask(&["password"])), "forbidden");
    let vote = |request: &str| {
        let vote = w.command("bob@p", "approval:approval:vote").on(request);
        assert_eq!(w.code(vote.with(json!({ "approve": true, "comment": "" }))), "ok");
        w.entries().iter().rev().find(|e| e.approval.as_deref() == Some(request)).unwrap().clone()
    };
    let waits = |command| match w.run(command).unwrap_err().why {
        jinyun_base::Refused::NeedsApproval(id) => id,
        why => panic!("{why:?}"),
    };
    let request = waits(ask(TWO));
    w.wait(7200);
    assert_eq!(vote(&request).outcome, "done");
    // What has come to be denied meanwhile is refused when it would run.
    let request = waits(ask(TWO));
    w.unstate(&only);
    w.state(json!({ "effect": "deny", "who": { "everybody": true },
        "actions": ["network:network:delete"] })).unwrap();
    assert_eq!(vote(&request).outcome, "refused");
}

#[test]
fn statements_survive_a_restart_and_their_institution() {
    let w = World::new();
    let net = w.network("ann@p", "net");
    w.state(json!({ "effect": "deny", "who": { "everybody": true },
        "actions": ["network:network:update"] })).unwrap();
    // Read again from the store instead of having heard of it.
    w.cloud.reader.view(|view| w.access.load(view)).unwrap();
    assert_eq!(w.attempt(&by("ann@p", "update"), &net), "forbidden");
    // The journal makes the same rows.
    let mut db = jinyun_store::Db::open(&w.config).unwrap();
    let entries = db.entries(0, u64::MAX >> 1).unwrap();
    let dir = jinyun_testdb::Dir::new("access-replay");
    let empty = jinyun_store::Config::Sqlite { path: dir.join("r.db"), durable: false };
    let mut copy = Writer::open(&empty, "replay").unwrap();
    replay(entries.into_iter(), &w.registry, &mut copy).unwrap();
    let rows = |db: &mut jinyun_store::Db| db.list(jinyun_base::Kind("statement"), &Query::default())
        .unwrap().into_iter().map(|s| s.row).collect::<Vec<_>>();
    assert_eq!(rows(&mut copy.db), rows(&mut db));
    assert_eq!(rows(&mut db).len(), 1);
    let all = w.cloud.reader.view(|v| v.list::<Statement>(&Query::default())).unwrap();
    assert_eq!(all[0].domain, Id::new("bank"));
}
