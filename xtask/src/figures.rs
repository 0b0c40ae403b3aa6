//! How long one promotion takes, beside `karmadactl promote` of the same workload, on the same
//! fleet and in turns, so that whatever else the machine does is shared by both.
//!
//! - the promoter: from the creation of the Promotion until a watch shows it `Settling`, which is
//!   when the member was verified, and until it is `Promoted`;
//! - karmadactl: from the start of `karmadactl promote deployment … -d` until it ends, and until
//!   the bindings of the workload and its dependencies are fully applied. It compares nothing
//!   afterwards, and its resources are not staged.

mod measure;
mod server;
mod workload;

use std::{fmt::Write, time::Duration};

use promoter_fleet::{Fleet, FleetOptions};

use self::{server::Server, workload::Workload};
use crate::{
    fleet::{self, Started},
    interrupt::unless_interrupted,
    say::{lasted, say},
};

/// How often each is measured.
const ROUNDS: usize = 5;

/// The member that workloads are promoted from.
const MEMBER: &str = "member1";

/// What was measured.
pub(crate) struct Figures {
    promoter: Vec<Times>,
    karmadactl: Vec<Times>,
}

/// Two moments of one promotion, from when it was asked for.
struct Times {
    /// Verified; of karmadactl, its end.
    first: Duration,
    /// Promoted; of karmadactl, everything applied.
    last: Duration,
}

/// `cargo xtask figures`: measures on a fleet of its own.
pub(crate) async fn run() -> anyhow::Result<()> {
    fleet::promoter::build().await?;
    let work = async {
        let options = FleetOptions::named(format!("figures-{}", std::process::id())).members(2);
        let Started { fleet, took } =
            fleet::start(options, Some(&[fleet::promoter::ENABLED])).await?;
        let measured = measure(&fleet).await;
        fleet.stop().await?;
        say(measured?.table(took));
        Ok(())
    };
    unless_interrupted(Box::pin(work)).await
}

/// Measures on a fleet in which the promoter runs.
pub(crate) async fn measure(fleet: &Fleet) -> anyhow::Result<Figures> {
    let control_plane = Server::connect(fleet.kubeconfig()).await?;
    let member = Server::connect(&fleet.member_kubeconfig(MEMBER)).await?;
    let mut workloads = Vec::new();
    for index in 0..2 * ROUNDS {
        workloads.push(Workload::create(&control_plane, &member, index).await?);
    }
    for workload in &workloads {
        workload.until_available(&member).await?;
    }
    let mut figures = Figures {
        promoter: Vec::new(),
        karmadactl: Vec::new(),
    };
    for pair in workloads.chunks_exact(2) {
        let [first, second] = pair else { continue };
        let times = measure::promoter(&control_plane, first).await?;
        figures.promoter.push(times);
        let times = measure::karmadactl(fleet, &control_plane, second).await?;
        figures.karmadactl.push(times);
    }
    for workload in &workloads {
        workload.delete(&control_plane, &member).await?;
    }
    Ok(figures)
}

impl Figures {
    /// The two that are to be compared, in one line.
    pub(crate) fn summary(&self) -> String {
        format!(
            "promoter verified in {}, karmadactl applied in {}",
            precise(median(first(&self.promoter))),
            precise(median(last(&self.karmadactl))),
        )
    }

    /// All of them, with how long the fleet took to start.
    pub(crate) fn table(&self, start: Duration) -> String {
        let mut table = format!(
            "figures: medians of {ROUNDS}, in turns, of a Deployment of 2 replicas with a \
             ConfigMap and a Secret;\nthe components' limits are raised (as `fleet up` does)\n\
             {:<44} {:>9}",
            "fleet start, 2 members",
            lasted(start)
        );
        let (promoter, karmadactl) = (&self.promoter, &self.karmadactl);
        for (name, times) in [
            ("promoter, requested to verified", first(promoter)),
            ("promoter, requested to promoted", last(promoter)),
            (
                "karmadactl promote -d, the command alone",
                first(karmadactl),
            ),
            (
                "karmadactl promote -d, until fully applied",
                last(karmadactl),
            ),
        ] {
            let each: Vec<_> = times.iter().copied().map(precise).collect();
            // Writing to a string cannot fail.
            let _ = write!(
                table,
                "\n{name:<44} {:>9}   {}",
                precise(median(times)),
                each.join(", ")
            );
        }
        table
    }
}

fn first(times: &[Times]) -> Vec<Duration> {
    times.iter().map(|times| times.first).collect()
}

fn last(times: &[Times]) -> Vec<Duration> {
    times.iter().map(|times| times.last).collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn precise(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        let times = [5, 1, 3].map(Duration::from_secs).to_vec();
        assert_eq!(precise(median(times)), "3.00 s");
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }
}
