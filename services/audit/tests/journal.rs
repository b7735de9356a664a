//! The journal over its API, on a real store: who sees what, pages without a gap, and that what is
//! handed out proves what it says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD as B64;
use jinyun_audit::{Audit, register, routes};
use jinyun_base::{SeedEntropy, Time};
use jinyun_engine::*;
use jinyun_journal::entry::Leaf;
use jinyun_journal::merkle::{Hash, consistent, inclusion_root};
use jinyun_journal::{Checkpoint, HashKind, Note};
use jinyun_kms::Kms;
use jinyun_policy::{Actor, ActorKind, Duty, Role, Rule, Scope, Who};
use jinyun_rest::{Body, Call, Cloud, Door, Route};
use jinyun_store::{Config, Writer};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

const START: i64 = 1_700_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

const TOY: &[Rule] = &[
    Rule { action: "toy:thing:make", allow: &[Who::Project(Role::Member)] },
    Rule { action: "toy:limit:set", allow: &[Who::Duty(Duty::SystemAdmin), Who::System] },
];

fn toy(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    ctx.note(command.args.clone());
    Ok(Value::Null)
}

struct World {
    cloud: Arc<Cloud>,
    routes: Vec<Route>,
    kms: Arc<Kms>,
    clock: Arc<AtomicI64>,
    dir: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn person(id: &str, domain: &str, scope: Scope, role: Option<Role>, duty: Option<Duty>) -> Actor {
    Actor { kind: ActorKind::User, id: id.into(), domain: domain.into(), scope, role, duty }
}

fn member(domain: &str) -> Actor {
    let scope = Scope::Project { project: format!("{domain}-p").into(), domain: domain.into() };
    person("ann", domain, scope, Some(Role::Member), None)
}

fn reader(domain: &str) -> Actor {
    person("rae", domain, Scope::Domain(domain.into()), Some(Role::Reader), None)
}

fn on_duty(duty: Duty) -> Actor {
    person("staff", "default", Scope::System, None, Some(duty))
}

impl World {
    fn new(name: &str, config: impl FnOnce(&Path) -> Config) -> World {
        let dir = std::env::temp_dir().join(format!("jyaudit-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let config = config(&dir);
        let mut registry = Registry::default();
        register(&mut registry);
        registry.action("toy:thing:make", "", Verb::Own(toy))
            .action("toy:limit:set", "", Verb::Own(toy)).rules(TOY);
        let registry = Arc::new(registry);
        let writer = Writer::open(&config, "test").unwrap();
        let core = Core::new(writer, registry.clone(), Box::new(SeedEntropy::new(3)));
        let clock = Arc::new(AtomicI64::new(START));
        let (handle, queue) = Queue::new();
        let ticks = clock.clone();
        std::thread::spawn(move || {
            queue.serve(core, move || Time(ticks.fetch_add(1000, Ordering::SeqCst)));
        });
        let reader = Reader::new(config, registry, handle.clone());
        let cloud = Arc::new(Cloud { reader, handle });
        let kms =
            Kms::open(&dir.join("keys.json"), "test", Box::new(SeedEntropy::new(7))).unwrap();
        let routes = routes(Arc::new(Audit::new(cloud.clone(), "test")));
        World { cloud, routes, kms: Arc::new(kms), clock, dir }
    }

    fn sqlite(name: &str) -> World {
        World::new(name, |dir| Config::Sqlite { path: dir.join("state.db"), durable: false })
    }

    /// So many things made in an institution's project.
    fn make(&self, domain: &str, times: usize) {
        for n in 0..times {
            let command = Command::new("toy:thing:make", member(domain), format!("{domain}-{n}"))
                .with(json!({ "n": n }));
            self.cloud.handle.run(Job::Command(Box::new(command))).unwrap();
        }
    }

    /// Something that the provider or the platform does to an institution.
    fn limit(&self, actor: Actor, domain: &str) {
        let mut command = Command::new("toy:limit:set", actor, "limit");
        command.domain = Some(domain.into());
        command.source = Some("192.0.2.9".into());
        self.cloud.handle.run(Job::Command(Box::new(command))).unwrap();
    }

    fn sign(&self) -> u64 {
        let kms = self.kms.clone();
        let now = Time(self.clock.load(Ordering::SeqCst));
        self.cloud.handle.with(move |core| {
            let mut sign = |tree, text: &str| kms.sign(tree, text);
            core.writer.checkpoint("test", now, ("system", 0), &mut sign).map(drop)
        }).unwrap().unwrap();
        self.cloud.reader.lend(|db| db.newest_checkpoint()).unwrap().unwrap().0
    }

    fn ask(&self, actor: &Actor, path: &str) -> Result<Body, String> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |r: &&Route| {
            let pattern: Vec<&str> = r.path.split('/').collect();
            pattern.len() == parts.len()
                && pattern.iter().zip(&parts).all(|(p, s)| p.starts_with('{') || p == s)
        };
        let route = self.routes.iter().find(fits).unwrap_or_else(|| panic!("no route for {path}"));
        let params = route.path.split('/').zip(&parts).filter(|(p, _)| p.starts_with('{'))
            .map(|(p, s)| {
                let name: &'static str = p.trim_matches(['{', '}']).to_string().leak();
                (name, s.to_string())
            }).collect();
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_string(), value.to_string())
        }).collect();
        let call = Call {
            via: Default::default(),
            door: Door::Management,
            cloud: &self.cloud, actor, path: params, query, body: Value::Null,
            request: "req-ask".into(), source: Some("192.0.2.1".into()),
            base: "https://cloud/journal".into(), version: None, token: None,
            headers: Vec::new(), input: Mutex::new(None),
        };
        match (route.run)(&call) {
            Ok(reply) => Ok(reply.body),
            Err(Failure::Refused(r)) => Err(format!("{}: {}", r.code(), r.message)),
            Err(Failure::Fault(f)) => panic!("{path}: {f}"),
        }
    }

    fn get(&self, actor: &Actor, path: &str) -> Result<Value, String> {
        Ok(match self.ask(actor, path)? {
            Body::Json(value) => value,
            Body::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{path}: {other:?}"),
        })
    }

    fn export(&self, actor: &Actor, query: &str) -> Result<Vec<u8>, String> {
        let Body::Stream(mut body) = self.ask(actor, &format!("/v1/export{query}"))? else {
            panic!("no stream");
        };
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).unwrap();
        Ok(bytes)
    }

    /// The institution's own numbers in an answer.
    fn numbers(&self, actor: &Actor, query: &str) -> Vec<u64> {
        numbers(&self.get(actor, &format!("/v1/entries{query}")).unwrap(), "/institution/number")
    }
}

fn numbers(answer: &Value, at: &str) -> Vec<u64> {
    let entries = answer["entries"].as_array().unwrap();
    entries.iter().map(|e| e.pointer(at).unwrap().as_u64().unwrap()).collect()
}

#[test]
fn filters_leave_what_was_asked_for() {
    let w = World::sqlite("filters");
    w.make("bank", 3);
    w.limit(on_duty(Duty::SystemAdmin), "bank");
    w.limit(Actor::system("driver"), "bank");
    w.make("fund", 2);
    let noon = w.clock.fetch_add(HOUR, Ordering::SeqCst) + HOUR / 2;
    // Refused: a member may not. It stands in the member's own institution.
    let denied = Command::new("toy:limit:set", member("bank"), "no").on("x");
    assert!(w.cloud.handle.run(Job::Command(Box::new(denied))).is_err());
    w.make("bank", 2);
    let rae = reader("bank");
    let at = |query: &str| w.numbers(&rae, query);
    assert_eq!(at(""), [7, 6, 5, 4, 3, 2, 1, 0]);
    let cases: &[(&str, &[u64])] = &[
        ("order=oldest", &[0, 1, 2, 3, 4, 5, 6, 7]),
        ("action=toy:thing:make&order=oldest", &[0, 1, 2, 6, 7]),
        ("action=*:limit:*&order=oldest", &[3, 4, 5]),
        ("actor=staff", &[3]),
        ("provider=true", &[4, 3]),
        ("provider=false&order=oldest", &[0, 1, 2, 5, 6, 7]),
        ("outcome=refused", &[5]),
        ("reason=not_found", &[5]),
        ("reason=forbidden", &[]),
        ("target_id=x", &[5]),
        ("target_kind=limit", &[5]),
        ("target_kind=port", &[]),
        ("request=bank-1", &[7, 1]),
        ("source=192.0.2.9", &[4, 3]),
        ("actor=staff&provider=false", &[]),
    ];
    for (query, want) in cases {
        assert_eq!(at(&format!("?{query}")), *want, "{query}");
    }
    let rfc = Time(noon).micros();
    for since in [rfc.clone(), noon.to_string()] {
        assert_eq!(at(&format!("?since={since}")), [7, 6, 5]);
        assert_eq!(at(&format!("?until={since}")), [4, 3, 2, 1, 0]);
        assert_eq!(at(&format!("?since={since}&until={since}")), [0u64; 0]);
    }
    for (query, word) in [("limit=0", "limit"), ("limit=1001", "limit"), ("since=noon", "since"),
        ("outcome=maybe", "outcome"), ("action=NETWORK", "action"), ("colour=red", "colour"),
        ("actor=a&actor=b", "actor"), ("marker=-1", "marker"), ("order=up", "order"),
        ("provider=yes", "provider")] {
        let refused = w.get(&rae, &format!("/v1/entries?{query}")).unwrap_err();
        assert!(refused.starts_with(&format!("invalid: {word} ")), "{query}: {refused}");
    }
}

#[test]
fn pages_have_no_gap_in_either_order_while_others_write() {
    let w = World::sqlite("pages");
    w.make("bank", 300);
    let rae = reader("bank");
    for (order, want) in [("newest", (0..300).rev().collect::<Vec<u64>>()),
        ("oldest", (0..300).collect())] {
        for (filter, keep) in [("", 1), ("&action=toy:*", 1), ("&request=bank-7", 300)] {
            let (mut seen, mut marker) = (Vec::new(), String::new());
            loop {
                let path = format!("/v1/entries?limit=7&order={order}{filter}{marker}");
                let answer = w.get(&rae, &path).unwrap();
                assert!(answer["entries"].as_array().unwrap().len() <= 7);
                seen.extend(numbers(&answer, "/institution/number"));
                w.make("fund", 1);
                match answer["next"].as_u64() {
                    Some(next) => marker = format!("&marker={next}"),
                    None => break,
                }
            }
            let want: Vec<u64> =
                want.iter().copied().filter(|n| keep == 1 || *n == 7).collect();
            assert_eq!(seen, want, "{order}{filter}");
        }
    }
}

#[test]
fn a_clock_that_was_set_back_hides_nothing() {
    let w = World::sqlite("clock");
    w.make("bank", 20);
    w.clock.fetch_add(6 * HOUR, Ordering::SeqCst);
    w.make("bank", 20);
    w.clock.fetch_sub(4 * HOUR, Ordering::SeqCst);
    w.make("bank", 20);
    w.clock.fetch_add(40 * HOUR, Ordering::SeqCst);
    w.make("bank", 20);
    let all = w.cloud.reader.lend(|db| db.entries(0, 1000)).unwrap();
    let times: Vec<i64> = all.iter().map(|bytes| {
        serde_json::from_slice::<Value>(bytes).unwrap()["time"].as_i64().unwrap()
    }).collect();
    for since in (0..48).map(|h| START + h * HOUR) {
        for until in [since + HOUR, since + 7 * HOUR] {
            let want: Vec<u64> = (0..80u64)
                .filter(|n| (since..until).contains(&times[*n as usize])).collect();
            let query = format!("?order=oldest&since={since}&until={until}");
            assert_eq!(w.numbers(&reader("bank"), &query), want, "{since} {until}");
            let whole = w.get(&on_duty(Duty::AuditAdmin), &format!("/v1/entries{query}")).unwrap();
            assert_eq!(numbers(&whole, "/number"), want, "{since} {until}");
        }
    }
}

#[test]
fn each_sees_what_is_theirs() {
    let w = World::sqlite("theirs");
    w.make("bank", 3);
    w.make("fund", 2);
    w.limit(on_duty(Duty::SystemAdmin), "default");
    w.sign();
    let (audit, security, system) = (on_duty(Duty::AuditAdmin), on_duty(Duty::SecurityAdmin),
        on_duty(Duty::SystemAdmin));
    let unscoped = person("rae", "bank", Scope::None, None, None);
    let paths = ["/v1/entries", "/v1/entries/0", "/v1/export"];
    for path in paths {
        let own = w.ask(&reader("bank"), path);
        assert!(own.is_ok(), "{path}: {}", own.unwrap_err());
        for (who, query, want) in [
            (reader("bank"), "?institution=fund", "not_found"),
            (reader("bank"), "?institution=nowhere", "not_found"),
            (reader("bank"), "?institution=default", "not_found"),
            (reader("bank"), "?institution=bank", "ok"),
            (member("bank"), "", "forbidden"),
            (member("bank"), "?institution=fund", "not_found"),
            (unscoped.clone(), "", "forbidden"),
            (unscoped.clone(), "?institution=fund", "not_found"),
            (audit.clone(), "?institution=bank", "ok"),
            (audit.clone(), "?institution=default", "ok"),
            (security.clone(), "?institution=default", "ok"),
            (security.clone(), "", "ok"),
            (security.clone(), "?institution=bank", "forbidden"),
            (system.clone(), "", "forbidden"),
            (system.clone(), "?institution=bank", "forbidden"),
            (system.clone(), "?institution=default", "forbidden"),
        ] {
            let got = w.ask(&who, &format!("{path}{query}")).map(|_| "ok".to_string());
            let got = got.unwrap_or_else(|e| e.split(':').next().unwrap().to_string());
            assert_eq!(got, want, "{} asks {path}{query}", who.id);
        }
    }
    for (who, want) in [(reader("bank"), "forbidden"), (security, "forbidden"), (audit.clone(), "ok")] {
        let got = w.get(&who, "/v1/entries?institution=*").map(|_| "ok".to_string());
        assert_eq!(got.unwrap_or_else(|e| e.split(':').next().unwrap().into()), want);
    }
    // The audit administrator sees all by the whole journal's numbers.
    let all = w.get(&audit, "/v1/entries?order=oldest&limit=4").unwrap();
    assert_eq!(numbers(&all, "/number"), [0, 1, 2, 3]);
    assert_eq!(all["next"], 3);
    let missing = w.get(&audit, "/v1/entries?institution=nowhere").unwrap_err();
    assert!(missing.starts_with("not_found: institution nowhere"), "{missing}");
    assert!(w.get(&reader("bank"), "/v1/entries/12345").unwrap_err().starts_with("not_found"));
    assert!(w.get(&reader("bank"), "/v1/entries/x").unwrap_err().starts_with("not_found"));
    // Refusals of reading are on record where the one who asked belongs.
    let tried = "/v1/entries?institution=bank&outcome=refused&action=audit:*&target_id=fund";
    let tried = w.get(&audit, tried).unwrap();
    assert!(!tried["entries"].as_array().unwrap().is_empty());
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(|h| {
        jinyun_journal::from_hex(h.as_str().unwrap()).unwrap().try_into().unwrap()
    }).collect()
}

/// The checkpoints of an answer, each signed by the platform's key for its tree.
fn signed(w: &World, checkpoint: &Value) -> Vec<Checkpoint> {
    let keys = w.kms.journal_keys().to_vec();
    let notes = checkpoint["notes"].as_array().unwrap();
    let read: Vec<Checkpoint> = notes.iter().map(|note| {
        let note = Note::parse(note.as_str().unwrap()).unwrap();
        assert_eq!(note.signers(&keys).0.len(), 1);
        Checkpoint::parse(&note.text).unwrap()
    }).collect();
    assert_eq!(read.iter().map(|c| c.kind).collect::<Vec<_>>(), HashKind::BOTH);
    assert!(read.iter().all(|c| c.size == checkpoint["size"]));
    read
}

#[test]
fn entries_and_checkpoints_prove_what_they_say() {
    let w = World::sqlite("proofs");
    let rae = reader("bank");
    assert!(w.get(&rae, "/v1/checkpoints/newest").unwrap_err().starts_with("not_found"));
    let mut sizes = Vec::new();
    for grow in [1, 1, 3, 120, 131, 1, 60] {
        w.make("bank", grow);
        w.make("fund", 2);
        let size = w.sign();
        sizes.push(size);
        let own: Vec<u64> = numbers(
            &w.get(&rae, "/v1/entries?limit=1000&order=oldest").unwrap(), "/institution/number");
        let asked = own.iter().filter(|n| n.is_multiple_of(41) || **n + 3 > own.len() as u64);
        for number in asked {
            let shown = w.get(&rae, &format!("/v1/entries/{number}")).unwrap();
            assert_eq!(shown["entry"]["institution"]["number"], *number);
            let bytes = B64.decode(shown["bytes"].as_str().unwrap()).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), shown["entry"]);
            let at = shown["entry"]["number"].as_u64().unwrap();
            for checkpoint in signed(&w, &shown["checkpoint"]) {
                let kind = checkpoint.kind;
                assert_eq!(checkpoint.size, size);
                let leaf = Leaf::of(&bytes).get(kind);
                assert_eq!(shown["leaf"][kind.name()], jinyun_journal::to_hex(&leaf));
                let proof = hashes(&shown["proofs"][kind.name()]);
                let root = inclusion_root(kind, leaf, at, size, &proof);
                assert_eq!(root, Some(checkpoint.root), "{} entry {at} of {size}", kind.name());
                let other = Leaf::of(b"another entry").get(kind);
                let forged = inclusion_root(kind, other, at, size, &proof);
                assert_ne!(forged, Some(checkpoint.root));
            }
        }
    }
    let of = |size: u64| {
        signed(&w, &w.get(&rae, &format!("/v1/checkpoints/{size}")).unwrap()["checkpoint"])
    };
    for (i, from) in sizes.iter().enumerate() {
        for to in &sizes[i..] {
            let path = format!("/v1/proofs/consistency?from={from}&to={to}");
            let answer = w.get(&rae, &path).unwrap();
            for (old, new) in of(*from).into_iter().zip(of(*to)) {
                let proof = hashes(&answer["proofs"][old.kind.name()]);
                let (before, after) = ((*from, old.root), (*to, new.root));
                assert!(consistent(old.kind, before, after, &proof), "{from} to {to}");
                let forged = (*from, [7; 32]);
                assert!(!consistent(old.kind, forged, after, &proof), "{from} to {to}");
            }
        }
    }
    let newest = w.get(&rae, "/v1/checkpoints/newest").unwrap();
    assert_eq!(newest["checkpoint"]["size"], *sizes.last().unwrap());
    let listed = w.get(&rae, "/v1/checkpoints?limit=3").unwrap();
    let three: Vec<u64> = listed["checkpoints"].as_array().unwrap().iter()
        .map(|c| c["size"].as_u64().unwrap()).collect();
    assert_eq!(three, sizes.iter().rev().take(3).copied().collect::<Vec<_>>());
    let rest = w.get(&rae, &format!("/v1/checkpoints?marker={}", listed["next"])).unwrap();
    assert_eq!(rest["checkpoints"].as_array().unwrap().len(), sizes.len() - 3);
    assert_eq!(rest["next"], Value::Null);
    for (path, want) in [("checkpoints/2", "not_found"), ("checkpoints/x", "not_found"),
        ("proofs/consistency", "invalid: from"), ("proofs/consistency?from=0", "invalid: from"),
        ("proofs/consistency?from=1&to=99999", "invalid: to"),
        ("proofs/consistency?from=9&to=8", "invalid: from")] {
        let refused = w.get(&rae, &format!("/v1/{path}")).unwrap_err();
        assert!(refused.starts_with(want), "{path}: {refused}");
    }
    // What is not signed yet is shown without a proof.
    w.make("bank", 1);
    let fresh = w.get(&rae, "/v1/entries?limit=1").unwrap();
    let number = numbers(&fresh, "/institution/number")[0];
    let shown = w.get(&rae, &format!("/v1/entries/{number}")).unwrap();
    assert_eq!((&shown["checkpoint"], &shown["proofs"]), (&Value::Null, &Value::Null));
}

#[test]
fn an_export_verifies_offline_and_is_on_record_where_the_entries_are() {
    let w = World::sqlite("export");
    w.make("bank", 150);
    w.make("fund", 5);
    w.limit(Actor::system("driver"), "bank");
    let early = w.sign();
    let noon = w.clock.fetch_add(HOUR, Ordering::SeqCst) + HOUR / 2;
    w.make("bank", 140);
    w.make("fund", 9);
    w.sign();
    let keys = w.kms.journal_keys().to_vec();
    let (rae, audit) = (reader("bank"), on_duty(Duty::AuditAdmin));
    for (who, query, want) in [
        (&rae, String::new(), 291),
        (&rae, format!("?until={noon}"), 151),
        (&rae, format!("?since={noon}"), 140),
        (&audit, "?institution=fund".into(), 14),
    ] {
        let export = w.export(who, &query).unwrap();
        let report = jinyun_verify::verify(&export, &keys, &[]);
        assert_eq!((report.problems, report.entries), (vec![], want), "{query}");
        let other = if who.id.as_str() == "rae" { "fund-" } else { "bank-" };
        assert!(!String::from_utf8(export).unwrap().contains(other), "{query}");
    }
    // A checkpoint that was kept outside, asked for by its size.
    let kept = w.cloud.reader.lend(|db| db.checkpoint_notes(early)).unwrap();
    let export = w.export(&rae, &format!("?compare={early}")).unwrap();
    let report = jinyun_verify::verify(&export, &keys, &kept);
    assert_eq!(report.problems, []);
    let mut changed = export.clone();
    let at = changed.windows(4).position(|w| w == b"\"ann").unwrap();
    changed[at + 1] = b'e';
    assert!(!jinyun_verify::verify(&changed, &keys, &kept).ok);
    // The auditor's export stands in the fund's own sequence, the reader's in the bank's.
    let taken = w.get(&audit, "/v1/entries?institution=fund&action=audit:entry:export").unwrap();
    let taken = taken["entries"].as_array().unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0]["actor"]["id"], "staff");
    assert_eq!(taken[0]["note"]["to"], 14);
    assert_eq!(w.numbers(&rae, "?action=audit:entry:export").len(), 4);
    for (query, want) in [("?since=9999999999999999", "not_found"), ("?compare=0", "invalid"),
        ("?compare=999999", "invalid"), ("?limit=3", "invalid")] {
        let refused = w.export(&rae, query).unwrap_err();
        assert!(refused.starts_with(want), "{query}: {refused}");
    }
    assert!(w.export(&audit, "").unwrap_err().starts_with("invalid: institution"));
}

#[test]
fn it_is_the_same_on_postgresql() {
    let Some(server) = jinyun_testdb::Server::start() else {
        assert!(std::env::var_os("JINYUN_ROOT_TESTS").is_none(), "PostgreSQL must be there");
        return;
    };
    let (conninfo, schema) = server.database();
    let w = World::new("postgres", |_| Config::Postgres { conninfo, schema });
    w.make("bank", 200);
    w.make("fund", 3);
    let noon = w.clock.fetch_add(HOUR, Ordering::SeqCst) + HOUR / 2;
    w.make("bank", 20);
    w.sign();
    let rae = reader("bank");
    let later = w.numbers(&rae, &format!("?since={noon}&order=oldest"));
    assert_eq!(later, (200..220).collect::<Vec<u64>>());
    assert_eq!(w.numbers(&rae, &format!("?until={noon}&limit=2")), [199, 198]);
    let all = w.get(&on_duty(Duty::AuditAdmin), "/v1/entries?limit=3").unwrap();
    assert_eq!(numbers(&all, "/number"), [222, 221, 220]);
    assert_eq!(w.get(&rae, "/v1/checkpoints").unwrap()["checkpoints"][0]["size"], 223);
    let export = w.export(&rae, "").unwrap();
    let report = jinyun_verify::verify(&export, &w.kms.journal_keys(), &[]);
    assert_eq!((report.problems, report.entries), (vec![], 220));
}

#[test]
fn the_document_has_each_operation_and_no_other() {
    let w = World::sqlite("document");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api/journal.json");
    let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut written: Vec<String> = document["paths"].as_object().unwrap().iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(move |m| format!("{} {path}", m.to_uppercase()))
        }).collect();
    let mut offered: Vec<String> =
        w.routes.iter().map(|r| format!("{} /journal{}", r.method, r.path)).collect();
    written.sort();
    offered.sort();
    assert_eq!(written, offered);
    // Every parameter that the document names is taken, or refused for its value alone.
    let rae = reader("bank");
    w.make("bank", 1);
    w.sign();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/journal").unwrap().replace("{number}", "0")
            .replace("{size}", "newest");
        for parameter in item["get"]["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] == "query" {
                let said = w.ask(&rae, &format!("{path}?{name}=0")).err().unwrap_or_default();
                assert!(!said.contains("is not offered"), "{path} {name}: {said}");
            }
        }
    }
}

#[test]
fn ids_are_taken_as_they_are() {
    let w = World::sqlite("ids");
    w.make("bank", 2);
    // No pattern, no quote and no percent sign means anything in an id.
    for id in ["%", "ban_", "bank'--", "*bank", ""] {
        let asked = w.get(&reader("bank"), &format!("/v1/entries?institution={id}"));
        assert!(asked.unwrap_err().starts_with("not_found"), "{id}");
        assert_eq!(w.numbers(&reader("bank"), &format!("?actor={id}")), [0u64; 0], "{id}");
    }
}
