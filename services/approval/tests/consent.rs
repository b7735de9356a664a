//! What an institution lets the provider's staff do: asked, granted, used on record, ended.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Vault, World};
use jinyun_approval::Consent;
use jinyun_base::Id;
use jinyun_engine::{Command, Failure};
use serde_json::{Value, json};

/// A consent to change vaults of the bank for a day, and what differs from that.
fn body(differs: Value) -> Value {
    let mut consent = json!({ "domain_id": "bank", "actions": ["toy:vault:update"],
        "until": "2026-02-03T02:00:00Z", "reason": "the volume is full and nobody is there" });
    consent.as_object_mut().unwrap().extend(differs.as_object().unwrap().clone());
    json!({ "consent": consent })
}

fn ask(w: &World, who: &str, differs: Value) -> Id {
    let (status, told) = w.http(who, "POST", "/v1/consents", body(differs));
    assert_eq!(status, 201, "{told}");
    told["consent"]["id"].as_str().unwrap().into()
}

fn act(w: &World, who: &str, consent: &Id, word: &str, body: Value) -> (u16, Value) {
    w.http(who, "POST", &format!("/v1/consents/{consent}/{word}"), body)
}

fn grant(w: &World, consent: &Id) {
    let (status, told) = act(w, "may@bank", consent, "vote", json!({ "approve": true }));
    assert_eq!((status, &told["consent"]["state"]), (200, &json!("granted")), "{told}");
}

fn update(w: &World, who: &str, vault: &Id) -> Command {
    w.command(who, "toy:vault:update").on(vault.clone()).with(json!({ "size": 1 }))
}

/// Has staff change a vault: `ok` or the refusal's word.
fn touch(w: &World, who: &str, vault: &Id) -> &'static str {
    w.run(update(w, who, vault)).map_or_else(|r| r.code(), |_| "ok")
}

#[test]
fn staff_acts_under_a_consent_only_and_each_use_stands_in_the_tenants_journal() {
    let w = World::new();
    let vault = w.vault("ann@p", "v");
    assert_eq!(touch(&w, "sys1@system", &vault), "forbidden");
    assert_eq!(w.last().institution.id, "default");
    let consent = ask(&w, "sys1@system", json!({}));
    assert_eq!(w.last().institution.id, "bank", "the institution has it on record");
    assert_eq!(touch(&w, "sys1@system", &vault), "forbidden", "asked is not granted");
    for (who, want) in [("sys1@system", "forbidden"), ("sec1@system", "forbidden"),
        ("eve@fund", "not_found"), ("bob@p", "not_found")] {
        let (_, told) = act(&w, who, &consent, "vote", json!({ "approve": true }));
        assert!(told.to_string().contains(want), "{who}: {told}");
    }
    grant(&w, &consent);
    // Whoever is on that duty, and nobody else.
    for (who, want) in [("sys1@system", "ok"), ("sys2@system", "ok"), ("sec1@system", "forbidden"),
        ("aud@system", "forbidden")] {
        assert_eq!(touch(&w, who, &vault), want, "{who}");
    }
    let entries = w.entries();
    let used: Vec<_> = entries.iter().filter(|e| e.action == "toy:vault:update")
        .filter(|e| e.outcome == "done").collect();
    assert_eq!(used.len(), 2);
    for entry in used {
        assert_eq!(entry.institution.id, "bank");
        assert_eq!(entry.approval.as_deref(), Some(consent.as_str()));
    }
    // A read under it has an entry too; a list shows nothing.
    let show = w.command("sys1@system", "toy:vault:show").on(vault.clone());
    assert!(matches!(w.cloud.reader.show::<Vault>(&show), Err(Failure::Refused(_))));
    let seeing = ask(&w, "sys1@system", json!({ "actions": ["toy:vault:show"] }));
    grant(&w, &seeing);
    assert_eq!(w.cloud.reader.show::<Vault>(&show).unwrap_or_else(|e| panic!("{e}")).id, vault);
    let entry = w.last();
    assert_eq!((entry.action.as_str(), entry.institution.id.as_str(), entry.approval.as_deref()),
        ("toy:vault:show", "bank", Some(seeing.as_str())));
    // Revoked, at once, for the next use; and only once.
    let (status, told) = act(&w, "may@bank", &consent, "revoke", json!({ "comment": "enough" }));
    assert_eq!((status, &told["consent"]["ended"]["comment"]), (200, &json!("enough")));
    assert_eq!(touch(&w, "sys1@system", &vault), "forbidden");
    let (_, told) = act(&w, "may@bank", &consent, "revoke", Value::Null);
    assert!(told.to_string().contains("is revoked already"), "{told}");
    let (_, told) = act(&w, "may@bank", &consent, "vote", json!({ "approve": true }));
    assert!(told.to_string().contains("is revoked already"), "{told}");
}

#[test]
fn a_consent_covers_what_it_says() {
    let w = World::new();
    let (p, q, f) = (w.vault("ann@p", "1"), w.vault("ann@q", "2"), w.vault("eve@f", "3"));
    let sys2 = w.user("sys2");
    // What differs, and who may touch what: sys1 in p, in q, in the fund, and sys2 in p.
    let cases = [
        (json!({}), ["ok", "ok", "forbidden", "ok"]),
        (json!({ "project_id": w.project("q") }), ["forbidden", "ok", "forbidden", "forbidden"]),
        (json!({ "resource": { "kind": "vault", "id": p } }),
            ["ok", "forbidden", "forbidden", "ok"]),
        (json!({ "user_id": sys2 }), ["forbidden", "forbidden", "forbidden", "ok"]),
        (json!({ "duty": "system_admin" }), ["ok", "ok", "forbidden", "ok"]),
        (json!({ "actions": ["toy:vault:show"] }), ["forbidden"; 4]),
        (json!({ "actions": ["toy:vault:*"] }), ["ok", "ok", "forbidden", "ok"]),
        (json!({ "from": "2026-02-02T12:00:00Z" }), ["forbidden"; 4]),
    ];
    for (differs, want) in cases {
        let consent = ask(&w, "sys1@system", differs.clone());
        grant(&w, &consent);
        let got = [("sys1@system", &p), ("sys1@system", &q), ("sys1@system", &f),
            ("sys2@system", &p)].map(|(who, vault)| touch(&w, who, vault));
        assert_eq!(got, want, "{differs}");
        assert_eq!(act(&w, "sys1@system", &consent, "withdraw", Value::Null).0, 200, "{differs}");
        assert_eq!(touch(&w, "sys1@system", &p), "forbidden", "{differs}: taken back");
    }
    // A pattern is kept as the names that it stood for.
    let consent = ask(&w, "sys1@system", json!({ "actions": ["toy:*:*"] }));
    let kept = w.cloud.reader.view(|v| v.get::<Consent>(&consent)).unwrap().unwrap();
    assert_eq!(kept.spec.actions, ["toy:vault:show", "toy:vault:update"]);
}

#[test]
fn time_ends_a_consent_whether_or_not_somebody_says_so() {
    let w = World::new();
    let vault = w.vault("ann@p", "v");
    let state = |id: &Id| {
        w.cloud.reader.view(|v| v.get::<Consent>(id)).unwrap().unwrap().spec.state.word()
    };
    let used = ask(&w, "sys1@system", json!({}));
    let waiting = ask(&w, "sys1@system", json!({}));
    let later = ask(&w, "sys1@system", json!({ "until": "2026-02-20T02:00:00Z" }));
    let standing = ask(&w, "sec1@system", json!({ "until": null, "standing": true,
        "contract": "hosting 2026", "duty": "system_admin" }));
    grant(&w, &used);
    assert_eq!(touch(&w, "sys1@system", &vault), "ok");
    w.wait(86_400);
    assert_eq!((touch(&w, "sys1@system", &vault), state(&used)), ("forbidden", "granted"));
    assert_eq!((w.tend(), state(&used), state(&waiting)), (2, "expired", "expired"));
    assert_eq!((state(&later), state(&standing), w.tend()), ("waiting", "waiting", 0));
    // An institution has two weeks to decide; what was granted as standing has no end.
    grant(&w, &standing);
    w.wait(13 * 86_400);
    let (_, told) = act(&w, "may@bank", &later, "vote", json!({ "approve": true }));
    assert!(told.to_string().contains("is over: ask anew"), "{told}");
    assert_eq!((w.tend(), state(&later)), (1, "expired"));
    w.wait(400 * 86_400);
    assert_eq!((touch(&w, "sys1@system", &vault), w.tend()), ("ok", 0));
    assert_eq!(act(&w, "moe@bank", &standing, "revoke", Value::Null).0, 200);
    assert_eq!(touch(&w, "sys1@system", &vault), "forbidden");
}

#[test]
fn what_is_no_consent_is_refused_by_name() {
    let w = World::new();
    let vault = w.vault("eve@f", "v");
    let (ann, fund) = (w.user("ann"), w.project("f"));
    let cases = [
        ("sys1@system", json!({ "actions": [] }), "actions are required"),
        ("sys1@system", json!({ "actions": ["toy:vault:delete"] }), "actions name what no consent"),
        ("sys1@system", json!({ "actions": ["toy:vault:list"] }), "actions name what no consent"),
        // Nor what never waits for an approval: that is about rules.
        ("sys1@system", json!({ "actions": ["approval:consent:vote"] }), "actions name what no consent"),
        ("sys1@system", json!({ "actions": ["identity:token:create"] }), "actions name what no consent"),
        ("sys1@system", json!({ "actions": ["*:vault:update"] }), "actions must be words"),
        ("sec1@system", json!({}), "actions name what no consent"),
        ("sec1@system", json!({ "duty": "audit_admin" }), "duty must be"),
        ("sys1@system", json!({ "duty": "security_admin" }), "actions name what no consent"),
        ("sys1@system", json!({ "user_id": ann }), "user_id must be one of the provider's staff"),
        ("sys1@system", json!({ "user_id": w.user("sys2"), "duty": "system_admin" }), "user_id or"),
        ("sys1@system", json!({ "until": null }), "until is required"),
        ("sys1@system", json!({ "until": "2026-02-01T02:00:00Z" }), "until must lie in the future"),
        ("sys1@system", json!({ "until": "tomorrow" }), "until must be a time"),
        ("sys1@system", json!({ "until": "2026-04-01T02:00:00Z" }), "until must be at most 31 days"),
        ("sys1@system", json!({ "from": "2026-02-09T02:00:00Z" }), "until must be later than from"),
        ("sys1@system", json!({ "standing": true }), "contract is required"),
        ("sys1@system", json!({ "contract": "x" }), "contract is required"),
        ("sys1@system", json!({ "reason": "" }), "reason is empty"),
        ("sys1@system", json!({ "domain_id": "default" }), "domain_id is the provider's own"),
        ("sys1@system", json!({ "domain_id": "nowhere" }), "could not be found"),
        ("sys1@system", json!({ "project_id": fund }), "could not be found"),
        ("sys1@system", json!({ "resource": { "kind": "vault", "id": vault } }),
            "could not be found"),
        ("sys1@system", json!({ "resource": { "kind": "user", "id": ann } }), "kind names a kind"),
        ("sys1@system", json!({ "resource": { "kind": "vault" } }), "id is required"),
        ("sys1@system", json!({ "colour": "red" }), "unrecognized"),
        ("aud@system", json!({}), "forbidden"),
        ("bob@p", json!({}), "forbidden"),
        ("eve@fund", json!({}), "forbidden"),
        ("may@bank", json!({}), "duty is required"),
    ];
    for (who, differs, want) in cases {
        let (status, told) = w.http(who, "POST", "/v1/consents", body(differs.clone()));
        assert!(status == 0 && told.to_string().contains(want), "{who} {differs}: {status} {told}");
    }
    let (_, told) = w.http("sys1@system", "GET", "/v1/consents", Value::Null);
    assert_eq!(told["consents"], json!([]));
    // A manager grants of the institution's own accord, and refuses what was asked.
    let vault = w.vault("ann@p", "w");
    ask(&w, "may@bank", json!({ "duty": "system_admin" }));
    assert_eq!(touch(&w, "sys2@system", &vault), "ok");
    let asked = ask(&w, "sys1@system", json!({}));
    let (_, told) = act(&w, "moe@bank", &asked, "vote", json!({ "approve": false }));
    assert_eq!(told["consent"]["state"], json!("refused"));
    let (_, told) = w.http("sys2@system", "GET", "/v1/consents?open=true", Value::Null);
    assert_eq!(told["consents"].as_array().unwrap().len(), 1);
    assert_eq!(w.http("eve@fund", "GET", "/v1/consents", Value::Null).1["consents"], json!([]));
}

#[test]
fn a_consent_is_no_way_round_an_approval() {
    let w = World::new();
    let vault = w.vault("ann@p", "v");
    w.rule("may@bank", json!({ "action": "toy:vault:update",
        "stages": [{ "role": "manager", "in": "project" }] }));
    let consent = ask(&w, "sys1@system", json!({}));
    grant(&w, &consent);
    let request = w.asked(update(&w, "sys1@system", &vault));
    let waits = w.last();
    assert_eq!(waits.approval.as_deref(), Some(consent.as_str()), "it was asked under the consent");
    assert_eq!(w.vote("bob@p", &request, true), "ok");
    assert_eq!(w.state(&request), "done");
    let entries = w.entries();
    let ran = entries.iter().find(|e| e.approval.as_deref() == Some(request.as_str())).unwrap();
    assert_eq!(ran.note, Some(json!({ "consent": consent })));
    // Revoked between the request and its last vote: the rule speaks of a consent that is gone.
    let request = w.asked(update(&w, "sys1@system", &vault).with(json!({ "size": 2 })));
    assert_eq!(act(&w, "may@bank", &consent, "revoke", Value::Null).0, 200);
    assert_eq!((w.vote("bob@p", &request, true), w.state(&request)), ("ok", "failed"));
}
