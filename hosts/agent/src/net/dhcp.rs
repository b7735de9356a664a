//! DHCP: what a port's client is told.
//!
//! Problem: an address is a property of a port, decided long before the client asks, and a client
//! may claim to be anybody.
//!
//! Mechanism: each port's device has a socket of its own, so the device says which port asks; the
//! MAC in the packet must be that port's as well. The answer is a pure function of the document:
//! there are no leases to store, to expire or to lose in a restart, and every lease time is the
//! same. Routes are told twice, as option 3 and as option 121, since a client that understands the
//! second must ignore the first (RFC 3442).

use super::names::{self, Cidr};
use dhcproto::v4::{
    CLIENT_PORT, Decodable, Decoder, DhcpOption, Encodable, HType, Message, MessageType, Opcode,
    OptionCode, UnknownOption,
};
use jinyun_wire::{NetworkWant, PortWant, SubnetWant};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Seconds for which a client may use its address without asking again.
const LEASE: u32 = 86_400;
/// BOOTP's shortest message; some clients drop shorter ones.
const SHORTEST: usize = 300;

/// The answer to a packet that came in by the device of `port`, and where to send it.
pub fn answer(
    network: &NetworkWant,
    port: &str,
    packet: &[u8],
) -> Option<(Vec<u8>, Option<SocketAddrV4>)> {
    let request = Message::decode(&mut Decoder::new(packet)).ok()?;
    let port = network.ports.iter().find(|p| p.id == port && p.up)?;
    let (subnet, ip) = port.ips.first()?;
    let subnet = network.subnets.iter().find(|s| s.id == *subnet && s.dhcp)?;
    if !is_from(&request, port) {
        return None;
    }
    let lease = Lease {
        network,
        subnet,
        port,
        ip: *ip,
        range: Cidr::parse(&subnet.cidr)?,
        server: subnet.gateway.unwrap_or(names::METADATA),
    };
    let reply = lease.reply(&request)?;
    let mut bytes = reply.to_vec().ok()?;
    if bytes.len() < SHORTEST {
        bytes.resize(SHORTEST, 0);
    }
    // A client that has its address already is reached there; any other only by broadcast. What
    // the client says about itself does not decide where we send.
    let there = request.ciaddr() == *ip && reply.opts().msg_type() == Some(MessageType::Ack);
    let to = if there { *ip } else { Ipv4Addr::BROADCAST };
    Some((bytes, Some(SocketAddrV4::new(to, CLIENT_PORT))))
}

/// The packet is a request, straight from a client with the port's MAC. The length is looked at
/// first: the decoder takes one that is longer than its field, and panics when asked for it.
fn is_from(request: &Message, port: &PortWant) -> bool {
    request.opcode() == Opcode::BootRequest
        && request.htype() == HType::Eth
        && request.hlen() == 6
        && request.giaddr().is_unspecified()
        && names::mac(&port.mac).is_some_and(|mac| request.chaddr() == mac)
}

struct Lease<'a> {
    network: &'a NetworkWant,
    subnet: &'a SubnetWant,
    port: &'a PortWant,
    ip: Ipv4Addr,
    range: Cidr,
    server: Ipv4Addr,
}

impl Lease<'_> {
    fn reply(&self, request: &Message) -> Option<Message> {
        match request.opts().msg_type()? {
            MessageType::Discover => {
                let mut reply = self.head(request, MessageType::Offer);
                self.give(&mut reply);
                Some(reply)
            }
            MessageType::Request => self.grant(request),
            MessageType::Inform => {
                let mut reply = self.head(request, MessageType::Ack);
                reply.set_ciaddr(request.ciaddr());
                self.tell(&mut reply);
                Some(reply)
            }
            _ => None,
        }
    }

    /// The answer to a request for an address: ours, or no.
    fn grant(&self, request: &Message) -> Option<Message> {
        let options = request.opts();
        if let Some(DhcpOption::ServerIdentifier(server)) =
            options.get(OptionCode::ServerIdentifier)
            && *server != self.server
        {
            return None;
        }
        let asked = match options.get(OptionCode::RequestedIpAddress) {
            Some(DhcpOption::RequestedIpAddress(ip)) => *ip,
            _ => request.ciaddr(),
        };
        if asked != self.ip {
            return Some(self.head(request, MessageType::Nak));
        }
        let mut reply = self.head(request, MessageType::Ack);
        reply.set_ciaddr(request.ciaddr());
        self.give(&mut reply);
        Some(reply)
    }

    fn head(&self, request: &Message, kind: MessageType) -> Message {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut reply =
            Message::new_with_id(request.xid(), none, none, none, none, request.chaddr());
        reply
            .set_opcode(Opcode::BootReply)
            .set_flags(request.flags());
        let options = reply.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        options.insert(DhcpOption::ServerIdentifier(self.server));
        reply
    }

    /// The address, for how long, and the rest.
    fn give(&self, reply: &mut Message) {
        reply.set_yiaddr(self.ip).set_siaddr(self.server);
        let options = reply.opts_mut();
        options.insert(DhcpOption::AddressLeaseTime(LEASE));
        options.insert(DhcpOption::Renewal(LEASE / 2));
        options.insert(DhcpOption::Rebinding(LEASE / 8 * 7));
        self.tell(reply);
    }

    fn tell(&self, reply: &mut Message) {
        let options = reply.opts_mut();
        options.insert(DhcpOption::SubnetMask(self.range.mask()));
        if let Some(gateway) = self.subnet.gateway {
            options.insert(DhcpOption::Router(vec![gateway]));
        }
        let mtu = u16::try_from(self.network.mtu).unwrap_or(u16::MAX);
        options.insert(DhcpOption::InterfaceMtu(mtu));
        let dns = match self.subnet.dns.as_slice() {
            [] => vec![self.server],
            dns => dns.to_vec(),
        };
        options.insert(DhcpOption::DomainNameServer(dns));
        if !self.port.hostname.is_empty() {
            options.insert(DhcpOption::Hostname(self.port.hostname.clone()));
        }
        let domain = self.network.dns_domain.trim_end_matches('.');
        if !domain.is_empty() {
            options.insert(DhcpOption::DomainName(domain.to_owned()));
        }
        let routes = UnknownOption::new(OptionCode::ClasslessStaticRoute, self.routes());
        options.insert(DhcpOption::Unknown(routes));
    }

    /// Option 121: to the metadata service (on the link itself, 0.0.0.0, where there is no
    /// gateway), the subnet's own routes, and everywhere else.
    fn routes(&self) -> Vec<u8> {
        let gateway = self.subnet.gateway;
        let near = gateway.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut bytes = Vec::new();
        route(&mut bytes, Cidr::host(names::METADATA), near);
        for (to, via) in &self.subnet.host_routes {
            if let Some(to) = Cidr::parse(to) {
                route(&mut bytes, to, *via);
            }
        }
        if let (Some(gateway), Some(all)) = (gateway, Cidr::parse("0.0.0.0/0")) {
            route(&mut bytes, all, gateway);
        }
        bytes
    }
}

/// RFC 3442: the length of the prefix, as many bytes of it as matter, the router.
fn route(bytes: &mut Vec<u8>, to: Cidr, via: Ipv4Addr) {
    bytes.push(to.prefix_len());
    let matter = usize::from(to.prefix_len().div_ceil(8));
    bytes.extend(to.base().octets().iter().take(matter));
    bytes.extend(via.octets());
}
