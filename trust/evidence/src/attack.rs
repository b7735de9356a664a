//! Trying the forbidden thing.
//!
//! Problem: that a filter is installed proves nothing, and that something does not arrive proves
//! little: the cable may be cut. Mechanism: each attack enters through a real port, as a guest
//! would, and has positive controls in the same run: the same probe without the lie, or to the open
//! port, must arrive. Otherwise the attack is no proof, and neither is one that could not be
//! carried out. What is tried is data ([`Attempt`]); [`judge`] alone decides what it says.
//!
//! What must not arrive is proved by silence, which takes most of a second each time, so an attack says
//! what is to be tried ([`Try`]) and does not try it: whatever is tried under the same rules is tried at
//! once ([`Prober::carry_out`]), all controls before all that is forbidden. An attack that changes
//! something hands in what belongs between two changes.

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

impl Posts {
    /// All of them.
    pub fn all(&self) -> [&Seat; 7] {
        let Posts { sender, receiver, mute, other, other_mate, foreign, foreign_mate } = self;
        [sender, receiver, mute, other, other_mate, foreign, foreign_mate]
    }
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

/// One thing to be tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Try {
    /// What.
    pub what: &'static str,
    /// It must not work; otherwise it is a control, which must.
    pub forbidden: bool,
    /// How, as a host is asked for it.
    pub probe: Probe,
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

/// How many probes a host is asked for at once: as many as it has threads for.
const AT_ONCE: usize = 16;

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

    /// What a host says of each of these probes, which it carries out at once.
    fn answers(&self, mut probes: Vec<Probe>) -> Vec<Answer> {
        let count = probes.len();
        if count == 1 && let Some(probe) = probes.pop() {
            return vec![(self.ask)(Ask::Probe(probe))];
        }
        match (self.ask)(Ask::Probes { probes }) {
            Answer::Probes { answers } if answers.len() == count => answers,
            Answer::Failed { why } => vec![Answer::Failed { why }; count],
            _ => vec![Answer::Failed { why: "the host answered another question".into() }; count],
        }
    }

    /// Tries all of this under the rules that stand: at once the controls, then at once what is
    /// forbidden. Those that need the same receiver take turns on the host. What came of it, in the
    /// order in which it was handed in.
    pub fn carry_out(&self, tries: Vec<Try>) -> Vec<Attempt> {
        let mut answers: Vec<Option<Answer>> = vec![None; tries.len()];
        for forbidden in [false, true] {
            let mut wanted: Vec<(&Try, &mut Option<Answer>)> = tries.iter().zip(&mut answers)
                .filter(|(one, _)| one.forbidden == forbidden).collect();
            for some in wanted.chunks_mut(AT_ONCE) {
                let probes = some.iter().map(|(one, _)| one.probe.clone()).collect();
                for ((_, place), answer) in some.iter_mut().zip(self.answers(probes)) {
                    **place = Some(answer);
                }
            }
        }
        let missing = || Outcome::Untried("the host did not answer".into());
        tries.into_iter().zip(answers).map(|(Try { what, forbidden, .. }, answer)| {
            Attempt { what, forbidden, outcome: answer.map_or_else(missing, outcome) }
        }).collect()
    }

    /// Carries attacks out together.
    fn together(&self, attacks: Vec<(&'static str, Vec<Try>)>) -> Vec<Tried> {
        let counts: Vec<(&'static str, usize)> =
            attacks.iter().map(|(check, tries)| (*check, tries.len())).collect();
        let all = attacks.into_iter().flat_map(|(_, tries)| tries).collect();
        let mut attempts = self.carry_out(all).into_iter();
        counts.into_iter().map(|(check, count)| {
            Tried { check, attempts: attempts.by_ref().take(count).collect() }
        }).collect()
    }

    fn frame(&self, what: &'static str, forbidden: bool, from: &Seat, to: &Seat,
        mac: Option<&Seat>, ip: Option<Ipv4Addr>) -> Try {
        let probe = Probe::Frame {
            from: from.id.clone(),
            to: to.id.clone(),
            mac: mac.map(|seat| seat.mac.clone()),
            ip,
            udp: OPEN_UDP,
            nonce: self.nonce(),
        };
        Try { what, forbidden, probe }
    }

    fn arp(&self, what: &'static str, forbidden: bool, from: &Seat, ip: Option<Ipv4Addr>) -> Try {
        Try { what, forbidden, probe: Probe::Arp { from: from.id.clone(), ip } }
    }

    fn connect(&self, what: &'static str, forbidden: bool, from: &Seat, to: &Seat, tcp: u16) -> Try {
        let probe = Probe::Connect {
            from: from.id.clone(),
            to: to.id.clone(),
            ip: None,
            tcp,
            nonce: self.nonce(),
        };
        Try { what, forbidden, probe }
    }
}

/// An attack through ports that stand: what it tries.
pub type Attack = fn(&Prober<'_>, &Posts) -> Vec<Try>;

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

/// Carries out all attacks from port to port, together: they change nothing, and each of them is proved
/// by silence.
pub fn between(p: &Prober<'_>, at: &Posts) -> Vec<Tried> {
    let attacks = ATTACKS.iter().chain(more::MORE);
    p.together(attacks.map(|&(check, attack)| (check, attack(p, at))).collect())
}

/// These attacks, of which none could be tried.
pub fn untried(checks: &[&'static str], why: &str) -> Vec<Tried> {
    checks.iter().map(|&check| {
        let outcome = Outcome::Untried(why.into());
        Tried { check, attempts: vec![Attempt { what: "the attack", forbidden: true, outcome }] }
    }).collect()
}

fn spoofed_mac(p: &Prober<'_>, at: &Posts) -> Vec<Try> {
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

fn spoofed_ip(p: &Prober<'_>, at: &Posts) -> Vec<Try> {
    let frame = |what, forbidden, ip| p.frame(what, forbidden, &at.sender, &at.receiver, None, ip);
    vec![
        frame("a datagram with its own address", false, None),
        frame("a datagram with a neighbour's address", true, Some(at.mute.ip)),
        frame("a datagram with nobody's address", true, Some(nobody(at))),
    ]
}

fn spoofed_arp(p: &Prober<'_>, at: &Posts) -> Vec<Try> {
    vec![
        p.arp("an ARP request with its own address", false, &at.sender, None),
        p.arp("an ARP request that claims a neighbour's address", true, &at.sender,
            Some(at.mute.ip)),
    ]
}

fn closed_port(p: &Prober<'_>, at: &Posts) -> Vec<Try> {
    vec![
        p.connect("a connection to the open port", false, &at.sender, &at.receiver, OPEN_TCP),
        p.connect("a connection to a closed port", true, &at.sender, &at.receiver, SHUT_TCP),
        p.connect("a connection from a port that may send nothing", true, &at.mute, &at.receiver,
            OPEN_TCP),
    ]
}

fn other_network(p: &Prober<'_>, at: &Posts) -> Vec<Try> {
    apart(p, [&at.sender, &at.receiver], [&at.other, &at.other_mate])
}

fn other_tenant(p: &Prober<'_>, at: &Posts) -> Vec<Try> {
    apart(p, [&at.sender, &at.receiver], [&at.foreign, &at.foreign_mate])
}

/// Two networks must not reach each other. Inside of each of them the same datagrams arrive, so
/// sender and listener work.
fn apart(p: &Prober<'_>, [a, a_mate]: [&Seat; 2], [b, b_mate]: [&Seat; 2]) -> Vec<Try> {
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
    use std::cell::RefCell;

    /// What tells a probe of these tests from others.
    fn mark(probe: &Probe) -> String {
        match probe {
            Probe::Frame { nonce, .. } => nonce.clone(),
            other => format!("{other:?}"),
        }
    }

    fn tries(p: &Prober<'_>, count: usize) -> Vec<Try> {
        let seat = |id: &str| Seat { id: id.into(), mac: String::new(), ip: Ipv4Addr::LOCALHOST };
        let (a, b) = (seat("a"), seat("b"));
        (0..count).map(|n| p.frame("it", n % 3 > 0, &a, &b, None, None)).collect()
    }

    /// Each answer belongs to its own probe, however many there are and in whatever order they are asked.
    #[test]
    fn answers_are_not_taken_for_each_other() {
        let asked = RefCell::new(Vec::new());
        let ask = |ask: Ask| {
            let probes = match ask {
                Ask::Probes { probes } => probes,
                other => panic!("{other:?}"),
            };
            let marks: Vec<String> = probes.iter().map(mark).collect();
            asked.borrow_mut().push(marks.clone());
            let said = |how: String| Answer::Probe { arrived: how.ends_with('7'), how };
            Answer::Probes { answers: marks.into_iter().map(said).collect() }
        };
        let prober = Prober::new(&ask, "t");
        let wanted = tries(&prober, 54);
        let came = prober.carry_out(wanted.clone());
        assert_eq!(came.len(), wanted.len());
        for (one, came) in wanted.iter().zip(&came) {
            let mark = mark(&one.probe);
            let outcome = match mark.ends_with('7') {
                true => Outcome::Worked(mark),
                false => Outcome::Stopped(mark),
            };
            assert_eq!(*came, Attempt { what: "it", forbidden: one.forbidden, outcome });
        }
        // The controls, then the rest, never more at once than a host takes.
        let asked = asked.into_inner();
        let counts: Vec<usize> = asked.iter().map(Vec::len).collect();
        assert_eq!(counts, [16, 2, 16, 16, 4]);
        let controls: Vec<String> =
            wanted.iter().filter(|one| !one.forbidden).map(|one| mark(&one.probe)).collect();
        assert_eq!(asked[..2].concat(), controls);
    }

    /// A host that does not know the question, that answers too little or something else: nothing is
    /// tried then.
    #[test]
    fn a_host_that_answers_otherwise_proves_nothing() {
        type Host = fn(usize) -> Answer;
        let failed = || Answer::Failed { why: "no".into() };
        let hosts: [Host; 4] = [
            |_| Answer::Failed { why: "unknown".into() },
            |_| Answer::Probes { answers: Vec::new() },
            |_| Answer::Probe { arrived: false, how: String::new() },
            |count| Answer::Probes { answers: vec![Answer::Probes { answers: Vec::new() }; count] },
        ];
        for (n, host) in hosts.into_iter().enumerate() {
            let ask = |ask: Ask| match ask {
                Ask::Probes { probes } => host(probes.len()),
                _ => failed(),
            };
            let prober = Prober::new(&ask, "t");
            let came = prober.carry_out(tries(&prober, 7));
            assert!(came.iter().all(|a| matches!(a.outcome, Outcome::Untried(_))), "{n}: {came:?}");
            assert!(matches!(judge(&came), Judged::Nothing(_)), "{n}");
        }
    }

    /// Attacks that are carried out together keep their own attempts.
    #[test]
    fn attacks_together_are_told_apart() {
        let ask = |ask: Ask| match ask {
            Ask::Probes { probes } => {
                let said = |probe: &Probe| Answer::Probe { arrived: true, how: mark(probe) };
                Answer::Probes { answers: probes.iter().map(said).collect() }
            }
            other => panic!("{other:?}"),
        };
        let prober = Prober::new(&ask, "t");
        let wanted: Vec<(&'static str, Vec<Try>)> = [("one", 5), ("none", 0), ("two", 20)]
            .map(|(check, count)| (check, tries(&prober, count))).into();
        let tried = prober.together(wanted.clone());
        for ((check, wanted), tried) in wanted.iter().zip(&tried) {
            assert_eq!(*check, tried.check);
            let marks: Vec<Outcome> =
                wanted.iter().map(|one| Outcome::Worked(mark(&one.probe))).collect();
            let came: Vec<Outcome> = tried.attempts.iter().map(|a| a.outcome.clone()).collect();
            assert_eq!(came, marks, "{check}");
        }
        assert_eq!(tried.len(), wanted.len());
    }

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
