//! Key pairs: public SSH keys, to be handed to guests, that a user brings or has made.
//!
//! What is kept is the public half alone, whoever made the pair. One that the platform makes is made
//! in front of the write path: the private half is in the answer to the request, once, and neither a
//! command nor a record ever has it. A key pair belongs to a user, not to a project; the protocol
//! knows it by its name, which is exclusive among the user's own by a claim.

use crate::pair::Pair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jinyun_base::{Fault, Id, Kind, OsEntropy, Refusal};
use jinyun_engine::{
    Claim, Command, Ctx, Failure, Have, Link, OnDelete, Place, Query, Resource, View,
};
use jinyun_rest::{Call, Reply, Route};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind.
pub struct Keypair;

/// What a key pair is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeypairSpec {
    /// Unique among the user's.
    pub name: String,
    /// The user.
    pub user: Id,
    /// `<type> <base64> [comment]`.
    pub public_key: String,
    /// MD5 of the key with colons.
    pub fingerprint: String,
    /// It goes with its user's record. Key pairs that were made before this was so do not: what
    /// follows from a record must not change under it, the journal says what there is.
    #[serde(default)]
    pub bound: bool,
}

/// The longest public key that is taken, in bytes (RSA with 16384 bits has 2.8 KiB).
const LONGEST: usize = 16_384;
/// The types of key that OpenSSH has.
const TYPES: &[&str] = &["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-dss"];
const SPACE: &str = "keypair";
/// The kind of people's records, which are the identity service's.
const USER: &str = "user";

fn word(user: &Id, name: &str) -> String {
    format!("{user}/{name}")
}

impl Resource for Keypair {
    const SERVICE: &'static str = "compute";
    const KIND: Kind = Kind("keypair");
    type Spec = KeypairSpec;
    type Status = ();

    fn name(spec: &KeypairSpec) -> &str {
        &spec.name
    }

    fn owner(have: &Have<Keypair>) -> Option<Id> {
        Some(have.spec.user.clone())
    }

    fn check(new: &KeypairSpec, _: Option<&KeypairSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        let safe = |c: char| c.is_ascii_alphanumeric() || "-_ @.".contains(c);
        if new.name.trim().is_empty() || new.name.len() > 255 || !new.name.chars().all(safe) {
            let say = "must have 1 to 255 letters, digits, spaces and any of -_@.";
            return Err(Refusal::invalid("name", say).into());
        }
        Ok(())
    }

    fn claims(spec: &KeypairSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: SPACE.into(),
            word: word(&spec.user, &spec.name),
            taken: format!("Key pair '{}' already exists.", spec.name),
        }]
    }

    fn links(spec: &KeypairSpec) -> Vec<Link> {
        let user = Link {
            role: "user",
            kind: USER,
            id: spec.user.clone(),
            on_delete: OnDelete::Cascade,
        };
        if spec.bound { vec![user] } else { Vec::new() }
    }

    fn fields(spec: &KeypairSpec) -> Vec<(&'static str, String)> {
        vec![("user", spec.user.to_string())]
    }
}

/// A user's key pair of this name.
pub fn find(view: &mut View<'_>, user: &Id, name: &str)
    -> Result<Option<Have<Keypair>>, Fault> {
    match view.claimed(SPACE, &word(user, name))? {
        Some((_, id)) => view.get::<Keypair>(&id),
        None => Ok(None),
    }
}

/// The key in one line, and its fingerprint.
pub fn read_key(text: &str) -> Result<(String, String), Refusal> {
    let bad = |what: &str| {
        Refusal::invalid("public_key", format!("{what}: give one line as in a file `id_*.pub`"))
    };
    let line = text.trim();
    if line.len() > LONGEST {
        return Err(bad("is too long"));
    }
    if line.chars().any(char::is_control) {
        return Err(bad("has more than one line"));
    }
    let mut parts = line.split_ascii_whitespace();
    let (Some(kind), Some(body)) = (parts.next(), parts.next()) else {
        return Err(bad("has no key in it"));
    };
    if !TYPES.contains(&kind) {
        return Err(bad("is of no type that is known"));
    }
    let blob = STANDARD.decode(body).map_err(|_| bad("is not base64"))?;
    // The key repeats its type, with its length before it (RFC 4253, 6.6).
    let inside = blob.get(4..4 + kind.len());
    let length = u32::try_from(kind.len()).unwrap_or(0).to_be_bytes();
    if blob.get(..4) != Some(length.as_slice()) || inside != Some(kind.as_bytes()) {
        return Err(bad("does not hold the type of key that it names"));
    }
    let pairs: Vec<String> = Md5::digest(&blob).iter().map(|b| format!("{b:02x}")).collect();
    Ok((line.into(), pairs.join(":")))
}

/// Keeps a public key for the one who asks.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let text = |name: &str| command.args.get(name).and_then(Value::as_str).unwrap_or_default();
    let (public_key, fingerprint) = read_key(text("public_key"))?;
    let spec = KeypairSpec {
        name: text("name").into(),
        user: ctx.actor.id.clone(),
        public_key,
        fingerprint,
        // Where people are records.
        bound: ctx.registry().kind_names().contains(&USER),
    };
    let domain = ctx.actor.domain.clone();
    let row = ctx.create::<Keypair>(&domain, &"".into(), spec)?;
    Ok(json!({ "id": row.id }))
}

/// The caller's own key pair that the path names.
fn mine(call: &Call<'_>, action: &str) -> Result<Have<Keypair>, Failure> {
    let name = call.param("name");
    match call.view(|view| find(view, &call.actor.id, name))? {
        Some(have) => call.cloud.reader.show(&call.command(action).on(have.id)),
        None => Err(Refusal::not_found("Keypair", name).into()),
    }
}

fn show(have: &Have<Keypair>) -> Value {
    // Nova numbers its key pairs. Nobody uses the number; some check that it is there.
    let number = have.id.as_str().get(..7).and_then(|h| i64::from_str_radix(h, 16).ok());
    json!({
        "id": number.unwrap_or(0),
        "name": have.spec.name,
        "public_key": have.spec.public_key,
        "fingerprint": have.spec.fingerprint,
        "user_id": have.spec.user,
        "created_at": have.created.naive(),
        "updated_at": null,
        "deleted": false,
        "deleted_at": null,
    })
}

fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let mut found = call.list::<Keypair>(&Query::field("user", &call.actor.id))?;
    found.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let shown: Vec<Value> = found.iter().map(|have| json!({ "keypair": {
        "name": have.spec.name,
        "public_key": have.spec.public_key,
        "fingerprint": have.spec.fingerprint,
    } })).collect();
    Ok(Reply::ok(json!({ "keypairs": shown })))
}

/// Keeps the public key that is given, or that of a pair that is made now: as Nova before 2.92.
fn add(call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("keypair")?;
    words.only(&["name", "public_key", "type", "user_id"])?;
    if words.value("type").is_some_and(|t| t.as_str() != Some("ssh")) {
        return Err(Refusal::invalid("type", "must be \"ssh\": no other is offered").into());
    }
    if words.value("user_id").is_some_and(|u| u.as_str() != Some(call.actor.id.as_str())) {
        return Err(Refusal::invalid("user_id", "is somebody else: leave it out").into());
    }
    let name = words.need("name")?;
    let given = words.long_text("public_key")?;
    let made = given.is_none().then(|| Pair::random(&mut OsEntropy::default()));
    let key = given.or_else(|| made.as_ref().map(|pair| pair.public.clone()));
    let args = json!({ "name": name, "public_key": key });
    let mut command = call.command("compute:keypair:create").with(args);
    if made.is_some() {
        // Empty: the private half does not go there. But a command with a secret is refused where it
        // would have to wait for an approval, and so must this be: the key would be gone by then.
        command = command.secret("private_key", Vec::new());
    }
    let answer = call.run(command)?;
    let id: Id = answer.value.get("id").and_then(Value::as_str).unwrap_or_default().into();
    let have = call.again::<Keypair>(&id)?;
    let mut shown = json!({
        "name": have.spec.name,
        "public_key": have.spec.public_key,
        "fingerprint": have.spec.fingerprint,
        "user_id": have.spec.user,
    });
    if let Some(pair) = made {
        shown["private_key"] = pair.private.expose().as_str().into();
    }
    Ok(Reply::ok(json!({ "keypair": shown })))
}

fn show_one(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = mine(call, "compute:keypair:show")?;
    Ok(Reply::ok(json!({ "keypair": show(&have) })))
}

fn delete(call: &Call<'_>) -> Result<Reply, Failure> {
    let have = mine(call, "compute:keypair:show")?;
    call.run(call.command("compute:keypair:delete").on(have.id))?;
    Ok(Reply::empty(202))
}

/// The operations.
pub(crate) fn routes() -> Vec<Route> {
    let (all, one) = ("/v2.1/os-keypairs", "/v2.1/os-keypairs/{name}");
    vec![
        Route::new("GET", all, "compute:keypair:list", list),
        Route::new("POST", all, "compute:keypair:create", add),
        Route::new("GET", one, "compute:keypair:show", show_one),
        Route::new("DELETE", one, "compute:keypair:delete", delete),
    ]
}

#[cfg(test)]
mod tests {
    use super::read_key;

    const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwN\
                      Dg8QERITFBUWFxgZGhscHR4f";

    #[test]
    fn keys_are_read_as_nova_reads_them() {
        let (line, print) = read_key(&format!(" {ED} ann@desk\n")).unwrap();
        assert_eq!(line, format!("{ED} ann@desk"));
        assert_eq!(print.len(), 47);
        assert_eq!(print, FINGERPRINT);
        for bad in ["", "ssh-ed25519", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAAB", "rsa AAAA",
            "ssh-ed25519 ???", "ssh-ed25519 AAAA\nssh-rsa AAAA"] {
            assert!(read_key(bad).is_err(), "{bad}");
        }
    }

    const FINGERPRINT: &str = "0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba";
}
