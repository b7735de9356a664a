//! Benchmarks of the product's own parts. `bench/README.md` says how to run them and what was
//! measured; peers are measured in the same run where one can be had.

mod commands;
mod journal;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    match what.as_str() {
        "commands" => commands::run(),
        "journal" => {
            let count = std::env::args().nth(2).and_then(|n| n.parse().ok());
            journal::run(count.unwrap_or(1_000_000));
        }
        _ => {
            eprintln!("usage: jinyun-bench commands | journal [ENTRIES]");
            std::process::exit(2);
        }
    }
}
