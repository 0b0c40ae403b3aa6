//! The chart: installed by helm into a host cluster or a member, and run there as a node would run
//! it.
//!
//! - [`Host`]: a namespace of that cluster, and what a user does there with helm;
//! - [`User`]: somebody in a member who opts Deployments in;
//! - [`Kubelet`]: runs the pods of that namespace as processes of the fleet, each with the very
//!   command, arguments, environment and volumes that the API server has. For the image stands the
//!   program as it was built, for the file system and the interface of a container a folder and an
//!   address of the loopback interface. Services lead to the pods that are ready.

mod container;
mod host;
mod kubelet;
mod member;
mod paths;
mod probe;
mod services;
mod source;
mod volume;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use promoter_fleet::Programs;
use serde_json::Value;
use tokio::process::Command;

pub(crate) use host::Host;
pub(crate) use kubelet::Kubelet;
pub(crate) use member::{CAROL, CERTIFICATE, User, WEBHOOK, bundles, values_in_member};

/// The name of every release, with which the names of its objects begin.
pub(crate) const RELEASE: &str = "promoter";

/// What the names of all pods of the chart begin with, those of the README's release included.
pub(crate) const PODS: [&str; 2] = [RELEASE, "karmada-promoter-"];

/// The folder of the chart.
pub(crate) fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "charts", "karmada-promoter"]
        .iter()
        .collect()
}

/// The words that give helm these values, which are merged into the chart's own.
pub(crate) fn words(values: &Value) -> Vec<String> {
    let values = values.as_object().into_iter().flatten();
    values
        .flat_map(|(key, value)| ["--set-json".to_owned(), format!("{key}={value}")])
        .collect()
}

/// What the chart makes of these values, without any cluster.
pub(crate) async fn render(values: &Value) -> Result<Vec<Value>> {
    let mut words = words(values);
    words.extend(["--name-template".to_owned(), RELEASE.to_owned()]);
    let rendered = helm("template", &words).await?;
    let documents = rendered
        .split("\n---")
        .filter(|text| text.contains("\nkind:"));
    let objects = documents.map(|text| Ok(serde_saphyr::from_str(text.trim_start_matches("---"))?));
    objects.collect()
}

/// Runs helm with these words on the chart, without any cluster, and returns what it printed. What
/// it failed with is the error.
pub(crate) async fn helm(command: &str, words: &[String]) -> Result<String> {
    let programs = Programs::prepare().await?;
    let mut helm = Command::new(programs.path("helm"));
    helm.arg(command).args(words).arg(folder());
    if command == "template" {
        // Helm as the fleet has it was built without knowing of any Kubernetes.
        helm.args(["--kube-version", "1.35.4"]);
    }
    let output = helm.kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run helm {command}"))?;
    let printed = |bytes| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success(),
        "helm {command} failed: {}{}",
        printed(&output.stdout),
        printed(&output.stderr)
    );
    Ok(printed(&output.stdout))
}
