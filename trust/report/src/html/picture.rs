//! The picture of coverage: a bar for each chapter, a part of it for each state.

use super::{both, esc};
use crate::model::{Assessment, Standard};
use crate::words::{self, Both, STATES};

const LEFT: usize = 80;
const WIDTH: usize = 560;
const STEP: usize = 22;

/// Every standard's picture and its numbers.
pub(super) fn all(of: &Assessment) -> String {
    of.standards.iter().map(|s| {
        format!("<h3>{}</h3>\n{}{}", esc(&s.name), numbers(s), drawn(s))
    }).collect()
}

fn numbers(standard: &Standard) -> String {
    let counts = words::count(&standard.clauses);
    let rows: Vec<String> = STATES.iter().zip(counts).filter(|(_, n)| *n > 0)
        .map(|(s, n)| super::row(&[super::badge(*s), n.to_string()])).collect();
    let heads: [Both; 2] = [("状态", "State"), ("条款数", "Clauses")];
    super::table(&heads, &rows)
}

fn drawn(standard: &Standard) -> String {
    let mut chapters = words::chapters(&standard.clauses);
    chapters.iter_mut().for_each(|c| c.1.retain(|c| !c.supplement));
    chapters.retain(|c| !c.1.is_empty());
    let longest = chapters.iter().map(|c| c.1.len()).max().unwrap_or(0).max(1);
    let mut bars = String::new();
    for (i, (name, clauses)) in chapters.iter().enumerate() {
        let (y, text) = (i * STEP + 4, i * STEP + 17);
        bars.push_str(&format!("<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{}</text>\n", LEFT - 8,
            esc(name)));
        let mut before = 0;
        for (state, n) in STATES.iter().zip(words::count(clauses.iter().copied())) {
            if n == 0 {
                continue;
            }
            let (from, to) = (before * WIDTH / longest, (before + n) * WIDTH / longest);
            let [r, g, b] = words::colour(*state);
            let (zh, en) = words::state(*state);
            bars.push_str(&format!(
                "<rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"16\" fill=\"#{r:02x}{g:02x}{b:02x}\" \
                 stroke=\"#fff\"><title>{}: {zh} {en} {n}</title></rect>\n",
                LEFT + from, to - from, esc(name)
            ));
            before += n;
        }
        bars.push_str(&format!("<text x=\"{}\" y=\"{text}\">{before}</text>\n",
            LEFT + before * WIDTH / longest + 6));
    }
    let (width, height) = (LEFT + WIDTH + 50, chapters.len() * STEP + 8);
    let label = format!("{}: 各章条款状态 clauses by chapter and state", standard.name);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{}\">\n{bars}</svg>\n<p>{}</p>\n",
        esc(&label), both(("横条长度为条款数。", "The length of a bar is the number of clauses."))
    )
}
