//! What an institution keeps its own people from, beyond what roles say.
//!
//! Problem: a role is for a whole project, so "not this volume" and "deletions only by whoever has just
//! proved a second factor" are said by statements of the institution, and a statement that is stored
//! proves nothing. Mechanism: the manager writes two of them about a member's own networks and volume,
//! the member runs into each, with the same command before it, beside it and by a colleague as the
//! controls; both are taken back at the end, and then the member works again. A refusal has to name the
//! statement: a role that is missing would refuse as well and prove nothing. Nobody waits for a sign-in
//! to become old: the time of one is put back in the command, where the edge would put it.

use super::factors::{Device, enrol};
use super::{By, Came, Cast, Person, Play, in_project, staff};
use crate::stage::DOMAIN;
use jinyun_base::Id;
use jinyun_engine::Query;
use jinyun_network::Network;
use jinyun_policy::{Duty, Role};
use serde_json::{Value, json};

const CHECK: &str = "statement-holds";
/// The refusals of whoever may not, or may not even know.
const MAY_NOT: &[&str] = &["forbidden", "not_found"];
/// How old a sign-in may be that is fresh, and how old one is that is not, in seconds.
const FRESH: i64 = 600;
const OLD: i64 = 3600;

/// A network of the attacked project's own, made for this.
fn network(play: &mut Play<'_>, by: &By, name: &str) -> Result<Id, String> {
    let args = json!({ "name": format!("{name}-{}", play.ending) });
    let came = play.run(by, "network:network:create", None, args);
    came.done("a network")?;
    Ok(came.text("/id")?.into())
}

/// The words of a statement about the synthetic institution.
fn words(name: &str, effect: &str, more: Value) -> Value {
    let mut words = json!({ "name": name, "domain": DOMAIN, "effect": effect });
    if let (Some(words), Value::Object(more)) = (words.as_object_mut(), more) {
        words.extend(more);
    }
    words
}

/// Changes a network or a volume.
fn change(play: &mut Play<'_>, by: &By, action: &str, thing: &Id) -> Came {
    play.run(by, action, Some(thing), json!({ "description": "tried" }))
}

/// Looks at a network.
fn look(play: &mut Play<'_>, by: &By, network: &Id) -> Came {
    let Some(mut command) = play.command(by, "network:network:show") else {
        return Came::refused("unauthenticated", "nobody asks");
    };
    command.target = Some(network.clone());
    match play.scene.cloud.reader.show::<Network>(&command) {
        Ok(_) => Came { code: "ok", ..Came::default() },
        Err(failure) => Came::of_failure(failure),
    }
}

/// The networks that somebody is shown in a list.
fn listed(play: &mut Play<'_>, by: &By) -> Result<Vec<Id>, String> {
    let command = play.command(by, "network:network:list").ok_or("nobody asks for a list")?;
    let here = Query::project(&play.scene.ground.theirs);
    let all = play.scene.cloud.reader.list::<Network>(&command, &here);
    Ok(all.map_err(|failure| failure.to_string())?.into_iter().map(|have| have.id).collect())
}

/// Takes a statement back, and it is gone.
fn take_back(play: &mut Play<'_>, cast: &Cast, statement: &Id) -> Result<(), String> {
    let came = play.run(&cast.boss, "access:statement:delete", Some(statement), Value::Null);
    play.works(CHECK, "a statement that its institution's manager takes back", &came);
    let left = play.scene.cloud.reader.lend(|db| db.get("statement", statement));
    let left = left.map_err(|fault| fault.to_string())?.is_some();
    play.never(CHECK, "a statement that stays after it was taken back", left);
    Ok(())
}

/// What a manager denies is refused to whom it is denied, and what needs a fresh second factor to
/// whoever has none.
pub(super) fn statements(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let project = play.scene.ground.theirs.clone();
    let sam = play.person(&cast.boss, "zoe")?;
    play.give(&cast.boss, &format!("/v3/projects/{project}"), &sam, Role::Member)?;
    denial(play, cast, &sam)?;
    proofs(play, cast, &sam)
}

/// One network and one volume that a member may not touch any more.
fn denial(play: &mut Play<'_>, cast: &Cast, sam: &Person) -> Result<(), String> {
    let ground = play.scene.ground;
    let (theirs, volume) = (ground.network.clone(), ground.volume.clone());
    let beside = network(play, &cast.ann, "beside")?;
    let came = change(play, &cast.ann, "network:network:update", &theirs);
    play.works(CHECK, "a change of a network before there is a statement", &came);
    let came = change(play, &cast.ann, "volume:volume:update", &volume);
    play.works(CHECK, "a change of a volume before there is a statement", &came);
    let words = words(&format!("not these {}", play.ending), "deny", json!({
        "who": { "users": [cast.ann_is.id] },
        "actions": ["network:network:*", "volume:volume:update"],
        "resources": [
            { "thing": { "kind": "network", "id": theirs } },
            { "thing": { "kind": "volume", "id": volume } },
        ],
    }));
    for (what, by) in [
        ("a statement that a member writes", &cast.ann),
        ("a statement that the provider's staff writes",
            &staff("evidence-secadmin", Duty::SecurityAdmin)),
    ] {
        let came = play.run(by, "access:statement:create", None, words.clone());
        play.stopped(CHECK, what, &came, MAY_NOT);
        // It would keep people from things for as long as the stage stands.
        if let Ok(id) = came.text("/id") {
            play.run(&cast.boss, "access:statement:delete", Some(&id.into()), Value::Null);
        }
    }
    let came = play.run(&cast.boss, "access:statement:create", None, words);
    play.works(CHECK, "a statement that a manager writes", &came);
    let statement = Id::from(came.text("/id")?);
    let tried = denied(play, cast, sam, &statement, &beside);
    // The others go on without it, however far this came.
    take_back(play, cast, &statement)?;
    tried?;
    let came = change(play, &cast.ann, "network:network:update", &theirs);
    play.works(CHECK, "the same change once the statement is taken back", &came);
    play.run(&cast.ann, "network:network:delete", Some(&beside), Value::Null).done("the network")
}

/// What is tried while the denial holds.
fn denied(play: &mut Play<'_>, cast: &Cast, sam: &Person, statement: &Id, beside: &Id)
    -> Result<(), String> {
    let ground = play.scene.ground;
    let (theirs, volume, name) = (&ground.network, &ground.volume, statement.as_str());
    let came = change(play, &cast.ann, "network:network:update", theirs);
    play.named(CHECK, "a change of the network that is denied", &came, "forbidden", name);
    play.recorded(CHECK, "a refusal that no entry of the institution's names the statement of",
        &came.request, |entry| {
            entry.outcome == "refused" && entry.institution.id == DOMAIN
                && entry.reason.as_ref().is_some_and(|reason| reason.message.contains(name))
        })?;
    let came = change(play, &cast.ann, "volume:volume:update", volume);
    play.named(CHECK, "a change of the volume that is denied", &came, "forbidden", name);
    let came = look(play, &cast.ann, theirs);
    play.named(CHECK, "a look at the network that is denied", &came, "forbidden", name);
    let shown = listed(play, &cast.ann)?;
    play.never(CHECK, "the network that is denied in a list", shown.contains(theirs));
    play.control(CHECK, "the network beside it in that list", shown.contains(beside));
    let came = look(play, &cast.ann, beside);
    play.works(CHECK, "a look at the network beside it", &came);
    let came = change(play, &cast.ann, "network:network:update", beside);
    play.works(CHECK, "a change of the network beside it", &came);
    let colleague = play.enter(sam, in_project(&ground.theirs))?;
    let came = change(play, &colleague, "network:network:update", theirs);
    play.works(CHECK, "the same change by a colleague", &came);
    let came = play.run(&cast.ann, "access:statement:delete", Some(statement), Value::Null);
    play.stopped(CHECK, "a statement that a member takes back", &came, MAY_NOT);
    Ok(())
}

/// Deletes a network with a sign-in that is some seconds older than it is.
fn remove(play: &mut Play<'_>, by: &By, network: &Id, older: i64) -> Came {
    play.tell(by, "network:network:delete", Value::Null, |command| {
        command.target = Some(network.clone());
        command.via.issued = command.via.issued.map(|at| at.plus_seconds(-older));
    })
}

/// Networks that are deleted with a fresh second factor only.
fn proofs(play: &mut Play<'_>, cast: &Cast, sam: &Person) -> Result<(), String> {
    let place = in_project(&play.scene.ground.theirs);
    let first = play.enter(sam, Value::Null)?;
    let device = Device::new();
    enrol(play, sam, &first, &device).done("a device for one-time codes")?;
    let plain = play.enter(sam, place.clone())?;
    let (before, kept) = (network(play, &plain, "before")?, network(play, &plain, "kept")?);
    let came = remove(play, &plain, &before, 0);
    play.works(CHECK, "a deletion with the password alone before there is a statement", &came);
    let words = words(&format!("fresh {}", play.ending), "allow_only", json!({
        "who": { "everybody": true }, "actions": ["network:network:delete"],
        "conditions": { "second_factor": true, "age": FRESH },
    }));
    let came = play.run(&cast.boss, "access:statement:create", None, words);
    play.works(CHECK, "a statement that asks for a fresh second factor", &came);
    let statement = Id::from(came.text("/id")?);
    let tried = asked(play, sam, &device, (&plain, &kept), statement.as_str());
    take_back(play, cast, &statement)?;
    tried
}

/// What is tried while the second factor is asked for.
fn asked(play: &mut Play<'_>, sam: &Person, device: &Device, (plain, kept): (&By, &Id), name: &str)
    -> Result<(), String> {
    let came = remove(play, plain, kept, 0);
    play.named(CHECK, "a deletion with the password alone", &came, "forbidden", name);
    let code = device.code(play.now(), 0);
    let place = in_project(&play.scene.ground.theirs);
    let came = play.sign(sam, Some(&code), place, 0);
    came.done("a sign-in with a one-time code")?;
    let session = By::Token(came.token);
    let came = remove(play, &session, kept, OLD);
    play.named(CHECK, "a deletion with a second factor of an hour ago", &came, "forbidden", name);
    let came = change(play, plain, "network:network:update", kept);
    play.works(CHECK, "a change, which the statement does not name", &came);
    let came = remove(play, &session, kept, 0);
    play.works(CHECK, "a deletion with a second factor of just now", &came);
    Ok(())
}
