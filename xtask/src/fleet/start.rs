//! Starts a fleet, for every command that needs one.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use promoter_fleet::{Fleet, FleetOptions, Programs};

use super::promoter;

/// A fleet that has just come up.
pub(crate) struct Started {
    pub(crate) fleet: Fleet,
    /// From the first process until every member was ready.
    pub(crate) took: Duration,
}

/// Starts a fleet, and the promoter in it if members are to be enabled for it. The promoter has to
/// be built already.
pub(crate) async fn start(
    options: FleetOptions,
    enabled: Option<&[&str]>,
) -> anyhow::Result<Started> {
    // Building is not starting: the time below is what it takes when everything is built.
    Programs::prepare().await?;
    let started = Instant::now();
    let fleet = Fleet::start(options).await?;
    let took = started.elapsed();
    if let Some(enabled) = enabled {
        promoter::start(&fleet, enabled).await?;
    }
    Ok(Started { fleet, took })
}

/// The folder of a fleet's logs.
pub(crate) fn logs(fleet: &Fleet) -> PathBuf {
    let any = fleet.log(promoter::NAME);
    any.parent().map_or_else(PathBuf::new, PathBuf::from)
}
