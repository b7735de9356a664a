//! The one binary.
//!
//! Two sorts of commands: those about the instance on this machine (up, status, assess, ...), and
//! those that ask a platform, here or elsewhere, as somebody who has signed in (journal, approval,
//! ...). They are told in `docs/cli.md`, with the codes that they end with.

mod access;
mod agent;
mod approval;
mod ask;
mod assess;
mod catalogue;
mod client;
mod control;
mod cosign;
mod device;
mod duty;
mod factor;
mod fail;
mod federation;
mod globals;
mod governance;
mod hosts;
mod instance;
mod journal;
mod login;
mod matrix;
mod opinion;
mod passwd;
mod plan;
mod posture;
mod profile;
mod proof;
mod report;
mod rule;
mod say;
mod session;
mod show;
mod supervise;
mod whole;

use clap::{CommandFactory, Parser, Subcommand};
use fail::{FAILED, Failed};
use instance::{Instance, Options};
use session::Wish;
use std::process::ExitCode;

/// Jinyun (金云): a finance-grade cloud.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    /// Name of the instance on this machine: several can live on it.
    #[arg(long, global = true, value_name = "NAME", default_value = "tour",
        value_parser = Instance::named)]
    instance: Instance,
    /// Which profile: where to ask, and as whom (`jinyun profile list`); the one in use if not given.
    #[arg(long, global = true, value_name = "NAME", value_parser = profile::read_name)]
    profile: Option<String>,
    /// How to print what was asked for; as a table if not given.
    #[arg(long, global = true, value_enum)]
    output: Option<show::Output>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring the instance up in the background and wait until it answers.
    Up(Options),
    /// End the instance's processes; state and guests stay.
    Stop,
    /// End everything of the instance and remove every trace: processes, guests, networks, state.
    Down,
    /// Say whether the instance runs and where it answers.
    Status,
    /// Assess the instance against the standards, clause by clause (needs an audit administrator).
    Assess(assess::Options),
    /// How the clauses stand now, or stood at a past moment, and what that rests on.
    Posture(posture::Options),
    /// Catalogues of standards: make one of a table, check it, install it.
    Catalogue {
        #[command(subcommand)]
        command: Box<catalogue::Command>,
    },
    /// Make a report of the newest assessment: OSCAL, HTML, PDF, statements, or an assessor's pack.
    Report(report::Options),
    /// Make a plan of a move to the cloud from an inventory of information systems.
    Plan(plan::Options),
    /// Print who may do what, from the rules themselves.
    Policy,
    /// Sign in, and keep the token in a profile.
    Login(Box<login::Options>),
    /// Sign out: revoke the profile's token.
    Logout,
    /// Say as whom one is signed in.
    Whoami,
    /// The profiles: where one is signed in, and as whom.
    Profile {
        #[command(subcommand)]
        command: profile::Command,
    },
    /// The journal: read it, check its proofs, take it away for an offline verification.
    Journal {
        #[command(subcommand)]
        command: Box<journal::Command>,
    },
    /// What waits for somebody's approval.
    Approval {
        #[command(subcommand)]
        command: approval::Approval,
    },
    /// What an institution lets the provider's staff do.
    Consent {
        #[command(subcommand)]
        command: Box<approval::Consent>,
    },
    /// What people owe: duties, their records, reminders.
    Duty {
        #[command(subcommand)]
        command: duty::Duty,
    },
    /// The register of risks.
    Risk {
        #[command(subcommand)]
        command: Box<duty::Risk>,
    },
    /// What does not apply for a time.
    Exception {
        #[command(subcommand)]
        command: duty::Exception,
    },
    /// What an assessor says, beside the platform's own verdicts.
    Opinion {
        #[command(subcommand)]
        command: opinion::Opinion,
    },
    /// Draw a sample from a list, by a rule that anybody can repeat.
    Sample(opinion::Draw),
    /// Why somebody may or may not, roles that nobody uses, what guardrails find.
    Access {
        #[command(subcommand)]
        command: access::Command,
    },
    /// Sign the journal's checkpoints as a witness.
    Cosign {
        #[command(subcommand)]
        command: cosign::Command,
    },
    /// One's own second factors.
    Factor {
        #[command(subcommand)]
        command: factor::Command,
    },
    /// Identity providers of one's institution.
    Federation {
        #[command(subcommand)]
        command: federation::Command,
    },
    /// Print a shell's completion script.
    Completion {
        /// The shell.
        shell: Shell,
    },
    /// Change a password, also an initial one that lets nobody in before it is changed.
    Passwd(passwd::Options),
    /// (started by `up`) Start the processes of an instance and start them again when they end.
    #[command(hide = true)]
    Supervise,
    /// (started by the supervisor) The control process.
    #[command(hide = true)]
    Control,
    /// (started by the supervisor) The host's agent.
    #[command(hide = true)]
    Agent,
}

/// Shells that commands can be completed in.
#[derive(clap::ValueEnum, Debug, Clone, Copy)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

fn completion(shell: Shell) -> Result<(), Failed> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "jinyun", &mut script);
    let script = String::from_utf8(script)
        .map_err(|_| Failed::new(FAILED, "the script could not be made"))?;
    say::out(script.trim_end());
    Ok(())
}

fn run(cli: Cli) -> Result<(), Failed> {
    globals::check(&cli)?;
    let instance = cli.instance;
    let wish = Wish { profile: cli.profile, output: cli.output.unwrap_or_default() };
    match cli.command {
        Command::Up(options) => supervise::up(&instance, options, wish.output)?,
        Command::Stop => supervise::stop(&instance)?,
        Command::Down => supervise::down(&instance)?,
        Command::Assess(options) => assess::run(&instance, &options, &wish)?,
        Command::Catalogue { command } => catalogue::run(&wish, *command)?,
        Command::Report(options) => report::run(&instance, &options, &wish)?,
        Command::Plan(options) => plan::run(&options)?,
        Command::Policy => matrix::run(&control::registry(), wish.output)?,
        Command::Posture(options) => posture::run(&wish, options)?,
        Command::Status => supervise::status(&instance, wish.output)?,
        Command::Login(options) => login::login(&instance, &options, &wish)?,
        Command::Logout => login::logout(&wish)?,
        Command::Whoami => login::whoami(&wish)?,
        Command::Profile { command } => profile::run(command, &wish)?,
        Command::Journal { command } => journal::run(&instance, &wish, *command)?,
        Command::Approval { command } => approval::approval(&wish, command)?,
        Command::Consent { command } => approval::consent(&wish, *command)?,
        Command::Duty { command } => duty::duty(&wish, command)?,
        Command::Risk { command } => duty::risk(&wish, *command)?,
        Command::Exception { command } => duty::exception(&wish, command)?,
        Command::Opinion { command } => opinion::opinion(&wish, command)?,
        Command::Sample(draw) => opinion::sample(&wish, &draw)?,
        Command::Access { command } => access::run(&wish, command)?,
        Command::Cosign { command } => cosign::run(&wish, command)?,
        Command::Factor { command } => factor::run(&wish, command)?,
        Command::Federation { command } => federation::run(&wish, command)?,
        Command::Completion { shell } => completion(shell)?,
        Command::Passwd(options) => passwd::run(&instance, &options)?,
        Command::Supervise => supervise::run(&instance)?,
        Command::Control => control::run(&instance)?,
        Command::Agent => agent::run(&instance)?,
    }
    Ok(())
}

fn main() -> ExitCode {
    let lost = "standard output did not take all of it: what was printed is not whole";
    let done = run(Cli::parse()).and_then(|()| match say::lost() {
        false => Ok(()),
        true => Err(Failed::new(FAILED, lost)),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            say::err(&format!("jinyun: {}", failed.say));
            ExitCode::from(failed.code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_that_were_there_before_are_read_as_before() {
        for words in [
            "jinyun --instance tour up --hosts simulated --port 1 --management-port 2",
            "jinyun --instance tour status",
            "jinyun --instance tour assess --latest",
            "jinyun assess --latest --format json",
            "jinyun --output json status",
            "jinyun policy --output yaml",
            "jinyun posture --standard all --state failed --tier basic --clause 7.2.5",
            "jinyun posture --output json show 7.2.5-B-b --at 2026-01-31T08:00:00Z",
            "jinyun --instance tour journal export --from 3 /tmp/x",
            "jinyun passwd ann --domain bank",
            "jinyun --instance tour stop",
            "jinyun login --browser --system",
            "jinyun up --public-name cloud.example",
            "jinyun factor add --passkey",
            "jinyun down --instance tour",
            "jinyun --instance tour supervise",
        ] {
            assert!(Cli::try_parse_from(words.split(' ')).is_ok(), "{words}");
        }
        for words in [
            "jinyun login ann --password x",
            "jinyun login ann --browser",
            "jinyun up --hosts none",
            "jinyun up --port 0",
            "jinyun --instance Tour status",
            "jinyun --profile ../x whoami",
            "jinyun profile show ../x",
            "jinyun cosign key --name tour /tmp/x",
            "jinyun federation keys p --jwks keys.json --ca ca.pem",
            "jinyun up --public-name 127.0.0.1",
            "jinyun journal export --since 2026-01-31T08:00:00Z /tmp/x",
            "jinyun journal export --api --from 3 /tmp/x",
            "jinyun --output xml whoami",
        ] {
            assert!(Cli::try_parse_from(words.split(' ')).is_err(), "{words}");
        }
    }

    #[test]
    fn every_command_stands_in_the_document() {
        let document = include_str!("../../docs/cli.md");
        let cli = Cli::command();
        for command in cli.get_subcommands().filter(|c| !c.is_hide_set()) {
            let name = command.get_name();
            assert!(document.contains(&format!("`jinyun {name}")), "jinyun {name}");
            for below in command.get_subcommands() {
                let name = format!("jinyun {name} {}", below.get_name());
                assert!(document.contains(&name), "{name}");
            }
        }
    }

    #[test]
    fn each_shell_gets_its_script() {
        for (shell, word) in [(clap_complete::Shell::Bash, "complete -F"),
            (clap_complete::Shell::Zsh, "#compdef jinyun"),
            (clap_complete::Shell::Fish, "complete -c jinyun")] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "jinyun", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains(word) && script.contains("checkpoints"), "{shell}");
        }
    }
}
