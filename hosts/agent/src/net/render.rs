//! What a document means in devices, addresses, routes, settings and filters.
//!
//! Problem: thirty kinds of changes (a port comes, a subnet comes, a router goes, ...) times the
//! states in which a crash can leave a host.
//!
//! Mechanism: there are no changes. [`spaces`] says, purely, how every namespace of the instance
//! must look; `seen` reads how they look; `plan` is the difference. A namespace is sets of lines in
//! the words of `ip`, so a difference of sets *is* the script.
//!
//! ```text
//!   network's namespace                                        router's namespace
//!   tA  10.0.0.1/24  ---- tap ---- guest A 10.0.0.11
//!   tB  10.0.0.1/24  ---- veth --- eth0 10.0.0.12 (probe's)
//!   rX  10.0.0.1/24  ---- veth ----------------------------- nN 169.254.100.1/32
//!   lo  169.254.169.254/32   metadata, DNS
//!   10.0.0.11/32 dev tA, 10.0.0.12/32 dev tB, blackhole 10.0.0.0/24 metric 4000
//! ```
//! Every port is a routed device with the gateway's address and proxy ARP, so a packet between two
//! guests of one subnet is forwarded, filtered and tracked like any other. Not a bridge: there, the
//! filter cannot tell ports apart and `ct state` does not exist on the kernels we support.
//!
//! The network never asks for a guest's MAC address: it knows it, so neighbours are permanent. A
//! guest that lies in ARP then deceives nobody, and a guest in a subnet without a gateway, which
//! would not answer a stranger's question, is reached all the same.

use super::names::{self, Cidr, Names};
use super::nft;
use jinyun_wire::{Attach, GroupWant, HostWant, NetworkWant, PortWant, RouterWant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// All namespaces by name.
pub type Spaces = BTreeMap<String, Space>;

/// One namespace as it must be. Where a line belongs to a port, the port's id stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Space {
    /// The port for which alone the namespace exists.
    pub owner: Option<String>,
    /// Settings: path below `/proc/sys/net` and value.
    pub sysctls: BTreeMap<String, String>,
    /// Devices by name.
    pub links: BTreeMap<String, Link>,
    /// Routes of the main table: `10.0.0.11/32 dev t1`.
    pub routes: BTreeMap<String, Option<String>>,
    /// Permanent neighbours: `10.0.0.11 lladdr fa:16:3e:00:00:11 dev t1`.
    pub neighbours: BTreeMap<String, Option<String>>,
    /// The packet filter.
    pub filter: String,
}

/// What a device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `lo`.
    Loopback,
    /// A persistent tap: a guest's process holds the other end.
    Tap,
    /// A veth that is made from here: namespace and name of its other end.
    Veth(String, String),
    /// The other end of a veth.
    VethEnd,
}

/// One device as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it is.
    pub kind: Kind,
    /// The port it belongs to.
    pub owner: Option<String>,
    /// Its MAC address, where it matters.
    pub mac: Option<String>,
    /// Its MTU, where it matters.
    pub mtu: Option<u32>,
    /// Addresses, all `noprefixroute`. The first is the source of what the kernel itself sends.
    pub addrs: Vec<String>,
    /// Settings of the device: path below `/proc/sys/net` and value.
    pub sysctls: Vec<(String, String)>,
}

/// A router's link into a network, seen from the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// The device in the network's namespace.
    pub device: String,
    /// The router's namespace.
    pub router: String,
    /// The device in the router's namespace.
    pub far_device: String,
    /// Ranges that are reached through the router.
    pub far: Vec<Cidr>,
}

/// How every namespace of the instance must look. `want` has been sifted.
pub fn spaces(names: &Names, want: &HostWant) -> Spaces {
    let mut all = Spaces::new();
    for network in &want.networks {
        let legs = legs(names, &network.id, &want.routers);
        let space = network_space(names, network, &want.groups, &legs);
        all.insert(names.network(&network.id), space);
        for port in network.ports.iter().filter(|p| p.attach == Attach::Probe) {
            all.insert(names.probe(&port.id), probe_space(network, port));
        }
    }
    for router in &want.routers {
        all.insert(names.router(&router.id), router_space(router));
    }
    all
}

/// The routers' links into a network. A range that two routers offer goes through the first.
pub fn legs(names: &Names, network: &str, routers: &[RouterWant]) -> Vec<Leg> {
    let mut taken = BTreeSet::new();
    let mut legs = Vec::new();
    for router in routers {
        if !router.networks.iter().any(|(n, _)| n == network) {
            continue;
        }
        let others = router.networks.iter().filter(|(n, _)| n != network);
        let far = others
            .flat_map(|(_, ranges)| ranges)
            .filter_map(|range| Cidr::parse(range))
            .filter(|range| taken.insert(*range))
            .collect();
        legs.push(Leg {
            device: names::router_device(&router.id),
            router: names.router(&router.id),
            far_device: names::network_device(network),
            far,
        });
    }
    legs
}

/// The addresses at which a network's services answer and that its routers' links carry.
pub fn gateways(network: &NetworkWant) -> Vec<Ipv4Addr> {
    network.subnets.iter().filter_map(|s| s.gateway).collect()
}

fn network_space(
    names: &Names,
    network: &NetworkWant,
    groups: &[GroupWant],
    legs: &[Leg],
) -> Space {
    let mut space = Space {
        sysctls: network_sysctls(),
        filter: nft::ruleset(network, groups, legs),
        ..Space::default()
    };
    let services = vec![Cidr::host(names::METADATA).to_string()];
    space.links.insert("lo".to_owned(), loopback(services));
    for subnet in &network.subnets {
        let line = format!("blackhole {} metric 4000", subnet.cidr);
        space.routes.insert(line, None);
    }
    for port in &network.ports {
        add_port(&mut space, names, network, port);
    }
    for leg in legs {
        add_leg(&mut space, network, leg);
    }
    space
}

fn add_port(space: &mut Space, names: &Names, network: &NetworkWant, port: &PortWant) {
    let device = names::port_device(&port.id);
    let owner = Some(port.id.clone());
    let kind = match port.attach {
        Attach::Tap => Kind::Tap,
        Attach::Probe => Kind::Veth(names.probe(&port.id), names::PROBE_DEVICE.to_owned()),
    };
    // A port without port security may claim any source; the packet filter still keeps it from
    // being taken for somebody else by the metadata service.
    let strict = if port.filtered { "1" } else { "0" };
    let link = Link {
        kind,
        owner: owner.clone(),
        mac: Some(names::GATEWAY_MAC.to_owned()),
        mtu: Some(network.mtu),
        addrs: port_addresses(network, port),
        sysctls: vec![
            (format!("ipv4/conf/{device}/proxy_arp"), "1".to_owned()),
            (format!("ipv4/conf/{device}/rp_filter"), strict.to_owned()),
            (format!("ipv4/neigh/{device}/proxy_delay"), "0".to_owned()),
        ],
    };
    for (_, ip) in &port.ips {
        let route = format!("{ip}/32 dev {device}");
        space.routes.insert(route, owner.clone());
        let neighbour = format!("{ip} lladdr {} dev {device}", port.mac);
        space.neighbours.insert(neighbour, owner.clone());
    }
    space.links.insert(device, link);
}

/// The gateway of each subnet that the port has an address from.
fn port_addresses(network: &NetworkWant, port: &PortWant) -> Vec<String> {
    let mut addrs = Vec::new();
    for (id, _) in &port.ips {
        let Some(subnet) = network.subnets.iter().find(|s| s.id == *id) else {
            continue;
        };
        let (Some(gateway), Some(cidr)) = (subnet.gateway, Cidr::parse(&subnet.cidr)) else {
            continue;
        };
        let addr = format!("{gateway}/{}", cidr.prefix_len());
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    if addrs.is_empty() {
        addrs.push(Cidr::host(names::LINK).to_string());
    }
    addrs
}

fn add_leg(space: &mut Space, network: &NetworkWant, leg: &Leg) {
    let device = &leg.device;
    // The gateways stand here too, so that an ICMP error of this namespace (a packet too big for
    // a port) has a source that the router accepts from this network.
    let mut addrs: Vec<String> = network
        .subnets
        .iter()
        .filter_map(|s| {
            Some(format!(
                "{}/{}",
                s.gateway?,
                Cidr::parse(&s.cidr)?.prefix_len()
            ))
        })
        .collect();
    if addrs.is_empty() {
        addrs.push(Cidr::host(names::NETWORK_SIDE).to_string());
    }
    let kind = Kind::Veth(leg.router.clone(), leg.far_device.clone());
    let link = router_link(kind, names::GATEWAY_MAC, addrs, device);
    space.links.insert(device.clone(), link);
    let (via, mac) = (names::ROUTER_SIDE, names::ROUTER_MAC);
    let neighbour = format!("{via} lladdr {mac} dev {device}");
    space.neighbours.insert(neighbour, None);
    for range in &leg.far {
        let route = format!("{range} via {via} dev {device} onlink");
        space.routes.insert(route, None);
    }
}

fn router_space(router: &RouterWant) -> Space {
    let mut space = Space {
        sysctls: routing_sysctls(),
        filter: nft::router_ruleset(router),
        ..Space::default()
    };
    space.links.insert("lo".to_owned(), loopback(Vec::new()));
    let (via, mac) = (names::NETWORK_SIDE, names::GATEWAY_MAC);
    for (network, ranges) in &router.networks {
        let device = names::network_device(network);
        let addrs = vec![Cidr::host(names::ROUTER_SIDE).to_string()];
        let link = router_link(Kind::VethEnd, names::ROUTER_MAC, addrs, &device);
        let neighbour = format!("{via} lladdr {mac} dev {device}");
        space.neighbours.insert(neighbour, None);
        for range in ranges {
            let route = format!("{range} via {via} dev {device} onlink");
            space.routes.insert(route, None);
        }
        space.links.insert(device, link);
    }
    space
}

/// An end of a router's link. Its MTU is the largest there is: what is too big for a port is
/// refused at the port, by a namespace whose answer finds the way back.
fn router_link(kind: Kind, mac: &str, addrs: Vec<String>, device: &str) -> Link {
    Link {
        kind,
        owner: None,
        mac: Some(mac.to_owned()),
        mtu: Some(65_535),
        addrs,
        sysctls: vec![(format!("ipv4/conf/{device}/rp_filter"), "1".to_owned())],
    }
}

/// The other side of a probe port: what a guest would set up after DHCP.
fn probe_space(network: &NetworkWant, port: &PortWant) -> Space {
    let device = names::PROBE_DEVICE;
    let owner = Some(port.id.clone());
    let mut space = Space {
        owner: owner.clone(),
        sysctls: end_sysctls(),
        // What a probe sends is taken as sent: nothing here may keep it back.
        filter: nft::REPLACE.to_owned(),
        ..Space::default()
    };
    space.links.insert("lo".to_owned(), loopback(Vec::new()));
    let mut addrs = Vec::new();
    let mut gateway = None;
    for (id, ip) in &port.ips {
        let Some(subnet) = network.subnets.iter().find(|s| s.id == *id) else {
            continue;
        };
        let Some(cidr) = Cidr::parse(&subnet.cidr) else {
            continue;
        };
        addrs.push(format!("{ip}/{}", cidr.prefix_len()));
        space
            .routes
            .insert(format!("{cidr} dev {device}"), owner.clone());
        gateway = gateway.or(subnet.gateway);
    }
    if let Some(gateway) = gateway {
        let route = format!("default via {gateway} dev {device}");
        space.routes.insert(route, owner.clone());
    } else {
        let route = format!("{} dev {device}", Cidr::host(names::METADATA));
        space.routes.insert(route, owner.clone());
    }
    let link = Link {
        kind: Kind::VethEnd,
        owner,
        mac: Some(port.mac.clone()),
        mtu: Some(network.mtu),
        addrs,
        sysctls: Vec::new(),
    };
    space.links.insert(device.to_owned(), link);
    space
}

fn loopback(addrs: Vec<String>) -> Link {
    Link {
        kind: Kind::Loopback,
        owner: None,
        mac: None,
        mtu: None,
        addrs,
        sysctls: Vec::new(),
    }
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
        .collect()
}

/// Settings of a namespace that only sends and receives. The defaults of a new namespace may be
/// copies of the host's, hence the obvious ones.
fn end_sysctls() -> BTreeMap<String, String> {
    settings(&[
        ("ipv4/conf/all/promote_secondaries", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/ip_forward", "0"),
        ("ipv6/conf/all/disable_ipv6", "1"),
        ("ipv6/conf/default/disable_ipv6", "1"),
    ])
}

/// Settings of a namespace that forwards. `rp_filter` must be 0 for `all`: the larger of `all`
/// and the device's own counts.
fn routing_sysctls() -> BTreeMap<String, String> {
    let mut all = end_sysctls();
    all.extend(settings(&[
        ("ipv4/conf/all/accept_redirects", "0"),
        ("ipv4/conf/all/accept_source_route", "0"),
        ("ipv4/conf/all/arp_filter", "0"),
        ("ipv4/conf/all/arp_ignore", "0"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/default/accept_redirects", "0"),
        ("ipv4/conf/default/arp_filter", "0"),
        ("ipv4/conf/default/arp_ignore", "0"),
        ("ipv4/conf/default/send_redirects", "0"),
        ("ipv4/ip_forward", "1"),
    ]));
    all
}

/// Settings of a network's namespace. `tcp_loose` off: a connection whose entry was removed
/// because its rule is gone must not be picked up again in the middle, perhaps the other way round.
fn network_sysctls() -> BTreeMap<String, String> {
    let mut all = routing_sysctls();
    all.extend(settings(&[
        ("netfilter/nf_conntrack_acct", "1"),
        ("netfilter/nf_conntrack_tcp_loose", "0"),
        ("netfilter/nf_conntrack_timestamp", "1"),
    ]));
    all
}

/// The `ip` line that makes a device; `None` if it is made from its other end or always there.
pub fn add_line(device: &str, kind: &Kind) -> Option<String> {
    match kind {
        Kind::Tap => Some(format!("tuntap add dev {device} mode tap")),
        Kind::Veth(space, name) => Some(format!(
            "link add dev {device} type veth peer name {name} netns {space}"
        )),
        Kind::Loopback | Kind::VethEnd => None,
    }
}
