//! What is done to an image inside a command.
//!
//! Each of these runs under one of two names, the tenants' or the system administrator's. The
//! second holds for the provider's own images only: to somebody on duty, a tenant's image is as
//! little there as to a stranger.

use super::{Change, Image, QUEUED};
use crate::files::Arrived;
use jinyun_base::{Id, Refusal};
use jinyun_engine::{Command, Ctx, Failure, Have};
use jinyun_policy::Who;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The image that a command is about, if the permit reaches it.
fn target(ctx: &mut Ctx<'_>, command: &Command) -> Result<Id, Failure> {
    let Some(id) = &command.target else {
        return Err(Refusal::invalid("id", "is missing").into());
    };
    let have: Have<Image> = ctx.get(id)?;
    let on_duty = matches!(ctx.permit().because(), Who::Duty(_));
    if on_duty && !have.project.as_str().is_empty() {
        return Err(Refusal::not_found("image", id).into());
    }
    Ok(have.id)
}

fn read<T: DeserializeOwned>(command: &Command) -> Result<T, Refusal> {
    serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("image", format!("cannot be read: {e}")))
}

/// Changes what its owner says of an image.
pub(crate) fn update(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(ctx, command)?;
    let change: Change = read(command)?;
    ctx.change::<Image>(&id, command.if_generation, |spec| {
        change.apply(spec).map_err(Failure::from)
    })?;
    Ok(Value::Null)
}

/// Deletes an image of the provider's.
pub(crate) fn withdraw(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(ctx, command)?;
    ctx.delete::<Image>(&id)?;
    Ok(Value::Null)
}

/// The data of a queued image has arrived and was judged.
pub(crate) fn activate(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(ctx, command)?;
    let arrived: Arrived = read(command)?;
    ctx.change::<Image>(&id, None, |spec| {
        if spec.status != QUEUED {
            return Err(not_queued(&spec.status).into());
        }
        if spec.disk_format != arrived.disk_format {
            let say = "disk_format was changed while the data was uploaded; upload it again";
            return Err(Refusal::conflict(say).into());
        }
        spec.status = super::ACTIVE.into();
        spec.path = arrived.path;
        spec.bytes = arrived.bytes;
        spec.virtual_bytes = arrived.virtual_bytes;
        spec.sha256 = arrived.sha256;
        spec.sha512 = arrived.sha512;
        Ok(())
    })?;
    Ok(Value::Null)
}

/// Data can be uploaded once.
pub(crate) fn not_queued(status: &str) -> Refusal {
    Refusal::conflict(format!(
        "Image status transition from {status} to saving is not allowed: data can be uploaded \
         once, make a new image"
    ))
}
