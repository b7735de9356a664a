//! Users that somebody else knows: their rows here, and the groups that they are in for a time.
//!
//! Problem: a person of an outside directory needs an id here, so that roles can be given, a journal
//! can name them and credentials can be theirs; and what they get by their groups there must shrink
//! when the groups do, and end when nobody vouches for them any more. Mechanism: one command of the
//! platform at each sign-in (`identity:user:shadow`) makes or renames the user and sets the
//! memberships that came from outside to exactly those of this sign-in, each with an end; the
//! directory passes over a membership that has ended. Memberships that a manager gave have no end
//! and are not touched.
//!
//! The id is a digest of who vouches and whom for, so two sign-ins at once make one user, and a name
//! that is given to somebody else over there does not become the same user here. The institution is
//! a part of it: ids of providers may come to belong to somebody else, their people must not.
//! And a row remembers which provider of an id it was: one that is made again with that id vouches
//! only for those whom it has signed in itself.

use super::called;
use crate::auth::{DENIED, Identity, denied};
use crate::group::{Group, Membership, MembershipSpec};
use crate::names::fold;
use crate::user::{Federated, User, UserOptions, UserSpec};
use jinyun_base::{Fault, Id, Refusal, Time};
use jinyun_engine::{Command, Ctx, Failure, Job, Place, Query};
use jinyun_kms::Kms;
use jinyun_policy::{Actor, PROVIDER};
use jinyun_rest::Call;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Somebody whom a source outside has vouched for just now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outsider {
    /// Who vouches: the id of an identity provider; other sources have a colon in their names, which
    /// no provider's id has.
    pub source: String,
    /// By which of its protocols.
    pub protocol: String,
    /// What the source calls the person, and calls nobody else, ever.
    pub unique: String,
    /// When the identity provider was made; 0 for other sources.
    #[serde(default)]
    pub made: i64,
    /// The name here.
    pub name: String,
    /// Mail address; one that is known stays if none is told.
    pub email: Option<String>,
    /// The institution.
    pub domain: Id,
    /// Groups of the institution, by id: all that the source gives.
    pub groups: Vec<Id>,
    /// Until when the source answers for the groups.
    pub until: Time,
}

impl Outsider {
    /// The id that the person has here, whether there is a row already or not.
    pub fn id(&self) -> Id {
        let row = Id::new(&self.source);
        // What the institution calls the provider: in the rows of the time before, that was all of it,
        // and their people stay who they are when it is made again.
        let source = called(&row, &self.domain);
        let mut plain: Vec<u8> = Vec::new();
        for part in [self.domain.as_str(), source, &self.unique] {
            // With their lengths: no two triples make the same bytes.
            plain.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            plain.extend(part.as_bytes());
        }
        let digest = Kms::sha256(&plain);
        Id::new(digest.iter().take(16).map(|b| format!("{b:02x}")).collect::<String>())
    }

    fn federated(&self) -> Federated {
        Federated {
            idp: self.source.clone(),
            protocol: self.protocol.clone(),
            unique: self.unique.clone(),
            made: self.made,
        }
    }

    /// The user as it is made at the first sign-in.
    pub fn fresh(&self) -> UserSpec {
        UserSpec {
            name: self.name.clone(),
            domain: self.domain.clone(),
            description: String::new(),
            email: self.email.clone(),
            enabled: true,
            default_project: None,
            noted_project: None,
            must_change: false,
            tokens_since: 0,
            options: UserOptions::default(),
            password_set: 0,
            sources: Vec::new(),
            hours: None,
            federated: Some(self.federated()),
        }
    }
}

/// Makes or renames the user, and sets the groups that it has from outside.
pub(crate) fn keep(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let who: Outsider = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("user", format!("cannot be read: {e}")))?;
    if who.domain.as_str() == PROVIDER {
        return Err(denied("the provider's staff signs in by nobody else's word").into());
    }
    let id = who.id();
    free(ctx, &who, &id)?;
    match ctx.view().get::<User>(&id)? {
        None => {
            let at = Place { domain: who.domain.clone(), project: "".into(), id: id.clone() };
            ctx.create_at::<User>(at, who.fresh())?;
        }
        Some(user) if user.domain != who.domain || user.spec.federated.is_none() => {
            return Err(denied("the id belongs to another user").into());
        }
        Some(_) => {
            ctx.change::<User>(&id, None, |spec| {
                spec.name = who.name.clone();
                spec.email = who.email.clone().or(spec.email.take());
                spec.federated = Some(who.federated());
                Ok(())
            })?;
        }
    }
    belong(ctx, &who, &id)?;
    Ok(json!({ "id": id }))
}

/// Refuses a name that is another user's: whoever writes names over there must not become somebody
/// whose roles were given here.
fn free(ctx: &mut Ctx<'_>, who: &Outsider, id: &Id) -> Result<(), Failure> {
    let word = format!("{}/{}", who.domain, fold(&who.name));
    let Some((_, other)) = ctx.view().claimed("user-name", &word)?.filter(|(_, o)| o != id) else {
        return Ok(());
    };
    let local = ctx.get::<User>(&other)?.spec.federated.is_none();
    let whose = if local { "a local user" } else { "another user of an identity provider" };
    Err(denied(format!("the name is taken by {whose}: {other}")).into())
}

/// Sets the memberships that came from outside to what the source gives now.
fn belong(ctx: &mut Ctx<'_>, who: &Outsider, id: &Id) -> Result<(), Failure> {
    let until = Some(who.until.0);
    let mut there = Vec::new();
    for have in ctx.list::<Membership>(&Query::field("user", id))? {
        let given = who.groups.contains(&have.spec.group);
        match have.spec.until {
            // A manager's own, for as long as the manager wants.
            None => {}
            Some(_) if given => {
                ctx.change::<Membership>(&have.id, None, |spec| {
                    spec.until = until;
                    Ok(())
                })?;
            }
            Some(_) => {
                ctx.delete::<Membership>(&have.id)?;
                continue;
            }
        }
        there.push(have.spec.group);
    }
    for group in &who.groups {
        if there.contains(group) {
            continue;
        }
        if ctx.get::<Group>(group)?.domain != who.domain {
            return Err(denied("a group of another institution was mapped").into());
        }
        let spec = MembershipSpec { group: group.clone(), user: id.clone(), until };
        ctx.create::<Membership>(&who.domain, &"".into(), spec)?;
        there.push(group.clone());
    }
    Ok(())
}

impl Identity {
    /// Makes the user that somebody from outside is here, or brings it up to date, before anything
    /// is issued to it. Whatever refuses it stands in the journal; whoever asked learns nothing.
    pub(crate) fn shadow(&self, call: &Call<'_>, who: &Outsider)
        -> Result<(Id, UserSpec), Failure> {
        let args = serde_json::to_value(who).map_err(|e| Fault::new(format!("a user: {e}")))?;
        let system = Actor::system("identity");
        let mut command = Command::new("identity:user:shadow", system, call.request.clone());
        command.domain = Some(who.domain.clone());
        command.source = call.source.clone();
        match call.cloud.handle.run(Job::Command(Box::new(command.with(args)))) {
            Ok(_) => {}
            Err(Failure::Refused(_)) => {
                return Err(Refusal { recorded: true, ..denied(DENIED) }.into());
            }
            Err(fault) => return Err(fault),
        }
        let id = who.id();
        let spec = self.directory.user(&id)
            .ok_or_else(|| Fault::new("a user that was just made is not in the directory"))?;
        Ok((id, spec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(domain: &str, source: &str, unique: &str) -> Outsider {
        Outsider {
            source: source.into(),
            protocol: "openid".into(),
            unique: unique.into(),
            made: 0,
            name: "ann".into(),
            email: None,
            domain: domain.into(),
            groups: Vec::new(),
            until: Time(0),
        }
    }

    #[test]
    fn one_person_of_one_source_in_one_institution_is_one_id() {
        let all = [("bank", "corp", "7"), ("bank", "corp", "8"), ("bank", "cor", "p7"),
            ("fund", "corp", "7"), ("ban", "kcorp", "7"), ("bank", "corp7", ""),
            ("bank", "corp@fund", "7"), ("bank", "ldap:uid", "7")];
        let mut ids: Vec<Id> = all.iter().map(|(d, s, u)| who(d, s, u).id()).collect();
        assert!(ids.iter().all(|i| i.as_str().len() == 32));
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
        let renamed = Outsider { name: "anna".into(), ..who("bank", "corp", "7") };
        assert_eq!(renamed.id(), who("bank", "corp", "7").id());
        let made_again = who("bank", "corp@bank", "7");
        assert_eq!(made_again.id(), renamed.id(), "whether the institution stands in the row or not");
    }
}
