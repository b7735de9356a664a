//! What guests are entered with: key pairs, of which the platform keeps the public half alone, and
//! passwords, which it keeps sealed until they are taken.
//!
//! A key pair that the platform makes is shown once; whether its private half stands anywhere is
//! searched for, in the ways in which it could be written, with the public one beside it as the proof
//! that the search finds. All of that in one look at everything, behind all trials. No guest is
//! started here: a server needs an image, and the synthetic institution keeps none.

use super::{Came, Cast, Play, Sent, letters};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jinyun_base::{Id, Kind, OsEntropy};
use jinyun_compute::about_password;
use jinyun_engine::Query;
use serde_json::{Value, json};

const PAIRS: &str = "keypair-public";
const PASSWORDS: &str = "server-password";
const PATH: &str = "/v2.1/os-keypairs";
/// The refusal of a value.
const BAD: &[&str] = &["invalid"];
/// Bytes 0 to 31 as a public key.
const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZ\
    GhscHR4f";
const PEM: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
/// Bytes of a seed, and of the public half that follows from it.
const SEED: usize = 32;

/// Entries and rows that are read at a time.
const STRETCH: usize = 500;

/// Where somebody could find it.
const PLACES: [&str; 3] = ["an entry", "a record", "a secret"];

/// Something that is searched for.
pub(super) struct Sought {
    check: &'static str,
    what: &'static str,
    /// The ways in which it could be written.
    forms: Vec<Vec<u8>>,
    /// It has to stand in entries and records: the proof that the search finds.
    must: bool,
    /// Where it was found first, of each sort of places.
    found: [Option<String>; 3],
}

impl Sought {
    fn new(check: &'static str, what: &'static str, forms: Vec<Vec<u8>>, must: bool) -> Sought {
        Sought { check, what, forms, must, found: Default::default() }
    }
}

fn holds(bytes: &[u8], form: &[u8]) -> bool {
    // Most places differ in their first byte already.
    bytes.windows(form.len().max(1)).any(|part| part.first() == form.first() && part == form)
}

fn look(sought: &mut [Sought], place: usize, name: impl Fn() -> String, bytes: &[u8]) {
    for one in sought {
        let open = one.found.get(place).is_some_and(Option::is_none);
        if open && one.forms.iter().any(|form| holds(bytes, form)) {
            one.found[place] = Some(name());
        }
    }
}

/// Looks through the entries since the trials began, all records and all secrets; in stretches, since
/// there may be more of them than a machine has room for beside the rest.
fn read(play: &Play<'_>, sought: &mut [Sought]) -> Result<(), String> {
    let reader = &play.scene.cloud.reader;
    let kinds = reader.registry().kind_names();
    reader.lend(|db| {
        let (mut at, to) = (play.from, db.journal_length()?);
        while at < to {
            let end = to.min(at + STRETCH as u64);
            for (entry, number) in db.entries(at, end)?.iter().zip(at..) {
                look(sought, 0, || format!("entry {number}"), entry);
            }
            at = end;
        }
        for kind in kinds {
            let mut after = None;
            loop {
                let query = Query { after, limit: Some(STRETCH), ..Query::default() };
                let rows = db.list(Kind(kind), &query)?;
                for stored in &rows {
                    let name = || format!("{kind} {}", stored.row.id);
                    look(sought, 1, name, stored.row.spec.as_bytes());
                    look(sought, 1, name, stored.status.body.as_bytes());
                }
                after = rows.last().map(|stored| stored.row.id.clone());
                if rows.len() < STRETCH {
                    break;
                }
            }
        }
        for (kind, id, name, _, value) in db.secrets()? {
            look(sought, 2, || format!("the secret {name} of {kind} {id}"), &value);
        }
        Ok(())
    }).map_err(|e| e.to_string())
}

/// Searches for what the trials have set aside: once, when all of them are done.
pub(super) fn search(play: &mut Play<'_>) {
    let mut sought = std::mem::take(&mut play.sought);
    if sought.is_empty() {
        return;
    }
    let came = read(play, &mut sought);
    for Sought { check, what, must, found, .. } in sought {
        match &came {
            Err(why) => play.broke(check, why.clone()),
            Ok(()) if must => play.control(check, what, found[0].is_some() && found[1].is_some()),
            Ok(()) => {
                let places = PLACES.iter().zip(found).find_map(|(place, at)| Some((place, at?)));
                let told = places.map(|(place, at)| format!("it stands in {place}: {at}"));
                play.unless(check, what, told);
            }
        }
    }
}

/// The seed of a key pair that is written as OpenSSH writes it: before the last time that the public
/// half stands there.
fn seed(pem: &str, half: &str) -> Option<Vec<u8>> {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let (file, public) = (STANDARD.decode(text).ok()?, STANDARD.decode(half).ok()?);
    let key = public.get(public.len().checked_sub(SEED)?..)?;
    let at = file.windows(SEED).rposition(|part| part == key)?;
    file.get(at.checked_sub(SEED)?..at).map(<[u8]>::to_vec)
}

/// The ways in which a seed could be written: its bytes, their digits, and base64 as far as it says
/// nothing of what comes behind.
fn forms(seed: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
    let whole = |mut text: String| {
        text.truncate(seed.len() * 8 / 6);
        text.into_bytes()
    };
    vec![seed.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes(),
        whole(STANDARD.encode(seed)), whole(URL_SAFE_NO_PAD.encode(seed))]
}

fn pair(play: &mut Play<'_>, cast: &Cast, name: &str, key: Option<&str>) -> Came {
    let mut pair = json!({ "name": name });
    if let Some(key) = key {
        pair["public_key"] = key.into();
    }
    let body = json!({ "keypair": pair });
    play.go(Sent::new("compute", "POST", PATH).by(&cast.ann).with(body))
}

/// A private key that is handed in is refused, one that is made is shown once and kept nowhere.
pub(super) fn keypair(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let private = [PEM, "AAAA", "-----END"].join("\n");
    let import = |play: &mut Play<'_>, key: Value| {
        let args = json!({ "name": format!("desk-{}", play.ending), "public_key": key });
        play.run(&cast.ann, "compute:keypair:create", None, args)
    };
    let came = import(play, private.into());
    play.stopped(PAIRS, "a private key that is handed in", &came, BAD);
    let came = import(play, Value::Null);
    play.stopped(PAIRS, "a command for a pair without its public half", &came, BAD);
    let brought = format!("brought-{}", play.ending);
    let came = pair(play, cast, &brought, Some(PUBLIC));
    play.works(PAIRS, "a public key that is brought", &came);
    let secret = came.body.pointer("/keypair/private_key").is_some();
    play.never(PAIRS, "a private key for a public one that was brought", secret);
    let (one, two) = (format!("made-{}", play.ending), format!("other-{}", play.ending));
    let made = pair(play, cast, &one, None);
    play.works(PAIRS, "a pair that the platform makes", &made);
    let other = pair(play, cast, &two, None);
    let (key, public) = (made.text("/keypair/private_key")?, made.text("/keypair/public_key")?);
    play.control(PAIRS, "the private key, shown to the one who asked", key.starts_with(PEM));
    let same = other.text("/keypair/public_key")? == public;
    play.never(PAIRS, "the same pair twice", same);
    let mut again = false;
    for path in [format!("{PATH}/{one}"), PATH.to_string()] {
        let came = play.go(Sent::new("compute", "GET", path).by(&cast.ann));
        came.done("a look at key pairs")?;
        again |= came.body.to_string().contains("private_key");
    }
    play.never(PAIRS, "a private key that is shown again", again);
    // Behind the middle: before it such a file has what is no secret.
    let lines: Vec<&str> = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let line = lines.get(lines.len() / 2 + 1).copied().filter(|line| line.len() > 20);
    let line = line.ok_or("the private key has no lines")?;
    let half = public.split(' ').nth(1).ok_or("the public key has no second word")?;
    let seed = seed(&key, half).ok_or("the private key is not in OpenSSH's form")?;
    let private = std::iter::once(line.into()).chain(forms(&seed)).collect();
    // The pairs stay until that was searched for; they go with their user.
    play.sought.extend([
        Sought::new(PAIRS, "the public half, found where records are", vec![half.into()], true),
        Sought::new(PAIRS, "the private half anywhere in journal, records and secrets", private, false),
    ]);
    Ok(())
}

/// Asks for a server with a password. There is neither its flavor nor its image.
fn server(play: &mut Play<'_>, cast: &Cast, password: &str) -> Came {
    let none = Id::uuid(&mut OsEntropy::default());
    let body = json!({ "server": {
        "name": "evidence", "flavorRef": none, "imageRef": none, "networks": "none",
        "adminPass": password,
    } });
    play.go(Sent::new("compute", "POST", "/v2.1/servers").by(&cast.ann).with(body))
}

/// Passwords for guests: which are refused, that none is told, and what a sealed one is bound to.
pub(super) fn password(play: &mut Play<'_>, cast: &Cast) -> Result<(), String> {
    let (word, mut told) = (letters(12), false);
    for (what, bad) in [
        ("a password of seven characters", letters(7)),
        ("a password with a blank", format!("{word} 9")),
        ("a password that is not of ASCII", format!("{word}密")),
        ("a password of more than 128 characters", letters(129)),
    ] {
        let came = server(play, cast, &bad);
        // Another refusal came past this one.
        let about = came.says.contains("adminPass") || came.ok();
        let came_by = if about { came } else { Came::refused("fault", came.says.clone()) };
        told |= came_by.says.contains(&bad);
        play.stopped(PASSWORDS, what, &came_by, BAD);
    }
    let good = format!("Jy-{word}-9");
    let came = server(play, cast, &good);
    let past = BAD.contains(&came.code) && came.says.contains("flavorRef");
    play.control(PASSWORDS, "a good password, in a request that fails for its flavor", past);
    told |= came.says.contains(&word);
    play.never(PASSWORDS, "a password in a refusal", told);
    let what = "a password anywhere in journal, records and secrets";
    play.sought.push(Sought::new(PASSWORDS, what, vec![word.clone().into_bytes()], false));
    let (kms, id) = (play.scene.kms.clone(), play.scene.ground.server.clone());
    let other = Id::uuid(&mut OsEntropy::default());
    let sealed = kms.seal_record(&about_password(&id), good.as_bytes()).map_err(|e| e.to_string())?;
    let opens = |of: &Id| kms.open_record(&about_password(of), &sealed).is_some();
    let clear = sealed.windows(word.len()).any(|part| part == word.as_bytes());
    play.control(PASSWORDS, "a sealed password for its server", opens(&id));
    play.never(PASSWORDS, "a sealed password for another server", opens(&other));
    play.never(PASSWORDS, "a sealed password that can be read", clear);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pair of the seed 0, 1, .. 31.
    const HALF: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    const FILE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
        b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n\
        QyNTUxOQAAACADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuAAAAJhhYmNkYWJj\n\
        ZAAAAAtzc2gtZWQyNTUxOQAAACADoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA\n\
        AAAEAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHwOhB7/zzhC+HXDdGOdLwJln\n\
        5NYwm6UNXx3chmQSVTG4AAAAE0dlbmVyYXRlZC1ieS1KaW55dW4BAg==\n\
        -----END OPENSSH PRIVATE KEY-----\n";

    #[test]
    fn a_seed_is_found_however_it_is_written() {
        let seed = seed(FILE, HALF).unwrap();
        assert_eq!(seed, (0..32).collect::<Vec<u8>>());
        let forms = forms(&seed);
        let text = |form: &Vec<u8>| String::from_utf8(form.clone()).unwrap();
        assert_eq!(text(&forms[2]), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        assert_eq!(text(&forms[3]), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh");
        let mut sought = [Sought::new(PAIRS, "it", forms.clone(), false)];
        for (n, form) in forms.iter().enumerate() {
            let mut bytes = b"before ".to_vec();
            bytes.extend(form);
            bytes.extend(b" and behind");
            sought[0].found = Default::default();
            look(&mut sought, 1, || "here".into(), &bytes[..bytes.len() - 12]);
            assert_eq!(sought[0].found[1], None, "{n}: a part of it");
            look(&mut sought, 1, || "here".into(), &bytes);
            assert_eq!(sought[0].found[1].as_deref(), Some("here"), "{n}");
        }
        assert!(super::seed(FILE, "AAAA").is_none() && super::seed("", HALF).is_none());
    }
}
