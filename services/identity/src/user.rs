//! Users and their passwords. A hash is a secret of the user's row: the journal has its digest.
//!
//! Beside the row lie, each as a secret of it: the hash of the password, the hashes of those before
//! it, and recovery codes. What changes with each sign-in is not here but in rows of its own
//! (`activity`, `lockout`), so that this row changes only when somebody decides something.

use crate::assignment::Assignment;
use crate::compliance::{self, Compliance};
use crate::domain::Domain;
use crate::names;
use crate::passkey;
use crate::window::{self, Hours};
use jinyun_base::{Entropy, Id, Kind, Refusal, Refused, Time, limits};
use jinyun_engine::{
    Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Query, Resource, View,
};
use jinyun_policy::{Duty, PROVIDER, Who};
use jinyun_rest::Words;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The kind.
pub struct User;

/// How a user can prove who they are; what rules of multi-factor sign-in may name.
pub(crate) const METHODS: &[&str] =
    &["password", "token", "totp", "application_credential", "passkey", "device"];
/// The word of an identity provider, as rules of multi-factor sign-in may name it beside those.
pub(crate) const OPENID: &str = "openid";
/// That the identity provider has asked for two factors, by its signed word and by what the
/// institution takes for that (`federation::factors`). No request can ask for it.
pub(crate) const MFA: &str = "mfa";
/// Bytes of what somebody else calls a user.
const UNIQUE: usize = 1024;
/// At most so many rules of multi-factor sign-in.
const RULES: usize = 16;

/// Exceptions and rules of one user, as Keystone has them. What is not set follows the domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserOptions {
    /// The password does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_password_expiry: Option<bool>,
    /// Failed sign-ins do not lock the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_lockout_failure_attempts: Option<bool>,
    /// A password that somebody else set need not be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_change_password_upon_first_use: Option<bool>,
    /// The user cannot change the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_password: Option<bool>,
    /// The account is not closed for not being used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_user_inactivity: Option<bool>,
    /// Whether the rules hold; they do if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_factor_auth_enabled: Option<bool>,
    /// Sets of methods; one of them has to be met as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_factor_auth_rules: Option<Vec<Vec<String>>>,
}

impl UserOptions {
    /// Options as a client sends them.
    pub fn parse(words: &Words<'_>) -> Result<UserOptions, Failure> {
        UserOptions::default().merge(words)
    }

    /// These options with those that a client sends; null takes one back.
    pub fn merge(mut self, words: &Words<'_>) -> Result<UserOptions, Failure> {
        words.only(&["ignore_password_expiry", "ignore_lockout_failure_attempts",
            "ignore_change_password_upon_first_use", "lock_password", "ignore_user_inactivity",
            "multi_factor_auth_enabled", "multi_factor_auth_rules"])?;
        for (name, option) in [
            ("ignore_password_expiry", &mut self.ignore_password_expiry),
            ("ignore_lockout_failure_attempts", &mut self.ignore_lockout_failure_attempts),
            ("ignore_change_password_upon_first_use",
                &mut self.ignore_change_password_upon_first_use),
            ("lock_password", &mut self.lock_password),
            ("ignore_user_inactivity", &mut self.ignore_user_inactivity),
            ("multi_factor_auth_enabled", &mut self.multi_factor_auth_enabled),
        ] {
            if words.has(name) {
                *option = words.flag(name)?;
            }
        }
        if words.has("multi_factor_auth_rules") {
            self.multi_factor_auth_rules = rules(words)?;
        }
        Ok(self)
    }

    /// As the API shows them: what is set.
    pub fn show(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| Value::Object(Map::new()))
    }

    /// The rules that hold.
    pub(crate) fn rules(&self) -> &[Vec<String>] {
        match (self.multi_factor_auth_enabled, &self.multi_factor_auth_rules) {
            (Some(false), _) | (_, None) => &[],
            (_, Some(rules)) => rules,
        }
    }
}

/// Reads rules. A method that nobody can prove would shut the user out (Keystone passes over it,
/// and lets everybody in where no rule is left).
fn rules(words: &Words<'_>) -> Result<Option<Vec<Vec<String>>>, Failure> {
    let name = "multi_factor_auth_rules";
    let Some(items) = words.array(name)? else { return Ok(None) };
    let wrong = || Refusal::invalid(name, format!(
        "must be a list of at most {RULES} different lists of different methods, each of {}, {OPENID}, \
         {MFA}",
        METHODS.join(", ")
    ));
    let mut rules: Vec<Vec<String>> = Vec::new();
    for item in items {
        let words = item.as_array().filter(|w| !w.is_empty()).ok_or_else(wrong)?;
        let mut rule: Vec<String> = Vec::new();
        for word in words {
            let known = |w: &&str| [OPENID, MFA].contains(w) || METHODS.contains(w);
            let word = word.as_str().filter(known).ok_or_else(wrong)?;
            if rule.iter().any(|w| w == word) {
                return Err(wrong().into());
            }
            rule.push(word.into());
        }
        if rules.contains(&rule) || rules.len() == RULES {
            return Err(wrong().into());
        }
        rules.push(rule);
    }
    Ok(Some(rules))
}

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
    /// What a client sent as `project_id`: Keystone keeps it and shows it, and it means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted_project: Option<String>,
    /// The password has to be changed before anything else.
    #[serde(default)]
    pub must_change: bool,
    /// Tokens issued before this moment (microseconds) are void.
    #[serde(default)]
    pub tokens_since: i64,
    /// Exceptions and rules.
    #[serde(default)]
    pub options: UserOptions,
    /// When the password was set (microseconds); 0 where that is not known.
    #[serde(default)]
    pub password_set: i64,
    /// Networks from which the user may sign in and work; empty is any.
    #[serde(default)]
    pub sources: Vec<String>,
    /// Hours in which the user may sign in and work.
    #[serde(default)]
    pub hours: Option<Hours>,
    /// Who vouches for the user; such a one has no password here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federated: Option<Federated>,
}

/// Where a user comes from who is known by somebody else's word only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Federated {
    /// Who vouches: the id of an identity provider.
    pub idp: String,
    /// By which of its protocols, the last time.
    pub protocol: String,
    /// What that source calls the user.
    pub unique: String,
    /// When the identity provider was made (microseconds): another one of the same id, made later,
    /// vouches for nobody whom it has not signed in itself. 0 for sources that are no such provider.
    #[serde(default)]
    pub made: i64,
}

impl UserSpec {
    /// Until when the password is good, in microseconds; `None` for one that does not expire.
    pub fn password_expires(&self, policy: &Compliance) -> Option<i64> {
        if self.must_change {
            return Some(self.password_set);
        }
        let never = self.options.ignore_password_expiry == Some(true)
            || policy.password_expires_days <= 0 || self.password_set == 0;
        let life = policy.password_expires_days.saturating_mul(86_400);
        (!never).then(|| Time(self.password_set).plus_seconds(life).0)
    }

    /// Whether a password that somebody else sets now has to be changed by the user.
    pub fn changes_first(&self) -> bool {
        self.options.ignore_change_password_upon_first_use != Some(true)
    }
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

    fn check(new: &UserSpec, old: Option<&UserSpec>, _: &Place, view: &mut View<'_>)
        -> Result<(), Failure> {
        if old.is_none_or(|o| o.name != new.name) {
            names::check("name", &new.name, limits::NAME)?;
        }
        if let Some(from) = &new.federated
            && (from.unique.len() > UNIQUE || new.email.as_ref().is_some_and(|e| e.len() > UNIQUE))
        {
            let say = format!("is called by a text of more than {UNIQUE} bytes where it comes from");
            return Err(Refusal::invalid("user", say).into());
        }
        if new.federated.is_some() && new.password_set != 0 {
            let say = "cannot be set: the user signs in by an identity provider and has none here";
            return Err(Refusal::invalid("password", say).into());
        }
        window::check_sources(&new.sources)?;
        if let Some(hours) = &new.hours {
            hours.check()?;
        }
        if view.get::<Domain>(&new.domain)?.is_none() {
            return Err(Refusal::not_found("domain", &new.domain).into());
        }
        Ok(())
    }

    fn claims(spec: &UserSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "user-name".into(),
            word: format!("{}/{}", spec.domain, names::fold(&spec.name)),
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
    if !command.secrets.is_empty() {
        let policy = compliance::of(ctx, &spec.domain)?;
        spec.must_change |= policy.change_password_upon_first_use && spec.changes_first();
        spec.password_set = ctx.now.0;
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

/// Ends what a user has signed in to.
pub(crate) fn end_sessions(ctx: &mut Ctx<'_>, id: &Id) -> Result<(), Failure> {
    let now = ctx.now.0;
    ctx.change::<User>(id, None, |spec| {
        spec.tokens_since = spec.tokens_since.max(now);
        Ok(())
    })?;
    Ok(())
}

/// Takes a new password whose old one was verified by the caller of the command. All tokens that
/// were issued before are void, and passkeys that rested on the old one are gone.
pub(crate) fn change_password(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("user_id", "is missing").into());
    };
    let now = ctx.now.0;
    ctx.change::<User>(id, command.if_generation, |spec| {
        spec.must_change = false;
        spec.tokens_since = now;
        spec.password_set = now;
        Ok(())
    })?;
    for (name, secret) in &command.secrets {
        ctx.put_secret("user", id, name, secret.expose())?;
    }
    passkey::take_first(ctx, id)?;
    Ok(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_merged() {
        let read = |value: &Value| -> Result<Value, String> {
            let words = Words::new("options", value.as_object().unwrap());
            let before = UserOptions { lock_password: Some(true), ..UserOptions::default() };
            before.merge(&words).map(|o| o.show()).map_err(|e| e.to_string())
        };
        assert_eq!(read(&json!({})).unwrap(), json!({ "lock_password": true }));
        assert_eq!(read(&json!({ "lock_password": null })).unwrap(), json!({}));
        let rules = json!([["password", "totp"], ["application_credential"]]);
        let both = json!({ "multi_factor_auth_rules": rules, "lock_password": false });
        assert_eq!(read(&both).unwrap(), both);
        for bad in [json!(["password"]), json!([[]]), json!([["password", "password"]]),
            json!([["external"]]), json!([["totp"], ["totp"]]), json!([[7]]), json!("x")] {
            let said = read(&json!({ "multi_factor_auth_rules": bad })).unwrap_err();
            assert!(said.contains("multi_factor_auth_rules"), "{said}");
        }
        assert!(read(&json!({ "nonsense": true })).unwrap_err().contains("nonsense"));
    }
}
