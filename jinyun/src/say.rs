//! The terminal. The only place that prints.

use std::io::Write;

/// A line for the one who called.
pub fn out(line: &str) {
    // A closed pipe ends the reader's interest, not our work.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line about what went wrong.
pub fn err(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
