//! What the webhook knows to be federated: Works of a member that nobody brings there.

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use promoter_api::karmada::{execution_namespace, work_name};
use promoter_fleet::Fleet;
use serde_json::json;
use tokio::process::Command;

use crate::workspace;

/// The member that they are of.
pub(super) const CLUSTER: &str = "member1";

/// The namespace of the Deployments, which exist nowhere.
pub(super) const NAMESPACE: &str = "federated";

const LABEL: &str = "bench";

/// How many are created at a time.
const PARALLEL: usize = 32;

/// The Works.
pub(super) struct Works(Api<DynamicObject>);

impl Works {
    /// Creates them, and returns when they are there.
    pub(super) async fn create(fleet: &Fleet, count: usize) -> anyhow::Result<Self> {
        let api = api(client(fleet).await?);
        stream::iter(0..count)
            .map(|index| create(&api, index))
            .buffer_unordered(PARALLEL)
            .try_collect::<()>()
            .await?;
        Ok(Self(api))
    }

    /// Takes them away again.
    pub(super) async fn delete(self) -> anyhow::Result<()> {
        self.0
            .delete_collection(
                &DeleteParams::default(),
                &ListParams::default().labels(LABEL),
            )
            .await
            .context("cannot delete the Works of the bench")?;
        Ok(())
    }
}

/// Has the control plane know Promotions: the webhook asks for them too.
pub(super) async fn define_promotions(fleet: &Fleet) -> anyhow::Result<()> {
    let folder = workspace::root().join("charts/karmada-promoter/control-plane");
    let definition = folder.join("promotions.promote.karmada.io.yaml");
    let output = Command::new(fleet.programs().join("kubectl"))
        .args(["apply", "--server-side", "--filename"])
        .arg(definition)
        .arg("--kubeconfig")
        .arg(fleet.kubeconfig())
        .output()
        .await
        .context("cannot run kubectl")?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "Promotions are not defined: {message}"
    );
    Ok(())
}

/// The name of a Deployment that is federated.
pub(super) fn name(index: usize) -> String {
    format!("workload-{index}")
}

/// A client of the fleet's control plane.
pub(super) async fn client(fleet: &Fleet) -> anyhow::Result<Client> {
    let kubeconfig = Kubeconfig::read_from(fleet.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn api(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("work.karmada.io", "v1alpha1", "Work");
    let resource = ApiResource::from_gvk_with_plural(&kind, "works");
    Api::namespaced_with(client, &execution_namespace(CLUSTER), &resource)
}

async fn create(api: &Api<DynamicObject>, index: usize) -> anyhow::Result<()> {
    let work = serde_json::from_value(json!({
        "apiVersion": "work.karmada.io/v1alpha1",
        "kind": "Work",
        "metadata": {
            "name": work_name("Deployment", &name(index), NAMESPACE),
            "labels": {LABEL: "true"},
        },
        // Karmada leaves it alone.
        "spec": {"suspendDispatching": true, "workload": {"manifests": []}},
    }))?;
    api.create(&PostParams::default(), &work)
        .await
        .with_context(|| format!("cannot create Work {index} of the bench"))?;
    Ok(())
}
