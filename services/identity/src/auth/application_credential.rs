//! Proof by an application credential: a program signs in with a secret of its own.
//!
//! Its failures pause it and count for its source, but lock nobody: a program with an old secret
//! must not shut out its owner.

use super::admit::Attempt;
use super::{Identity, denied, payload};
use crate::app_credential::AppCredentialSpec;
use crate::user::UserSpec;
use jinyun_base::{Fault, Id, Refusal, Secret};
use jinyun_engine::Failure;
use jinyun_rest::{Call, Words};

/// A user, and the credential that was proved.
type Proved = ((Id, UserSpec), (Id, AppCredentialSpec));

impl Identity {
    pub(super) fn by_application_credential(&self, call: &Call<'_>, identity: &Words<'_>,
        scoped: bool) -> Result<Proved, Failure> {
        let words = payload(identity, "application_credential")?;
        words.only(&["id", "name", "secret", "user"])?;
        let need = |what| Refusal::invalid(what, "is required");
        let secret = Secret::new(words.long_text("secret")?.ok_or_else(|| need("secret"))?);
        let (found, account) = self.find_credential(&words)?;
        if scoped {
            // Keystone's own words, and its 401.
            let say = "Error authenticating with application credential: Application credentials \
                       cannot request a scope.";
            let why = denied("a scope was asked for with an application credential");
            return Err(match self.deny(call, None, why) {
                Failure::Refused(_) => Refusal { recorded: true, ..denied(say) }.into(),
                fault => fault,
            });
        }
        let nobody = Id::new("nobody");
        let id = found.as_ref().map_or(&nobody, |(id, _)| id);
        let fits = self.fits_secret(call, "application_credential", id, secret.expose())?;
        let user = found.as_ref()
            .and_then(|(_, c)| self.directory.user(&c.user).map(|spec| (c.user.clone(), spec)));
        let fits = fits && user.is_some();
        let wrong = match found {
            Some(_) => "wrong secret of an application credential",
            None => "there is no such application credential",
        };
        let user = self.admit(call, Attempt { user, account, fits, wrong, locks: false })?;
        let Some(with) = found else {
            return Err(Fault::new("a credential that fits is none").into());
        };
        if with.1.expires.is_some_and(|end| end <= self.now().0) {
            let why = denied("the application credential has expired");
            return Err(self.deny(call, Some((&user.0, &user.1)), why));
        }
        Ok((user, with))
    }

    /// A credential that is named by id, or by name and user; and what the guard counts it under.
    fn find_credential(&self, words: &Words<'_>)
        -> Result<(Option<(Id, AppCredentialSpec)>, String), Failure> {
        let (found, typed) = match words.text("id")? {
            // Whoever is named beside it does not count: it is its owner's.
            Some(id) => {
                let (key, id) = (format!("id {id}"), Id::new(id));
                (self.directory.app_credential(&id).map(|spec| (id, spec)), key)
            }
            None => {
                let name = words.need("name")?;
                let user = words.object("user")?.ok_or_else(|| {
                    Refusal::invalid("user", "is required with an application credential's name")
                })?;
                user.only(&["id", "name", "domain"])?;
                let (user, account) = self.find_user(&user)?;
                let found = user
                    .and_then(|(id, _)| self.directory.app_credential_by_name(&id, &name));
                (found, format!("{name} of {account}"))
            }
        };
        let account = match &found {
            Some((id, _)) => format!("application credential {id}"),
            None => format!("no application credential {typed}"),
        };
        Ok((found, account))
    }
}
