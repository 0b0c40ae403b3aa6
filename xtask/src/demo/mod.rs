//! `cargo xtask demo`: one promotion from end to end on a fleet of its own, told as it happens.
//!
//! Everything that the story claims is checked, and a claim that does not hold ends it with an
//! error.

mod evidence;
mod kubectl;
mod narrator;
mod story;
mod wait;

use clap::Args;
use promoter_fleet::{FleetOptions, Programs};

use self::{kubectl::Kubectl, narrator::Narrator};
use crate::{
    fleet::{self, Started},
    interrupt::unless_interrupted,
    say::lasted,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Leave the fleet running in the end, and say what to try next
    #[arg(long)]
    keep: bool,
    /// The fleet's name
    #[arg(long, default_value = "demo")]
    name: String,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    // What is dropped when it is interrupted takes the fleet with it.
    unless_interrupted(Box::pin(tell(&arguments))).await
}

/// Tells it on a fleet of this name.
pub(crate) async fn on(fleet: String) -> anyhow::Result<()> {
    tell(&Arguments {
        keep: false,
        name: fleet,
    })
    .await
}

async fn tell(arguments: &Arguments) -> anyhow::Result<()> {
    let mut narrator = Narrator::new();
    narrator.chapter("A Karmada control plane and two member clusters, on this machine");
    // First, because it says at once when Go is missing, and takes longest when all is new.
    Programs::prepare().await?;
    fleet::promoter::build().await?;
    narrator.start_clock();
    let options = FleetOptions::named(&arguments.name).members(2);
    let Started { fleet, took } = fleet::start(options, Some(&["member1", "member2"])).await?;
    narrator.tell(&format!(
        "All of them real processes, with the promoter beside them; ready in {}.",
        lasted(took)
    ));
    let kubectl = Kubectl::of(&fleet)?;
    let told = story::tell(&kubectl, &mut narrator).await;
    if arguments.keep {
        fleet.detach()?;
        narrator.try_next(&arguments.name);
        return told;
    }
    let stopped = fleet.stop().await;
    told?;
    stopped?;
    narrator.end("The fleet is gone, and nothing of it is left on this machine.");
    Ok(())
}
