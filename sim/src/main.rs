//! `jinyun-sim`: runs seeds; a failing one is printed as the command that runs it again.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

/// So many seeds must have seen everything that there is to see.
const MANY: u64 = 200;

fn number(words: &[String], name: &str, default: u64) -> u64 {
    let at = words.iter().position(|w| w == name);
    at.and_then(|i| words.get(i + 1)).and_then(|w| w.parse().ok()).unwrap_or(default)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let (from, count) = (number(&words, "--seed", 1), number(&words, "--count", 1));
    let steps = number(&words, "--steps", 150) as usize;
    let (next, failed) = (AtomicU64::new(from), Mutex::new(Vec::new()));
    let total = Mutex::new(jinyun_sim::Outcome::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut out = std::io::stdout();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= from + count {
                    return;
                }
                match jinyun_sim::run(seed, steps) {
                    Ok(outcome) => {
                        if let Ok(mut total) = total.lock() {
                            total.add(&outcome);
                        }
                    }
                    Err(say) => {
                        let line = format!(
                            "seed {seed}: {say}\n  again: cargo run --release -p jinyun-sim -- \
                             --seed {seed} --steps {steps}"
                        );
                        let _ = writeln!(std::io::stderr(), "{line}");
                        if let Ok(mut failed) = failed.lock() {
                            failed.push(seed);
                        }
                    }
                }
            });
        }
    });
    let failures = failed.lock().map(|f| f.len() as u64).unwrap_or(count);
    let mut hollow = false;
    if let Ok(total) = total.lock() {
        let _ = writeln!(out, "{total}");
        if words.iter().any(|w| w == "--actions") {
            for (action, (tried, done)) in &total.actions {
                let _ = writeln!(out, "{done:>8} of {tried:>8}  {action}");
            }
        }
        for action in total.hollow() {
            hollow = true;
            let _ = writeln!(std::io::stderr(), "{action} was tried all the time and never done");
        }
        if count >= MANY {
            for what in total.unseen() {
                hollow = true;
                let _ = writeln!(std::io::stderr(), "{what}: never seen, so nothing was shown about them");
            }
        }
    }
    let _ = writeln!(out, "{} passed, {failures} failed", count - failures);
    if failures == 0 && !hollow { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
