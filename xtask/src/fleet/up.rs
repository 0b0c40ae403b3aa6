//! `fleet up`.

use std::time::Instant;

use clap::Args;
use promoter_fleet::{Fleet, FleetOptions, Programs, Speed};

use super::{Name, promoter};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    name: Name,
    /// How many member clusters it has
    #[arg(long, default_value_t = 2)]
    members: usize,
    /// Build the promoter and run it in the fleet
    #[arg(long)]
    promoter: bool,
    /// Let Karmada and the controllers go only as fast as they do by default
    #[arg(long)]
    as_shipped: bool,
    /// Let every API server write an audit log
    #[arg(long)]
    audit: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.promoter {
        promoter::build().await?;
    }
    // Building is not starting: the time below is what it takes when everything is built.
    Programs::prepare().await?;
    let name = arguments.name.name;
    eprintln!(
        "starting fleet {name} with {} members",
        arguments.members
    );
    let started = Instant::now();
    let options = FleetOptions::named(&name)
        .members(arguments.members)
        .audit(arguments.audit)
        .speed(if arguments.as_shipped {
            Speed::AsShipped
        } else {
            Speed::Fast
        });
    let fleet = Fleet::start(options).await?;
    println!(
        "fleet {name} ready in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    if arguments.promoter {
        promoter::start(&fleet).await?;
        println!("promoter running, log in {}", fleet.log(promoter::NAME).display());
    }
    fleet.detach()?;
    let option = if name == "fleet" {
        String::new()
    } else {
        format!(" --name {name}")
    };
    println!("use it:        eval \"$(cargo xtask fleet env{option})\"");
    println!("take it down:  cargo xtask fleet down{option}");
    Ok(())
}
