//! Filters, plans and what they rest on, as data: a document or a fault in, text out. The golden
//! filter was loaded by hand into a real namespace, with real packets, before it became golden.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod golden;
mod reading;
mod services;

use super::names::Names;
use super::plan::{self, Act, Seen, SeenLink, SeenSpace, Step};
use super::render::{self, Kind, Spaces};
use super::{nft, sift};
use jinyun_wire::{
    Attach, GroupWant, HostWant, NetworkWant, PortWant, RouterWant, RuleWant, SubnetWant,
};
use std::net::Ipv4Addr;

const A: &str = "a1a1a1a1-0000-4000-8000-000000000011";
const B: &str = "b2b2b2b2-0000-4000-8000-000000000012";
const C: &str = "c3c3c3c3-0000-4000-8000-000000000013";

fn subnet(id: &str, cidr: &str, gateway: Option<&str>) -> SubnetWant {
    SubnetWant {
        id: id.to_owned(),
        cidr: cidr.to_owned(),
        gateway: gateway.map(|g| g.parse().unwrap()),
        dhcp: true,
        dns: Vec::new(),
        host_routes: Vec::new(),
    }
}

fn port(id: &str, mac: &str, subnet: &str, ip: &str) -> PortWant {
    PortWant {
        id: id.to_owned(),
        mac: mac.to_owned(),
        ips: vec![(subnet.to_owned(), ip.parse().unwrap())],
        hostname: "web".to_owned(),
        up: true,
        filtered: true,
        groups: vec!["web".to_owned()],
        attach: Attach::Tap,
        metadata: Vec::new(),
    }
}

fn rule(ingress: bool, protocol: Option<u8>, ports: Option<(u16, u16)>) -> RuleWant {
    RuleWant {
        ingress,
        protocol,
        ports,
        icmp_code: None,
        remote_cidr: None,
        remote_group: None,
    }
}

fn from_cidr(rule: RuleWant, cidr: &str) -> RuleWant {
    RuleWant {
        remote_cidr: Some(cidr.to_owned()),
        ..rule
    }
}

fn from_group(rule: RuleWant, group: &str) -> RuleWant {
    RuleWant {
        remote_group: Some(group.to_owned()),
        ..rule
    }
}

/// Two networks and a router. In the first, a guest, a probe without port security, and a port
/// that is down.
fn document() -> HostWant {
    let network = |id: &str, subnets, ports| NetworkWant {
        id: id.to_owned(),
        mtu: 1450,
        dns_domain: "a.test".to_owned(),
        subnets,
        ports,
    };
    let probe = PortWant {
        filtered: false,
        groups: Vec::new(),
        attach: Attach::Probe,
        ..port(B, "fa:16:3e:00:00:12", "s1", "10.0.0.12")
    };
    let down = PortWant {
        up: false,
        ..port(C, "fa:16:3e:00:00:13", "s1", "10.0.0.13")
    };
    let guest = port(A, "FA:16:3e:00:00:11", "s1", "10.0.0.11");
    let (one, two) = (
        "11111111-aaaa-4000-8000-000000000001",
        "22222222-bbbb-4000-8000-000000000002",
    );
    HostWant {
        networks: vec![
            network(
                one,
                vec![subnet("s1", "10.0.0.0/24", Some("10.0.0.1"))],
                vec![guest, probe, down],
            ),
            network(
                two,
                vec![subnet("s2", "10.1.0.0/24", Some("10.1.0.1"))],
                vec![],
            ),
        ],
        routers: vec![RouterWant {
            id: "33333333-cccc-4000-8000-000000000003".to_owned(),
            networks: vec![
                (one.to_owned(), vec!["10.0.0.0/24".to_owned()]),
                (two.to_owned(), vec!["10.1.0.0/24".to_owned()]),
            ],
        }],
        groups: vec![GroupWant {
            id: "web".to_owned(),
            members: vec![Ipv4Addr::new(10, 0, 0, 11), Ipv4Addr::new(10, 0, 0, 12)],
            rules: vec![
                rule(false, None, None),
                rule(true, Some(6), Some((80, 80))),
                from_group(rule(true, Some(6), Some((8000, 8080))), "web"),
                from_cidr(rule(true, Some(17), Some((53, 53))), "10.1.0.0/16"),
                rule(true, Some(1), Some((8, 0))),
                from_group(rule(true, Some(6), Some((22, 22))), "unknown"),
            ],
        }],
        ..HostWant::default()
    }
}

fn names() -> Names {
    Names::new("t").unwrap()
}

fn spaces(want: &HostWant) -> Spaces {
    let sifted = sift::sift(want);
    assert_eq!(sifted.errors, Vec::<String>::new());
    render::spaces(&names(), &sifted.want)
}

#[test]
fn filter_of_a_network() {
    let spaces = spaces(&document());
    assert_eq!(spaces["jy-t-n-11111111"].filter, golden::NETWORK);
}

#[test]
fn filter_of_a_router() {
    let spaces = spaces(&document());
    assert_eq!(spaces["jy-t-r-33333333"].filter, golden::ROUTER);
}

/// What becomes of one rule: the line in its group's chain, or nothing.
#[test]
fn rules_as_packets_see_them() {
    let cases = [
        (rule(true, None, None), "accept"),
        (rule(true, Some(6), None), "meta l4proto 6 accept"),
        (
            rule(true, Some(6), Some((1, 65_535))),
            "tcp dport 1-65535 accept",
        ),
        (rule(true, Some(132), Some((7, 7))), "sctp dport 7 accept"),
        (rule(true, Some(6), Some((9, 8))), ""),
        (rule(true, Some(47), Some((1, 1))), ""),
        (rule(true, None, Some((1, 1))), ""),
        (rule(true, Some(1), None), "meta l4proto 1 accept"),
        (
            rule(true, Some(1), Some((8, 0))),
            "icmp type 8 icmp code 0 accept",
        ),
        (rule(true, Some(1), Some((8, 8))), "icmp type 8 accept"),
        (rule(true, Some(1), Some((300, 0))), ""),
        (
            RuleWant {
                icmp_code: Some(4),
                ..rule(true, Some(1), Some((3, 3)))
            },
            "icmp type 3 icmp code 4 accept",
        ),
        (from_cidr(rule(true, None, None), "0.0.0.0/0"), "accept"),
        (
            from_cidr(rule(true, None, None), "10.0.0.7/8"),
            "ip saddr 10.0.0.0/8 accept",
        ),
        (from_cidr(rule(true, None, None), "::/0"), ""),
        (from_cidr(rule(true, None, None), "10.0.0.0/8; drop"), ""),
        (
            from_group(rule(true, Some(17), Some((53, 53))), "web"),
            "udp dport 53 ip saddr @g_web accept",
        ),
        (from_group(rule(true, None, None), "nobody"), ""),
    ];
    for (rule, line) in cases {
        let mut want = document();
        want.groups[0].rules = vec![rule.clone()];
        let text = nft::ruleset(&want.networks[0], &want.groups, &[]);
        let chain = text.split("chain g_web_in {\n").nth(1).unwrap();
        let chain = chain.split('}').next().unwrap().trim();
        assert_eq!(chain, line, "{rule:?}");
    }
}

fn show(steps: &[Step]) -> Vec<String> {
    let act = |step: &Step| match &step.act {
        Act::Remove => "remove".to_owned(),
        Act::Add => "add".to_owned(),
        Act::Sysctl(path, value) => format!("{path}={value}"),
        Act::Undo(line) | Act::Ip(line) => line.clone(),
        Act::Filter(_) => "filter".to_owned(),
    };
    let line = |step: &Step| format!("{} {}", step.space.trim_start_matches("jy-t-"), act(step));
    steps.iter().map(line).collect()
}

/// The kernel as it is when everything is as wanted.
fn as_wanted(want: &Spaces) -> Seen {
    let mut all = Seen::new();
    for (name, space) in want {
        let mut seen = SeenSpace {
            sysctls: space.sysctls.clone(),
            routes: space.routes.keys().cloned().collect(),
            neighbours: space.neighbours.keys().cloned().collect(),
            filter: Some(space.filter.clone()),
            ..SeenSpace::default()
        };
        for (device, link) in &space.links {
            seen.sysctls.extend(link.sysctls.iter().cloned());
            let kind = match link.kind {
                Kind::Loopback => "loopback",
                Kind::Tap => "tap",
                Kind::Veth(..) | Kind::VethEnd => "veth",
            };
            let link = SeenLink {
                index: 1,
                kind: kind.to_owned(),
                mac: link.mac.clone().unwrap_or_default(),
                mtu: link.mtu.unwrap_or(65_536),
                up: true,
                addrs: link.addrs.iter().cloned().collect(),
            };
            seen.links.insert(device.clone(), link);
        }
        all.insert(name.clone(), seen);
    }
    all
}

#[test]
fn what_is_right_is_left_alone() {
    let want = spaces(&document());
    assert_eq!(
        show(&plan::plan(&want, &as_wanted(&want))),
        Vec::<String>::new()
    );
}

/// From nothing: filters stand before devices, devices are up before routes.
#[test]
fn a_new_network() {
    let mut want = document();
    want.routers.clear();
    want.networks.truncate(1);
    want.networks[0].ports.truncate(1);
    let steps = show(&plan::plan(&spaces(&want), &Seen::new()));
    let steps: Vec<&str> = steps
        .iter()
        .filter(|s| !s.contains("/all/") && !s.contains("/default/"))
        .filter_map(|s| s.strip_prefix("n-11111111 "))
        .collect();
    let expected = [
        "add",
        "ipv4/ip_forward=1",
        "filter",
        "netfilter/nf_conntrack_acct=1",
        "netfilter/nf_conntrack_tcp_loose=0",
        "netfilter/nf_conntrack_timestamp=1",
        "tuntap add dev ta1a1a1a1000 mode tap",
        "addr add 169.254.169.254/32 dev lo noprefixroute",
        "link set dev lo up",
        "link set dev ta1a1a1a1000 address 02:fe:ee:ee:ee:ee",
        "link set dev ta1a1a1a1000 mtu 1450",
        "addr add 10.0.0.1/24 dev ta1a1a1a1000 noprefixroute",
        "ipv4/conf/ta1a1a1a1000/proxy_arp=1",
        "ipv4/conf/ta1a1a1a1000/rp_filter=1",
        "ipv4/neigh/ta1a1a1a1000/proxy_delay=0",
        "link set dev ta1a1a1a1000 up",
        "route add 10.0.0.11/32 dev ta1a1a1a1000",
        "route add blackhole 10.0.0.0/24 metric 4000",
        "neigh replace 10.0.0.11 lladdr fa:16:3e:00:00:11 dev ta1a1a1a1000 nud permanent",
    ];
    assert_eq!(steps, expected);
}

/// What a changed document means where the old one was in force.
#[test]
fn changes() {
    type Change = fn(&mut HostWant);
    let cases: [(&str, Change, &[&str]); 7] = [
        (
            "a group changes",
            |w| w.groups[0].rules.clear(),
            &["n-11111111 filter"],
        ),
        (
            "a port goes",
            |w| drop(w.networks[0].ports.remove(0)),
            &["n-11111111 link del dev ta1a1a1a1000", "n-11111111 filter"],
        ),
        (
            "port security goes",
            |w| w.networks[0].ports[0].filtered = false,
            &[
                "n-11111111 filter",
                "n-11111111 ipv4/conf/ta1a1a1a1000/rp_filter=0",
            ],
        ),
        (
            "a subnet comes",
            |w| {
                w.networks[1]
                    .subnets
                    .push(subnet("s3", "10.3.0.0/24", None))
            },
            &["n-22222222 route add blackhole 10.3.0.0/24 metric 4000"],
        ),
        (
            "a router goes",
            |w| w.routers.clear(),
            &[
                "r-33333333 remove",
                "n-11111111 link del dev r33333333ccc",
                "n-22222222 link del dev r33333333ccc",
                "n-11111111 filter",
                "n-22222222 filter",
            ],
        ),
        (
            "a MAC address changes",
            |w| w.networks[0].ports[0].mac = "fa:16:3e:00:00:77".to_owned(),
            &[
                "n-11111111 neigh del 10.0.0.11 dev ta1a1a1a1000",
                "n-11111111 filter",
                "n-11111111 neigh replace 10.0.0.11 lladdr fa:16:3e:00:00:77 \
                 dev ta1a1a1a1000 nud permanent",
            ],
        ),
        (
            "the document is empty",
            |w| *w = HostWant::default(),
            &[
                "n-11111111 remove",
                "n-22222222 remove",
                "p-b2b2b2b2 remove",
                "r-33333333 remove",
            ],
        ),
    ];
    let seen = as_wanted(&spaces(&document()));
    for (name, change, expected) in cases {
        let mut want = document();
        change(&mut want);
        assert_eq!(show(&plan::plan(&spaces(&want), &seen)), expected, "{name}");
    }
}

/// What is done about a kernel that is not as the document in force says.
#[test]
fn repairs() {
    type Damage = fn(&mut Seen);
    let cases: [(&str, Damage, &[&str]); 7] = [
        (
            "a device is down; its routes went with it",
            |s| {
                let space = s.get_mut("jy-t-p-b2b2b2b2").unwrap();
                space.links.get_mut("eth0").unwrap().up = false;
                space.routes.clear();
            },
            &[
                "p-b2b2b2b2 link set dev eth0 up",
                "p-b2b2b2b2 route add 10.0.0.0/24 dev eth0",
                "p-b2b2b2b2 route add default via 10.0.0.1 dev eth0",
            ],
        ),
        (
            "a stranger's device, address and route",
            |s| {
                let space = s.get_mut("jy-t-n-22222222").unwrap();
                // What the kernel put there stays, and hardware; a name alone is nobody's.
                let strangers = [
                    ("w", "dummy"),
                    ("x", "veth"),
                    ("y", "vxlan"),
                    ("tunl0", "ipip"),
                    ("ip6tnl0", "ip6tnl"),
                    ("sit0", "veth"),
                    ("gre0", "gretap"),
                    ("erspan0", ""),
                    ("eth1", ""),
                ];
                for (name, kind) in strangers {
                    let link = SeenLink {
                        kind: kind.to_owned(),
                        ..SeenLink::default()
                    };
                    space.links.insert(name.to_owned(), link);
                }
                space.routes.insert("10.9.0.0/24 dev x".to_owned());
                space
                    .routes
                    .insert("10.8.0.0/24 dev r33333333ccc".to_owned());
                let link = space.links.get_mut("r33333333ccc").unwrap();
                link.addrs.insert("10.8.0.1/24 with a route".to_owned());
            },
            &[
                "n-22222222 route del 10.8.0.0/24 dev r33333333ccc",
                "n-22222222 link del dev gre0",
                "n-22222222 link del dev sit0",
                "n-22222222 link del dev w",
                "n-22222222 link del dev x",
                "n-22222222 link del dev y",
                "n-22222222 addr del 10.8.0.1/24 dev r33333333ccc",
            ],
        ),
        (
            "the filter is not ours",
            |s| s.get_mut("jy-t-n-22222222").unwrap().filter = None,
            &["n-22222222 filter"],
        ),
        (
            "something filters what a probe sends",
            |s| s.get_mut("jy-t-p-b2b2b2b2").unwrap().filter = None,
            &["p-b2b2b2b2 filter"],
        ),
        (
            "a stale namespace",
            |s| drop(s.insert("jy-t-n-99999999".to_owned(), SeenSpace::default())),
            &["n-99999999 remove"],
        ),
        (
            "half a link",
            |s| {
                let space = s.get_mut("jy-t-r-33333333").unwrap();
                space.links.remove("n22222222bbb");
                space.routes.retain(|r| !r.contains("n22222222bbb"));
                space.neighbours.retain(|n| !n.contains("n22222222bbb"));
            },
            &[
                "n-22222222 link del dev r33333333ccc",
                "n-22222222 link add dev r33333333ccc type veth peer name n22222222bbb \
                 netns jy-t-r-33333333",
                "n-22222222 link set dev r33333333ccc address 02:fe:ee:ee:ee:ee",
                "n-22222222 link set dev r33333333ccc mtu 65535",
                "n-22222222 addr add 10.1.0.1/24 dev r33333333ccc noprefixroute",
                "n-22222222 ipv4/conf/r33333333ccc/rp_filter=1",
                "n-22222222 link set dev r33333333ccc up",
                "r-33333333 link set dev n22222222bbb address 02:fe:ee:ee:ee:ef",
                "r-33333333 link set dev n22222222bbb mtu 65535",
                "r-33333333 addr add 169.254.100.1/32 dev n22222222bbb noprefixroute",
                "r-33333333 ipv4/conf/n22222222bbb/rp_filter=1",
                "r-33333333 link set dev n22222222bbb up",
                "n-22222222 route add 10.0.0.0/24 via 169.254.100.1 dev r33333333ccc onlink",
                "n-22222222 neigh replace 169.254.100.1 lladdr 02:fe:ee:ee:ee:ef \
                 dev r33333333ccc nud permanent",
                "r-33333333 route add 10.1.0.0/24 via 169.254.100.2 dev n22222222bbb onlink",
                "r-33333333 neigh replace 169.254.100.2 lladdr 02:fe:ee:ee:ee:ee \
                 dev n22222222bbb nud permanent",
            ],
        ),
        (
            "a tap that is a veth",
            |s| {
                let space = s.get_mut("jy-t-n-11111111").unwrap();
                space.links.get_mut("tc3c3c3c3000").unwrap().kind = "veth".to_owned();
            },
            &[
                "n-11111111 link del dev tc3c3c3c3000",
                "n-11111111 tuntap add dev tc3c3c3c3000 mode tap",
                "n-11111111 link set dev tc3c3c3c3000 address 02:fe:ee:ee:ee:ee",
                "n-11111111 link set dev tc3c3c3c3000 mtu 1450",
                "n-11111111 addr add 10.0.0.1/24 dev tc3c3c3c3000 noprefixroute",
                "n-11111111 ipv4/conf/tc3c3c3c3000/proxy_arp=1",
                "n-11111111 ipv4/conf/tc3c3c3c3000/rp_filter=1",
                "n-11111111 ipv4/neigh/tc3c3c3c3000/proxy_delay=0",
                "n-11111111 link set dev tc3c3c3c3000 up",
                "n-11111111 route add 10.0.0.13/32 dev tc3c3c3c3000",
                "n-11111111 neigh replace 10.0.0.13 lladdr fa:16:3e:00:00:13 \
                 dev tc3c3c3c3000 nud permanent",
            ],
        ),
    ];
    let want = spaces(&document());
    for (name, damage, expected) in cases {
        let mut seen = as_wanted(&want);
        damage(&mut seen);
        assert_eq!(show(&plan::plan(&want, &seen)), expected, "{name}");
    }
}
