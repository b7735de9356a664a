//! `jinyun login --browser`: somebody lets this program in on the platform's sign-in page (RFC 8628).
//!
//! So that whoever signs in by a passkey can use a command line, which has none, and so that a password
//! need not be typed here at all. Nothing listens here and no browser is started: the address can be
//! opened on whatever machine has the passkey.

use crate::client::{Answer, Ask, Client};
use crate::fail::{Failed, SIGN_IN, UNREACHABLE, refused};
use crate::say;
use crate::show;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const DEVICE: &str = "/identity/v3/OS-JINYUN/device";
const TOKENS: &str = "/identity/v3/auth/tokens";
/// By so much the protocol has a program be slower that was too quick, in seconds.
const SLOWER: u64 = 5;
/// Bounds on what a platform may say of the pace and of the time that there is, in seconds.
const PACE: (u64, u64) = (1, 60);
const TIME: (u64, u64) = (1, 3600);

/// What a poll's answer means.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// Ask again after so many seconds.
    Wait(u64),
    /// It is over.
    Over(Failed),
    /// The platform has decided; the answer says how.
    Decided,
}

/// What is meant for people of what the platform says.
fn heard(answer: &Answer, pace: u64) -> Heard {
    let said = answer.body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    let word = said.split(':').next().unwrap_or_default();
    let over = |say: &str| Heard::Over(Failed::new(SIGN_IN, say));
    match (answer.status, word) {
        (401, "authorization_pending") => Heard::Wait(pace),
        (401, "slow_down") => Heard::Wait((pace + SLOWER).min(PACE.1)),
        (401, "expired_token") => over("nobody has let this program in in time: sign in again"),
        (401, "access_denied") => over("this program was refused on the sign-in page"),
        // Busy, or between two of its processes.
        (502..=504, _) => Heard::Wait(pace),
        _ => Heard::Decided,
    }
}

/// What this program says it is: people compare it with what they have started.
fn client_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(char::is_ascii_graphic).take(48).collect();
    match host.as_str() {
        "" => "jinyun login".into(),
        host => format!("jinyun login on {host}"),
    }
}

/// Has somebody let this program in. The answer is that of a sign-in.
pub fn sign_in(client: &Client, scope: Option<&Value>) -> Result<Answer, Failed> {
    let body = json!({ "device": { "client": client_name() } });
    let ask = Ask { method: "POST", path: DEVICE, body: Some(&body), ..Ask::default() };
    let answer = client.ask(&ask)?;
    let made = &answer.body["device"];
    let text = |name: &str| made[name].as_str().filter(|text| !text.is_empty());
    let all = (text("device_code"), text("user_code"), text("verification_uri"));
    let (201, (Some(code), Some(shown), Some(page))) = (answer.status, all) else {
        return Err(refused("asking to be let in", &answer));
    };
    let page = text("verification_uri_complete").unwrap_or(page);
    say::err("Open this in a browser, sign in there, and allow this program if the code is the same:");
    say::err(&format!("\n    {}\n    {}\n", show::plain(page), show::plain(shown)));
    let number = |name: &str, usual: u64, (low, high): (u64, u64)| {
        made[name].as_u64().unwrap_or(usual).clamp(low, high)
    };
    let (begun, time) = (Instant::now(), Duration::from_secs(number("expires_in", 600, TIME)));
    let mut pace = number("interval", 5, PACE);
    let mut auth = json!({ "identity": { "methods": ["device"], "device": { "device_code": code } } });
    if let Some(scope) = scope {
        auth["scope"] = scope.clone();
    }
    let body = json!({ "auth": auth });
    let poll = Ask { path: TOKENS, body: Some(&body), ..ask };
    loop {
        std::thread::sleep(Duration::from_secs(pace));
        let late = begun.elapsed() > time;
        match client.ask(&poll) {
            Ok(answer) => match heard(&answer, pace) {
                Heard::Decided => return Ok(answer),
                Heard::Over(failed) => return Err(failed),
                Heard::Wait(_) if late => {
                    return Err(Failed::new(SIGN_IN, "nobody has let this program in in time"));
                }
                Heard::Wait(next) => pace = next,
            },
            // As after a pause of the network: the protocol wants it slower then.
            Err(failed) if failed.code == UNREACHABLE && !late => pace = (pace * 2).min(PACE.1),
            Err(failed) => return Err(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_understood() {
        let answer = |status, say: &str| Answer {
            status, body: json!({ "error": { "message": say } }), ..Answer::default()
        };
        for (status, say, want) in [
            (401, "authorization_pending: nobody has answered yet", Some(2)),
            (401, "slow_down: ask once in 7 seconds", Some(7)),
            (503, "The request could not be carried out", Some(2)),
            (401, "The request you have made requires authentication.", None),
            (400, "authorization_pending", None),
            (201, "", None),
        ] {
            let got = heard(&answer(status, say), 2);
            assert_eq!(got, want.map_or(Heard::Decided, Heard::Wait), "{status} {say}");
        }
        assert_eq!(heard(&answer(401, "slow_down"), PACE.1), Heard::Wait(PACE.1));
        for say in ["expired_token: begin again", "access_denied: it was refused"] {
            match heard(&answer(401, say), 2) {
                Heard::Over(failed) => assert_eq!(failed.code, SIGN_IN),
                other => panic!("{say}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_program_has_a_name_that_the_platform_takes() {
        let name = client_name();
        assert!(name.starts_with("jinyun login") && name.len() <= 64, "{name}");
    }
}
