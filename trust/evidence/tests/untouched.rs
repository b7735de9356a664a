//! What an assessment does to everybody else: nothing.
//!
//! Goal: that attacks touch the synthetic institution alone is promised by how it is built, and a promise
//! is no proof. Method: beside it stands a bank that it could be taken for (the same ranges, the same
//! address behind a port of the same sort, a group for its people to get into); all records, secrets,
//! claims, quotas and meters are compared before and after, and every entry in between is judged by whose
//! it is. Not only by what is there at the end: what was changed and changed back stands in the journal.
//!
//! Of the synthetic institution two things stay: its entries, and what its projects used (closed meters),
//! since whoever has gone may still have to be charged. The second test does by hand what must not
//! happen, so that the first one can fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cloud.rs"]
#[allow(dead_code)]
mod cloud;

use cloud::Running;
use jinyun_base::Id;
use jinyun_engine::{Command, Effect, Job, Stored};
use jinyun_evidence::Verdict;
use jinyun_evidence::stage::{DOMAIN, PROJECTS, clear, set};
use jinyun_identity::Project;
use jinyun_journal::Entry;
use jinyun_network::{PROBE, Port};
use jinyun_policy::{Actor, ActorKind, PROVIDER, Role, Scope};
use jinyun_store::Db;
use jinyun_volume::Volume;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

const BANK: &str = "b0000000000000000000000000000001";
/// How often something is looked for, and how many times at most.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: usize = 1000;

/// An institution that is none of the platform's own.
struct Bank {
    project: Id,
    network: Id,
    volume: Id,
}

fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if so() {
            return;
        }
        std::thread::sleep(LOOK);
    }
    panic!("{what}: not in time");
}

/// Carries a command out. The id of what it made.
fn run(running: &Running, command: Command) -> Id {
    let action = command.action.clone();
    let came = running.cloud.handle.run(Job::Command(Box::new(command)));
    let answer = came.unwrap_or_else(|e| panic!("{action}: {e}"));
    match answer.row {
        Some(row) => row.id,
        None => answer.value["id"].as_str().unwrap().into(),
    }
}

/// Somebody of the bank.
fn teller(scope: Scope, role: Role) -> Actor {
    let (kind, id, domain) = (ActorKind::User, "teller".into(), BANK.into());
    Actor { kind, id, domain, scope, role: Some(role), duty: None }
}

impl Bank {
    fn new(running: &Running) -> Bank {
        let system = |action: &str, words: Value| {
            let mut command = Command::new(action, Actor::system("test"), "setup").with(words);
            command.domain = Some(BANK.into());
            run(running, command)
        };
        system("identity:domain:create", json!({ "id": BANK, "name": "bank", "enabled": true }));
        let project = system("identity:project:create",
            json!({ "name": "one", "domain": BANK, "enabled": true }));
        system("identity:user:create", json!({ "name": "boss", "domain": BANK, "enabled": true }));
        let manager = teller(Scope::Domain(BANK.into()), Role::Manager);
        let mut group = Command::new("identity:group:create", manager, "setup")
            .with(json!({ "name": "operators", "domain": BANK }));
        group.domain = Some(BANK.into());
        run(running, group);
        let inside = Scope::Project { project: project.clone(), domain: BANK.into() };
        let member = teller(inside, Role::Member);
        let ask = |action: &str, words: Value| {
            run(running, Command::new(action, member.clone(), "setup").with(words))
        };
        let view = &running.cloud.reader;
        until("the project's key", || {
            view.view(|v| {
                let there = v.get::<Project>(&project)?.is_some_and(|project| project.settled());
                Ok(there && v.has_secret("project", &project, "kek")?)
            }).unwrap()
        });
        // As the synthetic institution has them.
        let network = ask("network:network:create", json!({ "name": "first" }));
        ask("network:subnet:create", json!({ "network": network, "cidr": "192.0.2.0/24" }));
        let port = ask("network:port:create", json!({
            "network": network, "device_owner": PROBE, "fixed_ips": [{ "ip": "192.0.2.12" }],
        }));
        let volume = Command::new("volume:volume:create", Actor::system("test"), "setup")
            .with(json!({ "name": "evidence", "gib": 1 })).at(&BANK.into(), &project);
        let volume = run(running, volume);
        until("the bank's port and volume", || {
            view.view(|v| {
                let port = v.get::<Port>(&port)?.is_some_and(|p| p.phase == "ACTIVE" && p.settled());
                let volume = v.get::<Volume>(&volume)?;
                Ok(port && volume.is_some_and(|v| v.phase == "available" && v.settled()))
            }).unwrap()
        });
        Bank { project, network, volume }
    }

    /// A command of one of its members about its network.
    fn change(&self, target: &Id) -> Command {
        let inside = Scope::Project { project: self.project.clone(), domain: BANK.into() };
        // A request's id is no excuse.
        Command::new("network:network:update", teller(inside, Role::Member), "evidence-by-hand")
            .on(target.clone()).with(json!({ "description": "by hand" }))
    }
}

/// The tables of one moment.
#[derive(Debug, PartialEq)]
struct Moment {
    /// By kind and id, each with its status.
    rows: BTreeMap<[String; 2], Stored>,
    /// Salt and value by kind, id and name.
    secrets: BTreeMap<[String; 3], [Vec<u8>; 2]>,
    /// Claims, links, fields, meters and the use of quotas, as text.
    others: BTreeMap<String, ()>,
}

/// Whether this is how long a project of the synthetic institution used something, and is over.
fn stays(line: &str) -> bool {
    let parts: Vec<&str> = line.split('|').collect();
    match parts[..] {
        ["meter", project, _, _, _, _, until, _] => {
            until != "open" && PROJECTS.iter().any(|(id, _)| *id == project)
        }
        _ => false,
    }
}

fn read(running: &Running) -> (u64, Moment) {
    running.cloud.reader.lend(|db| {
        let length = db.journal_length()?;
        let rows = db.everything()?.into_iter();
        let secrets = db.secrets()?.into_iter();
        let used = db.usage()?.into_iter();
        let quotas = used.map(|u| format!("quota|{}|{}|{}", u.project, u.item, u.used));
        let others = db.derived()?.into_iter().chain(quotas).filter(|line| !stays(line));
        Ok((length, Moment {
            rows: rows.map(|s| ([s.row.kind.clone(), s.row.id.to_string()], s)).collect(),
            secrets: secrets.map(|(kind, id, name, salt, value)| {
                ([kind, id.to_string(), name], [salt, value])
            }).collect(),
            others: others.map(|line| (line, ())).collect(),
        }))
    }).unwrap()
}

/// The journal's length and the tables, once nothing moves.
fn moment(running: &Running) -> (u64, Moment) {
    let mut newest = read(running);
    until("a moment in which nothing moves", || {
        std::thread::sleep(LOOK);
        let before = std::mem::replace(&mut newest, read(running));
        before == newest
    });
    newest
}

fn differ<K: Ord + Debug, V: PartialEq>(what: &str, was: &BTreeMap<K, V>, is: &BTreeMap<K, V>)
    -> Vec<String> {
    let mut found: Vec<String> = is.iter().filter_map(|(key, value)| match was.get(key) {
        None => Some(format!("{what} {key:?} is new")),
        Some(old) if old != value => Some(format!("{what} {key:?} has changed")),
        Some(_) => None,
    }).collect();
    let gone = was.keys().filter(|key| !is.contains_key(*key));
    found.extend(gone.map(|key| format!("{what} {key:?} is gone")));
    found
}

/// What is not as it was.
fn changes(was: &Moment, is: &Moment) -> Vec<String> {
    let mut found = differ("the record", &was.rows, &is.rows);
    found.extend(differ("the secret", &was.secrets, &is.secrets));
    found.extend(differ("the line", &was.others, &is.others));
    found
}

fn entries(running: &Running, from: u64) -> Vec<Entry> {
    let bodies = running.cloud.reader.lend(|db| {
        let to = db.journal_length()?;
        db.entries(from, to)
    });
    bodies.unwrap().iter().map(|body| serde_json::from_slice(body).unwrap()).collect()
}

/// Entries that are neither the synthetic institution's about its own things nor, in the provider's
/// sequence, evidence's words and refusals that change nothing.
fn strays(entries: &[Entry]) -> Vec<String> {
    let (mut own, mut found) = (BTreeSet::new(), Vec::new());
    for entry in entries {
        let mut foreign = false;
        for effect in &entry.effects {
            let (kind, id) = match effect {
                Effect::Put { kind, id, domain, .. } => {
                    if domain == DOMAIN {
                        own.insert((kind.clone(), id.clone()));
                    }
                    (kind, id)
                }
                Effect::Drop { kind, id } | Effect::Secret { kind, id, .. }
                | Effect::Unsecret { kind, id, .. } => (kind, id),
            };
            foreign |= !own.contains(&(kind.clone(), id.clone()));
        }
        // Attacks come from addresses for documentation, where no request's id goes along.
        let platforms = entry.request.starts_with("evidence-")
            || entry.source.as_ref().is_some_and(|source| source.starts_with("2001:db8:"));
        let good = match entry.institution.id.as_str() {
            DOMAIN => !foreign,
            PROVIDER => entry.effects.is_empty() && platforms,
            _ => false,
        };
        if !good {
            found.push(format!(
                "entry {} of {}: {} by {} ({}), request {}, {:?}", entry.number, entry.institution.id,
                entry.action, entry.actor.id, entry.outcome, entry.request, entry.effects
            ));
        }
    }
    found
}

const NOTHING: Vec<String> = Vec::new();

#[test]
fn an_assessment_touches_nothing_but_its_own_institution() {
    let running = Running::new("untouched", &[]);
    Bank::new(&running);
    let evidence = running.evidence();
    let (from, before) = moment(&running);
    for kind in ["domain", "project", "user", "group", "network", "subnet", "security_group", "port",
        "volume"] {
        let there = before.rows.values().any(|s| s.row.kind == kind && s.row.domain.as_str() == BANK);
        assert!(there, "the bank has no {kind}");
    }
    let report = evidence.assess().unwrap_or_else(|e| panic!("{e}"));
    let (_, after) = moment(&running);
    assert_eq!(report.troubles, NOTHING);
    assert_eq!(changes(&before, &after), NOTHING);
    let made = entries(&running, from);
    assert_eq!(strays(&made), NOTHING);
    // There was something that could have gone astray: people, ports, a volume, refusals of staff.
    for kind in ["user", "group", "port", "volume", "network", "limit", "consent"] {
        let made = made.iter().flat_map(|entry| &entry.effects).any(|effect| {
            matches!(effect, Effect::Put { kind: k, domain, .. } if k == kind && domain == DOMAIN)
        });
        assert!(made, "no {kind} was made in the synthetic institution");
    }
    assert!(made.iter().any(|entry| entry.institution.id == PROVIDER && entry.outcome == "refused"));
    for name in ["foreign-command", "duty-command", "sub-accounts", "federated-sign-in", "tenant-gone"] {
        let found = report.findings.iter().find(|found| found.check == name).unwrap();
        assert_eq!(found.verdict, Verdict::Met, "{name}: {}", found.says);
    }
}

/// What somebody does by hand; words of each change, and of each entry, that must be found.
type Slip = (&'static str, fn(&Running, &Bank), &'static [&'static str], &'static [&'static str]);

const SLIPS: &[Slip] = &[
    ("something of the bank's is changed", |running, bank| {
        run(running, bank.change(&bank.network));
    }, &["\"network\""], &[BANK]),
    ("the bank is told of something that was tried", |running, bank| {
        let tried = bank.change(&"nowhere".into());
        assert!(running.cloud.handle.run(Job::Command(Box::new(tried))).is_err());
    }, &[], &[BANK]),
    ("the provider gets an account", |running, _| {
        let words = json!({ "name": "more", "domain": PROVIDER, "enabled": true });
        let mut command =
            Command::new("identity:user:create", Actor::system("evidence"), "evidence-by-hand").with(words);
        command.domain = Some(PROVIDER.into());
        run(running, command);
    }, &["\"user\""], &["identity:user:create"]),
    ("a secret is exchanged beside the journal", |running, bank| {
        let mut db = Db::open(&running.config).unwrap();
        let write = "UPDATE secret SET value = ?1 WHERE kind = 'volume' AND id = ?2";
        let value: &[u8] = b"another key";
        assert_eq!(db.exec(write, &[value.into(), (&bank.volume).into()]).unwrap(), 1);
    }, &["the secret [\"volume\""], &[]),
    ("the account of a quota is changed beside the journal", |running, bank| {
        let mut db = Db::open(&running.config).unwrap();
        let write = "UPDATE quota SET used = used + 1 WHERE project = ?1 AND item = ?2";
        assert_eq!(db.exec(write, &[(&bank.project).into(), "port".into()]).unwrap(), 1);
    }, &["quota|"], &[]),
];

#[test]
fn whatever_goes_astray_is_found() {
    let running = Running::new("astray", &[]);
    let bank = Bank::new(&running);
    for (what, slip, wanted, told) in SLIPS {
        let (from, before) = moment(&running);
        slip(&running, &bank);
        let (_, after) = moment(&running);
        let (found, stray) = (changes(&before, &after), strays(&entries(&running, from)));
        for (found, words) in [(&found, wanted), (&stray, told)] {
            assert_eq!(found.is_empty(), words.is_empty(), "{what}: {found:#?}");
            for word in words.iter() {
                assert!(found.iter().any(|line| line.contains(word)), "{what}, {word}: {found:#?}");
            }
        }
    }
    // The synthetic institution stays, then goes: nothing but the first is found.
    let (from, before) = moment(&running);
    set(&running.cloud, "evidence-left").unwrap_or_else(|e| panic!("{e}"));
    let (_, left) = moment(&running);
    let found = changes(&before, &left);
    for kind in ["domain", "project", "port", "volume"] {
        let head = format!("the record [\"{kind}\"");
        assert!(found.iter().any(|line| line.starts_with(&head)), "{kind}: {found:#?}");
    }
    assert!(found.iter().any(|line| line.starts_with("the secret")), "{found:#?}");
    clear(&running.cloud, "evidence-gone").unwrap_or_else(|e| panic!("{e}"));
    let (_, after) = moment(&running);
    assert_eq!(changes(&before, &after), NOTHING);
    assert_eq!(strays(&entries(&running, from)), NOTHING);
}
