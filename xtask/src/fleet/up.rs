//! `fleet up`.

use clap::Args;
use promoter_fleet::{Audit, FleetOptions, Speed};

use super::{Name, Started, promoter, start};
use crate::say::say;

#[expect(
    clippy::struct_excessive_bools,
    reason = "each of them is a flag of its own"
)]
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    name: Name,
    /// How many member clusters it has
    #[arg(long, default_value_t = 2)]
    members: usize,
    /// Add a cluster to install charts into, with an API server and controllers but no node
    #[arg(long)]
    host: bool,
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
    let name = arguments.name.name;
    eprintln!("starting fleet {name} with {} members", arguments.members);
    let options = FleetOptions::named(&name)
        .members(arguments.members)
        .host(arguments.host)
        .audit(if arguments.audit {
            Audit::Everything
        } else {
            Audit::Nothing
        })
        .speed(if arguments.as_shipped {
            Speed::AsShipped
        } else {
            Speed::Fast
        });
    let Started { fleet, took } =
        start(options, arguments.promoter.then_some(&[promoter::ENABLED])).await?;
    let log = fleet.log(promoter::NAME);
    fleet.detach()?;
    say(format_args!(
        "fleet {name} ready in {:.1} s",
        took.as_secs_f64()
    ));
    if arguments.promoter {
        say(format_args!("promoter runs, its log is {}", log.display()));
    }
    let option = if name == "fleet" {
        String::new()
    } else {
        format!(" --name {name}")
    };
    say(format_args!(
        "use it:        eval \"$(cargo xtask fleet env{option})\""
    ));
    say(format_args!(
        "take it down:  cargo xtask fleet down{option}"
    ));
    Ok(())
}
