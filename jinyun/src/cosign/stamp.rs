//! `jinyun cosign timestamp`: timestamps of checkpoints (RFC 3161), carried by file.
//!
//! The platform speaks to no authority: it may have no way out, and which authority counts is the
//! witness's choice. So the request is a file, whatever brings it there and back (`curl`, a medium),
//! and the answer is a file. Beside the request stands the checkpoint that it is about, without which
//! the answer would be of use to nobody. The answer is judged here, with the nonce, and again by the
//! platform, which knows no nonce.

use super::{checkpoint, read};
use crate::fail::Failed;
use crate::say;
use crate::session::{Session, Wish};
use crate::show;
use jinyun_base::{Entropy, Fault, OsEntropy};
use jinyun_journal::{Checkpoint, HashKind, Note};
use jinyun_timestamp::{Authority, Request, Stamp, granted, imprint, stamped};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What to do.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// The request (DER). Without --response it is written, and the checkpoint beside it, as
    /// FILE.checkpoint; files that are there are left alone.
    #[arg(long)]
    request: PathBuf,
    /// The authority's answer to this request (DER): it is checked and filed.
    #[arg(long)]
    response: Option<PathBuf>,
    /// A kept checkpoint instead of the newest; then no network is needed.
    #[arg(long, conflicts_with = "response")]
    checkpoint: Option<PathBuf>,
    /// Which of the registered authorities it is; else the one that it proves to be.
    #[arg(long, requires = "response")]
    witness: Option<String>,
}

/// Where the checkpoint of a request is kept.
fn beside(request: &Path) -> PathBuf {
    let mut name = request.as_os_str().to_owned();
    name.push(".checkpoint");
    name.into()
}

fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    fs::read(path).map_err(|e| Fault::new(format!("{}: {e}", path.display())))
}

/// Writes a file that is not there yet.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let bad = |e: std::io::Error| Fault::new(format!("{}: {e}", path.display()));
    let mut out = OpenOptions::new().write(true).create_new(true).open(path).map_err(bad)?;
    out.write_all(bytes).and_then(|()| out.sync_all()).map_err(bad)
}

/// The newest checkpoint of the tree that every verifier has.
fn newest(session: &Session) -> Result<String, Failed> {
    let answer = session.get("the checkpoint", "/governance/v1/checkpoint")?;
    let trees = answer["checkpoint"]["trees"].as_array().into_iter().flatten();
    let found = trees.filter_map(|tree| tree["note"].as_str()).find(|note| {
        let said = Note::parse(note).and_then(|note| Checkpoint::parse(&note.text));
        said.is_some_and(|said| said.kind == HashKind::Sha256)
    });
    let say = || Fault::new("the platform gave a checkpoint that cannot be read");
    Ok(found.ok_or_else(say)?.into())
}

/// What is hashed of a note, and its hash.
fn covered(note: &Note) -> Result<(Note, [u8; 32]), Fault> {
    let say = "the checkpoint is not signed by the instance that it names: there is nothing to timestamp";
    stamped(note).zip(imprint(note)).ok_or_else(|| Fault::new(say))
}

/// Writes a request with what it is about.
fn ask(text: &str, request: &Path, dice: &mut dyn Entropy) -> Result<(), Fault> {
    let (note, hash) = covered(&checkpoint(text, &[])?)?;
    let mut nonce = [0; 8];
    dice.fill(&mut nonce);
    write(&beside(request), note.render().as_bytes())?;
    write(request, &Request::new(hash, nonce).der())
}

/// The registered authority that a token is of, as the line that it makes, and what it says.
fn choose(witnesses: &Value, name: Option<&str>, note: &Note, token: &[u8])
    -> Result<((String, [u8; 4], Vec<u8>), Stamp), Fault> {
    let mut why = Vec::new();
    for one in witnesses.as_array().into_iter().flatten() {
        let Some(authority) = one["key"].as_str().and_then(Authority::read) else { continue };
        let own = authority.name.clone().unwrap_or_default();
        if one["retired"] == Value::Bool(true) || name.is_some_and(|name| name != own) {
            continue;
        }
        let line = (own.clone(), authority.id(&own), token.to_vec());
        match authority.judge(note, &line) {
            Ok(stamp) => return Ok((line, stamp)),
            Err(wrong) => why.push(format!("not of {own}: {wrong}")),
        }
    }
    Err(Fault::new(match why.is_empty() {
        true => "there is no such timestamp authority: `jinyun cosign authority` registers one".into(),
        false => format!("the timestamp is not filed. It is {}", why.join("; ")),
    }))
}

fn file(wish: &Wish, options: &Options, response: &Path) -> Result<(), Failed> {
    let path = &options.request;
    let request = Request::read(&bytes(path)?).ok_or_else(|| Fault::new(format!(
        "{}: is no request that `jinyun cosign timestamp` wrote", path.display()
    )))?;
    let (note, hash) = covered(&checkpoint(&read(&beside(path))?, &[])?)?;
    if hash != request.imprint {
        let say = format!("{}: is not the checkpoint of this request", beside(path).display());
        return Err(Fault::new(say).into());
    }
    let answer = bytes(response)?;
    let bad = |why: String| Fault::new(format!("{}: {why}", response.display()));
    let token = granted(&answer).map_err(bad)?;
    request.answered(token).map_err(bad)?;
    let session = Session::open(wish)?;
    let role = [("role", Some("timestamp".to_string()))];
    let found = session.all("the witnesses", "/governance/v1/witnesses", "witnesses", &role)?;
    let (line, stamp) = choose(&found["witnesses"], options.witness.as_deref(), &note, token)?;
    let mut sent = note;
    sent.signatures.push(line);
    let body = json!({ "cosignature": { "note": sent.render() } });
    let answer = session.ask("the timestamp", "POST", "/governance/v1/cosignatures", Some(&body))?;
    say::err(&format!("existed before {} according to {}", stamp.said, stamp.authority));
    show::print(wish.output, &answer["cosignature"], || show::yaml(&answer["cosignature"]));
    Ok(())
}

/// Runs it.
pub fn run(wish: &Wish, options: &Options) -> Result<(), Failed> {
    if let Some(response) = &options.response {
        return file(wish, options, response);
    }
    let text = match &options.checkpoint {
        Some(path) => read(path)?,
        None => newest(&Session::open(wish)?)?,
    };
    let path = &options.request;
    ask(&text, path, &mut OsEntropy::default())?;
    let name = |path: &Path| path.display().to_string();
    let written = json!({ "request": name(path), "checkpoint": name(&beside(path)) });
    show::print(wish.output, &written, || format!(
        "{}: bring it to the authority, and what it answers back to --response", name(path)
    ));
    Ok(())
}

/// Registers an authority.
pub fn register(wish: &Wish, name: &str, who: &str, file: &Path) -> Result<(), Failed> {
    let bad = |why: String| Fault::new(format!("{}: {why}", file.display()));
    let authority = Authority::of_pem(name, &read(file)?).map_err(bad)?;
    let body = json!({ "witness": { "key": authority.line(), "who": who, "role": "timestamp" } });
    let answer = Session::open(wish)?
        .ask("the witness", "POST", "/governance/v1/witnesses", Some(&body))?;
    say::err(&format!("root {}, SHA-256 {}: compare it with what the authority publishes",
        authority.subject(), authority.fingerprint()));
    show::print(wish.output, &answer["witness"], || show::yaml(&answer["witness"]));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_base::SeedEntropy;

    fn note(signer: &str) -> String {
        let checkpoint = Checkpoint {
            instance: "tour".into(), epoch: 0, kind: HashKind::Sha256, size: 7, root: [9; 32], time: 1,
            clock: "system".into(), offset: 0,
        };
        Note { text: checkpoint.text(), signatures: vec![(signer.into(), [0; 4], vec![1])] }.render()
    }

    #[test]
    fn a_request_has_its_checkpoint_beside_it() {
        let dir = jinyun_testdb::Dir::new("stamp");
        let path = dir.join("tour.tsq");
        let mut dice = SeedEntropy::new(1);
        let text = note("tour");
        for bad in ["", "x", &note("bank.example/audit")] {
            assert!(ask(bad, &path, &mut dice).is_err(), "{bad}");
        }
        assert!(!path.exists() && !beside(&path).exists());
        ask(&text, &path, &mut dice).unwrap();
        let request = Request::read(&bytes(&path).unwrap()).unwrap();
        let kept = Note::parse(&read(&beside(&path)).unwrap()).unwrap();
        assert_eq!(Some(request.imprint), imprint(&kept));
        assert!(ask(&text, &path, &mut dice).is_err(), "written once");
        assert_eq!(Request::read(&bytes(&path).unwrap()), Some(request));
    }

    #[test]
    fn nobody_is_taken_for_an_authority() {
        let note = Note::parse(&note("tour")).unwrap();
        let line = "bank.example/audit ed25519 00";
        for witnesses in [json!([]), json!(null), json!([{ "key": line, "retired": false }])] {
            let said = choose(&witnesses, None, &note, b"x").unwrap_err().to_string();
            assert!(said.contains("cosign authority"), "{said}");
        }
    }
}
