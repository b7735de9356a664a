//! The entries of a long journal, made again in the same order with the same bytes as often as asked.
//!
//! An export's checkpoints need the roots over all of its entries, and stand behind them: so entries are
//! made once for the trees and once for the file, and are never in memory together. The mixture is that
//! of a journal in which evidence is taken all the time: sign-ins and refusals of trials, ports that are
//! bound, records that come and go in the synthetic tenant and in a few institutions, and an entry an
//! hour that seals what was found. Shapes and sizes are those that the product writes; ids and digests
//! are from a seed.

use jinyun_base::SeedEntropy;
use jinyun_evidence::posture::{CLAUSE, FINDING, SEAL};
use jinyun_evidence::{Counts, stage};
use jinyun_journal::entry::{Actor, Effect, Entry, Institution, Leaf, Reason, Target, canonical};
use jinyun_policy::PROVIDER;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Name of the instance.
pub const INSTANCE: &str = "bench";
/// When the first entry was made, microseconds.
const BEGIN: i64 = 1_764_547_200_000_000;
/// From one entry to the next, so that 1,740 are made in an hour.
const STEP: i64 = 3_600_000_000 / HOUR as i64;
/// Entries of an hour in which tenants change nothing else.
const HOUR: u64 = 1740;
/// Institutions beside the provider and the synthetic tenant.
pub const BANKS: u64 = 6;
/// What the entry of an assessment is called.
const ASSESSED: &str = "evidence:assessment:create";

/// Sorts of entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Phase,
    SignIn,
    BadSignIn,
    Port,
    Refused,
    Finish,
    User,
    Secret,
    Strike,
    Changed,
    Seal,
}

/// Twenty in a row, then again.
const ROW: [Sort; 20] = {
    use Sort::*;
    [Phase, SignIn, Port, Refused, Phase, BadSignIn, Port, Refused, Finish, SignIn, Phase, User, Port,
        Refused, Secret, BadSignIn, SignIn, Strike, Phase, Changed]
};

fn sort(n: u64) -> Sort {
    if n % HOUR == HOUR - 1 { Sort::Seal } else { ROW[(n % 20) as usize] }
}

fn draw(n: u64, salt: u64) -> u64 {
    SeedEntropy::new(n.wrapping_mul(64).wrapping_add(salt)).draw()
}

/// 32 digits.
fn hex(n: u64, salt: u64) -> String {
    format!("{:016x}{:016x}", draw(n, salt), draw(n, salt + 32))
}

fn uuid(n: u64, salt: u64) -> String {
    let hex = hex(n, salt);
    format!("{}-{}-4{}-9{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn digest(n: u64, salt: u64) -> String {
    hex(n, salt) + &hex(n, salt + 1)
}

/// The id of an institution beside the provider.
pub fn bank(n: u64) -> String {
    hex(n % BANKS, 8)
}

/// Whose entry it is.
pub fn whose(n: u64) -> String {
    let row = n / 20;
    match sort(n) {
        Sort::Changed | Sort::Seal => PROVIDER.into(),
        Sort::Strike => stage::DOMAIN.into(),
        _ if row.is_multiple_of(4) => bank(row / 4),
        Sort::SignIn | Sort::BadSignIn if row % 4 == 1 => PROVIDER.into(),
        _ => stage::DOMAIN.into(),
    }
}

/// When an entry was made.
pub fn time(n: u64) -> i64 {
    BEGIN + n as i64 * STEP
}

fn put(kind: &str, id: String, domain: &str, project: String, spec: Value) -> Effect {
    let name = spec.get("name").and_then(Value::as_str).unwrap_or_default().to_string();
    Effect::Put { kind: kind.into(), id, domain: domain.into(), project, name, generation: 1, spec,
        deleting: false }
}

fn port(n: u64, salt: u64, domain: &str) -> Effect {
    let mac = draw(n, salt).to_le_bytes();
    let spec = json!({
        "admin_state_up": true, "description": "", "device_id": "", "device_owner": "jinyun:probe",
        "fixed_ips": [{ "ip": format!("192.0.2.{}", mac[3]), "subnet": uuid(n, salt + 1) }],
        "host": "local", "mac": format!("fa:16:3e:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2]),
        "name": "", "network": uuid(n, salt + 2), "part_of": null, "port_security": true,
        "security_groups": [uuid(n, salt + 3)],
    });
    put("port", uuid(n, salt), domain, hex(0, salt), spec)
}

fn drop_of(n: u64, salt: u64, kind: &str) -> Effect {
    Effect::Drop { kind: kind.into(), id: uuid(n, salt) }
}

fn secret(id: &str, kind: &str, name: &str, n: u64, salt: u64) -> Effect {
    Effect::Secret { kind: kind.into(), id: id.into(), name: name.into(), digest: digest(n, salt) }
}

fn target(id: String, kind: &str) -> Option<Target> {
    Some(Target { id, kind: kind.into() })
}

/// As a person asks over the network.
fn asked(entry: &mut Entry, n: u64) {
    entry.actor = Actor { domain: entry.institution.id.clone(), id: hex(n % 97, 3), kind: "user".into() };
    entry.request = format!("req-{}", uuid(n, 4));
    entry.source = Some("127.0.0.1".into());
}

fn refuse(entry: &mut Entry, code: &str, message: &str) {
    entry.outcome = "refused".into();
    entry.reason = Some(Reason { code: code.into(), message: message.into() });
}

/// An entry at its place in the sequence of its institution.
pub fn entry(n: u64, place: Institution) -> Entry {
    let domain = place.id.clone();
    let mut e = Entry {
        action: String::new(),
        actor: Actor { domain: PROVIDER.into(), id: "driver".into(), kind: "system".into() },
        approval: None,
        effects: Vec::new(),
        institution: place,
        note: None,
        number: n,
        outcome: "done".into(),
        reason: None,
        request: "driver".into(),
        source: None,
        target: None,
        time: time(n),
    };
    let id = uuid(n, 0);
    match sort(n) {
        Sort::Phase => {
            e.action = "engine:phase:set".into();
            e.note = Some(json!({ "from": "", "to": "creating" }));
            e.target = target(hex(n, 0), "project");
        }
        Sort::SignIn => {
            e.action = "identity:token:create".into();
            asked(&mut e, n);
            let user = e.actor.id.clone();
            let mut hours = [0; 24];
            hours[3] = 1;
            let spec = json!({ "hours": hours, "last_login": e.time, "networks": ["127.0.0.0/24"],
                "recovery_set": 0, "recovery_used": 0, "source": "127.0.0.1", "step": 0, "user": user });
            e.effects = vec![put("activity", user, &domain, String::new(), spec)];
            e.note = Some(json!({ "audit_id": &hex(n, 5)[..22], "methods": ["password"], "scope": null }));
        }
        Sort::BadSignIn => {
            e.action = "identity:token:create".into();
            asked(&mut e, n);
            e.target = target(std::mem::take(&mut e.actor.id), "token");
            e.actor = Actor { domain, id: "127.0.0.1".into(), kind: "nobody".into() };
            refuse(&mut e, "unauthenticated", "the password has to be changed");
        }
        Sort::Port => {
            e.action = "network:port:bind".into();
            e.actor.id = "network".into();
            e.request = format!("port-{id}");
            e.effects = vec![port(n, 0, &domain)];
            e.target = target(id, "port");
        }
        Sort::Refused => {
            e.action = "network:network:show".into();
            asked(&mut e, n);
            refuse(&mut e, "not_found", &format!("network {id} could not be found"));
            e.target = target(id, "network");
        }
        Sort::Finish => {
            e.action = "engine:resource:finish".into();
            e.request = format!("driver-{id}");
            e.effects = vec![drop_of(n, 0, "server")];
            e.target = target(id, "server");
        }
        Sort::User => {
            e.action = "identity:user:create".into();
            asked(&mut e, n);
            let user = hex(n, 0);
            let spec = json!({ "default_project": null, "description": "", "domain": domain,
                "email": null, "enabled": true, "hours": null, "must_change": true,
                "name": format!("trial-{n}"), "options": {}, "password_set": e.time, "sources": [],
                "tokens_since": 0 });
            e.effects = vec![put("user", user.clone(), &domain, String::new(), spec),
                secret(&user, "user", "password", n, 6), secret(&user, "user", "history", n, 8)];
            e.target = target(user, "user");
        }
        Sort::Secret => {
            e.action = "engine:secret:make".into();
            let project = hex(n, 0);
            e.request = format!("driver-{project}");
            e.effects = vec![secret(&project, "project", "kek", n, 6)];
            e.target = target(project, "project");
        }
        Sort::Strike => {
            e.action = "evidence:stage:strike".into();
            e.actor.id = "evidence".into();
            e.request = format!("evidence-{}", e.time);
            // One of its steps in turn: hosts have still to take their part away, or all goes.
            e.effects = match (n / 20).is_multiple_of(2) {
                true => (0..6).map(|i| port(n, 4 * i, &domain)).collect(),
                false => (0..46).map(|i| drop_of(n, i, "security_group_rule")).collect(),
            };
        }
        Sort::Changed => {
            e.actor.id = "evidence".into();
            e.request = "evidence".into();
            (e.action, e.note) = match (n / 20).is_multiple_of(2) {
                true => (FINDING.to_string(), Some(json!({ "check": "filter-as-recorded", "from": "met",
                    "to": "error", "population": n % 97, "says": "1 host(s) did not answer: nothing is \
                    said about what is installed there" }))),
                false => (CLAUSE.to_string(), Some(json!({ "standard": "jrt0167", "clause": "7.2.3-B-a",
                    "from": "met", "to": "error" }))),
            };
        }
        Sort::Seal => {
            e.action = SEAL.into();
            e.actor.id = "evidence".into();
            e.request = "evidence".into();
            e.note = Some(json!({ "digest": digest(n, 6), "counts": { "jrt0167": Counts::default(),
                "guide": Counts::default() } }));
        }
    }
    e
}

/// Entries in their order with their leaf hashes. The last one is of an assessment.
pub struct Year {
    next: u64,
    count: u64,
    last: HashMap<String, (u64, Leaf)>,
    assessed: Value,
}

impl Year {
    /// So many, the last with what an assessment's entry says.
    pub fn new(count: u64, assessed: Value) -> Year {
        Year { next: 0, count, last: HashMap::new(), assessed }
    }
}

impl Iterator for Year {
    type Item = (Vec<u8>, Leaf);

    fn next(&mut self) -> Option<(Vec<u8>, Leaf)> {
        let n = self.next;
        if n >= self.count {
            return None;
        }
        self.next += 1;
        let last = self.next == self.count;
        let id = if last { PROVIDER.to_string() } else { whose(n) };
        let before = self.last.get(&id);
        let number = before.map_or(0, |b| b.0 + 1);
        let previous = before.map(|b| b.1.previous());
        let mut entry = entry(n, Institution { id: id.clone(), number, previous });
        if last {
            entry.action = ASSESSED.into();
            (entry.effects, entry.target, entry.reason) = (Vec::new(), None, None);
            entry.outcome = "done".into();
            asked(&mut entry, n);
            entry.note = Some(std::mem::take(&mut self.assessed));
        }
        let bytes = canonical(&entry).expect("an entry has canonical bytes").into_bytes();
        let leaf = Leaf::of(&bytes);
        self.last.insert(id, (number, leaf));
        Some((bytes, leaf))
    }
}
