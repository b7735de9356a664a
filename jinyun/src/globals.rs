//! Options that all commands have, and which of them a command has a use for.
//!
//! `--output` and `--profile` may stand in front of any command and behind it, so the reader of the
//! command line takes them with all. A command that looks at neither would do something else than was
//! asked for: print a sentence to a program that waits for JSON, or work on this machine where a profile
//! of another place was named. Whoever gave such an option is told. This is decided here for all
//! commands, and not in each: one that is added does not compile before it is decided. `--instance` is
//! taken everywhere: scripts name theirs once for all that they run.

use crate::fail::{Failed, USAGE};
use crate::{Cli, Command};
use crate::{catalogue, cosign, factor, journal, profile};

/// For commands that say what they did.
const SAYS: &str = "this command prints no data, but says what it did";
/// For commands that print what is read as it stands: a key, an address, a script.
const OWN: &str = "what this command prints has one form only";
/// For commands that have an option of their own.
const FORMAT: &str = "this command has --format for that";
/// For commands that ask nobody.
const HERE: &str = "this command works on this machine and asks no platform";

/// Why a command has no use for `--output`; none if it has.
fn no_output(command: &Command) -> Option<&'static str> {
    match command {
        Command::Assess(options) if options.formed() => Some(FORMAT),
        Command::Catalogue { command } => match **command {
            catalogue::Command::Import { .. } | catalogue::Command::Check { .. } => Some(SAYS),
            _ => None,
        },
        Command::Journal { command } => match **command {
            journal::Command::Export { .. } => Some(SAYS),
            _ => None,
        },
        Command::Profile { command } => match command {
            profile::Command::Use { .. } | profile::Command::Delete { .. } => Some(SAYS),
            profile::Command::List | profile::Command::Show { .. } => None,
        },
        Command::Cosign { command } => match command {
            cosign::Command::Key { .. } | cosign::Command::Sign { .. } => Some(OWN),
            _ => None,
        },
        Command::Factor { command } => match command {
            factor::Command::Add { .. } => Some(OWN),
            factor::Command::Remove { .. } => Some(SAYS),
            factor::Command::List => None,
        },
        Command::Plan(_) | Command::Report(_) => Some(FORMAT),
        Command::Completion { .. } => Some(OWN),
        Command::Stop | Command::Down | Command::Login(_) | Command::Logout | Command::Passwd(_)
        | Command::Supervise | Command::Control | Command::Agent => Some(SAYS),
        Command::Up(_) | Command::Status | Command::Assess(_) | Command::Posture(_) | Command::Policy
        | Command::Whoami | Command::Approval { .. } | Command::Consent { .. } | Command::Duty { .. }
        | Command::Risk { .. } | Command::Exception { .. } | Command::Opinion { .. } | Command::Sample(_)
        | Command::Access { .. } | Command::Federation { .. } => None,
    }
}

/// Why a command has no use for `--profile`; none if it has.
fn no_profile(command: &Command) -> Option<&'static str> {
    match command {
        Command::Catalogue { command } => match **command {
            catalogue::Command::Import { .. } | catalogue::Command::Check { .. } => Some(HERE),
            _ => None,
        },
        Command::Journal { command } => match **command {
            journal::Command::Export { api: false, .. } => {
                Some("without --api this command reads the store of the instance on this machine")
            }
            _ => None,
        },
        Command::Profile { command } => match command {
            profile::Command::Show { name: None } => None,
            _ => Some("this command takes the name of a profile, if any, as its last word"),
        },
        Command::Cosign { command } => match command {
            cosign::Command::Key { .. } | cosign::Command::Sign { .. } => Some(HERE),
            _ => None,
        },
        Command::Up(_) | Command::Stop | Command::Down | Command::Status | Command::Plan(_)
        | Command::Policy | Command::Sample(_) | Command::Completion { .. } | Command::Passwd(_)
        | Command::Supervise | Command::Control | Command::Agent => Some(HERE),
        Command::Assess(_) | Command::Report(_) | Command::Posture(_) | Command::Login(_)
        | Command::Logout | Command::Whoami | Command::Approval { .. } | Command::Consent { .. }
        | Command::Duty { .. } | Command::Risk { .. } | Command::Exception { .. }
        | Command::Opinion { .. } | Command::Access { .. } | Command::Factor { .. }
        | Command::Federation { .. } => None,
    }
}

/// Refuses an option that the command would not look at.
pub(crate) fn check(cli: &Cli) -> Result<(), Failed> {
    for (name, given, why) in [
        ("--output", cli.output.is_some(), no_output(&cli.command)),
        ("--profile", cli.profile.is_some(), no_profile(&cli.command)),
    ] {
        if let Some(why) = why.filter(|_| given) {
            return Err(Failed::new(USAGE, format!("{why}: leave {name} out")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    /// Every command in a line that can be read, and whether it has a use for --output and for --profile.
    const LINES: &[(&str, bool, bool)] = &[
        ("up", true, false),
        ("stop", false, false),
        ("down", false, false),
        ("status", true, false),
        ("assess", true, true),
        ("assess --format json", false, true),
        ("assess --format html --to x", false, true),
        ("posture", true, true),
        ("posture show 7.2.5-B-a", true, true),
        ("catalogue import x --standard s --title-en e --title-zh z --out y", false, false),
        ("catalogue check x", false, false),
        ("catalogue list", true, true),
        ("catalogue install x", true, true),
        ("catalogue remove s", true, true),
        ("report --format html x", false, true),
        ("plan x.yaml", false, false),
        ("policy", true, false),
        ("login ann", false, true),
        ("logout", false, true),
        ("whoami", true, true),
        ("profile list", true, false),
        ("profile use a", false, false),
        ("profile show", true, true),
        ("profile show a", true, false),
        ("profile delete a", false, false),
        ("journal export x", false, false),
        ("journal export --api x", false, true),
        ("journal list", true, true),
        ("journal show 7", true, true),
        ("journal checkpoints", true, true),
        ("approval list", true, true),
        ("approval show a", true, true),
        ("approval approve a", true, true),
        ("approval refuse a", true, true),
        ("approval explain a --reason r", true, true),
        ("approval withdraw a", true, true),
        ("approval rule list", true, true),
        ("approval rule show a", true, true),
        ("approval rule add --name n --action a:b:c --stage manager:domain", true, true),
        ("approval rule remove a", true, true),
        ("consent list", true, true),
        ("consent show a", true, true),
        ("consent grant a", true, true),
        ("consent ask --institution d", true, true),
        ("consent refuse a", true, true),
        ("consent revoke a", true, true),
        ("consent withdraw a", true, true),
        ("duty list", true, true),
        ("duty show a", true, true),
        ("duty assign a --owner o", true, true),
        ("duty record a --title t --statement s", true, true),
        ("duty records", true, true),
        ("duty withdraw a --reason r", true, true),
        ("duty reminders", true, true),
        ("risk list", true, true),
        ("risk show a", true, true),
        ("risk add --title t", true, true),
        ("risk assess a", true, true),
        ("risk accept a --reason r --until 2026-05-01", true, true),
        ("risk tell a t", true, true),
        ("risk close a --reason r", true, true),
        ("exception list", true, true),
        ("exception show a", true, true),
        ("exception ask --clause c --reason r --expires 2026-05-01", true, true),
        ("exception approve a", true, true),
        ("exception refuse a", true, true),
        ("exception end a --reason r", true, true),
        ("opinion list", true, true),
        ("opinion show a", true, true),
        ("opinion add --assessor a --says note", true, true),
        ("sample --count 1 --seed s", true, false),
        ("access explain req-1", true, true),
        ("access simulate a:b:c", true, true),
        ("access unused", true, true),
        ("access guardrails", true, true),
        ("access violations", true, true),
        ("access profiles", true, true),
        ("access profile p", true, true),
        ("access statements", true, true),
        ("access statement s", true, true),
        ("federation keys p --issuer https://a", true, true),
        ("cosign key --name bank.example/a x", false, false),
        ("cosign sign --key k x", false, false),
        ("cosign register line --who w --role auditor", true, true),
        ("cosign send x", true, true),
        ("cosign authority --name bank.example/a --who w x", true, true),
        ("cosign timestamp --request x", true, true),
        ("factor add", false, true),
        ("factor add --passkey", false, true),
        ("factor list", true, true),
        ("factor remove a", false, true),
        ("completion bash", false, false),
        ("passwd ann", false, false),
    ];

    /// What is said to a line with these words in front, if it is refused.
    fn said(more: &str, line: &str) -> Option<String> {
        let words = format!("jinyun {more} {line}");
        let cli = Cli::try_parse_from(words.split_whitespace());
        let cli = cli.unwrap_or_else(|e| panic!("{words}: {e}"));
        check(&cli).err().map(|failed| {
            assert_eq!(failed.code, USAGE, "{words}");
            failed.say
        })
    }

    #[test]
    fn what_a_command_would_not_look_at_is_refused() {
        for &(line, output, profile) in LINES {
            assert_eq!(said("", line), None, "{line}");
            assert_eq!(said("--instance a", line), None, "{line}");
            for (more, takes) in [("--output json", output), ("--output table", output),
                ("--profile a", profile)] {
                let said = said(more, line);
                let named = |said: &String| said.contains(&more[..8]);
                assert!(said.is_none() == takes && said.as_ref().is_none_or(named), "{line}: {said:?}");
            }
        }
    }

    #[test]
    fn every_command_is_among_them() {
        fn leaves(command: &clap::Command, path: &str, all: &mut Vec<String>) {
            let mut none = true;
            for below in command.get_subcommands().filter(|c| !c.is_hide_set()) {
                none = false;
                leaves(below, &format!("{path}{} ", below.get_name()), all);
            }
            if none {
                all.push(path.to_string());
            }
        }
        let mut all = Vec::new();
        leaves(&Cli::command(), "", &mut all);
        assert!(all.len() > 70, "{all:?}");
        for path in all {
            assert!(LINES.iter().any(|(line, ..)| format!("{line} ").starts_with(&path)), "{path}");
        }
    }
}
