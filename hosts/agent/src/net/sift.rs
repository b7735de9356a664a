//! What of a document can be carried, and what is wrong with the rest.
//!
//! Problem: the control plane is not root and the agent is. A range, a MAC address or an id in a
//! document ends in scripts that run with every privilege, and one port with a slip in it must not
//! keep the other thousand from working.
//!
//! Mechanism: the document is copied; what cannot be carried is left out and named; what stays is
//! in canonical form (lower-case MACs, ranges without host bits). All that follows works on the
//! copy and may rely on it. Checking at each place of use instead would be forgotten at one.

use super::names::{self, Cidr};
use jinyun_wire::{Fault, HostWant, NetworkWant, PortWant, RouterWant, SubnetWant};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

/// The largest packet that a tap device takes.
const MAX_MTU: u32 = 65_521;
/// The smallest that every IPv4 host must take.
const MIN_MTU: u32 = 576;

/// A document without the parts that cannot be carried.
#[derive(Debug, Default)]
pub struct Sifted {
    /// Networks, routers and groups, canonical.
    pub want: HostWant,
    /// Ports that were left out.
    pub ports: BTreeMap<String, Fault>,
    /// Whatever else was left out.
    pub errors: Vec<String>,
}

/// Names that are taken already: two things must not share one.
#[derive(Default)]
struct Taken {
    spaces: BTreeSet<String>,
    ports: BTreeSet<String>,
}

/// Looks at every part of the document that concerns networks.
pub fn sift(want: &HostWant) -> Sifted {
    let mut out = Sifted::default();
    let mut taken = Taken::default();
    out.want.generation = want.generation;
    for network in &want.networks {
        let kept = sift_network(network, &mut taken, &mut out);
        out.want.networks.extend(kept);
    }
    for router in &want.routers {
        let kept = sift_router(router, &mut taken, &mut out);
        out.want.routers.extend(kept);
    }
    let mut groups = BTreeSet::new();
    for group in &want.groups {
        if groups.insert(names::group_name(&group.id)) {
            out.want.groups.push(group.clone());
        } else {
            out.errors.push(format!(
                "Security group {} is in the document twice.",
                group.id
            ));
        }
    }
    out
}

fn sift_network(network: &NetworkWant, taken: &mut Taken, out: &mut Sifted) -> Option<NetworkWant> {
    let head = names::head(&network.id, 8);
    if head.is_empty() || !taken.spaces.insert(format!("n-{head}")) {
        let why = format!(
            "Network {}: another network has the same first 8 digits.",
            network.id
        );
        for port in &network.ports {
            out.ports.insert(port.id.clone(), fault(&why));
        }
        out.errors.push(why);
        return None;
    }
    let mut kept = NetworkWant {
        subnets: Vec::new(),
        ports: Vec::new(),
        mtu: network.mtu.clamp(MIN_MTU, MAX_MTU),
        ..network.clone()
    };
    if kept.mtu != network.mtu {
        let why = format!("Network {}: {} is no usable MTU.", network.id, network.mtu);
        out.errors.push(why);
    }
    for subnet in &network.subnets {
        match sift_subnet(subnet, &kept.subnets) {
            Ok(subnet) => kept.subnets.push(subnet),
            Err(why) => out.errors.push(format!("Subnet {}: {why}.", subnet.id)),
        }
    }
    let mut addresses = BTreeSet::new();
    for port in &network.ports {
        match sift_port(port, &kept.subnets, &mut addresses, taken) {
            Ok(port) => kept.ports.push(port),
            Err(why) => {
                out.ports
                    .insert(port.id.clone(), fault(&format!("Port {}: {why}.", port.id)));
            }
        }
    }
    Some(kept)
}

fn sift_subnet(subnet: &SubnetWant, others: &[SubnetWant]) -> Result<SubnetWant, String> {
    let cidr =
        Cidr::parse(&subnet.cidr).ok_or_else(|| format!("`{}` is no IPv4 range", subnet.cidr))?;
    for other in others {
        if other.id == subnet.id {
            return Err("it is in the network twice".to_owned());
        }
        if Cidr::parse(&other.cidr).is_some_and(|o| o.overlaps(&cidr)) {
            return Err(format!("{cidr} overlaps subnet {}", other.id));
        }
    }
    if let Some(gateway) = subnet.gateway
        && !cidr.contains(gateway)
    {
        return Err(format!("the gateway {gateway} is not in {cidr}"));
    }
    let mut host_routes = Vec::new();
    for (to, via) in &subnet.host_routes {
        let to = Cidr::parse(to).ok_or_else(|| format!("`{to}` is no IPv4 range"))?;
        host_routes.push((to.to_string(), *via));
    }
    Ok(SubnetWant {
        cidr: cidr.to_string(),
        host_routes,
        ..subnet.clone()
    })
}

fn sift_port(
    port: &PortWant,
    subnets: &[SubnetWant],
    addresses: &mut BTreeSet<Ipv4Addr>,
    taken: &mut Taken,
) -> Result<PortWant, String> {
    if names::head(&port.id, 8).is_empty() {
        return Err("its id has no letter or digit".to_owned());
    }
    let mac = names::mac(&port.mac).ok_or_else(|| format!("`{}` is no MAC address", port.mac))?;
    if mac[0] & 1 == 1 || mac == [0; 6] || mac == names::GATEWAY_MAC_BYTES {
        return Err(format!("{} cannot be a port's address", port.mac));
    }
    for (subnet, ip) in &port.ips {
        let subnet = subnets
            .iter()
            .find(|s| s.id == *subnet)
            .ok_or_else(|| format!("its subnet {subnet} is not carried"))?;
        if !Cidr::parse(&subnet.cidr).is_some_and(|c| c.contains(*ip)) {
            return Err(format!("{ip} is not in {}", subnet.cidr));
        }
        if subnet.gateway == Some(*ip) {
            return Err(format!("{ip} is the gateway"));
        }
        if addresses.contains(ip) {
            return Err(format!("another port has {ip}"));
        }
    }
    // The device's name and the probe namespace's name must both be its own.
    if !taken.ports.insert(names::port_device(&port.id)) {
        return Err("another port has the same first 11 digits".to_owned());
    }
    if port.attach == jinyun_wire::Attach::Probe
        && !taken
            .spaces
            .insert(format!("p-{}", names::head(&port.id, 8)))
    {
        return Err("another probe port has the same first 8 digits".to_owned());
    }
    addresses.extend(port.ips.iter().map(|(_, ip)| *ip));
    Ok(PortWant {
        mac: names::mac_text(mac),
        ..port.clone()
    })
}

fn sift_router(router: &RouterWant, taken: &mut Taken, out: &mut Sifted) -> Option<RouterWant> {
    let head = names::head(&router.id, 8);
    if head.is_empty() || !taken.spaces.insert(format!("r-{head}")) {
        let why = format!(
            "Router {}: another router has the same first 8 digits.",
            router.id
        );
        out.errors.push(why);
        return None;
    }
    let mut kept = RouterWant {
        id: router.id.clone(),
        networks: Vec::new(),
    };
    let mut used: Vec<Cidr> = Vec::new();
    for (network, ranges) in &router.networks {
        // A network that this host does not carry needs no leg here.
        let carried = out.want.networks.iter().any(|n| n.id == *network);
        if !carried || kept.networks.iter().any(|(n, _)| n == network) {
            continue;
        }
        let mut good = Vec::new();
        for range in ranges {
            match Cidr::parse(range) {
                Some(cidr) if !used.iter().any(|u| u.overlaps(&cidr)) => {
                    used.push(cidr);
                    good.push(cidr.to_string());
                }
                Some(cidr) => out.errors.push(format!(
                    "Router {}: {cidr} of network {network} is reached another way already.",
                    router.id
                )),
                None => out
                    .errors
                    .push(format!("Router {}: `{range}` is no IPv4 range.", router.id)),
            }
        }
        kept.networks.push((network.clone(), good));
    }
    Some(kept)
}

fn fault(why: &str) -> Fault {
    Fault {
        why: why.to_owned(),
        fatal: true,
    }
}
