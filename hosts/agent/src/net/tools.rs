//! Running `ip`, `nft` and `conntrack`.
//!
//! Problem: the kernel's interfaces for links, routes and filters are netlink dialects of some
//! thousand lines each. The tools that every host has speak them, in words that an operator can
//! repeat by hand; that is worth a process now and then, since a pass that changes nothing starts
//! hardly any.
//!
//! Every line that comes here was printed from parsed values (`sift`, `render`). Nothing is
//! interpreted by a shell.

use super::netns;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output, Stdio};

/// A tool by name, wherever the system keeps it; its messages are not translated.
pub fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", search_path()).env("LC_ALL", "C");
    command
}

/// A daemon may have been started without the directories where these tools are.
fn search_path() -> String {
    let system = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
    match std::env::var("PATH") {
        Ok(given) if !given.is_empty() => format!("{given}:{system}"),
        _ => system.to_owned(),
    }
}

/// Runs a command with `input`; an error if it says that it failed.
pub fn feed(command: &mut Command, input: &str) -> io::Result<String> {
    let output = exchange(command, input)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(complaint(&output, input)))
}

fn exchange(command: &mut Command, input: &str) -> io::Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| io::Error::new(e.kind(), format!("cannot start `{name}`: {e}")))?;
    // Input goes in from a thread of its own: a tool that prints while it reads must not wait for
    // us while we wait for it. That it stopped reading shows in its status.
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(mut stdin) = stdin {
                let _ = stdin.write_all(input.as_bytes());
            }
        });
        child.wait_with_output()
    })
}

/// What a tool complained about, with the line of ours that it means where it says which.
fn complaint(output: &Output, input: &str) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut first = "it gave no reason";
    let mut line = None;
    for part in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        match part.strip_prefix("Command failed -:") {
            Some(number) => line = number.parse::<usize>().ok(),
            None if first == "it gave no reason" => first = part,
            None => {}
        }
    }
    let line = line.and_then(|n| input.lines().nth(n.saturating_sub(1)));
    match line {
        Some(line) => format!("`ip {line}`: {first}"),
        None => first.to_owned(),
    }
}

/// Runs lines of `ip` in a namespace, up to the first that fails.
pub fn ip_batch(space: &str, lines: &[&str]) -> io::Result<()> {
    let input = lines.join("\n") + "\n";
    feed(tool("ip").args(["-n", space, "-batch", "-"]), &input)?;
    Ok(())
}

/// Runs all lines of `ip` in a namespace, whichever fail: what is to be taken away may be gone.
pub fn ip_undo(space: &str, lines: &[&str]) -> io::Result<()> {
    let input = lines.join("\n") + "\n";
    exchange(
        tool("ip").args(["-force", "-n", space, "-batch", "-"]),
        &input,
    )?;
    Ok(())
}

/// Replaces a namespace's packet filter. The text takes away whatever is there, so never in the
/// namespace that the host itself lives in, whatever somebody has given a namespace's name to.
pub fn load_filter(space: &str, text: &str) -> io::Result<()> {
    let own = std::fs::metadata("/proc/self/ns/net")?.ino();
    netns::enter(space, || {
        if std::fs::metadata("/proc/thread-self/ns/net")?.ino() == own {
            return Err(io::Error::other("it is the host's own network"));
        }
        feed(tool("nft").args(["-f", "-"]), text)
    })?;
    Ok(())
}

/// A namespace's packet filter as JSON.
pub fn list_filter(space: &str) -> io::Result<serde_json::Value> {
    let text = netns::enter(space, || {
        feed(tool("nft").args(["-j", "list", "ruleset"]), "")
    })?;
    Ok(serde_json::from_str(&text)?)
}

/// The lines of a namespace's connection table.
pub fn connections(space: &str) -> io::Result<String> {
    netns::enter(space, || {
        feed(tool("conntrack").args(["-L", "-f", "ipv4"]), "")
    })
}

/// Runs lines of `conntrack` in a namespace.
pub fn conntrack_batch(space: &str, lines: &str) -> io::Result<()> {
    netns::enter(space, || feed(tool("conntrack").args(["-R", "-"]), lines))?;
    Ok(())
}
