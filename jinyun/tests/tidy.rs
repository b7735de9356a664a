//! The house's rules about its own text, as a test: what a reviewer would have to look for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every Rust file of the workspace with its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut dirs = vec![root()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() && !["target", ".git", "images", ".venv"].contains(&name.as_ref()) {
                dirs.push(path);
            } else if name.ends_with(".rs") {
                let short = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((short, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn product(path: &str) -> bool {
    !path.contains("/tests") && !path.ends_with("tests.rs") && !path.starts_with("bench/")
}

fn complain(bad: Vec<String>) {
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    complain(sources().into_iter().filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| format!("{path}: does not begin with `//!`")).collect());
}

#[test]
fn files_and_lines_can_be_read() {
    let mut bad = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > 800 {
            bad.push(format!("{path}: {lines} lines: split it"));
        }
        // Golden text is as long as what it shows.
        let golden = path.contains("tests");
        for (n, line) in text.lines().enumerate() {
            if line.chars().count() > 108 && !golden {
                bad.push(format!("{path}:{}: {} columns", n + 1, line.chars().count()));
            }
        }
    }
    complain(bad);
}

#[test]
fn only_the_store_speaks_sql() {
    complain(sources().into_iter()
        .filter(|(path, _)| !path.starts_with("kernel/store/") && product(path))
        .filter(|(_, text)| {
            ["rusqlite", "postgres::", "SELECT ", "INSERT INTO"].iter().any(|w| text.contains(w))
        })
        .map(|(path, _)| format!("{path}: speaks SQL")).collect());
}

#[test]
fn the_kernel_names_no_kind_and_does_no_io() {
    let kinds = ["\"server\"", "\"port\"", "\"network\"", "\"image\"", "\"router\""];
    let mut bad = Vec::new();
    for (path, text) in sources() {
        if !path.starts_with("kernel/") || !product(&path) || path.contains("testdb") {
            continue;
        }
        for word in kinds {
            if text.contains(word) {
                bad.push(format!("{path}: names {word}"));
            }
        }
        let io = ["std::fs", "std::net", "std::process"].iter().any(|w| text.contains(w));
        if io && !path.starts_with("kernel/store/") && !path.contains("id.rs") {
            bad.push(format!("{path}: does IO"));
        }
    }
    complain(bad);
}

#[test]
fn unsafe_code_is_in_hosts_only() {
    complain(sources().into_iter()
        .filter(|(path, _)| !path.starts_with("hosts/agent/") && !path.contains("testdb"))
        .filter(|(path, text)| !path.ends_with("tidy.rs") && text.contains("unsafe {"))
        .map(|(path, _)| format!("{path}: has unsafe code")).collect());
}

#[test]
fn crates_depend_downwards_only() {
    let rank = |dir: &str| match dir.split('/').next().unwrap() {
        "kernel" => 0,
        // Types only: what a host is told.
        _ if dir == "hosts/wire" => 0,
        "trust" if dir == "trust/evidence" => 3,
        "trust" => 1,
        "services" => 2,
        "hosts" => 2,
        "edges" => 3,
        _ => 9,
    };
    let order = ["identity", "image", "volume", "network", "compute"];
    let mut bad = Vec::new();
    let text = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = text.split('"').filter(|w| w.contains('/') && root().join(w).is_dir());
    for member in members {
        let manifest = std::fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        let normal = manifest.split("[dev-dependencies]").next().unwrap();
        for used in normal.split("path = \"").skip(1).map(|p| p.split('"').next().unwrap()) {
            let Ok(used) = root().join(member).join(used).canonicalize() else { continue };
            let used = used.strip_prefix(root().canonicalize().unwrap()).unwrap().to_path_buf();
            let used = used.to_string_lossy().into_owned();
            let place = |d: &str| order.iter().position(|o| d == format!("services/{o}"));
            let backwards = rank(&used) > rank(member)
                || matches!((place(&used), place(member)), (Some(u), Some(m)) if u >= m);
            if backwards && !used.ends_with(".rs") {
                bad.push(format!("{member} uses {used}"));
            }
        }
    }
    complain(bad);
}

#[test]
fn the_text_speaks_of_the_product_alone() {
    // The words are put together here, so that this file does not hold them.
    let words = [["/wo", "rk/"].concat(), ["TO", "DO"].concat(), ["FIX", "ME"].concat(),
        ["todo", "!("].concat(), ["unimpl", "emented!("].concat()];
    let mut bad = Vec::new();
    for (path, text) in sources() {
        for (n, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|w| line.contains(w.as_str())) {
                bad.push(format!("{path}:{}: {word}", n + 1));
            }
        }
    }
    complain(bad);
}
