//! The terminal. The only place that prints.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something that was asked for could not be written.
static LOST: AtomicBool = AtomicBool::new(false);

/// A line for the one who called.
pub fn out(line: &str) {
    if let Err(e) = writeln!(std::io::stdout(), "{line}")
        // A closed pipe ends the reader's interest, not our work.
        && e.kind() != ErrorKind::BrokenPipe
    {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Whether a line for the one who called was lost: on a full disk, for one.
pub fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// A line about what went wrong.
pub fn err(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
