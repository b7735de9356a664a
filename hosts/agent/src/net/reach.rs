//! Reaching for what is no port's: the platform, the host, other namespaces, everybody at once.
//!
//! Problem: an ordinary socket is kept by the probe's own kernel from many things that a guest can
//! do: it sends nothing to a loopback address by a wire, and no broadcast that it has no route for.
//! An attempt that ends there says nothing about the network.
//!
//! Mechanism: whole frames, to the gateway's MAC or to everybody's, as a guest would write them.
//! The beginning of a TCP connection is answered by an acceptance or by a reset; either means that
//! somebody behind the filter heard it. A message that there is no way, or nothing at all, means
//! that nobody did.

use super::names::GATEWAY_MAC_BYTES;
use super::probe::{
    Outcome, Seat, WAIT, check, checksum, failed, frame, hear, is_timeout, left, listen, wire,
};
use std::io::Read;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

/// The port from which DHCP servers answer.
const DHCP_SERVER: u16 = 67;
/// Source ports begin here; each attempt has its own, so that a late answer is nobody else's.
const FIRST_PORT: u16 = 50_000;
/// How many there are before they come round.
const PORTS: u16 = 10_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Begins a connection and sees whether anybody answers.
pub fn reach(from: &Seat, ip: Ipv4Addr, port: u16) -> Outcome {
    if ip == from.ip {
        return Err("A port does not reach for itself through the network.".to_owned());
    }
    let source = FIRST_PORT + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
    let wire = wire(from, libc::ETH_P_IP).map_err(failed("the sender has no packet socket"))?;
    let begin = Instant::now();
    wire.send(&syn(from, ip, source, port))
        .map_err(failed("the frame cannot be sent"))?;
    let mut buffer = [0; 2048];
    let mut told = String::new();
    loop {
        wire.set_read_timeout(Some(left(begin)?))
            .map_err(failed("the sender cannot wait"))?;
        match (&wire).read(&mut buffer) {
            Ok(length) => match said(&buffer[..length], (ip, port), (from.ip, source)) {
                Some(Said::Accepts) => {
                    let ms = begin.elapsed().as_millis();
                    return Ok((true, format!("{ip} port {port} accepted after {ms} ms")));
                }
                Some(Said::Resets) => {
                    let how = format!("{ip} port {port} refused: somebody is there");
                    return Ok((true, how));
                }
                Some(Said::NoWay(by)) => told = format!("; {by} says that there is no way"),
                None => {}
            },
            Err(e) if is_timeout(&e) => break,
            Err(e) => return Err(failed("the sender cannot receive")(e)),
        }
    }
    let ms = WAIT.as_millis();
    let how = format!("nobody answered at {ip} port {port} within {ms} ms{told}");
    Ok((false, how))
}

/// A datagram to everybody, as a DHCP server answers.
pub fn shout(from: &Seat, to: &Seat, port: u16, nonce: &str) -> Outcome {
    check(from, to, nonce)?;
    let listener = listen(to, || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
        socket.set_broadcast(true)?;
        Ok(socket)
    })?;
    let wire = wire(from, libc::ETH_P_IP).map_err(failed("the sender has no packet socket"))?;
    let everybody = Ipv4Addr::BROADCAST;
    let mut bytes = frame(from.mac, from.ip, everybody, port, nonce.as_bytes());
    bytes[..6].fill(0xff);
    bytes[34..36].copy_from_slice(&DHCP_SERVER.to_be_bytes());
    // The checksum was of another source port; none is allowed.
    bytes[40..42].fill(0);
    let begin = Instant::now();
    wire.send(&bytes)
        .map_err(failed("the frame cannot be sent"))?;
    hear(&listener, begin, to.ip, port, nonce)
}

/// The first packet of a TCP connection in IPv4 in Ethernet, to the gateway's MAC.
fn syn(from: &Seat, to: Ipv4Addr, source: u16, port: u16) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(source.to_be_bytes());
    tcp.extend(port.to_be_bytes());
    tcp.extend(u32::from(source).to_be_bytes());
    // Nothing acknowledged; five words of head; SYN; a window.
    tcp.extend([0, 0, 0, 0, 5 << 4, 0x02, 0xfa, 0xf0, 0, 0, 0, 0]);
    let length = tcp.len() as u16;
    let mut pseudo = Vec::new();
    pseudo.extend(from.ip.octets());
    pseudo.extend(to.octets());
    pseudo.extend([0, 6]);
    pseudo.extend(length.to_be_bytes());
    pseudo.extend(&tcp);
    let sum = checksum(&pseudo);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    let mut ip = vec![0x45, 0];
    ip.extend((20 + length).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    ip.extend(from.ip.octets());
    ip.extend(to.octets());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = Vec::new();
    frame.extend(GATEWAY_MAC_BYTES);
    frame.extend(from.mac);
    frame.extend([0x08, 0x00]);
    frame.extend(ip);
    frame.extend(tcp);
    frame
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Accepts,
    Resets,
    NoWay(Ipv4Addr),
}

fn address(ip: &[u8], at: usize) -> Option<Ipv4Addr> {
    let bytes: [u8; 4] = ip.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(bytes))
}

fn port(tcp: &[u8], at: usize) -> Option<u16> {
    let bytes: [u8; 2] = tcp.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_be_bytes(bytes))
}

/// Reads a frame that may be the answer to a connection begun from `us` to `them`.
fn said(frame: &[u8], them: (Ipv4Addr, u16), us: (Ipv4Addr, u16)) -> Option<Said> {
    if frame.get(12..14)? != [0x08, 0x00] {
        return None;
    }
    let ip = frame.get(14..)?;
    let head = usize::from(ip.first()? & 0x0f) * 4;
    let inside = ip.get(head..)?;
    let (sender, receiver) = (address(ip, 12)?, address(ip, 16)?);
    match ip.get(9)? {
        6 => {
            let ours = (sender, port(inside, 0)?) == them && (receiver, port(inside, 2)?) == us;
            let flags = *inside.get(13)?;
            match (ours, flags & 0x04 != 0, flags & 0x12 == 0x12) {
                (true, true, _) => Some(Said::Resets),
                (true, false, true) => Some(Said::Accepts),
                _ => None,
            }
        }
        // "Destination unreachable", which quotes the packet that it is about.
        1 if *inside.first()? == 3 => {
            let quoted = inside.get(8..)?;
            let ours = address(quoted, 12)? == us.0 && address(quoted, 16)? == them.0;
            ours.then_some(Said::NoWay(sender))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat() -> Seat {
        Seat {
            space: "jy-t-p-a1".into(),
            mac: [0xfa, 0x16, 0x3e, 0, 0, 1],
            ip: Ipv4Addr::new(10, 0, 0, 11),
            gateway: Ipv4Addr::new(10, 0, 0, 1),
        }
    }

    /// The answer to a frame of ours: sender and receiver change places, the flags are these.
    fn answer(syn: &[u8], flags: u8) -> Vec<u8> {
        let mut frame = syn.to_vec();
        frame[26..30].copy_from_slice(&syn[30..34]);
        frame[30..34].copy_from_slice(&syn[26..30]);
        frame[34..36].copy_from_slice(&syn[36..38]);
        frame[36..38].copy_from_slice(&syn[34..36]);
        frame[47] = flags;
        frame
    }

    #[test]
    fn a_syn_is_whole_and_its_answers_are_told_apart() {
        let (them, us) = (
            (Ipv4Addr::new(127, 0, 0, 1), 8443),
            (Ipv4Addr::new(10, 0, 0, 11), 50_001),
        );
        let sent = syn(&seat(), them.0, us.1, them.1);
        assert_eq!(sent.len(), 54);
        // A checksum over what holds it gives zero.
        assert_eq!(checksum(&sent[14..34]), 0);
        let mut pseudo = sent[26..34].to_vec();
        pseudo.extend([0, 6, 0, 20]);
        pseudo.extend(&sent[34..]);
        assert_eq!(checksum(&pseudo), 0);
        for (flags, want) in [
            (0x12, Some(Said::Accepts)),
            (0x14, Some(Said::Resets)),
            (0x04, Some(Said::Resets)),
            (0x10, None),
        ] {
            assert_eq!(said(&answer(&sent, flags), them, us), want, "{flags:x}");
        }
        // What we sent ourselves is no answer, nor is one to another attempt or a part of one.
        assert_eq!(said(&sent, them, us), None);
        assert_eq!(said(&answer(&sent, 0x12), them, (us.0, 50_002)), None);
        assert_eq!(said(&answer(&sent, 0x12)[..40], them, us), None);
        let mut icmp = answer(&sent, 0)[..34].to_vec();
        icmp[23] = 1;
        icmp[26..30].copy_from_slice(&[10, 0, 0, 1]);
        icmp.extend([3, 1, 0, 0, 0, 0, 0, 0]);
        icmp.extend(&sent[14..42]);
        let want = Some(Said::NoWay(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(said(&icmp, them, us), want);
    }
}
