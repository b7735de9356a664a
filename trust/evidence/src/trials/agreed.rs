//! What needs somebody's agreement: a change that two managers have to approve, and what the
//! provider's staff does with a tenant's server under the institution's consent.

use super::{By, Came, Cast, Play, Sent, staff};
use crate::stage::DOMAIN;
use jinyun_base::{Id, Time};
use jinyun_compute::Server;
use jinyun_engine::{Command, Failure};
use jinyun_policy::{Actor, Duty};
use jinyun_volume::Volume;
use serde_json::{Value, json};
use std::time::Duration;

/// The refusal of whoever may not.
const FORBIDDEN: &[&str] = &["forbidden"];
/// What somebody is told whose command has to wait.
const WAITS: &[&str] = &["needs_approval"];

/// A part of the platform with a duty: under a consent an account is looked up, and staff that is
/// made up has none.
fn part(id: &str, duty: Duty) -> By {
    By::Actor(Box::new(Actor { duty: Some(duty), ..Actor::system(id) }))
}

fn described(play: &Play<'_>) -> Result<String, String> {
    let volume = &play.scene.ground.volume;
    let have = play.scene.cloud.reader.view(|v| v.get::<Volume>(volume));
    let have = have.map_err(|e| e.to_string())?;
    have.map(|h| h.spec.description).ok_or_else(|| "the volume is gone".into())
}

/// A change that waits for a reason and for two votes, none of them of the one who asked.
pub(super) fn approval(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "approval-holds";
    if play.scene.cloud.reader.registry().approver.is_none() {
        return Err("nobody keeps requests that wait".into());
    }
    let rule = json!({ "rule": {
        "name": "two managers", "action": "volume:volume:update", "deadline": 3600,
        "project_id": play.scene.ground.theirs, "reason_required": true,
        "stages": [{ "role": "manager", "in": "domain", "count": 2 }],
    } });
    let came = play.go(Sent::new("approval", "POST", "/v1/rules").by(&cast.boss).with(rule));
    play.works(CHECK, "a rule that asks for two managers", &came);
    let path = format!("/v1/rules/{}", came.id("rule")?);
    let voted = votes(play, cast);
    // The others go on without it.
    play.go(Sent::new("approval", "DELETE", path).by(&cast.boss)).done("taking the rule away")?;
    voted
}

/// What is tried while the rule holds.
fn votes(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "approval-holds";
    let wanted = format!("agreed {}", play.ending);
    let volume = play.scene.ground.volume.clone();
    let asked = play.run(&cast.ann, "volume:volume:update", Some(&volume),
        json!({ "description": wanted }));
    play.stopped(CHECK, "a change that nobody has approved", &asked, WAITS);
    let request = asked.id("request")?;
    let act = |by: &By, word: &str, body: Value| {
        Sent::new("approval", "POST", format!("/v1/requests/{request}/{word}")).by(by).with(body)
    };
    let yes = || json!({ "approve": true, "comment": "looked at it" });
    let came = play.go(act(&cast.boss, "vote", yes()));
    play.stopped(CHECK, "a vote before there is a reason", &came, &["conflict"]);
    let came = play.go(act(&cast.ann, "reason", json!({ "reason": "the platform tries itself" })));
    play.works(CHECK, "the reason", &came);
    let came = play.go(act(&cast.ann, "vote", yes()));
    play.stopped(CHECK, "a vote of the one who asked", &came, FORBIDDEN);
    let came = play.go(act(&cast.boss, "vote", yes()));
    play.works(CHECK, "a manager's vote", &came);
    let early = described(play)? == wanted;
    play.never(CHECK, "one vote of two that carries the change out", early);
    let came = play.go(act(&cast.boss, "vote", yes()));
    play.stopped(CHECK, "a second vote of the same manager", &came, &["conflict", "forbidden"]);
    let last = play.go(act(&cast.vice, "vote", yes()));
    play.works(CHECK, "another manager's vote", &last);
    let missing = described(play)? != wanted;
    play.never(CHECK, "an approved change that is not carried out", missing);
    let request = request.clone();
    play.recorded(CHECK, "an approved change without an entry that names its approval",
        &asked.request, |entry| {
            entry.action == "volume:volume:update" && entry.outcome == "done"
                && entry.institution.id == DOMAIN && entry.approval.as_ref() == Some(&request)
        })?;
    Ok(())
}

/// Somebody of the staff looks at the server.
fn look(play: &mut Play<'_>, by: &By) -> Came {
    let By::Actor(actor) = by else { return Came::refused("fault", "nobody looks") };
    let mut command =
        Command::new("compute:server:show", Actor::clone(actor), play.request())
            .on(play.scene.ground.server.clone());
    command.source = Some(play.place(3));
    let request = command.request.clone();
    let came = match play.scene.cloud.reader.show::<Server>(&command) {
        Ok(_) => Came { code: "ok", ..Came::default() },
        Err(Failure::Refused(refusal)) => Came::refused(refusal.code(), refusal.message),
        Err(Failure::Fault(fault)) => Came::refused("fault", fault.to_string()),
    };
    Came { request, ..came }
}

/// What a consent is asked for with, until a time.
fn words(server: &Id, until: Time) -> Value {
    json!({ "consent": {
        "domain_id": DOMAIN, "duty": "system_admin", "actions": ["compute:server:show"],
        "resource": { "kind": "server", "id": server }, "until": until.micros(),
        "reason": "the platform tries itself",
    } })
}

/// Longest that the end of a consent is waited for.
const SHORT: i64 = 3;

/// Staff sees a tenant's server under a consent only, on the institution's record, until it ends.
pub(super) fn consent(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "consent-holds";
    let system = staff("evidence-sysadmin", Duty::SystemAdmin);
    let acts = part("evidence-sysadmin", Duty::SystemAdmin);
    let server = play.scene.ground.server.clone();
    let ask = |by: &By, until: Time| {
        Sent::new("approval", "POST", "/v1/consents").by(by).with(words(&server, until))
    };
    let came = look(play, &acts);
    play.stopped(CHECK, "a look without a consent", &came, FORBIDDEN);
    let hour = play.now().plus_seconds(3600);
    let came = play.go(ask(&system, hour));
    play.works(CHECK, "a consent that staff asks for", &came);
    let id = came.id("consent")?;
    let came = look(play, &acts);
    play.stopped(CHECK, "a look under a consent that is only asked for", &came, FORBIDDEN);
    let act = |by: &By, word: &str, body: Value| {
        Sent::new("approval", "POST", format!("/v1/consents/{id}/{word}")).by(by).with(body)
    };
    let came = play.go(act(&system, "vote", json!({ "approve": true })));
    play.stopped(CHECK, "a consent that staff grants", &came, FORBIDDEN);
    let came = play.go(act(&cast.ann, "vote", json!({ "approve": true })));
    play.stopped(CHECK, "a consent that a member grants", &came, &["forbidden", "not_found"]);
    let came = play.go(act(&cast.boss, "vote", json!({ "approve": true })));
    play.works(CHECK, "a consent that the manager grants", &came);
    let seen = look(play, &acts);
    play.works(CHECK, "a look under a consent", &seen);
    let consent = id.clone();
    play.recorded(CHECK, "a look under a consent without an entry of the institution's",
        &seen.request, |entry| {
            entry.action == "compute:server:show" && entry.outcome == "done"
                && entry.institution.id == DOMAIN && entry.approval.as_ref() == Some(&consent)
        })?;
    let came = look(play, &part("evidence-secadmin", Duty::SecurityAdmin));
    play.stopped(CHECK, "a look by another duty", &came, FORBIDDEN);
    let came = play.go(act(&cast.boss, "revoke", Value::Null));
    play.works(CHECK, "a consent that the manager revokes", &came);
    let came = look(play, &acts);
    play.stopped(CHECK, "a look after that", &came, FORBIDDEN);
    // Of the institution's own accord, and soon over.
    let end = play.now().plus_seconds(SHORT);
    let came = play.go(ask(&cast.boss, end));
    play.works(CHECK, "a consent for a few seconds", &came);
    let came = look(play, &acts);
    play.works(CHECK, "a look before its end", &came);
    // A little more: the clock that sleeps is not the one that tells the time.
    let left = (end.0 - play.now().0).clamp(0, SHORT * Time::SECOND) + Time::SECOND / 10;
    std::thread::sleep(Duration::from_micros(left.unsigned_abs()));
    let came = look(play, &acts);
    play.stopped(CHECK, "a look after its end", &came, FORBIDDEN);
    Ok(())
}
