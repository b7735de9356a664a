//! Catalogues that the operator has and that may not be shipped: installed, loaded, removed.
//!
//! Problem: what is judged must not change because a file did. Mechanism: the security administrator
//! installs a catalogue; its row holds the digest of the file and is in the journal like every row,
//! the file lies beside, named by that digest. The text itself is not in the journal, which goes to
//! others than those who may read it. Whenever the rows are others than what is in force, at the start
//! and while the process runs, the files are read and an entry says what came of it; one whose digest
//! is another, or that does not fit any more, is refused by name, and the rest goes on. The command
//! hands nothing over to whoever loads: rows and files are all that counts, so a vote, a kill, or a
//! nudge that is lost changes nothing but the moment.
//!
//! A second person is the approval rules' business: both commands can be made to wait. The file of one
//! that waits lies here until the request has ended.

use crate::catalogue::{BYTES, Catalogue, Loaded, Malformed};
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
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CREATE: &str = "evidence:catalogue:create";
const DELETE: &str = "evidence:catalogue:delete";
const LIST: &str = "evidence:catalogue:list";
/// The entry that says what is in force from here on.
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

fn place(dir: &Path, sha256: &str) -> PathBuf {
    dir.join(format!("{sha256}.yaml"))
}

/// A catalogue from its file, if that is what was installed.
fn read(dir: &Path, key: &str, sha256: &str) -> Result<Catalogue, String> {
    let again = "remove the catalogue and install it again";
    let bytes = fs::read(place(dir, sha256))
        .map_err(|e| format!("its file cannot be read ({e}): {again}"))?;
    let is = digest(&bytes);
    if is != sha256 {
        return Err(format!(
            "its file was changed after it was installed: SHA-256 {is}, and {sha256} is on record: {again}"
        ));
    }
    let catalogue = Catalogue::bring(&format!("{key}.yaml"), &bytes)
        .map_err(|malformed| malformed.first().to_string())?;
    match catalogue.key == key {
        true => Ok(catalogue),
        false => Err(format!("its file has another key: {again}")),
    }
}

fn rows(view: &mut View<'_>) -> Result<Vec<Have<Installed>>, Fault> {
    let mut rows = view.list::<Installed>(&Query::default())?;
    // Of two that do not fit each other, the first holds.
    rows.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    Ok(rows)
}

/// The digests of catalogues whose installation waits for somebody's approval.
fn asked_for(view: &mut View<'_>) -> Result<Vec<String>, Fault> {
    let open = view.list::<Approval>(&Query::field("open", "yes"))?;
    let commands = open.into_iter().map(|have| have.spec.command);
    let files = commands.filter(|command| command.action == CREATE)
        .filter_map(|command| command.args.get("sha256").and_then(Value::as_str).map(String::from));
    Ok(files.collect())
}

/// What can be in force by what is on record now, and the files that something on record names.
pub(crate) fn next(dir: &Path, cloud: &Cloud, before: &Loaded)
    -> Result<(Loaded, BTreeSet<PathBuf>), Fault> {
    let (asked, installed) = cloud.reader.view(|view| {
        // In this order: one that is approved in between is in both, and not in neither.
        Ok((asked_for(view)?, rows(view)?))
    })?;
    let named = installed.iter().map(|have| (have.spec.key.as_str(), have.spec.sha256.as_str()));
    let loaded = before.next(&Catalogue::shared()?, named, |key, sha256| read(dir, key, sha256));
    let files = installed.iter().map(|have| &have.spec.sha256).chain(&asked);
    Ok((loaded, files.map(|sha256| place(dir, sha256)).collect()))
}

/// Removes files that nothing on record names. For whoever has the turn: who installs keeps a file
/// before it is on record.
pub(crate) fn sweep(dir: &Path, kept: &BTreeSet<PathBuf>) -> Result<(), Fault> {
    let bad = |e: std::io::Error| Fault::new(format!("{}: {e}", dir.display()));
    fs::create_dir_all(dir).map_err(bad)?;
    for entry in fs::read_dir(dir).map_err(bad)? {
        let entry = entry.map_err(bad)?;
        let path = entry.path();
        // Only what is made here, plain files: a directory is somebody else's, and stops nothing.
        if entry.file_type().map_err(bad)?.is_file() && !kept.contains(&path) {
            fs::remove_file(&path).map_err(bad)?;
        }
    }
    Ok(())
}

/// What the journal is told of what is in force beside the shipped ones.
pub(crate) fn note(loaded: &Loaded) -> Value {
    let good: Vec<Value> = loaded.good.iter().map(|(key, sha256)| {
        let rows = loaded.catalogues.get(key).map_or(0, |one| one.clauses.len());
        json!({ "key": key, "sha256": sha256, "rows": rows })
    }).collect();
    let refused: Vec<Value> =
        loaded.refused.iter().map(|(key, why)| json!({ "key": key, "why": why })).collect();
    json!({ "loaded": good, "refused": refused })
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
    let came = evidence.change(|loaded| {
        // One that is refused is told of in the list; this one may not rest on it.
        loaded.catalogues.with([catalogue.clone()]).map_err(|bad| unfit(&bad))?;
        let (dir, sha256) = (evidence.brought(), digest(&bytes));
        // Another row has it, or a request that waits.
        let known = place(&dir, &sha256).exists();
        let path = keep(&dir, &sha256, &bytes)?;
        let rows = u64::try_from(catalogue.clauses.len()).unwrap_or_default();
        let asked = NewCatalogue { key: catalogue.key, standard: catalogue.standard, sha256, rows };
        call.run(command.with(json!(asked))).inspect_err(|failure| {
            let refused = matches!(failure, Failure::Refused(_));
            if refused && !known && waits(failure).is_none() {
                // Not after a fault: the row may be there, and only the answer lost. What stays and
                // is on no record is swept away within a minute.
                let _ = fs::remove_file(&path);
            }
        })
    });
    let came = match came {
        Ok(came) => came,
        Err(failure) => return waits(&failure).ok_or(failure),
    };
    let id = came.value.get("id").and_then(Value::as_str).map(Id::from);
    let id = id.ok_or_else(|| Fault::new("a command returned no id"))?;
    let have = call.again::<Installed>(&id)?;
    Ok(Reply::with(201, json!({ "catalogue": shown(evidence, &evidence.loaded(), &have) })))
}

/// An installed catalogue and how it is with it.
fn shown(evidence: &Evidence, loaded: &Loaded, have: &Have<Installed>) -> Value {
    let spec = &have.spec;
    let (state, why) = match (loaded.good.get(&spec.key), loaded.refused.get(&spec.key)) {
        (Some(sha256), _) if *sha256 == spec.sha256 => ("loaded", None),
        (_, Some(why)) => ("refused", Some(why.clone())),
        // Nobody has looked yet, or whoever did could not.
        _ => ("waiting", evidence.stuck()),
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
    let loaded = evidence.loaded();
    let there = call.view(rows)?;
    all.extend(there.iter().map(|have| shown(evidence, &loaded, have)));
    // Its row is gone, and nobody has looked since, or whoever did could not.
    let gone = loaded.good.keys().filter(|key| there.iter().all(|have| have.spec.key != **key));
    all.extend(gone.filter_map(|key| loaded.catalogues.get(key)).map(|one| json!({
        "key": one.key, "standard": one.standard, "rows": one.clauses.len(), "shipped": false,
        "state": "removed", "why": evidence.stuck(),
    })));
    Ok(Reply::ok(json!({ "catalogues": all })))
}

fn remove(evidence: &Evidence, call: &Call<'_>) -> Result<Reply, Failure> {
    let command = call.command(DELETE);
    let about = Object { domain: Some(PROVIDER.into()), ..Object::default() };
    call.cloud.reader.allow(&command, &about)?;
    let key = call.param("key");
    let there = call.view(rows)?;
    let Some(have) = there.iter().find(|have| have.spec.key == key) else {
        let shipped = Catalogue::shipped()?.get(key).is_some();
        let refusal = match shipped {
            true => Refusal::conflict("This catalogue is shipped: it cannot be removed."),
            false => Refusal::not_found("catalogue", key),
        };
        return Err(call.cloud.reader.deny(&command, refusal));
    };
    let command = command.on(have.id.clone());
    let came = evidence.change(|loaded| {
        let others = loaded.resting_on(&Catalogue::shared()?, key);
        if !others.is_empty() {
            let say = format!("Rows of {} refer to rows of this catalogue: remove that first.",
                others.join(", "));
            return Err(call.cloud.reader.deny(&command, Refusal::conflict(say)));
        }
        call.run(command.clone())
    });
    match came {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_nothing_names_are_swept_away() {
        let dir = jinyun_testdb::Dir::new("sweep");
        let (named, left) = (place(&dir, "a"), place(&dir, "b"));
        let part = left.with_extension("part");
        for path in [&named, &left, &part] {
            fs::write(path, "x").unwrap();
        }
        let below = dir.join("lost+found");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("x"), "x").unwrap();
        std::os::unix::fs::symlink(&named, dir.join("link")).unwrap();
        sweep(&dir, &BTreeSet::from([named.clone()])).unwrap();
        assert_eq!([&named, &left, &part].map(|path| path.exists()), [true, false, false]);
        assert!(below.join("x").exists() && dir.join("link").exists());
    }
}
