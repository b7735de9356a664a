//! What the tests share: the holes that are opened for each attack, and the document in which.
#![allow(dead_code)]

use jinyun_agent::net::Net;
use jinyun_evidence::attack::{OPEN_TCP, OPEN_UDP, Posts, SHUT_TCP, Seat};
use jinyun_wire::{
    Attach, GroupWant, HostWant, NetworkWant, PortWant, RouterWant, RuleWant, SubnetWant,
};
use std::net::Ipv4Addr;
use std::process::Command;

/// A sabotage: opens exactly the hole that an attack looks for.
pub type Hole = fn(&mut Bench);

/// By the attack's name. The test that wants one for each check reads this table too.
pub const HOLES: &[(&str, Hole)] = &[
    ("spoofed-mac", |bench| bench.believe("inet", false)),
    ("spoofed-ip", |bench| bench.believe("inet", true)),
    ("spoofed-arp", |bench| bench.believe("arp", true)),
    ("closed-port", |bench| {
        let (space, chain) = (bench.space(A), format!("in_{}", device(RECEIVER)));
        let port = SHUT_TCP.to_string();
        nft(&space, &["insert", "rule", "inet", "jinyun", &chain, "tcp", "dport", &port, "accept"]);
    }),
    ("other-network", |bench| bench.join(B, "198.51.100.0/24")),
    ("other-tenant", |bench| bench.join(C, "203.0.113.0/24")),
];

pub const A: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const B: &str = "bbbbbbbb-0000-4000-8000-000000000000";
const C: &str = "cccccccc-0000-4000-8000-000000000000";
const SENDER: &str = "a1a1a1a1-0000-4000-8000-000000000001";
const RECEIVER: &str = "a2a2a2a2-0000-4000-8000-000000000002";
const MUTE: &str = "a3a3a3a3-0000-4000-8000-000000000003";
const OTHER: &str = "b1b1b1b1-0000-4000-8000-000000000001";
const OTHER_MATE: &str = "b2b2b2b2-0000-4000-8000-000000000002";
const FOREIGN: &str = "c1c1c1c1-0000-4000-8000-000000000001";
const FOREIGN_MATE: &str = "c2c2c2c2-0000-4000-8000-000000000002";

/// A port's device, as the agent names it.
pub fn device(port: &str) -> String {
    format!("t{}", port.replace('-', "").chars().take(11).collect::<String>())
}

fn run(program: &str, args: &[&str]) {
    let done = Command::new(program).args(args).output().unwrap();
    let says = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?}: {says}");
}

pub fn nft(space: &str, args: &[&str]) {
    run("ip", &[&["netns", "exec", space, "nft"], args].concat());
}

fn seat(id: &str, last: u8, ip: [u8; 4]) -> Seat {
    Seat { id: id.into(), mac: format!("fa:16:3e:00:00:{last:02x}"), ip: Ipv4Addr::from(ip) }
}

/// The posts of the attacks.
pub fn posts() -> Posts {
    Posts {
        sender: seat(SENDER, 1, [192, 0, 2, 11]),
        receiver: seat(RECEIVER, 2, [192, 0, 2, 12]),
        mute: seat(MUTE, 3, [192, 0, 2, 13]),
        other: seat(OTHER, 4, [198, 51, 100, 11]),
        other_mate: seat(OTHER_MATE, 5, [198, 51, 100, 12]),
        // Not the sender's range: a router could not join them, and the hole could not be opened.
        foreign: seat(FOREIGN, 6, [203, 0, 113, 31]),
        foreign_mate: seat(FOREIGN_MATE, 7, [203, 0, 113, 12]),
    }
}

fn port(seat: &Seat, group: &str) -> PortWant {
    PortWant {
        id: seat.id.clone(),
        mac: seat.mac.clone(),
        ips: vec![("s".into(), seat.ip)],
        hostname: format!("host-{}", &seat.id[..2]),
        up: true,
        filtered: true,
        groups: vec![group.into()],
        attach: Attach::Probe,
        metadata: Vec::new(),
    }
}

fn network(id: &str, cidr: &str, gateway: [u8; 4], ports: Vec<PortWant>) -> NetworkWant {
    NetworkWant {
        id: id.into(),
        mtu: 1450,
        dns_domain: String::new(),
        subnets: vec![SubnetWant {
            id: "s".into(),
            cidr: cidr.into(),
            gateway: Some(Ipv4Addr::from(gateway)),
            dhcp: false,
            dns: Vec::new(),
            host_routes: Vec::new(),
        }],
        ports,
    }
}

fn rule(ingress: bool, protocol: Option<u8>, port: Option<u16>) -> RuleWant {
    RuleWant {
        ingress,
        protocol,
        ports: port.map(|port| (port, port)),
        icmp_code: None,
        remote_cidr: None,
        remote_group: None,
    }
}

fn document() -> HostWant {
    let at = posts();
    HostWant {
        generation: 1,
        networks: vec![
            network(A, "192.0.2.0/24", [192, 0, 2, 1],
                vec![port(&at.sender, "open"), port(&at.receiver, "open"), port(&at.mute, "shut")]),
            network(B, "198.51.100.0/24", [198, 51, 100, 1],
                vec![port(&at.other, "open"), port(&at.other_mate, "open")]),
            network(C, "203.0.113.0/24", [203, 0, 113, 1],
                vec![port(&at.foreign, "open"), port(&at.foreign_mate, "open")]),
        ],
        groups: vec![
            GroupWant {
                id: "open".into(),
                members: Vec::new(),
                rules: vec![
                    rule(false, None, None),
                    rule(true, Some(17), Some(OPEN_UDP)),
                    rule(true, Some(6), Some(OPEN_TCP)),
                ],
            },
            GroupWant { id: "shut".into(), members: Vec::new(), rules: Vec::new() },
        ],
        ..HostWant::default()
    }
}

/// An instance's networks on this machine, gone with the test.
pub struct Bench {
    instance: String,
    pub net: Net,
    want: HostWant,
}

impl Bench {
    pub fn new(letter: char) -> Bench {
        let instance = format!("e{letter}{}", std::process::id() % 1_000_000);
        Net::remove_all(&instance).unwrap();
        let net = Net::new(&instance).unwrap();
        let mut bench = Bench { instance, net, want: document() };
        bench.mend();
        bench
    }

    /// Brings everything to where it should be, and looks at all of it.
    pub fn mend(&mut self) {
        self.want = document();
        // What somebody changed is seen by the first pass and mended by the next.
        for _ in 0..4 {
            self.net.look_closely();
            self.net.converge(&self.want);
        }
        let report = self.net.converge(&self.want);
        assert!(report.converged, "{report:#?}");
    }

    /// Changes the document and brings everything to where it should be then.
    pub fn change(&mut self, edit: impl FnOnce(&mut HostWant)) {
        edit(&mut self.want);
        let report = self.net.converge(&self.want);
        assert!(report.converged, "{report:#?}");
    }

    /// A network's namespace.
    pub fn space(&self, network: &str) -> String {
        format!("jy-{}-n-{}", self.instance, &network[..8])
    }

    /// Whatever the sender claims is believed.
    fn believe(&mut self, family: &str, any_source: bool) {
        let (space, device) = (self.space(A), device(SENDER));
        let chain = format!("as_{device}");
        nft(&space, &["flush", "chain", family, "jinyun", &chain]);
        nft(&space, &["add", "rule", family, "jinyun", &chain, "accept"]);
        if any_source {
            // The second line of defence: the kernel's own check of sources.
            let write = format!("echo 0 > /proc/sys/net/ipv4/conf/{device}/rp_filter");
            run("ip", &["netns", "exec", &space, "sh", "-c", &write]);
        }
    }

    /// Joins a network to the sender's.
    fn join(&mut self, other: &str, range: &str) {
        self.want.routers.push(RouterWant {
            id: "eeeeeeee-0000-4000-8000-000000000000".into(),
            networks: vec![
                (A.into(), vec!["192.0.2.0/24".into()]),
                (other.into(), vec![range.into()]),
            ],
        });
        let report = self.net.converge(&self.want);
        assert!(report.converged, "{report:#?}");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = Net::remove_all(&self.instance);
    }
}
