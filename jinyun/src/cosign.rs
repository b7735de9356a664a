//! `jinyun cosign`: signing the journal's checkpoints as somebody who is not the platform.
//!
//! Making a key and signing need no network and no instance: they are for a machine of the witness's
//! own, where the key stays. What is signed is a note that was taken away before
//! (`jinyun journal checkpoints --save`), and it is read before it is signed: nobody signs what is no
//! checkpoint. Only sending asks the platform. Timestamps have a file of their own (`stamp.rs`).

mod stamp;

use crate::fail::Failed;
use crate::say;
use crate::session::{Session, Wish};
use crate::show;
use ed25519_dalek::{Signer, SigningKey};
use jinyun_base::{Entropy, Fault, OsEntropy, Secret};
use jinyun_journal::note::PublicKey;
use jinyun_journal::{Checkpoint, Key, Note};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What to do.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Make an Ed25519 key in a file, and print the line by which it is registered.
    Key {
        /// The key's name, with a dot, slash or dash: bank.example/audit.
        #[arg(long, value_parser = witness)]
        name: String,
        /// Where to; a file that is there is left alone.
        file: PathBuf,
    },
    /// Print a signature line under a kept checkpoint.
    Sign {
        /// The key's file.
        #[arg(long)]
        key: PathBuf,
        /// The instance's public keys: the checkpoint must be signed by one of them.
        #[arg(long)]
        keys: Option<PathBuf>,
        /// Print the whole note with the line, ready to be sent.
        #[arg(long)]
        note: bool,
        /// The checkpoint's note, as `jinyun journal checkpoints --save` keeps it.
        checkpoint: PathBuf,
    },
    /// Register a public key as a witness: what `jinyun cosign key` printed.
    Register {
        /// The line: NAME ed25519 HEX.
        line: String,
        /// Whose key it is.
        #[arg(long)]
        who: String,
        /// In which role.
        #[arg(long, value_parser = ["institution", "auditor", "assessor", "timestamp"])]
        role: String,
    },
    /// Send a note with a witness's line to the platform.
    Send {
        /// The note.
        file: PathBuf,
    },
    /// Register a timestamp authority as a witness, by the certificate of its root.
    Authority {
        /// Under which name, with a dot, slash or dash: bank.example/clock.
        #[arg(long, value_parser = witness)]
        name: String,
        /// Whose it is.
        #[arg(long)]
        who: String,
        /// The certificate (PEM), as the authority publishes it.
        file: PathBuf,
    },
    /// Write a request for a timestamp of a checkpoint, or check and file what came back.
    Timestamp(stamp::Options),
}

fn read(path: &Path) -> Result<String, Fault> {
    fs::read_to_string(path).map_err(|e| Fault::new(format!("{}: {e}", path.display())))
}

/// A key with its name.
struct Pen {
    name: String,
    secret: SigningKey,
}

impl Pen {
    fn new(name: &str, dice: &mut dyn Entropy) -> Pen {
        let mut seed = [0; 32];
        dice.fill(&mut seed);
        let seed = Secret::new(seed);
        Pen { name: name.into(), secret: SigningKey::from_bytes(seed.expose()) }
    }

    fn key(&self) -> Key {
        let public = PublicKey::Ed25519(self.secret.verifying_key().to_bytes());
        Key { name: self.name.clone(), public }
    }

    /// As its file has it: one line, the name and the secret key in hex.
    fn line(&self) -> Secret<String> {
        let seed = Secret::new(self.secret.to_bytes());
        let hex = Secret::new(jinyun_journal::to_hex(seed.expose()));
        Secret::new(format!("{} ed25519-secret {}\n", self.name, hex.expose()))
    }

    fn read(text: &Secret<String>) -> Result<Pen, Fault> {
        let bad = || Fault::new("the key's file is none that `jinyun cosign key` made");
        let line = text.expose().strip_suffix('\n').ok_or_else(bad)?;
        let [name, "ed25519-secret", hex] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(bad());
        };
        let bytes = Secret::new(jinyun_journal::from_hex(hex).ok_or_else(bad)?);
        let seed: [u8; 32] = bytes.expose().as_slice().try_into().map_err(|_| bad())?;
        let seed = Secret::new(seed);
        Ok(Pen { name: name.into(), secret: SigningKey::from_bytes(seed.expose()) })
    }

    /// A note with this key's line under its text and no other.
    fn sign(&self, note: &Note) -> Note {
        let signature = self.secret.sign(note.text.as_bytes()).to_bytes().to_vec();
        let line = (self.name.clone(), self.key().id(), signature);
        Note { text: note.text.clone(), signatures: vec![line] }
    }
}

/// The note of a checkpoint, signed by one of these keys if there are any.
fn checkpoint(text: &str, keys: &[Key]) -> Result<Note, Fault> {
    let note = Note::parse(text).filter(|note| Checkpoint::parse(&note.text).is_some());
    let note = note.ok_or_else(|| Fault::new("the file holds no checkpoint's note: nothing is signed"))?;
    let (good, bad) = note.signers(keys);
    if !keys.is_empty() && (good.is_empty() || !bad.is_empty()) {
        let say = "the checkpoint is not signed by the instance's key: do not sign it, ask why";
        return Err(Fault::new(say));
    }
    Ok(note)
}

/// The last line of a note that has one signature.
fn last(note: &Note) -> String {
    note.render().lines().last().unwrap_or_default().to_string()
}

/// Reads a witness's name.
fn witness(name: &str) -> Result<String, String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "./-".contains(c);
    let long = (3..=64).contains(&name.len());
    if long && name.chars().all(good) && name.contains(['.', '/', '-']) {
        return Ok(name.into());
    }
    Err("must be 3 to 64 of a-z, 0-9, dot, slash and dash, with one of the last three, like \
         bank.example/audit".into())
}

/// Runs it.
pub fn run(wish: &Wish, command: Command) -> Result<(), Failed> {
    match command {
        Command::Key { name, file } => {
            let pen = Pen::new(&name, &mut OsEntropy::default());
            let bad = |e: std::io::Error| Fault::new(format!("{}: {e}", file.display()));
            let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)
                .map_err(bad)?;
            out.write_all(pen.line().expose().as_bytes()).and_then(|()| out.sync_all())
                .map_err(bad)?;
            say::out(&pen.key().line());
        }
        Command::Sign { key, keys, note: whole, checkpoint: file } => {
            let keys = match keys {
                None => Vec::new(),
                Some(path) => Key::read_all(&read(&path)?).map_err(Fault::new)?,
            };
            let pen = Pen::read(&Secret::new(read(&key)?))?;
            let mut note = checkpoint(&read(&file)?, &keys)?;
            let mut signed = pen.sign(&note);
            say::out(&match whole {
                false => last(&signed),
                true => {
                    note.signatures.append(&mut signed.signatures);
                    // Without its last line end, which printing adds.
                    note.render().trim_end_matches('\n').to_string()
                }
            });
        }
        Command::Register { line, who, role } => {
            let body = json!({ "witness": { "key": line, "who": who, "role": role } });
            let answer = Session::open(wish)?
                .ask("the witness", "POST", "/governance/v1/witnesses", Some(&body))?;
            show::print(wish.output, &answer["witness"], || show::yaml(&answer["witness"]));
        }
        Command::Send { file } => {
            let body = json!({ "cosignature": { "note": read(&file)? } });
            let answer = Session::open(wish)?
                .ask("the signature", "POST", "/governance/v1/cosignatures", Some(&body))?;
            show::print(wish.output, &answer["cosignature"], || show::yaml(&answer["cosignature"]));
        }
        Command::Authority { name, who, file } => stamp::register(wish, &name, &who, &file)?,
        Command::Timestamp(options) => stamp::run(wish, &options)?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jinyun_base::SeedEntropy;
    use jinyun_journal::HashKind;

    fn note() -> Note {
        let checkpoint = Checkpoint {
            instance: "tour".into(), epoch: 0, kind: HashKind::Sha256, size: 7, root: [9; 32], time: 1,
            clock: "system".into(), offset: 0,
        };
        let platform = Pen::new("tour", &mut SeedEntropy::new(1));
        platform.sign(&Note { text: checkpoint.text(), signatures: Vec::new() })
    }

    #[test]
    fn a_line_is_this_keys_under_this_text() {
        let pen = Pen::new("bank.example/audit", &mut SeedEntropy::new(2));
        let again = Pen::read(&pen.line()).unwrap();
        assert_eq!(again.key(), pen.key());
        let platform = Pen::new("tour", &mut SeedEntropy::new(1)).key();
        let note = checkpoint(&note().render(), &[platform]).unwrap();
        let whole = format!("{}{}\n", note.render(), last(&again.sign(&note)));
        let whole = Note::parse(&whole).unwrap();
        let keys = [pen.key()];
        let (good, bad) = whole.signers(&keys);
        assert_eq!((good.len(), bad.len()), (1, 0));
        assert_eq!(Key::read_all(&pen.key().line()).unwrap(), [pen.key()]);
    }

    #[test]
    fn what_is_no_checkpoint_or_not_the_platforms_is_not_signed() {
        let other = Pen::new("tour", &mut SeedEntropy::new(3)).key();
        assert!(checkpoint(&note().render(), &[other]).is_err());
        assert!(checkpoint(&note().render(), &[]).is_ok());
        for bad in ["", "x\n", "a\n\n\u{2014} b AAAAAAA=\n"] {
            assert!(checkpoint(bad, &[]).is_err(), "{bad}");
        }
        for bad in ["", "a ed25519-secret 00\n", "a ed25519 00\n", "a b ed25519-secret 00\n"] {
            assert!(Pen::read(&Secret::new(bad.into())).is_err(), "{bad}");
        }
        for (name, good) in [("bank.example/audit", true), ("a-1", true), ("tour", false),
            ("a b.c", false), ("A.b", false), ("-.", false)] {
            assert_eq!(witness(name).is_ok(), good, "{name}");
        }
    }
}
