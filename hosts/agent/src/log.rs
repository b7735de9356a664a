//! The agent's log: one line per event on stderr, for the launcher to collect.
//!
//! Much of what is logged was written by others (QEMU, a guest's firmware, an image's name), so
//! control characters are replaced: nobody forges a second line. Secrets never come here; the
//! types that hold them cannot be printed.

use std::fmt::Display;
use std::io::Write;

/// Something a reader may want to know.
pub fn info(text: impl Display) {
    write("info", &text.to_string());
}

/// Something that somebody should look at.
pub fn warn(text: impl Display) {
    write("warn", &text.to_string());
}

fn write(level: &str, text: &str) {
    let mut line = format!("jinyun-agent {level} ");
    line.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    line.push('\n');
    // One call, so that lines of several threads do not mix. If stderr is gone there is nobody to
    // tell, and guests are more important than the log.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
