//! What a measurement reads of the machine, and where it works.
//!
//! Peak memory is of a whole process and never falls, so what is to have a figure of its own runs in a
//! process of its own: this program again, with another word, which answers with one line of JSON. CPU
//! is counted by the kernel in hundredths of a second. A directory goes away with its guard, also where
//! a measurement fails; not where somebody kills it.

use jinyun_base::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ffi::OsStr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(since.as_micros() as i64)
}

/// Two neighbouring times of `/proc/self/stat`, together, in seconds.
fn ticks(at: usize) -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let words: Vec<f64> = text.rsplit(')').next().unwrap_or("").split_whitespace().skip(at).take(2)
        .filter_map(|w| w.parse().ok()).collect();
    words.iter().sum::<f64>() / 100.0
}

/// CPU that this process has used, seconds.
pub fn cpu() -> f64 {
    ticks(11)
}

/// CPU of the children that have ended, seconds.
fn children() -> f64 {
    ticks(13)
}

/// The most memory that this process ever had resident, bytes.
fn peak() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let kib: Option<u64> = line.split_whitespace().next().and_then(|word| word.parse().ok());
    kib.expect("VmHWM in /proc/self/status") * 1024
}

/// What something took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Spent {
    /// Seconds.
    pub wall: f64,
    /// Seconds of CPU, children's too.
    pub cpu: f64,
    /// Peak memory of the process until then, bytes.
    pub peak: u64,
}

/// When something began.
pub struct Start {
    wall: Instant,
    cpu: f64,
}

impl Start {
    /// Now.
    pub fn now() -> Start {
        Start { wall: Instant::now(), cpu: cpu() + children() }
    }

    /// What was spent since.
    pub fn spent(&self) -> Spent {
        let wall = self.wall.elapsed().as_secs_f64();
        Spent { wall, cpu: cpu() + children() - self.cpu, peak: peak() }
    }
}

/// A directory that is removed with all that is in it.
pub struct Scratch(PathBuf);

impl Scratch {
    /// One of this process's own in another directory.
    pub fn new(parent: &Path, name: &str) -> Result<Scratch, String> {
        let path = parent.join(format!("jybench-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Scratch(path))
    }
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes that a directory's file system has left.
fn free(dir: &Path) -> Result<u64, String> {
    let asked = Command::new("df").args(["--output=avail", "-B1", "--"]).arg(dir).output();
    let out = asked.map_err(|e| format!("df: {e}"))?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).trim().to_string());
    }
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let bytes = text.lines().nth(1).and_then(|line| line.trim().parse().ok());
    bytes.ok_or_else(|| format!("df does not say how much is free in {}", dir.display()))
}

/// Refuses a directory that has less room than 2.2 times as much as is made in it once: all of it stands
/// there twice, by itself and in an archive or a database, and a tenth is left to others.
pub fn room(dir: &Path, once: u64) -> Result<(), String> {
    let (free, wanted) = (free(dir)?, once / 10 * 22);
    if free < wanted {
        return Err(format!(
            "{} has {} MB free and this may take {} MB: name fewer entries or another directory",
            dir.display(), free / 1_000_000, wanted / 1_000_000
        ));
    }
    Ok(())
}

/// Runs this program again with other words, and reads its answer.
pub fn child(words: &[&OsStr]) -> Result<Value, String> {
    let own = std::env::current_exe().map_err(|e| format!("this program's own file: {e}"))?;
    let out = Command::new(own).args(words).stderr(Stdio::inherit()).output()
        .map_err(|e| format!("this program again: {e}"))?;
    if !out.status.success() {
        let word = words.first().copied().unwrap_or_default().to_string_lossy();
        return Err(format!("{word}: ended with {}", out.status));
    }
    serde_json::from_slice(&out.stdout).map_err(|e| format!("the answer of this program: {e}"))
}

/// What a child says that it spent.
pub fn spent_of(answer: &Value) -> Result<Spent, String> {
    let spent = answer.get("spent").cloned().unwrap_or_default();
    serde_json::from_value(spent).map_err(|e| format!("what a child spent: {e}"))
}

/// A line of figures: with a rate where bytes are given, and with memory where it is the process's own.
pub fn show(what: &str, spent: &Spent, bytes: Option<u64>, memory: bool) {
    let mut line = format!("{what:<58} {:>9.2} s, {:>9.2} s of CPU", spent.wall, spent.cpu);
    if let Some(bytes) = bytes {
        line += &format!(", {:>6.0} MB/s", bytes as f64 / 1e6 / spent.wall);
    }
    if memory {
        line += &format!(", peak {:>6.1} MB", spent.peak as f64 / 1e6);
    }
    println!("{line}");
}
