//! What an institution demands of passwords and sessions: one row for each domain that wants other
//! than the defaults.
//!
//! Problem: a policy that can be weakened to nothing is none, and one that cannot be changed is
//! wrong for somebody. Mechanism: each number has a default for a finance institution and a range;
//! the weak end of the range is a floor that no domain goes below.
//!
//! | member | default | range |
//! |---|---|---|
//! | `lockout_failure_attempts` | 5 | 1 to 10 failed proofs in a row |
//! | `lockout_duration` | 900 | 120 to 86,400 seconds |
//! | `password_expires_days` | 90 | 1 to 365 |
//! | `unique_last_password_count` | 5 | 3 to 24 passwords that a new one must differ from |
//! | `minimum_password_age` | 0 | 0 to 30 days, less than the expiry |
//! | `minimum_length` | 10 | 8 to 64 characters |
//! | `character_classes` | 3 | 3 or 4 of small, capital, digit, other |
//! | `disable_user_account_days_inactive` | 0 (off) | 0 to 3650 |
//! | `idle_seconds` | 1800 | 60 to 3600 |
//! | `session_seconds` | 3600 | 300 to 28,800 |
//! | `change_password_upon_first_use` | false | |
//! | `multi_factor` | false | |
//!
//! Why not Keystone's regular expression: nobody can tell from one what it demands, and a hostile
//! one stops the service. A user without a second factor in a domain that demands one is not locked
//! out: see `auth::factors`.

use crate::domain::Domain;
use crate::keepers::merged;
use crate::token::LIFETIME;
use crate::user::without_manager;
use jinyun_base::{Id, Kind, Refusal};
use jinyun_engine::{Command, Ctx, Failure, Have, Link, OnDelete, Place, Resource, View};
use jinyun_policy::{Duty, PROVIDER, Who};
use jinyun_rest::Words;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind: a row has the id of its domain.
pub struct ComplianceKind;

/// Longest password that is hashed, in characters.
const LONGEST: usize = 128;

/// The demands of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Compliance {
    /// Failed proofs in a row that lock an account; 0 is off.
    pub lockout_failure_attempts: i64,
    /// For how long, in seconds.
    pub lockout_duration: i64,
    /// Days that a password is good for; 0 is for ever.
    pub password_expires_days: i64,
    /// How many of the last passwords a new one must differ from; the present one is the first.
    pub unique_last_password_count: i64,
    /// Days before a user may change a password again.
    pub minimum_password_age: i64,
    /// Shortest password, in characters.
    pub minimum_length: i64,
    /// How many of small letters, capital letters, digits and others it must have.
    pub character_classes: i64,
    /// Days without a sign-in after which an account is closed; 0 is never.
    pub disable_user_account_days_inactive: i64,
    /// Seconds without a request after which a session ends; 0 is never.
    pub idle_seconds: i64,
    /// Seconds after which a session ends in any case: how long a token is good for.
    pub session_seconds: i64,
    /// A password that somebody else set has to be changed before it is of use.
    pub change_password_upon_first_use: bool,
    /// Everybody needs password and TOTP.
    pub multi_factor: bool,
    /// The domain, for the row's link to it; none in the defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Id>,
}

impl Default for Compliance {
    fn default() -> Compliance {
        Compliance {
            lockout_failure_attempts: 5,
            lockout_duration: 900,
            password_expires_days: 90,
            unique_last_password_count: 5,
            minimum_password_age: 0,
            minimum_length: 10,
            character_classes: 3,
            disable_user_account_days_inactive: 0,
            idle_seconds: 1800,
            session_seconds: LIFETIME,
            change_password_upon_first_use: false,
            multi_factor: false,
            domain: None,
        }
    }
}

/// The numbers with their ranges.
const RANGES: [(&str, i64, i64); 10] = [
    ("lockout_failure_attempts", 1, 10),
    ("lockout_duration", 120, 86_400),
    ("password_expires_days", 1, 365),
    ("unique_last_password_count", 3, 24),
    ("minimum_password_age", 0, 30),
    ("minimum_length", 8, 64),
    ("character_classes", 3, 4),
    ("disable_user_account_days_inactive", 0, 3650),
    ("idle_seconds", 60, 3600),
    ("session_seconds", 300, 28_800),
];

impl Compliance {
    fn number(&self, name: &str) -> i64 {
        match name {
            "lockout_failure_attempts" => self.lockout_failure_attempts,
            "lockout_duration" => self.lockout_duration,
            "password_expires_days" => self.password_expires_days,
            "unique_last_password_count" => self.unique_last_password_count,
            "minimum_password_age" => self.minimum_password_age,
            "minimum_length" => self.minimum_length,
            "character_classes" => self.character_classes,
            "disable_user_account_days_inactive" => self.disable_user_account_days_inactive,
            "idle_seconds" => self.idle_seconds,
            _ => self.session_seconds,
        }
    }

    /// The members of a request, for a command that changes some of them.
    pub(crate) fn patch(words: &Words<'_>) -> Result<Value, Failure> {
        let mut known: Vec<&str> = RANGES.iter().map(|(name, ..)| *name).collect();
        known.extend(["change_password_upon_first_use", "multi_factor"]);
        words.only(&known)?;
        let mut patch = json!({});
        for (name, low, high) in RANGES {
            if let Some(number) = words.int(name, low, high)? {
                patch[name] = number.into();
            }
        }
        for name in ["change_password_upon_first_use", "multi_factor"] {
            if let Some(on) = words.flag(name)? {
                patch[name] = on.into();
            }
        }
        Ok(patch)
    }

    /// What a new password must be like. `name` is the user's.
    pub fn check_password(&self, new: &str, name: &str) -> Result<(), Failure> {
        let length = new.chars().count();
        let others = |c: char| !(c.is_lowercase() || c.is_uppercase() || c.is_numeric());
        let classes = [char::is_lowercase, char::is_uppercase, char::is_numeric]
            .iter().filter(|class| new.chars().any(**class)).count()
            + usize::from(new.chars().any(others));
        let least = usize::try_from(self.minimum_length).unwrap_or_default();
        let kinds = usize::try_from(self.character_classes).unwrap_or_default();
        if !(least..=LONGEST).contains(&length) || classes < kinds {
            return Err(Refusal::invalid("password", format!(
                "must have {least} to {LONGEST} characters of at least {kinds} kinds (small and \
                 capital letters, digits, others)"
            )).into());
        }
        let name = name.trim().to_lowercase();
        if name.chars().count() >= 3 && new.to_lowercase().contains(&name) {
            return Err(Refusal::invalid("password", "holds the user's name").into());
        }
        Ok(())
    }
}

impl Resource for ComplianceKind {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("compliance");
    type Spec = Compliance;
    type Status = ();

    fn name(_: &Compliance) -> &str {
        ""
    }

    fn check(new: &Compliance, _: Option<&Compliance>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        for (name, low, high) in RANGES {
            if !(low..=high).contains(&new.number(name)) {
                return Err(Refusal::invalid(name, format!("must lie from {low} to {high}")).into());
            }
        }
        if new.minimum_password_age >= new.password_expires_days {
            let say = "must be less than password_expires_days";
            return Err(Refusal::invalid("minimum_password_age", say).into());
        }
        Ok(())
    }

    fn links(spec: &Compliance) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        spec.domain.iter()
            .map(|d| Link { role: "domain", kind: "domain", id: d.clone(), on_delete }).collect()
    }
}

/// The demands that hold in a domain: its own, else the provider's, else the built-in.
pub(crate) fn of(ctx: &mut Ctx<'_>, domain: &Id) -> Result<Compliance, Failure> {
    let mut view = ctx.view();
    let own = match view.get::<ComplianceKind>(domain)? {
        Some(own) => Some(own),
        None => view.get::<ComplianceKind>(&PROVIDER.into())?,
    };
    Ok(own.map(|have| have.spec).unwrap_or_default())
}

/// Changes a domain's demands. The security administrator does that for the provider's own domain,
/// and for an institution until it has a manager.
pub(crate) fn set(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(domain) = command.domain.clone() else {
        return Err(Refusal::invalid("domain_id", "is missing").into());
    };
    ctx.get::<Domain>(&domain)?;
    if ctx.permit().because() == Who::Duty(Duty::SecurityAdmin) {
        without_manager(ctx, &domain)?;
    }
    let old: Option<Have<ComplianceKind>> = ctx.view().get(&domain)?;
    let before = of(ctx, &domain)?;
    let mut spec = merged("compliance", &before, &command.args)?;
    spec.domain = Some(domain.clone());
    match old {
        Some(old) => ctx.change::<ComplianceKind>(&old.id, None, |have| {
            *have = spec;
            Ok(())
        })?,
        None => {
            let at = Place { domain: domain.clone(), project: "".into(), id: domain };
            ctx.create_at::<ComplianceKind>(at, spec)?
        }
    };
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_what_the_policy_demands() {
        let policy = Compliance::default();
        let strict = Compliance { character_classes: 4, minimum_length: 12, ..policy.clone() };
        let cases = [
            ("New-Password-1", "ann", true, true),
            ("newpassword1", "ann", false, false),
            ("NewPassword1", "ann", true, false),
            ("Short-1a", "ann", false, false),
            ("New-Pass-1", "ann", true, false),
            ("I-am-ANN-now-1", "ann", false, false),
            ("I-am-now-A-1-x", "a", true, true),
            ("密码Password12", "ann", true, true),
        ];
        for (password, name, want, strictly) in cases {
            assert_eq!(policy.check_password(password, name).is_ok(), want, "{password}");
            assert_eq!(strict.check_password(password, name).is_ok(), strictly, "{password}");
        }
        assert!(policy.check_password(&"aB1-".repeat(33), "ann").is_err(), "132 characters");
    }

    #[test]
    fn a_request_names_members_in_their_range() {
        let read = |value: Value| -> Result<Value, String> {
            let words = Words::new("compliance", value.as_object().unwrap());
            Compliance::patch(&words).map_err(|e| e.to_string())
        };
        let good = json!({ "idle_seconds": 60, "multi_factor": true });
        assert_eq!(read(good.clone()).unwrap(), good);
        for (name, low, high) in RANGES {
            for bad in [low - 1, high + 1] {
                assert!(read(json!({ name: bad })).unwrap_err().contains(name), "{name} {bad}");
            }
            let number = Compliance::default().number(name);
            assert!((low..=high).contains(&number), "the default of {name}");
        }
        assert!(read(json!({ "nonsense": 1 })).unwrap_err().contains("nonsense"));
    }
}
