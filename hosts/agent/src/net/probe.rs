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
//!
//! Most of a probe's time is waiting for silence, so many wait at once. None shares its ears with
//! another: at a port number of a receiver one probe listens at a time, by a socket of its own, and the
//! next one has its turn when that is closed ([`Turns`]). What comes late, or comes to the same address
//! in another network, is told by its nonce and counts for nobody. One socket for all who listen there
//! would save a second, but then whoever hears has to say whose it was, and a mistake in that is a
//! proof of what was never tried. And silence is only what an empty queue says: a machine with much
//! else to do must not make a proof of being late.

use super::held::Held;
use super::names::{self, GATEWAY_MAC_BYTES, LINK, PROBE_DEVICE};
use super::netns::enter;
use super::reach;
use crate::locked;
use jinyun_wire::{Answer, Attach, HostWant, Probe};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a datagram or an ARP reply may take.
pub(super) const WAIT: Duration = Duration::from_millis(700);
/// How long a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(1);
/// How long a port may be taken by what is no listener of anybody, and how often to look.
const TAKEN: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(5);
/// How long a probe may wait for its turn at a receiver.
const TURN: Duration = Duration::from_secs(5);
/// So long is listened when the time is up: what has arrived until then is in the queue.
const LAST: Duration = Duration::from_millis(1);
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

/// What a probe needs to itself in a namespace while it listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ear {
    Udp(u16),
    Tcp(u16),
    /// Answers of the gateway.
    Arp,
}

/// Where a probe listens: the namespace, and at what.
type Spot = (String, Ear);

/// Where probes listen now: one list for all, whoever asked for them, since a namespace's name is the
/// machine's.
struct Turns {
    taken: Mutex<BTreeSet<Spot>>,
    freed: Condvar,
}

static TURNS: Turns = Turns::new();

/// Somebody listens at a spot as long as this lives.
struct Turn<'a> {
    turns: &'a Turns,
    spot: Spot,
}

impl Turns {
    const fn new() -> Turns {
        Turns {
            taken: Mutex::new(BTreeSet::new()),
            freed: Condvar::new(),
        }
    }

    /// Waits until no other probe listens there.
    fn take(&self, spot: Spot, patience: Duration) -> Result<Turn<'_>, String> {
        let taken = locked(&self.taken);
        let (mut taken, waited) = self
            .freed
            .wait_timeout_while(taken, patience, |taken| taken.contains(&spot))
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err("Other probes listen at the same port for too long.".to_owned());
        }
        taken.insert(spot.clone());
        drop(taken);
        Ok(Turn { turns: self, spot })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        locked(&self.turns.taken).remove(&self.spot);
        self.turns.freed.notify_all();
    }
}

/// Where a probe listens; nothing if it needs nothing that another one has.
fn spot(seats: &BTreeMap<String, Seat>, probe: &Probe) -> Option<Spot> {
    let (port, ear) = match probe {
        Probe::Frame { to, udp, .. } | Probe::Shout { to, udp, .. } => (to, Ear::Udp(*udp)),
        Probe::Connect { to, tcp, .. } | Probe::Hold { to, tcp, .. } => (to, Ear::Tcp(*tcp)),
        Probe::Arp { from, .. } => (from, Ear::Arp),
        Probe::Reach { .. } | Probe::Pass { .. } | Probe::Close { .. } => return None,
    };
    Some((seats.get(port)?.space.clone(), ear))
}

/// Carries out a probe; takes three seconds at most once it has its turn. What it opens and keeps is
/// in `held`.
pub fn run(seats: &BTreeMap<String, Seat>, held: &Held, probe: &Probe) -> Answer {
    let turn = spot(seats, probe).map(|spot| TURNS.take(spot, TURN));
    let _turn = match turn.transpose() {
        Ok(turn) => turn,
        Err(why) => return Answer::Failed { why },
    };
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

/// How long to listen next for what was sent at `begin`. Never nothing at all, so that only an empty
/// queue is silence.
pub(super) fn left(begin: Instant) -> Result<Duration, String> {
    let passed = begin.elapsed();
    if passed > 2 * WAIT {
        let why = "The machine was too busy to listen in time, or others sent too much.";
        return Err(why.to_owned());
    }
    Ok(WAIT.saturating_sub(passed).max(LAST))
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
    loop {
        listener
            .set_read_timeout(Some(left(begin)?))
            .map_err(failed("the receiver cannot wait"))?;
        match listener.recv_from(&mut buffer) {
            Ok((length, sender)) if buffer[..length] == *nonce.as_bytes() => {
                let ms = begin.elapsed().as_millis();
                return Ok((
                    true,
                    format!("the datagram arrived from {sender} after {ms} ms"),
                ));
            }
            // Somebody else's, such as a late one of the attempt before.
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
    loop {
        wire.set_read_timeout(Some(left(begin)?))
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
        let echo = scope.spawn(|| echo(&listener, from.ip, nonce.as_bytes()));
        let target = SocketAddr::V4(target);
        let made = enter(&from.space, || {
            Ok(TcpStream::connect_timeout(&target, CONNECT))
        });
        let said = made.map(|made| made.map(|stream| talk(stream, nonce)));
        let ms = begin.elapsed().as_millis();
        let waits = matches!(&said, Ok(Err(e)) if is_timeout(e)) && waits(&listener, from.ip);
        // Ends a wait for a client that did not come.
        let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
        let came = echo.join().map_err(|_| "The listener ended early.")?;
        match said.map_err(failed("the sender's namespace"))? {
            Err(e) if is_timeout(&e) && (came || waits) => {
                let how = format!("{target} was reached, though not heard within {ms} ms");
                Ok((true, how))
            }
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

/// Gives back what this attempt's client says, until the listener is shut; whoever says anything else
/// gets nothing. Whether a connection came from the client's address.
fn echo(listener: &TcpListener, from: Ipv4Addr, nonce: &[u8]) -> bool {
    let mut came = false;
    while let Ok((mut stream, peer)) = listener.accept() {
        came |= peer.ip() == from;
        if whole(&mut stream, nonce.len()).is_some_and(|said| said == nonce) {
            let _ = stream.write_all(nonce);
        }
    }
    came
}

/// So many bytes, all of them within the time that one gets: who sends a byte now and then must not hold
/// it up.
fn whole(stream: &mut TcpStream, length: usize) -> Option<Vec<u8>> {
    let end = Instant::now() + WAIT;
    let (mut said, mut have) = (vec![0; length], 0);
    while have < length {
        let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        stream.set_read_timeout(Some(left)).ok()?;
        match stream.read(&mut said[have..]) {
            Ok(0) => return None,
            Ok(count) => have += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(said)
}

/// Whether a connection from there is made that nobody has accepted yet: a client that was late to look
/// at its own says that it had no answer.
fn waits(listener: &TcpListener, from: Ipv4Addr) -> bool {
    listener.set_nonblocking(true).is_ok()
        && std::iter::from_fn(|| listener.accept().ok()).any(|(_, peer)| peer.ip() == from)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// When something was sent whose time is just up.
    fn past(times: u32) -> Instant {
        Instant::now().checked_sub(times * WAIT).unwrap()
    }

    /// Two attempts at once, each of whose datagrams comes to the other's receiver; then to its own.
    #[test]
    fn a_receiver_takes_its_own_and_only_an_empty_queue_is_silence() {
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        for (own, other) in [("one", "two"), ("two", "one")] {
            let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let at = receiver.local_addr().unwrap();
            let send = |nonce: &str| sender.send_to(nonce.as_bytes(), at).unwrap();
            let heard = |begin| hear(&receiver, begin, Ipv4Addr::LOCALHOST, at.port(), own);
            send(other);
            assert!(!heard(past(1)).unwrap().0, "{own}");
            // Both are there when it comes to listening, and it is late.
            send(other);
            send(own);
            assert!(heard(past(1)).unwrap().0, "{own}");
            // Nobody listened: that is no silence.
            assert!(heard(past(3)).is_err(), "{own}");
        }
    }

    #[test]
    fn a_listener_answers_its_own_client_alone() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let (strange, own, came) = std::thread::scope(|scope| {
            let echo = scope.spawn(|| echo(&listener, Ipv4Addr::LOCALHOST, b"one"));
            let strange = TcpStream::connect(at).and_then(|stream| talk(stream, "two"));
            let own = TcpStream::connect(at).and_then(|stream| talk(stream, "one"));
            let _ = SockRef::from(&listener).shutdown(Shutdown::Both);
            (strange, own, echo.join().unwrap())
        });
        assert!(strange.is_err());
        assert_eq!(own.unwrap(), b"one");
        assert!(came);
    }

    /// A connection is made, and nobody has looked at it yet.
    #[test]
    fn a_connection_that_was_made_is_no_silence() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        assert!(!waits(&listener, Ipv4Addr::LOCALHOST));
        let _client = TcpStream::connect(at).unwrap();
        let elsewhere = Ipv4Addr::new(127, 0, 0, 2);
        assert!(!waits(&listener, elsewhere), "that was somebody else's");
        let _client = TcpStream::connect(at).unwrap();
        // The last packet of a handshake comes a moment after the client has its connection.
        let begin = Instant::now();
        while !waits(&listener, Ipv4Addr::LOCALHOST) {
            assert!(begin.elapsed() < TURN, "a connection is not seen");
            std::thread::yield_now();
        }
    }

    #[test]
    fn one_probe_listens_at_a_spot_and_the_next_has_its_turn() {
        let turns = Turns::new();
        let spot = |port| ("space".to_owned(), Ear::Udp(port));
        let first = turns.take(spot(1), TURN).unwrap();
        // Elsewhere nobody waits: another number, another protocol.
        drop(turns.take(spot(2), Duration::ZERO).unwrap());
        let other = ("space".to_owned(), Ear::Tcp(1));
        drop(turns.take(other, Duration::ZERO).unwrap());
        assert!(turns.take(spot(1), Duration::ZERO).is_err());
        let next = std::thread::scope(|scope| {
            let next = scope.spawn(|| turns.take(spot(1), TURN).map(drop));
            drop(first);
            next.join().unwrap()
        });
        assert_eq!(next, Ok(()));
    }

    #[test]
    fn probes_that_need_the_same_receiver_have_the_same_spot() {
        let seat = |n: u8| Seat {
            space: format!("jy-t-p-{n}"),
            mac: [0; 6],
            ip: Ipv4Addr::new(10, 0, 0, n),
            gateway: LINK,
        };
        let seats = BTreeMap::from([("a".to_owned(), seat(1)), ("b".to_owned(), seat(2))]);
        let frame = |to: &str, udp| Probe::Frame {
            from: "a".into(),
            to: to.into(),
            mac: None,
            ip: None,
            udp,
            nonce: "n".into(),
        };
        let shout = Probe::Shout {
            from: "a".into(),
            to: "b".into(),
            udp: 68,
            nonce: "n".into(),
        };
        let connect = Probe::Connect {
            from: "a".into(),
            to: "b".into(),
            ip: None,
            tcp: 68,
            nonce: "n".into(),
        };
        let arp = Probe::Arp {
            from: "b".into(),
            ip: None,
        };
        let spot = |probe: &Probe| spot(&seats, probe);
        assert!(spot(&shout).is_some());
        assert_eq!(spot(&shout), spot(&frame("b", 68)));
        for other in [&frame("b", 69), &frame("a", 68), &connect, &arp] {
            assert_ne!(spot(&shout), spot(other), "{other:?}");
        }
        // What is not there is refused by the probe itself.
        assert_eq!(spot(&frame("nobody", 68)), None);
    }
}
