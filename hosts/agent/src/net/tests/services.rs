//! What guests are answered, packet for packet, and what probes send.

use super::{A, document, port};
use crate::net::{dhcp, dns, metadata, probe};
use dhcproto::v4::{
    Decodable, Decoder, DhcpOption, Encodable, Message, MessageType, Opcode, OptionCode,
};
use hickory_proto::op::{self, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use jinyun_wire::NetworkWant;
use std::net::Ipv4Addr;

const MAC: [u8; 6] = [0xfa, 0x16, 0x3e, 0, 0, 0x11];

/// The first network of the document, with names and pages.
fn network() -> NetworkWant {
    let mut network = document().networks.remove(0);
    let page = |path: &str, body: &str| (path.to_owned(), body.to_owned());
    network.ports[0].metadata = vec![
        page("openstack/latest/meta_data.json", "{}"),
        page("/openstack/latest/user_data", "#!/bin/sh"),
        page("openstack/2018-08-27/meta_data.json", "{}"),
    ];
    network.ports[1].hostname = "probe".to_owned();
    network.subnets[0].host_routes = vec![("10.9.0.0/20".to_owned(), [10, 0, 0, 7].into())];
    network
}

fn request(kind: MessageType, change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(7, none, none, none, none, &MAC);
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    change(&mut message);
    message.to_vec().unwrap()
}

fn dhcp_answer(packet: &[u8]) -> Option<(Message, Ipv4Addr)> {
    let (bytes, to) = dhcp::answer(&network(), A, packet)?;
    assert!(bytes.len() >= 300);
    let message = Message::decode(&mut Decoder::new(&bytes)).unwrap();
    assert_eq!(message.xid(), 7);
    assert_eq!(message.opcode(), Opcode::BootReply);
    Some((message, *to.unwrap().ip()))
}

fn asks(message: &mut Message, ip: [u8; 4]) {
    let option = DhcpOption::RequestedIpAddress(ip.into());
    message.opts_mut().insert(option);
}

#[test]
fn a_lease() {
    let (offer, to) = dhcp_answer(&request(MessageType::Discover, |_| {})).unwrap();
    assert_eq!(to, Ipv4Addr::BROADCAST);
    assert_eq!(offer.yiaddr(), Ipv4Addr::new(10, 0, 0, 11));
    let gateway = Ipv4Addr::new(10, 0, 0, 1);
    let expected = [
        DhcpOption::MessageType(MessageType::Offer),
        DhcpOption::ServerIdentifier(gateway),
        DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)),
        DhcpOption::Router(vec![gateway]),
        DhcpOption::DomainNameServer(vec![gateway]),
        DhcpOption::Hostname("web".to_owned()),
        DhcpOption::DomainName("a.test".to_owned()),
        DhcpOption::InterfaceMtu(1450),
        DhcpOption::AddressLeaseTime(86_400),
    ];
    for option in expected {
        assert_eq!(offer.opts().get(OptionCode::from(&option)), Some(&option));
    }
    let routes = offer.opts().get(OptionCode::ClasslessStaticRoute);
    let Some(DhcpOption::ClasslessStaticRoute(routes)) = routes else {
        panic!("{routes:?}");
    };
    let routes: Vec<String> = routes
        .iter()
        .map(|(to, via)| format!("{to} {via}"))
        .collect();
    let expected = [
        "169.254.169.254/32 10.0.0.1",
        "10.9.0.0/20 10.0.0.7",
        "0.0.0.0/0 10.0.0.1",
    ];
    assert_eq!(routes, expected);
}

/// What a client asks for, and what it gets.
#[test]
fn requests() {
    type Change = fn(&mut Message);
    let cases: [(&str, Change, Option<MessageType>, Ipv4Addr); 7] = [
        (
            "its address",
            |m| asks(m, [10, 0, 0, 11]),
            Some(MessageType::Ack),
            Ipv4Addr::BROADCAST,
        ),
        (
            "another address",
            |m| asks(m, [10, 0, 0, 12]),
            Some(MessageType::Nak),
            Ipv4Addr::BROADCAST,
        ),
        (
            "to go on",
            |m| {
                m.set_ciaddr([10, 0, 0, 11]);
            },
            Some(MessageType::Ack),
            Ipv4Addr::new(10, 0, 0, 11),
        ),
        (
            "to go on with another's",
            |m| {
                m.set_ciaddr([10, 0, 0, 12]);
            },
            Some(MessageType::Nak),
            Ipv4Addr::BROADCAST,
        ),
        (
            "another server",
            |m| {
                asks(m, [10, 0, 0, 11]);
                let other = DhcpOption::ServerIdentifier([10, 0, 0, 9].into());
                m.opts_mut().insert(other);
            },
            None,
            Ipv4Addr::BROADCAST,
        ),
        (
            "with another's MAC",
            |m| {
                m.set_chaddr(&[0xfa, 0x16, 0x3e, 0, 0, 0x12]);
            },
            None,
            Ipv4Addr::BROADCAST,
        ),
        (
            "through a relay",
            |m| {
                m.set_giaddr([10, 0, 0, 9]);
            },
            None,
            Ipv4Addr::BROADCAST,
        ),
    ];
    for (name, change, kind, to) in cases {
        let answer = dhcp_answer(&request(MessageType::Request, change));
        let got = answer.map(|(m, to)| (m.opts().msg_type(), to));
        assert_eq!(got, kind.map(|kind| (Some(kind), to)), "{name}");
    }
}

/// A packet whose hardware address is longer than its field, and other noise, is not answered.
#[test]
fn noise() {
    let mut packet = request(MessageType::Discover, |_| {});
    packet[2] = 200;
    assert!(dhcp_answer(&packet).is_none());
    assert!(dhcp_answer(&[]).is_none());
    assert!(dhcp_answer(&[1; 240]).is_none());
    assert!(dns::answer(&network(), &[0; 11]).is_none());
}

/// Without a gateway: no router, and metadata on the link itself.
#[test]
fn a_lease_without_a_gateway() {
    let mut network = network();
    network.subnets[0].gateway = None;
    let packet = request(MessageType::Discover, |_| {});
    let (bytes, _) = dhcp::answer(&network, A, &packet).unwrap();
    let offer = Message::decode(&mut Decoder::new(&bytes)).unwrap();
    assert!(offer.opts().get(OptionCode::Router).is_none());
    let metadata = Ipv4Addr::new(169, 254, 169, 254);
    assert_eq!(
        offer.opts().get(OptionCode::DomainNameServer),
        Some(&DhcpOption::DomainNameServer(vec![metadata]))
    );
    network.subnets[0].dhcp = false;
    assert!(dhcp::answer(&network, A, &packet).is_none());
}

/// Question, type, and the answer: code and data.
#[test]
fn names_and_addresses() {
    use RecordType::{A as V4, AAAA as V6, PTR, SOA};
    let cases = [
        (
            "web.a.test.",
            V4,
            ResponseCode::NoError,
            "10.0.0.11 10.0.0.13",
        ),
        ("PROBE.a.Test.", V4, ResponseCode::NoError, "10.0.0.12"),
        ("probe.", V4, ResponseCode::NoError, "10.0.0.12"),
        ("probe.a.test.", V6, ResponseCode::NoError, ""),
        ("nobody.a.test.", V4, ResponseCode::NXDomain, ""),
        ("x.probe.a.test.", V4, ResponseCode::NXDomain, ""),
        ("a.test.", V4, ResponseCode::NoError, ""),
        ("nobody.", V4, ResponseCode::Refused, ""),
        ("example.com.", V4, ResponseCode::Refused, ""),
        (".", SOA, ResponseCode::Refused, ""),
        (
            "12.0.0.10.in-addr.arpa.",
            PTR,
            ResponseCode::NoError,
            "probe.a.test.",
        ),
        ("99.0.0.10.in-addr.arpa.", PTR, ResponseCode::NXDomain, ""),
        ("8.8.8.8.in-addr.arpa.", PTR, ResponseCode::Refused, ""),
    ];
    for (name, kind, code, data) in cases {
        let mut query = op::Message::query();
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let bytes = dns::answer(&network(), &query.to_vec().unwrap()).unwrap();
        let reply = op::Message::from_vec(&bytes).unwrap();
        assert_eq!(reply.metadata.id, query.metadata.id);
        assert_eq!(reply.metadata.response_code, code, "{name}");
        assert!(!reply.metadata.recursion_available);
        let got: Vec<String> = reply.answers.iter().map(|r| r.data.to_string()).collect();
        assert_eq!(got.join(" "), data, "{name}");
    }
}

/// Pages, directories, and nothing for anybody else.
#[test]
fn pages() {
    let network = network();
    let me = Ipv4Addr::new(10, 0, 0, 11);
    let cases = [
        ("/openstack/latest/meta_data.json", Some("{}")),
        ("/openstack/latest/user_data", Some("#!/bin/sh")),
        ("/openstack/latest/", Some("meta_data.json\nuser_data")),
        ("/openstack", Some("2018-08-27\nlatest")),
        ("/", Some("openstack")),
        ("/openstack/late", None),
        ("/openstack/latest/meta_data.json/x", None),
        ("/../etc/passwd", None),
    ];
    for (path, body) in cases {
        assert_eq!(
            metadata::page(&network, me, path).as_deref(),
            body,
            "{path}"
        );
    }
    for other in [[10, 0, 0, 12], [10, 0, 0, 99]] {
        let page = metadata::page(&network, other.into(), "/openstack/latest/meta_data.json");
        assert_eq!(page, None);
    }
}

/// A frame's checksums add up to nothing, as a receiver computes them.
#[test]
fn frames() {
    let (from, to) = (Ipv4Addr::new(10, 0, 0, 11), Ipv4Addr::new(10, 0, 0, 12));
    let frame = probe::frame(MAC, from, to, 5000, b"abc");
    assert_eq!(frame.len(), 14 + 20 + 8 + 3);
    assert_eq!(frame[..6], [0x02, 0xfe, 0xee, 0xee, 0xee, 0xee]);
    assert_eq!(frame[6..12], MAC);
    assert_eq!(probe::checksum(&frame[14..34]), 0);
    let mut pseudo = frame[26..34].to_vec();
    pseudo.extend([0, 17, 0, 11]);
    pseudo.extend(&frame[34..]);
    assert_eq!(probe::checksum(&pseudo), 0);
}

/// A port's seat is where its probe enters.
#[test]
fn seats() {
    let names = super::names();
    let mut want = document();
    want.networks[0]
        .ports
        .push(port("d4", "fa:16:3e:00:00:14", "s1", "10.0.0.14"));
    let seats: Vec<String> = probe::seats(&names, &want).into_keys().collect();
    assert_eq!(seats, [super::B]);
}
