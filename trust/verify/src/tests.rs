//! Reading in stretches: at any pace a file gives the same report, and whatever somebody does to it while
//! it is read, what is called good are bytes that were verified.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/journal/mod.rs"]
mod journal;

use crate::pack::{EXPORT, KEYS, Listed, MAGIC, MANIFEST, Manifest, NOTE, check, header, signed_text};
use crate::source::{Pace, Source, Window};
use crate::stream::{Asked, PACES, Paces, Seen, Unwatched, Watch};
use crate::{MOST, Report, Roots, stream, verify};
use jinyun_journal::export::{Part, PartWriter};
use jinyun_journal::merkle::{Hash, HashKind};
use jinyun_journal::note::{Key, Note};
use jinyun_journal::to_hex;
use journal::{Log, entries, log, sealed};
use sha2::{Digest, Sha256};
use sm3::Sm3;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

/// An entry at a time, three, some hundred bytes, and everything at once.
fn paces() -> [Paces; 4] {
    let some = |bytes, lines| Paces {
        entries: Pace { bytes, lines, ..PACES.entries },
        notes: Pace { bytes, lines, ..PACES.notes },
    };
    [some(64, 1), some(2000, 3), some(700, 1000), PACES]
}

fn seen(from: &mut dyn Source, keys: &[Key], kept: &[String], paces: &Paces, watch: &mut dyn Watch)
    -> io::Result<Seen> {
    let roots = Roots::default();
    let mut window = Window::whole(from)?;
    stream::verify(&mut window, Asked { keys, kept, roots: &roots }, paces, watch)
}

fn at_pace(export: &[u8], keys: &[Key], kept: &[String], paces: &Paces) -> Report {
    let seen = seen(&mut Cursor::new(export), keys, kept, paces, &mut Unwatched).unwrap();
    assert_eq!(seen.sha256, sum(export), "the sum is not that of the file");
    seen.report
}

fn sum(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The report, which has to be the same at any pace.
fn judged(export: &[u8], keys: &[Key], kept: &[String]) -> Report {
    let report = verify(export, keys, kept);
    for paces in paces() {
        assert_eq!(at_pace(export, keys, kept, &paces), report, "{paces:?}");
    }
    report
}

fn says(report: &Report, what: &str, at: Option<u64>, words: &str) -> bool {
    report.problems.iter().any(|p| p.what == what && p.at == at && p.say.contains(words))
}

#[test]
fn good_exports_are_good_at_any_pace() {
    // More than are hashed without a thread.
    let log = log("pace-good", 140);
    let all: Vec<usize> = (1..=140).collect();
    for (from, marks) in [(0, &all[..]), (0, &all[139..]), (13, &all[13..]), (64, &all[99..]), (139, &all[139..])] {
        let kept = [log.notes(&log.entries, from.max(1)), log.notes(&log.entries, 140)].concat();
        let report = judged(&log.export(&log.entries, from, marks), &log.keys(), &kept);
        assert_eq!(report.problems, [], "from {from}");
        assert_eq!(report.entries, 140 - from as u64);
        let signed: Vec<usize> = report.signers.iter().map(|signer| signer.notes).collect();
        assert_eq!(signed, [marks.len(); 2]);
        assert_eq!((report.kept.given, report.kept.compared, report.kept.agree), (4, 4, 4));
    }
}

#[test]
fn what_is_changed_is_told_the_same_at_any_pace() {
    let log = log("pace-bad", 20);
    let (keys, export) = (log.keys(), log.export(&log.entries, 3, &[6, 20]));
    assert_eq!(judged(&export, &keys, &[]).problems, []);
    for i in (0..export.len()).step_by(37) {
        let mut bad = export.clone();
        bad[i] ^= 1;
        assert!(!judged(&bad, &keys, &[]).ok, "byte {i}");
    }
    let tail = export.windows(5).position(|w| w == b"proof").unwrap();
    for i in (0..tail).step_by(41) {
        let mut bad = export.clone();
        bad[i] ^= 1;
        assert!(!judged(&sealed(bad), &keys, &[]).ok, "byte {i} under a new sum");
    }
    // It ends within a line, or behind one.
    let feeds = (1..export.len()).filter(|cut| export[cut - 1] == b'\n').step_by(4);
    for cut in (0..export.len()).step_by(97).chain(feeds) {
        let report = judged(&export[..cut], &keys, &[]);
        assert!(!report.ok, "cut at {cut}");
        let within = !export[..cut].ends_with(b"\n");
        assert_eq!(says(&report, "file", None, "does not end with a line feed"), within, "cut at {cut}");
    }
    assert!(says(&judged(b"one line\n", &keys, &[]), "file", None, "the file has one line only"));
}

#[test]
fn what_was_done_is_named_at_any_pace() {
    let log = log("pace-named", 30);
    let keys = log.keys();
    let whole = |entries: &[Vec<u8>], kept: &[String]| {
        judged(&log.export(entries, 0, &[5, 10, 30]), &keys, kept)
    };
    let mut changed = log.entries.clone();
    changed[7] = String::from_utf8(changed[7].clone()).unwrap().replace("ann", "eve").into_bytes();
    let report = whole(&changed, &log.notes(&log.entries, 5));
    assert!(says(&report, "institution", Some(7), "entry 7 was changed: entry 10,"), "{report:?}");
    for (tree, size, last) in [("sha256", 10, 9), ("sm3", 10, 9), ("sha256", 30, 29), ("sm3", 30, 29)] {
        let say = format!(
            "the {tree} root of the first {size} entries is not that of the checkpoint in the export: something \
             among the entries 5 to {last} was changed"
        );
        assert!(says(&report, "root", None, &say), "{say}: {report:?}");
    }
    assert_eq!((report.problems.len(), report.kept.agree), (5, 2));
    let mut removed = log.entries.clone();
    removed.remove(12);
    let report = whole(&removed, &[]);
    assert!(says(&report, "number", Some(12), "entries 12 to 12 were removed"), "{report:?}");
    assert!(says(&report, "number", None, "the header promises 30 entries, the file has 29"), "{report:?}");
    let mut moved = log.entries.clone();
    moved.swap(20, 21);
    let report = whole(&moved, &[]);
    assert!(says(&report, "number", Some(20), "entries 20 to 20 were removed"), "{report:?}");
    let mut doubled = log.entries.clone();
    doubled.insert(4, doubled[3].clone());
    let report = whole(&doubled, &[]);
    assert!(says(&report, "number", Some(4), "entry 3 stands where 4 belongs: reordered or doubled"));
    let mut unreadable = log.entries.clone();
    unreadable[29] = b"{}".to_vec();
    assert!(says(&whole(&unreadable, &[]), "canonical", Some(29), "entry 29 is not readable"));
    // The line that says where the trees begin: without it there are no roots, and all else is still told.
    let text = String::from_utf8(log.export(&changed, 6, &[30])).unwrap();
    for tree in ["sha256", "sm3"] {
        let bad = text.replacen(&format!("proof {tree} "), &format!("proof {tree} 0"), 1);
        let report = judged(&sealed(bad.into_bytes()), &keys, &[]);
        assert!(says(&report, "file", None, &format!("the line `proof {tree}` is damaged")), "{report:?}");
        assert!(says(&report, "institution", Some(7), "entry 7 was changed"), "{report:?}");
        let roots = report.problems.iter().filter(|p| p.what == "root").count();
        assert_eq!(roots, 1, "the other tree's: {report:?}");
    }
    // Between two entries stands what is none.
    let mut foreign = log.entries.clone();
    foreign[9] = b"note \"x\"".to_vec();
    assert!(says(&whole(&foreign, &[]), "canonical", Some(9), "entry 9 is not readable"));
}

#[test]
fn faults_are_listed_up_to_a_number_and_counted_beyond() {
    let log = log("pace-many", 120);
    let mut changed = log.entries.clone();
    changed[0] = String::from_utf8(changed[0].clone()).unwrap().replace("ann", "eve").into_bytes();
    let marks: Vec<usize> = (1..=120).collect();
    let report = judged(&log.export(&changed, 0, &marks), &log.keys(), &[]);
    let roots: Vec<&str> =
        report.problems.iter().filter(|p| p.what == "root").map(|p| p.say.as_str()).collect();
    assert_eq!(roots.len(), MOST + 1);
    assert_eq!(roots[MOST], format!("{} more problems of this sort are not listed", 2 * 120 - MOST));
    assert!(says(&report, "institution", Some(0), "entry 0 was changed: entry 3,"), "{report:?}");
}

#[test]
fn no_line_is_longer_than_one_may_be() {
    let log = log("pace-long", 12);
    let (keys, export) = (log.keys(), log.export(&log.entries, 0, &[6, 12]));
    let lengths = |begin: &[u8]| -> Vec<usize> {
        let lines = export.split(|b| *b == b'\n').filter(|line| line.starts_with(begin));
        lines.map(<[u8]>::len).collect()
    };
    let (entries, notes) = (lengths(b"{\"action"), lengths(b"note "));
    let (entry, note) = (*entries.iter().max().unwrap(), *notes.iter().max().unwrap());
    let long = entries.iter().position(|length| *length == entry).unwrap() as u64;
    for mut paces in paces() {
        paces.entries.longest = entry;
        paces.notes.longest = note;
        assert_eq!(at_pace(&export, &keys, &[], &paces).problems, [], "{paces:?}");
        paces.entries.longest = entry - 1;
        let report = at_pace(&export, &keys, &[], &paces);
        let say = format!("the line where entry {long} belongs has more than {} bytes", entry - 1);
        assert!(says(&report, "file", Some(long), &say), "{report:?}");
        assert_eq!((report.problems.len(), report.entries), (1, long), "{report:?}");
        paces.entries.longest = entry;
        paces.notes.longest = note - 1;
        let report = at_pace(&export, &keys, &[], &paces);
        let say = format!("a line behind the entries has more than {} bytes", note - 1);
        assert!(says(&report, "file", None, &say), "{report:?}");
    }
    // What is not a line at all does not fill the memory either: it is passed over in blocks.
    let mut endless = export.clone();
    let at = endless.windows(5).rposition(|w| w == b"\nend ").unwrap() + 1;
    endless.truncate(at);
    endless.resize(at + 700_000, b'x');
    endless.push(b'\n');
    assert!(says(&judged(&endless, &keys, &[]), "end", None, "the sum in the last line"));
}

#[test]
fn an_institutions_export_is_read_at_any_pace() {
    let log = log("pace-part", 9);
    let keys = log.keys();
    let part = |change: fn(usize, &[u8]) -> Vec<u8>| {
        let mut writer = PartWriter::new(&Part {
            instance: "tour".into(), epoch: 0, institution: "bank".into(), from: 0, to: 3, size: 9,
        });
        for (n, entry) in log.entries.iter().enumerate() {
            match n % 3 {
                0 => writer.entry(&change(n, entry)),
                _ => writer.skip(0, &jinyun_journal::entry::Leaf::of(entry)),
            }
        }
        writer.finish(&log.notes(&log.entries, 9));
        writer.take()
    };
    let export = part(|_, entry| entry.to_vec());
    let kept = log.notes(&log.entries, 4);
    let report = judged(&export, &keys, &kept);
    assert_eq!((&report.problems[..], report.entries, report.kept.agree), (&[][..], 3, 2));
    let report = judged(&part(|n, entry| if n == 3 { [entry, b" "].concat() } else { entry.to_vec() }), &keys, &kept);
    assert!(says(&report, "institution", Some(3), "entry 3 was changed: entry 6,"), "{report:?}");
    assert!(says(&report, "root", None, "is not that of the checkpoint kept outside"), "{report:?}");
    for cut in (0..export.len()).step_by(13) {
        assert!(!judged(&export[..cut], &keys, &[]).ok, "cut at {cut}");
        let mut bad = export.clone();
        bad[cut] ^= 1;
        assert!(!judged(&bad, &keys, &[]).ok, "byte {cut}");
    }
    let mut paces = PACES;
    paces.entries.longest = 20;
    let report = at_pace(&export, &keys, &[], &paces);
    assert!(says(&report, "file", Some(0), "the line at entry 0 has more than 20 bytes"), "{report:?}");
}

/// What was seen of the lines.
#[derive(Default)]
struct Lines(Vec<(u64, Vec<u8>)>, Vec<Vec<u8>>);

impl Watch for Lines {
    fn entry(&mut self, number: u64, line: &[u8]) {
        self.0.push((number, line.to_vec()));
    }

    fn note(&mut self, line: &[u8]) {
        self.1.push(line.to_vec());
    }
}

#[test]
fn whoever_watches_sees_every_line_once_and_in_order() {
    let log = log("pace-watch", 50);
    let export = log.export(&log.entries, 7, &[8, 33, 50]);
    let notes: Vec<&[u8]> = export.split(|b| *b == b'\n').filter(|line| line.starts_with(b"note ")).collect();
    for paces in paces() {
        let mut lines = Lines::default();
        let seen = seen(&mut Cursor::new(&export), &log.keys(), &[], &paces, &mut lines).unwrap();
        assert!(seen.read && seen.report.ok);
        let want: Vec<(u64, Vec<u8>)> = (7..50).map(|n| (n as u64, log.entries[n].clone())).collect();
        assert!(lines.0 == want && lines.1 == notes, "{paces:?}");
    }
}

/// Bytes of which one is other in some of its readings.
struct Turncoat<'a> {
    bytes: Cursor<&'a [u8]>,
    place: u64,
    /// In which readings of it, from 1 on.
    turns: std::ops::Range<usize>,
    read: usize,
}

impl Turncoat<'_> {
    fn new(bytes: &[u8], place: usize, turns: std::ops::Range<usize>) -> Turncoat<'_> {
        Turncoat { bytes: Cursor::new(bytes), place: place as u64, turns, read: 0 }
    }
}

impl Read for Turncoat<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let from = self.bytes.position();
        let have = self.bytes.read(buffer)?;
        if (from..from + have as u64).contains(&self.place) {
            self.read += 1;
            if self.turns.contains(&self.read) {
                buffer[(self.place - from) as usize] ^= 1;
            }
        }
        Ok(have)
    }
}

impl Seek for Turncoat<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

/// Two entries, a checkpoint, and in that a line of somebody whose key nobody has: no hash but the file's
/// own covers it. Also returns a byte of that line that can be another.
fn with_a_loose_line(log: &Log) -> (Vec<u8>, usize) {
    let mut notes = log.signed(&log.entries, log.entries.len());
    notes[0].signatures.push(("bank.example/x".into(), [1; 4], vec![7; 60]));
    let export = log.export_with(&log.entries, 0, notes.iter().map(Note::render).collect());
    let line = b"bank.example/x ";
    let at = export.windows(line.len()).position(|w| w == line).unwrap() + line.len() + 8;
    let place = (at..at + 40).find(|place| (export[*place] ^ 1).is_ascii_alphanumeric()).unwrap();
    let mut other = export.clone();
    other[place] ^= 1;
    assert!(verify(&export, &log.keys(), &[]).ok && verify(&sealed(other), &log.keys(), &[]).ok);
    (export, place)
}

#[test]
fn what_is_called_good_was_read_as_it_is_summed() {
    let log = log("turn", 2);
    let keys = log.keys();
    let (export, loose) = with_a_loose_line(&log);
    let good = sum(&export);
    let judge = |place, turns, paces: &Paces| {
        let mut from = Turncoat::new(&export, place, turns);
        let seen = seen(&mut from, &keys, &[], paces, &mut Unwatched).unwrap();
        (seen, from.read)
    };
    let mut told = 0;
    for paces in [paces()[0], PACES] {
        for place in (0..export.len()).step_by(13).chain([loose]) {
            let (_, readings) = judge(place, 0..0, &paces);
            assert!(readings > 0, "byte {place} is not read");
            for turn in 1..=readings {
                // Other once, or from then on.
                for turns in [turn..turn + 1, turn..usize::MAX] {
                    let (seen, _) = judge(place, turns, &paces);
                    assert!(!seen.report.ok || seen.sha256 == good, "byte {place}, reading {turn}");
                    let again = says(&seen.report, "file", None, "was not the same when it was read again");
                    told += usize::from(again && place == loose);
                }
            }
        }
    }
    assert!(told > 0, "nothing told the two readings apart");
}

/// A pack with this journal.
fn pack(log: &Log, export: &[u8]) -> Vec<u8> {
    let keys: String = log.keys().iter().map(|key| key.line() + "\n").collect();
    let files = [(EXPORT, export), (KEYS, keys.as_bytes())];
    let listed = files.map(|(path, bytes)| Listed {
        path: path.into(),
        pieces: bytes.chunks(4096).map(|piece| to_hex(&Sha256::digest(piece))).collect(),
        sha256: to_hex(&Sha256::digest(bytes)),
        size: bytes.len() as u64,
        sm3: to_hex(&Sm3::digest(bytes)),
    });
    let made = "2026-10-01T00:00:00.000000Z";
    let manifest = serde_json::to_vec(&Manifest {
        absent: Vec::new(),
        files: listed.to_vec(),
        format: MAGIC.into(),
        instance: "tour".into(),
        made: made.into(),
        piece: 4096,
    }).unwrap();
    let text = signed_text("tour", made, &manifest);
    let signatures = HashKind::BOTH.into_iter().flat_map(|kind| log.kms.sign(kind, &text).unwrap()).collect();
    let note = Note { text, signatures }.render();
    let mut out = Vec::<u8>::new();
    for (path, bytes) in [(MANIFEST, &manifest[..]), (NOTE, note.as_bytes())].into_iter().chain(files) {
        out.extend(header(path, bytes.len() as u64).unwrap());
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// One file until somebody goes back in it, and another from then on.
struct Swapped<'a> {
    bytes: Cursor<&'a [u8]>,
    later: &'a [u8],
}

impl Read for Swapped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl Seek for Swapped<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if matches!(to, SeekFrom::Start(_)) {
            self.bytes = Cursor::new(self.later);
        }
        self.bytes.seek(to)
    }
}

#[test]
fn a_pack_whose_journal_is_another_one_the_second_time_is_told() {
    let log = log("turn-pack", 2);
    let (keys, kept) = (log.keys(), log.notes(&log.entries, 1));
    let (export, loose) = with_a_loose_line(&log);
    let mut other = export.clone();
    other[loose] ^= 1;
    let (pack, later) = (pack(&log, &export), pack(&log, &sealed(other)));
    assert_eq!(pack.len(), later.len());
    let judge = |first: &[u8], later: &[u8]| {
        check(&mut Swapped { bytes: Cursor::new(first), later }, Some(&keys), &kept).unwrap()
    };
    for same in [&pack, &later] {
        let verdict = judge(same, same);
        assert!(verdict.ok && verdict.journal.is_some_and(|journal| journal.kept.agree == 2));
    }
    // Both are good by themselves: but what was compared with the manifest was not what was verified.
    for (first, later) in [(&pack, &later), (&later, &pack)] {
        let verdict = judge(first, later);
        let told: Vec<_> = verdict.problems.iter().map(|p| (p.what, p.file.as_deref())).collect();
        assert_eq!(told, [("changed", Some(EXPORT))]);
        assert!(verdict.problems[0].say.contains("was not the same when it was read again"));
        assert!(!verdict.ok && verdict.journal.is_some_and(|journal| journal.ok));
    }
}

#[test]
fn nothing_is_called_good_that_could_not_be_read() {
    /// A disk that fails at a place.
    struct Failing<'a>(Cursor<&'a [u8]>, u64);

    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let from = self.0.position();
            let have = self.0.read(buffer)?;
            match (from..from + have as u64).contains(&self.1) {
                true => Err(io::Error::other("the disk failed")),
                false => Ok(have),
            }
        }
    }

    impl Seek for Failing<'_> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    let log = log("failing", 3);
    let export = log.export(&log.entries, 0, &[3]);
    let pack = pack(&log, &export);
    let keys = log.keys();
    for place in (0..export.len()).step_by(97) {
        let mut from = Failing(Cursor::new(&export[..]), place as u64);
        assert!(crate::verify_from(&mut from, &keys, &[], &Roots::default()).is_err(), "byte {place}");
    }
    for place in (0..pack.len()).step_by(301) {
        let mut from = Failing(Cursor::new(&pack[..]), place as u64);
        assert!(check(&mut from, Some(&keys), &[]).is_err(), "byte {place}");
    }
    let mut from = Failing(Cursor::new(&export[..]), u64::MAX);
    assert!(crate::verify_from(&mut from, &keys, &[], &Roots::default()).unwrap().ok);
    assert_eq!(entries(3), log.entries);
}
