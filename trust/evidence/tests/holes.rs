//! A whole assessment on a simulated host, and holes in policy, journal and tables, and in a network
//! that is only on paper.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cloud.rs"]
#[allow(dead_code)]
mod cloud;

use cloud::Running;
use jinyun_compute::Hosts;
use jinyun_evidence::attack::more::ZONE_TCP;
use jinyun_evidence::attack::{BETWEEN, Judged, judge};
use jinyun_evidence::checks::find;
use jinyun_evidence::commands::try_commands;
use jinyun_evidence::stage::{DOMAIN, clear, set};
use jinyun_evidence::{Journal, Setup, Verdict, World, read_journal};
use jinyun_policy::{Rule, Who};
use jinyun_store::Db;
use jinyun_wire::{Answer, Ask, HostWant, NetworkWant, PortWant, Probe};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

#[test]
fn an_assessment_says_what_holds_and_leaves_nothing() {
    let running = Running::new("whole", NONE);
    let evidence = running.evidence();
    for round in 0..2 {
        let report = evidence.assess().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(report.troubles, Vec::<String>::new(), "round {round}");
        let verdict = |name: &str| {
            let found = report.findings.iter().find(|f| f.check == name).unwrap();
            (found.verdict, found.says.clone())
        };
        for name in ["foreign-command", "duty-command", "refusals-recorded", "journal-verifies",
            "journal-replays", "own-journal", "one-clock", "duty-exclusive", "duty-reach",
            "password-initial", "password-hashed", "keys-wrapped"] {
            let (found, says) = verdict(name);
            assert_eq!(found, Verdict::Met, "{name}: {says}");
        }
        // Nothing is behind a simulated host, and nothing listens.
        for name in ["spoofed-mac", "other-tenant", "disk-encrypted", "filter-as-recorded",
            "erased", "clock-source", "tls-only"] {
            let (found, says) = verdict(name);
            assert_eq!(found, Verdict::Error, "{name}: {says}");
        }
        let rows = running.cloud.reader.lend(|db| db.everything()).unwrap();
        let left: Vec<_> = rows.iter().filter(|s| s.row.domain.as_str() == DOMAIN).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

const NONE: &[Rule] = &[];
const HOLE: &[Rule] = &[Rule { action: "network:network:update", allow: &[Who::User] }];

#[test]
fn a_hole_in_the_rules_is_seen_by_both_attacks() {
    for (name, holes) in [("right", NONE), ("hole", HOLE)] {
        let running = Running::new(name, holes);
        let stage = set(&running.cloud, "t1").unwrap_or_else(|e| panic!("{e}"));
        let (tried, asked) = try_commands(&running.cloud, &stage.ground, "t2");
        assert_eq!((tried.len(), asked.len()), (2, 14));
        for tried in tried {
            let judged = judge(&tried.attempts);
            match name {
                "right" => assert!(matches!(judged, Judged::Held(_)), "{judged:?}"),
                _ => assert!(matches!(judged, Judged::Broken(_)), "{judged:?}"),
            }
        }
        clear(&running.cloud, "t3").unwrap_or_else(|e| panic!("{e}"));
    }
}

fn journal(running: &Running) -> Journal {
    let keys = running.kms.journal_keys();
    read_journal(&running.cloud, &keys, "test", &[], &running.dir).unwrap().0
}

fn verdicts(journal: Journal) -> [Verdict; 2] {
    let world = World { journal: Ok(journal), ..World::default() };
    ["journal-verifies", "journal-replays"].map(|name| find(name).unwrap().find(&world).verdict)
}

/// A record of a credential that is whole and that nobody set: its password would be taken, so it has
/// to be found otherwise.
#[test]
fn a_changed_secret_is_found() {
    let running = Running::new("secret", NONE);
    let mut db = Db::open(&running.config).unwrap();
    let all: Vec<_> = db.secrets().unwrap().into_iter()
        .filter(|(kind, _, name, ..)| kind == "user" && name == "password").collect();
    let write = "UPDATE secret SET value = ?1 WHERE kind = 'user' AND name = 'password' AND id = ?2";
    let turn = |db: &mut Db, at: usize, value: &[u8]| {
        assert_eq!(db.exec(write, &[value.into(), (&all[at].1).into()]).unwrap(), 1);
    };
    for (whose, want) in [(1, Verdict::Failed), (0, Verdict::Met)] {
        turn(&mut db, 0, &all[whose].4);
        assert_eq!(verdicts(journal(&running)), [Verdict::Met, want], "{whose}");
    }
}

#[test]
fn a_changed_entry_and_a_changed_row_are_found() {
    let running = Running::new("changed", NONE);
    assert_eq!(verdicts(journal(&running)), [Verdict::Met, Verdict::Met]);
    let mut db = Db::open(&running.config).unwrap();
    // A row that no entry explains.
    let rename = "UPDATE resource SET name = ?1 WHERE kind = ?2 AND name = ?3";
    let turn = |db: &mut Db, to: &str, from: &str| {
        assert_eq!(db.exec(rename, &[to.into(), "user".into(), from.into()]).unwrap(), 1);
    };
    turn(&mut db, "sysadmim", "sysadmin");
    assert_eq!(verdicts(journal(&running)), [Verdict::Met, Verdict::Failed]);
    turn(&mut db, "sysadmin", "sysadmim");
    // One letter of an entry, which can still be read.
    let entries = db.entries(0, 100).unwrap();
    let at = entries.iter().position(|e| e.windows(8).any(|w| w == b"sysadmin")).unwrap();
    let text = String::from_utf8(entries[at].clone()).unwrap().replace("sysadmin", "sysadmim");
    let body = text.as_bytes();
    let write = "UPDATE journal SET body = ?1 WHERE number = ?2";
    assert_eq!(db.exec(write, &[body.into(), (at as i64).into()]).unwrap(), 1);
    let [verified, _] = verdicts(journal(&running));
    assert_eq!(verified, Verdict::Failed);
}

/// How long one attack waits for the other.
const LIMIT: Duration = Duration::from_secs(60);

/// What a network on paper does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    Nothing,
    /// Whoever is outside of a zone is let in like a member.
    Zones,
    /// A port that is switched off goes on.
    Cut,
}

/// A host whose network does what the newest document says, but for its flaw.
struct Paper {
    hosts: Arc<Hosts>,
    flaw: Flaw,
    /// The ends of the connection that is kept.
    held: Mutex<Option<[String; 2]>>,
    /// Which attacks are under way.
    begun: Mutex<BTreeSet<&'static str>>,
    bell: Condvar,
}

fn port<'w>(want: &'w HostWant, id: &str) -> Option<(&'w NetworkWant, &'w PortWant)> {
    let mut ports = want.networks.iter().flat_map(|n| n.ports.iter().map(move |port| (n, port)));
    ports.find(|(_, port)| port.id == id)
}

impl Paper {
    fn answer(&self, host: &str, ask: Ask) -> Answer {
        let said = |probe: &Probe| match self.arrives(host, probe) {
            Some(arrived) => Answer::Probe { arrived, how: String::new() },
            None => Answer::Failed { why: "the other attack did not come".into() },
        };
        match ask {
            Ask::Probe(probe) => said(&probe),
            Ask::Probes { probes } => Answer::Probes { answers: probes.iter().map(said).collect() },
            _ => Answer::Failed { why: "the host is on paper".into() },
        }
    }

    /// Goes on when both attacks are under way, so neither waits for the other's end.
    fn meet(&self, own: &'static str, other: &'static str) -> Option<()> {
        let mut begun = self.begun.lock().unwrap();
        begun.insert(own);
        self.bell.notify_all();
        let (begun, _) =
            self.bell.wait_timeout_while(begun, LIMIT, |begun| !begun.contains(other)).unwrap();
        begun.contains(other).then_some(())
    }

    fn up(&self, want: &HostWant, id: &str) -> bool {
        self.flaw == Flaw::Cut || port(want, id).is_some_and(|(_, port)| port.up)
    }

    fn passes(&self, want: &HostWant, ends: [&str; 2], protocol: u8, number: u16) -> bool {
        let [Some((here, from)), Some((there, to))] = ends.map(|id| port(want, id)) else {
            return false;
        };
        let inside = |group: &String, peer: &PortWant| {
            let mut members = want.groups.iter().filter(|g| g.id == *group).flat_map(|g| &g.members);
            self.flaw == Flaw::Zones || members.any(|ip| *ip == peer.ips[0].1)
        };
        let allowed = |port: &PortWant, peer: &PortWant, ingress: bool| {
            let groups = want.groups.iter().filter(|group| port.groups.contains(&group.id));
            groups.flat_map(|group| &group.rules).any(|rule| {
                rule.ingress == ingress
                    && rule.protocol.is_none_or(|p| p == protocol)
                    && rule.ports.is_none_or(|(low, high)| (low..=high).contains(&number))
                    && rule.remote_group.as_ref().is_none_or(|group| inside(group, peer))
            })
        };
        here.id == there.id && ends.iter().all(|id| self.up(want, id))
            && allowed(from, to, false) && allowed(to, from, true)
    }

    /// Whether something gets through; nothing if the attacks were not made at once.
    fn arrives(&self, host: &str, probe: &Probe) -> Option<bool> {
        match probe {
            Probe::Hold { .. } => self.meet("cut", "zones")?,
            Probe::Connect { tcp: ZONE_TCP, .. } => self.meet("zones", "cut")?,
            _ => {}
        }
        let want = &self.hosts.document(host).unwrap();
        Some(match probe {
            Probe::Frame { from, to, mac: None, ip: None, udp, .. } => {
                self.passes(want, [from, to], 17, *udp)
            }
            Probe::Connect { from, to, tcp, .. } => self.passes(want, [from, to], 6, *tcp),
            Probe::Arp { from, ip: None } => self.up(want, from),
            Probe::Reach { ip, tcp, .. } => (*ip, *tcp) == (Ipv4Addr::new(169, 254, 169, 254), 80),
            Probe::Hold { from, to, tcp, .. } => {
                let made = self.passes(want, [from, to], 6, *tcp);
                *self.held.lock().unwrap() = made.then(|| [from.clone(), to.clone()]);
                made
            }
            Probe::Pass { .. } => {
                let held = self.held.lock().unwrap();
                held.as_ref().is_some_and(|ends| ends.iter().all(|id| self.up(want, id)))
            }
            Probe::Close { .. } => true,
            Probe::Frame { .. } | Probe::Arp { .. } | Probe::Shout { .. } => false,
        })
    }
}

/// Zones and the cut are tried at the same time, each with its own steps by the tenant's own commands;
/// a network that fails one of them fails that one alone.
#[test]
fn zones_and_a_cut_at_once_find_their_own_holes_and_nothing_else() {
    for (name, flaw, red) in [
        ("paper", Flaw::Nothing, ""),
        ("paper-zones", Flaw::Zones, "group-zones"),
        ("paper-cut", Flaw::Cut, "port-cut"),
    ] {
        let running = Running::new(name, NONE);
        let paper = Paper {
            hosts: running.hosts.clone(),
            flaw,
            held: Mutex::default(),
            begun: Mutex::default(),
            bell: Condvar::new(),
        };
        let evidence = running.evidence_by(Setup {
            ask: Arc::new(move |host, ask| Ok(paper.answer(host, ask))),
            ..running.setup()
        });
        let report = evidence.assess().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(report.troubles, Vec::<String>::new(), "{flaw:?}");
        for check in BETWEEN.iter().chain(&["group-zones", "port-cut"]) {
            let found = report.findings.iter().find(|f| f.check == *check).unwrap();
            let want = if *check == red { Verdict::Failed } else { Verdict::Met };
            assert_eq!(found.verdict, want, "{flaw:?}: {check}: {}", found.says);
        }
    }
}
