//! Follows a promoted workload to other clusters, with what Karmada does not bring there itself.

use std::collections::BTreeSet;

use promoter_api::marks;
use promoter_domain::{
    object::ObjectKey,
    observation::{self, Version},
    policy,
};
use promoter_kubernetes::{objects::Write, resource::Resource};
use serde_json::{Map, Value, json};

use super::{of_version, write};
use crate::{Context, Error, flow::Flow, read::others, record::Record};

/// Creates the namespace in newly placed clusters that lack it, extends the policies of pull
/// Secrets, and records where the workload is placed now.
///
/// Karmada creates no namespace that it was told not to spread, and does not see what only a
/// ServiceAccount refers to.
pub(super) async fn follow(
    context: &Context,
    record: &Record,
    clusters: &[String],
) -> Result<Flow, Error> {
    let before = record.placed();
    for cluster in clusters.iter().filter(|cluster| !before.contains(*cluster)) {
        create_namespace(context, record, cluster).await?;
    }
    extend(context, record, clusters).await?;
    let mut status = record.status();
    status.placed = clusters.to_vec();
    status.message = None;
    write(context, record, &status).await?;
    Ok(Flow::Again)
}

/// Creates the namespace, with the labels that it has in the control plane. One that is there is
/// left as it is, and none is ever deleted.
async fn create_namespace(context: &Context, record: &Record, cluster: &str) -> Result<(), Error> {
    let name = record.namespace();
    let member = context.members.get(cluster).await?;
    if member
        .objects
        .get(Resource::NAMESPACE, None, name)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let template = context
        .control_plane
        .get(Resource::NAMESPACE, None, name)
        .await?;
    let labels: Map<String, Value> = template
        .as_ref()
        .and_then(|template| template["metadata"]["labels"].as_object())
        .into_iter()
        .flatten()
        .filter(|(key, _)| !marks::is_karmada_key(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    });
    match member
        .objects
        .create(Resource::NAMESPACE, None, &namespace, Write::ForGood)
        .await
    {
        Ok(_) => Ok(()),
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Brings the policies of pull Secrets to every cluster in which a workload needs them.
async fn extend(context: &Context, record: &Record, clusters: &[String]) -> Result<(), Error> {
    let through: Vec<_> = record
        .dependencies()
        .filter(|dependency| dependency.through_service_account)
        .map(|dependency| ObjectKey::dependency(dependency.kind, &dependency.name))
        .collect();
    if through.is_empty() {
        return Ok(());
    }
    let before = record.placed();
    let left: BTreeSet<&str> = before
        .iter()
        .filter(|cluster| !clusters.contains(*cluster))
        .map(String::as_str)
        .collect();
    for key in through {
        let namespace = Some(record.namespace());
        let name = key.policy_name();
        // Read before the users are: whoever changes it after this is looked at again.
        let found = context
            .control_plane
            .get(Resource::PROPAGATION_POLICY, namespace, &name)
            .await?;
        let ours = found.filter(|policy| {
            policy["metadata"]["labels"][marks::MANAGED_BY] == marks::FIELD_MANAGER
        });
        let Some(policy) = ours else { continue };
        let Some(version) = Version::of(Some(&policy)) else {
            continue;
        };
        let Some(origin) = policy["metadata"]["annotations"][marks::ORIGIN].as_str() else {
            continue;
        };
        // Only what this workload has left is given up, unless somebody else is there.
        let placed: BTreeSet<String> = observation::needed_in(None, Some(&policy))
            .into_iter()
            .filter(|cluster| !left.contains(cluster.as_str()))
            .chain(users(context, record, &key).await?)
            .chain(clusters.iter().cloned())
            .collect();
        let patch = of_version(policy::placement_patch(origin, &placed), &version);
        context
            .control_plane
            .merge(Resource::PROPAGATION_POLICY, namespace, &name, &patch)
            .await?;
    }
    Ok(())
}

/// The clusters in which other workloads that need a dependency are placed, by their bindings.
async fn users(context: &Context, record: &Record, key: &ObjectKey) -> Result<Vec<String>, Error> {
    let mut clusters = Vec::new();
    for other in others(context, record).await? {
        let Some(workload) = other.workload() else {
            continue;
        };
        if !other.dependencies().any(|needed| needed == key) {
            continue;
        }
        let name = workload.binding_name();
        let binding = context
            .control_plane
            .get(Resource::RESOURCE_BINDING, Some(record.namespace()), &name)
            .await?;
        let bound = binding
            .iter()
            .filter_map(|binding| binding["spec"]["clusters"].as_array());
        clusters.extend(
            bound
                .flatten()
                .filter_map(|cluster| cluster["name"].as_str().map(str::to_owned)),
        );
    }
    Ok(clusters)
}
