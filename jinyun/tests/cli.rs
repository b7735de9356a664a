//! What the command line says and ends with where no platform is asked: the codes of `docs/cli.md`, as a
//! script gets them. A failure that is told from others inside the program is of no use to a script if the
//! process does not end with it, so here it is the program itself that runs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jinyun_testdb::Dir;
use std::process::{Command, Output, Stdio};

/// Runs it with profiles of its own and nobody at the keyboard. Words with `@` are of its directory.
fn run(dir: &Dir, words: &str) -> Output {
    let own = dir.display().to_string();
    Command::new(env!("CARGO_BIN_EXE_jinyun")).stdin(Stdio::null()).env("XDG_CONFIG_HOME", &own)
        .args(words.split_whitespace().map(|word| word.replace('@', &own)))
        .output().unwrap()
}

fn place() -> Dir {
    let dir = Dir::new("cli");
    let files = jinyun_edge::tls::Files::in_dir(&dir);
    jinyun_edge::tls::ensure(&files, &["localhost".to_string()]).unwrap();
    std::fs::write(dir.join("list"), "a\nb\n").unwrap();
    std::fs::write(dir.join("table.txt"), "a\n").unwrap();
    dir
}

#[test]
fn each_failure_ends_with_its_code_and_says_what_is_wrong() {
    let dir = place();
    for (words, code, says) in [
        // Names.
        ("profile show ../x", 2, "no name for a profile"),
        ("profile show a/b", 2, "no name for a profile"),
        ("profile use .x", 2, "no name for a profile"),
        ("profile delete ..", 2, "no name for a profile"),
        ("--profile ../x whoami", 2, "no name for a profile"),
        ("--profile ../x login ann --auth-url https://127.0.0.1:1 --ca @/ca.pem", 2, "no name for a profile"),
        ("profile show nobody", 5, "there is no profile `nobody`"),
        ("profile use nobody", 5, "there is no profile `nobody`"),
        ("profile delete nobody", 5, "there is no profile `nobody`"),
        ("--profile nobody whoami", 3, "`jinyun login`"),
        ("journal list", 3, "`jinyun login`"),
        ("--instance Tour status", 2, "no name for an instance"),
        ("--instance nosuch status", 1, "no instance `nosuch`"),
        // Where to sign in, and by which CA; before anybody is asked for a password.
        ("login ann --auth-url http://127.0.0.1:1", 2, "only https is spoken"),
        ("login ann --auth-url http://127.0.0.1:1 --ca @/none.pem", 2, "only https is spoken"),
        ("login ann --auth-url https://127.0.0.1:1", 2, "--ca"),
        ("login ann --auth-url https://127.0.0.1:1 --ca @/none.pem", 1, "none.pem: No such file"),
        ("login ann --auth-url https://127.0.0.1:1 --ca @/list", 1, "list: is not PEM"),
        ("login ann --auth-url https://127.0.0.1:1 --ca @/server.key", 1, "server.key: holds no certificate"),
        ("login ann --auth-url https://127.0.0.1:1 --ca @/ca.pem", 7, "nothing answers"),
        ("federation keys p --issuer http://127.0.0.1:1", 2, "only https is spoken"),
        ("federation keys p --issuer https://127.0.0.1:1", 3, "`jinyun login`"),
        // Options that a command would not look at.
        ("--instance nosuch --output json stop", 2, "--output"),
        ("--instance nosuch down --output yaml", 2, "--output"),
        ("--instance nosuch passwd ann --output json", 2, "--output"),
        ("--instance nosuch --profile a passwd ann", 2, "--profile"),
        ("--instance nosuch --profile a journal export @/x", 2, "--api"),
        ("--output json plan @/list", 2, "--format"),
        ("--instance nosuch report --format html @/x --output json", 2, "--format"),
        ("--instance nosuch assess --format json --output yaml", 2, "--format"),
        ("completion bash --output json", 2, "--output"),
        ("consent grant c1 --reason r", 2, "--reason"),
        // Words that cannot be, and files that are not what they should be.
        ("--instance nosuch up --hosts none", 2, "simulated"),
        ("--instance nosuch up --port 0", 2, "--port"),
        ("--instance nosuch assess --format html", 2, "--to"),
        ("--instance nosuch assess --format html --to @/x --clause 7", 2, "leave the filters out"),
        ("approval rule add --name n --action a:b:c --stage manager:domain --deadline 5", 2, "--deadline"),
        ("cosign key --name tour @/key", 2, "bank.example/audit"),
        ("plan @/table.txt", 6, "must end in"),
        ("plan @/none.yaml", 1, "No such file"),
        ("sample --count 3 --seed s @/list", 1, "fewer than --count 3"),
        ("--instance nosuch assess", 1, "no instance `nosuch`"),
        ("--instance nosuch passwd ann", 1, "no instance `nosuch`"),
    ] {
        let done = run(&dir, words);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(code), "{words}: {said}");
        assert!(said.contains(says), "{words}: {said}");
        assert!(done.stdout.is_empty() && !said.contains("Password"), "{words}: {said}");
    }
    let mut left: Vec<_> =
        std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["ca.pem", "list", "server.key", "server.pem", "table.txt"]);
}

#[test]
fn what_is_asked_for_is_printed_in_each_form() {
    let dir = place();
    for (words, want) in [
        ("profile list", "IN USE  NAME  SIGNED IN  USER  DOMAIN  SCOPE  URL\n"),
        ("profile list --output table", "IN USE  NAME  SIGNED IN  USER  DOMAIN  SCOPE  URL\n"),
        ("profile list --output json", "[]\n"),
        ("--output yaml profile list", "[]\n"),
        ("sample --count 2 --seed s @/list --output yaml",
            "population: 2\nsample:\n  - a\n  - b\nseed: s\n"),
    ] {
        let done = run(&dir, words);
        assert_eq!(done.status.code(), Some(0), "{words}: {}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(String::from_utf8(done.stdout).unwrap(), want, "{words}");
    }
}

#[test]
fn what_could_not_be_printed_is_no_success() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_jinyun")).arg("policy").stdin(Stdio::null()).stdout(full)
        .output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("standard output"), "{said}");
}
