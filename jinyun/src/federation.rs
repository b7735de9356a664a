//! `jinyun federation`: the public keys of an institution's own identity provider.
//!
//! Problem: tokens of an OpenID provider are checked by the provider's keys, which change, and the
//! platform itself fetches nothing from addresses that a tenant names: whoever may set them could
//! look into the provider's networks with it. Mechanism: this command runs where the institution's
//! manager sits, reads what the provider says of itself (OpenID Connect Discovery 1.0) and hands
//! the keys over as the manager. A timer that runs it follows a rotation.

use crate::client::{self, Ask, Client};
use crate::fail::{FAILED, Failed, USAGE};
use crate::say;
use crate::session::{Session, Wish};
use crate::show;
use jinyun_base::Fault;
use jinyun_rest::list::quoted;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const PROVIDERS: &str = "/identity/v3/OS-FEDERATION/identity_providers";
/// The CAs that this machine trusts.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What to do with identity providers.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Hand the provider's issuer and public keys over, read from the provider or from a file.
    Keys {
        /// The identity provider's id here.
        provider: String,
        /// The provider's issuer, like https://login.example; its discovery document is read.
        #[arg(long, value_name = "URL", required_unless_present = "jwks")]
        issuer: Option<String>,
        /// A file with the keys (a JWK set), instead of asking the provider for them.
        #[arg(long, value_name = "FILE")]
        jwks: Option<PathBuf>,
        /// The CA that signed the provider's certificate, if not one that this machine trusts.
        #[arg(long, value_name = "FILE", default_value = TRUSTED, conflicts_with = "jwks")]
        ca: PathBuf,
        /// For whom the provider's tokens have to be made out (`aud`), in place of all that were good
        /// before. May be given several times.
        #[arg(long)]
        audience: Vec<String>,
    },
}

/// The path of an address, with its query.
fn path(url: &str) -> String {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    let path = path.split('#').next().unwrap_or_default();
    if path.is_empty() { "/".into() } else { path.into() }
}

/// Where a provider tells about itself (Discovery 1.0, 4): the issuer with this behind it.
fn discovery(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

fn fetch(url: &str, ca: &Path) -> Result<Value, Failed> {
    let path = path(url);
    if !path.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failed::new(FAILED, format!("`{}` is no address", show::plain(url))));
    }
    let ask = Ask { method: "GET", path: &path, ..Ask::default() };
    let answer = Client::at(url, ca)?.ask(&ask)?;
    match answer.status {
        200 if answer.body.is_object() => Ok(answer.body),
        200 => Err(Failed::new(FAILED, format!("{}: the answer is no JSON object", show::plain(url)))),
        status => Err(Failed::new(FAILED, format!("{}: HTTP {status}", show::plain(url)))),
    }
}

/// The keys of the provider, by its own word. The issuer must be exactly the one that was asked for
/// (Discovery 1.0, 4.3): otherwise one provider could hand out another's keys as its own.
fn discover(issuer: &str, ca: &Path) -> Result<Value, Failed> {
    let document = fetch(&discovery(issuer), ca)?;
    let says = document["issuer"].as_str().unwrap_or_default();
    if says != issuer {
        return Err(Failed::new(FAILED, format!(
            "the provider at {issuer} calls itself `{}`: give --issuer exactly as it does",
            show::plain(says)
        )));
    }
    let keys = document["jwks_uri"].as_str().ok_or_else(|| {
        Failed::new(FAILED, format!("the provider at {issuer} names no jwks_uri"))
    })?;
    fetch(keys, ca)
}

fn read(file: &Path) -> Result<Value, Failed> {
    let bad = |e: &dyn std::fmt::Display| Fault::new(format!("{}: {e}", file.display()));
    let text = fs::read(file).map_err(|e| bad(&e))?;
    Ok(serde_json::from_slice(&text).map_err(|e| bad(&e))?)
}

/// Members of a public key (RFC 7517, 7518, 8037) that are needed to check by it. Providers add
/// certificates and names of their own; nothing else is handed over.
const MEMBERS: &[&str] = &["kty", "use", "alg", "kid", "crv", "x", "y", "n", "e"];

fn public(set: &Value) -> Result<Value, Failed> {
    let keys = set["keys"].as_array().ok_or_else(|| {
        Failed::new(FAILED, "this is no JWK set: it has no list `keys` (RFC 7517, 5)")
    })?;
    let kept = keys.iter().filter_map(Value::as_object)
        // What encrypts does not sign.
        .filter(|key| key.get("use").and_then(Value::as_str) != Some("enc"))
        .map(|key| {
            let known = key.iter().filter(|(name, _)| MEMBERS.contains(&name.as_str()));
            Value::Object(known.map(|(name, value)| (name.clone(), value.clone())).collect())
        });
    Ok(json!({ "keys": kept.collect::<Vec<_>>() }))
}

/// Runs it.
pub fn run(wish: &Wish, command: Command) -> Result<(), Failed> {
    let Command::Keys { provider, issuer, jwks, ca, audience } = command;
    if let (Some(issuer), None) = (&issuer, &jwks) {
        client::spoken(issuer).map_err(|say| Failed::new(USAGE, format!("--issuer: {say}")))?;
    }
    let session = Session::open(wish)?;
    let set = match (&jwks, &issuer) {
        (Some(file), _) => read(file)?,
        (None, Some(issuer)) => discover(issuer, &ca)?,
        (None, None) => return Err(Failed::new(FAILED, "give --issuer or --jwks")),
    };
    let set = public(&set)?;
    let mut change = Map::new();
    if let Some(issuer) = issuer {
        change.insert("jinyun:issuer".into(), issuer.into());
    }
    if !audience.is_empty() {
        change.insert("jinyun:audiences".into(), audience.into());
    }
    let count = set["keys"].as_array().map_or(0, Vec::len);
    change.insert("jinyun:jwks".into(), set);
    let path = format!("{PROVIDERS}/{}", quoted(&provider));
    let body = json!({ "identity_provider": change });
    let answer = session.ask("handing the keys over", "PATCH", &path, Some(&body))?;
    show::print(wish.output, &answer["identity_provider"], || {
        let issuer = show::cell(&answer["identity_provider"]["jinyun:issuer"]);
        format!("{}: {count} keys of {}", show::plain(&provider), show::plain(&issuer))
    });
    say::err(
        "Tokens that other keys signed are refused from now on; where a key is gone, whoever came by the \
         provider signs in again.",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(discovery("https://a.example/realms/bank/"),
            "https://a.example/realms/bank/.well-known/openid-configuration");
        for (url, want) in [("https://a/b?c=d#e", "/b?c=d"), ("https://a", "/"), ("https://a/", "/")] {
            assert_eq!(path(url), want, "{url}");
        }
    }

    #[test]
    fn only_what_checks_signatures_is_handed_over() {
        let set = json!({ "keys": [
            { "kty": "RSA", "n": "x", "e": "AQAB", "kid": "1", "x5c": ["y"], "d": "secret" },
            { "kty": "RSA", "n": "x", "e": "AQAB", "use": "enc" },
            "nothing",
        ] });
        let want = json!({ "keys": [{ "kty": "RSA", "n": "x", "e": "AQAB", "kid": "1" }] });
        assert_eq!(public(&set).unwrap(), want);
        assert!(public(&json!({ "kty": "RSA" })).is_err());
    }
}
