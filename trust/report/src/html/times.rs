//! The period: for how long which clauses were in violation, and when nobody looked; how fresh evidence
//! was.

use super::{NONE, anchor, both, esc, facts, row, table};
use crate::Made;
use crate::model::{Freshness, Period, Violation};
use crate::words::{self, Both, length, minute};
use std::cmp::Reverse;

const HEADS: [Both; 5] = [
    ("条款", "Clause"), ("哪一方", "Whose half"), ("累计", "In all"), ("次数", "Times"), ("时段", "When"),
];
/// So many times are shown, the newest.
const SHOWN: usize = 10;

fn span(period: &Period) -> String {
    let ends = [period.from, period.to].map(|at| esc(&minute(Some(at))));
    format!("{} - {} ({})", ends[0], ends[1], esc(&length(period.seconds())))
}

fn line(made: &Made<'_>, violation: &Violation) -> String {
    let standard = violation.standard.as_deref().unwrap_or_default();
    let there = made.of.clauses().any(|(s, c)| s.id == standard && c.id == violation.clause);
    let name = match there {
        true => format!("<a href=\"#{}\">{}</a>", anchor(&["c", standard, &violation.clause]),
            esc(&violation.clause)),
        false => esc(&violation.clause),
    };
    let mut times: Vec<String> = violation.times.iter().rev().take(SHOWN).map(span).collect();
    if violation.lasts {
        times.insert(0, both(("期末仍不符合", "still so at the end")));
    }
    let more = violation.count.saturating_sub(violation.times.len().min(SHOWN) as u64);
    if more > 0 {
        times.push(format!("{more} {}", both(("次更早", "earlier"))));
    }
    row(&[name, both(words::half(violation.half)), esc(&length(violation.seconds)),
        violation.count.to_string(), times.join("<br>")])
}

/// How fresh evidence was; also of a page that is alive.
pub(super) fn rows(fresh: &Freshness) -> String {
    let rows: Vec<(Both, String)> =
        words::freshness(fresh).into_iter().map(|(name, value)| (name, esc(&value))).collect();
    facts(&rows)
}

/// The chapter.
pub(super) fn all(made: &Made<'_>) -> String {
    let of = made.of;
    let mut body = format!("<p>{}: {}</p>\n<p>{}</p>\n", both(("评估期间", "Period")),
        span(&of.period), both(words::COUNTED));
    body.push_str(&format!("<h3>{}</h3>\n", both(("不合规时间", "Time in violation"))));
    match &of.violations {
        None => body.push_str(&format!("<p>{}</p>\n",
            both(("本次评估未给出。", "The assessment does not tell.")))),
        Some(all) if all.is_empty() => body.push_str(&format!("<p>{}</p>\n", both(NONE))),
        Some(all) => {
            let mut all: Vec<&Violation> = all.iter().collect();
            all.sort_by_key(|v| (!v.lasts, Reverse(v.seconds)));
            let rows: Vec<String> = all.into_iter().map(|v| line(made, v)).collect();
            body.push_str(&table(&HEADS, &rows));
        }
    }
    if of.violations.is_some() {
        let gaps: Vec<String> = of.gaps.iter().map(|gap| format!("<li>{}</li>\n", span(gap))).collect();
        let sum = format!("{}: {}", both(("合计", "In all")), esc(&length(of.unseen())));
        body.push_str(&format!("<h3>{}</h3>\n", both(("无人查看的时段", "When nobody looked"))));
        body.push_str(&match gaps.is_empty() {
            true => format!("<p>{}</p>\n", both(NONE)),
            false => format!("<p>{sum}</p>\n<ul>\n{}</ul>\n", gaps.concat()),
        });
    }
    body.push_str(&format!("<h3>{}</h3>\n", both(("证据时效", "Freshness of evidence"))));
    body.push_str(&match &of.freshness {
        None => format!("<p>{}</p>\n", both(("本次评估未给出。", "The assessment does not tell."))),
        Some(fresh) => format!("<p>{}</p>\n{}", both(words::FRESH), rows(fresh)),
    });
    body
}
