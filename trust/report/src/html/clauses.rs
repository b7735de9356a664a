//! The clauses: lists by state that lead to them, then a table for each chapter.

use super::{anchor, badge, both, clause_anchor, esc, row, table, titles, told};
use crate::Made;
use crate::model::{Clause, Standard, State};
use crate::words::{self, Both, STATES};

const HEADS: [Both; 6] = [
    ("条款", "Clause"), ("级别", "Grade"), ("责任方", "Whose"), ("标题", "Title"), ("状态", "State"),
    ("检查", "Checks"),
];

/// All standards.
pub(super) fn all(made: &Made<'_>) -> String {
    made.of.standards.iter().map(|s| standard(made, s)).collect()
}

/// Lists by state and by chapter stand in for filters.
fn standard(made: &Made<'_>, standard: &Standard) -> String {
    let chapters = words::chapters(&standard.clauses);
    let place = |name: &str| anchor(&["ch", &standard.id, name]);
    let links: String = chapters.iter()
        .map(|(name, _)| format!("<a href=\"#{}\">{}</a> ", place(name), esc(name))).collect();
    let mut body = format!("<h3>{}</h3>\n<p>{}: {links}</p>\n", esc(&standard.name),
        both(("按章", "By chapter")));
    for state in STATES {
        let chosen: Vec<String> = standard.clauses.iter().filter(|c| c.state == state)
            .map(|c| format!("<a href=\"#{}\">{}</a>", clause_anchor(standard, c), esc(&c.id))).collect();
        if !chosen.is_empty() {
            body.push_str(&format!("<p>{} ({}): {}</p>\n", badge(state), chosen.len(), chosen.join(" ")));
        }
    }
    for (name, clauses) in &chapters {
        let rows: Vec<String> = clauses.iter().map(|c| line(made, standard, c)).collect();
        body.push_str(&format!("<h3 id=\"{}\">{} {}</h3>\n{}", place(name), esc(&standard.name),
            esc(name), table(&HEADS, &rows)));
    }
    body
}

fn line(made: &Made<'_>, standard: &Standard, clause: &Clause) -> String {
    let mut state = badge(clause.state);
    if let Some(tenant) = clause.tenant_state {
        state.push_str(&format!("<br>{}: {}", both(("租户", "tenant")), badge(tenant)));
    }
    if let Some(oldest) = made.of.findings_of(clause).iter().map(|f| f.at).min() {
        state.push_str(&format!("<br>{}", esc(&words::age(made.at, oldest))));
    }
    let bad = matches!(clause.state, State::Failed | State::Overdue);
    if let Some(since) = clause.since.filter(|_| bad) {
        state.push_str(&format!("<br>{} {}", both(("始于", "since")), esc(&words::minute(Some(since)))));
    }
    let mut title = titles(&clause.title_zh, &clause.title_en);
    if !clause.missing.is_empty() {
        title.push_str(&format!("<br>{}: {}", both(("未回答", "not answered")),
            told(&clause.missing_zh, &clause.missing)));
    }
    let checks: Vec<String> = clause.checks.iter().map(|name| {
        match made.of.findings.iter().any(|f| f.check == *name) {
            true => format!("<a href=\"#{}\">{}</a>", anchor(&["f", name]), esc(name)),
            false => esc(name),
        }
    }).collect();
    let id = clause_anchor(standard, clause);
    let name = match clause.state {
        State::Informative => format!("<span id=\"{id}\">{}</span>", esc(&clause.id)),
        _ => format!("<a id=\"{id}\" href=\"#how-{id}\">{}</a>", esc(&clause.id)),
    };
    let level = words::level(&clause.level).map_or_else(|| esc(&clause.level), both);
    row(&[name, level, both(words::side(clause.duty)), title, state, checks.join("<br>")])
}
