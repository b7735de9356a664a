//! Packs: whole ones verify, everything else is refused, and it is said what is wrong where.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{MADE, Scratch, assessment, export, json, keys, kms, notes, sign};
use jinyun_journal::note::Key;
use jinyun_report::pack::{Body, Item, contents, newest_notes, write};
use jinyun_report::Made;
use jinyun_verify::pack::{
    EXPORT, KEYS, LARGEST, MANIFEST, Manifest, NOTE, Verdict, check, header, member,
};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::process::Command;

const BLOCK: usize = 512;

fn item(path: &str, bytes: &[u8]) -> Item {
    Item { path: path.into(), body: Body::Bytes(bytes.to_vec()) }
}

/// A small pack with a file of three pieces, one of one, an empty one, journal and keys.
fn small(scratch: &Scratch) -> (Vec<u8>, Vec<Key>) {
    let kms = kms(&scratch.0);
    let long: Vec<u8> = (0..9000u32).map(|i| (i % 251) as u8).collect();
    let lines: String = keys(&kms).iter().map(|k| k.line() + "\n").collect();
    let items = vec![
        item("b/long", &long), item("a", b"short"), item("empty", b""), item(EXPORT, &export(&kms, 3)),
        item(KEYS, lines.as_bytes()),
    ];
    let mut out = Vec::new();
    write(&mut out, "tour", MADE, items, Vec::new(), &|text| sign(&kms, text)).unwrap();
    (out, keys(&kms))
}

fn judge(pack: &[u8], keys: &[Key]) -> Verdict {
    check(&mut Cursor::new(pack), Some(keys), &[]).unwrap()
}

fn says(verdict: &Verdict, what: &str, file: &str) -> bool {
    !verdict.ok && verdict.problems.iter().any(|p| p.what == what && p.file.as_deref() == Some(file))
}

/// The files of a pack with the place of their header, read as plainly as can be.
fn layout(pack: &[u8]) -> Vec<(String, usize, usize)> {
    let (mut at, mut files) = (0, Vec::new());
    while pack[at] != 0 {
        let end = pack[at..at + 100].iter().position(|b| *b == 0).unwrap();
        let name = String::from_utf8(pack[at..at + end].to_vec()).unwrap();
        let size = std::str::from_utf8(&pack[at + 124..at + 135]).unwrap();
        let size = usize::from_str_radix(size, 8).unwrap();
        files.push((name, at, size));
        at += BLOCK + size.next_multiple_of(BLOCK);
    }
    files
}

#[test]
fn a_whole_pack_verifies_and_is_the_same_each_time() {
    let scratch = Scratch::new("whole");
    let kms = kms(&scratch.0);
    let whole = assessment("assessment.json");
    let records = scratch.0.join("records");
    std::fs::create_dir_all(&records).unwrap();
    // SHA-256 of "foo"; the other record's file is not there.
    let foo = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    std::fs::write(records.join(foo), "foo").unwrap();
    let journal = scratch.0.join("export");
    std::fs::write(&journal, export(&kms, 40)).unwrap();
    let checkpoints = newest_notes(&Body::File(journal.clone())).unwrap();
    assert_eq!(checkpoints, notes(&kms, 40));
    let made = Made { of: &whole, at: MADE, diff: None, checkpoints: &checkpoints };
    let pack = || {
        let source = json("assessment.json");
        let body = Body::File(journal.clone());
        let (items, absent) = contents(&made, &source, body, &keys(&kms), Some(records.as_path())).unwrap();
        let mut out = Vec::new();
        write(&mut out, "tour", MADE, items, absent, &|text| sign(&kms, text)).unwrap();
        out
    };
    let trusted = keys(&kms);
    let bytes = pack();
    assert!(bytes == pack(), "two packs of the same differ");
    let verdict = check(&mut Cursor::new(&bytes), Some(&trusted[..]), &notes(&kms, 20)).unwrap();
    assert_eq!(verdict.problems, []);
    assert!(verdict.ok && verdict.trusted);
    assert_eq!(verdict.bytes, bytes.len() as u64);
    let signers: Vec<&str> = verdict.signers.iter().map(|s| s.algorithm).collect();
    assert_eq!(signers, ["ed25519", "sm2"]);
    assert_eq!(verdict.absent.len(), 1);
    assert_eq!(verdict.journal.unwrap().entries, 40);
    let names: Vec<String> = layout(&bytes).into_iter().map(|f| f.0).collect();
    for name in [MANIFEST, "assessment.json", "journal/checkpoint-sm3", "oscal/catalog-jrt0167.json",
        "report.html", "report.pdf", "responsibility/responsibility-bank.html", &format!("evidence/{foo}")] {
        assert!(names.iter().any(|n| n == name), "{name}");
    }
    // Without keys from elsewhere it is whole, and nobody vouches for it.
    let alone = check(&mut Cursor::new(&bytes), None, &[]).unwrap();
    assert!(alone.ok && !alone.trusted);
    let read = member(&mut &bytes[..], "assessment.json", 1 << 20).unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&read).unwrap(), json("assessment.json"));
    assert_eq!(member(&mut &bytes[..], "assessment.json", 10).unwrap(), None);
    assert_eq!(member(&mut &bytes[..], "nothing", 1 << 20).unwrap(), None);
    // A record whose file is another.
    std::fs::write(records.join(foo), "fox").unwrap();
    let body = Body::File(journal.clone());
    assert!(contents(&made, &json("assessment.json"), body, &[], Some(records.as_path())).is_err());
    // Unless it is known: then it is named as absent, like one whose file is not there.
    let mut known = whole.clone();
    let all = known.duties.iter_mut().flat_map(|duty| &mut duty.records);
    all.filter(|record| record.sha256 == foo).for_each(|record| record.damage = "altered".into());
    let (made, body) = (Made { of: &known, ..made }, Body::File(journal.clone()));
    let (items, absent) =
        contents(&made, &json("assessment.json"), body, &[], Some(records.as_path())).unwrap();
    assert!(absent.iter().any(|one| one.sha256 == foo) && !items.iter().any(|i| i.path.ends_with(foo)));
    // A journal that a kept checkpoint contradicts.
    let longer = check(&mut Cursor::new(&bytes), Some(&trusted[..]), &notes(&kms, 41)).unwrap();
    assert!(!longer.ok && longer.problems.is_empty() && !longer.journal.unwrap().ok);
}

#[test]
fn another_program_reads_it() {
    let scratch = Scratch::new("python");
    let (pack, _) = small(&scratch);
    let path = scratch.0.join("pack.tar");
    std::fs::write(&path, &pack).unwrap();
    let script = "import hashlib, json, sys, tarfile\n\
        pack = tarfile.open(sys.argv[1])\n\
        files = {m.name: pack.extractfile(m).read() for m in pack}\n\
        manifest = json.loads(files.pop('manifest.json'))\n\
        note = files.pop('manifest.note').decode()\n\
        assert [f['path'] for f in manifest['files']] == sorted(files) == list(files)\n\
        for f in manifest['files']:\n\
        \x20   data = files[f['path']]\n\
        \x20   assert len(data) == f['size'] and hashlib.sha256(data).hexdigest() == f['sha256']\n\
        \x20   cut = [data[i:i + manifest['piece']] for i in range(0, len(data), manifest['piece'])]\n\
        \x20   assert [hashlib.sha256(c).hexdigest() for c in cut] == f['pieces']\n\
        print(note.splitlines()[0], len(files))\n";
    let out = Command::new("python3").arg("-c").arg(script).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(said, "jinyun-pack/1 5\n", "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn every_flipped_region_is_named() {
    let scratch = Scratch::new("flip");
    let (pack, keys) = small(&scratch);
    assert!(judge(&pack, &keys).ok);
    let flipped = |at: usize, bit: u8| {
        let mut bad = pack.clone();
        bad[at] ^= bit;
        judge(&bad, &keys)
    };
    let files = layout(&pack);
    let end = files.last().map(|f| f.1 + BLOCK + f.2.next_multiple_of(BLOCK)).unwrap();
    for (name, at, size) in &files {
        let front = [MANIFEST, NOTE].contains(&name.as_str());
        for offset in [0, 99, 100, 107, 124, 134, 148, 155, 156, 200, 257, 300, 400, 511] {
            let verdict = flipped(at + offset, 4);
            assert!(says(&verdict, "header", name), "{name}, header {offset}: {:?}", verdict.problems);
            if !front {
                // Damage to a header hides nothing behind it.
                assert_eq!(verdict.problems.len(), 1, "{name}, header {offset}");
            }
        }
        let content = at + BLOCK;
        for offset in (0..*size).step_by(if front { 97 } else { 613 }).chain(size.checked_sub(1)) {
            let verdict = flipped(content + offset, 1);
            let named = verdict.problems.iter().any(|p| match (&p.file, p.from, p.to) {
                (Some(file), Some(from), Some(to)) => {
                    file == name && (from..=to).contains(&(offset as u64)) && to - from < 4096
                }
                (Some(file), ..) => front && [MANIFEST, NOTE].contains(&file.as_str()),
                _ => false,
            });
            assert!(named && !verdict.ok, "{name}, byte {offset}: {:?}", verdict.problems);
        }
        if !size.is_multiple_of(BLOCK) {
            let last = content + size.next_multiple_of(BLOCK) - 1;
            for offset in [content + size, last] {
                assert!(says(&flipped(offset, 1), "padding", name), "{name}, padding");
            }
        }
    }
    for offset in (end..pack.len()).step_by(37) {
        let verdict = flipped(offset, 1);
        assert!(verdict.problems.iter().any(|p| p.what == "end"), "closing byte {offset}");
    }
    // Two damages are both told.
    let (long, empty) = (&files[3], &files[4]);
    assert_eq!((long.0.as_str(), empty.0.as_str()), ("b/long", "empty"));
    let mut bad = pack.clone();
    bad[long.1 + BLOCK] ^= 1;
    bad[long.1 + BLOCK + 8999] ^= 1;
    bad[empty.1] ^= 1;
    let verdict = judge(&bad, &keys);
    let ranges: Vec<_> = verdict.problems.iter().filter_map(|p| Some((p.from?, p.to?))).collect();
    assert_eq!(ranges, [(0, 4095), (8192, 8999)]);
    assert!(says(&verdict, "header", "empty"));
}

#[test]
fn what_is_cut_off_missing_or_moved_is_named() {
    let scratch = Scratch::new("cut");
    let (pack, keys) = small(&scratch);
    for cut in (0..pack.len()).step_by(101) {
        let verdict = judge(&pack[..cut], &keys);
        assert!(!verdict.ok && !verdict.problems.is_empty(), "cut at {cut}");
    }
    let files = layout(&pack);
    let part = |i: usize| {
        let (_, at, size) = &files[i];
        pack[*at..at + BLOCK + size.next_multiple_of(BLOCK)].to_vec()
    };
    let parts: Vec<Vec<u8>> = (0..files.len()).map(part).collect();
    let joined = |parts: &[Vec<u8>]| [parts.concat(), vec![0; 2 * BLOCK]].concat();
    assert!(judge(&joined(&parts), &keys).ok);
    for i in 2..files.len() {
        let mut without = parts.clone();
        without.remove(i);
        let verdict = judge(&joined(&without), &keys);
        assert!(says(&verdict, "missing", &files[i].0), "{}: {:?}", files[i].0, verdict.problems);
        let mut twice = parts.clone();
        twice.insert(i, parts[i].clone());
        assert!(says(&judge(&joined(&twice), &keys), "added", &files[i].0), "{} twice", files[i].0);
    }
    let mut moved = parts.clone();
    moved.swap(2, 3);
    let verdict = judge(&joined(&moved), &keys);
    assert!(says(&verdict, "missing", "a") && says(&verdict, "added", "a"), "{:?}", verdict.problems);
    // Content of another length under a header that says so.
    let mut longer = parts.clone();
    longer[2] = [&header("a", 600).unwrap()[..], &[7; 1024]].concat();
    let verdict = judge(&joined(&longer), &keys);
    assert!(says(&verdict, "changed", "a") && verdict.problems.len() == 1, "{:?}", verdict.problems);
    let behind = [pack.clone(), vec![0; 10]].concat();
    assert!(judge(&behind, &keys).problems.iter().any(|p| p.what == "end"));
    // Another's keys, and a pack that another signed.
    let other = Scratch::new("other");
    let strange = jinyun_kms::Kms::open(&other.0.join("keys.json"), "tour",
        Box::new(jinyun_base::SeedEntropy::new(10))).unwrap();
    let verdict = judge(&pack, &strange.journal_keys());
    assert!(says(&verdict, "signature", NOTE), "{:?}", verdict.problems);
}

/// A header as somebody who means harm would write it: with a right checksum.
fn forged(name: &str, size: &[u8], kind: u8) -> Vec<u8> {
    let mut block = header("x", 0).unwrap();
    block[..100].fill(0);
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[124..136].fill(0);
    block[124..124 + size.len()].copy_from_slice(size);
    block[156] = kind;
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.to_vec()
}

#[test]
fn hostile_entries_are_refused_by_name() {
    let scratch = Scratch::new("hostile");
    let (pack, keys) = small(&scratch);
    let files = layout(&pack);
    let cases: [(&str, &[u8], u8, &str, &str); 17] = [
        ("/etc/passwd", b"00000000000", b'0', "refused", "absolute"),
        ("../../up", b"00000000000", b'0', "refused", "leaves its directory"),
        ("a/../../up", b"00000000000", b'0', "refused", "leaves its directory"),
        ("a//b", b"00000000000", b'0', "refused", "other than letters"),
        ("a b\u{1b}[2J", b"00000000000", b'0', "refused", "other than letters"),
        ("link", b"00000000000", b'2', "refused", "is a link"),
        ("hard", b"00000000000", b'1', "refused", "is a link"),
        ("device", b"00000000000", b'3', "refused", "device"),
        ("directory", b"00000000000", b'5', "refused", "directory"),
        ("pax", b"00000000000", b'x', "refused", "extended header"),
        ("long", b"00000000000", b'L', "refused", "extended header"),
        ("new", b"00000000000", b'0', "added", "was added"),
        ("huge", b"77777777777", b'0', "added", "was added"),
        ("base256", b"\x80\0\0\0\0\0\0\0\0\0\xff\xff", b'0', "refused", "says a size"),
        // A larger size than octal digits say, one that no file has, and one below zero.
        ("large", b"\x80\0\0\0\0\0\0\x02\0\0\0\0", b'0', "added", "was added"),
        ("larger", b"\x80\0\0\0\0\0\x02\0\0\0\0\0", b'0', "refused", "says a size"),
        ("negative", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", b'0', "refused", "says a size"),
    ];
    for (name, size, kind, what, why) in cases {
        let entry = forged(name, size, kind);
        let end = pack.len() - 2 * BLOCK;
        for at in [files[2].1, files[4].1, end] {
            let bad = [&pack[..at], &entry, &pack[at..]].concat();
            let verdict = judge(&bad, &keys);
            let told = verdict.problems.iter().any(|p| p.what == what && p.say.contains(why));
            assert!(told && !verdict.ok, "{name} at {at}: {:?}", verdict.problems);
            let escapes = |text: &str| text.contains(char::is_control);
            let loud = verdict.problems.iter()
                .any(|p| escapes(&p.say) || p.file.as_deref().is_some_and(escapes));
            assert!(!loud, "{name}: something of it would reach a terminal");
        }
        // In front, where the manifest belongs.
        let bad = [&entry[..], &pack].concat();
        let verdict = judge(&bad, &keys);
        assert!(says(&verdict, "header", MANIFEST), "{name} in front: {:?}", verdict.problems);
    }
    for junk in [&b""[..], b"x", &[0; 5000], &[0xff; 5000]] {
        assert!(!judge(junk, &keys).ok);
    }
}

#[test]
fn manifests_that_no_pack_has_are_refused() {
    let file = |path: &str, size: u64, pieces: usize| serde_json::json!({
        "path": path, "size": size, "pieces": vec!["00".repeat(32); pieces], "sha256": "", "sm3": "" });
    let manifest = |files: serde_json::Value, instance: &str, piece: u64| {
        let value = serde_json::json!({ "absent": [], "files": files, "format": "jinyun-pack/1",
            "instance": instance, "made": "2026-10-01T00:00:00.000000Z", "piece": piece });
        Manifest::read(value.to_string().as_bytes())
    };
    let good = serde_json::json!([file("a", 5000, 2), file("b", 0, 0)]);
    assert!(manifest(good.clone(), "tour", 4096).is_ok());
    assert!(manifest(good.clone(), "tour", 1).is_err());
    assert!(manifest(good.clone(), "tour\u{1b}", 4096).is_err());
    for files in [
        serde_json::json!([file("../a", 0, 0)]),
        serde_json::json!([file("/a", 0, 0)]),
        serde_json::json!([file("b", 0, 0), file("a", 0, 0)]),
        serde_json::json!([file("a", 0, 0), file("a", 0, 0)]),
        serde_json::json!([file(MANIFEST, 0, 0)]),
        serde_json::json!([file("a", 5000, 1)]),
        serde_json::json!([{ "path": "a" }]),
    ] {
        assert!(manifest(files.clone(), "tour", 4096).is_err(), "{:.80}", files.to_string());
    }
    assert!(Manifest::read(b"{}").is_err() && Manifest::read(b"\xff").is_err());
    // A file can be as large as the format says, and no larger.
    let pieces = (LARGEST >> 20) as usize;
    let largest = |size, pieces| manifest(serde_json::json!([file("a", size, pieces)]), "tour", 1 << 20);
    assert!(largest(LARGEST, pieces).is_ok() && largest(LARGEST, pieces - 1).is_err());
    assert!(largest(LARGEST + 1, pieces + 1).is_err());
}

/// Hands out a pack and remembers how much was asked for at once, and in all.
struct Meter<'a> {
    from: Cursor<&'a [u8]>,
    most: usize,
    all: usize,
}

impl Read for Meter<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.most = self.most.max(buffer.len());
        let have = self.from.read(buffer)?;
        self.all += have;
        Ok(have)
    }
}

impl Seek for Meter<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.from.seek(to)
    }
}

#[test]
fn large_files_are_read_in_pieces() {
    let scratch = Scratch::new("large");
    let kms = kms(&scratch.0);
    let path = scratch.0.join("large");
    std::fs::write(&path, vec![7; 20 << 20]).unwrap();
    let items = vec![
        Item { path: "large".into(), body: Body::File(path.clone()) },
        item(EXPORT, &export(&kms, 2)),
    ];
    let mut out = Vec::new();
    let manifest = write(&mut out, "tour", MADE, items, Vec::new(), &|text| sign(&kms, text)).unwrap();
    assert_eq!(manifest.piece, 65_536);
    let trusted = keys(&kms);
    let mut meter = Meter { from: Cursor::new(&out[..]), most: 0, all: 0 };
    assert!(check(&mut meter, Some(&trusted[..]), &[]).unwrap().ok);
    assert!(meter.most <= 65_536, "{} bytes at once", meter.most);
    // The journal alone is read again, and it is small.
    assert!(meter.all < out.len() + (1 << 20), "{} bytes of {}", meter.all, out.len());
    // What the format cannot hold is refused before anything of it is read: this one is a hole.
    let hole = std::fs::File::create(&path).unwrap();
    hole.set_len(LARGEST + 1).unwrap();
    let items = vec![Item { path: "large".into(), body: Body::File(path.clone()) }];
    let made = write(&mut Vec::<u8>::new(), "tour", MADE, items, Vec::new(), &|text| sign(&kms, text));
    let why = made.map(|_| ()).unwrap_err().to_string();
    assert!(why.contains("more than 1099511627776 bytes (take a shorter period)"), "{why}");
    // Names that do not fit and files that stand twice are no pack.
    for bad in [vec![item("a", b""), item("a", b"")], vec![item("../a", b"")], vec![item(NOTE, b"")]] {
        let made = write(&mut Vec::<u8>::new(), "tour", MADE, bad, Vec::new(), &|text| sign(&kms, text));
        assert!(made.is_err());
    }
}
