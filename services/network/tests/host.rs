//! What a host is told, from the records.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::World;
use jinyun_base::Id;
use jinyun_engine::Have;
use jinyun_network::{PROBE, Port, host};
use jinyun_wire::{
    Attach, GroupWant, NetworkWant, PortWant, RouterWant, RuleWant, SubnetWant,
};
use serde_json::json;
use std::net::Ipv4Addr;

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn rule(ingress: bool) -> RuleWant {
    RuleWant {
        ingress,
        protocol: None,
        ports: None,
        icmp_code: None,
        remote_cidr: None,
        remote_group: None,
    }
}

fn pages(port: &Have<Port>) -> Vec<(String, String)> {
    if port.spec.device_id.is_empty() {
        return Vec::new();
    }
    vec![("latest/meta-data/hostname".into(), "Web-1.corp.example".into())]
}

/// Two networks joined by a router, a third elsewhere; `here` has a probe and a server's port.
struct Scene {
    w: World,
    a: Id,
    a1: Id,
    b: Id,
    b1: Id,
    b2: Id,
    router: Id,
    web: Id,
    default: Id,
    probe: Id,
    guest: Id,
}

fn bind(w: &mut World, port: &Id, host: &str) {
    w.system("network:port:bind", Some(port), json!({ "host": host })).unwrap();
}

fn scene() -> Scene {
    let mut w = World::new();
    let a = json!({ "name": "a", "mtu": 1400, "dns_domain": "corp.example." });
    let a = w.ask("network:create", a).unwrap();
    let b = w.network();
    let far = w.network();
    let a1 = w.ask("subnet:create", json!({
        "network": a, "cidr": "10.1.0.0/24", "dns": ["9.9.9.9"],
        "host_routes": [{ "destination": "10.7.0.0/16", "nexthop": "10.1.0.9" }],
    })).unwrap();
    let b1 = w.subnet(&b, "10.2.0.0/24");
    let far1 = w.subnet(&far, "10.3.0.0/24");
    let router = w.ask("router:create", json!({})).unwrap();
    for subnet in [&a1, &b1, &far1] {
        w.on("router:add_interface", &router, json!({ "subnet": subnet })).unwrap();
    }
    let off = w.ask("router:create", json!({ "admin_state_up": false })).unwrap();
    let b2 = w.ask("subnet:create", json!({
        "network": b, "cidr": "10.4.0.0/24", "gateway": "10.4.0.1", "dhcp": false,
    })).unwrap();
    w.on("router:add_interface", &off, json!({ "subnet": b2 })).unwrap();
    let default = w.default_group();
    let web = w.ask("security_group:create", json!({ "name": "web" })).unwrap();
    let mut allow = |args: serde_json::Value| {
        let mut all = json!({ "group": web, "direction": "ingress", "ethertype": "IPv4" });
        for (name, value) in args.as_object().unwrap() {
            all[name.as_str()] = value.clone();
        }
        w.ask("security_group_rule:create", all).unwrap();
    };
    allow(json!({ "protocol": "tcp", "port_min": 80, "port_max": 81,
        "remote_cidr": "10.0.0.0/8" }));
    allow(json!({ "protocol": "icmp", "port_min": 8, "port_max": 0 }));
    allow(json!({ "protocol": "icmp", "port_min": 3 }));
    allow(json!({ "protocol": "udp", "remote_group": default }));
    allow(json!({ "protocol": "udp", "ethertype": "IPv6" }));
    let mut port = |args: serde_json::Value| w.ask("port:create", args).unwrap();
    let probe = port(json!({
        "name": "Probe", "network": a, "device_owner": PROBE, "mac": "fa:16:3e:00:00:01",
        "fixed_ips": [{ "ip": "10.1.0.11" }], "security_groups": [web],
    }));
    let guest = port(json!({
        "network": b, "device_id": "s1", "mac": "fa:16:3e:00:00:02", "admin_state_up": false,
        "fixed_ips": [{ "ip": "10.2.0.12" }], "port_security": false,
    }));
    // Members elsewhere, one of them on its way out, and one that is bound to nothing.
    let there = port(json!({ "network": far, "fixed_ips": [{ "ip": "10.3.0.13" }] }));
    let gone = port(json!({ "network": b, "fixed_ips": [{ "ip": "10.2.0.14" }] }));
    port(json!({ "network": a, "fixed_ips": [{ "ip": "10.1.0.15" }] }));
    for (id, host) in [(&probe, "h1"), (&guest, "h1"), (&there, "h2"), (&gone, "h1")] {
        bind(&mut w, id, host);
    }
    w.on("port:delete", &gone, json!(null)).unwrap();
    Scene { w, a, a1, b, b1, b2, router, web, default, probe, guest }
}

fn by_id<T>(mut all: Vec<T>, id: impl Fn(&T) -> String) -> Vec<T> {
    all.sort_by_key(|t| id(t));
    all
}

#[test]
fn a_host_is_told_all_that_touches_its_ports_and_nothing_else() {
    let mut s = scene();
    let (networks, routers, groups) = host::want(&mut s.w.view(), "h1", &pages).unwrap();
    let subnet = |id: &Id, cidr: &str, gateway: &str| SubnetWant {
        id: id.to_string(),
        cidr: cidr.into(),
        gateway: Some(ip(gateway)),
        dhcp: true,
        dns: Vec::new(),
        host_routes: Vec::new(),
    };
    let a = NetworkWant {
        id: s.a.to_string(),
        mtu: 1400,
        dns_domain: "corp.example".into(),
        subnets: vec![SubnetWant {
            dns: vec![ip("9.9.9.9")],
            host_routes: vec![("10.7.0.0/16".into(), ip("10.1.0.9"))],
            ..subnet(&s.a1, "10.1.0.0/24", "10.1.0.1")
        }],
        ports: vec![PortWant {
            id: s.probe.to_string(),
            mac: "fa:16:3e:00:00:01".into(),
            ips: vec![(s.a1.to_string(), ip("10.1.0.11"))],
            hostname: "probe".into(),
            up: true,
            filtered: true,
            groups: vec![s.web.to_string()],
            attach: Attach::Probe,
            metadata: Vec::new(),
        }],
    };
    let b = NetworkWant {
        id: s.b.to_string(),
        mtu: 1450,
        dns_domain: String::new(),
        subnets: by_id(vec![
            subnet(&s.b1, "10.2.0.0/24", "10.2.0.1"),
            SubnetWant { dhcp: false, ..subnet(&s.b2, "10.4.0.0/24", "10.4.0.1") },
        ], |s| s.id.clone()),
        ports: vec![PortWant {
            id: s.guest.to_string(),
            mac: "fa:16:3e:00:00:02".into(),
            ips: vec![(s.b1.to_string(), ip("10.2.0.12"))],
            hostname: "web-1".into(),
            up: false,
            filtered: false,
            groups: Vec::new(),
            attach: Attach::Tap,
            metadata: vec![("latest/meta-data/hostname".into(), "Web-1.corp.example".into())],
        }],
    };
    assert_eq!(networks, by_id(vec![a, b], |n| n.id.clone()));
    assert_eq!(routers.len(), 1, "a router that is switched off joins nothing");
    let RouterWant { id, networks: joined } = &routers[0];
    assert_eq!((id, joined.len()), (&s.router.to_string(), 3), "the router knows all its networks");
    assert!(joined.contains(&(s.a.to_string(), vec!["10.1.0.0/24".to_string()])));
    // The default group is there for its members alone.
    assert_eq!(groups.len(), 2);
    let named = groups.iter().find(|g| g.id == s.default.to_string()).unwrap();
    let members = vec![ip("10.1.0.15"), ip("10.3.0.13")];
    let want = GroupWant { id: s.default.to_string(), members, rules: Vec::new() };
    assert_eq!(*named, want);
    let web = groups.into_iter().find(|g| g.id == s.web.to_string()).unwrap();
    assert_eq!(web.members, [ip("10.1.0.11")]);
    let want = vec![
        rule(false),
        RuleWant { protocol: Some(1), ports: Some((3, 3)), ..rule(true) },
        RuleWant { protocol: Some(1), ports: Some((8, 8)), icmp_code: Some(0), ..rule(true) },
        RuleWant {
            protocol: Some(6),
            ports: Some((80, 81)),
            remote_cidr: Some("10.0.0.0/8".into()),
            ..rule(true)
        },
        RuleWant {
            protocol: Some(17),
            remote_group: Some(s.default.to_string()),
            ..rule(true)
        },
    ];
    let key = |r: &RuleWant| format!("{:?} {:?}", r.protocol, r.ports);
    assert_eq!(by_id(web.rules, key), by_id(want, key));
}

#[test]
fn a_host_without_ports_is_told_nothing_and_the_same_records_say_the_same() {
    let mut s = scene();
    let nothing = host::want(&mut s.w.view(), "h3", &pages).unwrap();
    assert_eq!(nothing, (Vec::new(), Vec::new(), Vec::new()));
    let once = host::want(&mut s.w.view(), "h1", &pages).unwrap();
    assert_eq!(host::want(&mut s.w.view(), "h1", &pages).unwrap(), once);
    // A network that is switched off lets nothing pass.
    s.w.on("network:update", &s.a, json!({ "admin_state_up": false })).unwrap();
    let (networks, ..) = host::want(&mut s.w.view(), "h1", &pages).unwrap();
    assert!(networks.iter().flat_map(|n| &n.ports).all(|p| !p.up));
}
