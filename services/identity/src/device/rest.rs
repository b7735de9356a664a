//! How it looks from outside: a program asks, somebody who is signed in answers, the program polls with
//! an ordinary sign-in (method `device`).

use super::{Asks, Eyes, INTERVAL, LIFE, No, Poll, Verdict};
use crate::auth::{BY_HAND, Identity, denied, has_hand};
use crate::names;
use crate::token::Token;
use jinyun_base::{OsEntropy, Refusal, Refused};
use jinyun_engine::{Command, Ctx, Failure, Registry, Verb};
use jinyun_policy::{Actor, Object, Rule, Who};
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Value, json};
use std::sync::Arc;

const OPEN: &str = "identity:device:open";
const SHOW: &str = "identity:device:show";
const ALLOW: &str = "identity:device:allow";
const REFUSE: &str = "identity:device:refuse";

/// The place of one that waits.
const ONE: &str = "/v3/OS-JINYUN/device/{user_code}";
/// Longest name that a program gives itself, in characters: people have to read it.
const CLIENT: usize = 64;

const RULES: &[Rule] = &[
    // It asks before anybody has said who they are.
    Rule { action: OPEN, allow: &[Who::Nobody] },
    // Whoever knows the short code; it is bounded how often one may be wrong.
    Rule { action: SHOW, allow: &[Who::User] },
    // About the one who answers: it is that account which the program is let into.
    Rule { action: ALLOW, allow: &[Who::Owner] },
    Rule { action: REFUSE, allow: &[Who::Owner] },
];

/// Registers it.
pub(crate) fn register(registry: &mut Registry) {
    registry
        .action(OPEN, "user", Verb::Own(record))
        .action(SHOW, "user", Verb::Read)
        .action(ALLOW, "user", Verb::Own(record))
        .action(REFUSE, "user", Verb::Own(record))
        .rules(RULES);
}

/// Changes nothing: what was asked and what was answered is for the journal.
fn record(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    ctx.note(command.args.clone());
    Ok(Value::Null)
}

/// A refusal in RFC 8628's words. Polls are not journaled one by one: the answer is.
fn told(say: impl Into<String>) -> Failure {
    Refusal { recorded: true, ..denied(say) }.into()
}

fn forbidden(say: &str) -> Failure {
    Refusal::new(Refused::Forbidden, say).into()
}

fn unseen(no: No) -> Failure {
    match no {
        No::Missing => {
            let say = "No program waits under this code: look at the letters, or have it ask again.";
            Refusal::new(Refused::NotFound, say).into()
        }
        No::Barred => forbidden("Too many wrong codes were sent: wait ten minutes."),
    }
}

fn eyes<'a>(i: &Identity, call: &'a Call<'_>) -> Eyes<'a> {
    Eyes {
        user: &call.actor.id,
        door: call.door,
        now: i.now(),
    }
}

/// The token of a person who has signed in as themselves, with all that is asked of them.
fn own(i: &Identity, call: &Call<'_>) -> Result<Token, Failure> {
    let token = call.token.as_deref().and_then(|text| i.open(text));
    let token = token.filter(|t| t.user == call.actor.id)
        .ok_or_else(|| forbidden("Only somebody who has signed in lets a program in."))?;
    if token.delegated() {
        let say = "A token that came from an application credential or a trust lets no program in: sign \
                   in yourself.";
        return Err(forbidden(say));
    }
    // Nor does a program that was let in itself: one yes gives one token.
    if !has_hand(&token) {
        return Err(forbidden(BY_HAND));
    }
    if i.enrolling(&token) {
        return Err(forbidden("A second factor is needed first: enrol one, then sign in with it."));
    }
    Ok(token)
}

/// `POST /v3/OS-JINYUN/device`.
fn open(i: &Identity, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("device")?;
    words.only(&["client"])?;
    let client = words.need("client")?;
    names::check("client", &client, CLIENT)?;
    let source = call.source.clone().unwrap_or_else(|| "unknown".into());
    let asks = Asks { client: client.clone(), source: source.clone(), door: call.door, at: i.now() };
    let Some(opened) = i.devices().open(asks, &mut OsEntropy::default()) else {
        i.turned_away(call);
        let say = "Too many programs wait to be let in, in all or from this address: answer them, or \
                   try again in ten minutes.";
        return Err(Refusal { recorded: true, ..Refusal::conflict(say) }.into());
    };
    let mut command = Command::new(OPEN, Actor::nobody(&source), call.request.clone());
    command.source = Some(source);
    call.run(command.with(json!({ "client": client })))?;
    // Where there is no name to go by, by the address that was asked.
    let root = || call.base.split('/').take(3).collect::<Vec<_>>().join("/");
    let page = format!("{}/sign-in", i.place_of(call.door).unwrap_or_else(root));
    Ok(Reply::with(201, json!({ "device": {
        "device_code": opened.device_code.expose(),
        "user_code": opened.user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?code={}", opened.user_code),
        "expires_in": LIFE,
        "interval": INTERVAL,
    } })))
}

/// `GET /v3/OS-JINYUN/device/{user_code}`.
fn look(i: &Identity, call: &Call<'_>) -> Result<Reply, Failure> {
    call.cloud.reader.allow(&call.command(SHOW), &Object::default())?;
    let asks = i.devices().look(call.param("user_code"), eyes(i, call)).map_err(unseen)?;
    let here = call.source.as_deref() == Some(asks.source.as_str());
    Ok(Reply::ok(json!({ "device": {
        "client": asks.client,
        "source": asks.source,
        "asked_at": asks.at.micros(),
        "expires_at": asks.at.plus_seconds(LIFE).micros(),
        "same_address": here,
    } })))
}

/// `POST /v3/OS-JINYUN/device/{user_code}`.
fn answer(i: &Identity, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("device")?;
    words.only(&["answer"])?;
    let allow = match words.need("answer")?.as_str() {
        "allow" => true,
        "refuse" => false,
        _ => return Err(Refusal::invalid("answer", "must be allow or refuse").into()),
    };
    let token = own(i, call)?;
    let code = call.param("user_code");
    let asks = i.devices().claim(code, eyes(i, call)).map_err(unseen)?;
    let args = json!({
        "client": asks.client, "asked_from": asks.source, "asked_at": asks.at.micros(),
        "audit_id": token.audit.first(),
    });
    let verb = if allow { ALLOW } else { REFUSE };
    let done = call.run(call.command(verb).on(token.user.clone()).with(args));
    // Only what is on record counts.
    let verdict = match (&done, allow) {
        (Ok(_), true) => Verdict::Allowed(Box::new(token)),
        (Ok(_), false) => Verdict::Refused,
        (Err(_), _) => Verdict::Undone,
    };
    i.devices().settle(code, verdict);
    done.map(|_| Reply::empty(204))
}

impl Identity {
    /// The token of whoever has let the program in that asks (method `device`). Given once.
    pub(crate) fn by_device(&self, call: &Call<'_>, identity: &Words<'_>)
        -> Result<Token, Failure> {
        let missing = |name: &str| Refusal::invalid(name, "is required");
        let words = identity.object("device")?.ok_or_else(|| missing("device"))?;
        words.only(&["device_code"])?;
        let code = words.long_text("device_code")?.ok_or_else(|| missing("device_code"))?;
        let now = self.now();
        let token = match self.devices().poll(&code, call.door, now) {
            Poll::Allowed(token) => *token,
            Poll::Pending => {
                return Err(told("authorization_pending: nobody has answered yet"));
            }
            Poll::SlowDown(seconds) => {
                return Err(told(format!("slow_down: ask once in {seconds} seconds")));
            }
            Poll::Expired => {
                return Err(told("expired_token: nobody has answered in time: begin again"));
            }
            Poll::Refused => return Err(told("access_denied: it was refused on the page")),
            Poll::Unknown => {
                let source = call.source.as_deref().unwrap_or("unknown");
                let account = format!("device from {source}");
                return self.refuse_outsider(call, account, "no program waits with this device code");
            }
        };
        let good = self.directory.accepts(&token, now)
            && self.usable(&token, call.source.as_deref(), now);
        if !good {
            let spec = self.directory.user(&token.user);
            let user = spec.as_ref().map(|spec| (&token.user, spec));
            let why = "the token that let the program in is not good here and now";
            return Err(self.deny(call, user, denied(why)));
        }
        Ok(token)
    }
}

/// The routes.
pub(crate) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    type Work = fn(&Identity, &Call<'_>) -> Result<Reply, Failure>;
    let with = |method: &'static str, path: &str, action: &str, work: Work| {
        let identity = identity.clone();
        Route::new(method, path, action, move |call| work(&identity, call))
    };
    vec![
        with("POST", "/v3/OS-JINYUN/device", OPEN, open).open(),
        with("GET", ONE, SHOW, look),
        with("POST", ONE, ALLOW, answer),
    ]
}
