//! The groups `identity` and `ldap` of a domain's configuration: where its people are known.
//!
//! Keystone's API and option names, with two differences that are ours: the security administrator
//! writes the settings and the domain's manager agrees to them (`external`), which shows as
//! `jinyun:agreed` and `jinyun:revision` in `identity`; and the authorities that vouch for a server are
//! text (`jinyun:tls_ca`), not a file of the service's machine. As in Keystone, the service account's
//! password is taken and never shown. A domain without settings has no such groups.

use crate::auth::Identity;
use crate::external::{DirectorySpec, LdapSettings, PASSWORD, UserDirectory, patch, sealed};
use crate::keepers::merged;
use jinyun_base::{Fault, Id, Refusal, Refused, Secret};
use jinyun_engine::{Failure, Have};
use jinyun_policy::Object;
use jinyun_rest::{Body, Call, Reply, Words};
use serde_json::{Map, Value, json};

const IDENTITY: &str = "identity";
const LDAP: &str = "ldap";
const AGREED: &str = "jinyun:agreed";
const REVISION: &str = "jinyun:revision";

/// Whether a path names one of these groups.
pub(super) fn ours(call: &Call<'_>) -> bool {
    [IDENTITY, LDAP].contains(&call.param("group"))
}

/// Whether a change is about these groups.
pub(super) fn asked(call: &Call<'_>) -> bool {
    let named = |group: &str| call.body.get("config").is_some_and(|c| c.get(group).is_some());
    ours(call) || (call.param("group").is_empty() && (named(IDENTITY) || named(LDAP)))
}

fn about(id: &Id) -> Object {
    Object { domain: Some(id.clone()), ..Object::default() }
}

fn found(call: &Call<'_>, id: &Id) -> Result<Option<Have<UserDirectory>>, Fault> {
    call.view(|v| v.get::<UserDirectory>(id))
}

/// The groups as they are shown: nothing of what is not set, and no secret.
fn groups(have: &Have<UserDirectory>) -> Result<(Value, Value), Fault> {
    let spec = &have.spec;
    let identity = json!({
        "driver": if spec.on { "ldap" } else { "sql" },
        AGREED: spec.agreed,
        REVISION: have.generation,
    });
    let mut ldap = super::encoded(&spec.ldap)?;
    if let Some(members) = ldap.as_object_mut() {
        members.retain(|_, v| v.as_str() != Some(""));
    }
    Ok((identity, ldap))
}

/// Adds the groups to a domain's whole configuration, for those who may see them.
pub(super) fn added(call: &Call<'_>, id: &Id, mut reply: Reply) -> Result<Reply, Failure> {
    let show = call.command("identity:directory:show");
    if !call.param("group").is_empty() || !call.cloud.reader.may(&show, &about(id)) {
        return Ok(reply);
    }
    if let Some(have) = found(call, id)?
        && let Body::Json(body) = &mut reply.body
    {
        let (identity, ldap) = groups(&have)?;
        body["config"][IDENTITY] = identity;
        body["config"][LDAP] = ldap;
    }
    Ok(reply)
}

fn unknown(what: &str) -> Failure {
    Refusal::not_found("domain config", what).into()
}

/// One of the groups, or one option of it.
pub(super) fn shown(call: &Call<'_>, id: &Id) -> Result<Reply, Failure> {
    call.cloud.reader.allow(&call.command("identity:directory:show"), &about(id))?;
    let (group, option) = (call.param("group"), call.param("option"));
    let have = found(call, id)?.ok_or_else(|| unknown(group))?;
    let (identity, ldap) = groups(&have)?;
    let members = if group == IDENTITY { identity } else { ldap };
    let config = match option {
        "" => json!({ group: members }),
        // A secret, as one that is not set, is not there.
        option => json!({ option: members.get(option).ok_or_else(|| unknown(option))? }),
    };
    Ok(Reply::ok(json!({ "config": config })))
}

/// The members of both groups that a request names.
type Named<'a> = (Option<Words<'a>>, Option<Words<'a>>);

fn named<'a>(call: &'a Call<'_>) -> Result<Named<'a>, Failure> {
    let config = call.words("config")?;
    let (group, option) = (call.param("group"), call.param("option"));
    if !option.is_empty() {
        // The option itself stands in `config`.
        config.only(&[option])?;
        return Ok(if group == IDENTITY { (Some(config), None) } else { (None, Some(config)) });
    }
    if !group.is_empty() {
        config.only(&[group])?;
        let inside = config.object(group)?
            .ok_or_else(|| Refusal::invalid(group, "is required"))?;
        return Ok(if group == IDENTITY { (Some(inside), None) } else { (None, Some(inside)) });
    }
    if config.has("security_compliance") {
        let say = "is changed by itself: its rules are somebody else's than the directory";
        return Err(Refusal::invalid("security_compliance", say).into());
    }
    config.only(&[IDENTITY, LDAP])?;
    Ok((config.object(IDENTITY)?, config.object(LDAP)?))
}

/// Whether the directory is to be used, if the request says so.
fn driver(words: &Words<'_>) -> Result<Option<bool>, Failure> {
    if words.has(AGREED) || words.has(REVISION) {
        let say = "is the domain manager's to set, by PATCH of the group identity and with nothing else";
        return Err(Refusal::invalid(AGREED, say).into());
    }
    if words.has("list_limit") {
        return Err(Refusal::invalid("list_limit", "is known and not offered").into());
    }
    words.only(&["driver"])?;
    match words.text("driver")?.as_deref() {
        None => Ok(None),
        Some("ldap") => Ok(Some(true)),
        Some("sql") => Ok(Some(false)),
        Some(_) => Err(Refusal::invalid("driver", "must be ldap, or sql for none").into()),
    }
}

/// The manager's yes or no to the settings of a revision.
fn agree(call: &Call<'_>, id: &Id, words: &Words<'_>) -> Result<Reply, Failure> {
    let mut command = call.command("identity:directory:agree").on(id.clone());
    call.cloud.reader.allow(&command, &about(id))?;
    words.only(&[AGREED, REVISION])?;
    found(call, id)?.ok_or_else(|| unknown(IDENTITY))?;
    let yes = words.flag(AGREED)?.ok_or_else(|| Refusal::invalid(AGREED, "is required"))?;
    let revision = words.int(REVISION, 1, i64::MAX)?;
    if yes && revision.is_none() {
        let say = "is required: the revision of the settings that you have looked at (GET shows it)";
        return Err(Refusal::invalid(REVISION, say).into());
    }
    command.args = json!({ "agreed": yes });
    command.if_generation = revision;
    call.run(command)?;
    shown(call, id)
}

/// The service account's password in a request.
fn password(words: &Words<'_>) -> Result<Option<Secret<String>>, Failure> {
    let Some(text) = words.long_text(PASSWORD)?.map(Secret::new) else { return Ok(None) };
    if text.expose().is_empty() || text.expose().len() > crate::external::LONGEST_PASSWORD {
        let say = format!("must have 1 to {} bytes", crate::external::LONGEST_PASSWORD);
        return Err(Refusal::invalid(PASSWORD, say).into());
    }
    Ok(Some(text))
}

/// Whether the password that is kept would be sent to another server, or for another account.
fn moved(old: &LdapSettings, new: &LdapSettings) -> bool {
    (&old.url, old.use_tls, &old.tls_ca, &old.user) != (&new.url, new.use_tls, &new.tls_ca, &new.user)
}

/// Sets the directory of a domain. What is not named stays, or with `whole` is set back.
pub(super) fn change(i: &Identity, call: &Call<'_>, id: &Id, whole: bool) -> Result<Reply, Failure> {
    let (identity, ldap) = named(call)?;
    if let Some(words) = identity.as_ref().filter(|w| w.has(AGREED) && ldap.is_none() && !whole) {
        return agree(call, id, words);
    }
    let mut command = call.command("identity:directory:update");
    command.domain = Some(id.clone());
    call.cloud.reader.allow(&command, &about(id))?;
    let have = found(call, id)?;
    let old = have.as_ref().map(|h| h.spec.clone()).unwrap_or_default();
    let mut new = DirectorySpec { domain: Some(id.clone()), ..old.clone() };
    if whole && call.param("group").is_empty() {
        new.on = false;
    }
    if whole && call.param("group") != IDENTITY {
        new.ldap = LdapSettings::default();
    }
    if let Some(words) = &identity {
        new.on = driver(words)?.unwrap_or(new.on);
    }
    let mut secret = None;
    if let Some(words) = &ldap {
        new.ldap = merged(LDAP, &new.ldap, &patch(words)?)?;
        secret = password(words)?;
    }
    new.ldap.check()?;
    let Some(client) = i.desk().client() else {
        let say = "User directories of domains are not offered on this platform.";
        return Err(Refusal::new(Refused::NotOffered, say).into());
    };
    client.check(&new.ldap)?;
    let kept = have.is_some() && call.view(|v| v.has_secret("directory", id, PASSWORD))?;
    match (&secret, new.ldap.user.is_empty()) {
        (Some(_), true) => {
            return Err(Refusal::invalid("user", "is required with password").into());
        }
        (None, false) if !kept || moved(&old.ldap, &new.ldap) => {
            let say = "is required: of a new service account, and again with each change of url, \
                       use_tls, jinyun:tls_ca or user, so that it goes to no server it was not meant for";
            return Err(Refusal::invalid(PASSWORD, say).into());
        }
        (Some(secret), false) => {
            command.secrets.push((PASSWORD.into(), sealed(i.kms(), id, secret)?));
        }
        (None, _) => {}
    }
    command.args = super::encoded(&new)?;
    // Of two changes at the same time, one would be undone by the other.
    command.if_generation = have.as_ref().map(|h| h.generation);
    call.run(command)?;
    let mut config = Map::new();
    if let Some(now) = found(call, id)? {
        let (identity, ldap) = groups(&now)?;
        config.insert(IDENTITY.into(), identity);
        config.insert(LDAP.into(), ldap);
    }
    let reply = match call.param("group") {
        "" => Reply::ok(json!({ "config": config })),
        _ => shown_changed(call, config)?,
    };
    Ok(Reply { status: if whole && have.is_none() { 201 } else { 200 }, ..reply })
}

/// After a change of one group or option, just that. A password that was set is not there.
fn shown_changed(call: &Call<'_>, mut config: Map<String, Value>) -> Result<Reply, Failure> {
    let (group, option) = (call.param("group"), call.param("option"));
    let members = config.remove(group).unwrap_or_default();
    let config = match option {
        "" => json!({ group: members }),
        option => members.get(option).map_or_else(|| json!({}), |value| json!({ option: value })),
    };
    Ok(Reply::ok(json!({ "config": config })))
}

/// Takes a domain's directory away. Its people keep their rows and have no way in.
pub(super) fn delete(call: &Call<'_>, id: &Id) -> Result<Reply, Failure> {
    let command = call.command("identity:directory:delete").on(id.clone());
    call.cloud.reader.allow(&command, &about(id))?;
    if found(call, id)?.is_none() {
        return Err(unknown(call.param("group")));
    }
    call.run(command)?;
    Ok(Reply::empty(204))
}
