//! Names and numbers on which all parts of the data plane agree.
//!
//! Problem: a namespace or a device is found again, after a restart of the agent, only by its
//! name, and the kernel allows 15 bytes for a device. So a name is made of the kind, the instance
//! and the head of the id, always by [`head`], and two ids with the same head are a fault that
//! `sift` reports rather than a device that two ports share.
//!
//! Everything that ends in a script for `ip` or `nft` is parsed into the types here first and
//! printed from them: a string of the document never reaches a script as it came.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;

/// The MAC address of the network's side of every port: guests see one gateway, wherever they are.
pub const GATEWAY_MAC: &str = "02:fe:ee:ee:ee:ee";
/// The same as bytes.
pub const GATEWAY_MAC_BYTES: [u8; 6] = [0x02, 0xfe, 0xee, 0xee, 0xee, 0xee];
/// The MAC address of a router's side of its links.
pub const ROUTER_MAC: &str = "02:fe:ee:ee:ee:ef";
/// Where guests find the metadata service, and DNS where the subnet has no gateway.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// The network's address on a port without any gateway: proxy ARP needs one on the device.
pub const LINK: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 1);
/// Next hop towards a router.
pub const ROUTER_SIDE: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 1);
/// Next hop from a router into a network.
pub const NETWORK_SIDE: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 2);
/// What the network's end of a probe port is called in the probe's namespace.
pub const PROBE_DEVICE: &str = "eth0";

/// The first `n` letters and digits of an id, in lower case.
pub fn head(id: &str, n: usize) -> String {
    id.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(n)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// A port's device in its network's namespace.
pub fn port_device(port: &str) -> String {
    format!("t{}", head(port, 11))
}

/// A router's device in a network's namespace.
pub fn router_device(router: &str) -> String {
    format!("r{}", head(router, 11))
}

/// A network's device in a router's namespace.
pub fn network_device(network: &str) -> String {
    format!("n{}", head(network, 11))
}

/// The packet filter's name of a security group: its set, and the stem of its chains.
pub fn group_name(group: &str) -> String {
    format!("g_{}", head(group, 64))
}

/// The names of an instance's namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    instance: String,
}

impl Names {
    /// Refuses an instance name that would not be safe in a namespace's name.
    pub fn new(instance: &str) -> io::Result<Names> {
        let good = (1..=12).contains(&instance.len())
            && instance
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !good {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("Instance `{instance}` must be 1 to 12 lower-case letters and digits."),
            ));
        }
        Ok(Names {
            instance: instance.to_owned(),
        })
    }

    /// What the names of all namespaces of the instance begin with.
    pub fn prefix(&self) -> String {
        format!("jy-{}-", self.instance)
    }

    /// A network's namespace.
    pub fn network(&self, id: &str) -> String {
        self.space('n', id)
    }

    /// A router's namespace.
    pub fn router(&self, id: &str) -> String {
        self.space('r', id)
    }

    /// The namespace at the other end of a probe port.
    pub fn probe(&self, port: &str) -> String {
        self.space('p', port)
    }

    fn space(&self, kind: char, id: &str) -> String {
        format!("jy-{}-{kind}-{}", self.instance, head(id, 8))
    }
}

/// An IPv4 range, always with the host bits cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    base: Ipv4Addr,
    len: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/24`, or one address.
    pub fn parse(text: &str) -> Option<Cidr> {
        let (base, len) = match text.split_once('/') {
            Some((base, len)) => (base, len.parse::<u8>().ok()?),
            None => (text, 32),
        };
        if len > 32 {
            return None;
        }
        let base = u32::from(base.parse::<Ipv4Addr>().ok()?) & bits(len);
        Some(Cidr {
            base: Ipv4Addr::from(base),
            len,
        })
    }

    /// One address.
    pub fn host(ip: Ipv4Addr) -> Cidr {
        Cidr { base: ip, len: 32 }
    }

    /// The first address.
    pub fn base(&self) -> Ipv4Addr {
        self.base
    }

    /// The length of the prefix.
    pub fn prefix_len(&self) -> u8 {
        self.len
    }

    /// The prefix as a mask.
    pub fn mask(&self) -> Ipv4Addr {
        Ipv4Addr::from(bits(self.len))
    }

    /// The address is in the range.
    pub fn contains(&self, ip: Ipv4Addr) -> bool {
        u32::from(ip) & bits(self.len) == u32::from(self.base)
    }

    /// Some address is in both.
    pub fn overlaps(&self, other: &Cidr) -> bool {
        self.contains(other.base) || other.contains(self.base)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.len)
    }
}

fn bits(len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)
}

/// Reads `fa:16:3e:00:00:01`.
pub fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts
            .next()
            .filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    match parts.next() {
        None => Some(bytes),
        Some(_) => None,
    }
}

/// Prints a MAC address as `ip` and `nft` print it.
pub fn mac_text(mac: [u8; 6]) -> String {
    let parts: Vec<String> = mac.iter().map(|b| format!("{b:02x}")).collect();
    parts.join(":")
}
