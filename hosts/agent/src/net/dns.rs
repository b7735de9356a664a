//! DNS: the names of a network's ports, and nothing else.
//!
//! Problem: guests of a network want to call each other by name, and each network has names of its
//! own over addresses that may overlap with another's.
//!
//! Mechanism: a pure function of the document answers for `<hostname>.<domain>`, for the bare
//! host name, and for the addresses of the network's subnets in reverse. Inside its domain it knows
//! everything, so what is not there does not exist; anything else it refuses. It does not forward:
//! a resolver that asks the internet for guests is a way out of an isolated network, and belongs to
//! those who want one (`SubnetWant::dns`).

use super::names::Cidr;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, PTR, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use jinyun_wire::NetworkWant;
use std::net::Ipv4Addr;

/// Seconds for which an answer may be kept. Ports come and go.
const TTL: u32 = 30;
/// The longest answer over UDP; fits every path.
const LONGEST: u16 = 1232;
/// The longest without EDNS.
const CLASSIC: u16 = 512;

/// The answer to a packet; none to what is not a question.
pub fn answer(network: &NetworkWant, packet: &[u8]) -> Option<Vec<u8>> {
    let request = Message::from_vec(packet).ok()?;
    let asked = &request.metadata;
    if asked.message_type != MessageType::Query {
        return None;
    }
    let mut reply = Message::response(asked.id, asked.op_code);
    reply.metadata.recursion_desired = asked.recursion_desired;
    let mut limit = CLASSIC;
    if let Some(edns) = &request.edns {
        limit = edns.max_payload().clamp(CLASSIC, LONGEST);
        let mut ours = Edns::new();
        ours.set_max_payload(LONGEST);
        reply.set_edns(ours);
    }
    let code = match (asked.op_code, request.queries.as_slice()) {
        (OpCode::Query, [query]) => {
            reply.add_query(query.clone());
            fill(network, query, &mut reply)
        }
        (OpCode::Query, _) => ResponseCode::FormErr,
        _ => ResponseCode::NotImp,
    };
    reply.metadata.response_code = code;
    reply.metadata.authoritative = matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
    let bytes = reply.to_vec().ok()?;
    if bytes.len() > usize::from(limit) {
        return reply.truncate().to_vec().ok();
    }
    Some(bytes)
}

fn fill(network: &NetworkWant, query: &Query, reply: &mut Message) -> ResponseCode {
    if !matches!(query.query_class(), DNSClass::IN | DNSClass::ANY) {
        return ResponseCode::Refused;
    }
    let labels: Vec<String> = query
        .name()
        .iter()
        .map(|label| String::from_utf8_lossy(label).to_ascii_lowercase())
        .collect();
    if let Some(ip) = reverse(&labels) {
        return fill_reverse(network, ip, query, reply);
    }
    let domain = domain(network);
    let inside = !domain.is_empty() && labels.ends_with(&domain);
    let host = match labels.as_slice() {
        all if inside => &all[..all.len() - domain.len()],
        all => all,
    };
    match host {
        [] if inside => {
            add_soa(network, reply, query.query_type() == RecordType::SOA);
            return ResponseCode::NoError;
        }
        [_] => {}
        _ if inside => {
            add_soa(network, reply, false);
            return ResponseCode::NXDomain;
        }
        _ => return ResponseCode::Refused,
    }
    let ports = network.ports.iter();
    let ips: Vec<Ipv4Addr> = ports
        .filter(|p| p.hostname.to_ascii_lowercase() == host[0])
        .flat_map(|p| p.ips.iter().map(|(_, ip)| *ip))
        .collect();
    match (ips.is_empty(), inside) {
        (true, false) => return ResponseCode::Refused,
        (true, true) => {
            add_soa(network, reply, false);
            return ResponseCode::NXDomain;
        }
        (false, _) => {}
    }
    if matches!(query.query_type(), RecordType::A | RecordType::ANY) {
        for ip in ips {
            let record = Record::from_rdata(query.name().clone(), TTL, RData::A(A(ip)));
            reply.add_answer(record);
        }
    } else {
        add_soa(network, reply, false);
    }
    ResponseCode::NoError
}

/// The name of an address. Only addresses of the network's own ranges are ours to name.
fn fill_reverse(
    network: &NetworkWant,
    ip: Ipv4Addr,
    query: &Query,
    reply: &mut Message,
) -> ResponseCode {
    let ours = network
        .subnets
        .iter()
        .any(|s| Cidr::parse(&s.cidr).is_some_and(|c| c.contains(ip)));
    if !ours {
        return ResponseCode::Refused;
    }
    let mut ports = network.ports.iter();
    let port = ports.find(|p| p.ips.iter().any(|(_, i)| *i == ip));
    let name = port.and_then(|p| {
        let mut labels = vec![p.hostname.clone()];
        labels.extend(domain(network));
        full_name(&labels)
    });
    let Some(name) = name else {
        return ResponseCode::NXDomain;
    };
    if matches!(query.query_type(), RecordType::PTR | RecordType::ANY) {
        let record = Record::from_rdata(query.name().clone(), TTL, RData::PTR(PTR(name)));
        reply.add_answer(record);
    }
    ResponseCode::NoError
}

/// The address that a name below `in-addr.arpa` is about.
fn reverse(labels: &[String]) -> Option<Ipv4Addr> {
    let [d, c, b, a, zone, top] = labels else {
        return None;
    };
    if zone != "in-addr" || top != "arpa" {
        return None;
    }
    format!("{a}.{b}.{c}.{d}").parse().ok()
}

fn domain(network: &NetworkWant) -> Vec<String> {
    let labels = network.dns_domain.split('.').filter(|l| !l.is_empty());
    labels.map(str::to_ascii_lowercase).collect()
}

fn full_name(labels: &[String]) -> Option<Name> {
    if labels.iter().any(String::is_empty) {
        return None;
    }
    Name::from_ascii(format!("{}.", labels.join("."))).ok()
}

/// Says for how long a "no" may be kept, or, asked for it, who is responsible.
fn add_soa(network: &NetworkWant, reply: &mut Message, as_answer: bool) {
    let Some(zone) = full_name(&domain(network)).filter(|z| !z.is_root()) else {
        return;
    };
    let Ok(person) = zone.prepend_label("hostmaster") else {
        return;
    };
    let soa = SOA::new(zone.clone(), person, 1, 3600, 600, 86_400, TTL);
    let record = Record::from_rdata(zone, TTL, RData::SOA(soa));
    if as_answer {
        reply.add_answer(record);
    } else {
        reply.add_authority(record);
    }
}
