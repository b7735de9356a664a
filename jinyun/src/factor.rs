//! `jinyun factor`: factors of one's own: one-time codes from a shared secret (RFC 6238), and passkeys.
//!
//! A passkey is made by a browser and by nothing else: here one is told where, sees those that there are
//! and takes them away. To change a factor takes a sign-in by hand: a program that was let in on the
//! sign-in page hears where that is. For codes, the secret is drawn here, handed to the platform over
//! TLS and shown once, as the URI that authenticators read: the platform does not show it again. No
//! picture: a QR code in a terminal needs a library for what a copy and paste does.

use crate::fail::{FAILED, FORBIDDEN, Failed, MISSING};
use crate::say;
use crate::session::{Session, Wish, query};
use crate::show;
use jinyun_base::{Entropy, OsEntropy, Secret};
use jinyun_rest::list::quoted;
use serde_json::{Value, json};

const CREDENTIALS: &str = "/identity/v3/credentials";
const PASSKEYS: &str = "/identity/v3/OS-JINYUN/passkeys";
/// What a list shows of each factor.
const COLUMNS: [&str; 5] = ["id", "type", "name", "created_at", "last_used_at"];
/// Bytes of a shared secret (RFC 4226, R6: at least 16, better 20).
const SECRET: usize = 20;

/// What to do with second factors.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Enrol a device for one-time codes and show its URI once, for an authenticator.
    Add {
        /// A passkey instead: print the address of the page on which a browser makes one.
        #[arg(long)]
        passkey: bool,
    },
    /// List those that are enrolled, without their secrets.
    List,
    /// Take one away.
    Remove {
        /// Its id, as `factor list` shows it.
        id: String,
    },
}

/// Where a browser finds the sign-in page: by the name that passkeys are made for, at the port of the
/// listener that was asked.
fn page(url: &str, name: &str) -> String {
    match url.rsplit_once(':').map(|(_, port)| port) {
        Some("443") | None => format!("https://{name}/sign-in?add"),
        Some(port) => format!("https://{name}:{port}/sign-in?add"),
    }
}

/// One's own passkeys.
fn passkeys(session: &Session) -> Result<Vec<Value>, Failed> {
    match session.get("the passkeys", PASSKEYS) {
        Ok(answer) => Ok(answer["passkeys"].as_array().cloned().unwrap_or_default()),
        // A platform from before there were any.
        Err(failed) if failed.code == MISSING => Ok(Vec::new()),
        Err(failed) => Err(failed),
    }
}

/// Where the sign-in page is. The name of its host is told with each challenge: passkeys are its.
fn sign_in_page(session: &Session) -> Result<String, Failed> {
    let path = format!("{PASSKEYS}/challenge");
    let answer = session.ask("asking where passkeys are made", "POST", &path, Some(&json!({})))?;
    let name = answer.pointer("/passkey_challenge/publicKey/rpId").and_then(Value::as_str);
    let name = name.ok_or_else(|| Failed::new(FAILED, "the platform does not say where to go"))?;
    Ok(page(&session.profile.url, &show::plain(name)))
}

fn add_passkey(session: &Session) -> Result<(), Failed> {
    let page = sign_in_page(session)?;
    say::err("A passkey is made by a browser. Open this there, sign in, and add it:");
    say::out(&page);
    Ok(())
}

/// Whether a sign-in was let in by a browser.
fn let_in(token: &Value) -> bool {
    token["methods"].as_array().is_some_and(|methods| methods.iter().any(|m| m == "device"))
}

/// Refuses what takes a sign-in by hand to a program that was let in by a browser, and says what to do:
/// the platform would refuse it as well, and does not know how this program signs in.
fn by_hand(session: &Session) -> Result<(), Failed> {
    let body = session.good("asking how one has signed in", session.ask_of_token("GET")?)?;
    if !let_in(&body["token"]) {
        return Ok(());
    }
    let page = sign_in_page(session).map(|page| format!(", {page}")).unwrap_or_default();
    Err(Failed::new(FORBIDDEN, format!(
        "this sign-in was let in by a browser and changes no factors: do it on the sign-in page{page}, or \
         sign in with `jinyun login {}` and a one-time code", show::plain(&session.profile.user)
    )))
}

fn remove(session: &Session, id: &str) -> Result<(), Failed> {
    by_hand(session)?;
    let passkey = passkeys(session)?.iter().any(|p| p["id"] == id);
    let (what, list) = if passkey { ("passkey", PASSKEYS) } else { ("factor", CREDENTIALS) };
    let path = format!("{list}/{}", quoted(id));
    // A pair of keys lies among the credentials, too, and ends nothing.
    let factor = passkey
        || session.get("the factor", &path)?.pointer("/credential/type").is_some_and(|t| t == "totp");
    session.ask("taking it away", "DELETE", &path, None)?;
    say::out(&format!("The {what} {} is taken away.", show::plain(id)));
    if factor {
        say::out("All your sign-ins are over, this one too: sign in again with `jinyun login`.");
    }
    Ok(())
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
        Command::Add { passkey: true } => add_passkey(&session)?,
        Command::Remove { id } => remove(&session, &id)?,
        Command::Add { passkey: false } => {
            by_hand(&session)?;
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
            let mut shown: Vec<Value> = all.map(|c| json!({
                "id": c["id"], "type": c["type"], "user_id": c["user_id"],
            })).collect();
            shown.extend(passkeys(&session)?.iter().map(|p| json!({
                "id": p["id"], "type": "passkey", "user_id": profile.user_id, "name": p["name"],
                "created_at": p["created_at"], "last_used_at": p["last_used_at"],
            })));
            let rows: Vec<Vec<String>> = shown.iter()
                .map(|c| COLUMNS.map(|name| show::cell(&c[name])).to_vec()).collect();
            show::print(wish.output, &Value::from(shown), || {
                show::table(&["ID", "TYPE", "NAME", "CREATED", "LAST USED"], &rows)
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
    fn the_page_is_found_by_its_name() {
        for (url, want) in [
            ("https://127.0.0.1:8443", "https://cloud.example:8443/sign-in?add"),
            ("https://[::1]:8444", "https://cloud.example:8444/sign-in?add"),
            ("https://cloud.example:443", "https://cloud.example/sign-in?add"),
        ] {
            assert_eq!(page(url, "cloud.example"), want, "{url}");
        }
    }

    #[test]
    fn a_program_that_was_let_in_is_told_from_somebody_at_a_keyboard() {
        for (token, want) in [
            (json!({ "methods": ["password", "totp"] }), false),
            (json!({ "methods": ["device", "passkey"] }), true),
            (json!({ "methods": [] }), false),
            (json!({}), false),
            (Value::Null, false),
        ] {
            assert_eq!(let_in(&token), want, "{token}");
        }
    }

    #[test]
    fn a_name_cannot_change_the_uri() {
        let uri = uri("a&secret=x", "bank/y", "ABC");
        assert_eq!(uri, "otpauth://totp/Jinyun:a%26secret%3Dx%40bank%2Fy?secret=ABC&issuer=Jinyun\
            &algorithm=SHA1&digits=6&period=30");
    }
}
