//! What was so at each moment, as the journal tells it: people, roles, rules, requests, consents.
//!
//! Judging an old entry by the tables of today would find what has been repaired since and miss what
//! was undone. So the journal is walked once from its beginning, and each entry is judged on the world
//! before it. Nothing of the service that is judged is used: rows are read from their JSON, and what a
//! rule catches, whom a stage lets vote and when a window is open is worked out here a second time.

use jinyun_engine::{Command, Effect};
use jinyun_identity::{Grant, Scoped};
use jinyun_journal::Entry;
use jinyun_policy::{Duty, PROVIDER, Role};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) const VOTE: &str = "approval:approval:vote";
pub(crate) const RUN: &str = "approval:approval:run";
pub(crate) const SETTLE: &str = "approval:approval:settle";
const GUARDED: [&str; 2] = ["approval:approval_rule:update", "approval:approval_rule:delete"];
/// What never waits, whatever a rule says (docs/approvals.md).
const NEVER: [&str; 9] = ["approval:", "engine:", "evidence:", "audit:", "identity:token:",
    "identity:user:change_password", "network:security_group:ensure", "image:image:activate",
    "image:image:supply"];

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Within {
    Project,
    Domain,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Voters {
    Role { role: Role, within: Within },
    Duty(Duty),
    Users(Vec<String>),
    Groups(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Stage {
    pub who: Voters,
    pub count: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Hours {
    days: Vec<String>,
    from: i64,
    to: i64,
}

impl Hours {
    /// Whether they are open at a moment, in UTC+8.
    pub fn open(&self, at: i64) -> bool {
        // The first day of the count was a Thursday.
        const WEEK: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
        let minute = at.div_euclid(60_000_000) + 8 * 60;
        let (day, of_day) = (minute.div_euclid(1440), minute.rem_euclid(1440));
        let end = if self.to > self.from { self.to } else { self.to + 1440 };
        // Opened today, or yesterday and not closed since.
        [(day, of_day), (day - 1, of_day + 1440)].into_iter().any(|(day, minute)| {
            let name = WEEK[usize::try_from(day.rem_euclid(7)).unwrap_or(0)];
            self.days.iter().any(|d| d == name) && (self.from..end).contains(&minute)
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Condition {
    ProjectTag(String),
    NoProjectTag(String),
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Rule {
    domain: String,
    project: String,
    action: String,
    #[serde(default)]
    when: Vec<Condition>,
    pub stages: Vec<Stage>,
    pub deadline: i64,
    #[serde(default)]
    pub window: Option<Hours>,
    #[serde(default)]
    pub reason_required: bool,
    #[serde(default)]
    guarded: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Said {
    pub who: String,
    pub at: i64,
    pub approve: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Came {
    pub entry: u64,
    pub refused: Option<Value>,
}

/// A request as its row has it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Kept {
    pub command: Command,
    pub domain: String,
    pub project: String,
    pub reason: String,
    pub stages: Vec<Stage>,
    pub windows: Vec<Hours>,
    pub deadline: i64,
    pub votes: Vec<Said>,
    pub state: String,
    pub decided: Option<i64>,
    pub outcome: Option<Came>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Thing {
    pub kind: String,
    pub id: String,
}

/// A consent as its row has it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Consent {
    pub domain: String,
    pub project: String,
    pub resource: Option<Thing>,
    pub duty: Option<Duty>,
    pub user: Option<String>,
    pub actions: Vec<String>,
    pub from: i64,
    pub until: Option<i64>,
    pub standing: bool,
    pub contract: String,
    pub state: String,
}

/// What somebody held when they voted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holds {
    pub project: Option<Role>,
    pub domain: Option<Role>,
    pub duty: Option<Duty>,
    pub groups: BTreeSet<String>,
}

/// A vote as its entry has it.
#[derive(Debug, Clone)]
pub(crate) struct Ballot {
    pub who: String,
    pub yes: bool,
    /// None for somebody who could not even have signed in.
    pub holds: Option<Holds>,
}

/// A request with what the journal says about it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub kept: Kept,
    /// As the rules of that moment had it, whatever the row says.
    pub deadline: i64,
    pub reason_required: bool,
    pub ballots: Vec<Ballot>,
    /// Entries that ran it: number and outcome.
    pub runs: Vec<(u64, String)>,
}

/// What an entry is about.
pub(crate) struct About {
    pub action: String,
    pub target: Option<String>,
    pub domain: String,
    pub project: String,
    pub staff: bool,
}

#[derive(Deserialize)]
struct Account {
    enabled: bool,
    domain: String,
}

#[derive(Deserialize)]
struct Institution {
    enabled: bool,
}

#[derive(Deserialize)]
struct Project {
    enabled: bool,
    domain: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct Membership {
    group: String,
    user: String,
    #[serde(default)]
    until: Option<i64>,
}

#[derive(Deserialize)]
struct Assignment {
    #[serde(default)]
    user: String,
    #[serde(default)]
    group: String,
    role: Grant,
    scope: Scoped,
    #[serde(default)]
    inherited: bool,
    #[serde(default)]
    expires: Option<i64>,
}

/// The world at one moment of the journal.
#[derive(Default)]
pub(crate) struct Past {
    rules: BTreeMap<String, Rule>,
    users: HashMap<String, Account>,
    domains: HashMap<String, Institution>,
    projects: HashMap<String, Project>,
    memberships: HashMap<String, Membership>,
    assignments: HashMap<String, Assignment>,
    /// Domain and project of everything.
    things: HashMap<(String, String), (String, String)>,
    pub consents: HashMap<String, Consent>,
    pub requests: BTreeMap<String, Request>,
}

/// Walks the journal; each entry is judged on the world before it.
pub(crate) fn walk(entries: &[Entry],
    mut judge: impl FnMut(&Past, &Entry) -> Result<(), String>) -> Result<Past, String> {
    let mut past = Past::default();
    for entry in entries {
        let place = |say: String| format!("entry {} ({}): {say}", entry.number, entry.action);
        judge(&past, entry).map_err(place)?;
        past.apply(entry).map_err(place)?;
    }
    Ok(past)
}

/// A row of the journal, read.
pub(crate) fn read<T: DeserializeOwned>(spec: &Value) -> Result<T, String> {
    T::deserialize(spec).map_err(|e| format!("a row cannot be read: {e}"))
}

/// The row of a kind that an entry wrote.
pub(crate) fn written<'a>(entry: &'a Entry, of: &str, row: &str) -> Option<&'a Value> {
    entry.effects.iter().find_map(|e| match e {
        Effect::Put { kind, id, spec, .. } if kind == of && id == row => Some(spec),
        _ => None,
    })
}

/// The request that an entry put its command into.
pub(crate) fn request_of(entry: &Entry) -> Option<&str> {
    entry.note.as_ref()?.get("approval")?.as_str()
}

fn target(entry: &Entry) -> Option<&str> {
    entry.target.as_ref().map(|t| t.id.as_str())
}

fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action): (Vec<&str>, Vec<&str>) =
        (pattern.split(':').collect(), action.split(':').collect());
    pattern.len() == action.len()
        && pattern.iter().zip(&action).all(|(want, word)| *want == "*" || want == word)
}

impl Past {
    /// Domain and project of a thing that is there.
    pub fn place(&self, kind: &str, id: &str) -> Option<&(String, String)> {
        self.things.get(&(kind.to_string(), id.to_string()))
    }

    /// What an entry is about: where its target lay before it, or what it made lies since.
    pub fn about(&self, entry: &Entry) -> About {
        let known = entry.target.as_ref().and_then(|t| self.place(&t.kind, &t.id)).cloned();
        let made = || entry.effects.iter().find_map(|e| match e {
            Effect::Put { domain, project, generation: 1, .. } => {
                Some((domain.clone(), project.clone()))
            }
            _ => None,
        });
        let nowhere = || (entry.institution.id.clone(), String::new());
        let (domain, project) = known.or_else(made).unwrap_or_else(nowhere);
        About {
            action: entry.action.clone(),
            target: target(entry).map(String::from),
            domain,
            project,
            staff: entry.actor.kind == "user" && entry.actor.domain == PROVIDER,
        }
    }

    /// The rules that hold for something now, the platform's first, a project's last.
    pub fn rules(&self, about: &About) -> Vec<&Rule> {
        if GUARDED.contains(&about.action.as_str()) {
            let rule = about.target.as_ref().and_then(|id| self.rules.get(id));
            return rule.filter(|r| r.guarded).into_iter().collect();
        }
        if NEVER.iter().any(|start| about.action.starts_with(start)) {
            return Vec::new();
        }
        let none = Vec::new();
        let tags = self.projects.get(&about.project).map_or(&none, |p| &p.tags);
        let mut found: Vec<&Rule> = self.rules.values().filter(|rule| {
            let own = if rule.domain == PROVIDER { about.staff } else { rule.domain == about.domain };
            own && (rule.project.is_empty() || rule.project == about.project)
                && fits(&rule.action, &about.action)
                && rule.when.iter().all(|condition| match condition {
                    Condition::ProjectTag(tag) => tags.contains(tag),
                    Condition::NoProjectTag(tag) => !tags.contains(tag),
                })
        }).collect();
        // Rules come by their ids; the sort keeps that order among equals.
        found.sort_by_key(|rule| (rule.domain != PROVIDER, !rule.project.is_empty()));
        found
    }

    /// What somebody holds in a domain, a project of it, and the system. None for an account that
    /// is gone or closed.
    pub fn holds(&self, user: &str, domain: &str, project: &str, at: i64) -> Option<Holds> {
        let account = self.users.get(user).filter(|u| u.enabled)?;
        let open = |id: &str| self.domains.get(id).is_some_and(|d| d.enabled);
        if !open(&account.domain) {
            return None;
        }
        let groups: BTreeSet<String> = self.memberships.values()
            .filter(|m| m.user == user && m.until.is_none_or(|end| end > at))
            .map(|m| m.group.clone()).collect();
        let worked = self.projects.get(project).is_some_and(|p| p.enabled && open(&p.domain));
        let mut holds = Holds::default();
        for grant in self.assignments.values() {
            let own = grant.user == user || groups.contains(&grant.group);
            if !own || grant.expires.is_some_and(|end| end <= at) {
                continue;
            }
            match (&grant.scope, grant.role) {
                (Scoped::System, Grant::Duty(duty)) => holds.duty = Some(duty),
                (Scoped::Project(p), Grant::Role(role))
                    if p.as_str() == project && worked && !grant.inherited =>
                {
                    holds.project = holds.project.max(Some(role));
                }
                (Scoped::Domain(d), Grant::Role(role)) if d.as_str() == domain && open(domain) => {
                    match grant.inherited {
                        true if worked => holds.project = holds.project.max(Some(role)),
                        true => {}
                        false => holds.domain = holds.domain.max(Some(role)),
                    }
                }
                _ => {}
            }
        }
        holds.groups = groups;
        Some(holds)
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), String> {
        self.keep(entry)?;
        self.count(entry)?;
        if entry.outcome != "waiting"
            && let Some(id) = &entry.approval
            && let Some(request) = self.requests.get_mut(id)
        {
            request.runs.push((entry.number, entry.outcome.clone()));
        }
        for effect in &entry.effects {
            match effect {
                Effect::Put { kind, id, domain, project, spec, .. } => {
                    let place = (domain.clone(), project.clone());
                    self.things.insert((kind.clone(), id.clone()), place);
                    self.put(kind, id.clone(), spec)?;
                }
                Effect::Drop { kind, id } => self.forget(kind, id),
                _ => {}
            }
        }
        Ok(())
    }

    /// A command that waits from now on.
    fn keep(&mut self, entry: &Entry) -> Result<(), String> {
        let Some(id) = request_of(entry).filter(|_| entry.outcome == "waiting") else {
            return Ok(());
        };
        let Some(spec) = written(entry, "approval", id) else { return Ok(()) };
        let about = self.about(entry);
        let rules = self.rules(&about);
        let seconds = rules.iter().map(|r| r.deadline).min().unwrap_or(0);
        let request = Request {
            kept: read(spec)?,
            deadline: entry.time + seconds * 1_000_000,
            reason_required: rules.iter().any(|r| r.reason_required),
            ballots: Vec::new(),
            runs: Vec::new(),
        };
        self.requests.insert(id.to_string(), request);
        Ok(())
    }

    /// A vote, with what its voter holds at that moment.
    fn count(&mut self, entry: &Entry) -> Result<(), String> {
        if entry.action != VOTE || entry.outcome != "done" {
            return Ok(());
        }
        let Some((id, spec)) = target(entry).and_then(|id| {
            written(entry, "approval", id).map(|spec| (id, spec))
        }) else {
            return Ok(());
        };
        let kept: Kept = read(spec)?;
        let holds = self.holds(&entry.actor.id, &kept.domain, &kept.project, entry.time);
        if let Some(request) = self.requests.get_mut(id) {
            let yes = kept.votes.last().is_some_and(|v| v.approve);
            request.ballots.push(Ballot { who: entry.actor.id.clone(), yes, holds });
        }
        Ok(())
    }

    fn put(&mut self, kind: &str, id: String, spec: &Value) -> Result<(), String> {
        match kind {
            "approval_rule" => {
                self.rules.insert(id, read(spec)?);
            }
            "user" => {
                self.users.insert(id, read(spec)?);
            }
            "domain" => {
                self.domains.insert(id, read(spec)?);
            }
            "project" => {
                self.projects.insert(id, read(spec)?);
            }
            "membership" => {
                self.memberships.insert(id, read(spec)?);
            }
            "assignment" => {
                self.assignments.insert(id, read(spec)?);
            }
            "consent" => {
                self.consents.insert(id, read(spec)?);
            }
            "approval" => {
                if let Some(request) = self.requests.get_mut(&id) {
                    request.kept = read(spec)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A row is gone. What was asked and allowed stays on record.
    fn forget(&mut self, kind: &str, id: &str) {
        self.things.remove(&(kind.to_string(), id.to_string()));
        // An id is of one kind.
        self.rules.remove(id);
        self.users.remove(id);
        self.domains.remove(id);
        self.projects.remove(id);
        self.memberships.remove(id);
        self.assignments.remove(id);
    }
}
