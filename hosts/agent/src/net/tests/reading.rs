//! What others wrote, read: documents with faults, the kernel's answers, connection tables.

use super::{A, B, C, document, from_cidr, from_group, port, rule, subnet};
use crate::net::flows::{self, Judge};
use crate::net::names::{self, Cidr, Names};
use crate::net::{seen, sift};
use jinyun_wire::{HostWant, NetworkWant, RuleWant};
use serde_json::json;

/// A fault in a document, and what is said about it.
#[test]
fn faults_in_documents() {
    type Fault = fn(&mut HostWant);
    let cases: [(&str, Fault); 12] = [
        ("Port a: `zz` is no MAC address.", |w| {
            port_a(w).mac = "zz".to_owned()
        }),
        (
            "Port a: 01:00:00:00:00:00 cannot be a port's address.",
            |w| {
                port_a(w).mac = "01:00:00:00:00:00".to_owned();
            },
        ),
        ("Port a: its subnet s9 is not carried.", |w| {
            port_a(w).ips[0].0 = "s9".to_owned();
        }),
        ("Port a: 10.9.0.11 is not in 10.0.0.0/24.", |w| {
            port_a(w).ips[0].1 = [10, 9, 0, 11].into();
        }),
        ("Port a: 10.0.0.1 is the gateway.", |w| {
            port_a(w).ips[0].1 = [10, 0, 0, 1].into();
        }),
        ("Port b: another port has 10.0.0.11.", |w| {
            w.networks[0].ports[1].ips[0].1 = [10, 0, 0, 11].into();
        }),
        ("Subnet s1: `10.0.0.0/33` is no IPv4 range.", |w| {
            w.networks[0].subnets[0].cidr = "10.0.0.0/33".to_owned();
        }),
        (
            "Subnet s1: the gateway 10.0.0.1 is not in 10.7.0.0/24.",
            |w| {
                w.networks[0].subnets[0].cidr = "10.7.0.0/24".to_owned();
            },
        ),
        ("Subnet s1b: 10.0.0.0/16 overlaps subnet s1.", |w| {
            let other = subnet("s1b", "10.0.0.0/16", None);
            w.networks[0].subnets.push(other);
        }),
        (
            "Network 11111111-x: another network has the same first 8 digits.",
            |w| {
                let other = NetworkWant {
                    id: "11111111-x".to_owned(),
                    ports: Vec::new(),
                    ..w.networks[0].clone()
                };
                w.networks.push(other);
            },
        ),
        ("Router r: `no` is no IPv4 range.", |w| {
            w.routers[0].networks[0].1.push("no".to_owned());
        }),
        ("Network 22222222: 9 is no usable MTU.", |w| {
            w.networks[1].mtu = 9
        }),
    ];
    for (expected, fault) in cases {
        let mut want = document();
        want.routers[0].id = "r".to_owned();
        want.networks[0].ports[0].id = "a".to_owned();
        want.networks[0].ports[1].id = "b".to_owned();
        for network in &mut want.networks {
            network.id.truncate(8);
        }
        for (network, _) in &mut want.routers[0].networks {
            network.truncate(8);
        }
        fault(&mut want);
        let sifted = sift::sift(&want);
        let ports = sifted.ports.values().map(|f| f.why.clone());
        let told: Vec<String> = sifted.errors.iter().cloned().chain(ports).collect();
        assert!(told.iter().any(|t| t == expected), "{expected}: {told:?}");
    }
}

fn port_a(want: &mut HostWant) -> &mut jinyun_wire::PortWant {
    &mut want.networks[0].ports[0]
}

#[test]
fn what_is_kept_is_canonical() {
    let mut want = document();
    want.networks[0].subnets[0].cidr = "10.0.0.77/24".to_owned();
    let sifted = sift::sift(&want);
    assert_eq!(sifted.want.networks[0].ports[0].mac, "fa:16:3e:00:00:11");
    assert_eq!(sifted.want.networks[0].subnets[0].cidr, "10.0.0.0/24");
}

#[test]
fn ranges() {
    let parse = |text| Cidr::parse(text).map(|c| c.to_string());
    assert_eq!(parse("10.0.0.1"), Some("10.0.0.1/32".to_owned()));
    assert_eq!(parse("1.2.3.4/0"), Some("0.0.0.0/0".to_owned()));
    for text in [
        "",
        "10.0.0.0/",
        "10.0.0/8",
        "fe80::/10",
        "10.0.0.0/8 ",
        "010.0.0.0/8",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
    assert_eq!(names::mac("fa:16:3e:00:00:0"), None);
    assert_eq!(names::mac("fa:16:3e:00:00:+f"), None);
    assert_eq!(names::mac("fa:16:3e:00:00:11:22"), None);
}

#[test]
fn names_are_safe_and_short() {
    assert_eq!(names::port_device(A), "ta1a1a1a1000");
    assert_eq!(names::port_device("../../x;y"), "txy");
    for instance in ["", "Upper", "a-b", "thirteenchars", "a b"] {
        assert!(Names::new(instance).is_err(), "{instance}");
    }
}

/// As `ip -j -d addr show` of iproute2 6.1 prints a tap, a veth and `lo`.
#[test]
fn links_as_printed() {
    let json = json!([
        {"ifindex": 1, "ifname": "lo", "flags": ["LOOPBACK", "UP", "LOWER_UP"], "mtu": 65536,
         "link_type": "loopback", "address": "00:00:00:00:00:00", "addr_info": [
            {"family": "inet", "local": "127.0.0.1", "prefixlen": 8},
            {"family": "inet", "local": "169.254.169.254", "prefixlen": 32, "noprefixroute": true},
            {"family": "inet6", "local": "::1", "prefixlen": 128}]},
        {"ifindex": 2, "ifname": "t1", "flags": ["NO-CARRIER", "BROADCAST", "UP"], "mtu": 1450,
         "link_type": "ether", "address": "02:fe:ee:ee:ee:ee",
         "linkinfo": {"info_kind": "tun", "info_data": {"type": "tap", "persist": true}},
         "addr_info": [{"family": "inet", "local": "10.0.0.1", "prefixlen": 24}]},
        {"ifindex": 3, "ifname": "v1", "flags": ["BROADCAST"], "mtu": 1500,
         "link_type": "ether", "address": "02:00:00:00:00:01",
         "linkinfo": {"info_kind": "veth"}, "addr_info": []},
    ]);
    let links = seen::links(&json);
    let shown: Vec<String> = links
        .iter()
        .map(|(name, l)| {
            let addrs: Vec<&str> = l.addrs.iter().map(String::as_str).collect();
            format!(
                "{name} {} {} {} {} {}",
                l.index,
                l.kind,
                l.mtu,
                l.up,
                addrs.join(",")
            )
        })
        .collect();
    let expected = [
        "lo 1 loopback 65536 true 169.254.169.254/32",
        "t1 2 tap 1450 true 10.0.0.1/24 with a route",
        "v1 3 veth 1500 false ",
    ];
    assert_eq!(shown, expected);
}

/// Routes and neighbours are read in the words in which they were added.
#[test]
fn routes_as_printed() {
    let json = json!([
        {"type": "blackhole", "dst": "10.0.0.0/24", "metric": 4000, "flags": []},
        {"dst": "10.0.0.11", "dev": "t1", "scope": "link", "flags": ["linkdown"]},
        {"dst": "10.1.0.0/24", "gateway": "169.254.100.1", "dev": "r1", "flags": ["onlink"]},
        {"dst": "default", "gateway": "10.0.0.1", "dev": "eth0", "flags": []},
    ]);
    let routes: Vec<String> = seen::routes(&json).into_iter().collect();
    let expected = [
        "10.0.0.11/32 dev t1",
        "10.1.0.0/24 via 169.254.100.1 dev r1 onlink",
        "blackhole 10.0.0.0/24 metric 4000",
        "default via 10.0.0.1 dev eth0",
    ];
    assert_eq!(routes, expected);
    let json = json!([{"dst": "10.0.0.11", "dev": "t1", "lladdr": "fa:16:3e:00:00:11",
        "state": ["PERMANENT"]}]);
    let neighbours: Vec<String> = seen::neighbours(&json).into_iter().collect();
    assert_eq!(neighbours, ["10.0.0.11 lladdr fa:16:3e:00:00:11 dev t1"]);
}

const TCP: &str = "tcp      6 431999 ESTABLISHED src=10.0.0.11 dst=10.0.0.14 sport=33996 dport=80 \
    packets=3 bytes=165 src=10.0.0.14 dst=10.0.0.11 sport=80 dport=33996 packets=2 bytes=112 \
    [ASSURED] mark=0 delta-time=7 use=1";
const PING: &str = "icmp     1 28 src=10.0.0.11 dst=10.0.0.14 type=8 code=0 id=24579 packets=1 \
    bytes=84 src=10.0.0.14 dst=10.0.0.11 type=0 code=0 id=24579 packets=1 bytes=84 mark=0 use=1";
const METADATA: &str = "tcp      6 99 TIME_WAIT src=10.0.0.11 dst=169.254.169.254 sport=5 dport=80 \
    src=169.254.169.254 dst=10.0.0.11 sport=80 dport=5 [ASSURED] mark=0 use=1";
const GRE: &str = "unknown  47 599 src=10.1.0.9 dst=10.0.0.14 packets=1 bytes=28 [UNREPLIED] \
    src=10.0.0.14 dst=10.1.0.9 packets=0 bytes=0 mark=0 use=1";

#[test]
fn connections_as_printed() {
    let forget = |line| flows::forget(&flows::parse(line).unwrap());
    assert_eq!(
        forget(TCP),
        "-D -p 6 -s 10.0.0.11 -d 10.0.0.14 --sport 33996 --dport 80"
    );
    assert_eq!(
        forget(PING),
        "-D -p 1 -s 10.0.0.11 -d 10.0.0.14 --icmp-type 8 --icmp-code 0 --icmp-id 24579"
    );
    assert_eq!(forget(GRE), "-D -p 47 -s 10.1.0.9 -d 10.0.0.14");
    assert_eq!(
        flows::parse("conntrack v1.4.7 (conntrack-tools): 1 flow entries"),
        None
    );
}

/// Which connections survive which rules. A guest at 10.0.0.11 and one at 10.0.0.14, both in the
/// group; 10.1.0.9 is beyond a router.
#[test]
fn connections_end_with_their_rules() {
    let out = rule(false, None, None);
    let tcp = |low, high| rule(true, Some(6), Some((low, high)));
    let any = rule(true, None, None);
    let cases: [(&str, Vec<RuleWant>, &[&str]); 8] = [
        ("nothing allowed", vec![], &[METADATA]),
        ("out alone is half", vec![out.clone()], &[METADATA]),
        ("in alone is half", vec![any.clone()], &[METADATA, GRE]),
        (
            "all",
            vec![out.clone(), any.clone()],
            &[TCP, PING, METADATA, GRE],
        ),
        ("the port", vec![out.clone(), tcp(80, 80)], &[TCP, METADATA]),
        ("another port", vec![out.clone(), tcp(81, 90)], &[METADATA]),
        (
            "a range",
            vec![out.clone(), from_cidr(any.clone(), "10.1.0.0/16")],
            &[METADATA, GRE],
        ),
        (
            "members",
            vec![out, from_group(any, "web")],
            &[TCP, PING, METADATA],
        ),
    ];
    for (name, rules, survive) in cases {
        let mut want = document();
        let mut other = port(C, "fa:16:3e:00:00:14", "s1", "10.0.0.14");
        other.up = true;
        want.networks[0].ports[2] = other;
        want.groups[0].rules = rules;
        let judge = Judge::new(&want.networks[0], &want.groups);
        let all = [TCP, PING, METADATA, GRE].into_iter();
        let left: Vec<&str> = all
            .filter(|line| judge.allows(&flows::parse(line).unwrap()))
            .collect();
        assert_eq!(left, survive, "{name}");
    }
}

/// Port security off lets everything through; a port that is down, nothing.
#[test]
fn connections_of_ports_without_rules() {
    let mut want = document();
    want.networks[0].ports[1].id = B.to_owned();
    want.networks[0].ports[0].filtered = false;
    let allows = |want: &HostWant, line| {
        let judge = Judge::new(&want.networks[0], &want.groups);
        judge.allows(&flows::parse(line).unwrap())
    };
    assert!(allows(&want, TCP));
    want.networks[0].ports[0].up = false;
    assert!(!allows(&want, TCP));
    assert!(!allows(&want, METADATA));
}
