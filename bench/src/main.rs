//! Benchmarks of the product's own parts. `bench/README.md` says how to run them and what was
//! measured; peers are measured in the same run where one can be had.

mod commands;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    match what.as_str() {
        "commands" => commands::run(),
        _ => {
            eprintln!("usage: jinyun-bench commands");
            std::process::exit(2);
        }
    }
}
