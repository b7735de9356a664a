//! What the tests of packs share: an instance's keys and journal with assessments, a pack of it whose
//! content can be changed before it is signed and after, and the program that judges it.

#![allow(dead_code)]

use jinyun_base::SeedEntropy;
use jinyun_journal::entry::{Actor, Entry, Institution, Leaf, canonical};
use jinyun_journal::export::{self, Period};
use jinyun_journal::merkle::{HashKind, Tree};
use jinyun_journal::note::{Checkpoint, Key, Note};
use jinyun_journal::to_hex;
use jinyun_kms::Kms;
use jinyun_verify::pack::{
    ASSESSMENT, EXPORT, KEYS, Listed, MAGIC, MANIFEST, Manifest, NOTE, header, signed_text,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sm3::Sm3;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

pub const WITNESS: &str = "bank.example/audit";
pub const ASSESSOR: &str = "assessor.example/x";
pub const CLOCK: &str = "bank.example/clock";
pub const PIECE: usize = 4096;
pub const ENTRIES: usize = 6;
/// The program whose digest [`document`] names.
pub const PROGRAM: &str = "a program, as it was built\n";
/// Entries of assessments: of [`document`], of one that was refused, of [`report`].
pub const ASSESSED: u64 = 2;
pub const REFUSED: u64 = 3;
pub const EARLY: u64 = 4;
const STANDARD: &str = "JR/T 0167-2020";
const ENDED: i64 = 1_700_000_000_000_000;
pub const KEPT: &str = "no checkpoint kept outside was given";
pub const REST: &str = "not verified: that reports, what they say of an earlier pack, and records are true";

pub type Line = (String, [u8; 4], Vec<u8>);

/// A directory with keys of the instance, of a witness, of an assessor, and of somebody else who says
/// that they are the instance.
pub struct Desk {
    pub dir: PathBuf,
    pub own: Kms,
    pub witness: Kms,
    pub assessor: Kms,
    pub other: Kms,
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub fn desk(name: &str) -> Desk {
    let dir = std::env::temp_dir().join(format!("jywords-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let kms = |file: &str, name: &str, seed| {
        Kms::open(&dir.join(file), name, Box::new(SeedEntropy::new(seed))).unwrap()
    };
    let (own, witness) = (kms("own", "tour", 9), kms("witness", WITNESS, 10));
    let (assessor, other) = (kms("assessor", ASSESSOR, 11), kms("other", "tour", 12));
    Desk { own, witness, assessor, other, dir }
}

pub fn lines(keys: &[&Kms]) -> String {
    keys.iter().flat_map(|kms| kms.journal_keys()).map(|key: Key| key.line() + "\n").collect()
}

pub fn sign(kms: &Kms, text: &str) -> Vec<Line> {
    HashKind::BOTH.into_iter().flat_map(|kind| kms.sign(kind, text).unwrap()).collect()
}

/// Changes the last byte of a line's signature.
pub fn bend(line: &mut Line) {
    let last = line.2.len() - 1;
    line.2[last] ^= 1;
}

/// What is remembered of the entries of assessments: by number, with the outcome.
fn assessments() -> [(u64, &'static str, Value); 3] {
    let note = json!({
        "standard": STANDARD,
        "sha256": "ab".repeat(32),
        "counts": { "met": 2, "failed": 1, "partly": 0 },
        "findings": { "tls-only": "met", "closed-port": "failed" },
        "clauses": {
            "met": ["7.1-B-a", "7.1-B-c", "7.1-B-d"], "failed": ["7.1-B-a/tenant", "7.1-B-b"],
            "not_built": ["1"],
        },
        "document": digest_without(&document(), &["entry", "journal", "period", "violations", "gaps"]),
        "ended": ENDED,
    });
    // As a version wrote it that knew neither of the three last.
    let mut early = note.clone();
    for member in ["clauses", "document", "ended"] {
        early.as_object_mut().unwrap().remove(member);
    }
    early["sha256"] = digest_without(&report(), &[]).into();
    [(ASSESSED, "done", note.clone()), (REFUSED, "refused", note), (EARLY, "done", early)]
}

/// SHA-256 of the canonical JSON of what is left without some members.
fn digest_without(value: &Value, members: &[&str]) -> String {
    let mut rest = value.clone();
    for member in members {
        rest.as_object_mut().unwrap().remove(*member).unwrap();
    }
    to_hex(&Sha256::digest(canonical(&rest).unwrap().as_bytes()))
}

fn rows() -> [Value; 5] {
    [
        json!({ "id": "7.1-B-a", "duty": "both", "note": "a", "state": "met", "tenant_state": "failed" }),
        json!({ "id": "7.1-B-b", "duty": "provider", "state": "failed", "tenant_state": null }),
        json!({ "id": "7.1-B-c", "duty": "provider", "state": "met" }),
        json!({ "id": "7.1-B-d", "duty": "provider", "state": "met", "supplement": true }),
        json!({ "id": "1", "duty": "provider", "state": "not_built" }),
    ]
}

fn findings() -> Value {
    json!([
        { "check": "tls-only", "verdict": "met", "population": 3, "says": "three of three" },
        { "check": "closed-port", "verdict": "failed", "population": 8, "says": "one of eight answered" },
    ])
}

/// The assessment whose entry is [`ASSESSED`], as packs have it.
pub fn document() -> Value {
    let [a, b, c, d, other] = rows();
    json!({
        "instance": "tour",
        "product": { "name": "Jinyun", "binary_sha256": to_hex(&Sha256::digest(PROGRAM)) },
        "period": { "from": 10, "to": ENDED },
        "standards": [
            { "id": "jrt0167", "name": STANDARD, "clauses": [a, b, c, d] },
            { "id": "guide", "name": "The guide", "clauses": [other] },
        ],
        "findings": findings(),
        "duties": [{ "clause": "7.1-B-c", "records": [] }],
        "journal": { "from": 0, "entries": 3, "checkpoints": [] },
        "violations": [{ "clause": "7.1-B-b", "seconds": 5 }],
        "gaps": [{ "from": 10, "to": 11 }],
        "sha256": "ab".repeat(32),
        "entry": ASSESSED,
    })
}

/// A report by itself, with its clauses in one list. Its entry is [`EARLY`].
pub fn report() -> Value {
    let rows = rows().map(|mut row| {
        let standard = if row["id"] == "1" { "guide" } else { "jrt0167" };
        row["standard"] = standard.into();
        row
    });
    json!({
        "standard": STANDARD,
        "instance": "tour",
        "began": 20,
        "ended": ENDED,
        "standards": [
            { "key": "jrt0167", "standard": STANDARD }, { "key": "guide", "standard": "The guide" },
        ],
        "findings": findings(),
        "clauses": rows,
    })
}

pub fn entries() -> Vec<Vec<u8>> {
    let mut before: Option<Leaf> = None;
    let assessments = assessments();
    (0..ENTRIES as u64).map(|number| {
        let assessment = assessments.iter().find(|one| one.0 == number);
        let action = assessment.map_or("network:port:create", |_| "evidence:assessment:create");
        let entry = Entry {
            action: action.into(),
            actor: Actor { domain: "bank".into(), id: "ann".into(), kind: "user".into() },
            approval: None,
            effects: vec![],
            institution: Institution {
                id: "bank".into(),
                number,
                previous: before.as_ref().map(Leaf::previous),
            },
            note: assessment.map(|one| one.2.clone()),
            number,
            outcome: assessment.map_or("done", |one| one.1).into(),
            reason: None,
            request: format!("req-{number}"),
            source: None,
            target: None,
            time: 1_700_000_000_000_000 + number as i64,
        };
        let bytes = canonical(&entry).unwrap().into_bytes();
        before = Some(Leaf::of(&bytes));
        bytes
    }).collect()
}

impl Desk {
    /// The two checkpoints of the first entries.
    pub fn notes(&self, size: usize) -> Vec<Note> {
        HashKind::BOTH.into_iter().map(|kind| {
            let mut tree = Tree::new(kind);
            entries()[..size].iter().for_each(|entry| tree.push(kind.leaf(entry)));
            let checkpoint = Checkpoint {
                instance: "tour".into(), epoch: 0, kind, size: size as u64, root: tree.root(), time: 1,
                clock: "system".into(), offset: 0,
            };
            let text = checkpoint.text();
            Note { signatures: self.own.sign(kind, &text).unwrap(), text }
        }).collect()
    }

    pub fn export(&self, from: usize, notes: &[Note]) -> Vec<u8> {
        self.stretch(from, ENTRIES, notes)
    }

    /// An export that ends earlier.
    pub fn stretch(&self, from: usize, to: usize, notes: &[Note]) -> Vec<u8> {
        let period = Period { instance: "tour".into(), epoch: 0, from: from as u64, to: to as u64 };
        let (all, mut out) = (entries(), Vec::new());
        let leaves = all[..from].iter().map(|entry| Leaf::of(entry));
        let notes: Vec<String> = notes.iter().map(Note::render).collect();
        export::write(&mut out, &period, leaves, all[from..to].iter().cloned(), &notes).unwrap();
        out
    }

    /// What the program says and ends with; the last words are options.
    pub fn run(&self, words: &[&str], file: &[u8]) -> (i32, String) {
        std::fs::write(self.dir.join("file"), file).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_jinyun-verify"));
        let out = program.current_dir(&self.dir).args(words).output().unwrap();
        let said = [out.stdout, out.stderr].concat();
        (out.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    pub fn put(&self, name: &str, text: &str) {
        std::fs::write(self.dir.join(name), text).unwrap();
    }
}

/// What a pack is made of, to be changed before and after it is signed.
pub struct Parts {
    pub files: BTreeMap<String, Vec<u8>>,
    /// Changes lines of its signature.
    pub lines: fn(&Desk, &str, &mut Vec<Line>),
    /// Changes what is signed of them.
    pub named: fn(&mut Manifest),
    /// Changes the contents behind the manifest's back.
    pub after: fn(&mut BTreeMap<String, Vec<u8>>),
    /// Bytes of a piece.
    pub piece: usize,
}

impl Parts {
    pub fn new(desk: &Desk) -> Parts {
        let long: Vec<u8> = (0..3 * PIECE).map(|i| (i / PIECE) as u8).collect();
        let record = b"a record".to_vec();
        // As long as another file, so that the two can be exchanged.
        let mut assessment = document().to_string().into_bytes();
        assessment.resize(5000, b' ');
        let files = [
            ("report.html".to_string(), long), ("report.pdf".into(), vec![7; 5000]),
            (ASSESSMENT.into(), assessment), (KEYS.into(), lines(&[&desk.own]).into_bytes()),
            (format!("evidence/{}", to_hex(&Sha256::digest(&record))), record),
            (EXPORT.into(), desk.export(0, &desk.notes(ENTRIES))),
        ];
        Parts {
            files: files.into_iter().collect(),
            lines: |_, _, _| {},
            named: |_| {},
            after: |_| {},
            piece: PIECE,
        }
    }

    pub fn pack(&self, desk: &Desk) -> Vec<u8> {
        let listed = |(path, bytes): (&String, &Vec<u8>)| Listed {
            path: path.clone(),
            pieces: bytes.chunks(self.piece).map(|piece| to_hex(&Sha256::digest(piece))).collect(),
            sha256: to_hex(&Sha256::digest(bytes)),
            size: bytes.len() as u64,
            sm3: to_hex(&Sm3::digest(bytes)),
        };
        let mut manifest = Manifest {
            absent: Vec::new(),
            files: self.files.iter().map(listed).collect(),
            format: MAGIC.into(),
            instance: "tour".into(),
            made: "2026-10-01T00:00:00.000000Z".into(),
            piece: self.piece as u64,
        };
        (self.named)(&mut manifest);
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let text = signed_text("tour", "2026-10-01T00:00:00.000000Z", &manifest);
        let mut signatures = sign(&desk.own, &text);
        (self.lines)(desk, &text, &mut signatures);
        let note = Note { text, signatures }.render().into_bytes();
        let mut files = self.files.clone();
        (self.after)(&mut files);
        let mut out = Vec::<u8>::new();
        let front = [(MANIFEST.to_string(), manifest), (NOTE.to_string(), note)];
        for (path, bytes) in front.into_iter().chain(files) {
            out.extend(header(&path, bytes.len() as u64).unwrap());
            out.extend(&bytes);
            out.resize(out.len().next_multiple_of(512), 0);
        }
        out.resize(out.len() + 1024, 0);
        out
    }
}

/// Whether all of the first are said and none of the others.
pub fn judge(what: &str, said: &(i32, String), code: i32, says: &[&str], not: &[&str]) {
    let (ended, text) = said;
    assert_eq!(*ended, code, "{what}: {text}");
    for words in says {
        assert!(text.contains(words), "{what}: `{words}` is not said in\n{text}");
    }
    for words in not {
        assert!(!text.contains(words), "{what}: `{words}` is said in\n{text}");
    }
}
