//! Groups, rules, routers, and what is in use.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Project, Server, World, code, user};
use jinyun_base::{Id, Refusal};
use jinyun_engine::{Command, Query, Seen};
use jinyun_network::{Network, Port, Router, RULES, SecurityGroup, SecurityGroupRule};
use jinyun_policy::{Actor, Role};
use serde_json::{Value, json};

#[test]
fn each_action_has_a_rule_and_each_rule_an_action() {
    let registry = common::registry();
    let mut ruled: Vec<&str> = RULES.iter().map(|r| r.action).collect();
    let mut actions = registry.action_names();
    actions.retain(|a| a.starts_with("network:"));
    ruled.sort();
    assert_eq!(ruled, actions);
    for route in jinyun_network::routes() {
        let known = route.action.is_empty() || ruled.contains(&route.action.as_str());
        assert!(known, "{} {}: {}", route.method, route.path, route.action);
    }
}

#[test]
fn the_default_group_comes_with_the_first_need_and_stays() {
    let mut w = World::new();
    let network = w.network();
    let groups = w.view().list::<SecurityGroup>(&Query::project(&"p".into())).unwrap();
    assert_eq!(groups.len(), 1);
    let id = groups[0].id.clone();
    assert_eq!((groups[0].spec.name.as_str(), &w.default_group()), ("default", &id));
    let rules = w.view().list::<SecurityGroupRule>(&Query::field("group", &id)).unwrap();
    let mut shown: Vec<String> = rules.iter().map(|r| format!(
        "{} {} {}", json!(r.spec.direction), json!(r.spec.ethertype),
        r.spec.remote_group.as_ref() == Some(&id)
    )).collect();
    shown.sort();
    assert_eq!(shown, [
        r#""egress" "IPv4" false"#, r#""egress" "IPv6" false"#,
        r#""ingress" "IPv4" true"#, r#""ingress" "IPv6" true"#,
    ]);
    let port = w.port(&network);
    assert_eq!(w.get::<Port>(&port).unwrap().spec.security_groups, std::slice::from_ref(&id));
    assert_eq!(code(&w.ask("security_group:create", json!({ "name": "default" }))), "taken");
    assert_eq!(code(&w.on("security_group:update", &id, json!({ "name": "mine" }))), "conflict");
    assert_eq!(code(&w.on("security_group:update", &id, json!({ "description": "x" }))), "ok");
    let web = w.ask("security_group:create", json!({ "name": "web" })).unwrap();
    assert_eq!(code(&w.on("security_group:update", &web, json!({ "name": "default" }))), "taken");
    assert_eq!(code(&w.on("security_group:delete", &id, Value::Null)), "conflict");
    // Another project has its own.
    w.project = "q";
    assert_ne!(w.default_group(), id);
    // A reader may look, and so make it.
    let reader = Command::new("network:security_group:ensure", user(Role::Reader, "r"), "x");
    assert!(w.run(reader).is_ok());
}

#[test]
fn a_project_takes_its_default_group_along() {
    let mut w = World::new();
    w.project = "tour";
    w.system("identity:project:create", None, json!({ "id": "tour" })).unwrap();
    let id = w.default_group();
    assert_eq!(w.view().rows_in(&"tour".into()).unwrap(), 0);
    w.system("identity:project:delete", Some(&"tour".into()), Value::Null).unwrap();
    assert!(w.get::<SecurityGroup>(&id).is_none());
    assert!(w.get::<Project>(&"tour".into()).is_none());
    let rules = w.view().list::<SecurityGroupRule>(&Query::field("group", &id)).unwrap();
    assert!(rules.is_empty());
}

#[test]
fn rules_say_what_neutron_lets_them_say() {
    let mut w = World::new();
    let group = w.ask("security_group:create", json!({ "name": "web" })).unwrap();
    let other = w.ask("security_group:create", json!({ "name": "db" })).unwrap();
    w.project = "q";
    let foreign = w.default_group();
    w.project = "p";
    let cases = [
        (json!({ "protocol": "tcp", "port_min": 22, "port_max": 22 }), "ok"),
        (json!({ "protocol": "6", "port_min": 22, "port_max": 22 }), "taken"),
        (json!({ "protocol": "tcp", "port_min": 22, "port_max": 22,
            "remote_cidr": "0.0.0.0/0" }), "taken"),
        (json!({ "protocol": "tcp", "port_min": 22, "port_max": 22,
            "remote_cidr": "10.0.0.7/24" }), "ok"),
        (json!({ "protocol": "tcp", "port_min": 22, "port_max": 22,
            "remote_cidr": "10.0.0.0/24" }), "taken"),
        (json!({ "protocol": "udp", "port_min": 22, "port_max": 22 }), "ok"),
        (json!({ "protocol": "tcp", "port_min": 23, "port_max": 22 }), "invalid"),
        (json!({ "protocol": "tcp", "port_min": 23 }), "invalid"),
        (json!({ "protocol": "tcp", "port_max": 23 }), "invalid"),
        (json!({ "protocol": "tcp", "port_min": 0, "port_max": 23 }), "invalid"),
        (json!({ "protocol": "tcp", "port_min": 1, "port_max": 65536 }), "invalid"),
        (json!({ "port_min": 1, "port_max": 2 }), "invalid"),
        (json!({ "protocol": "gre", "port_min": 1, "port_max": 2 }), "invalid"),
        (json!({ "protocol": "gre" }), "ok"),
        (json!({ "protocol": "47" }), "taken"),
        (json!({ "protocol": "icmp" }), "ok"),
        (json!({ "protocol": "icmp", "port_min": 8 }), "ok"),
        (json!({ "protocol": "icmp", "port_min": 8, "port_max": 0 }), "ok"),
        (json!({ "protocol": "icmp", "port_max": 0 }), "invalid"),
        (json!({ "protocol": "icmp", "port_min": 256 }), "invalid"),
        (json!({ "protocol": "ipv6-icmp" }), "invalid"),
        (json!({ "protocol": "ipv6-icmp", "ethertype": "IPv6" }), "ok"),
        (json!({ "protocol": "icmp", "ethertype": "IPv6" }), "taken"),
        (json!({ "protocol": "255" }), "ok"),
        (json!({ "protocol": "256" }), "invalid"),
        (json!({ "protocol": "quic" }), "invalid"),
        (json!({ "remote_cidr": "fd00::/64" }), "invalid"),
        (json!({ "remote_cidr": "fd00::/64", "ethertype": "IPv6" }), "ok"),
        (json!({ "remote_cidr": "10.0.0.0" }), "invalid"),
        (json!({ "remote_group": other }), "ok"),
        (json!({ "remote_group": other }), "taken"),
        (json!({ "remote_group": group }), "ok"),
        (json!({ "remote_group": foreign }), "not_found"),
        (json!({ "remote_group": other, "remote_cidr": "10.0.0.0/8" }), "invalid"),
        (json!({ "group": foreign }), "not_found"),
        (json!({ "direction": "egress" }), "taken"),
        (json!({ "direction": "sideways" }), "invalid"),
    ];
    for (mut args, want) in cases {
        for (name, value) in [("group", json!(group)), ("direction", json!("ingress")),
            ("ethertype", json!("IPv4"))] {
            if args.get(name).is_none() {
                args[name] = value;
            }
        }
        let made = w.ask("security_group_rule:create", args.clone());
        assert_eq!(code(&made), want, "{args}: {made:?}");
    }
    // With a group go its rules and those that name it.
    w.on("security_group:delete", &other, Value::Null).unwrap();
    let rules = w.view().list::<SecurityGroupRule>(&Query::field("group", &group)).unwrap();
    assert!(rules.iter().all(|r| r.spec.remote_group.as_ref() != Some(&other)));
    w.on("security_group:delete", &group, Value::Null).unwrap();
    let rules = w.view().list::<SecurityGroupRule>(&Query::field("group", &group)).unwrap();
    assert!(rules.is_empty());
    assert_eq!(w.view().used(&"p".into(), "security_group_rule").unwrap(), 4);
}

#[test]
fn what_is_used_stays() {
    let mut w = World::new();
    let network = w.network();
    let subnet = w.subnet(&network, "10.0.0.0/24");
    let group = w.ask("security_group:create", json!({ "name": "web" })).unwrap();
    let made = json!({ "network": network, "security_groups": [group] });
    let port = w.ask("port:create", made).unwrap();
    let router = w.ask("router:create", json!({ "name": "r" })).unwrap();
    w.on("router:add_interface", &router, json!({ "subnet": subnet })).unwrap();
    let server = w.system("compute:server:create", None, json!({ "lent": [port] })).unwrap();
    let refuse = |w: &mut World, action: &str, id: &Id| {
        assert_eq!(code(&w.on(action, id, Value::Null)), "conflict", "{action}");
    };
    for (action, id) in [("network:delete", &network), ("subnet:delete", &subnet),
        ("security_group:delete", &group), ("router:delete", &router), ("port:delete", &port)] {
        refuse(&mut w, action, id);
    }
    let moved = w.on("port:update", &port, json!({ "device_id": "other" }));
    assert_eq!(code(&moved), "conflict");
    w.system("compute:server:delete", Some(&server), Value::Null).unwrap();
    w.on("port:delete", &port, Value::Null).unwrap();
    // Until no host has it, it keeps what it uses.
    refuse(&mut w, "network:delete", &network);
    w.drive(&(), 2);
    assert!(w.get::<Port>(&port).is_none());
    w.on("security_group:delete", &group, Value::Null).unwrap();
    // A router's subnet keeps its network.
    refuse(&mut w, "network:delete", &network);
    w.on("router:remove_interface", &router, json!({ "subnet": subnet })).unwrap();
    w.on("router:delete", &router, Value::Null).unwrap();
    w.on("network:delete", &network, Value::Null).unwrap();
    assert!(w.get::<jinyun_network::Subnet>(&subnet).is_none(), "a subnet goes with its network");
}

#[test]
fn a_servers_own_port_goes_with_it() {
    let mut w = World::new();
    let network = w.network();
    w.subnet(&network, "10.0.0.0/24");
    let server = w.system("compute:server:create", None, json!({})).unwrap();
    let args = json!({ "network": network, "part_of": server, "device_id": server });
    assert_eq!(code(&w.ask("port:create", args.clone())), "forbidden");
    let port = w.system("network:port:create", None, args).unwrap();
    assert_eq!(code(&w.on("port:delete", &port, Value::Null)), "conflict");
    assert_eq!(code(&w.on("port:update", &port, json!({ "device_id": "x" }))), "conflict");
    assert_eq!(code(&w.on("port:update", &port, json!({ "name": "eth0" }))), "ok");
    w.system("compute:server:delete", Some(&server), Value::Null).unwrap();
    w.drive(&(), 2);
    assert!(w.get::<Port>(&port).is_none() && w.get::<Server>(&server).is_none());
}

#[test]
fn ports_follow_port_security() {
    let mut w = World::new();
    let network = w.network();
    let open = w.ask("network:create", json!({ "port_security": false })).unwrap();
    let default = w.default_group();
    let cases = [
        (json!({ "network": network }), "ok", true, 1),
        (json!({ "network": network, "security_groups": [] }), "ok", true, 0),
        (json!({ "network": network, "port_security": false }), "ok", false, 0),
        (json!({ "network": open }), "ok", false, 0),
        (json!({ "network": open, "port_security": true }), "ok", true, 1),
        (json!({ "network": open, "security_groups": [default] }), "conflict", false, 0),
        (json!({ "network": network, "security_groups": ["nowhere"] }), "not_found", false, 0),
    ];
    for (args, want, secure, groups) in cases {
        let made = w.ask("port:create", args.clone());
        assert_eq!(code(&made), want, "{args}");
        let Ok(id) = made else { continue };
        let spec = w.get::<Port>(&id).unwrap().spec;
        assert_eq!((spec.port_security, spec.security_groups.len()), (secure, groups), "{args}");
        if groups == 1 {
            let off = w.on("port:update", &id, json!({ "port_security": false }));
            assert_eq!(code(&off), "conflict");
            let both = json!({ "port_security": false, "security_groups": [] });
            assert_eq!(code(&w.on("port:update", &id, both)), "ok");
        }
    }
    for (args, want) in [
        (json!({ "network": network, "device_owner": "network:dhcp" }), "forbidden"),
        (json!({ "network": network, "host": "h1" }), "forbidden"),
        (json!({ "network": network, "device_owner": "lab:rig" }), "ok"),
    ] {
        assert_eq!(code(&w.ask("port:create", args)), want);
    }
}

/// Each is a namespace on a host for which no server's quota is asked.
#[test]
fn a_project_has_few_probes() {
    let mut w = World::new();
    let network = w.network();
    let plain = w.port(&network);
    let probe = json!({ "network": network, "device_owner": jinyun_network::PROBE });
    let made: Vec<Id> = (0..8).map(|_| w.ask("port:create", probe.clone()).unwrap()).collect();
    let turn = json!({ "device_owner": jinyun_network::PROBE });
    let more = |w: &mut World| {
        [code(&w.ask("port:create", probe.clone())), code(&w.on("port:update", &plain, turn.clone()))]
    };
    assert_eq!(more(&mut w), ["conflict", "conflict"], "neither a new one nor one that is turned");
    assert_eq!(code(&w.on("port:update", &made[0], json!({ "name": "kept" }))), "ok");
    assert_eq!(code(&w.on("port:update", &made[0], turn.clone())), "ok");
    // The platform's own are none of the project's choice.
    assert_eq!(code(&w.system("network:port:create", None, probe.clone())), "ok");
    // One that goes counts until it is gone: of nine there have to be seven.
    for id in &made[..2] {
        w.on("port:delete", id, Value::Null).unwrap();
    }
    assert_eq!(more(&mut w), ["conflict", "conflict"]);
    w.drive(&(), 2);
    assert_eq!(more(&mut w), ["ok", "conflict"]);
    // Another project has its own.
    w.project = "q";
    let other = w.network();
    let theirs = json!({ "network": other, "device_owner": jinyun_network::PROBE });
    assert_eq!(code(&w.ask("port:create", theirs)), "ok");
}

#[test]
fn routers_join_ranges_that_do_not_overlap() {
    let mut w = World::new();
    let (a, b, c) = (w.network(), w.network(), w.network());
    let a1 = w.subnet(&a, "10.1.0.0/24");
    let a2 = w.subnet(&a, "10.2.0.0/24");
    let b1 = w.subnet(&b, "10.3.0.0/24");
    let c1 = w.subnet(&c, "10.1.0.0/16");
    let bare = json!({ "network": c, "cidr": "10.9.0.0/24", "gateway": null });
    let bare = w.ask("subnet:create", bare).unwrap();
    w.project = "q";
    let foreign = w.network();
    let foreign = w.subnet(&foreign, "10.8.0.0/24");
    w.project = "p";
    let router = w.ask("router:create", json!({})).unwrap();
    let second = w.ask("router:create", json!({})).unwrap();
    let cases = [
        (&router, &a1, "ok"),
        (&router, &a1, "invalid"),
        (&router, &a2, "ok"),
        (&router, &b1, "ok"),
        (&router, &c1, "invalid"),
        (&router, &bare, "invalid"),
        (&router, &foreign, "not_found"),
        (&second, &a1, "taken"),
        (&second, &c1, "ok"),
    ];
    for (router, subnet, want) in cases {
        let joined = w.on("router:add_interface", router, json!({ "subnet": subnet }));
        assert_eq!(code(&joined), want, "{joined:?}");
    }
    let spec = w.get::<Router>(&router).unwrap().spec;
    assert_eq!(spec.interfaces.len(), 3);
    let no_way_out = w.on("subnet:update", &a1, json!({ "gateway": null }));
    assert_eq!(code(&no_way_out), "conflict");
    let port = json!({ "port": spec.interfaces[0].port });
    w.on("router:remove_interface", &router, port).unwrap();
    let again = w.on("router:remove_interface", &router, json!({ "subnet": a1 }));
    assert_eq!(code(&again), "not_found");
    assert_eq!(w.get::<Router>(&router).unwrap().spec.interfaces.len(), 2);
}

#[test]
fn another_project_is_another_world() {
    let mut w = World::new();
    let network = w.network();
    let subnet = w.subnet(&network, "10.0.0.0/24");
    w.project = "q";
    let tries: Vec<(&str, Result<Id, Refusal>)> = vec![
        ("port", w.ask("port:create", json!({ "network": network }))),
        ("subnet", w.ask("subnet:create", json!({ "network": network, "cidr": "10.1.0.0/24" }))),
        ("change", w.on("network:update", &network, json!({ "name": "mine" }))),
        ("delete", w.on("subnet:delete", &subnet, Value::Null)),
    ];
    for (what, result) in tries {
        assert_eq!(code(&result), "not_found", "{what}");
    }
    let mut asked = Command::new("network:network:create", user(Role::Member, "q"), "r")
        .with(json!({}));
    asked.project = Some("p".into());
    assert!(w.run(asked).is_err());
    let reader = Command::new("network:network:create", user(Role::Reader, "p"), "r");
    assert!(w.run(reader.with(json!({}))).is_err());
    assert_eq!(w.view().list::<Network>(&Query::default()).unwrap().len(), 1);
}

/// Hosts' reports as a value each.
struct Hosts(Value, Option<Value>);

impl Seen for Hosts {
    fn seen(&self, kind: &str, _: &Id) -> Option<Value> {
        if kind == "hosts" { Some(self.0.clone()) } else { self.1.clone() }
    }
}

#[test]
fn a_port_is_down_then_built_then_active_and_goes_when_no_host_has_it() {
    let mut w = World::new();
    let network = w.network();
    w.subnet(&network, "10.0.0.0/24");
    let plain = w.port(&network);
    let args = json!({ "network": network, "device_owner": jinyun_network::PROBE });
    let probe = w.ask("port:create", args).unwrap();
    let phase = |w: &mut World, id: &Id| w.get::<Port>(id).map(|p| (p.phase, p.spec.host));
    let is = |phase: &str, host: &str| Some((phase.to_string(), host.to_string()));
    w.drive(&Hosts(json!({ "alive": [] }), None), 2);
    assert_eq!(phase(&mut w, &probe), is("DOWN", ""));
    let alive = json!({ "alive": ["h1", "h2"] });
    w.drive(&Hosts(alive.clone(), Some(json!({ "state": "pending" }))), 3);
    assert_eq!(phase(&mut w, &probe), is("BUILD", "h1"));
    assert_eq!(phase(&mut w, &plain), is("DOWN", ""), "nobody has put anything behind it");
    let thing = |ready: bool, error: Value| json!({ "id": "x", "ready": ready, "error": error });
    let soft = thing(false, json!({ "why": "no room", "fatal": false }));
    w.drive(&Hosts(alive.clone(), Some(soft)), 1);
    assert_eq!(phase(&mut w, &probe), is("BUILD", "h1"));
    assert_eq!(w.get::<Port>(&probe).unwrap().error, "no room");
    w.drive(&Hosts(alive.clone(), Some(thing(true, Value::Null))), 1);
    assert_eq!(phase(&mut w, &probe), is("ACTIVE", "h1"));
    assert_eq!(code(&w.on("port:update", &probe, json!({ "device_owner": "" }))), "conflict");
    w.on("port:delete", &probe, Value::Null).unwrap();
    w.drive(&Hosts(alive.clone(), Some(json!({ "state": "pending" }))), 3);
    assert_eq!(phase(&mut w, &probe), is("DOWN", "h1"), "a host may still have it");
    w.drive(&Hosts(alive, None), 1);
    assert_eq!(phase(&mut w, &probe), None);
    let bind = Command::new("network:port:bind", user(Role::Manager, "p"), "r").on(plain.clone());
    assert!(w.run(bind.with(json!({ "host": "h1" }))).is_err(), "only the platform binds");
    let bind = Command::new("network:port:bind", Actor::system("compute"), "r").on(plain);
    assert!(w.run(bind.with(json!({ "host": "h1" }))).is_ok());
}
