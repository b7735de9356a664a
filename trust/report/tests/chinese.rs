//! What an assessor reads is in Chinese beside English, in the page, on paper and in statements.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{MADE, assessment};
use jinyun_report::model::Assessment;
use jinyun_report::statement::statements;
use jinyun_report::{Made, html, pdf};
use serde_json::json;

/// As a PDF has a Chinese text.
fn hex(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("{unit:04x}")).collect()
}

#[test]
fn each_text_stands_in_both_languages() {
    let mut whole = assessment("assessment.json");
    let clause = whole.standards[0].clauses.iter_mut()
        .find(|c| !c.missing.is_empty()).expect("a clause with an open part");
    (clause.platform, clause.evidence) = ("what it does".into(), "what shows it".into());
    clause.missing_zh = "主机上的 <其余> 部分".into();
    clause.platform_zh = "平台做法".into();
    clause.evidence_zh = "证明材料".into();
    let id = clause.id.clone();
    let shared = whole.standards[0].clauses.iter_mut().find(|c| !c.tenant_does.is_empty()).expect("a half");
    shared.tenant_does_zh = "租户要做的事".into();
    shared.seen_zh = "平台所见".into();
    whole.findings[0].says_nothing_about_zh = "两次查看之间的情况".into();
    whole.duties[0].owner_zh = "机房主管".into();
    let made = Made { of: &whole, at: MADE, diff: None, checkpoints: &[] };
    let page = html::page(&made);
    for word in ["主机上的 &lt;其余&gt; 部分", "平台做法", "证明材料", "租户要做的事", "平台所见",
        "两次查看之间的情况", "机房主管"] {
        assert!(page.contains(word), "{word}");
    }
    let part = |name: &str| {
        let rest = page.split(&format!("id=\"{name}\"")).nth(1).unwrap_or_else(|| panic!("{name}"));
        rest.split("</section>").next().unwrap().to_string()
    };
    for name in ["clauses", "limits"] {
        assert!(part(name).contains("主机上的 &lt;其余&gt; 部分"), "{name}: {id}");
    }
    assert!(part("duties").contains("机房主管"));
    assert!(part("limits").contains("两次查看之间的情况"));
    // In which language findings speak is said once, where they stand.
    assert_eq!(page.matches("不作翻译").count(), 1);
    assert!(part("findings").contains("不作翻译"));
    let paper = String::from_utf8(pdf::pdf(&made)).unwrap();
    for word in ["部分", "两次查看之间的情况", "机房主管", "不作翻译"] {
        assert!(paper.contains(&hex(word)), "{word}");
    }
    let said = statements(&whole, MADE);
    assert!(said.iter().any(|s| s.html.contains("租户要做的事")));
    assert!(said[0].json.to_string().contains("\"provider_does_zh\":\"平台做法\""));
}

#[test]
fn without_chinese_the_english_stands_alone() {
    let whole = assessment("assessment.json");
    let page = html::page(&Made { of: &whole, at: MADE, diff: None, checkpoints: &[] });
    let missing = whole.clauses().map(|(_, c)| &c.missing).find(|m| m.is_ascii() && m.len() > 1).unwrap();
    let first = missing.split(['<', '&', '"', '\'']).next().unwrap();
    assert!(page.contains(&format!("<span lang=\"en\">{first}")));
    assert!(!page.contains("<span lang=\"zh\"></span>"));
}

#[test]
fn rows_of_a_list_bring_their_chinese() {
    let report = json!({ "report": { "standard": "JR/T 0167-2020", "began": 1, "ended": 2, "clauses": [
        { "id": "1", "state": "partly", "platform": "p", "platform_zh": "平台", "duty": "both",
          "answer": { "checks": ["x"], "missing": "the rest", "missing_zh": "其余" },
          "tenant": { "does": "it", "does_zh": "此事", "seen": "all", "seen_zh": "全部" } },
        { "id": "2", "state": "not_built", "answer": { "not_built": "all", "not_built_zh": "全无" } },
        { "id": "3", "state": "tenant", "answer": { "tenant": "a", "tenant_zh": "甲", "seen": "b",
            "seen_zh": "乙" } },
        { "id": "4", "state": "informative", "note": "n", "note_zh": "注", "answer": { "facts": "f" } },
        { "id": "5", "state": "informative", "note": "n", "answer": { "facts": "f", "facts_zh": "事实" } },
    ] } });
    let read = Assessment::read(&report).unwrap();
    let got: Vec<[&str; 4]> = read.clauses().map(|(_, c)| {
        [&c.missing_zh, &c.tenant_does_zh, &c.seen_zh, &c.note_zh].map(String::as_str)
    }).collect();
    // A remark's Chinese does not stand for another text.
    assert_eq!(got, [["其余", "此事", "全部", ""], ["全无", "", "", ""], ["", "甲", "乙", ""],
        ["", "", "", ""], ["", "", "", "事实"]]);
    assert_eq!(read.clauses().next().unwrap().1.platform_zh, "平台");
}
