//! The bytes of a PDF: objects, pages, and text in two fonts that are not in the file.
//!
//! Latin text is set in Helvetica, which every reader has, with its known widths. Everything else
//! is set in STSong-Light through the predefined map UniGB-UCS2-H (Adobe-GB1), as Chinese documents
//! were for decades: the reader brings the glyphs, each one em wide. That is honest and small; a
//! reader without a Chinese font shows the English half only. Embedding a font would add megabytes
//! to every report, and a library brings more than these hundred lines. Numbers are hundredths of
//! a point: no fraction is rounded twice, and the same input gives the same bytes.

use std::fmt::Write;

/// Widths of Helvetica from the space to the tilde, in thousandths of an em.
const HELVETICA: [i64; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// A4, hundredths of a point.
pub(super) const PAGE: (i64, i64) = (59_528, 84_189);

/// As it is set: control characters are spaces, what the map does not have is a box.
fn plain(c: char) -> char {
    match c {
        c if c.is_control() => ' ',
        c if c as u32 > 0xffff => '\u{25a1}',
        c => c,
    }
}

fn latin(c: char) -> bool {
    (' '..='~').contains(&c)
}

/// Width in hundredths of a point at a size in points.
pub(super) fn width(text: &str, size: i64) -> i64 {
    text.chars().map(plain).map(|c| match latin(c) {
        true => HELVETICA[c as usize - 32] * size / 10,
        false => 100 * size,
    }).sum()
}

/// Signs that do not begin a line.
fn clings(c: char) -> bool {
    "，。；：、）》」？！,.;:)".contains(c)
}

/// Lines that fit a width. Chinese breaks anywhere, Latin between words; a word that is longer than
/// a line is cut.
pub(super) fn wrap(text: &str, size: i64, most: i64) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut word) = (String::new(), String::new());
    let mut put = |word: &mut String, line: &mut String| {
        if word.is_empty() {
            return;
        }
        let clinging = word.chars().all(clings);
        if !line.is_empty() && !clinging && width(line, size) + width(word.trim_end(), size) > most {
            lines.push(line.trim_end().to_string());
            line.clear();
        }
        for c in word.drain(..) {
            let after = width(line, size) + width(c.encode_utf8(&mut [0; 4]), size);
            if !line.is_empty() && after > most && !clings(c) && c != ' ' {
                lines.push(std::mem::take(line));
            }
            line.push(c);
        }
    };
    for c in text.chars().map(plain) {
        if !latin(c) {
            put(&mut word, &mut line);
            word.push(c);
            put(&mut word, &mut line);
            continue;
        }
        word.push(c);
        if c == ' ' {
            put(&mut word, &mut line);
        }
    }
    put(&mut word, &mut line);
    if !line.trim_end().is_empty() || lines.is_empty() {
        lines.push(line.trim_end().to_string());
    }
    lines
}

fn points(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn level(byte: u8) -> String {
    let thousandths = u32::from(byte) * 1000 / 255;
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

/// A PDF string: Latin in parentheses, others as UCS-2 in hex.
fn string(run: &str) -> String {
    if run.chars().all(latin) {
        let mut out = String::from("(");
        for c in run.chars() {
            if "()\\".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
        return out + ")";
    }
    let mut out = String::from("<");
    for unit in run.encode_utf16() {
        let _ = write!(out, "{unit:04x}");
    }
    out + ">"
}

/// What is drawn on a page.
#[derive(Default)]
pub(super) struct Page {
    ops: String,
}

impl Page {
    /// A line of text; `bold` draws its outline too.
    pub fn text(&mut self, at: (i64, i64), size: i64, bold: bool, text: &str) {
        let (mut x, y) = at;
        let text: Vec<char> = text.chars().map(plain).collect();
        for run in text.chunk_by(|a, b| latin(*a) == latin(*b)) {
            let run: String = run.iter().collect();
            let font = if run.chars().all(latin) { "F1" } else { "F2" };
            let mode = if bold { "2 Tr 0.30 w" } else { "0 Tr" };
            let _ = writeln!(self.ops, "BT 0 g {mode} /{font} {size} Tf {} {} Td {} Tj ET", points(x),
                points(y), string(&run));
            x += width(&run, size);
        }
    }

    /// A filled box: its lower left corner, its size.
    pub fn fill(&mut self, at: (i64, i64), size: (i64, i64), colour: [u8; 3]) {
        let [r, g, b] = colour.map(level);
        let _ = writeln!(self.ops, "{r} {g} {b} rg {} {} {} {} re f", points(at.0), points(at.1),
            points(size.0), points(size.1));
    }
}

/// Text of the file's own properties: UTF-16 with its mark.
fn marked(text: &str) -> String {
    let units: String = text.encode_utf16().map(|u| format!("{u:04x}")).collect();
    format!("<feff{units}>")
}

/// The whole file.
pub(super) fn file(title: &str, pages: &[Page]) -> Vec<u8> {
    let first = 8;
    let kids: Vec<String> = (0..pages.len()).map(|i| format!("{} 0 R", first + 2 * i)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R /Lang (zh-CN) >>".to_string(),
        format!("<< /Type /Pages /Kids [{}] /Count {} /MediaBox [0 0 {} {}] \
            /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>",
            kids.join(" "), pages.len(), points(PAGE.0), points(PAGE.1)),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".into(),
        "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light-UniGB-UCS2-H \
            /Encoding /UniGB-UCS2-H /DescendantFonts [5 0 R] >>".into(),
        "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000 /FontDescriptor 6 0 R \
            /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >> >>".into(),
        "<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6 /FontBBox [-25 -254 1000 880] \
            /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>".into(),
        format!("<< /Title {} /Producer (Jinyun) >>", marked(title)),
    ];
    for (i, page) in pages.iter().enumerate() {
        let content = first + 2 * i + 1;
        objects.push(format!("<< /Type /Page /Parent 2 0 R /Contents {content} 0 R >>"));
        objects.push(format!("<< /Length {} >>\nstream\n{}endstream", page.ops.len(), page.ops));
    }
    let mut out = String::from("%PDF-1.7\n% 金云\n");
    let mut places = Vec::new();
    for (i, object) in objects.iter().enumerate() {
        places.push(out.len());
        let _ = writeln!(out, "{} 0 obj\n{object}\nendobj", i + 1);
    }
    let (start, size) = (out.len(), objects.len() + 1);
    let _ = writeln!(out, "xref\n0 {size}\n0000000000 65535 f ");
    for place in places {
        let _ = writeln!(out, "{place:010} 00000 n ");
    }
    let _ = writeln!(out, "trailer\n<< /Size {size} /Root 1 0 R /Info 7 0 R >>\nstartxref\n{start}\n%%EOF");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_lose_nothing() {
        let text = "一句中文，with some English words in it。and-a-word-that-is-longer-than-the-line 7.2.5";
        for most in [300, 4000, 6000, 20_000] {
            let lines = wrap(text, 9, most);
            let squeeze = |t: &str| t.split_whitespace().collect::<String>();
            assert_eq!(squeeze(&lines.concat()), squeeze(text), "{most}");
            if most > 1000 {
                // A sign that clings to its line may stand over.
                assert!(lines.iter().all(|l| width(l, 9) <= most + 900), "{lines:?}");
                assert!(!lines.iter().any(|l| l.starts_with('，') || l.starts_with('。')), "{lines:?}");
            }
        }
        assert_eq!(wrap("", 9, 1000), [""]);
        assert_eq!(wrap("a b", 9, 100_000), ["a b"]);
    }

    #[test]
    fn every_object_is_where_the_table_says() {
        let mut page = Page::default();
        page.text((5000, 5000), 9, false, "(a\\b) 金\u{1f600}\u{7}");
        let bytes = file("题 (t)", &[page]);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("(\\(a\\\\b\\) ) Tj") && text.contains("<91d125a1> Tj"), "{text}");
        let table = text.split("\nxref\n").nth(1).unwrap();
        let places = table.lines().skip(2).take_while(|l| l.ends_with(" n "));
        for (i, place) in places.enumerate() {
            let place: usize = place[..10].parse().unwrap();
            assert!(text[place..].starts_with(&format!("{} 0 obj\n", i + 1)), "object {}", i + 1);
        }
        let start: usize = text.lines().rev().nth(1).unwrap().parse().unwrap();
        assert!(text[start..].starts_with("xref\n"));
    }
}
