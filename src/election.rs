//! Which of several hubs acts.

use std::time::Duration;

use clap::{ArgAction, Args};
use promoter_installation::control_plane::LEASE;
use promoter_kubernetes::{
    election::{Election, Timing},
    objects::Objects,
};

use crate::stopped::Stopped;

/// The flags of the election.
#[derive(Args)]
pub(crate) struct ElectionArguments {
    /// Act only while holding a Lease of the control plane, so that of several hubs one acts.
    #[arg(
        long,
        action = ArgAction::Set,
        default_value_t = true,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    leader_elect: bool,

    /// How long, in seconds, other hubs wait after a hub was last heard of before one takes over.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    lease_duration: u64,

    /// The namespace of the Lease `karmada-promoter-hub`, in the control plane.
    #[arg(long, value_name = "NAMESPACE", default_value = "karmada-system")]
    lease_namespace: String,

    /// How long, in seconds, a hub that cannot renew its Lease goes on acting.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    lease_renew_deadline: u64,

    /// How often, in seconds, a hub renews its Lease.
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    lease_retry_period: u64,
}

impl ElectionArguments {
    /// The election; nothing where there is to be none.
    pub(crate) fn election(
        &self,
        control_plane: &Objects,
        instance: &str,
    ) -> anyhow::Result<Option<Election>> {
        let seconds = Duration::from_secs;
        let timing = Timing::new(
            seconds(self.lease_duration),
            seconds(self.lease_renew_deadline),
            seconds(self.lease_retry_period),
        )?;
        Ok(self.leader_elect.then(|| {
            Election::new(
                control_plane.clone(),
                &self.lease_namespace,
                LEASE,
                instance,
                timing,
            )
        }))
    }
}

/// Does the work while this process leads, and again whenever it leads anew, until the work is
/// done or it is told to stop while it stands by. Work that is under way when the lead is lost is
/// dropped on the spot: another process may be at it already.
pub(crate) async fn while_leading<W>(
    election: &Election,
    work: impl Fn() -> W,
    stopped: &Stopped,
) -> anyhow::Result<()>
where
    W: Future<Output = anyhow::Result<()>>,
{
    loop {
        let mut leadership = tokio::select! {
            leadership = election.lead() => leadership,
            () = stopped.wait() => return Ok(()),
        };
        tokio::select! {
            biased;
            lost = leadership.lost() => {
                tracing::warn!("this hub stops acting, and stands by: {lost}");
            }
            done = work() => {
                leadership.release().await;
                return done;
            }
        }
    }
}
