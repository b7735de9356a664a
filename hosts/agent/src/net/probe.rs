//! Probes: doing what must not be possible, from where a guest would do it.
//!
//! Problem: that a rule is installed proves nothing; that the forbidden thing fails proves a
//! little, if the same thing succeeds when it is allowed, and if it failed for the right reason.
//!
//! Mechanism: a probe enters through the namespace behind a real port and sends real frames, with
//! whatever sender it likes. Whatever keeps the probe itself from running (no namespace, a socket
//! that fails, a port in use, a reset by somebody unexpected) is [`Answer::Failed`] and never "it
//! did not arrive": a target that cannot be reached for another reason is no proof.
//!
//! Sockets belong to the namespace in which they were opened, so only opening them needs a thread
//! there; sending and waiting happen here.

use super::held::Held;
use super::names::{self, GATEWAY_MAC_BYTES, LINK, PROBE_DEVICE};
use super::netns::enter;
use super::reach;
use jinyun_wire::{Answer, Attach, HostWant, Probe};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// How long a datagram or an ARP reply may take.
pub(super) const WAIT: Duration = Duration::from_millis(700);
/// How long a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// How long a port may be taken by what is no listener of anybody, and how often to look.
const TAKEN: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(5);
/// The longest nonce.
const NONCE: usize = 512;

/// Where a probe port is.
#[derive(Debug, Clone)]
pub struct Seat {
    pub(super) space: String,
    pub(super) mac: [u8; 6],
    pub(super) ip: Ipv4Addr,
    pub(super) gateway: Ipv4Addr,
}

/// The probe ports of a document (which has been sifted) by id.
pub fn seats(names: &names::Names, want: &HostWant) -> BTreeMap<String, Seat> {
    let mut seats = BTreeMap::new();
    for network in &want.networks {
        for port in network.ports.iter().filter(|p| p.attach == Attach::Probe) {
            let (Some((subnet, ip)), Some(mac)) = (port.ips.first(), names::mac(&port.mac)) else {
                continue;
            };
            let subnet = network.subnets.iter().find(|s| s.id == *subnet);
            let seat = Seat {
                space: names.probe(&port.id),
                mac,
                ip: *ip,
                gateway: subnet.and_then(|s| s.gateway).unwrap_or(LINK),
            };
            seats.insert(port.id.clone(), seat);
        }
    }
    seats
}

/// Carries out a probe; takes three seconds at most. What it opens and keeps is in `held`.
pub fn run(seats: &BTreeMap<String, Seat>, held: &Held, probe: &Probe) -> Answer {
    let seat = |port: &String| {
        seats
            .get(port)
            .ok_or_else(|| format!("Port {port} is no probe port with an address on this host."))
    };
    let result = match probe {
        Probe::Frame {
            from,
            to,
            mac,
            ip,
            udp,
            nonce,
        } => seat(from).and_then(|from| {
            let mac = match mac {
                Some(text) => names::mac(text).ok_or(format!("`{text}` is no MAC address."))?,
                None => from.mac,
            };
            send_frame(from, seat(to)?, mac, ip.unwrap_or(from.ip), *udp, nonce)
        }),
        Probe::Arp { from, ip } => seat(from).and_then(|from| ask_arp(from, ip.unwrap_or(from.ip))),
        Probe::Connect {
            from,
            to,
            ip,
            tcp,
            nonce,
        } => seat(from).and_then(|from| {
            let to = seat(to)?;
            connect(
                from,
                to,
                SocketAddrV4::new(ip.unwrap_or(to.ip), *tcp),
                nonce,
            )
        }),
        Probe::Reach { from, ip, tcp } => seat(from).and_then(|from| reach::reach(from, *ip, *tcp)),
        Probe::Shout {
            from,
            to,
            udp,
            nonce,
        } => seat(from).and_then(|from| reach::shout(from, seat(to)?, *udp, nonce)),
        Probe::Hold {
            from,
            to,
            tcp,
            session,
        } => seat(from).and_then(|from| held.open(from, seat(to)?, *tcp, session)),
        Probe::Pass { session, nonce } => held.pass(session, nonce),
        Probe::Close { session } => held.close(session),
    };
    match result {
        Ok((arrived, how)) => Answer::Probe { arrived, how },
        Err(why) => Answer::Failed { why },
    }
}

/// What was seen, or why nothing could be.
pub(super) type Outcome = Result<(bool, String), String>;

pub(super) fn failed(what: &str) -> impl Fn(io::Error) -> String {
    move |e| format!("{what}: {e}.")
}

fn send_frame(
    from: &Seat,
    to: &Seat,
    mac: [u8; 6],
    ip: Ipv4Addr,
    port: u16,
    nonce: &str,
) -> Outcome {
    if ip == to.ip {
        return Err("A host refuses datagrams from its own address; claim another.".to_owned());
    }
    check(from, to, nonce)?;
    let listener = listen(to, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)))?;
    let wire = wire(from, libc::ETH_P_IP).map_err(failed("the sender has no packet socket"))?;
    let begin = Instant::now();
    wire.send(&frame(mac, ip, to.ip, port, nonce.as_bytes()))
        .map_err(failed("the frame cannot be sent"))?;
    hear(&listener, begin, to.ip, port, nonce)
}

/// Opens a socket at a port. A program that another thread is just starting holds a copy of every
/// socket of ours until it has become itself, so a port may be taken for a moment after the probe
/// before this one closed it. Whoever holds it longer is somebody else, and the probe says so.
pub(super) fn listen<T: Send>(at: &Seat, bind: impl Fn() -> io::Result<T> + Sync) -> Result<T, String> {
    let begin = Instant::now();
    loop {
        match enter(&at.space, &bind) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && begin.elapsed() < TAKEN => {
                std::thread::sleep(AGAIN);
            }
            done => return done.map_err(failed("the receiver cannot listen")),
        }
    }
}

/// What every datagram needs: another port, and something that tells it from others.
pub(super) fn check(from: &Seat, to: &Seat, nonce: &str) -> Result<(), String> {
    if from.space == to.space {
        return Err("A port does not send to itself through the network.".to_owned());
    }
    if nonce.is_empty() || nonce.len() > NONCE {
        return Err(format!("A nonce has 1 to {NONCE} bytes."));
    }
    Ok(())
}

/// Waits for a datagram that holds the nonce.
pub(super) fn hear(
    listener: &UdpSocket,
    begin: Instant,
    to: Ipv4Addr,
    port: u16,
    nonce: &str,
) -> Outcome {
    let mut buffer = [0; 2048];
    while let Some(left) = WAIT.checked_sub(begin.elapsed()).filter(|d| !d.is_zero()) {
        listener
            .set_read_timeout(Some(left))
            .map_err(failed("the receiver cannot wait"))?;
        match listener.recv_from(&mut buffer) {
            Ok((length, sender)) if buffer[..length] == *nonce.as_bytes() => {
                let ms = begin.elapsed().as_millis();
                return Ok((
                    true,
                    format!("the datagram arrived from {sender} after {ms} ms"),
                ));
            }
            Ok(_) => {}
            Err(e) if is_timeout(&e) => break,
            Err(e) => return Err(failed("the receiver cannot receive")(e)),
        }
    }
    let ms = WAIT.as_millis();
    Ok((
        false,
        format!("nothing arrived at {to} port {port} within {ms} ms"),
    ))
}

fn ask_arp(from: &Seat, claim: Ipv4Addr) -> Outcome {
    let wire = wire(from, libc::ETH_P_ARP).map_err(failed("there is no packet socket"))?;
    let mut request = Vec::from([0xff; 6]);
    request.extend(from.mac);
    request.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    request.extend(from.mac);
    request.extend(claim.octets());
    request.extend([0; 6]);
    request.extend(from.gateway.octets());
    let begin = Instant::now();
    wire.send(&request)
        .map_err(failed("the request cannot be sent"))?;
    let mut buffer = [0; 2048];
    while let Some(left) = WAIT.checked_sub(begin.elapsed()).filter(|d| !d.is_zero()) {
        wire.set_read_timeout(Some(left))
            .map_err(failed("the sender cannot wait"))?;
        match (&wire).read(&mut buffer) {
            Ok(length) if is_reply(&buffer[..length], from, claim) => {
                let ms = begin.elapsed().as_millis();
                let how = format!("{} answered {claim} after {ms} ms", from.gateway);
                return Ok((true, how));
            }
            Ok(_) => {}
            Err(e) if is_timeout(&e) => break,
            Err(e) => return Err(failed("the sender cannot receive")(e)),
        }
    }
    let (gateway, ms) = (from.gateway, WAIT.as_millis());
    Ok((
        false,
        format!("{gateway} did not answer {claim} within {ms} ms"),
    ))
}

/// The frame is the gateway's ARP reply to the address that we claimed.
fn is_reply(frame: &[u8], from: &Seat, claim: Ipv4Addr) -> bool {
    frame.len() >= 42
        && frame[12..14] == [0x08, 0x06]
        && frame[20..22] == [0, 2]
        && frame[28..32] == from.gateway.octets()
        && frame[38..42] == claim.octets()
}

fn connect(from: &Seat, to: &Seat, target: SocketAddrV4, nonce: &str) -> Outcome {
    if nonce.is_empty() || nonce.len() > NONCE {
        return Err(format!("A nonce has 1 to {NONCE} bytes."));
    }
    let port = target.port();
    let listener = listen(to, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))?;
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| echo(&listener, nonce.len()));
        let target = SocketAddr::V4(target);
        let made = enter(&from.space, || {
            Ok(TcpStream::connect_timeout(&target, CONNECT))
        });
        let said = made.map(|made| made.map(|stream| talk(stream, nonce)));
        // Ends a wait for a client that did not come.
        let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
        let ms = begin.elapsed().as_millis();
        match said.map_err(failed("the sender's namespace"))? {
            Err(e) => judge(&e, from, target, ms),
            Ok(Err(e)) => Err(format!("{target} accepted, but did not echo: {e}.")),
            Ok(Ok(said)) if said != nonce.as_bytes() => {
                Err(format!("Somebody else answers at {target}."))
            }
            Ok(Ok(_)) => {
                let how = format!("{target} accepted and echoed after {ms} ms");
                Ok((true, how))
            }
        }
    })
}

/// What a failed attempt to connect says.
pub(super) fn judge(error: &io::Error, from: &Seat, target: SocketAddr, ms: u128) -> Outcome {
    if is_timeout(error) {
        return Ok((false, format!("{target} did not answer within {ms} ms")));
    }
    match error.raw_os_error() {
        // Without a gateway the probe's own routes say so, and the network was not asked.
        Some(libc::ENETUNREACH) if from.gateway == LINK => {
            Err("The sender's subnet has no gateway, so there is no way to try.".to_owned())
        }
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES) => {
            let how = format!("the network refused the way to {target}: {error}");
            Ok((false, how))
        }
        // A reset means that the packet went through.
        _ => Err(format!("The connection to {target} failed: {error}.")),
    }
}

fn talk(mut stream: TcpStream, nonce: &str) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    stream.write_all(nonce.as_bytes())?;
    let mut said = vec![0; nonce.len()];
    stream.read_exact(&mut said)?;
    Ok(said)
}

/// Gives back to one client what it says. If none comes there is nothing to say about it.
fn echo(listener: &TcpListener, length: usize) {
    if let Ok((mut stream, _)) = listener.accept() {
        let mut said = vec![0; length];
        let _ = stream.set_read_timeout(Some(WAIT));
        if stream.read_exact(&mut said).is_ok() {
            let _ = stream.write_all(&said);
        }
    }
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A socket that sends whole frames by the port's device and hears those of one protocol.
pub(super) fn wire(seat: &Seat, protocol: libc::c_int) -> io::Result<Socket> {
    // The kernel wants the protocol as it is on the wire.
    let protocol = (protocol as u16).to_be();
    enter(&seat.space, || {
        let index = nix::net::if_::if_nametoindex(PROBE_DEVICE).map_err(io::Error::from)?;
        let kind = Some(Protocol::from(i32::from(protocol)));
        let socket = Socket::new(Domain::PACKET, Type::RAW, kind)?;
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as libc::c_ushort,
            sll_protocol: protocol,
            sll_ifindex: index as libc::c_int,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        // SAFETY: the pointer is to a whole `sockaddr_ll` that lives through the call, which only
        // reads it, and `length` is its size; the descriptor is open.
        let result = unsafe {
            libc::bind(
                socket.as_raw_fd(),
                (&raw const address).cast::<libc::sockaddr>(),
                length,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(socket)
    })
}

/// A UDP datagram in IPv4 in Ethernet, to the gateway's MAC.
pub fn frame(mac: [u8; 6], from: Ipv4Addr, to: Ipv4Addr, port: u16, payload: &[u8]) -> Vec<u8> {
    let udp_length = 8 + payload.len() as u16;
    let mut udp = Vec::new();
    udp.extend(49_152_u16.to_be_bytes());
    udp.extend(port.to_be_bytes());
    udp.extend(udp_length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    let mut pseudo = Vec::new();
    pseudo.extend(from.octets());
    pseudo.extend(to.octets());
    pseudo.extend([0, 17]);
    pseudo.extend(udp_length.to_be_bytes());
    pseudo.extend(&udp);
    // A checksum that comes out as zero is sent as its other form: zero means "none".
    let sum = match checksum(&pseudo) {
        0 => u16::MAX,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    let mut ip = vec![0x45, 0];
    ip.extend((20 + udp_length).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    ip.extend(from.octets());
    ip.extend(to.octets());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = Vec::new();
    frame.extend(GATEWAY_MAC_BYTES);
    frame.extend(mac);
    frame.extend([0x08, 0x00]);
    frame.extend(ip);
    frame.extend(udp);
    frame
}

/// The internet checksum (RFC 1071).
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
