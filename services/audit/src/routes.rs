//! How it looks from outside: our own REST API, below `/journal/v1`.

use crate::ask::{Asked, number, only};
use crate::export::{Export, Plan};
use crate::forest::{Forest, Look};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as B64;
use jinyun_base::{Fault, Id, Kind, Refusal, Refused};
use jinyun_engine::{Failure, View};
use jinyun_journal::entry::Leaf;
use jinyun_journal::export::Part;
use jinyun_journal::{Checkpoint, HashKind, Note};
use jinyun_policy::{Duty, Object, PROVIDER};
use jinyun_rest::{Body, Call, Cloud, Reply, Route};
use jinyun_store::{Db, Sequence, Stretch};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The service's state.
pub struct Audit {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) forest: Forest,
    pub(crate) instance: String,
    dress: Option<Dress>,
}

/// Puts the lines of whoever else has signed a checkpoint under its note.
pub type Dress = Arc<dyn Fn(&mut View<'_>, &str) -> Result<String, Fault> + Send + Sync>;

impl Audit {
    /// A service over the journal of an instance.
    pub fn new(cloud: Arc<Cloud>, instance: impl Into<String>) -> Audit {
        Audit { cloud, forest: Forest::default(), instance: instance.into(), dress: None }
    }

    /// The same, whose exports have other signers' lines too.
    pub fn dressed(mut self, dress: Dress) -> Audit {
        self.dress = Some(dress);
        self
    }

    /// Asks the trees over the first `size` entries.
    pub(crate) fn look<T>(&self, db: &mut Db, size: u64,
        ask: impl FnOnce(&mut Look<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut read = |from, to| db.leaves(from, to);
        ask(&mut Look::new(&self.forest, size, &mut read)?)
    }
}

/// Whose entries a call is about.
enum Whose {
    /// Everybody's.
    All,
    /// An institution's.
    Of(Id),
}

impl Whose {
    /// What the caller says, or what its scope suggests.
    fn of(call: &Call<'_>) -> Whose {
        match call.ask("institution") {
            Some("*") => Whose::All,
            Some(id) => Whose::Of(id.into()),
            None if call.actor.duty == Some(Duty::AuditAdmin) => Whose::All,
            None => {
                let own = call.actor.domain_of_scope().unwrap_or(&call.actor.domain);
                Whose::Of(own.clone())
            }
        }
    }

    fn sequence(&self) -> Sequence<'_> {
        match self {
            Whose::All => Sequence::Whole,
            Whose::Of(id) => Sequence::Of(id.as_str()),
        }
    }

    fn action(&self, verb: &str) -> String {
        let kind = match self {
            Whose::All => "journal",
            Whose::Of(id) if id.as_str() == PROVIDER => "staff",
            Whose::Of(_) => "entry",
        };
        format!("audit:{kind}:{verb}")
    }

    /// Decides. A foreign institution is hidden like any thing that is not there.
    fn allow(&self, call: &Call<'_>, verb: &str) -> Result<(), Failure> {
        let mut command = call.command(self.action(verb));
        let mut object = Object::default();
        if let Whose::Of(id) = self {
            object.domain = Some(id.clone());
            if *id != call.actor.domain {
                object.what = Some((Kind("institution"), id.clone()));
                command.target = Some(id.clone());
            }
        }
        call.cloud.reader.allow(&command, &object)
    }
}

/// Decides about what belongs to nobody alone.
fn allow(call: &Call<'_>, action: &str) -> Result<(), Failure> {
    let domain = call.actor.domain_of_scope().cloned();
    call.cloud.reader.allow(&call.command(action), &Object { domain, ..Object::default() })
}

fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let whose = Whose::of(call);
    whose.allow(call, "list")?;
    let asked = Asked::read(call)?;
    let of = whose.sequence();
    let (length, (entries, next)) =
        call.cloud.reader.lend(|db| Ok((db.sequence_length(of)?, asked.page(db, of)?)))?;
    let institution = match &whose {
        Whose::All => Value::Null,
        // Every institution has entries: its own creation is one.
        Whose::Of(id) if length == 0 => return Err(Refusal::not_found("institution", id).into()),
        Whose::Of(id) => json!(id),
    };
    let next = Value::from(next);
    let text = format!("{{\"entries\":[{entries}],\"institution\":{institution},\"next\":{next}}}");
    Ok(Reply { status: 200, body: Body::Text(text), headers: Vec::new() })
}

/// A proof in one tree, as hex.
fn hex(proof: &[Leaf], kind: HashKind) -> Value {
    proof.iter().map(|node| jinyun_journal::to_hex(&node.get(kind))).collect()
}

/// Something in both trees, by their names.
fn both(of: impl Fn(HashKind) -> Value) -> Value {
    HashKind::BOTH.into_iter().map(|kind| (kind.name().to_string(), of(kind)))
        .collect::<Map<_, _>>().into()
}

fn show(audit: &Audit, call: &Call<'_>) -> Result<Reply, Failure> {
    let whose = Whose::of(call);
    whose.allow(call, "show")?;
    only(call, &["institution"])?;
    let missing = || Refusal::not_found("entry", call.param("number"));
    let at: u64 = call.param("number").parse().map_err(|_| missing())?;
    let stretch = Stretch { low: at, high: at.saturating_add(1), newest_first: false, limit: 1 };
    let (line, newest) = call.cloud.reader.lend(|db| {
        Ok((db.lines(whose.sequence(), stretch)?.pop(), db.newest_checkpoint()?))
    })?;
    let line = line.ok_or_else(missing)?;
    let entry: Value = serde_json::from_slice(&line.body)
        .map_err(|e| Fault::new(format!("entry {} in the state: {e}", line.number)))?;
    let leaf = Leaf::of(&line.body);
    let mut shown = json!({
        "entry": entry,
        "bytes": B64.encode(&line.body),
        "leaf": both(|kind| jinyun_journal::to_hex(&leaf.get(kind)).into()),
        "checkpoint": null,
        "proofs": null,
    });
    // Signed a second later at most: until then there is nothing to prove it with.
    if let Some((size, notes)) = newest.filter(|(size, _)| line.number < *size) {
        let (kept, proof) = call.cloud.reader.lend(|db| {
            audit.look(db, size, |trees| trees.inclusion(line.number))
        })?;
        if kept != leaf {
            return Err(Fault::new(format!(
                "entry {} in the state is not the one whose hashes are kept", line.number
            )).into());
        }
        shown["checkpoint"] = checkpoint(&notes)?;
        shown["proofs"] = both(|kind| hex(&proof, kind));
    }
    Ok(Reply::ok(shown))
}

/// A checkpoint: what it says, and both notes as they were signed.
fn checkpoint(notes: &[String]) -> Result<Value, Fault> {
    let read = |note: &String| Checkpoint::parse(&Note::parse(note)?.text);
    let said: Option<Vec<Checkpoint>> = notes.iter().map(read).collect();
    let said = said.filter(|said| said.len() == HashKind::BOTH.len())
        .ok_or_else(|| Fault::new("a checkpoint in the state is damaged"))?;
    let first = &said[0];
    let roots = said.iter().map(|c| {
        (c.kind.name().to_string(), Value::from(jinyun_journal::to_hex(&c.root)))
    }).collect::<Map<_, _>>();
    Ok(json!({
        "instance": first.instance, "epoch": first.epoch, "size": first.size, "time": first.time,
        "clock": first.clock, "offset": first.offset, "roots": roots, "notes": notes,
    }))
}

fn checkpoints(call: &Call<'_>) -> Result<Reply, Failure> {
    allow(call, "audit:checkpoint:list")?;
    only(call, &["limit", "marker"])?;
    let limit = number(call, "limit", 1, 100)?.unwrap_or(20);
    let below = number(call, "marker", 0, i64::MAX as u64)?.unwrap_or(i64::MAX as u64);
    let (all, next) = call.cloud.reader.lend(|db| {
        let mut sizes = db.checkpoint_sizes(below, limit + 1)?;
        let more = sizes.len() as u64 > limit;
        sizes.truncate(limit as usize);
        let all = sizes.iter().map(|size| checkpoint(&db.checkpoint_notes(*size)?))
            .collect::<Result<Vec<_>, Fault>>()?;
        Ok((all, sizes.last().copied().filter(|_| more)))
    })?;
    Ok(Reply::ok(json!({ "checkpoints": all, "next": next })))
}

fn one_checkpoint(call: &Call<'_>) -> Result<Reply, Failure> {
    allow(call, "audit:checkpoint:show")?;
    only(call, &[])?;
    let missing = || Refusal::not_found("checkpoint", call.param("size"));
    let notes = match call.param("size") {
        "newest" => call.cloud.reader.lend(|db| db.newest_checkpoint())?.map(|(_, notes)| notes),
        size => {
            let size: u64 = size.parse().map_err(|_| missing())?;
            Some(call.cloud.reader.lend(|db| db.checkpoint_notes(size))?)
        }
    };
    let notes = notes.filter(|notes| !notes.is_empty()).ok_or_else(missing)?;
    Ok(Reply::ok(json!({ "checkpoint": checkpoint(&notes)? })))
}

/// The newest checkpoint's size and notes.
pub(crate) fn newest(call: &Call<'_>) -> Result<(u64, Vec<String>), Failure> {
    let newest = call.cloud.reader.lend(|db| db.newest_checkpoint())?;
    let say = "There is no checkpoint yet: ask again in a few seconds.";
    newest.ok_or_else(|| Refusal::new(Refused::NotFound, say).into())
}

fn consistency(audit: &Audit, call: &Call<'_>) -> Result<Reply, Failure> {
    allow(call, "audit:proof:show")?;
    only(call, &["from", "to"])?;
    let (size, _) = newest(call)?;
    let to = number(call, "to", 1, size)?.unwrap_or(size);
    let from = number(call, "from", 1, to)?
        .ok_or_else(|| Refusal::invalid("from", "is required: the older number of entries"))?;
    let proof = call.cloud.reader.lend(|db| {
        audit.look(db, to, |trees| trees.consistency(from))
    })?;
    let proofs = both(|kind| hex(&proof, kind));
    Ok(Reply::ok(json!({ "from": from, "to": to, "proofs": proofs })))
}

fn take_away(audit: &Arc<Audit>, call: &Call<'_>) -> Result<Reply, Failure> {
    let whose = Whose::of(call);
    let Whose::Of(institution) = &whose else {
        let say = "is required: an export is of one institution";
        return Err(Refusal::invalid("institution", say).into());
    };
    whose.allow(call, "export")?;
    let mut plan = Plan::read(call, &audit.instance, institution)?;
    if let Some(dress) = &audit.dress {
        plan.dress(|note| call.view(|view| dress(view, note)))?;
    }
    // On record before the first byte goes out, in the sequence of those whose entries they are.
    let mut command = call.command(whose.action("export")).with(json!({
        "from": plan.part.from, "to": plan.part.to, "size": plan.part.size,
    }));
    command.domain = Some(institution.clone());
    call.run(command)?;
    let Part { from, to, .. } = plan.part;
    let name = format!("attachment; filename=\"journal-{from}-{to}.export\"");
    let body = Body::Stream(Box::new(Export::new(audit.clone(), plan)));
    Ok(Reply { status: 200, body, headers: Vec::new() }
        .header("content-type", "text/plain; charset=utf-8")
        .header("content-disposition", name))
}

/// Everything below `/journal`.
pub fn routes(audit: Arc<Audit>) -> Vec<Route> {
    let (shows, proves, exports) = (audit.clone(), audit.clone(), audit);
    vec![
        Route::new("GET", "/v1/entries", "audit:entry:list", list),
        Route::new("GET", "/v1/entries/{number}", "audit:entry:show", move |call: &Call<'_>| {
            show(&shows, call)
        }),
        Route::new("GET", "/v1/checkpoints", "audit:checkpoint:list", checkpoints),
        Route::new("GET", "/v1/checkpoints/{size}", "audit:checkpoint:show", one_checkpoint),
        Route::new("GET", "/v1/proofs/consistency", "audit:proof:show", move |call: &Call<'_>| {
            consistency(&proves, call)
        }),
        Route::new("GET", "/v1/export", "audit:entry:export", move |call: &Call<'_>| {
            take_away(&exports, call)
        }),
    ]
}
