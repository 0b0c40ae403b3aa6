//! Whether a workload is still what it was: the test that no pod was replaced.
//!
//! `metadata.generation` is no such test: the API server raises a Deployment's for a changed
//! annotation, too, and Karmada writes annotations.

use std::{collections::BTreeSet, fmt::Write as _};

use promoter_api::{
    marks::POD_TEMPLATE_HASH,
    promotion::{CarriedEdit, ReplicaSetIdentity, Snapshot},
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// In what a workload is not what it was.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SnapshotChange {
    /// Another Deployment of that name took its place.
    #[error("the Deployment was deleted and created again")]
    Recreated,
    /// Something in its `.spec` is different, the replicas apart.
    #[error("the Deployment's spec was changed")]
    SpecChanged,
    /// Its controller made ReplicaSets.
    #[error("there are new ReplicaSets: pod-template-hash {}", hashes.join(", "))]
    NewReplicaSets {
        /// The hashes of their pod templates, sorted.
        hashes: Vec<String>,
    },
    /// Pods came or went though nothing scales them.
    #[error("pods were replaced: gone {gone}, new {new}")]
    PodsReplaced {
        /// How many of those before are no more.
        gone: usize,
        /// How many there are that were not before.
        new: usize,
    },
}

/// A Deployment as it is now.
///
/// Of `replica_sets` and `pods` those count that belong to it, by their controller's UID; pods
/// that are finished or being deleted do not. `autoscaled` tells whether something scales it.
#[must_use]
pub fn snapshot(
    deployment: &Value,
    replica_sets: &[Value],
    pods: &[Value],
    autoscaled: bool,
) -> Snapshot {
    let mut replica_sets: Vec<ReplicaSetIdentity> = replica_sets
        .iter()
        .filter(|replica_set| is_controlled_by(replica_set, deployment))
        .map(identity)
        .collect();
    replica_sets.sort_unstable();
    let owners: BTreeSet<&str> = replica_sets.iter().map(|it| it.uid.as_str()).collect();
    let mut pods: Vec<String> = pods
        .iter()
        .filter(|pod| controller(pod).is_some_and(|owner| owners.contains(owner)))
        .filter(|pod| is_active(pod))
        .map(|pod| uid(pod).to_owned())
        .collect();
    pods.sort_unstable();
    Snapshot {
        autoscaled,
        pods,
        replica_sets,
        replicas: replicas(deployment),
        spec_digest: spec_digest(deployment),
        uid: uid(deployment).to_owned(),
    }
}

/// Whether no pod was replaced between two snapshots of a workload; otherwise the first reason to
/// doubt it.
///
/// ReplicaSets that are gone are no change: the controller removes old ones beyond the history's
/// limit. Where something scales the workload, or somebody has, pods come and go by themselves,
/// and the ReplicaSets alone tell.
pub fn compare(before: &Snapshot, after: &Snapshot) -> Result<(), SnapshotChange> {
    same_replica_sets(before, after)?;
    if before.autoscaled || after.autoscaled || before.replicas != after.replicas {
        return Ok(());
    }
    let pods_before: BTreeSet<&String> = before.pods.iter().collect();
    let pods_after: BTreeSet<&String> = after.pods.iter().collect();
    let gone = pods_before.difference(&pods_after).count();
    let new = pods_after.difference(&pods_before).count();
    if gone + new > 0 {
        return Err(SnapshotChange::PodsReplaced { gone, new });
    }
    Ok(())
}

/// The same for a workload that people have edited meanwhile, and whose edits were carried into
/// its template: they have replaced the pods, by no other ReplicaSets than the edits' own.
pub fn compare_edited(
    before: &Snapshot,
    after: &Snapshot,
    carried: &[CarriedEdit],
    replica_sets: &[Value],
) -> Result<(), SnapshotChange> {
    let Some(last) = carried.last() else {
        return compare(before, after);
    };
    let mut expected = before.clone();
    expected.spec_digest.clone_from(&last.spec_digest);
    let edits = replica_sets
        .iter()
        .filter(|replica_set| is_of_edit(replica_set, carried))
        .map(identity);
    expected.replica_sets.extend(edits);
    same_replica_sets(&expected, after)
}

/// Whether a ReplicaSet was made for an edit that was carried.
#[must_use]
pub fn is_of_edit(replica_set: &Value, carried: &[CarriedEdit]) -> bool {
    let digest = pod_template_digest(&replica_set["spec"]["template"]);
    carried
        .iter()
        .any(|edit| edit.pod_template_digest == digest)
}

/// Whether a Deployment controls a ReplicaSet.
#[must_use]
pub fn is_controlled_by(replica_set: &Value, deployment: &Value) -> bool {
    controller(replica_set) == Some(uid(deployment))
}

/// What tells a ReplicaSet from another.
#[must_use]
pub fn identity(replica_set: &Value) -> ReplicaSetIdentity {
    ReplicaSetIdentity {
        pod_template_hash: pod_template_hash(replica_set).to_owned(),
        uid: uid(replica_set).to_owned(),
    }
}

fn same_replica_sets(before: &Snapshot, after: &Snapshot) -> Result<(), SnapshotChange> {
    if before.uid != after.uid {
        return Err(SnapshotChange::Recreated);
    }
    if before.spec_digest != after.spec_digest {
        return Err(SnapshotChange::SpecChanged);
    }
    let hashes: BTreeSet<&String> = after
        .replica_sets
        .iter()
        .filter(|replica_set| !before.replica_sets.contains(replica_set))
        .map(|replica_set| &replica_set.pod_template_hash)
        .collect();
    if !hashes.is_empty() {
        return Err(SnapshotChange::NewReplicaSets {
            hashes: hashes.into_iter().cloned().collect(),
        });
    }
    Ok(())
}

fn uid(object: &Value) -> &str {
    object
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The UID of an object's controller.
fn controller(object: &Value) -> Option<&str> {
    object
        .pointer("/metadata/ownerReferences")?
        .as_array()?
        .iter()
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?
        .get("uid")?
        .as_str()
}

fn pod_template_hash(replica_set: &Value) -> &str {
    replica_set
        .pointer("/metadata/labels")
        .and_then(|labels| labels.get(POD_TEMPLATE_HASH)?.as_str())
        .unwrap_or_default()
}

/// Source: Kubernetes' `pkg/controller/controller_utils.go`, `IsPodActive`.
fn is_active(pod: &Value) -> bool {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    pod.pointer("/metadata/deletionTimestamp")
        .is_none_or(Value::is_null)
        && !matches!(phase, Some("Succeeded" | "Failed"))
}

/// The API server sets 1 where there is none.
fn replicas(deployment: &Value) -> i32 {
    deployment
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .and_then(|replicas| i32::try_from(replicas).ok())
        .unwrap_or(1)
}

/// SHA-256, in hexadecimal digits, of the whole `.spec` but the replicas, as compact JSON with
/// sorted keys.
#[must_use]
pub fn spec_digest(deployment: &Value) -> String {
    let mut spec = deployment.get("spec").map(canonical).unwrap_or_default();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("replicas");
    }
    hexadecimal_digest(&spec)
}

/// The same of a pod template, a Deployment's or a ReplicaSet's.
#[must_use]
pub fn pod_template_digest(template: &Value) -> String {
    let mut template = canonical(template);
    let labels = template.pointer_mut("/metadata/labels");
    if let Some(labels) = labels.and_then(Value::as_object_mut) {
        labels.remove(POD_TEMPLATE_HASH);
    }
    hexadecimal_digest(&template)
}

fn hexadecimal_digest(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string());
    digest.iter().fold(String::new(), |mut hexadecimal, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hexadecimal, "{byte:02x}");
        hexadecimal
    })
}

/// A value without nulls: API servers of some versions write them where others, perhaps beside
/// them in the same cluster, write nothing (`creationTimestamp` of a pod template).
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), canonical(value)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests;
