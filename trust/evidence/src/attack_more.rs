//! Further attacks through ports: on the platform itself, on zones, through a port that was cut, and
//! by what is sent to everybody.
//!
//! Problem: two of these need something to change while they run: a port that joins a group, a port
//! that is switched off under an open connection. Mechanism: whoever carries them out brings a
//! [`Turn`], which makes the change by the tenant's own operation and waits until the host has it; a
//! test brings one of its own, that does nothing or something else, and must see the attack break.
//! A change that could not be made is "not tried", never "stopped".
//!
//! A part of `attack`, because it adds probes to the same prober.

use super::{Attempt, OPEN_TCP, Outcome, Posts, Prober, SHUT_TCP, Seat, Try};
use jinyun_wire::{Known, Probe};
use std::net::{Ipv4Addr, SocketAddrV4};

/// The TCP port that a zone opens to its members.
pub const ZONE_TCP: u16 = 8082;
/// Where DHCP's clients listen, and its servers.
const DHCP: [u16; 2] = [68, 67];
/// Where guests find the metadata service.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// A network's side of a link to a router.
const LINK: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 1);
/// Where hosts are administered.
const SSH: u16 = 22;
/// Of how many addresses of a host each listener is tried.
const ADDRESSES: usize = 3;

/// What a guest has no business with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// The platform's listeners.
    pub listeners: Vec<SocketAddrV4>,
    /// The host's own addresses.
    pub host: Known<Vec<Ipv4Addr>>,
}

/// Switches something on or off, and returns when hosts have it.
pub type Turn<'a> = dyn FnMut(bool) -> Result<(), String> + 'a;

/// Attacks through ports that change nothing, by the check that reads them.
pub const MORE: &[(&str, super::Attack)] = &[("spoofed-dhcp", spoofed_dhcp)];

impl Prober<'_> {
    fn shout(&self, what: &'static str, from: &Seat, to: &Seat, udp: u16) -> Try {
        let (from, to) = (from.id.clone(), to.id.clone());
        Try { what, forbidden: true, probe: Probe::Shout { from, to, udp, nonce: self.nonce() } }
    }
}

/// Something that the attack itself has to do. Only a failure is worth telling.
fn done(what: &'static str, result: Result<(), String>) -> Result<(), Attempt> {
    result.map_err(|why| Attempt { what, forbidden: false, outcome: Outcome::Untried(why) })
}

/// A guest against the platform: its listeners, the host's own addresses, other namespaces.
pub fn guest_to_platform(p: &Prober<'_>, at: &Posts, targets: &Targets) -> Vec<Attempt> {
    let from = &at.sender;
    let reach = |what, forbidden, ip, tcp| {
        Try { what, forbidden, probe: Probe::Reach { from: from.id.clone(), ip, tcp } }
    };
    let mut wanted = vec![reach("the metadata service", false, METADATA, 80)];
    for listener in &targets.listeners {
        wanted.push(reach("a listener at its own address", true, *listener.ip(), listener.port()));
    }
    let addresses = targets.host.as_ref().map_or(&[][..], Vec::as_slice);
    for ip in addresses.iter().take(ADDRESSES) {
        wanted.push(reach("a host's door for its administrators", true, *ip, SSH));
        for listener in &targets.listeners {
            wanted.push(reach("a listener at a host's address", true, *ip, listener.port()));
        }
    }
    let first = |seat: &Seat| {
        let [a, b, c, _] = seat.ip.octets();
        Ipv4Addr::new(a, b, c, 1)
    };
    wanted.extend([
        reach("the network's own gateway", true, first(from), SSH),
        reach("another door of the metadata service", true, METADATA, SSH),
        reach("the gateway of another network", true, first(&at.other), 80),
        reach("the platform's side of a router", true, LINK, 80),
    ]);
    let mut tried = p.carry_out(wanted);
    if let Err(why) = &targets.host {
        tried.push(Attempt {
            what: "a host's own addresses",
            forbidden: true,
            outcome: Outcome::Untried(why.clone()),
        });
    }
    tried
}

/// Who answers DHCP for others must not be heard, nor hear the question.
fn spoofed_dhcp(p: &Prober<'_>, at: &Posts) -> Vec<Try> {
    let [client, server] = DHCP;
    let answer = Probe::Frame {
        from: at.sender.id.clone(),
        to: at.receiver.id.clone(),
        mac: None,
        ip: None,
        udp: client,
        nonce: p.nonce(),
    };
    let answer = Try { what: "an answer of DHCP to a neighbour", forbidden: true, probe: answer };
    vec![
        p.frame("a datagram to the neighbour's open port", false, &at.sender, &at.receiver, None,
            None),
        p.shout("an answer of DHCP to everybody", &at.sender, &at.receiver, client),
        answer,
        p.shout("a neighbour's question for DHCP", &at.receiver, &at.sender, server),
    ]
}

/// A zone that a tenant makes of a group: members reach what it opens to members, others do not.
/// The turn makes the receiver a member, and the sender one or none.
pub fn group_zones(p: &Prober<'_>, at: &Posts, member: &mut Turn<'_>) -> Vec<Attempt> {
    let mut tried = Vec::new();
    if let Err(failed) = zones(p, at, member, &mut tried) {
        tried.push(failed);
    }
    tried
}

fn zones(p: &Prober<'_>, at: &Posts, member: &mut Turn<'_>, tried: &mut Vec<Attempt>)
    -> Result<(), Attempt> {
    let to = |what, forbidden, port| p.connect(what, forbidden, &at.sender, &at.receiver, port);
    done("making a zone", member(false))?;
    tried.extend(p.carry_out(vec![
        to("a connection to what is open to all", false, OPEN_TCP),
        to("a connection into the zone from outside of it", true, ZONE_TCP),
    ]));
    done("joining the zone", member(true))?;
    tried.extend(p.carry_out(vec![
        to("a connection inside of the zone", false, ZONE_TCP),
        to("a connection inside of the zone to what it does not open", true, SHUT_TCP),
    ]));
    done("leaving the zone", member(false))?;
    let left = to("a connection into the zone after leaving it", true, ZONE_TCP);
    tried.extend(p.carry_out(vec![left]));
    Ok(())
}

/// A port that is switched off: nothing passes either way, not even what was open before.
/// The turn switches [`Posts::other_mate`].
pub fn port_cut(p: &Prober<'_>, at: &Posts, up: &mut Turn<'_>) -> Vec<Attempt> {
    let session = p.nonce();
    let mut tried = Vec::new();
    if let Err(failed) = cut(p, at, up, &session, &mut tried) {
        tried.push(failed);
    }
    // As it was, whatever happened; a second time costs nothing.
    if let Err(failed) = done("switching the port on again", up(true)) {
        tried.push(failed);
    }
    // It ends by itself where this does not arrive.
    let close = Try { what: "closing the connection", forbidden: false, probe: Probe::Close { session } };
    p.carry_out(vec![close]);
    tried
}

fn cut(p: &Prober<'_>, at: &Posts, up: &mut Turn<'_>, session: &str, tried: &mut Vec<Attempt>)
    -> Result<(), Attempt> {
    let (near, far) = (&at.other, &at.other_mate);
    let hold = Probe::Hold {
        from: near.id.clone(),
        to: far.id.clone(),
        tcp: OPEN_TCP,
        session: session.into(),
    };
    let pass = |what, forbidden| {
        Try { what, forbidden, probe: Probe::Pass { session: session.into(), nonce: p.nonce() } }
    };
    tried.extend(p.carry_out(vec![
        p.frame("a datagram to the port before the cut", false, near, far, None, None),
        p.frame("a datagram from the port before the cut", false, far, near, None, None),
        Try { what: "a connection that is opened before the cut", forbidden: false, probe: hold },
    ]));
    // It goes over what was opened.
    tried.extend(p.carry_out(vec![pass("what goes over it before the cut", false)]));
    done("switching the port off", up(false))?;
    tried.extend(p.carry_out(vec![
        p.frame("a datagram to the port", true, near, far, None, None),
        p.frame("a datagram from the port", true, far, near, None, None),
        pass("what goes over the connection that was open", true),
        p.connect("a new connection to the port", true, near, far, OPEN_TCP),
        p.connect("a new connection from the port", true, far, near, OPEN_TCP),
        p.arp("a question of ARP from the port", true, far, None),
        p.frame("a datagram between two other ports", false, &at.sender, &at.receiver, None, None),
    ]));
    done("switching the port on", up(true))?;
    tried.extend(p.carry_out(vec![
        p.frame("a datagram to the port after the cut", false, near, far, None, None),
        p.connect("a new connection from the port after the cut", false, far, near, OPEN_TCP),
    ]));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{Judged, judge};
    use jinyun_wire::{Answer, Ask};
    use std::cell::RefCell;

    fn seat(id: &str, last: u8) -> Seat {
        Seat { id: id.into(), mac: String::new(), ip: Ipv4Addr::new(192, 0, 2, last) }
    }

    fn posts() -> Posts {
        let [sender, receiver, mute, other, other_mate, foreign, foreign_mate] =
            ["a", "b", "c", "d", "e", "f", "g"].map(|id| seat(id, id.as_bytes()[0]));
        Posts { sender, receiver, mute, other, other_mate, foreign, foreign_mate }
    }

    /// A host whose network obeys: a port is on or off, a sender is a member or not.
    fn obeys(on: bool, probe: &Probe) -> bool {
        match probe {
            Probe::Reach { ip, tcp, .. } => *ip == METADATA && *tcp == 80,
            Probe::Shout { .. } => false,
            Probe::Frame { udp, from, to, .. } => {
                *udp == crate::attack::OPEN_UDP && (on || (from != "e" && to != "e"))
            }
            Probe::Connect { tcp, from, to, .. } => match *tcp {
                OPEN_TCP => on || (from != "e" && to != "e"),
                ZONE_TCP => on,
                _ => false,
            },
            Probe::Pass { .. } | Probe::Arp { .. } => on,
            Probe::Hold { .. } | Probe::Close { .. } => true,
        }
    }

    /// Carries an attack out on such a host, with a turn that works or does not.
    fn judged(starts: bool, works: Option<bool>,
        attack: fn(&Prober<'_>, &Posts, &mut Turn<'_>) -> Vec<Attempt>) -> Judged {
        let on = RefCell::new(starts);
        let said = |probe: &Probe| {
            Answer::Probe { arrived: obeys(*on.borrow(), probe), how: String::new() }
        };
        let ask = |ask: Ask| match ask {
            Ask::Probe(probe) => said(&probe),
            Ask::Probes { probes } => Answer::Probes { answers: probes.iter().map(said).collect() },
            _ => Answer::Failed { why: "no probe".into() },
        };
        let mut turn = |to: bool| match works {
            Some(true) => {
                *on.borrow_mut() = to;
                Ok(())
            }
            Some(false) => Ok(()),
            None => Err("refused".to_string()),
        };
        judge(&attack(&Prober::new(&ask, "t"), &posts(), &mut turn))
    }

    #[test]
    fn a_turn_that_does_nothing_breaks_the_attack_and_one_that_fails_proves_nothing() {
        type Wanted = fn(&Judged) -> bool;
        let held: Wanted = |j| matches!(j, Judged::Held(_));
        let broken: Wanted = |j| matches!(j, Judged::Broken(_));
        let nothing: Wanted = |j| matches!(j, Judged::Nothing(_));
        for (n, (judged, wanted)) in [
            (judged(true, Some(true), port_cut), held),
            (judged(true, Some(false), port_cut), broken),
            (judged(true, None, port_cut), nothing),
            (judged(false, Some(true), group_zones), held),
            // Always a member, never one, no zone at all.
            (judged(true, Some(false), group_zones), broken),
            (judged(false, Some(false), group_zones), nothing),
            (judged(false, None, group_zones), nothing),
        ].into_iter().enumerate() {
            assert!(wanted(&judged), "case {n}: {judged:?}");
        }
    }

    #[test]
    fn the_platform_is_tried_at_all_its_addresses() {
        let said = |probe: &Probe| {
            Answer::Probe { arrived: obeys(true, probe), how: String::new() }
        };
        let ask = |ask: Ask| match ask {
            Ask::Probe(probe) => said(&probe),
            Ask::Probes { probes } => Answer::Probes { answers: probes.iter().map(said).collect() },
            _ => Answer::Failed { why: "no probe".into() },
        };
        let prober = Prober::new(&ask, "t");
        let mut targets = Targets {
            listeners: vec![SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8443)],
            host: Ok(vec![Ipv4Addr::new(10, 0, 0, 2)]),
        };
        let tried = guest_to_platform(&prober, &posts(), &targets);
        assert_eq!(tried.iter().filter(|a| a.forbidden).count(), 7);
        assert!(matches!(judge(&tried), Judged::Held(_)), "{tried:?}");
        targets.host = Err("not asked".into());
        let tried = guest_to_platform(&prober, &posts(), &targets);
        assert!(matches!(judge(&tried), Judged::Nothing(_)), "{tried:?}");
        let tried = prober.carry_out(spoofed_dhcp(&prober, &posts()));
        assert!(matches!(judge(&tried), Judged::Held(_)), "{tried:?}");
    }
}
