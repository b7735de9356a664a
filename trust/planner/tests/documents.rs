//! The example of 40 systems, its document, and what documents must never do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{institution, plan_of, read_rows, row};
use jinyun_planner::read::{csv, yaml};
use jinyun_planner::{Inventory, Lang, html, markdown, plan};
use std::path::{Path, PathBuf};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

fn example() -> Inventory {
    yaml::read(&std::fs::read_to_string(samples().join("insurer.yaml")).unwrap()).unwrap()
}

#[test]
fn the_table_holds_the_same_rows() {
    let table = csv::read(&std::fs::read_to_string(samples().join("insurer.csv")).unwrap()).unwrap();
    let example = example();
    assert_eq!(example.systems.len(), 40);
    for (ours, theirs) in example.systems.iter().zip(&table.systems) {
        assert_eq!(ours, theirs, "{}", ours.id());
    }
    assert_eq!(table.systems.len(), 40);
}

/// A table has no place for the institution; with what a document of its own says it is the same plan.
#[test]
fn the_table_with_its_institution_gives_the_same_plan() {
    let file = |name: &str| std::fs::read_to_string(samples().join(name)).unwrap();
    let mut table = csv::read(&file("insurer.csv")).unwrap();
    let bare = plan(&table);
    table.institution = yaml::about(&file("insurer.institution.yaml")).unwrap();
    let (ours, theirs) = (plan(&example()), plan(&table));
    assert_eq!(serde_json::to_string(&ours).unwrap(), serde_json::to_string(&theirs).unwrap());
    assert_eq!(bare.questions.len(), ours.questions.len() + 5, "without it the table asks");
}

#[test]
fn the_example_has_a_bit_of_everything() {
    let plan = plan(&example());
    let summary = serde_json::to_value(&plan.summary).unwrap();
    let want = serde_json::json!({ "1": 9, "2": 13, "3": 11, "4": 6, "undecided": 1 });
    assert_eq!(summary["class"], want);
    let want = serde_json::json!({ "public": 3, "community": 20, "private": 13, "hybrid": 1,
        "stay": 2, "undecided": 1 });
    assert_eq!(summary["model"], want);
    let want = serde_json::json!({ "1": 9, "2": 6, "3": 16, "4": 6, "stay": 2, "undecided": 1 });
    assert_eq!(summary["wave"], want);
    assert_eq!(summary["barred"], 3);
    let groups: Vec<String> = plan.groups.iter().map(|g| g.systems.join(" ")).collect();
    assert_eq!(groups, ["expenses finance", "appraisal staff", "customers crm", "core claims receipts"]);
    assert_eq!(plan.undecided, ["supervision"]);
    let asked: Vec<_> = plan.questions.iter().map(|q| (q.system.as_deref(), q.field, q.again)).collect();
    assert_eq!(asked, [(Some("supervision"), "encryption", false), (Some("supervision"), "rpo", false),
        (Some("group-life"), "level", true)]);
    let open: Vec<String> = plan.conditions.iter().map(|c| c.systems.join(" ")).collect();
    assert_eq!(open, ["expenses finance", "appraisal staff"]);
}

/// The document as it was last reviewed. After a change of the rules it is written again by the
/// command below, and the difference is read before it is kept.
#[test]
fn the_examples_document_was_reviewed() {
    let path = samples().join("insurer.plan.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let now = markdown(&plan(&example()), Lang::Zh);
    let line = now.lines().zip(kept.lines()).position(|(now, kept)| now != kept);
    assert!(now == kept, "{} {}; read the difference after\n    cargo run -q -p jinyun-planner --example \
        plan -- trust/planner/samples/insurer.yaml > trust/planner/samples/insurer.plan.md",
        path.display(), match (kept.is_empty(), line) {
            (true, _) => "is not there".to_string(),
            (false, Some(line)) => format!("differs from line {}", line + 1),
            (false, None) => "differs at its end".to_string(),
        });
}

#[test]
fn the_same_inventory_gives_the_same_plan() {
    let (one, two) = (plan(&example()), plan(&example()));
    assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&two).unwrap());
    for lang in [Lang::Zh, Lang::En] {
        assert_eq!(markdown(&one, lang), markdown(&two, lang));
        assert_eq!(html(&one, lang), html(&two, lang));
    }
}

#[test]
fn documents_are_whole_in_both_languages() {
    let plan = plan(&example());
    for (lang, parts) in [
        (Lang::Zh, ["摘要", "迁移批次", "先行工作", "责任划分矩阵", "项目与护栏", "待答问题",
            "需求分析", "引用的条款"]),
        (Lang::En, ["Summary", "Waves", "Before anything moves", "Who answers for what",
            "Projects and guardrails", "Questions", "Needs", "Clauses cited"]),
    ] {
        let (text, page) = (markdown(&plan, lang), html(&plan, lang));
        for part in parts {
            assert!(text.contains(part) && page.contains(part), "{part}");
        }
        for system in &plan.systems {
            let name = lang.pick(&system.name, &system.name_en);
            assert!(text.contains(name) && page.contains(name), "{name}");
        }
        for clause in &plan.clauses {
            assert!(text.contains(clause.id), "{}", clause.id);
        }
        assert_eq!(page.matches("<section>").count(), page.matches("</section>").count());
        assert_eq!(page.matches("<svg").count(), 1);
        // Nothing is fetched and nothing runs. The one address is the name of SVG.
        let page = page.replace("http://www.w3.org/2000/svg", "");
        for bad in ["http:", "https:", "<script", "<link", "<img", "url(", " on"] {
            let there = page.match_indices(bad).any(|(at, _)| bad != " on" || handler(&page[at..]));
            assert!(!there, "{bad}");
        }
    }
}

/// Whether an attribute like ` onload=` begins here.
fn handler(text: &str) -> bool {
    let word = text.trim_start().split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
    word.len() > 2 && text.trim_start()[word.len()..].starts_with('=')
}

#[test]
fn names_never_become_markup() {
    let nasty = "<script>alert('x')</script>\"&|`*_[a](b)#";
    let plan = plan_of(vec![row("a", &[("name", nasty), ("owner", nasty), ("purpose", nasty)]),
        row("b", &[("depends_on", "a")])]);
    for lang in [Lang::Zh, Lang::En] {
        let page = html(&plan, lang);
        assert!(!page.contains("<script") && !page.contains("alert('x')"));
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"));
        let text = markdown(&plan, lang);
        assert!(!text.contains("<script") && !text.contains("[a](b)"));
        assert!(text.contains("\\|\\`\\*\\_\\[a\\](b)\\#"), "a pipe would end a cell");
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let table: Vec<usize> = text.lines().filter(|l| l.starts_with("| a.prod ")).map(cells).collect();
        assert_eq!(table, [9]);
    }
}

#[test]
fn the_summary_lists_what_is_open() {
    let plan = plan(&example());
    for (lang, start, count, name) in [
        (Lang::Zh, "## 迁移批次", "未决条件 2 项，涉及 4 个系统", "- G1 费控系统、财务管理："),
        (Lang::En, "## Waves", "2 open conditions, about 4 systems", "- G1 expense control, finance and"),
    ] {
        let text = markdown(&plan, lang);
        let (summary, rest) = text.split_once(start).unwrap();
        assert!(summary.contains(count) && summary.contains(name), "{summary}");
        let marked = rest.lines().filter(|l| l.starts_with("| ") && l.contains(lang.pick(" 未决 |", " open |")));
        assert_eq!(marked.count(), 4);
    }
}

#[test]
fn other_systems_are_called_by_their_names() {
    let text = markdown(&plan(&example()), Lang::Zh);
    let row = text.lines().find(|line| line.contains("GD-N8 互操作") && line.contains("统一客户信息")).unwrap();
    assert!(!row.contains("customers"), "{row}");
}

#[test]
fn a_plan_says_which_institution_and_what_it_does_not_know() {
    let mut named = institution(&[]);
    named["name"] = "示例".into();
    let plan = plan(&read_rows(named, vec![row("a", &[])]).unwrap());
    assert!(markdown(&plan, Lang::Zh).starts_with("# 示例信息系统云化规划\n"));
    assert!(plan.questions.is_empty());
    let bare = csv::read("id,name\na,A\n").unwrap();
    let plan = jinyun_planner::plan(&bare);
    let institution = plan.questions.iter().filter(|q| q.system.is_none()).count();
    assert_eq!(institution, 5, "a table does not say anything about the institution");
    assert_eq!(plan.undecided, ["a"]);
    assert!(plan.projects.is_empty() && plan.waves.is_empty());
    assert!(html(&plan, Lang::Zh).contains("待定"));
}
