//! Proof by a password, and how one is changed.

use super::admit::Attempt;
use super::{Identity, denied, payload};
use crate::compliance::Compliance;
use crate::lockout;
use crate::names;
use crate::user::{User, UserSpec};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jinyun_base::{Fault, Id, Refusal, Secret, Time};
use jinyun_engine::Failure;
use jinyun_kms::{Kms, verify_password};
use jinyun_rest::{Call, Words};

/// The wrong passwords and names of a sign-in, for the journal.
const WRONG: &str = "wrong password";

impl Identity {
    pub(super) fn by_password(&self, call: &Call<'_>, identity: &Words<'_>)
        -> Result<(Id, UserSpec), Failure> {
        let need = |what| Refusal::invalid(what, "is required");
        let user = payload(identity, "password")?.object("user")?.ok_or_else(|| need("user"))?;
        user.only(&["id", "name", "domain", "password"])?;
        let password = user.long_text("password")?.ok_or_else(|| need("password"))?;
        let password = Secret::new(password);
        let (found, account) = self.find_user(&user)?;
        let (id, spec) = match self.elsewhere(call, &user, found.as_ref())? {
            Some(at) => self.prove_elsewhere(call, &at, found, account, &password)?,
            None => self.prove_password(call, found, account, &password, WRONG)?,
        };
        let policy = self.directory.compliance(&spec.domain);
        if spec.password_expires(&policy).is_some_and(|end| end <= self.now().0) {
            // Keystone's own words; whoever reads them has proved to know the password.
            let say = format!("The password is expired and needs to be changed for user: {id}.");
            let why = "the password has to be changed";
            return Err(self.tell(call, (&id, &spec), why, say));
        }
        Ok((id, spec))
    }

    /// A user that is named by id, or by name and domain; and what the guard counts failures under.
    /// Names that nobody has are kept as digests: people type passwords there.
    pub(super) fn find_user(&self, user: &Words<'_>)
        -> Result<(Option<(Id, UserSpec)>, String), Failure> {
        let (found, typed) = match user.text("id")? {
            Some(id) => {
                let (key, id) = (format!("id {id}"), Id::new(id));
                (self.directory.user(&id).map(|spec| (id, spec)), key)
            }
            None => {
                let name = user.need("name")?;
                let domain = user.object("domain")?
                    .ok_or_else(|| Refusal::invalid("domain", "is required with a user's name"))?;
                let domain = self.find_domain(&domain)?;
                let within = domain.as_ref().map_or("", Id::as_str);
                let key = format!("name {within} {}", names::fold(&name));
                (domain.and_then(|d| self.directory.user_by_name(&d, &name)), key)
            }
        };
        let account = match &found {
            Some((id, _)) => lockout::account(id),
            None => format!("nobody {}", URL_SAFE_NO_PAD.encode(Kms::sha256(typed.as_bytes()))),
        };
        Ok((found, account))
    }

    /// The user whose password it is, if that may sign in now; the password may be expired.
    fn prove_password(&self, call: &Call<'_>, user: Option<(Id, UserSpec)>, account: String,
        password: &Secret<String>, wrong: &str) -> Result<(Id, UserSpec), Failure> {
        let fits = self.fits(call, user.as_ref().map(|(id, _)| id), password.expose())?;
        let wrong = if user.is_some() { wrong } else { "there is no such user" };
        self.admit(call, Attempt { user, account, fits, wrong, locks: true })
    }

    /// The same read and the same hash, whether there is such a user or not.
    fn fits(&self, call: &Call<'_>, user: Option<&Id>, password: &str) -> Result<bool, Failure> {
        let nobody = Id::new("nobody");
        let id = user.unwrap_or(&nobody);
        let hash = call.cloud.reader.lend(|db| db.secret("user", id, "password"))?;
        let hash = hash.filter(|_| user.is_some()).and_then(|h| String::from_utf8(h).ok());
        let known = hash.is_some();
        let hash = hash.as_deref().unwrap_or(&self.nobody);
        Ok(self.hashing(call, || verify_password(password, hash))? && known)
    }

    /// Whether a secret fits the hash that is kept of it; none fits where none is kept.
    pub(super) fn fits_secret(&self, call: &Call<'_>, kind: &str, id: &Id, secret: &str)
        -> Result<bool, Failure> {
        let hash = call.cloud.reader.lend(|db| db.secret(kind, id, "secret"))?;
        let hash = hash.and_then(|h| String::from_utf8(h).ok());
        let known = hash.is_some();
        let hash = hash.as_deref().unwrap_or(&self.nobody);
        Ok(self.hashing(call, || verify_password(secret, hash))? && known)
    }

    /// The user itself, who proves it by the password it has; it may be expired.
    pub(super) fn prove_self(&self, call: &Call<'_>, id: &Id, password: &Secret<String>,
        wrong: &str) -> Result<(Id, UserSpec), Failure> {
        let user = self.directory.user(id).map(|spec| (id.clone(), spec));
        let at = match &user {
            Some((id, spec)) => self.of_user(call, id, spec, true)?,
            None => None,
        };
        match at {
            Some(at) => self.prove_elsewhere(call, &at, user, lockout::account(id), password),
            None => self.prove_password(call, user, lockout::account(id), password, wrong),
        }
    }

    /// Hashes of the passwords that a user had, the present one first.
    fn past(&self, call: &Call<'_>, user: &Id) -> Result<Vec<String>, Fault> {
        let (now, before) = call.cloud.reader.lend(|db| {
            Ok((db.secret("user", user, "password")?, db.secret("user", user, "history")?))
        })?;
        let now = now.and_then(|h| String::from_utf8(h).ok());
        let before: Vec<String> =
            before.and_then(|h| serde_json::from_slice(&h).ok()).unwrap_or_default();
        let others = before.into_iter().filter(|h| now.as_ref() != Some(h)).collect::<Vec<_>>();
        Ok(now.into_iter().chain(others).collect())
    }

    /// Whether a new password is one that the domain takes and that the user did not have of late.
    /// For a new user there is no `user` yet. `name` is the user's.
    pub fn check_new_password(&self, call: &Call<'_>, domain: &Id, user: Option<&Id>, new: &str,
        name: &str) -> Result<(), Failure> {
        let policy = self.directory.compliance(domain);
        policy.check_password(new, name)?;
        if self.is_breached(new) {
            let say = "stands in a list of passwords that attackers try first: choose another one";
            return Err(Refusal::invalid("password", say).into());
        }
        let Some(user) = user else { return Ok(()) };
        let count = usize::try_from(policy.unique_last_password_count).unwrap_or_default();
        for hash in self.past(call, user)?.iter().take(count) {
            if self.hashing(call, || verify_password(new, hash))? {
                let say = format!("is one of the last {count}: choose a new one");
                return Err(Refusal::invalid("password", say).into());
            }
        }
        Ok(())
    }

    /// The secrets of a new password of a user: its hash, and the hashes that come to be history.
    pub fn new_password(&self, call: &Call<'_>, domain: &Id, user: Option<&Id>, new: &str)
        -> Result<Vec<(String, Secret<Vec<u8>>)>, Failure> {
        let hash = self.hash(new)?;
        let mut past = match user {
            Some(user) => self.past(call, user)?,
            None => Vec::new(),
        };
        let count = self.directory.compliance(domain).unique_last_password_count;
        // The present one is counted with those before it: it has a place of its own.
        past.truncate(usize::try_from(count).unwrap_or_default());
        let history = serde_json::to_vec(&past)
            .map_err(|e| Fault::new(format!("history of passwords: {e}")))?;
        Ok(vec![("password".into(), hash), ("history".into(), Secret::new(history))])
    }

    /// `POST /v3/users/{id}/password`: the old password is the proof.
    pub fn change_password(&self, call: &Call<'_>) -> Result<(), Failure> {
        let id = Id::new(call.param("id"));
        let words = call.words("user")?;
        words.only(&["password", "original_password"])?;
        let text = |name: &'static str| -> Result<Secret<String>, Failure> {
            let text = words.long_text(name)?;
            Ok(Secret::new(text.ok_or_else(|| Refusal::invalid(name, "is required"))?))
        };
        let (old, new) = (text("original_password")?, text("password")?);
        let wrong = "change of a password: wrong old password";
        let (id, spec) = self.prove_self(call, &id, &old, wrong)?;
        let policy = self.directory.compliance(&spec.domain);
        self.may_change(&spec, &policy)?;
        self.check_new_password(call, &spec.domain, Some(&id), new.expose(), &spec.name)?;
        let generation = call.view(|v| v.get::<User>(&id))?.map(|have| have.generation);
        let mut command = call.command("identity:user:change_password").on(id.clone());
        command.actor = self.directory.actor(&id, None).ok_or_else(|| denied(super::DENIED))?;
        command.secrets = self.new_password(call, &spec.domain, Some(&id), new.expose())?;
        // Of two changes at the same time one would be missing in the history.
        command.if_generation = generation;
        call.run(command)?;
        self.guard.forget(&lockout::account(&id));
        Ok(())
    }

    /// Whether the user may change the password by itself now.
    fn may_change(&self, spec: &UserSpec, policy: &Compliance) -> Result<(), Failure> {
        if spec.federated.is_some() {
            let say = "is not kept here: change it where the account is kept";
            return Err(Refusal::invalid("password", say).into());
        }
        if spec.options.lock_password == Some(true) {
            let say = "cannot be changed by the user: an administrator has to reset it";
            return Err(Refusal::invalid("password", say).into());
        }
        let days = policy.minimum_password_age;
        let free = Time(spec.password_set).plus_seconds(days.saturating_mul(86_400));
        if !spec.must_change && days > 0 && free > self.now() {
            return Err(Refusal::invalid("password", format!(
                "cannot be changed yet: it must be used for {days} day(s) first. Your administrator \
                 can reset it."
            )).into());
        }
        Ok(())
    }
}
