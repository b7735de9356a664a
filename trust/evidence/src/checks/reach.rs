//! How far access goes down: a guest's process and the files of its host, the platform's own store and
//! the machine's other users.
//!
//! A subject is a user or a process here, an object a file. That the kernel keeps them apart is not
//! read from modes alone where it can be tried: hosts try it as the guests' own users.

use super::Found;
use super::hosts::{Sum, surveys};
use crate::facts::secrets::StoreFile;
use crate::world::World;
use jinyun_wire::ReachTry;
use std::collections::BTreeSet;

/// The kernel's refusals: not allowed, permission denied.
const REFUSED: [i32; 2] = [1, 13];
/// The kernel's words for what went while it was tried (no such file, no such process), and for a machine
/// that has no descriptor to give just then: nothing was tried.
const LEFT_OUT: [i32; 4] = [2, 3, 23, 24];
/// Sorts of things, by how the agent's names for them begin.
const SORTS: [(&str, &str); 8] = [
    ("a file of another user's", "another user's file"),
    ("the accepted document", "the agent's document"),
    ("the agent's memory", "the agent's memory"),
    ("the control process's ", "the platform's files"),
    ("the disk ", "disks"),
    ("the console of ", "consoles of guests"),
    ("the socket of ", "sockets of guests"),
    ("the memory of ", "memory of guests"),
];
/// Permission bits of others than the owner: all of them, and those that change something.
const OTHERS: u32 = 0o077;
const WRITE: u32 = 0o022;

/// What came of one attempt.
fn tried(one: &ReachTry) -> Result<(), String> {
    match one.errno {
        None => Err("it opened".into()),
        Some(error) if REFUSED.contains(&error) => Ok(()),
        Some(error) => Err(format!("the way to it is open (error {error})")),
    }
}

/// Which sorts of things are among these.
fn sorts(names: &BTreeSet<&str>) -> String {
    let is = |begin: &str| names.iter().any(|name| name.starts_with(begin));
    let mut told: Vec<&str> =
        SORTS.iter().filter(|(begin, _)| is(begin)).map(|(_, sort)| *sort).collect();
    let known = |name: &str| SORTS.iter().any(|(begin, _)| name.starts_with(begin));
    if names.iter().any(|name| !known(name)) {
        told.push("other things");
    }
    told.join(", ")
}

/// As its guest's user a process opens its own file, and none of others and of the host's.
pub(super) fn file_reach(world: &World) -> Found {
    let surveys = match surveys(world) {
        Ok(surveys) => surveys,
        Err(found) => return found,
    };
    let mut sum = Sum::default();
    let (mut users, mut tries) = (0, 0);
    let (mut names, mut idle) = (BTreeSet::new(), Vec::new());
    for (host, survey) in &surveys {
        let all = match &survey.reach {
            Ok(all) => all,
            Err(why) => {
                sum.piece(&format!("users of guests on {}", host.name), Err(why.clone()));
                continue;
            }
        };
        if all.is_empty() {
            let why = "nobody was tried".to_string();
            sum.piece(&format!("users of guests on {}", host.name), Err(why));
        }
        for one in all {
            let who = format!("user {} on {}", one.uid, host.name);
            if one.uid == 0 {
                sum.piece(&who, Ok(Err("is root".into())));
            }
            // Without its own file the rest proves nothing.
            if let Err(why) = &one.own {
                sum.piece(&who, Err(why.clone()));
                continue;
            }
            let left = |attempt: &&ReachTry| {
                attempt.errno.is_none_or(|error| !LEFT_OUT.contains(&error))
            };
            let attempts: Vec<&ReachTry> = one.tries.iter().filter(left).collect();
            if attempts.is_empty() {
                sum.piece(&who, Err("nothing but its own file was tried".into()));
                continue;
            }
            users += 1;
            if one.guest.is_empty() {
                idle.push(host.name.as_str());
            }
            for attempt in attempts {
                tries += 1;
                names.insert(attempt.what.as_str());
                sum.piece(&format!("{who}, {}", attempt.what), Ok(tried(attempt)));
            }
        }
    }
    let mut says = format!(
        "{users} users of guests on {} host(s): each opens its own file and is refused all of {tries} \
         others ({})", surveys.len(), sorts(&names)
    );
    if !idle.is_empty() {
        let on = idle.join(", ");
        says.push_str(&format!("; on {on} no guest runs: the first guest's user was tried"));
    }
    sum.found("no host was tried", says)
}

/// What is wrong about a file of the store.
fn wrong(file: &StoreFile) -> Option<String> {
    let directory = file.name == ".";
    match file {
        StoreFile { link: true, .. } => Some("is a link".into()),
        StoreFile { ours: false, .. } => Some("belongs to somebody else".into()),
        StoreFile { mode, .. } if directory && mode & OTHERS != 0 => {
            Some(format!("is open to others (mode {mode:o})"))
        }
        StoreFile { mode, .. } if mode & WRITE != 0 => {
            Some(format!("can be changed by others (mode {mode:o})"))
        }
        _ => None,
    }
}

/// Nobody but the control process's own user gets at the platform's store.
pub(super) fn store_closed(world: &World) -> Found {
    let files = match &world.store {
        Ok(files) => files,
        Err(why) => return super::error(format!("the store could not be looked at: {why}")),
    };
    let mut sum = Sum::default();
    for file in files {
        let what = match file.name.as_str() {
            "." => "the store's directory".to_string(),
            name => format!("{name} in the store's directory"),
        };
        sum.piece(&what, Ok(wrong(file).map_or(Ok(()), Err)));
    }
    if !files.is_empty() && !files.iter().any(|file| file.name == "state.db") {
        let why = "the database is a server's, whose users are not looked at".to_string();
        sum.piece("the database", Err(why));
    }
    let count = files.len();
    sum.found("the store has no files", format!(
        "the directory of database and keys and {} things in it belong to the control process's user, \
         who alone may enter it", count.saturating_sub(1)
    ))
}
