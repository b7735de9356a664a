//! What the good world has beside hosts and disks: people, what they sign in with, a tenant that
//! left. And for each check of those what breaks it.
#![allow(dead_code)]

use super::{ADMINS, BANK, PROJECT, VOLUME, entry, hash, put, secret, stored};
use jinyun_evidence::attack::{Attempt, Outcome, Tried};
use jinyun_evidence::stage::DOMAIN;
use jinyun_evidence::trials::Exports;
use jinyun_evidence::{Answers, Belongings, Form, Remains, World};
use jinyun_journal::{Effect, Entry};
use serde_json::{Value, json};

/// Checks of trials: broken in `trials.rs`.
pub const TRIED: &[&str] = &["password-policy", "lockout", "unusual-login", "sources-and-hours",
    "idle-ends", "credential-change", "second-factor", "sub-accounts", "approval-holds",
    "consent-holds", "tenant-journal", "service-in-journal", "no-secret-told"];

const ANN: &str = "ann";
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
        ("application_credential", "ac1", "secret", hash("e"))] {
        let fact = secret(kind, id, name, form, 97);
        world.secrets.push(fact.clone());
        world.secrets_left.push(fact);
    }
    journal(world);
    for &check in TRIED.iter().chain(&["keypair-public"]) {
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
            json!({ "name": ANN, "domain": BANK, "enabled": true, "password_set": 1 })),
        ours("credential", "c1", json!({ "kind": "totp", "user": ANN })),
        ours("application_credential", "ac1", json!({ "name": "job", "description": "", "user": ANN,
            "project": PROJECT, "domain": BANK, "roles": ["member"], "expires": null,
            "unrestricted": false, "access_rules": [] })),
        ours("keypair", "k1",
            json!({ "name": "k", "user": ANN, "public_key": PUBLIC, "fingerprint": "f" })),
        stored("server", "66666666-aaaa-4000-8000-000000000001", BANK, PROJECT, json!({
            "name": "s", "hostname": "s", "flavor": flavor, "image": "i", "user": ANN, "root": "v",
            "running": false, "incarnation": 1 })),
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

fn spec(world: &mut World, id: &str, edit: impl FnOnce(&mut Value)) {
    let row = &mut world.rows.iter_mut().find(|s| s.row.id.as_str() == id).unwrap().row;
    let mut spec: Value = serde_json::from_str(&row.spec).unwrap();
    edit(&mut spec);
    row.spec = spec.to_string();
}

fn exports(world: &mut World) -> &mut Exports {
    world.sights.exports.as_mut().unwrap()
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
