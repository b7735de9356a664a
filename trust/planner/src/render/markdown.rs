//! Blocks as Markdown (with tables, as GitHub has them).

use super::Block;
use std::fmt::Write;

/// Plain text, so that no character of it is markup.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            // A line break would end a cell or begin a block.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The same at the beginning of a line, where a few more characters would begin a list.
fn line(text: &str) -> String {
    let mut out = plain(text);
    let digits = out.bytes().take_while(u8::is_ascii_digit).count();
    match out.as_bytes().get(digits).copied() {
        Some(b'.' | b')') if digits > 0 => out.insert(digits, '\\'),
        Some(b'-' | b'+' | b'=') if digits == 0 => out.insert(0, '\\'),
        _ => {}
    }
    out
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| plain(cell)).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The document.
pub fn write(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        // Nobody writes to a String in vain.
        let _ = match block {
            Block::Title(text) => writeln!(out, "# {}\n", plain(text)),
            Block::Heading(rank, text) => writeln!(out, "{} {}\n", "#".repeat(*rank), plain(text)),
            Block::Text(text) => writeln!(out, "{}\n", line(text)),
            Block::List(items) => {
                items.iter().for_each(|item| out.push_str(&format!("- {}\n", line(item))));
                writeln!(out)
            }
            Block::Table(head, rows) => {
                out.push_str(&row(head));
                out.push_str(&format!("|{}\n", " --- |".repeat(head.len())));
                rows.iter().for_each(|cells| out.push_str(&row(cells)));
                writeln!(out)
            }
            Block::Page => writeln!(out, "---\n"),
            // Markdown's readers drop SVG; the table that follows says the same.
            Block::Picture(_) => Ok(()),
        };
    }
    let end = out.trim_end().len();
    out.truncate(end);
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup() {
        let cases = [
            ("a|b", "a\\|b"),
            ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
            ("[x](y) *z* `w` _u_ # ~", "\\[x\\](y) \\*z\\* \\`w\\` \\_u\\_ \\# \\~"),
            ("![i](y)", "\\!\\[i\\](y)"),
            ("1. item", "1\\. item"),
            ("12) item", "12\\) item"),
            ("- item", "\\- item"),
            ("a\nb", "a b"),
            ("第1批", "第1批"),
        ];
        assert_eq!(plain("7.2.4-E-a"), "7.2.4-E-a", "a cell is no beginning of a line");
        for (text, want) in cases {
            assert_eq!(line(text), want);
        }
    }
}
