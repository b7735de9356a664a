//! Networks of addresses: from where something is allowed.
//!
//! One form for one network: what is written as IPv6 but is IPv4 (`::ffff:10.0.0.0/104`) is the IPv4
//! network, and an address is brought to the same form before it is looked for. A network that never
//! holds what it names would lock people out, or be a way past a denial. By hand and not a crate: it
//! is two shifts, and neither of the two known crates folds the mapped form.

// The standard library's addresses without its sockets.
use core::net::IpAddr;

/// A network, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    base: IpAddr,
    length: u32,
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
        IpAddr::V6(v6) => u128::from(v6),
    }
}

impl Net {
    /// Reads `10.1.0.0/16`, `2001:db8::/32` or one address.
    pub fn parse(text: &str) -> Option<Net> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().ok()?;
        let whole: u32 = if base.is_ipv4() { 32 } else { 128 };
        // `parse` of a number would take a sign.
        let plain = |l: &&str| !l.is_empty() && l.bytes().all(|b| b.is_ascii_digit());
        let length = match length {
            None => whole,
            Some(l) => Some(l).filter(plain)?.parse::<u32>().ok().filter(|l| *l <= whole)?,
        };
        Some(match base.to_canonical() {
            IpAddr::V4(v4) if base.is_ipv6() && length >= 96 => {
                Net { base: v4.into(), length: length - 96 }
            }
            _ => Net { base, length },
        })
    }

    /// Whether an address lies in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let differ = bits(self.base) ^ bits(address);
        self.base.is_ipv4() == address.is_ipv4()
            && (self.length == 0 || differ.checked_shr(128 - self.length).unwrap_or(0) == 0)
    }

    /// Whether it is all addresses of its family.
    pub fn everything(&self) -> bool {
        self.length == 0
    }

    /// Whether it is a network of IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.base.is_ipv4()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_say_however_it_is_written() {
        let cases = [
            ("10.1.0.0/16", "10.1.255.3", true), ("10.1.0.0/16", "10.2.0.1", false),
            ("10.1.2.3", "10.1.2.3", true), ("10.1.2.3", "10.1.2.4", false),
            ("10.1.0.0/16", "::ffff:10.1.2.3", true), ("::ffff:10.1.0.0/112", "10.1.2.3", true),
            ("::ffff:10.1.0.0/112", "10.2.0.1", false), ("::ffff:0:0/96", "8.8.8.8", true),
            ("::FFFF:A01:203", "10.1.2.3", true), ("0.0.0.0/0", "::1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("::/0", "10.0.0.1", false), ("2001:DB8::/32", "2001:db8:9::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("10.1.2.0/31", "10.1.2.1", true), ("10.1.2.0/31", "10.1.2.2", false),
        ];
        for (net, address, want) in cases {
            let net = Net::parse(net).unwrap();
            assert_eq!(net.holds(address.parse().unwrap()), want, "{net:?} {address}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/+8", "10.0.0.0/", "host",
            "10.0.0.0/8/8", " 10.0.0.1"] {
            assert_eq!(Net::parse(bad), None, "{bad}");
        }
        assert_eq!(Net::parse("::ffff:10.1.0.0/112"), Net::parse("10.1.0.0/16"));
        let all = Net::parse("::ffff:0:0/96").unwrap();
        assert!(all.everything() && all.is_ipv4());
    }
}
