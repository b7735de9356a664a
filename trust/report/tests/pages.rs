//! The page, the statements and the PDF: well formed, nothing escapes, every link leads somewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{MADE, Scratch, assessment, json, kms, notes};
use jinyun_report::diff::diff;
use jinyun_report::model::{Assessment, State};
use jinyun_report::statement::statements;
use jinyun_report::html::live::{Frame, Live, page as live_page};
use jinyun_report::{Made, html, pdf};
use std::collections::BTreeSet;

/// Elements that have no end.
const VOID: [&str; 2] = ["meta", "br"];

/// Walks a page; complains about tags that do not close, doubled ids and links that lead nowhere.
fn check(page: &str) {
    let (mut open, mut links) = (Vec::<String>::new(), Vec::<String>::new());
    let mut ids = BTreeSet::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>\n").unwrap();
    while let Some(at) = rest.find('<') {
        let end = at + rest[at..].find('>').expect("a tag that does not end");
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        let name: String = tag.chars().take_while(|c| !c.is_whitespace()).collect();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "before {}", &rest[..rest.len().min(80)]);
            continue;
        }
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "<{tag}>");
        assert!(!["script", "img", "link", "iframe", "object", "form"].contains(&name.as_str()), "<{tag}>");
        let value = |key: &str| {
            tag.split_once(&format!(" {key}=\"")).map(|v| v.1.split('"').next().unwrap().to_string())
        };
        assert!(!tag.contains(" on"), "<{tag}>");
        if let Some(id) = value("id") {
            assert!(ids.insert(id.clone()), "two elements have the id {id}");
        }
        if let Some(link) = value("href") {
            links.push(link.strip_prefix('#').expect("a link to elsewhere").to_string());
        }
        if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<String>::new());
    for link in links {
        assert!(ids.contains(&link), "#{link} leads nowhere");
    }
}

#[test]
fn the_page_holds_everything_and_nothing_gets_out() {
    let scratch = Scratch::new("page");
    let whole = assessment("assessment.json");
    let mut before = whole.clone();
    before.standards[0].clauses[3].state = State::Failed;
    before.standards[0].clauses.remove(5);
    before.findings.remove(0);
    let difference = diff(&before, &whole);
    let checkpoints = notes(&kms(&scratch.0), 3);
    let made = Made { of: &whole, at: MADE, diff: Some(&difference), checkpoints: &checkpoints };
    let page = html::page(&made);
    check(&page);
    check(&html::page(&Made { diff: None, checkpoints: &[], ..made }));
    assert_eq!(page, html::page(&made), "the same twice");
    for (_, clause) in whole.clauses() {
        assert!(page.contains(&clause.title_zh), "{}", clause.id);
    }
    for word in ["&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;b&gt;are protected&lt;/b&gt; &amp; &quot;kept&quot;",
        "812, 813, 815", "what a host did between two looks", "2026-10-01 00:00 UTC", "sha256: 3 entries",
        "机房证书 2026.pdf", "one host runs an old kernel", "Seen on site", "one host did not answer",
        "9f86d081884c7d65", "not answered", ">41<", ">8<", "port_security", "So since"] {
        assert!(page.contains(word), "{word}");
    }
    // The time in violation, what lasts first; of what is many, how many more; when nobody looked.
    let times = page.split("id=\"times\"").nth(1).unwrap().split("</section>").next().unwrap();
    for word in ["1 d 1 h", "137 ", "still so at the end", "30 d 0 h", "OWN-1", "1 min 0 s", "2 h 15 min",
        "2 h 5 min", "never was as it should be"] {
        assert!(times.contains(word), "{word}");
    }
    assert!(times.find("7.2.3-E-b") < times.find("7.2.5-B-a"));
    assert!(times.find("7.2.5-B-a") < times.find("OWN-1"));
    assert!(page.contains("since</span> 2026-09-30 00:00 UTC"), "since when a clause is red");
    // Late duties stand first.
    let duties = page.split("id=\"duties\"").nth(1).unwrap();
    assert!(duties.find("6.1-E-f") < duties.find("11.4.4-E-a"));
    let changes = page.split("id=\"changes\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(changes.contains("7.1-E-a") && changes.contains("7.2.3-E-b") && !changes.contains("12-E-a"));
}

#[test]
fn todays_report_is_a_page_too() {
    let old = Assessment::read(&json("first.json")).unwrap();
    let made = Made { of: &old, at: MADE, diff: None, checkpoints: &[] };
    let page = html::page(&made);
    check(&page);
    assert!(page.contains("JR/T 0167-2020") && page.contains("duty without a date"));
    // What an old report does not tell is not nothing.
    assert!(page.contains("The assessment does not tell.") && !page.contains("When nobody looked</span></h3>"));
    assert!(pdf::pdf(&made).starts_with(b"%PDF-1.7\n"));
}

#[test]
fn what_people_wrote_is_shown_whole() {
    let mut whole = assessment("assessment.json");
    whole.assessor[0].sample = vec!["record <1>".into(), "entry 812".into()];
    (whole.assessor[0].nonce, whole.assessor[0].report) = ("visit-1".into(), "6f0c".into());
    let record = whole.duties.iter_mut().find_map(|duty| duty.records.first_mut()).unwrap();
    record.damage = "altered".into();
    let page = html::page(&Made { of: &whole, at: MADE, diff: None, checkpoints: &[] });
    check(&page);
    for word in ["record &lt;1&gt;, entry 812", "visit-1", "6f0c", "damaged, does not count</span>: altered"] {
        assert!(page.contains(word), "{word}");
    }
}

#[test]
fn what_was_stated_observed_and_how_fresh_it_was_is_shown() {
    let whole = assessment("assessment.json");
    let made = Made { of: &whole, at: MADE, diff: None, checkpoints: &[] };
    let (page, paper) = (html::page(&made), String::from_utf8(pdf::pdf(&made)).unwrap());
    let part = |id: &str| {
        let rest = page.split(&format!("id=\"{id}\"")).nth(1).unwrap_or_else(|| panic!("{id}"));
        rest.split("</section>").next().unwrap().to_string()
    };
    // A duty that was done by a statement has no empty list behind it, where it stands and at its clause.
    let said = "I &lt;inspected&gt; both contracts (2026-07-01 - 2026-07-31, secadmin, 日志条目 journal entry 640)";
    assert!(part("duties").contains(said) && part("method").contains(said));
    assert!(paper.contains("inspected") && paper.contains("640"));
    // Over which time a check came out so: as it is told, or from the time since when.
    let findings = part("findings");
    for want in ["2026-09-30 23:00 UTC - 2026-09-30 23:58 UTC", "2026-09-30 22:58 UTC - 2026-09-30 23:58 UTC"] {
        assert!(findings.contains(want), "{want} in\n{findings}");
    }
    assert!(paper.contains("Observed: 2026-09-30 23:00 UTC - 2026-09-30 23:58 UTC"));
    for want in ["14 s (&lt; 1 min 0 s", "7.4.6-E-a (&lt; 15 min 0 s", "5 min 0 s (1)", "not kept"] {
        assert!(part("times").contains(want), "{want}");
    }
    assert!(paper.contains("14 s \\(< 1 min 0 s") || paper.contains("14 s (< 1 min 0 s"));
    // Whoever does not tell is not taken for somebody who has none.
    let mut silent = whole.clone();
    silent.freshness = None;
    let page = html::page(&Made { of: &silent, ..made });
    check(&page);
    assert!(page.contains("Freshness of evidence") && page.contains("The assessment does not tell."));
}

#[test]
fn the_page_that_is_alive_says_how_old_everything_is() {
    let live: Live = serde_json::from_value(serde_json::json!({
        "from": "memory", "freshness": json("assessment.json")["freshness"],
        "clauses": [
            { "standard": "jrt0167", "clause": "7.1-E-a", "tier": "extended", "state": "met",
              "how": ["check", "guardrail"], "proof_age_seconds": 41, "title_zh": "加密", "title_en": "<b>TLS" },
            { "standard": "jrt0167", "clause": "7.2.3-E-b", "state": "stale", "tenant_state": "failed",
              "how": ["attack"], "proof_age_seconds": null, "title_en": "rules" },
            { "standard": "guide", "clause": "GD-1", "state": "of next year", "tenant_state": null,
              "how": ["by magic"] },
        ],
    })).unwrap();
    let frame = Frame { of: "https://a:1/\"<x>", every: Some(10), trouble: None };
    let page = live_page(&live, frame);
    check(&page);
    for want in ["<meta http-equiv=\"refresh\" content=\"10\">", "default-src 'none'", "&lt;b&gt;TLS", "41 s",
        "https://a:1/&quot;&lt;x&gt;", "guardrail", "attack", "unknown", "2026-09-30T23:59:00Z", "jrt0167",
        "guide"] {
        assert!(page.contains(want), "{want}");
    }
    assert!(!page.contains("could not be made anew"));
    let open = page.split("id=\"open\"").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(open.matches("7.2.3-E-b").count(), 1, "in both halves something, told once");
    assert!(!open.contains("7.1-E-a") && !open.contains("GD-1"));
    // One that is made once is not loaded again; one that could not be made anew says so.
    let page = live_page(&live, Frame { every: None, trouble: Some("nothing <answers>"), ..frame });
    check(&page);
    assert!(!page.contains("http-equiv=\"refresh\"") && page.contains("nothing &lt;answers&gt;"));
    check(&live_page(&Live::default(), frame));
}

#[test]
fn each_tenant_gets_its_own_statement() {
    let whole = assessment("assessment.json");
    let made = statements(&whole, MADE);
    let names: Vec<&str> = made.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["responsibility-bank", "responsibility-fund"]);
    made.iter().for_each(|s| check(&s.html));
    assert!(made[0].html.contains("第一银行 &lt;Bank &amp; Co&gt;"));
    assert!(!made[1].html.contains("第一银行") && !made[1].json.to_string().contains("第一银行"));
    let state = |place: usize, id: &str, half: &str| {
        let clauses = made[place].json["standards"][0]["clauses"].as_array().unwrap();
        clauses.iter().find(|c| c["id"] == id).unwrap()[half].clone()
    };
    for (place, id, provider, tenant) in [
        (0, "7.2.3-E-b", "met", "failed"),
        (0, "11.2.1-B-b", "null", "overdue"),
        (1, "11.2.1-B-b", "null", "due"),
        (1, "7.1-E-a", "met", "null"),
    ] {
        let told = [state(place, id, "provider_state"), state(place, id, "tenant_state")]
            .map(|s| s.as_str().unwrap_or("null").to_string());
        assert_eq!(told, [provider, tenant], "{place} {id}");
    }
    assert_eq!(made[0].json["counts"], serde_json::json!(
        { "provider": 12, "tenant": 1, "both": 2, "not_said": 0 }));
    let mut none = whole.clone();
    none.tenants.clear();
    assert_eq!(statements(&none, MADE)[0].name, "responsibility-general");
}

#[test]
fn the_pdf_has_every_clause_and_goes_over_pages() {
    let mut whole = assessment("assessment.json");
    let clauses = whole.standards[0].clauses.clone();
    for i in 0..20 {
        whole.standards[0].clauses.extend(clauses.iter().cloned().map(|mut c| {
            c.id = format!("{}-{i}", c.id);
            c
        }));
    }
    whole.standards[0].clauses[0].title_en = "endless ".repeat(2000);
    let made = Made { of: &whole, at: MADE, diff: None, checkpoints: &[] };
    let bytes = pdf::pdf(&made);
    assert_eq!(bytes, pdf::pdf(&made), "the same twice");
    let text = String::from_utf8(bytes).unwrap();
    for (_, clause) in whole.clauses() {
        assert!(text.contains(&format!("({}) Tj", clause.id)), "{}", clause.id);
    }
    assert!(text.matches("endless").count() >= 2000);
    for word in ["(7.2.5-B-a) Tj", "1 d 1 h", "OWN-1"] {
        assert!(text.contains(word), "{word}");
    }
    let pages = text.matches("/Type /Page ").count();
    assert!(pages > 10 && text.contains(&format!("/Count {pages} ")));
}
