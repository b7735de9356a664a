//! An institution's own user directory: who sets it, who comes in by it, what happens without it.
//!
//! The directory here is a list on paper: it stands for somebody else's server, and can be away at a
//! moment that a test chooses. That a real one is asked rightly is proved by `tests/ldap.py`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod login_world;

use jinyun_base::{Id, Refusal, Secret};
use jinyun_identity::{Answer as Said, Directories, Entry, LdapSettings, Scoped, Unreachable};
use login_world::*;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const SERVICE: &str = "The-Service-Account-7";
const ANN: &str = "Ann-Over-There-1";

/// A directory on paper.
#[derive(Default)]
struct Paper {
    people: Mutex<Vec<(String, Entry)>>,
    away: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl Directories for Paper {
    fn check(&self, settings: &LdapSettings) -> Result<(), Refusal> {
        match settings.user_filter.as_str() {
            "bad" => Err(Refusal::invalid("user_filter", "cannot be read")),
            _ => Ok(()),
        }
    }

    fn prove(&self, _: &LdapSettings, service: &Secret<String>, name: &str,
        password: &Secret<String>) -> Result<Said, Unreachable> {
        assert_eq!(service.expose(), SERVICE, "the service account's password comes back whole");
        assert!(!password.expose().is_empty(), "an empty password is never sent");
        self.asked.lock().unwrap().push(name.to_string());
        if self.away.load(Ordering::SeqCst) {
            return Err(Unreachable("no answer in time".into()));
        }
        let people = self.people.lock().unwrap();
        let named = |e: &Entry| e.names.iter().any(|n| n.eq_ignore_ascii_case(name) || plain(n) == name);
        Ok(match people.iter().find(|(_, e)| named(e)) {
            None => Said::Wrong("the directory has no entry of this name"),
            Some((right, entry)) if right == password.expose() => Said::Proved(entry.clone()),
            Some(_) => Said::Wrong("wrong password"),
        })
    }
}

/// How a directory compares that passes over accents.
fn plain(name: &str) -> String {
    name.replace('é', "e")
}

fn entry(name: &str, unique: &str, groups: &[&str]) -> Entry {
    Entry {
        dn: format!("uid={name},dc=bank"),
        attribute: "entryuuid".into(),
        unique: unique.into(),
        names: vec![name.into()],
        mail: Some(format!("{unique}@bank.example")),
        enabled: true,
        groups: groups.iter().map(|g| g.to_string()).collect(),
    }
}

struct Site {
    w: World,
    paper: Arc<Paper>,
    bank: String,
    boss: String,
    security: String,
}

fn config() -> Value {
    json!({ "identity": { "driver": "ldap" }, "ldap": {
        "url": "ldaps://dir.bank.example", "user": "cn=jinyun,dc=bank", "password": SERVICE,
        "suffix": "dc=bank", "jinyun:tls_ca": "-----BEGIN CERTIFICATE-----" } })
}

impl Site {
    fn new(name: &str) -> Site {
        let w = World::new(name);
        let paper = Arc::new(Paper::default());
        w.identity.bring_directories(paper.clone());
        let (bank, boss) = w.institution("bank");
        let security = w.both("secadmin", "default", NEW, system()).token;
        Site { w, paper, bank, boss, security }
    }

    /// One with a directory that counts, in which ann is.
    fn ready(name: &str) -> Site {
        let mut s = Site::new(name);
        assert_eq!(s.set(config()).0, 201);
        assert_eq!(s.agree().0, 200);
        s.knows(ANN, entry("ann", "11-22", &["payments", "unknown here"]));
        s
    }

    fn knows(&mut self, password: &str, entry: Entry) {
        let mut people = self.paper.people.lock().unwrap();
        people.retain(|(_, e)| e.unique != entry.unique);
        people.push((password.into(), entry));
    }

    fn ask(&self, token: &str, method: &str, below: &str, config: Value) -> (u16, String) {
        let path = format!("/v3/domains/{}/config{below}", self.bank);
        let body = if config.is_null() { Value::Null } else { json!({ "config": config }) };
        self.w.send(with(token), method, &path, body).seen()
    }

    fn set(&self, config: Value) -> (u16, String) {
        self.ask(&self.security, "PUT", "", config)
    }

    fn revision(&self) -> i64 {
        let path = format!("/v3/domains/{}/config/identity", self.bank);
        let shown = self.w.send(with(&self.boss), "GET", &path, Value::Null).body;
        shown["config"]["identity"]["jinyun:revision"].as_i64().unwrap_or_default()
    }

    fn agree(&self) -> (u16, String) {
        let yes = json!({ "identity": { "jinyun:agreed": true, "jinyun:revision": self.revision() } });
        self.ask(&self.boss, "PATCH", "/identity", yes)
    }

    fn sign(&self, name: &str, password: &str, scope: Value) -> Answer {
        self.w.pass(40);
        self.w.sign(Via::default(), &[by_password(name, &self.bank, password)], scope)
    }

    fn user(&self, answer: &Answer) -> String {
        answer.body["token"]["user"]["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).into()
    }

    /// The reason of the newest refused sign-in.
    fn why(&self) -> String {
        let last = self.w.journal("identity:token:create").pop().unwrap();
        last["reason"]["message"].as_str().unwrap_or_default().to_string()
    }

    /// A group with a project in which it is a member.
    fn group(&self, name: &str) -> String {
        let boss = with(&self.boss);
        let body = json!({ "group": { "name": name } });
        let group = self.w.send(boss, "POST", "/v3/groups", body).id("group");
        let project = self.w.project(&self.boss, "pay", &[]);
        let grant = format!("/v3/projects/{project}/groups/{group}/roles/{}", role("member"));
        assert_eq!(self.w.send(boss, "PUT", &grant, Value::Null).status, 204);
        project
    }
}

#[test]
fn the_security_administrator_sets_it_and_the_manager_agrees() {
    let mut s = Site::new("setting");
    s.knows(ANN, entry("ann", "11-22", &[]));
    let full = config;
    let with_ldap = |change: Value| {
        let mut all = full();
        all["ldap"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        all
    };
    let (boss, security) = (s.boss.as_str(), s.security.as_str());
    let cases: Vec<(&str, &str, &str, Value, u16, &str)> = vec![
        (boss, "PUT", "", full(), 403, "identity:directory:update"),
        (boss, "GET", "/ldap", Value::Null, 404, "ldap"),
        (boss, "PATCH", "/identity", json!({ "identity": { "jinyun:agreed": true } }), 404, "identity"),
        (security, "PUT", "", with_ldap(json!({ "url": "ldap://dir.bank.example" })), 400, "url"),
        (security, "PUT", "", with_ldap(json!({ "page_size": 7 })), 400, "page_size"),
        (security, "PUT", "", with_ldap(json!({ "user_filter": "bad" })), 400, "user_filter"),
        (security, "PUT", "", with_ldap(json!({ "password": null })), 400, "password"),
        (security, "PUT", "", with_ldap(json!({ "password": "" })), 400, "password"),
        (security, "PUT", "", with_ldap(json!({ "user": null })), 400, "user"),
        (security, "PUT", "", json!({ "identity": { "driver": "kerberos" } }), 400, "driver"),
        (security, "PUT", "", json!({ "identity": { "list_limit": 5 } }), 400, "list_limit"),
        (security, "PUT", "", json!({ "identity": {}, "security_compliance": {} }), 400, "by itself"),
        (security, "PUT", "", full(), 201, "\"jinyun:agreed\":false"),
        (boss, "PATCH", "/identity", json!({ "identity": { "jinyun:agreed": true } }), 400, "revision"),
        (boss, "PATCH", "/identity", json!({ "identity": { "jinyun:agreed": true, "jinyun:revision": 9 } }),
            499, "has changed"),
        (security, "PATCH", "/identity", json!({ "identity": { "jinyun:agreed": true,
            "jinyun:revision": 1 } }), 403, "identity:directory:agree"),
        (security, "GET", "/ldap/url", Value::Null, 200, "ldaps://dir.bank.example"),
        (security, "GET", "/ldap/password", Value::Null, 404, "password"),
        (security, "GET", "/ldap/user_filter", Value::Null, 404, "user_filter"),
        (boss, "GET", "", Value::Null, 200, "\"driver\":\"ldap\""),
    ];
    for (token, method, below, config, status, piece) in cases {
        let what = format!("{method} {below} {config}");
        let (got, text) = s.ask(token, method, below, config);
        assert!(got == status && text.contains(piece), "{what}: {got} {text}");
        assert!(!text.contains(SERVICE), "{what} shows the password");
    }
    // The provider's own people are not a directory's.
    let body = json!({ "config": full() });
    let own = s.w.send(with(security), "PUT", "/v3/domains/default/config", body);
    assert_eq!(own.status, 403, "{own:?}");
    // Nobody has agreed.
    let before = s.sign("ann", ANN, Value::Null);
    assert_eq!(before.status, 401);
    assert!(s.paper.asked.lock().unwrap().is_empty());
    assert_eq!(s.agree().0, 200);
    assert_eq!(s.sign("ann", ANN, Value::Null).status, 201);
    // A reader sees that there are rules, not how the directory is read.
    let carl = s.w.person(&s.boss, "carl");
    let grant = format!("/v3/domains/{}/users/{carl}/roles/{}", s.bank, role("reader"));
    assert_eq!(s.w.send(with(&s.boss), "PUT", &grant, Value::Null).status, 204);
    let carl = s.sign("carl", NEW, json!({ "domain": { "id": s.bank } })).token;
    let (status, seen) = s.ask(&carl, "GET", "", Value::Null);
    assert!(status == 200 && seen.contains("idle_seconds") && !seen.contains("ldap"), "{seen}");
    assert_eq!(s.ask(&carl, "GET", "/ldap", Value::Null).0, 403);
    // The password by itself changes nothing that was agreed to; where it goes does.
    let patch = |below: &str, config: Value| s.ask(&s.security, "PATCH", below, config);
    assert_eq!(patch("/ldap/password", json!({ "password": SERVICE })).0, 200);
    assert_eq!(s.sign("ann", ANN, Value::Null).status, 201);
    let (status, said) = patch("/ldap", json!({ "ldap": { "url": "ldaps://other.example" } }));
    assert!(status == 400 && said.contains("password is required"), "{said}");
    let moved = json!({ "ldap": { "url": "ldaps://other.example", "password": SERVICE } });
    assert_eq!(patch("/ldap", moved).0, 200);
    assert_eq!(s.sign("ann", ANN, Value::Null).status, 401, "another directory, not agreed to");
    assert_eq!(s.agree().0, 200);
    assert_eq!(s.sign("ann", ANN, Value::Null).status, 201);
    // The manager's no, and the end.
    let no = json!({ "jinyun:agreed": false });
    assert_eq!(s.ask(&s.boss, "PATCH", "/identity/jinyun:agreed", no).0, 200);
    assert_eq!(s.sign("ann", ANN, Value::Null).status, 401);
    assert_eq!(s.ask(&s.boss, "DELETE", "/ldap", Value::Null).0, 403);
    assert_eq!(s.ask(&s.security, "DELETE", "/ldap", Value::Null).0, 204);
    assert_eq!(s.ask(&s.security, "GET", "/identity", Value::Null).0, 404);
    let journal = s.w.cloud.reader.lend(|db| db.entries(0, 10_000)).unwrap();
    let text: String = journal.iter().map(|e| String::from_utf8_lossy(e)).collect();
    assert!(text.contains("ldaps://dir.bank.example"), "the settings are on record");
    assert!(!text.contains(SERVICE) && !text.contains(ANN), "a password is in the journal");
}

#[test]
fn people_of_the_directory_are_users_with_its_groups() {
    let mut s = Site::ready("people");
    let pay = s.group("Payments");
    let first = s.sign("ann", ANN, in_project(&pay));
    assert_eq!(first.status, 201, "{first:?}");
    let ann = s.user(&first);
    let again = s.sign("ANN", ANN, Value::Null);
    assert_eq!(s.user(&again), ann, "however it is written");
    let by_id = json!({ "user": { "id": ann, "password": ANN } });
    s.w.pass(40);
    let answer = s.w.sign(Via::default(), &[("password", by_id.clone())], Value::Null);
    assert_eq!(s.user(&answer), ann);
    // What the groups give ends with the session that they were seen at.
    let scope = Scoped::Project(Id::new(&pay));
    let role = |s: &Site| {
        let identity = &s.w.identity;
        identity.directory.actor_at(&Id::new(&ann), Some(&scope), identity.now())
    };
    assert!(role(&s).is_some());
    s.w.pass(3700);
    assert!(role(&s).is_none());
    // A group that is gone over there is gone at the next sign-in.
    let kept = s.sign("ann", ANN, in_project(&pay));
    assert!(kept.status == 201 && s.w.works(&kept.token));
    s.knows(ANN, entry("ann", "11-22", &["auditors"]));
    assert_eq!(s.sign("ann", ANN, in_project(&pay)).status, 401);
    assert!(!s.w.works(&kept.token), "an older token");
    // Renamed over there, the same person; the old name is nobody's.
    s.knows(ANN, entry("anna", "11-22", &[]));
    let renamed = s.sign("anna", ANN, Value::Null);
    assert_eq!(s.user(&renamed), ann);
    let words = s.sign("ann", ANN, Value::Null).seen();
    assert_eq!(words.0, 401);
    // Somebody else who gets the name is somebody else, also for who asks by the old one's id.
    s.knows(ANN, entry("dora", "11-22", &[]));
    s.knows("Other-Anna-1", entry("anna", "33-44", &[]));
    let taken = s.sign("anna", "Other-Anna-1", Value::Null);
    assert_eq!(taken.seen(), words, "the name is still the first one's here");
    assert_eq!(s.user(&s.sign("dora", ANN, Value::Null)), ann, "who is known by another one now");
    let other = s.sign("anna", "Other-Anna-1", Value::Null);
    assert_ne!(s.user(&other), ann);
    s.knows(ANN, entry("eve", "11-22", &[]));
    s.knows("Dora-New-1", entry("dora", "55-66", &[]));
    let stolen = json!({ "user": { "id": ann, "password": "Dora-New-1" } });
    s.w.pass(40);
    assert_eq!(s.w.sign(Via::default(), &[("password", stolen)], Value::Null).seen(), words);
    // Local users are proved here, whatever the directory says about their names.
    s.knows("Boss-Over-There-1", entry("boss", "77-88", &[]));
    let asked = s.paper.asked.lock().unwrap().len();
    assert_eq!(s.sign("boss", "Boss-Over-There-1", Value::Null).seen(), words);
    assert_eq!(s.sign("boss", OWN, Value::Null).status, 201);
    assert_eq!(s.paper.asked.lock().unwrap().len(), asked);
    // Another institution has no part in it.
    let (fund, _) = s.w.institution("fund");
    let there = s.w.sign(Via::default(), &[by_password("eve", &fund, ANN)], Value::Null);
    assert_eq!(there.seen(), words);
    // The password is changed where it is kept.
    assert_eq!(s.user(&s.sign("eve", ANN, Value::Null)), ann);
    s.w.pass(40);
    let change = s.w.change(&ann, ANN, "New-Password-2");
    assert!(change.status == 400 && change.body.to_string().contains("not kept here"), "{change:?}");
    s.w.pass(40);
    assert_eq!(s.w.change(&ann, "Wrong-Pass-1", "New-Password-2").seen(), words);
}

#[test]
fn whoever_fails_learns_nothing() {
    let mut s = Site::ready("words");
    s.knows("Bert-Over-There-1", Entry { enabled: false, ..entry("bert", "22", &[]) });
    s.knows("Jose-Over-There-1", entry("josé", "33", &[]));
    let words = s.sign("nobody", ANN, Value::Null).seen();
    assert_eq!(words.0, 401);
    for (name, password, because) in [
        ("ann", "Wrong-Pass-1", "wrong password"),
        ("ann", "", "an empty or overlong password"),
        ("carl", "", "an empty or overlong password"),
        ("*", ANN, "no entry"),
        ("a)(uid=*", ANN, "no entry"),
        ("bert", "Bert-Over-There-1", "the account is disabled"),
        ("bert", "Wrong-Pass-1", "wrong password"),
        ("jose", "Jose-Over-There-1", "another spelling"),
    ] {
        assert_eq!(s.sign(name, password, Value::Null).seen(), words, "{name}");
        let why = s.why();
        assert!(why.contains(because), "{name}: {why}");
    }
    let long = "x".repeat(1025);
    assert_eq!(s.sign("ann", &long, Value::Null).seen(), words);
    assert_eq!(s.sign("ann", ANN, Value::Null).status, 201);
}

#[test]
fn a_directory_that_is_away_is_no_wrong_password() {
    let s = Site::ready("away");
    let ann = s.user(&s.sign("ann", ANN, Value::Null));
    s.paper.away.store(true, Ordering::SeqCst);
    for n in 0..8 {
        let name = if n % 2 == 0 { "ann" } else { "nobody" };
        assert_eq!(s.sign(name, ANN, Value::Null).status, 503, "{n}");
        assert!(s.why().contains("the directory could not be asked"), "{}", s.why());
    }
    // It is not asked again at once.
    let asked = s.paper.asked.lock().unwrap().len();
    assert_eq!(s.w.sign(Via::default(), &[by_password("ann", &s.bank, ANN)], Value::Null).status, 503);
    assert_eq!(s.paper.asked.lock().unwrap().len(), asked);
    assert_eq!(s.sign("boss", OWN, Value::Null).status, 201, "who is local comes in");
    s.paper.away.store(false, Ordering::SeqCst);
    let back = s.sign("ann", ANN, Value::Null);
    assert_eq!(s.user(&back), ann, "eight failures that were none have not locked her");
    assert!(s.w.identity.directory.locked(&Id::new(&ann), s.w.identity.now()).is_none());
}

#[test]
fn what_is_shut_here_is_not_tried_there() {
    let s = Site::ready("shut");
    let ann = Id::new(s.user(&s.sign("ann", ANN, Value::Null)));
    let words = s.sign("ann", "Wrong-Pass-1", Value::Null).seen();
    for _ in 0..4 {
        assert_eq!(s.sign("ann", "Wrong-Pass-1", Value::Null).seen(), words);
    }
    assert!(s.w.identity.directory.locked(&ann, s.w.identity.now()).is_some(), "five in a row");
    let tried = |s: &Site| s.paper.asked.lock().unwrap().iter().filter(|n| *n == "ann").count();
    let (before, all) = (tried(&s), s.paper.asked.lock().unwrap().len());
    for password in ["Wrong-Pass-2", ANN] {
        assert_eq!(s.sign("ann", password, Value::Null).seen(), words);
    }
    assert_eq!(tried(&s), before, "her account over there is spared");
    assert_eq!(s.paper.asked.lock().unwrap().len(), all + 2, "the work is done all the same");
    s.w.pass(900);
    assert_eq!(s.sign("ann", ANN, Value::Null).status, 201, "the time is over");
}
