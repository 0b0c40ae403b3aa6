//! `kubectl promote`: turns Deployments of member clusters into multi-cloud workloads of Karmada.
//!
//! It creates Promotions in the control plane with its caller's rights, and watches what the hub
//! makes of them. Only `--dry-run` plans by itself, to show what would be done.

mod arguments;
mod ask;
mod connection;
mod control_plane;
mod details;
mod display;
mod duration;
mod exit;
mod explain;
mod failure;
mod in_force;
mod install;
mod manifest;
mod member;
mod namespace;
mod preview;
mod promote;
mod release;
mod report;
mod request;
mod status;
mod stripped;
mod summary;
mod table;
mod target;
mod wait;

use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::{
    arguments::{Arguments, Command},
    connection::Connection,
    display::{complain, print},
    exit::Exit,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    promoter_kubernetes::install_crypto_provider();
    let exit = run(&Arguments::read()).await.unwrap_or_else(|error| {
        complain(&format!("error: {}\n", failure::chain(&error)));
        if error.is::<target::Error>() {
            Exit::Usage
        } else {
            Exit::Error
        }
    });
    exit.into()
}

async fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let open = || Connection::open(&arguments.connection);
    match &arguments.command {
        None => promote::run(&open().await?, &arguments.promote).await,
        Some(Command::Status(status)) => status::run(&open().await?, status).await,
        Some(Command::Release(release)) => release::run(&open().await?, release).await,
        Some(Command::ControlPlane(command)) => control_plane::run(open, command).await,
        Some(Command::Member { action }) => member::run(&open().await?, action).await,
        Some(Command::Explain { reason }) => Ok(explain::run(reason.as_deref())),
        Some(Command::Version) => {
            print(concat!("kubectl-promote ", env!("CARGO_PKG_VERSION"), "\n"));
            Ok(Exit::Done)
        }
        Some(Command::Completion { shell }) => {
            let mut script = Vec::new();
            let mut command = Arguments::command();
            clap_complete::generate(*shell, &mut command, "kubectl-promote", &mut script);
            print(&String::from_utf8_lossy(&script));
            Ok(Exit::Done)
        }
    }
}
