//! Rows, transactions and the journal, on SQLite or PostgreSQL.
//!
//! Problem: the same rules must hold on the embedded database of one machine and on the replicated
//! one of a region. Mechanism: one small set of tables, one SQL text for both engines (types and
//! parameters are rewritten in [`db`]), one writer that commits in groups, and readers that see
//! only what is committed. What simulation proves on one engine holds on the other, because
//! nothing here depends on isolation levels: commands are serial. Not an ORM: the statements are
//! few and a mapper for two engines hides more than it saves. This is the only crate that speaks
//! SQL.

mod db;
mod export;
mod log;
mod read;
mod schema;
mod write;

pub use db::{Config, Db};
pub use log::{Appended, Draft, Head, Line, Sequence, Signer, Stretch};
pub use read::{Query, Row, Status, Stored, Usage};
pub use write::{Claim, Link, NudgeRow, OnDelete, PutOutcome, Writer};
