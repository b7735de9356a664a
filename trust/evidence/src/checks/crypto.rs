//! Keys from their making to their end, and the national algorithms.

use super::leaving::{both, lives};
use super::{Found, all_right, error};
use crate::world::World;

fn key(kind: &str, name: &str) -> bool {
    matches!((kind, name), ("project", "kek") | ("volume", "key"))
}

/// Every key was made once, is one of a resource that is there, and ends with a certificate.
pub(super) fn key_life(world: &World) -> Found {
    let (journal, remains) = match both(world) {
        Ok(both) => both,
        Err(found) => return found,
    };
    let until = journal.entries.iter().take_while(|entry| entry.number < remains.length);
    let lives = lives(until, key);
    let (mut wrong, mut entries) = (Vec::new(), Vec::new());
    let (mut living, mut ended) = (0u64, 0u64);
    for (full, life) in &lives {
        let (kind, id, _) = full;
        let mut say = |what: &str| wrong.push(format!("the key of {kind} {id} {what}"));
        match life.set[..] {
            [] => say("was never made on record"),
            [_] => {}
            [..] => say("was made more than once"),
        }
        if life.again.is_some() {
            say("was made again after its end");
        }
        if life.lost.is_some() {
            say("was there when its resource went");
        }
        if life.destroyed.iter().any(|(_, certified)| !certified) {
            say("was destroyed without a certificate");
        }
        if life.lives {
            living += 1;
        } else {
            ended += 1;
            entries.extend(life.destroyed.last().map(|(entry, _)| *entry));
            if remains.secrets.contains(full) {
                say("was destroyed and is in the store");
            }
        }
    }
    for (kind, id, name) in remains.orphans.iter().filter(|(kind, _, name)| key(kind, name)) {
        wrong.push(format!("the store has the {name} of {kind} {id}, which is not there"));
    }
    // One that came while this was read has its entry further on.
    let later = journal.entries.iter().skip_while(|entry| entry.number < remains.length);
    let new = super::leaving::lives(later, key);
    for full in remains.secrets.iter().filter(|(kind, _, name)| key(kind, name)) {
        if !lives.contains_key(full) && !new.contains_key(full) {
            wrong.push(format!("the store has the {} of {} {}, which no entry made", full.2, full.0,
                full.1));
        }
    }
    let found = all_right(living + ended, &wrong, "there never was a key", format!(
        "{living} keys are in use and {ended} have ended: each made once, by an entry, for a resource \
         that is there, and destroyed with a certificate"
    ));
    Found { entries, ..found }
}

/// SM2 and SM3 answer as published, and SM2 signs the journal.
pub(super) fn sm_answers(world: &World) -> Found {
    let answers = match &world.answers {
        Ok(answers) => answers,
        Err(why) => return error(why.clone()),
    };
    let mut wrong: Vec<String> = answers.examples.iter().filter(|(_, right)| !right)
        .map(|(what, _)| format!("not so: {what}")).collect();
    let size = match answers.checkpoint {
        None => return error("there is no checkpoint yet"),
        Some((size, signed)) => {
            if !signed {
                wrong.push(format!("the SM3 checkpoint of {size} entries has no signature by SM2"));
            }
            size
        }
    };
    let count = answers.examples.len() as u64;
    all_right(count, &wrong, "no example was put", format!(
        "{count} of {count} examples answered as published; the newest checkpoint ({size} entries) \
         is signed with SM2 for its SM3 tree"
    ))
}
