//! A plan for people: one sequence of blocks, written as Markdown or as HTML.
//!
//! The content is put together once ([`report`]), as plain text; what a character means in Markdown or
//! in HTML is known to one writer each, so nothing in a system's name can become markup.

mod html;
mod markdown;
mod report;
mod svg;

use crate::plan::Plan;

/// The language of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// Chinese, the first language of such a document.
    Zh,
    /// English.
    En,
}

impl Lang {
    /// The one of two texts that is in this language.
    pub fn pick<'t>(self, zh: &'t str, en: &'t str) -> &'t str {
        match self {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }
}

/// A part of a document. All text is plain.
enum Block {
    /// The document's title.
    Title(String),
    /// A heading of the second or third rank.
    Heading(usize, String),
    /// A paragraph.
    Text(String),
    /// A list.
    List(Vec<String>),
    /// A table: its head and its rows.
    Table(Vec<String>, Vec<Vec<String>>),
    /// A picture, as SVG. Whatever it shows is in a table too.
    Picture(String),
    /// A new page, on paper.
    Page,
}

/// The plan in Markdown.
pub fn markdown(plan: &Plan, lang: Lang) -> String {
    markdown::write(&report::blocks(plan, lang))
}

/// The plan as one HTML file without scripts and without anything fetched.
pub fn html(plan: &Plan, lang: Lang) -> String {
    html::write(&report::blocks(plan, lang), lang)
}
