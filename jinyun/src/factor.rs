//! `jinyun factor`: a second factor of one's own, a one-time code from a shared secret (RFC 6238).
//!
//! The secret is drawn here, handed to the platform over TLS and shown once, as the URI that
//! authenticators read: the platform does not show it again. No picture: a QR code in a terminal
//! needs a library for what a copy and paste does.

use crate::fail::Failed;
use crate::say;
use crate::session::{Session, Wish, query};
use crate::show;
use jinyun_base::{Entropy, OsEntropy, Secret};
use jinyun_rest::list::quoted;
use serde_json::{Value, json};

const CREDENTIALS: &str = "/identity/v3/credentials";
/// Bytes of a shared secret (RFC 4226, R6: at least 16, better 20).
const SECRET: usize = 20;

/// What to do with second factors.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Enrol a new one and show its URI once, for an authenticator.
    Add,
    /// List those that are enrolled, without their secrets.
    List,
}

/// Base32 (RFC 4648) of whole groups of five bytes.
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::with_capacity(bytes.len() * 8 / 5);
    let (mut buffer, mut bits) = (0u32, 0u32);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(DIGITS[(buffer >> bits) as usize & 31]));
        }
        buffer &= (1 << bits) - 1;
    }
    out
}

/// What an authenticator reads.
fn uri(user: &str, domain: &str, secret: &str) -> String {
    let label = quoted(&format!("{user}@{domain}"));
    format!(
        "otpauth://totp/Jinyun:{label}?secret={secret}&issuer=Jinyun&algorithm=SHA1&digits=6&period=30"
    )
}

/// Runs it.
pub fn run(wish: &Wish, command: Command) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let profile = &session.profile;
    match command {
        Command::Add => {
            let mut drawn = vec![0u8; SECRET];
            OsEntropy::default().fill(&mut drawn);
            let bytes = Secret::new(drawn);
            let secret = Secret::new(base32(bytes.expose()));
            let body = json!({ "credential": {
                "type": "totp", "blob": secret.expose(), "user_id": profile.user_id,
            } });
            let answer = session.ask("enrolling the factor", "POST", CREDENTIALS, Some(&body))?;
            let id = answer.pointer("/credential/id").map(show::cell).unwrap_or_default();
            say::err(&format!(
                "Second factor {} is enrolled. Give this to an authenticator; it is not shown again, \
                 and whoever sees it can make your codes:", show::plain(&id)
            ));
            say::out(&uri(&profile.user, &profile.domain, secret.expose()));
        }
        Command::List => {
            let path = query(CREDENTIALS, &[
                ("type", Some("totp".into())), ("user_id", Some(profile.user_id.clone())),
            ]);
            let answer = session.get("the factors", &path)?;
            let all = answer["credentials"].as_array().into_iter().flatten();
            // Keystone shows a credential's secret to whoever may list it. This does not.
            let shown: Vec<Value> = all.map(|c| json!({
                "id": c["id"], "type": c["type"], "user_id": c["user_id"],
            })).collect();
            let rows: Vec<Vec<String>> = shown.iter()
                .map(|c| ["id", "type", "user_id"].map(|name| show::cell(&c[name])).to_vec())
                .collect();
            show::print(wish.output, &Value::from(shown), || {
                show::table(&["ID", "TYPE", "USER"], &rows)
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_written_as_authenticators_read_them() {
        // RFC 4648, 10: groups of five bytes have no padding.
        assert_eq!(base32(b"fooba"), "MZXW6YTB");
        assert_eq!(base32(&[0xff; 20]), "7".repeat(32));
        assert_eq!(base32(b""), "");
    }

    #[test]
    fn a_name_cannot_change_the_uri() {
        let uri = uri("a&secret=x", "bank/y", "ABC");
        assert_eq!(uri, "otpauth://totp/Jinyun:a%26secret%3Dx%40bank%2Fy?secret=ABC&issuer=Jinyun\
            &algorithm=SHA1&digits=6&period=30");
    }
}
