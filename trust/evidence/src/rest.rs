//! Evidence over REST: below `/evidence`; the management listener's tokens alone may.

use crate::catalogue::{AREAS, Catalogues, Level};
use crate::checks::silent_zh;
use crate::desk::Held;
use crate::evidence::{CREATE, Evidence};
use crate::finding::{Counts, Half, Standing, State, Tally, Verdict};
use crate::full::observed;
use crate::installed;
use crate::posture::{self, Mark, Point, What, gaps, is_violation, violations};
use crate::watch::span;
use jinyun_base::{Refusal, Refused, Time};
use jinyun_engine::Failure;
use jinyun_policy::Object;
use jinyun_rest::{Call, Reply, Route};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SHOW: &str = "evidence:assessment:show";
const POSTURE: &str = "evidence:posture:show";
const FINDINGS: &str = "evidence:finding:list";
const CLAUSES: &str = "evidence:clause:list";
const CLAUSE: &str = "evidence:clause:show";
const VIOLATIONS: &str = "evidence:violation:list";
const FRESHNESS: &str = "evidence:freshness:show";

/// Decides, and refuses parameters that the operation does not have.
pub(crate) fn allow(call: &Call<'_>, action: &str, takes: &[&str]) -> Result<(), Failure> {
    call.cloud.reader.allow(&call.command(action), &Object::default())?;
    let strange = call.query.iter().find(|(name, _)| !takes.contains(&name.as_str()));
    let Some((name, _)) = strange else { return Ok(()) };
    let offered = if takes.is_empty() { "none".to_string() } else { takes.join(", ") };
    let say = format!("is not offered: the parameters here are {offered}");
    Err(Refusal::invalid(name, say).into())
}

/// A parameter that is a word of a closed list.
fn word<T: DeserializeOwned>(call: &Call<'_>, name: &str, words: &str)
    -> Result<Option<T>, Failure> {
    let Some(asked) = call.ask(name) else { return Ok(None) };
    let read = serde_json::from_value(Value::from(asked)).ok();
    match read {
        Some(read) => Ok(Some(read)),
        None => Err(Refusal::invalid(name, format!("must be one of {words}")).into()),
    }
}

/// A parameter that is a time, as microseconds.
fn time(call: &Call<'_>, name: &str) -> Result<Option<i64>, Failure> {
    let Some(asked) = call.ask(name) else { return Ok(None) };
    // In a query string a plus is a blank.
    let text = asked.replace(' ', "+");
    match Time::parse(&text).map(|time| time.0).or_else(|| text.parse().ok()) {
        Some(at) => Ok(Some(at)),
        None => {
            let say = "must be a time as in RFC 3339 (2026-01-31T08:00:00Z) or microseconds since 1970";
            Err(Refusal::invalid(name, say).into())
        }
    }
}

const STATES: &str = "met, partly, failed, error, stale, not_built, recorded, due, overdue, tenant, \
    not_applicable, informative";
const VERDICTS: &str = "met, partly, failed, error";
const LEVELS: &str = "basic, extended, enhanced";

/// `?at=`: nothing for now.
fn asked_at(call: &Call<'_>, now: Time) -> Result<Option<i64>, Failure> {
    match time(call, "at")? {
        Some(at) if at > now.0 => Err(Refusal::invalid("at", "is in the future").into()),
        at => Ok(at),
    }
}

fn point<T: Serialize>(point: &Point<T>) -> Value {
    json!({ "is": point.is, "since": Time(point.since).seconds(), "entry": point.entry })
}

/// The keys of the standards that were judged by at a moment, as the newest seal before it has them.
fn judged_by(marks: &[Mark], at: i64) -> Option<BTreeSet<&str>> {
    marks.iter().rev().filter(|mark| mark.at <= at).find_map(|mark| match &mark.what {
        What::Seal(seal) if !seal.counts.is_empty() => {
            Some(seal.counts.keys().map(String::as_str).collect())
        }
        _ => None,
    })
}

/// How many of each standard's own clauses stood how, by what the journal says of them. A standard that
/// was not judged by yet has no row of which nothing was known.
fn counted(catalogues: &Catalogues, marks: &[Mark], at: i64,
    clauses: &BTreeMap<String, Point<State>>) -> Vec<Value> {
    let then = judged_by(marks, at);
    let there = |key: &str| then.as_ref().is_none_or(|keys| keys.contains(key));
    catalogues.iter().filter(|catalogue| there(&catalogue.key)).map(|catalogue| {
        let mut counts: BTreeMap<State, u64> = BTreeMap::new();
        let mut unknown = 0;
        for clause in catalogue.own() {
            match clauses.get(&clause.id) {
                Some(point) => *counts.entry(point.is).or_default() += 1,
                None => unknown += 1,
            }
        }
        json!({
            "key": catalogue.key, "standard": catalogue.standard, "counts": counts,
            "unknown": unknown,
        })
    }).collect()
}

/// How it stood at a past moment: from the journal alone.
fn then(catalogues: &Catalogues, marks: &[Mark], at: i64, now: i64) -> Result<Value, Failure> {
    if marks.first().is_none_or(|mark| mark.at > at) {
        let say = "The journal says nothing of evidence at that time.";
        return Err(Refusal::new(Refused::NotFound, say).into());
    }
    let then = posture::posture(marks, at);
    let checks: BTreeMap<&String, Value> =
        then.checks.iter().map(|(name, is)| (name, point(is))).collect();
    let clauses: BTreeMap<&String, Value> =
        then.clauses.iter().map(|(name, is)| (name, point(is))).collect();
    // Of a moment inside of a gap it says how it stood before.
    let gap = gaps(marks, at.saturating_sub(DAY), now.min(at.saturating_add(DAY))).into_iter()
        .find(|(from, to)| (*from..*to).contains(&at));
    Ok(json!({
        "at": Time(at).seconds(),
        "from": "journal",
        "checks": checks,
        "clauses": clauses,
        "standards": counted(catalogues, marks, at, &then.clauses),
        "seal": then.seal.map(|seal| json!({
            "at": Time(seal.at).seconds(), "entry": seal.entry, "holds": seal.holds,
        })),
        "gap": gap.map(|(from, to)| span(from, to)),
    }))
}

const DAY: i64 = 86_400 * Time::SECOND;

/// How it stands, from memory.
fn now(evidence: &Evidence, at: Time) -> Value {
    let (held, catalogues, clauses) = evidence.watch().stands();
    let checks: BTreeMap<&str, Value> = held.iter().map(|held| {
        let found = &held.finding;
        (found.check.as_str(), json!({
            "is": found.verdict,
            "since": Time(held.since).seconds(),
            "age_seconds": at.seconds_since(Time(found.at)).max(0),
        }))
    }).collect();
    let standards: Vec<Tally> =
        catalogues.iter().map(|catalogue| Tally::of(catalogue, &clauses)).collect();
    json!({
        "at": at.seconds(),
        "from": "memory",
        "checks": checks,
        "standards": standards,
        "freshness": evidence.watch().fresh(&clauses),
    })
}

fn show_posture(evidence: &Evidence, call: &Call<'_>) -> Result<Reply, Failure> {
    allow(call, POSTURE, &["at"])?;
    let at = evidence.watch().now();
    let shown = match asked_at(call, at)? {
        Some(past) => {
            evidence.watch().marks(|marks| then(&evidence.catalogues(), marks, past, at.0))?
        }
        None => now(evidence, at),
    };
    Ok(Reply::ok(json!({ "posture": shown })))
}

/// A finding with its age, and over which time it was observed to be so.
fn shown(held: &Held, now: Time) -> Value {
    let found = &held.finding;
    let mut one = json!(held);
    one["period"] = observed(held.since, found.at);
    one["says_nothing_about_zh"] = silent_zh(&found.check).into();
    one["age_seconds"] = now.seconds_since(Time(found.at)).max(0).into();
    one
}

fn list_findings(evidence: &Evidence, call: &Call<'_>) -> Result<Reply, Failure> {
    allow(call, FINDINGS, &["check", "verdict"])?;
    let verdict = word::<Verdict>(call, "verdict", VERDICTS)?;
    let now = evidence.watch().now();
    let mut findings = Vec::new();
    for held in evidence.watch().findings() {
        let found = &held.finding;
        let named = call.ask("check").is_none_or(|name| name == found.check);
        if named && verdict.is_none_or(|verdict| verdict == found.verdict) {
            findings.push(shown(&held, now));
        }
    }
    Ok(Reply::ok(json!({ "findings": findings })))
}

fn list_clauses(evidence: &Evidence, call: &Call<'_>) -> Result<Reply, Failure> {
    allow(call, CLAUSES, &["standard", "state", "level", "area"])?;
    let (_, catalogues, mut clauses) = evidence.watch().stands();
    let standard = call.ask("standard");
    let state = word::<State>(call, "state", STATES)?;
    let level = word::<Level>(call, "level", LEVELS)?;
    if standard.is_some_and(|key| catalogues.get(key).is_none()) {
        let keys: Vec<&str> = catalogues.iter().map(|catalogue| catalogue.key.as_str()).collect();
        let say = format!("must be one of {}", keys.join(", "));
        return Err(Refusal::invalid("standard", say).into());
    }
    let area = call.ask("area");
    if area.is_some_and(|code| AREAS.iter().all(|(known, ..)| *known != code)) {
        let codes: Vec<&str> = AREAS.iter().map(|(code, ..)| *code).collect();
        return Err(Refusal::invalid("area", format!("must be one of {}", codes.join(", "))).into());
    }
    clauses.retain(|s| {
        standard.is_none_or(|key| key == s.standard)
            && level.is_none_or(|level| level == s.clause.level)
            && area.is_none_or(|code| code == s.clause.area)
            && state.is_none_or(|state| state == s.state || s.tenant_state == Some(state))
    });
    let counts = Counts::of(&clauses, None);
    Ok(Reply::ok(json!({ "clauses": clauses, "counts": counts })))
}

/// What the journal says of a clause, oldest first. A seal that holds everything counts where it
/// says something new; one without the clause says that no standard had it then, so that what comes
/// later begins anew.
fn history(marks: &[Mark], id: &str) -> Vec<Value> {
    let names = [false, true].map(|tenant| posture::key(id, tenant));
    let mut last: [Option<State>; 2] = [None, None];
    let mut told = Vec::new();
    for mark in marks {
        for (half, name) in names.iter().enumerate() {
            let tenant = half == 1;
            let to = match &mark.what {
                What::Clause(change) if change.clause == id && change.tenant == tenant => change.to,
                What::Seal(seal) => {
                    let Some(base) = &seal.base else { continue };
                    match base.clauses.iter().find(|(_, names)| names.contains(name)) {
                        Some((state, _)) => *state,
                        None => {
                            last[half] = None;
                            continue;
                        }
                    }
                }
                _ => continue,
            };
            if last[half] != Some(to) {
                told.push(json!({
                    "at": Time(mark.at).seconds(),
                    "entry": mark.entry,
                    "half": if tenant { Half::Tenant } else { Half::Provider },
                    "from": last[half],
                    "to": to,
                }));
                last[half] = Some(to);
            }
        }
    }
    told
}

fn show_clause(evidence: &Evidence, call: &Call<'_>) -> Result<Reply, Failure> {
    allow(call, CLAUSE, &[])?;
    let (standard, id) = (call.param("standard"), call.param("id"));
    let (held, _, clauses) = evidence.watch().stands();
    let is = |s: &Standing| s.standard == standard && s.clause.id == id;
    let Some(standing) = clauses.into_iter().find(is) else {
        return Err(Refusal::not_found("clause", id).into());
    };
    let now = evidence.watch().now();
    let findings: Vec<Value> = standing.clause.checks()
        .filter_map(|name| held.iter().find(|held| held.finding.check == name))
        .map(|held| shown(held, now)).collect();
    let history = evidence.watch().marks(|marks| history(marks, id));
    let guardrails = evidence.guardrails_of(id);
    Ok(Reply::ok(json!({
        "clause": standing, "findings": findings, "history": history, "guardrails": guardrails,
    })))
}

fn list_violations(evidence: &Evidence, call: &Call<'_>) -> Result<Reply, Failure> {
    allow(call, VIOLATIONS, &["since", "until"])?;
    let now = evidence.watch().now().0;
    let first = evidence.watch().marks(|marks| marks.first().map(|mark| mark.at));
    let from = time(call, "since")?.or(first).unwrap_or(now);
    let to = time(call, "until")?.unwrap_or(now).min(now);
    if from > to {
        return Err(Refusal::invalid("since", "is later than the end").into());
    }
    let catalogues = evidence.catalogues();
    let (then, times, silent) = evidence.watch().marks(|marks| {
        (posture::posture(marks, to), violations(marks, from, to), gaps(marks, from, to))
    });
    let shown: Vec<Value> = times.into_iter().map(|(name, times)| {
        let id = name.strip_suffix("/tenant").unwrap_or(&name);
        let seconds: i64 = times.iter().map(|(from, to)| (to - from) / Time::SECOND).sum();
        let lasts = then.clauses.get(&name).is_some_and(|point| is_violation(point.is));
        let standard = catalogues.of(id).map(|catalogue| catalogue.key.as_str());
        json!({
            "standard": standard,
            "clause": id,
            "half": if id == name { Half::Provider } else { Half::Tenant },
            "times": times.iter().map(|(from, to)| span(*from, *to)).collect::<Vec<_>>(),
            "seconds": seconds,
            "lasts": lasts,
        })
    }).collect();
    let gaps: Vec<Value> = silent.into_iter().map(|(from, to)| span(from, to)).collect();
    Ok(Reply::ok(json!({
        "since": Time(from).seconds(), "until": Time(to).seconds(), "violations": shown,
        "gaps": gaps,
    })))
}

fn latest(evidence: &Evidence, call: &Call<'_>) -> Result<Reply, Failure> {
    allow(call, SHOW, &["format", "since"])?;
    let missing = |say: &str| Failure::from(Refusal::new(Refused::NotFound, say));
    let how = "There is no assessment yet: run one with POST /evidence/v1/assessments.";
    let since = time(call, "since")?.map(|since| since.max(0));
    match (call.ask("format"), since) {
        (None, Some(_)) => {
            let say = "goes with `format=full`: the report itself is about the moment at which it was made";
            Err(Refusal::invalid("since", say).into())
        }
        (None, None) => {
            let newest = evidence.newest().ok_or_else(|| missing(how))?;
            Ok(Reply::ok(json!({ "assessment": newest })))
        }
        (Some("full"), None) => {
            evidence.newest_full().map(Reply::ok).ok_or_else(|| missing(how))
        }
        (Some("full"), Some(since)) => {
            evidence.newest_since(since)?.map(Reply::ok).ok_or_else(|| missing(how))
        }
        (Some(_), _) => Err(Refusal::invalid("format", "must be `full`, or not be there").into()),
    }
}

/// Runs and shows assessments, and what is known in between.
pub fn routes(evidence: Arc<Evidence>) -> Vec<Route> {
    let route = |path: &str, action: &str, run: fn(&Evidence, &Call<'_>) -> Result<Reply, Failure>| {
        let evidence = evidence.clone();
        Route::new("GET", path, action, move |call: &Call<'_>| run(&evidence, call))
    };
    let mut routes = vec![
        route("/v1/assessments/latest", SHOW, latest),
        route("/v1/posture", POSTURE, show_posture),
        route("/v1/findings", FINDINGS, list_findings),
        route("/v1/clauses", CLAUSES, list_clauses),
        route("/v1/clauses/{standard}/{id}", CLAUSE, show_clause),
        route("/v1/violations", VIOLATIONS, list_violations),
        route("/v1/freshness", FRESHNESS, |evidence, call| {
            allow(call, FRESHNESS, &[])?;
            Ok(Reply::ok(json!({ "freshness": evidence.watch().freshness() })))
        }),
    ];
    routes.extend(installed::routes(&evidence));
    let runs = evidence.clone();
    routes.push(Route::new("POST", "/v1/assessments", CREATE, move |call: &Call<'_>| {
        let whole = runs.run(call.command(CREATE))?;
        Ok(Reply::with(201, json!({ "assessment": whole })))
    }));
    routes
}
