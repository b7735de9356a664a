//! The row that holds a domain's directory, and the commands that change it.
//!
//! Two hands: the security administrator writes the settings, the institution's manager agrees to
//! them. Agreement is to what stood there: it names the row's revision, and falls with any change of
//! the settings. An institution without a manager has nobody to ask, as with all that comes before
//! its first manager.

use super::LdapSettings;
use crate::assignment::Assignment;
use crate::domain::Domain;
use jinyun_base::{Fault, Id, Kind, Refusal, Refused, Secret};
use jinyun_engine::{
    Command, Ctx, Failure, Have, Link, OnDelete, Place, Query, Registry, Resource, Verb, View,
};
use jinyun_kms::Kms;
use jinyun_policy::{Duty, PROVIDER, Role, Rule, Who};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kind: a row has the id of its domain.
pub struct UserDirectory;

/// The secret's name.
pub(crate) const PASSWORD: &str = "password";

/// A domain's directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DirectorySpec {
    /// The domain, for the row's link to it.
    pub domain: Option<Id>,
    /// The security administrator has switched it on.
    pub on: bool,
    /// The institution's manager has agreed, or there is none.
    pub agreed: bool,
    /// Where it is and how it is read.
    pub ldap: LdapSettings,
}

impl DirectorySpec {
    /// Whether sign-ins go there.
    pub fn counts(&self) -> bool {
        self.on && self.agreed
    }
}

const SECURITY: Who = Who::Duty(Duty::SecurityAdmin);
const MANAGER: Who = Who::Domain(Role::Manager);

const RULES: &[Rule] = &[
    Rule { action: "identity:directory:create", allow: &[] },
    // The control process connects to the address that stands there.
    Rule { action: "identity:directory:update", allow: &[SECURITY] },
    Rule { action: "identity:directory:delete", allow: &[SECURITY] },
    // The institution's people are its own: nobody else says that somebody vouches for them.
    Rule { action: "identity:directory:agree", allow: &[MANAGER] },
    Rule {
        action: "identity:directory:show",
        allow: &[SECURITY, Who::Duty(Duty::AuditAdmin), MANAGER],
    },
    Rule { action: "identity:directory:list", allow: &[] },
];

/// Registers it.
pub(crate) fn register(registry: &mut Registry) {
    registry.add::<UserDirectory>()
        .action("identity:directory:update", "directory", Verb::Own(set))
        .action("identity:directory:agree", "directory", Verb::Own(agree))
        .rules(RULES);
}

impl Resource for UserDirectory {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("directory");
    type Spec = DirectorySpec;
    type Status = ();

    fn name(_: &DirectorySpec) -> &str {
        ""
    }

    fn check(new: &DirectorySpec, _: Option<&DirectorySpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(new.ldap.check()?)
    }

    fn links(spec: &DirectorySpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        spec.domain.iter()
            .map(|d| Link { role: "domain", kind: "domain", id: d.clone(), on_delete }).collect()
    }
}

fn managed(ctx: &mut Ctx<'_>, domain: &Id) -> Result<bool, Failure> {
    Ok(!ctx.list::<Assignment>(&Query::field("manager-of", domain))?.is_empty())
}

/// Sets a domain's directory, or changes it.
fn set(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(domain) = command.domain.clone() else {
        return Err(Refusal::invalid("domain_id", "is missing").into());
    };
    if domain.as_str() == PROVIDER {
        let say = "The provider's own domain has no directory: duties need a password and a second \
                   factor that are kept here.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    ctx.get::<Domain>(&domain)?;
    let mut spec: DirectorySpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("config", format!("cannot be read: {e}")))?;
    let old = ctx.view().get::<UserDirectory>(&domain)?;
    let stands = old.as_ref().is_some_and(|o| o.spec.agreed && o.spec.ldap == spec.ldap);
    spec.agreed = stands || !managed(ctx, &domain)?;
    spec.domain = Some(domain.clone());
    let anonymous = spec.ldap.user.is_empty();
    match old {
        Some(old) => ctx.change::<UserDirectory>(&old.id, command.if_generation, |have| {
            *have = spec;
            Ok(())
        })?,
        None => {
            let at = Place { domain: domain.clone(), project: "".into(), id: domain.clone() };
            ctx.create_at::<UserDirectory>(at, spec)?
        }
    };
    if anonymous {
        ctx.drop_secret("directory", &domain, PASSWORD)?;
    }
    for (name, secret) in &command.secrets {
        ctx.put_secret("directory", &domain, name, secret.expose())?;
    }
    Ok(Value::Null)
}

/// The institution's yes or no.
fn agree(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("domain_id", "is missing").into());
    };
    let yes = command.args.get("agreed").and_then(Value::as_bool)
        .ok_or_else(|| Refusal::invalid("jinyun:agreed", "is required"))?;
    ctx.change::<UserDirectory>(id, command.if_generation, |spec| {
        spec.agreed = yes;
        Ok(())
    })?;
    Ok(Value::Null)
}

fn about(domain: &Id) -> String {
    format!("directory {domain}")
}

/// The service account's password as it is kept: sealed for this domain's row.
pub(crate) fn sealed(kms: &Kms, domain: &Id, password: &Secret<String>)
    -> Result<Secret<Vec<u8>>, Fault> {
    Ok(Secret::new(kms.seal_record(&about(domain), password.expose().as_bytes())?))
}

/// The service account's password; empty where there is none.
pub(crate) fn password_of(kms: &Kms, have: &Have<UserDirectory>, kept: Option<Vec<u8>>)
    -> Result<Secret<String>, Fault> {
    let Some(kept) = kept else { return Ok(Secret::new(String::new())) };
    let bad = || Fault::new(format!("the password of the directory of {} does not open", have.id));
    let plain = kms.open_record(&about(&have.id), &kept).ok_or_else(bad)?;
    let text = std::str::from_utf8(plain.expose()).map_err(|_| bad())?;
    Ok(Secret::new(text.to_string()))
}
