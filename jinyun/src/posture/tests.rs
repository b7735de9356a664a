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

fn ids(filter: &str) -> Vec<String> {
    let (value, _) = now(&options(filter).unwrap().filter, &clauses(), &findings());
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
    let (_, table) = now(&Filter::default(), &clauses, &findings);
    assert!(table.starts_with("CLAUSE ") && table.ends_with("1 due, 1 failed, 1 met"), "{table}");
    assert!(table.contains("40 s") && table.contains("title of 7.2-B-b"), "{table}");
    let told: Vec<String> = [0, 119, 120, 7200, 172_800].map(long).into();
    assert_eq!(told, ["0 s", "119 s", "2 min", "2 h", "2 d"]);
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
