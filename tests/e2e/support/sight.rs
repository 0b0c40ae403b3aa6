//! What can be seen of a promotion on its way.

use std::time::Duration;

use anyhow::{Context as _, Result};
use promoter_api::promotion::Phase;
use tokio::time::{sleep, timeout};

use super::{Kind, LIMIT, Scene, edits::GUARD};

/// What can be seen of a promotion on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sight {
    /// The workload bears the guard's mark.
    Marked,
    /// The Promotion has come to a phase.
    Phase(Phase),
    /// The workload's policy lets Karmada dispatch.
    Resumed,
    /// The workload's policy is as it is for good.
    Settled,
    /// Karmada has written to the workload in the member.
    TakenOver,
}

impl Sight {
    /// Whether Karmada may write by then, so that an edit has to be carried.
    pub(crate) const fn is_after_commit(self) -> bool {
        match self {
            Self::Marked | Self::Phase(Phase::Staging) => false,
            Self::Phase(_) | Self::Resumed | Self::Settled | Self::TakenOver => true,
        }
    }
}

/// Waits until something can be seen, and notices at once.
pub(crate) async fn until_sight(
    scene: &Scene,
    member: &str,
    name: &str,
    sight: Sight,
) -> Result<()> {
    const INTERVAL: Duration = Duration::from_millis(5);

    let seen = async {
        while !is_seen(scene, member, name, sight).await? {
            sleep(INTERVAL).await;
        }
        anyhow::Ok(())
    };
    let what = || format!("{name} does not come to {sight:?}");
    timeout(LIMIT, seen).await.with_context(what)?
}

async fn is_seen(scene: &Scene, member: &str, name: &str, sight: Sight) -> Result<bool> {
    let policy = async || {
        let name = format!("deployment.{name}");
        let policies = Kind::propagation_policy();
        let policy = scene.karmada.find(&policies, &name).await?;
        anyhow::Ok(policy.map(|policy| policy["spec"].clone()))
    };
    let labels = async || {
        let live = scene.member(member).get(&Kind::deployment(), name).await?;
        anyhow::Ok(live["metadata"]["labels"].clone())
    };
    Ok(match sight {
        Sight::Marked => labels().await?[GUARD].is_string(),
        Sight::Phase(phase) => {
            let promotion = scene.karmada.get(&Kind::promotion(), name).await?;
            let phases = promotion["status"]["phases"].as_array();
            let mut names = phases.into_iter().flatten().map(|begun| &begun["phase"]);
            names.any(|begun| *begun == phase.to_string())
        }
        Sight::Resumed => policy()
            .await?
            .is_some_and(|spec| spec["suspension"].is_null()),
        Sight::Settled => policy()
            .await?
            .is_some_and(|spec| spec["conflictResolution"] == "Abort"),
        Sight::TakenOver => labels().await?["karmada.io/managed"] == "true",
    })
}
