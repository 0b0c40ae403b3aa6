//! Measures one promotion, either way.

use std::{collections::BTreeSet, process::Stdio, time::Instant};

use anyhow::{Context, bail};
use kube::{ResourceExt, api::DynamicObject};
use promoter_fleet::Fleet;
use serde_json::json;
use tokio::process::Command;

use super::{
    MEMBER, Times,
    server::{PROMOTION, RESOURCE_BINDING, Server},
    workload::Workload,
};

/// Promotes by the promoter.
pub(super) async fn promoter(control_plane: &Server, workload: &Workload) -> anyhow::Result<Times> {
    let namespace = &workload.namespace;
    let mut promotions = control_plane.watch(PROMOTION, namespace).await?;
    let promotion = json!({
        "apiVersion": "promote.karmada.io/v1alpha1",
        "kind": "Promotion",
        "metadata": {"name": Workload::NAME},
        "spec": {
            "clusters": [MEMBER],
            "requester": control_plane.myself().await?,
            "workload": {"name": Workload::NAME},
        },
    });
    let asked = Instant::now();
    control_plane
        .create(PROMOTION, Some(namespace), promotion)
        .await?;
    // Settling begins when the member is verified, and the status says when only in seconds.
    let verified = promotions
        .until("a Promotion to be verified", |promotion| {
            Ok(matches!(phase(promotion)?, "Settling" | "Promoted"))
        })
        .await?;
    let promoted = promotions
        .until("a Promotion to be settled", |promotion| {
            Ok(phase(promotion)? == "Promoted")
        })
        .await?;
    Ok(Times {
        first: verified - asked,
        last: promoted - asked,
    })
}

/// The phase of a Promotion; an error when there is nothing to wait for any more.
fn phase(promotion: &DynamicObject) -> anyhow::Result<&str> {
    let status = &promotion.data["status"];
    match status["phase"].as_str().unwrap_or_default() {
        phase @ ("Refused" | "Failed") => bail!("the promotion was {phase}: {}", status["message"]),
        phase => Ok(phase),
    }
}

/// Promotes by `karmadactl promote -d`.
pub(super) async fn karmadactl(
    fleet: &Fleet,
    control_plane: &Server,
    workload: &Workload,
) -> anyhow::Result<Times> {
    let namespace = &workload.namespace;
    let mut bindings = control_plane.watch(RESOURCE_BINDING, namespace).await?;
    let mut command = Command::new(fleet.programs().join("karmadactl"));
    command
        .args(["promote", "deployment", Workload::NAME, "-d"])
        .args(["-n", namespace, "-C", MEMBER, "--kubeconfig"])
        .arg(fleet.kubeconfig())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let asked = Instant::now();
    let output = command.output().await.context("cannot run karmadactl")?;
    let ended = asked.elapsed();
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("karmadactl could not promote: {}", message.trim());
    }
    let mut missing = BTreeSet::from(Workload::BINDINGS);
    let applied = bindings
        .until("karmadactl's bindings to be applied", |binding| {
            if is_fully_applied(binding) {
                missing.remove(binding.name_any().as_str());
            }
            Ok(missing.is_empty())
        })
        .await?;
    Ok(Times {
        first: ended,
        // Karmada may be done before the command has ended.
        last: ended.max(applied - asked),
    })
}

fn is_fully_applied(binding: &DynamicObject) -> bool {
    binding.data["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "FullyApplied" && condition["status"] == "True")
}
