//! What is chosen, how old a proof is, and what is said of a past moment.

use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn options(text: &str) -> Result<Options, clap::Error> {
    let words = std::iter::once("posture").chain(text.split_whitespace());
    Line::try_parse_from(words).map(|line| line.options)
}

fn clauses() -> Vec<Value> {
    let row = |standard: &str, id: &str, level: &str, state: &str, answer: Value| json!({
        "standard": standard, "id": id, "level": level, "state": state, "duty": "provider",
        "title_en": format!("title of {id}"), "title_zh": "题", "answer": answer,
    });
    let mut shared = row("jrt0167", "7.2-B-b", "basic", "failed", json!({ "checks": ["arp", "tls"] }));
    shared["duty"] = "both".into();
    shared["tenant_state"] = "tenant".into();
    shared["tenant"] = json!({ "does": "looks at its rules", "seen": "s", "checks": ["rules"] });
    vec![
        row("jrt0167", "7.2-B-a", "basic", "met", json!({ "checks": ["tls"] })),
        shared,
        row("jrt0167", "7.20-B-a", "extended", "due", json!({ "duty": { "owner": "management" } })),
        row("guide", "GD-1", "basic", "met", json!({ "same_as": ["7.2-B-a", "GD-2"] })),
        row("guide", "GD-2", "basic", "met", json!({ "same_as": ["GD-1"] })),
    ]
}

fn findings() -> Vec<Value> {
    let found = |check: &str, verdict: &str, age: i64| json!({
        "check": check, "verdict": verdict, "population": 9, "sampled": 3, "method": "attack",
        "at": 1_700_000_000_000_000i64, "since": 1_600_000_000_000_000i64, "half": "provider",
        "says": format!("{check}\u{1b}[2J said so"), "says_nothing_about": "the rest",
        "entries": [7, 8], "age_seconds": age,
    });
    vec![found("tls", "met", 40), found("arp", "failed", 300), found("rules", "error", 10)]
}

/// All that is known, of which one clause is also kept by a guardrail.
fn known() -> Known {
    let fresh = json!({
        "clauses": { "median_seconds": 40, "worst_seconds": 300, "worst_clause": "7.2-B-\u{1b}b",
            "without_proof": 2 },
        "objective": { "median_below_seconds": 60, "worst_below_seconds": 900, "attained": false },
        "gaps": [{ "seconds": 50 }, { "seconds": 100 }],
    });
    let rails = vec![json!({ "name": "tls", "clauses": ["7.2-B-a", "7.2-B"] })];
    Known { clauses: clauses(), findings: findings(), rails, fresh }
}

fn ids(filter: &str) -> Vec<String> {
    let (value, _) = known().shown(&options(filter).unwrap().filter);
    value["clauses"].as_array().unwrap().iter().map(|c| text(c, "/clause").to_string()).collect()
}

#[test]
fn filters_choose_clauses() {
    let cases: [(&str, &[&str]); 9] = [
        ("", &["7.2-B-a", "7.2-B-b", "7.20-B-a"]), ("--standard guide", &["GD-1", "GD-2"]),
        ("--standard all --tier basic", &["7.2-B-a", "7.2-B-b", "GD-1", "GD-2"]),
        // What begins with the same letters is not below it.
        ("--clause 7.2", &["7.2-B-a", "7.2-B-b"]), ("--clause GD-1", &["GD-1"]),
        ("--state tenant", &["7.2-B-b"]), ("--state failed", &["7.2-B-b"]), ("--state stale", &[]),
        ("--level extended", &["7.20-B-a"]),
    ];
    for (filter, want) in cases {
        assert_eq!(ids(filter), want, "{filter}");
    }
    for bad in ["--state good", "--tier high", "show", "list"] {
        assert!(options(bad).is_err(), "{bad}");
    }
    let strange = options("--standard iso").unwrap().filter.check(&clauses()).unwrap_err();
    assert!(strange.code == MISSING && strange.say.contains("guide, jrt0167, all"), "{}", strange.say);
    let both = options("--at 2026-01-31T08:00:00Z show 7.2-B-a").unwrap();
    assert!(both.command.is_some() && both.filter.given());
}

#[test]
fn a_proof_is_as_old_as_the_oldest_that_it_rests_on() {
    let (clauses, findings) = (clauses(), findings());
    let known = by_id(&clauses);
    let age = |id| age(id, &known, &findings);
    // Through other rows, round in a circle too; not where a check proves nothing or none is there.
    assert_eq!((age("7.2-B-a"), age("GD-1"), age("GD-2")), (Some(40), Some(40), Some(40)));
    assert_eq!((age("7.2-B-b"), age("7.20-B-a"), age("nothing")), (None, None, None));
    let (_, table) = self::known().shown(&Filter::default());
    assert!(table.starts_with("CLAUSE ") && table.contains("\n1 due, 1 failed, 1 met\n"), "{table}");
    assert!(table.contains("40 s") && table.contains("title of 7.2-B-b"), "{table}");
    let told: Vec<String> = [0, 119, 120, 7200, 172_800].map(long).into();
    assert_eq!(told, ["0 s", "119 s", "2 min", "2 h", "2 d"]);
}

#[test]
fn each_clause_says_how_it_is_proved() {
    let mut known = known();
    known.findings[1]["method"] = "check".into();
    let (value, table) = known.shown(&options("--standard all").unwrap().filter);
    let how = |id: &str| {
        let rows = list(&value, "/clauses");
        let row = rows.iter().find(|row| row["clause"] == id).unwrap();
        words(row, "/how").collect::<Vec<_>>().join("+")
    };
    // By its checks of both halves, by a guardrail that names it, through other rows in a circle.
    for (id, want) in [("7.2-B-a", "attack+guardrail"), ("7.2-B-b", "attack+check"), ("7.20-B-a", "duty"),
        ("GD-1", "attack+guardrail"), ("GD-2", "attack+guardrail")] {
        assert_eq!(how(id), want, "{id}");
    }
    assert!(table.contains("  HOW ") && table.contains("attack, guardrail  40 s"), "{table}");
    // A part that no check looks at is the tenant's own to do.
    known.clauses[1]["tenant"]["checks"] = json!([]);
    known.clauses[0]["answer"] = json!({ "tenant": "its work", "seen": "nothing" });
    known.findings.clear();
    let (value, _) = known.shown(&Filter::default());
    let how: Vec<String> = list(&value, "/clauses").iter().map(|row| show::cell(&row["how"])).collect();
    assert_eq!(how, ["guardrail, tenant", "tenant", "duty"]);
}

#[test]
fn two_lines_say_how_fresh_it_is() {
    let lines = |known: &Known| -> Vec<String> {
        let (_, table) = known.shown(&Filter::default());
        let lines: Vec<&str> = table.lines().collect();
        lines[lines.len() - 2..].iter().map(|line| line.to_string()).collect()
    };
    let mut known = known();
    assert_eq!(lines(&known), ["Age of proofs: median 40 s, worst 5 min (7.2-B-\u{fffd}b), 2 clause(s) without \
        a proof; objective NOT kept (median below 60 s, all below 15 min)",
        "Last day: nobody looked for 2 min in all, 2 gap(s)"]);
    known.fresh = json!({ "clauses": { "median_seconds": 1, "worst_seconds": null, "worst_clause": null,
        "without_proof": 0 }, "objective": { "median_below_seconds": 60, "worst_below_seconds": 900,
        "attained": true }, "gaps": [] });
    assert_eq!(lines(&known), ["Age of proofs: median 1 s, worst unknown; objective kept (median below 60 s, \
        all below 15 min)", "Last day: no gaps"]);
    let (value, _) = known.shown(&Filter::default());
    assert_eq!(value["freshness"]["objective"]["attained"], true);
}

#[test]
fn a_page_is_of_the_list_as_it_is_now() {
    let some = options("--html x.html --every 10 --state failed").unwrap();
    assert_eq!((some.html, some.every), (Some("x.html".into()), Some(10)));
    for bad in ["--every 10", "--html x --every 0", "--html x --every soon", "--html x --at \
        2026-01-31T08:00:00Z"] {
        assert!(options(bad).is_err(), "{bad}");
    }
    let (value, _) = known().shown(&Filter::default());
    let live: jinyun_report::html::live::Live = serde_json::from_value(value).unwrap();
    let said: Vec<_> = live.clauses.iter().map(|row| (row.clause.as_str(), row.proof_age_seconds)).collect();
    assert_eq!(said, [("7.2-B-a", Some(40)), ("7.2-B-b", None), ("7.20-B-a", None)]);
    assert_eq!(live.freshness.unwrap().unseen(), 150);
}

fn posture() -> Value {
    let point = |is: &str, entry: u64| json!({ "is": is, "since": "2026-01-01T00:00:00Z", "entry": entry });
    json!({
        "at": "2026-01-31T08:00:00Z", "from": "journal",
        "checks": { "arp": point("met", 5) },
        "clauses": { "7.2-B-b": point("met", 6), "7.2-B-b/tenant": point("tenant", 4),
            "OLD-1": point("failed", 3) },
        "seal": { "at": "2026-01-31T07:30:00Z", "entry": 11, "holds": true },
        "gap": { "from": "2026-01-31T07:50:00Z", "to": "2026-01-31T09:50:00Z", "seconds": 7200 },
    })
}

#[test]
fn a_past_moment_is_told_by_the_journal() {
    let past = |filter: &str| then(&options(filter).unwrap().filter, &posture(), &clauses());
    let (value, table) = past("");
    assert_eq!((value["clauses"].as_array().unwrap().len(), &value["clauses"][0]["entry"]),
        (1, &json!(6)));
    for want in ["The seal of 2026-01-31T07:30:00Z (entry 11) holds", "(2 h); shown is how it stood before",
        "as of 2026-01-31T08:00:00Z", "1 met"] {
        assert!(table.contains(want), "{want} in\n{table}");
    }
    // A clause that no catalogue has any more is there for whoever asks for all.
    let (value, _) = past("--standard all");
    let names: Vec<&str> = list(&value, "/clauses").iter().map(|c| text(c, "/clause")).collect();
    assert_eq!(names, ["7.2-B-b", "OLD-1"]);
    assert_eq!(past("--state tenant").0["clauses"].as_array().unwrap().len(), 1);
    assert_eq!(upto(&posture()), 11);
}

#[test]
fn whoever_reads_chinese_gets_it() {
    let mut known = known();
    known.clauses[0]["title_zh"] = "加密".into();
    let (_, table) = known.shown(&options("--lang zh").unwrap().filter);
    assert!(table.contains("加密") && table.contains("不符合") && !table.contains("title of"), "{table}");
    let shown = options("show 7.2-B-b --lang zh").unwrap();
    assert!(shown.filter.zh() && !shown.filter.given());
    assert!(options("--lang fr").is_err());
    let mut clause = clauses().remove(1);
    clause["answer"] = json!({ "checks": ["arp"], "missing": "the rest", "missing_zh": "其余" });
    clause["tenant"]["does_zh"] = "查看其规则".into();
    let mut findings = findings();
    findings.truncate(2);
    findings[0]["says_nothing_about_zh"] = "其他各处".into();
    let mut whole = Whole {
        clause: &clause, findings: &findings, history: vec![], times: vec![], gaps: &[],
        period: ("a", "b"), then: None, age: None, zh: true,
    };
    let said = whole.text();
    // What was not told in Chinese stands in English.
    for want in ["标题", "其余", "查看其规则", "其他各处", "the rest", "未回答"] {
        assert!(said.contains(want), "{want} in\n{said}");
    }
    whole.zh = false;
    let said = whole.text();
    assert!(!said.contains("其余") && said.contains("looks at its rules"), "{said}");
}

#[test]
fn one_clause_is_shown_with_all_that_it_rests_on() {
    let (clauses, findings) = (clauses(), findings());
    let change = json!({ "at": "2026-01-02T00:00:00Z", "entry": 9, "half": "provider", "from": "met",
        "to": "failed" });
    let times: Vec<Value> = (0..15).map(|n| json!({ "from": format!("f{n}"), "to": "t", "seconds": 60 }))
        .collect();
    let violation = json!({ "clause": "7.2-B-b", "half": "provider", "times": times, "seconds": 900,
        "lasts": true });
    let gaps = [json!({ "from": "a", "to": "b", "seconds": 5 })];
    let then = moment(&posture(), &clauses[1]);
    let mut whole = Whole {
        clause: &clauses[1], findings: &findings, history: vec![&change], times: vec![&violation],
        gaps: &gaps, period: ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), then: None, age: None,
        zh: false,
    };
    let said = whole.text();
    for want in ["provider     failed", "tenant       tenant", "looked at     3 of 9", "method        attack",
        "silent about  the rest", "journal       7, 8", "met   failed", "15 min in all, still",
        "3 earlier", "f14 to t", "nobody looked  1 time(s)", "checks       arp, tls"] {
        assert!(said.contains(want), "{want} in\n{said}");
    }
    assert!(!said.contains('\u{1b}') && !said.contains("f2 to"), "{said}");
    assert_eq!(whole.value()["violations"][0]["times"].as_array().unwrap().len(), 15);
    whole.then = Some(&then);
    let said = whole.text();
    for want in ["as of ", "met since 2026-01-01T00:00:00Z (entry 6)", "tenant since", "arp    met"] {
        assert!(said.contains(want), "{want} in\n{said}");
    }
    // Today's state is none of a past moment's.
    let value = whole.value();
    assert!(value["clause"].get("state").is_none() && value.get("findings").is_none(), "{value}");
    assert_eq!(value["then"]["clause"]["is"], "met");
}
