//! A real store that is followed, a real journal that is verified as it grows, and a whole cloud that
//! is watched and asked over its routes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cloud.rs"]
#[allow(dead_code)]
mod cloud;

use cloud::Running;
use jinyun_base::Time;
use jinyun_engine::{Command, Failure, Have, Resource};
use jinyun_evidence::stage::{clear, set};
use jinyun_evidence::{Follower, Kept, Setup, Verdict, World, routes};
use jinyun_identity::{Project, User};
use jinyun_network::Port;
use jinyun_policy::{Actor, ActorKind, Duty, Scope};
use jinyun_rest::{Body, Call, Door, Route};
use jinyun_store::Db;
use jinyun_testrest::{offered, written};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

const SECOND: i64 = Time::SECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Whether records are the same.
fn same<R: Resource>(one: &[Have<R>], other: &[Have<R>]) -> bool {
    let whole = |have: &Have<R>| (have.id.clone(), have.generation, have.phase.clone());
    one.iter().map(whole).eq(other.iter().map(whole))
        && one.iter().zip(other).all(|(a, b)| a.spec == b.spec && a.status == b.status)
}

#[test]
fn what_is_followed_is_what_is_there() {
    let running = Running::new("followed", &[]);
    let mut db = Db::open(&running.config).unwrap();
    let (mut follower, mut world, mut kept) =
        (Follower::default(), World::default(), Kept::default());
    follower.follow(&mut db, true, &mut world, &mut kept).unwrap();
    for round in 0..3 {
        // Decoded once, so that what follows has something to bring up to date.
        let ((), asked) = kept.lend(&world, || {
            world.each::<Port>().map(drop).unwrap();
            world.each::<User>().map(drop).unwrap();
            world.each::<Project>().map(drop).unwrap();
        });
        assert_eq!(asked.len(), 3);
        match round {
            0 => drop(set(&running.cloud, "t1").unwrap_or_else(|e| panic!("{e}"))),
            1 => clear(&running.cloud, "t2").unwrap_or_else(|e| panic!("{e}")),
            _ => {}
        }
        let mut kinds = BTreeSet::new();
        // The driver is at work: until nothing came while both were read.
        let rows = loop {
            let changed = follower.follow(&mut db, false, &mut world, &mut kept).unwrap();
            kinds.extend(changed.kinds);
            let mut rows = db.everything().unwrap();
            if db.journal_length().unwrap() == follower.at() {
                rows.sort_by_key(|s| (s.row.kind.clone(), s.row.id.clone()));
                break rows;
            }
        };
        assert_eq!(kinds.contains("port"), round < 2, "round {round}: {kinds:?}");
        let plain: Vec<_> = rows.iter().map(|s| &s.row).collect();
        assert_eq!(world.rows.iter().map(|s| &s.row).collect::<Vec<_>>(), plain, "round {round}");
        assert_eq!(world.secrets.len(), db.secrets().unwrap().len(), "round {round}");
        let plain = World { rows: world.rows.clone(), ..World::default() };
        kept.lend(&world, || {
            let (one, other) = (world.each::<Port>().unwrap(), plain.each::<Port>().unwrap());
            assert!(same(&one[..], &other[..]), "round {round}: ports are not as decoded anew");
            let (one, other) = (world.all::<Project>().unwrap(), plain.all::<Project>().unwrap());
            assert!(same(&one[..], &other[..]), "round {round}: projects are not as decoded anew");
            assert_eq!(one.len(), if round == 0 { 2 } else { 0 }, "round {round}");
        });
        let journal = world.journal.as_ref().unwrap();
        assert_eq!(journal.entries.last().unwrap().number + 1, follower.at());
    }
}

#[test]
fn a_journal_that_grows_is_verified_as_it_grows() {
    let running = Running::new("grows", &[]);
    let skew = Arc::new(AtomicI64::new(0));
    let ahead = skew.clone();
    let evidence = running.evidence_by(Setup {
        clock: Arc::new(move || Time(cloud::now().0 + ahead.load(Ordering::SeqCst))),
        ..running.setup()
    });
    // After so long; the verdicts of verification and replay.
    let after = |micros: i64| {
        skew.fetch_add(micros, Ordering::SeqCst);
        let goal = cloud::now().0 + skew.load(Ordering::SeqCst);
        evidence.watch().raid();
        let both = || ["journal-verifies", "journal-replays"].map(|name| {
            let found = evidence.watch().findings();
            found.into_iter().find(|held| held.finding.check == name)
                .map(|held| (held.finding.verdict, held.finding.at, held.finding.says))
        });
        for _ in 0..50 {
            evidence.watch().toil();
            if both().iter().all(|found| found.as_ref().is_some_and(|(_, at, _)| *at >= goal)) {
                break;
            }
            // Somebody wrote just then: the next time.
            skew.fetch_add(MINUTE, Ordering::SeqCst);
        }
        both().map(|found| found.unwrap().0)
    };
    let mut db = Db::open(&running.config).unwrap();
    let rename = "UPDATE resource SET name = ?1 WHERE kind = ?2 AND name = ?3";
    let turn = |db: &mut Db, to: &str, from: &str| {
        assert_eq!(db.exec(rename, &[to.into(), "user".into(), from.into()]).unwrap(), 1);
    };
    use Verdict::{Failed, Met};
    assert_eq!(after(11 * SECOND), [Met, Met]);
    assert_eq!(after(13 * MINUTE), [Met, Met], "what the attacks wrote is new and verified too");
    // A record that no entry explains is found at the next time.
    turn(&mut db, "sysadmim", "sysadmin");
    assert_eq!(after(13 * MINUTE), [Met, Failed]);
    turn(&mut db, "sysadmin", "sysadmim");
    assert_eq!(after(13 * MINUTE), [Met, Met]);
    // One letter of an old entry: a round goes through a journal as short as this. And stays so as long
    // as it is wrong, also when all of it is gone through again.
    let entries = db.entries(0, 100).unwrap();
    let at = entries.iter().position(|e| e.windows(8).any(|w| w == b"sysadmin")).unwrap();
    let write = "UPDATE journal SET body = ?1 WHERE number = ?2";
    let put = |db: &mut Db, body: &[u8]| {
        assert_eq!(db.exec(write, &[body.into(), (at as i64).into()]).unwrap(), 1);
    };
    let forged = String::from_utf8(entries[at].clone()).unwrap().replace("sysadmin", "sysadmim");
    put(&mut db, forged.as_bytes());
    assert_eq!(after(13 * MINUTE), [Failed, Met]);
    assert_eq!(after(25 * HOUR)[0], Failed);
    put(&mut db, &entries[at]);
    assert_eq!(after(13 * MINUTE), [Met, Met]);
    // An old checkpoint: rounds pass over it, an assessment does not, and what that has found stays.
    let size = *db.checkpoint_sizes(u64::MAX, 1_000_000).unwrap().last().unwrap();
    let note = db.checkpoint_notes(size).unwrap().remove(0);
    let write = "UPDATE checkpoint SET note = ?1 WHERE size = ?2 AND note = ?3";
    let turn = |db: &mut Db, to: &str, from: &str| {
        assert_eq!(db.exec(write, &[to.into(), (size as i64).into(), from.into()]).unwrap(), 1);
    };
    let assessed = || {
        let report = evidence.assess().unwrap_or_else(|e| panic!("{e}"));
        report.findings.into_iter().find(|found| found.check == "journal-verifies").unwrap().verdict
    };
    turn(&mut db, "no note", &note);
    assert_eq!(after(13 * MINUTE)[0], Met);
    assert_eq!(assessed(), Failed);
    assert_eq!(after(MINUTE)[0], Failed);
    assert_eq!(after(13 * MINUTE)[0], Failed);
    turn(&mut db, &note, "no note");
    assert_eq!(after(13 * MINUTE)[0], Met);
    // Whoever looks again and finds nothing ends it, too.
    turn(&mut db, "no note", &note);
    assert_eq!(assessed(), Failed);
    turn(&mut db, &note, "no note");
    assert_eq!(assessed(), Met);
    assert_eq!(after(13 * MINUTE)[0], Met);
    // Of a journal that is too long to be gone through while somebody waits, an assessment says what was
    // found by following it, and when: neither nothing nor that all is well now.
    evidence.patience(10);
    let told = |what: &str| {
        let report = evidence.assess().unwrap_or_else(|e| panic!("{e}"));
        let found = report.findings.iter().find(|found| found.check == what).unwrap();
        (found.verdict, found.at, report.ended)
    };
    let (verdict, at, ended) = told("journal-verifies");
    assert!(verdict == Met && at < ended, "{verdict:?} {at} {ended}");
    let (verdict, at, ended) = told("duty-exclusive");
    assert!(verdict == Met && at >= ended - MINUTE, "what does not read the journal is looked at anew");
    let turn = |db: &mut Db, to: &str, from: &str| {
        assert_eq!(db.exec(rename, &[to.into(), "user".into(), from.into()]).unwrap(), 1);
    };
    turn(&mut db, "sysadmim", "sysadmin");
    assert_eq!(after(13 * MINUTE), [Met, Failed]);
    assert_eq!(told("journal-replays").0, Failed);
    turn(&mut db, "sysadmin", "sysadmim");
    assert_eq!(after(13 * MINUTE), [Met, Met]);
    assert_eq!(told("journal-replays").0, Met);
}

fn on_duty(duty: Option<Duty>) -> Actor {
    Actor {
        kind: ActorKind::User,
        id: "u".into(),
        domain: "default".into(),
        scope: if duty.is_some() { Scope::System } else { Scope::None },
        role: None,
        duty,
    }
}

/// Asks a route as one of the provider's duties.
fn get(running: &Running, routes: &[Route], duty: Option<Duty>, asked: &str)
    -> Result<Value, String> {
    let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
    let mut words: Vec<(&'static str, String)> = Vec::new();
    let route = routes.iter().find(|route| {
        let (want, have): (Vec<&str>, Vec<&str>) =
            (route.path.split('/').collect(), path.split('/').collect());
        words.clear();
        route.method == "GET" && want.len() == have.len() && want.iter().zip(&have).all(|(w, h)| {
            match *w {
                "{standard}" => words.push(("standard", h.to_string())),
                "{id}" => words.push(("id", h.to_string())),
                word => return word == *h,
            }
            true
        })
    }).unwrap();
    let actor = on_duty(duty);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let call = Call {
        via: Default::default(),
        door: Door::Management,
        cloud: &running.cloud,
        actor: &actor,
        path: words,
        query: pairs.map(|(n, v)| (n.to_string(), v.to_string())).collect(),
        body: Value::Null,
        request: "req".into(),
        source: None,
        base: String::new(),
        version: None,
        token: None,
        headers: Vec::new(),
        input: Mutex::new(None),
    };
    match (route.run)(&call) {
        Ok(reply) => match reply.body {
            Body::Json(value) => Ok(value),
            other => panic!("{other:?}"),
        },
        Err(Failure::Refused(refusal)) => Err(format!("{}: {refusal}", refusal.code())),
        Err(Failure::Fault(fault)) => panic!("{asked}: {fault}"),
    }
}

#[test]
fn a_cloud_is_watched_and_asked() {
    let running = Running::new("watched", &[]);
    let evidence = Arc::new(running.evidence());
    let routes = routes(evidence.clone());
    let auditor = Some(Duty::AuditAdmin);
    let ask = |asked: &str| get(&running, &routes, auditor, asked);
    assert!(ask("/v1/assessments/latest?format=full").unwrap_err().starts_with("not_found"));
    evidence.watch().step();
    let report = evidence.assess().unwrap_or_else(|e| panic!("{e}"));
    evidence.watch().step();
    // Every check has run now, by itself or in the assessment: the first seal is there.
    let number = running.cloud.reader.lend(|db| db.journal_length()).unwrap();
    let sealed = running.cloud.reader.lend(|db| db.entries(0, number)).unwrap().iter()
        .filter(|body| body.windows(21).any(|w| w == b"evidence:posture:seal")).count();
    assert_eq!(sealed, 1);
    let posture = ask("/v1/posture").unwrap();
    assert_eq!(posture["posture"]["from"], "memory");
    assert_eq!(posture["posture"]["checks"].as_object().unwrap().len(), report.findings.len());
    assert_eq!(posture["posture"]["checks"]["duty-exclusive"]["is"], "met");
    // A simulated host proves nothing, whoever asks.
    assert_eq!(posture["posture"]["checks"]["disk-encrypted"]["is"], "error");
    let findings = ask("/v1/findings?check=duty-exclusive").unwrap();
    assert_eq!(findings["findings"].as_array().unwrap().len(), 1);
    // Over which time it was observed to be so, and how old that is, wherever a finding is shown.
    let observed = |found: &Value| {
        assert_eq!(found["period"]["to"], found["at"], "{found}");
        assert!(found["period"]["from"].as_i64() <= found["at"].as_i64(), "{found}");
        assert!(found["age_seconds"].is_u64() && found["since"].is_i64(), "{found}");
    };
    observed(&findings["findings"][0]);
    let clauses = ask("/v1/clauses?standard=jrt0167&state=not_built").unwrap();
    let shown = clauses["clauses"].as_array().unwrap();
    let not_built = shown.iter().filter(|c| c["state"] == "not_built").count();
    assert!(not_built > 50 && shown.iter().all(|c| c["standard"] == "jrt0167"), "{not_built}");
    assert_eq!(clauses["counts"]["not_built"], not_built);
    assert!(ask("/v1/freshness").unwrap()["freshness"]["never"].as_array().unwrap().is_empty());
    assert!(ask("/v1/violations").unwrap()["gaps"].is_array());
    for (asked, why) in [
        ("/v1/posture?at=yesterday", "invalid: at "),
        ("/v1/posture?at=2999-01-01T00:00:00Z", "invalid: at "),
        ("/v1/posture?at=1970-01-01T00:00:00Z", "not_found"),
        ("/v1/posture?when=now", "invalid: when "),
        ("/v1/findings?verdict=good", "invalid: verdict "),
        ("/v1/clauses?standard=iso", "invalid: standard "),
        ("/v1/clauses?state=done", "invalid: state "),
        ("/v1/clauses?level=high", "invalid: level "),
        ("/v1/clauses?area=ZZZ", "invalid: area "),
        ("/v1/clauses/jrt0167/7.2.5-B-z", "not_found"),
        ("/v1/clauses/guide/7.2.5-B-a", "not_found"),
        ("/v1/violations?since=2999-01-01T00:00:00Z", "invalid: since "),
        ("/v1/assessments/latest?format=pdf", "invalid: format "),
        ("/v1/assessments/latest?since=0", "invalid: since "),
    ] {
        let said = ask(asked).expect_err(asked);
        assert!(said.starts_with(why), "{asked}: {said}");
    }
    // The whole report, as reports want it.
    let asked = Command::new("evidence:assessment:create", on_duty(auditor), "req-full");
    let whole = evidence.run(asked).unwrap_or_else(|e| panic!("{e}"));
    let full = ask("/v1/assessments/latest?format=full").unwrap();
    let rows: usize = full["standards"].as_array().unwrap().iter()
        .map(|standard| standard["clauses"].as_array().unwrap().len()).sum();
    assert_eq!(rows, whole["report"]["clauses"].as_array().unwrap().len());
    assert_eq!((&full["sha256"], &full["entry"]), (&whole["sha256"], &whole["entry"]));
    assert!(full["journal"]["entries"].as_u64() > full["journal"]["from"].as_u64());
    assert_eq!(full["product"]["binary_sha256"].as_str().unwrap().len(), 64);
    // Its period is more than the seconds that it took, and its times follow from the journal.
    let at = |document: &Value, end: &str| document["period"][end].as_i64().unwrap();
    assert!(at(&full, "from") <= whole["report"]["began"].as_i64().unwrap());
    assert_eq!(at(&full, "to"), whole["report"]["ended"].as_i64().unwrap());
    assert!(full["violations"].is_array() && full["gaps"].is_array());
    // How fresh evidence was before, and over which time each check came out so.
    assert!(full["freshness"]["clauses"]["count"].as_u64() > Some(50), "{}", full["freshness"]);
    assert!(full["freshness"]["objective"]["attained"].is_boolean() && full["freshness"]["gaps"].is_array());
    assert_eq!(whole["freshness"], full["freshness"]);
    for found in full["findings"].as_array().unwrap() {
        assert_eq!(found["period"]["to"], found["at"], "{found}");
        assert!(found["period"]["from"].as_i64() <= found["at"].as_i64(), "{found}");
        assert_eq!(whole["observed"][found["check"].as_str().unwrap()], found["period"], "{found}");
    }
    let again = evidence.run(Command::new("evidence:assessment:create", on_duty(auditor), "req-again"))
        .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(again["period"]["from"], full["period"]["to"], "the next one begins where this one ended");
    let newer = ask("/v1/assessments/latest?format=full").unwrap();
    assert_eq!(newer["journal"]["from"], full["entry"].as_u64().unwrap() + 1);
    let asked = format!("/v1/assessments/latest?format=full&since={}", at(&full, "from"));
    let since = ask(&asked).unwrap();
    assert_eq!((at(&since, "from"), &since["findings"]), (at(&full, "from"), &newer["findings"]));
    assert!(full["duties"].as_array().unwrap().iter().all(|duty| duty["state"] == "due"));
    let clause = ask("/v1/clauses/jrt0167/7.2.5-B-a").unwrap();
    assert_eq!(clause["clause"]["id"], "7.2.5-B-a");
    assert!(!clause["findings"].as_array().unwrap().is_empty());
    clause["findings"].as_array().unwrap().iter().for_each(observed);
    // Nobody but the two duties.
    for path in ["/v1/posture", "/v1/findings", "/v1/clauses", "/v1/violations", "/v1/freshness",
        "/v1/clauses/jrt0167/7.2.5-B-a", "/v1/assessments/latest"] {
        for duty in [None, Some(Duty::SystemAdmin)] {
            let said = get(&running, &routes, duty, path).expect_err(path);
            assert!(said.starts_with("forbidden"), "{path}: {said}");
        }
    }
}

#[test]
fn the_document_has_each_operation_and_no_other() {
    let running = Running::new("document", &[]);
    let routes = routes(Arc::new(running.evidence()));
    let document: Value =
        serde_json::from_str(include_str!("../../../docs/api/evidence.json")).unwrap();
    assert_eq!(document["servers"][0]["url"], "/evidence");
    assert_eq!(written(&document), offered(&routes));
    // Every parameter that the document names is taken, or refused for its value alone.
    for (path, item) in document["paths"].as_object().unwrap() {
        let asked = path.replace("{standard}", "jrt0167").replace("{id}", "7.2.5-B-a");
        for parameter in item["get"]["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            if parameter["in"] == "query" {
                let asked = format!("{asked}?{name}=0");
                let said = get(&running, &routes, Some(Duty::AuditAdmin), &asked);
                let said = said.err().unwrap_or_default();
                assert!(!said.contains("is not offered"), "{path} {name}: {said}");
            }
        }
    }
}
