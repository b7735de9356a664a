//! Duties, records, files, reminders, on a real store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{CLAUSES, World, book, default, duties, registry};
use jinyun_base::Time;
use jinyun_engine::{Row, replay};
use jinyun_governance::{DutyDefault, FileRef, RecordSort, Round, Side, tend, verify_files};
use jinyun_policy::PROVIDER;
use jinyun_store::{Config, Db, Writer};
use serde_json::{Value, json};

const CERT: &str = "/v1/duties/6.1-B-1/file?title=assessment";

fn statement(text: &str) -> Value {
    json!({ "record": { "title": "audit", "statement": text } })
}

fn duty(w: &World, who: &str, id: &str) -> Value {
    w.ok(who, "GET", &format!("/v1/duties/{id}"), Value::Null)
}

#[test]
fn a_duty_follows_the_calendar_from_record_to_record() {
    let w = World::new();
    let at = |day: &str, want: [&str; 3]| {
        w.go(day);
        let shown = duty(&w, "aud", "11.4.6-E-c");
        let got = ["last", "due", "state"].map(|name| shown[name].as_str().unwrap_or("-"));
        assert_eq!(got, want, "{day}");
    };
    at("2026-01-31", ["-", "2026-03-02", "due"]);
    at("2026-03-02", ["-", "2026-03-02", "due"]);
    at("2026-03-03", ["-", "2026-03-02", "overdue"]);
    w.go("2028-02-29");
    w.ok("aud", "POST", "/v1/duties/11.4.6-E-c/records", statement("all was looked at"));
    at("2028-02-29", ["2028-02-29", "2029-02-28", "recorded"]);
    at("2029-03-01", ["2028-02-29", "2029-02-28", "overdue"]);
    // One that answers an earlier period does not take the newer one's place.
    let mut late = statement("an older one");
    late["record"]["to"] = "2027-05-01".into();
    late["record"]["from"] = "2026-05-01".into();
    w.ok("aud", "POST", "/v1/duties/11.4.6-E-c/records", late);
    at("2029-03-01", ["2028-02-29", "2029-02-28", "overdue"]);

    // The day ends in UTC+8, and evidence is told the moment.
    let standing = w.view(|v| w.governance.book().duties.standing(v));
    let told = standing["11.4.6-E-c"];
    assert_eq!(Time(told.due + 1).seconds(), "2029-02-28T16:00:00Z");
    assert_eq!(Time(told.last.unwrap()).seconds(), "2028-02-28T16:00:00Z");
    assert_eq!(standing["6.1-B-1"].last, None);
    assert_eq!(standing.len(), 3, "an institution's list is no part of the provider's");

    // Done once, good for three years.
    assert_eq!(w.upload("sec1", "/v1/duties/8-B-a/file?title=plan", b"a plan").0, 201);
    assert_eq!(duty(&w, "sec1", "8-B-a")["due"], json!("2032-03-01"));
}

#[test]
fn only_whoever_owes_a_duty_records_it() {
    let w = World::new();
    let record = |who: &str, duty: &str| {
        w.word(who, "POST", &format!("/v1/duties/{duty}/records"), statement("done"))
    };
    for (who, duty, want) in [
        ("sec1", "11.4.6-E-c", "forbidden"),
        ("sys", "11.4.6-E-c", "forbidden"),
        ("fay@", "11.4.6-E-c", "not_found"),
        ("may@bank", "11.4.6-E-c", "not_found"),
        ("aud", "11.4.6-E-c", "ok"),
        ("aud", "11.4.6-E-c@default", "not_found"),
        ("aud", "no-such", "not_found"),
        ("may@bank", "7.9-B-a@bank", "ok"),
        ("may@p", "7.9-B-a@bank", "not_found"),
        ("eve@fund", "7.9-B-a@bank", "not_found"),
        ("sec1", "7.9-B-a@bank", "not_found"),
        ("aud", "7.9-B-a@bank", "forbidden"),
        ("may@bank", "7.9-B-a@nowhere", "not_found"),
    ] {
        assert_eq!(record(who, duty), want, "{who} {duty}");
    }
    // An account that was named takes the place of the office, and needs no role.
    let fay = w.id("fay");
    let assign = json!({ "duty": { "user_id": fay, "owner": "fire officer" } });
    for (who, want) in [("aud", "forbidden"), ("sys", "forbidden"), ("may@bank", "not_found"),
        ("sec1", "ok")] {
        assert_eq!(w.word(who, "PATCH", "/v1/duties/11.4.6-E-c", assign.clone()), want, "{who}");
    }
    assert_eq!(record("aud", "11.4.6-E-c"), "forbidden");
    assert_eq!(record("fay@", "11.4.6-E-c"), "ok");
    let seen = w.ok("fay@", "GET", "/v1/duties", Value::Null);
    assert_eq!(seen.as_array().unwrap().len(), 1, "what she was named for, and no more");
    assert_eq!(seen[0]["owner"], json!("fire officer"));
    let moe = json!({ "duty": { "user_id": w.id("moe") } });
    assert_eq!(w.word("sec1", "PATCH", "/v1/duties/6.1-B-1", moe), "not_found", "not of the staff");
    // The auditor sees every list.
    let theirs = w.ok("aud", "GET", "/v1/duties?domain_id=bank", Value::Null);
    assert_eq!(theirs[0]["id"], json!("7.9-B-a@bank"));
    assert_eq!(w.word("sec1", "GET", "/v1/duties?domain_id=bank", Value::Null), "not_found");
    assert_eq!(w.word("eve@fund", "GET", "/v1/duties?domain_id=bank", Value::Null), "not_found");
}

#[test]
fn what_no_record_may_be_is_refused() {
    let w = World::new();
    let state = |record: Value| {
        w.http("aud", "POST", "/v1/duties/11.4.6-E-c/records", json!({ "record": record })).1
    };
    let t = "a line";
    for (record, field) in [
        (json!({ "statement": t }), "title"),
        (json!({ "title": " ", "statement": t }), "title"),
        (json!({ "title": t }), "statement"),
        (json!({ "title": t, "statement": t, "kind": "report" }), "kind"),
        (json!({ "title": t, "statement": t, "kind": "poem" }), "kind"),
        (json!({ "title": t, "statement": t, "to": "2026-02-01" }), "to"),
        (json!({ "title": t, "statement": t, "to": "2026-02-30" }), "to"),
        (json!({ "title": t, "statement": t, "from": "2026-01-31", "to": "2026-01-30" }), "from"),
        (json!({ "title": t, "statement": t, "file": "x" }), "record"),
        (json!({ "title": t, "statement": "\u{7}" }), "statement"),
    ] {
        let said = state(record.clone());
        let want = format!("invalid: {field} ");
        assert!(said.as_str().is_some_and(|s| s.starts_with(&want)), "{record}: {said}");
    }
    for (path, file, field) in [
        (CERT, "", "file"),
        ("/v1/duties/6.1-B-1/file", "x", "title"),
        ("/v1/duties/6.1-B-1/file?title=a&kind=report", "x", "kind"),
        ("/v1/duties/6.1-B-1/file?title=a&colour=red", "x", "query"),
        ("/v1/duties/6.1-B-1/file?title=a&to=tomorrow", "x", "to"),
    ] {
        let said = w.upload("sec1", path, file.as_bytes()).1;
        let want = format!("invalid: {field} ");
        assert!(said.as_str().is_some_and(|s| s.starts_with(&want)), "{path}: {said}");
    }
    let said = w.http("sec1", "POST", "/v1/duties/6.1-B-1/records", statement("it is so")).1;
    assert!(said.as_str().unwrap().contains("certificate"), "a statement is no certificate: {said}");
    let left = std::fs::read_dir(w.dir.join("records")).unwrap().count();
    assert_eq!(left, 0, "nothing of it was kept");
    // A day is brought forward, never put off.
    for (due, want) in [("2026-03-03", "invalid"), ("2026-01-30", "invalid"), ("2026-02-10", "ok")] {
        let body = json!({ "duty": { "due": due } });
        assert_eq!(w.word("sec1", "PATCH", "/v1/duties/6.1-B-1", body), want, "{due}");
    }
    assert_eq!(duty(&w, "sec1", "6.1-B-1")["due"], json!("2026-02-10"));
    let every = json!({ "duty": { "every": "P5Y" } });
    assert_eq!(w.word("sec1", "PATCH", "/v1/duties/6.1-B-1", every), "invalid");
    // An institution keeps days of its own.
    let own = json!({ "duty": { "every": "P1M", "due": "2026-02-20" } });
    w.ok("may@bank", "PATCH", "/v1/duties/7.9-B-a@bank", own);
    w.ok("may@bank", "POST", "/v1/duties/7.9-B-a@bank/records", statement("done"));
    assert_eq!(duty(&w, "may@bank", "7.9-B-a@bank")["due"], json!("2026-02-20"));
    w.go("2026-02-20");
    w.ok("may@bank", "POST", "/v1/duties/7.9-B-a@bank/records", statement("done"));
    assert_eq!(duty(&w, "may@bank", "7.9-B-a@bank")["due"], json!("2026-03-20"));
}

#[test]
fn a_file_is_kept_as_it_came_and_an_altered_one_is_found() {
    let w = World::new();
    let (status, told) = w.upload("sec1", CERT, b"scanned");
    assert_eq!(status, 201, "{told}");
    let file: FileRef = serde_json::from_value(told["record"]["file"].clone()).unwrap();
    assert_eq!(file.bytes, 7);
    assert_eq!(file.sha256, "46b1a23984dd3da94257d860fa664348eb038091e7c49daf92c222cea7c56386");
    let id = told["record"]["id"].as_str().unwrap().to_string();
    let get = || w.http("aud", "GET", &format!("/v1/records/{id}/file"), Value::Null);
    assert_eq!(get(), (200, json!("scanned")));
    let damage = || w.governance.files.check(&PROVIDER.into(), &file).unwrap();
    assert_eq!(damage(), None);
    let path = w.governance.files.path(&PROVIDER.into(), &file).unwrap();
    for (bytes, want) in [(Some("scammed"), "altered"), (Some("scanned!"), "altered"),
        (None, "lost")] {
        match bytes {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        assert_eq!(damage(), Some(want));
        let (status, say) = get();
        let say = say.as_str().unwrap();
        assert!(status == 0 && say.starts_with("conflict") && say.contains(want), "{status} {say}");
    }
    // Uploaded again, it is there again; the same file in two records lies there once.
    w.upload("sec1", CERT, b"scanned");
    assert_eq!(damage(), None);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);

    // A record is withdrawn, not removed, and the duty is due as before it.
    let why = json!({ "withdrawal": { "reason": "the wrong site" } });
    assert_eq!(duty(&w, "sec1", "6.1-B-1")["due"], json!("2026-07-31"));
    for (who, want) in [("sys", "forbidden"), ("may@bank", "not_found"), ("sec2", "ok"),
        ("sec2", "conflict")] {
        let path = format!("/v1/records/{id}/withdraw");
        assert_eq!(w.word(who, "POST", &path, why.clone()), want, "{who}");
    }
    let all = w.ok("aud", "GET", "/v1/records?duty=6.1-B-1", Value::Null);
    assert_eq!(all.as_array().unwrap().len(), 2);
    let other = all.as_array().unwrap().iter().find(|r| r["id"] != json!(id)).unwrap();
    let path = format!("/v1/records/{}/withdraw", other["id"].as_str().unwrap());
    w.ok("sec1", "POST", &path, why);
    assert_eq!(duty(&w, "sec1", "6.1-B-1")["due"], json!("2026-03-02"));
    assert_eq!(get(), (200, json!("scanned")), "the file stays");

    // What no record has goes at a start, once no request for approval can bring one any more.
    std::fs::write(path_of(&w, "stray"), b"x").unwrap();
    for (now, want) in [(0, 0), (i64::MAX / 2, 1)] {
        assert_eq!(w.view(|v| w.governance.files.sweep(v, Time(now))), want);
    }
    assert_eq!(damage(), None);
}

#[test]
fn duties_come_and_go_with_their_standard_and_what_was_recorded_stays() {
    let w = World::new();
    let put = |own: bool| {
        let (mut all, mut clauses) = (duties(), CLAUSES.to_vec());
        if own {
            let provider = default("O-1", Side::Provider, "audit administrator", Some("P6M"),
                Some(RecordSort::Statement));
            all.push(DutyDefault { standard: "own".into(), ..provider });
            all.push(default("O-2", Side::Tenant, "", None, None));
            clauses.extend(["O-1", "O-2"]);
        }
        *w.book.lock().unwrap() = book(all, &clauses);
    };
    let listed = |who: &str| -> Vec<String> {
        let all = w.ok(who, "GET", "/v1/duties", Value::Null);
        let ids = all.as_array().unwrap().iter().map(|duty| duty["id"].as_str().unwrap().to_string());
        ids.filter(|id| id.starts_with("O-")).collect()
    };
    let except = || {
        let body = json!({ "exception": { "clause": "O-1", "reason": "no such room",
            "expires": "2026-06-30" } });
        w.word("sec1", "POST", "/v1/exceptions", body)
    };
    let told = || tend(&w.governance, &w.cloud).unwrap();
    assert_eq!(told(), 3);
    // The state of the duty while its standard is there, before and after it is recorded.
    for (own, before, after) in [(false, "", ""), (true, "due", "recorded"), (false, "", ""),
        (true, "recorded", "recorded")] {
        put(own);
        let ids: [&[&str]; 2] = if own { [&["O-1"], &["O-2@bank"]] } else { [&[], &[]] };
        assert_eq!([listed("aud"), listed("may@bank")], ids, "{own}");
        // A first record is due in thirty days: somebody is reminded, once and not while it is gone.
        assert_eq!(told(), usize::from(before == "due"), "{own}");
        assert_eq!(except(), if own { "ok" } else { "invalid" });
        assert_eq!(w.view(|v| w.governance.book().duties.standing(v)).contains_key("O-1"), own);
        let shown = |want: &str| match own {
            true => assert_eq!(duty(&w, "aud", "O-1")["state"], want),
            false => assert_eq!(w.word("aud", "GET", "/v1/duties/O-1", Value::Null), "not_found"),
        };
        shown(before);
        let came = w.word("aud", "POST", "/v1/duties/O-1/records", statement("all was looked at"));
        assert_eq!(came, if own { "ok" } else { "not_found" });
        shown(after);
    }
    // Both records, whatever stands on the list: they were made.
    put(false);
    let all = w.ok("aud", "GET", "/v1/records?duty=O-1", Value::Null);
    assert_eq!(all.as_array().unwrap().len(), 2);
}

fn path_of(w: &World, name: &str) -> std::path::PathBuf {
    w.dir.join("records").join(PROVIDER).join(name)
}

#[test]
fn reminders_are_told_once_and_stand_in_the_journal() {
    let w = World::new();
    let told = |day: &str| {
        w.go(day);
        tend(&w.governance, &w.cloud).unwrap()
    };
    // Three first records, due on 2 March; the institution's list has no days yet.
    assert_eq!(told("2026-01-31"), 3);
    assert_eq!(told("2026-01-31"), 0);
    assert_eq!(told("2026-03-03"), 3);
    w.ok("may@bank", "PATCH", "/v1/duties/7.9-B-a@bank", json!({ "duty": { "due": "2026-03-04" } }));
    assert_eq!(told("2026-03-04"), 1);
    // After a standstill the newest stage alone is told.
    assert_eq!(told("2026-06-01"), 4);
    assert_eq!(told("2026-06-02"), 0);
    let seen = w.ok("aud", "GET", "/v1/reminders?stage=month", Value::Null);
    assert_eq!(seen.as_array().unwrap().len(), 4);
    let theirs = w.ok("may@bank", "GET", "/v1/reminders", Value::Null);
    assert_eq!(theirs[0]["to"], json!("manager"));
    assert!(theirs.as_array().unwrap().iter().all(|r| r["domain_id"] == json!("bank")));
    let entries = w.entries();
    let said: Vec<&str> = entries.iter().filter(|e| e.action == "governance:duty:remind")
        .map(|e| e.institution.id.as_str()).collect();
    assert_eq!(said.len(), 11);
    assert_eq!(said.iter().filter(|id| **id == "bank").count(), 2);
}

#[test]
fn the_journal_replayed_equals_the_tables() {
    let w = World::new();
    let file = w.upload("sec1", CERT, b"scanned").1["record"]["file"].clone();
    let path = w.governance.files
        .path(&PROVIDER.into(), &serde_json::from_value::<FileRef>(file).unwrap()).unwrap();
    w.upload("sec1", CERT, b"another");
    for bytes in [&b"scammed"[..], b"scanned", b"lost"] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(verify_files(&w.governance, &w.cloud, &mut Round::default()).unwrap(), 1);
    }
    w.ok("sec1", "PATCH", "/v1/duties/8-B-a", json!({ "duty": { "user_id": w.id("fay") } }));
    w.ok("sec1", "PATCH", "/v1/duties/8-B-a", json!({ "duty": { "user_id": null } }));
    tend(&w.governance, &w.cloud).unwrap();
    w.ok("sec1", "POST", "/v1/risks", json!({ "risk": { "title": "fire" } }));
    let mut db = Db::open(&w.config).unwrap();
    let entries = db.entries(0, 1000).unwrap();
    let empty = Config::Sqlite { path: w.dir.join("copy.db"), durable: false };
    let mut copy = Writer::open(&empty, "replay").unwrap();
    replay(entries.into_iter(), &registry(), &mut copy).unwrap();
    let rows = |db: &mut Db| -> Vec<Row> {
        db.everything().unwrap().into_iter().map(|s| s.row).collect()
    };
    assert_eq!(rows(&mut copy.db), rows(&mut db));
    assert_eq!(copy.db.derived().unwrap(), db.derived().unwrap());
}
