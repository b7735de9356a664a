//! Ranges, pools and addresses: what a subnet has, and who gets which.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{World, code};
use jinyun_network::{Network, Pool, Port, Subnet};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

fn pools(subnet: &[Pool]) -> String {
    let parts: Vec<String> = subnet.iter().map(|p| format!("{}-{}", p.start, p.end)).collect();
    parts.join(",")
}

#[test]
fn subnets_are_canonical_and_choose_gateway_and_pools() {
    let mut w = World::new();
    let cases = [
        (json!({ "cidr": "10.1.0.0/24" }), "10.1.0.0/24", "10.1.0.1", "10.1.0.2-10.1.0.254"),
        (json!({ "cidr": "10.2.0.77/24" }), "10.2.0.0/24", "10.2.0.1", "10.2.0.2-10.2.0.254"),
        (json!({ "cidr": "10.3.0.0/24", "gateway": null }), "10.3.0.0/24", "",
            "10.3.0.1-10.3.0.254"),
        (json!({ "cidr": "10.4.0.0/24", "gateway": "10.4.0.100" }), "10.4.0.0/24", "10.4.0.100",
            "10.4.0.1-10.4.0.99,10.4.0.101-10.4.0.254"),
        (json!({ "cidr": "10.5.0.0/24", "gateway": "10.5.0.254" }), "10.5.0.0/24", "10.5.0.254",
            "10.5.0.1-10.5.0.253"),
        (json!({ "cidr": "10.6.0.0/30" }), "10.6.0.0/30", "10.6.0.1", "10.6.0.2-10.6.0.2"),
        (json!({ "cidr": "172.0.0.0/8" }), "172.0.0.0/8", "172.0.0.1",
            "172.0.0.2-172.255.255.254"),
        (json!({ "cidr": "10.7.0.0/24", "pools": [{ "start": "10.7.0.9", "end": "10.7.0.9" }] }),
            "10.7.0.0/24", "10.7.0.1", "10.7.0.9-10.7.0.9"),
    ];
    for (mut args, cidr, gateway, want) in cases {
        args["network"] = json!(w.network());
        let id = w.ask("subnet:create", args).unwrap();
        let spec = w.get::<Subnet>(&id).unwrap().spec;
        let has = spec.gateway.map(|g| g.to_string()).unwrap_or_default();
        assert_eq!((spec.cidr.to_string().as_str(), has.as_str()), (cidr, gateway));
        assert_eq!(pools(&spec.pools), want);
    }
}

#[test]
fn what_is_no_subnet_is_refused() {
    let mut w = World::new();
    let network = w.network();
    w.subnet(&network, "10.0.0.0/24");
    let pool = |start: &str, end: &str| json!({ "start": start, "end": end });
    let cases = [
        ("31 bits", json!({ "cidr": "10.9.0.0/31" }), "invalid"),
        ("7 bits", json!({ "cidr": "10.0.0.0/7" }), "invalid"),
        ("loopback", json!({ "cidr": "127.0.0.0/24" }), "invalid"),
        ("link local", json!({ "cidr": "169.254.7.0/24" }), "invalid"),
        ("around link local", json!({ "cidr": "169.0.0.0/8" }), "invalid"),
        ("multicast", json!({ "cidr": "224.0.0.0/24" }), "invalid"),
        ("zero", json!({ "cidr": "0.0.0.0/8" }), "invalid"),
        ("IPv6", json!({ "cidr": "fd00::/64" }), "invalid"),
        ("the same", json!({ "cidr": "10.0.0.0/24" }), "invalid"),
        ("a part", json!({ "cidr": "10.0.0.128/25" }), "invalid"),
        ("around", json!({ "cidr": "10.0.0.0/16" }), "invalid"),
        ("gateway elsewhere", json!({ "cidr": "10.9.0.0/24", "gateway": "10.8.0.1" }), "invalid"),
        ("gateway broadcast", json!({ "cidr": "10.9.0.0/24", "gateway": "10.9.0.255" }),
            "invalid"),
        ("gateway in a pool", json!({ "cidr": "10.9.0.0/24",
            "pools": [pool("10.9.0.1", "10.9.0.9")] }), "conflict"),
        ("pool backwards", json!({ "cidr": "10.9.0.0/24",
            "pools": [pool("10.9.0.9", "10.9.0.3")] }), "invalid"),
        ("pool elsewhere", json!({ "cidr": "10.9.0.0/24",
            "pools": [pool("10.9.0.9", "10.9.1.3")] }), "conflict"),
        ("pools overlap", json!({ "cidr": "10.9.0.0/24",
            "pools": [pool("10.9.0.2", "10.9.0.9"), pool("10.9.0.9", "10.9.0.20")] }), "conflict"),
        ("six name servers", json!({ "cidr": "10.9.0.0/24", "dns": vec!["9.9.9.9"; 6] }),
            "invalid"),
        ("another's network", json!({ "cidr": "10.9.0.0/24", "network": "nowhere" }),
            "not_found"),
    ];
    for (what, mut args, want) in cases {
        if args.get("network").is_none() {
            args["network"] = json!(network);
        }
        assert_eq!(code(&w.ask("subnet:create", args)), want, "{what}");
    }
    // A range that is taken in one network is free in another.
    let other = w.network();
    w.subnet(&other, "10.0.0.0/24");
}

fn ips(w: &mut World, port: &jinyun_base::Id) -> Vec<Ipv4Addr> {
    w.get::<Port>(port).unwrap().spec.fixed_ips.iter().map(|f| f.ip).collect()
}

#[test]
fn a_subnet_gives_each_address_once_and_then_none_until_one_comes_back() {
    for (cidr, count) in [("10.0.0.0/29", 5), ("10.0.0.0/24", 253)] {
        let mut w = World::new();
        let network = w.network();
        let subnet = w.subnet(&network, cidr);
        let mut given = BTreeSet::new();
        let mut last = None;
        for _ in 0..count {
            let port = w.port(&network);
            given.extend(ips(&mut w, &port));
            last = Some(port);
        }
        let last = last.unwrap();
        let pool = w.get::<Subnet>(&subnet).unwrap().spec.pools[0];
        assert_eq!(given.len(), count);
        assert_eq!((given.first(), given.last()), (Some(&pool.start), Some(&pool.end)));
        let full = w.ask("port:create", json!({ "network": network }));
        assert_eq!(code(&full), "conflict", "{cidr}");
        let back = ips(&mut w, &last);
        w.on("port:delete", &last, Value::Null).unwrap();
        w.drive(&(), 2);
        let port = w.port(&network);
        assert_eq!(ips(&mut w, &port), back);
    }
}

#[test]
fn addresses_can_be_asked_for() {
    let mut w = World::new();
    let network = w.network();
    let subnet = w.subnet(&network, "10.0.0.0/24");
    let second = w.subnet(&network, "10.0.1.0/24");
    let other = w.network();
    let elsewhere = w.subnet(&other, "10.0.2.0/24");
    let mut ask = |fixed: Value| {
        let made = w.ask("port:create", json!({ "network": network, "fixed_ips": fixed }));
        let what = code(&made);
        (what, made.ok().map(|id| ips(&mut w, &id)).unwrap_or_default())
    };
    let at = |ip: &str| vec![ip.parse::<Ipv4Addr>().unwrap()];
    assert_eq!(ask(json!([{ "subnet": subnet, "ip": "10.0.0.9" }])), ("ok", at("10.0.0.9")));
    assert_eq!(ask(json!([{ "ip": "10.0.1.9" }])), ("ok", at("10.0.1.9")));
    let (what, got) = ask(json!([{ "subnet": second }, { "subnet": subnet }]));
    assert_eq!((what, got.len()), ("ok", 2));
    assert_eq!((got[0].octets()[2], got[1].octets()[2]), (1, 0));
    for (what, fixed, want) in [
        ("taken", json!([{ "ip": "10.0.0.9" }]), "taken"),
        ("the gateway", json!([{ "ip": "10.0.0.1" }]), "taken"),
        ("broadcast", json!([{ "ip": "10.0.0.255" }]), "invalid"),
        ("in no subnet", json!([{ "ip": "192.168.0.1" }]), "invalid"),
        ("in another subnet", json!([{ "subnet": subnet, "ip": "10.0.1.7" }]), "invalid"),
        ("in another network", json!([{ "subnet": elsewhere }]), "invalid"),
        ("twice", json!([{ "ip": "10.0.0.7" }, { "ip": "10.0.0.7" }]), "invalid"),
    ] {
        assert_eq!(ask(fixed).0, want, "{what}");
    }
}

#[test]
fn a_changed_port_keeps_what_it_has_and_gives_back_what_it_leaves() {
    let mut w = World::new();
    let network = w.network();
    let subnet = w.subnet(&network, "10.0.0.0/24");
    let port = w.port(&network);
    let had = ips(&mut w, &port);
    // "An address of this subnet" is the one that it has.
    w.on("port:update", &port, json!({ "fixed_ips": [{ "subnet": subnet }] })).unwrap();
    assert_eq!(ips(&mut w, &port), had);
    assert_eq!(w.get::<Port>(&port).unwrap().generation, 1);
    w.on("port:update", &port, json!({ "fixed_ips": [{ "subnet": subnet }, { "subnet": subnet }] }))
        .unwrap();
    let both = ips(&mut w, &port);
    assert_eq!((both.len(), both[0]), (2, had[0]));
    w.on("port:update", &port, json!({ "fixed_ips": [] })).unwrap();
    let next = json!({ "network": network, "fixed_ips": [{ "ip": had[0] }] });
    assert_eq!(code(&w.ask("port:create", next)), "ok");
    // A gateway moves to no port's address.
    let pools = json!({ "pools": [], "gateway": had[0] });
    assert_eq!(code(&w.on("subnet:update", &subnet, pools)), "taken");
}

#[test]
fn macs_are_one_interface_each() {
    let mut w = World::new();
    let (network, other) = (w.network(), w.network());
    for (mac, on, want) in [
        ("fa:16:3e:00:00:01", &network, "ok"),
        ("fa:16:3e:00:00:01", &network, "taken"),
        ("fa:16:3e:00:00:01", &other, "ok"),
        ("fb:16:3e:00:00:01", &network, "invalid"),
        ("00:00:00:00:00:00", &network, "invalid"),
        ("02:fe:ee:ee:ee:ee", &network, "invalid"),
        ("fa:16:3e:00:00", &network, "invalid"),
        ("fa-16-3e-00-00-02", &network, "invalid"),
        ("fa:16:3e:0:0:0002", &network, "invalid"),
    ] {
        let made = w.ask("port:create", json!({ "network": on, "mac": mac }));
        assert_eq!(code(&made), want, "{mac}");
    }
    // Without a subnet a port has a MAC and no address.
    let port = w.port(&network);
    let spec = w.get::<Port>(&port).unwrap().spec;
    assert!(spec.mac.starts_with("fa:16:3e:") && spec.fixed_ips.is_empty());
}

#[test]
fn networks_have_sane_words() {
    let mut w = World::new();
    for (args, want) in [
        (json!({ "mtu": 576 }), "ok"),
        (json!({ "mtu": 9001 }), "invalid"),
        (json!({ "dns_domain": "corp.example." }), "ok"),
        (json!({ "dns_domain": "corp..example" }), "invalid"),
        (json!({ "dns_domain": "two words" }), "invalid"),
        (json!({ "name": "bell\u{7}" }), "invalid"),
    ] {
        assert_eq!(code(&w.ask("network:create", args.clone())), want, "{args}");
    }
    let id = w.network();
    let have = w.get::<Network>(&id).unwrap();
    assert_eq!((have.spec.mtu, have.spec.port_security), (1450, true));
}
