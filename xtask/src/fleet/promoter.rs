//! The promoter of this workspace, run as a process of a fleet.

use std::time::Duration;

use anyhow::{Context, bail};
use promoter_fleet::{Fleet, Program};
use tokio::process::Command;

use crate::workspace;

/// The name of its process.
pub(crate) const NAME: &str = "promoter";

/// One that cannot run says so at once.
const TRIAL: Duration = Duration::from_secs(2);

/// Builds the promoter and the kubectl plugin.
pub(crate) async fn build() -> anyhow::Result<()> {
    workspace::cargo(&[
        "build",
        "--package",
        "karmada-promoter",
        "--package",
        "kubectl-promote",
    ])
    .await
}

/// The member that is guarded. The others are not, so that both can be tried.
const GUARDED: &str = "member1";

/// Gives Karmada the promoter's types, guards a member and starts the hub.
pub(super) async fn start(fleet: &Fleet) -> anyhow::Result<()> {
    apply_types(fleet).await?;
    guard(fleet).await?;
    let hub = Program::new(workspace::binaries()?.join("karmada-promoter"))
        .argument("hub")
        .argument("--kubeconfig")
        .argument(fleet.kubeconfig().to_string_lossy())
        // Nothing stamps who asked in a fleet without admission.
        .argument("--trust-every-annotation");
    let process = fleet.run(NAME, hub).await?;
    if let Ok(ended) = tokio::time::timeout(TRIAL, process.wait()).await {
        let status = ended?.map_or_else(String::new, |status| format!(" ({status})"));
        let log = std::fs::read_to_string(process.log()).unwrap_or_default();
        bail!("the promoter has ended at once{status}:\n{}", log.trim());
    }
    Ok(())
}

/// Guards a member as its administrator would.
async fn guard(fleet: &Fleet) -> anyhow::Result<()> {
    let output = Command::new(workspace::binaries()?.join("kubectl-promote"))
        .args(["member", "enable", GUARDED])
        .arg("--kubeconfig")
        .arg(fleet.kubeconfig())
        .output()
        .await
        .context("cannot run kubectl-promote")?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("{GUARDED} could not be guarded: {}", message.trim());
    }
    Ok(())
}

async fn apply_types(fleet: &Fleet) -> anyhow::Result<()> {
    let types = workspace::root().join("charts/karmada-promoter/crds");
    for action in [
        ["apply", "--server-side"],
        // The hub watches them from its first moment on.
        ["wait", "--for=condition=Established"],
    ] {
        let output = Command::new(fleet.programs().join("kubectl"))
            .args(action)
            .arg("--kubeconfig")
            .arg(fleet.kubeconfig())
            .arg("--filename")
            .arg(&types)
            .output()
            .await
            .context("cannot run kubectl")?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            bail!(
                "kubectl could not {} {}: {}",
                action[0],
                types.display(),
                message.trim()
            );
        }
    }
    Ok(())
}
