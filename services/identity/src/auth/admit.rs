//! What comes between a proof and its success: pauses, locks, refused sources, closed accounts,
//! networks and hours.
//!
//! All of it is decided after the proof's work was done, so that nothing can be told from the time:
//! an attempt that does not count has cost the same hash as one that does.

use super::activity::{Activity, ActivitySpec};
use super::{DENIED, Identity, denied};
use crate::lockout::{self, Gate, LockoutSpec};
use crate::user::UserSpec;
use crate::window;
use jinyun_base::{Fault, Id, Refusal, Time};
use jinyun_engine::{Command, Failure, Job};
use jinyun_policy::{Actor, PROVIDER};
use jinyun_rest::{Call, Door};
use serde_json::{Value, json};

/// A proof whose work was done.
pub(super) struct Attempt<'a> {
    /// Whose, if there is such a user.
    pub user: Option<(Id, UserSpec)>,
    /// What the guard counts it under.
    pub account: String,
    /// Whether it was right.
    pub fits: bool,
    /// What to journal if it was not.
    pub wrong: &'a str,
    /// Whether failures lock the user's account.
    pub locks: bool,
}

/// Staff has no place at the tenants' door: nothing proves anything there, and nothing that happens
/// there locks anybody out elsewhere.
fn outside<'a>(call: &Call<'_>, attempt: Attempt<'a>) -> Attempt<'a> {
    let staff = attempt.user.as_ref().is_some_and(|(_, s)| s.domain.as_str() == PROVIDER);
    if !staff || call.door == Door::Management {
        return attempt;
    }
    let wrong = "the provider's staff signs in on the management listener";
    let account = format!("outside {}", attempt.account);
    Attempt { account, fits: false, wrong, locks: false, ..attempt }
}

impl Identity {
    /// The user whose proof it was, if it counts and is right and the user may sign in here and now.
    pub(super) fn admit(&self, call: &Call<'_>, attempt: Attempt<'_>)
        -> Result<(Id, UserSpec), Failure> {
        let attempt = outside(call, attempt);
        let (now, source) = (self.now(), call.source.as_deref().unwrap_or("unknown"));
        let who = attempt.user.as_ref().map(|(id, spec)| (id, spec));
        let no = |why: &str| self.deny(call, who, denied(why));
        if let Some(shut) = self.shut(call, who, &attempt.account, attempt.locks)? {
            return Err(shut);
        }
        if !attempt.fits {
            self.count(call, &attempt, source, now)?;
            return Err(no(attempt.wrong));
        }
        let Some((id, spec)) = who else { return Err(no(attempt.wrong)) };
        let domain_on = self.directory.domain(&spec.domain).is_some_and(|d| d.enabled);
        if !spec.enabled || !domain_on {
            return Err(no("the user or its domain is disabled"));
        }
        if self.is_idle(call, id, spec, now)? {
            return Err(no("the account was not used for too long"));
        }
        let here = window::judge(&spec.sources, spec.hours.as_ref(), call.source.as_deref(), now);
        if let Err(why) = here {
            return Err(no(why));
        }
        attempt.user.ok_or_else(|| denied(DENIED).into())
    }

    /// Why an attempt does not count, whatever was proved, as the refusal that it gets.
    pub(super) fn shut(&self, call: &Call<'_>, who: Option<(&Id, &UserSpec)>, account: &str,
        locks: bool) -> Result<Option<Failure>, Failure> {
        let (now, source) = (self.now(), call.source.as_deref().unwrap_or("unknown"));
        let no = |why: &str| Ok(Some(self.deny(call, who, denied(why))));
        let gate = self.guard.source(source, now);
        if gate != Gate::Open && !self.known_here(call, who, source)? {
            if gate == Gate::Refused {
                self.guard.turned_away(source, now);
                return Ok(Some(Refusal { recorded: true, ..denied(DENIED) }.into()));
            }
            return no("the source failed too often and has to pause");
        }
        if self.guard.account(account, now) != Gate::Open {
            return no("the account had too many failures and has to pause");
        }
        if let Some((id, spec)) = who.filter(|_| locks)
            && self.is_locked(id, spec, now)
        {
            return no("the account is locked");
        }
        Ok(None)
    }

    /// What is remembered of a user's logins.
    pub(super) fn activity(&self, call: &Call<'_>, user: &Id)
        -> Result<Option<ActivitySpec>, Fault> {
        Ok(call.view(|v| v.get::<Activity>(user))?.map(|have| have.spec))
    }

    /// Whether the user has signed in from the source's neighbourhood before: somebody else's
    /// attack from there does not shut out who works there.
    fn known_here(&self, call: &Call<'_>, user: Option<(&Id, &UserSpec)>, source: &str)
        -> Result<bool, Fault> {
        let Some((id, _)) = user else { return Ok(false) };
        let place = window::neighbourhood(source);
        Ok(self.activity(call, id)?.is_some_and(|a| a.networks.contains(&place)))
    }

    /// Whether an account is locked. A password that was set since lifts the lock.
    pub(super) fn is_locked(&self, id: &Id, spec: &UserSpec, now: Time) -> bool {
        let policy = self.directory.compliance(&spec.domain);
        self.directory.locked(id, now).is_some_and(|until| {
            spec.options.ignore_lockout_failure_attempts != Some(true)
                && spec.tokens_since <= until.plus_seconds(-policy.lockout_duration).0
        })
    }

    /// Whether nobody has used the account for longer than its domain allows.
    fn is_idle(&self, call: &Call<'_>, id: &Id, spec: &UserSpec, now: Time)
        -> Result<bool, Fault> {
        let days = self.directory.compliance(&spec.domain).disable_user_account_days_inactive;
        if days <= 0 || spec.options.ignore_user_inactivity == Some(true) {
            return Ok(false);
        }
        let login = self.activity(call, id)?.map_or(0, |a| a.last_login);
        // Whoever got a new password is expected to come.
        let last = login.max(spec.password_set).max(spec.tokens_since);
        Ok(last > 0 && now.seconds_since(Time(last)) > days.saturating_mul(86_400))
    }

    /// Counts a failure, and does what follows from it.
    fn count(&self, call: &Call<'_>, attempt: &Attempt<'_>, source: &str, now: Time)
        -> Result<(), Failure> {
        let user = attempt.user.as_ref();
        let policy = user.map(|(_, spec)| self.directory.compliance(&spec.domain));
        let attempts = user.zip(policy.as_ref()).filter(|((_, spec), _)| {
            attempt.locks && spec.options.ignore_lockout_failure_attempts != Some(true)
        }).map(|(_, policy)| policy.lockout_failure_attempts);
        // Names that nobody has are counted alike; where others lock, theirs go on pausing, and the
        // answers are the same.
        let failed = self.guard.failed(source, &attempt.account, attempts, now);
        let system = |action: &str, domain: Option<&Id>, args: Value| {
            let mut command = Command::new(action, Actor::system("identity"), call.request.clone());
            command.domain = domain.cloned();
            command.source = call.source.clone();
            call.cloud.handle.run(Job::Command(Box::new(command.with(args)))).map(drop)
        };
        if let (Some(failures), Some((id, spec)), Some(policy)) = (failed.lock, user, &policy) {
            let until = now.plus_seconds(policy.lockout_duration).0;
            let lock = LockoutSpec { user: id.clone(), until, failures };
            let args = serde_json::to_value(lock).map_err(|e| Fault::new(e.to_string()))?;
            system("identity:lockout:set", Some(&spec.domain), args)?;
        }
        for alarm in &failed.alarms {
            let mut args = lockout::words(alarm, source);
            // The attack on an account is its institution's business, that of a source everybody's.
            let of = user.filter(|_| alarm.of_account());
            if let Some((id, _)) = of {
                args["user"] = json!(id);
            }
            system("identity:alarm:raise", of.map(|(_, spec)| &spec.domain), args)?;
        }
        Ok(())
    }
}
