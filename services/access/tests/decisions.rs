//! Why something is refused, asked before and after, and which roles nobody uses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{HERE, World};
use jinyun_access::Profile;
use jinyun_base::Time;
use jinyun_engine::Job;
use serde_json::{Value, json};

fn with(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

impl World {
    fn simulate(&self, who: &str, body: Value) -> Value {
        let (status, told) = self.http(who, "POST", "/v1/simulate", body);
        assert_eq!(status, 200, "{told}");
        told["simulation"].clone()
    }
}

#[test]
fn a_simulation_says_what_would_happen_and_does_nothing() {
    let w = World::new();
    let net = w.network("ann@p", "net");
    let rule = json!({ "name": "two of us", "domain": "bank", "project": "", "deadline": 3600,
        "action": "network:router:create",
        "stages": [{ "who": { "role": { "role": "manager", "within": "project" } }, "count": 1 }] });
    w.id(w.command("may@bank", "approval:approval_rule:create").with(rule));
    let statement = w.state(json!({ "name": "office", "effect": "allow_only",
        "who": { "everybody": true }, "actions": ["network:network:delete"],
        "conditions": { "source": ["10.0.0.0/8"], "second_factor": true,
            "hours": { "days": ["mon"], "from": "09:00", "to": "11:00" } } })).unwrap();
    w.state(json!({ "name": "others", "effect": "deny", "who": { "users": [w.user("bob")] },
        "actions": ["network:*:delete"] })).unwrap();
    let before = w.entries().len();
    let ask = |more: Value| with(json!({ "user_id": w.user("ann"),
        "scope": { "project_id": w.project("p") }, "action": "network:network:delete",
        "resource": { "kind": "network", "id": net }, "source": HERE,
        "methods": ["password", "totp"] }), more);
    // What is asked differently; the decision, who refuses, and for which condition.
    let cases = [
        (json!({}), "allowed", Value::Null, Value::Null),
        (json!({ "source": "192.0.2.1" }), "refused", json!("statement"), json!("source")),
        (json!({ "methods": ["password"] }), "refused", json!("statement"), json!("second_factor")),
        (json!({ "time": "2026-02-02T12:00:00+08:00" }), "refused", json!("statement"), json!("hours")),
        (json!({ "user_id": w.user("rex") }), "refused", json!("rules"), Value::Null),
        (json!({ "user_id": w.user("ray") }), "refused", json!("account"), Value::Null),
        (json!({ "action": "network:network:show", "source": "192.0.2.1" }), "allowed", Value::Null,
            Value::Null),
        (json!({ "action": "network:router:create", "resource": null }), "waits", Value::Null,
            Value::Null),
        (json!({ "action": "network:router:create",
            "resource": { "project_id": w.project("q") } }), "refused", json!("rules"), Value::Null),
    ];
    for (more, decision, by, condition) in cases {
        let told = w.simulate("may@bank", ask(more.clone()));
        assert_eq!((&told["decision"], &told["refused_by"]), (&json!(decision), &by), "{more}: {told}");
        let office = told["statements"].as_array().unwrap().iter()
            .find(|s| s["id"] == json!(statement));
        if by == json!("statement") {
            let office = office.unwrap();
            assert_eq!((&office["says"], &office["condition"]), (&json!("refuses"), &condition));
        }
    }
    // The whole reason.
    let told = w.simulate("may@bank", ask(json!({})));
    assert_eq!(told["rule"], json!({ "known": true, "allow": ["member of the project"],
        "met": "member of the project" }));
    assert_eq!(told["roles"], json!([{ "role": "member", "given_in": { "project_id": w.project("p") },
        "inherited": false, "group_id": null, "expires_at": null, "holds": true }]));
    let says: Vec<_> = told["statements"].as_array().unwrap().iter()
        .map(|s| (s["name"].as_str().unwrap(), s["says"].as_str().unwrap())).collect();
    assert!(says.contains(&("office", "fulfilled")) && says.contains(&("others", "other_people")));
    assert_eq!(told["approval"], json!(false));
    // Guardrails that would judge, by the profile of the project.
    w.set.lock().unwrap().insert(w.project("p"), (Profile::Extended, vec!["key_pair_required".into()]));
    let server = ask(json!({ "action": "compute:server:create", "resource": null }));
    let told = w.simulate("may@bank", server);
    assert_eq!(told["guardrails"]["profile"], json!("extended"));
    let held = |name: &str| {
        let rails = told["guardrails"]["judge"].as_array().unwrap();
        rails.iter().find(|r| r["name"] == json!(name)).map(|r| r["holds"].clone())
    };
    assert_eq!(held("security_group_required"), Some(json!(true)));
    assert_eq!(held("key_pair_required"), Some(json!(false)));
    assert_eq!(held("login_from_anywhere"), None);
    assert_eq!(w.entries().len(), before, "nothing was done");
    // Roles through a group, from above, and ended ones.
    let group = w.group("team", &["rex"]);
    let ends = w.now().plus_seconds(3600);
    let args = json!({ "group": group, "role": "member", "scope": w.scope("bank"),
        "inherited": true, "expires": ends });
    w.id(w.command("may@bank", "identity:assignment:create").with(args));
    let rex = |at: Time| with(ask(json!({ "user_id": w.user("rex") })),
        json!({ "time": at.seconds(), "action": "network:network:update" }));
    let now = w.simulate("may@bank", rex(w.now()));
    assert_eq!((&now["decision"], &now["role"]), (&json!("allowed"), &json!("member")));
    assert_eq!(now["roles"][1]["group_id"], json!(group));
    let later = w.simulate("may@bank", rex(w.now().plus_seconds(7200)));
    assert_eq!((&later["decision"], &later["role"]), (&json!("refused"), &json!("reader")));
    // To have asked about another time has changed nothing for anybody.
    assert_eq!(w.who("rex@p").role, Some(jinyun_policy::Role::Member));
    assert!(w.cloud.reader.view(|v| v.get::<jinyun_network::Network>(&net)).unwrap().is_some());
}

#[test]
fn who_may_ask_about_whom() {
    let w = World::new();
    let net = w.network("ann@p", "net");
    let hidden = w.network("ann@q", "hidden");
    let foreign = w.network("eve@f", "foreign");
    let about = |name: &str, id: &jinyun_base::Id| json!({ "user_id": w.user(name),
        "scope": { "project_id": w.project(if name == "eve" { "f" } else { "p" }) },
        "action": "network:network:show", "resource": { "kind": "network", "id": id } });
    let own = |id: &jinyun_base::Id| json!({ "self": true, "action": "network:network:show",
        "resource": { "kind": "network", "id": id } });
    let cases = [
        ("may@bank", about("ann", &net), "200"),
        ("may@bank", about("ann", &foreign), "not_found"),
        ("may@bank", about("eve", &foreign), "not_found"),
        ("aud@system", about("ann", &net), "200"),
        ("aud@system", about("eve", &foreign), "200"),
        ("sys@system", about("ann", &net), "forbidden"),
        ("ray@bank", about("ann", &net), "forbidden"),
        ("ann@p", about("bob", &net), "forbidden"),
        ("ann@p", own(&net), "200"),
        // What one may not know of is not there.
        ("rex@p", own(&hidden), "not_found"),
        ("rex@p", own(&foreign), "not_found"),
        ("rex@p", own(&"nothing".into()), "not_found"),
        ("may@bank", with(own(&net), json!({ "user_id": w.user("ann") })), "user_id"),
        ("may@bank", with(about("ann", &net), json!({ "action": "network:network:burn" })), "action"),
        ("may@bank", with(about("ann", &net), json!({ "source": "here" })), "source"),
        ("may@bank", with(about("ann", &net), json!({ "time": "noon" })), "time"),
        ("may@bank", with(about("ann", &net), json!({ "methods": ["magic"] })), "methods"),
        ("may@bank", with(about("ann", &net), json!({ "scope": { "domain_id": "fund" } })), "not_found"),
        ("may@bank", with(about("ann", &net), json!({ "scope": {} })), "scope"),
        ("may@bank", with(about("ann", &net), json!({ "resource": { "kind": "ship", "id": "x" } })),
            "not_found"),
        ("may@bank", with(about("ann", &net), json!({ "token_age": -1 })), "token_age"),
        ("may@bank", with(about("ann", &net), json!({ "colour": 1 })), "colour"),
    ];
    for (who, body, want) in cases {
        let (status, told) = w.http(who, "POST", "/v1/simulate", body.clone());
        match status {
            200 => assert_eq!(want, "200", "{who} {body}"),
            _ => assert!(told.as_str().unwrap().contains(want), "{who} {body}: {told}"),
        }
    }
    let answer = |who: &str, id: &jinyun_base::Id| {
        w.http(who, "POST", "/v1/simulate", own(id)).1.as_str().unwrap().replace(id.as_str(), "ID")
    };
    assert_eq!(answer("rex@p", &hidden), answer("rex@p", &"nothing".into()));
}

#[test]
fn a_refusal_in_the_journal_is_explained_by_what_it_was_and_what_it_would_be_now() {
    let w = World::new();
    let net = w.network("ann@p", "net");
    let id = w.state(json!({ "name": "hands off", "effect": "deny", "who": { "everybody": true },
        "actions": ["network:network:update"] })).unwrap();
    let try_ = |who: &str, request: &str| {
        let mut command = w.command(who, "network:network:update").on(net.clone());
        command.request = request.into();
        w.code(command.with(json!({ "mtu": 1400 })))
    };
    assert_eq!(try_("ann@p", "req-ann"), "forbidden");
    assert_eq!(try_("rex@p", "req-rex"), "forbidden");
    assert_eq!(try_("eve@f", "req-eve"), "not_found");
    let explain = |who: &str, request: &str| {
        w.http(who, "POST", "/v1/explain", json!({ "request": request }))
    };
    let (status, told) = explain("may@bank", "req-ann");
    assert_eq!(status, 200, "{told}");
    let one = &told["refused"][0];
    assert!(one["entry"]["reason"]["message"].as_str().unwrap().contains("hands off"));
    assert_eq!((&one["entry"]["source"], &one["entry"]["target"]["id"]), (&json!(HERE), &json!(net)));
    assert_eq!((&one["now"]["decision"], &one["now"]["refused_by"]),
        (&json!("refused"), &json!("statement")));
    assert_eq!(one["now"]["scope"], json!({ "project_id": w.project("p") }));
    w.unstate(&id);
    let now = |who: &str, request: &str| explain(who, request).1["refused"][0]["now"].clone();
    assert_eq!(now("may@bank", "req-ann")["decision"], json!("allowed"));
    assert_eq!(now("may@bank", "req-rex")["refused_by"], json!("rules"));
    // Everybody about their own; nobody about another institution's, and not what was done.
    assert_eq!(now("ann@p", "req-ann")["decision"], json!("allowed"));
    for (who, request) in [("ann@p", "req-rex"), ("may@bank", "req-eve"), ("eve@fund", "req-ann"),
        ("may@bank", "req-1"), ("may@bank", "req-nothing")] {
        let (status, told) = explain(who, request);
        assert!(status == 0 && told.as_str().unwrap().contains("not_found"), "{who} {request}: {told}");
    }
    assert_eq!(now("eve@fund", "req-eve")["decision"], json!("refused"));
    // A thing that is gone leaves what the entry says.
    w.run(w.command("ann@p", "network:network:delete").on(net.clone())).unwrap();
    assert_eq!(now("may@bank", "req-ann")["resource"], Value::Null);
    // What nobody did who has an account is not judged again.
    let mut nobody = w.command("ann@p", "identity:token:create");
    nobody.actor = jinyun_policy::Actor { domain: "bank".into(),
        ..jinyun_policy::Actor::nobody("192.0.2.1") };
    nobody.request = "req-nobody".into();
    let refusal = jinyun_base::Refusal::invalid("password", "is wrong");
    let job = Job::Refused { command: Box::new(nobody), refusal };
    w.cloud.handle.run(job).unwrap_err();
    let (status, told) = explain("may@bank", "req-nobody");
    assert_eq!((status, &told["refused"][0]["now"]), (200, &Value::Null), "{told}");
}

#[test]
fn roles_that_nobody_used_are_found_and_a_readers_is_not_judged() {
    let w = World::new();
    let group = w.group("team", &["rex"]);
    let args = json!({ "group": group, "role": "member", "scope": w.scope("bank"), "inherited": true });
    w.id(w.command("may@bank", "identity:assignment:create").with(args));
    w.wait(100 * 86_400);
    let net = w.network("ann@p", "one");
    let day = w.now().seconds();
    w.network("bob@p", "two");
    w.run(w.command("ann@p", "network:network:update").on(net).with(json!({ "mtu": 1400 }))).unwrap();
    // A refused attempt is no use.
    assert_eq!(w.code(w.command("rex@q", "identity:project:create").with(json!({}))), "forbidden");
    let usage = |query: &str| {
        let (status, told) = w.http("may@bank", "GET", &format!("/v1/unused{query}"), Value::Null);
        assert_eq!(status, 200, "{told}");
        told["usage"].clone()
    };
    let line = |usage: &Value, user: &str, role: &str, place: Value| {
        let lines = usage["roles"].as_array().unwrap();
        let (user, role) = (json!(w.user(user)), json!(role));
        let fits = |l: &&Value| {
            l["user_id"] == user && l["role"] == role && l["given_in"] == place
        };
        lines.iter().find(fits).cloned().unwrap_or_else(|| panic!("no line: {usage}"))
    };
    let (p, q) = (json!({ "project_id": w.project("p") }), json!({ "project_id": w.project("q") }));
    let bank = json!({ "domain_id": "bank" });
    let now = usage("?days=90");
    assert_eq!((&now["complete"], &now["domain_id"]), (&json!(true), &json!("bank")));
    // Who, what, where: whether it was used, and which role would have been enough.
    let cases = [
        ("ann", "member", &p, json!(true), json!("member"), 2),
        ("ann", "member", &q, json!(false), json!("reader"), 0),
        ("bob", "manager", &p, json!(true), json!("member"), 1),
        ("may", "manager", &bank, json!(false), json!("reader"), 0),
        ("rex", "member", &bank, json!(false), json!("reader"), 0),
        ("rex", "reader", &p, Value::Null, Value::Null, 0),
        ("ray", "reader", &bank, Value::Null, Value::Null, 0),
    ];
    for (user, role, place, used, enough, count) in cases {
        let line = line(&now, user, role, place.clone());
        let got = (&line["used"], &line["enough"], &line["count"]);
        assert_eq!(got, (&used, &enough, &json!(count)), "{user} {role} {place}");
        assert_eq!(line["judged"], json!(role != "reader"), "{user}");
    }
    let ann = line(&now, "ann", "member", p.clone());
    assert_eq!(ann["actions"][0]["action"], json!("network:network:create"));
    assert_eq!(ann["actions"][0]["last"], json!(day));
    assert!(now["reads"].as_str().unwrap().contains("not recorded"));
    // Longer ago, somebody made that group and that assignment.
    let ever = usage("?days=3650");
    assert_eq!(line(&ever, "may", "manager", bank.clone())["enough"], json!("manager"));
    // Whose: the institution's own people, and the auditor.
    for (who, path, want) in [("ray@bank", "", 200), ("aud@system", "?domain_id=bank", 200),
        ("ann@p", "", 0), ("eve@fund", "?domain_id=bank", 0), ("sec@system", "?domain_id=bank", 0),
        ("may@bank", "?days=0", 0), ("may@bank", "?days=ten", 0), ("may@bank", "?hours=1", 0)] {
        let told = w.http(who, "GET", &format!("/v1/unused{path}"), Value::Null);
        assert_eq!(told.0, want, "{who} {path}: {}", told.1);
    }
}
