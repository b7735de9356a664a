//! Roles that nobody uses: what was given, and what was done with it.
//!
//! An institution's entries say who did what; which role it took is read from the rules, and where it
//! was done from the rows that changed. An entry that names no project counts for each place in which
//! its user could have done it, so a role is called unused only if nothing speaks for it. Successful
//! reads leave no entry: of a reader's role nothing can be said, and the answer says so.

use crate::journal::{Back, Light, back};
use crate::roles::place;
use jinyun_base::{Fault, Id, Time};
use jinyun_engine::{Query, View};
use jinyun_identity::assignment::role_of;
use jinyun_identity::{Assignment, AssignmentSpec, Directory, Grant, Scoped};
use jinyun_policy::{Policy, Role, Who};
use jinyun_store::Db;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Most entries that are looked at.
const ENTRIES: u64 = 200_000;
/// Most things that are remembered while looking.
const KEPT: usize = 100_000;
/// Most lines of an answer.
const LINES: usize = 5000;
/// Most actions of a line.
const ACTIONS: usize = 50;

/// How often, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Use {
    count: u64,
    last: i64,
}

/// What somebody did: by project (empty if the entry names none) and action.
type Done = HashMap<(String, String), Use>;

/// What was done in a time, by user.
#[derive(Default)]
struct Seen {
    by: HashMap<String, Done>,
    kept: usize,
    full: bool,
}

impl Seen {
    fn add(&mut self, entry: Light) {
        if entry.actor.kind != "user" || entry.outcome != "done" {
            return;
        }
        let project = entry.effects.into_iter().map(|e| e.project).find(|p| !p.is_empty());
        let key = (project.unwrap_or_default(), entry.action);
        let done = self.by.entry(entry.actor.id).or_default();
        if let Some(there) = done.get_mut(&key) {
            there.count += 1;
            there.last = there.last.max(entry.time);
        } else if self.kept < KEPT {
            self.kept += 1;
            done.insert(key, Use { count: 1, last: entry.time });
        } else {
            self.full = true;
        }
    }
}

/// The least role that is enough for an action in a place of this sort; none if no role is.
fn needed(policy: &Policy, action: &str, domain: bool) -> Option<Role> {
    policy.rule(action)?.iter().filter_map(|who| match who {
        Who::Project(role) if !domain => Some(*role),
        Who::Domain(role) if domain => Some(*role),
        _ => None,
    }).min()
}

/// Whether something that was done in a project may have been done with a grant.
fn within(directory: &Directory, grant: &AssignmentSpec, project: &str) -> bool {
    if project.is_empty() {
        return true;
    }
    let project = Id::new(project);
    match (&grant.scope, grant.inherited) {
        (Scoped::System, _) => false,
        // A manager of the domain changes its projects too.
        (Scoped::Domain(_), false) => true,
        (Scoped::Project(id), false) => *id == project,
        (Scoped::Domain(id), true) => directory.project(&project).is_some_and(|p| p.domain == *id),
        (Scoped::Project(id), true) => directory.above(&project).contains(id),
    }
}

/// One user's use of one grant.
fn line(directory: &Directory, policy: &Policy, seen: &Seen, grant: &AssignmentSpec, user: &Id)
    -> Option<Value> {
    let Grant::Role(role) = grant.role else { return None };
    let domain = matches!(grant.scope, Scoped::Domain(_)) && !grant.inherited;
    let (mut actions, mut enough): (BTreeMap<&str, Use>, Role) = (BTreeMap::new(), Role::Reader);
    for ((project, action), done) in seen.by.get(user.as_str()).into_iter().flatten() {
        let took = needed(policy, action, domain).filter(|took| *took <= role);
        let Some(took) = took.filter(|_| within(directory, grant, project)) else { continue };
        enough = enough.max(took);
        let there = actions.entry(action.as_str()).or_insert(Use { count: 0, last: 0 });
        *there = Use { count: there.count + done.count, last: there.last.max(done.last) };
    }
    let judged = role > Role::Reader;
    let count: u64 = actions.values().map(|u| u.count).sum();
    let last = actions.values().map(|u| u.last).max();
    let shown: Vec<Value> = actions.iter().take(ACTIONS).map(|(action, done)| json!({
        "action": action, "count": done.count, "last": Time(done.last).seconds(),
    })).collect();
    Some(json!({
        "user_id": user,
        "user_name": directory.user(user).map(|u| u.name),
        "role": role_of(grant.role).1,
        "given_in": place(&grant.scope),
        "inherited": grant.inherited,
        "group_id": grant.of_group().then_some(&grant.group),
        "judged": judged,
        "used": judged.then_some(count > 0),
        "count": count,
        "last": last.map(|at| Time(at).seconds()),
        "enough": judged.then_some(role_of(Grant::Role(enough)).1),
        "actions": shown,
    }))
}

/// Everything that was given in an institution, with its use since a time.
pub(crate) fn usage(db: &mut Db, directory: &Directory, policy: &Policy, domain: &Id, since: Time,
    now: Time) -> Result<Value, Fault> {
    let mut seen = Seen::default();
    let Back { entries, complete } = back(db, domain.as_str(), Some(since), ENTRIES, |entry| {
        seen.add(entry);
        true
    })?;
    let query = Query { domain: Some(domain.clone()), ..Query::default() };
    let grants = View::new(db).list::<Assignment>(&query)?;
    let (mut lines, mut cut) = (Vec::new(), false);
    for grant in grants.into_iter().map(|have| have.spec).filter(|spec| spec.holds(now)) {
        let users = match grant.of_group() {
            true => directory.members(&grant.group),
            false => vec![grant.user.clone()],
        };
        for user in users {
            if lines.len() == LINES {
                cut = true;
                break;
            }
            lines.extend(line(directory, policy, &seen, &grant, &user));
        }
    }
    Ok(json!({
        "domain_id": domain,
        "since": since.seconds(),
        "until": now.seconds(),
        "entries": entries,
        "complete": complete && !seen.full && !cut,
        "reads": "not recorded: successful reads leave no entry, so of a reader's role nothing is said",
        "roles": lines,
    }))
}
