//! `jinyun passwd`: changes a password, also one that has to be changed before it is of any use.
//!
//! Passwords come from the terminal without an echo, or as lines from standard input; never from a
//! command line, which everybody on the machine can read.

use crate::ask;
use crate::client::Client;
use crate::instance::Instance;
use crate::say;
use jinyun_base::{Fault, Secret};
use serde_json::{Value, json};

/// Whose password.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// The user's name.
    user: String,
    /// The user's domain.
    #[arg(long, default_value = "Default")]
    domain: String,
}

/// The user's id: from a login, or from the words that refuse one whose password has to change.
fn user_id(client: &Client, options: &Options, old: &Secret<String>) -> Result<String, Fault> {
    let body = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": {
            "name": options.user,
            "domain": { "name": options.domain },
            "password": old.expose(),
        } } },
        "scope": "unscoped",
    } });
    let answer = client.send("POST", "/identity/v3/auth/tokens", None, Some(&body))?;
    // Whoever needs a second factor gets a receipt for the first: that is proof enough here.
    let known = ["/token/user/id", "/receipt/user/id"];
    if let Some(id) = known.iter().find_map(|at| answer.body.pointer(at)?.as_str()) {
        return Ok(id.into());
    }
    let message = answer.body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    match message.split_once("needs to be changed for user: ") {
        Some((_, id)) => Ok(id.trim_end_matches('.').into()),
        None => Err(Fault::new(format!("{} is not let in: {message}", options.user))),
    }
}

/// Runs it.
pub fn run(instance: &Instance, options: &Options) -> Result<(), Fault> {
    let settings = instance.settings()?;
    let client = Client::new(settings.management_port, &instance.state.join("ca.pem"))?;
    let old = ask::secret("Old password")?;
    let new = ask::secret("New password")?;
    if ask::somebody() && ask::secret("New password again")?.expose() != new.expose() {
        return Err(Fault::new("the two new passwords differ; nothing was changed"));
    }
    let id = user_id(&client, options, &old)?;
    let body = json!({ "user": { "original_password": old.expose(), "password": new.expose() } });
    let answer =
        client.send("POST", &format!("/identity/v3/users/{id}/password"), None, Some(&body))?;
    if answer.status != 204 {
        let message = answer.body.pointer("/error/message").and_then(Value::as_str);
        return Err(Fault::new(message.unwrap_or("the change was refused").to_string()));
    }
    say::out(&format!("The password of {} is changed; its tokens are void.", options.user));
    Ok(())
}
