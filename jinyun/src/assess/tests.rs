//! What is chosen of an assessment, and what its lines say.

use super::*;
use clap::Parser;
use jinyun_evidence::{Context, DutyStanding};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn options(text: &str) -> Options {
    Line::try_parse_from(std::iter::once("assess").chain(text.split_whitespace())).unwrap().options
}

fn report() -> Report {
    let found = |check: &str, verdict, at| Finding {
        check: check.into(),
        verdict,
        population: 2,
        sampled: 1,
        method: Method::Check,
        at,
        half: Half::Provider,
        says: format!("{check} said so"),
        says_nothing_about: "the rest".into(),
        entries: vec![7],
    };
    let findings = vec![found("tls-only", Verdict::Met, 90 * Time::SECOND),
        found("spoofed-arp", Verdict::Failed, 0), found("filter-as-recorded", Verdict::Met, 0)];
    let kept = DutyStanding { last: None, due: 86_400 * Time::SECOND };
    let context = Context {
        now: Time(100 * Time::SECOND),
        duties: [("6.1-E-f".to_string(), kept)].into(),
        ..Context::default()
    };
    Report::new(Catalogue::shipped().unwrap(), "test", Time(0), findings, Vec::new(), &context)
}

fn shown(text: &str) -> (Report, Vec<String>) {
    let (mut report, options) = (report(), options(text));
    let states = report.clauses.iter().map(|s| (s.clause.id.clone(), s.state)).collect();
    let now = Time(report.ended);
    let (proofs, observed) = (proofs(&report), json!({ "spoofed-arp": { "from": 0, "to": 40_000_000 } }));
    choose(&mut report, &options, now).unwrap();
    let lines = {
        let zh = options.lang.as_deref() == Some("zh");
        let view = View { report: &report, states, proofs, observed: &observed, now: now.0, zh };
        match options.clause {
            Some(_) => report.clauses.iter().map(|s| view.detail(s)).collect(),
            None => view.overview(options.narrows()),
        }
    };
    (report, lines)
}

#[test]
fn ages_and_times_are_read_and_rounded() {
    let said: Vec<String> =
        [0, 41, 119, 120, 7199, 7200].map(|s| ago(s * 1_000_000, 0)).into();
    assert_eq!(said, ["0 s", "41 s", "119 s", "2 min", "119 min", "2 h"]);
    assert_eq!(ago(0, 5_000_000), "0 s");
    for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("1d", 86_400), ("0s", 0)] {
        assert_eq!(since(text), Ok(seconds * Time::SECOND), "{text}");
    }
    for bad in ["", "s", "15", "-1m", "1.5h", "1 d", "9999999999d", "15分", "1M"] {
        assert!(since(bad).is_err(), "{bad}");
    }
    assert_eq!((pad("符合", 6).as_str(), pad("MET", 6).as_str()), ("符合  ", "MET   "));
    assert_eq!(pad("NOT PROVED", 4), "NOT PROVED");
}

#[test]
fn filters_choose_clauses_and_what_they_rest_on() {
    let ids = |text: &str| -> Vec<String> {
        shown(text).0.clauses.into_iter().map(|s| s.clause.id).collect()
    };
    let count = |text: &str| shown(text).0.clauses.len();
    assert_eq!((count(""), count("--standard all"), count("--standard guide")), (302, 751, 59));
    assert_eq!(ids("--clause 7.2.5-B-a"), ["7.2.5-B-a"]);
    assert_eq!(ids("--clause GD-C3"), ["GD-C3"]);
    assert_eq!(ids("--clause 7.2.5 --level basic"), ["7.2.5-B-a", "7.2.5-B-b"]);
    assert_eq!(ids("--clause 7.2.5 --tier basic"), ids("--clause 7.2.5 --level basic"));
    assert_eq!(ids("--state met"), ["7.1-E-a"]);
    assert_eq!(ids("--state failed"), ["7.2.5-B-b"]);
    assert_eq!(ids("--since 30s"), ids("--since 10s"));
    assert!(ids("--since 10s").contains(&"7.1-E-a".to_string()));
    assert!(!ids("--since 10s").contains(&"7.2.5-B-b".to_string()));
    assert_eq!(count("--since 9s"), 0);
    assert_eq!(count("--area phy"), count("--area PHY"));
    assert!(ids("--area PHY").iter().all(|id| id.starts_with("6.1")));
    // The tenant's half counts too.
    assert!(ids("--state tenant").contains(&"7.2.2-E-c".to_string()));
    let mut report = report();
    let none = choose(&mut report, &options("--clause 99"), Time(0)).unwrap_err();
    assert!(none.code == MISSING && none.say.contains("no clause `99`"), "{}", none.say);
    // Findings that no chosen clause rests on are not shown.
    assert_eq!(shown("--clause 7.1-E-a").0.findings.len(), 1);
    let none = choose(&mut report, &options("--standard iso"), Time(0)).unwrap_err();
    assert!(none.code == MISSING && none.say.contains("jrt0167, framework"), "{}", none.say);
    for (bad, want) in [("--format json --to x", "is printed"),
        ("--format html --to x --level basic", "leave the filters out"),
        ("--format pdf --to x --clause 7.2.5", "leave the filters out"),
        ("--format oscal --to x --lang zh", "leave --lang out")] {
        let failed = options(bad).document().unwrap_err();
        assert!(failed.code == USAGE && failed.say.contains(want), "{bad}: {}", failed.say);
    }
    for bad in ["--state good", "--level easy", "--area XYZ", "--since soon",
        "--lang fr", "--format oscal", "--format pack --to x", "--to x"] {
        let words = std::iter::once("assess").chain(bad.split_whitespace());
        assert!(Line::try_parse_from(words).is_err(), "{bad}");
    }
}

#[test]
fn lines_say_state_reason_and_counts() {
    let text = |options: &str| shown(options).1.join("\n");
    let (overview, counts) = (text(""), report().counts);
    for want in [
        format!("{:<11} {:<9} {:<10}  {:<20}  Remote API calls use HTTPS only", "7.1-E-a", "extended", "MET",
            "check 10 s"),
        "spoofed-arp: spoofed-arp said so".into(),
        "JR/T 0167: 1 met (median age 10 s) · ".into(),
        format!(" · 1 failed · {} not proved · {} not built (counts as failed; --state not_built lists them) · ",
            counts.error, counts.not_built),
        format!(" · {} duties (1 due within 30 days, 0 overdue)", counts.due),
    ] {
        assert!(overview.contains(&want), "{want} in\n{overview}");
    }
    assert!(!overview.contains("NOT BUILT"), "{overview}");
    let rest = text("--state not_built");
    assert!(rest.contains("missing: no dedicated lines and no VPN"));
    assert!(!rest.contains("lists them"), "they are there");
    assert!(!text("--clause 7.1-E-a").contains("observed"), "what is not told is not made up");
    assert!(text("--clause 6.1-E-f").contains("facility manager, P1Y, due 1970-01-02"));
    assert!(text("--clause 6.1-E-a").contains("no due date is known"));
    assert!(text("--clause GD-C3").contains("as 10.1-B-c "));
    let paper = text("--clause 9.7-E-b");
    for want in ["needs 9.7-B-1 NOT BUILT", "open: no backups that could be tested"] {
        assert!(paper.contains(want), "{want} in\n{paper}");
    }
    assert!(text("--clause 10.5-B-b").contains("open: no certified module"));
    let zh = text("--clause 6.1-E-f --lang zh");
    for want in ["防雷", "机房主管", "到期 1970-01-02", "待办", "服务商"] {
        assert!(zh.contains(want), "{want} in\n{zh}");
    }
    let one = text("--clause 7.2.5-B-b");
    for want in ["FAILED", "says nothing about: the rest", "[1 of 2 sampled]", "journal 7",
        "observed 1970-01-01T00:00:00Z .. 1970-01-01T00:00:40Z (60 s)"] {
        assert!(one.contains(want), "{want} in\n{one}");
    }
}

#[test]
fn each_clause_says_how_it_is_proved() {
    let report = report();
    let proofs = proofs(&report);
    let told = |id: &str| {
        let Proof { how, at, without } = &proofs[id];
        (how.iter().copied().collect::<Vec<_>>().join("+"), at.map(|at| at / Time::SECOND), *without)
    };
    // By a check that found something, through a row that answers it, by a duty without a record.
    assert_eq!(told("7.1-E-a"), ("check".into(), Some(90), false));
    assert_eq!(told("6.1-E-f"), ("duty".into(), None, false));
    let same = report.clauses.iter().find(|s| {
        matches!(&s.clause.answer, Way::SameAs { same_as } if same_as.len() == 1 && same_as[0] == "6.1-E-f")
    });
    if let Some(same) = same {
        assert_eq!(told(&same.clause.id), told("6.1-E-f"));
    }
    // One whose check did not run has no age, and a tenant's own list is nobody's check.
    for standing in &report.clauses {
        let (how, _, without) = told(&standing.clause.id);
        let lost = standing.clause.checks().any(|name| report.findings.iter().all(|f| f.check != name));
        assert!(!lost || without, "{}", standing.clause.id);
        match &standing.clause.answer {
            Way::Tenant { .. } => assert!(how.contains("tenant"), "{}", standing.clause.id),
            Way::Duty { .. } => assert!(how.contains("duty"), "{}", standing.clause.id),
            _ => {}
        }
    }
    for rail in jinyun_access::guardrails() {
        let named = rail.clauses.iter().filter(|id| proofs.contains_key(**id));
        named.for_each(|id| assert!(told(id).0.contains("guardrail"), "{id}"));
    }
}
