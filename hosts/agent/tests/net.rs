//! The data plane on a real kernel: documents in, packets out.
//!
//! These need root and run when `JINYUN_ROOT_TESTS` is set (`make test` sets it). Each test has an
//! instance of its own and removes it, also when it fails. Whatever must not arrive is sent again
//! with exactly the hole open that would let it through: a test that cannot fail proves nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

use dhcproto::v4::{Decodable, Decoder, DhcpOption, Encodable, Message, MessageType};
use jinyun_agent::net::{Net, NetReport};
use jinyun_wire::{
    Answer, Attach, GroupWant, HostWant, NetworkWant, PortWant, Probe, RouterWant, RuleWant,
    SubnetWant,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// An instance that goes away with the test.
struct Bench {
    instance: String,
    net: Net,
}

impl Bench {
    /// `None` where root tests are not wanted.
    fn new(letter: char) -> Option<Bench> {
        if std::env::var_os("JINYUN_ROOT_TESTS").is_none() {
            eprintln!("skipped: needs root; set JINYUN_ROOT_TESTS=1");
            return None;
        }
        let instance = format!("t{letter}{}", std::process::id() % 1_000_000);
        Net::remove_all(&instance).unwrap();
        let net = Net::new(&instance).unwrap();
        Some(Bench { instance, net })
    }

    /// A pass that must succeed, and a second that must find nothing to do.
    fn converge(&mut self, want: &HostWant) -> NetReport {
        let report = self.net.converge(want);
        assert!(report.converged, "{report:#?}");
        assert!(self.net.converge(want).converged);
        report
    }

    fn space(&self, kind: char, id: &str) -> String {
        format!("jy-{}-{kind}-{}", self.instance, &id[..8])
    }

    fn spaces(&self) -> Vec<String> {
        let prefix = format!("jy-{}-", self.instance);
        let names = std::fs::read_dir("/run/netns").unwrap();
        let names = names.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|n| n.starts_with(&prefix)).collect()
    }

    /// Whether a datagram arrives, sent with these claims.
    fn frame(&self, from: &str, to: &str, mac: Option<&str>, ip: Option<[u8; 4]>) -> bool {
        arrived(&self.ask(from, to, mac, ip))
    }

    fn ask(&self, from: &str, to: &str, mac: Option<&str>, ip: Option<[u8; 4]>) -> Answer {
        self.net.probe(&Probe::Frame {
            from: from.to_owned(),
            to: to.to_owned(),
            mac: mac.map(str::to_owned),
            ip: ip.map(Ipv4Addr::from),
            udp: 5000,
            nonce: format!("{from} to {to}"),
        })
    }

    fn arp(&self, from: &str, ip: Option<[u8; 4]>) -> bool {
        arrived(&self.net.probe(&Probe::Arp {
            from: from.to_owned(),
            ip: ip.map(Ipv4Addr::from),
        }))
    }

    fn reach(&self, from: &str, ip: [u8; 4], tcp: u16) -> bool {
        arrived(&self.net.probe(&Probe::Reach {
            from: from.to_owned(),
            ip: ip.into(),
            tcp,
        }))
    }

    fn shout(&self, from: &str, to: &str) -> bool {
        arrived(&self.net.probe(&Probe::Shout {
            from: from.to_owned(),
            to: to.to_owned(),
            udp: 68,
            nonce: format!("{from} to all"),
        }))
    }

    fn session(&self, probe: fn(String) -> Probe) -> Answer {
        self.net.probe(&probe("s".to_owned()))
    }

    fn connect(&self, from: &str, to: &str, tcp: u16) -> bool {
        arrived(&self.net.probe(&Probe::Connect {
            from: from.to_owned(),
            to: to.to_owned(),
            ip: None,
            tcp,
            nonce: "hello".to_owned(),
        }))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = Net::remove_all(&self.instance);
    }
}

fn arrived(answer: &Answer) -> bool {
    match answer {
        Answer::Probe { arrived, .. } => *arrived,
        other => panic!("{other:?}"),
    }
}

/// Does `work` in a namespace.
fn inside<T: Send>(space: &str, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{space}")).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            nix::sched::setns(&file, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

fn devices(space: &str) -> BTreeMap<String, u32> {
    inside(space, || {
        let all = nix::net::if_::if_nameindex().unwrap();
        all.iter()
            .map(|i| (i.name().to_str().unwrap().to_owned(), i.index()))
            .collect()
    })
}

const A1: &str = "a1a1a1a1-0000-4000-8000-000000000001";
const A2: &str = "a2a2a2a2-0000-4000-8000-000000000002";
const A3: &str = "a3a3a3a3-0000-4000-8000-000000000003";
const B1: &str = "b1b1b1b1-0000-4000-8000-000000000001";
const C1: &str = "c1c1c1c1-0000-4000-8000-000000000001";
const C2: &str = "c2c2c2c2-0000-4000-8000-000000000002";
const NET_A: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const NET_B: &str = "bbbbbbbb-0000-4000-8000-000000000000";
const NET_C: &str = "cccccccc-0000-4000-8000-000000000000";
const MAC_1: &str = "fa:16:3e:00:00:01";
const MAC_2: &str = "fa:16:3e:00:00:02";
const MAC_3: &str = "fa:16:3e:00:00:03";

fn port(id: &str, mac: &str, ip: [u8; 4]) -> PortWant {
    PortWant {
        id: id.to_owned(),
        mac: mac.to_owned(),
        ips: vec![("s".to_owned(), ip.into())],
        hostname: format!("host-{}", &id[..2]),
        up: true,
        filtered: true,
        groups: vec!["g".to_owned()],
        attach: Attach::Probe,
        metadata: vec![("openstack/latest/meta_data.json".to_owned(), id.to_owned())],
    }
}

fn network(id: &str, third: u8, ports: Vec<PortWant>) -> NetworkWant {
    NetworkWant {
        id: id.to_owned(),
        mtu: 1450,
        dns_domain: "jinyun.test".to_owned(),
        subnets: vec![SubnetWant {
            id: "s".to_owned(),
            cidr: format!("10.0.{third}.0/24"),
            gateway: Some(Ipv4Addr::new(10, 0, third, 1)),
            dhcp: true,
            dns: Vec::new(),
            host_routes: Vec::new(),
        }],
        ports,
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

/// Three ports in network A, one in B; two in C, which has A's range. Out goes everything; in, a
/// datagram to port 5000 and a connection to port 80.
fn document() -> HostWant {
    HostWant {
        generation: 1,
        networks: vec![
            network(
                NET_A,
                0,
                vec![
                    port(A1, MAC_1, [10, 0, 0, 11]),
                    port(A2, MAC_2, [10, 0, 0, 12]),
                    port(A3, MAC_3, [10, 0, 0, 13]),
                ],
            ),
            network(NET_B, 1, vec![port(B1, MAC_1, [10, 0, 1, 11])]),
            network(
                NET_C,
                0,
                vec![
                    port(C1, MAC_1, [10, 0, 0, 11]),
                    port(C2, MAC_2, [10, 0, 0, 12]),
                ],
            ),
        ],
        groups: vec![GroupWant {
            id: "g".to_owned(),
            members: Vec::new(),
            rules: vec![
                rule(false, None, None),
                rule(true, Some(17), Some((5000, 5000))),
                rule(true, Some(6), Some((80, 80))),
            ],
        }],
        ..HostWant::default()
    }
}

fn join(a: &str, b: &str) -> RouterWant {
    RouterWant {
        id: "eeeeeeee-0000-4000-8000-000000000000".to_owned(),
        networks: vec![
            (a.to_owned(), vec!["10.0.0.0/24".to_owned()]),
            (b.to_owned(), vec!["10.0.1.0/24".to_owned()]),
        ],
    }
}

#[test]
fn groups_decide_and_lies_do_not_pass() {
    let Some(mut bench) = Bench::new('a') else {
        return;
    };
    let mut want = document();
    bench.converge(&want);
    assert!(bench.frame(A1, A2, None, None));
    assert!(bench.connect(A1, A2, 80));
    assert!(!bench.connect(A1, A2, 81));
    assert!(bench.arp(A1, None));
    // Another's MAC, another's address, nobody's address; in frames and in ARP.
    assert!(!bench.frame(A1, A2, Some(MAC_3), None));
    assert!(!bench.frame(A1, A2, None, Some([10, 0, 0, 13])));
    assert!(!bench.frame(A1, A2, None, Some([10, 0, 0, 99])));
    assert!(!bench.arp(A1, Some([10, 0, 0, 13])));
    // The control: without port security the same lies pass.
    want.networks[0].ports[0].filtered = false;
    bench.converge(&want);
    assert!(bench.frame(A1, A2, Some(MAC_3), None));
    assert!(bench.frame(A1, A2, None, Some([10, 0, 0, 13])));
    assert!(bench.frame(A1, A2, None, Some([10, 0, 0, 99])));
    assert!(bench.arp(A1, Some([10, 0, 0, 13])));
    // No groups: nothing in, nothing out. Down: not even ARP.
    want.networks[0].ports[0].filtered = true;
    want.networks[0].ports[0].groups.clear();
    bench.converge(&want);
    assert!(!bench.frame(A1, A2, None, None));
    assert!(!bench.frame(A2, A1, None, None));
    assert!(bench.arp(A1, None));
    want.networks[0].ports[0].up = false;
    bench.converge(&want);
    assert!(!bench.arp(A1, None));
}

/// Says so when it goes.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Programs that are just starting hold copies of a probe's sockets; somebody who listens there for
/// good is another matter.
#[test]
fn a_starting_program_takes_no_port_from_a_probe_and_a_squatter_is_named() {
    let Some(mut bench) = Bench::new('w') else {
        return;
    };
    bench.converge(&document());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert!(Command::new("true").status().unwrap().success());
                }
            });
        }
        // Also when a probe below panics.
        let _ended = Ends(&done);
        for _ in 0..300 {
            assert!(bench.frame(A1, A2, None, None));
            assert!(bench.connect(A1, A2, 80));
        }
    });
    let there = bench.space('p', A2);
    let squatter = inside(&there, || UdpSocket::bind("0.0.0.0:5000")).unwrap();
    let answer = bench.ask(A1, A2, None, None);
    let named = matches!(&answer, Answer::Failed { why } if why.contains("in use"));
    assert!(named, "{answer:?}");
    drop(squatter);
    assert!(bench.frame(A1, A2, None, None));
}

#[test]
fn members_of_a_group_are_its_addresses() {
    let Some(mut bench) = Bench::new('b') else {
        return;
    };
    let mut want = document();
    want.groups[0].members = vec![Ipv4Addr::new(10, 0, 0, 11)];
    want.groups[0].rules[1].remote_group = Some("g".to_owned());
    bench.converge(&want);
    assert!(bench.frame(A1, A2, None, None));
    assert!(!bench.frame(A3, A2, None, None));
    want.groups[0].members.push(Ipv4Addr::new(10, 0, 0, 13));
    bench.converge(&want);
    assert!(bench.frame(A3, A2, None, None));
}

/// A session that is open ends with the rule that allowed it, and no other does.
#[test]
fn closing_a_port_ends_its_sessions() {
    let Some(mut bench) = Bench::new('c') else {
        return;
    };
    let mut want = document();
    want.groups[0]
        .rules
        .push(rule(true, Some(6), Some((90, 90))));
    bench.converge(&want);
    let (from, to) = (bench.space('p', A1), bench.space('p', A2));
    let open = |port: u16| {
        let listener = inside(&to, || {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap()
        });
        let client = inside(&from, || {
            TcpStream::connect((Ipv4Addr::new(10, 0, 0, 12), port))
        });
        (client.unwrap(), listener.accept().unwrap().0)
    };
    let passes = |(client, server): &mut (TcpStream, TcpStream)| {
        let wait = Some(Duration::from_millis(700));
        client.set_read_timeout(wait).unwrap();
        server.set_read_timeout(wait).unwrap();
        let mut byte = [0];
        let there = client.write_all(b"a").is_ok() && server.read_exact(&mut byte).is_ok();
        let back = server.write_all(b"b").is_ok() && client.read_exact(&mut byte).is_ok();
        (there, back)
    };
    let (mut web, mut other) = (open(80), open(90));
    assert_eq!(passes(&mut web), (true, true));
    assert_eq!(passes(&mut other), (true, true));
    want.groups[0].rules.remove(2);
    bench.converge(&want);
    assert_eq!(passes(&mut web), (false, false));
    assert_eq!(passes(&mut other), (true, true));
}

fn hold(session: String) -> Probe {
    Probe::Hold {
        from: A1.to_owned(),
        to: A2.to_owned(),
        tcp: 80,
        session,
    }
}

fn pass(session: String) -> Probe {
    Probe::Pass {
        session,
        nonce: "hello".to_owned(),
    }
}

/// A port that is switched off ends what was open through it, both ways, and nothing else.
#[test]
fn a_port_that_is_cut_keeps_no_session() {
    let Some(mut bench) = Bench::new('j') else {
        return;
    };
    let mut want = document();
    bench.converge(&want);
    assert!(arrived(&bench.session(hold)));
    assert!(arrived(&bench.session(pass)));
    // A second one of the same name is no answer.
    assert!(matches!(bench.session(hold), Answer::Failed { .. }));
    // It outlives passes that change nothing about it.
    want.networks[1].ports.clear();
    bench.converge(&want);
    assert!(arrived(&bench.session(pass)));
    want.networks[0].ports[1].up = false;
    bench.converge(&want);
    assert!(!arrived(&bench.session(pass)));
    assert!(!bench.frame(A1, A2, None, None) && !bench.frame(A2, A1, None, None));
    assert!(bench.frame(A1, A3, None, None));
    want.networks[0].ports[1].up = true;
    bench.converge(&want);
    assert!(bench.frame(A1, A2, None, None) && bench.connect(A2, A1, 80));
    let closed = bench.session(|session| Probe::Close { session });
    assert!(arrived(&closed));
    assert!(matches!(bench.session(pass), Answer::Failed { .. }));
}

/// From a port nothing answers but what is meant for it; nobody hears what is for everybody.
#[test]
fn a_guest_reaches_the_metadata_service_and_nothing_else_of_the_host() {
    let Some(mut bench) = Bench::new('k') else {
        return;
    };
    bench.converge(&document());
    let loopback = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = loopback.local_addr().unwrap().port();
    assert!(bench.reach(A1, [169, 254, 169, 254], 80));
    for (ip, tcp) in [
        ([127, 0, 0, 1], port),
        ([10, 0, 0, 1], 22),
        ([10, 0, 1, 1], 80),
        ([198, 51, 100, 1], 443),
    ] {
        assert!(!bench.reach(A1, ip, tcp), "{ip:?} {tcp}");
    }
    assert!(!bench.shout(A1, A2));
    let space = bench.space('n', NET_A);
    let nft = |args: &[&str]| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &space, "nft"]).args(args);
        assert!(command.status().unwrap().success(), "{args:?}");
    };
    // The controls: a door in the filter is found, and a shortcut between two ports.
    let door = [
        "insert", "rule", "inet", "jinyun", "input", "tcp", "dport", "22", "accept",
    ];
    nft(&door);
    assert!(bench.reach(A1, [10, 0, 0, 1], 22));
    nft(&["add", "table", "netdev", "h"]);
    let chain = "add chain netdev h i { type filter hook ingress device ta1a1a1a1000 \
                 priority 0 ; policy accept ; }";
    nft(&chain.split(' ').collect::<Vec<&str>>());
    let bridge = "add rule netdev h i fwd to ta2a2a2a2000";
    nft(&bridge.split(' ').collect::<Vec<&str>>());
    assert!(bench.shout(A1, A2));
}

fn datagram(from: &str, to: &str, mac: Option<&str>, nonce: &str) -> Probe {
    Probe::Frame {
        from: from.to_owned(),
        to: to.to_owned(),
        mac: mac.map(str::to_owned),
        ip: None,
        udp: 5000,
        nonce: nonce.to_owned(),
    }
}

fn connection(from: &str, to: &str, tcp: u16) -> Probe {
    Probe::Connect {
        from: from.to_owned(),
        to: to.to_owned(),
        ip: None,
        tcp,
        nonce: format!("{from} to {tcp}"),
    }
}

/// All sorts of attempts, several of them at the same receiver, and whether each gets through.
fn mixed() -> Vec<(Probe, bool)> {
    let arp = |ip: Option<[u8; 4]>| Probe::Arp {
        from: A1.to_owned(),
        ip: ip.map(Ipv4Addr::from),
    };
    let gateway = Probe::Reach {
        from: A1.to_owned(),
        ip: Ipv4Addr::new(10, 0, 1, 1),
        tcp: 80,
    };
    let shout = Probe::Shout {
        from: A1.to_owned(),
        to: A2.to_owned(),
        udp: 68,
        nonce: "to all".to_owned(),
    };
    vec![
        (datagram(A1, A2, Some(MAC_3), "a neighbour's MAC"), false),
        (datagram(A1, A2, None, "its own"), true),
        (datagram(A3, A2, None, "of another"), true),
        (datagram(A2, A3, Some(MAC_1), "the other way"), false),
        (datagram(A2, A1, None, "back"), true),
        (datagram(A1, B1, None, "to another network"), false),
        // To A2's address, which C2 has in this network and hears at the same time.
        (datagram(C1, A2, None, "to a namesake"), false),
        (datagram(C1, C2, None, "to the neighbour"), true),
        (connection(A1, A2, 80), true),
        (connection(A3, A2, 80), true),
        (connection(A1, A2, 81), false),
        (arp(None), true),
        (arp(Some([10, 0, 0, 13])), false),
        (gateway, false),
        (shout, false),
    ]
}

/// Whatever waits for silence waits at the same time, and comes out as it does alone: all closed, with
/// one hole, and with a receiver that somebody else has.
#[test]
fn attempts_at_once_come_out_as_they_do_alone() {
    let Some(mut bench) = Bench::new('m') else {
        return;
    };
    let mut want = document();
    bench.converge(&want);
    let (probes, through): (Vec<Probe>, Vec<bool>) = mixed().into_iter().unzip();
    let at_once = |bench: &Bench| bench.net.prober().probes(&probes);
    let all = |answers: &[Answer]| answers.iter().map(arrived).collect::<Vec<bool>>();
    let begin = Instant::now();
    let alone: Vec<Answer> = probes.iter().map(|probe| bench.net.probe(probe)).collect();
    let one_by_one = begin.elapsed();
    assert_eq!(all(&alone), through);
    let begin = Instant::now();
    let together = at_once(&bench);
    let took = begin.elapsed();
    assert_eq!(all(&together), through, "{together:#?}");
    assert!(took * 2 < one_by_one, "{took:?} of {one_by_one:?}");
    // A hole for port 81, and none for anything else.
    let hole = probes.iter().position(|p| matches!(p, Probe::Connect { tcp: 81, .. }));
    let hole = hole.unwrap();
    want.groups[0]
        .rules
        .push(rule(true, Some(6), Some((81, 81))));
    bench.converge(&want);
    let answers = at_once(&bench);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(arrived(answer), through[n] || n == hole, "{answer:?} of {n}");
    }
    // One receiver is taken: what needs it proves nothing, all else stands as it did.
    let squatter = inside(&bench.space('p', A3), || UdpSocket::bind("0.0.0.0:5000")).unwrap();
    let answers = at_once(&bench);
    for (n, answer) in answers.iter().enumerate() {
        if matches!(&probes[n], Probe::Frame { to, .. } if to == A3) {
            assert!(matches!(answer, Answer::Failed { .. }), "{answer:?}");
        } else {
            assert_eq!(arrived(answer), through[n] || n == hole, "{answer:?} of {n}");
        }
    }
    drop(squatter);
}

/// A datagram for C2's address that is sent in network A comes to A2, who has it there. When another
/// attempt listens at A2 just then, it is neither that one's nor its own.
#[test]
fn what_another_attempt_sent_is_taken_by_none() {
    let Some(mut bench) = Bench::new('n') else {
        return;
    };
    bench.converge(&document());
    let crossed = |nonces: [&str; 2]| {
        let [own, other] = nonces;
        let probes = [
            datagram(A3, A2, Some(MAC_1), own),
            datagram(A1, C2, None, other),
        ];
        let answers = bench.net.prober().probes(&probes);
        (arrived(&answers[0]), arrived(&answers[1]))
    };
    for _ in 0..3 {
        assert_eq!(crossed(["one", "two"]), (false, false));
    }
    // The control: it does come to where the other listens, and only the nonce tells. Which of the two is
    // sooner is chance.
    let mut all = (0..20).map(|_| crossed(["same", "same"]));
    assert!(all.any(|came| came == (true, false)));
}

#[test]
fn the_devices_of_all_namespaces_are_listed() {
    let Some(mut bench) = Bench::new('l') else {
        return;
    };
    bench.converge(&document());
    let spaces = Net::spaces(&bench.instance).unwrap();
    assert_eq!(spaces.len(), 9);
    let devices = spaces[&bench.space('n', NET_A)].clone().unwrap();
    for device in ["lo", "ta1a1a1a1000", "ta2a2a2a2000", "ta3a3a3a3000"] {
        assert!(devices.iter().any(|d| d == device), "{devices:?}");
    }
    assert_eq!(Net::spaces("nobody").unwrap().len(), 0);
}

#[test]
fn networks_are_apart_unless_a_router_joins_them() {
    let Some(mut bench) = Bench::new('d') else {
        return;
    };
    let mut want = document();
    bench.converge(&want);
    assert!(!bench.frame(A1, B1, None, None));
    // The same range twice: each port reaches the namesake in its own network only.
    assert!(bench.frame(C1, C2, None, None));
    assert!(!bench.frame(C1, A2, None, None));
    want.routers.push(join(NET_A, NET_B));
    bench.converge(&want);
    assert!(bench.frame(A1, B1, None, None));
    assert!(bench.frame(B1, A1, None, None));
    assert!(bench.connect(A1, B1, 80));
    assert!(!bench.connect(A1, B1, 81));
    // Even a port without port security claims nothing beyond its own network.
    want.networks[0].ports[0].filtered = false;
    bench.converge(&want);
    assert!(bench.frame(A1, B1, None, Some([10, 0, 0, 77])));
    assert!(!bench.frame(A1, B1, None, Some([10, 9, 9, 9])));
    want.routers.clear();
    bench.converge(&want);
    assert!(!bench.frame(A1, B1, None, None));
}

#[test]
fn guests_are_told_who_they_are() {
    let Some(mut bench) = Bench::new('e') else {
        return;
    };
    bench.converge(&document());
    let space = bench.space('p', A1);
    let wait = Some(Duration::from_secs(2));
    // DHCP.
    let socket = inside(&space, || {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).unwrap()
    });
    socket.set_broadcast(true).unwrap();
    socket.set_read_timeout(wait).unwrap();
    let none = Ipv4Addr::UNSPECIFIED;
    let mac = [0xfa, 0x16, 0x3e, 0, 0, 1];
    let mut discover = Message::new_with_id(9, none, none, none, none, &mac);
    let kind = DhcpOption::MessageType(MessageType::Discover);
    discover.opts_mut().insert(kind);
    let packet = discover.to_vec().unwrap();
    socket.send_to(&packet, (Ipv4Addr::BROADCAST, 67)).unwrap();
    let mut buffer = [0; 2048];
    let length = socket.recv(&mut buffer).unwrap();
    let offer = Message::decode(&mut Decoder::new(&buffer[..length])).unwrap();
    assert_eq!(offer.opts().msg_type(), Some(MessageType::Offer));
    assert_eq!(offer.yiaddr(), Ipv4Addr::new(10, 0, 0, 11));
    // DNS: the question for host-a2.jinyun.test, type A.
    let socket = inside(&space, || {
        UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap()
    });
    socket.set_read_timeout(wait).unwrap();
    let question = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
        \x07host-a2\x06jinyun\x04test\x00\x00\x01\x00\x01";
    let gateway = (Ipv4Addr::new(10, 0, 0, 1), 53);
    socket.send_to(question, gateway).unwrap();
    let length = socket.recv(&mut buffer).unwrap();
    assert_eq!(buffer[length - 4..length], [10, 0, 0, 12]);
    // Metadata: each its own.
    for (port, other) in [(A1, A2), (A2, A1)] {
        let text = inside(&bench.space('p', port), || {
            let mut stream = TcpStream::connect("169.254.169.254:80").unwrap();
            stream.set_read_timeout(wait).unwrap();
            let ask = "GET /openstack/latest/meta_data.json HTTP/1.0\r\n\
                X-Forwarded-For: 10.0.0.13\r\n\r\n";
            stream.write_all(ask.as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        assert!(text.contains(port) && !text.contains(other), "{text}");
    }
}

/// A guest's tap is the same device after changes around it and after the agent's restart.
#[test]
fn a_tap_outlives_the_agent() {
    let Some(mut bench) = Bench::new('f') else {
        return;
    };
    let mut want = document();
    want.networks[0].ports[0].attach = Attach::Tap;
    bench.converge(&want);
    let space = bench.space('n', NET_A);
    let tap = bench.net.open_tap(A1).unwrap();
    assert!(bench.net.open_tap("nobody").is_err());
    let before = devices(&space)["ta1a1a1a1000"];
    want.networks[0].ports.truncate(1);
    want.groups[0].rules.clear();
    bench.converge(&want);
    bench.net = Net::new(&bench.instance).unwrap();
    bench.converge(&want);
    assert_eq!(devices(&space)["ta1a1a1a1000"], before);
    // One queue, one guest: whoever comes second is refused while the first holds it.
    assert!(bench.net.open_tap(A1).is_err());
    drop(tap);
    bench.net.open_tap(A1).unwrap();
}

/// What somebody changes by hand is found and mended.
#[test]
fn damage_is_mended() {
    let Some(mut bench) = Bench::new('g') else {
        return;
    };
    let want = document();
    bench.converge(&want);
    let space = bench.space('n', NET_A);
    for args in [
        ["netns", "exec", &space, "nft", "flush", "ruleset"].as_slice(),
        &["-n", &space, "link", "del", "ta2a2a2a2000"],
        &["-n", &space, "link", "set", "ta3a3a3a3000", "down"],
        &["netns", "del", &bench.space('p', C1)],
    ] {
        assert!(Command::new("ip").args(args).status().unwrap().success());
    }
    // A namespace is read again when its devices changed, or when it is its turn.
    for _ in 0..4 {
        bench.net.converge(&want);
    }
    bench.converge(&want);
    assert!(bench.frame(A1, A2, None, None));
    assert!(bench.frame(A2, A3, None, None));
    assert!(!bench.connect(A1, A2, 81));
    assert!(bench.frame(C2, C1, None, None));
    let installed = bench.net.installed();
    // Three networks, six probe ports.
    assert_eq!(installed.len(), 9);
    assert!(installed[0].1.to_string().contains("in_ta1a1a1a1000"));
}

/// One port that cannot be carried does not keep the others from working.
#[test]
fn a_fault_stays_where_it_is() {
    let Some(mut bench) = Bench::new('h') else {
        return;
    };
    let mut want = document();
    want.networks[0].ports[2].mac = "x; drop".to_owned();
    let report = bench.net.converge(&want);
    assert!(!report.converged);
    for port in report.ports {
        assert_eq!(port.ready, port.id != A3, "{port:?}");
        assert_eq!(port.error.is_some_and(|e| e.fatal), port.id == A3);
    }
    assert!(bench.frame(A1, A2, None, None));
}

#[test]
fn nothing_is_left() {
    let Some(mut bench) = Bench::new('i') else {
        return;
    };
    let mut want = document();
    want.routers.push(join(NET_A, NET_B));
    bench.converge(&want);
    // Three networks, six probe ports, a router.
    assert_eq!(bench.spaces().len(), 10);
    want.networks.remove(2);
    bench.converge(&want);
    assert_eq!(bench.spaces().len(), 7);
    bench.converge(&HostWant::default());
    assert_eq!(bench.spaces(), Vec::<String>::new());
    bench.converge(&want);
    Net::remove_all(&bench.instance).unwrap();
    assert_eq!(bench.spaces(), Vec::<String>::new());
}
