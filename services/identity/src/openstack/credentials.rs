//! Credentials (`/v3/credentials`) and Keystone's older face of them for pairs of keys (`OS-EC2`).
//!
//! Unlike Keystone, a secret is shown once, to the user who makes the credential, and never again:
//! not to its owner, not to anybody's administrator.

use super::application_credentials::random_secret;
use super::{link, listed, many, may, missing, object, own_hand};
use crate::auth::Identity;
use crate::credential::{Credential, CredentialSpec, EC2, TOTP, seal};
use crate::totp;
use jinyun_base::{Entropy, Fault, Id, OsEntropy, Refusal, Refused, Secret};
use jinyun_engine::{Command, Failure, Have, Query};
use jinyun_rest::{Call, Reply, Route, Shape, Words};
use serde_json::{Value, json};
use std::sync::Arc;

const ACTION: &str = "identity:credential:create";

impl Shape for Credential {
    const ONE: &'static str = "credential";
    const MANY: &'static str = "credentials";
    const CHANGE: &'static str = "PATCH";

    /// Credentials are made with their blob, by [`create`].
    fn create(call: &Call<'_>) -> Result<Command, Failure> {
        Ok(call.command(ACTION))
    }

    fn update(_: &Call<'_>, _: &Have<Credential>) -> Result<Command, Failure> {
        let say = "A credential does not change: delete it and make another one.";
        Err(Refusal::new(Refused::Forbidden, say).into())
    }

    fn show(have: &Have<Credential>, call: &Call<'_>) -> Result<Value, Fault> {
        let spec = &have.spec;
        let mut shown = json!({
            "id": have.id, "type": spec.kind, "user_id": spec.user, "project_id": spec.project,
            "blob": null,
            "links": { "self": link(call, &format!("/v3/credentials/{}", have.id)) },
        });
        if !spec.access.is_empty() {
            shown["access"] = spec.access.as_str().into();
        }
        Ok(shown)
    }
}

/// 32 letters in base32: 20 random bytes, as authenticators take them.
fn random_seed() -> Secret<String> {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut dice = OsEntropy::default();
    let letters = (0..32).map(|_| char::from(LETTERS[(dice.below(32) % 32) as usize]));
    Secret::new(letters.collect())
}

fn random_access() -> String {
    Id::hex(&mut OsEntropy::default()).to_string()
}

/// Keeps a credential whose secret is not yet sealed. Returns its row.
fn keep(i: &Identity, call: &Call<'_>, spec: &CredentialSpec, secret: &Secret<String>)
    -> Result<Have<Credential>, Failure> {
    let id = Id::hex(&mut OsEntropy::default());
    let mut args = super::encoded(spec)?;
    args["id"] = id.as_str().into();
    let mut command = call.command(ACTION).with(args);
    command.secrets.push(("blob".into(), Secret::new(seal(i.kms(), &id, secret)?)));
    call.run(command)?;
    call.again::<Credential>(&id)
}

/// Whether the caller may make one for this user at all: before anything is looked up.
fn begin(i: &Identity, call: &Call<'_>, user: &str) -> Result<(), Failure> {
    call.cloud.reader.allow(&call.command(ACTION), &Default::default())?;
    own_hand(i, call, "Making a credential")?;
    if user != call.actor.id.as_str() {
        let say = "A credential is made by the user whose it is.";
        return Err(Refusal::new(Refused::Forbidden, say).into());
    }
    Ok(())
}

/// A project in which the caller can work.
fn workplace(i: &Identity, call: &Call<'_>, project: Id) -> Result<Id, Failure> {
    match i.directory.projects_of(&call.actor.id, i.now()).contains(&project) {
        true => Ok(project),
        false => Err(missing("project", project.as_str())),
    }
}

/// The pair of keys in a blob: JSON in a string, as Keystone has it.
fn pair(blob: &Secret<String>) -> Result<(String, Secret<String>), Failure> {
    let wrong = || Refusal::invalid("blob",
        "must be a JSON object in a string, with access (16 to 64 letters and digits) and secret \
         (16 to 255 characters)");
    let value: Value = serde_json::from_str(blob.expose()).map_err(|_| wrong())?;
    let members = value.as_object().ok_or_else(wrong)?;
    let words = Words::new("blob", members);
    words.only(&["access", "secret"])?;
    let access = words.text("access")?.filter(|a| {
        (16..=64).contains(&a.len()) && a.chars().all(|c| c.is_ascii_alphanumeric())
    });
    let secret = words.long_text("secret")?.map(Secret::new)
        .filter(|s| (16..=255).contains(&s.expose().chars().count()));
    Ok((access.ok_or_else(wrong)?, secret.ok_or_else(wrong)?))
}

fn create(i: &Identity, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("credential")?;
    words.only(&["type", "blob", "user_id", "project_id"])?;
    let user = words.text("user_id")?.unwrap_or_else(|| call.actor.id.to_string());
    begin(i, call, &user)?;
    let blob = words.long_text("blob")?.map(Secret::new);
    let project = words.text("project_id")?.map(Id::new);
    let kind = words.need("type")?.to_ascii_lowercase();
    i.may_add_credential(call, &kind)?;
    let (access, project, secret) = match (kind.as_str(), project) {
        (EC2, Some(project)) => {
            let (access, secret) = match &blob {
                Some(blob) => pair(blob)?,
                None => (random_access(), random_secret()),
            };
            (access, Some(workplace(i, call, project)?), secret)
        }
        (EC2, None) => return Err(Refusal::invalid("project_id", "is required for ec2").into()),
        (TOTP, None) => {
            let seed = blob.unwrap_or_else(random_seed);
            if totp::secret(seed.expose()).is_none() {
                let say = "must be at least 16 bytes in base32; left out, one is made";
                return Err(Refusal::invalid("blob", say).into());
            }
            (String::new(), None, seed)
        }
        (TOTP, Some(_)) => {
            return Err(Refusal::invalid("project_id", "has no meaning for totp").into());
        }
        _ => {
            let say = "must be ec2 or totp; a passkey is made by POST /v3/OS-JINYUN/passkeys";
            return Err(Refusal::invalid("type", say).into());
        }
    };
    let spec = CredentialSpec { kind, user: user.into(), project, access };
    let have = keep(i, call, &spec, &secret)?;
    let mut shown = Credential::show(&have, call)?;
    shown["blob"] = match spec.kind.as_str() {
        EC2 => json!({ "access": spec.access, "secret": secret.expose() }).to_string().into(),
        _ => secret.expose().as_str().into(),
    };
    Ok(Reply::with(201, json!({ "credential": shown })))
}

pub(super) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    const MANY: &str = "/v3/credentials";
    const ONE: &str = "/v3/credentials/{id}";
    let [i1, i2, i3, i4] = [(); 4].map(|()| identity.clone());
    let mut all = vec![
        Route::new("POST", MANY, ACTION, move |call| create(&i1, call)),
        Route::new("GET", MANY, Credential::action("list"), move |call| {
            own_hand(&i2, call, "Listing credentials")?;
            let query = match (call.ask("user_id"), call.actor.domain_of_scope()) {
                (Some(user), _) => Query::field("user", user),
                // A manager's view is the institution; everybody else's their own.
                (None, Some(d)) if call.actor.project().is_none() => {
                    Query { domain: Some(d.clone()), ..Query::default() }
                }
                _ if call.actor.duty.is_some() => Query::default(),
                _ => Query::field("user", &call.actor.id),
            };
            listed::<Credential>(call, MANY, query, |_| true)
        }),
        Route::new("GET", ONE, Credential::action("show"), move |call| {
            own_hand(&i3, call, "Reading a credential")?;
            let have = call.show::<Credential>(call.param("id"))?;
            Ok(Reply::ok(json!({ "credential": Credential::show(&have, call)? })))
        }),
        Route::new("PATCH", ONE, Credential::action("update"), |call| {
            let have = call.show::<Credential>(call.param("id"))?;
            Credential::update(call, &have).map(|_| Reply::empty(204))
        }),
        Route::new("DELETE", ONE, Credential::action("delete"), move |call| {
            own_hand(&i4, call, "Deleting a credential")?;
            let have = call.show::<Credential>(call.param("id"))?;
            // Whoever has stolen a password must not be able to take the second factor away.
            i4.may_delete_credential(call, &have.spec)?;
            call.run(call.command("identity:credential:delete").on(have.id))?;
            Ok(Reply::empty(204))
        }),
    ];
    all.extend(pairs(identity));
    all
}

/// A pair of keys as `OS-EC2` shows it, without its secret.
fn pair_shown(have: &Have<Credential>, call: &Call<'_>) -> Value {
    let spec = &have.spec;
    let path = format!("/v3/users/{}/credentials/OS-EC2/{}", spec.user, spec.access);
    json!({
        "access": spec.access, "user_id": spec.user, "tenant_id": spec.project, "trust_id": null,
        "links": { "self": link(call, &path) },
    })
}

/// Pairs of keys of the user in the path that the caller may see.
fn held(call: &Call<'_>) -> Result<Vec<Have<Credential>>, Failure> {
    let all = call.view(|v| v.list::<Credential>(&Query::field("user", call.param("user"))))?;
    Ok(all.into_iter().filter(|have| have.spec.kind == EC2)
        .filter(|have| may(call, "identity:credential:list", &object(have))).collect())
}

fn one_pair(call: &Call<'_>) -> Result<Have<Credential>, Failure> {
    let found = held(call)?.into_iter().find(|have| have.spec.access == call.param("access"));
    found.ok_or_else(|| missing("credential", call.param("access")))
}

fn pairs(identity: &Arc<Identity>) -> Vec<Route> {
    const MANY: &str = "/v3/users/{user}/credentials/OS-EC2";
    const ONE: &str = "/v3/users/{user}/credentials/OS-EC2/{access}";
    let [i1, i2, i3, i4] = [(); 4].map(|()| identity.clone());
    vec![
        Route::new("GET", MANY, Credential::action("list"), move |call| {
            own_hand(&i1, call, "Listing credentials")?;
            let shown = held(call)?.iter().map(|have| pair_shown(have, call)).collect();
            many(call, MANY, "credentials", shown)
        }),
        Route::new("POST", MANY, ACTION, move |call| {
            let user = call.param("user");
            begin(&i2, call, user)?;
            i2.may_add_credential(call, EC2)?;
            let project = call.body.get("tenant_id").and_then(Value::as_str)
                .ok_or_else(|| Refusal::invalid("tenant_id", "is required"))?;
            let project = workplace(&i2, call, project.into())?;
            let (access, secret) = (random_access(), random_secret());
            let spec = CredentialSpec { kind: EC2.into(), user: user.into(),
                project: Some(project), access };
            let mut shown = pair_shown(&keep(&i2, call, &spec, &secret)?, call);
            shown["secret"] = secret.expose().as_str().into();
            Ok(Reply::with(201, json!({ "credential": shown })))
        }),
        Route::new("GET", ONE, Credential::action("show"), move |call| {
            own_hand(&i3, call, "Reading a credential")?;
            Ok(Reply::ok(json!({ "credential": pair_shown(&one_pair(call)?, call) })))
        }),
        Route::new("DELETE", ONE, Credential::action("delete"), move |call| {
            own_hand(&i4, call, "Deleting a credential")?;
            let have = one_pair(call)?;
            call.run(call.command("identity:credential:delete").on(have.id))?;
            Ok(Reply::empty(204))
        }),
    ]
}
