//! One clause of `jinyun posture`: its halves, its findings, its history, its times in violation.
//!
//! What is shown of now and what is shown of a past moment must not be taken for each other: of a past
//! moment there are points of the journal and no findings, whose words are not kept there.

use super::{SHOWN, TENANT, list, long, sealed, span, text, words};
use crate::show;
use serde_json::{Map, Value, json};

/// One clause with all that is known of it.
pub(super) struct Whole<'a> {
    /// The clause as it is now.
    pub clause: &'a Value,
    /// The newest findings of its own checks.
    pub findings: &'a [Value],
    /// Changes of its state, the oldest first.
    pub history: Vec<&'a Value>,
    /// Times in violation of either half.
    pub times: Vec<&'a Value>,
    /// When nobody looked.
    pub gaps: &'a [Value],
    /// From when to when those are told.
    pub period: (&'a str, &'a str),
    /// How it stood, if a past moment was asked for.
    pub then: Option<&'a Value>,
    /// The age of its proof in seconds.
    pub age: Option<i64>,
    /// Titles and texts are shown in Chinese, and what stands before them.
    pub zh: bool,
}

/// What stands before a line, in Chinese.
const LABELS: [(&str, &str); 28] = [
    ("clause", "条款"), ("title", "标题"), ("as of", "时点"), ("provider", "服务商"), ("tenant", "租户"),
    ("proof", "证据"), ("does not apply", "不适用"), ("from", "期间"), ("in violation", "不合规"),
    ("nobody looked", "无人查看"), ("checks", "检查"), ("as the rows", "同"), ("not answered", "未回答"),
    ("not built", "未建成"), ("tenant does", "租户须"), ("fact", "说明"),
    ("duty of", "职责"), ("record shows", "记录须表明"), ("note", "备注"), ("finding", "检查结果"),
    ("verdict", "结论"), ("half", "哪一方"), ("method", "方法"), ("looked at", "已查看"),
    ("facts of", "事实时间"), ("says", "结论语句"), ("silent about", "不涉及"), ("journal", "日志条目"),
];

/// Members with what stands before them in the language that is shown.
fn members(zh: bool, rows: &[(&'static str, String)]) -> String {
    let rows: Vec<(&str, String)> = rows.iter().map(|(name, value)| {
        let known = LABELS.iter().find(|(en, _)| en == name).filter(|_| zh);
        (known.map_or(*name, |&(_, word)| word), value.clone())
    }).collect();
    show::members(&rows)
}

/// A text in the language that is shown; in English where its Chinese was not told.
fn told<'v>(value: &'v Value, at: &str, zh: bool) -> &'v str {
    let chinese = if zh { text(value, &format!("{at}_zh")) } else { "" };
    if chinese.is_empty() { text(value, at) } else { chinese }
}

impl Whole<'_> {
    /// For programs.
    pub fn value(&self) -> Value {
        let mut value = json!({
            "clause": self.clause, "history": self.history, "violations": self.times,
            "gaps": self.gaps, "since": self.period.0, "until": self.period.1,
        });
        match self.then {
            None => {
                value["findings"] = json!(self.findings);
                value["proof_age_seconds"] = json!(self.age);
            }
            Some(then) => {
                // The clause's words are of today, and so would its states be.
                if let Some(clause) = value["clause"].as_object_mut() {
                    for name in ["state", "tenant_state", "kept", "exception"] {
                        clause.remove(name);
                    }
                }
                value["then"] = then.clone();
            }
        }
        value
    }

    /// How each half stands, or stood.
    fn halves(&self) -> Vec<(&'static str, String)> {
        let half = |now: &str, then: &str| match self.then {
            None => text(self.clause, now).to_string(),
            Some(moment) => match moment.pointer(then).filter(|point| point.is_object()) {
                None => "the journal says nothing of it".into(),
                Some(point) => format!("{} since {} (entry {})", text(point, "/is"),
                    text(point, "/since"), point["entry"]),
            },
        };
        let own = if text(self.clause, "/duty") == "user" { "tenant" } else { "provider" };
        let mut rows = vec![(own, half("/state", "/clause"))];
        if text(self.clause, "/duty") == "both" {
            rows.push(("tenant", half("/tenant_state", "/tenant")));
        }
        rows
    }

    /// For people.
    pub fn text(&self) -> String {
        let clause = self.clause;
        let mut rows = vec![
            ("clause", format!("{} of {}, {}", text(clause, "/id"), text(clause, "/standard"),
                text(clause, "/level"))),
            ("title", text(clause, if self.zh { "/title_zh" } else { "/title_en" }).to_string()),
            ("", text(clause, if self.zh { "/title_en" } else { "/title_zh" }).to_string()),
        ];
        if let Some(then) = self.then {
            rows.push(("as of", format!("{}, by the journal", text(then, "/at"))));
            rows.extend(sealed(then).into_iter().map(|line| ("", line)));
        }
        rows.extend(self.halves());
        if let (None, Some(age)) = (self.then, self.age) {
            rows.push(("proof", format!("{} old", long(age))));
        }
        rows.extend(answer(clause, self.zh));
        if self.then.is_none() {
            rows.extend(said("does not apply", clause, "/exception/reason", false));
        }
        let mut parts = vec![members(self.zh, &rows)];
        match self.then {
            None => parts.extend(self.findings.iter().map(|found| finding(found, self.zh))),
            Some(then) => {
                let checks = then["checks"].as_object().into_iter().flatten();
                let rows: Vec<Vec<String>> = checks.map(|(name, point)| vec![
                    name.clone(), text(point, "/is").into(), text(point, "/since").into(),
                    show::cell(&point["entry"]),
                ]).collect();
                if !rows.is_empty() {
                    parts.push(show::table(&["CHECK", "VERDICT", "SINCE", "ENTRY"], &rows));
                }
            }
        }
        let rows: Vec<Vec<String>> = self.history.iter().rev().take(SHOWN).map(|one| vec![
            text(one, "/at").into(), show::cell(&one["entry"]), text(one, "/half").into(),
            text(one, "/from").into(), text(one, "/to").into(),
        ]).collect();
        if !rows.is_empty() {
            parts.push(show::table(&["CHANGED AT", "ENTRY", "HALF", "FROM", "TO"], &rows));
        }
        parts.push(members(self.zh, &self.violated()));
        parts.join("\n\n")
    }

    /// How long it was in violation, and when nobody looked.
    fn violated(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![("from", format!("{} to {}", self.period.0, self.period.1))];
        if self.times.is_empty() {
            rows.push(("in violation", "at no time that is known".into()));
        }
        for one in &self.times {
            let seconds = one["seconds"].as_i64().unwrap_or_default();
            let lasts = if one["lasts"] == true { ", still" } else { "" };
            rows.push(("in violation", format!("{} in all{lasts} ({}'s half)", long(seconds),
                text(one, "/half"))));
            rows.extend(newest(list(one, "/times")));
        }
        if !self.gaps.is_empty() {
            rows.push(("nobody looked", format!("{} time(s)", self.gaps.len())));
            rows.extend(newest(self.gaps));
        }
        rows
    }
}

/// The newest of some spans, and how many more there are.
fn newest(spans: &[Value]) -> Vec<(&'static str, String)> {
    let left = spans.len().saturating_sub(SHOWN);
    let more = (left > 0).then(|| ("", format!("{left} earlier (--output json)")));
    more.into_iter().chain(spans[left..].iter().map(|one| ("", span(one)))).collect()
}

/// A line, if there is something to say in it.
fn said(word: &'static str, clause: &Value, at: &str, zh: bool) -> Option<(&'static str, String)> {
    Some(told(clause, at, zh)).filter(|said| !said.is_empty()).map(|said| (word, said.to_string()))
}

/// How a clause is answered.
fn answer(clause: &Value, zh: bool) -> Vec<(&'static str, String)> {
    let Some(answer) = clause["answer"].as_object() else { return Vec::new() };
    let mut rows: Vec<(&'static str, String)> = Vec::new();
    for (name, word) in [("checks", "checks"), ("same_as", "as the rows"), ("missing", "not answered"),
        ("not_built", "not built"), ("tenant", "tenant does"), ("facts", "fact")] {
        if let Some(value) = answer.get(name) {
            let chinese = answer.get(&format!("{name}_zh")).filter(|_| zh);
            rows.push((word, show::cell(chinese.unwrap_or(value))));
        }
    }
    if let Some(duty) = answer.get("duty") {
        rows.push(("duty of", text(duty, "/owner").into()));
        rows.push(("record shows", text(duty, if zh { "/shows_zh" } else { "/shows_en" }).into()));
    }
    for (at, word) in [("/open", "not answered"), ("/tenant/does", "tenant does"), ("/note", "note")] {
        rows.extend(said(word, clause, at, zh));
    }
    rows
}

/// What a check found.
fn finding(found: &Value, zh: bool) -> String {
    let number = |name: &str| found[name].as_i64().unwrap_or_default();
    let mut rows = vec![
        ("finding", text(found, "/check").to_string()),
        ("verdict", format!("{}, so since {}", text(found, "/verdict"), show::moment(&found["since"]))),
        ("half", text(found, "/half").into()),
        ("method", text(found, "/method").into()),
        ("looked at", format!("{} of {}", number("sampled"), number("population"))),
        ("facts of", format!("{} ({} ago)", show::moment(&found["at"]), long(number("age_seconds")))),
        ("says", text(found, "/says").into()),
        ("silent about", told(found, "/says_nothing_about", zh).into()),
    ];
    if !list(found, "/entries").is_empty() {
        rows.push(("journal", show::cell(&found["entries"])));
    }
    members(zh, &rows)
}

/// What the journal says of one clause at a moment.
pub(super) fn moment(posture: &Value, clause: &Value) -> Value {
    let id = text(clause, "/id");
    let points = &posture["clauses"];
    let names = words(clause, "/answer/checks").chain(words(clause, "/tenant/checks"));
    let checks: Map<String, Value> = names
        .filter_map(|name| Some((name.to_string(), posture["checks"].get(name)?.clone()))).collect();
    json!({
        "at": posture["at"], "seal": posture["seal"], "gap": posture["gap"],
        "clause": points.get(id), "tenant": points.get(format!("{id}{TENANT}")), "checks": checks,
    })
}

/// The last entry that a past moment rests on.
pub(super) fn upto(posture: &Value) -> u64 {
    let points = ["clauses", "checks"].into_iter()
        .flat_map(|name| posture[name].as_object().into_iter().flatten());
    let entries = points.filter_map(|(_, point)| point["entry"].as_u64());
    entries.chain(posture["seal"]["entry"].as_u64()).max().unwrap_or_default()
}
