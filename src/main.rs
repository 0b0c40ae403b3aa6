//! `karmada-promoter`: the promoter's processes, one role each.
//!
//! Only flags and wiring live here: what a role does is its crate's.

mod connect;
mod election;
mod hub;
mod stopped;
mod webhook;

use std::io::IsTerminal as _;

use clap::{Parser, Subcommand};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Promotes Deployments of Karmada's member clusters to multi-cloud workloads, in place.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// How the log is written.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    log_format: LogFormat,

    /// What is logged: a level, or levels for parts, as in `info,promoter_engine=debug`.
    #[arg(long, env = "PROMOTER_LOG", default_value = DEFAULT_LOG, global = true)]
    log_level: String,

    #[command(subcommand)]
    role: Role,
}

/// The client's own log repeats as errors what is an answer here, such as that an object is not
/// there.
const DEFAULT_LOG: &str = "info,kube_client=off";

#[derive(Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    /// An object a line.
    Json,
    /// For people.
    Text,
}

#[derive(Subcommand)]
enum Role {
    /// Carries Promotions out, and turns annotated Deployments of the members into Promotions.
    Hub(hub::HubArguments),
    /// Answers API servers that ask before they keep an object.
    Webhook(Box<webhook::WebhookArguments>),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments {
        log_format,
        log_level,
        role,
    } = Arguments::parse();
    let filter = EnvFilter::try_new(&log_level)?;
    let log = tracing_subscriber::registry().with(filter);
    match log_format {
        LogFormat::Json => log
            .with(fmt::layer().json().with_writer(std::io::stderr))
            .init(),
        LogFormat::Text => log
            .with(
                fmt::layer()
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_writer(std::io::stderr),
            )
            .init(),
    }
    promoter_kubernetes::install_crypto_provider();
    match role {
        Role::Hub(arguments) => hub::run(arguments).await,
        Role::Webhook(arguments) => webhook::run(*arguments).await,
    }
}
