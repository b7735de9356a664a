//! Making a pack: all reports, the evidence and the journal in one signed file.
//!
//! The format and its reader are the verifier's (`jinyun_verify::pack`, `docs/pack-format.md`).
//! Files are read twice: to name them in the manifest, which stands first, and to copy them; one
//! that changed in between is refused. Memory holds the reports, the manifest and one piece, so the
//! journal and the records can be as large as the format allows. A record whose file is not at hand, or
//! is known to be damaged, is named as absent; one whose file has another digest than its record is
//! refused.

use crate::Made;
use crate::oscal::{self, Attachment};
use crate::{html, pdf, statement};
use jinyun_base::{Fault, Time};
use jinyun_journal::note::{Key, Note};
use jinyun_journal::to_hex;
use jinyun_verify::pack::{
    Absent, CHECKPOINT, EXPORT, KEYS, LARGEST, Listed, MAGIC, MANIFEST, MANIFEST_LARGEST, Manifest, NOTE,
    PIECES, header, piece, signed_text,
};
pub use jinyun_verify::pack::{AUTHORITIES, member};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sm3::Sm3;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub enum Body {
    /// Here.
    Bytes(Vec<u8>),
    /// In a file.
    File(PathBuf),
}

/// A file of a pack.
#[derive(Debug, Clone)]
pub struct Item {
    /// Path inside of the pack.
    pub path: String,
    /// Its content.
    pub body: Body,
}

/// Signs a text: for each signature the key's name, its id and the bytes.
pub type Sign<'a> = &'a dyn Fn(&str) -> Result<Vec<(String, [u8; 4], Vec<u8>)>, Fault>;

fn item(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Item {
    Item { path: path.into(), body: Body::Bytes(bytes.into()) }
}

impl Body {
    fn open(&self) -> Result<Box<dyn Read + '_>, Fault> {
        let open: Box<dyn Read + '_> = match self {
            Body::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Body::File(path) => Box::new(File::open(path)
                .map_err(|e| Fault::new(format!("{}: {e}", path.display())))?),
        };
        Ok(open)
    }

    fn size(&self) -> Result<u64, Fault> {
        match self {
            Body::Bytes(bytes) => Ok(bytes.len() as u64),
            Body::File(path) => std::fs::metadata(path).map(|m| m.len())
                .map_err(|e| Fault::new(format!("{}: {e}", path.display()))),
        }
    }

    /// Reads it piece by piece; the last may be shorter.
    fn pieces(&self, piece: usize, each: &mut dyn FnMut(&[u8]) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut from = self.open()?;
        let mut buffer = vec![0; piece];
        loop {
            let mut have = 0;
            while have < piece {
                match from.read(&mut buffer[have..]) {
                    Ok(0) => break,
                    Ok(n) => have += n,
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(Fault::new(format!("reading for the pack: {e}"))),
                }
            }
            if have > 0 {
                each(&buffer[..have])?;
            }
            if have < piece {
                return Ok(());
            }
        }
    }

    /// SHA-256, hex.
    pub fn sha256(&self) -> Result<String, Fault> {
        let mut hash = Sha256::new();
        self.pieces(PIECES[1] as usize, &mut |bytes| {
            hash.update(bytes);
            Ok(())
        })?;
        Ok(to_hex(&hash.finalize()))
    }
}

fn listed(item: &Item, piece: u64) -> Result<Listed, Fault> {
    let (mut sha256, mut sm3) = (Sha256::new(), Sm3::new());
    let (mut pieces, mut size) = (Vec::new(), 0);
    item.body.pieces(piece as usize, &mut |bytes| {
        sha256.update(bytes);
        sm3.update(bytes);
        pieces.push(to_hex(&Sha256::digest(bytes)));
        size += bytes.len() as u64;
        Ok(())
    })?;
    let (sha256, sm3) = (to_hex(&sha256.finalize()), to_hex(&sm3.finalize()));
    Ok(Listed { path: item.path.clone(), pieces, sha256, size, sm3 })
}

/// What is said of a file that no header can name.
fn unfit(path: &str) -> Fault {
    Fault::new(format!(
        "`{}` cannot be in a pack: its name does not fit, or it has more than {LARGEST} bytes \
         (take a shorter period)", path.escape_debug()
    ))
}

/// One file with its header and what fills its last block.
fn put(out: &mut dyn Write, listed: &Listed, body: &Body, piece: u64) -> Result<(), Fault> {
    let bad = |e: std::io::Error| Fault::new(format!("writing the pack: {e}"));
    let header = header(&listed.path, listed.size).ok_or_else(|| unfit(&listed.path))?;
    out.write_all(&header).map_err(bad)?;
    let mut hash = Sha256::new();
    body.pieces(piece as usize, &mut |bytes| {
        hash.update(bytes);
        out.write_all(bytes).map_err(bad)
    })?;
    if to_hex(&hash.finalize()) != listed.sha256 {
        return Err(Fault::new(format!("{} changed while it was packed; try again", listed.path)));
    }
    let rest = listed.size.next_multiple_of(512) - listed.size;
    out.write_all(&[0; 512][..rest as usize]).map_err(bad)
}

/// Writes a pack of an instance, made at a time (microseconds). The order of the items does not
/// matter.
pub fn write(out: &mut dyn Write, instance: &str, made: i64, mut items: Vec<Item>, absent: Vec<Absent>,
    sign: Sign<'_>) -> Result<Manifest, Fault> {
    items.sort_by(|a, b| a.path.cmp(&b.path));
    if let Some(twice) = items.windows(2).find(|w| w[0].path == w[1].path) {
        return Err(Fault::new(format!("{} stands twice in the pack", twice[0].path)));
    }
    let mut total: u64 = 0;
    for one in &items {
        let size = one.body.size()?;
        // Before anything is read that cannot be written.
        header(&one.path, size).ok_or_else(|| unfit(&one.path))?;
        total = total.saturating_add(size);
    }
    let piece = piece(total);
    let files = items.iter().map(|i| listed(i, piece)).collect::<Result<Vec<_>, _>>()?;
    let (instance, made) = (instance.to_string(), Time(made).micros());
    let manifest = Manifest { absent, files, format: MAGIC.into(), instance, made, piece };
    let bytes = serde_json::to_vec(&manifest).map_err(|e| Fault::new(format!("the manifest: {e}")))?;
    Manifest::read(&bytes).map_err(|e| Fault::new(format!("the manifest: {e}")))?;
    if bytes.len() as u64 > MANIFEST_LARGEST {
        return Err(Fault::new(format!(
            "the manifest has more than {MANIFEST_LARGEST} bytes: the files are too many or too large \
             together (take a shorter period)"
        )));
    }
    let text = signed_text(&manifest.instance, &manifest.made, &bytes);
    let note = Note { signatures: sign(&text)?, text }.render();
    for front in [item(MANIFEST, bytes), item(NOTE, note)] {
        put(out, &listed(&front, piece)?, &front.body, piece)?;
    }
    for (one, file) in items.iter().zip(&manifest.files) {
        put(out, file, &one.body, piece)?;
    }
    out.write_all(&[0; 1024]).and_then(|()| out.flush())
        .map_err(|e| Fault::new(format!("writing the pack: {e}")))?;
    Ok(manifest)
}

/// The two newest checkpoints of an export, as signed notes.
pub fn newest_notes(export: &Body) -> Result<Vec<String>, Fault> {
    let mut from = BufReader::new(export.open()?);
    let (mut line, mut notes) = (Vec::new(), Vec::<String>::new());
    loop {
        line.clear();
        let read = from.read_until(b'\n', &mut line);
        if read.map_err(|e| Fault::new(format!("the export of the journal: {e}")))? == 0 {
            break;
        }
        if let Some(text) = line.strip_prefix(b"note ") {
            notes.extend(serde_json::from_slice::<String>(text));
            if notes.len() > 2 {
                notes.remove(0);
            }
        }
    }
    Ok(notes)
}

/// The OSCAL documents as files of a directory.
pub fn oscal_items(made: &Made<'_>, attachments: &[Attachment]) -> Result<Vec<Item>, Fault> {
    oscal::documents(made.of, made.at, attachments).into_iter().map(|(name, value)| {
        Ok(item(format!("oscal/{name}"), pretty(&value)?))
    }).collect()
}

/// JSON for people too.
pub fn pretty(value: &Value) -> Result<String, Fault> {
    let text = serde_json::to_string_pretty(value);
    text.map(|t| t + "\n").map_err(|e| Fault::new(format!("JSON: {e}")))
}

/// The statements of shared responsibility as files of a directory.
pub fn statement_items(made: &Made<'_>) -> Result<Vec<Item>, Fault> {
    let mut items = Vec::new();
    for one in statement::statements(made.of, made.at) {
        items.push(item(format!("responsibility/{}.json", one.name), pretty(&one.json)?));
        items.push(item(format!("responsibility/{}.html", one.name), one.html));
    }
    Ok(items)
}

/// Everything that belongs into a pack. `assessment` is the JSON as the instance gave it; `records`
/// a directory with the files of records, each named by its SHA-256.
pub fn contents(made: &Made<'_>, assessment: &Value, export: Body, keys: &[Key], records: Option<&Path>)
    -> Result<(Vec<Item>, Vec<Absent>), Fault> {
    let assessment = item("assessment.json", pretty(assessment)?);
    let export = Item { path: EXPORT.into(), body: export };
    let attachments = [
        (&assessment, "The assessment as the instance gave it"),
        (&export, "The journal of the period"),
    ].into_iter().map(|(item, title)| {
        Ok(Attachment { path: item.path.clone(), title: title.into(), sha256: item.body.sha256()? })
    }).collect::<Result<Vec<_>, Fault>>()?;
    let mut items = oscal_items(made, &attachments)?;
    items.extend(statement_items(made)?);
    items.extend([
        assessment, export, item("report.html", html::page(made)), item("report.pdf", pdf::pdf(made)),
    ]);
    let lines: String = keys.iter().map(|k| k.line() + "\n").collect();
    items.push(item(KEYS, lines));
    for (note, tree) in made.checkpoints.iter().zip(["sha256", "sm3"]) {
        items.push(item(format!("{CHECKPOINT}{tree}"), note.as_str()));
    }
    let mut absent: Vec<Absent> = Vec::new();
    for record in made.of.duties.iter().flat_map(|d| &d.records) {
        let digest = record.sha256.as_str();
        let named = digest.len() == 64 && jinyun_journal::from_hex(digest).is_some();
        let path = format!("evidence/{digest}");
        if items.iter().any(|i| i.path == path) || absent.iter().any(|a| a.sha256 == digest) {
            continue;
        }
        // What is known to be damaged counts for nothing, and keeps no pack from being made.
        let whole = named && record.damage.is_empty();
        match records.filter(|_| whole).map(|d| d.join(digest)).filter(|p| p.is_file()) {
            None => absent.push(Absent { name: record.name.clone(), sha256: digest.into() }),
            Some(file) => {
                let body = Body::File(file);
                if body.sha256()? != digest {
                    return Err(Fault::new(format!(
                        "the file of the record {digest} has another digest: it was changed"
                    )));
                }
                items.push(Item { path, body });
            }
        }
    }
    Ok((items, absent))
}
