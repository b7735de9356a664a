//! Where a token is to hold.

use super::factors::{ENROLMENT, Enough};
use super::issue::Place;
use super::{Identity, Proof, denied};
use crate::assignment::Scoped;
use crate::trust::TrustSpec;
use crate::user::UserSpec;
use jinyun_base::{Id, Refusal};
use jinyun_engine::Failure;
use jinyun_rest::{Call, Words};
use serde_json::Value;

/// The scope that a request asks for. What it names and is not there is `None`: it is refused like
/// one in which the user has no role.
pub(super) enum Asked {
    /// Nothing is said: the default project, if there is one.
    Nothing,
    /// No scope.
    Unscoped,
    /// The platform, a domain or a project.
    Scope(Option<Scoped>),
    /// What somebody passed on.
    Trust(Option<(Id, TrustSpec)>),
}

impl Asked {
    /// Whether the request says anything about it.
    pub fn given(&self) -> bool {
        !matches!(self, Asked::Nothing)
    }

    /// Whether it names a place.
    pub fn place(&self) -> bool {
        matches!(self, Asked::Scope(_) | Asked::Trust(_))
    }
}

const TRUST: &str = "OS-TRUST:trust";

impl Identity {
    /// The id of a domain that is named by id or name.
    pub(super) fn find_domain(&self, domain: &Words<'_>) -> Result<Option<Id>, Failure> {
        if let Some(id) = domain.text("id")? {
            let id = Id::new(id);
            return Ok(self.directory.domain(&id).map(|_| id));
        }
        Ok(self.directory.domain_by_name(&domain.need("name")?))
    }

    /// Reads the scope of a request.
    pub(super) fn asked(&self, auth: &Words<'_>) -> Result<Asked, Failure> {
        let asked = match auth.value("scope") {
            None => return Ok(Asked::Nothing),
            Some(Value::String(s)) if s == "unscoped" => return Ok(Asked::Unscoped),
            Some(_) => auth.object("scope")?
                .ok_or_else(|| Refusal::invalid("scope", "must be an object"))?,
        };
        asked.only(&["system", "domain", "project", TRUST, "unscoped"])?;
        if asked.names().count() > 1 {
            let say = "names more than one of project, domain, system and OS-TRUST:trust";
            return Err(Refusal::invalid("scope", say).into());
        }
        // As old clients write it.
        if asked.object("unscoped")?.is_some() {
            return Ok(Asked::Unscoped);
        }
        if let Some(trust) = asked.object(TRUST)? {
            let id = Id::new(trust.need("id")?);
            return Ok(Asked::Trust(self.directory.trust(&id).map(|spec| (id, spec))));
        }
        if let Some(system) = asked.object("system")? {
            if system.flag("all")? != Some(true) {
                return Err(Refusal::invalid("system", "must be {\"all\": true}").into());
            }
            return Ok(Asked::Scope(Some(Scoped::System)));
        }
        if let Some(domain) = asked.object("domain")? {
            return Ok(Asked::Scope(self.find_domain(&domain)?.map(Scoped::Domain)));
        }
        let Some(project) = asked.object("project")? else {
            let say = "names no project, domain, system or OS-TRUST:trust";
            return Err(Refusal::invalid("scope", say).into());
        };
        if let Some(id) = project.text("id")? {
            return Ok(Asked::Scope(Some(Scoped::Project(id.into()))));
        }
        let domain = project.object("domain")?
            .ok_or_else(|| Refusal::invalid("domain", "is required with a project's name"))?;
        let name = project.need("name")?;
        let found = self.find_domain(&domain)?
            .and_then(|d| self.directory.project_by_name(&d, &name));
        Ok(Asked::Scope(found.map(Scoped::Project)))
    }

    /// The place that was asked for, in which the user must have a role.
    pub(super) fn place(&self, call: &Call<'_>, user: (&Id, &UserSpec), proof: &Proof,
        asked: Asked, enough: Enough) -> Result<Place, Failure> {
        let (id, spec) = user;
        if enough == Enough::Enrolment {
            return Ok(Place { longest: Some(ENROLMENT), ..Place::default() });
        }
        if let Some((_, with)) = &proof.with {
            return Ok(Place::at(Some(Scoped::Project(with.project.clone()))));
        }
        // What was passed on stays where it was (a request for another place was refused before).
        let bound = |m: &String| m == "ec2credential";
        let stays = proof.parent.as_ref()
            .filter(|p| p.app_credential.is_some() || p.methods.iter().any(bound));
        if let Some(parent) = stays {
            return Ok(Place::at(parent.scope.clone()));
        }
        let no = |why: &str| Err(self.deny(call, Some(user), denied(why)));
        let works = |scope: &Scoped| self.directory.actor(id, Some(scope)).is_some();
        match asked {
            Asked::Unscoped => Ok(Place::at(None)),
            Asked::Nothing => {
                let project = spec.default_project.clone().map(Scoped::Project);
                Ok(Place::at(project.filter(works)))
            }
            Asked::Scope(scope) => match scope.filter(works) {
                Some(scope) => Ok(Place::at(Some(scope))),
                None => no("the user has no role in the scope that was asked for"),
            },
            Asked::Trust(trust) => match trust.filter(|(_, t)| t.trustee == *id) {
                Some((trust, t)) => {
                    let scope = Some(Scoped::Project(t.project.clone()));
                    Ok(Place { scope, trust: Some((trust, t)), longest: None })
                }
                None => no("the trust is not there, or is somebody else's"),
            },
        }
    }
}
