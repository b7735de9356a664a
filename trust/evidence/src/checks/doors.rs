//! The listeners as somebody finds them who wants in, the hosts' door, and from where staff comes.

use super::{Found, all_right, error, failed};
use crate::facts::doors::{Answered, Doors, DoorTry};
use crate::finding::Verdict;
use crate::world::World;
use jinyun_base::Net;
use jinyun_engine::Effect;
use jinyun_identity::{Assignment, Grant, User};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

fn doors(world: &World) -> Result<&Doors, Found> {
    world.site.doors.as_ref().map_err(|why| error(format!("the listeners: {why}")))
}

fn at(tried: &DoorTry) -> String {
    format!("{} with {} at {}", tried.what, tried.with, tried.listener)
}

/// No operation answers anybody without a good token, but those that are for everybody.
pub(super) fn routes_need_token(world: &World) -> Found {
    let doors = match doors(world) {
        Ok(doors) => doors,
        Err(found) => return found,
    };
    let mut wrong = Vec::new();
    for tried in &doors.locked {
        match &tried.status {
            Ok(401) => {}
            Ok(status) => wrong.push(format!("{}: answered {status}", at(tried))),
            Err(why) => return error(format!("{} could not be tried: {why}", at(tried))),
        }
    }
    let answers = |tried: &&DoorTry| matches!(tried.status, Ok(200..=399));
    let open = doors.open.iter().filter(answers).count();
    if wrong.is_empty() && (open == 0 || open < doors.open.len()) {
        let say = "not a proof: what is open to everybody does not answer either";
        let first = doors.open.iter().find(|tried| !answers(tried)).map(at).unwrap_or_default();
        return error(format!("{say} ({first})"));
    }
    let routes: BTreeSet<&str> = doors.locked.iter().map(|tried| tried.what.as_str()).collect();
    all_right(doors.locked.len() as u64, &wrong, "there are no operations", format!(
        "{} operations at both listeners, {} requests without a token or with a bad one: each answered \
         401; {open} of {open} requests to what is open to everybody were answered", routes.len(),
        doors.locked.len()
    ))
}

/// Words that tell how we are built inside, where we lie, or what went wrong there.
const INSIDE: &[&str] = &[
    "/etc/", "/home/", "/root/", "/run/", "/tmp/", "/usr/", "/var/", ".rs:", "backtrace", "panicked",
    "postgres", "select ", "sqlite", "sqlstate", "stack trace", "thread '",
];
/// Heads that tell what answers.
const HEADS: &[&str] = &["\nserver:", "\nx-powered-by:", "\nvia:"];
/// The longest that an error's body may be.
const LONG: usize = 4096;

/// What an answer tells that it should not.
fn tells(answer: &Answered) -> Option<String> {
    let body = answer.body.to_lowercase();
    if let Some(word) = INSIDE.iter().find(|word| body.contains(**word)) {
        return Some(format!("tells of `{}`", word.trim()));
    }
    if let Some(head) = HEADS.iter().find(|head| answer.head.contains(**head)) {
        return Some(format!("has the head `{}`", head.trim()));
    }
    (answer.body.len() > LONG).then(|| format!("is {} bytes long", answer.body.len()))
}

/// Requests that are none are refused in words that tell nothing of the inside.
pub(super) fn errors_say_little(world: &World) -> Found {
    let doors = match doors(world) {
        Ok(doors) => doors,
        Err(found) => return found,
    };
    let mut wrong = Vec::new();
    for tried in &doors.rude {
        let what = format!("{} at {}", tried.what, tried.listener);
        let answer = match &tried.answer {
            Ok(answer) => answer,
            Err(why) => return error(format!("{what} could not be tried: {why}")),
        };
        let right = match tried.status {
            0 => (400..500).contains(&answer.status),
            status => answer.status == status,
        };
        if !right {
            wrong.push(format!("{what}: answered {}", answer.status));
        }
        if let Some(told) = tells(answer) {
            wrong.push(format!("{what}: the answer {told}"));
        }
    }
    if !doors.open.iter().any(|tried| matches!(tried.status, Ok(200..=399))) {
        return error("not a proof: a request that is right is not answered either");
    }
    let count = doors.rude.len();
    all_right(count as u64, &wrong, "nothing was tried", format!(
        "{count} malformed requests: each refused as the caller's mistake, a body that is too long by \
         413, without a path, a place in a program or a word of the database"
    ))
}

/// The listeners agree to suites of today only, each of which a client may choose.
pub(super) fn tls_suites(world: &World) -> Found {
    let doors = match doors(world) {
        Ok(doors) => doors,
        Err(found) => return found,
    };
    let listeners: BTreeSet<&str> = doors.strong.iter().map(|tried| tried.listener).collect();
    let (mut wrong, mut tried, mut agreed) = (Vec::new(), 0, BTreeSet::new());
    for listener in &listeners {
        let (mut some, mut old_form) = (0, false);
        for one in doors.strong.iter().chain(&doors.weak).filter(|one| one.listener == *listener) {
            tried += 1;
            match (&one.agreed, one.suite.as_str()) {
                (Err(why), _) => {
                    return error(format!("{} at {listener} could not be tried: {why}", one.suite));
                }
                (Ok(true), "suites of yesterday") => {
                    wrong.push(format!("{listener} agrees to a suite of yesterday"));
                }
                // Who speaks TLS 1.3 alone refuses the form itself.
                (Ok(false), "suites of today") if old_form => {
                    return error(format!(
                        "not a proof: {listener} refuses suites of today in the same form too"
                    ));
                }
                (Ok(true), name) if name.starts_with("TLS") => {
                    some += 1;
                    old_form |= name.starts_with("TLS_");
                    agreed.insert(name);
                }
                _ => {}
            }
        }
        if some == 0 && wrong.is_empty() {
            return error(format!("not a proof: {listener} agrees to nothing"));
        }
    }
    let names = agreed.iter().copied().collect::<Vec<_>>().join(", ");
    all_right(tried, &wrong, "there is no listener", format!(
        "{} listener(s): of the suites without forward secrecy or integrity none is agreed to; a \
         client may choose between {} ({names})", listeners.len(), agreed.len()
    ))
}

/// Whoever is not root gets no further than the hosts' door, although the door is its own.
pub(super) fn host_door(world: &World) -> Found {
    let knock = match &world.site.knock {
        Ok(knock) => knock,
        Err(why) => return error(format!("the hosts' door: {why}")),
    };
    // That it opens for an agent is the control: one is behind it.
    if !world.hosts.iter().any(|host| host.survey.as_ref().is_ok_and(|s| !s.simulated)) {
        return error("not a proof: no host has come in by the door either");
    }
    let mut wrong = Vec::new();
    if !knock.socket {
        wrong.push("the hosts' door is no socket".to_string());
    }
    if knock.mode & 0o177 != 0 || !knock.ours {
        wrong.push(format!("the hosts' door is open to others (mode {:o})", knock.mode));
    }
    if knock.let_in {
        wrong.push("somebody who is not root was let in as a host's agent".into());
    }
    all_right(1, &wrong, "there is no door", format!(
        "the hosts' door has mode {:o} and closed at once on a user that is not root; {} host(s) came \
         in by it", knock.mode, world.hosts.len()
    ))
}

/// Whether a source lies in one of the networks; in any, if there is none.
fn allowed(networks: &[String], source: &str) -> bool {
    let Ok(address) = source.parse::<IpAddr>() else { return networks.is_empty() };
    networks.is_empty() || networks.iter().filter_map(|n| Net::parse(n)).any(|n| n.holds(address))
}

/// The networks that a user's spec names.
fn sources(spec: &Value) -> Vec<String> {
    let all = spec.get("sources").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(|s| s.as_str().map(String::from)).collect()
}

/// The provider's staff is bound to networks, and nothing was done by it from elsewhere.
pub(super) fn staff_sources(world: &World) -> Found {
    let journal = match &world.journal {
        Ok(journal) => journal,
        Err(why) => return error(why.clone()),
    };
    let (grants, users) = match (world.all::<Assignment>(), world.all::<User>()) {
        (Ok(grants), Ok(users)) => (grants, users),
        (Err(why), _) | (_, Err(why)) => return error(why),
    };
    let staff: BTreeSet<String> = grants.iter()
        .filter(|g| matches!(g.spec.role, Grant::Duty(_))).map(|g| g.spec.user.to_string()).collect();
    let (mut wrong, mut entries, mut count) = (Vec::new(), Vec::new(), 0u64);
    // Networks as they were when each thing was done.
    let mut bound: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for entry in &journal.entries {
        let id = entry.actor.id.as_str();
        if entry.actor.kind == "user" && entry.outcome == "done" && staff.contains(id)
            && let Some(source) = &entry.source
        {
            count += 1;
            let networks = bound.get(id).map_or(&[][..], Vec::as_slice);
            if !allowed(networks, source) {
                entries.push(entry.number);
                wrong.push(format!("{id} did {} from {source} (entry {})", entry.action,
                    entry.number));
            }
        }
        for effect in &entry.effects {
            if let Effect::Put { kind, id, spec, .. } = effect
                && kind == "user"
            {
                bound.insert(id.as_str(), sources(spec));
            }
        }
    }
    if !wrong.is_empty() {
        return Found { entries, ..failed(count, &wrong) };
    }
    let free: Vec<&str> = users.iter()
        .filter(|user| staff.contains(user.id.as_str()) && user.spec.sources.is_empty())
        .map(|user| user.spec.name.as_str()).collect();
    let found = all_right(staff.len() as u64, &[], "nobody holds a duty", format!(
        "{} administrators are bound to networks; {count} of {count} things that they did came from \
         there", staff.len() - free.len()
    ));
    if free.is_empty() || found.verdict != Verdict::Met {
        return found;
    }
    let says = format!("{}; {} may come from anywhere ({})", found.says, free.len(), free.join(", "));
    Found { verdict: Verdict::Partly, says, ..found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_lie_in_their_networks() {
        let cases: &[(&[&str], &str, bool)] = &[
            (&[], "10.0.0.1", true), (&["10.1.0.0/16"], "10.1.2.3", true),
            (&["10.1.0.0/16"], "10.2.0.1", false), (&["10.1.2.3"], "10.1.2.3", true),
            (&["0.0.0.0/0"], "8.8.8.8", true), (&["0.0.0.0/0"], "::1", false),
            (&["2001:db8::/32"], "2001:db8:1::1", true), (&["2001:db8::/32"], "2001:db9::1", false),
            (&["10.1.0.0/16"], "::ffff:10.1.2.3", true), (&["10.1.0.0/16"], "nowhere", false),
            (&["10.0.0.0/33"], "10.0.0.1", false), (&["::ffff:10.1.0.0/112"], "10.1.2.3", true),
        ];
        for (networks, source, want) in cases {
            let networks: Vec<String> = networks.iter().map(|n| n.to_string()).collect();
            assert_eq!(allowed(&networks, source), *want, "{networks:?} {source}");
        }
    }

    #[test]
    fn an_answer_that_tells_too_much_is_seen() {
        let answer = |head: &str, body: &str| Answered {
            status: 400,
            head: head.into(),
            body: body.into(),
        };
        for (head, body, told) in [
            ("http/1.1 400\r\n", "{\"error\": \"The body is not valid JSON.\"}", false),
            ("http/1.1 400\r\nserver: x\r\n", "", true),
            ("http/1.1 400\r\n", "no such file: /var/lib/jinyun/x", true),
            ("http/1.1 400\r\n", "panicked at src/main.rs:7", true),
        ] {
            assert_eq!(tells(&answer(head, body)).is_some(), told, "{head} {body}");
        }
        let long = "a".repeat(LONG + 1);
        assert!(tells(&answer("", &long)).is_some());
    }
}
