//! `cargo xtask fleet …`: brings a fleet up that outlives the command, shows it, takes it down.

mod environment;
pub(crate) mod promoter;
mod show;
mod start;
mod up;

pub(crate) use environment::variables;
pub(crate) use start::{Started, logs, start};

use clap::{Args, Subcommand};
use promoter_fleet::{Fleet, Programs};

use crate::say::say;

/// What can be done with a fleet.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a fleet and leave it running
    Up(up::Arguments),
    /// End a fleet and remove its files
    Down(Name),
    /// Print the variables to use a fleet with: eval "$(cargo xtask fleet env)"
    Env(Name),
    /// List a fleet's processes
    Status(Name),
    /// Print a process's log
    Logs {
        /// The process, as `fleet status` lists it
        process: String,
        #[command(flatten)]
        name: Name,
    },
    /// Build the fleet's programs without starting anything
    Build,
}

#[derive(Args)]
pub(crate) struct Name {
    /// The fleet's name
    #[arg(long, default_value = "fleet")]
    name: String,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(arguments) => up::run(arguments).await,
        Command::Down(Name { name }) => {
            Fleet::attach(&name)?.stop().await?;
            say(format_args!("fleet {name} is down"));
            Ok(())
        }
        Command::Env(Name { name }) => environment::print(&Fleet::attach(&name)?),
        Command::Status(Name { name }) => {
            show::status(&Fleet::attach(&name)?);
            Ok(())
        }
        Command::Logs { process, name } => show::log(&Fleet::attach(&name.name)?, &process),
        Command::Build => {
            let programs = Programs::prepare().await?;
            say(programs.folder().display());
            Ok(())
        }
    }
}
