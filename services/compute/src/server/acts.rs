//! What is done to a server after it was made: by its user (start, stop) and by the platform, which
//! carries out what a plan has decided (place, ended, release). Each may be run twice.

use super::Server;
use super::password::PASSWORD;
use jinyun_base::{Id, Refusal};
use jinyun_engine::{Command, Ctx, Failure, Have};
use jinyun_network::Port;
use jinyun_volume::{Volume, detach};
use serde_json::{Value, json};

fn target(command: &Command) -> Result<&Id, Failure> {
    command.target.as_ref().ok_or_else(|| Refusal::invalid("id", "is missing").into())
}

/// Nova's sentence for a server that is not in a state for an action.
fn not_now(server: &Have<Server>, action: &str) -> Failure {
    let state = super::show::Words::of(server);
    let task = state.task.map_or_else(|| "None".to_string(), String::from);
    Refusal::conflict(format!(
        "Cannot '{action}' instance {} while it is in vm_state {} and task_state {task}.",
        server.id, state.vm
    )).into()
}

/// Turns it on: a new incarnation is to run.
pub(crate) fn start(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let server = ctx.get::<Server>(id)?;
    if server.phase != "SHUTOFF" || server.spec.running || server.deleting {
        return Err(not_now(&server, "start"));
    }
    ctx.change::<Server>(id, None, |spec| {
        spec.running = true;
        spec.incarnation += 1;
        Ok(())
    })?;
    Ok(Value::Null)
}

/// Turns it off.
pub(crate) fn stop(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let server = ctx.get::<Server>(id)?;
    if server.phase != "ACTIVE" || !server.spec.running || server.deleting {
        return Err(not_now(&server, "stop"));
    }
    ctx.change::<Server>(id, None, |spec| {
        spec.running = false;
        Ok(())
    })?;
    Ok(Value::Null)
}

/// Puts it and all its parts on a host.
pub(crate) fn place(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let host = command.args.get("host").and_then(Value::as_str).unwrap_or_default().to_string();
    if host.is_empty() {
        return Err(Refusal::invalid("host", "is missing").into());
    }
    let server = ctx.get::<Server>(id)?;
    if !server.spec.host.is_empty() {
        return Ok(Value::Null);
    }
    let spec = server.spec;
    for volume in std::iter::once(&spec.root).chain(spec.volumes.iter().map(|v| &v.id)) {
        ctx.change::<Volume>(volume, None, |there| {
            if there.host.is_empty() {
                there.host = host.clone();
            }
            if there.host != host {
                let say = format!("Volume {volume} lies on {}, not on {host}", there.host);
                return Err(Refusal::conflict(say).into());
            }
            Ok(())
        })?;
    }
    for port in &spec.ports {
        // A port of its own may have been deleted meanwhile; the server does without it.
        let there = ctx.view().get::<Port>(port)?;
        if there.is_some_and(|p| !p.deleting) {
            ctx.change::<Port>(port, None, |there| {
                there.host = host.clone();
                Ok(())
            })?;
        }
    }
    ctx.change::<Server>(id, None, |there| {
        there.host = host.clone();
        Ok(())
    })?;
    Ok(Value::Null)
}

/// The guest ended by itself or was killed: what is wanted follows, so that the server reads
/// SHUTOFF and is not started again behind its user's back.
pub(crate) fn ended(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let ended = command.args.get("incarnation").and_then(Value::as_i64);
    let server = ctx.get::<Server>(id)?;
    // Somebody may have started it anew since the plan was made.
    if Some(server.spec.incarnation) != ended || !server.spec.running || server.deleting {
        return Ok(Value::Null);
    }
    ctx.change::<Server>(id, None, |spec| {
        spec.running = false;
        Ok(())
    })?;
    ctx.note(json!({ "ended_by_itself": { "incarnation": ended } }));
    Ok(Value::Null)
}

/// Keeps the password that the platform has made for its guest, sealed. A command of its own behind
/// the creation: one that carries a secret cannot wait for an approval, and what runs after one is
/// shown to nobody.
pub(crate) fn password(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let server = ctx.get::<Server>(id)?;
    if server.deleting || server.spec.has_password {
        return Err(Refusal::conflict(format!("server {id} takes no password now")).into());
    }
    for (name, sealed) in command.secrets.iter().filter(|(name, _)| name == PASSWORD) {
        ctx.put_secret("server", id, name, sealed.expose())?;
    }
    ctx.change::<Server>(id, None, |spec| {
        spec.has_password = true;
        Ok(())
    })?;
    Ok(Value::Null)
}

/// Destroys the password of its guest, who has taken it or will not.
pub(crate) fn forget(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let server = ctx.get::<Server>(id)?;
    // Said twice, or the server goes, and its secrets with it.
    if !server.spec.has_password || server.deleting {
        return Ok(Value::Null);
    }
    ctx.drop_secret("server", id, PASSWORD)?;
    ctx.change::<Server>(id, None, |spec| {
        spec.has_password = false;
        Ok(())
    })?;
    ctx.note(command.args.clone());
    Ok(Value::Null)
}

/// Lets go of what a user brought. Its own parts were marked for deletion with it.
pub(crate) fn release(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let server = ctx.get::<Server>(id)?;
    if !server.deleting {
        return Err(Refusal::conflict(format!("server {id} is not being deleted")).into());
    }
    for port in server.spec.lent_ports() {
        let there = ctx.view().get::<Port>(port)?;
        if there.is_some_and(|p| p.spec.device_id == id.as_str() && !p.deleting) {
            ctx.change::<Port>(port, None, |there| {
                there.device_id.clear();
                there.device_owner.clear();
                there.host.clear();
                Ok(())
            })?;
        }
    }
    for attached in &server.spec.volumes {
        let there = ctx.view().get::<Volume>(&attached.id)?;
        if there.is_some_and(|v| v.spec.server.as_ref() == Some(id) && !v.deleting) {
            detach(ctx, &attached.id)?;
        }
    }
    Ok(Value::Null)
}
