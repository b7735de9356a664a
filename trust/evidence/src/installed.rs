//! Catalogues that the operator has and that may not be shipped: installed, loaded, removed.
//!
//! Problem: what is judged must not change because a file did. Mechanism: the security administrator
//! installs a catalogue; its row holds the digest of the file and is in the journal like every row,
//! the file lies beside, named by that digest. The text itself is not in the journal, which goes to
//! others than those who may read it. The control process loads the files once, at its start, and
//! says in an entry which; one whose digest is another, or that does not fit any more, is refused by
//! name, and the rest goes on. Not loaded while it runs: the registers of duties are made from the
//! catalogue at the start too, and both have to speak of the same rows.
//!
//! A second person is the approval rules' business: both commands can be made to wait. The file of one
//! that waits lies here until the request has ended.

use crate::catalogue::{BYTES, Catalogue, Catalogues, Malformed};
use crate::evidence::Evidence;
use crate::rest::allow;
use jinyun_approval::Approval;
use jinyun_base::{Fault, Id, Kind, Refusal, Refused, check_name};
use jinyun_engine::{Claim, Command, Ctx, Failure, Have, Place, Query, Resource, View};
use jinyun_policy::{Object, PROVIDER};
use jinyun_rest::{Call, Cloud, Reply, Route};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CREATE: &str = "evidence:catalogue:create";
const DELETE: &str = "evidence:catalogue:delete";
const LIST: &str = "evidence:catalogue:list";
/// The entry of a process that has loaded what is installed.
pub(crate) const LOAD: &str = "evidence:catalogue:load";

/// So many flaws of a file are told to a caller; `jinyun catalogue check` tells all.
const TOLD: usize = 4;

/// The kind.
pub struct Installed;

/// A catalogue that was installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstalledSpec {
    /// Its key.
    pub key: String,
    /// The number or name of the standard.
    pub standard: String,
    /// The digest of its file, lower-case hex.
    pub sha256: String,
    /// How many rows it has.
    pub rows: u64,
    /// Who installed it.
    pub by: Id,
}

impl Resource for Installed {
    const SERVICE: &'static str = "evidence";
    const KIND: Kind = Kind("catalogue");
    type Spec = InstalledSpec;
    type Status = ();

    fn name(spec: &InstalledSpec) -> &str {
        &spec.key
    }

    fn check(new: &InstalledSpec, _: Option<&InstalledSpec>, _: &Place, _: &mut View<'_>)
        -> Result<(), Failure> {
        check_name("key", &new.key)?;
        check_name("standard", &new.standard)?;
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        // It names a file.
        if new.sha256.len() != 64 || !new.sha256.chars().all(hex) {
            return Err(Refusal::invalid("sha256", "must be a SHA-256 in lower-case hex").into());
        }
        Ok(())
    }

    fn claims(spec: &InstalledSpec, _: &Place) -> Vec<Claim> {
        let key = &spec.key;
        vec![Claim {
            space: "catalogue".into(),
            word: key.clone(),
            taken: format!("A catalogue {key} is installed: remove it first, or choose another key."),
        }]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct NewCatalogue {
    key: String,
    standard: String,
    sha256: String,
    rows: u64,
}

/// Writes down that a catalogue is installed. Its file has been read and lies there.
pub(crate) fn create(ctx: &mut Ctx<'_>, command: &Command) -> Result<Value, Failure> {
    let asked: NewCatalogue = serde_json::from_value(command.args.clone())
        .map_err(|e| Refusal::invalid("catalogue", format!("cannot be read: {e}")))?;
    let NewCatalogue { key, standard, sha256, rows } = asked;
    let by = ctx.actor.id.clone();
    let spec = InstalledSpec { key, standard, sha256, rows, by };
    let row = ctx.create::<Installed>(&PROVIDER.into(), &"".into(), spec)?;
    Ok(json!({ "id": row.id }))
}

fn digest(bytes: &[u8]) -> String {
    jinyun_journal::to_hex(&Sha256::digest(bytes))
}

/// What a process has loaded, and what it has not.
pub(crate) struct Loaded {
    /// The shipped ones and those that were loaded.
    pub catalogues: &'static Catalogues,
    /// Those that were loaded: key and digest.
    pub good: BTreeMap<String, String>,
    /// Those that were not: key and why.
    pub refused: Vec<(String, String)>,
}

fn place(dir: &Path, sha256: &str) -> PathBuf {
    dir.join(format!("{sha256}.yaml"))
}

/// A catalogue from its file, if that is what was installed.
fn read(dir: &Path, spec: &InstalledSpec) -> Result<Catalogue, String> {
    let again = "remove the catalogue and install it again";
    let bytes = fs::read(place(dir, &spec.sha256))
        .map_err(|e| format!("its file cannot be read ({e}): {again}"))?;
    let is = digest(&bytes);
    if is != spec.sha256 {
        return Err(format!(
            "its file was changed after it was installed: SHA-256 {is}, and {} is on record: {again}",
            spec.sha256
        ));
    }
    let catalogue = Catalogue::bring(&format!("{}.yaml", spec.key), &bytes)
        .map_err(|malformed| malformed.first().to_string())?;
    match catalogue.key == spec.key {
        true => Ok(catalogue),
        false => Err(format!("its file has another key: {again}")),
    }
}

fn rows(cloud: &Cloud) -> Result<Vec<Have<Installed>>, Fault> {
    let mut rows = cloud.reader.view(|view| view.list::<Installed>(&Query::default()))?;
    // One may refer to another that was there before.
    rows.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    Ok(rows)
}

/// The digests of catalogues whose installation waits for somebody's approval.
fn asked_for(cloud: &Cloud) -> Result<Vec<String>, Fault> {
    let open = cloud.reader.view(|view| view.list::<Approval>(&Query::field("open", "yes")))?;
    let commands = open.into_iter().map(|have| have.spec.command);
    let files = commands.filter(|command| command.action == CREATE)
        .filter_map(|command| command.args.get("sha256").and_then(Value::as_str).map(String::from));
    Ok(files.collect())
}

/// Loads what is installed. Once in the life of a process: what comes of it is never given back.
pub(crate) fn load(dir: &Path, cloud: &Cloud) -> Result<Loaded, Fault> {
    let shipped = Catalogue::shipped()?;
    let (mut good, mut refused) = (BTreeMap::new(), Vec::new());
    let mut joined: Option<Catalogues> = None;
    let installed = rows(cloud)?;
    for have in &installed {
        let InstalledSpec { key, sha256, .. } = &have.spec;
        let base = joined.as_ref().unwrap_or(shipped);
        let with = |catalogue| base.with([catalogue]).map_err(|bad: Malformed| bad.first().to_string());
        match read(dir, &have.spec).and_then(with) {
            Ok(all) => {
                joined = Some(all);
                good.insert(key.clone(), sha256.clone());
            }
            Err(why) => refused.push((key.clone(), why)),
        }
    }
    let named = installed.into_iter().map(|have| have.spec.sha256).chain(asked_for(cloud)?);
    sweep(dir, named.map(|sha256| place(dir, &sha256)).collect())?;
    let catalogues = match joined {
        Some(all) => &*Box::leak(Box::new(all)),
        None => shipped,
    };
    Ok(Loaded { catalogues, good, refused })
}

/// Removes files that no row and no request for approval names.
fn sweep(dir: &Path, kept: BTreeSet<PathBuf>) -> Result<(), Fault> {
    let bad = |e: std::io::Error| Fault::new(format!("{}: {e}", dir.display()));
    fs::create_dir_all(dir).map_err(bad)?;
    for entry in fs::read_dir(dir).map_err(bad)? {
        let path = entry.map_err(bad)?.path();
        if !kept.contains(&path) {
            fs::remove_file(&path).map_err(bad)?;
        }
    }
    Ok(())
}

impl Loaded {
    /// What the journal is told of it; nothing if nothing is installed.
    pub fn note(&self) -> Option<Value> {
        if self.good.is_empty() && self.refused.is_empty() {
            return None;
        }
        let loaded: Vec<Value> = self.good.iter().map(|(key, sha256)| {
            let rows = self.catalogues.get(key).map_or(0, |one| one.clauses.len());
            json!({ "key": key, "sha256": sha256, "rows": rows })
        }).collect();
        let refused: Vec<Value> =
            self.refused.iter().map(|(key, why)| json!({ "key": key, "why": why })).collect();
        Some(json!({ "loaded": loaded, "refused": refused }))
    }
}

/// Writes a file whole, durably, readable by its owner alone.
fn keep(dir: &Path, sha256: &str, bytes: &[u8]) -> Result<PathBuf, Fault> {
    let path = place(dir, sha256);
    let part = path.with_extension("part");
    let written = fs::create_dir_all(dir).and_then(|()| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600)
            .open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, &path)?;
        File::open(dir)?.sync_all()
    });
    match written {
        Ok(()) => Ok(path),
        Err(e) => Err(Fault::new(format!("{}: {e}", path.display()))),
    }
}

/// The answer about a command that waits for somebody else's yes.
fn waits(failure: &Failure) -> Option<Reply> {
    match failure {
        Failure::Refused(Refusal { why: Refused::NeedsApproval(id), .. }) => {
            Some(Reply::with(202, json!({ "request": { "id": id } })))
        }
        _ => None,
    }
}

/// What is wrong with a file, in one sentence.
fn unfit(malformed: &Malformed) -> Refusal {
    let said: Vec<String> = malformed.flaws.iter().take(TOLD).map(ToString::to_string).collect();
    let left = malformed.flaws.len().saturating_sub(TOLD) + malformed.more;
    let more = if left > 0 { format!("; and {left} more") } else { String::new() };
    let say = format!("cannot be taken (jinyun catalogue check tells everything): {}{more}",
        said.join("; "));
    Refusal::invalid("file", say)
}

/// The body of a request, if it is not too long.
fn body(call: &Call<'_>) -> Result<Vec<u8>, Failure> {
    let input = call.input.lock().ok().and_then(|mut input| input.take());
    let missing = || Refusal::invalid("file", "is missing: send the catalogue as the request's body");
    let most = u64::try_from(BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    input.ok_or_else(missing)?.take(most + 1).read_to_end(&mut bytes)
        .map_err(|e| Refusal::invalid("file", format!("ended early ({e}): send it again")))?;
    match bytes.len() {
        0 => Err(missing().into()),
        n if n > BYTES => {
            let say = format!("A catalogue may have {BYTES} bytes at most; this one has more.");
            Err(Refusal::new(Refused::TooLarge, say).into())
        }
        _ => Ok(bytes),
    }
}

fn install(evidence: &Evidence, call: &Call<'_>) -> Result<Reply, Failure> {
    let own = Id::new(PROVIDER);
    let command = call.command(CREATE).at(&own, &"".into());
    let about = Object { domain: Some(own), ..Object::default() };
    call.cloud.reader.allow(&command, &about)?;
    if !call.query.is_empty() {
        return Err(Refusal::invalid("query", "holds a parameter: none is offered here").into());
    }
    let bytes = body(call)?;
    let catalogue = Catalogue::bring("the catalogue", &bytes).map_err(|bad| unfit(&bad))?;
    let dir = evidence.brought();
    let there = rows(call.cloud)?;
    let mut base = Catalogue::shipped()?.with([]).map_err(|bad| bad.first())?;
    for have in &there {
        // One that is refused is told of in the list; this one may not rest on it.
        if let Some(with) = read(&dir, &have.spec).ok().and_then(|other| base.with([other]).ok()) {
            base = with;
        }
    }
    base.with([catalogue.clone()]).map_err(|bad| unfit(&bad))?;
    let sha256 = digest(&bytes);
    // Another row has it, or a request that waits.
    let known = place(&dir, &sha256).exists();
    let path = keep(&dir, &sha256, &bytes)?;
    let rows = u64::try_from(catalogue.clauses.len()).unwrap_or_default();
    let asked = NewCatalogue { key: catalogue.key, standard: catalogue.standard, sha256, rows };
    let came = match call.run(command.with(json!(asked))) {
        Ok(came) => came,
        Err(failure) => {
            if let Some(reply) = waits(&failure) {
                return Ok(reply);
            }
            if !known {
                // What stays is removed at the next start.
                let _ = fs::remove_file(&path);
            }
            return Err(failure);
        }
    };
    let id = came.value.get("id").and_then(Value::as_str).map(Id::from);
    let id = id.ok_or_else(|| Fault::new("a command returned no id"))?;
    let have = call.again::<Installed>(&id)?;
    Ok(Reply::with(201, json!({ "catalogue": shown(evidence, &have) })))
}

/// An installed catalogue and how it is with it.
fn shown(evidence: &Evidence, have: &Have<Installed>) -> Value {
    let (spec, loaded) = (&have.spec, evidence.loaded());
    let why = loaded.refused.iter().find(|(key, _)| *key == spec.key).map(|(_, why)| why);
    let state = match loaded.good.get(&spec.key) {
        Some(sha256) if *sha256 == spec.sha256 => "loaded",
        _ if why.is_some() => "refused",
        _ => "waiting",
    };
    json!({
        "key": spec.key, "standard": spec.standard, "rows": spec.rows, "shipped": false,
        "sha256": spec.sha256, "installed_by": spec.by, "installed_at": have.created.seconds(),
        "state": state, "why": why,
    })
}

fn list(evidence: &Evidence, call: &Call<'_>) -> Result<Reply, Failure> {
    allow(call, LIST, &[])?;
    let mut all: Vec<Value> = Catalogue::shipped()?.iter().map(|one| json!({
        "key": one.key, "standard": one.standard, "rows": one.clauses.len(), "shipped": true,
        "state": "loaded",
    })).collect();
    let there = rows(call.cloud)?;
    all.extend(there.iter().map(|have| shown(evidence, have)));
    // Its row is gone, and this process still judges by it.
    let gone = evidence.loaded().good.keys()
        .filter(|key| there.iter().all(|have| have.spec.key != **key));
    all.extend(gone.filter_map(|key| evidence.catalogues().get(key)).map(|one| json!({
        "key": one.key, "standard": one.standard, "rows": one.clauses.len(), "shipped": false,
        "state": "removed",
    })));
    Ok(Reply::ok(json!({ "catalogues": all })))
}

fn remove(_: &Evidence, call: &Call<'_>) -> Result<Reply, Failure> {
    let command = call.command(DELETE);
    let about = Object { domain: Some(PROVIDER.into()), ..Object::default() };
    call.cloud.reader.allow(&command, &about)?;
    let key = call.param("key");
    let there = rows(call.cloud)?;
    let Some(have) = there.iter().find(|have| have.spec.key == key) else {
        let shipped = Catalogue::shipped()?.get(key).is_some();
        let refusal = match shipped {
            true => Refusal::conflict("This catalogue is shipped: it cannot be removed."),
            false => Refusal::not_found("catalogue", key),
        };
        return Err(call.cloud.reader.deny(&command, refusal));
    };
    match call.run(command.on(have.id.clone())) {
        Ok(_) => Ok(Reply::empty(204)),
        Err(failure) => waits(&failure).ok_or(failure),
    }
}

/// Installs, lists and removes.
pub(crate) fn routes(evidence: &Arc<Evidence>) -> Vec<Route> {
    type Run = fn(&Evidence, &Call<'_>) -> Result<Reply, Failure>;
    let route = |method: &'static str, path: &str, action: &str, run: Run| {
        let evidence = evidence.clone();
        Route::new(method, path, action, move |call: &Call<'_>| run(&evidence, call))
    };
    vec![
        route("GET", "/v1/catalogues", LIST, list),
        route("POST", "/v1/catalogues", CREATE, install).stream(),
        route("DELETE", "/v1/catalogues/{key}", DELETE, remove),
    ]
}
