//! Asking the one who types.
//!
//! Secrets come from the terminal without an echo, or as lines from standard input; never from a
//! command line or a variable, which others on the machine can read and a shell's history keeps.

use crate::say;
use jinyun_base::{Fault, Secret};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use std::io::{BufRead, IsTerminal, Write};

/// Whether somebody types.
pub fn somebody() -> bool {
    std::io::stdin().is_terminal()
}

fn prompt(text: &str) -> std::io::Result<()> {
    let mut err = std::io::stderr();
    write!(err, "{text}: ").and_then(|()| err.flush())
}

fn given(what: &str, line: &str) -> Result<String, Fault> {
    let text = line.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Fault::new(format!("{what}: nothing was given")));
    }
    Ok(text.into())
}

/// Asks for one line that may be seen. `usual` is what an empty line means.
pub fn line(what: &str, usual: Option<&str>) -> Result<String, Fault> {
    let bad = |e: std::io::Error| Fault::new(format!("reading {what}: {e}"));
    if somebody() {
        let shown = usual.map_or(what.to_string(), |usual| format!("{what} [{usual}]"));
        prompt(&shown).map_err(bad)?;
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(bad)?;
    match usual {
        Some(usual) if line.trim().is_empty() => Ok(usual.into()),
        _ => given(what, &line),
    }
}

/// Asks for one line that must not be seen.
pub fn secret(what: &str) -> Result<Secret<String>, Fault> {
    let bad = |e: &dyn std::fmt::Display| Fault::new(format!("reading {what}: {e}"));
    let stdin = std::io::stdin();
    let mut text = String::new();
    if !stdin.is_terminal() {
        stdin.lock().read_line(&mut text).map_err(|e| bad(&e))?;
    } else {
        prompt(what).map_err(|e| bad(&e))?;
        let before = tcgetattr(&stdin).map_err(|e| bad(&e))?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&stdin, SetArg::TCSANOW, &silent).map_err(|e| bad(&e))?;
        let read = stdin.lock().read_line(&mut text);
        tcsetattr(&stdin, SetArg::TCSANOW, &before).map_err(|e| bad(&e))?;
        say::err("");
        read.map_err(|e| bad(&e))?;
    }
    let line = Secret::new(text);
    Ok(Secret::new(given(what, line.expose())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_its_end_and_nothing_else() {
        assert_eq!(given("x", " a b \r\n").unwrap(), " a b ");
        assert_eq!(given("x", "\n").unwrap_err().to_string(), "x: nothing was given");
    }
}
