//! Reports: what an assessment found, for machines, for people, and for the assessor's laptop.
//!
//! ```text
//! an assessment (JSON) -> model -> OSCAL     seven kinds of documents for other tools
//!                               -> HTML      one page in two languages, that prints
//!                               -> PDF       the same in short
//!                               -> statement who carries which clause, for each tenant
//!                               -> pack      all of it with evidence and journal, signed
//! ```
//! A report is about a period: how clauses stand at its end, for how long which of them were in
//! violation before, and when nobody looked. A picture of one day says nothing of the days before.
//!
//! Everything is made from the assessment alone and a time that is passed in: the same input gives
//! the same bytes. Nothing here decides how a clause stands. No clock, no network; only the pack
//! reads files.

pub mod diff;
pub mod html;
pub mod model;
pub mod oscal;
pub mod pack;
pub mod pdf;
pub mod statement;
pub mod words;

use diff::Diff;
use model::Assessment;

/// What a report is made from.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The assessment.
    pub of: &'a Assessment,
    /// When the report is made, microseconds.
    pub at: i64,
    /// What is other than before, if there is a before.
    pub diff: Option<&'a Diff>,
    /// Checkpoints that cover the period, as signed notes.
    pub checkpoints: &'a [String],
}
