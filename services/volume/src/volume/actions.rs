//! What is done to a volume inside a command: by the platform (place), by its owner (label), and by
//! servers (attach, detach), whose service calls the functions inside commands of its own.

use super::Volume;
use crate::host::Holder;
use jinyun_base::{Id, Refusal};
use jinyun_engine::{Command, Ctx, Failure, Row};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn target(command: &Command) -> Result<&Id, Failure> {
    command.target.as_ref().ok_or_else(|| Refusal::invalid("id", "is missing").into())
}

fn word(command: &Command, name: &str) -> Result<String, Failure> {
    let found = command.args.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    found.map(String::from).ok_or_else(|| Refusal::invalid(name, "is missing").into())
}

/// Puts a volume on a host. One that lies on a host already stays there: the step may run twice.
pub(crate) fn place(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let host = word(command, "host")?;
    ctx.change::<Volume>(id, None, |spec| {
        if spec.host.is_empty() {
            spec.host = host;
        }
        Ok(())
    })?;
    Ok(Value::Null)
}

/// Ties a volume to a server of the same project. It must be available, so that no two servers
/// write to it; another project's volume is "not found".
pub fn attach(ctx: &mut Ctx<'_>, volume: &Id, server: &Id, device: &str)
    -> Result<Row, Failure> {
    let holder = ctx.get::<Holder>(server)?;
    let have = ctx.get::<Volume>(volume)?;
    if have.project != holder.project || have.spec.root_of.is_some() {
        return Err(Refusal::not_found("volume", volume).into());
    }
    if holder.deleting {
        return Err(Refusal::conflict(format!("server {server} is being deleted")).into());
    }
    if let Some(other) = &have.spec.server {
        return Err(Refusal::conflict(format!(
            "volume {volume} is attached to server {other}; detach it first"
        )).into());
    }
    if have.phase != "available" {
        let phase = if have.phase.is_empty() { "creating" } else { have.phase.as_str() };
        return Err(Refusal::conflict(format!(
            "volume {volume} must be available to be attached; it is {phase}"
        )).into());
    }
    ctx.change::<Volume>(volume, None, |spec| {
        spec.server = Some(server.clone());
        spec.device = device.into();
        Ok(())
    })
}

/// Unties a volume from its server.
pub fn detach(ctx: &mut Ctx<'_>, volume: &Id) -> Result<Row, Failure> {
    ctx.change::<Volume>(volume, None, |spec| {
        if spec.root_of.is_some() || spec.server.is_none() {
            return Err(Refusal::conflict(format!("volume {volume} is not attached")).into());
        }
        spec.server = None;
        spec.device.clear();
        Ok(())
    })
}

/// The action.
pub(crate) fn attach_command(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let server = Id::new(word(command, "server")?);
    let device = command.args.get("device").and_then(Value::as_str).unwrap_or_default();
    let row = attach(ctx, target(command)?, &server, device)?;
    Ok(json!({ "id": row.id }))
}

/// The action.
pub(crate) fn detach_command(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let row = detach(ctx, target(command)?)?;
    Ok(json!({ "id": row.id }))
}

/// A change of metadata, made on what is there at that moment: two that come together both hold.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Label {
    /// Forget what was there.
    pub anew: bool,
    /// Pairs to add or replace.
    pub set: BTreeMap<String, String>,
    /// Names to take away; each must be there.
    pub unset: Vec<String>,
}

/// Changes metadata.
pub(crate) fn label(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let label: Label = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("metadata", format!("cannot be read: {e}")))?;
    ctx.change::<Volume>(target(command)?, None, |spec| {
        if label.anew {
            spec.metadata.clear();
        }
        for name in &label.unset {
            if spec.metadata.remove(name).is_none() {
                return Err(Refusal::not_found("metadata", name).into());
            }
        }
        spec.metadata.extend(label.set);
        Ok(())
    })?;
    Ok(Value::Null)
}
