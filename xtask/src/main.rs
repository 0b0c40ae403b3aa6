//! The development kit's commands: `cargo xtask --help`.

mod bench;
mod demo;
mod figures;
mod fleet;
mod generate;
mod interrupt;
mod say;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask",
    about = "The development kit's commands",
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure the promoter beside others
    #[command(subcommand)]
    Bench(bench::Command),
    /// Watch an application being promoted, spread and released, on a fleet of its own
    Demo(demo::Arguments),
    /// Measure one promotion beside karmadactl's, on a fleet of its own
    Figures,
    /// A real Karmada fleet on this machine
    #[command(subcommand)]
    Fleet(fleet::Command),
    /// Write the generated files: the chart's definitions and Karmada's types
    Generate(generate::Arguments),
    /// Run every check and every test, the end-to-end tests on a fleet
    Test(test::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Bench(command) => bench::run(command).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Figures => figures::run().await,
        Command::Fleet(command) => fleet::run(command).await,
        Command::Generate(arguments) => generate::run(arguments).await,
        Command::Test(arguments) => test::run(arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
