//! The posture on one page: how each clause stands now, how it was proved, and how old that is.
//!
//! Whoever answers for a platform wants to see it, and not to ask for it. So this page is made anew every
//! few seconds and asks its reader to load it again; it has no scripts, like all pages of ours, and opens
//! from a file. What stops being made must not look alive: the page says of which moment it is, and what
//! went wrong when it could not be made anew.

use super::{NONE, badge, both, esc, facts, framed, row, section, table, times, titles};
use crate::model::{Freshness, State};
use crate::words::{self, Both, STATES, length};
use serde::Deserialize;

/// How everything stands now. Members that are not known are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Live {
    /// The clauses, in the order of their standards.
    pub clauses: Vec<Row>,
    /// How fresh evidence is.
    pub freshness: Option<Freshness>,
}

/// A clause as it stands now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Row {
    /// Its standard's key.
    pub standard: String,
    /// Its id.
    pub clause: String,
    /// Grade.
    pub tier: String,
    /// How it stands; if it is shared, how the provider's half does.
    pub state: State,
    /// How the tenant's half stands, if it is shared.
    pub tenant_state: Option<State>,
    /// How it is proved: `attack`, `check`, `duty`, `guardrail`, `tenant`.
    pub how: Vec<String>,
    /// How old the proof is, seconds; none if there is none.
    pub proof_age_seconds: Option<i64>,
    /// Paraphrase in Chinese.
    pub title_zh: String,
    /// Paraphrase in English.
    pub title_en: String,
}

/// What stands around it.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Which platform it is.
    pub of: &'a str,
    /// After how many seconds it is made anew, if it is.
    pub every: Option<u32>,
    /// Why it could not be made anew, if so.
    pub trouble: Option<&'a str>,
}

/// What wants somebody, the worst first.
const OPEN: [State; 4] = [State::Failed, State::Overdue, State::Error, State::Stale];

const HEADS: [Both; 5] = [
    ("条款", "Clause"), ("标题", "Title"), ("状态", "State"), ("证明方式", "How"), ("证据年龄", "Proof is old"),
];

fn line(one: &Row) -> String {
    let mut state = badge(one.state);
    if let Some(tenant) = one.tenant_state {
        state.push_str(&format!("<br>{}: {}", both(("租户", "tenant")), badge(tenant)));
    }
    let how: Vec<String> = one.how.iter().map(|way| both(words::how(way))).collect();
    let age = one.proof_age_seconds.map_or("-".to_string(), length);
    let title = titles(&one.title_zh, &one.title_en);
    let name = format!("{}<br>{}", esc(&one.clause), esc(&one.tier));
    row(&[name, title, state, how.join("<br>"), esc(&age)])
}

fn list<'r>(rows: impl Iterator<Item = &'r Row>) -> String {
    let rows: Vec<String> = rows.map(line).collect();
    match rows.is_empty() {
        true => format!("<p>{}</p>\n", both(NONE)),
        false => table(&HEADS, &rows),
    }
}

/// The page.
pub fn page(live: &Live, frame: Frame<'_>) -> String {
    let mut body = format!("<header>\n<h1>{}</h1>\n", both(("合规状况", "Posture")));
    if let Some(trouble) = frame.trouble {
        body.push_str(&format!("<div class=\"item\"><strong>{}</strong>: {}</div>\n",
            both(("本页未能更新，以下为先前情况", "This page could not be made anew; below is how it was before")),
            esc(trouble)));
    }
    let every = frame.every.map_or(String::new(), |seconds| length(seconds.into()));
    body.push_str(&facts(&[
        (("平台", "Platform"), esc(frame.of)),
        (("更新间隔", "Made anew every"), esc(&every)),
    ]));
    if let Some(fresh) = &live.freshness {
        body.push_str(&times::rows(fresh));
    }
    body.push_str("</header>\n");
    let counts: Vec<String> = STATES.iter().filter_map(|state| {
        let count = live.clauses.iter().filter(|one| one.state == *state).count();
        (count > 0).then(|| row(&[badge(*state), count.to_string()]))
    }).collect();
    let heads: [Both; 2] = [("状态", "State"), ("条款数", "Clauses")];
    body.push_str(&section("counts", ("数量", "Counts"), &table(&heads, &counts)));
    let open = OPEN.into_iter().flat_map(|state| {
        live.clauses.iter().filter(move |one| one.state == state || one.tenant_state == Some(state))
    });
    // A clause whose halves stand differently would be told twice.
    let mut seen: Vec<&Row> = Vec::new();
    open.for_each(|one| if !seen.iter().any(|known| std::ptr::eq(*known, one)) { seen.push(one) });
    let wants: Both = ("需要处理", "What wants somebody");
    body.push_str(&section("open", wants, &list(seen.into_iter())));
    let mut standards: Vec<&str> = Vec::new();
    for one in &live.clauses {
        if !standards.contains(&one.standard.as_str()) {
            standards.push(&one.standard);
        }
    }
    let all: String = standards.into_iter().map(|key| {
        let rows = live.clauses.iter().filter(|one| one.standard == key);
        format!("<h3>{}</h3>\n{}", esc(key), list(rows))
    }).collect();
    body.push_str(&section("clauses", ("条款", "Clauses"), &all));
    framed(&format!("合规状况 Posture: {}", frame.of), &body, frame.every)
}
