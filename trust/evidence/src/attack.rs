//! Trying the forbidden thing.
//!
//! Problem: that a filter is installed proves nothing, and that something does not arrive proves
//! little: the cable may be cut. Mechanism: each attack enters through a real port, as a guest
//! would, and has positive controls in the same run: the same probe without the lie, or to the open
//! port, must arrive. Otherwise the attack is no proof, and neither is one that could not be
//! carried out. What is tried is data ([`Attempt`]); [`judge`] alone decides what it says.

#[path = "attack_more.rs"]
pub mod more;

use jinyun_wire::{Answer, Ask, Probe};
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::net::Ipv4Addr;

/// The UDP port that the groups of the posts open.
pub const OPEN_UDP: u16 = 5000;
/// The TCP port that they open.
pub const OPEN_TCP: u16 = 8080;
/// A TCP port that nobody opens.
pub const SHUT_TCP: u16 = 8081;

/// A port to try from or at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Its id.
    pub id: String,
    /// Its MAC.
    pub mac: String,
    /// Its address.
    pub ip: Ipv4Addr,
}

/// The ports that attacks need. All but `mute` take datagrams to [`OPEN_UDP`] and connections to
/// [`OPEN_TCP`], and may send anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posts {
    /// Attacks.
    pub sender: Seat,
    /// In the same network, is attacked.
    pub receiver: Seat,
    /// In the same network; may send nothing, and is whom the sender pretends to be.
    pub mute: Seat,
    /// In another network of the same project.
    pub other: Seat,
    /// In that network too.
    pub other_mate: Seat,
    /// In a network of another project.
    pub foreign: Seat,
    /// In that network too, perhaps with the same address as the receiver.
    pub foreign_mate: Seat,
}

/// How an attempt came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It worked: it arrived, it was carried out.
    Worked(String),
    /// It did not.
    Stopped(String),
    /// It could not be tried.
    Untried(String),
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What.
    pub what: &'static str,
    /// It must not work; otherwise it is a control, which must.
    pub forbidden: bool,
    /// How it came out.
    pub outcome: Outcome,
}

/// An attack that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The check that reads it.
    pub check: &'static str,
    /// What was tried.
    pub attempts: Vec<Attempt>,
}

/// What an attack says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// Everything forbidden was stopped, every control worked.
    Held(String),
    /// Something forbidden worked.
    Broken(String),
    /// No proof.
    Nothing(String),
}

/// What the attempts of an attack say together.
pub fn judge(attempts: &[Attempt]) -> Judged {
    for tried in attempts {
        if let (true, Outcome::Worked(how)) = (tried.forbidden, &tried.outcome) {
            return Judged::Broken(format!("{}: {how}", tried.what));
        }
    }
    for tried in attempts {
        match (&tried.outcome, tried.forbidden) {
            (Outcome::Untried(why), _) => {
                return Judged::Nothing(format!("{} could not be tried: {why}", tried.what));
            }
            (Outcome::Stopped(how), false) => {
                return Judged::Nothing(format!(
                    "not a proof: the control ({}) did not work either: {how}", tried.what
                ));
            }
            _ => {}
        }
    }
    let count = |forbidden| attempts.iter().filter(|a| a.forbidden == forbidden).count();
    match (count(true), count(false)) {
        (0, _) => Judged::Nothing("nothing forbidden was tried".into()),
        (_, 0) => Judged::Nothing("not a proof: there was no control".into()),
        (forbidden, controls) => {
            let what: Vec<&str> = attempts.iter().filter(|a| a.forbidden).map(|a| a.what).collect();
            Judged::Held(format!(
                "{forbidden} of {forbidden} attempts stopped ({}), {controls} of {controls} \
                 controls worked", what.join("; ")
            ))
        }
    }
}

/// What a host's answer to a probe says.
fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Probe { arrived: true, how } => Outcome::Worked(how),
        Answer::Probe { arrived: false, how } => Outcome::Stopped(how),
        Answer::Failed { why } => Outcome::Untried(why),
        _ => Outcome::Untried("the host answered another question".into()),
    }
}

/// Carries probes out on the host that has the posts.
pub struct Prober<'a> {
    ask: &'a dyn Fn(Ask) -> Answer,
    tag: String,
    next: Cell<u32>,
}

impl<'a> Prober<'a> {
    /// `ask` asks the host; `tag` is unlike that of any other run, so that an old datagram is not
    /// taken for a new one.
    pub fn new(ask: &'a dyn Fn(Ask) -> Answer, tag: impl Into<String>) -> Prober<'a> {
        Prober { ask, tag: tag.into(), next: Cell::new(0) }
    }

    fn nonce(&self) -> String {
        let n = self.next.get();
        self.next.set(n + 1);
        format!("{}-{n}", self.tag)
    }

    fn probe(&self, what: &'static str, forbidden: bool, probe: Probe) -> Attempt {
        Attempt { what, forbidden, outcome: outcome((self.ask)(Ask::Probe(probe))) }
    }

    /// Several at the same time, which must not disturb each other.
    fn probes(&self, wanted: Vec<(&'static str, bool, Probe)>) -> Vec<Attempt> {
        let probes = wanted.iter().map(|(.., probe)| probe.clone()).collect();
        let mut answers = match (self.ask)(Ask::Probes { probes }) {
            Answer::Probes { answers } if answers.len() == wanted.len() => answers,
            Answer::Failed { why } => vec![Answer::Failed { why }; wanted.len()],
            other => vec![other; wanted.len()],
        }.into_iter();
        let missing = || Answer::Failed { why: "the host did not answer".into() };
        wanted.into_iter().map(|(what, forbidden, _)| {
            let outcome = outcome(answers.next().unwrap_or_else(missing));
            Attempt { what, forbidden, outcome }
        }).collect()
    }

    fn frame(&self, what: &'static str, forbidden: bool, from: &Seat, to: &Seat,
        mac: Option<&Seat>, ip: Option<Ipv4Addr>) -> Attempt {
        self.probe(what, forbidden, Probe::Frame {
            from: from.id.clone(),
            to: to.id.clone(),
            mac: mac.map(|seat| seat.mac.clone()),
            ip,
            udp: OPEN_UDP,
            nonce: self.nonce(),
        })
    }

    fn arp(&self, what: &'static str, forbidden: bool, from: &Seat, ip: Option<Ipv4Addr>)
        -> Attempt {
        self.probe(what, forbidden, Probe::Arp { from: from.id.clone(), ip })
    }

    fn connect(&self, what: &'static str, forbidden: bool, from: &Seat, to: &Seat, tcp: u16)
        -> Attempt {
        self.probe(what, forbidden, Probe::Connect {
            from: from.id.clone(),
            to: to.id.clone(),
            ip: None,
            tcp,
            nonce: self.nonce(),
        })
    }
}

/// An attack through ports.
pub type Attack = fn(&Prober<'_>, &Posts) -> Vec<Attempt>;

/// All of them, by the check that reads them.
pub const ATTACKS: &[(&str, Attack)] = &[
    ("spoofed-mac", spoofed_mac),
    ("spoofed-ip", spoofed_ip),
    ("spoofed-arp", spoofed_arp),
    ("closed-port", closed_port),
    ("other-network", other_network),
    ("other-tenant", other_tenant),
];

/// Checks whose attacks go from port to port of a stage that stands. They change no record and leave
/// no entry, so they are carried out again and again.
pub const BETWEEN: &[&str] = &["spoofed-mac", "spoofed-ip", "spoofed-arp", "closed-port", "other-network",
    "other-tenant", "spoofed-dhcp"];
/// The one whose attack goes from such a port at the platform: it waits for more answers that do not
/// come, so it has a cadence of its own.
pub const INWARD: &[&str] = &["guest-to-platform"];

/// Those on another project's image: four refusals each time.
pub const SHELVES: &[&str] = &["foreign-image"];

/// Carries out all attacks from port to port.
pub fn between(p: &Prober<'_>, at: &Posts) -> Vec<Tried> {
    ATTACKS.iter().chain(more::MORE)
        .map(|&(check, attack)| Tried { check, attempts: attack(p, at) }).collect()
}

/// These attacks, of which none could be tried.
pub fn untried(checks: &[&'static str], why: &str) -> Vec<Tried> {
    checks.iter().map(|&check| {
        let outcome = Outcome::Untried(why.into());
        Tried { check, attempts: vec![Attempt { what: "the attack", forbidden: true, outcome }] }
    }).collect()
}

fn spoofed_mac(p: &Prober<'_>, at: &Posts) -> Vec<Attempt> {
    vec![
        p.frame("a datagram with its own MAC", false, &at.sender, &at.receiver, None, None),
        p.frame("a datagram with a neighbour's MAC", true, &at.sender, &at.receiver,
            Some(&at.mute), None),
    ]
}

/// The last address of the sender's /24, which no port of the posts has.
fn nobody(at: &Posts) -> Ipv4Addr {
    let [a, b, c, _] = at.sender.ip.octets();
    Ipv4Addr::new(a, b, c, 254)
}

fn spoofed_ip(p: &Prober<'_>, at: &Posts) -> Vec<Attempt> {
    let frame = |what, forbidden, ip| p.frame(what, forbidden, &at.sender, &at.receiver, None, ip);
    vec![
        frame("a datagram with its own address", false, None),
        frame("a datagram with a neighbour's address", true, Some(at.mute.ip)),
        frame("a datagram with nobody's address", true, Some(nobody(at))),
    ]
}

fn spoofed_arp(p: &Prober<'_>, at: &Posts) -> Vec<Attempt> {
    vec![
        p.arp("an ARP request with its own address", false, &at.sender, None),
        p.arp("an ARP request that claims a neighbour's address", true, &at.sender,
            Some(at.mute.ip)),
    ]
}

fn closed_port(p: &Prober<'_>, at: &Posts) -> Vec<Attempt> {
    vec![
        p.connect("a connection to the open port", false, &at.sender, &at.receiver, OPEN_TCP),
        p.connect("a connection to a closed port", true, &at.sender, &at.receiver, SHUT_TCP),
        p.connect("a connection from a port that may send nothing", true, &at.mute, &at.receiver,
            OPEN_TCP),
    ]
}

fn other_network(p: &Prober<'_>, at: &Posts) -> Vec<Attempt> {
    apart(p, [&at.sender, &at.receiver], [&at.other, &at.other_mate])
}

fn other_tenant(p: &Prober<'_>, at: &Posts) -> Vec<Attempt> {
    apart(p, [&at.sender, &at.receiver], [&at.foreign, &at.foreign_mate])
}

/// Two networks must not reach each other. Inside of each of them the same datagrams arrive, so
/// sender and listener work.
fn apart(p: &Prober<'_>, [a, a_mate]: [&Seat; 2], [b, b_mate]: [&Seat; 2]) -> Vec<Attempt> {
    let mut tried = vec![
        p.frame("a datagram inside the first network", false, a, a_mate, None, None),
        p.frame("a datagram inside the second network", false, b_mate, b, None, None),
        p.frame("a datagram from the first network to the second", true, a, b, None, None),
        p.frame("a datagram from the second network to the first", true, b, a, None, None),
    ];
    if a_mate.ip == b_mate.ip {
        // The same address in both: each sender reaches its own neighbour and nobody else.
        tried.push(p.frame("a datagram to an address that both networks have", true, a, b_mate,
            None, None));
    }
    tried
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attacks_between_ports_are_those_that_are_named() {
        let named: Vec<&str> = ATTACKS.iter().chain(more::MORE).map(|(check, _)| *check).collect();
        assert_eq!(named, BETWEEN);
        let tried = untried(INWARD, "no host");
        assert!(matches!(judge(&tried[0].attempts), Judged::Nothing(why) if why.contains("no host")));
    }

    #[test]
    fn without_controls_nothing_is_proved() {
        let one = |forbidden, outcome: fn(String) -> Outcome| {
            Attempt { what: "it", forbidden, outcome: outcome("how".into()) }
        };
        let (worked, stopped, untried) = (Outcome::Worked, Outcome::Stopped, Outcome::Untried);
        let verdict = |attempts: &[Attempt]| match judge(attempts) {
            Judged::Held(_) => "held",
            Judged::Broken(_) => "broken",
            Judged::Nothing(_) => "nothing",
        };
        let cases = [
            (vec![one(false, worked), one(true, stopped)], "held"),
            (vec![one(false, worked), one(true, worked)], "broken"),
            // What got through got through, whatever the controls say.
            (vec![one(false, stopped), one(true, worked)], "broken"),
            (vec![one(false, stopped), one(true, stopped)], "nothing"),
            (vec![one(false, worked), one(true, untried)], "nothing"),
            (vec![one(false, untried), one(true, stopped)], "nothing"),
            (vec![one(true, stopped)], "nothing"),
            (vec![one(false, worked)], "nothing"),
            (vec![], "nothing"),
        ];
        for (attempts, want) in cases {
            assert_eq!(verdict(&attempts), want, "{attempts:?}");
        }
    }
}
