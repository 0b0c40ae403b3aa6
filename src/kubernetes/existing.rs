//! What the control plane holds under the names that a promotion needs.

use std::collections::BTreeSet;

use promoter_api::{
    karmada::{execution_namespace, work_name},
    marks,
};
use promoter_domain::{
    object::{ObjectKey, ObjectKind},
    plan::{Existing, ExistingObject, Live},
};
use serde_json::Value;

use crate::{
    objects::{Error, Objects},
    resource::Resource,
};

/// Reads it, for a workload and what it refers to.
pub async fn read(
    control_plane: &Objects,
    cluster: &str,
    namespace: &str,
    workload: &ObjectKey,
    live: &Live,
) -> Result<Existing, Error> {
    let work = work_behind(control_plane, cluster, &live.deployment).await?;
    if control_plane
        .get(Resource::NAMESPACE, None, namespace)
        .await?
        .is_none()
    {
        return Ok(Existing {
            work,
            ..Existing::default()
        });
    }
    let keys = live
        .dependencies
        .iter()
        .filter(|dependency| dependency.object.is_some())
        .map(|dependency| &dependency.reference.key)
        .chain([workload]);
    let objects = futures::future::try_join_all(keys.map(async |key| {
        let (policy, template) = futures::future::try_join(
            control_plane.get(
                Resource::PROPAGATION_POLICY,
                Some(namespace),
                &key.policy_name(),
            ),
            control_plane.get(key.kind.into(), Some(namespace), &key.name),
        )
        .await?;
        let is_dependency = key.kind.as_dependency().is_some();
        let work = match (&template, is_dependency) {
            (Some(_), true) => {
                let name = work_name(key.kind.as_str(), &key.name, namespace);
                let execution = execution_namespace(cluster);
                control_plane
                    .get(Resource::WORK, Some(&execution), &name)
                    .await?
            }
            _ => None,
        };
        Ok(ExistingObject {
            key: key.clone(),
            policy,
            template,
            work,
        })
    }))
    .await?;
    let promotions = if objects.iter().any(is_in_hand) {
        promotions(control_plane, namespace).await?
    } else {
        BTreeSet::new()
    };
    let binding = control_plane
        .get(
            Resource::RESOURCE_BINDING,
            Some(namespace),
            &workload.binding_name(),
        )
        .await?;
    Ok(Existing {
        binding,
        namespace: true,
        objects,
        promotions,
        work,
    })
}

/// Whether some Promotion has marked the policy as being staged or as about to go.
fn is_in_hand(object: &ExistingObject) -> bool {
    object.policy.as_ref().is_some_and(|policy| {
        [marks::STAGED_BY, marks::RELEASED_BY]
            .iter()
            .any(|mark| policy["metadata"]["annotations"][mark].is_string())
    })
}

/// The UIDs of a namespace's Promotions.
async fn promotions(control_plane: &Objects, namespace: &str) -> Result<BTreeSet<String>, Error> {
    let all = control_plane
        .list(Resource::PROMOTION, Some(namespace), None)
        .await?;
    let uids = all
        .iter()
        .filter_map(|promotion| promotion["metadata"]["uid"].as_str());
    Ok(uids.map(str::to_owned).collect())
}

/// The Work of this control plane by which Karmada keeps an object of a cluster, if there is one.
///
/// The marks on the object only say where to look: they can be copied, from another cluster too,
/// the Work cannot.
pub async fn work_behind(
    control_plane: &Objects,
    cluster: &str,
    live: &Value,
) -> Result<Option<Value>, Error> {
    let annotations = &live["metadata"]["annotations"];
    let (Some(namespace), Some(name)) = (
        annotations[marks::WORK_NAMESPACE].as_str(),
        annotations[marks::WORK_NAME].as_str(),
    ) else {
        return Ok(None);
    };
    if namespace != execution_namespace(cluster) {
        return Ok(None);
    }
    let work = control_plane
        .get(Resource::WORK, Some(namespace), name)
        .await?;
    Ok(work.filter(|work| {
        let manifest = &work["spec"]["workload"]["manifests"][0];
        manifest["kind"] == live["kind"]
            && manifest["metadata"]["name"] == live["metadata"]["name"]
            && manifest["metadata"]["namespace"] == live["metadata"]["namespace"]
    }))
}

/// Whether a kind of object goes along, for reading no more than is wanted.
pub fn wanted(
    kinds: &[promoter_api::promotion::DependencyKind],
) -> impl Fn(ObjectKind) -> bool + '_ {
    |kind| {
        kind.as_dependency()
            .is_some_and(|kind| kinds.contains(&kind))
    }
}
