//! The promoter of this workspace, run as processes of a fleet.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use promoter_fleet::{Fleet, Program};
use promoter_installation::control_plane::{HUB_USER, WEBHOOK_USER};
use tokio::process::Command;

use crate::workspace;

/// The name of the hub's process.
pub(crate) const NAME: &str = "promoter";

/// The name of the webhook's process.
pub(crate) const WEBHOOK: &str = "admission-webhook";

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

/// The member that is guarded and admits opt-ins, where nothing else is asked for. The others do
/// not, so that both can be tried.
pub(crate) const ENABLED: &str = "member1";

/// Where the webhook is.
struct Webhook {
    authority: PathBuf,
    url: String,
}

/// Installs the promoter in the control plane and in members, as an administrator does, and starts
/// it: the webhook and the hub, each as a user of its own, with the rights that it has everywhere
/// else and no more.
pub(super) async fn start(fleet: &Fleet, enabled: &[&str]) -> anyhow::Result<()> {
    let webhook = start_webhook(fleet).await?;
    enable(fleet, &["control-plane", "enable"], &webhook).await?;
    for member in enabled {
        enable(fleet, &["member", "enable", member], &webhook).await?;
    }
    let kubeconfig = fleet.user_kubeconfig("karmada", HUB_USER, None)?;
    let hub = Program::new(workspace::binaries()?.join("karmada-promoter"))
        .argument("hub")
        .argument("--kubeconfig")
        .argument(kubeconfig.to_string_lossy())
        // Not every member of a fleet has the admission that stamps who opted in.
        .argument("--adopt-unstamped")
        // The tests keep Karmada busy, and one of them has it render sixty dependencies meanwhile.
        .argument("--staging-timeout=300");
    run(fleet, NAME, hub).await
}

async fn start_webhook(fleet: &Fleet) -> anyhow::Result<Webhook> {
    let (port, health) = (Fleet::free_port()?, Fleet::free_port()?);
    let certificate = fleet.add_server("karmada", WEBHOOK)?;
    let kubeconfig = fleet.user_kubeconfig("karmada", WEBHOOK_USER, None)?;
    let webhook = Program::new(workspace::binaries()?.join("karmada-promoter"))
        .argument("webhook")
        .argument(format!("--listen=127.0.0.1:{port}"))
        .argument(format!("--health-listen=127.0.0.1:{health}"))
        .argument(format!("--kubeconfig={}", kubeconfig.display()))
        .argument(format!(
            "--tls-cert-file={}",
            certificate.certificate.display()
        ))
        .argument(format!(
            "--tls-private-key-file={}",
            certificate.key.display()
        ));
    run(fleet, WEBHOOK, webhook).await?;
    Ok(Webhook {
        authority: certificate.authority,
        url: format!("https://127.0.0.1:{port}"),
    })
}

async fn run(fleet: &Fleet, name: &str, program: Program) -> anyhow::Result<()> {
    let process = fleet.run(name, program).await?;
    if let Ok(ended) = tokio::time::timeout(TRIAL, process.wait()).await {
        let status = ended?.map_or_else(String::new, |status| format!(" ({status})"));
        let log = std::fs::read_to_string(process.log()).unwrap_or_default();
        bail!("{name} has ended at once{status}:\n{}", log.trim());
    }
    Ok(())
}

/// As an administrator does it.
async fn enable(fleet: &Fleet, words: &[&str], webhook: &Webhook) -> anyhow::Result<()> {
    let output = Command::new(workspace::binaries()?.join("kubectl-promote"))
        .args(words)
        .arg(format!("--kubeconfig={}", fleet.kubeconfig().display()))
        .arg(format!("--webhook-url={}", webhook.url))
        .arg(format!("--ca-file={}", webhook.authority.display()))
        .output()
        .await
        .context("cannot run kubectl-promote")?;
    let message = String::from_utf8_lossy(&output.stderr);
    // It ends well, with a warning, where the webhook does not answer.
    if !output.status.success() || !message.is_empty() {
        bail!("kubectl promote {}: {}", words.join(" "), message.trim());
    }
    Ok(())
}
