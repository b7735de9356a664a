//! Witnesses, and their signatures under the journal's checkpoints.
//!
//! Problem: against a provider who writes its whole history anew and signs it again, only somebody
//! else's copy helps. Mechanism: institutions, the audit administrator and assessors register public
//! keys whose other halves never come near the platform, sign checkpoints that they were shown, and
//! send the signature back. It is kept as the line of a signed note that it is and goes out with the
//! checkpoint. Whoever sends one over a checkpoint that the journal does not have holds a proof that
//! there were two histories, or a forged note: that is refused, and is an entry of its own.
//!
//! Lines are plain signatures of the checkpoint's text, as the platform's own are, so that one
//! verifier judges both. A timestamp authority is a witness too: it has no key here but its root's
//! certificate, and its line holds a token (RFC 3161) over the note as the platform signed it.
//! C2SP's `cosignature/v1` (with a time of the witness's own) is not offered.

use crate::{check_title, domain_of, home, own, read, target};
use jinyun_base::{Fault, Id, Kind, Refusal};
use jinyun_engine::{Claim, Command, Ctx, Failure, Link, Place, Query, Resource, View};
use jinyun_journal::{Checkpoint, Key, Note};
use jinyun_timestamp::{Authority, stamped};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Shortest and longest name of a witness.
const NAME: (usize, usize) = (3, 64);

/// Who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WitnessRole {
    /// An institution.
    Institution,
    /// The audit administrator.
    Auditor,
    /// An assessor.
    Assessor,
    /// A timestamp authority.
    Timestamp,
}

/// The kind.
pub struct Witness;

/// What a witness is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WitnessSpec {
    /// The name of its key, as in signature lines.
    pub name: String,
    /// The key, as a line of a keys file; of a timestamp authority its root's certificate.
    pub key: String,
    /// Whose key it is.
    pub who: String,
    /// In which role.
    pub role: WitnessRole,
    /// Whose register it stands in.
    pub domain: Id,
    /// It signs no more.
    pub retired: bool,
}

/// What of a note is a witness's.
pub(crate) struct Part {
    /// The note with the witness's line at its end; in front of a timestamp stands the platform's,
    /// which it covers.
    pub note: Note,
    /// When, microseconds since 1970, if it is a timestamp.
    pub time: Option<i64>,
}

impl WitnessSpec {
    /// Its key; a timestamp authority has none.
    pub fn key(&self) -> Option<Key> {
        Key::read_all(&self.key).ok()?.pop()
    }

    /// The timestamp authority, if it is one.
    pub fn authority(&self) -> Option<Authority> {
        Authority::read(&self.key)
    }

    /// What of a note is this witness's and good; says what is wrong with a timestamp of its.
    pub(crate) fn part(&self, note: &Note) -> Result<Option<Part>, String> {
        let Some(authority) = self.authority() else {
            let signed = self.key().and_then(|key| by(note, &key));
            return Ok(signed.map(|note| Part { note, time: None }));
        };
        let Some(line) = note.signatures.iter().find(|line| authority.claims(line)) else {
            return Ok(None);
        };
        let time = Some(authority.judge(note, line)?.time);
        Ok(stamped(note).map(|mut note| {
            note.signatures.push(line.clone());
            Part { note, time }
        }))
    }
}

impl Resource for Witness {
    const SERVICE: &'static str = "governance";
    const KIND: Kind = Kind("witness");
    type Spec = WitnessSpec;
    type Status = ();

    fn name(spec: &WitnessSpec) -> &str {
        &spec.name
    }

    fn check(new: &WitnessSpec, _: Option<&WitnessSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_title("who", &new.who)?;
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "./-".contains(c);
        let length = (NAME.0..=NAME.1).contains(&new.name.len());
        // An instance's name has letters and digits alone: no witness can sign as the platform.
        if !length || !new.name.chars().all(good) || !new.name.contains(['.', '/', '-']) {
            let say = "must begin with the key's name: 3 to 64 of a-z, 0-9, dot, slash and dash, with \
                       one of the last three, like bank.example/audit";
            return Err(Refusal::invalid("key", say).into());
        }
        Ok(())
    }

    fn claims(spec: &WitnessSpec, _: &Place) -> Vec<Claim> {
        // A name stays taken: an old line must not come to be somebody else's.
        vec![Claim {
            space: "witness".into(),
            word: spec.name.clone(),
            taken: format!("There is or was a witness {} already: take another name.", spec.name),
        }]
    }

    fn links(spec: &WitnessSpec) -> Vec<Link> {
        home(&spec.domain, &"".into())
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewWitness {
    pub key: String,
    pub who: String,
    pub role: WitnessRole,
}

/// Registers a witness's public key.
pub(crate) fn register(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let NewWitness { key, who, role } = read(command, "witness")?;
    let domain = domain_of(ctx, command);
    own(ctx, &domain)?;
    let plain = Key::read_all(&key).ok().filter(|keys| keys.len() == 1).and_then(|mut k| k.pop());
    let authority = Authority::read(&key);
    let timed = authority.is_some();
    let read = match (authority, plain) {
        (Some(authority), _) => authority.name.clone().zip(authority.line()),
        (None, plain) => plain.map(|plain| (plain.name.clone(), plain.line())),
    };
    let Some((name, key)) = read else {
        let say = "must be one line: name, ed25519 or sm2, and the public key in hex; or name, rfc3161, \
                   and the certificate (DER, in hex) of the root of a timestamp authority";
        return Err(Refusal::invalid("key", say).into());
    };
    if timed != (role == WitnessRole::Timestamp) {
        let say = "must be timestamp for the root of a timestamp authority (rfc3161), and for nothing else";
        return Err(Refusal::invalid("role", say).into());
    }
    let spec = WitnessSpec { name, key, who, role, domain: domain.clone(), retired: false };
    Ok(json!({ "id": ctx.create::<Witness>(&domain, &"".into(), spec)?.id }))
}

/// Ends a witness: its old lines stay, new ones are not taken.
pub(crate) fn retire(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let id = target(command)?;
    let have = ctx.get::<Witness>(id)?;
    own(ctx, &have.domain)?;
    if have.spec.retired {
        return Err(Refusal::conflict(format!("Witness {id} is retired already.")).into());
    }
    ctx.change::<Witness>(id, command.if_generation, |spec| {
        spec.retired = true;
        Ok(())
    })?;
    Ok(json!({ "id": id }))
}

/// The kind.
pub struct Cosignature;

/// A signature under a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CosignatureSpec {
    /// The witness.
    pub witness: Id,
    /// The name of its key.
    pub name: String,
    /// Whose register it stands in.
    pub domain: Id,
    /// How many entries the checkpoint covers.
    pub size: u64,
    /// Which tree's it is.
    pub tree: String,
    /// The line, without its end.
    pub line: String,
}

fn place(size: u64, tree: &str) -> String {
    format!("{size}/{tree}")
}

impl Resource for Cosignature {
    const SERVICE: &'static str = "governance";
    const KIND: Kind = Kind("cosignature");
    type Spec = CosignatureSpec;
    type Status = ();

    fn name(spec: &CosignatureSpec) -> &str {
        &spec.name
    }

    fn check(_: &CosignatureSpec, _: Option<&CosignatureSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        // Nobody but this module makes one.
        Ok(())
    }

    fn claims(spec: &CosignatureSpec, _: &Place) -> Vec<Claim> {
        vec![Claim {
            space: "cosignature".into(),
            word: format!("{}/{}", place(spec.size, &spec.tree), spec.name),
            taken: format!("{} has signed this checkpoint already.", spec.name),
        }]
    }

    fn links(spec: &CosignatureSpec) -> Vec<Link> {
        home(&spec.domain, &"".into())
    }

    fn fields(spec: &CosignatureSpec) -> Vec<(&'static str, String)> {
        vec![("at", place(spec.size, &spec.tree))]
    }
}

/// What a note says, if it is one of a checkpoint.
pub(crate) fn parse(text: &str) -> Option<(Note, Checkpoint)> {
    let note = Note::parse(text)?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    Some((note, checkpoint))
}

/// The signature lines of a note that hold under a key, as a note with no others.
pub(crate) fn by(note: &Note, key: &Key) -> Option<Note> {
    let own = note.signatures.iter().find(|(name, id, signature)| {
        *name == key.name && *id == key.id() && key.verifies(&note.text, signature)
    })?;
    Some(Note { text: note.text.clone(), signatures: vec![own.clone()] })
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// A note that ends with the witness's line.
    pub note: String,
}

/// Keeps a signature. That the checkpoint is the journal's own was seen before: this cannot change.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let Sent { note } = read(command, "cosignature")?;
    let domain = domain_of(ctx, command);
    own(ctx, &domain)?;
    let unread = || Refusal::invalid("note", "is no checkpoint with a witness's signature line");
    let (note, checkpoint) = parse(&note).ok_or_else(unread)?;
    let name = note.signatures.last().map(|(name, ..)| name.clone()).ok_or_else(unread)?;
    let held = ctx.view().claimed("witness", &name)?;
    let witness = match held {
        Some((_, id)) => ctx.get::<Witness>(&id)?,
        None => return Err(unread().into()),
    };
    let signed = witness.spec.part(&note).map_err(|why| Refusal::invalid("note", why))?;
    let Some(signed) = signed.filter(|_| witness.domain == domain && !witness.spec.retired) else {
        return Err(unread().into());
    };
    let line = signed.note.render().lines().last().unwrap_or_default().to_string();
    let spec = CosignatureSpec {
        witness: witness.id,
        name,
        domain: domain.clone(),
        size: checkpoint.size,
        tree: checkpoint.kind.name().into(),
        line,
    };
    Ok(json!({ "id": ctx.create::<Cosignature>(&domain, &"".into(), spec)?.id }))
}

/// Somebody has shown a signed checkpoint that this journal does not have. For the platform: the
/// note stands in the entry as it was sent.
pub(crate) fn alarm(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    ctx.note(command.args.clone());
    Ok(Value::Null)
}

/// Where a note's lines are found.
fn place_of(note: &str) -> Result<String, Fault> {
    let damaged = || Fault::new("a checkpoint in the state is damaged");
    let (_, checkpoint) = parse(note).ok_or_else(damaged)?;
    Ok(place(checkpoint.size, checkpoint.kind.name()))
}

/// A note with lines under it, in the order of their names.
fn with_lines(note: &str, mut lines: Vec<&CosignatureSpec>) -> String {
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    lines.into_iter().fold(note.to_string(), |note, one| format!("{note}{}\n", one.line))
}

/// A checkpoint's note with the lines of all witnesses that signed it.
pub fn cosigned(view: &mut View<'_>, note: &str) -> Result<String, Fault> {
    let all = view.list::<Cosignature>(&Query::field("at", place_of(note)?))?;
    Ok(with_lines(note, all.iter().map(|have| &have.spec).collect()))
}

/// The roots of all timestamp authorities, a line each: what checks their lines without the platform.
pub fn authorities(view: &mut View<'_>) -> Result<String, Fault> {
    let all = view.list::<Witness>(&Query::default())?;
    let mut lines: Vec<String> =
        all.iter().filter_map(|have| have.spec.authority()?.line()).map(|line| line + "\n").collect();
    lines.sort();
    Ok(lines.concat())
}

/// The lines of all witnesses, by checkpoint: for an export, which has many.
pub struct Lines(BTreeMap<String, Vec<CosignatureSpec>>);

impl Lines {
    /// Reads them all.
    pub fn read(view: &mut View<'_>) -> Result<Lines, Fault> {
        let mut all: BTreeMap<String, Vec<CosignatureSpec>> = BTreeMap::new();
        for have in view.list::<Cosignature>(&Query::default())? {
            all.entry(place(have.spec.size, &have.spec.tree)).or_default().push(have.spec);
        }
        Ok(Lines(all))
    }

    /// A checkpoint's note with the lines that belong to it.
    pub fn under(&self, note: &str) -> Result<String, Fault> {
        let lines = self.0.get(&place_of(note)?);
        Ok(with_lines(note, lines.into_iter().flatten().collect()))
    }
}
