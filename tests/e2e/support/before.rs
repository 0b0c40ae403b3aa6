//! The proof that a workload's pods were left alone.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{Cluster, Kind, Scene};

/// A Deployment of a member with its ReplicaSets and pods, as they were at one moment.
pub(crate) struct Before {
    cluster: Cluster,
    name: String,
    state: State,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct State {
    /// How often the containers of each pod, by its UID, were restarted.
    pods: BTreeMap<String, i64>,
    /// The UID of each ReplicaSet with the hash of its pod template.
    replica_sets: BTreeSet<(String, String)>,
    spec: Value,
    uid: String,
}

impl Before {
    /// Remembers a Deployment.
    pub(crate) async fn take(scene: &Scene, member: &str, name: &str) -> Result<Self> {
        let cluster = scene.member(member).clone();
        let state = State::read(&cluster, name).await?;
        ensure!(!state.replica_sets.is_empty(), "{name} has no ReplicaSet");
        let replicas = state.spec["replicas"].as_u64().context("replicas")?;
        ensure!(
            u64::try_from(state.pods.len())? == replicas,
            "{name} has {} of {replicas} pods",
            state.pods.len()
        );
        Ok(Self {
            cluster,
            name: name.to_owned(),
            state,
        })
    }

    /// Fails unless it is the same Deployment with the same spec, ReplicaSets and pods, none of
    /// them restarted.
    pub(crate) async fn assert_untouched(&self) -> Result<()> {
        let after = State::read(&self.cluster, &self.name).await?;
        let before = &self.state;
        let subject = format!("{} in {}", self.name, self.cluster.name());
        ensure!(after.uid == before.uid, "{subject} is another object");
        ensure!(
            after.spec == before.spec,
            "the spec of {subject} was changed\nfrom {}\nto   {}",
            before.spec,
            after.spec
        );
        ensure!(
            after.replica_sets == before.replica_sets,
            "the ReplicaSets of {subject} were {:?} and are {:?}",
            before.replica_sets,
            after.replica_sets
        );
        ensure!(
            after.pods == before.pods,
            "the pods of {subject} (UIDs, restarts) were {:?} and are {:?}",
            before.pods,
            after.pods
        );
        Ok(())
    }
}

impl State {
    async fn read(cluster: &Cluster, name: &str) -> Result<Self> {
        let deployment = cluster.get(&Kind::deployment(), name).await?;
        let selector = selector(&deployment);
        let replica_sets = cluster.select(&Kind::replica_set(), &selector).await?;
        let pods = cluster.select(&Kind::pod(), &selector).await?;
        Ok(Self {
            pods: pods.iter().map(|pod| (uid(pod), restarts(pod))).collect(),
            replica_sets: replica_sets
                .iter()
                .map(|set| {
                    let hash = &set["metadata"]["labels"]["pod-template-hash"];
                    (uid(set), hash.as_str().unwrap_or_default().to_owned())
                })
                .collect(),
            spec: deployment["spec"].clone(),
            uid: uid(&deployment),
        })
    }
}

/// The label selector of a Deployment's ReplicaSets and pods.
pub(crate) fn selector(deployment: &Value) -> String {
    let labels = deployment["spec"]["selector"]["matchLabels"].as_object();
    let pairs: Vec<_> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.join(",")
}

fn uid(object: &Value) -> String {
    let uid = object["metadata"]["uid"].as_str();
    uid.unwrap_or_default().to_owned()
}

fn restarts(pod: &Value) -> i64 {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|key| pod["status"][key].as_array())
        .flatten()
        .filter_map(|status| status["restartCount"].as_i64())
        .sum()
}
