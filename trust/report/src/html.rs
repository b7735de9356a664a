//! The report for people: one HTML file in Chinese and English, that prints.
//!
//! It has no scripts, no pictures from elsewhere and no style sheet of its own beside it: it opens
//! on a laptop without a network, and a policy in its head forbids everything but its own styles.
//! Instead of filters there are lists by state and by chapter that lead to the clauses. Every text
//! goes through [`esc`]: names and sentences come from tenants, checks and assessors.

mod assessed;
mod clauses;
pub mod live;
mod picture;
mod times;

use crate::Made;
use crate::diff::Changed;
use crate::model::{Clause, Standard, State};
use crate::words::{self, Both, minute};
use jinyun_journal::note::{Checkpoint, Note};

/// Text for an element or a quoted attribute.
pub(crate) fn esc(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // What XML does not know stands for itself as a sign that it was there.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Both languages of a fixed word.
pub(crate) fn both(words: Both) -> String {
    format!("<span lang=\"zh\">{}</span> <span lang=\"en\">{}</span>", esc(words.0), esc(words.1))
}

/// Both titles.
pub(crate) fn titles(zh: &str, en: &str) -> String {
    format!("<span lang=\"zh\">{}</span><br><span lang=\"en\">{}</span>", esc(zh), esc(en))
}

/// A text in both languages; in English alone if its Chinese was not told.
pub(crate) fn told(zh: &str, en: &str) -> String {
    match (zh.is_empty(), en.is_empty()) {
        (true, true) => String::new(),
        (true, false) => format!("<span lang=\"en\">{}</span>", esc(en)),
        (false, _) => titles(zh, en),
    }
}

/// An anchor: only letters, digits and `. _ -`.
pub(crate) fn anchor(words: &[&str]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c } else { '-' };
    words.join("-").chars().map(plain).collect()
}

fn clause_anchor(standard: &Standard, clause: &Clause) -> String {
    anchor(&["c", &standard.id, &clause.id])
}

/// A state, with its colour.
pub(crate) fn badge(state: State) -> String {
    format!("<span class=\"badge s-{}\">{}</span>", words::code(state), both(words::state(state)))
}

/// A chapter of the report.
fn section(id: &str, title: Both, body: &str) -> String {
    format!("<section id=\"{id}\">\n<h2>{}</h2>\n{body}</section>\n", both(title))
}

/// A table; nothing if it has no rows.
fn table(heads: &[Both], rows: &[String]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads: String = heads.iter().map(|h| format!("<th>{}</th>", both(*h))).collect();
    format!("<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{}\n</tbody>\n</table>\n", rows.join("\n"))
}

/// A row of cells that are HTML already.
fn row(cells: &[String]) -> String {
    format!("<tr>{}</tr>", cells.iter().map(|c| format!("<td>{c}</td>")).collect::<String>())
}

const NONE: Both = ("无", "none");

fn or_none(body: String) -> String {
    if body.is_empty() { format!("<p>{}</p>\n", both(NONE)) } else { body }
}

const STYLE: &str = "\
body{font:14px/1.45 'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei',sans-serif;\
color:#1c2430;max-width:64em;margin:2em auto;padding:0 1em}
h1{font-size:1.8em;margin-bottom:.2em}h3{margin:1.4em 0 .4em}[lang=en]{color:#465063}
h2{border-bottom:2px solid #1c2430;padding-bottom:.2em;margin-top:2em}
table{border-collapse:collapse;width:100%;margin:.6em 0}th{background:#eef1f5}
th,td{border:1px solid #c9ced6;padding:.3em .5em;text-align:left;vertical-align:top;\
overflow-wrap:anywhere}
pre,code{font-family:monospace;font-size:.9em;white-space:pre-wrap;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:14em 1fr;gap:.2em 1em}dt{font-weight:bold}dd{margin:0}
.badge{border-left:.9em solid;padding-left:.4em;white-space:nowrap}
svg{max-width:100%;height:auto}svg text{font-size:12px}a{color:#1f4e8c}nav a{margin-right:1em}
.item{border:1px solid #c9ced6;padding:.4em .8em;margin:.6em 0}
@page{size:A4;margin:16mm}@media print{body{margin:0;max-width:none;font-size:11px}nav{display:none}
h2{break-before:page}tr,.item{break-inside:avoid}thead{display:table-header-group}\
a{color:inherit;text-decoration:none}}
";

/// The whole page.
pub fn page(made: &Made<'_>) -> String {
    let title = format!("金云合规评估报告 Jinyun assessment: {}", made.of.instance);
    let mut body = cover(made);
    let chapters: [(&str, Both, String); 9] = [
        ("picture", ("覆盖情况", "Coverage"), picture::all(made.of)),
        ("times", ("不合规时间与无人查看的时段", "Time in violation, and when nobody looked"),
            times::all(made)),
        ("changes", ("与上次相比", "Changes since the last pack"), changes(made)),
        ("clauses", ("条款", "Clauses"), clauses::all(made)),
        ("method", ("评估方式：访谈、核查、测试", "How each clause is assessed: interview, inspection, test"),
            assessed::clauses(made)),
        ("findings", ("检查结果", "Findings"), assessed::findings(made)),
        ("duties", ("职责与期限", "Duties and due dates"), assessed::duties(made)),
        ("risks", ("例外、风险与评估意见", "Exceptions, risks and the assessor's opinions"),
            assessed::risks(made)),
        ("limits", ("本报告不能证明什么", "What this does not prove"), limits(made)),
    ];
    let links: String = chapters.iter()
        .map(|(id, title, _)| format!("<a href=\"#{id}\">{}</a>\n", both(*title))).collect();
    body.push_str(&format!("<nav>\n{links}</nav>\n"));
    for (id, title, text) in &chapters {
        body.push_str(&section(id, *title, text));
    }
    document(&title, &body)
}

/// The frame of every page of ours that stays as it is.
pub(crate) fn document(title: &str, body: &str) -> String {
    framed(title, body, None)
}

/// The frame of every page of ours; a reader loads it again after so many seconds.
fn framed(title: &str, body: &str, again: Option<u32>) -> String {
    let again = again.map_or(String::new(), |seconds| {
        format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">\n")
    });
    let colours: String = words::STATES.iter().map(|s| {
        let [r, g, b] = words::colour(*s);
        format!(".s-{}{{border-color:#{r:02x}{g:02x}{b:02x}}}", words::code(*s))
    }).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"zh\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n{again}<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{}</title>\n<style>\n{STYLE}{colours}\n</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        esc(title)
    )
}

fn facts(rows: &[(Both, String)]) -> String {
    let rows: String = rows.iter().filter(|r| !r.1.is_empty())
        .map(|(name, value)| format!("<dt>{}</dt><dd>{value}</dd>\n", both(*name))).collect();
    format!("<dl>\n{rows}</dl>\n")
}

/// A checkpoint in words; as it stands if it cannot be read.
pub(crate) fn checkpoint(text: &str) -> String {
    let read = Note::parse(text).and_then(|n| Some((Checkpoint::parse(&n.text)?, n)));
    let Some((checkpoint, note)) = read else { return text.to_string() };
    let signers: Vec<&str> = note.signatures.iter().map(|s| s.0.as_str()).collect();
    format!("{}: {} entries, root {}, {}, signed by {}", checkpoint.kind.name(), checkpoint.size,
        jinyun_journal::to_hex(&checkpoint.root), minute(Some(checkpoint.time)), signers.join(", "))
}

fn cover(made: &Made<'_>) -> String {
    let of = made.of;
    let product = &of.product;
    let code = |text: &str| match text.is_empty() {
        true => String::new(),
        false => format!("<code>{}</code>", esc(text)),
    };
    let standards: Vec<String> = of.standards.iter()
        .map(|s| format!("{} ({})", esc(&s.name), s.clauses.len())).collect();
    let notes: Vec<String> = made.checkpoints.iter().map(|n| code(&checkpoint(n))).collect();
    let note = match notes.is_empty() {
        true => both(("未附检查点", "none came with the assessment")),
        false => notes.join("<br>"),
    };
    let measured = match product.binary_sha256.is_empty() {
        true => both(("未测量", "not measured")),
        false => format!("{} ({})", code(&product.binary_sha256), esc(&product.measured)),
    };
    let facts = facts(&[
        (("实例", "Instance"), esc(&of.instance)),
        (("产品", "Product"), esc(&format!("{} {}", product.name, product.version))),
        (("程序摘要 (SHA-256)", "Digest of the program"), measured),
        (("评估期间", "Period"),
            esc(&format!("{} - {}", minute(Some(of.period.from)), minute(Some(of.period.to))))),
        (("报告生成于", "Report made"), esc(&minute(Some(made.at)))),
        (("标准（条款数）", "Standards (clauses)"), standards.join("<br>")),
        (("评估摘要 (SHA-256)", "Digest of the assessment"), code(&of.sha256)),
        (("日志条目", "Journal entry"), of.entry.map(|e| e.to_string()).unwrap_or_default()),
        (("检查点", "Checkpoint"), note),
    ]);
    format!("<header>\n<h1><span lang=\"zh\">金云合规评估报告</span> \
        <span lang=\"en\">Jinyun assessment report</span></h1>\n{facts}</header>\n")
}

fn changes(made: &Made<'_>) -> String {
    let Some(diff) = made.diff else {
        return format!("<p>{}</p>\n",
            both(("未提供较早的评估，无法比较。", "No earlier assessment was given to compare with.")));
    };
    let since = format!("<p>{} {}</p>\n", both(("比较对象截至", "Compared with the one up to")),
        esc(&minute(Some(diff.since))));
    let state = |state: Option<State>| state.map(badge).unwrap_or_else(|| "-".into());
    let heads: [Both; 4] = [("条款", "Clause"), ("标题", "Title"), ("原状态", "Before"), ("现状态", "Now")];
    let mut body = since;
    let groups: [(Both, fn(&Changed) -> bool); 3] = [
        (("状态变化", "States that changed"), |c| c.before.is_some() && c.now.is_some()),
        (("新增", "New"), |c| c.before.is_none()),
        (("移除", "Gone"), |c| c.now.is_none()),
    ];
    for (title, chosen) in groups {
        let rows: Vec<String> = diff.clauses.iter().filter(|c| chosen(c)).map(|c| {
            let half = |own: Option<State>, tenant: Option<State>| match tenant {
                Some(tenant) => format!("{}<br>{}: {}", state(own), both(("租户", "tenant")), badge(tenant)),
                None => state(own),
            };
            let id = anchor(&["c", &c.standard, &c.clause]);
            let name = match c.now {
                Some(_) => format!("<a href=\"#{id}\">{}</a>", esc(&c.clause)),
                None => esc(&c.clause),
            };
            row(&[name, titles(&c.title_zh, &c.title_en), half(c.before, c.tenant_before),
                half(c.now, c.tenant_now)])
        }).collect();
        body.push_str(&format!("<h3>{} ({})</h3>\n{}", both(title), rows.len(), table(&heads, &rows)));
    }
    let checks: Vec<String> = diff.checks.iter().map(|c| {
        let word = |v: Option<_>| v.map(|v| both(words::verdict(v))).unwrap_or_else(|| "-".into());
        row(&[esc(&c.check), word(c.before), word(c.now)])
    }).collect();
    let heads: [Both; 3] = [("检查", "Check"), ("原结论", "Before"), ("现结论", "Now")];
    body + &table(&heads, &checks)
}

fn limits(made: &Made<'_>) -> String {
    let items: String = words::limits(made.of).iter()
        .map(|(zh, en)| format!("<li>{}</li>\n", titles(zh, en))).collect();
    let open: Vec<String> = made.of.findings.iter().filter(|f| !f.says_nothing_about.is_empty())
        .map(|f| row(&[esc(&f.check), told(&f.says_nothing_about_zh, &f.says_nothing_about)])).collect();
    let heads: [Both; 2] = [("检查", "Check"), ("不涉及", "Says nothing about")];
    let missing: Vec<String> = made.of.clauses().filter(|(_, c)| !c.missing.is_empty())
        .map(|(s, c)| row(&[
            format!("<a href=\"#{}\">{}</a>", clause_anchor(s, c), esc(&c.id)),
            told(&c.missing_zh, &c.missing),
        ])).collect();
    let clauses: [Both; 2] = [("条款", "Clause"), ("未回答的部分", "What nothing answers")];
    format!("<ul>\n{items}</ul>\n{}{}", table(&heads, &open), table(&clauses, &missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        let safe = "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\u{fffd}\n";
        assert_eq!(esc("<a b=\"c\" d='e'>&\u{1b}\n"), safe);
        assert_eq!(anchor(&["c", "jrt0167", "7.2.5-B-a\" onload=\""]), "c-jrt0167-7.2.5-B-a--onload--");
    }
}
