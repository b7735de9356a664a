//! Benchmarks of the product's own parts. `bench/README.md` says how to run them and what was
//! measured; peers are measured in the same run where one can be had.

mod access;
mod commands;
mod evidence;
mod journal;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    match what.as_str() {
        "access" => access::run(),
        "commands" => commands::run(),
        "journal" => {
            let count = std::env::args().nth(2).and_then(|n| n.parse().ok());
            journal::run(count.unwrap_or(1_000_000));
        }
        "evidence" => {
            let count = std::env::args().nth(2).and_then(|n| n.parse().ok());
            evidence::run(count.unwrap_or(10_000));
        }
        _ => {
            eprintln!("usage: jinyun-bench access | commands | journal [ENTRIES] | evidence [RECORDS]");
            std::process::exit(2);
        }
    }
}
