//! The report on paper, in short: cover, coverage, changes, clauses, findings, duties, limits.
//!
//! One column, tables whose rows go on over the page's end, page numbers with their total. The HTML
//! has everything; this is what is printed, signed by hand and filed.

mod write;

use crate::Made;
use crate::model::{Assessment, Period, Standard, State, Violation};
use crate::words::{self, Both, STATES, age, length, line, minute};
use std::cmp::Reverse;
use write::{PAGE, Page, width, wrap};

const MARGIN: i64 = 5000;
const FOOT: i64 = 6500;
const INNER: i64 = PAGE.0 - 2 * MARGIN;
const GREY: [u8; 3] = [0xd5, 0xd9, 0xdf];

/// A cell: its text, and a colour beside it.
struct Cell {
    text: String,
    colour: Option<[u8; 3]>,
}

fn cell(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), colour: None }
}

fn both(words: Both) -> String {
    format!("{} {}", words.0, words.1)
}

/// A text in both languages, a line each; in English alone if its Chinese was not told.
fn told(zh: &str, en: &str) -> String {
    if zh.is_empty() { en.to_string() } else { format!("{zh}\n{en}") }
}

fn state(state: State) -> Cell {
    Cell { text: both(words::state(state)), colour: Some(words::colour(state)) }
}

/// Pages that are being filled from the top.
struct Paper {
    pages: Vec<Page>,
    y: i64,
}

impl Paper {
    fn new() -> Paper {
        Paper { pages: vec![Page::default()], y: PAGE.1 - MARGIN }
    }

    fn page(&mut self) -> &mut Page {
        let last = self.pages.len() - 1;
        &mut self.pages[last]
    }

    fn turn(&mut self) {
        self.pages.push(Page::default());
        self.y = PAGE.1 - MARGIN;
    }

    /// Makes sure that so much fits.
    fn need(&mut self, height: i64) {
        if self.y - height < FOOT {
            self.turn();
        }
    }

    fn text(&mut self, indent: i64, size: i64, bold: bool, text: &str) {
        for one in wrap(text, size, INNER - indent) {
            self.need(size * 145);
            self.y -= size * 145;
            let at = (MARGIN + indent, self.y);
            self.page().text(at, size, bold, &one);
        }
    }

    fn heading(&mut self, size: i64, text: &str) {
        // A heading at a page's foot belongs to nothing.
        self.need(size * 145 + 6000);
        self.y -= size * 60;
        self.text(0, size, true, text);
        self.y -= size * 30;
    }

    /// One part of a row: so many lines of each cell as fit.
    fn strip(&mut self, widths: &[i64], cells: &[(Vec<String>, Option<[u8; 3]>)], from: usize, lines: usize,
        bold: bool) {
        let (step, top) = (1200, self.y);
        let mut x = MARGIN;
        for ((texts, colour), width) in cells.iter().zip(widths) {
            if let Some(colour) = colour {
                let height = lines as i64 * step - 200;
                self.page().fill((x, top - height - 100), (250, height), *colour);
            }
            for (i, text) in texts.iter().skip(from).take(lines).enumerate() {
                let y = top - (i as i64 + 1) * step + 300;
                self.page().text((x + 400, y), 8, bold, text);
            }
            x += width;
        }
        self.y = top - lines as i64 * step - 200;
        let y = self.y;
        self.page().fill((MARGIN, y), (INNER, 30), GREY);
    }

    /// A table: widths in hundredths of the width.
    fn table(&mut self, shares: &[i64], heads: &[Both], rows: Vec<Vec<Cell>>) {
        if rows.is_empty() {
            self.text(0, 9, false, "无 none");
            return;
        }
        let widths: Vec<i64> = shares.iter().map(|s| INNER * s / 100).collect();
        let fold = |cells: Vec<Cell>| -> Vec<(Vec<String>, Option<[u8; 3]>)> {
            cells.into_iter().zip(&widths).map(|(cell, width)| {
                let lines = cell.text.split('\n').flat_map(|t| wrap(&line(t), 8, width - 600)).collect();
                (lines, cell.colour)
            }).collect()
        };
        let heads = fold(heads.iter().map(|h| cell(both(*h))).collect());
        let tall = |cells: &[(Vec<String>, Option<[u8; 3]>)]| {
            cells.iter().map(|c| c.0.len()).max().unwrap_or(1)
        };
        self.need(4000);
        self.strip(&widths, &heads, 0, tall(&heads), true);
        for row in rows {
            let row = fold(row);
            let (all, mut done) = (tall(&row), 0);
            while done < all {
                let fits = usize::try_from((self.y - FOOT) / 1200).unwrap_or(0);
                // A row is cut only if it is longer than a third of a page.
                if fits == 0 || (fits < all - done && all - done < 20) {
                    self.turn();
                    self.strip(&widths, &heads, 0, tall(&heads), true);
                    continue;
                }
                let now = fits.min(all - done);
                self.strip(&widths, &row, done, now, false);
                done += now;
            }
        }
        self.y -= 800;
    }

    /// Numbers the pages.
    fn done(mut self, title: &str) -> Vec<u8> {
        let all = self.pages.len();
        for (i, page) in self.pages.iter_mut().enumerate() {
            let number = format!("{} / {all}", i + 1);
            page.text((PAGE.0 - MARGIN - width(&number, 8), 3500), 8, false, &number);
            page.text((MARGIN, 3500), 8, false, title);
        }
        write::file(title, &self.pages)
    }
}

/// The PDF.
pub fn pdf(made: &Made<'_>) -> Vec<u8> {
    let title = format!("金云合规评估报告 Jinyun assessment report: {}", line(&made.of.instance));
    let mut paper = Paper::new();
    cover(&mut paper, made);
    paper.turn();
    paper.heading(14, "覆盖情况 Coverage");
    made.of.standards.iter().for_each(|s| picture(&mut paper, s));
    times(&mut paper, made.of);
    changes(&mut paper, made);
    clauses(&mut paper, made);
    findings(&mut paper, made);
    duties(&mut paper, made.of);
    paper.heading(14, "本报告不能证明什么 What this does not prove");
    for (zh, en) in words::limits(made.of) {
        paper.text(0, 9, false, &zh);
        paper.text(0, 9, false, &en);
        paper.y -= 400;
    }
    paper.done(&title)
}

fn cover(paper: &mut Paper, made: &Made<'_>) {
    let of = made.of;
    paper.y -= 8000;
    paper.text(0, 24, true, "金云合规评估报告");
    paper.text(0, 16, false, "Jinyun assessment report");
    paper.y -= 2000;
    let dash = |text: &str| if text.is_empty() { "-".to_string() } else { text.to_string() };
    let standards: Vec<String> =
        of.standards.iter().map(|s| format!("{} ({})", s.name, s.clauses.len())).collect();
    let notes: Vec<String> = made.checkpoints.iter().map(|n| crate::html::checkpoint(n)).collect();
    let period = format!("{} - {}", minute(Some(of.period.from)), minute(Some(of.period.to)));
    let facts: [(&str, String); 9] = [
        ("实例 Instance", dash(&of.instance)),
        ("产品 Product", format!("{} {}", of.product.name, of.product.version)),
        ("程序摘要 Digest of the program (SHA-256)", dash(&of.product.binary_sha256)),
        ("评估期间 Period", period),
        ("报告生成于 Report made", minute(Some(made.at))),
        ("标准（条款数） Standards (clauses)", standards.join("\n")),
        ("评估摘要 Digest of the assessment (SHA-256)", dash(&of.sha256)),
        ("日志条目 Journal entry", of.entry.map_or("-".into(), |e| e.to_string())),
        ("检查点 Checkpoint", dash(&notes.join("\n"))),
    ];
    for (name, value) in facts {
        paper.text(0, 9, true, name);
        for one in value.split('\n') {
            paper.text(0, 10, false, one);
        }
        paper.y -= 500;
    }
    paper.y -= 1500;
    paper.text(0, 8, false, "中文使用阅读器自带的宋体（STSong-Light, Adobe-GB1），字体未嵌入。");
    paper.text(0, 8, false, "Chinese text is set in STSong-Light (Adobe-GB1), which is not embedded: the \
        reader has to bring it. The HTML report says more than this one.");
}

fn picture(paper: &mut Paper, standard: &Standard) {
    paper.heading(11, &line(&standard.name));
    let (left, span, step) = (5000, INNER - 9000, 1500);
    let mut chapters = words::chapters(&standard.clauses);
    chapters.iter_mut().for_each(|c| c.1.retain(|c| !c.supplement));
    chapters.retain(|c| !c.1.is_empty());
    let longest = chapters.iter().map(|c| c.1.len()).max().unwrap_or(0).max(1) as i64;
    for (name, clauses) in &chapters {
        paper.need(step);
        paper.y -= step;
        let y = paper.y;
        paper.page().text((MARGIN, y + 300), 8, false, name);
        let mut before = 0;
        for (one, n) in STATES.iter().zip(words::count(clauses.iter().copied())) {
            let n = n as i64;
            let (from, to) = (before * span / longest, (before + n) * span / longest);
            if n > 0 {
                paper.page().fill((MARGIN + left + from, y), (to - from, 1100), words::colour(*one));
            }
            before += n;
        }
        let x = MARGIN + left + before * span / longest + 400;
        paper.page().text((x, y + 300), 8, false, &before.to_string());
    }
    paper.y -= 800;
    let rows = STATES.iter().zip(words::count(&standard.clauses)).filter(|(_, n)| *n > 0)
        .map(|(s, n)| vec![state(*s), cell(n.to_string())]).collect();
    paper.table(&[40, 20], &[("状态", "State"), ("条款数", "Clauses")], rows);
}

fn span(period: &Period) -> String {
    let (from, to) = (minute(Some(period.from)), minute(Some(period.to)));
    format!("{from} - {to} ({})", length(period.seconds()))
}

/// For how long which clauses were in violation, and when nobody looked; how fresh evidence was.
fn times(paper: &mut Paper, of: &Assessment) {
    violated(paper, of);
    paper.heading(11, "证据时效 Freshness of evidence");
    let Some(fresh) = &of.freshness else {
        paper.text(0, 9, false, "本次评估未给出。 The assessment does not tell.");
        return;
    };
    paper.text(0, 9, false, words::FRESH.0);
    paper.text(0, 9, false, words::FRESH.1);
    for (name, value) in words::freshness(fresh) {
        paper.text(800, 9, false, &format!("{}: {value}", both(name)));
    }
}

fn violated(paper: &mut Paper, of: &Assessment) {
    paper.heading(14, "不合规时间与无人查看的时段 Time in violation, and when nobody looked");
    paper.text(0, 9, false, words::COUNTED.0);
    paper.text(0, 9, false, words::COUNTED.1);
    paper.y -= 400;
    let Some(all) = &of.violations else {
        paper.text(0, 9, false, "本次评估未给出。 The assessment does not tell.");
        return;
    };
    let mut all: Vec<&Violation> = all.iter().collect();
    all.sort_by_key(|v| (!v.lasts, Reverse(v.seconds)));
    let rows = all.into_iter().map(|v| {
        let newest = match (v.lasts, v.times.last()) {
            (true, _) => "期末仍不符合 still so at the end".to_string(),
            (false, Some(time)) => format!("至 until {}", minute(Some(time.to))),
            (false, None) => "-".into(),
        };
        vec![cell(&v.clause), cell(both(words::half(v.half))), cell(length(v.seconds)),
            cell(v.count.to_string()), cell(newest)]
    }).collect();
    let heads = [("条款", "Clause"), ("哪一方", "Whose half"), ("累计", "In all"), ("次数", "Times"),
        ("最近", "Newest")];
    paper.table(&[18, 22, 18, 12, 30], &heads, rows);
    paper.text(0, 9, true, &format!("无人查看的时段 When nobody looked: {}", length(of.unseen())));
    for gap in &of.gaps {
        paper.text(800, 9, false, &span(gap));
    }
}

fn changes(paper: &mut Paper, made: &Made<'_>) {
    let Some(diff) = made.diff else { return };
    paper.heading(14, "与上次相比 Changes since the last pack");
    let word = |s: Option<State>| s.map_or(cell("-"), state);
    let rows = diff.clauses.iter().map(|c| {
        vec![cell(&c.clause), cell(format!("{}\n{}", c.title_zh, c.title_en)), word(c.before), word(c.now)]
    }).collect();
    let heads = [("条款", "Clause"), ("标题", "Title"), ("原状态", "Before"), ("现状态", "Now")];
    paper.table(&[16, 44, 20, 20], &heads, rows);
}

fn clauses(paper: &mut Paper, made: &Made<'_>) {
    paper.turn();
    paper.heading(14, "条款 Clauses");
    let heads = [("条款", "Clause"), ("责任方", "Whose"), ("标题", "Title"), ("状态", "State")];
    for standard in &made.of.standards {
        paper.heading(11, &line(&standard.name));
        let rows = standard.clauses.iter().map(|c| {
            let mut title = format!("{}\n{}", c.title_zh, c.title_en);
            if !c.missing.is_empty() {
                title.push_str(&format!("\n未回答 not answered: {}", told(&c.missing_zh, &c.missing)));
            }
            if let Some(tenant) = c.tenant_state {
                title.push_str(&format!("\n租户部分 tenant's half: {}", both(words::state(tenant))));
            }
            let rails: Vec<&str> = made.of.guardrails_of(c).map(|rail| rail.name.as_str()).collect();
            if !rails.is_empty() {
                title.push_str(&format!("\n护栏 guardrails: {}", rails.join(", ")));
            }
            let level = words::level(&c.level).map_or_else(|| c.level.clone(), both);
            let whose = format!("{}\n{level}", both(words::side(c.duty)));
            vec![cell(&c.id), cell(whose), cell(title), state(c.state)]
        }).collect();
        paper.table(&[16, 16, 48, 20], &heads, rows);
    }
}

fn findings(paper: &mut Paper, made: &Made<'_>) {
    paper.turn();
    paper.heading(14, "检查结果 Findings");
    paper.text(0, 9, false, words::FOUND.0);
    paper.text(0, 9, false, words::FOUND.1);
    for finding in &made.of.findings {
        let verdict = both(words::verdict(finding.verdict));
        paper.heading(10, &format!("{}: {verdict}", line(&finding.check)));
        let entries: Vec<String> = finding.entries.iter().map(u64::to_string).collect();
        let lines = [
            line(&finding.says),
            format!("方法 Method: {}; {}", both(words::method(finding.method)),
                both(words::half(finding.half))),
            format!("总体 Population: {}; 样本 Sample: {}; {} ({})", finding.population, finding.sampled,
                minute(Some(finding.at)), age(made.at, finding.at)),
            finding.observed().map_or(String::new(), |period| {
                format!("观察期间 Observed: {}", span(&period))
            }),
            match entries.is_empty() {
                true => String::new(),
                false => format!("日志条目 Journal entries: {}", entries.join(", ")),
            },
            match finding.says_nothing_about_zh.is_empty() {
                true => String::new(),
                false => format!("不涉及：{}", line(&finding.says_nothing_about_zh)),
            },
            format!("不涉及 Says nothing about: {}", line(&finding.says_nothing_about)),
        ];
        for one in lines.iter().filter(|l| !l.is_empty()) {
            paper.text(800, 9, false, one);
        }
    }
}

fn duties(paper: &mut Paper, of: &Assessment) {
    paper.turn();
    paper.heading(14, "职责与期限 Duties and due dates");
    let rows = of.duties.iter().map(|d| {
        let files = d.records.iter().map(|r| format!("{} {}", r.name, r.sha256));
        let records: Vec<String> = files.chain(d.statement.as_ref().map(words::stated)).collect();
        let dates = format!("{}\n{}", minute(d.due), minute(d.last));
        let owner = format!("{}\n{}", told(&d.owner_zh, &d.owner), d.every);
        vec![cell(&d.clause), cell(owner), cell(dates), state(d.state), cell(records.join("\n"))]
    }).collect();
    let heads = [("条款", "Clause"), ("承担者、周期", "Owner, every"), ("期限、上次", "Due, last done"),
        ("状态", "State"), ("记录", "Records")];
    paper.table(&[14, 14, 20, 18, 34], &heads, rows);
}
