//! What somebody with root puts into the namespaces beside what is the agent's.
//!
//! A rule in our own chains is one thing (`net.rs`); a table beside ours has chains that a packet meets
//! before ours, and a device is a way that no filter of ours thought of. On a real kernel, where
//! `JINYUN_ROOT_TESTS` is set; each is shown to do harm before it is shown to be gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr
)]

use jinyun_agent::net::Net;
use jinyun_wire::{
    Answer, Attach, GroupWant, HostWant, NetworkWant, PortWant, Probe, RouterWant, RuleWant,
    SubnetWant,
};
use std::net::Ipv4Addr;
use std::process::Command;

const NETWORK: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const ROUTER: &str = "eeeeeeee-0000-4000-8000-000000000000";
const PORTS: [&str; 2] = [
    "a1a1a1a1-0000-4000-8000-000000000001",
    "a2a2a2a2-0000-4000-8000-000000000002",
];
/// The device of the first port.
const DEVICE: &str = "ta1a1a1a1000";
/// An address that is nobody's.
const LIE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 13);

fn own(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, if n == 0 { 11 } else { 12 })
}

fn port(n: usize) -> PortWant {
    PortWant {
        id: PORTS[n].to_owned(),
        mac: format!("fa:16:3e:00:00:0{n}"),
        ips: vec![("s".to_owned(), own(n))],
        hostname: format!("host-{n}"),
        up: true,
        filtered: true,
        groups: vec!["g".to_owned()],
        attach: Attach::Probe,
        metadata: Vec::new(),
    }
}

/// Two ports that let everything in, and a router.
fn document() -> HostWant {
    let rule = |ingress| RuleWant {
        ingress,
        protocol: None,
        ports: None,
        icmp_code: None,
        remote_cidr: None,
        remote_group: None,
    };
    HostWant {
        generation: 1,
        networks: vec![NetworkWant {
            id: NETWORK.to_owned(),
            mtu: 1450,
            dns_domain: String::new(),
            subnets: vec![SubnetWant {
                id: "s".to_owned(),
                cidr: "10.0.0.0/24".to_owned(),
                gateway: Some(Ipv4Addr::new(10, 0, 0, 1)),
                dhcp: false,
                dns: Vec::new(),
                host_routes: Vec::new(),
            }],
            ports: vec![port(0), port(1)],
        }],
        routers: vec![RouterWant {
            id: ROUTER.to_owned(),
            networks: vec![(NETWORK.to_owned(), vec!["10.0.0.0/24".to_owned()])],
        }],
        groups: vec![GroupWant {
            id: "g".to_owned(),
            members: Vec::new(),
            rules: vec![rule(true), rule(false)],
        }],
        ..HostWant::default()
    }
}

/// Goes away with the test, also when it fails.
struct Gone(String);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = Net::remove_all(&self.0);
    }
}

/// Whether a datagram from one port to the other arrives.
fn arrives(net: &Net, claimed: Option<Ipv4Addr>) -> bool {
    let answer = net.probe(&Probe::Frame {
        from: PORTS[0].to_owned(),
        to: PORTS[1].to_owned(),
        mac: None,
        ip: claimed,
        udp: 5000,
        nonce: "strangers".to_owned(),
    });
    match answer {
        Answer::Probe { arrived, .. } => arrived,
        other => panic!("{other:?}"),
    }
}

fn ip(args: &[&str]) -> String {
    let output = Command::new("ip").args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tables_and_devices_beside_ours_are_told_and_go() {
    if std::env::var_os("JINYUN_ROOT_TESTS").is_none() {
        eprintln!("skipped: needs root; set JINYUN_ROOT_TESTS=1");
        return;
    }
    let instance = format!("tq{}", std::process::id() % 1_000_000);
    let _gone = Gone(instance.clone());
    let mut net = Net::new(&instance).unwrap();
    let want = document();
    assert!(net.converge(&want).converged);
    assert!(net.converge(&want).converged);
    assert!(arrives(&net, None) && !arrives(&net, Some(LIE)));
    let spaces = [("n", NETWORK), ("r", ROUTER), ("p", PORTS[0])];
    let spaces = spaces.map(|(kind, id)| format!("jy-{instance}-{kind}-{}", &id[..8]));
    for space in &spaces {
        let table = "add table ip lies; add chain ip lies c \
                     { type filter hook prerouting priority -310; policy accept; }";
        ip(&["netns", "exec", space, "nft", table]);
        ip(&["-n", space, "link", "add", "w0", "type", "bridge"]);
    }
    // What a table can do that stands before ours; at the far end of a probe it could keep back an attack.
    let rule = format!(
        "add rule ip lies c iifname {DEVICE} ip saddr {LIE} ip saddr set {}",
        own(0)
    );
    ip(&["netns", "exec", &spaces[0], "nft", &rule]);
    assert!(arrives(&net, Some(LIE)));
    let mute = "add chain ip lies o { type filter hook output priority 0; policy drop; }";
    ip(&["netns", "exec", &spaces[2], "nft", mute]);
    // All is read: it is told, mended in the same pass, and the next one finds nothing.
    net.look_closely();
    let report = net.converge(&want);
    assert!(!report.converged, "{report:#?}");
    assert!(report.ports.iter().all(|port| port.ready), "{report:#?}");
    for space in &spaces {
        let told = |why: &String| why.contains(space) && why.contains("table ip lies");
        assert!(report.errors.iter().any(told), "{space}: {report:#?}");
    }
    net.look_closely();
    let report = net.converge(&want);
    assert!(report.converged, "{report:#?}");
    for space in &spaces {
        let tables = ip(&["netns", "exec", space, "nft", "list", "tables"]);
        assert!(!tables.contains("lies"), "{space}: {tables}");
        let devices = ip(&["-n", space, "-br", "link", "show"]);
        assert!(!devices.contains("w0"), "{space}: {devices}");
    }
    assert!(arrives(&net, None) && !arrives(&net, Some(LIE)));
    // Everything that is filtered is shown, by the ids of the document.
    let shown: Vec<String> = net.installed().into_iter().map(|(id, _)| id).collect();
    assert_eq!(shown, [NETWORK, PORTS[0], PORTS[1], ROUTER]);
}
