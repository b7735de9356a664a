//! Accounts: how their people sign in, what they sign in with, and who gave them what they may.

use super::{Found, all_right, error, failed, met, tried};
use crate::facts::journal::Journal;
use crate::facts::secrets::Form;
use crate::finding::Verdict;
use crate::world::World;
use jinyun_base::{Id, Time};
use jinyun_compute::{Keypair, PASSWORD, PASSWORD_KEPT, Server, read_key};
use jinyun_engine::{Effect, Have};
use jinyun_identity::{
    AppCredential, Assignment, Compliance, ComplianceKind, Credential, Domain, Grant, Passkey, User,
};
use jinyun_policy::PROVIDER;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The longest idle time and session that count as an end, in seconds.
const IDLE: i64 = 3600;
const SESSION: i64 = 28_800;
/// Shortest notice, in characters: less is a greeting.
const NOTICE: usize = 40;

fn journal(world: &World) -> Result<&Journal, Found> {
    world.journal.as_ref().map_err(|why| error(why.clone()))
}

/// Both, if the first is met.
fn also(first: Found, second: impl FnOnce() -> Found) -> Found {
    if first.verdict != Verdict::Met {
        return first;
    }
    let second = second();
    match second.verdict {
        Verdict::Met => Found {
            population: first.population + second.population,
            sampled: first.sampled + second.sampled,
            says: format!("{}; {}", first.says, second.says),
            ..first
        },
        _ => second,
    }
}

/// Whether methods are two factors that were proved here: a passkey is two by itself, what somebody
/// has and the PIN or finger that opens it. The word of somebody else's provider is none of them.
fn two(methods: &[&str]) -> bool {
    methods.contains(&"passkey") || (methods.contains(&"password") && methods.contains(&"totp"))
}

/// Every sign-in to the platform itself had a password and a one-time code, or a passkey.
pub(super) fn duty_two_factors(world: &World) -> Found {
    let journal = match journal(world) {
        Ok(journal) => journal,
        Err(found) => return found,
    };
    let (mut wrong, mut entries) = (Vec::new(), Vec::new());
    let mut count = 0;
    for entry in &journal.entries {
        let scope = entry.note.as_ref().and_then(|note| note.get("scope")).and_then(Value::as_str);
        if entry.action != "identity:token:create" || entry.outcome != "done"
            || scope != Some("system")
        {
            continue;
        }
        count += 1;
        let methods = entry.note.as_ref().and_then(|note| note.get("methods"));
        let methods: Vec<&str> = methods.and_then(Value::as_array).into_iter().flatten()
            .filter_map(Value::as_str).collect();
        if !two(&methods) {
            entries.push(entry.number);
            wrong.push(format!("user {} signed in to the platform (entry {}) with {}",
                entry.actor.id, entry.number, methods.join(" and ")));
        }
    }
    let found = all_right(count, &wrong, "nobody has signed in to the platform itself yet",
        format!("{count} of {count} sign-ins to the platform itself: password and one-time code, or a \
            passkey"));
    Found { entries, ..found }
}

/// Whom a duty was given to, by whom, and what the giver held.
pub(super) fn duty_granter(world: &World) -> Found {
    let (journal, grants) = match (journal(world), world.each::<Assignment>()) {
        (Ok(journal), Ok(grants)) => (journal, grants),
        (Err(found), _) => return found,
        (_, Err(why)) => return error(why),
    };
    let (mut held, mut holders) = (BTreeMap::new(), BTreeMap::<&str, BTreeSet<&str>>::new());
    let (mut wrong, mut entries) = (Vec::new(), Vec::new());
    let mut count = 0;
    for entry in &journal.entries {
        for effect in &entry.effects {
            match effect {
                Effect::Put { kind, id, spec, .. } if kind == "assignment" => {
                    let word = |name: &str| spec.get(name).and_then(Value::as_str);
                    let (Some(user), Some(duty), Some("system")) =
                        (word("user"), word("role"), word("scope"))
                    else {
                        continue;
                    };
                    count += 1;
                    let giver = entry.actor.id.as_str();
                    let has = holders.get(giver).is_some_and(|duties| duties.contains(duty));
                    let person = entry.actor.kind == "user";
                    if person && (giver == user || (has && duty != "security_admin")) {
                        entries.push(entry.number);
                        wrong.push(format!(
                            "entry {}: user {giver} gave the duty {duty} to {user} and {}",
                            entry.number, if giver == user { "is that" } else { "holds it too" }
                        ));
                    }
                    held.insert(id.as_str(), (user, duty));
                    holders.entry(user).or_default().insert(duty);
                }
                Effect::Drop { kind, id } if kind == "assignment" => {
                    if let Some((user, duty)) = held.remove(id.as_str())
                        && let Some(duties) = holders.get_mut(user)
                    {
                        duties.remove(duty);
                    }
                }
                _ => {}
            }
        }
    }
    let duties: Vec<_> =
        grants.iter().filter(|grant| matches!(grant.spec.role, Grant::Duty(_))).collect();
    let ends = duties.iter().filter(|grant| grant.spec.expires.is_some()).count();
    let found = all_right(count, &wrong, "no duty was ever given", format!(
        "{count} times a duty was given, never to oneself and never by somebody who held it; {ends} \
         of {} duties have an end", duties.len()
    ));
    Found { entries, ..found }
}

/// The security rules that hold in each domain.
pub(super) fn policies(world: &World) -> Result<Vec<(Id, Compliance)>, String> {
    let own = world.each::<ComplianceKind>()?;
    let of = |domain: &str| own.iter().find(|have| have.id.as_str() == domain).map(|h| &h.spec);
    let provider = of(PROVIDER).cloned().unwrap_or_default();
    Ok(world.each::<Domain>()?.iter().map(|domain| {
        let rules = of(domain.id.as_str()).unwrap_or(&provider).clone();
        (domain.id.clone(), rules)
    }).collect())
}

fn each_domain(world: &World, good: impl Fn(&Compliance) -> bool, says: &str, bad: &str) -> Found {
    let policies = match policies(world) {
        Ok(policies) => policies,
        Err(why) => return error(why),
    };
    let wrong: Vec<String> = policies.iter().filter(|(_, rules)| !good(rules))
        .map(|(domain, _)| format!("domain {domain} {bad}")).collect();
    let count = policies.len() as u64;
    all_right(count, &wrong, "there is no domain", format!("{count} of {count} domains {says}"))
}

/// Whether rules ask of passwords what everybody should.
pub(super) fn strong(rules: &Compliance) -> bool {
    (1..=365).contains(&rules.password_expires_days) && rules.minimum_length >= 8
        && rules.character_classes >= 3 && rules.unique_last_password_count >= 1
}

/// Weak passwords are refused, and every domain's passwords grow old.
pub(super) fn password_policy(world: &World) -> Found {
    also(tried(world, "password-policy"), || each_domain(world, strong,
        "ask for passwords of 8 characters and three sorts or more, which end within a year",
        "asks for less of its passwords than anybody should"))
}

/// Sessions end when nobody uses them, and every domain has a limit for that.
pub(super) fn idle_ends(world: &World) -> Found {
    also(tried(world, "idle-ends"), || each_domain(world, |rules| {
        (1..=IDLE).contains(&rules.idle_seconds) && (1..=SESSION).contains(&rules.session_seconds)
    }, "end a session within an hour without use, and within 8 hours in any case",
        "lets sessions live on without use"))
}

/// Whoever has not signed in is told something.
pub(super) fn login_notice(world: &World) -> Found {
    match &world.sights.notice {
        None => error(format!("nobody asked for the notice: {}", world.no_stage)),
        Some(text) if text.trim().chars().count() < NOTICE => {
            failed(1, &["there is no notice for those who have not signed in".into()])
        }
        Some(text) => met(1, format!(
            "whoever has not signed in is given a notice of {} characters", text.chars().count()
        )),
    }
}

/// What belongs to whom: rows whose user is not there.
fn without_user<'a>(what: &str, owners: impl Iterator<Item = (&'a Id, &'a Id)>,
    users: &BTreeMap<&Id, &Have<User>>) -> Vec<String> {
    owners.filter(|(_, user)| !users.contains_key(user))
        .map(|(id, user)| format!("{what} {id} belongs to user {user}, who is not there")).collect()
}

/// Every credential is a record of a user that is there, with its secret and its age.
pub(super) fn credential_inventory(world: &World) -> Found {
    let rows = || -> Result<_, String> {
        Ok((world.each::<User>()?, world.each::<Credential>()?, world.each::<AppCredential>()?,
            world.each::<Keypair>()?, world.each::<Passkey>()?))
    };
    let (users, credentials, programs, pairs, passkeys) = match rows() {
        Ok(rows) => rows,
        Err(why) => return error(why),
    };
    let by_id: BTreeMap<&Id, &Have<User>> = users.iter().map(|u| (&u.id, u)).collect();
    let secrets: BTreeSet<(&str, &Id, &str)> =
        world.secrets.iter().map(|s| (s.kind.as_str(), &s.id, s.name.as_str())).collect();
    let mut wrong = without_user("credential",
        credentials.iter().map(|c| (&c.id, &c.spec.user)), &by_id);
    wrong.extend(without_user("application credential",
        programs.iter().map(|p| (&p.id, &p.spec.user)), &by_id));
    wrong.extend(without_user("key pair", pairs.iter().map(|k| (&k.id, &k.spec.user)), &by_id));
    // Of which only the public half is kept.
    wrong.extend(without_user("passkey", passkeys.iter().map(|p| (&p.id, &p.spec.user)), &by_id));
    for (kind, name, ids) in [
        ("credential", "blob", credentials.iter().map(|c| &c.id).collect::<BTreeSet<_>>()),
        ("application_credential", "secret", programs.iter().map(|p| &p.id).collect()),
    ] {
        for id in ids.iter().filter(|id| !secrets.contains(&(kind, **id, name))) {
            wrong.push(format!("{kind} {id} has no secret"));
        }
        let lost = |s: &(&str, &Id, &str)| s.0 == kind && !ids.contains(s.1);
        wrong.extend(secrets.iter().filter(|s| lost(s))
            .map(|(_, id, _)| format!("the store has a secret of {kind} {id}, which is not there")));
    }
    let (mut passwords, mut ages, mut oldest) = (0u64, 0u64, i64::MAX);
    for (_, id, _) in secrets.iter().filter(|s| s.0 == "user" && s.2 == "password") {
        passwords += 1;
        match by_id.get(*id).map(|user| user.spec.password_set) {
            None => wrong.push(format!("the store has a password of user {id}, who is not there")),
            Some(0) => {}
            Some(set) => {
                ages += 1;
                oldest = oldest.min(set);
            }
        }
    }
    let others = credentials.len() + programs.len() + pairs.len() + passkeys.len();
    let count = passwords + others as u64;
    let days = world.now.0.saturating_sub(oldest).max(0) / 86_400_000_000;
    let endless = programs.iter().filter(|p| p.spec.expires.is_none()).count();
    let says = format!(
        "{passwords} passwords (of {ages} the age is known, the oldest has {days} days), {} one-time \
         codes and pairs of keys, {} passkeys, {} secrets of programs ({endless} without an end), {} \
         public keys: each is a record of a user that is there", credentials.len(), passkeys.len(),
        programs.len(), pairs.len()
    );
    let found = all_right(count, &wrong, "there is no credential", says);
    match found.verdict {
        Verdict::Met if ages < passwords => Found { verdict: Verdict::Partly, ..found },
        _ => found,
    }
}

/// The least that a sealed secret has: a nonce and a tag.
const SEALED: usize = 28;

/// Records of credentials: hashes, or sealed and each unlike every other.
pub(super) fn credential_records(world: &World) -> Found {
    let rows = match world.each::<Credential>() {
        Ok(rows) => rows,
        Err(why) => return error(why),
    };
    let sealed: BTreeSet<&Id> = rows.iter()
        .filter(|have| ["totp", "ec2"].contains(&have.spec.kind.as_str()))
        .map(|have| &have.id).collect();
    let (mut wrong, mut marks, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for secret in &world.secrets {
        let hash = matches!(secret.form, Form::Argon2id { .. });
        let say = match (secret.kind.as_str(), secret.name.as_str()) {
            ("credential", "blob") if sealed.contains(&secret.id) => {
                let good = !hash && secret.bytes > SEALED;
                if !marks.insert(&secret.mark) {
                    Some("is that of another, byte by byte")
                } else {
                    (!good).then_some("is too short to be sealed")
                }
            }
            ("user", "password") | ("application_credential", "secret") => {
                (!hash).then_some("is no hash")
            }
            _ => continue,
        };
        count += 1;
        wrong.extend(say.map(|say| format!("what is kept of {} {} {say}", secret.kind, secret.id)));
    }
    also(tried(world, "credential-records"), || match wrong.is_empty() {
        true => met(count, format!(
            "{count} of {count} records of credentials are hashes, or sealed and each unlike every other"
        )),
        false => failed(count, &wrong),
    })
}

/// So long after its guest first ran a password may still be there, beyond what it is kept: whoever
/// destroys them looks each minute.
const SLACK: i64 = 120 * Time::SECOND;

/// Passwords for guests: sealed, each a server's that waits for it, none longer than it should be.
pub(super) fn server_password(world: &World) -> Found {
    let servers = match world.each::<Server>() {
        Ok(servers) => servers,
        Err(why) => return error(why),
    };
    let kept: Vec<_> =
        world.secrets.iter().filter(|s| s.kind == "server" && s.name == PASSWORD).collect();
    let (mut wrong, mut marks) = (Vec::new(), BTreeSet::new());
    for secret in &kept {
        let size = secret.bytes.saturating_sub(SEALED);
        if secret.form != Form::Bytes || !(8..=128).contains(&size) {
            wrong.push(format!("the password of server {} is not sealed", secret.id));
        }
        if !marks.insert(&secret.mark) {
            wrong.push(format!("server {} has another's sealed password", secret.id));
        }
        if !servers.iter().any(|server| server.id == secret.id) {
            wrong.push(format!("the store has a password of server {}, which is not there", secret.id));
        }
    }
    for server in servers.iter() {
        let has = kept.iter().any(|secret| secret.id == server.id);
        if has != server.spec.has_password {
            wrong.push(format!("server {} and the store do not agree on its password", server.id));
        }
        // As where they are destroyed: one that was started before that was kept runs since its phase.
        let launched = match server.status.launched {
            0 if server.phase == "ACTIVE" => server.phase_since.0,
            at => at,
        };
        let end = launched.saturating_add(PASSWORD_KEPT).saturating_add(SLACK);
        if has && launched > 0 && end < world.now.0 {
            wrong.push(format!("the password of server {} was not destroyed in time", server.id));
        }
    }
    let (count, waits) = (servers.len() as u64, kept.len());
    also(tried(world, "server-password"), || match wrong.is_empty() {
        true => met(count, format!(
            "{count} servers, {waits} with a password that waits for its guest: sealed, each its own \
             server's, none for longer than an hour after the first start"
        )),
        false => failed(count, &wrong),
    })
}

/// Key pairs are public keys, and the store has no secret of one.
pub(super) fn keypair_public(world: &World) -> Found {
    let pairs = match world.each::<Keypair>() {
        Ok(pairs) => pairs,
        Err(why) => return error(why),
    };
    let mut wrong: Vec<String> = pairs.iter()
        .filter(|pair| read_key(&pair.spec.public_key).is_err())
        .map(|pair| format!("what is kept of key pair {} is no public key", pair.id)).collect();
    wrong.extend(world.secrets.iter().filter(|s| s.kind == "keypair")
        .map(|s| format!("the store has a secret of key pair {}", s.id)));
    let count = pairs.len() as u64;
    also(tried(world, "keypair-public"), || match wrong.is_empty() {
        true => met(count, format!(
            "{count} of {count} key pairs are public keys, and no secret of one is kept"
        )),
        false => failed(count, &wrong),
    })
}
