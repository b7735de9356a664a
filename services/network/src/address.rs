//! Addresses: which a subnet has, which are free, and MACs.
//!
//! Problem: a port needs an address that nobody has, among thousands, in one transaction.
//! Mechanism: an address in use is a claim `<subnet>/<ip>` (a port's, or the subnet's own for its
//! gateway), so "is it free" is one look-up. The search begins at a drawn place of the pools and
//! goes on one by one; only if a whole run is taken are the subnet's ports read. Not the lowest
//! free one: behind a thousand ports that is a thousand look-ups, and an address that was just
//! given back would go to the next guest while others still send to it.

use crate::port::{FixedIp, Port};
use crate::subnet::Subnet;
use ipnet::Ipv4Net;
use jinyun_base::{Entropy, Fault, Id, Refusal, Refused};
use jinyun_engine::{Failure, Have, Query, View};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// The space of claims for addresses.
pub(crate) const SPACE: &str = "address";
/// The space of claims for MACs.
pub(crate) const MACS: &str = "mac";
/// So many are tried by look-up before the ports are read.
const PROBES: u64 = 64;
/// MACs of the network's own end of each link (`hosts/agent`): no port may have them.
const OURS: &[&str] = &["02:fe:ee:ee:ee:ee", "02:fe:ee:ee:ee:ef"];

/// Addresses from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// First.
    pub start: Ipv4Addr,
    /// Last.
    pub end: Ipv4Addr,
}

impl Pool {
    /// What hosts may have in a range: neither its own address nor the broadcast address.
    pub fn hosts(cidr: &Ipv4Net) -> Pool {
        let start = u32::from(cidr.network()).saturating_add(1);
        let end = u32::from(cidr.broadcast()).saturating_sub(1);
        Pool { start: start.into(), end: end.into() }
    }

    /// How many.
    pub fn size(&self) -> u64 {
        u64::from(u32::from(self.end)).saturating_add(1)
            .saturating_sub(u64::from(u32::from(self.start)))
    }

    /// Whether an address is one of them.
    pub fn contains(&self, ip: Ipv4Addr) -> bool {
        self.start <= ip && ip <= self.end
    }

    /// Whether some address is in both.
    pub fn overlaps(&self, other: &Pool) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// All hosts of a range but its gateway.
pub(crate) fn default_pools(cidr: &Ipv4Net, gateway: Option<Ipv4Addr>) -> Vec<Pool> {
    let all = Pool::hosts(cidr);
    let Some(gateway) = gateway.filter(|g| all.contains(*g)) else { return vec![all] };
    let at = u32::from(gateway);
    let parts = [
        Pool { start: all.start, end: Ipv4Addr::from(at.saturating_sub(1)) },
        Pool { start: Ipv4Addr::from(at.saturating_add(1)), end: all.end },
    ];
    parts.into_iter().filter(|p| p.size() > 0).collect()
}

/// Whether two ranges share an address.
pub(crate) fn overlap(a: &Ipv4Net, b: &Ipv4Net) -> bool {
    a.contains(b) || b.contains(a)
}

/// The word of an address's claim.
pub(crate) fn word(subnet: &Id, ip: Ipv4Addr) -> String {
    format!("{subnet}/{ip}")
}

fn nth(pools: &[Pool], mut n: u64) -> Option<Ipv4Addr> {
    for pool in pools {
        if n < pool.size() {
            let ip = u32::from(pool.start).checked_add(u32::try_from(n).ok()?)?;
            return Some(ip.into());
        }
        n -= pool.size();
    }
    None
}

/// A free address of a subnet's pools; none if all are taken. `also` are taken, but not yet
/// claimed.
pub(crate) fn allocate(subnet: &Have<Subnet>, draw: u64, also: &[FixedIp], view: &mut View<'_>)
    -> Result<Option<Ipv4Addr>, Fault> {
    let pools = &subnet.spec.pools;
    let size: u64 = pools.iter().map(Pool::size).sum();
    if size == 0 {
        return Ok(None);
    }
    let at = |step: u64| nth(pools, (draw % size + step) % size);
    let named = |ip: Ipv4Addr| also.iter().any(|f| f.subnet == subnet.id && f.ip == ip);
    for ip in (0..size.min(PROBES)).filter_map(at) {
        if !named(ip) && view.claimed(SPACE, &word(&subnet.id, ip))?.is_none() {
            return Ok(Some(ip));
        }
    }
    if size <= PROBES {
        return Ok(None);
    }
    let ports = view.list::<Port>(&Query::field("subnet", &subnet.id))?;
    let taken: HashSet<Ipv4Addr> = ports.iter().flat_map(|p| &p.spec.fixed_ips)
        .filter(|f| f.subnet == subnet.id).map(|f| f.ip)
        .chain(subnet.spec.gateway).collect();
    Ok((PROBES..size).filter_map(at).find(|ip| !named(*ip) && !taken.contains(ip)))
}

/// Names subnet and address of whatever was asked only in part. `held` is what the port has: asked
/// for "an address of this subnet", a port keeps the one it has.
pub(crate) fn resolve(network: &Id, fixed: &mut Vec<FixedIp>, held: &[FixedIp], draw: u64,
    view: &mut View<'_>) -> Result<(), Failure> {
    let subnets = view.list::<Subnet>(&Query::field("network", network))?;
    let asked = std::mem::take(fixed);
    for ask in &asked {
        let subnet = subnet_of(network, &subnets, ask)?;
        let kept = held.iter().find(|h| {
            h.subnet == subnet.id && !asked.contains(h) && !fixed.contains(h)
        });
        let ip = match (ask.ip.is_unspecified(), kept) {
            (false, _) => ask.ip,
            (true, Some(kept)) => kept.ip,
            (true, None) => {
                // What is asked for by name further on must not be drawn before.
                let also: Vec<FixedIp> = fixed.iter().chain(&asked).cloned().collect();
                allocate(subnet, draw, &also, view)?.ok_or_else(|| exhausted(network))?
            }
        };
        fixed.push(FixedIp { subnet: subnet.id.clone(), ip });
    }
    Ok(())
}

/// One address of any subnet, for a port that asked for none in particular. A network without
/// subnets gives none.
pub(crate) fn any(network: &Id, draw: u64, view: &mut View<'_>)
    -> Result<Vec<FixedIp>, Failure> {
    let subnets = view.list::<Subnet>(&Query::field("network", network))?;
    for subnet in &subnets {
        if let Some(ip) = allocate(subnet, draw, &[], view)? {
            return Ok(vec![FixedIp { subnet: subnet.id.clone(), ip }]);
        }
    }
    if subnets.is_empty() { Ok(Vec::new()) } else { Err(exhausted(network).into()) }
}

fn exhausted(network: &Id) -> Refusal {
    Refusal::conflict(format!("No more IP addresses available on network {network}: widen the \
        allocation pools of a subnet or delete a port."))
}

fn subnet_of<'a>(network: &Id, subnets: &'a [Have<Subnet>], ask: &FixedIp)
    -> Result<&'a Have<Subnet>, Failure> {
    let bad = |say: String| Refusal::new(Refused::Invalid("fixed_ips".into()), say);
    if ask.subnet.as_str().is_empty() {
        return subnets.iter().find(|s| s.spec.cidr.contains(&ask.ip)).ok_or_else(|| bad(format!(
            "fixed_ips: IP address {} is in none of the subnets of network {network}.", ask.ip
        )).into());
    }
    subnets.iter().find(|s| s.id == ask.subnet).ok_or_else(|| bad(format!(
        "fixed_ips: subnet {} is not one of network {network}.", ask.subnet
    )).into())
}

/// A MAC that nobody on the network has.
pub(crate) fn fresh_mac(network: &Id, view: &mut View<'_>, dice: &mut dyn Entropy)
    -> Result<String, Failure> {
    for _ in 0..16 {
        let mut b = [0u8; 3];
        dice.fill(&mut b);
        let mac = format!("fa:16:3e:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2]);
        if view.claimed(MACS, &format!("{network}/{mac}"))?.is_none() {
            return Ok(mac);
        }
    }
    Err(Refusal::conflict(format!("Network {network} has no free MAC address.")).into())
}

/// A MAC that one port can have, in lower case with colons.
pub(crate) fn check_mac(mac: &str) -> Result<(), Refusal> {
    let bytes: Vec<u8> = mac.split(':')
        .filter(|p| p.len() == 2 && p.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        .filter_map(|p| u8::from_str_radix(p, 16).ok()).collect();
    let good = mac.len() == 17 && bytes.len() == 6 && bytes[0] & 1 == 0
        && bytes.iter().any(|b| *b != 0) && !OURS.contains(&mac);
    if good {
        return Ok(());
    }
    Err(Refusal::invalid("mac_address", format!(
        "must be the address of one interface like fa:16:3e:00:00:01, not '{mac}'"
    )))
}
