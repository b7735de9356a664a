//! How an assessor goes through it: for each clause whom to ask, what to look at, what was tried;
//! then the findings, the duties, and what people decided.

use super::{anchor, badge, both, clause_anchor, esc, or_none, row, table, titles, told};
use crate::Made;
use crate::model::{Clause, Duty, Finding, Method, Side, Standard, State};
use crate::words::{self, Both, age, minute};

/// The three ways for every clause that asks for something.
pub(super) fn clauses(made: &Made<'_>) -> String {
    made.of.clauses().filter(|(_, c)| c.state != State::Informative)
        .map(|(s, c)| clause(made, s, c)).collect()
}

fn finding_link(finding: &Finding) -> String {
    format!("<a href=\"#{}\">{}</a>: {}", anchor(&["f", &finding.check]), esc(&finding.check),
        esc(&finding.says))
}

/// Who owes a duty: a post in both languages, or whatever the register says.
fn owner(duty: &Duty) -> String {
    match (duty.owner_zh.is_empty(), duty.owner.is_empty()) {
        (true, true) => "-".into(),
        (true, false) => esc(&duty.owner),
        (false, _) => format!("{} {}", esc(&duty.owner_zh), esc(&duty.owner)),
    }
}

fn clause(made: &Made<'_>, standard: &Standard, clause: &Clause) -> String {
    let mut interview: Vec<String> = Vec::new();
    for duty in made.of.duties_of(clause) {
        interview.push(format!("{} {} {}", both(("职责承担者：", "who owes the duty:")), owner(duty),
            badge(duty.state)));
    }
    if interview.is_empty() && clause.kind != "technical" {
        interview.push(both(words::side(clause.duty)));
    }
    if matches!(clause.duty, Side::User | Side::Both) {
        interview.push(format!("{} {}", both(("租户：如何履行其部分", "the tenant: how it does its part")),
            told(&clause.tenant_does_zh, &clause.tenant_does)));
    }
    let aims = [(&clause.platform_zh, &clause.platform), (&clause.evidence_zh, &clause.evidence)];
    let mut inspection: Vec<String> = aims.into_iter().map(|(zh, en)| told(zh, en))
        .filter(|t| !t.is_empty()).collect();
    if !clause.seen.is_empty() {
        let seen = both(("平台可见的租户情况：", "what the platform sees of the tenant's part:"));
        inspection.push(format!("{seen} {}", told(&clause.seen_zh, &clause.seen)));
    }
    inspection.extend(made.of.duties_of(clause).filter(|d| !d.shows_zh.is_empty() || !d.shows_en.is_empty())
        .map(|d| format!("{} {}", both(("记录须表明：", "the record must show:")),
            titles(&d.shows_zh, &d.shows_en))));
    if !clause.same_as.is_empty() {
        let others: Vec<String> = made.of.clauses().filter(|(_, c)| clause.same_as.contains(&c.id))
            .map(|(s, c)| format!("<a href=\"#{}\">{}</a>", clause_anchor(s, c), esc(&c.id))).collect();
        inspection.push(format!("{} {}", both(("由下列条款回答：", "answered by the clauses:")),
            others.join(" ")));
    }
    let mut tests: Vec<String> = Vec::new();
    for finding in made.of.findings_of(clause) {
        match finding.method {
            Method::Check => inspection.push(finding_link(finding)),
            Method::Attack => tests.push(finding_link(finding)),
        }
    }
    for record in made.of.duties_of(clause).flat_map(|d| &d.records) {
        inspection.push(format!("{}: {} <code>{}</code> ({})", both(("记录", "record")),
            esc(&record.name), esc(&record.sha256), esc(&minute(Some(record.at)))));
    }
    let stated = made.of.duties_of(clause).filter_map(|d| d.statement.as_ref());
    inspection.extend(stated.map(|said| esc(&words::stated(said))));
    for rail in made.of.guardrails_of(clause) {
        let holds = match rail.always {
            true => both(("在所有项目中", "in every project")),
            false => format!("{} {}", both(("自此配置起", "from this profile on:")), esc(&rail.profile)),
        };
        inspection.push(format!("{} {} ({holds}): {}", both(("护栏拒绝", "a guardrail refuses:")),
            esc(&rail.name), esc(&rail.refuses)));
    }
    for opinion in made.of.assessor.iter().filter(|o| o.clause == clause.id) {
        inspection.push(format!("{}: {}", both(("评估意见", "the assessor's opinion")),
            esc(&opinion.opinion)));
    }
    let nothing = || both(super::NONE);
    let cell = |items: Vec<String>| if items.is_empty() { nothing() } else { items.join("<br>") };
    let ways: [(Both, String); 3] = [
        (("访谈", "Interview"), cell(interview)),
        (("核查", "Inspection"), cell(inspection)),
        (("测试", "Test"), cell(tests)),
    ];
    let rows: String = ways.iter()
        .map(|(way, text)| format!("<tr><th>{}</th><td>{text}</td></tr>\n", both(*way))).collect();
    let mut about = titles(&clause.title_zh, &clause.title_en);
    for bullet in &clause.items {
        about.push_str(&format!("<br>- {}", titles(&bullet.zh, &bullet.en)));
    }
    let id = clause_anchor(standard, clause);
    format!("<div class=\"item\" id=\"how-{id}\">\n<a href=\"#{id}\">{}</a> {} {}\n\
        <table>\n{rows}</table>\n</div>\n", esc(&clause.id), badge(clause.state), about)
}

/// Every finding with everything that it says of itself.
pub(super) fn findings(made: &Made<'_>) -> String {
    let all = or_none(made.of.findings.iter().map(|f| finding(made, f)).collect());
    format!("<p>{}</p>\n{all}", both(words::FOUND))
}

fn verdict_badge(finding: &Finding) -> String {
    let code = words::verdict_code(finding.verdict);
    format!("<span class=\"badge s-{code}\">{}</span>", both(words::verdict(finding.verdict)))
}

fn finding(made: &Made<'_>, finding: &Finding) -> String {
    let entries: Vec<String> = finding.entries.iter().map(u64::to_string).collect();
    let history: Vec<String> = finding.history.iter().map(|h| {
        format!("{} {}", esc(&minute(Some(h.at))), both(words::verdict(h.verdict)))
    }).collect();
    let clauses: Vec<String> = made.of.clauses().filter(|(_, c)| c.checks.contains(&finding.check))
        .map(|(s, c)| format!("<a href=\"#{}\">{}</a>", clause_anchor(s, c), esc(&c.id))).collect();
    let period = finding.observed().map_or(String::new(), |period| {
        esc(&format!("{} - {}", minute(Some(period.from)), minute(Some(period.to))))
    });
    let facts = super::facts(&[
        (("方法", "Method"), both(words::method(finding.method))),
        (("哪一方", "Whose half"), both(words::half(finding.half))),
        (("总体", "Population"), finding.population.to_string()),
        (("样本", "Sample"), finding.sampled.to_string()),
        (("时间", "When"), esc(&format!("{} ({})", minute(Some(finding.at)), age(made.at, finding.at)))),
        (("观察期间", "Observed"), period),
        (("日志条目", "Journal entries"), entries.join(", ")),
        (("此结论始于", "So since"), finding.since.map(|at| esc(&minute(Some(at)))).unwrap_or_default()),
        (("结论", "Says"), esc(&finding.says)),
        (("不涉及", "Says nothing about"),
            told(&finding.says_nothing_about_zh, &finding.says_nothing_about)),
        (("以往结论", "Before"), history.join("<br>")),
        (("条款", "Clauses"), clauses.join(" ")),
    ]);
    format!("<div class=\"item\" id=\"{}\">\n<h3>{} {}</h3>\n{facts}</div>\n",
        anchor(&["f", &finding.check]), esc(&finding.check), verdict_badge(finding))
}

/// What people owe, the late ones first.
pub(super) fn duties(made: &Made<'_>) -> String {
    let heads: [Both; 7] = [
        ("条款", "Clause"), ("承担者", "Owner"), ("周期", "Every"), ("上次", "Last done"), ("期限", "Due"),
        ("状态", "State"), ("记录", "Records"),
    ];
    let mut duties: Vec<_> = made.of.duties.iter().collect();
    duties.sort_by_key(|d| (d.state != State::Overdue, d.due.unwrap_or(i64::MAX)));
    let rows: Vec<String> = duties.into_iter().map(|d| {
        let mut records: Vec<String> = d.records.iter().map(|r| {
            let damage = match r.damage.is_empty() {
                true => String::new(),
                false => format!(" {}: {}", both(("文件有损，不计", "damaged, does not count")), esc(&r.damage)),
            };
            format!("{} <code>{}</code> {} {}{damage}", esc(&r.name), esc(&r.sha256),
                esc(&minute(Some(r.at))), esc(&r.by))
        }).collect();
        records.extend(d.statement.as_ref().map(|said| esc(&words::stated(said))));
        row(&[esc(&d.clause), owner(d), esc(&d.every), esc(&minute(d.last)), esc(&minute(d.due)),
            badge(d.state), records.join("<br>")])
    }).collect();
    or_none(table(&heads, &rows))
}

/// What people decided: exceptions, risks, opinions.
pub(super) fn risks(made: &Made<'_>) -> String {
    let of = made.of;
    let heads: [Both; 5] = [
        ("条款", "Clause"), ("例外", "Exception"), ("原因", "Why"), ("批准人", "Approved by"), ("至", "Until"),
    ];
    let exceptions: Vec<String> = of.exceptions.iter().map(|e| {
        row(&[esc(&e.clause), esc(&e.id), esc(&e.why), esc(&e.by), esc(&minute(e.until))])
    }).collect();
    let mut body = table(&heads, &exceptions);
    let heads: [Both; 6] = [
        ("条款", "Clause"), ("风险", "Risk"), ("说明", "Statement"), ("状态", "Status"), ("负责人", "Owner"),
        ("期限", "Due"),
    ];
    let risks: Vec<String> = of.risks.iter().map(|r| {
        row(&[esc(&r.clause), esc(&r.title), esc(&r.statement), esc(&r.status), esc(&r.owner),
            esc(&minute(r.due))])
    }).collect();
    body.push_str(&table(&heads, &risks));
    let heads: [Both; 5] = [
        ("条款", "Clause"), ("评估意见", "Opinion"), ("说明", "Note"), ("评估人", "By"), ("时间", "When"),
    ];
    let opinions: Vec<String> = of.assessor.iter().map(|o| {
        let mut note = vec![esc(&o.note)];
        let more: [(Both, String); 3] = [
            (("样本", "sample"), o.sample.join(", ")),
            (("随机数", "nonce"), o.nonce.clone()),
            (("所评报告", "about the report"), o.report.clone()),
        ];
        note.extend(more.iter().filter(|(_, text)| !text.is_empty())
            .map(|(what, text)| format!("{}: {}", both(*what), esc(text))));
        note.retain(|line| !line.is_empty());
        row(&[esc(&o.clause), esc(&o.opinion), note.join("<br>"), esc(&o.by), esc(&minute(o.at))])
    }).collect();
    body.push_str(&table(&heads, &opinions));
    or_none(body)
}
