//! What the control plane holds under the names that a promotion needs.

use promoter_api::{karmada::execution_namespace, marks};
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
        Ok(ExistingObject {
            key: key.clone(),
            policy,
            template,
        })
    }))
    .await?;
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
        work,
    })
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
