//! `cargo xtask bench …`: the promoter measured beside others, in one run.

pub(crate) mod admission;
mod bare;
mod bodies;
mod index;
mod load;
mod process;
mod report;
mod servers;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// The admission webhook beside a server that decides nothing, and karmada-webhook
    Admission(admission::Arguments),
    /// The server that decides nothing, as a process of its own
    #[command(hide = true)]
    BareServer(BareServer),
}

#[derive(Args)]
pub(crate) struct BareServer {
    #[arg(long)]
    certificate: PathBuf,
    #[arg(long)]
    key: PathBuf,
    #[arg(long)]
    listen: SocketAddr,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Admission(arguments) => admission::run(arguments).await,
        Command::BareServer(BareServer {
            certificate,
            key,
            listen,
        }) => bare::serve(listen, &certificate, &key).await,
    }
}
