//! Proof by a password that an institution's own directory keeps (`external`).
//!
//! The way is that of every password (`admit`: pauses, locks, sources, hours), with three differences:
//! - What is shut here is not tried over there: a lock of ours that still let guesses through to the
//!   directory would protect nothing, and who floods us would lock people out of the whole
//!   institution. The work is done all the same, with a name that nobody has.
//! - A directory that does not answer is no wrong password: nothing is counted, nobody is locked, the
//!   refusal is journaled, and whoever asked is told to try again (503).
//! - Whoever is proved becomes a user here first, or is brought up to date (`federation::shadow`).
//!
//! A name that the directory takes for another spelling of an entry's (without accents, with other
//! spaces) is not the entry's name here: two names that differ here could be two people.

use super::admit::Attempt;
use super::{Identity, denied};
use crate::external::{Answer, Desk, DirectorySpec, Entry, LONGEST_PASSWORD, Unreachable,
    UserDirectory, password_of};
use crate::federation::shadow::Outsider;
use crate::lockout::Gate;
use crate::names::fold;
use crate::user::UserSpec;
use jinyun_base::{Fault, Id, Secret, limits};
use jinyun_engine::{Failure, Have};
use jinyun_rest::{Call, Words};

/// What the source is called in users' rows; the colon keeps it from being an identity provider's id.
const SOURCE: &str = "ldap:";
/// A name that no entry has: it begins with a character that is no letter of any name.
const NOBODY: &str = "\u{1}nobody";

/// A password that is to be proved by a domain's directory.
pub(super) struct Elsewhere {
    have: Have<UserDirectory>,
    /// As it was typed, or as the user is called here.
    name: String,
    /// The user, where it was asked for by id: nobody else will do.
    only: Option<Id>,
}

/// Whether a user comes from a directory.
fn from_directory(spec: &UserSpec) -> bool {
    spec.federated.as_ref().is_some_and(|f| f.idp.starts_with(SOURCE))
}

impl Identity {
    /// What proves passwords by directories.
    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Where the password of somebody is proved who is named in a request, if not here.
    pub(super) fn elsewhere(&self, call: &Call<'_>, user: &Words<'_>,
        found: Option<&(Id, UserSpec)>) -> Result<Option<Elsewhere>, Failure> {
        let by_id = user.text("id")?.is_some();
        if let Some((id, spec)) = found {
            return self.of_user(call, id, spec, by_id);
        }
        if by_id {
            return Ok(None);
        }
        let name = user.need("name")?;
        let domain = user.object("domain")?.map(|d| self.find_domain(&d)).transpose()?.flatten();
        let Some(domain) = domain else { return Ok(None) };
        self.counting(call, &domain, name, None)
    }

    /// The same for a user that is here.
    pub(super) fn of_user(&self, call: &Call<'_>, id: &Id, spec: &UserSpec, only: bool)
        -> Result<Option<Elsewhere>, Failure> {
        if !from_directory(spec) {
            return Ok(None);
        }
        self.counting(call, &spec.domain, spec.name.clone(), only.then(|| id.clone()))
    }

    fn counting(&self, call: &Call<'_>, domain: &Id, name: String, only: Option<Id>)
        -> Result<Option<Elsewhere>, Failure> {
        if !self.directory.domain(domain).is_some_and(|d| d.enabled) {
            return Ok(None);
        }
        let have = call.view(|v| v.get::<UserDirectory>(domain))?;
        let have = have.filter(|h| DirectorySpec::counts(&h.spec));
        Ok(have.map(|have| Elsewhere { have, name, only }))
    }

    /// The user whose password a directory has accepted, if that may sign in now.
    pub(super) fn prove_elsewhere(&self, call: &Call<'_>, at: &Elsewhere,
        found: Option<(Id, UserSpec)>, account: String, password: &Secret<String>)
        -> Result<(Id, UserSpec), Failure> {
        let who = found.as_ref().map(|(id, spec)| (id, spec));
        let size = password.expose().len();
        // An empty one would be no proof, but a request to be let in without (RFC 4513, 5.1.2).
        let sendable = (1..=LONGEST_PASSWORD).contains(&size) && !password.expose().contains('\0');
        let shut = self.shut(call, who, &account, true)?;
        // A source that has to pause takes nobody's turn at the directory. It knows what it did, so that
        // this one is answered sooner tells it nothing about an account.
        let source = call.source.as_deref().unwrap_or("unknown");
        let shut = match shut {
            Some(no) if self.guard.source(source, self.now()) != Gate::Open => return Err(no),
            shut => shut,
        };
        let name = if shut.is_some() || !sendable { NOBODY } else { at.name.as_str() };
        let nothing = Secret::new("-".to_string());
        let sent = if sendable { password } else { &nothing };
        let answer = self.ask(call, at, name, sent)?;
        if let Some(shut) = shut {
            return Err(shut);
        }
        let answer = match answer {
            Ok(Answer::Unusable(why)) | Err(Unreachable(why)) => {
                let why = format!("the directory could not be asked: {why}");
                return Err(match self.deny(call, who, denied(&why)) {
                    Failure::Refused(_) => Fault::new(format!("domain {}: {why}", at.have.id)).into(),
                    fault => fault,
                });
            }
            Ok(answer) => answer,
        };
        let wrong = match answer {
            Answer::Proved(entry) if sendable => {
                let user = self.taken_in(call, at, who, entry)?;
                let (user, fits, wrong) = (Some(user), true, "");
                return self.admit(call, Attempt { user, account, fits, wrong, locks: true });
            }
            Answer::Wrong(wrong) if sendable => wrong,
            _ => "an empty or overlong password",
        };
        self.admit(call, Attempt { user: found, account, fits: false, wrong, locks: true })
    }

    /// Asks the directory, when its turn comes.
    fn ask(&self, call: &Call<'_>, at: &Elsewhere, name: &str, password: &Secret<String>)
        -> Result<Result<Answer, Unreachable>, Failure> {
        let client = self.desk.need()?;
        let domain = &at.have.id;
        let kept = call.cloud.reader
            .lend(|db| db.secret("directory", domain, crate::external::PASSWORD))?;
        let service = password_of(&self.kms, &at.have, kept)?;
        let work = || client.prove(&at.have.spec.ldap, &service, name, password);
        Ok(self.desk.lanes.run(domain, || self.now(), work))
    }

    /// Groups of the domain that are called like these; names that no group has mean nothing here.
    fn groups_named(&self, domain: &Id, names: &[String]) -> Vec<Id> {
        let mut groups: Vec<Id> =
            names.iter().filter_map(|name| self.directory.group_by_name(domain, name)).collect();
        groups.sort();
        groups.dedup();
        groups
    }

    /// The user that an entry is here.
    fn taken_in(&self, call: &Call<'_>, at: &Elsewhere, who: Option<(&Id, &UserSpec)>,
        entry: Entry) -> Result<(Id, UserSpec), Failure> {
        let no = |why: &str| self.deny(call, who, denied(why));
        if !entry.enabled {
            return Err(no("the directory says that the account is disabled"));
        }
        let asked = fold(&at.name);
        let Some(name) = entry.names.iter().find(|n| fold(n) == asked) else {
            return Err(no("the directory found an entry by another spelling of its name"));
        };
        let domain = at.have.id.clone();
        let session = self.directory.compliance(&domain).session_seconds;
        let outsider = Outsider {
            // Another attribute is another way to tell people apart: its values are not compared.
            source: format!("{SOURCE}{}", entry.attribute),
            protocol: "ldap".into(),
            unique: entry.unique.clone(),
            made: 0,
            name: name.clone(),
            email: entry.mail.clone().filter(|m| plain(m)),
            groups: self.groups_named(&domain, &entry.groups),
            until: self.now().plus_seconds(session),
            domain,
        };
        let (id, spec) = self.shadow(call, &outsider)?;
        if at.only.as_ref().is_some_and(|only| *only != id) {
            return Err(no("the name has come to be another person's in the directory"));
        }
        Ok((id, spec))
    }
}

/// Whether a text can be shown as a mail address.
fn plain(mail: &str) -> bool {
    !mail.is_empty() && mail.chars().count() <= limits::NAME && !mail.chars().any(char::is_control)
}
