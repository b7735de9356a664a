//! Signing in by the word of an institution's own identity provider: only by tokens that the
//! registered key has signed, for this cloud, in force, and only as somebody of the institution.
//!
//! The synthetic institution gets a provider whose key is made here and forgotten with the run. Each
//! token that must be refused differs from the one that is taken in one thing. It is no key of the
//! platform's: nothing that the key service keeps could sign in the place of a stranger.

use super::logins::{NO, Twin};
use super::{By, Came, Cast, Play, Sent, letters};
use crate::stage::DOMAIN;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use jinyun_base::{Entropy, Id, OsEntropy, Time};
use jinyun_engine::Query;
use jinyun_identity::{Group, Membership, User};
use jinyun_policy::PROVIDER;
use serde_json::{Value, json};

const CHECK: &str = "federated-sign-in";
/// For whom the tokens are made, and somebody for whom they are not.
const AUDIENCE: &str = "jinyun-evidence";
const ELSEWHERE: &str = "elsewhere";
/// The name of the provider's key.
const KID: &str = "evidence";
/// From where these people come: failures count for it, and for nobody else.
const PLACE: u16 = 4;
/// How long a token is in force, in seconds.
const LIFE: i64 = 300;
/// The refusals of a rule that reaches beyond its institution.
const OUTSIDE: &[&str] = &["invalid", "forbidden", "not_found"];

/// An identity provider.
struct Issuer {
    pair: Ed25519KeyPair,
    name: String,
}

impl Issuer {
    fn new(name: &str) -> Result<Issuer, String> {
        let mut seed = [0u8; 32];
        OsEntropy::default().fill(&mut seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed);
        let pair = pair.map_err(|_| "the provider's key was not made".to_string())?;
        Ok(Issuer { pair, name: name.into() })
    }

    /// Its public key, as it publishes it.
    fn keys(&self) -> Value {
        let public: &[u8] = self.pair.public_key().as_ref();
        let x = B64.encode(public);
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": KID, "x": x }] })
    }

    /// What it says of somebody.
    fn claims(&self, now: Time, sub: &str, name: &str) -> Value {
        // The next second: a token that is older than its provider is refused.
        let made = now.0.div_euclid(Time::SECOND) + 1;
        json!({
            "iss": self.name, "aud": AUDIENCE, "sub": sub, "iat": made, "exp": made + LIFE,
            "preferred_username": name,
        })
    }

    /// A signed token.
    fn token(&self, claims: &Value) -> Result<String, String> {
        let head = json!({ "alg": "EdDSA", "typ": "JWT", "kid": KID });
        let text = unsigned(&head, claims);
        let signature = self.pair.try_sign(text.as_bytes());
        let signature = signature.map_err(|_| "a token was not signed".to_string())?;
        let signature: &[u8] = signature.as_ref();
        Ok(format!("{text}.{}", B64.encode(signature)))
    }
}

/// The part of a token that is signed.
fn unsigned(head: &Value, claims: &Value) -> String {
    format!("{}.{}", B64.encode(head.to_string()), B64.encode(claims.to_string()))
}

/// Claims with one of them set.
fn with(claims: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims.clone();
    claims[name] = value.into();
    claims
}

/// Where a provider, a way in and a mapping of this run are.
struct Doors {
    idp: String,
    provider: String,
    mappings: [String; 2],
}

impl Doors {
    fn new(ending: &str) -> Doors {
        let idp = format!("evidence-{ending}");
        let at = |what: &str, id: &str| format!("/v3/OS-FEDERATION/{what}/{id}");
        Doors {
            provider: at("identity_providers", &idp),
            mappings: [at("mappings", &idp), at("mappings", &format!("{idp}-local"))],
            idp,
        }
    }

    /// Of the two ways in: one makes users of whom the provider names, the other takes local ones.
    fn protocol(&self, local: bool) -> String {
        format!("{}/protocols/{}", self.provider, if local { "local" } else { "openid" })
    }

    /// A sign-in.
    fn sign(&self, local: bool, token: String) -> Sent {
        // Its address names the institution behind its provider.
        let behind = format!("{}@{DOMAIN}", self.provider);
        let path = self.protocol(local).replace(&self.provider, &behind);
        Sent::new("identity", "GET", format!("{path}/auth")).bearing(token)
    }

    /// Signs in.
    fn enter(&self, play: &mut Play<'_>, local: bool, token: String) -> Came {
        let source = play.place(PLACE);
        play.go(self.sign(local, token).at(source))
    }
}

/// Makes a thing of federation.
fn put(play: &mut Play<'_>, cast: &Cast, path: &str, body: Value) -> Came {
    play.go(Sent::new("identity", "PUT", path).by(&cast.boss).with(body))
}

fn mapping(rules: Value) -> Value {
    json!({ "mapping": { "rules": rules } })
}

/// Signs in by a provider of the institution's own, and tries what such a one must not do.
pub(super) fn sign_in(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let doors = Doors::new(&play.ending);
    let came = tried(play, cast, &doors);
    // What could not be taken away goes with the institution.
    for path in [doors.protocol(false), doors.protocol(true), doors.provider.clone(),
        doors.mappings[0].clone(), doors.mappings[1].clone()] {
        play.go(Sent::new("identity", "DELETE", path).by(&cast.boss));
    }
    came
}

fn tried(play: &mut Play<'_>, cast: &Cast, doors: &Doors) -> Result<(), String> {
    let issuer = Issuer::new(&format!("https://{}.invalid", doors.idp))?;
    furnish(play, cast, doors, &issuer)?;
    let group = json!({ "group": { "name": format!("fed-{}", play.ending) } });
    let came = play.go(Sent::new("identity", "POST", "/v3/groups").by(&cast.boss).with(group));
    let group = came.id("group")?;
    let name = format!("fay-{}", play.ending);
    let good = issuer.claims(play.now(), &letters(12), &name);
    let groups = json!([group, strange_group(play)?]);
    let token = issuer.token(&with(&good, "groups", groups))?;
    let came = doors.enter(play, false, token);
    play.works(CHECK, "a token that the registered key has signed", &came);
    let id = came.text("/token/user/id")?;
    let session = By::Token(came.token);
    belongs(play, &Id::new(id), &Id::new(group))?;
    let source = play.place(PLACE);
    let look = || Sent::new("identity", "GET", "/v3/auth/projects").by(&session).at(source.clone());
    let came = play.go(look());
    play.works(CHECK, "the session of such a sign-in", &came);
    forged(play, doors, &issuer, &good)?;
    others(play, cast, doors, &issuer)?;
    factors(play, cast, doors, &issuer)?;
    let off = json!({ "identity_provider": { "enabled": false } });
    let came =
        play.go(Sent::new("identity", "PATCH", &*doors.provider).by(&cast.boss).with(off));
    play.works(CHECK, "a provider that its manager shuts", &came);
    let came = play.go(look());
    play.stopped(CHECK, "a session that came by a provider which was shut", &came, NO);
    let came = doors.enter(play, false, issuer.token(&good)?);
    play.stopped(CHECK, "a sign-in by a provider which was shut", &came, NO);
    Ok(())
}

/// A refusal that says nothing of another domain is about something else.
fn far_off(came: Came) -> Came {
    match came.ok() || came.says.contains("another domain") {
        true => came,
        false => Came::refused("fault", came.says),
    }
}

/// The provider with its keys, two mappings and two ways in; and mappings that reach too far.
fn furnish(play: &mut Play<'_>, cast: &Cast, doors: &Doors, issuer: &Issuer)
    -> Result<(), String> {
    let far = json!([{
        "local": [{ "user": { "name": "{0}", "domain": { "id": PROVIDER } } }],
        "remote": [{ "type": "sub" }],
    }]);
    let came = far_off(put(play, cast, &doors.mappings[0], mapping(far)));
    play.stopped(CHECK, "a mapping that makes users of the provider's staff", &came, OUTSIDE);
    let far = json!([{
        "local": [{ "user": { "name": "{0}" } },
            { "groups": "operators", "domain": { "id": PROVIDER } }],
        "remote": [{ "type": "sub" }],
    }]);
    let came = far_off(put(play, cast, &doors.mappings[0], mapping(far)));
    play.stopped(CHECK, "a mapping that gives groups of another institution", &came, OUTSIDE);
    let body = |domain: Option<&str>| {
        let mut made = json!({
            "enabled": true, "remote_ids": [issuer.name], "jinyun:audiences": [AUDIENCE],
            "jinyun:jwks": issuer.keys(), "jinyun:multi_factor": { "amr_any_of": [["pwd", "otp"]] },
        });
        if let Some(domain) = domain {
            made["domain_id"] = domain.into();
        }
        json!({ "identity_provider": made })
    };
    let came = put(play, cast, &doors.provider, body(Some(PROVIDER)));
    play.stopped(CHECK, "an identity provider for the provider's staff", &came, OUTSIDE);
    put(play, cast, &doors.provider, body(None)).done("an identity provider")?;
    let outside = json!([
        { "local": [{ "user": { "name": "{0}" } }], "remote": [{ "type": "preferred_username" }] },
        { "local": [{ "group_ids": "{0}" }], "remote": [{ "type": "groups" }] },
    ]);
    let local = json!([
        { "local": [{ "user": { "id": "{0}", "type": "local" } }], "remote": [{ "type": "sub" }] },
    ]);
    for (path, rules, is_local) in
        [(&doors.mappings[0], outside, false), (&doors.mappings[1], local, true)]
    {
        put(play, cast, path, mapping(rules)).done("a mapping")?;
        let id = path.rsplit('/').next().unwrap_or_default();
        let way = json!({ "protocol": { "mapping_id": id } });
        put(play, cast, &doors.protocol(is_local), way).done("a way to sign in")?;
    }
    Ok(())
}

/// A group that is not the institution's; one that nobody has, where there is no other.
fn strange_group(play: &Play<'_>) -> Result<Id, String> {
    let groups = play.scene.cloud.reader.view(|v| v.list::<Group>(&Query::default()));
    let groups = groups.map_err(|e| e.to_string())?;
    let strange = groups.into_iter().find(|group| group.domain.as_str() != DOMAIN);
    Ok(strange.map_or_else(|| Id::hex(&mut OsEntropy::default()), |group| group.id))
}

/// What somebody became by the mapping: a user of the institution, in its own group alone.
fn belongs(play: &mut Play<'_>, user: &Id, group: &Id) -> Result<(), String> {
    let read = play.scene.cloud.reader.view(|v| {
        Ok((v.get::<User>(user)?, v.list::<Membership>(&Query::field("user", user))?))
    });
    let (user, inside) = read.map_err(|e| e.to_string())?;
    let ours = user.is_some_and(|user| user.domain.as_str() == DOMAIN);
    play.control(CHECK, "a user of the institution by the mapping", ours);
    let given = inside.iter().any(|have| have.spec.group == *group);
    play.control(CHECK, "a group of the institution by the mapping", given);
    let other = inside.iter().any(|have| have.spec.group != *group);
    play.never(CHECK, "a group by the mapping that is not the institution's", other);
    let endless = inside.iter().any(|have| have.spec.until.is_none());
    play.never(CHECK, "a group by the mapping without an end", endless);
    Ok(())
}

/// Tokens that differ from a good one in one thing.
fn forged(play: &mut Play<'_>, doors: &Doors, issuer: &Issuer, good: &Value)
    -> Result<(), String> {
    let stranger = Issuer::new(&issuer.name)?;
    for (what, token) in [
        ("a token by a key that is not registered", stranger.token(good)?),
        ("a token of another issuer",
            issuer.token(&with(good, "iss", "https://other.invalid"))?),
        ("a token for another audience", issuer.token(&with(good, "aud", ELSEWHERE))?),
        ("a token without a signature",
            format!("{}.", unsigned(&json!({ "alg": "none", "typ": "JWT" }), good))),
    ] {
        let came = doors.enter(play, false, token);
        play.stopped(CHECK, what, &came, NO);
    }
    ended(play, doors, issuer, good)
}

/// The same token, good and then past its end: nothing but the time is another.
fn ended(play: &mut Play<'_>, doors: &Doors, issuer: &Issuer, good: &Value)
    -> Result<(), String> {
    // It knows whom the token is about: the sign-in before has made them.
    let twin = Twin::new(play)?;
    let (token, source) = (issuer.token(good)?, play.place(PLACE));
    let came = twin.send(play, doors.sign(false, token.clone()).at(source.clone()));
    play.works(CHECK, "a token before its end", &came);
    // A minute is the leeway for clocks that are apart.
    twin.moves(LIFE + 61);
    let came = twin.send(play, doors.sign(false, token).at(source));
    play.stopped(CHECK, "the same token once it has ended", &came, NO);
    Ok(())
}

/// Good tokens that would make somebody else of their bearer.
fn others(play: &mut Play<'_>, cast: &Cast, doors: &Doors, issuer: &Issuer)
    -> Result<(), String> {
    let named = issuer.claims(play.now(), &letters(12), &cast.ann_is.name);
    let came = doors.enter(play, false, issuer.token(&named)?);
    play.stopped(CHECK, "a good token that takes a local user's name", &came, NO);
    let own = issuer.claims(play.now(), &cast.ann_is.id, "ann");
    let came = doors.enter(play, true, issuer.token(&own)?);
    play.works(CHECK, "a good token for a local user whom the mapping may name", &came);
    let here = Query { domain: Some(PROVIDER.into()), ..Query::default() };
    let staff = play.scene.cloud.reader.view(|v| v.list::<User>(&here));
    let staff = staff.map_err(|e| e.to_string())?.into_iter().next();
    let staff = staff.ok_or("the provider has no staff")?;
    let own = issuer.claims(play.now(), staff.id.as_str(), "staff");
    let came = doors.enter(play, true, issuer.token(&own)?);
    play.stopped(CHECK, "a good token for one of the provider's staff", &came, NO);
    Ok(())
}

/// Where two factors are asked for, the provider's word counts if its token shows them, and only then.
fn factors(play: &mut Play<'_>, cast: &Cast, doors: &Doors, issuer: &Issuer)
    -> Result<(), String> {
    // Somebody else: whoever shows two factors ends her own weaker sessions.
    let name = format!("flo-{}", play.ending);
    let good = issuer.claims(play.now(), &letters(12), &name);
    let one = issuer.token(&with(&good, "amr", json!(["pwd"])))?;
    let two = issuer.token(&with(&good, "amr", json!(["pwd", "otp"])))?;
    play.rules(&cast.manager, json!({ "multi_factor": true }))?;
    let (without, shown) = (doors.enter(play, false, one), doors.enter(play, false, two));
    play.rules(&cast.manager, json!({ "multi_factor": false }))?;
    play.stopped(CHECK, "a good token that shows one factor where two are asked for", &without, NO);
    play.works(CHECK, "a good token that shows two", &shown);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_signed_by_the_key_that_is_published() {
        let issuer = Issuer::new("https://a.invalid").unwrap();
        let claims = issuer.claims(Time(1_500_000), "7", "ann");
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(2), &json!(302)));
        let token = issuer.token(&claims).unwrap();
        let (text, signature) = token.rsplit_once('.').unwrap();
        let key = B64.decode(issuer.keys()["keys"][0]["x"].as_str().unwrap()).unwrap();
        let key = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, key);
        let signature = B64.decode(signature).unwrap();
        assert!(key.verify(text.as_bytes(), &signature).is_ok());
        assert!(key.verify(b"other", &signature).is_err());
        let other = with(&claims, "aud", "b");
        assert_eq!((other["aud"].as_str(), &other["sub"]), (Some("b"), &claims["sub"]));
    }
}
