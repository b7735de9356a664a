//! The one binary.

mod agent;
mod assess;
mod client;
mod control;
mod hosts;
mod instance;
mod journal;
mod passwd;
mod proof;
mod say;
mod supervise;

use clap::{Parser, Subcommand};
use instance::{Instance, Options};
use std::process::ExitCode;

/// Jinyun (金云): a finance-grade cloud.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    /// Name of the instance: several can live on one machine.
    #[arg(long, global = true, default_value = "tour")]
    instance: String,
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
    /// Assess the instance against JR/T 0167, clause by clause (needs an audit administrator).
    Assess(assess::Options),
    /// The journal: export a period for an offline verification.
    Journal {
        #[command(subcommand)]
        command: journal::Command,
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

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = Instance::named(&cli.instance).and_then(|instance| match cli.command {
        Command::Up(options) => supervise::up(instance, options),
        Command::Stop => supervise::stop(&instance),
        Command::Down => supervise::down(&instance),
        Command::Assess(options) => assess::run(&instance, &options),
        Command::Status => supervise::status(&instance),
        Command::Journal { command } => journal::run(&instance, command),
        Command::Passwd(options) => passwd::run(&instance, &options),
        Command::Supervise => supervise::run(&instance),
        Command::Control => control::run(&instance),
        Command::Agent => agent::run(&instance),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say::err(&format!("jinyun: {fault}"));
            ExitCode::FAILURE
        }
    }
}
