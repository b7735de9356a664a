//! Signing in.
//!
//! Whoever fails learns nothing: a wrong name, a wrong password and a disabled account get the same
//! words after the same work (an unknown name is checked against a hash that nobody's password
//! fits). What was wrong stands in the journal.

use crate::assignment::Scoped;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crate::directory::Directory;
use crate::token::{LIFETIME, Signed, Token};
use crate::user::UserSpec;
use jinyun_base::{Entropy, Fault, Id, OsEntropy, Refusal, Refused, Secret, Time};
use jinyun_engine::{Command, Failure, Job};
use jinyun_kms::{Kms, hash_password, verify_password};
use jinyun_policy::Actor;
use jinyun_rest::{Call, Words};
use serde_json::{Value, json};
use std::sync::{Arc, Condvar, Mutex};

/// Reads the clock.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// At most so many password hashes at a time: each takes 19 MiB and tens of milliseconds, so a
/// flood of logins must not take the machine.
const HASHES: usize = 2;

/// The service's state.
pub struct Identity {
    /// Who there is.
    pub directory: Arc<Directory>,
    kms: Arc<Kms>,
    clock: Clock,
    free: Mutex<usize>,
    freed: Condvar,
    nobody: String,
}

const DENIED: &str = "The request you have made requires authentication.";

fn denied(why: impl Into<String>) -> Refusal {
    Refusal::new(Refused::Unauthenticated, why)
}

impl Identity {
    /// A service over the keys and the clock.
    pub fn new(directory: Arc<Directory>, kms: Arc<Kms>, clock: Clock) -> Result<Identity, Fault> {
        let nobody = hash_password("nobody's password", &mut OsEntropy::default())?;
        let free = Mutex::new(HASHES);
        Ok(Identity { directory, kms, clock, free, freed: Condvar::new(), nobody })
    }

    /// The time.
    pub fn now(&self) -> Time {
        (self.clock)()
    }

    /// Does a hash's work when its turn comes.
    fn hashing<T>(&self, work: impl FnOnce() -> T) -> T {
        if let Ok(guard) = self.free.lock()
            && let Ok(mut free) = self.freed.wait_while(guard, |free| *free == 0)
        {
            *free -= 1;
        }
        let result = work();
        if let Ok(mut free) = self.free.lock() {
            *free += 1;
        }
        self.freed.notify_one();
        result
    }

    /// A new password's hash.
    pub fn hash(&self, password: &str) -> Result<Secret<Vec<u8>>, Fault> {
        let hash = self.hashing(|| hash_password(password, &mut OsEntropy::default()))?;
        Ok(Secret::new(hash.into_bytes()))
    }

    fn fits(&self, call: &Call<'_>, user: Option<&Id>, password: &str) -> Result<bool, Fault> {
        let hash = match user {
            Some(id) => call.cloud.reader.lend(|db| db.secret("user", id, "password"))?,
            None => None,
        };
        let known = hash.is_some();
        let hash = hash.and_then(|h| String::from_utf8(h).ok());
        let hash = hash.as_deref().unwrap_or(&self.nobody);
        Ok(self.hashing(|| verify_password(password, hash)) && known)
    }

    /// What a sent token says, if it is good.
    pub fn open(&self, text: &str) -> Option<Token> {
        let plain = self.kms.open_token("token", text)?;
        let token: Token = serde_json::from_slice(plain.expose()).ok()?;
        self.directory.accepts(&token, self.now()).then_some(token)
    }

    /// The actor behind a sent token.
    pub fn actor(&self, text: &str) -> Option<(Actor, Token)> {
        let token = self.open(text)?;
        let actor = self.directory.actor(&token.user, token.scope.as_ref())?;
        Some((actor, token))
    }

    fn issue(&self, user: &Id, scope: Option<Scoped>, methods: Vec<String>, parent: Option<&Token>)
        -> Result<Signed, Fault> {
        let now = self.now();
        let mut id = [0u8; 16];
        OsEntropy::default().fill(&mut id);
        let mut audit = vec![URL_SAFE_NO_PAD.encode(id)];
        // The chain names the first token; a token made from a token lives no longer than it.
        audit.extend(parent.and_then(|p| p.audit.last().cloned()));
        let expires = now.plus_seconds(LIFETIME).0;
        let token = Token {
            user: user.clone(),
            scope,
            methods,
            issued: now.0,
            expires: parent.map_or(expires, |p| p.expires.min(expires)),
            audit,
        };
        let plain = serde_json::to_vec(&token).map_err(|e| Fault::new(format!("token: {e}")))?;
        Ok(Signed { text: self.kms.seal_token("token", &plain)?, token })
    }

    /// `POST /v3/auth/tokens`.
    pub fn sign_in(&self, call: &Call<'_>) -> Result<Signed, Failure> {
        let auth = call.words("auth")?;
        auth.only(&["identity", "scope"])?;
        let identity = auth.object("identity")?
            .ok_or_else(|| Refusal::invalid("identity", "is required"))?;
        let methods = identity.texts("methods")?
            .ok_or_else(|| Refusal::invalid("methods", "is required"))?;
        identity.only(&["methods", "password", "token"])?;
        // A method that is asked for and not checked would be a promise that nobody keeps.
        if let Some(other) = methods.iter().find(|m| !["password", "token"].contains(&m.as_str())) {
            let say = format!("`{other}` is not offered: use password or token");
            return Err(self.deny(call, None, Refusal::invalid("methods", say)));
        }
        if methods.len() > 1 {
            let say = "must hold one method: more than one at a time is not offered";
            return Err(self.deny(call, None, Refusal::invalid("methods", say)));
        }
        let (user, parent) = match methods.first().map(String::as_str) {
            Some("password") => (self.by_password(call, &identity)?, None),
            Some("token") => {
                let token = self.by_token(call, &identity)?;
                (token.user.clone(), Some(token))
            }
            _ => return Err(Refusal::invalid("methods", "is empty").into()),
        };
        let scope = self.scope(call, &auth, &user)?;
        let mut names = vec![methods[0].clone()];
        names.extend(parent.iter().flat_map(|p| p.methods.clone()));
        names.sort();
        names.dedup();
        let signed = self.issue(&user, scope, names, parent.as_ref())?;
        let actor = self.directory.actor(&user, signed.token.scope.as_ref())
            .ok_or_else(|| denied(DENIED))?;
        // The login is on record before the token is of any use.
        let mut command = Command::new("identity:token:create", actor, call.request.clone())
            .with(json!({
                "audit_id": signed.token.audit.first(),
                "methods": signed.token.methods,
                "scope": signed.token.scope,
            }));
        command.source = call.source.clone();
        call.cloud.handle.run(Job::Command(Box::new(command)))?;
        Ok(signed)
    }

    /// Journals why, answers in words that tell nothing.
    fn deny(&self, call: &Call<'_>, user: Option<(&Id, &UserSpec)>, why: Refusal) -> Failure {
        let mut command = call.command("identity:token:create");
        command.actor = Actor::nobody(call.source.as_deref().unwrap_or("unknown"));
        if let Some((id, spec)) = user {
            command.actor.domain = spec.domain.clone();
            command.target = Some(id.clone());
        }
        let tells = !matches!(why.why, Refused::Unauthenticated);
        let shown = if tells { why.clone() } else { denied(DENIED) };
        match call.cloud.reader.deny(&command, why) {
            Failure::Refused(_) => Refusal { recorded: true, ..shown }.into(),
            fault => fault,
        }
    }

    fn by_password(&self, call: &Call<'_>, identity: &Words<'_>) -> Result<Id, Failure> {
        let need = |what| Refusal::invalid(what, "is required");
        let user = identity.object("password")?.ok_or_else(|| need("password"))?
            .object("user")?.ok_or_else(|| need("user"))?;
        user.only(&["id", "name", "domain", "password"])?;
        let password = Secret::new(
            user.long_text("password")?.ok_or_else(|| need("password"))?
        );
        let found = self.find_user(&user)?;
        let fits = self.fits(call, found.as_ref().map(|(id, _)| id), password.expose())?;
        let Some((id, spec)) = found else {
            return Err(self.deny(call, None, denied("there is no such user")));
        };
        if !fits {
            return Err(self.deny(call, Some((&id, &spec)), denied("wrong password")));
        }
        let domain_on = self.directory.domain(&spec.domain).is_some_and(|d| d.enabled);
        if !spec.enabled || !domain_on {
            let why = denied("the user or its domain is disabled");
            return Err(self.deny(call, Some((&id, &spec)), why));
        }
        if spec.must_change {
            // Keystone's own words; whoever reads them has proved to know the password.
            let say =
                format!("The password is expired and needs to be changed for user: {id}.");
            let _ = self.deny(call, Some((&id, &spec)), denied("the password has to be changed"));
            return Err(Refusal { recorded: true, ..denied(say) }.into());
        }
        Ok(id)
    }

    fn find_user(&self, user: &Words<'_>) -> Result<Option<(Id, UserSpec)>, Failure> {
        if let Some(id) = user.text("id")? {
            let id = Id::new(id);
            return Ok(self.directory.user(&id).map(|spec| (id, spec)));
        }
        let name = user.need("name")?;
        let domain = user.object("domain")?
            .ok_or_else(|| Refusal::invalid("domain", "is required with a user's name"))?;
        Ok(self.find_domain(&domain)?.and_then(|d| self.directory.user_by_name(&d, &name)))
    }

    fn find_domain(&self, domain: &Words<'_>) -> Result<Option<Id>, Failure> {
        if let Some(id) = domain.text("id")? {
            let id = Id::new(id);
            return Ok(self.directory.domain(&id).map(|_| id));
        }
        Ok(self.directory.domain_by_name(&domain.need("name")?))
    }

    fn by_token(&self, call: &Call<'_>, identity: &Words<'_>) -> Result<Token, Failure> {
        let token = identity.object("token")?
            .ok_or_else(|| Refusal::invalid("token", "is required"))?;
        let text = token.long_text("id")?
            .ok_or_else(|| Refusal::invalid("id", "is required"))?;
        self.open(&text)
            .ok_or_else(|| self.deny(call, None, denied("the token is not good")))
    }

    /// The scope that was asked for, in which the user must have a role.
    fn scope(&self, call: &Call<'_>, auth: &Words<'_>, user: &Id)
        -> Result<Option<Scoped>, Failure> {
        let spec = self.directory.user(user).ok_or_else(|| denied(DENIED))?;
        let asked = match auth.value("scope") {
            Some(Value::String(s)) if s == "unscoped" => return Ok(None),
            None => {
                let project = spec.default_project.clone().map(Scoped::Project);
                return Ok(project.filter(|p| self.directory.actor(user, Some(p)).is_some()));
            }
            Some(_) => auth.object("scope")?
                .ok_or_else(|| Refusal::invalid("scope", "must be an object"))?,
        };
        asked.only(&["system", "domain", "project"])?;
        let scope = if let Some(system) = asked.object("system")? {
            if system.flag("all")? != Some(true) {
                return Err(Refusal::invalid("system", "must be {\"all\": true}").into());
            }
            Some(Scoped::System)
        } else if let Some(domain) = asked.object("domain")? {
            self.find_domain(&domain)?.map(Scoped::Domain)
        } else if let Some(project) = asked.object("project")? {
            match project.text("id")? {
                Some(id) => Some(Scoped::Project(id.into())),
                None => {
                    let domain = project.object("domain")?.ok_or_else(|| {
                        Refusal::invalid("domain", "is required with a project's name")
                    })?;
                    let name = project.need("name")?;
                    self.find_domain(&domain)?
                        .and_then(|d| self.directory.project_by_name(&d, &name))
                        .map(Scoped::Project)
                }
            }
        } else {
            return Err(Refusal::invalid("scope", "names no project, domain or system").into());
        };
        let good = scope.filter(|s| self.directory.actor(user, Some(s)).is_some());
        match good {
            Some(scope) => Ok(Some(scope)),
            None => {
                let why = denied("the user has no role in the scope that was asked for");
                Err(self.deny(call, Some((user, &spec)), why))
            }
        }
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
        let spec = self.directory.user(&id);
        let fits = self.fits(call, spec.as_ref().map(|_| &id), old.expose())?;
        if !(fits && spec.is_some_and(|s| s.enabled)) {
            return Err(self.deny(call, None, denied("change of a password: wrong old password")));
        }
        check_password(new.expose())?;
        if old.expose() == new.expose() {
            return Err(Refusal::invalid("password", "is the old one: choose a new one").into());
        }
        let mut command = call.command("identity:user:change_password").on(id.clone());
        command.actor = self.directory.actor(&id, None).ok_or_else(|| denied(DENIED))?;
        command.secrets.push(("password".into(), self.hash(new.expose())?));
        call.run(command)?;
        Ok(())
    }
}

/// What a password must be like.
pub(crate) fn check_password(password: &str) -> Result<(), Failure> {
    let classes = [char::is_lowercase, char::is_uppercase, char::is_numeric]
        .iter().filter(|class| password.chars().any(*class)).count()
        + usize::from(password.chars().any(|c| !c.is_alphanumeric()));
    let length = password.chars().count();
    if !(8..=128).contains(&length) || classes < 3 {
        let say = "must have 8 to 128 characters of at least three kinds (small and capital \
                   letters, digits, others)";
        return Err(Refusal::invalid("password", say).into());
    }
    Ok(())
}
