//! From an inventory of information systems to a plan of their move to the cloud.
//!
//! Problem: the standards say which systems may go to which cloud, in which order and under which
//! conditions; an institution has a table of its systems and needs a document that a supervisor can
//! check sentence by sentence. Mechanism: the rules are tables of data with their clauses
//! ([`rules`]); a missing input is asked for and never guessed; the order is computed on the graph of
//! dependencies ([`waves`]); the result is data first ([`Plan`]), then Markdown or HTML. No IO, no
//! clock, no randomness: text in, text out. What the planner proposes a person decides.
//!
//! ```text
//! YAML, CSV, JSON ──> read ──> Inventory ──> make ──> Plan ──> JSON
//!                                            │ rules         └─> render ──> Markdown, HTML
//!                                            └ waves
//! ```

pub mod clauses;
pub mod fields;
mod make;
pub mod plan;
pub mod read;
mod render;
mod rest;
pub mod rules;
pub mod waves;
pub mod words;

pub use make::{plan, tables};
pub use plan::{Plan, Project};
pub use read::{Flaw, Inventory, Malformed};
pub use render::{Lang, html, markdown};
pub use rest::{RULES, register, routes};
