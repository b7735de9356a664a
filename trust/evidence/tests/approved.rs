//! A second person for what everything is judged by: an approval rule has the installation and the removal
//! of a catalogue wait, and the file of one that waits is kept until it is decided.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/cloud.rs"]
#[allow(dead_code)]
mod cloud;

use cloud::Running;
use jinyun_base::Id;
use jinyun_engine::{Command, Job, Via};
use jinyun_evidence::{Catalogue, Evidence, Titles, import, routes};
use jinyun_policy::{Actor, ActorKind, Duty, PROVIDER, Scope};
use jinyun_testrest::Caller;
use serde_json::{Value, json};
use std::sync::Arc;

const SAMPLE: &str = include_str!("../standards-import-samples/internal-rules.csv");

fn sample() -> String {
    let titles = Titles {
        key: "sample".into(),
        title_en: "Sample internal rules".into(),
        title_zh: "示例内部规定".into(),
        ..Titles::default()
    };
    let shipped = Catalogue::shipped().unwrap();
    let made = import("t.csv", SAMPLE.as_bytes(), &titles, shipped).unwrap_or_else(|e| panic!("{e}"));
    made.catalogue.write().unwrap()
}

/// A security administrator with an account.
fn administrator(running: &Running, name: &str) -> Actor {
    let run = |action: &str, args: Value| -> Id {
        let mut command = Command::new(action, Actor::system("test"), "setup").with(args);
        command.domain = Some(PROVIDER.into());
        let came = running.cloud.handle.run(Job::Command(Box::new(command)));
        let answer = came.unwrap_or_else(|e| panic!("{action}: {e}"));
        answer.value["id"].as_str().unwrap().into()
    };
    let id = run("identity:user:create", json!({ "name": name, "domain": PROVIDER, "enabled": true }));
    run("identity:assignment:create",
        json!({ "user": id, "role": "security_admin", "scope": "system" }));
    Actor {
        kind: ActorKind::User,
        id,
        domain: PROVIDER.into(),
        scope: Scope::System,
        role: None,
        duty: Some(Duty::SecurityAdmin),
    }
}

fn caller<'a>(running: &'a Running, actor: &'a Actor) -> Caller<'a> {
    Caller { cloud: &running.cloud, actor, via: Via::default() }
}

/// Asks the approvals' API.
fn approvals(running: &Running, actor: &Actor, method: &str, path: &str, body: Value) -> (u16, Value) {
    caller(running, actor).ask(&jinyun_approval::routes(), method, path, body)
}

fn vote(running: &Running, actor: &Actor, request: &str, approve: bool) -> (u16, Value) {
    let path = format!("/v1/requests/{request}/vote");
    approvals(running, actor, "POST", &path, json!({ "approve": approve }))
}

/// Asks for an installation or a removal that has to wait: the request's id.
fn asked(running: &Running, evidence: &Arc<Evidence>, actor: &Actor, method: &str, bytes: &[u8]) -> String {
    let path = if method == "DELETE" { "/v1/catalogues/sample" } else { "/v1/catalogues" };
    let (status, told) = caller(running, actor).send(&routes(evidence.clone()), method, path, bytes);
    assert_eq!(status, 202, "{told}");
    told["request"]["id"].as_str().unwrap().into()
}

/// How the list has it; none if it does not.
fn state(running: &Running, evidence: &Arc<Evidence>, actor: &Actor) -> Option<String> {
    let (_, all) = caller(running, actor).send(&routes(evidence.clone()), "GET", "/v1/catalogues", b"");
    let one = all["catalogues"].as_array().unwrap().iter().find(|one| one["key"] == "sample").cloned();
    one.map(|one| one["state"].as_str().unwrap().to_string())
}

fn files(running: &Running) -> usize {
    std::fs::read_dir(running.dir.join("evidence/catalogues")).unwrap().count()
}

#[test]
fn a_catalogue_comes_and_goes_by_two_people_if_a_rule_says_so() {
    let running = Running::new("approved", &[]);
    let (ann, bob) = (administrator(&running, "ann"), administrator(&running, "bob"));
    let open = || Arc::new(running.evidence());
    let text = sample();
    let rule = |action: &str| {
        let rule = json!({ "rule": { "name": "two people", "action": action, "deadline": 3600,
            "stages": [{ "duty": "security_admin" }] } });
        approvals(&running, &ann, "POST", "/v1/rules", rule)
    };
    // What the platform itself notes about evidence waits for nobody, whatever a rule says.
    for record in ["evidence:posture:seal", "evidence:catalogue:load", "evidence:assessment:create"] {
        let (status, told) = rule(record);
        assert!(status == 0 && told.as_str().unwrap().contains("cannot wait"), "{record}: {told}");
    }
    let (status, told) = rule("evidence:*:*");
    assert_eq!(status, 201, "{told}");

    // A no: nothing is installed, and the file goes when it is looked at what is on record.
    let evidence = open();
    let request = asked(&running, &evidence, &ann, "POST", text.as_bytes());
    assert_eq!((state(&running, &evidence, &ann), files(&running)), (None, 1));
    assert_eq!(vote(&running, &ann, &request, true).0, 0, "nobody votes on what they asked for");
    let evidence = open();
    assert_eq!(files(&running), 1, "what waits is kept over a restart");
    assert_eq!(vote(&running, &bob, &request, false).0, 200);
    assert_eq!(state(&running, &evidence, &ann), None);
    assert!(!evidence.refresh().unwrap(), "nothing has come of it");
    assert_eq!(files(&running), 0);

    // A yes: installed with the digest of the file that was sent, and loaded when somebody is told that
    // something was committed, or by the next start.
    let request = asked(&running, &evidence, &ann, "POST", text.as_bytes());
    let (status, told) = vote(&running, &bob, &request, true);
    assert_eq!((status, &told["request"]["state"]), (200, &json!("done")), "{told}");
    assert_eq!(state(&running, &evidence, &ann).as_deref(), Some("waiting"));
    let next = open();
    assert!(evidence.refresh().unwrap());
    for evidence in [&evidence, &next] {
        assert_eq!(state(&running, evidence, &ann).as_deref(), Some("loaded"));
        assert!(evidence.refused().is_empty());
    }

    // Removing takes two as well.
    let request = asked(&running, &evidence, &bob, "DELETE", b"");
    let evidence = open();
    assert_eq!(state(&running, &evidence, &ann).as_deref(), Some("loaded"));
    assert_eq!(vote(&running, &ann, &request, true).0, 200);
    assert_eq!(state(&running, &evidence, &ann).as_deref(), Some("removed"));
    assert!(evidence.refresh().unwrap());
    assert_eq!((state(&running, &evidence, &ann), files(&running)), (None, 0));
    assert_eq!(state(&running, &open(), &ann), None);
}
