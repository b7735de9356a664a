//! Users and their passwords. A hash is a secret of the user's row: the journal has its digest.

use crate::assignment::Assignment;
use crate::domain::Domain;
use jinyun_base::{Entropy, Id, Kind, Refusal, Refused};
use jinyun_engine::{
    Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Query, Resource, View,
};
use jinyun_policy::{Duty, PROVIDER, Who};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct User;

/// What a user is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserSpec {
    /// Unique in its domain.
    pub name: String,
    /// The domain (again: links need it).
    pub domain: Id,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Mail address, shown and not used.
    #[serde(default)]
    pub email: Option<String>,
    /// A disabled user cannot sign in, and its tokens stop working.
    pub enabled: bool,
    /// The project that a token without a scope gets.
    #[serde(default)]
    pub default_project: Option<Id>,
    /// The password has to be changed before anything else.
    #[serde(default)]
    pub must_change: bool,
    /// Tokens issued before this moment (microseconds) are void.
    #[serde(default)]
    pub tokens_since: i64,
}

impl Resource for User {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("user");
    type Spec = UserSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(spec: &UserSpec) -> &str {
        &spec.name
    }

    fn owner(have: &Have<User>) -> Option<Id> {
        Some(have.id.clone())
    }

    fn check(new: &UserSpec, _: Option<&UserSpec>, _: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        if new.name.trim().is_empty() {
            return Err(Refusal::invalid("name", "is empty").into());
        }
        if view.get::<Domain>(&new.domain)?.is_none() {
            return Err(Refusal::not_found("domain", &new.domain).into());
        }
        Ok(())
    }

    fn claims(spec: &UserSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "user-name".into(),
            word: format!("{}/{}", spec.domain, spec.name.to_lowercase()),
            taken: format!("Duplicate entry found with name {} at domain ID {}.",
                spec.name, spec.domain),
        }]
    }

    fn links(spec: &UserSpec) -> Vec<Link> {
        let on_delete = OnDelete::Refuse;
        vec![Link { role: "domain", kind: "domain", id: spec.domain.clone(), on_delete }]
    }
}

/// Makes a user. The security administrator makes the provider's staff and an institution's first
/// manager; once the institution has one, its people are its own business.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let mut spec: UserSpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("user", format!("cannot be read: {e}")))?;
    if ctx.permit().because() == Who::Duty(Duty::SecurityAdmin) {
        without_manager(ctx, &spec.domain)?;
        // The provider must not know the password of an institution's manager.
        spec.must_change = true;
    }
    let domain = spec.domain.clone();
    let row = ctx.create::<User>(&domain, &"".into(), spec)?;
    for (name, secret) in &command.secrets {
        ctx.put_secret("user", &row.id, name, secret.expose())?;
    }
    Ok(json!({ "id": row.id }))
}

/// The security administrator's reach into an institution ends with its first manager.
pub(crate) fn without_manager(ctx: &mut Ctx<'_>, domain: &Id) -> Result<(), Failure> {
    if domain.as_str() == PROVIDER {
        return Ok(());
    }
    let managers = ctx.list::<Assignment>(&Query::field("manager-of", domain))?;
    if managers.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(Refused::Forbidden, format!(
        "Domain {domain} has a manager: its people and roles are the institution's own. Ask its \
         manager."
    )).into())
}

/// Takes a new password whose old one was verified by the caller of the command. All tokens that
/// were issued before are void.
pub(crate) fn change_password(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("user_id", "is missing").into());
    };
    let now = ctx.now.0;
    ctx.change::<User>(id, None, |spec| {
        spec.must_change = false;
        spec.tokens_since = now;
        Ok(())
    })?;
    for (name, secret) in &command.secrets {
        ctx.put_secret("user", id, name, secret.expose())?;
    }
    Ok(Value::Null)
}
