//! `jinyun passwd`: changes a password, also one that has to be changed before it is of any use.
//!
//! Passwords come from the terminal without an echo, or as lines from standard input; never from a
//! command line, which everybody on the machine can read.

use crate::ask;
use crate::client::{Answer, Client};
use crate::fail::{Failed, REFUSED, SIGN_IN, refused};
use crate::instance::Instance;
use crate::login::named;
use crate::say;
use crate::show::plain;
use jinyun_rest::list::quoted;
use serde_json::{Value, json};

/// Whose password.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// The user's name.
    user: String,
    /// The user's domain, by name or id.
    #[arg(long, default_value = "Default")]
    domain: String,
}

/// The user's id: from a login, or from the words that refuse one whose password has to change.
fn user_id(user: &str, answer: &Answer) -> Result<String, Failed> {
    // Whoever needs a second factor gets a receipt for the first: that is proof enough here.
    let known = ["/token/user/id", "/receipt/user/id"];
    if let Some(id) = known.iter().find_map(|at| answer.body.pointer(at)?.as_str()) {
        return Ok(id.into());
    }
    let message = answer.body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    match (answer.status, message.split_once("needs to be changed for user: ")) {
        (_, Some((_, id))) => Ok(id.trim_end_matches('.').into()),
        (401, None) => Err(Failed::new(SIGN_IN, format!(
            "{} is not let in: {}: look at the name, its domain (--domain) and the old password",
            plain(user), plain(message.trim_end_matches('.'))
        ))),
        _ => Err(refused("looking for the user", answer)),
    }
}

/// Runs it.
pub fn run(instance: &Instance, options: &Options) -> Result<(), Failed> {
    let settings = instance.settings()?;
    let client = Client::new(settings.management_port, &instance.state.join("ca.pem"))?;
    let old = ask::secret("Old password")?;
    let new = ask::secret("New password")?;
    if ask::somebody() && ask::secret("New password again")?.expose() != new.expose() {
        return Err(Failed::new(REFUSED, "the two new passwords differ; nothing was changed"));
    }
    let body = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": {
            "name": options.user, "domain": named(&options.domain), "password": old.expose(),
        } } },
        "scope": "unscoped",
    } });
    let answer = client.send("POST", "/identity/v3/auth/tokens", None, Some(&body))?;
    let path = format!("/identity/v3/users/{}/password", quoted(&user_id(&options.user, &answer)?));
    let body = json!({ "user": { "original_password": old.expose(), "password": new.expose() } });
    let answer = client.send("POST", &path, None, Some(&body))?;
    if answer.status != 204 {
        return Err(refused("changing the password", &answer));
    }
    say::out(&format!("The password of {} is changed; its tokens are void.", plain(&options.user)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fail::UNREACHABLE;

    #[test]
    fn whose_password_it_is_is_known_from_any_answer_that_proves_the_old_one() {
        let said = |message: &str| json!({ "error": { "message": message } });
        let change = "The password is expired and needs to be changed for user: u1.";
        for (status, body, want) in [
            (201, json!({ "token": { "user": { "id": "u1" } } }), Ok("u1")),
            (401, json!({ "receipt": { "user": { "id": "u1" } } }), Ok("u1")),
            (401, said(change), Ok("u1")),
            (401, said("The request requires authentication."), Err(SIGN_IN)),
            (400, said("name is too long."), Err(REFUSED)),
            (503, said("busy"), Err(UNREACHABLE)),
        ] {
            let got = user_id("ann", &Answer { status, body, ..Answer::default() });
            assert_eq!(got.as_deref().map_err(|failed| failed.code), want, "{status}");
        }
        let evil = Answer { status: 401, body: said("no\u{1b}[2J"), ..Answer::default() };
        let failed = user_id("ann", &evil).unwrap_err();
        assert!(failed.say.contains("--domain") && !failed.say.contains('\u{1b}'), "{}", failed.say);
    }
}
