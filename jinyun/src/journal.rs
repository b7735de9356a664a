//! `jinyun journal`: what an institution reads of its own, and what is taken away and verified
//! elsewhere.
//!
//! All but one of these ask the platform as the one who is signed in. A whole export without
//! `--api` reads the instance's own store, which needs root on its machine: it works when nothing
//! answers, and has everybody's entries.

use crate::fail::{FAILED, Failed};
use crate::instance::Instance;
use crate::say;
use crate::session::{Session, Wish, query};
use crate::show;
use crate::whole::keep;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as B64;
use jinyun_base::Fault;
use jinyun_journal::entry::Leaf;
use jinyun_journal::merkle::{Hash, inclusion_root};
use jinyun_journal::note::PublicKey;
use jinyun_journal::{Checkpoint, HashKind, Key, Note};
use jinyun_store::Db;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// What to do with the journal.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write entries to a file that `jinyun-verify` checks without a network.
    ///
    /// Without --api: the whole journal up to the newest checkpoint, from the store of the instance
    /// on this machine (needs root). With --api: the entries of an institution, as the one who is
    /// signed in.
    Export {
        /// First entry of a whole export.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Ask the platform for an institution's own entries.
        #[arg(long, conflicts_with = "from")]
        api: bool,
        /// Whose, by the domain's id; that of the sign-in if not given.
        #[arg(long, requires = "api")]
        institution: Option<String>,
        /// From this time on: 2026-01-31T08:00:00Z.
        #[arg(long, value_name = "TIME", requires = "api")]
        since: Option<String>,
        /// Before this time.
        #[arg(long, value_name = "TIME", requires = "api")]
        until: Option<String>,
        /// Let it be compared with a kept checkpoint of so many entries. May be given several times.
        #[arg(long, value_name = "ENTRIES", requires = "api")]
        compare: Vec<u64>,
        /// Where to.
        file: PathBuf,
    },
    /// List entries, the newest first.
    List(Box<ListOptions>),
    /// Show an entry, and check that it stands under a signed checkpoint.
    Show {
        /// Its number in the institution's own sequence, from 0.
        #[arg(value_parser = number)]
        number: u64,
        /// Whose, by the domain's id; `*`: the number is that in the whole journal.
        #[arg(long)]
        institution: Option<String>,
        /// The journal's public keys, as they were handed over: then signatures are checked too.
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
    /// List signed checkpoints, the newest first.
    Checkpoints {
        /// At most so many.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100))]
        limit: u64,
        /// Keep the newest one's two notes in this directory, for `jinyun-verify --checkpoint`.
        #[arg(long, value_name = "DIR")]
        save: Option<PathBuf>,
    },
}

/// Which entries.
#[derive(clap::Args, Debug)]
pub struct ListOptions {
    /// Whose, by the domain's id; `*` for the whole journal (audit administrator).
    #[arg(long)]
    institution: Option<String>,
    /// The action, where `*` stands for anything: network:*, *:delete.
    #[arg(long)]
    action: Option<String>,
    /// The actor's id.
    #[arg(long)]
    actor: Option<String>,
    /// The kind of thing that it was about.
    #[arg(long)]
    target_kind: Option<String>,
    /// The id of the thing that it was about.
    #[arg(long)]
    target_id: Option<String>,
    /// What came of it.
    #[arg(long, value_parser = ["done", "refused", "waiting"])]
    outcome: Option<String>,
    /// The code of a refusal, such as forbidden.
    #[arg(long)]
    reason: Option<String>,
    /// From this time on: 2026-01-31T08:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The request's id.
    #[arg(long)]
    request: Option<String>,
    /// The network address of the one who asked.
    #[arg(long)]
    source: Option<String>,
    /// Only what the provider's staff or the platform itself did.
    #[arg(long)]
    provider: bool,
    /// The oldest first.
    #[arg(long)]
    oldest_first: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

/// Reads an entry's number.
fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it is no entry's number: a whole number from 0 on".into())
}

/// The most entries that the platform gives at a time.
const PAGE: u64 = 1000;

/// Runs it.
pub fn run(instance: &Instance, wish: &Wish, command: Command) -> Result<(), Failed> {
    match command {
        Command::Export { from, api: false, file, .. } => {
            export(instance, from, &file)
        }
        Command::Export { institution, since, until, compare, file, .. } => {
            let mut words = vec![("institution", institution), ("since", since), ("until", until)];
            words.extend(compare.iter().map(|size| ("compare", Some(size.to_string()))));
            take(wish, &query("/journal/v1/export", &words), &file)
        }
        Command::List(options) => list(wish, &options),
        Command::Show { number, institution, keys } => show_one(wish, number, institution, keys),
        Command::Checkpoints { limit, save } => checkpoints(wish, limit, save.as_deref()),
    }
}

fn export(instance: &Instance, from: u64, file: &Path) -> Result<(), Failed> {
    let settings = instance.settings()?;
    let mut db = Db::open(&instance.store(&settings))?;
    let lines = jinyun_governance::Lines::read(&mut jinyun_engine::View::new(&mut db))?;
    let period = keep(file, |out| {
        db.export_with(&instance.name, from, &|note| lines.under(&note), out).map_err(Failed::from)
    })?;
    say::out(&format!(
        "{}: entries {} to {} of instance \"{}\", epoch {}", file.display(), period.from,
        period.to - 1, period.instance, period.epoch
    ));
    Ok(())
}

/// Takes an export over the API.
fn take(wish: &Wish, path: &str, file: &Path) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    keep(file, |out| session.download("the export", path, out))?;
    say::out(&format!(
        "{}: check it with `jinyun-verify --keys KEYS {0}`, with the keys as they were handed over",
        file.display()
    ));
    Ok(())
}

fn list(wish: &Wish, o: &ListOptions) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let mut entries: Vec<Value> = Vec::new();
    let mut marker: Option<u64> = None;
    while (entries.len() as u64) < o.limit {
        let page = query("/journal/v1/entries", &[
            ("institution", o.institution.clone()), ("action", o.action.clone()),
            ("actor", o.actor.clone()), ("target_kind", o.target_kind.clone()),
            ("target_id", o.target_id.clone()), ("outcome", o.outcome.clone()),
            ("reason", o.reason.clone()), ("since", o.since.clone()), ("until", o.until.clone()),
            ("request", o.request.clone()), ("source", o.source.clone()),
            ("provider", o.provider.then(|| "true".into())),
            ("order", o.oldest_first.then(|| "oldest".into())),
            ("limit", Some(PAGE.min(o.limit - entries.len() as u64).to_string())),
            ("marker", marker.map(|m| m.to_string())),
        ]);
        let mut answer = session.get("the journal", &page)?;
        if let Some(some) = answer.get_mut("entries").and_then(Value::as_array_mut) {
            entries.append(some);
        }
        marker = answer.get("next").and_then(Value::as_u64);
        if marker.is_none() {
            break;
        }
    }
    let text = |entry: &Value, at: &str| entry.pointer(at).map(show::cell).unwrap_or_default();
    let rows: Vec<Vec<String>> = entries.iter().map(|entry| vec![
        text(entry, "/institution/number"), show::moment(&entry["time"]), text(entry, "/outcome"),
        text(entry, "/action"), text(entry, "/actor/id"), text(entry, "/target/kind"),
        text(entry, "/target/id"), text(entry, "/reason/message"),
    ]).collect();
    let head = ["NUMBER", "TIME", "OUTCOME", "ACTION", "ACTOR", "KIND", "TARGET", "REASON"];
    show::print(wish.output, &Value::from(entries), || show::table(&head, &rows));
    Ok(())
}

fn hashes(value: &Value) -> Option<Vec<Hash>> {
    let read = |h: &Value| jinyun_journal::from_hex(h.as_str()?)?.try_into().ok();
    value.as_array()?.iter().map(read).collect()
}

/// Whether what was shown proves itself, as sentences; what does not hold is an error. Nothing that
/// the platform says of itself is taken for granted, but for the keys, which come on another way.
fn proof(shown: &Value, keys: &[Key]) -> Result<Vec<String>, String> {
    let wrong = |what: &str| format!("the entry does not prove itself: {what}");
    let bytes = shown["bytes"].as_str().and_then(|text| B64.decode(text).ok())
        .ok_or_else(|| wrong("its bytes cannot be read"))?;
    if serde_json::from_slice::<Value>(&bytes).ok().as_ref() != Some(&shown["entry"]) {
        return Err(wrong("its bytes say something else"));
    }
    if shown["checkpoint"].is_null() {
        return Ok(vec!["not under a signed checkpoint yet: ask again in a few seconds".into()]);
    }
    let number = shown["entry"]["number"].as_u64().ok_or_else(|| wrong("it has no number"))?;
    let notes = shown["checkpoint"]["notes"].as_array().ok_or_else(|| wrong("there are no notes"))?;
    let mut said = Vec::new();
    for kind in HashKind::BOTH {
        let read = |note: &Value| {
            let note = Note::parse(note.as_str()?)?;
            let checkpoint = Checkpoint::parse(&note.text)?;
            (checkpoint.kind == kind).then_some((note, checkpoint))
        };
        let tree = kind.name();
        let (note, checkpoint) = notes.iter().find_map(read)
            .ok_or_else(|| wrong(&format!("there is no {tree} checkpoint")))?;
        let path = hashes(&shown["proofs"][tree])
            .ok_or_else(|| wrong(&format!("there is no {tree} proof")))?;
        let leaf = Leaf::of(&bytes).get(kind);
        if inclusion_root(kind, leaf, number, checkpoint.size, &path) != Some(checkpoint.root) {
            return Err(wrong(&format!("the {tree} proof leads to another root")));
        }
        let (good, bad) = note.signers(keys);
        let own = good.iter().any(|key| key.name == checkpoint.instance && match key.public {
            PublicKey::Ed25519(_) => kind == HashKind::Sha256,
            PublicKey::Sm2(_) => kind == HashKind::Sm3,
        });
        let holds = own && bad.is_empty();
        if !holds && !keys.is_empty() {
            return Err(wrong(&format!("the {tree} checkpoint is not signed by the instance's key")));
        }
        let signed = if own { ", signed" } else { "; signature not checked: give --keys" };
        said.push(format!(
            "{tree}: entry {number} is under the checkpoint of {} entries{signed}", checkpoint.size
        ));
    }
    Ok(said)
}

fn show_one(wish: &Wish, number: u64, institution: Option<String>, keys: Option<PathBuf>)
    -> Result<(), Failed> {
    let keys = match keys {
        None => Vec::new(),
        Some(path) => {
            let text = fs::read_to_string(&path)
                .map_err(|e| Fault::new(format!("{}: {e}", path.display())))?;
            let keys = Key::read_all(&text).map_err(Fault::new)?;
            if keys.is_empty() {
                return Err(Fault::new(format!("{} holds no key", path.display())).into());
            }
            keys
        }
    };
    let session = Session::open(wish)?;
    let path = query(&format!("/journal/v1/entries/{number}"), &[("institution", institution)]);
    let shown = session.get("the entry", &path)?;
    let said = proof(&shown, &keys).map_err(|say| Failed::new(FAILED, say))?;
    let entry = &shown["entry"];
    let mut whole = shown.clone();
    whole["verified"] = json!(said);
    show::print(wish.output, &whole, || {
        let proofs = said.iter().map(|line| format!("\nproof  {line}")).collect::<String>();
        format!("{}{proofs}", show::yaml(entry))
    });
    Ok(())
}

/// Keeps the two notes of a checkpoint; never over another one of the same name.
fn save(dir: &Path, checkpoint: &Value) -> Result<Vec<PathBuf>, Fault> {
    let mut files = Vec::new();
    for note in checkpoint["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let said = Note::parse(note).and_then(|note| Checkpoint::parse(&note.text))
            .ok_or_else(|| Fault::new("the platform gave a checkpoint that cannot be read"))?;
        // What the platform says is no path.
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let name: String = said.instance.chars().filter(|c| good(*c)).take(12).collect();
        let path = dir.join(format!("{name}-{}-{}.{}", said.epoch, said.size, said.kind.name()));
        if fs::read_to_string(&path).is_ok_and(|kept| kept != note) {
            return Err(Fault::new(format!(
                "{} is another checkpoint of the same size: keep both, and ask the platform which \
                 of them is true", path.display()
            )));
        }
        fs::write(&path, note).map_err(|e| Fault::new(format!("{}: {e}", path.display())))?;
        files.push(path);
    }
    Ok(files)
}

fn checkpoints(wish: &Wish, limit: u64, dir: Option<&Path>) -> Result<(), Failed> {
    let session = Session::open(wish)?;
    let path = query("/journal/v1/checkpoints", &[("limit", Some(limit.to_string()))]);
    let answer = session.get("the checkpoints", &path)?;
    let all = answer["checkpoints"].as_array().cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = all.iter().map(|c| vec![
        show::cell(&c["size"]), show::moment(&c["time"]), show::cell(&c["roots"]["sha256"]),
        show::cell(&c["roots"]["sm3"]),
    ]).collect();
    let newest = all.first().cloned();
    let head = ["ENTRIES", "TIME", "SHA-256 ROOT", "SM3 ROOT"];
    show::print(wish.output, &Value::from(all), || show::table(&head, &rows));
    if let (Some(dir), Some(newest)) = (dir, newest) {
        for path in save(dir, &newest)? {
            say::err(&format!("kept {}", path.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_journal::merkle::{self, Tree};

    fn notes(leaves: &[Vec<u8>], size: usize) -> Vec<String> {
        HashKind::BOTH.into_iter().map(|kind| {
            let mut tree = Tree::new(kind);
            leaves[..size].iter().for_each(|leaf| tree.push(kind.leaf(leaf)));
            let checkpoint = Checkpoint {
                instance: "tour".into(), epoch: 0, kind, size: size as u64, root: tree.root(),
                time: 1, clock: "system".into(), offset: 0,
            };
            Note { text: checkpoint.text(), signatures: vec![("tour".into(), [0; 4], vec![1])] }
                .render()
        }).collect()
    }

    fn shown(at: usize) -> Value {
        let entries: Vec<Value> = (0..11).map(|n| json!({ "number": n, "action": "a:b:c" })).collect();
        let bytes: Vec<Vec<u8>> = entries.iter().map(|e| e.to_string().into_bytes()).collect();
        let mut proofs = json!({});
        for kind in HashKind::BOTH {
            let leaves: Vec<Hash> = bytes.iter().map(|b| kind.leaf(b)).collect();
            proofs[kind.name()] = merkle::inclusion(kind, &leaves, at).iter()
                .map(|h| jinyun_journal::to_hex(h)).collect();
        }
        json!({
            "entry": entries[at], "bytes": B64.encode(&bytes[at]), "proofs": proofs,
            "checkpoint": { "notes": notes(&bytes, 11) },
        })
    }

    #[test]
    fn an_entry_proves_itself_or_is_refused() {
        for at in 0..11 {
            let said = proof(&shown(at), &[]).unwrap();
            assert!(said[0].contains("sha256: entry") && said[1].contains("sm3: entry"), "{said:?}");
            assert!(said[0].contains("signature not checked"), "{said:?}");
        }
        let cases: [(&str, fn(&mut Value)); 7] = [
            ("bytes say something else", |v| v["entry"]["action"] = "x:y:z".into()),
            ("bytes cannot be read", |v| v["bytes"] = "!".into()),
            ("leads to another root", |v| {
                v["entry"]["number"] = 4.into();
                v["bytes"] = B64.encode(v["entry"].to_string()).into();
            }),
            ("leads to another root", |v| v["proofs"]["sm3"][0] = "00".repeat(32).into()),
            ("no sm3 proof", |v| v["proofs"]["sm3"] = Value::Null),
            ("no sha256 checkpoint", |v| v["checkpoint"]["notes"][0] = "x".into()),
            ("no notes", |v| v["checkpoint"] = "x".into()),
        ];
        for (why, change) in cases {
            let mut bad = shown(3);
            change(&mut bad);
            let said = proof(&bad, &[]).unwrap_err();
            assert!(said.contains(why), "{why}: {said}");
        }
        // A key of the right name that did not sign.
        let key = Key { name: "tour".into(), public: PublicKey::Ed25519([9; 32]) };
        assert!(proof(&shown(3), &[key]).unwrap_err().contains("not signed"));
        let mut fresh = shown(3);
        fresh["checkpoint"] = Value::Null;
        assert!(proof(&fresh, &[]).unwrap()[0].contains("not under"));
    }

    #[test]
    fn a_kept_checkpoint_is_not_written_over() {
        let dir = jinyun_testdb::Dir::new("kept");
        let one = |word: &str| {
            let entries: Vec<Vec<u8>> = (0..3).map(|n| format!("{word}{n}").into_bytes()).collect();
            json!({ "notes": notes(&entries, 3) })
        };
        let files = save(&dir, &one("a")).unwrap();
        assert!(files[0].ends_with("tour-0-3.sha256") && files[1].ends_with("tour-0-3.sm3"));
        assert!(save(&dir, &one("a")).is_ok(), "the same again");
        assert!(save(&dir, &one("b")).unwrap_err().to_string().contains("another checkpoint"));
    }
}
