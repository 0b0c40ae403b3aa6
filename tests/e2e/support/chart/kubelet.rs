//! Runs the pods of a namespace, as the kubelets of its nodes would.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use kube::{
    api::{Patch, PatchParams},
    core::Request,
};
use promoter_fleet::{Fleet, Process};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::container::Container;
use crate::support::{Cluster, Kind, LIMIT, eventually, fleet, workload::assert_rolled_out};

/// Runs the pods of one namespace.
pub(crate) struct Kubelet {
    cluster: Cluster,
    fleet: Arc<Fleet>,
    /// What runs, by the UID of its pod.
    running: Mutex<BTreeMap<String, Process>>,
}

impl Kubelet {
    pub(super) fn new(fleet: Arc<Fleet>, cluster: Cluster) -> Self {
        Self {
            cluster,
            fleet,
            running: Mutex::default(),
        }
    }

    /// Does once what a kubelet does all the time: ends the processes of pods that are gone, starts
    /// those of pods that are new, and tells the API server which run. Fails where a pod cannot
    /// start, in the words of a kubelet, or where it did not end well.
    pub(crate) async fn sync(&self) -> Result<()> {
        let pods = self.cluster.list(&Kind::pod()).await?;
        let mut running = self.running.lock().await;
        let is_there = |uid: &String| {
            pods.iter()
                .any(|pod| pod["metadata"]["uid"] == uid.as_str())
        };
        let gone: Vec<String> = running
            .keys()
            .filter(|uid| !is_there(uid))
            .cloned()
            .collect();
        for uid in gone {
            if let Some(process) = running.remove(&uid) {
                end(&process).await?;
            }
        }
        for pod in &pods {
            let uid = text(&pod["metadata"]["uid"])?;
            if let Some(process) = running.get(uid) {
                let log = || std::fs::read_to_string(process.log()).unwrap_or_default();
                ensure!(process.is_running()?, "{} ended: {}", process.name(), log());
                continue;
            }
            let container = self.prepare(pod).await?;
            let name = text(&pod["metadata"]["name"])?;
            let process = self.fleet.run(name, container.program()).await?;
            running.insert(uid.to_owned(), process);
            self.report_running(name).await?;
        }
        Ok(())
    }

    /// Reads all that a pod's container starts with, and writes its volumes.
    pub(crate) async fn prepare(&self, pod: &Value) -> Result<Container> {
        // The volumes end with the fleet.
        let folder = fleet::folder(&self.fleet).join("pods");
        let folder = folder.join(text(&pod["metadata"]["uid"])?);
        Container::prepare(&self.cluster, folder, pod)
            .await
            .with_context(|| format!("pod {}", pod["metadata"]["name"]))
    }

    /// Runs pods until a Deployment is rolled out and no other pod is left, and returns its
    /// processes.
    pub(crate) async fn until_rolled_out(&self, deployment: &str) -> Result<Vec<Process>> {
        let what = format!("{deployment} is rolled out");
        eventually(&what, LIMIT, async || {
            self.sync().await?;
            let deployment = self.cluster.get(&Kind::deployment(), deployment).await?;
            assert_rolled_out(&deployment)?;
            let running = self.running.lock().await;
            let wanted = deployment["spec"]["replicas"].as_u64();
            let count = running.len();
            ensure!(wanted == Some(count.try_into()?), "{count} processes run");
            Ok(running.values().cloned().collect())
        })
        .await
    }

    /// Runs pods until there are none.
    pub(crate) async fn until_idle(&self) -> Result<()> {
        eventually("no pod is left", LIMIT, async || {
            self.sync().await?;
            let running = self.running.lock().await;
            ensure!(running.is_empty(), "{} processes run", running.len());
            Ok(())
        })
        .await
    }

    /// Waits until there is a pod that does not run yet.
    pub(crate) async fn until_pod(&self) -> Result<Value> {
        eventually("there is a pod", LIMIT, async || {
            let pods = self.cluster.list(&Kind::pod()).await?;
            if let Some(pod) = pods.into_iter().next() {
                return Ok(pod);
            }
            let sets = self.cluster.list(&Kind::replica_set()).await?;
            let told: Vec<_> = sets
                .iter()
                .map(|set| &set["status"]["conditions"])
                .collect();
            bail!("there is none, and the ReplicaSets say {told:?}")
        })
        .await
    }

    async fn report_running(&self, pod: &str) -> Result<()> {
        // A pod has to be ready for a while before it counts as available.
        let now = jiff::Timestamp::now().to_string();
        let condition = |of: &str| json!({"type": of, "status": "True", "lastTransitionTime": now});
        let conditions = ["Initialized", "ContainersReady", "Ready"].map(condition);
        let status = json!({"status": {"phase": "Running", "conditions": conditions}});
        let path = Kind::pod().path_in(self.cluster.namespace());
        let request = Request::new(path).patch_subresource(
            "status",
            pod,
            &PatchParams::default(),
            &Patch::Merge(&status),
        )?;
        self.cluster.client().request::<Value>(request).await?;
        Ok(())
    }
}

async fn end(process: &Process) -> Result<()> {
    let status = process.terminate().await?;
    ensure!(
        status.is_none_or(|status| status.success()),
        "{} did not end well: {status:?}",
        process.name()
    );
    Ok(())
}

fn text(value: &Value) -> Result<&str> {
    value
        .as_str()
        .with_context(|| format!("{value} is no text"))
}
