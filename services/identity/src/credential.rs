//! Credentials that a user brings or is given: the shared secret of one-time codes (`totp`) and
//! pairs of access and secret key (`ec2`).
//!
//! Unlike a password, these are needed in the clear to check a proof, so a hash will not do. The
//! blob is sealed by the key service and bound to the row's id: a copy of the database opens none,
//! and a blob that is moved to another row opens neither. The command carries it sealed already, so
//! no part of the write path ever holds it in the clear.

use crate::auth::both;
use crate::passkey::{HAS_ONE, Passkey};
use crate::user::end_sessions;
use jinyun_base::{Entropy, Fault, Id, Kind, Refusal, Refused, Secret};
use jinyun_engine::{
    Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Query, Reader, Resource, View,
};
use jinyun_kms::{Kms, Sealed};
use jinyun_policy::{PROVIDER, Who};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Pairs of keys.
pub const EC2: &str = "ec2";
/// One-time codes.
pub const TOTP: &str = "totp";
/// How many credentials a user has at most.
const MOST: usize = 20;
/// What to do instead of deleting a second factor.
pub(crate) const RESET: &str = "A second factor is deleted by its owner, with a token that was got \
    with password and totp, or with a passkey. If it is lost, reset it: POST \
    /v3/users/{id}/OS-JINYUN/reset_factors.";

/// The kind.
pub struct Credential;

/// What a credential is, without its blob.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CredentialSpec {
    /// `ec2` or `totp`.
    pub kind: String,
    /// Whose it is.
    pub user: Id,
    /// Where it signs in to (`ec2`).
    #[serde(default)]
    pub project: Option<Id>,
    /// The access key; empty but for `ec2`.
    #[serde(default)]
    pub access: String,
}

impl Resource for Credential {
    const SERVICE: &'static str = "identity";
    const KIND: Kind = Kind("credential");
    type Spec = CredentialSpec;
    type Status = ();

    fn id(dice: &mut dyn Entropy) -> Id {
        Id::hex(dice)
    }

    fn name(_: &CredentialSpec) -> &str {
        ""
    }

    fn owner(have: &Have<Credential>) -> Option<Id> {
        Some(have.spec.user.clone())
    }

    fn check(_: &CredentialSpec, _: Option<&CredentialSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        Ok(())
    }

    fn claims(spec: &CredentialSpec, _: &Place) -> Vec<Claim> {
        if spec.access.is_empty() {
            return Vec::new();
        }
        vec![Claim {
            space: "ec2-access".into(),
            word: spec.access.clone(),
            taken: "There is a credential with this access key.".into(),
        }]
    }

    fn links(spec: &CredentialSpec) -> Vec<Link> {
        let on_delete = OnDelete::Cascade;
        let mut links = vec![Link { role: "user", kind: "user", id: spec.user.clone(), on_delete }];
        if let Some(project) = &spec.project {
            links.push(Link { role: "project", kind: "project", id: project.clone(), on_delete });
        }
        links
    }

    fn fields(spec: &CredentialSpec) -> Vec<(&'static str, String)> {
        vec![("user", spec.user.to_string())]
    }
}

/// Keeps a credential of the caller's. Its id comes with the command: the blob is sealed for it. With one
/// factor a device for one-time codes only if there is no second factor yet: two requests with one stolen
/// password can both have been right a moment ago.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let spec: CredentialSpec = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("credential", format!("cannot be read: {e}")))?;
    let id = command.args.get("id").and_then(Value::as_str).map(Id::new)
        .ok_or_else(|| Fault::new("a credential without an id"))?;
    if spec.user != ctx.actor.id {
        let say = "A credential is made by the user whose it is.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    let held = ctx.list::<Credential>(&Query::field("user", &spec.user))?;
    if spec.kind == TOTP && !both(&command.via.methods) {
        let passkeys = ctx.list::<Passkey>(&Query::field("user", &spec.user))?;
        if !passkeys.is_empty() || held.iter().any(|c| c.spec.kind == TOTP) {
            return Err(Refusal::new(Refused::Forbidden, HAS_ONE).into());
        }
    }
    if held.len() >= MOST {
        let say = format!("A user has at most {MOST} credentials: delete one first.");
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    let at = Place { domain: ctx.actor.domain.clone(), project: "".into(), id };
    let row = ctx.create_at::<Credential>(at, spec)?;
    for (name, secret) in &command.secrets {
        ctx.put_secret("credential", &row.id, name, secret.expose())?;
    }
    Ok(json!({ "id": row.id }))
}

/// Deletes a credential: one's own, or a pair of keys of somebody else by the institution's manager
/// (of staff, by the security administrator). A second factor of somebody else goes with all that
/// has to go with it, or not at all (`auth::routes::reset_factors`). With a device of one's own all ends
/// that one has signed in to: nothing tells which of it was by that device.
pub(crate) fn delete(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("credential_id", "is missing").into());
    };
    let have = ctx.get::<Credential>(id)?;
    if have.spec.kind == TOTP && ctx.permit().because() != Who::Owner {
        return Err(Refusal::new(Refused::Forbidden, RESET).into());
    }
    if matches!(ctx.permit().because(), Who::Duty(_)) && have.domain.as_str() != PROVIDER {
        let say = "Credentials of an institution's people are its manager's.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    ctx.delete::<Credential>(id)?;
    if have.spec.kind == TOTP {
        end_sessions(ctx, &have.spec.user)?;
    }
    Ok(Value::Null)
}

fn about(id: &Id) -> String {
    format!("credential {id}")
}

/// Seals a blob for the row of this id.
pub(crate) fn seal(kms: &Kms, id: &Id, blob: &Secret<String>) -> Result<Sealed, Fault> {
    kms.seal_record(&about(id), blob.expose().as_bytes())
}

fn open(kms: &Kms, reader: &Reader, id: &Id) -> Result<Option<Secret<String>>, Fault> {
    let Some(sealed) = reader.lend(|db| db.secret("credential", id, "blob"))? else {
        return Ok(None);
    };
    let bad = || Fault::new(format!("the blob of credential {id} does not open"));
    let plain = kms.open_record(&about(id), &sealed).ok_or_else(bad)?;
    let text = std::str::from_utf8(plain.expose()).map_err(|_| bad())?;
    Ok(Some(Secret::new(text.to_string())))
}

/// A user's blobs of one kind: for `totp` the shared secret in base32.
pub fn blobs(kms: &Kms, reader: &Reader, user: &Id, kind: &str)
    -> Result<Vec<(Id, Secret<String>)>, Fault> {
    let held = reader.view(|v| v.list::<Credential>(&Query::field("user", user)))?;
    let mut blobs = Vec::new();
    for have in held.into_iter().filter(|h| h.spec.kind == kind) {
        if let Some(blob) = open(kms, reader, &have.id)? {
            blobs.push((have.id, blob));
        }
    }
    Ok(blobs)
}

/// The pair of this access key: what it is, and the secret key.
pub fn ec2(kms: &Kms, reader: &Reader, access: &str)
    -> Result<Option<(CredentialSpec, Secret<String>)>, Fault> {
    let found = reader.view(|v| match v.claimed("ec2-access", access)? {
        Some((_, id)) => v.get::<Credential>(&id),
        None => Ok(None),
    })?;
    let Some(have) = found else { return Ok(None) };
    Ok(open(kms, reader, &have.id)?.map(|secret| (have.spec, secret)))
}
