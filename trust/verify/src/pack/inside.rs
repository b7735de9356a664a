//! What the files of a pack say of each other: the journal, its checkpoints, the assessment, a program.
//!
//! Problem: the journal is larger than memory, and everything else here is about its entries. Mechanism:
//! after the pass over the pack its verification goes back to where the journal lies and reads it there,
//! in stretches; whoever needs something of its lines looks on ([`Watch`]) and keeps that alone. Two
//! readings can be of different bytes, if somebody changes the file in between; so both are summed, and
//! what was verified has to be what the manifest was compared with.

use super::assessed::{self, Assessed, Entries};
use super::program::{Program, Programs};
use super::walk::{ASSESSMENT_MAX, Extent, Kept, Trust, Walk};
use super::{ASSESSMENT, EXPORT, Listed};
use crate::source::Window;
use crate::stream::{self, Asked, Watch};
use jinyun_journal::to_hex;
use serde_json::Value;
use std::io::{self, Read, Seek};

/// A file with a checkpoint, and the line of the export that it should be.
struct Told {
    path: String,
    line: String,
}

/// What is looked for in the journal while it is verified.
struct Looked {
    entries: Entries,
    programs: Programs,
    checkpoints: Vec<Told>,
    /// The last two notes: of SHA-256, then of SM3, or the notes are not in their order.
    newest: [Vec<u8>; 2],
}

impl Watch for Looked {
    fn entry(&mut self, number: u64, line: &[u8]) {
        self.entries.take(number, line);
        self.programs.take(number, line);
    }

    fn note(&mut self, line: &[u8]) {
        self.newest.swap(0, 1);
        self.newest[1].clear();
        self.newest[1].extend_from_slice(line);
    }
}

impl<R: Read + Seek> Walk<'_, R> {
    /// Looks at all that, when the pass is over. The pack begins at `base`.
    pub(super) fn inside(&mut self, base: u64, files: &[Listed], mut kept: Kept, by: &Trust<'_>)
        -> io::Result<()> {
        let damaged = self.found.problems.iter().any(|p| p.file.as_deref() == Some(ASSESSMENT));
        let bytes = kept.assessment.take().filter(|_| !damaged);
        let document = bytes.as_deref().map(assessed::read);
        drop(bytes);
        let value = document.as_ref().and_then(|read| read.as_ref().ok());
        let entries = self.journal(base, kept.checkpoints, value, by)?;
        self.assessment(files, damaged, document.as_ref(), entries.as_ref());
        if let Some(given) = by.program {
            let covered = self.found.assessment.as_ref().is_some_and(|found| found.digest);
            let (found, wrong) = Program::of(given, value, covered);
            self.found.program = Some(found);
            if let Some(say) = wrong {
                self.problem(Some(ASSESSMENT), "program", say);
            }
        }
        Ok(())
    }

    /// The journal inside, by the code that judges any export. Returns what of its entries the document
    /// needs; none if there is no journal.
    fn journal(&mut self, base: u64, checkpoints: Vec<(String, Vec<u8>)>, document: Option<&Value>,
        by: &Trust<'_>) -> io::Result<Option<Entries>> {
        let Some(Extent { at, size, sha256 }) = self.export.take() else {
            self.problem(None, "journal", "the pack holds no export of the journal");
            return Ok(None);
        };
        let mut looked = Looked {
            entries: Entries::of(document),
            programs: Programs::default(),
            checkpoints: checkpoints.into_iter().map(|(path, text)| {
                let text = String::from_utf8_lossy(&text);
                let line = format!("note {}", Value::from(&*text));
                Told { path, line }
            }).collect(),
            newest: Default::default(),
        };
        let mut window = Window::new(&mut *self.from, base.saturating_add(at), size);
        let asked = Asked { keys: by.keys.unwrap_or_default(), kept: by.kept, roots: by.roots };
        let seen = stream::verify(&mut window, asked, &stream::PACES, &mut looked)?;
        // What the verification read, and no further reading, which could be of other bytes.
        let span = seen.report.span.as_ref();
        if span.is_none_or(|span| span.institution.is_some()) {
            let say = format!("{EXPORT}: is not an export of the whole journal");
            self.problem(Some(EXPORT), "journal", say);
        }
        if span.is_some_and(|span| span.instance != self.found.instance) {
            let say = format!("{EXPORT}: is of another instance than the pack");
            self.problem(Some(EXPORT), "journal", say);
        }
        if to_hex(&seen.sha256) != sha256 {
            let say = format!(
                "{EXPORT}: was not the same when it was read again to be verified: the pack was changed \
                 meanwhile"
            );
            self.ranged(Some(EXPORT), Some((0, size.saturating_sub(1))), "changed", say);
        }
        for Told { path, line } in looked.checkpoints.iter().filter(|_| seen.read) {
            if looked.newest[usize::from(path.ends_with("-sm3"))] == line.as_bytes() {
                continue;
            }
            let say = format!("{path}: this checkpoint is not the newest of its tree in {EXPORT}");
            self.problem(Some(path), "checkpoint", say);
        }
        self.found.journal = Some(seen.report);
        self.found.started = looked.programs.all();
        Ok(Some(looked.entries))
    }

    /// The assessment inside, against the journal inside.
    fn assessment(&mut self, files: &[Listed], damaged: bool, document: Option<&Result<Value, String>>,
        entries: Option<&Entries>) {
        let Some(file) = files.iter().find(|file| file.path == ASSESSMENT) else { return };
        let because = |why: &str| (Assessed::uncompared(None, why), Vec::new());
        let (found, wrong) = match (document, entries, &self.found.journal) {
            _ if damaged => because("it is not as the manifest has it"),
            _ if file.size > ASSESSMENT_MAX => {
                because(&format!("it has more than {ASSESSMENT_MAX} bytes"))
            }
            (Some(document), Some(entries), Some(journal)) => {
                assessed::compare(document, entries, journal, &self.found.instance)
            }
            (Some(_), ..) => because("the pack has no export of that"),
            (None, ..) => because("it was not reached"),
        };
        self.found.assessment = Some(found);
        for say in wrong {
            self.problem(Some(ASSESSMENT), "assessment", format!("{ASSESSMENT}: {say}"));
        }
    }
}
