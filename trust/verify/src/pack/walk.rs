//! Reading a pack, forwards and once.
//!
//! The manifest says where every byte has to be; this goes along and says what is not so. Behind
//! damage it goes on where the manifest has the next file, so one flipped bit does not hide the
//! next. Behind a whole header that is somebody else's it goes on by that header's size. All that
//! is printed of a foreign header is escaped and cut. What files say of each other is looked at
//! afterwards (`inside.rs`): of the journal the place and the digest are remembered, of small files
//! their content.

use super::{
    ASSESSMENT, AUTHORITIES, BLOCK, Block, CHECKPOINT, EVIDENCE, EXPORT, Entry, KEYS, Listed, MANIFEST,
    MANIFEST_LARGEST, Manifest, NOTE, Trouble, Verdict, header, octal, signed_text,
};
use crate::lines::Lines;
use crate::{Roots, shown};
use jinyun_journal::note::{Key, Note};
use jinyun_journal::to_hex;
use sha2::{Digest, Sha256};
use sm3::Sm3;
use std::io::{self, Read, Seek};

const SMALL_MAX: u64 = 64 << 10;
/// The largest checkpoint: its line in an export has at most so many bytes.
const CHECKPOINT_MAX: u64 = 256 << 10;
/// An assessment of some ten thousand clauses.
pub(super) const ASSESSMENT_MAX: u64 = 64 << 20;
/// A piece of so many bytes is worth a thread: SM3 takes longer than all the rest.
const BESIDE: usize = 1 << 20;
/// More is not listed: a pack that is none has endless faults.
const LISTED: usize = 200;

/// What stands where a file is expected.
enum Place {
    Right,
    /// Its header is changed; what follows is where it belongs.
    Damaged(String),
    /// Another size: its own.
    Resized(u64),
    /// The archive's end.
    Ended,
    /// A file further behind: those between are missing.
    Later(usize),
    Alien(Entry, &'static str),
}

fn place(block: &Block, files: &[Listed], next: usize) -> Place {
    let expected = &files[next];
    if header(&expected.path, expected.size).is_some_and(|h| h == *block) {
        return Place::Right;
    }
    if block.iter().all(|b| *b == 0) {
        return Place::Ended;
    }
    let Some(entry) = Entry::read(block) else {
        return Place::Damaged("its header is damaged: the checksum does not fit".into());
    };
    if entry.path == expected.path {
        return match (entry.refused, entry.size) {
            (None, Some(size)) if size != expected.size => Place::Resized(size),
            (Some(why), _) => Place::Damaged(format!("its header was changed: it {why}")),
            (None, _) => Place::Damaged("its header was changed".into()),
        };
    }
    if let Some(refused) = entry.refused {
        return Place::Alien(entry, refused);
    }
    let same = |f: &Listed| f.path == entry.path;
    if let Some(behind) = files[next..].iter().position(same) {
        return Place::Later(next + behind);
    }
    let doubled = files.iter().any(same) || [MANIFEST, NOTE].contains(&entry.path.as_str());
    let why = match doubled {
        true => "stands twice, or not where the manifest has it",
        false => "was added: the manifest does not name it",
    };
    Place::Alien(entry, why)
}

/// A file's bytes as they were read, to be known again.
pub(super) struct Extent {
    /// Where they begin in the pack.
    pub at: u64,
    /// How many there were.
    pub size: u64,
    /// Their SHA-256, hex.
    pub sha256: String,
}

/// One pass over a pack.
pub(super) struct Walk<'a, R: ?Sized> {
    pub(super) from: &'a mut R,
    at: u64,
    pub(super) found: Verdict,
    piece: Vec<u8>,
    /// The journal, if it was reached.
    pub(super) export: Option<Extent>,
}

impl<'a, R: Read + ?Sized> Walk<'a, R> {
    fn new(from: &'a mut R) -> Walk<'a, R> {
        Walk { from, at: 0, found: Verdict::default(), piece: Vec::new(), export: None }
    }

    pub(super) fn problem(&mut self, file: Option<&str>, what: &'static str, say: impl Into<String>) {
        self.ranged(file, None, what, say);
    }

    pub(super) fn ranged(&mut self, file: Option<&str>, range: Option<(u64, u64)>, what: &'static str,
        say: impl Into<String>) {
        let (from, to) = (range.map(|r| r.0), range.map(|r| r.1));
        let file = file.map(String::from);
        self.found.problems.push(Trouble { file, from, to, what, say: say.into() });
    }

    fn full(&self) -> bool {
        self.found.problems.len() >= LISTED
    }

    /// Reads until the buffer is full or the input ends.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut have = 0;
        while have < buffer.len() {
            match self.from.read(&mut buffer[have..]) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.at += have as u64;
        Ok(have)
    }

    /// A block; `None` at the end of the input.
    fn block(&mut self) -> io::Result<Option<Block>> {
        let mut block = [0; BLOCK as usize];
        Ok((self.fill(&mut block)? == block.len()).then_some(block))
    }

    /// Reads over content and its padding; whether it was there.
    fn skip(&mut self, size: u64) -> io::Result<bool> {
        let mut left = size.div_ceil(BLOCK).saturating_mul(BLOCK);
        let mut buffer = [0; 8192];
        while left > 0 {
            let want = left.min(8192) as usize;
            if self.fill(&mut buffer[..want])? < want {
                return Ok(false);
            }
            left -= want as u64;
        }
        Ok(true)
    }

    fn truncated(&mut self, file: &str) {
        let at = self.at;
        self.problem(Some(file), "truncated", format!("{file}: the pack ends at byte {at}, inside of it"));
    }

    fn padding(&mut self, file: &str, size: u64) -> io::Result<()> {
        let mut rest = [0; BLOCK as usize];
        let want = (size.next_multiple_of(BLOCK) - size) as usize;
        if self.fill(&mut rest[..want])? < want {
            self.truncated(file);
        } else if rest.iter().any(|b| *b != 0) {
            let say = format!("{file}: bytes stand behind it that belong to nothing");
            self.problem(Some(file), "padding", say);
        }
        Ok(())
    }

    /// One of the two files in front. `None`: without it nothing more can be said.
    fn front(&mut self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(block) = self.block()? else {
            self.truncated(path);
            return Ok(None);
        };
        let size = octal(&block[124..136]).filter(|s| *s <= most);
        if size.and_then(|s| header(path, s)).is_none_or(|h| h != block) {
            let say = match Entry::read(&block) {
                Some(e) if e.path != path => format!("`{}` stands where {path} belongs", e.shown()),
                Some(Entry { refused: Some(why), .. }) => format!("{path} {why}"),
                _ => format!("{path}: its header is damaged, or says too large a size"),
            };
            self.problem(Some(path), "header", say);
            let named = block[..100].starts_with(path.as_bytes());
            if size.is_none() || !named {
                return Ok(None);
            }
        }
        let size = size.unwrap_or_default();
        let mut bytes = vec![0; size as usize];
        if self.fill(&mut bytes)? < bytes.len() {
            self.truncated(path);
            return Ok(None);
        }
        self.padding(path, size)?;
        Ok(Some(bytes))
    }

    /// A file's content against its digests; kept if somebody needs it. `all` are the pack's files.
    fn content(&mut self, file: &Listed, all: &[Listed], mut keep: Option<&mut Vec<u8>>)
        -> io::Result<bool> {
        let (mut sha256, mut sm3) = (Sha256::new(), Sm3::new());
        let mut buffer = std::mem::take(&mut self.piece);
        let size = buffer.len() as u64;
        let (mut offset, mut bad, mut whole, mut looked) = (0, Vec::<Bad>::new(), true, 0);
        let begin = self.at;
        for expected in &file.pieces {
            let want = (file.size - offset).min(buffer.len() as u64) as usize;
            let have = self.fill(&mut buffer[..want])?;
            if have < want {
                whole = false;
                break;
            }
            let bytes = &buffer[..want];
            let digest = std::thread::scope(|scope| {
                if want < BESIDE {
                    sm3.update(bytes);
                } else {
                    scope.spawn(|| sm3.update(bytes));
                }
                sha256.update(bytes);
                to_hex(&Sha256::digest(bytes))
            });
            if let Some(keep) = keep.as_deref_mut() {
                keep.extend_from_slice(bytes);
            }
            let end = offset + want as u64;
            if digest != *expected {
                // Somebody's own pack can have any number of them: some are looked up.
                let place = || file.pieces.iter().position(|piece| *piece == digest);
                let belongs = if looked < LISTED { place() } else { None };
                looked += 1;
                let of = belongs.map(|n| n as u64 * size);
                match bad.last_mut() {
                    Some(last) if last.to + 1 == offset && of.is_none() && last.of.is_none() => {
                        last.to = end - 1;
                    }
                    _ => bad.push(Bad { from: offset, to: end - 1, of }),
                }
            }
            offset = end;
        }
        self.piece = buffer;
        let path = file.path.as_str();
        let digest = to_hex(&sha256.finalize());
        if path == EXPORT {
            self.export = Some(Extent { at: begin, size: offset, sha256: digest.clone() });
        }
        let fits = digest == file.sha256 && to_hex(&sm3.finalize()) == file.sm3;
        if bad.is_empty() && whole && !fits {
            let say = format!("{path}: its pieces fit the manifest and its digests do not");
            self.problem(Some(path), "digest", say);
        }
        let changed = whole && !bad.is_empty();
        let other = all.iter().find(|other| changed && other.sha256 == digest && other.path != file.path);
        if let Some(other) = other {
            let say = format!("{path}: holds what belongs into {}", other.path);
            self.ranged(Some(path), Some((0, file.size.saturating_sub(1))), "changed", say);
            bad.clear();
        }
        for Bad { from, to, of } in bad.into_iter().take(LISTED) {
            let say = match of {
                None => format!("{path}: something among its bytes {from} to {to} was changed"),
                Some(at) => format!("{path}: its bytes {from} to {to} are those that belong at {at}"),
            };
            self.ranged(Some(path), Some((from, to)), "changed", say);
        }
        if !whole {
            self.truncated(path);
            return Ok(false);
        }
        self.found.files += 1;
        self.padding(path, file.size)?;
        Ok(true)
    }

    fn missing(&mut self, files: &[Listed]) {
        for file in files {
            if self.full() {
                return;
            }
            let say = format!("{}: is missing where the manifest has it", file.path);
            self.problem(Some(&file.path), "missing", say);
        }
    }

    /// Something that the manifest does not have here; whether reading can go on behind it.
    fn alien(&mut self, entry: &Entry, why: &'static str) -> io::Result<bool> {
        let shown = entry.shown();
        let what = if entry.refused.is_some() { "refused" } else { "added" };
        let at = self.at - BLOCK;
        self.problem(Some(&shown), what, format!("`{shown}` (at byte {at} of the pack) {why}"));
        match entry.size {
            Some(size) if self.skip(size)? => Ok(!self.full()),
            _ => {
                self.truncated(&shown);
                Ok(false)
            }
        }
    }

    /// All files behind the front; `false` if the end was reached or lost on the way.
    fn files(&mut self, files: &[Listed], kept: &mut Kept) -> io::Result<bool> {
        let mut next = 0;
        while next < files.len() && !self.full() {
            let Some(block) = self.block()? else {
                self.missing(&files[next..]);
                return Ok(false);
            };
            let at = self.at - BLOCK;
            let mut spot = place(&block, files, next);
            if let Place::Later(found) = spot {
                self.missing(&files[next..found]);
                next = found;
                spot = place(&block, files, next);
            }
            match spot {
                Place::Right | Place::Later(_) => {}
                Place::Damaged(why) => {
                    let path = files[next].path.as_str();
                    let say = format!("{path}: {why} (bytes {at} to {} of the pack)", at + BLOCK - 1);
                    self.problem(Some(path), "header", say);
                }
                Place::Resized(size) => {
                    let file = &files[next];
                    let say = format!("{}: has {size} bytes, the manifest says {}", file.path, file.size);
                    let whole = (0, file.size.saturating_sub(1));
                    self.ranged(Some(&file.path), Some(whole), "changed", say);
                    if !self.skip(size)? {
                        self.truncated(&file.path);
                        self.missing(&files[next + 1..]);
                        return Ok(false);
                    }
                    next += 1;
                    continue;
                }
                Place::Ended => {
                    self.missing(&files[next..]);
                    return Ok(false);
                }
                Place::Alien(entry, why) => {
                    if !self.alien(&entry, why)? {
                        self.missing(&files[next..]);
                        return Ok(false);
                    }
                    continue;
                }
            }
            if !self.content(&files[next], files, kept.of(&files[next]))? {
                self.missing(&files[next + 1..]);
                return Ok(false);
            }
            next += 1;
        }
        Ok(next == files.len())
    }

    /// Two blocks of zeros, and nothing behind them. What stands before them is named.
    fn end(&mut self) -> io::Result<()> {
        loop {
            let at = self.at;
            let Some(block) = self.block()? else {
                let say = format!("the pack ends at byte {at}, without its closing blocks");
                self.problem(None, "end", say);
                return Ok(());
            };
            if block.iter().all(|b| *b == 0) {
                break;
            }
            let entry = Entry::read(&block);
            let why = entry.as_ref().and_then(|e| e.refused).unwrap_or("was added behind the last file");
            match entry {
                Some(entry) if self.alien(&entry, why)? => {}
                Some(_) => return Ok(()),
                None => {
                    let say = format!("from byte {at} on, behind the last file, stands what is no file");
                    self.problem(None, "end", say);
                    return self.rest();
                }
            }
        }
        match self.block()? {
            Some(block) if block.iter().all(|b| *b == 0) => {}
            _ => self.problem(None, "end", "the second of the closing blocks is damaged or missing"),
        }
        let at = self.at;
        self.rest()?;
        if self.at > at {
            let say = format!("{} bytes stand behind the end of the pack", self.at - at);
            self.problem(None, "end", say);
        }
        Ok(())
    }

    /// Reads what is left.
    fn rest(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8192];
        while self.fill(&mut buffer)? == buffer.len() {}
        Ok(())
    }

    fn signed(&mut self, note: &[u8], manifest: (&Manifest, &[u8]), keys: &[Key]) {
        let Some(note) = std::str::from_utf8(note).ok().and_then(Note::parse) else {
            self.problem(Some(NOTE), "signature", format!("{NOTE}: cannot be read: it was changed"));
            return;
        };
        let (named, bytes) = manifest;
        if note.text != signed_text(&named.instance, &named.made, bytes) {
            let say = format!("{MANIFEST}: is not the one that was signed: it, or {NOTE}, was changed");
            self.problem(Some(MANIFEST), "signature", say);
            return;
        }
        let lines = Lines::of(&note, keys);
        for bad in &lines.bad {
            self.problem(Some(NOTE), "signature", format!("{NOTE}: {bad}"));
        }
        for own in ["ed25519", "sm2"] {
            if let Err(why) = lines.by(&named.instance, own, keys) {
                self.problem(Some(NOTE), "signature", format!("{NOTE}: {why}"));
            }
        }
        lines.count(&mut self.found.signers, &mut self.found.unchecked);
    }

    /// A record's file is named by its digest: by another one it would pass for another record's. And what
    /// is called a checkpoint and is too large for one would be kept for the next visit unread.
    fn named(&mut self, files: &[Listed]) {
        let wrong = |file: &&Listed| {
            file.path.strip_prefix(EVIDENCE).is_some_and(|name| name != file.sha256)
        };
        for file in files.iter().filter(wrong).take(LISTED) {
            let say = format!("{}: its name is not its SHA-256 ({})", file.path, shown(&file.sha256));
            self.problem(Some(&file.path), "digest", say);
        }
        for file in files.iter().filter(|f| is_checkpoint(&f.path) && f.size > CHECKPOINT_MAX) {
            let path = &file.path;
            let say = format!("{path}: has more than {CHECKPOINT_MAX} bytes, which no checkpoint has");
            self.problem(Some(path), "checkpoint", say);
        }
    }
}

/// Whether it is one of the two files with the newest checkpoint.
fn is_checkpoint(path: &str) -> bool {
    path.strip_prefix(CHECKPOINT).is_some_and(|tree| ["sha256", "sm3"].contains(&tree))
}

/// Bytes of a file that are not those of the manifest.
struct Bad {
    from: u64,
    to: u64,
    /// Where in the file they belong, if they are another piece of it.
    of: Option<u64>,
}

/// Contents that are needed after the pass.
#[derive(Default)]
pub(super) struct Kept {
    pub assessment: Option<Vec<u8>>,
    keys: Option<Vec<u8>>,
    authorities: Option<Vec<u8>>,
    pub checkpoints: Vec<(String, Vec<u8>)>,
}

impl Kept {
    /// Where a file's content is kept. What a pack claims to be keys or a checkpoint and is large is
    /// neither, and does not fill the memory.
    fn of(&mut self, file: &Listed) -> Option<&mut Vec<u8>> {
        match file.path.as_str() {
            ASSESSMENT if file.size <= ASSESSMENT_MAX => Some(self.assessment.get_or_insert_default()),
            path if is_checkpoint(path) && file.size <= CHECKPOINT_MAX => {
                self.checkpoints.push((path.into(), Vec::new()));
                self.checkpoints.last_mut().map(|c| &mut c.1)
            }
            _ if file.size > SMALL_MAX => None,
            KEYS => Some(self.keys.get_or_insert_default()),
            AUTHORITIES => Some(self.authorities.get_or_insert_default()),
            _ => None,
        }
    }
}

/// What a pack is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// The instance's public keys. Without any, those that came with the pack are used: that shows that it
    /// is whole, not whose it is.
    pub keys: Option<&'a [Key]>,
    /// Checkpoints of its journal that were kept outside.
    pub kept: &'a [String],
    /// Roots of timestamp authorities. If none are given, those in the pack are used.
    pub roots: &'a Roots,
    /// SHA-256 of a program, hex, that the assessment should name.
    pub program: Option<&'a str>,
}

/// Checks a pack against trusted keys and kept checkpoints. Without keys, those that came with the
/// pack are used: that shows that it is whole, not whose it is.
pub fn check<R: Read + Seek>(from: &mut R, keys: Option<&[Key]>, outside: &[String])
    -> io::Result<Verdict> {
    check_with(from, keys, outside, &Roots::default())
}

/// The same, and judges timestamps by roots of their authorities; if none are given, by those in the
/// pack.
pub fn check_with<R: Read + Seek>(from: &mut R, keys: Option<&[Key]>, outside: &[String], roots: &Roots)
    -> io::Result<Verdict> {
    check_by(from, &Trust { keys, kept: outside, roots, program: None })
}

/// The same by all that can be given. It begins where the source stands, and reads the journal's part of
/// that a second time.
pub fn check_by<R: Read + Seek>(from: &mut R, by: &Trust<'_>) -> io::Result<Verdict> {
    // What cannot be read at any place says so before it was read.
    let base = from.stream_position()?;
    let mut walk = Walk::new(from);
    pass(&mut walk, base, by)?;
    let mut found = walk.found;
    found.bytes = walk.at;
    found.trusted = by.keys.is_some();
    let journal = found.journal.as_ref().is_some_and(|j| j.ok);
    found.ok = found.problems.is_empty() && journal;
    Ok(found)
}

fn pass<R: Read + Seek>(walk: &mut Walk<'_, R>, base: u64, by: &Trust<'_>) -> io::Result<()> {
    let Some(bytes) = walk.front(MANIFEST, MANIFEST_LARGEST)? else { return Ok(()) };
    let manifest = match Manifest::read(&bytes) {
        Ok(manifest) => manifest,
        Err(why) => {
            walk.problem(Some(MANIFEST), "manifest", format!("{MANIFEST}: {why}"));
            return Ok(());
        }
    };
    walk.found.instance.clone_from(&manifest.instance);
    walk.found.made.clone_from(&manifest.made);
    walk.found.absent.clone_from(&manifest.absent);
    walk.piece = vec![0; manifest.piece as usize];
    let Some(note) = walk.front(NOTE, SMALL_MAX)? else {
        walk.missing(&manifest.files);
        return Ok(());
    };
    let mut kept = Kept::default();
    if walk.files(&manifest.files, &mut kept)? {
        walk.end()?;
    } else {
        walk.rest()?;
    }
    walk.named(&manifest.files);
    let inside = match (&kept.keys, by.keys) {
        (Some(text), None) => Key::read_all(&String::from_utf8_lossy(text)),
        _ => Ok(Vec::new()),
    };
    let inside = inside.unwrap_or_else(|why| {
        walk.problem(Some(KEYS), "signature", format!("{KEYS}: {}", shown(&why)));
        Vec::new()
    });
    let keys = by.keys.unwrap_or(&inside);
    walk.signed(&note, (&manifest, &bytes), keys);
    let told = kept.authorities.as_deref().map(|text| Roots::told(&String::from_utf8_lossy(text)));
    let told = match told {
        None => Roots::default(),
        Some(Ok(told)) => told,
        Some(Err(why)) => {
            walk.problem(Some(AUTHORITIES), "journal", format!("{AUTHORITIES}: {why}"));
            Roots::default()
        }
    };
    let roots = if by.roots.given() { by.roots } else { &told };
    let by = Trust { keys: Some(keys), kept: by.kept, roots, program: by.program };
    walk.inside(base, &manifest.files, kept, &by)
}

/// One file of a pack, unchecked; `None` if it is not there or larger than `most`.
pub fn member(from: &mut dyn Read, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut walk = Walk::new(from);
    while let Some(block) = walk.block()? {
        let Some(Entry { path: name, size: Some(size), .. }) = Entry::read(&block) else { break };
        if name == path && size <= most {
            let mut bytes = vec![0; size as usize];
            return Ok((walk.fill(&mut bytes)? == bytes.len()).then_some(bytes));
        }
        if !walk.skip(size)? {
            break;
        }
    }
    Ok(None)
}
