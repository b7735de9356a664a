//! What the good world has beside hosts and disks: people, what they sign in with, a tenant that
//! left. And for each check of those what breaks it.
#![allow(dead_code)]

use super::{ADMINS, BANK, PROJECT, VOLUME, entry, hash, put, secret, stored};
use jinyun_evidence::attack::{Attempt, Outcome, Tried};
use jinyun_evidence::stage::DOMAIN;
use jinyun_evidence::trials::Exports;
use jinyun_evidence::{Answers, Belongings, Form, Remains, SecretFact, World};
use jinyun_journal::{Effect, Entry};
use serde_json::{Value, json};

/// Checks of trials: broken in `trials.rs`, the last two in `rails.rs`.
pub const TRIED: &[&str] = &["password-policy", "lockout", "unusual-login", "sources-and-hours",
    "idle-ends", "credential-change", "second-factor", "sub-accounts", "approval-holds",
    "consent-holds", "tenant-journal", "service-in-journal", "no-secret-told", "federated-sign-in",
    "statement-holds", "guardrail-holds"];

/// Checks of trials that look at records too, or ask a copy of the service, with which nobody can
/// meddle: broken here.
const BESIDE: &[&str] =
    &["keypair-public", "credential-records", "server-password", "passkey-sign-in"];

pub const ANN: &str = "ann";
/// A server whose guest has not taken its password.
const WAITS: &str = "66666666-aaaa-4000-8000-000000000001";
const IDP: &str = "corp";
const MAPPING: &str = "corp-map";
/// In microseconds.
pub const DAY: i64 = 86_400_000_000;
/// A user of the synthetic tenant.
const GONE: &str = "e0000000000000000000000000000001";
const PUBLIC: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

fn entries(world: &mut World) -> &mut Vec<Entry> {
    &mut world.journal.as_mut().unwrap().entries
}

fn push(world: &mut World, action: &str, actor: (&str, &str, &str), institution: &str,
    effects: Vec<Effect>) -> usize {
    let all = entries(world);
    all.push(entry(all.len() as u64, action, actor, institution, effects));
    all.len() - 1
}

fn set(kind: &str, id: &str, name: &str) -> Effect {
    Effect::Secret { kind: kind.into(), id: id.into(), name: name.into(), digest: "d".into() }
}

fn unset(kind: &str, id: &str, name: &str) -> Effect {
    Effect::Unsecret { kind: kind.into(), id: id.into(), name: name.into() }
}

fn three(kind: &str, id: &str, name: &str) -> (String, String, String) {
    (kind.into(), id.into(), name.into())
}

const SYSTEM: (&str, &str, &str) = ("system", "driver", "default");

/// Makes a world whole in which hosts, disks and administrators are as they should be.
pub fn add(world: &mut World) {
    rows(world);
    for (kind, id, name, form) in [("user", ANN, "password", hash("d")),
        ("credential", "c1", "blob", Form::Bytes),
        ("application_credential", "ac1", "secret", hash("e")),
        ("server", WAITS, "admin_pass", Form::Bytes)] {
        let fact = secret(kind, id, name, form, 60);
        world.secrets.push(fact.clone());
        world.secrets_left.push(fact);
    }
    journal(world);
    for &check in TRIED.iter().chain(BESIDE) {
        world.tried.push(Tried {
            check,
            attempts: vec![
                Attempt { what: "right", forbidden: false, outcome: Outcome::Worked("so".into()) },
                Attempt { what: "wrong", forbidden: true, outcome: Outcome::Stopped("so".into()) },
            ],
        });
    }
    world.sights.notice = Some("This system is for those who may. All is recorded.".into());
    world.sights.exports = Some(Exports {
        digests: ["d".into(), "d".into()],
        entries: [5, 5],
        listed: 5,
        problems: Vec::new(),
    });
    world.answers = Ok(Answers { examples: vec![("one", true)], checkpoint: Some((11, true)) });
    let had = Belongings {
        from: 15,
        records: [("user".to_string(), GONE.to_string())].into(),
        secrets: [three("user", GONE, "password")].into(),
    };
    world.remains = Ok(Remains {
        dropped: had.records.clone(),
        destroyed: had.secrets.clone(),
        had,
        length: entries(world).len() as u64,
        secrets: world.secrets.iter().map(|s| three(&s.kind, s.id.as_str(), &s.name)).collect(),
        ..Remains::default()
    });
}

fn rows(world: &mut World) {
    for stored in world.rows.iter_mut().filter(|s| s.row.kind == "user") {
        let mut spec: Value = serde_json::from_str(&stored.row.spec).unwrap();
        spec["password_set"] = 1.into();
        stored.row.spec = spec.to_string();
    }
    let flavor = json!({ "id": "1", "name": "m1", "vcpus": 1, "memory_mib": 64, "disk_gib": 1 });
    let ours = |kind, id, spec| stored(kind, id, BANK, "", spec);
    world.rows.extend([
        stored("domain", "default", "default", "", json!({ "name": "default", "enabled": true })),
        ours("domain", BANK, json!({ "name": "bank", "enabled": true })),
        ours("user", ANN,
            json!({ "name": ANN, "domain": BANK, "enabled": true, "password_set": 1,
                "sources": ["10.2.0.0/16"] })),
        ours("credential", "c1", json!({ "kind": "totp", "user": ANN })),
        ours("application_credential", "ac1", json!({ "name": "job", "description": "", "user": ANN,
            "project": PROJECT, "domain": BANK, "roles": ["member"], "expires": null,
            "unrestricted": false, "access_rules": [] })),
        ours("keypair", "k1",
            json!({ "name": "k", "user": ANN, "public_key": PUBLIC, "fingerprint": "f" })),
        stored("server", WAITS, BANK, PROJECT, json!({
            "name": "s", "hostname": "s", "flavor": flavor, "image": "i", "user": ANN, "root": "v",
            "running": false, "incarnation": 1, "has_password": true })),
        ours("passkey", "p1", json!({ "user": ANN, "name": "key", "credential": "AAAA", "key": "AAAA",
            "algorithm": "EdDSA", "count": 0, "may_be_copied": false, "backed_up": false,
            "challenge": 1, "used": 0 })),
        ours("assignment", "a-ann",
            json!({ "user": ANN, "role": "manager", "scope": { "project": PROJECT } })),
        ours("identity_provider", IDP, json!({ "domain": BANK, "enabled": true,
            "remote_ids": ["https://id.bank.example"], "audiences": ["cloud"],
            "jwks": [{ "kty": "OKP", "crv": "Ed25519", "x": "AA" }] })),
        ours("federation_protocol", "corp:openid",
            json!({ "idp": IDP, "protocol": "openid", "mapping": MAPPING })),
        ours("mapping", MAPPING, json!({ "domain": BANK, "rules": [{
            "local": [{ "user": { "name": "{0}" } },
                { "groups": "operators", "domain": { "id": BANK } }],
            "remote": [{ "type": "sub" }] }] })),
        ours("group", "g-bank", json!({ "name": "operators", "domain": BANK })),
        stored("group", "g-other", "default", "", json!({ "name": "o", "domain": "default" })),
        ours("directory", BANK, json!({ "domain": BANK, "on": true, "agreed": true,
            "ldap": { "url": "ldap://127.0.0.1", "suffix": "dc=bank" } })),
    ]);
}

fn journal(world: &mut World) {
    for domain in [BANK, "default"] {
        let puts = world.rows.iter().filter(|s| s.row.domain.as_str() == domain).map(|s| {
            put(&s.row.kind, s.row.id.as_str(), domain, serde_json::from_str(&s.row.spec).unwrap())
        }).collect();
        push(world, "test:rows:put", SYSTEM, domain, puts);
    }
    let keys = vec![set("project", PROJECT, "kek"), set("volume", VOLUME, "key")];
    push(world, "engine:secret:make", SYSTEM, BANK, keys);
    let at = push(world, "identity:token:create", ("user", ADMINS[0], "default"), "default", vec![]);
    entries(world)[at].note = Some(json!({ "scope": "system", "methods": ["password", "totp"] }));
    let user = put("user", GONE, DOMAIN, json!({ "name": "gone" }));
    push(world, "identity:user:create", SYSTEM, DOMAIN, vec![user, set("user", GONE, "password")]);
    // Its part of the journal is taken away meanwhile.
    push(world, "audit:entry:export", ("user", ANN, BANK), BANK, vec![]);
    let dropped = Effect::Drop { kind: "user".into(), id: GONE.into() };
    push(world, "evidence:stage:strike", SYSTEM, DOMAIN,
        vec![unset("user", GONE, "password"), dropped]);
}

fn remains(world: &mut World) -> &mut Remains {
    world.remains.as_mut().unwrap()
}

/// The store has a secret.
fn stays(world: &mut World, kind: &str, id: &str, name: &str) {
    remains(world).secrets.extend([three(kind, id, name)]);
}

fn given(world: &mut World, giver: &str, to: &str, duty: &str) {
    let grant = put("assignment", "a-new", "default",
        json!({ "user": to, "role": duty, "scope": "system" }));
    push(world, "identity:assignment:create", ("user", giver, "default"), "default", vec![grant]);
}

fn rules(world: &mut World, rules: Value) {
    world.rows.push(stored("compliance", BANK, BANK, "", rules));
}

pub fn spec(world: &mut World, id: &str, edit: impl FnOnce(&mut Value)) {
    let row = &mut world.rows.iter_mut().find(|s| s.row.id.as_str() == id).unwrap().row;
    let mut spec: Value = serde_json::from_str(&row.spec).unwrap();
    edit(&mut spec);
    row.spec = spec.to_string();
}

fn exports(world: &mut World) -> &mut Exports {
    world.sights.exports.as_mut().unwrap()
}

/// The secret of a name.
fn kept<'w>(world: &'w mut World, name: &str) -> &'w mut SecretFact {
    world.secrets.iter_mut().find(|s| s.name == name).unwrap()
}

/// So many days go by, and each administrator has signed in and changed the password meanwhile.
pub fn later(world: &mut World, days: i64) {
    world.now.0 = days * DAY;
    let now = world.now.0;
    for user in ADMINS {
        spec(world, user, |user| user["password_set"] = (now - DAY).into());
        let at = push(world, "identity:token:create", ("user", user, "default"), "default", vec![]);
        let entry = &mut entries(world)[at];
        entry.note = Some(json!({ "scope": "system", "methods": ["password", "totp"] }));
        entry.time = now - DAY;
    }
}

fn worked(world: &mut World, check: &str) {
    let tried = world.tried.iter_mut().find(|t| t.check == check).unwrap();
    tried.attempts[1].outcome = Outcome::Worked("it got through".into());
}

/// What turns each check red.
pub const MORE: &[(&str, fn(&mut World))] = &[
    ("duty-two-factors", |w| {
        let at = entries(w).iter().position(|e| e.action == "identity:token:create").unwrap();
        entries(w)[at].note = Some(json!({ "scope": "system", "methods": ["password"] }));
    }),
    // To oneself; by somebody who holds it.
    ("duty-granter", |w| given(w, "u2", "u2", "security_admin")),
    ("duty-granter", |w| given(w, "u1", "u9", "system_admin")),
    ("password-policy", |w| rules(w, json!({ "password_expires_days": 0 }))),
    ("password-policy", |w| rules(w, json!({ "minimum_length": 4 }))),
    ("idle-ends", |w| rules(w, json!({ "idle_seconds": 0 }))),
    ("idle-ends", |w| rules(w, json!({ "session_seconds": 86_400 }))),
    ("login-notice", |w| w.sights.notice = Some("Welcome".into())),
    // A credential of nobody's; a secret without its record, and the other way round.
    ("credential-inventory", |w| w.rows.retain(|s| s.row.id.as_str() != ANN)),
    ("credential-inventory", |w| w.rows.retain(|s| s.row.kind != "application_credential")),
    ("credential-inventory", |w| w.secrets.retain(|s| s.name != "blob")),
    ("keypair-public", |w| spec(w, "k1", |k| {
        k["public_key"] = "-----BEGIN OPENSSH PRIVATE KEY-----".into();
    })),
    ("keypair-public", |w| w.secrets.push(secret("keypair", "k1", "private", Form::Bytes, 400))),
    ("keypair-public", |w| worked(w, "keypair-public")),
    ("passkey-sign-in", |w| worked(w, "passkey-sign-in")),
    ("credential-inventory", |w| spec(w, "p1", |passkey| passkey["user"] = "nobody".into())),
    ("credential-records", |w| worked(w, "credential-records")),
    ("credential-records", |w| kept(w, "blob").bytes = 20),
    ("credential-records", |w| kept(w, "secret").form = Form::Bytes),
    ("credential-records", |w| {
        // Moved to another row, byte by byte.
        let mut copy = kept(w, "blob").clone();
        copy.id = "c2".into();
        w.secrets.push(copy);
        w.rows.push(stored("credential", "c2", BANK, "", json!({ "kind": "totp", "user": ANN })));
    }),
    ("server-password", |w| worked(w, "server-password")),
    ("server-password", |w| kept(w, "admin_pass").bytes = 12),
    ("server-password", |w| w.secrets.retain(|s| s.name != "admin_pass")),
    ("server-password", |w| spec(w, WAITS, |server| server["has_password"] = false.into())),
    ("server-password", |w| kept(w, "admin_pass").id = "nobody".into()),
    ("server-password", |w| {
        // It runs for an hour and some minutes, and the password is still there.
        let row = w.rows.iter_mut().find(|s| s.row.id.as_str() == WAITS).unwrap();
        row.status.body = json!({ "launched": 1 }).to_string();
        w.now.0 = 3_800_000_000;
    }),
    ("server-password", |w| {
        // The same of one whose record does not say when it was first started.
        let row = w.rows.iter_mut().find(|s| s.row.id.as_str() == WAITS).unwrap();
        row.status.phase = "ACTIVE".into();
        row.status.updated.0 = 1;
        w.now.0 = 3_800_000_000;
    }),
    // A duty without an end that nobody used.
    ("unused-rights", |w| w.now.0 = 200 * DAY),
    ("credentials-stale", |w| w.now.0 = 100 * DAY),
    ("federation-whole", |w| spec(w, MAPPING, |mapping| {
        mapping["rules"][0]["local"][1]["domain"]["id"] = "default".into();
    })),
    ("federation-whole", |w| spec(w, MAPPING, |mapping| {
        mapping["rules"][0]["local"][1] = json!({ "group": { "id": "g-other" } });
    })),
    ("federation-whole", |w| spec(w, "corp:openid", |way| way["mapping"] = "gone".into())),
    ("federation-whole", |w| spec(w, "corp:openid", |way| way["idp"] = "gone".into())),
    ("federation-whole", |w| {
        let row = w.rows.iter_mut().find(|s| s.row.kind == "identity_provider").unwrap();
        row.row.domain = "default".into();
    }),
    ("federation-whole", |w| {
        let row = w.rows.iter_mut().find(|s| s.row.kind == "directory").unwrap();
        row.row.spec = row.row.spec.replace("127.0.0.1", "10.0.0.1");
    }),
    ("service-in-journal", |w| {
        w.rows.push(stored("network", "n-beside", BANK, PROJECT, json!({ "name": "n" })));
    }),
    ("export-repeats", |w| exports(w).digests[1] = "other".into()),
    ("export-repeats", |w| exports(w).entries[0] = 4),
    ("export-repeats", |w| exports(w).problems.push("a root is not".into())),
    ("credentials-erased", |w| stays(w, "user", GONE, "password")),
    ("credentials-erased", |w| drop(entries(w).last_mut().unwrap().effects.remove(0))),
    ("credentials-erased", |w| remains(w).orphans.push(three("credential", "c9", "blob"))),
    ("tenant-gone", |w| remains(w).records.extend([("user".into(), GONE.into())])),
    ("tenant-gone", |w| remains(w).dropped.clear()),
    ("tenant-gone", |w| remains(w).destroyed.clear()),
    ("tenant-gone", |w| stays(w, "user", GONE, "password")),
    ("tenant-gone", |w| remains(w).quotas.push("1 of volumes".into())),
    // Made twice; made by no entry; ended without a certificate; nobody's.
    ("key-life", |w| {
        push(w, "engine:secret:make", SYSTEM, BANK, vec![set("volume", VOLUME, "key")]);
        remains(w).length += 1;
    }),
    ("key-life", |w| stays(w, "volume", "ghost", "key")),
    ("key-life", |w| entries(w)[8].note = None),
    ("key-life", |w| remains(w).orphans.push(three("project", "ghost", "kek"))),
    ("sm-answers", |w| w.answers.as_mut().unwrap().examples[0].1 = false),
    ("sm-answers", |w| w.answers.as_mut().unwrap().checkpoint = Some((11, false))),
];
