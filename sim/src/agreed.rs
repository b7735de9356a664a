//! Judges approvals: whatever a rule covered has the votes that it asked for, and ran once.
//!
//! From the journal and the tables alone. That a vote was counted by the service says nothing here:
//! each is looked at again with what its voter held at that moment, and each run with the rules of
//! its own moment.

use crate::check::entries;
use crate::past::{
    About, Ballot, Holds, Hours, Kept, Past, RUN, Request, Rule, SETTLE, Stage, VOTE, Voters, Within,
    read, request_of, walk, written,
};
use crate::world::World;
use jinyun_engine::{Effect, Registry, Verb};
use jinyun_journal::Entry;
use jinyun_policy::{Duty, PROVIDER, Role, Scope};
use jinyun_store::Query;
use std::collections::BTreeSet;

/// How long an approved command may wait for its window, in microseconds.
const PATIENCE: i64 = 8 * 86_400 * 1_000_000;

/// Each run of an action that a rule covered has the votes that the rule asked for.
pub fn approvals(world: &mut World) -> Result<(), String> {
    let all = entries(world)?;
    walk(&all, |past, entry| judge(&world.registry, past, entry)).map(drop)
}

/// Judges one entry.
pub(crate) fn judge(registry: &Registry, past: &Past, entry: &Entry) -> Result<(), String> {
    let reads = || registry.find_action(&entry.action).is_some_and(|d| matches!(d.verb, Verb::Read));
    match (entry.action.as_str(), entry.outcome.as_str()) {
        (_, "waiting") => held(past, entry),
        (VOTE, "done") => voted(past, entry),
        (_, "done") if entry.actor.kind == "user" && !reads() => {
            wrote(past, entry)?;
            ran(past, entry)
        }
        _ => Ok(()),
    }
}

/// All stages and all windows of some rules.
fn asked<'a>(rules: &[&'a Rule]) -> (Vec<&'a Stage>, Vec<&'a Hours>) {
    (rules.iter().copied().flat_map(|r| &r.stages).collect(),
        rules.iter().copied().filter_map(|r| r.window.as_ref()).collect())
}

/// Whoever is told that a command waits has a request in which it does.
fn held(past: &Past, entry: &Entry) -> Result<(), String> {
    let id = request_of(entry).ok_or("waits, and names no request")?;
    let kept: Kept = match (written(entry, "approval", id), past.requests.get(id)) {
        (Some(new), None) => read(new)?,
        (None, Some(known)) => {
            let late = known.kept.state == "waiting" && entry.time >= known.deadline;
            if late || !["waiting", "approved"].contains(&known.kept.state.as_str()) {
                return Err(format!("waits as request {id}, whose time is over"));
            }
            known.kept.clone()
        }
        _ => return Err(format!("waits as request {id}, which is not the one")),
    };
    same(&kept, entry)?;
    if past.requests.contains_key(id) {
        let rules = past.rules(&lies(&kept));
        return match unchanged(&rules, &kept) {
            true => Ok(()),
            false => Err(format!("waits as request {id}, which its rules have left behind")),
        };
    }
    let rules = past.rules(&past.about(entry));
    let (stages, windows) = asked(&rules);
    if rules.is_empty() {
        return Err(format!("waits as request {id}, and no rule asks for that"));
    }
    let seconds = rules.iter().map(|r| r.deadline).min().unwrap_or(0);
    if kept.deadline != entry.time + seconds * 1_000_000 {
        return Err(format!("request {id} has another deadline than its rules give"));
    }
    let own: (Vec<&Stage>, Vec<&Hours>) = (kept.stages.iter().collect(), kept.windows.iter().collect());
    if (stages, windows) != own {
        return Err(format!("request {id} asks for other stages or windows than its rules"));
    }
    Ok(())
}

/// Whether rules ask for what a request was asked with.
fn unchanged(rules: &[&Rule], kept: &Kept) -> bool {
    let own: (Vec<&Stage>, Vec<&Hours>) = (kept.stages.iter().collect(), kept.windows.iter().collect());
    !rules.is_empty() && asked(rules) == own
}

/// What a request is about: an entry that has changed nothing does not say where.
fn lies(kept: &Kept) -> About {
    About {
        action: kept.command.action.clone(),
        target: kept.command.target.as_ref().map(ToString::to_string),
        domain: kept.domain.clone(),
        project: kept.project.clone(),
        staff: kept.command.actor.domain.as_str() == PROVIDER,
    }
}

/// A rule is written by whoever holds the role for it at that moment.
fn wrote(past: &Past, entry: &Entry) -> Result<(), String> {
    if !entry.action.starts_with("approval:approval_rule:") {
        return Ok(());
    }
    let domain = past.about(entry).domain;
    let holds = past.holds(&entry.actor.id, &domain, "", entry.time).unwrap_or_default();
    let may = match domain.as_str() {
        PROVIDER => holds.duty == Some(Duty::SecurityAdmin),
        _ => holds.domain >= Some(Role::Manager),
    };
    match may {
        true => Ok(()),
        false => Err(format!("{} writes a rule and does not hold the role for it", entry.actor.id)),
    }
}

/// Whether an entry is about the command that a request keeps.
fn same(kept: &Kept, entry: &Entry) -> Result<(), String> {
    let command = &kept.command;
    let target = entry.target.as_ref().map(|t| t.id.as_str());
    let other = command.target.as_ref().is_some_and(|id| Some(id.as_str()) != target);
    if other || command.action != entry.action || command.actor.id.as_str() != entry.actor.id {
        return Err("is another command than its request keeps".into());
    }
    Ok(())
}

fn voted(past: &Past, entry: &Entry) -> Result<(), String> {
    let id = entry.target.as_ref().map(|t| t.id.as_str()).unwrap_or_default();
    let request = past.requests.get(id).ok_or("votes on what nobody asked for")?;
    let row = written(entry, "approval", id).ok_or("votes and changes nothing")?;
    let kept: Kept = read(row)?;
    let who = entry.actor.id.as_str();
    let last = kept.votes.last().filter(|_| kept.votes.len() == request.kept.votes.len() + 1);
    if last.is_none_or(|v| v.who != who || v.at != entry.time) {
        return Err(format!("request {id} does not hold the vote of {who}"));
    }
    if request.kept.command.actor.id.as_str() == who {
        return Err(format!("{who} votes on their own request {id}"));
    }
    if request.ballots.iter().any(|b| b.who == who) {
        return Err(format!("{who} votes twice on request {id}"));
    }
    if request.kept.state != "waiting" {
        return Err(format!("{who} votes on request {id}, which is {}", request.kept.state));
    }
    if entry.time >= request.deadline {
        return Err(format!("{who} votes on request {id} after its deadline"));
    }
    if request.reason_required && request.kept.reason.is_empty() {
        return Err(format!("{who} votes on request {id} before there is a reason"));
    }
    let holds = past.holds(who, &kept.domain, &kept.project, entry.time);
    let stages: Vec<&Stage> = request.kept.stages.iter().collect();
    let waits = stages.get(complete(&stages, &request.ballots));
    if waits.is_some_and(|stage| fits(stage, who, holds.as_ref(), &kept)) {
        return Ok(());
    }
    Err(format!("{who} votes on request {id} and is not one of its voters at that moment"))
}

/// How many stages are complete with these votes, taken in order.
fn complete(stages: &[&Stage], ballots: &[Ballot]) -> usize {
    let mut yes = ballots.iter().filter(|b| b.yes).count();
    stages.iter().take_while(|stage| {
        let enough = yes >= stage.count;
        yes = yes.saturating_sub(stage.count);
        enough
    }).count()
}

/// Whether a voter was one of a stage's.
fn fits(stage: &Stage, who: &str, holds: Option<&Holds>, about: &Kept) -> bool {
    let Some(holds) = holds else { return false };
    match &stage.who {
        Voters::Role { role, within: Within::Project } if !about.project.is_empty() => {
            holds.project >= Some(*role)
        }
        Voters::Role { role, .. } => holds.domain >= Some(*role),
        Voters::Duty(duty) => holds.duty == Some(*duty),
        Voters::Users(ids) => ids.iter().any(|id| id == who),
        Voters::Groups(ids) => ids.iter().any(|id| holds.groups.contains(id)),
    }
}

/// Whether a request has all the votes of these stages: in order, by different people who may.
fn enough(stages: &[&Stage], request: &Request) -> Result<(), String> {
    let asker = request.kept.command.actor.id.as_str();
    let mut voters = BTreeSet::new();
    let mut ballots = request.ballots.iter();
    for (n, stage) in stages.iter().enumerate() {
        for _ in 0..stage.count {
            let say = || format!("ran without the votes of its stage {}", n + 1);
            let ballot = ballots.next().filter(|b| b.yes).ok_or_else(say)?;
            let holds = ballot.holds.as_ref();
            let new = voters.insert(&ballot.who);
            if !new || ballot.who == asker || !fits(stage, &ballot.who, holds, &request.kept) {
                return Err(format!("{}: the vote of {} does not count", say(), ballot.who));
            }
        }
    }
    Ok(())
}

/// A command of somebody's that worked.
fn ran(past: &Past, entry: &Entry) -> Result<(), String> {
    let about: About = past.about(entry);
    let rules = past.rules(&about);
    let Some(request) = entry.approval.as_ref().and_then(|id| past.requests.get(id)) else {
        return match rules.is_empty() {
            true => Ok(()),
            false => Err("ran without an approval, and a rule covers it".into()),
        };
    };
    same(&request.kept, entry)?;
    let (stages, windows) = asked(&rules);
    let own: Vec<&Stage> = request.kept.stages.iter().collect();
    enough(&own, request)?;
    enough(&stages, request)?;
    if !windows.into_iter().chain(&request.kept.windows).all(|w| w.open(entry.time)) {
        return Err("ran outside of its window".into());
    }
    if !unchanged(&rules, &request.kept) {
        return Err("ran under a request that its rules have left behind".into());
    }
    let (who, at) = (entry.actor.id.as_str(), entry.time);
    let holds = |domain: &str, project: &str| past.holds(who, domain, project, at);
    let actor = &request.kept.command.actor;
    let still = match &actor.scope {
        Scope::None => holds("", "").is_some(),
        Scope::System => holds("", "").is_some_and(|h| h.duty.is_some() && h.duty == actor.duty),
        Scope::Domain(d) => holds(d.as_str(), "").is_some_and(|h| h.domain.is_some()),
        Scope::Project { project, domain } => {
            holds(domain.as_str(), project.as_str()).is_some_and(|h| h.project.is_some())
        }
    };
    match still {
        true => Ok(()),
        false => Err(format!("ran for {who}, who holds nothing there any more")),
    }
}

/// Each request ran at most once, in one commit with what set it off, and says so itself.
pub fn runs(world: &mut World) -> Result<(), String> {
    let all = entries(world)?;
    let past = walk(&all, |_, _| Ok(()))?;
    ran_once(world, &all, &past)
}

/// The same of a journal that was walked already.
pub(crate) fn ran_once(world: &mut World, all: &[Entry], past: &Past) -> Result<(), String> {
    for (id, request) in &past.requests {
        let (number, outcome) = match request.runs.as_slice() {
            [] => continue,
            [run] => (run.0, run.1.as_str()),
            more => return Err(format!("request {id} ran {} times", more.len())),
        };
        let at = all.iter().position(|e| e.number == number).unwrap_or(0);
        let of_request = |n: Option<usize>, actions: &[&str]| {
            n.and_then(|n| all.get(n)).is_some_and(|e| {
                actions.contains(&e.action.as_str()) && e.target.as_ref().is_some_and(|t| t.id == *id)
            })
        };
        if !of_request(at.checked_sub(1), &[VOTE, RUN]) || !of_request(Some(at + 1), &[SETTLE]) {
            return Err(format!("request {id} ran in entry {number}, apart from its last vote"));
        }
        let state = if outcome == "done" { "done" } else { "failed" };
        let gone = world.db.get("approval", &id.as_str().into()).map_err(|e| e.to_string())?.is_none();
        if request.kept.state != state && !gone {
            return Err(format!("request {id} is {}, its run was {outcome}", request.kept.state));
        }
    }
    for (id, kept) in stored(world)? {
        let run = past.requests.get(&id).and_then(|r| r.runs.first());
        let told = kept.outcome.as_ref().map(|o| {
            (o.entry, if o.refused.is_some() { "refused" } else { "done" })
        });
        if run.map(|(number, outcome)| (*number, outcome.as_str())) != told {
            return Err(format!("request {id} says that it ran as {told:?}, the journal {run:?}"));
        }
        if told.is_some() != ["done", "failed"].contains(&kept.state.as_str()) {
            return Err(format!("request {id} is {} and ran as {told:?}", kept.state));
        }
    }
    Ok(())
}

/// Requests as the tables have them.
fn stored(world: &mut World) -> Result<Vec<(String, Kept)>, String> {
    let rows = world.db.list(jinyun_base::Kind("approval"), &Query::default());
    rows.map_err(|e| e.to_string())?.into_iter().map(|stored| -> Result<(String, Kept), String> {
        let spec = serde_json::from_str(&stored.row.spec).map_err(|e| e.to_string())?;
        Ok((stored.row.id.to_string(), read(&spec)?))
    }).collect()
}

/// Each vote that was acknowledged is in the tables, or its request went with where it lay.
pub fn votes(world: &mut World) -> Result<(), String> {
    let all = entries(world)?;
    votes_kept(world, &all)
}

/// The same of a journal that was read already.
pub(crate) fn votes_kept(world: &mut World, all: &[Entry]) -> Result<(), String> {
    let ended: BTreeSet<&str> = all.iter().flat_map(|e| &e.effects).filter_map(|e| match e {
        Effect::Drop { kind, id } if kind == "approval" => Some(id.as_str()),
        _ => None,
    }).collect();
    let rows = stored(world)?;
    for (request, who, yes) in &world.votes {
        let row = rows.iter().find(|(id, _)| id == request.as_str());
        let there = row.is_some_and(|(_, kept)| {
            kept.votes.iter().any(|v| v.who == who.as_str() && v.approve == *yes)
        });
        if !there && !ended.contains(request.as_str()) {
            return Err(format!("the vote of {who} on request {request} was acknowledged and is lost"));
        }
    }
    Ok(())
}

/// Nothing stays open past its time, or when its rules have left it behind.
pub fn overdue(world: &mut World) -> Result<(), String> {
    let now = world.now().0;
    let past = walk(&entries(world)?, |_, _| Ok(()))?;
    for (id, kept) in stored(world)? {
        let end = match kept.state.as_str() {
            "waiting" => kept.deadline,
            "approved" => kept.decided.map_or(now, |at| at + PATIENCE),
            _ => continue,
        };
        if now >= end {
            return Err(format!("request {id} is {} past its time", kept.state));
        }
        if !unchanged(&past.rules(&lies(&kept)), &kept) {
            return Err(format!("request {id} is {} without its rules", kept.state));
        }
    }
    let consents = world.db.list(jinyun_base::Kind("consent"), &Query::default());
    for row in consents.map_err(|e| e.to_string())?.into_iter().map(|s| s.row) {
        let spec = serde_json::from_str(&row.spec).map_err(|e| e.to_string())?;
        let consent: crate::past::Consent = read(&spec)?;
        let open = ["waiting", "granted"].contains(&consent.state.as_str());
        if open && consent.until.is_some_and(|end| now >= end) {
            return Err(format!("consent {} is {} past its time", row.id, consent.state));
        }
    }
    Ok(())
}
