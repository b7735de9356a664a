//! An institution's own journal: its manager reads, proves and takes it away, others do not; and no
//! secret stands in what the platform tells.

use super::{
    By, Cast, Exports, Person, Play, Sent, letters, made_up, password, puts, sign_in, staff,
};
use crate::checks::SERVICES;
use crate::stage::DOMAIN;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as B64;
use jinyun_journal::entry::Leaf;
use jinyun_journal::merkle::inclusion_root;
use jinyun_journal::{Checkpoint, Entry, Hash, Key, Note};
use jinyun_policy::{Duty, PROVIDER, Role, Scope};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How often a signature is waited for, and how long each time: it comes within a second or two.
const LOOKS: u32 = 100;
const LOOK: Duration = Duration::from_millis(50);
/// At most so many entries of a run are listed.
const PAGES: usize = 20;

fn get(path: impl Into<String>) -> Sent {
    Sent::new("journal", "GET", path)
}

/// The institution's entries of a period, oldest first.
fn listed(play: &mut Play<'_>, by: &By, period: &str) -> Result<Vec<Entry>, String> {
    let (mut all, mut marker) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let path = format!("/v1/entries?order=oldest&limit=1000&{period}{marker}");
        let came = play.go(get(path).by(by));
        came.done("the entries")?;
        let page = came.body.get("entries").cloned().unwrap_or_default();
        let page: Vec<Entry> =
            serde_json::from_value(page).map_err(|e| format!("the entries: {e}"))?;
        all.extend(page);
        match came.body.get("next").and_then(Value::as_u64) {
            Some(next) => marker = format!("&marker={next}"),
            None => return Ok(all),
        }
    }
    Err("there are more entries than one run should make".into())
}

/// Waits until the entries up to a number are under a signed checkpoint.
fn signed(play: &mut Play<'_>, by: &By, number: u64) -> Result<(), String> {
    for _ in 0..LOOKS {
        let came = play.go(get("/v1/checkpoints/newest").by(by));
        let size = came.body.pointer("/checkpoint/size").and_then(Value::as_u64);
        if size.is_some_and(|size| size > number) {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err("the newest entries were not signed".into())
}

/// What is wrong with what the service shows of an entry as its proof.
fn unproved(shown: &Value, keys: &[Key]) -> Option<String> {
    let say = |what: &str| Some(what.to_string());
    let bytes = shown.get("bytes").and_then(Value::as_str).and_then(|b| B64.decode(b).ok());
    let Some(bytes) = bytes else { return say("it has no bytes") };
    let number = serde_json::from_slice::<Entry>(&bytes).map(|entry| entry.number);
    let Ok(number) = number else { return say("its bytes are no entry") };
    let notes = shown.pointer("/checkpoint/notes").and_then(Value::as_array);
    let Some(notes) = notes.filter(|notes| notes.len() == 2) else {
        return say("it names no two checkpoints");
    };
    for note in notes {
        let note = note.as_str().and_then(Note::parse);
        let Some(note) = note else { return say("a checkpoint cannot be read") };
        let Some(said) = Checkpoint::parse(&note.text) else {
            return say("a checkpoint says nothing");
        };
        if note.signers(keys).0.is_empty() {
            return say("a checkpoint is not signed by the platform");
        }
        let kind = said.kind;
        let proof = shown.get("proofs").and_then(|p| p.get(kind.name())).and_then(Value::as_array);
        let proof: Option<Vec<Hash>> = proof.and_then(|hashes| {
            hashes.iter().map(|h| {
                Hash::try_from(jinyun_journal::from_hex(h.as_str()?)?).ok()
            }).collect()
        });
        let Some(proof) = proof else { return say("a proof cannot be read") };
        let leaf = Leaf::of(&bytes).get(kind);
        if inclusion_root(kind, leaf, number, said.size, &proof) != Some(said.root) {
            return Some(format!("its proof does not lead to the {} root", kind.name()));
        }
    }
    None
}

/// The institution's manager reads its journal with proofs and takes an export away, twice.
pub(super) fn journal(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "tenant-journal";
    let until = play.now();
    let period = format!("since={}&until={}", play.scene.began.0, until.0);
    let entries = listed(play, &cast.boss, &period)?;
    let last = entries.last().ok_or("the institution has no entries")?.number;
    signed(play, &cast.boss, last)?;
    let keys = play.scene.keys;
    for (kind, shows, proves) in [
        ("network", "an entry about a network", "an entry about a network without a proof"),
        ("volume", "an entry about a volume", "an entry about a volume without a proof"),
        ("server", "an entry about a server", "an entry about a server without a proof"),
    ] {
        let entry = entries.iter().find(|entry| puts(entry, kind, None));
        let entry = entry.ok_or_else(|| format!("no entry is about a {kind}"))?;
        let path = format!("/v1/entries/{}", entry.institution.number);
        let came = play.go(get(path).by(&cast.boss));
        play.works(CHECK, shows, &came);
        play.unless(CHECK, proves, unproved(&came.body, keys));
    }
    let exports = take_away(play, &cast.boss, &period, entries.len() as u64)?;
    let fault = exports.problems.first().cloned();
    play.unless(CHECK, "an export that the assessor's verifier finds fault with", fault);
    auditor(play, &period, &exports.digests[0])?;
    play.sights.exports = Some(exports);
    strangers(play, cast);
    Ok(())
}

/// Number and digest of an export's entries, and what the assessor's verifier complains of.
fn judged(bytes: &[u8], keys: &[Key]) -> (u64, String, Vec<String>) {
    let report = jinyun_verify::verify(bytes, keys, &[]);
    let problems = report.problems.into_iter().map(|problem| problem.say).collect();
    let (mut hash, mut count) = (Sha256::new(), 0);
    // Behind the header, whose size of the journal may have grown.
    for line in bytes.split(|b| *b == b'\n').skip(2).filter(|l| l.starts_with(b"{")) {
        hash = hash.chain_update(line).chain_update(b"\n");
        count += 1;
    }
    (count, jinyun_journal::to_hex(&hash.finalize()), problems)
}

fn take_away(play: &mut Play<'_>, by: &By, period: &str, listed: u64) -> Result<Exports, String> {
    let (mut digests, mut entries) = ([String::new(), String::new()], [0, 0]);
    let mut problems = Vec::new();
    for (digest, count) in digests.iter_mut().zip(&mut entries) {
        let came = play.go(get(format!("/v1/export?{period}")).by(by));
        came.done("the export")?;
        let (found, same, faults) = judged(&came.bytes, play.scene.keys);
        (*count, *digest) = (found, same);
        problems.extend(faults);
    }
    Ok(Exports { digests, entries, listed, problems })
}

/// The audit administrator takes the same entries away, which the institution's journal tells it.
fn auditor(play: &mut Play<'_>, period: &str, digest: &str) -> Result<(), String> {
    const CHECK: &str = "tenant-journal";
    let audit = staff("evidence-auditor", Duty::AuditAdmin);
    let came = play.go(get(format!("/v1/export?institution={DOMAIN}&{period}")).by(&audit));
    play.works(CHECK, "an export by the audit administrator", &came);
    if !came.ok() {
        return Ok(());
    }
    let (_, same, faults) = judged(&came.bytes, play.scene.keys);
    play.unless(CHECK, "an export by the audit administrator that the verifier finds fault with",
        faults.into_iter().next());
    play.never(CHECK, "an export by the audit administrator of other entries than the institution's own",
        same != digest);
    play.recorded(CHECK, "an export by the audit administrator that the institution is not told of",
        &came.request, |entry| {
            entry.action == "audit:entry:export" && entry.outcome == "done"
                && entry.institution.id == DOMAIN
        })
}

/// Others ask for the same.
fn strangers(play: &mut Play<'_>, cast: &Cast) {
    const CHECK: &str = "tenant-journal";
    let foreign = Scope::Domain(PROVIDER.into());
    let foreign = made_up("evidence-elsewhere", PROVIDER, foreign, Some(Role::Manager), None);
    let system = staff("evidence-sysadmin", Duty::SystemAdmin);
    let security = staff("evidence-secadmin", Duty::SecurityAdmin);
    let list = format!("/v1/entries?institution={DOMAIN}");
    let export = format!("/v1/export?institution={DOMAIN}");
    for (what, by, path) in [
        ("the entries, for a manager of another institution", &foreign, list.clone()),
        ("an export, for a manager of another institution", &foreign, export.clone()),
        ("an export, for the system administrator", &system, export.clone()),
        ("an export, for the security administrator", &security, export),
        ("the entries, for the system administrator", &system, list.clone()),
        ("the entries, for the security administrator", &security, list),
        ("the entries, for a member of one project", &cast.ann, "/v1/entries".into()),
    ] {
        let came = play.go(get(path).by(by));
        play.stopped(CHECK, what, &came, &["forbidden", "not_found"]);
    }
}

/// Every record of the stage came by an entry of its institution's.
pub(super) fn services(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    const CHECK: &str = "service-in-journal";
    // First the records: whatever is there by then has its entry.
    let rows = play.scene.cloud.reader.lend(|db| db.everything()).map_err(|e| e.to_string())?;
    let entries = listed(play, &cast.boss, &format!("since={}", play.scene.began.0))?;
    for &(service, kinds) in SERVICES {
        let (there, without) = match service {
            "networks" => ("networks with entries", "a network's record without an entry"),
            "volumes" => ("volumes with entries", "a volume's record without an entry"),
            _ => ("servers with entries", "a server's record without an entry"),
        };
        let rows: Vec<_> = rows.iter().map(|stored| &stored.row)
            .filter(|row| row.domain.as_str() == DOMAIN && kinds.contains(&row.kind.as_str()))
            .collect();
        let made = |kind: &str, id: &str| entries.iter().any(|entry| puts(entry, kind, Some(id)));
        let missing = rows.iter().find(|row| !made(&row.kind, row.id.as_str()));
        play.control(CHECK, there, !rows.is_empty());
        play.unless(CHECK, without, missing.map(|row| format!("{} {}", row.kind, row.id)));
    }
    Ok(())
}

/// Where words are found.
struct Search<'a> {
    secret: &'a str,
    open: &'a str,
    /// The first place in which the secret stands.
    told: Option<String>,
    /// The word that is no secret was found.
    works: bool,
}

impl Search<'_> {
    fn look(&mut self, place: impl FnOnce() -> String, text: &str) {
        self.works |= text.contains(self.open);
        if self.told.is_none() && text.contains(self.secret) {
            self.told = Some(place());
        }
    }

    /// The control first: a search that finds nothing proves nothing.
    fn note(self, play: &mut Play<'_>, control: &'static str, what: &'static str) {
        play.control("no-secret-told", control, self.works);
        play.unless("no-secret-told", what, self.told);
    }
}

/// What is given as a secret stands in no answer, entry or record.
pub(super) fn marks(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let (secret, open, name) = (letters(24), letters(24), format!("mia-{}", play.ending));
    let whole = format!("Jy-{secret}-Z9");
    let body = json!({ "user": {
        "name": name, "domain_id": DOMAIN, "description": open, "password": whole,
    } });
    let made = play.go(Sent::new("identity", "POST", "/v3/users").by(&cast.boss).with(body));
    let id = made.id("user")?;
    let mut answers = vec![made.body];
    // As people do: the password where the name belongs, and a wrong one.
    for (name, password) in [(&secret, password()), (&name, format!("no-{secret}"))] {
        let user = json!({ "name": name, "domain": { "id": DOMAIN }, "password": password });
        let identity = json!({ "methods": ["password"], "password": { "user": user } });
        answers.push(play.go(sign_in(identity, Value::Null)).says.into());
    }
    // It also ends the row of failures.
    let mia = Person { id, name, password: whole };
    let token = play.enter(&mia, Value::Null)?;
    let seed = json!({ "credential": {
        "type": "totp", "user_id": mia.id, "blob": format!("{secret}abcdefgh"),
    } });
    // What is shown once, to the one who makes it, is not searched.
    let came = play.go(Sent::new("identity", "POST", "/v3/credentials").by(&token).with(seed));
    came.done("a credential")?;
    let programs = format!("/v3/users/{}/application_credentials", cast.ann_is.id);
    let program = json!({ "application_credential": {
        "name": format!("p-{}", play.ending), "secret": secret,
    } });
    let send = Sent::new("identity", "POST", programs.as_str()).by(&cast.ann).with(program);
    play.go(send).done("an application credential")?;
    for (by, path) in [
        (&cast.boss, format!("/v3/users/{}", mia.id)),
        (&cast.boss, "/v3/users".to_string()),
        (&token, "/v3/credentials".to_string()),
        (&cast.boss, "/v3/credentials".to_string()),
        (&cast.ann, programs),
    ] {
        let came = play.go(Sent::new("identity", "GET", path).by(by));
        came.done("a look at what was made")?;
        answers.push(came.body);
    }
    let search = || Search { secret: &secret, open: &open, told: None, works: false };
    let mut told = search();
    answers.iter().for_each(|answer| told.look(|| "an answer".into(), &answer.to_string()));
    told.note(play, "a word that is no secret in an answer", "a secret in an answer");
    let (mut entries, mut rows, from) = (search(), search(), play.from);
    let read = play.scene.cloud.reader.lend(|db| {
        let to = db.journal_length()?;
        Ok((db.entries(from, to)?, db.everything()?))
    });
    let (bytes, stored) = read.map_err(|e| e.to_string())?;
    for entry in &bytes {
        entries.look(|| "an entry".into(), &String::from_utf8_lossy(entry));
    }
    entries.note(play, "a word that is no secret in the journal", "a secret in the journal");
    for stored in &stored {
        let row = &stored.row;
        rows.look(|| format!("{} {}", row.kind, row.id), &row.spec);
    }
    rows.note(play, "a word that is no secret in a record", "a secret in a record");
    Ok(())
}
