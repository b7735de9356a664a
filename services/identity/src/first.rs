//! The first start: the provider's domain and three administrators who exclude each other, each with
//! a random password that has to be changed before it is of any use.

use crate::assignment::{Grant, Scoped};
use jinyun_base::{Entropy, Fault, Secret};
use jinyun_engine::{Command, Failure, Job, Submit};
use jinyun_kms::hash_password;
use jinyun_policy::{Actor, Duty, PROVIDER};
use serde_json::json;

/// An administrator that was just made.
pub struct Initial {
    /// User name in the domain `default`.
    pub name: &'static str,
    /// The password to be changed.
    pub password: Secret<String>,
}

const STAFF: [(&str, Duty); 3] = [
    ("sysadmin", Duty::SystemAdmin),
    ("secadmin", Duty::SecurityAdmin),
    ("auditor", Duty::AuditAdmin),
];

/// Makes what has to be there. The caller has seen that the domain `default` is missing; a crash in
/// the middle leaves a start that says what is missing, so everything is one after the other and
/// the domain comes last in meaning: without staff nobody can use it.
pub fn first_start(to: &mut dyn Submit, dice: &mut dyn Entropy) -> Result<Vec<Initial>, Failure> {
    let mut run = |command: Command| to.submit(Job::Command(Box::new(command)));
    let system = || Actor::system("first-start");
    let domain = json!({ "id": PROVIDER, "name": "Default", "description": "The provider's staff",
        "enabled": true });
    run(Command::new("identity:domain:create", system(), "first-start").with(domain))?;
    let mut made = Vec::new();
    for (name, duty) in STAFF {
        let password = random_password(dice);
        let hash = hash_password(&password, dice)?;
        let spec = json!({ "name": name, "domain": PROVIDER, "enabled": true, "must_change": true });
        let mut command = Command::new("identity:user:create", system(), "first-start").with(spec);
        command.domain = Some(PROVIDER.into());
        let answer = run(command.secret("password", hash.into_bytes()))?;
        let user = answer.value.get("id").cloned()
            .ok_or_else(|| Fault::new("a new user has no id"))?;
        let spec = json!({ "user": user, "role": Grant::Duty(duty), "scope": Scoped::System });
        run(Command::new("identity:assignment:create", system(), "first-start").with(spec))?;
        made.push(Initial { name, password: Secret::new(password) });
    }
    Ok(made)
}

/// 24 letters and digits without look-alikes, and one of each other kind.
fn random_password(dice: &mut dyn Entropy) -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut password: String = (0..24)
        .map(|_| char::from(LETTERS[dice.below(LETTERS.len() as u64) as usize])).collect();
    password.push_str("-aA7");
    password
}
