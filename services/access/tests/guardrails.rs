//! Guardrails: what they refuse in which profile, by every way to it, and what they leave alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::World;
use jinyun_access::{Profile, guardrails, violations};
use jinyun_base::Id;
use jinyun_policy::Actor;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl World {
    fn profile(&self, project: &str, profile: Profile, excepted: &[&str]) {
        let excepted = excepted.iter().map(ToString::to_string).collect();
        self.set.lock().unwrap().insert(self.project(project), (profile, excepted));
    }

    /// `ok`, or the name of the guardrail that refused, or the refusal's word.
    fn judged(&self, command: jinyun_engine::Command) -> String {
        match self.run(command) {
            Ok(_) => "ok".into(),
            Err(refusal) => match refusal.message.strip_prefix("Guardrail ") {
                Some(rest) => rest.split(' ').next().unwrap().into(),
                None => refusal.code().into(),
            },
        }
    }

    fn rule(&self, group: &Id, more: Value) -> jinyun_engine::Command {
        let mut args = json!({ "group": group, "direction": "ingress", "ethertype": "IPv4" });
        args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.command("ann@p", "network:security_group_rule:create").with(args)
    }

    /// What `violations` finds in p: guardrail and kind.
    fn broken(&self, profile: Profile, excepted: &[&str]) -> BTreeSet<(String, String)> {
        let excepted: Vec<String> = excepted.iter().map(ToString::to_string).collect();
        let project = self.project("p");
        let found = self.cloud.reader.view(|view| violations(view, &project, profile, &excepted));
        found.unwrap().into_iter().map(|v| (v.guardrail.into(), v.kind.into())).collect()
    }
}

const PROFILES: [Profile; 3] = [Profile::Basic, Profile::Extended, Profile::Enhanced];

#[test]
fn rules_to_the_world_are_refused_as_the_profile_asks() {
    let w = World::new();
    let group = w.id(w.command("ann@p", "network:security_group:create")
        .with(json!({ "name": "web" })));
    let (login, base, all) =
        ("login_from_anywhere", "database_from_anywhere", "all_ports_from_anywhere");
    let tcp = |port: u16| json!({ "protocol": "tcp", "port_min": port, "port_max": port });
    let from = |mut rule: Value, net: &str| {
        rule["remote_cidr"] = json!(net);
        rule
    };
    let cases = [
        // What the openstack client makes for `--protocol tcp --dst-port 22`.
        ("ssh", from(tcp(22), "0.0.0.0/0"), ["ok", login, login]),
        ("ssh, no range", tcp(22), ["ok", login, login]),
        ("ssh to an office", from(tcp(22), "203.0.113.0/24"), ["ok", "ok", "ok"]),
        ("ssh to half of the world", from(tcp(22), "0.0.0.0/1"), ["ok", login, login]),
        ("a database", from(tcp(5432), "0.0.0.0/0"), ["ok", base, base]),
        ("https", from(tcp(443), "0.0.0.0/0"), ["ok", "ok", "ok"]),
        ("many ports", json!({ "protocol": "tcp", "port_min": 30000, "port_max": 32000 }),
            ["ok", "ok", all]),
        ("ping", json!({ "protocol": "icmp" }), ["ok", "ok", "ok"]),
        ("members", json!({ "remote_group": group }), ["ok", "ok", "ok"]),
        ("out", json!({ "direction": "egress", "protocol": "tcp" }), ["ok", "ok", "ok"]),
        ("administration", from(tcp(6443), "0.0.0.0/0"),
            ["ok", "admin_port_from_anywhere", "admin_port_from_anywhere"]),
    ];
    for (what, rule, want) in cases {
        for (profile, want) in PROFILES.into_iter().zip(want) {
            w.profile("p", profile, &[]);
            let answer = w.run(w.rule(&group, rule.clone()));
            if let Ok(answer) = &answer {
                let id = answer.row.as_ref().unwrap().id.clone();
                w.run(w.command("ann@p", "network:security_group_rule:delete").on(id)).unwrap();
            }
            let got = match &answer {
                Ok(_) => "ok",
                Err(refusal) => refusal.message.split(' ').nth(1).unwrap(),
            };
            assert_eq!(got, want, "{what} {profile:?}");
        }
    }
    // It is on record, with the clauses and what to do instead.
    let entry = w.run(w.rule(&group, tcp(3389))).map(drop).unwrap_err();
    let last = w.last();
    assert_eq!((last.outcome.as_str(), last.institution.id.as_str()), ("refused", "bank"));
    assert_eq!(last.reason.unwrap().message, entry.message);
    for word in ["7.2.3-B-a", "enhanced", "Name the network"] {
        assert!(entry.message.contains(word), "{word}: {}", entry.message);
    }
    // Another project keeps its own profile, the platform carries out what was decided, and an
    // exception excuses from one guardrail alone.
    let other = w.id(w.command("ann@q", "network:security_group:create").with(json!({ "name": "w" })));
    let mut rule = w.rule(&other, tcp(22));
    rule.actor = w.who("ann@q");
    assert_eq!(w.judged(rule), "ok");
    w.profile("p", Profile::Enhanced, &[login]);
    assert_eq!(w.judged(w.rule(&group, tcp(22))), "ok");
    assert_eq!(w.judged(w.rule(&group, tcp(3306))), base);
}

#[test]
fn port_security_stays_on_by_whatever_way() {
    let w = World::new();
    let net = w.network("ann@p", "net");
    let port = w.id(w.command("ann@p", "network:port:create").with(json!({ "network": net })));
    let off = json!({ "port_security": false, "security_groups": [] });
    let rail = "port_security";
    let made = json!({ "network": net, "port_security": false, "security_groups": [] });
    assert_eq!(w.judged(w.command("ann@p", "network:port:create").with(made.clone())), rail);
    let update = |who: &str| w.command(who, "network:port:update").on(port.clone());
    assert_eq!(w.judged(update("ann@p").with(off.clone())), rail, "a change instead of a creation");
    assert_eq!(w.judged(update("bob@p").with(off.clone())), rail, "a manager is nobody else");
    let open = json!({ "name": "open", "port_security": false });
    assert_eq!(w.judged(w.command("ann@p", "network:network:create").with(open.clone())), rail);
    let change = w.command("ann@p", "network:network:update").on(net.clone());
    assert_eq!(w.judged(change.with(json!({ "port_security": false }))), rail);
    // A port of somebody else's id, or of this one, is not another port.
    let mut again = made;
    again["id"] = json!(port);
    assert_eq!(w.judged(w.command("ann@p", "network:port:create").with(again)), rail);
    // The platform may: then it is a violation that is listed, and what else is done to the port is
    // not refused for it.
    let mut system = update("ann@p").with(off);
    system.actor = Actor::system("network");
    assert_eq!(w.judged(system), "ok");
    let found = w.broken(Profile::Basic, &[]);
    assert_eq!(found, BTreeSet::from([(rail.to_string(), "port".to_string())]));
    assert_eq!(w.judged(update("ann@p").with(json!({ "name": "renamed" }))), "ok");
    let on = json!({ "port_security": true });
    assert_eq!(w.judged(update("ann@p").with(on)), "ok");
    assert_eq!(w.judged(update("ann@p").with(json!({ "port_security": false }))), rail);
}

#[test]
fn servers_have_a_key_pair_and_groups_from_extended_on() {
    let w = World::new();
    let (image, net) = w.furnish_servers();
    let bare = w.id(w.command("ann@p", "network:port:create")
        .with(json!({ "network": net, "security_groups": [] })));
    let server = |key: Option<&str>, networks: Value| {
        w.command("ann@p", "compute:server:create").with(json!({ "name": "web", "image": image,
            "flavor": "1", "key_name": key, "networks": networks }))
    };
    let own = || json!({ "these": [{ "network": { "id": net, "ip": null } }] });
    let lent = |port: &Id| json!({ "these": [{ "port": port }] });
    w.profile("p", Profile::Extended, &[]);
    assert_eq!(w.judged(server(None, own())), "key_pair_required");
    assert_eq!(w.judged(server(Some("key"), lent(&bare))), "security_group_required");
    let good = w.id(server(Some("key"), own()));
    // Taking the group away from the server's port is refused, by the guardrail and not by chance.
    let ports = w.cloud.reader.view(|v| v.get::<jinyun_compute::Server>(&good)).unwrap().unwrap();
    let port = ports.spec.ports[0].clone();
    let strip = || w.command("ann@p", "network:port:update").on(port.clone())
        .with(json!({ "security_groups": [] }));
    assert_eq!(w.judged(strip()), "security_group_required");
    // In a basic project all of that is let be, and shows when the profile is raised.
    w.profile("p", Profile::Basic, &[]);
    let old = w.id(server(None, lent(&bare)));
    assert_eq!(w.judged(strip()), "ok");
    assert_eq!(w.broken(Profile::Basic, &[]), BTreeSet::new());
    let pair = |rail: &str, kind: &str| (rail.to_string(), kind.to_string());
    let raised = w.broken(Profile::Extended, &[]);
    assert_eq!(raised, BTreeSet::from([pair("key_pair_required", "server"),
        pair("security_group_required", "server"), pair("security_group_required", "port")]));
    let excused = w.broken(Profile::Extended, &["security_group_required"]);
    assert_eq!(excused, BTreeSet::from([pair("key_pair_required", "server")]));
    // Nothing that is there is broken by it: it can be renamed and deleted.
    w.profile("p", Profile::Enhanced, &[]);
    let rename = json!({ "name": "old" });
    assert_eq!(w.judged(w.command("ann@p", "compute:server:update").on(old.clone()).with(rename)), "ok");
    assert_eq!(w.judged(w.command("ann@p", "network:port:update").on(bare.clone())
        .with(json!({ "name": "still there" }))), "ok");
    assert_eq!(w.judged(w.command("ann@p", "compute:server:delete").on(old)), "ok");
    // Over the API, for a profile that is still to be set.
    let path = format!("/v1/guardrails/violations?project={}&profile=basic", w.project("p"));
    let (status, told) = w.http("may@bank", "GET", &path, Value::Null);
    assert_eq!((status, &told["violations"]), (200, &json!([])), "{told}");
    let (_, told) = w.http("rex@p", "GET", "/v1/guardrails/violations", Value::Null);
    assert_eq!((&told["profile"], &told["project_id"]), (&json!("enhanced"), &json!(w.project("p"))));
    assert!(!told["violations"].as_array().unwrap().is_empty());
    for (who, query) in [("eve@fund", format!("?project={}", w.project("p"))),
        ("aud@system", format!("?project={}", w.project("p"))), ("ann@q", String::new()),
        ("may@bank", String::new()), ("may@bank", format!("?project={}", w.project("f"))),
        ("rex@p", "?profile=none".into()), ("rex@p", "?project=nothing".into())] {
        let path = format!("/v1/guardrails/violations{query}");
        let (status, told) = w.http(who, "GET", &path, Value::Null);
        assert_eq!(status == 0, who != "ann@q", "{who} {query}: {told}");
    }
}

#[test]
fn a_project_keeps_its_environment_tag() {
    let w = World::new();
    let tags = |project: &str, tags: Value| {
        w.command("may@bank", "identity:project:update").on(w.project(project))
            .with(json!({ "tags": tags }))
    };
    let rail = "environment_tag_required";
    assert_eq!(w.judged(tags("q", json!(["quiet"]))), "ok", "in a basic project");
    for project in ["p", "q"] {
        w.profile(project, Profile::Extended, &[]);
    }
    assert_eq!(w.judged(tags("p", json!([]))), rail);
    assert_eq!(w.judged(tags("p", json!(["Environment:production"]))), rail, "the word has its case");
    assert_eq!(w.judged(tags("p", json!(["environment:test", "x"]))), "ok");
    // It had none before.
    assert_eq!(w.judged(tags("q", json!(["quieter"]))), "ok");
    assert_eq!(w.judged(tags("q", json!(["environment:test"]))), "ok");
    assert_eq!(w.judged(tags("q", json!([]))), rail);
}

#[test]
fn every_guardrail_has_a_name_of_its_own_clauses_that_are_there_and_says_what_to_do() {
    let standard: Value =
        serde_json::from_str(include_str!("../../../trust/evidence/standards/jrt0167.json")).unwrap();
    let known: BTreeSet<&str> = standard["clauses"].as_array().unwrap().iter()
        .map(|c| c["id"].as_str().unwrap()).collect();
    let mut names = BTreeSet::new();
    for rail in guardrails() {
        assert!(names.insert(rail.name), "{} stands there twice", rail.name);
        assert!(!rail.clauses.is_empty(), "{}", rail.name);
        for clause in rail.clauses {
            assert!(known.contains(clause), "{}: {clause} is no clause", rail.name);
        }
        for text in [rail.refuses, rail.instead] {
            assert!(text.ends_with('.') && !text.contains("  "), "{}: {text}", rail.name);
        }
        if let Some(place) = rail.always() {
            assert!(place.starts_with("services/"), "{}", rail.name);
            assert_eq!(rail.profile, Profile::Basic, "{}", rail.name);
        }
    }
    let w = World::new();
    let (_, told) = w.http("sys@system", "GET", "/v1/guardrails", Value::Null);
    assert_eq!(told["guardrails"].as_array().unwrap().len(), names.len());
}
