//! Words for people, in both languages, and the few rules about clauses that all reports share.

use crate::model::{Assessment, Clause, Freshness, Half, Method, Side, Stated, State, Verdict};
use jinyun_base::Time;

/// A word in Chinese and in English.
pub type Both = (&'static str, &'static str);

/// All states, in the order in which they are counted and drawn.
pub const STATES: [State; 14] = [
    State::Met, State::Partly, State::Failed, State::Error, State::Stale, State::Recorded,
    State::Due, State::Overdue, State::Duty, State::NotBuilt, State::Tenant, State::NotApplicable,
    State::Informative, State::Other,
];

/// A state for people.
pub fn state(state: State) -> Both {
    match state {
        State::Met => ("符合", "met"),
        State::Partly => ("部分符合", "partly met"),
        State::Failed => ("不符合", "failed"),
        State::Error => ("未能证实", "not proved"),
        State::Stale => ("证据过期", "out of date"),
        State::Due => ("待办", "due"),
        State::Overdue => ("逾期", "overdue"),
        State::Recorded => ("已有记录", "recorded"),
        State::NotBuilt => ("未实现", "not built"),
        State::Tenant => ("租户承担", "the tenant's"),
        State::NotApplicable => ("不适用", "not applicable"),
        State::Informative => ("资料性", "informative"),
        State::Duty => ("未定期限的职责", "duty without a date"),
        State::Other => ("未知", "unknown"),
    }
}

/// Its word in documents for machines.
pub fn code(state: State) -> &'static str {
    match state {
        State::Met => "met",
        State::Partly => "partly",
        State::Failed => "failed",
        State::Error => "error",
        State::Stale => "stale",
        State::Due => "due",
        State::Overdue => "overdue",
        State::Recorded => "recorded",
        State::NotBuilt => "not_built",
        State::Tenant => "tenant",
        State::NotApplicable => "not_applicable",
        State::Informative => "informative",
        State::Duty => "duty",
        State::Other => "other",
    }
}

/// Its colour, red, green, blue. On paper the word counts.
pub fn colour(state: State) -> [u8; 3] {
    match state {
        State::Met => [0x2e, 0x7d, 0x4f],
        State::Partly => [0xc9, 0xa2, 0x27],
        State::Failed => [0xb3, 0x26, 0x1e],
        State::Error => [0x8e, 0x44, 0x7a],
        State::Stale => [0xa8, 0x6a, 0x3d],
        State::Due => [0x5b, 0x8d, 0xb8],
        State::Overdue => [0xd9, 0x5f, 0x3c],
        State::Recorded => [0x3f, 0x6f, 0xa3],
        State::NotBuilt => [0x8a, 0x8f, 0x98],
        State::Tenant => [0x6c, 0x9a, 0x8b],
        State::NotApplicable => [0xc4, 0xc8, 0xcf],
        State::Informative => [0xdd, 0xe0, 0xe5],
        State::Duty => [0x9f, 0xb4, 0xcc],
        State::Other => [0x40, 0x40, 0x40],
    }
}

/// A verdict for people.
pub fn verdict(verdict: Verdict) -> Both {
    match verdict {
        Verdict::Met => ("符合", "met"),
        Verdict::Partly => ("部分符合", "partly"),
        Verdict::Failed => ("不符合", "failed"),
        Verdict::Error => ("未能证实", "not proved"),
    }
}

/// A verdict's word in documents for machines.
pub fn verdict_code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Partly => "partly",
        Verdict::Failed => "failed",
        Verdict::Error => "error",
    }
}

/// Whose duty, for people.
pub fn side(side: Side) -> Both {
    match side {
        Side::Provider => ("提供方", "provider"),
        Side::User => ("租户", "tenant"),
        Side::Both => ("双方", "provider and tenant"),
        Side::Other => ("未注明", "not said"),
    }
}

/// A grade for people; nothing for a word that this report does not know.
pub fn level(code: &str) -> Option<Both> {
    match code {
        "basic" => Some(("基本", "basic")),
        "extended" => Some(("扩展", "extended")),
        "enhanced" => Some(("增强", "enhanced")),
        _ => None,
    }
}

/// In which language findings speak.
pub const FOUND: Both = (
    "检查的结论语句是当时生成的证据，按原文（英文）列出，不作翻译。",
    "What checks say they found is evidence: it stands in English, as it was made, and is not translated.",
);

/// Whose duty, for machines.
pub fn side_code(side: Side) -> &'static str {
    match side {
        Side::Provider => "provider",
        Side::User => "user",
        Side::Both => "both",
        Side::Other => "other",
    }
}

/// Whose half, for machines.
pub fn half_code(half: Half) -> &'static str {
    match half {
        Half::Provider => "provider",
        Half::Tenant => "tenant",
    }
}

/// Whose half, for people.
pub fn half(half: Half) -> Both {
    match half {
        Half::Provider => ("提供方", "provider's half"),
        Half::Tenant => ("租户", "tenant's half"),
    }
}

/// How it was looked at, for people.
pub fn method(method: Method) -> Both {
    match method {
        Method::Attack => (
            "测试：尝试被禁止的操作，并以允许的操作对照",
            "test: the forbidden was tried, and the allowed beside it",
        ),
        Method::Check => (
            "核查：读取实际状态并比对",
            "inspection: what is observed was read and compared",
        ),
    }
}

/// How a clause is proved, by its word.
pub fn how(way: &str) -> Both {
    match way {
        "attack" => ("攻击测试", "attack"),
        "check" => ("核查", "check"),
        "duty" => ("职责", "duty"),
        "guardrail" => ("护栏", "guardrail"),
        "tenant" => ("租户", "tenant"),
        _ => ("未知", "unknown"),
    }
}

/// What freshness is.
pub const FRESH: Both = (
    "有检查回答的条款，其证据的年龄为所依据的最旧一项结论的年龄。评估本身会更新证据，因此给出的是评估开始前的情况。",
    "A clause that checks answer has a proof as old as the oldest finding that it rests on. An assessment \
     makes proofs new, so this is how it was before it began.",
);

/// How fresh evidence was, a row for each thing that is to be known.
pub fn freshness(fresh: &Freshness) -> Vec<(Both, String)> {
    let Freshness { now, clauses, objective, .. } = fresh;
    let kept = |kept: bool| if kept { "达到 kept" } else { "未达到 not kept" };
    let age = |seconds: Option<i64>| seconds.map_or("-".to_string(), length);
    let below = |seconds: i64, so: bool| format!("(< {}: {})", length(seconds), kept(so));
    let median = below(objective.median_below_seconds, objective.median_attained);
    let worst = below(objective.worst_below_seconds, objective.worst_attained);
    let whose = clauses.worst_clause.as_deref().unwrap_or_default();
    vec![
        (("时点", "As of"), line(now)),
        (("由检查回答的条款", "Clauses that checks answer"), clauses.count.to_string()),
        (("证据年龄中位数", "Median age of proofs"), format!("{} {median}", age(clauses.median_seconds))),
        (("最旧的证据", "Oldest proof"), line(&format!("{} {whose} {worst}", age(clauses.worst_seconds)))),
        (("没有证据的条款", "Clauses without a proof"), clauses.without_proof.to_string()),
        (("时效目标", "Objective"), kept(objective.attained).to_string()),
        (("此前一天内无人查看", "Nobody looked, of the day before"),
            format!("{} ({})", length(fresh.unseen()), fresh.gaps.len())),
    ]
}

/// A statement of a duty in a line.
pub fn stated(said: &Stated) -> String {
    let entry = said.entry.map_or(String::new(), |n| format!(", 日志条目 journal entry {n}"));
    let title = if said.title.is_empty() { String::new() } else { format!("{}: ", said.title) };
    let Stated { text, by, from, to, .. } = said;
    line(&format!("声明 statement: {title}{text} ({from} - {to}, {by}{entry})"))
}

/// One line without white space around it.
pub fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A moment to the minute, UTC; a dash for none.
pub fn minute(at: Option<i64>) -> String {
    match at {
        Some(at) => Time(at).seconds().replace('T', " ").chars().take(16).collect::<String>() + " UTC",
        None => "-".into(),
    }
}

/// How long before `now` something was.
pub fn age(now: i64, at: i64) -> String {
    let seconds = now.saturating_sub(at).max(0) / Time::SECOND;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A length of time in its two largest units.
pub fn length(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        ..60 => format!("{} s", seconds.max(0)),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// What the times of a report count and what they do not.
pub const COUNTED: Both = (
    "不合规时间从日志中状态变为不符合或逾期时起，到变回时止。未实现的条款从未符合过，不计入时间，但按不符合计数。\
     未能证实与证据过期既不计为符合也不计为不合规；无人查看的时段单独列出，其间的状态无人能说。",
    "Time in violation goes from the entry of the journal by which a clause has failed or is overdue to \
     the one by which it no longer is. What is not built never was as it should be: it has no time and \
     counts as failed. What was not proved or is out of date counts as neither; the times in which nobody \
     looked stand by themselves, and nobody can say how it stood then.",
);

/// The chapter that a clause's id names: `7` of `7.2.5-B-a`, `TC-RM` of `TC-RM-1`.
pub fn chapter(id: &str) -> String {
    let mut words = id.split('-');
    let first = words.next().unwrap_or_default();
    let head = first.split('.').next().unwrap_or_default();
    if first.starts_with(|c: char| c.is_ascii_digit()) || first.contains('.') || first.len() == 1 {
        return head.to_string();
    }
    let second = words.next().unwrap_or_default();
    let part: String = match second.starts_with(|c: char| c.is_alphabetic()) {
        true => second.chars().take_while(|c| c.is_alphabetic()).collect(),
        false => second.split('.').next().unwrap_or_default().to_string(),
    };
    if part.is_empty() { first.to_string() } else { format!("{first}-{part}") }
}

/// Chapters, or parts where the standard has those, in the order of their first clause.
pub fn chapters(clauses: &[Clause]) -> Vec<(String, Vec<&Clause>)> {
    let mut found: Vec<(String, Vec<&Clause>)> = Vec::new();
    for clause in clauses {
        let name = if clause.part.is_empty() { chapter(&clause.id) } else { clause.part.clone() };
        match found.iter_mut().find(|c| c.0 == name) {
            Some(one) => one.1.push(clause),
            None => found.push((name, vec![clause])),
        }
    }
    found
}

/// How many of some clauses stand how, in the order of [`STATES`]. What stands beside a standard's
/// own clauses is not counted.
pub fn count<'a>(clauses: impl IntoIterator<Item = &'a Clause>) -> [usize; STATES.len()] {
    let mut counts = [0; STATES.len()];
    for clause in clauses.into_iter().filter(|c| !c.supplement) {
        if let Some(place) = STATES.iter().position(|s| *s == clause.state) {
            counts[place] += 1;
        }
    }
    counts
}

/// What the report as a whole does not prove, besides what each finding says of itself.
pub fn limits(assessment: &Assessment) -> Vec<(String, String)> {
    let mut said: Vec<(String, String)> = [
        ("本报告由被评估的平台自身生成。签名证明报告未被改动，不证明平台如实观察。",
         "The platform that is assessed made this report. Signatures show that it was not changed, not \
          that the platform observed truly."),
        ("持有平台私钥并重写全部历史的提供方，只能由保存在别处的检查点识破。",
         "A provider who rewrites all history with its own key is told only by checkpoints that were \
          kept elsewhere."),
        ("测试在合成租户中进行；真实租户的端口以规则比对代替。",
         "Tests run in a synthetic tenant; for real tenants' ports, installed rules are compared instead."),
        ("内存中的数据、侧信道以及主机管理员的行为不在结论之内。",
         "Data in memory, side channels, and what an administrator of a host does are outside of every \
          verdict."),
        ("密码算法为软件实现：算法符合，模块未经认证。",
         "Ciphers are software: the algorithm is met, the module is not certified."),
        ("记录的存在被核对，其内容由评估人员判断。",
         "That a record exists was looked at; what it says is for the assessor to judge."),
        ("条款为转述；以标准原文为准。",
         "Clauses are paraphrases; the standard's own text counts."),
    ].map(|(zh, en)| (zh.to_string(), en.to_string())).into();
    if assessment.entry.is_none() {
        said.push(("本次评估没有对应的日志条目。".into(),
            "No entry of the journal was named for this assessment.".into()));
    }
    said.extend(assessment.troubles.iter().map(|t| {
        (format!("评估过程中的问题：{t}"), format!("Trouble with the assessment itself: {t}"))
    }));
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapters_follow_from_ids() {
        let ids = ["7.2.5-B-a", "11.4.4-E-a", "A.2-E-b", "IAC-8-L8-6", "IAC-4.4.1-0", "GD-R1", "GD-0-1",
            "TC-RM-1", "TC-RM", "RC-P-01", "x", ""];
        assert_eq!(ids.map(chapter), ["7", "11", "A", "IAC-8", "IAC-4", "GD-R", "GD-0", "TC-RM", "TC-RM",
            "RC-P", "x", ""]);
    }

    #[test]
    fn freshness_says_whether_the_objective_is_kept() {
        let fresh: Freshness = serde_json::from_value(serde_json::json!({
            "now": "2026-10-01T00:00:00Z",
            "clauses": { "count": 40, "median_seconds": 12, "worst_seconds": 1000,
                "worst_clause": "7.1-E-a", "without_proof": 2 },
            "objective": { "median_below_seconds": 60, "worst_below_seconds": 900,
                "median_attained": true },
            "gaps": [{ "seconds": 60 }, { "seconds": 5 }],
        })).unwrap();
        let said: Vec<String> = freshness(&fresh).into_iter().map(|(_, value)| value).collect();
        assert_eq!(said, ["2026-10-01T00:00:00Z", "40", "12 s (< 1 min 0 s: 达到 kept)",
            "16 min 40 s 7.1-E-a (< 15 min 0 s: 未达到 not kept)", "2", "未达到 not kept", "1 min 5 s (2)"]);
        // Of what is not known, nothing is said.
        let none = freshness(&Freshness::default());
        assert_eq!((none[2].1.as_str(), none[3].1.starts_with("- (")), ("- (< 0 s: 未达到 not kept)", true));
    }

    #[test]
    fn a_statement_is_one_line() {
        let (from, to) = ("2026-01-01".into(), "2026-06-30".into());
        let text = "all\n was looked at".into();
        let mut said = Stated { text, by: "ann".into(), from, to, ..Stated::default() };
        assert_eq!(stated(&said), "声明 statement: all was looked at (2026-01-01 - 2026-06-30, ann)");
        (said.title, said.entry) = ("review".into(), Some(7));
        let want = "声明 statement: review: all was looked at (2026-01-01 - 2026-06-30, ann, 日志条目 journal \
            entry 7)";
        assert_eq!(stated(&said), want);
    }

    #[test]
    fn times_are_short() {
        assert_eq!(minute(Some(1_790_812_800_000_000)), "2026-10-01 00:00 UTC");
        let said = [0, 119, 120, 7200, 172_800].map(|s| age(s * 1_000_000, 0));
        assert_eq!(said, ["0 s", "119 s", "2 min", "2 h", "2 d"]);
        assert_eq!(age(0, 1), "0 s");
        let said = [-1, 59, 60, 3599, 3600, 86_399, 86_400, 13_000_000].map(length);
        assert_eq!(said, ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "23 h 59 min", "1 d 0 h",
            "150 d 11 h"]);
    }
}
