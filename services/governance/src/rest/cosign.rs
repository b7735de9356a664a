//! Witnesses and their signatures: `/v1/witnesses`, `/v1/checkpoint`, `/v1/cosignatures`.

use super::{Run, Shown, act, made, only, place, route, word, writes};
use crate::cosign::{NewWitness, Sent, cosigned, parse};
use crate::{Cosignature, Governance, Witness};
use jinyun_base::{Day, Refusal, Refused};
use jinyun_engine::{Command, Failure, Have, Job, Query};
use jinyun_journal::Note;
use jinyun_policy::{Actor, Object, PROVIDER};
use jinyun_rest::{Call, Reply, Route};
use jinyun_timestamp::SLACK;
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest note that is read, in bytes: a checkpoint and a few dozen lines, some with certificates.
const LONGEST: usize = 64 << 10;
/// Longest key, in bytes: the certificate of a root, in hex.
const KEY: usize = 16 << 10;
const ROLES: &[&str] = &["institution", "auditor", "assessor", "timestamp"];

impl Shown for Witness {
    const ONE: &'static str = "witness";
    const MANY: &'static str = "witnesses";
    const FILTERS: &'static [&'static str] = &["name", "role", "retired"];

    fn show(have: &Have<Witness>, _: Day) -> Value {
        let spec = &have.spec;
        json!({
            "id": have.id,
            "name": spec.name,
            "key": spec.key,
            "who": spec.who,
            "role": spec.role,
            "domain_id": spec.domain,
            "retired": spec.retired,
            "created_at": have.created.seconds(),
        })
    }
}

fn register(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let words = call.words("witness")?;
    words.only(&["key", "who", "role"])?;
    let role = word(&words, "role", ROLES)?
        .ok_or_else(|| Refusal::invalid("role", format!("is required: {}", ROLES.join(", "))))?;
    let key = words.long_text("key")?.ok_or_else(|| Refusal::invalid("key", "is required"))?;
    if key.len() > KEY {
        return Err(Refusal::invalid("key", format!("is longer than {KEY} bytes")).into());
    }
    let asked = NewWitness { key, who: words.need("who")?, role };
    let command = writes(call, "governance:witness:create", json!(asked));
    made::<Witness>(governance, call, command, 201)
}

fn retire(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    act::<Witness>(governance, call, "retire", json!({}))
}

impl Shown for Cosignature {
    const ONE: &'static str = "cosignature";
    const MANY: &'static str = "cosignatures";
    const FILTERS: &'static [&'static str] = &["name", "size", "tree"];

    fn show(have: &Have<Cosignature>, _: Day) -> Value {
        let spec = &have.spec;
        json!({
            "id": have.id,
            "witness_id": spec.witness,
            "name": spec.name,
            "domain_id": spec.domain,
            "size": spec.size,
            "tree": spec.tree,
            "line": spec.line,
            "created_at": have.created.seconds(),
        })
    }
}

/// The checkpoint to sign: both trees' notes, with the lines that there are.
fn newest(_: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let asked = call.command("governance:checkpoint:show");
    let about = Object { domain: Some(place(call)), ..Object::default() };
    call.cloud.reader.allow(&asked, &about)?;
    only(call, &[])?;
    let newest = call.cloud.reader.lend(|db| db.newest_checkpoint())?;
    let say = "There is no checkpoint yet: ask again in a few seconds.";
    let (size, notes) = newest.ok_or_else(|| Refusal::new(Refused::NotFound, say))?;
    let mut shown = Vec::with_capacity(notes.len());
    for note in &notes {
        let text = parse(note).map_or(Value::Null, |(note, _)| note.text.into());
        let note = call.view(|view| cosigned(view, note))?;
        shown.push(json!({ "text": text, "note": note }));
    }
    Ok(Reply::ok(json!({ "checkpoint": { "size": size, "trees": shown } })))
}

/// Takes a signature in, or finds that there are two histories.
fn cosign(governance: &Governance, call: &Call<'_>) -> Result<Reply, Failure> {
    let mut command = writes(call, "governance:cosignature:create", Value::Null);
    let domain = place(call);
    let about = Object { domain: Some(domain.clone()), ..Object::default() };
    call.cloud.reader.allow(&command, &about)?;
    let words = call.words("cosignature")?;
    words.only(&["note"])?;
    let text = words.long_text("note")?.unwrap_or_default();
    let unread = "must be a checkpoint's signed note: its text, an empty line, and signature lines";
    let (note, checkpoint) = parse(&text).filter(|_| text.len() <= LONGEST)
        .ok_or_else(|| Refusal::invalid("note", unread))?;
    if checkpoint.instance != governance.instance || checkpoint.epoch != 0 {
        return Err(Refusal::invalid("note", "is of another instance or epoch").into());
    }
    let query = Query { domain: Some(domain), ..Query::default() };
    let witnesses = call.view(|view| view.list::<Witness>(&query))?;
    let (mut own, mut wrong) = (None, None);
    for have in witnesses.iter().filter(|have| !have.spec.retired) {
        match have.spec.part(&note) {
            Ok(part) => own = own.or(part),
            Err(why) => {
                wrong = Some(format!("holds a timestamp of {} that is wrong: {why}", have.spec.name));
            }
        }
    }
    let platform = !note.signers(&governance.keys).0.is_empty();
    let kept = call.cloud.reader.lend(|db| db.checkpoint_notes(checkpoint.size))?;
    let kept = kept.iter().filter_map(|text| parse(text)).find(|(_, c)| c.kind == checkpoint.kind);
    // Another root of the same size, or a size that the platform signed and does not know.
    let forked = match &kept {
        Some((_, kept)) => kept.root != checkpoint.root,
        None => platform,
    };
    if forked && (platform || own.is_some()) {
        let own = own.map(|own| own.note);
        return Err(alarm(call, &command, &text, platform, own.as_ref()));
    }
    let Some(own) = own else {
        let say = "holds no good signature of a witness of yours: register its key first";
        return Err(Refusal::invalid("note", wrong.as_deref().unwrap_or(say)).into());
    };
    if own.time.is_some_and(|time| time > (governance.clock)().0.saturating_add(SLACK)) {
        let say = "holds a timestamp whose time lies ahead: its clock or the platform's is wrong";
        return Err(Refusal::invalid("note", say).into());
    }
    // What a timestamp covers beside the text is the platform's signature: it must be the one given out.
    let covered = |kept: &Note| {
        own.note.signatures.iter().rev().skip(1).all(|line| kept.signatures.contains(line))
    };
    if kept.is_none_or(|(kept, _)| kept.text != note.text || !covered(&kept)) {
        let say = "The journal has no such checkpoint: sign the text that GET /v1/checkpoint or \
                   `jinyun journal checkpoints --save` gives.";
        return Err(Refusal::conflict(say).into());
    }
    command.args = json!(Sent { note: own.note.render() });
    made::<Cosignature>(governance, call, command, 201)
}

/// Puts on record that somebody showed a signed checkpoint that contradicts the journal.
fn alarm(call: &Call<'_>, asked: &Command, note: &str, platform: bool, own: Option<&Note>)
    -> Failure {
    let witness = own.and_then(|own| own.signatures.last()).map(|(name, ..)| name);
    let raised = Command::new("governance:cosignature:alarm", Actor::system("governance"),
        call.request.clone()).at(&PROVIDER.into(), &"".into()).with(json!({
            "note": note, "signed_by_platform": platform, "witness": witness,
            "shown_by": call.actor.id, "domain": call.actor.domain,
        }));
    if let Err(failure) = call.cloud.handle.run(Job::Command(Box::new(raised))) {
        return failure;
    }
    let say = "This checkpoint contradicts the journal: one of the two is not the history that was \
               signed. It is on record as an alarm; keep the note and show it to the assessor.";
    call.cloud.reader.deny(asked, Refusal::conflict(say))
}

pub(super) fn routes(governance: &Arc<Governance>) -> Vec<Route> {
    let add = |method: &'static str, path: &str, action: &str, run: Run| {
        route(governance, method, path, action, run)
    };
    vec![
        add("GET", "/v1/witnesses", "witness:list", super::list::<Witness>),
        add("POST", "/v1/witnesses", "witness:create", register),
        add("GET", "/v1/witnesses/{id}", "witness:show", super::show::<Witness>),
        add("POST", "/v1/witnesses/{id}/retire", "witness:retire", retire),
        add("GET", "/v1/checkpoint", "checkpoint:show", newest),
        add("GET", "/v1/cosignatures", "cosignature:list", super::list::<Cosignature>),
        add("POST", "/v1/cosignatures", "cosignature:create", cosign),
    ]
}
