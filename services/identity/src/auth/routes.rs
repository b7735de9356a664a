//! What no protocol covers, below `OS-JINYUN`: the notice before sign-in, recovery codes, the reset
//! of factors, locks, and from where and when a user may work. (What a domain demands of passwords
//! and sessions is its configuration, as in Keystone.)

use super::activity::{self, Visit};
use super::{Identity, totp};
use crate::credential::{Credential, TOTP};
use crate::lockout;
use crate::passkey;
use crate::user::{User, without_manager};
use crate::window::{self, Hours};
use jinyun_base::{Fault, Id, Refusal, Refused, Secret, Time};
use jinyun_engine::{Command, Ctx, Failure, Query};
use jinyun_policy::{Duty, Object, Who};
use jinyun_rest::{Call, Reply, Route, Words};
use serde_json::{Value, json};
use std::sync::Arc;

fn no(say: &str) -> Failure {
    Refusal::new(Refused::Forbidden, say).into()
}

fn target(command: &Command) -> Result<&Id, Failure> {
    command.target.as_ref().ok_or_else(|| Refusal::invalid("user_id", "is missing").into())
}

/// Takes all second factors from a user and voids its tokens. By somebody else, the password has
/// to be changed too: who asks for a reset may be who has stolen it. By oneself only with the proof
/// of both factors, which came with the command.
pub(super) fn reset_factors(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let user = ctx.get::<User>(id)?;
    let own = user.id == ctx.actor.id;
    match command.args.get("seen") {
        Some(seen) if own => {
            let seen: Visit = serde_json::from_value(seen.clone())
                .map_err(|e| Refusal::invalid("seen", format!("cannot be read: {e}")))?;
            if seen.user != user.id || (seen.step.is_none() && seen.recovery.is_none()) {
                return Err(no("One's own factors are reset with the proof of both."));
            }
            activity::visit(ctx, &seen)?;
        }
        _ if own => return Err(no("One's own factors are reset with the proof of both.")),
        _ if ctx.permit().because() == Who::Duty(Duty::SecurityAdmin) => {
            without_manager(ctx, &user.domain)?;
        }
        _ => {}
    }
    let mut count = 0;
    for have in ctx.list::<Credential>(&Query::field("user", id))? {
        if have.spec.kind == TOTP {
            ctx.delete::<Credential>(&have.id)?;
            count += 1;
        }
    }
    let passkeys = passkey::take_all(ctx, id)?;
    ctx.drop_secret("user", id, "recovery")?;
    activity::keep(ctx, id, |spec| {
        // Without a device there is nothing whose codes could come again.
        (spec.recovery_set, spec.recovery_used, spec.step) = (0, 0, 0);
        Ok(())
    })?;
    let now = ctx.now.0;
    ctx.change::<User>(id, None, |spec| {
        spec.tokens_since = now;
        spec.must_change |= !own;
        Ok(())
    })?;
    ctx.note(json!({ "totp_credentials": count, "passkeys": passkeys, "by_oneself": own }));
    Ok(Value::Null)
}

/// Sets from where and when a user may work. Nobody does that to themselves: a slip would shut out
/// the one who could mend it.
pub(super) fn limit_access(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let user = ctx.get::<User>(id)?;
    if user.id == ctx.actor.id {
        return Err(no("Nobody sets their own networks and hours."));
    }
    if ctx.permit().because() == Who::Duty(Duty::SecurityAdmin) {
        without_manager(ctx, &user.domain)?;
    }
    let bad = |e| Refusal::invalid("access", format!("cannot be read: {e}"));
    let args = &command.args;
    let sources: Option<Vec<String>> =
        args.get("sources").cloned().map(serde_json::from_value).transpose().map_err(bad)?;
    let hours: Option<Option<Hours>> =
        args.get("hours").cloned().map(serde_json::from_value).transpose().map_err(bad)?;
    ctx.change::<User>(id, None, |spec| {
        if let Some(sources) = sources {
            spec.sources = sources;
        }
        if let Some(hours) = hours {
            spec.hours = hours;
        }
        Ok(())
    })?;
    Ok(Value::Null)
}

fn hours(words: &Words<'_>) -> Result<Hours, Failure> {
    words.only(&["days", "from", "to"])?;
    let minute = |name: &'static str| -> Result<i64, Failure> {
        words.int(name, 0, 1440)?.ok_or_else(|| Refusal::invalid(name, "is required").into())
    };
    let days = words.array("days")?.ok_or_else(|| Refusal::invalid("days", "is required"))?;
    let days: Option<Vec<i64>> = days.iter().map(Value::as_i64).collect();
    let say = "must be numbers from 1 (Monday) to 7 (Sunday)";
    let days = days.ok_or_else(|| Refusal::invalid("days", say))?;
    let hours = Hours { days, from: minute("from")?, to: minute("to")? };
    hours.check()?;
    Ok(hours)
}

impl Identity {
    /// Somebody resets their own second factors, or an administrator somebody else's.
    fn reset(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let id = Id::new(call.param("id"));
        call.show::<User>(id.as_str())?;
        let mut command = call.command("identity:user:reset_factors").on(id.clone());
        if id == call.actor.id {
            let words = call.words("reset")?;
            words.only(&["password", "passcode"])?;
            let need = |what| Refusal::invalid(what, "is required to reset one's own factors");
            let password = words.long_text("password")?.ok_or_else(|| need("password"))?;
            let passcode = words.text("passcode")?.ok_or_else(|| need("passcode"))?;
            if self.own_token(call, &id).is_none() {
                return Err(no("A token that was passed on resets nothing."));
            }
            let wrong = "reset of factors: wrong password";
            let user = self.prove_self(call, &id, &Secret::new(password), wrong)?;
            let account = lockout::account(&id);
            let (_, code) =
                self.prove_code(call, Some(user), account, &Secret::new(passcode))?;
            let (step, recovery) = match code {
                totp::Code::Step(step) => (Some(step), None),
                totp::Code::Recovery(code) => (None, Some(code)),
            };
            let at = self.now().0;
            let source = call.source.clone();
            let (login, let_in, ends_weaker) = (false, false, false);
            let seen =
                Visit { user: id.clone(), source, at, step, recovery, login, let_in, ends_weaker };
            command.args = json!({ "seen": seen.value()? });
        }
        self.settle(call, command)?;
        self.guard.forget(&lockout::account(&id));
        Ok(Reply::empty(204))
    }

    fn show_lock(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let have = call.show::<User>(call.param("id"))?;
        let now = self.now();
        let locked = self.is_locked(&have.id, &have.spec, now);
        let until = self.directory.locked(&have.id, now).filter(|_| locked).map(Time::micros);
        Ok(Reply::ok(json!({ "lockout": { "locked": locked, "until": until } })))
    }

    fn lift(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let id = Id::new(call.param("id"));
        call.show::<User>(id.as_str())?;
        call.run(call.command("identity:lockout:lift").on(id.clone()))?;
        self.guard.forget(&lockout::account(&id));
        Ok(Reply::empty(204))
    }

    fn codes(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let have = call.show::<User>(call.param("id"))?;
        let object = Object { owner: Some(have.id.clone()), ..Object::default() };
        call.cloud.reader.allow(&call.command("identity:recovery:show"), &object)?;
        let left = self.codes_left(call, &have.id)?;
        Ok(Reply::ok(json!({ "recovery_codes": { "left": left } })))
    }
}

fn shown_access(call: &Call<'_>, id: &Id) -> Result<Reply, Failure> {
    let have = call.again::<User>(id)?;
    let (sources, hours) = (&have.spec.sources, &have.spec.hours);
    let shown = json!({ "sources": sources, "hours": hours, "utc_offset_hours": 8 });
    Ok(Reply::ok(json!({ "access": shown })))
}

fn set_access(call: &Call<'_>) -> Result<Reply, Failure> {
    let id = Id::new(call.param("id"));
    call.show::<User>(id.as_str())?;
    let words = call.words("access")?;
    words.only(&["sources", "hours"])?;
    let mut args = json!({});
    if words.has("sources") {
        let sources = words.texts("sources")?.unwrap_or_default();
        window::check_sources(&sources)?;
        args["sources"] = sources.into();
    }
    if words.has("hours") {
        let hours = words.object("hours")?.map(|w| hours(&w)).transpose()?;
        args["hours"] = serde_json::to_value(hours).map_err(|e| Fault::new(e.to_string()))?;
    }
    call.run(call.command("identity:user:limit_access").on(id.clone()).with(args))?;
    shown_access(call, &id)
}

/// The routes.
pub(crate) fn routes(identity: &Arc<Identity>) -> Vec<Route> {
    type Work = fn(&Identity, &Call<'_>) -> Result<Reply, Failure>;
    let with = |method: &'static str, path: &str, action: &str, work: Work| {
        let identity = identity.clone();
        Route::new(method, path, action, move |call| work(&identity, call))
    };
    let of_user = |word: &str| format!("/v3/users/{{id}}/OS-JINYUN/{word}");
    let (codes, lock) = (of_user("recovery_codes"), of_user("lockout"));
    let (access, reset) = (of_user("access"), of_user("reset_factors"));
    vec![
        with("GET", "/v3/OS-JINYUN/notice", "", |i, _| {
            Ok(Reply::ok(json!({ "notice": { "text": i.notice() } })))
        }).open(),
        with("GET", &codes, "identity:recovery:show", Identity::codes),
        with("POST", &codes, "identity:recovery:create", Identity::make_codes),
        with("POST", &reset, "identity:user:reset_factors", Identity::reset),
        with("GET", &lock, "identity:user:show", Identity::show_lock),
        with("DELETE", &lock, "identity:lockout:lift", Identity::lift),
        with("GET", &access, "identity:user:show", |_, call| {
            let have = call.show::<User>(call.param("id"))?;
            shown_access(call, &have.id)
        }),
        with("PUT", &access, "identity:user:limit_access", |_, call| set_access(call)),
    ]
}
