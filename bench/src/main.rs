//! Benchmarks of the product's own parts. `bench/README.md` says how to run them and what was
//! measured; peers are measured in the same run where one can be had.

mod access;
mod commands;
mod evidence;
mod export;
mod gauge;
mod journal;
mod pack;
mod papers;
mod year;

use serde_json::Value;
use std::path::{Path, PathBuf};

const USAGE: &str = "usage: jinyun-bench access | commands | journal [ENTRIES] | evidence [RECORDS]
       jinyun-bench pack [ENTRIES] [DIR] [ENTRIES-PER-CHECKPOINT]
       jinyun-bench export [ENTRIES] [DIR] [ENTRIES-PER-CHECKPOINT]
       jinyun-bench pack-verify PACK KEYS";

fn fail(why: &str, code: i32) -> ! {
    eprintln!("{why}");
    std::process::exit(code)
}

fn word(at: usize) -> Option<String> {
    std::env::args().nth(at)
}

fn number(at: usize, usual: u64) -> u64 {
    match word(at).map(|word| word.parse::<u64>()) {
        None => usual,
        Some(Ok(number)) => number,
        Some(Err(_)) => fail(USAGE, 2),
    }
}

fn directory() -> PathBuf {
    word(3).map_or_else(std::env::temp_dir, PathBuf::from)
}

fn file(at: usize) -> PathBuf {
    let Some(word) = word(at) else { fail(USAGE, 2) };
    PathBuf::from(word)
}

/// What a process of its own answers, in a line of JSON.
fn answer(done: Result<Value, jinyun_base::Fault>) -> Result<(), String> {
    done.map(|value| println!("{value}")).map_err(|e| e.to_string())
}

fn main() {
    let what = word(1).unwrap_or_default();
    let long = |run: fn(u64, &Path, u64) -> Result<(), String>| {
        run(number(2, 1_000_000), &directory(), number(4, pack::EVERY))
    };
    let done = match what.as_str() {
        "access" => {
            access::run();
            Ok(())
        }
        "commands" => {
            commands::run();
            Ok(())
        }
        "journal" => {
            journal::run(number(2, 1_000_000));
            Ok(())
        }
        "evidence" => {
            evidence::run(number(2, 10_000));
            Ok(())
        }
        "pack" => long(pack::run),
        "export" => long(export::run),
        pack::MAKE => answer(pack::make(&file(2))),
        pack::VERIFY => answer(pack::verify(&file(2), &file(3))),
        export::EXPORT => answer(export::write(&file(2))),
        _ => fail(USAGE, 2),
    };
    if let Err(why) = done {
        fail(&format!("jinyun-bench: {why}"), 1);
    }
}
