//! Duties, rights and passwords.

use super::{Found, all_right, error, failed, met};
use crate::facts::secrets::Form;
use crate::world::World;
use jinyun_base::Id;
use jinyun_engine::Effect;
use jinyun_identity::{Assignment, Grant, Scoped, User};
use jinyun_policy::{Duty, PROVIDER};
use std::collections::{BTreeMap, BTreeSet};

const DUTIES: [(Duty, &str); 3] = [
    (Duty::SystemAdmin, "system administrator"),
    (Duty::SecurityAdmin, "security administrator"),
    (Duty::AuditAdmin, "audit administrator"),
];

/// Memory and passes that a password's hash must have cost: what OWASP advises for argon2id.
const MEMORY: u32 = 19_456;
const PASSES: u32 = 2;
/// Letters of a salt of 16 bytes.
const SALT: usize = 22;

/// Who holds which duties.
fn holders(world: &World) -> Result<BTreeMap<Id, Vec<Duty>>, String> {
    let mut holders: BTreeMap<Id, Vec<Duty>> = BTreeMap::new();
    for have in world.all::<Assignment>()? {
        if let Grant::Duty(duty) = have.spec.role {
            holders.entry(have.spec.user).or_default().push(duty);
        }
    }
    Ok(holders)
}

/// Each duty is held, nobody holds two, and only the provider's staff holds any.
pub(super) fn duty_exclusive(world: &World) -> Found {
    let (holders, users, grants) =
        match (holders(world), world.all::<User>(), world.all::<Assignment>()) {
            (Ok(holders), Ok(users), Ok(grants)) => (holders, users, grants),
            (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => return error(why),
        };
    if users.is_empty() {
        return error("no users were read");
    }
    let mut wrong = Vec::new();
    for (duty, name) in DUTIES {
        if !holders.values().any(|duties| duties.contains(&duty)) {
            wrong.push(format!("nobody is {name}"));
        }
    }
    for (id, duties) in &holders {
        if duties.len() > 1 {
            wrong.push(format!("user {id} holds {} duties", duties.len()));
        }
        match users.iter().find(|u| u.id == *id) {
            Some(user) if user.spec.domain.as_str() == PROVIDER => {}
            Some(_) => wrong.push(format!("user {id} holds a duty and is none of the provider's")),
            None => wrong.push(format!("user {id} holds a duty and does not exist")),
        }
    }
    for grant in &grants {
        let system = grant.spec.scope == Scoped::System;
        let duty = matches!(grant.spec.role, Grant::Duty(_));
        if system != duty {
            wrong.push(format!("assignment {} gives a role where it does not hold", grant.id));
        }
        // Whoever may change what a tenant has must not be one of the duties too.
        if !duty && holders.contains_key(&grant.spec.user) {
            let user = &grant.spec.user;
            wrong.push(format!("user {user} holds a duty and a role in a tenant"));
        }
    }
    let count = holders.len() as u64;
    all_right(count, &wrong, "nobody holds a duty",
        format!("{count} administrators, each with an account and exactly one of the three duties"))
}

/// No duty may do anything with a tenant's networks, volumes and servers.
pub(super) fn duty_reach(world: &World) -> Found {
    let mut wrong = Vec::new();
    for reach in &world.reach {
        for (duty, name) in DUTIES {
            if reach.duties.contains(&duty) {
                wrong.push(format!("the {name} may do {} in a tenant's project", reach.action));
            }
        }
    }
    let actions = world.reach.len() as u64;
    let owner = world.reach.iter().filter(|r| r.owner).count();
    if wrong.is_empty() && actions > 0 && owner == 0 {
        return error("not a proof: the project's own manager is refused everything too");
    }
    all_right(actions * 3, &wrong, "there are no actions on tenants' things", format!(
        "{actions} actions on tenants' networks, volumes and servers, three duties: all refused; \
         the project's manager may do {owner} of them, the others are the platform's own"
    ))
}

/// Each administrator had to change the initial password before doing anything.
pub(super) fn password_initial(world: &World) -> Found {
    let journal = match &world.journal {
        Ok(journal) => journal,
        Err(why) => return error(why.clone()),
    };
    let holders = match holders(world) {
        Ok(holders) => holders,
        Err(why) => return error(why),
    };
    let (mut made, mut waiting) = (BTreeSet::new(), BTreeSet::new());
    let (mut wrong, mut entries) = (Vec::new(), Vec::new());
    for entry in &journal.entries {
        let (id, change) = (&entry.actor.id, entry.action == "identity:user:change_password");
        if entry.actor.kind == "user" && waiting.contains(id) && entry.outcome == "done" {
            if change {
                entries.push(entry.number);
            } else {
                wrong.push(format!(
                    "user {id} did {} (entry {}) with the initial password", entry.action,
                    entry.number
                ));
            }
        }
        for effect in &entry.effects {
            if let Effect::Put { kind, id, spec, .. } = effect
                && kind == "user"
            {
                if spec.get("must_change").and_then(serde_json::Value::as_bool) == Some(true) {
                    made.insert(id.clone());
                    waiting.insert(id.clone());
                } else {
                    waiting.remove(id);
                }
            }
        }
    }
    for id in holders.keys().filter(|id| !made.contains(id.as_str())) {
        wrong.push(format!("administrator {id} was given a password that need not be changed"));
    }
    let still = holders.keys().filter(|id| waiting.contains(id.as_str())).count();
    let count = holders.len() as u64;
    let found = all_right(count, &wrong, "there are no administrators", format!(
        "{count} administrators began with a password to be changed: {} did that first, {still} \
         have not signed in yet", count - still as u64
    ));
    Found { entries, ..found }
}

/// Passwords are kept as argon2id hashes, each with a salt of its own.
pub(super) fn password_hashed(world: &World) -> Found {
    let mut salts = BTreeSet::new();
    let mut wrong = Vec::new();
    let passwords = world.secrets.iter().filter(|s| s.kind == "user" && s.name == "password");
    let mut count = 0;
    for secret in passwords {
        count += 1;
        match &secret.form {
            Form::Argon2id { memory, passes, salt }
                if *memory >= MEMORY && *passes >= PASSES && salt.len() >= SALT =>
            {
                if !salts.insert(salt) {
                    wrong.push(format!("user {} has another's salt", secret.id));
                }
            }
            Form::Argon2id { .. } => {
                wrong.push(format!("the hash of user {} was too cheap", secret.id));
            }
            Form::Bytes => wrong.push(format!("the password of user {} is no hash", secret.id)),
        }
    }
    match wrong.is_empty() {
        true if count == 0 => error("there are no passwords: nothing is proved"),
        true => met(count, format!(
            "{count} of {count} passwords are argon2id hashes ({MEMORY} KiB, {PASSES} passes or \
             more), each with its own salt"
        )),
        false => failed(count, &wrong),
    }
}
