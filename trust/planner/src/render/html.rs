//! Blocks as one HTML file: its style is inside, nothing is fetched, and its own policy forbids that.

use super::{Block, Lang};
use std::fmt::Write;

/// Plain text, between tags or in a quoted attribute.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

const STYLE: &str = "
@page { size: A4; margin: 16mm 14mm; }
body { font: 14px/1.55 'Noto Sans CJK SC', 'Source Han Sans SC', 'Microsoft YaHei', 'PingFang SC',
  sans-serif; color: #1b1f24; max-width: 1080px; margin: 24px auto; padding: 0 16px; }
h1 { font-size: 24px; } h2 { font-size: 19px; margin-top: 28px; border-bottom: 1px solid #c9ced6; }
h3 { font-size: 16px; margin-top: 20px; }
table { border-collapse: collapse; width: 100%; margin: 10px 0; }
th, td { border: 1px solid #c9ced6; padding: 4px 7px; text-align: left; vertical-align: top; }
th { background: #eef1f5; } tr { break-inside: avoid; }
svg { max-width: 100%; height: auto; } section { break-before: page; }
@media print { body { max-width: none; margin: 0; font-size: 11px; }
  thead { display: table-header-group; } }
";

fn cells(tag: &str, cells: &[String]) -> String {
    let cells: Vec<String> =
        cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", plain(cell))).collect();
    format!("<tr>{}</tr>\n", cells.concat())
}

/// The document.
pub fn write(blocks: &[Block], lang: Lang) -> String {
    let title = blocks.iter().find_map(|block| match block {
        Block::Title(text) => Some(plain(text)),
        _ => None,
    });
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n\
         </head>\n<body>\n",
        lang.pick("zh-CN", "en"), title.unwrap_or_default(),
    );
    let mut open = false;
    for block in blocks {
        // Nobody writes to a String in vain.
        let _ = match block {
            Block::Title(text) => writeln!(out, "<h1>{}</h1>", plain(text)),
            Block::Heading(rank, text) => writeln!(out, "<h{rank}>{}</h{rank}>", plain(text)),
            Block::Text(text) => writeln!(out, "<p>{}</p>", plain(text)),
            Block::List(items) => {
                let items: Vec<String> =
                    items.iter().map(|item| format!("<li>{}</li>\n", plain(item))).collect();
                writeln!(out, "<ul>\n{}</ul>", items.concat())
            }
            Block::Table(head, rows) => {
                let body: Vec<String> = rows.iter().map(|row| cells("td", row)).collect();
                let (head, body) = (cells("th", head), body.concat());
                writeln!(out, "<table>\n<thead>{head}</thead>\n<tbody>\n{body}</tbody>\n</table>")
            }
            Block::Picture(svg) => writeln!(out, "{svg}"),
            Block::Page => {
                let end = if open { "</section>\n" } else { "" };
                open = true;
                writeln!(out, "{end}<section>")
            }
        };
    }
    out.push_str(if open { "</section>\n</body>\n</html>\n" } else { "</body>\n</html>\n" });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup() {
        let text = "<script>alert(1)</script> & \"x\" 'y'\u{7}";
        let want = "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot; &#39;y&#39; ";
        assert_eq!(plain(text), want);
        let blocks = [Block::Title(text.into()), Block::Page, Block::List(vec![text.into()])];
        let page = write(&blocks, Lang::En);
        assert!(!page.contains("<script"), "{page}");
        assert_eq!(page.matches("<section>").count(), page.matches("</section>").count());
    }
}
